//! Flash cache and MMU control.
//!
//! *Source*: `rom/cache.h` and `cache_sram_mmu.c` of ESP-IDF for signatures, results and index
//! formulas; TRM chapter "Memory Management and Protection Units".
//! *Modelled*: table writes, enable, disable, flush, for both cores.
//! *Not modelled*: process identifiers above 1, which only a protected system would use (error 2).

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

const DPORT: u32 = 0x3ff0_0000;
const CACHE_CTRL: [u32; 2] = [DPORT + 0x40, DPORT + 0x58];
const CACHE_CTRL1: [u32; 2] = [DPORT + 0x44, DPORT + 0x5c];
const MMU_TABLE: [u32; 2] = [0x3ff1_0000, 0x3ff1_2000];
const MMU_TABLE_BYTES: u32 = 0x2000;
const SRAM_PAGE_MODE: u32 = 7 << 6;
const SPI0_CACHE_FCTRL: u32 = 0x3ff4_3050;
const SPI0_EXT2: u32 = 0x3ff4_30f8;

const CACHE_ENABLE: u32 = 1 << 3;
const FLUSH_ENABLE: u32 = 1 << 4;
const FLUSH_DONE: u32 = 1 << 5;
const CACHE_MASKS: u32 = 0x3f;

/// Results of the functions that set the table.
const UNALIGNED: Outcome = Outcome::Return(1);
const BAD_PID: Outcome = Outcome::Return(2);
const BAD_PAGE_SIZE: Outcome = Outcome::Return(3);
const OUT_OF_TABLE: Outcome = Outcome::Return(4);
const BAD_VADDR: Outcome = Outcome::Return(5);

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_95a4, "mmu_init", &[begin_mmu_init, mmu_init]),
    entry(0x4000_95e0, "cache_flash_mmu_set_rom", &[cache_flash_mmu_set]),
    entry(0x4000_97f4, "cache_sram_mmu_set_rom", &[cache_sram_mmu_set]),
    entry(0x4000_9950, "Cache_Read_Init_rom", &[cache_read_init]),
    entry(0x4000_9a14, "Cache_Flush_rom", &[begin_flush, end_flush]),
    entry(0x4000_9a84, "Cache_Read_Enable_rom", &[cache_read_enable]),
    entry(0x4000_9ab8, "Cache_Read_Disable_rom", &[begin_disable, end_disable]),
];

/// The core that slot 0 names: 0 or anything else.
fn core(call: &Call<'_>) -> usize {
    usize::from(call.get(0) != 0)
}

/// Slot 1 is the next table entry, slot 0 where the table ends.
fn begin_mmu_init(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let table = MMU_TABLE[core(call)];
    call.set(1, table);
    call.set(0, table + MMU_TABLE_BYTES);
    Ok(Outcome::Next)
}

