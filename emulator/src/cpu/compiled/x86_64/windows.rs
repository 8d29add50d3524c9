//! Register windows: calls, ENTRY and RETW.
//!
//! Source: as for `windows`, whose rotations these are.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::held::Held;
use super::{Aside, Emitter, FRAME, FREE_QUADS, PS, WINDOWBASE};
use crate::cpu::code::{Field, Op};
use crate::cpu::compiled::frame::Frame;
use crate::cpu::instruction::Opcode;
use crate::cpu::registers::ps;

impl Emitter<'_> {
    /// A windowed call's return address and CALLINC; the caller goes on to the target.
    pub(super) fn call(&mut self, n: usize, increment: u8) {
        let link = u32::from(increment) << 30 | self.pc(n + 1) & 0x3fff_ffff;
        self.put_constant(Field::new(increment * 4), link);
        self.call_increment = Some(increment);
        dynasm!(self.ops
            ; .arch x64
            ; mov ecx, [BYTE r15 + PS]
            ; and ecx, !ps::CALLINC as i32
            ; or ecx, (u32::from(increment) << ps::CALLINC_SHIFT) as i32
            ; mov [BYTE r15 + PS], ecx
        );
    }

    /// ENTRY.
    pub(super) fn entry(&mut self, n: usize, op: &Op) {
        let s = op.s as i8;
        if s > 3 {
            return self.by_interpreter(n);
        }
        let aside = self.otherwise();
        if let Some(increment) = self.call_increment.take() {
            self.enter_frame_of(increment, op, aside.at);
        } else {
            self.forget();
            dynasm!(self.ops
                ; .arch x64
                ; mov esi, [BYTE rbx + s * 4]
                ; sub esi, op.imm as i32
                ; call QWORD [BYTE rbp + frame!(routines.entry)]
                ; jz =>aside.at
                ; mov [BYTE rbx + s * 4], esi
            );
        }
        // The operations behind need registers of a live frame: the next block will see to it.
        if op.t as u8 > 1 {
            let leave = self.label();
            dynasm!(self.ops
                ; .arch x64
                ; cmp al, BYTE op.t as i8
                ; jb =>leave
            );
            self.leave(leave, self.pc(n + 1), n + 1);
        }
        self.rejoin(aside, n);
    }

    /// ENTRY behind a call by so many quads; what is held moves along. If PS says that it was another call,
    /// or the frame is not free, on at `otherwise` with nothing done.
    fn enter_frame_of(&mut self, increment: u8, op: &Op, otherwise: DynamicLabel) {
        let callinc = u32::from(increment) << ps::CALLINC_SHIFT;
        dynasm!(self.ops
            ; .arch x64
            ; mov ecx, [BYTE r15 + PS]
            ; and ecx, (ps::WOE | ps::EXCM | ps::CALLINC) as i32
            ; cmp ecx, (ps::WOE | callinc) as i32
            ; jne =>otherwise
            ; cmp BYTE [BYTE r15 + FREE_QUADS], BYTE increment as i8
            ; jbe =>otherwise
        );
        // The callee's register is visible here already, four times as many higher.
        let s = self.get(op.s);
        dynasm!(self.ops ; .arch x64 ; lea eax, [Rq(s) - op.imm as i32]);
        self.put(Field::new(op.s as u8 + increment * 4));
        let routine = frame!(routines.up) + 8 * (increment as i8 - 1);
        dynasm!(self.ops ; .arch x64 ; call QWORD [BYTE rbp + routine]);
        self.rename(|guest| guest.checked_sub(increment * 4));
    }

    /// RETW.
    pub(super) fn retw(&mut self, n: usize) {
        let Some(link) = self.source.link else { return self.return_anywhere(n) };
        let elsewhere = self.label();
        self.settle();
        dynasm!(self.ops ; .arch x64 ; cmp DWORD [rbx], link.a0 as i32 ; jne =>elsewhere);
        let increment = (link.a0 >> 30) as u8;
        let routine = frame!(routines.down) + 8 * (increment as i8 - 1);
        dynasm!(self.ops
            ; .arch x64
            ; call QWORD [BYTE rbp + routine]
            ; jz =>elsewhere
        );
        self.asides.push(Aside::Return { at: elsewhere, block: self.at, op: n });
        self.rename(|guest| Some(guest + increment * 4));
        self.end(link.target);
    }

    /// RETW to whatever caller.
    pub(super) fn return_anywhere(&mut self, n: usize) {
        let (rotated, refused, others) = (self.label(), self.label(), self.label());
        self.forget();
        dynasm!(self.ops
            ; .arch x64
            ; mov eax, [rbx]
            // Return addresses of CALL8, as signed numbers, are the lowest.
            ; cmp eax, 3 << 30
            ; jge =>others
            ; call QWORD [BYTE rbp + frame!(routines.down) + 8]
            ; jz =>refused
            ; =>rotated
            ; and eax, 0x3fff_ffff
        );
        let region = self.pc(n) & 0xc000_0000;
        if region != 0 {
            dynasm!(self.ops ; .arch x64 ; or eax, region as i32);
        }
        self.go_to_eax();
        let illegal = self.label();
        dynasm!(self.ops
            ; .arch x64
            ; =>others
            ; call QWORD [BYTE rbp + frame!(routines.retw)]
            ; jnz =>rotated
            ; =>refused
            ; mov edi, eax
            ; mov esi, self.pc(n) as i32
            ; call QWORD [BYTE rbp + frame!(routines.underflow)]
            ; jc =>illegal
            ; jmp QWORD [BYTE rbp + frame!(routines.go)]
            ; =>illegal
        );
        // The interpreter leaves the block in every case; nothing comes behind it.
        self.step(n, &Held::default());
        self.ended = true;
    }

    /// ROTW.
    pub(super) fn rotate(&mut self, op: &Op) {
        self.forget();
        dynasm!(self.ops
            ; .arch x64
            ; mov edi, [BYTE r15 + WINDOWBASE]
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
