//! What needs real firmware or the whole program. One program, because each would be linked for itself.

mod cli;
mod common;
mod crash_help;
mod dead_guest;
mod docs;
mod first_boot;
mod gdb;
#[cfg(feature = "jtag")]
mod jtag;
mod jtag_door;
mod micropython;
mod soft_ap;
mod suite;
mod wifi;
mod wokwi;
mod wokwi_api;
mod wokwi_target;
