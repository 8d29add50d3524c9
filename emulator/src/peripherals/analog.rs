//! The radio's analogue side: front end, internal I2C, PLL and baseband measurements.
//!
//! Source: no public manual. Base addresses from `reg_base.h` of ESP-IDF v5.0; which reads decide
//! was found by experiment: all blocks as plain memory, one condition removed at a time, until
//! `phy_init` no longer came to its end; host words of the internal I2C as the mask ROM uses them.
//! Modelled: the completion bits that firmware polls (always complete), the register files behind
//! the internal I2C, the tuned frequency and bandwidth, a quiet noise floor of -95 dBm. The blocks without such
//! bits are plain storage (`storage.rs`).
//! Not modelled: everything analogue. Calibration runs through its steps on constant readings; the
//! remaining words of each page are declared storage.

use std::collections::BTreeMap;

use super::{Context, Peripheral, Stores, Unmodelled, stores};

const PAGE: &[Stores] = &[stores(0, 0xffc)];

/// FE at 0x3FF4_6000: front end and IQ estimator. No interrupt.
#[derive(Debug, Clone, Default)]
pub struct Fe {
    iq_estimation: u32,
    pbus: u32,
}

mod fe {
    /// IQ estimation, bit 31 done.
    pub(super) const IQ_ESTIMATION: u32 = 0x7c;
    pub(super) const IQ_DONE: u32 = 1 << 31;
    /// Access to the PBUS, bit 31 busy.
    pub(super) const PBUS: u32 = 0xa0;
    pub(super) const PBUS_BUSY: u32 = 1 << 31;
}

