//! `benchrig serve`: keeps an emulated board running for outside tools.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use super::files::project_of;
use super::images::ProjectFirmware;
use super::run::cancelled_by_ctrl_c;
use super::targets::{NoTarget, rom};
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::flash_file::FlashFile;
use crate::runner::firmware::{FetchNews, FirmwareSource};
use crate::scenario::parser::DEFAULT_BOARD;
use crate::serve::doors::{Door, Line, open_tcp};
use crate::serve::machine::{self, Wiring};
use crate::serve::pacer::{Pacer, WallClock};
use crate::serve::ring::Ring;
use crate::targets::emulated::Emulated;
use crate::targets::{BootMode, Port, Power, Target, TargetRequest};

/// Pieces that clients may have sent ahead of the board's serial line.
const QUEUE: usize = 64;

/// Keep an emulated board running for outside tools
///
/// Opens the doors, switches the board on, and prints one line per open door on stdout, then
/// `ready`. The board runs at wall time until Ctrl-C.
///
///   benchrig serve --firmware micropython-1.23.0 --serial pty:./board
///   benchrig serve --flash board.bin --serial tcp:127.0.0.1:5555
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Serve {
    /// The kind of board
    #[arg(long, value_name = "PROFILE", default_value = DEFAULT_BOARD)]
    board: String,

    /// Keep the flash in this file; it is made if it does not exist
    #[arg(long, value_name = "FILE")]
    flash: Option<PathBuf>,

    /// Put this firmware into the flash first: a name of firmware.toml, or a path
    #[arg(long, value_name = "NAME_OR_PATH")]
    firmware: Option<String>,

    /// A door to the console: `tcp:HOST:PORT` (port 0: any that is free) or `pty`, `pty:LINK`
    #[arg(long, value_name = "DOOR", default_value = "tcp:127.0.0.1:0")]
    serial: Vec<DoorSpec>,

    /// What the boot strap says when the board is switched on
    #[arg(long, value_name = "MODE", default_value = "run", value_parser = boot_mode)]
    boot_mode: BootMode,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Run a real mask-ROM image instead of the built-in ROM functions; given twice, the second is
    /// what APP_CPU sees
    #[arg(long, value_name = "FILE")]
    rom: Vec<PathBuf>,
}

/// A door as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum DoorSpec {
    Tcp(SocketAddr),
    Pty(Option<PathBuf>),
}

impl FromStr for DoorSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "pty" => Ok(Self::Pty(None)),
            Some(("pty", link)) if !link.is_empty() => Ok(Self::Pty(Some(link.into()))),
            Some(("tcp", address)) => {
                let address = address.replace("localhost:", "127.0.0.1:");
                let address = address.parse();
                address.map(Self::Tcp).map_err(|_| "write tcp:127.0.0.1:PORT".to_owned())
            }
            _ => Err("doors are tcp:HOST:PORT, pty and pty:LINK".to_owned()),
        }
    }
}

fn boot_mode(text: &str) -> Result<BootMode, String> {
    match text {
        "run" => Ok(BootMode::Run),
        "download" => Ok(BootMode::Download),
        _ => Err("`run` or `download`".to_owned()),
    }
}

