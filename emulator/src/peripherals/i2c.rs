//! I2C controller: a master that plays a list of up to sixteen commands on a bus of attached parts.
//!
//! Source: ESP32 Technical Reference Manual, chapter "I2C Controller (I2C)"; field positions and
//! reset values from `i2c_reg.h`, extra cycles of the SCL high phase from `i2c_ll.h` of ESP-IDF
//! v5.0.
//! Modelled: RSTART, WRITE, READ, STOP and END with acknowledge check, both FIFOs and the direct
//! (non-FIFO) buffers, SCL timing, the interrupts of a master, a bus line that is stuck.
//! Not modelled: slave mode (its registers are stored), bit order, arbitration between masters
//! that both make progress, the glitch filters beyond their effect on timing, clock stretching
//! short of a stuck line. Not in the manual, hence assumed: after a wrong acknowledge the
//! controller sends STOP by itself; an empty transmit FIFO sends ones; FIFO_FULL and FIFO_EMPTY
//! stay raised while their condition holds; the two directions have a direct buffer each.
//!
//! One interrupt line, bit 0.

use std::collections::VecDeque;

use super::{Context, Peripheral, Unmodelled};
use crate::time::{Duration, Instant};

/// The ninth bit of a byte on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// SDA low: somebody answers.
    Ack,
    /// SDA high: nobody does.
    Nack,
}

/// A line that some part holds low against everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Both lines are free.
    Nothing,
    /// SDA: a master that wants to begin loses arbitration.
    Sda,
    /// SCL: a master waits until its time-out.
    Scl,
}

/// The parts on one bus; the wiring implements it.
pub trait I2cBus {
    /// START or repeated START, then the address byte: address in bits 7:1, 1 in bit 0 to read.
    fn start(&mut self, address_and_rw: u8) -> Ack;

    /// A data byte from the master to the part addressed last.
    fn write(&mut self, byte: u8) -> Ack;

    /// A data byte from the part addressed last; 0xff when nobody drives the line.
    fn read(&mut self) -> u8;

    /// STOP: the bus is free.
    fn stop(&mut self);

    /// Whether a line is stuck at this moment.
    fn held(&self) -> Held {
        Held::Nothing
    }
}

/// A bus with pull-ups and nothing else: every address is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyBus;

impl I2cBus for EmptyBus {
    fn start(&mut self, _address_and_rw: u8) -> Ack {
        Ack::Nack
    }

    fn write(&mut self, _byte: u8) -> Ack {
        Ack::Nack
    }

    fn read(&mut self) -> u8 {
        0xff
    }

    fn stop(&mut self) {}
}

mod reg {
    pub(super) const SCL_LOW_PERIOD: u32 = 0x00;
    pub(super) const CTR: u32 = 0x04;
    pub(super) const SR: u32 = 0x08;
    pub(super) const TO: u32 = 0x0c;
    pub(super) const SLAVE_ADDR: u32 = 0x10;
    pub(super) const FIFO_ST: u32 = 0x14;
    pub(super) const FIFO_CONF: u32 = 0x18;
    pub(super) const DATA: u32 = 0x1c;
    pub(super) const INT_RAW: u32 = 0x20;
    pub(super) const INT_CLR: u32 = 0x24;
    pub(super) const INT_ENA: u32 = 0x28;
    pub(super) const INT_STATUS: u32 = 0x2c;
    pub(super) const SDA_HOLD: u32 = 0x30;
    pub(super) const SCL_HIGH_PERIOD: u32 = 0x38;
    pub(super) const SCL_START_HOLD: u32 = 0x40;
    pub(super) const SCL_RSTART_SETUP: u32 = 0x44;
    pub(super) const SCL_STOP_HOLD: u32 = 0x48;
    pub(super) const SCL_STOP_SETUP: u32 = 0x4c;
    pub(super) const SCL_FILTER_CFG: u32 = 0x50;
    pub(super) const SDA_FILTER_CFG: u32 = 0x54;
    pub(super) const COMD0: u32 = 0x58;
    pub(super) const COMD15: u32 = 0x94;
    pub(super) const DATE: u32 = 0xf8;
    pub(super) const RAM: u32 = 0x100;
    pub(super) const RAM_LAST: u32 = 0x17c;
}

