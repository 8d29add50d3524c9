//! `benchrig erase`: erases the flash of one board, or a part of it.

use std::time::Instant;

use super::fixtures::{BoardChoice, tell_remarks, trouble, usage};
use super::flash::{bar, into_loader};
use super::targets::NoTarget;
use super::terminal::Terminal;
use crate::bench::loader::SECTOR;
use crate::exit_code::ExitCode;
use crate::scenario::units;
use crate::targets::BootMode;

/// Erase the flash of a board
///
///   benchrig erase --board cam
///   benchrig erase --board cam --at 0x9000 --length 24KB
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Erase {
    #[command(flatten)]
    choice: BoardChoice,

    /// Only from this flash address on
    #[arg(long, value_name = "OFFSET", requires = "length", value_parser = size)]
    at: Option<u32>,

    /// Only so many bytes: whole sectors of 4 KB
    #[arg(long, value_name = "SIZE", requires = "at", value_parser = size)]
    length: Option<u32>,
}

/// A number of bytes or a flash address, such as `4KB` or `0x1000`.
pub(super) fn size(text: &str) -> Result<u32, String> {
    let size = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).map_err(|error| error.to_string())?,
        None => units::size(text).map_err(|error| error.to_string())?,
    };
    u32::try_from(size).map_err(|_| format!("{text} is more than any flash has"))
}

impl Erase {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.erase(terminal) {
            Ok(()) => ExitCode::Passed,
            Err(trouble) => {
                terminal.error(trouble.message);
                trouble.code
            }
        }
    }

    fn erase(&self, terminal: &Terminal) -> Result<(), NoTarget> {
        let (at, wanted) = (self.at.unwrap_or(0), self.length);
        if !at.is_multiple_of(SECTOR) || wanted.is_some_and(|size| !size.is_multiple_of(SECTOR)) {
            return Err(usage(format!("only whole sectors of {SECTOR:#x} bytes can be erased")));
        }
        let mut board = self.choice.fixture()?;
        into_loader(&mut board)?;
        let size = board.flash_size().map_err(trouble)?;
        let length = wanted.unwrap_or(size);
        if u64::from(at) + u64::from(length) > u64::from(size) {
            return Err(usage(format!("the flash has {size:#x} bytes only")));
        }
        let since = Instant::now();
        let shown = bar(terminal, "erasing");
        board.erase(at, length, &mut |progress| shown.show(progress)).map_err(trouble)?;
        shown.end();
        board.boot_mode(BootMode::Run).map_err(trouble)?;
        board.reset().map_err(trouble)?;
        tell_remarks(terminal, &mut board);
        terminal.say(format_args!(
            "{}: {length:#x} bytes at {at:#x} erased in {:.1} s",
            board.name(),
            since.elapsed().as_secs_f32()
        ));
        Ok(())
    }
}
