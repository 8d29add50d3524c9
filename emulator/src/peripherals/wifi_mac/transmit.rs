//! The transmit side of the MAC: slots, each with one frame under way at most.
//!
//! *Source*: register roles from the open MAC projects' descriptions; which write starts a
//! transmission and what the driver reads at its end were measured by running it.
//!
//! *Modelled*: five slots; the frame in memory, its air time and that of its acknowledgement; the
//! result. Repeating is done by software. Frames that are sent together as one (A-MPDU, IEEE Std
//! 802.11-2020, "A-MPDU contents"), and the block acknowledgement of them: each stands in memory
//! behind a word with its length.
//!
//! *Not modelled*: waiting for the medium, collisions, RTS and CTS. A receiver acknowledges all frames
//! of an A-MPDU or none; asked by a block acknowledgement request, it has received none of those that
//! were not acknowledged.

use super::broken_list::Break;
use super::rate::Rate;
use crate::peripherals::dma::{DmaMemory, End, Walk, gather, link_address};
use crate::time::Instant;

/// Slots, one for each access category and one for others.
pub(super) const SLOTS: usize = 5;
/// Words of a slot in the second page.
pub(super) const SLOT_WORDS: usize = 15;

/// Words of a slot in the second page, by index.
mod word {
    pub(super) const PLCP1: usize = 0;
    pub(super) const HT_SIGNAL: usize = 2;
    pub(super) const HT_LENGTH: usize = 3;
    pub(super) const RESULT: usize = 6;
    /// What the last block acknowledgement said: its bitmap, and where that starts.
    pub(super) const BITMAP_HIGH: usize = 7;
    pub(super) const BITMAP_LOW: usize = 8;
    pub(super) const BLOCK_START: usize = 11;
}

/// PLCP0.
mod plcp0 {
    /// Both set: go.
    pub(super) const GO: u32 = 3 << 30;
    /// The sender waits for an answer.
    pub(super) const RESPONSE: u32 = 7 << 24;
}

/// PLCP1: octets with the FCS and the MIC; the frame is HT.
const LENGTH: u32 = 0xfff;
const HT: u32 = 1 << 25;
/// Frames are shorter; see [`super::receive`].
const FCS: usize = 4;
const MIC: usize = 8;
/// HT-SIG: the frame is an A-MPDU.
const AGGREGATE: u32 = 1 << 27;
/// In front of a frame of an A-MPDU: a word with its length.
const DELIMITER: usize = 4;
/// Octets of an A-MPDU, and frames in it, that a block acknowledgement can say something of.
const LENGTH_OF_ALL: u32 = 0xffff;
const MOST_FRAMES: usize = 64;

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
    /// The frame, or those of an A-MPDU: from the frame control field to the last octet of the body; a
    /// protected frame as in [`super::receive::Reception::frame`].
    pub frames: Vec<Vec<u8>>,
}

/// What a block acknowledgement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    /// The first sequence number that it says something of.
    start: u16,
    traffic: u8,
    /// The frames from there on that were received.
    bitmap: u64,
}

impl Block {
    /// Of frames that were received, or of a request for it; none: these are acknowledged otherwise.
    fn of(frames: &[Vec<u8>], is_aggregate: bool) -> Option<Self> {
        const REQUEST: u8 = 0x84;
        let word =
            |frame: &[u8], at: usize| Some(u16::from_le_bytes(*frame.get(at..)?.first_chunk()?));
        let first = frames.first()?;
        if first.first() == Some(&REQUEST) {
            let (control, start) = (word(first, 16)?, word(first, 18)?);
            return Some(Self { start: start >> 4, traffic: (control >> 12) as u8, bitmap: 0 });
        }
        if !is_aggregate {
            return None;
        }
        let sequence = |frame: &[u8]| Some(word(frame, 22)? >> 4);
        let start = sequence(first)?;
        let behind = frames.iter().filter_map(|it| Some(sequence(it)?.wrapping_sub(start) & 0xfff));
        let bits = behind.filter_map(|n| 1_u64.checked_shl(n.into()));
        // QoS Control, behind three addresses: nobody aggregates frames of four.
        let traffic = (word(first, 24)? & 15) as u8;
        Some(Self { start, traffic, bitmap: bits.fold(0, |all, bit| all | bit) })
    }
}

