//! The run as a tree, gathered from its events, for the reports that are written at its end.

use std::collections::BTreeMap;
use std::fmt;

use crate::runner::crash::Crash;
use crate::runner::events::{Event, Reason};
use crate::runner::evidence::Evidence;
use crate::runner::unity::UnityTest;
use crate::runner::verdict::{Tally, Verdict};
use crate::scenario::fault::Place;
use crate::scenario::model::BoardName;
use crate::targets::{Level, MachineReport, Port};
use crate::time::DeviceTime;

/// Everything that was told about a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) target: String,
    pub(super) seed: u64,
    /// The tries of each case that has begun, by its number.
    pub(super) cases: BTreeMap<usize, Vec<Try>>,
    pub(super) tally: Tally,
    pub(super) wall_ms: u64,
}

/// One try of a case.
#[derive(Debug, Clone, Default)]
pub(super) struct Try {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) file: String,
    pub(super) board: String,
    /// The profiles of further boards, by their names.
    pub(super) boards: BTreeMap<String, String>,
    pub(super) tags: Vec<String>,
    pub(super) attempt: u32,
    /// Seed of everything random in it.
    pub(super) seed: u64,
    /// Name and hash of the firmware of the case's own board.
    pub(super) image: Option<(String, String)>,
    pub(super) steps: Vec<StepRecord>,
    /// What happened, in the order it was told.
    pub(super) entries: Vec<Entry>,
    /// The edges of each pad.
    pub(super) pins: BTreeMap<Pad, Vec<(DeviceTime, Level)>>,
    /// The tests of the Unity framework that the board ran.
    pub(super) tests: Vec<UnityTest>,
    pub(super) end: Option<End>,
}

/// How a try ended.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) verdict: Verdict,
    pub(super) reason: Option<Box<Reason>>,
    pub(super) machine: Option<Box<MachineReport>>,
    /// The same of further boards, by their names.
    pub(super) machines: BTreeMap<String, MachineReport>,
    pub(super) wall_ms: u64,
}

/// One step that has begun.
#[derive(Debug, Clone)]
pub(super) struct StepRecord {
    pub(super) summary: String,
    pub(super) file: String,
    pub(super) place: Place,
    pub(super) start: DeviceTime,
    pub(super) end: DeviceTime,
    /// `None` while it runs.
    pub(super) verdict: Option<Verdict>,
    pub(super) evidence: Option<Evidence>,
    pub(super) wall_ms: u64,
}

/// One thing in the course of a try.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// The step of this number began.
    Step(usize),
    /// A port said a line.
    Line { port: PortOf, time: DeviceTime, text: String },
    /// The guest died.
    Crash(Box<Crash>),
    /// Something happened to the bench.
    Remark { time: DeviceTime, text: String },
    /// Something happened on the air or the network.
    Site { time: DeviceTime, text: String },
}

/// A port of one of the case's boards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortOf {
    pub(super) on: BoardName,
    pub(super) port: Port,
}

impl fmt::Display for PortOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.on.iter().try_for_each(|name| write!(f, "{name} "))?;
        write!(f, "{}", self.port)
    }
}

/// A pad of one of the case's boards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pad {
    pub(super) on: BoardName,
    pub(super) gpio: u8,
}

impl fmt::Display for Pad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.on.iter().try_for_each(|name| write!(f, "{name} "))?;
        write!(f, "GPIO{}", self.gpio)
    }
}

impl Try {
    pub(super) fn verdict(&self) -> Verdict {
        // What was begun and never ended was cut short.
        self.end.as_ref().map_or(Verdict::Interrupted, |end| end.verdict)
    }

    pub(super) fn reason(&self) -> Option<&Reason> {
        self.end.as_ref()?.reason.as_deref()
    }

    pub(super) fn wall_ms(&self) -> u64 {
        self.end.as_ref().map_or(0, |end| end.wall_ms)
    }

