//! Running steps against a scripted target, for tests.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::events::{Event, Reason};
use super::execute::{Surroundings, execute};
use super::failure::Failure;
use super::firmware::{FetchNews, FirmwareSource, FirmwareTrouble, FlashImage};
use super::operator::{Answer, Operator, Question};
use super::plan::Plan;
use super::verdict::{Skips, Tally, Verdict};
use crate::scenario::fault::Fault;
use crate::scenario::parser::{FilePlace, parse};
use crate::snapshots::SnapshotPolicy;
use crate::targets::fake::{FakeSource, FakeTarget};
use crate::targets::{Segment, TargetSource};

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed(Failure),
    Error(String),
    Skipped,
    Invalid(Vec<Fault>),
}

/// Firmware of two small parts, under one name.
#[derive(Debug)]
pub(crate) struct FakeFirmware;

impl FirmwareSource for FakeFirmware {
    fn resolve(
        &self,
        _project: &Path,
        spec: &str,
        news: &mut dyn FnMut(FetchNews),
    ) -> Result<FlashImage, FirmwareTrouble> {
        if spec != "two-parts" {
            let message = format!("no firmware `{spec}`");
            return Err(FirmwareTrouble { message, scenario_is_wrong: true });
        }
        news(FetchNews::Note("from memory".to_owned()));
        let segment = |offset, bytes: &[u8]| Segment { offset, bytes: bytes.into() };
        let segments = vec![segment(0x1000, b"boot"), segment(0x1_0000, b"the app")];
        Ok(FlashImage::new(spec, segments))
    }
}

/// Says no to what asks for a no, and yes to the rest.
struct Obliging;

impl Operator for Obliging {
    fn ask(&self, text: &str, _question: Question) -> std::io::Result<Answer> {
        Ok(if text.ends_with("no") { Answer::No } else { Answer::Yes })
    }
}

/// Runs steps in a scenario that has nothing else.
pub(crate) fn run_steps(target: FakeTarget, steps: &str) -> Outcome {
    run_file(target, &format!("name: t\nversion: 1\nsteps:\n{steps}\n"))
}

/// Runs a scenario in an empty project.
pub(crate) fn run_file(target: FakeTarget, text: &str) -> Outcome {
    let project = tempfile::tempdir().expect("a temporary folder");
    run_text_in(project.path(), target, text, &[])
}

/// Runs steps in the project `project` with these environment variables.
pub(crate) fn run_in(
    project: &Path,
    target: FakeTarget,
    steps: &str,
    environment: &[(&str, &str)],
) -> Outcome {
    let text = format!("name: t\nversion: 1\nsteps:\n{steps}\n");
    run_text_in(project, target, &text, environment)
}

/// Runs a scenario in the project `project` with these environment variables.
pub(crate) fn run_text_in(
    project: &Path,
    target: FakeTarget,
    text: &str,
    environment: &[(&str, &str)],
) -> Outcome {
    let mut reason = None;
    let mut verdict = None;
    let invalid = events(project, &FakeSource::new(target), text, environment, &mut |event| {
        if let Event::CaseFinished { verdict: v, reason: r, .. } = event {
            verdict = Some(v);
            reason = r.map(|reason| *reason);
        }
    });
    if let Some(faults) = invalid {
        return Outcome::Invalid(faults);
    }
    let failure = match reason {
        Some(Reason::Step { failure, .. } | Reason::Case { failure }) => failure,
        _ => Failure::default(),
    };
    match verdict.expect("one case") {
        Verdict::Passed => Outcome::Passed,
        Verdict::Skipped => Outcome::Skipped,
        Verdict::Failed => Outcome::Failed(failure),
        _ => Outcome::Error(failure.what),
    }
}

/// Runs a scenario and gives every event to `emit`; its faults if it is invalid.
pub(crate) fn events(
    project: &Path,
    targets: &dyn TargetSource,
    text: &str,
    environment: &[(&str, &str)],
    emit: &mut dyn FnMut(Event),
) -> Option<Vec<Fault>> {
    Bench::new(targets).environment(environment).run(project, &[("test", text)], emit).err()
}

/// How scenarios are run.
pub(crate) struct Bench<'a> {
    pub(crate) around: Surroundings<'a>,
    pub(crate) forks: bool,
}

static NOT_CANCELLED: AtomicBool = AtomicBool::new(false);

impl<'a> Bench<'a> {
    /// One case at a time, each doing all of its steps.
    pub(crate) fn new(targets: &'a dyn TargetSource) -> Self {
        let around = Surroundings {
            targets,
            firmware: &FakeFirmware,
            snapshots: policy(&BTreeMap::new()),
            environment: BTreeMap::new(),
            seed: 1,
            elf: None,
            jobs: NonZeroUsize::MIN,
            retries: 0,
            fail_fast: false,
            skips: Skips::Allow,
            wall_limit: None,
            hold: None,
            operator: Some(&Obliging),
            cancelled: &NOT_CANCELLED,
        };
        Self { around, forks: false }
    }

    pub(crate) fn environment(mut self, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        self.around.environment = variables.collect();
        self.around.snapshots = policy(&self.around.environment);
        self
    }

    /// Runs scenarios, given as the stem of the file and its text; the faults of the first that is
    /// invalid.
    pub(crate) fn run(
        &self,
        project: &Path,
        scenarios: &[(&str, &str)],
        emit: &mut dyn FnMut(Event),
    ) -> Result<Tally, Vec<Fault>> {
        let folder = project.join("scenarios");
        std::fs::create_dir_all(&folder).expect("a writable folder");
        std::fs::write(project.join("hello.py"), "print('hello')\n").expect("a writable folder");
        let mut cases = Vec::new();
        for (stem, text) in scenarios {
            let path = folder.join(format!("{stem}.yaml"));
            match parse(text, FilePlace { path: &path, project }, &|file| {
                std::fs::read_to_string(project.join(file))
            }) {
                Ok(parsed) => cases.extend(parsed.cases),
                Err(invalid) => return Err(invalid.faults.faults),
            }
        }
        let plan = Plan::new(cases, self.around.targets);
        let plan = if self.forks { plan.forking() } else { plan };
        Ok(execute(&plan, &self.around, emit))
    }
}

fn policy(environment: &BTreeMap<String, String>) -> SnapshotPolicy {
    SnapshotPolicy::from_environment(environment, false).expect("a known word")
}
