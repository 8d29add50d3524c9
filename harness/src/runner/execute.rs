//! Runs a plan: opens a target for each case, plays its steps, ends with a verdict.
//!
//! ```text
//! plan ─▶ firmware (once per name) ─▶ target ─▶ step, step, … ─▶ alarms left? ─▶ machine report ─▶ verdict
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::events::{Event, Reason};
use super::evidence::{Evidence, UnityTest};
use super::failure::{Failure, StepError};
use super::firmware::{FetchNews, FirmwareSource, FirmwareTrouble, FlashImage};
use super::plan::{Plan, PlannedCase};
use super::session::{News, Session, SessionState, Setup};
use super::verdict::{Skips, Tally, Verdict};
use crate::scenario::model::{Case, Dialect, Spanned, StepEntry, Unmodelled};
use crate::scenario::values::{Secrets, Values};
use crate::snapshots::{SnapshotFolder, SnapshotPolicy};
use crate::targets::{MachineReport, TargetRequest, TargetSource};
use crate::transcript::{Transcript, printable};

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
    /// How often a failed case is tried again.
    pub retries: u32,
    /// Whether the first case that does not pass ends the run.
    pub fail_fast: bool,
    /// What skipped cases mean.
    pub skips: Skips,
    /// Set when the person wants the run to end.
    pub cancelled: &'a AtomicBool,
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
    let mut tally = Tally::default();
    let mut images = BTreeMap::new();
    for (number, planned) in plan.cases.iter().enumerate() {
        if around.cancelled.load(Ordering::Relaxed) {
            // What never began has no verdict; the run as a whole was interrupted.
            tally.interrupted = tally.interrupted.max(1);
            break;
        }
        let verdict = run_planned(number, planned, around, &mut images, emit);
        tally.add(verdict);
        let bad = matches!(verdict, Verdict::Failed | Verdict::Error);
        if bad && around.fail_fast {
            break;
        }
    }
    let exit_code = tally.exit_code(around.skips) as u8;
    emit(Event::RunFinished { tally, exit_code, wall_ms: millis(start) });
    tally
}

type Images = BTreeMap<(PathBuf, String), Result<Arc<FlashImage>, FirmwareTrouble>>;

fn run_planned(
    number: usize,
    planned: &PlannedCase,
    around: &Surroundings<'_>,
    images: &mut Images,
    emit: &mut dyn FnMut(Event),
) -> Verdict {
    let case = &planned.case;
    let secrets = Secrets::new(&case.environment_names(), &around.environment);
    let mut attempt = 1;
    loop {
        let start = Instant::now();
        emit(Event::CaseStarted {
            case: number,
            name: case.name.clone(),
            title: case.title.clone(),
            file: case.source.name.clone(),
            board: case.board.text.clone(),
            steps: case.steps.len(),
            attempt,
        });
        let end = match planned.lacks() {
            None => Run { number, case, secrets: &secrets, around, images, emit }.case(),
            Some(reason) => CaseEnd {
                verdict: Verdict::Skipped,
                reason: Some(reason),
                machine: None,
                transcript_hash: None,
            },
        };
        let again = end.verdict == Verdict::Failed && attempt <= around.retries;
        let verdict = match end.verdict {
            Verdict::Passed if attempt > 1 => Verdict::Flaky,
            verdict => verdict,
        };
        emit(Event::CaseFinished {
            case: number,
            verdict,
            reason: end.reason.map(Box::new),
            machine: end.machine.map(Box::new),
            transcript_hash: end.transcript_hash,
            wall_ms: millis(start),
        });
        if !again {
            return verdict;
        }
        attempt += 1;
    }
}

struct CaseEnd {
    verdict: Verdict,
    reason: Option<Reason>,
    machine: Option<MachineReport>,
    transcript_hash: Option<String>,
}

/// One attempt at one case.
struct Run<'r, 'a> {
    number: usize,
    case: &'r Case,
    secrets: &'r Secrets,
    around: &'r Surroundings<'a>,
    images: &'r mut Images,
    emit: &'r mut dyn FnMut(Event),
}

