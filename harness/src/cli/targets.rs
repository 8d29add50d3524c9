//! Which target a command means.

use std::path::PathBuf;
use std::time::Duration;

use esp32_emulator::soc::lockstep::Lockstep;

use super::engine::EngineChoice;
use super::operator::asking;
use super::run::wall_time;
use crate::bench::description::{Bench, BenchError, BoardEntry};
use crate::bench::profiles;
use crate::exit_code::ExitCode;
use crate::targets::TargetSource;
use crate::targets::board::BoardSource;
use crate::targets::emulated::{EmulatorSource, Engine, Execution};
use crate::targets::wokwi::WokwiSource;
use crate::targets::wokwi::door::{Door, SERVER, TOKEN};
use crate::targets::wokwi_cli::WokwiCliSource;

/// What to run on.
#[derive(Debug, clap::Args)]
pub(crate) struct Machine {
    /// What to run on: `emulator`, `board:NAME` for a board of the bench, `wokwi` for a server of
    /// Wokwi's Simulation API (WOKWI_CLI_SERVER, WOKWI_CLI_TOKEN), or `wokwi-cli` for the same
    /// through that program (BENCHRIG_WOKWI_CLI)
    #[arg(long, value_name = "NAME", env = "BENCHRIG_TARGET", default_value = "emulator")]
    target: String,

    #[command(flatten)]
    bench: BenchChoice,

    #[command(flatten)]
    engine: EngineChoice,
}

/// Which bench, and how long to wait for its boards.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchChoice {
    /// The file that describes the bench [default: the nearest bench.toml here or above]
    #[arg(long, value_name = "FILE", env = "BENCHRIG_BENCH")]
    bench: Option<PathBuf>,

    /// How long to wait for a board that somebody else uses
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = wall_time)]
    lock_timeout: Duration,
}

impl BenchChoice {
    /// What the file says.
    pub(crate) fn find(&self) -> Result<Bench, BenchError> {
        match &self.bench {
            Some(path) => Bench::read(path),
            None => Bench::near(&std::env::current_dir().unwrap_or_default()),
        }
    }

    /// What it says of a board.
    pub(crate) fn entry(&self, name: &str) -> Result<BoardEntry, NoTarget> {
        let entry = self.find().and_then(|bench| bench.board(name).cloned());
        entry.map_err(|error| NoTarget { message: error.to_string(), code: ExitCode::Usage })
    }

    /// A board of it, as a target.
    fn board(&self, name: &str) -> Result<BoardSource, NoTarget> {
        let entry = self.entry(name)?;
        let bindings = self.find().map(|bench| bench.bindings).unwrap_or_default();
        BoardSource::new(name, entry, bindings, asking(), self.lock_timeout)
            .map_err(|error| NoTarget { message: error.to_string(), code: ExitCode::Bench })
    }

    /// How long to wait for a board.
    pub(crate) fn lock_timeout(&self) -> Duration {
        self.lock_timeout
    }
}

/// Which target a run is on.
#[derive(Debug)]
pub(crate) enum Of<'a> {
    /// That of the command line.
    CommandLine,
    /// The one of this name.
    Named(&'a str),
    /// The emulator, beside another run on it.
    Lockstep(Lockstep),
}

/// Why there is no target.
#[derive(Debug)]
pub(crate) struct NoTarget {
    pub(crate) message: String,
    pub(crate) code: ExitCode,
}

impl Machine {
    /// The target of that name, for tests, of which several may want the same board at a time.
    pub(crate) fn named(name: &str) -> Self {
        const PATIENCE: Duration = Duration::from_secs(30 * 60);
        let bench = BenchChoice {
            bench: std::env::var_os("BENCHRIG_BENCH").map(PathBuf::from),
            lock_timeout: PATIENCE,
        };
        Self { target: name.to_owned(), bench, engine: EngineChoice::default() }
    }

    /// The board profiles that scenarios can name. Nothing is opened for that.
    pub(crate) fn profiles(&self) -> Result<Vec<String>, NoTarget> {
        match self.target.strip_prefix("board:") {
            None if ["wokwi", "wokwi-cli"].contains(&self.target.as_str()) => Ok(profiles()),
            None => Ok(self.source()?.boards()),
            Some(name) => self.bench.entry(name).map(|_| profiles()),
        }
    }

    /// Where targets come from.
    pub(crate) fn source(&self) -> Result<Box<dyn TargetSource>, NoTarget> {
        self.source_of(&Of::CommandLine)
    }

    /// The same of another target.
    pub(crate) fn source_of(&self, of: &Of<'_>) -> Result<Box<dyn TargetSource>, NoTarget> {
        let target = match of {
            Of::CommandLine => &self.target,
            Of::Named(name) => *name,
            Of::Lockstep(run) => {
                let execution = Execution::Lockstep(run.clone());
                let engine = Engine { execution, ..self.engine.engine()? };
                return Ok(Box::new(EmulatorSource { engine }));
            }
        };
        match target {
            "emulator" => Ok(Box::new(EmulatorSource { engine: self.engine.engine()? })),
            "wokwi" => Ok(Box::new(WokwiSource::new(door()?))),
            "wokwi-cli" => Ok(Box::new(WokwiCliSource::new(door()?, variable))),
            other => match other.strip_prefix("board:") {
                Some(name) => Ok(Box::new(self.bench.board(name)?)),
                None => Err(NoTarget {
                    message: format!(
                        "there is no target `{other}` (known: emulator, board:NAME, wokwi, wokwi-cli)"
                    ),
                    code: ExitCode::Usage,
                }),
            },
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The server of the Simulation API that the environment names.
fn door() -> Result<Door, NoTarget> {
    Door::of(variable).ok_or_else(|| NoTarget {
        message: format!(
            "{TOKEN} is not set: Wokwi's dashboard for CI (https://wokwi.com/dashboard/ci) gives a \
             token. `benchrig serve --wokwi`, at which {SERVER} may point, takes any text"
        ),
        code: ExitCode::Usage,
    })
}
