//! How much of Wokwi's service has been used, in the unit that it counts: simulated time.
//!
//! Source: the vendor's documentation, "Wokwi CI, usage limits" (July 2026): 50 minutes a month in the
//! free plan, 200 in Hobby and Hobby+, 2000 in Pro.

use super::door::Door;

/// Minutes of simulated time in a month of the free plan.
const FREE_MINUTES: u64 = 50;

/// What a run has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::targets) struct Spending {
    /// Simulated time, in nanoseconds.
    pub(in crate::targets) nanos: u64,
    /// Simulations that were begun.
    pub(in crate::targets) runs: u64,
    /// Whether that is all that is known, or only that it was not more.
    pub(in crate::targets) is_exact: bool,
}

impl Spending {
    /// In words; nothing if nothing was begun.
    pub(in crate::targets) fn words(self, door: &Door) -> Option<String> {
        if self.runs == 0 {
            return None;
        }
        let at_most = if self.is_exact { "" } else { "at most " };
        let minutes = self.nanos as f64 / 60e9;
        let counted = match door.is_wokwis() {
            true => format!("Wokwi's free plan has {FREE_MINUTES} min a month"),
            false => format!("{} is not Wokwi's service, and nobody counts them", door.server),
        };
        let runs = self.runs;
        Some(format!("used: {at_most}{minutes:.2} min of simulated time in {runs} runs; {counted}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wokwis_own_service_counts_minutes() {
        let door = |server: &str| Door {
            server: server.to_owned(),
            token: "t".to_owned(),
            pauses: Vec::new(),
        };
        let spending = Spending { nanos: 90_000_000_000, runs: 3, is_exact: true };
        let wokwi = door("wss://wokwi.com/api/ws/beta");
        let said = spending.words(&wokwi).unwrap();
        let wanted =
            "used: 1.50 min of simulated time in 3 runs; Wokwi's free plan has 50 min a month";
        assert_eq!(said, wanted);
        let said =
            Spending { is_exact: false, ..spending }.words(&door("ws://127.0.0.1:1")).unwrap();
        assert!(said.starts_with("used: at most 1.50 min") && said.contains("nobody counts"));
        assert_eq!(Spending { runs: 0, ..spending }.words(&wokwi), None);
    }
}
