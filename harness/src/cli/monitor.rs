//! `benchrig monitor`: the terminal becomes a board's console.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use super::fixtures::{BoardChoice, create, trouble, usage};
use super::modes::Modes;
use super::record::keyboard;
use super::run::{cancelled_by_ctrl_c, wall_time};
use super::targets::NoTarget;
use super::terminal::Terminal;
use crate::bench::fixture::{Fixture, Heard};
use crate::exit_code::ExitCode;
use crate::reports::crash_text;
use crate::runner::crash::CrashWatch;
use crate::symbols::Symbols;
use crate::targets::{BootMode, Port};
use crate::time::DeviceTime;

/// Ctrl-], which ends the session.
const END: u8 = 0x1d;
/// Ctrl-T, which begins a key for the monitor itself.
const MENU: u8 = 0x14;
/// The longest wait between two looks at the keyboard.
const LOOK: Duration = Duration::from_millis(10);
/// A longer line is looked at in pieces.
const LONGEST: usize = 4 << 10;
const KEYS: &str = "keys: Ctrl-] ends; Ctrl-T r resets, Ctrl-T b resets into the boot loader, \
                    Ctrl-T t sends Ctrl-T, Ctrl-T ] sends Ctrl-]";

/// Watch a board's console and type into it, until Ctrl-]
///
/// A crash is explained when an ELF file is known. When stdin is no terminal, what it says is typed,
/// and the monitor goes on until Ctrl-C or `--for`.
///
///   benchrig monitor --port /dev/ttyUSB0 --elf build/app.elf
///   benchrig monitor --board cam --log console.log --for 30s
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Monitor {
    #[command(flatten)]
    choice: BoardChoice,

    /// Speed of the console, in baud
    #[arg(long, value_name = "BAUD", default_value_t = crate::bench::adapters::ROM_BAUD)]
    baud: u32,

    /// Reset the board first, so that nothing of its start is missed
    #[arg(long)]
    reset_first: bool,

    /// The ELF file that the firmware was made of, to say where it crashed
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,

    /// Keep what the board says in this file too
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// End after so much time
    #[arg(long = "for", value_name = "TIME", value_parser = wall_time)]
    span: Option<Duration>,
}

impl Monitor {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.monitor(terminal) {
            Ok(code) => code,
            Err(trouble) => {
                terminal.error(trouble.message);
                trouble.code
            }
        }
    }

    fn monitor(&self, terminal: &Terminal) -> Result<ExitCode, NoTarget> {
        if let Some(elf) = self.elf.as_ref().filter(|elf| !elf.is_file()) {
            return Err(usage(format!("there is no file {}", elf.display())));
        }
        let mut log = self.log.as_ref().map(create).transpose()?;
        let mut board = self.choice.fixture()?;
        if self.baud != crate::bench::adapters::ROM_BAUD {
            board.set_baud(self.baud).map_err(trouble)?;
        }
        let is_terminal = io::stdin().is_terminal();
        if is_terminal {
            terminal.tell(format_args!("{} at {}; {KEYS}", board.name(), board.port()));
        }
        if self.reset_first {
            board.reset().map_err(trouble)?;
        }
        let stop = cancelled_by_ctrl_c(|| {});
        let raw = is_terminal.then(Modes::raw);
        let mut keys = Keys { typed: Some(keyboard()), in_menu: false };
        let mut watch = Watch {
            line: Vec::new(),
            crashes: CrashWatch::default(),
            symbols: Symbols::new(self.elf.clone()),
            since: Instant::now(),
        };
        let mut out = io::stdout();
        let outcome = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(ExitCode::Interrupted);
            }
            if self.span.is_some_and(|span| watch.since.elapsed() >= span) {
                break Ok(ExitCode::Passed);
            }
            match keys.act(&mut board) {
                Ok(true) => {}
                Ok(false) => break Ok(ExitCode::Passed),
                Err(error) => break Err(error),
            }
            match board.hear(LOOK).map_err(trouble) {
                Err(error) => break Err(error),
                Ok(None) => {}
                Ok(Some((_, Heard::Remark(text)))) => terminal.tell(format_args!("\r{text}\r")),
                Ok(Some((_, Heard::Bytes(bytes)))) => {
                    let shown = out.write_all(&bytes).and_then(|()| out.flush());
                    if shown.is_err() {
                        // A reader that went away has seen enough.
                        break Ok(ExitCode::Passed);
                    }
                    if let Some(log) = &mut log {
                        log.write_all(&bytes).map_err(super::doors::bench)?;
                    }
                    for explained in watch.hear(&bytes) {
                        terminal.tell(explained.replace('\n', "\r\n"));
                    }
                }
            }
        };
        drop(raw);
        for crash in watch.crashes.end(&watch.symbols) {
            terminal.tell(crash_text(&crash));
        }
        outcome
    }
}

/// What is typed.
struct Keys {
    typed: Option<std::sync::mpsc::Receiver<Vec<u8>>>,
    in_menu: bool,
}

impl Keys {
    /// Does what has been typed; whether the session goes on.
    fn act(&mut self, board: &mut Fixture) -> Result<bool, NoTarget> {
        let bytes = match self.typed.as_ref().map(|typed| typed.try_recv()) {
            Some(Ok(bytes)) => bytes,
            Some(Err(TryRecvError::Disconnected)) => {
                self.typed = None;
                return Ok(true);
            }
            None | Some(Err(TryRecvError::Empty)) => return Ok(true),
        };
        let mut plain = Vec::new();
        for byte in bytes {
            match (std::mem::take(&mut self.in_menu), byte) {
                (false, END) => return Ok(false),
                (false, MENU) => self.in_menu = true,
                (false, byte) => plain.push(byte),
                (true, b'r' | 0x12) => reset(board, BootMode::Run)?,
                (true, b'b' | 0x02) => reset(board, BootMode::Download)?,
                (true, b't' | MENU) => plain.push(MENU),
                (true, b']' | END) => plain.push(END),
                (true, _) => {}
            }
        }
        if !plain.is_empty() {
            board.send(&plain).map_err(trouble)?;
        }
        Ok(true)
    }
}

fn reset(board: &mut Fixture, mode: BootMode) -> Result<(), NoTarget> {
    board.boot_mode(mode).and_then(|()| board.reset()).map_err(trouble)
}

/// Looks for crashes in what the board says.
struct Watch {
    /// The line that is growing.
    line: Vec<u8>,
    crashes: CrashWatch,
    symbols: Symbols,
    since: Instant,
}

impl Watch {
    /// The crashes that became complete, explained.
    fn hear(&mut self, bytes: &[u8]) -> Vec<String> {
        let nanos = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let time = DeviceTime::from_nanos(nanos);
        let mut explained = Vec::new();
        for byte in bytes {
            if *byte != b'\n' && self.line.len() < LONGEST {
                self.line.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            let line = console::strip_ansi_codes(line.trim_end_matches('\r'));
            let crashes = self.crashes.line(Port::Console, time, &line, &self.symbols);
            explained.extend(crashes.iter().map(crash_text));
        }
        explained
    }
}
