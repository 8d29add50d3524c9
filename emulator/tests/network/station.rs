//! A station of its own making at the other end of a link: an independent client of everything
//! that the network serves.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use esp32_emulator::net::{NetEvent, NetEventKind, Network};
use esp32_emulator::time::{Duration, Instant};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{dhcpv4, dns, tcp};
use smoltcp::wire::{DnsQueryType, EthernetAddress, HardwareAddress, IpCidr, IpEndpoint};

/// The link's speed: 20 Mbit/s, about what a station on air gets.
const TICKS_PER_BYTE: u64 = 480_000_000 / 2_500_000;
/// How long a frame takes besides.
const LATENCY: Duration = Duration::from_micros(300);

/// What a link does to frames.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    /// Frames lost, of a thousand.
    pub(crate) loss: u64,
    /// Frames that come twice, of a thousand.
    pub(crate) copies: u64,
    /// Frames that are overtaken, of a thousand.
    pub(crate) late: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// The network, a station, and the link between them.
pub(crate) struct Bench {
    pub(crate) network: Network,
    pub(crate) events: Vec<NetEvent>,
    pub(crate) now: Instant,
    /// Copies of the network that are given the same, and must do the same.
    pub(crate) shadows: Vec<Network>,
    /// Every frame that left the network, if asked for.
    pub(crate) sent: Option<Vec<(Instant, Vec<u8>)>>,
    /// Every frame that the network was given, if asked for.
    pub(crate) received: Option<Vec<(Instant, Vec<u8>)>>,
    station: Station,
    flying: BTreeMap<(Instant, u64), (Way, Vec<u8>)>,
    count: u64,
    busy: [Instant; 2],
    pub(crate) trouble: Trouble,
    /// Buffers of the station's connections, each way.
    pub(crate) window: usize,
    chance: u64,
    /// Time between polls that nobody asked for.
    pub(crate) needless_polls: Option<Duration>,
}

pub(crate) struct Station {
    stack: Interface,
    pub(crate) sockets: SocketSet<'static>,
    wire: Wire,
    pub(crate) mac: [u8; 6],
    port: u16,
}

struct Wire {
    largest_frame: usize,
    arrived: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct Arrived(Vec<u8>);
struct Leaving<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving<'a>;

