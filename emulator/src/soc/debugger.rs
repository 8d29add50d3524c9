//! The host's debugger: holds the chip without a trace in it.
//!
//! Breakpoints, watchpoints and steps are no hardware and unlimited in number. What they do to the
//! guest is nothing: a core stops between two instructions in the middle of its slice, and the slice
//! is carried on later as if nothing had been. While the chip is held no time passes, neither for
//! the other core nor for devices. So a run that was held now and then equals one that was not, to
//! the cycle. Firmware sees no debugger: DSR reads as zero.
//!
//! The cores take turns within a slice, so that while both execute one is up to 64 cycles ahead of
//! the other where they are held.
//!
//! *Watchpoints* hold the chip behind the instruction that made the access, as debuggers expect that
//! compare old and new value. What native ROM functions access counts, at the end of their part;
//! DMA does not. *BREAK* holds the chip before itself and is passed over afterwards.
//! *Steps*: a core that waits for an interrupt has made its step when it has executed something.

use std::collections::BTreeSet;

use super::bus::System;
use super::esp32::Esp32;
use crate::cpu::decode::decode;
use crate::cpu::instruction::Opcode;
use crate::cpu::{Bus, Cpu, Loaded, MAX_FETCH, Stop, Stored};
use crate::peripherals::CoreId;

/// Which accesses a watchpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Loads.
    Loads,
    /// Stores.
    Stores,
    /// Both.
    Accesses,
}

impl Watched {
    fn has(self, other: Self) -> bool {
        self == Self::Accesses || self == other
    }
}

/// A watchpoint: a range of data addresses, as cores see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchpoint {
    /// First address.
    pub address: u32,
    /// Bytes.
    pub length: u32,
    /// Which accesses.
    pub kind: Watched,
}

impl Watchpoint {
    /// The first address of both ranges.
    fn meets(&self, address: u32, length: u32) -> Option<u32> {
        let first = self.address.max(address);
        (first.wrapping_sub(self.address) < self.length && first.wrapping_sub(address) < length)
            .then_some(first)
    }
}

/// Why the chip is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Somebody asked for it.
    Asked,
    /// The core has made its step.
    Step(CoreId),
    /// The core is before an instruction with a breakpoint.
    Breakpoint(CoreId),
    /// The core is before BREAK or BREAK.N.
    BreakInstruction(CoreId),
    /// The core has made an access that a watchpoint is for.
    Watchpoint {
        /// Which core.
        core: CoreId,
        /// The first address of the access that is watched.
        address: u32,
        /// The watchpoint's kind.
        kind: Watched,
    },
}

/// What the debugger has set. Costs nothing while it is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Debugger {
    breakpoints: BTreeSet<u32>,
    held: Option<Held>,
    /// The core that shall make one step.
    stepping: Option<CoreId>,
}

/// Watchpoints as the memory system has them.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    points: Vec<Watchpoint>,
    /// The first hit since somebody looked.
    hit: Option<Held>,
}

impl Watch {
    /// Whether loads, or stores, have to be looked at.
    pub(super) fn is_for(&self, kind: Watched) -> bool {
        self.points.iter().any(|point| point.kind.has(kind))
    }

    /// The ranges in which stores have to be looked at.
    pub(super) fn stores(&self) -> impl Iterator<Item = (u32, u32)> {
        let points = self.points.iter().filter(|point| point.kind.has(Watched::Stores));
        points.map(|point| (point.address, point.length))
    }

    /// Notes an access; true if it is watched.
    pub(super) fn look(&mut self, core: usize, address: u32, length: u32, kind: Watched) -> bool {
        let core = core_id(core);
        let hit = self.points.iter().find_map(|point| {
            let address = point.meets(address, length).filter(|_| point.kind.has(kind))?;
            Some(Held::Watchpoint { core, address, kind: point.kind })
        });
        self.hit = self.hit.or(hit);
        hit.is_some()
    }
}

fn core_id(core: usize) -> CoreId {
    if core == 0 { CoreId::Pro } else { CoreId::App }
}

impl Debugger {
    pub(super) fn held(&self) -> Option<Held> {
        self.held
    }

    pub(super) fn steps(&self, core: CoreId) -> bool {
        self.stepping == Some(core)
    }
}

/// What a step is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    executed: u64,
    pc: u32,
}

impl Place {
    pub(super) fn of(cpu: &Cpu) -> Self {
        Self { executed: cpu.executed(), pc: cpu.pc }
    }
}

impl Esp32 {
    /// Holds the chip where it is.
    pub fn hold(&mut self) {
        self.debugger.held.get_or_insert(Held::Asked);
    }

    /// Why the chip is held, if it is.
    pub fn held(&self) -> Option<Held> {
        self.debugger.held
    }

    /// Lets the chip go on; if `step` is a core, until that has executed one instruction.
    pub fn go_on(&mut self, step: Option<CoreId>) {
        self.debugger.stepping = step;
        let Some(held) = self.debugger.held.take() else { return };
        for cpu in &mut self.cpus {
            cpu.pass_breakpoint();
        }
        if let Held::BreakInstruction(core) = held {
            self.pass_break(core);
        }
    }

    /// Passes over BREAK, unless the debugger has moved the core away from it.
    fn pass_break(&mut self, core: CoreId) {
        if let Some(length) = self.break_at(core) {
            let cpu = &mut self.cpus[core.index()];
            cpu.pc = cpu.pc.wrapping_add(length);
            // It takes its cycle when the core runs again.
            cpu.charge(1, cpu.cycle);
        }
    }

