//! The plan: which cases run against a target, and which are skipped because it cannot do what they
//! need. Made for all cases before the first one starts.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use super::events::Reason;
use super::prefix::{self, Fork};
use super::verdict::Verdict;
use crate::scenario::model::{Case, StepEntry};
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
    /// Why the target cannot be a board that it needs; being so means the same.
    pub other_board: Option<String>,
    /// What the target cannot do of it, in words; not empty means the same.
    pub cannot: Vec<String>,
    /// What the bench would have to say of its networks, hosts and wires; not empty means the same.
    pub unbound: Vec<String>,
    /// Where it goes on from, instead of doing its first steps itself.
    pub fork: Option<Fork>,
}

impl PlannedCase {
    /// Why it is skipped, if it is.
    pub fn lacks(&self) -> Option<Reason> {
        if !self.unbound.is_empty() {
            return Some(Reason::Unbound { keys: self.unbound.clone() });
        }
        if let Some(is) = &self.other_board {
            return Some(Reason::OtherBoard { is: is.clone() });
        }
        if !self.missing.is_empty() {
            return Some(Reason::MissingCapabilities { missing: self.missing.clone() });
        }
        if !self.cannot.is_empty() {
            return Some(Reason::Cannot { what: self.cannot.clone() });
        }
        let parts = self.missing_parts.clone();
        (!parts.is_empty()).then_some(Reason::MissingParts { parts })
    }

    /// What it comes to if it lacks something. A scenario that names a part of its diagram is broken
    /// where that part cannot be had: on Wokwi it would run, and must not pass unseen here.
    pub fn verdict_without(&self) -> Verdict {
        match self.case.board.circuit.is_some() && !self.missing_parts.is_empty() {
            true => Verdict::Error,
            false => Verdict::Skipped,
        }
    }
}

/// Cases in the order they run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// All of them, skipped ones included.
    pub cases: Vec<PlannedCase>,
}

/// One of several equal parts of a plan, for as many computers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    index: usize,
    /// How many parts there are.
    count: NonZeroUsize,
}

impl Plan {
    /// Decides about every case, for targets of this source.
    pub fn new(cases: impl IntoIterator<Item = Arc<Case>>, targets: &dyn TargetSource) -> Self {
        let capabilities = targets.capabilities();
        let planned = |case: Arc<Case>| {
            let steps = case.all_steps();
            let needs = steps.iter().flat_map(|entry| entry.step.facts().needs);
            let air = case.site.is_some().then_some(Capability::Air);
            let has_parts = case.boards().any(|(_, board)| !board.parts.is_empty());
            let parts = has_parts.then_some(Capability::Parts);
            let keep =
                case.boards().any(|(name, _)| needs_kept_flash(&case.steps_on(name.as_deref())));
            let keep = keep.then_some(Capability::KeepFlash);
            let needs: BTreeSet<_> = needs.copied().chain(air).chain(parts).chain(keep).collect();
            let missing = needs.difference(&capabilities).copied().collect();
            let missing_parts = case
                .boards()
                .flat_map(|(name, board)| {
                    let mut parts = targets.parts(&board.profile.text);
                    parts.extend(board.parts.iter().flat_map(|part| part.names.clone()));
                    let circuit = board.circuit.as_deref();
                    parts.extend(circuit.iter().flat_map(|circuit| targets.drawn_parts(circuit)));
                    let steps = case.steps_on(name.as_deref());
                    let named = steps.into_iter().flat_map(|entry| entry.step.facts().parts);
                    let missing = named.filter(|name| !parts.iter().any(|it| it == name));
                    let described = |name: &str| match circuit {
                        Some(circuit) => circuit.described(name),
                        None => name.to_owned(),
                    };
                    missing.map(described).collect::<BTreeSet<_>>()
                })
                .collect();
            let other_board =
                case.boards().find_map(|(_, board)| targets.refuses(&board.profile.text));
            let places = case.site.as_ref().map(|site| targets.places(site));
            let mut unbound = places.and_then(Result::err).unwrap_or_default();
            for (_, board) in case.boards() {
                let wires = targets.without(&board.loop_backs);
                unbound.extend(wires.iter().map(|wire| format!("loop-backs = [{wire}]")));
            }
            let cannot = targets.cannot(&case);
            PlannedCase { case, missing, missing_parts, other_board, cannot, unbound, fork: None }
        };
        Self { cases: cases.into_iter().map(planned).collect() }
    }

    /// The same with a person at the bench, who can be asked.
    pub fn attended(mut self) -> Self {
        for planned in &mut self.cases {
            planned.missing.retain(|capability| *capability != Capability::Operator);
        }
        self
    }

