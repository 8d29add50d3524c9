//! The internal memories and the addresses that show them.
//!
//! Source: Technical Reference Manual, chapter "System and Memory", table "Embedded Memory
//! Address Mapping". SRAM1 appears on the instruction bus in reversed word order.
//!
//! The data-bus view of SRAM1 and SRAM2 is one array behind one comparison: it carries most of the
//! traffic. Memories that hold code have a guard bit per granule, set by the code cache; a store
//! into a guarded granule is reported, so that stale code can be dropped.

use std::hash::Hasher;
use std::sync::Arc;

/// Data bus: SRAM2 then SRAM1.
pub(super) const SRAM: u32 = 0x3ffa_e000;
/// Bytes of SRAM2 and SRAM1.
pub(super) const SRAM_LEN: usize = 0x5_2000;
/// Where SRAM1 begins on the data bus.
const SRAM1: u32 = 0x3ffe_0000;
/// Instruction bus: SRAM0, cache memory included.
const SRAM0: u32 = 0x4007_0000;
const SRAM0_LEN: usize = 0x3_0000;
/// Instruction bus: SRAM1 reversed.
const SRAM1_CODE: u32 = 0x400a_0000;
const SRAM1_LEN: u32 = 0x2_0000;
/// RTC fast memory on the data bus and on the instruction bus.
const RTC_FAST: [u32; 2] = [0x3ff8_0000, 0x400c_0000];
/// RTC slow memory.
const RTC_SLOW: u32 = 0x5000_0000;
const RTC_LEN: usize = 0x2000;
/// ROM on the instruction bus.
pub(super) const ROM: u32 = 0x4000_0000;
/// Bytes of ROM0 and ROM1.
pub(super) const ROM_LEN: usize = 0x7_0000;
/// ROM1 on the data bus.
const ROM1_DATA: u32 = 0x3ff9_0000;
const ROM1_OFFSET: u32 = 0x6_0000;

const GUARD_GRANULE: usize = 256;

/// A memory cell's home: which array, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// SRAM1 or SRAM2 by offset from [`SRAM`].
    Sram(usize),
    /// SRAM1 seen from the instruction bus: offset of the *word* from [`SRAM`].
    SramReversed(usize),
    /// SRAM0: words only.
    Sram0(usize),
    RtcFast(usize),
    RtcSlow(usize),
    Rom(usize),
}

impl Cell {
    /// The cell at `address`, if internal memory answers there.
    pub(super) fn at(address: u32) -> Option<Self> {
        let within = |base: u32, len: usize| {
            let offset = address.wrapping_sub(base) as usize;
            (offset < len).then_some(offset)
        };
        if let Some(offset) = within(SRAM, SRAM_LEN) {
            return Some(Self::Sram(offset));
        }
        if let Some(offset) = within(SRAM0, SRAM0_LEN) {
            return Some(Self::Sram0(offset));
        }
        if let Some(offset) = within(SRAM1_CODE, SRAM1_LEN as usize) {
            return Some(Self::SramReversed(reversed(offset)));
        }
        if let Some(offset) = within(ROM, ROM_LEN) {
            return Some(Self::Rom(offset));
        }
        if let Some(offset) = within(ROM1_DATA, ROM_LEN - ROM1_OFFSET as usize) {
            return Some(Self::Rom(offset + ROM1_OFFSET as usize));
        }
        for base in RTC_FAST {
            if let Some(offset) = within(base, RTC_LEN) {
                return Some(Self::RtcFast(offset));
            }
        }
        within(RTC_SLOW, RTC_LEN).map(Self::RtcSlow)
    }
}

/// Offset from [`SRAM`] of the word that the instruction bus shows at `offset` in its SRAM1 view.
fn reversed(offset: usize) -> usize {
    (SRAM1 - SRAM) as usize + (SRAM1_LEN as usize - 4 - (offset & !3))
}

/// A guard bit per granule of an array that can hold code.
#[derive(Debug, Clone)]
struct Guards(Box<[u8]>);

impl Guards {
    fn new(len: usize) -> Self {
        Self(vec![0; len / GUARD_GRANULE].into_boxed_slice())
    }

    fn set(&mut self, offset: usize, len: usize, bit: u8) {
        let last = (offset + len.max(1) - 1) / GUARD_GRANULE;
        for granule in offset / GUARD_GRANULE..=last {
            if let Some(guard) = self.0.get_mut(granule) {
                *guard |= bit;
            }
        }
    }

    fn clear(&mut self, bit: u8) {
        for guard in &mut self.0 {
            *guard &= !bit;
        }
    }
}

const GUARD_CODE: u8 = 1;
const GUARD_WATCH: u8 = 2;

/// The memories of the chip.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    sram: Box<[u8; SRAM_LEN]>,
    sram0: Box<[u8; SRAM0_LEN]>,
    rtc_fast: Box<[u8; RTC_LEN]>,
    rtc_slow: Box<[u8; RTC_LEN]>,
    rom: [Arc<[u8]>; 2],
    guard_sram: Guards,
    guard_sram0: Guards,
    guard_rtc_fast: Guards,
    guard_rtc_slow: Guards,
}

