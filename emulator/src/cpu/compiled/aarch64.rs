//! The emitter for aarch64: operations of a block to host code.
//!
//! Source: Arm Architecture Reference Manual for A-profile architecture, part C; Procedure Call
//! Standard for the Arm 64-bit Architecture. What the instructions of the guest do is what `execute`
//! does, case by case in the same order.
//!
//! The shape of the code is that of the emitter for x86-64. But here are enough registers for the whole
//! window of the guest, so each has its place: what an operation reads is loaded at its first use, what
//! it makes is stored at once, and nothing is ever pushed out.
//!
//! | register | holds |
//! |---|---|
//! | x0 to x3, x30 | intermediate values |
//! | w4 to w17, w27, w28 | a0 to a13, a14, a15 of the guest; the upper halves are zero |
//! | x18, x29 | what the system and the frames want there |
//! | x19 | address of `Cpu::a` |
//! | x20 | address of the `Cpu` |
//! | x21 | the [`Frame`] |
//! | x22 | the memory near by |
//! | x23 | its guards |
//! | x24 | cycles that are left when the block has run to its end |
//! | x25 | the table of compiled blocks |
//! | x26 | the pages of flash |

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

/// Appends instructions to the emitter.
macro_rules! emit {
    ($emitter:ident ; $($code:tt)*) => {
        dynasm!($emitter.ops ; .arch aarch64 ; $($code)*)
    };
}

/// Where a field of the core is.
macro_rules! field {
    ($field:ident) => {
        offset_of!(Cpu, $field) as u32
    };
}

/// Where a field of the frame is.
macro_rules! frame {
    ($field:ident) => {
        offset_of!(Frame, $field) as u32
    };
}

mod floats;
mod specials;
mod windows;

use std::mem::offset_of;

use dynasmrt::aarch64::Aarch64Relocation;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler, dynasm};

use super::frame::{Exit, Frame, Next};
use super::{Code, NativeJump, Source, Width};
use crate::cpu::Cpu;
use crate::cpu::bus::NearMap;
use crate::cpu::code::{Block, Field, JUMP_ENTRIES, Op, jump_index};
use crate::cpu::execute::bit_number;
use crate::cpu::instruction::{B4CONST, B4CONSTU, Opcode};
use crate::cpu::registers::ps;

const PS: u32 = field!(ps);
const SAR: u32 = field!(sar);
const BR: u32 = field!(br);
const LBEG: u32 = field!(lbeg);
const LEND: u32 = field!(lend);
const LCOUNT: u32 = field!(lcount);
const FREE_QUADS: u32 = field!(free_quads);
const SCOMPARE1: u32 = field!(scompare1);

/// PS.EXCM as the number of a bit.
const EXCM_BIT: u32 = ps::EXCM.trailing_zeros();

/// Whether blocks are compiled on this host: the guest's memory is little-endian, and loads and stores are
/// the host's.
pub(super) const EMITS: bool = cfg!(target_endian = "little");

/// Addresses of what blocks share.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Routines {
    /// Saves what the caller wants to keep, takes the registers from the frame (x0) and goes to the
    /// block (x1).
    pub(super) entrance: usize,
}

impl Routines {
    /// The same, from where the code has been put.
    pub(super) fn at(self, address: usize) -> Self {
        Self { entrance: address + self.entrance }
    }
}

/// Their code.
pub(super) fn routines(_: NearMap) -> Option<(Vec<u8>, Routines)> {
    let mut ops = VecAssembler::<Aarch64Relocation>::new(0);
    dynasm!(ops
        ; .arch aarch64
        ; stp x29, x30, [sp, -96]!
        ; mov x29, sp
        ; stp x19, x20, [sp, 16]
        ; stp x21, x22, [sp, 32]
        ; stp x23, x24, [sp, 48]
        ; stp x25, x26, [sp, 64]
        ; stp x27, x28, [sp, 80]
        ; mov x21, x0
        ; ldr x19, [x21, frame!(registers)]
        ; sub x20, x19, field!(a)
        ; ldr x22, [x21, frame!(memory)]
        ; ldr x23, [x21, frame!(guards)]
        ; ldr x24, [x21, frame!(left)]
        ; ldr x25, [x21, frame!(jumps)]
        ; ldr x26, [x21, frame!(pages)]
        ; br x1
    );
    Some((ops.finalize().ok()?, Routines { entrance: 0 }))
}

