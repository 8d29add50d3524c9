//! The run as one self-contained page: no network, no other files, readable on a phone.
//!
//! Everything stands on one axis of device time: the steps, what the ports said, crashes, pins. The
//! page forbids itself to load anything and to run any script but its own (Content-Security-Policy),
//! and `maud` escapes every text, so that nothing a guest prints does anything. maud rather than a
//! template language: the markup stands beside the data that it shows and the compiler checks both.

mod timeline;

use base64::Engine;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::anchor;
use super::record::{Entry, PortOf, Record, StepRecord, Try};
use super::words::{needs_elf, seconds, wall};
use crate::runner::crash::Crash;
use crate::runner::events::Reason;
use crate::runner::evidence::Evidence;
use crate::runner::failure::Failure;
use crate::runner::unity::{UnityTest, counts};
use crate::runner::verdict::Verdict;
use crate::targets::{MachineReport, Port};
use crate::time::{DeviceTime, Span};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page's text.
pub(super) fn page(record: &Record) -> String {
    let tally = match record.tally.words() {
        words if words.is_empty() => "nothing ran".to_owned(),
        words => words,
    };
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(SCRIPT));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{hash}'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (tally) " \u{b7} benchrig" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (tally) }
                    p.facts {
                        span { "on " (record.target) }
                        span { "seed " (record.seed) }
                        span { "took " (wall(record.wall_ms)) }
                    }
                }
                main {
                    @if record.cases.len() > 1 { (overview(record)) }
                    @for (number, tries) in &record.cases {
                        (case(record, *number, tries))
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn overview(record: &Record) -> Markup {
    html! {
        table.cases {
            @for (number, tries) in &record.cases {
                @if let Some(last) = tries.last() {
                    tr {
                        td { span.pill.(last.verdict()) { (last.verdict()) } }
                        td {
                            a href={ "#" (anchor(*number)) } { (last.name) }
                            " " span.faint { (last.title) }
                        }
                        td.number { (seconds(last.time())) }
                        td.number.wall { (wall(last.wall_ms())) }
                    }
                }
            }
        }
    }
}

fn case(record: &Record, number: usize, tries: &[Try]) -> Markup {
    let Some(last) = tries.last() else { return html! {} };
    let id = anchor(number);
    let open = record.cases.len() == 1 || !matches!(last.verdict(), Verdict::Passed);
    html! {
        details.case.(last.verdict()) id=(id) open[open] {
            summary {
                span.pill.(last.verdict()) { (last.verdict()) }
                h2 { (last.name) }
                p.facts {
                    span { (last.title) }
                    span { (last.file) }
                    span { (last.board) @for board in last.boards.values() { ", " (board) } " on " (record.target) }
                    @if let Some((name, hash)) = &last.image {
                        span title={ "SHA-256 " (hash) } {
                            (name) " (" (hash.get(..12).unwrap_or(hash)) "\u{2026})"
                        }
                    }
                    @for tag in &last.tags { span { "#" (tag) } }
                    span { (seconds(last.time())) " of device time" }
                }
            }
            @for (n, shown) in tries.iter().enumerate() {
                // The last try has the anchors that a link from outside means.
                @let id = if n + 1 == tries.len() { id.clone() } else { format!("{id}-try-{}", n + 1) };
                section.try {
                    @if tries.len() > 1 {
                        h3 {
                            "Try " (shown.attempt) " of " (tries.len()) ": "
                            (if shown.verdict() == Verdict::Flaky { Verdict::Passed } else { shown.verdict() })
                        }
                    }
                    (one_try(shown, &id))
                }
            }
        }
    }
}

fn one_try(shown: &Try, id: &str) -> Markup {
    let hits = hits(shown);
    html! {
        @if let Some(why) = shown.reason() { (reason(why, shown, id)) }
        (timeline::timeline(shown, id))
        @if !shown.tests.is_empty() { (unity_tests(&shown.tests)) }
        @if !shown.steps.is_empty() {
            h3 { "Steps and transcript" }
            (course(shown, id, &hits))
        }
        @if let Some(machine) = shown.machine() { (machine_report("The machine", machine)) }
        @for (name, machine) in shown.machines() {
            (machine_report(&format!("The machine {name}"), machine))
        }
    }
}

/// The tests of the Unity framework that the board ran.
fn unity_tests(tests: &[UnityTest]) -> Markup {
    html! {
        h3 { (counts(tests)) }
        table.cases.tests {
            @for test in tests {
                tr {
                    td { span.pill.(test.outcome) { (test.outcome) } }
                    td {
                        (test.name)
                        div.faint { (test.words()) }
                    }
                    td.number { (seconds(test.time)) }
                }
            }
        }
    }
}

fn step_anchor(id: &str, step: usize) -> String {
    format!("{id}-step-{}", step + 1)
}

fn line_anchor(id: &str, entry: usize) -> String {
    format!("{id}-line-{}", entry + 1)
}

/// Why a case did not simply pass.
fn reason(why: &Reason, shown: &Try, id: &str) -> Markup {
    let body = match why {
        Reason::MissingCapabilities { missing } => {
            let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
            html! { p.what { "The target cannot do: " (missing.join(", ")) } }
        }
        Reason::OtherBoard { is } => html! { p.what { (is) } },
        Reason::Cannot { what } => html! {
            @for what in what { p.what { "The target cannot do that: " (what) } }
        },
        Reason::Unbound { keys } => {
            html! { p.what { "bench.toml has no: " (keys.join(", ")) } }
        }
        Reason::MissingParts { parts } => {
            html! { p.what { "The board has no: " (parts.join(", ")) } }
        }
        Reason::Case { failure } => failure_card(failure),
        Reason::Step { step, file, place, yaml, during, failure } => html! {
            (failure_card(failure))
            dl {
                dt {
                    "at " a href={ "#" (step_anchor(id, *step)) } { "step " (step + 1) }
                    @for what in during { ", " (what) }
                    ", " (file) ":" (place)
                }
                dd { pre.box { "- " (yaml) } }
            }
        },
    };
    html! {
        div.failure.(shown.verdict()) {
            (body)
            @if matches!(shown.verdict(), Verdict::Failed | Verdict::Error) {
                dl {
                    dt { "again" }
                    dd { pre.again {
                        "benchrig run " (shown.file) " --filter '" (shown.name) "' --seed " (shown.seed)
                    } }
                }
            }
        }
    }
}

fn failure_card(failure: &Failure) -> Markup {
    let block = |title: &str, text: &str| {
        html! { dt { (title) } dd { pre.box { (text) } } }
    };
    html! {
        p.what { (failure.what) }
        dl {
            @if let Some(expected) = &failure.expected { (block("expected", expected)) }
            @if !failure.seen.is_empty() {
                @let title = if failure.expected.is_some() { "seen" } else { "the last lines" };
                (block(title, &failure.seen.join("\n")))
            }
            @if let Some(crash) = &failure.crash { (crash_card(crash)) }
            @if let Some(near) = &failure.nearest {
                (block(&format!("nearest, at {}", seconds(near.time)), &near.line))
            }
            @if let Some(seen) = &failure.already_seen {
                @let title = format!("already seen at {}, before this step began", seconds(seen.time));
                (block(&title, &seen.line))
            }
            @if let Some(diff) = &failure.diff {
                dt { "difference" }
                dd { pre.box.diff {
                    @for line in diff.lines() {
                        @match line.as_bytes().first() {
                            Some(b'+') => ins { (line) "\n" },
                            Some(b'-') => del { (line) "\n" },
                            _ => { (line) "\n" },
                        }
                    }
                } }
            }
            @if let Some(help) = &failure.help { dt { "help" } dd { (help) } }
        }
    }
}

fn crash_card(crash: &Crash) -> Markup {
    html! {
        @if !crash.kind.is_fatal() {
            dt { (crash.kind) ", at " (seconds(crash.time)) }
            dd { pre.box { (crash.line) } }
        }
        @for backtrace in crash.backtraces.iter().filter(|_| !needs_elf(crash)) {
            dt { "backtrace" }
            dd { ol.frames.box {
                @for frame in &backtrace.frames {
                    li {
                        span.mono.faint { (format!("{:#010x}", frame.pc)) }
                        span.mono {
                            @for (n, location) in frame.locations.iter().enumerate() {
                                @if n == 0 { div { (location) } }
                                @else { div.inlined { "inlined by " (location) } }
                            }
                        }
                    }
                }
                @if backtrace.corrupted { li { span {} span.faint { "the rest is corrupted" } } }
            } }
        }
        @if let Some(note) = &crash.note { dt { "note" } dd { (note) } }
        @else if needs_elf(crash) {
            dt { "help" }
            dd { "Name the firmware's ELF file with " code { "elf:" } " or " code { "--elf" }
                " to see the source lines." }
        }
    }
}

/// Where an expectation was met.
struct Hit {
    /// The entry that is the line.
    entry: usize,
    step: usize,
}

/// The lines that steps waited for. A step says the line and the moment at which its match was
/// complete; the line itself is complete then or later.
fn hits(shown: &Try) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut from = 0;
    for (step, record) in shown.steps.iter().enumerate() {
        let Some(met) = met(record) else { continue };
        let is_it = |entry: &Entry| match entry {
            Entry::Line { time, text, .. } => *time >= met.time && met.is_in(text),
            Entry::Step(_) | Entry::Crash(_) | Entry::Remark { .. } | Entry::Site { .. } => false,
        };
        // Expectations read on; those of another port may lie before.
        let later = shown.entries[from..].iter().position(is_it).map(|at| from + at);
        if let Some(entry) = later.or_else(|| shown.entries.iter().position(is_it)) {
            hits.push(Hit { entry, step });
            from = entry;
        }
    }
    hits.sort_by_key(|hit| hit.entry);
    hits
}

/// What a step waited for and got.
struct Met<'s> {
    /// The beginning of a line, or something in it.
    text: &'s str,
    is_beginning: bool,
    time: DeviceTime,
}