mod ctr {
    pub(super) const RESET: u32 = 3;
    pub(super) const MS_MODE: u32 = 1 << 4;
    pub(super) const TRANS_START: u32 = 1 << 5;
}

mod fifo_conf {
    pub(super) const RESET: u32 = 0x0155_408b;
    pub(super) const NONFIFO_EN: u32 = 1 << 10;
    pub(super) const RX_FIFO_RST: u32 = 1 << 12;
    pub(super) const TX_FIFO_RST: u32 = 1 << 13;
}

mod int {
    pub(super) const RXFIFO_FULL: u32 = 1 << 0;
    pub(super) const TXFIFO_EMPTY: u32 = 1 << 1;
    pub(super) const RXFIFO_OVF: u32 = 1 << 2;
    pub(super) const END_DETECT: u32 = 1 << 3;
    pub(super) const ARBITRATION_LOST: u32 = 1 << 5;
    pub(super) const MASTER_TRAN_COMP: u32 = 1 << 6;
    pub(super) const TRANS_COMPLETE: u32 = 1 << 7;
    pub(super) const TIME_OUT: u32 = 1 << 8;
    pub(super) const TRANS_START: u32 = 1 << 9;
    pub(super) const ACK_ERR: u32 = 1 << 10;
    pub(super) const RX_REC_FULL: u32 = 1 << 11;
    pub(super) const TX_SEND_EMPTY: u32 = 1 << 12;
    pub(super) const ALL: u32 = 0x1fff;
}

const DATE: u32 = 0x1604_2000;
const FIFO_DEPTH: usize = 32;
const COMMANDS: usize = 16;
const DONE: u32 = 1 << 31;
const COMMAND_MASK: u32 = DONE | 0x3fff;
/// Clocks of a byte with its acknowledge.
const BITS: u64 = 9;

/// A command word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Rstart,
    Write {
        count: u8,
        expected: Option<Ack>,
    },
    Read {
        count: u8,
    },
    Stop,
    End,
    /// Op codes 5 to 7.
    Reserved,
}

impl Command {
    fn decode(word: u32) -> Self {
        let count = word as u8;
        let expected = if word & 1 << 9 == 0 { Ack::Ack } else { Ack::Nack };
        match (word >> 11) & 7 {
            0 => Self::Rstart,
            1 => Self::Write { count, expected: (word & 1 << 8 != 0).then_some(expected) },
            2 => Self::Read { count },
            3 => Self::Stop,
            4 => Self::End,
            _ => Self::Reserved,
        }
    }
}

/// What the state machine is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No list is being played.
    Idle,
    /// Command `index` is to be looked at.
    Fetch { index: usize, at: Instant },
    /// START is on the lines until `due`.
    Starting { index: usize, due: Instant },
    /// Byte `number` of command `index` is on the lines until `due`.
    Byte { index: usize, number: u8, byte: u8, due: Instant },
    /// STOP is on the lines until `due`; of a command, or by itself after a wrong acknowledge.
    Stopping { index: Option<usize>, due: Instant },
    /// SCL is stuck; the controller gives up at `due`.
    Waiting { due: Instant },
}

impl State {
    fn due(self) -> Option<Instant> {
        match self {
            Self::Idle => None,
            Self::Fetch { at, .. } => Some(at),
            Self::Starting { due, .. }
            | Self::Byte { due, .. }
            | Self::Stopping { due, .. }
            | Self::Waiting { due } => Some(due),
        }
    }
}

/// A FIFO with the addresses that FIFO_ST shows.
#[derive(Debug, Clone, Default)]
struct Fifo {
    bytes: VecDeque<u8>,
    first: u32,
}

