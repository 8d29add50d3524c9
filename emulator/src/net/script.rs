//! A server that follows a script with each caller: waits for bytes, says some, pauses, ends the
//! connection.
//!
//! Over TCP a *talk* is a connection. Over UDP it is all that comes from one address and port until
//! the script is at its end; each line that is said is a datagram.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::event::{NetEvent, NetEventKind};
use super::stream::Stream;
use crate::time::{Duration, Instant};

/// Callers over UDP with whom a server is in the middle of its script.
const CALLERS_LIMIT: usize = 64;
/// Bytes of a caller over UDP that wait to be heard.
const WAITING_LIMIT: usize = 64 << 10;

/// What a server does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Waits until these bytes have come. Those before them are passed over.
    Hear(Arc<[u8]>),
    /// Says these.
    Say(Arc<[u8]>),
    /// Lets time pass.
    Pause(Duration),
    /// Says that it is done, at the end of the talk.
    Close,
    /// Resets the connection, at the end of the talk.
    Reset,
}

/// Where a talk stands in its script.
#[derive(Debug, Clone)]
pub(super) struct Talk {
    script: Arc<[Line]>,
    /// Its number, once it has begun.
    number: Option<u64>,
    next: usize,
    /// Bytes of the line that have been said.
    said: usize,
    /// When the pause of the line ends.
    until: Option<Instant>,
    /// What has come and may be the beginning of what is waited for.
    heard: Vec<u8>,
    is_over: bool,
}

/// Where and when a talk goes on.
pub(super) struct Scene<'a> {
    pub(super) host: &'a str,
    pub(super) own: SocketAddr,
    pub(super) station: SocketAddr,
    pub(super) at: Instant,
    /// Talks that were begun so far.
    pub(super) begun: &'a mut u64,
    pub(super) events: &'a mut Vec<NetEvent>,
}

impl Scene<'_> {
    fn tell(&mut self, kind: NetEventKind) {
        self.events.push(NetEvent { at: self.at, kind });
    }
}

/// What a talk wants of its connection.
enum Step {
    /// That something comes, or time passes.
    Wait,
    Say(Arc<[u8]>),
    Close,
    Reset,
    /// Nothing: the script is at its end.
    Listen,
}

impl Talk {
    pub(super) fn new(script: Arc<[Line]>) -> Self {
        Self {
            script,
            number: None,
            next: 0,
            said: 0,
            until: None,
            heard: Vec::new(),
            is_over: false,
        }
    }

