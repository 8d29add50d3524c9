//! The flash driver of the ROM, which works through the registers of SPI1.
//!
//! *Source*: `rom/spi_flash.h` of ESP-IDF for signatures, constants and results; ESP-IDF's own
//! replacement driver (`esp_rom_spiflash.c`) for the order of register accesses; TRM chapter "SPI
//! Controller".
//! *Modelled*: reading, programming, erasing, status registers, user commands, read modes, clock and
//! pins, with the waits for the controller and the chip as restartable steps.
//! *Not modelled*: flash encryption (`esp_rom_spiflash_write_encrypted` and its helpers).
//!
//! Results are 0 (done), 1 (refused). The wait for a busy chip has no limit, as in the ROM.

use super::pins;
use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::startup::{FLASH_CHIP, FLASH_DUMMY_PLUS};
use crate::rom::table::{Entry, entry};

const SPI0: u32 = 0x3ff4_3000;
const SPI1: u32 = 0x3ff4_2000;
const CMD: u32 = 0x00;
const ADDR: u32 = 0x04;
const CTRL: u32 = 0x08;
const RD_STATUS: u32 = 0x10;
const CLOCK: u32 = 0x18;
const USER: u32 = 0x1c;
const USER1: u32 = 0x20;
const USER2: u32 = 0x24;
const MISO_DLEN: u32 = 0x2c;
const W0: u32 = 0x80;
const EXT2: u32 = 0xf8;

const CMD_WREN: u32 = 1 << 30;
const CMD_RDSR: u32 = 1 << 27;
const CMD_WRSR: u32 = 1 << 26;
const CMD_PP: u32 = 1 << 25;
const CMD_SE: u32 = 1 << 24;
const CMD_BE: u32 = 1 << 23;
const CMD_CE: u32 = 1 << 22;
const CMD_RES: u32 = 1 << 20;
const CMD_USR: u32 = 1 << 18;

const CTRL_FREAD_QIO: u32 = 1 << 24;
const CTRL_FREAD_DIO: u32 = 1 << 23;
const CTRL_WRSR_2B: u32 = 1 << 22;
const CTRL_FREAD_QUAD: u32 = 1 << 20;
const CTRL_FREAD_DUAL: u32 = 1 << 14;
const CTRL_FASTRD_MODE: u32 = 1 << 13;
const CTRL_MODES: u32 =
    CTRL_FREAD_QIO | CTRL_FREAD_DIO | CTRL_FREAD_QUAD | CTRL_FREAD_DUAL | CTRL_FASTRD_MODE;

const USR_COMMAND: u32 = 1 << 31;
const USR_ADDR: u32 = 1 << 30;
const USR_DUMMY: u32 = 1 << 29;
const USR_MISO: u32 = 1 << 28;
const USR_MOSI: u32 = 1 << 27;

const STATUS_BUSY: u32 = 1 << 0;
const STATUS_WEL: u32 = 1 << 1;
const STATUS_BP: u32 = 0x1c;
const COMMAND_BITS_8: u32 = 7 << 28;

const OK: Outcome = Outcome::Return(0);
const REFUSED: Outcome = Outcome::Return(1);

