//! The typed scenario.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::fault::{Place, SourceText};
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
    /// The text it stands in: the scenario, or a file that it includes.
    pub source: Arc<SourceText>,
    /// Bytes of that text.
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

    /// Where it begins in its text.
    pub fn place(&self) -> Place {
        self.source.place(self.span.start)
    }

    /// What its author wrote, without the indentation.
    pub fn yaml(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or_default().trim_end()
    }
}

/// Steps with all those inside of them, each before what is inside of it.
pub fn with_inner(steps: &[StepEntry]) -> Vec<&StepEntry> {
    fn walk<'s>(steps: &'s [StepEntry], all: &mut Vec<&'s StepEntry>) {
        for entry in steps {
            all.push(entry);
            entry.step.facts().inner.iter().for_each(|steps| walk(steps, all));
        }
    }
    let mut all = Vec::new();
    walk(steps, &mut all);
    all
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
    /// Path of the ELF file that the firmware was made of, to say where it crashed.
    pub elf: Option<Spanned>,
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
    /// Whether it starts with a blank flash because one of its steps writes it.
    pub fn writes_flash(&self) -> bool {
        self.all_steps().iter().any(|entry| entry.step.facts().writes_flash)
    }

    /// All steps, those inside of others too.
    pub fn all_steps(&self) -> Vec<&StepEntry> {
        with_inner(&self.steps)
    }

    /// The pins that its steps want to see from the beginning.
    pub fn pins(&self) -> BTreeSet<u8> {
        self.all_steps().iter().flat_map(|entry| entry.step.facts().pins).collect()
    }

    /// The environment variables that its texts refer to.
    pub fn environment_names(&self) -> BTreeSet<String> {
        let steps = self.all_steps();
        steps
            .iter()
            .flat_map(|entry| entry.step.facts().templates)
            .flat_map(|template| template.names())
            .filter_map(|name| name.strip_prefix("env."))
            .map(str::to_owned)
            .collect()
    }
}
