//! What a step sees of a running case: the target, the transcripts, the values, the marks.

mod alarms;
mod news;
mod waiting;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

pub use news::{News, Tell};
pub use waiting::{Advance, Patience};

use super::boards::Boards;
use super::crash::{Crash, CrashWatch};
use super::evidence::Evidence;
use super::failure::StepError;
use super::firmware::FlashImage;
use super::guard::{Alarm, Guard};
use super::operator::{Answer, Operator, Question};
use super::pins::{PinEdge, Pins};
use super::sightings::Seen;
use super::unity::UnityTest;
use crate::scenario::model::{BoardName, Dialect};
use crate::scenario::values::{Secrets, Template, Values};
use crate::site::{NetworkPlace, Places, Site};
use crate::snapshots::SnapshotFolder;
use crate::symbols::Symbols;
use crate::targets::{Port, Power, Progress, Target};
use crate::time::{DeviceTime, Span};
use crate::transcript::{Match, Pattern, Transcript};

/// Lines of the transcript that a failure shows.
const TAIL: usize = 8;
/// Bytes of a long line that evidence shows around a match.
const AROUND: usize = 200;

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
    /// What is around the boards, as the scenario describes it.
    pub site: Option<Site>,
    /// What its networks and hosts are here.
    pub places: Places,
    /// Whether all that happens on the air and the network is seen.
    pub sees_air: bool,
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
    /// Whether it tells what happens on the air and the network.
    pub tells_site: bool,
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
    /// How many HTTP frames had been read by expectations.
    frames: usize,
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
    seen: Seen,
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
            seen: Seen::default(),
            power_lost: None,
        }
    }

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

    /// What a network of the scenario is here, if it is another one than the scenario says.
    pub fn network_here(&self, name: &str) -> Option<&NetworkPlace> {
        let Common { site, places, .. } = &self.setup.common;
        let described = Places::of(site.as_ref()?);
        let here = places.networks.get(name)?;
        (described.networks.get(name) != Some(here)).then_some(here)
    }

    /// Whether all that happens on the air and the network is seen.
    pub fn sees_air(&self) -> bool {
        self.setup.common.sees_air
    }

    /// A text in which networks and hosts are called as in the scenario.
    pub fn as_described(&self, text: &str) -> String {
        let Common { site, places, .. } = &self.setup.common;
        site.as_ref().map_or_else(|| text.to_owned(), |site| places.as_described(site, text))
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

    /// The same, and the case's own.
    pub fn boards_and_target(&mut self) -> (&mut Boards<'a>, &mut dyn Target) {
        (&mut self.setup.boards, &mut *self.setup.target)
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

    /// Gives the named groups of a pattern that is found in a text their values.
    pub fn set_groups(&mut self, pattern: &Pattern, text: &str) {
        let Pattern::Regex(regex) = pattern else { return };
        let Some(groups) = regex.captures(text) else { return };
        for name in regex.capture_names().flatten() {
            if let Some(group) = groups.name(name) {
                self.set_value(name, group.as_str());
            }
        }
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
        let moment = Moment { time: self.now(), places, frames: self.state.seen.read() };
        self.state.marks.insert(name.to_owned(), moment);
    }

    /// Where a mark stands in the text of a port; `None` when there is no such mark yet.
    pub fn place_of(&self, mark: &str, port: Port) -> Option<usize> {
        self.state.marks.get(mark).map(|moment| moment.places.get(&port).copied().unwrap_or(0))
    }

    /// How many HTTP frames had been read when a mark was set; `None` when there is no such mark yet.
    pub fn frames_at(&self, mark: &str) -> Option<usize> {
        self.state.marks.get(mark).map(|moment| moment.frames)
    }

    /// What was seen on the air and the network.
    pub fn seen(&self) -> &Seen {
        &self.state.seen
    }

    /// The last lines of the air's and the network's log.
    pub fn site_lines(&self) -> Vec<String> {
        let log = self.state.seen.log();
        let last = &log[log.len().saturating_sub(TAIL)..];
        last.iter().map(|(time, line)| format!("{time} {line}")).collect()
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
