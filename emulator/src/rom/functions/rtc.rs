//! Reset causes, software resets, the checksum of RTC memory, and eFuse look-ups.
//!
//! *Source*: `rom/rtc.h` and `rom/efuse.h` of ESP-IDF for signatures; TRM chapters "Low-Power
//! Management" and "eFuse Controller" for registers.
//! *Modelled*: all functions listed here. The checksum uses the unit behind RTC_MEM_CONF.
//! *Not modelled*: programming of eFuses (`ets_efuse_program_op`), `rtc_boot_control`.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

const OPTIONS0: u32 = 0x3ff4_8000;
const RESET_STATE: u32 = 0x3ff4_8034;
const WAKEUP_STATE: u32 = 0x3ff4_8038;
const STORE7: u32 = 0x3ff4_80bc;
const MEM_CONF: u32 = 0x3ff4_8100;
const MEM_CRC_RES: u32 = 0x3ff4_8104;
const SW_SYS_RST: u32 = 1 << 31;
const SW_PROCPU_RST: u32 = 1 << 5;
const SW_APPCPU_RST: u32 = 1 << 4;
const CRC_FINISH: u32 = 1 << 31;
const CRC_LEN: u32 = 0x7ff << 20;
const CRC_ADDR: u32 = 0x7ff << 9;
const CRC_START: u32 = 1 << 8;

const EFUSE: u32 = 0x3ff5_a000;
const EFUSE_CMD: u32 = EFUSE + 0x104;
const EFUSE_CONF: u32 = EFUSE + 0xfc;
const EFUSE_CMD_READ: u32 = 1;
const EFUSE_READ_CODE: u32 = 0x5aa5;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_8170, "calc_rtc_memory_crc", &[begin_memory_crc, memory_crc, give_memory_crc]),
    entry(0x4000_81d4, "rtc_get_reset_reason", &[rtc_get_reset_reason]),
    entry(0x4000_81f4, "rtc_get_wakeup_cause", &[rtc_get_wakeup_cause]),
    entry(0x4000_8208, "set_rtc_memory_crc", &[begin_memory_crc, memory_crc, keep_memory_crc]),
    entry(0x4000_824c, "software_reset", &[software_reset, halt]),
    entry(0x4000_8264, "software_reset_cpu", &[software_reset_cpu]),
    entry(0x4000_8600, "ets_efuse_read_op", &[start_efuse_read, await_efuse]),
    entry(0x4000_8658, "ets_efuse_get_spiconfig", &[ets_efuse_get_spiconfig]),
    entry(0x4000_8710, "ets_efuse_get_8M_clock", &[ets_efuse_get_8m_clock]),
];

/// `RESET_REASON rtc_get_reset_reason(int cpu)`
fn rtc_get_reset_reason(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    let shift = if call.get(0) == 0 { 0 } else { 6 };
    Ok(Outcome::Return(call.load(RESET_STATE)? >> shift & 0x3f))
}

/// `WAKEUP_REASON rtc_get_wakeup_cause(void)`
fn rtc_get_wakeup_cause(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    Ok(Outcome::Return(call.load(WAKEUP_STATE)? & 0x7ff))
}

/// `void software_reset(void)`: of the digital part.
fn software_reset(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.modify(OPTIONS0, SW_SYS_RST, SW_SYS_RST)?;
    Ok(Outcome::Next)
}

/// Waits for the reset to come.
fn halt(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(call.guest.budget_left().max(1));
    Ok(Outcome::Again)
}

/// `void software_reset_cpu(int cpu)`: returns when the other core was meant.
fn software_reset_cpu(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let bit = if call.get(0) == 0 { SW_PROCPU_RST } else { SW_APPCPU_RST };
    call.charge(6);
    call.modify(OPTIONS0, bit, bit)?;
    Ok(Outcome::Void)
}

/// Starts the CRC unit over the whole of RTC FAST memory.
pub(in crate::rom) fn start_memory_crc(call: &mut Call<'_>) -> Result<(), Stop> {
    call.modify(MEM_CONF, CRC_START, 0)?;
    call.modify(MEM_CONF, CRC_LEN | CRC_ADDR, CRC_LEN)?;
    Ok(call.modify(MEM_CONF, CRC_START, CRC_START)?)
}

fn begin_memory_crc(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    start_memory_crc(call)?;
    Ok(Outcome::Next)
}

/// Waits for the unit.
pub(in crate::rom) fn memory_crc(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let is_done = call.wait(MEM_CONF, 6, |conf| conf & CRC_FINISH != 0)?;
    Ok(if is_done { Outcome::Next } else { Outcome::Again })
}

/// What the unit has found.
pub(in crate::rom) fn take_memory_crc(call: &mut Call<'_>) -> Result<u32, Stop> {
    let crc = call.load(MEM_CRC_RES)?;
    call.modify(MEM_CONF, CRC_START, 0)?;
    Ok(crc)
}

