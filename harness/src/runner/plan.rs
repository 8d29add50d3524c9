//! The plan: which cases run against a target, and which are skipped because it cannot do what they
//! need. Made for all cases before the first one starts.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::scenario::model::Case;
use crate::targets::{Capabilities, Capability};

/// One case with what was decided about it.
#[derive(Debug, Clone)]
pub struct PlannedCase {
    /// The case.
    pub case: Arc<Case>,
    /// Capabilities it needs and the target lacks; not empty means that it is skipped.
    pub missing: Vec<Capability>,
}

/// Cases in the order they run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// All of them, skipped ones included.
    pub cases: Vec<PlannedCase>,
}

impl Plan {
    /// Decides about every case.
    pub fn new(cases: impl IntoIterator<Item = Arc<Case>>, capabilities: &Capabilities) -> Self {
        let planned = |case: Arc<Case>| {
            let needs: BTreeSet<_> =
                case.steps.iter().flat_map(|step| step.step.facts().needs).copied().collect();
            PlannedCase { case, missing: needs.difference(capabilities).copied().collect() }
        };
        Self { cases: cases.into_iter().map(planned).collect() }
    }
}
