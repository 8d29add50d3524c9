//! The way out of a scenario's network: connections that end at sockets of this computer, and doors of
//! this computer whose callers are led into the network.
//!
//! Only what the scenario names is reached. What a name means is looked up by this computer; the board
//! is given a stand-in for its address, the same in every run. It must mean a public address: loopback
//! and private ones are reached only where they are written as such.
//!
//! While a connection is open the board runs at wall time, for the other side does so too. Such a run
//! cannot be repeated to the byte, and its machine cannot be copied.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::net::{Ipv6Addr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use esp32_emulator::net::{FlowOrder, NetEventKind, Network, Order};
use esp32_emulator::time::Instant;

use crate::serve::pacer::{Pacer, WallClock};
use crate::site::Destination;
use crate::time::{DeviceTime, Span};

/// Device time between two looks at the sockets.
pub(super) const LOOK: Span = Span::from_millis(1);
/// Wall time for making a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes on their way to the board, of one connection.
const WINDOW: usize = 64 << 10;
/// Bytes that are read from a socket at once.
const PIECE: usize = 16 << 10;
/// Names get their stand-ins here, in the order in which they are named: 198.18.0.0/15 is for
/// measurements (RFC 2544), and nobody has an address in it.
const NAMED: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// The address by which the firmware knows a destination that has a name; the `n`th name.
pub(super) fn address_of_name(n: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(NAMED.to_bits() + 1 + n as u32)
}

/// Why a destination is not reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreached {
    /// A name that leads where only literal addresses may.
    #[error("{name} is {address}, which is no public address: name it literally if that is meant")]
    NotPublic {
        /// The name.
        name: String,
        /// What it is looked up to.
        address: IpAddr,
    },
    /// The name server, or the other side.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// All that leads out, and in.
#[derive(Debug, Default)]
pub(super) struct WayOut {
    /// Where a connection to this address of the network leads.
    destinations: BTreeMap<SocketAddr, Destination>,
    doors: Vec<Door>,
    /// Who came to a door last.
    last_caller: Option<IpAddr>,
    /// Who has come to a door, by the number of the call that was made for him.
    callers: BTreeMap<u64, TcpStream>,
    calls: u64,
    flows: BTreeMap<u64, Flow>,
    pacer: Option<Pacer<WallClock>>,
}

/// A port of this computer.
#[derive(Debug)]
struct Door {
    listener: TcpListener,
    /// Which computer of the network calls for who comes.
    from: &'static str,
    to: Callee,
}

/// Whom a door leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Callee {
    /// A port of the board.
    Board(u16),
    /// A host of the network.
    Host(SocketAddrV4),
}

/// One connection.
#[derive(Debug)]
struct Flow {
    end: End,
    /// Bytes of the board that the socket has not taken.
    outgoing: VecDeque<u8>,
    /// The board sends no more.
    board_has_finished: bool,
    /// The board's connection is over, and nothing can be sent to it.
    is_over: bool,
    /// Bytes for the board that are on their way to it.
    under_way: usize,
    /// Nothing more comes from the socket.
    socket_has_finished: bool,
}

/// The outer end of a connection.
#[derive(Debug)]
enum End {
    Connecting { to: Destination, made: Receiver<Result<TcpStream, Unreached>> },
    Open(TcpStream),
    Over,
}

impl Flow {
    fn new(end: End) -> Self {
        Self {
            end,
            outgoing: VecDeque::new(),
            board_has_finished: false,
            is_over: false,
            under_way: 0,
            socket_has_finished: false,
        }
    }
}

impl WayOut {
    pub(super) fn new(destinations: BTreeMap<SocketAddr, Destination>) -> Self {
        Self { destinations, ..Self::default() }
    }

    /// For whoever comes to this door, a computer of the network calls.
    pub(super) fn add_door(
        &mut self,
        listener: TcpListener,
        from: &'static str,
        to: Callee,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        self.doors.push(Door { listener, from, to });
        Ok(())
    }

    /// Connections to an address of the network lead there from now on.
    pub(super) fn lead(&mut self, from: SocketAddr, to: Destination) {
        self.destinations.insert(from, to);
    }

    /// Who came to a door last.
    pub(super) fn last_caller(&self) -> Option<IpAddr> {
        self.last_caller
    }

