//! Watches what the ports say for signs that the guest died ([`super::crash`] knows them), and for
//! the scenario's `never:` texts.
//!
//! One death, one alarm: what a dying guest prints after its first sign, up to and including the line
//! of the reset that follows, belongs to it. Whether an alarm is expected is not decided here but in
//! the session: by a match that covers it.

use std::ops::Range;

use super::crash::{self, CrashKind};
use crate::targets::Port;
use crate::time::{DeviceTime, Span};
use crate::transcript::{Pattern, Transcript};

/// The longest that a dying guest takes until its reset: a core dump as text at 115200 baud. One that
/// has not been reset by then lives on, as it does after a task watchdog that only warns.
const DYING: Span = Span::from_secs(10);

/// A line that should not have been printed unless a step expects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Which port printed it.
    pub port: Port,
    /// Where it stands in the transcript's text.
    pub range: Range<usize>,
    /// The line.
    pub line: String,
    /// When it was complete.
    pub time: DeviceTime,
    /// What it means.
    pub what: String,
    /// Of a death, which kind.
    pub kind: Option<CrashKind>,
    /// Whether a step can expect it; `never:` texts cannot be expected.
    pub can_be_expected: bool,
}

/// The watch over one case.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    never: Vec<Pattern>,
    watched: Vec<Watched>,
}

/// How far a port has been watched.
#[derive(Debug, Clone, Copy)]
struct Watched {
    port: Port,
    /// Text before this has been judged.
    scanned: usize,
    /// When a death was raised whose reset has not come yet.
    dying: Option<DeviceTime>,
}

impl Guard {
    /// A guard that also looks for the scenario's own patterns.
    pub fn new(never: Vec<Pattern>) -> Self {
        Self { never, watched: Vec::new() }
    }

    /// The first alarm among the lines completed since the last look.
    pub fn look(&mut self, port: Port, transcript: &Transcript) -> Option<Alarm> {
        let index = match self.watched.iter().position(|watched| watched.port == port) {
            Some(index) => index,
            None => {
                self.watched.push(Watched { port, scanned: 0, dying: None });
                self.watched.len() - 1
            }
        };
        let watched = &mut self.watched[index];
        for line in transcript.lines(watched.scanned).take_while(|line| line.complete) {
            let end = line.start + line.text.len();
            watched.scanned = end + 1;
            let unwanted = self.never.iter().find(|pattern| pattern.is_in(line.text));
            let time = transcript.time_at(end);
            let died = crash::sign(line.text).filter(|kind| kind.is_fatal());
            watched.dying = watched.dying.filter(|since| time <= *since + DYING);
            let was_dying = watched.dying.is_some();
            if died.is_some() && !was_dying {
                watched.dying = Some(time);
            }
            if crash::is_reset(line.text) {
                watched.dying = None;
            }
            let (what, kind) = match (unwanted, died) {
                (Some(pattern), _) => (format!("{pattern} must never appear"), None),
                (None, Some(kind)) if !was_dying => (kind.to_string(), Some(kind)),
                _ => continue,
            };
            return Some(Alarm {
                port,
                range: line.start..end,
                line: line.text.to_owned(),
                time,
                what,
                kind,
                can_be_expected: kind.is_some(),
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Guru Meditation Error: Core  0 panic'ed (LoadProhibited).", true)]
    #[case("abort() was called at PC 0x40085b9c on core 0", true)]
    #[case("rst:0x7 (TG0WDT_SYS_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", true)]
    #[case("rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", true)]
    #[case("rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", false)]
    #[case("rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", false)]
    #[case("rst:0x5 (DEEPSLEEP_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", false)]
    fn only_signs_of_death_raise_an_alarm(#[case] line: &str, #[case] alarm: bool) {
        let mut transcript = Transcript::default();
        transcript.push(DeviceTime::ZERO, format!("{line}\r\n").as_bytes());
        assert_eq!(Guard::default().look(Port::Console, &transcript).is_some(), alarm);
    }

    #[test]
    fn one_death_is_one_alarm_and_the_next_one_is_another() {
        let mut guard = Guard::default();
        let mut transcript = Transcript::default();
        let death = "task_wdt: Task watchdog got triggered\nabort() was called at PC 0x4008\n\
                     rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n";
        transcript.push(DeviceTime::ZERO, death.repeat(2).as_bytes());
        let alarms: Vec<_> =
            std::iter::from_fn(|| guard.look(Port::Console, &transcript)).collect();
        assert_eq!(alarms.len(), 2);
        assert!(alarms.iter().all(|alarm| alarm.line.contains("task_wdt")), "{alarms:?}");
    }

    #[test]
    fn a_guest_that_goes_on_living_can_die_again() {
        let mut guard = Guard::default();
        let mut transcript = Transcript::default();
        let mut alarms = |s, line: &[u8]| {
            transcript.push(DeviceTime::ZERO + Span::from_secs(s), line);
            guard.look(Port::Console, &transcript).map(|alarm| alarm.kind)
        };
        let warned = b"task_wdt: Task watchdog got triggered\n";
        assert_eq!(alarms(1, warned), Some(Some(CrashKind::TaskWatchdog)));
        assert_eq!(alarms(2, b"abort() was called\n"), None);
        assert_eq!(alarms(60, b"abort() was called\n"), Some(Some(CrashKind::Abort)));
    }

    #[test]
    fn a_traceback_is_no_alarm() {
        let mut transcript = Transcript::default();
        transcript.push(DeviceTime::ZERO, b"Traceback (most recent call last):\nOSError: 2\n");
        assert_eq!(Guard::default().look(Port::Console, &transcript), None);
    }

    #[test]
    fn a_line_is_judged_once_and_only_when_complete() {
        let mut guard = Guard::new(vec![Pattern::Text("oops".into())]);
        let mut transcript = Transcript::default();
        transcript.push(DeviceTime::ZERO, b"fine\noo");
        assert_eq!(guard.look(Port::Console, &transcript), None);
        transcript.push(DeviceTime::ZERO, b"ps\n");
        assert_eq!(guard.look(Port::Console, &transcript).unwrap().range, 5..9);
        assert_eq!(guard.look(Port::Console, &transcript), None);
    }
}
