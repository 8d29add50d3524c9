//! What a step sees of a running case: the target, the transcripts, the values, the marks.
//!
//! All waiting happens here. Each wait is bounded by the step's patience, by the case's own time,
//! by an alarm of the [`Guard`] and by the person's Ctrl-C, in device time except for the last.
//!
//! **Alarms.** A panic is worth reporting whole, so an alarm ends the case only [`DUMP`] after its
//! line. Until then a match that covers the line makes it expected. A step that waits for nothing
//! looks ahead: if the next expectation of the scenario matches the line, it is expected too.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::boards::Boards;
use super::crash::{Crash, CrashWatch, DUMP, is_reset};
use super::evidence::Evidence;
use super::failure::{Failure, Sighting, StepError};
use super::firmware::FlashImage;
use super::guard::{Alarm, Guard};
use super::operator::{Answer, Operator, Question};
use super::pins::{PinEdge, Pins, Pulse};
use super::unity::UnityTest;
use crate::scenario::model::{BoardName, Dialect};
use crate::scenario::values::{Secrets, Template, Values};
use crate::snapshots::SnapshotFolder;
use crate::symbols::Symbols;
use crate::targets::{Level, Port, Power, Progress, Target, TargetEvent};
use crate::time::{DeviceTime, Span};
use crate::transcript::{Expectation, Match, Pattern, Poll, SETTLE, Transcript, nearest_line};

/// The longest stretch of device time between two looks at the person's Ctrl-C.
const SLICE: Span = Span::from_millis(100);
/// Lines of the transcript that a failure shows.
const TAIL: usize = 8;
/// Bytes of a long line that evidence shows around a match.
const AROUND: usize = 200;

/// How long an expectation waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// So long, in device time.
    Within(Span),
    /// As long as the case has time.
    Case,
}

/// What a session tells while a step runs.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A long operation has come so far.
    Progress {
        /// What is being done, such as `erasing`.
        what: &'static str,
        /// How far it is.
        progress: Progress,
    },
    /// A line is complete.
    Line {
        /// Who printed it.
        port: Port,
        /// When its last byte came.
        time: DeviceTime,
        /// The line as text.
        text: String,
    },
    /// An observed pin has changed.
    Pin {
        /// GPIO number.
        gpio: u8,
        /// When.
        time: DeviceTime,
        /// Its level since then.
        level: Level,
    },
    /// The guest has died, and all that it says about that has been heard.
    Crash(Box<Crash>),
    /// The board has run a test of the Unity framework.
    Unity(UnityTest),
    /// Device time went on.
    Time(DeviceTime),
}

impl News {
    /// When it happened, if it belongs to a moment.
    pub fn time(&self) -> Option<DeviceTime> {
        match self {
            Self::Progress { .. } => None,
            Self::Line { time, .. } | Self::Pin { time, .. } | Self::Time(time) => Some(*time),
            Self::Crash(crash) => Some(crash.time),
            Self::Unity(test) => Some(test.time),
        }
    }

    /// Whether it is worth telling later.
    pub fn is_kept(&self) -> bool {
        !matches!(self, Self::Progress { .. } | Self::Time(_))
    }
}

/// Who is told what happens meanwhile, and on which board.
pub type Tell<'a> = &'a mut dyn FnMut(&BoardName, News);

/// What is the same for all boards of a case.
#[derive(Clone)]
pub struct Common<'a> {
    /// Which meaning steps have.
    pub dialect: Dialect,
    /// How long the case may take, in device time.
    pub timeout: Span,
    /// What must not appear in snapshots.
    pub secrets: Secrets,
    /// The folder that paths in the scenario start at.
    pub project: PathBuf,
    /// Where snapshots are.
    pub snapshots: SnapshotFolder,
    /// Whether the target's time is its own, the same in every run.
    pub virtual_time: bool,
    /// Who can be asked to do something, if anybody is there.
    pub operator: Option<&'a dyn Operator>,
    /// Set when the person wants the run to end.
    pub cancelled: &'a AtomicBool,
    /// The wall time at which the case ends, and how long it then has taken.
    pub wall_limit: Option<(Instant, Duration)>,
}

