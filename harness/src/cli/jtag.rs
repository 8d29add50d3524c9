//! `benchrig jtag`: one board over JTAG, for a look into it or to write its flash.

use std::num::IntErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::erase::size;
use super::run::wall_time;
use super::targets::{BenchChoice, NoTarget};
use super::terminal::Terminal;
use crate::bench::probe::ProbeName;
use crate::exit_code::ExitCode;

/// Look into a board over JTAG, or write its flash
///
/// Firmware sees the debugger; the chip runs on at the end. Needs a benchrig with the cargo feature
/// `jtag`.
///
///   benchrig jtag probes
///   benchrig jtag --board cam status
///   benchrig jtag --probe 0403:6010 flash micropython-1.23.0
///   benchrig jtag --probe bitbang://127.0.0.1:3335 read 0x3ffb0000 64
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Jtag {
    /// A board of the bench with `jtag` in its entry [default: the only one]
    #[arg(long, short, value_name = "NAME", conflicts_with = "probe")]
    board: Option<String>,

    /// A probe instead: VID:PID, VID:PID:SERIAL or bitbang://HOST:PORT
    #[arg(long, value_name = "PROBE")]
    probe: Option<ProbeName>,

    #[command(flatten)]
    bench: BenchChoice,

    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the probes that are plugged in
    Probes,
    /// Say where each core stands
    Status,
    /// Reset the chip and let it run
    Reset,
    /// Read memory as PRO_CPU sees it
    Read {
        #[arg(value_parser = number)]
        address: u32,
        /// How many bytes
        #[arg(value_parser = number)]
        length: u32,
        /// Write the bytes to this file instead of showing them
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Write a file into memory
    Write {
        #[arg(value_parser = number)]
        address: u32,
        file: PathBuf,
    },
    /// Let a core run until it comes to an address, and show its registers there
    Break {
        #[arg(value_parser = number)]
        address: u32,
        /// 0 is PRO_CPU, 1 APP_CPU
        #[arg(long, default_value = "0", value_parser = clap::value_parser!(u8).range(0..2))]
        core: u8,
        /// How long it may take
        #[arg(long, value_name = "TIME", default_value = "10s", value_parser = wall_time)]
        within: Duration,
    },
    /// Write firmware to the flash, check it, and let it run
    Flash {
        /// A name of firmware.toml, an image, an ELF file, a build folder
        #[arg(value_name = "NAME_OR_PATH")]
        firmware: String,
        /// Write the file as it is to this flash address
        #[arg(long, value_name = "OFFSET", value_parser = size)]
        at: Option<u32>,
    },
}

/// An address or a number of bytes.
fn number(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
            Err(format!("{text} is more than 32 bits hold"))
        }
        number => number.or_else(|_| size(text)),
    }
}

impl Jtag {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.act(terminal) {
            Ok(()) => ExitCode::Passed,
            Err(trouble) => {
                terminal.error(trouble.message);
                trouble.code
            }
        }
    }
}

#[cfg(not(feature = "jtag"))]
impl Jtag {
    fn act(&self, _terminal: &Terminal) -> Result<(), NoTarget> {
        let message = "this benchrig was built without JTAG: build it with `--features jtag`";
        Err(NoTarget { message: message.to_owned(), code: ExitCode::Usage })
    }
}

#[cfg(feature = "jtag")]
mod acts {
    use std::fmt::Write as _;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use super::super::fixtures::usage;
    use super::super::flash::{bar, segments};
    use super::*;
    use crate::bench::description::BoardEntry;
    use crate::bench::fixture::identity;
    use crate::bench::jtag::{Jtag as Session, JtagError, probes};
    use crate::bench::lock::{BoardLock, Locks, Wanted};

    /// What the cores are called.
    const CORES: [&str; 2] = ["PRO_CPU", "APP_CPU"];
    /// Bytes in a line.
    const LINE: usize = 16;
    /// The most that is read: all of the address space that holds memory is less.
    const MOST: u32 = 16 << 20;

