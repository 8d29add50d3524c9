//! `expect-unity`: the board runs tests of the Unity framework; wait for their summary.
//!
//! Source: Unity's output format: `file:line:name:PASS`, `…:FAIL: message`, `…:IGNORE: message`,
//! then `N Tests M Failures K Ignored` and `OK` or `FAIL`. Built with `UNITY_INCLUDE_EXEC_TIME`, a
//! result ends with ` (N ms)`.
//!
//! Each test is told by itself, also when the summary never comes: what ran before a crash did run.

use std::sync::LazyLock;

use regex::Regex;

use super::serial_fields::{DEFAULT_WITHIN, is_short};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Patience, Session};
use crate::runner::unity::{UnityOutcome, UnityTest, counts};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, PORT, Reference, WITHIN};
use crate::targets::{Capability, Port};
use crate::time::{DeviceTime, Span};
use crate::transcript::{Line, Pattern};

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectUnity {
    /// Patience in device time.
    pub within: Span,
    /// Which port.
    pub port: Port,
}

static TEST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        // No file has such a name, but the echo of a command that prints results has.
        r#"^(?<file>(?:[A-Za-z]:)?[^:\s'"<>|][^:'"<>|]*):(?<line>\d+):(?<name>.+?)"#,
        r":(?<outcome>PASS|FAIL|IGNORE)(?::\s?(?<message>.*?))?(?: \(\d+ ms\))?$",
    ))
    .expect("a constant pattern")
});

const SUMMARY: &str =
    r"(?m)^(?<tests>\d+) Tests (?<failures>\d+) Failures (?<ignored>\d+) Ignored ?$";

impl Step for ExpectUnity {
    const NAME: &'static str = "expect-unity";

    const REFERENCE: Reference = Reference {
        group: Group::Serial,
        doc: "The board runs tests of the Unity framework: waits for their summary. Each test becomes a case of the reports.",
        value: Kind::Either(&[Kind::Nothing, Kind::Keys(&[WITHIN, PORT])]),
        examples: &["expect-unity", "expect-unity: {within: 60s}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) && node.is_null() {
            return Some(Self { within: DEFAULT_WITHIN, port: Port::Console });
        }
        let mut fields = Fields::new(node, "`expect-unity`", decoder)?;
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { within: within?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Serial], needs_power: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("within {}", self.within)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let from = session.transcript(self.port).cursor();
        let summary =
            Pattern::regex(SUMMARY).map_err(|error| StepError::Regex(error.to_string()))?;
        let found = session.expect(self.port, summary, Patience::Within(self.within));
        let end = found.as_ref().map_or(usize::MAX, |found| found.range.end);
        let tests = self.tests(session, from, end);
        tests.iter().for_each(|test| session.tested(test));
        let found = found?;
        let number = |name: &str| {
            let value = found.captures.iter().find(|(known, _)| known == name);
            value.and_then(|(_, value)| value.parse::<usize>().ok()).unwrap_or(0)
        };
        let failed = tests.iter().filter(|test| test.outcome == UnityOutcome::Failed);
        let seen = failed.map(|test| format!("{}: {}", test.name, test.words())).collect();
        let what = match (number("tests"), number("failures")) {
            (0, _) => "no Unity test ran".to_owned(),
            (all, failures) if failures > 0 => format!("{failures} of {all} Unity tests failed"),
            (all, _) if all != tests.len() => {
                format!("{} of {all} Unity tests printed their result", tests.len())
            }
            _ => return Ok(Evidence::Unity { text: counts(&tests) }),
        };
        Err(StepError::failed(Failure { seen, ..Failure::new(what) }))
    }
}

impl ExpectUnity {
    /// The tests that a stretch of what the port said tells of.
    fn tests(&self, session: &mut Session<'_>, from: usize, end: usize) -> Vec<UnityTest> {
        let transcript = session.transcript(self.port);
        let lines = transcript.lines(from).take_while(|line| line.start < end && line.complete);
        let told =
            |line: Line<'_>| test(line.text, transcript.time_at(line.start + line.text.len()));
        lines.filter_map(told).collect()
    }
}

