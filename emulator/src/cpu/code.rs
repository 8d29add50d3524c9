//! Pre-decoded code: blocks of instructions, found by address, dropped when their bytes change.
//!
//! A block begins where control arrived and runs on past branches that are not taken until an
//! instruction that always leaves, [`MAX_BLOCK`] instructions, the end of a loop body, or the end
//! of the page. Operations are 8 bytes each, with branch targets and literals resolved.
//!
//! Blocks are kept by (virtual, physical) address, so that both cores share them and a remapped
//! page cannot find stale ones; a small direct-mapped table per core finds them by address alone
//! and is emptied whenever mapping or code change.

use std::collections::BTreeSet;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};

use super::bus::{Bus, MAX_FETCH};
use super::compiled::{Compiled, Compiling, Cost, HOT, Member, superblock};
use super::decode::decode;
use super::exceptions::Fault;
use super::instruction::{Instruction, Opcode};
use super::jump_table::{Entry, JumpTable};
use super::special_register::sr;

/// Most instructions in a block.
pub const MAX_BLOCK: usize = 64;
pub(super) const JUMP_ENTRIES: usize = 1 << 13;
/// Operations kept before the cache starts afresh: 32 MiB.
const MAX_OPS: usize = 4 << 20;
/// Code is tracked, and dropped, in granules of this many bytes.
const GRANULE: u32 = 256;

/// Four bits of an operation: a type of its own, so that the compiler knows that sixteen registers
/// are enough for it and leaves out mask and bounds check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    N0,
    N1,
    N2,
    N3,
    N4,
    N5,
    N6,
    N7,
    N8,
    N9,
    N10,
    N11,
    N12,
    N13,
    N14,
    N15,
}

impl Field {
    /// The low four bits of `n`.
    pub(super) const fn new(n: u8) -> Self {
        use Field::*;
        [N0, N1, N2, N3, N4, N5, N6, N7, N8, N9, N10, N11, N12, N13, N14, N15][(n & 15) as usize]
    }
}

/// One pre-decoded instruction: the fields of [`Instruction`], except that
///
/// - `imm` of a control transfer is the target address;
/// - `imm` of L32R is the literal when `r` is 1, and else its address;
/// - `s` of EXTUI is the width minus one;
/// - the bit number of BBCI and BBSI is `r` and, if it is above 15, `t` is 1;
/// - `t` of ENTRY says how many quads of the window the operations behind it need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Op {
    pub opcode: Opcode,
    pub r: Field,
    pub s: Field,
    pub t: Field,
    pub imm: u32,
}

/// Where a block is and what it needs. Sixteen bytes, for the jump table is read at every step.
#[derive(Debug, Clone, Copy)]
#[repr(align(16))]
pub(super) struct Block {
    /// Address of the first instruction.
    pub pc: u32,
    /// Index of the first operation.
    pub first: u32,
    /// Operations.
    pub len: u8,
    /// Length of the code in bytes.
    pub bytes: u8,
    /// Register quads that the operations up to the first ENTRY use, and [`STOPS`].
    pub quads: u8,
    /// The block may be a polling loop: it has no stores and reads no counter.
    pub may_spin: bool,
    /// Rises with each run by the interpreter; at [`HOT`] the block is compiled. Below zero, far, if it
    /// cannot be.
    pub heat: i32,
}

/// Set in [`Block::quads`] when somebody wants to stop before the block. It makes them more than
/// any window has free, so that code without such places pays nothing for the question.
pub(super) const STOPS: u8 = 0x80;

/// A block depends on the bytes from `physical` on: its code, or a literal that it has folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dependence {
    block: (u32, u32),
    physical: u32,
    length: u32,
}

/// A block without an operation.
pub(super) const EMPTY: Block =
    Block { pc: 0, first: 0, len: 0, bytes: 0, quads: 0, may_spin: false, heat: i32::MIN };

