//! Hot blocks, compiled to host code.
//!
//! The interpreter is the reference; compiled code does the same to the same state, cycle by cycle, and
//! whatever it cannot do it leaves to the interpreter: one operation ([`frame::Frame::step`]) or a
//! whole block that cannot run to its end. So a run is the same with it and without.
//!
//! A block that has been interpreted often enough ([`HOT`]) is compiled, together with those that it leads
//! to ([`superblock`]). Code goes from one superblock to the next through a table by address, like the
//! interpreter's but with host addresses ([`NativeJump`]); what invalidates blocks empties that table, and
//! nothing has to be patched. Code of blocks that are gone stays where it is until the cache starts
//! afresh.

#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(
        dead_code,
        reason = "not every emitter wants to know all of it, and not every host has one"
    )
)]

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod cost;
mod frame;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod no_emitter;
mod plain_specials;
pub(super) mod superblock;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::sync::Arc;

use dynasmrt::cache_control::synchronize_icache;
use dynasmrt::mmap::{ExecutableBuffer, MutableBuffer};
use rustc_hash::FxHashMap;

use super::bus::NearMap;
use super::code::{Block, JUMP_ENTRIES, Op, address_beside, jump_index};
use super::jump_table::{Entry, JumpTable};
#[cfg(target_arch = "aarch64")]
use aarch64 as host;
pub use cost::Compiling;
pub(super) use cost::Cost;
pub(super) use frame::Ran;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use no_emitter as host;
pub(super) use superblock::Member;
use superblock::{Link, Planned};
#[cfg(target_arch = "x86_64")]
use x86_64 as host;

/// The heat at which a block is compiled.
pub(super) const HOT: i32 = 0;
/// Bytes of a piece of executable memory, if it is not for code that needs more: as few as the system
/// changes the rights of in about the time that a block takes to compile.
const CHUNK: usize = 1 << 16;
/// Most bytes of all of them.
const LIMIT: usize = 16 << 20;

/// An entry of the table by which compiled code finds the next block. Its layout is known to the
/// emitter, and its size, 16 bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct NativeJump {
    /// Address of the first instruction.
    pc: u32,
    /// The host code; 0 in an entry that is empty.
    address: usize,
}

impl Entry for NativeJump {
    fn empty(n: usize) -> Self {
        Self { pc: address_beside(n), address: 0 }
    }

    fn is_empty(&self) -> bool {
        self.address == 0
    }
}

/// What an emitter has to know of a block.
struct Source<'c> {
    block: Block,
    ops: &'c [Op],
    /// Byte offset of each operation, and of the end.
    offsets: &'c [u8],
    /// The number by which [`Frame::step`](frame::Frame::step) finds the block again.
    number: u32,
    /// What is expected in a0 by the RETW at its end, and where that leads.
    link: Option<Link>,
    near: NearMap,
}

/// What an emitter has made of a superblock.
struct Code {
    bytes: Vec<u8>,
    /// Where each block is entered from elsewhere; `None` if the interpreter executes all of it anyway.
    starts: Vec<Option<usize>>,
}

/// What a load or store of the guest moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Byte,
    Half,
    SignedHalf,
    Word,
}

impl Width {
    fn bytes(self) -> u32 {
        match self {
            Self::Byte => 1,
            Self::Half | Self::SignedHalf => 2,
            Self::Word => 4,
        }
    }
}

/// Executable memory that code is appended to.
#[derive(Debug)]
struct Chunk {
    memory: ExecutableBuffer,
    used: usize,
}

impl Chunk {
    /// With room for so many bytes at least.
    fn new(length: usize) -> Option<Self> {
        let memory = ExecutableBuffer::new(length.next_multiple_of(CHUNK)).ok()?;
        Some(Self { memory, used: 0 })
    }

    fn has_room(&self, length: usize) -> bool {
        self.used + length <= self.memory.size()
    }

    /// Appends code, for which there is room; its address, and the chunk again, unless the system
    /// refuses.
    fn append(self, code: &[u8]) -> Option<(usize, Self)> {
        let Self { memory, used } = self;
        let mut memory: MutableBuffer = memory.make_mut().ok()?;
        memory.set_len(memory.size());
        memory[used..used + code.len()].copy_from_slice(code);
        let memory = memory.make_exec().ok()?;
        synchronize_icache(&memory[used..][..code.len()]);
        let address = memory.as_ptr().addr() + used;
        Some((address, Self { memory, used: (used + code.len()).next_multiple_of(16) }))
    }
}

