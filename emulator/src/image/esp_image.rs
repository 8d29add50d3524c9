//! The ESP image: header, segments, checksum and hash, as the mask ROM and the second-stage
//! bootloader load it.
//!
//! Source: esptool documentation, "Firmware Image Format"; ESP-IDF,
//! `bootloader_support/include/esp_app_format.h` (`esp_image_header_t`,
//! `esp_image_segment_header_t`, `ESP_IMAGE_MAX_SEGMENTS`).
//! Modelled: every header field, segment table, checksum, appended SHA-256; recognising images of
//! other chips; writing an image.
//! Not modelled: signature blocks and encryption, which follow or cover the image; what follows
//! the image is left alone.

use sha2::{Digest, Sha256};

use super::bytes::{array, round_up, u16_at, u32_at};
use super::chip::{self, Chip, LoadRegion};

/// First byte of every image.
pub const MAGIC: u8 = 0xe9;
/// First byte of the ESP8266's second image format.
const MAGIC_ESP8266_V2: u8 = 0xea;
/// Length of the header, in bytes.
pub const HEADER_LEN: usize = 24;
/// Length of the header of one segment, in bytes.
pub const SEGMENT_HEADER_LEN: usize = 8;
/// More segments than this no bootloader loads.
pub const MAX_SEGMENTS: u8 = 16;
/// Start value of the checksum over all segment bytes.
pub const CHECKSUM_SEED: u8 = 0xef;
/// First word of an application's description, which is the first thing in its first segment.
pub const APP_DESCRIPTION_MAGIC: u32 = 0xabcd_5432;
/// Length of the appended hash, in bytes.
const HASH_LEN: usize = 32;

/// Why bytes are not an image that an ESP32 can run. Offsets count from the start of the image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There are no bytes at all.
    #[error("the image is empty")]
    Empty,
    /// The bytes end before the image does.
    #[error(
        "the image is truncated: {part} needs bytes up to offset {needed:#x}, \
         but there are only {have:#x}"
    )]
    Truncated {
        /// What is cut off.
        part: Part,
        /// Offset just past the part.
        needed: usize,
        /// How many bytes there are.
        have: usize,
    },
    /// The first byte is not that of an image.
    #[error("not an ESP image: the first byte is {found:#04x} instead of 0xe9")]
    Magic {
        /// The byte found instead.
        found: u8,
    },
    /// The image is for another chip.
    #[error("the image is for the {chip}, not for the ESP32")]
    WrongChip {
        /// The chip that it is for.
        chip: Chip,
    },
    /// The header's number of segments cannot be right.
    #[error("corrupt header: {count} segments at offset 0x1, an image has 1 to {MAX_SEGMENTS}")]
    SegmentCount {
        /// The number found.
        count: u8,
    },
    /// A segment belongs to no memory of an ESP32.
    #[error(
        "corrupt segment table: the segment at offset {offset:#x} loads {length:#x} bytes \
         to {address:#010x}, where an ESP32 has no memory for it"
    )]
    SegmentAddress {
        /// Offset of the segment's own header.
        offset: usize,
        /// Its load address.
        address: u32,
        /// Its length in bytes.
        length: usize,
    },
    /// The checksum over the segments differs from the one stored.
    #[error(
        "corrupt image: checksum {computed:#04x}, but {stored:#04x} is stored at offset {offset:#x}"
    )]
    Checksum {
        /// Offset of the stored checksum.
        offset: usize,
        /// The value stored there.
        stored: u8,
        /// The value that the bytes give.
        computed: u8,
    },
    /// The appended SHA-256 differs from that of the bytes before it.
    #[error("corrupt image: its SHA-256 differs from the one stored at offset {offset:#x}")]
    Hash {
        /// Offset of the stored hash.
        offset: usize,
    },
}

/// A part of an image that can be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The header of the image.
    Header,
    /// The header of segment `.0`, counted from 0.
    SegmentHeader(u8),
    /// The bytes of segment `.0`, counted from 0.
    Segment(u8),
    /// The padding with the checksum as its last byte.
    Checksum,
    /// The SHA-256.
    Hash,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header => f.write_str("the header"),
            Self::SegmentHeader(index) => write!(f, "the header of segment {index}"),
            Self::Segment(index) => write!(f, "segment {index}"),
            Self::Checksum => f.write_str("the checksum"),
            Self::Hash => f.write_str("the hash"),
        }
    }
}

