//! The keys `air`, `stations`, `network`, `hosts` and `internet` of a scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::decode::{Decode, Decoder, Fields, Hex, UnknownKeys, word};
use super::model::Spanned;
use super::node::{Node, Value};
use super::reference::{Key, Kind};
use super::units;
use crate::authority::Flaw;
use crate::site::{
    AccessPoint, Destination, Host, Http, Https, Line, Network, Script, Security, Site, Station,
    Transport,
};
use crate::time::Span;

/// Most access points, stations and hosts: more are surely a mistake.
const MAX: usize = 64;
const PORT: Kind = Kind::Number(1, 65_535);
/// The port of time servers (RFC 4330).
const NTP: u16 = 123;

/// A server that follows a script.
const SCRIPT: &[Key] = &[
    Key::required("port", PORT, "Its port."),
    Key::required(
        "script",
        Kind::Items(&Kind::Either(&[
            Kind::Words(&["close", "reset"]),
            Kind::Keys(&[
                Key::one_of(
                    "hear",
                    BYTES,
                    "Waits until this has come; what came before it is passed over.",
                ),
                Key::one_of("say", BYTES, "Says this."),
                Key::one_of("pause", Kind::Duration, "Lets time pass."),
            ]),
        ])),
        "What it does, one after the other; behind the last line it listens.",
    ),
];
/// Text, or any bytes.
const BYTES: Kind =
    Kind::Either(&[Kind::Text, Kind::Keys(&[Key::required("hex", Kind::Hex, "The bytes.")])]);

/// `air`.
pub const AIR: Key = Key::optional(
    "air",
    Kind::List(&Kind::Keys(&[
        Key::required("ssid", Kind::Text, "The name of its network, 1 to 32 bytes."),
        Key::optional("password", Kind::Text, "8 to 63 characters, for WPA2."),
        Key::optional(
            "security",
            Kind::Words(&["open", "wpa2", "wpa3"]),
            "How it lets stations in: `wpa2` with a password, else `open`. `wpa3` lets nobody in who cannot do SAE.",
        ),
        Key::or("channel", Kind::Number(1, 14), "1", "Its channel."),
        Key::or("signal", Kind::Signal, "-50dBm", "How strong the board hears it, -95dBm to 0dBm."),
        Key::optional("bssid", Kind::Text, "Its own address, such as `02:62:72:00:00:01`."),
        Key::or("hidden", Kind::Flag, "false", "Its beacons do not say its name."),
    ])),
    "The access points that the board can hear. Without any the air is silent.",
);

/// `stations`.
pub const STATIONS: Key = Key::optional(
    "stations",
    Kind::List(&Kind::Keys(&[
        Key::required("name", Kind::Text, "What steps call it."),
        Key::required("ssid", Kind::Text, "The name of the network that it joins, 1 to 32 bytes."),
        Key::optional(
            "password",
            Kind::Text,
            "8 to 63 characters, for WPA2. Without one it joins only an open network.",
        ),
        Key::or("signal", Kind::Signal, "-50dBm", "How strong the board hears it, -95dBm to 0dBm."),
        Key::optional(
            "address",
            Kind::Text,
            "Its own address and how many bits of it are the network's, such as `192.168.4.7/24`; without, it asks the board for one by DHCP.",
        ),
    ])),
    "Computers that may join a network of the board's own (an access point in software), by the step `station`.",
);

/// `network`.
pub const NETWORK: Key = Key::optional(
    "network",
    Kind::Keys(&[
        Key::or(
            "gateway",
            Kind::Text,
            "192.168.0.1/24",
            "The router's address and how many bits of it are the network's. It lends addresses, answers names with those of hosts, and tells the time (SNTP).",
        ),
        Key::or(
            "date",
            Kind::Text,
            "2026-01-01",
            "What the clocks of router and hosts show when the case begins: a day, or a moment such as `2026-02-03T04:05:06Z`.",
        ),
        Key::optional(
            "names",
            Kind::Named(&Kind::Text),
            "Names that the router answers besides those of hosts, such as `pool.ntp.org`, each with an address, the name of a host, or `gateway`.",
        ),
    ]),
    "The network behind the access points. It has no way out.",
);

