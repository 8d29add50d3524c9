//! What is around an emulated board: made from the scenario's description, told what the scenario
//! orders, and asked what has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use esp32_emulator::board;
use esp32_emulator::net::{
    self, DhcpConfig, File, HostConfig, HttpFrame as Frame, NetEvent, NetEventKind, Network,
    NetworkConfig, Order as NetOrder, Request as NetRequest, Response as NetResponse, Service,
    Start,
};
use esp32_emulator::radio::{
    AccessPointConfig, Air, ApId, ChannelMove, Farewell, MacAddress, Misbehaviour as Wrong, Reason,
    Security as Protection, Status, Visibility, Whom,
};
use esp32_emulator::time::{Duration, Instant};

use super::device_time;
use super::way_out::{WayOut, address_of_name};
use crate::site::{
    Asked, Change, Destination, Dhcp, DnsAnswer, Folders, HttpFrame, Manner, Misbehaviour, Order,
    Response, Security, Site, SiteEvent, Wire, WireFaults,
};
use crate::targets::{TargetError, TargetEvent};
use crate::time::Span;

/// How hosts are called in what is told, and which access points there are.
#[derive(Debug, Clone)]
pub(super) struct Names {
    hosts: BTreeMap<IpAddr, String>,
    /// Ports of web servers, by host.
    servers: BTreeMap<String, u16>,
    access_points: Vec<(String, [u8; 6], ApId)>,
}

/// The site of a board, what things are called in it, and what leads out of it.
pub(super) fn made(
    site: &Site,
    folders: &Folders,
    seed: u64,
) -> Result<(board::Site, Names, WayOut), TargetError> {
    let mut air = Air::new(seed);
    let mut names =
        Names { hosts: BTreeMap::new(), servers: BTreeMap::new(), access_points: Vec::new() };
    for it in &site.air {
        let config = AccessPointConfig {
            ssid: it.ssid.clone().into_bytes(),
            bssid: MacAddress(it.bssid),
            channel: it.channel,
            signal_dbm: it.signal,
            security: match &it.security {
                Security::Open => Protection::Open,
                Security::Wpa2 { password } => Protection::Wpa2Psk { passphrase: password.clone() },
                Security::Wpa3 => Protection::Wpa3Sae,
            },
            visibility: if it.hidden { Visibility::Hidden } else { Visibility::Visible },
        };
        let id = air.add(config, Instant::ZERO).map_err(|error| cannot(&error))?;
        names.access_points.push((it.ssid.clone(), it.bssid, id));
    }
    let gateway = site.network.gateway;
    names.hosts.insert(gateway.into(), "gateway".to_owned());
    for host in &site.hosts {
        names.hosts.insert(host.address.into(), host.name.clone());
        names.servers.extend(host.http.as_ref().map(|http| (host.name.clone(), http.port)));
    }
    let services = |host: &crate::site::Host| {
        let http = host.http.iter().map(|http| Service::Http {
            port: http.port,
            files: files(http.folder.as_ref().and_then(|folder| folders.get(folder))),
        });
        let tcp = host.tcp_echo.iter().map(|port| Service::TcpEcho(*port));
        let udp = host.udp_echo.iter().map(|port| Service::UdpEcho(*port));
        let flows = host.forward.keys().map(|port| Service::Flow(*port));
        http.chain(tcp).chain(udp).chain(host.ntp.then_some(Service::Ntp)).chain(flows).collect()
    };
    let hosts = site.hosts.iter().map(|host| HostConfig {
        name: host.name.clone(),
        address: host.address,
        services: services(host),
    });
    let hosts: Vec<_> = hosts.collect();
    let Outside { named, outside, leads } = outside(site);
    let network = NetworkConfig {
        seed,
        date: site.network.date,
        gateway,
        prefix: site.network.prefix,
        dhcp: dhcp(site),
        names: named,
        hosts,
        outside,
        stand_in: None,
    };
    let network = Network::new(network).map_err(|error| cannot(&error))?;
    Ok((board::Site::new(air, network), names, WayOut::new(leads)))
}

