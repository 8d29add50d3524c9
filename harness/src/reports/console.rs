//! The report for a person: progress while it runs, a summary of what was proved at the end.
//!
//! On a terminal there is a bar for each running case. Finished steps scroll by above them if there
//! is only one case; of several, only their ends do, for a person cannot follow more. In a pipe or
//! under CI there are only lines, each with its case's name if there are several. Progress goes to
//! stderr, the summary to stdout, in the order of the cases.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use indicatif::ProgressBar;

use super::bars::Bars;
use super::record::PortOf;
use super::words::{Palette, proof, reason, seconds, wall};
use super::{Report, anchor};
use crate::runner::events::Event;
use crate::runner::evidence::Evidence;
use crate::runner::verdict::Verdict;
use crate::targets::MachineReport;
use crate::time::DeviceTime;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Lines, and bars below them.
    Live,
    /// Lines only.
    Lines,
    /// Nothing.
    Quiet,
}

/// How a person sees the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// How progress is shown.
    pub progress: Progress,
    /// Whether serial lines are shown as they come.
    pub serial: bool,
    /// Colours in the progress.
    pub progress_colours: bool,
    /// Colours in the summary.
    pub summary_colours: bool,
    /// The page that a failure refers to.
    pub page: Option<PathBuf>,
}

/// The report for a person.
pub struct Console<P: Write, S: Write> {
    progress: P,
    summary: S,
    look: Look,
    progress_ink: Palette,
    summary_ink: Palette,
    bars: Bars,
    fetching: BTreeMap<String, ProgressBar>,
    running: BTreeMap<usize, RunningCase>,
    /// The words about each try of each case, in the order they are printed.
    ended: BTreeMap<(usize, u32), String>,
    cases: usize,
    target: String,
}

struct RunningCase {
    name: String,
    title: String,
    file: String,
    board: String,
    attempt: u32,
    seed: u64,
    steps: usize,
    summary: String,
    time: DeviceTime,
    proofs: Vec<(&'static str, String)>,
    bar: ProgressBar,
}

impl<P: Write, S: Write> Console<P, S> {
    /// Progress goes to `progress` (on a terminal: to stderr), the summary to `summary`.
    pub fn new(progress: P, summary: S, look: Look) -> Self {
        let bars = match look.progress {
            Progress::Live => Bars::on_terminal(),
            Progress::Lines | Progress::Quiet => Bars::hidden(),
        };
        Self {
            progress,
            summary,
            progress_ink: Palette::new(look.progress_colours),
            summary_ink: Palette::new(look.summary_colours),
            look,
            bars,
            fetching: BTreeMap::new(),
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            cases: 0,
            target: String::new(),
        }
    }

    /// Draws the bars elsewhere.
    #[cfg(test)]
    fn drawing_on(self, target: indicatif::ProgressDrawTarget) -> Self {
        Self { bars: Bars::on(target), ..self }
    }

    /// The live picture, for those who want to talk with the person.
    pub fn bars(&self) -> Bars {
        self.bars.clone()
    }

    /// A line of progress, above the bars.
    fn line(&mut self, line: &str) {
        match self.look.progress {
            Progress::Quiet => {}
            Progress::Live => {
                self.bars.line(line);
            }
            // In one piece: another process may be writing to the same pipe.
            Progress::Lines => {
                let _ = self.progress.write_all(format!("{line}\n").as_bytes());
            }
        }
    }

    /// A line about a case.
    fn case_line(&mut self, case: usize, line: &str) {
        match self.running.get(&case) {
            Some(running) if self.cases > 1 => {
                let name = self.progress_ink.faint.apply_to(format!("{} |", running.name));
                let line = format!("{name} {line}");
                self.line(&line);
            }
            _ => self.line(line),
        }
    }

    /// Whether each step of each case is worth a line.
    fn shows_steps(&self) -> bool {
        self.look.progress != Progress::Live || self.cases <= 1 || self.look.serial
    }