/// Most blocks of a superblock.
pub(super) const MEMBERS: usize = 1;

/// The code of a superblock of one block; `None` if it is not worth it.
pub(super) fn superblock(sources: &[Source<'_>]) -> Option<Code> {
    let bytes = Emitter::new(sources.first()?).run()?;
    Some(Code { bytes, starts: vec![Some(0)] })
}

/// The host register of a register of the guest.
fn host(guest: Field) -> u8 {
    match guest as u8 {
        n @ 0..=13 => n + 4,
        n => n + 13,
    }
}

/// Byte offset of a register of the guest from `Cpu::a`.
fn home(guest: Field) -> u32 {
    4 * guest as u32
}

/// Code behind the block that is seldom reached.
enum Aside {
    /// The interpreter executes operation `op`; then on at `back`, with these registers held.
    Step { at: DynamicLabel, op: usize, back: DynamicLabel, held: Held },
    /// A load that is not near: from a page of flash, or else as above. w0 is the offset from the
    /// memory near by.
    Far { at: DynamicLabel, op: usize, back: DynamicLabel, held: Held, width: Width, to: Field },
    /// A transfer to `target` behind `done` operations.
    Leave { at: DynamicLabel, target: u32, done: usize },
}

/// The registers of the guest that are in their host registers: bit n for `a[n]`.
type Held = u16;

struct Emitter<'c> {
    source: &'c Source<'c>,
    ops: VecAssembler<Aarch64Relocation>,
    held: Held,
    asides: Vec<Aside>,
    start: DynamicLabel,
    /// A loop is being repeated: it may end in the middle of the block.
    looping: DynamicLabel,
    /// It does not.
    checked: DynamicLabel,
    /// The block's cycles have been taken, but it is not to be executed.
    undone: DynamicLabel,
    /// w0 is the address to go on at, and nothing is compiled for it.
    exit_to: DynamicLabel,
    /// `Frame::step` has said in w0 that the block is to be left.
    stepped: DynamicLabel,
    ended: bool,
    /// Operations that the interpreter always executes.
    interpreted: usize,
}

impl<'c> Emitter<'c> {
    fn new(source: &'c Source<'c>) -> Self {
        let mut ops = VecAssembler::new(0);
        let [start, looping, checked, undone, exit_to, stepped] =
            std::array::from_fn(|_| ops.new_dynamic_label());
        Self {
            source,
            ops,
            held: 0,
            asides: Vec::new(),
            start,
            looping,
            checked,
            undone,
            exit_to,
            stepped,
            ended: false,
            interpreted: 0,
        }
    }

    fn run(mut self) -> Option<Vec<u8>> {
        self.begin();
        for n in 0..self.source.ops.len() {
            self.operation(n);
            if self.ended {
                break;
            }
        }
        // Nothing but what the interpreter does anyway, such as the call of a native ROM function.
        if self.interpreted == self.source.ops.len() {
            return None;
        }
        if !self.ended {
            self.sequential_end();
        }
        // Going on elsewhere adds asides.
        while let Some(aside) = self.asides.pop() {
            self.aside(aside);
        }
        self.exits();
        self.ops.finalize().ok()
    }

    fn label(&mut self) -> DynamicLabel {
        self.ops.new_dynamic_label()
    }

    fn len(&self) -> u32 {
        self.source.ops.len() as u32
    }

    /// The address of operation `n`, or of the end.
    fn pc(&self, n: usize) -> u32 {
        self.source.block.pc.wrapping_add(u32::from(self.source.offsets[n]))
    }

    /// A host register becomes a constant.
    fn constant(&mut self, register: u8, value: u32) {
        let (low, high) = (value & 0xffff, value >> 16);
        match (low, high) {
            (_, 0) => emit!(self ; movz W(register), low),
            (0, _) => emit!(self ; movz W(register), high, lsl 16),
            (_, 0xffff) => emit!(self ; movn W(register), !low & 0xffff),
            _ => emit!(self ; movz W(register), low ; movk W(register), high, lsl 16),
        }
    }

    // ----- the shape of a block --------------------------------------------------------------

