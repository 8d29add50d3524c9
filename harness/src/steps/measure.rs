//! `measure`: play steps several times, take the device time of each pass, and hold what the times
//! come to against limits.
//!
//! Each pass is timed from the moment its first step begins to the moment its last one ends; the
//! steps under `before` are played ahead of every pass and not timed. A step that waits for silence
//! (`repl`: 20 ms after the prompt) has that in its time.

use std::fmt;

use super::repeat::{Times, passes};
use super::serial_fields::is_short;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::play::play_all;
use crate::runner::session::Session;
use crate::runner::statistics::{Statistic, Statistics};
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::model::StepEntry;
use crate::scenario::node::{Node, Value};
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::scenario::step_list::Steps;
use crate::scenario::units;
use crate::time::Span;

/// Fields as written in the scenario file.
#[derive(Debug, Clone)]
pub struct Measure {
    /// What the result is called.
    pub name: String,
    /// What one pass is of.
    pub per: Option<String>,
    /// How often.
    pub times: Times,
    /// What is done ahead of each pass.
    pub before: Option<Steps>,
    /// What is timed.
    pub steps: Steps,
    /// What the times must keep to.
    pub limits: Vec<(Statistic, Limit)>,
}

/// A bound of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Which side of it is right.
    pub relation: Relation,
    /// The bound.
    pub bound: Span,
}

/// Which side of a bound is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Below it.
    Less,
    /// Below it or there.
    AtMost,
    /// Above it.
    More,
    /// Above it or there.
    AtLeast,
}

impl Relation {
    const SIGNS: [(&'static str, Self); 4] =
        [("<=", Self::AtMost), (">=", Self::AtLeast), ("<", Self::Less), (">", Self::More)];
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Relation::SIGNS.iter().find(|(_, relation)| *relation == self.relation);
        write!(f, "{} {}", sign.map_or("", |(sign, _)| sign), self.bound)
    }
}

impl Limit {
    /// By how much a figure misses it; `None` if it keeps it.
    fn missed_by(self, figure: Span) -> Option<Miss> {
        let (figure, bound) = (figure.nanos(), self.bound.nanos());
        let keeps = match self.relation {
            Relation::Less => figure < bound,
            Relation::AtMost => figure <= bound,
            Relation::More => figure > bound,
            Relation::AtLeast => figure >= bound,
        };
        let distance = Span::from_nanos(figure.abs_diff(bound));
        (!keeps).then_some(match figure.cmp(&bound) {
            std::cmp::Ordering::Greater => Miss::Above(distance),
            std::cmp::Ordering::Less => Miss::Below(distance),
            std::cmp::Ordering::Equal => Miss::Equal,
        })
    }
}

enum Miss {
    Above(Span),
    Below(Span),
    Equal,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Above(distance) => write!(f, "{distance} above"),
            Self::Below(distance) => write!(f, "{distance} below"),
            Self::Equal => f.write_str("exactly"),
        }
    }
}

impl Decode for Limit {
    /// `100ms` is the most that is right; `< 100ms`, `<= 100ms`, `> 5ms` and `>= 5ms` say it.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = node.as_text().filter(|_| is_short(node)).unwrap_or_default().trim();
        let signed = Relation::SIGNS
            .iter()
            .find_map(|(sign, relation)| Some((*relation, text.strip_prefix(sign)?.trim_start())));
        let (relation, bound) = signed.unwrap_or((Relation::AtMost, text));
        match units::duration(bound) {
            Ok(bound) => Some(Self { relation, bound }),
            Err(_) => decoder.wrong(node, "a limit such as `100ms` or `< 100ms`"),
        }
    }
}

/// `limits`, key by key.
const LIMITS: &[Key] = &[
    Key::optional("min", Kind::Limit, "The smallest sample."),
    Key::optional("mean", Kind::Limit, "The sum by the number of samples."),
    Key::optional("median", Kind::Limit, "The middle sample."),
    Key::optional("p90", Kind::Limit, "The 90th percentile."),
    Key::optional("p95", Kind::Limit, "The 95th percentile."),
    Key::optional("p99", Kind::Limit, "The 99th percentile."),
    Key::optional("max", Kind::Limit, "The largest sample."),
];

impl Step for Measure {
    const NAME: &'static str = "measure";

