//! The machine of a failed case, kept for a person to look at.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::targets::Target;

/// Keeps the machine of the first case that fails.
#[derive(Default)]
pub struct Hold(Mutex<Option<Held>>);

/// A machine as the failed case left it.
pub struct Held {
    /// The case's name.
    pub case: String,
    /// The machine.
    pub target: Box<dyn Target>,
}

impl Hold {
    /// Keeps a machine unless there is one already; whether it was kept.
    pub(super) fn keep(&self, case: &str, target: Box<dyn Target>) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = held.is_none();
        if first {
            *held = Some(Held { case: case.to_owned(), target });
        }
        first
    }

    /// What was kept.
    pub fn take(self) -> Option<Held> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}
