//! The same cases on two targets: where they part.
//!
//! A [`Course`] is what one target did in one case: how each step ended, and what the ports said. Two
//! courses are compared step by step and line by line. Lines are compared in the order of their port,
//! not by the step during which they came: a real line is read when it comes, so the last lines
//! before a step's end may come in the next one. What may differ between targets (times, addresses,
//! straps, heap figures) is redacted as in snapshots.

use std::collections::BTreeMap;
use std::fmt;

use crate::runner::events::{Event, Reason};
use crate::runner::evidence::Evidence;
use crate::runner::verdict::Verdict;
use crate::scenario::fault::Place;
use crate::snapshots::redact::{Redaction, redact};

/// Redactions that make targets equal.
const REDACTED: [&str; 6] = ["boot", "time", "address", "heap", "mac", "ip"];
/// Lines that are shown before and after the one that differs.
const AROUND: usize = 3;

/// A step as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StepCourse {
    title: String,
    file: String,
    place: Place,
    outcome: Option<(Verdict, String)>,
}

/// A line, and the step during which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    step: usize,
    text: String,
}

/// What one target did in one case.
#[derive(Debug, Clone, Default)]
pub struct Course {
    steps: Vec<StepCourse>,
    /// Lines by the names of their ports.
    lines: BTreeMap<String, Vec<Said>>,
    verdict: Option<Verdict>,
    skipped: Option<String>,
}

/// The courses of all cases of a run, by their names.
#[derive(Debug, Default)]
pub struct Courses {
    names: BTreeMap<usize, String>,
    courses: BTreeMap<String, Course>,
}

impl Courses {
    /// Takes the next event of the run.
    pub fn event(&mut self, event: &Event) {
        // Events of a case that never began belong nowhere.
        let _ = self.take(event);
    }

    fn course(&mut self, case: usize) -> Option<&mut Course> {
        self.courses.get_mut(self.names.get(&case)?)
    }

    fn take(&mut self, event: &Event) -> Option<()> {
        match event {
            Event::CaseStarted { case, name, .. } => {
                self.names.insert(*case, name.clone());
                // A case that is tried again starts anew.
                self.courses.insert(name.clone(), Course::default());
            }
            Event::StepStarted { case, summary, file, place, .. } => {
                let step = StepCourse {
                    title: summary.clone(),
                    file: file.clone(),
                    place: *place,
                    outcome: None,
                };
                self.course(*case)?.steps.push(step);
            }
            Event::StepFinished { case, step, verdict, evidence, .. } => {
                let words = evidence.as_ref().map(words).unwrap_or_default();
                self.course(*case)?.steps.get_mut(*step)?.outcome = Some((*verdict, words));
            }
            Event::Serial { case, on, port, text, .. } => {
                let course = self.course(*case)?;
                let port = on.iter().map(|name| format!("{name} ")).collect::<String>()
                    + &port.to_string();
                let said = Said { step: course.steps.len().saturating_sub(1), text: text.clone() };
                course.lines.entry(port).or_default().push(said);
            }
            Event::CaseFinished { case, verdict, reason, .. } => {
                let course = self.course(*case)?;
                course.verdict = Some(*verdict);
                course.skipped = reason.as_deref().and_then(skipped);
            }
            _ => {}
        }
        Some(())
    }
}

fn skipped(reason: &Reason) -> Option<String> {
    match reason {
        Reason::MissingCapabilities { missing } => {
            let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
            Some(format!("cannot do: {}", missing.join(", ")))
        }
        Reason::Cannot { what } => Some(format!("cannot do that: {}", what.join("; "))),
        Reason::Unbound { keys } => Some(format!("bench.toml has no: {}", keys.join(", "))),
        Reason::MissingParts { parts } => Some(format!("has no: {}", parts.join(", "))),
        Reason::OtherBoard { is } => Some(is.clone()),
        Reason::Step { .. } | Reason::Case { .. } => None,
    }
}

/// What a step saw, as far as targets must agree about it.
fn words(evidence: &Evidence) -> String {
    match evidence {
        // Every target has times of its own; and how much of a growing line has come when it is
        // recognised means nothing, while the lines themselves are compared.
        Evidence::Measured { .. } | Evidence::Line { .. } | Evidence::Seen { .. } => String::new(),
        Evidence::Snapshot { .. } => {
            let mut evidence = evidence.clone();
            if let Evidence::Snapshot { times, .. } = &mut evidence {
                *times = None;
            }
            evidence.words()
        }
        evidence => evidence.words(),
    }
}

