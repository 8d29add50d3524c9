//! `access-point`: an access point starts, vanishes, kicks, or changes.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys, word};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::scenario::site;
use crate::scenario::units;
use crate::scenario::values::Template;
use crate::site::{Change, Misbehaviour, Order};
use crate::targets::Capability;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPointStep {
    /// The name of its network.
    pub ssid: Spanned,
    /// Which of those with this name; without: all.
    pub bssid: Option<[u8; 6]>,
    /// What becomes of it.
    pub change: Changed,
}

/// What becomes of an access point, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// What needs no values.
    To(Change),
    /// Another password.
    Password(Template),
}

const MISBEHAVIOURS: &[(&str, Misbehaviour)] = &[
    ("none", Misbehaviour::None),
    ("deaf", Misbehaviour::Deaf),
    ("no-authentication", Misbehaviour::NoAuthentication),
    ("refuse-authentication", Misbehaviour::RefuseAuthentication),
    ("no-association", Misbehaviour::NoAssociation),
    ("refuse-association", Misbehaviour::RefuseAssociation),
    ("no-message-1", Misbehaviour::NoMessage1),
    ("no-message-3", Misbehaviour::NoMessage3),
];

impl Step for AccessPointStep {
    const NAME: &'static str = "access-point";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "An access point of the scenario starts, vanishes, sends its stations away, or changes.",
        value: Kind::Keys(&[
            Key::required("ssid", Kind::Text, "The name of its network."),
            Key::optional(
                "bssid",
                Kind::Text,
                "Which of those with this name, by its address; without: all.",
            ),
            Key::one_of(
                "power",
                Kind::Words(&["on", "off"]),
                "It starts, or vanishes without a word.",
            ),
            Key::one_of(
                "kick",
                Kind::Number(1, 65_535),
                "It sends its stations away (deauthentication) with this reason code of 802.11.",
            ),
            Key::one_of(
                "disassociate",
                Kind::Number(1, 65_535),
                "The same by disassociation: they stay authenticated.",
            ),
            Key::one_of("signal", Kind::Signal, "How strong the board hears it from now on."),
            Key::one_of(
                "password",
                Kind::Template,
                "It has another password; its stations are sent away.",
            ),
            Key::one_of(
                "channel",
                Kind::Number(1, 14),
                "It works on another channel, without announcing that.",
            ),
            Key::one_of(
                "misbehave",
                Kind::Words(&[
                    "none",
                    "deaf",
                    "no-authentication",
                    "refuse-authentication",
                    "no-association",
                    "refuse-association",
                    "no-message-1",
                    "no-message-3",
                ]),
                "What it does wrong from now on.",
            ),
        ]),
        examples: &[
            "access-point: {ssid: bench-net, power: off}",
            "access-point: {ssid: bench-net, kick: 7}",
            "access-point: {ssid: bench-net, disassociate: 8}",
            "access-point: {ssid: bench-net, bssid: '02:62:72:00:00:02', signal: -80dBm}",
            "access-point: {ssid: bench-net, password: another-one}",
            "access-point: {ssid: bench-net, channel: 11}",
            "access-point: {ssid: bench-net, misbehave: no-message-3}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`access-point`", decoder)?;
        let ssid = fields.required("ssid", decoder);
        let bssid = match fields.node("bssid") {
            None => Some(None),
            Some(node) => site::bssid(node, decoder).map(Some),
        };
        let change = change(&mut fields, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { ssid: ssid?, bssid: bssid?, change: change? })
    }

    fn facts(&self) -> Facts<'_> {
        let templates = match &self.change {
            Changed::Password(password) => vec![password],
            Changed::To(_) => Vec::new(),
        };
        Facts {
            needs: &[Capability::AirControl],
            templates,
            networks: vec![(&self.ssid.text, self.ssid.span.clone())],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        let words = match &self.change {
            Changed::Password(_) => "password".to_owned(),
            Changed::To(change) => match change {
                Change::Power(true) => "on".to_owned(),
                Change::Power(false) => "off".to_owned(),
                Change::Kick(reason) => format!("kick with reason {reason}"),
                Change::Disassociate(reason) => format!("disassociate with reason {reason}"),
                Change::Signal(signal) => format!("{signal} dBm"),
                Change::Password(_) => "password".to_owned(),
                Change::Channel(channel) => format!("channel {channel}"),
                Change::Misbehave(wrong) => {
                    let word = MISBEHAVIOURS.iter().find(|(_, it)| it == wrong);
                    word.map_or(String::new(), |(word, _)| (*word).to_owned())
                }
            },
        };
        format!("{} {words}", self.ssid.text)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let change = match &self.change {
            Changed::To(change) => change.clone(),
            Changed::Password(password) => Change::Password(session.text(password)?),
        };
        let order = Order::AccessPoint { ssid: self.ssid.text.clone(), bssid: self.bssid, change };
        session.target().order(order)?;
        Ok(Evidence::Done)
    }
}

