//! `repeat`: play steps several times. The first pass in which one of them fails ends it.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::play::play_all;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::model::StepEntry;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::scenario::step_list::Steps;
use crate::targets::Progress;
use crate::wokwi::script::Script;

/// How often steps are written out for Wokwi, which has no repetition.
const MOST_SAID: u32 = 100;

/// Fields as written in the scenario file.
#[derive(Debug, Clone)]
pub struct Repeat {
    /// How often.
    pub times: Times,
    /// What.
    pub steps: Steps,
}

/// How often something is done: at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times(pub u32);

impl Decode for Times {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match u32::decode(node, decoder)? {
            0 => decoder.wrong(node, "a number of times, at least 1"),
            times => Some(Self(times)),
        }
    }
}

impl Step for Repeat {
    const NAME: &'static str = "repeat";

    const REFERENCE: Reference = Reference {
        group: Group::Flow,
        doc: "Plays steps several times. The first pass in which one of them fails ends it.",
        value: Kind::Keys(&[
            Key::required("times", Kind::Number(1, U32), "How often."),
            Key::required("steps", Kind::Steps, "What."),
        ]),
        examples: &[
            "repeat:\n  times: 20\n  steps:\n    - press: reset\n    - expect-serial: ready",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`repeat`", decoder)?;
        let times = fields.required("times", decoder);
        let steps = fields.required("steps", decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { times: times?, steps: steps? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { inner: vec![&self.steps.0], ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{} times {} steps", self.times.0, self.steps.0.len())
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        for _ in 0..self.times.0.min(MOST_SAID) {
            script.inner(&self.steps.0);
        }
        match self.times.0 > MOST_SAID {
            true => Err(format!("{} times are too many to be written out", self.times.0)),
            false => Ok(()),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        passes(session, self.times, "repeating", &[&self.steps.0], |session, next| {
            play_all(session, &self.steps.0, next)
        })?;
        Ok(Evidence::note(format!("{} passes", self.times.0)))
    }
}

/// Does something so often, and says in which pass it failed. `steps` are those of a pass; `pass` is
/// told which follow it.
pub(super) fn passes(
    session: &mut Session<'_>,
    times: Times,
    what: &'static str,
    steps: &[&[StepEntry]],
    mut pass: impl FnMut(&mut Session<'_>, &[&[StepEntry]]) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let total = times.0;
    for number in 1..=total {
        let next = if number < total { steps } else { &[] };
        pass(session, next).map_err(|error| error.during(format!("pass {number} of {total}")))?;
        session.progress(what, Progress { done: number.into(), total: total.into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::runner::events::{Event, Reason};
    use crate::runner::testing::{Outcome, events, run_steps};
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::time::Span;

    /// Says `hello` after each of the first `boots` resets.
    fn booting(boots: usize) -> FakeTarget {
        let boot = |_| Reply::on(Cue::Reset).say(Span::from_millis(1), "hello 12\r\n");
        FakeTarget::new((0..boots).map(boot))
    }

    const STEPS: &str = "
- power: on
- repeat:
    times: 3
    steps:
      - press: reset
      - repeat:
          times: 1
          steps:
            - expect-serial: {regex: 'hello (?<n>\\d+)', within: 1s}
- log: 'the last was {{n}}'";

    #[test]
    fn every_pass_must_go_right() {
        assert_eq!(run_steps(booting(3), STEPS), Outcome::Passed);
        let Outcome::Failed(failure) = run_steps(booting(2), STEPS) else { panic!("must fail") };
        assert_eq!(failure.what, r"/hello (?<n>\d+)/ did not come within 1s");
    }

    #[test]
    fn the_innermost_step_is_named_with_its_place_and_pass() {
        let project = tempfile::tempdir().unwrap();
        let mut reasons = Vec::new();
        let text = format!("name: t\nversion: 1\nsteps:{STEPS}\n");
        events(project.path(), &FakeSource::new(booting(2)), &text, &[], &mut |event| {
            if let Event::CaseFinished { reason: Some(reason), .. } = event {
                reasons.push(*reason);
            }
        });
        let [Reason::Step { step: 1, place, yaml, during, .. }] = &reasons[..] else {
            panic!("{reasons:?}")
        };
        assert_eq!(place.to_string(), "12:15");
        assert_eq!(yaml, "expect-serial: {regex: 'hello (?<n>\\d+)', within: 1s}");
        assert_eq!(during, &["pass 1 of 1", "pass 3 of 3"]);
    }

    #[test]
    fn a_death_is_expected_by_the_first_step_of_the_next_pass() {
        let ms = Span::from_millis;
        let dying = || {
            Reply::on(Cue::Sent(b"x".to_vec()))
                .say(ms(500), "Guru Meditation Error: panic'ed\r\nrst:0xc (SW_CPU_RESET)\r\n")
        };
        let target = || FakeTarget::new([dying(), dying()]);
        let steps = |times: u32| {
            format!(
                "- write-serial: x\n- delay: 3s\n\
                 - repeat: {{times: {times}, steps: [expect-serial: Guru, write-serial: x, delay: 3s]}}"
            )
        };
        assert!(matches!(run_steps(target(), &steps(1)), Outcome::Failed(_)));
        let steps = format!("{}\n- expect-serial: Guru", steps(1));
        assert_eq!(run_steps(target(), &steps), Outcome::Passed);
    }

    #[test]
    fn a_repetition_needs_steps_and_a_number() {
        for step in ["{times: 0, steps: [delay: 1s]}", "{times: 2, steps: []}", "{times: 2}"] {
            let outcome = run_steps(FakeTarget::new([]), &format!("- repeat: {step}"));
            assert!(matches!(outcome, Outcome::Invalid(faults) if faults.len() == 1), "{step}");
        }
    }
}