/// `int mmu_init(int cpu)`: all entries 0.
fn mmu_init(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    while call.get(1) < call.get(0) {
        call.store(call.get(1), 0)?;
        call.add(1, 4);
        call.charge(2);
        if call.is_spent() && call.get(1) < call.get(0) {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(0))
}

/// Writes consecutive pages while both caches are masked.
fn map(call: &mut Call<'_>, index: u32, page: u32, count: u32) -> Result<(), Stop> {
    let table = MMU_TABLE[core(call)];
    let saved = [call.load(CACHE_CTRL1[0])?, call.load(CACHE_CTRL1[1])?];
    for (register, value) in CACHE_CTRL1.into_iter().zip(saved) {
        call.store(register, value | CACHE_MASKS)?;
    }
    for i in 0..count {
        call.store(table + 4 * (index + i), page.wrapping_add(i))?;
        call.charge(5);
    }
    for (register, value) in CACHE_CTRL1.into_iter().zip(saved) {
        call.store(register, value)?;
    }
    Ok(())
}

/// `unsigned cache_flash_mmu_set(int cpu, int pid, unsigned vaddr, unsigned paddr, int page_kb,
/// int count)`
fn cache_flash_mmu_set(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let [pid, vaddr, paddr, size, count] = std::array::from_fn(|i| call.get(i + 1));
    call.charge(60);
    let shift = match size {
        64 => 16,
        32 => 15,
        16 => 14,
        _ => return Ok(BAD_PAGE_SIZE),
    };
    if (vaddr | paddr) & ((1 << shift) - 1) != 0 {
        return Ok(UNALIGNED);
    }
    if pid > 1 {
        return Ok(BAD_PID);
    }
    let window = match vaddr {
        0x3f40_0000..0x3f80_0000 => 0,
        0x4000_0000..0x4040_0000 => 64,
        0x4040_0000..0x4080_0000 => 128,
        0x4080_0000..0x40c0_0000 => 192,
        _ => return Ok(BAD_VADDR),
    };
    // A window has 64 pages of whatever size.
    let page = (vaddr & 0x3f_ffff) >> shift;
    if page >= 64 {
        return Ok(BAD_VADDR);
    }
    if count > 256 - window - page {
        return Ok(OUT_OF_TABLE);
    }
    map(call, window + page, paddr >> shift, count)?;
    Ok(Outcome::Return(0))
}

/// `unsigned cache_sram_mmu_set(int cpu, int pid, unsigned vaddr, unsigned paddr, int page_kb,
/// int count)`: the window of external RAM.
fn cache_sram_mmu_set(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const FIRST: u32 = 1152;
    let [pid, vaddr, paddr, size, count] = std::array::from_fn(|i| call.get(i + 1));
    call.charge(60);
    let mode = match size {
        32 => 0,
        16 => 1,
        8 => 2,
        4 => 3,
        2 => 4,
        _ => return Ok(BAD_PAGE_SIZE),
    };
    let shift = 15 - mode;
    if (vaddr | paddr) & ((1 << shift) - 1) != 0 {
        return Ok(UNALIGNED);
    }
    if pid > 1 {
        return Ok(BAD_PID);
    }
    if !(0x3f80_0000..0x3fc0_0000).contains(&vaddr) {
        return Ok(BAD_VADDR);
    }
    let page = (vaddr & 0x3f_ffff >> mode) >> shift;
    if count > 128 - page {
        return Ok(OUT_OF_TABLE);
    }
    map(call, FIRST + page, paddr >> shift, count)?;
    let control = CACHE_CTRL1[core(call)];
    call.modify(control, SRAM_PAGE_MODE, mode << 6)?;
    Ok(Outcome::Return(0))
}

/// `void Cache_Read_Init(int cpu)`: cache off, masks of the flash windows as after reset.
fn cache_read_init(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let core = core(call);
    call.modify(CACHE_CTRL[core], CACHE_ENABLE | FLUSH_ENABLE, 0)?;
    call.modify(CACHE_CTRL1[core], CACHE_MASKS, 0)?;
    call.charge(40);
    Ok(Outcome::Void)
}

/// `void Cache_Flush(int cpu)`: the flush bit must rise.
fn begin_flush(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let control = CACHE_CTRL[core(call)];
    call.modify(control, FLUSH_ENABLE, 0)?;
    call.modify(control, FLUSH_ENABLE, FLUSH_ENABLE)?;
    Ok(Outcome::Next)
}

fn end_flush(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let control = CACHE_CTRL[core(call)];
    if !call.wait(control, 8, |value| value & FLUSH_DONE != 0)? {
        return Ok(Outcome::Again);
    }
    call.modify(control, FLUSH_ENABLE, 0)?;
    Ok(Outcome::Void)
}

/// `void Cache_Read_Enable(int cpu)`
fn cache_read_enable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.modify(SPI0_CACHE_FCTRL, 1, 1)?;
    call.modify(CACHE_CTRL[core(call)], CACHE_ENABLE, CACHE_ENABLE)?;
    call.charge(12);
    Ok(Outcome::Void)
}

/// `void Cache_Read_Disable(int cpu)`: with the last cache off, SPI0 stops asking the flash too.
fn begin_disable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let core = core(call);
    call.modify(CACHE_CTRL[core], CACHE_ENABLE, 0)?;
    call.charge(12);
    let is_other_on = call.load(CACHE_CTRL[1 - core])? & CACHE_ENABLE != 0;
    Ok(if is_other_on { Outcome::Void } else { Outcome::Next })
}

