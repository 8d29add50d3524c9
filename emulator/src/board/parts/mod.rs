//! Parts on a board, one file each: what a bus transaction or a pin level does to them, and what they
//! do to a pin.

pub mod auto_reset;
pub mod nor_flash;
pub mod potentiometer;
pub mod psram;
pub mod pushbutton;
pub mod resistor;
pub mod slide_switch;

use crate::time::Instant;

/// The supply of the board, in millivolts.
pub const SUPPLY_MV: u16 = 3300;

/// What a part does to a pad, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Drive {
    /// Nothing.
    #[default]
    None,
    /// A level through a resistor.
    Weak(bool),
    /// A voltage in millivolts.
    Voltage(u16),
    /// A level.
    Strong(bool),
}

impl Drive {
    /// The voltage in millivolts; 0 where there is none.
    pub fn millivolts(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Voltage(millivolts) => millivolts,
            Self::Weak(high) | Self::Strong(high) => {
                if high {
                    SUPPLY_MV
                } else {
                    0
                }
            }
        }
    }

    /// The level that an input of the chip makes of it; half of the supply decides.
    pub fn level(self) -> Option<bool> {
        (self != Self::None).then(|| self.millivolts() >= SUPPLY_MV / 2)
    }
}

/// A part that a person can move, at one pad of the chip.
pub trait Part {
    /// Moves a control; whether it has one of that name.
    fn set_control(&mut self, control: &str, value: f64, now: Instant) -> bool;

    /// What it does to its pad.
    fn drive(&self, now: Instant) -> Drive;

    /// When it will do something else by itself, after `now`.
    fn next_change(&self, _now: Instant) -> Option<Instant> {
        None
    }
}
