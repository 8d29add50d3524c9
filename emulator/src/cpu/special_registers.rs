//! RSR, WSR, XSR, RUR and WUR: what each register holds and what writing it does.
//!
//! Source: Xtensa ISA Reference Manual, chapter "Special Registers"; the configuration words are
//! those of the ESP32 (Technical Reference Manual; read on silicon by many debuggers).
//! Not modelled: MEMCTL, ATOMCTL and MMID keep what is written and nothing follows.

use super::Cpu;
use super::bus::Bus;
use super::special_register::{sr, ur};

/// PRID of PRO_CPU and APP_CPU.
pub(super) const PRID: [u32; 2] = [0xcdcd, 0xabab];
const CONFIGID0: u32 = 0xc2bc_fffe;
const CONFIGID1: u32 = 0x1cc5_fe96;

impl Cpu {
    /// The value of special register `n` at `cycle`; `None` if it cannot be read.
    pub(super) fn read_special(&self, n: u32, cycle: u64) -> Option<u32> {
        let n = u8::try_from(n).ok()?;
        Some(match n {
            sr::LBEG => self.lbeg,
            sr::LEND => self.lend,
            sr::LCOUNT => self.lcount,
            sr::SAR => self.sar,
            sr::BR => self.br,
            sr::LITBASE => 0,
            sr::SCOMPARE1 => self.scompare1,
            sr::ACCLO => self.acc as u32,
            sr::ACCHI => (self.acc >> 32) as u32,
            sr::M0..=sr::M3 => self.m[usize::from(n - sr::M0)],
            sr::WINDOWBASE => self.windowbase,
            sr::WINDOWSTART => u32::from(self.windowstart()),
            sr::IBREAKENABLE => self.ibreakenable,
            sr::MEMCTL => self.memctl,
            sr::ATOMCTL => self.atomctl,
            sr::DDR => self.ddr,
            sr::IBREAKA0..=sr::IBREAKA1 => self.ibreaka[usize::from(n - sr::IBREAKA0)],
            sr::DBREAKA0..=sr::DBREAKA1 => self.dbreaka[usize::from(n - sr::DBREAKA0)],
            sr::DBREAKC0..=sr::DBREAKC1 => self.dbreakc[usize::from(n - sr::DBREAKC0)],
            sr::CONFIGID0 => CONFIGID0,
            sr::EPC1..=sr::EPC7 => self.epc[usize::from(n - sr::EPC1) + 1],
            sr::DEPC => self.depc,
            sr::EPS2..=sr::EPS7 => self.eps[usize::from(n - sr::EPS2) + 2],
            sr::CONFIGID1 => CONFIGID1,
            sr::EXCSAVE1..=sr::EXCSAVE7 => self.excsave[usize::from(n - sr::EXCSAVE1) + 1],
            sr::CPENABLE => self.cpenable,
            sr::INTERRUPT => self.interrupt(),
            sr::INTENABLE => self.intenable,
            sr::PS => self.ps,
            sr::VECBASE => self.vecbase,
            sr::EXCCAUSE => self.exccause,
            sr::DEBUGCAUSE => self.debugcause,
            sr::CCOUNT => self.ccount(cycle),
            sr::PRID => self.prid,
            sr::ICOUNT => self.icount,
            sr::ICOUNTLEVEL => self.icountlevel,
            sr::EXCVADDR => self.excvaddr,
            sr::CCOMPARE0..=sr::CCOMPARE2 => self.ccompare[usize::from(n - sr::CCOMPARE0)],
            sr::MISC0..=sr::MISC3 => self.misc[usize::from(n - sr::MISC0)],
            _ => return None,
        })
    }

