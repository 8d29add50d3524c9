//! `network`: the one behind the access points, and its router.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::domain_name;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::{Node, Value};
use crate::scenario::reference::{Key, Kind};
use crate::site::{Host, Network};

/// `network`.
pub const NETWORK: Key = Key::optional(
    "network",
    Kind::Keys(&[
        Key::or(
            "gateway",
            Kind::Text,
            "192.168.0.1/24",
            "The router's address and how many bits of it are the network's. It lends addresses, answers names with those of hosts, and tells the time (SNTP).",
        ),
        Key::or(
            "date",
            Kind::Text,
            "2026-01-01",
            "What the clocks of router and hosts show when the case begins: a day, or a moment such as `2026-02-03T04:05:06Z`.",
        ),
        Key::optional(
            "names",
            Kind::Named(&Kind::Text),
            "Names that the router answers besides those of hosts, such as `pool.ntp.org`, each with an address, the name of a host, or `gateway`.",
        ),
    ]),
    "The network behind the access points. It has no way out.",
);

/// The network, and the node of its names, which may be those of hosts.
pub(super) fn read_network<'n>(
    node: &'n Node,
    decoder: &mut Decoder,
) -> Option<(Network, Option<&'n Node>)> {
    let mut fields = Fields::new(node, "the network", decoder)?;
    let gateway = match fields.node("gateway") {
        None => Some((Network::default().gateway, Network::default().prefix)),
        Some(node) => address_with_prefix(node, decoder),
    };
    let date = match fields.node("date") {
        None => Some(Network::default().date),
        Some(node) => match node.as_text().and_then(seconds) {
            Some(date) => Some(date),
            None => decoder
                .wrong(node, "a date from 1970 to 9999 such as 2026-02-03 or 2026-02-03T04:05:06Z"),
        },
    };
    let names = fields.node("names");
    fields.finish(UnknownKeys::Deny, decoder);
    let ((gateway, prefix), date) = (gateway?, date?);
    Some((Network { gateway, prefix, date, ..Network::default() }, names))
}

/// Seconds since 1970 of a day's beginning (UTC) or of a moment as RFC 3339 writes it.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let moment = match text.parse::<Date>() {
        // A moment begins with a day, which alone would be taken of it.
        Ok(day) if text.len() == "2026-02-03".len() => {
            TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?
        }
        _ => text.parse::<Timestamp>().ok()?,
    };
    u64::try_from(moment.as_second()).ok()
}

/// The names of a network, each with the address that it leads to.
pub(super) fn names(
    node: Option<&Node>,
    network: &Network,
    hosts: &[Host],
    decoder: &mut Decoder,
) -> Option<BTreeMap<String, Ipv4Addr>> {
    let Some(node) = node else { return Some(BTreeMap::new()) };
    let Value::Map(entries) = &node.value else {
        return decoder.wrong(node, "names, each with an address");
    };
    let read: Vec<_> = entries
        .iter()
        .map(|(name, to)| {
            let name = Spanned::decode(name, decoder).and_then(|it| domain_name(it, decoder));
            let text = to.as_text().unwrap_or_default();
            let host = hosts.iter().find(|host| host.name.eq_ignore_ascii_case(text));
            let to = match (text.parse(), host) {
                (Ok(address), _) => Some(address),
                (_, Some(host)) => Some(host.address),
                _ if text == "gateway" => Some(network.gateway),
                _ => decoder.wrong(to, "an address, the name of a host, or `gateway`"),
            };
            Some((name?, to?))
        })
        .collect();
    read.into_iter().collect()
}

/// An address of a computer, and how many bits of it are its network's.
pub(super) fn address_with_prefix(node: &Node, decoder: &mut Decoder) -> Option<(Ipv4Addr, u8)> {
    let parts = node.as_text().and_then(|text| text.split_once('/'));
    let parsed = parts.and_then(|(address, prefix)| {
        let prefix = prefix.parse().ok().filter(|prefix| (8..=28).contains(prefix))?;
        Some((address.parse::<Ipv4Addr>().ok()?, prefix))
    });
    match parsed.filter(|&(address, prefix)| is_host(address, address, prefix)) {
        Some(parsed) => Some(parsed),
        None => decoder.wrong(node, "an address with 8 to 28 bits, such as 192.168.0.1/24"),
    }
}

/// Whether an address is that of a computer in the network of `gateway`.
pub(super) fn is_host(address: Ipv4Addr, gateway: Ipv4Addr, prefix: u8) -> bool {
    let rest = u32::MAX >> prefix;
    let (address, gateway) = (address.to_bits(), gateway.to_bits());
    (address ^ gateway) & !rest == 0 && address & rest != 0 && address & rest != rest
}