impl Serve {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.serve(terminal) {
            Ok(()) => ExitCode::Interrupted,
            Err(trouble) => {
                terminal.error(trouble.message);
                trouble.code
            }
        }
    }

    fn serve(&self, terminal: &Terminal) -> Result<(), NoTarget> {
        let flash = match &self.flash {
            None => None,
            Some(path) => Some(FlashFile::lock(path).map_err(bench)?),
        };
        let mut board = self.board(terminal, flash.as_ref())?;
        let stop = cancelled_by_ctrl_c();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(bench)?;
        let (input, from_clients) = mpsc::channel(QUEUE);
        let (remarks, mut said) = mpsc::unbounded_channel();
        let mut rings = Vec::new();
        let mut doors = Vec::new();
        for spec in &self.serial {
            let door = runtime
                .block_on(open(spec))
                .map_err(|error| bench(format!("cannot open a door: {error}")))?;
            terminal.say(format_args!("serial {}", door.address()));
            let ring = Arc::new(Ring::default());
            rings.push((Port::Console, ring.clone()));
            let line =
                Line { port: Port::Console, ring, input: input.clone(), remarks: remarks.clone() };
            doors.push((door, line));
        }
        terminal.say("ready");
        let wiring = Wiring { input: from_clients, rings, stop: stop.clone() };
        let outcome = std::thread::scope(|scope| {
            let machine =
                std::thread::Builder::new().name("machine".to_owned()).spawn_scoped(scope, || {
                    let started =
                        board.boot_mode(self.boot_mode).and_then(|()| board.power(Power::On));
                    let mut keep = |contents: &[u8]| match &flash {
                        Some(flash) => flash.save(contents).map_err(|error| error.to_string()),
                        None => Ok(()),
                    };
                    let mut remark = |text: String| {
                        let _ = remarks.send(text);
                    };
                    let pacer = Pacer::new(WallClock::default(), board.now());
                    let outcome = started.and_then(|()| {
                        machine::run(&mut board, wiring, pacer, &mut keep, &mut remark)
                    });
                    // The doors have no other way to know.
                    stop.store(true, Ordering::Relaxed);
                    remark("the board has stopped".to_owned());
                    outcome
                });
            let machine = match machine {
                Ok(machine) => machine,
                Err(error) => return Err(bench(error)),
            };
            runtime.block_on(async {
                let open = tokio::task::LocalSet::new();
                for (door, line) in doors {
                    open.spawn_local(door.serve(line));
                }
                open.run_until(async {
                    while let Some(remark) = said.recv().await {
                        terminal.tell(remark);
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                })
                .await;
            });
            machine.join().map_err(|_| bench("the machine's thread panicked"))?.map_err(bench)
        });
        for access in &board.finish().unmodelled {
            terminal.tell(format_args!("not modelled, and touched by the firmware: {access}"));
        }
        outcome
    }

    /// The board with its flash as asked for, switched off.
    fn board(&self, terminal: &Terminal, flash: Option<&FlashFile>) -> Result<Emulated, NoTarget> {
        let request =
            TargetRequest { board: self.board.clone(), seed: self.seed, flash: Vec::new() };
        let mut board = Emulated::new(&request, rom(&self.rom)?).map_err(usage)?;
        if let Some(flash) = flash
            && let Some(contents) = flash.load(board.flash_size().into()).map_err(bench)?
        {
            board.preload(0, &contents).map_err(bench)?;
        }
        if let Some(spec) = &self.firmware {
            let project = project_of(Path::new("scenario.yaml"));
            let mut news = |news| {
                if let FetchNews::Note(note) = news {
                    terminal.tell(format_args!("firmware {spec}: {note}"));
                }
            };
            let image = ProjectFirmware.resolve(&project, spec, &mut news).map_err(|trouble| {
                let code = match trouble.scenario_is_wrong {
                    true => ExitCode::Usage,
                    false => ExitCode::Bench,
                };
                NoTarget { message: trouble.message, code }
            })?;
            for segment in &image.segments {
                board.preload(segment.offset, &segment.bytes).map_err(usage)?;
            }
        }
        Ok(board)
    }
}

async fn open(spec: &DoorSpec) -> std::io::Result<Door> {
    match spec {
        DoorSpec::Tcp(address) => open_tcp(*address).await,
        #[cfg(unix)]
        DoorSpec::Pty(link) => crate::serve::pty::Pty::open(link.as_deref()).map(Door::Pty),
        #[cfg(not(unix))]
        DoorSpec::Pty(_) => Err(std::io::ErrorKind::Unsupported.into()),
    }
}

fn bench(error: impl ToString) -> NoTarget {
    NoTarget { message: error.to_string(), code: ExitCode::Bench }
}

fn usage(error: impl ToString) -> NoTarget {
    NoTarget { message: error.to_string(), code: ExitCode::Usage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_read_as_written() {
        assert_eq!("pty".parse(), Ok(DoorSpec::Pty(None)));
        assert_eq!("pty:/tmp/esp".parse(), Ok(DoorSpec::Pty(Some("/tmp/esp".into()))));
        let any = DoorSpec::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        assert_eq!("tcp:localhost:0".parse(), Ok(any));
        for wrong in ["tcp", "tcp:5555", "udp:127.0.0.1:1", "pty:"] {
            assert!(wrong.parse::<DoorSpec>().is_err(), "{wrong}");
        }
    }
}
