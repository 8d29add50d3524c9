//! One attempt at one case: a target, the steps, what they end with.
//!
//! ```text
//! target, or a copy of another case's ─▶ step, step, … ─▶ alarms left? ─▶ machine report ─▶ verdict
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::boards::{self, Board, Boards};
use super::crash::Crash;
use super::events::{Event, Reason};
use super::evidence::Evidence;
use super::execute::{Surroundings, millis};
use super::failure::{Failure, StepError, StepPlace};
use super::firmware::{FirmwareTrouble, FlashImage};
use super::play::play;
use super::schedule::Saved;
use super::session::{Common, News, Session, SessionState, Setup};
use super::verdict::Verdict;
use crate::authority::Authority;
use crate::scenario::model::{BoardEntry, BoardName, BoardPart, Case, Unmodelled};
use crate::scenario::values::{CA_HEX, CA_PEM, Secrets, Values};
use crate::site::{AirOf, Folders, Places, SiteEvent};
use crate::snapshots::SnapshotFolder;
use crate::symbols::Symbols;
use crate::targets::{Capability, MachineReport, Target, TargetRequest};
use crate::time::DeviceTime;
use crate::transcript::printable;

/// How an attempt ended.
pub(super) struct CaseEnd {
    pub(super) verdict: Verdict,
    pub(super) reason: Option<Reason>,
    pub(super) machine: Option<MachineReport>,
    /// The same of further boards, by their names.
    pub(super) machines: BTreeMap<String, MachineReport>,
    pub(super) transcript_hash: Option<String>,
    /// The target as the last step left it.
    pub(super) target: Option<Box<dyn Target>>,
}

impl CaseEnd {
    /// An end before anything began.
    pub(super) fn without_machine(verdict: Verdict, reason: Reason) -> Self {
        Self {
            verdict,
            reason: Some(reason),
            machine: None,
            machines: BTreeMap::new(),
            transcript_hash: None,
            target: None,
        }
    }
}

/// The firmware of a board, or why there is none.
pub(super) type FirmwareOf = Result<Option<Arc<FlashImage>>, FirmwareTrouble>;

/// One attempt at one case.
pub(super) struct Attempt<'r> {
    /// Its number in the plan.
    pub(super) number: usize,
    pub(super) case: &'r Case,
    pub(super) secrets: &'r Secrets,
    /// Seed of everything random.
    pub(super) seed: u64,
    pub(super) around: &'r Surroundings<'r>,
    /// The firmware of a board, if the scenario names one.
    pub(super) firmware: &'r dyn Fn(&BoardEntry) -> FirmwareOf,
    /// What to go on from instead of the beginning.
    pub(super) saved: Option<Saved>,
    /// After how many steps the case is saved for others, in ascending order.
    pub(super) places: Vec<usize>,
    /// Takes what is saved.
    pub(super) pass: &'r dyn Fn(usize, Option<Saved>),
    /// Is told what happens.
    pub(super) emit: &'r mut dyn FnMut(Event),
}

/// Tells events, and remembers them for cases that go on from here.
struct Teller<'e> {
    emit: &'e mut dyn FnMut(Event),
    told: Option<Vec<Event>>,
}

impl Teller<'_> {
    fn tell(&mut self, event: Event) {
        if let Some(told) = &mut self.told {
            told.push(event.clone());
        }
        (self.emit)(event);
    }
}

