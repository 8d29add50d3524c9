//! The shape of a superblock: how its blocks are entered, how one leads to the next, and the ways out.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::{AssemblyOffset, DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::held::Held;
use super::{Aside, Branched, Emitter, FRAME, FREE_QUADS, LBEG, LCOUNT, LEND, PS, Places};
use crate::cpu::code::{Block, JUMP_ENTRIES, Op, STOPS, jump_index, op_quads};
use crate::cpu::compiled::NativeJump;
use crate::cpu::compiled::frame::Frame;
use crate::cpu::instruction::Opcode;
use crate::cpu::registers::ps;

impl Emitter<'_> {
    fn here(&self) -> Places {
        self.places[self.at]
    }

    /// What the interpreter asks before it begins a block: cycles, the end of a loop inside of it, the
    /// window.
    pub(super) fn begin(&mut self) {
        let Places { inside, looping, checked, undone_inside, overflow, .. } = self.here();
        if std::mem::take(&mut self.falls) {
            if let Some(wanted) = self.wanted[self.at] {
                self.hold(&wanted);
            }
            self.entries[self.at] = Some(self.held);
            dynasm!(self.ops
                ; .arch x64
                ; sub r14, BYTE self.len() as i8
                ; jl =>undone_inside
            );
        } else {
            let held = self.wanted[self.at].or(self.entries[self.at]).unwrap_or_default();
            self.entries[self.at] = Some(held);
            self.call_increment = None;
            self.way_in();
        }
        dynasm!(self.ops ; .arch x64 ; =>inside);
        if self.loops {
            dynasm!(self.ops
                ; .arch x64
                ; cmp DWORD [BYTE r15 + LCOUNT], BYTE 0
                ; jne =>looping
                ; =>checked
            );
        }
        let quads = self.source.block.quads;
        if quads > 1 {
            dynasm!(self.ops
                ; .arch x64
                ; cmp BYTE [BYTE r15 + FREE_QUADS], BYTE quads as i8
                ; jb =>overflow
            );
        }
    }

    /// Behind the last operation: LBEG, if a loop body ends here, else the next instruction.
    pub(super) fn sequential_end(&mut self) {
        let next = self.pc(self.source.ops.len());
        let on = self.label();
        let held = self.held;
        dynasm!(self.ops
            ; .arch x64
            ; cmp DWORD [BYTE r15 + LCOUNT], BYTE 0
            ; je =>on
            ; cmp DWORD [BYTE r15 + LEND], next as i32
            ; jne =>on
            ; test BYTE [BYTE r15 + PS], BYTE ps::EXCM as i8
            ; jne =>on
            ; dec DWORD [BYTE r15 + LCOUNT]
            ; mov eax, [BYTE r15 + LBEG]
        );
        if let Some(begin) = self.loop_that_ends(next) {
            let elsewhere = self.label();
            dynasm!(self.ops
                ; .arch x64
                ; cmp eax, self.blocks[begin].block.pc as i32
                ; jne =>elsewhere
            );
            // A loop that ends where its only block ends does not end inside of it.
            let asked = begin == self.at && self.loops;
            let Places { inside, checked, .. } = self.places[begin];
            self.enter(begin, if asked { checked } else { inside }, 0);
            self.held = held;
            dynasm!(self.ops ; .arch x64 ; =>elsewhere);
        }
        self.go_to_eax();
        self.held = held;
        dynasm!(self.ops ; .arch x64 ; =>on);
        self.end(next);
    }

    /// The block that a loop goes back to whose body ends at `end`, if it is known.
    fn loop_that_ends(&self, end: u32) -> Option<usize> {
        let begins = self.blocks.iter().find_map(|it| {
            let op = it.ops.last()?;
            let begins = matches!(op.opcode, Opcode::Loop | Opcode::Loopnez | Opcode::Loopgtz);
            let Block { pc, bytes, .. } = it.block;
            (begins && op.imm == end).then(|| pc.wrapping_add(u32::from(bytes)))
        });
        begins.map_or(Some(self.at), |pc| self.member(pc)).filter(|&begin| begin <= self.at)
    }

    fn member(&self, pc: u32) -> Option<usize> {
        self.blocks.iter().position(|it| it.block.pc == pc)
    }

    /// The block has come to its end and goes on at a known address.
    pub(super) fn end(&mut self, target: u32) {
        self.ended = true;
        let len = self.source.ops.len();
        match self.member(target) {
            Some(next) if next == self.at + 1 => self.falls = true,
            // What is held there is not known yet.
            Some(later) if later > self.at => {
                let at = self.label();
                dynasm!(self.ops ; .arch x64 ; jmp =>at);
                self.leave(at, target, len);
            }
            _ => self.go_to(target, len),
        }
    }

    /// On at `at`, the block goes to `target` with `done` operations executed.
    pub(super) fn leave(&mut self, at: DynamicLabel, target: u32, done: usize) {
        if let Some(member) = self.member(target) {
            self.entries[member].get_or_insert(self.held);
        }
        self.asides.push(Aside::Leave { at, block: self.at, target, done, held: self.held });
    }

    /// To a known address, with `done` operations executed.
    fn go_to(&mut self, target: u32, done: usize) {
        let rest = self.len() - done as i32;
        let Some(member) = self.member(target) else {
            self.give_back(rest);
            return self.go_through_table(target);
        };
        if target == self.source.block.pc && self.source.block.may_spin {
            let again = self.label();
            self.give_back(rest);
            dynasm!(self.ops
                ; .arch x64
                ; dec DWORD [BYTE rbp + frame!(patience)]
                ; jns =>again
            );
            let held = self.held;
            self.settle_beside(&held);
            dynasm!(self.ops
                ; .arch x64
                ; mov eax, target as i32
                ; mov esi, self.source.number as i32
                ; mov edx, done as i32
                ; jmp QWORD [BYTE rbp + frame!(routines.spins)]
                ; =>again
            );
            self.enter(member, self.places[member].inside, 0);
        } else {
            self.enter(member, self.places[member].inside, rest);
        }
    }

    fn give_back(&mut self, cycles: i32) {
        if cycles > 0 {
            dynasm!(self.ops ; .arch x64 ; add r14, BYTE cycles as i8);
        }
    }

    /// To `place` of another block of the superblock, or again of this one, of whose cycles `rest` have not
    /// been used.
    fn enter(&mut self, member: usize, place: DynamicLabel, rest: i32) {
        if member <= self.at {
            self.carried[member].get_or_insert(self.held);
        }
        let entry = *self.entries[member].get_or_insert(self.held);
        self.hold(&entry);
        let len = self.blocks[member].ops.len() as i32;
        if len > rest {
            dynasm!(self.ops
                ; .arch x64
                ; sub r14, BYTE (len - rest) as i8
                ; jl =>self.places[member].undone_inside
            );
        } else {
            self.give_back(rest - len);
        }
        dynasm!(self.ops ; .arch x64 ; jmp =>place);
    }

    fn go_through_table(&mut self, target: u32) {
        self.settle();
        let at = (jump_index(target) * size_of::<NativeJump>()) as i32;
        let exit = self.label();
        dynasm!(self.ops
            ; .arch x64
            ; mov rcx, [BYTE rbp + frame!(jumps)]
            ; cmp DWORD [rcx + at + offset_of!(NativeJump, pc) as i32], target as i32
            ; jne =>exit
            ; jmp QWORD [rcx + at + offset_of!(NativeJump, address) as i32]
            ; =>exit
            ; mov eax, target as i32
            ; jmp QWORD [BYTE rbp + frame!(routines.go)]
        );
    }

    /// To the address in eax.
    pub(super) fn go_to_eax(&mut self) {
        self.settle();
        dynasm!(self.ops
            ; .arch x64
            ; mov ecx, eax
            ; and ecx, (JUMP_ENTRIES - 1) as i32
            ; shl ecx, 4
            ; add rcx, [BYTE rbp + frame!(jumps)]
            ; cmp [rcx + offset_of!(NativeJump, pc) as i32], eax
            ; jne =>self.exit_to
            ; jmp QWORD [rcx + offset_of!(NativeJump, address) as i32]
        );
    }

    /// The entrance of a block from elsewhere, up to `Places::inside`.
    fn way_in(&mut self) {
        let Places { looping, checked, undone, .. } = self.here();
        dynasm!(self.ops ; .arch x64 ; .align 16);
        let AssemblyOffset(offset) = self.ops.offset();
        self.starts[self.at] = Some(offset);
        dynasm!(self.ops ; .arch x64 ; sub r14, BYTE self.len() as i8 ; jl =>undone);
        if !self.loops {
            dynasm!(self.ops
                ; .arch x64
                ; cmp DWORD [BYTE r15 + LCOUNT], BYTE 0
                ; jne =>looping
                ; =>checked
            );
        }
        self.take_up(&self.entries[self.at].unwrap_or_default());
    }

    /// The entrance of a block, if it is not there yet, and why it may be left to the interpreter.
    pub(super) fn ways_in_and_out(&mut self) {
        let Places { inside, looping, checked, undone, undone_inside, overflow } = self.here();
        if self.starts[self.at].is_none() {
            self.way_in();
            dynasm!(self.ops ; .arch x64 ; jmp =>inside);
        }
        dynasm!(self.ops ; .arch x64 ; =>looping ; mov eax, [BYTE r15 + LEND]);
        // Nobody asks again before it leaves the superblock, unless that changes what loops there are.
        let (asked, declined) = match self.loops {
            true => (self.at..self.at + 1, undone_inside),
            false => (0..self.blocks.len(), undone),
        };
        let entry = self.entries[self.at].unwrap_or_default();
        for block in &self.blocks[asked] {
            let Block { pc, bytes, .. } = block.block;
            dynasm!(self.ops
                ; .arch x64
                ; mov ecx, eax
                ; sub ecx, pc.wrapping_add(1) as i32
                ; cmp ecx, i32::from(bytes) - 1
                ; jb =>declined
            );
        }
        dynasm!(self.ops
            ; .arch x64
            ; jmp =>checked
            ; =>undone_inside
        );
        self.settle_beside(&entry);
        dynasm!(self.ops
            ; .arch x64
            ; =>undone
            ; add r14, BYTE self.len() as i8
            ; mov eax, self.source.block.pc as i32
            ; jmp QWORD [BYTE rbp + frame!(routines.declined)]
            ; =>overflow
        );
        self.settle_beside(&entry);
        dynasm!(self.ops
            ; .arch x64
            ; mov eax, self.source.block.pc as i32
            ; mov esi, self.len()
            ; mov edi, self.quads_of_first()
            ; jmp QWORD [BYTE rbp + frame!(routines.overflow)]
        );
    }

    /// How many quads of the window have to be free for the first operation. ENTRY compares by itself; and
    /// who wants to stop before the block comes before an overflow.
    fn quads_of_first(&self) -> i32 {
        let first = &self.source.ops[0];
        let asks = first.opcode != Opcode::Entry && self.source.block.quads & STOPS == 0;
        if asks { op_quads(first).into() } else { 0 }
    }

    pub(super) fn exits(&mut self) {
        dynasm!(self.ops
            ; .arch x64
            ; =>self.exit_to
            ; jmp QWORD [BYTE rbp + frame!(routines.go)]
            ; =>self.stepped
            ; jmp QWORD [BYTE rbp + frame!(routines.stepped)]
        );
    }

    pub(super) fn aside(&mut self, aside: Aside) {
        match aside {
            Aside::Step { from, block, op, held } => {
                self.begin_aside(from.at, block);
                self.settle_beside(&from.held);
                self.step(op, &held);
                dynasm!(self.ops ; .arch x64 ; jmp =>from.back);
            }
            Aside::Level { from, block, op, held } => {
                self.begin_aside(from.at, block);
                self.settle_beside(&from.held);
                self.look_at_level(op, &held);
                dynasm!(self.ops ; .arch x64 ; jmp =>from.back);
            }
            Aside::Far { from, block, op, held, width } => {
                self.begin_aside(from.at, block);
                self.load_far(op, &from.held, &held, width);
                dynasm!(self.ops ; .arch x64 ; jmp =>from.back);
            }
            Aside::FarStore { from, block, op, held } => {
                self.begin_aside(from.at, block);
                self.settle_beside(&from.held);
                self.store_far(op, &held);
                dynasm!(self.ops ; .arch x64 ; jmp =>from.back);
            }
            Aside::Leave { at, block, target, done, held } => {
                self.begin_aside(at, block);
                self.held = held;
                self.go_to(target, done);
            }
            Aside::Return { at, block, op } => {
                self.begin_aside(at, block);
                self.return_anywhere(op);
            }
        }
    }

    fn begin_aside(&mut self, at: DynamicLabel, block: usize) {
        self.turn_to(block);
        self.held = Held::default();
        dynasm!(self.ops ; .arch x64 ; =>at);
    }

    /// The interpreter executes operation `op`; then the registers in `held` are as they say.
    pub(super) fn step(&mut self, op: usize, held: &Held) {
        dynasm!(self.ops
            ; .arch x64
            ; mov esi, self.source.number as i32
            ; mov edx, op as i32
            ; call QWORD [BYTE rbp + frame!(routines.step)]
            ; jnz =>self.stepped
        );
        self.take_up(held);
    }

    /// Operation `n` by the interpreter, right here.
    pub(super) fn by_interpreter(&mut self, n: usize) {
        self.interpreted += 1;
        self.forget();
        self.step(n, &Held::default());
    }

    /// A place in the code aside where the interpreter executes operation `n` instead of what is
    /// emitted between here and [`Emitter::rejoin`].
    pub(super) fn otherwise(&mut self) -> Branched {
        self.settle();
        Branched { at: self.label(), back: self.label(), held: self.held }
    }

    pub(super) fn rejoin(&mut self, from: Branched, op: usize) {
        dynasm!(self.ops ; .arch x64 ; =>from.back);
        self.asides.push(Aside::Step { from, block: self.at, op, held: self.held });
    }

    /// The branch of operation `n`, taken if `jcc` jumps.
    pub(super) fn branch(&mut self, n: usize, op: &Op, jump: impl FnOnce(&mut Self, DynamicLabel)) {
        let at = self.label();
        jump(self, at);
        self.leave(at, op.imm, n + 1);
    }

    /// The address in a register goes to edx, where a call's return address does not touch it.
    pub(super) fn target_in_edx(&mut self, op: &Op) {
        let s = self.get(op.s);
        dynasm!(self.ops ; .arch x64 ; mov edx, Rd(s));
    }

    pub(super) fn go_to_edx(&mut self) {
        dynasm!(self.ops ; .arch x64 ; mov eax, edx);
        self.go_to_eax();
        self.ended = true;
    }

    /// A zero-overhead loop begins.
    pub(super) fn begin_loop(&mut self, n: usize, op: &Op) {
        let s = self.get(op.s);
        let begin = self.pc(n + 1);
        dynasm!(self.ops
            ; .arch x64
            ; lea eax, [Rq(s) - 1]
            ; mov [BYTE r15 + LCOUNT], eax
            ; mov DWORD [BYTE r15 + LBEG], begin as i32
            ; mov DWORD [BYTE r15 + LEND], op.imm as i32
        );
        if op.opcode != Opcode::Loop {
            dynasm!(self.ops ; .arch x64 ; test Rd(s), Rd(s));
            self.branch(n, op, |it, to| match op.opcode {
                Opcode::Loopnez => dynasm!(it.ops ; .arch x64 ; je =>to),
                _ => dynasm!(it.ops ; .arch x64 ; jle =>to),
            });
        }
        self.end(begin);
    }
}
