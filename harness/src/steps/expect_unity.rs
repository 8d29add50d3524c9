//! `expect-unity`: the board runs tests of the Unity framework; wait for their summary.
//!
//! Source: Unity's output format: `file:line:name:PASS`, `…:FAIL: message`, `…:IGNORE: message`,
//! then `N Tests M Failures K Ignored` and `OK` or `FAIL`.

use std::sync::LazyLock;

use regex::Regex;

use super::serial_fields::{DEFAULT_WITHIN, is_short};
use super::{Facts, Step};
use crate::runner::evidence::{Evidence, UnityOutcome, UnityTest};
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Patience, Session};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, PORT, Reference, WITHIN};
use crate::targets::{Capability, Port};
use crate::time::Span;
use crate::transcript::Pattern;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectUnity {
    /// Patience in device time.
    pub within: Span,
    /// Which port.
    pub port: Port,
}

static TEST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?<file>[^:\s][^:]*):(?<line>\d+):(?<name>[^:]+):(?<outcome>PASS|FAIL|IGNORE)(?::\s?(?<message>.*))?$")
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
        let found = session.expect(self.port, summary, Patience::Within(self.within))?;
        let transcript = session.transcript(self.port);
        let text = transcript.text().get(from..found.range.end).unwrap_or_default();
        let tests: Vec<_> = text.lines().filter_map(test).collect();
        let number = |name: &str| {
            let value = found.captures.iter().find(|(known, _)| known == name);
            value.and_then(|(_, value)| value.parse::<usize>().ok()).unwrap_or(0)
        };
        let failed: Vec<_> =
            tests.iter().filter(|test| test.outcome == UnityOutcome::Failed).collect();
        let seen = || {
            let line = |test: &&UnityTest| format!("{}: {}", test.name, test.message);
            failed.iter().map(line).collect()
        };
        let what = match (number("tests"), number("failures")) {
            (0, _) => "no Unity test ran".to_owned(),
            (all, failures) if failures > 0 => format!("{failures} of {all} Unity tests failed"),
            (all, _) if all != tests.len() => {
                format!("{} of {all} Unity tests printed their result", tests.len())
            }
            _ => return Ok(Evidence::Unity { tests }),
        };
        Err(StepError::failed(Failure { seen: seen(), ..Failure::new(what) }))
    }
}

/// The test that a line tells of.
fn test(line: &str) -> Option<UnityTest> {
    let found = TEST.captures(line.trim_end())?;
    Some(UnityTest {
        name: found["name"].to_owned(),
        outcome: match &found["outcome"] {
            "PASS" => UnityOutcome::Passed,
            "FAIL" => UnityOutcome::Failed,
            _ => UnityOutcome::Ignored,
        },
        message: found.name("message").map_or(String::new(), |it| it.as_str().to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

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
        assert_eq!(failure.seen, ["parses: Expected 1 Was 2"]);
    }

    #[test]
    fn a_summary_without_its_tests_is_not_believed() {
        let text = TESTS.replace("main/test_b.c:31:parses:PASS\n", "");
        assert!(matches!(run_steps(printing(&text), "- expect-unity"), Outcome::Failed(_)));
    }
}