impl Run<'_, '_> {
    fn case(mut self) -> CaseEnd {
        let firmware = match self.firmware() {
            Ok(firmware) => firmware,
            Err(error) => return self.broken(&StepError::Firmware(error)),
        };
        let writes_flash = self.case.steps.iter().any(|entry| entry.step.facts().writes_flash);
        let request = TargetRequest {
            board: self.case.board.text.clone(),
            seed: self.around.seed,
            flash: match &firmware {
                Some(image) if !writes_flash => image.segments.clone(),
                _ => Vec::new(),
            },
        };
        let mut target = match self.around.targets.open(&request) {
            Ok(target) => target,
            Err(error) => return self.broken(&StepError::Target(error)),
        };

        let (number, case, secrets) = (self.number, self.case, self.secrets);
        let step = std::cell::Cell::new(0);
        let emit = std::cell::RefCell::new(&mut *self.emit);
        let mut news = |news: News<'_>| match news {
            News::Progress { what, progress } => (emit.borrow_mut())(Event::StepProgress {
                case: number,
                step: step.get(),
                what,
                done: progress.done,
                total: progress.total,
            }),
            News::Line { port, time, text } => (emit.borrow_mut())(Event::Serial {
                case: number,
                port,
                time,
                text: printable(&secrets.redact(text)),
            }),
            News::Time(_) | News::Pin { .. } => {}
        };
        let values = Values::new(self.around.environment.clone());
        let state = SessionState::new(target.now(), case.timeout, case.never.clone(), values);
        let setup = Setup {
            target: &mut *target,
            dialect: case.dialect,
            timeout: case.timeout,
            secrets: secrets.clone(),
            firmware,
            project: case.project.clone(),
            snapshots: SnapshotFolder::beside(
                &case.path,
                &case.project,
                self.around.snapshots.clone(),
            ),
            cancelled: self.around.cancelled,
            news: &mut news,
        };
        let mut session = Session::new(setup, state);

        let mut outcome = Ok(());
        let pins: BTreeSet<_> =
            case.steps.iter().flat_map(|entry| entry.step.facts().pins).collect();
        for gpio in pins {
            outcome = outcome.and(session.observe_pin(gpio).map_err(|error| (None, error)));
        }
        let steps = if outcome.is_ok() { &case.steps[..] } else { &[] };
        for (index, entry) in steps.iter().enumerate() {
            step.set(index);
            let start = Instant::now();
            (emit.borrow_mut())(Event::StepStarted {
                case: number,
                step: index,
                summary: secrets.redact(&entry.title()),
                place: case.source.place(entry.span.start),
                time: session.now(),
            });
            let result = play(&mut session, case, index, entry);
            let (verdict, evidence) = match &result {
                Ok(evidence) => (Verdict::Passed, Some(redact_evidence(evidence, secrets))),
                Err(error) => (verdict_of(error), None),
            };
            (emit.borrow_mut())(Event::StepFinished {
                case: number,
                step: index,
                verdict,
                time: session.now(),
                evidence,
                wall_ms: millis(start),
            });
            if let Err(error) = result {
                outcome = Err((Some(index), error));
                break;
            }
        }
        let last = session.end();
        if outcome.is_ok() {
            outcome = last.map_err(|error| (None, error));
        }
        let hash = transcript_hash(session.transcripts());
        drop(session);
        let machine = target.finish();
        if outcome.is_ok() && case.unmodelled == Unmodelled::Deny && !machine.unmodelled.is_empty()
        {
            outcome = Err((None, unmodelled(&machine)));
        }
        let (verdict, reason) = match outcome {
            Ok(()) => (Verdict::Passed, None),
            Err((step, error)) => (verdict_of(&error), Some(self.reason(step, &error))),
        };
        CaseEnd { verdict, reason, machine: Some(machine), transcript_hash: Some(hash) }
    }

    /// The scenario's firmware, fetched once per run of the program.
    fn firmware(&mut self) -> Result<Option<Arc<FlashImage>>, FirmwareTrouble> {
        let Some(Spanned { text: spec, .. }) = &self.case.firmware else { return Ok(None) };
        let key = (self.case.project.clone(), spec.clone());
        if let Some(known) = self.images.get(&key) {
            return known.clone().map(Some);
        }
        let emit = &mut *self.emit;
        let name = spec.clone();
        let mut news = |news: FetchNews| {
            emit(match news {
                FetchNews::Note(wall_note) => Event::Firmware { name: name.clone(), wall_note },
                FetchNews::Bytes { done, total } => {
                    Event::FirmwareBytes { name: name.clone(), wall_done: done, wall_total: total }
                }
            });
        };
        let image = self.around.firmware.resolve(&self.case.project, spec, &mut news).map(Arc::new);
        self.images.insert(key, image.clone());
        image.map(Some)
    }

    fn broken(&self, error: &StepError) -> CaseEnd {
        CaseEnd {
            verdict: verdict_of(error),
            reason: Some(self.reason(None, error)),
            machine: None,
            transcript_hash: None,
        }
    }

    fn reason(&self, step: Option<usize>, error: &StepError) -> Reason {
        let failure = match error {
            StepError::Failed(failure) => (**failure).clone(),
            other => Failure::new(other.to_string()),
        };
        let failure = redact_failure(failure, self.secrets);
        match step.and_then(|index| Some((index, self.case.steps.get(index)?))) {
            Some((step, entry)) => Reason::Step {
                step,
                yaml: self.secrets.redact(self.case.yaml_of(entry)),
                place: self.case.source.place(entry.span.start),
                failure,
            },
            None => Reason::Case { failure },
        }
    }
}

