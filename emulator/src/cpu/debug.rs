//! The Debug Option: breakpoints, watchpoints, counted steps, BREAK, and on-chip debug.
//!
//! Source: Xtensa ISA Reference Manual, "Debug Option"; Xtensa Debug Guide, "On-Chip Debug" (the
//! stopped state, instructions that a debug module hands in, RFDO, LDDR32.P and SDDR32.P).
//! *Modelled*: IBREAK, DBREAK, ICOUNT, BREAK and debug interrupts, as exceptions to firmware or,
//! while on-chip debug is enabled, as entries into the stopped state; execution of single
//! instructions in that state. A core that is stopped lets time pass like one that waits. With
//! on-chip debug enabled a debug interrupt is taken at any level: debuggers stop cores at their
//! reset vector, where everything is masked.
//! *Not modelled*: BreakIn and BreakOut between cores, trace.
//!
//! A debugger of the host's is no hardware: its breakpoints ([`CodeCache::set_breakpoints`]) end a
//! run *before* the instruction and change nothing that a guest could see.

use super::Cpu;
use super::bus::{Bus, Loaded, Stored};
use super::code::CodeCache;
use super::decode::decode;
use super::exceptions::{DEBUG_LEVEL, debugcause, vector};
use super::execute::Stop;
use super::instruction::Opcode;

/// On-chip debug: what a debug module has asked of its core, and what came of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ocd {
    /// Debug events stop the core instead of reaching firmware.
    pub(super) enabled: bool,
    /// A debug interrupt is pending.
    pub(super) interrupt: bool,
    /// The core has left firmware and executes what it is handed.
    pub(super) stopped: bool,
}

/// Why an instruction that a debug module handed in had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotExecuted {
    /// The core is not in its stopped state.
    Running,
    /// It raised an exception; EXCCAUSE says which.
    Exception,
}

impl Cpu {
    // ----- what a debug module does to its core --------------------------------------------------

    /// Whether debug events stop the core.
    pub fn ocd_enabled(&self) -> bool {
        self.ocd.enabled
    }

    /// Debug events stop the core, or reach firmware again.
    pub fn enable_ocd(&mut self, enabled: bool) {
        self.ocd.enabled = enabled;
    }

    /// Whether a debug interrupt is pending.
    pub fn debug_interrupt(&self) -> bool {
        self.ocd.interrupt
    }

    /// Asks for a debug interrupt, or takes back one that has not been taken.
    pub fn set_debug_interrupt(&mut self, pending: bool) {
        self.ocd.interrupt = pending;
        self.attention = true;
    }

    /// Whether the core is in the stopped state.
    pub fn is_stopped(&self) -> bool {
        self.ocd.stopped
    }

    /// DDR, through which a debug module and its core exchange words.
    pub fn ddr(&self) -> u32 {
        self.ddr
    }

    /// Writes DDR.
    pub fn set_ddr(&mut self, word: u32) {
        self.ddr = word;
    }

