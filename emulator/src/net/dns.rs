//! The name server of the gateway: knows the hosts, and can be told to lie.
//!
//! *Source*: RFC 1035, "Messages"; smoltcp's wire format for questions.
//!
//! *Modelled*: questions for IPv4 addresses (A); for anything else of a known name there is
//! nothing (NOERROR without answers), for unknown names NXDOMAIN. Case does not matter.
//!
//! *Not modelled*: anything but standard queries with one question, TCP.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use smoltcp::wire::{DnsOpcode, DnsPacket, DnsQueryType, DnsQuestion};

use super::config::NetworkConfig;
use super::event::Answer;
use super::order::Lie;

/// The port of name servers.
pub(super) const PORT: u16 = 53;
/// How long an answer may be remembered, in seconds.
const TIME_TO_LIVE: u32 = 60;

mod flags {
    pub(super) const RESPONSE: u16 = 1 << 15;
    pub(super) const AUTHORITATIVE: u16 = 1 << 10;
    pub(super) const RECURSION_DESIRED: u16 = 1 << 8;
    pub(super) const RECURSION_AVAILABLE: u16 = 1 << 7;
}

mod rcode {
    pub(super) const NO_ERROR: u16 = 0;
    pub(super) const SERVFAIL: u16 = 2;
    pub(super) const NXDOMAIN: u16 = 3;
    pub(super) const NOTIMP: u16 = 4;
}

/// The names, and the lies.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    /// In lower case.
    names: BTreeMap<String, Ipv4Addr>,
    lies: BTreeMap<String, Lie>,
    lie_about_all: Option<Lie>,
}

/// An answer: the message (none: silence), and what there is to tell about it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) message: Option<Vec<u8>>,
    pub(super) name: String,
    pub(super) answer: Answer,
}

impl Zone {
    pub(super) fn new(config: &NetworkConfig) -> Self {
        let hosts = config.hosts.iter().map(|host| (&host.name, host.address));
        let others = config.names.iter().map(|(name, &address)| (name, address));
        let names = others.chain(hosts).map(|(name, at)| (name.to_ascii_lowercase(), at)).collect();
        Self { names, lies: BTreeMap::new(), lie_about_all: None }
    }

    pub(super) fn order(&mut self, name: Option<&str>, lie: Option<Lie>) {
        match (name.map(plain), lie) {
            (None, lie) => self.lie_about_all = lie,
            (Some(name), Some(lie)) => {
                self.lies.insert(name, lie);
            }
            (Some(name), None) => {
                self.lies.remove(&name);
            }
        }
    }

    /// Answers a message. Nothing can be said to what is not a question.
    pub(super) fn answer(&self, message: &[u8]) -> Result<Reply, &'static str> {
        let packet = DnsPacket::new_checked(message).map_err(|_| "DNS too short")?;
        let query = u16::from_be_bytes([message[2], message[3]]);
        if query & flags::RESPONSE != 0 {
            return Err("DNS: an answer that nobody asked for");
        }
        if packet.opcode() != DnsOpcode::Query || packet.question_count() != 1 {
            let message = Some(reply(message, query, rcode::NOTIMP, &[], None));
            return Ok(Reply { message, name: String::new(), answer: Answer::Nothing });
        }
        let (rest, question) =
            DnsQuestion::parse(packet.payload()).map_err(|_| "DNS: a question cut short")?;
        let asked = &packet.payload()[..packet.payload().len() - rest.len()];
        let mut labels = Vec::new();
        for label in packet.parse_name(question.name) {
            labels.push(label.map_err(|_| "DNS: a wrong name")?);
        }
        let name = String::from_utf8_lossy(&labels.join(&b'.')).into_owned();
        let answer = self.look_up(&name, question.type_);
        let (code, address) = match answer {
            Answer::Address(address) | Answer::Lie(Lie::Address(address)) => {
                let asked_for = question.type_ == DnsQueryType::A;
                (Some(rcode::NO_ERROR), asked_for.then_some(address))
            }
            Answer::Nothing => (Some(rcode::NO_ERROR), None),
            Answer::NoSuchName | Answer::Lie(Lie::NoSuchName) => (Some(rcode::NXDOMAIN), None),
            Answer::Lie(Lie::Failure) => (Some(rcode::SERVFAIL), None),
            Answer::Lie(Lie::Silence) => (None, None),
        };
        let message = code.map(|code| reply(message, query, code, asked, address));
        Ok(Reply { message, name, answer })
    }

    fn look_up(&self, name: &str, kind: DnsQueryType) -> Answer {
        let name = plain(name);
        if let Some(&lie) = self.lies.get(&name).or(self.lie_about_all.as_ref()) {
            return Answer::Lie(lie);
        }
        match self.names.get(&name) {
            Some(&address) if kind == DnsQueryType::A => Answer::Address(address),
            Some(_) => Answer::Nothing,
            None => Answer::NoSuchName,
        }
    }
}

