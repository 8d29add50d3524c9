//! Hosts that no code is emitted for: the interpreter does everything.

use super::{Code, Source};
use crate::cpu::bus::NearMap;

/// Whether blocks are compiled on this host.
pub(super) const EMITS: bool = false;

#[derive(Debug, Clone, Copy)]
pub(super) struct Routines {
    pub(super) entrance: usize,
}

impl Routines {
    pub(super) fn at(self, _: usize) -> Self {
        self
    }
}

pub(super) fn routines(_: NearMap) -> Option<(Vec<u8>, Routines)> {
    None
}

pub(super) const MEMBERS: usize = 1;

pub(super) fn superblock(_: &[Source<'_>]) -> Option<Code> {
    None
}
