//! Where the cores stand, and whether anything can happen any more: for reports about firmware that
//! does not go on.
//!
//! *Modelled*: a guest of which nothing can be heard again without help from outside, since no core
//! executes, no interrupt can wake one, and no device has anything to do. *Not modelled*: endless
//! loops, which look like work.

use super::Esp32;
use crate::peripherals::CoreId;
use crate::time::Instant;

/// What a core is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It executes instructions.
    Executing,
    /// It waits for an interrupt, in WAITI.
    Waiting,
    /// It is held in reset, stalled, or its clock is off.
    Stopped,
    /// The chip sleeps.
    Sleeping,
}

/// Where a core stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Address of the next instruction.
    pub pc: u32,
    /// What it is doing.
    pub doing: Doing,
}

impl Esp32 {
    /// Where a core stands.
    pub fn standing(&self, core: CoreId) -> Standing {
        let cpu = self.cpu(core);
        let doing = if self.is_sleeping() {
            Doing::Sleeping
        } else if !self.runs(core) {
            Doing::Stopped
        } else if cpu.is_idle() {
            Doing::Waiting
        } else {
            Doing::Executing
        };
        Standing { pc: cpu.pc, doing }
    }

    /// Whether nothing can happen any more until somebody outside acts.
    pub fn is_dead(&self) -> bool {
        let wakes = |core: CoreId| match self.standing(core).doing {
            Doing::Executing => true,
            Doing::Waiting => self.cpu(core).timer_can_wake(),
            Doing::Stopped | Doing::Sleeping => false,
        };
        self.next_deadline() == Instant::MAX && ![CoreId::Pro, CoreId::App].into_iter().any(wakes)
    }
}
