//! A client's connection to a broker.

use std::net::SocketAddr;
use std::sync::Arc;

use mqtt_proto::v3::{
    Connack, Connect, ConnectReturnCode, Header, Packet, Publish, Suback, Subscribe,
    SubscribeReturnCode,
};
use mqtt_proto::{Error, QosPid};

use super::PACKET_LIMIT;
use super::broker::{Broker, Told};
use super::event::{Author, Departure, Message, MqttEvent, Qos};
use super::session::Session;
use super::topic;
use crate::net::stream::Stream;
use crate::time::{Duration, Instant};

/// How long a client may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes for the client that wait; with more, nothing is read.
const OUTGOING_LIMIT: usize = 64 << 10;

/// What a SUBACK says instead of a QoS [MQTT-3.9.3-2].
const SUBSCRIPTION_FAILED: u8 = 0x80;

/// A connection.
#[derive(Debug, Default)]
pub(in crate::net) struct Connection {
    /// Its number, once it has begun.
    number: Option<u64>,
    /// Who is there, once that was said.
    client: Option<Arc<str>>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// When the last packet came, or the connection began.
    heard: Option<Instant>,
    /// How long it may be until the next one comes; none: for ever.
    patience: Option<Duration>,
    /// Nothing is read any more; it is closed when all was sent.
    is_ending: bool,
}

/// What follows a packet.
enum Then {
    Stay,
    /// The end of the connection, when what was answered is sent.
    End,
}

impl Connection {
    /// When something is done by itself.
    pub(in crate::net) fn deadline(&self) -> Option<Instant> {
        Some(self.heard.filter(|_| !self.is_ending)? + self.patience?)
    }

    /// Goes on: whether something moved, and whether the connection is over.
    pub(in crate::net) fn work(
        &mut self,
        stream: &mut dyn Stream,
        broker: &mut Broker,
        station: SocketAddr,
        told: &mut Told<'_>,
    ) -> (bool, bool) {
        let number = match self.number {
            Some(number) => number,
            None => {
                (self.heard, self.patience) = (Some(told.at), Some(PATIENCE));
                *self.number.insert(broker.number())
            }
        };
        let is_replaced = self.client.as_ref().is_some_and(|it| !broker.serves(number, it));
        if is_replaced {
            stream.close();
            return (true, true);
        }
        let mut moved = false;
        loop {
            let mut again = false;
            // What nobody reads closes the client's window.
            if stream.can_recv() && !self.is_ending && self.outgoing.len() < OUTGOING_LIMIT {
                let incoming = &mut self.incoming;
                again |= stream.recv(&mut |bytes| {
                    incoming.extend_from_slice(bytes);
                    bytes.len()
                }) > 0;
            }
            if let Err(why) = self.hear(number, broker, station, told) {
                self.leave(broker, station, Departure::Violated(why), told);
                self.is_ending = true;
            }
            self.say(broker, told);
            let sent = stream.send(&self.outgoing);
            self.outgoing.drain(..sent);
            again |= sent > 0;
            if self.is_ending && self.outgoing.is_empty() {
                stream.close();
                return (true, true);
            }
            if !again {
                break;
            }
            moved = true;
        }
        if !stream.may_recv() {
            self.leave(broker, station, Departure::Lost, told);
            stream.close();
            return (true, true);
        }
        // [MQTT-3.1.2-24]
        if self.deadline().is_some_and(|deadline| deadline <= told.at) {
            let how = Departure::Silent(self.patience.unwrap_or_default());
            self.leave(broker, station, how, told);
            stream.close();
            return (true, true);
        }
        (moved, false)
    }

    /// The connection is gone. Whether a client is, whose will others may have to hear.
    pub(in crate::net) fn lose(&mut self, broker: &mut Broker, told: &mut Told<'_>) -> bool {
        match (self.number, self.client.take()) {
            (Some(number), Some(client)) => {
                broker.leave(number, &client, Departure::Lost, told);
                true
            }
            _ => false,
        }
    }

    fn leave(
        &mut self,
        broker: &mut Broker,
        station: SocketAddr,
        how: Departure,
        told: &mut Told<'_>,
    ) {
        match (self.number, self.client.take()) {
            (Some(number), Some(client)) => broker.leave(number, &client, how, told),
            // It never said who it is.
            _ if !self.is_ending => {
                told.tell(MqttEvent::Refused { station, why: how.to_string() });
            }
            _ => {}
        }
    }

