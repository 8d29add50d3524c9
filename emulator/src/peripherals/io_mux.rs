//! IO_MUX: function, pulls, input enable and drive strength of each pad.
//!
//! *Source*: ESP32 Technical Reference Manual, chapter "IO_MUX and GPIO Matrix"; register order and
//! fields from ESP-IDF `soc/io_mux_reg.h`; states after reset from the pad list of the ESP32
//! datasheet (IE, WPU and WPD per pad).
//!
//! *Modelled*: the 36 pad registers and what they mean for a pad in normal operation.
//!
//! *Not modelled*: the settings for sleep, drive strength and CLK_OUT only keep what was written.
//! The pulls of pads with an RTC function are in RTC_IO, to which ESP-IDF writes instead.

use super::{Context, Peripheral, Unmodelled};

mod reg {
    pub(super) const PIN_CTRL: u32 = 0x00;
    pub(super) const FIRST_PAD: u32 = 0x04;
}

mod pad {
    pub(super) const FUN_PD: u32 = 1 << 7;
    pub(super) const FUN_PU: u32 = 1 << 8;
    pub(super) const FUN_IE: u32 = 1 << 9;
    pub(super) const FUN_DRV_DEFAULT: u32 = 2 << 10;
    pub(super) const ALL: u32 = 0x7fff;
}

/// Function of the pads GPIO6 to 11 after reset: SD_CLK and others (technical reference manual,
/// table of IO_MUX pads).
const FUNCTION_SD_CARD: u8 = 0;
/// Function that connects a pad to the GPIO matrix.
const FUNCTION_GPIO: u8 = 2;

/// GPIO numbers in the order of the registers, from offset 4.
const PADS: [u8; 36] = [
    36, 37, 38, 39, 34, 35, 32, 33, 25, 26, 27, 14, 12, 13, 15, 2, 0, 4, 16, 17, 9, 10, 11, 6, 7,
    8, 5, 18, 19, 20, 21, 22, 3, 1, 23, 24,
];

/// Resistor inside a pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pull {
    /// None, or both at once.
    #[default]
    None,
    /// To supply.
    Up,
    /// To ground.
    Down,
}

/// What a pad is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PadConfig {
    /// IO_MUX function, 0 to 7; [`PadConfig::matrix`] tells the important one.
    pub function: u8,
    /// Pull resistor.
    pub pull: Pull,
    /// True when the level of the pad reaches the chip.
    pub input_enable: bool,
}

impl PadConfig {
    /// True when a pad of the SD card interface (GPIO6 to 11) is connected to that.
    pub const fn is_for_sd_card(self) -> bool {
        self.function == FUNCTION_SD_CARD
    }

    /// True when the GPIO matrix drives the pad; false: a peripheral does directly.
    pub const fn matrix(self) -> bool {
        self.function == FUNCTION_GPIO
    }
}

/// State after reset of the pad of a GPIO.
const fn reset_value(gpio: u8) -> u32 {
    let ie_and_pull = match gpio {
        0 | 1 | 3 | 5..=11 | 14 | 15 => pad::FUN_IE | pad::FUN_PU,
        2 | 4 | 12 | 13 => pad::FUN_IE | pad::FUN_PD,
        16..=24 => pad::FUN_IE,
        _ => 0,
    };
    pad::FUN_DRV_DEFAULT | ie_and_pull
}

/// The IO_MUX.
#[derive(Debug, Clone)]
pub struct IoMux {
    pin_ctrl: u32,
    /// In the order of [`PADS`].
    pads: [u32; 36],
    changed: u64,
}

impl Default for IoMux {
    fn default() -> Self {
        Self::new()
    }
}

impl IoMux {
    /// After reset.
    pub fn new() -> Self {
        let changed = PADS.iter().fold(0, |all, pad| all | 1 << pad);
        Self { pin_ctrl: 0, pads: PADS.map(reset_value), changed }
    }

    /// The setting of a GPIO's pad; `None` for numbers without pad (28 to 31, above 39).
    pub fn pad(&self, gpio: u8) -> Option<PadConfig> {
        let value = self.pads[PADS.iter().position(|&pad| pad == gpio)?];
        let pull = match (value & pad::FUN_PU != 0, value & pad::FUN_PD != 0) {
            (true, false) => Pull::Up,
            (false, true) => Pull::Down,
            _ => Pull::None,
        };
        Some(PadConfig {
            function: (value >> 12) as u8 & 7,
            pull,
            input_enable: value & pad::FUN_IE != 0,
        })
    }

    /// GPIOs whose pad register was changed since the last call, one bit each; at first and after a reset all.
    pub fn take_changes(&mut self) -> u64 {
        std::mem::take(&mut self.changed)
    }

    fn index(offset: u32) -> Option<usize> {
        let index = (offset.checked_sub(reg::FIRST_PAD)? / 4) as usize;
        (index < PADS.len()).then_some(index)
    }
}

impl Peripheral for IoMux {
    const NAME: &'static str = "IO_MUX";

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        match offset {
            reg::PIN_CTRL => Ok(self.pin_ctrl),
            _ => Self::index(offset).map(|index| self.pads[index]).ok_or(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        if offset == reg::PIN_CTRL {
            self.pin_ctrl = value & 0xfff;
            return Ok(());
        }
        let index = Self::index(offset).ok_or(Unmodelled)?;
        if self.pads[index] != value & pad::ALL {
            self.pads[index] = value & pad::ALL;
            self.changed |= 1 << PADS[index];
        }
        Ok(())
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::Clocks;
    use crate::time::Instant;

    fn cx() -> Context {
        Context::at(Instant::ZERO, Clocks::default())
    }

    #[test]
    fn strapping_pads_have_their_pulls_after_reset() {
        let mut mux = IoMux::new();
        for (gpio, offset, value, pull) in [
            (0, 0x44, 0xb00, Pull::Up),
            (2, 0x40, 0xa80, Pull::Down),
            (5, 0x6c, 0xb00, Pull::Up),
            (12, 0x34, 0xa80, Pull::Down),
            (15, 0x3c, 0xb00, Pull::Up),
            (1, 0x88, 0xb00, Pull::Up),
            (23, 0x8c, 0xa00, Pull::None),
            (36, 0x04, 0x800, Pull::None),
            (39, 0x10, 0x800, Pull::None),
        ] {
            assert_eq!(mux.read(offset, &cx()).unwrap(), value, "GPIO{gpio}");
            assert_eq!(mux.pad(gpio).unwrap().pull, pull, "GPIO{gpio}");
        }
        assert_eq!(mux.pad(28), None);
    }

    #[test]
    fn a_write_changes_one_pad() {
        let mut mux = IoMux::new();
        assert_eq!(mux.take_changes().count_ones(), 36);
        mux.write(0x70, 2 << 12 | pad::FUN_PD, &cx()).unwrap();
        assert_eq!(mux.take_changes(), 1 << 18);
        let pad = mux.pad(18).unwrap();
        assert!(pad.matrix() && !pad.input_enable && pad.pull == Pull::Down);
    }

    #[test]
    fn no_access_panics() {
        let mut mux = IoMux::new();
        for offset in (0..0x1000).step_by(4) {
            let _ = mux.write(offset, u32::MAX, &cx());
            let _ = mux.read(offset, &cx());
        }
    }
}
