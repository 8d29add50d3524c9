//! One Xtensa LX6 core.
//!
//! Source: Xtensa Instruction Set Architecture Reference Manual (Cadence, 2010 and later).
//!
//! The core knows a [`Bus`] and its interrupt lines, nothing of the chip around it. It executes
//! *blocks*: runs of pre-decoded instructions that [`code::CodeCache`] keeps. A block continues
//! behind branches that are not taken and ends where control always leaves it. Whatever the shape
//! of the blocks, [`Cpu::run`] stops after exactly the cycles it was given, so that neither block
//! length nor cache state can change how two cores interleave.

pub mod assembler;
mod bus;
pub mod code;
mod compiled;
mod debug;
pub mod decode;
pub mod exceptions;
mod execute;
pub mod instruction;
pub mod interrupts;
mod jump_table;
mod opcodes;
mod operand;
pub mod registers;
pub mod special_register;
mod special_registers;
mod windows;

pub use bus::{Bus, Fetched, Loaded, MAX_FETCH, Near, NearMap, RegionSide, Stored};
pub use compiled::Compiling;
pub use debug::NotExecuted;
pub use execute::Stop;

use std::hash::{Hash, Hasher};

use registers::ps;

/// What a word of an event is mixed in with: FNV's prime, and a turn.
const NOTE_FACTOR: u64 = 0x0000_0100_0000_01b3;
const NOTE_TURN: u32 = 29;

/// Architectural state of one core. A clone is a snapshot.
///
/// Compiled code reaches what is around [`Cpu::a`], up to 128 bytes on either side, by the shortest
/// instructions; hence the order.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Cpu {
    /// Which core this is, as the bus knows it: 0 PRO_CPU, 1 APP_CPU.
    pub index: usize,
    prid: u32,
    /// Cycles since the machine was made, halted ones included. One instruction takes one.
    pub cycle: u64,
    ps: u32,
    sar: u32,
    lbeg: u32,
    lend: u32,
    lcount: u32,
    windowbase: u32,
    /// WINDOWSTART as seen from the window: bit n is set when a frame begins n quads up.
    frames: u16,
    free_quads: u8,
    br: u32,
    scompare1: u32,
    cpenable: u32,
    fcr: u32,
    threadptr: u32,
    external: u32,
    latched: u32,
    intenable: u32,
    /// The lines of these that ask for an interrupt and are not disabled.
    requests: u32,
    ccount_offset: u32,
    /// Address of the next instruction.
    pub pc: u32,
    /// The visible window of the address registers, a0 to a15.
    pub a: [u32; 16],
    f: [u32; 16],
    /// All address registers in quads; those in the window count in `a` only. The last three are for
    /// compiled code, whose window must not have a gap.
    file: [[u32; 4]; 16 + 3],

    /// The 40-bit MAC16 accumulator, sign-extended.
    acc: i64,
    m: [u32; 4],
    fsr: u32,
    f64r: [u32; 3],

    epc: [u32; 8],
    eps: [u32; 8],
    excsave: [u32; 8],
    depc: u32,
    exccause: u32,
    excvaddr: u32,
    debugcause: u32,
    vecbase: u32,
    misc: [u32; 4],
    memctl: u32,
    atomctl: u32,
    ddr: u32,
    ibreakenable: u32,
    ibreaka: [u32; 2],
    dbreaka: [u32; 2],
    dbreakc: [u32; 2],
    icount: u32,
    icountlevel: u32,

    ccompare: [u32; 3],
    timer_at: [u64; 3],
    next_timer: u64,

    /// In WAITI: nothing is executed until an interrupt comes.
    waiting: bool,
    /// Nothing is executed before this cycle, unless an interrupt comes: a ROM function waits.
    paused_until: u64,
    /// Interrupts, timers or debug state must be looked at before the next instruction.
    attention: bool,
    /// On-chip debug.
    ocd: debug::Ocd,
    /// The code cache has not been told where instruction breakpoints are.
    ibreaks_changed: bool,
    /// The bus has been told of no watchpoints, because the debug level masks them.
    watchpoints_asleep: bool,
    last_access: Option<u32>,
    /// Cycle and address at which the host's debugger has seen its breakpoint already.
    passed: Option<(u64, u32)>,
    /// Polling loops that only wait for somebody else pass without being executed. Changes nothing
    /// but speed.
    pub skip_polling_loops: bool,
    /// Running hash of the exceptions and interrupts taken, with cycle, cause and address.
    events: u64,
    /// Cycles of a finished instruction that have still to pass.
    owed: u64,
    /// Cycles that passed without an instruction: waiting, skipped polling loops, ROM functions.
    /// Counting these costs the loop nothing, where counting instructions would.
    idle: u64,
}

impl Cpu {
    /// The reset vector (static vector select 1).
    pub const RESET_VECTOR: u32 = 0x4000_0400;
    /// The reset vector of static vector select 0.
    pub const OTHER_RESET_VECTOR: u32 = 0x5000_0000;
    /// VECBASE after reset.
    pub const RESET_VECBASE: u32 = 0x4000_0000;

