//! What a dying guest leaves behind: which kind of death, when, and where in its program.
//!
//! Source: the texts of ESP-IDF's panic handler as printed by v3.3 to v5.5 ("Guru Meditation
//! Error", "abort() was called", "assert failed:", "Stack smashing protect failure", "stack overflow
//! in task", "Debug exception reason: Stack canary watchpoint triggered", "Interrupt wdt timeout",
//! "Task watchdog got triggered", "Brownout detector was triggered", the register dump, "Backtrace:"
//! and "ELF file SHA256:"); the ROM's reset line `rst:0x8 (TG1WDT_SYS_RESET),boot:…`, whose cause
//! names contain WDT for every watchdog; MicroPython's `Traceback (most recent call last):`.
//!
//! Addresses of a backtrace are those of the calls already: `esp_cpu_process_stack_pc` (before ESP-IDF
//! 4.0: `putEntry(pc - 3, sp)`) takes the three bytes of the call off the return address before it is
//! printed. Since 4.0 it does so with the first address too, which is no return address; the register
//! dump above has the right one, and that is taken.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};
use schemars::JsonSchema;
use serde::Serialize;

use crate::symbols::{Location, Symbols};
use crate::targets::Port;
use crate::time::{DeviceTime, Span};

/// How long a dying guest may go on printing; what comes later does not belong to its death.
pub const DUMP: Span = Span::from_secs(1);
/// So many resets by itself, with nothing in between that the scenario knows, are a boot loop.
const BOOT_LOOP: u32 = 3;
/// Lengths of a call instruction and so what is taken off a return address.
const CALL: u32 = 3;

/// What a guest can die of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrashKind {
    /// An exception that nothing handles: `Guru Meditation Error`.
    Panic,
    /// `abort()`, or an assertion.
    Abort,
    /// A stack was written past its end: canary, watchpoint or stack smashing protection.
    StackOverflow,
    /// A task did not feed the task watchdog.
    TaskWatchdog,
    /// Interrupts were off for too long.
    InterruptWatchdog,
    /// The main watchdog of a timer group (MWDT) reset the chip.
    TimerGroupWatchdog,
    /// The watchdog of the RTC (RWDT) reset the chip.
    RtcWatchdog,
    /// The supply was too low.
    Brownout,
    /// A MicroPython program ended with an exception.
    Traceback,
    /// The chip resets itself again and again.
    BootLoop,
}

impl CrashKind {
    /// Whether it fails the case unless a step expects it. A traceback is an answer like any other,
    /// and firmware may reset itself as often as it likes: these are only shown.
    pub fn is_fatal(self) -> bool {
        !matches!(self, Self::Traceback | Self::BootLoop)
    }
}

impl fmt::Display for CrashKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "the guest panicked",
            Self::Abort => "the guest aborted",
            Self::StackOverflow => "a stack was overrun",
            Self::TaskWatchdog => "the task watchdog fired",
            Self::InterruptWatchdog => "the interrupt watchdog fired",
            Self::TimerGroupWatchdog => "the watchdog of a timer group reset the chip",
            Self::RtcWatchdog => "the RTC watchdog reset the chip",
            Self::Brownout => "a brown-out",
            Self::Traceback => "MicroPython raised an exception",
            Self::BootLoop => "the guest resets itself again and again",
        })
    }
}

/// One address of a backtrace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Frame {
    /// The instruction that was being executed, or the call that has not returned.
    pub pc: u32,
    /// Where that is in the source, the innermost inlined function first; empty without an ELF file
    /// that knows.
    pub locations: Vec<Location>,
}

/// How the guest got to where it died.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Backtrace {
    /// The innermost call first.
    pub frames: Vec<Frame>,
    /// Whether the guest itself says that the chain is broken at its end.
    pub corrupted: bool,
}

/// The death of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Crash {
    /// What it died of.
    pub kind: CrashKind,
    /// Which port said so.
    pub port: Port,
    /// When its first line was complete.
    pub time: DeviceTime,
    /// The line that says most about it.
    pub line: String,
    /// One for each core that printed one.
    pub backtraces: Vec<Backtrace>,
    /// What the person should know about the backtraces, such as that the ELF file is another one.
    pub note: Option<String>,
}

static SIGNS: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(KINDS.map(|(sign, _)| sign)).expect("constant patterns"));