impl Fifo {
    /// `false`: it was full, the byte is lost.
    fn push(&mut self, byte: u8) -> bool {
        let room = self.bytes.len() < FIFO_DEPTH;
        if room {
            self.bytes.push_back(byte);
        }
        room
    }

    fn pop(&mut self) -> Option<u8> {
        let byte = self.bytes.pop_front();
        if byte.is_some() {
            self.first = (self.first + 1) % FIFO_DEPTH as u32;
        }
        byte
    }

    fn count(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Start address in bits 4:0, end address in bits 9:5.
    fn addresses(&self) -> u32 {
        self.first | ((self.first + self.count()) % FIFO_DEPTH as u32) << 5
    }
}

/// The buffer of non-FIFO access in one direction.
#[derive(Debug, Clone, Default)]
struct Direct {
    bytes: [u8; FIFO_DEPTH],
    next: usize,
}

/// I2C0 or I2C1.
#[derive(Debug, Clone)]
pub struct I2c {
    ctr: u32,
    fifo_conf: u32,
    scl_low: u32,
    scl_high: u32,
    start_hold: u32,
    rstart_setup: u32,
    stop_hold: u32,
    stop_setup: u32,
    scl_filter: u32,
    time_out: u32,
    commands: [u32; COMMANDS],
    tx: Fifo,
    rx: Fifo,
    direct_tx: Direct,
    direct_rx: Direct,
    int_raw: u32,
    int_ena: u32,
    state: State,
    /// START has been sent, and STOP not yet.
    bus_busy: bool,
    /// The next byte written is an address.
    address_next: bool,
    ack_rec: Ack,
    arbitration_lost: bool,
    timed_out: bool,
    /// Words that are only stored: SLAVE_ADDR, SDA_HOLD, SDA_SAMPLE, SDA_FILTER_CFG.
    stored: [u32; 4],
}

impl Default for I2c {
    fn default() -> Self {
        Self {
            ctr: ctr::RESET,
            fifo_conf: fifo_conf::RESET,
            scl_low: 0,
            scl_high: 0,
            start_hold: 8,
            rstart_setup: 8,
            stop_hold: 0,
            stop_setup: 0,
            scl_filter: 8,
            time_out: 0,
            commands: [0; COMMANDS],
            tx: Fifo::default(),
            rx: Fifo::default(),
            direct_tx: Direct::default(),
            direct_rx: Direct::default(),
            int_raw: 0,
            int_ena: 0,
            state: State::Idle,
            bus_busy: false,
            address_next: false,
            ack_rec: Ack::Ack,
            arbitration_lost: false,
            timed_out: false,
            stored: [0, 0, 0, 8],
        }
    }
}

impl I2c {
    /// A controller after reset.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays what is due at `cx.now` on `bus`. The wiring calls this wherever it calls
    /// [`Peripheral::poll`], which cannot do it for want of a bus. Extra calls change nothing.
    pub fn run(&mut self, bus: &mut dyn I2cBus, cx: &Context) {
        while let Some(due) = self.state.due().filter(|&due| due <= cx.now) {
            self.state = self.step(due, bus, cx);
        }
    }

    /// SCL cycle length in APB clocks.
    fn scl_period(&self) -> u64 {
        let threshold = self.scl_filter & 7;
        let synchronisation = match (self.scl_filter & 8 != 0, threshold) {
            (false, _) => 7,
            (true, 0..=2) => 8,
            (true, _) => 6 + threshold,
        };
        u64::from(self.scl_low + 1 + self.scl_high + synchronisation)
    }

    fn clocks(count: u64, cx: &Context) -> Duration {
        Duration::of_periods(count, cx.clocks.apb)
    }

    fn byte_time(&self, cx: &Context) -> Duration {
        Self::clocks(BITS * self.scl_period(), cx)
    }

