//! The site of a case: the access points and stations on the air, and the hosts on the network behind
//! access points; what can be ordered of them, and what they tell.
//!
//! Plain data, as a scenario describes it and a target is asked for it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::authority::Flaw;
use crate::scenario::model::Spanned;
use crate::scenario::values::Secrets;
use crate::time::{DeviceTime, Span};

/// Access points, stations and hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The access points.
    pub air: Vec<AccessPoint>,
    /// The stations that join a network of the board's.
    pub stations: Vec<Station>,
    /// The network behind them.
    pub network: Network,
    /// The computers on it.
    pub hosts: Vec<Host>,
    /// What is reached beyond it, through this computer's own network.
    pub internet: Vec<Destination>,
}

impl Site {
    /// Whether it leads out of the scenario, to what no scenario describes.
    pub fn has_way_out(&self) -> bool {
        !self.internet.is_empty() || self.hosts.iter().any(|host| !host.forward.is_empty())
    }
}

/// What the networks and hosts of a site are where a case runs: on a bench other ones than those of
/// the scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// By the names that the scenario gives them.
    pub networks: BTreeMap<String, NetworkPlace>,
    /// Addresses, by the names that the scenario gives them.
    pub hosts: BTreeMap<String, Ipv4Addr>,
}

/// What a network is called, and how it is joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlace {
    /// Its name on the air.
    pub ssid: String,
    /// Its password, if it has one.
    pub password: Option<String>,
}

impl Places {
    /// As the scenario describes them.
    pub fn of(site: &Site) -> Self {
        let network = |it: &AccessPoint| {
            let password = match &it.security {
                Security::Wpa2 { password } => Some(password.clone()),
                Security::Open | Security::Wpa3 => None,
            };
            (it.ssid.clone(), NetworkPlace { ssid: it.ssid.clone(), password })
        };
        Self {
            networks: site.air.iter().map(network).collect(),
            hosts: site.hosts.iter().map(|it| (it.name.clone(), it.address)).collect(),
        }
    }

    /// The values that steps can use: `air.NAME.ssid`, `air.NAME.password`, `host.NAME.address`.
    pub fn values(&self) -> Vec<(String, String)> {
        let networks = self.networks.iter().flat_map(|(name, place)| {
            let ssid = (format!("air.{name}.ssid"), place.ssid.clone());
            let password = place.password.clone().map(|it| (format!("air.{name}.password"), it));
            std::iter::once(ssid).chain(password)
        });
        let address = |(name, address): (&String, &Ipv4Addr)| {
            (format!("host.{name}.address"), address.to_string())
        };
        networks.chain(self.hosts.iter().map(address)).collect()
    }

    /// A text in which networks and hosts are those of the scenario again.
    pub fn as_described(&self, site: &Site, text: &str) -> String {
        let networks = self.networks.iter().map(|(name, it)| (it.ssid.clone(), name.clone()));
        let hosts = site.hosts.iter().filter_map(|host| {
            Some((self.hosts.get(&host.name)?.to_string(), host.address.to_string()))
        });
        let mut others: Vec<_> =
            networks.chain(hosts).filter(|(here, there)| here != there).collect();
        others.sort_by_key(|(here, _)| std::cmp::Reverse(here.len()));
        // In one pass, longest first, and whole words only: what stands for one thing here may be the
        // scenario's name of another, or the beginning of one.
        let mut described = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let is_inside = described.ends_with(char::is_alphanumeric);
            let ends = |after: &str| !after.starts_with(char::is_alphanumeric);
            let word = others.iter().filter(|_| !is_inside).find_map(|(here, there)| {
                rest.strip_prefix(here.as_str()).filter(|after| ends(after)).map(|it| (there, it))
            });
            match word {
                Some((there, after)) => {
                    described.push_str(there);
                    rest = after;
                }
                None => {
                    described.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        described
    }
}

/// A TCP port somewhere in the real world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// A name, or an address.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

/// How an access point lets stations in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// Anybody.
    Open,
    /// Who knows the password: WPA2-PSK with CCMP.
    Wpa2 {
        /// 8 to 63 characters.
        password: String,
    },
    /// Only WPA3-SAE, which no station here can do: all are refused.
    Wpa3,
}

/// An access point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPoint {
    /// The name of its network: 1 to 32 bytes.
    pub ssid: String,
    /// How it lets stations in.
    pub security: Security,
    /// 1 to 14.
    pub channel: u8,
    /// How strong a board hears it, in dBm.
    pub signal: i8,
    /// Its own address.
    pub bssid: [u8; 6],
    /// Its beacons do not say the name.
    pub hidden: bool,
}

