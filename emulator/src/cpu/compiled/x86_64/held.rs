//! Registers of the guest in registers of the host.
//!
//! Those that were asked for last are held. What is made is stored at once, so nothing has to be put back
//! when another takes the place.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use dynasmrt::{DynasmApi, dynasm};

use super::{Emitter, Held, POOL};
use crate::cpu::code::Field;

impl Emitter<'_> {
    pub(super) fn host(&self, held: &Held, guest: u8) -> u8 {
        held.iter().position(|&it| it == Some(guest)).map_or(POOL[0], |slot| POOL[slot])
    }

    /// The slot of the pool for `guest`: its own, or the one that was used longest ago.
    pub(super) fn slot(&mut self, guest: u8) -> (usize, bool) {
        self.clock += 1;
        let own = self.held.iter().position(|&it| it == Some(guest));
        let slot = own.unwrap_or_else(|| {
            let oldest = (0..POOL.len()).min_by_key(|&slot| self.used[slot]);
            oldest.unwrap_or(0)
        });
        self.used[slot] = self.clock;
        self.held[slot] = Some(guest);
        (slot, own.is_some())
    }

    /// A host register that holds `a[guest]`: good until six others have been asked for.
    pub(super) fn get(&mut self, guest: Field) -> u8 {
        let guest = guest as u8;
        let (slot, own) = self.slot(guest);
        if !own {
            dynasm!(self.ops ; .arch x64 ; mov Rd(POOL[slot]), [BYTE rbx + (guest as i8) * 4]);
        }
        POOL[slot]
    }

    /// A host register for what `a[guest]` is to become, which [`Emitter::made`] stores then. Those that were
    /// asked for just before are another's, unless they are held for `guest` itself.
    pub(super) fn make(&mut self, guest: Field) -> u8 {
        let (slot, _) = self.slot(guest as u8);
        POOL[slot]
    }

    /// What is in the host register for `a[guest]` is its value.
    pub(super) fn made(&mut self, guest: Field) {
        let guest = guest as u8;
        let (slot, _) = self.slot(guest);
        dynasm!(self.ops ; .arch x64 ; mov [BYTE rbx + (guest as i8) * 4], Rd(POOL[slot]));
    }

    /// `a[guest]` becomes eax.
    pub(super) fn put(&mut self, guest: Field) {
        let guest = guest as u8;
        let (slot, _) = self.slot(guest);
        dynasm!(self.ops
            ; .arch x64
            ; mov Rd(POOL[slot]), eax
            ; mov [BYTE rbx + (guest as i8) * 4], eax
        );
    }

    /// `a[guest]` becomes a constant.
    pub(super) fn put_constant(&mut self, guest: Field, value: u32) {
        let guest = guest as u8;
        let (slot, _) = self.slot(guest);
        dynasm!(self.ops
            ; .arch x64
            ; mov Rd(POOL[slot]), value as i32
            ; mov [BYTE rbx + (guest as i8) * 4], Rd(POOL[slot])
        );
    }

    /// All registers may have changed.
    pub(super) fn forget(&mut self) {
        self.held = [None; POOL.len()];
    }

    /// Loads what `wanted` has and is not held.
    pub(super) fn hold(&mut self, wanted: &Held) {
        let held = self.held;
        for slot in 0..POOL.len() {
            if let Some(guest) = wanted[slot]
                && held[slot] != wanted[slot]
            {
                dynasm!(self.ops ; .arch x64 ; mov Rd(POOL[slot]), [BYTE rbx + (guest as i8) * 4]);
            }
        }
        self.held = *wanted;
    }

    /// Loads what `held` has, behind what may have changed any register of the host or the guest.
    pub(super) fn take_up(&mut self, held: &Held) {
        self.forget();
        self.hold(held);
    }

    /// The window has been rotated: what was `a[n]` is `a[to(n)]` now, if it can be seen.
    pub(super) fn rename(&mut self, to: impl Fn(u8) -> Option<u8>) {
        self.held = self.held.map(|guest| guest.and_then(&to).filter(|&guest| guest < 16));
    }
}
