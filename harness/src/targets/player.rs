//! Programs that play whole cases by themselves: they are told all steps at once, and say afterwards how
//! it went.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{MachineReport, Segment};
use crate::scenario::model::Case;

/// Plays whole cases.
pub trait Player: Sync {
    /// Plays a case to its end, and tells what happens meanwhile.
    fn play(&self, order: &Order<'_>, tell: &mut dyn FnMut(Told)) -> Played;
}

/// What is to be played.
pub struct Order<'o> {
    /// The case.
    pub case: &'o Case,
    /// What the flash holds.
    pub flash: Vec<Segment>,
    /// Set when the person wants the run to end.
    pub cancelled: &'o AtomicBool,
    /// Wall time after which it is ended.
    pub wall_limit: Option<Duration>,
}

/// What a player tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A step of the case begins; those before it went right.
    Step(usize),
    /// The board has said a line.
    Line(String),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// What it came to.
    pub end: End,
    /// What is known of the simulation.
    pub machine: MachineReport,
}

/// What a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All steps went right.
    Passed,
    /// The step that was told last did not.
    Failed(String),
    /// It could not be played, or not to its end.
    Broken(String),
    /// The person ended it.
    Interrupted,
}