/// What comparing a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// Both did the same.
    Same {
        /// How many steps.
        steps: usize,
        /// How many lines.
        lines: usize,
    },
    /// It did not run on one of them.
    NotCompared {
        /// Which, 0 or 1.
        target: usize,
        /// Why not.
        reason: String,
    },
    /// They part.
    Parted(Divergence),
}

/// Where two targets part first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The number of the step, from 1, with its place and title.
    pub step: String,
    /// What differs.
    pub what: String,
    /// Rows around it, and whether each is the one.
    pub rows: Vec<(bool, [String; 2])>,
}

/// Compares all cases of two runs, by their names.
pub fn compare(runs: [&Courses; 2]) -> Vec<(String, Compared)> {
    let mut names: Vec<_> = runs.iter().flat_map(|run| run.courses.keys()).collect();
    names.sort();
    names.dedup();
    let compared = names.into_iter().map(|name| {
        let courses = runs.map(|run| run.courses.get(name));
        let compared = match courses {
            [Some(one), Some(other)] => one.compare(other),
            [one, _] => Compared::NotCompared {
                target: usize::from(one.is_some()),
                reason: "it did not begin".to_owned(),
            },
        };
        (name.clone(), compared)
    });
    compared.collect()
}

impl Course {
    fn compare(&self, other: &Self) -> Compared {
        for (target, course) in [self, other].into_iter().enumerate() {
            if let Some(reason) = &course.skipped {
                return Compared::NotCompared { target, reason: reason.clone() };
            }
        }
        let redactions: Vec<_> = REDACTED.into_iter().filter_map(Redaction::named).collect();
        let plain = |text: &str| redact(text, &redactions).text.trim_end().to_owned();
        let by_line = self.first_line(other, &plain);
        let by_step = self.first_step(other, &plain);
        let first = [by_line, by_step].into_iter().flatten().min_by_key(|(step, _)| *step);
        match first {
            Some((_, divergence)) => Compared::Parted(divergence),
            None => Compared::Same {
                steps: self.steps.len(),
                lines: self.lines.values().map(Vec::len).sum(),
            },
        }
    }

    fn title(&self, step: usize) -> String {
        match self.steps.get(step) {
            Some(StepCourse { title, file, place, .. }) => {
                format!("{} ({file}:{place}): {title}", step + 1)
            }
            None => format!("{}", step + 1),
        }
    }

    /// The first step that ends otherwise.
    fn first_step(
        &self,
        other: &Self,
        plain: &impl Fn(&str) -> String,
    ) -> Option<(usize, Divergence)> {
        let shown = |course: &Self, step: usize| match course.steps.get(step) {
            None => "not begun".to_owned(),
            Some(StepCourse { outcome: None, .. }) => "not ended".to_owned(),
            Some(StepCourse { outcome: Some((verdict, words)), .. }) if words.is_empty() => {
                verdict.to_string()
            }
            Some(StepCourse { outcome: Some((verdict, words)), .. }) => {
                format!("{verdict}: {}", plain(words))
            }
        };
        let steps = 0..self.steps.len().max(other.steps.len());
        let step = steps.into_iter().find(|step| shown(self, *step) != shown(other, *step))?;
        let rows = vec![(true, [shown(self, step), shown(other, step)])];
        let what = "the step ends otherwise".to_owned();
        let title = if step < self.steps.len() { self.title(step) } else { other.title(step) };
        Some((step, Divergence { step: title, what, rows }))
    }

    /// The first line that is another one. Where one target has said less when the case ends, what is
    /// missing is no difference: it may have been still to come.
    fn first_line(
        &self,
        other: &Self,
        plain: &impl Fn(&str) -> String,
    ) -> Option<(usize, Divergence)> {
        let mut first: Option<(usize, Divergence)> = None;
        for (port, mine) in &self.lines {
            let Some(theirs) = other.lines.get(port) else { continue };
            let differs = |(one, two): &(&Said, &Said)| plain(&one.text) != plain(&two.text);
            let Some(at) = mine.iter().zip(theirs).position(|pair| differs(&pair)) else {
                continue;
            };
            // The last line of a case may have been growing when it ended.
            let is_beginning = |one: &[Said], two: &[Said]| {
                at + 1 == one.len() && two[at].text.starts_with(&one[at].text)
            };
            if is_beginning(mine, theirs) || is_beginning(theirs, mine) {
                continue;
            }
            let step = mine[at].step.min(theirs[at].step);
            if first.as_ref().is_some_and(|(earlier, _)| *earlier <= step) {
                continue;
            }
            let text = |lines: &[Said], n: usize| {
                lines.get(n).map(|said| said.text.clone()).unwrap_or_default()
            };
            let rows = (at.saturating_sub(AROUND)..at + AROUND + 1)
                .filter(|n| *n < mine.len().max(theirs.len()))
                .map(|n| (n == at, [text(mine, n), text(theirs, n)]));
            let what = format!("line {} of {port} is another one", at + 1);
            let divergence = Divergence { step: self.title(step), what, rows: rows.collect() };
            first = Some((step, divergence));
        }
        first
    }
}

