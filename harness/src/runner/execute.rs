//! Runs a plan: fetches the firmware, then plays the cases, several at a time.
//!
//! ```text
//! plan ─▶ firmware (once per name) ─▶ workers ─▶ attempt, attempt, … ─▶ events of all cases
//! ```
//!
//! The events of one case come in their order; how those of several cases are mixed depends on the
//! threads, and [`InOrder`](crate::reports::in_order::InOrder) undoes that.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::attempt::{Attempt, CaseEnd, FirmwareOf};
use super::events::{Event, HostFork};
use super::firmware::{FetchNews, FirmwareSource, FirmwareTrouble, FlashImage};
use super::hold::Hold;
use super::operator::Operator;
use super::plan::Plan;
use super::schedule::{Schedule, Turn};
use super::verdict::{Skips, Tally, Verdict};
use super::whole::Whole;
use crate::scenario::model::{BoardEntry, Case, Spanned};
use crate::scenario::values::Secrets;
use crate::snapshots::SnapshotPolicy;
use crate::targets::{Capability, TargetSource};

/// Version of the event format.
const FORMAT: u32 = 1;

/// What a run needs from outside.
pub struct Surroundings<'a> {
    /// Where targets come from.
    pub targets: &'a dyn TargetSource,
    /// Where firmware comes from.
    pub firmware: &'a dyn FirmwareSource,
    /// What `{{env.NAME}}` may see.
    pub environment: BTreeMap<String, String>,
    /// What happens to new and changed snapshots.
    pub snapshots: SnapshotPolicy,
    /// Seed of everything random.
    pub seed: u64,
    /// The ELF file of the firmware, whatever the scenario says.
    pub elf: Option<PathBuf>,
    /// How many cases run at a time.
    pub jobs: NonZeroUsize,
    /// How often a failed case is tried again.
    pub retries: u32,
    /// Whether no further case begins after the first that does not pass; those that have begun are
    /// finished.
    pub fail_fast: bool,
    /// What skipped cases mean.
    pub skips: Skips,
    /// Wall time after which a case is ended, whatever device time says.
    pub wall_limit: Option<Duration>,
    /// Keeps the machine of the first case that fails, after which no further one begins.
    pub hold: Option<&'a Hold>,
    /// Who can be asked to do something, if anybody is there.
    pub operator: Option<&'a dyn Operator>,
    /// Set when the person wants the run to end.
    pub cancelled: &'a AtomicBool,
}

/// How many cases run at a time when nobody says it: as many as the host has cores, or one where the
/// host's time is the target's.
pub fn default_jobs(targets: &dyn TargetSource) -> NonZeroUsize {
    match targets.capabilities().contains(&Capability::VirtualTime) {
        true => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        false => NonZeroUsize::MIN,
    }
}

/// Runs all cases and tells `emit` everything; the tally of the verdicts.
pub fn execute(plan: &Plan, around: &Surroundings<'_>, emit: &mut dyn FnMut(Event)) -> Tally {
    let start = Instant::now();
    emit(Event::RunStarted {
        format: FORMAT,
        target: around.targets.name().to_owned(),
        seed: around.seed,
        cases: plan.cases.len(),
    });
    let images = fetch(plan, around, emit);
    let schedule = Schedule::new(plan);
    let mut tally = Tally::default();
    let mut finished = 0;
    std::thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..around.jobs.get().min(plan.cases.len()) {
            let worker = Worker { plan, around, images: &images, schedule: &schedule };
            let tell = tell.clone();
            scope.spawn(move || worker.work(&tell));
        }
        drop(tell);
        for event in told {
            if let Event::CaseFinished { verdict, again: false, .. } = &event {
                tally.add(*verdict);
                finished += 1;
            }
            emit(event);
        }
    });
    if around.cancelled.load(Ordering::Relaxed) && finished < plan.cases.len() {
        // What never began has no verdict; the run as a whole was interrupted.
        tally.interrupted = tally.interrupted.max(1);
    }
    let exit_code = tally.exit_code(around.skips) as u8;
    emit(Event::RunFinished { tally, exit_code, wall_ms: millis(start) });
    tally
}

type Images = BTreeMap<(PathBuf, String), Result<Arc<FlashImage>, FirmwareTrouble>>;

