//! Examines a board and what reaches it, and says which wire is wrong.
//!
//! Each wire is tried by what only it can do: the banner after a reset comes over the board's TX, the
//! reset itself over EN, the choice of the boot mode over GPIO0, an answer of the loader needs the
//! board's RX as well. What looks the same from the computer is told apart by a second look where
//! there is one: a power driver starts the chip without EN, and firmware may answer to Enter.

use std::time::Duration;

use serde::Serialize;

use super::fixture::{Fixture, FixtureError, Greeting};
use super::loader::LoaderError;
use super::reset::ResetWiring;
use crate::targets::BootMode;

/// How long firmware has to answer to Enter.
const ANSWER: Duration = Duration::from_secs(1);

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "says")]
pub enum Outcome {
    /// It is as it must be, and how.
    Fine(String),
    /// It is wrong: what, and what to do.
    Wrong(String),
    /// It could not be tried.
    Unknown(String),
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// All that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Examination {
    /// In the order in which it was done.
    pub checks: Vec<Check>,
}

impl Examination {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.outcome, Outcome::Wrong(_)))
    }

    fn fine(&mut self, name: &'static str, says: impl Into<String>) {
        self.checks.push(Check { name, outcome: Outcome::Fine(says.into()) });
    }

    fn wrong(&mut self, name: &'static str, says: impl Into<String>) {
        self.checks.push(Check { name, outcome: Outcome::Wrong(says.into()) });
    }

    fn unknown(&mut self, name: &'static str, says: impl Into<String>) {
        self.checks.push(Check { name, outcome: Outcome::Unknown(says.into()) });
    }
}

/// Examines a board whose port is open. The board is reset, and runs at the end.
///
/// # Errors
/// When the bench breaks meanwhile.
pub fn examine(board: &mut Fixture) -> Result<Examination, FixtureError> {
    let mut seen = Examination::default();
    let adapter = match board.has_modem_lines() {
        true => "it has modem lines",
        false => "it has no modem lines",
    };
    seen.fine("port", format!("{} is open; {adapter}", board.port()));
    if board.wiring() == &ResetWiring::None {
        seen.unknown("reset", "nothing resets this board: its entry has no way");
        listen(board, &mut seen)?;
        return Ok(seen);
    }
    match board.try_reset(BootMode::Run)? {
        Greeting::Silence => silent(board, &mut seen)?,
        greeting => {
            seen.fine("banner", "the ROM greets after a reset: the board's TX is heard");
            seen.fine("reset", "a reset reaches EN");
            if greeting == Greeting::Waits {
                seen.wrong(
                    "strap",
                    "the chip waits for a download although GPIO0 is let go: take the jumper \
                     between GPIO0 and GND away, or see whether a button hangs",
                );
            }
            download(board, &mut seen)?;
        }
    }
    board.boot_mode(BootMode::Run)?;
    board.try_reset(BootMode::Run)?;
    Ok(seen)
}

/// Into the boot loader, and what it says.
fn download(board: &mut Fixture, seen: &mut Examination) -> Result<(), FixtureError> {
    if !board.wiring().has_strap() {
        seen.unknown("strap", "the boot mode cannot be chosen: its entry has no way");
        return Ok(());
    }
    if board.try_reset(BootMode::Download)? != Greeting::Waits {
        let wire = match board.wiring() {
            ResetWiring::Straight => "the wire from DTR to GPIO0",
            _ => "the wire to GPIO0",
        };
        seen.wrong(
            "strap",
            format!("a reset starts the chip, but never in download mode: {wire} is cut"),
        );
        return Ok(());
    }
    if !seen.checks.iter().any(|check| check.name == "strap") {
        seen.fine("strap", "GPIO0 chooses the boot mode");
    }
    match board.chip() {
        Ok(chip) => {
            seen.fine("loader", "it answers: the board's RX is reached");
            identity(board, seen, chip.flash_id, chip.flash_size);
        }
        Err(FixtureError::Loader(LoaderError::NoLoader | LoaderError::NoAnswer { .. })) => {
            seen.wrong(
                "loader",
                "the board is heard and does not hear: the wire from the adapter's TX to the \
                 board's RX is cut",
            );
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

fn identity(board: &mut Fixture, seen: &mut Examination, id: u32, size: Option<u32>) {
    match size {
        Some(size) => seen.fine("flash", format!("{id:#08x}, {} MB", size >> 20)),
        None => seen.wrong(
            "flash",
            format!(
                "the chip identifies itself as {id:#08x}: see its solder joints and its supply"
            ),
        ),
    }
    match board.check_mac() {
        Ok(mac) => seen.fine("mac", mac.to_string()),
        Err(error) => seen.wrong("mac", error.to_string()),
    }
}

/// The board says nothing after a reset: it was not reset, or it is not heard.
fn silent(board: &mut Fixture, seen: &mut Examination) -> Result<(), FixtureError> {
    let Some(greeting) = board.try_power_cycle(BootMode::Run)? else {
        return match board.answers(ANSWER)? {
            true => {
                seen.fine("banner", "the firmware answers to Enter: both serial wires work");
                seen.wrong("reset", no_reset(board, "EN, DTR or RTS"));
                Ok(())
            }
            false => {
                seen.wrong("banner", DEAF);
                seen.unknown("reset", "nothing is heard that would tell; give it a power driver");
                Ok(())
            }
        };
    };
    if greeting == Greeting::Silence {
        seen.wrong("banner", DEAF);
        return Ok(());
    }
    seen.fine("banner", "the ROM greets when the power comes: the board's TX is heard");
    // Whether the lines reach GPIO0 tells the cut of EN from that of a line.
    let wire = match board.wiring() {
        ResetWiring::TwoTransistors => match board.try_power_cycle(BootMode::Download)? {
            Some(Greeting::Waits) => "EN",
            _ => "DTR or RTS",
        },
        ResetWiring::Straight => "RTS to EN",
        _ => "EN",
    };
    seen.wrong("reset", no_reset(board, wire));
    Ok(())
}

const DEAF: &str = "nothing is heard, not even when the chip starts: the wire from the board's TX to \
    the adapter's RX is cut, or TX and RX are swapped (swap them and try again), or the board has no \
    power";

fn no_reset(board: &Fixture, wire: &str) -> String {
    format!(
        "a reset does nothing: the wire of {wire} is cut, or the board has no auto-reset circuit \
         (then say in bench.toml how {} is reset)",
        board.name()
    )
}

/// A board that nobody can reset may talk all the same.
fn listen(board: &mut Fixture, seen: &mut Examination) -> Result<(), FixtureError> {
    match board.answers(ANSWER)? {
        true => seen.fine("banner", "the firmware answers to Enter: both serial wires work"),
        false => seen.unknown("banner", "the board says nothing to Enter; it may have no prompt"),
    }
    Ok(())
}