    /// What the interpreter asks before it begins a block: cycles, the end of a loop inside of it, the
    /// window.
    fn begin(&mut self) {
        emit!(self
            ; =>self.start
            ; subs x24, x24, self.len()
            ; b.lt =>self.undone
            ; ldr w0, [x20, LCOUNT]
            ; cbnz w0, =>self.looping
            ; =>self.checked
        );
        let quads = self.source.block.quads;
        if quads > 1 {
            emit!(self
                ; ldrb w0, [x20, FREE_QUADS]
                ; cmp w0, quads.into()
                ; b.lo =>self.undone
            );
        }
    }

    /// Behind the last operation: LBEG, if a loop body ends here, else the next instruction.
    fn sequential_end(&mut self) {
        let next = self.pc(self.source.ops.len());
        let on = self.label();
        emit!(self ; ldr w0, [x20, LCOUNT] ; cbz w0, =>on ; ldr w1, [x20, LEND]);
        self.constant(2, next);
        emit!(self
            ; cmp w1, w2
            ; b.ne =>on
            ; ldr w1, [x20, PS]
            ; tbnz w1, EXCM_BIT, =>on
            ; sub w0, w0, 1
            ; str w0, [x20, LCOUNT]
            ; ldr w0, [x20, LBEG]
        );
        self.constant(1, self.source.block.pc);
        emit!(self ; cmp w0, w1 ; b.eq =>self.start);
        self.go_to_w0();
        emit!(self ; =>on);
        self.go_to(next, self.source.ops.len());
    }

    /// To a known address, with `done` operations executed.
    fn go_to(&mut self, target: u32, done: usize) {
        if target == self.source.block.pc {
            if self.source.block.may_spin {
                emit!(self
                    ; ldr w0, [x21, frame!(patience)]
                    ; subs w0, w0, 1
                    ; str w0, [x21, frame!(patience)]
                    ; b.pl =>self.start
                );
                for (field, value) in [
                    (frame!(block), self.source.number),
                    (frame!(done), done as u32),
                    (frame!(pc), target),
                ] {
                    self.constant(0, value);
                    emit!(self ; str w0, [x21, field]);
                }
                self.constant(1, Exit::Spins as u32);
                self.leave();
            } else {
                emit!(self ; b =>self.start);
            }
            return;
        }
        let at = (jump_index(target) * size_of::<NativeJump>()) as u32;
        let (high, low) = (at >> 12, at & 0xfff);
        self.constant(0, target);
        emit!(self
            ; add x1, x25, high, lsl 12
            ; ldr w2, [x1, low + offset_of!(NativeJump, pc) as u32]
            ; cmp w2, w0
            ; b.ne =>self.exit_to
            ; ldr x1, [x1, low + offset_of!(NativeJump, address) as u32]
            ; br x1
        );
    }

    /// To the address in w0.
    fn go_to_w0(&mut self) {
        emit!(self
            ; and w1, w0, JUMP_ENTRIES as u32 - 1
            ; add x1, x25, x1, lsl 4
            ; ldr w2, [x1, offset_of!(NativeJump, pc) as u32]
            ; cmp w2, w0
            ; b.ne =>self.exit_to
            ; ldr x1, [x1, offset_of!(NativeJump, address) as u32]
            ; br x1
        );
    }

    /// Back to the caller of the entrance, with what is in w1.
    fn leave(&mut self) {
        emit!(self
            ; str x24, [x21, frame!(left)]
            ; mov w0, w1
            ; ldp x19, x20, [sp, 16]
            ; ldp x21, x22, [sp, 32]
            ; ldp x23, x24, [sp, 48]
            ; ldp x25, x26, [sp, 64]
            ; ldp x27, x28, [sp, 80]
            ; ldp x29, x30, [sp], 96
            ; ret
        );
    }

    fn exits(&mut self) {
        let Block { pc, bytes, .. } = self.source.block;
        let (leave, out) = (self.label(), self.label());
        emit!(self ; =>self.looping ; ldr w0, [x20, LEND]);
        self.constant(1, pc.wrapping_add(1));
        emit!(self
            ; sub w0, w0, w1
            ; cmp w0, u32::from(bytes) - 1
            ; b.hs =>self.checked
            ; =>self.undone
            ; add x24, x24, self.len()
        );
        self.constant(0, pc);
        emit!(self
            ; str w0, [x21, frame!(pc)]
            ; movz w1, Exit::Declined as u32
            ; b =>leave
            ; =>self.exit_to
            ; str w0, [x21, frame!(pc)]
            ; movz w1, Exit::To as u32
            ; b =>leave
            ; =>out
            ; movz w1, Exit::Stepped as u32
            ; =>leave
        );
        self.leave();
        emit!(self
            ; =>self.stepped
            ; cmp w0, Next::Out as u32
            ; b.eq =>out
            ; ldr x24, [x21, frame!(left)]
            ; ldr w0, [x21, frame!(pc)]
        );
        self.go_to_w0();
    }

