//! `internet`, and `forward` of a host: ways that lead to the real world.

use std::net::{IpAddr, Ipv4Addr};

use super::network::is_host;
use super::{PORT, few, is_name, port};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Key, Kind};
use crate::site::{Destination, Network};

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

/// `forward` of a host.
pub(super) const FORWARD: Key = Key::optional(
    "forward",
    Kind::List(&Kind::Keys(&[
        Key::required("port", PORT, "The host's TCP port."),
        Key::required("to", Kind::Text, "Where it leads, such as `127.0.0.1:8000`."),
    ])),
    "TCP ports behind which there is a server of the real world. What connects there runs at wall time.",
);

pub(super) fn forward(node: &Node, decoder: &mut Decoder) -> Option<(u16, Destination)> {
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

pub(super) fn read_internet(
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
