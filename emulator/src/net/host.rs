//! One computer on the network: a TCP/IP stack, the services that listen on it, the requests that
//! it makes.
//!
//! The stack is smoltcp's. What is decided here is what an operating system decides: how many
//! connections a service takes, and how long a silent one lasts (Linux's figures, rounded).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::dhcpv4;
use smoltcp::socket::tcp::{self, State};
use smoltcp::socket::udp;
use smoltcp::wire::{EthernetAddress, IpCidr, IpEndpoint, Ipv6Address};

use super::clock::{Calendar, from_stack, to_stack};
use super::dns;
use super::event::{Mac, NetEvent, NetEventKind, RequestError};
use super::flow::{Flow, FlowScene};
use super::http::{self, Scene, Then};
use super::http_client::Client;
use super::http_frames::{Conversation, Found, Way};
use super::http_message::Side;
use super::ntp;
use super::order::{FlowOrder, Link, Request};
use super::script::{self, DatagramServer, Line};
use super::secure::{Layer, News, Security};
use super::stream::Stream;
use super::tap::Tap;
use crate::time::{Duration, Instant};

/// Buffer of a connection, for each direction: the largest window without scaling.
const WINDOW: usize = 65_535;
/// Connections of one service at a time, those that are closing included. What comes on top is
/// refused.
const BACKLOG: usize = 16;
/// Requests of a host that are under way.
const CLIENTS_LIMIT: usize = 64;
/// Ethernet frames without check sequence: 1500 bytes of IP.
const FRAME_SIZE: usize = 1514;
/// Bytes of unfinished bodies that are held of one secured connection.
const SHIELDED_LIMIT: usize = 4 << 20;
/// Rounds of stack and services at one instant.
const ROUNDS: usize = 256;

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
/// How long a reset waits for the station's Ethernet address to be known.
const UNSENT: Duration = Duration::from_secs(10);

/// A computer.
pub(super) struct Host {
    name: String,
    address: Ipv4Addr,
    mac: Mac,
    stack: Interface,
    sockets: SocketSet<'static>,
    listeners: Vec<Listener>,
    datagrams: Vec<(SocketHandle, u16, DatagramService)>,
    clients: Vec<Client>,
    /// Connections to stations that became flows.
    dialled: Vec<Connection>,
    /// Requests made so far; their ports follow from it.
    requests: u16,
    /// Of a mobile host: how it is connected.
    mobile: Option<Mobile>,
    deadline: Option<Instant>,
}

/// How a mobile host is connected.
struct Mobile {
    /// The address that it was given; none: it asks for one.
    own: Option<(Ipv4Addr, u8)>,
    link: Link,
    /// Asks for an address while the link is up.
    dhcp: Option<SocketHandle>,
}

/// What a host needs to know to be built.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
    pub(super) prefix: u8,
    pub(super) seed: u64,
    pub(super) streams: Vec<(u16, StreamService)>,
    pub(super) datagrams: Vec<(u16, DatagramService)>,
    /// Its Ethernet address.
    pub(super) mac: Mac,
    /// It is not on the wire but behind a station, which has not joined yet.
    pub(super) is_mobile: bool,
    /// Requests that the host has made before: it does not use their ports again so soon.
    pub(super) requests: u16,
}

/// A service over TCP.
#[derive(Debug, Clone)]
pub(super) enum StreamService {
    Http(http::Server),
    /// The same, secured.
    Https(http::Server, Security),
    Echo,
    Script(Arc<[Line]>),
    Flow,
}

/// A service over UDP.
#[derive(Debug, Clone)]
pub(super) enum DatagramService {
    Echo,
    Script(DatagramServer),
    Dns,
    Ntp,
}

/// What services see besides their own state.
pub(super) struct World<'a> {
    pub(super) zone: &'a dns::Zone,
    pub(super) calendar: Calendar,
    pub(super) events: &'a mut Vec<NetEvent>,
    /// Flows that were opened so far.
    pub(super) flows: &'a mut u64,
    /// Talks that were begun so far.
    pub(super) talks: &'a mut u64,
    /// Connections that were secured so far.
    pub(super) secured: &'a mut u64,
    /// Who has numbered the connections.
    pub(super) tap: &'a Tap,
}

struct Listener {
    port: u16,
    service: StreamService,
    connections: Vec<Connection>,
}