/// How the flash chip is read, as an image header says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlashSettings {
    /// SPI mode: 0 QIO, 1 QOUT, 2 DIO, 3 DOUT, 4 fast read, 5 slow read.
    pub mode: u8,
    /// Flash size: 2 to the power of this many MiB.
    pub size: u8,
    /// SPI clock: 0 is 40 MHz, 1 is 26 MHz, 2 is 20 MHz, 15 is 80 MHz.
    pub frequency: u8,
}

impl FlashSettings {
    /// Two data lines, 40 MHz, 4 MiB: what every ESP32 board can do.
    pub const DIO_40MHZ_4MB: Self = Self { mode: 2, size: 2, frequency: 0 };

    /// The size in bytes, or `None` if the header's value has no meaning.
    #[must_use]
    pub fn size_bytes(self) -> Option<u32> {
        (self.size <= 7).then(|| (1 << 20) << self.size)
    }
}

/// The header of an image, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How many segments follow.
    pub segment_count: u8,
    /// How the flash is to be read.
    pub flash: FlashSettings,
    /// Address of the first instruction.
    pub entry: u32,
    /// Number of the write-protect pin; 0xee means that eFuses do not set one.
    pub wp_pin: u8,
    /// Drive strengths of the SPI pins, two of four bits per byte: CLK and Q, D and CS, HD and WP.
    pub pin_drive: [u8; 3],
    /// The `chip_id` field.
    pub chip_id: u16,
    /// Lowest chip revision, in the old numbering of whole revisions.
    pub min_revision: u8,
    /// Lowest chip revision, times 100.
    pub min_revision_full: u16,
    /// Highest chip revision, times 100; 0 and 65535 mean any.
    pub max_revision_full: u16,
    /// Whether a SHA-256 follows the image.
    pub hash_appended: bool,
}

impl Header {
    /// The header of an image that asks for nothing in particular.
    #[must_use]
    pub fn new(entry: u32, flash: FlashSettings) -> Self {
        Self {
            segment_count: 0,
            flash,
            entry,
            wp_pin: 0xee,
            pin_drive: [0; 3],
            chip_id: 0,
            min_revision: 0,
            min_revision_full: 0,
            max_revision_full: u16::MAX,
            hash_appended: true,
        }
    }

    /// Reads the header at the start of `bytes`, checking only that it is one.
    ///
    /// # Errors
    /// [`ImageError::Empty`], [`ImageError::Magic`], [`ImageError::Truncated`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        match bytes.first() {
            None => return Err(ImageError::Empty),
            Some(&MAGIC) => {}
            Some(&found) => return Err(ImageError::Magic { found }),
        }
        let raw: [u8; HEADER_LEN] = array(bytes, 0).ok_or(ImageError::Truncated {
            part: Part::Header,
            needed: HEADER_LEN,
            have: bytes.len(),
        })?;
        Ok(Self {
            segment_count: raw[1],
            flash: FlashSettings { mode: raw[2], size: raw[3] >> 4, frequency: raw[3] & 15 },
            entry: u32::from_le_bytes([raw[4], raw[5], raw[6], raw[7]]),
            wp_pin: raw[8],
            pin_drive: [raw[9], raw[10], raw[11]],
            chip_id: u16::from_le_bytes([raw[12], raw[13]]),
            min_revision: raw[14],
            min_revision_full: u16::from_le_bytes([raw[15], raw[16]]),
            max_revision_full: u16::from_le_bytes([raw[17], raw[18]]),
            hash_appended: raw[23] == 1,
        })
    }

    /// The chip that the image says it is for.
    #[must_use]
    pub fn chip(&self) -> Chip {
        Chip::from_id(self.chip_id)
    }

    /// The header as stored.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut raw = [0; HEADER_LEN];
        raw[0] = MAGIC;
        raw[1] = self.segment_count;
        raw[2] = self.flash.mode;
        raw[3] = self.flash.size << 4 | self.flash.frequency & 15;
        raw[4..8].copy_from_slice(&self.entry.to_le_bytes());
        raw[8] = self.wp_pin;
        raw[9..12].copy_from_slice(&self.pin_drive);
        raw[12..14].copy_from_slice(&self.chip_id.to_le_bytes());
        raw[14] = self.min_revision;
        raw[15..17].copy_from_slice(&self.min_revision_full.to_le_bytes());
        raw[17..19].copy_from_slice(&self.max_revision_full.to_le_bytes());
        raw[23] = u8::from(self.hash_appended);
        raw
    }
}

