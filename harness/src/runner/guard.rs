//! Watches what the ports say for signs that the guest died, and for the scenario's `never:` texts.
//!
//! Source: the texts of ESP-IDF's panic handler ("Guru Meditation Error", "abort() was called",
//! "Stack smashing protect failure", "stack overflow in task", "Task watchdog got triggered",
//! "Brownout detector was triggered") as printed by v3.3 to v5.5, and the ROM's reset line
//! `rst:0x8 (TG1WDT_SYS_RESET),boot:…`, whose cause names contain WDT for every watchdog.
//!
//! Whether an alarm is expected is not decided here but in the session: by a match that covers it.

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
    scanned: Vec<(Port, usize)>,
}

impl Guard {
    /// A guard that also looks for the scenario's own patterns.
    pub fn new(never: Vec<Pattern>) -> Self {
        Self { never, scanned: Vec::new() }
    }

    /// The first alarm among the lines completed since the last look.
    pub fn look(&mut self, port: Port, transcript: &Transcript) -> Option<Alarm> {
        let scanned = match self.scanned.iter_mut().find(|(p, _)| *p == port) {
            Some((_, scanned)) => scanned,
            None => {
                self.scanned.push((port, 0));
                &mut self.scanned.last_mut()?.1
            }
        };
        let mut alarm = None;
        for line in transcript.lines(*scanned).take_while(|line| line.complete) {
            *scanned = line.start + line.text.len() + 1;
            if let Some((what, can_be_expected)) = meaning(&self.never, line.text) {
                let end = line.start + line.text.len();
                alarm = Some(Alarm {
                    port,
                    range: line.start..end,
                    line: line.text.to_owned(),
                    time: transcript.time_at(end),
                    what,
                    can_be_expected,
                });
                break;
            }
        }
        alarm
    }
}

fn meaning(never: &[Pattern], line: &str) -> Option<(String, bool)> {
    if let Some(pattern) = never.iter().find(|pattern| pattern.is_in(line)) {
        return Some((format!("{pattern} must never appear"), false));
    }
    let (_, what) = SIGNS.iter().find(|(sign, _)| sign.is_match(line))?;
    Some(((*what).to_owned(), true))
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