    fn aside(&mut self, aside: Aside) {
        match aside {
            Aside::Step { at, op, back, held } => {
                emit!(self ; =>at);
                self.step(op, held);
                emit!(self ; b =>back);
            }
            Aside::Far { at, op, back, held, width, to } => {
                let step = self.label();
                let near = self.source.near;
                emit!(self ; =>at);
                self.constant(1, near.base.wrapping_sub(near.pages_base));
                emit!(self ; add w1, w0, w1 ; lsr w2, w1, 16);
                self.constant(3, near.pages);
                emit!(self
                    ; cmp w2, w3
                    ; b.hs =>step
                    ; ldr x2, [x26, x2, lsl 3]
                    ; cbz x2, =>step
                    ; and w1, w1, 0xffff
                );
                self.constant(3, 0x1_0000 - width.bytes());
                emit!(self ; cmp w1, w3 ; b.hi =>step);
                let to_host = host(to);
                match width {
                    Width::Byte => emit!(self ; ldrb W(to_host), [x2, x1]),
                    Width::Half => emit!(self ; ldrh W(to_host), [x2, x1]),
                    Width::SignedHalf => emit!(self ; ldrsh W(to_host), [x2, x1]),
                    Width::Word => emit!(self ; ldr W(to_host), [x2, x1]),
                }
                emit!(self ; str W(to_host), [x19, home(to)] ; b =>back ; =>step);
                self.step(op, held);
                emit!(self ; b =>back);
            }
            Aside::Leave { at, target, done } => {
                emit!(self ; =>at);
                let rest = self.len() - done as u32;
                if rest > 0 {
                    emit!(self ; add x24, x24, rest);
                }
                self.go_to(target, done);
            }
        }
    }

    /// The interpreter executes operation `op`; then the registers in `held` are as they say.
    fn step(&mut self, op: usize, held: Held) {
        emit!(self ; str x24, [x21, frame!(left)] ; mov x0, x21);
        self.constant(1, self.source.number);
        self.constant(2, op as u32);
        emit!(self
            ; ldr x3, [x21, frame!(step)]
            ; blr x3
            ; cbnz w0, =>self.stepped
        );
        for guest in (0..16).filter(|n| held >> n & 1 != 0).map(Field::new) {
            emit!(self ; ldr W(host(guest)), [x19, home(guest)]);
        }
    }

    // ----- registers of the guest ------------------------------------------------------------

    /// The host register that holds `a[guest]`, loaded if need be.
    fn get(&mut self, guest: Field) -> u8 {
        let (register, bit) = (host(guest), 1 << guest as u32);
        if self.held & bit == 0 {
            self.held |= bit;
            emit!(self ; ldr W(register), [x19, home(guest)]);
        }
        register
    }

    /// The host register of `a[guest]` has its new value.
    fn made(&mut self, guest: Field) {
        self.held |= 1 << guest as u32;
        emit!(self ; str W(host(guest)), [x19, home(guest)]);
    }

    /// `a[guest]` becomes w0.
    fn put(&mut self, guest: Field) {
        emit!(self ; mov W(host(guest)), w0);
        self.made(guest);
    }

    /// `a[guest]` becomes a constant.
    fn put_constant(&mut self, guest: Field, value: u32) {
        self.constant(host(guest), value);
        self.made(guest);
    }

    /// All registers may have changed.
    fn forget(&mut self) {
        self.held = 0;
    }

    // ----- operations ------------------------------------------------------------------------

    /// Operation `n` by the interpreter, right here.
    fn by_interpreter(&mut self, n: usize) {
        self.interpreted += 1;
        self.forget();
        self.step(n, 0);
    }

    /// A place in the code aside where the interpreter executes operation `n` instead of what is
    /// emitted between here and [`Emitter::rejoin`].
    fn otherwise(&mut self) -> (DynamicLabel, DynamicLabel) {
        (self.label(), self.label())
    }

    fn rejoin(&mut self, (at, back): (DynamicLabel, DynamicLabel), op: usize) {
        emit!(self ; =>back);
        self.asides.push(Aside::Step { at, op, back, held: self.held });
    }

