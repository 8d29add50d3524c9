//! Single-precision floating point.
//!
//! Source: as for `execute::float`, whose results these are.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::{BR, CPENABLE, Emitter, FCR, Width};
use crate::cpu::Cpu;
use crate::cpu::code::{Field, Op};
use crate::cpu::instruction::Opcode;

/// Where floating-point register `n` is.
fn float(n: Field) -> i32 {
    field!(f) + 4 * n as i32
}

impl Emitter<'_> {
    /// The host's arithmetic rounds to nearest; with the FPU off or another rounding the interpreter
    /// does it.
    fn float_guard(&mut self, otherwise: DynamicLabel, rounds: bool) {
        dynasm!(self.ops
            ; .arch x64
            ; test BYTE [BYTE r15 + CPENABLE], BYTE 1
            ; jz =>otherwise
        );
        if rounds {
            dynasm!(self.ops
                ; .arch x64
                ; test BYTE [BYTE r15 + FCR], BYTE 3
                ; jnz =>otherwise
            );
        }
    }

    /// LSI and SSI on the memory near by.
    pub(super) fn float_access(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        let at = aside.at;
        self.float_guard(at, false);
        self.near_offset(op.s, op.imm);
        if op.opcode == Opcode::Lsi {
            dynasm!(self.ops
                ; .arch x64
                ; cmp eax, self.source.near.length as i32 - 4
                ; ja =>at
                ; mov ecx, [r12 + rax]
                ; mov [r15 + float(op.t)], ecx
            );
        } else {
            self.near_store_guard(at, Width::Word);
            dynasm!(self.ops
                ; .arch x64
                ; mov ecx, [r15 + float(op.t)]
                ; mov [r12 + rax * 4], ecx
            );
        }
        self.rejoin(aside, n);
    }

    /// A NaN as a result is the interpreter's, which knows which one the chip gives.
    pub(super) fn float_arithmetic(&mut self, n: usize, op: &Op) {
        let fused = matches!(op.opcode, Opcode::MaddS | Opcode::MsubS);
        if fused && !is_x86_feature_detected!("fma") {
            return self.by_interpreter(n);
        }
        let aside = self.otherwise();
        let at = aside.at;
        self.float_guard(at, true);
        let (r, s, t) = (float(op.r), float(op.s), float(op.t));
        dynasm!(self.ops ; .arch x64 ; movss xmm0, [r15 + s] ; movss xmm1, [r15 + t]);
        match op.opcode {
            Opcode::AddS => dynasm!(self.ops ; .arch x64 ; addss xmm0, xmm1),
            Opcode::SubS => dynasm!(self.ops ; .arch x64 ; subss xmm0, xmm1),
            Opcode::MulS => dynasm!(self.ops ; .arch x64 ; mulss xmm0, xmm1),
            Opcode::MaddS => {
                dynasm!(self.ops ; .arch x64 ; vfmadd213ss xmm0, xmm1, DWORD [r15 + r])
            }
            _ => dynasm!(self.ops ; .arch x64 ; vfnmadd213ss xmm0, xmm1, DWORD [r15 + r]),
        }
        dynasm!(self.ops
            ; .arch x64
            ; ucomiss xmm0, xmm0
            ; jp =>at
            ; movss [r15 + r], xmm0
        );
        self.rejoin(aside, n);
    }

    pub(super) fn float_comparison(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        self.float_guard(aside.at, false);
        let (s, t) = (float(op.s), float(op.t));
        // "Less" is "greater" the other way round: only that is false for a NaN.
        let (left, right) = match op.opcode {
            Opcode::OltS | Opcode::OleS => (t, s),
            _ => (s, t),
        };
        dynasm!(self.ops
            ; .arch x64
            ; movss xmm0, [r15 + left]
            ; ucomiss xmm0, DWORD [r15 + right]
        );
        match op.opcode {
            Opcode::OeqS => {
                dynasm!(self.ops ; .arch x64 ; sete al ; setnp cl ; and al, cl)
            }
            Opcode::OltS => dynasm!(self.ops ; .arch x64 ; seta al),
            Opcode::OleS => dynasm!(self.ops ; .arch x64 ; setae al),
            Opcode::UnS => dynasm!(self.ops ; .arch x64 ; setp al),
            Opcode::UeqS => dynasm!(self.ops ; .arch x64 ; sete al),
            Opcode::UltS => dynasm!(self.ops ; .arch x64 ; setb al),
            _ => dynasm!(self.ops ; .arch x64 ; setbe al),
        }
        let bit = op.r as i8;
        dynasm!(self.ops
            ; .arch x64
            ; movzx eax, al
            ; shl eax, BYTE bit
            ; mov ecx, [BYTE r15 + BR]
            ; and ecx, !(1 << bit as i32)
            ; or ecx, eax
            ; mov [BYTE r15 + BR], ecx
        );
        self.rejoin(aside, n);
    }

    pub(super) fn float_move(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        self.float_guard(aside.at, false);
        match op.opcode {
            Opcode::Wfr => {
                let s = self.get(op.s);
                dynasm!(self.ops ; .arch x64 ; mov [r15 + float(op.r)], Rd(s));
            }
            Opcode::Rfr => {
                dynasm!(self.ops ; .arch x64 ; mov eax, [r15 + float(op.s)]);
                self.put(op.r);
            }
            opcode => {
                dynasm!(self.ops ; .arch x64 ; mov eax, [r15 + float(op.s)]);
                match opcode {
                    Opcode::AbsS => dynasm!(self.ops ; .arch x64 ; and eax, 0x7fff_ffff),
                    Opcode::NegS => dynasm!(self.ops ; .arch x64 ; xor eax, i32::MIN),
                    _ => {}
                }
                dynasm!(self.ops ; .arch x64 ; mov [r15 + float(op.r)], eax);
            }
        }
        self.rejoin(aside, n);
    }

    /// FLOAT.S and TRUNC.S without a scale.
    pub(super) fn float_conversion(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        let at = aside.at;
        self.float_guard(at, true);
        if op.opcode == Opcode::FloatS {
            let s = self.get(op.s);
            dynasm!(self.ops
                ; .arch x64
                ; cvtsi2ss xmm0, Rd(s)
                ; movss [r15 + float(op.r)], xmm0
            );
        } else {
            // What does not fit gives this value, and one number that does.
            dynasm!(self.ops
                ; .arch x64
                ; cvttss2si eax, [r15 + float(op.s)]
                ; cmp eax, i32::MIN
                ; je =>at
            );
            self.put(op.r);
        }
        self.rejoin(aside, n);
    }
}