impl Attempt<'_> {
    pub(super) fn run(mut self) -> CaseEnd {
        let (number, case, secrets) = (self.number, self.case, self.secrets);
        for (on, board) in case.boards() {
            match (self.firmware)(board) {
                Err(error) => return self.broken(&StepError::Firmware(error)),
                Ok(None) => {}
                Ok(Some(image)) => {
                    let (name, sha256) = (image.name.clone(), image.sha256.clone());
                    (self.emit)(Event::Image { case: number, on, name, sha256 });
                }
            }
        }
        let (case, seed, around, firmware) = (self.case, self.seed, self.around, self.firmware);
        let maker = Maker { case, seed, around, firmware };
        let (done, board, told) = match self.saved.take() {
            Some(Saved { steps, target, state, events }) => {
                (steps, maker.around(None, target, Some(state)), events)
            }
            None => (0, maker.open(), Vec::new()),
        };
        let Board { mut target, tells_site, firmware, symbols, pins, state } = match board {
            Ok(board) => board,
            Err(error) => return self.broken(&error),
        };
        let places = std::mem::take(&mut self.places);
        let remembers = (!places.is_empty()).then(Vec::new);
        let teller = RefCell::new(Teller { emit: &mut *self.emit, told: remembers });
        // When each step began.
        let starts = RefCell::new(Vec::new());
        for event in told {
            if let Event::StepStarted { time, .. } = &event {
                starts.borrow_mut().push(*time);
            }
            teller.borrow_mut().tell(as_own(event, number, case, secrets));
        }

        let step = Cell::new(0);
        let mut news = |on: &BoardName, news: News| match news {
            News::Progress { what, progress } => teller.borrow_mut().tell(Event::StepProgress {
                case: number,
                step: step.get(),
                what,
                done: progress.done,
                total: progress.total,
            }),
            News::Line { port, time, text } => teller.borrow_mut().tell(Event::Serial {
                case: number,
                on: on.clone(),
                port,
                time,
                text: printable(&secrets.redact(&text)),
            }),
            News::Pin { gpio, time, level } => {
                let on = on.clone();
                teller.borrow_mut().tell(Event::Pin { case: number, on, time, gpio, level });
            }
            News::Crash(crash) => teller.borrow_mut().tell(Event::Crash {
                case: number,
                on: on.clone(),
                // The last step that began before.
                step: starts.borrow().partition_point(|start| *start < crash.time).max(1) - 1,
                crash: Box::new(redact_crash(*crash, secrets)),
            }),
            News::Site { time, event } => {
                let (case, on) = (number, on.clone());
                match event {
                    SiteEvent::Log(line) => {
                        let text = printable(&secrets.redact(&line));
                        teller.borrow_mut().tell(Event::Site { case, on, time, text });
                    }
                    SiteEvent::Http(frame) => {
                        let frame = Box::new(frame.redacted(secrets));
                        teller.borrow_mut().tell(Event::Http { case, on, time, frame });
                    }
                    SiteEvent::Message(message) => {
                        let message = Box::new(message.redacted(secrets));
                        teller.borrow_mut().tell(Event::Message { case, on, time, message });
                    }
                    // Its frames are told, and what the step makes of them.
                    SiteEvent::Answered(_) | SiteEvent::Talk { .. } | SiteEvent::Station { .. } => {
                    }
                }
            }
            News::Remark { time, text } => teller.borrow_mut().tell(Event::Remark {
                case: number,
                on: on.clone(),
                time,
                text: printable(&secrets.redact(&text)),
            }),
            News::Unity(test) => teller.borrow_mut().tell(Event::UnityTest {
                case: number,
                on: on.clone(),
                step: step.get(),
                test: test.redacted(secrets),
            }),
            News::Time(_) => {}
        };
        let common = Common {
            dialect: case.dialect,
            timeout: case.timeout,
            secrets: secrets.clone(),
            project: case.project.clone(),
            snapshots: SnapshotFolder::beside(
                &case.path,
                &case.project,
                self.around.snapshots.clone(),
            ),
            virtual_time: self.around.targets.capabilities().contains(&Capability::VirtualTime),
            site: case.site.clone(),
            places: maker.places(),
            sees_air: self.around.targets.capabilities().contains(&Capability::AirControl),
            operator: self.around.operator,
            cancelled: self.around.cancelled,
            wall_limit: self.around.wall_limit.map(|span| (Instant::now() + span, span)),
        };
        let more = |name: &str, own: &mut dyn Target| maker.open_beside(name, own);
        let setup = Setup {
            on: None,
            tells_site,
            target: &mut *target,
            firmware,
            symbols,
            common,
            boards: Boards::new(&more),
            news: &mut news,
        };
        let mut session = Session::new(setup, state);

        let mut outcome = Ok(());
        for gpio in pins {
            outcome = outcome.and(session.observe_pin(gpio).map_err(|error| (None, error)));
        }
        let steps = if outcome.is_ok() { &case.steps[..] } else { &[] };
        for (index, entry) in steps.iter().enumerate().skip(done) {
            step.set(index);
            let start = Instant::now();
            let time = session.now();
            starts.borrow_mut().push(time);
            teller.borrow_mut().tell(step_started(number, case, secrets, index, time));
            let result = play(&mut session, entry, &case.steps[index + 1..])
                .map_err(|error| session.with_crash(error));
            let (verdict, evidence) = match &result {
                Ok(evidence) => (Verdict::Passed, Some(redact_evidence(evidence, secrets))),
                Err(error) => (verdict_of(error), None),
            };
            teller.borrow_mut().tell(Event::StepFinished {
                case: number,
                step: index,
                verdict,
                time: session.now(),
                evidence,
                wall_ms: millis(start),
            });
            if let Err(error) = result {
                outcome = Err((Some(index), error));
                break;
            }
            if places.contains(&(index + 1)) {
                let mut teller = teller.borrow_mut();
                let events = match places.last() == Some(&(index + 1)) {
                    true => teller.told.take(),
                    false => teller.told.clone(),
                };
                let saved = session.save().map(|(target, state)| Saved {
                    steps: index + 1,
                    target,
                    state,
                    events: events.unwrap_or_default(),
                });
                (self.pass)(index + 1, saved);
            }
        }
        let last = session.end();
        let now = session.now();
        let others = boards::end_all(&mut session, now, outcome.is_ok() && last.is_ok());
        if outcome.is_ok() {
            outcome = last.and(others).map_err(|error| (None, error));
        }
        let (state, boards) = session.into_parts();
        let mut boards = boards.into_inner();
        let hash = transcript_hash(&state, &boards);
        let machine = target.finish();
        let finished = boards.iter_mut().map(|(name, board)| (name.clone(), board.target.finish()));
        let machines: BTreeMap<_, _> = finished.collect();
        let more = machines.iter().map(|(name, machine)| (Some(name.clone()), machine));
        let mut all = std::iter::once((None, &machine)).chain(more);
        let gap = all.find(|(_, machine)| !machine.unmodelled.is_empty());
        if let (Ok(()), Unmodelled::Deny, Some((on, machine))) = (&outcome, case.unmodelled, gap) {
            outcome = Err((None, unmodelled(machine).of_board(&on)));
        }
        let (verdict, reason) = match outcome {
            Ok(()) => (Verdict::Passed, None),
            Err((step, error)) => (verdict_of(&error), Some(self.reason(step, &error))),
        };
        CaseEnd {
            verdict,
            reason,
            machine: Some(machine),
            machines,
            transcript_hash: Some(hash),
            target: Some(target),
        }
    }

    fn broken(&self, error: &StepError) -> CaseEnd {
        CaseEnd::without_machine(verdict_of(error), self.reason(None, error))
    }

    fn reason(&self, step: Option<usize>, error: &StepError) -> Reason {
        let failure = match error.root() {
            StepError::Failed(failure) => (**failure).clone(),
            other => Failure::new(other.to_string()),
        };
        let failure = redact_failure(failure, self.secrets);
        let entry = step.and_then(|index| Some((index, self.case.steps.get(index)?)));
        let Some((step, entry)) = entry else { return Reason::Case { failure } };
        let (at, during) = match error {
            StepError::Inside(inside) => (inside.at.clone(), inside.during.clone()),
            _ => (StepPlace::from(entry), Vec::new()),
        };
        let StepPlace { file, place, yaml } = at;
        Reason::Step { step, file, place, yaml: self.secrets.redact(&yaml), during, failure }
    }
}

