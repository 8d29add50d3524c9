//! `send-break`: hold a serial line low for longer than a frame.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, PORT, Reference};
use crate::targets::{Capability, Port};

/// On which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendBreak(pub Port);

impl Step for SendBreak {
    const NAME: &'static str = "send-break";

    const REFERENCE: Reference = Reference {
        group: Group::Serial,
        doc: "Holds a serial line low for longer than a frame.",
        value: Kind::Either(&[Kind::Nothing, Kind::Keys(&[PORT])]),
        examples: &["send-break", "send-break: {port: uart1}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if node.is_null() {
            return Some(Self(Port::Console));
        }
        let mut fields = Fields::new(node, "`send-break`", decoder)?;
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        port.map(Self)
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Serial], needs_power: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("on {}", self.0)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().send_break(self.0)?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn a_break_goes_to_the_console_unless_said_otherwise() {
        let target = FakeTarget::new([]);
        let log = target.log();
        assert_eq!(run_steps(target, "- send-break\n- send-break: {port: uart1}"), Outcome::Passed);
        let log = log.lock().unwrap();
        assert_eq!(log[1..], ["0.000000s console < break", "0.000000s uart1 < break"]);
    }
}
