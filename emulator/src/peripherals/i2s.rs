//! I2S controller: streams samples between memory and a serial line at the programmed rate.
//!
//! Source: ESP32 Technical Reference Manual, chapter "I2S Controller (I2S)"; field positions and
//! reset values from `i2s_reg.h`, FIFO word formats and PDM factors from `i2s_ll.h` and the I2S
//! driver of ESP-IDF v4.4.
//! Modelled: transmission and reception through DMA descriptors as a master, sample rate from
//! CLKM_CONF (integer and fraction), bit clock divider, sample width and FIFO format, PDM rates,
//! DONE, EOF, descriptor and end-of-list interrupts when the last sample is through.
//! Not modelled: the FIFO (a descriptor's data is read when its turn comes), FIFO and hang
//! interrupts, direct FIFO access, sample formatting, delays, companding, the owner check. As a
//! slave the controller waits: [`I2s::receive`] gives it what a camera or another master clocks
//! in; the LCD and camera bits of CONF2 are stored and do not change the format. The audio PLL is
//! taken to run at 160 MHz, as the default clock does.
//!
//! One interrupt line, bit 0.

use std::collections::VecDeque;

use super::dma::{Descriptor, DmaMemory, link_address};
use super::{Context, Peripheral, Stores, Unmodelled, stores};
use crate::time::{Duration, Instant, TICKS_PER_SECOND};

mod reg {
    pub(super) const CONF: u32 = 0x08;
    pub(super) const INT_RAW: u32 = 0x0c;
    pub(super) const INT_ST: u32 = 0x10;
    pub(super) const INT_ENA: u32 = 0x14;
    pub(super) const INT_CLR: u32 = 0x18;
    pub(super) const FIFO_CONF: u32 = 0x20;
    pub(super) const RXEOF_NUM: u32 = 0x24;
    pub(super) const OUT_LINK: u32 = 0x30;
    pub(super) const IN_LINK: u32 = 0x34;
    pub(super) const OUT_EOF_DES_ADDR: u32 = 0x38;
    pub(super) const IN_EOF_DES_ADDR: u32 = 0x3c;
    pub(super) const OUT_EOF_BFR_DES_ADDR: u32 = 0x40;
    pub(super) const INLINK_DSCR: u32 = 0x48;
    pub(super) const INLINK_DSCR_BF1: u32 = 0x50;
    pub(super) const OUTLINK_DSCR: u32 = 0x54;
    pub(super) const OUTLINK_DSCR_BF1: u32 = 0x5c;
    pub(super) const LC_CONF: u32 = 0x60;
    pub(super) const LC_STATE0: u32 = 0x6c;
    pub(super) const LC_STATE1: u32 = 0x70;
    pub(super) const CONF2: u32 = 0xa8;
    pub(super) const CLKM_CONF: u32 = 0xac;
    pub(super) const SAMPLE_RATE_CONF: u32 = 0xb0;
    pub(super) const PDM_CONF: u32 = 0xb4;
    pub(super) const PDM_FREQ_CONF: u32 = 0xb8;
    pub(super) const STATE: u32 = 0xbc;
    pub(super) const DATE: u32 = 0xfc;
}

mod conf {
    pub(super) const RESET: u32 = 0x0003_0300;
    pub(super) const TX_RESET: u32 = 1 << 0;
    pub(super) const RX_RESET: u32 = 1 << 1;
    pub(super) const TX_START: u32 = 1 << 4;
    pub(super) const RX_START: u32 = 1 << 5;
    pub(super) const TX_SLAVE_MOD: u32 = 1 << 6;
    pub(super) const RX_SLAVE_MOD: u32 = 1 << 7;
}

mod int {
    pub(super) const IN_DONE: u32 = 1 << 8;
    pub(super) const IN_SUC_EOF: u32 = 1 << 9;
    pub(super) const OUT_DONE: u32 = 1 << 11;
    pub(super) const OUT_EOF: u32 = 1 << 12;
    pub(super) const IN_DSCR_ERR: u32 = 1 << 13;
    pub(super) const OUT_DSCR_ERR: u32 = 1 << 14;
    pub(super) const IN_DSCR_EMPTY: u32 = 1 << 15;
    pub(super) const OUT_TOTAL_EOF: u32 = 1 << 16;
    pub(super) const ALL: u32 = 0x1_ffff;
}

