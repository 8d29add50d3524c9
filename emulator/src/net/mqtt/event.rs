//! What a broker tells.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use mqtt_proto::QoS;

use crate::time::Duration;

/// Bytes of a message that are shown.
const SHOWN: usize = 64;

/// How surely a message comes (4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
    /// QoS 2.
    ExactlyOnce,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Under which name.
    pub topic: Arc<str>,
    /// What it says.
    pub payload: Arc<[u8]>,
    /// How surely it comes.
    pub qos: Qos,
    /// It is kept for those who subscribe later; or, on its way to a client, it was.
    pub retain: bool,
}

/// Who publishes a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// A client.
    Client(Arc<str>),
    /// The broker, for a client that is gone.
    Will(Arc<str>),
    /// The host itself, by order.
    Host,
}

/// How a client leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// It says so.
    Disconnected,
    /// Its connection ends.
    Lost,
    /// It says nothing for so long.
    Silent(Duration),
    /// Another connection has its name.
    Replaced,
    /// It does not keep to the protocol, in this way.
    Violated(String),
}

/// Something that happened at a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MqttEvent {
    /// A client was let in.
    Joined {
        /// Its identifier.
        client: Arc<str>,
        /// From where.
        station: SocketAddr,
        /// There is a session of its that was kept.
        is_back: bool,
        /// Seconds; none: it may be silent for ever.
        keep_alive: Option<u16>,
    },
    /// Somebody was not let in.
    Refused {
        /// From where.
        station: SocketAddr,
        /// Why.
        why: String,
    },
    /// A client is gone.
    Left {
        /// Which.
        client: Arc<str>,
        /// How.
        how: Departure,
    },
    /// A client wants messages.
    Subscribed {
        /// Which.
        client: Arc<str>,
        /// Of these topics.
        filter: String,
        /// How surely; none: it gets none.
        qos: Option<Qos>,
    },
    /// A client wants them no more.
    Unsubscribed {
        /// Which.
        client: Arc<str>,
        /// Of these topics.
        filter: String,
    },
    /// A message was published.
    Published {
        /// By whom.
        author: Author,
        /// It.
        message: Message,
    },
    /// A message is on its way to a client.
    Delivered {
        /// To whom.
        client: Arc<str>,
        /// It.
        message: Message,
        /// It was before, on another connection.
        is_again: bool,
    },
    /// A message was dropped, because too many wait for this client.
    Dropped {
        /// Which.
        client: Arc<str>,
        /// It.
        message: Message,
    },
    /// A message was not kept, because too many are.
    NotRetained {
        /// It.
        message: Message,
    },
}

impl Qos {
    /// 0, 1 or 2.
    pub fn level(self) -> u8 {
        self as u8
    }
}

impl From<QoS> for Qos {
    fn from(qos: QoS) -> Self {
        match qos {
            QoS::Level0 => Self::AtMostOnce,
            QoS::Level1 => Self::AtLeastOnce,
            QoS::Level2 => Self::ExactlyOnce,
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, payload, qos, retain } = self;
        let retained = if *retain { ", retained" } else { "" };
        let shown = &payload[..payload.len().min(SHOWN)];
        let cut = if shown.len() < payload.len() { "…" } else { "" };
        write!(f, "{topic} (QoS {}{retained}, ", qos.level())?;
        write!(f, "{} bytes): {}{cut}", payload.len(), shown.escape_ascii())
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client) => f.write_str(client),
            Self::Will(client) => write!(f, "the will of {client}"),
            Self::Host => f.write_str("the host"),
        }
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("disconnected"),
            Self::Lost => f.write_str("connection lost"),
            Self::Silent(span) => write!(f, "silent for {span}"),
            Self::Replaced => f.write_str("another connection has its name"),
            Self::Violated(why) => write!(f, "against the protocol: {why}"),
        }
    }
}

impl fmt::Display for MqttEvent {
    /// Without the host's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { client, station, is_back, keep_alive } => {
                let session = if *is_back { "its session goes on" } else { "a new session" };
                write!(f, "{client} joins from {station} ({session}, ")?;
                match keep_alive {
                    Some(seconds) => write!(f, "keep alive {seconds} s)"),
                    None => f.write_str("no keep alive)"),
                }
            }
            Self::Refused { station, why } => write!(f, "{station} refused: {why}"),
            Self::Left { client, how } => write!(f, "{client} leaves: {how}"),
            Self::Subscribed { client, filter, qos: Some(qos) } => {
                write!(f, "{client} subscribes to {filter} (QoS {})", qos.level())
            }
            Self::Subscribed { client, filter, qos: None } => {
                write!(f, "{client} has too many subscriptions for {filter}")
            }
            Self::Unsubscribed { client, filter } => {
                write!(f, "{client} unsubscribes from {filter}")
            }
            Self::Published { author, message } => write!(f, "from {author}: {message}"),
            Self::Delivered { client, message, is_again } => {
                let again = if *is_again { " once more" } else { "" };
                write!(f, "to {client}{again}: {message}")
            }
            Self::Dropped { client, message } => {
                write!(f, "too much waits for {client}, dropped: {message}")
            }
            Self::NotRetained { message } => {
                write!(f, "too much is retained, not kept: {message}")
            }
        }
    }
}
