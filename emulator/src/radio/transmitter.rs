//! What every sender on the air does: one frame after the other, each with its number.
//!
//! Source: IEEE Std 802.11-2020, "Sequence Number field", and the timing of [`super::rate`].
//! Modelled: a queue, the time that each frame takes, sequence numbers in the order of the air.
//! Not modelled: collisions, repetitions.

use std::collections::VecDeque;

use super::frame;
use super::rate::Rate;
use crate::time::Instant;

/// Frames that wait to be sent; of more, the oldest are dropped.
pub const MAX_QUEUE: usize = 256;

const FCS_LEN: usize = 4;
const MIC_LEN: usize = 8;

/// A frame as a radio hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnAir {
    /// When its last bit has come.
    pub at: Instant,
    /// On which channel.
    pub channel: u8,
    /// How strongly.
    pub signal_dbm: i8,
    /// How fast.
    pub rate: Rate,
    /// Its octets, without MIC and frame check sequence.
    pub frame: Vec<u8>,
}

/// How a frame is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signal {
    pub(super) channel: u8,
    pub(super) dbm: i8,
    pub(super) rate: Rate,
}

/// Whether a queue had room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// The oldest frame was dropped.
    None,
}

#[derive(Debug, Clone)]
struct Pending<C> {
    ready: Instant,
    class: C,
    frame: Vec<u8>,
}

/// A queue of frames, each with a class that says what is to be filled in when it is sent.
#[derive(Debug, Clone)]
pub(super) struct Transmitter<C> {
    queue: VecDeque<Pending<C>>,
    /// When the frame before the next one is over.
    free_at: Instant,
    /// Frames sent so far.
    sequence: u64,
}

impl<C> Transmitter<C> {
    pub(super) const fn new() -> Self {
        Self { queue: VecDeque::new(), free_at: Instant::ZERO, sequence: 0 }
    }

    /// Queues a frame that is sent at `ready` or as soon after it as those before it are over.
    pub(super) fn push(&mut self, class: C, frame: Vec<u8>, ready: Instant) -> Room {
        let is_full = self.queue.len() == MAX_QUEUE;
        if is_full {
            self.queue.pop_front();
        }
        self.queue.push_back(Pending { ready, class, frame });
        if is_full { Room::None } else { Room::Enough }
    }

    /// When the next frame begins.
    pub(super) fn next_start(&self) -> Option<Instant> {
        self.queue.front().map(|pending| pending.ready.max(self.free_at))
    }

    /// Takes the next frame out of the queue, to be sent or not.
    pub(super) fn pop(&mut self) -> Option<(C, Vec<u8>)> {
        self.queue.pop_front().map(|pending| (pending.class, pending.frame))
    }

    /// Forgets frames of a class.
    pub(super) fn forget(&mut self, is_of_class: impl Fn(&C) -> bool) {
        self.queue.retain(|pending| !is_of_class(&pending.class));
    }

    /// Counts frames as sent that nobody has heard.
    pub(super) const fn skip(&mut self, count: u64) {
        self.sequence += count;
    }

    /// Sends a frame with the next number, beside whatever else is under way.
    pub(super) fn send_beside(
        &mut self,
        start: Instant,
        signal: Signal,
        mut frame: Vec<u8>,
    ) -> OnAir {
        frame::set_sequence_number(&mut frame, self.sequence as u16 & 0xfff);
        self.sequence += 1;
        let mic = if frame::is_protected(&frame) { MIC_LEN } else { 0 };
        OnAir {
            at: start + signal.rate.air_time(frame.len() + mic + FCS_LEN),
            channel: signal.channel,
            signal_dbm: signal.dbm,
            rate: signal.rate,
            frame,
        }
    }

    /// Sends a frame with the next number; the one after it begins when this one is over.
    pub(super) fn send(&mut self, start: Instant, signal: Signal, frame: Vec<u8>) -> OnAir {
        let on_air = self.send_beside(start, signal, frame);
        self.free_at = on_air.at + signal.rate.recovery();
        on_air
    }
}
