//! A web server: files by path, scripted answers, and for the rest 404.
//!
//! *Source*: RFC 9110 and 9112; the lines of its log are those of Python's `http.server`.
//!
//! *Modelled*: HTTP/1.0 and 1.1, connections that are kept and requests that come in a row, bodies
//! of requests by length and in chunks (they are read and dropped; frames show them), GET and HEAD
//! of files, `Expect: 100-continue`.
//!
//! *Not modelled*: ranges, conditions, compression, directories other than by `index.html`.
//!
//! Knows nothing of sockets: bytes come in, bytes and a wish for what follows come out.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::clock::Calendar;
use super::config::File;
use super::event::{NetEvent, NetEventKind};
use super::http_message::{Head, NotHttp, Part, Reader, Side, Start};
use super::order::{Manner, Response};
use crate::time::{Duration, Instant};

/// What all connections of a server share.
#[derive(Debug, Clone)]
pub(super) struct Server {
    files: Arc<BTreeMap<String, File>>,
    scripted: VecDeque<Scripted>,
}

#[derive(Debug, Clone)]
struct Scripted {
    path: Option<String>,
    response: Arc<Response>,
    times: u32,
}

/// Where and when a connection is served.
pub(super) struct Scene<'a> {
    pub(super) host: &'a str,
    pub(super) peer: IpAddr,
    pub(super) calendar: Calendar,
    pub(super) at: Instant,
    pub(super) events: &'a mut Vec<NetEvent>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    reader: Reader,
    /// Head of the request whose body is coming.
    request: Option<Head>,
    /// `100 Continue` still to be sent, so many bytes of it.
    interim: usize,
    outgoing: Option<Outgoing>,
}

/// An answer that is being sent.
#[derive(Debug)]
struct Outgoing {
    head: Vec<u8>,
    body: Arc<[u8]>,
    /// How many bytes of head and body are sent at all.
    total: usize,
    sent: usize,
    /// Not before.
    start: Instant,
    drip: Option<(usize, Duration)>,
    then: Then,
}

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next request.
    Stay,
    /// The end of the connection.
    Close,
    /// Its reset.
    Reset,
}

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Server {
    pub(super) fn new(files: &BTreeMap<String, File>) -> Self {
        Self { files: Arc::new(files.clone()), scripted: VecDeque::new() }
    }

    /// The next `times` requests (for `path`) get `response`.
    pub(super) fn script(&mut self, path: Option<String>, response: Response, times: u32) {
        self.scripted.push_back(Scripted { path, response: Arc::new(response), times });
    }

    /// Forgets all scripted answers that were not given yet.
    pub(super) fn forget(&mut self) {
        self.scripted.clear();
    }

    /// The scripted answer to a request for `path`, which is then used up.
    fn take_scripted(&mut self, path: &str) -> Option<Arc<Response>> {
        self.scripted.retain(|scripted| scripted.times > 0);
        let fits = |s: &Scripted| s.path.as_deref().is_none_or(|p| p == path);
        let scripted = self.scripted.iter_mut().find(|s| fits(s))?;
        scripted.times -= 1;
        Some(scripted.response.clone())
    }

    fn file(&self, path: &str) -> Option<&File> {
        let find = |path: &str| {
            self.files.get(path).or_else(|| {
                let index = path.ends_with('/').then(|| format!("{path}index.html"));
                index.and_then(|index| self.files.get(&index))
            })
        };
        find(path).or_else(|| find(&without_percents(path)))
    }
}

impl Connection {
    pub(super) fn new() -> Self {
        Self { reader: Reader::new(Side::Requests), request: None, interim: 0, outgoing: None }
    }

    /// Whether an answer is under way, behind which the next request waits.
    pub(super) fn is_answering(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Takes bytes from the station, up to the end of one request. Says how many it took.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        server: &mut Server,
        scene: &mut Scene<'_>,
    ) -> usize {
        let mut rest = bytes;
        while self.outgoing.is_none() {
            match self.reader.read(&mut rest, None) {
                Ok(None) => break,
                Ok(Some(Part::Head(head, _))) => {
                    if head.says("Expect", "100-continue") && head.minor >= 1 {
                        self.interim = INTERIM.len();
                    }
                    self.request = Some(head);
                }
                Ok(Some(Part::Body(_))) => {}
                Ok(Some(Part::End)) => {
                    if let Some(head) = self.request.take() {
                        self.answer(&head, server, scene);
                    }
                }
                Err(NotHttp(why)) => {
                    self.refuse(why, scene);
                    rest = &[];
                }
            }
        }
        bytes.len() - rest.len()
    }

