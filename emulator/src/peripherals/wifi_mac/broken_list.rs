//! Lists of descriptors that the MAC cannot follow to the end.

use std::fmt;

use crate::time::Instant;

/// Which list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// The buffers for what is received.
    Receive,
    /// The frame of a slot, 0 to 4.
    Transmit(usize),
}

/// Why it cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// DMA does not reach the descriptor or its buffer.
    NoMemory,
    /// The list ends, or has only empty buffers, before the frame does; or what it holds is too short
    /// for a frame.
    TooShort,
}

/// A list that breaks off. The frame is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenList {
    /// When that was noticed.
    pub at: Instant,
    /// Which list.
    pub list: List,
    /// Address of the descriptor at which it breaks off, or of its first one.
    pub descriptor: u32,
    /// Why.
    pub why: Break,
}

impl fmt::Display for BrokenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { list, descriptor, .. } = self;
        match list {
            List::Receive => write!(f, "the list of receive buffers breaks off")?,
            List::Transmit(slot) => write!(f, "the frame of transmit slot {slot} breaks off")?,
        }
        let why = match self.why {
            Break::NoMemory => "there is no memory",
            Break::TooShort => "it is too short",
        };
        write!(f, " at descriptor {descriptor:#010x}: {why}")
    }
}
