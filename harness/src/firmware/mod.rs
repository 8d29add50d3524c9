//! Firmware: from what a scenario's `firmware:` says to bytes at flash offsets.
//!
//! *Source*: design of the project; ESP-IDF Programming Guide, "Build System" (build folder).
//! *Modelled*: official images by name, merged images, applications alone, ELF files,
//! `flasher_args.json`, ESP-IDF build folders; every image is checked before anything is flashed.
//! *Not modelled*: flash encryption and secure boot.
//!
//! | module | does |
//! |---|---|
//! | [`resolve`] | decides what a text means, and reads it |
//! | [`manifest`] | `firmware.toml`: images by name, with their sources |
//! | [`store`] | the cache: looks, locks, verifies, writes |
//! | [`sources`] | one way to get a file each: URL, PyPI, crate |
//! | [`archive`] | one file out of a package |
//! | [`compose`] | what an application needs besides itself |
//! | `elf_beside` | the ELF file that firmware was made of |
//! | [`flasher_args`] | what ESP-IDF's build folder says |
//! | [`suite`] | reads the MicroPython programs that test a board |
//! | [`progress`] | what happens meanwhile, for whoever draws it |

pub mod archive;
pub mod compose;
mod elf_beside;
pub mod error;
pub mod flasher_args;
pub mod manifest;
pub mod progress;
pub mod resolve;
pub mod sources;
pub mod store;
pub mod suite;

use std::path::PathBuf;

pub use error::{Blame, FirmwareError};
pub use manifest::{Entry, Manifest, ManifestError, Source};
pub use progress::Progress;
pub use resolve::Resolver;
pub use store::Store;

/// Bytes that belong at one flash offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Flash offset of the first byte.
    pub offset: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Region {
    /// Flash offset just past the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        u64::from(self.offset) + self.bytes.len() as u64
    }
}

/// What was found true of a firmware before anybody may flash it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The file's SHA-256 is the one in `firmware.toml`.
    PublishedHash,
    /// Every image in it is for the ESP32.
    Chip,
    /// Header, segments, checksum and hash of every image in it are right.
    Images,
    /// Its partition table is right.
    PartitionTable,
}

/// Where a firmware came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// An official image, by name.
    Named {
        /// Its version.
        version: String,
        /// Its SHA-256, in hexadecimal.
        sha256: String,
        /// The file it was read from.
        path: PathBuf,
    },
    /// A file that is complete in itself.
    File {
        /// The file.
        path: PathBuf,
    },
    /// An application, image or ELF, completed with what it needs.
    Composed {
        /// The application.
        app: PathBuf,
        /// The second-stage bootloader that was put before it.
        bootloader: PathBuf,
        /// The partition table; `None` where ESP-IDF's default was made.
        table: Option<PathBuf>,
    },
    /// The files that a build folder lists.
    BuildFolder {
        /// Its `flasher_args.json`.
        arguments: PathBuf,
    },
}

/// How many of the bytes at this offset are left if those are cut off that a flash of that size has no
/// room for: none are unless all of them are blank.
pub(crate) fn without_blank_end(offset: u32, bytes: &[u8], flash_size: u32) -> usize {
    let room = flash_size.saturating_sub(offset) as usize;
    let beyond = bytes.get(room..).unwrap_or_default();
    let is_blank = |blank| beyond.iter().all(|byte| *byte == blank);
    if room > 0 && (is_blank(0) || is_blank(0xff)) { bytes.len().min(room) } else { bytes.len() }
}

/// Firmware that can be flashed: checked bytes at flash offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    /// What the scenario called it.
    pub name: String,
    /// The bytes in order of offset, never empty, never overlapping.
    regions: Vec<Region>,
    /// What was checked.
    pub checks: Vec<Check>,
    /// Where it came from.
    pub provenance: Provenance,
}

impl Firmware {
    /// The bytes in order of offset: at least one region, none overlapping another.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Flash offset that the firmware starts at.
    #[must_use]
    pub fn default_offset(&self) -> u32 {
        self.regions.first().map_or(0, |first| first.offset)
    }

    /// Flash offset just past the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.regions.last().map_or(0, Region::end)
    }

    /// All bytes from [`Self::default_offset`] on as one image; gaps are filled as erased flash.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        let start = self.default_offset();
        let mut image = Vec::new();
        for region in &self.regions {
            image.resize((region.offset - start) as usize, 0xff);
            image.extend(&region.bytes);
        }
        image
    }

    /// Leaves out what lies beyond a flash of that many bytes, if all of it is blank: tools that make
    /// images fill them up with zeros or ones.
    pub fn cut_blank_end(&mut self, flash_size: u32) {
        for region in &mut self.regions {
            let length = without_blank_end(region.offset, &region.bytes, flash_size);
            region.bytes.truncate(length);
        }
    }

    /// Whether the firmware fits a flash of that many bytes.
    ///
    /// # Errors
    /// [`FirmwareError::FlashTooSmall`].
    pub fn check_fits(&self, flash_size: u32) -> Result<(), FirmwareError> {
        if self.end() <= u64::from(flash_size) {
            return Ok(());
        }
        Err(FirmwareError::FlashTooSmall {
            name: self.name.clone(),
            end: self.end(),
            flash_size: flash_size.into(),
        })
    }
}
