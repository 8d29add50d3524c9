//! What a case has seen of its site: HTTP frames, messages at brokers, and the log of the air and the network, and how far
//! each expectation has read.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;

use crate::site::{HttpFrame, Message, SiteEvent, TalkEvent};
use crate::time::DeviceTime;

/// All that was seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    frames: Vec<(DeviceTime, Arc<HttpFrame>)>,
    log: Vec<(DeviceTime, String)>,
    /// What came of a host's request to the board, if nobody has asked for it.
    answer: Option<Result<Arc<HttpFrame>, String>>,
    /// Addresses of stations.
    addresses: BTreeMap<String, Ipv4Addr>,
    /// Frames before this have been taken by an expectation, by the host that it was about.
    cursors: BTreeMap<String, usize>,
    messages: Vec<(DeviceTime, Arc<Message>)>,
    /// Messages before this have been taken by an expectation, by the host of the broker.
    messages_read: BTreeMap<String, usize>,
    /// Talks with servers that follow a script, by their numbers.
    talks: BTreeMap<u64, Talk>,
    /// The last talk that was expected, by host and port.
    talks_read: BTreeMap<(String, u16), u64>,
}

/// A talk with a server that follows a script.
#[derive(Debug, Clone)]
pub struct Talk {
    /// Who was called.
    pub host: String,
    /// At which port.
    pub port: u16,
    /// When.
    pub time: DeviceTime,
    /// What the board has said, as far as it is kept.
    pub said: Vec<u8>,
    /// How it ended.
    pub whole: Option<bool>,
}

/// Bytes of a talk that are kept for expectations.
const SAID_LIMIT: usize = 1 << 20;

impl Seen {
    /// Keeps what has happened.
    pub fn push(&mut self, time: DeviceTime, event: SiteEvent) {
        match event {
            SiteEvent::Log(line) => self.log.push((time, line)),
            SiteEvent::Http(frame) => self.frames.push((time, frame)),
            SiteEvent::Message(message) => self.messages.push((time, message)),
            SiteEvent::Answered(answer) => self.answer = Some(answer),
            SiteEvent::Talk { talk, event } => self.push_talk(talk, time, event),
            SiteEvent::Station { name, address: Some(address) } => {
                self.addresses.insert(name, address);
            }
            SiteEvent::Station { name, address: None } => {
                self.addresses.remove(&name);
            }
        }
    }

    fn push_talk(&mut self, number: u64, time: DeviceTime, event: TalkEvent) {
        if let TalkEvent::Begun { host, port } = event {
            let talk = Talk { host, port, time, said: Vec::new(), whole: None };
            self.talks.insert(number, talk);
            return;
        }
        let Some(talk) = self.talks.get_mut(&number) else { return };
        match event {
            TalkEvent::Heard(bytes) => {
                let room = SAID_LIMIT.saturating_sub(talk.said.len()).min(bytes.len());
                talk.said.extend_from_slice(&bytes[..room]);
            }
            TalkEvent::Ended { whole } => talk.whole = Some(whole),
            TalkEvent::Begun { .. } => {}
        }
    }

    /// The next talk with a port of a host that is as expected, behind those expected before.
    pub fn take_talk(
        &mut self,
        host: &str,
        port: u16,
        is_it: impl Fn(&Talk) -> bool,
    ) -> Option<Talk> {
        let found = self.unread_talks(host, port).find(|(_, talk)| is_it(talk));
        let (number, talk) = found.map(|(number, talk)| (number, talk.clone()))?;
        self.talks_read.insert((host.to_owned(), port), number);
        Some(talk)
    }

    /// Talks with a port of a host that were not expected, nor others after them.
    pub fn unread_talks(&self, host: &str, port: u16) -> impl Iterator<Item = (u64, &Talk)> {
        let read = self.talks_read.get(&(host.to_owned(), port)).copied().unwrap_or(0);
        let new = self.talks.range(read + 1..).map(|(number, talk)| (*number, talk));
        new.filter(move |(_, talk)| talk.host == host && talk.port == port)
    }

