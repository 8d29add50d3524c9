//! A TCP connection of a service, from the attempt to its end.

use std::net::SocketAddr;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{self, State};
use smoltcp::wire::IpEndpoint;

use super::listener::UNSENT;
use super::shield::Shield;
use super::streams::{drop_input, echo, serve_http};
use super::{Ours, StreamService, World};
use crate::net::flow::{Flow, FlowScene};
use crate::net::http::{self, Scene, Then};
use crate::net::{mqtt, script};
use crate::time::{Duration, Instant};

/// How long an attempt to connect may stay half open.
const HALF_OPEN: Duration = Duration::from_secs(20);
/// How long a station may leave data unconfirmed.
const UNCONFIRMED: Duration = Duration::from_secs(120);
/// How long a web server waits for a request.
const HTTP_IDLE: Duration = Duration::from_secs(75);
/// How long an echo waits for something to send back.
const ECHO_IDLE: Duration = Duration::from_secs(3_600);
/// How long a connection that was closed on one side may take to be closed on the other.
const CLOSING: Duration = Duration::from_secs(60);

pub(super) struct Connection {
    pub(super) socket: SocketHandle,
    pub(super) talk: Talk,
    /// What secures it, once it is made.
    pub(super) shield: Option<Box<Shield>>,
    /// State, bytes to send, bytes to read; and since when they have been so.
    pub(super) seen: (State, usize, usize),
    pub(super) since: Instant,
}

pub(super) enum Talk {
    Http(Box<http::Connection>),
    Echo,
    Script(Box<script::Talk>),
    Mqtt(Box<mqtt::Connection>),
    Flow(Box<Flow>),
    /// Nothing more to say; what comes is dropped.
    Over,
}

impl Connection {
    pub(super) fn serve(
        &mut self,
        socket: &mut tcp::Socket<'static>,
        service: &mut StreamService,
        ours: &mut Ours<'_>,
        at: Instant,
        world: &mut World<'_>,
    ) -> bool {
        if socket.state() == State::Listen && self.seen.0 != State::Listen {
            // An attempt that was given up; the socket listens again.
            self.since = at;
        }
        let host = ours.name;
        let moved = match (&mut self.talk, service) {
            (Talk::Flow(flow), _) => {
                let events = &mut *world.events;
                flow.work(socket, &mut FlowScene { host, at, opened: world.flows, events })
            }
            (Talk::Script(talk), _) if socket.state() == State::Closed => {
                talk.lose(at, world.events);
                false
            }
            (Talk::Mqtt(talk), _) if socket.state() == State::Closed => {
                let mut told = mqtt::Told { host, at, events: world.events };
                ours.broker.as_mut().is_some_and(|broker| talk.lose(broker, &mut told))
            }
            _ if matches!(
                socket.state(),
                State::Listen | State::SynSent | State::SynReceived | State::Closed
            ) =>
            {
                false
            }
            (Talk::Http(talk), StreamService::Http(server)) => {
                let Some(remote) = socket.remote_endpoint() else { return false };
                let mut scene = Scene {
                    host,
                    peer: remote.addr.into(),
                    calendar: world.calendar,
                    at,
                    events: world.events,
                };
                let (moved, over) = serve_http(socket, talk, server, &mut scene);
                if over {
                    self.talk = Talk::Over;
                }
                moved
            }
            (Talk::Http(talk), StreamService::Https(server, security)) => {
                let shield = self.shield.get_or_insert_with(|| Shield::new(security, world));
                let (moved, over) = shield.serve(socket, talk, server, host, at, world);
                if over {
                    self.talk = Talk::Over;
                }
                moved
            }
            (Talk::Echo, _) => echo(socket),
            (Talk::Script(talk), _) => {
                let (Some(own), Some(station)) =
                    (socket.local_endpoint(), socket.remote_endpoint())
                else {
                    return false;
                };
                let place = |end: IpEndpoint| SocketAddr::new(end.addr.into(), end.port);
                let mut scene = script::Scene {
                    host,
                    own: place(own),
                    station: place(station),
                    at,
                    begun: world.talks,
                    events: world.events,
                };
                talk.work(socket, &mut scene)
            }
            (Talk::Mqtt(talk), service) => {
                let (Some(broker), Some(end)) = (&mut ours.broker, socket.remote_endpoint()) else {
                    return false;
                };
                let station = SocketAddr::new(end.addr.into(), end.port);
                let (moved, over) = match service {
                    StreamService::Mqtts(security) => {
                        let shield =
                            self.shield.get_or_insert_with(|| Shield::new(security, world));
                        shield.carry(socket, host, at, world, |stream, world| {
                            let mut told = mqtt::Told { host, at, events: world.events };
                            talk.work(stream, broker, station, &mut told)
                        })
                    }
                    _ => {
                        let mut told = mqtt::Told { host, at, events: world.events };
                        talk.work(socket, broker, station, &mut told)
                    }
                };
                if over {
                    // Also if its security has failed.
                    talk.lose(broker, &mut mqtt::Told { host, at, events: world.events });
                    self.talk = Talk::Over;
                }
                moved
            }
            (Talk::Over | Talk::Http(_), _) => match &mut self.shield {
                Some(shield) if shield.layer.is_pending() => shield.layer.push(socket),
                _ => drop_input(socket),
            },
        };
        let seen = (socket.state(), socket.send_queue(), socket.recv_queue());
        if moved || seen != self.seen {
            (self.seen, self.since) = (seen, at);
        }
        moved | self.end_if_silent(socket, at)
    }

