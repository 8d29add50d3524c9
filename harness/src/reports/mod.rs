//! Reports: consumers of the runner's events. They never decide.
//!
//! | module | is for |
//! |---|---|
//! | [`console`] | a person at a terminal, or reading a log |
//! | [`bars`] | the live picture of it on a terminal |
//! | [`json`] | programs, as the run goes on |
//! | [`github`] | GitHub Actions: annotations, and a summary |
//! | [`in_order`] | another report: it undoes the mixing of parallel cases |
//! | [`files`] | what is written at the end: `junit`, `html`, [`vcd`], GitHub's summary |
//!
//! The events of several cases may be mixed; `case` tells them apart. What is written at the end is
//! made from a `record`, the run as a tree; `words` has the sentences that several reports say.

pub mod bars;
pub mod console;
pub mod files;
pub mod github;
mod html;
pub mod in_order;
pub mod json;
mod junit;
mod record;
#[cfg(test)]
mod testing;
#[cfg(test)]
pub(crate) use testing::events as testing_events;
pub mod vcd;
mod words;

use crate::runner::events::Event;

/// The name of a case's place in the page of the run.
fn anchor(case: usize) -> String {
    format!("case-{}", case + 1)
}

/// A crash as a report would explain it, in plain text.
pub fn crash_text(crash: &crate::runner::crash::Crash) -> String {
    words::crash_text(crash)
}

/// A consumer of the runner's events.
pub trait Report {
    /// Takes the next event.
    fn event(&mut self, event: &Event);
}