/// One segment of an image: where its bytes are, and where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Address that the bytes are loaded to or seen at; 0 for padding.
    pub address: u32,
    /// Offset of the first byte in the image.
    pub offset: usize,
    /// Number of bytes.
    pub length: usize,
}

impl Segment {
    /// The segment's bytes in the image that it was read from.
    #[must_use]
    pub fn data<'a>(&self, image: &'a [u8]) -> &'a [u8] {
        self.offset
            .checked_add(self.length)
            .and_then(|end| image.get(self.offset..end))
            .unwrap_or_default()
    }
}

/// An image that has been read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspImage {
    /// Its header.
    pub header: Header,
    /// Its segments, in the order of the file.
    pub segments: Vec<Segment>,
    /// Its length in bytes, with checksum and hash; what follows is not part of it.
    pub length: usize,
}

impl EspImage {
    /// Reads and checks the image at the start of `bytes`; more bytes may follow it.
    ///
    /// # Errors
    /// Any [`ImageError`]; the first fault in the order of the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        refuse_esp8266(bytes)?;
        let header = Header::parse(bytes)?;
        if header.chip() != Chip::Esp32 {
            return Err(ImageError::WrongChip { chip: header.chip() });
        }
        if !(1..=MAX_SEGMENTS).contains(&header.segment_count) {
            return Err(ImageError::SegmentCount { count: header.segment_count });
        }
        let (segments, end) = read_segments(bytes, header.segment_count)?;
        let checksum_end = round_up(end.saturating_add(1), 16);
        check_checksum(bytes, &segments, checksum_end)?;
        let length = match header.hash_appended {
            true => check_hash(bytes, checksum_end)?,
            false => checksum_end,
        };
        Ok(Self { header, segments, length })
    }

    /// Whether the image starts with the description that an application carries.
    #[must_use]
    pub fn has_app_description(&self, bytes: &[u8]) -> bool {
        self.segments.first().and_then(|first| u32_at(bytes, first.offset))
            == Some(APP_DESCRIPTION_MAGIC)
    }

    /// Whether a part of the image stays in flash and is seen through the cache. The mask ROM
    /// cannot run such an image: it is an application, for a bootloader to load.
    #[must_use]
    pub fn is_flash_mapped(&self) -> bool {
        self.segments
            .iter()
            .any(|it| LoadRegion::of(it.address).is_some_and(LoadRegion::is_flash_mapped))
    }
}

/// Writes an image: header, segments, checksum, and the hash if the header asks for it.
///
/// The number of segments is taken from `segments`, at most [`MAX_SEGMENTS`] of them.
#[must_use]
pub fn encode(header: Header, segments: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let segments = &segments[..segments.len().min(MAX_SEGMENTS.into())];
    let count = u8::try_from(segments.len()).unwrap_or(MAX_SEGMENTS);
    let mut image = Header { segment_count: count, ..header }.to_bytes().to_vec();
    let mut checksum = CHECKSUM_SEED;
    for (address, data) in segments {
        let padded = round_up(data.len(), 4);
        image.extend(address.to_le_bytes());
        image.extend(u32::try_from(padded).unwrap_or(u32::MAX).to_le_bytes());
        image.extend(data);
        image.resize(image.len() + padded - data.len(), 0);
        checksum = data.iter().fold(checksum, |sum, byte| sum ^ byte);
    }
    image.resize(round_up(image.len() + 1, 16) - 1, 0);
    image.push(checksum);
    if header.hash_appended {
        let hash = Sha256::digest(&image);
        image.extend(hash);
    }
    image
}

/// The image with other flash settings in its header, and its hash made right again.
///
/// # Errors
/// Any [`ImageError`], if the bytes are not an image.
pub fn with_flash_settings(bytes: &[u8], flash: FlashSettings) -> Result<Vec<u8>, ImageError> {
    let image = EspImage::parse(bytes)?;
    let mut changed = bytes.to_vec();
    changed[..HEADER_LEN].copy_from_slice(&Header { flash, ..image.header }.to_bytes());
    if image.header.hash_appended {
        let body = image.length - HASH_LEN;
        let hash = Sha256::digest(&changed[..body]);
        changed[body..image.length].copy_from_slice(&hash);
    }
    Ok(changed)
}

