//! Who has a board of the bench: one lock file per board.
//!
//! A lock says who holds it, by user, host, process and command, and when it expires; its holder puts
//! that off as long as it lives. One whose process is gone, or that has expired, is taken over, and
//! that is told. The files lie in the user's state folder, which, unlike the runtime folder, is the
//! same for a login, a cron job and a CI runner, and may be shared by hosts; locks of other users are
//! not seen.
//!
//! Every look and every change happens under the operating system's lock of the file `guard`, which
//! ends with its process, and files are replaced whole: a run that is killed leaves either a lock that
//! can be read or none.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files;

/// A lock that is not put off for so long has expired.
pub const LIFETIME: Duration = Duration::from_secs(60);
/// How often it is put off.
const REFRESH: Duration = Duration::from_secs(20);
/// Between two looks at a lock that somebody else has.
const LOOK: Duration = Duration::from_millis(200);

/// The wall clock, or a stand-in for tests.
pub trait Clock: Send + Sync {
    /// The date, on which hosts that share a folder agree.
    fn now(&self) -> SystemTime;
    /// Waits.
    fn wait(&self, span: Duration);
}

/// The host's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostClock;

impl Clock for HostClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn wait(&self, span: Duration) {
        std::thread::sleep(span);
    }
}

/// Who has a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The board, as its holder calls it.
    pub board: String,
    /// `user@host`.
    pub owner: String,
    /// The host on which `process` means something.
    pub host: String,
    /// Process id.
    pub process: u32,
    /// What runs there.
    pub command: String,
    /// When it expires, in seconds since 1970.
    pub expires: u64,
    /// Tells two locks of the same process apart.
    id: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, process, command, .. } = self;
        write!(f, "{owner}, process {process}, `{command}`")
    }
}

/// Why a lock has been taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Its process is gone.
    Ended,
    /// Nobody has put it off.
    Expired,
    /// It is no lock.
    Unreadable,
}

/// What the person should know while a lock is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockNews {
    /// Somebody else has the board; told once.
    Waiting(Holder),
    /// A stale lock has been taken over.
    TakenOver(Option<Holder>, Stale),
}

impl fmt::Display for LockNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(holder) => write!(f, "waiting for board {}: {holder}", holder.board),
            Self::TakenOver(Some(holder), stale) => {
                let why = match stale {
                    Stale::Ended => "has ended without giving it back",
                    _ => "has not been heard of for a minute",
                };
                write!(f, "board {} taken over: {holder} {why}", holder.board)
            }
            Self::TakenOver(None, _) => f.write_str("a lock that cannot be read is replaced"),
        }
    }
}

/// A board cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error(
        "board {board} is in use by {holder}; end that, or wait for it with a longer --lock-timeout"
    )]
    Held {
        /// The board.
        board: String,
        /// Who has it.
        holder: Box<Holder>,
    },
    /// The person has ended the waiting.
    #[error("waiting for board {0} was ended")]
    Cancelled(String),
    /// It has been taken over, since this process was not running for longer than the lock lives.
    #[error(
        "board {board} was taken over{by}, because this process stood still for too long; run it \
         again",
        by = .holder.as_ref().map_or_else(String::new, |holder| format!(" by {holder}"))
    )]
    Lost {
        /// The board.
        board: String,
        /// Who has it now.
        holder: Option<Box<Holder>>,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no place for locks.
    #[error("no folder for locks: this user has no home folder; set HOME")]
    NoFolder,
}

/// A board that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its name, for people.
    pub board: &'a str,
    /// What makes it this board and no other for all who see these locks, whatever they call it: its
    /// URL, the USB serial number of its adapter, or host and device path.
    pub identity: &'a str,
    /// What it is wanted for: the command.
    pub command: &'a str,
    /// How long to wait for it.
    pub patience: Duration,
}