    pub(super) fn machine(&self) -> Option<&MachineReport> {
        self.end.as_ref()?.machine.as_deref()
    }

    /// The reports of further machines, by the names of their boards.
    pub(super) fn machines(&self) -> impl Iterator<Item = (&String, &MachineReport)> {
        self.end.iter().flat_map(|end| &end.machines)
    }

    /// Device time at the end.
    pub(super) fn time(&self) -> DeviceTime {
        let last_step = self.steps.last().map_or(DeviceTime::ZERO, |step| step.end);
        self.machine().map_or(last_step, |machine| machine.time)
    }

    /// What every port said, a line each, with its time.
    pub(super) fn transcript(&self) -> String {
        let line = |entry: &Entry| match entry {
            Entry::Line { port, time, text } => Some(format!("{time} {port} | {text}\n")),
            Entry::Site { time, text } => Some(format!("{time} net | {text}\n")),
            Entry::Remark { time, text } => Some(format!("{time} bench | {text}\n")),
            Entry::Step(_) | Entry::Crash(_) => None,
        };
        self.entries.iter().filter_map(line).collect()
    }

    fn step(&mut self, number: usize) -> Option<&mut StepRecord> {
        self.steps.get_mut(number)
    }
}

impl Record {
    /// The try of a case that is going on.
    fn current(&mut self, case: usize) -> Option<&mut Try> {
        self.cases.get_mut(&case)?.last_mut()
    }

    /// Takes the next event.
    pub(super) fn event(&mut self, event: &Event) {
        // A case's events begin with its start; one without it belongs nowhere.
        let _ = self.take(event);
    }

