//! A passive observer of the wire: follows every TCP connection by both of its directions, and
//! finds the HTTP frames in them.
//!
//! *Source*: RFC 9293 for the states of a connection.
//!
//! It sees each frame once, as it passes between stations and hosts, and changes nothing. What it
//! holds is bounded: so many connections, so many bytes ahead of gaps, so many bytes of bodies.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use smoltcp::wire::TcpPacket;

use super::event::{Ending, NetEvent, NetEventKind};
use super::http_frames::{Conversation, Found, Way};
use super::http_message::Side;
use super::packet::{Network, Packet, Transport};
use super::tcp_stream::TcpStream;
use crate::time::Instant;

/// Connections that are followed at a time.
const CONNECTIONS_LIMIT: usize = 1024;
/// Bytes of unfinished bodies that are held, of all connections together.
const BODIES_LIMIT: usize = 64 << 20;

/// Who opened a connection, and to whom.
type Key = (SocketAddr, SocketAddr);

/// The observer.
#[derive(Debug, Clone, Default)]
pub(super) struct Tap {
    connections: BTreeMap<Key, Connection>,
    /// Connections that were opened so far.
    opened: u64,
    /// Bytes of unfinished bodies that are held.
    held: usize,
}

#[derive(Debug, Clone)]
struct Connection {
    state: State,
    /// For choosing whom to forget.
    last_seen: Instant,
}

#[derive(Debug, Clone)]
enum State {
    /// A SYN was seen.
    Asked {
        client: u32,
    },
    /// It was answered by one.
    Answered {
        client: u32,
        server: u32,
    },
    Open(Box<Open>),
}

#[derive(Debug, Clone)]
struct Open {
    number: u64,
    client: TcpStream,
    server: TcpStream,
    conversation: Conversation,
    /// What the ends of both directions have been told.
    told: (bool, bool),
    /// Initial number of a SYN that would begin the connection anew.
    reborn: Option<u32>,
}

impl Tap {
    /// Whether no connection is followed.
    pub(super) fn is_idle(&self) -> bool {
        self.connections.is_empty()
    }

    /// The number of a connection that is open.
    pub(super) fn number_of(&self, from: SocketAddr, to: SocketAddr) -> Option<u64> {
        match &self.connections.get(&(from, to))?.state {
            State::Open(open) => Some(open.number),
            _ => None,
        }
    }

    /// A frame on the wire.
    pub(super) fn see(&mut self, packet: &Packet<'_>, at: Instant, events: &mut Vec<NetEvent>) {
        if let Network::Ip { from, to, transport: Transport::Tcp(tcp), .. } = &packet.network {
            self.see_tcp(*from, *to, tcp, at, events);
        }
    }

    fn see_tcp(
        &mut self,
        from: IpAddr,
        to: IpAddr,
        tcp: &TcpPacket<&[u8]>,
        at: Instant,
        events: &mut Vec<NetEvent>,
    ) {
        let from = SocketAddr::new(from, tcp.src_port());
        let to = SocketAddr::new(to, tcp.dst_port());
        if tcp.syn() && !tcp.ack() && !tcp.rst() {
            self.asked((from, to), number(tcp.seq_number()), at);
            return self.make_room((from, to), at, events);
        }
        let (key, side) = if self.connections.contains_key(&(from, to)) {
            ((from, to), Side::Requests)
        } else {
            ((to, from), Side::Responses)
        };
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.last_seen = at;
        let held = connection.held();
        let room = BODIES_LIMIT.saturating_sub(self.held);
        let opened = self.opened + 1;
        let mut teller = Teller { key, at, events };
        let fate = connection.see(tcp, side, room, opened, &mut teller);
        self.held = self.held - held + connection.held();
        match fate {
            Fate::Goes => {}
            Fate::Opened => self.opened = opened,
            Fate::Ends => {
                self.forget(&key);
            }
            Fate::BeginsAnew { client, server } => {
                self.forget(&key);
                let state = State::Answered { client, server };
                self.connections.insert(key, Connection { state, last_seen: at });
            }
        }
    }

    fn forget(&mut self, key: &Key) -> Option<Connection> {
        let connection = self.connections.remove(key)?;
        self.held -= connection.held();
        Some(connection)
    }

    /// Somebody wants a connection.
    fn asked(&mut self, key: Key, client: u32, at: Instant) {
        let asked = Connection { state: State::Asked { client }, last_seen: at };
        match self.connections.get_mut(&key) {
            Some(Connection { state: State::Open(open), .. }) => open.reborn = Some(client),
            Some(connection) => *connection = asked,
            None => {
                self.connections.insert(key, asked);
            }
        }
    }

