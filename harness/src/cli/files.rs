//! Which scenario files a command means, and reading them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::images;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::scenario::check::{Surroundings, surroundings};
use crate::scenario::fault::FileFaults;
use crate::scenario::model::Case;
use crate::scenario::parser::{FilePlace, Invalid, parse_in};
use crate::wokwi::project::{self, Project};

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
        let mut projects = Projects::new();
        let files = self.files().map_err(|(path, error)| {
            // What is wrong with a project comes before what it lacks.
            let toml = if path.is_dir() { path.join(project::FILE) } else { path.clone() };
            let is_project = toml.ends_with(project::FILE) && toml.is_file();
            if !is_project || project_around(&toml, &mut projects, terminal).is_ok() {
                terminal.error(format_args!("cannot read {}: {error}", path.display()));
            }
            ExitCode::Usage
        })?;
        let mut loaded = Loaded { cases: Vec::new(), files: files.len(), invalid: 0 };
        for path in files {
            let wokwi = match project_around(&path, &mut projects, terminal) {
                Ok(wokwi) => wokwi,
                Err(Told) => {
                    loaded.invalid += 1;
                    continue;
                }
            };
            match read_in(&path, boards, wokwi.as_deref()) {
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
            let is_project = path.file_name().is_some_and(|name| name == project::FILE);
            let folder = match path.parent() {
                Some(folder) if is_project && path.is_file() => folder,
                _ => path,
            };
            // The parent of a bare file name is nothing.
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            if folder.is_dir() {
                let mut found = Vec::new();
                collect(folder, &mut found).map_err(|error| (path.clone(), error))?;
                if found.is_empty() && folder.join(project::FILE).is_file() {
                    let text = "this Wokwi project has no scenario: none of its files is called \
                                *.scenario.yaml or *.test.yaml";
                    return Err((path.clone(), io::Error::new(io::ErrorKind::NotFound, text)));
                }
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
    let is_yaml = |path: &Path| path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    match folder.join(project::FILE).is_file() {
        // Other tools have files of that kind in it, too.
        true => collect_those(folder, &project::is_scenario, found),
        false => collect_those(folder, &is_yaml, found),
    }
}

fn collect_those(
    folder: &Path,
    wanted: &dyn Fn(&Path) -> bool,
    found: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('_') {
            continue;
        }
        if path.join(project::FILE).is_file() {
            collect(&path, found)?;
        } else if path.is_dir() {
            collect_those(&path, wanted, found)?;
        } else if wanted(&path) {
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

/// Wokwi projects by their folders, each read once; `None` for those that cannot be run.
type Projects = BTreeMap<PathBuf, Option<Arc<Project>>>;

/// What is wrong has been told.
struct Told;

/// The Wokwi project that a scenario belongs to, if there is one.
fn project_around(
    path: &Path,
    projects: &mut Projects,
    terminal: &Terminal,
) -> Result<Option<Arc<Project>>, Told> {
    let Some(folder) = wokwi_folder(path) else { return Ok(None) };
    let read = || match wokwi_project(path, &folder) {
        Ok((project, _)) => {
            project.warnings.iter().for_each(|faults| terminal.faults(faults));
            Some(Arc::new(project))
        }
        Err(faults) => {
            terminal.faults(&faults);
            None
        }
    };
    projects.entry(folder.clone()).or_insert_with(read).clone().map(Some).ok_or(Told)
}

fn wokwi_folder(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    project::folder_of(&absolute, &project_of(path))
}

/// The Wokwi project of a folder, around a file of it, and the root at which its paths start.
pub(super) fn wokwi_project(path: &Path, folder: &Path) -> Result<(Project, PathBuf), FileFaults> {
    let root = project_of(path);
    let firmware = |spec: &str| images::check(&root, spec);
    let project = Project::read(folder, &project::Around { root: &root, firmware: &firmware })?;
    Ok((project, root))
}

/// Reads and checks a scenario file: its cases, and warnings.
pub(crate) fn read(
    path: &Path,
    boards: &[String],
) -> Result<(Vec<Arc<Case>>, Option<FileFaults>), Unreadable> {
    let project = wokwi_folder(path).map(|folder| wokwi_project(path, &folder)).transpose();
    let project = project.map_err(Unreadable::Faults)?;
    read_in(path, boards, project.as_ref().map(|(project, _)| project))
}

/// The same for a file of a Wokwi project.
fn read_in(
    path: &Path,
    boards: &[String],
    wokwi: Option<&Project>,
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
    match parse_in(&text, FilePlace { path, project: &project }, &files, wokwi) {
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
/// a project, else the current folder if the file (and the Wokwi project around it) is inside it, else
/// that project's folder or the file's own.
pub(super) fn project_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let is_root = |folder: &&Path| ROOT_MARKS.iter().any(|mark| folder.join(mark).exists());
    if let Some(root) = folder.ancestors().find(is_root) {
        return root.to_owned();
    }
    let wokwi = folder.ancestors().find(|folder| folder.join(project::FILE).is_file());
    let folder = wokwi.unwrap_or(folder);
    match std::env::current_dir() {
        Ok(current) if folder.starts_with(&current) => current,
        _ => folder.to_owned(),
    }
}
