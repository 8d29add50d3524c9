//! How the modem lines of a serial adapter reach EN and GPIO0.
//!
//! An adapter drives its DTR and RTS outputs low while the program on the computer *asserts* them.
//! With two transistors each line can pull down only while the other one does not: a terminal
//! program that asserts both leaves the board alone. Between two changes of the lines there is
//! always a moment at which both or none are asserted, and the chip would start there if EN followed
//! at once; the capacitor at EN hides it. That is what the tools rely on, and where boards with too
//! small a capacitor fail.
//!
//! Sources: ESP32-DevKitC V4 schematic, "auto program"; esptool documentation, "Boot Mode Selection",
//! for the sequence; ESP Hardware Design Guidelines, "Power-up and reset timing", for 10 kΩ and 1 µF
//! at EN.

use crate::time::Duration;

/// From the moment at which nobody pulls EN down any more to that at which the chip starts: the
/// voltage behind 10 kΩ and 1 µF has come to three quarters of the supply, V_IH of the data sheet
/// ("DC Characteristics"), after `RC · ln 4`.
pub const EN_RISE: Duration = Duration::from_micros(13_863);

/// What the program on the computer asserts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModemLines {
    /// Data Terminal Ready.
    pub dtr: bool,
    /// Request To Send.
    pub rts: bool,
}

/// How the lines are wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModemWiring {
    /// Not at all: only the button and the jumper work.
    None,
    /// Over two transistors: RTS alone pulls EN down, DTR alone GPIO0.
    TwoTransistors,
    /// RTS to EN and DTR to GPIO0.
    Straight,
}

/// Pins that are pulled down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulls {
    /// The chip is held in reset.
    pub en: bool,
    /// The strap for a download.
    pub gpio0: bool,
}

impl ModemWiring {
    /// What the lines do to the pins.
    pub fn pulls(self, lines: ModemLines) -> Pulls {
        let ModemLines { dtr, rts } = lines;
        match self {
            Self::None => Pulls::default(),
            Self::TwoTransistors => Pulls { en: rts && !dtr, gpio0: dtr && !rts },
            Self::Straight => Pulls { en: rts, gpio0: dtr },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_transistors_leave_the_board_alone_unless_one_line_is_asserted_alone() {
        let pulls = |dtr, rts| ModemWiring::TwoTransistors.pulls(ModemLines { dtr, rts });
        assert_eq!(pulls(false, false), Pulls::default());
        assert_eq!(pulls(true, true), Pulls::default());
        assert_eq!(pulls(false, true), Pulls { en: true, gpio0: false });
        assert_eq!(pulls(true, false), Pulls { en: false, gpio0: true });
    }
}
