//! The partition table: which part of the flash belongs to whom.
//!
//! Source: ESP-IDF Programming Guide, "Partition Tables"; ESP-IDF,
//! `bootloader_support/include/esp_flash_partitions.h` (`esp_partition_info_t`, MD5 row).
//! Modelled: entries, the MD5 row, the rules that the bootloader checks; the default table with
//! one factory application.
//! Not modelled: the CSV form; encrypted tables.

use md5::{Digest, Md5};

use super::bytes::{array, u16_at, u32_at};

/// Where ESP-IDF puts the table unless it is told otherwise.
pub const DEFAULT_OFFSET: u32 = 0x8000;
/// Length that the bootloader reads, in bytes.
pub const TABLE_LEN: usize = 0xc00;
/// Length of one row, in bytes.
const ROW_LEN: usize = 32;
const ROW_MAGIC: u16 = 0x50aa;
const MD5_MAGIC: u16 = 0xebeb;
/// Applications are mapped by pages of 64 KiB, and so must start at one.
const APP_ALIGNMENT: u32 = 0x1_0000;
const SECTOR: u32 = 0x1000;

/// Why bytes are not a partition table. Offsets count from the start of the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartitionTableError {
    /// The bytes end inside the table.
    #[error("the partition table is truncated at offset {offset:#x}")]
    Truncated {
        /// Offset of the row that is not whole.
        offset: usize,
    },
    /// A row starts with neither of the magic numbers.
    #[error(
        "corrupt partition table: the row at offset {offset:#x} starts with {found:#06x} \
         instead of 0x50aa"
    )]
    Magic {
        /// Offset of the row.
        offset: usize,
        /// Its first two bytes, little-endian.
        found: u16,
    },
    /// There are no entries.
    #[error("the partition table has no entries")]
    NoEntries,
    /// The table's MD5 differs from the one stored.
    #[error("corrupt partition table: its MD5 differs from the one stored at offset {offset:#x}")]
    Md5 {
        /// Offset of the MD5's row.
        offset: usize,
    },
    /// A partition starts where it must not.
    #[error("partition `{label}` starts at {offset:#x}, which is no multiple of {alignment:#x}")]
    Alignment {
        /// Name of the partition.
        label: String,
        /// Where it starts in the flash.
        offset: u32,
        /// What it must be a multiple of.
        alignment: u32,
    },
    /// Two partitions share bytes, or one runs past the address space.
    #[error("partition `{label}` at {offset:#x} overlaps the one before it or has no end")]
    Overlap {
        /// Name of the second partition.
        label: String,
        /// Where it starts in the flash.
        offset: u32,
    },
}

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionKind {
    /// An application: `factory`, `ota_0` to `ota_15`, `test`.
    App,
    /// Data, or a type of the application's own.
    Data,
    /// Some other type number.
    Other(u8),
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: PartitionKind,
    /// The subtype number: for an application 0 is `factory`, 0x10 and up are `ota_0` and up.
    pub subtype: u8,
    /// Where it starts in the flash, in bytes.
    pub offset: u32,
    /// How long it is, in bytes.
    pub size: u32,
    /// Its name, at most 16 bytes.
    pub label: String,
    /// Bit 0: encrypted.
    pub flags: u32,
}

impl Partition {
    fn new(kind: PartitionKind, subtype: u8, label: &str, offset: u32, size: u32) -> Self {
        Self { kind, subtype, offset, size, label: label.to_owned(), flags: 0 }
    }