    fn step(&mut self, at: Instant, bus: &mut dyn I2cBus, cx: &Context) -> State {
        match self.state {
            State::Idle => State::Idle,
            State::Fetch { index, .. } => self.begin(index, at, bus, cx),
            State::Starting { index, .. } => self.finish(index, at),
            State::Byte { index, number, byte, .. } => {
                self.end_byte(index, number, byte, at, bus, cx)
            }
            State::Stopping { index, .. } => {
                bus.stop();
                self.bus_busy = false;
                self.int_raw |= int::TRANS_COMPLETE;
                if let Some(index) = index {
                    self.mark_done(index);
                }
                State::Idle
            }
            State::Waiting { .. } => {
                self.timed_out = true;
                self.int_raw |= int::TIME_OUT;
                State::Idle
            }
        }
    }

    fn command(&self, index: usize) -> Option<Command> {
        self.commands.get(index).map(|&word| Command::decode(word))
    }

    fn mark_done(&mut self, index: usize) {
        if let Some(word) = self.commands.get_mut(index) {
            *word |= DONE;
        }
    }

    /// The command is over at `at`; the next one follows.
    fn finish(&mut self, index: usize, at: Instant) -> State {
        self.mark_done(index);
        State::Fetch { index: index + 1, at }
    }

    fn begin(&mut self, index: usize, at: Instant, bus: &mut dyn I2cBus, cx: &Context) -> State {
        match (self.command(index), bus.held()) {
            (Some(Command::End), _) => {
                self.mark_done(index);
                self.int_raw |= int::END_DETECT;
                State::Idle
            }
            (None | Some(Command::Reserved), _) => State::Idle,
            (Some(_), Held::Scl) => {
                State::Waiting { due: at + Self::clocks(self.time_out.into(), cx) }
            }
            (Some(Command::Rstart), Held::Sda) => {
                self.arbitration_lost = true;
                self.int_raw |= int::ARBITRATION_LOST;
                State::Idle
            }
            (Some(Command::Rstart), _) => {
                self.int_raw |= int::TRANS_START;
                self.bus_busy = true;
                self.address_next = true;
                let clocks = self.rstart_setup + self.start_hold + 2;
                State::Starting { index, due: at + Self::clocks(clocks.into(), cx) }
            }
            (Some(Command::Write { count: 0, .. } | Command::Read { count: 0 }), _) => {
                self.finish(index, at)
            }
            (Some(Command::Write { .. } | Command::Read { .. }), _) => {
                self.begin_byte(index, 0, at, cx)
            }
            (Some(Command::Stop), _) => self.send_stop(Some(index), at, cx),
        }
    }

    fn send_stop(&self, index: Option<usize>, at: Instant, cx: &Context) -> State {
        let clocks = self.stop_setup + self.stop_hold + 2;
        State::Stopping { index, due: at + Self::clocks(clocks.into(), cx) }
    }

    fn begin_byte(&mut self, index: usize, number: u8, at: Instant, cx: &Context) -> State {
        let byte = match self.command(index) {
            Some(Command::Write { .. }) => self.next_to_send(),
            _ => 0,
        };
        State::Byte { index, number, byte, due: at + self.byte_time(cx) }
    }

    fn end_byte(
        &mut self,
        index: usize,
        number: u8,
        byte: u8,
        at: Instant,
        bus: &mut dyn I2cBus,
        cx: &Context,
    ) -> State {
        self.int_raw |= int::MASTER_TRAN_COMP;
        let count = match self.command(index) {
            Some(Command::Write { count, expected }) => {
                self.ack_rec = if std::mem::take(&mut self.address_next) {
                    bus.start(byte)
                } else {
                    bus.write(byte)
                };
                if expected.is_some_and(|expected| expected != self.ack_rec) {
                    self.int_raw |= int::ACK_ERR;
                    return self.send_stop(None, at, cx);
                }
                count
            }
            Some(Command::Read { count }) => {
                let byte = bus.read();
                self.received(byte);
                count
            }
            // Software has replaced the command under way; nothing sensible is left to do.
            _ => return State::Idle,
        };
        match number.checked_add(1) {
            Some(next) if next < count => self.begin_byte(index, next, at, cx),
            _ => self.finish(index, at),
        }
    }

