//! Register windows: calls, ENTRY and RETW.
//!
//! Source: as for `windows`, whose rotations these are.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::{Aside, Emitter, FILE, FREE_QUADS, PS, WINDOWBASE, WINDOWSTART};
use crate::cpu::code::Op;
use crate::cpu::registers::ps;

impl Emitter<'_> {
    /// A windowed call's return address and CALLINC; the caller goes on to the target.
    pub(super) fn call(&mut self, n: usize, increment: u8) {
        let link = u32::from(increment) << 30 | self.pc(n + 1) & 0x3fff_ffff;
        dynasm!(self.ops
            ; .arch x64
            ; mov DWORD [BYTE rbx + (increment as i8) * 16], link as i32
            ; mov ecx, [rbx + PS]
            ; and ecx, !ps::CALLINC as i32
            ; or ecx, (u32::from(increment) << ps::CALLINC_SHIFT) as i32
            ; mov [rbx + PS], ecx
        );
    }

    /// eax is WINDOWSTART, edx WINDOWBASE: how many quads are free goes to eax and the core.
    fn count_free_quads(&mut self) {
        dynasm!(self.ops
            ; .arch x64
            ; mov ecx, eax
            ; shl ecx, 16
            ; or eax, ecx
            ; mov ecx, edx
            ; shr eax, cl
            ; or eax, 1 << 4
            ; shr eax, 1
            ; bsf eax, eax
            ; inc eax
            ; mov [rbx + FREE_QUADS], al
        );
    }

    /// rcx = byte offset in the register file of the quad that is `quads` above WINDOWBASE in edx.
    fn quad_above(&mut self, quads: i32) {
        dynasm!(self.ops
            ; .arch x64
            ; lea ecx, [rdx + quads]
            ; and ecx, 15
            ; shl ecx, 4
        );
    }

    /// ENTRY behind a CALL8, which is the call that compilers write.
    pub(super) fn entry(&mut self, n: usize, op: &Op) {
        let s = op.s as u8;
        if s > 3 {
            return self.by_interpreter(n);
        }
        let aside = self.otherwise();
        let at = aside.0;
        self.forget();
        dynasm!(self.ops
            ; .arch x64
            ; mov ecx, [rbx + PS]
            ; and ecx, (ps::WOE | ps::EXCM | ps::CALLINC) as i32
            ; cmp ecx, (ps::WOE | 2 << ps::CALLINC_SHIFT) as i32
            ; jne =>at
            ; cmp BYTE [rbx + FREE_QUADS], BYTE 2
            ; jbe =>at
            ; mov eax, [BYTE rbx + (s as i8) * 4]
            ; sub eax, op.imm as i32
            ; mov edx, [rbx + WINDOWBASE]
            ; movups xmm0, [rbx]
            ; movups xmm1, [BYTE rbx + 16]
            ; movups xmm2, [BYTE rbx + 32]
            ; movups xmm3, [BYTE rbx + 48]
        );
        self.quad_above(0);
        dynasm!(self.ops ; .arch x64 ; movups [rbx + rcx + FILE], xmm0);
        self.quad_above(1);
        dynasm!(self.ops ; .arch x64 ; movups [rbx + rcx + FILE], xmm1);
        self.quad_above(4);
        dynasm!(self.ops ; .arch x64 ; movups xmm0, [rbx + rcx + FILE]);
        self.quad_above(5);
        dynasm!(self.ops
            ; .arch x64
            ; movups xmm1, [rbx + rcx + FILE]
            ; movups [rbx], xmm2
            ; movups [BYTE rbx + 16], xmm3
            ; movups [BYTE rbx + 32], xmm0
            ; movups [BYTE rbx + 48], xmm1
            ; mov [BYTE rbx + (s as i8) * 4], eax
            ; add edx, 2
            ; and edx, 15
            ; mov [rbx + WINDOWBASE], edx
            ; movzx eax, WORD [rbx + WINDOWSTART]
            ; bts eax, edx
            ; mov [rbx + WINDOWSTART], ax
        );
        self.count_free_quads();
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

    /// RETW to a caller that has used CALL8 and whose frame is in the register file.
    pub(super) fn retw(&mut self, n: usize) {
        let aside = self.otherwise();
        let at = aside.0;
        self.forget();
        dynasm!(self.ops
            ; .arch x64
            ; mov eax, [rbx]
            ; mov ecx, eax
            ; shr ecx, 30
            ; cmp ecx, BYTE 2
            ; jne =>at
            ; mov ecx, [rbx + PS]
            ; and ecx, (ps::WOE | ps::EXCM) as i32
            ; cmp ecx, ps::WOE as i32
            ; jne =>at
            ; mov edx, [rbx + WINDOWBASE]
            ; movzx esi, WORD [rbx + WINDOWSTART]
            ; mov edi, esi
            ; shl edi, 16
            ; or edi, esi
            ; lea ecx, [rdx + 13]
            ; shr edi, cl
            ; and edi, BYTE 6
            ; cmp edi, BYTE 2
            ; jne =>at
            ; btr esi, edx
            ; mov [rbx + WINDOWSTART], si
            ; and eax, 0x3fff_ffff
            ; or eax, (self.pc(n) & 0xc000_0000) as i32
            ; mov edi, eax
            ; movups xmm0, [rbx]
            ; movups xmm1, [BYTE rbx + 16]
            ; movups xmm2, [BYTE rbx + 32]
            ; movups xmm3, [BYTE rbx + 48]
        );
        self.quad_above(2);
        dynasm!(self.ops ; .arch x64 ; movups [rbx + rcx + FILE], xmm2);
        self.quad_above(3);
        dynasm!(self.ops ; .arch x64 ; movups [rbx + rcx + FILE], xmm3);
        self.quad_above(14);
        dynasm!(self.ops ; .arch x64 ; movups xmm2, [rbx + rcx + FILE]);
        self.quad_above(15);
        dynasm!(self.ops
            ; .arch x64
            ; movups xmm3, [rbx + rcx + FILE]
            ; movups [rbx], xmm2
            ; movups [BYTE rbx + 16], xmm3
            ; movups [BYTE rbx + 32], xmm0
            ; movups [BYTE rbx + 48], xmm1
            ; add edx, 14
            ; and edx, 15
            ; mov [rbx + WINDOWBASE], edx
            ; mov eax, esi
        );
        self.count_free_quads();
        dynasm!(self.ops ; .arch x64 ; mov eax, edi);
        self.go_to_eax();
        // The interpreter leaves the block in every case; nothing comes behind it.
        self.rejoin(aside, n);
        self.ended = true;
    }
}
