//! One computer on the network: a TCP/IP stack, the services that listen on it, the requests that
//! it makes.
//!
//! The stack is smoltcp's. What is decided here is what an operating system decides: how many
//! connections a service takes, and how long a silent one lasts (Linux's figures, rounded).

mod connection;
mod datagrams;
mod device;
mod listener;
mod mobile;
mod shield;
mod streams;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{self, State};
use smoltcp::socket::udp;
use smoltcp::wire::{EthernetAddress, IpEndpoint};

use super::clock::{Calendar, from_stack, to_stack};
use super::event::{Mac, NetEvent, NetEventKind, RequestError};
use super::flow::Flow;
use super::http_client::Client;
use super::order::{FlowOrder, Link, Request};
use super::script::{DatagramServer, Line};
use super::secure::Security;
use super::tap::Tap;
use super::{dns, http, mqtt};
use crate::time::{Duration, Instant};
use connection::{Connection, Talk};
use datagrams::serve_datagrams;
use device::Wire;
use listener::{Listener, drop_ended, new_socket};
use mobile::{Mobile, set_addresses};

/// Requests of a host that are under way.
const CLIENTS_LIMIT: usize = 64;
/// UDP ports from which a host sends by order.
const SENDERS_LIMIT: usize = 64;
/// Rounds of stack and services at one instant.
const ROUNDS: usize = 256;

/// A computer.
pub(super) struct Host {
    name: String,
    address: Ipv4Addr,
    mac: Mac,
    stack: Interface,
    sockets: SocketSet<'static>,
    listeners: Vec<Listener>,
    datagrams: Vec<(SocketHandle, u16, DatagramService)>,
    broker: Option<mqtt::Broker>,
    clients: Vec<Client>,
    /// Connections to stations that became flows.
    dialled: Vec<Connection>,
    /// Requests made so far; their ports follow from it.
    requests: u16,
    /// Of a mobile host: how it is connected.
    mobile: Option<Mobile>,
    deadline: Option<Instant>,
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
    /// Its MQTT broker.
    pub(super) broker: Option<mqtt::Broker>,
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
    /// The host's broker.
    Mqtt,
    /// The same, secured.
    Mqtts(Security),
    Flow,
}

/// A service over UDP.
#[derive(Debug, Clone)]
pub(super) enum DatagramService {
    Echo,
    Script(DatagramServer),
    Dns,
    Ntp,
    /// What comes is told.
    Told,
}

/// What connections to a host's services share.
struct Ours<'a> {
    /// The host's name.
    name: &'a str,
    broker: Option<&'a mut mqtt::Broker>,
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
        let datagrams = plan
            .datagrams
            .iter()
            .map(|(port, service)| (sockets.add(datagram_socket(*port)), *port, service.clone()));
        let datagrams = datagrams.collect();
        let mut host = Self {
            name: plan.name.clone(),
            address: plan.address,
            mac: plan.mac,
            stack,
            sockets,
            listeners,
            datagrams,
            broker: plan.broker.clone(),
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
        let is_alone = self.clients.is_empty() && self.dialled.is_empty();
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

    /// Its MQTT broker.
    pub(super) fn broker(&self) -> Option<&mqtt::Broker> {
        self.broker.as_ref()
    }

    /// Publishes a message at its broker.
    pub(super) fn publish(
        &mut self,
        message: mqtt::Message,
        at: Instant,
        events: &mut Vec<NetEvent>,
    ) {
        if let Some(broker) = &mut self.broker {
            let mut told = mqtt::Told { host: &self.name, at, events };
            broker.publish(mqtt::Author::Host, message, &mut told);
        }
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

    /// Sends a datagram from a port, unless a service has it; of many such ports the last ones are
    /// listened to.
    pub(super) fn send_datagram(&mut self, from: u16, to: SocketAddrV4, bytes: &[u8]) {
        let is_told = |service: &DatagramService| matches!(service, DatagramService::Told);
        let open = self.datagrams.iter().find(|(_, port, _)| *port == from);
        let handle = match open {
            Some((handle, _, service)) if is_told(service) => *handle,
            Some(_) => return,
            None => {
                let mut senders = self.datagrams.iter().enumerate();
                let first = senders.find(|(_, (.., service))| is_told(service)).map(|(n, _)| n);
                let count = self.datagrams.iter().filter(|(.., service)| is_told(service)).count();
                if let Some(first) = first.filter(|_| count >= SENDERS_LIMIT) {
                    self.sockets.remove(self.datagrams.remove(first).0);
                }
                let handle = self.sockets.add(datagram_socket(from));
                self.datagrams.push((handle, from, DatagramService::Told));
                handle
            }
        };
        // What has no room is lost, as datagrams are.
        let to = IpEndpoint::from(SocketAddr::V4(to));
        let _ = self.sockets.get_mut::<udp::Socket<'_>>(handle).send_slice(bytes, to);
    }

    /// Resets all connections.
    pub(super) fn break_off(&mut self) {
        let accepted = self.listeners.iter().flat_map(|listener| &listener.connections);
        let accepted = accepted.filter(|connection| connection.seen.0 != State::Listen);
        let connections = accepted.chain(&self.dialled).map(|connection| connection.socket);
        for socket in connections.chain(self.clients.iter().map(Client::socket)) {
            self.sockets.get_mut::<tcp::Socket<'_>>(socket).abort();
        }
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
        let mut ours = Ours { name: &self.name, broker: self.broker.as_mut() };
        for listener in &mut self.listeners {
            moved |= listener.serve(&mut self.sockets, &mut ours, at, world);
        }
        for connection in &mut self.dialled {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.socket);
            let mut service = StreamService::Flow;
            moved |= connection.serve(socket, &mut service, &mut ours, at, world);
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

fn datagram_socket(port: u16) -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 32], vec![0; 32 << 10]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    // Fails for port 0 only, which configuration and orders refuse.
    let _ = socket.bind(port);
    socket
}
