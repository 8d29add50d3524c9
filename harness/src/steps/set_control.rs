//! `set-control`: move a control of a part, such as the `pressed` of a button (Wokwi's step).

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::targets::{Button, Capability};

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetControl {
    /// The part.
    pub part: String,
    /// What of it.
    pub control: Control,
}

/// A control with its new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// A button is held down, or let go.
    Pressed(bool),
}

impl Step for SetControl {
    const NAME: &'static str = "set-control";

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`set-control`", decoder)?;
        let part = fields.required::<String>("part-id", decoder);
        // Older scenarios of Wokwi say `control` instead of `name`.
        let key = fields.node("control").or_else(|| fields.node("name"));
        if key.is_none() {
            fields.missing("name");
        }
        let pressed = fields.required::<u32>("value", decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        let key = key?;
        match key.as_text() {
            Some("pressed") => Some(Self { part: part?, control: Control::Pressed(pressed? != 0) }),
            _ => decoder.wrong(key, "a control that is known: `pressed`"),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Pins],
            needs_power: true,
            parts: vec![&self.part],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        let Control::Pressed(pressed) = self.control;
        format!("{} {}", self.part, if pressed { "pressed" } else { "released" })
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let button = match self.part.as_str() {
            "reset" => Button::Reset,
            name => Button::Named(name.to_owned()),
        };
        match self.control {
            Control::Pressed(true) => session.target().press(button)?,
            Control::Pressed(false) => session.target().release(button)?,
        }
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

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
    fn a_part_that_the_board_lacks_skips_the_case() {
        let steps = "- set-control: {part-id: btn7, name: pressed, value: 1}";
        assert_eq!(run_steps(FakeTarget::new([]), steps), Outcome::Skipped);
    }
}
