//! A part on an I2C bus: what a controller of the chip says to it in bytes, and what firmware says
//! that moves the lines by itself.
//!
//! Source: NXP UM10204, "I2C-bus specification and user manual", for START, STOP, the order of bits
//! and the acknowledge.
//!
//! *Modelled*: a target with one address of 7 bits, which acknowledges all that it is sent; pull-ups
//! of its breakout board at both lines.
//!
//! *Not modelled*: clock stretching; general call; times shorter than the specification allows.

use super::{Drive, Part, Shown};
use crate::peripherals::i2c::Ack;
use crate::time::Instant;

const SDA: usize = 0;
const SCL: usize = 1;

/// What is in a part behind its I2C interface.
pub trait I2cDevice {
    /// Its address, of 7 bits.
    fn address(&self) -> u8;

    /// A master begins to write to it.
    fn begin_write(&mut self);

    /// A byte from the master.
    fn write(&mut self, byte: u8, now: Instant);

    /// A byte for the master, in a transfer that has begun at `now`.
    fn read(&mut self, now: Instant) -> u8;

    /// Moves a control; whether it has one of that name.
    fn set_control(&mut self, _control: &str, _value: f64) -> bool {
        false
    }

    /// What can be seen of it, if there is something of that name.
    fn shown(&self, _what: &str) -> Option<Shown> {
        None
    }

    /// Its power goes, and what it has kept in memory.
    fn power_off(&mut self);
}

/// The part as a controller finds it.
pub trait I2cPart {
    /// START, and the byte with the address.
    fn start(&mut self, address_and_rw: u8, now: Instant) -> Ack;

    /// A byte for the part that was addressed.
    fn write(&mut self, byte: u8) -> Ack;

    /// A byte of the part that was addressed; all ones of others.
    fn read(&mut self) -> u8;

    /// STOP.
    fn stop(&mut self);
}

/// What the part expects at the next edges of SCL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing: the bus is free, or the master speaks to another one.
    Idle,
    /// Bits of a byte from the master; the first one after a START is the address.
    Receiving { bits: u8, byte: u8, is_address: bool },
    /// It answers with its acknowledge.
    Acknowledging,
    /// It sends the bits of a byte; so many are left, with the one on the line.
    Sending { left: u8, byte: u8 },
    /// The master acknowledges a byte, or wants no more.
    Acknowledged(bool),
}

/// A part with an I2C interface.
#[derive(Debug, Clone)]
pub struct OnI2c<D> {
    device: D,
    /// Whether it is addressed, and to be read.
    addressed: Option<bool>,
    /// When the transfer began.
    now: Instant,
    sda: bool,
    scl: bool,
    phase: Phase,
    holds_sda: bool,
}

impl<D: I2cDevice> OnI2c<D> {
    /// The part, on a free bus.
    pub fn new(device: D) -> Self {
        Self {
            device,
            addressed: None,
            now: Instant::ZERO,
            sda: true,
            scl: true,
            phase: Phase::Idle,
            holds_sda: false,
        }
    }

    /// What is in it.
    pub(super) fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    fn sda_changed(&mut self, level: bool) {
        if self.scl {
            // START, or STOP.
            self.holds_sda = false;
            self.phase = Phase::Idle;
            if level {
                self.stop();
            } else {
                self.phase = Phase::Receiving { bits: 0, byte: 0, is_address: true };
            }
        }
    }

    fn scl_rose(&mut self) {
        match &mut self.phase {
            Phase::Receiving { bits, byte, .. } => {
                *byte = *byte << 1 | u8::from(self.sda);
                *bits += 1;
            }
            Phase::Acknowledged(more) => *more = !self.sda,
            Phase::Idle | Phase::Acknowledging | Phase::Sending { .. } => {}
        }
    }

    fn scl_fell(&mut self) {
        self.phase = match self.phase {
            Phase::Receiving { bits: 8, byte, is_address } => {
                let now = self.now;
                match if is_address { self.start(byte, now) } else { self.write(byte) } {
                    Ack::Ack => Phase::Acknowledging,
                    Ack::Nack => Phase::Idle,
                }
            }
            Phase::Acknowledging | Phase::Acknowledged(true) => match self.addressed {
                Some(true) => Phase::Sending { left: 8, byte: self.read() },
                Some(false) => Phase::Receiving { bits: 0, byte: 0, is_address: false },
                None => Phase::Idle,
            },
            Phase::Sending { left: 1, .. } => Phase::Acknowledged(false),
            Phase::Sending { left, byte } => Phase::Sending { left: left - 1, byte: byte << 1 },
            Phase::Acknowledged(false) => Phase::Idle,
            receiving @ (Phase::Idle | Phase::Receiving { .. }) => receiving,
        };
        self.holds_sda = match self.phase {
            Phase::Acknowledging => true,
            Phase::Sending { byte, .. } => byte & 0x80 == 0,
            _ => false,
        };
    }
}