impl Peripheral for Fe {
    const NAME: &'static str = "FE";
    const STORES: &'static [Stores] = PAGE;

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        match offset {
            fe::IQ_ESTIMATION => Ok(self.iq_estimation | fe::IQ_DONE),
            fe::PBUS => Ok(self.pbus & !fe::PBUS_BUSY),
            _ => Err(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            fe::IQ_ESTIMATION => self.iq_estimation = value,
            fe::PBUS => self.pbus = value,
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

/// Page 0x3FF5_C000: automatic gain control and, from 0xC00, NRX. No interrupt.
#[derive(Debug, Clone, Default)]
pub struct Nrx {
    noise_check: u32,
    bandwidth: u32,
    halves: u32,
}

/// What the receiver hears around the tuned frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bandwidth {
    /// One channel of 20 MHz.
    Mhz20,
    /// Two, of which the lower one is the primary channel.
    Mhz40PrimaryBelow,
    /// Two, of which the upper one is the primary channel.
    Mhz40PrimaryAbove,
}

impl Nrx {
    /// What software has selected.
    pub fn bandwidth(&self) -> Bandwidth {
        match (self.bandwidth & nrx::MHZ_40, self.halves & nrx::PRIMARY_ABOVE) {
            (0, _) => Bandwidth::Mhz20,
            (_, 0) => Bandwidth::Mhz40PrimaryBelow,
            _ => Bandwidth::Mhz40PrimaryAbove,
        }
    }
}

mod nrx {
    /// Bit 24 done, bits 14:5 noise floor.
    pub(super) const NOISE_CHECK: u32 = 0x018;
    pub(super) const NOISE_DONE: u32 = 1 << 24;
    pub(super) const NOISE_SHIFT: u32 = 5;
    /// Bits 9:0 noise floor, read only here.
    pub(super) const NOISE_FLOOR: u32 = 0x050;
    /// Bits 3:2 set for 40 MHz.
    pub(super) const BANDWIDTH: u32 = 0x450;
    pub(super) const MHZ_40: u32 = 3 << 2;
    /// Bit 0: of 40 MHz, the upper half is the primary channel.
    pub(super) const HALVES: u32 = 0xc0c;
    pub(super) const PRIMARY_ABOVE: u32 = 1;
    /// -95 dBm in quarters of a decibel, offset 1024.
    pub(super) const QUIET: u32 = 1024 - 4 * 95;
}

impl Peripheral for Nrx {
    const NAME: &'static str = "NRX";
    const STORES: &'static [Stores] = PAGE;

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        match offset {
            nrx::NOISE_CHECK => {
                let kept = self.noise_check & !(0x3ff << nrx::NOISE_SHIFT);
                Ok(kept | nrx::NOISE_DONE | nrx::QUIET << nrx::NOISE_SHIFT)
            }
            nrx::NOISE_FLOOR => Ok(nrx::QUIET),
            nrx::BANDWIDTH => Ok(self.bandwidth),
            nrx::HALVES => Ok(self.halves),
            _ => Err(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            nrx::NOISE_CHECK => self.noise_check = value,
            nrx::NOISE_FLOOR => {}
            nrx::BANDWIDTH => self.bandwidth = value,
            nrx::HALVES => self.halves = value,
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

/// BB at 0x3FF5_D000: baseband status and watchdog. No interrupt.
#[derive(Debug, Clone, Default)]
pub struct Bb {
    status: u32,
}

mod bb {
    /// Bit 29 selects the driver's fast path of a channel change.
    pub(super) const STATUS: u32 = 0x008;
    pub(super) const FREQUENCY_HOPPING: u32 = 1 << 29;
}

impl Peripheral for Bb {
    const NAME: &'static str = "BB";
    const STORES: &'static [Stores] = PAGE;

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        match offset {
            bb::STATUS => Ok(self.status | bb::FREQUENCY_HOPPING),
            _ => Err(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            bb::STATUS => self.status = value,
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

/// ANA at 0x3FF4_E000: internal I2C hosts, RF PLL, comparator results. No interrupt.
#[derive(Debug, Clone, Default)]
pub struct Ana {
    internal: InternalI2c,
    comparator: u32,
    power_detector: u32,
    pll: u32,
    hopping: u32,
}

mod ana {
    /// Host words of the internal I2C, one for each host.
    pub(super) const LAST_HOST: u32 = 0x10;
    /// TX DC calibration, bit 24 result ready.
    pub(super) const COMPARATOR: u32 = 0x4c;
    pub(super) const COMPARATOR_READY: u32 = 1 << 24;
    /// SAR power detector, bits 26:24 busy.
    pub(super) const POWER_DETECTOR: u32 = 0x50;
    pub(super) const POWER_DETECTOR_BUSY: u32 = 7 << 24;
    /// RF PLL: bits 7:0 twice the offset from 2400 MHz, bit 8 start and busy, bit 31 done.
    pub(super) const PLL: u32 = 0xc4;
    pub(super) const PLL_BUSY: u32 = 1 << 8;
    pub(super) const PLL_DONE: u32 = 1 << 31;
    /// Frequency hopping, bit 31 busy.
    pub(super) const HOPPING: u32 = 0x168;
    pub(super) const HOPPING_BUSY: u32 = 1 << 31;
}

impl Ana {
    /// The Wi-Fi channel, 1 to 14, that the last write to the PLL register selects: of 40 MHz, which
    /// are tuned between their halves, the primary one. `None` while the word holds a step of a
    /// calibration or of a table look-up.
    pub fn tuned_channel(&self, bandwidth: Bandwidth) -> Option<u8> {
        let centre = (self.pll & 0xff) as i32;
        let twice = match bandwidth {
            Bandwidth::Mhz20 => centre,
            Bandwidth::Mhz40PrimaryBelow => centre - 20,
            Bandwidth::Mhz40PrimaryAbove => centre + 20,
        };
        match twice {
            168 => Some(14),
            24..=144 if (twice - 24) % 10 == 0 => Some(((twice - 14) / 10) as u8),
            _ => None,
        }
    }
}

impl Peripheral for Ana {
    const NAME: &'static str = "ANA";
    const STORES: &'static [Stores] = PAGE;

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        match offset {
            0..=ana::LAST_HOST => Ok(self.internal.read(offset / 4)),
            ana::COMPARATOR => Ok(self.comparator | ana::COMPARATOR_READY),
            ana::POWER_DETECTOR => Ok(self.power_detector & !ana::POWER_DETECTOR_BUSY),
            ana::PLL => Ok(self.pll & !ana::PLL_BUSY | ana::PLL_DONE),
            ana::HOPPING => Ok(self.hopping & !ana::HOPPING_BUSY),
            _ => Err(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            0..=ana::LAST_HOST => self.internal.write(offset / 4, value),
            ana::COMPARATOR => self.comparator = value,
            ana::POWER_DETECTOR => self.power_detector = value,
            ana::PLL => self.pll = value,
            ana::HOPPING => self.hopping = value,
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

/// The I2C inside the chip that reaches the analogue blocks; a transfer takes no time.
///
/// A host word is block in bits 7:0, register in 15:8, data in 23:16, write in 24, busy in 25.
#[derive(Debug, Clone, Default)]
struct InternalI2c {
    commands: [u32; HOSTS],
    registers: BTreeMap<Internal, u8>,
}

const HOSTS: usize = (ana::LAST_HOST / 4 + 1) as usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Internal {
    host: u8,
    block: u8,
    register: u8,
}

/// The RF PLL says "locked" in bit 7 of this register.
const RF_PLL_STATUS: Internal = Internal { host: 1, block: 0x62, register: 7 };
const RF_PLL_LOCKED: u8 = 1 << 7;

const I2C_WRITE: u32 = 1 << 24;

impl InternalI2c {
    fn register(&self, at: Internal) -> u8 {
        let stored = self.registers.get(&at).copied().unwrap_or(0);
        if at == RF_PLL_STATUS { stored | RF_PLL_LOCKED } else { stored }
    }

    fn addressed(host: u32, command: u32) -> Internal {
        Internal { host: host as u8, block: command as u8, register: (command >> 8) as u8 }
    }

    fn read(&self, host: u32) -> u32 {
        let command = self.commands.get(host as usize).copied().unwrap_or(0);
        let data = self.register(Self::addressed(host, command));
        command & 0xffff | u32::from(data) << 16 | command & I2C_WRITE
    }

    fn write(&mut self, host: u32, command: u32) {
        if let Some(kept) = self.commands.get_mut(host as usize) {
            *kept = command;
        }
        if command & I2C_WRITE != 0 {
            let data = (command >> 16) as u8;
            self.registers.insert(Self::addressed(host, command), data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::{Clocks, sweep::sweep};
    use crate::time::Instant;

    fn cx() -> Context {
        Context::at(Instant::ZERO, Clocks::default())
    }

    #[test]
    fn what_phy_init_waits_for_is_always_complete() {
        let mut ana = Ana::default();
        ana.write(0xc4, 0x0100 | 24, &cx()).unwrap();
        assert_eq!(ana.read(0xc4, &cx()), Ok(0x8000_0018));
        assert_eq!(ana.read(0x4c, &cx()).unwrap() >> 24 & 1, 1);
        assert_eq!(Fe::default().read(0x7c, &cx()).unwrap() >> 31, 1);
        ana.write(0x168, u32::MAX, &cx()).unwrap();
        assert_eq!(ana.read(0x168, &cx()).unwrap() >> 31, 0);
    }

    #[test]
    fn internal_registers_keep_what_was_written_per_host_and_block() {
        let mut ana = Ana::default();
        ana.write(0x10, 1 << 24 | 0xab << 16 | 5 << 8 | 0x66, &cx()).unwrap();
        ana.write(0x10, 1 << 24 | 0x11 << 16 | 6 << 8 | 0x66, &cx()).unwrap();
        ana.write(0x10, 5 << 8 | 0x66, &cx()).unwrap();
        assert_eq!(ana.read(0x10, &cx()), Ok(0x00ab_0566), "data, and not busy");
        ana.write(0x0c, 5 << 8 | 0x66, &cx()).unwrap();
        assert_eq!(ana.read(0x0c, &cx()), Ok(0x0000_0566), "another host");
        ana.write(0x04, 7 << 8 | 0x62, &cx()).unwrap();
        assert_eq!(ana.read(0x04, &cx()), Ok(0x0080_0762), "the RF PLL is locked");
    }

    #[test]
    fn the_pll_word_tells_the_channel() {
        let mut ana = Ana::default();
        assert_eq!(ana.tuned_channel(Bandwidth::Mhz20), None);
        for (byte, channel) in [(24, Some(1)), (74, Some(6)), (168, Some(14)), (0x26, None)] {
            ana.write(0xc4, 0xffff_ff00 | byte, &cx()).unwrap();
            assert_eq!(ana.tuned_channel(Bandwidth::Mhz20), channel);
        }
    }

    #[test]
    fn of_40_mhz_the_channel_is_the_primary_half() {
        let (mut ana, mut nrx) = (Ana::default(), Nrx::default());
        // Twice the distance of 2452 MHz, channel 9: between 7 and 11.
        ana.write(0xc4, 104, &cx()).unwrap();
        assert_eq!(ana.tuned_channel(nrx.bandwidth()), Some(9));
        nrx.write(0x450, 0xc, &cx()).unwrap();
        assert_eq!(ana.tuned_channel(nrx.bandwidth()), Some(7));
        nrx.write(0xc0c, 0x0012_41fd, &cx()).unwrap();
        assert_eq!(ana.tuned_channel(nrx.bandwidth()), Some(11));
        ana.write(0xc4, 24, &cx()).unwrap();
        assert_eq!(ana.tuned_channel(Bandwidth::Mhz40PrimaryBelow), None, "below channel 1");
    }

    #[test]
    fn no_access_panics() {
        sweep(&Ana::default(), 0x1000);
        sweep(&Fe::default(), 0x1000);
        sweep(&Nrx::default(), 0x1000);
        sweep(&Bb::default(), 0x1000);
    }
}
