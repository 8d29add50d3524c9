//! Pages 0x3FF7_3000 and 0x3FF7_4000: the Wi-Fi MAC.
//!
//! *Source*: no public manual. Register roles from the open MAC projects' register descriptions and
//! from what ESP-IDF's driver does with them, which was found by running it.
//!
//! *Modelled*: the receive list and the header of each frame (`receive.rs`), the address filters of
//! the four interfaces (`filter.rs`), five transmit slots with air time and result (`transmit.rs`),
//! interrupts, the microsecond counter, and what start-up and a channel change poll.
//!
//! *Not modelled*: ciphers. Firmware builds and checks the CCMP header; frames cross this boundary
//! in the clear, as they lie in memory, so keys only are stored. Statistics,
//! power saving of the hardware. The other words are declared storage.

mod broken_list;
mod filter;
mod rate;
mod receive;
mod transmit;

use std::collections::VecDeque;

use super::dma::DmaMemory;
use super::{Context, Peripheral, Stores, Unmodelled, stores};
use crate::time::{Duration, Instant};

pub use broken_list::{Break, BrokenList, List};
use filter::{AddressFilter, INTERFACES, Interface, Pair};
pub use rate::{Rate, Speed};
pub use receive::Reception;
use receive::{NO_DESCRIPTOR, Receiver};
pub use transmit::{Outcome, Transmission};
use transmit::{SLOT_WORDS, SLOTS, Transmitter};

mod reg {
    /// Filters, each of two words for each interface: BSSID, its mask, own address, its mask.
    pub(super) const FILTERS: u32 = 0x000;
    pub(super) const FILTERS_LAST: u32 = 0x07c;
    /// Bit 0 asks to re-read the receive list and clears itself; bit 31 enables reception.
    pub(super) const RX_CONTROL: u32 = 0x084;
    pub(super) const RX_RELOAD: u32 = 1;
    pub(super) const RX_ENABLE: u32 = 1 << 31;
    /// Address of the first receive descriptor.
    pub(super) const RX_BASE: u32 = 0x088;
    /// The descriptor that the next frame will use.
    pub(super) const RX_NEXT: u32 = 0x08c;
    /// The descriptor that was used last.
    pub(super) const RX_LAST: u32 = 0x090;
    /// Filter control of each interface.
    pub(super) const RX_FILTER: u32 = 0x0d8;
    pub(super) const RX_FILTER_LAST: u32 = 0x0e4;
    /// Microseconds, free-running.
    pub(super) const TIME: u32 = 0xc00;
    pub(super) const INT_ENABLE: u32 = 0xc40;
    pub(super) const INT_STATUS: u32 = 0xc48;
    pub(super) const INT_CLEAR: u32 = 0xc4c;
    /// The gate around a channel change, bit 13: transmission under way.
    pub(super) const GATE: u32 = 0xcb8;
    pub(super) const GATE_BUSY: u32 = 1 << 13;
    /// Errors of transmit slots: clear, status.
    pub(super) const TX_ERROR_CLEAR: u32 = 0xcbc;
    pub(super) const TX_ERROR: u32 = 0xcc0;
    /// Transmit slots that have finished: clear, status.
    pub(super) const TX_DONE_CLEAR: u32 = 0xcc4;
    pub(super) const TX_DONE: u32 = 0xcc8;
    /// Config and PLCP0 of the last slot; the others follow, the first one at the end.
    pub(super) const TX_SLOTS: u32 = 0xcfc;
    pub(super) const TX_SLOTS_LAST: u32 = 0xd20;
    /// Bit 1 asks for a reset of the engine, bit 0 says that it rests.
    pub(super) const ENGINE: u32 = 0xd24;
    pub(super) const ENGINE_RESTS: u32 = 1;
    /// Second page: words of the last slot; the others follow, the first one at the end.
    pub(super) const TX_WORDS: u32 = 0x1168;
    pub(super) const TX_WORDS_LAST: u32 = 0x1290;
}

