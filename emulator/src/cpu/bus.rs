//! What a core needs from the memory system.

use super::exceptions::Fault;

/// The most bytes one [`Bus::fetch`] copies: enough for the longest block.
pub const MAX_FETCH: usize = 256;

/// Result of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// The value, zero-extended.
    Value(u32),
    /// The value; and the access has changed something that the machine must look at before the
    /// next instruction (an interrupt line, a deadline, the mapping of code).
    Resync(u32),
    /// Refused.
    Fault(Fault),
    /// A watchpoint of the core with this DBREAK number matched; nothing has been read.
    Watch(u8),
}

/// Result of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Done.
    Done,
    /// Done; the machine must look before the next instruction, as in [`Loaded::Resync`].
    Resync,
    /// Refused.
    Fault(Fault),
    /// A watchpoint of the core with this DBREAK number matched; nothing has been stored.
    Watch(u8),
}

/// Code bytes as [`Bus::fetch`] found them.
#[derive(Debug, Clone, Copy)]
pub struct Fetched {
    /// Valid bytes in the buffer, from the address asked for to the end of its page at most.
    pub length: usize,
    /// The instruction at the address continues on the next page, which may be remapped by
    /// itself: what is built from it must not be kept.
    pub straddles: bool,
}

/// Where the memories of [`Near`] are.
#[derive(Debug, Clone, Copy)]
pub struct NearMap {
    /// First address of the memory near by.
    pub base: u32,
    /// Its bytes.
    pub length: u32,
    /// First address of the read-only pages.
    pub pages_base: u32,
    /// How many they are, of 64 KiB each.
    pub pages: u32,
}

/// Memories that compiled code reaches by itself.
#[derive(Debug, Clone, Copy)]
pub struct Near {
    /// The memory near by, that of [`Bus::load_near`].
    pub memory: *mut u8,
    /// A byte for each 256 bytes of it: not zero if stores must go through [`Bus::store`].
    pub guards: *const u8,
    /// For each page the address of its 64 KiB, or zero if loads must go through [`Bus::load`].
    pub pages: *const usize,
}

/// The memory system seen from a core. `cycle` is the core's local time of the access.
pub trait Bus {
    /// Where the memories of [`Bus::near`] are.
    const NEAR: NearMap;
    /// The memories that code of `core` may reach by itself, as they are now: good until the bus is
    /// changed, but for their bytes. `None` while somebody wants to hear of every access.
    fn near(&mut self, core: usize) -> Option<Near>;
    /// Loads `N` bytes, 1, 2 or 4, if nothing but the memory that is quickest to reach has to be
    /// looked at; otherwise [`Bus::load`] is for it.
    fn load_near<const N: usize>(&self, address: u32) -> Option<u32>;
    /// Loads `N` bytes, 1, 2 or 4, at any alignment.
    fn load<const N: usize>(&mut self, core: usize, address: u32, cycle: u64) -> Loaded;
    /// Stores `N` bytes, 1, 2 or 4, under the condition of [`Bus::load_near`]; false if not.
    fn store_near<const N: usize>(&mut self, address: u32, value: u32) -> bool;
    /// Stores `N` bytes, 1, 2 or 4, at any alignment.
    fn store<const N: usize>(
        &mut self,
        core: usize,
        address: u32,
        value: u32,
        cycle: u64,
    ) -> Stored;

    /// Where the code at `address` is physically; equal for all addresses that show the same cell.
    fn locate(&self, core: usize, address: u32) -> Result<u32, Fault>;

    /// Copies code at `address` into `buffer`.
    fn fetch(
        &self,
        core: usize,
        address: u32,
        buffer: &mut [u8; MAX_FETCH],
    ) -> Result<Fetched, Fault>;

    /// The word at `address` if it lies in code memory and can be folded into a block, with its
    /// physical address. Memory without side effects only.
    fn literal(&self, core: usize, address: u32) -> Option<(u32, u32)>;

    /// From now on stores to the physical range must be reported by [`Stored::Resync`].
    fn guard_code(&mut self, physical: u32, length: u32);

    /// The word at `address`, if it is a register whose load at `cycle` would be [`Loaded::Value`]
    /// and have no effect.
    fn load_plain(&mut self, _core: usize, _address: u32, _cycle: u64) -> Option<u32> {
        None
    }

    /// Stores the word at `address` and says true, if it is a register whose store at `cycle` is
    /// [`Stored::Done`] and nothing outside of its device follows from it; else does nothing.
    fn store_plain(&mut self, _core: usize, _address: u32, _value: u32, _cycle: u64) -> bool {
        false
    }

    /// How many device registers have been read so far: a polling loop that reads one is not a
    /// function of memory alone.
    fn device_accesses(&self) -> u64;

    /// RER: an external register.
    fn read_external(&mut self, core: usize, register: u32) -> u32;
    /// WER.
    fn write_external(&mut self, core: usize, register: u32, value: u32);

    /// WITLB and WDTLB: attribute of the 512 MiB region of `address`.
    fn set_region(&mut self, core: usize, address: u32, side: RegionSide, attribute: u32);
    /// RITLB1 and RDTLB1.
    fn region(&self, core: usize, address: u32, side: RegionSide) -> u32;

    /// The core's data watchpoints have changed: `(DBREAKA, DBREAKC)` of each.
    fn set_watchpoints(&mut self, core: usize, watchpoints: [(u32, u32); 2]);
}

/// Which half of the region protection unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionSide {
    /// ITLB.
    Instruction,
    /// DTLB.
    Data,
}
