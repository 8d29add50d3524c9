//! One direction of an HTTP/1 connection, taken apart as its bytes come.
//!
//! *Source*: RFC 9110 (methods, status), RFC 9112 (framing of messages, chunks); heads are parsed
//! by the httparse crate.
//!
//! *Modelled*: HTTP/1.0 and 1.1, heads of up to 64 KiB and 128 headers, bodies by length, in
//! chunks, until the end of the connection, and without end (`multipart/x-mixed-replace`);
//! responses to HEAD and CONNECT, interim responses, upgrades. Bytes may come in any portions.
//!
//! *Not modelled*: other transfer codings than `chunked`; trailers are skipped.

/// Longest head, from its first byte to its empty line.
const HEAD_LIMIT: usize = 64 << 10;
/// Most headers of one message.
const HEADERS_LIMIT: usize = 128;
/// Longest line between chunks.
const LINE_LIMIT: usize = 4 << 10;

/// Start line and headers of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The first line.
    pub start: Start,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor: u8,
    /// Names and values, in the order and case in which they came. Bytes that are not UTF-8 are
    /// replaced.
    pub headers: Vec<(String, String)>,
}

/// What the first line of a message says besides the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A request.
    Request {
        /// `GET` and others.
        method: String,
        /// Path and query, as it came.
        target: String,
    },
    /// A response.
    Response {
        /// Such as 404.
        status: u16,
        /// The words behind it.
        reason: String,
    },
}

/// How a message says where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// It has none.
    None,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// All until the connection ends.
    UntilClose,
    /// Parts that replace each other until the connection ends (`multipart/x-mixed-replace`).
    Stream,
    /// What follows is another protocol, or a tunnel.
    Upgrade,
}

impl Head {
    /// The value of the first header called `name` in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Whether one of the comma-separated words of a header is `word`.
    pub(super) fn says(&self, name: &str, word: &str) -> bool {
        self.headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .flat_map(|(_, v)| v.split(','))
            .any(|w| w.trim().eq_ignore_ascii_case(word))
    }

    /// Whether the connection is meant to be used again after this message (RFC 9112,
    /// "Persistence").
    pub(super) fn keeps_alive(&self) -> bool {
        let closes = self.says("Connection", "close");
        !closes && (self.minor >= 1 || self.says("Connection", "keep-alive"))
    }

    fn extent(&self, asked_by: Option<&str>) -> Result<Extent, NotHttp> {
        let chunked = self.says("Transfer-Encoding", "chunked");
        match &self.start {
            Start::Request { .. } if chunked => Ok(Extent::Chunked),
            Start::Request { .. } => self.length().map(|length| match length {
                None | Some(0) => Extent::None,
                Some(n) => Extent::Length(n),
            }),
            Start::Response { status: 101, .. } => Ok(Extent::Upgrade),
            Start::Response { status: 100..=199 | 204 | 304, .. } => Ok(Extent::None),
            Start::Response { .. } if asked_by == Some("HEAD") => Ok(Extent::None),
            Start::Response { status: 200..=299, .. } if asked_by == Some("CONNECT") => {
                Ok(Extent::Upgrade)
            }
            Start::Response { .. } if chunked => Ok(Extent::Chunked),
            Start::Response { .. } => self.length().map(|length| match length {
                Some(0) => Extent::None,
                Some(n) => Extent::Length(n),
                None if self.is_stream() => Extent::Stream,
                None => Extent::UntilClose,
            }),
        }
    }

    fn is_stream(&self) -> bool {
        let kind = b"multipart/x-mixed-replace";
        self.header("Content-Type").is_some_and(|value| {
            value.as_bytes().get(..kind.len()).is_some_and(|v| v.eq_ignore_ascii_case(kind))
        })
    }

    fn length(&self) -> Result<Option<u64>, NotHttp> {
        let mut length = None;
        for (name, value) in &self.headers {
            if !name.eq_ignore_ascii_case("Content-Length") {
                continue;
            }
            for value in value.split(',') {
                let value = value.trim();
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                let n = if digits { value.parse().ok() } else { None };
                let n: u64 = n.ok_or(NotHttp("a Content-Length that is no number"))?;
                if length.is_some_and(|length| length != n) {
                    return Err(NotHttp("two Content-Lengths that differ"));
                }
                length = Some(n);
            }
        }
        Ok(length)
    }
}

/// What is wrong with what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotHttp(pub(super) &'static str);