/// A computer with a station of its own, which may join a network that the board opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// What steps call it.
    pub name: String,
    /// The network that it joins.
    pub ssid: String,
    /// Of a WPA2 network; without, it joins only an open one.
    pub password: Option<String>,
    /// How strong the board hears it, in dBm.
    pub signal: i8,
    /// Its own address on the air.
    pub mac: [u8; 6],
    /// Its IP address and the length of the prefix; without, it asks the board for one.
    pub address: Option<(Ipv4Addr, u8)>,
}

/// The network behind the access points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The router: it lends addresses and answers names.
    pub gateway: Ipv4Addr,
    /// Bits of the network's part of an address.
    pub prefix: u8,
    /// Seconds since 1970 at the beginning of the case.
    pub date: u64,
    /// Names that the router answers, besides those of hosts.
    pub names: BTreeMap<String, Ipv4Addr>,
}

impl Default for Network {
    /// 192.168.0.1/24 on the first day of 2026.
    fn default() -> Self {
        Self {
            gateway: Ipv4Addr::new(192, 168, 0, 1),
            prefix: 24,
            date: 1_767_225_600,
            names: BTreeMap::new(),
        }
    }
}

/// A computer on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// What steps call it, and the name that it has on the network.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its web server.
    pub http: Option<Http>,
    /// Its web server with TLS.
    pub https: Option<Https>,
    /// TCP ports that send back what they are sent.
    pub tcp_echo: Vec<u16>,
    /// UDP ports that do.
    pub udp_echo: Vec<u16>,
    /// It tells the time (SNTP).
    pub ntp: bool,
    /// Servers that follow a script with each caller.
    pub scripts: Vec<Script>,
    /// TCP ports behind which there is another server, in the real world.
    pub forward: BTreeMap<u16, Destination>,
}

/// A web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Its TCP port.
    pub port: u16,
    /// The folder of the project that it serves; without one it answers 404.
    pub folder: Option<Spanned>,
}

/// A web server with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Https {
    /// Its port, and what it serves.
    pub http: Http,
    /// What is wrong with its certificate.
    pub flaw: Flaw,
}

impl Host {
    /// All TCP ports at which somebody answers.
    pub fn tcp_ports(&self) -> impl Iterator<Item = u16> {
        let scripts = self.scripts.iter().filter(|it| it.transport == Transport::Tcp);
        let ports = self.web_servers().map(|http| http.port).chain(scripts.map(|it| it.port));
        ports.chain(self.tcp_echo.iter().copied()).chain(self.forward.keys().copied())
    }

    /// All its web servers.
    pub fn web_servers(&self) -> impl Iterator<Item = &Http> {
        self.http.iter().chain(self.https.iter().map(|it| &it.http))
    }
}

/// A server that follows a script with each caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Over what.
    pub transport: Transport,
    /// Its port.
    pub port: u16,
    /// What it does.
    pub lines: Vec<Line>,
}

/// What carries bytes to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In connections.
    Tcp,
    /// In datagrams.
    Udp,
}

/// What a server with a script does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Waits for these bytes.
    Hear(Vec<u8>),
    /// Says these.
    Say(Vec<u8>),
    /// Lets time pass.
    Pause(Span),
    /// Says that it is done.
    Close,
    /// Resets the connection.
    Reset,
}

/// The files that web servers serve, by folder of the project and path below it.
pub type Folders = BTreeMap<String, BTreeMap<String, Arc<[u8]>>>;