/// What is beyond the network.
struct Outside {
    /// Names and the addresses that the board is given for them.
    named: BTreeMap<String, Ipv4Addr>,
    /// What the gateway lets through.
    outside: BTreeSet<SocketAddrV4>,
    /// Where connections to these, and to forwarded ports of hosts, lead.
    leads: BTreeMap<SocketAddr, Destination>,
}

fn outside(site: &Site) -> Outside {
    let (mut named, mut outside) = (site.network.names.clone(), BTreeSet::new());
    let forwards = site.hosts.iter().flat_map(|host| {
        let forward = |(port, to): (&u16, &Destination)| {
            (SocketAddrV4::new(host.address, *port).into(), to.clone())
        };
        host.forward.iter().map(forward)
    });
    let mut leads: BTreeMap<SocketAddr, Destination> = forwards.collect();
    for to in &site.internet {
        let address = to.host.parse().unwrap_or_else(|_| {
            let next = address_of_name(named.len() - site.network.names.len());
            *named.entry(to.host.to_ascii_lowercase()).or_insert(next)
        });
        let address = SocketAddrV4::new(address, to.port);
        outside.insert(address);
        leads.insert(address.into(), to.clone());
    }
    Outside { named, outside, leads }
}

fn cannot(error: &dyn std::error::Error) -> TargetError {
    TargetError::CannotOpen(error.to_string())
}

/// Addresses to lend: from 50 above the network's own on where there is room, and no host's.
fn dhcp(site: &Site) -> DhcpConfig {
    let rest = u32::MAX >> site.network.prefix;
    let base = site.network.gateway.to_bits() & !rest;
    let taken = |bits: &u32| {
        site.network.gateway.to_bits() == *bits
            || site.hosts.iter().any(|host| host.address.to_bits() == *bits)
    };
    let start = if rest > 100 { 50 } else { 1 };
    let mut free = (start..rest).map(|n| base + n).skip_while(taken);
    let first = free.next().unwrap_or(base + 1);
    let last = free.take_while(|bits| !taken(bits)).take(49).last().unwrap_or(first);
    DhcpConfig { first: first.into(), last: last.into(), ..NetworkConfig::default().dhcp }
}

fn files(files: Option<&BTreeMap<String, Arc<[u8]>>>) -> BTreeMap<String, File> {
    let files = files.into_iter().flatten();
    let file = |(path, bytes): (&String, &Arc<[u8]>)| {
        let content_type = content_type(path).to_owned();
        (format!("/{path}"), File { content_type, bytes: bytes.clone() })
    };
    files.map(file).collect()
}

/// As Python's `http.server` guesses it, for what boards are served with.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" | "htm" => "text/html",
        "txt" => "text/plain",
        "css" => "text/css",
        "js" => "text/javascript",
        "json" => "application/json",
        "py" => "text/x-python",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gz" => "application/gzip",
        _ => "application/octet-stream",
    }
}

impl Names {
    /// The address that the board has, if this tells: it is lent one, or asks from one.
    pub(super) fn board_address(&self, event: &NetEventKind) -> Option<Ipv4Addr> {
        let (NetEventKind::Asked { by: from, .. } | NetEventKind::Opened { from, .. }) = event
        else {
            let NetEventKind::Leased { address, .. } = event else { return None };
            return Some(*address);
        };
        match from.ip() {
            IpAddr::V4(address) if !self.hosts.contains_key(&from.ip()) => Some(address),
            _ => None,
        }
    }

    /// A host, with the port of its web server if it is that, or the board.
    fn of(&self, end: SocketAddr) -> String {
        match self.hosts.get(&end.ip()) {
            // Other ports are any that were free.
            Some(host) if self.servers.get(host) == Some(&end.port()) => {
                format!("{host}:{}", end.port())
            }
            Some(host) => host.clone(),
            None => "board".to_owned(),
        }
    }

