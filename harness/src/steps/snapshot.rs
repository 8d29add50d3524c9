//! `snapshot`: compare what was seen with a reviewed file beside the scenario.
//!
//! The range begins at a mark (or at the start) and ends at a mark or where the last expectation
//! ended, never at "now", so that it is the same on every target. Of pins it holds the order of their
//! edges and no times; of the flash its bytes, for which the chip must be waiting for a download.
//!
//! With `timing` the times stand in a second snapshot, which only targets with virtual time have to
//! match.

use std::ops::Range;
use std::path::PathBuf;

use super::expect_request::is_of;
use super::flash_fields::{Region, dump};
use super::pin_fields::Pin;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::pins::PinEdge;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys, word};
use crate::scenario::model::Spanned;
use crate::scenario::node::{Node, Value};
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::site::HttpFrame;
use crate::snapshots::redact::{Redaction, redact};
use crate::snapshots::{Comparison, timing};
use crate::targets::{Capability, Port};
use crate::time::{DeviceTime, Span};
use crate::transcript::{Line, printable};

/// Fields as written in the scenario file.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its name, a part of the file's name.
    pub name: String,
    /// Where the name stands.
    pub span: Range<usize>,
    /// The mark it begins at.
    pub since: Option<Place>,
    /// The mark it ends at.
    pub until: Option<Place>,
    /// What is replaced before comparing.
    pub redact: Vec<Redaction>,
    /// How far each time may be from the reviewed one, if there is a snapshot of the times.
    pub timing: Option<Tolerance>,
    /// Of what.
    pub subject: Subject,
}

/// How far a time may be from the reviewed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance(pub Span);

/// What a snapshot is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// What a port said.
    Serial(Port),
    /// The edges of these pins.
    Pins(Vec<Pin>),
    /// Bytes of the flash.
    Flash(Region),
    /// HTTP frames, of this host or of all.
    Http(Option<Spanned>),
    /// The log of the air and the network.
    Network,
}

/// A mark by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The mark.
    pub mark: String,
    /// Where it is named.
    pub span: Range<usize>,
}

#[derive(Clone, Copy)]
enum SubjectKind {
    Serial,
    Pins,
    Flash,
    Http,
    Network,
}

impl Subject {
    /// `of:` and the keys that belong to it.
    fn from_fields(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Some(node) = fields.node("of") else {
            fields.missing("of");
            return None;
        };
        let words = [
            ("serial", SubjectKind::Serial),
            ("pins", SubjectKind::Pins),
            ("flash", SubjectKind::Flash),
            ("http", SubjectKind::Http),
            ("network", SubjectKind::Network),
        ];
        match word(node, decoder, "something to take a snapshot of", &words)? {
            SubjectKind::Serial => fields.or("port", Port::Console, decoder).map(Self::Serial),
            SubjectKind::Pins => fields.required("pins", decoder).map(Self::Pins),
            SubjectKind::Flash => Region::from_fields(fields, decoder).map(Self::Flash),
            SubjectKind::Http => fields.optional("host", decoder).map(Self::Http),
            SubjectKind::Network => Some(Self::Network),
        }
    }
}

/// One of `redact`.
const REDACTION: Kind = Kind::Either(&[
    Kind::Words(&["mac", "ip", "address", "heap", "time", "build", "boot"]),
    Kind::Keys(&[
        Key::required("regex", Kind::Regex, "What is replaced; its first group if it has one."),
        Key::or("as", Kind::Text, "[redacted]", "What stands there instead."),
    ]),
]);

impl Step for Snapshot {
    const NAME: &'static str = "snapshot";

