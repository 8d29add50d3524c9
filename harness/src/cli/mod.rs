//! The command line: arguments, files, terminal. One file per verb.

mod bench;
mod boards;
mod check;
#[cfg(unix)]
mod ctl;
mod doctor;
mod doors;
mod engine;
mod erase;
mod export;
mod files;
mod firmware;
mod fixtures;
mod flash;
mod images;
mod init;
mod jtag;
mod list;
mod modes;
mod monitor;
mod open;
mod operator;
mod planning;
mod record;
mod redact;
mod reset;
mod review;
mod run;
mod schema;
mod serve;
mod show;
mod targets;
mod terminal;
mod wokwi;

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::exit_code::ExitCode;
pub(crate) use files::{Unreadable, read as read_scenario};
pub(crate) use images::ProjectFirmware;
pub(crate) use targets::Machine;
use terminal::Terminal;

/// Test ESP32 firmware as a person would: flash it, press reset, watch what it says.
///
/// A scenario is a YAML file: a board, its firmware, and steps. `benchrig run` plays it on an
/// emulated board (no hardware needed) and compares what it saw with reviewed snapshots.
#[derive(Debug, Parser)]
#[command(name = "benchrig", version, after_long_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  benchrig run scenarios/first-steps.yaml     flash MicroPython and talk to it
  benchrig run --filter wifi --keep-going     every scenario whose name has `wifi`
  benchrig check                              find the mistakes without running
  benchrig init                               a first scenario, to change
  benchrig review                             accept or reject what changed

Exit codes:
  0    passed (or passed and skipped)
  1    something failed, or a snapshot is new or changed
  2    wrong usage, or an invalid scenario
  3    the target, a firmware source or a lock is in trouble
  4    nothing ran
  130  ended by Ctrl-C

Environment:
  BENCHRIG_TARGET        which target to run on, as --target
  BENCHRIG_BENCH         the file that describes the bench, as --bench
  ESPPORT                the port of the quick verbs, as --port
  BENCHRIG_TOKEN         what clients of control sockets over TCP and of `serve --wokwi` must know
  BENCHRIG_SKIP          `allow` lets a test of cargo pass whose cases are skipped
  BENCHRIG_CACHE         where fetched firmware is kept
  BENCHRIG_FIRMWARE_DIR  a folder with firmware files that need no fetching
  INSTA_UPDATE, CI       what happens to new and changed snapshots, as for insta
  GITHUB_ACTIONS         `true`: annotations, and a summary in GITHUB_STEP_SUMMARY
  NO_COLOR               no colours";

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Run),
    Check(check::Check),
    List(list::List),
    Show(show::Show),
    Init(init::Init),
    Record(record::Record),
    Review(review::Review),
    Redact(redact::Redact),
    Schema(schema::Schema),
    Export(export::ExportVerb),
    Firmware(firmware::Firmware),
    Serve(serve::Serve),
    Open(open::Open),
    #[cfg(unix)]
    Ctl(ctl::Ctl),
    Boards(boards::Boards),
    Doctor(doctor::Doctor),
    Flash(flash::Flash),
    Monitor(monitor::Monitor),
    Reset(reset::Reset),
    Erase(erase::Erase),
    Jtag(jtag::Jtag),
    Bench(bench::Bench),
}

/// Runs the program with these arguments (the first is its name) and this environment.
pub fn main(
    arguments: impl IntoIterator<Item = OsString>,
    environment: BTreeMap<String, String>,
) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are not mistakes; clap prints each to its own stream.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Passed };
        }
    };
    let terminal = Terminal::new(environment);
    match arguments.verb {
        Verb::Run(verb) => verb.run(&terminal),
        Verb::Check(verb) => verb.run(&terminal),
        Verb::List(verb) => verb.run(&terminal),
        Verb::Show(verb) => verb.run(&terminal),
        Verb::Init(verb) => verb.run(&terminal),
        Verb::Record(verb) => verb.run(&terminal),
        Verb::Review(verb) => verb.run(&terminal),
        Verb::Redact(verb) => verb.run(&terminal),
        Verb::Schema(verb) => verb.run(&terminal),
        Verb::Export(verb) => verb.run(&terminal),
        Verb::Firmware(verb) => verb.run(&terminal),
        Verb::Serve(verb) => verb.run(&terminal),
        Verb::Open(verb) => verb.run(&terminal),
        #[cfg(unix)]
        Verb::Ctl(verb) => verb.run(&terminal),
        Verb::Boards(verb) => verb.run(&terminal),
        Verb::Doctor(verb) => verb.run(&terminal),
        Verb::Flash(verb) => verb.run(&terminal),
        Verb::Monitor(verb) => verb.run(&terminal),
        Verb::Reset(verb) => verb.run(&terminal),
        Verb::Erase(verb) => verb.run(&terminal),
        Verb::Jtag(verb) => verb.run(&terminal),
        Verb::Bench(verb) => verb.run(&terminal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
