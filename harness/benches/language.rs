//! Speed of the language: checking many scenarios, and expectations on a long log.
//!
//! `cargo bench -p benchrig --bench language` prints milliseconds of wall time, the best of several.
//! `cargo test -p benchrig --bench language` does everything once, to see that it still works.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use benchrig::runner::execute::{Surroundings, execute};
use benchrig::runner::firmware::{FetchNews, FirmwareSource, FirmwareTrouble, FlashImage};
use benchrig::runner::plan::Plan;
use benchrig::runner::verdict::Skips;
use benchrig::scenario::model::Case;
use benchrig::scenario::parser::{FilePlace, parse};
use benchrig::snapshots::SnapshotPolicy;
use benchrig::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
use benchrig::time::Span;

const ROUNDS: usize = 5;

/// A scenario as people write them, with a number so that no two are equal.
fn scenario(number: usize) -> String {
    let mut text = format!(
        "name: Generated {number}\nversion: 1\ndescription: One of many.\ntags: [a, b]\n\
         board: esp32-devkit\ntimeout: 120s\nparameters:\n  rate: [9600, 115200]\n\
         never: [oops, {{regex: 'E \\(\\d+\\)'}}]\nsteps:\n"
    );
    for step in 0..8 {
        text += &format!(
            "  - name: part {step}\n    expect-serial: {{regex: 'value{step} (?<v{step}>\\d+)', within: {step}.5s}}\n\
             \x20 - repl: {{code: \"f({number}, {{{{v{step}}}}}, {{{{rate}}}})\", expect: \"{step}\"}}\n\
             \x20 - repeat: {{times: 3, steps: [press: reset, wait-serial: '>>> ']}}\n"
        );
    }
    text
}

fn case(text: &str) -> Vec<Arc<Case>> {
    let place = FilePlace { path: Path::new("bench.yaml"), project: Path::new(".") };
    let parsed = parse(text, place, &|_| Err(std::io::ErrorKind::NotFound.into()));
    parsed.expect("a valid scenario").cases
}

/// Firmware that no case here names.
#[derive(Debug)]
struct None;

impl FirmwareSource for None {
    fn resolve(
        &self,
        _project: &Path,
        spec: &str,
        _news: &mut dyn FnMut(FetchNews),
    ) -> Result<FlashImage, FirmwareTrouble> {
        Err(FirmwareTrouble { message: format!("no {spec}"), scenario_is_wrong: true })
    }
}

/// A target that says so many pieces of a hundred bytes, each a line or all of them one, and the
/// expectations of a thousand of them.
fn long_log(pieces: usize, end: &str) -> (FakeSource, Vec<Arc<Case>>) {
    let mut reply = Reply::on(Cue::PowerOn);
    for n in 0..pieces {
        let piece = format!("{n:06} {:91}{end}", "a line of a log");
        reply = reply.say(Span::from_micros(100), piece);
    }
    let mut text = "name: log\nversion: 1\nsteps:\n".to_owned();
    for n in 0..1_000 {
        let piece = n * pieces / 1_000;
        text += &match n % 2 {
            0 => format!("- expect-serial: '{piece:06} a'\n"),
            _ => format!("- expect-serial: {{regex: '{piece:06} (?<word>\\w+)'}}\n"),
        };
    }
    (FakeSource::new(FakeTarget::new([reply])), case(&text))
}

fn play(source: &FakeSource, cases: &[Arc<Case>]) {
    let environment = BTreeMap::new();
    let around = Surroundings {
        targets: source,
        firmware: &None,
        snapshots: SnapshotPolicy::from_environment(&environment, false).expect("no words"),
        environment,
        seed: 1,
        elf: Option::None,
        jobs: NonZeroUsize::MIN,
        retries: 0,
        fail_fast: false,
        skips: Skips::Allow,
        wall_limit: Option::None,
        hold: Option::None,
        operator: Option::None,
        cancelled: &AtomicBool::new(false),
    };
    let tally = execute(&Plan::new(cases.to_vec(), source), &around, &mut |_| {});
    assert_eq!(tally.passed, 1, "the log has every piece");
}

fn best(rounds: usize, mut work: impl FnMut()) -> Duration {
    let round = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..rounds).map(round).min().unwrap_or_default()
}

fn main() {
    // Cargo says so when it measures.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let print = |what: &str, taken: Duration| {
        println!("{what:60} {:>9.1} ms", taken.as_secs_f64() * 1e3);
    };
    let texts: Vec<_> = (0..1_000).map(scenario).collect();
    print(
        "check 1000 scenarios of 24 steps and 2 cases each",
        best(rounds, || texts.iter().for_each(|text| assert_eq!(case(text).len(), 2))),
    );
    for (shape, end) in [("log", "\r\n"), ("line", "  ")] {
        for pieces in [10_000, 20_000] {
            let (source, cases) = long_log(pieces, end);
            print(
                &format!("1000 expectations on a {shape} of {} MB", pieces / 10_000),
                best(rounds, || play(&source, &cases)),
            );
        }
    }
}
