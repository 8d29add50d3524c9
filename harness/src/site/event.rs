//! What the site tells.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{HttpFrame, Message};

/// Something that happened on the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteEvent {
    /// What an access point or a host tells, as one line.
    Log(String),
    /// An HTTP request or response was seen on the wire.
    Http(Arc<HttpFrame>),
    /// A client has published a message at a broker.
    Message(Arc<Message>),
    /// A station has this IP address from now on.
    Station {
        /// Its name.
        name: String,
        /// The address; none: it has lost it.
        address: Option<Ipv4Addr>,
    },
    /// What came of an [`Order::Request`](super::Order::Request); or why nothing came.
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
