//! The chip: wiring of cores, memories and peripherals, and the loop that runs them.
//!
//! Nothing here models a device. `devices` is the table of instances, `bus` the address map,
//! `clock` relates cycles to time, `esp32` holds the cores and decides who runs how long.

pub mod access_log;
mod bus;
mod clock;
pub mod debugger;
mod devices;
mod esp32;
mod guest_port;
mod jtag;
pub mod lockstep;
mod memory;
mod signals;
mod standing;

pub use esp32::{COMPILE_AFTER, ChipConfig, Esp32, Halt, RomChoice, Stopped};
pub use signals::Edge;
pub use standing::{Doing, Standing};