    const REFERENCE: Reference = Reference {
        group: Group::Results,
        doc: "Compares what was seen with a reviewed file beside the scenario. The range begins at a mark (or at the start) and ends at a mark or where the last expectation ended, never at \"now\".",
        value: Kind::Keys(&[
            Key::required(
                "of",
                Kind::Words(&["serial", "pins", "flash", "http", "network"]),
                "What.",
            ),
            Key::required("name", Kind::Text, "A part of the file's name."),
            Key::optional("since", Kind::Text, "The mark it begins at."),
            Key::optional("until", Kind::Text, "The mark it ends at."),
            Key::optional(
                "redact",
                Kind::List(&REDACTION),
                "What is replaced before comparing, by named rules or by expressions (`as` says with what).",
            ),
            Key::or(
                "port",
                Kind::Words(&["console", "uart0", "uart1", "uart2"]),
                "console",
                "Of `serial`: the port.",
            ),
            Key::optional("pins", Kind::List(&Kind::Pin), "Of `pins`: which."),
            Key::optional("host", Kind::Text, "Of `http`: only what this host sends and gets."),
            Key::optional(
                "timing",
                Kind::Either(&[Kind::Words(&["exact"]), Kind::Duration]),
                "Of `serial` and `pins`: also compares when each line or edge came, in microseconds since the beginning of the range, with a second file `….NAME.timing.snap`; each time may be so far from the reviewed one. A target without virtual time does not compare them.",
            ),
            Key::optional("at", Kind::Number(0, U32), "Of `flash`: address of the first byte."),
            Key::optional("length", Kind::Size, "Of `flash`: how many bytes."),
        ]),
        examples: &[
            "snapshot: {of: serial, name: console, redact: [boot, time]}",
            "snapshot: {of: pins, name: blink, pins: [2, 4], since: booted, until: off}",
            "snapshot: {of: pins, name: pulses, pins: 2, since: booted, timing: 200us}",
            "snapshot: {of: http, name: hello, host: laptop, since: booted}",
            "snapshot: {of: network, name: air, redact: mac}",
            "snapshot: {of: flash, name: nvs, at: 0x9000, length: 24KB}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`snapshot`", decoder)?;
        let subject = Subject::from_fields(&mut fields, decoder);
        let name_node = fields.node("name");
        let name = fields.required::<String>("name", decoder);
        if let (Some(node), Some(name)) = (name_node, &name)
            && !is_file_name(name)
        {
            let message = format!("`{name}` cannot be part of a file's name");
            return decoder.bad(node.span.clone(), message);
        }
        if let (Some(node), Some(name)) = (name_node, &name)
            && name.ends_with(timing::SUFFIX)
        {
            let message = format!("names that end with `{}` are for times", timing::SUFFIX);
            return decoder.bad(node.span.clone(), message);
        }
        let since = fields.optional::<Place>("since", decoder);
        let until = fields.optional::<Place>("until", decoder);
        let redact = fields.or("redact", Vec::new(), decoder);
        let timing = match subject {
            Some(Subject::Flash(_) | Subject::Http(_) | Subject::Network) => Some(None),
            _ => fields.optional("timing", decoder),
        };
        let span = name_node.map_or(node.span.clone(), |node| node.span.clone());
        fields.finish(UnknownKeys::Deny, decoder);
        let (since, until, redact, timing) = (since?, until?, redact?, timing?);
        Some(Self { name: name?, span, since, until, redact, timing, subject: subject? })
    }

