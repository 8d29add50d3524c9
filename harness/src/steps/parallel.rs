//! `parallel`: several boards are dealt with at the same time.

use std::ops::Range;

use super::{Facts, Step};
use crate::runner::boards;
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder};
use crate::scenario::model::{BoardName, OWN_BOARD};
use crate::scenario::node::{Node, Value};
use crate::scenario::reference::{Group, Kind, Reference};
use crate::scenario::step_list::Steps;
use crate::targets::Capability;

/// Fields as written in the scenario file.
#[derive(Debug, Clone)]
pub struct Parallel {
    /// What is done with each board.
    pub branches: Vec<Branch>,
}

/// What is done with one of the boards.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Which.
    pub on: BoardName,
    /// Where its name stands.
    pub name: Range<usize>,
    /// What.
    pub steps: Steps,
}

impl Step for Parallel {
    const NAME: &'static str = "parallel";

    const REFERENCE: Reference = Reference {
        group: Group::Flow,
        doc: "Deals with several boards at the same time: the steps under each name are done with \
              that board (see `boards` of the scenario; `main` is its own). It is over when all of \
              them are, and then the same time has passed for every board. A board has its own \
              ports, pins and marks; a value that is captured with one is known to the others \
              after the step.",
        value: Kind::Named(&Kind::Steps),
        examples: &[
            "parallel:\n  main:\n    - expect-serial: 'ready'\n  sensor:\n    - press: reset\n    - expect-serial: 'measuring'",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let entries = match &node.value {
            Value::Map(entries) if !entries.is_empty() => entries,
            _ => return decoder.wrong(node, "names of boards, each with steps"),
        };
        let read: Vec<_> = entries
            .iter()
            .map(|(name, steps)| {
                let steps = Steps::decode(steps, decoder);
                let board = String::decode(name, decoder)?;
                let on = (board != OWN_BOARD).then_some(board);
                Some(Branch { on, name: name.span.clone(), steps: steps? })
            })
            .collect();
        Some(Self { branches: read.into_iter().collect::<Option<_>>()? })
    }

    fn facts(&self) -> Facts<'_> {
        let more = self.branches.iter().any(|branch| branch.on.is_some());
        Facts {
            needs: if more { &[Capability::SeveralBoards] } else { &[] },
            branches: &self.branches,
            // The further boards are in no saved state.
            touches_host: true,
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        let names = self.branches.iter().map(|branch| branch.on.as_deref().unwrap_or(OWN_BOARD));
        names.collect::<Vec<_>>().join(", ")
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        boards::play_parallel(session, &self.branches)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::runner::events::{Event, Reason};
    use crate::runner::testing::{Outcome, events, run_file};
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::targets::{MachineReport, UnmodelledAccess};
    use crate::time::Span;

    const HEAD: &str = "name: t\nversion: 1\nboards: {sensor: esp32-cam}\nsteps:\n";

    fn says(after: u64, text: &str) -> FakeTarget {
        FakeTarget::new([Reply::on(Cue::PowerOn).say(Span::from_millis(after), text)])
    }

    /// Everything told about a scenario with a second board, each event as its JSON, without what
    /// depends on the host.
    fn told(own: FakeTarget, sensor: FakeTarget, steps: &str) -> Vec<serde_json::Value> {
        told_in(tempfile::tempdir().unwrap().path(), own, sensor, steps)
    }

    fn told_in(
        project: &Path,
        own: FakeTarget,
        sensor: FakeTarget,
        steps: &str,
    ) -> Vec<serde_json::Value> {
        let source = FakeSource::new(own).with("esp32-cam", sensor);
        let mut told = Vec::new();
        let text = format!("{HEAD}{steps}");
        let invalid = events(project, &source, &text, &[], &mut |event| {
            let mut event = serde_json::to_value(&event).unwrap();
            event.as_object_mut().unwrap().retain(|key, _| !key.starts_with("wall_"));
            told.push(event);
        });
        assert_eq!(invalid, None);
        told
    }

    fn lines(told: &[serde_json::Value]) -> Vec<String> {
        let serial = told.iter().filter(|event| event["event"] == "serial");
        serial.map(|it| format!("{} {} {}", it["on"], it["time"], it["text"])).collect()
    }

    fn end(told: &[serde_json::Value]) -> (String, String) {
        let end = told.iter().find(|event| event["event"] == "case-finished").unwrap();
        let failure = &end["reason"]["failure"]["what"];
        (end["verdict"].as_str().unwrap().to_owned(), failure.as_str().unwrap_or("").to_owned())
    }

    #[test]
    fn boards_begin_together_and_the_same_time_has_passed_for_all_afterwards() {
        let steps = "
- expect-serial: hello
- parallel:
    main: [delay: 1s]
    sensor: [power: on, delay: 3s, expect-serial: 'sensor (?<x>.)', mark: there]
- delay: 500ms
- parallel: {sensor: [mark: end], main: [mark: end]}
";
        let steps = steps.replace("'sensor (?<x>.)'", "{regex: 'sensor (?<x>.)'}");
        let told = told(says(10, "hello\r\n"), says(20, "sensor 7\r\n"), &steps);
        assert_eq!(end(&told), ("passed".to_owned(), String::new()));
        let times: Vec<_> = told
            .iter()
            .filter(|event| event["event"] == "step-finished")
            .map(|event| event["time"].to_string())
            .collect();
        // The sensor comes on with its first step, at 10 ms, and is done 3 s later.
        assert_eq!(times, ["10000000", "3010000000", "3510000000", "3510000000"]);
    }

    #[test]
    fn what_boards_say_is_told_in_the_order_of_time_with_their_names() {
        let ms = Span::from_millis;
        let talking = |word: &str| {
            let reply = Reply::on(Cue::PowerOn).say(ms(10), format!("{word} 1\r\n"));
            FakeTarget::new([reply.say(ms(20), format!("{word} 2\r\n"))])
        };
        let steps = "- parallel: {sensor: [expect-serial: s 2], main: [expect-serial: m 2]}";
        let told = told(talking("m"), talking("s"), steps);
        let lines = lines(&told);
        let heads: Vec<_> = lines.iter().map(|line| line.split('"').nth_back(1).unwrap()).collect();
        assert_eq!(heads, ["m 1", "s 1", "m 2", "s 2"], "{lines:?}");
        assert!(lines[1].starts_with("\"sensor\" "), "{lines:?}");
    }

    #[test]
    fn two_runs_tell_the_same() {
        let steps = "
- parallel:
    sensor: [expect-serial: s]
    main: [expect-serial: m, delay: 2s]
- parallel: {sensor: [expect-no-serial: {text: x, for: 1s}]}";
        let project = tempfile::tempdir().unwrap();
        let run = || told_in(project.path(), says(5, "m\r\n"), says(7, "s\r\n"), steps);
        let first = run();
        (0..20).for_each(|_| assert_eq!(run(), first));
    }

    #[test]
    fn the_first_failure_in_device_time_is_told_with_its_board() {
        let project = tempfile::tempdir().unwrap();
        let steps = "
- parallel:
    main: [expect-serial: {text: late, within: 9s}]
    sensor:
      - repeat: {times: 1, steps: [expect-serial: {text: soon, within: 2s}]}";
        let source = FakeSource::new(says(1, "m")).with("esp32-cam", says(1, "s"));
        let mut reasons = Vec::new();
        let text = format!("{HEAD}{steps}");
        events(project.path(), &source, &text, &[], &mut |event| {
            if let Event::CaseFinished { reason: Some(reason), .. } = event {
                reasons.push(*reason);
            }
        });
        let [Reason::Step { step: 0, yaml, during, failure, .. }] = &reasons[..] else {
            panic!("{reasons:?}")
        };
        assert_eq!(yaml, "expect-serial: {text: soon, within: 2s}");
        assert_eq!(during, &["pass 1 of 1", "on sensor"]);
        assert_eq!(failure.what, "\"soon\" did not come within 2s");
    }

    #[test]
    fn a_value_captured_with_one_board_is_known_to_the_others_afterwards() {
        let sends = Reply::on(Cue::Sent(b"7".to_vec())).say(Span::from_millis(1), "got 7\r\n");
        let steps = "
- parallel: {sensor: [expect-serial: {regex: 'value (?<v>\\d)'}]}
- write-serial: '{{v}}'
- expect-serial: got {{v}}";
        let told = told(FakeTarget::new([sends]), says(1, "value 7 \r\n"), steps);
        assert_eq!(end(&told), ("passed".to_owned(), String::new()));
    }

    #[test]
    fn a_board_that_dies_while_nobody_looks_fails_the_case() {
        let panic = "Guru Meditation Error: Core  0 panic'ed (LoadProhibited).\r\n";
        let dying = || FakeTarget::new([Reply::on(Cue::PowerOn).say(Span::from_secs(2), panic)]);
        let steps = "- parallel: {sensor: [power: on]}\n- delay: 5s\n";
        let (verdict, what) = end(&told(says(1, "m"), dying(), steps));
        assert_eq!(verdict, "failed");
        assert!(what.starts_with("on sensor: the guest panicked at 2"), "{what}");
        let again = format!("{steps}- parallel: {{sensor: [power: off]}}");
        let (verdict, what) = end(&told(says(1, "m"), dying(), &again));
        assert_eq!((verdict.as_str(), what.contains("panicked")), ("failed", true), "{what}");
    }

    #[test]
    fn a_death_that_the_next_steps_of_a_board_expect_is_no_failure_while_nobody_looks() {
        let panic = "Guru Meditation Error: Core  0 panic'ed (LoadProhibited).\r\n";
        let dying = || FakeTarget::new([Reply::on(Cue::PowerOn).say(Span::from_secs(2), panic)]);
        let later = "- parallel: {sensor: [mark: m, expect-serial: Guru Meditation]}";
        let between = format!("- parallel: {{sensor: [power: on]}}\n- delay: 5s\n{later}");
        assert_eq!(end(&told(says(1, "m"), dying(), &between)).0, "passed");
        let inside = format!("- parallel: {{sensor: [power: on, delay: 5s]}}\n{later}");
        assert_eq!(end(&told(says(1, "m"), dying(), &inside)).0, "passed");
        // What is expected of one board excuses no other.
        let other = "- parallel: {sensor: [power: on]}\n- delay: 5s\n- parallel: {sensor: [expect-serial: Guru]}";
        assert_eq!(end(&told(dying(), says(1, "s"), &format!("- power: on\n{other}"))).0, "failed");
    }

    #[test]
    fn unmodelled_hardware_that_another_board_touches_is_told_with_its_name() {
        let touched = UnmodelledAccess {
            device: "SLC".into(),
            offset: 4,
            kind: "read",
            pc: 0x4000_0000,
            count: 1,
        };
        let report = MachineReport { unmodelled: vec![touched], ..MachineReport::default() };
        let source =
            FakeSource::new(says(1, "m")).with("esp32-cam", says(1, "s").reporting(report));
        let text = format!("unmodelled: deny\n{HEAD}- parallel: {{sensor: [power: on]}}\n");
        let mut what = None;
        events(tempfile::tempdir().unwrap().path(), &source, &text, &[], &mut |event| {
            if let Event::CaseFinished { reason: Some(reason), .. } = event
                && let Reason::Case { failure } = *reason
            {
                what = Some(failure.what);
            }
        });
        let said = "on sensor: the firmware touched what the emulator does not model";
        assert_eq!(what.as_deref(), Some(said));
    }

    #[test]
    fn what_is_wrong_with_boards_is_said_before_anything_starts() {
        let text = "name: t
version: 1
boards: {sensor: esp32-cam, idle: esp32-cam, main: esp32-cam}
steps:
- parallel: {senso: [delay: 1s]}
- parallel: {sensor: [parallel: {main: [delay: 1s]}]}
- parallel: {}
- parallel:
    sensor: [expect-serial: {regex: '(?<v>.)'}, mark: m]
    main: [log: '{{v}}', expect-serial: {regex: '(?<v>.)'}]
- snapshot: {of: serial, name: s, since: m}
- log: '{{v}}'
";
        let Outcome::Invalid(faults) = run_file(FakeTarget::new([]), text) else { panic!() };
        let said: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        insta::assert_debug_snapshot!(said);
    }
}
