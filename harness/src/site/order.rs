//! What can be ordered of access points, stations and hosts.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::time::Span;

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
    /// A broker publishes a message.
    Publish(Publication),
    /// A host or a station asks the board; what comes of it is told as [`SiteEvent::Answered`](super::SiteEvent::Answered).
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

/// A message that a broker publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Whose broker; without: the first one.
    pub host: Option<String>,
    /// Under which topic.
    pub topic: String,
    /// What it says.
    pub payload: Arc<[u8]>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The broker keeps it.
    pub retain: bool,
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
