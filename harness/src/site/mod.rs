//! The site of a case: the access points and stations on the air, and the hosts on the network behind
//! access points; what can be ordered of them, and what they tell.
//!
//! Plain data, as a scenario describes it and a target is asked for it.

mod event;
mod http_frame;
mod message;
mod order;
mod places;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::authority::Flaw;
use crate::scenario::model::Spanned;
use crate::time::Span;

pub use event::{SiteEvent, TalkEvent};
pub use http_frame::{Asked, HttpFrame};
pub use message::Message;
pub use order::{
    Attendance, Change, Dhcp, DnsAnswer, Manner, Misbehaviour, Order, Publication, Request,
    Response, Wire, WireFaults,
};
pub use places::{NetworkPlace, Places};

/// The UDP port of time servers (RFC 4330).
pub const NTP: u16 = 123;

/// Whose the air is that a board is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AirOf {
    /// This board's.
    #[default]
    OneBoard,
    /// That of all boards of the case, which hear each other ([`crate::targets::Target::neighbour`]).
    AllBoards,
}

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
    /// Whether a server needs a certificate.
    pub fn has_tls(&self) -> bool {
        let has_tls = |host: &Host| {
            host.https.is_some() || host.mqtt.as_ref().is_some_and(|mqtt| mqtt.tls.is_some())
        };
        self.hosts.iter().any(has_tls)
    }

    /// Whether it leads out of the scenario, to what no scenario describes.
    pub fn has_way_out(&self) -> bool {
        !self.internet.is_empty() || self.hosts.iter().any(|host| !host.forward.is_empty())
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
    /// The first address that it lends, counted from the network's own; from 1 where there is little
    /// room.
    pub lends_from: u32,
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
            lends_from: 50,
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
    /// Its MQTT broker.
    pub mqtt: Option<Mqtt>,
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

/// An MQTT broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mqtt {
    /// Its TCP port.
    pub port: u16,
    /// A second port, with TLS.
    pub tls: Option<MqttTls>,
    /// Passwords by names; without any, everybody is let in.
    pub users: BTreeMap<String, String>,
}

/// A broker's port with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttTls {
    /// It.
    pub port: u16,
    /// What is wrong with the certificate.
    pub flaw: Flaw,
}

impl Mqtt {
    /// Both its ports.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        std::iter::once(self.port).chain(self.tls.iter().map(|tls| tls.port))
    }
}

impl Host {
    /// All TCP ports at which somebody answers.
    pub fn tcp_ports(&self) -> impl Iterator<Item = u16> {
        let scripts = self.scripts.iter().filter(|it| it.transport == Transport::Tcp);
        let ports = self.web_servers().map(|http| http.port).chain(scripts.map(|it| it.port));
        let ports = ports.chain(self.mqtt.iter().flat_map(Mqtt::ports));
        ports.chain(self.tcp_echo.iter().copied()).chain(self.forward.keys().copied())
    }

    /// All UDP ports at which somebody answers.
    pub fn udp_ports(&self) -> impl Iterator<Item = u16> {
        let scripts = self.scripts.iter().filter(|it| it.transport == Transport::Udp);
        let ports = self.udp_echo.iter().copied().chain(scripts.map(|it| it.port));
        ports.chain(self.ntp.then_some(NTP))
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
