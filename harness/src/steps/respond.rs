//! `respond`: how a web server of the network answers the next requests.

use std::sync::Arc;

use super::{Facts, Server, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::{Session, confined};
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::{Node, Value};
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::scenario::site;
use crate::scenario::values::Template;
use crate::site::{Manner, Order, Response};
use crate::targets::Capability;
use crate::time::Span;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respond {
    /// Who answers.
    pub host: Spanned,
    /// Which of its web servers.
    pub port: Option<u16>,
    /// Only requests for this path.
    pub path: Option<Template>,
    /// The status.
    pub status: u16,
    /// Headers, in their order.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Option<Template>,
    /// A file with the body.
    pub file: Option<Spanned>,
    /// How long the answer takes to begin.
    pub delay: Span,
    /// How it is sent.
    pub manner: Manner,
    /// To how many requests.
    pub times: u32,
}

impl Step for Respond {
    const NAME: &'static str = "respond";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "How a web server of the network answers the next requests, instead of with its files or 404.",
        value: Kind::Keys(&[
            Key::required("host", Kind::Text, "Which host, by its name."),
            Key::optional(
                "port",
                Kind::Number(1, 65_535),
                "Which of its web servers; without: `http`, and `https` if it has no other.",
            ),
            Key::optional("path", Kind::Template, "Only requests for this path."),
            Key::or("status", Kind::Number(200, 999), "200", "The status."),
            Key::optional("headers", Kind::Named(&Kind::Template), "Headers, in their order."),
            Key::optional("body", Kind::Template, "The body."),
            Key::optional(
                "body-file",
                Kind::Path,
                "The body, from a file of the project as it is.",
            ),
            Key::or("delay", Kind::Duration, "0", "How long the answer takes to begin."),
            Key::optional(
                "truncate",
                Kind::Number(0, U32),
                "After so many bytes of the body the connection ends as if that were all.",
            ),
            Key::optional(
                "reset",
                Kind::Number(0, U32),
                "After so many bytes the connection is reset.",
            ),
            Key::optional(
                "drip",
                Kind::Duration,
                "The body comes byte by byte, each so long after the last.",
            ),
            Key::or("silent", Kind::Flag, "false", "No answer at all."),
            Key::or("times", Kind::Number(1, U32), "1", "To how many requests."),
        ]),
        examples: &[
            "respond: {host: laptop, path: /time, headers: {Content-Type: text/plain}, body: '12:00', times: 3}",
            "respond: {host: laptop, status: 503, delay: 2s}",
            "respond: {host: laptop, path: /photo, headers: {Content-Type: image/jpeg}, body-file: photo.jpg}",
            "respond: {host: laptop, body: hello, truncate: 2}",
            "respond: {host: laptop, body: hello, reset: 20}",
            "respond: {host: laptop, body: hello, drip: 100ms}",
            "respond: {host: laptop, silent: true}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`respond`", decoder)?;
        let host = fields.required("host", decoder);
        let port = match fields.node("port") {
            None => Some(None),
            Some(node) => site::port(node, decoder).map(Some),
        };
        let path = fields.optional("path", decoder);
        let status = match fields.node("status") {
            None => Some(200),
            Some(node) => match node.as_integer() {
                Some(status @ 200..=999) => Some(status as u16),
                _ => decoder.wrong(node, "a status from 200 to 999"),
            },
        };
        let headers = match fields.node("headers") {
            None => Some(Vec::new()),
            Some(node) => headers(node, decoder),
        };
        let body = fields.optional("body", decoder);
        let file = match fields.node("body-file") {
            None => Some(None),
            Some(node) if body == Some(None) || body.is_none() => file(node, decoder).map(Some),
            Some(node) => decoder.bad(node.span.clone(), "one body is enough".to_owned()),
        };
        let delay = fields.or("delay", Span::ZERO, decoder);
        let manner = manner(&mut fields, decoder);
        let times = match fields.node("times") {
            None => Some(1),
            Some(node) => match u32::decode(node, decoder) {
                Some(0) => decoder.wrong(node, "at least one"),
                times => times,
            },
        };
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self {
            host: host?,
            port: port?,
            path: path?,
            status: status?,
            headers: headers?,
            body: body?,
            file: file?,
            delay: delay?,
            manner: manner?,
            times: times?,
        })
    }

    fn facts(&self) -> Facts<'_> {
        let headers = self.headers.iter().map(|(_, value)| value);
        Facts {
            needs: &[Capability::Air],
            templates: self.path.iter().chain(&self.body).chain(headers).collect(),
            files: self.file.iter().map(|it| (it.text.as_str(), it.span.clone())).collect(),
            hosts: vec![(&self.host.text, self.host.span.clone())],
            servers: vec![(&self.host.text, Server::Web(self.port), self.host.span.clone())],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        let path = self.path.as_ref().map_or(String::new(), |path| format!(" to {}", path.shown()));
        format!("{} by {}{path}", self.status, self.host.text)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let header = |(name, value): &(String, Template)| Ok((name.clone(), session.text(value)?));
        let headers = self.headers.iter().map(header).collect::<Result<_, StepError>>()?;
        let body = match (&self.body, &self.file) {
            (Some(body), _) => session.text(body)?.into_bytes(),
            (None, Some(file)) => session.read_file(&file.text)?,
            (None, None) => Vec::new(),
        };
        let order = Order::Respond {
            host: self.host.text.clone(),
            port: self.port,
            path: self.path.as_ref().map(|path| session.text(path)).transpose()?,
            response: Response {
                status: self.status,
                headers,
                body: Arc::from(body),
                delay: self.delay,
                manner: self.manner,
            },
            times: self.times,
        };
        session.target().order(order)?;
        Ok(Evidence::Done)
    }
}

