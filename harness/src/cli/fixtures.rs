//! Which board of the bench a quick verb means, and taking it.

use std::path::PathBuf;

use super::operator::asking;
use super::targets::{BenchChoice, NoTarget};
use super::terminal::Terminal;
use crate::bench::adapters::PortName;
use crate::bench::description::{Bench, BenchError, BoardEntry};
use crate::bench::discover::plugged;
use crate::bench::fixture::{Fixture, FixtureError};
use crate::bench::reset::ResetWiring;
use crate::exit_code::ExitCode;
use crate::scenario::parser::DEFAULT_BOARD;

/// Which board.
#[derive(Debug, clap::Args)]
pub(super) struct BoardChoice {
    /// A board of the bench [default: the only one of bench.toml, or the only adapter that is
    /// plugged in]
    #[arg(long, short, value_name = "NAME", conflicts_with = "port")]
    board: Option<String>,

    /// A port instead: a path, rfc2217://HOST:PORT or socket://HOST:PORT
    #[arg(long, short, value_name = "PORT", env = "ESPPORT")]
    port: Option<PortName>,

    /// How a board at `--port` is reset: `two-transistors`, `straight`, `operator`, `ctl:NAME` or
    /// `none` [default: two-transistors where the port has modem lines]
    #[arg(long, value_name = "HOW", requires = "port", value_parser = wiring)]
    reset: Option<ResetWiring>,

    #[command(flatten)]
    bench: BenchChoice,
}

fn wiring(text: &str) -> Result<ResetWiring, String> {
    ResetWiring::try_from(text.to_owned())
}

impl BoardChoice {
    /// The board's name and what is known of it.
    pub(super) fn entry(&self) -> Result<(String, BoardEntry), NoTarget> {
        if let Some(name) = &self.board {
            return Ok((name.clone(), self.bench.entry(name)?));
        }
        if let Some(port) = &self.port {
            return Ok((port.to_string(), at_port(port.clone(), self.reset.clone())));
        }
        match self.bench.find() {
            Ok(bench) => only_board(bench),
            Err(BenchError::NoFile { .. }) => only_adapter(),
            Err(error) => Err(usage(error)),
        }
    }

    /// The board, taken for this process.
    pub(super) fn fixture(&self) -> Result<Fixture, NoTarget> {
        let (name, entry) = self.entry()?;
        self.take(&name, &entry).map_err(trouble)
    }

    /// Such a board, taken for this process.
    pub(super) fn take(&self, name: &str, entry: &BoardEntry) -> Result<Fixture, FixtureError> {
        Fixture::take(name, entry, asking(), self.bench.lock_timeout())
    }
}

fn at_port(port: PortName, reset: Option<ResetWiring>) -> BoardEntry {
    BoardEntry { port: Some(port), reset, ..BoardEntry::of_profile(DEFAULT_BOARD) }
}

fn only_board(bench: Bench) -> Result<(String, BoardEntry), NoTarget> {
    let names: Vec<_> = bench.boards.keys().cloned().collect();
    match bench.boards.into_iter().next() {
        Some(board) if names.len() == 1 => Ok(board),
        Some(_) => Err(usage(format!("which board? `--board` one of {}", names.join(", ")))),
        None => Err(usage(format!("{} has no board", bench.path.display()))),
    }
}

fn only_adapter() -> Result<(String, BoardEntry), NoTarget> {
    let mut adapters: Vec<_> = plugged().into_iter().filter(|port| port.usb.is_some()).collect();
    match adapters.len() {
        1 => {
            let path = adapters.remove(0).path;
            Ok((path.clone(), at_port(PortName::Local(path), None)))
        }
        0 => Err(usage("no adapter is plugged in, and there is no bench.toml: give a `--port`")),
        _ => {
            let paths: Vec<_> = adapters.into_iter().map(|port| port.path).collect();
            Err(usage(format!("which board? `--port` one of {}", paths.join(", "))))
        }
    }
}

/// Tells what the fixture has to remark.
pub(super) fn tell_remarks(terminal: &Terminal, fixture: &mut Fixture) {
    fixture.take_remarks().into_iter().for_each(|text| terminal.tell(text));
}

/// Wrong usage.
pub(super) fn usage(error: impl ToString) -> NoTarget {
    NoTarget { message: error.to_string(), code: ExitCode::Usage }
}

/// Trouble of the bench.
pub(super) fn trouble(error: FixtureError) -> NoTarget {
    NoTarget { message: error.to_string(), code: ExitCode::Bench }
}

/// A file that is written beside the work.
pub(super) fn create(path: &PathBuf) -> Result<std::fs::File, NoTarget> {
    std::fs::File::create(path).map_err(|error| usage(format!("{}: {error}", path.display())))
}
