//! What kind of image file this is, and where in the flash it belongs.
//!
//! Source: ESP-IDF Programming Guide, "Bootloader" and "Partition Tables" (offsets 0x1000 and
//! 0x8000); esptool documentation, "merge-bin"; measured on published images.
//! Modelled: merged images that start at 0x0 or at 0x1000, applications alone, programs that the
//! mask ROM loads by itself, ELF files; every image inside is checked.
//! Not modelled: encrypted images.

use super::chip::Chip;
use super::esp_image::{self, EspImage, ImageError};
use super::partition_table::{self, PartitionTable, PartitionTableError};

/// Where an ESP32's mask ROM looks for the second-stage bootloader.
pub const BOOTLOADER_OFFSET: u32 = 0x1000;
/// No ESP32 has more flash than its caches can map.
pub const MAX_FLASH: usize = 16 << 20;
const SECTOR: usize = 0x1000;
/// Last offset at which a table is looked for; ESP-IDF lets a project move it up.
const LAST_TABLE_OFFSET: usize = 0x2_0000;

/// Why a file is not a flash image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file is larger than any flash.
    #[error("the file has {length} bytes, more than the 16 MiB that an ESP32 can map")]
    TooLarge {
        /// Its length in bytes.
        length: usize,
    },
    /// Nothing in the file is what it should be.
    #[error(
        "not a flash image: it starts with {first:#04x}, and has no bootloader at offset 0x1000 \
         either (an ESP32 image starts with 0xe9)"
    )]
    Unknown {
        /// The first byte.
        first: u8,
    },
    /// An image in the file is for another chip, or not whole.
    #[error("{part} at file offset {offset:#x}: {source}")]
    Image {
        /// Which image.
        part: &'static str,
        /// Where it starts in the file.
        offset: usize,
        /// What is wrong with it.
        source: ImageError,
    },
    /// The partition table is wrong.
    #[error("the partition table at file offset {offset:#x}: {source}")]
    Table {
        /// Where it starts in the file.
        offset: usize,
        /// What is wrong with it.
        source: PartitionTableError,
    },
    /// The file ends before a partition that it must hold begins.
    #[error(
        "the file is truncated: it ends at {have:#x}, before the application at {needed:#x} begins"
    )]
    NoApp {
        /// Where the application's partition starts in the file.
        needed: usize,
        /// The file's length.
        have: usize,
    },
}

/// What a file is, and so what else it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlashLayout {
    /// Bootloader, partition table and application in one, ready to be written at `offset`.
    Merged {
        /// Flash offset that the file's first byte belongs to: 0x0 or 0x1000.
        offset: u32,
        /// The bootloader.
        bootloader: EspImage,
        /// The partition table.
        table: PartitionTable,
    },
    /// An application alone: it needs a second-stage bootloader and a partition table.
    App(EspImage),
    /// A program all in RAM, which the mask ROM loads from 0x1000: a bootloader, or a bare program.
    RomLoaded(EspImage),
}

impl FlashLayout {
    /// Says what `bytes` are, and checks every image in them.
    ///
    /// # Errors
    /// Any [`LayoutError`].
    pub fn detect(bytes: &[u8]) -> Result<Self, LayoutError> {
        let &first = bytes.first().ok_or(LayoutError::Empty)?;
        if bytes.len() > MAX_FLASH {
            return Err(LayoutError::TooLarge { length: bytes.len() });
        }
        let starts_with_image = first == esp_image::MAGIC;
        if let Some(chip) = esp_image::recognise(bytes).filter(|&chip| chip != Chip::Esp32) {
            let source = ImageError::WrongChip { chip };
            return Err(LayoutError::Image { part: "the image", offset: 0, source });
        }
        if starts_with_image {
            Self::starting_with_image(bytes)
        } else if bytes.get(BOOTLOADER_OFFSET as usize) == Some(&esp_image::MAGIC) {
            Self::merged(bytes, 0)
        } else {
            Err(LayoutError::Unknown { first })
        }
    }

    fn starting_with_image(bytes: &[u8]) -> Result<Self, LayoutError> {
        let image = EspImage::parse(bytes).map_err(|source| LayoutError::Image {
            part: "the image",
            offset: 0,
            source,
        })?;
        if image.is_flash_mapped() {
            return Ok(Self::App(image));
        }
        if find_table(bytes, image.length, BOOTLOADER_OFFSET).is_some() {
            return Self::merged(bytes, BOOTLOADER_OFFSET);
        }
        Ok(Self::RomLoaded(image))
    }

    /// Reads a file whose first byte belongs to flash offset `start`.
    fn merged(bytes: &[u8], start: u32) -> Result<Self, LayoutError> {
        let at = (BOOTLOADER_OFFSET - start) as usize;
        let bootloader = image_at(bytes, at, "the bootloader")?;
        let after = at + bootloader.length;
        let default = (partition_table::DEFAULT_OFFSET - start) as usize;
        let table_at = find_table(bytes, after, start).unwrap_or(default);
        let table = PartitionTable::parse(bytes.get(table_at..).unwrap_or_default())
            .map_err(|source| LayoutError::Table { offset: table_at, source })?;
        check_apps(bytes, start, &table)?;
        Ok(Self::Merged { offset: start, bootloader, table })
    }
}

fn image_at(bytes: &[u8], offset: usize, part: &'static str) -> Result<EspImage, LayoutError> {
    EspImage::parse(bytes.get(offset..).unwrap_or_default()).map_err(|source| LayoutError::Image {
        part,
        offset,
        source,
    })
}

