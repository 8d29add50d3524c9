//! `strap`: pull a strapping pin to a level, or let go of it. It acts at the next reset.
//!
//! Source: ESP32 Datasheet, "Strapping Pins". `boot-mode` is the common case of GPIO0.

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
pub struct StrapStep {
    /// Which pin.
    pub pin: Pin,
    /// The level; `None` lets go of the pin.
    pub level: Option<Level>,
}

const STRAPS: [u8; 6] = [0, 2, 4, 5, 12, 15];

impl Step for StrapStep {
    const NAME: &'static str = "strap";

    const REFERENCE: Reference = Reference {
        group: Group::Power,
        doc: "Pulls a strapping pin to a level, or lets go of it. It acts at the next reset; `boot-mode` is the common case of GPIO0.",
        value: Kind::Keys(&[
            Key::required("pin", Kind::Pin, "A strapping pin: 0, 2, 4, 5, 12 or 15."),
            Key::required(
                "level",
                Kind::Words(&["low", "high", "open"]),
                "The level; `open` lets go of the pin.",
            ),
        ]),
        examples: &["strap: {pin: 12, level: high}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`strap`", decoder)?;
        let pin = fields.required::<Pin>("pin", decoder);
        if let (Some(Pin(gpio)), Some(node)) = (pin, fields.node("pin"))
            && !STRAPS.contains(&gpio)
        {
            let message = format!("GPIO{gpio} is no strapping pin (they are 0, 2, 4, 5, 12, 15)");
            return decoder.bad(node.span.clone(), message);
        }
        let words = [("low", Some(Level::Low)), ("high", Some(Level::High)), ("open", None)];
        let level = match fields.node("level") {
            Some(node) => word(node, decoder, "a level", &words),
            None => {
                fields.missing("level");
                None
            }
        };
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { pin: pin?, level: level? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Strap, Capability::DrivePins], ..Facts::default() }
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
    fn only_strapping_pins_can_be_strapped() {
        let run =
            |pin| run_steps(FakeTarget::new([]), &format!("- strap: {{pin: {pin}, level: high}}"));
        assert_eq!(run(12), Outcome::Passed);
        assert!(matches!(run(13), Outcome::Invalid(_)));
    }
}
