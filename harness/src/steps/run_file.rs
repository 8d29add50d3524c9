//! `run-file`: run a program of the project on MicroPython without storing it there.
//!
//! It goes through raw mode; what it prints becomes text of the port as it comes, and is the answer
//! of the step. An exception fails the step unless `expect` says what should come.

use super::answer_fields::AnswerFields;
use super::micropython::RawRepl;
use super::serial_fields::{DEFAULT_WITHIN, is_short};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::{Session, confined};
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PATTERN, PORT, Reference};
use crate::scenario::values::Template;
use crate::targets::{Capability, Port};
use crate::time::Span;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFile {
    /// Path in the project.
    pub file: Spanned,
    /// What the file contains, if `{{name}}` in it stands for a value.
    pub template: Option<Template>,
    /// What it must print, and what becomes of it.
    pub answer: AnswerFields,
    /// Patience in device time, for the program to end.
    pub within: Span,
    /// Which port.
    pub port: Port,
}

impl Step for RunFile {
    const NAME: &'static str = "run-file";

    const REFERENCE: Reference = Reference {
        group: Group::MicroPython,
        doc: "Runs a program of the project on MicroPython without storing it there. What it prints becomes text of the port as it comes, and is the answer.",
        value: Kind::Either(&[
            Kind::Path,
            Kind::Keys(&[
                Key::required("file", Kind::Path, "The program."),
                Key::or(
                    "template",
                    Kind::Flag,
                    "false",
                    "Whether `{{name}}` in the file stands for a value.",
                ),
                Key::optional(
                    "expect",
                    PATTERN,
                    "What must be printed: exactly this text, or something in which `text` or `regex` is found. Without it, an exception fails the step.",
                ),
                Key::optional(
                    "capture",
                    Kind::Text,
                    "The name that the whole answer becomes a value of.",
                ),
                Key::or("within", Kind::Duration, "10s", "How long it may run, in device time."),
                PORT,
            ]),
        ]),
        examples: &[
            "run-file: tests/blink.py",
            "run-file: {file: tests/net.py, template: true, expect: {text: connected}, within: 30s}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (file, is_template, answer, within, port) = if is_short(node) {
            let nothing = AnswerFields::default();
            (Spanned::decode(node, decoder)?, false, nothing, DEFAULT_WITHIN, Port::Console)
        } else {
            let mut fields = Fields::new(node, "`run-file`", decoder)?;
            let file = fields.required("file", decoder);
            let template = fields.or("template", false, decoder);
            let answer = AnswerFields::decode(&mut fields, decoder);
            let within = fields.or("within", DEFAULT_WITHIN, decoder);
            let port = fields.or("port", Port::Console, decoder);
            fields.finish(UnknownKeys::Deny, decoder);
            (file?, template?, answer?, within?, port?)
        };
        if let Err(reason) = confined(&file.text) {
            return decoder.bad(file.span, format!("the path `{}` {reason}", file.text));
        }
        let template = match is_template {
            true => Some(decoder.template_file(&file.text, file.span.clone())?),
            false => None,
        };
        Some(Self { file, template, answer, within, port })
    }

    fn facts(&self) -> Facts<'_> {
        let templates = self.template.iter().chain(self.answer.templates()).collect();
        Facts {
            needs: &[Capability::Serial],
            needs_power: true,
            templates,
            captures: self.answer.captures(),
            files: vec![(&self.file.text, self.file.span.clone())],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        self.file.text.clone()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let code = match &self.template {
            Some(template) => session.text(template)?,
            None => String::from_utf8_lossy(&session.read_file(&self.file.text)?).into_owned(),
        };
        let pattern = self.answer.pattern(session)?;
        let expected = |line: &str| self.answer.expects(&pattern, line);
        let answer =
            RawRepl::during(session, self.port, |raw| raw.run(&code, self.within, &expected))?;
        self.answer.check(session, pattern, &answer)?;
        Ok(Evidence::Answer { code: format!("run {}", self.file.text), answer: answer.text })
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::events::Event;
    use crate::runner::testing::{Outcome, events, run_steps};
    use crate::runner::verdict::Verdict;
    use crate::steps::micropython::scripted::{Ran, raw_mode};
    use crate::targets::Core;
    use crate::targets::fake::FakeSource;

    #[test]
    fn what_it_prints_is_its_answer_and_stands_in_the_text() {
        let steps = r#"
- run-file: {file: hello.py, expect: {regex: 'n=(?<n>\d+)'}, capture: all}
- log: '{{n}} {{all}}'
- expect-no-serial: {text: hello, for: 1s}
- write-serial: "1\r"
- expect-serial: '1'"#;
        let text = format!("name: t\nversion: 1\nsteps:{steps}\n");
        let project = tempfile::tempdir().unwrap();
        let source = FakeSource::new(raw_mode([Ran::prints("hello\r\nn=7\r\n")]));
        let mut lines = Vec::new();
        events(project.path(), &source, &text, &[], &mut |event| match event {
            Event::Serial { text, .. } => lines.push(text),
            Event::CaseFinished { verdict, .. } => assert_eq!(verdict, Verdict::Passed),
            _ => {}
        });
        assert_eq!(lines, ["MicroPython v1.23.0", ">>> ", "hello", "n=7", ">>> 1", ">>> "]);
    }

    #[test]
    fn an_exception_fails_the_step_unless_it_is_expected() {
        let target = || raw_mode([Ran::raises("NameError: name 'x' isn't defined")]);
        let Outcome::Failed(failure) = run_steps(target(), "- run-file: hello.py") else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "the code raised NameError: name 'x' isn't defined");
        let steps = "- run-file: {file: hello.py, expect: {text: NameError}}";
        assert_eq!(run_steps(target(), steps), Outcome::Passed);
    }

    #[test]
    fn a_death_while_it_runs_is_seen_as_such() {
        let target = raw_mode([Ran::prints("abort() was called at PC 0x4\r\n")]);
        let Outcome::Failed(failure) = run_steps(target, "- run-file: hello.py\n- delay: 2s")
        else {
            panic!("must fail")
        };
        assert!(failure.what.starts_with("the guest aborted"), "{failure:?}");
    }

    #[test]
    fn a_guest_that_is_dead_in_raw_mode_fails_the_step_at_once() {
        let core = Core { name: "PRO_CPU", pc: 0x4000, symbol: None, doing: "spins" };
        let target = raw_mode([]).dying_with(vec![core]);
        let Outcome::Failed(failure) = run_steps(target, "- run-file: hello.py") else {
            panic!("must fail")
        };
        assert_eq!(
            failure.what,
            "raw mode did not give an answer: the guest can do nothing any more"
        );
    }
}
