//! The ROM functions that are provided natively, one file per subject.

mod memory;

use super::table::Entry;

/// All tables.
pub(super) const TABLES: &[&[Entry]] = &[memory::TABLE];