const DSCR_EN: u32 = 1 << 12;
const LINK_STOP: u32 = 1 << 28;
const LINK_START: u32 = 1 << 29;
const LINK_RESTART: u32 = 1 << 30;
const LINK_ADDRESS: u32 = 0xf_ffff;
const IN_RST: u32 = 1 << 0;
const OUT_RST: u32 = 1 << 1;
const OUT_AUTO_WRBACK: u32 = 1 << 6;
const TX_IDLE: u32 = 1;
const FIFO_RESET_BACK: u32 = 6;
const DATE: u32 = 0x0160_4201;
/// Descriptors without room in a row after which a list of a slave counts as broken.
const MAX_EMPTY_DESCRIPTORS: u32 = 1_024;
/// PLL_D2_CLK.
const SOURCE_HZ: u128 = 160_000_000;

/// Direction of a stream, seen from the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Tx,
    Rx,
}

/// The duration of a frame in source clocks, as a fraction, and the bytes that it moves.
#[derive(Debug, Clone, Copy)]
struct Frame {
    numerator: u128,
    denominator: u128,
    bytes: u64,
}

impl Frame {
    fn time_of(&self, frames: u64) -> Duration {
        let ticks = u128::from(frames) * u128::from(TICKS_PER_SECOND) * self.numerator;
        let ticks = ticks.div_ceil(self.denominator * SOURCE_HZ);
        Duration::from_ticks(u64::try_from(ticks).unwrap_or(u64::MAX))
    }

    /// Frames of `bytes` bytes; even an empty descriptor takes one, so that a circle of empty ones
    /// takes time.
    fn count(&self, bytes: usize) -> u64 {
        (bytes as u64).div_ceil(self.bytes).max(1)
    }
}

/// Where a stream is in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No list.
    Idle,
    /// The list goes on at `descriptor` as soon as the stream is started.
    Linked { descriptor: u32 },
    /// `descriptor` is to be fetched at `at`.
    Fetch { descriptor: u32, at: Instant },
    /// The buffer is on the line until `due`.
    Busy { descriptor: Descriptor, due: Instant },
}

/// One direction.
#[derive(Debug, Clone)]
struct Stream {
    link: u32,
    state: State,
    /// Frames are counted from here, so that odd rates accumulate no error.
    epoch: Instant,
    frames: u64,
    /// The descriptor fetched last.
    current: [u32; 3],
    eof_descriptor: u32,
    eof_buffer: u32,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            link: 0,
            state: State::Idle,
            epoch: Instant::ZERO,
            frames: 0,
            current: [0; 3],
            eof_descriptor: 0,
            eof_buffer: 0,
        }
    }
}

impl Stream {
    fn due(&self) -> Option<Instant> {
        match self.state {
            State::Idle | State::Linked { .. } => None,
            State::Fetch { at, .. } => Some(at),
            State::Busy { due, .. } => Some(due),
        }
    }

    /// Begins when there is a list.
    fn start(&mut self, now: Instant) {
        if let State::Linked { descriptor } = self.state {
            (self.epoch, self.frames) = (now, 0);
            self.state = State::Fetch { descriptor, at: now };
        }
    }

    /// Stops; a later start begins with the same descriptor.
    fn pause(&mut self) {
        self.state = match self.state {
            State::Fetch { descriptor, .. } => State::Linked { descriptor },
            State::Busy { descriptor, .. } => State::Linked { descriptor: descriptor.address },
            other => other,
        };
    }

    /// The rate changes after the buffer that is under way.
    fn rebase(&mut self) {
        if let State::Busy { due, .. } = self.state {
            (self.epoch, self.frames) = (due, 0);
        }
    }

    fn begin(&mut self, descriptor: Descriptor, bytes: usize, frame: Frame) {
        self.current = [descriptor.address, descriptor.next, descriptor.buffer];
        self.frames = self.frames.saturating_add(frame.count(bytes));
        let due = self.epoch + frame.time_of(self.frames);
        self.state = State::Busy { descriptor, due };
    }

    fn write_link(&mut self, value: u32) {
        self.link = value & LINK_ADDRESS;
        if value & LINK_STOP != 0 {
            self.state = State::Idle;
        }
        if value & (LINK_START | LINK_RESTART) != 0 {
            self.state = match link_address(value) {
                Some(descriptor) => State::Linked { descriptor },
                None => State::Idle,
            };
        }
    }
}

