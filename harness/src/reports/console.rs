//! The report for a person: progress while it runs, a summary of what was proved at the end.
//!
//! On a terminal the finished steps scroll by above one bar per running case; in a pipe or under CI
//! there are only the lines. Progress goes to stderr, the summary to stdout.

use std::fmt::Write as _;
use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Report;
use super::words::{Palette, proof, reason, seconds, wall};
use crate::runner::events::Event;
use crate::runner::evidence::Evidence;
use crate::runner::verdict::Verdict;
use crate::targets::MachineReport;
use crate::time::DeviceTime;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Lines, and a bar below them.
    Live,
    /// Lines only.
    Lines,
    /// Nothing.
    Quiet,
}

/// How a person sees the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// How progress is shown.
    pub progress: Progress,
    /// Whether serial lines are shown as they come.
    pub serial: bool,
    /// Colours in the progress.
    pub progress_colours: bool,
    /// Colours in the summary.
    pub summary_colours: bool,
}

/// The report for a person.
pub struct Console<P: Write, S: Write> {
    progress: P,
    summary: S,
    look: Look,
    progress_ink: Palette,
    summary_ink: Palette,
    bar: Option<ProgressBar>,
    case: Option<RunningCase>,
    seed: u64,
    target: String,
    text: String,
}

struct RunningCase {
    name: String,
    title: String,
    file: String,
    board: String,
    steps: usize,
    summary: String,
    time: DeviceTime,
    proofs: Vec<(&'static str, String)>,
}

impl<P: Write, S: Write> Console<P, S> {
    /// Progress goes to `progress`, the summary to `summary`.
    pub fn new(progress: P, summary: S, look: Look) -> Self {
        Self {
            progress,
            summary,
            look,
            progress_ink: Palette::new(look.progress_colours),
            summary_ink: Palette::new(look.summary_colours),
            bar: None,
            case: None,
            seed: 0,
            target: String::new(),
            text: String::new(),
        }
    }

    /// A line of progress, above the bar.
    fn line(&mut self, line: &str) {
        if self.look.progress == Progress::Quiet {
            return;
        }
        match &self.bar {
            Some(bar) => bar.println(line),
            None => {
                let _ = writeln!(self.progress, "{line}");
            }
        }
    }

