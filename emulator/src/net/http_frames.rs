//! HTTP frames: requests and responses as they were on the wire, put together from the two byte
//! streams of a TCP connection, at whatever port.
//!
//! A frame is a function of the bytes: it does not depend on how they were cut into segments.
//! Bodies are kept up to [`BODY_LIMIT`]; of longer ones the beginning, the size and the digest.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;

use sha2::{Digest, Sha256};

pub use super::http_message::{Extent, Head, Start};
use super::http_message::{NotHttp, Part, Reader, Side};
use crate::time::Instant;

/// Bytes of a body that are kept.
pub const BODY_LIMIT: usize = 4 << 20;
/// Requests that wait for their response; with more of them nobody can say which response
/// belongs to which.
const PIPELINE_LIMIT: usize = 256;

/// One HTTP request or response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpFrame {
    /// The number of the TCP connection.
    pub connection: u64,
    /// Which request of the connection it is or answers: they count from 1.
    pub exchange: u64,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Start line and headers.
    pub head: Head,
    /// How its body ends.
    pub extent: Extent,
    /// The body, with chunks put together.
    pub body: Body,
    /// When its first byte was seen.
    pub first_byte: Instant,
    /// When the last of its bytes was seen. A frame whose body never ends
    /// ([`Extent::Stream`], [`Extent::Upgrade`]) ends here with its head.
    pub last_byte: Instant,
    /// Bytes on the wire: head, chunk sizes and body.
    pub size: u64,
    /// It came to its end; else the connection ended before.
    pub complete: bool,
}

/// The body of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// Bytes altogether.
    pub size: u64,
    /// The first of them, or all.
    pub bytes: Vec<u8>,
    /// SHA-256 of all of them, if not all are kept.
    pub digest: Option<[u8; 32]>,
}

impl Body {
    /// SHA-256 of the whole body.
    pub fn sha256(&self) -> [u8; 32] {
        self.digest.unwrap_or_else(|| Sha256::digest(&self.bytes).into())
    }
}

impl fmt::Display for HttpFrame {
    /// Addresses, start line and size, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} ", self.from, self.to)?;
        let minor = self.head.minor;
        match &self.head.start {
            Start::Request { method, target } => write!(f, "{method} {target} HTTP/1.{minor}")?,
            Start::Response { status, reason } => write!(f, "HTTP/1.{minor} {status} {reason}")?,
        }
        match self.extent {
            Extent::None => {}
            Extent::Stream => f.write_str(", a stream")?,
            Extent::Upgrade => {
                write!(f, ", upgraded to {}", self.head.header("Upgrade").unwrap_or("a tunnel"))?;
            }
            _ => write!(f, ", {} bytes", self.body.size)?,
        }
        if self.complete { Ok(()) } else { f.write_str(", cut short") }
    }
}

/// One direction of a connection becoming frames.
#[derive(Debug, Clone)]
pub(super) struct Assembly {
    reader: Reader,
    /// Since when bytes of the next head are there, and how many.
    begun: Option<(Instant, u64)>,
    open: Option<Box<Open>>,
}

#[derive(Debug, Clone)]
struct Open {
    frame: HttpFrame,
    /// Runs from where bytes are no longer kept.
    digest: Option<Sha256>,
}

impl Assembly {
    pub(super) fn new(side: Side) -> Self {
        Self { reader: Reader::new(side), begun: None, open: None }
    }