/// A name as it is compared.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn reply(
    message: &[u8],
    query: u16,
    code: u16,
    question: &[u8],
    address: Option<Ipv4Addr>,
) -> Vec<u8> {
    let flags = flags::RESPONSE
        | flags::AUTHORITATIVE
        | flags::RECURSION_AVAILABLE
        | (query & (0x7800 | flags::RECURSION_DESIRED))
        | code;
    let mut bytes = message[..2].to_vec();
    bytes.extend(flags.to_be_bytes());
    let counts = [u16::from(!question.is_empty()), u16::from(address.is_some()), 0, 0];
    bytes.extend(counts.into_iter().flat_map(u16::to_be_bytes));
    bytes.extend_from_slice(question);
    if let Some(address) = address {
        bytes.extend([0xc0, 12]); // the name is that of the question, 12 bytes from the start
        bytes.extend([0, 1, 0, 1]); // A, of the Internet
        bytes.extend(TIME_TO_LIVE.to_be_bytes());
        bytes.extend([0, 4]);
        bytes.extend(address.octets());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::config::HostConfig;

    fn zone() -> Zone {
        let address = Ipv4Addr::new(192, 168, 0, 4);
        let host = HostConfig { name: "Laptop".to_owned(), address, services: vec![] };
        Zone::new(&NetworkConfig { hosts: vec![host], ..NetworkConfig::default() })
    }

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            bytes.push(label.len() as u8);
            bytes.extend(label.bytes());
        }
        bytes.push(0);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes
    }

    #[test]
    fn a_hosts_name_has_its_address_in_any_case() {
        let reply = zone().answer(&question("lapTOP", 1)).unwrap();
        assert_eq!(reply.answer, Answer::Address(Ipv4Addr::new(192, 168, 0, 4)));
        let message = reply.message.unwrap();
        assert_eq!(message[..8], [0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1]);
        assert_eq!(message[message.len() - 4..], [192, 168, 0, 4]);
    }

    #[test]
    fn other_names_do_not_exist_and_other_kinds_are_empty() {
        let reply = zone().answer(&question("example.org", 1)).unwrap();
        assert_eq!(reply.answer, Answer::NoSuchName);
        assert_eq!(reply.message.unwrap()[3] & 0xf, 3);
        let reply = zone().answer(&question("laptop", 28)).unwrap();
        assert_eq!(reply.answer, Answer::Nothing);
        assert_eq!(reply.message.unwrap()[3..8], [0x80, 0, 1, 0, 0]);
    }

    #[test]
    fn lies_about_a_name_go_before_lies_about_all_and_end_when_told() {
        let mut zone = zone();
        let portal = Lie::Address(Ipv4Addr::new(192, 168, 0, 9));
        zone.order(None, Some(portal));
        zone.order(Some("laptop."), Some(Lie::Silence));
        assert_eq!(zone.answer(&question("a.b", 1)).unwrap().answer, Answer::Lie(portal));
        let reply = zone.answer(&question("laptop", 1)).unwrap();
        assert!(reply.message.is_none());
        zone.order(Some("laptop"), None);
        zone.order(None, None);
        assert_eq!(zone.answer(&question("a.b", 1)).unwrap().answer, Answer::NoSuchName);
    }

    proptest! {
        #[test]
        fn no_message_makes_the_server_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = zone().answer(&bytes);
            let mut question = bytes.clone();
            question.splice(0..0, [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
            let _ = zone().answer(&question);
        }
    }
}
