//! Reports: consumers of the runner's events. They never decide.

pub mod console;
pub mod in_order;
pub mod json;
mod words;

use crate::runner::events::Event;

/// A consumer of the runner's events.
pub trait Report {
    /// Takes the next event.
    fn event(&mut self, event: &Event);
}