/// `hosts`.
pub const HOSTS: Key = Key::optional(
    "hosts",
    Kind::List(&Kind::Keys(&[
        Key::required("name", Kind::Text, "What steps and the network call it."),
        Key::required("address", Kind::Text, "Its address, such as `192.168.0.4`."),
        Key::optional(
            "http",
            Kind::Keys(&[
                Key::or("port", PORT, "80", "Its TCP port."),
                Key::optional(
                    "folder",
                    Kind::Path,
                    "The folder of the project that it serves; without one it answers 404.",
                ),
            ]),
            "Its web server.",
        ),
        Key::optional(
            "https",
            Kind::Keys(&[
                Key::or("port", PORT, "443", "Its TCP port."),
                Key::optional("folder", Kind::Path, "As for `http`."),
                Key::or(
                    "certificate",
                    Kind::Words(&["valid", "expired", "wrong-name", "unknown-authority"]),
                    "valid",
                    "Who has it checked, is refused with all others. The authority's certificate is `{{ca.pem}}`, and in DER as hexadecimal digits `{{ca.hex}}`.",
                ),
            ]),
            "Its web server with TLS (1.2 and 1.3). Keys and certificate follow from seed and date.",
        ),
        Key::optional("tcp-echo", Kind::List(&PORT), "TCP ports that send back what they get."),
        Key::optional("udp-echo", Kind::List(&PORT), "UDP ports that do."),
        Key::optional(
            "tcp",
            Kind::List(&Kind::Keys(SCRIPT)),
            "TCP servers that follow a script with each connection.",
        ),
        Key::optional(
            "udp",
            Kind::List(&Kind::Keys(SCRIPT)),
            "UDP servers that do so with each address and port from which datagrams come; each `say` is a datagram.",
        ),
        Key::or("ntp", Kind::Flag, "false", "It tells the time (SNTP), as the router does."),
        Key::optional(
            "forward",
            Kind::List(&Kind::Keys(&[
                Key::required("port", PORT, "The host's TCP port."),
                Key::required("to", Kind::Text, "Where it leads, such as `127.0.0.1:8000`."),
            ])),
            "TCP ports behind which there is a server of the real world. What connects there runs at wall time.",
        ),
    ])),
    "The computers on the network.",
);

/// `internet`.
pub const INTERNET: Key = Key::optional(
    "internet",
    Kind::List(&Kind::Keys(&[
        Key::required(
            "host",
            Kind::Text,
            "A name, which must lead to a public address; or an address.",
        ),
        Key::or("port", PORT, "443", "Its TCP port."),
    ])),
    "What the board reaches in the real world, through this computer; nothing else. What connects there runs at wall time.",
);

/// The keys of a scenario that say what is around its boards.
pub(super) const KEYS: [&str; 5] =
    [AIR.name, STATIONS.name, NETWORK.name, HOSTS.name, INTERNET.name];

/// The site, if the scenario has one.
pub(super) fn read(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Option<Site>> {
    let air = fields.node("air");
    let stations = fields.node("stations");
    let network = fields.node("network");
    let hosts = fields.node("hosts");
    let internet = fields.node("internet");
    let access_points = air.map(|node| access_points(node, decoder));
    let joining = stations.map(|node| read_stations(node, decoder));
    let described = match network {
        None => Some((Network::default(), None)),
        Some(node) => read_network(node, decoder),
    };
    let (described, named) = described.unzip();
    let network_names = named.flatten();
    let computers = hosts.map(|node| read_hosts(node, described.as_ref(), decoder));
    let destinations = internet.map(|node| read_internet(node, described.as_ref(), decoder));
    if let (None, Some(node)) = (air, network.or(hosts).or(internet)) {
        let message = "a network without an access point reaches no board".to_owned();
        return decoder.bad(node.span.clone(), message);
    }
    if air.is_none() && stations.is_none() {
        return Some(None);
    }
    let mut network = described?;
    let hosts = computers.unwrap_or(Some(Vec::new()))?;
    let joining = joining.unwrap_or(Some(Vec::new()))?;
    let destinations = destinations.unwrap_or(Some(Vec::new()))?;
    network.names = names(network_names, &network, &hosts, decoder)?;
    let is_here = |it: &&Destination| {
        let is_it = |name: &str| name.eq_ignore_ascii_case(&it.host);
        network.names.keys().any(|name| is_it(name)) || hosts.iter().any(|host| is_it(&host.name))
    };
    if let (Some(node), Some(twice)) = (internet, destinations.iter().find(is_here)) {
        let message = format!("`{}` is a name of the network itself", twice.host);
        return decoder.bad(node.span.clone(), message);
    }
    let called = hosts.iter().map(|it| &it.name).chain(joining.iter().map(|it| &it.name));
    if let (Some(node), Some(name)) = (stations, twice(called.map(|it| it.to_ascii_lowercase()))) {
        let message = format!("two hosts or stations are called `{name}`");
        return decoder.bad(node.span.clone(), message);
    }
    let air = access_points.unwrap_or(Some(Vec::new()))?;
    Some(Some(Site { air, stations: joining, network, hosts, internet: destinations }))
}

/// The items of a list, or a mapping standing for a list of one.
fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn few<'n>(node: &'n Node, what: &str, decoder: &mut Decoder) -> Option<&'n [Node]> {
    let items = items(node);
    if items.len() > MAX {
        return decoder.bad(node.span.clone(), format!("more than {MAX} {what}"));
    }
    Some(items)
}

fn access_points(node: &Node, decoder: &mut Decoder) -> Option<Vec<AccessPoint>> {
    let items = few(node, "access points", decoder)?;
    if items.is_empty() {
        return decoder.wrong(node, "at least one access point");
    }
    let read = items.iter().enumerate().map(|(n, item)| access_point(item, n as u8, decoder));
    let read: Vec<Option<AccessPoint>> = read.collect();
    let mut seen = BTreeSet::new();
    for (item, access_point) in items.iter().zip(&read) {
        if let Some(AccessPoint { bssid, .. }) = access_point
            && !seen.insert(*bssid)
        {
            let message = "two access points have this address".to_owned();
            return decoder.bad(item.span.clone(), message);
        }
    }
    read.into_iter().collect()
}

