//! The emitter for x86-64: operations of a block to host code.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2; what the
//! instructions of the guest do is what `execute` does, case by case in the same order.
//!
//! Each operation becomes the two to six instructions that it needs, on registers of the guest that
//! stay in memory: a value that is read or made is kept in a host register up to the end of the
//! superblock, and a value that is made is stored at once. So memory is always right, whoever leaves the
//! superblock and wherever, and nothing has to be written back.
//!
//! What is too long for that, or rare, is done by [`Frame::step`], which lets the interpreter execute
//! this one operation.
//!
//! | register | holds |
//! |---|---|
//! | rbx | address of `Cpu::a` |
//! | rbp | the [`Frame`], from [`FRAME`] bytes on |
//! | r12 | the memory near by |
//! | r13 | its guards |
//! | r14 | cycles that are left when the block has run to its end |
//! | r15 | the table of compiled blocks |
//! | rax, rcx, rdx | intermediate values |
//! | rsi, rdi, r8 to r11 | registers of the guest |

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

/// Where a field of the core is, seen from `Cpu::a`.
macro_rules! field {
    ($field:ident) => {
        offset_of!(Cpu, $field) as i32 - offset_of!(Cpu, a) as i32
    };
}

/// rbp is so far in the frame.
const FRAME: usize = 128;

/// Where a field of the frame is, seen from rbp.
macro_rules! frame {
    ($($field:ident).+) => {{
        const AT: i32 = offset_of!(Frame, $($field).+) as i32 - FRAME as i32;
        const { assert!(AT >= -128 && AT < 128) };
        AT as i8
    }};
}

/// Where a field of the core is that lies within 128 bytes of `Cpu::a`.
macro_rules! close {
    ($field:ident) => {{
        const AT: i32 = field!($field);
        const { assert!(AT >= -128 && AT < 128) };
        AT as i8
    }};
}

mod floats;
mod routines;
mod shape;
mod specials;
mod windows;

use std::mem::offset_of;

use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler, dynasm};

use super::{Code, Source, Width};
use crate::cpu::Cpu;
use crate::cpu::code::{Field, Op};
use crate::cpu::execute::bit_number;
use crate::cpu::instruction::{B4CONST, B4CONSTU, Opcode};
use crate::cpu::special_register::sr;
pub(super) use routines::{Routines, routines};

/// Special registers of zero-overhead loops.
const LOOP_REGISTERS: [u8; 3] = [sr::LBEG, sr::LEND, sr::LCOUNT];

/// Host registers that hold registers of the guest.
const POOL: [u8; 6] = [6, 7, 8, 9, 10, 11];

const PS: i8 = close!(ps);
const SAR: i8 = close!(sar);
const BR: i8 = close!(br);
const LBEG: i8 = close!(lbeg);
const LEND: i8 = close!(lend);
const LCOUNT: i8 = close!(lcount);
const WINDOWBASE: i8 = close!(windowbase);
const WINDOWSTART: i8 = close!(windowstart);
const FREE_QUADS: i8 = close!(free_quads);
const EXTERNAL: i8 = close!(external);
const LATCHED: i8 = close!(latched);
const INTENABLE: i8 = close!(intenable);
const SCOMPARE1: i8 = close!(scompare1);
const CCOUNT_OFFSET: i8 = close!(ccount_offset);
const INDEX: i8 = close!(index);
const CPENABLE: i8 = close!(cpenable);
const FCR: i8 = close!(fcr);
const FILE: i32 = field!(file);

/// Whether blocks are compiled on this host.
pub(super) const EMITS: bool = true;

/// Most blocks of a superblock.
pub(super) const MEMBERS: usize = 16;