    /// Executes one instruction, the low 24 bits of `word`, on a stopped core. Time does not pass.
    ///
    /// # Errors
    /// When it was not executed to its end; then nothing but EXCCAUSE and EXCVADDR has changed.
    pub fn hand_in<B: Bus>(&mut self, word: u32, bus: &mut B) -> Result<(), NotExecuted> {
        if !self.ocd.stopped {
            return Err(NotExecuted::Running);
        }
        if !self.watchpoints_asleep {
            self.watchpoints_asleep = true;
            bus.set_watchpoints(self.index, [(0, 0); 2]);
        }
        let [a, b, c, _] = word.to_le_bytes();
        let instruction = decode(word & 0xff_ffff);
        let s = usize::from(instruction.s & 15);
        match instruction.opcode {
            Opcode::Rfdo => {
                self.ocd.stopped = false;
                self.end_wait();
                self.return_from_interrupt(DEBUG_LEVEL);
                return Ok(());
            }
            Opcode::Lddr32P => {
                self.ddr = match bus.load::<4>(self.index, self.a[s], self.cycle) {
                    Loaded::Value(value) | Loaded::Resync(value) => value,
                    Loaded::Fault(fault) => return Err(self.note_fault(fault)),
                    Loaded::Watch(_) => return Err(NotExecuted::Exception),
                };
                self.a[s] = self.a[s].wrapping_add(4);
                return Ok(());
            }
            Opcode::Sddr32P => {
                if !bus.store_near::<4>(self.a[s], self.ddr) {
                    match bus.store::<4>(self.index, self.a[s], self.ddr, self.cycle) {
                        Stored::Done | Stored::Resync => {}
                        Stored::Fault(fault) => return Err(self.note_fault(fault)),
                        Stored::Watch(_) => return Err(NotExecuted::Exception),
                    }
                }
                self.a[s] = self.a[s].wrapping_add(4);
                return Ok(());
            }
            _ => {}
        }
        // Anything else is a block of one instruction, in a cache of its own.
        let mut code = CodeCache::of_one(self.index, self.pc, &[a, b, c], bus);
        let before = self.clone();
        let stop = self.run_blocks(bus, &mut code, self.cycle + 1);
        // Exceptions are events; what is refused is none yet.
        if self.events != before.events || matches!(stop, Some(Stop::Illegal | Stop::HostCall)) {
            let (exccause, excvaddr) = (self.exccause, self.excvaddr);
            *self = Self { exccause, excvaddr, ..before };
            return Err(NotExecuted::Exception);
        }
        // A stopped core goes nowhere: its program counter is EPC6.
        (self.pc, self.cycle) = (before.pc, before.cycle);
        Ok(())
    }

    fn note_fault(&mut self, fault: super::exceptions::Fault) -> NotExecuted {
        self.exccause = fault.cause as u32;
        self.excvaddr = fault.vaddr;
        NotExecuted::Exception
    }

    // ----- debug events --------------------------------------------------------------------------

    /// A debug event at `pc`: an exception to firmware, or the stopped state. The caller has checked
    /// that PS.INTLEVEL is below [`DEBUG_LEVEL`] where that counts.
    pub(super) fn raise_debug(&mut self, cause: u32, pc: u32) {
        self.debugcause = cause;
        self.enter_level(DEBUG_LEVEL, vector::DEBUG, pc);
        if self.ocd.enabled {
            self.ocd.stopped = true;
            self.pc = pc;
        }
    }

    /// Takes the debug exception of data watchpoint `n` at `pc`.
    pub(super) fn raise_watch(&mut self, n: u8, pc: u32) {
        self.raise_debug(debugcause::DBREAK | u32::from(n) << debugcause::DBNUM_SHIFT, pc);
    }

    /// True when a debug interrupt was taken at the current PC, between two instructions.
    pub fn take_debug_interrupt(&mut self) -> bool {
        let due = self.debug_interrupt_is_due();
        if due {
            self.ocd.interrupt = false;
            self.end_wait();
            self.note(self.cycle);
            self.raise_debug(debugcause::INTERRUPT, self.pc);
        }
        due
    }

    pub(super) fn debug_interrupt_is_due(&self) -> bool {
        self.ocd.interrupt
            && !self.ocd.stopped
            && (self.ocd.enabled || self.current_level() < DEBUG_LEVEL)
    }

    /// IBREAK: true when its debug event came instead of the instruction.
    #[cold]
    pub(super) fn take_ibreak(&mut self) -> bool {
        let hit = self.current_level() < DEBUG_LEVEL && self.ibreaks().contains(&Some(self.pc));
        if hit {
            self.cycle += 1;
            self.raise_debug(debugcause::IBREAK, self.pc);
        }
        hit
    }

    /// Whether the host's debugger stops the core before the instruction at the current PC.
    #[cold]
    pub(super) fn meets_breakpoint(&self, code: &CodeCache) -> bool {
        code.has_breakpoint(self.pc) && self.passed != Some((self.cycle, self.pc))
    }

    /// The instruction at the current PC is executed in spite of a breakpoint of the host's
    /// debugger, if it comes at once.
    pub fn pass_breakpoint(&mut self) {
        self.passed = Some((self.cycle, self.pc));
    }