    fn bench(error: impl ToString) -> NoTarget {
        NoTarget { message: error.to_string(), code: ExitCode::Bench }
    }

    impl Jtag {
        pub(super) fn act(&self, terminal: &Terminal) -> Result<(), NoTarget> {
            if let Act::Probes = self.act {
                return list(terminal);
            }
            let (name, entry, probe) = self.choose()?;
            let _lock = self.lock(terminal, &name, entry.as_ref(), &probe)?;
            let mut chip = Session::attach(&probe).map_err(bench)?;
            if let Some(expected) = entry.and_then(|entry| entry.mac) {
                let found = chip.mac().map_err(bench)?;
                if found != expected {
                    return Err(bench(format!(
                        "{name} shall have the address {expected} and has {found}"
                    )));
                }
            }
            match &self.act {
                Act::Probes => Ok(()),
                Act::Status => status(terminal, &mut chip),
                Act::Reset => {
                    chip.reset().map_err(bench)?;
                    terminal.say(format_args!("{name}: reset, and runs"));
                    Ok(())
                }
                Act::Read { address, length, output } => {
                    read(terminal, &mut chip, *address, *length, output.as_deref())
                }
                Act::Write { address, file } => {
                    let bytes = contents(file)?;
                    chip.write(0, *address, &bytes).map_err(bench)?;
                    let count = bytes.len();
                    terminal.say(format_args!("{name}: {count} bytes at {address:#x} written"));
                    Ok(())
                }
                Act::Break { address, core, within } => {
                    stop_at(terminal, &mut chip, *address, (*core).into(), *within)
                }
                Act::Flash { firmware, at } => {
                    for piece in segments(terminal, firmware, *at)? {
                        let shown = bar(terminal, "writing");
                        let mut news = |progress| shown.show(progress);
                        chip.write_flash(piece.offset, &piece.bytes, &mut news).map_err(bench)?;
                        shown.end();
                        let (count, at) = (piece.bytes.len(), piece.offset);
                        terminal.say(format_args!(
                            "{name}: {count} bytes at {at:#x} written and checked"
                        ));
                    }
                    chip.reset().map_err(bench)?;
                    terminal.say(format_args!("{name}: reset, and runs"));
                    Ok(())
                }
            }
        }

        /// What the board is called, its entry if it has one, and its probe.
        fn choose(&self) -> Result<(String, Option<BoardEntry>, ProbeName), NoTarget> {
            if let Some(probe) = &self.probe {
                return Ok((probe.to_string(), None, probe.clone()));
            }
            let (name, entry) = match &self.board {
                Some(name) => (name.clone(), self.bench.entry(name)?),
                None => {
                    let bench = self.bench.find().map_err(usage)?;
                    let mut with_probe =
                        bench.boards.into_iter().filter(|(_, entry)| entry.jtag.is_some());
                    match (with_probe.next(), with_probe.next()) {
                        (Some(board), None) => board,
                        (None, _) => {
                            return Err(usage(
                                "no board of the bench has `jtag`: give a `--probe`",
                            ));
                        }
                        (Some(_), Some(_)) => return Err(usage("which board? give a `--board`")),
                    }
                }
            };
            match entry.jtag.clone() {
                Some(probe) => Ok((name, Some(entry), probe)),
                None => Err(usage(format!("the entry of {name} in bench.toml has no `jtag`"))),
            }
        }

        /// The board for this process alone.
        fn lock(
            &self,
            terminal: &Terminal,
            board: &str,
            entry: Option<&BoardEntry>,
            probe: &ProbeName,
        ) -> Result<BoardLock, NoTarget> {
            let identity = entry.map_or_else(|| probe.to_string(), identity);
            let wanted = Wanted {
                board,
                identity: &identity,
                command: "benchrig jtag",
                patience: self.bench.lock_timeout(),
            };
            let mut news = |news: crate::bench::lock::LockNews| terminal.tell(news);
            let locks = Locks::of_this_user().map_err(bench)?;
            locks.take(&wanted, &AtomicBool::new(false), &mut news).map_err(bench)
        }
    }