    /// Core `index` as it leaves reset.
    pub fn new(index: usize) -> Self {
        let mut cpu = Self {
            index,
            prid: special_registers::PRID[index & 1],
            cycle: 0,
            pc: Self::RESET_VECTOR,
            a: [0; 16],
            file: [[0; 4]; 16 + 3],
            windowbase: 0,
            frames: 1,
            free_quads: 4,
            ps: ps::EXCM | 0xf,
            sar: 0,
            lbeg: 0,
            lend: 0,
            lcount: 0,
            br: 0,
            scompare1: 0,
            acc: 0,
            m: [0; 4],
            f: [0; 16],
            fcr: 0,
            fsr: 0,
            threadptr: 0,
            f64r: [0; 3],
            epc: [0; 8],
            eps: [0; 8],
            excsave: [0; 8],
            depc: 0,
            exccause: 0,
            excvaddr: 0,
            debugcause: 0,
            vecbase: Self::RESET_VECBASE,
            cpenable: 0,
            misc: [0; 4],
            memctl: 0,
            atomctl: 0x28,
            ddr: 0,
            ibreakenable: 0,
            ibreaka: [0; 2],
            dbreaka: [0; 2],
            dbreakc: [0; 2],
            icount: 0,
            icountlevel: 0,
            external: 0,
            latched: 0,
            intenable: 0,
            requests: 0,
            ccount_offset: 0,
            ccompare: [0; 3],
            timer_at: [u64::MAX; 3],
            next_timer: u64::MAX,
            waiting: false,
            paused_until: 0,
            attention: true,
            ocd: debug::Ocd::default(),
            ibreaks_changed: true,
            watchpoints_asleep: false,
            last_access: None,
            passed: None,
            skip_polling_loops: true,
            events: 0,
            owed: 0,
            idle: 0,
        };
        for n in 0..3 {
            cpu.set_ccompare(n, 0, 0);
        }
        cpu
    }

    /// Reset at the current cycle: everything but the cycle number, the external lines, what the
    /// debug module asks for, and what the host has chosen or looks at.
    pub fn reset(&mut self) {
        let old = std::mem::replace(self, Self::new(self.index));
        self.cycle = old.cycle;
        self.external = old.external;
        self.ocd = debug::Ocd { stopped: false, ..old.ocd };
        self.skip_polling_loops = old.skip_polling_loops;
        self.events = old.events;
        self.idle = old.idle;
        self.follow_interrupts();
        self.set_ccount(0, self.cycle);
    }

    /// Hash of all exceptions and interrupts taken so far, window overflows and underflows
    /// included: vectors, causes and addresses, and the cycles of the interrupts. Equal runs have
    /// equal hashes.
    pub fn event_hash(&self) -> u64 {
        self.events
    }

    /// Instructions that the host has executed for this core so far: fewer than its cycles, since
    /// waiting, skipped polling loops and native ROM functions are none. It measures speed and is
    /// no state of the guest.
    pub fn executed(&self) -> u64 {
        self.cycle - self.idle
    }

    /// Lets time pass without instructions up to `cycle`, if that is still to come.
    pub fn idle_until(&mut self, cycle: u64) {
        self.idle_for(cycle.saturating_sub(self.cycle));
    }

    fn idle_for(&mut self, cycles: u64) {
        self.cycle += cycles;
        self.idle += cycles;
    }

    /// Notes that control has been redirected from `pc` to the vector at `self.pc`. Inside a block
    /// `self.cycle` is still that of the block's start, so it is no part of this.
    fn note_event(&mut self, cause: u32, pc: u32) {
        self.note(u64::from(cause) << 32 | u64::from(pc));
        self.note(u64::from(self.pc));
    }

    fn note(&mut self, word: u64) {
        self.events = (self.events ^ word).wrapping_mul(NOTE_FACTOR).rotate_left(NOTE_TURN);
    }

    /// PS.
    pub fn ps(&self) -> u32 {
        self.ps
    }

    /// Writes PS; window checks and interrupt masks follow.
    pub fn set_ps(&mut self, value: u32) {
        self.ps = value & ps::MASK;
        self.attention = true;
        self.update_free_quads();
    }

    /// WINDOWSTART: bit n is set when a frame begins at quad n.
    pub fn windowstart(&self) -> u16 {
        self.frames.rotate_left(self.windowbase)
    }

    /// Places the window: for the state in which a ROM hands over.
    pub fn set_window(&mut self, base: u32, start: u16) {
        self.set_windowbase(base);
        self.set_windowstart(start);
    }

    /// The general exception's address, EPC1.
    pub fn epc1(&self) -> u32 {
        self.epc[1]
    }

    /// EXCCAUSE.
    pub fn exccause(&self) -> u32 {
        self.exccause
    }

    /// EXCVADDR.
    pub fn excvaddr(&self) -> u32 {
        self.excvaddr
    }

    /// INTENABLE.
    pub fn intenable(&self) -> u32 {
        self.intenable
    }

    /// Writes INTENABLE.
    pub fn set_intenable(&mut self, value: u32) {
        self.intenable = value;
        self.follow_interrupts();
    }

