//! Pending snapshots: finding, showing, accepting and rejecting them.

use std::io;
use std::path::{Path, PathBuf};

use super::store::{load, pending_path, unified};

/// A snapshot that waits for review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The snapshot's own file, which may not exist yet.
    pub snapshot: PathBuf,
    /// The file with the new contents.
    pub pending: PathBuf,
}

impl Pending {
    /// All below `folder`, in order of their paths.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn find(folder: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type()?.is_dir() {
                    if name != "target" && !name.starts_with('.') {
                        folders.push(entry.path());
                    }
                } else if name.ends_with(".snap.new") {
                    let snapshot = entry.path().with_extension("");
                    found.push(Self { pending: entry.path(), snapshot });
                }
            }
        }
        found.sort_by(|a, b| a.pending.cmp(&b.pending));
        Ok(found)
    }

    /// What would change, as a unified diff.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn diff(&self) -> io::Result<String> {
        let old = load(&self.snapshot)?.map(|old| old.to_string()).unwrap_or_default();
        let new = load(&self.pending)?.map(|new| new.to_string()).unwrap_or_default();
        Ok(unified(&old, &new))
    }

    /// Makes the new contents the snapshot.
    ///
    /// # Errors
    /// When the file cannot be renamed; then nothing has changed.
    pub fn accept(&self) -> io::Result<()> {
        std::fs::rename(&self.pending, &self.snapshot)
    }

    /// Throws the new contents away.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn reject(&self) -> io::Result<()> {
        std::fs::remove_file(&self.pending)
    }
}

/// The pending file of a snapshot.
pub fn pending_of(snapshot: &Path) -> PathBuf {
    pending_path(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_files_are_found_shown_and_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join("deep").join(name);
        std::fs::create_dir_all(folder.path().join("deep")).unwrap();
        std::fs::create_dir_all(folder.path().join("target")).unwrap();
        std::fs::write(folder.path().join("target/x.snap.new"), "---\n---\nno\n").unwrap();
        std::fs::write(file("a.b.snap"), "---\nsource: a\n---\nold\n").unwrap();
        std::fs::write(file("a.b.snap.new"), "---\nsource: a\n---\nnew\n").unwrap();
        let found = Pending::find(folder.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].snapshot, file("a.b.snap"));
        assert!(found[0].diff().unwrap().contains("-old\n+new\n"));
        found[0].accept().unwrap();
        assert_eq!(Pending::find(folder.path()).unwrap(), []);
        assert!(std::fs::read_to_string(file("a.b.snap")).unwrap().ends_with("new\n"));
    }
}