fn end_disable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if !call.wait(SPI0_EXT2, 8, |state| state == 0)? {
        return Ok(Outcome::Again);
    }
    call.modify(SPI0_CACHE_FCTRL, 1, 0)?;
    Ok(Outcome::Void)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{Access, FakeGuest};

    #[test]
    fn pages_land_where_the_formulas_say_and_bad_arguments_are_told_apart() {
        let mut guest = FakeGuest::new(64);
        let mut set = |arguments: [u32; 6]| guest.call("cache_flash_mmu_set_rom", &arguments);
        assert_eq!(set([0, 0, 0x3f40_0000, 0x1_0000, 64, 2]), 0);
        assert_eq!(set([1, 0, 0x400d_0000, 0x134_0000, 64, 1]), 0);
        assert_eq!(set([0, 0, 0x400d_0010, 0x134_0000, 64, 1]), 1);
        assert_eq!(set([0, 2, 0x400d_0000, 0x134_0000, 64, 1]), 2);
        assert_eq!(set([0, 0, 0x400d_0000, 0x134_0000, 63, 1]), 3);
        assert_eq!(set([0, 0, 0x40bf_0000, 0x134_0000, 64, 2]), 4);
        assert_eq!(set([0, 0, 0x3f80_0000, 0x134_0000, 64, 1]), 5);
        assert_eq!(set([0, 0, 0x400d_0000, 0, 64, u32::MAX]), 4);
        assert_eq!(guest.register(0x3ff1_0000), 1);
        assert_eq!(guest.register(0x3ff1_0004), 2);
        assert_eq!(guest.register(0x3ff1_2000 + 77 * 4), 0x134);
        let arguments = [1, 0, 0x3f80_0000, 0, 32, 128];
        assert_eq!(guest.call("cache_sram_mmu_set_rom", &arguments), 0);
        assert_eq!(guest.register(0x3ff1_2000 + (1152 + 127) * 4), 127);
    }

    #[test]
    fn the_masks_are_as_before_when_a_page_has_been_set() {
        let mut guest = FakeGuest::new(64);
        guest.set_register(CACHE_CTRL1[0], 0x106);
        guest.on_register(|registers, access| {
            if matches!(access, Access::Write(0x3ff1_0000, _)) {
                assert_eq!(registers[&CACHE_CTRL1[0]] & 0x3f, 0x3f);
                assert_eq!(registers[&CACHE_CTRL1[1]] & 0x3f, 0x3f);
            }
        });
        guest.call("cache_flash_mmu_set_rom", &[0, 0, 0x3f40_0000, 0, 64, 1]);
        assert_eq!(guest.register(CACHE_CTRL1[0]), 0x106);
    }

    #[test]
    fn the_last_cache_that_goes_off_stops_the_flash_requests() {
        let mut guest = FakeGuest::new(64);
        guest.call("Cache_Read_Enable_rom", &[0]);
        guest.call("Cache_Read_Enable_rom", &[1]);
        assert_eq!(guest.register(SPI0_CACHE_FCTRL), 1);
        guest.call("Cache_Read_Disable_rom", &[0]);
        assert_eq!(guest.register(SPI0_CACHE_FCTRL), 1);
        guest.call("Cache_Read_Disable_rom", &[1]);
        assert_eq!(guest.register(SPI0_CACHE_FCTRL), 0);
    }

    #[test]
    fn a_flush_raises_its_bit_waits_and_lowers_it() {
        let mut guest = FakeGuest::new(10);
        let mut looks = 0;
        guest.on_register(move |registers, access| {
            if access == Access::Read(CACHE_CTRL[0]) {
                let control = registers.entry(CACHE_CTRL[0]).or_default();
                looks += u32::from(*control & FLUSH_ENABLE != 0);
                if looks > 20 {
                    *control |= FLUSH_DONE;
                }
            }
        });
        guest.call("Cache_Flush_rom", &[0]);
        assert_eq!(guest.register(CACHE_CTRL[0]), FLUSH_DONE);
        guest.set_register(0x3ff1_1ffc, 7);
        assert_eq!(guest.call("mmu_init", &[0]), 0);
        assert_eq!(guest.register(0x3ff1_1ffc), 0);
    }
}
