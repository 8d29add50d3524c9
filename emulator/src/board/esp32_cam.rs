//! AI-Thinker ESP32-CAM: 4 MB flash, 4 MB of PSRAM within reach, a lamp, an indicator.
//!
//! Source: AI-Thinker ESP32-CAM schematic; the founding story's board has silicon revision 1.

use super::parts::auto_reset::ModemWiring;
use super::parts::nor_flash::{FlashIdentity, FlashSize};
use super::parts::psram::PsramSize;
use super::profile::{Led, Lit, Profile};
use crate::peripherals::efuse::{ChipRevision, Package};

/// The profile.
pub(super) const PROFILE: Profile = Profile {
    name: "esp32-cam",
    description: "AI-Thinker ESP32-CAM: ESP32-D0WDQ6 (revision 1), 4 MB flash, 4 MB PSRAM",
    revision: ChipRevision::V1,
    package: Package::D0wdq6,
    xtal_mhz: 40,
    mac: [0x24, 0x0a, 0xc4, 0x00, 0x02, 0x20],
    adc_vref_steps: -2,
    flash: FlashSize::MiB4,
    flash_identity: FlashIdentity::WINBOND,
    psram: Some(PsramSize::MiB4),
    modem_wiring: ModemWiring::None,
    straps: &[],
    leds: &[
        Led { name: "indicator", gpio: 33, lit: Lit::Low },
        Led { name: "flash", gpio: 4, lit: Lit::High },
    ],
    buttons: &[],
};