#[derive(Debug, Clone, Default)]
struct Slot {
    plcp0: u32,
    config: u32,
    words: [u32; SLOT_WORDS],
    /// The frame that is on the air, and what comes of it when.
    under_way: Option<UnderWay>,
    /// What its receiver says of it by a block acknowledgement.
    block: Option<Block>,
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
    /// Slots whose lists broke off, with their first descriptors.
    pub(super) broken: Vec<(usize, u32, Break)>,
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
            // HT-SIG keeps what it said of the frame before if this one is not HT.
            let is_aggregate = plcp1 & HT != 0 && slot.words[word::HT_SIGNAL] & AGGREGATE != 0;
            let (length, frames) = match is_aggregate {
                true => {
                    let length = slot.words[word::HT_LENGTH] & LENGTH_OF_ALL;
                    (length, fetch_aggregate(slot.plcp0, length as usize, memory))
                }
                false => {
                    let length = plcp1 & LENGTH;
                    (length, fetch(slot.plcp0, length as usize, memory).map(|frame| vec![frame]))
                }
            };
            match frames {
                Ok(frames) => {
                    let end = now + rate.duration(length as usize);
                    slot.block = Block::of(&frames, is_aggregate);
                    self.outgoing.push(Transmission { at: now, end, slot: n, rate, frames });
                    slot.under_way = Some(UnderWay::OnAir(now));
                }
                // There is no frame: nobody will answer.
                Err(why) => {
                    let first = link_address(slot.plcp0).unwrap_or(0);
                    self.broken.push((n, first, why));
                    slot.under_way = Some(UnderWay::Ends(now, Outcome::Unanswered));
                }
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
        let wait = answered.then(|| match slot.block {
            Some(_) => transmission.rate.block_acknowledgement(),
            None => transmission.rate.acknowledgement(),
        });
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
                if let (Outcome::Sent, Some(block)) = (outcome, slot.block) {
                    slot.words[word::BITMAP_LOW] = block.bitmap as u32;
                    slot.words[word::BITMAP_HIGH] = (block.bitmap >> 32) as u32;
                    slot.words[word::BLOCK_START] =
                        u32::from(block.start) | u32::from(block.traffic) << 12;
                }
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
fn fetch(plcp0: u32, length: usize, memory: &mut dyn DmaMemory) -> Result<Vec<u8>, Break> {
    let mut frame = vec![0; length];
    gathered(link_address(plcp0).ok_or(Break::NoMemory)?, &mut frame, memory)?;
    without_trailer(&frame).ok_or(Break::TooShort)
}

/// The frames of an A-MPDU of `length` octets that a slot points at, each with its own descriptors.
fn fetch_aggregate(
    plcp0: u32,
    length: usize,
    memory: &mut dyn DmaMemory,
) -> Result<Vec<Vec<u8>>, Break> {
    let mut frames = Vec::new();
    let mut at = link_address(plcp0);
    let mut left = length;
    while let Some(address) = at
        && left >= DELIMITER
        && frames.len() < MOST_FRAMES
    {
        let mut delimiter = [0; DELIMITER];
        gathered(address, &mut delimiter, memory)?;
        let octets = (u32::from_le_bytes(delimiter) & LENGTH) as usize;
        let mut frame = vec![0; DELIMITER + octets];
        let walk = gathered(address, &mut frame, memory)?;
        let frame = frame.get(DELIMITER..).and_then(without_trailer);
        frames.push(frame.ok_or(Break::TooShort)?);
        at = walk.last.and_then(|it| it.next());
        left = left.saturating_sub((DELIMITER + octets).next_multiple_of(4));
    }
    if frames.is_empty() { Err(Break::TooShort) } else { Ok(frames) }
}

/// Reads all of `out` from the list at `first`.
fn gathered(first: u32, out: &mut [u8], memory: &mut dyn DmaMemory) -> Result<Walk, Break> {
    let walk = gather(first, out, memory);
    match walk.end {
        End::Complete => Ok(walk),
        End::OutOfDescriptors => Err(Break::TooShort),
        End::Broken => Err(Break::NoMemory),
    }
}

/// A frame without FCS and MIC.
fn without_trailer(frame: &[u8]) -> Option<Vec<u8>> {
    const PROTECTED: u8 = 0x40;
    let protected = frame.get(1)? & PROTECTED != 0;
    let length = frame.len().checked_sub(FCS + if protected { MIC } else { 0 })?;
    frame.get(..length).map(<[u8]>::to_vec)
}
