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

/// Samples that are told one by one; of more only the first ones are.
const TOLD: usize = 10;

/// What was measured, as a person reads it.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The figures.
    pub statistics: &'a Statistics,
    /// The samples that they are of.
    pub samples: &'a [Span],
    /// What one sample is of, such as `image`.
    pub per: &'a str,
}

impl fmt::Display for Told<'_> {
    /// As in `70 ms 138 ms Average: 104.00 ms / image (min 70.00, …, max 138.00; 2 times)`; all in the
    /// unit that suits the mean.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 3] = [("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
        let mean = self.statistics.mean;
        let fits = |(_, size): &(&str, u64)| mean.nanos() >= *size;
        let (unit, size) = UNITS.into_iter().find(fits).unwrap_or(("ns", 1));
        // In hundredths, rounded half up as the whole ones are, so that the digits are exact.
        let rounded = |span: Span, parts: u64| {
            (u128::from(span.nanos()) * u128::from(parts) + u128::from(size / 2)) / u128::from(size)
        };
        let exact = |span: Span| {
            let hundredths = rounded(span, 100);
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        };
        for sample in self.samples.iter().take(TOLD) {
            write!(f, "{} {unit} ", rounded(*sample, 1))?;
        }
        if self.samples.len() > TOLD {
            f.write_str("… ")?;
        }
        write!(f, "Average: {} {unit} / {} (", exact(mean), self.per)?;
        for (name, which) in Statistic::NAMES.into_iter().filter(|(_, it)| *it != Statistic::Mean) {
            write!(f, "{name} {}, ", exact(self.statistics.get(which)))?;
        }
        write!(f, "{} times)", self.samples.len())
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

    #[test]
    fn what_is_told_has_the_unit_of_its_mean_and_the_first_samples_only() {
        let told = |samples: &[u64], per| {
            let samples: Vec<_> = samples.iter().map(|nanos| Span::from_nanos(*nanos)).collect();
            let statistics = Statistics::of(&samples).unwrap();
            Told { statistics: &statistics, samples: &samples, per }.to_string()
        };
        assert_eq!(
            told(&[70_000_000, 138_124_999], "image"),
            "70 ms 138 ms Average: 104.06 ms / image (min 70.00, median 104.06, p90 138.12, \
             p95 138.12, p99 138.12, max 138.12, 2 times)"
        );
        assert!(
            told(&[1_500; 11], "edge").starts_with(&("2 us ".repeat(10) + "… Average: 1.50 us"))
        );
        assert!(told(&[0], "pass").starts_with("0 ns Average: 0.00 ns / pass"));
    }
}
