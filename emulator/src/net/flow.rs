//! A flow: a TCP connection of a host whose other end is outside of the network: in the hands of
//! whoever owns it. Bytes of the station come as events, bytes for it as orders.
//!
//! So a server that is not modelled here (one with TLS, a message broker, a real one beyond a real
//! network) can stand on a host all the same, and the run is still a function of its inputs.
//!
//! Both directions are paced. Of the station's bytes no more than [`AHEAD`] are told before they
//! are said to be taken; the station's window closes until then. Of the bytes for the station it
//! is told how many have gone into the connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use smoltcp::socket::tcp::{self, State};

use super::event::{FlowEnding, NetEvent, NetEventKind};
use super::order::FlowOrder;
use crate::time::Instant;

/// Bytes of a station that are told before any are taken.
pub const AHEAD: usize = 256 << 10;

/// A flow.
#[derive(Debug)]
pub(super) struct Flow {
    /// None until the connection is made.
    number: Option<u64>,
    /// What an order to dial called it; none if the station did.
    dialled: Option<u64>,
    /// Bytes that may still be told.
    credit: usize,
    to_send: VecDeque<(Arc<[u8]>, usize)>,
    /// Nothing more will be sent.
    is_finished: bool,
    is_reset: bool,
    /// The station's end was told; the end of the connection was.
    told_finish: bool,
    told_end: bool,
}

/// Whose flow it is, and where events go.
pub(super) struct FlowScene<'a> {
    pub(super) host: &'a str,
    pub(super) at: Instant,
    /// Flows that were opened so far.
    pub(super) opened: &'a mut u64,
    pub(super) events: &'a mut Vec<NetEvent>,
}

impl FlowScene<'_> {
    fn tell(&mut self, kind: NetEventKind) {
        self.events.push(NetEvent { at: self.at, kind });
    }
}

impl Flow {
    pub(super) fn new(dialled: Option<u64>) -> Self {
        Self {
            number: None,
            dialled,
            credit: AHEAD,
            to_send: VecDeque::new(),
            is_finished: false,
            is_reset: false,
            told_finish: false,
            told_end: false,
        }
    }

    pub(super) fn number(&self) -> Option<u64> {
        self.number
    }

    pub(super) fn order(&mut self, order: &FlowOrder) {
        match order {
            FlowOrder::Send(bytes) if !self.is_finished => {
                self.to_send.push_back((bytes.clone(), 0));
            }
            FlowOrder::Send(_) => {}
            FlowOrder::Taken(bytes) => self.credit = self.credit.saturating_add(*bytes).min(AHEAD),
            FlowOrder::Finish => self.is_finished = true,
            FlowOrder::Reset => self.is_reset = true,
        }
    }

    /// Does what it can. True if that may give the stack something to do.
    pub(super) fn work(
        &mut self,
        socket: &mut tcp::Socket<'static>,
        scene: &mut FlowScene<'_>,
    ) -> bool {
        match socket.state() {
            State::Closed => {
                self.end(scene);
                return false;
            }
            State::Listen | State::SynSent | State::SynReceived => return false,
            _ => {}
        }
        let number = match self.number {
            Some(number) => number,
            None => self.open(socket, scene),
        };
        if self.is_reset {
            socket.abort();
            self.end(scene);
            return true;
        }
        let moved = self.send(number, socket, scene) | self.receive(number, socket, scene);
        if !socket.may_recv() && !self.told_finish {
            self.told_finish = true;
            scene.tell(NetEventKind::FlowFinished { flow: number });
        }
        let closes = self.is_finished && self.to_send.is_empty() && socket.may_send();
        if closes {
            socket.close();
        }
        if socket.state() == State::TimeWait {
            self.end(scene);
        }
        moved | closes
    }

    fn open(&mut self, socket: &tcp::Socket<'static>, scene: &mut FlowScene<'_>) -> u64 {
        *scene.opened += 1;
        let number = *scene.opened;
        self.number = Some(number);
        let place = |endpoint: Option<smoltcp::wire::IpEndpoint>| {
            endpoint.map(|endpoint| SocketAddr::new(endpoint.addr.into(), endpoint.port))
        };
        if let (Some(own), Some(station)) =
            (place(socket.local_endpoint()), place(socket.remote_endpoint()))
        {
            scene.tell(NetEventKind::FlowOpened {
                flow: number,
                dialled: self.dialled,
                host: scene.host.to_owned(),
                own,
                station,
            });
        }
        number
    }

    fn send(
        &mut self,
        number: u64,
        socket: &mut tcp::Socket<'static>,
        scene: &mut FlowScene<'_>,
    ) -> bool {
        let mut total = 0;
        while let Some((bytes, sent)) = self.to_send.front_mut() {
            if *sent == bytes.len() {
                self.to_send.pop_front();
                continue;
            }
            let n = socket.send_slice(&bytes[*sent..]).unwrap_or(0);
            if n == 0 {
                break;
            }
            *sent += n;
            total += n;
        }
        if total > 0 {
            scene.tell(NetEventKind::FlowSent { flow: number, bytes: total });
        }
        total > 0
    }

    fn receive(
        &mut self,
        number: u64,
        socket: &mut tcp::Socket<'static>,
        scene: &mut FlowScene<'_>,
    ) -> bool {
        let mut moved = false;
        while self.credit > 0 && socket.can_recv() {
            let credit = self.credit;
            let taken = socket.recv(|bytes| {
                let n = bytes.len().min(credit);
                (n, bytes[..n].to_vec())
            });
            let Ok(bytes) = taken else { break };
            self.credit -= bytes.len();
            moved = true;
            scene.tell(NetEventKind::FlowBytes { flow: number, bytes });
        }
        moved
    }

    /// The connection is over.
    fn end(&mut self, scene: &mut FlowScene<'_>) {
        if std::mem::replace(&mut self.told_end, true) {
            return;
        }
        match (self.number, self.dialled) {
            (Some(flow), _) => {
                let properly = self.told_finish && self.is_finished && !self.is_reset;
                let how = if properly { FlowEnding::Finished } else { FlowEnding::Reset };
                scene.tell(NetEventKind::FlowEnded { flow, how });
            }
            (None, Some(id)) => scene.tell(NetEventKind::NotDialled { id }),
            // An attempt of a station that came to nothing.
            (None, None) => {}
        }
    }
}