/// Cycles of one look at a register in a wait loop.
const LOOK: u64 = 8;
const READ_CHUNK: u32 = 64;
const WRITE_CHUNK: u32 = 32;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4006_1ddc, "esp_rom_spiflash_select_qio_pins", &[select_qio_pins]),
    entry(
        0x4006_21b0,
        "esp_rom_spiflash_read_user_cmd",
        &[begin_user_command, start_user_command, end_user_command],
    ),
    entry(0x4006_226c, "esp_rom_spiflash_read_status", &[ask_status, await_ready, give_status]),
    entry(0x4006_22c0, "esp_rom_spiflash_wait_idle", &[ask_status, await_ready, done]),
    entry(
        0x4006_22f0,
        "esp_rom_spiflash_write_status",
        &[ask_status, await_ready, start_write_status, ask_status, await_ready, done],
    ),
    entry(
        0x4006_2320,
        "esp_rom_spiflash_enable_write",
        &[ask_status, await_ready, start_write_enable, ask_status, await_write_enabled, done],
    ),
    entry(
        0x4006_2448,
        "esp_rom_spiflash_read_statushigh",
        &[ask_status, await_ready, begin_status_high, start_user_command, end_status_high],
    ),
    entry(
        0x4006_28f0,
        "esp_rom_spiflash_lock",
        &[
            ask_status,
            await_ready,
            begin_lock,
            start_user_command,
            middle_lock,
            start_write_enable,
            ask_status,
            await_write_enabled,
            start_write_lock,
            ask_status,
            await_ready,
            done,
        ],
    ),
    entry(0x4006_2a6c, "esp_rom_spiflash_attach", &[attach]),
    entry(0x4006_2b64, "esp_rom_spiflash_config_readmode", &[await_controllers, config_readmode]),
    entry(0x4006_2bc8, "esp_rom_spiflash_config_clk", &[config_clk]),
    entry(
        0x4006_2c14,
        "esp_rom_spiflash_erase_chip",
        &[
            ask_status,
            await_ready,
            start_write_enable,
            ask_status,
            await_write_enabled,
            start_erase_chip,
            ask_status,
            await_ready,
            done,
        ],
    ),
    entry(
        0x4006_2c4c,
        "esp_rom_spiflash_erase_block",
        &[
            begin_erase_block,
            ask_status,
            await_ready,
            start_write_enable,
            ask_status,
            await_write_enabled,
            start_erase,
            ask_status,
            await_ready,
            done,
        ],
    ),
    entry(
        0x4006_2ccc,
        "esp_rom_spiflash_erase_sector",
        &[
            begin_erase_sector,
            ask_status,
            await_ready,
            start_write_enable,
            ask_status,
            await_write_enabled,
            start_erase,
            ask_status,
            await_ready,
            done,
        ],
    ),
    entry(
        0x4006_2d50,
        "esp_rom_spiflash_write",
        &[
            begin_write,
            ask_status,
            await_ready,
            next_write,
            ask_status,
            await_write_enabled,
            start_program,
            ask_status,
            await_ready,
            again_write,
        ],
    ),
    entry(
        0x4006_2ed8,
        "esp_rom_spiflash_read",
        &[begin_read, ask_status, await_ready, next_read, end_read],
    ),
    entry(
        0x4006_31ac,
        "esp_rom_spiflash_erase_area",
        &[
            begin_erase_area,
            ask_status,
            await_ready,
            next_erase_area,
            ask_status,
            await_write_enabled,
            start_erase_area,
            ask_status,
            await_ready,
            again_erase_area,
        ],
    ),
    entry(0x4006_3238, "esp_rom_spiflash_config_param", &[config_param]),
];

/// `esp_rom_spiflash_chip_t`: the fields the driver uses.
struct Chip {
    chip_size: u32,
    block_size: u32,
    sector_size: u32,
    page_size: u32,
    status_mask: u32,
}

impl Chip {
    fn load(call: &mut Call<'_>) -> Result<Self, Stop> {
        Ok(Self {
            chip_size: call.load(FLASH_CHIP + 4)?,
            block_size: call.load(FLASH_CHIP + 8)?,
            sector_size: call.load(FLASH_CHIP + 12)?,
            page_size: call.load(FLASH_CHIP + 16)?,
            status_mask: call.load(FLASH_CHIP + 20)?,
        })
    }
}

/// Extra dummy cycles of SPI1 (index 1) or SPI0 (0), which fast clocks need.
fn dummy_plus(call: &mut Call<'_>, index: u32) -> Result<u32, Stop> {
    Ok(call.byte(FLASH_DUMMY_PLUS + index)?.into())
}

/// Waits until the last command has left the controller.
pub(in crate::rom) fn command_is_done(call: &mut Call<'_>) -> Result<bool, Stop> {
    Ok(call.wait(SPI1 + CMD, LOOK, |value| value == 0)?)
}

// The steps that everything is made of. A wait may be repeated at will; a step that starts a
// command does just that and hands over.

