//! ELF files: reading what a linker wrote, and turning it into an ESP image.
//!
//! Source: System V ABI (through the crate `object`); esptool documentation, "elf2image"; ESP-IDF,
//! `bootloader_support/src/esp_image_format.c` (one mapping each for data and code in flash, load
//! address 0 is skipped), `esp_app_desc.h` (place of the ELF's hash).
//! Modelled: 32-bit little-endian Xtensa executables; sections that occupy memory, or loadable
//! segments where there are no sections; placing flash-mapped segments at the file offset that the
//! cache's 64 KiB pages ask for; the ELF's hash in the application's description.
//! Not modelled: filling gaps with RAM segments, as esptool does to save room: gaps become padding;
//! relocatable files.

use object::elf::{
    EM_RISCV, EM_XTENSA, Machine, PT_LOAD, SHF_ALLOC, SHT_FINI_ARRAY, SHT_INIT_ARRAY,
    SHT_PREINIT_ARRAY, SHT_PROGBITS,
};
use object::read::elf::{ElfFile32, FileHeader as _, ProgramHeader as _, SectionHeader as _};
use object::{Endianness, Object as _, ObjectSection as _};
use sha2::{Digest, Sha256};

use super::bytes::{round_up, u32_at};
use super::chip::{self, Chip, LoadRegion};
use super::esp_image::{
    self, APP_DESCRIPTION_MAGIC, FlashSettings, HEADER_LEN, Header, MAX_SEGMENTS,
    SEGMENT_HEADER_LEN,
};

/// First bytes of every ELF file.
pub const MAGIC: [u8; 4] = *b"\x7fELF";
/// Pages that the cache maps; file offset and address agree within one.
const PAGE: usize = 0x1_0000;
/// Where in an application's description the hash of its ELF stands.
const ELF_HASH: std::ops::Range<usize> = 144..176;
/// More than the largest flash an ESP32 can map is no program of its own.
const MAX_LOADED: usize = 16 << 20;

/// Why bytes are not an ELF file that an ESP32 can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// The file is not a whole 32-bit little-endian ELF file.
    #[error("not a 32-bit little-endian ELF file, or a corrupt one: {reason}")]
    Malformed {
        /// What the ELF parser said.
        reason: String,
    },
    /// The program is for another processor.
    #[error("the ELF file is for {processor}, not for the ESP32's Xtensa")]
    WrongMachine {
        /// The processor, with the chips that have it.
        processor: String,
    },
    /// The program is for another chip with the same kind of processor.
    #[error("the ELF file is for the {chip}, not for the ESP32")]
    WrongChip {
        /// The chip that it looks to be for.
        chip: Chip,
    },
    /// A part of the program belongs to no memory of an ESP32.
    #[error(
        "`{section}` at {address:#010x} ({length:#x} bytes) lies where an ESP32 has no memory for it"
    )]
    Address {
        /// The section's name.
        section: String,
        /// Its address.
        address: u32,
        /// Its length in bytes.
        length: usize,
    },
    /// Two parts of the program claim the same bytes.
    #[error("`{section}` at {address:#010x} overlaps the part before it")]
    Overlap {
        /// The second section's name.
        section: String,
        /// Its address.
        address: u32,
    },
    /// There is nothing to load: an object file, or debug information only.
    #[error("the ELF file holds nothing to load: is it linked?")]
    NothingToLoad,
    /// The program needs more segments, or more bytes, than an image can have.
    #[error("the program is too large or too scattered for an ESP image: {segments} segments")]
    TooLarge {
        /// How many segments it would need.
        segments: usize,
    },
}

/// A program as its linker left it: where it starts, and what goes where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfFile {
    /// Address of the first instruction.
    pub entry: u32,
    /// Loadable pieces in order of address; what lies close together has been joined.
    pub pieces: Vec<Piece>,
    /// SHA-256 of the file, by which ESP-IDF names a build.
    pub sha256: [u8; 32],
}

/// Bytes of a program with the address that they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Address of the first byte.
    pub address: u32,
    /// The bytes.
    pub data: Vec<u8>,
    /// The memory that the address means.
    pub region: LoadRegion,
}

impl Piece {
    fn end(&self) -> u64 {
        u64::from(self.address) + self.data.len() as u64
    }
}

/// One section or program header, before it is judged.
struct Loadable<'a> {
    name: String,
    address: u32,
    data: &'a [u8],
}