    fn is_direct(&self) -> bool {
        self.fifo_conf & fifo_conf::NONFIFO_EN != 0
    }

    fn next_to_send(&mut self) -> u8 {
        if !self.is_direct() {
            return self.tx.pop().unwrap_or(0xff);
        }
        let direct = &mut self.direct_tx;
        let byte = direct.bytes.get(direct.next).copied().unwrap_or(0xff);
        direct.next = (direct.next + 1) % FIFO_DEPTH;
        if direct.next as u32 > (self.fifo_conf >> 20) & 0x3f {
            self.int_raw |= int::TX_SEND_EMPTY;
        }
        byte
    }

    fn received(&mut self, byte: u8) {
        if !self.is_direct() {
            if !self.rx.push(byte) {
                self.int_raw |= int::RXFIFO_OVF;
            }
            return;
        }
        let direct = &mut self.direct_rx;
        if let Some(cell) = direct.bytes.get_mut(direct.next) {
            *cell = byte;
        }
        direct.next = (direct.next + 1) % FIFO_DEPTH;
        if direct.next as u32 > (self.fifo_conf >> 14) & 0x3f {
            self.int_raw |= int::RX_REC_FULL;
        }
    }

    fn raw(&self) -> u32 {
        let mut raw = self.int_raw;
        if self.rx.count() > self.fifo_conf & 0x1f {
            raw |= int::RXFIFO_FULL;
        }
        if self.tx.count() < (self.fifo_conf >> 5) & 0x1f {
            raw |= int::TXFIFO_EMPTY;
        }
        raw
    }

    fn status(&self) -> u32 {
        u32::from(self.ack_rec == Ack::Nack)
            | u32::from(self.timed_out) << 2
            | u32::from(self.arbitration_lost) << 3
            | u32::from(self.bus_busy) << 4
            | self.rx.count() << 8
            | self.tx.count() << 18
    }

    fn control(&mut self, value: u32, cx: &Context) {
        self.ctr = value & 0x1f7 & !ctr::TRANS_START;
        let start = value & ctr::TRANS_START != 0 && value & ctr::MS_MODE != 0;
        if start && self.state == State::Idle {
            self.arbitration_lost = false;
            self.timed_out = false;
            self.direct_tx.next = 0;
            self.direct_rx.next = 0;
            self.state = State::Fetch { index: 0, at: cx.now };
        }
    }

    fn configure_fifo(&mut self, value: u32) {
        self.fifo_conf = value & 0x03ff_ffff;
        if value & fifo_conf::RX_FIFO_RST != 0 {
            self.rx = Fifo::default();
        }
        if value & fifo_conf::TX_FIFO_RST != 0 {
            self.tx = Fifo::default();
        }
    }

