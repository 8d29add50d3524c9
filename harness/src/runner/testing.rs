//! Running steps against a scripted target, for tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::events::{Event, Reason};
use super::execute::{Surroundings, execute};
use super::failure::Failure;
use super::firmware::{FetchNews, FirmwareSource, FirmwareTrouble, FlashImage};
use super::plan::Plan;
use super::verdict::{Skips, Verdict};
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
        Ok(FlashImage {
            name: spec.to_owned(),
            segments: vec![segment(0x1000, b"boot"), segment(0x1_0000, b"the app")],
        })
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

fn run_text_in(
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
    let folder = project.join("scenarios");
    std::fs::create_dir_all(&folder).expect("a writable folder");
    std::fs::write(project.join("hello.py"), "print('hello')\n").expect("a writable folder");
    let path = folder.join("test.yaml");
    let cases = match parse(text, FilePlace { path: &path, project }) {
        Ok(parsed) => parsed.cases,
        Err(faults) => return Some(faults.faults),
    };
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let around = Surroundings {
        targets,
        firmware: &FakeFirmware,
        snapshots: SnapshotPolicy::from_environment(&environment, false).expect("a known word"),
        environment,
        seed: 1,
        retries: 0,
        fail_fast: false,
        skips: Skips::Allow,
        cancelled: &AtomicBool::new(false),
    };
    execute(&Plan::new(cases, targets), &around, emit);
    None
}