    fn take(&mut self, event: &Event) -> Option<()> {
        match event {
            Event::RunStarted { target, seed, .. } => {
                self.target.clone_from(target);
                self.seed = *seed;
            }
            Event::CaseStarted {
                case,
                name,
                title,
                file,
                board,
                boards,
                tags,
                attempt,
                seed,
                ..
            } => {
                self.cases.entry(*case).or_default().push(Try {
                    name: name.clone(),
                    title: title.clone(),
                    file: file.clone(),
                    board: board.clone(),
                    boards: boards.clone(),
                    tags: tags.clone(),
                    attempt: *attempt,
                    seed: *seed,
                    ..Try::default()
                });
            }
            Event::Image { case, on: None, name, sha256 } => {
                self.current(*case)?.image = Some((name.clone(), sha256.clone()));
            }
            Event::StepStarted { case, summary, file, place, time, .. } => {
                let current = self.current(*case)?;
                current.entries.push(Entry::Step(current.steps.len()));
                current.steps.push(StepRecord {
                    summary: summary.clone(),
                    file: file.clone(),
                    place: *place,
                    start: *time,
                    end: *time,
                    verdict: None,
                    evidence: None,
                    wall_ms: 0,
                });
            }
            Event::Serial { case, on, port, time, text } => {
                let port = PortOf { on: on.clone(), port: *port };
                let line = Entry::Line { port, time: *time, text: text.clone() };
                self.current(*case)?.entries.push(line);
            }
            Event::Pin { case, on, time, gpio, level } => {
                let pad = Pad { on: on.clone(), gpio: *gpio };
                self.current(*case)?.pins.entry(pad).or_default().push((*time, *level));
            }
            Event::Crash { case, on, crash, .. } => {
                // It is told when the dump is complete; it belongs behind the line that says it.
                let entries = &mut self.current(*case)?.entries;
                let its_port = PortOf { on: on.clone(), port: crash.port };
                let says_it = |entry: &Entry| match entry {
                    Entry::Line { port, time, .. } => *port == its_port && *time >= crash.time,
                    Entry::Step(_)
                    | Entry::Crash(_)
                    | Entry::Remark { .. }
                    | Entry::Site { .. } => false,
                };
                let at = entries.iter().position(says_it).map_or(entries.len(), |line| line + 1);
                entries.insert(at, Entry::Crash(crash.clone()));
            }
            Event::Site { case, on, time, text } => {
                let on = on.iter().map(|name| format!("{name}: ")).collect::<String>();
                let line = Entry::Site { time: *time, text: on + text };
                self.current(*case)?.entries.push(line);
            }
            Event::Http { .. } | Event::Message { .. } => {}
            Event::Remark { case, on, time, text } => {
                let on = on.iter().map(|name| format!("{name}: ")).collect::<String>();
                let remark = Entry::Remark { time: *time, text: on + text };
                self.current(*case)?.entries.push(remark);
            }
            Event::UnityTest { case, on, test, .. } => {
                let of = on.iter().map(|name| format!("{name} ")).collect::<String>();
                let name = of + &test.name;
                self.current(*case)?.tests.push(UnityTest { name, ..test.clone() });
            }
            Event::StepFinished { case, step, verdict, time, evidence, wall_ms } => {
                let step = self.current(*case)?.step(*step)?;
                step.verdict = Some(*verdict);
                step.end = *time;
                step.evidence.clone_from(evidence);
                step.wall_ms = *wall_ms;
            }
            Event::CaseFinished { case, verdict, reason, machine, machines, wall_ms, .. } => {
                self.current(*case)?.end = Some(End {
                    verdict: *verdict,
                    reason: reason.clone(),
                    machine: machine.clone(),
                    machines: machines.clone(),
                    wall_ms: *wall_ms,
                });
            }
            Event::RunFinished { tally, wall_ms, .. } => {
                self.tally = *tally;
                self.wall_ms = *wall_ms;
            }
            Event::Firmware { .. }
            | Event::FirmwareBytes { .. }
            | Event::Image { .. }
            | Event::StepProgress { .. } => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(case: usize, name: &str, attempt: u32) -> Event {
        Event::CaseStarted {
            case,
            name: name.to_owned(),
            title: String::new(),
            file: String::new(),
            board: String::new(),
            boards: BTreeMap::new(),
            tags: Vec::new(),
            steps: 1,
            attempt,
            seed: u64::from(attempt),
            host_fork: None,
        }
    }

    fn said(case: usize, text: &str) -> Event {
        let (port, time) = (Port::Console, DeviceTime::ZERO);
        Event::Serial { case, on: None, port, time, text: text.to_owned() }
    }

    #[test]
    fn what_happens_to_the_bench_stands_between_the_lines() {
        let mut record = Record::default();
        let (on, time) = (Some("keeper".to_owned()), DeviceTime::ZERO);
        let remark = Event::Remark { case: 0, on, time, text: "reset again".to_owned() };
        for event in [started(0, "a", 1), said(0, "one"), remark, said(0, "two")] {
            record.event(&event);
        }
        assert_eq!(
            record.cases[&0][0].transcript(),
            "0.000000s console | one\n0.000000s bench | keeper: reset again\n\
             0.000000s console | two\n"
        );
    }

    #[test]
    fn events_of_cases_that_run_at_the_same_time_are_kept_apart_and_so_are_tries() {
        let mut record = Record::default();
        for event in [
            started(0, "a", 1),
            started(1, "b", 1),
            said(0, "a says"),
            said(1, "b says"),
            said(0, "a too"),
            started(0, "a", 2),
            said(0, "again"),
            said(7, "nobody knows this case"),
        ] {
            record.event(&event);
        }
        let transcripts =
            |case: usize| -> Vec<_> { record.cases[&case].iter().map(Try::transcript).collect() };
        assert_eq!(
            transcripts(0),
            [
                "0.000000s console | a says\n0.000000s console | a too\n",
                "0.000000s console | again\n"
            ]
        );
        assert_eq!(transcripts(1), ["0.000000s console | b says\n"]);
        assert_eq!(record.cases.len(), 2);
    }
}
