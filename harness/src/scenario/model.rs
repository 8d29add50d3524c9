//! The typed scenario.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::fault::SourceText;
use crate::steps::AnyStep;
use crate::time::Span;
use crate::transcript::Pattern;

/// Which language a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Ours.
    Benchrig,
    /// Only Wokwi's own steps: Wokwi's meaning.
    Wokwi,
}

/// What accesses to unmodelled hardware mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmodelled {
    /// They are reported.
    Allow,
    /// They fail the case.
    Deny,
}

/// A word of the scenario with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned {
    /// The word.
    pub text: String,
    /// Where it stands; empty for a default.
    pub span: Range<usize>,
}

/// A step with its place and its label.
#[derive(Debug, Clone)]
pub struct StepEntry {
    /// The label that the author gave it.
    pub label: Option<String>,
    /// Bytes of the source text.
    pub span: Range<usize>,
    /// The step.
    pub step: AnyStep,
    /// Its name and fields without their places: equal for steps that do the same.
    pub canonical: String,
}

impl StepEntry {
    /// What to call it in a report.
    pub fn title(&self) -> String {
        match &self.label {
            Some(label) => format!("{label}: {}", self.step.summary()),
            None => self.step.summary(),
        }
    }
}

/// A scenario with one combination of its parameters: the unit that passes or fails.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file's stem, and the values of its parameters in brackets.
    pub name: String,
    /// The scenario's name.
    pub title: String,
    /// What it is about.
    pub description: Option<String>,
    /// Words to choose it by.
    pub tags: Vec<String>,
    /// The file it came from.
    pub path: PathBuf,
    /// The folder that its paths start at and stay in.
    pub project: PathBuf,
    /// The text of the file.
    pub source: Arc<SourceText>,
    /// Which meaning steps have.
    pub dialect: Dialect,
    /// Name of the board profile.
    pub board: Spanned,
    /// Name or path of the firmware.
    pub firmware: Option<Spanned>,
    /// How long it may take, in device time.
    pub timeout: Span,
    /// Texts that must never appear.
    pub never: Vec<Pattern>,
    /// What accesses to unmodelled hardware mean.
    pub unmodelled: Unmodelled,
    /// The steps, in order.
    pub steps: Vec<StepEntry>,
}

impl Case {
    /// The text of a step as its author wrote it, without the indentation.
    pub fn yaml_of(&self, entry: &StepEntry) -> &str {
        self.source.text.get(entry.span.clone()).unwrap_or_default().trim_end()
    }

    /// The pins that its steps want to see from the beginning.
    pub fn pins(&self) -> BTreeSet<u8> {
        self.steps.iter().flat_map(|entry| entry.step.facts().pins).collect()
    }

    /// The environment variables that its texts refer to.
    pub fn environment_names(&self) -> BTreeSet<String> {
        let facts = self.steps.iter().map(|entry| entry.step.facts());
        facts
            .flat_map(|facts| facts.templates)
            .flat_map(|template| template.names())
            .filter_map(|name| name.strip_prefix("env."))
            .map(str::to_owned)
            .collect()
    }
}
