//! `wokwi-cli` as a target: each case is a project folder that is put together for it, and one run of the
//! program. Only what Wokwi's scenarios can say is played ([`crate::wokwi::script`]).
//!
//! Source: `wokwi-cli` 0.26: its options, its exit codes (0 done, 42 timeout, 1 all else), what it says on
//! stdout of steps with a name, `Error: [NANOSns] …` of one that fails, and `--serial-log-file`. How much
//! time it has simulated it says of such failures only.

mod process;
mod said;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::process::{Ended, Process};
use self::said::Log;
use super::player::{End, Order, Played, Player, Told};
use super::wokwi::Spending;
use super::wokwi::door::Door;
use super::{
    Capabilities, Capability, MachineReport, Target, TargetError, TargetRequest, TargetSource,
    flash,
};
use crate::scenario::model::Case;
use crate::wokwi::circuit::Circuit;
use crate::wokwi::drawing::Drawing;
use crate::wokwi::script::{self, Act, Said};

/// The environment variable that names the program.
pub const PROGRAM: &str = "BENCHRIG_WOKWI_CLI";
/// Its name, if nobody says another one.
const WOKWI_CLI: &str = "wokwi-cli";
/// Its exit code when the time is over.
const TIMEOUT: i32 = 42;

/// Cases that `wokwi-cli` plays.
#[derive(Debug)]
pub struct WokwiCliSource {
    program: String,
    door: Door,
    /// Nanoseconds, at most, and runs.
    spent: AtomicU64,
    runs: AtomicU64,
}

impl WokwiCliSource {
    /// That the environment names, which goes through this door.
    pub fn new(door: Door, variable: impl Fn(&str) -> Option<String>) -> Self {
        let said = variable(PROGRAM).filter(|value| !value.trim().is_empty());
        let program = said.unwrap_or_else(|| WOKWI_CLI.to_owned());
        Self { program, door, spent: AtomicU64::new(0), runs: AtomicU64::new(0) }
    }
}

/// The board of a case, as Wokwi has it.
fn circuit(case: &Case) -> Result<Arc<Circuit>, String> {
    match &case.board.circuit {
        Some(circuit) => Ok(circuit.clone()),
        None => Circuit::drawn(&Drawing::of_case(case)).map(Arc::new),
    }
}

impl TargetSource for WokwiCliSource {
    fn name(&self) -> &str {
        "wokwi-cli"
    }

    fn capabilities(&self) -> Capabilities {
        use Capability::{Air, Flash, Parts, Pins, Reset, Serial, Strap};
        [Air, Flash, Parts, Pins, Reset, Serial, Strap].into()
    }

    fn boards(&self) -> Vec<String> {
        crate::bench::profiles()
    }

    fn parts(&self, board: &str) -> Vec<String> {
        crate::bench::parts(board)
    }

    fn drawn_parts(&self, circuit: &Circuit) -> Vec<String> {
        circuit.part_names().map(str::to_owned).collect()
    }

    fn cannot(&self, case: &Case) -> Vec<String> {
        let alone = || Circuit::drawn(&Drawing::of(&case.board)).map(Arc::new);
        let circuit = match case.board.circuit.clone().map_or_else(alone, Ok) {
            Ok(circuit) => circuit,
            Err(why) => return vec![why],
        };
        let faults = script::say(case, &circuit).err().unwrap_or_default();
        let place = |fault: crate::scenario::fault::Fault| {
            let source = fault.source.as_ref().unwrap_or(&case.source);
            format!("{}:{}: {}", source.name, source.place(fault.span.start), fault.message)
        };
        faults.into_iter().map(place).collect()
    }

    fn player(&self) -> Option<&dyn Player> {
        Some(self)
    }

    fn spent(&self) -> Option<String> {
        let spending = Spending {
            nanos: self.spent.load(Ordering::Relaxed),
            runs: self.runs.load(Ordering::Relaxed),
            is_exact: false,
        };
        spending.words(&self.door)
    }

    fn open(&self, _request: &TargetRequest) -> Result<Box<dyn Target>, TargetError> {
        Err(TargetError::Cannot("be dealt with step by step: wokwi-cli plays whole cases"))
    }
}

impl Player for WokwiCliSource {
    fn play(&self, order: &Order<'_>, tell: &mut dyn FnMut(Told)) -> Played {
        let end = self.try_to_play(order, tell);
        let (end, nanos) = end.unwrap_or_else(|error| (End::Broken(error), 0));
        self.spent.fetch_add(nanos, Ordering::Relaxed);
        self.runs.fetch_add(1, Ordering::Relaxed);
        let note = format!("at most {:.3} s of simulated time in wokwi-cli", nanos as f64 / 1e9);
        let machine = MachineReport { notes: vec![note], ..MachineReport::default() };
        Played { end, machine }
    }
}