/// The file offset of the partition table: the default place first, else the first sector after
/// the bootloader that starts like one.
fn find_table(bytes: &[u8], after: usize, start: u32) -> Option<usize> {
    let is_table = |&at: &usize| bytes.get(at..).is_some_and(PartitionTable::starts_at);
    let default = (partition_table::DEFAULT_OFFSET - start) as usize;
    let later = (after.next_multiple_of(SECTOR)..=LAST_TABLE_OFFSET - start as usize)
        .step_by(SECTOR)
        .find(|at| {
            is_table(at) && bytes.get(*at..).is_some_and(|it| PartitionTable::parse(it).is_ok())
        });
    Some(default).filter(|at| *at >= after && is_table(at)).or(later)
}

/// Every application partition that the file covers is blank or a whole image; the first one
/// that would be started is there.
fn check_apps(bytes: &[u8], start: u32, table: &PartitionTable) -> Result<(), LayoutError> {
    for app in table.apps() {
        let at = app.offset.saturating_sub(start) as usize;
        let is_blank = bytes.get(at).is_none_or(|&first| first == 0xff || first == 0);
        if !is_blank {
            image_at(bytes, at, "the application")?;
        }
    }
    match table.first_app() {
        Some(app) if (app.offset.saturating_sub(start) as usize) >= bytes.len() => {
            let needed = app.offset.saturating_sub(start) as usize;
            Err(LayoutError::NoApp { needed, have: bytes.len() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::esp_image::{FlashSettings, Header, encode};
    use super::super::mutations::Mutations;
    use super::*;

    fn image(address: u32) -> Vec<u8> {
        let header = Header::new(0x4008_0400, FlashSettings::DIO_40MHZ_4MB);
        encode(header, &[(address, vec![7; 0x100])])
    }

    fn bootloader() -> Vec<u8> {
        image(0x4008_0400)
    }

    fn app() -> Vec<u8> {
        image(0x3f40_0020)
    }

    /// A merged image that starts at flash offset 0.
    fn merged() -> Vec<u8> {
        let mut flash = vec![0xff; 0x1_0000];
        flash[0x1000..0x1000 + bootloader().len()].copy_from_slice(&bootloader());
        let table = PartitionTable::single_app(0).to_bytes();
        flash[0x8000..0x8000 + table.len()].copy_from_slice(&table);
        flash.extend(app());
        flash
    }

    #[test]
    fn a_merged_image_is_known_from_either_start() {
        for (from, offset) in [(0, 0), (0x1000, 0x1000)] {
            match FlashLayout::detect(&merged()[from..]).unwrap() {
                FlashLayout::Merged { offset: found, table, .. } => {
                    assert_eq!(found, offset);
                    assert_eq!(table.partitions.len(), 3);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_table_that_a_project_moved_is_found() {
        let mut flash = merged();
        let table: Vec<u8> = flash[0x8000..0x8c00].to_vec();
        flash[0x8000..0x8c00].fill(0xff);
        flash[0x9000..0x9c00].copy_from_slice(&table);
        assert!(matches!(FlashLayout::detect(&flash), Ok(FlashLayout::Merged { .. })));
    }

    #[test]
    fn an_application_and_a_program_in_ram_are_told_apart() {
        assert!(matches!(FlashLayout::detect(&app()), Ok(FlashLayout::App(_))));
        assert!(matches!(FlashLayout::detect(&bootloader()), Ok(FlashLayout::RomLoaded(_))));
    }

    #[test]
    fn a_fault_in_any_part_is_reported_with_its_place() {
        let mut flash = merged();
        flash[0x1_0030] ^= 1;
        assert!(matches!(
            FlashLayout::detect(&flash),
            Err(LayoutError::Image { part: "the application", offset: 0x1_0000, .. })
        ));
        let mut flash = merged();
        flash[0x8045] ^= 1;
        assert!(matches!(
            FlashLayout::detect(&flash),
            Err(LayoutError::Table { offset: 0x8000, .. })
        ));
        let cut = &merged()[..0x9000];
        assert!(matches!(
            FlashLayout::detect(cut),
            Err(LayoutError::NoApp { needed: 0x1_0000, have: 0x9000 })
        ));
        let cut = &merged()[..0x1_0080];
        assert!(matches!(
            FlashLayout::detect(cut),
            Err(LayoutError::Image { source: ImageError::Truncated { .. }, .. })
        ));
    }

    #[test]
    fn damaged_files_of_every_kind_never_panic() {
        for good in [merged(), merged()[0x1000..].to_vec(), app(), bootloader()] {
            let mut mutations = Mutations::of(&good);
            for _ in 0..500 {
                let _ = FlashLayout::detect(&mutations.next());
            }
        }
    }

    #[test]
    fn empty_huge_and_foreign_files_have_errors_of_their_own() {
        assert_eq!(FlashLayout::detect(&[]), Err(LayoutError::Empty));
        assert_eq!(FlashLayout::detect(b"hello"), Err(LayoutError::Unknown { first: b'h' }));
        let huge = vec![0xff; MAX_FLASH + 1];
        assert_eq!(
            FlashLayout::detect(&huge),
            Err(LayoutError::TooLarge { length: MAX_FLASH + 1 })
        );
        let mut esp32s3 = app();
        esp32s3[12] = 9;
        assert!(matches!(
            FlashLayout::detect(&esp32s3),
            Err(LayoutError::Image { source: ImageError::WrongChip { chip: Chip::Esp32S3 }, .. })
        ));
    }
}
