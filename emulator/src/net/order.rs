//! What a scenario tells the network to do.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use thiserror::Error;

use super::mqtt::{self, Message, PACKET_LIMIT};
use crate::time::Duration;

/// Something that the network is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The next requests to a web server get this answer instead of its own.
    Respond {
        /// The host.
        host: String,
        /// Its web server's port.
        port: u16,
        /// Only requests for this path; others keep their answer.
        path: Option<String>,
        /// The answer.
        response: Response,
        /// To how many requests.
        times: u32,
    },
    /// The DHCP server answers, or does not.
    Dhcp(Dhcp),
    /// What the name server says from now on, of one name or of all.
    Dns {
        /// The name; none: all that no other lie is about.
        name: Option<String>,
        /// What it says; none: the truth.
        lie: Option<Lie>,
    },
    /// All answers that were told to a web server and not given yet are forgotten.
    Forget {
        /// The host.
        host: String,
        /// Its web server's port.
        port: u16,
    },
    /// The wire between stations and hosts.
    Link(Link),
    /// What is wrong with that wire from now on.
    Faults(Faults),
    /// The station of a mobile host has joined a network, or has left it.
    Mobile {
        /// The host, by its number.
        mobile: usize,
        /// Whether its frames pass.
        link: Link,
    },
    /// A host sends an HTTP request to a station; the answer comes as an event.
    Request(Request),
    /// A host's broker publishes a message.
    Publish {
        /// The host.
        host: String,
        /// It.
        message: Message,
    },
    /// All connections of hosts are reset. The network orders it of itself when too much has come in
    /// without a pause.
    BreakOff,
    /// A host connects to a station; the connection becomes a flow.
    Dial {
        /// Given back when the flow is opened, or is not.
        id: u64,
        /// The host; `gateway` is one, too.
        host: String,
        /// Whom it connects to.
        to: SocketAddrV4,
    },
    /// A host sends a datagram from a UDP port of its own, and tells what comes back there.
    Datagram {
        /// The host.
        host: String,
        /// Its port.
        from: u16,
        /// To whom.
        to: SocketAddrV4,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// A host takes connections at a TCP port from now on, if nothing does yet: they become flows.
    Listen {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// What happens to a flow; nothing, if it is over.
    Flow {
        /// Its number.
        flow: u64,
        /// What.
        order: FlowOrder,
    },
}

/// What is done with a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowOrder {
    /// Bytes for the station.
    Send(Arc<[u8]>),
    /// So many more of the station's bytes were taken; as many may be told.
    Taken(usize),
    /// Nothing more will be sent.
    Finish,
    /// The connection is reset.
    Reset,
}

/// Whether the DHCP server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dhcp {
    /// It does.
    Answers,
    /// It hears everything and says nothing.
    Silent,
}

/// Whether frames pass between stations and hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// They do.
    Up,
    /// They are lost, both ways. Clocks and servers of the hosts go on.
    Down,
}

/// What is wrong with the wire between stations and hosts, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Of a thousand frames, so many are lost.
    pub loss: u16,
    /// Of a thousand frames, so many come twice.
    pub duplicated: u16,
    /// Of a thousand frames, so many are overtaken by those of the next 5 ms.
    pub reordered: u16,
    /// How long each frame takes.
    pub delay: Duration,
    /// How much longer it may take, at random.
    pub jitter: Duration,
    /// Packets larger than this vanish; none: what Ethernet carries.
    pub mtu: Option<usize>,
}

/// A wrong answer of a name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// The name has this address (for all names: a captive portal).
    Address(Ipv4Addr),
    /// There is no such name.
    NoSuchName,
    /// The server has failed (SERVFAIL).
    Failure,
    /// No answer at all.
    Silence,
}

/// An answer that a web server is told to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status, such as 200.
    pub status: u16,
    /// The words behind the status; none: those of RFC 9110.
    pub reason: Option<String>,
    /// Headers in this order and case. `Content-Length` and `Connection` are added unless named
    /// here; nothing else is.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Arc<[u8]>,
    /// Time from the request's last byte to the first one of the answer.
    pub delay: Duration,
    /// How the body is sent.
    pub manner: Manner,
}

/// How a scripted answer leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// At once.
    #[default]
    Whole,
    /// After so many bytes of the body the connection is closed, as if that were all.
    Truncated(usize),
    /// After so many bytes of head and body the connection is reset.
    Reset(usize),
    /// So many bytes of the body at a time.
    Drip {
        /// Bytes, at least 1.
        bytes: usize,
        /// Time between them.
        every: Duration,
    },
    /// Nothing is ever sent; the connection stays.
    Silence,
}