/// Makes the boards of a case.
struct Maker<'r> {
    case: &'r Case,
    seed: u64,
    around: &'r Surroundings<'r>,
    firmware: &'r dyn Fn(&BoardEntry) -> FirmwareOf,
}

impl Maker<'_> {
    /// What the scenario says of a board that it has, as was checked.
    fn entry(&self, name: Option<&str>) -> &BoardEntry {
        let more = name.and_then(|name| self.case.more_boards.get(name));
        more.unwrap_or(&self.case.board)
    }

    /// What the networks and hosts of the case are here; those that are nothing skip it.
    fn places(&self) -> Places {
        let places = self.case.site.as_ref().map(|site| self.around.targets.places(site));
        places.and_then(Result::ok).unwrap_or_default()
    }

    /// The case's own board as the case finds it.
    fn open(&self) -> Result<Board, StepError> {
        let target = self.around.targets.open(&self.request(None)?)?;
        self.around(None, target, None)
    }

    /// Another one, beside the case's own.
    fn open_beside(&self, name: &str, own: &mut dyn Target) -> Result<Board, StepError> {
        let request = self.request(Some(name))?;
        let neighbour = match self.case.air() {
            AirOf::AllBoards => own.neighbour(&request),
            AirOf::OneBoard => None,
        };
        let tells_site = neighbour.is_none();
        let target = neighbour.unwrap_or_else(|| self.around.targets.open(&request))?;
        Ok(Board { tells_site, ..self.around(Some(name), target, None)? })
    }

    /// What a board is as the case finds it.
    fn request(&self, name: Option<&str>) -> Result<TargetRequest, StepError> {
        let entry = self.entry(name);
        let firmware = (self.firmware)(entry)?;
        let request = TargetRequest {
            board: entry.profile.text.clone(),
            number: self.number_of(name),
            seed: self.seed_of(name),
            flash: match &firmware {
                Some(image) if !self.case.writes_flash(name) => {
                    let firmware = image.segments.clone();
                    match &entry.circuit {
                        Some(circuit) => circuit.place(firmware),
                        None => firmware,
                    }
                }
                _ => Vec::new(),
            },
            circuit: entry.circuit.clone(),
            loop_backs: entry.loop_backs.clone(),
            parts: entry.parts.iter().map(|it| it.part.clone()).collect(),
            fitted: entry.parts.iter().map(BoardPart::written).collect(),
            site: self.case.site.clone(),
            air: self.case.air(),
            folders: self.folders()?,
            ..TargetRequest::default()
        };
        Ok(match &entry.circuit {
            Some(circuit) => circuit.ask(request),
            None => request,
        })
    }

    /// The place of a board among those of the case.
    fn number_of(&self, name: Option<&str>) -> u8 {
        let number = self.case.boards().take_while(|(board, _)| board.as_deref() != name).count();
        number.try_into().unwrap_or(u8::MAX)
    }

    /// Boards are alike and still not the same.
    fn seed_of(&self, name: Option<&str>) -> u64 {
        self.seed.wrapping_add(self.number_of(name).into())
    }

    /// The authority that vouches for the hosts of the case, if there are any for whom it must.
    fn authority(&self, name: Option<&str>) -> Option<Authority> {
        let site = self.case.site.as_ref()?;
        let seed = match self.case.air() {
            AirOf::OneBoard => self.seed_of(name),
            AirOf::AllBoards => self.seed,
        };
        // If it cannot be made, the board cannot either, which says why.
        site.has_tls().then(|| Authority::new(seed, site.network.date).ok())?
    }

    /// What the web servers of the case serve.
    fn folders(&self) -> Result<Folders, StepError> {
        let Some(site) = &self.case.site else { return Ok(Folders::new()) };
        crate::files::served(site, &self.case.project)
            .map_err(|(path, source)| StepError::File { path, source })
    }

    /// The same, around a target that is there already.
    fn around(
        &self,
        name: Option<&str>,
        target: Box<dyn Target>,
        state: Option<SessionState>,
    ) -> Result<Board, StepError> {
        let entry = self.entry(name);
        let firmware = (self.firmware)(entry)?;
        let symbols = self.symbols(entry, firmware.as_deref());
        let state = state.unwrap_or_else(|| {
            let mut values = Values::new(self.around.environment.clone());
            self.places().values().iter().for_each(|(name, value)| values.set(name, value));
            if let Some(authority) = self.authority(name) {
                let digits = authority.der().iter().map(|byte| format!("{byte:02x}"));
                values.set(CA_HEX, &digits.collect::<String>());
                values.set(CA_PEM, &authority.pem());
            }
            let never = self.case.never.clone();
            SessionState::new(target.now(), self.case.timeout, never, values)
        });
        let pins = self.case.pins(name);
        Ok(Board { target, tells_site: true, firmware, symbols, pins, state })
    }

    /// What is known of the firmware's source: what the person says is truer than what the scenario
    /// says, and that than what lies beside the image.
    fn symbols(&self, entry: &BoardEntry, firmware: Option<&FlashImage>) -> Symbols {
        let named = || Some(self.case.project.join(&entry.elf.as_ref()?.text));
        let beside = || firmware.and_then(|image| image.elf.clone());
        Symbols::new(self.around.elf.clone().or_else(named).or_else(beside))
    }
}