/// Waits for the controllers.
fn await_controllers(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    for base in [SPI1, SPI0] {
        if !call.wait(base + EXT2, LOOK, |value| value & 7 == 0)? {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Next)
}

/// Waits for the controllers and the last command, then asks the chip for its status.
fn ask_status(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if await_controllers(call)? == Outcome::Again || !command_is_done(call)? {
        return Ok(Outcome::Again);
    }
    call.store(SPI1 + RD_STATUS, 0)?;
    call.store(SPI1 + CMD, CMD_RDSR)?;
    Ok(Outcome::Next)
}

/// Asks again and again until the status satisfies.
fn await_status(call: &mut Call<'_>, satisfies: fn(u32) -> bool) -> Result<Outcome, Stop> {
    if !command_is_done(call)? {
        return Ok(Outcome::Again);
    }
    if satisfies(call.load(SPI1 + RD_STATUS)?) {
        return Ok(Outcome::Next);
    }
    call.store(SPI1 + CMD, CMD_RDSR)?;
    call.charge(LOOK);
    Ok(Outcome::Again)
}

/// Waits until the chip is no longer busy.
fn await_ready(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    await_status(call, |status| status & STATUS_BUSY == 0)
}

/// Waits until the chip takes writes.
fn await_write_enabled(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    await_status(call, |status| status & (STATUS_BUSY | STATUS_WEL) == STATUS_WEL)
}

fn start_write_enable(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.store(SPI1 + CMD, CMD_WREN)?;
    Ok(Outcome::Next)
}

fn done(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(LOOK);
    Ok(OK)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_read_status(esp_rom_spiflash_chip_t *spi,
/// uint32_t *status)`: waits for the chip, then gives its status, masked.
fn give_status(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mask = Chip::load(call)?.status_mask;
    let status = call.load(SPI1 + RD_STATUS)? & mask;
    call.store(call.get(1), status)?;
    Ok(OK)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_write_status(esp_rom_spiflash_chip_t *spi,
/// uint32_t value)`
fn start_write_status(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.store(SPI1 + RD_STATUS, call.get(1))?;
    call.store(SPI1 + CMD, CMD_WRSR)?;
    Ok(Outcome::Next)
}

// User commands: slot 0 is where the result goes, slot 1 the command, slots 2 to 4 the registers
// that are put back.

/// `esp_rom_spiflash_result_t esp_rom_spiflash_read_user_cmd(uint32_t *out, uint8_t command)`
fn begin_user_command(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if await_controllers(call)? == Outcome::Again || !command_is_done(call)? {
        return Ok(Outcome::Again);
    }
    for (slot, register) in [(2, USER), (3, USER1), (4, USER2)] {
        let value = call.load(SPI1 + register)?;
        call.set(slot, value);
    }
    Ok(Outcome::Next)
}

fn start_user_command(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let extra = dummy_plus(call, 1)?;
    let phases = USR_COMMAND | USR_MISO | if extra > 0 { USR_DUMMY } else { 0 };
    let all = USR_COMMAND | USR_ADDR | USR_DUMMY | USR_MISO | USR_MOSI;
    call.store(SPI1 + USER, call.get(2) & !all | phases)?;
    if extra > 0 {
        call.modify(SPI1 + USER1, 0xff, extra - 1)?;
    }
    call.store(SPI1 + USER2, COMMAND_BITS_8 | call.get(1) & 0xff)?;
    call.store(SPI1 + MISO_DLEN, 7)?;
    call.store(SPI1 + W0, 0)?;
    call.store(SPI1 + CMD, CMD_USR)?;
    Ok(Outcome::Next)
}

/// The byte that came back, once it has; the registers are as before then.
fn user_result(call: &mut Call<'_>) -> Result<Option<u32>, Stop> {
    if !command_is_done(call)? {
        return Ok(None);
    }
    let value = call.load(SPI1 + W0)? & 0xff;
    for (slot, register) in [(2, USER), (3, USER1), (4, USER2)] {
        call.store(SPI1 + register, call.get(slot))?;
    }
    Ok(Some(value))
}

fn end_user_command(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let Some(value) = user_result(call)? else { return Ok(Outcome::Again) };
    call.store(call.get(0), value)?;
    Ok(OK)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_read_statushigh(esp_rom_spiflash_chip_t *spi,
/// uint32_t *status)`: the second status byte (command 0x35), in bits 15:8.
fn begin_status_high(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.set(0, call.get(1));
    call.set(1, 0x35);
    begin_user_command(call)
}

fn end_status_high(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let Some(value) = user_result(call)? else { return Ok(Outcome::Again) };
    call.store(call.get(0), value << 8)?;
    Ok(OK)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_lock(void)`: sets the protection bits and keeps the
/// second status byte.
fn begin_lock(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.set(1, 0x35);
    begin_user_command(call)
}

fn middle_lock(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let Some(value) = user_result(call)? else { return Ok(Outcome::Again) };
    call.modify(SPI1 + CTRL, CTRL_WRSR_2B, CTRL_WRSR_2B)?;
    call.set(1, value << 8 | STATUS_BP);
    Ok(Outcome::Next)
}

fn start_write_lock(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    start_write_status(call)
}

// Erasing: slot 0 becomes the byte address and slot 1 the command bit.

/// Writing goes over one line whatever the read mode is.
fn prepare_single_line(call: &mut Call<'_>) -> Result<(), Stop> {
    call.modify(SPI1 + USER, USR_DUMMY, 0)?;
    Ok(call.modify(SPI1 + USER1, 0x3f << 26, 23 << 26)?)
}

fn begin_erase(call: &mut Call<'_>, size: u32, command: u32) -> Result<Outcome, Stop> {
    call.claim()?;
    prepare_single_line(call)?;
    let chip = Chip::load(call)?;
    if call.get(0) >= chip.chip_size.checked_div(size).unwrap_or(0) {
        return Ok(REFUSED);
    }
    call.set(0, call.get(0).wrapping_mul(size));
    call.set(1, command);
    Ok(Outcome::Next)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_erase_sector(uint32_t sector)`
fn begin_erase_sector(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let size = Chip::load(call)?.sector_size;
    begin_erase(call, size, CMD_SE)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_erase_block(uint32_t block)`
fn begin_erase_block(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let size = Chip::load(call)?.block_size;
    begin_erase(call, size, CMD_BE)
}

fn start_erase(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.store(SPI1 + ADDR, call.get(0) & 0xff_ffff)?;
    call.store(SPI1 + CMD, call.get(1))?;
    Ok(Outcome::Next)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_erase_chip(void)`
fn start_erase_chip(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.store(SPI1 + CMD, CMD_CE)?;
    Ok(Outcome::Next)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_erase_area(uint32_t start, uint32_t len)`: sectors
/// up to a block boundary, blocks, sectors. Slot 0 is the next address, slot 1 the bytes left,
/// slot 2 the bytes of the command under way.
fn begin_erase_area(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    prepare_single_line(call)?;
    let chip = Chip::load(call)?;
    let (start, len) = (call.get(0), call.get(1));
    let Some(padded) = len.checked_next_multiple_of(chip.sector_size.max(1)) else {
        return Ok(REFUSED);
    };
    let is_inside = start.checked_add(len).is_some_and(|end| end <= chip.chip_size);
    if !is_inside || !start.is_multiple_of(chip.sector_size.max(1)) {
        return Ok(REFUSED);
    }
    call.set(1, padded);
    Ok(Outcome::Next)
}

fn next_erase_area(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.get(1) == 0 {
        return Ok(OK);
    }
    start_write_enable(call)
}

fn start_erase_area(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let chip = Chip::load(call)?;
    let block = chip.block_size.max(1);
    let is_block = call.get(0).is_multiple_of(block) && call.get(1) >= block;
    call.set(2, if is_block { block } else { chip.sector_size.max(1) });
    call.store(SPI1 + ADDR, call.get(0) & 0xff_ffff)?;
    call.store(SPI1 + CMD, if is_block { CMD_BE } else { CMD_SE })?;
    Ok(Outcome::Next)
}

fn again_erase_area(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.add(0, call.get(2));
    call.set(1, call.get(1).saturating_sub(call.get(2)));
    Ok(Outcome::Back(6))
}

// Programming: slot 0 is the next flash address, slot 1 the source, slot 2 the bytes left, slot 3
// the bytes of the command under way.

/// `esp_rom_spiflash_result_t esp_rom_spiflash_write(uint32_t dest, const uint32_t *src,
/// int32_t len)`: at most 32 bytes per command, none across a page.
fn begin_write(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    prepare_single_line(call)?;
    let chip = Chip::load(call)?;
    let (dest, len) = (call.get(0), call.get(2));
    let is_inside = dest.checked_add(len).is_some_and(|end| end <= chip.chip_size);
    if !is_inside || (len as i32) < 0 || !len.is_multiple_of(4) {
        return Ok(REFUSED);
    }
    Ok(Outcome::Next)
}

fn next_write(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.get(2) == 0 {
        return Ok(OK);
    }
    start_write_enable(call)
}

fn start_program(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let page = Chip::load(call)?.page_size.max(1);
    let to_page_end = page - call.get(0) % page;
    let n = WRITE_CHUNK.min(call.get(2)).min(to_page_end);
    let mut data = [0xff; WRITE_CHUNK as usize];
    call.read(call.get(1), &mut data[..n as usize])?;
    for (i, word) in data.as_chunks::<4>().0.iter().take(n.div_ceil(4) as usize).enumerate() {
        call.store(SPI1 + W0 + 4 * i as u32, u32::from_le_bytes(*word))?;
    }
    call.charge(4 * u64::from(n));
    call.set(3, n);
    call.store(SPI1 + ADDR, call.get(0) & 0xff_ffff | n << 24)?;
    call.store(SPI1 + CMD, CMD_PP)?;
    Ok(Outcome::Next)
}

fn again_write(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let n = call.get(3);
    call.add(0, n);
    call.add(1, n);
    call.set(2, call.get(2).saturating_sub(n));
    Ok(Outcome::Back(6))
}

// Reading: slot 0 is the next flash address, slot 1 the destination, slot 2 the bytes left.

/// Command, address bits and dummy cycles of a read in the mode that CTRL is set to, as SPI1 (the
/// quad and dual address modes carry their mode bits as address) or SPI0 sends it.
fn read_command(mode: u32, is_cache: bool) -> (u32, u32, u32) {
    if mode & CTRL_FASTRD_MODE == 0 {
        (0x03, 23, 0)
    } else if mode & CTRL_FREAD_QIO != 0 {
        (0xeb, 31, 4)
    } else if mode & CTRL_FREAD_DIO != 0 {
        if is_cache { (0xbb, 27, 2) } else { (0xbb, 31, 0) }
    } else if mode & CTRL_FREAD_QUAD != 0 {
        (0x6b, 23, 8)
    } else if mode & CTRL_FREAD_DUAL != 0 {
        (0x3b, 23, 8)
    } else {
        (0x0b, 23, 8)
    }
}

/// Sets the user registers of a controller for reads in this mode.
fn prepare_read(call: &mut Call<'_>, base: u32, mode: u32) -> Result<(), Stop> {
    let extra = dummy_plus(call, u32::from(base == SPI1))?;
    let (command, address_bits, dummy) = read_command(mode, base == SPI0);
    let dummy = dummy + extra;
    let phases = USR_MISO | USR_ADDR | if dummy > 0 { USR_DUMMY } else { 0 };
    call.modify(base + USER, USR_MOSI | USR_MISO | USR_ADDR | USR_DUMMY, phases)?;
    call.modify(base + USER1, 0x3f << 26, address_bits << 26)?;
    if dummy > 0 {
        call.modify(base + USER1, 0xff, dummy - 1)?;
    }
    Ok(call.store(base + USER2, COMMAND_BITS_8 | command)?)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_read(uint32_t src, uint32_t *dest, int32_t len)`
fn begin_read(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    let mode = call.load(SPI1 + CTRL)?;
    prepare_read(call, SPI1, mode)?;
    let (src, len) = (call.get(0), call.get(2));
    let size = Chip::load(call)?.chip_size;
    let is_inside = src.checked_add(len).is_some_and(|end| end <= size);
    Ok(if is_inside && len as i32 >= 0 { Outcome::Next } else { REFUSED })
}

fn next_read(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.get(2) == 0 {
        return Ok(OK);
    }
    call.store(SPI1 + MISO_DLEN, READ_CHUNK * 8 - 1)?;
    call.store(SPI1 + ADDR, call.get(0) << 8)?;
    call.store(SPI1 + CMD, CMD_USR)?;
    Ok(Outcome::Next)
}

/// Whole words are delivered, also at the end, as the ROM does.
fn end_read(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if !command_is_done(call)? {
        return Ok(Outcome::Again);
    }
    let n = READ_CHUNK.min(call.get(2));
    let words = n.div_ceil(4);
    for i in 0..words {
        let word = call.load(SPI1 + W0 + 4 * i)?;
        call.write(call.get(1).wrapping_add(4 * i), &word.to_le_bytes())?;
    }
    call.charge(4 * u64::from(words));
    call.add(0, n);
    call.add(1, n);
    call.set(2, call.get(2) - n);
    Ok(Outcome::Back(1))
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_config_readmode(esp_rom_spiflash_read_mode_t mode)`:
/// 0 QIO, 1 QOUT, 2 DIO, 3 DOUT, 4 fast read, 5 slow read.
fn config_readmode(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mode = match call.get(0) {
        0 => CTRL_FREAD_QIO | CTRL_FASTRD_MODE,
        1 => CTRL_FREAD_QUAD | CTRL_FASTRD_MODE,
        2 => CTRL_FREAD_DIO | CTRL_FASTRD_MODE,
        3 => CTRL_FREAD_DUAL | CTRL_FASTRD_MODE,
        4 => CTRL_FASTRD_MODE,
        _ => 0,
    };
    call.modify(SPI1 + CTRL, CTRL_MODES, mode)?;
    call.modify(SPI0 + CTRL, CTRL_MODES, mode)?;
    prepare_read(call, SPI0, mode)?;
    call.charge(80);
    Ok(OK)
}

/// The CLOCK register for a divider of the APB clock.
fn clock_register(divider: u32) -> u32 {
    match divider {
        0 | 1 => 1 << 31,
        n => {
            let n = n.min(64);
            (n - 1) << 12 | (n / 2 - 1) << 6 | (n - 1)
        }
    }
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_config_clk(uint8_t divider, uint8_t spi)`
fn config_clk(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let base = if call.get(1) == 0 { SPI0 } else { SPI1 };
    call.store(base + CLOCK, clock_register(call.get(0) & 0xff))?;
    call.charge(30);
    Ok(OK)
}

/// `esp_rom_spiflash_result_t esp_rom_spiflash_config_param(uint32_t id, uint32_t chip_size,
/// uint32_t block_size, uint32_t sector_size, uint32_t page_size, uint32_t status_mask)`
fn config_param(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    for slot in 0..6 {
        call.store(FLASH_CHIP + 4 * slot as u32, call.get(slot))?;
    }
    call.charge(20);
    Ok(OK)
}

/// `void esp_rom_spiflash_attach(uint32_t spiconfig, bool legacy)`: connects the pins and sets both
/// controllers to slow single-line reads at a quarter of the APB clock. `legacy`, a one-line chip
/// without status commands, makes no difference.
fn attach(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let config = call.get(0);
    attach_flash(call, config)?;
    Ok(Outcome::Void)
}

/// What [`attach`] does, also at boot.
pub(in crate::rom) fn attach_flash(call: &mut Call<'_>, config: u32) -> Result<(), Stop> {
    pins::select_flash_pins(call, config)?;
    for base in [SPI1, SPI0] {
        call.modify(base + CTRL, CTRL_MODES, 0)?;
        call.store(base + CLOCK, clock_register(4))?;
        call.modify(base + USER, USR_COMMAND, USR_COMMAND)?;
        prepare_read(call, base, 0)?;
    }
    call.charge(400);
    Ok(())
}

/// Bytes that one transaction reads.
pub(in crate::rom) const LINE: u32 = READ_CHUNK;

/// Wakes a chip up that may be in deep power-down.
pub(in crate::rom) fn start_release(call: &mut Call<'_>) -> Result<(), Stop> {
    Ok(call.store(SPI1 + CMD, CMD_RES)?)
}

/// Starts to read [`LINE`] bytes, in the mode that [`attach_flash`] has set.
pub(in crate::rom) fn start_line(call: &mut Call<'_>, at: u32) -> Result<(), Stop> {
    call.store(SPI1 + MISO_DLEN, LINE * 8 - 1)?;
    call.store(SPI1 + ADDR, at << 8)?;
    Ok(call.store(SPI1 + CMD, CMD_USR)?)
}

/// The bytes that have come.
pub(in crate::rom) fn take_line(call: &mut Call<'_>) -> Result<[u8; LINE as usize], Stop> {
    Ok(call.bytes(SPI1 + W0)?)
}

/// Sets the clock of both controllers.
pub(in crate::rom) fn set_clock(call: &mut Call<'_>, divider: u32) -> Result<(), Stop> {
    call.store(SPI1 + CLOCK, clock_register(divider))?;
    Ok(call.store(SPI0 + CLOCK, clock_register(divider))?)
}

/// `void esp_rom_spiflash_select_qio_pins(uint8_t wp_gpio, uint32_t spiconfig)`
fn select_qio_pins(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (wp, config) = (call.get(0) & 0xff, call.get(1));
    pins::select_qio_pins(call, wp, config)?;
    call.charge(100);
    Ok(Outcome::Void)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{Access, DRAM, FakeGuest, Random};
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    /// A flash chip behind SPI1 that is busy for some looks at its status.
    struct Flash {
        data: Vec<u8>,
        is_enabled: bool,
        status: u32,
        busy: u32,
        command_delay: u32,
    }

    impl Flash {
        fn write(&mut self, registers: &mut BTreeMap<u32, u32>, command: u32) {
            let get = |r: u32| registers.get(&(SPI1 + r)).copied().unwrap_or(0);
            let at = (get(ADDR) & 0xff_ffff) as usize;
            assert!(self.busy == 0 || command == CMD_RDSR, "command {command:#x} while busy");
            let is_change = command & (CMD_PP | CMD_SE | CMD_BE | CMD_CE | CMD_WRSR) != 0;
            assert!(!is_change || self.is_enabled, "change without write enable");
            self.command_delay = 3;
            match command {
                CMD_WREN => self.is_enabled = true,
                CMD_RDSR => {
                    let wel = if self.is_enabled { STATUS_WEL } else { 0 };
                    let status = self.status & 0xfc | wel | u32::from(self.busy > 0);
                    self.busy = self.busy.saturating_sub(1);
                    registers.insert(SPI1 + RD_STATUS, status);
                    return;
                }
                CMD_WRSR => self.status = get(RD_STATUS),
                CMD_PP => {
                    let n = (get(ADDR) >> 24) as usize;
                    assert!(n <= 32 && at / 256 == (at + n - 1) / 256, "page crossed");
                    for i in 0..n {
                        self.data[at + i] &= (get(W0 + (i as u32 & !3)) >> (8 * (i & 3))) as u8;
                    }
                }
                CMD_SE => self.data[at..at + 0x1000].fill(0xff),
                CMD_BE => self.data[at..at + 0x1_0000].fill(0xff),
                CMD_CE => self.data.fill(0xff),
                CMD_USR => {
                    let opcode = get(USER2) & 0xff;
                    let at = (get(ADDR) >> 8) as usize;
                    let bytes: Vec<u8> = match opcode {
                        0x35 => vec![(self.status >> 8) as u8],
                        0x9f => vec![0xc8],
                        _ => self.data.iter().cycle().skip(at).take(64).copied().collect(),
                    };
                    for (i, byte) in bytes.chunks(4).enumerate() {
                        let mut word = [0; 4];
                        word[..byte.len()].copy_from_slice(byte);
                        registers.insert(SPI1 + W0 + 4 * i as u32, u32::from_le_bytes(word));
                    }
                    return;
                }
                other => panic!("command {other:#x}"),
            }
            if is_change {
                (self.is_enabled, self.busy) = (false, 4);
            }
        }
    }

    fn guest(budget: u32) -> (FakeGuest, Rc<RefCell<Flash>>) {
        let data = (0..0x4_0000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let flash = Flash { data, is_enabled: false, status: 0x0200, busy: 0, command_delay: 0 };
        let flash = Rc::new(RefCell::new(flash));
        let mut guest = FakeGuest::new(budget);
        let chip = Rc::clone(&flash);
        guest.on_register(move |registers, access| match access {
            Access::Write(address, command) if address == SPI1 + CMD => {
                chip.borrow_mut().write(registers, command);
            }
            Access::Read(address) if address == SPI1 + CMD => {
                let mut chip = chip.borrow_mut();
                chip.command_delay = chip.command_delay.saturating_sub(1);
                if chip.command_delay == 0 {
                    registers.insert(SPI1 + CMD, 0);
                }
            }
            _ => {}
        });
        let arguments = [0x1640ef, 0x4_0000, 0x1_0000, 0x1000, 0x100, 0xffff];
        assert_eq!(guest.call("esp_rom_spiflash_config_param", &arguments), 0);
        (guest, flash)
    }

    #[test]
    fn reads_programs_and_erases_reach_the_chip_for_every_budget() {
        let mut random = Random::new(9);
        for budget in [1, 13, 64, 100_000] {
            let (mut guest, flash) = guest(budget);
            let (at, n) = (random.below(0x1000) * 4, random.below(200) * 4);
            let mut expected = flash.borrow().data.clone();

            assert_eq!(guest.call("esp_rom_spiflash_read", &[at, DRAM, n]), 0);
            let range = at as usize..(at + n) as usize;
            assert_eq!(guest.get(DRAM, n as usize), expected[range.clone()]);

            let text: Vec<u8> = (0..n).map(|_| random.next() as u8).collect();
            guest.put(DRAM, &text);
            assert_eq!(guest.call("esp_rom_spiflash_write", &[at, DRAM, n]), 0);
            for (old, new) in expected[range].iter_mut().zip(&text) {
                *old &= new;
            }
            assert!(flash.borrow().data == expected);

            assert_eq!(guest.call("esp_rom_spiflash_erase_sector", &[3]), 0);
            expected[0x3000..0x4000].fill(0xff);
            assert_eq!(guest.call("esp_rom_spiflash_erase_block", &[1]), 0);
            expected[0x1_0000..0x2_0000].fill(0xff);
            assert_eq!(guest.call("esp_rom_spiflash_erase_area", &[0xe000, 0x2_2800]), 0);
            expected[0xe000..0x3_1000].fill(0xff);
            assert!(flash.borrow().data == expected);
            assert_eq!(guest.call("esp_rom_spiflash_erase_chip", &[]), 0);
            assert!(flash.borrow().data.iter().all(|&byte| byte == 0xff));
        }
    }

    #[test]
    fn what_reaches_beyond_the_chip_is_refused() {
        let (mut guest, _) = guest(64);
        assert_eq!(guest.call("esp_rom_spiflash_erase_sector", &[64]), 1);
        assert_eq!(guest.call("esp_rom_spiflash_read", &[0x3_fffc, DRAM, 8]), 1);
        assert_eq!(guest.call("esp_rom_spiflash_read", &[0xffff_fffc, DRAM, 8]), 1);
        assert_eq!(guest.call("esp_rom_spiflash_write", &[0x3_fffc, DRAM, 8]), 1);
        assert_eq!(guest.call("esp_rom_spiflash_erase_area", &[1, 8]), 1);
    }

    #[test]
    fn status_and_user_commands_leave_the_registers_as_they_were() {
        for budget in [1, 64] {
            let (mut guest, flash) = guest(budget);
            for (i, register) in [USER, USER1, USER2].into_iter().enumerate() {
                guest.set_register(SPI1 + register, 0x1000_0001 + i as u32);
            }
            assert_eq!(guest.call("esp_rom_spiflash_read_user_cmd", &[DRAM, 0x9f]), 0);
            assert_eq!(guest.word(DRAM), 0xc8);
            assert_eq!(guest.call("esp_rom_spiflash_read_statushigh", &[0, DRAM]), 0);
            assert_eq!(guest.word(DRAM), 0x0200);
            for (i, register) in [USER, USER1, USER2].into_iter().enumerate() {
                assert_eq!(guest.register(SPI1 + register), 0x1000_0001 + i as u32);
            }
            assert_eq!(guest.call("esp_rom_spiflash_enable_write", &[0]), 0);
            assert!(flash.borrow().is_enabled);
            assert_eq!(guest.call("esp_rom_spiflash_read_status", &[0, DRAM]), 0);
            assert_eq!(guest.word(DRAM), STATUS_WEL);
            assert_eq!(guest.call("esp_rom_spiflash_lock", &[]), 0);
            assert_eq!(flash.borrow().status, 0x021c);
        }
    }

    #[test]
    fn clock_and_read_mode_are_set_as_the_manual_encodes_them() {
        let (mut guest, _) = guest(64);
        guest.call("esp_rom_spiflash_config_clk", &[2, 0]);
        assert_eq!(guest.register(SPI0 + CLOCK), 0x1001);
        guest.call("esp_rom_spiflash_config_clk", &[1, 1]);
        assert_eq!(guest.register(SPI1 + CLOCK), 1 << 31);
        guest.call("esp_rom_spiflash_config_readmode", &[2]);
        assert_eq!(guest.register(SPI1 + CTRL), CTRL_FREAD_DIO | CTRL_FASTRD_MODE);
        assert_eq!(guest.register(SPI0 + USER2), COMMAND_BITS_8 | 0xbb);
    }
}
