//! UART controller (UART0 to UART2): two 128-byte FIFOs and a line with a baud rate.
//!
//! *Source*: ESP32 Technical Reference Manual, chapter "UART Controller"; register and field names,
//! offsets and reset values from ESP-IDF `soc/uart_reg.h` and `soc/uart_struct.h`; the time-out unit
//! from `hal/uart_ll.h` (8 bit times from APB_CLK; `16 * REF_TICK / APB_CLK` of a bit from REF_TICK),
//! and that drivers make the second stop bit with DL1_EN, which works outside of RS485, too.
//!
//! *Modelled*: both FIFOs, the divider and its two clock sources, frame length from data, parity
//! and stop bits, the turnaround bits of RS485_CONF before the start bit (DL0_EN) and after the stop
//! bit (DL1_EN; also of the frames that arrive, for it is their second stop bit); bytes leave and arrive at the instant of their stop bit; overflow, break both
//! ways, loop-back, interrupts, FIFO pointers and counts, FIFO resets, pulse widths and edge count
//! of autobaud detection. Raw interrupt bits latch; `RXFIFO_FULL` and `TXFIFO_EMPTY` are set again
//! as long as their condition holds. A byte leaves the TX FIFO when its start bit begins.
//! `RXFIFO_TOUT` is raised once per silence on the line while the RX FIFO holds data.
//!
//! *Not modelled*: flow control (RTS/CTS, XON/XOFF), the rest of RS485, IrDA, AT_CMD detection and the idle gap
//! between transfers only keep their settings; FIFO sizes other than 128; parity and framing errors
//! (the other side always uses the programmed format); the layout of MEM_TX_STATUS is taken to be
//! that of MEM_RX_STATUS. A frame on the line keeps its length when the divider changes.
//!
//! Interrupt line: bit 0.

mod autobaud;
mod fifo;

use std::collections::VecDeque;

use autobaud::Pulses;
pub use fifo::FIFO_DEPTH;
use fifo::Fifo;

use super::{Context, Peripheral, Stores, Unmodelled, stores};
use crate::time::{Duration, Hertz, Instant, TICKS_PER_SECOND};

mod reg {
    pub(super) const FIFO: u32 = 0x00;
    pub(super) const INT_RAW: u32 = 0x04;
    pub(super) const INT_ST: u32 = 0x08;
    pub(super) const INT_ENA: u32 = 0x0c;
    pub(super) const INT_CLR: u32 = 0x10;
    pub(super) const CLKDIV: u32 = 0x14;
    pub(super) const AUTOBAUD: u32 = 0x18;
    pub(super) const STATUS: u32 = 0x1c;
    pub(super) const CONF0: u32 = 0x20;
    pub(super) const CONF1: u32 = 0x24;
    pub(super) const LOWPULSE: u32 = 0x28;
    pub(super) const HIGHPULSE: u32 = 0x2c;
    pub(super) const RXD_CNT: u32 = 0x30;
    pub(super) const IDLE_CONF: u32 = 0x40;
    pub(super) const RS485_CONF: u32 = 0x44;
    pub(super) const MEM_TX_STATUS: u32 = 0x5c;
    pub(super) const MEM_RX_STATUS: u32 = 0x60;
    pub(super) const MEM_CNT_STATUS: u32 = 0x64;
    pub(super) const POSPULSE: u32 = 0x68;
    pub(super) const NEGPULSE: u32 = 0x6c;
    pub(super) const DATE: u32 = 0x78;
}

mod int {
    pub(super) const RXFIFO_FULL: u32 = 1 << 0;
    pub(super) const TXFIFO_EMPTY: u32 = 1 << 1;
    pub(super) const FRM_ERR: u32 = 1 << 3;
    pub(super) const RXFIFO_OVF: u32 = 1 << 4;
    pub(super) const BRK_DET: u32 = 1 << 7;
    pub(super) const RXFIFO_TOUT: u32 = 1 << 8;
    pub(super) const TX_BRK_DONE: u32 = 1 << 12;
    pub(super) const TX_BRK_IDLE_DONE: u32 = 1 << 13;
    pub(super) const TX_DONE: u32 = 1 << 14;
    pub(super) const ALL: u32 = 0x7_ffff;
    /// Interrupts that the arrival of a symbol can raise.
    pub(super) const ARRIVAL: u32 = RXFIFO_FULL | FRM_ERR | RXFIFO_OVF | BRK_DET;
}

