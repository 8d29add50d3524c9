//! AI-Thinker ESP32-CAM on its programmer board ESP32-CAM-MB: the adapter's RTS and DTR go straight
//! to EN and GPIO0, and its button pulls GPIO0 down.
//!
//! Source: users of terminal programs, who have to switch DTR and RTS off for it; no schematic is
//! published.

use super::parts::auto_reset::ModemWiring;
use super::profile::{Button, Profile};

/// The profile.
pub(super) const PROFILE: Profile = Profile {
    name: "esp32-cam-mb",
    description: "AI-Thinker ESP32-CAM on ESP32-CAM-MB: DTR and RTS straight to GPIO0 and EN",
    modem_wiring: ModemWiring::Straight,
    buttons: &[Button { name: "boot", gpio: 0 }],
    ..super::esp32_cam::PROFILE
};
