//! The reports that are files: written whole, when the run is over, however it ended.

use std::io;
use std::path::{Path, PathBuf};

use super::record::Record;
use super::{Report, github, html, junit, vcd};
use crate::files::write;
use crate::runner::events::Event;

/// Which files a run leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// JUnit XML.
    pub junit: Option<PathBuf>,
    /// The page.
    pub html: Option<PathBuf>,
    /// Pin traces: a file if it ends with `.vcd`, else a folder.
    pub vcd: Option<PathBuf>,
    /// A file that GitHub's summary is appended to.
    pub step_summary: Option<PathBuf>,
}

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}", path = path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

/// Gathers the run, to write it down at its end.
#[derive(Debug)]
pub struct Files {
    wanted: Wanted,
    record: Record,
}

impl Files {
    /// Nothing yet; `None` if nothing is wanted, for a record costs memory.
    pub fn new(wanted: Wanted) -> Option<Self> {
        (wanted != Wanted::default()).then(|| Self { wanted, record: Record::default() })
    }

    /// Writes all files. One that cannot be written does not keep the others from it.
    ///
    /// # Errors
    /// Every one that could not be written.
    pub fn write(&self) -> Result<(), Vec<FileError>> {
        let mut errors = Vec::new();
        let mut note = |path: &Path, result: io::Result<()>| {
            errors.extend(result.err().map(|source| FileError { path: path.to_owned(), source }));
        };
        if let Some(path) = &self.wanted.junit {
            let text = junit::junit(&self.record).map_err(io::Error::other);
            note(path, text.and_then(|text| write(path, text.as_bytes())));
        }
        if let Some(path) = &self.wanted.html {
            note(path, write(path, html::page(&self.record).as_bytes()));
        }
        if let Some(path) = &self.wanted.vcd {
            match vcd::files(&self.record, path) {
                Ok(files) => {
                    files.iter().for_each(|(path, bytes)| note(path, write(path, bytes)));
                }
                Err(error) => note(path, Err(error)),
            }
        }
        if let Some(path) = &self.wanted.step_summary {
            note(path, github::append(path, &self.record));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl Report for Files {
    fn event(&mut self, event: &Event) {
        self.record.event(event);
    }
}