    /// Gives an order; `board` is the address that the board was seen to have last.
    pub(super) fn order(
        &self,
        site: &mut board::Site,
        order: Order,
        board: Option<Ipv4Addr>,
        now: Instant,
    ) -> Result<(), TargetError> {
        match order {
            Order::AccessPoint { ssid, bssid, change } => {
                let is_it = |(name, address, _): &&(String, [u8; 6], ApId)| {
                    *name == ssid && bssid.is_none_or(|bssid| bssid == *address)
                };
                let meant: Vec<_> = self.access_points.iter().filter(is_it).collect();
                if meant.is_empty() {
                    return Err(TargetError::Site(format!(
                        "no access point `{ssid}` has that address"
                    )));
                }
                meant
                    .into_iter()
                    .try_for_each(|(.., id)| change_of(&mut site.air, *id, &change, now))
            }
            Order::Respond { host, path, response, times } => {
                let port = self.servers.get(&host).copied();
                let port =
                    port.ok_or_else(|| TargetError::Site(format!("`{host}` has no web server")))?;
                let response = response_of(response);
                let order = NetOrder::Respond { host, port, path, response, times };
                site.network.order(order, now).map_err(|error| refused(&error))
            }
            Order::Request(request) => {
                let to = match &request.to {
                    Some(to) => to.parse().ok(),
                    None => board,
                };
                let to = to.ok_or_else(|| match &request.to {
                    Some(to) => TargetError::Site(format!("`{to}` is no address")),
                    None => TargetError::Site(
                        "the board has shown no address yet; say `to:`".to_owned(),
                    ),
                })?;
                let order = NetOrder::Request(NetRequest {
                    id: 0,
                    host: request.host,
                    to: SocketAddrV4::new(to, request.port),
                    method: request.method,
                    target: request.path,
                    headers: Vec::new(),
                    body: request.body,
                    within: Duration::from_nanos(request.within.nanos()),
                });
                site.network.order(order, now).map_err(|error| refused(&error))
            }
            Order::Wire(wire) => {
                let link = match wire {
                    Wire::Works(faults) => {
                        let order = NetOrder::Faults(faults_of(faults));
                        site.network.order(order, now).map_err(|error| refused(&error))?;
                        net::Link::Up
                    }
                    Wire::Unplugged => net::Link::Down,
                };
                site.network.order(NetOrder::Link(link), now).map_err(|error| refused(&error))
            }
            Order::Dhcp(dhcp) => {
                let dhcp = match dhcp {
                    Dhcp::Answers => net::Dhcp::Answers,
                    Dhcp::Silent => net::Dhcp::Silent,
                };
                site.network.order(NetOrder::Dhcp(dhcp), now).map_err(|error| refused(&error))
            }
            Order::Dns { name, says } => {
                let lie = match says {
                    DnsAnswer::Truth => None,
                    DnsAnswer::Address(address) => Some(net::Lie::Address(address)),
                    DnsAnswer::NoSuchName => Some(net::Lie::NoSuchName),
                    DnsAnswer::Failure => Some(net::Lie::Failure),
                    DnsAnswer::Silence => Some(net::Lie::Silence),
                };
                let order = NetOrder::Dns { name, lie };
                site.network.order(order, now).map_err(|error| refused(&error))
            }
        }
    }

    /// What is told of something that has happened.
    pub(super) fn told(&self, event: board::SiteEvent) -> Vec<TargetEvent> {
        let (time, frame, line) = match &event {
            board::SiteEvent::Air(event) => {
                let line = event.to_string();
                // The line begins with the time, which is told apart.
                let line = line.split_once(' ').map_or(line.clone(), |(_, text)| text.to_owned());
                (device_time(event.at), None, line)
            }
            // What passes through a connection to the real world would drown the rest.
            board::SiteEvent::Net(NetEvent {
                kind:
                    NetEventKind::FlowBytes { .. }
                    | NetEventKind::FlowSent { .. }
                    | NetEventKind::FlowFinished { .. },
                ..
            }) => return Vec::new(),
            board::SiteEvent::Net(event) => {
                let frame = match &event.kind {
                    NetEventKind::HttpRequest(frame) | NetEventKind::HttpResponse(frame) => {
                        Some(SiteEvent::Http(Arc::new(self.frame(frame))))
                    }
                    NetEventKind::Answered { result, .. } => {
                        let result = result.as_ref().map(|frame| Arc::new(self.frame(frame)));
                        Some(SiteEvent::Answered(result.map_err(ToString::to_string)))
                    }
                    _ => None,
                };
                (device_time(event.at), frame, event.kind.to_string())
            }
        };
        let log = std::iter::once(SiteEvent::Log(line));
        log.chain(frame).map(|event| TargetEvent::Site { time, event }).collect()
    }

