//! A broker as clients see it that write their packets by hand.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;

use super::station::Bench;
use super::{LAPTOP, STATION, order};
use esp32_emulator::net::{
    HostConfig, Message, Network, NetworkConfig, Order, OrderError, Qos, RENEWAL, Service,
};
use esp32_emulator::time::Duration;

const BROKER: SocketAddrV4 = SocketAddrV4::new(LAPTOP, 1883);

fn bench() -> Bench {
    let users = BTreeMap::new();
    let services = vec![Service::Mqtt { port: 1883, secured: None, users }, Service::TcpEcho(7)];
    let hosts = vec![HostConfig { name: "laptop".to_owned(), address: LAPTOP, services }];
    let config = NetworkConfig { seed: 1, hosts, ..NetworkConfig::default() };
    Bench::with_address(Network::new(config).unwrap(), STATION)
}

/// CONNECT of a client that leaves `bye` on the topic `gone`, and says something every 10 s.
fn connect(name: &str) -> Vec<u8> {
    let mut rest = b"\0\x04MQTT\x04\x06\0\x0a\0".to_vec();
    rest.push(name.len() as u8);
    rest.extend(name.bytes());
    rest.extend(b"\0\x04gone\0\x03bye");
    let mut packet = vec![0x10, rest.len() as u8];
    packet.extend(rest);
    packet
}

const CONNACK: &[u8] = b"\x20\x02\0\0";
/// To everything, at QoS 1.
const SUBSCRIBE: &[u8] = b"\x82\x06\0\x01\0\x01#\x01";

fn publish(bench: &mut Bench, topic: &str, payload: &[u8], retain: bool) {
    let message =
        Message { topic: topic.into(), payload: Arc::from(payload), qos: Qos::AtLeastOnce, retain };
    order(bench, Order::Publish { host: "laptop".to_owned(), message });
}

#[test]
fn a_client_that_falls_silent_leaves_its_will_and_copies_of_the_network_see_it_too() {
    let mut bench = bench();
    let (a, b) = (bench.connect(BROKER), bench.connect(BROKER));
    assert_eq!(bench.talk(a, &connect("a"), 4), CONNACK);
    assert_eq!(bench.talk(b, &connect("b"), 4), CONNACK);
    bench.shadows.push(bench.network.clone());
    assert_eq!(bench.talk(b, SUBSCRIBE, 5), b"\x90\x03\0\x01\x01");
    publish(&mut bench, "lamp", b"on", false);
    assert_eq!(bench.talk(b, b"", 12), b"\x32\x0a\0\x04lamp\0\x01on");
    bench.shadows.push(bench.network.clone());
    bench.run_for(Duration::from_secs(9));
    assert_eq!(bench.talk(b, b"\x40\x02\0\x01\xc0\0", 2), b"\xd0\0");
    // a has said nothing for 15 s.
    let before = bench.now;
    assert_eq!(bench.talk(b, b"", 11), b"\x30\x09\0\x04gonebye");
    let waited = bench.now.saturating_since(before);
    assert!((5..7).contains(&(waited.as_millis() / 1000)), "{waited}");
    assert_eq!(bench.talk(a, b"", 1), b"", "it was closed");
}

#[test]
fn what_is_retained_outlives_the_log() {
    let mut bench = bench();
    publish(&mut bench, "lamp", b"on", true);
    let echo = SocketAddrV4::new(LAPTOP, 7);
    bench.exchange(echo, &vec![0; RENEWAL], RENEWAL);
    assert!(bench.network.log_size() > RENEWAL);
    bench.run_for(Duration::from_secs(30));
    bench.ping(LAPTOP, b"ping");
    assert!(bench.network.log_size() < 4_000, "{}", bench.network.log_size());
    let a = bench.connect(BROKER);
    assert_eq!(bench.talk(a, &connect("a"), 4), CONNACK);
    let heard = bench.talk(a, SUBSCRIBE, 17);
    assert_eq!(heard, b"\x90\x03\0\x01\x01\x33\x0a\0\x04lamp\0\x01on");
}

#[test]
fn a_connection_that_is_reset_is_a_client_that_is_lost() {
    let mut bench = bench();
    let b = bench.connect(BROKER);
    assert_eq!(bench.talk(b, &connect("b"), 4), CONNACK);
    assert_eq!(bench.talk(b, SUBSCRIBE, 5), b"\x90\x03\0\x01\x01");
    let a = bench.connect(BROKER);
    assert_eq!(bench.talk(a, &connect("a"), 4), CONNACK);
    // All that was under way is confirmed.
    bench.run_for(Duration::from_secs(1));
    bench.tcp(a).abort();
    bench.run_for(Duration::from_millis(10));
    assert_eq!(bench.tcp(b).recv_queue(), 11, "whoever has subscribed hears of it at once");
    let told: Vec<_> = bench.events.iter().map(|event| event.kind.to_string()).collect();
    let told = told.join("\n");
    let expected = "mqtt laptop: a leaves: connection lost\n\
                    mqtt laptop: from the will of a: gone (QoS 0, 3 bytes): bye";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn what_no_broker_can_publish_is_refused() {
    let mut bench = bench();
    let now = bench.now;
    let mut publish = |host: &str, topic: &str, size| {
        let payload = vec![0; size].into();
        let message = Message { topic: topic.into(), payload, qos: Qos::AtMostOnce, retain: false };
        bench.network.order(Order::Publish { host: host.to_owned(), message }, now)
    };
    assert_eq!(publish("laptop", "a/b", 5), Ok(()));
    assert_eq!(publish("laptop", "a/#", 5), Err(OrderError::Topic("a/#".to_owned())));
    assert_eq!(publish("laptop", "a", 2 << 20), Err(OrderError::Large(2 << 20)));
    assert_eq!(publish("gateway", "a", 5), Err(OrderError::NoBroker("gateway".to_owned())));
}