fn access_point(node: &Node, n: u8, decoder: &mut Decoder) -> Option<AccessPoint> {
    let mut fields = Fields::new(node, "an access point", decoder)?;
    let ssid = fields.required::<Spanned>("ssid", decoder).and_then(|it| check_ssid(it, decoder));
    let password = fields.optional::<Spanned>("password", decoder);
    let security = match fields.node("security") {
        None => Some(None),
        Some(node) => {
            let words =
                [("open", Kindness::Open), ("wpa2", Kindness::Wpa2), ("wpa3", Kindness::Wpa3)];
            word(node, decoder, "a way to let stations in", &words).map(Some)
        }
    };
    let channel = match fields.node("channel") {
        None => Some(1),
        Some(node) => match node.as_integer() {
            Some(channel @ 1..=14) => Some(channel as u8),
            _ => decoder.wrong(node, "a channel from 1 to 14"),
        },
    };
    let signal = signal(&mut fields, decoder);
    let bssid = match fields.node("bssid") {
        // Locally administered.
        None => Some([0x02, 0x62, 0x72, 0, 0, n + 1]),
        Some(node) => self::bssid(node, decoder),
    };
    let hidden = fields.or("hidden", false, decoder);
    let span = fields.span();
    fields.finish(UnknownKeys::Deny, decoder);
    let security = protection(security?, password?, span, decoder);
    Some(AccessPoint {
        ssid: ssid?,
        security: security?,
        channel: channel?,
        signal: signal?,
        bssid: bssid?,
        hidden: hidden?,
    })
}