impl Divergence {
    /// Both sides in columns of so many characters.
    pub fn side_by_side(&self, names: [&str; 2], width: usize) -> String {
        let mut out = format!("  at step {}\n  {}\n", self.step, self.what);
        let head = (false, names.map(str::to_owned));
        for (is_it, [one, other]) in std::iter::once(&head).chain(&self.rows) {
            let sign = if *is_it { '>' } else { '|' };
            let (one, other) = (cut(one, width), cut(other, width));
            let pad = width.saturating_sub(console::measure_text_width(&one));
            let line = format!("  {sign} {one}{} {sign} {other}", " ".repeat(pad));
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same { steps, lines } => write!(f, "the same ({steps} steps, {lines} lines)"),
            Self::NotCompared { reason, .. } => write!(f, "not compared: {reason}"),
            Self::Parted(_) => f.write_str("the targets part"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing::events;
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::time::Span;

    const STEPS: &str = "
name: t
version: 1
steps:
- expect-serial: ready
- write-serial: go
- expect-serial: {regex: 'the (?<what>\\w+)'}
- log: '{{what}}'
";

    /// What a board does that says this at its start, and this when it is told to go.
    fn course(boot: &str, answer: &str) -> Courses {
        let replies = [
            Reply::on(Cue::PowerOn).say(Span::from_millis(3), boot),
            Reply::on(Cue::Sent(b"go".to_vec())).say(Span::from_millis(1), answer),
        ];
        let project = tempfile::tempdir().unwrap();
        let mut courses = Courses::default();
        let source = FakeSource::new(FakeTarget::new(replies));
        let mut emit = |event| courses.event(&event);
        assert_eq!(events(project.path(), &source, STEPS, &[], &mut emit), None);
        courses
    }

    fn compared(one: &Courses, other: &Courses) -> Compared {
        let mut all = compare([one, other]);
        assert_eq!(all.len(), 1);
        all.remove(0).1
    }

    #[test]
    fn times_and_addresses_are_no_difference() {
        let one = course("I (251) boot: at 0x3fff0030\r\nready\r\n", "the end\r\n");
        let other = course("I (97) boot: at 0x3fff1230\r\nready\r\n", "the end\r\n");
        assert_eq!(compared(&one, &other), Compared::Same { steps: 4, lines: 3 });
    }

    #[test]
    fn the_first_line_that_differs_is_shown_side_by_side() {
        let one = course("one\r\ntwo\r\nready\r\n", "the end\r\n");
        let other = course("one\r\n2\r\nready\r\n", "the rest\r\n");
        let Compared::Parted(parted) = compared(&one, &other) else { panic!("they part") };
        assert_eq!(parted.what, "line 2 of console is another one");
        assert!(parted.step.ends_with(".yaml:5:3): expect-serial \"ready\""), "{}", parted.step);
        let shown = parted.side_by_side(["emulator", "board:x"], 10);
        let rows: Vec<_> = shown.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "  | emulator   | board:x",
                "  | one        | one",
                "  > two        > 2",
                "  | ready      | ready",
                "  | the end    | the rest",
            ]
        );
    }

    #[test]
    fn a_step_that_ends_otherwise_is_a_difference_and_a_last_line_that_is_missing_is_none() {
        let one = course("ready\r\n", "the end\r\nand more\r\n");
        for less in ["the end\r\n", "the end\r\nand m"] {
            let less = course("ready\r\n", less);
            assert!(matches!(compared(&one, &less), Compared::Same { .. }));
        }
        let silent = course("ready\r\n", "");
        let Compared::Parted(parted) = compared(&one, &silent) else { panic!("they part") };
        assert_eq!(parted.what, "the step ends otherwise");
        assert_eq!(parted.rows[0].1, ["passed", "failed"]);
    }
}
