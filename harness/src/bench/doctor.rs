//! Examines a board and what reaches it, and says which wire is wrong.
//!
//! Each wire is tried by what only it can do: the banner after a reset comes over the board's TX, the
//! reset itself over EN, the choice of the boot mode over GPIO0, an answer of the loader needs the
//! board's RX as well. What looks the same from the computer is told apart by a second look where
//! there is one: a power driver, or a person at the button, starts the chip without the adapter, a
//! person swaps two wires, and firmware may answer to Enter.

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

impl Check {
    fn is_fine(&self) -> bool {
        matches!(self.outcome, Outcome::Fine(_))
    }
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

    /// What there is to say of a board whose port does not open.
    pub fn without_port(error: &FixtureError) -> Self {
        let mut seen = Self::default();
        seen.wrong("port", error.to_string());
        seen
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
    let start = board.try_reset(BootMode::Run)?;
    match start.greeting {
        Greeting::Silence => not_started(board, &mut seen, &start.said)?,
        greeting => started(board, &mut seen, greeting)?,
    }
    if seen.checks.iter().any(|check| check.name == "reset" && check.is_fine()) {
        board.try_reset(BootMode::Run)?;
    }
    Ok(seen)
}

/// A reset has started the chip, which is heard.
fn started(
    board: &mut Fixture,
    seen: &mut Examination,
    greeting: Greeting,
) -> Result<(), FixtureError> {
    seen.fine("banner", "the ROM greets after a reset: the board's TX is heard");
    seen.fine("reset", "a reset reaches EN");
    if !board.wiring().has_strap() {
        seen.unknown("strap", "the boot mode cannot be chosen: its entry has no way");
        return Ok(());
    }
    if greeting == Greeting::Waits {
        seen.wrong(
            "strap",
            "the chip waits for a download although GPIO0 is let go: take the jumper between GPIO0 \
             and GND away, or see whether a button hangs",
        );
    }
    match (greeting, board.try_reset(BootMode::Download)?.greeting) {
        (Greeting::Waits, Greeting::Waits) => {}
        (_, Greeting::Waits) => seen.fine("strap", "GPIO0 chooses the boot mode"),
        _ => {
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
    }
    loader(board, seen)
}

/// What the boot loader says of the chip.
fn loader(board: &mut Fixture, seen: &mut Examination) -> Result<(), FixtureError> {
    // One lost byte of a conversation is no cut wire.
    let chip = match board.chip() {
        Err(error) if is_silence(&error) => board.chip(),
        said => said,
    };
    let chip = match chip {
        Ok(chip) => chip,
        Err(error) if is_silence(&error) => {
            seen.wrong(
                "loader",
                format!(
                    "the board is heard and does not hear: the wire from the adapter's TX to the \
                     board's RX is cut ({error})"
                ),
            );
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    seen.fine("loader", "it answers: the board's RX is reached");
    let id = chip.flash_id;
    match chip.flash_size {
        Some(size) => seen.fine("flash", format!("{id:#08x}, {} MB", size >> 20)),
        None => seen.wrong(
            "flash",
            format!("it identifies itself as {id:#08x}: see its solder joints and its supply"),
        ),
    }
    match board.check_mac() {
        Ok(mac) => seen.fine("mac", mac.to_string()),
        Err(error) => seen.wrong("mac", error.to_string()),
    }
    Ok(())
}

/// Whether nobody answers on the other side.
fn is_silence(error: &FixtureError) -> bool {
    use LoaderError::{NoAnswer, NoLoader};
    matches!(error, FixtureError::Loader(NoLoader { .. } | NoAnswer { .. }))
}

/// The ROM does not greet after a reset: the chip was not reset, or it is not heard.
fn not_started(
    board: &mut Fixture,
    seen: &mut Examination,
    said: &[u8],
) -> Result<(), FixtureError> {
    let how = match board.has_power_switch() {
        true => "when the power comes",
        false => "when its button is pressed",
    };
    match board.try_other_start(BootMode::Run)? {
        Some(start) if start.greeting != Greeting::Silence => {
            seen.fine("banner", format!("the ROM greets {how}: the board's TX is heard"));
            not_reset(board, seen)
        }
        Some(start) if !start.said.is_empty() => talks(board, seen, &start.said),
        Some(_) => deaf(board, seen, how),
        None if !said.is_empty() => talks(board, seen, said),
        None if board.answers(ANSWER)? == Some(true) => {
            seen.fine("banner", "the firmware answers to Enter: both serial wires work");
            seen.wrong("reset", no_reset(board, "EN, DTR or RTS is cut"));
            Ok(())
        }
        None => {
            seen.wrong(
                "banner",
                format!(
                    "nothing is heard, neither after a reset nor to Enter: {DEAF}; or, if the \
                     firmware has no prompt, resets do not arrive: then EN, DTR or RTS is cut. A \
                     `power` driver, or somebody at a terminal who presses the button, would tell"
                ),
            );
            seen.unknown("reset", "nothing is heard that would tell");
            Ok(())
        }
    }
}

const DEAF: &str = "the wire from the board's TX to the adapter's RX is cut, or TX and RX are \
    swapped (swap them and try again), or the board has no power";

/// The chip starts and is heard, but not by a reset. Whether the lines reach GPIO0 tells a cut of EN
/// from that of a line; the transistors need both lines.
fn not_reset(board: &mut Fixture, seen: &mut Examination) -> Result<(), FixtureError> {
    let has_strap = board.wiring().sequence(BootMode::Download).is_some();
    let straps = has_strap
        && board
            .try_other_start(BootMode::Download)?
            .is_some_and(|start| start.greeting == Greeting::Waits);
    let wire = match (board.wiring(), straps) {
        (ResetWiring::Straight, _) => "RTS to EN is cut",
        (ResetWiring::TwoTransistors, false) => "DTR or RTS is cut",
        _ => "EN is cut",
    };
    seen.wrong("reset", no_reset(board, wire));
    if straps {
        seen.fine("strap", "GPIO0 chooses the boot mode");
        loader(board, seen)?;
        board.try_other_start(BootMode::Run)?;
        return Ok(());
    }
    if board.wiring() == &ResetWiring::Straight {
        seen.wrong(
            "strap",
            "the chip never starts in download mode: the wire from DTR to GPIO0 is cut",
        );
    }
    Ok(())
}

fn no_reset(board: &Fixture, wire: &str) -> String {
    format!(
        "a reset does nothing: the wire of {wire}, or the board has no auto-reset circuit (then say \
         in bench.toml how {} is reset)",
        board.name()
    )
}

/// Something is heard, but not the ROM.
fn talks(board: &Fixture, seen: &mut Examination, said: &[u8]) -> Result<(), FixtureError> {
    let is_text = |byte: &&u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if said.iter().filter(is_text).count() * 4 >= said.len() * 3 {
        seen.fine("banner", "the firmware talks: the board's TX is heard");
        seen.wrong("reset", no_reset(board, "EN, DTR or RTS is cut"));
    } else {
        seen.wrong(
            "banner",
            "what is heard cannot be read: GND is not connected, or the board talks at another \
             speed (a 26 MHz crystal makes 74880 of the ROM's 115200 baud)",
        );
        seen.unknown("reset", "nothing is heard that would tell");
    }
    Ok(())
}

/// Nothing is heard though the chip has certainly been started. A cut wire and swapped ones look the
/// same from here, and only hands can tell them apart.
fn deaf(board: &mut Fixture, seen: &mut Examination, how: &str) -> Result<(), FixtureError> {
    if !board.ask_if_present("swap the wires at the adapter's TX and RX")? {
        seen.wrong("banner", format!("nothing is heard, not even {how}: {DEAF}"));
        return Ok(());
    }
    let start = board.try_reset(BootMode::Run)?;
    if start.greeting != Greeting::Silence {
        seen.wrong("wires", "TX and RX were swapped; now they are right: leave them so");
        return started(board, seen, start.greeting);
    }
    match board.try_other_start(BootMode::Run)? {
        Some(start) if start.greeting != Greeting::Silence => {
            seen.wrong("wires", "TX and RX were swapped; now they are right: leave them so");
            not_reset(board, seen)
        }
        _ => {
            board.ask_if_present("that was not it: put the two wires back as they were")?;
            seen.wrong(
                "banner",
                format!(
                    "nothing is heard, not even {how} or with TX and RX swapped: the wire from \
                     the board's TX to the adapter's RX is cut, or the board has no power"
                ),
            );
            Ok(())
        }
    }
}

/// A board that nobody can reset may talk all the same.
fn listen(board: &mut Fixture, seen: &mut Examination) -> Result<(), FixtureError> {
    match board.answers(ANSWER)? {
        Some(true) => seen.fine("banner", "the firmware answers to Enter: both serial wires work"),
        Some(false) => {
            seen.unknown("banner", "the board says nothing to Enter; it may have no prompt");
        }
        None => seen.fine("banner", "the firmware talks: the board's TX is heard"),
    }
    Ok(())
}