/// Bits of the interrupt registers.
mod int {
    /// A frame was received: three bits, of which the driver enables two.
    pub(super) const RECEIVED: u32 = 0x0100_0024;
    /// A slot has finished.
    pub(super) const SENT: u32 = 1 << 7;
}

/// Broken lists that are kept until somebody asks; firmware that makes more says nothing new.
const BROKEN: usize = 16;
const MICROSECOND: Duration = Duration::from_micros(1);

/// Both pages. Interrupt line 0: WIFI_MAC.
#[derive(Debug, Clone, Default)]
pub struct WifiMac {
    interfaces: [Interface; INTERFACES],
    rx_control: u32,
    receiver: Receiver,
    transmitter: Transmitter,
    int_raw: u32,
    int_enable: u32,
    gate: u32,
    engine: u32,
    /// Software has asked to re-read the receive list.
    reload: bool,
    /// The latest instant at which the receive list was looked at.
    looked: Instant,
    /// Lists that broke off.
    broken: VecDeque<BrokenList>,
}

impl WifiMac {
    /// Moves frames between the medium and memory.
    pub fn run(&mut self, memory: &mut dyn DmaMemory, cx: &Context) {
        if std::mem::take(&mut self.reload) {
            self.receiver.reload(memory);
        }
        self.transmitter.run(cx.now, memory);
        let interfaces = &self.interfaces;
        if self.receiver.run(cx.now, |frame| filter::passed(interfaces, frame), memory) {
            self.int_raw |= int::RECEIVED;
        }
        self.looked = cx.now;
        let received = self.receiver.broken.take().map(|(at, why)| (List::Receive, at, why));
        let sent = self.transmitter.broken.drain(..);
        let sent = sent.map(|(slot, at, why)| (List::Transmit(slot), at, why));
        for (list, descriptor, why) in received.into_iter().chain(sent) {
            if self.broken.len() < BROKEN {
                self.broken.push_back(BrokenList { at: cx.now, list, descriptor, why });
            }
        }
    }

    /// Whether [`WifiMac::take_broken_list`] has something.
    pub fn has_broken_list(&self) -> bool {
        !self.broken.is_empty()
    }

    /// The oldest list that broke off and that nobody has heard of.
    pub fn take_broken_list(&mut self) -> Option<BrokenList> {
        self.broken.pop_front()
    }

    /// Whether [`WifiMac::take_transmission`] has something.
    pub fn has_transmission(&self) -> bool {
        self.transmitter.has_outgoing()
    }

    /// The oldest frame that goes on the air and that nobody has taken. It is under way until
    /// [`WifiMac::finish`].
    pub fn take_transmission(&mut self) -> Option<Transmission> {
        self.transmitter.take_outgoing()
    }

    /// What comes of a frame, known while it is on the air.
    pub fn finish(&mut self, transmission: &Transmission, outcome: Outcome) {
        self.transmitter.finish(transmission, outcome);
    }

    /// A frame on the tuned channel is under way. Frames come in order of their arrival; some 250
    /// can wait, further ones are lost.
    pub fn expect(&mut self, reception: Reception) {
        self.receiver.expect(reception);
    }

    /// Whether a frame that has just been received is acknowledged.
    pub fn acknowledges(&self, frame: &[u8]) -> bool {
        self.receiver.enabled && filter::is_own(&self.interfaces, frame)
    }

    /// Whether software has enabled reception.
    pub fn receives(&self) -> bool {
        self.receiver.enabled
    }

    fn filter_word(&mut self, offset: u32) -> &mut u32 {
        let n = ((offset - reg::FILTERS) / 4) as usize;
        let (bank, interface, high) = (n / 8, n / 2 % 4, n % 2 == 1);
        let Interface { bssid, own, .. } = &mut self.interfaces[interface];
        let filter: &mut AddressFilter = if bank < 2 { bssid } else { own };
        let pair: &mut Pair = if bank % 2 == 0 { &mut filter.address } else { &mut filter.mask };
        if high { &mut pair.high } else { &mut pair.low }
    }
}

