//! `benchrig flash`: writes firmware to one board.

use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::erase::size;
use super::files::project_of;
use super::fixtures::{BoardChoice, tell_remarks, trouble, usage};
use super::images::ProjectFirmware;
use super::targets::NoTarget;
use super::terminal::Terminal;
use crate::bench::fixture::Fixture;
use crate::exit_code::ExitCode;
use crate::runner::firmware::{FetchNews, FirmwareSource};
use crate::targets::{BootMode, Progress, Segment};

/// Write firmware to a board, check it, and let it run
///
/// What the flash already holds is not written again.
///
///   benchrig flash micropython-1.23.0 --port /dev/ttyUSB0
///   benchrig flash build/ --board cam
///   benchrig flash app.bin --at 0x10000
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Flash {
    /// What is written: a name of firmware.toml, an image, an ELF file, a build folder
    #[arg(value_name = "NAME_OR_PATH")]
    firmware: String,

    /// Write the file as it is to this flash address
    #[arg(long, value_name = "OFFSET", value_parser = size)]
    at: Option<u32>,

    /// Erase the whole flash before
    #[arg(long)]
    erase: bool,

    /// Leave the chip waiting for a download
    #[arg(long)]
    no_reset: bool,

    #[command(flatten)]
    choice: BoardChoice,
}

impl Flash {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.flash(terminal) {
            Ok(()) => ExitCode::Passed,
            Err(trouble) => {
                terminal.error(trouble.message);
                trouble.code
            }
        }
    }

    fn flash(&self, terminal: &Terminal) -> Result<(), NoTarget> {
        let segments = segments(terminal, &self.firmware, self.at)?;
        let mut board = self.choice.fixture()?;
        into_loader(&mut board)?;
        let size = board.flash_size().map_err(trouble)?;
        for Segment { offset, bytes } in &segments {
            if u64::from(*offset) + bytes.len() as u64 > u64::from(size) {
                let length = bytes.len();
                return Err(usage(format!(
                    "{length} bytes at {offset:#x} do not fit a flash of {size} bytes"
                )));
            }
        }
        if self.erase {
            let shown = bar(terminal, "erasing");
            board.erase(0, size, &mut |progress| shown.show(progress)).map_err(trouble)?;
            shown.end();
        }
        for Segment { offset, bytes } in &segments {
            self.write(terminal, &mut board, *offset, bytes)?;
        }
        if !self.no_reset {
            board.boot_mode(BootMode::Run).map_err(trouble)?;
            board.reset().map_err(trouble)?;
            terminal.say(format_args!("{}: reset, and runs", board.name()));
        }
        tell_remarks(terminal, &mut board);
        Ok(())
    }

    fn write(
        &self,
        terminal: &Terminal,
        board: &mut Fixture,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), NoTarget> {
        let (name, length) = (board.name().to_owned(), bytes.len());
        if board.holds(offset, bytes).map_err(trouble)? {
            terminal.say(format_args!("{name}: already holds {length} bytes at {offset:#x}"));
            return Ok(());
        }
        let since = Instant::now();
        let shown = bar(terminal, "writing");
        board.write(offset, bytes, &mut |progress| shown.show(progress)).map_err(trouble)?;
        shown.end();
        let seconds = since.elapsed().as_secs_f64();
        terminal.say(format_args!(
            "{name}: {length} bytes at {offset:#x} written and checked in {seconds:.1} s \
             ({:.0} kbit/s)",
            length as f64 * 8.0 / 1_000.0 / seconds
        ));
        Ok(())
    }
}

/// What such an argument writes, and where.
pub(super) fn segments(
    terminal: &Terminal,
    firmware: &str,
    at: Option<u32>,
) -> Result<Vec<Segment>, NoTarget> {
    if let Some(offset) = at {
        let bytes =
            std::fs::read(firmware).map_err(|error| usage(format!("{firmware}: {error}")))?;
        return Ok(vec![Segment { offset, bytes: bytes.into() }]);
    }
    let project = project_of(Path::new("scenario.yaml"));
    let mut news = |news| {
        if let FetchNews::Note(note) = news {
            terminal.tell(format_args!("firmware {firmware}: {note}"));
        }
    };
    let image = ProjectFirmware.resolve(&project, firmware, &mut news);
    image.map(|image| image.segments).map_err(|trouble| NoTarget {
        code: match trouble.scenario_is_wrong {
            true => ExitCode::Usage,
            false => ExitCode::Bench,
        },
        message: trouble.message,
    })
}

/// Brings the chip into its boot loader.
pub(super) fn into_loader(board: &mut Fixture) -> Result<(), NoTarget> {
    board.begin_download().map(drop).map_err(trouble)
}

/// How far a long operation is, on a terminal.
pub(super) struct Shown(ProgressBar);

/// A picture of an operation, where somebody sees it.
pub(super) fn bar(terminal: &Terminal, what: &'static str) -> Shown {
    let bar = match terminal.is_live() {
        true => ProgressBar::new(0),
        false => ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
    };
    // The template is a constant.
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent} % {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    Shown(bar)
}

impl Shown {
    /// So far.
    pub(super) fn show(&self, progress: Progress) {
        self.0.set_length(progress.total);
        self.0.set_position(progress.done);
    }

    /// The picture goes away.
    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