fn read_stations(node: &Node, decoder: &mut Decoder) -> Option<Vec<Station>> {
    let items = few(node, "stations", decoder)?;
    let read = items.iter().enumerate().map(|(n, item)| station(item, n as u8, decoder));
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn station(node: &Node, n: u8, decoder: &mut Decoder) -> Option<Station> {
    let mut fields = Fields::new(node, "a station", decoder)?;
    let name = fields.required::<Spanned>("name", decoder).and_then(|it| check_name(it, decoder));
    let ssid = fields.required::<Spanned>("ssid", decoder).and_then(|it| check_ssid(it, decoder));
    let password = match fields.optional::<Spanned>("password", decoder) {
        Some(Some(password)) => check_password(password, decoder).map(Some),
        other => other.map(|_| None),
    };
    let signal = signal(&mut fields, decoder);
    let address = match fields.node("address") {
        None => Some(None),
        Some(node) => address_with_prefix(node, decoder).map(Some),
    };
    fields.finish(UnknownKeys::Deny, decoder);
    Some(Station {
        name: name?,
        ssid: ssid?,
        password: password?,
        signal: signal?,
        // Locally administered, and none of an access point.
        mac: [0x02, 0x62, 0x72, 0, 1, n + 1],
        address: address?,
    })
}

/// The words for [`Security`].
#[derive(Debug, Clone, Copy)]
enum Kindness {
    Open,
    Wpa2,
    Wpa3,
}

fn signal(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<i8> {
    let Some(node) = fields.node("signal") else { return Some(-50) };
    match node.as_text().map(units::signal) {
        Some(Ok(signal)) => Some(signal),
        _ => decoder.wrong(node, "a signal such as -50dBm, from -95dBm to 0dBm"),
    }
}

fn check_password(password: Spanned, decoder: &mut Decoder) -> Option<String> {
    let Spanned { text, span } = password;
    if (8..=63).contains(&text.len()) && text.bytes().all(|b| matches!(b, 32..=126)) {
        return Some(text);
    }
    decoder.bad(span, "a WPA2 password has 8 to 63 characters of ASCII".to_owned())
}

fn protection(
    security: Option<Kindness>,
    password: Option<Spanned>,
    span: Range<usize>,
    decoder: &mut Decoder,
) -> Option<Security> {
    match (security, password) {
        (None | Some(Kindness::Wpa2), Some(password)) => {
            check_password(password, decoder).map(|password| Security::Wpa2 { password })
        }
        (Some(Kindness::Wpa2), None) => decoder.bad(span, "WPA2 needs a `password`".to_owned()),
        (None | Some(Kindness::Open), None) => Some(Security::Open),
        (Some(Kindness::Open), Some(Spanned { span, .. })) => {
            decoder.bad(span, "an open access point has no password".to_owned())
        }
        (Some(Kindness::Wpa3), _) => Some(Security::Wpa3),
    }
}

fn check_ssid(ssid: Spanned, decoder: &mut Decoder) -> Option<String> {
    match ssid.text.len() {
        1..=32 => Some(ssid.text),
        _ => decoder.bad(ssid.span, "an SSID has 1 to 32 bytes".to_owned()),
    }
}

/// The address of an access point.
pub fn bssid(node: &Node, decoder: &mut Decoder) -> Option<[u8; 6]> {
    match node.as_text().and_then(address) {
        Some(bssid) if bssid[0] & 1 == 0 && bssid != [0; 6] => Some(bssid),
        _ => decoder.wrong(node, "the address of one device, such as 02:62:72:00:00:01"),
    }
}

/// Six octets in hexadecimal.
fn address(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

/// The network, and the node of its names, which may be those of hosts.
fn read_network<'n>(node: &'n Node, decoder: &mut Decoder) -> Option<(Network, Option<&'n Node>)> {
    let mut fields = Fields::new(node, "the network", decoder)?;
    let gateway = match fields.node("gateway") {
        None => Some((Network::default().gateway, Network::default().prefix)),
        Some(node) => address_with_prefix(node, decoder),
    };
    let date = match fields.node("date") {
        None => Some(Network::default().date),
        Some(node) => match node.as_text().and_then(seconds) {
            Some(date) => Some(date),
            None => decoder
                .wrong(node, "a date from 1970 to 9999 such as 2026-02-03 or 2026-02-03T04:05:06Z"),
        },
    };
    let names = fields.node("names");
    fields.finish(UnknownKeys::Deny, decoder);
    let ((gateway, prefix), date) = (gateway?, date?);
    Some((Network { gateway, prefix, date, names: BTreeMap::new() }, names))
}

/// Seconds since 1970 of a day's beginning (UTC) or of a moment as RFC 3339 writes it.
fn seconds(text: &str) -> Option<u64> {
    let moment = match text.parse::<Date>() {
        // A moment begins with a day, which alone would be taken of it.
        Ok(day) if text.len() == "2026-02-03".len() => {
            TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?
        }
        _ => text.parse::<Timestamp>().ok()?,
    };
    u64::try_from(moment.as_second()).ok()
}

/// The names of a network, each with the address that it leads to.
fn names(
    node: Option<&Node>,
    network: &Network,
    hosts: &[Host],
    decoder: &mut Decoder,
) -> Option<BTreeMap<String, Ipv4Addr>> {
    let Some(node) = node else { return Some(BTreeMap::new()) };
    let Value::Map(entries) = &node.value else {
        return decoder.wrong(node, "names, each with an address");
    };
    let read: Vec<_> = entries
        .iter()
        .map(|(name, to)| {
            let name = Spanned::decode(name, decoder).and_then(|it| domain_name(it, decoder));
            let text = to.as_text().unwrap_or_default();
            let host = hosts.iter().find(|host| host.name.eq_ignore_ascii_case(text));
            let to = match (text.parse(), host) {
                (Ok(address), _) => Some(address),
                (_, Some(host)) => Some(host.address),
                _ if text == "gateway" => Some(network.gateway),
                _ => decoder.wrong(to, "an address, the name of a host, or `gateway`"),
            };
            Some((name?, to?))
        })
        .collect();
    read.into_iter().collect()
}

/// An address of a computer, and how many bits of it are its network's.
fn address_with_prefix(node: &Node, decoder: &mut Decoder) -> Option<(Ipv4Addr, u8)> {
    let parts = node.as_text().and_then(|text| text.split_once('/'));
    let parsed = parts.and_then(|(address, prefix)| {
        let prefix = prefix.parse().ok().filter(|prefix| (8..=28).contains(prefix))?;
        Some((address.parse::<Ipv4Addr>().ok()?, prefix))
    });
    match parsed.filter(|&(address, prefix)| is_host(address, address, prefix)) {
        Some(parsed) => Some(parsed),
        None => decoder.wrong(node, "an address with 8 to 28 bits, such as 192.168.0.1/24"),
    }
}

/// Whether an address is that of a computer in the network of `gateway`.
fn is_host(address: Ipv4Addr, gateway: Ipv4Addr, prefix: u8) -> bool {
    let rest = u32::MAX >> prefix;
    let (address, gateway) = (address.to_bits(), gateway.to_bits());
    (address ^ gateway) & !rest == 0 && address & rest != 0 && address & rest != rest
}

fn read_hosts(node: &Node, network: Option<&Network>, decoder: &mut Decoder) -> Option<Vec<Host>> {
    let items = few(node, "hosts", decoder)?;
    let read: Vec<_> = items.iter().map(|item| host(item, network, decoder)).collect();
    let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    addresses.extend(network.map(|network| network.gateway));
    for (item, host) in items.iter().zip(&read) {
        let Some(Host { name, address, .. }) = host else { continue };
        if !names.insert(name.to_ascii_lowercase()) {
            return decoder.bad(item.span.clone(), format!("two hosts are called `{name}`"));
        }
        if !addresses.insert(*address) {
            let message = format!("{address} is taken by another host or the gateway");
            return decoder.bad(item.span.clone(), message);
        }
    }
    read.into_iter().collect()
}

fn host(node: &Node, network: Option<&Network>, decoder: &mut Decoder) -> Option<Host> {
    let mut fields = Fields::new(node, "a host", decoder)?;
    let name = fields.required::<Spanned>("name", decoder).and_then(|it| check_name(it, decoder));
    let address = match fields.node("address") {
        None => {
            fields.missing("address");
            None
        }
        Some(node) => match node.as_text().and_then(|text| text.parse::<Ipv4Addr>().ok()) {
            Some(address) if network.is_none_or(|it| is_host(address, it.gateway, it.prefix)) => {
                Some(address)
            }
            Some(address) => {
                decoder.bad(node.span.clone(), format!("{address} is not in the network"))
            }
            None => decoder.wrong(node, "an address such as 192.168.0.4"),
        },
    };
    let http = match fields.node("http") {
        None => Some(None),
        Some(node) => http(node, decoder).map(Some),
    };
    let https = match fields.node("https") {
        None => Some(None),
        Some(node) => https(node, decoder).map(Some),
    };
    let tcp_echo = ports(&mut fields, "tcp-echo", decoder);
    let udp_echo = ports(&mut fields, "udp-echo", decoder);
    let tcp_scripts = scripts(Transport::Tcp, "tcp", &mut fields, decoder);
    let udp_scripts = scripts(Transport::Udp, "udp", &mut fields, decoder);
    let ntp = fields.or("ntp", false, decoder);
    let forward = match fields.node("forward") {
        None => Some(Vec::new()),
        Some(node) => items(node).iter().map(|item| forward(item, decoder)).collect(),
    };
    let span = fields.span();
    fields.finish(UnknownKeys::Deny, decoder);
    let secured = https.iter().flatten().map(|https| https.http.port);
    let web = http.iter().flatten().map(|http| http.port).chain(secured);
    let forwarded = forward.iter().flatten().map(|(port, _)| *port);
    let port = |script: &Script| script.port;
    let tcp = tcp_echo.iter().flatten().copied().chain(web).chain(forwarded);
    let tcp = tcp.chain(tcp_scripts.iter().flatten().map(port));
    let udp = udp_echo.iter().flatten().copied().chain(udp_scripts.iter().flatten().map(port));
    let udp = udp.chain(ntp.filter(|is| *is).map(|_| NTP));
    if let Some(port) = twice(tcp).or_else(|| twice(udp)) {
        return decoder.bad(span, format!("port {port} has two services"));
    }
    Some(Host {
        name: name?,
        address: address?,
        http: http?,
        https: https?,
        tcp_echo: tcp_echo?,
        udp_echo: udp_echo?,
        ntp: ntp?,
        forward: forward?.into_iter().collect(),
        scripts: tcp_scripts?.into_iter().chain(udp_scripts?).collect(),
    })
}

fn forward(node: &Node, decoder: &mut Decoder) -> Option<(u16, Destination)> {
    let mut fields = Fields::new(node, "a forwarded port", decoder)?;
    let from = match fields.node("port") {
        Some(node) => port(node, decoder),
        None => {
            fields.missing("port");
            None
        }
    };
    let to = match fields.node("to") {
        Some(node) => {
            let parts = node.as_text().and_then(|text| text.rsplit_once(':'));
            let destination = parts.and_then(|(host, port)| {
                let port = port.parse().ok().filter(|port| *port > 0)?;
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                is_reachable(&host).then_some(Destination { host, port })
            });
            destination.or_else(|| decoder.wrong(node, "HOST:PORT, such as 127.0.0.1:8000"))
        }
        None => {
            fields.missing("to");
            None
        }
    };
    fields.finish(UnknownKeys::Deny, decoder);
    Some((from?, to?))
}

/// Whether this is an address, or could be a name in the real world.
fn is_reachable(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || is_name(host)
}

fn read_internet(
    node: &Node,
    network: Option<&Network>,
    decoder: &mut Decoder,
) -> Option<Vec<Destination>> {
    let items = few(node, "destinations", decoder)?;
    items.iter().map(|item| destination(item, network, decoder)).collect()
}

fn destination(
    node: &Node,
    network: Option<&Network>,
    decoder: &mut Decoder,
) -> Option<Destination> {
    let mut fields = Fields::new(node, "a destination", decoder)?;
    let host = match fields.node("host") {
        Some(node) => {
            let host = node.as_text().filter(|host| is_reachable(host)).map(str::to_owned);
            let host = host.or_else(|| decoder.wrong(node, "a name or an address"))?;
            let is_beyond = |address: Ipv4Addr| {
                let is_near = network.is_some_and(|it| is_host(address, it.gateway, it.prefix));
                !(is_near || address.is_loopback() || address.is_unspecified())
            };
            match host.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) if is_beyond(address) => Some(host),
                Ok(_) => decoder.bad(
                    node.span.clone(),
                    format!("the board cannot address {host} beyond its network: let a host `forward` a port to it"),
                ),
                Err(_) => Some(host),
            }
        }
        None => {
            fields.missing("host");
            None
        }
    };
    let port = match fields.node("port") {
        None => Some(443),
        Some(node) => port(node, decoder),
    };
    fields.finish(UnknownKeys::Deny, decoder);
    Some(Destination { host: host?, port: port? })
}

