//! What a broker keeps of a client: its subscriptions, and messages that are on their way to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_proto::v3::{LastWill, Packet, Publish};
use mqtt_proto::{Pid, QosPid, TopicFilter, TopicName};

use super::event::{Message, Qos};
use super::topic;

/// Messages of QoS 1 and 2 that were sent and are not confirmed.
const IN_FLIGHT_LIMIT: usize = 20;
/// Messages that wait for a client, and bytes of these.
const WAITING_LIMIT: usize = 1_000;
const WAITING_SIZE: usize = 4 << 20;
/// Subscriptions of a client, and bytes of their filters.
const SUBSCRIPTIONS_LIMIT: usize = 256;
const SUBSCRIPTIONS_SIZE: usize = 256 << 10;

/// A session (3.1.2.4).
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    /// The connection that has it, by its number.
    pub(super) connection: Option<u64>,
    /// It ends with its connection.
    pub(super) is_clean: bool,
    /// What is published if the client leaves without a word.
    pub(super) will: Option<LastWill>,
    subscriptions: BTreeMap<TopicFilter, Qos>,
    waiting: VecDeque<Message>,
    waiting_size: usize,
    in_flight: VecDeque<Delivery>,
    /// Messages of QoS 2 that have come, and whose identifiers the client may still use for them.
    unreleased: BTreeSet<u16>,
    last: Pid,
}

/// A message of QoS 1 or 2 on its way to the client.
#[derive(Debug, Clone)]
struct Delivery {
    pid: Pid,
    message: Message,
    /// The client has it, and is told that it may forget its identifier.
    is_released: bool,
    /// To be sent once more, on another connection.
    is_due: bool,
}

impl Session {
    /// Its client is back [MQTT-4.4.0-1].
    pub(super) fn resume(&mut self) {
        self.in_flight.iter_mut().for_each(|delivery| delivery.is_due = true);
    }

    /// Subscribes; false: there are too many.
    pub(super) fn subscribe(&mut self, filter: TopicFilter, qos: Qos) -> bool {
        if !self.subscriptions.contains_key(&filter) {
            let size = self.subscriptions.keys().map(|it| it.len()).sum::<usize>() + filter.len();
            if self.subscriptions.len() >= SUBSCRIPTIONS_LIMIT || size > SUBSCRIPTIONS_SIZE {
                return false;
            }
        }
        self.subscriptions.insert(filter, qos);
        true
    }

    pub(super) fn unsubscribe(&mut self, filter: &TopicFilter) {
        self.subscriptions.remove(filter);
    }

    /// How surely it gets messages of a topic, if it does. Of several filters the surest counts
    /// [MQTT-3.3.5-1].
    pub(super) fn qos_of(&self, topic: &str) -> Option<Qos> {
        let takes = |(filter, _): &(&TopicFilter, &Qos)| topic::takes(filter, topic);
        self.subscriptions.iter().filter(takes).map(|(_, qos)| *qos).max()
    }

    /// Lets a message wait; false: it was dropped.
    pub(super) fn push(&mut self, message: Message) -> bool {
        // Nobody has to be told later what was said at most once (3.1.2.4).
        if self.connection.is_none() && message.qos == Qos::AtMostOnce {
            return true;
        }
        let size = self.waiting_size + message.payload.len();
        if self.waiting.len() >= WAITING_LIMIT || size > WAITING_SIZE {
            return false;
        }
        self.waiting_size = size;
        self.waiting.push_back(message);
        true
    }

    /// The next packet for the client, with the message in it.
    pub(super) fn next_packet(&mut self) -> Option<(Packet, Option<Message>)> {
        if let Some(delivery) = self.in_flight.iter_mut().find(|delivery| delivery.is_due) {
            delivery.is_due = false;
            let Delivery { pid, message, is_released, .. } = delivery;
            return match is_released {
                true => Some((Packet::Pubrel(*pid), None)),
                false => {
                    let packet = publish(message, Some(*pid), true)?;
                    Some((packet, Some(message.clone())))
                }
            };
        }
        let is_full = self.in_flight.len() >= IN_FLIGHT_LIMIT;
        let is_sure = self.waiting.front()?.qos != Qos::AtMostOnce;
        if is_sure && is_full {
            return None;
        }
        let message = self.waiting.pop_front()?;
        self.waiting_size -= message.payload.len();
        let pid = is_sure.then(|| self.free_pid());
        let packet = publish(&message, pid, false)?;
        if let Some(pid) = pid {
            let message = message.clone();
            let delivery = Delivery { pid, message, is_released: false, is_due: false };
            self.in_flight.push_back(delivery);
        }
        Some((packet, Some(message)))
    }

    /// An identifier that no message in flight has.
    fn free_pid(&mut self) -> Pid {
        // There are 65535, and few in flight.
        while self.in_flight.iter().any(|delivery| delivery.pid == self.last) {
            self.last += 1;
        }
        let pid = self.last;
        self.last += 1;
        pid
    }

    /// The client has a message of QoS 1.
    pub(super) fn acknowledged(&mut self, pid: Pid) {
        let is_it = |it: &Delivery| it.pid == pid && it.message.qos == Qos::AtLeastOnce;
        self.in_flight.retain(|delivery| !is_it(delivery));
    }

    /// The client has a message of QoS 2.
    pub(super) fn received(&mut self, pid: Pid) {
        let of_two = |it: &&mut Delivery| it.pid == pid && it.message.qos == Qos::ExactlyOnce;
        if let Some(delivery) = self.in_flight.iter_mut().find(of_two) {
            delivery.is_released = true;
        }
    }

    /// The client has forgotten the identifier of a message of QoS 2.
    pub(super) fn completed(&mut self, pid: Pid) {
        self.in_flight.retain(|delivery| delivery.pid != pid || !delivery.is_released);
    }

    /// A message of QoS 2 comes from the client; whether it is a new one [MQTT-4.3.3-2].
    pub(super) fn is_new(&mut self, pid: Pid) -> bool {
        self.unreleased.insert(pid.value())
    }

    /// The client will not send a message of QoS 2 again.
    pub(super) fn release(&mut self, pid: Pid) {
        self.unreleased.remove(&pid.value());
    }
}

fn publish(message: &Message, pid: Option<Pid>, dup: bool) -> Option<Packet> {
    let qos_pid = match (message.qos, pid) {
        (Qos::AtLeastOnce, Some(pid)) => QosPid::Level1(pid),
        (Qos::ExactlyOnce, Some(pid)) => QosPid::Level2(pid),
        _ => QosPid::Level0,
    };
    // Names were checked when they came.
    let topic = TopicName::try_from(message.topic.clone()).ok()?;
    let payload = message.payload.to_vec().into();
    let retain = message.retain;
    Some(Packet::Publish(Publish { dup, retain, ..Publish::new(qos_pid, topic, payload) }))
}
