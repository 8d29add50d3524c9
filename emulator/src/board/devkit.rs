//! ESP32-DevKitC with an ESP32-WROOM-32E: 4 MB flash, no PSRAM.
//!
//! Source: ESP32-DevKitC V4 Getting Started Guide; ESP32-WROOM-32E Datasheet.

use super::parts::auto_reset::ModemWiring;
use super::parts::nor_flash::{FlashIdentity, FlashSize};
use super::profile::{Button, Profile};
use crate::peripherals::efuse::{ChipRevision, Package};

/// The profile.
pub(super) const PROFILE: Profile = Profile {
    name: "esp32-devkit",
    description: "ESP32-DevKitC V4: ESP32-D0WD-V3 (revision 3), 4 MB flash",
    revision: ChipRevision::V3,
    package: Package::D0wd,
    xtal_mhz: 40,
    mac: [0x24, 0x0a, 0xc4, 0x00, 0x01, 0x10],
    adc_vref_steps: 3,
    flash: FlashSize::MiB4,
    flash_identity: FlashIdentity::WINBOND,
    psram: None,
    modem_wiring: ModemWiring::TwoTransistors,
    straps: &[],
    leds: &[],
    buttons: &[Button { name: "boot", gpio: 0 }],
};
