//! The receive side of the MAC: a list of buffers in memory, and what is written into them.
//!
//! *Source*: register roles from the open MAC projects' descriptions; the list and the header in
//! front of each frame as the driver of ESP-IDF 5.0 and 5.5 reads them, measured by running it.
//!
//! *Modelled*: reception in order of arrival, frames over several descriptors, a list that runs out
//! and is appended to. A unicast frame for which there is no buffer is not acknowledged, so its
//! sender repeats it: it waits here, for a while. Multicast is lost.
//!
//! *Not modelled*: rates other than those of the frame, aggregation, antenna, channel state
//! information; the FCS reads as zero.

use std::collections::VecDeque;

use super::broken_list::Break;
use super::filter;
use super::rate::Rate;
use crate::peripherals::dma::{Descriptor, DmaMemory};
use crate::time::{Duration, Instant};

/// A frame as a receiver sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reception {
    /// When its last octet has arrived.
    pub at: Instant,
    /// Signal strength at the antenna in dBm, -96 to 0.
    pub signal_dbm: i8,
    /// How it was modulated.
    pub rate: Rate,
    /// From the frame control field to the last octet of the body. A protected one has its CCMP
    /// header, then the payload in the clear: deciphering is not modelled apart.
    pub frame: Vec<u8>,
}

/// What [`super::reg::RX_NEXT`] says when no descriptor is left.
pub(super) const NO_DESCRIPTOR: u32 = 0x3ff0_0000;

/// Octets of the header that the MAC writes in front of a frame.
const HEADER: usize = 28;
/// Octets behind the body: the MIC of CCMP, the FCS.
const MIC: usize = 8;
const FCS: usize = 4;
/// Longest frame that the fields of the header can say.
const LONGEST: usize = 0xfff;
/// How long a sender repeats a frame that nobody acknowledges.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most frames that wait: far more than a window of TCP.
const WAITING: usize = 256;

/// The list, and the frames under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Receiver {
    pub(super) enabled: bool,
    pub(super) base: u32,
    /// The descriptor that the next frame goes to.
    pub(super) next: Option<u32>,
    /// The one that was filled last.
    pub(super) last: Option<u32>,
    incoming: VecDeque<Reception>,
    /// The descriptor at which the list last broke off, and why.
    pub(super) broken: Option<(u32, Break)>,
}

impl Receiver {
    pub(super) fn set_base(&mut self, base: u32) {
        self.base = base;
        self.next = Some(base).filter(|&base| base != 0);
    }

    /// A frame is under way; frames come in order of their arrival.
    pub(super) fn expect(&mut self, reception: Reception) {
        if reception.frame.len() + MIC + FCS <= LONGEST && self.incoming.len() < WAITING {
            self.incoming.push_back(reception);
        }
    }

    /// When the next frame arrives or, if it has and there is room, could be taken.
    pub(super) fn due(&self) -> Option<Instant> {
        self.incoming.front().map(|it| it.at)
    }

    /// The list has been appended to: it goes on behind the last descriptor that was filled.
    pub(super) fn reload(&mut self, memory: &mut dyn DmaMemory) {
        if let (None, Some(last)) = (self.next, self.last) {
            self.next = Descriptor::load(last, memory).and_then(|it| it.next());
        }
    }

    /// Takes what has arrived; true if something was written for the driver to see.
    pub(super) fn run(
        &mut self,
        now: Instant,
        passed: impl Fn(&[u8]) -> u32,
        memory: &mut dyn DmaMemory,
    ) -> bool {
        let mut any = false;
        while let Some(first) = self.incoming.front().filter(|it| it.at <= now) {
            let interfaces = if self.enabled { passed(&first.frame) } else { 0 };
            let repeated = filter::is_unicast(&first.frame) && now < first.at + PATIENCE;
            let room = interfaces == 0 || self.next.is_some();
            if !room && repeated {
                break;
            }
            if let Some(reception) = self.incoming.pop_front()
                && interfaces != 0
                && room
            {
                any |= self.deliver(&reception, interfaces, memory);
            }
        }
        any
    }

    /// Whether a frame waits for a buffer since before `now`.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// When the sender of the frame that waits gives up.
    pub(super) fn gives_up(&self) -> Option<Instant> {
        self.due().map(|due| due + PATIENCE)
    }

