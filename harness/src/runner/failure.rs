//! What a step ends with when it does not go right.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::crash::Crash;
use super::firmware::FirmwareTrouble;
use crate::scenario::fault::Place;
use crate::scenario::model::{BoardName, OWN_BOARD, StepEntry};
use crate::scenario::values::ValueError;
use crate::targets::TargetError;
use crate::time::DeviceTime;

/// The firmware did wrong: everything a person needs to understand it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Failure {
    /// What happened, in one sentence.
    pub what: String,
    /// What was expected, if the sentence does not say it.
    pub expected: Option<String>,
    /// The death of the guest that is behind it, or may be.
    pub crash: Option<Box<Crash>>,
    /// The last lines that were seen.
    pub seen: Vec<String>,
    /// The line most like what was expected.
    pub nearest: Option<Sighting>,
    /// The expected thing, seen before the place the expectation started from.
    pub already_seen: Option<Sighting>,
    /// The difference, as a unified diff.
    pub diff: Option<String>,
    /// Where the cores stood, if the guest did not go on.
    pub standing: Vec<String>,
    /// What may help.
    pub help: Option<String>,
}

/// A line and when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sighting {
    /// The line.
    pub line: String,
    /// When its end came.
    pub time: DeviceTime,
}

impl Failure {
    /// A failure that is one sentence so far.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }
}

/// How a step can end other than well.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The firmware did not do what was expected: *failed*.
    #[error("{}", .0.what)]
    Failed(Box<Failure>),
    /// The target is in trouble: *error*.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A name has no value: *error*.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A regular expression became unusable by its values: *error*.
    #[error("the expression cannot be used: {0}")]
    Regex(String),
    /// The image cannot be flashed as the step says: *error*.
    #[error(transparent)]
    Firmware(#[from] FirmwareTrouble),
    /// A file of the scenario cannot be read or a snapshot not be written: *error*.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The case took too long for the person who waits, whatever device time says: *error*.
    #[error("the case has taken more than {} s of wall time", .0.as_secs())]
    WallLimit(Duration),
    /// The person at the bench does not answer: *error*.
    #[error("the operator cannot be asked: {0}")]
    Operator(String),
    /// The person ended the run.
    #[error("interrupted")]
    Interrupted,
    /// A step inside of this one ended so.
    #[error("{}", .0.error)]
    Inside(Box<Inside>),
}

/// How a step inside of another one ended.
#[derive(Debug)]
pub struct Inside {
    /// Which step.
    pub at: StepPlace,
    /// What it was part of, the innermost first, as in `pass 3 of 10`.
    pub during: Vec<String>,
    /// With which of the case's boards, if not with its own.
    pub on: BoardName,
    /// How it ended; never [`StepError::Inside`].
    pub error: StepError,
}

/// A step as its author finds it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StepPlace {
    /// The file that it stands in.
    pub file: String,
    /// Where it begins.
    pub place: Place,
    /// What is written there.
    pub yaml: String,
}

impl From<&StepEntry> for StepPlace {
    fn from(entry: &StepEntry) -> Self {
        Self {
            file: entry.source.name.clone(),
            place: entry.place(),
            yaml: entry.yaml().to_owned(),
        }
    }
}

impl StepError {
    /// The same, as the end of the step `entry` inside of another one.
    pub fn at(self, entry: &StepEntry) -> Self {
        match self {
            Self::Inside(_) => self,
            error => Self::Inside(Box::new(Inside {
                at: entry.into(),
                during: Vec::new(),
                on: None,
                error,
            })),
        }
    }

    /// The same, of a step that was done with this board.
    pub fn on(mut self, board: &BoardName) -> Self {
        if let Self::Inside(inside) = &mut self {
            inside.on.clone_from(board);
            inside.during.push(format!("on {}", board.as_deref().unwrap_or(OWN_BOARD)));
        }
        self
    }

    /// The same, with what the step was part of.
    pub fn during(mut self, what: impl Into<String>) -> Self {
        if let Self::Inside(inside) = &mut self {
            inside.during.push(what.into());
        }
        self
    }

    /// The same, of something that belongs to no step, with the board in its words.
    pub fn of_board(mut self, board: &BoardName) -> Self {
        if let (Self::Failed(failure), Some(name)) = (&mut self, board) {
            failure.what = format!("on {name}: {}", failure.what);
        }
        self
    }

    /// What really happened, wherever it was.
    pub fn root(&self) -> &Self {
        match self {
            Self::Inside(inside) => &inside.error,
            error => error,
        }
    }

    /// The same, to add to it.
    pub fn root_mut(&mut self) -> &mut Self {
        match self {
            Self::Inside(inside) => &mut inside.error,
            error => error,
        }
    }

    /// A failure.
    pub fn failed(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