    /// The bytes that may leave now.
    pub(super) fn output(&self, at: Instant) -> &[u8] {
        if self.interim > 0 {
            return &INTERIM[INTERIM.len() - self.interim..];
        }
        let Some(outgoing) = &self.outgoing else { return &[] };
        let end = outgoing.allowed(at);
        let head = outgoing.head.len();
        if outgoing.sent < head {
            &outgoing.head[outgoing.sent..end.clamp(outgoing.sent, head)]
        } else {
            &outgoing.body[outgoing.sent - head..end.max(outgoing.sent) - head]
        }
    }

    /// So many bytes of [`Self::output`] have left. Says what follows once an answer is out.
    pub(super) fn sent(&mut self, bytes: usize) -> Option<Then> {
        if self.interim > 0 {
            self.interim -= bytes.min(self.interim);
            return None;
        }
        let outgoing = self.outgoing.as_mut()?;
        outgoing.sent += bytes;
        if outgoing.sent < outgoing.total {
            return None;
        }
        let then = outgoing.then;
        self.outgoing = None;
        Some(then)
    }

    /// The connection is to be reset, but bytes before it are still on their way.
    pub(super) fn reset_when_sent(&mut self) {
        self.outgoing = Some(Outgoing::new(Vec::new(), Arc::from([]), Instant::ZERO, Then::Reset));
    }

    /// Whether an answer of no bytes at all is due, such as a reset at once.
    pub(super) fn is_due_empty(&self, at: Instant) -> bool {
        self.interim == 0
            && self.outgoing.as_ref().is_some_and(|o| o.total == o.sent && o.start <= at)
    }

    /// When more of an answer may leave.
    pub(super) fn deadline(&self, at: Instant) -> Option<Instant> {
        self.outgoing.as_ref()?.deadline(at)
    }

    fn answer(&mut self, request: &Head, server: &mut Server, scene: &mut Scene<'_>) {
        let Start::Request { method, target } = &request.start else { return };
        self.interim = 0;
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let line = format!("{method} {target} HTTP/1.{}", request.minor);
        if let Some(response) = server.take_scripted(path) {
            scene.log_request(&line, response.status);
            self.outgoing = Some(scripted(request, method, &response, scene.at));
            return;
        }
        let file = server.file(path);
        let served = matches!(&method[..], "GET" | "HEAD");
        let (status, kind, body) = match file {
            Some(file) if served => (200, file.content_type.clone(), file.bytes.clone()),
            // As Python's server does, which serves nothing but GET and HEAD.
            _ if !served => {
                scene.log_error(501, &format!("Unsupported method ('{method}')"));
                let body = page(501, "This server answers GET and HEAD.");
                (501, HTML.to_owned(), body)
            }
            _ => {
                scene.log_error(404, "File not found");
                (404, HTML.to_owned(), page(404, "There is nothing at this path."))
            }
        };
        scene.log_request(&line, status);
        let headers = [
            ("Server".to_owned(), "benchrig".to_owned()),
            ("Date".to_owned(), scene.calendar.http_date(scene.at)),
            ("Content-Type".to_owned(), kind),
            ("Content-Length".to_owned(), body.len().to_string()),
        ];
        let stays = request.keeps_alive() && status < 500;
        let then = if stays { Then::Stay } else { Then::Close };
        let reason = match status {
            404 => "File not found",
            status => reason(status),
        };
        let head = write_head(request.minor, status, reason, &headers, then);
        let body = if method == "HEAD" { Arc::from([]) } else { body };
        self.outgoing = Some(Outgoing::new(head, body, scene.at, then));
    }

    /// Answers what is not HTTP, and ends the connection.
    fn refuse(&mut self, why: &str, scene: &mut Scene<'_>) {
        let line = printable(self.reader.first_line());
        scene.log_error(400, &format!("Bad request syntax ('{line}')"));
        scene.log(&format!("\"{line}\" 400 -"));
        let body = page(400, why);
        let headers = [
            ("Server".to_owned(), "benchrig".to_owned()),
            ("Date".to_owned(), scene.calendar.http_date(scene.at)),
            ("Content-Type".to_owned(), HTML.to_owned()),
            ("Content-Length".to_owned(), body.len().to_string()),
        ];
        let head = write_head(1, 400, reason(400), &headers, Then::Close);
        self.request = None;
        self.interim = 0;
        self.outgoing = Some(Outgoing::new(head, body, scene.at, Then::Close));
    }
}

