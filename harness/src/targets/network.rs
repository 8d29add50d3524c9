//! The network of a scenario, as a target makes it: its hosts, told what the scenario orders, and what
//! they tell.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use esp32_emulator::net::{
    self, Author, DhcpConfig, File, HostConfig, HttpFrame as Frame, Mac, MobileConfig, MqttEvent,
    NetEvent, NetEventKind, Network, NetworkConfig, Order as NetOrder, Request as NetRequest,
    Response as NetResponse, Service, Start,
};
use esp32_emulator::time::{Duration, Instant};

use super::TargetError;
use super::tls::Tls;
use super::way_out::address_of_name;
use crate::authority::{Authority, Flaw};
use crate::site::{
    Asked, Destination, Dhcp, DnsAnswer, Folders, Host, HttpFrame, Line, Manner, Message, Mqtt,
    MqttTls, Order, Publication, Response, Script, Site, SiteEvent, TalkEvent, Transport, Wire,
    WireFaults,
};
use crate::time::{DeviceTime, Span};

/// How hosts are called in what is told.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    names: BTreeMap<IpAddr, String>,
    /// Web servers, by host and port; of each host those without TLS first.
    servers: Vec<(String, u16)>,
    /// Who has an MQTT broker.
    brokers: Vec<String>,
}

/// The addresses that stations have in the board's own network, and those of the board there.
#[derive(Debug, Clone, Default)]
pub(super) struct Stations(BTreeMap<String, (Ipv4Addr, Option<Ipv4Addr>)>);

impl Stations {
    /// Looks at what has happened.
    pub(super) fn follow(&mut self, event: &NetEventKind) {
        match event {
            NetEventKind::Configured { host, address: (address, _), server } => {
                self.0.insert(host.clone(), (*address, *server));
            }
            NetEventKind::Deconfigured { host } => {
                self.0.remove(host);
            }
            _ => {}
        }
    }

    /// Where a station finds the board: at the address from which it has lent it its own.
    pub(super) fn board_of(&self, station: &str) -> Option<Ipv4Addr> {
        self.0.get(station)?.1
    }

    /// The station that has an address.
    fn named(&self, address: IpAddr) -> Option<&str> {
        let is_it = |(_, (own, _)): &(&String, &(Ipv4Addr, Option<Ipv4Addr>))| *own == address;
        self.0.iter().find(is_it).map(|(name, _)| name.as_str())
    }
}

impl Hosts {
    /// The hosts of a site, and its gateway.
    pub(super) fn of_site(site: &Site) -> Self {
        let brokers = site.hosts.iter().filter(|host| host.mqtt.is_some());
        let brokers = brokers.map(|host| host.name.clone()).collect();
        let mut hosts = Self { names: BTreeMap::new(), servers: Vec::new(), brokers };
        hosts.names.insert(site.network.gateway.into(), "gateway".to_owned());
        for host in &site.hosts {
            hosts.names.insert(host.address.into(), host.name.clone());
            hosts.servers.extend(host.web_servers().map(|http| (host.name.clone(), http.port)));
        }
        hosts
    }
}

