//! Why firmware cannot be had, in words that say what to do.

use std::path::PathBuf;

use esp32_emulator::image::{ElfError, LayoutError};

use super::flasher_args::FlasherArgsError;
use super::manifest::ManifestError;

/// Whose fault it is, and so which exit code it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The scenario or the command line names something that is not there: exit code 2.
    Scenario,
    /// What is named cannot be got, or is not what it should be: exit code 3.
    Source,
}

/// Why firmware cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirmwareError {
    /// Neither a known name nor an existing path.
    #[error(
        "no firmware `{spec}`: there is no file {looked}, and firmware.toml has no such name{}",
        hint(nearest.as_deref(), known)
    )]
    Unknown {
        /// What was asked for.
        spec: String,
        /// The path that it would be.
        looked: PathBuf,
        /// The known name most like it.
        nearest: Option<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// The path leads out of the project.
    #[error("{path} lies outside {root}: paths in scenarios stay inside the project")]
    Outside {
        /// The path.
        path: PathBuf,
        /// The folder that it must be in.
        root: PathBuf,
    },
    /// The path is neither a file nor a folder.
    #[error("{path} is no regular file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The folder is no build folder.
    #[error(
        "{path} is no ESP-IDF build folder: it has no flasher_args.json (build the project first, \
         or name an image, an ELF file or a build folder)"
    )]
    NotABuildFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A list of images is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no image that an ESP32 can run.
    #[error("{path}: {source}")]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LayoutError,
    },
    /// A file is no program that an ESP32 can run.
    #[error("{path}: {source}")]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ElfError,
    },
    /// A build folder's list is wrong.
    #[error("{path}: {source}")]
    FlasherArgs {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        source: FlasherArgsError,
    },
    /// The file found beside an application is not what it should be.
    #[error("{path}: this is no {wanted}")]
    WrongPart {
        /// The file.
        path: PathBuf,
        /// What it was taken for.
        wanted: &'static str,
    },
    /// An application is larger than its partition.
    #[error("{path}: the application has {length:#x} bytes, its partition only {partition:#x}")]
    PartitionTooSmall {
        /// The application.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The partition's length in bytes.
        partition: usize,
    },
    /// The partition table beside an application has no place for it.
    #[error("{path}: the partition table has no partition for an application")]
    NoAppPartition {
        /// The partition table.
        path: PathBuf,
    },
    /// An application has come without a bootloader, and none can be fetched.
    #[error(
        "{app} is an application alone. It needs a second-stage bootloader: put one beside it as \
         {}, or flash a merged image. The one in firmware.toml cannot be had:\n{source}",
        join(looked)
    )]
    NoBootloader {
        /// The application.
        app: PathBuf,
        /// The files that would have been taken.
        looked: Vec<PathBuf>,
        /// Why the usual one cannot be fetched.
        source: Box<FirmwareError>,
    },
    /// Two files want the same flash.
    #[error("{first} and {second} overlap in flash at {offset:#x}")]
    Overlap {
        /// The file that comes first.
        first: PathBuf,
        /// The file that starts before the first one ends.
        second: PathBuf,
        /// Where the second one starts.
        offset: u32,
    },
    /// The firmware is larger than the board's flash.
    #[error("{name} ends at {end:#x}, but the board's flash has only {flash_size:#x} bytes")]
    FlashTooSmall {
        /// The firmware.
        name: String,
        /// Flash offset just past it.
        end: u64,
        /// Size of the flash in bytes.
        flash_size: u64,
    },
    /// A list says another flash offset than the image itself.
    #[error("firmware.toml puts {name} at {listed:#x}, but the image starts at {found:#x}")]
    WrongOffset {
        /// The image.
        name: String,
        /// The offset in the list.
        listed: u32,
        /// The offset that its contents ask for.
        found: u32,
    },
    /// No source of an official image works.
    #[error("{}", no_source(.0))]
    NoSource(Box<NoSource>),
    /// The cache cannot be used.
    #[error("cannot use the cache at {path}: {source} (BENCHRIG_CACHE names another folder)")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no place for a cache.
    #[error("there is no home folder for the cache: set BENCHRIG_CACHE to a folder")]
    NoCacheFolder,
    /// Another process has been fetching the same image for too long.
    #[error("another process has held {lock} for {seconds} s while fetching {name}")]
    Locked {
        /// The image.
        name: String,
        /// The lock file.
        lock: PathBuf,
        /// How long this one has waited.
        seconds: u64,
    },
}

/// All that a person needs to bring an image by hand.
#[derive(Debug)]
pub struct NoSource {
    /// The image.
    pub name: String,
    /// Its file name.
    pub file: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Where the cache would keep it.
    pub cached: PathBuf,
    /// The sources tried, each with why it did not work.
    pub tried: Vec<(String, String)>,
}

impl FirmwareError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unknown { .. }
            | Self::Outside { .. }
            | Self::NotAFile { .. }
            | Self::NotABuildFolder { .. }
            | Self::FlashTooSmall { .. }
            | Self::WrongOffset { .. }
            | Self::Manifest(_) => Blame::Scenario,
            _ => Blame::Source,
        }
    }
}

fn hint(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(name) => format!(" (did you mean `{name}`?)"),
        None => format!(" (known: {})", known.join(", ")),
    }
}

fn join(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(" or ")
}

fn no_source(it: &NoSource) -> String {
    let mut text = format!("no source of {} is in reach", it.name);
    for (source, reason) in &it.tried {
        text += &format!("\n  {source}: {reason}");
    }
    text += &format!(
        "\nput the file {} ({} bytes, SHA-256 {})\n  at {}\n  or into a folder that the variable \
         BENCHRIG_FIRMWARE_DIR names",
        it.file,
        it.size,
        it.sha256,
        it.cached.display()
    );
    text
}
