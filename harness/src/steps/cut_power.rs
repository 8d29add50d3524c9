//! `cut-power`: the power fails, after a time or in the middle of a flash operation.
//!
//! The board is off afterwards; `power: on` brings it back.

use super::serial_fields::DEFAULT_WITHIN;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys, word};
use crate::scenario::fault::{Fault, FaultCode};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, U32, WITHIN};
use crate::targets::{Capability, Disturbance, FlashOperation, Port, Power};
use crate::time::Span;

/// When the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutPower {
    /// So long after the step begins.
    After(Span),
    /// In the middle of an operation of the flash chip.
    At {
        /// Which kind.
        operation: FlashOperation,
        /// The how many-th from now on.
        nth: u32,
        /// How long to wait for it.
        within: Span,
    },
}

impl Step for CutPower {
    const NAME: &'static str = "cut-power";

    const REFERENCE: Reference = Reference {
        group: Group::Faults,
        doc: "The power fails, after a time or in the middle of a flash operation. The board is off afterwards; `power: on` brings it back.",
        value: Kind::Keys(&[
            Key::one_of("after", Kind::Duration, "How long after the step begins."),
            Key::one_of(
                "at",
                Kind::Words(&["flash-erase", "flash-program"]),
                "In the middle of which operation of the flash chip.",
            ),
            Key::or("nth", Kind::Number(1, U32), "1", "The how many-th of them from now on."),
            WITHIN,
        ]),
        examples: &[
            "cut-power: {after: 250ms}",
            "cut-power: {at: flash-erase, nth: 3, within: 20s}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`cut-power`", decoder)?;
        let after = fields.optional::<Span>("after", decoder);
        let at_node = fields.node("at");
        let operations =
            [("flash-erase", FlashOperation::Erase), ("flash-program", FlashOperation::Program)];
        let at = at_node.map(|node| word(node, decoder, "a flash operation", &operations));
        let nth = fields.or("nth", 1, decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        if let (Some(Some(_)), Some(node)) = (&after, at_node) {
            let message = "either `after` or `at`, not both".to_owned();
            decoder.fault(Fault::new(FaultCode::Contradiction, node.span.clone(), message));
            return None;
        }
        if let (Some(None), None) = (&after, at_node) {
            fields.missing("after");
        }
        if nth == Some(0) {
            return decoder.bad(node.span.clone(), "the first operation is `nth: 1`".to_owned());
        }
        fields.finish(UnknownKeys::Deny, decoder);
        match (after?, at) {
            (Some(span), _) => Some(Self::After(span)),
            (None, Some(operation)) => {
                Some(Self::At { operation: operation?, nth: nth?, within: within? })
            }
            (None, None) => None,
        }
    }

    fn facts(&self) -> Facts<'_> {
        let needs: &[_] = match self {
            Self::After(_) => &[Capability::Power],
            Self::At { .. } => &[Capability::Power, Capability::Faults],
        };
        Facts { needs, needs_power: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        match self {
            Self::After(span) => format!("after {span}"),
            Self::At { operation, nth, .. } => format!("at {operation} number {nth}"),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let (operation, nth, within) = match *self {
            Self::After(span) => {
                session.let_pass(span)?;
                session.switch_power(Power::Off)?;
                return Ok(Evidence::Done);
            }
            Self::At { operation, nth, within } => (operation, nth, within),
        };
        let until = session.now() + within;
        session.target().disturb(Disturbance::PowerCut { operation, nth: nth.into() })?;
        match session.await_power_loss(until)? {
            Some(time) => Ok(Evidence::note(format!("at {time}"))),
            None => {
                let what = format!("{operation} number {nth} did not come within {within}");
                let seen = session.tail(Port::Console);
                Err(StepError::failed(Failure { seen, ..Failure::new(what) }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    #[test]
    fn the_step_ends_when_the_power_has_failed() {
        let boot = Reply::on(Cue::PowerOn).lose_power(Span::from_millis(7));
        let target = FakeTarget::new([boot]);
        let log = target.log();
        let steps = "
- cut-power: {at: flash-erase, nth: 3}
- power: on";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
        let log = log.lock().unwrap();
        assert_eq!(log[1], "0.000000s PowerCut { operation: Erase, nth: 3 }");
        assert_eq!(log[2], "0.007000s power on");
    }

    #[test]
    fn an_operation_that_never_comes_fails_the_step() {
        let steps = "- cut-power: {at: flash-program, within: 2s}";
        let Outcome::Failed(failure) = run_steps(FakeTarget::new([]), steps) else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "flash program number 1 did not come within 2s");
    }

    #[test]
    fn a_time_or_an_operation_and_not_both() {
        for step in ["{}", "{after: 1s, at: flash-erase}", "{at: flash-erase, nth: 0}"] {
            let outcome = run_steps(FakeTarget::new([]), &format!("- cut-power: {step}"));
            assert!(matches!(outcome, Outcome::Invalid(_)), "{step}: {outcome:?}");
        }
        let after = "- cut-power: {after: 20ms}";
        assert_eq!(run_steps(FakeTarget::new([]), after), Outcome::Passed);
    }
}
