//! HC-SR04: an ultrasonic distance sensor.
//!
//! Source: ElecFreaks, "Ultrasonic Ranging Module HC - SR04", for the trigger of at least 10 us, the
//! burst of eight cycles at 40 kHz, the range of 2 to 400 cm, and 58 us of echo for each centimetre;
//! 38 ms of echo where nothing comes back.
//!
//! *Modelled*: the echo behind each trigger, and that a trigger during a measurement is ignored.
//!
//! *Not modelled*: the cone of sound, several echoes, the temperature of the air.

use super::{Drive, Part};
use crate::time::{Duration, Instant};

const TRIG: usize = 0;
const ECHO: usize = 1;

/// What 10 us are by a clock that ticks once in a microsecond.
const SHORTEST_TRIGGER: Duration = Duration::from_micros(9);
/// Eight cycles at 40 kHz.
const BURST: Duration = Duration::from_micros(200);
const NOTHING_COMES_BACK: Duration = Duration::from_millis(38);
/// Centimetres.
const RANGE: std::ops::RangeInclusive<f64> = 2.0..=400.0;

/// A sensor.
#[derive(Debug, Clone)]
pub struct HcSr04 {
    /// How far something is away, in centimetres.
    distance: f64,
    /// When TRIG rose.
    triggered: Option<Instant>,
    /// The last echo, from when to when.
    echo: Option<(Instant, Instant)>,
}

impl Default for HcSr04 {
    /// A sensor with nothing nearer than its range.
    fn default() -> Self {
        Self { distance: *RANGE.end(), triggered: None, echo: None }
    }
}

impl HcSr04 {
    fn echo_time(&self) -> Duration {
        if RANGE.contains(&self.distance) {
            Duration::from_nanos((self.distance * 58_000.0) as u64)
        } else {
            NOTHING_COMES_BACK
        }
    }
}

impl Part for HcSr04 {
    fn set_control(&mut self, control: &str, value: f64, _now: Instant) -> bool {
        if control == "distance" {
            self.distance = value;
        }
        control == "distance"
    }

    fn drive(&self, pin: usize, now: Instant) -> Drive {
        match pin {
            ECHO => {
                let sounds = |(from, to): (Instant, Instant)| (from..to).contains(&now);
                Drive::Strong(self.echo.is_some_and(sounds))
            }
            _ => Drive::None,
        }
    }

    fn next_change(&self, now: Instant) -> Option<Instant> {
        let (from, to) = self.echo?;
        [from, to].into_iter().find(|instant| *instant > now)
    }

    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, pin: usize, level: bool, now: Instant) {
        let is_busy = self.echo.is_some_and(|(_, to)| now < to);
        if pin != TRIG || is_busy {
            return;
        }
        if level {
            self.triggered = Some(now);
        } else if let Some(since) = self.triggered.take()
            && now - since >= SHORTEST_TRIGGER
        {
            let from = now + BURST;
            self.echo = Some((from, from + self.echo_time()));
        }
    }

    fn power_off(&mut self) {
        (self.triggered, self.echo) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Instant {
        Instant::ZERO + Duration::from_micros(us)
    }

    /// The echo behind a trigger of that length: when it begins and ends.
    fn echo(sensor: &mut HcSr04, start: u64, trigger: u64) -> Option<[u64; 2]> {
        sensor.hear(TRIG, true, at(start));
        sensor.hear(TRIG, false, at(start + trigger));
        let from = sensor.next_change(at(start + trigger))?;
        let to = sensor.next_change(from)?;
        assert_eq!(sensor.drive(ECHO, from), Drive::Strong(true));
        assert_eq!(sensor.drive(ECHO, to), Drive::Strong(false));
        Some([from, to].map(|instant| instant.since_zero().as_micros()))
    }

    #[test]
    fn the_echo_is_as_long_as_the_way() {
        let mut sensor = HcSr04 { distance: 100.0, ..HcSr04::default() };
        assert_eq!(echo(&mut sensor, 0, 10), Some([210, 6_010]));
        assert!(sensor.set_control("distance", 10.0, at(0)));
        assert_eq!(echo(&mut sensor, 10_000, 12), Some([10_212, 10_792]));
        assert!(sensor.set_control("distance", 1_000.0, at(0)));
        assert_eq!(echo(&mut sensor, 20_000, 10), Some([20_210, 58_210]), "nothing comes back");
    }

    #[test]
    fn a_short_trigger_and_one_during_a_measurement_are_ignored() {
        let mut sensor = HcSr04 { distance: 100.0, ..HcSr04::default() };
        assert_eq!(echo(&mut sensor, 0, 8), None);
        assert_eq!(echo(&mut sensor, 100, 10), Some([310, 6_110]));
        sensor.hear(TRIG, true, at(1_000));
        sensor.hear(TRIG, false, at(1_020));
        assert_eq!(sensor.next_change(at(1_020)), Some(at(6_110)));
    }
}
