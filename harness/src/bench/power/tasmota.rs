//! A plug with the firmware Tasmota.
//!
//! Source: Tasmota documentation, "Commands", "Command Flow" (web requests: `/cm?cmnd=…`, with
//! `user=` and `password=` where a web password is set). The answer names the relay `POWER`, or
//! `POWERn` on devices with several, and says `ON` or `OFF`. A wrong password is answered with
//! `{"WARNING":…}`, in older versions with status 200.

use serde::Deserialize;
use serde_json::Value;

use super::PowerSwitch;
use super::error::{PowerError, PowerTrouble};
use super::http::{LIMIT, Login, Plug, PlugUrl};
use super::secret::SecretName;
use crate::targets::Power;

pub(super) const NAME: &str = "tasmota";

/// A plug, as bench.toml says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tasmota {
    /// Where it is.
    pub url: PlugUrl,
    /// Which of its relays, from 1.
    #[serde(default = "relay_by_default")]
    pub relay: u8,
    /// Who asks.
    #[serde(default = "user_by_default")]
    pub user: String,
    /// The environment variable that has the web password.
    pub password_env: Option<SecretName>,
}

fn relay_by_default() -> u8 {
    1
}

pub(super) fn user_by_default() -> String {
    "admin".to_owned()
}

/// A plug that is ready.
#[derive(Debug)]
pub(super) struct Open {
    plug: Plug,
    relay: u8,
}

impl Tasmota {
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
        let state = match power {
            Power::On => "On",
            Power::Off => "Off",
        };
        let path = format!("/cm?cmnd=Power{}%20{state}", self.relay);
        self.ask(&path, power).map_err(|trouble| trouble.of(NAME, self.plug.shown(&path)))
    }
}