    fn facts(&self) -> Facts<'_> {
        let marks = [&self.since, &self.until].into_iter().flatten();
        Facts {
            needs: match self.subject {
                Subject::Serial(_) => &[Capability::Serial],
                Subject::Pins(_) => &[Capability::Pins],
                Subject::Flash(_) => &[Capability::Flash],
                Subject::Http(_) | Subject::Network => &[Capability::Air],
            },
            hosts: match &self.subject {
                Subject::Http(Some(host)) => vec![(&host.text, host.span.clone())],
                _ => Vec::new(),
            },
            pins: match &self.subject {
                Subject::Pins(pins) => pins.iter().map(|pin| pin.0).collect(),
                _ => Vec::new(),
            },
            uses_marks: marks.map(|place| (place.mark.as_str(), place.span.clone())).collect(),
            snapshot: Some((&self.name, self.span.clone())),
            touches_host: true,
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        self.name.clone()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let text = match &self.subject {
            Subject::Serial(port) => self.serial(session, *port),
            Subject::Pins(pins) => {
                self.edges(session, pins).iter().map(|(_, edge)| format!("{edge}\n")).collect()
            }
            Subject::Http(host) => {
                self.frames(session, host.as_ref().map(|it| it.text.as_str()))?
            }
            Subject::Network if !session.sees_air() => {
                let why = "not compared: the target does not see all that happens on its network";
                return Ok(Evidence::note(why.to_owned()));
            }
            Subject::Network => {
                let Range { start, end } = self.time_range(session);
                let log = session.seen().log().iter();
                let log = log.filter(|(time, _)| (start..=end).contains(time));
                log.map(|(_, line)| format!("{line}\n")).collect()
            }
            Subject::Flash(region) => {
                dump(region.at, &session.target().read_flash(region.at, region.length)?)
            }
        };
        let text = session.as_described(&session.secrets().redact(&text));
        let redacted = redact(&text, &self.redact);
        let contents = printable(&redacted.text);
        let folder = session.snapshots();
        let comparison = folder.compare(&self.name, &contents, &self.expression());
        let comparison = comparison.map_err(file_trouble)?;
        // Also when the other one differs: both can be reviewed then.
        let times = self.compare_times(session)?;
        let lines = contents.lines().count();
        let outcome = self.judge(session, comparison, "", lines)?;
        let times = match times {
            Times::NotWanted => None,
            Times::NotCompared => Some("not compared: they differ from run to run on this target"),
            Times::Compared(comparison, lines) => {
                Some(self.judge(session, comparison, timing::SUFFIX, lines)?)
            }
        };
        let path = session.snapshots().path(&self.name);
        Ok(Evidence::Snapshot { path, lines, outcome, times, warning: redacted.warning })
    }
}

/// What came of the times.
enum Times {
    NotWanted,
    NotCompared,
    /// Of so many lines.
    Compared(Comparison, usize),
}

fn file_trouble((path, source): (PathBuf, std::io::Error)) -> StepError {
    StepError::File { path, source }
}