/// An ESP8266 has the same first byte but a header of 8 bytes, after which its first segment says
/// at once that it goes to that chip's RAM.
fn refuse_esp8266(bytes: &[u8]) -> Result<(), ImageError> {
    let wrong = Err(ImageError::WrongChip { chip: Chip::Esp8266 });
    let entry = u32_at(bytes, 4);
    match bytes.first() {
        Some(&MAGIC_ESP8266_V2) if entry.is_some_and(chip::is_esp8266_iram) => wrong,
        Some(&MAGIC)
            if entry.is_some_and(chip::is_esp8266_iram)
                && u32_at(bytes, 8).is_some_and(chip::is_esp8266_ram) =>
        {
            wrong
        }
        _ => Ok(()),
    }
}

fn read_segments(bytes: &[u8], count: u8) -> Result<(Vec<Segment>, usize), ImageError> {
    let mut segments = Vec::with_capacity(count.into());
    let mut at = HEADER_LEN;
    for index in 0..count {
        let cut = |part, needed| ImageError::Truncated { part, needed, have: bytes.len() };
        let data_at = at.saturating_add(SEGMENT_HEADER_LEN);
        let (Some(address), Some(length)) = (u32_at(bytes, at), u32_at(bytes, at + 4)) else {
            return Err(cut(Part::SegmentHeader(index), data_at));
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !LoadRegion::of(address).is_some_and(|region| region.holds(address, length)) {
            return Err(ImageError::SegmentAddress { offset: at, address, length });
        }
        let end = data_at.saturating_add(length);
        if end > bytes.len() {
            return Err(cut(Part::Segment(index), end));
        }
        segments.push(Segment { address, offset: data_at, length });
        at = end;
    }
    Ok((segments, at))
}

fn check_checksum(bytes: &[u8], segments: &[Segment], end: usize) -> Result<(), ImageError> {
    let offset = end - 1;
    let Some(&stored) = bytes.get(offset) else {
        let have = bytes.len();
        return Err(ImageError::Truncated { part: Part::Checksum, needed: end, have });
    };
    let computed = segments
        .iter()
        .flat_map(|segment| segment.data(bytes))
        .fold(CHECKSUM_SEED, |sum, byte| sum ^ byte);
    if stored == computed { Ok(()) } else { Err(ImageError::Checksum { offset, stored, computed }) }
}

/// Checks the hash that starts at `offset`, and returns where it ends.
fn check_hash(bytes: &[u8], offset: usize) -> Result<usize, ImageError> {
    let needed = offset.saturating_add(HASH_LEN);
    let Some(stored) = bytes.get(offset..needed) else {
        let have = bytes.len();
        return Err(ImageError::Truncated { part: Part::Hash, needed, have });
    };
    if Sha256::digest(&bytes[..offset])[..] == *stored {
        Ok(needed)
    } else {
        Err(ImageError::Hash { offset })
    }
}

/// The chip that the bytes look to be for, if they start like an image at all.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Option<Chip> {
    match refuse_esp8266(bytes) {
        Err(_) => Some(Chip::Esp8266),
        Ok(()) => {
            (bytes.first() == Some(&MAGIC)).then(|| u16_at(bytes, 12).map(Chip::from_id)).flatten()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::mutations::Mutations;

    fn two_segments() -> Vec<u8> {
        let header = Header::new(0x4008_0400, FlashSettings::DIO_40MHZ_4MB);
        encode(header, &[(0x3fff_0030, vec![1, 2, 3, 4, 5]), (0x4008_0400, vec![0xaa; 40])])
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = two_segments();
        let image = EspImage::parse(&bytes).unwrap();
        assert_eq!(image.length, bytes.len());
        assert_eq!(image.header.entry, 0x4008_0400);
        assert_eq!(image.header.flash.size_bytes(), Some(4 << 20));
        assert_eq!(image.segments[0], Segment { address: 0x3fff_0030, offset: 32, length: 8 });
        assert_eq!(image.segments[0].data(&bytes), [1, 2, 3, 4, 5, 0, 0, 0]);
        assert!(!image.is_flash_mapped());
    }

    #[test]
    fn every_truncation_is_an_error_that_names_the_length_present() {
        let bytes = two_segments();
        assert_eq!(EspImage::parse(&[]), Err(ImageError::Empty));
        for have in 1..bytes.len() {
            match EspImage::parse(&bytes[..have]) {
                Err(ImageError::Truncated { have: said, needed, .. }) => {
                    assert_eq!(said, have);
                    assert!(needed > have);
                }
                other => panic!("{have} bytes: {other:?}"),
            }
        }
    }

    #[test]
    fn each_changed_bit_is_noticed_or_harmless_by_name() {
        let bytes = two_segments();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                let is_hash_flag = at == 23; // without it nothing checks the header
                assert!(EspImage::parse(&bad).is_err() || is_hash_flag, "byte {at:#x} bit {bit}");
            }
        }
    }

    #[test]
    fn a_corrupt_checksum_and_a_corrupt_hash_are_told_apart() {
        let good = two_segments();
        let checksum_at = good.len() - HASH_LEN - 1;
        let mut bad = good.clone();
        bad[checksum_at] ^= 1;
        assert!(
            matches!(EspImage::parse(&bad), Err(ImageError::Checksum { offset, .. }) if offset == checksum_at)
        );
        let mut bad = good;
        bad[checksum_at + 1] ^= 1;
        assert_eq!(EspImage::parse(&bad), Err(ImageError::Hash { offset: checksum_at + 1 }));
    }

    #[test]
    fn other_chips_are_refused_by_name() {
        for (id, name) in [(9, "ESP32-S3"), (5, "ESP32-C3"), (2, "ESP32-S2")] {
            let mut bytes = two_segments();
            bytes[12] = id;
            let error = EspImage::parse(&bytes).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the image is for the {name}, not for the ESP32")
            );
        }
        let mut esp8266 = vec![MAGIC, 1, 2, 0x40];
        esp8266.extend(0x4010_f000_u32.wrapping_sub(0xb000).to_le_bytes());
        esp8266.extend(0x4010_0000_u32.to_le_bytes());
        esp8266.extend([4, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(EspImage::parse(&esp8266), Err(ImageError::WrongChip { chip: Chip::Esp8266 }));
    }

    #[test]
    fn changing_the_flash_settings_keeps_the_image_valid() {
        let settings = FlashSettings { mode: 0, size: 4, frequency: 15 };
        let changed = with_flash_settings(&two_segments(), settings).unwrap();
        assert_eq!(EspImage::parse(&changed).unwrap().header.flash, settings);
    }

    /// The image with its checksum and hash made right, if it gets as far as these.
    fn repaired(mut bytes: Vec<u8>) -> Vec<u8> {
        loop {
            match EspImage::parse(&bytes) {
                Err(ImageError::Checksum { offset, computed, .. }) => bytes[offset] = computed,
                Err(ImageError::Hash { offset }) => {
                    let hash = Sha256::digest(&bytes[..offset]);
                    bytes[offset..offset + HASH_LEN].copy_from_slice(&hash);
                }
                _ => return bytes,
            }
        }
    }

    #[test]
    fn a_damaged_image_never_panics_and_one_that_is_accepted_is_sound() {
        let good = two_segments();
        let mut mutations = Mutations::of(&good);
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let bytes = repaired(mutations.next());
            let _ = recognise(&bytes);
            let Ok(image) = EspImage::parse(&bytes) else {
                refused += 1;
                continue;
            };
            accepted += 1;
            assert!(image.length <= bytes.len());
            assert_eq!(image.segments.len(), usize::from(image.header.segment_count));
            let mut end = HEADER_LEN;
            for segment in &image.segments {
                assert_eq!(segment.offset, end + SEGMENT_HEADER_LEN);
                assert_eq!(segment.data(&bytes).len(), segment.length);
                end = segment.offset + segment.length;
            }
            assert!(end < image.length);
            let _ = (image.is_flash_mapped(), image.has_app_description(&bytes));
            let settings = FlashSettings { mode: 0, size: 4, frequency: 15 };
            let changed = with_flash_settings(&bytes, settings).unwrap();
            assert_eq!(EspImage::parse(&changed).unwrap().segments, image.segments);
        }
        assert!(accepted > 500 && refused > 5_000, "{accepted} accepted, {refused} refused");
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut state = 0x1234_5678_u32;
        for length in 0..600 {
            let mut bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            if let Some(first) = bytes.first_mut() {
                *first = MAGIC;
            }
            if let Some(id) = bytes.get_mut(12..14) {
                id.fill(0);
            }
            assert!(EspImage::parse(&bytes).is_err());
            let _ = recognise(&bytes);
        }
    }
}