impl Entry for Block {
    fn empty(n: usize) -> Self {
        Self { pc: address_beside(n), ..EMPTY }
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// An address that is not looked for at index `n` of a table.
pub(super) fn address_beside(n: usize) -> u32 {
    u32::from(n.is_multiple_of(JUMP_ENTRIES))
}

/// The code cache of a machine. A clone is for a copy of the machine, and shares what is compiled.
#[derive(Debug, Clone)]
pub struct CodeCache {
    ops: Vec<Op>,
    /// Offset of each operation from its block's start, and one more for the block's end.
    offsets: Vec<u8>,
    blocks: FxHashMap<(u32, u32), Block>,
    by_granule: FxHashMap<u32, Vec<Dependence>>,
    loop_ends: FxHashSet<u32>,
    jumps: Vec<JumpTable<Block, JUMP_ENTRIES>>,
    max_block: usize,
    stops: Stops,
    /// Blocks compiled to host code; `None` if that is not wanted, or not possible on this host.
    compiled: Option<Compiled>,
    cost: Cost,
    /// The heat of a block that has never run.
    cold: i32,
    /// What a run by the interpreter adds to a block's heat: 1, or 0 if nothing is compiled.
    warmth: i32,
}

/// Addresses before which a block ends, so that a core can stop there.
#[derive(Debug, Clone)]
struct Stops {
    /// Instruction breakpoints of each core's debug option.
    of_cores: Vec<[Option<u32>; 2]>,
    /// Breakpoints of the host's debugger.
    of_debugger: BTreeSet<u32>,
    /// BREAK and BREAK.N are refused like illegal instructions, for the debugger to have them.
    at_breaks: bool,
}

impl Stops {
    fn contains(&self, address: u32) -> bool {
        self.of_debugger.contains(&address)
            || self.of_cores.iter().flatten().any(|&stop| stop == Some(address))
    }
}

impl CodeCache {
    /// A cache for `cores` cores with blocks of at most `max_block` instructions (1 to
    /// [`MAX_BLOCK`]). They are compiled to host code after `compile_after` runs, if there is an
    /// emitter for the host; without a number never.
    pub fn new(cores: usize, max_block: usize, compile_after: Option<u32>) -> Self {
        let compiled = compile_after.and_then(|_| Compiled::new(cores));
        let runs = compile_after.map_or(0, |runs| i32::try_from(runs).unwrap_or(i32::MAX));
        Self {
            ops: Vec::new(),
            offsets: Vec::new(),
            blocks: FxHashMap::default(),
            by_granule: FxHashMap::default(),
            loop_ends: FxHashSet::default(),
            jumps: vec![JumpTable::new(); cores],
            max_block: max_block.clamp(1, MAX_BLOCK),
            stops: Stops {
                of_cores: vec![[None; 2]; cores],
                of_debugger: BTreeSet::new(),
                at_breaks: false,
            },
            cold: if compiled.is_some() { HOT - runs } else { i32::MIN },
            warmth: compiled.is_some().into(),
            compiled,
            cost: Cost::default(),
        }
    }

    /// A cache for `core` that has this instruction at `pc`, whatever memory says.
    pub(super) fn of_one<B: Bus>(core: usize, pc: u32, bytes: &[u8], bus: &mut B) -> Self {
        let mut cache = Self::new(core + 1, 1, None);
        let block = cache.build(core, pc, bytes, bus, None);
        cache.jumps[core].put(jump_index(pc), block);
        cache
    }

    /// The instruction breakpoints of `core` are at these addresses.
    pub(super) fn set_core_stops(&mut self, core: usize, stops: [Option<u32>; 2]) {
        if self.stops.of_cores.get(core).is_some_and(|old| *old != stops) {
            self.stops.of_cores[core] = stops;
            self.clear();
        }
    }

    /// The host's debugger has breakpoints at these addresses.
    pub fn set_breakpoints(&mut self, breakpoints: &BTreeSet<u32>) {
        if self.stops.of_debugger != *breakpoints {
            self.stops.of_debugger.clone_from(breakpoints);
            self.clear();
        }
    }

    /// BREAK and BREAK.N stop a core like illegal instructions from now on, or are debug events
    /// again.
    pub fn stop_at_breaks(&mut self, stop: bool) {
        if self.stops.at_breaks != stop {
            self.stops.at_breaks = stop;
            self.clear();
        }
    }

    /// Whether they do.
    pub fn stops_at_breaks(&self) -> bool {
        self.stops.at_breaks
    }

    /// Whether the host's debugger has a breakpoint at `address`.
    pub(super) fn has_breakpoint(&self, address: u32) -> bool {
        self.stops.of_debugger.contains(&address)
    }

    /// The mapping of code has changed for `core`.
    pub fn forget_jumps(&mut self, core: usize) {
        self.jumps[core].clear();
        if let Some(compiled) = &mut self.compiled {
            compiled.forget_jumps(core);
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        let fresh = Self::new(self.jumps.len(), self.max_block, self.compile_after());
        *self = Self { stops: self.stops.clone(), cost: self.cost, ..fresh };
    }

    /// The `length` bytes at `physical` have changed.
    pub fn invalidate(&mut self, physical: u32, length: u32) {
        let Self { blocks, by_granule, compiled, .. } = self;
        let mut dropped = false;
        for granule in granules(physical, length) {
            let Some(dependences) = by_granule.get_mut(&granule) else { continue };
            dependences.retain(|it| {
                let hit = it.physical < physical.saturating_add(length)
                    && physical < it.physical.saturating_add(it.length);
                if hit {
                    if let (Some(block), Some(compiled)) =
                        (blocks.remove(&it.block), &mut *compiled)
                    {
                        compiled.forget(block);
                    }
                    dropped = true;
                }
                !hit
            });
        }
        if dropped {
            for core in 0..self.jumps.len() {
                self.forget_jumps(core);
            }
        }
    }

    /// What the jump table of `core` has where the block at `pc` would be: [`CodeCache::find`] if
    /// that is another.
    #[inline(always)]
    pub(super) fn guess(&self, core: usize, pc: u32) -> Block {
        self.jumps[core].get(jump_index(pc))
    }

    /// The interpreter is about to run the block at `pc`, which the jump table of `core` may have.
    #[inline(always)]
    pub(super) fn warm(&mut self, core: usize, pc: u32) {
        let entry = self.jumps[core].get_mut(jump_index(pc));
        if entry.pc == pc {
            entry.heat += self.warmth;
        }
    }

    /// Runs of a block before it is compiled, if blocks are.
    fn compile_after(&self) -> Option<u32> {
        self.compiled.as_ref().map(|_| (HOT - self.cold) as u32)
    }

    /// What compiling to host code has cost; `None` if nothing is compiled.
    pub fn compiling(&self) -> Option<Compiling> {
        self.compiled.as_ref().map(|compiled| self.cost.so_far(compiled))
    }

    /// Lends the cache a clock, time since whenever, for [`Compiling::time`].
    pub fn set_clock(&mut self, clock: fn() -> Duration) {
        self.cost.set_clock(clock);
    }

    pub(super) fn compiled(&self) -> Option<&Compiled> {
        self.compiled.as_ref()
    }

    /// The host code of a hot block, which is compiled now if need be.
    #[inline(always)]
    pub(super) fn host_code<B: Bus>(
        &mut self,
        core: usize,
        block: Block,
        bus: &B,
    ) -> Option<usize> {
        let known = self.compiled.as_ref()?.at(core, block.pc);
        if known.is_some() { known } else { self.compile(core, block, bus) }
    }

    #[cold]
    #[inline(never)]
    fn compile<B: Bus>(&mut self, core: usize, block: Block, bus: &B) -> Option<usize> {
        let locate = |pc| bus.locate(core, pc).ok();
        if !self.compiled.as_mut()?.reach(core, block, locate) {
            let head = Member { block, physical: locate(block.pc)? };
            let along = |pc| self.compiled_along(core, pc, bus);
            let plan =
                superblock::plan(head, |block| self.ops(block, usize::from(block.len)), along);
            let (ops, offsets) = (&self.ops, &self.offsets);
            let compiled = self.compiled.as_mut()?;
            if self.cost.count(compiled, |it| it.compile(&plan, ops, offsets, B::NEAR)) {
                compiled.reach(core, block, locate);
            } else {
                self.jumps[core].get_mut(jump_index(block.pc)).heat = i32::MIN;
            }
        }
        self.compiled.as_ref()?.at(core, block.pc)
    }

    /// The block at `pc` if it may be compiled together with one that leads to it: it is half as hot as
    /// would be needed for itself.
    fn compiled_along<B: Bus>(&self, core: usize, pc: u32, bus: &B) -> Option<Member> {
        let physical = bus.locate(core, pc).ok()?;
        let block = *self.blocks.get(&(pc, physical))?;
        let guess = self.guess(core, pc);
        let heat = if guess.pc == pc { guess.heat } else { block.heat };
        let runs = i64::from(heat) - i64::from(self.cold);
        let hot = runs * 2 >= i64::from(HOT) - i64::from(self.cold);
        let fresh = self.compiled.as_ref()?.verdict(&block).is_none();
        (hot && fresh && block.quads & STOPS == 0).then_some(Member { block, physical })
    }

    /// The block at `pc`, decoded now if need be.
    #[cold]
    #[inline(never)]
    pub(super) fn find<B: Bus>(
        &mut self,
        core: usize,
        pc: u32,
        bus: &mut B,
    ) -> Result<Block, Fault> {
        let key = (pc, bus.locate(core, pc)?);
        let block = match self.blocks.get_mut(&key) {
            // One that others push out of the jump table must not stay cold for that.
            Some(block) => {
                block.heat = match self.compiled.as_ref().and_then(|it| it.verdict(block)) {
                    Some(true) => HOT,
                    Some(false) => i32::MIN,
                    None => block.heat.saturating_add(self.warmth),
                };
                *block
            }
            None => {
                let mut buffer = [0; MAX_FETCH];
                let fetched = bus.fetch(core, pc, &mut buffer)?;
                if self.ops.len() > MAX_OPS {
                    self.clear();
                }
                let block = self.build(core, pc, &buffer[..fetched.length], bus, Some(key));
                // Half of it is on a page that may become another one: fetched each time.
                if fetched.straddles {
                    return Ok(Block { heat: i32::MIN, ..block });
                }
                self.blocks.insert(key, block);
                block
            }
        };
        self.jumps[core].put(jump_index(pc), block);
        Ok(block)
    }

    fn build<B: Bus>(
        &mut self,
        core: usize,
        pc: u32,
        bytes: &[u8],
        bus: &mut B,
        key: Option<(u32, u32)>,
    ) -> Block {
        let first = self.ops.len();
        let mut block = Block {
            pc,
            first: first as u32,
            len: 0,
            bytes: 0,
            quads: 1,
            may_spin: true,
            heat: self.cold,
        };
        let mut at = 0;
        let mut before_entry = true;
        loop {
            let here = pc.wrapping_add(at as u32);
            let rest = &bytes[at.min(bytes.len())..];
            let instruction = decode(word_of(rest));
            if rest.len() < usize::from(instruction.length) && at != 0 {
                break; // it straddles two pages: a block of its own
            }
            let op = self.resolve(instruction, here, core, bus, key);
            if before_entry {
                block.quads = block.quads.max(quads_used(&instruction));
            } else {
                // Behind ENTRY the window is another: ENTRY itself compares with this.
                let entry = self.ops.iter_mut().skip(first).rfind(|op| op.opcode == Opcode::Entry);
                if let Some(entry) = entry {
                    entry.t = Field::new((entry.t as u8).max(quads_used(&instruction)));
                }
            }
            block.may_spin &= may_spin(instruction.opcode);
            before_entry &= instruction.opcode != Opcode::Entry;
            self.ops.push(op);
            self.offsets.push(at as u8);
            at += usize::from(instruction.length);
            block.len += 1;
            if ends_block(&instruction)
                || usize::from(block.len) >= self.max_block
                || at >= bytes.len()
                || at > usize::from(u8::MAX) - 3
                || self.loop_ends.contains(&pc.wrapping_add(at as u32))
                || self.stops.contains(pc.wrapping_add(at as u32))
            {
                break;
            }
        }
        // Keeps `offsets` one longer than `ops` for this block: both vectors step together.
        let zero = Field::N0;
        self.ops.push(Op { opcode: Opcode::Illegal, r: zero, s: zero, t: zero, imm: 0 });
        self.offsets.push(at as u8);
        block.bytes = at as u8;
        if self.stops.contains(pc) {
            block.quads |= STOPS;
        }
        if let Some(key) = key {
            self.track(key, key.1, at as u32, bus);
        }
        block
    }

    fn resolve<B: Bus>(
        &mut self,
        instruction: Instruction,
        pc: u32,
        core: usize,
        bus: &mut B,
        key: Option<(u32, u32)>,
    ) -> Op {
        let Instruction { opcode, r, s, t, imm, .. } = instruction;
        let [r, s, t] = [r, s, t].map(Field::new);
        let mut op = Op { opcode, r, s, t, imm: imm as u32 };
        if let Some(target) = instruction.target(pc) {
            op.imm = target;
        }
        match opcode {
            Opcode::Break | Opcode::BreakN if self.stops.at_breaks => op.opcode = Opcode::Illegal,
            Opcode::L32r => {
                let address = (pc.wrapping_add(3) & !3).wrapping_add(imm as u32);
                op.imm = address;
                op.r = Field::N0;
                if let Some(key) = key
                    && let Some((value, physical)) = bus.literal(core, address)
                {
                    (op.imm, op.r) = (value, Field::N1);
                    self.track(key, physical, 4, bus);
                }
            }
            Opcode::Loop | Opcode::Loopnez | Opcode::Loopgtz => {
                self.loop_ends.insert(op.imm);
            }
            Opcode::Entry => op.t = Field::N1,
            Opcode::Extui => op.s = Field::new(instruction.s.wrapping_sub(1)),
            Opcode::Bbci | Opcode::Bbsi => op.t = Field::new(instruction.r >> 4 & 1),
            _ => {}
        }
        op
    }

    fn track<B: Bus>(&mut self, block: (u32, u32), physical: u32, length: u32, bus: &mut B) {
        bus.guard_code(physical, length);
        let dependence = Dependence { block, physical, length };
        for granule in granules(physical, length) {
            let dependences = self.by_granule.entry(granule).or_default();
            if !dependences.contains(&dependence) {
                dependences.push(dependence);
            }
        }
    }

    /// The first `n` operations of `block`.
    pub(super) fn ops(&self, block: Block, n: usize) -> &[Op] {
        &self.ops[block.first as usize..][..n]
    }

    /// Byte offset of operation `n` of `block`, or its length if there are `n` operations.
    pub(super) fn offset(&self, block: Block, n: usize) -> u32 {
        u32::from(self.offsets[block.first as usize + n])
    }

    /// How many operations lie before byte offset `offset`, if one ends there.
    pub(super) fn ops_before(&self, block: Block, offset: u32) -> Option<usize> {
        (0..=usize::from(block.len)).find(|&n| self.offset(block, n) == offset)
    }
}

fn granules(physical: u32, length: u32) -> std::ops::RangeInclusive<u32> {
    physical / GRANULE..=physical.saturating_add(length.saturating_sub(1)) / GRANULE
}

pub(super) fn jump_index(pc: u32) -> usize {
    pc as usize & (JUMP_ENTRIES - 1)
}

fn word_of(bytes: &[u8]) -> u32 {
    let mut word = [0; 4];
    for (to, from) in word.iter_mut().zip(bytes.iter().take(3)) {
        *to = *from;
    }
    u32::from_le_bytes(word)
}

/// Whether control always leaves here, or the machine must look before the next instruction.
fn ends_block(instruction: &Instruction) -> bool {
    use Opcode::*;
    match instruction.opcode {
        J | Jx | Call0 | Call4 | Call8 | Call12 | Callx0 | Callx4 | Callx8 | Callx12 | Ret
        | Retw | Rfe | Rfde | Rfwo | Rfwu | Rfi | Rfdo | Rfdd | Waiti | Rsil | Syscall
        | Simcall | Break | BreakN | Ill | Illegal | Loop | Loopnez | Loopgtz | Rotw | Witlb
        | Wdtlb | Iitlb | Idtlb => true,
        Wsr | Xsr => writes_control(instruction.imm as u32),
        _ => false,
    }
}

/// Whether writing special register `n` may change what happens before the next instruction:
/// masks, timers, windows, loops, debug state.
pub(super) fn writes_control(n: u32) -> bool {
    !matches!(
        n as u8,
        sr::SAR
            | sr::BR
            | sr::SCOMPARE1
            | sr::ACCLO..=sr::M3
            | sr::EXCSAVE1..=sr::EXCSAVE7
            | sr::MISC0..=sr::MISC3
    )
}

/// Whether this is a branch on address registers.
pub(super) fn is_branch(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(
        opcode,
        Beqz | Bnez
            | Bgez
            | Bltz
            | Beq
            | Bne
            | Bge
            | Blt
            | Bgeu
            | Bltu
            | Beqi
            | Bnei
            | Bgei
            | Blti
            | Bgeui
            | Bltui
            | Bany
            | Bnone
            | Ball
            | Bnall
            | Bbc
            | Bbs
            | Bbci
            | Bbsi
    )
}

/// Whether a block with this instruction can be a pure polling loop: its effect depends on
/// registers and on memory that only others change.
fn may_spin(opcode: Opcode) -> bool {
    use Opcode::*;
    let harmless = matches!(
        opcode,
        Add | Addi
            | Addmi
            | Sub
            | And
            | Or
            | Xor
            | Extui
            | Mov
            | Movi
            | L32r
            | L32i
            | L16ui
            | L16si
            | L8ui
            | Memw
            | Nop
            | Slli
            | Srli
            | Srai
            | J
            | Neg
            | Moveqz
            | Movnez
            | Extw
            | Isync
            | Rsync
            | Esync
            | Dsync
    );
    harmless || is_branch(opcode)
}

/// Quads of the window that the register operands of an instruction reach into, 1 to 4.
fn quads_used(instruction: &Instruction) -> u8 {
    let Instruction { opcode, r, s, t, .. } = *instruction;
    operand_quads(opcode, r, s, t)
}

/// The same for an operation.
pub(super) fn op_quads(op: &Op) -> u8 {
    operand_quads(op.opcode, op.r as u8, op.s as u8, op.t as u8)
}

fn operand_quads(opcode: Opcode, r: u8, s: u8, t: u8) -> u8 {
    use Opcode::*;
    let highest = match opcode {
        Add | Addx2 | Addx4 | Addx8 | Sub | Subx2 | Subx4 | Subx8 | And | Or | Xor | Moveqz
        | Movnez | Movltz | Movgez | Min | Max | Minu | Maxu | Src | Mul16u | Mul16s | Mull
        | Muluh | Mulsh | Quou | Quos | Remu | Rems => r.max(s).max(t),
        Neg | Abs | Srai | Srli | Extui | Srl | Sra => r.max(t),
        Sext | Clamps | Slli | Sll | Movf | Movt => r.max(s),
        Addi | Addmi | Mov | Nsa | Nsau | L8ui | L16ui | L16si | L32i | L32ai | S8i | S16i
        | L32e | S32i | S32ri | S32nb | S32c1i | S32e | Movsp | Beq | Bne | Blt | Bge | Bltu
        | Bgeu | Bany | Bnone | Ball | Bnall | Bbc | Bbs | Rer | Wer | Witlb | Wdtlb | Ritlb0
        | Ritlb1 | Rdtlb0 | Rdtlb1 | Pitlb | Pdtlb | Lsx | Lsxp | Ssx | Ssxp => s.max(t),
        Movi | L32r | Rsr | Wsr | Xsr | Wur | Rsil | MoveqzS | MovnezS | MovltzS | MovgezS => t,
        Ssr | Ssl | Ssa8l | Ssa8b | Jx | Callx0 | Bbci | Bbsi | Beqz | Bnez | Bltz | Bgez
        | Beqi | Bnei | Blti | Bgei | Bltui | Bgeui | Loop | Loopnez | Loopgtz | Lsi | Lsip
        | Ssi | Ssip | FloatS | UfloatS | Wfr | Iitlb | Idtlb | Ldinc | Lddec => s,
        RoundS | TruncS | FloorS | CeilS | UtruncS | Rfr | Rur => r,
        Umul | Mul | Mula | Muls | MulaLd => s.max(t), // an m register is below 4
        Call4 => 4,
        Call8 => 8,
        Call12 => 12,
        Callx4 => s.max(4),
        Callx8 => s.max(8),
        Callx12 => s.max(12),
        _ => 0,
    };
    (highest & 15) / 4 + 1
}
