//! `set-control`: move a control of a part, such as the `pressed` of a button (Wokwi's step).

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::{Button, Capability, Target, TargetError};
use crate::wokwi::script::Script;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq)]
pub struct SetControl {
    /// The part.
    pub part: String,
    /// What of it.
    pub control: Control,
}

/// A control with its new value.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// A button of the board is held down, or let go.
    Pressed(bool),
    /// Another one, by its name.
    Other {
        /// Its name.
        name: String,
        /// Its new value.
        value: f64,
        /// What of the part must be there, as plans name it.
        named: String,
    },
}

/// A number of any kind.
pub(super) struct Number(pub(super) f64);

impl Decode for Number {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let number = node.as_text().filter(|_| node.is_number()).and_then(|text| {
            let whole = node.as_integer().map(|number| number as f64);
            whole.or_else(|| text.parse().ok())
        });
        number.map(Self).or_else(|| decoder.wrong(node, "a number"))
    }
}

impl Step for SetControl {
    const NAME: &'static str = "set-control";

    const REFERENCE: Reference = Reference {
        group: Group::Pins,
        doc: "Moves a control of a part (Wokwi's step): the `pressed` of a button, the `temperature` of a sensor.",
        value: Kind::Keys(&[
            Key::required("part-id", Kind::Text, "The part."),
            Key::one_of("name", Kind::Text, "Which control of it."),
            Key::one_of("control", Kind::Text, "The older word for `name`."),
            Key::required(
                "value",
                Kind::Decimal,
                "Its new value; 1 presses a button, 0 lets go of it.",
            ),
        ]),
        examples: &[
            "set-control: {part-id: boot, name: pressed, value: 1}",
            "set-control: {part-id: boot, control: pressed, value: 0}",
            "set-control: {part-id: air, name: temperature, value: -12.5}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`set-control`", decoder)?;
        let part = fields.required::<String>("part-id", decoder);
        // Older scenarios of Wokwi say `control` instead of `name`.
        let key = fields.node("control").or_else(|| fields.node("name"));
        if key.is_none() {
            fields.missing("name");
        }
        let value = fields.required::<Number>("value", decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        let (part, value) = (part?, value?);
        let name = String::decode(key?, decoder)?;
        if let Some(circuit) = decoder.circuit().cloned() {
            if let Err(none) = circuit.check_control(&part, &name) {
                let (place, named) = match circuit.part_names().any(|known| known == part) {
                    true => (key?, name.as_str()),
                    false => (node.get("part-id")?, part.as_str()),
                };
                return decoder.no_such(place, named, none);
            }
            // What its type has was looked at just now.
            let control = Control::Other { name, value: value.0, named: part.clone() };
            return Some(Self { part, control });
        }
        let control = match name.as_str() {
            "pressed" => Control::Pressed(value.0 != 0.0),
            name => Control::Other {
                name: name.to_owned(),
                value: value.0,
                named: format!("{part}.{name}"),
            },
        };
        Some(Self { part, control })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Pins],
            needs_power: true,
            parts: match &self.control {
                Control::Pressed(_) => vec![&self.part],
                Control::Other { named, .. } => vec![named],
            },
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        match &self.control {
            Control::Pressed(true) => format!("{} pressed", self.part),
            Control::Pressed(false) => format!("{} released", self.part),
            Control::Other { name, value, .. } => format!("{}.{name} {value}", self.part),
        }
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        match &self.control {
            Control::Pressed(pressed) => {
                script.control(&self.part, "pressed", f64::from(u8::from(*pressed)))
            }
            Control::Other { name, value, .. } => script.control(&self.part, name, *value),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        match &self.control {
            Control::Pressed(pressed) => self.press(session.target(), *pressed)?,
            Control::Other { name, value, .. } => {
                session.target().set_control(&self.part, name, *value)?;
            }
        }
        Ok(Evidence::Done)
    }
}

impl SetControl {
    /// A button of the board, or else one that is wired to it.
    fn press(&self, target: &mut dyn Target, pressed: bool) -> Result<(), TargetError> {
        let button = match self.part.as_str() {
            "reset" => Button::Reset,
            name => Button::Named(name.to_owned()),
        };
        match if pressed { target.press(button) } else { target.release(button) } {
            Err(TargetError::NoSuchPart(_)) => {
                target.set_control(&self.part, "pressed", f64::from(u8::from(pressed)))
            }
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;
    use crate::targets::part::Shown;

    #[test]
    fn a_button_is_held_as_long_as_the_scenario_wants() {
        let target = FakeTarget::new([]);
        let log = target.log();
        let steps = "
- set-control: {part-id: boot, name: pressed, value: 1}
- delay: 30ms
- set-control: {part-id: boot, control: pressed, value: 0}";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
        let log = log.lock().unwrap();
        assert_eq!(log[1..], ["0.000000s press boot", "0.030000s release boot"]);
    }

    #[test]
    fn another_control_is_one_of_a_part_that_is_wired_to_the_board() {
        let target = FakeTarget::new([]).showing("air.temperature", Shown::Number(0.0));
        let log = target.log();
        let step = "- set-control: {part-id: air, name: temperature, value: -2.5}";
        assert_eq!(run_steps(target, step), Outcome::Passed);
        assert_eq!(log.lock().unwrap()[1..], ["0.000000s air.temperature = -2.5"]);
    }

    #[test]
    fn a_part_that_the_board_lacks_skips_the_case() {
        let steps = "- set-control: {part-id: btn7, name: pressed, value: 1}";
        assert_eq!(run_steps(FakeTarget::new([]), steps), Outcome::Skipped);
    }
}
