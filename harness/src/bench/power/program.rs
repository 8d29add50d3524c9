//! Programs of others that switch power: run with a time limit.
//!
//! A program that takes too long is ended with everything that it has started, since a power switch
//! that moves later, unexpectedly, is worse than one that does not. For the same reason Ctrl-C does
//! not reach it: it is in a process group of its own, and its time is limited anyway.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::{PowerTrouble, short};

/// More than this of what a program says is not kept.
const KEPT: u64 = 64 << 10;

/// What a program that has succeeded wrote to stdout.
///
/// # Errors
/// When it cannot be started, says that it failed, or is not done after `limit`.
pub(super) fn run(words: &[String], limit: Duration) -> Result<String, PowerTrouble> {
    let program = words.first().map_or("", String::as_str);
    let not_started = |source| PowerTrouble::NotStarted { program: program.to_owned(), source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(not_started)?;
    runtime.block_on(async {
        let mut command = tokio::process::Command::new(program);
        command.args(words.iter().skip(1)).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(not_started)?;
        let group = child.id();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let done = async { tokio::join!(child.wait(), kept(stdout), kept(stderr)) };
        match tokio::time::timeout(limit, done).await {
            Ok((status, stdout, stderr)) => match status.map_err(not_started)? {
                status if status.success() => Ok(stdout),
                status => {
                    Err(PowerTrouble::Failed { status: shown_status(status), said: short(&stderr) })
                }
            },
            Err(_) => {
                end(group);
                Err(PowerTrouble::TooLong(limit))
            }
        }
    })
}

/// Reads to the end, and keeps the beginning.
async fn kept(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut kept = Vec::new();
    // What cannot be read any more has not been said.
    let _ = (&mut from).take(KEPT).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

/// Ends a process group; the program itself is ended when its handle is dropped.
fn end(group: Option<u32>) {
    #[cfg(unix)]
    if let Some(group) = group.and_then(|group| i32::try_from(group).ok()) {
        use nix::sys::signal::{Signal, killpg};
        // It may have ended by itself just now.
        let _ = killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL);
    }
    #[cfg(not(unix))]
    let _ = group;
}

fn shown_status(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("code {code}"),
        None => status.to_string(),
    }
}

/// A command line, to be shown.
pub(super) fn shown(words: &[String]) -> String {
    words.join(" ")
}