/// The network of a site, and where connections lead that leave it. `bound` are addresses that hosts have
/// besides, by their names: certificates vouch for them, too.
///
/// # Errors
/// A certificate or a server with TLS cannot be made.
pub(super) fn config(
    site: &Site,
    folders: &Folders,
    seed: u64,
    bound: &BTreeMap<String, Ipv4Addr>,
) -> Result<(NetworkConfig, BTreeMap<SocketAddr, Destination>), TargetError> {
    let authority = site.has_tls().then(|| Authority::new(seed, site.network.date));
    let authority = authority.transpose().map_err(|error| cannot(&error))?;
    let security = |host: &Host, flaw: Flaw| -> Result<net::Security, TargetError> {
        let bound = bound.get(&host.name).filter(|bound| **bound != host.address);
        let addresses: Vec<_> = std::iter::once(host.address).chain(bound.copied()).collect();
        // There is one, or no server would be secured.
        let authority = authority.as_ref().ok_or(TargetError::Cannot("secure a server"))?;
        let identity = authority.identity(&host.name, &addresses, flaw);
        let identity = identity.map_err(|error| cannot(&error))?;
        let tls = Tls::new(&host.name, identity, seed, site.network.date);
        Ok(net::Security(Arc::new(tls.map_err(|error| cannot(&error))?)))
    };
    let https = |host: &Host| -> Result<Option<Service>, TargetError> {
        let Some(https) = &host.https else { return Ok(None) };
        let files = files(https.http.folder.as_ref().and_then(|it| folders.get(&it.text)));
        let security = security(host, https.flaw)?;
        Ok(Some(Service::Https { port: https.http.port, files, security }))
    };
    let mqtt = |host: &Host| -> Result<Option<Service>, TargetError> {
        let Some(Mqtt { port, tls, users }) = &host.mqtt else { return Ok(None) };
        let secured = |tls: &MqttTls| Ok::<_, TargetError>((tls.port, security(host, tls.flaw)?));
        let secured = tls.as_ref().map(secured).transpose()?;
        Ok(Some(Service::Mqtt { port: *port, secured, users: users.clone() }))
    };
    let services = |host: &Host| -> Result<Vec<Service>, TargetError> {
        let http = host.http.iter().map(|http| Service::Http {
            port: http.port,
            files: files(http.folder.as_ref().and_then(|folder| folders.get(&folder.text))),
        });
        let tcp = host.tcp_echo.iter().map(|port| Service::TcpEcho(*port));
        let udp = host.udp_echo.iter().map(|port| Service::UdpEcho(*port));
        let flows = host.forward.keys().map(|port| Service::Flow(*port));
        let scripts = host.scripts.iter().map(script);
        let ntp = host.ntp.then_some(Service::Ntp);
        let (https, mqtt) = (https(host)?, mqtt(host)?);
        Ok(http
            .chain(https)
            .chain(mqtt)
            .chain(tcp)
            .chain(udp)
            .chain(flows)
            .chain(scripts)
            .chain(ntp)
            .collect())
    };
    let hosts = site.hosts.iter().map(|host| {
        let services = services(host)?;
        Ok(HostConfig { name: host.name.clone(), address: host.address, services })
    });
    let hosts = hosts.collect::<Result<Vec<_>, TargetError>>()?;
    let Outside { named, outside, leads } = outside(site);
    let config = NetworkConfig {
        seed,
        date: site.network.date,
        gateway: site.network.gateway,
        prefix: site.network.prefix,
        dhcp: dhcp(site),
        names: named,
        hosts,
        mobiles: site.stations.iter().map(mobile).collect(),
        outside,
        ..NetworkConfig::default()
    };
    Ok((config, leads))
}

fn cannot(error: &dyn std::error::Error) -> TargetError {
    TargetError::CannotOpen(error.to_string())
}

