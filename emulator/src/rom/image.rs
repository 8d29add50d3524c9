//! The contents of our ROM: 448 KiB at 0x40000000, with the last 64 KiB also at 0x3FF90000.
//!
//! *Source*: ESP32 TRM, chapter "System and Memory" for the addresses; see `functions`, `callbacks` and
//! `assembly` for what stands there.
//! *Modelled*: SIMCALLs where native functions are, our own guest code, the data that applications
//! read from ROM.
//! *Not modelled*: everything else is zero; executed, that is the illegal instruction.

use rustc_hash::FxHashMap;

use super::call::{After, Frame, Native, PART_SIZE, run};
use super::functions::{bluetooth, locale};
use super::guest::Guest;
use super::startup::{GMT, NATIVE_BOOT};
use super::{symbols, table};
use crate::cpu::assembler::{AssembleError, Assembler};

/// Address of the first byte.
pub const BASE: u32 = 0x4000_0000;
/// Bytes.
pub const SIZE: usize = 0x7_0000;
/// Where the last 64 KiB can also be read as data.
pub const DATA_BASE: u32 = 0x3ff9_0000;
/// Offset of those in the image.
pub const DATA_OFFSET: usize = 0x6_0000;

const SIMCALL: [u8; 3] = [0x00, 0x51, 0x00];

/// Identifies the chip to flashers: the word at 0x40001000.
const CHIP_MAGIC: u32 = 0x00f0_1d83;

const SOURCES: [&str; 5] = [
    include_str!("assembly/vectors.S"),
    include_str!("assembly/xtos.S"),
    include_str!("assembly/jumps.S"),
    include_str!("assembly/download.S"),
    include_str!("assembly/memory.S"),
];

/// Where the generated code of the functions that call back goes: for entries within reach of a jump
/// from the low part of the ROM, the place of the flash unpacker; for the others, of the console.
const LOW_CODE: u32 = 0x4000_68c0;
const HIGH_CODE: u32 = 0x4005_ac00;
const LOW_END: u32 = 0x4000_76c4;
const HIGH_END: u32 = 0x4005_c07c;

/// What a SIMCALL does.
#[derive(Debug, Clone, Copy)]
pub enum Operation {
    /// A part of a native function.
    Native(Native, Frame),
    /// The boot of PRO_CPU: the machine runs [`super::boot::Boot`] there.
    Boot,
}

/// Something that is planted in the ROM.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// Where its SIMCALL stands.
    pub address: u32,
    /// Name of the function it belongs to.
    pub name: &'static str,
    /// What it does.
    pub operation: Operation,
}

impl Planted {
    /// Runs a native part for `guest`; the boot is the machine's business and gives `None`.
    pub fn run(&self, guest: &mut dyn Guest) -> Option<After> {
        match self.operation {
            Operation::Native(native, frame) => Some(run(native, frame, self.address, guest)),
            Operation::Boot => None,
        }
    }
}

/// Bytes and operations of the ROM.
#[derive(Debug, Clone)]
pub struct RomImage {
    bytes: Vec<u8>,
    planted: Vec<Planted>,
    /// Where each of them is in that list: firmware calls some of them all the time.
    by_address: FxHashMap<u32, usize>,
}

impl Default for RomImage {
    fn default() -> Self {
        Self::new()
    }
}

impl RomImage {
    /// Builds the ROM. It is always the same.
    ///
    /// # Panics
    /// Never: what could go wrong is a fault in our own assembly, which a test builds.
    pub fn new() -> Self {
        match Self::build() {
            Ok(image) => image,
            Err(fault) => unreachable!("our own assembly: {fault}"),
        }
    }

    fn build() -> Result<Self, AssembleError> {
        let mut image =
            Self { bytes: vec![0; SIZE], planted: Vec::new(), by_address: FxHashMap::default() };
        for source in SOURCES {
            image.assemble(BASE, source)?;
        }
        image.plant(NATIVE_BOOT, "rom_main", Operation::Boot);
        image.plant_callbacks()?;
        image.plant_functions();
        image.plant_data();
        image.planted.sort_by_key(|planted| planted.address);
        let addresses = image.planted.iter().map(|planted| planted.address);
        image.by_address = addresses.zip(0..).collect();
        Ok(image)
    }

    /// The bytes at [`BASE`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the SIMCALL at `address` does, if one is ours.
    pub fn planted(&self, address: u32) -> Option<&Planted> {
        self.by_address.get(&address).map(|&i| &self.planted[i])
    }

    /// All of them, in order of address.
    pub fn all_planted(&self) -> &[Planted] {
        &self.planted
    }

