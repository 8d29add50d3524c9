//! `benchrig redact`: finds out what differs between right runs.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::files::Selection;
use super::images::ProjectFirmware;
use super::run::cancelled_by_ctrl_c;
use super::targets::Machine;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::runner::events::Event;
use crate::runner::execute::{Surroundings, execute};
use crate::runner::plan::Plan;
use crate::runner::verdict::{Skips, Verdict};
use crate::scenario::model::Case;
use crate::snapshots::propose::{Proposals, propose};
use crate::snapshots::{SnapshotPolicy, WhenNew, text_of, timing};
use crate::targets::TargetSource;

/// Propose the redactions that snapshots need
///
/// Runs each case several times, with other random numbers each time, and compares what its
/// snapshots would be. What differs is proposed as items for `redact:`, to be pasted into the
/// scenario if it may differ. No snapshot is changed.
#[derive(Debug, clap::Args)]
pub(super) struct Redact {
    #[command(flatten)]
    selection: Selection,

    /// How often each case runs
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..))]
    runs: u64,

    #[command(flatten)]
    machine: Machine,
}

/// What the snapshots of a case were in each run, by their names.
type Seen = BTreeMap<String, Vec<String>>;

impl Redact {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        let targets = match self.machine.source() {
            Ok(targets) => targets,
            Err(trouble) => {
                terminal.error(trouble.message);
                return trouble.code;
            }
        };
        let loaded = match self.selection.load(terminal, &targets.boards()) {
            Ok(loaded) if loaded.invalid == 0 => loaded,
            Ok(_) => return ExitCode::Usage,
            Err(code) => return code,
        };
        let cancelled = cancelled_by_ctrl_c(|| {});
        let mut code = ExitCode::Passed;
        if loaded.cases.is_empty() {
            code = ExitCode::NothingRan;
        }
        for case in &loaded.cases {
            let seen = match self.watch(terminal, case, &*targets, &cancelled) {
                Ok(seen) => seen,
                Err(this) => {
                    code = code.worse(this);
                    continue;
                }
            };
            for (name, texts) in &seen {
                code = code.worse(self.tell(terminal, case, name, &propose(texts)));
            }
            if seen.is_empty() {
                terminal.say(format_args!("{}: takes no snapshots", case.name));
            }
        }
        code
    }

    /// Runs a case with several seeds; each run accepts its snapshots into a folder of its own.
    fn watch(
        &self,
        terminal: &Terminal,
        case: &Arc<Case>,
        targets: &dyn TargetSource,
        cancelled: &AtomicBool,
    ) -> Result<Seen, ExitCode> {
        let trouble = |error: std::io::Error| {
            terminal.error(error);
            ExitCode::Bench
        };
        let mut seen = Seen::new();
        for seed in 1..=self.runs {
            let folder = tempfile::tempdir().map_err(trouble)?;
            let mut moved = Case::clone(case);
            moved.path = folder.path().join(case.path.file_name().unwrap_or_default());
            let around = Surroundings {
                targets,
                firmware: &ProjectFirmware,
                environment: terminal.environment().clone(),
                snapshots: SnapshotPolicy {
                    unseen: WhenNew::Accept,
                    changed: WhenNew::Accept,
                    force_pass: false,
                },
                seed,
                elf: None,
                jobs: NonZeroUsize::MIN,
                retries: 0,
                fail_fast: false,
                skips: Skips::Allow,
                wall_limit: None,
                hold: None,
                operator: None,
                cancelled,
            };
            let plan = Plan::new([Arc::new(moved)], targets);
            let mut ended = None;
            execute(&plan, &around, &mut |event| {
                if let Event::CaseFinished { verdict, .. } = event {
                    ended = Some(verdict);
                }
            });
            match ended {
                Some(Verdict::Passed) => {}
                Some(Verdict::Interrupted) | None => return Err(ExitCode::Interrupted),
                Some(verdict) => {
                    let again = format!("benchrig run --filter '{}' --seed {seed}", case.name);
                    terminal.error(format_args!("{}: {verdict}; again: {again}", case.name));
                    return Err(ExitCode::Failed);
                }
            }
            terminal.tell(format_args!("{}: run {seed} of {}", case.name, self.runs));
            for (name, text) in snapshots(folder.path()).map_err(trouble)? {
                seen.entry(name).or_default().push(text);
            }
        }
        Ok(seen)
    }

    fn tell(
        &self,
        terminal: &Terminal,
        case: &Case,
        snapshot: &str,
        proposals: &Proposals,
    ) -> ExitCode {
        let head = format!("{}: snapshot `{snapshot}`", case.name);
        let runs = self.runs;
        if proposals.redactions.is_empty() && proposals.left.is_empty() {
            terminal.say(format_args!("{head}: the same in {runs} runs"));
            return ExitCode::Passed;
        }
        terminal.say(format_args!("{head} differs between {runs} runs. Add to its `redact`:"));
        for proposal in &proposals.redactions {
            let (a, b) = &proposal.example;
            terminal.say(format_args!("  - {}", proposal.kind));
            terminal.say(format_args!("    # {a}"));
            terminal.say(format_args!("    # {b}"));
        }
        if proposals.left.is_empty() {
            return ExitCode::Passed;
        }
        terminal.say("What no redaction can hide:");
        proposals.left.iter().for_each(|line| terminal.say(format_args!("  {line}")));
        ExitCode::Failed
    }
}

/// The snapshots in a folder, by file name.
fn snapshots(folder: &Path) -> std::io::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // Times are not redacted: they are the same in every run, or not compared.
        let stem = path.with_extension("");
        if stem.to_string_lossy().ends_with(timing::SUFFIX) {
            continue;
        }
        if let Some(text) = text_of(&path)? {
            // `<stem>.<name>.snap`
            let name = stem.extension().unwrap_or_default().to_string_lossy().into_owned();
            all.insert(name, text);
        }
    }
    Ok(all)
}
