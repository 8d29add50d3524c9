//! File formats of firmware: parsers only, no policy.
//!
//! Everything here is a pure function of bytes. Where the bytes come from, and what is done with
//! an image that is not whole, is decided by the caller.
//!
//! | module | format |
//! |---|---|
//! | [`esp_image`] | what the mask ROM and the second-stage bootloader load: header, segments, checksum, hash |
//! | [`partition_table`] | which part of the flash belongs to whom |
//! | [`elf`] | what a linker writes, and its conversion to an ESP image |
//! | [`flash_layout`] | what kind of file this is, and where in the flash it belongs |
//! | [`chip`] | which chip an image was built for |

pub mod chip;
pub mod elf;
pub mod esp_image;
pub mod flash_layout;
pub mod partition_table;

mod bytes;
#[cfg(test)]
mod mutations;

pub use chip::Chip;
pub use elf::{ElfError, ElfFile};
pub use esp_image::{EspImage, FlashSettings, Header, ImageError, Segment};
pub use flash_layout::{BOOTLOADER_OFFSET, FlashLayout, LayoutError};
pub use partition_table::{Partition, PartitionTable, PartitionTableError};