    /// Writes special register `n` at `cycle`; false if it cannot be written.
    pub(super) fn write_special<B: Bus>(
        &mut self,
        n: u32,
        value: u32,
        cycle: u64,
        bus: &mut B,
    ) -> bool {
        let Ok(n) = u8::try_from(n) else { return false };
        match n {
            sr::LBEG => self.lbeg = value,
            sr::LEND => self.lend = value,
            sr::LCOUNT => self.lcount = value,
            sr::SAR => self.sar = value & 0x3f,
            sr::BR => self.br = value & 0xffff,
            sr::LITBASE | sr::MMID | sr::CONFIGID0 => {}
            sr::SCOMPARE1 => self.scompare1 = value,
            sr::ACCLO => self.acc = self.acc >> 32 << 32 | i64::from(value),
            sr::ACCHI => {
                self.acc = i64::from(value as u8 as i8) << 32 | self.acc & 0xffff_ffff;
            }
            sr::M0..=sr::M3 => self.m[usize::from(n - sr::M0)] = value,
            sr::WINDOWBASE => self.set_windowbase(value),
            sr::WINDOWSTART => self.set_windowstart(value as u16),
            sr::IBREAKENABLE => {
                self.ibreakenable = value & 3;
                self.move_ibreaks();
            }
            sr::MEMCTL => self.memctl = value,
            sr::ATOMCTL => self.atomctl = value,
            sr::DDR => self.ddr = value,
            sr::IBREAKA0..=sr::IBREAKA1 => {
                self.ibreaka[usize::from(n - sr::IBREAKA0)] = value;
                self.move_ibreaks();
            }
            sr::DBREAKA0..=sr::DBREAKA1 => {
                self.dbreaka[usize::from(n - sr::DBREAKA0)] = value;
                self.move_watchpoints(bus);
            }
            sr::DBREAKC0..=sr::DBREAKC1 => {
                self.dbreakc[usize::from(n - sr::DBREAKC0)] = value;
                self.move_watchpoints(bus);
            }
            sr::EPC1..=sr::EPC7 => self.epc[usize::from(n - sr::EPC1) + 1] = value,
            sr::DEPC => self.depc = value,
            sr::EPS2..=sr::EPS7 => self.eps[usize::from(n - sr::EPS2) + 2] = value,
            sr::EXCSAVE1..=sr::EXCSAVE7 => {
                self.excsave[usize::from(n - sr::EXCSAVE1) + 1] = value;
            }
            sr::CPENABLE => self.cpenable = value & 0xff,
            sr::INTSET => self.set_software_interrupts(value),
            sr::INTCLEAR => self.clear_interrupts(value),
            sr::INTENABLE => self.set_intenable(value),
            sr::PS => self.set_ps(value),
            sr::VECBASE => self.vecbase = value & !0x3ff,
            sr::EXCCAUSE => self.exccause = value & 0x3f,
            sr::DEBUGCAUSE => self.debugcause = value,
            sr::CCOUNT => self.set_ccount(value, cycle + 1),
            sr::ICOUNT => self.icount = value,
            sr::ICOUNTLEVEL => {
                self.icountlevel = value & 0xf;
            }
            sr::EXCVADDR => self.excvaddr = value,
            sr::CCOMPARE0..=sr::CCOMPARE2 => {
                self.set_ccompare(usize::from(n - sr::CCOMPARE0), value, cycle);
            }
            sr::MISC0..=sr::MISC3 => self.misc[usize::from(n - sr::MISC0)] = value,
            _ => return false,
        }
        true
    }

    /// FCR and FSR belong to the FPU and are out of reach while it is disabled.
    pub(super) fn user_register_is_off(&self, n: u32) -> bool {
        self.cpenable & 1 == 0 && matches!(u8::try_from(n), Ok(ur::FCR | ur::FSR))
    }

    /// The value of user register `n`.
    pub(super) fn read_user(&self, n: u32) -> Option<u32> {
        Some(match u8::try_from(n).ok()? {
            ur::EXPSTATE => 0,
            ur::THREADPTR => self.threadptr,
            ur::FCR => self.fcr,
            ur::FSR => self.fsr,
            ur::F64R_LO => self.f64r[0],
            ur::F64R_HI => self.f64r[1],
            ur::F64S => self.f64r[2],
            _ => return None,
        })
    }

    /// Writes user register `n`; false if it does not exist.
    pub(super) fn write_user(&mut self, n: u32, value: u32) -> bool {
        match u8::try_from(n) {
            Ok(ur::EXPSTATE) => {}
            Ok(ur::THREADPTR) => self.threadptr = value,
            Ok(ur::FCR) => self.fcr = value & 0x7f,
            Ok(ur::FSR) => self.fsr = value & 0xf80,
            Ok(ur::F64R_LO) => self.f64r[0] = value,
            Ok(ur::F64R_HI) => self.f64r[1] = value,
            Ok(ur::F64S) => self.f64r[2] = value,
            _ => return false,
        }
        true
    }
}