mod conf0 {
    pub(super) const RESET: u32 = 0x0800_001c;
    pub(super) const PARITY_EN: u32 = 1 << 1;
    pub(super) const SW_RTS: u32 = 1 << 6;
    pub(super) const SW_DTR: u32 = 1 << 7;
    pub(super) const TXD_BRK: u32 = 1 << 8;
    pub(super) const LOOPBACK: u32 = 1 << 14;
    pub(super) const RXFIFO_RST: u32 = 1 << 17;
    pub(super) const TXFIFO_RST: u32 = 1 << 18;
    pub(super) const ERR_WR_MASK: u32 = 1 << 26;
    pub(super) const TICK_REF_ALWAYS_ON: u32 = 1 << 27;
    pub(super) const ALL: u32 = 0x0fff_ffff;
}

mod rs485_conf {
    pub(super) const DL0_EN: u32 = 1 << 1;
    pub(super) const DL1_EN: u32 = 1 << 2;
    pub(super) const ALL: u32 = 0x3ff;
}

const CLKDIV_RESET: u32 = 0x2b6;
const AUTOBAUD_RESET: u32 = 0x1000;
const AUTOBAUD_EN: u32 = 1;
const CONF1_RESET: u32 = 0x6060;
const CONF1_TOUT_EN: u32 = 1 << 31;
const IDLE_CONF_RESET: u32 = 0x00a4_0100;
const DATE: u32 = 0x1512_2500;

/// What a line carries in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbol {
    /// A character.
    Byte(u8),
    /// The line held low for longer than a frame.
    Break,
}

/// A frame on the transmit line.
#[derive(Debug, Clone, Copy)]
struct Sending {
    symbol: Symbol,
    start: Instant,
    end: Instant,
}

/// One UART.
///
/// The wiring gives it what arrives with [`Uart::receive`] and takes what it sent with
/// [`Uart::take_output`].
#[derive(Debug, Clone)]
pub struct Uart {
    number: u8,
    apb: Hertz,
    ref_tick: Hertz,
    clkdiv: u32,
    autobaud: u32,
    conf0: u32,
    conf1: u32,
    idle_conf: u32,
    rs485_conf: u32,
    int_raw: u32,
    int_ena: u32,
    /// Derived: length of a bit and of a frame at the present settings, and the silence before each
    /// frame that is sent.
    bit: Duration,
    frame: Duration,
    pause: Duration,

    tx: Fifo,
    sending: Option<Sending>,
    break_sent: bool,
    output: VecDeque<(Instant, Symbol)>,
    /// Some other receiver is on the transmit line: what it has to hear yet.
    heard: bool,
    echo: VecDeque<(Instant, Symbol)>,

    rx: Fifo,
    line: VecDeque<Symbol>,
    /// End of the frame at the front of `line`.
    arrival: Instant,
    last_arrival: Instant,
    timed_out: bool,
    overruns: u64,
    pulses: Pulses,
}

impl Uart {
    /// UART `number` (0 to 2) after reset, on the clocks of [`super::Clocks::default`].
    pub fn new(number: u8) -> Self {
        let number = number % 3;
        let memory = |block: u8| Fifo::new(u32::from(block) * FIFO_DEPTH as u32);
        let clocks = super::Clocks::default();
        let mut uart = Self {
            number,
            apb: clocks.apb,
            ref_tick: clocks.ref_tick,
            clkdiv: CLKDIV_RESET,
            autobaud: AUTOBAUD_RESET,
            conf0: conf0::RESET,
            conf1: CONF1_RESET,
            idle_conf: IDLE_CONF_RESET,
            rs485_conf: 0,
            int_raw: 0,
            int_ena: 0,
            bit: Duration::ZERO,
            frame: Duration::ZERO,
            pause: Duration::ZERO,
            tx: memory(number),
            sending: None,
            break_sent: false,
            output: VecDeque::new(),
            heard: false,
            echo: VecDeque::new(),
            rx: memory(3 + number),
            line: VecDeque::new(),
            arrival: Instant::ZERO,
            last_arrival: Instant::ZERO,
            timed_out: true,
            overruns: 0,
            pulses: Pulses::default(),
        };
        uart.derive();
        uart
    }

    /// Puts a symbol on the receive line, behind those still under way. It arrives one frame time
    /// after the previous one, or after `now` on a silent line; the queue is unbounded.
    ///
    /// The caller has polled the device at `now`, and asks `poll_at` again afterwards.
    pub fn receive(&mut self, symbol: Symbol, now: Instant) {
        if self.line.is_empty() {
            self.arrival = now + self.symbol_time(symbol);
        }
        self.line.push_back(symbol);
    }

    /// The oldest symbol not yet taken that left completely, with the instant its last stop bit
    /// ended. Complete up to the last poll or access.
    pub fn take_output(&mut self) -> Option<(Instant, Symbol)> {
        self.output.pop_front()
    }

