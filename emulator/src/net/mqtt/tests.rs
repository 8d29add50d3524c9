//! A broker with clients that are lists of packets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mqtt_proto::v3::{
    Connect, ConnectReturnCode, LastWill, Packet, Publish, Subscribe, SubscribeReturnCode,
    Unsubscribe,
};
use mqtt_proto::{Pid, QoS, QosPid, TopicFilter, TopicName};
use proptest::prelude::*;

use super::broker::{Broker, Told};
use super::connection::Connection;
use super::{Author, Message, PACKET_LIMIT, Qos};
use crate::net::event::{NetEvent, NetEventKind};
use crate::net::stream::tests::Pipe;
use crate::time::{Duration, Instant};

struct Client {
    connection: Connection,
    pipe: Pipe,
    is_over: bool,
}

/// A broker, and whoever talks with it.
struct Stage {
    broker: Broker,
    clients: Vec<Client>,
    now: Instant,
    events: Vec<NetEvent>,
}

impl Stage {
    fn new() -> Self {
        Self::with_users(&[])
    }

    fn with_users(users: &[(&str, &str)]) -> Self {
        let user = |(name, password): &(&str, &str)| ((*name).to_owned(), (*password).to_owned());
        let users: BTreeMap<_, _> = users.iter().map(user).collect();
        Self {
            broker: Broker::new(&users),
            clients: Vec::new(),
            now: Instant::ZERO,
            events: Vec::new(),
        }
    }

    /// Somebody connects, and says nothing yet.
    fn call(&mut self) -> usize {
        let pipe = Pipe::new(7);
        self.clients.push(Client { connection: Connection::default(), pipe, is_over: false });
        self.clients.len() - 1
    }

    /// A client joins: its number, and whether its session was there.
    fn join(&mut self, connect: Connect) -> (usize, bool) {
        let n = self.call();
        let [Packet::Connack(connack)] = self.say(n, connect.into())[..] else {
            panic!("no CONNACK")
        };
        assert_eq!(connack.code, ConnectReturnCode::Accepted);
        (n, connack.session_present)
    }

    fn say(&mut self, n: usize, packet: Packet) -> Vec<Packet> {
        let bytes = packet.encode().expect("a packet");
        self.say_bytes(n, bytes.as_ref())
    }

    fn say_bytes(&mut self, n: usize, bytes: &[u8]) -> Vec<Packet> {
        self.clients[n].pipe.coming.extend_from_slice(bytes);
        self.settle();
        self.heard(n)
    }

    /// Everybody does what can be done.
    fn settle(&mut self) {
        let station: SocketAddr = "192.168.0.50:5000".parse().expect("an address");
        loop {
            let mut moved = false;
            for client in self.clients.iter_mut().filter(|client| !client.is_over) {
                let Client { connection, pipe, is_over } = client;
                let mut told = Told { host: "desk", at: self.now, events: &mut self.events };
                let (went_on, over) = connection.work(pipe, &mut self.broker, station, &mut told);
                *is_over = over;
                moved |= went_on;
            }
            if !moved {
                break;
            }
        }
    }

    /// What a client has been told.
    fn heard(&mut self, n: usize) -> Vec<Packet> {
        let bytes = std::mem::take(&mut self.clients[n].pipe.sent);
        let (mut rest, mut packets) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let packet = Packet::decode(rest).expect("a packet").expect("a whole one");
            rest = &rest[packet.encode_len().expect("a length")..];
            packets.push(packet);
        }
        packets
    }

    fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        // Each at its own instant, as in a network.
        while let Some(at) = self
            .clients
            .iter()
            .filter(|client| !client.is_over)
            .filter_map(|client| client.connection.deadline())
            .filter(|at| *at <= until)
            .min()
        {
            self.now = at;
            self.settle();
        }
        self.now = until;
        self.settle();
    }

    /// A connection ends, in the middle of whatever.
    fn cut(&mut self, n: usize) {
        self.clients[n].pipe.has_finished = true;
        self.settle();
    }

    fn publish(&mut self, message: Message) {
        let mut told = Told { host: "desk", at: self.now, events: &mut self.events };
        self.broker.publish(Author::Host, message, &mut told);
        self.settle();
    }

    /// What the broker has told.
    fn told(&mut self) -> String {
        let line = |event: &NetEvent| match &event.kind {
            NetEventKind::Mqtt { event, .. } => event.to_string(),
            other => other.to_string(),
        };
        let lines: Vec<_> = self.events.iter().map(line).collect();
        self.events.clear();
        lines.join("\n")
    }
}

fn connect(name: &str) -> Connect {
    Connect::new(name.into(), 60)
}