    /// Bytes of a body that are held.
    pub(super) fn held(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.frame.body.bytes.len())
    }

    /// Takes what belongs to one frame off the front of `input`: what comes out is a head, for
    /// which `on_head` is called, or a whole frame. `room`: how many bytes of a body may be kept.
    pub(super) fn push(
        &mut self,
        input: &mut &[u8],
        at: Instant,
        room: usize,
        asked_by: Option<&str>,
        way: Way,
        on_head: &mut dyn FnMut(&Head),
    ) -> Result<Option<HttpFrame>, NotHttp> {
        loop {
            if self.open.is_none() && self.reader.is_between() {
                let blank = input.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                *input = &input[blank..];
                if input.is_empty() {
                    return Ok(None);
                }
                self.begun = Some((at, 0));
            }
            let before = input.len();
            let part = self.reader.read(input, asked_by)?;
            let consumed = (before - input.len()) as u64;
            match &mut self.open {
                Some(open) => {
                    open.frame.size += consumed;
                    if consumed > 0 {
                        open.frame.last_byte = at;
                    }
                }
                None => {
                    if let Some((_, size)) = &mut self.begun {
                        *size += consumed;
                    }
                }
            }
            match part {
                None => return Ok(None),
                Some(Part::Head(head, extent)) => {
                    let (first_byte, size) = self.begun.take().unwrap_or((at, 0));
                    on_head(&head);
                    let frame = HttpFrame {
                        connection: way.connection,
                        exchange: way.exchange,
                        from: way.from,
                        to: way.to,
                        head,
                        extent,
                        body: Body::default(),
                        first_byte,
                        last_byte: at,
                        size,
                        complete: true,
                    };
                    if matches!(extent, Extent::Stream | Extent::Upgrade) {
                        return Ok(Some(frame));
                    }
                    self.open = Some(Box::new(Open { frame, digest: None }));
                }
                Some(Part::Body(bytes)) => {
                    if let Some(open) = &mut self.open {
                        open.add(bytes, room);
                    }
                }
                Some(Part::End) => return Ok(self.open.take().map(|open| open.close(true))),
            }
        }
    }

    /// The connection has ended, properly or not: what is left becomes a frame.
    pub(super) fn finish(&mut self, properly: bool) -> Option<HttpFrame> {
        let complete = properly && self.reader.ends_with_connection();
        self.open.take().map(|open| open.close(complete))
    }
}

impl Open {
    fn add(&mut self, bytes: &[u8], room: usize) {
        let body = &mut self.frame.body;
        body.size += bytes.len() as u64;
        let fits = room.min(BODY_LIMIT.saturating_sub(body.bytes.len()));
        if self.digest.is_none() && bytes.len() <= fits {
            body.bytes.extend_from_slice(bytes);
            return;
        }
        let digest = self.digest.get_or_insert_with(|| Sha256::new_with_prefix(&body.bytes));
        digest.update(bytes);
    }

    fn close(self, complete: bool) -> HttpFrame {
        let mut frame = self.frame;
        frame.complete = complete;
        frame.body.digest = self.digest.map(|digest| digest.finalize().into());
        frame
    }
}

/// From where to where a frame goes, and on which connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) connection: u64,
    pub(super) exchange: u64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

/// Both directions of a connection that may speak HTTP.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    requests: Direction,
    responses: Direction,
    /// Methods of the requests that were not answered yet.
    unanswered: VecDeque<String>,
    /// Requests and final responses whose heads were seen.
    requested: u64,
    responded: u64,
}

#[derive(Debug, Clone)]
enum Direction {
    Http(Assembly),
    /// Not HTTP, or no longer.
    Other,
}

/// What came out of a piece of a stream.
#[derive(Debug)]
pub(super) enum Found {
    Request(HttpFrame),
    Response(HttpFrame),
    NotHttp(&'static str),
}

impl Conversation {
    pub(super) fn new() -> Self {
        Self {
            requests: Direction::Http(Assembly::new(Side::Requests)),
            responses: Direction::Http(Assembly::new(Side::Responses)),
            unanswered: VecDeque::new(),
            requested: 0,
            responded: 0,
        }
    }

    /// Bytes of bodies that are held.
    pub(super) fn held(&self) -> usize {
        let held = |direction: &Direction| match direction {
            Direction::Http(assembly) => assembly.held(),
            Direction::Other => 0,
        };
        held(&self.requests) + held(&self.responses)
    }

    /// Bytes of one side, in order. `room`: how many bytes of bodies may still be kept.
    pub(super) fn hear(
        &mut self,
        side: Side,
        mut bytes: &[u8],
        at: Instant,
        room: usize,
        way: Way,
        found: &mut Vec<Found>,
    ) {
        while !bytes.is_empty() {
            let result = match side {
                Side::Requests => self.hear_request(&mut bytes, at, room, way),
                Side::Responses => self.hear_response(&mut bytes, at, room, way),
            };
            match result {
                Ok(Some(frame)) => found.push(frame),
                // All is taken, or nobody listens any more.
                Ok(None) => return,
                Err(NotHttp(why)) => {
                    if self.requested > 0 {
                        found.push(Found::NotHttp(why));
                        *self.direction(side) = Direction::Other;
                    } else {
                        self.requests = Direction::Other;
                        self.responses = Direction::Other;
                    }
                    return;
                }
            }
        }
    }

    /// One side says no more.
    pub(super) fn finish(&mut self, side: Side, properly: bool, found: &mut Vec<Found>) {
        let Direction::Http(assembly) = self.direction(side) else { return };
        let Some(frame) = assembly.finish(properly) else { return };
        found.push(match side {
            Side::Requests => Found::Request(frame),
            Side::Responses => Found::Response(frame),
        });
    }