fn http(node: &Node, decoder: &mut Decoder) -> Option<Http> {
    let mut fields = Fields::new(node, "a web server", decoder)?;
    let http = web_server(&mut fields, 80, decoder);
    fields.finish(UnknownKeys::Deny, decoder);
    http
}

fn https(node: &Node, decoder: &mut Decoder) -> Option<Https> {
    let mut fields = Fields::new(node, "a web server", decoder)?;
    let http = web_server(&mut fields, 443, decoder);
    let flaw = match fields.node("certificate") {
        None => Some(Flaw::None),
        Some(node) => {
            let words = [
                ("valid", Flaw::None),
                ("expired", Flaw::Expired),
                ("wrong-name", Flaw::WrongName),
                ("unknown-authority", Flaw::UnknownAuthority),
            ];
            word(node, decoder, "a kind of certificate", &words)
        }
    };
    fields.finish(UnknownKeys::Deny, decoder);
    Some(Https { http: http?, flaw: flaw? })
}

fn web_server(fields: &mut Fields<'_>, usual: u16, decoder: &mut Decoder) -> Option<Http> {
    let port = match fields.node("port") {
        None => Some(usual),
        Some(node) => port(node, decoder),
    };
    let folder = fields.optional::<Spanned>("folder", decoder);
    let folder = match folder? {
        None => None,
        Some(folder) => match crate::runner::session::confined(&folder.text) {
            Ok(_) => Some(folder),
            Err(why) => return decoder.bad(folder.span, format!("the path {why}")),
        },
    };
    Some(Http { port: port?, folder })
}