fn kept(name: &str) -> Connect {
    Connect { clean_session: false, ..connect(name) }
}

fn pid(n: u16) -> Pid {
    Pid::try_from(n).expect("not 0")
}

fn subscribe(filter: &str, qos: QoS) -> Packet {
    let filter = TopicFilter::try_from(filter).expect("a filter");
    Subscribe::new(pid(9), vec![(filter, qos)]).into()
}

fn publish(topic: &str, payload: &str, qos: QosPid) -> Publish {
    let topic = TopicName::try_from(topic).expect("a topic");
    Publish::new(qos, topic, payload.as_bytes().to_vec().into())
}

fn message(topic: &str, payload: &str, qos: Qos) -> Message {
    let payload = payload.as_bytes().into();
    Message { topic: topic.into(), payload, qos, retain: false }
}

/// What clients see of messages: topic, payload, QoS, whether it was retained, whether it comes again.
fn messages(packets: &[Packet]) -> Vec<String> {
    let message = |packet: &Packet| match packet {
        Packet::Publish(it) => {
            let flags = format!(
                "{}{}",
                if it.retain { " retained" } else { "" },
                if it.dup { " again" } else { "" }
            );
            let payload = String::from_utf8_lossy(&it.payload).into_owned();
            Some(format!("{} {payload} {}{flags}", &*it.topic_name, it.qos_pid.qos() as u8))
        }
        _ => None,
    };
    packets.iter().filter_map(message).collect()
}

#[test]
fn a_message_goes_to_those_who_want_it_at_the_lower_of_both_qos() {
    let mut stage = Stage::new();
    let ((a, _), (b, _), (c, _)) =
        (stage.join(connect("a")), stage.join(connect("b")), stage.join(connect("c")));
    let [Packet::Suback(granted)] = &stage.say(a, subscribe("x/+", QoS::Level1))[..] else {
        panic!("no SUBACK")
    };
    assert_eq!((granted.pid, &granted.topics[..]), (pid(9), &[SubscribeReturnCode::MaxLevel1][..]));
    stage.say(b, subscribe("x/#", QoS::Level2));
    stage.say(b, subscribe("x/y", QoS::Level0));
    assert_eq!(stage.say(c, publish("x/y", "1", QosPid::Level0).into()), []);
    let acknowledged = stage.say(c, publish("x/y", "2", QosPid::Level2(pid(7))).into());
    assert_eq!(acknowledged, [Packet::Pubrec(pid(7))]);
    assert_eq!(
        stage.say(c, publish("x/z/u", "3", QosPid::Level1(pid(8))).into()),
        [Packet::Puback(pid(8))]
    );
    let heard = stage.heard(a);
    assert_eq!(messages(&heard), ["x/y 1 0", "x/y 2 1"]);
    let heard = stage.heard(b);
    assert_eq!(messages(&heard), ["x/y 1 0", "x/y 2 2", "x/z/u 3 1"]);
    // No longer.
    let filter = TopicFilter::try_from("x/+").expect("a filter");
    let left = stage.say(a, Unsubscribe::new(pid(3), vec![filter]).into());
    assert_eq!(left, [Packet::Unsuback(pid(3))]);
    stage.publish(message("x/y", "4", Qos::AtMostOnce));
    assert_eq!(stage.heard(a), []);
    assert_eq!(stage.say(a, Packet::Pingreq), [Packet::Pingresp]);
}

#[test]
fn a_message_of_qos_2_is_published_once_however_often_it_is_sent() {
    let mut stage = Stage::new();
    let ((a, _), (b, _)) = (stage.join(connect("a")), stage.join(connect("b")));
    stage.say(a, subscribe("#", QoS::Level2));
    let once = publish("x", "1", QosPid::Level2(pid(7)));
    for _ in 0..3 {
        let again = Publish { dup: true, ..once.clone() };
        assert_eq!(stage.say(b, again.into()), [Packet::Pubrec(pid(7))]);
    }
    assert_eq!(stage.say(b, Packet::Pubrel(pid(7))), [Packet::Pubcomp(pid(7))]);
    assert_eq!(messages(&stage.heard(a)), ["x 1 2"]);
    // The identifier is free again.
    stage.say(b, once.into());
    assert_eq!(messages(&stage.heard(a)), ["x 1 2"]);
}

