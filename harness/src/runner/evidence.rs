//! What a step saw, kept for the report.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::statistics::{Statistics, Told};
use crate::time::{DeviceTime, Span};

/// What a step that went right leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Evidence {
    /// It was done; there is nothing to see.
    Done,
    /// A line that a port printed.
    Line {
        /// The line that contains the match.
        line: String,
        /// When the match was complete.
        time: DeviceTime,
    },
    /// Bytes that were waited for.
    Seen {
        /// The bytes as text.
        text: String,
        /// When they were complete.
        time: DeviceTime,
    },
    /// An answer of the MicroPython prompt.
    Answer {
        /// What was asked.
        code: String,
        /// What it printed, without the last line end.
        answer: String,
    },
    /// A snapshot was compared.
    Snapshot {
        /// Its file.
        path: PathBuf,
        /// Lines compared.
        lines: usize,
        /// What came of it, in words.
        outcome: &'static str,
        /// What came of its times, if they have a snapshot of their own, in words.
        times: Option<&'static str>,
        /// What the author should know, such as much of it being redacted.
        warning: Option<String>,
    },
    /// Tests of the Unity framework that the board ran; each has been told by itself.
    Unity {
        /// How many, and how they ended, in words.
        text: String,
    },
    /// Something was measured several times.
    Measured {
        /// What the scenario calls it.
        name: String,
        /// What one sample is of, such as `image`.
        per: String,
        /// What the samples come to.
        statistics: Statistics,
        /// The samples in nanoseconds, in the order they were taken.
        samples: Vec<Span>,
    },
    /// A remark.
    Note {
        /// In words.
        text: String,
    },
}

impl Evidence {
    /// A remark.
    pub fn note(text: impl Into<String>) -> Self {
        Self::Note { text: text.into() }
    }

    /// In one line, for people; empty when there is nothing to see.
    pub fn words(&self) -> String {
        let first = |text: &str| match text.split_once('\n') {
            None => text.to_owned(),
            Some((first, rest)) => format!("{first} (and {} more lines)", rest.lines().count()),
        };
        match self {
            Self::Done => String::new(),
            Self::Line { line, .. } => line.trim().to_owned(),
            Self::Seen { text, .. } => format!("{text:?}"),
            Self::Answer { answer, .. } if answer.is_empty() => "no output".to_owned(),
            // Of a traceback, the exception says what happened.
            Self::Answer { answer, .. } if answer.starts_with("Traceback (most recent") => {
                answer.lines().next_back().unwrap_or_default().to_owned()
            }
            Self::Answer { answer, .. } => first(answer),
            Self::Snapshot { path, lines, outcome, times, .. } => {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
                let times = times.map_or(String::new(), |times| format!("; its times {times}"));
                format!("{name}: {lines} lines, {outcome}{times}")
            }
            Self::Unity { text } => text.clone(),
            Self::Measured { name, per, statistics, samples } => {
                format!("{name}: {}", Told { statistics, samples, per })
            }
            Self::Note { text } => first(text),
        }
    }
}
