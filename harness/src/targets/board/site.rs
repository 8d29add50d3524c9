//! The hosts of a scenario on a bench: the same modelled network as around an emulated board, at doors
//! of this computer.
//!
//! The board is on a real network, and reaches a host at the address that bench.toml binds it to. There
//! this computer listens; for whoever comes, a computer that stands for the board connects to the host
//! in the modelled network. So the host's servers, its log and the HTTP frames are those of any case.
//!
//! It works by this computer's clock, in a thread of its own: a board does not wait until the case looks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration as WallTime, Instant as WallInstant};

use esp32_emulator::net::{Network, Order as NetOrder, STAND_IN};
use esp32_emulator::time::{Duration, Instant};

use super::datagrams::Doors;
use crate::bench::bindings::{Bindings, Port};
use crate::site::{Destination, Folders, Order, Site, SiteEvent};
use crate::targets::TargetError;
use crate::targets::network::{self, Hosts, Stations};
use crate::targets::way_out::{Callee, WayOut};

/// Wall time between two looks at the doors.
const LOOK: WallTime = WallTime::from_millis(1);

/// The network of a case on a bench.
#[derive(Debug)]
pub(super) struct BenchSite {
    inside: Arc<Mutex<Inside>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Ports of the board that are not at its own address.
    servers: BTreeMap<Port, SocketAddr>,
    /// What stands for the board.
    stand_in: Ipv4Addr,
}

#[derive(Debug)]
struct Inside {
    network: Network,
    way_out: WayOut,
    datagrams: Doors,
    hosts: Hosts,
    start: WallInstant,
    told: Vec<(WallInstant, SiteEvent)>,
}

impl BenchSite {
    /// Opens the doors of all hosts.
    pub(super) fn open(
        site: &Site,
        folders: &Folders,
        seed: u64,
        bindings: &Bindings,
        servers: &BTreeMap<Port, SocketAddr>,
    ) -> Result<Self, TargetError> {
        let bound = bindings.hosts.iter().map(|(name, host)| (name.clone(), host.address));
        let (mut config, leads) = network::config(site, folders, seed, &bound.collect())?;
        let taken = |address: &Ipv4Addr| {
            *address == site.network.gateway || site.hosts.iter().any(|it| it.address == *address)
        };
        let rest = u32::MAX >> site.network.prefix;
        let base = site.network.gateway.to_bits() & !rest;
        let mut free = (1..rest).rev().map(|n| Ipv4Addr::from_bits(base + n));
        let stand_in = free.find(|address| !taken(address)).unwrap_or(Ipv4Addr::from_bits(base));
        config.stand_in = Some(stand_in);
        let network =
            Network::new(config).map_err(|error| TargetError::CannotOpen(error.to_string()))?;
        let mut way_out = WayOut::new(leads);
        let mut datagrams = Doors::default();
        for host in &site.hosts {
            let cannot = |port: u16, at: SocketAddr, error| {
                let name = &host.name;
                TargetError::Bench(format!("cannot be port {port} of `{name}` at {at}: {error}"))
            };
            for port in host.tcp_ports() {
                let Some(at) = bindings.door(&host.name, port) else { continue };
                let to = Callee::Host(SocketAddrV4::new(host.address, port));
                let opened = TcpListener::bind(at);
                let opened = opened.and_then(|door| way_out.add_door(door, STAND_IN, to));
                opened.map_err(|error| cannot(port, at, error))?;
            }
            for port in host.udp_ports() {
                let Some(at) = bindings.door(&host.name, port) else { continue };
                let to = SocketAddrV4::new(host.address, port);
                datagrams.open(at, to).map_err(|error| cannot(port, at, error))?;
            }
        }
        let hosts = Hosts::of_site(site);
        let inside = Inside {
            network,
            way_out,
            datagrams,
            hosts,
            start: WallInstant::now(),
            told: Vec::new(),
        };
        let inside = Arc::new(Mutex::new(inside));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (inside.clone(), stop.clone());
        let work = move || {
            while !stopped.load(Ordering::Relaxed) {
                lock(&shared).work();
                std::thread::sleep(LOOK);
            }
        };
        let thread = std::thread::Builder::new().name("hosts".to_owned()).spawn(work);
        let thread = thread.map_err(|error| TargetError::Bench(error.to_string()))?;
        Ok(Self { inside, stop, thread: Some(thread), servers: servers.clone(), stand_in })
    }

    /// What has happened since the last call, and when by this computer's clock.
    pub(super) fn take(&self) -> Vec<(WallInstant, SiteEvent)> {
        std::mem::take(&mut lock(&self.inside).told)
    }

    /// Tells a host to do something.
    pub(super) fn order(&self, order: Order) -> Result<(), TargetError> {
        let mut inside = lock(&self.inside);
        let now = inside.now();
        let order = match order {
            Order::Request(mut request) => {
                let port = request.port;
                let at = self.board(request.to.as_deref(), port, &inside)?;
                inside.lead_to_board(at, self.stand_in, port);
                request.to = None;
                Order::Request(request)
            }
            order @ (Order::Respond { .. } | Order::Publish(_)) => order,
            _ => return Err(TargetError::Cannot("change the air or the network of a bench")),
        };
        let Inside { network, hosts, .. } = &mut *inside;
        hosts.order(network, order, Some(self.stand_in), now)
    }

    /// Where a port of the board is.
    fn board(
        &self,
        to: Option<&str>,
        port: u16,
        inside: &Inside,
    ) -> Result<SocketAddr, TargetError> {
        if let Some(at) = self.servers.get(&Port(port)) {
            return Ok(*at);
        }
        let address = match to {
            Some(to) => {
                let address: Result<IpAddr, _> = to.parse();
                address.map_err(|_| TargetError::Site(format!("`{to}` is no address")))?
            }
            None => inside.way_out.last_caller().ok_or_else(|| {
                TargetError::Site("the board has shown no address yet; say `to:`".to_owned())
            })?,
        };
        Ok(SocketAddr::new(address, port))
    }
}

impl Drop for BenchSite {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It ends within a look; if it has panicked, that was told.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A thread that panicked has left a network that is of no use, but no worse.
fn lock(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Inside {
    fn now(&self) -> Instant {
        let nanos = self.start.elapsed().as_nanos();
        Instant::ZERO + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Connections to this port of the stand-in lead to the board.
    fn lead_to_board(&mut self, at: SocketAddr, stand_in: Ipv4Addr, port: u16) {
        let to = Destination { host: at.ip().to_string(), port: at.port() };
        self.way_out.lead(SocketAddrV4::new(stand_in, port).into(), to);
        let now = self.now();
        // Fails for port 0 only, at which nobody is asked.
        let _ = self.network.order(NetOrder::Listen { host: STAND_IN.to_owned(), port }, now);
    }

    fn work(&mut self) {
        let now = self.now();
        self.network.poll(now);
        self.hear();
        let told = self.way_out.exchange(&mut self.network, None, now);
        self.datagrams.exchange(&mut self.network, now);
        let moment = WallInstant::now();
        self.told.extend(told.into_iter().map(|line| (moment, SiteEvent::Log(line))));
        self.hear();
        // Nobody is on the air here.
        while self.network.take_frame().is_some() {}
    }

    fn hear(&mut self) {
        while let Some(event) = self.network.take_event() {
            self.way_out.hear(&event.kind);
            self.datagrams.hear(&event.kind);
            let moment = self.start + WallTime::from_nanos(event.at.since_zero().as_nanos());
            self.told.extend(
                self.hosts
                    .told(&event, &Stations::default())
                    .into_iter()
                    .map(|event| (moment, event)),
            );
        }
    }
}