/// The code of a superblock; `None` if its first block is not worth it.
pub(super) fn superblock(sources: &[Source<'_>]) -> Option<Code> {
    let first = Emitter::new(sources, vec![None; sources.len()]).run()?;
    if first.carried.iter().all(Option::is_none) {
        return Some(first.code);
    }
    // There are loops: once more, with the registers that they carry from one round to the next.
    Emitter::new(sources, first.carried).run().map(|it| it.code)
}

/// Code behind the blocks that is seldom reached. `block` is the number of the block in the superblock.
enum Aside {
    /// The interpreter executes operation `op`; then on at `back`, with these registers held.
    Step { at: DynamicLabel, block: usize, op: usize, back: DynamicLabel, held: Held },
    /// A load that is not near: from a page of flash, or else as above. rax is the offset from the
    /// memory near by.
    Far {
        at: DynamicLabel,
        block: usize,
        op: usize,
        back: DynamicLabel,
        held: Held,
        width: Width,
        to: u8,
    },
    /// A transfer to `target` behind `done` operations.
    Leave { at: DynamicLabel, block: usize, target: u32, done: usize, held: Held },
    /// RETW, operation `op`, goes elsewhere than expected.
    Return { at: DynamicLabel, block: usize, op: usize },
}

/// Which guest register each host register of the pool holds.
type Held = [Option<u8>; POOL.len()];

/// What has become of a superblock.
struct Emitted {
    code: Code,
    /// For each block that a loop goes back to the registers that were held there.
    carried: Vec<Option<Held>>,
}

/// The places of a block.
#[derive(Clone, Copy)]
struct Places {
    /// Entered from within the superblock: its cycles have been taken and registers are held as they
    /// have to be.
    inside: DynamicLabel,
    /// A zero-overhead loop is being repeated: it may end in the middle of a block.
    looping: DynamicLabel,
    /// It does not.
    checked: DynamicLabel,
    /// The block's cycles have been taken, but it is not to be executed.
    undone: DynamicLabel,
    /// They have, and it needs registers of a live frame.
    overflow: DynamicLabel,
}

struct Emitter<'c> {
    blocks: &'c [Source<'c>],
    /// The block at hand.
    at: usize,
    source: &'c Source<'c>,
    ops: VecAssembler<X64Relocation>,
    held: Held,
    /// When each was used last.
    used: [u32; POOL.len()],
    clock: u32,
    asides: Vec<Aside>,
    places: Vec<Places>,
    /// What is held at `Places::inside` of each block, as far as that is known.
    entries: Vec<Option<Held>>,
    /// What shall be held there.
    wanted: Vec<Option<Held>>,
    /// What was held where a loop goes back there.
    carried: Vec<Option<Held>>,
    starts: Vec<Option<usize>>,
    /// LBEG, LEND or LCOUNT change inside of the superblock.
    loops: bool,
    /// Control runs into the next block.
    falls: bool,
    /// By how many quads the call wants to rotate that led here, as far as can be guessed.
    call_increment: Option<u8>,
    /// eax is the address to go on at, and nothing is compiled for it.
    exit_to: DynamicLabel,
    /// `Frame::step` has said in eax that the block is to be left.
    stepped: DynamicLabel,
    ended: bool,
    /// Operations of the block that the interpreter always executes.
    interpreted: usize,
}

