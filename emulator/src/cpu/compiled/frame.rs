//! Entering compiled code, and what it shares with the interpreter meanwhile.
//!
//! # What `unsafe` relies on here
//!
//! - *Code stays.* An address that [`Compiled`](super::Compiled) gives is that of code in a chunk of this
//!   machine's, or it gives none any more once the system has taken a chunk away; the cache is borrowed
//!   while code runs. A chunk is made writable only by its sole owner, so
//!   never while a copy of the machine, on another thread, may be running in it.
//! - *Layout.* Emitters reach [`Frame`], `Cpu` and [`NativeJump`] by `offset_of!`, the first and the last
//!   of which are `repr(C)`.
//! - *Bounds.* Compiled code touches the fields of the core, the memory near by below `NEAR.length` less
//!   the width of the access, the guard of that place, the four bytes of a page of flash that end before
//!   its end, and the entries of its table by a masked hash: each emitter checks or masks at the place of
//!   the access. `ci/memcheck` sees what goes beyond.
//! - *Nothing moves.* Memory, guards, table and list of pages are boxes, pages of flash are shared ones;
//!   who may change the latter is the interpreter, and [`interpret`] asks [`Bus::near`] before it lets
//!   compiled code go on.
//! - *The window* of compiled code is that of sixteen registers within `Cpu::file`: WINDOWBASE is below 16,
//!   and three quads lie behind the last. Before [`interpret`] it has been copied to `Cpu::a`, and is taken
//!   from there again behind it.
//! - *Nobody else looks.* Compiled code holds no reference. Those of [`load`], [`store`] and [`interpret`]
//!   come from the pointers in [`Run`], each of which is made once from a borrow that lasts as long as the
//!   run, and are gone when they return.
//! - *No unwinding.* A panic in a function that compiled code calls ends the process: Rust does so at the
//!   border of every `extern` function.

#![allow(unsafe_code, reason = "the one place where compiled code is called, and calls back")]

use std::ptr;

use dynasmrt::cache_control::prepare_for_execution;

use super::super::Cpu;
use super::super::bus::Bus;
use super::super::code::{Block, CodeCache};
use super::super::execute::Leave;
use super::super::instruction::Opcode;
use super::super::interrupts::ABOVE;
use super::NativeJump;
use super::host::Routines;

/// A function by the calling convention of compiled code: System V's on x86-64, whatever the system's
/// is; elsewhere that of the architecture.
#[cfg(target_arch = "x86_64")]
macro_rules! compiled {
    (fn $($rest:tt)*) => { unsafe extern "sysv64" fn $($rest)* };
}
#[cfg(not(target_arch = "x86_64"))]
macro_rules! compiled {
    (fn $($rest:tt)*) => { unsafe extern "C" fn $($rest)* };
}

/// Why compiled code has come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Exit {
    /// `Frame::pc` is not compiled.
    To = 0,
    /// The block at `Frame::pc` is for the interpreter this time: cycles, loop or window are not
    /// such that it could run to its end.
    Declined = 1,
    /// An operation that the interpreter executed has left its block.
    Stepped = 2,
    /// A block that may be a polling loop, `Frame::block`, has gone back to its start behind
    /// `Frame::done` operations.
    Spins = 3,
}

/// What compiled code does when [`Frame::step`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Next {
    /// It goes on behind the operation.
    On = 0,
    /// It comes back with [`Exit::Stepped`].
    Out = 1,
    /// It goes to the block at `Frame::pc`, with `Frame::left` cycles.
    To = 2,
}

