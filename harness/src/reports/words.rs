//! Results in words, shared by the reports for people.

use std::fmt::Write as _;

use console::Style;

use crate::runner::crash::{Backtrace, Crash};
use crate::runner::events::Reason;
use crate::runner::evidence::Evidence;
use crate::runner::failure::Failure;
use crate::runner::verdict::Verdict;
use crate::time::DeviceTime;

/// Styles for one stream: colours where it wants them.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    pub(super) good: Style,
    pub(super) bad: Style,
    pub(super) odd: Style,
    pub(super) faint: Style,
    pub(super) strong: Style,
}

impl Palette {
    pub(super) fn new(colours: bool) -> Self {
        let style = || Style::new().force_styling(colours);
        Self {
            good: style().green(),
            bad: style().red().bold(),
            odd: style().yellow(),
            faint: style().dim(),
            strong: style().bold(),
        }
    }

    pub(super) fn verdict(&self, verdict: Verdict) -> String {
        let style = match verdict {
            Verdict::Passed => &self.good,
            Verdict::Failed | Verdict::Error => &self.bad,
            Verdict::Flaky | Verdict::Skipped | Verdict::Interrupted => &self.odd,
        };
        style.apply_to(verdict).to_string()
    }
}

/// Device time as `12.345s`.
pub(super) fn seconds(time: DeviceTime) -> String {
    let ms = time.nanos() / 1_000_000;
    format!("{}.{:03}s", ms / 1_000, ms % 1_000)
}

