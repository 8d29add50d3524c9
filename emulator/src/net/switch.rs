//! The segment: which computer gets which frame, and who acts when.
//!
//! Frames for one computer go to it by its Ethernet address; frames for groups go to all. What
//! stations send each other is the air's business: it is seen here, if it passes, and goes no
//! further. Two things are done here for the hosts, because their stack does not do them: DHCP,
//! whose clients have no address yet, and answers to ARP probes, whose senders have none either.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr,
};

use super::clock::Calendar;
use super::config::{NetworkConfig, Service};
use super::event::{Mac, NetEvent, NetEventKind};
use super::gateway::Outbound;
use super::host::{self, DatagramService, Host, Plan, StreamService, World};
use super::order::{Order, OrderError};
use super::packet::{Network, Origin, Packet, Transport};
use super::tap::Tap;
use super::wire::{Passage, Way, Wire};
use super::{dhcp, dns, http, ntp};
use crate::time::Instant;

/// Frames between hosts at one instant: an echo may not answer an echo for ever.
const HOPS_LIMIT: usize = 1024;
const ARP_REQUEST: u16 = 1;

/// All about the network that can be copied. With it, a network without connections is built.
#[derive(Debug, Clone)]
pub(super) struct State {
    config: Arc<NetworkConfig>,
    dhcp: dhcp::Server,
    zone: dns::Zone,
    wire: Wire,
    tap: Tap,
    plans: Vec<Plan>,
}

/// The network at work.
pub(super) struct Switch {
    state: State,
    hosts: Vec<Host>,
    by_mac: BTreeMap<Mac, usize>,
}

/// What comes out of the network.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Frames for stations.
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) events: Vec<NetEvent>,
}

impl Output {
    fn tell(&mut self, at: Instant, kind: NetEventKind) {
        self.events.push(NetEvent { at, kind });
    }
}

impl State {
    pub(super) fn new(config: NetworkConfig) -> Self {
        let config = Arc::new(config);
        let gateway = Plan {
            name: "gateway".to_owned(),
            address: config.gateway,
            prefix: config.prefix,
            seed: seed(config.seed, 0, 0),
            streams: Vec::new(),
            datagrams: vec![(dns::PORT, DatagramService::Dns), (ntp::PORT, DatagramService::Ntp)],
            requests: 0,
        };
        let hosts = config.hosts.iter().enumerate().map(|(n, host)| {
            let mut streams = Vec::new();
            let mut datagrams = Vec::new();
            for service in &host.services {
                match service {
                    Service::Http { port, files } => {
                        let server = http::Server::new(files);
                        streams.push((*port, StreamService::Http(server)));
                    }
                    Service::TcpEcho(port) => streams.push((*port, StreamService::Echo)),
                    Service::UdpEcho(port) => datagrams.push((*port, DatagramService::Echo)),
                    Service::Ntp => datagrams.push((ntp::PORT, DatagramService::Ntp)),
                }
            }
            Plan {
                name: host.name.clone(),
                address: host.address,
                prefix: config.prefix,
                seed: seed(config.seed, n as u64 + 1, 0),
                streams,
                datagrams,
                requests: 0,
            }
        });
        let plans = std::iter::once(gateway).chain(hosts).collect();
        Self {
            dhcp: dhcp::Server::new(config.clone()),
            zone: dns::Zone::new(&config),
            wire: Wire::new(seed(config.seed, u64::MAX, 0)),
            tap: Tap::default(),
            plans,
            config,
        }
    }
}

/// A different seed for every host and every time that it is built.
fn seed(seed: u64, host: u64, life: u64) -> u64 {
    mix(seed ^ host.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ life.rotate_left(32))
}