    /// Writes a frame; false if there is no memory where the list says, or the list is too short:
    /// then the frame is lost, as the list says how far it has come.
    fn deliver(
        &mut self,
        reception: &Reception,
        interfaces: u32,
        memory: &mut dyn DmaMemory,
    ) -> bool {
        let mut bytes = header(reception, interfaces).to_vec();
        bytes.extend(&reception.frame);
        bytes.resize(HEADER + length_on_air(&reception.frame), 0);
        let mut rest = &bytes[..];
        while let Some(at) = self.next {
            let Some(mut descriptor) = Descriptor::load(at, memory) else {
                (self.next, self.broken) = (None, Some((at, Break::NoMemory)));
                return false;
            };
            let (now, later) = rest.split_at(rest.len().min(descriptor.size.into()));
            if !memory.write(descriptor.buffer, now)
                || !descriptor.hand_back(now.len() as u16, later.is_empty(), memory)
            {
                (self.next, self.broken) = (None, Some((at, Break::NoMemory)));
                return false;
            }
            self.last = Some(at);
            self.next = descriptor.next();
            // A list of empty buffers that goes round must end somewhere.
            if later.is_empty() {
                return true;
            }
            if now.is_empty() || self.next.is_none() {
                self.broken = Some((at, Break::TooShort));
                return false;
            }
            rest = later;
        }
        false
    }
}

/// Octets of a frame with what stands behind its body.
fn length_on_air(frame: &[u8]) -> usize {
    const PROTECTED: u8 = 0x40;
    let protected = frame.get(1).is_some_and(|flags| flags & PROTECTED != 0);
    frame.len() + if protected { MIC } else { 0 } + FCS
}