    fn case_started(&mut self, event: &Event) {
        let Event::CaseStarted {
            case,
            name,
            title,
            file,
            board,
            steps,
            attempt,
            seed,
            host_fork,
            ..
        } = event
        else {
            return;
        };
        let running = RunningCase {
            name: name.clone(),
            title: title.clone(),
            file: file.clone(),
            board: board.clone(),
            attempt: *attempt,
            seed: *seed,
            steps: *steps,
            summary: String::new(),
            time: DeviceTime::ZERO,
            proofs: Vec::new(),
            bar: self.bars.case(name, *steps),
        };
        self.running.insert(*case, running);
        if self.shows_steps() {
            let again = if *attempt > 1 { format!(", try {attempt}") } else { String::new() };
            let fork = host_fork.as_ref().map_or(String::new(), |fork| {
                format!(", from step {} of {} on", fork.steps + 1, fork.name)
            });
            let head = match self.cases {
                0 | 1 => format!("{}: {title}{again}", self.progress_ink.strong.apply_to(name)),
                _ => format!("{title}{again}{fork}"),
            };
            self.case_line(*case, &head);
        }
    }

    fn step_finished(
        &mut self,
        case: usize,
        step: usize,
        verdict: Verdict,
        time: DeviceTime,
        evidence: Option<&Evidence>,
    ) {
        let Some(running) = self.running.get_mut(&case) else { return };
        let mark = match verdict {
            Verdict::Passed => self.progress_ink.good.apply_to("ok"),
            Verdict::Interrupted => self.progress_ink.odd.apply_to("--"),
            _ => self.progress_ink.bad.apply_to("XX"),
        };
        let number = format!("{:>3}/{}", step + 1, running.steps);
        let mut line = format!(
            "  {mark} {} {:>9}  {}",
            self.progress_ink.faint.apply_to(number),
            seconds(time),
            running.summary
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
            running.proofs.extend(proof(evidence));
        }
        running.time = time;
        running.bar.set_position(step as u64 + 1);
        if self.shows_steps() || verdict != Verdict::Passed {
            self.case_line(case, &line);
        }
    }

    fn case_finished(&mut self, event: &Event) {
        let Event::CaseFinished { case, verdict, reason: why, machine, wall_ms, .. } = event else {
            return;
        };
        let Some(running) = self.running.remove(case) else { return };
        self.bars.end(&running.bar);
        let time = seconds(machine.as_ref().map_or(running.time, |machine| machine.time));
        let took = format!("{time} of device time in {}", wall(*wall_ms));
        let name = |ink: &Palette| {
            format!("{} {}", ink.verdict(*verdict), ink.strong.apply_to(&running.name))
        };
        let surroundings = format!("{}; {} on {}", running.title, running.board, self.target);
        if self.cases > 1 {
            let name = name(&self.progress_ink);
            // A person who watches knows the rest, and will see it in the summary.
            let line = match self.look.progress {
                Progress::Live => self.bars.fitting(&format!("{name}, {took}")).into_owned(),
                _ => format!("{name} ({surroundings}, {took})"),
            };
            self.line(&line);
        }
        let mut out = format!("{} ({surroundings}, {took})", name(&self.summary_ink));
        let ink = &self.summary_ink;
        out.push('\n');
        for (verb, what) in &running.proofs {
            let _ = writeln!(out, "  {:8} {what}", ink.good.apply_to(verb));
        }
        if let Some(why) = why {
            out += &reason(why, ink);
            if matches!(verdict, Verdict::Failed | Verdict::Error) {
                let again = format!(
                    "benchrig run {} --filter '{}' --seed {}",
                    running.file, running.name, running.seed
                );
                let _ = writeln!(out, "  {} {again}", ink.strong.apply_to("again:"));
                if let Some(page) = &self.look.page {
                    let place = format!("{}#{}", page.display(), anchor(*case));
                    let _ = writeln!(out, "  {} {place}", ink.strong.apply_to("report:"));
                }
            }
        }
        if let Some(machine) = machine {
            machine_words(&mut out, machine, ink);
            compiling_words(&mut out, machine, self.look.serial, ink);
        }
        self.ended.insert((*case, running.attempt), out);
    }

    fn run_finished(&mut self, words: &str, wall_ms: u64) {
        let mut text: String = std::mem::take(&mut self.ended).into_values().collect();
        let words = if words.is_empty() { "nothing ran" } else { words };
        let _ = writeln!(text, "{} in {}", self.summary_ink.strong.apply_to(words), wall(wall_ms));
        let _ = self.summary.write_all(text.as_bytes()).and_then(|()| self.summary.flush());
    }

