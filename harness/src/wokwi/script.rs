//! A case in steps of Wokwi's automation scenarios.
//!
//! Source: `wokwi-cli` 0.26: the simulation stands still between steps, `wait-serial` compares raw bytes
//! and has no patience of its own, `expect-pin` looks at this moment, and nothing flashes or resets.
//!
//! Each of our steps says itself ([`crate::steps::Step::say`]) or why it cannot be said. What is flashed
//! before the chip runs first is the project's firmware; that is the only flashing there is.

use std::fmt;

use serde_json::json;

use super::access_points;
use super::circuit::Circuit;
use crate::scenario::fault::{Fault, FaultCode, Weight};
use crate::scenario::model::{Case, StepEntry};
use crate::scenario::values::{Template, Values};
use crate::targets::{BootMode, Level, Port};
use crate::time::Span;

/// Why steps cannot be said that deal with the flash later.
const NO_FLASHING: &str = "Wokwi flashes nothing after the start";

/// What MicroPython's prompt shows when it waits.
const PROMPT: &str = ">>> ";

/// What a step of Wokwi's does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// `delay`.
    Delay(Span),
    /// `wait-serial`.
    Wait(String),
    /// `write-serial` of a text.
    Write(String),
    /// `write-serial` of bytes.
    Bytes(Vec<u8>),
    /// `set-control`: part, control, value.
    Control(String, String, f64),
    /// `expect-pin`: part, pin, level.
    Pin(String, String, Level),
}

impl fmt::Display for Act {
    /// As it stands behind a `-`. What JSON says means the same in YAML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(span) => write!(f, "delay: {span}"),
            Self::Wait(text) => write!(f, "wait-serial: {}", json!(text)),
            Self::Write(text) => write!(f, "write-serial: {}", json!(text)),
            Self::Bytes(bytes) => write!(f, "write-serial: {}", json!(bytes)),
            Self::Control(part, name, value) => {
                let (part, name) = (json!(part), json!(name));
                write!(f, "set-control: {{ part-id: {part}, name: {name}, value: {value} }}")
            }
            Self::Pin(part, name, level) => {
                let (part, name, value) =
                    (json!(part), json!(name), u8::from(*level == Level::High));
                write!(f, "expect-pin: {{ part-id: {part}, name: {name}, value: {value} }}")
            }
        }
    }
}

/// A step of Wokwi's.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Which step of the case it belongs to, from 0.
    pub of: usize,
    /// The label of that step, at the first of those that belong to it.
    pub label: Option<String>,
    /// What it does.
    pub act: Act,
}

/// Whether the simulation has begun, as our steps see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chip {
    /// No step has let it run yet.
    Before(BootMode),
    Runs,
}

/// What the flash holds when the chip runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flash {
    /// Nothing.
    Blank,
    /// The firmware of the project.
    Firmware,
}

/// A case while it is said.
#[derive(Debug)]
pub struct Script<'c> {
    circuit: &'c Circuit,
    chip: Chip,
    flash: Flash,
    /// Whether MicroPython is known to wait.
    at_prompt: bool,
    /// The step that is being said.
    of: usize,
    label: Option<String>,
    said: Vec<Said>,
    faults: Vec<Fault>,
    /// The innermost step, for what is pointed out of it.
    remarks: Vec<String>,
}

/// What a case is in Wokwi's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    /// Its steps.
    pub steps: Vec<Said>,
    /// What is lost by it, in words with its place.
    pub remarks: Vec<Fault>,
}

/// Says a case at the board of a diagram.
///
/// # Errors
/// All that cannot be said.
pub fn say(case: &Case, circuit: &Circuit) -> Result<Spoken, Vec<Fault>> {
    let mut script = Script {
        circuit,
        chip: Chip::Before(BootMode::Run),
        flash: if case.writes_flash(None) { Flash::Blank } else { Flash::Firmware },
        at_prompt: false,
        of: 0,
        label: None,
        said: Vec::new(),
        faults: of_case(case),
        remarks: Vec::new(),
    };
    for (number, entry) in case.steps.iter().enumerate() {
        script.of = number;
        script.entry(entry);
    }
    let faults = script.faults.into_iter();
    let (faults, remarks): (Vec<_>, Vec<_>) = faults.partition(|it| it.weight == Weight::Error);
    match faults.is_empty() {
        true => Ok(Spoken { steps: script.said, remarks }),
        false => Err(faults),
    }
}