const HTML: &str = "text/html;charset=utf-8";

fn page(status: u16, text: &str) -> Arc<[u8]> {
    let reason = reason(status);
    let page = format!(
        "<!DOCTYPE html>\n<title>{status} {reason}</title>\n<h1>{reason}</h1>\n<p>{text}\n"
    );
    Arc::from(page.into_bytes())
}

fn scripted(request: &Head, method: &str, response: &Response, at: Instant) -> Outgoing {
    let named = |name: &str| response.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut headers = response.headers.clone();
    let bodiless = matches!(response.status, 204 | 304);
    let framed = named("Content-Length") || named("Transfer-Encoding") || bodiless;
    if !framed {
        headers.push(("Content-Length".to_owned(), response.body.len().to_string()));
    }
    // A body that is framed by its own headers can be followed by anything; so better by nothing,
    // unless the length is right.
    let length = response.body.len().to_string();
    let right =
        |(n, v): &(String, String)| n.eq_ignore_ascii_case("Content-Length") && v.trim() == length;
    let stays = request.keeps_alive() && (!framed || bodiless || headers.iter().any(right));
    let then = match response.manner {
        Manner::Reset(_) => Then::Reset,
        Manner::Truncated(_) => Then::Close,
        _ if stays => Then::Stay,
        _ => Then::Close,
    };
    let shown = if named("Connection") { Shown::No } else { Shown::Yes };
    let words = response.reason.as_deref().unwrap_or_else(|| reason(response.status));
    let head = write_head_with(request.minor, response.status, words, &headers, then, shown);
    let body = if method == "HEAD" || bodiless { Arc::from([]) } else { response.body.clone() };
    let start = match response.manner {
        Manner::Silence => Instant::MAX,
        _ => at + response.delay,
    };
    let mut outgoing = Outgoing::new(head, body, start, then);
    match response.manner {
        Manner::Truncated(bytes) => {
            outgoing.total = outgoing.total.min(outgoing.head.len().saturating_add(bytes));
        }
        Manner::Reset(bytes) => outgoing.total = outgoing.total.min(bytes),
        Manner::Drip { bytes, every } => outgoing.drip = Some((bytes.max(1), every)),
        Manner::Whole | Manner::Silence => {}
    }
    outgoing
}

impl Outgoing {
    fn new(head: Vec<u8>, body: Arc<[u8]>, start: Instant, then: Then) -> Self {
        let total = head.len() + body.len();
        Self { head, body, total, sent: 0, start, drip: None, then }
    }

    /// How far head and body may have been sent at `at`.
    fn allowed(&self, at: Instant) -> usize {
        if at < self.start {
            return 0;
        }
        let Some((bytes, every)) = self.drip.filter(|(_, every)| *every > Duration::ZERO) else {
            return self.total;
        };
        let drops = 1 + at.saturating_since(self.start).ticks() / every.ticks();
        let body = usize::try_from(drops).unwrap_or(usize::MAX).saturating_mul(bytes);
        self.total.min(self.head.len().saturating_add(body))
    }

    fn deadline(&self, at: Instant) -> Option<Instant> {
        if self.start == Instant::MAX {
            return None;
        }
        if at < self.start {
            return Some(self.start);
        }
        let (_, every) = self.drip.filter(|(_, every)| *every > Duration::ZERO)?;
        if self.allowed(at) == self.total {
            return None;
        }
        let drops = at.saturating_since(self.start).ticks() / every.ticks();
        Some(self.start + every * (drops + 1))
    }
}

impl Scene<'_> {
    fn log_request(&mut self, line: &str, status: u16) {
        let line = printable(line.as_bytes());
        self.log(&format!("\"{line}\" {status} -"));
    }

    fn log_error(&mut self, status: u16, message: &str) {
        self.log(&format!("code {status}, message {}", printable(message.as_bytes())));
    }

    fn log(&mut self, text: &str) {
        let date = self.calendar.log_date(self.at);
        let line = format!("{} - - [{date}] {text}", self.peer);
        let kind = NetEventKind::Log { host: self.host.to_owned(), line };
        self.events.push(NetEvent { at: self.at, kind });
    }
}

