//! A board that `benchrig serve` keeps running, by its control socket.

use std::fmt;

use serde::Deserialize;

use super::PowerSwitch;
use super::error::{PowerError, PowerTrouble, word};
use crate::serve::orders::Order;
use crate::serve::remote::{Remote, RemoteError};
use crate::targets::Power;

pub(super) const NAME: &str = "ctl";

/// A served board, as bench.toml says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ctl {
    /// The name that it is served by.
    pub name: ServedName,
}

/// The name of a served board, which may not be there yet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ServedName(String);

impl TryFrom<String> for ServedName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.is_empty() {
            true => Err("`ctl:` names no served board: write ctl:NAME".to_owned()),
            false => Ok(Self(name)),
        }
    }
}

impl fmt::Display for ServedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PowerSwitch for Ctl {
    fn switch(&mut self, power: Power) -> Result<(), PowerError> {
        switch(Remote::of(&self.name.0), power).map_err(|trouble| {
            trouble.of(NAME, format!("`benchrig ctl {} power {}`", self.name, word(power)))
        })
    }
}

fn switch(board: Result<Remote, RemoteError>, power: Power) -> Result<(), PowerTrouble> {
    let answer = board?.order(&Order::Power { on: power == Power::On })?;
    let is = if answer.powered { Power::On } else { Power::Off };
    if is == power { Ok(()) } else { Err(PowerTrouble::Remains(is)) }
}

impl From<RemoteError> for PowerTrouble {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::NotServed(name) => Self::NotServed(name),
            RemoteError::Silent { source, .. } => Self::Socket(source),
            RemoteError::Refused(why) => Self::Refused(why),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::thread::JoinHandle;

    use super::*;
    use crate::serve::orders::Answer;

    /// A served board that answers one order.
    fn served(answer: Answer) -> (tempfile::TempDir, PathBuf, JoinHandle<Order>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("desk.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let board = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            let mut line = String::new();
            BufReader::new(&client).read_line(&mut line).expect("an order");
            let answer = serde_json::to_string(&answer).expect("text");
            writeln!(client, "{answer}").expect("it is read");
            serde_json::from_str(&line).expect("an order")
        });
        (folder, path, board)
    }

    #[test]
    fn a_served_board_is_ordered_and_its_answer_read() {
        for (power, powered) in [(Power::On, true), (Power::Off, false)] {
            let (_folder, path, board) = served(Answer { powered, ..Answer::default() });
            switch(Remote::at("desk", &path), power).expect("it works");
            assert_eq!(board.join().expect("an order"), Order::Power { on: powered });
        }
    }

    #[test]
    fn a_board_that_refuses_or_does_otherwise_has_not_switched() {
        let refusal =
            Answer { error: Some("not now".to_owned()), powered: true, ..Answer::default() };
        let (_folder, path, _board) = served(refusal);
        let trouble =
            switch(Remote::at("desk", &path), Power::On).expect_err("it refuses").to_string();
        assert_eq!(trouble, "the board refuses: not now");
        let (_folder, path, _board) = served(Answer::default());
        let trouble = switch(Remote::at("desk", &path), Power::On).expect_err("it stays off");
        assert!(matches!(trouble, PowerTrouble::Remains(Power::Off)), "{trouble}");
    }

    #[test]
    fn a_board_that_is_not_served_is_named_with_how_to_serve_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let trouble = switch(Remote::at("desk", &folder.path().join("desk.sock")), Power::On)
            .expect_err("nobody");
        let error = trouble.of(NAME, "`benchrig ctl desk power on`").to_string();
        assert_eq!(
            error,
            "power driver ctl: `benchrig ctl desk power on`: no board named desk is served; start \
             it: benchrig serve --name desk"
        );
    }
}