/// The locks of the boards that a user can reach.
#[derive(Clone)]
pub struct Locks {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    owner: String,
    host: String,
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Locks {
    /// Those of this user.
    ///
    /// # Errors
    /// When the user has no home folder.
    pub fn of_this_user() -> Result<Self, LockError> {
        let folders = directories::BaseDirs::new().ok_or(LockError::NoFolder)?;
        let state = folders.state_dir().unwrap_or_else(|| folders.data_local_dir());
        Ok(Self::in_folder(state.join("benchrig").join("locks"), Arc::new(HostClock)))
    }

    /// Those in a folder, which need not exist yet.
    pub fn in_folder(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let unknown = |_| "unknown".to_owned();
        let host = whoami::hostname().unwrap_or_else(unknown);
        let owner = format!("{}@{host}", whoami::username().unwrap_or_else(unknown));
        Self { folder, clock, owner, host }
    }

    /// Takes a board, if need be by waiting for it, and keeps it until what it gives is dropped.
    ///
    /// # Errors
    /// When somebody else has it for longer than the patience lasts, `cancelled` is set meanwhile, or
    /// a file cannot be read or written.
    pub fn take(
        &self,
        wanted: &Wanted<'_>,
        cancelled: &AtomicBool,
        news: &mut dyn FnMut(LockNews),
    ) -> Result<BoardLock, LockError> {
        let path = self.path_of(wanted.identity);
        let deadline = self.clock.now() + wanted.patience;
        let mut told = false;
        loop {
            let holder = match self.try_take(&path, wanted)? {
                Tried::Taken(id, over) => {
                    if let Some((holder, stale)) = over {
                        news(LockNews::TakenOver(holder, stale));
                    }
                    return Ok(self.keep(path, wanted.board, id));
                }
                Tried::Held(holder) => holder,
            };
            let left = deadline.duration_since(self.clock.now()).unwrap_or_default();
            if left.is_zero() {
                let board = wanted.board.to_owned();
                return Err(LockError::Held { board, holder: Box::new(holder) });
            }
            if cancelled.load(Ordering::Relaxed) {
                return Err(LockError::Cancelled(wanted.board.to_owned()));
            }
            if !std::mem::replace(&mut told, true) {
                news(LockNews::Waiting(holder));
            }
            self.clock.wait(LOOK.min(left));
        }
    }

    /// Who has a board now.
    ///
    /// # Errors
    /// When its lock cannot be read.
    pub fn holder(&self, identity: &str) -> Result<Option<Holder>, LockError> {
        let path = self.path_of(identity);
        let _guard = self.guard()?;
        Ok(match self.look(&path)? {
            Found::Held(holder) => Some(holder),
            Found::Nothing | Found::Stale(..) => None,
        })
    }

    fn path_of(&self, identity: &str) -> PathBuf {
        const MOST: usize = 48;
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = identity.chars().map(plain).take(MOST).collect();
        let hash = Sha256::digest(identity);
        let end: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{name}-{end}.lock"))
    }

    /// From here on nobody else looks at a lock or changes one, until the file is closed.
    fn guard(&self) -> Result<File, LockError> {
        let path = self.folder.join("guard");
        let open = || {
            std::fs::create_dir_all(&self.folder)?;
            let mut options = File::options();
            let file = options.write(true).create(true).truncate(false).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|source| LockError::File { path: path.clone(), source })
    }

    /// What there is, under the guard.
    fn look(&self, path: &Path) -> Result<Found, LockError> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            text => text.map_err(|source| LockError::File { path: path.to_owned(), source })?,
        };
        let Ok(holder) = serde_json::from_slice::<Holder>(&text) else {
            return Ok(Found::Stale(None, Stale::Unreadable));
        };
        Ok(if holder.host == self.host && !is_running(holder.process) {
            Found::Stale(Some(holder), Stale::Ended)
        } else if holder.expires <= seconds(self.clock.now()) {
            Found::Stale(Some(holder), Stale::Expired)
        } else {
            Found::Held(holder)
        })
    }

    fn try_take(&self, path: &Path, wanted: &Wanted<'_>) -> Result<Tried, LockError> {
        static TAKEN: AtomicU64 = AtomicU64::new(0);
        let _guard = self.guard()?;
        let over = match self.look(path)? {
            Found::Held(holder) => return Ok(Tried::Held(holder)),
            Found::Nothing => None,
            Found::Stale(holder, stale) => Some((holder, stale)),
        };
        let process = std::process::id();
        let now = self.clock.now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = TAKEN.fetch_add(1, Ordering::Relaxed);
        let holder = Holder {
            board: wanted.board.to_owned(),
            owner: self.owner.clone(),
            host: self.host.clone(),
            process,
            command: wanted.command.to_owned(),
            expires: seconds(now + LIFETIME),
            id: format!("{process}-{number}-{}", since.as_nanos()),
        };
        write(path, &holder)?;
        Ok(Tried::Taken(holder.id, over))
    }

    fn keep(&self, path: PathBuf, board: &str, id: String) -> BoardLock {
        let held = Arc::new(Held { locks: self.clone(), path, board: board.to_owned(), id });
        let (end, ended) = mpsc::channel::<()>();
        let keeper = std::thread::Builder::new().name("lock".to_owned()).spawn({
            let held = held.clone();
            move || {
                while ended.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                    // A file that cannot be written now can perhaps be the next time, before the
                    // lock expires; whether it is lost is for `check` to say.
                    if let Err(LockError::Lost { .. }) = held.refresh() {
                        return;
                    }
                }
            }
        });
        // Without a thread the lock holds for its lifetime, and `check` says when it is lost.
        BoardLock { held, end: Some(end), keeper: keeper.ok() }
    }
}

