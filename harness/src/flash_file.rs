//! A file that holds the flash of a board between runs, owned by one process at a time.
//!
//! The lock is on a file of its own beside it (`NAME.lock`), which holds the owner's process id for
//! the message; the flash file itself is replaced whole, so that it is never half written.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The flash file of a board, locked.
#[derive(Debug)]
pub struct FlashFile {
    path: PathBuf,
    /// Holds the lock until it is closed.
    _lock: File,
}

/// A flash file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FlashFileError {
    /// Another process has it.
    #[error("{path} is in use by process {holder}", path = path.display())]
    Locked {
        /// The flash file.
        path: PathBuf,
        /// Process id of the owner, or a word if it has not said.
        holder: String,
    },
    /// It does not hold a flash of this size.
    #[error("{path} has {length} bytes, and the board's flash {size}", path = path.display())]
    WrongSize {
        /// The flash file.
        path: PathBuf,
        /// Its length.
        length: u64,
        /// Size of the board's flash.
        size: u64,
    },
    /// It cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FlashFile {
    /// Locks the flash file at `path`, which need not exist yet.
    ///
    /// # Errors
    /// When another process has it, or the lock file cannot be written.
    pub fn lock(path: &Path) -> Result<Self, FlashFileError> {
        let lock_path = lock_path(path);
        let at = |source| FlashFileError::File { path: lock_path.clone(), source };
        let mut options = OpenOptions::new();
        let mut lock = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(at)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "unknown".to_owned(),
                    pid => pid.to_owned(),
                };
                return Err(FlashFileError::Locked { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(at(source)),
        }
        let pid = std::process::id();
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{pid}"))
            .map_err(at)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Its contents; `None` when there is no file yet.
    ///
    /// # Errors
    /// When it cannot be read, or is not `size` bytes long.
    pub fn load(&self, size: u64) -> Result<Option<Vec<u8>>, FlashFileError> {
        let at = |source| FlashFileError::File { path: self.path.clone(), source };
        let length = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(error)),
            Ok(metadata) => metadata.len(),
        };
        if length != size {
            return Err(FlashFileError::WrongSize { path: self.path.clone(), length, size });
        }
        std::fs::read(&self.path).map(Some).map_err(at)
    }

    /// Replaces its contents, whole or not at all.
    ///
    /// # Errors
    /// When they cannot be written; then the old ones are still there.
    pub fn save(&self, contents: &[u8]) -> Result<(), FlashFileError> {
        let at = |source| FlashFileError::File { path: self.path.clone(), source };
        let folder =
            self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file =
            tempfile::Builder::new().prefix(".benchrig-").tempfile_in(folder).map_err(at)?;
        file.write_all(contents).map_err(at)?;
        file.persist(&self.path).map_err(|error| at(error.error))?;
        Ok(())
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash.bin");
        let first = FlashFile::lock(&path).unwrap();
        let error = FlashFile::lock(&path).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("is in use by process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        FlashFile::lock(&path).unwrap();
    }

    #[test]
    fn contents_survive_and_a_wrong_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let flash = FlashFile::lock(&folder.path().join("flash.bin")).unwrap();
        assert!(flash.load(4).unwrap().is_none());
        flash.save(b"1234").unwrap();
        assert_eq!(flash.load(4).unwrap().unwrap(), b"1234");
        assert!(matches!(flash.load(8), Err(FlashFileError::WrongSize { length: 4, .. })));
    }
}
