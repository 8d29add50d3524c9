//! `expect-message`: a broker of the network gets a message.
//!
//! Each expectation looks behind the one before that was about the same broker.

use super::answer_fields::Expected;
use super::{Facts, Server, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Patience, Session};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PATTERN, Reference};
use crate::site::Message;
use crate::targets::Capability;
use crate::time::Span;
use crate::transcript::Pattern;

/// Patience when the step does not say its own: joining a network takes its time.
const DEFAULT_WITHIN: Span = Span::from_secs(30);

/// `host` of steps that are about a broker.
pub(super) const HOST: Key = Key::optional(
    "host",
    Kind::Text,
    "Whose broker, by the host's name; it must be said if there are several.",
);
/// What a QoS can be.
pub(super) const QOS: Kind = Kind::Number(0, 2);

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectMessage {
    /// Whose broker.
    pub host: Option<Spanned>,
    /// Under which topic.
    pub topic: Expected,
    /// What it says.
    pub payload: Option<Expected>,
    /// How surely it was sent.
    pub qos: Option<u8>,
    /// Whether it is to be kept.
    pub retain: Option<bool>,
    /// Patience in device time.
    pub within: Span,
}

impl Step for ExpectMessage {
    const NAME: &'static str = "expect-message";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "A broker of the network (`mqtt` of a host) gets a message: from a client, or the will of one.",
        value: Kind::Keys(&[
            HOST,
            Key::required(
                "topic",
                PATTERN,
                "Its topic: exactly this text, or something in which `text` or `regex` is found.",
            ),
            Key::optional("payload", PATTERN, "What it says, likewise."),
            Key::optional("qos", QOS, "With which QoS it was published; any if not said."),
            Key::optional("retain", Kind::Flag, "Whether the broker keeps it; either if not said."),
            Key::or("within", Kind::Duration, "30s", "Patience, in device time."),
        ]),
        examples: &[
            "expect-message: {topic: lamp/state, payload: 'on'}",
            "expect-message: {host: desk, topic: {regex: '^sensors/(?<which>[^/]+)$'}, payload: {regex: '^(?<value>[0-9.]+)$'}, qos: 1, retain: true, within: 5s}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect-message`", decoder)?;
        let host = fields.optional("host", decoder);
        let topic = fields.required("topic", decoder);
        let payload = fields.optional("payload", decoder);
        let qos = match fields.node("qos") {
            None => Some(None),
            Some(node) => qos(node, decoder).map(Some),
        };
        let retain = fields.optional("retain", decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self {
            host: host?,
            topic: topic?,
            payload: payload?,
            qos: qos?,
            retain: retain?,
            within: within?,
        })
    }

    fn facts(&self) -> Facts<'_> {
        let patterns = || std::iter::once(&self.topic).chain(&self.payload);
        Facts {
            needs: &[Capability::Air],
            needs_power: true,
            templates: patterns().map(Expected::template).collect(),
            captures: patterns().flat_map(Expected::captures).collect(),
            ..of_broker(self.host.as_ref())
        }
    }

    fn summary(&self) -> String {
        let payload = self
            .payload
            .as_ref()
            .map_or(String::new(), |it| format!(": {}", it.template().shown()));
        format!("{}{payload}", self.topic.template().shown())
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let topic = self.topic.pattern(session)?;
        let payload = self.payload.as_ref().map(|it| it.pattern(session)).transpose()?;
        let is_so = |expected: &Expected, pattern: &Pattern, text: &str| match (expected, pattern) {
            (Expected::Exactly(_), Pattern::Text(wanted)) => wanted == text,
            _ => pattern.is_in(text),
        };
        let is_it = |message: &Message| {
            let said = String::from_utf8_lossy(&message.payload);
            let says = |(expected, pattern)| is_so(expected, pattern, &said);
            is_so(&self.topic, &topic, &message.topic)
                && self.payload.iter().zip(&payload).all(says)
                && self.qos.is_none_or(|qos| qos == message.qos)
                && self.retain.is_none_or(|retain| retain == message.retain)
        };
        let host = self.host.as_ref().map(|host| host.text.as_str());
        let patience = Patience::Within(self.within);
        let Some((time, message)) = session.expect_message(host, &is_it, patience)? else {
            let seen: Vec<_> =
                session.seen().unread_messages(host).map(ToString::to_string).collect();
            let help = match seen.is_empty() {
                true => "no other message came either".to_owned(),
                false => "these are the messages that came".to_owned(),
            };
            let what =
                format!("the message {} did not come within {}", self.summary(), self.within);
            return Err(StepError::failed(Failure {
                seen,
                help: Some(help),
                ..Failure::new(what)
            }));
        };
        session.set_groups(&topic, &message.topic);
        if let Some(pattern) = &payload {
            session.set_groups(pattern, &String::from_utf8_lossy(&message.payload));
        }
        Ok(Evidence::Line { line: message.to_string(), time })
    }
}