    fn list(terminal: &Terminal) -> Result<(), NoTarget> {
        let found = probes();
        if found.is_empty() {
            terminal.say("no probe is plugged in");
        }
        for probe in found {
            terminal.say(format_args!("{}  {}", probe.selector, probe.name));
        }
        Ok(())
    }

    fn status(terminal: &Terminal, chip: &mut Session) -> Result<(), NoTarget> {
        terminal.say(format_args!("address {}", chip.mac().map_err(bench)?));
        for (core, name) in CORES.into_iter().enumerate() {
            let is = match stands(chip, core) {
                Ok((pc, true)) => format!("stopped at {pc:#010x}"),
                Ok((pc, false)) => format!("runs, at {pc:#010x}"),
                // A core without a clock.
                Err(error) => format!("does not answer: {error}"),
            };
            terminal.say(format_args!("{name} {is}"));
        }
        Ok(())
    }

    /// Where a core is, and whether it was stopped there before.
    fn stands(chip: &mut Session, core: usize) -> Result<(u32, bool), JtagError> {
        if chip.is_halted(core)? {
            return Ok((chip.register(core, "pc")?, true));
        }
        let pc = chip.halt(core)?;
        chip.go_on(core)?;
        Ok((pc, false))
    }

    fn read(
        terminal: &Terminal,
        chip: &mut Session,
        address: u32,
        length: u32,
        output: Option<&Path>,
    ) -> Result<(), NoTarget> {
        if length > MOST {
            return Err(usage(format!("{length} bytes are more than there is")));
        }
        let mut bytes = vec![0; length as usize];
        chip.read(0, address, &mut bytes).map_err(bench)?;
        match output {
            Some(file) => crate::files::write(file, &bytes)
                .map_err(|error| usage(format!("{}: {error}", file.display())))?,
            None => {
                for (line, bytes) in bytes.chunks(LINE).enumerate() {
                    let mut text = format!("{:08x} ", address.wrapping_add((line * LINE) as u32));
                    for byte in bytes {
                        // Into a string.
                        let _ = write!(text, " {byte:02x}");
                    }
                    terminal.say(text);
                }
            }
        }
        Ok(())
    }

    fn contents(file: &Path) -> Result<Vec<u8>, NoTarget> {
        std::fs::read(file).map_err(|error| usage(format!("{}: {error}", file.display())))
    }

    fn stop_at(
        terminal: &Terminal,
        chip: &mut Session,
        address: u32,
        core: usize,
        within: Duration,
    ) -> Result<(), NoTarget> {
        chip.halt(core).map_err(bench)?;
        chip.set_breakpoint(core, address, true).map_err(bench)?;
        chip.go_on(core).map_err(bench)?;
        let stopped = chip.wait_halted(core, within);
        chip.set_breakpoint(core, address, false).map_err(bench)?;
        let pc = stopped.map_err(bench)?;
        terminal.say(format_args!("{} is at {pc:#010x}", CORES[core]));
        for row in 0..4 {
            let mut text = String::new();
            for number in row * 4..row * 4 + 4 {
                let name = format!("a{number}");
                let value = chip.register(core, &name).map_err(bench)?;
                // Into a string.
                let _ = write!(text, "{name:>3} {value:08x}  ");
            }
            terminal.say(text.trim_end());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn an_address_or_a_length_has_32_bits_and_its_trouble_is_named() {
        for (text, value) in [("4096", 4096), ("4KB", 4096), ("0x3ffae000", 0x3ffa_e000)] {
            assert_eq!(number(text), Ok(value));
        }
        let huge = "99999999999999999999";
        assert_eq!(number(huge), Err(format!("{huge} is more than 32 bits hold")));
        assert!(number("much").is_err() && number("-1").is_err());
    }
}
