//! The program while it runs. It is in a process group of its own, with all that it starts, and is ended
//! as a whole: when the person wants it, when it takes too long, and when nobody listens any more.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::LOOK;
use crate::targets::player::Order;

/// What the program says when all steps are done.
const COMPLETED: &str = "Scenario completed successfully";
/// Bytes of what it says of errors that are kept.
const KEPT: u64 = 64 << 10;
/// Bytes of a line of its output that are looked at.
const LONGEST: u64 = 1 << 20;

/// How it ended.
pub(super) enum Ended {
    /// By itself.
    Exit {
        /// Its exit code, if no signal ended it.
        code: Option<i32>,
        /// What it said on stderr.
        errors: String,
        /// Whether it has said that all steps are done.
        completed: bool,
    },
    /// The person ended it.
    Interrupted,
    /// It took longer than this.
    WallLimit(Duration),
}

/// The program.
pub(super) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Process {
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (tell, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || read_lines(stdout, &tell));
        }
        let errors = child.stderr.take().map(|stderr| std::thread::spawn(move || kept(stderr)));
        Ok(Self { child, lines, errors })
    }

    /// Hears every line up to the end.
    pub(super) fn listen(
        &mut self,
        order: &Order<'_>,
        hear: &mut dyn FnMut(&str),
    ) -> io::Result<Ended> {
        let since = Instant::now();
        let mut completed = false;
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => {
                    completed |= line.ends_with(COMPLETED);
                    hear(&line);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if order.cancelled.load(Ordering::Relaxed) {
                self.end();
                return Ok(Ended::Interrupted);
            }
            if let Some(limit) = order.wall_limit.filter(|limit| since.elapsed() > *limit) {
                self.end();
                return Ok(Ended::WallLimit(limit));
            }
        }
        let errors = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok(Ended::Exit { code: self.child.wait()?.code(), errors, completed })
    }

    fn end(&mut self) {
        #[cfg(unix)]
        if let Ok(group) = i32::try_from(self.child.id()) {
            use nix::sys::signal::{Signal, killpg};
            // It may have ended by itself just now.
            let _ = killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has been waited for has no number any more that could be another's.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.end();
        }
    }
}

/// Tells line by line, also one without an end.
fn read_lines(stdout: impl Read, tell: &mpsc::Sender<String>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        match (&mut stdout).take(LONGEST).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        if tell.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
            return;
        }
    }
}

/// Reads to the end, and keeps the beginning.
fn kept(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    // What cannot be read any more has not been said.
    let _ = (&mut from).take(KEPT).read_to_end(&mut kept);
    let _ = io::copy(&mut from, &mut io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}
