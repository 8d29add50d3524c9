//! From arguments to a plan, for the commands that run it or show it.

use super::files::Selection;
use super::operator::TerminalOperator;
use super::targets::{Machine, Of};
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::runner::plan::{Plan, Shard};
use crate::targets::{Capability, TargetSource};

/// Which cases, on what.
#[derive(Debug, clap::Args)]
pub(super) struct Planning {
    #[command(flatten)]
    selection: Selection,

    /// Only one of several equal parts of the cases, such as 1/4
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,

    /// Let every case do all of its steps itself. Otherwise a case that begins like an earlier one
    /// goes on from a copy of its machine; the results are the same
    #[arg(long)]
    no_fork: bool,

    #[command(flatten)]
    machine: Machine,
}

impl Planning {
    /// Reads and checks every scenario and decides about the cases, on that target.
    ///
    /// # Errors
    /// When there is no such target, or a scenario is invalid; it has been told.
    pub(super) fn plan(
        &self,
        terminal: &Terminal,
        target: &Of<'_>,
    ) -> Result<(Plan, Box<dyn TargetSource>), ExitCode> {
        let targets = self.machine.source_of(target).map_err(|trouble| {
            terminal.error(trouble.message);
            trouble.code
        })?;
        let loaded = self.selection.load(terminal, &targets.boards())?;
        if loaded.invalid > 0 {
            terminal.error(format_args!(
                "{} of {} scenario files cannot be run; nothing was started",
                loaded.invalid, loaded.files
            ));
            return Err(ExitCode::Usage);
        }
        let mut plan = Plan::new(loaded.cases, &*targets);
        if TerminalOperator::is_present() {
            plan = plan.attended();
        }
        if let Some(shard) = self.shard {
            plan = plan.shard(shard);
        }
        if !self.no_fork && targets.capabilities().contains(&Capability::SaveState) {
            plan = plan.forking();
        }
        Ok((plan, targets))
    }
}
