//! The person at the bench, as a scenario can ask for them.

use std::io;

/// How a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// By going on.
    Continue,
    /// With yes or no.
    YesOrNo,
}

/// What the person answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done, or yes.
    Yes,
    /// No.
    No,
}

/// Somebody who can be asked. Cases that run at the same time ask one after the other.
pub trait Operator: Sync {
    /// Shows `text` and waits for the answer.
    ///
    /// # Errors
    /// When nobody answers any more; of kind `Interrupted` when the person wants the run to end.
    fn ask(&self, text: &str, question: Question) -> io::Result<Answer>;
}
