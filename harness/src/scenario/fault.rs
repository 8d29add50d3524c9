//! Faults in a scenario file: what is wrong, where, and what was probably meant.
//!
//! A [`Fault`] is data; [`FileFaults`] pairs faults with their text and is what `miette` prints.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

/// Stable names of the kinds of fault, shown as `benchrig::scenario::…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultCode {
    /// The text is not the YAML that a scenario may be.
    Yaml,
    /// A key is given twice.
    DuplicateKey,
    /// A key that is not known here.
    UnknownKey,
    /// A step that does not exist.
    UnknownStep,
    /// A key that must be given is not.
    MissingKey,
    /// A value of the wrong kind, or out of range.
    BadValue,
    /// `{{name}}` where nothing gives a value to that name.
    UnknownName,
    /// Something is defined and never used.
    Unused,
    /// Steps that contradict each other or cannot work in this order.
    Contradiction,
}

impl FaultCode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::DuplicateKey => "duplicate-key",
            Self::UnknownKey => "unknown-key",
            Self::UnknownStep => "unknown-step",
            Self::MissingKey => "missing-key",
            Self::BadValue => "bad-value",
            Self::UnknownName => "unknown-name",
            Self::Unused => "unused",
            Self::Contradiction => "contradiction",
        }
    }
}

/// Whether a fault stops the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The scenario is invalid.
    Error,
    /// The scenario runs; the author may have meant something else.
    Warning,
}

/// One thing wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind of fault.
    pub code: FaultCode,
    /// Whether it stops the scenario.
    pub weight: Weight,
    /// Bytes of the source text.
    pub span: Range<usize>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The words under the caret, if they add to the message.
    pub label: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// The text that `span` is in, if it is not the scenario's own: an included file.
    pub source: Option<Arc<SourceText>>,
}

impl Fault {
    /// An error at `span`.
    pub fn new(code: FaultCode, span: Range<usize>, message: String) -> Self {
        Self { code, weight: Weight::Error, span, message, label: None, help: None, source: None }
    }

    /// The same with words under the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same with advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same in this text, unless its text is known already.
    pub fn in_text(mut self, source: &Arc<SourceText>) -> Self {
        self.source.get_or_insert_with(|| source.clone());
        self
    }

    /// The same as a warning.
    pub fn warning(mut self) -> Self {
        self.weight = Weight::Warning;
        self
    }
}

/// The text of a scenario with the name to show for it.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The path as the user gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl SourceText {
    /// Line and column of a byte offset, both from 1, columns in characters.
    pub fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// A place in a file, both numbers from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema,
)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// All faults of one file and of what it includes, in the order of their places.
#[derive(Debug, Clone)]
pub struct FileFaults {
    /// The text they point into.
    pub source: Arc<SourceText>,
    /// At least one.
    pub faults: Vec<Fault>,
}

impl FileFaults {
    /// Faults of one file, sorted by place, each said once; those in included files come last.
    pub fn new(source: Arc<SourceText>, mut faults: Vec<Fault>) -> Self {
        for fault in &mut faults {
            if fault.source.as_ref().is_some_and(|text| Arc::ptr_eq(text, &source)) {
                fault.source = None;
            }
        }
        faults.sort_by(|a, b| {
            let key = |f: &Fault| {
                let file = f.source.as_ref().map(|source| source.name.clone());
                (file, f.span.start, f.code, f.message.clone())
            };
            key(a).cmp(&key(b))
        });
        faults.dedup();
        Self { source, faults }
    }

    /// Whether any of them stops the scenario.
    pub fn has_errors(&self) -> bool {
        self.faults.iter().any(|fault| fault.weight == Weight::Error)
    }

    /// One `miette` report per fault.
    pub fn reports(&self) -> Vec<miette::Report> {
        let named = |text: &SourceText| Arc::new(NamedSource::new(&text.name, text.text.clone()));
        let own = named(&self.source);
        let report = |fault: &Fault| {
            let source = fault.source.as_ref().map_or_else(|| own.clone(), |text| named(text));
            miette::Report::new(Located { fault: fault.clone(), source })
        };
        self.faults.iter().map(report).collect()
    }
}

/// A fault with its text, in the form `miette` wants.
#[derive(Debug)]
struct Located {
    fault: Fault,
    source: Arc<NamedSource<String>>,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message)
    }
}

impl std::error::Error for Located {}

impl Diagnostic for Located {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("benchrig::scenario::{}", self.fault.code.as_str())))
    }

    fn severity(&self) -> Option<Severity> {
        Some(match self.fault.weight {
            Weight::Error => Severity::Error,
            Weight::Warning => Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.fault.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.fault.label.clone().unwrap_or_else(|| "here".to_owned());
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(
            Some(label),
            self.fault.span.clone(),
        ))))
    }
}

/// The word of `known` that `given` was probably meant to be.
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let given = given.to_lowercase().replace('_', "-");
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&given, word), word))
        .filter(|(distance, word)| *distance <= (word.len().max(given.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_forgives_a_typing_error_but_does_not_guess_wildly() {
        let known = ["expect-serial", "wait-serial", "delay"];
        assert_eq!(nearest("expect-seril", known), Some("expect-serial"));
        assert_eq!(nearest("wait_serial", known), Some("wait-serial"));
        assert_eq!(nearest("dleay", known), Some("delay"));
        assert_eq!(nearest("screenshot", known), None);
    }

    #[test]
    fn places_count_characters_not_bytes() {
        let source = SourceText { name: "x".into(), text: "ä: 1\nöö: 2\n".into() };
        assert_eq!(source.place(source.text.find('2').unwrap()).to_string(), "2:5");
        assert_eq!(source.place(9_999).line, 3);
    }
}