struct Connection {
    socket: SocketHandle,
    talk: Talk,
    /// What secures it, once it is made.
    shield: Option<Box<Shield>>,
    /// State, bytes to send, bytes to read; and since when they have been so.
    seen: (State, usize, usize),
    since: Instant,
}

/// The security of a connection, with what was said behind it.
struct Shield {
    layer: Layer,
    conversation: Conversation,
}

enum Talk {
    Http(Box<http::Connection>),
    Echo,
    Script(Box<script::Talk>),
    Flow(Box<Flow>),
    /// Nothing more to say; what comes is dropped.
    Over,
}

/// The Ethernet address of the computer with an IP address: locally administered, and the same in
/// every run.
pub(super) fn mac(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    Mac([0x02, 0x00, a, b, c, d])
}

impl Host {
    pub(super) fn new(plan: &Plan, at: Instant) -> Self {
        let hardware = EthernetAddress(plan.mac.0);
        let mut config = Config::new(hardware.into());
        config.random_seed = plan.seed;
        let mut nowhere = Vec::new();
        let mut wire = Wire { incoming: None, outgoing: &mut nowhere };
        let mut stack = Interface::new(config, &mut wire, to_stack(at));
        if !plan.is_mobile {
            set_addresses(&mut stack, hardware, Some((plan.address, plan.prefix)));
        }
        let given = Some((plan.address, plan.prefix)).filter(|(own, _)| !own.is_unspecified());
        let mobile = Mobile { own: given, link: Link::Down, dhcp: None };
        let mut sockets = SocketSet::new(Vec::new());
        let listeners = plan.streams.iter().map(|(port, service)| Listener {
            port: *port,
            service: service.clone(),
            connections: Vec::new(),
        });
        let listeners = listeners.collect();
        let datagrams = plan.datagrams.iter().map(|(port, service)| {
            let buffer =
                || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 32], vec![0; 32 << 10]);
            let mut socket = udp::Socket::new(buffer(), buffer());
            // Fails for port 0 only, which the configuration refuses.
            let _ = socket.bind(*port);
            (sockets.add(socket), *port, service.clone())
        });
        let datagrams = datagrams.collect();
        let mut host = Self {
            name: plan.name.clone(),
            address: plan.address,
            mac: plan.mac,
            stack,
            sockets,
            listeners,
            datagrams,
            clients: Vec::new(),
            dialled: Vec::new(),
            requests: plan.requests,
            mobile: plan.is_mobile.then_some(mobile),
            deadline: None,
        };
        for listener in &mut host.listeners {
            listener.listen(&mut host.sockets, at);
        }
        host
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn address(&self) -> Ipv4Addr {
        self.address
    }

    pub(super) fn mac(&self) -> Mac {
        self.mac
    }

    /// When something happens without a frame or an order.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether there is nothing but listeners.
    pub(super) fn is_at_rest(&self) -> bool {
        let listens = |c: &Connection| c.seen.0 == State::Listen;
        let is_alone = self.clients.is_empty() && self.dialled.is_empty() && !self.is_joined();
        is_alone && self.listeners.iter().all(|l| l.connections.iter().all(listens))
    }

    /// The services, with all that is still scripted for them.
    pub(super) fn streams(&self) -> impl Iterator<Item = (u16, StreamService)> {
        self.listeners.iter().map(|listener| (listener.port, listener.service.clone()))
    }

    /// The services over UDP, with all that goes on in them.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (u16, DatagramService)> {
        self.datagrams.iter().map(|(_, port, service)| (*port, service.clone()))
    }

    /// Requests made so far.
    pub(super) fn requests(&self) -> u16 {
        self.requests
    }

    /// The web server at a port.
    pub(super) fn web_server(&mut self, port: u16) -> Option<&mut http::Server> {
        let listener = self.listeners.iter_mut().find(|listener| listener.port == port)?;
        match &mut listener.service {
            StreamService::Http(server) | StreamService::Https(server, _) => Some(server),
            _ => None,
        }
    }

    /// Whether it is a mobile host whose station has joined a network.
    fn is_joined(&self) -> bool {
        self.mobile.as_ref().is_some_and(|mobile| mobile.link == Link::Up)
    }

    /// The station of a mobile host has joined a network, or has left it.
    pub(super) fn set_link(&mut self, link: Link, at: Instant, events: &mut Vec<NetEvent>) {
        let hardware = EthernetAddress(self.mac.0);
        let Some(mobile) = self.mobile.as_mut().filter(|mobile| mobile.link != link) else {
            return;
        };
        mobile.link = link;
        if let Some(dhcp) = mobile.dhcp.take() {
            self.sockets.remove(dhcp);
        }
        let address = match (link, mobile.own) {
            (Link::Up, Some(own)) => Some((own, None)),
            (Link::Up, None) => {
                mobile.dhcp = Some(self.sockets.add(dhcpv4::Socket::new()));
                None
            }
            (Link::Down, _) => None,
        };
        set_addresses(&mut self.stack, hardware, None);
        self.configure(address, None, at, events);
    }

    /// Gives a mobile host an address, with who has lent it, or none.
    fn configure(
        &mut self,
        address: Option<((Ipv4Addr, u8), Option<Ipv4Addr>)>,
        router: Option<Ipv4Addr>,
        at: Instant,
        events: &mut Vec<NetEvent>,
    ) {
        let host = self.name.clone();
        let kind = match address {
            Some((address, server)) => NetEventKind::Configured { host, address, server },
            None if self.address.is_unspecified() => return,
            None => NetEventKind::Deconfigured { host },
        };
        let own = address.map(|(own, _)| own);
        set_addresses(&mut self.stack, EthernetAddress(self.mac.0), own);
        self.address = own.map_or(Ipv4Addr::UNSPECIFIED, |(address, _)| address);
        self.stack.routes_mut().remove_default_ipv4_route();
        if let Some(router) = router.filter(|router| is_unicast(*router)) {
            // There is room for one.
            let _ = self.stack.routes_mut().add_default_ipv4_route(router);
        }
        events.push(NetEvent { at, kind });
    }

    /// Takes what the DHCP client has found. True if that may give the stack something to do.
    fn follow_dhcp(&mut self, at: Instant, events: &mut Vec<NetEvent>) -> bool {
        let Some(dhcp) = self.mobile.as_ref().and_then(|mobile| mobile.dhcp) else { return false };
        let (address, router) = match self.sockets.get_mut::<dhcpv4::Socket<'_>>(dhcp).poll() {
            None => return false,
            Some(dhcpv4::Event::Configured(found)) if is_unicast(found.address.address()) => {
                let own = (found.address.address(), found.address.prefix_len());
                (Some((own, Some(found.server.address))), found.router)
            }
            // No address, or one that no computer can have.
            Some(_) => (None, None),
        };
        self.configure(address, router, at, events);
        true
    }

    /// Begins a request to a station. False: too many are under way.
    pub(super) fn request(&mut self, request: &Request, at: Instant) -> bool {
        let Some((socket, port)) = self.connect(request.to) else { return false };
        let from = SocketAddr::new(IpAddr::V4(self.address), port);
        self.clients.push(Client::new(request, socket, from, at));
        true
    }

    /// Begins a flow to a station. False: too many are under way.
    pub(super) fn dial(&mut self, id: u64, to: SocketAddrV4, at: Instant) -> bool {
        let Some((socket, _)) = self.connect(to) else { return false };
        let talk = Talk::Flow(Box::new(Flow::new(Some(id))));
        let seen = (State::SynSent, 0, 0);
        self.dialled.push(Connection { socket, talk, shield: None, seen, since: at });
        true
    }

    /// Takes connections at a port from now on, as flows.
    pub(super) fn listen(&mut self, port: u16, at: Instant) {
        if self.listeners.iter().any(|listener| listener.port == port) {
            return;
        }
        let service = StreamService::Flow;
        let mut listener = Listener { port, service, connections: Vec::new() };
        listener.listen(&mut self.sockets, at);
        self.listeners.push(listener);
    }

    /// Begins a connection, from a new port.
    fn connect(&mut self, to: SocketAddrV4) -> Option<(SocketHandle, u16)> {
        if self.clients.len() + self.dialled.len() >= CLIENTS_LIMIT {
            return None;
        }
        let port = 49_152 + self.requests % 16_384;
        self.requests = self.requests.wrapping_add(1);
        let mut socket = new_socket();
        let to = IpEndpoint::from(SocketAddr::V4(to));
        // Fails for impossible addresses only, which orders refuse; then the socket stays closed,
        // and ends like one that was refused.
        let _ = socket.connect(self.stack.context(), to, port);
        Some((self.sockets.add(socket), port))
    }

    /// Does something with a flow, if it is one of this host's.
    pub(super) fn order_flow(&mut self, number: u64, order: &FlowOrder) -> bool {
        let accepted = self.listeners.iter_mut().flat_map(|listener| &mut listener.connections);
        for connection in accepted.chain(&mut self.dialled) {
            if let Talk::Flow(flow) = &mut connection.talk
                && flow.number() == Some(number)
            {
                flow.order(order);
                return true;
            }
        }
        false
    }

    /// Lets the computer work at an instant: takes a frame, if one has come, and leaves frames to
    /// be sent in `out`.
    pub(super) fn work(
        &mut self,
        frame: Option<&[u8]>,
        at: Instant,
        out: &mut Vec<Vec<u8>>,
        world: &mut World<'_>,
    ) {
        let now = to_stack(at);
        let mut wire = Wire { incoming: frame, outgoing: out };
        for _ in 0..ROUNDS {
            self.stack.poll(now, &mut wire, &mut self.sockets);
            if !self.serve(at, world) {
                break;
            }
        }
        let stack = self.stack.poll_at(now, &self.sockets).map(from_stack);
        // The stack says "now" as "long ago"; if something is due still, after all rounds, it waits
        // for what time alone does not bring.
        let soon = at + Duration::from_millis(1);
        let deadline = [stack, self.services_deadline(at)].into_iter().flatten().min();
        self.deadline = deadline.map(|deadline| if deadline <= at { soon } else { deadline });
    }

    /// Lets all services do what they can. True if that may give the stack something to do.
    fn serve(&mut self, at: Instant, world: &mut World<'_>) -> bool {
        let mut moved = self.follow_dhcp(at, world.events);
        for listener in &mut self.listeners {
            moved |= listener.serve(&mut self.sockets, &self.name, at, world);
        }
        for connection in &mut self.dialled {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.socket);
            let mut service = StreamService::Flow;
            moved |= connection.serve(socket, &mut service, &self.name, at, world);
        }
        drop_ended(&mut self.dialled, &mut self.sockets, at);
        for (handle, port, service) in &mut self.datagrams {
            let socket = self.sockets.get_mut::<udp::Socket<'_>>(*handle);
            let own = SocketAddr::new(self.address.into(), *port);
            moved |= serve_datagrams(socket, service, &self.name, own, at, world);
        }
        for client in &mut self.clients {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(client.socket());
            moved |= client.work(socket, at, world.events);
        }
        self.clients.retain(|client| {
            let over = client.is_over(self.sockets.get::<tcp::Socket<'_>>(client.socket()), at);
            if over {
                self.sockets.remove(client.socket());
            }
            !over
        });
        moved
    }

    fn services_deadline(&self, at: Instant) -> Option<Instant> {
        let connections = self.listeners.iter().flat_map(|listener| &listener.connections);
        let connections =
            connections.chain(&self.dialled).filter_map(|connection| connection.deadline(at));
        let clients = self.clients.iter().filter_map(|client| client.deadline());
        let datagrams = self.datagrams.iter().filter_map(|(_, _, service)| match service {
            DatagramService::Script(server) => server.deadline(),
            _ => None,
        });
        connections.chain(clients).chain(datagrams).min()
    }

    /// The event for a request that is not even tried.
    pub(super) fn refusal(id: u64, at: Instant) -> NetEvent {
        let kind = NetEventKind::Answered { id, result: Err(RequestError::NoConnection) };
        NetEvent { at, kind }
    }
}

