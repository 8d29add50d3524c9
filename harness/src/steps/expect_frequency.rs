//! `expect-frequency`: a pin swings so often for a while, and with such a share of it high.

use super::pin_fields::{Pin, seen};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::pins::PinEdge;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, Frequency, PerMillion, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::{Capability, Level};
use crate::time::Span;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectFrequency {
    /// Which pin.
    pub pin: Pin,
    /// How often it swings.
    pub frequency: Frequency,
    /// How much of the frequency it may be off.
    pub tolerance: PerMillion,
    /// The share of the time that it is high, within two points of a hundred.
    pub duty: Option<PerMillion>,
    /// How long it is watched, in device time.
    pub over: Span,
}

const TOLERANCE: PerMillion = PerMillion(10_000);
const DUTY_TOLERANCE: u32 = 20_000;
const OVER: Span = Span::from_millis(100);

/// What was measured: whole swings, from one rising edge to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measured {
    millihertz: u64,
    high_per_million: u32,
}

impl Step for ExpectFrequency {
    const NAME: &'static str = "expect-frequency";

    const REFERENCE: Reference = Reference {
        group: Group::Pins,
        doc: "A pin swings so often for a while, and with such a share of it high.",
        value: Kind::Keys(&[
            Key::required("pin", Kind::Pin, "Which pin."),
            Key::required("frequency", Kind::Frequency, "How often."),
            Key::or("tolerance", Kind::Share, "1%", "How much of the frequency it may be off."),
            Key::optional(
                "duty",
                Kind::Share,
                "The share of the time that the pin is high, within two points of a hundred.",
            ),
            Key::or("over", Kind::Duration, "100ms", "How long it is watched, in device time."),
        ]),
        examples: &["expect-frequency: {pin: 5, frequency: 1kHz, duty: 25%}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect-frequency`", decoder)?;
        let pin = fields.required("pin", decoder);
        let frequency = fields.required("frequency", decoder);
        let tolerance = fields.or("tolerance", TOLERANCE, decoder);
        let duty = fields.optional("duty", decoder);
        let over = fields.or("over", OVER, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self {
            pin: pin?,
            frequency: frequency?,
            tolerance: tolerance?,
            duty: duty?,
            over: over?,
        })
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
        format!("GPIO{} {}", self.pin.0, hertz(self.frequency.0))
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let Pin(gpio) = self.pin;
        session.observe_pin(gpio)?;
        let from = session.pin_edges(gpio).len();
        session.let_pass(self.over)?;
        let measured = measure(&session.pin_edges(gpio)[from..]);
        let Some(Measured { millihertz, high_per_million }) = measured else {
            let what = format!("GPIO{gpio} made no whole swing in {}", self.over);
            let help = Some("watch it longer with `over`".to_owned());
            let seen = seen(session, gpio)?;
            return Err(StepError::failed(Failure { seen, help, ..Failure::new(what) }));
        };
        let words = format!("{}, high for {}", hertz(millihertz), percent(high_per_million));
        let allowed = u128::from(self.frequency.0) * u128::from(self.tolerance.0) / 1_000_000;
        let frequency = u128::from(millihertz.abs_diff(self.frequency.0)) <= allowed;
        let duty = self.duty.is_none_or(|it| high_per_million.abs_diff(it.0) <= DUTY_TOLERANCE);
        if frequency && duty {
            return Ok(Evidence::note(words));
        }
        let mut wanted = hertz(self.frequency.0);
        if let Some(duty) = self.duty {
            wanted += &format!(", high for {}", percent(duty.0));
        }
        let what = format!("GPIO{gpio} swings at {words}");
        Err(StepError::failed(Failure { expected: Some(wanted), ..Failure::new(what) }))
    }
}

fn measure(edges: &[PinEdge]) -> Option<Measured> {
    let rising = |edge: &PinEdge| edge.level == Level::High;
    let first = edges.iter().position(rising)?;
    let last = edges.iter().rposition(rising)?;
    let span = u128::from((edges[last].time - edges[first].time).nanos());
    let swings = edges[first..last].iter().filter(|edge| rising(edge)).count() as u128;
    if span == 0 {
        return None;
    }
    let high: u128 = edges[first..=last]
        .windows(2)
        .filter(|pair| rising(&pair[0]))
        .map(|pair| u128::from((pair[1].time - pair[0].time).nanos()))
        .sum();
    Some(Measured {
        millihertz: (swings * 1_000_000_000_000 / span).try_into().unwrap_or(u64::MAX),
        high_per_million: (high * 1_000_000 / span) as u32,
    })
}

/// Millihertz as a person reads them.
fn hertz(millihertz: u64) -> String {
    let (unit, name) = match millihertz {
        0..1_000_000 => (1_000, "Hz"),
        1_000_000..1_000_000_000 => (1_000_000, "kHz"),
        _ => (1_000_000_000, "MHz"),
    };
    let text = format!("{}.{:03}", millihertz / unit, millihertz % unit * 1_000 / unit);
    format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
}

fn percent(per_million: u32) -> String {
    format!("{}.{} %", per_million / 10_000, per_million / 1_000 % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::{Cue, FakeTarget, Reply};

    /// 1 kHz, a quarter of it high.
    fn pwm() -> FakeTarget {
        let us = Span::from_micros;
        let reply = (0..200).fold(Reply::on(Cue::PowerOn), |reply, _| {
            reply.pin(us(750), 4, Level::High).pin(us(250), 4, Level::Low)
        });
        FakeTarget::new([reply])
    }

    #[test]
    fn frequency_and_duty_are_measured_over_whole_swings() {
        let steps = "- expect-frequency: {pin: 4, frequency: 1kHz, duty: 25%, over: 20.3ms}";
        assert_eq!(run_steps(pwm(), steps), Outcome::Passed);
        let steps = "- expect-frequency: {pin: 4, frequency: 990Hz, tolerance: 1%}";
        let Outcome::Failed(failure) = run_steps(pwm(), steps) else { panic!("must fail") };
        assert_eq!(failure.what, "GPIO4 swings at 1kHz, high for 25.0 %");
        assert_eq!(failure.expected.as_deref(), Some("990Hz"));
        let steps = "- expect-frequency: {pin: 4, frequency: 1kHz, duty: 50%}";
        assert!(matches!(run_steps(pwm(), steps), Outcome::Failed(_)));
    }

    #[test]
    fn a_pin_at_rest_has_no_frequency() {
        let steps = "- expect-frequency: {pin: 5, frequency: 1kHz}";
        let Outcome::Failed(failure) = run_steps(pwm(), steps) else { panic!("must fail") };
        assert_eq!(failure.what, "GPIO5 made no whole swing in 100ms");
    }

    #[test]
    fn frequencies_are_written_with_the_unit_that_fits() {
        assert_eq!([500, 38_500_000, 2_000_000_000].map(hertz), ["0.5Hz", "38.5kHz", "2MHz"]);
    }
}