    /// Bytes of one side are missing: nothing more can be said about it.
    pub(super) fn lose(&mut self, side: Side, found: &mut Vec<Found>) {
        self.finish(side, false, found);
        *self.direction(side) = Direction::Other;
    }

    fn direction(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Requests => &mut self.requests,
            Side::Responses => &mut self.responses,
        }
    }

    fn hear_request(
        &mut self,
        bytes: &mut &[u8],
        at: Instant,
        room: usize,
        way: Way,
    ) -> Result<Option<Found>, NotHttp> {
        let Direction::Http(assembly) = &mut self.requests else { return Ok(None) };
        let way = Way { exchange: self.requested + 1, ..way };
        let mut method = None;
        let frame = assembly.push(bytes, at, room, None, way, &mut |head| {
            if let Start::Request { method: m, .. } = &head.start {
                method = Some(m.clone());
            }
        })?;
        if let Some(method) = method {
            self.requested += 1;
            self.unanswered.push_back(method);
            if self.unanswered.len() > PIPELINE_LIMIT {
                return Err(NotHttp("more requests without response than can be followed"));
            }
        }
        Ok(frame.map(Found::Request))
    }

    fn hear_response(
        &mut self,
        bytes: &mut &[u8],
        at: Instant,
        room: usize,
        way: Way,
    ) -> Result<Option<Found>, NotHttp> {
        let Direction::Http(assembly) = &mut self.responses else { return Ok(None) };
        let way = Way { exchange: self.responded + 1, ..way };
        let mut status = None;
        let asked_by = self.unanswered.front().map(String::as_str);
        let frame = assembly.push(bytes, at, room, asked_by, way, &mut |head| {
            if let Start::Response { status: s, .. } = head.start {
                status = Some(s);
            }
        })?;
        // An interim response does not answer the request, except that it ends HTTP here.
        if status.is_some_and(|status| !(100..=199).contains(&status)) {
            self.unanswered.pop_front();
            self.responded += 1;
        }
        if frame.as_ref().is_some_and(|frame| frame.extent == Extent::Upgrade) {
            self.requests = Direction::Other;
            self.responses = Direction::Other;
        }
        Ok(frame.map(Found::Response))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    fn way() -> Way {
        let address = |n| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)), 80);
        Way { connection: 1, exchange: 0, from: address(1), to: address(2) }
    }

    /// Both sides speak by turns, in portions; what is found, each as one line.
    fn found(turns: &[(Side, &[u8])], portion: usize) -> (Vec<String>, Vec<Found>) {
        let mut conversation = Conversation::new();
        let mut found = Vec::new();
        let mut at = Instant::ZERO;
        for (side, bytes) in turns {
            for bytes in bytes.chunks(portion) {
                at = Instant::from_ticks(at.ticks() + 1);
                conversation.hear(*side, bytes, at, usize::MAX, way(), &mut found);
            }
        }
        conversation.finish(Side::Requests, true, &mut found);
        conversation.finish(Side::Responses, true, &mut found);
        let show = |found: &Found| match found {
            Found::Request(frame) | Found::Response(frame) => {
                let line = frame.to_string();
                format!("{}: {}", frame.exchange, line.split_once(":80 ").unwrap().1)
            }
            Found::NotHttp(why) => (*why).to_owned(),
        };
        (found.iter().map(show).map(|line| line.replace("-> 10.0.0.2:80 ", "")).collect(), found)
    }

    use Side::{Requests as C, Responses as S};

    #[test]
    fn each_response_belongs_to_its_request() {
        let turns: &[(Side, &[u8])] = &[
            (C, b"HEAD /a HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\nContent-Length: 2\r\n\r\n"),
            (S, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
            (C, b"ok"),
            (S, b"HTTP/1.1 201 Created\r\ntransfer-encoding: CHUNKED\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
            (C, b"GET /c HTTP/1.0\r\n\r\n"),
            (S, b"HTTP/1.0 200 OK\r\n\r\nto the end"),
        ];
        for portion in [1, 3, 1000] {
            let (lines, found) = found(turns, portion);
            assert_eq!(
                lines,
                [
                    "1: HEAD /a HTTP/1.1",
                    "1: HTTP/1.1 200 OK",
                    "2: HTTP/1.1 100 Continue",
                    "2: PUT /b HTTP/1.1, 2 bytes",
                    "2: HTTP/1.1 201 Created, 2 bytes",
                    "3: GET /c HTTP/1.0",
                    "3: HTTP/1.0 200 OK, 10 bytes",
                ]
            );
            let Found::Response(last) = &found[6] else { panic!() };
            assert_eq!(last.body.bytes, b"to the end");
            assert_eq!(last.size, 29);
            assert!(
                portion != 1
                    || last.last_byte - last.first_byte == Instant::from_ticks(28) - Instant::ZERO
            );
        }
    }

    #[test]
    fn a_stream_is_told_with_its_head_and_an_upgrade_ends_http() {
        let stream: &[(Side, &[u8])] = &[
            (C, b"GET /video HTTP/1.1\r\n\r\n"),
            (S, b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\n\r\n"),
            (S, b"--f\r\nContent-Length: 3\r\n\r\nabc\r\n--f\r\n"),
        ];
        let (lines, _) = found(stream, 5);
        assert_eq!(lines, ["1: GET /video HTTP/1.1", "1: HTTP/1.1 200 OK, a stream"]);
        let upgrade: &[(Side, &[u8])] = &[
            (C, b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
            (S, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"),
            (C, b"\x81\x82GET / HTTP/1.1\r\n\r\n"),
        ];
        let (lines, _) = found(upgrade, 5);
        assert_eq!(lines[1], "1: HTTP/1.1 101 Switching Protocols, upgraded to websocket");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn other_protocols_are_no_frames_and_no_error() {
        let mail: &[(Side, &[u8])] = &[
            (S, b"220 mail\r\n"),
            (C, b"GET / HTTP/1.1\r\n\r\n"),
            (S, b"HTTP/1.1 200 OK\r\n\r\n"),
        ];
        assert_eq!(found(mail, 4).0, Vec::<String>::new());
        let broken: &[(Side, &[u8])] =
            &[(C, b"GET / HTTP/1.1\r\n\r\n\x16\x03\x01"), (S, b"HTTP/1.1 204 No Content\r\n\r\n")];
        let expected = ["1: GET / HTTP/1.1", "no start of a message", "1: HTTP/1.1 204 No Content"];
        assert_eq!(found(broken, 4).0, expected);
    }

    #[test]
    fn of_a_body_without_end_the_beginning_the_size_and_the_digest_are_kept() {
        let mut conversation = Conversation::new();
        let mut found = Vec::new();
        let head = b"PUT / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n";
        conversation.hear(C, head, Instant::ZERO, usize::MAX, way(), &mut found);
        let mut digest = Sha256::new();
        for n in 0..=200_u8 {
            let bytes = [n; 65_536];
            digest.update(bytes);
            conversation.hear(C, &bytes, Instant::ZERO, usize::MAX, way(), &mut found);
            assert!(conversation.held() <= BODY_LIMIT);
        }
        conversation.finish(C, false, &mut found);
        let [Found::Request(frame)] = &found[..] else { panic!("{found:?}") };
        assert!(!frame.complete);
        assert_eq!(frame.body.size, 201 * 65_536);
        assert_eq!(frame.body.bytes.len(), BODY_LIMIT);
        let digest: [u8; 32] = digest.finalize().into();
        assert_eq!(frame.body.sha256(), digest);
    }

    #[test]
    fn without_room_for_bodies_only_their_digests_are_kept() {
        let mut conversation = Conversation::new();
        let mut found = Vec::new();
        let request = b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        conversation.hear(C, request, Instant::ZERO, 2, way(), &mut found);
        let [Found::Request(frame)] = &found[..] else { panic!("{found:?}") };
        assert!(frame.body.bytes.is_empty() && frame.complete);
        let digest: [u8; 32] = Sha256::digest(b"abc").into();
        assert_eq!(frame.body.sha256(), digest);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_portions_give_the_same_frames(
            turns in proptest::collection::vec((any::<bool>(), prop_oneof![
                Just("GET /a HTTP/1.1\r\n\r\n".to_owned()),
                Just("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()),
                Just("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n".to_owned()),
                Just("HTTP/1.1 200 OK\r\n\r\n".to_owned()),
                Just("4\r\nwiki\r\n0\r\n\r\n".to_owned()),
                "[ -~\r\n]{0,20}",
            ]), 0..12),
            portion in 1_usize..9,
        ) {
            let turns: Vec<(Side, &[u8])> = turns
                .iter()
                .map(|(client, text)| (if *client { C } else { S }, text.as_bytes()))
                .collect();
            prop_assert_eq!(found(&turns, usize::MAX).0, found(&turns, portion).0);
        }
    }
}
