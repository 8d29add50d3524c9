//! Watches what the ports say for signs that the guest died, and for the scenario's `never:` texts.
//!
//! Source: the texts of ESP-IDF's panic handler ("Guru Meditation Error", "abort() was called",
//! "Stack smashing protect failure", "stack overflow in task", "Task watchdog got triggered",
//! "Brownout detector was triggered") as printed by v3.3 to v5.5, and the ROM's reset line
//! `rst:0x8 (TG1WDT_SYS_RESET),boot:…`, whose cause names contain WDT for every watchdog.
//!
//! One death, one alarm: what a dying guest prints after its first sign, up to and including the line
//! of the reset that follows, belongs to it. Whether an alarm is expected is not decided here but in
//! the session: by a match that covers it.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::targets::Port;
use crate::time::DeviceTime;
use crate::transcript::{Pattern, Transcript};

static SIGNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"Guru Meditation Error", "the guest panicked"),
        (r"abort\(\) was called", "the guest aborted"),
        (r"Stack smashing protect failure|stack overflow in task", "a stack was overrun"),
        (r"task_wdt: Task watchdog got triggered", "the task watchdog fired"),
        (r"rst:0x[0-9a-f]+ \(\w*WDT_BROWN_OUT\w*\)|Brownout detector was triggered", "a brown-out"),
        (r"rst:0x[0-9a-f]+ \(\w*WDT\w*\)", "a watchdog reset the chip"),
    ]
    .into_iter()
    .map(|(pattern, what)| (Regex::new(pattern).expect("a constant pattern"), what))
    .collect()
});

static RESET: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\brst:0x[0-9a-f]+ \(").expect("a constant pattern"));

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
    /// A death has been raised, and its reset has not come yet.
    dying: bool,
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
                self.watched.push(Watched { port, scanned: 0, dying: false });
                self.watched.len() - 1
            }
        };
        let watched = &mut self.watched[index];
        for line in transcript.lines(watched.scanned).take_while(|line| line.complete) {
            let end = line.start + line.text.len();
            watched.scanned = end + 1;
            let unwanted = self.never.iter().find(|pattern| pattern.is_in(line.text));
            let sign = SIGNS.iter().find(|(sign, _)| sign.is_match(line.text));
            let was_dying = watched.dying;
            watched.dying = (was_dying || sign.is_some()) && !RESET.is_match(line.text);
            let (what, can_be_expected) = match (unwanted, sign) {
                (Some(pattern), _) => (format!("{pattern} must never appear"), false),
                (None, Some((_, what))) if !was_dying => ((*what).to_owned(), true),
                _ => continue,
            };
            return Some(Alarm {
                port,
                range: line.start..end,
                line: line.text.to_owned(),
                time: transcript.time_at(end),
                what,
                can_be_expected,
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