/// Signs of death in the order of what they say: the first that matches counts.
const KINDS: [(&str, CrashKind); 9] = [
    (r"Guru Meditation Error.*Interrupt wdt timeout", CrashKind::InterruptWatchdog),
    (r"Guru Meditation Error", CrashKind::Panic),
    (r"abort\(\) was called|^assert failed: ", CrashKind::Abort),
    (r"Stack smashing protect failure|stack overflow in task", CrashKind::StackOverflow),
    (r"task_wdt: Task watchdog got triggered", CrashKind::TaskWatchdog),
    (
        r"rst:0x[0-9a-f]+ \(\w*WDT_BROWN_OUT\w*\)|Brownout detector was triggered",
        CrashKind::Brownout,
    ),
    (r"rst:0x[0-9a-f]+ \(RTCWDT\w*\)", CrashKind::RtcWatchdog),
    (r"rst:0x[0-9a-f]+ \(\w*WDT\w*\)", CrashKind::TimerGroupWatchdog),
    (r"^Traceback \(most recent call last\):$", CrashKind::Traceback),
];

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

static RESET: LazyLock<Regex> = LazyLock::new(|| constant(r"\brst:0x[0-9a-f]+ \((\w*)"));
static FRAME: LazyLock<Regex> =
    LazyLock::new(|| constant(r"(?i)0x([0-9a-f]{8}): ?0x[0-9a-f]{8}\b|(\|<-CORRUPTED)"));
static PC: LazyLock<Regex> = LazyLock::new(|| constant(r"\bPC\s*:?\s*0x([0-9a-fA-F]{8})\b"));
static ELF_HASH: LazyLock<Regex> =
    LazyLock::new(|| constant(r"\bELF file SHA256:\s*([0-9a-f]{8,64})\b"));

/// What a line is a sign of.
pub fn sign(line: &str) -> Option<CrashKind> {
    let first = SIGNS.matches(line).iter().next()?;
    Some(KINDS[first].1)
}

/// Whether a line is the ROM's about a reset.
pub fn is_reset(line: &str) -> bool {
    RESET.is_match(line)
}

/// Collects what a guest says about its death, line by line.
#[derive(Debug, Clone, Default)]
pub struct CrashWatch {
    ports: BTreeMap<Port, Watched>,
}

#[derive(Debug, Clone, Default)]
struct Watched {
    dying: Option<Dying>,
    /// Resets by itself since the scenario last recognised something.
    resets: u32,
}

/// A death about which more may be said.
#[derive(Debug, Clone)]
struct Dying {
    crash: Crash,
    pc: Option<u32>,
    elf_hash: Option<String>,
}

impl CrashWatch {
    /// Takes the next line of a port. Gives what became complete by it.
    pub fn line(
        &mut self,
        port: Port,
        time: DeviceTime,
        line: &str,
        symbols: &Symbols,
    ) -> Vec<Crash> {
        let watched = self.ports.entry(port).or_default();
        let mut complete = Vec::new();
        let over = |dying: &mut Dying| time > dying.crash.time + DUMP;
        complete.extend(watched.dying.take_if(over).map(|dying| dying.end(symbols)));
        let found = sign(line);
        let is_traceback =
            |dying: &Option<Dying>| matches!(dying, Some(it) if !it.crash.kind.is_fatal());
        if is_traceback(&watched.dying) && found.is_some() {
            complete.extend(watched.dying.take().map(|dying| dying.end(symbols)));
        }
        match (&mut watched.dying, found) {
            (Some(dying), _) => {
                if !dying.more(line) {
                    complete.extend(watched.dying.take().map(|dying| dying.end(symbols)));
                }
            }
            (None, Some(kind)) => {
                let mut dying = Dying {
                    crash: Crash {
                        kind,
                        port,
                        time,
                        line: line.trim().to_owned(),
                        backtraces: Vec::new(),
                        note: None,
                    },
                    pc: None,
                    elf_hash: None,
                };
                dying.addresses(line);
                // A reset line is the last one of a death.
                match is_reset(line) {
                    true => complete.push(dying.end(symbols)),
                    false => watched.dying = Some(dying),
                }
            }
            (None, None) => {}
        }
        complete.extend(watched.reset(port, time, line));
        complete
    }

    /// The scenario has seen something that it waited for, or goes on to its next step.
    pub fn recognised(&mut self) {
        self.ports.values_mut().for_each(|watched| watched.resets = 0);
    }

    /// Nothing more will be said.
    pub fn end(&mut self, symbols: &Symbols) -> Vec<Crash> {
        let dying = self.ports.values_mut().filter_map(|watched| watched.dying.take());
        dying.map(|dying| dying.end(symbols)).collect()
    }
}