    /// VECBASE.
    pub fn vecbase(&self) -> u32 {
        self.vecbase
    }

    /// Special register `number` as RSR would read it now, for debuggers and tests.
    pub fn special(&self, number: u8) -> Option<u32> {
        self.read_special(u32::from(number), self.cycle)
    }

    /// The core is in WAITI.
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// A native function lets the core wait until `cycle`, or until an interrupt comes.
    pub fn pause_until(&mut self, cycle: u64) {
        self.paused_until = cycle;
    }

    fn is_paused(&self) -> bool {
        self.cycle < self.paused_until
    }

    /// The core is in WAITI, waits in a native function or is stopped, and no interrupt ends that at
    /// once.
    pub fn is_idle(&self) -> bool {
        self.ocd.stopped
            || (self.waiting || self.is_paused())
                && !self.debug_interrupt_is_due()
                && self.pending_level().is_none()
    }

    /// Lets `cycles` pass for the instruction at hand; what lies behind `end` passes later, before
    /// anything else happens on this core.
    pub fn charge(&mut self, cycles: u64, end: u64) {
        let now = cycles.min(end.saturating_sub(self.cycle));
        self.idle_for(now);
        self.owed += cycles - now;
    }

    /// Address register `n` counted from the current window, 0 to 63.
    pub fn ar(&self, n: usize) -> u32 {
        match self.a.get(n) {
            Some(&value) => value,
            None => self.file[(self.windowbase as usize + n / 4) & 15][n & 3],
        }
    }

    /// Writes address register `n` counted from the current window, 0 to 63.
    pub fn set_ar(&mut self, n: usize, value: u32) {
        match self.a.get_mut(n) {
            Some(register) => *register = value,
            None => self.file[(self.windowbase as usize + n / 4) & 15][n & 3] = value,
        }
    }

    /// Everything that firmware could tell from another state, and nothing else.
    pub(crate) fn digest(&self, hasher: &mut impl Hasher) {
        (self.cycle, self.pc, self.ps, self.windowbase, self.frames).hash(hasher);
        (0..64).for_each(|n| self.physical_ar(n).hash(hasher));
        (self.sar, self.lbeg, self.lend, self.lcount, self.br, self.scompare1).hash(hasher);
        (self.acc, self.m, self.f, self.fcr, self.fsr, self.threadptr, self.f64r).hash(hasher);
        (self.epc, self.eps, self.excsave, self.depc, self.exccause, self.excvaddr).hash(hasher);
        (self.debugcause, self.vecbase, self.cpenable, self.misc).hash(hasher);
        (self.memctl, self.atomctl, self.ddr, self.icount, self.icountlevel).hash(hasher);
        (self.ibreakenable, self.ibreaka, self.dbreaka, self.dbreakc).hash(hasher);
        (self.external, self.latched, self.intenable).hash(hasher);
        (self.ccount_offset, self.ccompare, self.waiting, self.events).hash(hasher);
    }

    /// The registers as text, for people to compare.
    pub(crate) fn registers(&self) -> String {
        let mut text = format!(
            "cycle {}  pc {:08x}  ps {:08x}  windowbase {}  windowstart {:04x}",
            self.cycle,
            self.pc,
            self.ps,
            self.windowbase,
            self.windowstart()
        );
        let rows = self.a.chunks(4).chain(self.f.chunks(4)).enumerate();
        for (n, row) in rows {
            let name = if n < 4 { 'a' } else { 'f' };
            text += &format!("\n{name}{:<2}", n % 4 * 4);
            row.iter().for_each(|value| text += &format!(" {value:08x}"));
        }
        let rest = [
            ("sar", self.sar),
            ("lbeg", self.lbeg),
            ("lend", self.lend),
            ("lcount", self.lcount),
            ("br", self.br),
            ("interrupt", self.interrupt()),
            ("intenable", self.intenable),
            ("epc1", self.epc[1]),
            ("exccause", self.exccause),
            ("excvaddr", self.excvaddr),
        ];
        text.push('\n');
        text += &rest.map(|(name, value)| format!("{name} {value:08x}")).join("  ");
        text
    }

    /// Whether `a[n]` belongs to a frame above the current one, so that an instruction that names it
    /// would take a window overflow.
    pub fn is_live_elsewhere(&self, n: usize) -> bool {
        self.ps & (ps::WOE | ps::EXCM) == ps::WOE
            && (1..=n as u32 / 4).any(|quad| self.frame_begins(quad))
    }

    /// Takes the window overflow that an instruction at the current PC would take for `a[n]`.
    pub fn overflow_at_pc(&mut self) {
        self.overflow(self.pc);
    }

    /// Takes an exception at the current PC.
    pub fn raise_at_pc(&mut self, cause: exceptions::Cause) {
        self.raise(cause, self.pc);
    }

    /// Address of the instruction whose bus access last made the machine look.
    pub fn take_last_access(&mut self) -> Option<u32> {
        self.last_access.take()
    }

    /// Takes the exception of an access that was made on behalf of the instruction at `self.pc`.
    pub fn fault(&mut self, fault: exceptions::Fault) {
        self.raise_fault(fault, self.pc);
    }
}