/// I2S0 or I2S1.
#[derive(Debug, Clone)]
pub struct I2s {
    conf: u32,
    fifo_conf: u32,
    rx_eof_num: u32,
    lc_conf: u32,
    conf2: u32,
    clkm_conf: u32,
    sample_rate_conf: u32,
    pdm_conf: u32,
    pdm_freq_conf: u32,
    int_raw: u32,
    int_ena: u32,
    tx: Stream,
    rx: Stream,
    /// Bytes received since the last end of frame.
    rx_bytes: u64,
    /// Bytes in the descriptor that a slave's data is filling.
    rx_filled: usize,
    observed: bool,
    sent: Vec<u8>,
    supplied: VecDeque<u8>,
}

impl Default for I2s {
    fn default() -> Self {
        Self {
            conf: conf::RESET,
            fifo_conf: 0x1820,
            rx_eof_num: 64,
            lc_conf: 0x100,
            conf2: 0,
            clkm_conf: 4,
            sample_rate_conf: 0x0041_0186,
            pdm_conf: 0x0155_0020,
            pdm_freq_conf: 0x000f_01e0,
            int_raw: 0,
            int_ena: 0,
            tx: Stream::default(),
            rx: Stream::default(),
            rx_bytes: 0,
            rx_filled: 0,
            observed: false,
            sent: Vec::new(),
            supplied: VecDeque::new(),
        }
    }
}

impl I2s {
    /// A controller after reset that nobody observes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether sent bytes are kept for [`I2s::take_sent`].
    pub fn set_observed(&mut self, observed: bool) {
        self.observed = observed;
    }

    /// The bytes put on the line since the last call, as they lay in memory.
    pub fn take_sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// Queues bytes for reception as a master, as they shall lie in memory. Without them the line
    /// is silent: zeros.
    pub fn supply(&mut self, bytes: &[u8]) {
        self.supplied.extend(bytes);
    }

