//! Parts at the emulated board's pins.

use esp32_emulator::board::parts::potentiometer::Potentiometer;
use esp32_emulator::board::parts::pushbutton::Pushbutton;
use esp32_emulator::board::parts::resistor::Resistor;
use esp32_emulator::board::parts::slide_switch::SlideSwitch;
use esp32_emulator::board::{AnyPart, Fitting};

use super::pad;
use crate::targets::part::{Part, PartKind};
use crate::targets::{Level, TargetError};

/// A part as the emulator has it.
pub(super) fn made(part: &Part) -> Result<Fitting, TargetError> {
    let high = |level| level == Level::High;
    let made = match part.kind {
        PartKind::Pushbutton { to, bounces } => {
            AnyPart::Pushbutton(Pushbutton::new(high(to), bounces))
        }
        PartKind::SlideSwitch { first, last } => {
            AnyPart::SlideSwitch(SlideSwitch::new(first.map(high), last.map(high)))
        }
        PartKind::Potentiometer { position } => {
            AnyPart::Potentiometer(Potentiometer::new(position))
        }
        PartKind::Resistor { to } => AnyPart::Resistor(Resistor::new(high(to))),
    };
    Ok(Fitting { name: part.name.clone(), gpio: pad(part.gpio)?, part: made })
}