fn scripts(
    transport: Transport,
    key: &'static str,
    fields: &mut Fields<'_>,
    decoder: &mut Decoder,
) -> Option<Vec<Script>> {
    let Some(node) = fields.node(key) else { return Some(Vec::new()) };
    let read = |node: &Node, decoder: &mut Decoder| {
        let mut fields = Fields::new(node, "a server with a script", decoder)?;
        let at = match fields.node("port") {
            Some(node) => port(node, decoder),
            None => {
                fields.missing("port");
                None
            }
        };
        let lines = match fields.node("script") {
            Some(node) => lines(node, transport, decoder),
            None => {
                fields.missing("script");
                None
            }
        };
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Script { transport, port: at?, lines: lines? })
    };
    let scripts: Vec<_> = items(node).iter().map(|item| read(item, decoder)).collect();
    scripts.into_iter().collect()
}

fn lines(node: &Node, transport: Transport, decoder: &mut Decoder) -> Option<Vec<Line>> {
    let Value::List(items) = &node.value else {
        return decoder.wrong(node, "a list of lines");
    };
    if items.is_empty() {
        return decoder.wrong(node, "at least one line");
    }
    let lines: Vec<_> = items.iter().map(|item| line(item, decoder)).collect();
    let lines: Vec<_> = lines.into_iter().collect::<Option<_>>()?;
    let before = &items[..items.len() - 1];
    let ends = lines.iter().zip(before).find(|(it, _)| matches!(it, Line::Close | Line::Reset));
    if let Some((_, item)) = ends {
        let message = "nothing can follow the end of the talk".to_owned();
        return decoder.bad(item.span.clone(), message);
    }
    if let (Transport::Udp, Some(Line::Reset)) = (transport, lines.last()) {
        let message = "UDP has no connection that could be reset".to_owned();
        return decoder.bad(items[items.len() - 1].span.clone(), message);
    }
    Some(lines)
}

fn line(node: &Node, decoder: &mut Decoder) -> Option<Line> {
    if let Value::Scalar { .. } = &node.value {
        // A word is only the first half of what a line can be.
        return match node.as_text() {
            Some("close") => Some(Line::Close),
            Some("reset") => Some(Line::Reset),
            _ => decoder.wrong(node, "`hear`, `say` or `pause` with what, `close` or `reset`"),
        };
    }
    let mut fields = Fields::new(node, "a line", decoder)?;
    let nodes = ["hear", "say", "pause"].map(|key| fields.node(key));
    let line = match nodes {
        [Some(node), None, None] => bytes(node, decoder).map(Line::Hear),
        [None, Some(node), None] => bytes(node, decoder).map(Line::Say),
        [None, None, Some(node)] => Span::decode(node, decoder).map(Line::Pause),
        [None, None, None] => {
            fields.missing("hear");
            None
        }
        _ => decoder.bad(node.span.clone(), "a line does one thing".to_owned()),
    };
    fields.finish(UnknownKeys::Deny, decoder);
    line
}

fn bytes(node: &Node, decoder: &mut Decoder) -> Option<Vec<u8>> {
    let bytes = match &node.value {
        Value::Map(_) => {
            let mut fields = Fields::new(node, "bytes", decoder)?;
            let hex = fields.required::<Hex>("hex", decoder);
            fields.finish(UnknownKeys::Deny, decoder);
            hex?.0
        }
        _ => String::decode(node, decoder)?.into_bytes(),
    };
    match bytes.len() {
        1..=65_507 => Some(bytes),
        _ => decoder.bad(node.span.clone(), "1 to 65507 bytes".to_owned()),
    }
}

fn ports(fields: &mut Fields<'_>, key: &'static str, decoder: &mut Decoder) -> Option<Vec<u16>> {
    let Some(node) = fields.node(key) else { return Some(Vec::new()) };
    let ports: Vec<_> = items(node).iter().map(|item| port(item, decoder)).collect();
    ports.into_iter().collect()
}

/// The first that occurs a second time.
fn twice<T: Ord + Clone>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = BTreeSet::new();
    items.find(|item| !seen.insert(item.clone()))
}

/// A port.
pub fn port(node: &Node, decoder: &mut Decoder) -> Option<u16> {
    match node.as_integer().map(u16::try_from) {
        Some(Ok(port @ 1..)) => Some(port),
        _ => decoder.wrong(node, "a port from 1 to 65535"),
    }
}