/// Wall time as `1.2 s`.
pub(super) fn wall(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

/// What evidence proves about the firmware, as a verb and its object; `None` for what only records
/// an action.
pub(super) fn proof(evidence: &Evidence) -> Option<(&'static str, String)> {
    Some(match evidence {
        Evidence::Line { .. } => ("printed", evidence.words()),
        Evidence::Answer { answer, .. } if answer.is_empty() => return None,
        Evidence::Answer { code, .. } => {
            let code = code.lines().next().unwrap_or_default();
            ("answered", format!("{code} -> {}", evidence.words()))
        }
        Evidence::Snapshot { .. } => ("matched", evidence.words()),
        Evidence::Unity { .. } => ("tested", evidence.words()),
        Evidence::Measured { .. } => ("measured", evidence.words()),
        Evidence::Done | Evidence::Seen { .. } | Evidence::Note { .. } => return None,
    })
}

/// Why a case did not simply pass.
pub(super) fn reason(reason: &Reason, palette: &Palette) -> String {
    let mut out = String::new();
    match reason {
        Reason::MissingCapabilities { missing } => {
            let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
            let _ = writeln!(out, "  the target cannot do: {}", missing.join(", "));
        }
        Reason::OtherBoard { is } => {
            let _ = writeln!(out, "  {is}");
        }
        Reason::Cannot { what } => {
            for what in what {
                let _ = writeln!(out, "  the target cannot do that: {what}");
            }
        }
        Reason::Unbound { keys } => {
            let _ = writeln!(out, "  bench.toml has no: {}", keys.join(", "));
        }
        Reason::MissingParts { parts } => {
            let _ = writeln!(out, "  the board has no: {}", parts.join(", "));
        }
        Reason::Case { failure } => failure_words(&mut out, failure, palette),
        Reason::Step { step, file, place, yaml, during, failure } => {
            let at = format!("{file}:{place}");
            let during: String = during.iter().map(|what| format!(", {what}")).collect();
            let at = palette.faint.apply_to(at);
            let _ = writeln!(out, "  at step {}{during} ({at})", step + 1);
            for (n, line) in yaml.lines().enumerate() {
                let bullet = if n == 0 { "- " } else { "" };
                let _ = writeln!(out, "    {}{line}", palette.strong.apply_to(bullet));
            }
            failure_words(&mut out, failure, palette);
        }
    }
    out
}

fn failure_words(out: &mut String, failure: &Failure, palette: &Palette) {
    let block = |out: &mut String, title: &str, text: &str| {
        let _ = writeln!(out, "  {title}:");
        for line in text.lines() {
            let _ = writeln!(out, "    {} {line}", palette.faint.apply_to("|"));
        }
    };
    let _ = writeln!(out, "  {}", palette.bad.apply_to(&failure.what));
    if let Some(expected) = &failure.expected {
        block(out, "expected", expected);
    }
    if !failure.seen.is_empty() {
        let title = if failure.expected.is_some() { "seen" } else { "the last lines" };
        block(out, title, &failure.seen.join("\n"));
    }
    if let Some(crash) = &failure.crash {
        crash_words(out, crash, palette);
    }
    if let Some(near) = &failure.nearest {
        block(out, &format!("nearest, at {}", seconds(near.time)), &near.line);
    }
    if let Some(seen) = &failure.already_seen {
        let title = format!("already seen at {}, before this step began", seconds(seen.time));
        block(out, &title, &seen.line);
    }
    if let Some(diff) = &failure.diff {
        for line in diff.lines() {
            let style = match line.as_bytes().first() {
                Some(b'-') => &palette.bad,
                Some(b'+') => &palette.good,
                _ => &palette.faint,
            };
            // The bar keeps what the guest said from the beginning of a line, where GitHub's runner
            // would take it for a command.
            let _ = writeln!(out, "    {} {}", palette.faint.apply_to("|"), style.apply_to(line));
        }
    }
    if !failure.standing.is_empty() {
        block(out, "where the cores stood", &failure.standing.join("\n"));
    }
    if let Some(help) = &failure.help {
        let _ = writeln!(out, "  {} {help}", palette.strong.apply_to("help:"));
    }
}

/// A crash in plain text.
pub(super) fn crash_text(crash: &Crash) -> String {
    let mut out = format!("{} at {}: {}\n", crash.kind, seconds(crash.time), crash.line);
    crash_words(&mut out, crash, &Palette::new(false));
    out.trim_end().to_owned()
}

fn crash_words(out: &mut String, crash: &Crash, palette: &Palette) {
    if !crash.kind.is_fatal() {
        let said = format!("{} at {}: {}", crash.kind, crash.time, crash.line);
        let _ = writeln!(out, "  {}", palette.odd.apply_to(said));
    }
    for backtrace in &crash.backtraces {
        let lines = backtrace_lines(backtrace);
        if lines.is_empty() {
            continue;
        }
        let _ = writeln!(out, "  backtrace:");
        for line in lines {
            let _ = writeln!(out, "    {} {line}", palette.faint.apply_to("|"));
        }
    }
    if let Some(note) = &crash.note {
        let _ = writeln!(out, "  {} {note}", palette.odd.apply_to("note:"));
    } else if needs_elf(crash) {
        let help = "name the firmware's ELF file with `elf:` or --elf to see the source lines";
        let _ = writeln!(out, "  {} {help}", palette.strong.apply_to("help:"));
    }
}

/// Whether there are addresses that an ELF file could explain.
pub(super) fn needs_elf(crash: &Crash) -> bool {
    let mut frames = crash.backtraces.iter().flat_map(|it| &it.frames).peekable();
    frames.peek().is_some() && frames.all(|frame| frame.locations.is_empty())
}

/// A backtrace whose places are known, a line each: the address, the function, its callers that it
/// was inlined into. Empty when nothing is known beyond what the guest printed itself.
pub(super) fn backtrace_lines(backtrace: &Backtrace) -> Vec<String> {
    if backtrace.frames.iter().all(|frame| frame.locations.is_empty()) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for frame in &backtrace.frames {
        let address = format!("{:#010x}", frame.pc);
        let Some((first, callers)) = frame.locations.split_first() else {
            lines.push(format!("{address} ??"));
            continue;
        };
        lines.push(format!("{address} {first}"));
        lines.extend(callers.iter().map(|caller| format!("           (inlined by) {caller}")));
    }
    if backtrace.corrupted {
        lines.push("the rest is corrupted".to_owned());
    }
    lines
}