/// The test that a line tells of.
fn test(line: &str, time: DeviceTime) -> Option<UnityTest> {
    let found = TEST.captures(line.trim_end())?;
    Some(UnityTest {
        name: found["name"].to_owned(),
        outcome: match &found["outcome"] {
            "PASS" => UnityOutcome::Passed,
            "FAIL" => UnityOutcome::Failed,
            _ => UnityOutcome::Ignored,
        },
        message: found.name("message").map_or(String::new(), |it| it.as_str().to_owned()),
        file: found["file"].to_owned(),
        line: found["line"].parse().ok()?,
        time,
    })
}

#[cfg(test)]
mod tests {
    use super::{UnityOutcome, UnityTest};
    use crate::runner::events::Event;
    use crate::runner::testing::{Outcome, events, run_steps};
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::time::{DeviceTime, Span};

    fn printing(text: &str) -> FakeTarget {
        let text = text.replace('\n', "\r\n");
        FakeTarget::new([Reply::on(Cue::PowerOn).say(Span::from_millis(5), text)])
    }

    const TESTS: &str = "\
main/test_a.c:12:adds:PASS
main/test_a.c:20:waits:IGNORE: not today
main/test_b.c:31:parses:PASS

-----------------------
3 Tests 0 Failures 1 Ignored
OK
";

    #[test]
    fn passed_and_ignored_tests_are_told() {
        assert_eq!(run_steps(printing(TESTS), "- expect-unity"), Outcome::Passed);
    }

    #[test]
    fn a_failed_test_fails_the_step_with_its_message() {
        let text = TESTS
            .replace("parses:PASS", "parses:FAIL: Expected 1 Was 2")
            .replace("0 Failures", "1 Failures");
        let Outcome::Failed(failure) = run_steps(printing(&text), "- expect-unity: {within: 1s}")
        else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "1 of 3 Unity tests failed");
        assert_eq!(failure.seen, ["parses: main/test_b.c:31: Expected 1 Was 2"]);
    }

    /// Every test that is told.
    fn told(text: &str) -> Vec<UnityTest> {
        let project = tempfile::tempdir().unwrap();
        let scenario = "name: t\nversion: 1\nsteps: [expect-unity: {within: 1s}]\n";
        let mut tests = Vec::new();
        events(project.path(), &FakeSource::new(printing(text)), scenario, &[], &mut |event| {
            if let Event::UnityTest { test, .. } = event {
                tests.push(test);
            }
        });
        tests
    }

    #[test]
    fn each_test_is_told_with_its_place_and_message_also_when_the_summary_never_comes() {
        let whole = told(TESTS);
        let (some, _) = TESTS.split_once("main/test_b.c").unwrap();
        assert_eq!(told(some), whole[..2]);
        let [adds, waits, parses] = &whole[..] else { panic!("{whole:?}") };
        assert_eq!((&*adds.name, adds.outcome), ("adds", UnityOutcome::Passed));
        assert_eq!(waits.words(), "main/test_a.c:20: not today");
        assert_eq!((&*parses.file, parses.line), ("main/test_b.c", 31));
        assert_eq!(adds.time, DeviceTime::ZERO + Span::from_millis(5));
    }

    #[rstest::rstest]
    #[case("C:\\t\\a.c:1:x:PASS", "x", "")]
    #[case("a.c:1:Queue::push [queue]:PASS (12 ms)", "Queue::push [queue]", "")]
    #[case("a.c:1:x:FAIL: Expected 'a:PASS' (see b) (3 ms)", "x", "Expected 'a:PASS' (see b)")]
    #[case("a.c:1:x:FAIL:Expected 1", "x", "Expected 1")]
    fn names_and_messages_may_contain_colons(
        #[case] line: &str,
        #[case] name: &str,
        #[case] message: &str,
    ) {
        let test = super::test(line, DeviceTime::ZERO).expect("a test");
        assert_eq!((&*test.name, &*test.message), (name, message));
        for other in [line.replace(":1:", ":"), format!(">>> print('{line}')")] {
            assert_eq!(super::test(&other, DeviceTime::ZERO), None, "{other}");
        }
    }

    #[test]
    fn a_summary_without_its_tests_is_not_believed() {
        let text = TESTS.replace("main/test_b.c:31:parses:PASS\n", "");
        assert!(matches!(run_steps(printing(&text), "- expect-unity"), Outcome::Failed(_)));
    }
}
