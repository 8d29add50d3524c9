//! Which scenario files a command means, and reading them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::images;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::scenario::check::{Surroundings, surroundings};
use crate::scenario::fault::FileFaults;
use crate::scenario::model::Case;
use crate::scenario::parser::{FilePlace, Invalid, parse};

/// The folder of scenarios when a command names none.
const DEFAULT_FOLDER: &str = "scenarios";
/// What marks the root of a project.
const ROOT_MARKS: [&str; 3] = ["bench.toml", "firmware/firmware.toml", ".git"];

/// Which scenarios.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Scenario files, or folders of them [default: scenarios]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Only cases whose name contains this text (may be given several times)
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,

    /// Only scenarios with this tag (may be given several times)
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
}

/// What reading the selection came to.
pub(super) struct Loaded {
    /// The cases that are selected.
    pub(super) cases: Vec<Arc<Case>>,
    /// How many files were read.
    pub(super) files: usize,
    /// How many of them are invalid; their faults have been told.
    pub(super) invalid: usize,
}

impl Selection {
    /// Reads and checks every file, and tells all faults of all of them. `boards` are the profiles
    /// that the target knows.
    ///
    /// # Errors
    /// When a path cannot be read; it has been told.
    pub(super) fn load(&self, terminal: &Terminal, boards: &[String]) -> Result<Loaded, ExitCode> {
        let files = self.files().map_err(|(path, error)| {
            terminal.error(format_args!("cannot read {}: {error}", path.display()));
            ExitCode::Usage
        })?;
        let mut loaded = Loaded { cases: Vec::new(), files: files.len(), invalid: 0 };
        for path in files {
            match read(&path, boards) {
                Ok((cases, warnings)) => {
                    warnings.iter().for_each(|warnings| terminal.faults(warnings));
                    loaded.cases.extend(cases.into_iter().filter(|case| self.selects(case)));
                }
                Err(Unreadable::Faults(faults)) => {
                    terminal.faults(&faults);
                    loaded.invalid += 1;
                }
                Err(Unreadable::File(error)) => {
                    terminal.error(format_args!("cannot read {}: {error}", path.display()));
                    loaded.invalid += 1;
                }
            }
        }
        Ok(loaded)
    }

    fn selects(&self, case: &Case) -> bool {
        (self.filter.is_empty() || self.filter.iter().any(|text| case.name.contains(text)))
            && (self.tag.is_empty() || self.tag.iter().any(|tag| case.tags.contains(tag)))
    }

    /// The files, sorted within each folder.
    fn files(&self) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
        let default = [PathBuf::from(DEFAULT_FOLDER)];
        let paths = if self.paths.is_empty() { &default[..] } else { &self.paths };
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() {
                let mut found = Vec::new();
                collect(path, &mut found).map_err(|error| (path.clone(), error))?;
                found.sort();
                files.append(&mut found);
            } else {
                std::fs::metadata(path).map_err(|error| (path.clone(), error))?;
                files.push(path.clone());
            }
        }
        Ok(files)
    }
}

/// The scenarios in a folder. What has a name with `_` at its beginning is there to be included.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('_') {
            continue;
        }
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            found.push(path);
        }
    }
    Ok(())
}

/// Why there are no cases in a file.
pub(crate) enum Unreadable {
    File(io::Error),
    Faults(FileFaults),
}

/// Reads and checks a scenario file: its cases, and warnings.
pub(crate) fn read(
    path: &Path,
    boards: &[String],
) -> Result<(Vec<Arc<Case>>, Option<FileFaults>), Unreadable> {
    let text = std::fs::read_to_string(path).map_err(Unreadable::File)?;
    let project = project_of(path);
    let files = |file: &str| std::fs::read_to_string(project.join(file));
    let firmware = |spec: &str| images::check(&project, spec);
    let around = Surroundings {
        boards,
        exists: &|file| project.join(file).is_file(),
        is_folder: &|folder| project.join(folder).is_dir(),
        firmware: &firmware,
    };
    match parse(&text, FilePlace { path, project: &project }, &files) {
        Ok(parsed) => {
            let faults = parsed.cases.iter().flat_map(|case| surroundings(case, &around));
            let faults: Vec<_> = faults.collect();
            match parsed.cases.first() {
                Some(case) if !faults.is_empty() => {
                    Err(Unreadable::Faults(FileFaults::new(case.source.clone(), faults)))
                }
                _ => Ok((parsed.cases, parsed.warnings)),
            }
        }
        Err(Invalid { faults: FileFaults { source, mut faults }, cases }) => {
            faults.extend(cases.iter().flat_map(|case| surroundings(case, &around)));
            Err(Unreadable::Faults(FileFaults::new(source, faults)))
        }
    }
}

/// The folder that a scenario's paths start at: the nearest one above it that looks like the root of
/// a project, else the current folder if the file is inside it, else the file's own.
pub(super) fn project_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let is_root = |folder: &&Path| ROOT_MARKS.iter().any(|mark| folder.join(mark).exists());
    if let Some(root) = folder.ancestors().find(is_root) {
        return root.to_owned();
    }
    match std::env::current_dir() {
        Ok(current) if folder.starts_with(&current) => current,
        _ => folder.to_owned(),
    }
}