impl Snapshot {
    /// What a comparison means for the step: in words if it passes.
    fn judge(
        &self,
        session: &Session<'_>,
        comparison: Comparison,
        suffix: &str,
        lines: usize,
    ) -> Result<&'static str, StepError> {
        let review = |pending: Option<PathBuf>| match pending {
            Some(_) => "review it with `benchrig review` or `cargo insta review`".to_owned(),
            None => {
                "nothing was written: run it without CI and INSTA_UPDATE=no to review".to_owned()
            }
        };
        let name = format!("the snapshot `{}{suffix}`", self.name);
        let failure = match comparison {
            Comparison::Same => return Ok("as reviewed"),
            Comparison::Accepted => return Ok("accepted"),
            Comparison::New { .. } | Comparison::Differs { .. }
                if session.snapshots().force_pass() =>
            {
                return Ok("not as reviewed, passed by INSTA_FORCE_PASS");
            }
            Comparison::New { pending } => Failure {
                help: Some(review(pending)),
                ..Failure::new(format!("{name} is new ({lines} lines)"))
            },
            Comparison::Differs { diff, pending } => Failure {
                help: Some(review(pending)),
                diff: Some(diff),
                ..Failure::new(format!("{name} differs"))
            },
        };
        Err(StepError::failed(failure))
    }

    /// Compares the times with their own snapshot.
    fn compare_times(&self, session: &mut Session<'_>) -> Result<Times, StepError> {
        let Some(Tolerance(tolerance)) = self.timing else { return Ok(Times::NotWanted) };
        if !session.has_virtual_time() {
            return Ok(Times::NotCompared);
        }
        let moments = match &self.subject {
            Subject::Serial(port) => self.moments(session, *port),
            Subject::Pins(pins) => self.edges(session, pins),
            Subject::Flash(_) | Subject::Http(_) | Subject::Network => return Ok(Times::NotWanted),
        };
        let since = self.time_range(session).start;
        let line = |(time, what): &(DeviceTime, String)| {
            let what = redact(&session.secrets().redact(what), &self.redact).text;
            timing::line(since, *time, &printable(&what))
        };
        let contents: String = moments.iter().map(line).collect();
        let (name, expression) =
            (format!("{}{}", self.name, timing::SUFFIX), format!("times of {}", self.expression()));
        let forgiving = |reviewed: &str| timing::forgiving(reviewed, &contents, tolerance);
        let comparison =
            session.snapshots().compare_forgiving(&name, &contents, &expression, &forgiving);
        Ok(Times::Compared(comparison.map_err(file_trouble)?, moments.len()))
    }

    /// The range in the text of a port.
    fn text_range(&self, session: &mut Session<'_>, port: Port) -> Range<usize> {
        let place = |place: &Option<Place>| {
            place.as_ref().and_then(|place| session.place_of(&place.mark, port))
        };
        let (since, until) = (place(&self.since).unwrap_or(0), place(&self.until));
        let until = until.unwrap_or(session.transcript(port).cursor());
        since..until.max(since)
    }

    /// The range in device time; without a mark it has no end.
    fn time_range(&self, session: &Session<'_>) -> Range<DeviceTime> {
        let time =
            |place: &Option<Place>| place.as_ref().and_then(|place| session.time_of(&place.mark));
        time(&self.since).unwrap_or(DeviceTime::ZERO)..time(&self.until).unwrap_or(DeviceTime::MAX)
    }

    /// What a port said in the range.
    fn serial(&self, session: &mut Session<'_>, port: Port) -> String {
        let range = self.text_range(session, port);
        session.transcript(port).text().get(range).unwrap_or_default().to_owned()
    }

    /// The lines that a port said in the range, and when the last byte of each came.
    fn moments(&self, session: &mut Session<'_>, port: Port) -> Vec<(DeviceTime, String)> {
        let Range { start, end } = self.text_range(session, port);
        let transcript = session.transcript(port);
        let lines = transcript.lines(start).take_while(|line| line.start < end);
        let moment = |line: Line<'_>| {
            let length = line.text.len().min(end - line.start);
            // Of a line that is cut by the end of the range, its last byte in it.
            let ended = (line.start + length + usize::from(line.complete)).min(end);
            let text = line.text.get(..length).unwrap_or(line.text);
            (transcript.time_at(ended), text.to_owned())
        };
        lines.map(moment).collect()
    }

    /// The HTTP frames of the range, which ends where the last expectation ended, with the answers
    /// to what was asked until then.
    fn frames(&self, session: &mut Session<'_>, host: Option<&str>) -> Result<String, StepError> {
        let place =
            |place: &Option<Place>| place.as_ref().and_then(|place| session.frames_at(&place.mark));
        let since = place(&self.since).unwrap_or(0);
        let until = place(&self.until).unwrap_or(session.seen().read()).max(since);
        session.await_answers(since..until)?;
        let of = |frame: &HttpFrame| {
            host.is_none_or(|host| is_of(&frame.from, host) || is_of(&frame.to, host))
        };
        let frames = session.seen().with_answers(since..until);
        let texts = frames.into_iter().filter(|frame| of(frame)).map(HttpFrame::text);
        Ok(texts.collect::<Vec<_>>().join("\n"))
    }

    /// The edges of pins in the range, in order of time.
    fn edges(&self, session: &Session<'_>, pins: &[Pin]) -> Vec<(DeviceTime, String)> {
        let Range { start, end } = self.time_range(session);
        let mut edges: Vec<_> = pins
            .iter()
            .flat_map(|pin| session.pin_edges(pin.0).iter().map(|edge| (edge, pin.0)))
            .filter(|(edge, _)| (start..=end).contains(&edge.time))
            .collect();
        edges.sort_by_key(|(edge, gpio)| (edge.time, *gpio));
        let words = |(edge, gpio): &(&PinEdge, u8)| format!("GPIO{gpio} {}", edge.level);
        edges.iter().map(|it| (it.0.time, words(it))).collect()
    }

    /// What was seen, for the file's header.
    fn expression(&self) -> String {
        let mut words = match &self.subject {
            Subject::Serial(port) => format!("serial of {port}"),
            Subject::Pins(pins) => {
                let pins: Vec<_> = pins.iter().map(|pin| format!("GPIO{}", pin.0)).collect();
                format!("edges of {}", pins.join(", "))
            }
            Subject::Flash(region) => format!("flash, {region}"),
            Subject::Http(Some(host)) => format!("HTTP of {}", host.text),
            Subject::Http(None) => "HTTP".to_owned(),
            Subject::Network => "air and network".to_owned(),
        };
        if let Some(place) = &self.since {
            words += &format!(" since {}", place.mark);
        }
        if let Some(place) = &self.until {
            words += &format!(" until {}", place.mark);
        }
        words
    }
}