    fn stored(&mut self, offset: u32) -> Option<&mut u32> {
        self.stored.get_mut(match offset {
            reg::SLAVE_ADDR => 0,
            reg::SDA_FILTER_CFG => 3,
            _ => 1 + ((offset - reg::SDA_HOLD) / 4) as usize,
        })
    }
}

impl Peripheral for I2c {
    const NAME: &'static str = "I2C";

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            reg::SCL_LOW_PERIOD => self.scl_low,
            reg::CTR => self.ctr,
            reg::SR => self.status(),
            reg::TO => self.time_out,
            reg::FIFO_ST => self.rx.addresses() | self.tx.addresses() << 10,
            reg::FIFO_CONF => self.fifo_conf,
            reg::DATA => self.rx.pop().unwrap_or(0).into(),
            reg::INT_RAW => self.raw(),
            reg::INT_CLR => 0,
            reg::INT_ENA => self.int_ena,
            reg::INT_STATUS => self.raw() & self.int_ena,
            reg::SCL_HIGH_PERIOD => self.scl_high,
            reg::SCL_START_HOLD => self.start_hold,
            reg::SCL_RSTART_SETUP => self.rstart_setup,
            reg::SCL_STOP_HOLD => self.stop_hold,
            reg::SCL_STOP_SETUP => self.stop_setup,
            reg::SCL_FILTER_CFG => self.scl_filter,
            reg::SLAVE_ADDR | reg::SDA_FILTER_CFG | reg::SDA_HOLD..=0x34 => {
                self.stored(offset).copied().unwrap_or(0)
            }
            reg::COMD0..=reg::COMD15 => {
                let index = ((offset - reg::COMD0) / 4) as usize;
                self.commands.get(index).copied().unwrap_or(0)
            }
            reg::DATE => DATE,
            reg::RAM..=reg::RAM_LAST => {
                let index = ((offset - reg::RAM) / 4) as usize;
                self.direct_rx.bytes.get(index).copied().unwrap_or(0).into()
            }
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::SCL_LOW_PERIOD => self.scl_low = value & 0x3fff,
            reg::CTR => self.control(value, cx),
            reg::TO => self.time_out = value & 0xf_ffff,
            reg::FIFO_CONF => self.configure_fifo(value),
            reg::DATA => {
                // A byte too many is lost; software is to look at the count first.
                self.tx.push(value as u8);
            }
            reg::INT_CLR => self.int_raw &= !value,
            reg::INT_ENA => self.int_ena = value & int::ALL,
            reg::SCL_HIGH_PERIOD => self.scl_high = value & 0x3fff,
            reg::SCL_START_HOLD => self.start_hold = value & 0x3ff,
            reg::SCL_RSTART_SETUP => self.rstart_setup = value & 0x3ff,
            reg::SCL_STOP_HOLD => self.stop_hold = value & 0x3fff,
            reg::SCL_STOP_SETUP => self.stop_setup = value & 0x3ff,
            reg::SCL_FILTER_CFG => self.scl_filter = value & 0xf,
            reg::SLAVE_ADDR | reg::SDA_FILTER_CFG | reg::SDA_HOLD..=0x34 => {
                if let Some(word) = self.stored(offset) {
                    *word = value;
                }
            }
            reg::COMD0..=reg::COMD15 => {
                if let Some(word) = self.commands.get_mut(((offset - reg::COMD0) / 4) as usize) {
                    *word = value & COMMAND_MASK;
                }
            }
            reg::RAM..=reg::RAM_LAST => {
                let index = ((offset - reg::RAM) / 4) as usize;
                if let Some(cell) = self.direct_tx.bytes.get_mut(index) {
                    *cell = value as u8;
                }
            }
            reg::SR | reg::FIFO_ST | reg::INT_RAW | reg::INT_STATUS | reg::DATE => {}
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn poll_at(&self) -> Option<Instant> {
        self.state.due()
    }

