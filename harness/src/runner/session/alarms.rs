//! Signs that the guest has died, and which of them the scenario expects.
//!
//! A panic is worth reporting whole, so an alarm ends the case only
//! [`DUMP`](crate::runner::crash::DUMP) after its line. Until then a match that covers the line makes
//! it expected. A step that waits for nothing looks ahead: if the next expectation of the scenario
//! matches the line, it is expected too.

use std::ops::Range;

use super::{News, Session, TAIL};
use crate::runner::crash::{Crash, is_reset};
use crate::runner::failure::{Failure, StepError};
use crate::runner::guard::Alarm;
use crate::targets::Port;
use crate::time::DeviceTime;
use crate::transcript::Transcript;

impl Session<'_> {
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

    pub(super) fn hear(&mut self, port: Port, time: DeviceTime, bytes: &[u8]) {
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

    /// A match that touches the alarm's line makes it expected, also when the line is completed only
    /// after the match.
    pub(super) fn excuse(&mut self, port: Port, start: usize, end: usize) {
        self.state.matched.push((port, start..end));
        if self.state.alarm.as_ref().is_some_and(|alarm| touches(alarm, port, &(start..end))) {
            self.next_alarm();
        }
    }

    pub(super) fn excuse_upcoming(&mut self) {
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

    pub(super) fn alarmed(&mut self) -> StepError {
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
}

/// Whether a match lies in the alarm's line and makes it expected.
fn touches(alarm: &Alarm, port: Port, matched: &Range<usize>) -> bool {
    alarm.can_be_expected
        && alarm.port == port
        && matched.start <= alarm.range.end
        && alarm.range.start < matched.end
}
