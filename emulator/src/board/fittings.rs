//! Parts that somebody has wired to the pads of the chip.

use super::parts::potentiometer::Potentiometer;
use super::parts::pushbutton::Pushbutton;
use super::parts::resistor::Resistor;
use super::parts::slide_switch::SlideSwitch;
use super::parts::{Drive, Part};
use crate::time::Instant;

/// A part of any kind.
#[derive(Debug, Clone)]
pub enum AnyPart {
    /// A push-button.
    Pushbutton(Pushbutton),
    /// A slide switch.
    SlideSwitch(SlideSwitch),
    /// A potentiometer.
    Potentiometer(Potentiometer),
    /// A pull-up or pull-down.
    Resistor(Resistor),
}

impl AnyPart {
    fn part(&self) -> &dyn Part {
        match self {
            Self::Pushbutton(part) => part,
            Self::SlideSwitch(part) => part,
            Self::Potentiometer(part) => part,
            Self::Resistor(part) => part,
        }
    }

    fn part_mut(&mut self) -> &mut dyn Part {
        match self {
            Self::Pushbutton(part) => part,
            Self::SlideSwitch(part) => part,
            Self::Potentiometer(part) => part,
            Self::Resistor(part) => part,
        }
    }
}

/// A part with its name, and the pad that it is wired to.
#[derive(Debug, Clone)]
pub struct Fitting {
    /// What a person calls it.
    pub name: String,
    /// GPIO number.
    pub gpio: u8,
    /// What it is.
    pub part: AnyPart,
}

/// Why a control is not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoControl {
    /// There is no part of that name.
    Part,
    /// The part has no such control.
    Control,
}

/// All parts of a board.
#[derive(Debug, Clone, Default)]
pub(super) struct Fittings(Vec<Fitting>);

impl Fittings {
    pub(super) fn add(&mut self, fitting: Fitting) {
        self.0.push(fitting);
    }

    /// Moves a control of all parts of that name; the pads that they are at.
    pub(super) fn set_control(
        &mut self,
        name: &str,
        control: &str,
        value: f64,
        now: Instant,
    ) -> Result<Vec<u8>, NoControl> {
        let (mut pads, mut found) = (Vec::new(), false);
        for fitting in self.0.iter_mut().filter(|fitting| fitting.name == name) {
            found = true;
            if fitting.part.part_mut().set_control(control, value, now) {
                pads.push(fitting.gpio);
            }
        }
        match (found, pads.is_empty()) {
            (false, _) => Err(NoControl::Part),
            (true, true) => Err(NoControl::Control),
            (true, false) => Ok(pads),
        }
    }

    /// The strongest of what they do to a pad.
    pub(super) fn drive(&self, gpio: u8, now: Instant) -> Drive {
        let at_pad = self.0.iter().filter(|fitting| fitting.gpio == gpio);
        // Of two strong ones that disagree, ground wins, as it does for buttons.
        let strength = |drive: Drive| match drive {
            Drive::Strong(high) => (3, !high),
            Drive::Voltage(_) => (2, false),
            Drive::Weak(_) => (1, false),
            Drive::None => (0, false),
        };
        at_pad
            .map(|fitting| fitting.part.part().drive(now))
            .max_by_key(|drive| strength(*drive))
            .unwrap_or_default()
    }

    /// When one of them does something by itself, after `now`.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        self.0.iter().filter_map(|fitting| fitting.part.part().next_change(now)).min()
    }

    /// The pads that they are at.
    pub(super) fn pads(&self) -> Vec<u8> {
        self.0.iter().map(|fitting| fitting.gpio).collect()
    }
}
