//! Which registers firmware touched that the models do not know, or only store.

use rustc_hash::FxHashMap;

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
    /// How well it is modelled.
    pub fidelity: Fidelity,
    /// Manual's name of the block; empty when no block is known at the address.
    pub device: &'static str,
    /// Byte offset in the block, or the address when there is no block.
    pub offset: u32,
    /// Read or write.
    pub direction: Direction,
    /// How often.
    pub count: u64,
    /// Address of the first instruction that did it; 0 for a native ROM function.
    pub pc: u32,
}

/// Number of the device in the table of instances, or none outside of all blocks.
type Device = Option<u8>;
type Key = (Fidelity, Device, u32, Direction);

/// Counts accesses.
#[derive(Debug, Clone, Default)]
pub(super) struct AccessLog {
    counts: FxHashMap<Key, (u64, u32)>,
    /// Registers seen for the first time, whose program counter is still to be filled in.
    fresh: Vec<Key>,
}

impl AccessLog {
    pub(super) fn record(
        &mut self,
        device: Device,
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

    /// Everything counted, unmodelled last, by device and offset. `name` gives a device's name.
    pub(super) fn accesses(&self, name: impl Fn(u8) -> &'static str) -> Vec<Access> {
        let mut accesses: Vec<_> = self
            .counts
            .iter()
            .map(|(&(fidelity, device, offset, direction), &(count, pc))| Access {
                fidelity,
                device: device.map_or("", &name),
                offset,
                direction,
                count,
                pc,
            })
            .collect();
        accesses.sort();
        accesses
    }
}