/// `uint32_t calc_rtc_memory_crc(void)`
fn give_memory_crc(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    Ok(Outcome::Return(take_memory_crc(call)?))
}

/// `void set_rtc_memory_crc(void)`: into STORE7, where the boot code looks after deep sleep.
fn keep_memory_crc(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let crc = take_memory_crc(call)?;
    call.store(STORE7, crc)?;
    Ok(Outcome::Void)
}

/// `void ets_efuse_read_op(void)`: reads the fuses into the registers again.
fn start_efuse_read(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.store(EFUSE_CONF, EFUSE_READ_CODE)?;
    call.store(EFUSE_CMD, EFUSE_CMD_READ)?;
    Ok(Outcome::Next)
}

fn await_efuse(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let is_done = call.wait(EFUSE_CMD, 6, |command| command & EFUSE_CMD_READ == 0)?;
    Ok(if is_done { Outcome::Void } else { Outcome::Again })
}

/// `uint32_t ets_efuse_get_spiconfig(void)`: 0 default pins, 1 HSPI pins, else CLK, Q, D, CS0, HD in
/// six bits each.
fn ets_efuse_get_spiconfig(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(40);
    let (word5, word3) = (call.load(EFUSE + 0x14)?, call.load(EFUSE + 0x0c)?);
    Ok(Outcome::Return(spi_config(word5, word3)))
}

/// The flash pin configuration in words 5 and 3 of eFuse block 0.
pub(in crate::rom) fn spi_config(word5: u32, word3: u32) -> u32 {
    let fields = word5 & 0xf_ffff;
    match fields {
        0 => return 0,
        0xf_ffff => return 1,
        _ => {}
    }
    // Five bits name 32 pins; GPIO 30 and 31 do not exist and stand for 32 and 33.
    let pin = |bits: u32| if bits & 0x1f < 30 { bits & 0x1f } else { (bits & 0x1f) + 2 };
    let [clk, q, d, cs] = [pin(fields), pin(fields >> 5), pin(fields >> 10), pin(fields >> 15)];
    let is_sane = clk != q && clk != d && clk != cs && q != d && q != cs;
    if is_sane { clk | q << 6 | d << 12 | cs << 18 | pin(word3 >> 4) << 24 } else { 0 }
}

/// `uint32_t ets_efuse_get_8M_clock(void)`: the calibration of the 8 MHz oscillator.
fn ets_efuse_get_8m_clock(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    Ok(Outcome::Return(call.load(EFUSE + 0x10)? & 0xff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{Access, FakeGuest};

    #[test]
    fn causes_are_told_per_core() {
        let mut guest = FakeGuest::new(64);
        guest.set_register(RESET_STATE, 0x3000 | 14 << 6 | 12);
        assert_eq!(guest.call("rtc_get_reset_reason", &[0]), 12);
        assert_eq!(guest.call("rtc_get_reset_reason", &[1]), 14);
        guest.set_register(WAKEUP_STATE, 0xffff_f808);
        assert_eq!(guest.call("rtc_get_wakeup_cause", &[]), 8);
    }

    #[test]
    fn the_memory_checksum_waits_for_its_unit() {
        let mut guest = FakeGuest::new(20);
        let mut looks = 0;
        guest.on_register(move |registers, access| {
            if access == Access::Read(MEM_CONF) {
                looks += 1;
                let conf = registers.entry(MEM_CONF).or_default();
                *conf = *conf & !CRC_FINISH | if looks > 40 { CRC_FINISH } else { 0 };
                registers.insert(MEM_CRC_RES, 0x1234_5678);
            }
        });
        guest.call("set_rtc_memory_crc", &[]);
        assert_eq!(guest.register(STORE7), 0x1234_5678);
        assert_eq!(guest.register(MEM_CONF) & CRC_START, 0);
    }

    #[test]
    fn resets_are_requested_from_rtc_cntl() {
        let mut guest = FakeGuest::new(64);
        guest.call("software_reset_cpu", &[1]);
        assert_eq!(guest.register(OPTIONS0), SW_APPCPU_RST);
        guest.call("software_reset_cpu", &[0]);
        assert_eq!(guest.register(OPTIONS0), SW_APPCPU_RST | SW_PROCPU_RST);
    }

    #[test]
    fn flash_pins_are_packed_only_when_they_differ() {
        assert_eq!(spi_config(0, 0), 0);
        assert_eq!(spi_config(0xff0f_ffff, 0), 1);
        let word5 = 6 | 17 << 5 | 8 << 10 | 31 << 15;
        assert_eq!(spi_config(word5, 11 << 4), 6 | 17 << 6 | 8 << 12 | 33 << 18 | 11 << 24);
        assert_eq!(spi_config(6 | 6 << 5 | 8 << 10 | 9 << 15, 0), 0);
    }
}