fn zeroed<const N: usize>() -> Box<[u8; N]> {
    vec![0; N].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([0; N]))
}

impl Memory {
    /// Zeroed memories beside the ROM as each core sees it, cut or padded to the ROM's size.
    pub(super) fn new(rom: [&[u8]; 2]) -> Self {
        let padded = |rom: &[u8]| {
            let mut bytes = rom.to_vec();
            bytes.resize(ROM_LEN, 0);
            Arc::from(bytes)
        };
        let pro: Arc<[u8]> = padded(rom[0]);
        let app = if rom[1] == rom[0] { Arc::clone(&pro) } else { padded(rom[1]) };
        Self {
            sram: zeroed(),
            sram0: zeroed(),
            rtc_fast: zeroed(),
            rtc_slow: zeroed(),
            rom: [pro, app],
            guard_sram: Guards::new(SRAM_LEN),
            guard_sram0: Guards::new(SRAM0_LEN),
            guard_rtc_fast: Guards::new(RTC_LEN),
            guard_rtc_slow: Guards::new(RTC_LEN),
        }
    }

    /// Power was off: everything but the ROM is lost.
    pub(super) fn power_off(&mut self) {
        self.sram.fill(0);
        self.sram0.fill(0);
        self.rtc_fast.fill(0);
        self.rtc_slow.fill(0);
    }

    /// The digital core was off (deep sleep): the RTC memories stay.
    pub(super) fn power_off_digital(&mut self) {
        self.sram.fill(0);
        self.sram0.fill(0);
    }

    /// RTC fast memory, for its CRC unit.
    pub(super) fn rtc_fast(&self) -> &[u8; RTC_LEN] {
        &self.rtc_fast
    }

    /// What is in all of them but the ROM.
    pub(super) fn digest(&self, hasher: &mut impl Hasher) {
        for memory in [&self.sram[..], &self.sram0[..], &self.rtc_fast[..], &self.rtc_slow[..]] {
            hasher.write(memory);
        }
    }

    /// The fast path: `N` bytes of the data bus's SRAM.
    #[inline(always)]
    pub(super) fn sram<const N: usize>(&self, address: u32) -> Option<[u8; N]> {
        let offset = address.wrapping_sub(SRAM) as usize;
        if offset <= SRAM_LEN - N {
            let mut bytes = [0; N];
            bytes.copy_from_slice(&self.sram[offset..offset + N]);
            Some(bytes)
        } else {
            None
        }
    }

    /// The fast path of stores: false if the address is elsewhere or the granule is guarded.
    #[inline(always)]
    pub(super) fn set_sram<const N: usize>(&mut self, address: u32, bytes: [u8; N]) -> bool {
        let offset = address.wrapping_sub(SRAM) as usize;
        if offset <= SRAM_LEN - N
            && self.guard_sram.0[offset / GUARD_GRANULE]
                | self.guard_sram.0[(offset + N - 1) / GUARD_GRANULE]
                == 0
        {
            self.sram[offset..offset + N].copy_from_slice(&bytes);
            true
        } else {
            false
        }
    }

    /// The data bus's SRAM and its guards, for code that keeps the rules of [`Memory::sram`] and
    /// [`Memory::set_sram`] by itself.
    pub(super) fn near(&mut self) -> (*mut u8, *const u8) {
        (self.sram.as_mut_ptr(), self.guard_sram.0.as_ptr())
    }

    fn array(&self, core: usize, cell: Cell) -> (&[u8], usize) {
        match cell {
            Cell::Sram(n) | Cell::SramReversed(n) => (&self.sram[..], n),
            Cell::Sram0(n) => (&self.sram0[..], n),
            Cell::RtcFast(n) => (&self.rtc_fast[..], n),
            Cell::RtcSlow(n) => (&self.rtc_slow[..], n),
            Cell::Rom(n) => (&self.rom[core & 1][..], n),
        }
    }

    /// Bytes from `cell` to the end of its array; of a reversed cell, its word.
    pub(super) fn bytes(&self, core: usize, cell: Cell) -> &[u8] {
        let (array, n) = self.array(core, cell);
        let end = if matches!(cell, Cell::SramReversed(_)) { n + 4 } else { array.len() };
        &array[n.min(array.len())..end.min(array.len())]
    }

    /// The same, to write; `None` for ROM.
    pub(super) fn bytes_mut(&mut self, cell: Cell) -> Option<&mut [u8]> {
        let (array, n): (&mut [u8], usize) = match cell {
            Cell::Sram(n) => (&mut self.sram[..], n),
            Cell::SramReversed(n) => return self.sram.get_mut(n..n + 4),
            Cell::Sram0(n) => (&mut self.sram0[..], n),
            Cell::RtcFast(n) => (&mut self.rtc_fast[..], n),
            Cell::RtcSlow(n) => (&mut self.rtc_slow[..], n),
            Cell::Rom(_) => return None,
        };
        array.get_mut(n..)
    }