    /// Offset just past the partition, saturating.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.offset.saturating_add(self.size)
    }

    fn parse(row: [u8; ROW_LEN]) -> Self {
        let word = |at| u32_at(&row, at).unwrap_or_default();
        let name = &row[12..28];
        let name = &name[..name.iter().position(|&byte| byte == 0).unwrap_or(name.len())];
        Self {
            kind: match row[2] {
                0 => PartitionKind::App,
                1 => PartitionKind::Data,
                other => PartitionKind::Other(other),
            },
            subtype: row[3],
            offset: word(4),
            size: word(8),
            label: String::from_utf8_lossy(name).into_owned(),
            flags: word(28),
        }
    }

    fn to_row(&self) -> [u8; ROW_LEN] {
        let mut row = [0; ROW_LEN];
        row[..2].copy_from_slice(&ROW_MAGIC.to_le_bytes());
        row[2] = match self.kind {
            PartitionKind::App => 0,
            PartitionKind::Data => 1,
            PartitionKind::Other(other) => other,
        };
        row[3] = self.subtype;
        row[4..8].copy_from_slice(&self.offset.to_le_bytes());
        row[8..12].copy_from_slice(&self.size.to_le_bytes());
        let name = self.label.as_bytes();
        let length = name.len().min(16);
        row[12..12 + length].copy_from_slice(&name[..length]);
        row[28..].copy_from_slice(&self.flags.to_le_bytes());
        row
    }
}

/// A partition table that has been read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTable {
    /// Its rows, in the order of the table.
    pub partitions: Vec<Partition>,
    /// Whether the table carried its MD5.
    pub has_md5: bool,
}

impl PartitionTable {
    /// Reads and checks the table at the start of `bytes`; more bytes may follow it.
    ///
    /// # Errors
    /// Any [`PartitionTableError`]; the first fault in the order of the table.
    pub fn parse(bytes: &[u8]) -> Result<Self, PartitionTableError> {
        let mut table = Self { partitions: Vec::new(), has_md5: false };
        for offset in (0..TABLE_LEN).step_by(ROW_LEN) {
            let Some(row) = array::<ROW_LEN>(bytes, offset) else {
                return Err(PartitionTableError::Truncated { offset });
            };
            match u16_at(&row, 0).unwrap_or_default() {
                ROW_MAGIC => table.partitions.push(Partition::parse(row)),
                MD5_MAGIC => {
                    if Md5::digest(&bytes[..offset])[..] != row[16..] {
                        return Err(PartitionTableError::Md5 { offset });
                    }
                    table.has_md5 = true;
                }
                0xffff => break,
                found => return Err(PartitionTableError::Magic { offset, found }),
            }
        }
        table.check()?;
        Ok(table)
    }

    /// Whether `bytes` start like a table; a cheap look before [`Self::parse`].
    #[must_use]
    pub fn starts_at(bytes: &[u8]) -> bool {
        u16_at(bytes, 0) == Some(ROW_MAGIC)
    }

    /// The default table of ESP-IDF: `nvs`, `phy_init` and one application of 1 MiB at 0x1_0000,
    /// which grows in steps of 64 KiB where `app_len` bytes need more.
    #[must_use]
    pub fn single_app(app_len: usize) -> Self {
        let app_len = u32::try_from(app_len).unwrap_or(u32::MAX).max(0x10_0000);
        let app_len = app_len.checked_next_multiple_of(APP_ALIGNMENT).unwrap_or(0xffff_0000);
        Self {
            partitions: vec![
                Partition::new(PartitionKind::Data, 2, "nvs", 0x9000, 0x6000),
                Partition::new(PartitionKind::Data, 1, "phy_init", 0xf000, 0x1000),
                Partition::new(PartitionKind::App, 0, "factory", 0x1_0000, app_len),
            ],
            has_md5: true,
        }
    }

    /// The partitions that hold applications, in the order of the table.
    pub fn apps(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().filter(|it| it.kind == PartitionKind::App)
    }

    /// The application that a bootloader starts when nothing says otherwise: `factory`, else the
    /// lowest of the `ota` ones.
    #[must_use]
    pub fn first_app(&self) -> Option<&Partition> {
        self.apps().filter(|it| it.subtype < 0x20).min_by_key(|it| it.subtype)
    }

