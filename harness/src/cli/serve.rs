//! `benchrig serve`: keeps an emulated board running for outside tools.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::doors::{DoorSpec, ForwardSpec, Openings, bench, keep_open, socket_address};
use super::engine::EngineChoice;
use super::files::project_of;
use super::images::ProjectFirmware;
use super::run::cancelled_by_ctrl_c;
use super::targets::NoTarget;
use super::terminal::Terminal;
use super::wokwi::Wokwi;
use crate::exit_code::ExitCode;
use crate::files::served;
use crate::flash_file::FlashFile;
use crate::runner::firmware::{FetchNews, FirmwareSource};
use crate::scenario::parser::{DEFAULT_BOARD, FilePlace, parse_site};
use crate::serve::doors::Reach;
use crate::serve::machine::Served;
use crate::serve::pacer::Pace;
use crate::serve::remote::TOKEN;
use crate::site::{Folders, Site};
use crate::targets::emulated::{Emulated, EmulatorSource};
use crate::targets::wiring_fault::WiringFault;
use crate::targets::{BootMode, LoopBack, Power, Target, TargetRequest};

/// Keep an emulated board running for outside tools
///
/// Opens the doors, switches the board on, and prints one line per open door on stdout, then
/// `ready`. The board runs at wall time until Ctrl-C.
///
///   benchrig serve --firmware micropython-1.23.0 --serial pty:./board
///   benchrig serve --flash board.bin --serial rfc2217:127.0.0.1:4000
///   esptool --port rfc2217://127.0.0.1:4000 flash-id
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

    /// A door to the console: `tcp:HOST:PORT` (port 0: any that is free), `rfc2217:HOST:PORT`, which
    /// has modem lines and speeds too, or `pty`, `pty:LINK`
    #[arg(long, value_name = "DOOR", default_value = "tcp:127.0.0.1:0")]
    serial: Vec<DoorSpec>,

    /// What is around the board: the `air`, `network`, `hosts` and `internet` of this scenario, or of a
    /// file with nothing else. Without it the air is silent
    #[arg(long, value_name = "FILE")]
    air: Option<PathBuf>,

    /// Lead programs of this computer to a TCP port of the board: `8080:80` opens
    /// http://127.0.0.1:8080 for its web server
    #[arg(long, value_name = "[HOST:]PORT:PORT", requires = "air")]
    http_forward: Vec<ForwardSpec>,

    /// A door for gdb, which finds each core as a thread (`target remote HOST:PORT`; port 0: any that
    /// is free)
    #[arg(long, value_name = "HOST:PORT", value_parser = socket_address)]
    gdb: Option<SocketAddr>,

    /// A door to the chip's JTAG, for OpenOCD (`remote_bitbang`)
    #[arg(long, value_name = "HOST:PORT", value_parser = socket_address)]
    jtag: Option<SocketAddr>,

    /// A name for `benchrig ctl NAME …`, which presses buttons and switches the power
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The control socket at a TCP port too, for `benchrig ctl HOST:PORT …`. Clients have to know what
    /// BENCHRIG_TOKEN says here; without it only loopback addresses can be opened
    #[arg(long, value_name = "HOST:PORT", value_parser = socket_address)]
    control: Option<SocketAddr>,

    /// Instead of one board with doors: a server for Wokwi's clients, which bring firmware and diagram
    /// along and get a board each (`WOKWI_CLI_SERVER=ws://HOST:PORT`)
    #[arg(long, value_name = "HOST:PORT", value_parser = socket_address, conflicts_with_all = [
        "board", "flash", "firmware", "serial", "http_forward", "gdb", "jtag", "name", "control",
        "boot_mode", "fault",
    ])]
    wokwi: Option<SocketAddr>,

    /// What Wokwi's clients have to know, in their WOKWI_CLI_TOKEN; without it they may say anything
    #[arg(long, value_name = "TOKEN", requires = "wokwi")]
    token: Option<String>,

    /// Let doors be opened for other computers. Serial ports know no password, so only in a network
    /// that you trust
    #[arg(long)]
    remote: bool,

    /// What the boot strap says when the board is switched on
    #[arg(long, value_name = "MODE", default_value = "run", value_parser = boot_mode)]
    boot_mode: BootMode,

    /// A fault of the wires between adapter and board: `tx-cut`, `rx-cut`, `tx-rx-swapped`,
    /// `gpio0-cut`, `en-cut`, `dtr-cut` or `rts-cut`
    #[arg(long, value_name = "FAULT")]
    fault: Vec<WiringFault>,

    /// A wire between two pins of the board, by their GPIO numbers
    #[arg(long, value_name = "GPIO:GPIO")]
    loop_back: Vec<LoopBack>,

    /// Which device time takes as long as on a real board
    #[arg(long, value_name = "PACE", value_enum, default_value_t)]
    pace: Pace,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    engine: EngineChoice,
}