fn header(reception: &Reception, interfaces: u32) -> [u8; HEADER] {
    let length = length_on_air(&reception.frame) as u32;
    let code = reception.rate.code();
    let signal = u32::from(reception.signal_dbm.wrapping_add(96) as u8);
    let ht = code >= 0x10;
    let words = match ht {
        false => [signal | code << 8 | length << 16, 0],
        true => [
            signal | 1 << 14 | length << 16,
            code & 7 | length << 8 | u32::from(code >= 0x18) << 31,
        ],
    };
    let micros = reception.at.ticks() / Duration::from_micros(1).ticks();
    let words =
        [words[0] | interfaces << 28, words[1], 0, micros as u32, 0, 0, length | length << 12];
    let mut bytes = [0; HEADER];
    for (octets, word) in bytes.chunks_exact_mut(4).zip(words) {
        octets.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::dma::NoMemory;

    /// Memory from 0x3FFB_0000 on.
    struct Ram(Vec<u8>);

    const RAM: u32 = 0x3ffb_0000;

    impl Ram {
        /// A list of buffers of `size` octets each.
        fn with_list(count: u32, size: u32) -> Self {
            let mut ram = Self(vec![0; 0x8000]);
            for n in 0..count {
                let next = if n + 1 < count { RAM + 12 * (n + 1) } else { 0 };
                let words = [size | 1 << 31, RAM + 0x1000 + n * 0x800, next];
                for (i, word) in words.into_iter().enumerate() {
                    assert!(ram.write(RAM + 12 * n + 4 * i as u32, &word.to_le_bytes()));
                }
            }
            ram
        }

        fn word(&mut self, address: u32) -> u32 {
            let mut bytes = [0; 4];
            assert!(self.read(address, &mut bytes));
            u32::from_le_bytes(bytes)
        }
    }

    impl DmaMemory for Ram {
        fn read(&mut self, address: u32, buffer: &mut [u8]) -> bool {
            let at = address.wrapping_sub(RAM) as usize;
            let Some(bytes) = self.0.get(at..).and_then(|it| it.get(..buffer.len())) else {
                return false;
            };
            buffer.copy_from_slice(bytes);
            true
        }

        fn write(&mut self, address: u32, data: &[u8]) -> bool {
            let at = address.wrapping_sub(RAM) as usize;
            let Some(bytes) = self.0.get_mut(at..).and_then(|it| it.get_mut(..data.len())) else {
                return false;
            };
            bytes.copy_from_slice(data);
            true
        }
    }

    fn reception(frame: Vec<u8>, at_micros: u64) -> Reception {
        let at = Instant::ZERO + Duration::from_micros(at_micros);
        Reception { at, signal_dbm: -50, rate: Rate::MBPS_6, frame }
    }

    fn unicast(length: usize) -> Vec<u8> {
        let mut frame = vec![0x08, 2];
        frame.resize(length, 0x24);
        frame
    }

    fn enabled() -> Receiver {
        let mut receiver = Receiver { enabled: true, ..Receiver::default() };
        receiver.set_base(RAM);
        receiver
    }

    fn after(micros: u64) -> Instant {
        Instant::ZERO + Duration::from_micros(micros)
    }

    #[test]
    fn a_frame_arrives_with_its_header_its_length_and_room_for_the_fcs() {
        let (mut receiver, mut ram) = (enabled(), Ram::with_list(2, 1600));
        receiver.expect(reception(unicast(30), 77));
        assert!(!receiver.run(after(76), |_| 1, &mut ram), "it is still on the air");
        assert!(receiver.run(after(77), |_| 1, &mut ram));
        assert_eq!(ram.word(RAM), 1600 | 62 << 12 | 1 << 30, "28 + 30 + 4 octets, end of frame");
        assert_eq!(ram.word(RAM + 0x1000), 46 | 0xb << 8 | 34 << 16 | 1 << 28);
        assert_eq!(ram.word(RAM + 0x100c), 77, "its time");
        assert_eq!(ram.word(RAM + 0x1018), 34 | 34 << 12);
        assert_eq!((receiver.last, receiver.next), (Some(RAM), Some(RAM + 12)));
    }

    #[test]
    fn a_protected_frame_is_longer_by_its_mic() {
        let (mut receiver, mut ram) = (enabled(), Ram::with_list(1, 1600));
        let mut frame = unicast(40);
        frame[1] |= 0x40;
        receiver.expect(reception(frame, 0));
        assert!(receiver.run(after(0), |_| 1, &mut ram));
        assert_eq!(ram.word(RAM + 0x1018) & 0xfff, 52);
    }

    #[test]
    fn a_frame_goes_on_in_the_next_buffer_and_ends_in_the_last() {
        let (mut receiver, mut ram) = (enabled(), Ram::with_list(3, 100));
        receiver.expect(reception(unicast(160), 0));
        assert!(receiver.run(after(0), |_| 1, &mut ram));
        assert_eq!(ram.word(RAM), 100 | 100 << 12);
        assert_eq!(ram.word(RAM + 12), 100 | 92 << 12 | 1 << 30);
        assert_eq!(receiver.next, Some(RAM + 24));
    }

    #[test]
    fn without_a_buffer_unicast_waits_and_multicast_is_lost() {
        let (mut receiver, mut ram) = (enabled(), Ram::with_list(1, 1600));
        let mut multicast = unicast(30);
        multicast[4] = 0xff;
        receiver.expect(reception(unicast(30), 0));
        receiver.expect(reception(multicast, 1));
        receiver.expect(reception(unicast(31), 2));
        assert!(receiver.run(after(2), |_| 1, &mut ram));
        assert_eq!(receiver.next, None);
        assert!(receiver.is_stalled(after(2)), "the second unicast frame");
        // The driver appends a descriptor.
        assert!(ram.write(RAM + 8, &(RAM + 24).to_le_bytes()));
        for (n, word) in [1600_u32, RAM + 0x1800, 0].into_iter().enumerate() {
            assert!(ram.write(RAM + 24 + 4 * n as u32, &word.to_le_bytes()));
        }
        receiver.reload(&mut ram);
        assert!(receiver.run(after(100), |_| 1, &mut ram));
        assert_eq!(ram.word(RAM + 0x1818) & 0xfff, 35);
    }

    #[test]
    fn a_sender_gives_up_when_nobody_makes_room() {
        let (mut receiver, mut ram) = (enabled(), Ram::with_list(1, 1600));
        receiver.set_base(0);
        receiver.expect(reception(unicast(30), 0));
        assert!(!receiver.run(after(499_999), |_| 1, &mut ram));
        assert!(receiver.is_stalled(after(499_999)));
        assert!(!receiver.run(after(500_000), |_| 1, &mut ram));
        assert_eq!(receiver.due(), None);
    }

    #[test]
    fn a_list_that_points_nowhere_or_goes_round_ends() {
        let mut receiver = enabled();
        receiver.expect(reception(unicast(30), 0));
        assert!(!receiver.run(after(0), |_| 1, &mut NoMemory));
        assert_eq!((receiver.next, receiver.broken), (None, Some((RAM, Break::NoMemory))));

        let (mut receiver, mut ram) = (enabled(), Ram::with_list(1, 0));
        assert!(ram.write(RAM + 8, &RAM.to_le_bytes()));
        receiver.expect(reception(unicast(30), 0));
        assert!(!receiver.run(after(0), |_| 1, &mut ram));
        assert_eq!((receiver.due(), receiver.broken), (None, Some((RAM, Break::TooShort))));

        let (mut receiver, mut ram) = (enabled(), Ram::with_list(2, 20));
        receiver.expect(reception(unicast(30), 0));
        assert!(!receiver.run(after(0), |_| 1, &mut ram));
        assert_eq!(receiver.broken, Some((RAM + 12, Break::TooShort)));
    }

    #[test]
    fn nothing_is_heard_while_reception_is_off() {
        let (mut receiver, mut ram) = (enabled(), Ram::with_list(1, 1600));
        receiver.enabled = false;
        receiver.expect(reception(unicast(30), 0));
        assert!(!receiver.run(after(0), |_| 1, &mut ram));
        receiver.enabled = true;
        assert!(!receiver.run(after(1), |_| 1, &mut ram));
    }
}
