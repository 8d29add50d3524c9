//! A host's HTTP request to a station: one connection, one request, one answer.

use std::net::SocketAddr;
use std::sync::Arc;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{self, State};

use super::event::{NetEvent, NetEventKind, RequestError};
use super::http_frames::{Assembly, BODY_LIMIT, HttpFrame, Start, Way};
use super::http_message::Side;
use super::order::Request;
use crate::time::{Duration, Instant};

/// How long a connection is kept after the answer for the station to close it, too.
const CLOSING: Duration = Duration::from_secs(5);

/// A request under way.
pub(super) struct Client {
    id: u64,
    socket: SocketHandle,
    method: String,
    output: Vec<u8>,
    sent: usize,
    answer: Assembly,
    way: Way,
    is_connected: bool,
    /// Until when the answer must be there; once it is, until when the connection is kept.
    until: Instant,
    is_told: bool,
}

impl Client {
    pub(super) fn new(
        request: &Request,
        socket: SocketHandle,
        from: SocketAddr,
        at: Instant,
    ) -> Self {
        Self {
            id: request.id,
            socket,
            method: request.method.clone(),
            output: write(request),
            sent: 0,
            answer: Assembly::new(Side::Responses),
            // Which number the observer of the wire gives the connection is not known here.
            way: Way { connection: 0, exchange: 1, from: SocketAddr::V4(request.to), to: from },
            is_connected: false,
            until: at + request.within,
            is_told: false,
        }
    }

    pub(super) fn socket(&self) -> SocketHandle {
        self.socket
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.until)
    }

    /// Whether the socket is of no more use.
    pub(super) fn is_over(&self, socket: &tcp::Socket<'_>, at: Instant) -> bool {
        let is_closed = match socket.state() {
            // One that was reset here still has its reset to send.
            State::Closed => socket.remote_endpoint().is_none(),
            state => state == State::TimeWait,
        };
        self.is_told && (is_closed || at >= self.until)
    }

    /// Sends and reads what it can. True if that may give the stack something to do.
    pub(super) fn work(
        &mut self,
        socket: &mut tcp::Socket<'static>,
        at: Instant,
        events: &mut Vec<NetEvent>,
    ) -> bool {
        if self.is_told {
            let mut moved = false;
            while socket.can_recv() {
                moved |= socket.recv(|bytes| (bytes.len(), !bytes.is_empty())).unwrap_or(false);
            }
            return moved;
        }
        let result = self.talk(socket, at);
        let Some(result) = result else { return false };
        match &result {
            Ok(_) => socket.close(),
            Err(_) => socket.abort(),
        }
        self.is_told = true;
        self.until = at + CLOSING;
        let kind = NetEventKind::Answered { id: self.id, result: result.map(Arc::new) };
        events.push(NetEvent { at, kind });
        true
    }

    fn talk(
        &mut self,
        socket: &mut tcp::Socket<'static>,
        at: Instant,
    ) -> Option<Result<HttpFrame, RequestError>> {
        match socket.state() {
            State::Closed => return Some(Err(RequestError::Reset)),
            State::SynSent | State::SynReceived => {}
            _ => self.is_connected = true,
        }
        if self.is_connected && socket.can_send() && self.sent < self.output.len() {
            self.sent += socket.send_slice(&self.output[self.sent..]).unwrap_or(0);
        }
        while socket.can_recv() {
            let method = &self.method;
            let (answer, way) = (&mut self.answer, self.way);
            let read = socket.recv(|bytes| {
                let mut rest: &[u8] = bytes;
                let found = answer.push(&mut rest, at, BODY_LIMIT, Some(method), way, &mut |_| {});
                (bytes.len() - rest.len(), found)
            });
            match read {
                Ok(Ok(Some(frame))) if is_final(&frame) => return Some(Ok(frame)),
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Some(Err(RequestError::NotHttp)),
                Err(_) => break,
            }
        }
        if self.is_connected && !socket.may_recv() {
            let frame = self.answer.finish(true).filter(|frame| frame.complete);
            return Some(frame.ok_or(RequestError::Cut));
        }
        if at < self.until {
            return None;
        }
        let timed_out = RequestError::TimedOut;
        Some(Err(if self.is_connected { timed_out } else { RequestError::NoConnection }))
    }
}

/// Whether a response is the answer, and not "100 Continue" before it.
fn is_final(frame: &HttpFrame) -> bool {
    !matches!(frame.head.start, Start::Response { status: 100 | 102..=199, .. })
}

fn write(request: &Request) -> Vec<u8> {
    let named = |name: &str| request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    let mut add = |name: &str, value: &str| {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    };
    if !named("Host") {
        add("Host", &request.to.to_string());
    }
    for (name, value) in &request.headers {
        add(name, value);
    }
    let framed = named("Content-Length") || named("Transfer-Encoding");
    if !framed && !request.body.is_empty() {
        add("Content-Length", &request.body.len().to_string());
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&request.body);
    bytes
}
