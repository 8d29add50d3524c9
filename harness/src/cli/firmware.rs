//! `benchrig firmware`: the images that scenarios call by name.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::files::project_of;
use super::images::{in_words, resolver};
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::firmware::{Blame, FirmwareError, Progress, Store};
use crate::runner::firmware::FetchNews;

/// The firmware images that scenarios call by name
///
/// They are listed in `firmware/firmware.toml`, fetched on first use, checked by their SHA-256 and
/// kept in a cache (BENCHRIG_CACHE). Files in the folder BENCHRIG_FIRMWARE_DIR need no fetching.
#[derive(Debug, clap::Args)]
pub(super) struct Firmware {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the images, and which are here already
    List,
    /// Fetch images (all that are named)
    Fetch {
        /// Names of images
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,

        /// Also copy them into this folder, each as NAME.bin, for tools that want a file
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
    /// Print the path of the verified file, fetching it first if needed
    Path {
        /// Name of an image
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Check firmware as a scenario would before flashing: hash, chip, headers, checksums
    Verify {
        /// Name of an image, or a path: image, ELF, flasher_args.json, build folder
        #[arg(value_name = "NAME_OR_PATH")]
        spec: String,
    },
}

impl Firmware {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        let project = project_of(Path::new("scenario.yaml"));
        let done = match &self.verb {
            Verb::List => list(terminal, &project),
            Verb::Fetch { names, to } => names.iter().try_for_each(|name| {
                let image = path(terminal, &project, name)?;
                to.as_ref().map_or(Ok(()), |folder| copy(terminal, &image, folder, name))
            }),
            Verb::Path { name } => {
                path(terminal, &project, name).map(|path| terminal.say(path.display()))
            }
            Verb::Verify { spec } => verify(terminal, &project, spec),
        };
        match done {
            Ok(()) => ExitCode::Passed,
            Err(error) => {
                terminal.error(&error);
                match error.blame() {
                    Blame::Scenario => ExitCode::Usage,
                    Blame::Source => ExitCode::Bench,
                }
            }
        }
    }
}

fn list(terminal: &Terminal, project: &Path) -> Result<(), FirmwareError> {
    let resolver = resolver(project)?;
    let store = Store::from_environment()?;
    for (name, entry) in resolver.manifest().iter() {
        let here = match store.find(name, entry, &mut |_, _| {}) {
            Some(_) => "here",
            None => "not fetched",
        };
        terminal.say(format_args!(
            "{name:24} {:>8} KiB  {here:11}  {}",
            entry.size >> 10,
            entry.title
        ));
    }
    Ok(())
}

fn path(terminal: &Terminal, project: &Path, name: &str) -> Result<PathBuf, FirmwareError> {
    let mut bar = Bar::new(terminal);
    resolver(project)?.path_of(name, &mut |progress| bar.tell(terminal, &progress))
}

fn copy(terminal: &Terminal, image: &Path, folder: &Path, name: &str) -> Result<(), FirmwareError> {
    let bytes = std::fs::read(image)
        .map_err(|source| FirmwareError::Read { path: image.to_owned(), source })?;
    let copy = folder.join(format!("{name}.bin"));
    crate::files::write(&copy, &bytes)
        .map_err(|source| FirmwareError::Write { path: copy.clone(), source })?;
    terminal.say(copy.display());
    Ok(())
}

fn verify(terminal: &Terminal, project: &Path, spec: &str) -> Result<(), FirmwareError> {
    let mut bar = Bar::new(terminal);
    let firmware =
        resolver(project)?.resolve(spec, &mut |progress| bar.tell(terminal, &progress))?;
    for region in firmware.regions() {
        terminal.say(format_args!("{:#010x}  {} bytes", region.offset, region.bytes.len()));
    }
    let checks: Vec<_> = firmware.checks.iter().map(|check| format!("{check:?}")).collect();
    terminal.say(format_args!("{spec}: right ({})", checks.join(", ")));
    Ok(())
}

/// Progress of a fetch: a bar on a terminal, lines elsewhere.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(terminal: &Terminal) -> Self {
        let bar = || {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style =
                ProgressStyle::with_template("[{bar:24}] {bytes} of {total_bytes} {wide_msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        };
        Self(terminal.is_live().then(bar))
    }

    fn tell(&mut self, terminal: &Terminal, progress: &Progress<'_>) {
        match (in_words(progress), &self.0) {
            (FetchNews::Note(note), Some(bar)) => bar.println(note),
            (FetchNews::Note(note), None) => terminal.tell(note),
            (FetchNews::Bytes { done, total }, Some(bar)) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            (FetchNews::Bytes { .. }, None) => {}
        }
    }
}
