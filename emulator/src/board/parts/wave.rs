//! What a part makes of the pulses at its pin: their width, and how often they come.

use crate::time::{Duration, Instant};

/// Pulses between two levels.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wave {
    level: bool,
    /// When it last rose.
    rose: Option<Instant>,
    /// How long the last whole pulse was high.
    width: Option<Duration>,
    /// From the last but one rise to the last one.
    period: Option<Duration>,
}

impl Wave {
    /// The level has changed.
    pub(super) fn hear(&mut self, level: bool, now: Instant) {
        let since_rise = self.rose.map(|rose| now - rose);
        if level {
            self.period = since_rise;
            self.rose = Some(now);
        } else {
            self.width = since_rise;
        }
        self.level = level;
    }

    /// The width of the last whole pulse.
    pub(super) fn width(&self) -> Option<Duration> {
        self.width
    }

    /// The time from pulse to pulse, as long as they come: the next one may be late by one more.
    pub(super) fn period(&self, now: Instant) -> Option<Duration> {
        let period = self.period?;
        (now - self.rose? <= period * 2).then_some(period)
    }

    /// The share of time in which it is high, from 0 to 1.
    pub(super) fn duty(&self, now: Instant) -> f64 {
        match (self.period(now), self.width) {
            (Some(period), Some(width)) => width.ticks() as f64 / period.ticks().max(1) as f64,
            _ => f64::from(u8::from(self.level)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Instant {
        Instant::ZERO + Duration::from_micros(us)
    }

    #[test]
    fn pulses_have_a_width_a_period_and_an_end() {
        let mut wave = Wave::default();
        assert_eq!((wave.duty(at(0)), wave.period(at(0))), (0.0, None));
        for n in 1..=3 {
            wave.hear(true, at(1_000 * n));
            wave.hear(false, at(1_000 * n + 250));
        }
        assert_eq!(wave.width(), Some(Duration::from_micros(250)));
        assert_eq!(wave.period(at(3_900)), Some(Duration::from_millis(1)));
        assert_eq!(wave.duty(at(3_900)), 0.25);
        assert_eq!((wave.duty(at(5_001)), wave.period(at(5_001))), (0.0, None), "they have ended");
        wave.hear(true, at(9_000));
        assert_eq!(wave.duty(at(99_000)), 1.0);
    }
}
