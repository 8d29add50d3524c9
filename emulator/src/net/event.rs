//! What the network tells: one typed event for each thing that somebody could want to know.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::http_frames::HttpFrame;
use super::mqtt::MqttEvent;
use super::order::Lie;
use crate::time::Instant;

/// Something that happened on the network, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetEvent {
    /// When.
    pub at: Instant,
    /// What.
    pub kind: NetEventKind,
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEventKind {
    /// The DHCP server lent an address, or renewed that.
    Leased {
        /// To whom.
        mac: Mac,
        /// Which.
        address: Ipv4Addr,
    },
    /// The DHCP server refused the address that somebody wanted to keep.
    LeaseRefused {
        /// To whom.
        mac: Mac,
        /// Which.
        address: Ipv4Addr,
    },
    /// An address came back.
    Released {
        /// From whom.
        mac: Mac,
        /// Which.
        address: Ipv4Addr,
    },
    /// A station says that somebody else has the address it was lent.
    Declined {
        /// Who.
        mac: Mac,
        /// Which.
        address: Ipv4Addr,
    },
    /// Somebody asked for an address and got no answer.
    DhcpUnanswered {
        /// Who.
        mac: Mac,
        /// Why.
        why: Unanswered,
    },
    /// The name server was asked.
    Asked {
        /// By whom.
        by: SocketAddr,
        /// For which name.
        name: String,
        /// What it said.
        answer: Answer,
    },
    /// A time server was asked, and said the date.
    TimeAsked {
        /// By whom.
        by: SocketAddr,
        /// The server.
        server: Ipv4Addr,
    },
    /// A mobile host has an address from now on.
    Configured {
        /// The host.
        host: String,
        /// The address, and the length of the prefix.
        address: (Ipv4Addr, u8),
        /// Who lent it; none: it had been given it.
        server: Option<Ipv4Addr>,
    },
    /// A mobile host has no address any more.
    Deconfigured {
        /// The host.
        host: String,
    },
    /// A TCP connection was made.
    Opened {
        /// Its number: they count from 1.
        connection: u64,
        /// Who opened it.
        from: SocketAddr,
        /// To whom.
        to: SocketAddr,
    },
    /// A TCP connection ended.
    Closed {
        /// Its number.
        connection: u64,
        /// Who had opened it.
        from: SocketAddr,
        /// To whom.
        to: SocketAddr,
        /// How it ended.
        how: Ending,
        /// Bytes from the one who opened it.
        sent: u64,
        /// Bytes to the one who opened it.
        received: u64,
    },
    /// An attempt to connect was refused.
    Refused {
        /// Who tried.
        from: SocketAddr,
        /// Where.
        to: SocketAddr,
    },
    /// An HTTP request was seen on the wire.
    HttpRequest(Arc<HttpFrame>),
    /// An HTTP response was seen on the wire.
    HttpResponse(Arc<HttpFrame>),
    /// A connection that spoke HTTP said something that is not.
    NotHttp {
        /// Its number.
        connection: u64,
        /// Who said it.
        from: SocketAddr,
        /// To whom.
        to: SocketAddr,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A line of a web server's log.
    Log {
        /// The host.
        host: String,
        /// The line, without its end.
        line: String,
    },
    /// The answer to an [`Order::Request`](super::Order::Request).
    Answered {
        /// The number that the order gave.
        id: u64,
        /// What came back. The number of the frame's connection is 0 here; the observer of the
        /// wire tells the same frame with the true one.
        result: Result<Arc<HttpFrame>, RequestError>,
    },
    /// A flow was opened: a connection whose other end is outside of the network.
    FlowOpened {
        /// Its number: they count from 1.
        flow: u64,
        /// The number that the order to dial gave; none if the station opened it.
        dialled: Option<u64>,
        /// The host.
        host: String,
        /// The host's end.
        own: SocketAddr,
        /// The station's end.
        station: SocketAddr,
    },
    /// Bytes from the station.
    FlowBytes {
        /// The flow.
        flow: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes for the station have gone into the connection.
    FlowSent {
        /// The flow.
        flow: u64,
        /// How many.
        bytes: usize,
    },
    /// The station sends no more.
    FlowFinished {
        /// The flow.
        flow: u64,
    },
    /// A flow is over.
    FlowEnded {
        /// The flow.
        flow: u64,
        /// How.
        how: FlowEnding,
    },
    /// A flow that was to be dialled did not come about.
    NotDialled {
        /// The number that the order gave.
        id: u64,
    },
    /// A datagram has come to a port from which a host had sent some by order.
    Datagram {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// From whom.
        from: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// Something for an address beyond the gateway, which lets nothing out.
    NoWayOut {
        /// From whom.
        from: SocketAddr,
        /// For whom.
        to: SocketAddr,
        /// `TCP`, `UDP`, `ICMP`, …
        protocol: Protocol,
    },
    /// A frame that is not what it claims to be.
    Malformed {
        /// Whose; zero if the frame is too short to tell.
        mac: Mac,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A message to a service of a host that is not what it should be.
    BadMessage {
        /// From whom.
        from: SocketAddr,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A connection was secured, or could not be.
    Secured {
        /// The connection's number.
        connection: u64,
        /// Whose server it is for.
        host: String,
        /// What was agreed on, or what is wrong.
        how: String,
        /// Which of these.
        agreed: bool,
    },
    /// Something happened at an MQTT broker.
    Mqtt {
        /// Whose.
        host: String,
        /// What.
        event: MqttEvent,
    },
    /// A server that follows a script is called.
    TalkBegun {
        /// Its number: they count from 1.
        talk: u64,
        /// Who is called.
        host: String,
        /// At which address and port.
        own: SocketAddr,
        /// By whom.
        station: SocketAddr,
    },
    /// The caller has said something.
    TalkHeard {
        /// The talk's number.
        talk: u64,
        /// What was said.
        bytes: Vec<u8>,
    },
    /// The talk is over.
    TalkEnded {
        /// Its number.
        talk: u64,
        /// Whether it came to the end of its script.
        whole: bool,
    },
    /// All connections of hosts were reset.
    BrokenOff,
    /// Events that nobody took were dropped, the oldest first.
    EventsLost(u64),
    /// Frames for stations that nobody took were dropped.
    FramesLost(u64),
}

/// Why the DHCP server did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// It is told to be silent.
    Silent,
    /// All its addresses are lent.
    Exhausted,
}

/// What a name server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The truth: this address.
    Address(Ipv4Addr),
    /// The name exists, and has nothing of the kind that was asked for.
    Nothing,
    /// There is no such name.
    NoSuchName,
    /// What it was told to say.
    Lie(Lie),
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Both sides said that they are done.
    Finished,
    /// Reset by the side that had opened it.
    ResetByClient,
    /// Reset by the other side.
    ResetByServer,
    /// Its addresses were used again for a new one.
    Replaced,
    /// Not seen to end; forgotten because there are too many.
    Forgotten,
}

/// How a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowEnding {
    /// Both sides had finished.
    Finished,
    /// It was reset by one of them, or given up.
    Reset,
}

/// Why a host got no answer from a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// No connection within the time, or the host has too many requests under way.
    NoConnection,
    /// The station refused or reset the connection.
    Reset,
    /// No whole answer within the time.
    TimedOut,
    /// What came was not HTTP.
    NotHttp,
    /// The connection ended before the answer did.
    Cut,
}

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// Any other, by number.
    Other(u8),
}