impl Met<'_> {
    fn is_in(&self, line: &str) -> bool {
        if self.is_beginning { line.starts_with(self.text) } else { line.contains(self.text) }
    }
}

fn met(step: &StepRecord) -> Option<Met<'_>> {
    let (text, is_beginning, time) = match step.evidence.as_ref()? {
        Evidence::Line { line, time } => (line, true, *time),
        Evidence::Seen { text, time } => (text, false, *time),
        _ => return None,
    };
    Some(Met { text: text.lines().next_back()?, is_beginning, time })
}

/// Every step with what happened in it.
fn course(shown: &Try, id: &str, hits: &[Hit]) -> Markup {
    let starts: Vec<_> = shown
        .entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| match entry {
            Entry::Step(step) => Some((at, *step)),
            _ => None,
        })
        .collect();
    let before = starts.first().map_or(shown.entries.len(), |(at, _)| *at);
    html! {
        (lines(shown, id, hits, 0, before))
        @for (n, (at, number)) in starts.iter().enumerate() {
            @let end = starts.get(n + 1).map_or(shown.entries.len(), |(at, _)| *at);
            section.step id=(step_anchor(id, *number)) {
                @if let Some(step) = shown.steps.get(*number) {
                    (step_head(step, *number, hits.iter().find(|hit| hit.step == *number), id))
                }
                (lines(shown, id, hits, at + 1, end))
            }
        }
    }
}

