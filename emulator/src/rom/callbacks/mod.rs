//! The ROM functions that call back into firmware, one file per subject.

mod allocation;
mod calendar;
mod download;
mod print;
mod sort;
mod stdio;
mod stream;
mod veneers;

use super::coroutine::Coroutine;

pub(super) use print::CHANNELS;

/// All tables.
pub(super) const TABLES: &[&[Coroutine]] = &[
    allocation::TABLE,
    calendar::TABLE,
    download::TABLE,
    print::TABLE,
    sort::TABLE,
    stdio::TABLE,
    veneers::TABLE,
];