fn play(
    session: &mut Session<'_>,
    case: &Case,
    index: usize,
    entry: &StepEntry,
) -> Result<Evidence, StepError> {
    let facts = entry.step.facts();
    // Wokwi's simulations are switched on when they start.
    if facts.needs_power || case.dialect == Dialect::Wokwi {
        session.power_for_first_step()?;
    }
    let upcoming = match facts.expects {
        Some(_) => None,
        None => case.steps[index + 1..].iter().find_map(|entry| entry.step.facts().expects),
    };
    // A pattern whose values are not all known yet simply does not look ahead.
    let upcoming =
        upcoming.and_then(|(port, pattern)| Some((port, pattern.pattern(session.values()).ok()?)));
    session.look_ahead(upcoming);
    entry.step.run(session)
}

fn verdict_of(error: &StepError) -> Verdict {
    match error {
        StepError::Failed(_) => Verdict::Failed,
        StepError::Interrupted => Verdict::Interrupted,
        _ => Verdict::Error,
    }
}

fn unmodelled(machine: &MachineReport) -> StepError {
    let seen = machine.unmodelled.iter().map(ToString::to_string).collect();
    StepError::failed(Failure {
        seen,
        help: Some("the scenario says `unmodelled: deny`".to_owned()),
        ..Failure::new("the firmware touched what the emulator does not model")
    })
}

fn redact_failure(mut failure: Failure, secrets: &Secrets) -> Failure {
    let redact = |text: &mut String| *text = printable(&secrets.redact(text));
    redact(&mut failure.what);
    failure.seen.iter_mut().for_each(redact);
    for text in [&mut failure.expected, &mut failure.diff, &mut failure.help].into_iter().flatten()
    {
        redact(text);
    }
    for sighting in [&mut failure.nearest, &mut failure.already_seen].into_iter().flatten() {
        redact(&mut sighting.line);
    }
    failure
}

fn redact_evidence(evidence: &Evidence, secrets: &Secrets) -> Evidence {
    let redact = |text: &str| printable(&secrets.redact(text));
    match evidence.clone() {
        Evidence::Line { line, time } => Evidence::Line { line: redact(&line), time },
        Evidence::Seen { text, time } => Evidence::Seen { text: secrets.redact(&text), time },
        Evidence::Answer { code, answer } => {
            Evidence::Answer { code: secrets.redact(&code), answer: redact(&answer) }
        }
        Evidence::Note { text } => Evidence::Note { text: secrets.redact(&text) },
        Evidence::Unity { tests } => Evidence::Unity {
            tests: tests
                .into_iter()
                .map(|test| UnityTest {
                    name: redact(&test.name),
                    message: redact(&test.message),
                    ..test
                })
                .collect(),
        },
        other @ (Evidence::Done | Evidence::Snapshot { .. }) => other,
    }
}

/// FNV-1a over port, time and bytes of everything said: equal runs have equal hashes.
fn transcript_hash<'t>(
    transcripts: impl Iterator<Item = (crate::targets::Port, &'t Transcript)>,
) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for (port, transcript) in transcripts {
        take(port.to_string().as_bytes());
        for (length, time) in transcript.deliveries() {
            take(&(*length as u64).to_le_bytes());
            take(&time.nanos().to_le_bytes());
        }
        take(transcript.raw());
    }
    format!("{hash:016x}")
}

fn millis(start: Instant) -> u64 {
    start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing::{Outcome, events, run_file, run_steps};
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::targets::{Capability, UnmodelledAccess};
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
}
