//! `benchrig schema`: the language as a JSON Schema, or as a page to read.

use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::scenario::manual::manual;
use crate::scenario::schema::schema;

/// Print the JSON Schema of the scenario language
///
/// An editor that knows it completes and checks while you type. The committed copy is
/// docs/scenario.schema.json; name it in the first line of a scenario:
/// # yaml-language-server: $schema=../docs/scenario.schema.json
#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    /// Print the reference of all steps in Markdown instead
    #[arg(long)]
    manual: bool,
}

impl Schema {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        let text = match self.manual {
            true => manual(),
            // A value made of strings, numbers and lists can always be written.
            false => format!("{:#}\n", schema()),
        };
        terminal.say(text.trim_end());
        ExitCode::Passed
    }
}
