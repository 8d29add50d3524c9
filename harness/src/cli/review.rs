//! `benchrig review`: accept or reject snapshots that are new or changed.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::snapshots::review::Pending;

/// Accept or reject snapshots that are new or changed
///
/// Shows the difference of each and asks. Without a terminal it only shows them, and ends with 1 if
/// there are any. `cargo insta review` works on the same files.
#[derive(Debug, clap::Args)]
pub(super) struct Review {
    /// Where to look for `.snap.new` files
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,

    /// Accept all without asking
    #[arg(long, conflicts_with = "reject")]
    accept: bool,

    /// Reject all without asking
    #[arg(long)]
    reject: bool,
}

enum Answer {
    Accept,
    Reject,
    Skip,
    Quit,
}

impl Review {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.review(terminal) {
            Ok(code) => code,
            Err(error) => {
                terminal.error(error);
                ExitCode::Bench
            }
        }
    }

    fn review(&self, terminal: &Terminal) -> std::io::Result<ExitCode> {
        let pending = Pending::find(&self.folder)?;
        if pending.is_empty() {
            terminal.say("nothing to review");
            return Ok(ExitCode::Passed);
        }
        let (mut accepted, mut rejected) = (0, 0);
        for (number, one) in pending.iter().enumerate() {
            terminal.say(format_args!(
                "{} of {}: {}\n{}",
                number + 1,
                pending.len(),
                one.snapshot.strip_prefix(".").unwrap_or(&one.snapshot).display(),
                terminal.diff(&one.diff()?)
            ));
            let answer = match (self.accept, self.reject) {
                (true, _) => Answer::Accept,
                (_, true) => Answer::Reject,
                _ => ask(terminal)?,
            };
            match answer {
                Answer::Accept => {
                    one.accept()?;
                    accepted += 1;
                }
                Answer::Reject => {
                    one.reject()?;
                    rejected += 1;
                }
                Answer::Skip => {}
                Answer::Quit => break,
            }
        }
        let left = pending.len() - accepted - rejected;
        terminal.say(format_args!("{accepted} accepted, {rejected} rejected, {left} left"));
        Ok(if left == 0 { ExitCode::Passed } else { ExitCode::Failed })
    }
}

/// What the person wants; without a terminal, nothing.
fn ask(terminal: &Terminal) -> std::io::Result<Answer> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(Answer::Skip);
    }
    loop {
        let _ = write!(std::io::stderr(), "[a]ccept, [r]eject, [s]kip, [q]uit? ");
        let mut line = String::new();
        if input.lock().read_line(&mut line)? == 0 {
            return Ok(Answer::Quit);
        }
        match line.trim() {
            "a" | "accept" => return Ok(Answer::Accept),
            "r" | "reject" => return Ok(Answer::Reject),
            "s" | "skip" => return Ok(Answer::Skip),
            "q" | "quit" => return Ok(Answer::Quit),
            _ => terminal.tell("please answer a, r, s or q"),
        }
    }
}