/// The beginning of a step, told.
fn step_started(
    number: usize,
    case: &Case,
    secrets: &Secrets,
    step: usize,
    time: DeviceTime,
) -> Event {
    let entry = &case.steps[step];
    Event::StepStarted {
        case: number,
        step,
        summary: secrets.redact(&entry.title()),
        file: entry.source.name.clone(),
        place: entry.place(),
        time,
    }
}

/// What another case has told, as this one would have: the steps do the same, but they stand
/// elsewhere and may be labelled differently.
fn as_own(event: Event, number: usize, case: &Case, secrets: &Secrets) -> Event {
    match event {
        Event::StepStarted { step, time, .. } => step_started(number, case, secrets, step, time),
        Event::StepFinished { step, verdict, time, evidence, .. } => {
            Event::StepFinished { case: number, step, verdict, time, evidence, wall_ms: 0 }
        }
        other => other.of_case(number),
    }
}

fn verdict_of(error: &StepError) -> Verdict {
    match error.root() {
        StepError::Failed(_) => Verdict::Failed,
        StepError::Interrupted => Verdict::Interrupted,
        _ => Verdict::Error,
    }
}

fn unmodelled(machine: &MachineReport) -> StepError {
    let seen = machine.unmodelled.iter().map(ToString::to_string).collect();
    StepError::failed(Failure {
        seen,
        help: Some("the scenario says `unmodelled: deny`".to_owned()),
        ..Failure::new("the firmware touched what the emulator does not model")
    })
}

