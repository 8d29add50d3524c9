//! `repl`: type code at MicroPython's prompt and look at what it prints.
//!
//! One line is typed at the friendly prompt, more lines go through paste mode; both look in the
//! transcript as they do to a person. The answer is everything up to the next prompt. Code that
//! raises an exception fails the step unless `expect` says what should come.

use super::answer_fields::AnswerFields;
use super::micropython;
use super::serial_fields::{DEFAULT_WITHIN, is_short};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PATTERN, PORT, Reference, WITHIN};
use crate::scenario::values::Template;
use crate::targets::{Capability, Port};
use crate::time::Span;
use crate::wokwi::script::Script;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repl {
    /// What is typed.
    pub code: Template,
    /// What it must print, and what becomes of it.
    pub answer: AnswerFields,
    /// Patience in device time, from the prompt before to the prompt after.
    pub within: Span,
    /// Which port.
    pub port: Port,
}

impl Step for Repl {
    const NAME: &'static str = "repl";

    const REFERENCE: Reference = Reference {
        group: Group::MicroPython,
        doc: "Types code at MicroPython's prompt and looks at what it prints up to the next prompt. Several lines go through paste mode.",
        value: Kind::Either(&[
            Kind::Template,
            Kind::Keys(&[
                Key::required("code", Kind::Template, "What is typed."),
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
                WITHIN,
                PORT,
            ]),
        ]),
        examples: &[
            "repl: import machine",
            "repl: {code: 1+1, expect: 2}",
            r#"repl: {code: machine.freq(), expect: {regex: "(?<hz>[0-9]+)"}, capture: freq, within: 2s}"#,
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            return Some(Self {
                code: Template::decode(node, decoder)?,
                answer: AnswerFields::default(),
                within: DEFAULT_WITHIN,
                port: Port::Console,
            });
        }
        let mut fields = Fields::new(node, "`repl`", decoder)?;
        let code = fields.required("code", decoder);
        let answer = AnswerFields::decode(&mut fields, decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { code: code?, answer: answer?, within: within?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        let templates = [&self.code].into_iter().chain(self.answer.templates()).collect();
        Facts {
            needs: &[Capability::Serial],
            needs_power: true,
            templates,
            captures: self.answer.captures(),
            guest_writes: micropython::writes_files(&self.code.shown()),
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        let code = self.code.shown();
        let mut lines = code.lines();
        let first = lines.next().unwrap_or_default();
        if lines.next().is_some() { format!("{first} …") } else { first.to_owned() }
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        script.port(self.port)?;
        let answer = self.answer.say(script)?;
        let code = script.text(&self.code)?;
        micropython::say(script, &code, answer)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let code = session.text(&self.code)?;
        let pattern = self.answer.pattern(session)?;
        let expected = |line: &str| self.answer.expects(&pattern, line);
        let answer = micropython::run(session, self.port, &code, self.within, &expected)?;
        self.answer.check(session, pattern, &answer)?;
        Ok(Evidence::Answer { code, answer: answer.text })
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::Core;
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    /// A prompt that gives `answer` when `sent` has been sent.
    fn prompt(sent: &[u8], answer: &str) -> FakeTarget {
        let ms = Span::from_millis;
        FakeTarget::new([
            Reply::on(Cue::PowerOn).say(ms(300), "MicroPython v1.23.0\r\n>>> "),
            Reply::on(Cue::Sent(sent.to_vec())).say(ms(2), answer).say(ms(1), "\r\n>>> "),
        ])
        .echoing()
    }

    #[test]
    fn the_answer_is_what_stands_between_the_echo_and_the_prompt() {
        let steps = "- repl: {code: 1+1, expect: 2}";
        assert_eq!(run_steps(prompt(b"1+1\r", "2"), steps), Outcome::Passed);
        let Outcome::Failed(failure) = run_steps(prompt(b"1+1\r", "3"), steps) else {
            panic!("must fail")
        };
        assert_eq!((failure.expected, failure.seen), (Some("2".into()), vec!["3".into()]));
    }

    #[test]
    fn an_exception_fails_the_step_unless_it_is_expected() {
        let traceback = "Traceback (most recent call last):\r\n  File \"<stdin>\", line 1\r\n\
                         NameError: name 'exit' isn't defined";
        let Outcome::Failed(failure) = run_steps(prompt(b"exit()\r", traceback), "- repl: exit()")
        else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "the code raised NameError: name 'exit' isn't defined");
        let expected = "- repl: {code: exit(), expect: {regex: \"NameError: .*'exit'\"}}";
        assert_eq!(run_steps(prompt(b"exit()\r", traceback), expected), Outcome::Passed);
    }

    #[test]
    fn an_empty_answer_expected_does_not_excuse_a_death() {
        let ms = Span::from_millis;
        let target = FakeTarget::new([
            Reply::on(Cue::PowerOn).say(ms(1), ">>> "),
            Reply::on(Cue::Sent(b"crash()\r".to_vec()))
                .say(ms(1), "abort() was called at PC 0x4\r\n"),
        ])
        .echoing();
        let steps = "- repl: {code: crash(), expect: ''}";
        let Outcome::Failed(failure) = run_steps(target, steps) else { panic!("must fail") };
        assert!(failure.what.starts_with("the guest aborted"), "{failure:?}");
    }

    #[test]
    fn a_group_and_a_capture_become_values() {
        let steps = r"
- repl: {code: f(), expect: {regex: '(?<mhz>\d+) MHz'}, capture: whole}
- log: '{{mhz}} of {{whole}}'";
        assert_eq!(run_steps(prompt(b"f()\r", "160 MHz"), steps), Outcome::Passed);
    }

    #[test]
    fn a_compound_statement_is_ended_with_an_empty_line() {
        let ms = Span::from_millis;
        let target = FakeTarget::new([
            Reply::on(Cue::PowerOn).say(ms(1), ">>> "),
            Reply::on(Cue::Sent(b"print(i)\r".to_vec())).say(ms(1), "...     "),
            Reply::on(Cue::Sent(b"\r".to_vec())).say(ms(1), "0\r\n1\r\n>>> "),
        ])
        .echoing();
        let steps = "- repl: {code: 'for i in range(2): print(i)', expect: \"0\\n1\"}";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
    }

    #[test]
    fn several_lines_go_through_paste_mode() {
        let ms = Span::from_millis;
        let target = FakeTarget::new([
            Reply::on(Cue::PowerOn).say(ms(1), ">>> "),
            Reply::on(Cue::Sent(b"\x05".to_vec()))
                .say(ms(1), "\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== "),
            Reply::on(Cue::Sent(b"\x04".to_vec())).say(ms(1), "\r\n7\r\n>>> "),
        ])
        .echoing();
        let steps = "- repl: {code: \"a = 7\\nprint(a)\\n\", expect: 7}";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
    }

    #[test]
    fn without_a_prompt_the_step_says_so() {
        let Outcome::Failed(failure) = run_steps(FakeTarget::new([]), "- repl: 1+1") else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "the MicroPython prompt \">>> \" did not come");
    }

    #[test]
    fn a_guest_that_dies_of_the_code_fails_the_step_at_once() {
        let ms = Span::from_millis;
        let core = Core { name: "PRO_CPU", pc: 0x4000, symbol: None, doing: "spins" };
        let target = FakeTarget::new([
            Reply::on(Cue::PowerOn).say(ms(1), ">>> "),
            Reply::on(Cue::Sent(b"die()\r".to_vec())).say(ms(1), "going\r\n"),
        ])
        .echoing()
        .dying_with(vec![core]);
        // An hour would be longer than the case may take.
        let steps = "- repl: {code: die(), within: 1h}";
        let Outcome::Failed(failure) = run_steps(target, steps) else { panic!("must fail") };
        assert_eq!(
            failure.what,
            "the MicroPython prompt \">>> \" did not come: the guest can do nothing any more"
        );
        assert_eq!(failure.standing, ["PRO_CPU spins at 0x00004000"]);
    }
}
