//! `station`: a station of the scenario joins the board's own network, or leaves it.

use super::serial_fields::DEFAULT_WITHIN;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Patience, Session};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys, word};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::site::{Attendance, Order};
use crate::targets::Capability;
use crate::time::Span;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationStep {
    /// The station, by its name.
    pub name: Spanned,
    /// What it does.
    pub does: Attendance,
    /// Patience in device time, until it has an address.
    pub within: Span,
}

impl Step for StationStep {
    const NAME: &'static str = "station";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "A station of the scenario joins the network that the board opens, and waits for its address; or it leaves.",
        value: Kind::Keys(&[
            Key::required("name", Kind::Text, "The station."),
            Key::required(
                "does",
                Kind::Words(&["join", "leave"]),
                "It looks for its network until it has joined, and joins again whenever it was lost; or it says good-bye.",
            ),
            Key::or(
                "within",
                Kind::Duration,
                "10s",
                "Patience until it has joined and has an address, in device time.",
            ),
        ]),
        examples: &[
            "station: {name: phone, does: join}",
            "station: {name: phone, does: join, within: 3s}",
            "station: {name: phone, does: leave}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`station`", decoder)?;
        let name = fields.required("name", decoder);
        let does = match fields.node("does") {
            None => {
                fields.missing("does");
                None
            }
            Some(node) => {
                let words = [("join", Attendance::Joins), ("leave", Attendance::Leaves)];
                word(node, decoder, "what a station does", &words)
            }
        };
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { name: name?, does: does?, within: within? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::AirControl],
            needs_power: true,
            stations: vec![(&self.name.text, self.name.span.clone())],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        let does = match self.does {
            Attendance::Joins => "joins",
            Attendance::Leaves => "leaves",
        };
        format!("{} {does}", self.name.text)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let name = &self.name.text;
        session.target().order(Order::Station { name: name.clone(), does: self.does })?;
        if self.does == Attendance::Leaves {
            return Ok(Evidence::Done);
        }
        match session.expect_address(name, Patience::Within(self.within))? {
            Some(address) => Ok(Evidence::note(format!("{name} has the address {address}"))),
            None => {
                let what = format!("{name} has no address in time");
                let seen = session.site_lines();
                Err(StepError::failed(Failure { seen, ..Failure::new(what) }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file};
    use crate::site::SiteEvent;
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    fn run(after: Option<u64>, fields: &str) -> (Outcome, String) {
        let event =
            SiteEvent::Station { name: "phone".to_owned(), address: Some([192, 168, 4, 2].into()) };
        let reply = Reply::on(Cue::PowerOn);
        let reply =
            after.into_iter().fold(reply, |it, s| it.happen(Span::from_secs(s), event.clone()));
        let target = FakeTarget::new([reply]);
        let log = target.log();
        let head = "name: t\nversion: 1\nstations: {name: phone, ssid: board-net}\n";
        let steps = format!("- station: {{name: phone, {fields}}}");
        let outcome = run_file(target, &format!("{head}steps:\n{steps}\n"));
        let log = log.lock().expect("nobody panicked").join("\n");
        (outcome, log)
    }

    #[test]
    fn to_join_waits_for_an_address_and_to_leave_for_nothing() {
        let (outcome, log) = run(Some(9), "does: join");
        assert_eq!(outcome, Outcome::Passed);
        assert!(log.contains("Station { name: \"phone\", does: Joins }"), "{log}");
        let (outcome, log) = run(None, "does: leave");
        assert_eq!(outcome, Outcome::Passed);
        assert!(log.contains("Leaves"), "{log}");
    }

    #[test]
    fn a_station_that_gets_no_address_in_time_fails_the_step() {
        for (after, fields) in [(Some(11), "does: join"), (Some(4), "does: join, within: 3s")] {
            let (Outcome::Failed(failure), _) = run(after, fields) else { panic!("must fail") };
            assert_eq!(failure.what, "phone has no address in time");
        }
    }

    #[test]
    fn what_a_station_cannot_do_is_refused() {
        for (wrong, why) in [("does: sleep", "what a station does"), ("within: 1s", "`does`")] {
            let (Outcome::Invalid(faults), _) = run(None, wrong) else { panic!("{wrong}") };
            assert!(faults[0].message.contains(why), "{faults:?}");
        }
    }
}
