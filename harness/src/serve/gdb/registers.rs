//! The registers of an LX6 in the order in which gdb for the ESP32 numbers them.
//!
//! Source: the register map of Espressif's gdb overlay (xtensa-overlays, `xtensa_esp32`), as it is
//! seen from outside in the `g` packets of ESP-IDF's own stub (`esp_gdbstub`,
//! `esp_gdbstub_gdb_regfile_t`) and in OpenOCD's `xtensa-core-esp32.cfg`. The first 105 are the
//! general ones, which travel together; the others are asked for one by one. gdb knows them by its
//! configuration and wants no description from the stub.

use std::num::NonZeroUsize;

use gdbstub::arch::{Arch, RegId, Registers};

/// Physical address registers.
const AR: u16 = 0x0100;
/// Special registers.
const SR: u16 = 0x0200;
/// User registers.
const UR: u16 = 0x0300;
/// Registers in a `g` packet.
const GENERAL: usize = 105;

/// Xtensa's register numbers in the order of gdb's: the first of a run, and how many.
#[rustfmt::skip]
const RUNS: &[(u16, u16)] = &[
    (0x0020, 1),
    (AR, 64),
    (SR, 4),         // lbeg, lend, lcount, sar
    (SR + 0x48, 2),  // windowbase, windowstart
    (SR + 0xb0, 1),  // configid0
    (SR + 0xd0, 1),  // configid1
    (SR + 0xe6, 1),  // ps
    (UR + 0xe7, 1),  // threadptr
    (SR + 0x04, 1),  // br
    (SR + 0x0c, 1),  // scompare1
    (SR + 0x10, 2),  // acclo, acchi
    (SR + 0x20, 4),  // m0 to m3
    (UR + 0xe6, 1),  // expstate
    (UR + 0xea, 3),  // f64r_lo, f64r_hi, f64s
    (0x0030, 16),    // f0 to f15
    (UR + 0xe8, 2),  // fcr, fsr
    // One by one.
    (SR + 0x59, 1),  // mmid
    (SR + 0x60, 2),  // ibreakenable, memctl
    (SR + 0x63, 1),  // atomctl
    (SR + 0x68, 1),  // ddr
    (SR + 0x80, 2),  // ibreaka0, ibreaka1
    (SR + 0x90, 2),  // dbreaka0, dbreaka1
    (SR + 0xa0, 2),  // dbreakc0, dbreakc1
    (SR + 0xb1, 7),  // epc1 to epc7
    (SR + 0xc0, 1),  // depc
    (SR + 0xc2, 6),  // eps2 to eps7
    (SR + 0xd1, 7),  // excsave1 to excsave7
    (SR + 0xe0, 1),  // cpenable
    (SR + 0xe2, 1),  // interrupt
    (SR + 0xe2, 1),  // intset
    (SR + 0xe3, 1),  // intclear
    (SR + 0xe4, 1),  // intenable
    (SR + 0xe7, 1),  // vecbase
    (SR + 0xe8, 1),  // exccause
    (SR + 0xe9, 1),  // debugcause
    (SR + 0xea, 1),  // ccount
    (SR + 0xeb, 1),  // prid
    (SR + 0xec, 3),  // icount, icountlevel, excvaddr
    (SR + 0xf0, 3),  // ccompare0 to ccompare2
    (SR + 0xf4, 4),  // misc0 to misc3
    (0x0000, 16),    // a0 to a15
];

/// Xtensa's number of gdb's register `id`.
fn number(id: usize) -> Option<u16> {
    let mut left = u16::try_from(id).ok()?;
    for &(first, count) in RUNS {
        match left.checked_sub(count) {
            None => return Some(first + left),
            Some(rest) => left = rest,
        }
    }
    None
}

/// Xtensa's numbers of the general registers.
pub(super) fn general() -> impl Iterator<Item = u16> {
    (0..GENERAL).map_while(number)
}

/// The LX6 for `gdbstub`.
#[derive(Debug)]
pub(super) enum Lx6 {}

impl Arch for Lx6 {
    type Usize = u32;
    type Registers = General;
    type BreakpointKind = usize;
    type RegId = Number;
}

/// A register by Xtensa's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(pub(super) u16);

impl RegId for Number {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        Some((Self(number(id)?), NonZeroUsize::new(4)))
    }
}

/// Values of the general registers; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct General(pub(super) Vec<Option<u32>>);

impl Default for General {
    fn default() -> Self {
        Self(vec![None; GENERAL])
    }
}

impl Registers for General {
    type ProgramCounter = u32;

    fn pc(&self) -> u32 {
        self.0.first().copied().flatten().unwrap_or(0)
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        for value in &self.0 {
            match value {
                Some(value) => value.to_le_bytes().map(Some).into_iter().for_each(&mut write_byte),
                None => [None; 4].into_iter().for_each(&mut write_byte),
            }
        }
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let (words, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || words.len() > GENERAL {
            return Err(());
        }
        for (value, word) in self.0.iter_mut().zip(words) {
            *value = Some(u32::from_le_bytes(*word));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_overlay() {
        // Picked from OpenOCD's list, by position.
        let known = [
            (0, 0x0020),
            (1, 0x0100),
            (64, 0x013f),
            (65, 0x0200),
            (69, 0x0248),
            (73, 0x02e6),
            (74, 0x03e7),
            (83, 0x03e6),
            (87, 0x0030),
            (104, 0x03e9),
            (105, 0x0259),
            (116, 0x02b1),
            (123, 0x02c0),
            (129, 0x02c7),
            (137, 0x02e0),
            (145, 0x02ea),
            (149, 0x02ee),
            (157, 0x0000),
        ];
        for (id, expected) in known {
            assert_eq!(number(id), Some(expected), "{id}");
        }
        assert_eq!((number(172), number(173), number(usize::MAX)), (Some(0x000f), None, None));
    }
}