    fn frame(&self, frame: &Frame) -> HttpFrame {
        let minor = frame.head.minor;
        let (start, request, status) = match &frame.head.start {
            Start::Request { method, target } => {
                let asked = Asked { method: method.clone(), path: target.clone() };
                (format!("{method} {target} HTTP/1.{minor}"), Some(asked), None)
            }
            Start::Response { status, reason } => {
                (format!("HTTP/1.{minor} {status} {reason}"), None, Some(*status))
            }
        };
        let digits = frame.body.sha256().iter().map(|byte| format!("{byte:02x}")).collect();
        HttpFrame {
            connection: frame.connection,
            from: self.of(frame.from),
            to: self.of(frame.to),
            start: start.trim_end().to_owned(),
            request,
            status,
            headers: frame.head.headers.clone(),
            size: frame.body.size,
            body: frame.body.bytes.clone(),
            sha256: digits,
            first: device_time(frame.first_byte),
            last: device_time(frame.last_byte),
            complete: frame.complete,
        }
    }
}

fn refused(error: &dyn std::error::Error) -> TargetError {
    TargetError::Site(error.to_string())
}

fn change_of(air: &mut Air, id: ApId, change: &Change, now: Instant) -> Result<(), TargetError> {
    let changed = match change {
        Change::Power(true) => air.power_up(id, now),
        Change::Power(false) => air.power_down(id, now),
        Change::Kick(reason) => {
            air.kick(id, Whom::All, Farewell::Deauthenticate, Reason(*reason), now).map(drop)
        }
        Change::Signal(dbm) => air.set_signal(id, *dbm, now),
        Change::Password(password) => air.set_passphrase(id, password, now),
        Change::Channel(channel) => air.move_to_channel(id, *channel, ChannelMove::Silent, now),
        Change::Misbehave(wrong) => air.misbehave(id, wrong_of(*wrong), now),
    };
    changed.map_err(|error| refused(&error))
}

fn faults_of(faults: WireFaults) -> net::Faults {
    let duration = |span: Span| Duration::from_nanos(span.nanos());
    let permille = |parts: u32| (parts / 1_000) as u16;
    net::Faults {
        loss: permille(faults.loss),
        duplicated: permille(faults.duplicated),
        reordered: permille(faults.reordered),
        delay: duration(faults.delay),
        jitter: duration(faults.jitter),
        mtu: faults.mtu.map(usize::from),
    }
}

fn wrong_of(wrong: Misbehaviour) -> Option<Wrong> {
    Some(match wrong {
        Misbehaviour::None => return None,
        Misbehaviour::Deaf => Wrong::Deaf,
        Misbehaviour::NoAuthentication => Wrong::NoAuthenticationResponse,
        Misbehaviour::RefuseAuthentication => Wrong::AuthenticationStatus(Status(1)),
        Misbehaviour::NoAssociation => Wrong::NoAssociationResponse,
        Misbehaviour::RefuseAssociation => Wrong::AssociationStatus(Status(17)),
        Misbehaviour::NoMessage1 => Wrong::NoMessage1,
        Misbehaviour::NoMessage3 => Wrong::NoMessage3,
    })
}

fn response_of(response: Response) -> NetResponse {
    let Response { status, headers, body, delay, manner } = response;
    let duration = |span: Span| Duration::from_nanos(span.nanos());
    NetResponse {
        status,
        reason: None,
        headers,
        body,
        delay: duration(delay),
        manner: match manner {
            Manner::Whole => net::Manner::Whole,
            Manner::Truncated(bytes) => net::Manner::Truncated(bytes as usize),
            Manner::Reset(bytes) => net::Manner::Reset(bytes as usize),
            Manner::Drip(bytes, every) => {
                net::Manner::Drip { bytes: bytes as usize, every: duration(every) }
            }
            Manner::Silence => net::Manner::Silence,
        },
    }
}
