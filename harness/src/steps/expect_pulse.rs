//! `expect-pulse`: a pin keeps a level for so long, between two edges.
//!
//! Searches on from the pulse that the previous `expect-pulse` of the pin took, so that a pulse that
//! was over before the step began is found too.

use super::pin_fields::Pin;
use super::serial_fields::DEFAULT_WITHIN;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, WITHIN};
use crate::targets::{Capability, Level};
use crate::time::Span;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectPulse {
    /// Which pin.
    pub pin: Pin,
    /// The level of the pulse.
    pub level: Level,
    /// How long it is.
    pub width: Span,
    /// How much longer or shorter it may be.
    pub tolerance: Span,
    /// Patience in device time.
    pub within: Span,
}

/// Pulses that a failure shows.
const SHOWN: usize = 8;

impl Step for ExpectPulse {
    const NAME: &'static str = "expect-pulse";

    const REFERENCE: Reference = Reference {
        group: Group::Pins,
        doc: "A pin keeps a level for so long between two edges. Searches on from the pulse that the previous `expect-pulse` of the pin took.",
        value: Kind::Keys(&[
            Key::required("pin", Kind::Pin, "Which pin."),
            Key::or(
                "level",
                Kind::Words(&["low", "high", "0", "1"]),
                "high",
                "The level of the pulse.",
            ),
            Key::required("width", Kind::Duration, "How long it is."),
            Key::optional(
                "tolerance",
                Kind::Duration,
                "How much longer or shorter it may be; a twentieth of the width if missing.",
            ),
            WITHIN,
        ]),
        examples: &["expect-pulse: {pin: 18, width: 1.5ms, tolerance: 50us}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect-pulse`", decoder)?;
        let pin = fields.required("pin", decoder);
        let level = fields.or("level", Level::High, decoder);
        let width = fields.required::<Span>("width", decoder);
        let tolerance = fields.optional("tolerance", decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        let width = width?;
        // A twentieth unless the scenario says its own.
        let tolerance = tolerance?.unwrap_or(Span::from_nanos(width.nanos() / 20));
        Some(Self { pin: pin?, level: level?, width, tolerance, within: within? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Pins],
            needs_power: true,
            pins: vec![self.pin.0],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("GPIO{} {} for {}", self.pin.0, self.level, self.width)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let Self { pin: Pin(gpio), level, width, tolerance, within } = *self;
        let until = session.now() + within;
        let mut seen = Vec::new();
        while let Some(pulse) = session.next_pulse(gpio, level, until)? {
            if pulse.width.nanos().abs_diff(width.nanos()) <= tolerance.nanos() {
                let words = format!("{} at {}", pulse.width, pulse.start);
                return Ok(Evidence::note(words));
            }
            seen.push(format!("{} GPIO{gpio} {level} for {}", pulse.start, pulse.width));
        }
        seen.drain(..seen.len().saturating_sub(SHOWN));
        if seen.is_empty() {
            seen = super::pin_fields::seen(session, gpio)?;
        }
        let what = format!(
            "GPIO{gpio} had no {level} pulse of {width} (give or take {tolerance}) within {within}"
        );
        Err(StepError::failed(Failure { seen, ..Failure::new(what) }))
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::Level;
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    fn pulses() -> FakeTarget {
        let ms = Span::from_millis;
        let mut reply = Reply::on(Cue::PowerOn);
        for width in [3, 10, 7] {
            reply = reply.pin(ms(5), 2, Level::High).pin(ms(width), 2, Level::Low);
        }
        FakeTarget::new([reply])
    }

    #[test]
    fn pulses_are_found_in_their_order_within_their_tolerance() {
        let steps = "
- delay: 20ms
- expect-pulse: {pin: 2, width: 9.5ms, tolerance: 500us}
- expect-pulse: {pin: 2, width: 7ms}";
        assert_eq!(run_steps(pulses(), steps), Outcome::Passed);
    }

    #[test]
    fn a_pulse_is_taken_once_and_the_others_are_shown() {
        let steps = "
- expect-pulse: {pin: 2, width: 3ms}
- expect-pulse: {pin: 2, width: 3ms, within: 100ms}";
        let Outcome::Failed(failure) = run_steps(pulses(), steps) else { panic!("must fail") };
        assert_eq!(failure.seen, ["0.013000s GPIO2 high for 10ms", "0.028000s GPIO2 high for 7ms"]);
    }
}