/// The firmware of all cases that run, each once, in the order of the plan.
fn fetch(plan: &Plan, around: &Surroundings<'_>, emit: &mut dyn FnMut(Event)) -> Images {
    let mut images = Images::new();
    let planned = plan.cases.iter().filter(|planned| planned.lacks().is_none());
    let boards = planned.flat_map(|planned| {
        let boards = planned.case.boards();
        boards.filter_map(|(_, board)| image_key(&planned.case, board)).collect::<Vec<_>>()
    });
    for key in boards {
        if images.contains_key(&key) || around.cancelled.load(Ordering::Relaxed) {
            continue;
        }
        let name = key.1.clone();
        let mut news = |news: FetchNews| {
            emit(match news {
                FetchNews::Note(wall_note) => Event::Firmware { name: name.clone(), wall_note },
                FetchNews::Bytes { done, total } => {
                    Event::FirmwareBytes { name: name.clone(), wall_done: done, wall_total: total }
                }
            });
        };
        let image = around.firmware.resolve(&key.0, &key.1, &mut news).map(Arc::new);
        images.insert(key, image);
    }
    images
}

fn image_key(case: &Case, board: &BoardEntry) -> Option<(PathBuf, String)> {
    let Spanned { text, .. } = board.firmware.as_ref()?;
    Some((case.project.clone(), text.clone()))
}

/// Plays cases as long as there are any.
struct Worker<'r> {
    plan: &'r Plan,
    around: &'r Surroundings<'r>,
    images: &'r Images,
    schedule: &'r Schedule<'r>,
}

impl Worker<'_> {
    fn work(&self, tell: &mpsc::Sender<Event>) {
        // The receiver outlives all workers.
        let mut emit = |event| drop(tell.send(event));
        while !self.around.cancelled.load(Ordering::Relaxed)
            && let Some(turn) = self.schedule.next()
        {
            let verdict = self.case(&turn, &mut emit);
            if self.around.fail_fast && matches!(verdict, Verdict::Failed | Verdict::Error) {
                self.schedule.stop();
            }
        }
    }

    /// Tries a case as often as is allowed.
    fn case(&self, turn: &Turn<'_>, emit: &mut dyn FnMut(Event)) -> Verdict {
        let number = turn.number;
        let planned = &self.plan.cases[number];
        let case = &planned.case;
        let mut secret = case.environment_names();
        secret.extend(case.site.iter().flat_map(|site| self.around.targets.secrets(site)));
        let secrets = Secrets::new(&secret, &self.around.environment);
        let mut attempt = 1;
        loop {
            let start = Instant::now();
            let first = attempt == 1;
            // With equal random numbers, the emulator would only do the same again.
            let seed = self.around.seed.wrapping_add(u64::from(attempt - 1));
            let saved = if first { self.schedule.take(number) } else { None };
            let host_fork = saved.as_ref().and(planned.fork).map(|fork| HostFork {
                case: fork.from,
                name: self.plan.cases[fork.from].case.name.clone(),
                steps: fork.steps,
            });
            emit(Event::CaseStarted {
                case: number,
                name: case.name.clone(),
                title: case.title.clone(),
                file: case.source.name.clone(),
                board: case.board.profile.text.clone(),
                boards: profiles(case),
                tags: case.tags.clone(),
                steps: case.steps.len(),
                attempt,
                seed,
                host_fork,
            });
            let end = match (planned.lacks(), self.around.targets.player()) {
                (None, Some(player)) => Whole {
                    number,
                    case,
                    secrets: &secrets,
                    around: self.around,
                    firmware: &|board| self.image(case, board),
                    player,
                }
                .run(&mut *emit),
                (None, None) => Attempt {
                    number,
                    case,
                    secrets: &secrets,
                    seed,
                    around: self.around,
                    firmware: &|board| self.image(case, board),
                    saved,
                    places: if first { self.schedule.places(number) } else { Vec::new() },
                    pass: &|steps, saved| self.schedule.pass(number, steps, saved),
                    emit: &mut *emit,
                }
                .run(),
                (Some(reason), _) => CaseEnd::without_machine(planned.verdict_without(), reason),
            };
            let again = end.verdict == Verdict::Failed && attempt <= self.around.retries;
            let verdict = match end.verdict {
                Verdict::Passed if attempt > 1 => Verdict::Flaky,
                verdict => verdict,
            };
            if let (Verdict::Failed, false, Some(hold)) = (verdict, again, self.around.hold)
                && let Some(target) = end.target
                && hold.keep(&case.name, target)
            {
                self.schedule.stop();
            }
            emit(Event::CaseFinished {
                case: number,
                verdict,
                reason: end.reason.map(Box::new),
                machine: end.machine.map(Box::new),
                machines: end.machines,
                transcript_hash: end.transcript_hash,
                again,
                wall_ms: millis(start),
            });
            if !again {
                return verdict;
            }
            attempt += 1;
        }
    }

    /// The firmware of a board, if the scenario names one.
    fn image(&self, case: &Case, board: &BoardEntry) -> FirmwareOf {
        match image_key(case, board).and_then(|key| self.images.get(&key)) {
            None => Ok(None),
            Some(image) => image.clone().map(Some),
        }
    }
}