fn change(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Changed> {
    const KEYS: [&str; 7] =
        ["power", "kick", "disassociate", "signal", "password", "channel", "misbehave"];
    let nodes = KEYS.map(|key| fields.node(key));
    if let Some(second) = nodes.iter().flatten().nth(1) {
        let message = "one change at a time; write a second step".to_owned();
        return decoder.bad(second.span.clone(), message);
    }
    let changed = match nodes {
        [Some(node), ..] => {
            let words = [("on", true), ("off", false)];
            Change::Power(word(node, decoder, "a state of the supply", &words)?)
        }
        [_, Some(node), ..] => Change::Kick(reason(node, decoder)?),
        [_, _, Some(node), ..] => Change::Disassociate(reason(node, decoder)?),
        [_, _, _, Some(node), ..] => match node.as_text().map(units::signal) {
            Some(Ok(signal)) => Change::Signal(signal),
            _ => return decoder.wrong(node, "a signal such as -80dBm"),
        },
        [_, _, _, _, Some(node), ..] => {
            return Template::decode(node, decoder).map(Changed::Password);
        }
        [.., Some(node), _] => match node.as_integer() {
            Some(channel @ 1..=14) => Change::Channel(channel as u8),
            _ => return decoder.wrong(node, "a channel from 1 to 14"),
        },
        [.., Some(node)] => {
            let what = "something that an access point does wrong";
            Change::Misbehave(word(node, decoder, what, MISBEHAVIOURS)?)
        }
        [None, None, None, None, None, None, None] => {
            fields.missing("power");
            return None;
        }
    };
    Some(Changed::To(changed))
}

fn reason(node: &Node, decoder: &mut Decoder) -> Option<u16> {
    match node.as_integer().map(u16::try_from) {
        Some(Ok(reason @ 1..)) => Some(reason),
        _ => decoder.wrong(node, "a reason code from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file};
    use crate::targets::fake::FakeTarget;

    fn run(change: &str) -> (Outcome, String) {
        let target = FakeTarget::new([]);
        let log = target.log();
        let head = "name: t\nversion: 1\nair: {ssid: x}\n";
        let steps = format!("- access-point: {{ssid: x, {change}}}");
        let outcome = run_file(target, &format!("{head}steps:\n{steps}\n"));
        let log = log.lock().expect("nobody panicked").join("\n");
        (outcome, log)
    }

    #[test]
    fn the_target_is_told_of_each_change() {
        for (change, told) in [
            ("power: off", "Power(false)"),
            ("kick: 7", "Kick(7)"),
            ("disassociate: 8", "Disassociate(8)"),
            ("signal: -80dBm", "Signal(-80)"),
            ("password: another-one", "Password(\"another-one\")"),
            ("channel: 11", "Channel(11)"),
            ("misbehave: deaf", "Misbehave(Deaf)"),
        ] {
            let (outcome, log) = run(change);
            assert_eq!(outcome, Outcome::Passed);
            assert!(log.contains(told), "{log}");
        }
    }

    #[test]
    fn nothing_and_two_things_at_once_are_refused() {
        for (wrong, why) in [
            ("bssid: '02:00:00:00:00:01'", "needs `power`"),
            ("power: on, kick: 1", "one change at a time"),
            ("kick: 0", "a reason code from 1"),
            ("channel: 15", "a channel from 1"),
        ] {
            let (Outcome::Invalid(faults), _) = run(wrong) else { panic!("{wrong}") };
            assert!(faults[0].message.contains(why), "{faults:?}");
        }
    }
}