/// What compiled code reads and writes besides the core. Its layout is known to the emitters; that for
/// x86-64 reaches what comes first by the shortest instructions.
#[repr(C)]
pub(super) struct Frame {
    /// Cycles that are left; inside a block, when it has run to its end.
    pub left: i64,
    /// The cycle up to which the core runs.
    pub limit: u64,
    /// [`Near::pages`](super::super::bus::Near::pages).
    pub pages: *const usize,
    /// For each interrupt level the lines that are above it, as [`Cpu::interrupt`] names them.
    pub lines_above: *const u32,
    /// How often a polling loop may repeat before somebody looks whether it does nothing else.
    pub patience: i32,
    pub pc: u32,
    pub block: u32,
    pub done: u32,
    /// Loads the word at an address in the cycle that is so many before the block's end, if it is a device's
    /// register and nothing follows from it: bit 32 is set then. What `step` does would come to the same,
    /// and take longer.
    pub load: compiled!(fn(*mut Frame, address: u32, rest: u32) -> u64),
    /// Stores a word likewise; not 0 then.
    pub store: compiled!(fn(*mut Frame, address: u32, value: u32, rest: u32) -> u32),
    /// Lets the interpreter execute operation `op` (from 0) of block `block`; a [`Next`].
    pub step: compiled!(fn(*mut Frame, block: u32, op: u32) -> u32),
    /// The table of compiled blocks of this core.
    pub jumps: *const NativeJump,
    pub routines: Routines,
    /// `Cpu::a`; other fields of the core are reached from there.
    pub registers: *mut u8,
    /// [`Near::memory`](super::super::bus::Near::memory).
    pub memory: *mut u8,
    /// [`Near::guards`](super::super::bus::Near::guards).
    pub guards: *const u8,
}

/// A frame with what only [`step`] needs.
#[repr(C)]
struct Run<B> {
    /// First, so that a pointer to it is one to the whole.
    frame: Frame,
    cpu: *mut Cpu,
    bus: *mut B,
    code: *const CodeCache,
    leave: Leave,
}

/// How compiled code came back.
pub(in crate::cpu) enum Ran {
    /// The next instruction is at the core's PC; if told so, the interpreter must have that block.
    Here { declined: bool },
    /// In this block, behind so many operations. The core's cycle is that of the block's start.
    Left { block: Block, done: usize, leave: Leave },
}

impl Cpu {
    /// Executes compiled blocks from the one at `address` on, up to cycle `limit`.
    ///
    /// `None` if the bus has no memory for them now.
    pub(in crate::cpu) fn run_compiled<B: Bus>(
        &mut self,
        bus: &mut B,
        code: &CodeCache,
        address: usize,
        limit: u64,
        patience: i32,
    ) -> Option<Ran> {
        let compiled = code.compiled()?;
        let near = bus.near(self.index)?;
        let routines = compiled.routines()?;
        let cpu = ptr::from_mut(self);
        let registers = cpu.wrapping_byte_add(std::mem::offset_of!(Cpu, a));
        let mut run = Run {
            frame: Frame {
                left: (limit - self.cycle) as i64,
                limit,
                pages: near.pages,
                lines_above: ABOVE.as_ptr(),
                patience,
                pc: self.pc,
                block: 0,
                done: 0,
                load: load::<B>,
                store: store::<B>,
                step: step::<B>,
                jumps: compiled.jumps(self.index),
                routines: *routines,
                registers: registers.cast(),
                memory: near.memory,
                guards: near.guards,
            },
            cpu,
            bus: ptr::from_mut(bus),
            code: ptr::from_ref(code),
            leave: Leave::Sequential,
        };
        // Code may have been appended by another thread since this one last was here.
        prepare_for_execution(&[]);
        // SAFETY: `entrance` is the address of the routine of that name that the emitter has emitted, which
        // takes these two arguments by the convention of `compiled!`, keeps what that tells it to keep and
        // returns an `Exit`. `address` is that of a block's code: both come from `Compiled`, whose
        // memory is executable and lives as long as `code` is borrowed. Compiled code touches what the
        // frame points to only: the core, memory and guards within the bounds of `B::NEAR`, flash
        // pages of 64 KiB, and its own table, none of which moves or is freed before it comes back.
        let exit = unsafe {
            let entrance: compiled!(fn(*mut Run<B>, usize) -> u32) =
                std::mem::transmute(routines.entrance);
            entrance(ptr::from_mut(&mut run), address)
        };
        let frame = &run.frame;
        let cycle = limit.wrapping_sub(frame.left as u64);
        let block = compiled.block(frame.block);
        let begun = limit.wrapping_sub((frame.left + i64::from(block.len)) as u64);
        Some(match exit {
            it if it == Exit::Stepped as u32 => {
                self.cycle = begun;
                Ran::Left { block, done: frame.done as usize, leave: run.leave }
            }
            it if it == Exit::Spins as u32 => {
                let done = frame.done as usize;
                self.cycle = cycle - done as u64;
                Ran::Left { block, done, leave: Leave::To(frame.pc) }
            }
            other => {
                self.cycle = cycle;
                self.pc = frame.pc;
                Ran::Here { declined: other == Exit::Declined as u32 }
            }
        })
    }
}

