//! Services over TCP that need no more than a stream of bytes.

use smoltcp::socket::tcp::{self, State};

use crate::net::http::{self, Scene, Then};
use crate::net::stream::Stream;

/// Whether something moved, and whether the talk is over.
pub(super) fn serve_http(
    stream: &mut dyn Stream,
    talk: &mut http::Connection,
    server: &mut http::Server,
    scene: &mut Scene<'_>,
) -> (bool, bool) {
    let mut moved = false;
    loop {
        let mut again = false;
        if stream.can_recv() && !talk.is_answering() {
            again |= stream.recv(&mut |bytes| talk.receive(bytes, server, scene)) > 0;
        }
        let due = talk.is_due_empty(scene.at);
        let output = talk.output(scene.at);
        if due || !output.is_empty() {
            let sent = if due { 0 } else { stream.send(output) };
            again |= sent > 0;
            match talk.sent(sent) {
                Some(Then::Stay) => again = true,
                Some(Then::Close) => {
                    stream.close();
                    return (true, true);
                }
                Some(Then::Reset) => {
                    // What was sent before should arrive before the reset does.
                    if stream.unconfirmed() == 0 {
                        stream.abort();
                        return (true, true);
                    }
                    talk.reset_when_sent();
                    return (moved || sent > 0, false);
                }
                None => {}
            }
        }
        if !again {
            break;
        }
        moved = true;
    }
    // The station says no more, and has its answers.
    if !stream.may_recv() && !talk.is_answering() {
        stream.close();
        return (true, true);
    }
    (moved, false)
}

pub(super) fn echo(socket: &mut tcp::Socket<'static>) -> bool {
    let mut moved = false;
    loop {
        let room = socket.send_capacity() - socket.send_queue();
        let mut bytes = Vec::new();
        if socket.can_recv() && socket.can_send() && room > 0 {
            let _ = socket.recv(|received| {
                bytes.extend_from_slice(&received[..received.len().min(room)]);
                (bytes.len(), ())
            });
        }
        if bytes.is_empty() {
            break;
        }
        let _ = socket.send_slice(&bytes);
        moved = true;
    }
    if socket.state() == State::CloseWait && !socket.can_recv() {
        socket.close();
        moved = true;
    }
    moved
}

pub(super) fn drop_input(socket: &mut tcp::Socket<'static>) -> bool {
    let mut moved = false;
    while socket.can_recv() {
        moved |= socket.recv(|bytes| (bytes.len(), !bytes.is_empty())).unwrap_or(false);
    }
    if socket.state() == State::CloseWait {
        socket.close();
        moved = true;
    }
    moved
}
