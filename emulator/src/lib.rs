//! An ESP32 as a library: two Xtensa LX6 cores, memories, flash and peripherals, in virtual time.
//!
//! The machine executes unmodified flash images from reset. It reads no clock, file, environment
//! variable or random number of the host: bytes, seed and surroundings come in as arguments, so
//! that two runs with equal inputs are equal in every guest-visible bit.
//!
//! Layers, lowest first; each knows only those before it:
//!
//! | module | knows |
//! |---|---|
//! | [`time`] | instants, durations and frequencies; nothing of the chip |
//! | [`radio`] | 802.11: access points and stations on the air; not the chip, not the wire behind them |
//! | [`net`] | the wired network behind the access points: Ethernet frames, hosts, HTTP frames; not the chip |
//! | [`cpu`] | Xtensa: instructions, registers, exceptions, interrupts; not that it is in an ESP32 |
//! | [`peripherals`] | one register block each; not the CPU, not its own address, not each other |
//! | [`image`] | file formats: ESP image, ELF, partition table; parsers only |
//! | [`rom`] | what the mask ROM does for firmware, provided natively |
//! | [`soc`] | wiring: addresses, interrupt sources, resets, the scheduler |
//! | [`board`] | the chip with its flash, straps, buttons and power |

pub mod board;
pub mod cpu;
pub mod image;
pub mod net;
pub mod peripherals;
pub mod radio;
pub mod rom;
pub mod soc;
pub mod time;
