//! Which registers firmware touched that the models do not know, or only store.

use std::collections::BTreeMap;

/// Read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// A load.
    Read,
    /// A store.
    Write,
}

/// How well a register is modelled, where it is not modelled fully.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fidelity {
    /// Declared to keep what is written, with no further effect.
    Stores,
    /// Unknown to the model.
    Unmodelled,
}

/// One register in the report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Manual's name of the block; empty when no block is known at the address.
    pub device: &'static str,
    /// Byte offset in the block, or the address when there is no block.
    pub offset: u32,
    /// Read or write.
    pub direction: Direction,
    /// How well it is modelled.
    pub fidelity: Fidelity,
    /// How often.
    pub count: u64,
    /// Address of the first instruction that did it; 0 for a native ROM function.
    pub pc: u32,
}

type Key = (Fidelity, &'static str, u32, Direction);

/// Counts accesses.
#[derive(Debug, Clone, Default)]
pub(super) struct AccessLog {
    counts: BTreeMap<Key, (u64, u32)>,
    /// Registers seen for the first time, whose program counter is still to be filled in.
    fresh: Vec<Key>,
}

impl AccessLog {
    pub(super) fn record(
        &mut self,
        device: &'static str,
        offset: u32,
        direction: Direction,
        fidelity: Fidelity,
    ) {
        let key = (fidelity, device, offset, direction);
        let entry = self.counts.entry(key).or_insert_with(|| {
            self.fresh.push(key);
            (0, 0)
        });
        entry.0 += 1;
    }

    pub(super) fn outside(&mut self, address: u32, direction: Direction) {
        self.record("", address, direction, Fidelity::Unmodelled);
    }

    /// Whether an access waits for its program counter.
    pub(super) fn wants_pc(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// The instruction that made the accesses not yet attributed.
    pub(super) fn attribute(&mut self, pc: u32) {
        for key in self.fresh.drain(..) {
            if let Some(entry) = self.counts.get_mut(&key) {
                entry.1 = pc;
            }
        }
    }

    /// Everything counted, unmodelled last, by device and offset.
    pub(super) fn accesses(&self) -> Vec<Access> {
        self.counts
            .iter()
            .map(|(&(fidelity, device, offset, direction), &(count, pc))| Access {
                device,
                offset,
                direction,
                fidelity,
                count,
                pc,
            })
            .collect()
    }
}
