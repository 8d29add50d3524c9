//! Special registers, and the masks of interrupts.
//!
//! Source: as for `special_registers`.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::held::Held;
use super::{Aside, CCOUNT_OFFSET, EXTERNAL, Emitter, FRAME, LATCHED, PS, REQUESTS};
use crate::cpu::Cpu;
use crate::cpu::code::Op;
use crate::cpu::compiled::frame::Frame;
use crate::cpu::compiled::plain_specials::{plain_special, plain_user};
use crate::cpu::instruction::Opcode;
use crate::cpu::interrupts::{CLEARABLE, EXTERNAL_LEVEL};
use crate::cpu::registers::ps;
use crate::cpu::special_register::sr;

/// Levels up to this one, three, are those of critical sections. Debug events are not masked by them.
const LOW_LEVELS: u32 = 0b11;

/// An offset in the core, seen from `Cpu::a`.
fn from_a(offset: usize) -> i32 {
    offset as i32 - offset_of!(Cpu, a) as i32
}

impl Emitter<'_> {
    pub(super) fn read_special(&mut self, n: usize, op: &Op) {
        if let Some((field, _)) = plain_special(op.imm) {
            dynasm!(self.ops ; .arch x64 ; mov eax, [r15 + from_a(field)]);
            self.put(op.t);
        } else if op.imm == u32::from(sr::INTERRUPT) {
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, [BYTE r15 + EXTERNAL]
                ; and eax, EXTERNAL_LEVEL as i32
                ; or eax, [BYTE r15 + LATCHED]
            );
            self.put(op.t);
        } else if op.imm == u32::from(sr::CCOUNT) {
            // The cycle of this operation, counted back from where the core may run to.
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, [BYTE rbp + frame!(limit)]
                ; sub eax, r14d
                ; add eax, [BYTE r15 + CCOUNT_OFFSET]
                ; add eax, n as i32 - self.len()
            );
            self.put(op.t);
        } else {
            self.by_interpreter(n);
        }
    }

    pub(super) fn write_special(&mut self, n: usize, op: &Op) {
        if let Some((field, Some(kept))) = plain_special(op.imm) {
            let (field, t) = (from_a(field), self.get(op.t));
            if kept == u32::MAX {
                dynasm!(self.ops ; .arch x64 ; mov [r15 + field], Rd(t));
            } else {
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(t)
                    ; and eax, kept as i32
                    ; mov [r15 + field], eax
                );
            }
        } else if op.imm == u32::from(sr::PS) {
            let t = self.get(op.t);
            let from = self.otherwise();
            // Critical sections lie in one another: mostly the level stays.
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, [BYTE r15 + PS]
                ; xor eax, Rd(t)
                ; test eax, (ps::WOE | ps::EXCM | ps::INTLEVEL) as i32
                ; jnz =>from.at
                ; mov eax, Rd(t)
                ; and eax, ps::MASK as i32
                ; mov [BYTE r15 + PS], eax
                ; =>from.back
            );
            self.asides.push(Aside::Level { from, block: self.at, op: n, held: self.held });
        } else if op.imm == u32::from(sr::INTCLEAR) {
            // Nothing is asked for that was not before.
            let t = self.get(op.t);
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, Rd(t)
                ; and eax, CLEARABLE as i32
                ; not eax
                ; and [BYTE r15 + LATCHED], eax
                ; and [BYTE r15 + REQUESTS], eax
            );
        } else if op.imm == u32::from(sr::ACCHI) {
            let t = self.get(op.t);
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, Rd(t)
                ; movsx eax, al
                ; mov [r15 + field!(acc) + 4], eax
            );
        } else {
            self.by_interpreter(n);
        }
    }

    /// RSIL.
    pub(super) fn set_level(&mut self, n: usize, op: &Op) {
        let level = op.imm & ps::INTLEVEL;
        if level & !LOW_LEVELS != 0 {
            return self.by_interpreter(n);
        }
        let from = self.otherwise();
        dynasm!(self.ops
            ; .arch x64
            ; mov eax, [BYTE r15 + PS]
            ; test al, BYTE (ps::INTLEVEL & !LOW_LEVELS) as i8
            ; jnz =>from.at
        );
        // No interrupt follows from a level that is as high as it can have been.
        if level != LOW_LEVELS {
            dynasm!(self.ops ; .arch x64 ; cmp DWORD [BYTE r15 + REQUESTS], BYTE 0 ; jne =>from.at);
        }
        self.put(op.t);
        dynasm!(self.ops
            ; .arch x64
            ; and eax, BYTE !ps::INTLEVEL as i8
            ; or eax, BYTE level as i8
            ; mov [BYTE r15 + PS], eax
            ; =>from.back
        );
        self.asides.push(Aside::Level { from, block: self.at, op: n, held: self.held });
    }

    /// RSIL or WSR.PS, operation `n`, when an interrupt or more may follow; the registers in `held` are as they say
    /// then.
    pub(super) fn look_at_level(&mut self, n: usize, held: &Held) {
        let op = self.source.ops[n];
        let (refused, done) = (self.label(), self.label());
        let t = op.t as i8 * 4;
        let reads_ps = op.opcode == Opcode::Rsil;
        if reads_ps {
            dynasm!(self.ops
                ; .arch x64
                ; mov edx, [BYTE r15 + PS]
                ; mov esi, edx
                ; and edx, !ps::INTLEVEL as i32
                ; or edx, (op.imm & ps::INTLEVEL) as i32
            );
        } else {
            dynasm!(self.ops
                ; .arch x64
                ; mov edx, [BYTE rbx + t]
                ; and edx, ps::MASK as i32
            );
        }
        dynasm!(self.ops
            ; .arch x64
            ; call QWORD [BYTE rbp + frame!(routines.set_ps)]
            ; jc =>refused
        );
        if reads_ps {
            dynasm!(self.ops ; .arch x64 ; mov [BYTE rbx + t], esi);
        }
        self.take_up(held);
        dynasm!(self.ops ; .arch x64 ; jmp =>done ; =>refused);
        self.step(n, held);
        dynasm!(self.ops ; .arch x64 ; =>done);
    }

    pub(super) fn read_user(&mut self, n: usize, op: &Op) {
        let Some(field) = plain_user(op.imm) else { return self.by_interpreter(n) };
        dynasm!(self.ops ; .arch x64 ; mov eax, [r15 + from_a(field)]);
        self.put(op.r);
    }

    pub(super) fn write_user(&mut self, n: usize, op: &Op) {
        let Some(field) = plain_user(op.imm) else { return self.by_interpreter(n) };
        let t = self.get(op.t);
        dynasm!(self.ops ; .arch x64 ; mov [r15 + from_a(field)], Rd(t));
    }

    /// RFE.
    pub(super) fn return_from_exception(&mut self, n: usize) {
        let refused = self.label();
        self.forget();
        dynasm!(self.ops
            ; .arch x64
            ; mov edx, [BYTE r15 + PS]
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
            ; mov eax, [r15 + field!(epc) + 4]
        );
        self.go_to_eax();
        dynasm!(self.ops ; .arch x64 ; =>refused);
        self.step(n, &Held::default());
        self.ended = true;
    }
}