    fn fetching(&mut self, name: &str, done: u64, total: u64) {
        if self.look.progress != Progress::Live {
            return;
        }
        if !self.fetching.contains_key(name) {
            self.fetching.insert(name.to_owned(), self.bars.fetching(name, total));
        }
        if let Some(bar) = self.fetching.get(name) {
            bar.set_length(total);
            bar.set_position(done);
        }
        if done >= total {
            self.end_fetching(name);
        }
    }

    fn end_fetching(&mut self, name: &str) {
        if let Some(bar) = self.fetching.remove(name) {
            self.bars.end(&bar);
        }
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

/// What compiling cost is for those who want to hear everything, unless its limit was reached.
fn compiling_words(out: &mut String, machine: &MachineReport, everything: bool, ink: &Palette) {
    match &machine.host_compiling {
        Some(cost) if cost.refused > 0 => {
            let _ = writeln!(out, "  {} compiled {cost}", ink.odd.apply_to("note:"));
        }
        Some(cost) if everything => {
            let _ = writeln!(out, "  {}", ink.faint.apply_to(format!("compiled {cost}")));
        }
        _ => {}
    }
}

impl<P: Write, S: Write> Report for Console<P, S> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStarted { target, cases, .. } => {
                self.cases = *cases;
                self.target.clone_from(target);
            }
            Event::CaseStarted { .. } => self.case_started(event),
            Event::Firmware { name, wall_note } => {
                self.end_fetching(name);
                let line = format!("firmware {name}: {wall_note}");
                let is_live = self.look.progress == Progress::Live;
                let shown = if is_live { self.bars.fitting(&line) } else { (&*line).into() };
                self.line(&shown);
            }
            Event::FirmwareBytes { name, wall_done, wall_total } => {
                self.fetching(name, *wall_done, *wall_total);
            }
            Event::StepStarted { case, summary, .. } => {
                if let Some(running) = self.running.get_mut(case) {
                    running.summary.clone_from(summary);
                    running.bar.set_message(summary.clone());
                }
            }
            Event::StepProgress { case, what, done, total, .. } => {
                if let Some(running) = self.running.get(case) {
                    let hundredths = 100 * done / (*total).max(1);
                    running.bar.set_message(format!("{what}: {hundredths} %"));
                }
            }
            Event::Serial { case, on, port, time, text } => {
                if self.look.serial {
                    let port = PortOf { on: on.clone(), port: *port };
                    let head = format!("       {port} {}", seconds(*time));
                    let line = format!("{} {text}", self.progress_ink.faint.apply_to(head));
                    self.case_line(*case, &line);
                }
            }
            Event::Remark { case, on, time, text } => {
                let on = on.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
                let head = format!("  bench {}", seconds(*time));
                let line = format!("{} {on}{text}", self.progress_ink.odd.apply_to(head));
                self.case_line(*case, &line);
            }
            Event::Site { case, on, time, text } => {
                if self.look.serial {
                    let on = on.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
                    let head = format!("       net {}", seconds(*time));
                    let line = format!("{} {on}{text}", self.progress_ink.faint.apply_to(head));
                    self.case_line(*case, &line);
                }
            }
            // What a crash or a test means for the case is told with the step that ends by it.
            Event::Image { .. }
            | Event::Pin { .. }
            | Event::Http { .. }
            | Event::Message { .. }
            | Event::Crash { .. }
            | Event::UnityTest { .. } => {}
            Event::StepFinished { case, step, verdict, time, evidence, .. } => {
                self.step_finished(*case, *step, *verdict, *time, evidence.as_ref());
            }
            Event::CaseFinished { .. } => self.case_finished(event),
            Event::RunFinished { tally, wall_ms, .. } => {
                self.run_finished(&tally.words(), *wall_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing::events;
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::targets::{Compiling, Port, UnmodelledAccess};
    use crate::time::Span;
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    fn shown(target: FakeTarget, text: &str) -> (String, String) {
        let project = tempfile::tempdir().unwrap();
        let look = Look {
            progress: Progress::Lines,
            serial: false,
            progress_colours: false,
            summary_colours: false,
            page: Some("report.html".into()),
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

    #[test]
    fn what_compiling_cost_is_told_to_those_who_ask_or_when_its_limit_was_reached() {
        let cost = Compiling {
            blocks: 20,
            code_bytes: 5 << 10,
            memory_bytes: 256 << 10,
            limit_bytes: 16 << 20,
            us: 123,
            ..Compiling::default()
        };
        let words = |refused, everything| {
            let host_compiling = Some(Compiling { refused, ..cost });
            let machine = MachineReport { host_compiling, ..MachineReport::default() };
            let mut out = String::new();
            compiling_words(&mut out, &machine, everything, &Palette::new(false));
            out
        };
        assert_eq!(words(0, false), "");
        let told = words(0, true);
        assert_eq!(told, "  compiled 20 blocks, 5 KiB in 256 KiB of memory, in 0.1 ms\n");
        let told = words(3, false);
        assert!(told.contains("3 more found no room in 16 MiB and were interpreted"), "{told}");
    }

    fn look(progress: Progress) -> Look {
        Look { progress, serial: true, progress_colours: false, summary_colours: false, page: None }
    }

    fn started(case: usize, name: &str) -> Event {
        Event::CaseStarted {
            case,
            name: name.to_owned(),
            title: format!("{name}'s title"),
            file: String::new(),
            board: "board".to_owned(),
            boards: BTreeMap::new(),
            tags: Vec::new(),
            steps: 2,
            attempt: 1,
            seed: 1,
            host_fork: None,
        }
    }

    fn run_started(cases: usize) -> Event {
        Event::RunStarted { format: 1, target: "fake".to_owned(), seed: 1, cases }
    }

    fn step(case: usize, summary: &str) -> [Event; 2] {
        let time = DeviceTime::ZERO;
        let place = crate::scenario::fault::Place { line: 1, column: 1 };
        [
            Event::StepStarted {
                case,
                step: 0,
                summary: summary.to_owned(),
                file: String::new(),
                place,
                time,
            },
            Event::StepFinished {
                case,
                step: 0,
                verdict: Verdict::Passed,
                time,
                evidence: None,
                wall_ms: 0,
            },
        ]
    }

    fn finished(case: usize) -> Event {
        Event::CaseFinished {
            case,
            verdict: Verdict::Passed,
            reason: None,
            machine: None,
            machines: BTreeMap::new(),
            transcript_hash: None,
            again: false,
            wall_ms: 0,
        }
    }

    #[test]
    fn lines_of_cases_that_run_at_the_same_time_say_whose_they_are_and_the_summary_is_in_order() {
        let (mut progress, mut summary) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut progress, &mut summary, look(Progress::Lines));
        let time = DeviceTime::ZERO;
        let said = Event::Serial {
            case: 1,
            on: None,
            port: Port::Console,
            time,
            text: "hello".to_owned(),
        };
        let mut events = vec![run_started(2), started(0, "one"), started(1, "two"), said];
        events.extend(step(1, "delay"));
        events.extend(step(0, "log"));
        events.extend([finished(1), finished(0)]);
        let tally = crate::runner::verdict::Tally { passed: 2, ..Default::default() };
        events.push(Event::RunFinished { tally, exit_code: 0, wall_ms: 0 });
        events.iter().for_each(|event| console.event(event));
        insta::assert_snapshot!("mixed_progress", String::from_utf8(progress).unwrap());
        let summary = String::from_utf8(summary).unwrap();
        let (one, two) = (summary.find("passed one"), summary.find("passed two"));
        assert!(one.is_some() && one < two, "{summary}");
    }

    #[test]
    fn on_a_terminal_each_running_case_has_a_bar_and_only_ends_scroll_by() {
        let screen = InMemoryTerm::new(20, 100);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
        let quiet = Look { serial: false, ..look(Progress::Live) };
        let mut console = Console::new(Vec::new(), Vec::new(), quiet).drawing_on(target);
        console.event(&run_started(3));
        console.event(&started(0, "one"));
        console.event(&started(1, "two"));
        for event in step(0, "delay of one").iter().chain(&step(1, "log of two")) {
            console.event(event);
        }
        console.event(&started(2, "three"));
        console.event(&finished(1));
        let shown = screen.contents();
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[0].starts_with("passed two, 0.000s of device time in "), "{shown}");
        assert_eq!(lines.len(), 3, "{shown}");
        // Where each bar stands is drawn now and then only.
        for (line, name) in [(lines[1], " one "), (lines[2], " three ")] {
            assert!(line.contains(name) && line.contains("/2"), "{shown}");
        }
        console.event(&finished(0));
        console.event(&finished(2));
        assert!(!screen.contents().contains('['), "no bar stays: {}", screen.contents());
    }
}
