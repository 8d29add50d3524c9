//! What the steps that run code on MicroPython share: what the answer must be, and what becomes of
//! it. Code that raises an exception fails the step unless `expect` says what should come.

use super::micropython::{Answer, SaidAnswer};
use super::serial_fields::{TextPattern, is_short};
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields};
use crate::scenario::node::Node;
use crate::scenario::values::Template;
use crate::transcript::Pattern;
use crate::wokwi::script::Script;

/// The fields `expect` and `capture`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerFields {
    /// What must be printed.
    pub expect: Option<Expected>,
    /// The name that the whole answer becomes a value of.
    pub capture: Option<String>,
}

/// What an answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Exactly this, apart from line ends at the end.
    Exactly(Template),
    /// Something in which this is found.
    Contains(TextPattern),
}

impl AnswerFields {
    /// Reads them.
    pub fn decode(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Self> {
        let expect = fields.optional("expect", decoder);
        let capture = fields.optional("capture", decoder);
        Some(Self { expect: expect?, capture: capture? })
    }

    /// Texts that may refer to values.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.expect.iter().map(Expected::template)
    }

    /// Names that the answer gives values to.
    pub fn captures(&self) -> Vec<&str> {
        let groups = self.expect.iter().flat_map(Expected::captures);
        self.capture.as_deref().into_iter().chain(groups).collect()
    }

    /// What is expected, with all values in their places.
    ///
    /// # Errors
    /// A name without a value.
    pub fn pattern(&self, session: &Session<'_>) -> Result<Option<Pattern>, StepError> {
        self.expect.as_ref().map(|expect| expect.pattern(session)).transpose()
    }

    /// What Wokwi is told to wait for.
    ///
    /// # Errors
    /// What it cannot look for, or keep.
    pub(super) fn say(&self, script: &mut Script<'_>) -> Result<SaidAnswer, String> {
        if self.capture.is_some() {
            return Err("a Wokwi scenario keeps no answer".to_owned());
        }
        match &self.expect {
            None => {
                script.remark("Wokwi does not see whether the code raises an exception");
                Ok(SaidAnswer::Any)
            }
            Some(Expected::Exactly(text)) => script.text(text).map(SaidAnswer::Exactly),
            Some(Expected::Contains(pattern)) => pattern.say(script).map(SaidAnswer::With),
        }
    }

    /// Whether a line of the answer is expected, should it be a sign of death.
    pub fn expects(&self, pattern: &Option<Pattern>, line: &str) -> bool {
        match (&self.expect, pattern) {
            (Some(Expected::Exactly(_)), Some(Pattern::Text(wanted))) => {
                wanted.lines().any(|wanted| wanted == line)
            }
            (_, pattern) => pattern.as_ref().is_some_and(|pattern| pattern.is_in(line)),
        }
    }

    /// Holds the answer against what was expected, and keeps the values that it gives.
    ///
    /// # Errors
    /// *Failed* when it is not what was expected, or an exception.
    pub(super) fn check(
        &self,
        session: &mut Session<'_>,
        pattern: Option<Pattern>,
        answer: &Answer,
    ) -> Result<(), StepError> {
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
            (_, Some(pattern @ Pattern::Regex(_))) => {
                if !pattern.is_in(&answer.text) {
                    let what = format!("the answer does not match {pattern}");
                    return Err(unexpected(what, None, &answer.text));
                }
                session.set_groups(&pattern, &answer.text);
            }
        }
        if let Some(name) = &self.capture {
            session.set_value(name, &answer.text);
        }
        Ok(())
    }
}

impl Expected {
    /// The text or expression, as it is written.
    pub fn template(&self) -> &Template {
        match self {
            Self::Exactly(template) => template,
            Self::Contains(pattern) => pattern.template(),
        }
    }

    /// Names that its groups give values to.
    pub fn captures(&self) -> Vec<&str> {
        match self {
            Self::Exactly(_) => Vec::new(),
            Self::Contains(pattern) => pattern.captures(),
        }
    }

    /// With all values in their places.
    ///
    /// # Errors
    /// A name without a value.
    pub fn pattern(&self, session: &Session<'_>) -> Result<Pattern, StepError> {
        Ok(match self {
            Self::Exactly(text) => Pattern::Text(session.text(text)?),
            Self::Contains(pattern) => pattern.pattern(session.values())?,
        })
    }
}

impl Decode for Expected {
    /// A scalar is the exact answer; `{text: …}` or `{regex: …}` is found in it.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match is_short(node) {
            true => Template::decode(node, decoder).map(Self::Exactly),
            false => TextPattern::decode(node, decoder).map(Self::Contains),
        }
    }
}

fn unexpected(what: String, expected: Option<String>, answer: &str) -> StepError {
    let seen = answer.lines().map(str::to_owned).collect();
    StepError::failed(Failure { expected, seen, ..Failure::new(what) })
}
