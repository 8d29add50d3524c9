//! The air: 802.11 frames and what protects them.
//!
//! Source: IEEE Std 802.11-2020; each file names its chapters.
//! Modelled: formats of frames and elements, and WPA2-Personal.
//! Not modelled: anybody who sends them.

pub mod elements;
pub mod frame;
mod mac_address;
pub mod wpa2;

pub use mac_address::{MacAddress, MacAddressError};