impl WokwiCliSource {
    /// How it ended, and how many nanoseconds were simulated at most.
    fn try_to_play(
        &self,
        order: &Order<'_>,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(End, u64), String> {
        let folder = tempfile::Builder::new().prefix("benchrig-wokwi-").tempdir();
        let folder = folder.map_err(|error| format!("no temporary folder: {error}"))?;
        let circuit = circuit(order.case)?;
        let spoken = script::say(order.case, &circuit).map_err(|faults| {
            faults.first().map_or(String::new(), |fault| fault.message.clone())
        })?;
        compose(folder.path(), order, &circuit, &spoken.steps)?;
        let log = folder.path().join(LOG);
        let milliseconds = order.case.timeout.nanos().div_ceil(1_000_000).to_string();
        let arguments = ["--scenario", SCENARIO, "--timeout", &milliseconds, "--serial-log-file"];
        let mut command = std::process::Command::new(&self.program);
        command.arg(folder.path()).args(arguments).arg(&log).env("NO_COLOR", "1");
        let mut process = Process::start(command).map_err(|error| self.not_started(&error))?;
        let mut log = Log::new(&log);
        let ended = process.listen(order, &mut |line| {
            log.lines(false).for_each(|line| tell(Told::Line(line)));
            if let Some(step) = said::step(line) {
                tell(Told::Step(step));
            }
        });
        log.lines(true).for_each(|line| tell(Told::Line(line)));
        let limit = order.case.timeout;
        Ok(match ended.map_err(|error| format!("wokwi-cli cannot be watched: {error}"))? {
            Ended::Interrupted => (End::Interrupted, limit.nanos()),
            Ended::WallLimit(limit_of_wall) => {
                let seconds = limit_of_wall.as_secs();
                let what = format!("wokwi-cli has taken more than {seconds} s of wall time");
                (End::Broken(what), limit.nanos())
            }
            Ended::Exit { code, errors, completed } => match code {
                Some(0) if completed => (End::Passed, limit.nanos()),
                Some(TIMEOUT) => {
                    let what = format!("the step was not done when {limit} of the case were over");
                    (End::Failed(what), limit.nanos())
                }
                _ => match said::failure(&errors) {
                    Some((what, nanos)) => (End::Failed(what), nanos),
                    None => (End::Broken(self.trouble(code, &errors)), limit.nanos()),
                },
            },
        })
    }

    fn not_started(&self, error: &io::Error) -> String {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => {
                format!(
                    ": install it (https://docs.wokwi.com/wokwi-ci/cli-installation), or name it with {PROGRAM}"
                )
            }
            _ => String::new(),
        };
        format!("`{}` cannot be started ({error}){advice}", self.program)
    }

    fn trouble(&self, code: Option<i32>, errors: &str) -> String {
        let code = code.map_or("a signal".to_owned(), |code| format!("the exit code {code}"));
        match said::error(errors) {
            Some(error) => format!("wokwi-cli ends with {code}: {error}"),
            None => format!("wokwi-cli ends with {code} before the scenario is completed"),
        }
    }
}

/// Files of a project.
const FIRMWARE: &str = "firmware.bin";
const SCENARIO: &str = "case.scenario.yaml";
const LOG: &str = "serial.log";

/// Puts the project together.
fn compose(
    folder: &Path,
    order: &Order<'_>,
    circuit: &Circuit,
    steps: &[Said],
) -> Result<(), String> {
    let mut image = flash::Image::blank(circuit.megabytes_of_flash());
    for segment in circuit.place(order.flash.clone()) {
        image.write(segment.offset, &segment.bytes).map_err(|error| error.to_string())?;
    }
    let firmware = image.firmware().ok_or("there is no firmware: name one in the scenario")?;
    let toml = format!("[wokwi]\nversion = 1\nfirmware = '{FIRMWARE}'\n");
    let steps = with_markers(steps);
    let files: [(&str, &[u8]); 4] = [
        ("wokwi.toml", toml.as_bytes()),
        ("diagram.json", circuit.text().as_bytes()),
        (FIRMWARE, firmware),
        (SCENARIO, &script::scenario("", order.case, &steps).into_bytes()),
    ];
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// The same steps, each of our steps with a name that is found again in what the program says.
fn with_markers(steps: &[Said]) -> Vec<Said> {
    let mut before = None;
    let marked = steps.iter().map(|said| {
        let begins = before.replace(said.of) != Some(said.of);
        Said { label: begins.then(|| said::marker(said.of)), ..said.clone() }
    });
    let mut marked: Vec<_> = marked.collect();
    // So that something is simulated.
    if marked.is_empty() {
        let act = Act::Delay(crate::time::Span::ZERO);
        marked.push(Said { of: 0, label: Some(said::marker(0)), act });
    }
    marked
}

/// Wall time between two looks at whether somebody wants it to end.
const LOOK: Duration = Duration::from_millis(50);