impl Decode for Tolerance {
    /// `exact`, or a duration.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text == "exact" => Some(Self(Span::ZERO)),
            _ => Span::decode(node, decoder).map(Self),
        }
    }
}

impl Decode for Place {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mark = String::decode(node, decoder)?;
        Some(Self { mark, span: node.span.clone() })
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use crate::runner::events::Event;
    use crate::runner::testing::{Outcome, events, run_in, run_steps};
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::targets::{Capability, Level};
    use crate::time::Span;

    fn boot() -> FakeTarget {
        let ms = Span::from_millis;
        FakeTarget::new([
            Reply::on(Cue::PowerOn).say(ms(1), "ets Jul 29 2019 12:21:46\r\none\r\ntwo"),
            Reply::on(Cue::Reset).say(ms(1), "three\r\nfour\r\n"),
        ])
    }

    const STEPS: &str = "
- expect-serial: one
- mark: between
- press: reset
- expect-serial: three
- snapshot: {of: serial, name: whole, redact: [boot]}
- snapshot: {of: serial, name: part, since: between}";

    #[test]
    fn the_range_ends_at_the_cursor_and_redactions_count() {
        let project = tempfile::tempdir().unwrap();
        let accept = [("INSTA_UPDATE", "always")];
        assert_eq!(run_in(project.path(), boot(), STEPS, &accept), Outcome::Passed);
        let read = |name: &str| {
            std::fs::read_to_string(project.path().join(format!("scenarios/test.{name}.snap")))
                .unwrap()
        };
        assert_eq!(
            read("whole"),
            "---\nsource: \"scenarios/test.yaml\"\nexpression: \"serial of console\"\n---\n\
             ets [boot]\none\ntwothree\n"
        );
        assert!(read("part").ends_with("---\n\ntwothree\n"), "{}", read("part"));
        assert_eq!(run_in(project.path(), boot(), STEPS, &[("CI", "true")]), Outcome::Passed);
    }