/// What a direction carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Requests,
    Responses,
}

/// The next part of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A head, and how the body will end.
    Head(Head, Extent),
    /// Some of the body.
    Body(&'a [u8]),
    /// The message is over.
    End,
}

/// One direction of a connection.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    side: Side,
    state: State,
    /// The part of a head or of a line between chunks that has come.
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before or in a head; `line` bytes of its last line have come.
    Head {
        line: usize,
    },
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    /// The end of a message is still to be told.
    Ended,
}

impl Reader {
    pub(super) fn new(side: Side) -> Self {
        Self { side, state: State::Head { line: 0 }, buffer: Vec::new() }
    }

    /// No message has begun, or the last one is over.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::Head { .. }) && self.buffer.is_empty()
    }

    /// The first line of what has come of a head, without its end.
    pub(super) fn first_line(&self) -> &[u8] {
        let line = self.buffer.split(|&b| b == b'\n').next().unwrap_or_default();
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// A body is on the way that only the end of the connection will end.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.state == State::UntilClose
    }

    /// Takes the next part off the front of `input`; none if that was too little. A response's
    /// length depends on the method that it answers, `asked_by`.
    pub(super) fn read<'a>(
        &mut self,
        input: &mut &'a [u8],
        asked_by: Option<&str>,
    ) -> Result<Option<Part<'a>>, NotHttp> {
        loop {
            match self.state {
                State::Head { .. } => {
                    if !self.fill_head(input)? {
                        return Ok(None);
                    }
                    let head = self.parse_head()?;
                    self.buffer = Vec::new();
                    let extent = head.extent(asked_by)?;
                    self.state = match extent {
                        Extent::None => State::Ended,
                        Extent::Length(n) => State::Length(n),
                        Extent::Chunked => State::ChunkSize,
                        Extent::UntilClose | Extent::Stream | Extent::Upgrade => State::UntilClose,
                    };
                    return Ok(Some(Part::Head(head, extent)));
                }
                State::Ended => {
                    self.state = State::Head { line: 0 };
                    return Ok(Some(Part::End));
                }
                _ if input.is_empty() => return Ok(None),
                State::UntilClose => return Ok(Some(Part::Body(std::mem::take(input)))),
                State::Length(left) => {
                    let body = take(input, left);
                    let left = left - body.len() as u64;
                    self.state = if left == 0 { State::Ended } else { State::Length(left) };
                    return Ok(Some(Part::Body(body)));
                }
                State::Chunk(left) => {
                    let body = take(input, left);
                    let left = left - body.len() as u64;
                    self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                    return Ok(Some(Part::Body(body)));
                }
                State::ChunkSize => {
                    if !self.fill_line(input)? {
                        return Ok(None);
                    }
                    self.state = match httparse::parse_chunk_size(&self.buffer) {
                        Ok(httparse::Status::Complete((_, 0))) => State::Trailer,
                        Ok(httparse::Status::Complete((_, n))) => State::Chunk(n),
                        _ => return Err(NotHttp("a chunk without a size")),
                    };
                    self.buffer.clear();
                }
                State::ChunkEnd => {
                    if !self.fill_line(input)? {
                        return Ok(None);
                    }
                    if !matches!(&self.buffer[..], b"\r\n" | b"\n") {
                        return Err(NotHttp("a chunk that is longer than it says"));
                    }
                    self.buffer.clear();
                    self.state = State::ChunkSize;
                }
                State::Trailer => {
                    if !self.fill_line(input)? {
                        return Ok(None);
                    }
                    if matches!(&self.buffer[..], b"\r\n" | b"\n") {
                        self.state = State::Ended;
                    }
                    self.buffer.clear();
                }
            }
        }
    }

    /// Takes bytes up to the empty line that ends a head. Says as early as possible that this is
    /// no HTTP, because connections of any kind are looked at.
    fn fill_head(&mut self, input: &mut &[u8]) -> Result<bool, NotHttp> {
        let State::Head { mut line } = self.state else { return Ok(false) };
        let mut complete = false;
        let mut taken = 0;
        for &byte in *input {
            taken += 1;
            // Empty lines before a message are to be overlooked (RFC 9112, "Message Parsing").
            if self.buffer.is_empty() && matches!(byte, b'\r' | b'\n') {
                continue;
            }
            self.buffer.push(byte);
            if self.buffer.len() <= 16 && !self.is_plausible() {
                return Err(NotHttp("no start of a message"));
            }
            match byte {
                b'\n' if line == 0 => {
                    complete = true;
                    break;
                }
                b'\n' => line = 0,
                b'\r' => {}
                _ => line += 1,
            }
            if self.buffer.len() >= HEAD_LIMIT {
                return Err(NotHttp("a head longer than 64 KiB"));
            }
        }
        *input = &input[taken..];
        self.state = State::Head { line };
        Ok(complete)
    }

    /// Whether a message can begin with what has come.
    fn is_plausible(&self) -> bool {
        match self.side {
            Side::Responses => {
                let name = b"HTTP/1.";
                let n = name.len().min(self.buffer.len());
                self.buffer[..n] == name[..n]
            }
            // A method is a token, and no more than 15 characters long in practice.
            Side::Requests => {
                let mut words = self.buffer.split(|&b| b == b' ');
                let method = words.next().unwrap_or_default();
                let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
                !method.is_empty() && method.len() < 16 && method.iter().all(token)
            }
        }
    }

    fn parse_head(&self) -> Result<Head, NotHttp> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
        let wrong = |error| {
            NotHttp(match error {
                httparse::Error::HeaderName => "a header name with wrong characters",
                httparse::Error::HeaderValue => "a header value with wrong characters",
                httparse::Error::NewLine => "a line with a wrong end",
                httparse::Error::Status => "a status that is no number",
                httparse::Error::Token => "wrong characters in the first line",
                httparse::Error::TooManyHeaders => "more than 128 headers",
                httparse::Error::Version => "a version that is not HTTP/1",
            })
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (start, minor, headers) = match self.side {
            Side::Requests => {
                let mut request = httparse::Request::new(&mut headers);
                let status = request.parse(&self.buffer).map_err(wrong)?;
                let (Some(method), Some(target), Some(minor), true) =
                    (request.method, request.path, request.version, status.is_complete())
                else {
                    return Err(NotHttp("a head that ends too early"));
                };
                let start = Start::Request { method: method.to_owned(), target: target.to_owned() };
                (start, minor, request.headers)
            }
            Side::Responses => {
                let mut response = httparse::Response::new(&mut headers);
                let status = response.parse(&self.buffer).map_err(wrong)?;
                let (Some(code), Some(minor), true) =
                    (response.code, response.version, status.is_complete())
                else {
                    return Err(NotHttp("a head that ends too early"));
                };
                let reason = response.reason.unwrap_or_default().to_owned();
                (Start::Response { status: code, reason }, minor, response.headers)
            }
        };
        let headers = headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
        Ok(Head { start, minor, headers })
    }

    fn fill_line(&mut self, input: &mut &[u8]) -> Result<bool, NotHttp> {
        let end = input.iter().position(|&b| b == b'\n').map(|n| n + 1);
        let (line, rest) = input.split_at(end.unwrap_or(input.len()));
        if self.buffer.len() + line.len() > LINE_LIMIT {
            return Err(NotHttp("a line between chunks longer than 4 KiB"));
        }
        self.buffer.extend_from_slice(line);
        *input = rest;
        Ok(end.is_some())
    }
}

