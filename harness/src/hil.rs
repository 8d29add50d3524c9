//! Scenarios as ordinary tests, in this repository and in that of a firmware.
//!
//! ```text
//! #[rstest::rstest]
//! fn scenario(
//!     #[files("tests/scenarios/**/*.yaml")]
//!     #[exclude("(^|/)_")]
//!     path: std::path::PathBuf,
//! ) {
//!     benchrig::hil::run_file(path);
//! }
//! ```
//!
//! One test per file, its cases reported inside. Files and folders whose names begin with `_` are for
//! `include`. The environment decides what a person would with
//! arguments: `BENCHRIG_TARGET` what it runs on, `BENCHRIG_SKIP=allow` that a skipped case is no
//! failure, and insta's variables what happens to snapshots.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::cli::{Machine, ProjectFirmware, Unreadable, read_scenario};
use crate::exit_code::ExitCode;
use crate::reports::Report;
use crate::reports::console::{Console, Look, Progress};
use crate::reports::in_order::InOrder;
use crate::runner::execute::{Surroundings, execute};
use crate::runner::plan::Plan;
use crate::runner::verdict::Skips;
use crate::snapshots::SnapshotPolicy;
use crate::targets::Capability;

/// Runs a scenario file with the process's environment.
///
/// # Panics
/// When the scenario is invalid, or one of its cases does not pass: with the report.
pub fn run_file(path: impl AsRef<Path>) {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match run_file_with(path.as_ref(), variables.collect()) {
        Ok(report) => print!("{report}"),
        Err(report) => panic!("{}", report.trim_end()),
    }
}

/// Runs a scenario file with this environment: the report, as an error unless all cases passed.
///
/// # Errors
/// The report of what did not pass, or why nothing could run.
pub fn run_file_with(path: &Path, environment: BTreeMap<String, String>) -> Result<String, String> {
    let variable = |name: &str| environment.get(name).map(String::as_str);
    let skips = match variable("BENCHRIG_SKIP") {
        Some("allow") => Skips::Allow,
        None | Some("") => Skips::Fail,
        Some(other) => return Err(format!("BENCHRIG_SKIP={other}: it can only be `allow`")),
    };
    let name = variable("BENCHRIG_TARGET").filter(|name| !name.is_empty());
    let targets = Machine::named(name.unwrap_or("emulator")).source();
    let targets = targets.map_err(|trouble| trouble.message)?;
    let snapshots =
        SnapshotPolicy::from_environment(&environment, false).map_err(|error| error.to_string())?;
    let (cases, _warnings) =
        read_scenario(path, &targets.boards()).map_err(|error| match error {
            Unreadable::File(error) => format!("{}: {error}", path.display()),
            Unreadable::Faults(faults) => {
                faults.reports().iter().map(|report| format!("{report:?}")).collect()
            }
        })?;
    let plan = Plan::new(cases, &*targets);
    let plan = match targets.capabilities().contains(&Capability::SaveState) {
        true => plan.forking(),
        false => plan,
    };
    let look = Look {
        progress: Progress::Lines,
        serial: false,
        progress_colours: false,
        summary_colours: false,
        page: None,
    };
    let mut summary = Vec::new();
    let mut report = InOrder::new(Console::new(Captured, &mut summary, look));
    let around = Surroundings {
        targets: &*targets,
        firmware: &ProjectFirmware,
        environment,
        snapshots,
        seed: 1,
        elf: None,
        // The test runner runs several files at a time.
        jobs: NonZeroUsize::MIN,
        retries: 0,
        fail_fast: false,
        skips,
        wall_limit: None,
        hold: None,
        operator: None,
        cancelled: &AtomicBool::new(false),
    };
    let tally = execute(&plan, &around, &mut |event| report.event(&event));
    drop(report);
    let summary = String::from_utf8_lossy(&summary).into_owned();
    match tally.exit_code(skips) {
        ExitCode::Passed => Ok(summary),
        ExitCode::NothingRan if tally.skipped > 0 => Ok(summary),
        _ => Err(summary),
    }
}

/// Output that the test runner captures with that of the test; it does so only for `print!`.
struct Captured;

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        print!("{}", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, environment: &[(&str, &str)]) -> Result<String, String> {
        let project = tempfile::tempdir().unwrap();
        let path = project.path().join("blank.yaml");
        std::fs::write(&path, text).unwrap();
        let variable = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        run_file_with(&path, environment.iter().map(variable).collect())
    }

    const BLANK: &str = "\
name: A blank board
version: 1
steps:
  - expect-serial: 'invalid header: 0xffffffff'
";

    #[test]
    fn a_scenario_that_holds_passes_and_one_that_does_not_fails_with_its_report() {
        assert!(run(BLANK, &[]).unwrap().contains("1 passed"));
        let wrong = BLANK.replace("0xffffffff'", "0xeeeeeeee'");
        let report = run(&wrong, &[]).unwrap_err();
        assert!(report.contains("blank.yaml:4:5") && report.contains("1 failed"), "{report}");
    }

    #[test]
    fn a_scenario_with_a_mistake_fails_with_its_place() {
        let report = run(&BLANK.replace("expect-", "expct-"), &[]).unwrap_err();
        assert!(report.contains("did you mean `expect-serial`?"), "{report}");
    }

    #[test]
    fn a_target_or_a_rule_for_skips_that_there_is_not_is_told() {
        let report = run(BLANK, &[("BENCHRIG_TARGET", "toaster")]).unwrap_err();
        assert!(report.contains("no target `toaster`"), "{report}");
        assert!(run(BLANK, &[("BENCHRIG_SKIP", "maybe")]).is_err());
    }
}
