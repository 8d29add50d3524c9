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

/// Wires on the way from the adapter to EN and GPIO0 that are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CutWires {
    /// From the adapter's DTR.
    pub dtr: bool,
    /// From the adapter's RTS.
    pub rts: bool,
    /// To EN. The button is on the other side of the cut.
    pub en: bool,
    /// To GPIO0. So are the jumper and a button there.
    pub gpio0: bool,
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
    ///
    /// An end of a wire that hangs in the air pulls nothing down by itself. Of the two transistors it
    /// takes both out: each has its base at one line and its emitter at the other, so that without
    /// either line no current flows through either of them.
    pub fn pulls(self, lines: ModemLines, cut: CutWires) -> Pulls {
        let ModemLines { dtr, rts } = lines;
        let pulls = match self {
            Self::None => Pulls::default(),
            Self::TwoTransistors if cut.dtr || cut.rts => Pulls::default(),
            Self::TwoTransistors => Pulls { en: rts && !dtr, gpio0: dtr && !rts },
            Self::Straight => Pulls { en: rts && !cut.rts, gpio0: dtr && !cut.dtr },
        };
        Pulls { en: pulls.en && !cut.en, gpio0: pulls.gpio0 && !cut.gpio0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: CutWires = CutWires { dtr: false, rts: false, en: false, gpio0: false };
    const DTR: ModemLines = ModemLines { dtr: true, rts: false };
    const RTS: ModemLines = ModemLines { dtr: false, rts: true };

    #[test]
    fn two_transistors_leave_the_board_alone_unless_one_line_is_asserted_alone() {
        let pulls = |dtr, rts| ModemWiring::TwoTransistors.pulls(ModemLines { dtr, rts }, WHOLE);
        assert_eq!(pulls(false, false), Pulls::default());
        assert_eq!(pulls(true, true), Pulls::default());
        assert_eq!(pulls(false, true), Pulls { en: true, gpio0: false });
        assert_eq!(pulls(true, false), Pulls { en: false, gpio0: true });
    }

    /// Which pins DTR alone and RTS alone still pull down: those of EN and GPIO0.
    fn reached(wiring: ModemWiring, cut: CutWires) -> (bool, bool) {
        let (dtr, rts) = (wiring.pulls(DTR, cut), wiring.pulls(RTS, cut));
        assert!(!dtr.en && !rts.gpio0, "no cut connects anything");
        (rts.en, dtr.gpio0)
    }

    #[test]
    fn a_cut_behind_the_circuit_takes_out_one_pin() {
        for wiring in [ModemWiring::TwoTransistors, ModemWiring::Straight] {
            assert_eq!(reached(wiring, WHOLE), (true, true));
            assert_eq!(reached(wiring, CutWires { en: true, ..WHOLE }), (false, true));
            assert_eq!(reached(wiring, CutWires { gpio0: true, ..WHOLE }), (true, false));
        }
    }

    #[test]
    fn a_cut_before_two_transistors_takes_out_both_pins_and_before_straight_wires_one() {
        let (dtr, rts) = (CutWires { dtr: true, ..WHOLE }, CutWires { rts: true, ..WHOLE });
        assert_eq!(reached(ModemWiring::TwoTransistors, dtr), (false, false));
        assert_eq!(reached(ModemWiring::TwoTransistors, rts), (false, false));
        assert_eq!(reached(ModemWiring::Straight, dtr), (true, false));
        assert_eq!(reached(ModemWiring::Straight, rts), (false, true));
    }
}
