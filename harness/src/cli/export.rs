//! `benchrig export`: scenarios for other tools.

use std::path::PathBuf;

use clap::Subcommand;

use super::files::Selection;
use super::terminal::Terminal;
use crate::bench::profiles;
use crate::exit_code::ExitCode;
use crate::scenario::fault::{FileFaults, Weight};
use crate::snapshots::is_ci;
use crate::wokwi::export::{Export, export, is_ours};

/// Write scenarios for other tools
#[derive(Debug, clap::Args)]
pub(super) struct ExportVerb {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    Wokwi(Wokwi),
}

/// Write Wokwi projects: wokwi.toml, diagram.json and the scenarios in Wokwi's own steps
///
/// There is a folder for each kind of board. What cannot be said in Wokwi's terms is told with its
/// place, and that scenario is left out; so is what is lost of a scenario that is not. Files that
/// were not written so before stay as they are.
#[derive(Debug, clap::Args)]
struct Wokwi {
    #[command(flatten)]
    selection: Selection,

    /// The folder that the projects are in
    #[arg(long, value_name = "FOLDER", default_value = "wokwi")]
    to: PathBuf,

    /// Only say which files would be written anew; the same with CI=true
    #[arg(long)]
    check: bool,
}

impl ExportVerb {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        let Tool::Wokwi(wokwi) = &self.tool;
        match wokwi.export(terminal) {
            Ok(export) if export.scenarios == 0 => ExitCode::NothingRan,
            Ok(export) => wokwi.keep(&export, terminal),
            Err(code) => code,
        }
    }
}

impl Wokwi {
    fn export(&self, terminal: &Terminal) -> Result<Export, ExitCode> {
        let loaded = self.selection.load(terminal, &profiles())?;
        if loaded.invalid > 0 {
            return Err(ExitCode::Usage);
        }
        let export = export(&loaded.cases, &self.to).map_err(|error| {
            terminal.error(error);
            ExitCode::Bench
        })?;
        if !self.check {
            export.told.iter().for_each(|file| tell(file, terminal));
        }
        Ok(export)
    }

    /// Writes what differs from the files that are there, or says that it does.
    fn keep(&self, export: &Export, terminal: &Terminal) -> ExitCode {
        let only_check = self.check || is_ci(terminal.environment().get("CI").map(String::as_str));
        let here = std::env::current_dir().unwrap_or_default();
        let mut code = ExitCode::Passed;
        for (path, text) in &export.files {
            let shown = path.strip_prefix(&here).unwrap_or(path).display();
            let there = std::fs::read_to_string(path).ok();
            match there {
                Some(there) if there == *text => {}
                Some(there) if !is_ours(&there) => {
                    terminal.error(format_args!(
                        "{shown} was not written by `benchrig export wokwi`, and stays; move it \
                         away, or name another folder with --to"
                    ));
                    code = code.worse(ExitCode::Usage);
                }
                _ if only_check => {
                    terminal.say(format_args!("{shown} is stale"));
                    code = code.worse(ExitCode::Failed);
                }
                _ => match crate::files::write(path, text.as_bytes()) {
                    Ok(()) => terminal.say(format_args!("{shown} written")),
                    Err(error) => {
                        terminal.error(format_args!("cannot write {shown}: {error}"));
                        code = code.worse(ExitCode::Bench);
                    }
                },
            }
        }
        if code == ExitCode::Failed {
            terminal.say("write them anew: benchrig export wokwi");
        }
        code
    }
}

/// A line for each thing that cannot be said, or is lost.
fn tell(file: &FileFaults, terminal: &Terminal) {
    for fault in &file.faults {
        let source = fault.source.as_ref().unwrap_or(&file.source);
        let what = match fault.weight {
            Weight::Error => "not exported",
            Weight::Warning => "lost",
        };
        let (name, place) = (&source.name, source.place(fault.span.start));
        terminal.tell(format_args!("{name}:{place}: {what}: {}", fault.message));
    }
}
