//! What compiling costs a machine, for the host to see.

use std::time::Duration;

use super::{Compiled, LIMIT};

/// What compiling to host code has cost a machine, with what it has taken over from the one that it is a
/// copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compiling {
    /// Blocks that have been compiled; what is compiled twice counts twice.
    pub blocks: u64,
    /// Blocks that were hot and found no room, so that they are interpreted. What has been compiled stays;
    /// there is room again when the cache of code begins afresh, as with the chip's power.
    pub refused: u64,
    /// Bytes of code that there are now, that of blocks which are gone included.
    pub code_bytes: usize,
    /// Bytes of executable memory that it lies in; copies of a machine share them.
    pub memory_bytes: usize,
    /// The most that `memory_bytes` can be.
    pub limit_bytes: usize,
    /// Host time that compiling has taken; zero if nobody has lent the machine a clock.
    pub time: Duration,
}

/// Counts it, however often the cache begins afresh.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cpu) struct Cost {
    /// Time since whenever. It is the host's, and nothing depends on it.
    clock: Option<fn() -> Duration>,
    time: Duration,
    blocks: u64,
    refused: u64,
}

impl Cost {
    pub(in crate::cpu) fn set_clock(&mut self, clock: fn() -> Duration) {
        self.clock = Some(clock);
    }

    /// Has a superblock compiled; false if the block at its head stays with the interpreter.
    pub(in crate::cpu) fn count(
        &mut self,
        compiled: &mut Compiled,
        compile: impl FnOnce(&mut Compiled) -> bool,
    ) -> bool {
        let now = || self.clock.map_or(Duration::ZERO, |clock| clock());
        let (begun, before) = (now(), compiled.blocks.len());
        let done = compile(compiled);
        self.time += now().saturating_sub(begun);
        self.blocks += (compiled.blocks.len() - before) as u64;
        self.refused += u64::from(!done && compiled.store.is_full());
        done
    }

    /// The sum, and the room that `compiled` takes.
    pub(in crate::cpu) fn so_far(&self, compiled: &Compiled) -> Compiling {
        Compiling {
            blocks: self.blocks,
            refused: self.refused,
            code_bytes: compiled.store.code_bytes(),
            memory_bytes: compiled.store.memory_bytes(),
            limit_bytes: LIMIT,
            time: self.time,
        }
    }
}