    fn receive(
        &mut self,
        _: smoltcp::time::Instant,
    ) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        if self.arrived.is_empty() {
            return None;
        }
        let frame = self.arrived.remove(0);
        Some((Arrived(frame), Leaving(&mut self.sent)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Self::TxToken<'_>> {
        Some(Leaving(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.largest_frame;
        capabilities
    }
}

fn stack_time(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(at.since_zero().as_micros() as i64)
}

fn new_stack(mac: [u8; 6], wire: &mut Wire) -> Interface {
    let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
    config.random_seed = 4711;
    Interface::new(config, wire, stack_time(Instant::ZERO))
}

impl Bench {
    pub(crate) fn new(network: Network) -> Self {
        let mac = [0x24, 0x0a, 0xc4, 0, 0, 1];
        let mut wire = Wire { largest_frame: 1514, arrived: Vec::new(), sent: Vec::new() };
        let stack = new_stack(mac, &mut wire);
        let sockets = SocketSet::new(Vec::new());
        Self {
            network,
            events: Vec::new(),
            now: Instant::ZERO,
            shadows: Vec::new(),
            sent: None,
            received: None,
            station: Station { stack, sockets, wire, mac, port: 50_000 },
            flying: BTreeMap::new(),
            count: 0,
            busy: [Instant::ZERO; 2],
            trouble: Trouble::default(),
            window: 65_535,
            chance: 1,
            needless_polls: None,
        }
    }

    /// A bench whose station has a fixed address already.
    pub(crate) fn with_address(network: Network, address: [u8; 4]) -> Self {
        let mut bench = Self::new(network);
        bench.set_address(address.into());
        bench
    }

    pub(crate) fn set_address(&mut self, address: Ipv4Addr) {
        self.station.stack.update_ip_addrs(|addresses| {
            addresses.clear();
            addresses.push(IpCidr::new(address.into(), 24)).unwrap();
        });
        let gateway = Ipv4Addr::new(192, 168, 0, 1);
        self.station.stack.routes_mut().add_default_ipv4_route(gateway).unwrap();
    }

    /// The station's stack begins anew with another size of frames.
    pub(crate) fn set_largest_frame(&mut self, size: usize) {
        self.station.wire.largest_frame = size;
        self.station.stack = new_stack(self.station.mac, &mut self.station.wire);
        self.set_address(Ipv4Addr::new(192, 168, 0, 200));
    }

    pub(crate) fn station(&mut self) -> &mut Station {
        &mut self.station
    }

    pub(crate) fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.station.sockets.get_mut(handle)
    }

    pub(crate) fn connect(&mut self, to: SocketAddrV4) -> SocketHandle {
        let window = self.window;
        let buffer = || tcp::SocketBuffer::new(vec![0; window]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        self.station.port += 1;
        let to = IpEndpoint::new((*to.ip()).into(), to.port());
        socket.connect(self.station.stack.context(), to, self.station.port).unwrap();
        self.station.sockets.add(socket)
    }

    pub(crate) fn listen(&mut self, port: u16) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 65_535]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.listen(port).unwrap();
        self.station.sockets.add(socket)
    }

    /// Asks a name server.
    pub(crate) fn query(
        &mut self,
        handle: SocketHandle,
        name: &str,
        kind: DnsQueryType,
    ) -> dns::QueryHandle {
        let socket = self.station.sockets.get_mut::<dns::Socket<'_>>(handle);
        socket.start_query(self.station.stack.context(), name, kind).unwrap()
    }

    /// The station joins by DHCP.
    pub(crate) fn join(&mut self) -> Ipv4Addr {
        let handle = self.station.sockets.add(dhcpv4::Socket::new());
        let mut got = None;
        self.run_until(Duration::from_secs(60), |bench| {
            let event = bench.station.sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll();
            if let Some(dhcpv4::Event::Configured(config)) = event {
                got = Some((config.address.address(), config.dns_servers.to_vec()));
            }
            got.is_some()
        });
        let (address, servers) = got.expect("a lease");
        assert_eq!(servers, [Ipv4Addr::new(192, 168, 0, 1)]);
        self.set_address(address);
        address
    }

    /// Sends `request` to a server and reads until it closes, or `size` bytes have come.
    pub(crate) fn exchange(&mut self, to: SocketAddrV4, request: &[u8], size: usize) -> Vec<u8> {
        let handle = self.connect(to);
        let answer = self.talk(handle, request, size);
        self.tcp(handle).close();
        answer
    }

    /// Sends on an open connection and reads until it is closed, or `size` bytes have come.
    pub(crate) fn talk(&mut self, handle: SocketHandle, request: &[u8], size: usize) -> Vec<u8> {
        let (mut sent, mut answer) = (0, Vec::new());
        self.run_until(Duration::from_secs(600), |bench| {
            let socket = bench.tcp(handle);
            if socket.can_send() && sent < request.len() {
                sent += socket.send_slice(&request[sent..]).unwrap();
            }
            while socket.can_recv() {
                socket
                    .recv(|bytes| {
                        answer.extend_from_slice(bytes);
                        (bytes.len(), ())
                    })
                    .unwrap();
            }
            let over = !socket.may_recv()
                && !matches!(socket.state(), tcp::State::SynSent | tcp::State::SynReceived);
            over || (sent == request.len() && answer.len() >= size)
        });
        answer
    }

    /// A frame of anybody's making goes to the network, at once.
    pub(crate) fn inject(&mut self, frame: &[u8]) {
        let now = self.now;
        if let Some(received) = &mut self.received {
            received.push((now, frame.to_vec()));
        }
        self.network.receive(frame, now);
        for shadow in &mut self.shadows {
            shadow.receive(frame, now);
        }
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        let (frames, events) = outputs(&mut self.network);
        for shadow in &mut self.shadows {
            let same = outputs(shadow) == (frames.clone(), events.clone());
            assert!(same, "a copy went another way at {}", self.now);
            assert_eq!(shadow.poll_at(), self.network.poll_at());
        }
        self.events.extend(events);
        for frame in frames {
            if let Some(sent) = &mut self.sent {
                sent.push((self.now, frame.clone()));
            }
            self.fly(Way::Down, frame);
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(time, |bench| bench.now >= end);
    }

    /// Runs until something is so; panics after `patience`.
    pub(crate) fn run_until(
        &mut self,
        patience: Duration,
        mut is_so: impl FnMut(&mut Self) -> bool,
    ) {
        let end = self.now + patience;
        loop {
            self.poll_station();
            if is_so(self) {
                self.poll_station();
                return;
            }
            self.poll_station();
            assert!(self.now < end, "not within {patience}: {:?}", self.events.last());
            self.step(end);
        }
    }

    fn poll_station(&mut self) {
        let now = stack_time(self.now);
        let Station { stack, sockets, wire, .. } = &mut self.station;
        stack.poll(now, wire, sockets);
        for frame in std::mem::take(&mut self.station.wire.sent) {
            self.fly(Way::Up, frame);
        }
    }

    fn step(&mut self, end: Instant) {
        let station = self.station.stack.poll_at(stack_time(self.now), &self.station.sockets);
        let station = station.map(|at| {
            let at = Instant::ZERO + Duration::from_micros(at.total_micros().max(0) as u64);
            at.max(self.now + Duration::from_micros(1))
        });
        let flight = self.flying.keys().next().map(|(at, _)| *at);
        let needless = self.needless_polls.map(|time| self.now + time);
        let next = [station, flight, needless, self.network.poll_at(), Some(end)];
        self.now = next.into_iter().flatten().min().unwrap().max(self.now);
        self.network.poll(self.now);
        for shadow in &mut self.shadows {
            shadow.poll(self.now);
        }
        self.drain();
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            match entry.remove() {
                (Way::Up, frame) => self.inject(&frame),
                (Way::Down, frame) => self.station.wire.arrived.push(frame),
            }
        }
    }

    fn dice(&mut self) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.chance >> 33) % 1000
    }

    fn fly(&mut self, way: Way, frame: Vec<u8>) {
        let busy = self.busy[way as usize].max(self.now);
        let done = busy + Duration::from_ticks(TICKS_PER_BYTE * frame.len() as u64);
        self.busy[way as usize] = done;
        let mut arrival = done + LATENCY;
        if self.dice() < self.trouble.loss {
            return;
        }
        if self.dice() < self.trouble.late {
            arrival += Duration::from_millis(3);
        }
        self.count += 2;
        if self.dice() < self.trouble.copies {
            self.flying.insert((arrival, self.count - 1), (way, frame.clone()));
        }
        self.flying.insert((arrival, self.count), (way, frame));
    }

    /// The lines of a host's log.
    pub(crate) fn log(&self) -> Vec<String> {
        let line = |event: &'_ NetEvent| match &event.kind {
            NetEventKind::Log { line, .. } => Some(line.clone()),
            _ => None,
        };
        self.events.iter().filter_map(line).collect()
    }
}

pub(crate) fn outputs(network: &mut Network) -> (Vec<Vec<u8>>, Vec<NetEvent>) {
    let frames = std::iter::from_fn(|| network.take_frame()).collect();
    let events = std::iter::from_fn(|| network.take_event()).collect();
    (frames, events)
}