#[test]
fn a_retained_message_comes_to_whoever_subscribes_later_until_it_is_emptied() {
    let mut stage = Stage::new();
    let (a, _) = stage.join(connect("a"));
    for payload in ["off", "on"] {
        let kept = Publish { retain: true, ..publish("lamp", payload, QosPid::Level0) };
        stage.say(a, kept.into());
    }
    let (b, _) = stage.join(connect("b"));
    let heard = stage.say(b, subscribe("+", QoS::Level1));
    assert!(matches!(heard[0], Packet::Suback(_)), "{heard:?}");
    assert_eq!(messages(&heard), ["lamp on 0 retained"]);
    // Again, as the standard wants it; and a new one is none that was retained.
    assert_eq!(messages(&stage.say(b, subscribe("+", QoS::Level1))), ["lamp on 0 retained"]);
    stage.publish(Message { retain: true, ..message("lamp", "dim", Qos::AtLeastOnce) });
    assert_eq!(messages(&stage.heard(b)), ["lamp dim 1"]);
    stage.publish(Message { retain: true, ..message("lamp", "", Qos::AtMostOnce) });
    let (c, _) = stage.join(connect("c"));
    assert_eq!(messages(&stage.say(c, subscribe("#", QoS::Level0))), [""; 0]);
}

#[test]
fn a_session_that_is_kept_waits_for_its_client_and_sends_again_what_was_not_confirmed() {
    let mut stage = Stage::new();
    let (a, was_there) = stage.join(kept("a"));
    assert!(!was_there);
    stage.say(a, subscribe("#", QoS::Level2));
    stage.publish(message("x", "1", Qos::AtLeastOnce));
    stage.publish(message("x", "2", Qos::AtLeastOnce));
    stage.publish(message("x", "3", Qos::ExactlyOnce));
    stage.publish(message("x", "4", Qos::ExactlyOnce));
    assert_eq!(stage.heard(a).len(), 4);
    stage.say(a, Packet::Puback(pid(1)));
    assert_eq!(stage.say(a, Packet::Pubrec(pid(3))), [Packet::Pubrel(pid(3))]);
    stage.cut(a);
    stage.publish(message("x", "5", Qos::AtMostOnce));
    stage.publish(message("x", "6", Qos::AtLeastOnce));
    let (b, _) = (stage.call(), ());
    let heard = stage.say(b, kept("a").into());
    let Packet::Connack(connack) = heard[0] else { panic!("no CONNACK") };
    assert!(connack.session_present);
    assert_eq!(messages(&heard), ["x 2 1 again", "x 4 2 again", "x 6 1"]);
    assert!(heard.contains(&Packet::Pubrel(pid(3))), "the third is half there");
    for answer in [Packet::Puback(pid(2)), Packet::Pubcomp(pid(3)), Packet::Puback(pid(5))] {
        stage.say(b, answer);
    }
    // Whoever wants a clean one has nothing of it.
    stage.say(b, Packet::Disconnect);
    let (_, was_there) = stage.join(connect("a"));
    assert!(!was_there);
    stage.publish(message("x", "7", Qos::AtLeastOnce));
    let (_, was_there) = stage.join(kept("a"));
    assert!(!was_there, "a clean session is not kept");
}

