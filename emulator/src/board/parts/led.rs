//! A light-emitting diode at a pad, the other end at a level.
//!
//! *Modelled*: whether it is lit, and how brightly on the average of a PWM.
//!
//! *Not modelled*: its current, and hence its resistor; a diode between two pads.

use super::wave::Wave;
use super::{Part, Shown};
use crate::time::Instant;

/// A lamp.
#[derive(Debug, Clone)]
pub struct Led {
    /// The level of the pad that lights it.
    lit: bool,
    wave: Wave,
}

impl Led {
    /// A lamp that is lit while its pad has that level.
    pub fn new(lit: bool) -> Self {
        Self { lit, wave: Wave::default() }
    }
}

impl Part for Led {
    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, _pin: usize, level: bool, now: Instant) {
        self.wave.hear(level, now);
    }

    fn shown(&self, what: &str, now: Instant) -> Option<Shown> {
        let duty = self.wave.duty(now);
        let brightness = if self.lit { duty } else { 1.0 - duty };
        (what == "brightness").then_some(Shown::Number(brightness))
    }

    fn power_off(&mut self) {
        // A pad without power is low, and the supply at the other end is gone as well.
        self.wave = Wave::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    #[test]
    fn a_lamp_at_the_supply_is_lit_while_its_pad_is_low() {
        let now = Instant::ZERO + Duration::from_secs(1);
        for (lit, expected) in [(true, [1.0, 0.0]), (false, [0.0, 1.0])] {
            let mut led = Led::new(lit);
            let shown = [true, false].map(|level| {
                led.hear(0, level, now);
                led.shown("brightness", now + Duration::from_secs(1))
            });
            assert_eq!(shown, expected.map(|value| Some(Shown::Number(value))));
            assert_eq!(led.shown("colour", now), None);
        }
    }
}