compiled! {
    fn load<B: Bus>(frame: *mut Frame, address: u32, rest: u32) -> u64 {
        // SAFETY: compiled code hands over the frame that it has got from `run_compiled`.
        let (bus, core, cycle) = unsafe { circumstances::<B>(frame, rest) };
        bus.load_plain(core, address, cycle).map_or(0, |value| 1 << 32 | u64::from(value))
    }
}

compiled! {
    fn store<B: Bus>(frame: *mut Frame, address: u32, value: u32, rest: u32) -> u32 {
        // SAFETY: as in `load`.
        let (bus, core, cycle) = unsafe { circumstances::<B>(frame, rest) };
        bus.store_plain(core, address, value, cycle).into()
    }
}

compiled! {
    fn step<B: Bus>(frame: *mut Frame, block: u32, op: u32) -> u32 {
        // SAFETY: as for `interpret`.
        unsafe { interpret::<B>(frame, block, op) }
    }
}

/// The bus, the core, and the cycle that is `rest` before the end of the block.
///
/// # Safety
/// `frame` is the one that [`Cpu::run_compiled`] has handed to the code that calls this, and what is
/// returned is gone when that goes on.
unsafe fn circumstances<'r, B: Bus>(frame: *mut Frame, rest: u32) -> (&'r mut B, usize, u64) {
    // SAFETY: as in `interpret`.
    let (frame, core, bus) = unsafe {
        let run = &*frame.cast::<Run<B>>();
        (&run.frame, (*run.cpu).index, &mut *run.bus)
    };
    let end = frame.limit.wrapping_sub(frame.left as u64);
    (bus, core, end.wrapping_sub(u64::from(rest)))
}

/// See [`Frame::step`].
///
/// # Safety
/// `frame` is the one that [`Cpu::run_compiled`] has handed to the code that calls this.
#[inline(never)]
unsafe fn interpret<B: Bus>(frame: *mut Frame, block: u32, op: u32) -> u32 {
    // SAFETY: the frame is the first field of a `Run<B>`, for `run_compiled` took this instance of
    // `step` for it. Its caller waits in compiled code, which holds no reference; so core, bus and
    // cache, which were borrowed for `run_compiled`, are borrowed by nobody else now.
    let (run, cpu, bus, code) = unsafe {
        let run = &mut *frame.cast::<Run<B>>();
        let (cpu, bus, code) = (&mut *run.cpu, &mut *run.bus, &*run.code);
        (run, cpu, bus, code)
    };
    let Some(compiled) = code.compiled() else { return 0 };
    let number = block;
    let block = compiled.block(number);
    let n = op as usize;
    let limit = run.frame.limit;
    cpu.cycle = limit.wrapping_sub((run.frame.left + i64::from(block.len)) as u64);
    let mut done = n;
    let ops = code.ops(block, n + 1);
    let leave = cpu.execute_one(ops, block, code, bus, &mut done);
    let short_of_quads = ops[n].opcode == Opcode::Entry && ops[n].t as u8 > cpu.free_quads;
    let begun = cpu.cycle;
    cpu.cycle = begun + done as u64;
    let next = match leave {
        // What it did may have changed what flash shows, or has set a watchpoint.
        _ if bus.near(cpu.index).is_none() => Next::Out,
        Leave::Sequential if done == n + 1 && !short_of_quads => Next::On,
        // The block's last operation: what follows is known if there is nothing to look at.
        Leave::Look if done == usize::from(block.len) && cpu.sees_nothing_new(limit) => Next::On,
        Leave::To(target) => {
            run.frame.pc = target;
            Next::To
        }
        Leave::Redirected if cpu.cycle < limit && cpu.sees_nothing_new(limit) => {
            run.frame.pc = cpu.pc;
            Next::To
        }
        _ => Next::Out,
    };
    match next {
        Next::On => {}
        Next::To => run.frame.left = limit.wrapping_sub(cpu.cycle) as i64,
        Next::Out => {
            cpu.cycle = begun;
            run.leave = leave;
            run.frame.block = number;
            run.frame.done = done as u32;
        }
    }
    next as u32
}
