//! Special registers, and the masks of interrupts.
//!
//! Source: as for `special_registers`.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::{CCOUNT_OFFSET, EXTERNAL, Emitter, FRAME, INDEX, LATCHED, POOL, PS};
use crate::cpu::Cpu;
use crate::cpu::code::Op;
use crate::cpu::compiled::frame::Frame;
use crate::cpu::interrupts::EXTERNAL_LEVEL;
use crate::cpu::registers::ps;
use crate::cpu::special_register::{sr, ur};
use crate::cpu::special_registers::PRID;

/// Where the word of a special register is that RSR reads as it stands; and if nothing follows from WSR
/// but that it changes, the bits that are kept.
fn plain_special(n: u32) -> Option<(i32, Option<u32>)> {
    const ALL: Option<u32> = Some(u32::MAX);
    let word = |field: i32, index: u8| field + 4 * i32::from(index);
    let n = u8::try_from(n).ok()?;
    Some(match n {
        sr::LBEG => (field!(lbeg), ALL),
        sr::LEND => (field!(lend), ALL),
        sr::LCOUNT => (field!(lcount), ALL),
        sr::SAR => (field!(sar), Some(0x3f)),
        sr::BR => (field!(br), Some(0xffff)),
        sr::SCOMPARE1 => (field!(scompare1), ALL),
        sr::ACCLO => (field!(acc), ALL),
        sr::ACCHI => (field!(acc) + 4, None),
        sr::M0..=sr::M3 => (word(field!(m), n - sr::M0), ALL),
        sr::WINDOWBASE => (field!(windowbase), None),
        sr::EPC1..=sr::EPC7 => (word(field!(epc), n - sr::EPC1 + 1), ALL),
        sr::DEPC => (field!(depc), ALL),
        sr::EPS2..=sr::EPS7 => (word(field!(eps), n - sr::EPS2 + 2), ALL),
        sr::EXCSAVE1..=sr::EXCSAVE7 => (word(field!(excsave), n - sr::EXCSAVE1 + 1), ALL),
        sr::CPENABLE => (field!(cpenable), Some(0xff)),
        sr::INTENABLE => (field!(intenable), None),
        sr::PS => (field!(ps), None),
        sr::VECBASE => (field!(vecbase), Some(!0x3ff)),
        sr::EXCCAUSE => (field!(exccause), Some(0x3f)),
        sr::EXCVADDR => (field!(excvaddr), ALL),
        sr::MISC0..=sr::MISC3 => (word(field!(misc), n - sr::MISC0), ALL),
        _ => return None,
    })
}

impl Emitter<'_> {
    pub(super) fn read_special(&mut self, n: usize, op: &Op) {
        if let Some((field, _)) = plain_special(op.imm) {
            dynasm!(self.ops ; .arch x64 ; mov eax, [rbx + field]);
            self.put(op.t);
        } else if op.imm == u32::from(sr::PRID) {
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, PRID[0] as i32
                ; mov ecx, PRID[1] as i32
                ; test BYTE [BYTE rbx + INDEX], BYTE 1
                ; cmovnz eax, ecx
            );
            self.put(op.t);
        } else if op.imm == u32::from(sr::INTERRUPT) {
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, [BYTE rbx + EXTERNAL]
                ; and eax, EXTERNAL_LEVEL as i32
                ; or eax, [BYTE rbx + LATCHED]
            );
            self.put(op.t);
        } else if op.imm == u32::from(sr::CCOUNT) {
            // The cycle of this operation, counted back from where the core may run to.
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, [BYTE rbp + frame!(limit)]
                ; sub eax, r14d
                ; add eax, [BYTE rbx + CCOUNT_OFFSET]
                ; add eax, n as i32 - self.len()
            );
            self.put(op.t);
        } else {
            self.by_interpreter(n);
        }
    }

    pub(super) fn write_special(&mut self, n: usize, op: &Op) {
        if let Some((field, Some(kept))) = plain_special(op.imm) {
            let t = self.get(op.t);
            if kept == u32::MAX {
                dynasm!(self.ops ; .arch x64 ; mov [rbx + field], Rd(t));
            } else {
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(t)
                    ; and eax, kept as i32
                    ; mov [rbx + field], eax
                );
            }
        } else if op.imm == u32::from(sr::PS) {
            let t = self.get(op.t);
            let aside = self.otherwise();
            dynasm!(self.ops
                ; .arch x64
                ; mov edx, Rd(t)
                ; and edx, ps::MASK as i32
                ; call QWORD [BYTE rbp + frame!(routines.set_ps)]
                ; jc =>aside.0
            );
            self.forget();
            self.rejoin(aside, n);
        } else if op.imm == u32::from(sr::ACCHI) {
            let t = self.get(op.t);
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, Rd(t)
                ; movsx eax, al
                ; mov [rbx + field!(acc) + 4], eax
            );
        } else {
            self.by_interpreter(n);
        }
    }

    /// RSIL.
    pub(super) fn set_level(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        dynasm!(self.ops
            ; .arch x64
            ; mov edx, [BYTE rbx + PS]
            ; and edx, !ps::INTLEVEL as i32
            ; or edx, (op.imm & ps::INTLEVEL) as i32
            ; mov esi, [BYTE rbx + PS]
            ; call QWORD [BYTE rbp + frame!(routines.set_ps)]
            ; jc =>aside.0
            ; mov eax, esi
        );
        self.forget();
        self.put(op.t);
        self.rejoin(aside, n);
    }

    /// Where the word of a user register is that nothing follows from.
    fn plain_user(n: u32) -> Option<i32> {
        Some(match u8::try_from(n).ok()? {
            ur::THREADPTR => field!(threadptr),
            ur::F64R_LO => field!(f64r),
            ur::F64R_HI => field!(f64r) + 4,
            ur::F64S => field!(f64r) + 8,
            _ => return None,
        })
    }

    pub(super) fn read_user(&mut self, n: usize, op: &Op) {
        let Some(field) = Self::plain_user(op.imm) else { return self.by_interpreter(n) };
        dynasm!(self.ops ; .arch x64 ; mov eax, [rbx + field]);
        self.put(op.r);
    }

    pub(super) fn write_user(&mut self, n: usize, op: &Op) {
        let Some(field) = Self::plain_user(op.imm) else { return self.by_interpreter(n) };
        let t = self.get(op.t);
        dynasm!(self.ops ; .arch x64 ; mov [rbx + field], Rd(t));
    }

    /// RFE.
    pub(super) fn return_from_exception(&mut self, n: usize) {
        let refused = self.label();
        self.forget();
        dynasm!(self.ops
            ; .arch x64
            ; mov edx, [BYTE rbx + PS]
            ; and edx, !ps::EXCM as i32
            ; call QWORD [BYTE rbp + frame!(routines.set_ps)]
        );
        self.go_to_epc1_unless(n, refused);
    }

    /// To EPC1, unless the carry flag says that the interpreter has to execute operation `n`, the last
    /// one.
    pub(super) fn go_to_epc1_unless(&mut self, n: usize, refused: DynamicLabel) {
        dynasm!(self.ops
            ; .arch x64
            ; jc =>refused
            ; mov eax, [rbx + field!(epc) + 4]
        );
        self.go_to_eax();
        dynasm!(self.ops ; .arch x64 ; =>refused);
        self.step(n, &[None; POOL.len()]);
        self.ended = true;
    }
}
