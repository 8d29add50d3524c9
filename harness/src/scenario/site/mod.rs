//! The keys `air`, `stations`, `network`, `hosts` and `internet` of a scenario, each in a file of its
//! own, and so what a host can be.

mod air;
mod hosts;
mod internet;
mod mqtt;
mod network;
mod scripts;
mod stations;
mod web;

use std::collections::BTreeSet;

use super::decode::{Decoder, Fields};
use super::model::Spanned;
use super::node::{Node, Value};
use super::reference::Kind;
use super::units;
use crate::site::{Destination, Network, Site};

pub use air::{AIR, bssid};
pub use hosts::HOSTS;
pub use internet::INTERNET;
pub use network::NETWORK;
pub use stations::STATIONS;

/// Most access points, stations and hosts: more are surely a mistake.
const MAX: usize = 64;
const PORT: Kind = Kind::Number(1, 65_535);

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
    let hear_each_other = fields.node("boards").is_some();
    let access_points = air.map(|node| air::access_points(node, hear_each_other, decoder));
    let joining = stations.map(|node| stations::read_stations(node, decoder));
    let described = match network {
        None => Some((Network::default(), None)),
        Some(node) => network::read_network(node, decoder),
    };
    let (described, named) = described.unzip();
    let network_names = named.flatten();
    let computers = hosts.map(|node| hosts::read_hosts(node, described.as_ref(), decoder));
    let destinations =
        internet.map(|node| internet::read_internet(node, described.as_ref(), decoder));
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
    network.names = network::names(network_names, &network, &hosts, decoder)?;
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

fn check_ssid(ssid: Spanned, decoder: &mut Decoder) -> Option<String> {
    match ssid.text.len() {
        1..=32 => Some(ssid.text),
        _ => decoder.bad(ssid.span, "an SSID has 1 to 32 bytes".to_owned()),
    }
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
    use crate::authority::Flaw;
    use crate::scenario::decode::no_files;
    use crate::scenario::model::Case;
    use crate::scenario::parser::{FilePlace, parse};
    use crate::site::{
        AccessPoint, AirOf, Http, Https, Line, Mqtt, MqttTls, Script, Security, Station, Transport,
    };
    use crate::time::Span;
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
    fn boards_may_be_among_themselves_on_an_air_without_access_points() {
        let text = "name: x\nversion: 1\nboards: {b: esp32-cam}\nair: []\nsteps:\n- parallel: {b: [delay: 1s]}\n";
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        let case = parse(text, place, &no_files).expect("a valid scenario").cases.remove(0);
        assert_eq!(case.site.as_ref().map(|site| site.air.len()), Some(0));
        assert_eq!(case.air(), AirOf::AllBoards);
        let alone = Case { more_boards: BTreeMap::new(), ..(*case).clone() };
        assert_eq!(alone.air(), AirOf::OneBoard);
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
  forward: {port: 1883, to: 127.0.0.1:5000}, mqtt: {port: 1884, tls: {certificate: expired}, users: {board: s3cret}}}
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
        let mqtt = Mqtt {
            port: 1884,
            tls: Some(MqttTls { port: 8883, flaw: Flaw::Expired }),
            users: BTreeMap::from([("board".to_owned(), "s3cret".to_owned())]),
        };
        assert_eq!(site.hosts[0].mqtt, Some(mqtt));
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
        assert_eq!(network::seconds("1970-01-02"), Some(86_400));
        assert_eq!(network::seconds("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(network::seconds("2026-02-03T04:05:06Z"), Some(1_770_091_506));
        assert_eq!(network::seconds("2026-02-03T04:05:06"), None, "which time zone?");
        assert_eq!(network::seconds("2026-02"), None);
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
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, mqtt: {tls: {port: 80}}, http: {}}\n",
                "port 80 has two services",
            ),
            (
                "air: {ssid: x}\nhosts: {name: a, address: 192.168.0.4, mqtt: {users: [a]}}\n",
                "names, each with a password",
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
