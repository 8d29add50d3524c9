//! `snapshot`: compare what was seen with a reviewed file beside the scenario.
//!
//! The range begins at a mark (or at the start) and ends at a mark or where the last expectation
//! ended, never at "now", so that it is the same on every target.

use std::ops::Range;

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys, word};
use crate::scenario::node::Node;
use crate::snapshots::Comparison;
use crate::snapshots::redact::{Redaction, redact};
use crate::targets::{Capability, Port};
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
    /// Which port.
    pub port: Port,
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
enum Subject {
    Serial,
}

impl Step for Snapshot {
    const NAME: &'static str = "snapshot";

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`snapshot`", decoder)?;
        let subject = match fields.node("of") {
            Some(node) => word(
                node,
                decoder,
                "something to take a snapshot of",
                &[("serial", Subject::Serial)],
            ),
            None => {
                fields.missing("of");
                None
            }
        };
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
        let port = fields.or("port", Port::Console, decoder);
        let span = name_node.map_or(node.span.clone(), |node| node.span.clone());
        fields.finish(UnknownKeys::Deny, decoder);
        let Subject::Serial = subject?;
        Some(Self { name: name?, span, since: since?, until: until?, redact: redact?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        let marks = [&self.since, &self.until].into_iter().flatten();
        Facts {
            needs: &[Capability::Serial],
            uses_marks: marks.map(|place| (place.mark.as_str(), place.span.clone())).collect(),
            snapshot: Some((&self.name, self.span.clone())),
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        self.name.clone()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let place = |place: &Option<Place>| {
            place.as_ref().and_then(|place| session.place_of(&place.mark, self.port))
        };
        let (since, until) = (place(&self.since).unwrap_or(0), place(&self.until));
        let transcript = session.transcript(self.port);
        let until = until.unwrap_or(transcript.cursor());
        let text = transcript.text().get(since..until.max(since)).unwrap_or_default().to_owned();
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
    /// What was seen, for the file's header.
    fn expression(&self) -> String {
        let mut words = format!("serial of {}", self.port);
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
    fn a_name_that_leaves_the_folder_is_refused() {
        let steps = "- snapshot: {of: serial, name: ../x}";
        assert!(matches!(run_steps(boot(), steps), Outcome::Invalid(_)));
    }
}