/// SplitMix64's mixing function.
pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Switch {
    /// A network without connections, at an instant.
    pub(super) fn new(state: &State, at: Instant) -> Self {
        let state = state.clone();
        let hosts: Vec<Host> = state.plans.iter().map(|plan| Host::new(plan, at)).collect();
        let by_mac = hosts.iter().enumerate().map(|(n, host)| (host.mac(), n)).collect();
        Self { state, hosts, by_mac }
    }

    /// What remains of the network when all its stacks begin anew, for the `life`-th time.
    pub(super) fn state(&self, life: u64) -> State {
        let mut state = self.state.clone();
        for (n, (plan, host)) in state.plans.iter_mut().zip(&self.hosts).enumerate() {
            plan.streams = host.streams().collect();
            plan.requests = host.requests();
            plan.seed = seed(state.config.seed, n as u64, life);
        }
        state
    }

    /// Whether there is nothing that a network built from [`Self::state`] would lack, except for
    /// what hosts remember of their neighbours.
    pub(super) fn is_at_rest(&self) -> bool {
        self.state.tap.is_idle() && self.hosts.iter().all(Host::is_at_rest)
    }

    /// When something happens without a frame or an order.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let hosts = self.hosts.iter().filter_map(Host::deadline);
        hosts.chain(self.state.wire.deadline()).min()
    }

    /// Does all that is due up to `now`, each thing at its own instant.
    pub(super) fn advance(&mut self, now: Instant, out: &mut Output) {
        while let Some(at) = self.deadline().filter(|&at| at <= now) {
            while let Some((way, frame)) = self.state.wire.arrived(at) {
                match way {
                    Way::ToHosts => self.reach_hosts(&frame, at, out),
                    Way::ToStations => self.reach_stations(frame, at, out),
                }
            }
            for n in 0..self.hosts.len() {
                if self.hosts[n].deadline().is_some_and(|deadline| deadline <= at) {
                    self.work(n, None, at, out);
                }
            }
        }
    }

    /// A frame from a station.
    pub(super) fn receive(&mut self, frame: &[u8], at: Instant, out: &mut Output) {
        match Packet::parse(frame, Origin::Station) {
            Ok(packet) => self.state.tap.see(&packet, at, &mut out.events),
            Err(malformed) => {
                let kind = NetEventKind::Malformed { mac: malformed.mac, why: malformed.why };
                return out.tell(at, kind);
            }
        }
        if self.state.wire.pass(frame, Way::ToHosts, at) == Passage::Now {
            self.reach_hosts(frame, at, out);
        }
    }

    /// A frame that was found sane comes out of the wire.
    fn reach_hosts(&mut self, frame: &[u8], at: Instant, out: &mut Output) {
        let Ok(packet) = Packet::parse(frame, Origin::Host) else { return };
        match &packet.network {
            Network::Arp { operation: ARP_REQUEST, sender, target } if sender.is_unspecified() => {
                return self.answer_probe(packet.from, *target, at, out);
            }
            Network::Ip { transport: Transport::Udp(udp), to: IpAddr::V4(to), .. }
                if udp.dst_port() == dhcp::PORT
                    && (to.is_broadcast()
                        || *to == self.state.config.broadcast()
                        || *to == self.state.config.gateway) =>
            {
                return self.lend(packet.from, udp.payload(), at, out);
            }
            // Nobody can answer it.
            Network::Ip { from, .. } if from.is_unspecified() => return,
            Network::Ip {
                from: IpAddr::V4(from),
                to: IpAddr::V4(to),
                transport,
                packet: bytes,
            } if packet.to == self.hosts[0].mac() && self.is_beyond(*to) => {
                let outbound = Outbound {
                    gateway: self.state.config.gateway,
                    gateway_mac: self.hosts[0].mac(),
                    station: packet.from,
                    from: *from,
                    to: *to,
                    transport,
                    packet: bytes,
                };
                if let Some(kind) = outbound.event() {
                    out.tell(at, kind);
                }
                if let Some(frame) = outbound.refusal() {
                    self.send(frame, at, out);
                }
                return;
            }
            Network::Other => return,
            _ => {}
        }
        if packet.to.is_multicast() {
            for n in 0..self.hosts.len() {
                self.work(n, Some(frame), at, out);
            }
        } else if let Some(&n) = self.by_mac.get(&packet.to) {
            self.work(n, Some(frame), at, out);
        }
    }

    /// What can be said against an order before it is carried out.
    pub(super) fn check(&self, order: &Order) -> Result<(), OrderError> {
        order.check()?;
        let (name, server) = match order {
            Order::Respond { host, port, .. } | Order::Forget { host, port } => (host, Some(*port)),
            Order::Request(request) => (&request.host, None),
            Order::Dhcp(_) | Order::Dns { .. } | Order::Link(_) | Order::Faults(_) => {
                return Ok(());
            }
        };
        let plan = self.state.plans.iter().find(|plan| plan.name.eq_ignore_ascii_case(name));
        let plan = plan.ok_or_else(|| OrderError::NoSuchHost(name.clone()))?;
        let serves = |port: u16| {
            let http = |s: &StreamService| matches!(s, StreamService::Http(_));
            plan.streams.iter().any(|(p, service)| *p == port && http(service))
        };
        match server {
            Some(port) if !serves(port) => {
                Err(OrderError::NoSuchServer { host: name.clone(), port })
            }
            _ => Ok(()),
        }
    }

    /// Carries out an order that [`Self::check`] found right.
    pub(super) fn order(&mut self, order: &Order, at: Instant, out: &mut Output) {
        match order {
            Order::Respond { host, port, path, response, times } => {
                if let Some(server) = self.named(host).and_then(|n| self.hosts[n].web_server(*port))
                {
                    server.script(path.clone(), response.clone(), *times);
                }
            }
            Order::Dhcp(mode) => self.state.dhcp.order(*mode),
            Order::Dns { name, lie } => self.state.zone.order(name.as_deref(), *lie),
            Order::Link(link) => self.state.wire.set_link(*link),
            Order::Faults(faults) => self.state.wire.set_faults(*faults),
            Order::Forget { host, port } => {
                if let Some(server) = self.named(host).and_then(|n| self.hosts[n].web_server(*port))
                {
                    server.forget();
                }
            }
            Order::Request(request) => {
                let Some(n) = self.named(&request.host) else { return };
                if self.hosts[n].request(request, at) {
                    self.work(n, None, at, out);
                } else {
                    out.events.push(Host::refusal(request.id, at));
                }
            }
        }
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.hosts.iter().position(|host| host.name().eq_ignore_ascii_case(name))
    }

    fn is_beyond(&self, address: Ipv4Addr) -> bool {
        !self.state.config.holds(address)
            && !address.is_multicast()
            && !address.is_broadcast()
            && address != self.state.config.broadcast()
    }

    /// Lets a host work, and then those to whom it sends something.
    fn work(&mut self, host: usize, frame: Option<&[u8]>, at: Instant, out: &mut Output) {
        let mut sent = Vec::new();
        self.work_alone(host, frame, at, &mut sent, out);
        let mut queue: VecDeque<Vec<u8>> = sent.into();
        let mut hops = 0;
        while let Some(frame) = queue.pop_front() {
            let to = frame.first_chunk::<6>().map_or(Mac::BROADCAST, |to| Mac(*to));
            let from = frame.get(6..12).and_then(|from| from.first_chunk::<6>());
            let sender = from.and_then(|from| self.by_mac.get(&Mac(*from))).copied();
            let listeners = match self.by_mac.get(&to) {
                Some(&n) => n..n + 1,
                None if to.is_multicast() => 0..self.hosts.len(),
                None => 0..0,
            };
            for n in listeners.filter(|&n| Some(n) != sender) {
                hops += 1;
                if hops <= HOPS_LIMIT {
                    let mut sent = Vec::new();
                    self.work_alone(n, Some(&frame), at, &mut sent, out);
                    queue.extend(sent);
                }
            }
            if !self.by_mac.contains_key(&to) {
                self.send(frame, at, out);
            }
        }
    }

    fn work_alone(
        &mut self,
        host: usize,
        frame: Option<&[u8]>,
        at: Instant,
        sent: &mut Vec<Vec<u8>>,
        out: &mut Output,
    ) {
        let calendar = Calendar::new(self.state.config.date);
        let mut world = World { zone: &self.state.zone, calendar, events: &mut out.events };
        self.hosts[host].work(frame, at, sent, &mut world);
    }

    /// A frame leaves for the stations.
    fn send(&mut self, frame: Vec<u8>, at: Instant, out: &mut Output) {
        if self.state.wire.pass(&frame, Way::ToStations, at) == Passage::Now {
            self.reach_stations(frame, at, out);
        }
    }

    /// A frame comes out of the wire at the stations' end, where the observer sits.
    fn reach_stations(&mut self, frame: Vec<u8>, at: Instant, out: &mut Output) {
        if let Ok(packet) = Packet::parse(&frame, Origin::Host) {
            self.state.tap.see(&packet, at, &mut out.events);
        }
        out.frames.push(frame);
    }

    fn lend(&mut self, mac: Mac, message: &[u8], at: Instant, out: &mut Output) {
        let events = &mut out.events;
        let mut tell = |kind| events.push(NetEvent { at, kind });
        match self.state.dhcp.receive(message, at, &mut tell) {
            Ok(Some(frame)) => self.send(frame, at, out),
            Ok(None) => {}
            Err(why) => out.tell(at, NetEventKind::Malformed { mac, why }),
        }
    }

    /// Somebody without an address asks whether one is taken (RFC 5227).
    fn answer_probe(&mut self, station: Mac, target: Ipv4Addr, at: Instant, out: &mut Output) {
        let mac = host::mac(target);
        if !self.by_mac.contains_key(&mac) {
            return;
        }
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: EthernetAddress(mac.0),
            source_protocol_addr: target,
            target_hardware_addr: EthernetAddress(station.0),
            target_protocol_addr: Ipv4Addr::UNSPECIFIED,
        };
        let ethernet = EthernetRepr {
            src_addr: EthernetAddress(mac.0),
            dst_addr: EthernetAddress(station.0),
            ethertype: EthernetProtocol::Arp,
        };
        let mut bytes = vec![0; ethernet.buffer_len() + reply.buffer_len()];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        ethernet.emit(&mut frame);
        reply.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
        self.send(bytes, at, out);
    }
}