    /// Whether anything leads out or in.
    pub(super) fn is_there(&self) -> bool {
        !self.destinations.is_empty() || !self.doors.is_empty()
    }

    /// Whether the sockets have to be looked at again soon.
    pub(super) fn is_busy(&self) -> bool {
        !self.flows.is_empty() || !self.callers.is_empty() || !self.doors.is_empty()
    }

    /// Takes note of what has happened on the network.
    pub(super) fn hear(&mut self, event: &NetEventKind) {
        match event {
            NetEventKind::FlowOpened { flow, dialled: Some(call), .. } => {
                if let Some(caller) = self.callers.remove(call) {
                    self.flows.insert(*flow, Flow::new(End::Open(caller)));
                }
            }
            NetEventKind::FlowOpened { flow, dialled: None, own, .. } => {
                if let Some(to) = self.destinations.get(own) {
                    self.flows.insert(*flow, Flow::new(connecting(to.clone())));
                }
            }
            NetEventKind::NotDialled { id } => drop(self.callers.remove(id)),
            NetEventKind::FlowBytes { flow, bytes } => {
                if let Some(flow) = self.flows.get_mut(flow) {
                    flow.outgoing.extend(bytes);
                }
            }
            NetEventKind::FlowSent { flow, bytes } => {
                if let Some(flow) = self.flows.get_mut(flow) {
                    flow.under_way = flow.under_way.saturating_sub(*bytes);
                }
            }
            NetEventKind::FlowFinished { flow } => {
                if let Some(flow) = self.flows.get_mut(flow) {
                    flow.board_has_finished = true;
                }
            }
            // What the socket has not taken yet it shall still have.
            NetEventKind::FlowEnded { flow, .. } => {
                if let Some(flow) = self.flows.get_mut(flow) {
                    (flow.is_over, flow.board_has_finished) = (true, true);
                }
            }
            _ => {}
        }
    }

    /// Moves what can be moved. `board`: the address at which callers find it. Gives what there is to
    /// tell.
    pub(super) fn exchange(
        &mut self,
        network: &mut Network,
        board: Option<Ipv4Addr>,
        now: Instant,
    ) -> Vec<String> {
        let mut told = Vec::new();
        self.admit(network, board, now, &mut told);
        for (number, flow) in &mut self.flows {
            let mut order = |order| {
                // A flow that is over is told so, and an order to it does nothing.
                let _ = network.order(Order::Flow { flow: *number, order }, now);
            };
            if let Err(trouble) = flow.exchange(&mut order) {
                order(FlowOrder::Reset);
                flow.end = End::Over;
                told.push(trouble);
            }
        }
        self.flows.retain(|_, flow| !flow.is_done());
        told
    }

    /// Lets the board wait for the wall clock, if anything is connected.
    pub(super) fn pace(&mut self, now: DeviceTime) {
        if self.flows.is_empty() && self.callers.is_empty() {
            self.pacer = None;
            return;
        }
        let pacer = self.pacer.get_or_insert_with(|| Pacer::new(WallClock::default(), now));
        pacer.wait(now);
    }

    fn admit(
        &mut self,
        network: &mut Network,
        board: Option<Ipv4Addr>,
        now: Instant,
        told: &mut Vec<String>,
    ) {
        for door in &self.doors {
            while let Ok((caller, from)) = door.listener.accept() {
                let to = match (door.to, board) {
                    (Callee::Host(to), _) => to,
                    (Callee::Board(port), Some(board)) => SocketAddrV4::new(board, port),
                    (Callee::Board(_), None) => {
                        told.push(format!("{from} is turned away: the board has no address yet"));
                        continue;
                    }
                };
                self.last_caller = Some(from.ip());
                let order = Order::Dial { id: self.calls, host: door.from.to_owned(), to };
                let ready = caller.set_nonblocking(true).and_then(|()| caller.set_nodelay(true));
                if ready.is_ok() && network.order(order, now).is_ok() {
                    self.callers.insert(self.calls, caller);
                    self.calls += 1;
                }
            }
        }
    }
}

impl Flow {
    /// Whether the board's connection is over, and the socket has all that came before.
    fn is_done(&self) -> bool {
        self.is_over && (self.outgoing.is_empty() || matches!(self.end, End::Over))
    }

