//! The cache of official images: looks, locks, fetches, verifies, writes.
//!
//! *Modelled*: one folder per hash; a file appears in it whole or not at all; two processes that
//! want the same image fetch it once.
//! *Not modelled*: throwing old images away.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::error::{FirmwareError, NoSource};
use super::manifest::{Entry, Source};
use super::progress::{Listener, Progress};
use super::sources;

/// Longer than any fetch: the one who holds the lock is stuck.
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Where official images are kept, and where else they may lie.
#[derive(Debug, Clone)]
pub struct Store {
    cache: PathBuf,
    local: Option<PathBuf>,
}

/// An image that is here, whole and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Store {
    /// A store with its cache in `cache`, which also takes files from `local` as they are.
    #[must_use]
    pub fn new(cache: PathBuf, local: Option<PathBuf>) -> Self {
        Self { cache, local }
    }

    /// The store that the user's surroundings say: cache in `BENCHRIG_CACHE`, else in the user's
    /// cache folder; local files in `BENCHRIG_FIRMWARE_DIR`.
    ///
    /// # Errors
    /// [`FirmwareError::NoCacheFolder`].
    pub fn from_environment() -> Result<Self, FirmwareError> {
        let folder = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let usual =
            || Some(directories::ProjectDirs::from("", "", "benchrig")?.cache_dir().to_owned());
        let cache = folder("BENCHRIG_CACHE").or_else(usual);
        let cache = cache.ok_or(FirmwareError::NoCacheFolder)?;
        Ok(Self::new(cache, folder("BENCHRIG_FIRMWARE_DIR")))
    }

    /// Where the cache keeps `entry`, whether it is there or not.
    #[must_use]
    pub fn cached_path(&self, entry: &Entry) -> PathBuf {
        self.cache.join("firmware").join(&entry.sha256).join(&entry.file)
    }

    /// The image if it is here already; nothing is fetched. What is found but not right is told to
    /// `rejected` with the reason.
    pub fn find(
        &self,
        name: &str,
        entry: &Entry,
        rejected: &mut dyn FnMut(&Path, &str),
    ) -> Option<Stored> {
        let mut places = vec![self.cached_path(entry)];
        if let Some(local) = &self.local {
            places.push(local.join(&entry.file));
            places.push(local.join(format!("{name}.bin")));
        }
        places.into_iter().find_map(|path| match candidate(&path, entry)? {
            Ok(bytes) => Some(Stored { path, bytes }),
            Err(reason) => {
                rejected(&path, &reason);
                None
            }
        })
    }

    /// The image: from the cache, from a local folder, or from the first source that works.
    ///
    /// # Errors
    /// [`FirmwareError::NoSource`], [`FirmwareError::Cache`], [`FirmwareError::Locked`].
    pub fn obtain(
        &self,
        name: &str,
        entry: &Entry,
        listener: Listener<'_>,
    ) -> Result<Stored, FirmwareError> {
        let mut tried = Vec::new();
        let stored = match self.find(name, entry, &mut |_, _| {}) {
            Some(stored) => stored,
            None => {
                let _lock = self.lock(name, entry, listener)?;
                let mut rejected = |path: &Path, reason: &str| {
                    tried.push((path.display().to_string(), reason.to_owned()));
                };
                match self.find(name, entry, &mut rejected) {
                    Some(stored) => stored, // the process that held the lock has brought it
                    None => self.fetch(name, entry, tried, listener)?,
                }
            }
        };
        listener(Progress::Ready { name, path: &stored.path });
        Ok(stored)
    }

    fn fetch(
        &self,
        name: &str,
        entry: &Entry,
        mut tried: Vec<(String, String)>,
        listener: Listener<'_>,
    ) -> Result<Stored, FirmwareError> {
        for (source, reason) in &tried {
            listener(Progress::FellThrough { source, reason });
        }
        for source in &entry.sources {
            let words = source.to_string();
            listener(Progress::Asking { name, source: &words });
            match verified(source, entry, listener) {
                Ok(bytes) => {
                    let path = self.keep(entry, &bytes)?;
                    return Ok(Stored { path, bytes });
                }
                Err(reason) => {
                    listener(Progress::FellThrough { source: &words, reason: &reason });
                    tried.push((words, reason));
                }
            }
        }
        Err(FirmwareError::NoSource(Box::new(NoSource {
            name: name.to_owned(),
            file: entry.file.clone(),
            size: entry.size,
            sha256: entry.sha256.clone(),
            cached: self.cached_path(entry),
            tried,
        })))
    }

    /// Writes the file beside its final place and renames it: it is there whole or not at all.
    fn keep(&self, entry: &Entry, bytes: &[u8]) -> Result<PathBuf, FirmwareError> {
        let path = self.cached_path(entry);
        let folder = path.parent().unwrap_or(&self.cache);
        let fault = |source| FirmwareError::Cache { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(fault)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fault)?;
        file.write_all(bytes).map_err(fault)?;
        file.as_file().sync_all().map_err(fault)?;
        file.persist(&path).map_err(|error| fault(error.error))?;
        Ok(path)
    }

    /// Waits until no other process is fetching this image. The lock goes with the handle, also
    /// when this process is killed.
    fn lock(
        &self,
        name: &str,
        entry: &Entry,
        listener: Listener<'_>,
    ) -> Result<File, FirmwareError> {
        let folder = self.cache.join("firmware");
        let path = folder.join(format!("{}.lock", entry.sha256));
        let fault = |source| FirmwareError::Cache { path: path.clone(), source };
        std::fs::create_dir_all(&folder).map_err(fault)?;
        let file = File::options().create(true).append(true).open(&path).map_err(fault)?;
        let start = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(fault(source)),
                Err(TryLockError::WouldBlock) => {}
            }
            if !std::mem::replace(&mut told, true) {
                listener(Progress::WaitingForLock { lock: &path });
            }
            if start.elapsed() > LOCK_TIMEOUT {
                let seconds = LOCK_TIMEOUT.as_secs();
                return Err(FirmwareError::Locked { name: name.to_owned(), lock: path, seconds });
            }
            std::thread::sleep(LOCK_POLL);
        }
    }
}

