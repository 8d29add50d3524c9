//! Everything the runner tells the outside, as one typed stream.
//!
//! Serialised, each event is one JSON object with `event` as its kind. What depends on the host is
//! in fields named `wall_…` or `host_…`; all else is the same in every run of the same scenario on a
//! target with virtual time. Secrets are redacted before an event is emitted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::crash::Crash;
use super::evidence::Evidence;
use super::failure::Failure;
use super::unity::UnityTest;
use super::verdict::{Tally, Verdict};
use crate::scenario::fault::Place;
use crate::scenario::model::BoardName;
use crate::site::{HttpFrame, Message};
use crate::targets::{Capability, Level, MachineReport, Port};
use crate::time::DeviceTime;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run begins.
    RunStarted {
        /// Version of this format; it changes when a reader would have to.
        format: u32,
        /// Which target.
        target: String,
        /// Seed of everything random.
        seed: u64,
        /// How many cases there are.
        cases: usize,
    },
    /// Firmware is being fetched or read.
    Firmware {
        /// What the scenario calls it.
        name: String,
        /// In words.
        wall_note: String,
    },
    /// Firmware is being received.
    FirmwareBytes {
        /// What the scenario calls it.
        name: String,
        /// Bytes here.
        wall_done: u64,
        /// Bytes in all.
        wall_total: u64,
    },
    /// A case begins.
    CaseStarted {
        /// Its number, from 0.
        case: usize,
        /// Its name: the file's stem and the values of its parameters.
        name: String,
        /// The title in the scenario.
        title: String,
        /// The scenario file as given.
        file: String,
        /// The board profile.
        board: String,
        /// The profiles of further boards, by their names.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        boards: BTreeMap<String, String>,
        /// The words that the scenario can be chosen by.
        tags: Vec<String>,
        /// How many steps it has.
        steps: usize,
        /// Which try this is, from 1.
        attempt: u32,
        /// Seed of everything random in it: that of the run, and with each further try the next one.
        seed: u64,
        /// What it goes on from, when it does not repeat the first steps of another case.
        host_fork: Option<HostFork>,
    },
    /// The firmware that the case is about has been read.
    Image {
        /// The case.
        case: usize,
        /// Which of the case's boards it is for, if not for its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: BoardName,
        /// What the scenario calls it.
        name: String,
        /// SHA-256 of its bytes from the first to the last flash offset, gaps as erased flash, in
        /// hexadecimal.
        sha256: String,
    },
    /// A step begins.
    StepStarted {
        /// The case.
        case: usize,
        /// The step's number, from 0.
        step: usize,
        /// What it does, in a few words.
        summary: String,
        /// The file that it stands in: the scenario, or one that it includes.
        file: String,
        /// Where it stands.
        place: Place,
        /// Device time.
        time: DeviceTime,
    },
    /// A long operation goes on.
    StepProgress {
        /// The case.
        case: usize,
        /// The step.
        step: usize,
        /// What is being done.
        what: &'static str,
        /// Bytes done.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A serial line is complete.
    Serial {
        /// The case.
        case: usize,
        /// Which of the case's boards, if not its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: BoardName,
        /// Who printed it.
        port: Port,
        /// When its last byte came.
        time: DeviceTime,
        /// The line, without terminal sequences.
        text: String,
    },
    /// The level of a pad has changed, or is now known.
    Pin {
        /// The case.
        case: usize,
        /// Which of the case's boards, if not its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: BoardName,
        /// When.
        time: DeviceTime,
        /// GPIO number.
        gpio: u8,
        /// Its level from now on.
        level: Level,
    },
    /// Something has happened on the air or the network.
    Site {
        /// The case.
        case: usize,
        /// Around which of the case's boards, if not its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: BoardName,
        /// When.
        time: DeviceTime,
        /// In words.
        text: String,
    },
    /// An HTTP request or response was seen on the wire.
    Http {
        /// The case.
        case: usize,
        /// Around which of the case's boards, if not its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: BoardName,
        /// When it was complete.
        time: DeviceTime,
        /// What it was.
        frame: Box<HttpFrame>,
    },
    /// A client has published a message at an MQTT broker.
    Message {
        /// The case.
        case: usize,
        /// Around which of the case's boards, if not its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: BoardName,
        /// When.
        time: DeviceTime,
        /// It.
        message: Box<Message>,
    },
    /// The guest has died, and all that it says about that has been heard. Whether that fails the
    /// case is told by the end of a step.
    Crash {
        /// The case.
        case: usize,
        /// Which of the case's boards, if not its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: BoardName,
        /// The step during which it happened.
        step: usize,
        /// What is known about it.
        crash: Box<Crash>,
    },
    /// Something has happened to the bench: an adapter has gone and is back, a board was reset again.
    Remark {
        /// The case.
        case: usize,
        /// Which of the case's boards, if not its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: BoardName,
        /// When.
        time: DeviceTime,
        /// In words.
        text: String,
    },
    /// The board has run a test of the Unity framework, for the step `expect-unity`.
    UnityTest {
        /// The case.
        case: usize,
        /// Which of the case's boards, if not its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: BoardName,
        /// The step.
        step: usize,
        /// How it went.
        test: UnityTest,
    },
    /// A step is over.
    StepFinished {
        /// The case.
        case: usize,
        /// The step.
        step: usize,
        /// How it ended.
        verdict: Verdict,
        /// Device time.
        time: DeviceTime,
        /// What it saw, when it went right.
        evidence: Option<Evidence>,
        /// Milliseconds the host took.
        wall_ms: u64,
    },
    /// A case is over.
    CaseFinished {
        /// The case.
        case: usize,
        /// How it ended.
        verdict: Verdict,
        /// Why, unless it passed.
        reason: Option<Box<Reason>>,
        /// What the machine says about itself.
        machine: Option<Box<MachineReport>>,
        /// What further machines say about themselves, by the names of their boards.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        machines: BTreeMap<String, MachineReport>,
        /// Hash over everything the ports said, with times, where time is virtual.
        transcript_hash: Option<String>,
        /// Whether the case is tried again, and so not over.
        again: bool,
        /// Milliseconds the host took.
        wall_ms: u64,
    },
    /// The run is over.
    RunFinished {
        /// How many cases ended how.
        tally: Tally,
        /// What the program will end with, as far as the cases decide.
        exit_code: u8,
        /// Milliseconds the host took.
        wall_ms: u64,
    },
}