#[test]
fn a_will_is_published_unless_the_client_says_good_bye() {
    let will = |qos| LastWill {
        retain: true,
        ..LastWill::new(qos, TopicName::try_from("gone").expect("a topic"), b"yes".to_vec().into())
    };
    let dying = || Connect { last_will: Some(will(QoS::Level1)), keep_alive: 10, ..connect("a") };
    let mut stage = Stage::new();
    let (b, _) = stage.join(Connect { keep_alive: 0, ..connect("b") });
    stage.say(b, subscribe("gone", QoS::Level2));

    let (a, _) = stage.join(dying());
    stage.say(a, Packet::Disconnect);
    assert_eq!(stage.heard(b), []);
    assert!(stage.clients[a].pipe.is_closed);
    // It ends without a word.
    let (a, _) = stage.join(dying());
    stage.cut(a);
    assert_eq!(messages(&stage.heard(b)), ["gone yes 1"]);
    // Somebody else has its name.
    let (a, _) = stage.join(dying());
    let (again, _) = stage.join(dying());
    assert_eq!(messages(&stage.heard(b)), ["gone yes 1"]);
    assert!(stage.clients[a].is_over && stage.clients[a].pipe.is_closed);
    // It says what no client may say.
    stage.say(again, Packet::Pingresp);
    assert_eq!(messages(&stage.heard(b)), ["gone yes 1"]);
    // It says nothing for one and a half times of what it had said.
    let (a, _) = stage.join(dying());
    stage.wait(14);
    assert_eq!(stage.say(a, Packet::Pingreq), [Packet::Pingresp]);
    stage.wait(14);
    assert_eq!(stage.heard(b), []);
    stage.told();
    stage.wait(2);
    assert_eq!(messages(&stage.heard(b)), ["gone yes 1"]);
    assert_eq!(
        stage.told(),
        "a leaves: silent for 15.000000s\n\
         from the will of a: gone (QoS 1, retained, 3 bytes): yes\n\
         to b: gone (QoS 1, 3 bytes): yes"
    );
    // It was a retained one.
    let (c, _) = stage.join(connect("c"));
    assert_eq!(messages(&stage.say(c, subscribe("#", QoS::Level0))), ["gone yes 0 retained"]);
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let mut stage = Stage::with_users(&[("board", "s3cret")]);
    let user = |name: &str, password: &[u8]| Connect {
        username: Some(name.into()),
        password: Some(password.to_vec().into()),
        ..connect("a")
    };
    let bad = ConnectReturnCode::BadUserNameOrPassword;
    for (connect, code) in [
        (connect("a"), ConnectReturnCode::NotAuthorized),
        (user("board", b"secret"), bad),
        (user("bored", b"s3cret"), bad),
        (Connect { password: None, ..user("board", b"") }, bad),
        (
            Connect {
                clean_session: false,
                ..Connect { client_id: "".into(), ..user("board", b"s3cret") }
            },
            ConnectReturnCode::IdentifierRejected,
        ),
    ] {
        let n = stage.call();
        let heard = stage.say(n, connect.into());
        let [Packet::Connack(connack)] = heard[..] else { panic!("{heard:?}") };
        assert_eq!((connack.code, connack.session_present), (code, false));
        assert!(stage.clients[n].pipe.is_closed);
    }
    let (_, _) = stage.join(user("board", b"s3cret"));
    let told = stage.told();
    assert!(told.contains("192.168.0.50:5000 refused: no user name"), "{told}");
    // A client of MQTT 5.
    let n = stage.call();
    let mut five = connect("a");
    five.protocol = mqtt_proto::Protocol::V311;
    let mut bytes = Packet::from(five).encode().expect("a packet").as_ref().to_vec();
    bytes[8] = 5;
    let heard = stage.say_bytes(n, &bytes);
    let [Packet::Connack(connack)] = heard[..] else { panic!("{heard:?}") };
    assert_eq!(connack.code, ConnectReturnCode::UnacceptableProtocolVersion);
    // One that says nothing at all.
    let n = stage.call();
    stage.settle();
    stage.wait(11);
    assert!(stage.clients[n].pipe.is_closed);
}

#[test]
fn a_client_without_an_identifier_gets_one() {
    let mut stage = Stage::new();
    stage.join(connect(""));
    stage.join(connect(""));
    let told = stage.told();
    assert!(told.contains("client-1 joins") && told.contains("client-2 joins"), "{told}");
}

#[test]
fn what_is_against_the_protocol_ends_the_connection() {
    let join: Packet = connect("a").into();
    let join = join.encode().expect("a packet").as_ref().to_vec();
    for (bytes, why) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], "protocol"),
        (b"\x30\xff\xff\xff\xff\x7f", "invalid variable byte integer"),
        (b"\xc0\x00", "first packet"),
        (b"\x30\xff\xff\xff\x7f", "a packet of 268435455 bytes"),
    ] {
        let mut stage = Stage::new();
        let n = stage.call();
        stage.say_bytes(n, bytes);
        assert!(stage.clients[n].is_over, "{bytes:?}");
        let told = stage.told();
        assert!(told.contains(why), "{told}");
    }
    for (bytes, why) in [
        (&b"\xc0\x01\x00"[..], "not as long"),
        (b"\xc1\x00", "invalid header"),
        (b"\x36\x00", "invalid qos"),
        (b"\x30\x02\x00\x00", "a topic without a name"),
        (b"\x30\x03\x00\x01#", "invalid topic name"),
        (b"\x32\x05\x00\x01a\x00\x00", "identifier is 0"),
        (b"\x82\x06\x00\x01\x00\x01x\x03", "invalid qos"),
        (b"\x82\x02\x00\x01", "empty subscription"),
        (b"\x40\x01\x00", "not as long"),
        (b"\x90\x03\x00\x01\x00", "only brokers send"),
        (&join[..], "a second CONNECT"),
    ] {
        let mut stage = Stage::new();
        let (n, _) = stage.join(connect("a"));
        stage.told();
        stage.say_bytes(n, bytes);
        assert!(stage.clients[n].is_over, "{bytes:?}");
        let told = stage.told();
        assert!(
            told.starts_with("a leaves: against the protocol: ") && told.contains(why),
            "{told}"
        );
    }
}