impl Watched {
    fn reset(&mut self, port: Port, time: DeviceTime, line: &str) -> Option<Crash> {
        let cause = RESET.captures(line)?;
        match &cause[1] {
            // From outside, or what the firmware went to sleep for.
            "POWERON_RESET" | "DEEPSLEEP_RESET" | "SDIO_RESET" | "EXT_CPU_RESET" => self.resets = 0,
            _ => self.resets += 1,
        }
        (self.resets == BOOT_LOOP).then(|| Crash {
            kind: CrashKind::BootLoop,
            port,
            time,
            line: line.trim().to_owned(),
            backtraces: Vec::new(),
            note: None,
        })
    }
}

impl Dying {
    /// Takes a further line; whether there may be more.
    fn more(&mut self, line: &str) -> bool {
        if self.crash.kind == CrashKind::Traceback {
            // Its entries are indented; the exception itself is not, and is the last line.
            let inside = line.starts_with("  ");
            if !inside {
                line.trim_end().clone_into(&mut self.crash.line);
            }
            return inside;
        }
        if line.contains("Stack canary watchpoint triggered") {
            self.crash.kind = CrashKind::StackOverflow;
            line.trim().clone_into(&mut self.crash.line);
        }
        self.addresses(line);
        !is_reset(line)
    }

    fn addresses(&mut self, line: &str) {
        if let Some((_, addresses)) = line.split_once("Backtrace:") {
            let mut backtrace = Backtrace::default();
            for found in FRAME.captures_iter(addresses) {
                match found.get(1).and_then(|digits| u32::from_str_radix(digits.as_str(), 16).ok())
                {
                    Some(pc) => backtrace.frames.push(Frame { pc, locations: Vec::new() }),
                    None => backtrace.corrupted = true,
                }
            }
            if let (Some(first), Some(pc)) = (backtrace.frames.first_mut(), self.pc.take())
                && first.pc == pc.wrapping_sub(CALL)
            {
                first.pc = pc;
            }
            self.crash.backtraces.push(backtrace);
        } else if let Some(found) = PC.captures(line) {
            self.pc = u32::from_str_radix(&found[1], 16).ok();
        } else if let Some(found) = ELF_HASH.captures(line) {
            self.elf_hash = Some(found[1].to_owned());
        }
    }

