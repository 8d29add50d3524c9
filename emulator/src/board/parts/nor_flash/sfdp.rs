//! The discoverable parameters (SFDP) of the modelled flash chip.
//!
//! Source: JEDEC JESD216B, "Serial Flash Discoverable Parameters"; figures as in `nor_flash.rs`.
//! Modelled: header and the basic flash parameter table of sixteen words, for any size.
//! Not modelled: vendor tables.

/// Where the basic flash parameter table starts.
const TABLE: usize = 0x80;
const WORDS: usize = 16;

/// The byte at `address` of the SFDP space of a chip of `size` bytes; ones outside the tables.
pub(super) fn byte(size: u32, address: u32) -> u8 {
    const HEADER: [u8; 16] = [
        b'S',
        b'F',
        b'D',
        b'P',
        6,
        1,
        0,
        0xff, // revision 1.6, one parameter header
        0x00,
        6,
        1,
        WORDS as u8,
        TABLE as u8,
        0,
        0,
        0xff, // id FF00: basic table
    ];
    let address = address as usize;
    if let Some(byte) = HEADER.get(address) {
        return *byte;
    }
    match address.checked_sub(TABLE) {
        Some(at) if at < 4 * WORDS => basic_table(size)[at / 4].to_le_bytes()[at % 4],
        _ => 0xff,
    }
}

fn basic_table(size: u32) -> [u32; WORDS] {
    // Typical times are count + 1 times a unit.
    let erase_types = 4 // longest is 2 * (4 + 1) times typical
        | (2 | 1 << 5) << 4    // 4 KiB: 3 * 16 ms
        | (7 | 1 << 5) << 11   // 32 KiB: 8 * 16 ms
        | (9 | 1 << 5) << 18; // 64 KiB: 10 * 16 ms
    let chip_erase_units = (super::chip_erase_time(size).as_millis().div_ceil(4000)).clamp(1, 32);
    let program = 1 // longest is 4 times typical
        | 8 << 4               // pages of 2^8 bytes
        | (10 | 1 << 5) << 8   // page: 11 * 64 us
        | (3 | 1 << 4) << 14   // first byte: 4 * 8 us
        | 2 << 19              // each further byte: 3 us
        | ((chip_erase_units as u32 - 1) | 2 << 5) << 24 // chip erase in 4 s
        | 1 << 31;
    let suspend = 1 << 8 | (19 | 1 << 5) << 13 | (19 | 1 << 5) << 24; // 20 us either way
    [
        0xfff1_20e5, // 4 KiB erase 20, 1-1-2, 1-2-2, 1-4-4, 1-1-4, three address bytes
        size.wrapping_mul(8).wrapping_sub(1),
        0x6b08_eb44, // 1-1-4: 8 dummies, 6B; 1-4-4: 4 dummies, 2 mode clocks, EB
        0xbb80_3b08, // 1-2-2: 4 mode clocks, BB; 1-1-2: 8 dummies, 3B
        0xffff_ffee, // neither 2-2-2 nor 4-4-4
        0x0000_ffff,
        0x0000_ffff,
        0x520f_200c, // erase types: 2^12 by 20, 2^15 by 52
        0xff00_d810, // 2^16 by D8
        erase_types,
        program,
        suspend,
        0x757a_757a, // suspend 75, resume 7A
        0x5cd5_a2f7, // deep power-down B9 and AB, 3 us; busy in bit 0 of status 05
        0xff50_0000, // QE is bit 1 of status 2, read by 35, written by 01 with two bytes
        0x0000_1088, // status 06 or 50; reset 66 99; no four-byte addresses
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_points_to_a_table_with_the_density() {
        let space: Vec<u8> = (0..256).map(|at| byte(4 << 20, at)).collect();
        assert_eq!(&space[..4], b"SFDP");
        let table = usize::from(space[12]);
        assert_eq!(usize::from(space[11]), WORDS);
        assert_eq!(space[table + 4..table + 8], 0x01ff_ffff_u32.to_le_bytes());
        assert_eq!(space[table + 4 * WORDS], 0xff);
        assert_eq!(byte(16 << 20, u32::MAX), 0xff);
    }
}
