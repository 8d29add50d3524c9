//! Device time: instants, durations and frequencies, all integers.
//!
//! The base tick is 1/480 MHz, which the main clocks of the ESP32 (240, 160, 80, 40 MHz) divide.
//! Conversions to slower or odd clocks go through 128-bit intermediates and state their rounding;
//! nothing here accumulates an error, because every conversion starts from an epoch.

use std::fmt;
use std::ops::{Add, AddAssign, Div, Sub};

/// Base ticks per second.
pub const TICKS_PER_SECOND: u64 = 480_000_000;

/// A point in device time: base ticks since the board was created. Lasts for 1 200 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Instant(u64);

/// A span of device time in base ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Duration(u64);

/// A frequency in whole hertz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hertz(u64);

impl Instant {
    /// The moment the board was created.
    pub const ZERO: Self = Self(0);
    /// Later than every event.
    pub const MAX: Self = Self(u64::MAX);

    /// An instant from base ticks.
    pub const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    /// Base ticks since [`Instant::ZERO`].
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// Time since [`Instant::ZERO`].
    pub const fn since_zero(self) -> Duration {
        Duration(self.0)
    }

    /// `self - earlier`, or zero when `earlier` is in fact later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// A duration from base ticks.
    pub const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    /// A duration from whole nanoseconds, rounded up to a base tick.
    pub const fn from_nanos(ns: u64) -> Self {
        Self(((ns as u128 * TICKS_PER_SECOND as u128).div_ceil(1_000_000_000)) as u64)
    }

    /// A duration from whole microseconds.
    pub const fn from_micros(us: u64) -> Self {
        Self(us * (TICKS_PER_SECOND / 1_000_000))
    }

    /// A duration from whole milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * (TICKS_PER_SECOND / 1_000))
    }

    /// A duration from whole seconds.
    pub const fn from_secs(s: u64) -> Self {
        Self(s * TICKS_PER_SECOND)
    }

    /// The time `count` periods of `clock` take, rounded up, so that a deadline is never early;
    /// saturating, because guests choose counts of 64 bits.
    pub const fn of_periods(count: u64, clock: Hertz) -> Self {
        let ticks = (count as u128 * TICKS_PER_SECOND as u128).div_ceil(clock.0 as u128);
        Self(if ticks > u64::MAX as u128 { u64::MAX } else { ticks as u64 })
    }

    /// Whole periods of `clock` in this duration, rounded down.
    pub const fn periods(self, clock: Hertz) -> u64 {
        (self.0 as u128 * clock.0 as u128 / TICKS_PER_SECOND as u128) as u64
    }

    /// Base ticks.
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// Whole nanoseconds, rounded down.
    pub const fn as_nanos(self) -> u64 {
        (self.0 as u128 * 1_000_000_000 / TICKS_PER_SECOND as u128) as u64
    }

    /// Whole microseconds, rounded down.
    pub const fn as_micros(self) -> u64 {
        self.0 / (TICKS_PER_SECOND / 1_000_000)
    }

    /// Whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / (TICKS_PER_SECOND / 1_000)
    }

    /// `self - other`, or zero.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Hertz {
    /// A frequency; `hz` must not be zero, because a stopped clock is not a frequency.
    pub const fn new(hz: u64) -> Self {
        assert!(hz > 0);
        Self(hz)
    }

    /// A frequency in megahertz.
    pub const fn mhz(mhz: u64) -> Self {
        Self::new(mhz * 1_000_000)
    }

    /// Whole hertz.
    pub const fn hz(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for Instant {
    type Output = Duration;
    /// Time never runs backwards; a negative span reads as zero.
    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::Mul<u64> for Duration {
    type Output = Self;
    fn mul(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl Div<u64> for Hertz {
    type Output = Self;
    /// A divided clock, in whole hertz rounded down, at least 1 Hz.
    fn div(self, n: u64) -> Self {
        Self((self.0 / n.max(1)).max(1))
    }
}

impl fmt::Display for Instant {
    /// Seconds with microseconds, `12.345678s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.since_zero().fmt(f)
    }
}

impl fmt::Display for Duration {
    /// Seconds with microseconds, `12.345678s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.as_micros();
        write!(f, "{}.{:06}s", us / 1_000_000, us % 1_000_000)
    }
}

impl fmt::Display for Hertz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000_000) {
            write!(f, "{} MHz", self.0 / 1_000_000)
        } else {
            write!(f, "{} Hz", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_in_a_slow_clock_is_never_early() {
        let rtc = Hertz::new(150_000);
        for n in [1, 2, 3, 7, 149_999, 1 << 40] {
            assert_eq!(Duration::of_periods(n, rtc).periods(rtc), n);
        }
    }

    #[test]
    fn main_clocks_divide_the_base_tick() {
        for mhz in [240, 160, 80, 40] {
            assert_eq!(Duration::of_periods(1, Hertz::mhz(mhz)).ticks(), 480 / mhz);
        }
    }
}
