//! `brownout`: the supply sags below the threshold of the chip's detector, and recovers.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::{Capability, Disturbance};
use crate::time::Span;

/// As long as a weak supply needs to recover from the radio's start.
const DEFAULT_FOR: Span = Span::from_millis(10);

/// How long the supply sags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brownout(pub Span);

impl Step for Brownout {
    const NAME: &'static str = "brownout";

    const REFERENCE: Reference = Reference {
        group: Group::Faults,
        doc: "The supply sags below the threshold of the chip's detector, and recovers.",
        value: Kind::Either(&[
            Kind::Nothing,
            Kind::Keys(&[Key::or("for", Kind::Duration, "10ms", "How long.")]),
        ]),
        examples: &["brownout", "brownout: {for: 50ms}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if node.is_null() {
            return Some(Self(DEFAULT_FOR));
        }
        let mut fields = Fields::new(node, "`brownout`", decoder)?;
        let span = fields.or("for", DEFAULT_FOR, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        span.map(Self)
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Faults], needs_power: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("for {}", self.0)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().disturb(Disturbance::SupplySag(true))?;
        session.let_pass(self.0)?;
        session.target().disturb(Disturbance::SupplySag(false))?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn the_supply_sags_and_recovers() {
        let target = FakeTarget::new([]);
        let log = target.log();
        assert_eq!(run_steps(target, "- brownout: {for: 3ms}"), Outcome::Passed);
        let log = log.lock().unwrap();
        assert_eq!(log[1..], ["0.000000s SupplySag(true)", "0.003000s SupplySag(false)"]);
    }
}
