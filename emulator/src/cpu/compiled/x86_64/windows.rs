//! Register windows: calls, ENTRY and RETW.
//!
//! Source: as for `windows`, whose rotations these are.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::{Aside, Emitter, FRAME, POOL, PS, WINDOWBASE};
use crate::cpu::code::Op;
use crate::cpu::compiled::frame::Frame;
use crate::cpu::instruction::Opcode;
use crate::cpu::registers::ps;

impl Emitter<'_> {
    /// A windowed call's return address and CALLINC; the caller goes on to the target.
    pub(super) fn call(&mut self, n: usize, increment: u8) {
        let link = u32::from(increment) << 30 | self.pc(n + 1) & 0x3fff_ffff;
        dynasm!(self.ops
            ; .arch x64
            ; mov DWORD [BYTE rbx + (increment as i8) * 16], link as i32
            ; mov ecx, [BYTE rbx + PS]
            ; and ecx, !ps::CALLINC as i32
            ; or ecx, (u32::from(increment) << ps::CALLINC_SHIFT) as i32
            ; mov [BYTE rbx + PS], ecx
        );
    }

    /// ENTRY.
    pub(super) fn entry(&mut self, n: usize, op: &Op) {
        let s = op.s as i8;
        if s > 3 {
            return self.by_interpreter(n);
        }
        let aside = self.otherwise();
        self.forget();
        dynasm!(self.ops
            ; .arch x64
            ; mov esi, [BYTE rbx + s * 4]
            ; sub esi, op.imm as i32
            ; call QWORD [BYTE rbp + frame!(routines.entry)]
            ; jc =>aside.0
            ; mov [BYTE rbx + s * 4], esi
        );
        // The operations behind need registers of a live frame: the next block will see to it.
        if op.t as u8 > 1 {
            let leave = self.label();
            dynasm!(self.ops
                ; .arch x64
                ; cmp al, BYTE op.t as i8
                ; jb =>leave
            );
            self.asides.push(Aside::Leave { at: leave, target: self.pc(n + 1), done: n + 1 });
        }
        self.rejoin(aside, n);
    }

    /// RETW.
    pub(super) fn retw(&mut self, n: usize) {
        let refused = self.label();
        self.forget();
        dynasm!(self.ops
            ; .arch x64
            ; mov edi, [rbx]
            ; call QWORD [BYTE rbp + frame!(routines.retw)]
            ; jc =>refused
            ; mov eax, edi
            ; and eax, 0x3fff_ffff
        );
        let region = self.pc(n) & 0xc000_0000;
        if region != 0 {
            dynasm!(self.ops ; .arch x64 ; or eax, region as i32);
        }
        self.go_to_eax();
        dynasm!(self.ops ; .arch x64 ; =>refused);
        // The interpreter leaves the block in every case; nothing comes behind it.
        self.step(n, &[None; POOL.len()]);
        self.ended = true;
    }

    /// ROTW.
    pub(super) fn rotate(&mut self, op: &Op) {
        self.forget();
        dynasm!(self.ops
            ; .arch x64
            ; mov edi, [BYTE rbx + WINDOWBASE]
            ; add edi, op.imm as i32
            ; and edi, 15
            ; call QWORD [BYTE rbp + frame!(routines.rotate)]
        );
    }

    /// RFWO and RFWU.
    pub(super) fn return_from_window_handler(&mut self, n: usize, op: &Op) {
        let refused = self.label();
        self.forget();
        if op.opcode == Opcode::Rfwu {
            dynasm!(self.ops ; .arch x64 ; call QWORD [BYTE rbp + frame!(routines.rfwu)]);
        } else {
            dynasm!(self.ops ; .arch x64 ; call QWORD [BYTE rbp + frame!(routines.rfwo)]);
        }
        self.go_to_epc1_unless(n, refused);
    }
}
