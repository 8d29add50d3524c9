//! Records of runs against scripted boards, for the tests of the reports.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::record::Record;
use crate::runner::events::{Event, Reason};
use crate::runner::testing::Bench;
use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
use crate::targets::{
    Capabilities, Capability, MachineReport, Target, TargetError, TargetRequest, TargetSource,
};
use crate::time::{DeviceTime, Span};

/// What a guest might print to break out of a report.
pub(super) const HOSTILE: &str = "</script></pre>\"'<img src=x onerror=alert(1)>]]>&amp;<!-- \u{1b}[31m\u{7} https://example.com/";

/// A board that greets, says something hostile, and panics after half a second.
pub(super) fn board() -> FakeTarget {
    let ms = Span::from_millis;
    FakeTarget::new([
        Reply::on(Cue::PowerOn).say(ms(3), "ready\r\n").say(ms(1), format!("{HOSTILE}\r\n>>> ")),
        Reply::on(Cue::Sent(b"1+1\r".to_vec())).say(ms(1), "2\r\n>>> "),
        Reply::on(Cue::Sent(b"crash".to_vec()))
            .say(ms(40), "Guru Meditation Error: Core  0 panic'ed (LoadProhibited).\r\n")
            .say(ms(5), "Backtrace: 0x400d1234:0x3ffb0000 0x400d1000:0x3ffb0020\r\n"),
    ])
    .echoing()
    .reporting(MachineReport {
        time: DeviceTime::from_nanos(1_500_000_000),
        notes: vec!["Bluetooth is not modelled".into()],
        ..MachineReport::default()
    })
}

const GREETS: &str = "
name: Greets & computes
version: 1
tags: [boot, repl]
firmware: two-parts
steps:
- expect-serial: ready
- repl: {code: 1+1, expect: 2}
";

const WAITS: &str = "
name: Waits in vain
version: 1
steps:
- expect-serial: ready
- name: the <end>
  expect-serial: {text: goodbye, within: 50ms}
";

const DIES: &str = "
name: Dies
version: 1
steps:
- expect-serial: ready
- write-serial: \"1+1\\r\"
- write-serial: crash
- delay: 2s
";

const BROKEN: &str = "
name: Has no firmware
version: 1
firmware: unknown
steps: [delay: 1s]
";

const SKIPPED: &str = "
name: Needs power
version: 1
steps: [power-cycle]
";

/// The events of a run with every kind of end, and with pins; paths of the computer replaced.
pub(crate) fn events() -> Vec<Event> {
    let project = tempfile::tempdir().expect("a temporary folder");
    let mut source = FakeSource::new(board());
    source.capabilities.remove(&Capability::Power);
    let files = [
        ("greets", GREETS),
        ("waits", WAITS),
        ("dies", DIES),
        ("broken", BROKEN),
        ("skipped", SKIPPED),
    ];
    let mut events = Vec::new();
    let tally = Bench::new(&source).run(project.path(), &files, &mut |mut event| {
        without_folder(&mut event, project.path());
        if let Event::StepFinished { case: case @ (0 | 2), step: 0, time, .. } = &event {
            events.extend(pins(*case, *time));
        }
        events.push(event);
    });
    assert!(tally.is_ok());
    events
}

/// Replaces paths of the computer.
fn without_folder(event: &mut Event, folder: &Path) {
    let file = match event {
        Event::CaseStarted { file, .. } | Event::StepStarted { file, .. } => file,
        Event::CaseFinished { reason: Some(reason), .. } => match &mut **reason {
            Reason::Step { file, .. } => file,
            _ => return,
        },
        _ => return,
    };
    *file = file.replace(&folder.display().to_string(), "");
}

/// A pin that is low, blinks three times, and another that goes high.
fn pins(case: usize, start: DeviceTime) -> Vec<Event> {
    let pin = |us, gpio, high: bool| {
        let (time, level) = (start + Span::from_micros(us), high.into());
        Event::Pin { case, on: None, time, gpio, level }
    };
    let mut pins = vec![pin(0, 2, false), pin(0, 18, false)];
    pins.extend((1..7).map(|n| pin(5_000 * n, 2, n % 2 == 1)));
    pins.push(pin(12_345, 18, true));
    pins
}

pub(super) fn record() -> Record {
    recorded(&events())
}

fn recorded(events: &[Event]) -> Record {
    let mut record = Record::default();
    events.iter().for_each(|event| record.event(event));
    record
}

/// A run of a case on a board with tests of the Unity framework, one of which fails.
pub(super) fn unity_events() -> Vec<Event> {
    let says = "main/test_queue.c:12:an empty queue has no first:PASS\r\n\
                main/test_queue.c:31:what goes in <first> comes out first:FAIL: Expected 1 Was 2\r\n\
                main/test_queue.c:40:a full queue waits:IGNORE: needs | a second task\r\n\
                -----------------------\r\n3 Tests 1 Failures 1 Ignored \r\nFAIL\r\n";
    let board = FakeTarget::new([Reply::on(Cue::PowerOn).say(Span::from_millis(5), says)]);
    let text = "name: Queue\nversion: 1\nsteps: [expect-unity]\n";
    let project = tempfile::tempdir().expect("a temporary folder");
    let mut events = Vec::new();
    let source = FakeSource::new(board);
    let tally = Bench::new(&source).run(project.path(), &[("queue", text)], &mut |mut event| {
        without_folder(&mut event, project.path());
        events.push(event);
    });
    assert!(tally.is_ok());
    events
}

pub(super) fn with_unity() -> Record {
    recorded(&unity_events())
}

/// A board that keeps silent the first times.
#[derive(Debug)]
struct Moody {
    silent: u32,
    opened: AtomicU32,
}

impl TargetSource for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn capabilities(&self) -> Capabilities {
        FakeSource::new(board()).capabilities
    }

    fn boards(&self) -> Vec<String> {
        vec!["esp32-devkit".to_owned()]
    }

    fn parts(&self, board: &str) -> Vec<String> {
        FakeSource::new(self::board()).parts(board)
    }

    fn open(&self, _: &TargetRequest) -> Result<Box<dyn Target>, TargetError> {
        let silent = self.opened.fetch_add(1, Ordering::Relaxed) < self.silent;
        Ok(Box::new(if silent { FakeTarget::new([]) } else { board() }))
    }
}

/// A run of one case on a board that is silent so often; it is tried three times.
pub(super) fn events_with_retries(silent: u32) -> Vec<Event> {
    let project = tempfile::tempdir().expect("a temporary folder");
    let source = Moody { silent, opened: AtomicU32::new(0) };
    let mut events = Vec::new();
    let mut bench = Bench::new(&source);
    bench.around.retries = 2;
    let tally = bench.run(project.path(), &[("greets", GREETS)], &mut |event| events.push(event));
    assert!(tally.is_ok());
    events
}

pub(super) fn with_retries(silent: u32) -> Record {
    recorded(&events_with_retries(silent))
}