/// What a session is about.
pub struct Setup<'a> {
    /// Which of the case's boards.
    pub on: BoardName,
    /// The board itself.
    pub target: &'a mut dyn Target,
    /// The board's firmware.
    pub firmware: Option<Arc<FlashImage>>,
    /// What is known of the firmware's source.
    pub symbols: Symbols,
    /// What it shares with the other boards.
    pub common: Common<'a>,
    /// The other boards.
    pub boards: Boards<'a>,
    /// Is told what happens.
    pub news: Tell<'a>,
}

/// A named moment.
#[derive(Debug, Clone)]
struct Moment {
    time: DeviceTime,
    /// The cursor of each port then.
    places: BTreeMap<Port, usize>,
}

/// A running case, as its steps see it.
pub struct Session<'a> {
    setup: Setup<'a>,
    state: SessionState,
    /// News that are not told yet, when they shall be told in another order.
    held: Option<Vec<News>>,
}

/// What has happened in a case so far. With a fork of the target it is a saved state of the case.
#[derive(Debug, Clone)]
pub struct SessionState {
    values: Values,
    ports: BTreeMap<Port, Transcript>,
    told: BTreeMap<Port, usize>,
    marks: BTreeMap<String, Moment>,
    guard: Guard,
    alarm: Option<Alarm>,
    crash_watch: CrashWatch,
    crashes: Vec<Crash>,
    /// Where expectations matched in lines that the guard has not judged yet.
    matched: Vec<(Port, Range<usize>)>,
    /// What the next expectation of the scenario waits for.
    upcoming: Option<(Port, Pattern)>,
    deadline: DeviceTime,
    power_decided: bool,
    pins: Pins,
    /// When power failed last, if no step has asked for it.
    power_lost: Option<DeviceTime>,
}

impl SessionState {
    /// The start of a case that begins at `now` and may take `timeout`; `never` are texts that must
    /// not appear, `values` what is known so far.
    pub fn new(now: DeviceTime, timeout: Span, never: Vec<Pattern>, values: Values) -> Self {
        Self {
            values,
            ports: BTreeMap::new(),
            told: BTreeMap::new(),
            marks: BTreeMap::new(),
            guard: Guard::new(never),
            alarm: None,
            crash_watch: CrashWatch::default(),
            crashes: Vec::new(),
            matched: Vec::new(),
            upcoming: None,
            deadline: now + timeout,
            power_decided: false,
            pins: Pins::default(),
            power_lost: None,
        }
    }
}

impl SessionState {
    /// The values known so far.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// What every port said.
    pub fn transcripts(&self) -> impl Iterator<Item = (Port, &Transcript)> {
        self.ports.iter().map(|(port, transcript)| (*port, transcript))
    }
}

impl<'a> Session<'a> {
    /// A session that goes on from `state`.
    pub fn new(setup: Setup<'a>, state: SessionState) -> Self {
        Self { setup, state, held: None }
    }

    /// The case as it stands, for another one to go on from; `None` if the target cannot be copied.
    pub fn save(&self) -> Option<(Box<dyn Target>, SessionState)> {
        Some((self.setup.target.fork()?, self.state.clone()))
    }

    /// What has happened so far.
    pub fn into_state(self) -> SessionState {
        self.state
    }

    /// The same, with the other boards.
    pub fn into_parts(self) -> (SessionState, Boards<'a>) {
        (self.state, self.setup.boards)
    }

