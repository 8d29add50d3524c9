//! The numbers the program ends with.

/// What a run of the program amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// Passed, or passed and skipped.
    Passed = 0,
    /// Something failed, a snapshot is new or changed, or a comparison differs.
    Failed = 1,
    /// Wrong usage or an invalid scenario.
    Usage = 2,
    /// The bench, the target, a firmware source, a token or a lock broke.
    Bench = 3,
    /// Nothing ran.
    NothingRan = 4,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

impl ExitCode {
    /// The worse of two: usage before bench before failed, as documented.
    pub fn worse(self, other: Self) -> Self {
        let rank = |code: Self| match code {
            Self::Passed => 0,
            Self::NothingRan => 1,
            Self::Failed => 2,
            Self::Bench => 3,
            Self::Usage => 4,
            Self::Interrupted => 5,
        };
        if rank(self) >= rank(other) { self } else { other }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
