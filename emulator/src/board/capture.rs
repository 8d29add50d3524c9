//! What a sniffer beside the board, or a tap in the wire, would have seen.
//!
//! *Modelled*: frames that the board sends, and frames that reach its antenna on the channel that it
//! listens to, as they are on the air: protected ones encrypted. Or the Ethernet frames that cross
//! between access points and the network.
//!
//! *Not modelled*: acknowledgements and other control frames, which nobody here sends as frames;
//! frame check sequences.

use crate::peripherals::wifi_mac::Rate;
use crate::time::Instant;

/// Octets that a capture holds at most. What comes on top is counted and left out.
pub const CAPACITY: usize = 64 << 20;
/// What a packet takes besides its octets.
const OVERHEAD: usize = size_of::<Packet>();

/// Where packets are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureLink {
    /// On the air, as a sniffer does.
    Air,
    /// On the wire behind access points.
    Ethernet,
}

/// Which way a packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The board has sent it.
    FromBoard,
    /// It came to the board.
    ToBoard,
}

/// How a frame was on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnAir {
    /// The channel.
    pub channel: u8,
    /// How it was modulated.
    pub rate: Rate,
    /// How strong it was at the board's antenna, in dBm; none for what the board has sent.
    pub signal_dbm: Option<i8>,
}

/// A frame that was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When its last octet has passed.
    pub at: Instant,
    /// Which way it went.
    pub way: Way,
    /// How it was on the air, if that is where it was captured.
    pub on_air: Option<OnAir>,
    /// Its octets without frame check sequence.
    pub octets: Vec<u8>,
}

/// A capture.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Where.
    pub link: CaptureLink,
    /// What was captured, in the order of time.
    pub packets: Vec<Packet>,
    /// Frames that are not among them: there was no room, or they were encrypted with a key that
    /// nobody here knows.
    pub left_out: u64,
    size: usize,
}

impl Capture {
    /// Nothing yet.
    pub fn new(link: CaptureLink) -> Self {
        Self { link, packets: Vec::new(), left_out: 0, size: 0 }
    }

    /// Takes a frame, if there is one and it was seen here.
    pub(super) fn push(&mut self, packet: Option<Packet>) {
        let room = CAPACITY - self.size;
        let size = |packet: &Packet| packet.octets.len() + OVERHEAD;
        match packet {
            Some(packet) if size(&packet) <= room => {
                self.size += size(&packet);
                self.packets.push(packet);
            }
            Some(_) | None => self.left_out += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut capture = Capture::new(CaptureLink::Ethernet);
        let packet = |octets| {
            let at = Instant::ZERO;
            Some(Packet { at, way: Way::ToBoard, on_air: None, octets: vec![0; octets] })
        };
        capture.push(packet(CAPACITY - 2 * OVERHEAD - 60));
        capture.push(None);
        capture.push(packet(61));
        capture.push(packet(60));
        capture.push(packet(0));
        assert_eq!((capture.packets.len(), capture.left_out), (2, 3));
    }
}
