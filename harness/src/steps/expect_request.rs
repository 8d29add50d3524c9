//! `expect-request`: a host of the network gets an HTTP request.
//!
//! Requests are seen on the wire, whatever their port. Each expectation looks behind the one before
//! that was about the same host.

use super::serial_fields::TextPattern;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Patience, Session};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PATTERN, Reference};
use crate::scenario::values::Template;
use crate::site::{Asked, HttpFrame};
use crate::targets::Capability;
use crate::time::Span;

/// Patience when the step does not say its own: joining a network takes its time.
const DEFAULT_WITHIN: Span = Span::from_secs(30);

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectRequest {
    /// Who gets it.
    pub host: Spanned,
    /// `GET` and others; any if not said.
    pub method: Option<String>,
    /// Exactly this path and query.
    pub path: Option<Template>,
    /// What is found in its body.
    pub body: Option<TextPattern>,
    /// Patience in device time.
    pub within: Span,
}

impl Step for ExpectRequest {
    const NAME: &'static str = "expect-request";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "A host of the network gets an HTTP request from the board, at whatever port.",
        value: Kind::Keys(&[
            Key::required("host", Kind::Text, "Which host, by its name."),
            Key::optional("method", Kind::Text, "`GET` and others; any if not said."),
            Key::optional("path", Kind::Template, "Exactly this path and query."),
            Key::optional("body", PATTERN, "What is found in its body."),
            Key::or("within", Kind::Duration, "30s", "Patience, in device time."),
        ]),
        examples: &[
            "expect-request: {host: laptop, method: GET, path: /hello-from-esp}",
            "expect-request: {host: laptop, path: '/log?n=1', body: {regex: 'free (?<free>[0-9]+)'}, within: 5s}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect-request`", decoder)?;
        let host = fields.required("host", decoder);
        let method = fields.optional("method", decoder);
        let path = fields.optional("path", decoder);
        let body = fields.optional("body", decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { host: host?, method: method?, path: path?, body: body?, within: within? })
    }

    fn facts(&self) -> Facts<'_> {
        let body = self.body.iter().map(TextPattern::template);
        Facts {
            needs: &[Capability::Air],
            needs_power: true,
            templates: self.path.iter().chain(body).collect(),
            captures: self.body.iter().flat_map(TextPattern::captures).collect(),
            hosts: vec![(&self.host.text, self.host.span.clone())],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        let method = self.method.as_deref().unwrap_or("any");
        let path = self.path.as_ref().map_or("any path".to_owned(), Template::shown);
        format!("{method} {path} at {}", self.host.text)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let path = self.path.as_ref().map(|path| session.text(path)).transpose()?;
        let body = self.body.as_ref().map(|body| body.pattern(session.values())).transpose()?;
        let is_it = |frame: &HttpFrame| {
            let Some(Asked { method, path: asked }) = &frame.request else { return false };
            is_of(&frame.to, &self.host.text)
                && self.method.as_ref().is_none_or(|wanted| wanted == method)
                && path.as_ref().is_none_or(|wanted| wanted == asked)
                && body.as_ref().is_none_or(|it| it.is_in(&String::from_utf8_lossy(&frame.body)))
        };
        let frame = session.expect_frame(&self.host.text, &is_it, Patience::Within(self.within))?;
        let Some(frame) = frame else {
            let requests = session.seen().unread(&self.host.text);
            let seen =
                requests.filter(|it| is_of(&it.to, &self.host.text)).map(|it| it.to_string());
            let seen: Vec<_> = seen.collect();
            let help = match seen.is_empty() {
                true => format!("{} has got no other request either", self.host.text),
                false => "these are the requests that came".to_owned(),
            };
            let what = format!("{} did not come within {}", self.summary(), self.within);
            return Err(StepError::failed(Failure {
                seen,
                help: Some(help),
                ..Failure::new(what)
            }));
        };
        if let Some(pattern) = &body {
            session.set_groups(pattern, &String::from_utf8_lossy(&frame.body));
        }
        Ok(Evidence::Line { line: frame.to_string(), time: frame.last })
    }
}

/// Whether `end`, a name and perhaps a port, is this host.
pub(super) fn is_of(end: &str, host: &str) -> bool {
    end.strip_prefix(host).is_some_and(|port| port.is_empty() || port.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::runner::testing::{Outcome, run_file};
    use crate::site::{HttpFrame, SiteEvent};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    /// A board that sends these, one a second, after it was switched on.
    fn sending(frames: &[HttpFrame]) -> FakeTarget {
        let reply = frames.iter().fold(Reply::on(Cue::PowerOn), |reply, frame| {
            reply.happen(Span::from_secs(1), SiteEvent::Http(Arc::new(frame.clone())))
        });
        FakeTarget::new([reply])
    }

    fn run(frames: &[HttpFrame], steps: &str) -> Outcome {
        let head = "name: t\nversion: 1\nair: {ssid: x}\nhosts:\n- {name: laptop, address: 192.168.0.4}\n- {name: lap, address: 192.168.0.5}\n";
        run_file(sending(frames), &format!("{head}steps:\n{steps}\n"))
    }

    #[test]
    fn a_second_request_is_not_the_first_one_again() {
        let hello = |connection| HttpFrame::request(connection, "GET", "/hello", "");
        let twice = "- expect-request: {host: laptop, path: /hello}\n".repeat(2);
        assert_eq!(run(&[hello(1), hello(2)], &twice), Outcome::Passed);
        let Outcome::Failed(failure) = run(&[hello(1)], &twice) else { panic!("must fail") };
        assert_eq!(failure.what, "any /hello at laptop did not come within 30s");
        assert_eq!(failure.help.as_deref(), Some("laptop has got no other request either"));
    }

    #[test]
    fn all_that_is_said_must_be_so_and_what_came_instead_is_told() {
        let posted = HttpFrame::request(1, "POST", "/log?n=1", "free 123 bytes");
        for wrong in ["method: GET", "path: /log", "body: full", "within: 999ms"] {
            let step = format!("- expect-request: {{host: laptop, {wrong}}}");
            let Outcome::Failed(failure) = run(std::slice::from_ref(&posted), &step) else {
                panic!("{wrong} must fail")
            };
            let late = wrong.starts_with("within");
            let seen = "board -> laptop:80 POST /log?n=1 HTTP/1.0, 14 bytes";
            let told: &[&str] = if late { &[] } else { &[seen] };
            assert_eq!(failure.seen, told, "{wrong}");
        }
        let right = "
- expect-request: {host: laptop, method: POST, path: '/log?n=1', body: {regex: 'free (?<free>[0-9]+)'}}
- log: '{{free}}'";
        assert_eq!(run(&[posted], right), Outcome::Passed);
    }

    #[test]
    fn a_host_whose_name_only_begins_alike_is_another_one() {
        let step = "- expect-request: {host: lap}";
        let outcome = run(&[HttpFrame::request(1, "GET", "/", "")], step);
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        let Outcome::Invalid(faults) = run(&[], "- expect-request: {host: labtop}") else {
            panic!("there is no such host")
        };
        assert_eq!(faults[0].message, "the scenario has no host `labtop`");
    }
}