enum Found {
    Nothing,
    Held(Holder),
    Stale(Option<Holder>, Stale),
}

enum Tried {
    Held(Holder),
    Taken(String, Option<(Option<Holder>, Stale)>),
}

/// What both the lock and the thread that keeps it know.
#[derive(Debug)]
struct Held {
    locks: Locks,
    path: PathBuf,
    board: String,
    id: String,
}

impl Held {
    /// The lock as it is now, under the guard; an error if it is another's.
    fn mine(&self) -> Result<Holder, LockError> {
        let lost = |holder| LockError::Lost { board: self.board.clone(), holder };
        match self.locks.look(&self.path)? {
            Found::Held(holder) | Found::Stale(Some(holder), _) if holder.id == self.id => {
                Ok(holder)
            }
            Found::Held(holder) => Err(lost(Some(Box::new(holder)))),
            Found::Stale(..) | Found::Nothing => Err(lost(None)),
        }
    }

    fn refresh(&self) -> Result<(), LockError> {
        let _guard = self.locks.guard()?;
        let holder = self.mine()?;
        write(&self.path, &Holder { expires: seconds(self.locks.clock.now() + LIFETIME), ..holder })
    }

    fn give_back(&self) -> Result<(), LockError> {
        let _guard = self.locks.guard()?;
        self.mine()?;
        let removed = std::fs::remove_file(&self.path);
        removed.map_err(|source| LockError::File { path: self.path.clone(), source })
    }
}

/// A board that is held, until this is dropped.
#[derive(Debug)]
pub struct BoardLock {
    held: Arc<Held>,
    end: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl BoardLock {
    /// Whether the board is still held: to be asked before it is erased or written. Puts the
    /// expiry off, too.
    ///
    /// # Errors
    /// When somebody else has taken it over, or a file cannot be read or written.
    pub fn check(&self) -> Result<(), LockError> {
        self.held.refresh()
    }
}

impl Drop for BoardLock {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(keeper) = self.keeper.take() {
            // It cannot panic; if it did, the lock would still have to be given back.
            let _ = keeper.join();
        }
        // What cannot be removed expires.
        let _ = self.held.give_back();
    }
}

fn write(path: &Path, holder: &Holder) -> Result<(), LockError> {
    let text = serde_json::to_vec_pretty(holder).map_err(io::Error::other);
    text.and_then(|text| files::write(path, &text))
        .map_err(|source| LockError::File { path: path.to_owned(), source })
}

