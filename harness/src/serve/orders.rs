//! What a served board can be asked over its control socket, and what it says to that.

use serde::{Deserialize, Serialize};

use crate::targets::Disturbance;
use crate::targets::wiring_fault::WiringFault;

/// What can be asked of a served board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "order")]
pub enum Order {
    /// Hold a button down for so long, in nanoseconds of device time, and let it go.
    Press {
        /// `reset`, or a button of the board's profile.
        button: String,
        /// How long.
        for_ns: u64,
    },
    /// Hold a button down, or let go of it.
    Hold {
        /// `reset`, or a button of the board's profile.
        button: String,
        /// Whether it is held.
        down: bool,
    },
    /// Move the boot jumper.
    BootMode {
        /// Whether it pulls GPIO0 down.
        download: bool,
    },
    /// Switch the power.
    Power {
        /// On or off.
        on: bool,
    },
    /// Look at the level of a pin.
    Pin {
        /// GPIO number.
        gpio: u8,
    },
    /// Put a level on a pin.
    Drive {
        /// GPIO number.
        gpio: u8,
        /// High or low; nothing lets go of it.
        high: Option<bool>,
    },
    /// Keep the changes of a pin from now on.
    Watch {
        /// GPIO number.
        gpio: u8,
    },
    /// Take the changes of watched pins that have been kept, in their order.
    Edges,
    /// Read the whole flash.
    Flash,
    /// Change bytes of the flash from outside, whatever the chip is doing.
    Load {
        /// Flash address.
        offset: u32,
        /// The bytes, in Base64.
        bytes: String,
    },
    /// Let something go wrong.
    Disturb {
        /// What.
        what: Disturbance,
    },
    /// Put the wires between adapter and board into a state.
    Wires {
        /// What is wrong with them; nothing: all are whole.
        faults: Vec<WiringFault>,
    },
    /// Only answer.
    Status,
}

/// The first line of a client where a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    /// The token.
    pub token: String,
}

/// A change of a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// GPIO number.
    pub gpio: u8,
    /// When, in nanoseconds of device time since the board was made.
    pub at_ns: u64,
    /// Its level since then.
    pub high: bool,
}

/// What a served board says to an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Device time, in nanoseconds since the board was made.
    pub device_time_ns: u64,
    /// Whether the board has power.
    pub powered: bool,
    /// The process that serves it.
    pub host_process: u32,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The level of the pin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<bool>,
    /// Changes of watched pins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Edge>,
    /// The flash, in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash: Option<String>,
}
