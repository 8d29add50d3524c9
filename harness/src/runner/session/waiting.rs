//! All waiting of a case. Each wait is bounded by the step's patience, by the case's own time, by an
//! alarm of the [`Guard`](crate::runner::guard::Guard) and by the person's Ctrl-C, in device time
//! except for the last.

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{News, Session};
use crate::runner::crash::DUMP;
use crate::runner::failure::{Failure, Sighting, StepError};
use crate::runner::guard::Alarm;
use crate::runner::pins::{PinEdge, Pulse};
use crate::runner::sightings::Talk;
use crate::site::{HttpFrame, Message};
use crate::targets::{Level, Port, TargetEvent};
use crate::time::{DeviceTime, Span};
use crate::transcript::{Expectation, Match, Pattern, Poll, SETTLE, nearest_line};

/// The longest stretch of device time between two looks at the person's Ctrl-C.
const SLICE: Span = Span::from_millis(100);

/// How long an answer to an HTTP request may take that belongs to a snapshot.
const ANSWERED: Span = Span::from_secs(10);

/// How long an expectation waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// So long, in device time.
    Within(Span),
    /// As long as the case has time.
    Case,
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

impl Session<'_> {
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

    /// The next frame that is as expected, behind those that were expected of this host before;
    /// nothing if it does not come in time.
    ///
    /// # Errors
    /// As for every wait.
    pub fn expect_frame(
        &mut self,
        host: &str,
        is_it: &dyn Fn(&HttpFrame) -> bool,
        patience: Patience,
    ) -> Result<Option<Arc<HttpFrame>>, StepError> {
        let until = self.until(patience);
        loop {
            if let Some(frame) = self.state.seen.take(host, is_it) {
                return Ok(Some(frame));
            }
            if self.advance_to_event(until)? == Advance::Deadline {
                return Ok(None);
            }
            self.excuse_upcoming();
        }
    }

    /// The board's next talk with a port of a host that is as expected; nothing if there is none in
    /// time.
    ///
    /// # Errors
    /// As for every wait.
    pub fn expect_talk(
        &mut self,
        host: &str,
        port: u16,
        is_it: &dyn Fn(&Talk) -> bool,
        patience: Patience,
    ) -> Result<Option<Talk>, StepError> {
        let until = self.until(patience);
        loop {
            if let Some(talk) = self.state.seen.take_talk(host, port, is_it) {
                return Ok(Some(talk));
            }
            if self.advance_to_event(until)? == Advance::Deadline {
                return Ok(None);
            }
            self.excuse_upcoming();
        }
    }

    /// The next message at a broker that is as expected, and when it came; nothing if it does not come
    /// in time.
    ///
    /// # Errors
    /// As for every wait.
    pub fn expect_message(
        &mut self,
        host: Option<&str>,
        is_it: &dyn Fn(&Message) -> bool,
        patience: Patience,
    ) -> Result<Option<(DeviceTime, Arc<Message>)>, StepError> {
        let until = self.until(patience);
        loop {
            if let Some(found) = self.state.seen.take_message(host, is_it) {
                return Ok(Some(found));
            }
            if self.advance_to_event(until)? == Advance::Deadline {
                return Ok(None);
            }
            self.excuse_upcoming();
        }
    }

    /// What comes of a host's request to the board; nothing if that does not come in time.
    ///
    /// # Errors
    /// As for every wait.
    pub fn expect_answer(
        &mut self,
        patience: Patience,
    ) -> Result<Option<Result<Arc<HttpFrame>, String>>, StepError> {
        let until = self.until(patience);
        loop {
            if let Some(answer) = self.state.seen.take_answer() {
                return Ok(Some(answer));
            }
            if self.advance_to_event(until)? == Advance::Deadline {
                return Ok(self.state.seen.take_answer());
            }
            self.excuse_upcoming();
        }
    }

    /// The address of a station, as soon as it has one.
    ///
    /// # Errors
    /// As for every wait.
    pub fn expect_address(
        &mut self,
        station: &str,
        patience: Patience,
    ) -> Result<Option<Ipv4Addr>, StepError> {
        let until = self.until(patience);
        while self.state.seen.address_of(station).is_none()
            && self.advance_to_event(until)? != Advance::Deadline
        {
            self.excuse_upcoming();
        }
        Ok(self.state.seen.address_of(station))
    }

    /// Waits for the answers to the HTTP requests of a range, if they come soon.
    ///
    /// # Errors
    /// As for every wait.
    pub fn await_answers(&mut self, range: Range<usize>) -> Result<(), StepError> {
        let until = self.now() + ANSWERED;
        while self.state.seen.awaits_answer(range.clone())
            && self.advance_to_event(until)? != Advance::Deadline
        {
            self.excuse_upcoming();
        }
        Ok(())
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
                        TargetEvent::Site { time, event } => {
                            self.state.seen.push(time, event.clone());
                            if self.setup.tells_site {
                                self.tell(News::Site { time, event });
                            }
                        }
                        TargetEvent::PowerLost { time } => self.state.power_lost = Some(time),
                        TargetEvent::Remark { time, text } => {
                            self.tell(News::Remark { time, text });
                        }
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