    /// w0 = `a[s]` + `imm` - the base of the memory near by, if `width` bytes from there on are in it;
    /// else on at `otherwise`.
    fn near_offset(&mut self, op: &Op, width: Width, otherwise: DynamicLabel) {
        let s = self.get(op.s);
        self.constant(1, op.imm.wrapping_sub(self.source.near.base));
        emit!(self ; add w0, W(s), w1);
        self.constant(1, self.source.near.length - width.bytes());
        emit!(self ; cmp w0, w1 ; b.hi =>otherwise);
    }

    fn load(&mut self, n: usize, op: &Op, width: Width) {
        let (at, back) = self.otherwise();
        self.near_offset(op, width, at);
        let to = host(op.t);
        match width {
            Width::Byte => emit!(self ; ldrb W(to), [x22, x0]),
            Width::Half => emit!(self ; ldrh W(to), [x22, x0]),
            Width::SignedHalf => emit!(self ; ldrsh W(to), [x22, x0]),
            Width::Word => emit!(self ; ldr W(to), [x22, x0]),
        }
        self.made(op.t);
        emit!(self ; =>back);
        self.asides.push(Aside::Far { at, op: n, back, held: self.held, width, to: op.t });
    }

    /// As [`Emitter::near_offset`], for a store that the memory near by takes as it is.
    fn near_store_offset(&mut self, op: &Op, width: Width, otherwise: DynamicLabel) {
        self.near_offset(op, width, otherwise);
        // An unaligned store may reach into the next granule.
        if width != Width::Byte {
            emit!(self ; tst w0, width.bytes() - 1 ; b.ne =>otherwise);
        }
        emit!(self ; lsr w1, w0, 8 ; ldrb w1, [x23, x1] ; cbnz w1, =>otherwise);
    }

    fn store(&mut self, n: usize, op: &Op, width: Width) {
        let value = self.get(op.t);
        let aside = self.otherwise();
        self.near_store_offset(op, width, aside.0);
        match width {
            Width::Byte => emit!(self ; strb W(value), [x22, x0]),
            Width::Half | Width::SignedHalf => emit!(self ; strh W(value), [x22, x0]),
            Width::Word => emit!(self ; str W(value), [x22, x0]),
        }
        self.rejoin(aside, n);
    }

    /// The branch of operation `n`, taken if `jump` jumps.
    fn branch(&mut self, n: usize, op: &Op, jump: impl FnOnce(&mut Self, DynamicLabel)) {
        let at = self.label();
        jump(self, at);
        self.asides.push(Aside::Leave { at, target: op.imm, done: n + 1 });
    }

    fn compare(&mut self, op: &Op) {
        let (s, t) = (self.get(op.s), self.get(op.t));
        emit!(self ; cmp W(s), W(t));
    }

    fn compare_with(&mut self, op: &Op, value: u32) {
        let s = self.get(op.s);
        if value < 0x1000 {
            emit!(self ; cmp WSP(s), value);
        } else {
            self.constant(0, value);
            emit!(self ; cmp W(s), w0);
        }
    }

    /// To the address in a register, which a call's return address does not touch any more.
    fn go_to_register(&mut self, op: &Op, before: impl FnOnce(&mut Self)) {
        let s = self.get(op.s);
        emit!(self ; mov w0, W(s));
        before(self);
        self.go_to_w0();
        self.ended = true;
    }

    /// The return address of a call without a window.
    fn link(&mut self, n: usize) {
        self.constant(1, self.pc(n + 1));
        emit!(self ; str w1, [x19]);
    }

    /// S32C1I on the memory near by.
    fn compare_and_store(&mut self, n: usize, op: &Op) {
        let value = self.get(op.t);
        let aside = self.otherwise();
        let different = self.label();
        self.near_store_offset(op, Width::Word, aside.0);
        emit!(self
            ; ldr w1, [x22, x0]
            ; ldr w2, [x20, SCOMPARE1]
            ; cmp w1, w2
            ; b.ne =>different
            ; str W(value), [x22, x0]
            ; =>different
            ; mov W(value), w1
        );
        self.made(op.t);
        self.rejoin(aside, n);
    }