fn mobile(station: &crate::site::Station) -> MobileConfig {
    MobileConfig { name: station.name.clone(), mac: Mac(station.mac), address: station.address }
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

fn script(script: &Script) -> Service {
    let line = |line: &Line| match line {
        Line::Hear(bytes) => net::Line::Hear(Arc::from(&bytes[..])),
        Line::Say(bytes) => net::Line::Say(Arc::from(&bytes[..])),
        Line::Pause(span) => net::Line::Pause(Duration::from_nanos(span.nanos())),
        Line::Close => net::Line::Close,
        Line::Reset => net::Line::Reset,
    };
    let lines = script.lines.iter().map(line).collect();
    match script.transport {
        Transport::Tcp => Service::TcpScript(script.port, lines),
        Transport::Udp => Service::UdpScript(script.port, lines),
    }
}

/// Addresses to lend: 49 where there is room, and no host's.
fn dhcp(site: &Site) -> DhcpConfig {
    let rest = u32::MAX >> site.network.prefix;
    let base = site.network.gateway.to_bits() & !rest;
    let taken = |bits: &u32| {
        site.network.gateway.to_bits() == *bits
            || site.hosts.iter().any(|host| host.address.to_bits() == *bits)
    };
    let start = if rest > 100 { site.network.lends_from } else { 1 };
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

impl Hosts {
    /// The address that the board has, if this tells: it is lent one, or asks from one.
    pub(super) fn board_address(
        &self,
        event: &NetEventKind,
        stations: &Stations,
    ) -> Option<Ipv4Addr> {
        let (NetEventKind::Asked { by: from, .. } | NetEventKind::Opened { from, .. }) = event
        else {
            let NetEventKind::Leased { address, .. } = event else { return None };
            return Some(*address);
        };
        match from.ip() {
            _ if stations.named(from.ip()).is_some() => None,
            IpAddr::V4(address) if !self.names.contains_key(&from.ip()) => Some(address),
            _ => None,
        }
    }

    /// A host, with the port of its web server if it is that, a station, or the board.
    fn of(&self, end: SocketAddr, stations: &Stations) -> String {
        match self.names.get(&end.ip()) {
            // Other ports are any that were free.
            Some(host) if self.servers.iter().any(|it| *it == (host.clone(), end.port())) => {
                format!("{host}:{}", end.port())
            }
            Some(host) => host.clone(),
            None => stations.named(end.ip()).unwrap_or("board").to_owned(),
        }
    }

    /// Gives an order that is for the network; `board` is the address that the board was seen to have
    /// last.
    pub(super) fn order(
        &self,
        network: &mut Network,
        order: Order,
        board: Option<Ipv4Addr>,
        now: Instant,
    ) -> Result<(), TargetError> {
        match order {
            Order::Respond { host, port, path, response, times } => {
                let is_it = |(name, at): &&(String, u16)| {
                    *name == host && port.is_none_or(|port| port == *at)
                };
                let port = self.servers.iter().find(is_it).map(|(_, port)| *port);
                let port =
                    port.ok_or_else(|| TargetError::Site(format!("`{host}` has no web server")))?;
                let response = response_of(response);
                let order = NetOrder::Respond { host, port, path, response, times };
                network.order(order, now).map_err(|error| refused(&error))
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
                network.order(order, now).map_err(|error| refused(&error))
            }
            Order::Publish(publication) => {
                let Publication { host, topic, payload, qos, retain } = publication;
                let host = host.or_else(|| self.brokers.first().cloned());
                let host =
                    host.ok_or_else(|| TargetError::Site("no host has a broker".to_owned()))?;
                let qos = match qos {
                    0 => net::Qos::AtMostOnce,
                    1 => net::Qos::AtLeastOnce,
                    _ => net::Qos::ExactlyOnce,
                };
                let message = net::Message { topic: topic.into(), payload, qos, retain };
                let order = NetOrder::Publish { host, message };
                network.order(order, now).map_err(|error| refused(&error))
            }
            Order::Wire(wire) => {
                let link = match wire {
                    Wire::Works(faults) => {
                        let order = NetOrder::Faults(faults_of(faults));
                        network.order(order, now).map_err(|error| refused(&error))?;
                        net::Link::Up
                    }
                    Wire::Unplugged => net::Link::Down,
                };
                network.order(NetOrder::Link(link), now).map_err(|error| refused(&error))
            }
            Order::Dhcp(dhcp) => {
                let dhcp = match dhcp {
                    Dhcp::Answers => net::Dhcp::Answers,
                    Dhcp::Silent => net::Dhcp::Silent,
                };
                network.order(NetOrder::Dhcp(dhcp), now).map_err(|error| refused(&error))
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
                network.order(order, now).map_err(|error| refused(&error))
            }
            Order::Station { name, .. } => {
                Err(TargetError::Site(format!("`{name}` is no part of the network")))
            }
            Order::AccessPoint { ssid, .. } => {
                Err(TargetError::Site(format!("`{ssid}` is no part of the network")))
            }
        }
    }

    /// What is told of something that has happened on the network.
    pub(super) fn told(&self, event: &NetEvent, stations: &Stations) -> Vec<SiteEvent> {
        let frame = match &event.kind {
            // What passes through a connection to the real world would drown the rest.
            NetEventKind::FlowBytes { .. }
            | NetEventKind::Datagram { .. }
            | NetEventKind::FlowSent { .. }
            | NetEventKind::FlowFinished { .. } => return Vec::new(),
            NetEventKind::HttpRequest(frame) | NetEventKind::HttpResponse(frame) => {
                Some(SiteEvent::Http(Arc::new(self.frame(frame, stations))))
            }
            NetEventKind::Answered { result, .. } => {
                let frame = |frame: &Arc<Frame>| Arc::new(self.frame(frame, stations));
                let result = result.as_ref().map(frame);
                Some(SiteEvent::Answered(result.map_err(ToString::to_string)))
            }
            NetEventKind::Configured { host, address: (address, _), .. } => {
                Some(SiteEvent::Station { name: host.clone(), address: Some(*address) })
            }
            NetEventKind::Deconfigured { host } => {
                Some(SiteEvent::Station { name: host.clone(), address: None })
            }
            NetEventKind::Mqtt { host, event: MqttEvent::Published { author, message } } => {
                message_of(host, author, message).map(|it| SiteEvent::Message(Arc::new(it)))
            }
            NetEventKind::TalkBegun { talk, host, own, .. } => {
                let event = TalkEvent::Begun { host: host.clone(), port: own.port() };
                Some(SiteEvent::Talk { talk: *talk, event })
            }
            NetEventKind::TalkHeard { talk, bytes } => {
                let event = TalkEvent::Heard(bytes.clone());
                Some(SiteEvent::Talk { talk: *talk, event })
            }
            NetEventKind::TalkEnded { talk, whole } => {
                let event = TalkEvent::Ended { whole: *whole };
                Some(SiteEvent::Talk { talk: *talk, event })
            }
            _ => None,
        };
        std::iter::once(SiteEvent::Log(event.kind.to_string())).chain(frame).collect()
    }

    fn frame(&self, frame: &Frame, stations: &Stations) -> HttpFrame {
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
            from: self.of(frame.from, stations),
            to: self.of(frame.to, stations),
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

/// A message, if a client has published it.
fn message_of(host: &str, author: &Author, message: &net::Message) -> Option<Message> {
    let (client, is_will) = match author {
        Author::Client(client) => (client, false),
        Author::Will(client) => (client, true),
        Author::Host => return None,
    };
    Some(Message {
        host: host.to_owned(),
        client: client.to_string(),
        is_will,
        topic: message.topic.to_string(),
        payload: message.payload.to_vec(),
        text: std::str::from_utf8(&message.payload).ok().map(str::to_owned),
        size: message.payload.len(),
        qos: message.qos.level(),
        retain: message.retain,
    })
}

fn refused(error: &dyn std::error::Error) -> TargetError {
    TargetError::Site(error.to_string())
}

/// Rounds down: an event is never later than it was.
fn device_time(instant: Instant) -> DeviceTime {
    DeviceTime::from_nanos(instant.since_zero().as_nanos())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Network;
    use crate::wokwi::guest_network;

    #[test]
    fn addresses_are_lent_from_where_the_network_says() {
        let mut site = guest_network();
        assert_eq!(dhcp(&site).first, Ipv4Addr::new(10, 10, 0, 2));
        site.network = Network::default();
        assert_eq!(dhcp(&site).first, Ipv4Addr::new(192, 168, 0, 50));
        site.network.prefix = 29;
        let DhcpConfig { first, last, .. } = dhcp(&site);
        assert_eq!([first, last].map(|it| it.octets()[3]), [2, 6]);
    }
}
