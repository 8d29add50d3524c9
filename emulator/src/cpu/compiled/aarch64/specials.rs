//! Special registers, and the masks of interrupts.
//!
//! Source: as for `special_registers`.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::{Emitter, PS, host};
use crate::cpu::Cpu;
use crate::cpu::code::Op;
use crate::cpu::compiled::frame::Frame;
use crate::cpu::compiled::plain_specials::{plain_special, plain_user};
use crate::cpu::exceptions::DEBUG_LEVEL;
use crate::cpu::registers::ps;
use crate::cpu::special_register::sr;

/// Fields of PS that a critical section changes, and that nothing else depends on than which
/// interrupts are taken.
const MASKING: u32 = ps::INTLEVEL | ps::CALLINC | ps::OWB;

impl Emitter<'_> {
    pub(super) fn read_special(&mut self, n: usize, op: &Op) {
        let t = host(op.t);
        if let Some((field, _)) = plain_special(op.imm) {
            emit!(self ; ldr W(t), [x20, field as u32]);
        } else if op.imm == u32::from(sr::CCOUNT) {
            // The cycle of this operation, counted back from where the core may run to.
            emit!(self
                ; ldr w0, [x21, frame!(limit)]
                ; sub w0, w0, w24
                ; ldr w1, [x20, field!(ccount_offset)]
                ; add w0, w0, w1
                ; sub WSP(t), w0, self.len() - n as u32
            );
        } else {
            return self.by_interpreter(n);
        }
        self.made(op.t);
    }

    pub(super) fn write_special(&mut self, n: usize, op: &Op) {
        if let Some((field, Some(kept))) = plain_special(op.imm) {
            let t = self.get(op.t);
            self.constant(0, kept);
            emit!(self ; and w0, W(t), w0 ; str w0, [x20, field as u32]);
        } else if op.imm == u32::from(sr::PS) {
            let t = self.get(op.t);
            let aside = self.otherwise();
            self.constant(2, ps::MASK);
            emit!(self ; and w2, W(t), w2);
            self.set_masks(aside.0);
            self.rejoin(aside, n);
        } else {
            self.by_interpreter(n);
        }
    }

    pub(super) fn read_user(&mut self, n: usize, op: &Op) {
        let Some(field) = plain_user(op.imm) else { return self.by_interpreter(n) };
        emit!(self ; ldr W(host(op.r)), [x20, field as u32]);
        self.made(op.r);
    }

    pub(super) fn write_user(&mut self, n: usize, op: &Op) {
        let Some(field) = plain_user(op.imm) else { return self.by_interpreter(n) };
        let t = self.get(op.t);
        emit!(self ; str W(t), [x20, field as u32]);
    }

    /// RSIL.
    pub(super) fn set_level(&mut self, n: usize, op: &Op) {
        let aside = self.otherwise();
        self.constant(0, op.imm & ps::INTLEVEL);
        emit!(self
            ; ldr w3, [x20, PS]
            ; mov w2, w3
            ; bfi w2, w0, 0, 4
        );
        self.set_masks(aside.0);
        emit!(self ; mov W(host(op.t)), w3);
        self.made(op.t);
        self.rejoin(aside, n);
    }

    /// PS becomes w2, if no interrupt and no debug event can follow; else on at `otherwise`. w3 stays.
    fn set_masks(&mut self, otherwise: DynamicLabel) {
        self.constant(30, !MASKING);
        emit!(self
            ; ldr w0, [x20, PS]
            ; eor w1, w0, w2
            ; tst w1, w30
            ; b.ne =>otherwise
            ; and w0, w0, ps::INTLEVEL
            ; cmp w0, DEBUG_LEVEL
            ; b.hs =>otherwise
            ; and w0, w2, ps::INTLEVEL
            ; cmp w0, DEBUG_LEVEL
            ; b.hs =>otherwise
        );
        emit!(self
            ; ldr w0, [x20, field!(requests)]
            ; and w1, w2, ps::INTLEVEL
            ; ldr x30, [x21, frame!(lines_above)]
            ; ldr w1, [x30, x1, lsl 2]
            ; tst w0, w1
            ; b.ne =>otherwise
            ; str w2, [x20, PS]
        );
    }
}