fn step_head(step: &StepRecord, number: usize, hit: Option<&Hit>, id: &str) -> Markup {
    let (verdict, sign) = match step.verdict {
        Some(Verdict::Passed) => (Verdict::Passed, "\u{2713}"),
        Some(verdict @ (Verdict::Failed | Verdict::Error)) => (verdict, "\u{2717}"),
        _ => (Verdict::Interrupted, "\u{2026}"),
    };
    let words = step.evidence.as_ref().map(Evidence::words).filter(|words| !words.is_empty());
    html! {
        div.head title={ (step.file) ":" (step.place) ", took " (wall(step.wall_ms)) } {
            span.mark.(verdict) { (sign) " " (number + 1) }
            span.summary { (step.summary) }
            span.when { (duration(step.end - step.start)) " at " (seconds_of(step.start)) " s" }
        }
        @if let Some(words) = words {
            p.seen {
                @if let Some(hit) = hit {
                    a href={ "#" (line_anchor(id, hit.entry)) } { "\u{2192} " (words) }
                } @else { "\u{2192} " (words) }
            }
        }
        @if let Some(Evidence::Snapshot { warning: Some(warning), .. }) = &step.evidence {
            p.seen.warning { (warning) }
        }
    }
}

/// What the ports said between two entries.
fn lines(shown: &Try, id: &str, hits: &[Hit], from: usize, to: usize) -> Markup {
    let range = from..to;
    if range.is_empty() {
        return html! {};
    }
    html! {
        div.log {
            @for (at, entry) in range.clone().zip(&shown.entries[range]) {
                @match entry {
                    Entry::Line { port, time, text } => {
                        @let first = hits.partition_point(|hit| hit.entry < at);
                        @let mine = hits[first..].iter().take_while(|hit| hit.entry == at);
                        (line(port, *time, text, mine.map(|hit| hit.step), at, id))
                    }
                    Entry::Crash(crash) => p.crash.mild[!crash.kind.is_fatal()] {
                        (crash.kind) ", at " (seconds_of(crash.time)) " s: " (crash.line)
                    },
                    Entry::Site { time, text } => p.site {
                        (seconds_of(*time)) " s: " (text)
                    },
                    Entry::Remark { time, text } => p.crash.mild {
                        "bench, at " (seconds_of(*time)) " s: " (text)
                    },
                    Entry::Step(_) => {}
                }
            }
        }
    }
}

