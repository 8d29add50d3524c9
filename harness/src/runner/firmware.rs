//! What the runner needs of firmware: bytes at flash offsets for a name or a path.
//!
//! Where they come from is someone else's business, behind [`FirmwareSource`].

use std::fmt;
use std::path::Path;

use crate::targets::Segment;

/// Firmware that can be flashed: checked bytes at flash offsets, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlashImage {
    /// What the scenario called it.
    pub name: String,
    /// The bytes, in order of offset.
    pub segments: Vec<Segment>,
}

/// Firmware cannot be had or not be used so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FirmwareTrouble {
    /// Why, in words that say what to do.
    pub message: String,
    /// Whether the scenario names something impossible, rather than a source being out of reach.
    pub scenario_is_wrong: bool,
}

/// News while firmware is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchNews {
    /// Something that is worth a line.
    Note(String),
    /// So many bytes of so many have come.
    Bytes {
        /// Here already.
        done: u64,
        /// In all.
        total: u64,
    },
}

/// Where firmware comes from.
pub trait FirmwareSource: fmt::Debug + Sync {
    /// The firmware that a scenario of `project` calls `spec`, fetched first if need be.
    ///
    /// # Errors
    /// When it cannot be had or is damaged.
    fn resolve(
        &self,
        project: &Path,
        spec: &str,
        news: &mut dyn FnMut(FetchNews),
    ) -> Result<FlashImage, FirmwareTrouble>;
}