#[test]
fn a_client_that_takes_nothing_is_kept_no_more_than_so_many_messages_for() {
    let mut stage = Stage::new();
    let (a, _) = stage.join(kept("a"));
    stage.say(a, subscribe("#", QoS::Level1));
    stage.cut(a);
    for n in 0..1_002 {
        stage.publish(message("x", &n.to_string(), Qos::AtLeastOnce));
    }
    let told = stage.told();
    assert_eq!(told.matches("too much waits for a, dropped: x (QoS 1, 4 bytes)").count(), 2);
    // No more than a few are under way at a time.
    let b = stage.call();
    let heard = stage.say(b, kept("a").into());
    assert_eq!(messages(&heard).len(), 20);
    let heard = stage.say(b, Packet::Puback(pid(1)));
    assert_eq!(messages(&heard), ["x 20 1"]);
}

#[test]
fn too_many_clients_and_subscriptions_are_refused() {
    let mut stage = Stage::new();
    for n in 0..64 {
        let (client, _) = stage.join(kept(&n.to_string()));
        stage.cut(client);
    }
    let n = stage.call();
    let heard = stage.say(n, connect("one more").into());
    let [Packet::Connack(connack)] = heard[..] else { panic!("{heard:?}") };
    assert_eq!(connack.code, ConnectReturnCode::ServerUnavailable);
    let (a, _) = stage.join(kept("7"));
    for n in 0..257 {
        let heard = stage.say(a, subscribe(&n.to_string(), QoS::Level0));
        let Packet::Suback(granted) = &heard[0] else { panic!("{heard:?}") };
        assert_eq!(granted.topics[0] == SubscribeReturnCode::Failure, n == 256);
    }
}

#[test]
fn the_largest_packet_passes() {
    let mut stage = Stage::new();
    let ((a, _), (b, _)) = (stage.join(connect("a")), stage.join(connect("b")));
    stage.clients[a].pipe.piece = 1 << 16;
    stage.clients[b].pipe.piece = 1 << 16;
    stage.say(a, subscribe("#", QoS::Level0));
    let payload = "x".repeat(PACKET_LIMIT - 3);
    stage.say(b, publish("x", &payload, QosPid::Level0).into());
    let [Packet::Publish(it)] = &stage.heard(a)[..] else { panic!("no message") };
    assert_eq!(it.payload.len(), payload.len());
}

/// Bytes that are packets here and there.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let packet = prop_oneof![
        Just(Packet::from(connect("a"))),
        Just(kept("a").into()),
        Just(subscribe("#", QoS::Level2)),
        Just(subscribe("x/+", QoS::Level1)),
        any::<(bool, u16, bool)>().prop_map(|(qos, id, retain)| {
            let pid = pid(id.max(1));
            let qos = if qos { QosPid::Level2(pid) } else { QosPid::Level1(pid) };
            Publish { retain, ..publish("x/y", "1", qos) }.into()
        }),
        any::<u16>().prop_map(|id| Packet::Pubrel(pid(id.max(1)))),
        (1..4_u16).prop_map(|id| Packet::Puback(pid(id))),
        (1..4_u16).prop_map(|id| Packet::Pubrec(pid(id))),
        (1..4_u16).prop_map(|id| Packet::Pubcomp(pid(id))),
        Just(Packet::Pingreq),
        Just(Packet::Disconnect),
    ];
    let packet = packet.prop_map(|it| it.encode().expect("a packet").as_ref().to_vec());
    // One octet of it is another one.
    let spoilt = (packet.clone(), any::<(usize, u8)>()).prop_map(|(mut bytes, (at, octet))| {
        let at = at % bytes.len();
        bytes[at] = octet;
        bytes
    });
    let random = proptest::collection::vec(any::<u8>(), 0..40);
    let piece = prop_oneof![6 => packet, 2 => spoilt, 1 => random];
    proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_that_clients_say_makes_a_broker_panic_or_depends_on_its_pieces(
        said in proptest::collection::vec(any_bytes(), 1..4),
        piece in 1..64_usize,
    ) {
        let play = |piece| {
            let mut stage = Stage::new();
            let mut heard = Vec::new();
            for bytes in &said {
                let n = stage.call();
                stage.clients[n].pipe.piece = piece;
                stage.clients[n].pipe.coming.extend_from_slice(bytes);
                stage.settle();
                stage.wait(1);
                heard.push(std::mem::take(&mut stage.clients[n].pipe.sent));
            }
            stage.wait(100);
            (heard, stage.told())
        };
        prop_assert_eq!(play(piece), play(1 << 16));
    }
}
