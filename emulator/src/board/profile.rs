//! Board profiles: what kind of board it is, as data.

use super::parts::auto_reset::ModemWiring;
use super::parts::nor_flash::{FlashIdentity, FlashSize};
use super::parts::psram::PsramSize;
use crate::peripherals::efuse::{ChipRevision, Package};
use crate::peripherals::gpio::STRAPS;

/// When a lamp is lit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lit {
    /// While the pin is high.
    High,
    /// While the pin is low.
    Low,
}

/// A lamp on a GPIO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Led {
    /// What the silk screen or the schematic calls it.
    pub name: &'static str,
    /// GPIO number.
    pub gpio: u8,
    /// Which level lights it.
    pub lit: Lit,
}

/// A button that connects a GPIO with ground while it is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Button {
    /// What the silk screen calls it, in lower case.
    pub name: &'static str,
    /// GPIO number.
    pub gpio: u8,
}

/// A strapping pin and the level that the board's resistors give it. Pins that are not listed have
/// the chip's own pulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strap {
    /// GPIO 0, 2, 4, 5, 12 or 15.
    pub gpio: u8,
    /// Level at reset.
    pub high: bool,
}

/// A kind of board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// As scenarios name it.
    pub name: &'static str,
    /// One line for lists.
    pub description: &'static str,
    /// Silicon revision.
    pub revision: ChipRevision,
    /// Package.
    pub package: Package,
    /// Crystal in MHz, 40 or 26.
    pub xtal_mhz: u64,
    /// Base MAC address.
    pub mac: [u8; 6],
    /// True ADC reference voltage as the factory has burnt it: steps of 7 mV from 1100 mV.
    pub adc_vref_steps: i8,
    /// Size of the flash chip.
    pub flash: FlashSize,
    /// What the flash chip answers to 0x9F.
    pub flash_identity: FlashIdentity,
    /// The PSRAM, if there is one.
    pub psram: Option<PsramSize>,
    /// How the serial adapter's modem lines reach EN and GPIO0.
    pub modem_wiring: ModemWiring,
    /// Strapping resistors.
    pub straps: &'static [Strap],
    /// Lamps.
    pub leds: &'static [Led],
    /// Buttons besides the one for reset.
    pub buttons: &'static [Button],
}

/// The chip's own pulls on the strapping pads: GPIO0, 5 and 15 up, 2, 4 and 12 down.
///
/// Source: ESP32 Datasheet, "Strapping Pins".
const DEFAULT_HIGH: [u8; 3] = [0, 5, 15];

impl Profile {
    /// All profiles.
    pub const ALL: &'static [&'static Self] =
        &[&super::devkit::PROFILE, &super::esp32_cam::PROFILE, &super::esp32_cam_mb::PROFILE];

    /// The profile of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().copied().find(|profile| profile.name == name)
    }

    /// The strapping word where nobody forces a level on a strapping pad.
    pub fn strap_word(&self) -> u16 {
        STRAPS.iter().enumerate().fold(0, |word, (bit, &gpio)| {
            let strapped = self.straps.iter().find(|strap| strap.gpio == gpio);
            let high = strapped.map_or(DEFAULT_HIGH.contains(&gpio), |strap| strap.high);
            word | u16::from(high) << bit
        })
    }

    /// The button of that name.
    pub fn button(&self, name: &str) -> Option<Button> {
        self.buttons.iter().copied().find(|button| button.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_devkit_boots_with_0x13() {
        let devkit = Profile::named("esp32-devkit").expect("a known board");
        assert_eq!(devkit.strap_word(), 0x13);
    }
}