fn line(
    port: &PortOf,
    time: DeviceTime,
    text: &str,
    steps: impl Iterator<Item = usize>,
    entry: usize,
    id: &str,
) -> Markup {
    let mut steps = steps.peekable();
    let is_hit = steps.peek().is_some();
    html! {
        p.hit[is_hit] id=[is_hit.then(|| line_anchor(id, entry))] {
            i { (seconds_of(time)) }
            @if port.on.is_some() || port.port != Port::Console { b { (port) " " } }
            @if is_hit { mark { (text) } } @else { (text) }
            @for step in steps {
                a href={ "#" (step_anchor(id, step)) } { "step " (step + 1) }
            }
        }
    }
}

fn machine_report(title: &str, machine: &MachineReport) -> Markup {
    let nothing = machine.unmodelled.is_empty()
        && machine.stored_only.is_empty()
        && machine.lost_serial_bytes == 0
        && machine.notes.is_empty()
        && machine.event_hash.is_none()
        && machine.host_compiling.is_none();
    if nothing {
        return html! {};
    }
    html! {
        h3 { (title) }
        ul.plain {
            @for access in &machine.unmodelled { li { "not modelled: " code { (access) } } }
            @if !machine.stored_only.is_empty() {
                li { "registers that only store, by accesses: "
                    @for (n, (device, count)) in machine.stored_only.iter().enumerate() {
                        (if n == 0 { "" } else { ", " }) (device) " " (count)
                    }
                }
            }
            @if machine.lost_serial_bytes > 0 {
                li { (machine.lost_serial_bytes) " serial bytes came too fast for the chip" }
            }
            @for note in &machine.notes { li { (note) } }
            @if let Some(cost) = &machine.host_compiling { li.faint { "compiled " (cost) } }
            @if let Some(hash) = &machine.event_hash { li.faint { "event hash " code { (hash) } } }
        }
    }
}