/// The file at `path`, if there is one: its bytes, or why it is not the image.
fn candidate(path: &Path, entry: &Entry) -> Option<Result<Vec<u8>, String>> {
    let length = std::fs::metadata(path).ok().filter(|it| it.is_file())?.len();
    if length != entry.size {
        return Some(Err(format!("it has {length} bytes instead of {}", entry.size)));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string());
    Some(bytes.and_then(|bytes| verify(&bytes, entry).map(|()| bytes)))
}

fn verified(source: &Source, entry: &Entry, listener: Listener<'_>) -> Result<Vec<u8>, String> {
    let bytes = sources::fetch(source, entry, listener).map_err(|error| error.to_string())?;
    verify(&bytes, entry)?;
    Ok(bytes)
}

fn verify(bytes: &[u8], entry: &Entry) -> Result<(), String> {
    let length = bytes.len() as u64;
    if length != entry.size {
        return Err(format!("it has {length} bytes instead of {}", entry.size));
    }
    let found = hex(&Sha256::digest(bytes));
    if found == entry.sha256 {
        Ok(())
    } else {
        Err(format!("its SHA-256 is {found}, not the published one"))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Chip;
    use super::*;

    fn entry(sources: Vec<Source>) -> Entry {
        Entry {
            title: String::new(),
            version: "1".to_owned(),
            chip: Chip::Esp32,
            offset: 0x1000,
            file: "a.bin".to_owned(),
            size: 5,
            sha256: hex(&Sha256::digest(b"hello")),
            sources,
        }
    }

    fn file(folder: &Path, name: &str, text: &[u8]) -> Source {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        Source::File { path }
    }

    #[test]
    fn the_first_source_with_the_right_hash_wins_and_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let absent = Source::File { path: folder.path().join("absent") };
        let wrong = file(folder.path(), "wrong", b"hullo");
        let right = file(folder.path(), "right", b"hello");
        let store = Store::new(folder.path().join("cache"), None);
        let mut fell = Vec::new();
        let mut listener = |it: Progress<'_>| {
            if let Progress::FellThrough { reason, .. } = it {
                fell.push(reason.to_owned());
            }
        };
        let image = entry(vec![absent, wrong, right]);
        let stored = store.obtain("a", &image, &mut listener).unwrap();
        assert_eq!(stored.bytes, b"hello");
        assert_eq!(fell.len(), 2);
        assert!(fell[1].contains("SHA-256"), "{fell:?}");
        let again = store.obtain("a", &entry(Vec::new()), &mut |_| {}).unwrap();
        assert_eq!(again.path, store.cached_path(&image));
    }

    #[test]
    fn a_damaged_file_in_the_cache_is_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        let right = file(folder.path(), "right", b"hello");
        let store = Store::new(folder.path().join("cache"), None);
        let image = entry(vec![right]);
        store.obtain("a", &image, &mut |_| {}).unwrap();
        std::fs::write(store.cached_path(&image), b"hel").unwrap();
        assert_eq!(store.obtain("a", &image, &mut |_| {}).unwrap().bytes, b"hello");
        assert_eq!(std::fs::read(store.cached_path(&image)).unwrap(), b"hello");
    }

    #[test]
    fn a_local_folder_serves_without_a_cache() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.bin"), b"hello").unwrap();
        let store = Store::new(folder.path().join("no-cache"), Some(folder.path().to_owned()));
        let stored = store.obtain("a", &entry(Vec::new()), &mut |_| {}).unwrap();
        assert_eq!(stored.path, folder.path().join("a.bin"));
        assert!(!folder.path().join("no-cache").exists());
    }

    #[test]
    fn without_a_source_the_error_says_what_to_put_where_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = file(folder.path(), "wrong", b"hel");
        let store = Store::new(folder.path().join("cache"), None);
        let image = entry(vec![wrong]);
        let error = store.obtain("a", &image, &mut |_| {}).unwrap_err();
        let text = error.to_string();
        for needed in ["a.bin", "5 bytes", &image.sha256, "BENCHRIG_FIRMWARE_DIR"] {
            assert!(text.contains(needed), "{text}");
        }
        assert!(text.contains(&store.cached_path(&image).display().to_string()));
        assert!(!store.cached_path(&image).exists());
    }

    #[test]
    fn two_fetchers_at_once_fetch_once() {
        let folder = tempfile::tempdir().unwrap();
        let right = file(folder.path(), "right", b"hello");
        let store = Store::new(folder.path().join("cache"), None);
        let image = entry(vec![right]);
        let asked: usize = std::thread::scope(|scope| {
            let one = || {
                let mut asked = 0;
                let mut listener = |it: Progress<'_>| {
                    asked += usize::from(matches!(it, Progress::Asking { .. }));
                };
                store.obtain("a", &image, &mut listener).unwrap();
                asked
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(asked, 1);
    }
}
