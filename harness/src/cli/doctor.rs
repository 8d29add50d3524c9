//! `benchrig doctor`: looks whether a board and what reaches it are healthy.

use std::path::PathBuf;

use serde::Serialize;

use super::fixtures::{BoardChoice, tell_remarks, trouble, usage};
use super::targets::NoTarget;
use super::terminal::Terminal;
use crate::bench::discover::plugged;
use crate::bench::doctor::{Examination, Outcome, examine};
use crate::bench::fixture::FixtureError;
use crate::exit_code::ExitCode;

/// Examine a board: its port, its banner, its strap, its flash, and which wire is wrong
///
/// The board is reset several times and runs at the end; nothing is erased or written.
///
///   benchrig doctor --port /dev/ttyUSB0
///   benchrig doctor --board cam --report cam.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Doctor {
    #[command(flatten)]
    choice: BoardChoice,

    /// Write what was found to this file, as JSON, with the adapter and the operating system
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What is kept of an examination.
#[derive(Serialize)]
struct Report<'a> {
    program: &'static str,
    system: &'static str,
    architecture: &'static str,
    board: &'a str,
    profile: &'a str,
    port: String,
    adapter: Option<String>,
    power: Option<String>,
    healthy: bool,
    #[serde(flatten)]
    examination: &'a Examination,
}

impl Doctor {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.examine(terminal) {
            Ok(code) => code,
            Err(trouble) => {
                terminal.error(trouble.message);
                trouble.code
            }
        }
    }

    fn examine(&self, terminal: &Terminal) -> Result<ExitCode, NoTarget> {
        let (name, entry) = self.choice.entry()?;
        let (examination, port) = match self.choice.take(&name, &entry) {
            Ok(mut board) => {
                let examination = examine(&mut board).map_err(trouble)?;
                tell_remarks(terminal, &mut board);
                (examination, board.port().to_string())
            }
            Err(error @ (FixtureError::Adapter(_) | FixtureError::NoPort { .. })) => {
                let port = entry.port.as_ref().map(ToString::to_string).unwrap_or_default();
                (Examination::without_port(&error), port)
            }
            Err(error) => return Err(trouble(error)),
        };
        for check in &examination.checks {
            let (mark, says) = match &check.outcome {
                Outcome::Fine(says) => ("ok", says),
                Outcome::Wrong(says) => ("XX", says),
                Outcome::Unknown(says) => ("??", says),
            };
            terminal.say(format_args!("  {mark}  {:7} {says}", check.name));
        }
        let healthy = examination.is_healthy();
        let verdict = if healthy { "nothing is wrong" } else { "see what is marked XX" };
        terminal.say(format_args!("{name}: {verdict}"));
        if let Some(path) = &self.report {
            let adapter = plugged().into_iter().find(|it| it.path == port);
            let report = Report {
                program: concat!("benchrig ", env!("CARGO_PKG_VERSION")),
                system: std::env::consts::OS,
                architecture: std::env::consts::ARCH,
                board: &name,
                profile: &entry.profile,
                adapter: adapter.map(|it| {
                    let usb = it.usb.map(|usb| usb.to_string()).unwrap_or_default();
                    format!("{usb} {}", it.title)
                }),
                port,
                power: entry.power.as_ref().map(|driver| driver.name().to_owned()),
                healthy,
                examination: &examination,
            };
            let text = serde_json::to_vec_pretty(&report).map_err(super::doors::bench)?;
            crate::files::write(path, &text)
                .map_err(|error| usage(format!("{}: {error}", path.display())))?;
        }
        Ok(if healthy { ExitCode::Passed } else { ExitCode::Bench })
    }
}
