//! Single-precision floating point.
//!
//! Source: as for `execute::float`, whose results these are.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::{BR, Emitter, Width, host};
use crate::cpu::Cpu;
use crate::cpu::code::{Field, Op};
use crate::cpu::instruction::Opcode;

/// Where floating-point register `n` is.
fn float(n: Field) -> u32 {
    field!(f) + 4 * n as u32
}

impl Emitter<'_> {
    /// The host's arithmetic rounds to nearest; with the FPU off or another rounding the interpreter
    /// does it.
    fn float_guard(&mut self, otherwise: DynamicLabel, rounds: bool) {
        emit!(self ; ldr w0, [x20, field!(cpenable)] ; tst w0, 1 ; b.eq =>otherwise);
        if rounds {
            emit!(self ; ldr w0, [x20, field!(fcr)] ; tst w0, 3 ; b.ne =>otherwise);
        }
    }

    /// LSI and SSI on the memory near by.
    pub(super) fn float_access(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        let at = aside.0;
        self.float_guard(at, false);
        if op.opcode == Opcode::Lsi {
            self.near_offset(op, Width::Word, at);
            emit!(self ; ldr w1, [x22, x0] ; str w1, [x20, float(op.t)]);
        } else {
            self.near_store_offset(op, Width::Word, at);
            emit!(self ; ldr w1, [x20, float(op.t)] ; str w1, [x22, x0]);
        }
        self.rejoin(aside, n);
    }

    /// A NaN as a result is the interpreter's, which knows which one the chip gives.
    pub(super) fn float_arithmetic(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        let at = aside.0;
        self.float_guard(at, true);
        emit!(self ; ldr s0, [x20, float(op.s)] ; ldr s1, [x20, float(op.t)]);
        if matches!(op.opcode, Opcode::MaddS | Opcode::MsubS) {
            emit!(self ; ldr s2, [x20, float(op.r)]);
        }
        match op.opcode {
            Opcode::AddS => emit!(self ; fadd s0, s0, s1),
            Opcode::SubS => emit!(self ; fsub s0, s0, s1),
            Opcode::MulS => emit!(self ; fmul s0, s0, s1),
            Opcode::MaddS => emit!(self ; fmadd s0, s0, s1, s2),
            _ => emit!(self ; fmsub s0, s0, s1, s2),
        }
        emit!(self ; fcmp s0, s0 ; b.vs =>at ; str s0, [x20, float(op.r)]);
        self.rejoin(aside, n);
    }

    pub(super) fn float_comparison(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        self.float_guard(aside.0, false);
        emit!(self
            ; ldr s0, [x20, float(op.s)]
            ; ldr s1, [x20, float(op.t)]
            ; fcmp s0, s1
        );
        // Unordered sets C and V, and clears N and Z.
        match op.opcode {
            Opcode::OeqS => emit!(self ; cset w0, eq),
            Opcode::OltS => emit!(self ; cset w0, mi),
            Opcode::OleS => emit!(self ; cset w0, ls),
            Opcode::UnS => emit!(self ; cset w0, vs),
            Opcode::UeqS => emit!(self ; cset w0, eq ; csinc w0, w0, wzr, vc),
            Opcode::UltS => emit!(self ; cset w0, lt),
            _ => emit!(self ; cset w0, le),
        }
        let bit = op.r as u32;
        emit!(self
            ; ldr w1, [x20, BR]
            ; and w1, w1, !(1 << bit)
            ; orr w1, w1, w0, lsl bit
            ; str w1, [x20, BR]
        );
        self.rejoin(aside, n);
    }

    pub(super) fn float_move(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        self.float_guard(aside.0, false);
        match op.opcode {
            Opcode::Wfr => {
                let s = self.get(op.s);
                emit!(self ; str W(s), [x20, float(op.r)]);
            }
            Opcode::Rfr => {
                emit!(self ; ldr W(host(op.r)), [x20, float(op.s)]);
                self.made(op.r);
            }
            opcode => {
                emit!(self ; ldr w0, [x20, float(op.s)]);
                match opcode {
                    Opcode::AbsS => emit!(self ; and w0, w0, 0x7fff_ffff),
                    Opcode::NegS => emit!(self ; eor w0, w0, 0x8000_0000),
                    _ => {}
                }
                emit!(self ; str w0, [x20, float(op.r)]);
            }
        }
        self.rejoin(aside, n);
    }

    /// FLOAT.S and TRUNC.S without a scale.
    pub(super) fn float_conversion(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        let at = aside.0;
        self.float_guard(at, true);
        if op.opcode == Opcode::FloatS {
            let s = self.get(op.s);
            emit!(self ; scvtf s0, W(s) ; str s0, [x20, float(op.r)]);
        } else {
            // The interpreter has what does not fit into 32 bits, and NaNs.
            emit!(self
                ; ldr s0, [x20, float(op.s)]
                ; fcmp s0, s0
                ; b.vs =>at
                ; fcvtzs x0, s0
                ; cmp x0, w0, sxtw
                ; b.ne =>at
            );
            self.put(op.r);
        }
        self.rejoin(aside, n);
    }
}