/// What the checks must know of a step that is about a broker.
pub(super) fn of_broker(host: Option<&Spanned>) -> Facts<'_> {
    Facts {
        hosts: host.iter().map(|host| (host.text.as_str(), host.span.clone())).collect(),
        servers: host
            .iter()
            .map(|host| (host.text.as_str(), Server::Broker, host.span.clone()))
            .collect(),
        needs_broker: host.is_none(),
        ..Facts::default()
    }
}

/// A QoS.
pub(super) fn qos(node: &Node, decoder: &mut Decoder) -> Option<u8> {
    match node.as_integer() {
        Some(qos @ 0..=2) => Some(qos as u8),
        _ => decoder.wrong(node, "0, 1 or 2"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::runner::testing::{Outcome, run_file};
    use crate::site::{Message, SiteEvent};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    const DESK: &str = "{name: desk, address: 192.168.0.4, mqtt: {}}";

    /// A board that publishes these, one a second, after it was switched on.
    fn run(hosts: &str, messages: &[Message], steps: &str) -> Outcome {
        let reply = messages.iter().fold(Reply::on(Cue::PowerOn), |reply, message| {
            reply.happen(Span::from_secs(1), SiteEvent::Message(Arc::new(message.clone())))
        });
        let head = "name: t\nversion: 1\nair: {ssid: x}\n";
        run_file(FakeTarget::new([reply]), &format!("{head}hosts: [{hosts}]\nsteps:\n{steps}\n"))
    }

    #[test]
    fn a_second_message_is_not_the_first_one_again() {
        let on = Message::of_board("lamp", "on");
        let twice = "- expect-message: {topic: lamp, payload: 'on'}\n".repeat(2);
        assert_eq!(run(DESK, &[on.clone(), on.clone()], &twice), Outcome::Passed);
        let Outcome::Failed(failure) = run(DESK, &[on], &twice) else { panic!("must fail") };
        assert_eq!(failure.what, "the message lamp: on did not come within 30s");
        assert_eq!(failure.help.as_deref(), Some("no other message came either"));
    }

    #[test]
    fn all_that_is_said_must_be_so_and_what_came_instead_is_told() {
        let message = Message { qos: 1, retain: true, ..Message::of_board("sensors/bath", "21.5") };
        for wrong in [
            "topic: sensors",
            "topic: {text: kitchen}",
            "topic: sensors/bath, payload: '21'",
            "topic: sensors/bath, payload: {regex: '^[a-z]'}",
            "topic: sensors/bath, qos: 0",
            "topic: sensors/bath, retain: false",
        ] {
            let step = format!("- expect-message: {{{wrong}}}");
            let Outcome::Failed(failure) = run(DESK, std::slice::from_ref(&message), &step) else {
                panic!("{wrong} must fail")
            };
            let seen = "board -> desk sensors/bath (QoS 1, retained): 21.5";
            assert_eq!(failure.seen, [seen], "{wrong}");
        }
        let right = "
- expect-message: {host: desk, topic: {regex: '^sensors/(?<which>.+)$'}, payload: {regex: '^(?<value>[0-9.]+)$'}, qos: 1, retain: true}
- log: '{{which}} {{value}}'";
        assert_eq!(run(DESK, &[message], right), Outcome::Passed);
    }

    #[test]
    fn which_broker_is_meant_must_be_clear() {
        let step = "- expect-message: {topic: x}";
        let other = "{name: other, address: 192.168.0.5, mqtt: {}}";
        let plain = "{name: plain, address: 192.168.0.6}";
        for (hosts, step, why) in [
            (plain, step, "no host has a broker"),
            (&format!("{DESK}, {other}"), step, "several hosts have a broker"),
            (plain, "- expect-message: {topic: x, host: plain}", "`plain` has no broker"),
            (DESK, "- expect-message: {topic: x, host: disk}", "no host `disk`"),
            (DESK, "- expect-message: {topic: x, qos: 3}", "0, 1 or 2"),
        ] {
            let Outcome::Invalid(faults) = run(hosts, &[], step) else { panic!("{step}") };
            assert!(faults[0].message.contains(why), "{faults:?}");
        }
    }
}
