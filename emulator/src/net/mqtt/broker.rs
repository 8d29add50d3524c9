//! What all connections of a broker share: sessions, and messages that are retained.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use mqtt_proto::v3::{Connect, ConnectReturnCode, LastWill, Packet};
use mqtt_proto::{Pid, TopicFilter};

use super::event::{Author, Departure, Message, MqttEvent, Qos};
use super::session::Session;
use super::topic;
use crate::net::event::{NetEvent, NetEventKind};
use crate::time::Instant;

/// Clients that are known at a time.
const SESSIONS_LIMIT: usize = 64;
/// Messages that are retained, and bytes of these.
const RETAINED_LIMIT: usize = 1_024;
const RETAINED_SIZE: usize = 8 << 20;

/// A broker.
#[derive(Debug, Clone)]
pub(in crate::net) struct Broker {
    /// Passwords by names; none: it lets everybody in.
    users: Arc<BTreeMap<String, String>>,
    sessions: BTreeMap<Arc<str>, Session>,
    retained: BTreeMap<Arc<str>, Message>,
    retained_size: usize,
    /// Connections so far.
    connections: u64,
    /// Identifiers that were made up so far.
    made_up: u64,
}

/// Where and when something is told.
pub(in crate::net) struct Told<'a> {
    pub(in crate::net) host: &'a str,
    pub(in crate::net) at: Instant,
    pub(in crate::net) events: &'a mut Vec<NetEvent>,
}

impl Told<'_> {
    pub(super) fn tell(&mut self, event: MqttEvent) {
        let kind = NetEventKind::Mqtt { host: self.host.to_owned(), event };
        self.events.push(NetEvent { at: self.at, kind });
    }
}

impl Broker {
    pub(in crate::net) fn new(users: &BTreeMap<String, String>) -> Self {
        Self {
            users: Arc::new(users.clone()),
            sessions: BTreeMap::new(),
            retained: BTreeMap::new(),
            retained_size: 0,
            connections: 0,
            made_up: 0,
        }
    }