    /// Takes all packets that are whole.
    fn hear(
        &mut self,
        number: u64,
        broker: &mut Broker,
        station: SocketAddr,
        told: &mut Told<'_>,
    ) -> Result<(), String> {
        while !self.is_ending && self.outgoing.len() < OUTGOING_LIMIT {
            let Some(size) = size_of_packet(&self.incoming)? else { break };
            let bytes: Vec<u8> = self.incoming.drain(..size).collect();
            self.heard = Some(told.at);
            let then = match (decode(&bytes), &self.client) {
                (Ok(Packet::Connect(connect)), None) => {
                    self.join(number, connect, broker, station, told)
                }
                (Err(Wrong::Version), None) => {
                    self.refuse(ConnectReturnCode::UnacceptableProtocolVersion, station, told)
                }
                // [MQTT-3.1.0-1] and [MQTT-3.1.0-2]
                (Ok(_), None) => return Err("its first packet is no CONNECT".to_owned()),
                (Ok(packet), Some(client)) => {
                    let client = client.clone();
                    self.take(packet, number, &client, broker, told)?
                }
                (Err(wrong), _) => return Err(wrong.into()),
            };
            match then {
                Then::Stay => {}
                Then::End => self.is_ending = true,
            }
            // How packets come together changes nothing in the order of what is said.
            self.say(broker, told);
        }
        Ok(())
    }

    fn join(
        &mut self,
        number: u64,
        connect: Connect,
        broker: &mut Broker,
        station: SocketAddr,
        told: &mut Told<'_>,
    ) -> Then {
        let keep_alive = Duration::from_secs(connect.keep_alive.into());
        match broker.join(number, connect, station, told) {
            Ok((client, is_back)) => {
                self.client = Some(client);
                let patience = Duration::from_ticks(keep_alive.ticks() * 3 / 2);
                self.patience = Some(patience).filter(|patience| *patience > Duration::ZERO);
                self.answer(&Connack::new(is_back, ConnectReturnCode::Accepted).into());
                Then::Stay
            }
            Err(code) => self.refuse(code, station, told),
        }
    }

    fn refuse(
        &mut self,
        code: ConnectReturnCode,
        station: SocketAddr,
        told: &mut Told<'_>,
    ) -> Then {
        let why = match code {
            ConnectReturnCode::Accepted => return Then::Stay,
            ConnectReturnCode::UnacceptableProtocolVersion => "not this version of MQTT",
            ConnectReturnCode::IdentifierRejected => "a session to keep needs an identifier",
            ConnectReturnCode::ServerUnavailable => "too many clients",
            ConnectReturnCode::BadUserNameOrPassword => "bad user name or password",
            ConnectReturnCode::NotAuthorized => "no user name",
        };
        told.tell(MqttEvent::Refused { station, why: why.to_owned() });
        self.answer(&Connack::new(false, code).into());
        Then::End
    }

    /// Takes a packet of a client that was let in.
    fn take(
        &mut self,
        packet: Packet,
        number: u64,
        client: &Arc<str>,
        broker: &mut Broker,
        told: &mut Told<'_>,
    ) -> Result<Then, String> {
        match packet {
            Packet::Publish(publish) => self.publish(publish, client, broker, told)?,
            Packet::Puback(pid) => broker.with_session(client, pid, Session::acknowledged),
            Packet::Pubrec(pid) => {
                broker.with_session(client, pid, Session::received);
                self.answer(&Packet::Pubrel(pid));
            }
            Packet::Pubcomp(pid) => broker.with_session(client, pid, Session::completed),
            Packet::Pubrel(pid) => {
                broker.with_session(client, pid, Session::release);
                self.answer(&Packet::Pubcomp(pid));
            }
            Packet::Subscribe(Subscribe { pid, topics }) => {
                let granted = topics.into_iter().map(|(filter, qos)| {
                    match broker.subscribe(client, filter, qos.into(), told) {
                        Some(Qos::AtMostOnce) => SubscribeReturnCode::MaxLevel0,
                        Some(Qos::AtLeastOnce) => SubscribeReturnCode::MaxLevel1,
                        Some(Qos::ExactlyOnce) => SubscribeReturnCode::MaxLevel2,
                        None => SubscribeReturnCode::Failure,
                    }
                });
                let granted: Vec<_> = granted.collect();
                let count = granted.len();
                self.answer(&Suback::new(pid, granted).into());
                // The codec (0.4.0) writes a failure as 3.
                let codes = self.outgoing.iter_mut().rev().take(count);
                codes.filter(|code| **code == 3).for_each(|code| *code = SUBSCRIPTION_FAILED);
            }
            Packet::Unsubscribe(unsubscribe) => {
                for filter in &unsubscribe.topics {
                    broker.unsubscribe(client, filter, told);
                }
                self.answer(&Packet::Unsuback(unsubscribe.pid));
            }
            Packet::Pingreq => self.answer(&Packet::Pingresp),
            Packet::Disconnect => {
                self.client = None;
                broker.leave(number, client, Departure::Disconnected, told);
                return Ok(Then::End);
            }
            Packet::Connect(_) => return Err("a second CONNECT".to_owned()),
            Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {
                return Err("a packet that only brokers send".to_owned());
            }
        }
        Ok(Then::Stay)
    }

