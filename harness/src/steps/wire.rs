//! `wire`: what is wrong with the wire between access points and hosts from now on.
//!
//! Each step says all that is wrong; what it does not name is right again. Which frames are hit
//! follows from the seed.

use super::serial_fields::is_short;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, PerMillion, UnknownKeys, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::site::{Order, Wire, WireFaults};
use crate::targets::Capability;
use crate::time::Span;

/// The longest delay and jitter: beyond it stations have given up.
const LONGEST: Span = Span::from_secs(60);
/// Packets that every computer must take (RFC 791), and those that Ethernet carries.
const MTU: std::ops::RangeInclusive<i64> = 68..=1500;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireStep {
    /// How the wire is from now on.
    pub wire: Wire,
}

impl Step for WireStep {
    const NAME: &'static str = "wire";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "What is wrong from now on with the wire between access points and hosts, in both directions. What is not named is right; `good` ends it all. Which frames are hit follows from the seed.",
        value: Kind::Either(&[
            Kind::Words(&["good", "unplugged"]),
            Kind::Keys(&[
                Key::any_of("loss", Kind::Share, "Frames that are lost."),
                Key::any_of("duplicated", Kind::Share, "Frames that come twice."),
                Key::any_of(
                    "reordered",
                    Kind::Share,
                    "Frames that are overtaken by those of the next 5 ms.",
                ),
                Key::any_of("delay", Kind::Duration, "How long each frame takes, each way."),
                Key::any_of("jitter", Kind::Duration, "How much longer it may take, at random."),
                Key::any_of(
                    "mtu",
                    Kind::Number(*MTU.start(), *MTU.end()),
                    "IP packets larger than this vanish without a word.",
                ),
            ]),
        ]),
        examples: &[
            "wire: {loss: 10%, delay: 50ms, jitter: 20ms}",
            "wire: {duplicated: 20%, reordered: 20%}",
            "wire: {mtu: 576}",
            "wire: unplugged",
            "wire: good",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            let words =
                [("good", Wire::Works(WireFaults::default())), ("unplugged", Wire::Unplugged)];
            return word(node, decoder, "a state of the wire", &words).map(|wire| Self { wire });
        }
        let mut fields = Fields::new(node, "`wire`", decoder)?;
        let loss = share("loss", &mut fields, decoder);
        let duplicated = share("duplicated", &mut fields, decoder);
        let reordered = share("reordered", &mut fields, decoder);
        let delay = span("delay", &mut fields, decoder);
        let jitter = span("jitter", &mut fields, decoder);
        let mtu = match fields.node("mtu") {
            None => Some(None),
            Some(node) => match node.as_integer() {
                Some(mtu) if MTU.contains(&mtu) => Some(Some(mtu as u16)),
                _ => decoder.wrong(node, "a size of packets from 68 to 1500 bytes"),
            },
        };
        fields.finish(UnknownKeys::Deny, decoder);
        let faults = WireFaults {
            loss: loss?,
            duplicated: duplicated?,
            reordered: reordered?,
            delay: delay?,
            jitter: jitter?,
            mtu: mtu?,
        };
        if faults == WireFaults::default() {
            let message = "nothing is wrong with this wire; write `wire: good`".to_owned();
            return decoder.bad(node.span.clone(), message);
        }
        Some(Self { wire: Wire::Works(faults) })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::AirControl], needs_site: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        let Wire::Works(faults) = self.wire else { return "unplugged".to_owned() };
        let share = |share: u32, what: &str| {
            let (whole, part) = (share / 10_000, share % 10_000);
            let part = format!(".{part:04}");
            let number = format!("{whole}{}", part.trim_end_matches('0').trim_end_matches('.'));
            (share > 0).then(|| format!("{number}% {what}"))
        };
        let time = |span: Span, what: &str| (span > Span::ZERO).then(|| format!("{span} {what}"));
        let words = [
            share(faults.loss, "lost"),
            share(faults.duplicated, "duplicated"),
            share(faults.reordered, "reordered"),
            time(faults.delay, "delay"),
            time(faults.jitter, "jitter"),
            faults.mtu.map(|mtu| format!("MTU {mtu}")),
        ];
        let words: Vec<_> = words.into_iter().flatten().collect();
        if words.is_empty() { "good".to_owned() } else { words.join(", ") }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().order(Order::Wire(self.wire))?;
        Ok(Evidence::Done)
    }
}

fn share(key: &'static str, fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<u32> {
    let node = fields.node(key);
    let Some(node) = node else { return Some(0) };
    let share = PerMillion::decode(node, decoder)?.0;
    // The wire throws a die of a thousand sides.
    match share % 1_000 {
        0 => Some(share),
        _ => decoder.bad(node.span.clone(), "no finer than 0.1%".to_owned()),
    }
}

fn span(key: &'static str, fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Span> {
    let node = fields.node(key);
    let Some(node) = node else { return Some(Span::ZERO) };
    let span = Span::decode(node, decoder)?;
    match span <= LONGEST {
        true => Some(span),
        false => decoder.bad(node.span.clone(), format!("more than {LONGEST}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file};
    use crate::targets::fake::FakeTarget;

    fn run(head: &str, wire: &str) -> (Outcome, String) {
        let target = FakeTarget::new([]);
        let log = target.log();
        let outcome =
            run_file(target, &format!("name: t\nversion: 1\n{head}steps:\n- wire: {wire}\n"));
        let log = log.lock().expect("nobody panicked").join("\n");
        (outcome, log)
    }

    #[test]
    fn a_step_says_all_that_is_wrong() {
        let (outcome, log) = run("air: {ssid: x}\n", "{loss: 0.5%, delay: 50ms, mtu: 576}");
        assert_eq!(outcome, Outcome::Passed);
        assert!(log.contains("loss: 5000, duplicated: 0, reordered: 0"), "{log}");
        assert!(log.contains("mtu: Some(576)"), "{log}");
        let (_, log) = run("air: {ssid: x}\n", "good");
        assert!(log.contains("loss: 0, ") && log.contains("mtu: None"), "{log}");
        let (_, log) = run("air: {ssid: x}\n", "unplugged");
        assert!(log.contains("Wire(Unplugged)"), "{log}");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (wrong, why) in [
            ("bad", "is not a state of the wire"),
            ("{}", "nothing is wrong with this wire"),
            ("{loss: 0%}", "nothing is wrong with this wire"),
            ("{loss: 0.01%}", "no finer than 0.1%"),
            ("{delay: 2min}", "more than"),
            ("{mtu: 20}", "from 68 to 1500"),
            ("{los: 1%}", "has no key `los`"),
        ] {
            let (Outcome::Invalid(faults), _) = run("air: {ssid: x}\n", wrong) else {
                panic!("{wrong} must be refused")
            };
            assert!(faults.iter().any(|it| it.message.contains(why)), "{faults:?}");
        }
        let (Outcome::Invalid(faults), _) = run("", "good") else { panic!("there is no wire") };
        assert_eq!(faults[0].message, "the scenario has no `air`, so no network");
    }
}