    /// The number of a new connection.
    pub(super) fn number(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    /// Lets a client in: its identifier, and whether its session was kept.
    pub(super) fn join(
        &mut self,
        number: u64,
        connect: Connect,
        station: SocketAddr,
        told: &mut Told<'_>,
    ) -> Result<(Arc<str>, bool), ConnectReturnCode> {
        self.check_user(&connect)?;
        let client = match &connect.client_id {
            id if !id.is_empty() => id.clone(),
            // [MQTT-3.1.3-6] to [MQTT-3.1.3-8]
            _ if connect.clean_session => self.make_up(),
            _ => return Err(ConnectReturnCode::IdentifierRejected),
        };
        // [MQTT-3.1.4-2]
        if let Some(other) = self.sessions.get(&client).and_then(|session| session.connection) {
            self.leave(other, &client, Departure::Replaced, told);
        }
        if connect.clean_session {
            self.sessions.remove(&client);
        }
        let is_back = self.sessions.contains_key(&client);
        if !is_back && self.sessions.len() >= SESSIONS_LIMIT {
            return Err(ConnectReturnCode::ServerUnavailable);
        }
        let session = self.sessions.entry(client.clone()).or_default();
        session.connection = Some(number);
        session.is_clean = connect.clean_session;
        session.will = connect.last_will;
        session.resume();
        let keep_alive = Some(connect.keep_alive).filter(|seconds| *seconds > 0);
        told.tell(MqttEvent::Joined { client: client.clone(), station, is_back, keep_alive });
        Ok((client, is_back))
    }

    fn check_user(&self, connect: &Connect) -> Result<(), ConnectReturnCode> {
        if self.users.is_empty() {
            return Ok(());
        }
        let name = connect.username.as_ref().ok_or(ConnectReturnCode::NotAuthorized)?;
        let wanted = self.users.get(&**name).map(String::as_bytes);
        match wanted.is_some() && connect.password.as_deref() == wanted {
            true => Ok(()),
            false => Err(ConnectReturnCode::BadUserNameOrPassword),
        }
    }

    fn make_up(&mut self) -> Arc<str> {
        loop {
            self.made_up += 1;
            let name: Arc<str> = format!("client-{}", self.made_up).into();
            if !self.sessions.contains_key(&name) {
                return name;
            }
        }
    }

    /// Whether a connection still has its session.
    pub(super) fn serves(&self, number: u64, client: &str) -> bool {
        self.sessions.get(client).is_some_and(|session| session.connection == Some(number))
    }

    /// A client leaves, if it was not replaced by another connection before.
    pub(super) fn leave(
        &mut self,
        number: u64,
        client: &Arc<str>,
        how: Departure,
        told: &mut Told<'_>,
    ) {
        if !self.serves(number, client) {
            return;
        }
        let Some(session) = self.sessions.get_mut(client) else { return };
        session.connection = None;
        // [MQTT-3.1.2-8] and [MQTT-3.1.2-10]
        let will = session.will.take().filter(|_| how != Departure::Disconnected);
        if session.is_clean {
            self.sessions.remove(client);
        }
        told.tell(MqttEvent::Left { client: client.clone(), how });
        if let Some(LastWill { qos, retain, topic_name, message }) = will
            && topic::is_name(&topic_name)
        {
            let message = Message {
                topic: Arc::from(&*topic_name),
                payload: Arc::from(&message[..]),
                qos: qos.into(),
                retain,
            };
            self.publish(Author::Will(client.clone()), message, told);
        }
    }

    /// Gives a message to all who want it.
    pub(in crate::net) fn publish(
        &mut self,
        author: Author,
        message: Message,
        told: &mut Told<'_>,
    ) {
        told.tell(MqttEvent::Published { author, message: message.clone() });
        if message.retain {
            self.retain(&message, told);
        }
        for (client, session) in &mut self.sessions {
            let Some(qos) = session.qos_of(&message.topic) else { continue };
            // It is new to those who have subscribed [MQTT-3.3.1-9].
            let qos = qos.min(message.qos);
            let message = Message { qos, retain: false, ..message.clone() };
            if !session.push(message.clone()) {
                told.tell(MqttEvent::Dropped { client: client.clone(), message });
            }
        }
    }

    fn retain(&mut self, message: &Message, told: &mut Told<'_>) {
        if let Some(old) = self.retained.remove(&message.topic) {
            self.retained_size -= size(&old);
        }
        // [MQTT-3.3.1-10]
        if message.payload.is_empty() {
            return;
        }
        let is_full = self.retained.len() >= RETAINED_LIMIT
            || self.retained_size + size(message) > RETAINED_SIZE;
        if is_full {
            return told.tell(MqttEvent::NotRetained { message: message.clone() });
        }
        self.retained_size += size(message);
        self.retained.insert(message.topic.clone(), message.clone());
    }

    /// A client subscribes: how surely it gets what; none: it does not.
    pub(super) fn subscribe(
        &mut self,
        client: &Arc<str>,
        filter: TopicFilter,
        wanted: Qos,
        told: &mut Told<'_>,
    ) -> Option<Qos> {
        let session = self.sessions.get_mut(client)?;
        let qos = session.subscribe(filter.clone(), wanted).then_some(wanted);
        let of = filter.to_string();
        told.tell(MqttEvent::Subscribed { client: client.clone(), filter: of, qos });
        let granted = qos?;
        // [MQTT-3.3.1-6]; also if it had subscribed before [MQTT-3.8.4-3].
        let kept = self.retained.values().filter(|it| topic::takes(&filter, &it.topic));
        for message in kept {
            let message = Message { qos: granted.min(message.qos), ..message.clone() };
            if !session.push(message.clone()) {
                told.tell(MqttEvent::Dropped { client: client.clone(), message });
            }
        }
        Some(granted)
    }

    pub(super) fn unsubscribe(
        &mut self,
        client: &Arc<str>,
        filter: &TopicFilter,
        told: &mut Told<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(client) else { return };
        session.unsubscribe(filter);
        let filter = filter.to_string();
        told.tell(MqttEvent::Unsubscribed { client: client.clone(), filter });
    }

    /// The next packet for a client.
    pub(super) fn next_packet(&mut self, client: &Arc<str>, told: &mut Told<'_>) -> Option<Packet> {
        let (packet, message) = self.sessions.get_mut(client)?.next_packet()?;
        if let Some(message) = message {
            let is_again = matches!(&packet, Packet::Publish(publish) if publish.dup);
            told.tell(MqttEvent::Delivered { client: client.clone(), message, is_again });
        }
        Some(packet)
    }

    /// A client's session, to do something with an identifier of a packet.
    pub(super) fn with_session<T: Default>(
        &mut self,
        client: &str,
        pid: Pid,
        act: fn(&mut Session, Pid) -> T,
    ) -> T {
        self.sessions.get_mut(client).map(|session| act(session, pid)).unwrap_or_default()
    }
}

/// What a message takes.
fn size(message: &Message) -> usize {
    message.topic.len() + message.payload.len()
}
