//! A board that `benchrig serve` keeps running, by its control socket.

use std::fmt;

use serde::Deserialize;

use super::PowerSwitch;
use super::error::{PowerError, PowerTrouble, word};
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
        switch(&self.name.0, power).map_err(|trouble| {
            trouble.of(NAME, format!("`benchrig ctl {} power {}`", self.name, word(power)))
        })
    }
}

#[cfg(unix)]
fn switch(name: &str, power: Power) -> Result<(), PowerTrouble> {
    let path = crate::serve::control::path_of(name).map_err(PowerTrouble::Socket)?;
    at(&path, name, power)
}

#[cfg(unix)]
fn at(path: &std::path::Path, name: &str, power: Power) -> Result<(), PowerTrouble> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};

    use crate::serve::control::{Order, ask};

    let answer = ask(path, &Order::Power { on: power == Power::On });
    let answer = answer.map_err(|error| match error.kind() {
        NotFound | ConnectionRefused => PowerTrouble::NotServed(name.to_owned()),
        _ => PowerTrouble::Socket(error),
    })?;
    match (answer.error, answer.powered, power) {
        (Some(error), ..) => Err(PowerTrouble::Refused(error)),
        (None, true, Power::On) | (None, false, Power::Off) => Ok(()),
        (None, true, Power::Off) => Err(PowerTrouble::Remains(Power::On)),
        (None, false, Power::On) => Err(PowerTrouble::Remains(Power::Off)),
    }
}

#[cfg(not(unix))]
fn switch(_name: &str, _power: Power) -> Result<(), PowerTrouble> {
    Err(PowerTrouble::NotHere)
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::thread::JoinHandle;

    use super::*;
    use crate::serve::control::{Answer, Order};

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
            at(&path, "desk", power).expect("it works");
            assert_eq!(board.join().expect("an order"), Order::Power { on: powered });
        }
    }

    #[test]
    fn a_board_that_refuses_or_does_otherwise_has_not_switched() {
        let refusal =
            Answer { error: Some("not now".to_owned()), powered: true, ..Answer::default() };
        let (_folder, path, _board) = served(refusal);
        let trouble = at(&path, "desk", Power::On).expect_err("it refuses").to_string();
        assert_eq!(trouble, "the board refuses: not now");
        let (_folder, path, _board) = served(Answer::default());
        let trouble = at(&path, "desk", Power::On).expect_err("it stays off");
        assert!(matches!(trouble, PowerTrouble::Remains(Power::Off)), "{trouble}");
    }

    #[test]
    fn a_board_that_is_not_served_is_named_with_how_to_serve_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let trouble = at(&folder.path().join("desk.sock"), "desk", Power::On).expect_err("nobody");
        let error = trouble.of(NAME, "`benchrig ctl desk power on`").to_string();
        assert_eq!(
            error,
            "power driver ctl: `benchrig ctl desk power on`: no board named desk is served; start \
             it: benchrig serve --name desk"
        );
    }
}