fn take<'a>(input: &mut &'a [u8], at_most: u64) -> &'a [u8] {
    let n = usize::try_from(at_most).unwrap_or(usize::MAX).min(input.len());
    let (taken, rest) = input.split_at(n);
    *input = rest;
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message: head, extent, body, and whether it came to its end.
    type Message = (Head, Extent, Vec<u8>, bool);

    /// What is read of `bytes` that come in portions of `size`.
    fn read_all(
        side: Side,
        bytes: &[u8],
        size: usize,
        asked_by: Option<&str>,
    ) -> Result<Vec<Message>, NotHttp> {
        let mut reader = Reader::new(side);
        let mut messages: Vec<Message> = Vec::new();
        for mut portion in bytes.chunks(size) {
            while let Some(part) = reader.read(&mut portion, asked_by)? {
                match part {
                    Part::Head(head, extent) => messages.push((head, extent, Vec::new(), false)),
                    Part::Body(body) => messages.last_mut().unwrap().2.extend_from_slice(body),
                    Part::End => messages.last_mut().unwrap().3 = true,
                }
            }
        }
        Ok(messages)
    }

    const PIPELINE: &[u8] = b"\r\nPOST /a HTTP/1.1\r\nHOST: x\r\nContent-length: 3\r\n\r\nabc\
        GET /b?c HTTP/1.0\nX-y:  z \n\n\
        PUT /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        4;name=value\r\nwiki\r\n5\r\npedia\r\n0\r\nTrailer: t\r\n\r\nDELETE / HTTP/1.1\r\n\r\n";

    #[test]
    fn pipelined_requests_are_the_same_in_all_portions() {
        let whole = read_all(Side::Requests, PIPELINE, PIPELINE.len(), None).unwrap();
        assert_eq!(whole.len(), 4);
        assert!(whole.iter().all(|(_, _, _, ended)| *ended));
        let bodies: Vec<&[u8]> = whole.iter().map(|(_, _, body, _)| &body[..]).collect();
        assert_eq!(bodies, [&b"abc"[..], b"", b"wikipedia", b""]);
        assert_eq!(whole[0].0.headers[0], ("HOST".to_owned(), "x".to_owned()));
        assert_eq!(whole[0].0.headers[1].0, "Content-length");
        assert_eq!(whole[1].0.minor, 0);
        assert_eq!(whole[1].0.header("x-Y"), Some("z"));
        for size in 1..PIPELINE.len() {
            assert_eq!(read_all(Side::Requests, PIPELINE, size, None).unwrap(), whole, "{size}");
        }
    }

    #[test]
    fn the_end_of_a_response_depends_on_status_method_and_headers() {
        let extent = |text: &str, asked_by| {
            read_all(Side::Responses, text.as_bytes(), 7, asked_by).unwrap()[0].1
        };
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(extent(ok, Some("GET")), Extent::Length(5));
        assert_eq!(extent(ok, Some("HEAD")), Extent::None);
        assert_eq!(extent(ok, Some("CONNECT")), Extent::Upgrade);
        assert_eq!(extent("HTTP/1.0 200 OK\r\n\r\n", Some("GET")), Extent::UntilClose);
        assert_eq!(extent("HTTP/1.1 304 Not Modified\r\n\r\n", Some("GET")), Extent::None);
        assert_eq!(extent("HTTP/1.1 100 Continue\r\n\r\n", Some("PUT")), Extent::None);
        let stream =
            "HTTP/1.1 200 OK\r\nContent-Type: Multipart/x-mixed-replace;boundary=b\r\n\r\n";
        assert_eq!(extent(stream, Some("GET")), Extent::Stream);
        let upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(extent(upgrade, Some("GET")), Extent::Upgrade);
    }

    #[test]
    fn what_is_not_http_is_said_at_once() {
        let wrong = |side, bytes: &[u8]| read_all(side, bytes, 1, None).unwrap_err().0;
        assert_eq!(wrong(Side::Requests, b"\x16\x03\x01"), "no start of a message");
        assert_eq!(wrong(Side::Responses, b"220 mail"), "no start of a message");
        assert_eq!(wrong(Side::Requests, b"GET / HTTP/2\r\n\r\n"), "a version that is not HTTP/1");
        let lengths = b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(wrong(Side::Requests, lengths), "two Content-Lengths that differ");
        let sign = b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n";
        assert_eq!(wrong(Side::Requests, sign), "a Content-Length that is no number");
        let chunk = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
        assert_eq!(wrong(Side::Requests, chunk), "a chunk without a size");
        let long = [b"GET / HTTP/1.1\r\nA: ".to_vec(), vec![b'a'; HEAD_LIMIT]].concat();
        assert_eq!(wrong(Side::Requests, &long), "a head longer than 64 KiB");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_keep_much(
            head in "(GET|POST|HTTP/1.1) [ -~]{0,20} HTTP/1.1\r\n([A-Za-z-]{1,12}: [ -~]{0,9}\r\n){0,4}(Transfer-Encoding: chunked\r\n|Content-Length: [0-9]{1,25}\r\n)?\r\n",
            rest in proptest::collection::vec(any::<u8>(), 0..300),
            size in 1_usize..40,
        ) {
            let bytes = [head.as_bytes(), &rest].concat();
            for side in [Side::Requests, Side::Responses] {
                let mut reader = Reader::new(side);
                'all: for mut portion in bytes.chunks(size) {
                    loop {
                        match reader.read(&mut portion, None) {
                            Ok(Some(_)) => {}
                            Ok(None) => break,
                            Err(_) => break 'all,
                        }
                    }
                    prop_assert!(portion.is_empty());
                    prop_assert!(reader.buffer.len() <= HEAD_LIMIT);
                }
            }
        }
    }
}
