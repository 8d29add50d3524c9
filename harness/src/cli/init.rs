//! `benchrig init`: a first scenario to change.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::scenario::schema;

/// Write a first scenario and a bench.toml
///
/// Files that are there already stay as they are.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// The root of the project
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

/// The first line of a scenario, by which editors complete and check it.
fn for_editors() -> String {
    format!("# yaml-language-server: $schema={}\n", schema::ID)
}

const SCENARIO: &str = r#"# A first scenario: `benchrig run` plays it on an emulated board.
name: It boots
version: 1
description: The firmware greets at its prompt and computes.
tags: [boot]
board: esp32-devkit
# A name (`benchrig firmware list`), a flash image, an ELF file, or an ESP-IDF build folder.
firmware: micropython-1.23.0

steps:
  # The first step that needs power switches the board on; the flash holds the firmware already.
  # Times are device times: how long your computer takes does not matter.
  - expect-serial: {text: "MicroPython v1.23.0", within: 10s}

  # Only for MicroPython. For other firmware: write-serial and expect-serial.
  - repl: {code: "1 + 1", expect: "2"}

  # The whole log is compared with first.console.snap. The first run writes it for review:
  # look at it with `benchrig review`. Redactions are for what may differ between right runs.
  - snapshot: {of: serial, name: console, redact: [boot, build]}
"#;

const BENCH: &str = "\
# Marks the root of a benchrig project: paths in scenarios start here and stay inside.
# The emulator needs no entry here. A board on an adapter has one (`benchrig boards` lists what is
# plugged in), and is the target `board:desk`:
#
# [boards.desk]
# profile = \"esp32-devkit\"
# port = \"/dev/ttyUSB0\"
";

impl Init {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        let files =
            [("scenarios/first.yaml", for_editors() + SCENARIO), ("bench.toml", BENCH.to_owned())];
        for (path, text) in files {
            let path = self.folder.join(path);
            match write_new(&path, &text) {
                Ok(true) => terminal.say(format_args!("written: {}", path.display())),
                Ok(false) => terminal.say(format_args!("left as it is: {}", path.display())),
                Err(error) => {
                    terminal.error(format_args!("cannot write {}: {error}", path.display()));
                    return ExitCode::Bench;
                }
            }
        }
        terminal.say("next: benchrig run, then benchrig review");
        ExitCode::Passed
    }
}

/// Writes a file that does not exist yet; whether it did so.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::decode::no_files;
    use crate::scenario::parser::{FilePlace, parse};

    #[test]
    fn the_first_scenario_is_right() {
        let place = FilePlace { path: Path::new("first.yaml"), project: Path::new(".") };
        let parsed =
            parse(SCENARIO, place, &no_files).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert!(parsed.warnings.is_none());
    }
}