    fn end(mut self, symbols: &Symbols) -> Crash {
        if self.crash.backtraces.is_empty()
            && let Some(pc) = self.pc
        {
            let frames = vec![Frame { pc, locations: Vec::new() }];
            self.crash.backtraces.push(Backtrace { frames, corrupted: false });
        }
        let frames = self.crash.backtraces.iter_mut().flat_map(|it| &mut it.frames);
        let mut frames: Vec<_> = frames.collect();
        if frames.is_empty() {
            return self.crash;
        }
        let addresses: Vec<_> = frames.iter().map(|frame| frame.pc).collect();
        match symbols.locate(&addresses, self.elf_hash.as_deref()) {
            Ok(found) => {
                for (frame, locations) in frames.iter_mut().zip(found.locations) {
                    frame.locations = locations;
                }
                self.crash.note = found.doubt;
            }
            Err(error) => self.crash.note = Some(error.to_string()),
        }
        self.crash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn crashes(text: &str) -> Vec<Crash> {
        let mut watch = CrashWatch::default();
        let none = Symbols::default();
        let mut crashes = Vec::new();
        for (ms, line) in text.lines().enumerate() {
            let time = DeviceTime::ZERO + Span::from_millis(ms as u64);
            crashes.extend(watch.line(Port::Console, time, line, &none));
        }
        crashes.extend(watch.end(&none));
        crashes
    }

    fn pcs(crash: &Crash) -> Vec<Vec<u32>> {
        let pcs = |it: &Backtrace| it.frames.iter().map(|frame| frame.pc).collect();
        crash.backtraces.iter().map(pcs).collect()
    }

    #[rstest]
    #[case("Guru Meditation Error: Core  0 panic'ed (LoadProhibited).", CrashKind::Panic)]
    #[case(
        "Guru Meditation Error: Core  1 panic'ed (Interrupt wdt timeout on CPU1).",
        CrashKind::InterruptWatchdog
    )]
    #[case(
        "Guru Meditation Error: Core  0 panic'ed (Unhandled debug exception).\n\
         Debug exception reason: Stack canary watchpoint triggered (main)",
        CrashKind::StackOverflow
    )]
    #[case(
        "***ERROR*** A stack overflow in task main has been detected.",
        CrashKind::StackOverflow
    )]
    #[case("Stack smashing protect failure!\n\nabort() was called", CrashKind::StackOverflow)]
    #[case("abort() was called at PC 0x40085b9c on core 0", CrashKind::Abort)]
    #[case("assert failed: xQueueGenericSend queue.c:832 (pxQueue)", CrashKind::Abort)]
    #[case("E (5) task_wdt: Task watchdog got triggered. The…", CrashKind::TaskWatchdog)]
    #[case("rst:0x7 (TG0WDT_SYS_RESET),boot:0x13", CrashKind::TimerGroupWatchdog)]
    #[case("rst:0x10 (RTCWDT_RTC_RESET),boot:0x13", CrashKind::RtcWatchdog)]
    #[case("rst:0xf (RTCWDT_BROWN_OUT_RESET),boot:0x13", CrashKind::Brownout)]
    #[case("Brownout detector was triggered", CrashKind::Brownout)]
    #[case(
        "Traceback (most recent call last):\n  File \"<stdin>\", line 1, in <module>\nOSError: 2",
        CrashKind::Traceback
    )]
    fn every_kind_of_death_is_told_apart(#[case] text: &str, #[case] kind: CrashKind) {
        let crashes = crashes(text);
        assert_eq!(crashes.iter().map(|crash| crash.kind).collect::<Vec<_>>(), [kind]);
    }

    #[test]
    fn a_dump_belongs_to_its_death_and_gives_the_addresses() {
        let text = "\
Guru Meditation Error: Core  0 panic'ed (StoreProhibited). Exception was unhandled.
Core  0 register dump:
PC      : 0x400d1237  PS      : 0x00060330  A0      : 0x800d1000  A1      : 0x3ffb5000
Backtrace: 0x400d1234:0x3ffb5000 0x400d1000:0x3ffb5020 |<-CORRUPTED
Core  1 register dump:
PC      : 0x40081000  PS      : 0x00060330  A0      : 0x800d1000  A1      : 0x3ffb5000
Backtrace:0x40080ffd:0x3ffb6000
rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)
hello
";
        let crashes = crashes(text);
        assert_eq!(crashes.len(), 1);
        assert_eq!(pcs(&crashes[0]), [vec![0x400d_1237, 0x400d_1000], vec![0x4008_1000]]);
        assert!(crashes[0].backtraces[0].corrupted && !crashes[0].backtraces[1].corrupted);
    }

    #[test]
    fn the_task_watchdog_prints_its_addresses_in_capitals() {
        let text = "\
E (1614) task_wdt: Task watchdog got triggered. The following tasks did not reset it in time:
E (1614) task_wdt: Print CPU 0 (current core) backtrace
Backtrace: 0x401579A3:0x3FFBFDD0 0x40082EB5:0x3FFBFE00
";
        assert_eq!(pcs(&crashes(text)[0]), [[0x4015_79a3, 0x4008_2eb5]]);
    }

    #[test]
    fn a_register_that_is_not_the_first_address_changes_nothing() {
        let text = "Guru Meditation Error\nPC : 0x00000000\nBacktrace: 0x400d1234:0x3ffb5000";
        assert_eq!(pcs(&crashes(text)[0]), [[0x400d_1234]]);
    }

    #[test]
    fn without_a_backtrace_the_program_counter_says_where() {
        let crashes = crashes("abort() was called at PC 0x40085b9c on core 0\nRebooting...");
        assert_eq!(pcs(&crashes[0]), [[0x4008_5b9c]]);
    }

    #[test]
    fn a_traceback_is_called_by_its_exception_and_a_panic_inside_it_is_one_too() {
        let text = "\
Traceback (most recent call last):
  File \"main.py\", line 3, in <module>
ValueError: no
Traceback (most recent call last):
abort() was called at PC 0x40085b9c on core 0
";
        let crashes = crashes(text);
        assert_eq!(crashes[0].line, "ValueError: no");
        let kinds: Vec<_> = crashes.iter().map(|crash| crash.kind).collect();
        assert_eq!(kinds, [CrashKind::Traceback, CrashKind::Traceback, CrashKind::Abort]);
    }

    #[test]
    fn resetting_three_times_is_a_loop_unless_the_scenario_knows_something_in_between() {
        let reset = "rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n";
        assert!(crashes(&reset.repeat(2)).is_empty());
        let looping = crashes(&reset.repeat(7));
        assert_eq!(looping.iter().map(|it| it.kind).collect::<Vec<_>>(), [CrashKind::BootLoop]);
        let from_outside = "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n";
        assert!(crashes(&from_outside.repeat(7)).is_empty());

        let mut watch = CrashWatch::default();
        for _ in 0..7 {
            let found = watch.line(Port::Console, DeviceTime::ZERO, reset, &Symbols::default());
            assert_eq!(found, []);
            watch.recognised();
        }
    }
}