    #[test]
    fn a_new_snapshot_fails_and_says_how_to_review_it() {
        let project = tempfile::tempdir().unwrap();
        let Outcome::Failed(failure) = run_in(project.path(), boot(), STEPS, &[]) else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "the snapshot `whole` is new (3 lines)");
        assert!(project.path().join("scenarios/test.whole.snap.new").exists());
    }

    #[test]
    fn pins_and_flash_have_snapshots_too() {
        let project = tempfile::tempdir().unwrap();
        let ms = Span::from_millis;
        let reply = Reply::on(Cue::PowerOn).pin(ms(5), 2, Level::High).pin(ms(5), 4, Level::High);
        let target = FakeTarget::new([reply.pin(ms(1), 2, Level::Low)]).holding(*b"boot");
        let steps = "
- power: on
- delay: 7ms
- mark: late
- delay: 20ms
- snapshot: {of: pins, pins: [2, 4], name: pins}
- snapshot: {of: pins, pins: 2, name: late, since: late}
- boot-mode: download
- press: reset
- snapshot: {of: flash, at: 0, length: 4, name: flash}";
        let accept = [("INSTA_UPDATE", "always")];
        assert_eq!(run_in(project.path(), target, steps, &accept), Outcome::Passed);
        let read = |name: &str| {
            let file = project.path().join(format!("scenarios/test.{name}.snap"));
            let text = std::fs::read_to_string(file).unwrap();
            text.rsplit("---\n").next().unwrap().to_owned()
        };
        assert_eq!(read("pins"), "GPIO2 high\nGPIO4 high\nGPIO2 low\n");
        assert_eq!(read("late"), "GPIO2 low\n");
        assert!(read("flash").starts_with("00000000  62 6f 6f 74 "), "{}", read("flash"));
    }

    /// Pins and lines with this long between them.
    fn blinking(us: u64) -> FakeTarget {
        let (ms, us) = (Span::from_millis, Span::from_micros(us));
        let reply = Reply::on(Cue::PowerOn).pin(ms(5), 2, Level::High).say(ms(1), "on\r\n");
        FakeTarget::new([reply.pin(us, 2, Level::Low).say(us, "off\r\nmo").say(ms(3), "re")])
    }

    const TIMED: &str = "
