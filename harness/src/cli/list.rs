//! `benchrig list`: the cases there are.

use super::files::Selection;
use super::targets::Machine;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;

/// List the cases that there are
///
/// One line each: name, board, number of steps, title, tags.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    machine: Machine,
}

impl List {
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
        let width = loaded.cases.iter().map(|case| case.name.chars().count()).max().unwrap_or(0);
        for case in &loaded.cases {
            let tags: String = case.tags.iter().map(|tag| format!(" #{tag}")).collect();
            terminal.say(format_args!(
                "{:width$}  {}  {:>3} steps  {}{tags}",
                case.name,
                case.board.profile.text,
                case.steps.len(),
                case.title
            ));
        }
        match (loaded.invalid, loaded.cases.len()) {
            (0, 0) => ExitCode::NothingRan,
            (0, _) => ExitCode::Passed,
            _ => ExitCode::Usage,
        }
    }
}
