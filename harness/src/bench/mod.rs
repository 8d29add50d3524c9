//! The bench: real boards, and everything that reaches them.
//!
//! ```text
//! bench.toml ─▶ BoardEntry ─▶ Fixture ─┬─ Adapter   bytes, speed, modem lines
//!                                      ├─ reset     sequences for each wiring
//!                                      ├─ Loader    the flash, in download mode
//!                                      ├─ power     the supply
//!                                      └─ lock      one user at a time
//! ```
//!
//! What a scenario sees of it is [`targets::board`](crate::targets::board).

pub mod adapters;
pub mod bindings;
pub mod clock;
pub mod description;
pub mod discover;
pub mod doctor;
pub mod fixture;
#[cfg(feature = "jtag")]
pub mod jtag;
pub mod loader;
pub mod lock;
pub mod pins;
pub mod power;
pub mod probe;
pub mod reset;

use crate::targets::TargetSource;
use crate::targets::emulated::EmulatorSource;

/// The kinds of boards that are known.
pub fn profiles() -> Vec<String> {
    EmulatorSource::default().boards()
}

/// The parts of a profile that have a name.
pub(crate) fn parts(profile: &str) -> Vec<String> {
    EmulatorSource::default().parts(profile)
}
