//! A command line switches the power: for whatever has no driver of its own.
//!
//! The words are given to the program as they are; no shell reads them.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::PowerSwitch;
use super::error::{PowerError, word};
use super::program;
use crate::scenario::units;
use crate::targets::Power;

pub(super) const NAME: &str = "command";

/// Wall time that a command may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Two commands, as bench.toml says them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Command {
    /// Switches on; exit code 0 means that it has.
    #[serde(deserialize_with = "words")]
    pub on: Vec<String>,
    /// Switches off.
    #[serde(deserialize_with = "words")]
    pub off: Vec<String>,
    /// How long they may take, such as `5s`.
    #[serde(default = "limit_by_default", deserialize_with = "limit")]
    pub limit: Duration,
}

fn limit_by_default() -> Duration {
    LIMIT
}

/// A program and its arguments.
pub(super) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let message = "a command is a list of words, [\"PROGRAM\", \"ARGUMENT\", …]: no shell reads it";
    let mistake = |_| serde::de::Error::custom(message);
    match Vec::<String>::deserialize(from).map_err(mistake)? {
        words if words.first().is_none_or(String::is_empty) => {
            Err(serde::de::Error::custom(message))
        }
        words => Ok(words),
    }
}

fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let span = units::duration(&text).map_err(serde::de::Error::custom)?;
    Ok(Duration::from_nanos(span.nanos()))
}

impl PowerSwitch for Command {
    fn switch(&mut self, power: Power) -> Result<(), PowerError> {
        let words = match power {
            Power::On => &self.on,
            Power::Off => &self.off,
        };
        program::run(words, self.limit).map(|_| ()).map_err(|trouble| {
            trouble.of(NAME, format!("switch {} by `{}`", word(power), program::shown(words)))
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::bench::power::PowerTrouble;

    fn shell(on: &str, off: &str) -> Command {
        let words = |script: &str| ["sh", "-c", script].map(str::to_owned).to_vec();
        Command { on: words(on), off: words(off), limit: LIMIT }
    }

    #[test]
    fn each_state_has_its_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state");
        let say = |text: &str| format!("printf {text} > {}", state.display());
        let mut switch = shell(&say("lit"), &say("dark"));
        for (power, left) in [(Power::On, "lit"), (Power::Off, "dark"), (Power::Off, "dark")] {
            switch.switch(power).expect("it works");
            assert_eq!(std::fs::read_to_string(&state).expect("the state"), left);
        }
    }

    #[test]
    fn a_command_that_fails_is_quoted() {
        let mut switch = shell("echo 'no such  outlet' >&2; exit 7", "kill -9 $$");
        let error = switch.switch(Power::On).expect_err("it fails").to_string();
        assert!(error.starts_with("power driver command: switch on by `sh -c echo"), "{error}");
        assert!(error.contains("it ended with code 7: no such outlet; see what"), "{error}");
        let error = switch.switch(Power::Off).expect_err("it is killed").to_string();
        assert!(error.contains("it ended with signal: 9"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let mut switch = shell("", "");
        switch.on = vec!["benchrig-has-no-such-program".to_owned()];
        let error = switch.switch(Power::On).expect_err("there is none");
        assert!(matches!(error.trouble, PowerTrouble::NotStarted { .. }), "{error}");
        assert!(error.to_string().contains("benchrig-has-no-such-program cannot be"), "{error}");
    }

    #[test]
    fn a_command_without_end_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("held");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn({
            let fifo = fifo.clone();
            move || tell.send(std::fs::read(fifo))
        });
        // The shell waits for a child of its own, which holds the pipe open.
        let mut switch = shell(&format!("sleep 60 > {} & wait", fifo.display()), "");
        switch.limit = Duration::from_millis(300);
        let error = switch.switch(Power::On).expect_err("it has no end");
        assert!(matches!(error.trouble, PowerTrouble::TooLong(_)), "{error}");
        assert!(error.to_string().contains("no end after 0.3 s"), "{error}");
        let end = told.recv_timeout(Duration::from_secs(30)).expect("the child has ended, too");
        assert_eq!(end.expect("the pipe's end"), b"");
    }

    #[test]
    fn a_command_that_says_very_much_is_read_to_its_end() {
        let mut switch = shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2", "");
        switch.switch(Power::On).expect("it ends");
    }
}
