//! Register windows: calls, ENTRY and RETW.
//!
//! Source: as for `windows`, whose rotations these are.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::{Aside, Emitter, FREE_QUADS, PS, home};
use crate::cpu::Cpu;
use crate::cpu::code::Op;
use crate::cpu::registers::ps;

const FILE: u32 = field!(file);
const WINDOWBASE: u32 = field!(windowbase);
const FRAMES: u32 = field!(frames);

impl Emitter<'_> {
    /// A windowed call's return address and CALLINC; w0 stays.
    pub(super) fn call(&mut self, n: usize, increment: u8) {
        let increment = u32::from(increment);
        self.constant(1, increment << 30 | self.pc(n + 1) & 0x3fff_ffff);
        self.constant(2, increment);
        emit!(self
            ; str w1, [x19, increment * 16]
            ; ldr w1, [x20, PS]
            ; bfi w1, w2, ps::CALLINC_SHIFT, 2
            ; str w1, [x20, PS]
        );
    }

    /// w0 is `Cpu::frames`: how many quads are free goes to w0 and the core.
    fn count_free_quads(&mut self) {
        emit!(self
            ; orr w0, w0, 1 << 4
            ; lsr w0, w0, 1
            ; rbit w0, w0
            ; clz w0, w0
            ; add w0, w0, 1
            ; strb w0, [x20, FREE_QUADS]
        );
    }

    /// x2 = byte offset in the register file of the quad that is `quads` above WINDOWBASE in w1.
    fn quad_above(&mut self, quads: u32) {
        emit!(self ; add w2, w1, quads ; ubfiz x2, x2, 4, 4);
    }

    /// The register file, from x3 on, takes two quads of the window.
    fn save_quads(&mut self, quads: [u32; 2], registers: [u8; 2]) {
        for (quad, register) in quads.into_iter().zip(registers) {
            self.quad_above(quad);
            emit!(self ; str Q(register), [x3, x2]);
        }
    }

    /// The register file gives two quads to the window.
    fn restore_quads(&mut self, quads: [u32; 2], registers: [u8; 2]) {
        for (quad, register) in quads.into_iter().zip(registers) {
            self.quad_above(quad);
            emit!(self ; ldr Q(register), [x3, x2]);
        }
    }

    /// The window is `quads` further on; w1 is where.
    fn move_window(&mut self, quads: u32) {
        emit!(self
            ; add w1, w1, quads
            ; and w1, w1, 15
            ; str w1, [x20, WINDOWBASE]
        );
    }

    /// ENTRY behind a CALL8, which is the call that compilers write. Registers of the guest are not
    /// held meanwhile, so that w4 is free.
    pub(super) fn entry(&mut self, n: usize, op: &Op) {
        if op.s as u8 > 3 {
            return self.by_interpreter(n);
        }
        let aside = self.otherwise();
        let at = aside.0;
        self.forget();
        self.constant(1, ps::WOE | ps::EXCM | ps::CALLINC);
        self.constant(2, ps::WOE | 2 << ps::CALLINC_SHIFT);
        self.constant(3, op.imm);
        emit!(self
            ; ldr w0, [x20, PS]
            ; and w0, w0, w1
            ; cmp w0, w2
            ; b.ne =>at
            ; ldrb w0, [x20, FREE_QUADS]
            ; cmp w0, 2
            ; b.ls =>at
            ; ldr w4, [x19, home(op.s)]
            ; sub w4, w4, w3
            ; ldr w1, [x20, WINDOWBASE]
            ; add x3, x20, FILE
            ; ldp q0, q1, [x19]
            ; ldp q2, q3, [x19, 32]
        );
        self.save_quads([0, 1], [0, 1]);
        self.restore_quads([4, 5], [0, 1]);
        emit!(self
            ; stp q2, q3, [x19]
            ; stp q0, q1, [x19, 32]
            ; str w4, [x19, home(op.s)]
        );
        self.move_window(2);
        emit!(self
            ; ldrh w0, [x20, FRAMES]
            ; orr w0, w0, w0, lsl 16
            ; lsr w0, w0, 2
            ; orr w0, w0, 1
            ; strh w0, [x20, FRAMES]
        );
        self.count_free_quads();
        // The operations behind need registers of a live frame: the next block will see to it.
        let quads = op.t as u32;
        if quads > 1 {
            let leave = self.label();
            emit!(self ; cmp w0, quads ; b.lo =>leave);
            self.asides.push(Aside::Leave { at: leave, target: self.pc(n + 1), done: n + 1 });
        }
        self.rejoin(aside, n);
    }

    /// RETW to a caller that has used CALL8 and whose frame is in the register file. Registers of the
    /// guest are not held meanwhile, so that w4 and w5 are free.
    pub(super) fn retw(&mut self, n: usize) {
        let aside = self.otherwise();
        let at = aside.0;
        self.forget();
        self.constant(1, ps::WOE | ps::EXCM);
        self.constant(2, ps::WOE);
        emit!(self
            ; ldr w4, [x19]
            ; lsr w0, w4, 30
            ; cmp w0, 2
            ; b.ne =>at
            ; ldr w0, [x20, PS]
            ; and w0, w0, w1
            ; cmp w0, w2
            ; b.ne =>at
            ; ldr w1, [x20, WINDOWBASE]
            ; ldrh w5, [x20, FRAMES]
            // A frame begins two quads below, and none between.
            ; lsr w0, w5, 14
            ; cmp w0, 1
            ; b.ne =>at
            ; orr w5, w5, w5, lsl 16
            ; lsr w5, w5, 14
            // The frame that ends is two quads above then.
            ; and w5, w5, !(1_u32 << 2)
            ; strh w5, [x20, FRAMES]
            ; add x3, x20, FILE
            ; ldp q0, q1, [x19]
            ; ldp q2, q3, [x19, 32]
        );
        self.save_quads([2, 3], [2, 3]);
        self.restore_quads([14, 15], [2, 3]);
        emit!(self ; stp q2, q3, [x19] ; stp q0, q1, [x19, 32]);
        self.move_window(14);
        emit!(self ; mov w0, w5);
        self.count_free_quads();
        // The upper two bits of the target are those of the code.
        self.constant(0, self.pc(n) >> 30);
        emit!(self ; bfi w4, w0, 30, 2 ; mov w0, w4);
        self.go_to_w0();
        // The interpreter leaves the block in every case; nothing comes behind it.
        self.rejoin(aside, n);
        self.ended = true;
    }
}
