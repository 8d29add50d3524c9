//! The board around the chip.

pub mod parts;
