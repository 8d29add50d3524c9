//! A case that somebody else's program plays as a whole: its events, as far as they are known.

use std::cell::Cell;
use std::time::Instant;

use super::attempt::{CaseEnd, FirmwareOf};
use super::events::{Event, Reason};
use super::execute::{Surroundings, millis};
use super::failure::{Failure, StepPlace};
use super::verdict::Verdict;
use crate::scenario::model::{BoardEntry, Case};
use crate::scenario::values::Secrets;
use crate::targets::Port;
use crate::targets::player::{End, Order, Player, Told};
use crate::time::DeviceTime;
use crate::transcript::printable;

/// What is wanted of whom.
pub(super) struct Whole<'r> {
    pub(super) number: usize,
    pub(super) case: &'r Case,
    pub(super) secrets: &'r Secrets,
    pub(super) around: &'r Surroundings<'r>,
    pub(super) firmware: &'r dyn Fn(&BoardEntry) -> FirmwareOf,
    pub(super) player: &'r dyn Player,
}

/// No step has been told yet.
const NONE: usize = usize::MAX;

impl Whole<'_> {
    /// Has it played. Device times are not known: all are those of the beginning.
    pub(super) fn run(&self, emit: &mut dyn FnMut(Event)) -> CaseEnd {
        let Self { number, case, secrets, around, .. } = *self;
        let flash = match (self.firmware)(&case.board) {
            Ok(Some(image)) => {
                let (name, sha256) = (image.name.clone(), image.sha256.clone());
                emit(Event::Image { case: number, on: None, name, sha256 });
                image.segments.clone()
            }
            Ok(None) => Vec::new(),
            Err(trouble) => return broken(trouble.to_string()),
        };
        let order =
            Order { case, flash, cancelled: around.cancelled, wall_limit: around.wall_limit };
        let (step, began) = (Cell::new(NONE), Cell::new(Instant::now()));
        let finished = |verdict| Event::StepFinished {
            case: number,
            step: step.get(),
            verdict,
            time: DeviceTime::ZERO,
            evidence: None,
            wall_ms: millis(began.get()),
        };
        let go_to = |next: usize, emit: &mut dyn FnMut(Event)| {
            while step.get() != next && step.get().wrapping_add(1) < case.steps.len() {
                if step.get() != NONE {
                    emit(finished(Verdict::Passed));
                }
                let index = step.get().wrapping_add(1);
                step.set(index);
                began.set(Instant::now());
                let entry = &case.steps[index];
                emit(Event::StepStarted {
                    case: number,
                    step: index,
                    summary: secrets.redact(&entry.title()),
                    file: entry.source.name.clone(),
                    place: entry.place(),
                    time: DeviceTime::ZERO,
                });
            }
        };
        let played = self.player.play(&order, &mut |told| match told {
            Told::Step(next) => go_to(next, emit),
            Told::Line(line) => emit(Event::Serial {
                case: number,
                on: None,
                port: Port::Console,
                time: DeviceTime::ZERO,
                text: printable(&secrets.redact(&line)),
            }),
        });
        let (verdict, what) = match played.end {
            End::Passed => {
                go_to(case.steps.len(), emit);
                (Verdict::Passed, None)
            }
            End::Failed(what) => (Verdict::Failed, Some(what)),
            End::Broken(what) => (Verdict::Error, Some(what)),
            End::Interrupted => (Verdict::Interrupted, Some("interrupted".to_owned())),
        };
        if step.get() != NONE {
            emit(finished(verdict));
        }
        let reason = what.map(|what| {
            let failure = Failure::new(secrets.redact(&what));
            match (verdict, case.steps.get(step.get())) {
                (Verdict::Failed, Some(entry)) => {
                    let StepPlace { file, place, yaml } = StepPlace::from(entry);
                    let yaml = secrets.redact(&yaml);
                    let (step, during) = (step.get(), Vec::new());
                    Reason::Step { step, file, place, yaml, during, failure }
                }
                _ => Reason::Case { failure },
            }
        });
        CaseEnd {
            verdict,
            reason,
            machine: Some(played.machine),
            machines: Default::default(),
            transcript_hash: None,
            target: None,
        }
    }
}

fn broken(what: String) -> CaseEnd {
    CaseEnd::without_machine(Verdict::Error, Reason::Case { failure: Failure::new(what) })
}
