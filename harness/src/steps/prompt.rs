//! `prompt`: ask the person at the bench to do something, and wait until it is done.
//!
//! A target that nobody stands beside lacks the capability `operator`, and the case is skipped.

use super::serial_fields::is_short;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::operator::{Answer, Question};
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::scenario::values::Template;
use crate::targets::Capability;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What is asked.
    pub text: Template,
    /// How it is answered.
    pub answer: Question,
}

impl Question {
    /// The words for it.
    pub const NAMES: [(&'static str, Self); 2] =
        [("enter", Self::Continue), ("yes-no", Self::YesOrNo)];
}

impl Step for Prompt {
    const NAME: &'static str = "prompt";

    const REFERENCE: Reference = Reference {
        group: Group::Flow,
        doc: "Asks the person at the bench to do something, and waits until it is done. Without a terminal the case is skipped.",
        value: Kind::Either(&[
            Kind::Template,
            Kind::Keys(&[
                Key::required("text", Kind::Template, "What is asked."),
                Key::or(
                    "answer",
                    Kind::Words(&["enter", "yes-no"]),
                    "enter",
                    "How it is answered; `no` fails the step.",
                ),
            ]),
        ]),
        examples: &[
            "prompt: Connect the battery",
            "prompt: {text: Is the LED lit?, answer: yes-no}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            return Some(Self {
                text: Template::decode(node, decoder)?,
                answer: Question::Continue,
            });
        }
        let mut fields = Fields::new(node, "`prompt`", decoder)?;
        let text = fields.required("text", decoder);
        let answer = match fields.node("answer") {
            None => Some(Question::Continue),
            Some(node) => word(node, decoder, "a way to answer", &Question::NAMES),
        };
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { text: text?, answer: answer? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Operator],
            touches_host: true,
            templates: vec![&self.text],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("{:?}", self.text.shown())
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let text = session.text(&self.text)?;
        // What is asked may be seen by others than the person who is asked.
        let text = session.secrets().redact(&text);
        match session.ask(&text, self.answer)? {
            Answer::Yes if self.answer == Question::YesOrNo => Ok(Evidence::note("yes")),
            Answer::Yes => Ok(Evidence::Done),
            Answer::No => {
                let what = format!("the operator answered no to {text:?}");
                Err(StepError::failed(Failure::new(what)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::events::Event;
    use crate::runner::testing::{Outcome, events, run_steps};
    use crate::runner::verdict::Verdict;
    use crate::targets::Capability;
    use crate::targets::fake::{FakeSource, FakeTarget};

    #[test]
    fn the_operator_decides() {
        let steps = "- prompt: turn the knob\n- prompt: {text: is it lit?, answer: yes-no}";
        assert_eq!(run_steps(FakeTarget::new([]), steps), Outcome::Passed);
        let steps = "- prompt: {text: say no, answer: yes-no}";
        let Outcome::Failed(failure) = run_steps(FakeTarget::new([]), steps) else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "the operator answered no to \"say no\"");
    }

    #[test]
    fn without_an_operator_the_case_is_skipped() {
        let mut source = FakeSource::new(FakeTarget::new([]));
        source.capabilities.remove(&Capability::Operator);
        let project = tempfile::tempdir().unwrap();
        let mut verdicts = Vec::new();
        let text = "name: t\nversion: 1\nsteps: [{repeat: {times: 1, steps: [prompt: hi]}}]\n";
        events(project.path(), &source, text, &[], &mut |event| {
            if let Event::CaseFinished { verdict, .. } = event {
                verdicts.push(verdict);
            }
        });
        assert_eq!(verdicts, [Verdict::Skipped]);
    }
}