/// A computer's addresses: its own, if it has one, and that of the link.
fn set_addresses(stack: &mut Interface, hardware: EthernetAddress, own: Option<(Ipv4Addr, u8)>) {
    stack.update_ip_addrs(|addresses| {
        let own = own.map(|(own, prefix)| IpCidr::new(IpAddr::V4(own).into(), prefix));
        let local = IpCidr::new(IpAddr::V6(link_local(hardware)).into(), 64);
        addresses.clear();
        // There is room for two.
        addresses.extend(own.into_iter().chain([local]).take(2));
    });
}

/// Whether a computer can have an address.
fn is_unicast(address: Ipv4Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()
}

fn link_local(hardware: EthernetAddress) -> Ipv6Address {
    let [a, b, c, d, e, f] = hardware.0;
    let word = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Address::new(0xfe80, 0, 0, 0, word(a ^ 2, b), word(c, 0xff), word(0xfe, d), word(e, f))
}

fn new_socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; WINDOW]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    // The last piece of an answer leaves at once: stations confirm late.
    socket.set_nagle_enabled(false);
    socket
}

impl Listener {
    /// Keeps one socket listening, as long as there may be one more connection. Connections that
    /// are over but for waiting make room.
    fn listen(&mut self, sockets: &mut SocketSet<'static>, at: Instant) {
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
            StreamService::Flow => Talk::Flow(Box::new(Flow::new(None))),
        }
    }

    fn serve(
        &mut self,
        sockets: &mut SocketSet<'static>,
        host: &str,
        at: Instant,
        world: &mut World<'_>,
    ) -> bool {
        let mut moved = false;
        for connection in &mut self.connections {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(connection.socket);
            moved |= connection.serve(socket, &mut self.service, host, at, world);
        }
        drop_ended(&mut self.connections, sockets, at);
        self.listen(sockets, at);
        moved
    }
}

