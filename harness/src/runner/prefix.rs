//! Which cases begin with the same steps, so that one can go on from a copy of another's machine.
//!
//! Two cases share their first steps if everything that a step can see or leave behind is equal:
//! what the machine is made of, what the session watches for, and the steps themselves. A step that
//! expects nothing looks ahead to the next expectation, which therefore counts as a part of it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::scenario::model::{Case, Dialect, StepEntry, with_inner};
use crate::site::Site;
use crate::targets::Capability;

/// Where a case goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// The position in the plan of the case that does the first steps.
    pub from: usize,
    /// How many steps they have in common.
    pub steps: usize,
}

type Key = [u8; 32];

/// For each case the longest beginning that it shares with an earlier one. `None` stands for a case
/// that does not run.
pub fn forks(cases: &[Option<&Case>]) -> Vec<Option<Fork>> {
    let mut first_with: BTreeMap<Key, usize> = BTreeMap::new();
    let mut forks = Vec::with_capacity(cases.len());
    for (number, case) in cases.iter().enumerate() {
        let Some(case) = case else {
            forks.push(None);
            continue;
        };
        let beginnings = beginnings(case);
        let longest = beginnings.iter().rev().find_map(|(steps, key)| {
            let from = *first_with.get(key)?;
            Some(Fork { from, steps: *steps })
        });
        forks.push(longest);
        for (_, key) in beginnings {
            first_with.entry(key).or_insert(number);
        }
    }
    forks
}

/// The beginnings of a case that are worth sharing: how many steps, and what they depend on.
fn beginnings(case: &Case) -> Vec<(usize, Key)> {
    if case.site.as_ref().is_some_and(Site::has_way_out) {
        // Who answers there is no part of the case.
        return Vec::new();
    }
    let mut key: Key = Sha256::digest(surroundings(case)).into();
    let mut powered = case.dialect == Dialect::Wokwi;
    let mut beginnings = Vec::new();
    for (index, entry) in case.steps.iter().enumerate() {
        let all = with_inner(std::slice::from_ref(entry));
        if all.iter().any(|entry| entry.step.facts().touches_host) {
            break;
        }
        let expects = |entry: &StepEntry| {
            with_inner(std::slice::from_ref(entry))
                .iter()
                .any(|entry| entry.step.facts().expects.is_some())
        };
        let ahead = match entry.step.facts().expects {
            Some(_) => None,
            None => case.steps[index + 1..].iter().find(|entry| expects(entry)),
        };
        let ahead = ahead.map_or("", |entry| entry.canonical.as_str());
        let mut digest = Sha256::new_with_prefix(key);
        // The canonical text has no line ends.
        digest.update(format!("{}\n{ahead}\n", entry.canonical));
        key = digest.finalize().into();
        powered |= all.iter().any(|entry| {
            let facts = entry.step.facts();
            facts.needs_power || facts.needs.contains(&Capability::Power)
        });
        if powered {
            beginnings.push((index + 1, key));
        }
    }
    beginnings
}

