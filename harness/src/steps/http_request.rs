//! `http-request`: a host of the network, or a station of the board's own, asks the board, which must
//! be a web server.

use std::sync::Arc;

use super::serial_fields::{DEFAULT_WITHIN, TextPattern};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Patience, Session};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PATTERN, Reference};
use crate::scenario::values::Template;
use crate::site::{Order, Request};
use crate::targets::Capability;
use crate::time::Span;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Who asks.
    pub host: Spanned,
    /// The board's address; without: the one that it was lent last.
    pub to: Option<Template>,
    /// The board's TCP port.
    pub port: u16,
    /// `GET` and others.
    pub method: String,
    /// Path and query.
    pub path: Template,
    /// What is sent with it.
    pub body: Option<Template>,
    /// The status that must come.
    pub status: u16,
    /// What must be found in the body of the answer.
    pub expect: Option<TextPattern>,
    /// Patience in device time, for the whole answer.
    pub within: Span,
}

impl Step for HttpRequest {
    const NAME: &'static str = "http-request";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "A host of the network, or a station, sends the board an HTTP request, and the answer must be as expected.",
        value: Kind::Keys(&[
            Key::required("host", Kind::Text, "Which host or which station asks, by its name."),
            Key::optional(
                "to",
                Kind::Template,
                "The board's address; without: the one that it was lent last, or at which it has lent a station its own.",
            ),
            Key::or("port", Kind::Number(1, 65_535), "80", "The board's TCP port."),
            Key::or("method", Kind::Text, "GET", "`GET` and others."),
            Key::or("path", Kind::Template, "/", "Path and query."),
            Key::optional("body", Kind::Template, "What is sent with it."),
            Key::or("status", Kind::Number(100, 999), "200", "The status that must come."),
            Key::optional("expect", PATTERN, "What must be found in the body of the answer."),
            Key::or(
                "within",
                Kind::Duration,
                "10s",
                "Patience for the whole answer, in device time.",
            ),
        ]),
        examples: &[
            "http-request: {host: laptop, path: /status, expect: {regex: 'free (?<free>[0-9]+)'}}",
            "http-request: {host: laptop, to: 192.168.0.70, port: 8080, method: POST, path: /led, body: on, status: 204, within: 2s}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`http-request`", decoder)?;
        let host = fields.required("host", decoder);
        let to = fields.optional("to", decoder);
        let port = number(&mut fields, "port", 80, 1..=65_535, decoder);
        let method = fields.or("method", "GET".to_owned(), decoder);
        let path = fields.or("path", Template::literal("/", node.span.clone()), decoder);
        let body = fields.optional("body", decoder);
        let status = number(&mut fields, "status", 200, 100..=999, decoder);
        let expect = fields.optional("expect", decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self {
            host: host?,
            to: to?,
            port: port?,
            method: method?,
            path: path?,
            body: body?,
            status: status?,
            expect: expect?,
            within: within?,
        })
    }

    fn facts(&self) -> Facts<'_> {
        let expect = self.expect.iter().map(TextPattern::template);
        let own = std::iter::once(&self.path).chain(&self.to).chain(&self.body);
        Facts {
            needs: &[Capability::Air],
            needs_power: true,
            templates: own.chain(expect).collect(),
            captures: self.expect.iter().flat_map(TextPattern::captures).collect(),
            hosts: vec![(&self.host.text, self.host.span.clone())],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("{} {} by {}", self.method, self.path.shown(), self.host.text)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let text = |template: &Template| session.text(template);
        let body = self.body.as_ref().map(text).transpose()?.unwrap_or_default();
        let (to, path) = (self.to.as_ref().map(text).transpose()?, text(&self.path)?);
        let expect = self.expect.as_ref().map(|it| it.pattern(session.values())).transpose()?;
        let (host, method, within) = (self.host.text.clone(), self.method.clone(), self.within);
        let body = Arc::from(body.into_bytes());
        let request = Request { host, to, port: self.port, method, path, body, within };
        session.target().order(Order::Request(request))?;
        let answer = match session.expect_answer(Patience::Within(self.within))? {
            Some(Ok(answer)) => answer,
            Some(Err(why)) => return Err(self.failed(session, &format!("got no answer: {why}"))),
            None => return Err(self.failed(session, "got no answer in time")),
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let wrong = match &expect {
            _ if answer.status != Some(self.status) => Some(format!("status {}", self.status)),
            Some(pattern) if !pattern.is_in(&text) => Some(pattern.to_string()),
            _ => None,
        };
        if let Some(expected) = wrong {
            return Err(StepError::failed(Failure {
                expected: Some(expected),
                seen: answer.text().lines().map(str::to_owned).collect(),
                ..Failure::new(format!("{} was answered with {}", self.summary(), answer.start))
            }));
        }
        if let Some(pattern) = &expect {
            session.set_groups(pattern, &text);
        }
        Ok(Evidence::Line { line: answer.to_string(), time: answer.last })
    }
}

impl HttpRequest {
    fn failed(&self, session: &Session<'_>, why: &str) -> StepError {
        let seen = session.site_lines();
        StepError::failed(Failure { seen, ..Failure::new(format!("{} {why}", self.summary())) })
    }
}

/// A number of a field with a default.
fn number(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: u16,
    range: std::ops::RangeInclusive<u16>,
    decoder: &mut Decoder,
) -> Option<u16> {
    let Some(node) = fields.node(key) else { return Some(default) };
    match node.as_integer().map(u16::try_from) {
        Some(Ok(number)) if range.contains(&number) => Some(number),
        _ => decoder.wrong(node, &format!("a number from {} to {}", range.start(), range.end())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::runner::testing::{Outcome, run_file};
    use crate::site::{HttpFrame, SiteEvent};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    fn run(answer: Option<Result<HttpFrame, String>>, fields: &str) -> Outcome {
        let reply = Reply::on(Cue::PowerOn);
        let answer = answer.map(|it| SiteEvent::Answered(it.map(Arc::new)));
        let reply =
            answer.into_iter().fold(reply, |it, event| it.happen(Span::from_secs(1), event));
        let head =
            "name: t\nversion: 1\nair: {ssid: x}\nhosts: {name: laptop, address: 192.168.0.4}\n";
        let steps = format!("- http-request: {{host: laptop{fields}}}");
        run_file(FakeTarget::new([reply]), &format!("{head}steps:\n{steps}\n"))
    }

    fn answered(status: u16, body: &str) -> Option<Result<HttpFrame, String>> {
        let body = body.as_bytes().to_vec();
        Some(Ok(HttpFrame { size: body.len() as u64, body, ..HttpFrame::answer(1, status) }))
    }

    #[test]
    fn status_and_body_must_be_as_expected() {
        assert_eq!(run(answered(200, "free 12"), ", expect: free"), Outcome::Passed);
        for (answer, fields, expected) in [
            (answered(404, "free 12"), "", "status 200"),
            (answered(200, "full"), ", expect: free", "\"free\""),
        ] {
            let Outcome::Failed(failure) = run(answer, fields) else { panic!("must fail") };
            assert_eq!(failure.expected.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_board_that_does_not_answer_fails_the_step() {
        let refused = Some(Err("the connection was refused".to_owned()));
        for (answer, what) in [
            (refused, "GET / by laptop got no answer: the connection was refused"),
            (None, "GET / by laptop got no answer in time"),
        ] {
            let Outcome::Failed(failure) = run(answer, "") else { panic!("must fail") };
            assert_eq!(failure.what, what);
        }
    }
}
