//! Verdicts of cases and runs.

use schemars::JsonSchema;
use serde::Serialize;

use crate::exit_code::ExitCode;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything expected was seen.
    Passed,
    /// It failed and then passed when tried again.
    Flaky,
    /// It did not run, because the target lacks a capability; never counted as passed.
    Skipped,
    /// The firmware did wrong.
    Failed,
    /// The scenario, the bench or the target is broken; says nothing about the firmware.
    Error,
    /// The person ended the run.
    Interrupted,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Flaky => "flaky",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Interrupted => "interrupted",
        })
    }
}

/// How many cases ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Tally {
    /// Everything expected was seen.
    pub passed: usize,
    /// Passed only when tried again.
    pub flaky: usize,
    /// Did not run.
    pub skipped: usize,
    /// The firmware did wrong.
    pub failed: usize,
    /// Something else is broken.
    pub error: usize,
    /// Ended by the person.
    pub interrupted: usize,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Flaky => &mut self.flaky,
            Verdict::Skipped => &mut self.skipped,
            Verdict::Failed => &mut self.failed,
            Verdict::Error => &mut self.error,
            Verdict::Interrupted => &mut self.interrupted,
        } += 1;
    }

    /// The counts that are not zero, in words.
    pub fn words(&self) -> String {
        let counts = [
            (self.passed, "passed"),
            (self.flaky, "flaky"),
            (self.failed, "failed"),
            (self.error, "error"),
            (self.skipped, "skipped"),
            (self.interrupted, "interrupted"),
        ];
        let words = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}"));
        words.collect::<Vec<_>>().join(", ")
    }

    /// The exit code of a run that ended so.
    pub fn exit_code(&self, skips: Skips) -> ExitCode {
        if self.interrupted > 0 {
            ExitCode::Interrupted
        } else if self.error > 0 {
            ExitCode::Bench
        } else if self.failed > 0 || (skips == Skips::Fail && self.skipped > 0) {
            ExitCode::Failed
        } else if self.passed + self.flaky == 0 {
            ExitCode::NothingRan
        } else {
            ExitCode::Passed
        }
    }
}

/// What skipped cases mean for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skips {
    /// They are reported.
    Allow,
    /// They fail the run.
    Fail,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Error, Failed, Flaky, Interrupted, Passed, Skipped};
    use rstest::rstest;

    #[rstest]
    #[case(&[Passed, Skipped, Flaky], ExitCode::Passed)]
    #[case(&[Passed, Failed], ExitCode::Failed)]
    #[case(&[Failed, Error], ExitCode::Bench)]
    #[case(&[Skipped], ExitCode::NothingRan)]
    #[case(&[], ExitCode::NothingRan)]
    #[case(&[Error, Interrupted], ExitCode::Interrupted)]
    fn the_worst_verdict_decides(#[case] verdicts: &[Verdict], #[case] code: ExitCode) {
        let mut tally = Tally::default();
        verdicts.iter().for_each(|verdict| tally.add(*verdict));
        assert_eq!(tally.exit_code(Skips::Allow), code);
    }

    #[test]
    fn skips_fail_only_when_asked_to() {
        let tally = Tally { passed: 1, skipped: 1, ..Tally::default() };
        assert_eq!(tally.exit_code(Skips::Fail), ExitCode::Failed);
    }
}
