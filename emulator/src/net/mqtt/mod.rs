//! An MQTT broker.
//!
//! *Source*: MQTT Version 3.1.1 (OASIS Standard, 29 October 2014), whose numbered statements are named
//! in brackets. Packets are taken apart and put together by the crate `mqtt-proto`.
//!
//! *Modelled*: versions 3.1 and 3.1.1; QoS 0, 1 and 2 in both directions; sessions that are kept and
//! such that are not, also that one connection takes another one's session over; retained messages;
//! wills; the wildcards `+` and `#`; keep-alive; names with passwords.
//!
//! *Not modelled*: MQTT 5 (refused as 3.1.2.2 wants it), who may read or write which topic, `$SYS`,
//! shared subscriptions, bridges. A packet is not sent again on a connection that stands: [MQTT-4.4.0-1]
//! wants that of a new one only, and TCP loses nothing.
//!
//! A broker and its connections know nothing of sockets. All that happens follows from the bytes that
//! come and their instants. What a client can make the broker keep has limits, and who oversteps them
//! is told so, as far as the protocol has words for it.

mod broker;
mod connection;
mod event;
mod session;
#[cfg(test)]
mod tests;
mod topic;

pub use event::{Author, Departure, Message, MqttEvent, Qos};

pub(super) use broker::{Broker, Told};
pub(super) use connection::Connection;
pub(super) use topic::is_name;

/// Bytes of a packet. The standard has it at 256 MiB.
pub const PACKET_LIMIT: usize = 1 << 20;
