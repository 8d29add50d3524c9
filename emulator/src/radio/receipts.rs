//! What a receiver remembers of a sender, so that nothing counts twice.
//!
//! Source: IEEE Std 802.11-2020, "Duplicate detection and recovery", "Replay detection of CCMP".
//! Modelled: the last sequence number and packet number of each traffic identifier.
//! Not modelled: longer memories, which block acknowledgement needs.

use super::frame::{Frame, Kind};

/// One place for each traffic identifier, and one for frames without.
const PLACES: usize = 17;

#[derive(Debug, Clone, Copy, Default)]
struct Receipt {
    sequence_control: Option<u16>,
    packet_number: u64,
}

/// The last that came from a sender.
#[derive(Debug, Clone, Default)]
pub(super) struct Receipts([Receipt; PLACES]);

impl Receipts {
    /// With keys that are not used yet, packet numbers begin anew.
    pub(super) fn renew_keys(&mut self) {
        self.0.iter_mut().for_each(|receipt| receipt.packet_number = 0);
    }

    fn of(&mut self, frame: &Frame<'_>) -> &mut Receipt {
        &mut self.0[match frame.kind {
            Kind::Data { tid: Some(tid), .. } => usize::from(tid & 15),
            _ => PLACES - 1,
        }]
    }

    /// Notes a frame. Whether it came before, because its acknowledgement was not heard.
    pub(super) fn is_repeated(&mut self, frame: &Frame<'_>) -> bool {
        if !matches!(frame.kind, Kind::Management(_) | Kind::Data { .. }) {
            return false;
        }
        let last = &mut self.of(frame).sequence_control;
        let is_repeated = frame.is_retry() && *last == Some(frame.sequence_control);
        *last = Some(frame.sequence_control);
        is_repeated
    }

    /// Notes a packet number. Whether it was used before.
    pub(super) fn is_replayed(&mut self, frame: &Frame<'_>, packet_number: u64) -> bool {
        let last = &mut self.of(frame).packet_number;
        let is_replayed = packet_number <= *last;
        *last = packet_number.max(*last);
        is_replayed
    }
}