    /// Whether a receiver inside the chip is on the transmit line. If so, each frame is kept for
    /// [`Uart::take_echo`], and `poll_at` names its end.
    pub fn set_heard(&mut self, heard: bool) {
        self.heard = heard;
    }

    /// The oldest symbol that a receiver inside the chip has not heard yet.
    pub fn take_echo(&mut self) -> Option<(Instant, Symbol)> {
        self.echo.pop_front()
    }

    /// A frame that another transmitter of the chip put on the receive line ended at `at`, the
    /// present. The caller has polled the device.
    pub fn hear(&mut self, symbol: Symbol, at: Instant) {
        self.arrive(symbol, at);
    }

    /// Whether [`Uart::take_output`] has something.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Symbols given to [`Uart::receive`] that have not arrived yet.
    pub fn pending(&self) -> usize {
        self.line.len()
    }

    /// Bytes lost because they arrived at a full RX FIFO, since power-on.
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    /// True while a frame is on the transmit line or waits in the TX FIFO.
    pub fn transmitting(&self) -> bool {
        self.sending.is_some() || self.tx.len() > 0
    }

    /// The programmed rate in bits per second, rounded to nearest.
    pub fn baud(&self) -> u64 {
        let divider = self.divider();
        (self.source().hz() * 16 + divider / 2) / divider
    }

    fn source(&self) -> Hertz {
        if self.conf0 & conf0::TICK_REF_ALWAYS_ON != 0 { self.apb } else { self.ref_tick }
    }

    /// The divider in sixteenths.
    fn divider(&self) -> u64 {
        let whole = u64::from(self.clkdiv & 0xf_ffff);
        let sixteenths = u64::from((self.clkdiv >> 20) & 0xf);
        (whole * 16 + sixteenths).max(16)
    }

    fn data_bits(&self) -> u32 {
        5 + ((self.conf0 >> 2) & 3)
    }

    /// The time of `halves` half bits, rounded up to a base tick.
    fn half_bits(&self, halves: u64) -> Duration {
        let numerator = u128::from(halves * self.divider()) * u128::from(TICKS_PER_SECOND);
        let denominator = 32 * u128::from(self.source().hz());
        Duration::from_ticks(u64::try_from(numerator.div_ceil(denominator)).unwrap_or(u64::MAX))
    }

    /// Recomputes the line timing after a change of settings.
    fn derive(&mut self) {
        let parity = u64::from(self.conf0 & conf0::PARITY_EN != 0);
        let stop_halves = match (self.conf0 >> 4) & 3 {
            2 => 3,
            3 => 4,
            _ => 2,
        };
        let turnaround = |enable| if self.rs485_conf & enable != 0 { 2 } else { 0 };
        let stop_halves = stop_halves + turnaround(rs485_conf::DL1_EN);
        self.pause = self.half_bits(turnaround(rs485_conf::DL0_EN));
        self.bit = self.half_bits(2);
        self.frame = self.half_bits(2 * (1 + u64::from(self.data_bits()) + parity) + stop_halves);
    }

    fn symbol_time(&self, symbol: Symbol) -> Duration {
        match symbol {
            Symbol::Byte(_) => self.frame,
            Symbol::Break => self.frame + self.bit,
        }
    }

    fn loopback(&self) -> bool {
        self.conf0 & conf0::LOOPBACK != 0
    }

    fn rx_threshold(&self) -> usize {
        (self.conf1 & 0x7f) as usize
    }

    fn tx_threshold(&self) -> usize {
        ((self.conf1 >> 8) & 0x7f) as usize
    }

    /// Silence after which `RXFIFO_TOUT` is due; `None` when it is off.
    fn timeout(&self) -> Option<Duration> {
        if self.conf1 & CONF1_TOUT_EN == 0 {
            return None;
        }
        let units = u64::from((self.conf1 >> 24) & 0x7f);
        Some(if self.conf0 & conf0::TICK_REF_ALWAYS_ON != 0 {
            self.bit * (units * 8)
        } else {
            Duration::from_ticks(
                (self.bit * (units * 16)).ticks() / (self.apb / self.ref_tick.hz()).hz(),
            )
        })
    }

    /// When the frame that arrives next began, or will begin.
    fn next_frame_start(&self) -> Option<Instant> {
        if self.loopback() {
            return Some(self.sending?.start);
        }
        let time = self.symbol_time(*self.line.front()?).ticks();
        Some(Instant::from_ticks(self.arrival.ticks().saturating_sub(time)))
    }

    /// When silence becomes a time-out, if it will before the next frame begins.
    fn timeout_at(&self) -> Option<Instant> {
        if self.timed_out || self.rx.len() == 0 {
            return None;
        }
        let due = self.last_arrival + self.timeout()?;
        self.next_frame_start().is_none_or(|start| start >= due).then_some(due)
    }