    /// ICOUNT: true when a debug event came instead of the instruction.
    pub(super) fn count_instruction(&mut self) -> bool {
        let level = self.current_level();
        if level < self.icountlevel {
            if self.icount != u32::MAX {
                self.icount += 1;
            } else if level < DEBUG_LEVEL {
                self.cycle += 1;
                self.raise_debug(debugcause::ICOUNT, self.pc);
                return true;
            }
        }
        false
    }

    /// A data watchpoint has matched: true when its debug event was taken. At the debug level there
    /// is none; then the bus does not look for matches until the level falls.
    #[cold]
    pub(super) fn watchpoint<B: Bus>(&mut self, n: u8, pc: u32, bus: &mut B) -> bool {
        if self.current_level() < DEBUG_LEVEL {
            self.raise_watch(n, pc);
            return true;
        }
        bus.set_watchpoints(self.index, [(0, 0); 2]);
        self.watchpoints_asleep = true;
        false
    }

    // ----- what follows from debug registers -----------------------------------------------------

    /// Whether [`Cpu::follow_debug_state`] has something to do.
    pub(super) fn debug_state_changed(&self) -> bool {
        self.ibreaks_changed || self.watchpoints_asleep && self.current_level() < DEBUG_LEVEL
    }

    /// PS or a breakpoint register may have changed.
    pub(super) fn follow_debug_state<B: Bus>(&mut self, bus: &mut B, code: &mut CodeCache) {
        if self.watchpoints_asleep && self.current_level() < DEBUG_LEVEL {
            self.watchpoints_asleep = false;
            self.announce_watchpoints(bus);
        }
        if self.ibreaks_changed {
            self.ibreaks_changed = false;
            code.set_core_stops(self.index, self.ibreaks());
        }
    }

    /// The watchpoints have changed: the bus hears of it at once, or when they wake.
    pub(super) fn move_watchpoints<B: Bus>(&self, bus: &mut B) {
        if !self.watchpoints_asleep {
            self.announce_watchpoints(bus);
        }
    }

    fn announce_watchpoints<B: Bus>(&self, bus: &mut B) {
        let both = [0, 1].map(|n| (self.dbreaka[n], self.dbreakc[n]));
        bus.set_watchpoints(self.index, both);
    }

    /// The code cache must hear of instruction breakpoints before the next instruction.
    pub(super) fn move_ibreaks(&mut self) {
        self.ibreaks_changed = true;
        self.attention = true;
    }

    /// The addresses of enabled instruction breakpoints.
    fn ibreaks(&self) -> [Option<u32>; 2] {
        [0, 1].map(|n| (self.ibreakenable >> n & 1 != 0).then_some(self.ibreaka[n]))
    }

    // ----- a halted core, for the host's debugger -------------------------------------------------

    /// Control goes on at `pc`, out of WAITI too.
    pub fn set_pc(&mut self, pc: u32) {
        self.pc = pc;
        self.end_wait();
    }

    /// Writes special register `number`, as WSR would now; false if it cannot be written.
    pub fn set_special<B: Bus>(&mut self, number: u8, value: u32, bus: &mut B) -> bool {
        self.attention = true;
        self.write_special(u32::from(number), value, self.cycle, bus)
    }

    /// User register `number` as RUR would read it now.
    pub fn user(&self, number: u8) -> Option<u32> {
        self.read_user(u32::from(number))
    }

    /// Writes user register `number`; false if it does not exist.
    pub fn set_user(&mut self, number: u8, value: u32) -> bool {
        self.write_user(u32::from(number), value)
    }

    /// The bits of floating-point register `n`, 0 to 15.
    pub fn float(&self, n: u8) -> u32 {
        self.f[usize::from(n & 15)]
    }

    /// Sets the bits of floating-point register `n`, 0 to 15.
    pub fn set_float(&mut self, n: u8, bits: u32) {
        self.f[usize::from(n & 15)] = bits;
    }
}