/// Something that an access point or a host is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// An access point changes.
    AccessPoint {
        /// The name of its network.
        ssid: String,
        /// Which of those with this name, by its address; without: all.
        bssid: Option<[u8; 6]>,
        /// How.
        change: Change,
    },
    /// A station comes or goes.
    Station {
        /// Its name.
        name: String,
        /// Which of both.
        does: Attendance,
    },
    /// A web server answers the next requests so, and not by itself.
    Respond {
        /// The host.
        host: String,
        /// Which of its web servers; without: the first one, that without TLS.
        port: Option<u16>,
        /// Only requests for this path.
        path: Option<String>,
        /// The answer.
        response: Response,
        /// To how many requests.
        times: u32,
    },
    /// A host or a station asks the board; what comes of it is told as [`SiteEvent::Answered`].
    Request(Request),
    /// The wire between access points and hosts changes.
    Wire(Wire),
    /// The router's DHCP server changes.
    Dhcp(Dhcp),
    /// The router says something about a name.
    Dns {
        /// The name; without: all that no other order is about.
        name: Option<String>,
        /// What it says.
        says: DnsAnswer,
    },
}

/// The wire between access points and hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Frames pass, with these faults.
    Works(WireFaults),
    /// No frame passes.
    Unplugged,
}

/// What is wrong with the wire, in both directions; shares are parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WireFaults {
    /// Frames that are lost.
    pub loss: u32,
    /// Frames that come twice.
    pub duplicated: u32,
    /// Frames that later ones overtake.
    pub reordered: u32,
    /// How long each frame takes.
    pub delay: Span,
    /// How much longer it may take.
    pub jitter: Span,
    /// IP packets with more bytes vanish.
    pub mtu: Option<u16>,
}

/// What a DHCP server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dhcp {
    /// It answers.
    Answers,
    /// It hears everything and says nothing.
    Silent,
}

/// What a name server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsAnswer {
    /// What is so.
    Truth,
    /// The name has this address.
    Address(Ipv4Addr),
    /// There is no such name.
    NoSuchName,
    /// The server has failed.
    Failure,
    /// Nothing.
    Silence,
}

/// Whether a station is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attendance {
    /// It joins its network, again and again if need be.
    Joins,
    /// It leaves its network.
    Leaves,
}

/// An HTTP request from a host or a station to the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The host or the station.
    pub host: String,
    /// The board's address; without: the one that it was lent last, or for a station the one at
    /// which the board has lent it its own.
    pub to: Option<String>,
    /// The board's TCP port.
    pub port: u16,
    /// `GET` and others.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What is sent with it.
    pub body: Arc<[u8]>,
    /// Patience for the whole answer.
    pub within: Span,
}

/// What becomes of an access point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It starts, or vanishes without a word.
    Power(bool),
    /// It sends its stations away for a reason of 802.11.
    Kick(u16),
    /// The same by disassociation: they stay authenticated.
    Disassociate(u16),
    /// It is heard so strongly from now on, in dBm.
    Signal(i8),
    /// It has another password.
    Password(String),
    /// It works on another channel.
    Channel(u8),
    /// It does something wrong, or no longer.
    Misbehave(Misbehaviour),
}

/// What an access point does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Nothing.
    None,
    /// It acknowledges nothing and answers nothing.
    Deaf,
    /// It does not answer authentication.
    NoAuthentication,
    /// It refuses authentication with status 1.
    RefuseAuthentication,
    /// It does not answer association.
    NoAssociation,
    /// It refuses association with status 17: too many stations.
    RefuseAssociation,
    /// It never begins the handshake.
    NoMessage1,
    /// It never goes on with the handshake.
    NoMessage3,
}

/// An answer of a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 999.
    pub status: u16,
    /// In their order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Arc<[u8]>,
    /// How long it takes to begin.
    pub delay: Span,
    /// How it is sent.
    pub manner: Manner,
}

/// How an answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    Whole,
    /// So many bytes of the body, and then the connection ends.
    Truncated(u32),
    /// The connection is reset after so many bytes.
    Reset(u32),
    /// So many bytes at a time, each so long after the last.
    Drip(u32, Span),
    /// Never.
    Silence,
}

