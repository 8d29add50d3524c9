//! One client: turns between listening to it and running its board, on one thread.
//!
//! A board that runs is never left for longer than a few milliseconds, so that pings are answered and
//! commands are heard. A client that does not read keeps its own board waiting; one that stops reading
//! for good loses it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::{StatusCode, header};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use super::protocol::{self, Command};
use super::server::Host;
use super::session::{Patience, Session};
use crate::serve::pacer::{Clock, WallClock};

/// The largest message: 16 MiB of flash in base64 are 22 MiB.
const LARGEST: usize = 64 << 20;
/// Wall time that a client may take for its first words, and for reading when it is told something.
const PATIENCE: Duration = Duration::from_secs(30);
/// Wall time between two looks at whether the server ends.
const LOOK: Duration = Duration::from_millis(200);
/// Wall time that is slept rather than waited for at the socket, and how much of it at once.
const BRIEF: Duration = Duration::from_millis(5);
const NAP: Duration = Duration::from_millis(1);
/// Pings that follow a message which has to be noticed.
const ROUNDS: u8 = 6;
/// Wall time that a client may take to notice it.
const NOTICE: Duration = Duration::from_secs(5);
/// Messages that may come meanwhile.
const MOST_EARLIER: usize = 16;
/// How sockets say that nothing has come in time.
const NOTHING: [ErrorKind; 2] = [ErrorKind::WouldBlock, ErrorKind::TimedOut];

/// Serves a client until it leaves, talks nonsense, or the server ends.
pub(super) fn serve(stream: TcpStream, host: &Host, stop: &AtomicBool) {
    let Ok(mut socket) = accept(stream, host) else { return };
    let farewell = converse(&mut socket, host, stop);
    if let Some(reason) = farewell {
        if let CloseCode::Policy | CloseCode::Size | CloseCode::Unsupported = reason.code {
            let _ = socket.send(Message::text(protocol::error(&reason.reason)));
        }
        let _ = socket.close(Some(reason));
        let _ = socket.flush();
    }
}

fn accept(stream: TcpStream, host: &Host) -> Result<WebSocket<TcpStream>, ()> {
    let prepare = || -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))
    };
    prepare().map_err(|_| ())?;
    #[expect(clippy::result_large_err, reason = "the library wants it so")]
    let admit = |request: &Request, response: Response| match is_known(request, host) {
        true => Ok(response),
        false => {
            let mut refusal = ErrorResponse::new(Some("the token is not the right one".to_owned()));
            *refusal.status_mut() = StatusCode::UNAUTHORIZED;
            Err(refusal)
        }
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST))
        .write_buffer_size(0);
    tungstenite::accept_hdr_with_config(stream, admit, Some(config)).map_err(|trouble| {
        if let HandshakeError::Failure(Error::Http(_)) = trouble {
            host.remark("a client with another token was turned away".to_owned());
        }
    })
}

/// Whether the client has the token, if one is asked for.
fn is_known(request: &Request, host: &Host) -> bool {
    let Some(token) = &host.token else { return true };
    let said = request.headers().get(header::AUTHORIZATION);
    let said = said.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    said.is_some_and(|said| token.is(said))
}

/// Gives why the connection is to be closed, unless the client has done so.
fn converse(
    socket: &mut WebSocket<TcpStream>,
    host: &Host,
    stop: &AtomicBool,
) -> Option<CloseFrame> {
    let mut session = Session::new(host, Rc::new(WallClock::default()));
    // What came while something else was waited for.
    let mut earlier = VecDeque::new();
    loop {
        // The answer goes out before anything else happens, and sometimes has to be noticed first.
        tell(socket, &mut session).ok()?;
        if session.take_unnoticed() {
            settle(socket, &mut earlier, stop).ok()?;
        }
        session.advance();
        tell(socket, &mut session).ok()?;
        if session.is_over() {
            return Some(farewell(CloseCode::Error, "the simulation cannot go on"));
        }
        if stop.load(Ordering::Relaxed) {
            return Some(farewell(CloseCode::Away, "the server ends"));
        }
        let heard = match earlier.pop_front() {
            Some(message) => Ok(Some(message)),
            None => listen(socket, session.patience()),
        };
        match heard {
            Ok(None | Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Ok(Some(Message::Text(text))) => match Command::parse(&text) {
                Ok(command) => session.execute(command),
                Err(malformed) => {
                    return Some(farewell(CloseCode::Policy, &malformed.to_string()));
                }
            },
            Ok(Some(Message::Binary(_))) => {
                return Some(farewell(CloseCode::Unsupported, "messages are text frames"));
            }
            // The library has answered it.
            Ok(Some(Message::Close(_))) => {
                let _ = socket.flush();
                return None;
            }
            Err(Error::Capacity(error)) => {
                return Some(farewell(CloseCode::Size, &error.to_string()));
            }
            Err(Error::Utf8(_)) => return Some(farewell(CloseCode::Invalid, "this is no text")),
            Err(Error::Protocol(error)) => {
                return Some(farewell(CloseCode::Protocol, &error.to_string()));
            }
            Err(_) => return None,
        }
    }
}

/// Sends what there is to tell.
fn tell(socket: &mut WebSocket<TcpStream>, session: &mut Session<'_>) -> Result<(), ()> {
    while let Some(message) = session.take_message() {
        socket.send(Message::text(message)).map_err(|_| ())?;
    }
    Ok(())
}

/// Waits until the client has noticed what it was told, however busy its computer is. A pong is sent
/// by the lowest layer of a client, as soon as it sees the ping; each further round takes at least one
/// turn of its loop, in which the message before gets one layer higher.
fn settle(
    socket: &mut WebSocket<TcpStream>,
    earlier: &mut VecDeque<Message>,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let clock = WallClock::default();
    for round in 0..ROUNDS {
        socket.send(Message::Ping(vec![round].into()))?;
        loop {
            match listen(socket, Patience::Forever)? {
                Some(Message::Pong(payload)) if payload[..] == [round] => break,
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                Some(message) if earlier.len() < MOST_EARLIER => earlier.push_back(message),
                // It does not answer pings, or nobody hears the answers.
                Some(_) => return Ok(()),
                None if clock.now() > NOTICE || stop.load(Ordering::Relaxed) => return Ok(()),
                None => {}
            }
        }
    }
    Ok(())
}

/// What the client says, if it says something in time.
fn listen(socket: &mut WebSocket<TcpStream>, patience: Patience) -> Result<Option<Message>, Error> {
    let span = match patience {
        Patience::For(span) => span.min(LOOK),
        Patience::Forever => LOOK,
    };
    // Timeouts of sockets are no finer than the tick of the system, which is several milliseconds.
    let briefly = span <= BRIEF;
    if briefly {
        std::thread::sleep(span.min(NAP));
        socket.get_ref().set_nonblocking(true)?;
    } else {
        socket.get_ref().set_read_timeout(Some(span))?;
    }
    let outcome = socket.read();
    if briefly {
        socket.get_ref().set_nonblocking(false)?;
    }
    match outcome {
        Ok(message) => Ok(Some(message)),
        Err(Error::Io(error)) if NOTHING.contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn farewell(code: CloseCode, reason: &str) -> CloseFrame {
    // What fits a control frame (RFC 6455, 5.5).
    let end = (0..=reason.len().min(120)).rev().find(|end| reason.is_char_boundary(*end));
    CloseFrame { code, reason: reason[..end.unwrap_or(0)].into() }
}
