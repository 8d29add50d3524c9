//! `benchrig open`: a program in Wokwi's simulator in a browser, through the tool `wokwi-server`.
//!
//! Source: `wokwi-server` 0.2.0: its options; its page is told by WebSocket what to run, at a port that
//! cannot be chosen, and returns what the board says. It says nothing if one of its ports is taken.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::files::wokwi_project;
use super::targets::NoTarget;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::wokwi::project;

/// The environment variable that names the program.
const PROGRAM: &str = "BENCHRIG_WOKWI_SERVER";
/// Its name, if nobody says another one.
const WOKWI_SERVER: &str = "wokwi-server";
/// Its ports: for the page, and for a debugger.
const PORTS: [u16; 2] = [9012, 9333];
/// The number of Xtensa in an ELF file (`e_machine`, 2 bytes at 18).
const XTENSA: [u8; 2] = [94, 0];

/// Show a program in Wokwi's simulator in a browser
///
/// Starts `wokwi-server`, which must be installed, with the ELF file of a Wokwi project, or with
/// another one. A page of wokwi.com opens and simulates the board; what it says is shown here until
/// Ctrl-C, and gdb reaches it at 127.0.0.1:9333. The page must be able to reach this computer's
/// loopback address; no token is needed.
#[derive(Debug, clap::Args)]
pub(super) struct Open {
    /// An ELF file, or a folder with wokwi.toml
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,

    /// The project of wokwi.com whose diagram is shown, by its number [default: a bare board]
    #[arg(long, value_name = "NUMBER")]
    id: Option<String>,

    /// Another second-stage bootloader than the tool's own
    #[arg(long, value_name = "FILE")]
    bootloader: Option<PathBuf>,

    /// Another partition table than the tool's own, as CSV
    #[arg(long, value_name = "FILE")]
    partition_table: Option<PathBuf>,
}

impl Open {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.open(terminal) {
            Ok(()) => ExitCode::Passed,
            Err(NoTarget { message, code }) => {
                terminal.error(message);
                code
            }
        }
    }

    fn open(&self, terminal: &Terminal) -> Result<(), NoTarget> {
        let elf = self.elf(terminal)?;
        is_for_the_chip(&elf).map_err(usage)?;
        for port in PORTS {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
                bench(format!(
                    "{WOKWI_SERVER} needs the port {port} of 127.0.0.1, and cannot have it ({error}): is \
                     another one running?"
                ))
            })?;
        }
        let named = terminal.environment().get(PROGRAM).filter(|name| !name.trim().is_empty());
        let program = named.map_or(WOKWI_SERVER, String::as_str);
        let mut command = Command::new(program);
        command.args(["--chip", "esp32"]);
        for (option, file) in
            [("--bootloader", &self.bootloader), ("--partition-table", &self.partition_table)]
        {
            if let Some(file) = file {
                command.arg(option).arg(file);
            }
        }
        if let Some(id) = &self.id {
            command.arg("--id").arg(id);
        }
        let child = command.arg(&elf).spawn().map_err(|error| not_started(program, &error))?;
        terminal.tell(format_args!("{} in Wokwi's simulator, until Ctrl-C", elf.display()));
        wait(child)
    }

    /// The ELF file that is meant.
    fn elf(&self, terminal: &Terminal) -> Result<PathBuf, NoTarget> {
        let is_file = self.path.file_name().is_some_and(|name| name == project::FILE);
        // The parent of a bare file name is nothing.
        let parent = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = if is_file { parent.unwrap_or(Path::new(".")) } else { &self.path };
        let folder = std::path::absolute(folder).map_err(|error| usage(error.to_string()))?;
        if !is_file && !folder.is_dir() {
            return Ok(self.path.clone());
        }
        let toml = folder.join(project::FILE);
        let (project, root) = wokwi_project(&toml, &folder).map_err(|faults| {
            terminal.faults(&faults);
            usage("there is no Wokwi project that can be opened".to_owned())
        })?;
        let is_elf = |path: &String| path.ends_with(".elf");
        let elf = project.elf.or_else(|| Some(project.firmware).filter(is_elf));
        let elf = elf.ok_or_else(|| {
            usage(format!(
                "{} names no ELF file that is there, and {WOKWI_SERVER} takes nothing else: write elf = \
                 'build/app.elf'",
                toml.display()
            ))
        })?;
        Ok(root.join(elf))
    }
}

fn usage(message: String) -> NoTarget {
    NoTarget { message, code: ExitCode::Usage }
}

fn bench(message: String) -> NoTarget {
    NoTarget { message, code: ExitCode::Bench }
}

/// Whether a file is a program for an ESP32; else what it is not.
fn is_for_the_chip(path: &Path) -> Result<(), String> {
    let mut head = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    match read {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Err(format!("cannot read {}: {error}", path.display()))
        }
        Ok(()) if head.starts_with(b"\x7fELF") && head[18..] == XTENSA => Ok(()),
        _ => Err(format!(
            "{} is no ELF file of a program for an ESP32, and {WOKWI_SERVER} takes nothing else",
            path.display()
        )),
    }
}

fn not_started(program: &str, error: &io::Error) -> NoTarget {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => format!(
            ": install it with `cargo install {WOKWI_SERVER} --version 0.2.0`, which on Debian needs \
             libudev-dev and pkg-config, or name it with {PROGRAM}"
        ),
        _ => String::new(),
    };
    bench(format!("`{program}` cannot be started ({error}){advice}"))
}

/// Waits for its end, which the person orders.
fn wait(child: Child) -> Result<(), NoTarget> {
    let child = Arc::new(Mutex::new(child));
    let ordered = Arc::new(AtomicBool::new(false));
    let (ends, order) = (child.clone(), ordered.clone());
    // Without a handler Ctrl-C still ends both programs.
    let _ = ctrlc::set_handler(move || {
        order.store(true, Ordering::Relaxed);
        // It may have heard the same Ctrl-C.
        let _ = ends.lock().unwrap_or_else(PoisonError::into_inner).kill();
    });
    let status = loop {
        let status = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
        match status {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(LOOK),
            Err(error) => return Err(bench(format!("{WOKWI_SERVER}: {error}"))),
        }
    };
    match ordered.load(Ordering::Relaxed) || status.success() {
        true => Ok(()),
        false => Err(bench(format!("{WOKWI_SERVER} has ended: {status}"))),
    }
}

/// Wall time between two looks at whether it has ended.
const LOOK: std::time::Duration = std::time::Duration::from_millis(50);
