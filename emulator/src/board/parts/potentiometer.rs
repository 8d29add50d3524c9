//! A potentiometer between ground and supply, its wiper at a pad.
//!
//! *Modelled*: the voltage of the wiper, which goes linearly with its position.
//!
//! *Not modelled*: its resistance, which an ADC of the ESP32 does not load; ends at other voltages.

use super::{Drive, Part, SUPPLY_MV};
use crate::time::Instant;

/// A potentiometer.
#[derive(Debug, Clone)]
pub struct Potentiometer {
    millivolts: u16,
}

impl Potentiometer {
    /// A potentiometer at that position, from 0 (ground) to 1 (supply).
    pub fn new(position: f64) -> Self {
        // What is no number is at ground, for `as` makes 0 of it.
        Self { millivolts: (position.clamp(0.0, 1.0) * f64::from(SUPPLY_MV)).round() as u16 }
    }
}

impl Part for Potentiometer {
    fn set_control(&mut self, control: &str, value: f64, _now: Instant) -> bool {
        if control == "position" {
            *self = Self::new(value);
        }
        control == "position"
    }

    fn drive(&self, _pin: usize, _now: Instant) -> Drive {
        Drive::Voltage(self.millivolts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_voltage_follows_its_position_and_stays_within_the_supply() {
        let mut potentiometer = Potentiometer::new(0.0);
        for (position, millivolts) in
            [(0.5, 1650), (1.0, 3300), (7.0, 3300), (-1.0, 0), (f64::NAN, 0), (0.1, 330)]
        {
            assert!(potentiometer.set_control("position", position, Instant::ZERO));
            assert_eq!(potentiometer.drive(0, Instant::ZERO), Drive::Voltage(millivolts));
        }
    }
}
