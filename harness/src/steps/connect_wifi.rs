//! `connect-wifi`: MicroPython joins a WiFi network, and has an address at the end.
//!
//! What it does at the prompt is what a person would: switch the station on, connect, wait. A network
//! that does not let it in fails the step, with what `status()` says.

use super::micropython::{RawRepl, text_literal};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PORT, Reference};
use crate::scenario::values::Template;
use crate::site::NetworkPlace;
use crate::targets::{Capability, Port};
use crate::time::Span;

/// Patience when the step does not say its own: WPA2 makes a chip calculate for seconds.
const DEFAULT_WITHIN: Span = Span::from_secs(30);

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectWifi {
    /// The network's name.
    pub ssid: Template,
    /// Its password.
    pub password: Option<Template>,
    /// A static address: address, netmask, gateway, name server.
    pub address: Option<Vec<Template>>,
    /// The name that the address becomes a value of.
    pub capture: Option<Spanned>,
    /// Patience in device time.
    pub within: Span,
    /// Which port.
    pub port: Port,
}

impl Step for ConnectWifi {
    const NAME: &'static str = "connect-wifi";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "MicroPython joins a WiFi network: switches the station on at the prompt, connects, and waits for an address. A network that does not let it in fails the step with what `status()` says.",
        value: Kind::Keys(&[
            Key::required("ssid", Kind::Template, "The network's name."),
            Key::optional("password", Kind::Template, "Its password."),
            Key::optional(
                "address",
                Kind::List(&Kind::Template),
                "A static address, as `ifconfig()` takes it: address, netmask, gateway, name server.",
            ),
            Key::optional("capture", Kind::Text, "The name that the address becomes a value of."),
            Key::or("within", Kind::Duration, "30s", "Patience, in device time."),
            PORT,
        ]),
        examples: &[
            "connect-wifi: {ssid: bench-net, password: '{{env.WIFI_PASSWORD}}'}",
            "connect-wifi: {ssid: open, address: [192.168.0.70, 255.255.255.0, 192.168.0.1, 192.168.0.1], capture: ip, within: 5s, port: uart0}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`connect-wifi`", decoder)?;
        let ssid = fields.required("ssid", decoder);
        let password = fields.optional("password", decoder);
        let address = match fields.node("address") {
            None => Some(None),
            Some(node) => match Vec::decode(node, decoder)? {
                four if four.len() == 4 => Some(Some(four)),
                _ => decoder.wrong(node, "four: address, netmask, gateway and name server"),
            },
        };
        let capture = fields.optional("capture", decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self {
            ssid: ssid?,
            password: password?,
            address: address?,
            capture: capture?,
            within: within?,
            port: port?,
        })
    }

    fn facts(&self) -> Facts<'_> {
        let address = self.address.iter().flatten();
        Facts {
            needs: &[Capability::Serial, Capability::Air],
            needs_power: true,
            templates: std::iter::once(&self.ssid).chain(&self.password).chain(address).collect(),
            captures: self.capture.iter().map(|name| name.text.as_str()).collect(),
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        self.ssid.shown()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let code = self.code(session)?;
        // The board gives up a little earlier, to say why.
        let within = Span::from_nanos(self.within.nanos().saturating_add(2_000_000_000));
        let nothing = |_: &str| false;
        let answer = RawRepl::during(session, self.port, |raw| raw.run(&code, within, &nothing))?;
        let last = answer.text.lines().next_back().unwrap_or_default();
        if let Some(address) = last.strip_prefix(JOINED) {
            if let Some(name) = &self.capture {
                session.set_value(&name.text, address);
            }
            return Ok(Evidence::note(format!("has the address {address}")));
        }
        let what = match last.strip_prefix(STATUS) {
            Some(status) => format!("it did not join: {}", meaning(status)),
            None => format!("it did not join: {last}"),
        };
        let seen = session.site_lines();
        Err(StepError::failed(Failure { seen, ..Failure::new(what) }))
    }
}

/// Milliseconds between two looks whether it has joined. Shorter than a few ticks of FreeRTOS (10 ms),
/// MicroPython's sleep is a busy loop, and each second of that is executed.
const LOOK_MS: u32 = 100;
/// What the program on the board says at its end.
const JOINED: &str = "joined as ";
const STATUS: &str = "status ";

impl ConnectWifi {
    /// The program that the board runs.
    fn code(&self, session: &Session<'_>) -> Result<String, StepError> {
        let text = |template: &Template| Ok::<_, StepError>(text_literal(&session.text(template)?));
        let (ssid, password) = match session.network_here(&session.text(&self.ssid)?) {
            Some(NetworkPlace { ssid, password }) => {
                (text_literal(ssid), password.as_deref().map(text_literal))
            }
            None => (text(&self.ssid)?, self.password.as_ref().map(text).transpose()?),
        };
        let address = match &self.address {
            None => String::new(),
            Some(four) => {
                let four = four.iter().map(text).collect::<Result<Vec<_>, _>>()?;
                format!("w.ifconfig(({}))\n", four.join(", "))
            }
        };
        let password = password.map_or(String::new(), |password| format!(", {password}"));
        let ms = self.within.nanos() / 1_000_000;
        Ok(format!(
            "import network, time\n\
             w = network.WLAN(network.STA_IF)\n\
             w.active(True)\n\
             {address}w.connect({ssid}{password})\n\
             t = time.ticks_ms()\n\
             while not w.isconnected() and time.ticks_diff(time.ticks_ms(), t) < {ms}:\n \
             time.sleep_ms({LOOK_MS})\n\
             print('{JOINED}' + w.ifconfig()[0] if w.isconnected() else '{STATUS}' + str(w.status()))\n"
        ))
    }
}

/// What MicroPython's `status()` means.
fn meaning(status: &str) -> String {
    let words = match status {
        "200" => "the access point is not heard any more",
        "201" => "there is no such access point, or none that takes this password",
        "202" => "the password is wrong",
        "203" => "the access point refused it",
        "204" => "the handshake did not end",
        "1000" => "it does not try",
        "1001" => "it still tries",
        _ => return format!("status {status}"),
    };
    format!("{words} (status {status})")
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::steps::micropython::scripted::{Ran, raw_mode};

    #[test]
    fn the_address_becomes_a_value() {
        let steps = "
- connect-wifi: {ssid: here, capture: ip}
- log: '{{ip}}'";
        let target = raw_mode([Ran::prints("joined as 192.168.0.50\r\n")]);
        assert_eq!(run_steps(target, steps), Outcome::Passed);
    }

    #[test]
    fn a_network_that_does_not_let_it_in_fails_the_step_and_says_why() {
        let steps = "- connect-wifi: {ssid: here, password: wrong-one}";
        for (printed, what) in [
            ("status 202\r\n", "it did not join: the password is wrong (status 202)"),
            ("status 7\r\n", "it did not join: status 7"),
        ] {
            let Outcome::Failed(failure) = run_steps(raw_mode([Ran::prints(printed)]), steps)
            else {
                panic!("must fail")
            };
            assert_eq!(failure.what, what);
        }
        let target = raw_mode([Ran::raises("OSError: Wifi Internal Error")]);
        let Outcome::Failed(failure) = run_steps(target, steps) else { panic!("must fail") };
        assert_eq!(failure.what, "it did not join: OSError: Wifi Internal Error");
    }
}