fn seconds(date: SystemTime) -> u64 {
    date.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Whether a process of this host is there; where that cannot be known, it is.
fn is_running(process: u32) -> bool {
    #[cfg(unix)]
    {
        use nix::errno::Errno;
        use nix::sys::signal::kill;
        use nix::unistd::Pid;
        match i32::try_from(process) {
            Ok(process @ 1..) => kill(Pid::from_raw(process), None) != Err(Errno::ESRCH),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = process;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// A clock that moves when somebody waits, and does something then.
    struct FakeClock {
        now: Mutex<SystemTime>,
        on_wait: Mutex<Box<dyn FnMut(u32) + Send>>,
        waits: AtomicU32,
    }

    impl FakeClock {
        fn new(on_wait: impl FnMut(u32) + Send + 'static) -> Arc<Self> {
            Arc::new(Self {
                now: Mutex::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
                on_wait: Mutex::new(Box::new(on_wait)),
                waits: AtomicU32::new(0),
            })
        }

        fn pass(&self, span: Duration) {
            *self.now.lock().unwrap() += span;
        }
    }

    impl Clock for FakeClock {
        fn now(&self) -> SystemTime {
            *self.now.lock().unwrap()
        }

        fn wait(&self, span: Duration) {
            self.pass(span);
            let waits = self.waits.fetch_add(1, Ordering::Relaxed) + 1;
            (self.on_wait.lock().unwrap())(waits);
        }
    }

    static RUNS: AtomicBool = AtomicBool::new(false);

    fn wanted(patience: Duration) -> Wanted<'static> {
        Wanted {
            board: "desk",
            identity: "usb:0403:6001:A50285BI",
            command: "benchrig run",
            patience,
        }
    }

    fn take(locks: &Locks, patience: u64) -> (Result<BoardLock, LockError>, Vec<LockNews>) {
        let mut news = Vec::new();
        let wanted = wanted(Duration::from_secs(patience));
        let lock = locks.take(&wanted, &RUNS, &mut |it| news.push(it));
        (lock, news)
    }

    fn locks(clock: Arc<FakeClock>) -> (tempfile::TempDir, Locks) {
        let folder = tempfile::tempdir().unwrap();
        let locks = Locks::in_folder(folder.path().join("state/locks"), clock);
        (folder, locks)
    }

    /// The files of locks there are.
    fn files_of(locks: &Locks) -> Vec<String> {
        let names = std::fs::read_dir(&locks.folder).unwrap().map(|it| it.unwrap().file_name());
        let mut names: Vec<_> = names.map(|it| it.into_string().unwrap()).collect();
        names.retain(|name| name != "guard");
        names
    }

    #[test]
    fn a_board_has_one_holder_who_is_named_to_the_others() {
        let (_folder, locks) = locks(FakeClock::new(|_| {}));
        let first = take(&locks, 0).0.unwrap();
        assert_eq!(files_of(&locks), ["usb-0403-6001-A50285BI-2c61adc9.lock"]);
        let (second, news) = take(&locks, 0);
        let error = second.unwrap_err().to_string();
        let process = std::process::id();
        assert!(error.starts_with("board desk is in use by "), "{error}");
        let end = format!(
            "@{}, process {process}, `benchrig run`; end that, or wait for it with a longer \
             --lock-timeout",
            locks.host
        );
        assert!(error.ends_with(&end), "{error}");
        assert_eq!(news, []);
        assert_eq!(locks.holder("usb:0403:6001:A50285BI").unwrap().unwrap().process, process);
        assert_eq!(locks.holder("another").unwrap(), None);
        drop(first);
        assert!(files_of(&locks).is_empty());
        take(&locks, 0).0.unwrap();
    }

    #[test]
    fn other_boards_are_free() {
        let (_folder, locks) = locks(FakeClock::new(|_| {}));
        let _first = take(&locks, 0).0.unwrap();
        let other = Wanted { identity: "usb:0403:6001:A50285B!", ..wanted(Duration::ZERO) };
        locks.take(&other, &RUNS, &mut |_| {}).unwrap();
    }

    #[test]
    fn one_who_waits_gets_the_board_when_it_is_given_back() {
        let first = Arc::new(Mutex::new(None));
        let clock = FakeClock::new({
            let first = first.clone();
            move |waits| {
                if waits == 7 {
                    drop(first.lock().unwrap().take());
                }
            }
        });
        let (_folder, locks) = locks(clock.clone());
        *first.lock().unwrap() = Some(take(&locks, 0).0.unwrap());
        let (second, news) = take(&locks, 10);
        second.unwrap();
        assert!(matches!(&news[..], [LockNews::Waiting(_)]), "told once: {news:?}");
        assert_eq!(clock.waits.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn patience_ends_exactly() {
        let clock = FakeClock::new(|_| {});
        let (_folder, locks) = locks(clock.clone());
        let _first = take(&locks, 0).0.unwrap();
        let start = clock.now();
        assert!(matches!(take(&locks, 10).0, Err(LockError::Held { .. })));
        assert_eq!(clock.now().duration_since(start).unwrap(), Duration::from_secs(10));
    }

    #[test]
    fn waiting_can_be_ended() {
        let cancelled = Arc::new(AtomicBool::new(false));
        let clock = FakeClock::new({
            let cancelled = cancelled.clone();
            move |waits| cancelled.store(waits == 3, Ordering::Relaxed)
        });
        let (_folder, locks) = locks(clock.clone());
        let _first = take(&locks, 0).0.unwrap();
        let wanted = wanted(Duration::from_secs(10));
        let outcome = locks.take(&wanted, &cancelled, &mut |_| {});
        assert!(matches!(outcome, Err(LockError::Cancelled(board)) if board == "desk"));
        assert_eq!(clock.waits.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_lock_that_nobody_puts_off_expires_and_its_holder_learns_it() {
        let clock = FakeClock::new(|_| {});
        let (_folder, locks) = locks(clock.clone());
        let first = take(&locks, 0).0.unwrap();
        clock.pass(LIFETIME - Duration::from_secs(1));
        first.check().unwrap();
        clock.pass(LIFETIME - Duration::from_secs(1));
        assert!(take(&locks, 0).0.is_err(), "it has been put off");
        clock.pass(Duration::from_secs(1));
        let (second, news) = take(&locks, 0);
        let second = second.unwrap();
        assert!(matches!(&news[..], [LockNews::TakenOver(Some(_), Stale::Expired)]), "{news:?}");
        let told = news[0].to_string();
        assert!(told.starts_with("board desk taken over: "), "{told}");
        assert!(told.ends_with("`benchrig run` has not been heard of for a minute"), "{told}");
        let error = first.check().unwrap_err();
        assert!(matches!(error, LockError::Lost { holder: Some(_), .. }), "{error}");
        drop(first);
        second.check().expect("the lock of the second is its own");
    }

    #[test]
    fn a_lock_that_expired_is_still_had_if_nobody_took_it() {
        let clock = FakeClock::new(|_| {});
        let (_folder, locks) = locks(clock.clone());
        let lock = take(&locks, 0).0.unwrap();
        clock.pass(2 * LIFETIME);
        lock.check().unwrap();
        assert!(take(&locks, 0).0.is_err());
    }

    #[test]
    fn what_is_no_lock_is_replaced() {
        let (_folder, locks) = locks(FakeClock::new(|_| {}));
        drop(take(&locks, 0).0.unwrap());
        let path = locks.path_of("usb:0403:6001:A50285BI");
        std::fs::write(&path, "{\"board\":").unwrap();
        let (lock, news) = take(&locks, 0);
        assert_eq!(news, [LockNews::TakenOver(None, Stale::Unreadable)]);
        drop(lock.unwrap());
        assert!(files_of(&locks).is_empty());
    }

    #[test]
    fn a_process_of_another_host_is_judged_by_its_expiry_alone() {
        let clock = FakeClock::new(|_| {});
        let (_folder, locks) = locks(clock.clone());
        let mut elsewhere = locks.clone();
        elsewhere.host = "elsewhere".to_owned();
        let lock = take(&elsewhere, 0).0.unwrap();
        let path = elsewhere.path_of("usb:0403:6001:A50285BI");
        let mut holder: Holder = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        holder.process = no_process();
        write(&path, &holder).unwrap();
        assert!(matches!(take(&locks, 0).0, Err(LockError::Held { .. })));
        clock.pass(LIFETIME);
        assert!(matches!(take(&locks, 0).1[..], [LockNews::TakenOver(_, Stale::Expired)]));
        drop(lock);
    }

    /// The number of a process that has been and is no more.
    fn no_process() -> u32 {
        let mut child = Command::new("true").spawn().unwrap();
        let process = child.id();
        child.wait().unwrap();
        process
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let locks = Locks::in_folder(file.join("locks"), FakeClock::new(|_| {}));
        let error = take(&locks, 0).0.unwrap_err().to_string();
        assert!(error.contains("locks/guard: "), "{error}");
    }

    #[test]
    fn of_many_threads_one_at_a_time_has_the_board() {
        let folder = tempfile::tempdir().unwrap();
        let locks = Locks::in_folder(folder.path().to_owned(), Arc::new(HostClock));
        let inside = AtomicU32::new(0);
        let had = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let lock = take(&locks, 60).0.unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    had.fetch_add(1, Ordering::SeqCst);
                    drop(lock);
                });
            }
        });
        assert_eq!(had.into_inner(), 4);
    }

    const FOLDER: &str = "BENCHRIG_TEST_LOCKS";
    const ENDS: &str = "BENCHRIG_TEST_ENDS";

    /// What another process does with the lock: has it a few times, or ends with it.
    #[test]
    #[ignore = "run by the tests below, in processes of their own"]
    fn in_another_process() {
        let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
        let locks = Locks::in_folder(folder.join("locks"), Arc::new(HostClock));
        if std::env::var_os(ENDS).is_some() {
            let _lock = take(&locks, 0).0.unwrap();
            std::process::abort();
        }
        for _ in 0..20 {
            let lock = take(&locks, 60).0.unwrap();
            let inside = folder.join("inside");
            File::options().write(true).create_new(true).open(&inside).expect("nobody else");
            std::fs::remove_file(&inside).unwrap();
            lock.check().unwrap();
        }
    }

    fn another_process(folder: &Path, ends: bool) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "bench::lock::tests::in_another_process", "--ignored"]);
        command.env(FOLDER, folder).stdout(Stdio::null()).stderr(Stdio::null());
        if ends {
            command.env(ENDS, "1");
        }
        command.spawn().unwrap()
    }

    #[test]
    fn of_several_processes_one_at_a_time_has_the_board() {
        let folder = tempfile::tempdir().unwrap();
        let processes = [0, 1, 2].map(|_| another_process(folder.path(), false));
        for mut process in processes {
            assert!(process.wait().unwrap().success());
        }
        let left = std::fs::read_dir(folder.path().join("locks")).unwrap().count();
        assert_eq!(left, 1, "the guard");
    }

    #[cfg(unix)]
    #[test]
    fn the_lock_of_a_process_that_was_killed_is_taken_over_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = another_process(folder.path(), true);
        assert!(!process.wait().unwrap().success());
        let locks = Locks::in_folder(folder.path().join("locks"), Arc::new(HostClock));
        assert_eq!(locks.holder("usb:0403:6001:A50285BI").unwrap(), None);
        assert_eq!(files_of(&locks).len(), 1, "it was left");
        let (lock, news) = take(&locks, 0);
        lock.unwrap();
        let [LockNews::TakenOver(Some(holder), Stale::Ended)] = &news[..] else {
            panic!("{news:?}")
        };
        assert_eq!(holder.process, process.id());
        assert!(news[0].to_string().ends_with("has ended without giving it back"), "{}", news[0]);
    }
}
