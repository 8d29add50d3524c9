//! `benchrig ctl`: a hand at a served board.

use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;

use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::scenario::units;
use crate::serve::control::path_of;
use crate::serve::orders::Order;
use crate::serve::remote::Remote;
use crate::targets::wiring_fault::WiringFault;
use crate::time::DeviceTime;

/// Act on a board that `benchrig serve` keeps running
///
///   benchrig serve --name desk --firmware micropython-1.23.0
///   benchrig ctl desk press reset
///   benchrig ctl desk boot-mode download
///   benchrig ctl desk pin 2
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Ctl {
    /// The name that the board is served by, or the HOST:PORT of its control socket
    #[arg(value_name = "NAME")]
    name: String,

    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Press a button and let it go: `reset`, or another one of the board
    Press {
        button: String,
        /// How long it is held, in device time
        #[arg(long = "for", value_name = "SPAN", default_value = "100ms", value_parser = span)]
        held_for: u64,
    },
    /// Move the boot jumper; it acts at the next reset
    BootMode { mode: Mode },
    /// Switch the power
    Power { state: State },
    /// Look at a pin, or put a level on it
    Pin {
        /// GPIO number
        #[arg(value_parser = clap::value_parser!(u8).range(0..40))]
        gpio: u8,
        /// What is put on it; `release` lets go of it
        level: Option<PinLevel>,
    },
    /// Cut wires between adapter and board, or swap two: these, and no others; without a fault all
    /// are whole
    Wires {
        #[arg(value_name = "FAULT")]
        faults: Vec<WiringFault>,
    },
    /// Write the flash to a file
    Save { file: PathBuf },
    /// Say whether the board has power, and its device time
    Status,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Mode {
    Run,
    Download,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PinLevel {
    High,
    Low,
    Release,
}

fn span(text: &str) -> Result<u64, String> {
    units::duration(text).map(|span| span.nanos()).map_err(|error| error.to_string())
}

impl Act {
    fn order(&self) -> Order {
        match self {
            Self::Press { button, held_for } => {
                Order::Press { button: button.clone(), for_ns: *held_for }
            }
            Self::BootMode { mode } => Order::BootMode { download: matches!(mode, Mode::Download) },
            Self::Power { state } => Order::Power { on: *state == State::On },
            Self::Pin { gpio, level: None } => Order::Pin { gpio: *gpio },
            Self::Pin { gpio, level: Some(level) } => Order::Drive {
                gpio: *gpio,
                high: match level {
                    PinLevel::High => Some(true),
                    PinLevel::Low => Some(false),
                    PinLevel::Release => None,
                },
            },
            Self::Wires { faults } => Order::Wires { faults: faults.clone() },
            Self::Save { .. } => Order::Flash,
            Self::Status => Order::Status,
        }
    }
}

impl Ctl {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        if let (false, Err(error)) = (self.name.contains(':'), path_of(&self.name)) {
            terminal.error(&error);
            return match error.kind() {
                io::ErrorKind::InvalidInput => ExitCode::Usage,
                _ => ExitCode::Bench,
            };
        }
        match self.act(terminal) {
            Ok(()) => ExitCode::Passed,
            Err(message) => {
                terminal.error(message);
                ExitCode::Bench
            }
        }
    }

    fn act(&self, terminal: &Terminal) -> Result<(), String> {
        let mut board = Remote::of(&self.name).map_err(|error| error.to_string())?;
        let answer = board.order(&self.act.order()).map_err(|error| error.to_string())?;
        if let Some(high) = answer.high {
            terminal.say(if high { "high" } else { "low" });
        }
        if let (Act::Save { file }, Some(flash)) = (&self.act, &answer.flash) {
            let flash = STANDARD.decode(flash).map_err(|error| error.to_string())?;
            crate::files::write(file, &flash)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            terminal.say(format_args!("{} bytes written to {}", flash.len(), file.display()));
        }
        if let Act::Status = self.act {
            let power = if answer.powered { "on" } else { "off" };
            let time = DeviceTime::from_nanos(answer.device_time_ns);
            terminal.say(format_args!("power {power}, device time {time}"));
        }
        Ok(())
    }
}
