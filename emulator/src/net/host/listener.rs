//! A TCP port at which a service takes connections.

use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp::{self, State};

use super::connection::{Connection, Talk};
use super::{Ours, StreamService, World};
use crate::net::flow::Flow;
use crate::net::{http, script};
use crate::time::{Duration, Instant};

/// Buffer of a connection, for each direction: the largest window without scaling.
const WINDOW: usize = 65_535;
/// Connections of one service at a time, those that are closing included. What comes on top is
/// refused.
const BACKLOG: usize = 16;
/// How long a reset waits for the station's Ethernet address to be known.
pub(super) const UNSENT: Duration = Duration::from_secs(10);

pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) service: StreamService,
    pub(super) connections: Vec<Connection>,
}

pub(super) fn new_socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; WINDOW]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    // The last piece of an answer leaves at once: stations confirm late.
    socket.set_nagle_enabled(false);
    socket
}

impl Listener {
    /// Keeps one socket listening, as long as there may be one more connection. Connections that
    /// are over but for waiting make room.
    pub(super) fn listen(&mut self, sockets: &mut SocketSet<'static>, at: Instant) {
        let state = |c: &Connection| sockets.get::<tcp::Socket<'_>>(c.socket).state();
        if self.connections.iter().any(|c| state(c) == State::Listen) {
            return;
        }
        if self.connections.len() >= BACKLOG {
            let waits = |c: &Connection| matches!(state(c), State::TimeWait | State::FinWait2);
            let oldest = self.connections.iter().enumerate().filter(|(_, c)| waits(c));
            let oldest = oldest.min_by_key(|(n, c)| (state(c) != State::TimeWait, c.since, *n));
            let Some((n, _)) = oldest else { return };
            sockets.remove(self.connections.remove(n).socket);
        }
        let mut socket = new_socket();
        // Fails for port 0 only, which the configuration refuses.
        let _ = socket.listen(self.port);
        let talk = self.talk();
        let seen = (State::Listen, 0, 0);
        let socket = sockets.add(socket);
        self.connections.push(Connection { socket, talk, shield: None, seen, since: at });
    }

    fn talk(&self) -> Talk {
        match &self.service {
            StreamService::Http(_) | StreamService::Https(..) => {
                Talk::Http(Box::new(http::Connection::new()))
            }
            StreamService::Echo => Talk::Echo,
            StreamService::Script(script) => {
                Talk::Script(Box::new(script::Talk::new(script.clone())))
            }
            StreamService::Mqtt | StreamService::Mqtts(_) => Talk::Mqtt(Box::default()),
            StreamService::Flow => Talk::Flow(Box::new(Flow::new(None))),
        }
    }

    pub(super) fn serve(
        &mut self,
        sockets: &mut SocketSet<'static>,
        ours: &mut Ours<'_>,
        at: Instant,
        world: &mut World<'_>,
    ) -> bool {
        let mut moved = false;
        for connection in &mut self.connections {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(connection.socket);
            moved |= connection.serve(socket, &mut self.service, ours, at, world);
        }
        drop_ended(&mut self.connections, sockets, at);
        self.listen(sockets, at);
        moved
    }
}

/// Forgets connections that are over, and their sockets.
pub(super) fn drop_ended(
    connections: &mut Vec<Connection>,
    sockets: &mut SocketSet<'static>,
    at: Instant,
) {
    connections.retain(|connection| {
        let socket = sockets.get::<tcp::Socket<'_>>(connection.socket);
        // One that was reset here still has its reset to send, unless the station is gone.
        let is_silent = socket.remote_endpoint().is_none() || at >= connection.since + UNSENT;
        let over = socket.state() == State::Closed && is_silent;
        if over {
            sockets.remove(connection.socket);
        }
        !over
    });
}
