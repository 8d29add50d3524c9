//! Registers of the guest in registers of the host.
//!
//! Those that were asked for last are held. What is made is stored late: when another takes the place, when
//! the superblock is left, or before what is more than arithmetic, a load, a store or a branch. Where a load or
//! store branches off to code aside, that stores for itself what is late. So a loop of these that stays in
//! its superblock stores nothing of what it holds.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use dynasmrt::{DynasmApi, dynasm};

use super::{Emitter, POOL};
use crate::cpu::code::Field;

/// Which guest register each host register of the pool holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    guests: [Option<u8>; POOL.len()],
    /// Of these, what may not have been stored yet.
    late: [bool; POOL.len()],
}

impl Held {
    fn slot(&self, guest: u8) -> Option<usize> {
        self.guests.iter().position(|&it| it == Some(guest))
    }

    /// Slots and guest registers that may not have been stored yet.
    fn late(&self) -> impl Iterator<Item = (usize, u8)> + use<> {
        let Self { guests, late } = *self;
        (0..POOL.len()).filter(move |&slot| late[slot]).filter_map(move |slot| {
            let guest = guests[slot]?;
            Some((slot, guest))
        })
    }
}

impl Emitter<'_> {
    /// The slot of the pool for `guest`: its own, or the one that was used longest ago.
    fn slot(&mut self, guest: u8) -> (usize, bool) {
        self.clock += 1;
        let own = self.held.slot(guest);
        let slot = own.unwrap_or_else(|| {
            let oldest = (0..POOL.len()).min_by_key(|&slot| self.used[slot]);
            oldest.unwrap_or(0)
        });
        self.used[slot] = self.clock;
        if own.is_none() {
            if self.held.late[slot] {
                self.keep(slot, self.held.guests[slot]);
            }
            self.held.guests[slot] = Some(guest);
            self.held.late[slot] = false;
        }
        (slot, own.is_some())
    }

    fn keep(&mut self, slot: usize, guest: Option<u8>) {
        if let Some(guest) = guest {
            dynasm!(self.ops ; .arch x64 ; mov [BYTE rbx + (guest as i8) * 4], Rd(POOL[slot]));
        }
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

    /// A host register for what `a[guest]` is to become, which [`Emitter::made`] tells then. Those that were
    /// asked for just before are another's, unless they are held for `guest` itself.
    pub(super) fn make(&mut self, guest: Field) -> u8 {
        let (slot, _) = self.slot(guest as u8);
        POOL[slot]
    }

    /// What is in the host register for `a[guest]` is its value.
    pub(super) fn made(&mut self, guest: Field) {
        let (slot, _) = self.slot(guest as u8);
        self.held.late[slot] = true;
    }

    /// As [`Emitter::make`], for code that may be branched off right behind: what is held there. What was
    /// in that host register before is stored or, if it is `a[guest]`, still held.
    pub(super) fn make_beside(&mut self, guest: Field) -> (u8, Held) {
        let mut before = self.held;
        let (slot, own) = self.slot(guest as u8);
        if !own {
            before.guests[slot] = None;
            before.late[slot] = false;
        }
        (POOL[slot], before)
    }

    /// `a[guest]` becomes eax.
    pub(super) fn put(&mut self, guest: Field) {
        let host = self.make(guest);
        dynasm!(self.ops ; .arch x64 ; mov Rd(host), eax);
        self.made(guest);
    }

    /// `a[guest]` becomes a constant.
    pub(super) fn put_constant(&mut self, guest: Field, value: u32) {
        let host = self.make(guest);
        dynasm!(self.ops ; .arch x64 ; mov Rd(host), value as i32);
        self.made(guest);
    }

    /// Stores what is late: who looks at memory now sees all registers of the guest.
    pub(super) fn settle(&mut self) {
        let held = self.held;
        self.settle_beside(&held);
        self.held.late = [false; POOL.len()];
    }

    /// The same for what is held elsewhere; what is held here stays late.
    pub(super) fn settle_beside(&mut self, held: &Held) {
        for (slot, guest) in held.late() {
            self.keep(slot, Some(guest));
        }
    }

    /// All registers may change now.
    pub(super) fn forget(&mut self) {
        self.settle();
        self.held = Held::default();
    }

    /// Holds what `wanted` says, from what is held now.
    pub(super) fn hold(&mut self, wanted: &Held) {
        let held = self.held;
        let stays = |slot: usize| held.guests[slot] == wanted.guests[slot];
        for (slot, guest) in held.late() {
            if !stays(slot) || !wanted.late[slot] {
                self.keep(slot, Some(guest));
            }
        }
        for slot in (0..POOL.len()).filter(|&slot| !stays(slot)) {
            if let Some(guest) = wanted.guests[slot] {
                dynasm!(self.ops ; .arch x64 ; mov Rd(POOL[slot]), [BYTE rbx + (guest as i8) * 4]);
            }
        }
        self.held = *wanted;
    }

    /// The same behind what may have changed any register of the host or the guest.
    pub(super) fn take_up(&mut self, wanted: &Held) {
        self.held = Held::default();
        self.hold(wanted);
    }

    /// The window has been rotated: what was `a[n]` is `a[to(n)]` now, if it can be seen. What cannot has
    /// been stored.
    pub(super) fn rename(&mut self, to: impl Fn(u8) -> Option<u8>) {
        let guests = self.held.guests;
        for (slot, guest) in guests.into_iter().enumerate() {
            let seen = guest.and_then(&to).filter(|&guest| guest < 16);
            debug_assert!(seen.is_some() || !self.held.late[slot], "a{guest:?} is lost");
            self.held.guests[slot] = seen;
        }
    }
}