/// Where the code of a machine lies.
#[derive(Debug, Clone, Default)]
struct Store {
    /// Nothing is appended to these, so that copies of the machine can have them, too.
    full: Vec<Arc<Chunk>>,
    /// `None` when the system gives no memory: nothing is compiled any more.
    current: Option<Arc<Chunk>>,
    /// Something has found no room, and nothing is looked for any more.
    is_full: bool,
}

impl Store {
    /// Keeps code; its address.
    fn append(&mut self, code: &[u8]) -> Option<usize> {
        // While a copy of the machine has it, too, nothing can be appended to it.
        let chunk = match Arc::try_unwrap(self.current.take()?) {
            Ok(chunk) if chunk.has_room(code.len()) => chunk,
            Ok(chunk) => self.begin_another(Arc::new(chunk), code.len())?,
            Err(shared) => self.begin_another(shared, code.len())?,
        };
        let (address, chunk) = chunk.append(code)?;
        self.current = Some(Arc::new(chunk));
        Some(address)
    }

    fn begin_another(&mut self, full: Arc<Chunk>, length: usize) -> Option<Chunk> {
        if self.memory_bytes() + full.memory.size() + length.next_multiple_of(CHUNK) > LIMIT {
            self.is_full = true;
            self.current = Some(full);
            return None;
        }
        self.full.push(full);
        Chunk::new(length)
    }

    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.full.iter().chain(&self.current).map(AsRef::as_ref)
    }

    /// Bytes of code.
    fn code_bytes(&self) -> usize {
        self.chunks().map(|chunk| chunk.used).sum()
    }

    /// Bytes of memory that it lies in.
    fn memory_bytes(&self) -> usize {
        self.chunks().map(|chunk| chunk.memory.size()).sum()
    }

    fn is_full(&self) -> bool {
        self.is_full || self.is_lost()
    }

    /// Memory has been refused; what was in the last chunk may be gone.
    fn is_lost(&self) -> bool {
        self.current.is_none()
    }
}

/// Where the code of a block is.
#[derive(Debug, Clone, Copy)]
struct Home {
    address: usize,
    /// Index of its superblock.
    superblock: usize,
}

/// Blocks that were compiled together.
#[derive(Debug, Clone)]
struct Superblock {
    members: Arc<[Member]>,
    /// A bit for each core that is known to see all of them where they were.
    seen_by: u32,
}

/// Compiled blocks of a machine. A clone shares their code.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    store: Store,
    /// What all blocks need, once there is one.
    routines: Option<host::Routines>,
    /// By the number that their code knows.
    blocks: Vec<Block>,
    superblocks: Vec<Superblock>,
    /// By the first operation of the block; `None` if it stays with the interpreter. A block is in one
    /// superblock only, as long as it is here.
    homes: FxHashMap<u32, Option<Home>>,
    /// For each core: by a hash of the address, and behind that those that others have displaced.
    jumps: Vec<JumpTable<NativeJump, { 2 * JUMP_ENTRIES }>>,
}

impl Compiled {
    /// For `cores` cores; `None` on hosts that no code is emitted for.
    pub(super) fn new(cores: usize) -> Option<Self> {
        if !host::EMITS {
            return None;
        }
        Some(Self {
            store: Store { current: Some(Arc::new(Chunk::new(CHUNK)?)), ..Store::default() },
            routines: None,
            blocks: Vec::new(),
            superblocks: Vec::new(),
            homes: FxHashMap::default(),
            jumps: (0..cores).map(|_| JumpTable::new()).collect(),
        })
    }

    /// The host code of the block at `pc` of `core`, if its table has it.
    #[inline(always)]
    pub(super) fn at(&self, core: usize, pc: u32) -> Option<usize> {
        let first = jump_index(pc);
        let mut both = [first, first + JUMP_ENTRIES].into_iter().map(|n| self.jumps[core].get(n));
        both.find(|jump| jump.pc == pc).map(|jump| jump.address)
    }

