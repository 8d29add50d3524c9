//! Parts on a board, one file each: what a bus transaction or a pin level does to them.

pub mod auto_reset;
pub mod nor_flash;
pub mod psram;
