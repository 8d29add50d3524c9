//! Snapshot files: reading, comparing, writing whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

use insta::internals::TextSnapshotContents;
use insta::{Snapshot, TextSnapshotKind};
use similar::TextDiff;

use super::policy::{SnapshotPolicy, WhenNew};
use crate::files::write;

/// The snapshots of one scenario.
#[derive(Debug, Clone)]
pub struct SnapshotFolder {
    folder: PathBuf,
    stem: String,
    /// The scenario's path in the project, for the header.
    source: String,
    policy: SnapshotPolicy,
}

/// What comparing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The snapshot is the same.
    Same,
    /// It was new or differed, and has been written as the policy says.
    Accepted,
    /// It differs.
    Differs {
        /// A unified diff, from the snapshot to what was seen.
        diff: String,
        /// The file to review, if the policy writes one.
        pending: Option<PathBuf>,
    },
    /// There is no snapshot yet.
    New {
        /// The file to review, if the policy writes one.
        pending: Option<PathBuf>,
    },
}

impl SnapshotFolder {
    /// The snapshots beside the scenario file `scenario` of `project`.
    pub fn beside(scenario: &Path, project: &Path, policy: SnapshotPolicy) -> Self {
        let shown = scenario.strip_prefix(project).unwrap_or(scenario);
        Self {
            folder: scenario.parent().unwrap_or(Path::new("")).to_owned(),
            stem: scenario.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            source: shown.to_string_lossy().replace('\\', "/"),
            policy,
        }
    }

    /// The file of a snapshot.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}.{name}.snap", self.stem))
    }

    /// Whether a step passes although its snapshot differs.
    pub fn force_pass(&self) -> bool {
        self.policy.force_pass
    }

    /// Compares `contents` with the snapshot `name` and writes what the policy says; `expression`
    /// says in the file's header what was seen.
    ///
    /// # Errors
    /// When a file cannot be read or written; then no file has changed.
    pub fn compare(
        &self,
        name: &str,
        contents: &str,
        expression: &str,
    ) -> Result<Comparison, (PathBuf, io::Error)> {
        self.compare_forgiving(name, contents, expression, &|_| contents.to_owned())
    }

    /// The same; but with what was reviewed is compared what `forgiving` makes of it: the contents,
    /// with what may differ as it was reviewed.
    ///
    /// # Errors
    /// When a file cannot be read or written; then no file has changed.
    pub fn compare_forgiving(
        &self,
        name: &str,
        contents: &str,
        expression: &str,
        forgiving: &dyn Fn(&str) -> String,
    ) -> Result<Comparison, (PathBuf, io::Error)> {
        let path = self.path(name);
        let pending = pending_path(&path);
        let text = |text| TextSnapshotContents::new(text, TextSnapshotKind::File);
        let new = text(contents.to_owned());
        let old = load(&path).map_err(|error| (path.clone(), error))?;
        let forgiven = old.as_ref().map(|old| text(forgiving(&old.to_string())));
        if old.as_ref().zip(forgiven.as_ref()).is_some_and(|(old, new)| old.matches_latest(new)) {
            // What was pending is settled. Under CI nothing is touched.
            if self.policy.changed != WhenNew::Discard {
                remove(&pending).map_err(|error| (pending, error))?;
            }
            return Ok(Comparison::Same);
        }
        let when = if old.is_some() { self.policy.changed } else { self.policy.unseen };
        let file = format!(
            "---\nsource: {}\nexpression: {}\n---\n{}\n",
            quoted(&self.source),
            quoted(expression),
            new
        );
        let written = match when {
            WhenNew::Accept => {
                write(&path, file.as_bytes()).map_err(|error| (path, error))?;
                remove(&pending).map_err(|error| (pending, error))?;
                return Ok(Comparison::Accepted);
            }
            WhenNew::Pend => {
                write(&pending, file.as_bytes()).map_err(|error| (pending.clone(), error))?;
                Some(pending)
            }
            WhenNew::Discard => None,
        };
        Ok(match old.zip(forgiven) {
            None => Comparison::New { pending: written },
            Some((old, new)) => Comparison::Differs {
                diff: unified(&old.to_string(), &new.to_string()),
                pending: written,
            },
        })
    }
}