/// Something that happened on the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteEvent {
    /// What an access point or a host tells, as one line.
    Log(String),
    /// An HTTP request or response was seen on the wire.
    Http(Arc<HttpFrame>),
    /// A station has this IP address from now on.
    Station {
        /// Its name.
        name: String,
        /// The address; none: it has lost it.
        address: Option<Ipv4Addr>,
    },
    /// What came of an [`Order::Request`]; or why nothing came.
    Answered(Result<Arc<HttpFrame>, String>),
    /// The board talks with a server that follows a script.
    Talk {
        /// The talk's number.
        talk: u64,
        /// What happened.
        event: TalkEvent,
    },
}

/// What happens in a talk with a server that follows a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TalkEvent {
    /// The board has called.
    Begun {
        /// Whom.
        host: String,
        /// At which port.
        port: u16,
    },
    /// The board has said this.
    Heard(Vec<u8>),
    /// It is over; at the end of the script, or before.
    Ended {
        /// Whether it came to the end of the script.
        whole: bool,
    },
}

/// An HTTP request or response, as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HttpFrame {
    /// The number of the TCP connection.
    pub connection: u64,
    /// Who sent it: `board`, or the name of a station or of a host, with the port where it serves.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The first line.
    pub start: String,
    /// Of a request: what is asked for.
    pub request: Option<Asked>,
    /// Of a response: its status.
    pub status: Option<u16>,
    /// In their order and case.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body.
    pub size: u64,
    /// The body, or what is kept of it.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// SHA-256 of the body in hexadecimal digits.
    pub sha256: String,
    /// When its first byte was seen.
    pub first: DeviceTime,
    /// When its last byte was seen.
    pub last: DeviceTime,
    /// It came to its end; else the connection ended before.
    pub complete: bool,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Asked {
    /// `GET` and others.
    pub method: String,
    /// Path and query.
    pub path: String,
}

#[cfg(test)]
impl HttpFrame {
    /// A request of the board to `laptop:80`.
    pub(crate) fn request(connection: u64, method: &str, path: &str, body: &str) -> Self {
        Self {
            connection,
            from: "board".to_owned(),
            to: "laptop:80".to_owned(),
            start: format!("{method} {path} HTTP/1.0"),
            request: Some(Asked { method: method.to_owned(), path: path.to_owned() }),
            status: None,
            headers: Vec::new(),
            size: body.len() as u64,
            body: body.as_bytes().to_vec(),
            sha256: String::new(),
            first: DeviceTime::ZERO,
            last: DeviceTime::ZERO,
            complete: true,
        }
    }

    /// The answer to one of a connection.
    pub(crate) fn answer(connection: u64, status: u16) -> Self {
        Self {
            from: "laptop:80".to_owned(),
            to: "board".to_owned(),
            start: format!("HTTP/1.0 {status} x"),
            request: None,
            status: Some(status),
            ..Self::request(connection, "", "", "")
        }
    }
}

impl fmt::Display for HttpFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = if self.complete { "" } else { ", cut short" };
        let body = match self.size {
            0 => String::new(),
            size => format!(", {size} bytes"),
        };
        write!(f, "{} -> {} {}{body}{cut}", self.from, self.to, self.start)
    }
}

impl HttpFrame {
    /// The same without secrets.
    pub fn redacted(&self, secrets: &Secrets) -> Self {
        let redact = |text: &str| secrets.redact(text);
        let mut frame = self.clone();
        frame.start = redact(&frame.start);
        if let Some(asked) = &mut frame.request {
            asked.path = redact(&asked.path);
        }
        frame.headers.iter_mut().for_each(|(_, value)| *value = redact(value));
        frame
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(is_it).map(|(_, value)| value.as_str())
    }