    /// Brings both directions up to `now`, in the order in which things happened.
    fn advance(&mut self, now: Instant) {
        loop {
            let sent = self.sending.map(|s| s.end).filter(|&end| end <= now);
            let arrived = (!self.line.is_empty()).then_some(self.arrival).filter(|&at| at <= now);
            let next = sent.into_iter().chain(arrived).min();
            if self.timeout_at().is_some_and(|due| due <= next.unwrap_or(now)) {
                self.raise_timeout();
            }
            match (sent, arrived) {
                (Some(sent), Some(arrived)) if sent <= arrived => self.finish_sending(),
                (Some(_), None) => self.finish_sending(),
                (_, Some(at)) => self.finish_arrival(at),
                (None, None) => break,
            }
        }
        self.update_levels();
    }

    fn raise_timeout(&mut self) {
        self.timed_out = true;
        self.int_raw |= int::RXFIFO_TOUT;
    }

    /// Interrupts that follow from a fill level are set as long as it holds.
    fn update_levels(&mut self) {
        if self.tx.len() <= self.tx_threshold() {
            self.int_raw |= int::TXFIFO_EMPTY;
        }
        if self.rx.len() > 0 && self.rx.len() >= self.rx_threshold() {
            self.int_raw |= int::RXFIFO_FULL;
        }
    }

    /// Begins the next frame at `start`, if there is one.
    fn start_sending(&mut self, start: Instant) {
        let next = match self.tx.pop() {
            Some(byte) => {
                self.break_sent = false;
                let kept = 0xff_u8 >> (8 - self.data_bits());
                Some((Symbol::Byte(byte & kept), self.pause, self.frame))
            }
            None if self.conf0 & conf0::TXD_BRK != 0 && !self.break_sent => {
                self.break_sent = true;
                let bits = u64::from((self.idle_conf >> 20) & 0xff);
                Some((Symbol::Break, Duration::ZERO, self.bit * bits.max(1)))
            }
            None => None,
        };
        self.sending = next.map(|(symbol, pause, time)| {
            let start = start + pause;
            Sending { symbol, start, end: start + time }
        });
        self.update_levels();
    }

    fn finish_sending(&mut self) {
        let Some(done) = self.sending.take() else { return };
        self.output.push_back((done.end, done.symbol));
        if self.heard {
            self.echo.push_back((done.end, done.symbol));
        }
        if self.loopback() {
            self.arrive(done.symbol, done.end);
        }
        match done.symbol {
            Symbol::Byte(_) if self.tx.len() == 0 => self.int_raw |= int::TX_DONE,
            Symbol::Byte(_) => {}
            Symbol::Break => self.int_raw |= int::TX_BRK_DONE | int::TX_BRK_IDLE_DONE,
        }
        self.start_sending(done.end);
    }

    fn finish_arrival(&mut self, at: Instant) {
        let Some(symbol) = self.line.pop_front() else { return };
        if let Some(&next) = self.line.front() {
            self.arrival = at + self.symbol_time(next);
        }
        if !self.loopback() {
            self.arrive(symbol, at);
        }
    }

    fn arrive(&mut self, symbol: Symbol, at: Instant) {
        self.last_arrival = at;
        self.timed_out = false;
        let byte = match symbol {
            Symbol::Byte(byte) => {
                if self.autobaud & AUTOBAUD_EN != 0 {
                    self.pulses.measure(byte, self.data_bits(), self.divider());
                }
                Some(byte & (0xff >> (8 - self.data_bits())))
            }
            Symbol::Break => {
                self.int_raw |= int::BRK_DET | int::FRM_ERR;
                (self.conf0 & conf0::ERR_WR_MASK == 0).then_some(0)
            }
        };
        if let Some(byte) = byte
            && !self.rx.push(byte)
        {
            self.int_raw |= int::RXFIFO_OVF;
            self.overruns += 1;
        }
        self.update_levels();
    }

    fn status(&self, now: Instant) -> u32 {
        let tx_state = self.sending.map_or(0, |s| match s.symbol {
            Symbol::Break => 13,
            Symbol::Byte(_) if now < s.start => 0,
            Symbol::Byte(_) => {
                let bit = (now - s.start).ticks() / self.bit.ticks().max(1);
                let data = u64::from(self.data_bits());
                let parity = self.conf0 & conf0::PARITY_EN != 0;
                match bit {
                    _ if bit <= data => 1 + bit as u32,
                    _ if bit == data + 1 && parity => 10,
                    _ => 11,
                }
            }
        });
        let receiving = !self.line.is_empty() && self.arrival.saturating_since(now) < self.frame;
        let rx_state = if receiving { 2 } else { 0 };
        let rtsn = u32::from(self.conf0 & conf0::SW_RTS == 0);
        let dtrn = u32::from(self.conf0 & conf0::SW_DTR == 0);
        let rxd = 1 << 15;
        let txd = u32::from(tx_state == 0 || tx_state == 11) << 31;
        (self.rx.len() as u32)
            | rx_state << 8
            | rxd
            | (self.tx.len() as u32) << 16
            | tx_state << 24
            | dtrn << 29
            | rtsn << 30
            | txd
    }