fn file(node: &Node, decoder: &mut Decoder) -> Option<Spanned> {
    let path = Spanned::decode(node, decoder)?;
    match confined(&path.text) {
        Ok(_) => Some(path),
        Err(why) => decoder.bad(path.span, format!("the path `{}` {why}", path.text)),
    }
}

fn headers(node: &Node, decoder: &mut Decoder) -> Option<Vec<(String, Template)>> {
    let Value::Map(entries) = &node.value else {
        return decoder.wrong(node, "names of headers with their values");
    };
    let header = |(name, value): &(Node, Node), decoder: &mut Decoder| {
        let (name, value) = (Spanned::decode(name, decoder), Template::decode(value, decoder));
        let name = name?;
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.text.is_empty() || !name.text.bytes().all(token) {
            return decoder.bad(name.span, format!("`{}` is no name of a header", name.text));
        }
        Some((name.text, value?))
    };
    let read: Vec<_> = entries.iter().map(|entry| header(entry, decoder)).collect();
    read.into_iter().collect()
}

fn manner(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Manner> {
    let nodes = [fields.node("truncate"), fields.node("reset"), fields.node("drip")];
    let silent = fields.node("silent");
    let is_silent = silent.map_or(Some(false), |node| bool::decode(node, decoder));
    let second = nodes.iter().copied().chain([silent]).flatten().nth(1);
    if let Some(second) = second {
        let message = "only one of `truncate`, `reset`, `drip` and `silent`".to_owned();
        return decoder.bad(second.span.clone(), message);
    }
    match (nodes, is_silent?) {
        ([Some(node), _, _], _) => u32::decode(node, decoder).map(Manner::Truncated),
        ([_, Some(node), _], _) => u32::decode(node, decoder).map(Manner::Reset),
        ([_, _, Some(node)], _) => Span::decode(node, decoder).map(|every| Manner::Drip(1, every)),
        (_, true) => Some(Manner::Silence),
        (_, false) => Some(Manner::Whole),
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file};
    use crate::targets::fake::FakeTarget;

    fn run(steps: &str) -> (Outcome, String) {
        let target = FakeTarget::new([]);
        let log = target.log();
        let head = "name: t\nversion: 1\nair: {ssid: x}\nhosts: {name: laptop, address: 192.168.0.4, http: {}}\n";
        let outcome = run_file(target, &format!("{head}steps:\n{steps}\n"));
        let log = log.lock().expect("nobody panicked").join("\n");
        (outcome, log)
    }

    #[test]
    fn the_target_is_told_what_to_answer() {
        let (outcome, log) =
            run("- respond: {host: laptop, status: 503, headers: {Retry-After: 5}, drip: 10ms}");
        assert_eq!(outcome, Outcome::Passed);
        assert!(log.contains("status: 503, headers: [(\"Retry-After\", \"5\")]"), "{log}");
        assert!(log.contains("manner: Drip(1, "), "{log}");
    }

    #[test]
    fn a_body_comes_from_a_file_as_it_is() {
        let (outcome, log) = run("- respond: {host: laptop, body-file: hello.py}");
        assert_eq!(outcome, Outcome::Passed);
        let body = format!("{:?}", b"print('hello')\n");
        assert!(log.contains(&body), "{log}");
    }

    #[test]
    fn what_contradicts_itself_or_could_not_be_sent_is_refused() {
        for (wrong, why) in [
            ("truncate: 1, reset: 2", "only one of"),
            ("headers: {'a b': c}", "no name of a header"),
            ("status: 101", "a status from 200 to 999"),
            ("times: 0", "at least one"),
            ("body: x, body-file: hello.py", "one body is enough"),
            ("body-file: /etc/passwd", "is not relative"),
            ("port: 81", "has no web server at port 81"),
        ] {
            let (Outcome::Invalid(faults), _) =
                run(&format!("- respond: {{host: laptop, {wrong}}}"))
            else {
                panic!("{wrong} must be refused")
            };
            assert!(faults[0].message.contains(why), "{faults:?}");
        }
    }
}