/// The file in which new contents wait for review.
pub(super) fn pending_path(path: &Path) -> PathBuf {
    path.with_extension("snap.new")
}

/// The text of a snapshot file; `None` when there is none.
pub(super) fn load(path: &Path) -> io::Result<Option<TextSnapshotContents>> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let snapshot = Snapshot::from_file(path)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    match snapshot.contents().as_text() {
        Some(text) => Ok(Some(text.clone())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "not a text snapshot")),
    }
}

/// The contents of a snapshot file; `None` when there is none.
///
/// # Errors
/// When it cannot be read.
pub fn text_of(path: &Path) -> io::Result<Option<String>> {
    Ok(load(path)?.map(|contents| contents.to_string()))
}

/// A difference as a person reads it.
pub(super) fn unified(old: &str, new: &str) -> String {
    TextDiff::from_lines(&with_end(old), &with_end(new))
        .unified_diff()
        .context_radius(3)
        .header("snapshot", "seen now")
        .to_string()
}

fn with_end(text: &str) -> String {
    format!("{}\n", text.trim_end_matches('\n'))
}

/// A YAML double-quoted scalar: JSON's strings are a subset.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(when: WhenNew) -> SnapshotPolicy {
        SnapshotPolicy { unseen: when, changed: when, force_pass: false }
    }

    fn folder(project: &Path, when: WhenNew) -> SnapshotFolder {
        SnapshotFolder::beside(&project.join("first.yaml"), project, policy(when))
    }

    fn files(project: &Path) -> Vec<String> {
        let name = |entry: io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut files: Vec<_> = std::fs::read_dir(project).unwrap().map(name).collect();
        files.sort();
        files
    }

    #[test]
    fn a_new_snapshot_waits_for_review_in_a_file_that_insta_reads() {
        let project = tempfile::tempdir().unwrap();
        let snapshots = folder(project.path(), WhenNew::Pend);
        let seen = "a: \"b\"\n---\n>>>";
        let Comparison::New { pending: Some(pending) } =
            snapshots.compare("boot", seen, "serial since \"x\": y").unwrap()
        else {
            panic!("must be new")
        };
        assert_eq!(files(project.path()), ["first.boot.snap.new"]);
        let read = Snapshot::from_file(&pending).unwrap();
        assert_eq!(read.metadata().source(), Some("first.yaml"));
        assert_eq!(read.metadata().expression(), Some("serial since \"x\": y"));
        assert_eq!(read.contents().as_text().unwrap().to_string(), seen);
    }

    #[test]
    fn what_is_accepted_compares_equal_and_settles_what_was_pending() {
        let project = tempfile::tempdir().unwrap();
        folder(project.path(), WhenNew::Pend).compare("boot", "one\n\ntwo", "serial").unwrap();
        let accepting = folder(project.path(), WhenNew::Accept);
        assert_eq!(accepting.compare("boot", "one\n\ntwo", "s").unwrap(), Comparison::Accepted);
        assert_eq!(files(project.path()), ["first.boot.snap"]);
        assert_eq!(accepting.compare("boot", "one\n\ntwo\n", "s").unwrap(), Comparison::Same);
    }

    #[test]
    fn one_changed_byte_differs_and_nothing_is_written_when_nothing_may_be() {
        let project = tempfile::tempdir().unwrap();
        folder(project.path(), WhenNew::Accept).compare("boot", "one\ntwo", "s").unwrap();
        let Comparison::Differs { diff, pending: None } =
            folder(project.path(), WhenNew::Discard).compare("boot", "one\ntwO", "s").unwrap()
        else {
            panic!("must differ")
        };
        assert!(diff.contains("-two\n+twO\n"), "{diff}");
        assert_eq!(files(project.path()), ["first.boot.snap"]);
    }

    #[test]
    fn a_broken_snapshot_file_is_an_error_not_a_difference() {
        let project = tempfile::tempdir().unwrap();
        std::fs::write(project.path().join("first.boot.snap"), b"---\n\xff").unwrap();
        assert!(folder(project.path(), WhenNew::Pend).compare("boot", "x", "s").is_err());
    }
}
