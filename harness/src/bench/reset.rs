//! Resetting over the modem lines: explicit sequences for each wiring.
//!
//! The circuits are those of [`auto_reset`](esp32_emulator::board::parts::auto_reset), which says why
//! the moments between two changes do no harm. Sequences and times are those that esptool's
//! documentation gives under "Boot Mode Selection", except that GPIO0 is held until the chip has
//! certainly started: the capacitor at EN needs 14 ms on a board by the guidelines, and more on
//! some.

use std::time::Duration;

use serde::Deserialize;

use super::adapters::ModemLines;
use crate::targets::BootMode;

/// How a board of the bench is reset, as bench.toml says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ResetWiring {
    /// DTR and RTS over two transistors, as on most boards with a USB socket.
    TwoTransistors,
    /// RTS to EN and DTR to GPIO0.
    Straight,
    /// Nobody but a person with a finger; jumper and button are asked for.
    Operator,
    /// By switching the power off and on; the boot mode cannot be chosen.
    Power,
    /// By the control socket of a served board: its button and its jumper.
    Ctl(String),
    /// Not at all.
    None,
}

impl TryFrom<String> for ResetWiring {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "two-transistors" => Ok(Self::TwoTransistors),
            "straight" => Ok(Self::Straight),
            "operator" => Ok(Self::Operator),
            "power" => Ok(Self::Power),
            "none" => Ok(Self::None),
            _ => match text.strip_prefix("ctl:") {
                Some(name) if !name.is_empty() => Ok(Self::Ctl(name.to_owned())),
                _ => Err(format!(
                    "`{text}` is no way to reset a board: write `two-transistors`, `straight`, \
                     `operator`, `power`, `ctl:NAME` or `none`"
                )),
            },
        }
    }
}

/// A state of the modem lines, and for how long.
pub type Move = (ModemLines, Duration);

/// What the modem lines do for a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// The chip is held in reset.
    pub press: ModemLines,
    /// From letting go of EN to both lines at rest.
    pub release: &'static [Move],
}

const fn lines(dtr: bool, rts: bool) -> ModemLines {
    ModemLines { dtr, rts }
}

/// Until the chip has certainly sampled its straps.
const SAMPLED: Duration = Duration::from_millis(100);
const AT_REST: Move = (lines(false, false), Duration::ZERO);
/// Only GPIO0 is pulled down, on either wiring.
pub const STRAP: ModemLines = lines(true, false);

impl ResetWiring {
    /// How the modem lines reset a board of this wiring, if they do.
    pub fn sequence(&self, mode: BootMode) -> Option<Sequence> {
        let press = match (self, mode) {
            (Self::TwoTransistors, _) | (Self::Straight, BootMode::Run) => lines(false, true),
            (Self::Straight, BootMode::Download) => lines(true, true),
            _ => return None,
        };
        let release: &[Move] = match mode {
            BootMode::Run => &[AT_REST],
            BootMode::Download => &[(STRAP, SAMPLED), AT_REST],
        };
        Some(Sequence { press, release })
    }

    /// Whether the boot mode can be chosen.
    pub fn has_strap(&self) -> bool {
        !matches!(self, Self::Power | Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esp32_emulator::board::parts::auto_reset::{CutWires, ModemWiring, Pulls};

    /// What the pins see of a sequence, over the modelled circuit.
    fn pulls(wiring: &ResetWiring, circuit: ModemWiring, mode: BootMode) -> Vec<Pulls> {
        let sequence = wiring.sequence(mode).expect("it has one");
        let released = sequence.release.iter().map(|(lines, _)| *lines);
        std::iter::once(sequence.press)
            .chain(released)
            .map(|lines| circuit.pulls(lines, CutWires::default()))
            .collect()
    }

    #[test]
    fn each_wiring_has_the_sequence_that_its_circuit_needs() {
        let (held, strapped) = (Pulls { en: true, gpio0: false }, Pulls { en: false, gpio0: true });
        let two = (ResetWiring::TwoTransistors, ModemWiring::TwoTransistors);
        let straight = (ResetWiring::Straight, ModemWiring::Straight);
        for (wiring, circuit) in [two.clone(), straight.clone()] {
            assert_eq!(pulls(&wiring, circuit, BootMode::Run), [held, Pulls::default()]);
        }
        let seen = pulls(&two.0, two.1, BootMode::Download);
        assert_eq!(seen, [held, strapped, Pulls::default()]);
        // Here the strap can be low all the time.
        let seen = pulls(&straight.0, straight.1, BootMode::Download);
        assert_eq!(seen, [Pulls { en: true, gpio0: true }, strapped, Pulls::default()]);
    }

    #[test]
    fn ways_to_reset_are_read_as_written() {
        let read = |text: &str| ResetWiring::try_from(text.to_owned());
        assert_eq!(read("straight"), Ok(ResetWiring::Straight));
        assert_eq!(read("ctl:desk"), Ok(ResetWiring::Ctl("desk".to_owned())));
        for wrong in ["", "ctl:", "classic", "dtr"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("power").is_ok_and(|wiring| wiring.sequence(BootMode::Run).is_none()));
    }
}