/// Forgets connections that are over, and their sockets.
fn drop_ended(connections: &mut Vec<Connection>, sockets: &mut SocketSet<'static>, at: Instant) {
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

impl Connection {
    fn serve(
        &mut self,
        socket: &mut tcp::Socket<'static>,
        service: &mut StreamService,
        host: &str,
        at: Instant,
        world: &mut World<'_>,
    ) -> bool {
        if socket.state() == State::Listen && self.seen.0 != State::Listen {
            // An attempt that was given up; the socket listens again.
            self.since = at;
        }
        let moved = match (&mut self.talk, service) {
            (Talk::Flow(flow), _) => {
                let events = &mut *world.events;
                flow.work(socket, &mut FlowScene { host, at, opened: world.flows, events })
            }
            (Talk::Script(talk), _) if socket.state() == State::Closed => {
                talk.lose(at, world.events);
                false
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
                let shield = self.shield.get_or_insert_with(|| {
                    *world.secured += 1;
                    let layer = Layer::new(security.0.accept(*world.secured));
                    Box::new(Shield { layer, conversation: Conversation::new() })
                });
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
        // A flow still has its end to tell.
        if !matches!(self.talk, Talk::Flow(_)) {
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
                // Its owner decides, or its script.
                Talk::Flow(_) | Talk::Script(_) => None,
                Talk::Over => Some((CLOSING, Then::Reset)),
            },
        }
    }

    fn deadline(&self, at: Instant) -> Option<Instant> {
        let patience = match self.seen.0 {
            State::Closed => Some(UNSENT),
            _ => self.patience().map(|(patience, _)| patience),
        };
        let patience = patience.map(|patience| self.since + patience);
        let talk = match &self.talk {
            Talk::Http(talk) => talk.deadline(at),
            Talk::Script(talk) => talk.deadline(),
            Talk::Echo | Talk::Flow(_) | Talk::Over => None,
        };
        [patience, talk].into_iter().flatten().min()
    }
}

impl Shield {
    /// Serves what is said behind the security, and tells its HTTP frames, which nobody else sees.
    fn serve(
        &mut self,
        socket: &mut tcp::Socket<'static>,
        talk: &mut http::Connection,
        server: &mut http::Server,
        host: &str,
        at: Instant,
        world: &mut World<'_>,
    ) -> (bool, bool) {
        let (Some(own), Some(station)) = (socket.local_endpoint(), socket.remote_endpoint()) else {
            return (false, false);
        };
        let place = |end: IpEndpoint| SocketAddr::new(end.addr.into(), end.port);
        let (own, station) = (place(own), place(station));
        let connection = world.tap.number_of(station, own).unwrap_or(0);
        let asked = Way { connection, exchange: 0, from: station, to: own };
        let answered = Way { connection, exchange: 0, from: own, to: station };
        let mut found = Vec::new();
        let (mut moved, heard, news) = self.layer.pull(socket);
        if let Some(news) = news {
            let (how, agreed) = match news {
                News::Agreed(how) => (how, true),
                News::Failed(why) => (why, false),
            };
            let kind = NetEventKind::Secured { connection, host: host.to_owned(), how, agreed };
            world.events.push(NetEvent { at, kind });
        }
        let conversation = &mut self.conversation;
        conversation.hear(Side::Requests, &heard, at, SHIELDED_LIMIT, asked, &mut found);
        let over = if self.layer.has_failed() {
            true
        } else {
            let calendar = world.calendar;
            let peer = station.ip();
            let mut scene = Scene { host, peer, calendar, at, events: world.events };
            let mut secured = self.layer.on(socket);
            let (served, over) = serve_http(&mut secured, talk, server, &mut scene);
            moved |= served;
            let said = secured.said;
            conversation.hear(Side::Responses, &said, at, SHIELDED_LIMIT, answered, &mut found);
            over
        };
        if over {
            conversation.finish(Side::Requests, true, &mut found);
            conversation.finish(Side::Responses, true, &mut found);
        }
        let frames = found.into_iter().filter_map(|found| match found {
            Found::Request(frame) => Some(NetEventKind::HttpRequest(Arc::new(frame))),
            Found::Response(frame) => Some(NetEventKind::HttpResponse(Arc::new(frame))),
            // The server says so, in its log and to the station.
            Found::NotHttp(_) => None,
        });
        world.events.extend(frames.map(|kind| NetEvent { at, kind }));
        moved |= self.layer.push(socket);
        (moved, over)
    }
}

/// Whether something moved, and whether the talk is over.
fn serve_http(
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

fn echo(socket: &mut tcp::Socket<'static>) -> bool {
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

fn drop_input(socket: &mut tcp::Socket<'static>) -> bool {
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

fn serve_datagrams(
    socket: &mut udp::Socket<'static>,
    service: &mut DatagramService,
    host: &str,
    own: SocketAddr,
    at: Instant,
    world: &mut World<'_>,
) -> bool {
    let mut moved = false;
    while let Ok((bytes, meta)) = socket.recv() {
        let from = SocketAddr::new(meta.endpoint.addr.into(), meta.endpoint.port);
        let IpAddr::V4(address) = own.ip() else { continue };
        let mut tell = |kind| world.events.push(NetEvent { at, kind });
        let reply = match service {
            DatagramService::Echo => Some(bytes.to_vec()),
            DatagramService::Script(server) => {
                let events = &mut *world.events;
                let begun = &mut *world.talks;
                let mut scene = script::Scene { host, own, station: from, at, begun, events };
                server.receive(bytes, &mut scene);
                None
            }
            DatagramService::Dns => match world.zone.answer(bytes) {
                Ok(dns::Reply { message, name, answer }) => {
                    tell(NetEventKind::Asked { by: from, name, answer });
                    message
                }
                Err(why) => {
                    tell(NetEventKind::BadMessage { from, why });
                    None
                }
            },
            DatagramService::Ntp => match ntp::answer(bytes, world.calendar, at) {
                Ok(reply) => {
                    tell(NetEventKind::TimeAsked { by: from, server: address });
                    Some(reply.to_vec())
                }
                Err(why) => {
                    tell(NetEventKind::BadMessage { from, why });
                    None
                }
            },
        };
        if let Some(reply) = reply {
            // Nothing can be sent back to port 0 or to nobody.
            moved |= socket.send_slice(&reply, meta).is_ok();
        }
    }
    if let DatagramService::Script(server) = service {
        while let Some((to, bytes)) = server.next(at, world.events) {
            moved |= socket.send_slice(&bytes, IpEndpoint::from(to)).is_ok();
        }
    }
    moved
}

/// The computer's end of the wire: hands the frame over that has come, without a copy, and takes
/// what is to be sent.
struct Wire<'w> {
    incoming: Option<&'w [u8]>,
    outgoing: &'w mut Vec<Vec<u8>>,
}

struct Incoming<'t>(&'t [u8]);
struct Outgoing<'t>(&'t mut Vec<Vec<u8>>);

impl Device for Wire<'_> {
    type RxToken<'t>
        = Incoming<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Outgoing<'t>
    where
        Self: 't;

    fn receive(
        &mut self,
        _: smoltcp::time::Instant,
    ) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let frame = self.incoming.take()?;
        Some((Incoming(frame), Outgoing(self.outgoing)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Self::TxToken<'_>> {
        Some(Outgoing(self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_SIZE;
        // Those of TCP were checked when the frame was taken apart. Others may be of packets in
        // fragments, of which nothing was checked yet.
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}
