//! `benchrig run`: plays scenarios and says what was proved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::files::Selection;
use super::images::ProjectFirmware;
use super::targets::Machine;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::reports::Report;
use crate::reports::console::{Console, Look, Progress};
use crate::reports::json::JsonLines;
use crate::runner::execute::{Surroundings, execute};
use crate::runner::plan::Plan;
use crate::runner::verdict::Skips;
use crate::snapshots::SnapshotPolicy;

/// Run scenarios
///
/// Every scenario is read and checked first; if any has a mistake, nothing starts. Each case then
/// gets a target of its own, starts powered off, and plays its steps. Progress goes to stderr,
/// results to stdout.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    selection: Selection,

    /// Seed of everything random: equal seeds give equal runs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Try a failed case again so often; if it then passes, it is reported as flaky
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,

    /// End the run with the first case that does not pass
    #[arg(long, conflicts_with = "keep_going")]
    fail_fast: bool,

    /// Run all cases whatever happens (this is the default)
    #[arg(long)]
    keep_going: bool,

    /// Fail the run if a case is skipped
    #[arg(long)]
    no_skip: bool,

    /// Accept new and changed snapshots at once (never under CI)
    #[arg(long)]
    update: bool,

    /// Print one JSON object per event on stdout; what depends on the host is in `wall_…` fields
    #[arg(long)]
    json: bool,

    /// Show every serial line as it comes
    #[arg(long, short)]
    verbose: bool,

    /// No progress, only results
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,

    #[command(flatten)]
    machine: Machine,
}

impl Run {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        let targets = match self.machine.source() {
            Ok(targets) => targets,
            Err(trouble) => {
                terminal.error(trouble.message);
                return trouble.code;
            }
        };
        let snapshots = match SnapshotPolicy::from_environment(terminal.environment(), self.update)
        {
            Ok(policy) => policy,
            Err(error) => {
                terminal.error(error);
                return ExitCode::Usage;
            }
        };
        let loaded = match self.selection.load(terminal, &targets.boards()) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        if loaded.invalid > 0 {
            terminal.error(format_args!(
                "{} of {} scenario files cannot be run; nothing was started",
                loaded.invalid, loaded.files
            ));
            return ExitCode::Usage;
        }
        let cancelled = cancelled_by_ctrl_c();
        let mut reports = self.reports(terminal);
        let plan = Plan::new(loaded.cases, &*targets);
        let skips = if self.no_skip { Skips::Fail } else { Skips::Allow };
        let around = Surroundings {
            targets: &*targets,
            firmware: &ProjectFirmware,
            environment: terminal.environment().clone(),
            snapshots,
            seed: self.seed,
            retries: self.retries,
            fail_fast: self.fail_fast,
            skips,
            cancelled: &cancelled,
        };
        let tally = execute(&plan, &around, &mut |event| {
            reports.iter_mut().for_each(|report| report.event(&event));
        });
        tally.exit_code(skips)
    }

    fn reports(&self, terminal: &Terminal) -> Vec<Box<dyn Report>> {
        let look = |summary_colours| Look {
            progress: match (self.quiet, terminal.is_live()) {
                (true, _) => Progress::Quiet,
                (false, true) => Progress::Live,
                (false, false) => Progress::Lines,
            },
            serial: self.verbose,
            progress_colours: terminal.colours(&std::io::stderr()),
            summary_colours,
        };
        let (out, err) = (std::io::stdout(), std::io::stderr());
        if self.json {
            // Stdout is for the events alone.
            let look = look(terminal.colours(&err));
            return vec![
                Box::new(JsonLines::new(out)),
                Box::new(Console::new(std::io::stderr(), err, look)),
            ];
        }
        let look = look(terminal.colours(&out));
        vec![Box::new(Console::new(err, out, look))]
    }
}

/// Is set by the first Ctrl-C, which ends the run with its report; the second one ends the program.
pub(super) fn cancelled_by_ctrl_c() -> Arc<AtomicBool> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = cancelled.clone();
    // Without a handler Ctrl-C still ends the program, only without the report.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(ExitCode::Interrupted as i32);
        }
    });
    cancelled
}
