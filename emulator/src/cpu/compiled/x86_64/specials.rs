//! Special registers, and the masks of interrupts.
//!
//! Source: as for `special_registers`.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::{
    BR, CCOUNT_OFFSET, EXTERNAL, Emitter, INDEX, INTENABLE, LATCHED, LBEG, LCOUNT, LEND, PS, SAR,
    SCOMPARE1, WINDOWBASE,
};
use crate::cpu::Cpu;
use crate::cpu::code::Op;
use crate::cpu::compiled::frame::Frame;
use crate::cpu::exceptions::DEBUG_LEVEL;
use crate::cpu::interrupts::{EXTERNAL_LEVEL, NMI};
use crate::cpu::registers::ps;
use crate::cpu::special_register::sr;
use crate::cpu::special_registers::PRID;

/// Fields of PS that a critical section changes, and that nothing else depends on than which
/// interrupts are taken.
const MASKING: u32 = ps::INTLEVEL | ps::CALLINC | ps::OWB;

/// Where the word of a special register is that RSR reads as it stands, and whether WSR writes it as it
/// stands, too, and nothing follows.
fn plain_special(n: u32) -> Option<(i32, bool)> {
    let word = |field: i32, index: u8| field + 4 * i32::from(index);
    let n = u8::try_from(n).ok()?;
    Some(match n {
        sr::LBEG => (LBEG, false),
        sr::LEND => (LEND, false),
        sr::LCOUNT => (LCOUNT, false),
        sr::SAR => (SAR, false),
        sr::BR => (BR, false),
        sr::SCOMPARE1 => (SCOMPARE1, true),
        sr::M0..=sr::M3 => (word(field!(m), n - sr::M0), true),
        sr::WINDOWBASE => (WINDOWBASE, false),
        sr::EPC1..=sr::EPC7 => (word(field!(epc), n - sr::EPC1 + 1), false),
        sr::DEPC => (field!(depc), false),
        sr::EPS2..=sr::EPS7 => (word(field!(eps), n - sr::EPS2 + 2), false),
        sr::EXCSAVE1..=sr::EXCSAVE7 => (word(field!(excsave), n - sr::EXCSAVE1 + 1), true),
        sr::CPENABLE => (field!(cpenable), false),
        sr::INTENABLE => (INTENABLE, false),
        sr::PS => (PS, false),
        sr::VECBASE => (field!(vecbase), false),
        sr::EXCCAUSE => (field!(exccause), false),
        sr::EXCVADDR => (field!(excvaddr), false),
        sr::MISC0..=sr::MISC3 => (word(field!(misc), n - sr::MISC0), true),
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
                ; test BYTE [rbx + INDEX], BYTE 1
                ; cmovnz eax, ecx
            );
            self.put(op.t);
        } else if op.imm == u32::from(sr::CCOUNT) {
            // The cycle of this operation, counted back from where the core may run to.
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, [rbp + frame!(limit)]
                ; sub eax, r14d
                ; add eax, [rbx + CCOUNT_OFFSET]
                ; add eax, n as i32 - self.len()
            );
            self.put(op.t);
        } else {
            self.by_interpreter(n);
        }
    }

    pub(super) fn write_special(&mut self, n: usize, op: &Op) {
        if let Some((field, true)) = plain_special(op.imm) {
            let t = self.get(op.t);
            dynasm!(self.ops ; .arch x64 ; mov [rbx + field], Rd(t));
        } else if op.imm == u32::from(sr::SAR) {
            let t = self.get(op.t);
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, Rd(t)
                ; and eax, BYTE 0x3f
                ; mov [rbx + SAR], eax
            );
        } else if op.imm == u32::from(sr::PS) {
            let t = self.get(op.t);
            let aside = self.otherwise();
            dynasm!(self.ops
                ; .arch x64
                ; mov edx, Rd(t)
                ; and edx, ps::MASK as i32
            );
            self.forget();
            self.set_masks(aside.0);
            self.rejoin(aside, n);
        } else {
            self.by_interpreter(n);
        }
    }

    /// RSIL.
    pub(super) fn set_level(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        dynasm!(self.ops
            ; .arch x64
            ; mov edx, [rbx + PS]
            ; and edx, !ps::INTLEVEL as i32
            ; or edx, (op.imm & ps::INTLEVEL) as i32
            ; mov esi, [rbx + PS]
        );
        self.forget();
        self.set_masks(aside.0);
        dynasm!(self.ops ; .arch x64 ; mov eax, esi);
        self.put(op.t);
        self.rejoin(aside, n);
    }

    /// PS becomes edx, if no interrupt and no debug event can follow; else on at `otherwise`.
    fn set_masks(&mut self, otherwise: DynamicLabel) {
        dynasm!(self.ops
            ; .arch x64
            ; mov eax, [rbx + PS]
            ; mov ecx, eax
            ; xor ecx, edx
            ; test ecx, !MASKING as i32
            ; jnz =>otherwise
            ; and eax, BYTE ps::INTLEVEL as i8
            ; cmp eax, DEBUG_LEVEL as i32
            ; jae =>otherwise
            ; mov eax, edx
            ; and eax, BYTE ps::INTLEVEL as i8
            ; cmp eax, DEBUG_LEVEL as i32
            ; jae =>otherwise
            ; mov eax, [rbx + EXTERNAL]
            ; and eax, EXTERNAL_LEVEL as i32
            ; or eax, [rbx + LATCHED]
            ; mov ecx, [rbx + INTENABLE]
            ; or ecx, NMI as i32
            ; and eax, ecx
            ; mov ecx, edx
            ; and ecx, BYTE ps::INTLEVEL as i8
            ; mov rdi, [rbp + frame!(lines_above)]
            ; test eax, [rdi + rcx * 4]
            ; jnz =>otherwise
            ; mov [rbx + PS], edx
        );
    }
}
