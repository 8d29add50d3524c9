//! Parts that are wired to a board's pins, as targets are asked for them.

use super::Level;

/// A part at one pad of the chip.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What a person calls it; parts with controls have names of their own.
    pub name: String,
    /// GPIO number.
    pub gpio: u8,
    /// What it is.
    pub kind: PartKind,
}

/// What a part is, and what is at its other end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PartKind {
    /// A push-button, with the control `pressed`.
    Pushbutton {
        /// What it connects the pad with.
        to: Level,
        /// Whether its contact bounces.
        bounces: bool,
    },
    /// A slide switch with its middle contact at the pad, and the control `value`.
    SlideSwitch {
        /// What is at the contact of value 0.
        first: Option<Level>,
        /// What is at the contact of value 1.
        last: Option<Level>,
    },
    /// A potentiometer between ground and supply with its wiper at the pad, and the control `position`.
    Potentiometer {
        /// From 0, ground, to 1.
        position: f64,
    },
    /// A resistor.
    Resistor {
        /// What it pulls the pad to.
        to: Level,
    },
}