    /// Whether the block has been compiled, or refused; `None` if nobody has tried.
    pub(super) fn verdict(&self, block: &Block) -> Option<bool> {
        self.homes.get(&block.first).map(Option::is_some)
    }

    /// Puts the block's code into the table of `core`, if it has been compiled. `locate` tells where an
    /// address is physically: superblocks reach over pages, and these may be others by now.
    pub(super) fn reach(
        &mut self,
        core: usize,
        block: Block,
        locate: impl Fn(u32) -> Option<u32>,
    ) -> bool {
        let Some(&Some(Home { address, superblock })) = self.homes.get(&block.first) else {
            return false;
        };
        let Superblock { members, seen_by } = &mut self.superblocks[superblock];
        if *seen_by & 1 << core == 0 {
            if !members.iter().all(|it| locate(it.block.pc) == Some(it.physical)) {
                self.forget(block);
                return false;
            }
            *seen_by |= 1 << core;
        }
        let jumps = &mut self.jumps[core];
        let first = jump_index(block.pc);
        let before = jumps.put(first, NativeJump { pc: block.pc, address });
        if !before.is_empty() && before.pc != block.pc {
            jumps.put(first + JUMP_ENTRIES, before);
        }
        true
    }

    /// What is in the table of `core` must be looked for again.
    pub(super) fn forget_jumps(&mut self, core: usize) {
        self.jumps[core].clear();
        self.superblocks.iter_mut().for_each(|it| it.seen_by &= !(1 << core));
    }

    /// The block is no more, so its superblock must not be entered any more. What is in the tables has to
    /// be forgotten, too.
    pub(super) fn forget(&mut self, block: Block) {
        if let Some(Some(home)) = self.homes.remove(&block.first) {
            for member in self.superblocks[home.superblock].members.iter() {
                self.homes.remove(&member.block.first);
            }
        }
    }

    /// Compiles a superblock; false if the block at its head stays with the interpreter.
    pub(super) fn compile(
        &mut self,
        plan: &[Planned],
        ops: &[Op],
        offsets: &[u8],
        near: NearMap,
    ) -> bool {
        let head = plan[0].member.block.first;
        // Where there is no room, no time is spent either.
        if self.store.is_full() || self.emit(plan, ops, offsets, near).is_none() {
            if self.store.is_lost() {
                self.forget_all();
            }
            self.homes.insert(head, None);
        }
        self.homes.get(&head).is_some_and(Option::is_some)
    }

    /// The system has taken code away: none is entered any more.
    fn forget_all(&mut self) {
        self.homes.clear();
        self.jumps.iter_mut().for_each(JumpTable::clear);
        self.routines = None;
    }

    fn emit(&mut self, plan: &[Planned], ops: &[Op], offsets: &[u8], near: NearMap) -> Option<()> {
        if self.routines.is_none() {
            let (code, routines) = host::routines(near)?;
            self.routines = Some(routines.at(self.store.append(&code)?));
        }
        let source = |(n, planned): (usize, &Planned)| {
            let block = planned.member.block;
            let (first, len) = (block.first as usize, usize::from(block.len));
            Source {
                block,
                ops: &ops[first..][..len],
                offsets: &offsets[first..][..len + 1],
                number: (self.blocks.len() + n) as u32,
                link: planned.link,
                near,
            }
        };
        let sources: Vec<Source<'_>> = plan.iter().enumerate().map(source).collect();
        let Code { bytes, starts } = host::superblock(&sources)?;
        let address = self.store.append(&bytes)?;
        let superblock = self.superblocks.len();
        let members = plan.iter().map(|it| it.member).collect();
        self.superblocks.push(Superblock { members, seen_by: 0 });
        for (planned, start) in plan.iter().zip(starts) {
            let block = planned.member.block;
            self.blocks.push(block);
            if let Some(start) = start {
                let home = Home { address: address + start, superblock };
                self.homes.insert(block.first, Some(home));
            }
        }
        Some(())
    }

    fn routines(&self) -> Option<&host::Routines> {
        self.routines.as_ref()
    }

    fn block(&self, number: u32) -> Block {
        self.blocks.get(number as usize).copied().unwrap_or(super::code::EMPTY)
    }

    fn jumps(&self, core: usize) -> *const NativeJump {
        self.jumps[core].as_ptr()
    }
}
