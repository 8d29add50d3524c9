//! The transmit side of the MAC: slots, each with one frame under way at most.
//!
//! *Source*: register roles from the open MAC projects' descriptions; which write starts a
//! transmission and what the driver reads at its end were measured by running it.
//!
//! *Modelled*: five slots; the frame in memory, its air time and that of its acknowledgement; the
//! result. Repeating is done by software.
//!
//! *Not modelled*: waiting for the medium, collisions, RTS and CTS, aggregation.

use super::rate::Rate;
use crate::peripherals::dma::{DmaMemory, End, gather, link_address};
use crate::time::Instant;

/// Slots, one for each access category and one for others.
pub(super) const SLOTS: usize = 5;
/// Words of a slot in the second page.
pub(super) const SLOT_WORDS: usize = 15;

/// Words of a slot in the second page, by index.
mod word {
    pub(super) const PLCP1: usize = 0;
    pub(super) const RESULT: usize = 6;
}

/// PLCP0.
mod plcp0 {
    /// Both set: go.
    pub(super) const GO: u32 = 3 << 30;
    /// The sender waits for an answer.
    pub(super) const RESPONSE: u32 = 7 << 24;
}

/// PLCP1: octets with the FCS and the MIC.
const LENGTH: u32 = 0xfff;
/// Frames are shorter; see [`super::receive`].
const FCS: usize = 4;
const MIC: usize = 8;

/// What came of a transmission: bits 15:12 of the result word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its receiver acknowledged it, or it needs no acknowledgement.
    Sent,
    /// No acknowledgement came.
    Unanswered,
}

impl Outcome {
    fn result(self) -> u32 {
        match self {
            Self::Sent => 0,
            Self::Unanswered => 5 << 12,
        }
    }
}

/// A frame that goes on the air.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmission {
    /// When its first bit does.
    pub at: Instant,
    /// When its last bit does.
    pub end: Instant,
    /// The slot that sends it, 0 to 4.
    pub slot: usize,
    /// How it is modulated.
    pub rate: Rate,
    /// From the frame control field to the last octet of the body; a protected frame as in
    /// [`super::receive::Reception::frame`].
    pub frame: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    plcp0: u32,
    config: u32,
    words: [u32; SLOT_WORDS],
    /// The frame that is on the air, and what comes of it when.
    under_way: Option<UnderWay>,
}

#[derive(Debug, Clone, Copy)]
enum UnderWay {
    /// Software has said go; the frame is still in memory.
    Started,
    /// On the air since then; nobody has said yet what comes of it.
    OnAir(Instant),
    Ends(Instant, Outcome),
}

/// All slots, and the frames that wait for the medium to take them.
#[derive(Debug, Clone, Default)]
pub(super) struct Transmitter {
    slots: [Slot; SLOTS],
    outgoing: Vec<Transmission>,
    /// Slots that have finished, one bit each.
    pub(super) done: u32,
}

impl Transmitter {
    pub(super) fn plcp0(&self, slot: usize) -> u32 {
        self.slots[slot].plcp0
    }

    pub(super) fn set_plcp0(&mut self, slot: usize, value: u32) {
        let slot = &mut self.slots[slot];
        slot.plcp0 = value;
        if value & plcp0::GO == plcp0::GO && slot.under_way.is_none() {
            slot.under_way = Some(UnderWay::Started);
        }
    }

    pub(super) fn config(&self, slot: usize) -> u32 {
        self.slots[slot].config
    }

    pub(super) fn set_config(&mut self, slot: usize, value: u32) {
        self.slots[slot].config = value;
    }

    pub(super) fn word(&self, slot: usize, n: usize) -> u32 {
        self.slots[slot].words[n]
    }

    pub(super) fn set_word(&mut self, slot: usize, n: usize, value: u32) {
        self.slots[slot].words[n] = value;
    }

    /// Fetches the frames that software has said go to.
    pub(super) fn run(&mut self, now: Instant, memory: &mut dyn DmaMemory) {
        for (n, slot) in self.slots.iter_mut().enumerate() {
            if !matches!(slot.under_way, Some(UnderWay::Started)) {
                continue;
            }
            let plcp1 = slot.words[word::PLCP1];
            let rate = Rate::from_code(plcp1 >> 12);
            match fetch(slot.plcp0, (plcp1 & LENGTH) as usize, memory) {
                Some(frame) => {
                    let end = now + rate.duration((plcp1 & LENGTH) as usize);
                    self.outgoing.push(Transmission { at: now, end, slot: n, rate, frame });
                    slot.under_way = Some(UnderWay::OnAir(now));
                }
                // There is no frame: nobody will answer.
                None => slot.under_way = Some(UnderWay::Ends(now, Outcome::Unanswered)),
            }
        }
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    pub(super) fn take_outgoing(&mut self) -> Option<Transmission> {
        (!self.outgoing.is_empty()).then(|| self.outgoing.remove(0))
    }

    /// The medium says what comes of a frame.
    pub(super) fn finish(&mut self, transmission: &Transmission, outcome: Outcome) {
        let Some(slot) = self.slots.get_mut(transmission.slot) else { return };
        // The MAC may have been reset since, and send another one.
        if !matches!(slot.under_way, Some(UnderWay::OnAir(at)) if at == transmission.at) {
            return;
        }
        let answered = slot.plcp0 & plcp0::RESPONSE != 0;
        let wait = answered.then(|| transmission.rate.acknowledgement());
        let end = wait.map_or(transmission.end, |wait| transmission.end + wait);
        let outcome = if answered { outcome } else { Outcome::Sent };
        slot.under_way = Some(UnderWay::Ends(end, outcome));
    }

    /// When a slot next finishes.
    pub(super) fn due(&self) -> Option<Instant> {
        let ends = self.slots.iter().filter_map(|slot| match slot.under_way {
            Some(UnderWay::Ends(at, _)) => Some(at),
            _ => None,
        });
        ends.min()
    }

    /// Ends what is over; true if a slot has finished.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        let mut any = false;
        for (n, slot) in self.slots.iter_mut().enumerate() {
            if let Some(UnderWay::Ends(at, outcome)) = slot.under_way
                && at <= now
            {
                slot.under_way = None;
                slot.plcp0 &= !plcp0::GO;
                slot.words[word::RESULT] = outcome.result();
                self.done |= 1 << n;
                any = true;
            }
        }
        any
    }
}

/// The frame of `length` octets, with MIC and FCS, that a slot points at, without these.
fn fetch(plcp0: u32, length: usize, memory: &mut dyn DmaMemory) -> Option<Vec<u8>> {
    const PROTECTED: u8 = 0x40;
    let mut frame = vec![0; length];
    let walk = gather(link_address(plcp0)?, &mut frame, memory);
    if walk.end != End::Complete {
        return None;
    }
    let protected = frame.get(1)? & PROTECTED != 0;
    frame.truncate(length.checked_sub(FCS + if protected { MIC } else { 0 })?);
    Some(frame)
}
