//! What each operation becomes.
//!
//! Source: as for `execute`, case by case in the same order.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::{BR, Emitter, SAR};
use crate::cpu::code::{Field, Op};
use crate::cpu::compiled::Width;
use crate::cpu::execute::bit_number;
use crate::cpu::instruction::{B4CONST, B4CONSTU, Opcode};

impl Emitter<'_> {
    fn compare(&mut self, op: &Op) {
        let (s, t) = (self.get(op.s), self.get(op.t));
        dynasm!(self.ops ; .arch x64 ; cmp Rd(s), Rd(t));
    }

    fn compare_with(&mut self, op: &Op, value: u32) {
        let s = self.get(op.s);
        if value == 0 {
            dynasm!(self.ops ; .arch x64 ; test Rd(s), Rd(s));
        } else {
            dynasm!(self.ops ; .arch x64 ; cmp Rd(s), value as i32);
        }
    }

    /// One host register becomes what another is.
    fn copy(&mut self, to: u8, from: u8) {
        if to != from {
            dynasm!(self.ops ; .arch x64 ; mov Rd(to), Rd(from));
        }
    }

    pub(super) fn operation(&mut self, n: usize) {
        let op = self.source.ops[n];
        /// `a[r]` = `a[s]`, changed by an operation with `a[t]`.
        macro_rules! binary {
            ($instruction:ident) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                let r = self.make(op.r);
                if r == t && r != s {
                    dynasm!(self.ops
                        ; .arch x64
                        ; mov eax, Rd(s)
                        ; $instruction eax, Rd(t)
                        ; mov Rd(r), eax
                    );
                } else {
                    self.copy(r, s);
                    dynasm!(self.ops ; .arch x64 ; $instruction Rd(r), Rd(t));
                }
                self.made(op.r)
            }};
        }
        /// `a[to]` = `a[from]`, shifted by a constant.
        macro_rules! shift {
            ($instruction:ident, $to:expr, $from:expr) => {{
                let from = self.get($from);
                let to = self.make($to);
                self.copy(to, from);
                dynasm!(self.ops ; .arch x64 ; $instruction Rd(to), BYTE (op.imm & 31) as i8);
                self.made($to)
            }};
        }
        /// `a[r]` = `a[s]` times a scale, plus `a[t]`.
        macro_rules! scaled_add {
            ($scale:tt) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                let r = self.make(op.r);
                dynasm!(self.ops ; .arch x64 ; lea Rd(r), [Rq(t) + Rq(s) * $scale]);
                self.made(op.r)
            }};
        }
        macro_rules! scaled_sub {
            ($shift:tt) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; shl eax, BYTE $shift
                    ; sub eax, Rd(t)
                );
                self.put(op.r)
            }};
        }
        /// `a[r]` = `a[s]` if `a[t]` is so.
        macro_rules! move_if {
            ($cmov:ident) => {{
                let (r, s) = (self.get(op.r), self.get(op.s));
                let t = self.get(op.t);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(r)
                    ; test Rd(t), Rd(t)
                    ; $cmov eax, Rd(s)
                );
                self.put(op.r)
            }};
        }
        macro_rules! select {
            ($cmov:ident) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; cmp eax, Rd(t)
                    ; $cmov eax, Rd(t)
                );
                self.put(op.r)
            }};
        }
        macro_rules! branch {
            ($jcc:ident) => {
                self.branch(n, &op, |it, to| dynasm!(it.ops ; .arch x64 ; $jcc =>to))
            };
        }
        macro_rules! branch_on_bits {
            ($jcc:ident) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops ; .arch x64 ; test Rd(s), Rd(t));
                branch!($jcc)
            }};
        }
        macro_rules! branch_on_all {
            ($jcc:ident) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(s) ; not eax ; test eax, Rd(t));
                branch!($jcc)
            }};
        }
        macro_rules! divide {
            ($signed:literal, $result:ident) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                let aside = self.otherwise();
                let at = aside.at;
                dynasm!(self.ops ; .arch x64 ; test Rd(t), Rd(t) ; jz =>at);
                if $signed {
                    // With 64 bits the one quotient that does not fit into 32 is no trap.
                    dynasm!(self.ops
                        ; .arch x64
                        ; movsxd rax, Rd(s)
                        ; movsxd rcx, Rd(t)
                        ; cqo
                        ; idiv rcx
                    );
                } else {
                    dynasm!(self.ops
                        ; .arch x64
                        ; mov eax, Rd(s)
                        ; xor edx, edx
                        ; div Rd(t)
                    );
                }
                dynasm!(self.ops ; .arch x64 ; mov eax, $result);
                self.put(op.r);
                self.rejoin(aside, n)
            }};
        }
        match op.opcode {
            // Core: arithmetic and logic.
            Opcode::Add => scaled_add!(1),
            Opcode::Addx2 => scaled_add!(2),
            Opcode::Addx4 => scaled_add!(4),
            Opcode::Addx8 => scaled_add!(8),
            Opcode::Sub => binary!(sub),
            Opcode::Subx2 => scaled_sub!(1),
            Opcode::Subx4 => scaled_sub!(2),
            Opcode::Subx8 => scaled_sub!(3),
            Opcode::And => binary!(and),
            Opcode::Or => binary!(or),
            Opcode::Xor => binary!(xor),
            Opcode::Neg => {
                let t = self.get(op.t);
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(t) ; neg eax);
                self.put(op.r);
            }
            Opcode::Abs => {
                let t = self.get(op.t);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(t)
                    ; mov ecx, eax
                    ; neg ecx
                    ; cmovns eax, ecx
                );
                self.put(op.r);
            }
            Opcode::Addi | Opcode::Addmi => {
                let s = self.get(op.s);
                let t = self.make(op.t);
                if s == t {
                    dynasm!(self.ops ; .arch x64 ; add Rd(t), op.imm as i32);
                } else {
                    dynasm!(self.ops ; .arch x64 ; lea Rd(t), [Rq(s) + op.imm as i32]);
                }
                self.made(op.t);
            }
            Opcode::Movi => self.put_constant(op.t, op.imm),
            Opcode::Mov => {
                let s = self.get(op.s);
                let t = self.make(op.t);
                self.copy(t, s);
                self.made(op.t);
            }
            Opcode::Moveqz => move_if!(cmovz),
            Opcode::Movnez => move_if!(cmovnz),
            Opcode::Movltz => move_if!(cmovs),
            Opcode::Movgez => move_if!(cmovns),
            Opcode::Extui => {
                let t = self.get(op.t);
                let r = self.make(op.r);
                let (shift, mask) = (op.imm & 31, u32::MAX >> (31 - op.s as u32));
                match (shift, mask) {
                    (0, 0xff) => dynasm!(self.ops ; .arch x64 ; movzx Rd(r), Rb(t)),
                    (0, 0xffff) => dynasm!(self.ops ; .arch x64 ; movzx Rd(r), Rw(t)),
                    _ => {
                        self.copy(r, t);
                        if shift != 0 {
                            dynasm!(self.ops ; .arch x64 ; shr Rd(r), BYTE shift as i8);
                        }
                        dynasm!(self.ops ; .arch x64 ; and Rd(r), mask as i32);
                    }
                }
                self.made(op.r);
            }

            // Core: shifts.
            Opcode::Slli => shift!(shl, op.r, op.s),
            Opcode::Srli => shift!(shr, op.r, op.t),
            Opcode::Srai => shift!(sar, op.r, op.t),
            Opcode::Sll => {
                let s = self.get(op.s);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; shl rax, BYTE 32
                    ; mov ecx, [BYTE r15 + SAR]
                    ; shr rax, cl
                );
                self.put(op.r);
            }
            Opcode::Srl => {
                let t = self.get(op.t);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(t)
                    ; mov ecx, [BYTE r15 + SAR]
                    ; shr rax, cl
                );
                self.put(op.r);
            }
            Opcode::Sra => {
                let t = self.get(op.t);
                dynasm!(self.ops
                    ; .arch x64
                    ; movsxd rax, Rd(t)
                    ; mov ecx, [BYTE r15 + SAR]
                    ; sar rax, cl
                );
                self.put(op.r);
            }
            Opcode::Src => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; shl rax, BYTE 32
                    ; mov ecx, Rd(t)
                    ; or rax, rcx
                    ; mov ecx, [BYTE r15 + SAR]
                    ; shr rax, cl
                );
                self.put(op.r);
            }
            Opcode::Ssl | Opcode::Ssa8b => {
                let s = self.get(op.s);
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(s));
                if op.opcode == Opcode::Ssl {
                    dynasm!(self.ops ; .arch x64 ; and eax, BYTE 31);
                } else {
                    dynasm!(self.ops ; .arch x64 ; and eax, BYTE 3 ; shl eax, BYTE 3);
                }
                dynasm!(self.ops
                    ; .arch x64
                    ; neg eax
                    ; add eax, BYTE 32
                    ; mov [BYTE r15 + SAR], eax
                );
            }
            Opcode::Ssr => {
                let s = self.get(op.s);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; and eax, BYTE 31
                    ; mov [BYTE r15 + SAR], eax
                );
            }
            Opcode::Ssa8l => {
                let s = self.get(op.s);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; and eax, BYTE 3
                    ; shl eax, BYTE 3
                    ; mov [BYTE r15 + SAR], eax
                );
            }
            Opcode::Ssai => {
                dynasm!(self.ops ; .arch x64 ; mov DWORD [BYTE r15 + SAR], (op.imm & 31) as i32)
            }

            // Core: branches and jumps.
            Opcode::Beqz => {
                self.compare_with(&op, 0);
                branch!(je)
            }
            Opcode::Bnez => {
                self.compare_with(&op, 0);
                branch!(jne)
            }
            Opcode::Bgez => {
                self.compare_with(&op, 0);
                branch!(jns)
            }
            Opcode::Bltz => {
                self.compare_with(&op, 0);
                branch!(js)
            }
            Opcode::Beq => {
                self.compare(&op);
                branch!(je)
            }
            Opcode::Bne => {
                self.compare(&op);
                branch!(jne)
            }
            Opcode::Bge => {
                self.compare(&op);
                branch!(jge)
            }
            Opcode::Blt => {
                self.compare(&op);
                branch!(jl)
            }
            Opcode::Bgeu => {
                self.compare(&op);
                branch!(jae)
            }
            Opcode::Bltu => {
                self.compare(&op);
                branch!(jb)
            }
            Opcode::Beqi => {
                self.compare_with(&op, B4CONST[op.r as usize] as u32);
                branch!(je)
            }
            Opcode::Bnei => {
                self.compare_with(&op, B4CONST[op.r as usize] as u32);
                branch!(jne)
            }
            Opcode::Bgei => {
                self.compare_with(&op, B4CONST[op.r as usize] as u32);
                branch!(jge)
            }
            Opcode::Blti => {
                self.compare_with(&op, B4CONST[op.r as usize] as u32);
                branch!(jl)
            }
            Opcode::Bgeui => {
                self.compare_with(&op, B4CONSTU[op.r as usize]);
                branch!(jae)
            }
            Opcode::Bltui => {
                self.compare_with(&op, B4CONSTU[op.r as usize]);
                branch!(jb)
            }
            Opcode::Bany => branch_on_bits!(jnz),
            Opcode::Bnone => branch_on_bits!(jz),
            Opcode::Ball => branch_on_all!(jz),
            Opcode::Bnall => branch_on_all!(jnz),
            Opcode::Bbc | Opcode::Bbs => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops ; .arch x64 ; bt Rd(s), Rd(t));
                if op.opcode == Opcode::Bbc { branch!(jnc) } else { branch!(jc) }
            }
            Opcode::Bbci | Opcode::Bbsi => {
                let s = self.get(op.s);
                dynasm!(self.ops ; .arch x64 ; bt Rd(s), BYTE bit_number(&op) as i8);
                if op.opcode == Opcode::Bbci { branch!(jnc) } else { branch!(jc) }
            }
            Opcode::Bf | Opcode::Bt => {
                dynasm!(self.ops ; .arch x64 ; test DWORD [BYTE r15 + BR], 1 << op.s as i32);
                if op.opcode == Opcode::Bf { branch!(jz) } else { branch!(jnz) }
            }
            Opcode::J => self.end(op.imm),
            Opcode::Jx => {
                self.target_in_edx(&op);
                self.go_to_edx();
            }
            Opcode::Call0 | Opcode::Callx0 => {
                let next = self.pc(n + 1);
                if op.opcode == Opcode::Callx0 {
                    self.target_in_edx(&op);
                }
                self.put_constant(Field::N0, next);
                if op.opcode == Opcode::Callx0 {
                    self.go_to_edx();
                } else {
                    self.end(op.imm);
                }
            }
            Opcode::Ret => {
                let a0 = self.get(Field::N0);
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(a0));
                self.go_to_eax();
                self.ended = true;
            }

            // Windowed registers.
            Opcode::Call4 | Opcode::Call8 | Opcode::Call12 => {
                let increment = match op.opcode {
                    Opcode::Call4 => 1,
                    Opcode::Call8 => 2,
                    _ => 3,
                };
                self.call(n, increment);
                self.end(op.imm);
            }
            Opcode::Callx4 | Opcode::Callx8 | Opcode::Callx12 => {
                let increment = match op.opcode {
                    Opcode::Callx4 => 1,
                    Opcode::Callx8 => 2,
                    _ => 3,
                };
                self.target_in_edx(&op);
                self.call(n, increment);
                self.go_to_edx();
            }
            Opcode::Entry => self.entry(n, &op),
            Opcode::Retw => self.retw(n),
            Opcode::Rotw => self.rotate(&op),
            Opcode::Rfwo | Opcode::Rfwu => self.return_from_window_handler(n, &op),

            // Loads and stores.
            Opcode::L32i | Opcode::L32e => self.load(n, &op, Width::Word),
            Opcode::L8ui => self.load(n, &op, Width::Byte),
            Opcode::L16ui => self.load(n, &op, Width::Half),
            Opcode::L16si => self.load(n, &op, Width::SignedHalf),
            Opcode::L32r if op.r != Field::N0 => self.put_constant(op.t, op.imm),
            Opcode::S32i | Opcode::S32e | Opcode::S32nb => self.store(n, &op, Width::Word),
            Opcode::S16i => self.store(n, &op, Width::Half),
            Opcode::S8i => self.store(n, &op, Width::Byte),

            Opcode::S32c1i => self.compare_and_store(n, &op),

            // Special registers, interrupts.
            Opcode::Rsr => self.read_special(n, &op),
            Opcode::Wsr => self.write_special(n, &op),
            Opcode::Rsil => self.set_level(n, &op),
            Opcode::Rur => self.read_user(n, &op),
            Opcode::Wur => self.write_user(n, &op),
            Opcode::Rfe => self.return_from_exception(n),

            // Single-precision floating point.
            Opcode::Lsi | Opcode::Ssi => self.float_access(n, &op),
            Opcode::AddS | Opcode::SubS | Opcode::MulS | Opcode::MaddS | Opcode::MsubS => {
                self.float_arithmetic(n, &op)
            }
            Opcode::OeqS
            | Opcode::OltS
            | Opcode::OleS
            | Opcode::UnS
            | Opcode::UeqS
            | Opcode::UltS
            | Opcode::UleS => self.float_comparison(n, &op),
            Opcode::MovS | Opcode::AbsS | Opcode::NegS | Opcode::Rfr | Opcode::Wfr => {
                self.float_move(n, &op)
            }
            Opcode::FloatS | Opcode::TruncS if op.imm & 15 == 0 => {
                self.float_conversion(n, &op);
            }

            // Zero-overhead loops.
            Opcode::Loop | Opcode::Loopnez | Opcode::Loopgtz => self.begin_loop(n, &op),

            // Multiply, divide, miscellaneous operations.
            Opcode::Mull => binary!(imul),
            Opcode::Muluh | Opcode::Mulsh => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(s));
                if op.opcode == Opcode::Muluh {
                    dynasm!(self.ops ; .arch x64 ; mul Rd(t));
                } else {
                    dynasm!(self.ops ; .arch x64 ; imul Rd(t));
                }
                dynasm!(self.ops ; .arch x64 ; mov eax, edx);
                self.put(op.r);
            }
            Opcode::Mul16u => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops
                    ; .arch x64
                    ; movzx eax, Rw(s)
                    ; movzx ecx, Rw(t)
                    ; imul eax, ecx
                );
                self.put(op.r);
            }
            Opcode::Mul16s => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops
                    ; .arch x64
                    ; movsx eax, Rw(s)
                    ; movsx ecx, Rw(t)
                    ; imul eax, ecx
                );
                self.put(op.r);
            }
            Opcode::Quou => divide!(false, eax),
            Opcode::Remu => divide!(false, edx),
            Opcode::Quos => divide!(true, eax),
            Opcode::Rems => divide!(true, edx),
            Opcode::Min => select!(cmovg),
            Opcode::Max => select!(cmovl),
            Opcode::Minu => select!(cmova),
            Opcode::Maxu => select!(cmovb),
            Opcode::Nsau => {
                let s = self.get(op.s);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov ecx, 63
                    ; bsr eax, Rd(s)
                    ; cmovz eax, ecx
                    ; xor eax, BYTE 31
                );
                self.put(op.t);
            }
            Opcode::Sext => {
                let s = self.get(op.s);
                let shift = (31 - (op.imm & 31)) as i8;
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; shl eax, BYTE shift
                    ; sar eax, BYTE shift
                );
                self.put(op.r);
            }

            Opcode::Memw
            | Opcode::Extw
            | Opcode::Isync
            | Opcode::Rsync
            | Opcode::Esync
            | Opcode::Dsync
            | Opcode::Excw
            | Opcode::Nop => {}

            _ => self.by_interpreter(n),
        }
    }
}
