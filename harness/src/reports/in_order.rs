//! One case after the other, in the order of the plan, though they run at the same time.
//!
//! The first case that is not over is told as it goes on; the others are kept until their turn.
//! What a report sees then does not depend on how many cases run at a time.

use std::collections::BTreeMap;

use super::Report;
use crate::runner::events::Event;

/// A report that sees the cases in order.
pub struct InOrder<R> {
    report: R,
    /// The case whose turn it is.
    turn: usize,
    /// Events of later cases.
    kept: BTreeMap<usize, Vec<Event>>,
}

impl<R: Report> InOrder<R> {
    /// Gives `report` the cases in order.
    pub fn new(report: R) -> Self {
        Self { report, turn: 0, kept: BTreeMap::new() }
    }

    fn tell(&mut self, event: &Event) {
        self.report.event(event);
        let mut over = is_end(event);
        while over {
            self.turn += 1;
            over = false;
            for event in self.kept.remove(&self.turn).unwrap_or_default() {
                self.report.event(&event);
                over = is_end(&event);
            }
        }
    }
}

/// Whether a case is over.
fn is_end(event: &Event) -> bool {
    matches!(event, Event::CaseFinished { again: false, .. })
}

impl<R: Report> Report for InOrder<R> {
    fn event(&mut self, event: &Event) {
        match event.case() {
            Some(case) if case != self.turn => {
                self.kept.entry(case).or_default().push(event.clone());
            }
            Some(_) => self.tell(event),
            None => {
                // A case that never began has no turn.
                if let Event::RunFinished { .. } = event {
                    let kept = std::mem::take(&mut self.kept);
                    kept.into_values().flatten().for_each(|event| self.report.event(&event));
                }
                self.report.event(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::verdict::{Tally, Verdict};

    /// The case of each event, `!` for its end.
    #[derive(Default)]
    struct Seen(String);

    impl Report for &mut Seen {
        fn event(&mut self, event: &Event) {
            self.0 += &match event {
                Event::CaseFinished { case, .. } => format!("{case}! "),
                event => event.case().map_or("end".to_owned(), |case| format!("{case} ")),
            };
        }
    }

    fn seen(events: &[(usize, &str)], finished: bool) -> String {
        let mut seen = Seen::default();
        let mut report = InOrder::new(&mut seen);
        for (case, what) in events {
            let case = *case;
            report.event(&match *what {
                "step" => Event::StepProgress { case, step: 0, what: "x", done: 0, total: 1 },
                word => Event::CaseFinished {
                    case,
                    verdict: Verdict::Failed,
                    reason: None,
                    machine: None,
                    machines: BTreeMap::new(),
                    transcript_hash: None,
                    again: word == "again",
                    wall_ms: 0,
                },
            });
        }
        if finished {
            let tally = Tally::default();
            report.event(&Event::RunFinished { tally, exit_code: 0, wall_ms: 0 });
        }
        seen.0
    }

    #[test]
    fn the_first_case_is_told_at_once_and_the_others_after_it() {
        let mixed = [(1, "step"), (0, "step"), (1, "over"), (2, "step"), (0, "over")];
        assert_eq!(seen(&mixed[..2], false), "0 ");
        assert_eq!(seen(&mixed, false), "0 0! 1 1! 2 ");
    }

    #[test]
    fn a_case_that_is_tried_again_is_not_over() {
        let events = [(1, "over"), (0, "again"), (0, "step"), (0, "over")];
        assert_eq!(seen(&events, false), "0! 0 0! 1! ");
    }

    #[test]
    fn the_end_of_the_run_brings_what_came_after_a_case_that_never_began() {
        assert_eq!(seen(&[(0, "over"), (2, "step"), (3, "over")], true), "0! 2 3! end");
    }
}