impl ElfFile {
    /// Whether `bytes` start like an ELF file.
    #[must_use]
    pub fn starts_at(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Reads a linked program.
    ///
    /// # Errors
    /// Any [`ElfError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ElfError> {
        let file = ElfFile32::<Endianness>::parse(bytes).map_err(malformed)?;
        let header = file.elf_header();
        check_machine(header.e_machine(file.endian()))?;
        if file.endian() != Endianness::Little {
            return Err(ElfError::Malformed { reason: "it is big-endian".to_owned() });
        }
        let entry = header.e_entry(file.endian());
        let mut loadables = sections(&file)?;
        if loadables.is_empty() {
            loadables = program_headers(&file, bytes)?;
        }
        if chip::is_esp8266_iram(entry) && loadables.iter().any(|it| it.address == 0x4010_0000) {
            return Err(ElfError::WrongChip { chip: Chip::Esp8266 });
        }
        let pieces = join(loadables)?;
        if pieces.is_empty() {
            return Err(ElfError::NothingToLoad);
        }
        Ok(Self { entry, pieces, sha256: Sha256::digest(bytes).into() })
    }

    /// Whether a part of the program is seen through the flash cache: then it is an application for
    /// a second-stage bootloader; else the mask ROM can load it by itself.
    #[must_use]
    pub fn is_flash_mapped(&self) -> bool {
        self.pieces.iter().any(|it| it.region.is_flash_mapped())
    }

    /// The program as an ESP image, to be put at a flash offset that is a multiple of 64 KiB if it
    /// [is flash-mapped](Self::is_flash_mapped).
    ///
    /// # Errors
    /// [`ElfError::TooLarge`].
    pub fn to_image(&self, flash: FlashSettings) -> Result<Vec<u8>, ElfError> {
        let (mapped, loaded): (Vec<&Piece>, Vec<&Piece>) =
            self.pieces.iter().partition(|it| it.region.is_flash_mapped());
        let mut segments: Vec<(u32, Vec<u8>)> = Vec::new();
        let mut at = HEADER_LEN;
        for piece in mapped {
            if let Some(gap) = gap_before(piece, at) {
                segments.push((0, vec![0; gap]));
                at += SEGMENT_HEADER_LEN + gap;
            }
            at += SEGMENT_HEADER_LEN + round_up(piece.data.len(), 4);
            segments.push((piece.address, piece.data.clone()));
        }
        segments.extend(loaded.into_iter().map(|it| (it.address, it.data.clone())));
        if segments.len() > MAX_SEGMENTS.into() {
            return Err(ElfError::TooLarge { segments: segments.len() });
        }
        if let Some((_, first)) = segments.first_mut() {
            self.name_build(first);
        }
        Ok(esp_image::encode(Header::new(self.entry, flash), &segments))
    }

    /// Writes the ELF's hash into an application's description, where the linker left it blank.
    fn name_build(&self, first_segment: &mut [u8]) {
        if u32_at(first_segment, 0) != Some(APP_DESCRIPTION_MAGIC) {
            return;
        }
        if let Some(place) = first_segment.get_mut(ELF_HASH)
            && place.iter().all(|&byte| byte == 0)
        {
            place.copy_from_slice(&self.sha256);
        }
    }
}

fn malformed(error: object::Error) -> ElfError {
    ElfError::Malformed { reason: error.to_string() }
}

fn check_machine(machine: Machine) -> Result<(), ElfError> {
    let processor = match machine {
        EM_XTENSA => return Ok(()),
        EM_RISCV => "RISC-V (ESP32-C, -H and -P series)".to_owned(),
        Machine(other) => format!("processor {other} of the ELF list"),
    };
    Err(ElfError::WrongMachine { processor })
}

fn sections<'a>(file: &ElfFile32<'a, Endianness>) -> Result<Vec<Loadable<'a>>, ElfError> {
    let endian = file.endian();
    let mut found = Vec::new();
    for section in file.sections() {
        let header = section.elf_section_header();
        let is_content = matches!(
            header.sh_type(endian),
            SHT_PROGBITS | SHT_INIT_ARRAY | SHT_FINI_ARRAY | SHT_PREINIT_ARRAY
        );
        let address = header.sh_addr(endian);
        if !is_content || !header.sh_flags(endian).contains(SHF_ALLOC) || address == 0 {
            continue;
        }
        let data = section.data().map_err(malformed)?;
        if !data.is_empty() {
            let name = String::from_utf8_lossy(section.name_bytes().unwrap_or_default());
            found.push(Loadable { name: name.into_owned(), address, data });
        }
    }
    Ok(found)
}