impl Open {
    fn ask(&self, path: &str, wanted: Power) -> Result<(), PowerTrouble> {
        let login = self.plug.login();
        let hidden = login.map(|it| [("user", &*it.user), ("password", it.password.to_be_sent())]);
        let answer = self.plug.get(path, hidden.as_ref().map_or(&[][..], |it| it))?;
        if answer.get("WARNING").is_some() {
            return Err(PowerTrouble::Password { given: login.is_some() });
        }
        let numbered = format!("POWER{}", self.relay);
        let said = match (answer.get("POWER"), answer.get(numbered)) {
            (Some(Value::String(said)), None) if self.relay == 1 => said.to_uppercase(),
            (_, Some(Value::String(said))) => said.to_uppercase(),
            _ => String::new(),
        };
        match (said.as_str(), wanted) {
            ("ON", Power::On) | ("OFF", Power::Off) => Ok(()),
            ("ON", Power::Off) => Err(PowerTrouble::Remains(Power::On)),
            ("OFF", Power::On) => Err(PowerTrouble::Remains(Power::Off)),
            _ => Err(PowerTrouble::NotUnderstood(self.plug.quoted(&answer.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::power::testing::{Answer, HttpPlug, LOGIN_ENV, decoded, login_value};

    fn plug(at: &HttpPlug, fields: &str) -> Open {
        let text = format!("url = \"{}\"\n{fields}", at.url());
        toml::from_str::<Tasmota>(&text).expect("a plug").open().expect("it opens")
    }

    /// What Tasmota answers, with its one relay.
    fn relay() -> impl FnMut(&str, Option<&str>) -> Answer + Send + 'static {
        |target, _| match target {
            "/cm?cmnd=Power1%20On" => Answer::ok(r#"{"POWER":"ON"}"#),
            "/cm?cmnd=Power1%20Off" => Answer::ok(r#"{"POWER":"OFF"}"#),
            _ => Answer::ok(r#"{"Command":"Unknown"}"#),
        }
    }

    #[test]
    fn a_relay_is_switched_and_its_answer_read() {
        let at = HttpPlug::new(relay());
        let mut switch = plug(&at, "");
        switch.switch(Power::On).expect("it works");
        switch.switch(Power::Off).expect("it works");
        assert_eq!(at.asked(), ["/cm?cmnd=Power1%20On", "/cm?cmnd=Power1%20Off"]);
    }

    #[test]
    fn one_of_several_relays_has_its_number_in_the_answer() {
        let at = HttpPlug::new(|target, _| match target {
            "/cm?cmnd=Power2%20On" => Answer::ok(r#"{"POWER2":"ON"}"#),
            _ => Answer::ok(r#"{"Command":"Unknown"}"#),
        });
        plug(&at, "relay = 2").switch(Power::On).expect("it works");
        let error = plug(&at, "relay = 3").switch(Power::On).expect_err("there is none");
        assert!(error.to_string().contains(r#"not understood: {"Command":"Unknown"}"#), "{error}");
    }

    #[test]
    fn the_password_is_sent_and_never_shown() {
        let secret = login_value();
        let at = HttpPlug::new({
            let login = format!("&user=me&password={secret}");
            move |target, _| match decoded(target).ends_with(&login) {
                true => Answer::ok(r#"{"POWER1":"OFF"}"#),
                false => Answer::ok(r#"{"WARNING":"Need user=<username>&password=<password>"}"#),
            }
        });
        let error = plug(&at, "").switch(Power::On).expect_err("it wants a password");
        assert!(matches!(error.trouble, PowerTrouble::Password { given: false }), "{error}");
        assert!(error.to_string().contains("password-env"), "{error}");
        let login = format!("user = \"me\"\npassword-env = \"{LOGIN_ENV}\"");
        let mut switch = plug(&at, &login);
        switch.switch(Power::Off).expect("it works");
        let error = switch.switch(Power::On).expect_err("it stays off");
        assert!(matches!(error.trouble, PowerTrouble::Remains(Power::Off)), "{error}");
        for shown in [error.to_string(), format!("{error:?}"), format!("{switch:?}")] {
            assert!(!shown.contains(&secret), "{shown}");
        }
    }

    #[test]
    fn a_plug_that_says_the_password_again_does_not_get_it_into_an_error() {
        let at = HttpPlug::new(|_, _| Answer::status(500, &login_value()));
        let mut switch = plug(&at, &format!("password-env = \"{LOGIN_ENV}\""));
        let error = switch.switch(Power::On).expect_err("it fails").to_string();
        assert!(error.contains("HTTP status 500: (not shown"), "{error}");
        assert!(!error.contains(&login_value()), "{error}");
    }

    #[test]
    fn a_password_that_is_not_in_the_environment_is_missed_before_anything_is_sent() {
        let text = "url = \"http://127.0.0.1:1\"\npassword-env = \"BENCHRIG_NO_SUCH\"";
        let plug: Tasmota = toml::from_str(text).expect("a plug");
        let error = plug.open().expect_err("there is none").to_string();
        assert!(
            error.ends_with(
                "the environment has no BENCHRIG_NO_SUCH; set BENCHRIG_NO_SUCH to the password"
            ),
            "{error}"
        );
    }

    #[test]
    fn whatever_else_answers_is_no_switched_plug() {
        for (answer, says) in [
            (Answer::status(404, "not here"), "HTTP status 404: not here"),
            (Answer::ok("<html>login</html>"), "not understood: <html>login</html>"),
            (Answer::ok("[1]"), "not understood: [1]"),
            (Answer::ok(&"x".repeat(100_000)), "not understood: it has more than 65536 bytes"),
            (Answer::Hangup, "no answer: "),
            (Answer::status(302, ""), "HTTP status 302"),
        ] {
            let at = HttpPlug::new(move |_, _| answer.clone());
            let error = plug(&at, "").switch(Power::On).expect_err("it does not switch");
            assert!(error.to_string().contains(says), "{error}");
            let tried = format!("power driver tasmota: GET {}/cm?cmnd=Power1%20On: ", at.url());
            assert!(error.to_string().starts_with(&tried), "{error}");
        }
    }

    #[test]
    fn a_plug_that_never_answers_is_given_up() {
        let at = HttpPlug::new(|_, _| Answer::Never);
        let mut switch = plug(&at, "");
        let url = at.url().try_into().expect("a url");
        switch.plug = Plug::new(url, None, Duration::from_millis(100));
        let error = switch.switch(Power::On).expect_err("it is silent");
        assert!(matches!(error.trouble, PowerTrouble::NoAnswer(_)), "{error}");
    }
}
