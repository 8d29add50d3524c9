//! `benchrig reset`: resets one board.

use super::fixtures::{BoardChoice, tell_remarks, trouble};
use super::serve::boot_mode;
use super::targets::NoTarget;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::targets::BootMode;

/// Reset a board, and see by its banner that it starts
///
///   benchrig reset --port /dev/ttyUSB0
///   benchrig reset --board cam --boot-mode download
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Reset {
    #[command(flatten)]
    choice: BoardChoice,

    /// What the boot strap says: `run`, or `download` to leave it waiting to be flashed
    #[arg(long, value_name = "MODE", default_value = "run", value_parser = boot_mode)]
    boot_mode: BootMode,
}

impl Reset {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.reset(terminal) {
            Ok(()) => ExitCode::Passed,
            Err(trouble) => {
                terminal.error(trouble.message);
                trouble.code
            }
        }
    }

    fn reset(&self, terminal: &Terminal) -> Result<(), NoTarget> {
        let mut board = self.choice.fixture()?;
        board.boot_mode(self.boot_mode).map_err(trouble)?;
        board.reset().map_err(trouble)?;
        tell_remarks(terminal, &mut board);
        let does = match self.boot_mode {
            BootMode::Run => "runs",
            BootMode::Download => "waits for a download",
        };
        terminal.say(format_args!("{}: reset, and {does}", board.name()));
        Ok(())
    }
}
