//! `set-pin`: put a level on a pin from outside, or let go of it.

use super::pin_fields::Pin;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::{Capability, Level};

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPin {
    /// Which pin.
    pub pin: Pin,
    /// The level; `None` lets go of the pin.
    pub level: Option<Level>,
}

impl Step for SetPin {
    const NAME: &'static str = "set-pin";

    const REFERENCE: Reference = Reference {
        group: Group::Pins,
        doc: "Puts a level on a pin from outside, or lets go of it.",
        value: Kind::Keys(&[
            Key::required("pin", Kind::Pin, "Which pin."),
            Key::required(
                "level",
                Kind::Words(&["low", "high", "open", "0", "1"]),
                "The level; `open` lets go of the pin.",
            ),
        ]),
        examples: &["set-pin: {pin: 4, level: low}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`set-pin`", decoder)?;
        let pin = fields.required("pin", decoder);
        let level = match fields.node("level") {
            Some(node) => word(
                node,
                decoder,
                "a level",
                &[
                    ("low", Some(Level::Low)),
                    ("high", Some(Level::High)),
                    ("open", None),
                    ("0", Some(Level::Low)),
                    ("1", Some(Level::High)),
                ],
            ),
            None => {
                fields.missing("level");
                None
            }
        };
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { pin: pin?, level: level? })
    }

    fn facts(&self) -> Facts<'_> {
        let needs = &[Capability::Pins, Capability::DrivePins];
        Facts { needs, pins: vec![self.pin.0], ..Facts::default() }
    }

    fn summary(&self) -> String {
        let level = self.level.map_or("open".to_owned(), |level| level.to_string());
        format!("GPIO{} {level}", self.pin.0)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().drive_pin(self.pin.0, self.level)?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn a_pin_is_driven_and_let_go() {
        let target = FakeTarget::new([]);
        let log = target.log();
        let steps = "
- set-pin: {pin: 12, level: high}
- set-pin: {pin: 12, level: open}";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
        assert_eq!(*log.lock().unwrap(), ["0.000000s GPIO12 < high", "0.000000s GPIO12 < nothing"]);
    }
}
