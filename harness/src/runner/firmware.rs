//! What the runner needs of firmware: bytes at flash offsets for a name or a path.
//!
//! Where they come from is someone else's business, behind [`FirmwareSource`].

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::targets::Segment;

/// Firmware that can be flashed: checked bytes at flash offsets, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlashImage {
    /// What the scenario called it.
    pub name: String,
    /// The bytes, in order of offset.
    pub segments: Vec<Segment>,
    /// SHA-256 of the bytes from the first to the last offset, gaps as erased flash, in hexadecimal:
    /// of an image in one file, the hash of the file.
    pub sha256: String,
    /// The ELF file that the image was made of, if it is at hand.
    pub elf: Option<PathBuf>,
}

impl FlashImage {
    /// Firmware of these segments, in order of offset, without an ELF file.
    pub fn new(name: impl Into<String>, segments: Vec<Segment>) -> Self {
        let mut hash = Sha256::new();
        let mut at = segments.first().map_or(0, |first| first.offset);
        for Segment { offset, bytes } in &segments {
            let gap = offset.saturating_sub(at) as usize;
            hash.update(vec![0xff; gap]);
            hash.update(bytes);
            at = offset.saturating_add(bytes.len().try_into().unwrap_or(u32::MAX));
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name: name.into(), segments, sha256, elf: None }
    }
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
