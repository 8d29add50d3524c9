//! A plug or relay from Shelly, of any generation.
//!
//! Source: Shelly technical documentation. Generation 1, "/relay/{index}": `?turn=on` answers with
//! the state in `ison`; HTTP Basic login. Generations 2 and later, "Switch" and "Authentication":
//! `/rpc/Switch.Set?id=0&on=true` answers with the state before, so `/rpc/Switch.GetStatus` is asked
//! for `output`; HTTP Digest login by RFC 7616 with SHA-256, whose user is always `admin`. `/shelly`
//! tells without a login what the device is; `gen` in it is missing in generation 1.

use serde::Deserialize;
use serde_json::Value;

use super::PowerSwitch;
use super::error::{PowerError, PowerTrouble};
use super::http::{LIMIT, Login, Plug, PlugUrl};
use super::secret::SecretName;
use super::tasmota::user_by_default;
use crate::targets::Power;

pub(super) const NAME: &str = "shelly";

/// A device, as bench.toml says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shelly {
    /// Where it is.
    pub url: PlugUrl,
    /// Which of its relays, from 0.
    #[serde(default)]
    pub relay: u8,
    /// Who asks.
    #[serde(default = "user_by_default")]
    pub user: String,
    /// The environment variable that has the password.
    pub password_env: Option<SecretName>,
}

/// A device that is ready.
#[derive(Debug)]
pub(super) struct Open {
    plug: Plug,
    relay: u8,
}

impl Shelly {
    pub(super) fn open(&self) -> Result<Open, PowerError> {
        let login = match &self.password_env {
            None => None,
            Some(name) => {
                let password = name.read().map_err(|it| it.of(NAME, self.url.to_string()))?;
                Some(Login { user: self.user.clone(), password })
            }
        };
        Ok(Open { plug: Plug::new(self.url.clone(), login, LIMIT), relay: self.relay })
    }
}

impl PowerSwitch for Open {
    fn switch(&mut self, power: Power) -> Result<(), PowerError> {
        let is_first = self.get("/shelly")?.get("gen").is_none();
        let relay = self.relay;
        let (path, said) = if is_first {
            let state = match power {
                Power::On => "on",
                Power::Off => "off",
            };
            let path = format!("/relay/{relay}?turn={state}");
            let answer = self.get(&path)?;
            (path, self.state(&answer, "ison"))
        } else {
            self.get(&format!("/rpc/Switch.Set?id={relay}&on={}", power == Power::On))?;
            let path = format!("/rpc/Switch.GetStatus?id={relay}");
            let answer = self.get(&path)?;
            (path, self.state(&answer, "output"))
        };
        let verified = match said {
            Ok(said) if said == power => Ok(()),
            Ok(said) => Err(PowerTrouble::Remains(said)),
            Err(trouble) => Err(trouble),
        };
        verified.map_err(|trouble| trouble.of(NAME, self.plug.shown(&path)))
    }
}

impl Open {
    fn get(&self, path: &str) -> Result<Value, PowerError> {
        self.plug.get(path, &[]).map_err(|trouble| trouble.of(NAME, self.plug.shown(path)))
    }

