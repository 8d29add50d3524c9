//! `repl`: type code at MicroPython's prompt and look at what it prints.
//!
//! One line is typed at the friendly prompt, more lines go through paste mode; both look in the
//! transcript as they do to a person. The answer is everything up to the next prompt. Code that
//! raises an exception fails the step unless `expect` says what should come.

use super::micropython;
use super::serial_fields::{DEFAULT_WITHIN, TextPattern, is_short};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::values::Template;
use crate::targets::{Capability, Port};
use crate::time::Span;
use crate::transcript::Pattern;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repl {
    /// What is typed.
    pub code: Template,
    /// What it must print.
    pub expect: Option<Expected>,
    /// The name that the whole answer becomes a value of.
    pub capture: Option<String>,
    /// Patience in device time, from the prompt before to the prompt after.
    pub within: Span,
    /// Which port.
    pub port: Port,
}

/// What an answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Exactly this, apart from line ends at the end.
    Exactly(Template),
    /// Something in which this is found.
    Contains(TextPattern),
}

impl Step for Repl {
    const NAME: &'static str = "repl";

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            return Some(Self {
                code: Template::decode(node, decoder)?,
                expect: None,
                capture: None,
                within: DEFAULT_WITHIN,
                port: Port::Console,
            });
        }
        let mut fields = Fields::new(node, "`repl`", decoder)?;
        let code = fields.required("code", decoder);
        let expect = fields.optional("expect", decoder);
        let capture = fields.optional("capture", decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { code: code?, expect: expect?, capture: capture?, within: within?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        let mut templates = vec![&self.code];
        let mut captures: Vec<&str> = self.capture.as_deref().into_iter().collect();
        match &self.expect {
            Some(Expected::Exactly(template)) => templates.push(template),
            Some(Expected::Contains(pattern)) => {
                templates.push(pattern.template());
                captures.extend(pattern.captures());
            }
            None => {}
        }
        Facts {
            needs: &[Capability::Serial],
            needs_power: true,
            templates,
            captures,
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        let code = self.code.shown();
        let mut lines = code.lines();
        let first = lines.next().unwrap_or_default();
        if lines.next().is_some() { format!("{first} …") } else { first.to_owned() }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let code = session.text(&self.code)?;
        let pattern = match &self.expect {
            None => None,
            Some(Expected::Exactly(text)) => Some(Pattern::Text(session.text(text)?)),
            Some(Expected::Contains(pattern)) => Some(pattern.pattern(session.values())?),
        };
        let expected = |line: &str| match (&self.expect, &pattern) {
            (Some(Expected::Exactly(_)), Some(Pattern::Text(wanted))) => {
                wanted.lines().any(|wanted| wanted == line)
            }
            (_, pattern) => pattern.as_ref().is_some_and(|pattern| pattern.is_in(line)),
        };
        let answer = micropython::run(session, self.port, &code, self.within, &expected)?;
        match (&self.expect, pattern) {
            (None, _) | (_, None) => {
                if let Some(exception) = answer.exception() {
                    let what = format!("the code raised {exception}");
                    return Err(unexpected(what, None, &answer.text));
                }
            }
            (Some(Expected::Exactly(_)), Some(Pattern::Text(wanted))) => {
                let wanted = wanted.trim_end_matches('\n');
                if answer.text != wanted {
                    let what = "the answer is not what was expected".to_owned();
                    return Err(unexpected(what, Some(wanted.to_owned()), &answer.text));
                }
            }
            (_, Some(Pattern::Text(wanted))) => {
                if !answer.text.contains(&wanted) {
                    let what = format!("the answer does not contain {wanted:?}");
                    return Err(unexpected(what, None, &answer.text));
                }
            }
            (_, Some(Pattern::Regex(regex))) => {
                let Some(groups) = regex.captures(&answer.text) else {
                    let what = format!("the answer does not match /{regex}/");
                    return Err(unexpected(what, None, &answer.text));
                };
                for name in regex.capture_names().flatten() {
                    if let Some(group) = groups.name(name) {
                        session.set_value(name, group.as_str());
                    }
                }
            }
        }
        if let Some(name) = &self.capture {
            session.set_value(name, &answer.text);
        }
        Ok(Evidence::Answer { code, answer: answer.text })
    }
}

fn unexpected(what: String, expected: Option<String>, answer: &str) -> StepError {
    let seen = answer.lines().map(str::to_owned).collect();
    StepError::failed(Failure { expected, seen, ..Failure::new(what) })
}

impl Decode for Expected {
    /// A scalar is the exact answer; `{text: …}` or `{regex: …}` is found in it.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            return Template::decode(node, decoder).map(Self::Exactly);
        }
        let mut fields = Fields::new(node, "`expect`", decoder)?;
        let pattern = TextPattern::from_fields(&mut fields, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        pattern.map(Self::Contains)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
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
}