/// Slot and word of an offset in the second page.
fn slot_word(offset: u32) -> (usize, usize) {
    let n = ((offset - reg::TX_WORDS) / 4) as usize;
    (SLOTS - 1 - n / SLOT_WORDS, n % SLOT_WORDS)
}

/// Slot of an offset in the block of slots, and whether it is PLCP0 rather than its config.
fn slot_control(offset: u32) -> (usize, bool) {
    let n = ((offset - reg::TX_SLOTS) / 4) as usize;
    (SLOTS - 1 - n / 2, n % 2 == 1)
}

impl Peripheral for WifiMac {
    const NAME: &'static str = "WIFI_MAC";
    const STORES: &'static [Stores] = &[stores(0, 0x1ffc)];

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            reg::FILTERS..=reg::FILTERS_LAST => *self.filter_word(offset),
            reg::RX_FILTER..=reg::RX_FILTER_LAST => {
                self.interfaces[((offset - reg::RX_FILTER) / 4) as usize].control
            }
            reg::RX_CONTROL => self.rx_control,
            reg::RX_BASE => self.receiver.base,
            reg::RX_NEXT => self.receiver.next.unwrap_or(NO_DESCRIPTOR),
            reg::RX_LAST => self.receiver.last.unwrap_or(0),
            reg::TIME => (cx.now.ticks() / MICROSECOND.ticks()) as u32,
            reg::INT_ENABLE => self.int_enable,
            reg::INT_STATUS => self.int_raw,
            reg::GATE => self.gate & !reg::GATE_BUSY,
            reg::TX_DONE => self.transmitter.done,
            // Software clears by read, modify, write.
            reg::INT_CLEAR | reg::TX_ERROR_CLEAR | reg::TX_DONE_CLEAR | reg::TX_ERROR => 0,
            reg::TX_SLOTS..=reg::TX_SLOTS_LAST => match slot_control(offset) {
                (slot, true) => self.transmitter.plcp0(slot),
                (slot, false) => self.transmitter.config(slot),
            },
            reg::ENGINE => self.engine | reg::ENGINE_RESTS,
            reg::TX_WORDS..=reg::TX_WORDS_LAST => {
                let (slot, word) = slot_word(offset);
                self.transmitter.word(slot, word)
            }
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::FILTERS..=reg::FILTERS_LAST => *self.filter_word(offset) = value,
            reg::RX_FILTER..=reg::RX_FILTER_LAST => {
                self.interfaces[((offset - reg::RX_FILTER) / 4) as usize].control = value;
            }
            reg::RX_CONTROL => {
                self.rx_control = value & !reg::RX_RELOAD;
                self.receiver.enabled = value & reg::RX_ENABLE != 0;
                self.reload |= value & reg::RX_RELOAD != 0;
            }
            reg::RX_BASE => self.receiver.set_base(value),
            reg::INT_ENABLE => self.int_enable = value,
            reg::INT_CLEAR => self.int_raw &= !value,
            reg::GATE => self.gate = value,
            reg::TX_DONE_CLEAR => self.transmitter.done &= !value,
            reg::RX_NEXT | reg::RX_LAST | reg::TIME | reg::INT_STATUS => {}
            reg::TX_ERROR_CLEAR | reg::TX_ERROR | reg::TX_DONE => {}
            reg::TX_SLOTS..=reg::TX_SLOTS_LAST => match slot_control(offset) {
                (slot, true) => self.transmitter.set_plcp0(slot, value),
                (slot, false) => self.transmitter.set_config(slot, value),
            },
            reg::ENGINE => self.engine = value,
            reg::TX_WORDS..=reg::TX_WORDS_LAST => {
                let (slot, word) = slot_word(offset);
                self.transmitter.set_word(slot, word, value);
            }
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        if self.transmitter.poll(cx.now) {
            self.int_raw |= int::SENT;
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        // A frame for which there was no buffer is not looked at again before its sender gives up,
        // or software makes room.
        let received = match self.receiver.is_stalled(self.looked) {
            true => self.receiver.gives_up(),
            false => self.receiver.due(),
        };
        [self.transmitter.due(), received].into_iter().flatten().min()
    }

