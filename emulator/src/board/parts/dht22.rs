//! DHT22 (AM2302): a sensor of temperature and humidity on a single wire.
//!
//! Source: Aosong, "AM2302 product manual", for the start signal, the 40 bits and their times.
//!
//! *Modelled*: the answer behind each start signal, with typical times, and the checksum; the pull-up
//! of its module.
//!
//! *Not modelled*: the two seconds that it wants between two measurements; that it tells the values
//! of the last one.

use super::{Drive, Part};
use crate::time::{Duration, Instant};

/// The shortest start signal.
const START: Duration = Duration::from_micros(800);
/// From the end of the start signal to the answer.
const PAUSE: u64 = 30;
/// Microseconds of low and of high: before the bits, and for a bit 0 and 1.
const RESPONSE: [u64; 2] = [80, 80];
const ZERO: [u64; 2] = [50, 26];
const ONE: [u64; 2] = [50, 70];
/// Low after the last bit.
const RELEASE: u64 = 50;

/// A sensor.
#[derive(Debug, Clone)]
pub struct Dht22 {
    /// Degrees Celsius.
    temperature: f64,
    /// Percent of relative humidity.
    humidity: f64,
    /// When somebody pulled the wire low.
    pulled: Option<Instant>,
    /// The instants at which it pulls the wire low and lets go of it again, by turns.
    answer: Vec<Instant>,
}

impl Default for Dht22 {
    /// A sensor in the air of a room.
    fn default() -> Self {
        Self { temperature: 24.0, humidity: 40.0, pulled: None, answer: Vec::new() }
    }
}

impl Dht22 {
    /// Tenths of percent, tenths of degrees with the sign in the highest bit, and their sum.
    fn bytes(&self) -> [u8; 5] {
        let tenths = |value: f64, top: f64| (value * 10.0).round().clamp(-top, top) as i16;
        let [h1, h0] = tenths(self.humidity.max(0.0), 1_000.0).to_be_bytes();
        let degrees = tenths(self.temperature, 800.0);
        let sign = u16::from(degrees < 0) << 15;
        let [t1, t0] = (degrees.unsigned_abs() | sign).to_be_bytes();
        let sum = [h0, t1, t0].into_iter().fold(h1, u8::wrapping_add);
        [h1, h0, t1, t0, sum]
    }

    fn answer_from(&self, start: Instant) -> Vec<Instant> {
        let bits = self.bytes().into_iter().flat_map(|byte| {
            (0..8).rev().map(move |n| if byte >> n & 1 == 0 { ZERO } else { ONE })
        });
        let mut now = start + Duration::from_micros(PAUSE);
        let spans = std::iter::once(RESPONSE).chain(bits).flatten().chain([RELEASE]);
        let mut instants = vec![now];
        for span in spans {
            now += Duration::from_micros(span);
            instants.push(now);
        }
        instants
    }
}

impl Part for Dht22 {
    fn set_control(&mut self, control: &str, value: f64, _now: Instant) -> bool {
        match control {
            "temperature" => self.temperature = value,
            "humidity" => self.humidity = value,
            _ => return false,
        }
        true
    }

    fn drive(&self, _pin: usize, now: Instant) -> Drive {
        let past = self.answer.partition_point(|instant| *instant <= now);
        if past % 2 == 1 { Drive::Strong(false) } else { Drive::Weak(true) }
    }

    fn next_change(&self, now: Instant) -> Option<Instant> {
        let past = self.answer.partition_point(|instant| *instant <= now);
        self.answer.get(past).copied()
    }

    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, _pin: usize, level: bool, now: Instant) {
        if self.answer.last().is_some_and(|end| now <= *end) {
            return;
        }
        match (level, self.pulled.take()) {
            (false, _) => self.pulled = Some(now),
            (true, Some(since)) if now - since >= START => self.answer = self.answer_from(now),
            (true, _) => {}
        }
    }

    fn power_off(&mut self) {
        self.pulled = None;
        self.answer.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Instant {
        Instant::ZERO + Duration::from_micros(us)
    }

    /// What a master reads: bytes, from the lengths of the high levels.
    fn measure(sensor: &mut Dht22, start: u64) -> Vec<u8> {
        sensor.hear(0, false, at(start));
        sensor.hear(0, true, at(start + 1_000));
        let (mut now, mut rose, mut bits) = (at(start + 1_000), None, Vec::new());
        while let Some(next) = sensor.next_change(now) {
            now = next;
            match sensor.drive(0, now) {
                Drive::Strong(false) => {
                    bits.extend(rose.map(|rose| now - rose > Duration::from_micros(50)));
                }
                _ => rose = Some(now),
            }
            sensor.hear(0, sensor.drive(0, now) != Drive::Strong(false), now);
        }
        // The first high level is the response.
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        bits[1..].chunks(8).map(byte).collect()
    }

    #[test]
    fn it_answers_with_the_example_of_the_manual() {
        let mut sensor = Dht22 { temperature: 35.1, humidity: 65.2, ..Dht22::default() };
        assert_eq!(measure(&mut sensor, 0), [0x02, 0x8c, 0x01, 0x5f, 0xee]);
        assert!(sensor.set_control("temperature", -10.1, at(0)));
        assert_eq!(measure(&mut sensor, 10_000), [0x02, 0x8c, 0x80, 0x65, 0x73]);
        assert!(sensor.set_control("humidity", f64::NAN, at(0)));
        assert_eq!(measure(&mut sensor, 20_000)[..2], [0, 0]);
        assert!(!sensor.set_control("pressure", 1.0, at(0)));
    }

    #[test]
    fn a_short_pulse_is_no_start_signal() {
        let mut sensor = Dht22::default();
        sensor.hear(0, false, at(0));
        sensor.hear(0, true, at(799));
        assert_eq!(
            (sensor.next_change(at(799)), sensor.drive(0, at(850))),
            (None, Drive::Weak(true))
        );
    }
}