/// Where a case went on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostFork {
    /// The case whose machine was copied.
    pub case: usize,
    /// Its name.
    pub name: String,
    /// How many steps had been done then.
    pub steps: usize,
}

impl Event {
    /// The case that it belongs to.
    pub fn case(&self) -> Option<usize> {
        match self {
            Self::RunStarted { .. }
            | Self::Firmware { .. }
            | Self::FirmwareBytes { .. }
            | Self::RunFinished { .. } => None,
            Self::CaseStarted { case, .. }
            | Self::StepStarted { case, .. }
            | Self::StepProgress { case, .. }
            | Self::Serial { case, .. }
            | Self::Image { case, .. }
            | Self::Pin { case, .. }
            | Self::Site { case, .. }
            | Self::Http { case, .. }
            | Self::Message { case, .. }
            | Self::Crash { case, .. }
            | Self::Remark { case, .. }
            | Self::UnityTest { case, .. }
            | Self::StepFinished { case, .. }
            | Self::CaseFinished { case, .. } => Some(*case),
        }
    }

    /// The same as an event of another case.
    pub fn of_case(mut self, number: usize) -> Self {
        match &mut self {
            Self::RunStarted { .. }
            | Self::Firmware { .. }
            | Self::FirmwareBytes { .. }
            | Self::RunFinished { .. } => {}
            Self::CaseStarted { case, .. }
            | Self::StepStarted { case, .. }
            | Self::StepProgress { case, .. }
            | Self::Serial { case, .. }
            | Self::Image { case, .. }
            | Self::Pin { case, .. }
            | Self::Site { case, .. }
            | Self::Http { case, .. }
            | Self::Message { case, .. }
            | Self::Crash { case, .. }
            | Self::Remark { case, .. }
            | Self::UnityTest { case, .. }
            | Self::StepFinished { case, .. }
            | Self::CaseFinished { case, .. } => *case = number,
        }
        self
    }
}

/// Why a case did not simply pass.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// The target cannot do something.
    MissingCapabilities {
        /// What.
        missing: Vec<Capability>,
    },
    /// The target is a board of another kind.
    OtherBoard {
        /// Which, in words.
        is: String,
    },
    /// The target cannot do what the scenario says in such a way.
    Cannot {
        /// What, in words, with its place if it has one.
        what: Vec<String>,
    },
    /// The bench does not say what the scenario's networks and hosts are.
    Unbound {
        /// The tables of bench.toml that would.
        keys: Vec<String>,
    },
    /// The board does not have something.
    MissingParts {
        /// What, as the scenario names it.
        parts: Vec<String>,
    },
    /// A step failed.
    Step {
        /// Its number, from 0.
        step: usize,
        /// The file that it stands in, or the step inside of it that failed.
        file: String,
        /// Where that stands.
        place: Place,
        /// What it is, as written there.
        yaml: String,
        /// What a step inside of it was part of, the innermost first, as in `pass 3 of 10`.
        during: Vec<String>,
        /// What happened.
        failure: Failure,
    },
    /// Something failed that belongs to no step.
    Case {
        /// What happened.
        failure: Failure,
    },
}
