//! A core and its memory system as a native ROM function sees them.

use super::bus::System;
use super::debugger::Watched;
use crate::cpu::{Bus, Cpu, Loaded, Stored};
use crate::rom::guest::{CoreId, Fault, Guest, Width};

/// The core that made a host call, for the length of that call.
pub(super) struct GuestPort<'m> {
    pub(super) cpu: &'m mut Cpu,
    pub(super) system: &'m mut System,
    /// End of the running slice.
    pub(super) end: u64,
    /// Cycles charged so far.
    pub(super) charged: u64,
}

impl GuestPort<'_> {
    fn now(&self) -> u64 {
        self.cpu.cycle + self.charged
    }
}

impl Guest for GuestPort<'_> {
    fn core(&self) -> CoreId {
        if self.cpu.index == 0 { CoreId::Pro } else { CoreId::App }
    }

    fn ar(&self, n: usize) -> u32 {
        self.cpu.ar(n)
    }

    fn set_ar(&mut self, n: usize, value: u32) {
        self.cpu.set_ar(n, value);
    }

    fn is_live_elsewhere(&self, n: usize) -> bool {
        self.cpu.is_live_elsewhere(n)
    }

    fn ps(&self) -> u32 {
        self.cpu.ps()
    }

    fn set_ps(&mut self, value: u32) {
        self.cpu.set_ps(value);
    }

    fn ccount(&self) -> u32 {
        self.cpu.ccount(self.now())
    }

    fn intenable(&self) -> u32 {
        self.cpu.intenable()
    }

    fn set_intenable(&mut self, value: u32) {
        self.cpu.set_intenable(value);
    }

    fn load(&mut self, address: u32, width: Width) -> Result<u32, Fault> {
        let (core, now) = (self.cpu.index, self.now());
        let load = |system: &mut System| match width {
            Width::Byte => system.load::<1>(core, address, now),
            Width::Half => system.load::<2>(core, address, now),
            Width::Word => system.load::<4>(core, address, now),
        };
        let mut loaded = load(self.system);
        if let Loaded::Watch(_) = loaded {
            loaded = self.system.unwatched(core, load);
        }
        match loaded {
            Loaded::Value(value) | Loaded::Resync(value) => Ok(value),
            Loaded::Fault(refused) => Err(refused),
            Loaded::Watch(_) => Ok(0), // cannot be: there are none
        }
    }

    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Fault> {
        let (core, now) = (self.cpu.index, self.now());
        let store = |system: &mut System| match width {
            Width::Byte => system.store::<1>(core, address, value, now),
            Width::Half => system.store::<2>(core, address, value, now),
            Width::Word => system.store::<4>(core, address, value, now),
        };
        let mut stored = store(self.system);
        if let Stored::Watch(_) = stored {
            stored = self.system.unwatched(core, store);
        }
        match stored {
            Stored::Fault(refused) => Err(refused),
            _ => Ok(()),
        }
    }

    fn read_memory(&mut self, address: u32, out: &mut [u8]) -> usize {
        let core = self.cpu.index;
        let n = self.system.read_memory(core, address, out);
        self.system.watch.look(core, address, n as u32, Watched::Loads);
        n
    }

    fn write_memory(&mut self, address: u32, bytes: &[u8]) -> usize {
        let core = self.cpu.index;
        let n = self.system.write_memory(core, address, bytes);
        self.system.watch.look(core, address, n as u32, Watched::Stores);
        n
    }

    fn charge(&mut self, cycles: u64) {
        self.charged += cycles;
    }

    fn pause(&mut self, cycles: u64) {
        self.cpu.pause_until(self.now() + cycles);
    }

    /// Nothing is left when a store has changed what must be looked at first: another core's
    /// interrupt, a request to the chip that the function is about to wait for.
    fn budget_left(&self) -> u64 {
        if self.charged > 0 && self.system.wants_action() {
            return 0;
        }
        // An access may have brought an event nearer.
        let due = self.system.devices.next_deadline().min(self.system.fittings.due());
        let event = self.system.clock.cycle_at(due);
        self.end.min(event.max(self.cpu.cycle + 1)).saturating_sub(self.now())
    }
}