impl<'c> Emitter<'c> {
    fn new(blocks: &'c [Source<'c>], wanted: Vec<Option<Held>>) -> Self {
        let mut ops = VecAssembler::new(0);
        let mut label = || ops.new_dynamic_label();
        let places = blocks
            .iter()
            .map(|_| Places {
                inside: label(),
                looping: label(),
                checked: label(),
                undone: label(),
                overflow: label(),
            })
            .collect();
        let (exit_to, stepped) = (label(), label());
        let changes_loops = |op: &Op| match op.opcode {
            Opcode::Loop | Opcode::Loopnez | Opcode::Loopgtz => true,
            Opcode::Wsr | Opcode::Xsr => LOOP_REGISTERS.contains(&(op.imm as u8)),
            _ => false,
        };
        Self {
            blocks,
            at: 0,
            source: &blocks[0],
            ops,
            held: [None; POOL.len()],
            used: [0; POOL.len()],
            clock: 0,
            asides: Vec::new(),
            places,
            entries: vec![None; blocks.len()],
            carried: vec![None; blocks.len()],
            wanted,
            starts: vec![None; blocks.len()],
            loops: blocks.iter().any(|it| it.ops.iter().any(changes_loops)),
            falls: false,
            call_increment: None,
            exit_to,
            stepped,
            ended: false,
            interpreted: 0,
        }
    }

    fn run(mut self) -> Option<Emitted> {
        let mut compiled = Vec::new();
        for at in 0..self.blocks.len() {
            self.turn_to(at);
            self.begin();
            self.body();
            compiled.push(self.interpreted < self.source.ops.len());
        }
        // Nothing but what the interpreter does anyway, such as the call of a native ROM function.
        if !compiled[0] {
            return None;
        }
        // Going on elsewhere adds asides.
        while let Some(aside) = self.asides.pop() {
            self.aside(aside);
        }
        for at in 0..self.blocks.len() {
            self.turn_to(at);
            self.ways_in_and_out();
        }
        self.exits();
        let Self { ops, starts, carried, .. } = self;
        let starts = starts.into_iter().zip(compiled);
        let starts = starts.map(|(start, compiled)| start.filter(|_| compiled)).collect();
        Some(Emitted { code: Code { bytes: ops.finalize().ok()?, starts }, carried })
    }

    fn turn_to(&mut self, at: usize) {
        self.at = at;
        self.source = &self.blocks[at];
    }

    fn body(&mut self) {
        self.ended = false;
        self.interpreted = 0;
        for n in 0..self.source.ops.len() {
            self.operation(n);
            if self.ended {
                return;
            }
        }
        self.sequential_end();
    }

    fn label(&mut self) -> DynamicLabel {
        self.ops.new_dynamic_label()
    }

    fn len(&self) -> i32 {
        self.source.ops.len() as i32
    }

    /// The address of operation `n`, or of the end.
    fn pc(&self, n: usize) -> u32 {
        self.source.block.pc.wrapping_add(u32::from(self.source.offsets[n]))
    }

    // ----- registers of the guest ------------------------------------------------------------

    fn host(&self, held: &Held, guest: u8) -> u8 {
        held.iter().position(|&it| it == Some(guest)).map_or(POOL[0], |slot| POOL[slot])
    }

    /// The slot of the pool for `guest`: its own, or the one that was used longest ago.
    fn slot(&mut self, guest: u8) -> (usize, bool) {
        self.clock += 1;
        let own = self.held.iter().position(|&it| it == Some(guest));
        let slot = own.unwrap_or_else(|| {
            let oldest = (0..POOL.len()).min_by_key(|&slot| self.used[slot]);
            oldest.unwrap_or(0)
        });
        self.used[slot] = self.clock;
        self.held[slot] = Some(guest);
        (slot, own.is_some())
    }

    /// A host register that holds `a[guest]`: good until six others have been asked for.
    fn get(&mut self, guest: Field) -> u8 {
        let guest = guest as u8;
        let (slot, own) = self.slot(guest);
        if !own {
            dynasm!(self.ops ; .arch x64 ; mov Rd(POOL[slot]), [BYTE rbx + (guest as i8) * 4]);
        }
        POOL[slot]
    }

    /// `a[guest]` becomes eax.
    fn put(&mut self, guest: Field) {
        let guest = guest as u8;
        let (slot, _) = self.slot(guest);
        dynasm!(self.ops
            ; .arch x64
            ; mov Rd(POOL[slot]), eax
            ; mov [BYTE rbx + (guest as i8) * 4], eax
        );
    }

    /// `a[guest]` becomes a constant.
    fn put_constant(&mut self, guest: Field, value: u32) {
        let guest = guest as u8;
        let (slot, _) = self.slot(guest);
        dynasm!(self.ops
            ; .arch x64
            ; mov Rd(POOL[slot]), value as i32
            ; mov [BYTE rbx + (guest as i8) * 4], Rd(POOL[slot])
        );
    }

    /// All registers may have changed.
    fn forget(&mut self) {
        self.held = [None; POOL.len()];
    }

    // ----- operations ------------------------------------------------------------------------

    /// Operation `n` by the interpreter, right here.
    fn by_interpreter(&mut self, n: usize) {
        self.interpreted += 1;
        self.forget();
        self.step(n, &[None; POOL.len()]);
    }

    /// A place in the code aside where the interpreter executes operation `n` instead of what is
    /// emitted between here and [`Emitter::rejoin`].
    fn otherwise(&mut self) -> (DynamicLabel, DynamicLabel) {
        (self.label(), self.label())
    }

    fn rejoin(&mut self, (at, back): (DynamicLabel, DynamicLabel), op: usize) {
        dynasm!(self.ops ; .arch x64 ; =>back);
        self.asides.push(Aside::Step { at, block: self.at, op, back, held: self.held });
    }

    /// eax = `a[s]` + `imm` - the base of the memory near by.
    fn near_offset(&mut self, s: Field, imm: u32) {
        let s = self.get(s);
        let offset = imm.wrapping_sub(self.source.near.base) as i32;
        dynasm!(self.ops ; .arch x64 ; lea eax, [Rq(s) + offset]);
    }

    fn load(&mut self, n: usize, op: &Op, width: Width) {
        self.near_offset(op.s, op.imm);
        let (at, back) = self.otherwise();
        dynasm!(self.ops
            ; .arch x64
            ; cmp eax, self.source.near.length as i32 - width.bytes() as i32
            ; ja =>at
        );
        let (slot, _) = self.slot(op.t as u8);
        let host = POOL[slot];
        match width {
            Width::Byte => dynasm!(self.ops ; .arch x64 ; movzx Rd(host), BYTE [r12 + rax]),
            Width::Half => dynasm!(self.ops ; .arch x64 ; movzx Rd(host), WORD [r12 + rax]),
            Width::SignedHalf => dynasm!(self.ops ; .arch x64 ; movsx Rd(host), WORD [r12 + rax]),
            Width::Word => dynasm!(self.ops ; .arch x64 ; mov Rd(host), [r12 + rax]),
        }
        dynasm!(self.ops
            ; .arch x64
            ; mov [BYTE rbx + (op.t as i8) * 4], Rd(host)
            ; =>back
        );
        let (held, to) = (self.held, op.t as u8);
        self.asides.push(Aside::Far { at, block: self.at, op: n, back, held, width, to });
    }

    /// eax is the offset of a store that the memory near by takes as it is; else on at `otherwise`.
    fn near_store_guard(&mut self, otherwise: DynamicLabel, width: Width) {
        dynasm!(self.ops
            ; .arch x64
            ; cmp eax, self.source.near.length as i32 - width.bytes() as i32
            ; ja =>otherwise
        );
        // An unaligned store may reach into the next granule.
        if width != Width::Byte {
            dynasm!(self.ops
                ; .arch x64
                ; test al, BYTE width.bytes() as i8 - 1
                ; jnz =>otherwise
            );
        }
        dynasm!(self.ops
            ; .arch x64
            ; mov ecx, eax
            ; shr ecx, 8
            ; cmp BYTE [r13 + rcx], BYTE 0
            ; jne =>otherwise
        );
    }

    fn store(&mut self, n: usize, op: &Op, width: Width) {
        let value = self.get(op.t);
        self.near_offset(op.s, op.imm);
        let aside = self.otherwise();
        self.near_store_guard(aside.0, width);
        match width {
            Width::Byte => dynasm!(self.ops ; .arch x64 ; mov [r12 + rax], Rb(value)),
            Width::Half | Width::SignedHalf => {
                dynasm!(self.ops ; .arch x64 ; mov [r12 + rax], Rw(value))
            }
            Width::Word => dynasm!(self.ops ; .arch x64 ; mov [r12 + rax], Rd(value)),
        }
        self.rejoin(aside, n);
    }

    /// The branch of operation `n`, taken if `jcc` jumps.
    fn branch(&mut self, n: usize, op: &Op, jump: impl FnOnce(&mut Self, DynamicLabel)) {
        let at = self.label();
        jump(self, at);
        self.leave(at, op.imm, n + 1);
    }

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

    /// The address in a register goes to edx, where a call's return address does not touch it.
    fn target_in_edx(&mut self, op: &Op) {
        let s = self.get(op.s);
        dynasm!(self.ops ; .arch x64 ; mov edx, Rd(s));
    }

    fn go_to_edx(&mut self) {
        dynasm!(self.ops ; .arch x64 ; mov eax, edx);
        self.go_to_eax();
        self.ended = true;
    }

    /// S32C1I on the memory near by.
    fn compare_and_store(&mut self, n: usize, op: &Op) {
        let value = self.get(op.t);
        self.near_offset(op.s, op.imm);
        let aside = self.otherwise();
        let different = self.label();
        self.near_store_guard(aside.0, Width::Word);
        dynasm!(self.ops
            ; .arch x64
            ; mov edx, [r12 + rax]
            ; cmp edx, [BYTE rbx + SCOMPARE1]
            ; jne =>different
            ; mov [r12 + rax], Rd(value)
            ; =>different
            ; mov eax, edx
        );
        self.put(op.t);
        self.rejoin(aside, n);
    }

    /// A zero-overhead loop begins.
    fn begin_loop(&mut self, n: usize, op: &Op) {
        let s = self.get(op.s);
        let begin = self.pc(n + 1);
        dynasm!(self.ops
            ; .arch x64
            ; lea eax, [Rq(s) - 1]
            ; mov [BYTE rbx + LCOUNT], eax
            ; mov DWORD [BYTE rbx + LBEG], begin as i32
            ; mov DWORD [BYTE rbx + LEND], op.imm as i32
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

    fn operation(&mut self, n: usize) {
        let op = self.source.ops[n];
        /// A binary operation on eax, which is `a[s]`, with `a[t]`.
        macro_rules! binary {
            ($instruction:ident) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(s) ; $instruction eax, Rd(t));
                self.put(op.r)
            }};
        }
        /// `a[r]` = `a[s]` times a scale, plus `a[t]`.
        macro_rules! scaled_add {
            ($scale:tt) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                dynasm!(self.ops ; .arch x64 ; lea eax, [Rq(t) + Rq(s) * $scale]);
                self.put(op.r)
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
                let aside = self.otherwise();
                let at = aside.0;
                let (s, t) = (self.get(op.s), self.get(op.t));
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
                dynasm!(self.ops ; .arch x64 ; lea eax, [Rq(s) + op.imm as i32]);
                self.put(op.t);
            }
            Opcode::Movi => self.put_constant(op.t, op.imm),
            Opcode::Mov => {
                let s = self.get(op.s);
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(s));
                self.put(op.t);
            }
            Opcode::Moveqz => move_if!(cmovz),
            Opcode::Movnez => move_if!(cmovnz),
            Opcode::Movltz => move_if!(cmovs),
            Opcode::Movgez => move_if!(cmovns),
            Opcode::Extui => {
                let t = self.get(op.t);
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(t));
                if op.imm & 31 != 0 {
                    dynasm!(self.ops ; .arch x64 ; shr eax, BYTE (op.imm & 31) as i8);
                }
                let mask = u32::MAX >> (31 - op.s as u32);
                dynasm!(self.ops ; .arch x64 ; and eax, mask as i32);
                self.put(op.r);
            }

            // Core: shifts.
            Opcode::Slli => {
                let s = self.get(op.s);
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(s) ; shl eax, BYTE (op.imm & 31) as i8);
                self.put(op.r);
            }
            Opcode::Srli => {
                let t = self.get(op.t);
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(t) ; shr eax, BYTE (op.imm & 31) as i8);
                self.put(op.r);
            }
            Opcode::Srai => {
                let t = self.get(op.t);
                dynasm!(self.ops ; .arch x64 ; mov eax, Rd(t) ; sar eax, BYTE (op.imm & 31) as i8);
                self.put(op.r);
            }
            Opcode::Sll => {
                let s = self.get(op.s);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; shl rax, BYTE 32
                    ; mov ecx, [BYTE rbx + SAR]
                    ; shr rax, cl
                );
                self.put(op.r);
            }
            Opcode::Srl => {
                let t = self.get(op.t);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(t)
                    ; mov ecx, [BYTE rbx + SAR]
                    ; shr rax, cl
                );
                self.put(op.r);
            }
            Opcode::Sra => {
                let t = self.get(op.t);
                dynasm!(self.ops
                    ; .arch x64
                    ; movsxd rax, Rd(t)
                    ; mov ecx, [BYTE rbx + SAR]
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
                    ; mov ecx, [BYTE rbx + SAR]
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
                    ; mov [BYTE rbx + SAR], eax
                );
            }
            Opcode::Ssr => {
                let s = self.get(op.s);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; and eax, BYTE 31
                    ; mov [BYTE rbx + SAR], eax
                );
            }
            Opcode::Ssa8l => {
                let s = self.get(op.s);
                dynasm!(self.ops
                    ; .arch x64
                    ; mov eax, Rd(s)
                    ; and eax, BYTE 3
                    ; shl eax, BYTE 3
                    ; mov [BYTE rbx + SAR], eax
                );
            }
            Opcode::Ssai => {
                dynasm!(self.ops ; .arch x64 ; mov DWORD [BYTE rbx + SAR], (op.imm & 31) as i32)
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
                dynasm!(self.ops ; .arch x64 ; test DWORD [BYTE rbx + BR], 1 << op.s as i32);
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
