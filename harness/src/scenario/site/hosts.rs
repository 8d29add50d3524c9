//! `hosts`: the computers on the network, and what they serve.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::network::is_host;
use super::{PORT, check_name, few, internet, items, mqtt, port, scripts, twice, web};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Key, Kind};
use crate::site::{Host, Mqtt, NTP, Network, Script, Transport};

/// `hosts`.
pub const HOSTS: Key = Key::optional(
    "hosts",
    Kind::List(&Kind::Keys(&[
        Key::required("name", Kind::Text, "What steps and the network call it."),
        Key::required("address", Kind::Text, "Its address, such as `192.168.0.4`."),
        web::HTTP,
        web::HTTPS,
        mqtt::MQTT,
        Key::optional("tcp-echo", Kind::List(&PORT), "TCP ports that send back what they get."),
        Key::optional("udp-echo", Kind::List(&PORT), "UDP ports that do."),
        scripts::TCP,
        scripts::UDP,
        Key::or("ntp", Kind::Flag, "false", "It tells the time (SNTP), as the router does."),
        internet::FORWARD,
    ])),
    "The computers on the network.",
);

pub(super) fn read_hosts(
    node: &Node,
    network: Option<&Network>,
    decoder: &mut Decoder,
) -> Option<Vec<Host>> {
    let items = few(node, "hosts", decoder)?;
    let read: Vec<_> = items.iter().map(|item| host(item, network, decoder)).collect();
    let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    addresses.extend(network.map(|network| network.gateway));
    for (item, host) in items.iter().zip(&read) {
        let Some(Host { name, address, .. }) = host else { continue };
        if !names.insert(name.to_ascii_lowercase()) {
            return decoder.bad(item.span.clone(), format!("two hosts are called `{name}`"));
        }
        if !addresses.insert(*address) {
            let message = format!("{address} is taken by another host or the gateway");
            return decoder.bad(item.span.clone(), message);
        }
    }
    read.into_iter().collect()
}

fn host(node: &Node, network: Option<&Network>, decoder: &mut Decoder) -> Option<Host> {
    let mut fields = Fields::new(node, "a host", decoder)?;
    let name = fields.required::<Spanned>("name", decoder).and_then(|it| check_name(it, decoder));
    let address = match fields.node("address") {
        None => {
            fields.missing("address");
            None
        }
        Some(node) => match node.as_text().and_then(|text| text.parse::<Ipv4Addr>().ok()) {
            Some(address) if network.is_none_or(|it| is_host(address, it.gateway, it.prefix)) => {
                Some(address)
            }
            Some(address) => {
                decoder.bad(node.span.clone(), format!("{address} is not in the network"))
            }
            None => decoder.wrong(node, "an address such as 192.168.0.4"),
        },
    };
    let http = match fields.node("http") {
        None => Some(None),
        Some(node) => web::http(node, decoder).map(Some),
    };
    let https = match fields.node("https") {
        None => Some(None),
        Some(node) => web::https(node, decoder).map(Some),
    };
    let mqtt = match fields.node("mqtt") {
        None => Some(None),
        Some(node) => mqtt::mqtt(node, decoder).map(Some),
    };
    let tcp_echo = ports(&mut fields, "tcp-echo", decoder);
    let udp_echo = ports(&mut fields, "udp-echo", decoder);
    let tcp_scripts = scripts::scripts(Transport::Tcp, "tcp", &mut fields, decoder);
    let udp_scripts = scripts::scripts(Transport::Udp, "udp", &mut fields, decoder);
    let ntp = fields.or("ntp", false, decoder);
    let forward = match fields.node("forward") {
        None => Some(Vec::new()),
        Some(node) => items(node).iter().map(|item| internet::forward(item, decoder)).collect(),
    };
    let span = fields.span();
    fields.finish(UnknownKeys::Deny, decoder);
    let secured = https.iter().flatten().map(|https| https.http.port);
    let web = http.iter().flatten().map(|http| http.port).chain(secured);
    let forwarded = forward.iter().flatten().map(|(port, _)| *port);
    let port = |script: &Script| script.port;
    let tcp = tcp_echo.iter().flatten().copied().chain(web).chain(forwarded);
    let tcp = tcp.chain(mqtt.iter().flatten().flat_map(Mqtt::ports));
    let tcp = tcp.chain(tcp_scripts.iter().flatten().map(port));
    let udp = udp_echo.iter().flatten().copied().chain(udp_scripts.iter().flatten().map(port));
    let udp = udp.chain(ntp.filter(|is| *is).map(|_| NTP));
    if let Some(port) = twice(tcp).or_else(|| twice(udp)) {
        return decoder.bad(span, format!("port {port} has two services"));
    }
    Some(Host {
        name: name?,
        address: address?,
        http: http?,
        https: https?,
        mqtt: mqtt?,
        tcp_echo: tcp_echo?,
        udp_echo: udp_echo?,
        ntp: ntp?,
        forward: forward?.into_iter().collect(),
        scripts: tcp_scripts?.into_iter().chain(udp_scripts?).collect(),
    })
}

fn ports(fields: &mut Fields<'_>, key: &'static str, decoder: &mut Decoder) -> Option<Vec<u16>> {
    let Some(node) = fields.node(key) else { return Some(Vec::new()) };
    let ports: Vec<_> = items(node).iter().map(|item| port(item, decoder)).collect();
    ports.into_iter().collect()
}
