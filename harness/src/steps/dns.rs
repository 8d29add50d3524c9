//! `dns`: what the router says when it is asked for a name.

use std::net::Ipv4Addr;

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys, word};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::scenario::site;
use crate::site::{DnsAnswer, Order};
use crate::targets::Capability;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsStep {
    /// Asked for this name; without: for any that no other step is about.
    pub name: Option<String>,
    /// What it says.
    pub says: DnsAnswer,
}

const ANSWERS: &[(&str, DnsAnswer)] = &[
    ("truth", DnsAnswer::Truth),
    ("no-such-name", DnsAnswer::NoSuchName),
    ("failure", DnsAnswer::Failure),
    ("silence", DnsAnswer::Silence),
];

impl Step for DnsStep {
    const NAME: &'static str = "dns";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "What the router says from now on when it is asked for a name, or for all names, as a captive portal does.",
        value: Kind::Keys(&[
            Key::optional(
                "name",
                Kind::Text,
                "The name; without: all that no other such step is about.",
            ),
            Key::required(
                "says",
                Kind::Either(&[
                    Kind::Words(&["truth", "no-such-name", "failure", "silence"]),
                    Kind::Text,
                ]),
                "An address that is not the name's, or that there is no such name, or that it has failed (SERVFAIL), or nothing; `truth` ends it.",
            ),
        ]),
        examples: &[
            "dns: {name: example.org, says: 192.168.0.9}",
            "dns: {says: 192.168.0.9}",
            "dns: {name: laptop, says: no-such-name}",
            "dns: {says: failure}",
            "dns: {says: silence}",
            "dns: {says: truth}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`dns`", decoder)?;
        let name = fields.optional::<Spanned>("name", decoder);
        let says = match fields.node("says") {
            None => {
                fields.missing("says");
                None
            }
            Some(node) => match node.as_text().and_then(|text| text.parse::<Ipv4Addr>().ok()) {
                Some(address) => Some(DnsAnswer::Address(address)),
                None => word(node, decoder, "an address or another answer", ANSWERS),
            },
        };
        fields.finish(UnknownKeys::Deny, decoder);
        let name = match name? {
            None => None,
            Some(name) => Some(site::domain_name(name, decoder)?),
        };
        Some(Self { name, says: says? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::AirControl], needs_site: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        let name = self.name.as_deref().unwrap_or("all names");
        match self.says {
            DnsAnswer::Address(address) => format!("{name} at {address}"),
            answer => {
                let word = ANSWERS.iter().find(|(_, it)| *it == answer);
                format!("{name}: {}", word.map_or("", |(word, _)| word))
            }
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().order(Order::Dns { name: self.name.clone(), says: self.says })?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file};
    use crate::targets::fake::FakeTarget;

    fn run(dns: &str) -> (Outcome, String) {
        let target = FakeTarget::new([]);
        let log = target.log();
        let head = "name: t\nversion: 1\nair: {ssid: x}\n";
        let outcome = run_file(target, &format!("{head}steps:\n- dns: {dns}\n"));
        let log = log.lock().expect("nobody panicked").join("\n");
        (outcome, log)
    }

    #[test]
    fn the_router_is_told_what_to_say() {
        for (dns, told) in [
            (
                "{name: example.org, says: 192.168.0.9}",
                "name: Some(\"example.org\"), says: Address(192.168.0.9)",
            ),
            ("{says: no-such-name}", "name: None, says: NoSuchName"),
            ("{says: truth}", "says: Truth"),
        ] {
            let (outcome, log) = run(dns);
            assert_eq!(outcome, Outcome::Passed);
            assert!(log.contains(told), "{log}");
        }
    }

    #[test]
    fn what_nobody_could_say_or_ask_is_refused() {
        for (wrong, why) in [
            ("{name: laptop}", "needs `says`"),
            ("{says: lies}", "is not an address or another answer"),
            ("{says: 192.168.0.300}", "is not an address or another answer"),
            ("{name: 'a b', says: silence}", "a host's name has"),
        ] {
            let (Outcome::Invalid(faults), _) = run(wrong) else { panic!("{wrong}") };
            assert!(faults[0].message.contains(why), "{faults:?}");
        }
    }
}