/// What cannot be said of a case apart from its steps.
fn of_case(case: &Case) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut cannot = |why: &str| faults.push(fault(0..0, why.to_owned()));
    if !case.more_boards.is_empty() {
        cannot("a Wokwi project has one board, and this scenario has several");
    }
    let site = case.site.as_ref().map_or(Ok(Vec::new()), access_points::drawn);
    site.err().into_iter().flatten().for_each(|why| cannot(&why));
    if !case.never.is_empty() {
        cannot("a Wokwi scenario cannot say what must never appear (`never`)");
    }
    faults
}

fn fault(span: std::ops::Range<usize>, why: String) -> Fault {
    Fault::new(FaultCode::BadValue, span, why)
}

impl Script<'_> {
    fn entry(&mut self, entry: &StepEntry) {
        if let Some(label) = &entry.label {
            self.label = Some(label.clone());
        }
        let outcome = entry.step.say(self);
        let remarks = std::mem::take(&mut self.remarks);
        let remarks = remarks.into_iter().map(|text| fault(entry.span.clone(), text).warning());
        let cannot = outcome.err().map(|why| fault(entry.span.clone(), why));
        let name = entry.step.name();
        self.faults.extend(remarks.chain(cannot).map(|mut it| {
            it.message = format!("`{name}`: {}", it.message);
            it.in_text(&entry.source)
        }));
    }

    /// Steps inside of a step.
    pub fn inner(&mut self, steps: &[StepEntry]) {
        steps.iter().for_each(|entry| self.entry(entry));
    }

    fn act(&mut self, act: Act) {
        let label = self.label.take();
        self.said.push(Said { of: self.of, label, act });
    }

    /// Points out what is lost.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// The chip must run from here on.
    ///
    /// # Errors
    /// If it waits for a download.
    pub fn runs(&mut self) -> Result<(), String> {
        match self.chip {
            Chip::Before(BootMode::Download) => {
                Err("the chip waits for a download, and Wokwi does not simulate that".to_owned())
            }
            Chip::Before(BootMode::Run) if self.flash == Flash::Blank => {
                Err("the flash is blank, and Wokwi begins with the firmware in it".to_owned())
            }
            Chip::Before(BootMode::Run) | Chip::Runs => {
                self.chip = Chip::Runs;
                Ok(())
            }
        }
    }

    /// What the strap says.
    ///
    /// # Errors
    /// If it would be to flash a chip that has run.
    pub fn boot_mode(&mut self, mode: BootMode) -> Result<(), String> {
        match self.chip {
            Chip::Before(_) => self.chip = Chip::Before(mode),
            Chip::Runs if mode == BootMode::Run => {}
            Chip::Runs => return Err(NO_FLASHING.to_owned()),
        }
        Ok(())
    }

    /// The reset button.
    ///
    /// # Errors
    /// If the chip has run: a Wokwi scenario cannot reset it.
    pub fn reset(&mut self) -> Result<(), String> {
        match self.chip {
            Chip::Before(BootMode::Run) => return self.runs(),
            Chip::Before(BootMode::Download) => {}
            Chip::Runs => return Err("a Wokwi scenario cannot reset the board".to_owned()),
        }
        Ok(())
    }

    /// Flash is read from outside.
    ///
    /// # Errors
    /// If the chip has run.
    pub fn reads_flash(&self) -> Result<(), String> {
        match self.chip {
            Chip::Before(_) => Ok(()),
            Chip::Runs => Err(NO_FLASHING.to_owned()),
        }
    }

    /// Flash is made to hold this.
    ///
    /// # Errors
    /// If the chip has run.
    pub fn flashes(&mut self, flash: Flash) -> Result<(), String> {
        self.reads_flash()?;
        self.flash = flash;
        Ok(())
    }

    /// A text, which must be known beforehand.
    ///
    /// # Errors
    /// If it has a value in it that is known only while the case runs.
    pub fn text(&self, template: &Template) -> Result<String, String> {
        template.text(&Values::default()).map_err(|_| {
            let names: Vec<_> = template.names().map(|name| format!("`{name}`")).collect();
            format!("what {} is, is known only while the case runs", names.join(" and "))
        })
    }

    /// The port must be the one that the diagram leads to the serial monitor.
    ///
    /// # Errors
    /// If it is another one.
    pub fn port(&self, port: Port) -> Result<(), String> {
        match self.circuit.monitor() == Some(port) {
            true => Ok(()),
            false => Err(format!("Wokwi hears one port, and that is not {port}")),
        }
    }

    /// Waits until these bytes have been said.
    ///
    /// # Errors
    /// As for [`Script::runs`].
    pub fn wait(&mut self, text: String) -> Result<(), String> {
        self.runs()?;
        if matches!(self.said.last(), Some(Said { act: Act::Delay(_), .. })) {
            self.remark("what is said during the `delay` before it is found by some servers only");
        }
        self.at_prompt = text.ends_with(PROMPT);
        self.act(Act::Wait(text));
        Ok(())
    }

    /// Sends a text.
    ///
    /// # Errors
    /// As for [`Script::runs`].
    pub fn write(&mut self, text: String) -> Result<(), String> {
        self.runs()?;
        self.at_prompt = false;
        self.act(Act::Write(text));
        Ok(())
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// As for [`Script::runs`].
    pub fn bytes(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        self.runs()?;
        self.at_prompt = false;
        self.act(Act::Bytes(bytes));
        Ok(())
    }

    /// MicroPython waits at its prompt.
    ///
    /// # Errors
    /// As for [`Script::runs`].
    pub fn prompt(&mut self) -> Result<(), String> {
        match self.at_prompt {
            true => Ok(()),
            false => self.wait(PROMPT.to_owned()),
        }
    }

    /// Lets time pass.
    pub fn delay(&mut self, span: Span) {
        self.act(Act::Delay(span));
    }

    /// Moves a control.
    ///
    /// # Errors
    /// As for [`Script::runs`], or if the diagram has no such part.
    pub fn control(&mut self, part: &str, name: &str, value: f64) -> Result<(), String> {
        self.runs()?;
        self.circuit.check_control(part, name).map_err(|none| none.message)?;
        self.act(Act::Control(part.to_owned(), name.to_owned(), value));
        Ok(())
    }

    /// A pin of the chip has a level.
    ///
    /// # Errors
    /// As for [`Script::runs`], or if the board does not lead it out.
    pub fn chip_pin(&mut self, gpio: u8, level: Level) -> Result<(), String> {
        let board = self.circuit.board().to_owned();
        let name = self.circuit.pad_name(gpio);
        let name = name.ok_or_else(|| format!("the board does not lead out GPIO{gpio}"))?;
        self.pin(&board, &name, level)
    }

    /// A pin of a part has a level.
    ///
    /// # Errors
    /// As for [`Script::runs`].
    pub fn pin(&mut self, part: &str, name: &str, level: Level) -> Result<(), String> {
        self.runs()?;
        self.act(Act::Pin(part.to_owned(), name.to_owned(), level));
        Ok(())
    }
}

/// The text of a scenario with these steps.
pub fn scenario(head: &str, case: &Case, steps: &[Said]) -> String {
    let mut text = format!(
        "{head}name: {}\nversion: 1\nauthor: benchrig\n# Wokwi's tools want to be told: --timeout {}\ntimeout: {}\nsteps:\n",
        json!(case.title),
        case.timeout.nanos().div_ceil(1_000_000),
        case.timeout,
    );
    for Said { label, act, .. } in steps {
        match label {
            Some(label) => text += &format!("  - name: {}\n    {act}\n", json!(label)),
            None => text += &format!("  - {act}\n"),
        }
    }
    if steps.is_empty() {
        text = text.replace("steps:\n", "steps: []\n");
    }
    text
}
