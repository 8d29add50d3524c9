//! What GitHub Actions shows of a run: annotations at the steps that failed, and a summary.
//!
//! Source: GitHub Docs, "Workflow commands for GitHub Actions": `::error file=…`, the escapes of its
//! data and properties, `GITHUB_STEP_SUMMARY` and its limit of 1 MiB.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Report;
use super::record::{Record, Try};
use super::words::{Palette, reason, seconds, wall};
use crate::runner::events::{Event, Reason};
use crate::runner::unity::{UnityOutcome, counts};
use crate::runner::verdict::Verdict;
use crate::scenario::fault::Place;

/// GitHub drops a summary above 1 MiB; the rest of a longer one is left out.
const LIMIT: usize = 1_000_000;

/// Writes a workflow command for each case that GitHub should point at.
#[derive(Debug)]
pub struct Annotations<W: Write> {
    out: W,
    /// GitHub knows files by their path from here.
    workspace: Option<PathBuf>,
    /// Name and file of the cases that run.
    running: BTreeMap<usize, (String, String)>,
}

impl<W: Write> Annotations<W> {
    /// Writes to `out`; `workspace` is the folder of the checkout.
    pub fn new(out: W, workspace: Option<PathBuf>) -> Self {
        Self { out, workspace, running: BTreeMap::new() }
    }

    fn annotate(&mut self, level: &str, file: &str, place: Place, title: &str, words: &str) {
        let line = format!(
            "::{level} file={},line={},col={},title={}::{}\n",
            property(&self.file(file)),
            place.line,
            place.column,
            property(title),
            data(words),
        );
        let _ = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush());
    }

    fn file(&self, file: &str) -> String {
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.into());
        let inside = self.workspace.as_ref().and_then(|root| absolute.strip_prefix(root).ok());
        inside.map_or_else(|| file.to_owned(), |path| path.display().to_string())
    }
}

impl<W: Write> Report for Annotations<W> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::CaseStarted { case, name, file, .. } => {
                self.running.insert(*case, (name.clone(), file.clone()));
            }
            // A test's own place says more than that of the step which waited for it.
            Event::UnityTest { test, .. } if test.outcome == UnityOutcome::Failed => {
                let start = Place { line: usize::try_from(test.line).unwrap_or(1), column: 1 };
                let title = format!("{} failed", test.name);
                self.annotate("error", &test.file, start, &title, &test.words());
            }
            // One that is tried again is not over.
            Event::CaseFinished { case, verdict, reason: why, again: false, .. } => {
                let Some((name, file)) = self.running.remove(case) else { return };
                let level = match verdict {
                    Verdict::Failed | Verdict::Error => "error",
                    Verdict::Flaky => "warning",
                    Verdict::Passed | Verdict::Skipped | Verdict::Interrupted => return,
                };
                let start = Place { line: 1, column: 1 };
                let (file, place, words) = match why.as_deref() {
                    // The step may stand in a file that the scenario includes.
                    Some(why @ Reason::Step { file, place, .. }) => (file, *place, words(why)),
                    Some(why) => (&file, start, words(why)),
                    None => (&file, start, "passed only when tried again".to_owned()),
                };
                self.annotate(level, file, place, &format!("{name} {verdict}"), &words);
            }
            _ => {}
        }
    }
}

fn words(why: &Reason) -> String {
    reason(why, &Palette::new(false)).trim_end().to_owned()
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The run as Markdown, for the page of the workflow.
pub(super) fn summary(record: &Record) -> String {
    let mut out = format!(
        "### benchrig: {}\n\nOn {} with seed {}, in {}.\n\n",
        match record.tally.words() {
            words if words.is_empty() => "nothing ran".to_owned(),
            words => words,
        },
        cell(&record.target),
        record.seed,
        wall(record.wall_ms),
    );
    let tries = || record.cases.values().filter_map(|tries| tries.last());
    if tries().next().is_some() {
        out += "| | case | board | device time | took |\n|---|---|---|--:|--:|\n";
    }
    for (number, case) in tries().enumerate() {
        let row = format!(
            "| {} | {} | {} | {} | {} |\n",
            case.verdict(),
            cell(&case.name),
            cell(&case.board),
            seconds(case.time()),
            wall(case.wall_ms()),
        );
        if out.len() + row.len() > LIMIT / 2 {
            let _ = writeln!(out, "\n{} more cases.", tries().count() - number);
            break;
        }
        out += &row;
    }
    for case in tries() {
        let details = tests(case) + &details(case);
        if out.len() + details.len() > LIMIT {
            out += "\nMore did not fit here.\n";
            break;
        }
        out += &details;
    }
    out
}

/// The tests of the Unity framework that a case ran: how many, and those that did not pass.
fn tests(case: &Try) -> String {
    if case.tests.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}: {}\n", escaped(&case.name), counts(&case.tests));
    let odd = case.tests.iter().filter(|test| test.outcome != UnityOutcome::Passed);
    for (number, test) in odd.enumerate() {
        if number == 0 {
            out += "\n| | test | |\n|---|---|---|\n";
        }
        let (name, words) = (cell(&test.name), cell(&test.words()));
        let _ = writeln!(out, "| {} | {name} | {words} |", test.outcome);
    }
    out
}

