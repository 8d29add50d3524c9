//! Cyclic redundancy checks.
//!
//! *Source*: `rom/crc.h` of ESP-IDF for signatures and the complement convention; the polynomials
//! are the standard ones it names.
//! *Modelled*: `crcN_le`, `crcN_be` (register complemented on entry and exit) and `esp_crc8` (not
//! complemented; the check byte of the factory MAC address), long blocks in steps.
//! *Not modelled*: nothing.
//!
//! Cost: 6 cycles per byte, that of a table look-up per byte.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

const COST: u64 = 96;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4005_cfec, "crc32_le", &[begin, crc32_le]),
    entry(0x4005_d024, "crc32_be", &[begin, crc32_be]),
    entry(0x4005_d05c, "crc16_le", &[begin, crc16_le]),
    entry(0x4005_d09c, "crc16_be", &[begin, crc16_be]),
    entry(0x4005_d0e0, "crc8_le", &[begin, crc8_le]),
    entry(0x4005_d114, "crc8_be", &[begin, crc8_be]),
    entry(0x4005_d144, "esp_crc8", &[begin_esp_crc8, esp_crc8]),
];

/// Least significant bit first.
const fn reflected(crc: u32, polynomial: u32) -> u32 {
    let (mut crc, mut bit) = (crc, 0);
    while bit < 8 {
        crc = crc >> 1 ^ if crc & 1 != 0 { polynomial } else { 0 };
        bit += 1;
    }
    crc
}

/// Most significant bit first; the register is kept in the top bits.
const fn straight(crc: u32, polynomial: u32) -> u32 {
    let (mut crc, mut bit) = (crc, 0);
    while bit < 8 {
        crc = crc << 1 ^ if crc >> 31 != 0 { polynomial } else { 0 };
        bit += 1;
    }
    crc
}

const fn table(polynomial: u32, is_reflected: bool) -> [u32; 256] {
    let mut entries = [0; 256];
    let mut i = 0;
    while i < 256 {
        entries[i] = match is_reflected {
            true => reflected(i as u32, polynomial),
            false => straight((i as u32) << 24, polynomial),
        };
        i += 1;
    }
    entries
}

static CRC32_LE: [u32; 256] = table(0xedb8_8320, true);
static CRC16_LE: [u32; 256] = table(0x8408, true);
static CRC8_LE: [u32; 256] = table(0xe0, true);
static ESP_CRC8: [u32; 256] = table(0x8c, true);
static CRC32_BE: [u32; 256] = table(0x04c1_1db7, false);
static CRC16_BE: [u32; 256] = table(0x1021_0000, false);
static CRC8_BE: [u32; 256] = table(0x0700_0000, false);

fn step_reflected(crc: u32, byte: u8, table: &[u32; 256]) -> u32 {
    crc >> 8 ^ table[usize::from(crc as u8 ^ byte)]
}

fn step_straight(crc: u32, byte: u8, table: &[u32; 256]) -> u32 {
    crc << 8 ^ table[usize::from((crc >> 24) as u8 ^ byte)]
}

/// Slot 0 is the working register, complemented.
fn begin(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(8);
    call.set(0, !call.get(0));
    Ok(Outcome::Next)
}

/// Works through slots 1 (pointer) and 2 (length); `shift` puts a narrow straight register to the
/// top of the word and back.
fn run(
    call: &mut Call<'_>,
    shift: u32,
    mask: u32,
    step: impl Fn(u32, u8) -> u32,
) -> Result<Outcome, Stop> {
    while call.get(2) > 0 {
        let n = call.take_bytes(call.get(2), COST);
        let mut buffer = [0; 256];
        call.read(call.get(1), &mut buffer[..n])?;
        let crc = (call.get(0) & mask) << shift;
        let crc = buffer[..n].iter().fold(crc, |crc, &byte| step(crc, byte));
        call.set(0, crc >> shift);
        call.add(1, n as u32);
        call.add(2, (n as u32).wrapping_neg());
        if call.is_spent() && call.get(2) > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(!call.get(0) & mask))
}

/// `uint32_t crc32_le(uint32_t crc, const uint8_t *buf, uint32_t len)`
fn crc32_le(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    run(call, 0, u32::MAX, |crc, byte| step_reflected(crc, byte, &CRC32_LE))
}

/// `uint32_t crc32_be(uint32_t crc, const uint8_t *buf, uint32_t len)`
fn crc32_be(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    run(call, 0, u32::MAX, |crc, byte| step_straight(crc, byte, &CRC32_BE))
}

/// `uint16_t crc16_le(uint16_t crc, const uint8_t *buf, uint32_t len)`
fn crc16_le(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    run(call, 0, 0xffff, |crc, byte| step_reflected(crc, byte, &CRC16_LE))
}

/// `uint16_t crc16_be(uint16_t crc, const uint8_t *buf, uint32_t len)`
fn crc16_be(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    run(call, 16, 0xffff, |crc, byte| step_straight(crc, byte, &CRC16_BE))
}

/// `uint8_t crc8_le(uint8_t crc, const uint8_t *buf, uint32_t len)`
fn crc8_le(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    run(call, 0, 0xff, |crc, byte| step_reflected(crc, byte, &CRC8_LE))
}

/// `uint8_t crc8_be(uint8_t crc, const uint8_t *buf, uint32_t len)`
fn crc8_be(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    run(call, 24, 0xff, |crc, byte| step_straight(crc, byte, &CRC8_BE))
}

/// `uint8_t esp_crc8(const uint8_t *buf, uint32_t len)`: the arguments move up by one, and the
/// register starts as 0, which is the complement of its complement at the end.
fn begin_esp_crc8(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    call.charge(8);
    call.set(2, call.get(1));
    call.set(1, call.get(0));
    call.set(0, 0);
    Ok(Outcome::Next)
}

fn esp_crc8(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match run(call, 0, 0xff, |crc, byte| step_reflected(crc, byte, &ESP_CRC8))? {
        Outcome::Return(complement) => Ok(Outcome::Return(!complement & 0xff)),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{DRAM, FakeGuest};

    #[test]
    fn check_values_of_the_catalogues_come_out_for_every_budget() {
        for budget in [1, 17, 100, 5000] {
            let mut guest = FakeGuest::new(budget);
            guest.put(DRAM, b"123456789");
            for (name, start, expected) in [
                ("crc32_le", 0, 0xcbf4_3926),          // CRC-32/ISO-HDLC
                ("crc32_be", 0, 0xfc89_1918),          // CRC-32/BZIP2
                ("crc16_le", 0, 0x906e),               // CRC-16/IBM-SDLC
                ("crc16_be", 0, 0xd64e),               // CRC-16/GENIBUS
                ("crc8_le", 0, 0xd0 ^ 0xff),           // CRC-8/ROHC, complemented
                ("crc8_be", 0xff, 0xf4 ^ 0xff),        // CRC-8/SMBUS, complemented
                ("crc16_be", 0xffff, 0x31c3 ^ 0xffff), // CRC-16/XMODEM, complemented
            ] {
                assert_eq!(guest.call(name, &[start, DRAM, 9]), expected, "{name}");
            }
            assert_eq!(guest.call("esp_crc8", &[DRAM, 9]), 0xa1, "CRC-8/MAXIM");
            let half = guest.call("crc32_le", &[0, DRAM, 4]);
            assert_eq!(guest.call("crc32_le", &[half, DRAM + 4, 5]), 0xcbf4_3926);
        }
    }
}