    /// The next message at a host's broker, or at whichever there is, that is as expected, behind those
    /// expected before.
    pub fn take_message(
        &mut self,
        host: Option<&str>,
        is_it: impl Fn(&Message) -> bool,
    ) -> Option<(DeviceTime, Arc<Message>)> {
        let mut unread = self.new_messages(host);
        let (n, found) = unread.find(|(_, (_, message))| is_it(message))?;
        let (time, message) = found.clone();
        drop(unread);
        self.messages_read.insert(message.host.clone(), n + 1);
        Some((time, message))
    }

    /// Messages that no expectation has read, nor others after them.
    pub fn unread_messages(&self, host: Option<&str>) -> impl Iterator<Item = &Message> {
        self.new_messages(host).map(|(_, (_, message))| &**message)
    }

    /// The same with their numbers and times.
    fn new_messages(
        &self,
        host: Option<&str>,
    ) -> impl Iterator<Item = (usize, &(DeviceTime, Arc<Message>))> {
        let is_new = move |(n, (_, message)): &(usize, &(DeviceTime, Arc<Message>))| {
            let read = self.messages_read.get(&message.host).copied().unwrap_or(0);
            *n >= read && host.is_none_or(|host| host == message.host)
        };
        self.messages.iter().enumerate().filter(is_new)
    }

    /// What came of a host's request to the board.
    pub fn take_answer(&mut self) -> Option<Result<Arc<HttpFrame>, String>> {
        self.answer.take()
    }

    /// The address that a station has.
    pub fn address_of(&self, station: &str) -> Option<Ipv4Addr> {
        self.addresses.get(station).copied()
    }

    /// All frames, in the order in which they were complete.
    pub fn frames(&self) -> impl Iterator<Item = &HttpFrame> {
        self.frames.iter().map(|(_, frame)| &**frame)
    }

    /// The log, with its times.
    pub fn log(&self) -> &[(DeviceTime, String)] {
        &self.log
    }

    /// How many frames expectations have read, whatever host they were about.
    pub fn read(&self) -> usize {
        self.cursors.values().copied().max().unwrap_or(0)
    }

    /// The next frame that is as expected, behind those that were expected of this host before.
    pub fn take(
        &mut self,
        host: &str,
        is_it: impl Fn(&HttpFrame) -> bool,
    ) -> Option<Arc<HttpFrame>> {
        let cursor = self.cursors.entry(host.to_owned()).or_default();
        let found = self.frames.iter().enumerate().skip(*cursor).find(|(_, it)| is_it(&it.1))?;
        *cursor = found.0 + 1;
        Some(found.1.1.clone())
    }

    /// The frames of a range by their numbers, and behind them the answers to those requests of the
    /// range that have been answered later.
    pub fn with_answers(&self, range: Range<usize>) -> Vec<&HttpFrame> {
        let (since, until) = (range.start, range.end.min(self.frames.len()).max(range.start));
        let mut frames: Vec<_> = self.frames().take(until).skip(since).collect();
        let mut open = self.open(since..until);
        for answer in self.frames().skip(until).filter(|frame| frame.status.is_some()) {
            if let Some(left) = open.get_mut(&answer.connection).filter(|left| **left > 0) {
                *left -= 1;
                frames.push(answer);
            }
        }
        frames
    }

    /// Whether a request of a range waits for its answer.
    pub fn awaits_answer(&self, range: Range<usize>) -> bool {
        let until = range.end;
        let mut open = self.open(range);
        for answer in self.frames().skip(until).filter(|frame| frame.status.is_some()) {
            open.entry(answer.connection).and_modify(|left| *left = left.saturating_sub(1));
        }
        open.values().any(|left| *left > 0)
    }

    /// How many requests of a range are not answered in it, by connection.
    fn open(&self, range: Range<usize>) -> BTreeMap<u64, usize> {
        let mut open: BTreeMap<u64, usize> = BTreeMap::new();
        for frame in self.frames().take(range.end).skip(range.start) {
            let left = open.entry(frame.connection).or_default();
            *left = match frame.status {
                Some(_) => left.saturating_sub(1),
                None => *left + 1,
            };
        }
        open
    }

    /// The frames of a host that no expectation has read.
    pub fn unread(&self, host: &str) -> impl Iterator<Item = &HttpFrame> {
        self.frames().skip(self.cursors.get(host).copied().unwrap_or(0))
    }
}
