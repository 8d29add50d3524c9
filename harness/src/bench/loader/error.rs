//! Trouble with the chip's loader.

use std::fmt;
use std::time::Duration;

use crate::bench::adapters::AdapterError;

/// What came instead of an answer: the end of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard(Vec<u8>);

impl Heard {
    /// Most bytes of it that are kept.
    const KEPT: usize = 64;

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        self.0.drain(..self.0.len().saturating_sub(Self::KEPT));
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("nothing"),
            bytes => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// Trouble with the loader.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoaderError {
    /// The adapter is in trouble.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// Nothing answers as it must.
    #[error("the chip does not answer as its boot loader does: it says {heard}")]
    NoLoader {
        /// What came instead.
        heard: Heard,
    },
    /// An answer is missing.
    #[error("no answer to {command} within {} s", .patience.as_secs_f32())]
    NoAnswer {
        /// What was asked.
        command: &'static str,
        /// How long was waited.
        patience: Duration,
    },
    /// The loader says no.
    #[error("the loader refuses {command}: {} (error {error:#04x})", meaning(*.error))]
    Refused {
        /// What was asked.
        command: &'static str,
        /// Its error code.
        error: u8,
    },
    /// An answer is not as it must be.
    #[error("the answer to {command} makes no sense")]
    Nonsense {
        /// What was asked.
        command: &'static str,
    },
    /// espflash or its stub does not do it.
    #[error("the flasher stub did not {what}: {reason}")]
    Stub {
        /// What it should have done.
        what: &'static str,
        /// What espflash says.
        reason: String,
    },
    /// That is beyond the end of the flash. Nothing was changed.
    #[error("{length} bytes at {offset:#x} do not fit a flash of {size} bytes")]
    DoesNotFit {
        /// Flash address.
        offset: u32,
        /// How many bytes.
        length: u64,
        /// Bytes of the flash.
        size: u32,
    },
    /// The flash does not hold what has been written.
    #[error("{length:#x} bytes at {offset:#x} were written and do not read back")]
    NotWritten {
        /// Flash address.
        offset: u32,
        /// How many bytes.
        length: usize,
    },
}

fn meaning(error: u8) -> &'static str {
    match error {
        0x05 => "the request is invalid",
        0x06 => "it failed to act",
        0x07 => "the checksum is wrong",
        0x08 => "writing the flash failed",
        0x09 => "reading the flash failed",
        0x0a => "the length to read is wrong",
        0x0b => "the compressed data is wrong",
        _ => "no reason is known",
    }
}
