//! The segment: which computer gets which frame, and who acts when.
//!
//! Frames for one computer go to it by its Ethernet address; frames for groups go to all. What
//! stations send each other is the air's business: it is seen here, if it passes, and goes no
//! further. Two things are done here for the hosts, because their stack does not do them: DHCP,
//! whose clients have no address yet, and answers to ARP probes, whose senders have none either.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr,
};

use super::clock::Calendar;
use super::config::{NetworkConfig, STAND_IN, Service};
use super::event::{Mac, NetEvent, NetEventKind};
use super::gateway::Outbound;
use super::host::{self, DatagramService, Host, Plan, StreamService, World};
use super::log::Port;
use super::order::{FlowOrder, Order, OrderError};
use super::packet::{Network, Origin, Packet, Transport};
use super::script::DatagramServer;
use super::tap::Tap;
use super::wire::{Passage, Way, Wire};
use super::{dhcp, dns, http, mqtt, ntp};
use crate::time::Instant;

/// Frames between hosts at one instant: an echo may not answer an echo for ever.
const HOPS_LIMIT: usize = 1024;
/// Stations that the gateway remembers.
const NEIGHBOURS_LIMIT: usize = 256;
const ARP_REQUEST: u16 = 1;
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];

/// All about the network that can be copied. With it, a network without connections is built.
#[derive(Debug, Clone)]
pub(super) struct State {
    config: Arc<NetworkConfig>,
    dhcp: dhcp::Server,
    zone: dns::Zone,
    wire: Wire,
    tap: Tap,
    /// The gateway, the hosts, whatever is reached through the gateway, and then mobile hosts.
    plans: Vec<Plan>,
    /// How many of these are on the segment.
    local: usize,
    /// How many of these are no mobile hosts.
    fixed: usize,
    /// Flows that were opened so far.
    flows: u64,
    /// Talks that were begun so far.
    talks: u64,
    /// Connections that were secured so far.
    secured: u64,
}

/// The network at work.
pub(super) struct Switch {
    state: State,
    hosts: Vec<Host>,
    by_mac: BTreeMap<Mac, usize>,
    /// Beyond the gateway.
    outside: BTreeMap<Ipv4Addr, usize>,
    /// Where stations are that send something through the gateway.
    neighbours: BTreeMap<Ipv4Addr, Mac>,
}

/// What comes out of the network.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Frames for stations.
    pub(super) frames: Vec<Vec<u8>>,
    /// Frames of mobile hosts, by their numbers.
    pub(super) mobile_frames: Vec<(usize, Vec<u8>)>,
    pub(super) events: Vec<NetEvent>,
}

impl Output {
    fn tell(&mut self, at: Instant, kind: NetEventKind) {
        self.events.push(NetEvent { at, kind });
    }
}

impl State {
    /// See [`NetworkConfig::log_limit`].
    pub(super) fn log_limit(&self) -> usize {
        self.config.log_limit
    }

