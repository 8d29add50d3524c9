//! Device time as the harness counts it: whole nanoseconds, whatever the target's own clock is.
//!
//! Targets convert; a conversion rounds an observed time down and a deadline up, so that nothing
//! is ever cut short.

use std::fmt;
use std::ops::{Add, Sub};

use schemars::JsonSchema;
use serde::Serialize;

/// A moment in the device time of one case, in nanoseconds since the target was made.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, JsonSchema,
)]
#[serde(transparent)]
pub struct DeviceTime(u64);

/// A span of device time in nanoseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Span(u64);

impl DeviceTime {
    /// When the target was made.
    pub const ZERO: Self = Self(0);
    /// Later than everything.
    pub const MAX: Self = Self(u64::MAX);

    /// A moment from nanoseconds since [`DeviceTime::ZERO`].
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since [`DeviceTime::ZERO`].
    pub const fn nanos(self) -> u64 {
        self.0
    }
}

impl Span {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// A span from nanoseconds.
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// A span from microseconds; saturates.
    pub const fn from_micros(us: u64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// A span from milliseconds; saturates.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// A span from seconds; saturates.
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }
}

impl Add<Span> for DeviceTime {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for DeviceTime {
    type Output = Span;
    /// Device time never runs backwards; a negative span reads as zero.
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for DeviceTime {
    /// Seconds with microseconds, as in `12.345678s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0 / 1_000;
        write!(f, "{}.{:06}s", us / 1_000_000, us % 1_000_000)
    }
}

impl fmt::Display for Span {
    /// The shortest exact form with a unit, as in `250ms` or `1.5s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] =
            [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
        let (unit, size) =
            UNITS.into_iter().find(|(_, size)| self.0 >= *size).unwrap_or(("s", 1_000_000_000));
        let (whole, rest) = (self.0 / size, self.0 % size);
        if rest == 0 {
            return write!(f, "{whole}{unit}");
        }
        let width = size.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        write!(f, "{whole}.{}{unit}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_print_in_the_unit_a_person_would_choose() {
        let shown = |ns| Span::from_nanos(ns).to_string();
        assert_eq!(shown(0), "0s");
        assert_eq!(shown(1_500_000_000), "1.5s");
        assert_eq!(shown(250_000_000), "250ms");
        assert_eq!(shown(1_000_001), "1.000001ms");
        assert_eq!(shown(7), "7ns");
    }

    #[test]
    fn adding_to_the_end_of_time_stays_there() {
        assert_eq!(DeviceTime::MAX + Span::from_secs(1), DeviceTime::MAX);
    }
}