    fn end_if_silent(&mut self, socket: &mut tcp::Socket<'static>, at: Instant) -> bool {
        let Some((patience, end)) = self.patience() else { return false };
        if at < self.since + patience {
            return false;
        }
        match end {
            Then::Close => socket.close(),
            _ => socket.abort(),
        }
        // These still have their end to tell.
        if !matches!(self.talk, Talk::Flow(_) | Talk::Mqtt(_)) {
            self.talk = Talk::Over;
        }
        (self.seen, self.since) = ((socket.state(), socket.send_queue(), socket.recv_queue()), at);
        true
    }

    /// How long it may stay as it is, and how it is ended then.
    fn patience(&self) -> Option<(Duration, Then)> {
        let (state, to_send, _) = self.seen;
        match state {
            State::Listen | State::Closed | State::TimeWait => None,
            State::SynReceived | State::SynSent => Some((HALF_OPEN, Then::Reset)),
            State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => {
                Some((CLOSING, Then::Reset))
            }
            State::Established | State::CloseWait if to_send > 0 => {
                Some((UNCONFIRMED, Then::Reset))
            }
            State::Established | State::CloseWait => match &self.talk {
                Talk::Http(talk) if talk.is_answering() => None,
                Talk::Http(_) => Some((HTTP_IDLE, Then::Close)),
                Talk::Echo => Some((ECHO_IDLE, Then::Close)),
                // Its owner decides, its script, or what the client has said.
                Talk::Flow(_) | Talk::Script(_) | Talk::Mqtt(_) => None,
                Talk::Over => Some((CLOSING, Then::Reset)),
            },
        }
    }

    pub(super) fn deadline(&self, at: Instant) -> Option<Instant> {
        let patience = match self.seen.0 {
            State::Closed => Some(UNSENT),
            _ => self.patience().map(|(patience, _)| patience),
        };
        let patience = patience.map(|patience| self.since + patience);
        let talk = match &self.talk {
            Talk::Http(talk) => talk.deadline(at),
            Talk::Script(talk) => talk.deadline(),
            Talk::Mqtt(talk) => talk.deadline(),
            Talk::Echo | Talk::Flow(_) | Talk::Over => None,
        };
        [patience, talk].into_iter().flatten().min()
    }
}