    fn irq(&self) -> u32 {
        u32::from(self.int_raw & self.int_enable != 0)
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::peripherals::dma::NoMemory;
    use crate::peripherals::{Clocks, sweep::sweep};

    fn at(micros: u64) -> Context {
        Context::at(Instant::ZERO + Duration::from_micros(micros), Clocks::default())
    }

    #[test]
    fn what_a_driver_waits_for_when_it_starts_has_happened_at_once() {
        let mut mac = WifiMac::default();
        let cx = at(0);
        mac.write(reg::ENGINE, 2, &cx).unwrap();
        assert_eq!(mac.read(reg::ENGINE, &cx), Ok(3));
        mac.write(reg::GATE, 0x37ff, &cx).unwrap();
        assert_eq!(mac.read(reg::GATE, &cx), Ok(0x17ff));
        mac.write(reg::RX_CONTROL, 0x8000_0001, &cx).unwrap();
        assert_eq!(mac.read(reg::RX_CONTROL, &cx), Ok(0x8000_0000));
        mac.write(reg::INT_CLEAR, u32::MAX, &cx).unwrap();
        assert_eq!(mac.read(reg::INT_STATUS, &cx), Ok(0));
    }

    #[test]
    fn its_clock_counts_microseconds_of_device_time() {
        let mut mac = WifiMac::default();
        assert_eq!(mac.read(reg::TIME, &at(1_234_567)), Ok(1_234_567));
        assert_eq!(mac.read(reg::TIME, &at((1 << 32) + 5)), Ok(5));
    }

    #[test]
    fn the_receive_list_is_empty_until_one_is_given() {
        let mut mac = WifiMac::default();
        let cx = at(0);
        assert_eq!(mac.read(reg::RX_NEXT, &cx), Ok(NO_DESCRIPTOR));
        mac.write(reg::RX_BASE, 0x3ffb_0000, &cx).unwrap();
        assert_eq!(mac.read(reg::RX_NEXT, &cx), Ok(0x3ffb_0000));
        mac.reset(&cx);
        assert_eq!(mac.read(reg::RX_NEXT, &cx), Ok(NO_DESCRIPTOR));
    }

    /// One descriptor at 0x3FFB_0000 with a frame of 30 octets, and its FCS, behind it.
    struct OneFrame;

    impl DmaMemory for OneFrame {
        fn read(&mut self, address: u32, buffer: &mut [u8]) -> bool {
            let descriptor = [34 | 34 << 12 | 3 << 30, 0x3ffb_0100_u32, 0].map(u32::to_le_bytes);
            match address {
                0x3ffb_0000 => buffer.copy_from_slice(descriptor.as_flattened()),
                _ => buffer.fill(0x24),
            }
            true
        }

        fn write(&mut self, _address: u32, _data: &[u8]) -> bool {
            false
        }
    }

    const SLOT_2: u32 = 0xd20 - 16;

    fn send_from_slot_2(mac: &mut WifiMac, plcp0: u32) {
        mac.write(0x1258 - 0x3c * 2, 34 | 0xb << 12, &at(0)).unwrap();
        mac.write(SLOT_2, plcp0, &at(0)).unwrap();
        mac.run(&mut OneFrame, &at(0));
        assert!(!mac.has_transmission(), "it needs both bits");
        mac.write(SLOT_2, plcp0 | 3 << 30, &at(0)).unwrap();
        mac.run(&mut OneFrame, &at(0));
    }

    #[test]
    fn a_slot_sends_its_frame_and_finishes_when_the_answer_would_have_come() {
        let mut mac = WifiMac::default();
        mac.write(reg::INT_ENABLE, int::SENT, &at(0)).unwrap();
        send_from_slot_2(&mut mac, 0x016b_0000);
        let sent = mac.take_transmission().expect("a frame");
        assert_eq!((sent.slot, sent.rate, sent.frames[0].len()), (2, Rate::MBPS_6, 30));
        assert_eq!(mac.poll_at(), None, "the medium has not said yet");
        mac.finish(&sent, Outcome::Unanswered);
        // 34 octets at 6 Mbit/s, a gap, an acknowledgement.
        assert_eq!(mac.poll_at(), Some(at(20 + 52 + 10 + 44).now));
        mac.poll(&at(125));
        assert_eq!(mac.irq(), 0);
        mac.poll(&at(126));
        assert_eq!(mac.irq(), 1);
        assert_eq!(mac.read(reg::TX_DONE, &at(126)), Ok(1 << 2));
        assert_eq!(mac.read(0x1270 - 0x3c * 2, &at(126)), Ok(5 << 12));
        assert_eq!(mac.read(SLOT_2, &at(126)), Ok(0x016b_0000), "valid and enabled no more");
        mac.write(reg::TX_DONE_CLEAR, 1 << 2, &at(126)).unwrap();
        mac.write(reg::INT_CLEAR, int::SENT, &at(126)).unwrap();
        assert_eq!((mac.read(reg::TX_DONE, &at(126)), mac.irq()), (Ok(0), 0));
    }

    #[test]
    fn what_needs_no_answer_has_been_sent() {
        let mut mac = WifiMac::default();
        send_from_slot_2(&mut mac, 0x006b_0000);
        let sent = mac.take_transmission().expect("a frame");
        mac.finish(&sent, Outcome::Unanswered);
        assert_eq!(mac.poll_at(), Some(at(72).now));
        mac.poll(&at(72));
        assert_eq!(mac.read(0x1270 - 0x3c * 2, &at(72)), Ok(0));
    }

    /// A QoS data frame with a sequence number and a traffic identifier.
    fn qos_frame(sequence: u16, tid: u8, body: usize) -> Vec<u8> {
        let mut frame = vec![0x88, 1, 0, 0];
        frame.extend([0x24; 18]);
        frame.extend((sequence << 4).to_le_bytes());
        frame.extend([tid, 0]);
        frame.resize(frame.len() + body, 7);
        frame
    }

    /// Memory with frames that are to be sent as one, each behind its length and with its FCS, and how
    /// many octets they are together.
    fn aggregate(frames: &[Vec<u8>]) -> (Ram, u32) {
        let mut ram = Ram { bytes: vec![0; RAM_SIZE], accesses: 0 };
        let (mut at, mut length) = (RAM + 0x40, 0);
        for (n, frame) in frames.iter().enumerate() {
            let octets = frame.len() as u32 + 4;
            let last = n + 1 == frames.len();
            let next = if last { 0 } else { RAM + 12 * (n as u32 + 1) };
            let head = 0xfff | (octets + 4) << 12 | u32::from(last) << 30 | 1 << 31;
            let words = [head, at, next].map(u32::to_le_bytes);
            assert!(ram.write(RAM + 12 * n as u32, words.as_flattened()));
            assert!(ram.write(at, &(octets | 0x1c3 << 12).to_le_bytes()));
            assert!(ram.write(at + 4, frame));
            at += octets + 4;
            let padding = if last { 0 } else { (4 - octets % 4) % 4 };
            length += 4 + octets + padding;
        }
        (ram, length)
    }

    fn send_aggregate(mac: &mut WifiMac, ram: &mut Ram, length: u32) {
        for (word, value) in
            [(0x1258, length | 0x17 << 12 | 1 << 25), (0x1260, 1 << 27), (0x1264, length)]
        {
            mac.write(word, value, &at(0)).unwrap();
        }
        mac.write(0xd20, 0xc220_0000 | RAM & 0xf_ffff, &at(0)).unwrap();
        mac.run(ram, &at(0));
    }

    #[test]
    fn frames_that_are_sent_as_one_are_acknowledged_together() {
        let frames = [qos_frame(0xfff, 5, 3), qos_frame(0, 5, 40), qos_frame(2, 5, 1)];
        let (mut ram, length) = aggregate(&frames);
        let mut mac = WifiMac::default();
        send_aggregate(&mut mac, &mut ram, length);
        let sent = mac.take_transmission().expect("an A-MPDU");
        assert_eq!(sent.frames, frames);
        mac.finish(&sent, Outcome::Sent);
        // A gap and 32 octets at 6 Mbit/s: the block acknowledgement.
        let over = sent.end + Duration::from_micros(10 + 20 + 48);
        assert_eq!(mac.poll_at(), Some(over));
        mac.poll(&Context::at(over, Clocks::default()));
        let words = [0x1270, 0x1278, 0x1274, 0x1284].map(|it| mac.read(it, &at(0)).unwrap());
        // Frames 0, 1 and 3 behind number 0xFFF.
        assert_eq!(words, [0, 0b1011, 0, 0x5fff]);
    }

    #[test]
    fn who_asks_for_a_block_acknowledgement_again_hears_that_nothing_more_has_come() {
        let mut request = vec![0x84, 0, 0, 0];
        request.extend([0x24; 12]);
        request.extend([4, 0x50, 0x30, 0x12]);
        let mut ram = Ram { bytes: vec![0; RAM_SIZE], accesses: 0 };
        let words = [0xfff | 24 << 12 | 3 << 30, RAM + 0x40, 0].map(u32::to_le_bytes);
        assert!(ram.write(RAM, words.as_flattened()) && ram.write(RAM + 0x40, &request));
        let mut mac = WifiMac::default();
        // HT-SIG still says what it said of the frame before, which this one is not.
        mac.write(0x1260, 1 << 27, &at(0)).unwrap();
        mac.write(0x1258, 24, &at(0)).unwrap();
        mac.write(0xd20, 0xc220_0000 | RAM & 0xf_ffff, &at(0)).unwrap();
        mac.run(&mut ram, &at(0));
        let sent = mac.take_transmission().expect("a request");
        assert_eq!(sent.frames, [request]);
        mac.finish(&sent, Outcome::Sent);
        mac.poll(&at(10_000));
        let words = [0x1270, 0x1278, 0x1274, 0x1284].map(|it| mac.read(it, &at(0)).unwrap());
        assert_eq!(words, [0, 0, 0, 0x5123]);
    }

    #[test]
    fn an_aggregate_that_breaks_off_is_not_sent() {
        let (mut ram, length) = aggregate(&[qos_frame(1, 0, 3), qos_frame(2, 0, 3)]);
        // The second descriptor lies where there is no memory.
        assert!(ram.write(RAM + 8, &0x3ff0_0000_u32.to_le_bytes()));
        let mut mac = WifiMac::default();
        send_aggregate(&mut mac, &mut ram, length);
        assert!(!mac.has_transmission());
        mac.poll(&at(0));
        assert_eq!(mac.read(0x1270, &at(0)), Ok(5 << 12));
    }

    #[test]
    fn a_slot_that_points_nowhere_ends_without_an_answer() {
        let mut mac = WifiMac::default();
        mac.write(0x1258, 34, &at(0)).unwrap();
        mac.write(0xd20, 0xc000_0000, &at(0)).unwrap();
        mac.run(&mut NoMemory, &at(0));
        assert!(!mac.has_transmission());
        mac.poll(&at(0));
        assert_eq!(mac.read(0x1270, &at(0)), Ok(5 << 12));
        let told = mac.take_broken_list().map(|it| it.to_string());
        let wanted =
            "the frame of transmit slot 0 breaks off at descriptor 0x00000000: there is no memory";
        assert_eq!(told.as_deref(), Some(wanted));
        assert!(!mac.has_broken_list());
    }

    #[test]
    fn a_frame_without_a_buffer_does_not_keep_the_chip_busy() {
        let mut mac = WifiMac::default();
        let cx = at(0);
        mac.write(reg::RX_CONTROL, reg::RX_ENABLE, &cx).unwrap();
        for (offset, value) in
            [(0x40, 0x2424_2424), (0x44, 0x2424), (0x60, u32::MAX), (0x64, 0x1ffff)]
        {
            mac.write(offset, value, &cx).unwrap();
        }
        let frame = [&[8, 2][..], &[0x24; 28]].concat();
        mac.expect(Reception { at: at(5).now, signal_dbm: -40, rate: Rate::MBPS_6, frame });
        assert_eq!(mac.poll_at(), Some(at(5).now));
        mac.run(&mut NoMemory, &at(5));
        assert_eq!(mac.poll_at(), Some(at(500_005).now));
        mac.run(&mut NoMemory, &at(500_005));
        assert_eq!(mac.poll_at(), None);
    }

    #[test]
    fn no_access_panics() {
        sweep(&WifiMac::default(), 0x2000);
    }

    const RAM: u32 = 0x3ffb_0000;
    const RAM_SIZE: usize = 0x100;

    /// A little memory, and how often it was used.
    struct Ram {
        bytes: Vec<u8>,
        accesses: usize,
    }

    impl Ram {
        fn range(&mut self, address: u32, length: usize) -> Option<std::ops::Range<usize>> {
            self.accesses += 1;
            let start = address.checked_sub(RAM)? as usize;
            Some(start..start.checked_add(length)?).filter(|range| range.end <= RAM_SIZE)
        }
    }

    impl DmaMemory for Ram {
        fn read(&mut self, address: u32, buffer: &mut [u8]) -> bool {
            let range = self.range(address, buffer.len());
            range.map(|range| buffer.copy_from_slice(&self.bytes[range])).is_some()
        }

        fn write(&mut self, address: u32, data: &[u8]) -> bool {
            let range = self.range(address, data.len());
            range.map(|range| self.bytes[range].copy_from_slice(data)).is_some()
        }
    }

    /// Words as descriptors have them: sizes of any kind, and addresses near and far.
    fn word() -> impl Strategy<Value = u32> {
        prop_oneof![
            (0..RAM_SIZE as u32).prop_map(|at| RAM + at),
            (0..64_u32, 0..64_u32, 0..16_u32).prop_map(|(s, l, f)| s | l << 12 | f << 28),
            any::<u32>(),
            Just(0),
        ]
    }

    proptest! {
        #[test]
        fn whatever_lies_where_descriptors_should_costs_no_more_than_the_frames_are_worth(
            memory in prop::collection::vec(word(), RAM_SIZE / 4),
            steps in prop::collection::vec((0..6_u8, word(), 0..80_usize), 1..40),
        ) {
            let bytes = memory.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut ram = Ram { bytes, accesses: 0 };
            let mut mac = WifiMac::default();
            // Everything passes the filter of the sniffer's interface.
            mac.write(reg::RX_FILTER_LAST, 1 << 15, &at(0)).unwrap();
            let frames = steps.len();
            for (n, (what, word, length)) in steps.into_iter().enumerate() {
                let cx = at(n as u64 * 100);
                match what {
                    0 => mac.write(reg::RX_BASE, word, &cx).unwrap(),
                    1 => mac.write(reg::RX_CONTROL, reg::RX_ENABLE | word & 1, &cx).unwrap(),
                    2 => {
                        let slot = word % SLOTS as u32;
                        let length = length as u32;
                        let plcp1 = length | word & 0x23e_0000;
                        for (offset, value) in [(0x1258, plcp1), (0x1260, word), (0x1264, length)] {
                            mac.write(offset - 0x3c * slot, value, &cx).unwrap();
                        }
                        mac.write(0xd20 - 8 * slot, word | 3 << 30, &cx).unwrap();
                    }
                    _ => {
                        let frame = [&[8, 2][..], &vec![0xff; 30 + length]].concat();
                        let signal_dbm = -40;
                        mac.expect(Reception { at: cx.now, signal_dbm, rate: Rate::MBPS_6, frame });
                    }
                }
                mac.run(&mut ram, &cx);
                mac.poll(&cx);
                while let Some(sent) = mac.take_transmission() {
                    mac.finish(&sent, Outcome::Sent);
                }
            }
            // A frame fills no more descriptors than it has octets, each with a read and two writes.
            prop_assert!(ram.accesses <= frames * 3 * 200, "{} accesses", ram.accesses);
        }
    }
}