fn program_headers<'a>(
    file: &ElfFile32<'a, Endianness>,
    bytes: &'a [u8],
) -> Result<Vec<Loadable<'a>>, ElfError> {
    let endian = file.endian();
    let mut found = Vec::new();
    for (index, header) in file.elf_program_headers().iter().enumerate() {
        if header.p_type(endian) != PT_LOAD || header.p_vaddr(endian) == 0 {
            continue;
        }
        let data = header.data(endian, bytes).map_err(|()| ElfError::Malformed {
            reason: format!("program header {index} points past the end"),
        })?;
        if !data.is_empty() {
            let name = format!("program header {index}");
            found.push(Loadable { name, address: header.p_vaddr(endian), data });
        }
    }
    Ok(found)
}

/// Sorts by address and joins neighbours. A bootloader maps one range of data and one of code, so
/// everything in flash of one kind becomes one piece; in RAM only what touches is joined.
fn join(mut loadables: Vec<Loadable<'_>>) -> Result<Vec<Piece>, ElfError> {
    loadables.sort_by_key(|it| it.address);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut total = 0_usize;
    for it in loadables {
        let (address, length) = (it.address, it.data.len());
        let region = LoadRegion::of(address).filter(|region| region.holds(address, length));
        let Some(region) = region else {
            return Err(ElfError::Address { section: it.name, address, length });
        };
        let last = pieces.last_mut().filter(|last| last.region == region);
        if last.as_ref().is_some_and(|last| last.end() > u64::from(address)) {
            return Err(ElfError::Overlap { section: it.name, address });
        }
        let gap = last.as_ref().map(|last| u64::from(address) - last.end());
        let gap = gap.filter(|&gap| region.is_flash_mapped() || gap < 4);
        let gap = gap.map(|gap| usize::try_from(gap).unwrap_or(usize::MAX));
        total = total.saturating_add(length).saturating_add(gap.unwrap_or(0));
        if total > MAX_LOADED {
            return Err(ElfError::TooLarge { segments: pieces.len() });
        }
        match (last, gap) {
            (Some(last), Some(gap)) => {
                last.data.resize(last.data.len() + gap, 0);
                last.data.extend(it.data);
            }
            _ => pieces.push(Piece { address, data: it.data.to_vec(), region }),
        }
    }
    Ok(pieces)
}

/// How many bytes of padding segment must come before `piece` if the next segment header would
/// stand at file offset `at`; `None` if it fits as it is.
fn gap_before(piece: &Piece, at: usize) -> Option<usize> {
    let wanted = piece.address as usize % PAGE;
    let data_at = at + SEGMENT_HEADER_LEN;
    if data_at % PAGE == wanted {
        return None;
    }
    // The padding has a header of its own, so the piece's data comes at least one header later.
    let data_at = data_at + SEGMENT_HEADER_LEN;
    Some((wanted + PAGE - data_at % PAGE) % PAGE)
}

#[cfg(test)]
mod tests {
    use super::super::EspImage;
    use super::*;
    use crate::image::mutations::Mutations;

    const XTENSA: u16 = 94;
    const RISCV: u16 = 243;

    /// A small linked program, as bytes: sections of (name, address, data). Written by hand from
    /// the ABI's tables, so that the parser is not checked against its own crate.
    fn program(machine: u16, entry: u32, parts: &[(&str, u32, Vec<u8>)]) -> Vec<u8> {
        let (mut body, mut names) = (Vec::new(), vec![0]);
        let mut rows = vec![[0_u32; 10]];
        for (name, address, data) in parts {
            let (name_at, at) = (names.len() as u32, 52 + body.len() as u32);
            rows.push([name_at, 1, 2, *address, at, data.len() as u32, 0, 0, 4, 0]);
            names.extend(name.bytes().chain([0]));
            body.extend(data);
        }
        rows.push([0, 3, 0, 0, 52 + body.len() as u32, names.len() as u32, 0, 0, 1, 0]);
        body.extend(names);
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        file.extend(machine.to_le_bytes());
        for word in [1, entry, 0, 52 + body.len() as u32, 0] {
            file.extend(word.to_le_bytes());
        }
        for half in [52, 32, 0, 40, rows.len() as u16, rows.len() as u16 - 1] {
            file.extend(half.to_le_bytes());
        }
        file.extend(body);
        file.extend(rows.iter().flatten().flat_map(|word| word.to_le_bytes()));
        file
    }

