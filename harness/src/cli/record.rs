//! `benchrig record`: a session at a board's console becomes a scenario.

use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use super::doors::bench;
use super::files::project_of;
use super::images::ProjectFirmware;
use super::init::write_new;
use super::modes::Modes;
use super::targets::{Machine, NoTarget};
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::recording::{Head, Recording};
use crate::runner::firmware::{FetchNews, FirmwareSource};
use crate::scenario::parser::DEFAULT_BOARD;
use crate::serve::pacer::{Pacer, WallClock};
use crate::targets::{Port, Power, Target, TargetEvent, TargetRequest};
use crate::time::Span;

/// Ctrl-], which ends the session.
const END: u8 = 0x1d;
/// Device time between two looks at the keyboard.
const SLICE: Span = Span::from_millis(5);
/// A board that has been silent for so long has said what it had to say.
const SILENCE: Span = Span::from_secs(2);
/// How long a board may go on talking after one line of a script.
const PATIENCE: Span = Span::from_secs(60);

/// Talk to a board, and keep it as a scenario
///
/// Switches a board on and connects its console with the terminal, until Ctrl-]. What was typed
/// becomes steps, what was answered expectations. When stdin is no terminal, its lines are typed
/// one by one, each after the board has fallen silent.
///
///   benchrig record scenarios/mine.yaml --firmware micropython-1.23.0
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Record {
    /// The scenario file to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The kind of board
    #[arg(long, value_name = "PROFILE", default_value = DEFAULT_BOARD)]
    board: String,

    /// What its flash holds: a name of firmware.toml, or a path
    #[arg(long, value_name = "NAME_OR_PATH")]
    firmware: Option<String>,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    machine: Machine,
}

impl Record {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.record(terminal) {
            Ok(code) => code,
            Err(trouble) => {
                terminal.error(trouble.message);
                trouble.code
            }
        }
    }

    fn record(&self, terminal: &Terminal) -> Result<ExitCode, NoTarget> {
        if self.file.exists() {
            let message = format!("{} exists already", self.file.display());
            return Err(NoTarget { message, code: ExitCode::Usage });
        }
        let mut target = self.target(terminal)?;
        target.power(Power::On).map_err(bench)?;
        let mut recording = Recording::default();
        if io::stdin().is_terminal() {
            terminal.tell("connected; Ctrl-] ends");
            converse(&mut *target, &mut recording)?;
        } else {
            let mut script = String::new();
            io::stdin().read_to_string(&mut script).map_err(bench)?;
            play(&mut *target, &script, &mut recording)?;
        }
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy();
        let head = Head {
            name: name.into_owned(),
            board: self.board.clone(),
            firmware: self.firmware.clone(),
        };
        match write_new(&self.file, &recording.scenario(&head)).map_err(bench)? {
            true => terminal.say(format_args!("\nwritten: {}", self.file.display())),
            false => return Err(bench(format!("{} exists already", self.file.display()))),
        }
        Ok(ExitCode::Passed)
    }

    fn target(&self, terminal: &Terminal) -> Result<Box<dyn Target>, NoTarget> {
        let targets = self.machine.source()?;
        let flash = match &self.firmware {
            None => Vec::new(),
            Some(spec) => {
                let mut news = |news| {
                    if let FetchNews::Note(note) = news {
                        terminal.tell(format_args!("firmware {spec}: {note}"));
                    }
                };
                let project = project_of(&self.file);
                ProjectFirmware.resolve(&project, spec, &mut news).map_err(bench)?.segments
            }
        };
        let request = TargetRequest {
            board: self.board.clone(),
            seed: self.seed,
            flash,
            ..Default::default()
        };
        targets.open(&request).map_err(bench)
    }
}

/// Lets the board run for a slice and keeps what it says; whether it said something.
fn slice(
    target: &mut dyn Target,
    recording: &mut Recording,
    out: &mut impl Write,
) -> Result<bool, NoTarget> {
    let events = target.run_until(target.now() + SLICE).map_err(bench)?;
    let mut spoke = false;
    for event in events {
        let TargetEvent::Serial { port: Port::Console, bytes, .. } = event else { continue };
        spoke = true;
        recording.said(&bytes);
        // A terminal that went away does not end the session.
        let _ = out.write_all(&bytes);
    }
    let _ = out.flush();
    Ok(spoke)
}

/// Types the lines of a script, each when the board has fallen silent.
fn play(target: &mut dyn Target, script: &str, recording: &mut Recording) -> Result<(), NoTarget> {
    let mut out = io::stdout();
    settle(target, recording, &mut out)?;
    for line in script.lines() {
        let bytes = format!("{line}\r").into_bytes();
        recording.typed(&bytes);
        target.send(Port::Console, &bytes).map_err(bench)?;
        settle(target, recording, &mut out)?;
    }
    Ok(())
}

fn settle(
    target: &mut dyn Target,
    recording: &mut Recording,
    out: &mut impl Write,
) -> Result<(), NoTarget> {
    let end = target.now() + PATIENCE;
    let mut silent_since = target.now();
    while target.now() < end && target.now() < silent_since + SILENCE {
        if slice(target, recording, out)? {
            silent_since = target.now();
        }
    }
    Ok(())
}

/// Connects the board with the terminal, at wall time.
fn converse(target: &mut dyn Target, recording: &mut Recording) -> Result<(), NoTarget> {
    let _raw = Modes::raw();
    let keys = keyboard();
    let mut pacer = Pacer::new(WallClock::default(), target.now());
    let mut out = io::stdout();
    loop {
        match keys.try_recv() {
            Ok(bytes) => {
                let typed = bytes.split(|byte| *byte == END).next().unwrap_or_default();
                if !typed.is_empty() {
                    recording.typed(typed);
                    target.send(Port::Console, typed).map_err(bench)?;
                }
                if typed.len() < bytes.len() {
                    return Ok(());
                }
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        slice(target, recording, &mut out)?;
        pacer.wait(target.now());
    }
}

/// What is typed, from a thread of its own: reading a terminal cannot be asked whether it waits.
pub(super) fn keyboard() -> Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut keys = [0; 64];
        let mut stdin = io::stdin().lock();
        while let Ok(count @ 1..) = stdin.read(&mut keys) {
            if tell.send(keys[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    told
}