fn redact_failure(mut failure: Failure, secrets: &Secrets) -> Failure {
    let redact = |text: &mut String| *text = printable(&secrets.redact(text));
    redact(&mut failure.what);
    failure.crash = failure.crash.map(|crash| Box::new(redact_crash(*crash, secrets)));
    failure.seen.iter_mut().for_each(redact);
    for text in [&mut failure.expected, &mut failure.diff, &mut failure.help].into_iter().flatten()
    {
        redact(text);
    }
    for sighting in [&mut failure.nearest, &mut failure.already_seen].into_iter().flatten() {
        redact(&mut sighting.line);
    }
    failure
}

fn redact_crash(mut crash: Crash, secrets: &Secrets) -> Crash {
    crash.line = printable(&secrets.redact(&crash.line));
    crash
}

fn redact_evidence(evidence: &Evidence, secrets: &Secrets) -> Evidence {
    let redact = |text: &str| printable(&secrets.redact(text));
    match evidence.clone() {
        Evidence::Line { line, time } => Evidence::Line { line: redact(&line), time },
        Evidence::Seen { text, time } => Evidence::Seen { text: secrets.redact(&text), time },
        Evidence::Answer { code, answer } => {
            Evidence::Answer { code: secrets.redact(&code), answer: redact(&answer) }
        }
        Evidence::Note { text } => Evidence::Note { text: secrets.redact(&text) },
        other @ (Evidence::Done
        | Evidence::Snapshot { .. }
        | Evidence::Unity { .. }
        | Evidence::Measured { .. }) => other,
    }
}

/// FNV-1a over board, port, time and bytes of everything said: equal runs have equal hashes.
fn transcript_hash(own: &SessionState, more: &BTreeMap<String, Board>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let more = more.iter().map(|(name, board)| (name.as_str(), &board.state));
    for (name, state) in std::iter::once(("", own)).chain(more) {
        take(name.as_bytes());
        for (port, transcript) in state.transcripts() {
            take(port.to_string().as_bytes());
            for (length, time) in transcript.deliveries() {
                take(&(*length as u64).to_le_bytes());
                take(&time.nanos().to_le_bytes());
            }
            take(transcript.raw());
        }
    }
    format!("{hash:016x}")
}