    fn state(&self, answer: &Value, field: &str) -> Result<Power, PowerTrouble> {
        match answer.get(field) {
            Some(Value::Bool(true)) => Ok(Power::On),
            Some(Value::Bool(false)) => Ok(Power::Off),
            _ => Err(PowerTrouble::NotUnderstood(self.plug.quoted(&answer.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::bench::power::testing::{Answer, HttpPlug, LOGIN_ENV, login_value};

    const FIRST: &str = r#"{"type":"SHPLG-S","mac":"3C6105000001","auth":false,"fw":"20230913-113421/v1.14.0-gcb84623","discoverable":true,"num_outputs":1,"num_meters":1}"#;
    const SECOND: &str = r#"{"name":null,"id":"shellyplugus-083af2015b34","mac":"083AF2015B34","slot":0,"model":"SNPL-00116US","gen":2,"fw_id":"20230912-081944/1.0.3-g6176478","ver":"1.0.3","app":"PlugUS","auth_en":false,"auth_domain":null}"#;

    fn plug(at: &HttpPlug, fields: &str) -> Open {
        let text = format!("url = \"{}\"\n{fields}", at.url());
        toml::from_str::<Shelly>(&text).expect("a plug").open().expect("it opens")
    }

    /// A device of the first generation; `is_stuck`: its relay stays off.
    fn first(is_stuck: bool) -> HttpPlug {
        let state = |on| {
            format!(
                r#"{{"ison":{on},"has_timer":false,"timer_started":0,"timer_duration":0,"timer_remaining":0,"overpower":false,"source":"http"}}"#
            )
        };
        HttpPlug::new(move |target, _| match target {
            "/shelly" => Answer::ok(FIRST),
            "/relay/0?turn=on" => Answer::ok(&state(!is_stuck)),
            "/relay/0?turn=off" => Answer::ok(&state(false)),
            _ => Answer::status(404, "Not Found"),
        })
    }

    /// A device of a later generation.
    fn later() -> impl FnMut(&str) -> Answer + Send + 'static {
        let mut on = false;
        move |target| match target {
            "/shelly" => Answer::ok(SECOND),
            "/rpc/Switch.Set?id=0&on=true" => {
                Answer::ok(&format!(r#"{{"was_on":{}}}"#, std::mem::replace(&mut on, true)))
            }
            "/rpc/Switch.Set?id=0&on=false" => {
                Answer::ok(&format!(r#"{{"was_on":{}}}"#, std::mem::replace(&mut on, false)))
            }
            "/rpc/Switch.GetStatus?id=0" => Answer::ok(&format!(
                r#"{{"id":0,"source":"HTTP_in","output":{on},"apower":0.0,"voltage":231.2,"current":0.0,"temperature":{{"tC":41.3,"tF":106.3}}}}"#
            )),
            _ => Answer::status(
                500,
                r#"{"code":-105,"message":"Argument 'id', value 3 not found!"}"#,
            ),
        }
    }

    #[test]
    fn the_first_generation_says_its_state_at_once() {
        let at = first(false);
        let mut switch = plug(&at, "");
        switch.switch(Power::On).expect("it works");
        switch.switch(Power::Off).expect("it works");
        let asked = ["/shelly", "/relay/0?turn=on", "/shelly", "/relay/0?turn=off"];
        assert_eq!(at.asked(), asked);
    }

    #[test]
    fn a_relay_of_the_first_generation_that_stays_off_is_told() {
        let error = plug(&first(true), "").switch(Power::On).expect_err("it stays off");
        assert!(matches!(error.trouble, PowerTrouble::Remains(Power::Off)), "{error}");
        assert!(
            error.to_string().contains("/relay/0?turn=on: it says that the power is off"),
            "{error}"
        );
    }

    #[test]
    fn later_generations_are_asked_for_the_state_afterwards() {
        let mut device = later();
        let at = HttpPlug::new(move |target, _| device(target));
        let mut switch = plug(&at, "");
        for power in [Power::On, Power::On, Power::Off] {
            switch.switch(power).expect("it works");
        }
        let asked = at.asked();
        assert_eq!(
            asked[..3],
            ["/shelly", "/rpc/Switch.Set?id=0&on=true", "/rpc/Switch.GetStatus?id=0"]
        );
        assert_eq!(asked[7], "/rpc/Switch.Set?id=0&on=false");
    }

    #[test]
    fn a_relay_that_the_device_does_not_have_is_told_in_its_words() {
        let mut device = later();
        let at = HttpPlug::new(move |target, _| device(target));
        let error =
            plug(&at, "relay = 3").switch(Power::On).expect_err("there is none").to_string();
        assert!(error.contains("id=3&on=true: HTTP status 500"), "{error}");
        assert!(error.contains("Argument 'id', value 3 not found!"), "{error}");
    }

    #[test]
    fn a_basic_challenge_is_answered_with_the_password() {
        use base64::Engine as _;
        let expected =
            base64::engine::general_purpose::STANDARD.encode(format!("admin:{}", login_value()));
        let at = HttpPlug::new(move |target, authorization| match (target, authorization) {
            ("/shelly", _) => Answer::ok(FIRST),
            (_, Some(it)) if it == format!("Basic {expected}") => Answer::ok(r#"{"ison":true}"#),
            _ => Answer::challenge(r#"Basic realm="shelly""#),
        });
        plug(&at, &format!("password-env = \"{LOGIN_ENV}\"")).switch(Power::On).expect("it works");
        let error = plug(&at, "").switch(Power::On).expect_err("it wants a password");
        assert!(matches!(error.trouble, PowerTrouble::Password { given: false }), "{error}");
    }

    /// The field of a Digest header.
    fn field<'a>(header: &'a str, name: &str) -> &'a str {
        let (_, rest) = header.split_once(&format!("{name}=")).expect("the field");
        match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().expect("its end"),
            None => rest.split(',').next().expect("its end"),
        }
    }

    fn hash(text: String) -> String {
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a header answers the challenge below, by RFC 7616, "The Digest Response".
    fn is_right(header: &str, target: &str, password: &str) -> bool {
        let a1 = hash(format!("admin:shellyplugus-083af2015b34:{password}"));
        let a2 = hash(format!("GET:{target}"));
        let [nonce, nc, cnonce, qop] = ["nonce", "nc", "cnonce", "qop"].map(|it| field(header, it));
        header.starts_with("Digest ")
            && nonce == "60dc2c69"
            && field(header, "uri") == target
            && field(header, "response") == hash(format!("{a1}:{nonce}:{nc}:{cnonce}:{qop}:{a2}"))
    }

    #[test]
    fn a_digest_challenge_is_answered_without_sending_the_password() {
        let password = login_value();
        let at = HttpPlug::new({
            let (password, mut device) = (password.clone(), later());
            move |target, authorization| match (target, authorization) {
                ("/shelly", _) => device(target),
                (_, Some(it)) if is_right(it, target, &password) => device(target),
                _ => Answer::challenge(
                    r#"Digest qop="auth", realm="shellyplugus-083af2015b34", nonce="60dc2c69", algorithm=SHA-256"#,
                ),
            }
        });
        let mut switch = plug(&at, &format!("password-env = \"{LOGIN_ENV}\""));
        switch.switch(Power::On).expect("it works");
        assert_eq!(at.asked().len(), 5, "each request but the first is challenged");
        assert!(!at.headers().contains(&password));
    }

    #[test]
    fn a_wrong_password_is_told_and_not_shown() {
        let at = HttpPlug::new(|target, _| match target {
            "/shelly" => Answer::ok(SECOND),
            _ => Answer::challenge(r#"Digest qop="auth", realm="r", nonce="1", algorithm=SHA-256"#),
        });
        let mut switch = plug(&at, &format!("password-env = \"{LOGIN_ENV}\""));
        let error = switch.switch(Power::On).expect_err("it is wrong");
        assert!(matches!(error.trouble, PowerTrouble::Password { given: true }), "{error}");
        for shown in [error.to_string(), format!("{error:?}"), format!("{switch:?}")] {
            assert!(!shown.contains(&login_value()), "{shown}");
        }
    }
}
