//! Interrupts and the cycle counter: lines, levels, INTENABLE, CCOUNT and CCOMPARE.
//!
//! Source: Xtensa ISA Reference Manual, "Interrupt Option" and "Timer Interrupt Option"; the table
//! of lines is the ESP32's configuration (Technical Reference Manual, "Interrupt Matrix").

use super::Cpu;
use super::exceptions::{Cause, EXCM_LEVEL};
use super::registers::ps;

/// Level of each of the 32 lines.
pub const LEVEL: [u8; 32] = [
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 1, 1, 7, 3, //
    5, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 3, 4, 3, 4, 5,
];
/// Lines that latch a rising edge until INTCLEAR.
pub const EDGE: u32 = 1 << 10 | 1 << 14 | 1 << 22 | 1 << 28 | 1 << 30;
/// Lines that INTSET raises.
pub const SOFTWARE: u32 = 1 << 7 | 1 << 29;
/// Lines of CCOMPARE0 to 2.
pub const TIMER: [u32; 3] = [6, 15, 16];
/// The line of the performance counters.
pub const PROFILING: u32 = 1 << 11;
/// The non-maskable line.
pub const NMI: u32 = 1 << 14;

/// Lines that INTCLEAR reaches.
pub(super) const CLEARABLE: u32 = SOFTWARE | EDGE & !NMI;

const INTERNAL: u32 = SOFTWARE | PROFILING | 1 << TIMER[0] | 1 << TIMER[1] | 1 << TIMER[2];
/// Lines from outside that have a level and no edge.
pub(super) const EXTERNAL_LEVEL: u32 = !(EDGE | INTERNAL);

const fn lines_above(level: u32) -> u32 {
    let mut lines = 0;
    let mut n = 0;
    while n < 32 {
        if LEVEL[n] as u32 > level {
            lines |= 1 << n;
        }
        n += 1;
    }
    lines
}

/// Lines whose level is above the index.
pub(super) static ABOVE: [u32; 8] = [
    lines_above(0),
    lines_above(1),
    lines_above(2),
    lines_above(3),
    lines_above(4),
    lines_above(5),
    lines_above(6),
    lines_above(7),
];

impl Cpu {
    /// Sets the level of the external lines, one bit each; internal lines are ignored.
    pub fn set_external_lines(&mut self, lines: u32) {
        let rising = lines & !self.external;
        self.latched |= rising & EDGE;
        self.external = lines;
        self.follow_interrupts();
    }

    /// INTERRUPT as RSR reads it.
    pub fn interrupt(&self) -> u32 {
        self.external & EXTERNAL_LEVEL | self.latched
    }

    /// What INTERRUPT or INTENABLE are made of has changed.
    pub(super) fn follow_interrupts(&mut self) {
        self.requests = self.interrupt() & (self.intenable | NMI);
        self.attention = true;
    }

    /// The highest level that is pending and not masked, if any.
    pub(super) fn pending_level(&self) -> Option<u32> {
        if self.ocd.stopped {
            return None;
        }
        let masked_below = self.current_level();
        let pending = self.requests & ABOVE[masked_below as usize];
        if pending == 0 {
            return None;
        }
        (1..=7).rev().find(|&level| pending & ABOVE[level as usize - 1] != 0)
    }

    /// CINTLEVEL of the manual.
    pub(super) fn current_level(&self) -> u32 {
        let level = self.ps & ps::INTLEVEL;
        let level = if self.ps & ps::EXCM != 0 { level.max(EXCM_LEVEL) } else { level };
        level.min(7)
    }

    /// Takes the interrupt of `level` at the current PC.
    pub(super) fn take_interrupt(&mut self, level: u32) {
        self.end_wait();
        self.note(self.cycle);
        if level == 1 {
            self.raise(Cause::Level1Interrupt, self.pc);
        } else {
            if level == 7 {
                self.latched &= !NMI; // an edge that entry consumes: INTCLEAR cannot reach it
                self.follow_interrupts();
            }
            self.enter_interrupt(level);
        }
    }

    /// CCOUNT at `cycle`.
    pub fn ccount(&self, cycle: u64) -> u32 {
        (cycle as u32).wrapping_add(self.ccount_offset)
    }

    pub(super) fn set_ccount(&mut self, value: u32, cycle: u64) {
        self.ccount_offset = value.wrapping_sub(cycle as u32);
        for n in 0..3 {
            self.schedule_timer(n, cycle);
        }
    }

    /// Writing CCOMPARE clears its interrupt and arms the next match after `cycle`.
    pub(super) fn set_ccompare(&mut self, n: usize, value: u32, cycle: u64) {
        self.ccompare[n] = value;
        self.latched &= !(1 << TIMER[n]);
        self.follow_interrupts();
        self.schedule_timer(n, cycle);
    }

    fn schedule_timer(&mut self, n: usize, cycle: u64) {
        let ahead = self.ccompare[n].wrapping_sub(self.ccount(cycle));
        let ahead = if ahead == 0 { 1 << 32 } else { u64::from(ahead) };
        self.timer_at[n] = cycle + ahead;
        self.next_timer = self.timer_at.into_iter().min().unwrap_or(u64::MAX);
    }

    /// Raises the timer interrupts that are due at `self.cycle`.
    pub(super) fn poll_timers(&mut self) {
        for (due, line) in self.timer_at.iter_mut().zip(TIMER) {
            while *due <= self.cycle {
                self.latched |= 1 << line;
                *due += 1 << 32;
            }
        }
        self.follow_interrupts();
        self.next_timer = self.timer_at.into_iter().min().unwrap_or(u64::MAX);
    }

    /// The first cycle at which this core does something while it waits and its lines stay as
    /// they are.
    pub fn wakes_at(&self) -> u64 {
        match self.is_paused() && !self.waiting && !self.ocd.stopped {
            true => self.next_timer.min(self.paused_until),
            false => self.next_timer,
        }
    }

    /// WAITI, or the wait of a native function, is over.
    pub(super) fn end_wait(&mut self) {
        self.waiting = false;
        self.paused_until = 0;
    }

    /// Whether a match of CCOMPARE would end the core's WAITI.
    pub fn timer_can_wake(&self) -> bool {
        let timers = TIMER.iter().fold(0, |lines, line| lines | 1 << line);
        self.intenable & timers & ABOVE[self.current_level() as usize] != 0
    }
}

impl Cpu {
    /// INTSET.
    pub(super) fn set_software_interrupts(&mut self, lines: u32) {
        self.latched |= lines & SOFTWARE;
        self.follow_interrupts();
    }

    /// INTCLEAR: software interrupts and latched edges.
    pub(super) fn clear_interrupts(&mut self, lines: u32) {
        self.latched &= !(lines & CLEARABLE);
        self.follow_interrupts();
    }
}