    /// Moves what can be moved; why the connection is no more, if it broke.
    fn exchange(&mut self, order: &mut dyn FnMut(FlowOrder)) -> Result<(), String> {
        if let End::Connecting { to, made } = &self.end {
            let (host, port) = (&to.host, to.port);
            match made.try_recv() {
                Ok(Ok(socket)) => self.end = End::Open(socket),
                Ok(Err(why)) => return Err(format!("way out: {host}:{port} not reached: {why}")),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    return Err(format!("way out: {host}:{port} not reached"));
                }
            }
        }
        let End::Open(socket) = &mut self.end else { return Ok(()) };
        let broken = |error: io::Error| format!("way out: connection broken: {error}");
        let taken = give(socket, &mut self.outgoing).map_err(broken)?;
        if taken > 0 {
            order(FlowOrder::Taken(taken));
        }
        if self.board_has_finished && self.outgoing.is_empty() {
            // Once is enough, and again does no harm.
            let _ = socket.shutdown(Shutdown::Write);
        }
        while !self.is_over && !self.socket_has_finished && self.under_way < WINDOW {
            let mut piece = [0; PIECE];
            let room = PIECE.min(WINDOW - self.under_way);
            match socket.read(&mut piece[..room]) {
                Ok(0) => {
                    self.socket_has_finished = true;
                    order(FlowOrder::Finish);
                }
                Ok(count) => {
                    self.under_way += count;
                    order(FlowOrder::Send(Arc::from(&piece[..count])));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(error)),
            }
        }
        Ok(())
    }
}

/// Gives a socket as much as it takes. How much that was.
fn give(socket: &mut TcpStream, outgoing: &mut VecDeque<u8>) -> io::Result<usize> {
    let mut taken = 0;
    while !outgoing.is_empty() {
        match socket.write(outgoing.as_slices().0) {
            Ok(count) => {
                outgoing.drain(..count);
                taken += count;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

/// A connection that is being made, by a thread of its own: looking up a name and waiting for an
/// answer take their time.
fn connecting(to: Destination) -> End {
    let (told, made) = channel();
    let destination = to.clone();
    let connect = move || drop(told.send(connect(&destination)));
    // Without a thread the sender is gone, and that is an answer too.
    let _ = std::thread::Builder::new().name("way out".to_owned()).spawn(connect);
    End::Connecting { to, made }
}

fn connect(to: &Destination) -> Result<TcpStream, Unreached> {
    let addresses: Vec<SocketAddr> = match to.host.parse::<IpAddr>() {
        Ok(literal) => vec![SocketAddr::new(literal, to.port)],
        Err(_) => {
            let found: Vec<_> = (to.host.as_str(), to.port).to_socket_addrs()?.collect();
            if let Some(address) = found.iter().find(|found| !is_public(found.ip())) {
                let (name, address) = (to.host.clone(), address.ip());
                return Err(Unreached::NotPublic { name, address });
            }
            found
        }
    };
    let mut trouble = io::Error::new(ErrorKind::NotFound, "it has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(socket) => {
                socket.set_nonblocking(true)?;
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => trouble = error,
        }
    }
    Err(trouble.into())
}

/// Whether an address is one of the internet, and not of this computer or its networks: the special
/// ones are those of RFC 6890 that could lead somewhere.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && b & 0xc0 == 64;
    let is_for_protocols = (a, b, c) == (192, 0, 0);
    let is_for_measurements = a == 198 && b & 0xfe == 18;
    !(a == 0
        || a >= 240
        || is_shared
        || is_for_protocols
        || is_for_measurements
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast is 2000::/3; of it, 6to4 and NAT64's kin carry IPv4 addresses of any kind.
    let [first, ..] = address.segments();
    first & 0xe000 == 0x2000 && first != 0x2002
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for public in ["8.8.8.8", "93.184.215.14", "172.32.0.1", "2606:2800:21f::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.4",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn a_name_that_leads_to_this_computer_is_refused_and_its_address_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = |host: &str| Destination { host: host.to_owned(), port };
        let refused = connect(&to("localhost")).unwrap_err().to_string();
        assert!(refused.contains("is no public address"), "{refused}");
        connect(&to("127.0.0.1")).expect("it is named literally");
    }
}