pub(super) fn boot_mode(text: &str) -> Result<BootMode, String> {
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
        if let Some(address) = self.wokwi {
            return self.wokwi(address, terminal);
        }
        let flash = match &self.flash {
            None => None,
            Some(path) => Some(FlashFile::lock(path).map_err(bench)?),
        };
        let mut board = self.board(terminal, flash.as_ref())?;
        board.set_wiring_faults(&self.fault);
        let stop = cancelled_by_ctrl_c(|| {});
        let mut start = |board: &mut Emulated| {
            board.boot_mode(self.boot_mode).and_then(|()| board.power(Power::On))
        };
        let mut keep = |contents: &[u8]| match &flash {
            Some(flash) => flash.save(contents).map_err(|error| error.to_string()),
            None => Ok(()),
        };
        let token = terminal.environment().get(TOKEN).cloned();
        let openings = Openings {
            doors: &self.serial,
            name: self.name.as_deref(),
            control: self.control.map(|address| (address, token)),
            reach: self.reach(),
            gdb: self.gdb,
            jtag: self.jtag,
            forwards: &self.http_forward,
            pace: self.pace,
        };
        let outcome = keep_open(terminal, &mut board, &openings, &stop, &mut start, &mut keep);
        for access in &board.finish().unmodelled {
            terminal.tell(format_args!("not modelled, and touched by the firmware: {access}"));
        }
        outcome
    }

    /// Instead of a board: a server for Wokwi's clients.
    fn wokwi(&self, address: SocketAddr, terminal: &Terminal) -> Result<(), NoTarget> {
        let environment = terminal.environment().get(TOKEN);
        let wokwi = Wokwi {
            address,
            reach: self.reach(),
            token: self.token.as_ref().or(environment).cloned(),
            pace: self.pace,
            seed: self.seed,
            source: EmulatorSource { engine: self.engine.engine()? },
            surroundings: match &self.air {
                None => None,
                Some(path) => Some(surroundings(terminal, path)?),
            },
        };
        wokwi.serve(terminal)
    }

    fn reach(&self) -> Reach {
        if self.remote { Reach::Network } else { Reach::Loopback }
    }

    /// The board with its flash as asked for, switched off.
    fn board(&self, terminal: &Terminal, flash: Option<&FlashFile>) -> Result<Emulated, NoTarget> {
        let (site, folders) = match &self.air {
            None => (None, Folders::new()),
            Some(path) => surroundings(terminal, path)?,
        };
        let board = self.board.clone();
        let request = TargetRequest {
            loop_backs: self.loop_back.clone(),
            board,
            seed: self.seed,
            site,
            folders,
            ..Default::default()
        };
        let mut board = Emulated::new(&request, &self.engine.engine()?).map_err(usage)?;
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

/// What a file says of a board's surroundings, and what the web servers there serve.
fn surroundings(terminal: &Terminal, path: &Path) -> Result<(Option<Site>, Folders), NoTarget> {
    let cannot = |path: &Path, error: std::io::Error| {
        usage(format!("cannot read {}: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| cannot(path, error))?;
    let project = project_of(path);
    let files = |file: &str| std::fs::read_to_string(project.join(file));
    let place = FilePlace { path, project: &project };
    let site = parse_site(&text, place, &files).map_err(|faults| {
        terminal.faults(&faults);
        usage(format!("{} does not say what is around a board", path.display()))
    })?;
    let folders = served(&site, &project).map_err(|(path, error)| cannot(&path, error))?;
    Ok((Some(site), folders))
}

fn usage(error: impl ToString) -> NoTarget {
    NoTarget { message: error.to_string(), code: ExitCode::Usage }
}
