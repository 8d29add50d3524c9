//! Fields that the serial steps share: the port, the patience, and text or regular expression.

use crate::runner::failure::StepError;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys, word};
use crate::scenario::fault::{Fault, FaultCode};
use crate::scenario::node::{Node, Value};
use crate::scenario::values::{Template, Values};
use crate::targets::Port;
use crate::time::Span;
use crate::transcript::{Pattern, expression};
use crate::wokwi::script::Script;

/// What is lost of a patience in Wokwi's terms.
pub(super) const NO_PATIENCE: &str =
    "Wokwi waits as long as the whole case may take, whatever `within` says";

/// Patience of an expectation that does not say its own.
pub const DEFAULT_WITHIN: Span = Span::from_secs(10);

impl Decode for Port {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        word(node, decoder, "a serial port", &Port::NAMES)
    }
}

/// A text or regular expression to look for, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPattern {
    /// This text.
    Text(Template),
    /// A match of this expression; values inside stand for themselves.
    Regex {
        /// The expression.
        source: Template,
        /// Its named groups: the values a match gives.
        groups: Vec<String>,
    },
}

impl TextPattern {
    /// The text form, from any scalar; it must not be empty.
    pub fn text(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let template = Template::decode(node, decoder)?;
        match node.as_text() {
            Some("") => decoder.bad(node.span.clone(), "an empty text is found everywhere".into()),
            _ => Some(Self::Text(template)),
        }
    }

    /// The regular expression form.
    pub fn regex(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let source = Template::decode(node, decoder)?;
        // Any value is quoted when it is put in, so a letter stands for all of them here.
        let example = source
            .names()
            .fold(source.shown(), |text, name| text.replace(&format!("{{{{{name}}}}}"), "x"));
        match expression::group_names(&example) {
            Ok(groups) => Some(Self::Regex { source, groups }),
            Err(trouble) => {
                let fault = Fault::new(FaultCode::BadValue, node.span.clone(), trouble);
                let advice = "Rust's regex syntax: no look-around, no back references";
                decoder.fault(fault.help(advice));
                None
            }
        }
    }

    /// `text:` or `regex:` of a mapping, exactly one of them.
    pub fn from_fields(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Self> {
        match (fields.node("text"), fields.node("regex")) {
            (Some(text), None) => Self::text(text, decoder),
            (None, Some(regex)) => Self::regex(regex, decoder),
            (Some(_), Some(regex)) => {
                let message = "either `text` or `regex`, not both".to_owned();
                decoder.fault(Fault::new(FaultCode::Contradiction, regex.span.clone(), message));
                None
            }
            (None, None) => {
                fields.missing("text");
                None
            }
        }
    }

    /// The bytes that Wokwi is told to look for: those of a text, with line ends as they are on a
    /// serial line.
    ///
    /// # Errors
    /// Expressions cannot be said.
    pub(super) fn say(&self, script: &Script<'_>) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(script.text(text)?.replace('\n', "\r\n")),
            Self::Regex { .. } => Err("Wokwi compares bytes, not expressions".to_owned()),
        }
    }

    /// What it is written as.
    pub fn template(&self) -> &Template {
        match self {
            Self::Text(template) | Self::Regex { source: template, .. } => template,
        }
    }

    /// The names a match gives values to.
    pub fn captures(&self) -> Vec<&str> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::Regex { groups, .. } => groups.iter().map(String::as_str).collect(),
        }
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        match self {
            Self::Text(template) => format!("{:?}", template.shown()),
            Self::Regex { source, .. } => format!("/{}/", source.shown()),
        }
    }

    /// With all values in their places.
    ///
    /// # Errors
    /// A name without a value; an expression that only the values made too large.
    pub fn pattern(&self, values: &Values) -> Result<Pattern, StepError> {
        match self {
            Self::Text(template) => Ok(Pattern::Text(template.text(values)?)),
            Self::Regex { source, .. } => {
                let source = source.render(values, regex::escape)?;
                Pattern::regex(&source).map_err(|error| StepError::Regex(error.to_string()))
            }
        }
    }
}

impl Decode for TextPattern {
    /// A text, or `text:` or `regex:` as a field.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            return Self::text(node, decoder);
        }
        let mut fields = Fields::new(node, "a pattern", decoder)?;
        let pattern = Self::from_fields(&mut fields, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        pattern
    }
}

/// Whether a value is written in the short form (a scalar) rather than as fields.
pub fn is_short(node: &Node) -> bool {
    matches!(node.value, Value::Scalar { .. })
}