    fn application() -> Vec<u8> {
        let mut description = vec![0; 256];
        description[..4].copy_from_slice(&APP_DESCRIPTION_MAGIC.to_le_bytes());
        program(
            XTENSA,
            0x4008_1234,
            &[
                (".flash.text", 0x400d_0020, vec![3; 1000]),
                (".flash.appdesc", 0x3f40_0020, description),
                (".flash.rodata", 0x3f40_0130, vec![1; 50]),
                (".iram0.vectors", 0x4008_0000, vec![4; 0x400]),
                (".iram0.text", 0x4008_0400, vec![5; 99]),
                (".dram0.data", 0x3ffb_0000, vec![6; 7]),
            ],
        )
    }

    #[test]
    fn an_application_becomes_an_image_whose_flash_parts_agree_with_the_cache_pages() {
        let elf_bytes = application();
        let elf = ElfFile::parse(&elf_bytes).unwrap();
        assert!(elf.is_flash_mapped());
        let bytes = elf.to_image(FlashSettings::DIO_40MHZ_4MB).unwrap();
        let image = EspImage::parse(&bytes).unwrap();
        assert_eq!(image.header.entry, 0x4008_1234);
        assert!(image.has_app_description(&bytes));
        let addresses: Vec<u32> = image.segments.iter().map(|it| it.address).collect();
        assert_eq!(addresses, [0x3f40_0020, 0, 0x400d_0020, 0x3ffb_0000, 0x4008_0000]);
        for segment in &image.segments {
            if LoadRegion::of(segment.address).is_some_and(LoadRegion::is_flash_mapped) {
                assert_eq!(segment.offset % PAGE, segment.address as usize % PAGE);
            }
        }
        let rodata = image.segments[0].data(&bytes);
        assert_eq!(rodata[0x10f..0x111], [0, 1]);
        assert_eq!(rodata[ELF_HASH], Sha256::digest(&elf_bytes)[..]);
        assert_eq!(image.segments[4].length, 0x400 + 100); // joined, and rounded up to a word
    }

    #[test]
    fn a_program_all_in_ram_needs_no_bootloader() {
        let bytes = program(XTENSA, 0x4008_0000, &[(".text", 0x4008_0000, vec![0x3d, 0xf0])]);
        let elf = ElfFile::parse(&bytes).unwrap();
        assert!(!elf.is_flash_mapped());
        assert_eq!(elf.to_image(FlashSettings::DIO_40MHZ_4MB).unwrap()[1], 1);
    }

    #[test]
    fn other_processors_and_chips_are_named() {
        let text = |address| [(".text", address, vec![0; 4])];
        let error = ElfFile::parse(&program(RISCV, 0, &text(0x4200_0000))).unwrap_err();
        assert!(error.to_string().contains("RISC-V"), "{error}");
        let error = ElfFile::parse(&program(XTENSA, 0, &text(0x4200_0000))).unwrap_err();
        assert!(matches!(error, ElfError::Address { address: 0x4200_0000, .. }));
        let esp8266 = program(XTENSA, 0x4010_0004, &text(0x4010_0000));
        assert_eq!(ElfFile::parse(&esp8266), Err(ElfError::WrongChip { chip: Chip::Esp8266 }));
    }

    #[test]
    fn overlaps_and_empty_programs_are_refused() {
        let parts = [(".a", 0x4008_0000, vec![0; 8]), (".b", 0x4008_0004, vec![0; 8])];
        let error = ElfFile::parse(&program(XTENSA, 0, &parts)).unwrap_err();
        assert!(matches!(error, ElfError::Overlap { address: 0x4008_0004, .. }));
        let nothing = ElfFile::parse(&program(XTENSA, 0, &[]));
        assert_eq!(nothing, Err(ElfError::NothingToLoad));
    }

    #[test]
    fn a_cut_or_changed_file_never_panics_and_an_accepted_one_makes_an_image() {
        let good = application();
        for length in (0..good.len()).step_by(7) {
            let _ = ElfFile::parse(&good[..length]);
        }
        let mut mutations = Mutations::of(&good);
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..5_000 {
            let bytes = mutations.next();
            let Ok(elf) = ElfFile::parse(&bytes) else {
                refused += 1;
                continue;
            };
            accepted += 1;
            if let Ok(image) = elf.to_image(FlashSettings::DIO_40MHZ_4MB) {
                EspImage::parse(&image).unwrap();
            }
        }
        assert!(accepted > 100 && refused > 1_000, "{accepted} accepted, {refused} refused");
    }
}