    /// Forgets what was never answered first, then what was silent longest; but not `newest`.
    fn make_room(&mut self, newest: Key, at: Instant, events: &mut Vec<NetEvent>) {
        while self.connections.len() > CONNECTIONS_LIMIT {
            let others = self.connections.iter().filter(|(key, _)| **key != newest);
            let order = others.map(|(key, connection)| {
                (matches!(connection.state, State::Open(_)), connection.last_seen, *key)
            });
            let Some((_, _, key)) = order.min() else { return };
            if let Some(Connection { state: State::Open(mut open), .. }) = self.forget(&key) {
                open.close(Ending::Forgotten, &mut Teller { key, at, events });
            }
        }
    }
}

/// What becomes of a connection.
enum Fate {
    Goes,
    Opened,
    Ends,
    BeginsAnew { client: u32, server: u32 },
}

impl Connection {
    fn held(&self) -> usize {
        match &self.state {
            State::Open(open) => open.conversation.held(),
            _ => 0,
        }
    }

    fn see(
        &mut self,
        tcp: &TcpPacket<&[u8]>,
        side: Side,
        room: usize,
        opened: u64,
        teller: &mut Teller<'_>,
    ) -> Fate {
        let sequence = number(tcp.seq_number());
        match &mut self.state {
            State::Asked { .. } | State::Answered { .. } if tcp.rst() => {
                if side == Side::Responses {
                    let (from, to) = teller.key;
                    teller.tell(NetEventKind::Refused { from, to });
                }
                Fate::Ends
            }
            State::Asked { client } | State::Answered { client, .. }
                if side == Side::Responses && tcp.syn() =>
            {
                self.state = State::Answered { client: *client, server: sequence };
                Fate::Goes
            }
            State::Asked { .. } => Fate::Goes,
            State::Answered { client, server } => {
                // The last segment of the handshake, or, if that went by unseen, what can only
                // follow it.
                let opens = match side {
                    Side::Requests => {
                        tcp.ack() && number(tcp.ack_number()).wrapping_sub(*server) as i32 > 0
                    }
                    Side::Responses => !tcp.syn() && !tcp.payload().is_empty(),
                };
                if !opens {
                    return Fate::Goes;
                }
                let (from, to) = teller.key;
                teller.tell(NetEventKind::Opened { connection: opened, from, to });
                let mut open = Box::new(Open {
                    number: opened,
                    client: TcpStream::new(*client),
                    server: TcpStream::new(*server),
                    conversation: Conversation::new(),
                    told: (false, false),
                    reborn: None,
                });
                open.see(tcp, side, room, teller);
                self.state = State::Open(open);
                Fate::Opened
            }
            State::Open(open) => {
                if let (Some(client), true, Side::Responses) = (open.reborn, tcp.syn(), side) {
                    let answers = number(tcp.ack_number()).wrapping_sub(client) == 1;
                    if answers {
                        open.close(Ending::Replaced, teller);
                        return Fate::BeginsAnew { client, server: sequence };
                    }
                }
                if tcp.rst() {
                    open.close(
                        match side {
                            Side::Requests => Ending::ResetByClient,
                            Side::Responses => Ending::ResetByServer,
                        },
                        teller,
                    );
                    return Fate::Ends;
                }
                open.see(tcp, side, room, teller);
                if open.told == (true, true) {
                    open.close(Ending::Finished, teller);
                    return Fate::Ends;
                }
                Fate::Goes
            }
        }
    }
}

impl Open {
    fn way(&self, side: Side, key: Key) -> Way {
        let (from, to) = match side {
            Side::Requests => key,
            Side::Responses => (key.1, key.0),
        };
        Way { connection: self.number, exchange: 0, from, to }
    }

    fn see(&mut self, tcp: &TcpPacket<&[u8]>, side: Side, room: usize, teller: &mut Teller<'_>) {
        let way = self.way(side, teller.key);
        let mut found = Vec::new();
        let (stream, other, told) = match side {
            Side::Requests => (&mut self.client, &mut self.server, &mut self.told.0),
            Side::Responses => (&mut self.server, &mut self.client, &mut self.told.1),
        };
        let conversation = &mut self.conversation;
        // A SYN that comes again has a number of its own before the data.
        if !tcp.syn() {
            let sequence = number(tcp.seq_number());
            stream.segment(sequence, tcp.payload(), tcp.fin(), |bytes| {
                conversation.hear(side, bytes, teller.at, room, way, &mut found);
            });
        }
        if stream.is_finished() && !*told {
            *told = true;
            conversation.finish(side, true, &mut found);
        }
        if tcp.ack() && other.confirm(number(tcp.ack_number())) {
            let side = match side {
                Side::Requests => Side::Responses,
                Side::Responses => Side::Requests,
            };
            conversation.lose(side, &mut found);
        }
        self.tell(found, teller);
    }