    /// The table as stored, with its MD5 row if it has one, filled up to [`TABLE_LEN`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.partitions.iter().flat_map(Partition::to_row).collect();
        if self.has_md5 {
            let digest = Md5::digest(&bytes);
            bytes.extend(MD5_MAGIC.to_le_bytes());
            bytes.extend([0xff; 14]);
            bytes.extend(digest);
        }
        bytes.resize(TABLE_LEN, 0xff);
        bytes
    }

    fn check(&self) -> Result<(), PartitionTableError> {
        if self.partitions.is_empty() {
            return Err(PartitionTableError::NoEntries);
        }
        let mut sorted: Vec<&Partition> = self.partitions.iter().collect();
        sorted.sort_by_key(|it| it.offset);
        let mut free = 0;
        for it in sorted {
            let (label, offset) = (it.label.clone(), it.offset);
            let alignment = if it.kind == PartitionKind::App { APP_ALIGNMENT } else { SECTOR };
            if offset % alignment != 0 {
                return Err(PartitionTableError::Alignment { label, offset, alignment });
            }
            if offset < free || it.offset.checked_add(it.size).is_none() {
                return Err(PartitionTableError::Overlap { label, offset });
            }
            free = it.end();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::mutations::Mutations;

    #[test]
    fn the_default_table_is_read_back_and_grows_with_the_application() {
        let table = PartitionTable::single_app(0x18_1234);
        let bytes = table.to_bytes();
        assert_eq!(bytes.len(), TABLE_LEN);
        assert_eq!(PartitionTable::parse(&bytes), Ok(table.clone()));
        assert_eq!(table.first_app().map(|it| (it.offset, it.size)), Some((0x1_0000, 0x19_0000)));
        assert_eq!(PartitionTable::single_app(5).first_app().map(|it| it.size), Some(0x10_0000));
    }

    #[test]
    fn a_changed_byte_breaks_the_md5() {
        let mut bytes = PartitionTable::single_app(0).to_bytes();
        bytes[0x45] ^= 1; // the application's offset
        assert_eq!(PartitionTable::parse(&bytes), Err(PartitionTableError::Md5 { offset: 0x60 }));
    }

    #[test]
    fn overlapping_and_misaligned_partitions_are_refused() {
        let mut table = PartitionTable::single_app(0);
        table.partitions[1].offset = 0xe000;
        assert!(matches!(
            PartitionTable::parse(&table.to_bytes()),
            Err(PartitionTableError::Overlap { offset: 0xe000, .. })
        ));
        table.partitions[1].offset = 0xf000;
        table.partitions[2].offset = 0x1_1000;
        assert!(matches!(
            PartitionTable::parse(&table.to_bytes()),
            Err(PartitionTableError::Alignment { alignment: 0x1_0000, .. })
        ));
    }

    #[test]
    fn a_damaged_table_never_panics_and_one_that_is_accepted_is_sound() {
        let good = PartitionTable::single_app(0x18_1234).to_bytes();
        let mut mutations = Mutations::of(&good[..0x80]);
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let mut bytes = mutations.next();
            bytes.resize(bytes.len().max(TABLE_LEN), 0xff);
            if let Err(PartitionTableError::Md5 { offset }) = PartitionTable::parse(&bytes) {
                let digest = Md5::digest(&bytes[..offset]);
                bytes[offset + 16..offset + ROW_LEN].copy_from_slice(&digest);
            }
            let Ok(table) = PartitionTable::parse(&bytes) else {
                refused += 1;
                continue;
            };
            accepted += 1;
            for (n, one) in table.partitions.iter().enumerate() {
                assert!(one.offset.checked_add(one.size).is_some());
                for other in &table.partitions[n + 1..] {
                    let apart = one.end() <= other.offset || other.end() <= one.offset;
                    assert!(apart || one.size == 0 || other.size == 0, "{one:?}, {other:?}");
                }
            }
            let _ = table.first_app();
            assert!(table.to_bytes().len() >= TABLE_LEN);
        }
        assert!(accepted > 500 && refused > 5_000, "{accepted} accepted, {refused} refused");
    }

    #[test]
    fn blank_and_cut_tables_are_refused() {
        let blank = vec![0xff; TABLE_LEN];
        assert_eq!(PartitionTable::parse(&blank), Err(PartitionTableError::NoEntries));
        let bytes = PartitionTable::single_app(0).to_bytes();
        for length in 0..0x80 {
            assert!(PartitionTable::parse(&bytes[..length]).is_err());
        }
    }
}