    pub(super) fn new(config: NetworkConfig) -> Self {
        let config = Arc::new(config);
        let gateway = Plan {
            name: "gateway".to_owned(),
            address: config.gateway,
            prefix: config.prefix,
            seed: seed(config.seed, 0, 0),
            streams: Vec::new(),
            datagrams: vec![(dns::PORT, DatagramService::Dns), (ntp::PORT, DatagramService::Ntp)],
            broker: None,
            mac: host::mac(config.gateway),
            is_mobile: false,
            requests: 0,
        };
        let hosts = config.hosts.iter().enumerate().map(|(n, host)| {
            let mut streams = Vec::new();
            let mut datagrams = Vec::new();
            let mut broker = None;
            for service in &host.services {
                match service {
                    Service::Http { port, files } => {
                        let server = http::Server::new(files);
                        streams.push((*port, StreamService::Http(server)));
                    }
                    Service::Https { port, files, security } => {
                        let server = http::Server::new(files);
                        streams.push((*port, StreamService::Https(server, security.clone())));
                    }
                    Service::TcpEcho(port) => streams.push((*port, StreamService::Echo)),
                    Service::UdpEcho(port) => datagrams.push((*port, DatagramService::Echo)),
                    Service::TcpScript(port, script) => {
                        streams.push((*port, StreamService::Script(script.clone())));
                    }
                    Service::UdpScript(port, script) => {
                        let server = DatagramServer::new(script.clone());
                        datagrams.push((*port, DatagramService::Script(server)));
                    }
                    Service::Mqtt { port, secured, users } => {
                        broker = Some(mqtt::Broker::new(users));
                        streams.push((*port, StreamService::Mqtt));
                        streams.extend(secured.iter().map(|(port, security)| {
                            (*port, StreamService::Mqtts(security.clone()))
                        }));
                    }
                    Service::Flow(port) => streams.push((*port, StreamService::Flow)),
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
                broker,
                mac: host::mac(host.address),
                is_mobile: false,
                requests: 0,
            }
        });
        let stand_in = config.stand_in.iter().map(|address| Plan {
            name: STAND_IN.to_owned(),
            address: *address,
            prefix: config.prefix,
            seed: seed(config.seed, u64::MAX - 1, 0),
            streams: Vec::new(),
            datagrams: Vec::new(),
            broker: None,
            mac: host::mac(*address),
            is_mobile: false,
            requests: 0,
        });
        // A computer beyond the gateway stands at it, with its Ethernet address, and takes all
        // others for its neighbours.
        let mut ports: BTreeMap<Ipv4Addr, Vec<(u16, StreamService)>> = BTreeMap::new();
        for to in &config.outside {
            ports.entry(*to.ip()).or_default().push((to.port(), StreamService::Flow));
        }
        let local = 1 + config.hosts.len() + stand_in.len();
        let outside = ports.into_iter().enumerate().map(|(n, (address, streams))| Plan {
            name: address.to_string(),
            address,
            prefix: 0,
            seed: seed(config.seed, (local + n) as u64, 0),
            streams,
            datagrams: Vec::new(),
            broker: None,
            mac: host::mac(config.gateway),
            is_mobile: false,
            requests: 0,
        });
        let local_ones = std::iter::once(gateway).chain(hosts).chain(stand_in);
        let mut plans: Vec<_> = local_ones.chain(outside).collect();
        let fixed = plans.len();
        plans.extend(config.mobiles.iter().enumerate().map(|(n, mobile)| {
            let (address, prefix) = mobile.address.unwrap_or((Ipv4Addr::UNSPECIFIED, 0));
            Plan {
                name: mobile.name.clone(),
                address,
                prefix,
                seed: seed(config.seed, (fixed + n) as u64, 0),
                streams: Vec::new(),
                datagrams: Vec::new(),
                broker: None,
                mac: mobile.mac,
                is_mobile: true,
                requests: 0,
            }
        }));
        Self {
            dhcp: dhcp::Server::new(config.clone()),
            zone: dns::Zone::new(&config),
            wire: Wire::new(seed(config.seed, u64::MAX, 0)),
            tap: Tap::default(),
            plans,
            local,
            fixed,
            flows: 0,
            talks: 0,
            secured: 0,
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
        let (local, beyond) = hosts[..state.fixed].split_at(state.local);
        let by_mac = local.iter().enumerate().map(|(n, host)| (host.mac(), n)).collect();
        let outside = beyond.iter().enumerate();
        let outside = outside.map(|(n, host)| (host.address(), state.local + n)).collect();
        Self { state, hosts, by_mac, outside, neighbours: BTreeMap::new() }
    }

    /// What remains of the network when all its stacks begin anew, for the `life`-th time.
    pub(super) fn state(&self, life: u64) -> State {
        let mut state = self.state.clone();
        for (n, (plan, host)) in state.plans.iter_mut().zip(&self.hosts).enumerate() {
            plan.streams = host.streams().collect();
            plan.datagrams = host.datagrams().collect();
            plan.broker = host.broker().cloned();
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

    /// The mobile hosts, by their numbers, whose stations have joined a network. In stacks that begin
    /// anew they have not.
    pub(super) fn joined(&self) -> Vec<usize> {
        let mobiles = self.hosts[self.state.fixed..].iter().enumerate();
        mobiles.filter(|(_, host)| host.is_joined()).map(|(mobile, _)| mobile).collect()
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

    /// A frame from a station, or one for a mobile host.
    pub(super) fn receive(&mut self, port: Port, frame: &[u8], at: Instant, out: &mut Output) {
        match Packet::parse(frame, Origin::Station) {
            Ok(packet) => self.state.tap.see(&packet, at, &mut out.events),
            Err(malformed) => {
                let kind = NetEventKind::Malformed { mac: malformed.mac, why: malformed.why };
                return out.tell(at, kind);
            }
        }
        match port {
            Port::Wire if self.state.wire.pass(frame, Way::ToHosts, at) == Passage::Now => {
                self.reach_hosts(frame, at, out);
            }
            Port::Mobile(mobile) if mobile < self.hosts.len() - self.state.fixed => {
                self.work(self.state.fixed + mobile, Some(frame), at, out);
            }
            Port::Wire | Port::Mobile(_) => {}
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
                if let (Transport::Tcp(tcp), Some(&n)) = (transport, self.outside.get(to))
                    && self.state.config.outside.contains(&SocketAddrV4::new(*to, tcp.dst_port()))
                {
                    self.remember(*from, packet.from);
                    return self.work(n, Some(frame), at, out);
                }
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
            for n in 0..self.state.local {
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
            Order::Publish { host, .. } => (host, None),
            Order::Dial { host, .. }
            | Order::Listen { host, .. }
            | Order::Datagram { host, .. } => (host, None),
            Order::Flow { .. }
            | Order::BreakOff
            | Order::Dhcp(_)
            | Order::Dns { .. }
            | Order::Link(_)
            | Order::Mobile { .. }
            | Order::Faults(_) => {
                return Ok(());
            }
        };
        let plan = self.state.plans.iter().find(|plan| plan.name.eq_ignore_ascii_case(name));
        let plan = plan.ok_or_else(|| OrderError::NoSuchHost(name.clone()))?;
        let serves = |port: u16| {
            let http =
                |s: &StreamService| matches!(s, StreamService::Http(_) | StreamService::Https(..));
            plan.streams.iter().any(|(p, service)| *p == port && http(service))
        };
        match server {
            None if matches!(order, Order::Publish { .. }) && plan.broker.is_none() => {
                Err(OrderError::NoBroker(name.clone()))
            }
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
            Order::Mobile { mobile, link } => {
                let n = self.state.fixed + mobile;
                let Some(host) = self.hosts.get_mut(n) else { return };
                host.set_link(*link, at, &mut out.events);
                self.work(n, None, at, out);
            }
            Order::Publish { host, message } => {
                let Some(n) = self.named(host) else { return };
                self.hosts[n].publish(message.clone(), at, &mut out.events);
                self.work(n, None, at, out);
            }
            Order::Forget { host, port } => {
                if let Some(server) = self.named(host).and_then(|n| self.hosts[n].web_server(*port))
                {
                    server.forget();
                }
            }
            Order::Flow { flow, order } => self.order_flow(*flow, order, at, out),
            Order::Dial { id, host, to } => {
                let Some(n) = self.named(host) else { return };
                if self.hosts[n].dial(*id, *to, at) {
                    self.work(n, None, at, out);
                } else {
                    out.tell(at, NetEventKind::NotDialled { id: *id });
                }
            }
            Order::BreakOff => {
                out.tell(at, NetEventKind::BrokenOff);
                for n in 0..self.hosts.len() {
                    self.hosts[n].break_off();
                    self.work(n, None, at, out);
                }
            }
            Order::Datagram { host, from, to, bytes } => {
                let Some(n) = self.named(host) else { return };
                self.hosts[n].send_datagram(*from, *to, bytes);
                self.work(n, None, at, out);
            }
            Order::Listen { host, port } => {
                if let Some(n) = self.named(host) {
                    self.hosts[n].listen(*port, at);
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

    fn order_flow(&mut self, flow: u64, order: &FlowOrder, at: Instant, out: &mut Output) {
        if let Some(n) = self.hosts.iter_mut().position(|host| host.order_flow(flow, order)) {
            self.work(n, None, at, out);
        }
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.hosts.iter().position(|host| host.name().eq_ignore_ascii_case(name))
    }

    /// Where a station is that sends something through the gateway.
    fn remember(&mut self, address: Ipv4Addr, station: Mac) {
        if self.neighbours.len() >= NEIGHBOURS_LIMIT {
            self.neighbours.clear();
        }
        self.neighbours.insert(address, station);
    }

    /// Somebody beyond the gateway asks for a station as if he stood on the segment. The gateway
    /// answers, and the stations see nothing of it.
    fn introduce(&mut self, host: usize, request: &[u8], at: Instant, out: &mut Output) {
        let Ok(Packet { network: Network::Arp { operation: ARP_REQUEST, sender, target }, .. }) =
            Packet::parse(request, Origin::Host)
        else {
            return;
        };
        let Some(&station) = self.neighbours.get(&target) else { return };
        let mac = self.hosts[host].mac();
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: EthernetAddress(station.0),
            source_protocol_addr: target,
            target_hardware_addr: EthernetAddress(mac.0),
            target_protocol_addr: sender,
        };
        self.work(host, Some(&arp_frame(station, mac, reply)), at, out);
    }

    /// Whether a computer stands for a station.
    fn is_stand_in(&self, host: usize) -> bool {
        self.state.config.stand_in.is_some() && host + 1 == self.state.local
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
        if host >= self.state.fixed {
            for frame in sent {
                self.leave_mobile(host - self.state.fixed, frame, at, out);
            }
            return;
        }
        let mut queue: VecDeque<Vec<u8>> = sent.into();
        let mut hops = 0;
        while let Some(frame) = queue.pop_front() {
            if host >= self.state.local && frame.get(12..14) == Some(&ETHERTYPE_ARP) {
                self.introduce(host, &frame, at, out);
                continue;
            }
            let to = frame.first_chunk::<6>().map_or(Mac::BROADCAST, |to| Mac(*to));
            let from = frame.get(6..12).and_then(|from| from.first_chunk::<6>());
            let sender = from.and_then(|from| self.by_mac.get(&Mac(*from))).copied();
            let listeners = match self.by_mac.get(&to) {
                Some(&n) => n..n + 1,
                None if to.is_multicast() => 0..self.state.local,
                None => 0..0,
            };
            if sender.into_iter().chain(listeners.clone()).any(|n| self.is_stand_in(n))
                && let Ok(packet) = Packet::parse(&frame, Origin::Host)
            {
                self.state.tap.see(&packet, at, &mut out.events);
            }
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
        let State { zone, flows, talks, secured, tap, .. } = &mut self.state;
        let events = &mut out.events;
        let mut world = World { zone, calendar, events, flows, talks, secured, tap };
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

    /// A frame of a mobile host goes to its station, where the observer sits, too.
    fn leave_mobile(&mut self, mobile: usize, frame: Vec<u8>, at: Instant, out: &mut Output) {
        if let Ok(packet) = Packet::parse(&frame, Origin::Host) {
            self.state.tap.see(&packet, at, &mut out.events);
        }
        out.mobile_frames.push((mobile, frame));
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
        self.send(arp_frame(mac, station, reply), at, out);
    }
}

fn arp_frame(from: Mac, to: Mac, arp: ArpRepr) -> Vec<u8> {
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(from.0),
        dst_addr: EthernetAddress(to.0),
        ethertype: EthernetProtocol::Arp,
    };
    let mut bytes = vec![0; ethernet.buffer_len() + arp.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    ethernet.emit(&mut frame);
    arp.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    bytes
}