    /// The connection is over.
    fn close(&mut self, how: Ending, teller: &mut Teller<'_>) {
        let mut found = Vec::new();
        self.conversation.finish(Side::Requests, false, &mut found);
        self.conversation.finish(Side::Responses, false, &mut found);
        self.tell(found, teller);
        let (from, to) = teller.key;
        teller.tell(NetEventKind::Closed {
            connection: self.number,
            from,
            to,
            how,
            sent: self.client.position(),
            received: self.server.position(),
        });
    }

    fn tell(&self, found: Vec<Found>, teller: &mut Teller<'_>) {
        for found in found {
            let (from, to) = teller.key;
            teller.tell(match found {
                Found::Request(frame) => NetEventKind::HttpRequest(Arc::new(frame)),
                Found::Response(frame) => NetEventKind::HttpResponse(Arc::new(frame)),
                Found::NotHttp(why) => {
                    NetEventKind::NotHttp { connection: self.number, from, to, why }
                }
            });
        }
    }
}

struct Teller<'a> {
    key: Key,
    at: Instant,
    events: &'a mut Vec<NetEvent>,
}

impl Teller<'_> {
    fn tell(&mut self, kind: NetEventKind) {
        self.events.push(NetEvent { at: self.at, kind });
    }
}

fn number(sequence: smoltcp::wire::TcpSeqNumber) -> u32 {
    sequence.0 as u32
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet,
        Ipv4Repr, TcpControl, TcpRepr, TcpSeqNumber,
    };

    use super::*;
    use crate::net::packet::Origin;

    const STATION: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 50);
    const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 4);

    /// Shows the tap a segment between a port of the station and port 80 of the host.
    struct Onlooker {
        tap: Tap,
        events: Vec<NetEvent>,
        at: Instant,
    }

    impl Onlooker {
        fn new() -> Self {
            Self { tap: Tap::default(), events: Vec::new(), at: Instant::ZERO }
        }

        fn see(
            &mut self,
            side: Side,
            port: u16,
            control: TcpControl,
            numbers: (i32, Option<i32>),
            payload: &[u8],
        ) {
            let (from, to, src_port, dst_port) = match side {
                Side::Requests => (STATION, HOST, port, 80),
                Side::Responses => (HOST, STATION, 80, port),
            };
            let repr = TcpRepr {
                src_port,
                dst_port,
                control,
                seq_number: TcpSeqNumber(numbers.0),
                ack_number: numbers.1.map(TcpSeqNumber),
                window_len: 1000,
                window_scale: None,
                max_seg_size: None,
                sack_permitted: false,
                sack_ranges: [None; 3],
                timestamp: None,
                payload,
            };
            let ip = Ipv4Repr {
                src_addr: from,
                dst_addr: to,
                next_header: IpProtocol::Tcp,
                payload_len: repr.buffer_len(),
                hop_limit: 64,
            };
            let ethernet = EthernetRepr {
                src_addr: EthernetAddress([2; 6]),
                dst_addr: EthernetAddress([4; 6]),
                ethertype: EthernetProtocol::Ipv4,
            };
            let checksums = ChecksumCapabilities::default();
            let mut bytes = vec![0; 14 + 20 + repr.buffer_len()];
            let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
            ethernet.emit(&mut frame);
            let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
            ip.emit(&mut packet, &checksums);
            let mut tcp = TcpPacket::new_unchecked(packet.payload_mut());
            repr.emit(&mut tcp, &from.into(), &to.into(), &checksums);
            let packet = Packet::parse(&bytes, Origin::Station).unwrap();
            self.at = Instant::from_ticks(self.at.ticks() + 1);
            self.tap.see(&packet, self.at, &mut self.events);
        }

        fn open(&mut self, port: u16, client: i32, server: i32) {
            self.see(Side::Requests, port, TcpControl::Syn, (client, None), b"");
            self.see(Side::Responses, port, TcpControl::Syn, (server, Some(client + 1)), b"");
            self.see(Side::Requests, port, TcpControl::None, (client + 1, Some(server + 1)), b"");
        }

        fn told(&mut self) -> Vec<String> {
            self.events.drain(..).map(|event| event.kind.to_string()).collect()
        }
    }

    use Side::{Requests as C, Responses as S};
    use TcpControl::{Fin, None as Plain, Rst, Syn};

    #[test]
    fn a_connection_is_told_from_its_handshake_to_its_last_end() {
        let mut onlooker = Onlooker::new();
        onlooker.open(1000, 10, 20);
        onlooker.see(C, 1000, Plain, (11, Some(21)), b"hi");
        onlooker.see(S, 1000, Fin, (21, Some(13)), b"ho!");
        onlooker.see(S, 1000, Fin, (21, Some(13)), b"ho!");
        assert_eq!(
            onlooker.told(),
            ["tcp: 192.168.0.50:1000 -> 192.168.0.4:80 opened (connection 1)"]
        );
        onlooker.see(C, 1000, Fin, (13, Some(25)), b"");
        assert_eq!(
            onlooker.told(),
            [
                "tcp: 192.168.0.50:1000 -> 192.168.0.4:80 closed (connection 1, 2 bytes there, 3 back)"
            ]
        );
        assert!(onlooker.tap.is_idle());
    }

    #[test]
    fn a_handshake_that_ends_unseen_loses_no_byte() {
        let mut onlooker = Onlooker::new();
        onlooker.see(C, 1, Syn, (10, None), b"");
        onlooker.see(S, 1, Syn, (20, Some(11)), b"");
        onlooker.see(S, 1, Plain, (21, Some(11)), b"220 ready\r\n");
        onlooker.see(C, 1, Fin, (11, Some(32)), b"");
        onlooker.see(S, 1, Fin, (32, Some(12)), b"");
        let told = onlooker.told();
        assert!(told[1].ends_with("closed (connection 1, 0 bytes there, 11 back)"), "{told:?}");
    }

    #[test]
    fn refusals_resets_and_rebirths_are_told_apart() {
        let mut onlooker = Onlooker::new();
        onlooker.see(C, 1, Syn, (10, None), b"");
        onlooker.see(S, 1, Rst, (0, Some(11)), b"");
        assert_eq!(onlooker.told(), ["tcp: 192.168.0.50:1 -> 192.168.0.4:80 refused"]);
        // A board that was reset uses the same port again, in a connection the host still has.
        onlooker.open(2, 10, 20);
        onlooker.see(C, 2, Syn, (500, None), b"");
        onlooker.see(S, 2, Plain, (21, Some(11)), b"");
        assert_eq!(onlooker.told().len(), 1);
        onlooker.see(C, 2, Rst, (11, None), b"");
        onlooker.open(2, 500, 600);
        onlooker.open(2, 900, 950);
        let told = onlooker.told();
        let how: Vec<&str> = told.iter().map(|line| line.split(":80 ").nth(1).unwrap()).collect();
        assert_eq!(
            how,
            [
                "reset by the client (connection 1, 0 bytes there, 0 back)",
                "opened (connection 2)",
                "replaced by a new one (connection 2, 0 bytes there, 0 back)",
                "opened (connection 3)",
            ]
        );
    }

    #[test]
    fn unanswered_attempts_are_forgotten_before_connections() {
        let mut onlooker = Onlooker::new();
        onlooker.open(1, 10, 20);
        for port in 2..10_000 {
            onlooker.see(C, port, Syn, (0, None), b"");
        }
        assert!(onlooker.tap.connections.len() <= CONNECTIONS_LIMIT);
        onlooker.see(C, 1, Plain, (11, Some(21)), b"GET / HTTP/1.0\r\n\r\n");
        assert_eq!(onlooker.told().len(), 2);
        for port in 2..3_000 {
            onlooker.open(port, 10, 20);
        }
        assert!(onlooker.tap.connections.len() <= CONNECTIONS_LIMIT);
        assert!(
            onlooker.told().iter().any(|line| line.contains("forgotten (connection 1, 18 bytes"))
        );
    }

    #[test]
    fn bodies_of_all_connections_together_are_bounded() {
        let mut onlooker = Onlooker::new();
        let block = [b'x'; 1400];
        for port in 1..=20 {
            onlooker.open(port, 10, 20);
            let head = b"PUT / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n";
            onlooker.see(C, port, Plain, (11, Some(21)), head);
            for n in 0..3_000 {
                let number = 11 + head.len() as i32 + n * block.len() as i32;
                onlooker.see(C, port, Plain, (number, Some(21)), &block);
            }
            assert!(onlooker.tap.held <= BODIES_LIMIT);
        }
        assert!(onlooker.tap.held > BODIES_LIMIT - 2 * block.len());
        for port in 1..=20 {
            onlooker.see(C, port, Rst, (11, None), b"");
        }
        assert_eq!(onlooker.tap.held, 0);
    }
}