fn check_name(name: Spanned, decoder: &mut Decoder) -> Option<String> {
    if name.text.eq_ignore_ascii_case("gateway") {
        return decoder.bad(name.span, "`gateway` is the name of the router".to_owned());
    }
    domain_name(name, decoder)
}

/// Whether this can be the name of a computer.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// A name that can be asked for.
pub fn domain_name(name: Spanned, decoder: &mut Decoder) -> Option<String> {
    match is_name(&name.text) {
        true => Some(name.text),
        false => {
            let message = "a host's name has letters, digits and `-`, and dots between".to_owned();
            decoder.bad(name.span, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::scenario::decode::no_files;
    use crate::scenario::parser::{FilePlace, parse};
    use std::path::Path;

    fn site(head: &str) -> Result<Option<Site>, Vec<String>> {
        let text = format!("name: x\nversion: 1\n{head}steps:\n- delay: 1s\n- log: x\n");
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        match parse(&text, place, &no_files) {
            Ok(mut file) => Ok(file.cases.remove(0).site.clone()),
            Err(invalid) => {
                Err(invalid.faults.faults.into_iter().map(|fault| fault.message).collect())
            }
        }
    }

    #[test]
    fn an_access_point_needs_no_more_than_a_name() {
        assert_eq!(site("").unwrap(), None);
        let Site { air, network, hosts, .. } =
            site("air: {ssid: here}\n").unwrap().expect("a site");
        assert_eq!((network, hosts), (Network::default(), vec![]));
        let expected = AccessPoint {
            ssid: "here".to_owned(),
            security: Security::Open,
            channel: 1,
            signal: -50,
            bssid: [2, 0x62, 0x72, 0, 0, 1],
            hidden: false,
        };
        assert_eq!(air, [expected]);
    }

    #[test]
    fn all_that_can_be_said_is_heard() {
        let head = "\
air:
- {ssid: a b, password: correct-horse, channel: 6, signal: -71 dBm, bssid: '02:11:22:33:44:51'}
- {ssid: b, security: wpa3, hidden: true}
network: {gateway: 10.0.0.1/8, date: 2026-02-03, names: {pool.ntp.org: gateway, example.org: laptop, a.b: 10.0.0.9}}
hosts:
- {name: laptop, address: 10.1.2.3, http: {port: 8000, folder: web}, tcp-echo: 7, udp-echo: [7, 9], ntp: true,
  https: {certificate: expired}, tcp: {port: 9, script: [{say: hi}, {hear: {hex: 'ff 00'}}, {pause: 1s}, close]},
  forward: {port: 1883, to: 127.0.0.1:5000}}
internet: [{host: example.com}, {host: 11.0.0.9, port: 80}]
";
        let site = site(head).unwrap().expect("a site");
        assert_eq!(site.air[0].security, Security::Wpa2 { password: "correct-horse".to_owned() });
        assert_eq!((site.air[0].channel, site.air[0].signal), (6, -71));
        assert_eq!((&site.air[1].security, site.air[1].hidden), (&Security::Wpa3, true));
        assert_eq!((site.network.gateway, site.network.prefix), ("10.0.0.1".parse().unwrap(), 8));
        let to = |host: &str, port| Destination { host: host.to_owned(), port };
        assert_eq!(site.hosts[0].forward, BTreeMap::from([(1883, to("127.0.0.1", 5000))]));
        assert_eq!(site.internet, [to("example.com", 443), to("11.0.0.9", 80)]);
        assert_eq!(site.network.date, 1_770_076_800);
        let names: Vec<_> = site.network.names.iter().map(|(k, to)| format!("{k} {to}")).collect();
        assert_eq!(names, ["a.b 10.0.0.9", "example.org 10.1.2.3", "pool.ntp.org 10.0.0.1"]);
        assert!(site.hosts[0].ntp);
        let https = Https { http: Http { port: 443, folder: None }, flaw: Flaw::Expired };
        assert_eq!(site.hosts[0].https, Some(https));
        let lines = vec![
            Line::Say(b"hi".to_vec()),
            Line::Hear(vec![0xff, 0]),
            Line::Pause(Span::from_secs(1)),
            Line::Close,
        ];
        let script = Script { transport: Transport::Tcp, port: 9, lines };
        assert_eq!(site.hosts[0].scripts, [script]);
        let http = site.hosts[0].http.as_ref().map(|it| (it.port, it.folder.clone()));
        let folder = http.and_then(|(port, folder)| folder.map(|folder| (port, folder.text)));
        assert_eq!(
            (folder, &site.hosts[0].udp_echo),
            (Some((8000, "web".to_owned())), &vec![7, 9])
        );
    }

    #[test]
    fn a_date_is_a_day_or_a_moment() {
        assert_eq!(seconds("1970-01-02"), Some(86_400));
        assert_eq!(seconds("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(seconds("2026-02-03T04:05:06Z"), Some(1_770_091_506));
        assert_eq!(seconds("2026-02-03T04:05:06"), None, "which time zone?");
        assert_eq!(seconds("2026-02"), None);
    }

    #[test]
    fn stations_need_no_access_point() {
        let head = "\
stations:
- {name: phone, ssid: board-net}
- {name: tablet, ssid: b, password: correct-horse, signal: -71dBm, address: 192.168.4.7/24}
";
        let Site { air, stations, .. } = site(head).unwrap().expect("a site");
        assert_eq!(air, []);
        let phone = Station {
            name: "phone".to_owned(),
            ssid: "board-net".to_owned(),
            password: None,
            signal: -50,
            mac: [2, 0x62, 0x72, 0, 1, 1],
            address: None,
        };
        let tablet = Station {
            name: "tablet".to_owned(),
            ssid: "b".to_owned(),
            password: Some("correct-horse".to_owned()),
            signal: -71,
            mac: [2, 0x62, 0x72, 0, 1, 2],
            address: Some(([192, 168, 4, 7].into(), 24)),
        };
        assert_eq!(stations, [phone, tablet]);
    }

    #[test]
    fn every_mistake_is_told() {
        let faults = |head: &str| site(head).unwrap_err().join("\n");
        for (head, text) in [
            ("air: {ssid: x, password: short}\n", "a WPA2 password has 8 to 63"),
            ("air: {ssid: x, security: wpa2}\n", "WPA2 needs a `password`"),
            ("air: {ssid: x, security: open, password: long-enough}\n", "has no password"),
            ("air: {ssid: ''}\n", "an SSID has 1 to 32 bytes"),
            ("air: {ssid: x, channel: 15}\n", "expected a channel from 1 to 14"),
            ("air: {ssid: x, signal: -50}\n", "expected a signal such as -50dBm"),
            ("air: {ssid: x, bssid: '01:00:00:00:00:00'}\n", "the address of one device"),
            (
                "air: [{ssid: x, bssid: '02:00:00:00:00:01'}, {ssid: y, bssid: '02:00:00:00:00:01'}]\n",
                "two access points",
            ),
            ("air: {sid: x}\n", "has no key `sid`"),
            ("air: []\n", "at least one access point"),
            ("hosts: {name: a, address: 192.168.0.4}\n", "without an access point"),
            ("stations: {name: a}\n", "needs `ssid`"),
            ("stations: {name: gateway, ssid: x}\n", "the name of the router"),
            ("stations: {name: a, ssid: x, password: short}\n", "a WPA2 password has 8 to 63"),
            ("stations: {name: a, ssid: x, address: 10.0.0.7}\n", "an address with 8 to 28 bits"),
            ("stations: [{name: a, ssid: x}, {name: A, ssid: x}]\n", "are called `a`"),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4}\nstations: {name: a, ssid: x}\n",
                "two hosts or stations",
            ),
            ("air: {ssid: x}\nhosts: {name: a, address: 10.0.0.4}\n", "is not in the network"),
            ("air: {ssid: x}\nhosts: {name: a, address: 192.168.0.1}\n", "is taken by another"),
            (
                "air: {ssid: x}\nhosts: [{name: a, address: 192.168.0.4}, {name: A, address: 192.168.0.5}]\n",
                "two hosts are called",
            ),
            ("air: {ssid: x}\nhosts: {name: 'a b', address: 192.168.0.4}\n", "a host's name has"),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, http: {port: 0}}\n",
                "a port from 1",
            ),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, http: {folder: /etc}}\n",
                "is not relative",
            ),
            (
                "air: {ssid: x}\nnetwork: {gateway: 192.168.0.0/24}\n",
                "an address with 8 to 28 bits",
            ),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, udp: {port: 9, script: [reset]}}\n",
                "no connection that could be reset",
            ),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, tcp: {port: 9, script: [close, {say: x}]}}\n",
                "nothing can follow",
            ),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, tcp: {port: 9, script: [{say: x, hear: y}]}}\n",
                "a line does one thing",
            ),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, tcp: {port: 9, script: [{hear: ''}]}}\n",
                "1 to 65507 bytes",
            ),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, tcp-echo: 9, tcp: {port: 9, script: [close]}}\n",
                "port 9 has two services",
            ),
            ("air: {ssid: x}\nnetwork: {date: 2026-02-30}\n", "a date from 1970 to 9999"),
            ("air: {ssid: x}\nnetwork: {date: 1969-12-31}\n", "a date from 1970 to 9999"),
            ("air: {ssid: x}\nnetwork: {names: {a: b}}\n", "the name of a host, or `gateway`"),
            ("air: {ssid: x}\nnetwork: {names: {'a b': gateway}}\n", "a host's name has"),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, ntp: true, udp-echo: 123}\n",
                "port 123 has two services",
            ),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, http: {port: 7}, tcp-echo: [9, 7]}\n",
                "port 7 has two services",
            ),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, forward: {port: 7, to: here}}\n",
                "expected HOST:PORT",
            ),
            ("air: {ssid: x}\ninternet: {host: 'a b'}\n", "a name or an address"),
            ("air: {ssid: x}\ninternet: {host: 127.0.0.1}\n", "let a host `forward` a port"),
            ("air: {ssid: x}\ninternet: {host: 192.168.0.9}\n", "let a host `forward` a port"),
            ("internet: {host: example.org}\n", "without an access point"),
        ] {
            let told = faults(head);
            assert!(told.contains(text), "{head}: {told}");
        }
    }
}