impl fmt::Display for NetEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.kind)
    }
}

impl fmt::Display for NetEventKind {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leased { mac, address } => write!(f, "dhcp: {address} lent to {mac}"),
            Self::LeaseRefused { mac, address } => write!(f, "dhcp: {address} refused to {mac}"),
            Self::Released { mac, address } => write!(f, "dhcp: {address} given back by {mac}"),
            Self::Declined { mac, address } => {
                write!(f, "dhcp: {mac} says that {address} is taken")
            }
            Self::DhcpUnanswered { mac, why } => {
                let why = match why {
                    Unanswered::Silent => "silent",
                    Unanswered::Exhausted => "no address is left",
                };
                write!(f, "dhcp: {mac} not answered: {why}")
            }
            Self::Asked { by, name, answer } => write!(f, "dns: {by} asked for {name}: {answer}"),
            Self::TimeAsked { by, server } => write!(f, "ntp: {by} asked {server}"),
            Self::Configured { host, address: (address, prefix), server: Some(server) } => {
                write!(f, "{host}: {address}/{prefix} lent by {server}")
            }
            Self::Configured { host, address: (address, prefix), server: None } => {
                write!(f, "{host}: {address}/{prefix} as given")
            }
            Self::Deconfigured { host } => write!(f, "{host}: no address any more"),
            Self::Opened { connection, from, to } => {
                write!(f, "tcp: {from} -> {to} opened (connection {connection})")
            }
            Self::Closed { connection, from, to, how, sent, received } => write!(
                f,
                "tcp: {from} -> {to} {how} (connection {connection}, {sent} bytes there, \
                 {received} back)"
            ),
            Self::Refused { from, to } => write!(f, "tcp: {from} -> {to} refused"),
            Self::HttpRequest(frame) | Self::HttpResponse(frame) => write!(f, "http: {frame}"),
            Self::NotHttp { connection, from, to, why } => {
                write!(f, "http: {from} -> {to} is not HTTP (connection {connection}): {why}")
            }
            Self::Log { host, line } => write!(f, "{host}: {line}"),
            Self::Answered { id, result: Ok(frame) } => {
                write!(f, "http: request {id} answered: {frame}")
            }
            Self::Answered { id, result: Err(error) } => {
                write!(f, "http: request {id} not answered: {error}")
            }
            Self::FlowOpened { flow, host, own, station, .. } => {
                write!(f, "flow {flow}: {station} and {own} ({host}) connected")
            }
            Self::FlowBytes { flow, bytes } => {
                write!(f, "flow {flow}: {} bytes from the station", bytes.len())
            }
            Self::FlowSent { flow, bytes } => {
                write!(f, "flow {flow}: {bytes} bytes to the station")
            }
            Self::FlowFinished { flow } => write!(f, "flow {flow}: the station sends no more"),
            Self::FlowEnded { flow, how: FlowEnding::Finished } => write!(f, "flow {flow}: closed"),
            Self::FlowEnded { flow, how: FlowEnding::Reset } => write!(f, "flow {flow}: reset"),
            Self::Secured { connection, host, how, agreed: true } => {
                write!(f, "tls: connection {connection} with {host}: {how}")
            }
            Self::Secured { connection, host, how, agreed: false } => {
                write!(f, "tls: connection {connection} with {host} failed: {how}")
            }
            Self::Mqtt { host, event } => write!(f, "mqtt {host}: {event}"),
            Self::TalkBegun { talk, host, own, station } => {
                write!(f, "talk {talk}: {station} calls {host} at port {}", own.port())
            }
            Self::TalkHeard { talk, bytes } => {
                write!(f, "talk {talk}: {} bytes: {}", bytes.len(), bytes.escape_ascii())
            }
            Self::TalkEnded { talk, whole: true } => write!(f, "talk {talk}: whole"),
            Self::TalkEnded { talk, whole: false } => write!(f, "talk {talk}: cut short"),
            Self::NotDialled { id } => write!(f, "flow: call {id} not answered"),
            Self::Datagram { host, port, from, bytes } => {
                write!(f, "udp: {from} -> {host}:{port}, {} bytes", bytes.len())
            }
            Self::NoWayOut { from, to, protocol } => {
                write!(f, "gateway: {from} -> {to} ({protocol}): no way out")
            }
            Self::Malformed { mac, why } => write!(f, "malformed frame from {mac}: {why}"),
            Self::BadMessage { from, why } => write!(f, "bad message from {from}: {why}"),
            Self::BrokenOff => f.write_str("all connections of hosts are reset"),
            Self::EventsLost(count) => write!(f, "{count} events were dropped"),
            Self::FramesLost(count) => write!(f, "{count} frames for stations were dropped"),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Nothing => f.write_str("nothing of that kind"),
            Self::NoSuchName => f.write_str("no such name"),
            Self::Lie(Lie::Address(address)) => write!(f, "{address} (a lie)"),
            Self::Lie(Lie::NoSuchName) => f.write_str("no such name (a lie)"),
            Self::Lie(Lie::Failure) => f.write_str("failure (as told)"),
            Self::Lie(Lie::Silence) => f.write_str("silence (as told)"),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "closed",
            Self::ResetByClient => "reset by the client",
            Self::ResetByServer => "reset by the server",
            Self::Replaced => "replaced by a new one",
            Self::Forgotten => "forgotten",
        })
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoConnection => "no connection within the time",
            Self::Reset => "refused or reset",
            Self::TimedOut => "no whole answer within the time",
            Self::NotHttp => "what came is not HTTP",
            Self::Cut => "the connection ended too early",
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("TCP"),
            Self::Udp => f.write_str("UDP"),
            Self::Icmp => f.write_str("ICMP"),
            Self::Other(number) => write!(f, "protocol {number}"),
        }
    }
}