/// A span with what a person wants to know of it.
fn duration(span: Span) -> String {
    let us = span.nanos() / 1_000;
    match us {
        0 => "no time".to_owned(),
        1..1_000 => format!("{us} \u{b5}s"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{}.{:03} s", us / 1_000_000, us % 1_000_000 / 1_000),
    }
}

/// Device time as `12.345`.
fn seconds_of(time: DeviceTime) -> String {
    seconds(time).trim_end_matches('s').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::record::Record;
    use crate::reports::testing::{HOSTILE, record, with_retries, with_unity};
    use crate::runner::events::Event;

    /// The page without its own style and script, as XML: what HTML leaves open is closed.
    fn as_xml(page: &str) -> String {
        let own = page.replace(STYLE, "").replace(SCRIPT, "");
        let void = regex::Regex::new("<meta ([^>]*)>").unwrap();
        void.replace_all(&own, "<meta $1/>").replace(" open", " open=\"\"")
    }

    /// Every element, from its name to its attributes; panics if one is not closed in its place.
    fn elements(page: &str) -> Vec<String> {
        let xml = as_xml(page);
        let mut reader = quick_xml::Reader::from_str(&xml);
        reader.config_mut().check_end_names = true;
        let mut elements = Vec::new();
        let mut depth = 0;
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Start(tag) => {
                    depth += 1;
                    elements.push(String::from_utf8(tag.to_vec()).unwrap());
                }
                quick_xml::events::Event::Empty(tag) => {
                    elements.push(String::from_utf8(tag.to_vec()).unwrap());
                }
                quick_xml::events::Event::End(_) => depth -= 1,
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        elements
    }

    #[test]
    fn the_page_is_well_formed_and_loads_nothing() {
        for record in [record(), with_retries(1), with_unity(), Record::default()] {
            let page = page(&record);
            let elements = elements(&page);
            let loads = ["src=", "srcset=", "data=", "http-equiv=\"refresh", "action="];
            for element in &elements {
                assert!(!loads.iter().any(|it| element.contains(it)), "{element}");
                let link = element.split_once("href=\"");
                assert!(link.is_none_or(|(_, to)| to.starts_with('#')), "{element}");
            }
            for forbidden in ["url(", "@import", "http:", "https:"] {
                assert!(!STYLE.contains(forbidden) && !SCRIPT.contains(forbidden), "{forbidden}");
            }
        }
    }

    #[test]
    fn every_link_has_a_target_and_every_target_is_there_once() {
        for record in [record(), with_retries(1)] {
            let elements = elements(&page(&record));
            let of = |attribute: &str| -> Vec<String> {
                let found = regex::Regex::new(&format!("\\b{attribute}=\"([^\"]*)\"")).unwrap();
                elements
                    .iter()
                    .filter_map(|element| Some(found.captures(element)?[1].to_owned()))
                    .collect()
            };
            let mut ids = of("id");
            for link in of("href") {
                assert!(ids.iter().any(|id| *id == link[1..]), "{link}");
            }
            ids.sort();
            let count = ids.len();
            ids.dedup();
            assert_eq!(ids.len(), count);
        }
    }

    #[test]
    fn what_a_guest_prints_stays_text() {
        let mut record = record();
        let shown = &mut record.cases.get_mut(&1).unwrap()[0];
        shown.name = HOSTILE.to_owned();
        shown.title = HOSTILE.to_owned();
        shown.tags = vec![HOSTILE.to_owned()];
        shown.image = Some((HOSTILE.to_owned(), String::new()));
        shown.steps[0].summary = HOSTILE.to_owned();
        let page = page(&record);
        assert!(page.contains("onerror=alert(1)"), "it is shown");
        assert!(!elements(&page).iter().any(|element| element.starts_with("img")));
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("</script>").count(), 1);
    }

    #[test]
    fn a_failure_stands_with_its_step_its_yaml_and_the_command_that_repeats_it() {
        let page = page(&record());
        for needed in [
            "id=\"case-2\" open",
            "&quot;goodbye&quot; did not come within 50ms",
            "href=\"#case-2-step-2\"",
            "name: the &lt;end&gt;",
            "benchrig run /scenarios/waits.yaml --filter 'waits' --seed 1",
            "the guest panicked",
            "0x400d1234",
        ] {
            assert!(page.contains(needed), "{needed}");
        }
    }

    #[test]
    fn each_test_that_the_board_ran_is_shown_with_its_end() {
        let page = page(&with_unity());
        assert!(page.contains("<h3>3 Unity tests: 1 failed, 1 passed, 1 ignored</h3>"), "{page}");
        let row = "<td><span class=\"pill failed\">failed</span></td>\
                   <td>what goes in &lt;first&gt; comes out first\
                   <div class=\"faint\">main/test_queue.c:31: Expected 1 Was 2</div></td>";
        assert!(page.contains(row), "{page}");
    }

    #[test]
    fn the_line_that_a_step_waited_for_is_marked_with_the_step() {
        let page = page(&record());
        let marked = "<p class=\"hit\" id=\"case-1-line-2\"><i>0.003</i><mark>ready</mark>\
                      <a href=\"#case-1-step-1\">step 1</a></p>";
        assert!(page.contains(marked), "{page}");
    }

    #[test]
    fn the_page_grows_with_the_transcript_and_no_faster() {
        let sized = |lines: usize| {
            let mut record = record();
            for n in 0..lines {
                let time = DeviceTime::from_nanos(n as u64 * 1_000);
                let text = "a line of forty characters, as they are.".to_owned();
                record.event(&Event::Serial { case: 0, on: None, port: Port::Console, time, text });
            }
            page(&record).len()
        };
        let (none, some, many) = (sized(0), sized(10_000), sized(20_000));
        let (first, second) = (some - none, many - some);
        assert!(second < first + first / 10, "{first} and then {second} bytes");
        assert!(second < 10_000 * 100, "{second} bytes for 10,000 lines of 40");
    }
}