    fn put(&mut self, address: u32, bytes: &[u8]) {
        let offset = match address {
            BASE.. => (address - BASE) as usize,
            _ => (address - DATA_BASE) as usize + DATA_OFFSET,
        };
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn plant(&mut self, address: u32, name: &'static str, operation: Operation) {
        self.put(address, &SIMCALL);
        self.planted.push(Planted { address, name, operation });
    }

    /// Merges assembled code; bytes that are zero leave what is there.
    fn assemble(&mut self, base: u32, source: &str) -> Result<(), AssembleError> {
        let assembly = Assembler::new(base).assemble(source)?;
        let offset = (base - BASE) as usize;
        for (slot, &byte) in self.bytes[offset..].iter_mut().zip(assembly.bytes()) {
            *slot |= byte;
        }
        Ok(())
    }

    fn plant_callbacks(&mut self) -> Result<(), AssembleError> {
        let (mut low, mut high) = (LOW_CODE, HIGH_CODE);
        for coroutine in table::coroutines() {
            let place = if coroutine.address < 0x4002_0000 { &mut low } else { &mut high };
            let body = *place;
            let assembly = Assembler::new(body).assemble(
                "or a15, a15, a15
                 begin: simcall
                 step: simcall
                 beqz a8, done
                 callx8 a8
                 j step
                 done: retw
                 .align 4",
            )?;
            *place += assembly.bytes().len() as u32;
            self.put(body, assembly.bytes());
            let head = format!(".equ body, {body:#x}\nentry a1, {}\nj body", coroutine.frame());
            let head = Assembler::new(coroutine.address).assemble(&head)?;
            self.put(coroutine.address, head.bytes());
            for (offset, native) in [(3, coroutine.begin), (6, coroutine.step)] {
                let operation = Operation::Native(native, Frame::Own);
                self.plant(body + offset, coroutine.name, operation);
            }
        }
        debug_assert!(low <= LOW_END && high <= HIGH_END, "no room: {low:#x} {high:#x}");
        Ok(())
    }

    fn plant_functions(&mut self) {
        let entries = table::entries();
        for entry in &entries {
            for (i, &native) in (0..).zip(entry.parts) {
                let operation = Operation::Native(native, Frame::Caller);
                self.plant(entry.address + PART_SIZE * i, entry.name, operation);
            }
        }
        for (address, name) in symbols::all().filter(|(at, _)| bluetooth::CODE.contains(at)) {
            if entries.iter().all(|entry| entry.address != address) {
                for &native in bluetooth::QUIET_PARTS {
                    self.plant(address, name, Operation::Native(native, Frame::Caller));
                }
            }
        }
    }

    fn plant_data(&mut self) {
        self.put(0x4000_1000, &CHIP_MAGIC.to_le_bytes());
        for (address, bytes) in locale::data() {
            self.put(address, &bytes);
        }
        self.put(GMT, b"GMT\0");
        self.put(bluetooth::DATA_POINTER, &bluetooth::DATA.to_le_bytes());
        for (word, address) in bluetooth::data_image().iter().zip((bluetooth::DATA..).step_by(4)) {
            self.put(address, &word.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::startup::{DOWNLOAD, DOWNLOAD_UART0, USER_CODE_DONE};

    #[test]
    fn every_planted_operation_has_its_simcall() {
        let image = RomImage::new();
        for planted in image.all_planted() {
            let offset = (planted.address - BASE) as usize;
            assert_eq!(image.bytes()[offset..offset + 3], SIMCALL, "{}", planted.name);
            assert!(image.planted(planted.address).is_some());
        }
        assert!(image.all_planted().is_sorted_by(|a, b| a.address + 3 <= b.address));
        assert!(image.planted(0x4000_0000).is_none());
    }

    #[test]
    fn our_code_stays_where_no_entry_point_is_provided() {
        let end = |source, symbol| {
            let assembly = Assembler::new(BASE).assemble(source).expect("assembles");
            assembly.symbol(symbol).expect("an end")
        };
        assert!(end(SOURCES[0], "vectors_end") <= 0x4000_0928);
        assert_eq!(end(SOURCES[0], "native_boot"), NATIVE_BOOT);
        assert_eq!(end(SOURCES[0], "user_code_done"), USER_CODE_DONE);
        assert_eq!(end(SOURCES[3], "download"), DOWNLOAD);
        assert_eq!(end(SOURCES[3], "download_uart0"), DOWNLOAD_UART0);
        assert!(end(SOURCES[3], "download_end") <= 0x4000_7cf8);
        assert!(end(SOURCES[2], "jumps_end") <= HIGH_CODE);
        assert!(end(SOURCES[4], "compare_end") <= 0x4000_c2c8);
    }

    #[test]
    fn data_that_applications_read_is_in_place() {
        let image = RomImage::new();
        let word = |address: u32| {
            let offset = (address - BASE) as usize;
            u32::from_le_bytes(image.bytes()[offset..offset + 4].try_into().expect("a word"))
        };
        assert_eq!(word(0x4000_1000), 0x00f0_1d83);
        assert_eq!(word(0x4006_6350), 0x3ff9_6354);
        assert_eq!(image.bytes()[0x6_6354 + 1 + usize::from(b'A')], 0x41);
        assert_eq!(word(0x4000_d4f4), 0x4000_d890);
        assert_eq!(&image.bytes()[0x6_c4a9..0x6_c4ad], b"GMT\0");
    }

    #[test]
    fn guest_code_and_native_functions_do_not_overlap() {
        let image = RomImage::new();
        let heads = table::coroutines();
        let entries = table::entries();
        for coroutine in &heads {
            let end = coroutine.address + 6;
            let clash = entries.iter().find(|e| (coroutine.address..end).contains(&e.address));
            assert!(clash.is_none(), "{} and {:?}", coroutine.name, clash);
            assert_eq!(image.bytes()[(coroutine.address - BASE) as usize] & 0x3f, 0x36);
        }
        assert!(heads.is_sorted_by(|a, b| a.address + 6 <= b.address));
    }
}