    /// When it goes on by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    fn begin(&mut self, scene: &mut Scene<'_>) -> u64 {
        if let Some(number) = self.number {
            return number;
        }
        *scene.begun += 1;
        let talk = *scene.begun;
        self.number = Some(talk);
        scene.tell(NetEventKind::TalkBegun {
            talk,
            host: scene.host.to_owned(),
            own: scene.own,
            station: scene.station,
        });
        talk
    }

    /// Goes over lines that are done, up to one that wants something.
    fn step(&mut self, at: Instant) -> Step {
        while let Some(line) = self.script.get(self.next) {
            match line {
                Line::Hear(wanted) => {
                    let size = wanted.len().max(1);
                    match self.heard.windows(size).position(|it| it == &wanted[..]) {
                        Some(found) => drop(self.heard.drain(..found + size)),
                        None => {
                            let passed = self.heard.len().saturating_sub(size - 1);
                            self.heard.drain(..passed);
                            return Step::Wait;
                        }
                    }
                }
                Line::Say(bytes) if self.said < bytes.len() => return Step::Say(bytes.clone()),
                Line::Say(_) => self.said = 0,
                Line::Pause(span) => {
                    let until = *self.until.get_or_insert(at + *span);
                    if at < until {
                        return Step::Wait;
                    }
                    self.until = None;
                }
                Line::Close => return Step::Close,
                Line::Reset => return Step::Reset,
            }
            self.next += 1;
        }
        Step::Listen
    }

    fn waits_to_hear(&self) -> bool {
        matches!(self.script.get(self.next), None | Some(Line::Hear(_)))
    }

    fn end(&mut self, whole: bool, at: Instant, events: &mut Vec<NetEvent>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let Some(talk) = self.number else { return };
        events.push(NetEvent { at, kind: NetEventKind::TalkEnded { talk, whole } });
    }

    /// Goes on with a connection. True if that may give the stack something to do.
    pub(super) fn work(&mut self, stream: &mut dyn Stream, scene: &mut Scene<'_>) -> bool {
        let talk = self.begin(scene);
        let mut moved = false;
        while !self.is_over {
            let step = self.step(scene.at);
            if matches!(step, Step::Listen) {
                self.heard.clear();
            }
            match step {
                Step::Say(bytes) => {
                    let sent = stream.send(&bytes[self.said..]);
                    self.said += sent;
                    if sent == 0 {
                        return moved;
                    }
                    moved = true;
                }
                Step::Close => {
                    stream.close();
                    self.end(true, scene.at, scene.events);
                    return true;
                }
                // What was said before should arrive before the reset does.
                Step::Reset if stream.unconfirmed() > 0 => return moved,
                Step::Reset => {
                    stream.abort();
                    self.end(true, scene.at, scene.events);
                    return true;
                }
                Step::Wait | Step::Listen if self.waits_to_hear() && stream.can_recv() => {
                    let heard = &mut self.heard;
                    let mut bytes = Vec::new();
                    stream.recv(&mut |came| {
                        bytes.extend_from_slice(came);
                        came.len()
                    });
                    heard.extend_from_slice(&bytes);
                    scene.tell(NetEventKind::TalkHeard { talk, bytes });
                    moved = true;
                }
                Step::Wait | Step::Listen if self.waits_to_hear() && !stream.may_recv() => {
                    stream.close();
                    self.end(matches!(step, Step::Listen), scene.at, scene.events);
                    return true;
                }
                Step::Wait | Step::Listen => return moved,
            }
        }
        // The rest of a connection that was closed here.
        while stream.can_recv() {
            moved |= stream.recv(&mut |bytes| bytes.len()) > 0;
        }
        moved
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self, at: Instant, events: &mut Vec<NetEvent>) {
        self.end(self.next >= self.script.len(), at, events);
    }
}

/// A server over UDP, with its callers.
#[derive(Debug, Clone)]
pub(super) struct DatagramServer {
    script: Arc<[Line]>,
    talks: BTreeMap<SocketAddr, Talk>,
}

impl DatagramServer {
    pub(super) fn new(script: Arc<[Line]>) -> Self {
        Self { script, talks: BTreeMap::new() }
    }