    fn start_bar(&mut self, length: usize, name: &str) {
        if self.look.progress != Progress::Live {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
        let style =
            ProgressStyle::with_template("{spinner} {prefix} [{bar:24}] {pos}/{len} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        self.bar = Some(bar);
    }

    fn step_finished(
        &mut self,
        step: usize,
        verdict: Verdict,
        time: DeviceTime,
        evidence: Option<&Evidence>,
    ) {
        let Some(case) = &mut self.case else { return };
        let mark = match verdict {
            Verdict::Passed => self.progress_ink.good.apply_to("ok"),
            _ => self.progress_ink.bad.apply_to("XX"),
        };
        let number = format!("{:>3}/{}", step + 1, case.steps);
        let mut line = format!(
            "  {mark} {} {:>9}  {}",
            self.progress_ink.faint.apply_to(number),
            seconds(time),
            case.summary
        );
        if let Some(evidence) = evidence {
            let words = evidence.words();
            if !words.is_empty() {
                let _ =
                    write!(line, "  {}", self.progress_ink.faint.apply_to(format!("-> {words}")));
            }
            if let Evidence::Snapshot { warning: Some(warning), .. } = evidence {
                let _ = write!(line, "  {}", self.progress_ink.odd.apply_to(warning));
            }
            case.proofs.extend(proof(evidence));
        }
        case.time = time;
        if let Some(bar) = &self.bar {
            bar.set_position(step as u64 + 1);
        }
        self.line(&line);
    }

    fn case_finished(&mut self, verdict: Verdict, event: &Event) {
        let Event::CaseFinished { reason: why, machine, wall_ms, .. } = event else { return };
        let Some(case) = self.case.take() else { return };
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let ink = &self.summary_ink;
        let mut out = format!(
            "{} {} ({}; {} on {}, {} of device time in {})\n",
            ink.verdict(verdict),
            ink.strong.apply_to(&case.name),
            case.title,
            case.board,
            self.target,
            seconds(machine.as_ref().map_or(case.time, |machine| machine.time)),
            wall(*wall_ms),
        );
        for (verb, what) in &case.proofs {
            let _ = writeln!(out, "  {:8} {what}", ink.good.apply_to(verb));
        }
        if let Some(why) = why {
            out += &reason(why, ink);
            if matches!(verdict, Verdict::Failed | Verdict::Error) {
                let again = format!(
                    "benchrig run {} --filter '{}' --seed {}",
                    case.file, case.name, self.seed
                );
                let _ = writeln!(out, "  {} {again}", ink.strong.apply_to("again:"));
            }
        }
        if let Some(machine) = machine {
            machine_words(&mut out, machine, ink);
        }
        self.text += &out;
    }
}

fn machine_words(out: &mut String, machine: &MachineReport, ink: &Palette) {
    if let Some(hash) = &machine.event_hash {
        let _ = writeln!(out, "  {}", ink.faint.apply_to(format!("event hash {hash}")));
    }
    if !machine.unmodelled.is_empty() {
        let _ =
            writeln!(out, "  {}", ink.odd.apply_to("not modelled, and touched by the firmware:"));
        for access in &machine.unmodelled {
            let _ = writeln!(out, "    {access}");
        }
    }
    if !machine.stored_only.is_empty() {
        let devices: Vec<_> =
            machine.stored_only.iter().map(|(device, count)| format!("{device} {count}")).collect();
        let text = format!("registers that only store, by accesses: {}", devices.join(", "));
        let _ = writeln!(out, "  {}", ink.faint.apply_to(text));
    }
    if machine.lost_serial_bytes > 0 {
        let lost = format!("{} serial bytes came too fast for the chip", machine.lost_serial_bytes);
        let _ = writeln!(out, "  {}", ink.odd.apply_to(lost));
    }
    for note in &machine.notes {
        let _ = writeln!(out, "  {} {note}", ink.odd.apply_to("note:"));
    }
}

impl<P: Write, S: Write> Report for Console<P, S> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStarted { target, seed, .. } => {
                self.seed = *seed;
                self.target.clone_from(target);
            }
            Event::CaseStarted { name, title, file, board, steps, attempt, host_fork, .. } => {
                let again = if *attempt > 1 { format!(", try {attempt}") } else { String::new() };
                let fork = host_fork.as_ref().map_or(String::new(), |fork| {
                    format!(", from step {} of {} on", fork.steps + 1, fork.name)
                });
                let name_shown = self.progress_ink.strong.apply_to(name);
                let head = format!("{name_shown}: {title}{again}{fork}");
                self.line(&head);
                self.start_bar(*steps, name);
                self.case = Some(RunningCase {
                    name: name.clone(),
                    title: title.clone(),
                    file: file.clone(),
                    board: board.clone(),
                    steps: *steps,
                    summary: String::new(),
                    time: DeviceTime::ZERO,
                    proofs: Vec::new(),
                });
            }
            Event::Firmware { name, wall_note } => {
                self.line(&format!("firmware {name}: {wall_note}"));
            }
            Event::FirmwareBytes { name, wall_done, wall_total } => {
                if let Some(bar) = &self.bar {
                    let (done, total) = (wall_done >> 10, wall_total >> 10);
                    bar.set_message(format!("fetching {name}: {done} of {total} KiB"));
                }
            }
            Event::StepStarted { summary, .. } => {
                if let Some(case) = &mut self.case {
                    case.summary.clone_from(summary);
                }
                if let Some(bar) = &self.bar {
                    bar.set_message(summary.clone());
                }
            }
            Event::StepProgress { what, done, total, .. } => {
                if let Some(bar) = &self.bar {
                    let hundredths = 100 * done / (*total).max(1);
                    bar.set_message(format!("{what}: {hundredths} %"));
                }
            }
            Event::Serial { port, time, text, .. } => {
                if self.look.serial {
                    let head = format!("       {port} {}", seconds(*time));
                    let line = format!("{} {text}", self.progress_ink.faint.apply_to(head));
                    self.line(&line);
                }
            }
            Event::StepFinished { step, verdict, time, evidence, .. } => {
                self.step_finished(*step, *verdict, *time, evidence.as_ref());
            }
            Event::CaseFinished { verdict, .. } => self.case_finished(*verdict, event),
            Event::RunFinished { tally, wall_ms, .. } => {
                let words = match tally.words() {
                    words if words.is_empty() => "nothing ran".to_owned(),
                    words => words,
                };
                let _ = writeln!(
                    self.text,
                    "{} in {}",
                    self.summary_ink.strong.apply_to(words),
                    wall(*wall_ms)
                );
                let text = std::mem::take(&mut self.text);
                let _ = self.summary.write_all(text.as_bytes()).and_then(|()| self.summary.flush());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing::events;
    use crate::targets::UnmodelledAccess;
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::time::Span;

    fn shown(target: FakeTarget, text: &str) -> (String, String) {
        let project = tempfile::tempdir().unwrap();
        let look = Look {
            progress: Progress::Lines,
            serial: false,
            progress_colours: false,
            summary_colours: false,
        };
        let (mut progress, mut summary) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut progress, &mut summary, look);
        let source = FakeSource::new(target);
        events(project.path(), &source, text, &[], &mut |event| console.event(&event));
        let text = |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            let text = text.replace(&project.path().display().to_string(), "PROJECT");
            let wall = regex::Regex::new(r"\b[0-9]+\.[0-9] s\b").unwrap();
            wall.replace_all(&text, "[wall]").into_owned()
        };
        (text(progress), text(summary))
    }

    const TEXT: &str = "
name: A board says hello
version: 1
firmware: two-parts
steps:
- expect-serial: ready
- repl: {code: 1+1, expect: 2}
- name: the end
  expect-serial: {text: goodbye, within: 50ms}
";

    fn board() -> FakeTarget {
        let ms = Span::from_millis;
        FakeTarget::new([
            Reply::on(Cue::PowerOn).say(ms(3), "ready\r\n").say(ms(1), ">>> "),
            Reply::on(Cue::Sent(b"1+1\r".to_vec())).say(ms(1), "2\r\ngood bye\r\n>>> "),
        ])
        .echoing()
        .reporting(MachineReport {
            unmodelled: vec![UnmodelledAccess {
                device: "RTC_IO".into(),
                offset: 0x10,
                kind: "read",
                pc: 0x4008_1234,
                count: 3,
            }],
            notes: vec!["Bluetooth is not modelled".into()],
            ..MachineReport::default()
        })
    }

    #[test]
    fn a_failure_is_understandable_from_the_report_alone() {
        let text = TEXT.replace("expect: 2", "expect: \"2\\ngood bye\"");
        let (progress, summary) = shown(board(), &text);
        insta::assert_snapshot!("failed_progress", progress);
        insta::assert_snapshot!("failed_summary", summary);
    }

    #[test]
    fn a_passed_case_says_what_was_proved() {
        let text = TEXT
            .replace("expect: 2", "expect: \"2\\ngood bye\"")
            .split("- name: the end")
            .next()
            .unwrap()
            .to_owned();
        let (_, summary) = shown(board(), &text);
        insta::assert_snapshot!("passed_summary", summary);
    }
}
