//! `publish`: a broker of the network publishes a message.

use std::sync::Arc;

use super::expect_message::{HOST, QOS, of_broker, qos};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::scenario::values::Template;
use crate::site::{Order, Publication};
use crate::targets::Capability;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Whose broker.
    pub host: Option<Spanned>,
    /// Under which topic.
    pub topic: Template,
    /// What it says.
    pub payload: Option<Template>,
    /// How surely it comes.
    pub qos: u8,
    /// Whether it is kept.
    pub retain: bool,
}

impl Step for Publish {
    const NAME: &'static str = "publish";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "A broker of the network (`mqtt` of a host) publishes a message to whoever has subscribed.",
        value: Kind::Keys(&[
            HOST,
            Key::required("topic", Kind::Template, "Its topic."),
            Key::or(
                "payload",
                Kind::Template,
                "''",
                "What it says. A message that says nothing ends the keeping of the last one.",
            ),
            Key::or("qos", QOS, "0", "How surely it comes, at most."),
            Key::or(
                "retain",
                Kind::Flag,
                "false",
                "The broker keeps it for those who subscribe later.",
            ),
        ]),
        examples: &[
            "publish: {topic: lamp/set, payload: 'on'}",
            "publish: {host: desk, topic: lamp/set, payload: '{{level}}', qos: 1, retain: true}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`publish`", decoder)?;
        let host = fields.optional("host", decoder);
        let topic = fields.required("topic", decoder);
        let payload = fields.optional("payload", decoder);
        let qos = match fields.node("qos") {
            None => Some(0),
            Some(node) => qos(node, decoder),
        };
        let retain = fields.or("retain", false, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { host: host?, topic: topic?, payload: payload?, qos: qos?, retain: retain? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Air],
            templates: std::iter::once(&self.topic).chain(&self.payload).collect(),
            ..of_broker(self.host.as_ref())
        }
    }

    fn summary(&self) -> String {
        let payload = self.payload.as_ref().map_or(String::new(), Template::shown);
        format!("{}: {payload}", self.topic.shown())
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let payload = self.payload.as_ref().map(|it| session.text(it)).transpose()?;
        let order = Order::Publish(Publication {
            host: self.host.as_ref().map(|host| host.text.clone()),
            topic: session.text(&self.topic)?,
            payload: Arc::from(payload.unwrap_or_default().into_bytes()),
            qos: self.qos,
            retain: self.retain,
        });
        session.target().order(order)?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn what_is_said_is_ordered_of_the_broker() {
        let target = FakeTarget::new([]);
        let log = target.log();
        let head = "name: t\nversion: 1\nair: {ssid: x}\nhosts: {name: desk, address: 192.168.0.4, mqtt: {}}\n";
        let steps = "- publish: {topic: lamp, payload: 'on', qos: 2, retain: true}\n- publish: {topic: lamp, host: desk}\n";
        assert_eq!(run_file(target, &format!("{head}steps:\n{steps}")), Outcome::Passed);
        let log = log.lock().expect("nobody panicked").join("\n");
        assert!(
            log.contains("host: None, topic: \"lamp\", payload: [111, 110], qos: 2, retain: true"),
            "{log}"
        );
        assert!(
            log.contains(
                "host: Some(\"desk\"), topic: \"lamp\", payload: [], qos: 0, retain: false"
            ),
            "{log}"
        );
    }
}