/// As Python writes what came into its log: each byte as the character of that number, control
/// characters as `\x1b`, and a backslash doubled.
fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            0..=0x1f | 0x7f..=0x9f => out.push_str(&format!("\\x{byte:02x}")),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

fn without_percents(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a head says what becomes of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Yes,
    No,
}

fn write_head(
    minor: u8,
    status: u16,
    reason: &str,
    headers: &[(String, String)],
    then: Then,
) -> Vec<u8> {
    write_head_with(minor, status, reason, headers, then, Shown::Yes)
}

fn write_head_with(
    minor: u8,
    status: u16,
    reason: &str,
    headers: &[(String, String)],
    then: Then,
    shown: Shown,
) -> Vec<u8> {
    let mut head = format!("HTTP/1.{minor} {status} {reason}\r\n");
    let mut add = |name: &str, value: &str| {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    };
    for (name, value) in headers {
        add(name, value);
    }
    // What the version does not say by itself.
    match (shown, minor, then) {
        (Shown::Yes, 0, Then::Stay) => add("Connection", "keep-alive"),
        (Shown::Yes, 1.., Then::Close) => add("Connection", "close"),
        _ => {}
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// The words of RFC 9110 for a status.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    struct Bench {
        server: Server,
        connection: Connection,
        events: Vec<NetEvent>,
    }

    impl Bench {
        fn new() -> Self {
            let file = |text: &str| File {
                content_type: "text/plain".to_owned(),
                bytes: Arc::from(text.as_bytes()),
            };
            let files = BTreeMap::from([
                ("/a".to_owned(), file("alpha")),
                ("/ä".to_owned(), file("umlaut")),
                ("/index.html".to_owned(), file("index")),
            ]);
            let server = Server::new(&files);
            Self { server, connection: Connection::new(), events: Vec::new() }
        }

        /// Sends `bytes`; what comes back until nothing more is due at `at`, and how it ended.
        fn exchange(&mut self, mut bytes: &[u8], at: Instant) -> (String, Then) {
            let mut out = Vec::new();
            loop {
                let mut scene = Scene {
                    host: "laptop",
                    peer: IpAddr::V4(Ipv4Addr::new(192, 168, 0, 50)),
                    calendar: Calendar::new(1_795_659_865),
                    at,
                    events: &mut self.events,
                };
                let taken = self.connection.receive(bytes, &mut self.server, &mut scene);
                bytes = &bytes[taken..];
                let output = self.connection.output(at).to_vec();
                let due = self.connection.is_due_empty(at);
                if output.is_empty() && !due {
                    return (String::from_utf8(out).unwrap(), Then::Stay);
                }
                out.extend(&output);
                if let Some(then @ (Then::Close | Then::Reset)) = self.connection.sent(output.len())
                {
                    return (String::from_utf8(out).unwrap(), then);
                }
            }
        }

        fn lines(&self) -> Vec<String> {
            let line = |event: &NetEvent| match &event.kind {
                NetEventKind::Log { line, .. } => line.clone(),
                other => panic!("{other:?}"),
            };
            self.events.iter().map(line).collect()
        }
    }

    #[test]
    fn a_path_without_a_file_is_logged_as_pythons_server_does() {
        let mut bench = Bench::new();
        let request = b"GET /hello-from-esp HTTP/1.0\r\nHost: x\r\n\r\n";
        let (answer, then) = bench.exchange(request, Instant::ZERO);
        assert!(answer.starts_with("HTTP/1.0 404 File not found\r\n"), "{answer}");
        assert_eq!(then, Then::Close);
        assert_eq!(
            bench.lines(),
            [
                "192.168.0.50 - - [26/Nov/2026 02:24:25] code 404, message File not found",
                "192.168.0.50 - - [26/Nov/2026 02:24:25] \"GET /hello-from-esp HTTP/1.0\" 404 -",
            ]
        );
    }

    #[test]
    fn requests_in_a_row_are_answered_in_order_on_one_connection() {
        let mut bench = Bench::new();
        let row =
            b"GET /a?x=1 HTTP/1.1\r\n\r\nHEAD /a HTTP/1.1\r\n\r\nGET /%C3%A4 HTTP/1.1\r\n\r\n\
            GET / HTTP/1.1\r\nConnection: close\r\n\r\nGET /a HTTP/1.1\r\n\r\n";
        let (answer, then) = bench.exchange(row, Instant::ZERO);
        assert_eq!(then, Then::Close);
        assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 4);
        assert_eq!(answer.matches("Content-Length: 5\r\n").count(), 3);
        assert_eq!(answer.matches("alpha").count(), 1);
        assert!(answer.contains("umlaut") && answer.ends_with("Connection: close\r\n\r\nindex"));
        assert!(answer.contains("Date: Thu, 26 Nov 2026 02:24:25 GMT\r\n"));
    }

    #[test]
    fn an_older_connection_stays_only_if_asked_to() {
        let mut bench = Bench::new();
        let (answer, then) =
            bench.exchange(b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Instant::ZERO);
        assert_eq!(then, Then::Stay);
        assert!(answer.contains("Connection: keep-alive\r\n"));
        let (_, then) = bench.exchange(b"GET /a HTTP/1.0\r\n\r\n", Instant::ZERO);
        assert_eq!(then, Then::Close);
    }

    #[test]
    fn a_body_in_chunks_is_read_over_and_waited_for_with_100() {
        let mut bench = Bench::new();
        let head =
            b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (answer, _) = bench.exchange(head, Instant::ZERO);
        assert_eq!(answer, "HTTP/1.1 100 Continue\r\n\r\n");
        let (answer, then) = bench.exchange(b"3\r\nabc\r\n0\r\n\r\n", Instant::ZERO);
        assert!(answer.starts_with("HTTP/1.1 501 Not Implemented\r\n"));
        assert_eq!(then, Then::Close);
        assert!(bench.lines()[0].ends_with("code 501, message Unsupported method ('POST')"));
    }

    #[test]
    fn what_is_not_http_is_answered_with_400_and_shown_in_the_log() {
        let mut bench = Bench::new();
        let (answer, then) = bench.exchange(b"GET \x1b[m HTTP/9\r\n\r\n", Instant::ZERO);
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert_eq!(then, Then::Close);
        assert!(bench.lines()[1].ends_with("\"GET \\x1b[m HTTP/9\" 400 -"), "{:?}", bench.lines());
    }

    #[test]
    fn scripted_answers_come_late_short_slowly_or_not_at_all() {
        let mut bench = Bench::new();
        let request = b"GET /a HTTP/1.1\r\n\r\n";
        let ms = |n| Instant::ZERO + Duration::from_millis(n);
        let with = |manner| Response {
            body: Arc::from(&b"0123456789"[..]),
            delay: Duration::from_millis(100),
            manner,
            ..Response::new(503)
        };
        bench.server.script(Some("/b".to_owned()), with(Manner::Whole), 1);
        bench.server.script(None, with(Manner::Whole), 1);
        assert_eq!(bench.exchange(request, ms(0)).0, "");
        assert_eq!(bench.connection.deadline(ms(0)), Some(ms(100)));
        assert_eq!(bench.exchange(b"", ms(99)).0, "");
        let (answer, then) = bench.exchange(b"", ms(100));
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10\r\n\r\n";
        assert_eq!((&answer[..], then), (&format!("{head}0123456789")[..], Then::Stay));

        bench.server.script(None, with(Manner::Truncated(4)), 1);
        bench.exchange(request, ms(0));
        let (answer, then) = bench.exchange(b"", ms(100));
        assert!(answer.ends_with("\r\n\r\n0123"));
        assert_eq!(then, Then::Close);

        bench.server.script(None, with(Manner::Reset(0)), 1);
        bench.exchange(request, ms(0));
        assert_eq!(bench.exchange(b"", ms(100)), (String::new(), Then::Reset));

        let every = Duration::from_millis(10);
        bench.server.script(None, with(Manner::Drip { bytes: 4, every }), 1);
        bench.exchange(request, ms(0));
        assert!(bench.exchange(b"", ms(100)).0.ends_with("\r\n\r\n0123"));
        assert_eq!(bench.connection.deadline(ms(100)), Some(ms(110)));
        assert_eq!(bench.exchange(b"", ms(119)).0, "4567");
        assert_eq!(bench.exchange(b"", ms(120)).0, "89");

        bench.server.script(None, with(Manner::Silence), 1);
        bench.exchange(request, ms(0));
        assert_eq!(bench.connection.deadline(ms(1_000_000)), None);
        assert!(bench.connection.is_answering());
    }
}