impl<D: I2cDevice> I2cPart for OnI2c<D> {
    fn start(&mut self, address_and_rw: u8, now: Instant) -> Ack {
        self.now = now;
        let reading = address_and_rw & 1 != 0;
        self.addressed = (address_and_rw >> 1 == self.device.address()).then_some(reading);
        match self.addressed {
            Some(reading) => {
                if !reading {
                    self.device.begin_write();
                }
                Ack::Ack
            }
            None => Ack::Nack,
        }
    }

    fn write(&mut self, byte: u8) -> Ack {
        if self.addressed != Some(false) {
            return Ack::Nack;
        }
        self.device.write(byte, self.now);
        Ack::Ack
    }

    fn read(&mut self) -> u8 {
        if self.addressed == Some(true) { self.device.read(self.now) } else { 0xff }
    }

    fn stop(&mut self) {
        self.addressed = None;
    }
}

impl<D: I2cDevice> Part for OnI2c<D> {
    fn set_control(&mut self, control: &str, value: f64, _now: Instant) -> bool {
        self.device.set_control(control, value)
    }

    fn drive(&self, pin: usize, _now: Instant) -> Drive {
        match pin {
            SDA if self.holds_sda => Drive::Strong(false),
            SDA | SCL => Drive::Weak(true),
            _ => Drive::None,
        }
    }

    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, pin: usize, level: bool, now: Instant) {
        self.now = now;
        match pin {
            SDA => {
                self.sda_changed(level);
                self.sda = level;
            }
            SCL => {
                self.scl = level;
                if level { self.scl_rose() } else { self.scl_fell() }
            }
            _ => {}
        }
    }

    fn shown(&self, what: &str, _now: Instant) -> Option<Shown> {
        self.device.shown(what)
    }

    fn power_off(&mut self) {
        self.device.power_off();
        self.addressed = None;
        self.phase = Phase::Idle;
        self.holds_sda = false;
    }

    fn on_i2c(&mut self) -> Option<&mut dyn I2cPart> {
        Some(self)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A master that moves the lines of one part by hand.
    pub(in super::super) struct Master<'p, D>(pub(in super::super) &'p mut OnI2c<D>);

    impl<D: I2cDevice> Master<'_, D> {
        fn sda(&mut self, level: bool) {
            let level = level && self.0.drive(SDA, Instant::ZERO) != Drive::Strong(false);
            if level != self.0.sda {
                self.0.hear(SDA, level, Instant::ZERO);
            }
        }

        fn scl(&mut self, level: bool) {
            self.0.hear(SCL, level, Instant::ZERO);
        }

        pub(in super::super) fn start(&mut self) {
            self.sda(true);
            self.scl(true);
            self.sda(false);
            self.scl(false);
        }

        pub(in super::super) fn stop(&mut self) {
            self.sda(false);
            self.scl(true);
            self.sda(true);
        }

        fn bit(&mut self, bit: bool) -> bool {
            self.sda(bit);
            self.scl(true);
            let read = self.0.sda;
            self.scl(false);
            // What the part does now shows on the line.
            self.sda(true);
            read
        }

        /// Whether it was acknowledged.
        pub(in super::super) fn write(&mut self, byte: u8) -> bool {
            for n in (0..8).rev() {
                self.bit(byte >> n & 1 != 0);
            }
            !self.bit(true)
        }

        pub(in super::super) fn read(&mut self, more: bool) -> u8 {
            let byte = (0..8).fold(0, |byte, _| byte << 1 | u8::from(self.bit(true)));
            self.bit(!more);
            byte
        }
    }

    /// Keeps what it is told, and counts when it is read.
    #[derive(Debug, Default)]
    struct Notes(Vec<u8>, u8);

    impl I2cDevice for Notes {
        fn address(&self) -> u8 {
            0x2a
        }

        fn begin_write(&mut self) {
            self.0.clear();
        }

        fn write(&mut self, byte: u8, _now: Instant) {
            self.0.push(byte);
        }

        fn read(&mut self, _now: Instant) -> u8 {
            self.1 += 0x51;
            self.1
        }

        fn power_off(&mut self) {}
    }

    #[test]
    fn a_master_that_moves_the_lines_writes_to_it_and_reads_after_a_second_start() {
        let mut part = OnI2c::new(Notes::default());
        let mut master = Master(&mut part);
        master.start();
        assert!(master.write(0x54) && master.write(0x81) && master.write(0x7e));
        master.start();
        assert!(master.write(0x55));
        assert_eq!([master.read(true), master.read(false)], [0x51, 0xa2]);
        master.stop();
        assert_eq!(part.device.0, [0x81, 0x7e]);
        assert_eq!(part.addressed, None);
    }

    #[test]
    fn it_leaves_the_lines_alone_when_another_one_is_addressed() {
        let mut part = OnI2c::new(Notes::default());
        let mut master = Master(&mut part);
        master.start();
        assert!(!master.write(0x56) && !master.write(0x54), "a byte of somebody else's");
        master.stop();
        assert_eq!(part.device.0, [0; 0]);
        assert_eq!(part.drive(SDA, Instant::ZERO), Drive::Weak(true));
    }
}
