//! The air: virtual 802.11 access points in device time, and the stations' way to the wire behind
//! them.
//!
//! Source: IEEE Std 802.11-2020; each file names its chapters.
//! Modelled: networks of the 2.4 GHz band as a radio without HT meets them: open and WPA2-Personal,
//! hidden, several with one name; what they do wrong when told to.
//! Not modelled: what the files list, above all SAE, HT, and frames that are lost by chance.
//!
//! Nothing here knows the chip. A radio (the chip's MAC, [`Air::add_radio`]) tunes [`Air`] with [`Air::listen`], sends
//! with [`Air::transmit`] and takes what it hears with [`Air::take_frame`]; a network takes Ethernet
//! frames with [`Air::take_ethernet`] and answers with [`Air::send_ethernet`]. There is no clock and
//! no randomness but the seed's, and a clone is a saved state. If the board is an access point
//! itself, virtual stations join it ([`Air::add_station`]), each with a host behind it.
//!
//! | module | holds |
//! |---|---|
//! | [`frame`], [`elements`] | octets of 802.11 frames |
//! | [`wpa2`] | keys and handshakes, both sides |
//! | `access_point` | one access point, and what it knows of its stations |
//! | `station` | a virtual station, for boards that are access points themselves |
//! | `air` | the medium, the bridge to the wire, and what is told to access points |

mod access_point;
mod air;
mod config;
pub mod elements;
mod ethernet;
mod event;
pub mod frame;
mod mac_address;
mod rate;
mod receipts;
mod station;
mod transmitter;
pub mod wpa2;

pub use access_point::{
    BEACON_INTERVAL, HANDSHAKE_DELAY, MAX_STATIONS, RESPONSE_DELAY, SILENCE_LIMIT, Standing,
};
pub use air::{Air, ApId, MAX_ETHERNET, MAX_ON_AIR, Outcome, RadioId, StationId};
pub use config::{
    AccessPointConfig, ChannelMove, ConfigError, Farewell, Misbehaviour, Security, Visibility, Whom,
};
pub use event::{AirEvent, AirEventKind, Departure, DropCause, MAX_EVENTS, Request};
pub use frame::{Reason, Status};
pub use mac_address::{MacAddress, MacAddressError};
pub use rate::Rate;
pub use station::StationConfig;
pub use transmitter::{MAX_QUEUE, OnAir};

#[cfg(test)]
mod tests;