    /// A zero-overhead loop begins.
    fn begin_loop(&mut self, n: usize, op: &Op) {
        let s = self.get(op.s);
        let begin = self.pc(n + 1);
        emit!(self ; sub w0, WSP(s), 1 ; str w0, [x20, LCOUNT]);
        self.constant(0, begin);
        self.constant(1, op.imm);
        emit!(self ; str w0, [x20, LBEG] ; str w1, [x20, LEND]);
        match op.opcode {
            Opcode::Loop => {}
            Opcode::Loopnez => self.branch(n, op, |it, to| emit!(it ; cbz W(s), =>to)),
            _ => self.branch(n, op, |it, to| emit!(it ; cmp WSP(s), 0 ; b.le =>to)),
        }
        self.go_to(begin, n + 1);
        self.ended = true;
    }

    /// SAR becomes w0, or what is missing from it to 32.
    fn set_shift(&mut self, left: bool) {
        if left {
            emit!(self ; movz w1, 32 ; sub w0, w1, w0);
        }
        emit!(self ; str w0, [x20, SAR]);
    }

    fn operation(&mut self, n: usize) {
        let op = self.source.ops[n];
        let r = host(op.r);
        /// `a[r]` from `a[s]` and `a[t]`.
        macro_rules! binary {
            ($instruction:ident) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; $instruction W(r), W(s), W(t));
                self.made(op.r)
            }};
        }
        /// `a[r]` = `a[s]` times a scale, plus `a[t]`.
        macro_rules! scaled_add {
            ($shift:tt) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; add W(r), W(t), W(s), lsl $shift);
                self.made(op.r)
            }};
        }
        macro_rules! scaled_sub {
            ($shift:tt) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; lsl w0, W(s), $shift ; sub W(r), w0, W(t));
                self.made(op.r)
            }};
        }
        /// `a[r]` = `a[s]` if `a[t]` is so.
        macro_rules! move_if {
            ($condition:ident) => {{
                let (old, s) = (self.get(op.r), self.get(op.s));
                let t = self.get(op.t);
                emit!(self ; cmp WSP(t), 0 ; csel W(r), W(s), W(old), $condition);
                self.made(op.r)
            }};
        }
        /// `a[r]` = `a[s]` if it compares so with `a[t]`, else `a[t]`.
        macro_rules! select {
            ($condition:ident) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; cmp W(s), W(t) ; csel W(r), W(s), W(t), $condition);
                self.made(op.r)
            }};
        }
        /// The shift of the 64 bits in x0 by SAR.
        macro_rules! shift {
            ($instruction:ident) => {{
                emit!(self ; ldr w1, [x20, SAR] ; $instruction x0, x0, x1);
                self.put(op.r)
            }};
        }
        macro_rules! shift_by_constant {
            ($instruction:ident, $from:expr) => {{
                let from = self.get($from);
                emit!(self ; $instruction W(r), W(from), op.imm & 31);
                self.made(op.r)
            }};
        }
        macro_rules! branch {
            ($($jump:tt)*) => {
                self.branch(n, &op, |it, to| emit!(it ; $($jump)* =>to))
            };
        }
        macro_rules! branch_on_zero {
            ($($jump:tt)*) => {{
                let s = self.get(op.s);
                self.branch(n, &op, |it, to| emit!(it ; $($jump)* W(s), =>to))
            }};
        }
        macro_rules! branch_on_bit {
            ($jump:ident, $register:expr, $bit:expr) => {{
                let (register, bit) = ($register, $bit);
                self.branch(n, &op, |it, to| emit!(it ; $jump W(register), bit, =>to))
            }};
        }
        macro_rules! branch_on_bits {
            ($($jump:tt)*) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; tst W(s), W(t));
                branch!($($jump)*)
            }};
        }
        macro_rules! branch_on_all {
            ($jump:ident) => {{
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; bic w0, W(t), W(s));
                branch!($jump w0,)
            }};
        }
        macro_rules! divide {
            ($instruction:ident, $remainder:literal) => {{
                let aside = self.otherwise();
                let (s, t) = (self.get(op.s), self.get(op.t));
                let at = aside.0;
                emit!(self ; cbz W(t), =>at ; $instruction w0, W(s), W(t));
                if $remainder {
                    emit!(self ; msub w0, w0, W(t), W(s));
                }
                self.put(op.r);
                self.rejoin(aside, n)
            }};
        }
        match op.opcode {
            // Core: arithmetic and logic.
            Opcode::Add => binary!(add),
            Opcode::Addx2 => scaled_add!(1),
            Opcode::Addx4 => scaled_add!(2),
            Opcode::Addx8 => scaled_add!(3),
            Opcode::Sub => binary!(sub),
            Opcode::Subx2 => scaled_sub!(1),
            Opcode::Subx4 => scaled_sub!(2),
            Opcode::Subx8 => scaled_sub!(3),
            Opcode::And => binary!(and),
            Opcode::Or => binary!(orr),
            Opcode::Xor => binary!(eor),
            Opcode::Neg => {
                let t = self.get(op.t);
                emit!(self ; neg W(r), W(t));
                self.made(op.r);
            }
            Opcode::Abs => {
                let t = self.get(op.t);
                emit!(self ; cmp WSP(t), 0 ; cneg W(r), W(t), mi);
                self.made(op.r);
            }
            Opcode::Addi | Opcode::Addmi => {
                let (s, t) = (self.get(op.s), host(op.t));
                let (up, down) = (op.imm, op.imm.wrapping_neg());
                if up < 0x1000 {
                    emit!(self ; add WSP(t), WSP(s), up);
                } else if down < 0x1000 {
                    emit!(self ; sub WSP(t), WSP(s), down);
                } else {
                    self.constant(0, op.imm);
                    emit!(self ; add W(t), W(s), w0);
                }
                self.made(op.t);
            }
            Opcode::Movi => self.put_constant(op.t, op.imm),
            Opcode::Mov => {
                let s = self.get(op.s);
                emit!(self ; mov W(host(op.t)), W(s));
                self.made(op.t);
            }
            Opcode::Moveqz => move_if!(eq),
            Opcode::Movnez => move_if!(ne),
            Opcode::Movltz => move_if!(mi),
            Opcode::Movgez => move_if!(pl),
            Opcode::Extui => {
                let t = self.get(op.t);
                let (shift, width) = (op.imm & 31, op.s as u32 + 1);
                if shift + width < 32 {
                    emit!(self ; ubfx W(r), W(t), shift, width);
                } else {
                    emit!(self ; lsr W(r), W(t), shift);
                }
                self.made(op.r);
            }

            // Core: shifts.
            Opcode::Slli => shift_by_constant!(lsl, op.s),
            Opcode::Srli => shift_by_constant!(lsr, op.t),
            Opcode::Srai => shift_by_constant!(asr, op.t),
            Opcode::Sll => {
                let s = self.get(op.s);
                emit!(self ; lsl x0, X(s), 32);
                shift!(lsr)
            }
            Opcode::Srl => {
                let t = self.get(op.t);
                emit!(self ; mov w0, W(t));
                shift!(lsr)
            }
            Opcode::Sra => {
                let t = self.get(op.t);
                emit!(self ; sxtw x0, W(t));
                shift!(asr)
            }
            Opcode::Src => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; orr x0, X(t), X(s), lsl 32);
                shift!(lsr)
            }
            Opcode::Ssl | Opcode::Ssr => {
                let s = self.get(op.s);
                emit!(self ; and w0, W(s), 31);
                self.set_shift(op.opcode == Opcode::Ssl);
            }
            Opcode::Ssa8b | Opcode::Ssa8l => {
                let s = self.get(op.s);
                emit!(self ; ubfiz w0, W(s), 3, 2);
                self.set_shift(op.opcode == Opcode::Ssa8b);
            }
            Opcode::Ssai => {
                self.constant(0, op.imm & 31);
                self.set_shift(false);
            }

            // Core: branches and jumps.
            Opcode::Beqz => branch_on_zero!(cbz),
            Opcode::Bnez => branch_on_zero!(cbnz),
            Opcode::Bgez => branch_on_bit!(tbz, self.get(op.s), 31),
            Opcode::Bltz => branch_on_bit!(tbnz, self.get(op.s), 31),
            Opcode::Beq => {
                self.compare(&op);
                branch!(b.eq)
            }
            Opcode::Bne => {
                self.compare(&op);
                branch!(b.ne)
            }
            Opcode::Bge => {
                self.compare(&op);
                branch!(b.ge)
            }
            Opcode::Blt => {
                self.compare(&op);
                branch!(b.lt)
            }
            Opcode::Bgeu => {
                self.compare(&op);
                branch!(b.hs)
            }
            Opcode::Bltu => {
                self.compare(&op);
                branch!(b.lo)
            }
            Opcode::Beqi => {
                self.compare_with(&op, B4CONST[op.r as usize] as u32);
                branch!(b.eq)
            }
            Opcode::Bnei => {
                self.compare_with(&op, B4CONST[op.r as usize] as u32);
                branch!(b.ne)
            }
            Opcode::Bgei => {
                self.compare_with(&op, B4CONST[op.r as usize] as u32);
                branch!(b.ge)
            }
            Opcode::Blti => {
                self.compare_with(&op, B4CONST[op.r as usize] as u32);
                branch!(b.lt)
            }
            Opcode::Bgeui => {
                self.compare_with(&op, B4CONSTU[op.r as usize]);
                branch!(b.hs)
            }
            Opcode::Bltui => {
                self.compare_with(&op, B4CONSTU[op.r as usize]);
                branch!(b.lo)
            }
            Opcode::Bany => branch_on_bits!(b.ne),
            Opcode::Bnone => branch_on_bits!(b.eq),
            Opcode::Ball => branch_on_all!(cbz),
            Opcode::Bnall => branch_on_all!(cbnz),
            Opcode::Bbc | Opcode::Bbs => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; lsr w0, W(s), W(t));
                if op.opcode == Opcode::Bbc {
                    branch_on_bit!(tbz, 0, 0)
                } else {
                    branch_on_bit!(tbnz, 0, 0)
                }
            }
            Opcode::Bbci => branch_on_bit!(tbz, self.get(op.s), bit_number(&op)),
            Opcode::Bbsi => branch_on_bit!(tbnz, self.get(op.s), bit_number(&op)),
            Opcode::Bf | Opcode::Bt => {
                emit!(self ; ldr w0, [x20, BR]);
                if op.opcode == Opcode::Bf {
                    branch_on_bit!(tbz, 0, op.s as u32)
                } else {
                    branch_on_bit!(tbnz, 0, op.s as u32)
                }
            }
            Opcode::J => {
                self.go_to(op.imm, n + 1);
                self.ended = true;
            }
            Opcode::Jx => self.go_to_register(&op, |_| {}),
            Opcode::Call0 => {
                self.link(n);
                self.go_to(op.imm, n + 1);
                self.ended = true;
            }
            Opcode::Callx0 => self.go_to_register(&op, |it| it.link(n)),
            Opcode::Ret => {
                let a0 = self.get(Field::N0);
                emit!(self ; mov w0, W(a0));
                self.go_to_w0();
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
                self.go_to(op.imm, n + 1);
                self.ended = true;
            }
            Opcode::Callx4 => self.go_to_register(&op, |it| it.call(n, 1)),
            Opcode::Callx8 => self.go_to_register(&op, |it| it.call(n, 2)),
            Opcode::Callx12 => self.go_to_register(&op, |it| it.call(n, 3)),
            Opcode::Entry => self.entry(n, &op),
            Opcode::Retw => self.retw(n),

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
            Opcode::Mull => binary!(mul),
            Opcode::Muluh | Opcode::Mulsh => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                if op.opcode == Opcode::Muluh {
                    emit!(self ; umull x0, W(s), W(t));
                } else {
                    emit!(self ; smull x0, W(s), W(t));
                }
                emit!(self ; lsr X(r), x0, 32);
                self.made(op.r);
            }
            Opcode::Mul16u => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; uxth w0, W(s) ; uxth w1, W(t) ; mul W(r), w0, w1);
                self.made(op.r);
            }
            Opcode::Mul16s => {
                let (s, t) = (self.get(op.s), self.get(op.t));
                emit!(self ; sxth w0, W(s) ; sxth w1, W(t) ; mul W(r), w0, w1);
                self.made(op.r);
            }
            Opcode::Quou => divide!(udiv, false),
            Opcode::Remu => divide!(udiv, true),
            Opcode::Quos => divide!(sdiv, false),
            Opcode::Rems => divide!(sdiv, true),
            Opcode::Min => select!(lt),
            Opcode::Max => select!(gt),
            Opcode::Minu => select!(lo),
            Opcode::Maxu => select!(hi),
            Opcode::Nsau => {
                let s = self.get(op.s);
                emit!(self ; clz W(host(op.t)), W(s));
                self.made(op.t);
            }
            Opcode::Sext => {
                let s = self.get(op.s);
                let shift = 31 - (op.imm & 31);
                emit!(self ; lsl w0, W(s), shift ; asr W(r), w0, shift);
                self.made(op.r);
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