    fn publish(
        &mut self,
        publish: Publish,
        client: &Arc<str>,
        broker: &mut Broker,
        told: &mut Told<'_>,
    ) -> Result<(), String> {
        if !topic::is_name(&publish.topic_name) {
            return Err("a topic without a name".to_owned());
        }
        let message = Message {
            topic: Arc::from(&*publish.topic_name),
            payload: Arc::from(&publish.payload[..]),
            qos: publish.qos_pid.qos().into(),
            retain: publish.retain,
        };
        let author = Author::Client(client.clone());
        match publish.qos_pid {
            QosPid::Level0 => broker.publish(author, message, told),
            QosPid::Level1(pid) => {
                broker.publish(author, message, told);
                self.answer(&Packet::Puback(pid));
            }
            QosPid::Level2(pid) => {
                if broker.with_session(client, pid, Session::is_new) {
                    broker.publish(author, message, told);
                }
                self.answer(&Packet::Pubrec(pid));
            }
        }
        Ok(())
    }

    /// Puts down what the session has for the client.
    fn say(&mut self, broker: &mut Broker, told: &mut Told<'_>) {
        let Some(client) = self.client.clone() else { return };
        while self.outgoing.len() < OUTGOING_LIMIT
            && let Some(packet) = broker.next_packet(&client, told)
        {
            self.answer(&packet);
        }
    }

    fn answer(&mut self, packet: &Packet) {
        // Fails for packets that are larger than any that was let in.
        if let Ok(bytes) = packet.encode() {
            self.outgoing.extend_from_slice(bytes.as_ref());
        }
    }
}

/// What is wrong with a packet.
enum Wrong {
    /// It is of a version that is not spoken here.
    Version,
    Shape(Error),
    Size,
}

impl From<Wrong> for String {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Version => "not this version of MQTT".to_owned(),
            Wrong::Shape(error) => error.to_string().escape_debug().take(100).collect(),
            Wrong::Size => "a packet that is not as long as it says".to_owned(),
        }
    }
}

/// How long the packet is that these bytes begin; none: that is not known, or it is not all there.
fn size_of_packet(bytes: &[u8]) -> Result<Option<usize>, String> {
    let header = match Header::decode(bytes) {
        Ok(header) => header,
        Err(error) if error.is_eof() => return Ok(None),
        Err(error) => return Err(Wrong::Shape(error).into()),
    };
    let rest = header.remaining_len as usize;
    if rest > PACKET_LIMIT {
        return Err(format!("a packet of {rest} bytes"));
    }
    // The length has seven bits in each byte, and a bit that says whether there are more (2.2.3).
    let length = 1 + bytes.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count();
    let size = 1 + length + rest;
    Ok((bytes.len() >= size).then_some(size))
}

/// The packet that these bytes are, from the first to the last.
fn decode(bytes: &[u8]) -> Result<Packet, Wrong> {
    match Packet::decode(bytes) {
        Ok(Some(packet)) => {
            // The codec stops where the packet's contents do.
            let length = bytes.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count();
            let rest = bytes.len() - 2 - length;
            let is_whole = packet.encode_len().ok() == mqtt_proto::total_len(rest).ok();
            if is_whole { Ok(packet) } else { Err(Wrong::Size) }
        }
        Ok(None) => Err(Wrong::Size),
        Err(Error::UnexpectedProtocol(_)) => Err(Wrong::Version),
        Err(Error::InvalidProtocol(name, _)) if matches!(&*name, "MQTT" | "MQIsdp") => {
            Err(Wrong::Version)
        }
        Err(error) => Err(Wrong::Shape(error)),
    }
}
