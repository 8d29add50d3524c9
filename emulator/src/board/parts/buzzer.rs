//! A piezo buzzer without an oscillator of its own, between a pad and ground.
//!
//! *Modelled*: the frequency of what it is driven with.
//!
//! *Not modelled*: how loud it is; its resonance.

use super::wave::Wave;
use super::{Part, Shown};
use crate::time::{Duration, Instant};

/// A buzzer.
#[derive(Debug, Clone, Default)]
pub struct Buzzer {
    wave: Wave,
}

impl Part for Buzzer {
    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, _pin: usize, level: bool, now: Instant) {
        self.wave.hear(level, now);
    }

    /// The `frequency` in hertz, 0 while it is silent.
    fn shown(&self, what: &str, now: Instant) -> Option<Shown> {
        let second = Duration::from_secs(1).ticks() as f64;
        let frequency = |period: Duration| second / period.ticks().max(1) as f64;
        let heard = self.wave.period(now).map_or(0.0, frequency);
        (what == "frequency").then_some(Shown::Number(heard))
    }

    fn power_off(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sounds_as_often_as_it_is_driven_and_falls_silent() {
        let mut buzzer = Buzzer::default();
        let at = |us| Instant::ZERO + Duration::from_micros(us);
        for n in 0..4 {
            buzzer.hear(0, true, at(2_500 * n));
            buzzer.hear(0, false, at(2_500 * n + 1_250));
        }
        assert_eq!(buzzer.shown("frequency", at(9_000)), Some(Shown::Number(400.0)));
        assert_eq!(buzzer.shown("frequency", at(90_000)), Some(Shown::Number(0.0)));
    }
}
