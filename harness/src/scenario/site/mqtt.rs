//! `mqtt` of a host: its broker.

use std::collections::BTreeMap;

use super::{PORT, port, web};
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::{Node, Value};
use crate::scenario::reference::{Key, Kind};
use crate::site::{Mqtt, MqttTls};

/// `mqtt`.
pub(super) const MQTT: Key = Key::optional(
    "mqtt",
    Kind::Keys(&[
        Key::or("port", PORT, "1883", "Its TCP port."),
        Key::optional(
            "tls",
            Kind::Keys(&[Key::or("port", PORT, "8883", "Its TCP port."), web::CERTIFICATE]),
            "A second port, with TLS as `https` has it.",
        ),
        Key::optional(
            "users",
            Kind::Named(&Kind::Text),
            "Who is let in: names, each with a password. Without any, everybody is.",
        ),
    ]),
    "Its MQTT broker (3.1.1).",
);

pub(super) fn mqtt(node: &Node, decoder: &mut Decoder) -> Option<Mqtt> {
    let mut fields = Fields::new(node, "a broker", decoder)?;
    let at = match fields.node("port") {
        None => Some(1883),
        Some(node) => port(node, decoder),
    };
    let tls = match fields.node("tls") {
        None => Some(None),
        Some(node) => tls(node, decoder).map(Some),
    };
    let users = match fields.node("users") {
        None => Some(BTreeMap::new()),
        Some(node) => users(node, decoder),
    };
    fields.finish(UnknownKeys::Deny, decoder);
    Some(Mqtt { port: at?, tls: tls?, users: users? })
}

fn tls(node: &Node, decoder: &mut Decoder) -> Option<MqttTls> {
    let mut fields = Fields::new(node, "a port with TLS", decoder)?;
    let at = match fields.node("port") {
        None => Some(8883),
        Some(node) => port(node, decoder),
    };
    let flaw = web::flaw(&mut fields, decoder);
    fields.finish(UnknownKeys::Deny, decoder);
    Some(MqttTls { port: at?, flaw: flaw? })
}

fn users(node: &Node, decoder: &mut Decoder) -> Option<BTreeMap<String, String>> {
    let Value::Map(entries) = &node.value else {
        return decoder.wrong(node, "names, each with a password");
    };
    let user = |(name, password): &(Node, Node)| {
        Some((String::decode(name, decoder)?, String::decode(password, decoder)?))
    };
    let users: Vec<_> = entries.iter().map(user).collect();
    users.into_iter().collect()
}
