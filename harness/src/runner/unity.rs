//! Results of the Unity framework, which firmware for microcontrollers is often tested with.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::scenario::values::Secrets;
use crate::time::DeviceTime;
use crate::transcript::printable;

/// One test of the Unity framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnityTest {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: UnityOutcome,
    /// What it said, or nothing.
    pub message: String,
    /// The source file it stands in, as the compiler was told it.
    pub file: String,
    /// Where in it: of a test that failed, the assertion.
    pub line: u32,
    /// When its result was complete.
    pub time: DeviceTime,
}

/// How a test of the Unity framework ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnityOutcome {
    /// Well.
    Passed,
    /// Its firmware did wrong.
    Failed,
    /// It was not to run.
    Ignored,
}

impl UnityTest {
    /// The place in the source and what was said about it.
    pub fn words(&self) -> String {
        let said = if self.message.is_empty() { "" } else { ": " };
        format!("{}:{}{said}{}", self.file, self.line, self.message)
    }

    /// The same without secrets and control characters.
    pub(super) fn redacted(mut self, secrets: &Secrets) -> Self {
        for text in [&mut self.name, &mut self.message, &mut self.file] {
            *text = printable(&secrets.redact(text));
        }
        self
    }
}

impl fmt::Display for UnityOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Ignored => "ignored",
        })
    }
}

/// How many tests there were, and how many of them ended how, in words.
pub fn counts<'t>(tests: impl IntoIterator<Item = &'t UnityTest>) -> String {
    let (mut all, mut of) = (0, [0; 3]);
    for test in tests {
        all += 1;
        of[test.outcome as usize] += 1;
    }
    let outcomes = [UnityOutcome::Failed, UnityOutcome::Passed, UnityOutcome::Ignored];
    let words: Vec<_> = outcomes
        .into_iter()
        .filter(|outcome| of[*outcome as usize] > 0)
        .map(|outcome| format!("{} {outcome}", of[outcome as usize]))
        .collect();
    let tests = if all == 1 { "test" } else { "tests" };
    match words.len() {
        0 => format!("{all} Unity {tests}"),
        _ => format!("{all} Unity {tests}: {}", words.join(", ")),
    }
}
