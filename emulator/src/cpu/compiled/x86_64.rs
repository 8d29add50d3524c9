//! The emitter for x86-64: operations of a block to host code.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2; what the
//! instructions of the guest do is what `execute` does, case by case in the same order.
//!
//! Each operation becomes the two to six instructions that it needs. Registers of the guest that are read or
//! made are kept in host registers up to the end of the superblock, see [`held`]; memory is right whenever
//! somebody else looks.
//!
//! While compiled code runs, all registers of the guest are in `Cpu::file`, where a rotation is a matter of
//! an address; `Cpu::a` is right whenever somebody else looks. Three quads behind the file stand for its first
//! three as long as the window reaches around its end.
//!
//! What is too long for that, or rare, is done by [`Frame::step`](super::frame::Frame::step), which lets the interpreter execute
//! this one operation.
//!
//! | register | holds |
//! |---|---|
//! | rbx | the window: address of a0 in `Cpu::file` |
//! | rbp | the [`Frame`](super::frame::Frame), from [`FRAME`] bytes on |
//! | r12 | the memory near by |
//! | r13 | its guards |
//! | r14 | cycles that are left when the block has run to its end |
//! | r15 | address of `Cpu::a`, from where fields of the core are reached |
//! | rax, rcx, rdx | intermediate values |
//! | rsi, rdi, r8 to r11 | registers of the guest |

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
mod held;
mod memory;
mod operations;
mod routines;
mod shape;
mod specials;
mod windows;

use std::mem::offset_of;

use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynamicLabel, VecAssembler};

use super::{Code, Source, Width};
use crate::cpu::Cpu;
use crate::cpu::code::Op;
use crate::cpu::instruction::Opcode;
use crate::cpu::special_register::sr;
use held::Held;
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
const FRAMES: i8 = close!(frames);
const FREE_QUADS: i8 = close!(free_quads);
const EXTERNAL: i8 = close!(external);
const LATCHED: i8 = close!(latched);
const REQUESTS: i8 = close!(requests);
const SCOMPARE1: i8 = close!(scompare1);
const CCOUNT_OFFSET: i8 = close!(ccount_offset);
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
    Step { from: Branched, block: usize, op: usize, held: Held },
    /// A load that is not near: from a page of flash, or a device's register, or else as above. rax is the
    /// offset from the memory near by.
    Far { from: Branched, block: usize, op: usize, held: Held, width: Width },
    /// A store of a word that is not near: to a device's register, or else as above.
    FarStore { from: Branched, block: usize, op: usize, held: Held },
    /// RSIL or WSR.PS, operation `op`, when an interrupt may follow; then on as above.
    Level { from: Branched, block: usize, op: usize, held: Held },
    /// A transfer to `target` behind `done` operations.
    Leave { at: DynamicLabel, block: usize, target: u32, done: usize, held: Held },
    /// RETW, operation `op`, goes elsewhere than expected.
    Return { at: DynamicLabel, block: usize, op: usize },
}

/// Where code branches off, and where it comes back to.
#[derive(Clone, Copy)]
struct Branched {
    at: DynamicLabel,
    back: DynamicLabel,
    /// What is held at the first.
    held: Held,
}

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
    /// The same with registers held as they have to be inside.
    undone_inside: DynamicLabel,
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
                undone_inside: label(),
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
            held: Held::default(),
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
}