    fn write_conf0(&mut self, value: u32, now: Instant) {
        let rising = value & !self.conf0;
        self.conf0 = value & conf0::ALL;
        if value & conf0::RXFIFO_RST != 0 {
            self.rx.clear();
        }
        if value & conf0::TXFIFO_RST != 0 {
            self.tx.clear();
        }
        self.derive();
        if rising & conf0::TXD_BRK != 0 {
            self.break_sent = false;
            if self.sending.is_none() {
                self.start_sending(now);
            }
        }
    }

    /// When `TXFIFO_EMPTY` will be set, if firmware waits for it.
    fn tx_empty_at(&self) -> Option<Instant> {
        if self.int_ena & !self.int_raw & int::TXFIFO_EMPTY == 0 {
            return None;
        }
        let frames = self.tx.len().checked_sub(self.tx_threshold() + 1)?;
        Some(self.sending?.end + (self.pause + self.frame) * frames as u64)
    }

    /// When the transmitter falls silent. A pending break makes one more event.
    fn tx_done_at(&self) -> Option<Instant> {
        Some(self.sending?.end + (self.pause + self.frame) * self.tx.len() as u64)
    }

    fn arrival_event(&self) -> Option<Instant> {
        let rx_interrupts = int::ARRIVAL | int::RXFIFO_TOUT;
        (!self.line.is_empty() && self.int_ena & rx_interrupts != 0).then_some(self.arrival)
    }

    /// In loop-back, or with a listener, the end of each frame is an arrival.
    fn loopback_event(&self) -> Option<Instant> {
        (self.heard || self.loopback() && self.int_ena != 0).then_some(self.sending?.end)
    }

    fn timeout_event(&self) -> Option<Instant> {
        if self.int_ena & !self.int_raw & int::RXFIFO_TOUT == 0 {
            return None;
        }
        self.timeout_at()
    }
}

impl Peripheral for Uart {
    const NAME: &'static str = "UART";