    /// When something is said by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.talks.values().filter_map(Talk::deadline).min()
    }

    /// A datagram has come.
    pub(super) fn receive(&mut self, bytes: &[u8], scene: &mut Scene<'_>) {
        if self.talks.len() >= CALLERS_LIMIT && !self.talks.contains_key(&scene.station) {
            // The one that came first among those that are waited for longest cannot be told apart;
            // any one does.
            if let Some((_, mut talk)) = self.talks.pop_first() {
                talk.end(false, scene.at, scene.events);
            }
        }
        let script = &self.script;
        let talk = self.talks.entry(scene.station).or_insert_with(|| Talk::new(script.clone()));
        let number = talk.begin(scene);
        scene.tell(NetEventKind::TalkHeard { talk: number, bytes: bytes.to_vec() });
        if talk.heard.len() + bytes.len() <= WAITING_LIMIT {
            talk.heard.extend_from_slice(bytes);
        }
    }

    /// The next datagram that is to be sent, and to whom.
    pub(super) fn next(
        &mut self,
        at: Instant,
        events: &mut Vec<NetEvent>,
    ) -> Option<(SocketAddr, Arc<[u8]>)> {
        let mut over = Vec::new();
        let mut found = None;
        for (&station, talk) in &mut self.talks {
            match talk.step(at) {
                Step::Wait => {}
                Step::Say(bytes) => {
                    talk.said = bytes.len();
                    found = Some((station, bytes));
                    break;
                }
                Step::Close | Step::Reset | Step::Listen => {
                    talk.end(true, at, events);
                    over.push(station);
                }
            }
        }
        over.iter().for_each(|station| drop(self.talks.remove(station)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stream::tests::Pipe;

    fn bytes(text: &str) -> Arc<[u8]> {
        Arc::from(text.as_bytes())
    }

    struct Stage {
        talk: Talk,
        pipe: Pipe,
        begun: u64,
        events: Vec<NetEvent>,
    }

    impl Stage {
        fn new(script: Vec<Line>) -> Self {
            let talk = Talk::new(Arc::from(script));
            Self { talk, pipe: Pipe::new(3), begun: 0, events: Vec::new() }
        }

        fn at(&mut self, millis: u64, coming: &str) -> String {
            self.pipe.coming.extend(coming.bytes());
            let mut scene = Scene {
                host: "meter",
                own: "192.168.0.4:7".parse().expect("an address"),
                station: "192.168.0.50:5000".parse().expect("an address"),
                at: Instant::ZERO + Duration::from_millis(millis),
                begun: &mut self.begun,
                events: &mut self.events,
            };
            self.talk.work(&mut self.pipe, &mut scene);
            String::from_utf8(std::mem::take(&mut self.pipe.sent)).expect("text")
        }

        fn told(&self) -> String {
            let lines: Vec<_> = self.events.iter().map(|event| event.kind.to_string()).collect();
            lines.join("\n")
        }
    }

    #[test]
    fn lines_are_played_one_after_the_other() {
        let mut stage = Stage::new(vec![
            Line::Say(bytes("ready")),
            Line::Hear(bytes("user")),
            Line::Pause(Duration::from_millis(100)),
            Line::Say(bytes("who?")),
            Line::Hear(bytes("me")),
            Line::Close,
        ]);
        assert_eq!(stage.at(0, ""), "ready");
        assert_eq!(stage.at(1, "no us"), "");
        assert_eq!(stage.at(2, "erme"), "");
        assert_eq!(stage.talk.deadline(), Some(Instant::ZERO + Duration::from_millis(102)));
        assert_eq!(stage.at(101, ""), "");
        // What came with the line before is heard.
        assert_eq!(stage.at(102, ""), "who?");
        assert!(stage.pipe.is_closed && !stage.pipe.is_reset);
        assert!(stage.told().ends_with("talk 1: whole"), "{}", stage.told());
    }

    #[test]
    fn who_goes_early_leaves_a_talk_that_is_not_whole() {
        let mut stage = Stage::new(vec![Line::Hear(bytes("a")), Line::Hear(bytes("b"))]);
        stage.at(0, "a");
        stage.pipe.has_finished = true;
        stage.at(1, "");
        assert!(stage.pipe.is_closed);
        assert!(stage.told().ends_with("talk 1: cut short"), "{}", stage.told());
        let mut stage = Stage::new(vec![Line::Hear(bytes("a"))]);
        stage.at(0, "a, and more");
        stage.pipe.has_finished = true;
        stage.at(1, "");
        assert!(stage.told().ends_with("talk 1: whole"), "{}", stage.told());
    }

    #[test]
    fn a_script_without_end_holds_no_more_than_it_waits_for() {
        let mut stage = Stage::new(vec![Line::Hear(bytes("never")), Line::Reset]);
        for n in 0..1000 {
            stage.at(n, &"x".repeat(1000));
        }
        assert!(stage.talk.heard.len() < "never".len());
        stage.at(1000, "never");
        assert!(stage.pipe.is_reset);
    }
}