/// What there is to say about a case that did not pass.
fn details(case: &Try) -> String {
    let Some(why) = case.reason().filter(|_| case.verdict() != Verdict::Skipped) else {
        return String::new();
    };
    let words = words(why);
    // A fence is longer than every row of backticks inside it.
    let longest = words.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let name = escaped(&case.name);
    let verdict = case.verdict();
    format!(
        "\n<details><summary>{name} {verdict}</summary>\n\n{fence}text\n{words}\n{fence}\n\n\
         </details>\n"
    )
}

fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|").replace('\n', " ")
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '`' | '*' | '_' | '[' | ']' | '\\' => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    out
}

/// Appends the summary to the file that GitHub names.
pub(super) fn append(path: &Path, record: &Record) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(summary(record).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::testing::{
        HOSTILE, events, events_with_retries, record, unity_events, with_retries, with_unity,
    };

    #[test]
    fn a_failure_is_pointed_at_and_the_guests_words_are_no_commands() {
        let mut lines = Vec::new();
        let mut annotations = Annotations::new(&mut lines, Some("/scenarios".into()));
        events().iter().for_each(|event| annotations.event(event));
        let text = String::from_utf8(lines).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        let first = "::error file=waits.yaml,line=6,col=3,title=waits failed::  at step 2 (";
        assert!(text.starts_with(first), "{text}");
        assert!(text.lines().all(|line| line.starts_with("::error file=")), "{text}");
        assert!(text.contains("%0A  \"goodbye\" did not come within 50ms%0A"), "{text}");
    }

    #[test]
    fn a_test_that_failed_on_the_board_is_pointed_at_in_its_own_source() {
        let mut lines = Vec::new();
        let mut annotations = Annotations::new(&mut lines, None);
        unity_events().iter().for_each(|event| annotations.event(event));
        let text = String::from_utf8(lines).unwrap();
        let wanted = "::error file=main/test_queue.c,line=31,col=1,\
                      title=what goes in <first> comes out first failed::\
                      main/test_queue.c:31: Expected 1 Was 2\n";
        assert!(text.starts_with(wanted), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn the_summary_lists_the_tests_that_did_not_pass_on_the_board() {
        let text = summary(&with_unity());
        let wanted = "\nqueue: 3 Unity tests: 1 failed, 1 passed, 1 ignored\n\n\
            | | test | |\n|---|---|---|\n\
            | failed | what goes in &lt;first&gt; comes out first | main/test\\_queue.c:31: Expected 1 Was 2 |\n\
            | ignored | a full queue waits | main/test\\_queue.c:40: needs \\| a second task |\n";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn a_case_is_pointed_at_once_however_often_it_was_tried() {
        for (silent, level) in [(1, "::warning "), (9, "::error ")] {
            let mut lines = Vec::new();
            let mut annotations = Annotations::new(&mut lines, None);
            events_with_retries(silent).iter().for_each(|event| annotations.event(event));
            let text = String::from_utf8(lines).unwrap();
            assert!(text.starts_with(level) && text.lines().count() == 1, "{text}");
        }
    }

    #[test]
    fn properties_are_escaped_more_than_data() {
        assert_eq!(property("50% a:b,c\n"), "50%25 a%3Ab%2Cc%0A");
        assert_eq!(data("50% a:b,c\n"), "50%25 a:b,c%0A");
    }

    #[test]
    fn the_summary_has_a_row_for_each_case_and_the_reason_of_each_failure() {
        let text = summary(&record());
        let wall = regex::Regex::new(r"\b[0-9]+\.[0-9] s\b").unwrap();
        insta::assert_snapshot!(wall.replace_all(&text, "[wall]"));
    }

    #[test]
    fn neither_names_nor_output_break_out_of_the_summary() {
        let mut record = record();
        let case = &mut record.cases.get_mut(&1).unwrap()[0];
        case.name = HOSTILE.replace(']', "|");
        let end = case.end.as_mut().unwrap();
        let Some(Reason::Step { failure, .. }) = end.reason.as_deref_mut() else { panic!() };
        failure.what = "```` </details>".to_owned();
        let text = summary(&record);
        assert!(text.contains("\n`````text\n") && text.contains("\n`````\n"), "{text}");
        // Inside a fence everything is text.
        let (before, _) = text.split_once("`````").unwrap();
        assert!(!before.contains("<img") && before.contains("onerror=alert(1)&gt;\\|"), "{text}");
    }

    #[test]
    fn a_summary_that_would_be_too_long_ends_earlier() {
        let mut record = record();
        let tries = record.cases[&1].clone();
        record.cases = (0..5_000).map(|number| (number, tries.clone())).collect();
        let text = summary(&record);
        assert!(
            text.len() < 1 << 20 && text.ends_with("More did not fit here.\n"),
            "{}",
            text.len()
        );
    }

    #[test]
    fn a_flaky_case_is_a_warning() {
        let text = summary(&with_retries(1));
        assert!(text.contains("| flaky | greets |"), "{text}");
    }
}