/// The profiles of the boards besides its own.
fn profiles(case: &Case) -> BTreeMap<String, String> {
    let more = case.more_boards.iter();
    more.map(|(name, board)| (name.clone(), board.profile.text.clone())).collect()
}

pub(super) fn millis(start: Instant) -> u64 {
    start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::reports::Report;
    use crate::reports::in_order::InOrder;
    use crate::runner::crash::{Crash, CrashKind};
    use crate::runner::events::Reason;
    use crate::runner::failure::Failure;
    use crate::runner::testing::{Bench, Outcome, events, run_file, run_steps};
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::targets::{Capability, Core, MachineReport, UnmodelledAccess};
    use crate::time::Span;

    const PANIC: &str = "Guru Meditation Error: Core  0 panic'ed (LoadProhibited).\r\n";

    /// Boots, and dies after a second with a dump of two lines.
    fn dying() -> FakeTarget {
        let ms = Span::from_millis;
        FakeTarget::new([Reply::on(Cue::PowerOn)
            .say(ms(1), "ready\r\n")
            .say(ms(999), PANIC)
            .say(ms(5), "Backtrace: 0x400d1234:0x3ffb0000\r\n")])
    }

    fn failed(outcome: Outcome) -> Failure {
        match outcome {
            Outcome::Failed(failure) => failure,
            other => panic!("must fail: {other:?}"),
        }
    }

    #[test]
    fn a_panic_that_no_step_expects_fails_the_step_and_shows_its_dump() {
        let failure = failed(run_steps(dying(), "- expect-serial: {text: never, within: 60s}"));
        assert!(failure.what.starts_with("the guest panicked at 1.000000s: Guru"), "{failure:?}");
        assert_eq!(failure.seen[1], "Backtrace: 0x400d1234:0x3ffb0000");
    }

    fn crashes(target: FakeTarget, steps: &str) -> (Vec<(usize, CrashKind)>, Option<Crash>) {
        let project = tempfile::tempdir().unwrap();
        let (mut crashes, mut behind) = (Vec::new(), None);
        let text = format!("name: t\nversion: 1\nsteps:\n{steps}\n");
        events(project.path(), &FakeSource::new(target), &text, &[], &mut |event| match event {
            Event::Crash { step, crash, .. } => crashes.push((step, crash.kind)),
            Event::CaseFinished { reason: Some(reason), .. } => {
                let (Reason::Step { failure, .. } | Reason::Case { failure }) = *reason else {
                    panic!("not skipped")
                };
                behind = failure.crash.map(|crash| *crash);
            }
            _ => {}
        });
        (crashes, behind)
    }

    #[test]
    fn a_crash_is_told_at_the_step_where_it_happened_also_when_it_is_expected() {
        let later = "- expect-serial: ready\n- delay: 999ms\n- delay: 5s";
        let (told, behind) = crashes(dying(), later);
        assert_eq!(told, [(1, CrashKind::Panic)]);
        assert_eq!(behind.unwrap().backtraces[0].frames[0].pc, 0x400d_1234);
        let expected = "- expect-serial: ready\n- expect-serial: Guru\n- delay: 5s";
        assert_eq!(crashes(dying(), expected), (vec![(1, CrashKind::Panic)], None));
    }

    #[test]
    fn a_traceback_that_nobody_has_read_is_behind_a_failure_and_fails_nothing_itself() {
        let ms = Span::from_millis;
        let raising = || {
            FakeTarget::new([Reply::on(Cue::PowerOn)
                .say(ms(1), "Traceback (most recent call last):\r\n")
                .say(ms(1), "  File \"main.py\", line 3, in <module>\r\n")
                .say(ms(1), "OSError: no camera\r\n>>> ")])
        };
        let raised = (0, CrashKind::Traceback);
        assert_eq!(crashes(raising(), "- wait-serial: '>>> '"), (vec![raised], None));
        let unread = "- power: on\n- delay: 1s\n- expect-serial: picture";
        let (told, behind) = crashes(raising(), unread);
        assert_eq!(told, [(1, CrashKind::Traceback)]);
        assert_eq!(behind.unwrap().line, "OSError: no camera");
        let read = "- wait-serial: '>>> '\n- expect-serial: picture";
        assert_eq!(crashes(raising(), read), (vec![raised], None));
    }

    #[test]
    fn a_panic_can_be_expected_by_the_step_or_by_the_next_expectation() {
        let now = "- expect-serial: {regex: 'Guru .*LoadProhibited', within: 5s}";
        assert_eq!(run_steps(dying(), now), Outcome::Passed);
        let next = "- expect-serial: ready\n- delay: 5s\n- expect-serial: Guru Meditation";
        assert_eq!(run_steps(dying(), next), Outcome::Passed);
        let waited = "- log: ours\n- wait-serial: Guru Meditation";
        assert_eq!(run_steps(dying(), waited), Outcome::Passed);
    }

    #[test]
    fn a_line_matched_before_it_is_complete_is_expected_when_it_completes() {
        let ms = Span::from_millis;
        let slowly = FakeTarget::new([Reply::on(Cue::PowerOn)
            .say(ms(1), "Guru Meditation Error")
            .say(ms(1), ": Core  0 panic'ed\r\nrst:0xc (SW_CPU_RESET),boot\r\nready\r\n")]);
        let steps = "- expect-serial: Guru\n- expect-serial: ready\n- delay: 5s";
        assert_eq!(run_steps(slowly, steps), Outcome::Passed);
    }

    #[test]
    fn reading_past_a_panic_is_not_expecting_it() {
        let failure = failed(run_steps(dying(), "- expect-serial: Backtrace"));
        assert!(failure.what.starts_with("the guest panicked"), "{failure:?}");
    }

    #[test]
    fn a_panic_after_the_last_expectation_still_counts() {
        let failure = failed(run_steps(dying(), "- expect-serial: ready\n- delay: 1s"));
        assert!(failure.what.starts_with("the guest panicked"), "{failure:?}");
    }

    #[test]
    fn a_text_that_must_never_appear_cannot_be_expected() {
        let text = "name: t\nversion: 1\nnever: [Guru]\nsteps:\n- expect-serial: Guru Meditation\n";
        let failure = failed(run_file(dying(), text));
        assert!(failure.what.starts_with("\"Guru\" must never appear"), "{failure:?}");
    }

    #[test]
    fn the_case_ends_when_its_time_is_over() {
        let text = "name: t\nversion: 1\ntimeout: 3s\nsteps:\n- delay: 1s\n- delay: 1h\n";
        let failure = failed(run_file(FakeTarget::new([]), text));
        assert_eq!(failure.what, "the case's time of 3s is over");
    }

    #[test]
    fn unmodelled_accesses_fail_only_a_case_that_denies_them() {
        let touched = || {
            FakeTarget::new([]).reporting(MachineReport {
                unmodelled: vec![UnmodelledAccess {
                    device: "SLC".into(),
                    offset: 4,
                    kind: "read",
                    pc: 0x4000_0000,
                    count: 1,
                }],
                ..MachineReport::default()
            })
        };
        let text = "name: t\nversion: 1\nunmodelled: allow\nsteps: [delay: 1s]\n";
        assert_eq!(run_file(touched(), text), Outcome::Passed);
        let failure = failed(run_file(touched(), &text.replace("allow", "deny")));
        assert_eq!(failure.seen, ["SLC+0x4: 1 reads, first at pc 0x40000000"]);
    }

    #[test]
    fn power_comes_on_with_the_first_step_that_needs_it_and_never_by_itself_again() {
        let target = FakeTarget::new([]);
        let log = target.log();
        let steps = "
- boot-mode: run
- delay: 1s
- write-serial: x
- power: off
- delay: 1s
- expect-no-serial: {text: x, for: 1s}";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
        assert_eq!(
            *log.lock().unwrap(),
            [
                "0.000000s strap Run",
                "1.000000s power on",
                "1.000000s console < x",
                "1.000000s power off"
            ]
        );
    }

    #[test]
    fn the_flash_is_preloaded_unless_the_scenario_writes_it() {
        let flash = |steps: &str| {
            let project = tempfile::tempdir().unwrap();
            let source = FakeSource::new(FakeTarget::new([]));
            let text = format!("name: t\nversion: 1\nfirmware: two-parts\nsteps: [{steps}]\n");
            assert_eq!(events(project.path(), &source, &text, &[], &mut |_| {}), None);
            let requests = source.requests.lock().unwrap();
            requests[0].flash.iter().map(|segment| segment.offset).collect::<Vec<_>>()
        };
        assert_eq!(flash("delay: 1s"), [0x1000, 0x1_0000]);
        assert_eq!(flash("delay: 1s, erase-flash"), Vec::<u32>::new());
    }

    #[test]
    fn a_missing_capability_skips_the_case_and_nothing_is_opened() {
        let mut source = FakeSource::new(FakeTarget::new([]));
        source.capabilities.remove(&Capability::Power);
        let project = tempfile::tempdir().unwrap();
        let mut ends = Vec::new();
        let text = "name: t\nversion: 1\nsteps: [power-cycle]\n";
        events(project.path(), &source, text, &[], &mut |event| {
            if let Event::CaseFinished { verdict, reason, .. } = event {
                ends.push((verdict, reason.map(|reason| *reason)));
            }
        });
        let missing = Reason::MissingCapabilities { missing: vec![Capability::Power] };
        assert_eq!(ends, [(Verdict::Skipped, Some(missing))]);
        assert!(source.requests.lock().unwrap().is_empty());
    }

    #[test]
    fn firmware_that_cannot_be_had_is_an_error_not_a_failure() {
        let text = "name: t\nversion: 1\nfirmware: unknown\nsteps: [delay: 1s]\n";
        let outcome = run_file(FakeTarget::new([]), text);
        assert_eq!(outcome, Outcome::Error("no firmware `unknown`".to_owned()));
    }

    #[test]
    fn every_combination_of_parameters_is_a_case_of_its_own() {
        let project = tempfile::tempdir().unwrap();
        let text = "
name: t
version: 1
parameters: {word: [one, two], wait: [1s]}
steps: [{delay: '{{wait}}'}, {log: 'say {{word}}'}]
";
        let source = FakeSource::new(FakeTarget::new([]));
        let mut names = Vec::new();
        events(project.path(), &source, text, &[], &mut |event| {
            if let Event::CaseStarted { name, .. } = event {
                names.push(name);
            }
        });
        assert_eq!(names, ["test[wait=1s, word=one]", "test[wait=1s, word=two]"]);
    }

    #[test]
    fn equal_runs_have_equal_transcript_hashes_and_unequal_ones_do_not() {
        let hash = |target: FakeTarget| {
            let project = tempfile::tempdir().unwrap();
            let mut hash = None;
            let text = "name: t\nversion: 1\nsteps: [expect-serial: ready]\n";
            events(project.path(), &FakeSource::new(target), text, &[], &mut |event| {
                if let Event::CaseFinished { transcript_hash, .. } = event {
                    hash = transcript_hash;
                }
            });
            hash.expect("a case that ran has a hash")
        };
        let ready =
            |us| FakeTarget::new([Reply::on(Cue::PowerOn).say(Span::from_micros(us), "ready")]);
        assert_eq!(hash(ready(5)), hash(ready(5)));
        assert_ne!(hash(ready(5)), hash(ready(6)));
    }

    /// Boots, answers a question, and dies when told to.
    fn talking() -> FakeTarget {
        let ms = Span::from_millis;
        FakeTarget::new([
            Reply::on(Cue::PowerOn).say(ms(300), "boot\r\nready\r\n"),
            Reply::on(Cue::Sent(b"a?".to_vec())).say(ms(2), "a: 42\r\n"),
            Reply::on(Cue::Sent(b"b?".to_vec())).say(ms(2), "b: 43\r\n"),
        ])
    }

    const ASKS: &[(&str, &str)] = &[
        (
            "a",
            "
name: asks
version: 1
parameters: {wanted: [42, 43]}
steps:
- expect-serial: ready
- write-serial: a?
- name: answer
  expect-serial: {regex: 'a: (?<got>.*)'}
- expect-serial: {text: '{{wanted}}', within: 1s}
",
        ),
        (
            "b",
            "
name: asks more
version: 1
steps:
- expect-serial: ready
- write-serial: a?
- expect-serial:
    regex: 'a: (?<got>.*)'
- log: it was {{got}}
- write-serial: b?
- expect-serial: 'b: 43'
",
        ),
    ];

    /// All events as JSON, one case after the other, without what depends on the host.
    fn told(source: &FakeSource, jobs: usize, forks: bool) -> Vec<serde_json::Value> {
        struct Keep<'k>(&'k mut Vec<serde_json::Value>);
        impl Report for Keep<'_> {
            fn event(&mut self, event: &Event) {
                self.0.push(crate::reports::json::without_host(event).expect("JSON"));
            }
        }
        let project = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(source);
        bench.around.jobs = NonZeroUsize::new(jobs).unwrap();
        bench.forks = forks;
        let mut all = Vec::new();
        let mut report = InOrder::new(Keep(&mut all));
        bench.run(project.path(), ASKS, &mut |event| report.event(&event)).unwrap();
        // The folder's name is the only thing that is new each time.
        let folder = project.path().display().to_string();
        let text = serde_json::to_string(&all).unwrap().replace(&folder, "PROJECT");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn neither_jobs_nor_forks_change_what_is_told() {
        let plain = FakeSource::new(talking());
        let alone = told(&plain, 1, false);
        assert_eq!(plain.requests.lock().unwrap().len(), 3);
        for (jobs, forks) in [(4, false), (1, true), (4, true)] {
            let source = FakeSource::new(talking());
            assert_eq!(told(&source, jobs, forks), alone, "{jobs} jobs, forks: {forks}");
            let opened = source.requests.lock().unwrap().len();
            assert_eq!(opened, if forks { 1 } else { 3 });
        }
    }

    /// Verdicts by name, and what each case went on from.
    fn verdicts(
        bench: &Bench<'_>,
        scenarios: &[(&str, &str)],
    ) -> (BTreeMap<String, Verdict>, Vec<HostFork>) {
        let project = tempfile::tempdir().unwrap();
        let (mut names, mut verdicts, mut forks) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let mut emit = |event| match event {
            Event::CaseStarted { case, name, host_fork, .. } => {
                names.insert(case, name);
                forks.extend(host_fork);
            }
            Event::CaseFinished { case, verdict, again: false, .. } => {
                verdicts.insert(names[&case].clone(), verdict);
            }
            _ => {}
        };
        bench.run(project.path(), scenarios, &mut emit).unwrap();
        (verdicts, forks)
    }

    #[test]
    fn a_case_says_what_it_went_on_from() {
        let source = FakeSource::new(talking());
        let mut bench = Bench::new(&source);
        bench.forks = true;
        let (_, forks) = verdicts(&bench, ASKS);
        let from = |steps| HostFork { case: 0, name: "a[wanted=42]".to_owned(), steps };
        assert_eq!(forks, [from(3), from(3)]);
    }

    #[test]
    fn a_case_whose_forerunner_fails_before_the_fork_runs_from_its_start() {
        let source = FakeSource::new(talking());
        let mut bench = Bench::new(&source);
        bench.forks = true;
        bench.around.jobs = NonZeroUsize::new(2).unwrap();
        let text = "
name: t
version: 1
parameters: {then: [1, 2]}
steps:
- expect-serial: never
- log: '{{then}}'
";
        // They share the step that fails.
        let (verdicts, forks) = verdicts(&bench, &[("t", text)]);
        assert!(verdicts.values().all(|verdict| *verdict == Verdict::Failed), "{verdicts:?}");
        assert_eq!((verdicts.len(), forks.len()), (2, 0));
    }

    #[test]
    fn what_fails_is_tried_again_from_the_start_and_never_silently_passed() {
        /// Opens a board that says nothing first, and one that works then.
        struct Improving(FakeSource);
        impl TargetSource for Improving {
            fn name(&self) -> &str {
                self.0.name()
            }
            fn capabilities(&self) -> crate::targets::Capabilities {
                self.0.capabilities()
            }
            fn boards(&self) -> Vec<String> {
                self.0.boards()
            }
            fn parts(&self, board: &str) -> Vec<String> {
                self.0.parts(board)
            }
            fn open(
                &self,
                request: &crate::targets::TargetRequest,
            ) -> Result<Box<dyn crate::targets::Target>, crate::targets::TargetError> {
                let first = self.0.requests.lock().unwrap().is_empty();
                let target = self.0.open(request)?;
                Ok(if first { Box::new(FakeTarget::new([])) } else { target })
            }
        }
        let source = Improving(FakeSource::new(talking()));
        let text = "name: t\nversion: 1\nsteps: [expect-serial: ready]\n";
        let mut bench = Bench::new(&source);
        bench.around.retries = 1;
        let (verdicts, _) = verdicts(&bench, &[("t", text)]);
        assert_eq!(verdicts["t"], Verdict::Flaky);
        // Equal seeds would give equal runs.
        let seeds = source.0.requests.lock().unwrap();
        assert_eq!(seeds.iter().map(|request| request.seed).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn fail_fast_begins_nothing_after_the_first_that_does_not_pass() {
        let source = FakeSource::new(talking());
        let (good, bad) = (
            "name: t\nversion: 1\nsteps: [expect-serial: ready]\n",
            "name: t\nversion: 1\nsteps: [expect-serial: never]\n",
        );
        let scenarios = [("one", good), ("two", bad), ("three", good)];
        let mut bench = Bench::new(&source);
        assert_eq!(verdicts(&bench, &scenarios).0.len(), 3);
        bench.around.fail_fast = true;
        assert_eq!(verdicts(&bench, &scenarios).0.len(), 2);
        bench.around.fail_fast = false;
        let hold = Hold::default();
        bench.around.hold = Some(&hold);
        assert_eq!(verdicts(&bench, &scenarios).0.len(), 2);
        assert_eq!(hold.take().map(|held| held.case).as_deref(), Some("two"));
    }

    #[test]
    fn a_case_that_takes_too_long_for_the_person_is_an_error_that_says_so() {
        let source = FakeSource::new(talking());
        let mut bench = Bench::new(&source);
        bench.around.wall_limit = Some(Duration::ZERO);
        let project = tempfile::tempdir().unwrap();
        let mut ends = Vec::new();
        let text = "name: t\nversion: 1\nsteps: [expect-serial: never]\n";
        let mut emit = |event| {
            if let Event::CaseFinished { verdict, reason: Some(reason), .. } = event {
                ends.push((verdict, *reason));
            }
        };
        bench.run(project.path(), &[("t", text)], &mut emit).unwrap();
        let [(Verdict::Error, Reason::Step { failure, .. })] = &ends[..] else {
            panic!("{ends:?}")
        };
        assert_eq!(failure.what, "the case has taken more than 0 s of wall time");
    }

    #[test]
    fn a_guest_that_can_do_nothing_any_more_fails_at_once_and_says_where_it_stands() {
        let core = Core {
            name: "PRO_CPU",
            pc: 0x4008_1234,
            symbol: None,
            doing: "waits for an interrupt",
        };
        let steps = "- expect-serial: ready\n- expect-serial: {text: more, within: 1h}";
        let failure = failed(run_steps(talking().dying_with(vec![core]), steps));
        assert_eq!(failure.what, "\"more\" cannot come: the guest can do nothing any more");
        assert_eq!(failure.standing, ["PRO_CPU waits for an interrupt at 0x40081234"]);
        // Waiting for nothing in particular is no failure.
        let steps = "- expect-serial: ready\n- delay: 1h\n- write-serial: a?\n- expect-serial: 42";
        let core = Core { name: "PRO_CPU", pc: 0, symbol: None, doing: "sleeps" };
        assert_eq!(
            run_file(
                talking().dying_with(vec![core]),
                &format!("name: t\nversion: 1\ntimeout: 2h\nsteps:\n{steps}\n")
            ),
            Outcome::Passed
        );
    }
}
