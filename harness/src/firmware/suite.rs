//! The programs of `firmware/suite/`: MicroPython sources with the text that they must print.
//!
//! *Modelled*: finding and reading them; comparing output, with the first line that differs.
//! *Not modelled*: running them, which needs a target.

use std::path::{Path, PathBuf};

/// Why the programs cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There are no programs.
    #[error("{path} holds no programs")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Folder and name without ending, as in `machine/timer_modes`.
    pub name: String,
    /// Its source.
    pub source: String,
    /// What it must print, with lines that end in LF.
    pub expected: String,
}

/// The first line in which an output differs from what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Number of the line, counted from 1.
    pub line: usize,
    /// The line expected; `None` where the output is too long.
    pub expected: Option<String>,
    /// The line printed; `None` where the output is too short.
    pub printed: Option<String>,
}

impl Program {
    /// Compares what was printed with what was expected; CR LF counts as LF.
    #[must_use]
    pub fn compare(&self, printed: &str) -> Option<Difference> {
        let printed = printed.replace("\r\n", "\n");
        if printed == self.expected {
            return None;
        }
        let (mut expected, mut printed) = (self.expected.split('\n'), printed.split('\n'));
        let mut line = 0;
        loop {
            line += 1;
            let (a, b) = (expected.next(), printed.next());
            if a != b || a.is_none() {
                let own = |text: Option<&str>| text.map(str::to_owned);
                return Some(Difference { line, expected: own(a), printed: own(b) });
            }
        }
    }
}

/// All programs below `folder`, one level deep, in order of name.
///
/// # Errors
/// [`SuiteError::Read`], also for a program without its `.exp`; [`SuiteError::Empty`].
pub fn programs(folder: &Path) -> Result<Vec<Program>, SuiteError> {
    let mut found = Vec::new();
    for group in entries(folder)?.into_iter().filter(|it| it.is_dir()) {
        for path in entries(&group)? {
            if path.extension().is_none_or(|it| it != "py") {
                continue;
            }
            let name = [group.file_name(), path.file_stem()];
            let name = name.map(|it| it.unwrap_or_default().to_string_lossy().into_owned());
            found.push(Program {
                name: name.join("/"),
                source: read(&path)?,
                expected: read(&path.with_extension("exp"))?,
            });
        }
    }
    if found.is_empty() {
        return Err(SuiteError::Empty { path: folder.to_owned() });
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, SuiteError> {
    let fault = |source| SuiteError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        paths.push(entry.map_err(fault)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, SuiteError> {
    let text = std::fs::read_to_string(path);
    text.map_err(|source| SuiteError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware/suite")
    }

    #[test]
    fn there_are_enough_programs_and_each_says_what_it_prints() {
        let programs = programs(&folder()).unwrap();
        assert!(programs.len() >= 60, "{}", programs.len());
        for program in &programs {
            assert!(
                program.source.starts_with("# "),
                "{} does not say what it tests",
                program.name
            );
            assert!(program.expected.ends_with('\n'), "{}", program.name);
        }
    }

    #[test]
    fn cpython_prints_what_the_language_programs_expect() {
        let all = programs(&folder()).unwrap();
        for program in all.iter().filter(|it| it.name.starts_with("language/")) {
            let path = folder().join(format!("{}.py", program.name));
            let output = Command::new("python3").args(["-W", "ignore"]).arg(path).output();
            let output = output.expect("python3 is needed to check the language programs");
            let printed = String::from_utf8_lossy(&output.stdout);
            assert_eq!(program.compare(&printed), None, "{}", program.name);
            assert!(output.status.success(), "{}", program.name);
        }
    }

    #[test]
    fn a_difference_names_its_line() {
        let program =
            Program { name: String::new(), source: String::new(), expected: "a\nb\n".to_owned() };
        assert_eq!(program.compare("a\r\nb\r\n"), None);
        let short = program.compare("a\n").unwrap();
        assert_eq!((short.line, short.expected.as_deref()), (2, Some("b")));
        let long = program.compare("a\nb\nc").unwrap();
        assert_eq!((long.line, long.printed.as_deref()), (3, Some("c")));
    }
}
