//! Loads and stores.
//!
//! Source: as for `execute`; what is near by is told by [`Near`](crate::cpu::bus::Near).

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::held::Held;
use super::{Aside, Branched, Emitter, FRAME, SCOMPARE1};
use crate::cpu::code::{Field, Op};
use crate::cpu::compiled::Width;
use crate::cpu::compiled::frame::Frame;

impl Emitter<'_> {
    /// eax = `a[s]` + `imm` - the base of the memory near by.
    pub(super) fn near_offset(&mut self, s: Field, imm: u32) {
        let s = self.get(s);
        let offset = imm.wrapping_sub(self.source.near.base) as i32;
        dynasm!(self.ops ; .arch x64 ; lea eax, [Rq(s) + offset]);
    }

    pub(super) fn load(&mut self, n: usize, op: &Op, width: Width) {
        self.near_offset(op.s, op.imm);
        let (at, back) = (self.label(), self.label());
        let (host, held) = self.make_beside(op.t);
        let from = Branched { at, back, held };
        dynasm!(self.ops
            ; .arch x64
            ; cmp eax, self.source.near.length as i32 - width.bytes() as i32
            ; ja =>at
        );
        match width {
            Width::Byte => dynasm!(self.ops ; .arch x64 ; movzx Rd(host), BYTE [r12 + rax]),
            Width::Half => dynasm!(self.ops ; .arch x64 ; movzx Rd(host), WORD [r12 + rax]),
            Width::SignedHalf => dynasm!(self.ops ; .arch x64 ; movsx Rd(host), WORD [r12 + rax]),
            Width::Word => dynasm!(self.ops ; .arch x64 ; mov Rd(host), [r12 + rax]),
        }
        self.made(op.t);
        dynasm!(self.ops ; .arch x64 ; =>back);
        self.asides.push(Aside::Far { from, block: self.at, op: n, held: self.held, width });
    }

    /// The load of operation `n` where memory is not near, and `before` is held; then the registers in
    /// `held` are as they say.
    pub(super) fn load_far(&mut self, n: usize, before: &Held, held: &Held, width: Width) {
        let op = self.source.ops[n];
        let (elsewhere, done) = (self.label(), self.label());
        dynasm!(self.ops
            ; .arch x64
            ; call QWORD [BYTE rbp + frame!(routines.page)]
            ; jz =>elsewhere
        );
        self.held = *held;
        let host = self.make(op.t);
        match width {
            Width::Byte => dynasm!(self.ops ; .arch x64 ; movzx Rd(host), BYTE [rdx]),
            Width::Half => dynasm!(self.ops ; .arch x64 ; movzx Rd(host), WORD [rdx]),
            Width::SignedHalf => dynasm!(self.ops ; .arch x64 ; movsx Rd(host), WORD [rdx]),
            Width::Word => dynasm!(self.ops ; .arch x64 ; mov Rd(host), [rdx]),
        }
        dynasm!(self.ops ; .arch x64 ; jmp =>done ; =>elsewhere);
        self.settle_beside(before);
        if width == Width::Word {
            let refused = self.label();
            self.address(&op);
            dynasm!(self.ops
                ; .arch x64
                ; mov edx, self.rest(n)
                ; call QWORD [BYTE rbp + frame!(routines.load)]
                ; jnc =>refused
                ; mov [BYTE rbx + (op.t as i8) * 4], eax
            );
            self.take_up(held);
            dynasm!(self.ops ; .arch x64 ; jmp =>done ; =>refused);
        }
        self.step(n, held);
        dynasm!(self.ops ; .arch x64 ; =>done);
    }

    /// The store of operation `n`, a word, likewise.
    pub(super) fn store_far(&mut self, n: usize, held: &Held) {
        let op = self.source.ops[n];
        let (refused, done) = (self.label(), self.label());
        self.address(&op);
        dynasm!(self.ops
            ; .arch x64
            ; mov edx, [BYTE rbx + (op.t as i8) * 4]
            ; mov ecx, self.rest(n)
            ; call QWORD [BYTE rbp + frame!(routines.store)]
            ; jz =>refused
        );
        self.take_up(held);
        dynasm!(self.ops ; .arch x64 ; jmp =>done ; =>refused);
        self.step(n, held);
        dynasm!(self.ops ; .arch x64 ; =>done);
    }

    /// esi is the address of a load or store.
    fn address(&mut self, op: &Op) {
        dynasm!(self.ops
            ; .arch x64
            ; mov esi, [BYTE rbx + (op.s as i8) * 4]
            ; add esi, op.imm as i32
        );
    }

    /// Cycles from the begin of operation `n` to the end of the block.
    fn rest(&self, n: usize) -> i32 {
        self.len() - n as i32
    }

    /// eax is the offset of a store; it becomes the number of the byte, half-word or word if the memory near
    /// by takes it as it is, else on at `otherwise`.
    pub(super) fn near_store_guard(&mut self, otherwise: DynamicLabel, width: Width) {
        let shift = width.bytes().trailing_zeros();
        // An unaligned store may reach into the next granule. What tells it comes to the top, so that it is
        // out of bounds.
        if shift > 0 {
            dynasm!(self.ops ; .arch x64 ; ror eax, BYTE shift as i8);
        }
        dynasm!(self.ops
            ; .arch x64
            ; cmp eax, (self.source.near.length >> shift) as i32
            ; jae =>otherwise
            ; mov ecx, eax
            ; shr ecx, BYTE 8 - shift as i8
            ; cmp BYTE [r13 + rcx], BYTE 0
            ; jne =>otherwise
        );
    }

    pub(super) fn store(&mut self, n: usize, op: &Op, width: Width) {
        let value = self.get(op.t);
        self.near_offset(op.s, op.imm);
        let from = Branched { at: self.label(), back: self.label(), held: self.held };
        self.near_store_guard(from.at, width);
        match width {
            Width::Byte => dynasm!(self.ops ; .arch x64 ; mov [r12 + rax], Rb(value)),
            Width::Half | Width::SignedHalf => {
                dynasm!(self.ops ; .arch x64 ; mov [r12 + rax * 2], Rw(value))
            }
            Width::Word => dynasm!(self.ops ; .arch x64 ; mov [r12 + rax * 4], Rd(value)),
        }
        if width == Width::Word {
            dynasm!(self.ops ; .arch x64 ; =>from.back);
            self.asides.push(Aside::FarStore { from, block: self.at, op: n, held: self.held });
        } else {
            self.rejoin(from, n);
        }
    }

    /// S32C1I on the memory near by.
    pub(super) fn compare_and_store(&mut self, n: usize, op: &Op) {
        let value = self.get(op.t);
        self.near_offset(op.s, op.imm);
        let aside = self.otherwise();
        let different = self.label();
        self.near_store_guard(aside.at, Width::Word);
        dynasm!(self.ops
            ; .arch x64
            ; mov edx, [r12 + rax * 4]
            ; cmp edx, [BYTE r15 + SCOMPARE1]
            ; jne =>different
            ; mov [r12 + rax * 4], Rd(value)
            ; =>different
            ; mov eax, edx
        );
        self.put(op.t);
        self.rejoin(aside, n);
    }
}
