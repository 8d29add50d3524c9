//! The times of a snapshot, in a snapshot of their own: `<stem>.<name>.timing.snap`.
//!
//! What happened is reviewed apart from when it happened, for only targets with virtual time tell the
//! same times in every run. Each line is a time in microseconds since the beginning of the range, and
//! what happened then:
//!
//! ```text
//!     5012us  GPIO2 low
//! ```
//!
//! A time may differ from the reviewed one by a tolerance. It is always compared with the time that a
//! person has reviewed, never with that of the last run, so that small steps do not add up.

use crate::time::{DeviceTime, Span};

/// The end of the names of these snapshots.
pub const SUFFIX: &str = ".timing";

/// What happened at one moment, as a line.
pub fn line(since: DeviceTime, time: DeviceTime, what: &str) -> String {
    let us = |time: DeviceTime| i128::from(time.nanos() / 1_000);
    format!("{:>9}us  {what}\n", us(time) - us(since))
}

/// The lines seen now as they are compared with the reviewed ones: where only the time differs, and by
/// no more than the tolerance, the reviewed line.
pub fn forgiving(reviewed: &str, seen: &str, tolerance: Span) -> String {
    let tolerance = u128::from(tolerance.nanos() / 1_000);
    let mut reviewed = reviewed.lines();
    let mut out = String::with_capacity(seen.len());
    for now in seen.lines() {
        let line = match reviewed.next().map(|then| (then, parts(then), parts(now))) {
            Some((then, Some((t, what)), Some((u, also))))
                if what == also && t.abs_diff(u) <= tolerance =>
            {
                then
            }
            _ => now,
        };
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// A line's time and the rest.
fn parts(line: &str) -> Option<(i128, &str)> {
    let (time, what) = line.split_once("us  ")?;
    Some((time.trim_start().parse().ok()?, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REVIEWED: &str = "      -12us  >>> x\n     1000us  GPIO2 low\n     2000us  GPIO2 high\n";

    fn forgiven(seen: &str, us: u64) -> bool {
        forgiving(REVIEWED, seen, Span::from_micros(us)) == REVIEWED
    }

    #[test]
    fn a_time_may_differ_by_the_tolerance_and_by_no_microsecond_more() {
        let late = REVIEWED.replace("1000us", "1200us");
        assert!(forgiven(&late, 200) && !forgiven(&late, 199));
        let early = REVIEWED.replace("-12us", "-13us").replace("2000us", "1999us");
        assert!(forgiven(&early, 1) && !forgiven(&early, 0));
    }

    #[test]
    fn only_times_are_forgiven() {
        assert!(!forgiven(&REVIEWED.replace("high", "low"), 9_000));
        assert!(!forgiven(&format!("{REVIEWED}     2000us  GPIO2 low\n"), 9_000));
        let (short, _) = REVIEWED.split_once("     2000us").unwrap();
        assert!(!forgiven(short, 9_000));
    }

    #[test]
    fn a_difference_shows_only_the_lines_that_are_out_of_tolerance() {
        let seen = REVIEWED.replace("1000us", "1001us").replace("2000us", "2500us");
        let wanted = REVIEWED.replace("2000us", "2500us");
        assert_eq!(forgiving(REVIEWED, &seen, Span::from_micros(10)), wanted);
    }

    #[test]
    fn a_line_says_the_time_since_the_beginning_of_the_range() {
        let at = |us| DeviceTime::ZERO + Span::from_micros(us);
        assert_eq!(line(at(1_000), at(6_012), "GPIO2 low"), "     5012us  GPIO2 low\n");
        assert_eq!(line(at(5), at(3), ">>> "), "       -2us  >>> \n");
    }
}
