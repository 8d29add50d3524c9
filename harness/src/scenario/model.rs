//! The typed scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::fault::{Place, SourceText};
use crate::parts::{Fitted, Lead};
use crate::site::{AirOf, Site};
use crate::steps::AnyStep;
use crate::targets::LoopBack;
use crate::targets::part::Part;
use crate::time::Span;
use crate::transcript::Pattern;
use crate::wokwi::circuit::Circuit;

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

/// What a scenario calls the board that it has anyway, where it has more of them.
pub const OWN_BOARD: &str = "main";

/// Which board of a case: one of those under `boards`, or its own.
pub type BoardName = Option<String>;

/// One board of a case, and what it is when the case begins.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardEntry {
    /// Name of the board profile.
    pub profile: Spanned,
    /// Name or path of the firmware.
    pub firmware: Option<Spanned>,
    /// Path of the ELF file that the firmware was made of, to say where it crashed.
    pub elf: Option<Spanned>,
    /// Wires between its pins.
    pub loop_backs: Vec<LoopBack>,
    /// What is wired to them.
    pub parts: Vec<BoardPart>,
    /// The diagram of a Wokwi project that it stands in.
    pub circuit: Option<Arc<Circuit>>,
}

/// A part of a board.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardPart {
    /// What the target is asked for.
    pub part: Part,
    /// What it is asked for, as it was written.
    pub fitted: Fitted,
    /// Its name, and what steps can name of it: `name.control`.
    pub names: Vec<String>,
    /// What its pins lead to that something is wired to.
    pub pins: BTreeMap<&'static str, Lead>,
}

impl BoardPart {
    /// Its name and what was written of it.
    pub fn written(&self) -> (String, Fitted) {
        (self.part.name.clone(), self.fitted.clone())
    }
}

/// Steps with all those inside of them, each before what is inside of it, as far as they are done
/// with the same board.
pub fn with_inner(steps: &[StepEntry]) -> Vec<&StepEntry> {
    let own = steps_by_board(steps).into_iter().filter(|(on, _)| on.is_none());
    own.map(|(_, entry)| entry).collect()
}

/// Steps with all those inside of them, and the board with which each is done; `None` is the one
/// with which all are done that name none.
pub fn steps_by_board(steps: &[StepEntry]) -> Vec<(Option<&str>, &StepEntry)> {
    type All<'s> = Vec<(Option<&'s str>, &'s StepEntry)>;
    fn walk<'s>(on: Option<&'s str>, steps: &'s [StepEntry], all: &mut All<'s>) {
        for entry in steps {
            all.push((on, entry));
            let facts = entry.step.facts();
            facts.inner.iter().for_each(|steps| walk(on, steps, all));
            for branch in facts.branches {
                walk(branch.on.as_deref(), &branch.steps.0, all);
            }
        }
    }
    let mut all = Vec::new();
    walk(None, steps, &mut all);
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
    /// Its own board, with which everything is done that names no other.
    pub board: BoardEntry,
    /// Further boards by their names.
    pub more_boards: BTreeMap<String, BoardEntry>,
    /// What is on the air around its boards, if anything.
    pub site: Option<Site>,
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
    /// All its boards, its own first.
    pub fn boards(&self) -> impl Iterator<Item = (BoardName, &BoardEntry)> {
        let more = self.more_boards.iter().map(|(name, board)| (Some(name.clone()), board));
        std::iter::once((None, &self.board)).chain(more)
    }

    /// Whose the air is: if the scenario describes one, its boards share that.
    pub fn air(&self) -> AirOf {
        if self.more_boards.is_empty() || self.site.is_none() {
            AirOf::OneBoard
        } else {
            AirOf::AllBoards
        }
    }

    /// All steps, those inside of others too.
    pub fn all_steps(&self) -> Vec<&StepEntry> {
        steps_by_board(&self.steps).into_iter().map(|(_, entry)| entry).collect()
    }

    /// All steps that are done with a board.
    pub fn steps_on(&self, board: Option<&str>) -> Vec<&StepEntry> {
        let steps = steps_by_board(&self.steps).into_iter().filter(|(on, _)| *on == board);
        steps.map(|(_, entry)| entry).collect()
    }

    /// Whether a board starts with a blank flash because one of its steps writes it.
    pub fn writes_flash(&self, board: Option<&str>) -> bool {
        self.steps_on(board).iter().any(|entry| entry.step.facts().writes_flash)
    }

    /// The pins of a board that its steps want to see from the beginning.
    pub fn pins(&self, board: Option<&str>) -> BTreeSet<u8> {
        self.steps_on(board).iter().flat_map(|entry| entry.step.facts().pins).collect()
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
