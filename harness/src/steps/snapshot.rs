//! `snapshot`: compare what was seen with a reviewed file beside the scenario.
//!
//! The range begins at a mark (or at the start) and ends at a mark or where the last expectation
//! ended, never at "now", so that it is the same on every target. Of pins it holds the order of their
//! edges and no times; of the flash its bytes, for which the chip must be waiting for a download.

use std::ops::Range;

use super::flash_fields::{Region, dump};
use super::pin_fields::Pin;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::snapshots::Comparison;
use crate::snapshots::redact::{Redaction, redact};
use crate::targets::{Capability, Port};
use crate::time::DeviceTime;
use crate::transcript::printable;

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
    /// Of what.
    pub subject: Subject,
}

/// What a snapshot is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// What a port said.
    Serial(Port),
    /// The edges of these pins.
    Pins(Vec<Pin>),
    /// Bytes of the flash.
    Flash(Region),
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
        ];
        match word(node, decoder, "something to take a snapshot of", &words)? {
            SubjectKind::Serial => fields.or("port", Port::Console, decoder).map(Self::Serial),
            SubjectKind::Pins => fields.required("pins", decoder).map(Self::Pins),
            SubjectKind::Flash => Region::from_fields(fields, decoder).map(Self::Flash),
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
            Key::required("of", Kind::Words(&["serial", "pins", "flash"]), "What."),
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
            Key::optional("at", Kind::Number(0, U32), "Of `flash`: address of the first byte."),
            Key::optional("length", Kind::Size, "Of `flash`: how many bytes."),
        ]),
        examples: &[
            "snapshot: {of: serial, name: console, redact: [boot, time]}",
            "snapshot: {of: pins, name: blink, pins: [2, 4], since: booted, until: off}",
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
        let since = fields.optional::<Place>("since", decoder);
        let until = fields.optional::<Place>("until", decoder);
        let redact = fields.or("redact", Vec::new(), decoder);
        let span = name_node.map_or(node.span.clone(), |node| node.span.clone());
        fields.finish(UnknownKeys::Deny, decoder);
        let (since, until, redact) = (since?, until?, redact?);
        Some(Self { name: name?, span, since, until, redact, subject: subject? })
    }

    fn facts(&self) -> Facts<'_> {
        let marks = [&self.since, &self.until].into_iter().flatten();
        Facts {
            needs: match self.subject {
                Subject::Serial(_) => &[Capability::Serial],
                Subject::Pins(_) => &[Capability::Pins],
                Subject::Flash(_) => &[Capability::Flash],
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
            Subject::Pins(pins) => self.edges(session, pins),
            Subject::Flash(region) => {
                dump(region.at, &session.target().read_flash(region.at, region.length)?)
            }
        };
        let text = session.secrets().redact(&text);
        let redacted = redact(&text, &self.redact);
        let contents = printable(&redacted.text);
        let folder = session.snapshots();
        let path = folder.path(&self.name);
        let comparison = folder
            .compare(&self.name, &contents, &self.expression())
            .map_err(|(path, source)| StepError::File { path, source })?;
        let lines = contents.lines().count();
        let evidence = |outcome| Evidence::Snapshot {
            path: path.clone(),
            lines,
            outcome,
            warning: redacted.warning.clone(),
        };
        let review = |pending: &Option<std::path::PathBuf>| match pending {
            Some(_) => "review it with `benchrig review` or `cargo insta review`".to_owned(),
            None => {
                "nothing was written: run it without CI and INSTA_UPDATE=no to review".to_owned()
            }
        };
        match comparison {
            Comparison::Same => Ok(evidence("as reviewed")),
            Comparison::Accepted => Ok(evidence("accepted")),
            Comparison::New { .. } | Comparison::Differs { .. } if folder.force_pass() => {
                Ok(evidence("not as reviewed, passed by INSTA_FORCE_PASS"))
            }
            Comparison::New { pending } => Err(StepError::failed(Failure {
                help: Some(review(&pending)),
                ..Failure::new(format!("the snapshot `{}` is new ({lines} lines)", self.name))
            })),
            Comparison::Differs { diff, pending } => Err(StepError::failed(Failure {
                help: Some(review(&pending)),
                diff: Some(diff),
                ..Failure::new(format!("the snapshot `{}` differs", self.name))
            })),
        }
    }
}

impl Snapshot {
    /// What a port said in the range.
    fn serial(&self, session: &mut Session<'_>, port: Port) -> String {
        let place = |place: &Option<Place>| {
            place.as_ref().and_then(|place| session.place_of(&place.mark, port))
        };
        let (since, until) = (place(&self.since).unwrap_or(0), place(&self.until));
        let transcript = session.transcript(port);
        let until = until.unwrap_or(transcript.cursor());
        transcript.text().get(since..until.max(since)).unwrap_or_default().to_owned()
    }

    /// The edges of pins in the range, in order of time, one each line.
    fn edges(&self, session: &Session<'_>, pins: &[Pin]) -> String {
        let time =
            |place: &Option<Place>| place.as_ref().and_then(|place| session.time_of(&place.mark));
        let since = time(&self.since).unwrap_or(DeviceTime::ZERO);
        let until = time(&self.until).unwrap_or(DeviceTime::MAX);
        let mut edges: Vec<_> = pins
            .iter()
            .flat_map(|pin| session.pin_edges(pin.0).iter().map(|edge| (edge, pin.0)))
            .filter(|(edge, _)| (since..=until).contains(&edge.time))
            .collect();
        edges.sort_by_key(|(edge, gpio)| (edge.time, *gpio));
        edges.iter().map(|(edge, gpio)| format!("GPIO{gpio} {}\n", edge.level)).collect()
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
    use crate::runner::testing::{Outcome, run_in, run_steps};
    use crate::targets::Level;
    use crate::targets::fake::{Cue, FakeTarget, Reply};
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

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        let steps = "- snapshot: {of: serial, name: ../x}";
        assert!(matches!(run_steps(boot(), steps), Outcome::Invalid(_)));
    }
}