    /// Where code at this cell is known to the code cache: its instruction-bus address. Data-bus
    /// addresses of SRAM2 hold no code.
    pub(super) fn physical(cell: Cell) -> Option<u32> {
        Some(match cell {
            Cell::Sram(n) => {
                let from_sram1 = (n as u32).checked_sub(SRAM1 - SRAM)?;
                SRAM1_CODE + (SRAM1_LEN - 4 - (from_sram1 & !3))
            }
            Cell::SramReversed(n) => SRAM1_CODE + (SRAM1_LEN - 4 - (n as u32 - (SRAM1 - SRAM))),
            Cell::Sram0(n) => SRAM0 + n as u32,
            Cell::RtcFast(n) => RTC_FAST[1] + n as u32,
            Cell::RtcSlow(n) => RTC_SLOW + n as u32,
            Cell::Rom(n) => ROM + n as u32,
        })
    }

    /// The same as one core sees it: APP_CPU's ROM has other literals.
    pub(super) fn physical_code(&self, core: usize, cell: Cell) -> Option<u32> {
        const APP_ROM: u32 = 0x6000_0000;
        match cell {
            Cell::Rom(n) if core == 1 && !Arc::ptr_eq(&self.rom[0], &self.rom[1]) => {
                Some(APP_ROM + n as u32)
            }
            // Word-reversed memory keeps the order of the bytes in a word.
            _ => Self::physical(cell),
        }
    }

    /// Guards the code at a physical address, as [`Memory::physical`] gives it.
    pub(super) fn guard_code(&mut self, physical: u32, len: u32) {
        let mut at = physical & !3;
        while at < physical.saturating_add(len) {
            if let Some(cell) = Cell::at(at) {
                self.guard(cell, 4, GUARD_CODE);
            }
            at += 4;
        }
    }

    /// Guards the cells of data watchpoints; others are no longer guarded for that reason.
    pub(super) fn guard_watchpoints(&mut self, watchpoints: impl Iterator<Item = (u32, u32)>) {
        let Self { guard_sram, guard_sram0, guard_rtc_fast, guard_rtc_slow, .. } = self;
        for guards in [guard_sram, guard_sram0, guard_rtc_fast, guard_rtc_slow] {
            guards.clear(GUARD_WATCH);
        }
        for (address, len) in watchpoints {
            if let Some(cell) = Cell::at(address) {
                self.guard(cell, len as usize, GUARD_WATCH);
            }
        }
    }

    fn guard(&mut self, cell: Cell, len: usize, bit: u8) {
        match cell {
            Cell::Sram(n) | Cell::SramReversed(n) => self.guard_sram.set(n, len, bit),
            Cell::Sram0(n) => self.guard_sram0.set(n, len, bit),
            Cell::RtcFast(n) => self.guard_rtc_fast.set(n, len, bit),
            Cell::RtcSlow(n) => self.guard_rtc_slow.set(n, len, bit),
            Cell::Rom(_) => {}
        }
    }

    /// Whether the code cache must hear of a store of `len` bytes, at least one, from this cell on.
    pub(super) fn is_code(&self, cell: Cell, len: usize) -> bool {
        let (guards, n) = match cell {
            Cell::Sram(n) | Cell::SramReversed(n) => (&self.guard_sram, n),
            Cell::Sram0(n) => (&self.guard_sram0, n),
            Cell::RtcFast(n) => (&self.guard_rtc_fast, n),
            Cell::RtcSlow(n) => (&self.guard_rtc_slow, n),
            Cell::Rom(_) => return false,
        };
        let last = (n + len.max(1) - 1) / GUARD_GRANULE;
        guards.0[n / GUARD_GRANULE..]
            .iter()
            .take(last + 1 - n / GUARD_GRANULE)
            .any(|guard| guard & GUARD_CODE != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sram1_is_reversed_on_the_instruction_bus() {
        assert_eq!(Cell::at(0x400b_fffc), Some(Cell::SramReversed((SRAM1 - SRAM) as usize)));
        assert_eq!(Cell::at(0x400a_0000), Some(Cell::SramReversed(SRAM_LEN - 4)));
        assert_eq!(Cell::at(0x3fff_fffc), Some(Cell::Sram(SRAM_LEN - 4)));
    }

    #[test]
    fn both_views_of_sram1_name_one_physical_word() {
        for offset in (0..SRAM1_LEN).step_by(0x1234 & !3) {
            let data = Cell::at(SRAM1 + offset).and_then(Memory::physical);
            let code = Cell::at(SRAM1_CODE + SRAM1_LEN - 4 - offset).and_then(Memory::physical);
            assert!(data.is_some());
            assert_eq!(data, code);
        }
    }

    #[test]
    fn a_guarded_granule_refuses_the_fast_path() {
        let mut memory = Memory::new([&[], &[]]);
        assert!(memory.set_sram(SRAM1 + 0x100, [1, 2, 3, 4]));
        memory.guard_code(0x400b_fefc, 3);
        assert!(!memory.set_sram(SRAM1 + 0x100, [1, 2, 3, 4]));
        assert!(memory.set_sram(SRAM1 + 0x200, [1, 2, 3, 4]));
        assert!(memory.is_code(Cell::at(0x400b_fefc).unwrap_or(Cell::Rom(0)), 4));
    }
}