    /// Frames in a second of transmission, in thousandths; of each channel that is one sample.
    pub fn tx_rate_millihertz(&self) -> u64 {
        let frame = self.frame(Direction::Tx);
        let rate = SOURCE_HZ * 1_000 * frame.denominator / frame.numerator;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// Whether reception waits for another master's clock: [`I2s::receive`] has an effect.
    pub fn is_receiving_slave(&self) -> bool {
        self.conf & (conf::RX_START | conf::RX_SLAVE_MOD) == conf::RX_START | conf::RX_SLAVE_MOD
    }

    /// CONF2 with its LCD and camera bits, for a model of what is attached.
    pub fn conf2(&self) -> u32 {
        self.conf2
    }

    /// Moves what is due at `cx.now`. The wiring calls this wherever it calls
    /// [`Peripheral::poll`], which cannot do it for want of memory. Extra calls change nothing.
    pub fn run(&mut self, memory: &mut dyn DmaMemory, cx: &Context) {
        while self.tx.due().is_some_and(|due| due <= cx.now) {
            self.step_tx(memory);
        }
        while self.rx.due().is_some_and(|due| due <= cx.now) {
            self.step_rx(memory);
        }
    }

    /// Bytes that another master clocks in at this moment, already in the order of memory. Lost
    /// unless the controller is a started slave with a list.
    pub fn receive(&mut self, bytes: &[u8], memory: &mut dyn DmaMemory, cx: &Context) {
        let mut rest = bytes;
        let mut empty = 0;
        while !rest.is_empty() && self.is_receiving_slave() {
            let State::Linked { descriptor: address } = self.rx.state else { return };
            let Some(descriptor) = Descriptor::load(address, memory) else {
                self.fail_rx();
                return;
            };
            let room = self.rx_room(&descriptor).saturating_sub(self.rx_filled);
            empty = if room == 0 { empty + 1 } else { 0 };
            if empty > MAX_EMPTY_DESCRIPTORS {
                self.fail_rx();
                return;
            }
            let (part, later) = rest.split_at(rest.len().min(room));
            rest = later;
            let target = descriptor.buffer.wrapping_add(self.rx_filled as u32);
            if !part.is_empty() && !memory.write(target, part) {
                self.fail_rx();
                return;
            }
            self.rx.current = [descriptor.address, descriptor.next, descriptor.buffer];
            self.rx_filled += part.len();
            if part.len() == room {
                let length = std::mem::take(&mut self.rx_filled);
                self.complete_rx(descriptor, length, cx.now, memory);
                self.rx.pause();
            }
        }
    }

    fn frame(&self, direction: Direction) -> Frame {
        let (divider, bits, format) = match direction {
            Direction::Tx => {
                (self.sample_rate_conf, self.sample_rate_conf >> 12, self.fifo_conf >> 13)
            }
            Direction::Rx => {
                (self.sample_rate_conf >> 6, self.sample_rate_conf >> 18, self.fifo_conf >> 16)
            }
        };
        let field = |value: u32| u128::from(value & 0x3f).max(1);
        let (bits, bits_divisor) = match direction {
            Direction::Tx if self.pdm_conf & 1 != 0 => {
                let fp = u128::from((self.pdm_freq_conf >> 10) & 0x3ff);
                (64 * fp.max(1), u128::from(self.pdm_freq_conf & 0x3ff).max(1))
            }
            Direction::Rx if self.pdm_conf & 2 != 0 => {
                (if self.pdm_conf & 1 << 24 != 0 { 128 } else { 64 }, 1)
            }
            _ => (2 * field(bits), 1),
        };
        let whole = u128::from(self.clkm_conf & 0xff).max(1);
        let b = u128::from((self.clkm_conf >> 8) & 0x3f);
        let (a, b) = match u128::from((self.clkm_conf >> 14) & 0x3f) {
            0 => (1, 0),
            a => (a, b),
        };
        Frame {
            numerator: (whole * a + b) * field(divider) * bits,
            denominator: a * bits_divisor,
            bytes: match format & 7 {
                1 => 2,
                2 => 8,
                0 | 3 => 4,
                _ => 4,
            },
        }
    }

    fn is_running(&self, direction: Direction) -> bool {
        let (start, slave) = match direction {
            Direction::Tx => (conf::TX_START, conf::TX_SLAVE_MOD),
            Direction::Rx => (conf::RX_START, conf::RX_SLAVE_MOD),
        };
        self.conf & (start | slave) == start && self.fifo_conf & DSCR_EN != 0
    }

    /// Lets both directions run or pause as the registers now say.
    fn update(&mut self, now: Instant) {
        for direction in [Direction::Tx, Direction::Rx] {
            let running = self.is_running(direction);
            let stream = match direction {
                Direction::Tx => &mut self.tx,
                Direction::Rx => &mut self.rx,
            };
            if running { stream.start(now) } else { stream.pause() }
        }
    }

    fn step_tx(&mut self, memory: &mut dyn DmaMemory) {
        match self.tx.state {
            State::Fetch { descriptor, .. } => self.fetch_tx(descriptor, memory),
            State::Busy { descriptor, due } => self.complete_tx(descriptor, due, memory),
            State::Idle | State::Linked { .. } => {}
        }
    }

    fn fetch_tx(&mut self, address: u32, memory: &mut dyn DmaMemory) {
        let mut data = Vec::new();
        let descriptor = Descriptor::load(address, memory).filter(|descriptor| {
            data.resize(usize::from(descriptor.length), 0);
            data.is_empty() || memory.read(descriptor.buffer, &mut data)
        });
        let Some(descriptor) = descriptor else {
            self.int_raw |= int::OUT_DSCR_ERR;
            self.tx.state = State::Idle;
            return;
        };
        self.tx.begin(descriptor, data.len(), self.frame(Direction::Tx));
        if self.observed {
            self.sent.append(&mut data);
        }
    }

    fn complete_tx(
        &mut self,
        mut descriptor: Descriptor,
        due: Instant,
        memory: &mut dyn DmaMemory,
    ) {
        self.int_raw |= int::OUT_DONE;
        if descriptor.eof {
            self.int_raw |= int::OUT_EOF;
            self.tx.eof_descriptor = descriptor.address;
            self.tx.eof_buffer = descriptor.buffer;
        }
        let (length, eof) = (descriptor.length, descriptor.eof);
        if self.lc_conf & OUT_AUTO_WRBACK != 0 && !descriptor.hand_back(length, eof, memory) {
            self.int_raw |= int::OUT_DSCR_ERR;
        }
        // Software may have relinked the list since the descriptor was fetched.
        let next = Descriptor::load(descriptor.address, memory).and_then(|d| d.next());
        self.tx.state = match next {
            Some(descriptor) => State::Fetch { descriptor, at: due },
            None => {
                self.int_raw |= int::OUT_TOTAL_EOF;
                State::Idle
            }
        };
    }

    /// Bytes that may still go into the descriptor before it is full or the frame ends.
    fn rx_room(&self, descriptor: &Descriptor) -> usize {
        let size = u64::from(descriptor.size);
        let frame = u64::from(self.rx_eof_num) * 4;
        let room = match frame.saturating_sub(self.rx_bytes) {
            0 => size,
            left => size.min(left),
        };
        room as usize
    }

    fn step_rx(&mut self, memory: &mut dyn DmaMemory) {
        match self.rx.state {
            State::Fetch { descriptor, .. } => match Descriptor::load(descriptor, memory) {
                Some(descriptor) => {
                    let bytes = self.rx_room(&descriptor);
                    self.rx.begin(descriptor, bytes, self.frame(Direction::Rx));
                }
                None => self.fail_rx(),
            },
            State::Busy { descriptor, due } => {
                let bytes = self.rx_room(&descriptor);
                let available = bytes.min(self.supplied.len());
                let mut data: Vec<u8> = self.supplied.drain(..available).collect();
                data.resize(bytes, 0);
                if data.is_empty() || memory.write(descriptor.buffer, &data) {
                    self.complete_rx(descriptor, bytes, due, memory);
                } else {
                    self.fail_rx();
                }
            }
            State::Idle | State::Linked { .. } => {}
        }
    }

    fn fail_rx(&mut self) {
        self.int_raw |= int::IN_DSCR_ERR;
        self.rx.state = State::Idle;
    }

    fn complete_rx(
        &mut self,
        mut descriptor: Descriptor,
        length: usize,
        due: Instant,
        memory: &mut dyn DmaMemory,
    ) {
        self.rx_bytes += length as u64;
        let frame = u64::from(self.rx_eof_num) * 4;
        let eof = frame != 0 && self.rx_bytes >= frame;
        if !descriptor.hand_back(length as u16, eof, memory) {
            self.fail_rx();
            return;
        }
        self.int_raw |= int::IN_DONE;
        if eof {
            self.rx_bytes = 0;
            self.int_raw |= int::IN_SUC_EOF;
            self.rx.eof_descriptor = descriptor.address;
        }
        self.rx.state = match descriptor.next() {
            Some(descriptor) => State::Fetch { descriptor, at: due },
            None => {
                self.int_raw |= int::IN_DSCR_EMPTY;
                State::Idle
            }
        };
    }

    fn write_conf(&mut self, value: u32, cx: &Context) {
        self.conf = value & 0x7_ffff;
        if value & conf::TX_RESET != 0 {
            self.tx.pause();
        }
        if value & conf::RX_RESET != 0 {
            self.rx.pause();
            (self.rx_bytes, self.rx_filled) = (0, 0);
        }
        self.update(cx.now);
    }

    fn write_lc_conf(&mut self, value: u32) {
        self.lc_conf = value & 0x3fff;
        if value & OUT_RST != 0 {
            self.tx.state = State::Idle;
        }
        if value & IN_RST != 0 {
            self.rx.state = State::Idle;
            (self.rx_bytes, self.rx_filled) = (0, 0);
        }
    }

    fn rate_register(&mut self, offset: u32) -> Option<&mut u32> {
        match offset {
            reg::CLKM_CONF => Some(&mut self.clkm_conf),
            reg::SAMPLE_RATE_CONF => Some(&mut self.sample_rate_conf),
            reg::PDM_CONF => Some(&mut self.pdm_conf),
            reg::PDM_FREQ_CONF => Some(&mut self.pdm_freq_conf),
            _ => None,
        }
    }
}

impl Peripheral for I2s {
    const NAME: &'static str = "I2S";
    const STORES: &'static [Stores] = &[
        stores(0x1c, 0x1c),
        stores(0x28, 0x2c),
        stores(0x44, 0x44),
        stores(0x64, 0x68),
        Stores { first: 0x74, last: 0x74, reset: 0x810 },
        Stores { first: 0x80, last: 0x80, reset: 0x8000_7fff },
        Stores { first: 0x84, last: 0x84, reset: 0x000a_0500 },
        Stores { first: 0x88, last: 0x88, reset: 0x0005_02a4 },
        Stores { first: 0x8c, last: 0x8c, reset: 0x08a8_0339 },
        Stores { first: 0x90, last: 0x90, reset: 0xa017_8a05 },
        Stores { first: 0x94, last: 0x94, reset: 0x28 },
        stores(0x98, 0x9c),
        Stores { first: 0xa0, last: 0xa0, reset: 0x89 },
        Stores { first: 0xa4, last: 0xa4, reset: 0x0a },
    ];

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        let word = |stream: &Stream, first: u32| {
            stream.current.get(((offset - first) / 4) as usize).copied().unwrap_or(0)
        };
        Ok(match offset {
            reg::CONF => self.conf,
            reg::INT_RAW => self.int_raw,
            reg::INT_ST => self.int_raw & self.int_ena,
            reg::INT_ENA => self.int_ena,
            reg::INT_CLR => 0,
            reg::FIFO_CONF => self.fifo_conf,
            reg::RXEOF_NUM => self.rx_eof_num,
            reg::OUT_LINK => self.tx.link,
            reg::IN_LINK => self.rx.link,
            reg::OUT_EOF_DES_ADDR => self.tx.eof_descriptor,
            reg::IN_EOF_DES_ADDR => self.rx.eof_descriptor,
            reg::OUT_EOF_BFR_DES_ADDR => self.tx.eof_buffer,
            reg::INLINK_DSCR..=reg::INLINK_DSCR_BF1 => word(&self.rx, reg::INLINK_DSCR),
            reg::OUTLINK_DSCR..=reg::OUTLINK_DSCR_BF1 => word(&self.tx, reg::OUTLINK_DSCR),
            reg::LC_CONF => self.lc_conf,
            reg::LC_STATE0 | reg::LC_STATE1 => 0,
            reg::CONF2 => self.conf2,
            reg::STATE => {
                let idle = matches!(self.tx.state, State::Idle | State::Linked { .. });
                FIFO_RESET_BACK | if idle { TX_IDLE } else { 0 }
            }
            reg::DATE => DATE,
            _ => return self.rate_register(offset).map(|word| *word).ok_or(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::CONF => self.write_conf(value, cx),
            reg::INT_ENA => self.int_ena = value & int::ALL,
            reg::INT_CLR => self.int_raw &= !value,
            reg::FIFO_CONF => {
                self.fifo_conf = value & 0x1f_ffff;
                self.update(cx.now);
            }
            reg::RXEOF_NUM => self.rx_eof_num = value,
            reg::OUT_LINK => {
                self.tx.write_link(value);
                self.update(cx.now);
            }
            reg::IN_LINK => {
                self.rx.write_link(value);
                self.rx_filled = 0;
                self.update(cx.now);
            }
            reg::LC_CONF => self.write_lc_conf(value),
            reg::CONF2 => self.conf2 = value & 0xff,
            reg::INT_RAW
            | reg::INT_ST
            | reg::OUT_EOF_DES_ADDR..=reg::OUT_EOF_BFR_DES_ADDR
            | reg::INLINK_DSCR..=reg::OUTLINK_DSCR_BF1
            | reg::LC_STATE0
            | reg::LC_STATE1
            | reg::STATE
            | reg::DATE => {}
            _ => {
                *self.rate_register(offset).ok_or(Unmodelled)? = value;
                self.tx.rebase();
                self.rx.rebase();
            }
        }
        Ok(())
    }

    fn poll_at(&self) -> Option<Instant> {
        self.tx.due().into_iter().chain(self.rx.due()).min()
    }

    fn irq(&self) -> u32 {
        u32::from(self.int_raw & self.int_ena != 0)
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self {
            observed: self.observed,
            sent: std::mem::take(&mut self.sent),
            supplied: std::mem::take(&mut self.supplied),
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::dma::{NoMemory, Owner};
    use crate::peripherals::{Clocks, sweep::sweep};

    const BASE: u32 = 0x3ffb_0000;
    const BUFFERS: [u32; 2] = [BASE + 0x100, BASE + 0x200];

    struct Ram([u8; 0x300]);

    impl DmaMemory for Ram {
        fn read(&mut self, address: u32, buf: &mut [u8]) -> bool {
            let at = address.wrapping_sub(BASE) as usize;
            let Some(source) = self.0.get(at..at.saturating_add(buf.len())) else { return false };
            buf.copy_from_slice(source);
            true
        }

        fn write(&mut self, address: u32, data: &[u8]) -> bool {
            let at = address.wrapping_sub(BASE) as usize;
            let Some(target) = self.0.get_mut(at..at.saturating_add(data.len())) else {
                return false;
            };
            target.copy_from_slice(data);
            true
        }
    }

    /// Two descriptors of 64 bytes; the second has end-of-frame and goes on at `next`.
    fn ring(next: u32) -> Ram {
        let mut ram = Ram([0; 0x300]);
        let head = 1 << 31 | 64 << 12 | 64;
        for (i, words) in
            [[head, BUFFERS[0], BASE + 12], [head | 1 << 30, BUFFERS[1], next]].iter().enumerate()
        {
            for (j, word) in words.iter().enumerate() {
                assert!(ram.write(BASE + 12 * i as u32 + 4 * j as u32, &word.to_le_bytes()));
            }
        }
        assert!(ram.write(BUFFERS[0], &[1; 64]) && ram.write(BUFFERS[1], &[2; 64]));
        ram
    }

    fn cx(us: u64) -> Context {
        Context::at(Instant::ZERO + Duration::from_micros(us), Clocks::default())
    }

    /// 160 MHz / 25 / 4, 16 bits stereo: frames of 20 us, buffers of 320 us.
    fn configured() -> I2s {
        let mut i2s = I2s::new();
        i2s.write(reg::CLKM_CONF, 25, &cx(0)).unwrap();
        i2s.write(reg::SAMPLE_RATE_CONF, 16 << 18 | 16 << 12 | 4 << 6 | 4, &cx(0)).unwrap();
        i2s.write(reg::INT_ENA, int::OUT_EOF | int::IN_SUC_EOF, &cx(0)).unwrap();
        i2s
    }

    fn transmit() -> I2s {
        let mut i2s = configured();
        i2s.set_observed(true);
        i2s.write(reg::OUT_LINK, LINK_START | BASE & LINK_ADDRESS, &cx(0)).unwrap();
        assert_eq!(i2s.poll_at(), None, "linked, not started");
        i2s.write(reg::CONF, conf::RESET | conf::TX_START, &cx(0)).unwrap();
        i2s
    }

    #[test]
    fn the_rate_follows_the_dividers_and_their_fraction() {
        assert_eq!(configured().tx_rate_millihertz(), 50_000_000);
        // What the driver programs for 44.1 kHz: 160 MHz / (14 + 11/64 ...) / 8.
        let mut i2s = configured();
        i2s.write(reg::CLKM_CONF, 63 << 14 | 11 << 8 | 14, &cx(0)).unwrap();
        i2s.write(reg::SAMPLE_RATE_CONF, 16 << 12 | 8, &cx(0)).unwrap();
        assert!(i2s.tx_rate_millihertz().abs_diff(44_100_000) < 50_000);
    }

    #[test]
    fn buffers_go_out_at_the_sample_rate_and_the_ring_goes_on() {
        let mut ram = ring(BASE);
        let mut i2s = transmit();
        i2s.run(&mut ram, &cx(0));
        assert_eq!(i2s.poll_at(), Some(cx(320).now));
        i2s.run(&mut ram, &cx(320));
        assert_eq!((i2s.read(reg::INT_RAW, &cx(320)), i2s.irq()), (Ok(int::OUT_DONE), 0));
        i2s.run(&mut ram, &cx(639));
        assert_eq!(i2s.irq(), 0);
        i2s.run(&mut ram, &cx(640));
        assert_eq!(i2s.irq(), 1);
        assert_eq!(i2s.read(reg::OUT_EOF_DES_ADDR, &cx(640)), Ok(BASE + 12));
        i2s.write(reg::INT_CLR, u32::MAX, &cx(640)).unwrap();
        assert_eq!(i2s.irq(), 0);
        i2s.run(&mut ram, &cx(64_000));
        assert_eq!(i2s.poll_at(), Some(cx(64_320).now), "no error accumulates");
        let sent = i2s.take_sent();
        assert_eq!((&sent[..64], &sent[64..128]), (&[1; 64][..], &[2; 64][..]));
        i2s.write(reg::CONF, conf::RESET, &cx(64_000)).unwrap();
        assert_eq!(i2s.poll_at(), None);
    }

    #[test]
    fn the_end_of_a_list_and_a_wild_descriptor_are_told() {
        let mut i2s = transmit();
        i2s.run(&mut ring(0), &cx(1_000));
        let raw = i2s.read(reg::INT_RAW, &cx(0)).unwrap();
        assert_eq!(raw, int::OUT_DONE | int::OUT_EOF | int::OUT_TOTAL_EOF);
        assert_eq!((i2s.poll_at(), i2s.read(reg::STATE, &cx(0))), (None, Ok(7)));
        let mut i2s = transmit();
        i2s.run(&mut NoMemory, &cx(1));
        assert_eq!(i2s.read(reg::INT_RAW, &cx(0)), Ok(int::OUT_DSCR_ERR));
    }

    fn receive(eof_words: u32, slave: u32) -> I2s {
        let mut i2s = configured();
        i2s.write(reg::RXEOF_NUM, eof_words, &cx(0)).unwrap();
        i2s.write(reg::IN_LINK, LINK_START | BASE & LINK_ADDRESS, &cx(0)).unwrap();
        i2s.write(reg::CONF, conf::RESET | conf::RX_START | slave, &cx(0)).unwrap();
        i2s
    }

    #[test]
    fn reception_takes_supplied_bytes_and_then_silence() {
        let mut ram = ring(BASE);
        let mut i2s = receive(16, 0);
        i2s.supply(&[7; 70]);
        i2s.run(&mut ram, &cx(319));
        assert_eq!(i2s.irq(), 0);
        i2s.run(&mut ram, &cx(640));
        assert_eq!(i2s.irq(), 1);
        assert_eq!(i2s.read(reg::IN_EOF_DES_ADDR, &cx(0)), Ok(BASE + 12));
        assert_eq!((&ram.0[0x100..0x140], &ram.0[0x200..0x206]), (&[7; 64][..], &[7; 6][..]));
        assert_eq!(&ram.0[0x206..0x240], &[0; 58][..]);
        let first = Descriptor::load(BASE, &mut ram).unwrap();
        assert_eq!((first.owner, first.length, first.eof), (Owner::Cpu, 64, true));
    }

    #[test]
    fn a_slave_takes_what_is_clocked_in_when_it_comes() {
        let mut ram = ring(BASE);
        let mut i2s = receive(8, conf::RX_SLAVE_MOD);
        assert_eq!(i2s.poll_at(), None);
        i2s.receive(&[9; 20], &mut ram, &cx(10));
        assert_eq!(i2s.read(reg::INT_RAW, &cx(0)), Ok(0));
        i2s.receive(&[8; 20], &mut ram, &cx(20));
        assert_eq!(i2s.read(reg::INT_RAW, &cx(0)), Ok(int::IN_DONE | int::IN_SUC_EOF));
        assert_eq!(&ram.0[0x112..0x120], &[9, 9, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]);
        assert_eq!(&ram.0[0x200..0x209], &[8, 8, 8, 8, 8, 8, 8, 8, 2], "frames of 32 bytes");
        i2s.receive(&[0; 10_000], &mut ring(0), &cx(30));
        assert_eq!(
            i2s.read(reg::INT_RAW, &cx(0)).unwrap() & int::IN_DSCR_EMPTY,
            int::IN_DSCR_EMPTY
        );
    }

    #[test]
    fn no_access_panics_and_empty_descriptors_take_time() {
        sweep(&I2s::new(), 0x400);
        let mut i2s = transmit();
        let mut ram = ring(BASE);
        for at in [BASE, BASE + 12] {
            assert!(ram.write(at, &0u32.to_le_bytes()));
        }
        i2s.run(&mut ram, &cx(100));
        assert_eq!(i2s.poll_at(), Some(cx(120).now));
        let mut i2s = receive(0, conf::RX_SLAVE_MOD);
        i2s.receive(&[1; 16], &mut ram, &cx(0));
    }
}
