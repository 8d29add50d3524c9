//! The run as JUnit XML, for the test views of CI services.
//!
//! quick-junit writes it: it knows the dialects of Maven's Surefire (`flakyFailure`,
//! `rerunFailure`), keeps what XML cannot contain out, and is what cargo-nextest writes with.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{
    NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestRerun, TestSuite,
};

use super::record::{Record, Try};
use super::words::{Palette, reason};
use crate::runner::events::Reason;
use crate::runner::failure::Failure;
use crate::runner::unity::{UnityOutcome, UnityTest};
use crate::runner::verdict::Verdict;

/// The file's text.
pub(super) fn junit(record: &Record) -> Result<String, SerializeError> {
    let mut report = Report::new("benchrig");
    report.set_time(Duration::from_millis(record.wall_ms));
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for tries in record.cases.values() {
        let Some(last) = tries.last() else { continue };
        let suite = suites.entry(&last.file).or_insert_with(|| {
            let mut suite = TestSuite::new(&*last.file);
            suite.add_property(("target", &*record.target));
            suite.add_property(("seed", &*record.seed.to_string()));
            suite
        });
        // As Surefire has it: the first of several failures is the failure, a success is the success.
        let (shown, others) = match last.verdict() {
            Verdict::Flaky => (last, &tries[..tries.len() - 1]),
            _ => (&tries[0], &tries[1..]),
        };
        suite.add_test_case(case(shown, others, record));
        suite.add_test_cases(shown.tests.iter().map(|test| unity_test(test, &shown.name)));
    }
    report.add_test_suites(suites.into_values());
    report.to_string()
}

fn case(shown: &Try, others: &[Try], record: &Record) -> TestCase {
    let mut case = TestCase::new(&*shown.name, status(shown));
    case.status.add_reruns(others.iter().map(rerun));
    case.set_classname(&*shown.file);
    case.set_time(Duration::from_millis(shown.wall_ms()));
    case.extra.insert("file".into(), (&*shown.file).into());
    let mut property = |name: &str, value: &str| {
        case.add_property((name, value));
    };
    property("target", &record.target);
    property("board", &shown.board);
    for (name, board) in &shown.boards {
        property(&format!("board-{name}"), board);
    }
    if let Some((name, sha256)) = &shown.image {
        property("firmware", name);
        property("image-sha256", sha256);
    }
    property("seed", &shown.seed.to_string());
    if !shown.tags.is_empty() {
        property("tags", &shown.tags.join(", "));
    }
    property("device-time", &shown.time().to_string());
    match shown.transcript() {
        nothing if nothing.is_empty() => {}
        transcript => {
            case.set_system_out(transcript);
        }
    }
    case
}

/// A test that the board ran in the case `case`, which is its class.
fn unity_test(test: &UnityTest, case: &str) -> TestCase {
    let mut status = match test.outcome {
        UnityOutcome::Passed => TestCaseStatus::success(),
        UnityOutcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        UnityOutcome::Ignored => TestCaseStatus::skipped(),
    };
    if test.outcome != UnityOutcome::Passed {
        status.set_message(&*test.message);
    }
    if test.outcome == UnityOutcome::Failed {
        status.set_type(test.outcome.to_string()).set_description(test.words());
    }
    let mut shown = TestCase::new(&*test.name, status);
    shown.set_classname(case);
    shown.extra.insert("file".into(), (&*test.file).into());
    shown.extra.insert("line".into(), test.line.to_string().into());
    shown.add_property(("device-time", &*test.time.to_string()));
    shown
}

fn status(shown: &Try) -> TestCaseStatus {
    let kind = match shown.verdict() {
        Verdict::Passed | Verdict::Flaky => return TestCaseStatus::success(),
        Verdict::Skipped => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(message(shown));
            return skipped;
        }
        Verdict::Failed => NonSuccessKind::Failure,
        Verdict::Error | Verdict::Interrupted => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message(shown)).set_type(kind_of(shown)).set_description(words(shown));
    status
}

fn rerun(shown: &Try) -> TestRerun {
    let kind = match shown.verdict() {
        Verdict::Failed => NonSuccessKind::Failure,
        _ => NonSuccessKind::Error,
    };
    let mut rerun = TestRerun::new(kind);
    rerun
        .set_message(message(shown))
        .set_type(kind_of(shown))
        .set_description(words(shown))
        .set_time(Duration::from_millis(shown.wall_ms()))
        .set_system_out(shown.transcript());
    rerun
}

fn failure(shown: &Try) -> Option<&Failure> {
    match shown.reason()? {
        Reason::Step { failure, .. } | Reason::Case { failure } => Some(failure),
        _ => None,
    }
}

/// In one line.
fn message(shown: &Try) -> String {
    match failure(shown) {
        Some(failure) => failure.what.clone(),
        None => words(shown).trim().to_owned(),
    }
}

/// The verdict; of a death, what it was.
fn kind_of(shown: &Try) -> String {
    let crash = failure(shown).and_then(|failure| failure.crash.as_ref());
    match crash.filter(|crash| crash.kind.is_fatal()) {
        Some(crash) => crash.kind.to_string(),
        None => shown.verdict().to_string(),
    }
}

fn words(shown: &Try) -> String {
    let words = |why: &Reason| reason(why, &Palette::new(false));
    shown.reason().map(words).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::testing::{record, with_retries, with_unity};

    /// The XML without what the host decides.
    fn shown(record: &Record) -> String {
        let text = junit(record).unwrap();
        let host = regex::Regex::new(r#" (time|uuid|timestamp)="[^"]*""#).unwrap();
        host.replace_all(&text, "").into_owned()
    }

    #[test]
    fn failures_errors_and_skips_are_told_apart_and_carry_what_a_person_needs() {
        insta::assert_snapshot!(shown(&record()));
    }

    #[test]
    fn each_test_that_the_board_ran_is_a_test_case_of_the_cases_suite() {
        let text = shown(&with_unity());
        insta::assert_snapshot!(text);
        // As another reader sees it.
        let mut reader = quick_xml::Reader::from_str(&text);
        let (mut suites, mut counted, mut failed, mut skipped) = (Vec::new(), 0, 0, 0);
        loop {
            use quick_xml::events::Event::{Empty, Eof, Start};
            match reader.read_event().unwrap() {
                Start(tag) | Empty(tag) => match tag.name().as_ref() {
                    b"testsuite" => suites.push(String::from_utf8(tag.to_vec()).unwrap()),
                    b"testcase" => counted += 1,
                    b"failure" => failed += 1,
                    b"skipped" => skipped += 1,
                    _ => {}
                },
                Eof => break,
                _ => {}
            }
        }
        // The case itself fails too.
        assert_eq!((suites.len(), counted, failed, skipped), (1, 4, 2, 1));
        let counts = r#"tests="4" skipped="1" errors="0" failures="2""#;
        assert!(suites[0].contains(counts), "{suites:?}");
    }

    #[test]
    fn a_case_that_passed_when_tried_again_is_flaky_and_one_that_did_not_failed() {
        let text = shown(&with_retries(1));
        assert!(text.contains("<flakyFailure") && !text.contains("<failure"), "{text}");
        let text = shown(&with_retries(9));
        assert_eq!(text.matches("<rerunFailure").count(), 2, "{text}");
        assert_eq!(text.matches("<failure").count(), 1, "{text}");
    }
}
