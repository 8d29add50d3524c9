//! What the program says, and what is understood of it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Stands before the name of a step that begins.
const EXECUTING: &str = "Executing step: ";
/// Stands before the number of a step, from 1.
const STEP: &str = "benchrig step ";

/// The name by which a step is found again; its number counts from 0.
pub(super) fn marker(step: usize) -> String {
    format!("{STEP}{}", step + 1)
}

/// The number of the step, from 0, that a line of stdout says to begin.
pub(super) fn step(line: &str) -> Option<usize> {
    let (_, name) = line.rsplit_once(EXECUTING)?;
    let number: usize = name.strip_prefix(STEP)?.parse().ok()?;
    number.checked_sub(1)
}

/// What a step did not find, and at how many nanoseconds of simulated time.
pub(super) fn failure(errors: &str) -> Option<(String, u64)> {
    errors.lines().find_map(|line| {
        let (_, said) = line.split_once("Error: [")?;
        let (nanos, what) = said.split_once("ns] ")?;
        Some((what.trim_end().to_owned(), nanos.parse().ok()?))
    })
}

/// The first line that says what is wrong.
pub(super) fn error(errors: &str) -> Option<&str> {
    let mut lines = errors.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().find(|line| line.contains("Error"));
    first.or_else(|| lines.next())
}

/// What the board has said, from a file that grows.
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line.
    open: Vec<u8>,
}

impl Log {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, open: Vec::new() }
    }

    /// The lines that have been completed since the last time; at the end, what has no end, too.
    pub(super) fn lines(&mut self, at_end: bool) -> impl Iterator<Item = String> + use<> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        if let Some(file) = &mut self.file {
            // What cannot be read now is read next time, or never was said.
            let _ = file.read_to_end(&mut self.open);
        }
        let complete = match at_end {
            true => self.open.len(),
            false => self.open.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1),
        };
        let lines: Vec<u8> = self.open.drain(..complete).collect();
        let lines = String::from_utf8_lossy(&lines).into_owned();
        let lines: Vec<_> =
            lines.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect();
        lines.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_step_is_found_in_the_line_that_says_it() {
        for (line, number) in [
            ("[A switch] Executing step: benchrig step 3", Some(2)),
            ("[Executing step: x] Executing step: benchrig step 1", Some(0)),
            ("[A switch] Executing step: benchrig step 0", None),
            ("[A switch] Executing step: somebody's", None),
            ("benchrig step 3", None),
        ] {
            assert_eq!(step(line), number, "{line}");
        }
        assert_eq!(step(&format!("{EXECUTING}{}", marker(7))), Some(7));
    }

    #[test]
    fn an_error_is_a_failure_if_it_has_a_time() {
        let errors = "\nError: [802000000ns] GPIO esp:2 expected to be 0 but was 1\n    at x\n";
        let said = "GPIO esp:2 expected to be 0 but was 1".to_owned();
        assert_eq!(failure(errors), Some((said, 802_000_000)));
        let other = "Diagram issues in x:\nAPI Error: quota exceeded\n";
        assert_eq!((failure(other), error(other)), (None, Some("API Error: quota exceeded")));
        assert_eq!((failure(""), error("")), (None, None));
    }

    #[test]
    fn lines_are_told_when_they_are_complete_and_the_last_one_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::new(&path);
        let mut lines = |at_end| log.lines(at_end).collect::<Vec<_>>();
        assert_eq!(lines(false), Vec::<String>::new());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"ets Jul 29\r\n>>").unwrap();
        assert_eq!(lines(false), ["ets Jul 29"]);
        file.write_all(b"> ").unwrap();
        assert_eq!((lines(false), lines(true)), (vec![], vec![">>> ".to_owned()]));
    }
}