    fn irq(&self) -> u32 {
        u32::from(self.raw() & self.int_ena != 0)
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::{Clocks, sweep::sweep};
    use crate::time::Hertz;

    const RSTART: u32 = 0;
    const WRITE_CHECKED: u32 = 1 << 11 | 1 << 8;
    const READ: u32 = 2 << 11;
    const STOP: u32 = 3 << 11;
    const END: u32 = 4 << 11;

    /// A part at 0x3c that counts up when read, and records everything.
    #[derive(Default)]
    struct Part {
        log: Vec<String>,
        selected: bool,
        next: u8,
        held: Option<Held>,
    }

    impl I2cBus for Part {
        fn start(&mut self, address: u8) -> Ack {
            self.log.push(format!("S{address:02x}"));
            self.selected = address >> 1 == 0x3c;
            if self.selected { Ack::Ack } else { Ack::Nack }
        }

        fn write(&mut self, byte: u8) -> Ack {
            self.log.push(format!("w{byte:02x}"));
            if self.selected { Ack::Ack } else { Ack::Nack }
        }

        fn read(&mut self) -> u8 {
            self.next += 1;
            self.next
        }

        fn stop(&mut self) {
            self.log.push("P".into());
        }

        fn held(&self) -> Held {
            self.held.unwrap_or(Held::Nothing)
        }
    }

    fn cx(us: u64) -> Context {
        let clocks = Clocks { apb: Hertz::mhz(80), ..Clocks::default() };
        Context::at(Instant::ZERO + Duration::from_micros(us), clocks)
    }

    /// 100 kHz: 800 APB clocks in a cycle.
    fn start(bytes: &[u8], commands: &[u32]) -> I2c {
        let mut i2c = I2c::new();
        let cx = cx(0);
        i2c.write(reg::SCL_LOW_PERIOD, 399, &cx).unwrap();
        i2c.write(reg::SCL_HIGH_PERIOD, 392, &cx).unwrap();
        i2c.write(reg::TO, 8_000, &cx).unwrap();
        i2c.write(reg::INT_ENA, int::TRANS_COMPLETE | int::ACK_ERR | int::END_DETECT, &cx).unwrap();
        for &byte in bytes {
            i2c.write(reg::DATA, byte.into(), &cx).unwrap();
        }
        restart(&mut i2c, commands, &cx);
        i2c
    }

    fn restart(i2c: &mut I2c, commands: &[u32], cx: &Context) {
        for (i, &command) in (0..).zip(commands) {
            i2c.write(reg::COMD0 + 4 * i, command, cx).unwrap();
        }
        i2c.write(reg::CTR, ctr::MS_MODE | ctr::TRANS_START, cx).unwrap();
    }

    fn raw(i2c: &mut I2c) -> u32 {
        i2c.read(reg::INT_RAW, &cx(0)).unwrap()
    }

    #[test]
    fn a_write_takes_its_time_on_the_bus_and_completes() {
        let mut part = Part::default();
        let mut i2c = start(&[0x78, 0x55], &[RSTART, WRITE_CHECKED | 2, STOP]);
        i2c.run(&mut part, &cx(179));
        assert_eq!(part.log, ["S78"], "two bytes of nine bits at 100 kHz take 180 us");
        assert_eq!(i2c.irq(), 0);
        assert_eq!(i2c.read(reg::SR, &cx(179)).unwrap() & 1 << 4, 1 << 4, "bus busy");
        i2c.run(&mut part, &cx(182));
        assert_eq!(part.log, ["S78", "w55", "P"]);
        assert_eq!((i2c.irq(), i2c.poll_at()), (1, None));
        assert_eq!(i2c.read(reg::SR, &cx(182)).unwrap() & 1 << 4, 0);
        assert_eq!(i2c.read(reg::COMD0 + 4, &cx(182)), Ok(DONE | WRITE_CHECKED | 2));
        i2c.write(reg::INT_CLR, u32::MAX, &cx(182)).unwrap();
        assert_eq!(i2c.irq(), 0);
    }

    #[test]
    fn an_absent_part_is_an_acknowledge_error_and_a_stop() {
        let mut part = Part::default();
        let mut i2c = start(&[0x10, 0x55], &[RSTART, WRITE_CHECKED | 2, STOP]);
        i2c.run(&mut part, &cx(1_000));
        assert_eq!(part.log, ["S10", "P"], "the second byte is not sent");
        assert_eq!(raw(&mut i2c) & int::ACK_ERR, int::ACK_ERR);
        assert_eq!(i2c.read(reg::SR, &cx(0)).unwrap() & 0x11, 1, "NACK seen, bus free");
        let mut i2c = start(&[0x78], &[RSTART, WRITE_CHECKED | 1, STOP]);
        i2c.run(&mut EmptyBus, &cx(1_000));
        assert_eq!(raw(&mut i2c) & int::ACK_ERR, int::ACK_ERR, "nothing attached");
    }

    #[test]
    fn end_pauses_a_transfer_and_the_next_list_goes_on_with_it() {
        let mut part = Part::default();
        let mut i2c = start(&[0x79], &[RSTART, WRITE_CHECKED | 1, END]);
        i2c.run(&mut part, &cx(1_000));
        assert_eq!(raw(&mut i2c) & (int::END_DETECT | int::TRANS_COMPLETE), int::END_DETECT);
        i2c.write(reg::INT_CLR, u32::MAX, &cx(1_000)).unwrap();
        restart(&mut i2c, &[READ | 3, STOP], &cx(1_000));
        i2c.run(&mut part, &cx(2_000));
        assert_eq!(i2c.read(reg::SR, &cx(0)).unwrap() >> 8 & 0x3f, 3);
        let got: Vec<u32> = (0..4).map(|_| i2c.read(reg::DATA, &cx(0)).unwrap()).collect();
        assert_eq!(got, [1, 2, 3, 0], "an empty FIFO reads zero");
        assert_eq!(part.log, ["S79", "P"], "no second START");
    }

    #[test]
    fn fifo_conditions_are_levels_and_overflow_is_told() {
        let mut part = Part::default();
        let mut i2c = start(&[0x79], &[RSTART, WRITE_CHECKED | 1, READ | 33, STOP]);
        i2c.run(&mut part, &cx(10_000));
        i2c.write(reg::INT_CLR, int::RXFIFO_FULL, &cx(0)).unwrap();
        let expected = int::RXFIFO_FULL | int::RXFIFO_OVF | int::TXFIFO_EMPTY;
        assert_eq!(raw(&mut i2c) & expected, expected);
        i2c.write(reg::FIFO_CONF, fifo_conf::RESET | fifo_conf::RX_FIFO_RST, &cx(0)).unwrap();
        assert_eq!(raw(&mut i2c) & int::RXFIFO_FULL, 0);
    }

    #[test]
    fn direct_access_sends_and_receives_from_the_buffers() {
        let mut part = Part::default();
        let mut i2c = start(&[], &[END]);
        i2c.run(&mut part, &cx(1));
        i2c.write(reg::FIFO_CONF, fifo_conf::RESET | fifo_conf::NONFIFO_EN, &cx(1)).unwrap();
        i2c.write(reg::RAM, 0x79, &cx(1)).unwrap();
        restart(&mut i2c, &[RSTART, WRITE_CHECKED | 1, READ | 2, STOP], &cx(1));
        i2c.run(&mut part, &cx(1_000));
        assert_eq!(part.log.last().map(String::as_str), Some("P"));
        assert_eq!(i2c.read(reg::RAM + 4, &cx(0)), Ok(2));
    }

    #[test]
    fn stuck_lines_are_told_apart() {
        let mut part = Part { held: Some(Held::Sda), ..Part::default() };
        let mut i2c = start(&[0x78], &[RSTART, WRITE_CHECKED | 1, STOP]);
        i2c.run(&mut part, &cx(1));
        assert_eq!(raw(&mut i2c) & int::ARBITRATION_LOST, int::ARBITRATION_LOST);
        part.held = Some(Held::Scl);
        let mut i2c = start(&[0x78], &[RSTART, WRITE_CHECKED | 1, STOP]);
        i2c.run(&mut part, &cx(99));
        assert_eq!(raw(&mut i2c) & int::TIME_OUT, 0);
        i2c.run(&mut part, &cx(100));
        assert_eq!(raw(&mut i2c) & int::TIME_OUT, int::TIME_OUT);
        assert!(part.log.is_empty());
    }

    #[test]
    fn no_access_panics() {
        let mut i2c = start(&[0x78; 32], &[RSTART, WRITE_CHECKED | 255, READ | 255, STOP]);
        sweep(&i2c, 0x200);
        i2c.run(&mut EmptyBus, &Context::at(Instant::MAX, Clocks::default()));
    }
}
