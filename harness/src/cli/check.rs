//! `benchrig check`: finds the mistakes of scenarios without running them.

use super::files::Selection;
use super::targets::Machine;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;

/// Find the mistakes in scenarios without running them
///
/// All mistakes of all files are shown, each with its place and what was probably meant.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    machine: Machine,
}

impl Check {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        let boards = match self.machine.profiles() {
            Ok(boards) => boards,
            Err(trouble) => {
                terminal.error(trouble.message);
                return trouble.code;
            }
        };
        let loaded = match self.selection.load(terminal, &boards) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        let valid = loaded.files - loaded.invalid;
        terminal.say(format_args!(
            "{valid} of {} scenario files are valid, {} cases",
            loaded.files,
            loaded.cases.len()
        ));
        match (loaded.invalid, loaded.files) {
            (0, 0) => ExitCode::NothingRan,
            (0, _) => ExitCode::Passed,
            _ => ExitCode::Usage,
        }
    }
}