    const STORES: &'static [Stores] = &[
        stores(0x34, 0x34),
        Stores { first: 0x38, last: 0x38, reset: 0xf0 },
        Stores { first: 0x3c, last: 0x3c, reset: 0x1311_e000 },
        Stores { first: 0x48, last: 0x4c, reset: 0x0018_6a00 },
        Stores { first: 0x50, last: 0x50, reset: 0x1e00 },
        Stores { first: 0x54, last: 0x54, reset: 0x32b },
        Stores { first: 0x58, last: 0x58, reset: 0x88 },
        Stores { first: 0x7c, last: 0x7c, reset: 0x500 },
    ];

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            reg::DATE => DATE, // first: ESP-IDF reads it before each DPORT access
            reg::FIFO => u32::from(self.rx.pop().unwrap_or(0)),
            reg::INT_RAW => self.int_raw,
            reg::INT_ST => self.int_raw & self.int_ena,
            reg::INT_ENA => self.int_ena,
            reg::INT_CLR => 0,
            reg::CLKDIV => self.clkdiv,
            reg::AUTOBAUD => self.autobaud,
            reg::STATUS => self.status(cx.now),
            reg::CONF0 => self.conf0,
            reg::CONF1 => self.conf1,
            reg::LOWPULSE => self.pulses.low,
            reg::HIGHPULSE => self.pulses.high,
            reg::RXD_CNT => self.pulses.edges,
            reg::POSPULSE => self.pulses.rising,
            reg::NEGPULSE => self.pulses.falling,
            reg::IDLE_CONF => self.idle_conf,
            reg::RS485_CONF => self.rs485_conf,
            reg::MEM_TX_STATUS => self.tx.pointers(),
            reg::MEM_RX_STATUS => self.rx.pointers(),
            reg::MEM_CNT_STATUS => 0, // the counts never need their upper three bits
            _ => return Err(Unmodelled),
        })
    }

    /// ESP-IDF reads DATE before each access to DPORT, mostly while nothing is on the line.
    fn peek(&self, offset: u32, _now: Instant) -> Option<u32> {
        let quiet = self.sending.is_none() && self.line.is_empty() && self.rx.len() == 0;
        (offset == reg::DATE && quiet).then_some(DATE)
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::FIFO => {
                // A byte written to a full FIFO is lost.
                self.tx.push(value as u8);
                if self.sending.is_none() {
                    self.start_sending(cx.now);
                }
            }
            reg::INT_ENA => self.int_ena = value & int::ALL,
            reg::INT_CLR => self.int_raw &= !value,
            reg::CLKDIV => {
                self.clkdiv = value & 0x00ff_ffff;
                self.derive();
            }
            reg::AUTOBAUD => {
                if value & !self.autobaud & AUTOBAUD_EN != 0 {
                    self.pulses = Pulses::default();
                }
                self.autobaud = value & 0xff01;
            }
            reg::CONF0 => self.write_conf0(value, cx.now),
            reg::CONF1 => self.conf1 = value & 0xffff_7f7f,
            reg::IDLE_CONF => self.idle_conf = value & 0x0fff_ffff,
            reg::RS485_CONF => {
                self.rs485_conf = value & rs485_conf::ALL;
                self.derive();
            }
            reg::INT_RAW
            | reg::INT_ST
            | reg::STATUS
            | reg::LOWPULSE
            | reg::HIGHPULSE
            | reg::RXD_CNT
            | reg::POSPULSE
            | reg::NEGPULSE
            | reg::MEM_TX_STATUS
            | reg::MEM_RX_STATUS
            | reg::MEM_CNT_STATUS
            | reg::DATE => {} // read only
            _ => return Err(Unmodelled),
        }
        self.update_levels();
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        self.advance(cx.now);
    }

    fn poll_at(&self) -> Option<Instant> {
        [
            self.tx_empty_at(),
            self.tx_done_at(),
            self.arrival_event(),
            self.loopback_event(),
            self.timeout_event(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn irq(&self) -> u32 {
        u32::from(self.int_raw & self.int_ena != 0)
    }

    fn clocks_changed(&mut self, cx: &Context) {
        self.apb = cx.clocks.apb;
        self.ref_tick = cx.clocks.ref_tick;
        self.derive();
    }

    /// Registers and FIFOs; what is on the receive line stays there, what left has left.
    fn reset(&mut self, cx: &Context) {
        *self = Self {
            output: std::mem::take(&mut self.output),
            heard: self.heard,
            echo: std::mem::take(&mut self.echo),
            line: std::mem::take(&mut self.line),
            arrival: self.arrival,
            last_arrival: self.last_arrival,
            overruns: self.overruns,
            ..Self::new(self.number)
        };
        self.clocks_changed(cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::Clocks;

    /// 80 MHz APB and CLKDIV 694 + 7/16: 115 200 baud, 8N1.
    fn uart() -> Uart {
        let mut uart = Uart::new(0);
        uart.reset(&at(0));
        write(&mut uart, reg::CLKDIV, 694 | 7 << 20, 0);
        uart
    }

    fn at(ticks: u64) -> Context {
        let clocks = Clocks { apb: Hertz::mhz(80), ..Clocks::default() };
        Context::at(Instant::from_ticks(ticks), clocks)
    }

    fn write(uart: &mut Uart, offset: u32, value: u32, ticks: u64) {
        uart.poll(&at(ticks));
        uart.write(offset, value, &at(ticks)).unwrap();
    }

    fn read(uart: &mut Uart, offset: u32, ticks: u64) -> u32 {
        uart.poll(&at(ticks));
        uart.read(offset, &at(ticks)).unwrap()
    }

    fn rx_count(uart: &mut Uart, ticks: u64) -> u32 {
        read(uart, reg::STATUS, ticks) & 0xff
    }

    #[test]
    fn reset_values_are_those_of_the_manual() {
        let mut uart = Uart::new(0);
        for (offset, value) in [
            (reg::CLKDIV, 0x2b6),
            (reg::CONF0, 0x0800_001c),
            (reg::CONF1, 0x6060),
            (reg::LOWPULSE, 0xf_ffff),
            (reg::INT_ENA, 0),
            (reg::DATE, 0x1512_2500),
        ] {
            assert_eq!(read(&mut uart, offset, 0), value, "offset {offset:#x}");
        }
    }

    #[test]
    fn bytes_leave_at_the_end_of_their_stop_bit() {
        let mut uart = uart();
        assert_eq!(uart.baud(), 115_201);
        write(&mut uart, reg::FIFO, b'a'.into(), 1000);
        write(&mut uart, reg::FIFO, b'b'.into(), 1000);
        assert_eq!(read(&mut uart, reg::STATUS, 1000) >> 16 & 0xff, 1, "one is in the shifter");
        let frame = uart.frame.ticks();
        assert_eq!(frame, (10 * 480 * 11111_u64).div_ceil(16 * 80));
        uart.poll(&at(1000 + frame - 1));
        assert_eq!(uart.take_output(), None);
        assert_eq!(uart.poll_at(), Some(Instant::from_ticks(1000 + 2 * frame)));
        uart.poll(&at(1000 + 2 * frame));
        let out: Vec<_> = std::iter::from_fn(|| uart.take_output()).collect();
        assert_eq!(
            out,
            [
                (Instant::from_ticks(1000 + frame), Symbol::Byte(b'a')),
                (Instant::from_ticks(1000 + 2 * frame), Symbol::Byte(b'b')),
            ]
        );
        assert_eq!(uart.poll_at(), None);
        assert_ne!(uart.int_raw & int::TX_DONE, 0);
    }

    #[test]
    fn turnaround_bits_lengthen_frames_and_the_one_behind_is_a_second_stop_bit() {
        let bit = (480 * 11111_u64).div_ceil(16 * 80);
        for (enabled, sent, heard) in [
            (0, 20, 10),
            (rs485_conf::DL1_EN, 22, 11),
            (rs485_conf::DL0_EN, 22, 10),
            (rs485_conf::DL0_EN | rs485_conf::DL1_EN, 24, 11),
        ] {
            let mut uart = uart();
            write(&mut uart, reg::RS485_CONF, enabled, 0);
            assert_eq!(read(&mut uart, reg::RS485_CONF, 0), enabled);
            write(&mut uart, reg::FIFO, b'a'.into(), 0);
            write(&mut uart, reg::FIFO, b'b'.into(), 0);
            let state = read(&mut uart, reg::STATUS, bit / 2) >> 24 & 15;
            assert_eq!(state == 0, enabled & rs485_conf::DL0_EN != 0, "idle before the start bit");
            let due = uart.poll_at().unwrap().ticks();
            uart.poll(&at(due));
            let ends: Vec<_> = std::iter::from_fn(|| uart.take_output()).collect();
            assert_eq!(ends.len(), 2);
            assert_eq!(ends[1].0.ticks(), due);
            assert!(due.abs_diff(sent * bit) < 24, "{due} ticks, not {sent} bits");
            uart.receive(Symbol::Byte(b'c'), Instant::from_ticks(due));
            assert_eq!(rx_count(&mut uart, due + heard * bit - 24), 0);
            assert_eq!(rx_count(&mut uart, due + heard * bit), 1);
        }
    }

    #[test]
    fn a_listener_gets_each_frame_when_it_ends() {
        let (mut speaker, mut listener) = (uart(), uart());
        speaker.set_heard(true);
        write(&mut speaker, reg::FIFO, b'a'.into(), 0);
        write(&mut speaker, reg::FIFO, b'b'.into(), 0);
        let first = speaker.poll_at().unwrap();
        assert_eq!(first.ticks(), speaker.frame.ticks());
        speaker.poll(&at(first.ticks()));
        let (end, symbol) = speaker.take_echo().unwrap();
        assert_eq!((end, symbol, speaker.take_echo()), (first, Symbol::Byte(b'a'), None));
        listener.hear(symbol, end);
        assert_eq!(rx_count(&mut listener, first.ticks()), 1);
        assert_eq!(read(&mut listener, reg::FIFO, first.ticks()), b'a'.into());
    }

    #[test]
    fn the_tx_empty_interrupt_is_due_when_the_level_falls_to_the_threshold() {
        let mut uart = uart();
        write(&mut uart, reg::CONF1, 2 << 8, 0);
        for _ in 0..5 {
            write(&mut uart, reg::FIFO, 0, 0);
        }
        write(&mut uart, reg::INT_CLR, u32::MAX, 0);
        write(&mut uart, reg::INT_ENA, int::TXFIFO_EMPTY, 0);
        let due = uart.poll_at().unwrap().ticks();
        assert_eq!(due, 2 * uart.frame.ticks(), "5 bytes: 1 in the shifter, 4 wait");
        uart.poll(&at(due - 1));
        assert_eq!(uart.irq(), 0);
        uart.poll(&at(due));
        assert_eq!(uart.irq(), 1);
        write(&mut uart, reg::INT_CLR, u32::MAX, due);
        assert_eq!(uart.irq(), 1, "the condition still holds");
    }

    #[test]
    fn a_received_byte_arrives_after_a_frame_time_and_times_out_after_silence() {
        let mut uart = uart();
        write(&mut uart, reg::CONF1, 100 | 2 << 24 | CONF1_TOUT_EN, 0);
        write(&mut uart, reg::INT_ENA, int::RXFIFO_FULL | int::RXFIFO_TOUT, 0);
        uart.receive(Symbol::Byte(b'x'), Instant::ZERO);
        let frame = uart.frame.ticks();
        assert_eq!(uart.poll_at(), Some(Instant::from_ticks(frame)));
        assert_eq!(rx_count(&mut uart, frame - 1), 0);
        assert_eq!(rx_count(&mut uart, frame), 1);
        let due = frame + 16 * uart.bit.ticks();
        assert_eq!(uart.poll_at(), Some(Instant::from_ticks(due)));
        uart.poll(&at(due - 1));
        assert_eq!(uart.irq(), 0);
        uart.poll(&at(due));
        assert_eq!(uart.irq(), 1);
        assert_eq!(read(&mut uart, reg::FIFO, due), b'x'.into());
        write(&mut uart, reg::INT_CLR, u32::MAX, due);
        assert_eq!((uart.irq(), uart.poll_at()), (0, None));
    }

    #[test]
    fn a_frame_that_has_begun_ends_the_silence_however_often_it_is_polled() {
        let results = [true, false].map(|polled| {
            let mut uart = uart();
            let (frame, bit) = (uart.frame.ticks(), uart.bit.ticks());
            write(&mut uart, reg::CONF1, 100 | 1 << 24 | CONF1_TOUT_EN, 0);
            uart.receive(Symbol::Byte(1), Instant::ZERO);
            let next = frame + 7 * bit; // the time-out is 8 bits
            uart.poll(&at(next));
            uart.receive(Symbol::Byte(2), Instant::from_ticks(next));
            if polled {
                uart.poll(&at(next + 3 * bit));
            }
            read(&mut uart, reg::INT_RAW, next + frame) & int::RXFIFO_TOUT
        });
        assert_eq!(results, [0, 0]);
    }

    #[test]
    fn a_full_fifo_loses_bytes_and_its_pointers_meet() {
        let mut uart = uart();
        for i in 0..130 {
            uart.receive(Symbol::Byte(i), Instant::ZERO);
        }
        assert_eq!(rx_count(&mut uart, 480_000_000), 128);
        let status = read(&mut uart, reg::MEM_RX_STATUS, 480_000_000);
        assert_eq!(status >> 2 & 0x7ff, status >> 13 & 0x7ff);
        assert_eq!(uart.overruns(), 2);
        assert_ne!(uart.int_raw & int::RXFIFO_OVF, 0);
        assert_eq!(read(&mut uart, reg::FIFO, 480_000_000), 0);
        let status = read(&mut uart, reg::MEM_RX_STATUS, 480_000_000);
        let (read_at, write_at) = (status >> 2 & 0x7ff, status >> 13 & 0x7ff);
        assert_eq!(write_at + 128 - read_at, 127);
        write(&mut uart, reg::CONF0, conf0::RESET | conf0::RXFIFO_RST, 480_000_000);
        assert_eq!(rx_count(&mut uart, 480_000_000), 0);
    }

    #[test]
    fn loopback_returns_what_is_sent_and_a_break_is_seen() {
        let mut uart = uart();
        write(&mut uart, reg::CONF0, conf0::RESET | conf0::LOOPBACK | conf0::TXD_BRK, 0);
        uart.poll(&at(4_800_000));
        assert_ne!(uart.int_raw & int::BRK_DET, 0);
        assert_ne!(uart.int_raw & int::TX_BRK_DONE, 0);
        assert_eq!(read(&mut uart, reg::FIFO, 4_800_000), 0);
        write(&mut uart, reg::CONF0, conf0::RESET | conf0::LOOPBACK, 4_800_000);
        write(&mut uart, reg::FIFO, 0x5a, 4_800_000);
        assert_eq!(rx_count(&mut uart, 9_600_000), 1);
        assert_eq!(read(&mut uart, reg::FIFO, 9_600_000), 0x5a);
    }

    #[test]
    fn autobaud_measures_the_bit_time_in_clock_cycles() {
        let mut uart = uart();
        write(&mut uart, reg::AUTOBAUD, AUTOBAUD_EN, 0);
        uart.receive(Symbol::Byte(0x55), Instant::ZERO);
        assert_eq!(read(&mut uart, reg::LOWPULSE, 480_000_000), 694);
        assert_eq!(read(&mut uart, reg::HIGHPULSE, 480_000_000), 694);
        assert_eq!(read(&mut uart, reg::RXD_CNT, 480_000_000), 10);
    }

    #[test]
    fn no_access_panics() {
        let mut uart = uart();
        for offset in (0..0x100).step_by(4) {
            for value in [0, u32::MAX] {
                let _ = uart.write(offset, value, &at(10));
                let _ = uart.read(offset, &at(10));
                uart.receive(Symbol::Byte(0), Instant::from_ticks(10));
                uart.poll(&at(10));
                let _ = uart.poll_at();
            }
        }
    }
}