- power: on
- delay: 2ms
- mark: here
- expect-serial: mo
- delay: 9ms
- snapshot: {of: pins, pins: 2, name: pins, since: here, timing: 100us}
- snapshot: {of: serial, name: lines, timing: exact}";

    fn timing_file(project: &std::path::Path, name: &str) -> std::path::PathBuf {
        project.join(format!("scenarios/test.{name}"))
    }

    #[test]
    fn times_have_a_snapshot_of_their_own_in_microseconds_since_the_mark() {
        let project = tempfile::tempdir().unwrap();
        let accept = [("INSTA_UPDATE", "always")];
        assert_eq!(run_in(project.path(), blinking(1_500), TIMED, &accept), Outcome::Passed);
        let text = |name: &str| {
            let path = timing_file(project.path(), name);
            crate::snapshots::text_of(&path).unwrap().unwrap()
        };
        assert_eq!(text("pins.timing.snap"), "     3000us  GPIO2 high\n     5500us  GPIO2 low");
        assert_eq!(text("lines.timing.snap"), "     6000us  on\n     9000us  off\n     9000us  mo");
        assert_eq!(text("pins.snap"), "GPIO2 high\nGPIO2 low");
        let header = std::fs::read_to_string(timing_file(project.path(), "pins.timing.snap"));
        assert!(header.unwrap().contains("expression: \"times of edges of GPIO2 since here\""));
    }

    #[test]
    fn a_time_out_of_tolerance_fails_the_step_though_all_happened_in_order() {
        let project = tempfile::tempdir().unwrap();
        let pins_only = TIMED.rsplit_once('\n').unwrap().0;
        let run = |us, steps: &str, environment: &[(&str, &str)]| {
            run_in(project.path(), blinking(us), steps, environment)
        };
        assert_eq!(run(1_500, TIMED, &[("INSTA_UPDATE", "always")]), Outcome::Passed);
        assert_eq!(run(1_600, pins_only, &[("CI", "true")]), Outcome::Passed);
        let Outcome::Failed(failure) = run(1_601, pins_only, &[("CI", "true")]) else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "the snapshot `pins.timing` differs");
        let diff = failure.diff.unwrap();
        assert!(diff.contains("-     5500us  GPIO2 low\n+     5601us  GPIO2 low\n"), "{diff}");
        let pending = timing_file(project.path(), "pins.timing.snap.new");
        assert!(!pending.exists(), "CI writes nothing");
        assert!(matches!(run(1_601, pins_only, &[]), Outcome::Failed(_)));
        let pending = crate::snapshots::text_of(&pending).unwrap().unwrap();
        assert_eq!(pending, "     3000us  GPIO2 high\n     5601us  GPIO2 low");
        // One microsecond is too much for what is exact.
        let Outcome::Failed(failure) = run(1_501, TIMED, &[("CI", "true")]) else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "the snapshot `lines.timing` differs");
    }

    #[test]
    fn a_new_snapshot_with_times_leaves_both_for_review() {
        let project = tempfile::tempdir().unwrap();
        assert!(matches!(run_in(project.path(), blinking(9), TIMED, &[]), Outcome::Failed(_)));
        for name in ["pins.snap.new", "pins.timing.snap.new"] {
            assert!(timing_file(project.path(), name).exists(), "{name}");
        }
    }

    #[test]
    fn times_are_not_compared_where_they_are_the_hosts() {
        let project = tempfile::tempdir().unwrap();
        let mut source = FakeSource::new(blinking(1_500));
        source.capabilities.remove(&Capability::VirtualTime);
        let text = format!("name: t\nversion: 1\nsteps:{TIMED}\n");
        let mut words = Vec::new();
        let accept = [("INSTA_UPDATE", "always")];
        events(project.path(), &source, &text, &accept, &mut |event| {
            if let Event::StepFinished { evidence: Some(evidence), step: 5, .. } = event {
                words.push(evidence.words());
            }
        });
        let wanted = "test.pins.snap: 2 lines, accepted; \
                      its times not compared: they differ from run to run on this target";
        assert_eq!(words, [wanted]);
        assert!(!timing_file(project.path(), "pins.timing.snap").exists());
    }

    #[test]
    fn times_are_of_what_happens_and_their_name_is_theirs() {
        for steps in [
            "- snapshot: {of: flash, at: 0, length: 4, name: x, timing: exact}",
            "- snapshot: {of: serial, name: x.timing}",
            "- snapshot: {of: serial, name: x, timing: yes}",
        ] {
            assert!(matches!(run_steps(boot(), steps), Outcome::Invalid(_)), "{steps}");
        }
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        let steps = "- snapshot: {of: serial, name: ../x}";
        assert!(matches!(run_steps(boot(), steps), Outcome::Invalid(_)));
    }

    #[test]
    fn a_snapshot_of_http_ends_with_the_answers_to_what_was_expected() {
        use crate::runner::testing::run_text_in;
        use crate::site::{HttpFrame, SiteEvent};
        let http = |frame| SiteEvent::Http(std::sync::Arc::new(frame));
        let second = Span::from_secs(1);
        let target = FakeTarget::new([Reply::on(Cue::PowerOn)
            .happen(second, http(HttpFrame::request(1, "GET", "/first", "")))
            .happen(second, http(HttpFrame::request(2, "GET", "/later", "")))
            .happen(second, http(HttpFrame::answer(2, 500)))
            .happen(second, http(HttpFrame::answer(1, 200)))]);
        let project = tempfile::tempdir().expect("a folder");
        let text = "name: t\nversion: 1\nair: {ssid: x}\nhosts: {name: laptop, address: 192.168.0.4}\nsteps:
- expect-request: {host: laptop, path: /first}
- snapshot: {of: http, name: all}\n";
        let accept = [("INSTA_UPDATE", "always")];
        assert_eq!(run_text_in(project.path(), target, text, &accept), Outcome::Passed);
        let file = project.path().join("scenarios/test.all.snap");
        let contents = crate::snapshots::text_of(&file).expect("a file").expect("a snapshot");
        let expected =
            "board -> laptop:80\nGET /first HTTP/1.0\n\nlaptop:80 -> board\nHTTP/1.0 200 x";
        assert_eq!(contents.trim_end(), expected);
    }
}