    /// The same, with cases that go on from one another's machines where they begin alike. The
    /// target must be able to [`Capability::SaveState`].
    pub fn forking(mut self) -> Self {
        let runs = |planned: &PlannedCase| planned.lacks().is_none();
        let cases: Vec<_> = self.cases.iter().map(|it| runs(it).then_some(&*it.case)).collect();
        let forks = prefix::forks(&cases);
        for (planned, fork) in self.cases.iter_mut().zip(forks) {
            planned.fork = fork;
        }
        self
    }

    /// One part of it. Neighbours stay together, since they are what begins alike.
    pub fn shard(mut self, shard: Shard) -> Self {
        let Shard { index, count } = shard;
        let at = |index: usize| index * self.cases.len() / count;
        let (start, end) = (at(index), at(index + 1));
        self.cases.truncate(end);
        self.cases.drain(..start);
        self
    }
}

/// Whether the guest writes to its flash, as far as steps say so, before it is reset or loses its power.
fn needs_kept_flash(steps: &[&StepEntry]) -> bool {
    let mut written = false;
    steps.iter().any(|entry| {
        let facts = entry.step.facts();
        let ends = facts.needs.iter().any(|it| [Capability::Reset, Capability::Power].contains(it));
        written |= facts.guest_writes;
        written && ends
    })
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| {
            let (index, count): (usize, NonZeroUsize) = (index.parse().ok()?, count.parse().ok()?);
            Some(Self { index: index.checked_sub(1)?, count })
        });
        parts
            .filter(|shard| shard.index < shard.count.get())
            .ok_or_else(|| "write 1/4 for the first of four parts".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::scenario::decode::no_files;
    use crate::scenario::parser::{FilePlace, parse};
    use crate::targets::fake::{FakeSource, FakeTarget};

    /// A bench with a camera board and nothing else.
    struct OnlyCamera(FakeSource);

    impl TargetSource for OnlyCamera {
        fn name(&self) -> &str {
            "board:cam"
        }
        fn capabilities(&self) -> crate::targets::Capabilities {
            self.0.capabilities()
        }
        fn boards(&self) -> Vec<String> {
            self.0.boards()
        }
        fn parts(&self, board: &str) -> Vec<String> {
            self.0.parts(board)
        }
        fn refuses(&self, profile: &str) -> Option<String> {
            (profile != "esp32-cam").then(|| "cam is an esp32-cam".to_owned())
        }
        fn open(
            &self,
            request: &crate::targets::TargetRequest,
        ) -> Result<Box<dyn crate::targets::Target>, crate::targets::TargetError> {
            self.0.open(request)
        }
    }

    #[test]
    fn a_case_for_another_kind_of_board_is_skipped_and_says_so() {
        let source = OnlyCamera(FakeSource::new(FakeTarget::new([])));
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        let lacks = |board: &str| {
            let text = format!("name: x\nversion: 1\nboard: {board}\nsteps: [log: hello]\n");
            let cases = parse(&text, place, &no_files).unwrap().cases;
            Plan::new(cases, &source).cases[0].lacks()
        };
        assert_eq!(lacks("esp32-cam"), None);
        let is = "cam is an esp32-cam".to_owned();
        assert_eq!(lacks("esp32-devkit"), Some(Reason::OtherBoard { is }));
    }

    #[test]
    fn the_shards_of_a_plan_are_the_plan() {
        let numbers: Vec<_> = (0..11).map(|n| n.to_string()).collect();
        let text = format!(
            "name: x\nversion: 1\nparameters: {{n: [{}]}}\nsteps: [log: '{{{{n}}}}']\n",
            numbers.join(", ")
        );
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        let source = FakeSource::new(FakeTarget::new([]));
        let plan = Plan::new(parse(&text, place, &no_files).unwrap().cases, &source);
        let names = |plan: &Plan| -> Vec<String> {
            plan.cases.iter().map(|planned| planned.case.name.clone()).collect()
        };
        let shard = |text: &str| plan.clone().shard(text.parse().unwrap());
        let parts = [shard("1/4"), shard("2/4"), shard("3/4"), shard("4/4")];
        assert_eq!(parts.iter().flat_map(&names).collect::<Vec<_>>(), names(&plan));
        assert!(parts.iter().all(|part| matches!(part.cases.len(), 2 | 3)));
        assert_eq!(names(&shard("1/1")), names(&plan));
    }

    #[test]
    fn a_shard_is_one_of_those_that_there_are() {
        for wrong in ["", "1", "0/2", "3/2", "1/0", "-1/2", "a/b", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
