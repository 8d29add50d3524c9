//! Special and user registers that are words of the core.
//!
//! Source: as for `special_registers`.

use std::mem::offset_of;

use super::super::Cpu;
use super::super::special_register::{sr, ur};

/// Where in the core the word of a special register is that RSR reads as it stands; and if nothing
/// follows from WSR but that it changes, the bits that are kept.
pub(super) fn plain_special(n: u32) -> Option<(usize, Option<u32>)> {
    const ALL: Option<u32> = Some(u32::MAX);
    let word = |field: usize, index: u8| field + 4 * usize::from(index);
    let n = u8::try_from(n).ok()?;
    Some(match n {
        sr::LBEG => (offset_of!(Cpu, lbeg), ALL),
        sr::LEND => (offset_of!(Cpu, lend), ALL),
        sr::LCOUNT => (offset_of!(Cpu, lcount), ALL),
        sr::SAR => (offset_of!(Cpu, sar), Some(0x3f)),
        sr::BR => (offset_of!(Cpu, br), Some(0xffff)),
        sr::SCOMPARE1 => (offset_of!(Cpu, scompare1), ALL),
        sr::ACCLO => (offset_of!(Cpu, acc), ALL),
        sr::ACCHI => (offset_of!(Cpu, acc) + 4, None),
        sr::M0..=sr::M3 => (word(offset_of!(Cpu, m), n - sr::M0), ALL),
        sr::WINDOWBASE => (offset_of!(Cpu, windowbase), None),
        sr::EPC1..=sr::EPC7 => (word(offset_of!(Cpu, epc), n - sr::EPC1 + 1), ALL),
        sr::DEPC => (offset_of!(Cpu, depc), ALL),
        sr::EPS2..=sr::EPS7 => (word(offset_of!(Cpu, eps), n - sr::EPS2 + 2), ALL),
        sr::EXCSAVE1..=sr::EXCSAVE7 => (word(offset_of!(Cpu, excsave), n - sr::EXCSAVE1 + 1), ALL),
        sr::CPENABLE => (offset_of!(Cpu, cpenable), Some(0xff)),
        sr::INTENABLE => (offset_of!(Cpu, intenable), None),
        sr::PS => (offset_of!(Cpu, ps), None),
        sr::PRID => (offset_of!(Cpu, prid), None),
        sr::VECBASE => (offset_of!(Cpu, vecbase), Some(!0x3ff)),
        sr::EXCCAUSE => (offset_of!(Cpu, exccause), Some(0x3f)),
        sr::EXCVADDR => (offset_of!(Cpu, excvaddr), ALL),
        sr::CCOMPARE0..=sr::CCOMPARE2 => (word(offset_of!(Cpu, ccompare), n - sr::CCOMPARE0), None),
        sr::MISC0..=sr::MISC3 => (word(offset_of!(Cpu, misc), n - sr::MISC0), ALL),
        _ => return None,
    })
}

/// Where in the core the word of a user register is that nothing follows from.
pub(super) fn plain_user(n: u32) -> Option<usize> {
    Some(match u8::try_from(n).ok()? {
        ur::THREADPTR => offset_of!(Cpu, threadptr),
        ur::F64R_LO => offset_of!(Cpu, f64r),
        ur::F64R_HI => offset_of!(Cpu, f64r) + 4,
        ur::F64S => offset_of!(Cpu, f64r) + 8,
        _ => return None,
    })
}
