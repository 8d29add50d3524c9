//! A hobby servo: the width of a pulse says where its horn goes.
//!
//! Source: the limits of the Arduino library "Servo", 544 us for 0 degrees and 2400 us for 180, which
//! programs for such servos assume.
//!
//! *Modelled*: the angle that the last pulse asks for; hard stops at both ends.
//!
//! *Not modelled*: the time that the horn takes; that it lets go when no pulses come.

use super::wave::Wave;
use super::{Part, Shown};
use crate::time::{Duration, Instant};

const FIRST: Duration = Duration::from_micros(544);
const LAST: Duration = Duration::from_micros(2_400);
const RANGE: f64 = 180.0;

/// A servo.
#[derive(Debug, Clone, Default)]
pub struct Servo {
    wave: Wave,
}

impl Part for Servo {
    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, _pin: usize, level: bool, now: Instant) {
        self.wave.hear(level, now);
    }

    /// The `angle` in degrees; the horn is at 0 until the first pulse.
    fn shown(&self, what: &str, _now: Instant) -> Option<Shown> {
        let beyond = self.wave.width().map_or(Duration::ZERO, |width| width.saturating_sub(FIRST));
        let share = beyond.ticks() as f64 / LAST.saturating_sub(FIRST).ticks() as f64;
        (what == "angle").then_some(Shown::Number(share.min(1.0) * RANGE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_horn_follows_the_width_of_pulses_up_to_its_stops() {
        let mut servo = Servo::default();
        let mut now = Instant::ZERO;
        for (us, angle) in [(1_472, 90.0), (544, 0.0), (100, 0.0), (2_400, 180.0), (9_000, 180.0)] {
            now += Duration::from_millis(20);
            servo.hear(0, true, now);
            servo.hear(0, false, now + Duration::from_micros(us));
            assert_eq!(servo.shown("angle", now), Some(Shown::Number(angle)), "{us} us");
        }
    }
}