    /// What is the same for all boards of the case.
    pub fn common(&self) -> &Common<'a> {
        &self.setup.common
    }

    /// The other boards of the case.
    pub fn boards(&mut self) -> &mut Boards<'a> {
        &mut self.setup.boards
    }

    fn tell(&mut self, news: News) {
        match &mut self.held {
            Some(held) if news.is_kept() => held.push(news),
            _ => (self.setup.news)(&self.setup.on, news),
        }
    }

    /// Tells what has happened on a board of the case.
    pub fn tell_of(&mut self, board: &BoardName, news: News) {
        (self.setup.news)(board, news);
    }

    /// Does something, and comes back with its news instead of telling them.
    pub fn holding_news<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> (T, Vec<News>) {
        self.held = Some(Vec::new());
        let result = act(self);
        (result, self.held.take().unwrap_or_default())
    }

    /// The target itself.
    pub fn target(&mut self) -> &mut dyn Target {
        &mut *self.setup.target
    }

    /// Device time now.
    pub fn now(&self) -> DeviceTime {
        self.setup.target.now()
    }

    /// Which meaning steps have.
    pub fn dialect(&self) -> Dialect {
        self.setup.common.dialect
    }

    /// The values known now.
    pub fn values(&self) -> &Values {
        &self.state.values
    }

    /// The same, to change them.
    pub fn values_mut(&mut self) -> &mut Values {
        &mut self.state.values
    }

    /// Gives a name a value.
    pub fn set_value(&mut self, name: &str, value: &str) {
        self.state.values.set(name, value);
    }

    /// A text with its values put in.
    ///
    /// # Errors
    /// A name without a value.
    pub fn text(&self, template: &Template) -> Result<String, StepError> {
        Ok(template.text(&self.state.values)?)
    }

    /// What must not appear in snapshots.
    pub fn secrets(&self) -> &Secrets {
        &self.setup.common.secrets
    }

    /// Whether device time is the same in every run.
    pub fn has_virtual_time(&self) -> bool {
        self.setup.common.virtual_time
    }

    /// Where snapshots are.
    pub fn snapshots(&self) -> &SnapshotFolder {
        &self.setup.common.snapshots
    }

    /// The scenario's firmware, if it names one.
    pub fn firmware(&self) -> Option<Arc<FlashImage>> {
        self.setup.firmware.clone()
    }

    /// The file that a path of the scenario means.
    pub fn file(&self, path: &str) -> PathBuf {
        self.setup.common.project.join(path)
    }

    /// What a path of the scenario contains.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>, StepError> {
        let path = self.file(path);
        std::fs::read(&path).map_err(|source| StepError::File { path, source })
    }

    /// Writes a file of the project, whole or not at all, and the folders above it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_file(&self, path: &str, bytes: &[u8]) -> Result<(), StepError> {
        let path = self.file(path);
        crate::files::write(&path, bytes).map_err(|source| StepError::File { path, source })
    }

    /// What a port said so far.
    pub fn transcript(&mut self, port: Port) -> &mut Transcript {
        self.state.ports.entry(port).or_default()
    }

    /// Names this moment.
    pub fn mark(&mut self, name: &str) {
        // The cursor, not what happens to have arrived by now: that would differ between targets.
        let places = self.state.ports.iter().map(|(port, t)| (*port, t.cursor())).collect();
        let moment = Moment { time: self.now(), places };
        self.state.marks.insert(name.to_owned(), moment);
    }

    /// Where a mark stands in the text of a port; `None` when there is no such mark yet.
    pub fn place_of(&self, mark: &str, port: Port) -> Option<usize> {
        self.state.marks.get(mark).map(|moment| moment.places.get(&port).copied().unwrap_or(0))
    }

    /// When a mark was set; `None` when there is no such mark yet.
    pub fn time_of(&self, mark: &str) -> Option<DeviceTime> {
        self.state.marks.get(mark).map(|moment| moment.time)
    }

    /// Asks the person at the bench.
    ///
    /// # Errors
    /// When nobody is there, or does not answer.
    pub fn ask(&mut self, text: &str, question: Question) -> Result<Answer, StepError> {
        let Some(operator) = self.setup.common.operator else {
            return Err(StepError::Operator("nobody is there to be asked".to_owned()));
        };
        // Boards that are dealt with at the same time may ask one after the other.
        let text = match &self.setup.on {
            Some(name) => format!("on {name}: {text}"),
            None => text.to_owned(),
        };
        operator.ask(&text, question).map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted => StepError::Interrupted,
            _ => StepError::Operator(error.to_string()),
        })
    }

    /// Tells how far a long operation is.
    pub fn progress(&mut self, what: &'static str, progress: Progress) {
        self.tell(News::Progress { what, progress });
    }

    /// Tells of a test that the board has run.
    pub fn tested(&mut self, test: &UnityTest) {
        self.tell(News::Unity(test.clone()));
    }

    /// Switches power because a step says so.
    ///
    /// # Errors
    /// Trouble with the target.
    pub fn switch_power(&mut self, power: Power) -> Result<(), StepError> {
        self.state.power_decided = true;
        Ok(self.setup.target.power(power)?)
    }

    /// Switches power on if no step has decided about it yet.
    ///
    /// # Errors
    /// Trouble with the target.
    pub fn power_for_first_step(&mut self) -> Result<(), StepError> {
        if !self.state.power_decided {
            self.switch_power(Power::On)?;
        }
        Ok(())
    }

    /// Erases the whole flash.
    ///
    /// # Errors
    /// Trouble with the target.
    pub fn erase_flash(&mut self) -> Result<(), StepError> {
        let Setup { target, news, on, .. } = &mut self.setup;
        let mut progress = |progress| news(on, News::Progress { what: "erasing", progress });
        target.erase_flash(&mut progress)?;
        Ok(())
    }

    /// Writes bytes to the flash.
    ///
    /// # Errors
    /// Trouble with the target.
    pub fn write_flash(&mut self, offset: u32, bytes: &[u8]) -> Result<(), StepError> {
        let Setup { target, news, on, .. } = &mut self.setup;
        let mut progress = |progress| news(on, News::Progress { what: "writing", progress });
        target.write_flash(offset, bytes, &mut progress)?;
        Ok(())
    }

    /// What the next expectation of the scenario waits for, for the alarms of steps that wait for
    /// nothing.
    pub fn look_ahead(&mut self, upcoming: Option<(Port, Pattern)>) {
        self.state.upcoming = upcoming;
        self.state.crash_watch.recognised();
    }

    /// What it was told of the next expectation.
    pub fn upcoming(&self) -> Option<&(Port, Pattern)> {
        self.state.upcoming.as_ref()
    }

    /// Lets a span of device time pass.
    ///
    /// # Errors
    /// As for every wait: an alarm, the end of the case's time, trouble with the target.
    pub fn let_pass(&mut self, span: Span) -> Result<(), StepError> {
        self.let_pass_until(self.now() + span)
    }

    /// Lets device time pass up to `until`, if that is still to come.
    ///
    /// # Errors
    /// As for every wait.
    pub fn let_pass_until(&mut self, until: DeviceTime) -> Result<(), StepError> {
        while self.advance(until)? == Advance::Output {
            self.excuse_upcoming();
        }
        Ok(())
    }

    /// Waits until a port says `pattern` after the cursor, and moves the cursor there.
    ///
    /// # Errors
    /// *Failed* when it does not come in time.
    pub fn expect(
        &mut self,
        port: Port,
        pattern: Pattern,
        patience: Patience,
    ) -> Result<Match, StepError> {
        let until = self.until(patience);
        let from = self.transcript(port).cursor();
        let mut search = Expectation::new(pattern, from);
        loop {
            match search.poll(self.transcript(port)) {
                Poll::Found(found) => return self.take(port, found),
                Poll::Provisional => {
                    let settled = (self.now() + SETTLE).min(until);
                    if (self.now() >= until || self.advance(settled)? == Advance::Deadline)
                        && let Some(found) = search.settle(self.transcript(port))
                    {
                        return self.take(port, found);
                    }
                }
                Poll::Missing => {
                    if self.await_output(until)? == Advance::Deadline {
                        return Err(self.not_seen(port, search.pattern(), from, patience));
                    }
                }
            }
        }
    }

    /// Waits until a port has sent these bytes after the cursor; the time of the last of them.
    ///
    /// # Errors
    /// *Failed* when they do not come in time.
    pub fn expect_bytes(
        &mut self,
        port: Port,
        text: &str,
        patience: Patience,
    ) -> Result<DeviceTime, StepError> {
        let until = self.until(patience);
        let wanted = text.as_bytes();
        let start = self.transcript(port).raw_cursor();
        let mut searched = start;
        loop {
            let transcript = self.transcript(port);
            let raw = transcript.raw();
            let from = searched.saturating_sub(wanted.len()).max(start);
            let found = raw[from..].windows(wanted.len()).position(|window| window == wanted);
            searched = raw.len();
            if let Some(at) = found {
                let end = from + at + wanted.len();
                let (text_start, text_end) =
                    (transcript.text_offset(from + at), transcript.text_offset(end));
                transcript.advance_raw(end);
                let time = transcript.time_at(text_end);
                self.excuse(port, text_start, text_end);
                return Ok(time);
            }
            if self.await_output(until)? == Advance::Deadline {
                let from = self.transcript(port).cursor();
                let pattern = Pattern::Text(text.to_owned());
                return Err(self.not_seen(port, &pattern, from, patience));
            }
        }
    }

    /// Watches that a port does not say `pattern` for a span; the cursor stays.
    ///
    /// # Errors
    /// *Failed* when it says it.
    pub fn expect_silence_of(
        &mut self,
        port: Port,
        pattern: Pattern,
        span: Span,
    ) -> Result<(), StepError> {
        let until = self.now() + span;
        let from = self.transcript(port).cursor();
        let mut search = Expectation::new(pattern, from);
        loop {
            let transcript = self.transcript(port);
            let found = match search.poll(transcript) {
                Poll::Found(found) => Some(found),
                Poll::Provisional => search.settle(transcript),
                Poll::Missing => None,
            };
            if let Some(found) = found {
                let shown = search.pattern().to_string();
                let what = format!("{shown} came at {} and must not", found.time);
                return Err(StepError::failed(Failure {
                    seen: self.tail(port),
                    ..Failure::new(what)
                }));
            }
            if self.advance(until)? == Advance::Deadline {
                return Ok(());
            }
            self.excuse_upcoming();
        }
    }

    /// Begins to keep the edges of a pin.
    ///
    /// # Errors
    /// Trouble with the target.
    pub fn observe_pin(&mut self, gpio: u8) -> Result<(), StepError> {
        if self.state.pins.observe(gpio) {
            self.setup.target.observe_pin(gpio)?;
            let (time, level) = (self.now(), self.setup.target.pin(gpio)?);
            self.tell(News::Pin { gpio, time, level });
        }
        Ok(())
    }

    /// Every edge of a pin so far.
    pub fn pin_edges(&self, gpio: u8) -> &[PinEdge] {
        self.state.pins.edges(gpio)
    }

    /// Waits until a pin has a level; whether it came in time.
    ///
    /// # Errors
    /// As for every wait.
    pub fn await_level(
        &mut self,
        gpio: u8,
        level: Level,
        until: DeviceTime,
    ) -> Result<bool, StepError> {
        self.observe_pin(gpio)?;
        while self.setup.target.pin(gpio)? != level {
            if self.advance_to_event(until)? == Advance::Deadline {
                return Ok(false);
            }
            self.excuse_upcoming();
        }
        Ok(true)
    }

    /// The next pulse of `level` that is over by `until`.
    ///
    /// # Errors
    /// As for every wait.
    pub fn next_pulse(
        &mut self,
        gpio: u8,
        level: Level,
        until: DeviceTime,
    ) -> Result<Option<Pulse>, StepError> {
        self.observe_pin(gpio)?;
        loop {
            if let Some(pulse) = self.state.pins.trace(gpio).take_pulse(level) {
                return Ok(Some(pulse));
            }
            if self.advance_to_event(until)? == Advance::Deadline {
                return Ok(None);
            }
            self.excuse_upcoming();
        }
    }

    /// Waits until an ordered power cut has come; when it was, if it came in time.
    ///
    /// # Errors
    /// As for every wait.
    pub fn await_power_loss(&mut self, until: DeviceTime) -> Result<Option<DeviceTime>, StepError> {
        self.state.power_lost = None;
        while self.state.power_lost.is_none() {
            if self.advance_to_event(until)? == Advance::Deadline {
                break;
            }
            self.excuse_upcoming();
        }
        Ok(self.state.power_lost.take())
    }

    /// The lines that a match lies in, as evidence. Of a line that is still growing only what was
    /// matched: where it happens to be cut means nothing. Of a long one only what is near.
    pub fn line_evidence(&mut self, port: Port, found: &Match) -> Evidence {
        let transcript = self.transcript(port);
        let (text, matched) = (transcript.text(), &found.range);
        let start = transcript.line_start(matched.start);
        let shown = text.floor_char_boundary(matched.start.saturating_sub(AROUND)).max(start);
        let rest = &text[matched.end..];
        let near = &rest[..rest.floor_char_boundary(AROUND)];
        let ended = text[..matched.end].ends_with('\n');
        let more = if ended { 0 } else { near.find('\n').unwrap_or(0) };
        let cut = if shown > start { "…" } else { "" };
        let line = format!("{cut}{}{}", &text[shown..matched.end], &near[..more]);
        let line = line.trim_end_matches('\n').to_owned();
        Evidence::Line { line, time: found.time }
    }

    /// The last lines of a port.
    pub fn tail(&mut self, port: Port) -> Vec<String> {
        self.transcript(port).tail(TAIL).into_iter().map(str::to_owned).collect()
    }

    /// Lets time pass until output comes or `until` is reached.
    ///
    /// # Errors
    /// An alarm that nothing expects, the end of the case's time, Ctrl-C, trouble with the target.
    pub fn advance(&mut self, until: DeviceTime) -> Result<Advance, StepError> {
        loop {
            match self.advance_to_event(until)? {
                Advance::Signal => {}
                other => return Ok(other),
            }
        }
    }

    /// The same, but comes back for pins and power too.
    fn advance_to_event(&mut self, until: DeviceTime) -> Result<Advance, StepError> {
        loop {
            if self.setup.common.cancelled.load(Ordering::Relaxed) {
                return Err(StepError::Interrupted);
            }
            if let Some((end, span)) = self.setup.common.wall_limit
                && Instant::now() >= end
            {
                return Err(StepError::WallLimit(span));
            }
            let now = self.now();
            if let Some(alarm) = &self.state.alarm
                && now >= alarm.time + DUMP
            {
                return Err(self.alarmed());
            }
            if now >= until {
                return Ok(Advance::Deadline);
            }
            if now >= self.state.deadline {
                let what = format!("the case's time of {} is over", self.setup.common.timeout);
                let failure = Failure {
                    seen: self.tail(Port::Console),
                    standing: self.standing(),
                    help: Some("give the scenario a longer `timeout:` if that is right".into()),
                    ..Failure::new(what)
                };
                return Err(StepError::failed(failure));
            }
            let alarm =
                self.state.alarm.as_ref().map_or(DeviceTime::MAX, |alarm| alarm.time + DUMP);
            let stop = until.min(self.state.deadline).min(alarm).min(now + SLICE);
            let events = self.setup.target.run_until(stop)?;
            self.tell(News::Time(self.now()));
            if !events.is_empty() {
                let mut advance = Advance::Signal;
                for event in events {
                    match event {
                        TargetEvent::Serial { port, time, bytes } => {
                            self.hear(port, time, &bytes);
                            advance = Advance::Output;
                        }
                        TargetEvent::Pin { gpio, time, level } => {
                            self.state.pins.push(gpio, PinEdge { time, level });
                            self.tell(News::Pin { gpio, time, level });
                        }
                        TargetEvent::PowerLost { time } => self.state.power_lost = Some(time),
                    }
                }
                return Ok(advance);
            }
        }
    }

    /// Lets time pass for output that somebody waits for: as [`Session::advance`], but a guest that
    /// can never do anything again has missed the deadline at once.
    ///
    /// # Errors
    /// As for [`Session::advance`].
    pub fn await_output(&mut self, until: DeviceTime) -> Result<Advance, StepError> {
        match self.state.alarm {
            // A dying guest has time to finish its dump.
            None if self.is_dead() => Ok(Advance::Deadline),
            _ => self.advance(until),
        }
    }

    /// Whether the guest can never do anything again.
    pub fn is_dead(&self) -> bool {
        self.setup.target.is_dead()
    }

    /// Where the cores stand, in words.
    pub fn standing(&self) -> Vec<String> {
        self.setup.target.standing().iter().map(ToString::to_string).collect()
    }

    /// Ends the case: an alarm that nothing has expected counts now, and the last lines are told.
    ///
    /// # Errors
    /// *Failed* with that alarm.
    pub fn end(&mut self) -> Result<(), StepError> {
        let ports: Vec<_> = self.state.ports.keys().copied().collect();
        for port in ports {
            let transcript = self.state.ports.entry(port).or_default();
            let told = self.state.told.entry(port).or_default();
            if let Some(text) = transcript.text().get(*told..).filter(|text| !text.is_empty()) {
                let time = transcript.time_at(transcript.text().len());
                let text = text.to_owned();
                *told = transcript.text().len();
                self.tell(News::Line { port, time, text });
            }
        }
        self.end_crashes();
        if self.state.alarm.is_some() { Err(self.alarmed()) } else { Ok(()) }
    }

    /// The error of a step, with the crash that may be behind it: one that the scenario has not read
    /// past.
    pub fn with_crash(&mut self, mut error: StepError) -> StepError {
        // What has failed on another board is not for a death of this one.
        let elsewhere = matches!(&error, StepError::Inside(inside) if inside.on != self.setup.on);
        if let StepError::Failed(failure) = error.root_mut()
            && failure.crash.is_none()
            && !elsewhere
        {
            self.end_crashes();
            let unread = |crash: &&Crash| {
                let transcript = self.state.ports.get(&crash.port);
                let cursor = transcript.map_or(0, Transcript::cursor);
                cursor == 0 || transcript.is_some_and(|it| crash.time > it.time_at(cursor))
            };
            failure.crash = self.state.crashes.iter().rfind(unread).cloned().map(Box::new);
        }
        error
    }

    fn end_crashes(&mut self) {
        for crash in self.state.crash_watch.end(&self.setup.symbols) {
            self.tell(News::Crash(Box::new(crash.clone())));
            self.state.crashes.push(crash);
        }
    }

    fn hear(&mut self, port: Port, time: DeviceTime, bytes: &[u8]) {
        self.state.ports.entry(port).or_default().push(time, bytes);
        self.look_at_new_text(port);
    }

    /// Makes a stretch of protocol traffic text after all.
    pub fn reveal(&mut self, port: Port, raw: Range<usize>) {
        self.transcript(port).reveal(raw);
        self.look_at_new_text(port);
    }

    fn look_at_new_text(&mut self, port: Port) {
        let transcript = self.state.ports.entry(port).or_default();
        let told = self.state.told.entry(port).or_default();
        let mut news = Vec::new();
        for line in transcript.lines(*told).take_while(|line| line.complete) {
            let end = line.start + line.text.len();
            let time = transcript.time_at(end + 1);
            news.push(News::Line { port, time, text: line.text.to_owned() });
            *told = end + 1;
            let (time, watch) = (transcript.time_at(end), &mut self.state.crash_watch);
            for crash in watch.line(port, time, line.text, &self.setup.symbols) {
                news.push(News::Crash(Box::new(crash.clone())));
                self.state.crashes.push(crash);
            }
        }
        news.into_iter().for_each(|news| self.tell(news));
        if self.state.alarm.is_none() {
            self.next_alarm();
        }
    }

    fn until(&self, patience: Patience) -> DeviceTime {
        match patience {
            Patience::Within(span) => self.now() + span,
            Patience::Case => DeviceTime::MAX,
        }
    }

    fn take(&mut self, port: Port, found: Match) -> Result<Match, StepError> {
        self.excuse(port, found.range.start, found.range.end);
        // The scenario has read past a sign of death without expecting it.
        let passed = |alarm: &Alarm| alarm.port == port && alarm.range.end <= found.range.start;
        if self.state.alarm.as_ref().is_some_and(passed) {
            return Err(self.alarmed());
        }
        self.transcript(port).advance(found.range.end);
        self.state.crash_watch.recognised();
        Ok(found)
    }

    /// A match that touches the alarm's line makes it expected, also when the line is completed only
    /// after the match.
    fn excuse(&mut self, port: Port, start: usize, end: usize) {
        self.state.matched.push((port, start..end));
        if self.state.alarm.as_ref().is_some_and(|alarm| touches(alarm, port, &(start..end))) {
            self.next_alarm();
        }
    }

    fn excuse_upcoming(&mut self) {
        if let Some((port, pattern)) = self.state.upcoming.clone() {
            self.excuse_lines(port, &|line| pattern.is_in(line));
        }
    }

    /// Alarms of a port are expected if `expected` says so of their line.
    pub fn excuse_lines(&mut self, port: Port, expected: &dyn Fn(&str) -> bool) {
        let expected =
            |alarm: &Alarm| alarm.can_be_expected && alarm.port == port && expected(&alarm.line);
        while self.state.alarm.as_ref().is_some_and(expected) {
            self.next_alarm();
        }
    }

    /// The next alarm that no match has made expected.
    fn next_alarm(&mut self) {
        self.state.alarm = None;
        for (port, transcript) in &self.state.ports {
            while let Some(alarm) = self.state.guard.look(*port, transcript) {
                if !self.state.matched.iter().any(|(port, range)| touches(&alarm, *port, range)) {
                    self.state.alarm = Some(alarm);
                    return;
                }
            }
            // What ends before the line that is still growing has been judged.
            let growing = transcript.line_start(transcript.text().len());
            self.state.matched.retain(|(p, range)| p != port || range.end > growing);
        }
    }

    fn alarmed(&mut self) -> StepError {
        let Some(alarm) = self.state.alarm.take() else { return StepError::Interrupted };
        let transcript = self.transcript(alarm.port);
        let seen: Vec<String> = transcript
            .lines(alarm.range.start)
            .filter(|line| !line.text.trim().is_empty())
            .map(|line| line.text.to_owned())
            .take(4 * TAIL)
            .collect();
        // The next boot is another story.
        let reset = seen.iter().position(|line| is_reset(line)).map_or(seen.len(), |at| at + 1);
        let seen = seen[..reset].to_vec();
        let help = alarm
            .can_be_expected
            .then(|| "if the scenario wants this, expect the line with `expect-serial`".to_owned());
        self.end_crashes();
        let is_its = |crash: &&Crash| crash.port == alarm.port && crash.time == alarm.time;
        let crash =
            self.state.crashes.iter().find(|crash| alarm.kind.is_some() && is_its(crash)).cloned();
        // Only the whole dump says which kind it was.
        let what = crash.as_ref().map_or(alarm.what, |crash| crash.kind.to_string());
        let what = format!("{what} at {}: {}", alarm.time, alarm.line.trim());
        StepError::failed(Failure { seen, crash: crash.map(Box::new), help, ..Failure::new(what) })
    }

    fn not_seen(
        &mut self,
        port: Port,
        pattern: &Pattern,
        from: usize,
        patience: Patience,
    ) -> StepError {
        let what = match patience {
            _ if self.is_dead() => {
                format!("{pattern} cannot come: the guest can do nothing any more")
            }
            Patience::Within(span) => format!("{pattern} did not come within {span}"),
            Patience::Case => format!("{pattern} did not come in the time of the case"),
        };
        let standing = self.standing();
        let seen = self.tail(port);
        let transcript = self.transcript(port);
        let wanted = match pattern {
            Pattern::Text(text) => text.clone(),
            Pattern::Regex(regex) => regex.to_string(),
        };
        let nearest = nearest_line(transcript, from, &wanted)
            .map(|near| Sighting { line: near.line, time: near.time });
        let already_seen = {
            let before = transcript.text().get(..from).unwrap_or_default();
            let line = transcript
                .lines(0)
                .take_while(|line| line.start < from)
                .filter(|line| before.get(line.start..).is_some_and(|_| pattern.is_in(line.text)))
                .last();
            line.map(|line| Sighting {
                line: line.text.to_owned(),
                time: transcript.time_at(line.start + line.text.len()),
            })
        };
        let silent = transcript.text().is_empty();
        let help = silent.then(|| format!("{port} has not said anything at all"));
        let failure = Failure { seen, nearest, already_seen, standing, help, ..Failure::new(what) };
        StepError::failed(failure)
    }
}

/// Whether a match lies in the alarm's line and makes it expected.
fn touches(alarm: &Alarm, port: Port, matched: &Range<usize>) -> bool {
    alarm.can_be_expected
        && alarm.port == port
        && matched.start <= alarm.range.end
        && alarm.range.start < matched.end
}

/// What ended a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// A port said something.
    Output,
    /// A pin changed, or power failed.
    Signal,
    /// The time is reached.
    Deadline,
}

/// A path of a scenario that stays inside the project, or the reason why not.
pub fn confined(path: &str) -> Result<&Path, &'static str> {
    use std::path::Component;
    let path = Path::new(path);
    let mut depth = 0_i32;
    for component in path.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Err("is not relative"),
        }
        if depth < 0 {
            return Err("leads out of the project");
        }
    }
    Ok(path)
}
