//! The plan: which cases run against a target, and which are skipped because it cannot do what they
//! need. Made for all cases before the first one starts.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::events::Reason;
use crate::scenario::model::Case;
use crate::targets::{Capability, TargetSource};

/// One case with what was decided about it.
#[derive(Debug, Clone)]
pub struct PlannedCase {
    /// The case.
    pub case: Arc<Case>,
    /// Capabilities it needs and the target lacks; not empty means that it is skipped.
    pub missing: Vec<Capability>,
    /// Parts that it names and the board lacks; not empty means the same.
    pub missing_parts: Vec<String>,
}

impl PlannedCase {
    /// Why it is skipped, if it is.
    pub fn lacks(&self) -> Option<Reason> {
        if !self.missing.is_empty() {
            return Some(Reason::MissingCapabilities { missing: self.missing.clone() });
        }
        let parts = self.missing_parts.clone();
        (!parts.is_empty()).then_some(Reason::MissingParts { parts })
    }
}

/// Cases in the order they run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// All of them, skipped ones included.
    pub cases: Vec<PlannedCase>,
}

impl Plan {
    /// Decides about every case, for targets of this source.
    pub fn new(cases: impl IntoIterator<Item = Arc<Case>>, targets: &dyn TargetSource) -> Self {
        let capabilities = targets.capabilities();
        let planned = |case: Arc<Case>| {
            let parts = targets.parts(&case.board.text);
            let facts = || case.steps.iter().map(|entry| entry.step.facts());
            let needs: BTreeSet<_> = facts().flat_map(|facts| facts.needs).copied().collect();
            let named: BTreeSet<_> = facts().flat_map(|facts| facts.parts).collect();
            let missing = needs.difference(&capabilities).copied().collect();
            let missing_parts = named.into_iter().filter(|name| !parts.iter().any(|it| it == name));
            let missing_parts = missing_parts.map(str::to_owned).collect();
            PlannedCase { case, missing, missing_parts }
        };
        Self { cases: cases.into_iter().map(planned).collect() }
    }
}