impl Response {
    /// An answer without headers or body, sent at once.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            reason: None,
            headers: Vec::new(),
            body: Arc::from([]),
            delay: Duration::ZERO,
            manner: Manner::Whole,
        }
    }
}

/// A request from a host to a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Given back with the answer.
    pub id: u64,
    /// The host that asks.
    pub host: String,
    /// Who is asked.
    pub to: SocketAddrV4,
    /// `GET` and others.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers in this order and case. `Host` and `Content-Length` are added unless named here.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Arc<[u8]>,
    /// Patience for the whole answer.
    pub within: Duration,
}

/// Why the network cannot do what it is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OrderError {
    /// Nobody has this name.
    #[error("no host is called {0:?}")]
    NoSuchHost(String),
    /// Nothing of this kind is served there.
    #[error("{host} has no web server at port {port}")]
    NoSuchServer {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// No broker is there.
    #[error("{0} has no MQTT broker")]
    NoBroker(String),
    /// A name that no message can have.
    #[error("{0:?} is no topic: 1 to 65535 bytes without `+`, `#` and NUL")]
    Topic(String),
    /// A message that is too large.
    #[error("a message of {0} bytes is too large")]
    Large(usize),
    /// A request or answer that could not be written as HTTP.
    #[error("{0:?} cannot be part of an HTTP message here")]
    NotHttp(String),
    /// A status that is none.
    #[error("{0} is no status of a final answer: 200 to 999 are")]
    Status(u16),
    /// Port or address to which nothing can be sent.
    #[error("nothing can be sent to {0}")]
    Destination(SocketAddrV4),
    /// No port.
    #[error("nobody can listen at port 0")]
    Port,
}

impl Order {
    /// What can be seen without knowing the network.
    pub(super) fn check(&self) -> Result<(), OrderError> {
        match self {
            Self::Respond { response, .. } => {
                if !(200..=999).contains(&response.status) {
                    return Err(OrderError::Status(response.status));
                }
                response.reason.iter().try_for_each(|reason| check_text(reason))?;
                check_headers(&response.headers)
            }
            Self::Request(request) => {
                check_token(&request.method)?;
                if request.target.is_empty()
                    || !request.target.bytes().all(|b| b.is_ascii_graphic())
                {
                    return Err(OrderError::NotHttp(request.target.clone()));
                }
                check_destination(request.to)?;
                check_headers(&request.headers)
            }
            Self::Dial { to, .. } => check_destination(*to),
            Self::Publish { message, .. } => {
                let Message { topic, payload, .. } = message;
                match payload.len() {
                    _ if !mqtt::is_name(topic) => Err(OrderError::Topic(topic.to_string())),
                    size if size > PACKET_LIMIT => Err(OrderError::Large(size)),
                    _ => Ok(()),
                }
            }
            Self::Listen { port: 0, .. } | Self::Datagram { from: 0, .. } => Err(OrderError::Port),
            Self::Datagram { to, .. } => check_destination(*to),
            Self::Dhcp(_)
            | Self::BreakOff
            | Self::Listen { .. }
            | Self::Flow { .. }
            | Self::Dns { .. }
            | Self::Forget { .. }
            | Self::Link(_)
            | Self::Mobile { .. }
            | Self::Faults(_) => Ok(()),
        }
    }
}

fn check_destination(to: SocketAddrV4) -> Result<(), OrderError> {
    let address = *to.ip();
    let nobody = address.is_unspecified() || address.is_multicast() || address.is_broadcast();
    if nobody || to.port() == 0 { Err(OrderError::Destination(to)) } else { Ok(()) }
}

fn check_headers(headers: &[(String, String)]) -> Result<(), OrderError> {
    headers.iter().try_for_each(|(name, value)| check_token(name).and_then(|()| check_text(value)))
}

fn check_token(text: &str) -> Result<(), OrderError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !text.is_empty() && text.bytes().all(fits) {
        Ok(())
    } else {
        Err(OrderError::NotHttp(text.to_owned()))
    }
}

fn check_text(text: &str) -> Result<(), OrderError> {
    if text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f)) {
        Ok(())
    } else {
        Err(OrderError::NotHttp(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_message_is_refused() {
        let mut response = Response::new(200);
        response.headers.push(("X".to_owned(), "a\r\nSet-Cookie: b".to_owned()));
        let respond = |response| Order::Respond {
            host: "a".to_owned(),
            port: 80,
            path: None,
            response,
            times: 1,
        };
        assert!(matches!(respond(response).check(), Err(OrderError::NotHttp(_))));
        assert_eq!(respond(Response::new(101)).check(), Err(OrderError::Status(101)));
        assert_eq!(respond(Response::new(204)).check(), Ok(()));
    }
}