/// What the first step of a case finds.
fn surroundings(case: &Case) -> String {
    let never: Vec<_> = case.never.iter().map(ToString::to_string).collect();
    format!(
        "{:?}",
        (
            &case.project,
            &case.board.profile.text,
            case.board.firmware.as_ref().map(|firmware| &firmware.text),
            // Crashes are told with it.
            case.board.elf.as_ref().map(|elf| &elf.text),
            (
                &case.board.loop_backs,
                &case.board.parts,
                case.board.circuit.as_ref().map(|it| it.text()),
            ),
            case.dialect,
            (&case.site, case.air()),
            case.timeout,
            never,
            case.writes_flash(None),
            case.pins(None),
            // What is a secret is redacted from the first event on.
            case.environment_names(),
        )
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::scenario::decode::no_files;
    use crate::scenario::parser::{FilePlace, parse};

    fn case(head: &str, steps: &str) -> Arc<Case> {
        let text = format!("name: x\nversion: 1\n{head}steps:\n{steps}\n");
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        parse(&text, place, &no_files).expect("a valid scenario").cases.remove(0)
    }

    /// How many steps the second case shares with the first.
    fn shared(first: (&str, &str), second: (&str, &str)) -> usize {
        let cases = [case(first.0, first.1), case(second.0, second.1)];
        let forks = forks(&[Some(&cases[0]), Some(&cases[1])]);
        assert_eq!(forks[0], None);
        forks[1].map_or(0, |fork| fork.steps)
    }

    const BOOT: &str = "- boot-mode: run\n- expect-serial: {text: ready, within: 5s}";

    #[test]
    fn equal_steps_are_shared_however_they_are_written() {
        let boot = "- boot-mode: run   # high\n\n- name: it boots\n  expect-serial:\n    text: ready\n    within: 5s";
        let (a, b) = (format!("{BOOT}\n- log: a"), format!("{boot}\n- log: b"));
        assert_eq!(shared(("", &a), ("", &b)), 2);
    }

    #[test]
    fn nothing_is_shared_when_what_the_first_step_finds_differs() {
        for head in [
            "board: esp32-cam\n",
            "loop-backs: [[16, 17]]\n",
            "firmware: other\n",
            "timeout: 5s\n",
            "never: [oops]\n",
        ] {
            assert_eq!(shared(("", BOOT), (head, BOOT)), 0, "{head}");
        }
        // A board that was made to be the only one on its air cannot get neighbours.
        let (alone, among) = ("air: {ssid: x}\n", "air: {ssid: x}\nboards: {b: esp32-cam}\n");
        let ends = format!("{BOOT}\n- parallel: {{b: [delay: 1s]}}");
        assert_eq!(shared((alone, BOOT), (among, &ends)), 0);
        assert_eq!(shared((among, &ends), (among, &ends)), 2, "up to the second board");
        let secret = format!("{BOOT}\n- log: '{{{{env.KEY}}}}'");
        assert_eq!(shared(("", BOOT), ("", &secret)), 0);
        let flash = format!("{BOOT}\n- erase-flash");
        assert_eq!(shared(("", BOOT), ("", &flash)), 0, "its flash is not preloaded");
    }

    #[test]
    fn a_step_that_looks_ahead_is_shared_only_with_what_it_sees() {
        let wait = "- expect-serial: ready\n- delay: 1s\n";
        let (panics, goes_on) =
            (format!("{wait}- expect-serial: Guru"), format!("{wait}- expect-serial: on"));
        assert_eq!(shared(("", &panics), ("", &goes_on)), 1);
        assert_eq!(shared(("", &panics), ("", &panics)), 3);
    }

    #[test]
    fn a_beginning_ends_at_the_first_step_that_touches_the_host() {
        let snapshot = format!("{BOOT}\n- snapshot: {{of: serial, name: s}}\n- delay: 1s");
        assert_eq!(shared(("", &snapshot), ("", &snapshot)), 2);
    }

    #[test]
    fn a_board_without_power_is_not_worth_saving() {
        let off = "- boot-mode: run\n- boot-mode: download";
        assert_eq!(shared(("", off), ("", off)), 0);
    }

    #[test]
    fn the_earliest_case_with_the_longest_beginning_is_the_one_to_go_on_from() {
        let long = format!("{BOOT}\n- delay: 1s\n- delay: 2s");
        let cases =
            [case("", BOOT), case("", &long), case("board: esp32-cam\n", BOOT), case("", &long)];
        let mut all: Vec<_> = cases.iter().map(|case| Some(&**case)).collect();
        let expected =
            [None, Some(Fork { from: 0, steps: 2 }), None, Some(Fork { from: 1, steps: 4 })];
        assert_eq!(forks(&all), expected);
        all[1] = None;
        assert_eq!(forks(&all)[3], Some(Fork { from: 0, steps: 2 }));
    }
}
