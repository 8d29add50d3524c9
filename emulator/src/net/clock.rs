//! The network's view of time: the stack's microseconds, and the calendar of the scenario.

use jiff::Timestamp;

use crate::time::{Duration, Instant};

/// The stack counts whole microseconds; an instant between two of them reads as the earlier.
pub(super) fn to_stack(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(at.since_zero().as_micros() as i64)
}

/// The instant at which the stack's clock first shows `at`.
pub(super) fn from_stack(at: smoltcp::time::Instant) -> Instant {
    Instant::ZERO + Duration::from_micros(u64::try_from(at.total_micros()).unwrap_or(0))
}

/// The calendar: a date at device time zero, in seconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Calendar {
    date: u64,
}

impl Calendar {
    /// The last second of the year 9999, which is the last one that can be written.
    pub(super) const LAST: u64 = 253_402_207_200;

    pub(super) fn new(date: u64) -> Self {
        Self { date }
    }

    /// Seconds since the Unix epoch at `at`, rounded down.
    pub(super) fn seconds(self, at: Instant) -> u64 {
        self.date.saturating_add(at.since_zero().as_micros() / 1_000_000)
    }

    /// As Python's `http.server` writes it into its log: `26/Nov/2026 02:24:25`.
    pub(super) fn log_date(self, at: Instant) -> String {
        self.timestamp(at).strftime("%d/%b/%Y %H:%M:%S").to_string()
    }

    /// As HTTP writes it: `Thu, 26 Nov 2026 02:24:25 GMT` (RFC 9110, "Date/Time Formats").
    pub(super) fn http_date(self, at: Instant) -> String {
        self.timestamp(at).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    fn timestamp(self, at: Instant) -> Timestamp {
        let seconds = self.seconds(at).min(Self::LAST);
        Timestamp::from_second(seconds as i64).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_scenarios_date_and_device_time() {
        let calendar = Calendar::new(1_795_659_865);
        let at = Instant::ZERO + Duration::from_millis(1_999);
        assert_eq!(calendar.log_date(at), "26/Nov/2026 02:24:26");
        assert_eq!(calendar.http_date(Instant::ZERO), "Thu, 26 Nov 2026 02:24:25 GMT");
        assert_eq!(Calendar::new(u64::MAX).seconds(at), u64::MAX);
        assert!(Calendar::new(u64::MAX).log_date(at).contains("9999"));
    }

    #[test]
    fn a_deadline_of_the_stack_is_not_early() {
        let at = smoltcp::time::Instant::from_micros(1_234_567);
        assert_eq!(to_stack(from_stack(at)), at);
        let before = Instant::from_ticks(from_stack(at).ticks() - 1);
        assert!(to_stack(before) < at);
    }
}
