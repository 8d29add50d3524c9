//! `stations`: computers that may join a network of the board's own.

use super::network::address_with_prefix;
use super::{check_name, check_password, check_ssid, few, signal};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Key, Kind};
use crate::site::Station;

/// `stations`.
pub const STATIONS: Key = Key::optional(
    "stations",
    Kind::List(&Kind::Keys(&[
        Key::required("name", Kind::Text, "What steps call it."),
        Key::required("ssid", Kind::Text, "The name of the network that it joins, 1 to 32 bytes."),
        Key::optional(
            "password",
            Kind::Text,
            "8 to 63 characters, for WPA2. Without one it joins only an open network.",
        ),
        Key::or("signal", Kind::Signal, "-50dBm", "How strong the board hears it, -95dBm to 0dBm."),
        Key::optional(
            "address",
            Kind::Text,
            "Its own address and how many bits of it are the network's, such as `192.168.4.7/24`; without, it asks the board for one by DHCP.",
        ),
    ])),
    "Computers that may join a network of the board's own (an access point in software), by the step `station`.",
);

pub(super) fn read_stations(node: &Node, decoder: &mut Decoder) -> Option<Vec<Station>> {
    let items = few(node, "stations", decoder)?;
    let read = items.iter().enumerate().map(|(n, item)| station(item, n as u8, decoder));
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn station(node: &Node, n: u8, decoder: &mut Decoder) -> Option<Station> {
    let mut fields = Fields::new(node, "a station", decoder)?;
    let name = fields.required::<Spanned>("name", decoder).and_then(|it| check_name(it, decoder));
    let ssid = fields.required::<Spanned>("ssid", decoder).and_then(|it| check_ssid(it, decoder));
    let password = match fields.optional::<Spanned>("password", decoder) {
        Some(Some(password)) => check_password(password, decoder).map(Some),
        other => other.map(|_| None),
    };
    let signal = signal(&mut fields, decoder);
    let address = match fields.node("address") {
        None => Some(None),
        Some(node) => address_with_prefix(node, decoder).map(Some),
    };
    fields.finish(UnknownKeys::Deny, decoder);
    Some(Station {
        name: name?,
        ssid: ssid?,
        password: password?,
        signal: signal?,
        // Locally administered, and none of an access point.
        mac: [0x02, 0x62, 0x72, 0, 1, n + 1],
        address: address?,
    })
}
