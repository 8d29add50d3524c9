//! `expect-connection`: the board talks with a server of the network that follows a script.
//!
//! Each expectation looks behind the one before that was about the same port.

use super::serial_fields::TextPattern;
use super::{Facts, Server, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Patience, Session};
use crate::runner::sightings::Talk;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PATTERN, Reference};
use crate::scenario::site;
use crate::targets::Capability;
use crate::time::Span;

/// Patience when the step does not say its own: joining a network takes its time.
const DEFAULT_WITHIN: Span = Span::from_secs(30);

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectConnection {
    /// With whom.
    pub host: Spanned,
    /// At which port.
    pub port: u16,
    /// What is found in what the board says.
    pub says: Option<TextPattern>,
    /// The script must have come to its end.
    pub whole: bool,
    /// Patience in device time.
    pub within: Span,
}

impl Step for ExpectConnection {
    const NAME: &'static str = "expect-connection";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "The board calls a host at a port that has a script (`tcp` or `udp` of the host).",
        value: Kind::Keys(&[
            Key::required("host", Kind::Text, "Which host, by its name."),
            Key::required("port", Kind::Number(1, 65_535), "At which port."),
            Key::optional("says", PATTERN, "What is found in all that the board says there."),
            Key::or("whole", Kind::Flag, "false", "The script has come to its end."),
            Key::or("within", Kind::Duration, "30s", "Patience, in device time."),
        ]),
        examples: &[
            "expect-connection: {host: meter, port: 4000}",
            "expect-connection: {host: meter, port: 4000, says: {regex: 'count (?<count>[0-9]+)'}, whole: true, within: 5s}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect-connection`", decoder)?;
        let host = fields.required("host", decoder);
        let port = match fields.node("port") {
            Some(node) => site::port(node, decoder),
            None => {
                fields.missing("port");
                None
            }
        };
        let says = fields.optional("says", decoder);
        let whole = fields.or("whole", false, decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { host: host?, port: port?, says: says?, whole: whole?, within: within? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Air],
            needs_power: true,
            templates: self.says.iter().map(TextPattern::template).collect(),
            captures: self.says.iter().flat_map(TextPattern::captures).collect(),
            hosts: vec![(&self.host.text, self.host.span.clone())],
            servers: vec![(&self.host.text, Server::Script(self.port), self.host.span.clone())],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("with {}:{}", self.host.text, self.port)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let says = self.says.as_ref().map(|says| says.pattern(session.values())).transpose()?;
        let is_it = |talk: &Talk| {
            (!self.whole || talk.whole == Some(true))
                && says.as_ref().is_none_or(|it| it.is_in(&String::from_utf8_lossy(&talk.said)))
        };
        let patience = Patience::Within(self.within);
        let (host, port) = (&self.host.text, self.port);
        let Some(talk) = session.expect_talk(host, port, &is_it, patience)? else {
            let seen: Vec<_> =
                session.seen().unread_talks(host, port).map(|(_, talk)| line(talk)).collect();
            let help = match seen.is_empty() {
                true => "the board has not called there".to_owned(),
                false => "this is what the board has said there".to_owned(),
            };
            let what =
                format!("the connection {} did not come within {}", self.summary(), self.within);
            return Err(StepError::failed(Failure {
                seen,
                help: Some(help),
                ..Failure::new(what)
            }));
        };
        if let Some(pattern) = &says {
            session.set_groups(pattern, &String::from_utf8_lossy(&talk.said));
        }
        Ok(Evidence::Line { line: line(&talk), time: talk.time })
    }
}

fn line(talk: &Talk) -> String {
    let end = match talk.whole {
        None => "",
        Some(true) => ", to the end",
        Some(false) => ", cut short",
    };
    format!("{} bytes: {}{end}", talk.said.len(), talk.said.escape_ascii())
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file};
    use crate::site::{SiteEvent, TalkEvent};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    /// A board of which this is told, one a second, after it was switched on.
    fn run(events: Vec<(u64, TalkEvent)>, steps: &str) -> Outcome {
        let reply = events.into_iter().fold(Reply::on(Cue::PowerOn), |reply, (talk, event)| {
            reply.happen(Span::from_secs(1), SiteEvent::Talk { talk, event })
        });
        let target = FakeTarget::new([reply]);
        let head = "name: t\nversion: 1\nair: {ssid: x}\n";
        let host = "hosts: {name: meter, address: 192.168.0.4, tcp: {port: 7, script: [close]}}\n";
        run_file(target, &format!("{head}{host}steps:\n{steps}\n"))
    }

    fn begun() -> TalkEvent {
        TalkEvent::Begun { host: "meter".to_owned(), port: 7 }
    }

    fn heard(text: &str) -> TalkEvent {
        TalkEvent::Heard(text.as_bytes().to_vec())
    }

    #[test]
    fn what_the_board_says_is_put_together_and_its_groups_are_values() {
        let events = vec![
            (1, begun()),
            (1, heard("cou")),
            (2, begun()),
            (1, heard("nt 12")),
            (2, heard("bye")),
            (1, TalkEvent::Ended { whole: false }),
            (2, TalkEvent::Ended { whole: true }),
        ];
        let steps = "
- expect-connection: {host: meter, port: 7, says: {regex: 'count (?<count>[0-9]{2})'}}
- log: '{{count}}'
- expect-connection: {host: meter, port: 7, says: bye, whole: true}";
        assert_eq!(run(events.clone(), steps), Outcome::Passed);
        // The first talk is not whole.
        let step = "- expect-connection: {host: meter, port: 7, says: count, whole: true}";
        assert!(matches!(run(events, step), Outcome::Failed(_)));
    }

    #[test]
    fn a_port_without_a_script_is_a_mistake_of_the_scenario() {
        let step = "- expect-connection: {host: meter, port: 8}";
        let Outcome::Invalid(faults) = run(vec![], step) else { panic!("nobody is there") };
        assert_eq!(faults[0].message, "`meter` has no script at port 8");
    }
}
