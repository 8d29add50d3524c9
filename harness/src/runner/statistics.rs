//! What several measurements of the same thing come to, in whole nanoseconds.
//!
//! Percentiles are those of the *nearest rank*: the p-th percentile of n samples is the smallest of
//! them that at least p in a hundred do not exceed, so it is always a value that was measured. The
//! median is the middle sample, or the mean of the two middle ones. Means are rounded down.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::time::Span;

/// A way to condense samples into one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The smallest sample.
    Min,
    /// The sum by the number of samples.
    Mean,
    /// The middle sample.
    Median,
    /// The 90th percentile.
    P90,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
    /// The largest sample.
    Max,
}

impl Statistic {
    /// All of them with their names, in the order a person reads them.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("min", Self::Min),
        ("mean", Self::Mean),
        ("median", Self::Median),
        ("p90", Self::P90),
        ("p95", Self::P95),
        ("p99", Self::P99),
        ("max", Self::Max),
    ];
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, statistic)| statistic == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// Every figure of a set of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Statistics {
    min: Span,
    mean: Span,
    median: Span,
    p90: Span,
    p95: Span,
    p99: Span,
    max: Span,
}

impl Statistics {
    /// The figures of at least one sample.
    pub fn of(samples: &[Span]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let count = sorted.len();
        let mean = |samples: &[Span]| {
            let sum: u128 = samples.iter().map(|span| u128::from(span.nanos())).sum();
            // A mean lies between its samples, so it fits.
            Span::from_nanos((sum / samples.len() as u128) as u64)
        };
        let percentile = |p: usize| sorted[(count * p).div_ceil(100).clamp(1, count) - 1];
        Some(Self {
            min,
            mean: mean(&sorted),
            median: mean(&sorted[(count - 1) / 2..=count / 2]),
            p90: percentile(90),
            p95: percentile(95),
            p99: percentile(99),
            max,
        })
    }

    /// One of them.
    pub fn get(&self, which: Statistic) -> Span {
        match which {
            Statistic::Min => self.min,
            Statistic::Mean => self.mean,
            Statistic::Median => self.median,
            Statistic::P90 => self.p90,
            Statistic::P95 => self.p95,
            Statistic::P99 => self.p99,
            Statistic::Max => self.max,
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, which)) in Statistic::NAMES.into_iter().enumerate() {
            write!(f, "{}{name} {}", if n == 0 { "" } else { ", " }, self.get(which))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: impl IntoIterator<Item = u64>) -> Statistics {
        let samples: Vec<_> = samples.into_iter().map(Span::from_nanos).collect();
        Statistics::of(&samples).expect("samples")
    }

    #[test]
    fn one_sample_is_every_figure() {
        let one = of([7]);
        for (_, which) in Statistic::NAMES {
            assert_eq!(one.get(which), Span::from_nanos(7));
        }
        assert_eq!(Statistics::of(&[]), None);
    }

    #[test]
    fn percentiles_are_samples_and_the_order_does_not_matter() {
        let hundred = of((1..=100).rev());
        let figures = Statistic::NAMES.map(|(_, which)| hundred.get(which).nanos());
        assert_eq!(figures, [1, 50, 50, 90, 95, 99, 100]);
        let four = of([40, 10, 30, 20]);
        let figures = Statistic::NAMES.map(|(_, which)| four.get(which).nanos());
        assert_eq!(figures, [10, 25, 25, 40, 40, 40, 40]);
    }

    #[test]
    fn the_largest_spans_do_not_overflow() {
        assert_eq!(of([u64::MAX, u64::MAX]).get(Statistic::Mean).nanos(), u64::MAX);
    }
}