    /// The frame as text, for snapshots: a body that is none by its size, type and hash, and no date.
    pub fn text(&self) -> String {
        let mut text = format!("{} -> {}\n{}\n", self.from, self.to, self.start);
        for (name, value) in &self.headers {
            // When a case ran is not what it is about.
            let is_date = name.eq_ignore_ascii_case("date");
            let value = if is_date { "(date)" } else { value };
            text += &format!("{name}: {value}\n");
        }
        if self.size > 0 {
            text.push('\n');
            match std::str::from_utf8(&self.body) {
                Ok(body) if self.size == self.body.len() as u64 && !body.contains('\0') => {
                    text += body;
                    if !body.ends_with('\n') {
                        text.push('\n');
                    }
                }
                _ => {
                    let kind = self.header("Content-Type").unwrap_or("no stated type");
                    text += &format!("({} bytes of {kind}, SHA-256 {})\n", self.size, self.sha256);
                }
            }
        }
        if !self.complete {
            text += "(cut short)\n";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bench_calls_otherwise_is_called_as_in_the_scenario_again() {
        let host = |name: &str, last| Host {
            name: name.to_owned(),
            address: Ipv4Addr::new(192, 168, 0, last),
            http: None,
            https: None,
            tcp_echo: vec![],
            udp_echo: vec![],
            ntp: false,
            forward: BTreeMap::new(),
            scripts: vec![],
        };
        let site = Site {
            air: vec![AccessPoint {
                ssid: "bench-net".to_owned(),
                security: Security::Open,
                channel: 1,
                signal: -50,
                bssid: [2; 6],
                hidden: false,
            }],
            network: Network::default(),
            hosts: vec![host("laptop", 4), host("desk", 5)],
            stations: vec![],
            internet: vec![],
        };
        let mut places = Places::of(&site);
        let text = "joined Lab, asks 10.0.0.2 and 10.0.0.23 and 192.168.0.5";
        assert_eq!(places.as_described(&site, text), text);
        places.networks.get_mut("bench-net").unwrap().ssid = "Lab".to_owned();
        places.hosts.insert("laptop".to_owned(), Ipv4Addr::new(10, 0, 0, 2));
        places.hosts.insert("desk".to_owned(), Ipv4Addr::new(10, 0, 0, 23));
        let there = "joined bench-net, asks 192.168.0.4 and 192.168.0.5 and 192.168.0.5";
        assert_eq!(places.as_described(&site, text), there);
        let others = "Label 10.0.0.29 210.0.0.2";
        assert_eq!(places.as_described(&site, others), others, "only whole words");
        let values = places.values();
        assert!(values.contains(&("air.bench-net.ssid".to_owned(), "Lab".to_owned())));
        assert!(values.contains(&("host.laptop.address".to_owned(), "10.0.0.2".to_owned())));
        // What one is here is what the other is there.
        places.hosts.insert("laptop".to_owned(), Ipv4Addr::new(192, 168, 0, 5));
        let swapped = places.as_described(&site, "192.168.0.5, 10.0.0.23");
        assert_eq!(swapped, "192.168.0.4, 192.168.0.5");
    }

    #[test]
    fn a_body_that_is_no_text_is_told_by_its_hash() {
        let mut frame = HttpFrame {
            connection: 1,
            from: "laptop:80".to_owned(),
            to: "board".to_owned(),
            start: "HTTP/1.0 200 OK".to_owned(),
            request: None,
            status: Some(200),
            headers: vec![
                ("content-TYPE".to_owned(), "image/jpeg".to_owned()),
                ("date".to_owned(), "Thu, 01 Jan 2026 00:00:07 GMT".to_owned()),
            ],
            size: 3,
            body: vec![0xff, 0xd8, 0],
            sha256: "ab".repeat(32),
            first: DeviceTime::ZERO,
            last: DeviceTime::ZERO,
            complete: false,
        };
        let hash = "ab".repeat(32);
        let head =
            "laptop:80 -> board\nHTTP/1.0 200 OK\ncontent-TYPE: image/jpeg\ndate: (date)\n\n";
        let told = format!("{head}(3 bytes of image/jpeg, SHA-256 {hash})\n(cut short)\n");
        assert_eq!(frame.text(), told);
        frame.body = b"yes".to_vec();
        frame.complete = true;
        assert_eq!(frame.text(), format!("{head}yes\n"));
        assert_eq!(frame.header("Content-Type"), Some("image/jpeg"));
    }
}