    const REFERENCE: Reference = Reference {
        group: Group::Flow,
        doc: "Plays steps several times, takes the device time of each pass, and holds what the times come to against limits. Percentiles are of the nearest rank: the smallest sample that at least so many in a hundred do not exceed. The median of an even number of samples is the mean of the middle two. A step that waits for silence (`repl`: 20 ms after the prompt) has that in its time.",
        value: Kind::Keys(&[
            Key::required("name", Kind::Text, "What the result is called."),
            Key::required("times", Kind::Number(1, U32), "How often."),
            Key::optional(
                "per",
                Kind::Text,
                "What one pass is of, as in `Average: 104.06 ms / image`; `pass` where it is left out.",
            ),
            Key::optional("before", Kind::Steps, "What is done ahead of each pass, and not timed."),
            Key::required("steps", Kind::Steps, "What is timed."),
            Key::optional(
                "limits",
                Kind::Keys(LIMITS),
                "What the times must keep to; exceeding a limit fails the step.",
            ),
        ]),
        examples: &[
            "measure:\n  name: boot time\n  per: boot\n  times: 10\n  before: [power: off, delay: 1s]\n  steps: [power: on, expect-serial: ready]\n  limits: {median: 400ms, max: < 1s, min: \"> 10ms\", mean: 400ms, p90: 1s, p95: 1s, p99: 1s}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`measure`", decoder)?;
        let name = fields.required("name", decoder);
        let times = fields.required("times", decoder);
        let per = fields.optional("per", decoder);
        let before = fields.optional("before", decoder);
        let steps = fields.required("steps", decoder);
        let limits = match fields.node("limits") {
            Some(node) => limits(node, decoder),
            None => Some(Vec::new()),
        };
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self {
            name: name?,
            per: per?,
            times: times?,
            before: before?,
            steps: steps?,
            limits: limits?,
        })
    }

    fn facts(&self) -> Facts<'_> {
        let before = self.before.iter();
        let inner = before.chain([&self.steps]).map(|steps| steps.0.as_slice()).collect();
        Facts { inner, ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{} {} times", self.name, self.times.0)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let mut samples = Vec::new();
        passes(session, self.times, "measuring", &self.facts().inner, |session, next| {
            if let Some(before) = &self.before {
                play_all(session, &before.0, &[&self.steps.0])?;
            }
            samples.push(timed(session, &self.steps, next)?);
            Ok(())
        })?;
        let Some(statistics) = Statistics::of(&samples) else { return Ok(Evidence::Done) };
        let missed: Vec<_> = self
            .limits
            .iter()
            .filter_map(|(which, limit)| {
                let figure = statistics.get(*which);
                let miss = limit.missed_by(figure)?;
                Some(format!("{which} is {figure}, {miss} its limit ({limit})"))
            })
            .collect();
        if missed.is_empty() {
            let name = self.name.clone();
            let per = self.per.clone().unwrap_or_else(|| "pass".to_owned());
            return Ok(Evidence::Measured { name, per, statistics, samples });
        }
        let figures =
            Statistic::NAMES.map(|(name, which)| format!("{name:6} {}", statistics.get(which)));
        let order = samples.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let seen = figures.into_iter().chain([format!("passes {order}")]).collect();
        let what = format!("{}: {}", self.name, missed.join("; "));
        Err(StepError::failed(Failure { seen, ..Failure::new(what) }))
    }
}

/// One sample: the device time of one pass. Other intervals than a whole pass will be taken here.
fn timed(
    session: &mut Session<'_>,
    steps: &Steps,
    next: &[&[StepEntry]],
) -> Result<Span, StepError> {
    let begin = session.now();
    play_all(session, &steps.0, next)?;
    Ok(session.now() - begin)
}

/// The limits with the figures they are for, in the order of the figures.
fn limits(node: &Node, decoder: &mut Decoder) -> Option<Vec<(Statistic, Limit)>> {
    let mut fields = Fields::new(node, "`limits`", decoder)?;
    let read: Vec<_> = Statistic::NAMES
        .into_iter()
        .map(|(name, which)| {
            let limit = fields.optional::<Limit>(name, decoder)?;
            Some(limit.map(|limit| (which, limit)))
        })
        .collect();
    fields.finish(UnknownKeys::Deny, decoder);
    if matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
        return decoder.wrong(node, "at least one limit");
    }
    Some(read.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use crate::runner::events::Event;
    use crate::runner::evidence::Evidence;
    use crate::runner::testing::{Outcome, events, run_steps};
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::time::Span;

    /// Boots in 10, 20, 30 and 40 ms.
    fn slower() -> FakeTarget {
        let boot = |n| Reply::on(Cue::PowerOn).say(Span::from_millis(10 * n), "up\r\n");
        FakeTarget::new((1..=4_u64).map(boot))
    }

    fn steps(limits: &str) -> String {
        format!(
            "- measure:
    name: boot
    per: start
    times: 4
    before: [power: off, delay: 1s]
    steps: [power: on, expect-serial: up]
    limits: {limits}"
        )
    }

    #[test]
    fn each_pass_is_a_sample_and_what_comes_before_it_is_not_timed() {
        let project = tempfile::tempdir().unwrap();
        let mut measured = Vec::new();
        let text = format!("name: t\nversion: 1\nsteps:\n{}\n", steps("{max: 40ms}"));
        events(project.path(), &FakeSource::new(slower()), &text, &[], &mut |event| {
            if let Event::StepFinished { evidence: Some(evidence), .. } = event {
                measured.push(evidence);
            }
        });
        let [Evidence::Measured { samples, .. }] = &measured[..] else { panic!("{measured:?}") };
        assert_eq!(samples[..], [10, 20, 30, 40].map(Span::from_millis));
        assert_eq!(
            measured[0].words(),
            "boot: 10 ms 20 ms 30 ms 40 ms Average: 25.00 ms / start (min 10.00, median 25.00, \
             p90 40.00, p95 40.00, p99 40.00, max 40.00, 4 times)"
        );
    }

    #[test]
    fn limits_are_kept_up_to_the_last_nanosecond_and_every_miss_is_said() {
        let kept = "{median: 25ms, max: < 40.000001ms, min: '>= 10ms', mean: <= 25ms}";
        assert_eq!(run_steps(slower(), &steps(kept)), Outcome::Passed);
        let missed = "{max: 39.5ms, mean: < 25ms, min: '> 11ms', p90: 1s}";
        let Outcome::Failed(failure) = run_steps(slower(), &steps(missed)) else {
            panic!("must fail")
        };
        assert_eq!(
            failure.what,
            "boot: min is 10ms, 1ms below its limit (> 11ms); mean is 25ms, exactly its limit \
             (< 25ms); max is 40ms, 500us above its limit (<= 39.5ms)"
        );
        assert_eq!(failure.seen.last().unwrap(), "passes 10ms 20ms 30ms 40ms");
    }

    #[test]
    fn a_limit_that_is_none_is_refused() {
        for limits in ["{max: fast}", "{p50: 1s}", "{}", "{max: '=< 1s'}", "{max: [1s]}"] {
            let outcome = run_steps(slower(), &steps(limits));
            assert!(matches!(outcome, Outcome::Invalid(faults) if faults.len() == 1), "{limits}");
        }
    }
}