    /// How long the BREAK or BREAK.N is that a core is at, if the debugger has them and it is.
    pub(super) fn break_at(&mut self, core: CoreId) -> Option<u32> {
        if !self.code.stops_at_breaks() {
            return None;
        }
        let mut code = [0; MAX_FETCH];
        let pc = self.cpus[core.index()].pc;
        self.system.fetch(core.index(), pc, &mut code).ok()?;
        let instruction = decode(u32::from_le_bytes([code[0], code[1], code[2], 0]));
        let is_break = matches!(instruction.opcode, Opcode::Break | Opcode::BreakN);
        is_break.then_some(instruction.length.into())
    }

    /// BREAK instructions hold the chip from now on, or reach firmware again.
    pub fn hold_at_breaks(&mut self, hold: bool) {
        self.code.stop_at_breaks(hold);
    }

    /// Sets a breakpoint, or takes it away; whether that changed anything.
    pub fn set_breakpoint(&mut self, address: u32, present: bool) -> bool {
        let breakpoints = &mut self.debugger.breakpoints;
        let changed = match present {
            true => breakpoints.insert(address),
            false => breakpoints.remove(&address),
        };
        self.code.set_breakpoints(&self.debugger.breakpoints);
        changed
    }

    /// Sets a watchpoint, or takes it away; whether that changed anything.
    pub fn set_watchpoint(&mut self, watchpoint: Watchpoint, present: bool) -> bool {
        let points = &mut self.system.watch.points;
        let had = points.contains(&watchpoint);
        points.retain(|point| *point != watchpoint);
        if present {
            points.push(watchpoint);
        }
        self.system.arm_watchpoints();
        had != present
    }

    /// The debugger leaves: nothing holds the chip any more.
    pub fn forget_debugger(&mut self) {
        self.go_on(None);
        self.debugger.breakpoints.clear();
        self.code.set_breakpoints(&self.debugger.breakpoints);
        self.system.watch = Watch::default();
        self.system.arm_watchpoints();
        self.hold_at_breaks(false);
    }

    /// A core with the memory system, for a debugger to change.
    pub fn core_mut(&mut self, core: CoreId) -> CoreAccess<'_> {
        CoreAccess { cpu: &mut self.cpus[core.index()], system: &mut self.system }
    }

    /// After something ran on `core`: whether the chip is held now.
    pub(super) fn hold_after(&mut self, core: CoreId, stop: Stop, moved: bool) -> bool {
        let held = match (self.system.watch.hit.take(), stop) {
            (Some(hit), _) => Some(hit),
            (None, Stop::Breakpoint) => Some(Held::Breakpoint(core)),
            (None, Stop::Illegal) if self.break_at(core).is_some() => {
                Some(Held::BreakInstruction(core))
            }
            (None, _) if moved && self.debugger.steps(core) => Some(Held::Step(core)),
            (None, _) => None,
        };
        if held.is_some() {
            self.debugger.held = held;
            self.debugger.stepping = None;
        }
        held.is_some()
    }
}

/// A core of a chip that is held, with the memory system as it sees it.
pub struct CoreAccess<'m> {
    cpu: &'m mut Cpu,
    system: &'m mut System,
}

impl CoreAccess<'_> {
    /// The core.
    pub fn cpu(&mut self) -> &mut Cpu {
        self.cpu
    }

    /// Writes special register `number`; false if it cannot be written.
    pub fn set_special(&mut self, number: u8, value: u32) -> bool {
        self.cpu.set_special(number, value, self.system)
    }

    /// Reads memory, and whole words of registers with whatever that has as a consequence; how much
    /// of it there was.
    pub fn read(&mut self, address: u32, out: &mut [u8]) -> usize {
        let mut done = 0;
        while done < out.len() {
            let at = address.wrapping_add(done as u32);
            let rest = &mut out[done..];
            match self.system.read_memory(self.cpu.index, at, rest) {
                0 => match self.load_word(at & !3) {
                    Some(word) => {
                        let lane = (at & 3) as usize;
                        let n = rest.len().min(4 - lane);
                        rest[..n].copy_from_slice(&word.to_le_bytes()[lane..lane + n]);
                        done += n;
                    }
                    None => break,
                },
                n => done += n,
            }
        }
        done
    }

    fn load_word(&mut self, address: u32) -> Option<u32> {
        let (core, cycle) = (self.cpu.index, self.cpu.cycle);
        let loaded = self.system.unwatched(core, |it| it.load::<4>(core, address, cycle));
        self.system.watch.hit = None;
        match loaded {
            Loaded::Value(value) | Loaded::Resync(value) => Some(value),
            Loaded::Fault(_) | Loaded::Watch(_) => None,
        }
    }

    /// Writes memory and whole words of registers; how much of it could be written.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let at = address.wrapping_add(done as u32);
            let lane = (at & 3) as usize;
            let n = (bytes.len() - done).min(4 - lane);
            // Memories on the instruction bus, and registers, take whole words only.
            let mut word = [0; 4];
            if n < 4 && self.system.read_memory(self.cpu.index, at & !3, &mut word) < 4 {
                break;
            }
            word[lane..lane + n].copy_from_slice(&bytes[done..done + n]);
            if !self.store_word(at & !3, u32::from_le_bytes(word)) {
                break;
            }
            done += n;
        }
        done
    }

    fn store_word(&mut self, address: u32, value: u32) -> bool {
        let (core, cycle) = (self.cpu.index, self.cpu.cycle);
        let stored = self.system.unwatched(core, |it| it.store::<4>(core, address, value, cycle));
        self.system.watch.hit = None;
        matches!(stored, Stored::Done | Stored::Resync)
    }
}
