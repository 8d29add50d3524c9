//! The wired network as a station sees it that knows nothing of its inside.

mod mobile;
mod mqtt;
mod station;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};
use std::sync::Arc;

use self::station::{Bench, Trouble, outputs};
use esp32_emulator::net::{
    Answer, Dhcp, Ending, Extent, FLOW_AHEAD, Faults, File, FlowEnding, FlowOrder, HostConfig,
    HttpFrame, Lie, Link, Mac, Manner, NetEventKind, Network, NetworkConfig, Order, OrderError,
    Protocol, RENEWAL, Request, RequestError, Response, STAND_IN, Service, Unanswered,
};
use esp32_emulator::time::{Duration, Instant};
use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::{dns, icmp, tcp, udp};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DnsQueryType, EthernetAddress, EthernetFrame,
    EthernetProtocol, EthernetRepr, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, IpAddress, IpProtocol,
    Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
const LAPTOP: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 4);
const WEB: SocketAddrV4 = SocketAddrV4::new(LAPTOP, 8000);
const STATION: [u8; 4] = [192, 168, 0, 200];
/// Where a gateway may let connections out.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 14);
const SIZE: usize = 5_000_000;

fn big() -> Arc<[u8]> {
    let mut x = 1_u32;
    let byte = |_| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8
    };
    (0..SIZE).map(byte).collect()
}

fn config() -> NetworkConfig {
    let file = |bytes: &[u8]| File {
        content_type: "application/octet-stream".to_owned(),
        bytes: Arc::from(bytes),
    };
    let files = BTreeMap::from([
        ("/small".to_owned(), file(b"small")),
        ("/big".to_owned(), File { bytes: big(), ..file(b"") }),
    ]);
    let services = vec![
        Service::Http { port: 8000, files },
        Service::TcpEcho(7),
        Service::UdpEcho(7),
        Service::Ntp,
    ];
    NetworkConfig {
        seed: 1,
        date: 1_795_659_865,
        hosts: vec![HostConfig { name: "laptop".to_owned(), address: LAPTOP, services }],
        ..NetworkConfig::default()
    }
}

fn network() -> Network {
    Network::new(config()).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn frames(bench: &Bench) -> Vec<Arc<HttpFrame>> {
    let frame = |kind: &NetEventKind| match kind {
        NetEventKind::HttpRequest(frame) | NetEventKind::HttpResponse(frame) => Some(frame.clone()),
        _ => None,
    };
    bench.events.iter().filter_map(|event| frame(&event.kind)).collect()
}

fn body_of(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    &answer[end + 4..]
}

#[test]
fn a_station_joins_resolves_pings_and_gets_404() {
    let mut bench = Bench::new(network());
    assert_eq!(bench.join(), Ipv4Addr::new(192, 168, 0, 50));

    let server = IpAddress::Ipv4(GATEWAY);
    let handle = bench.station().sockets.add(dns::Socket::new(&[server], vec![]));
    let query = bench.query(handle, "laptop", DnsQueryType::A);
    let mut result = None;
    bench.run_until(Duration::from_secs(5), |bench| {
        let socket = bench.station().sockets.get_mut::<dns::Socket<'_>>(handle);
        result = socket.get_query_result(query).ok();
        result.is_some()
    });
    assert_eq!(result.unwrap()[..], [IpAddress::Ipv4(LAPTOP)]);

    for address in [GATEWAY, LAPTOP] {
        assert_eq!(bench.ping(address, &[0x5a; 56]), Some(vec![0x5a; 56]));
        assert_eq!(bench.ping(address, &[0xa5; 4000]), Some(vec![0xa5; 4000]), "in fragments");
    }
    assert_eq!(bench.ping(Ipv4Addr::new(192, 168, 0, 77), b"?"), None);

    let request = b"GET /hello-from-esp HTTP/1.0\r\nHost: 192.168.0.4\r\n\r\n";
    let answer = text(&bench.exchange(WEB, request, usize::MAX));
    assert!(answer.starts_with("HTTP/1.0 404 File not found\r\n"), "{answer}");
    let log = bench.log();
    assert_eq!(log.len(), 2);
    let (begin, end) = log[1].split_at("192.168.0.50 - - [26/Nov/2026 02:24:".len());
    assert_eq!(begin, "192.168.0.50 - - [26/Nov/2026 02:24:");
    assert_eq!(&end[2..], "] \"GET /hello-from-esp HTTP/1.0\" 404 -");

    let mac = Mac(bench.station().mac);
    let leased = NetEventKind::Leased { mac, address: Ipv4Addr::new(192, 168, 0, 50) };
    assert!(bench.events.iter().any(|event| event.kind == leased));
    let asked = |kind: &NetEventKind| matches!(kind, NetEventKind::Asked { name, answer, .. } if name == "laptop" && *answer == Answer::Address(LAPTOP));
    assert!(bench.events.iter().any(|event| asked(&event.kind)));
    let frames = frames(&bench);
    assert_eq!(frames.len(), 2);
    assert!(frames[0].to_string().ends_with("-> 192.168.0.4:8000 GET /hello-from-esp HTTP/1.0"));
    assert!(frames[1].first_byte >= frames[0].last_byte);
    assert!(frames.iter().all(|frame| frame.complete && frame.connection == 1));
    bench.run_for(Duration::from_secs(1));
    let closed = |kind: &NetEventKind| {
        matches!(kind, NetEventKind::Closed { how: Ending::Finished, sent, .. }
            if *sent == request.len() as u64)
    };
    assert!(bench.events.iter().any(|event| closed(&event.kind)), "{:?}", bench.events.last());
}

fn download_and_upload(trouble: Trouble) -> (Bench, Duration, Duration) {
    let mut bench = Bench::with_address(network(), STATION);
    bench.trouble = trouble;
    let big = big();
    let start = bench.now;
    let answer = bench.exchange(WEB, b"GET /big HTTP/1.1\r\nConnection: close\r\n\r\n", usize::MAX);
    let down = bench.now - start;
    assert!(body_of(&answer) == &big[..], "{} bytes came", answer.len());

    let mut request = format!("POST /new HTTP/1.1\r\nContent-Length: {SIZE}\r\n\r\n").into_bytes();
    request.extend_from_slice(&big);
    let start = bench.now;
    let answer = bench.exchange(WEB, &request, usize::MAX);
    let up = bench.now - start;
    assert!(text(&answer).starts_with("HTTP/1.1 501 "));
    let frames = frames(&bench);
    assert_eq!(frames.len(), 4, "{frames:?}");
    for frame in [&frames[1], &frames[2]] {
        assert!(frame.complete);
        assert_eq!(frame.extent, Extent::Length(SIZE as u64));
        assert_eq!(frame.body.size, SIZE as u64);
        assert_eq!(frame.body.bytes, big[..frame.body.bytes.len()]);
    }
    let (a, b) = (frames[1].body.sha256(), frames[2].body.sha256());
    assert_eq!(a, b);
    (bench, down, up)
}

#[test]
fn five_megabytes_come_down_and_go_up_at_the_speed_of_the_link() {
    let (_, down, up) = download_and_upload(Trouble::default());
    // 5 MB and their headers at 2.5 MB/s.
    for time in [down, up] {
        assert!(time < Duration::from_millis(2_400), "down {down}, up {up}");
    }
}

#[test]
fn a_link_that_loses_copies_and_reorders_frames_changes_no_byte() {
    let trouble = Trouble { loss: 10, copies: 10, late: 20 };
    let (bench, ..) = download_and_upload(trouble);
    assert!(!bench.events.iter().any(|e| matches!(e.kind, NetEventKind::NotHttp { .. })));
}

#[test]
fn copies_made_at_any_moment_go_on_like_the_original() {
    let mut bench = Bench::new(network());
    bench.trouble = Trouble { loss: 20, copies: 10, late: 20 };
    bench.shadows.push(bench.network.clone());
    bench.join();
    let handle = bench.connect(WEB);
    for n in 0..12 {
        bench.network.order(respond(None, Response::new(200 + n), 1), bench.now).unwrap();
        for shadow in &mut bench.shadows {
            shadow.order(respond(None, Response::new(200 + n), 1), bench.now).unwrap();
        }
        bench.shadows.push(bench.network.clone());
        let answer = bench.talk(handle, b"GET /x HTTP/1.1\r\n\r\n", 12);
        assert!(text(&answer).starts_with(&format!("HTTP/1.1 {} ", 200 + n)));
        bench.talk(handle, b"GET /small HTTP/1.1\r\n\r\n", 50);
        // A copy of a copy that was never used, and one of one that was.
        let copy = bench.shadows[0].clone().clone();
        bench.shadows.push(copy);
        bench.run_for(Duration::from_micros(u64::from(n) * 777));
    }
    let mut middle = 0;
    let (mut sent, request) = (false, b"GET /big HTTP/1.1\r\n\r\n");
    bench.run_until(Duration::from_secs(60), |bench| {
        let socket = bench.tcp(handle);
        if !sent {
            socket.send_slice(request).unwrap();
            sent = true;
        }
        while socket.can_recv() {
            middle += socket.recv(|bytes| (bytes.len(), bytes.len())).unwrap();
        }
        middle > 300_000
    });
    let copy = bench.network.clone();
    bench.shadows = vec![copy];
    let rest = bench.talk(handle, b"", 400_000);
    assert!(rest.len() >= 400_000);
    assert!(frames(&bench).len() >= 48);
}

#[test]
fn needless_polls_change_nothing() {
    let run = |polls| {
        let mut bench = Bench::new(network());
        bench.trouble = Trouble { loss: 50, copies: 10, late: 20 };
        bench.needless_polls = polls;
        bench.sent = Some(Vec::new());
        bench.join();
        bench.exchange(WEB, b"GET /small HTTP/1.0\r\n\r\n", usize::MAX);
        bench.run_for(Duration::from_secs(200));
        (bench.sent.unwrap(), bench.events)
    };
    let (sent, events) = run(None);
    let (sent_too, events_too) = run(Some(Duration::from_micros(773)));
    assert_eq!(sent.len(), sent_too.len());
    assert!(sent == sent_too && events == events_too);
}

#[test]
fn late_polls_find_events_at_their_own_instants() {
    let mut bench = Bench::with_address(network(), STATION);
    let response = Response { delay: Duration::from_millis(70), ..Response::new(200) };
    bench.network.order(respond(None, response, 1), bench.now).unwrap();
    let handle = bench.connect(WEB);
    bench.run_until(Duration::from_secs(1), |bench| bench.tcp(handle).can_send());
    bench.tcp(handle).send_slice(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    bench.run_for(Duration::from_millis(5));
    let mut late = bench.network.clone();
    bench.run_for(Duration::from_millis(200));
    late.poll(bench.now);
    let (_, events) = outputs(&mut late);
    let found = frames(&bench);
    assert_eq!(found.len(), 2);
    assert!(events.iter().any(|event| matches!(&event.kind, NetEventKind::HttpResponse(frame)
        if *frame == found[1] && event.at == frame.last_byte)));
    let waited = found[1].first_byte - found[0].last_byte;
    assert!((Duration::from_millis(70)..Duration::from_millis(71)).contains(&waited), "{waited}");
}

#[test]
fn a_large_log_is_dropped_when_no_connection_is_left() {
    let mut bench = Bench::with_address(network(), STATION);
    bench.shadows.push(bench.network.clone());
    let mut request =
        format!("PUT /new HTTP/1.1\r\nContent-Length: {RENEWAL}\r\n\r\n").into_bytes();
    request.resize(request.len() + RENEWAL, 0);
    bench.exchange(WEB, &request, usize::MAX);
    assert!(bench.network.log_size() > RENEWAL);
    bench.run_for(Duration::from_secs(30));
    // It is looked at when a frame comes.
    assert!(bench.ping(LAPTOP, b"ping").is_some());
    assert!(bench.network.log_size() < 4_000, "{}", bench.network.log_size());
    bench.shadows.push(bench.network.clone());
    let answer = bench.exchange(WEB, b"GET /small HTTP/1.0\r\n\r\n", usize::MAX);
    assert_eq!(body_of(&answer), b"small");
}

fn respond(path: Option<&str>, response: Response, times: u32) -> Order {
    let path = path.map(str::to_owned);
    Order::Respond { host: "laptop".to_owned(), port: 8000, path, response, times }
}

fn shown(frames: &[Arc<HttpFrame>]) -> Vec<String> {
    let show = |frame: &Arc<HttpFrame>| {
        format!("{:?} {:?} {:?} {}", frame.head, frame.extent, frame.body, frame.size)
    };
    frames.iter().map(show).collect()
}

#[test]
fn frames_do_not_depend_on_segments() {
    let requests = b"POST /small HTTP/1.1\r\nhOST: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n\
        0\r\n\r\nGET /small HTTP/1.1\r\n\r\nHEAD /nothing HTTP/1.1\r\nX: 1\r\nConnection: close\r\n\r\n";
    let run = |portion: usize, trouble| {
        let mut bench = Bench::with_address(network(), STATION);
        bench.trouble = trouble;
        // All answers alike, but for the date.
        let response = Response { body: Arc::from(&b"ok"[..]), ..Response::new(200) };
        bench.network.order(respond(None, response, 3), bench.now).unwrap();
        let handle = bench.connect(WEB);
        bench.tcp(handle).set_nagle_enabled(false);
        bench.run_until(Duration::from_secs(90), |bench| bench.tcp(handle).can_send());
        for portion in requests.chunks(portion) {
            bench.tcp(handle).send_slice(portion).unwrap();
            bench.run_for(Duration::from_micros(100));
        }
        bench.talk(handle, b"", usize::MAX);
        shown(&frames(&bench))
    };
    let whole = run(requests.len(), Trouble::default());
    assert_eq!(whole.len(), 6);
    assert!(whole.iter().any(|frame| frame.contains("\"hOST\"")));
    let trouble = Trouble { loss: 150, copies: 150, late: 150 };
    for (portion, trouble) in
        [(1, Trouble::default()), (7, Trouble::default()), (1, trouble), (40, trouble)]
    {
        let mut found = run(portion, trouble);
        let mut whole = whole.clone();
        // Requests that come in pieces are answered in between.
        found.sort();
        whole.sort();
        assert_eq!(found, whole, "in portions of {portion}, {trouble:?}");
    }
}

#[test]
fn scripted_answers_are_cut_reset_and_dripped_on_the_wire() {
    let mut bench = Bench::with_address(network(), STATION);
    let with =
        |manner| Response { body: Arc::from(&b"0123456789"[..]), manner, ..Response::new(200) };
    let request = b"GET /s HTTP/1.1\r\n\r\n";

    bench.network.order(respond(Some("/s"), with(Manner::Truncated(4)), 1), bench.now).unwrap();
    let answer = bench.exchange(WEB, request, usize::MAX);
    assert_eq!(body_of(&answer), b"0123");
    assert!(!frames(&bench)[1].complete);
    assert_eq!(frames(&bench)[1].body.bytes, b"0123");

    bench.network.order(respond(Some("/s"), with(Manner::Reset(20)), 1), bench.now).unwrap();
    let handle = bench.connect(WEB);
    let answer = bench.talk(handle, request, usize::MAX);
    assert_eq!(answer.len(), 20);
    assert_eq!(bench.tcp(handle).state(), tcp::State::Closed);
    let reset = |kind: &NetEventKind| {
        matches!(kind, NetEventKind::Closed { how: Ending::ResetByServer, received: 20, .. })
    };
    assert!(bench.events.iter().any(|event| reset(&event.kind)));

    let drip = Manner::Drip { bytes: 3, every: Duration::from_millis(500) };
    bench.network.order(respond(Some("/s"), with(drip), 1), bench.now).unwrap();
    let start = bench.now;
    let answer =
        bench.exchange(WEB, request, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".len() + 10);
    assert_eq!(body_of(&answer), b"0123456789");
    let time = bench.now - start;
    assert!((Duration::from_millis(1_500)..Duration::from_millis(1_600)).contains(&time), "{time}");

    bench.network.order(respond(Some("/s"), with(Manner::Silence), 1), bench.now).unwrap();
    let handle = bench.connect(WEB);
    bench.run_until(Duration::from_secs(1), |bench| bench.tcp(handle).can_send());
    bench.tcp(handle).send_slice(request).unwrap();
    bench.run_for(Duration::from_secs(300));
    assert!(bench.tcp(handle).may_recv() && !bench.tcp(handle).can_recv());
}

#[test]
fn a_host_asks_a_station_and_the_answer_is_an_event() {
    let mut bench = Bench::with_address(network(), STATION);
    let handle = bench.listen(80);
    let ask = |id, port, within| {
        Order::Request(Request {
            id,
            host: "laptop".to_owned(),
            to: SocketAddrV4::new(STATION.into(), port),
            method: "PUT".to_owned(),
            target: "/led?on".to_owned(),
            headers: vec![("X-a".to_owned(), "b".to_owned())],
            body: Arc::from(&b"1"[..]),
            within,
        })
    };
    let second = Duration::from_secs(1);
    bench.network.order(ask(7, 80, second), bench.now).unwrap();
    bench.drain();
    let mut heard = Vec::new();
    bench.run_until(second, |bench| {
        let socket = bench.tcp(handle);
        while socket.can_recv() {
            socket
                .recv(|bytes| {
                    heard.extend_from_slice(bytes);
                    (bytes.len(), ())
                })
                .unwrap();
        }
        heard.ends_with(b"\r\n\r\n1")
    });
    assert_eq!(
        text(&heard),
        "PUT /led?on HTTP/1.1\r\nHost: 192.168.0.200:80\r\nX-a: b\r\nContent-Length: 1\r\n\r\n1"
    );
    bench.tcp(handle).send_slice(b"HTTP/1.0 200 OK\r\n\r\nfine").unwrap();
    bench.tcp(handle).close();
    // Nobody listens at 81, and at 82 nobody answers.
    bench.listen(82);
    bench.network.order(ask(8, 81, second), bench.now).unwrap();
    bench.network.order(ask(9, 82, second), bench.now).unwrap();
    bench.drain();
    bench.run_for(Duration::from_secs(2));
    let answered = |event: &esp32_emulator::net::NetEvent| match &event.kind {
        NetEventKind::Answered { id, result } => {
            Some((*id, result.clone().map(|frame| frame.body.bytes.clone())))
        }
        _ => None,
    };
    let mut answers: Vec<_> = bench.events.iter().filter_map(answered).collect();
    answers.sort_by_key(|(id, _)| *id);
    assert_eq!(
        answers,
        [
            (7, Ok(b"fine".to_vec())),
            (8, Err(RequestError::Reset)),
            (9, Err(RequestError::TimedOut))
        ]
    );
    let nobody = Order::Request(Request {
        id: 1,
        host: "nobody".to_owned(),
        to: SocketAddrV4::new(STATION.into(), 80),
        method: "GET".to_owned(),
        target: "/".to_owned(),
        headers: vec![],
        body: Arc::from([]),
        within: second,
    });
    let refused = bench.network.order(nobody, bench.now);
    assert_eq!(refused, Err(OrderError::NoSuchHost("nobody".to_owned())));
}

#[test]
fn echoes_and_time_servers_answer() {
    let mut bench = Bench::with_address(network(), STATION);
    let bytes: Vec<u8> = big()[..300_000].to_vec();
    let answer = bench.exchange(SocketAddrV4::new(LAPTOP, 7), &bytes, bytes.len());
    assert!(answer == bytes);
    assert!(frames(&bench).is_empty(), "bytes at random are no HTTP");
    assert_eq!(bench.datagram(LAPTOP, 7, b"hello").as_deref(), Some(&b"hello"[..]));
    assert_eq!(bench.datagram(LAPTOP, 7, &bytes[..6000]).as_deref(), Some(&bytes[..6000]));
    let mut request = [0; 48];
    request[0] = 0x23;
    for server in [LAPTOP, GATEWAY] {
        let reply = bench.datagram(server, 123, &request).unwrap();
        let seconds = u32::from_be_bytes(reply[40..44].try_into().unwrap());
        let since = bench.now.since_zero().as_micros() / 1_000_000;
        assert_eq!(u64::from(seconds), 1_795_659_865 + since + 2_208_988_800);
    }
    assert_eq!(bench.datagram(GATEWAY, 53, b"x"), None);
    assert!(bench.events.iter().any(|e| matches!(e.kind, NetEventKind::BadMessage { .. })));
}

#[test]
fn a_silent_dhcp_server_and_a_lost_link_are_as_told() {
    let mut bench = Bench::new(network());
    bench.network.order(Order::Dhcp(Dhcp::Silent), bench.now).unwrap();
    let handle = bench.station().sockets.add(smoltcp::socket::dhcpv4::Socket::new());
    bench.run_for(Duration::from_secs(30));
    let unanswered = |kind: &NetEventKind| {
        matches!(kind, NetEventKind::DhcpUnanswered { why: Unanswered::Silent, .. })
    };
    assert!(bench.events.iter().all(|event| unanswered(&event.kind)));
    assert!(bench.events.len() >= 2);
    bench.station().sockets.remove(handle);
    bench.network.order(Order::Dhcp(Dhcp::Answers), bench.now).unwrap();
    bench.join();

    assert!(bench.ping(LAPTOP, b"a").is_some());
    bench.network.order(Order::Link(Link::Down), bench.now).unwrap();
    assert!(bench.ping(LAPTOP, b"b").is_none());
    bench.network.order(Order::Link(Link::Up), bench.now).unwrap();
    assert!(bench.ping(LAPTOP, b"c").is_some());
}

#[test]
fn a_name_server_lies_when_told() {
    let mut bench = Bench::with_address(network(), STATION);
    let portal = Ipv4Addr::new(192, 168, 0, 9);
    let all = Order::Dns { name: None, lie: Some(Lie::Address(portal)) };
    bench.network.order(all, bench.now).unwrap();
    let handle = bench.station().sockets.add(dns::Socket::new(&[GATEWAY.into()], vec![]));
    let query = bench.query(handle, "example.org", DnsQueryType::A);
    let mut result = None;
    bench.run_until(Duration::from_secs(5), |bench| {
        let socket = bench.station().sockets.get_mut::<dns::Socket<'_>>(handle);
        result = socket.get_query_result(query).ok();
        result.is_some()
    });
    assert_eq!(result.unwrap()[..], [IpAddress::Ipv4(portal)]);
    let asked = bench.events.iter().map(|event| event.kind.to_string());
    assert!(asked.into_iter().any(|line| line.ends_with("example.org: 192.168.0.9 (a lie)")));
}

#[test]
fn nothing_leaves_by_the_gateway() {
    let mut bench = Bench::with_address(network(), STATION);
    let outside = OUTSIDE;
    let handle = bench.connect(SocketAddrV4::new(outside, 80));
    bench
        .run_until(Duration::from_secs(5), |bench| bench.tcp(handle).state() == tcp::State::Closed);
    assert!(bench.now.since_zero() < Duration::from_millis(100), "refused, not timed out");
    assert_eq!(bench.datagram(outside, 53, b"x"), None);
    let refused = |event: &esp32_emulator::net::NetEvent| match event.kind {
        NetEventKind::NoWayOut { to, protocol, .. } => Some((to.to_string(), protocol)),
        _ => None,
    };
    let refused: Vec<_> = bench.events.iter().filter_map(refused).collect();
    assert_eq!(
        refused,
        [
            ("93.184.215.14:80".to_owned(), Protocol::Tcp),
            ("93.184.215.14:53".to_owned(), Protocol::Udp)
        ]
    );
}

#[test]
fn connections_in_a_row_never_run_out_and_too_many_at_once_are_refused() {
    let mut bench = Bench::with_address(network(), STATION);
    for _ in 0..40 {
        let answer = bench.exchange(WEB, b"GET /small HTTP/1.0\r\n\r\n", usize::MAX);
        assert_eq!(body_of(&answer), b"small");
    }
    bench.run_for(Duration::from_secs(30));
    let handles: Vec<_> = (0..40).map(|_| bench.connect(WEB)).collect();
    bench.run_for(Duration::from_secs(1));
    let open = handles.iter().filter(|&&h| bench.tcp(h).state() == tcp::State::Established).count();
    assert_eq!(open, 16);
    let refused = |kind: &NetEventKind| matches!(kind, NetEventKind::Refused { .. });
    assert_eq!(bench.events.iter().filter(|event| refused(&event.kind)).count(), 24);
    // Those that say nothing are closed after a while, and there is room again.
    bench.run_for(Duration::from_secs(80));
    let answer = bench.exchange(WEB, b"GET /small HTTP/1.0\r\n\r\n", usize::MAX);
    assert_eq!(body_of(&answer), b"small");
}

fn ethernet(
    to: [u8; 6],
    kind: EthernetProtocol,
    size: usize,
    emit: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let header = EthernetRepr {
        src_addr: EthernetAddress([0x24, 0x0a, 0xc4, 0, 0, 2]),
        dst_addr: EthernetAddress(to),
        ethertype: kind,
    };
    let mut bytes = vec![0; header.buffer_len() + size];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    header.emit(&mut frame);
    emit(frame.payload_mut());
    bytes
}

fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [2, 0, a, b, c, d]
}

fn segment(from: Ipv4Addr, repr: &TcpRepr<'_>) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let ip = Ipv4Repr {
        src_addr: from,
        dst_addr: LAPTOP,
        next_header: IpProtocol::Tcp,
        payload_len: repr.buffer_len(),
        hop_limit: 64,
    };
    let size = ip.buffer_len() + repr.buffer_len();
    ethernet(mac_of(LAPTOP), EthernetProtocol::Ipv4, size, |payload| {
        let mut packet = Ipv4Packet::new_unchecked(payload);
        ip.emit(&mut packet, &checksums);
        let mut tcp = TcpPacket::new_unchecked(packet.payload_mut());
        repr.emit(&mut tcp, &from.into(), &LAPTOP.into(), &checksums);
    })
}

fn syn(port: u16) -> TcpRepr<'static> {
    TcpRepr {
        src_port: port,
        dst_port: 8000,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(i32::from(port)),
        ack_number: None,
        window_len: 5744,
        window_scale: None,
        max_seg_size: Some(1440),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    }
}

fn arp(operation: ArpOperation, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress([0x24, 0x0a, 0xc4, 0, 0, 2]),
        source_protocol_addr: sender,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    ethernet([0xff; 6], EthernetProtocol::Arp, repr.buffer_len(), |payload| {
        repr.emit(&mut ArpPacket::new_unchecked(payload));
    })
}

#[test]
fn ten_thousand_half_open_connections_are_borne() {
    let mut bench = Bench::with_address(network(), STATION);
    let from = Ipv4Addr::new(192, 168, 0, 201);
    bench.inject(&arp(ArpOperation::Request, from, LAPTOP));
    for n in 0..10_000 {
        bench.inject(&segment(from, &syn(10_000 + n)));
        bench.now += Duration::from_micros(50);
    }
    let refused = |kind: &NetEventKind| matches!(kind, NetEventKind::Refused { .. });
    assert_eq!(bench.events.iter().filter(|event| refused(&event.kind)).count(), 10_000 - 16);
    let log = bench.network.log_size();
    assert!(log < 2_000_000, "{log}");
    bench.run_for(Duration::from_secs(40));
    let answer = bench.exchange(WEB, b"GET /small HTTP/1.0\r\n\r\n", usize::MAX);
    assert_eq!(body_of(&answer), b"small");
}

#[test]
fn a_probe_for_a_hosts_address_is_answered_and_one_for_a_leased_address_is_not() {
    let mut network = network();
    let probe = |target| arp(ArpOperation::Request, Ipv4Addr::UNSPECIFIED, target);
    network.receive(&probe(Ipv4Addr::new(192, 168, 0, 50)), Instant::ZERO);
    assert!(network.take_frame().is_none());
    for host in [LAPTOP, GATEWAY] {
        network.receive(&probe(host), Instant::ZERO);
        let frame = network.take_frame().expect("an answer");
        assert_eq!(frame[6..12], mac_of(host));
        assert_eq!(frame[28..32], host.octets());
    }
}

#[test]
fn overlapping_and_untimely_segments_are_read_once() {
    let mut bench = Bench::with_address(network(), STATION);
    let from = Ipv4Addr::new(192, 168, 0, 201);
    bench.inject(&arp(ArpOperation::Request, from, LAPTOP));
    bench.sent = Some(Vec::new());
    bench.inject(&segment(from, &syn(1000)));
    let (_, frame) = bench.sent.take().unwrap().pop().expect("SYN, ACK");
    let packet = Ipv4Packet::new_checked(&frame[14..]).unwrap();
    let tcp = TcpPacket::new_checked(packet.payload()).unwrap();
    assert!(tcp.syn() && tcp.ack());
    let server = tcp.seq_number() + 1;
    let request = b"GET /small HTTP/1.1\r\n\r\n";
    let piece = |start: usize, end: usize| TcpRepr {
        control: TcpControl::None,
        seq_number: TcpSeqNumber(1001) + start,
        ack_number: Some(server),
        max_seg_size: None,
        payload: &request[start..end],
        ..syn(1000)
    };
    bench.inject(&segment(from, &piece(0, 0)));
    for (start, end) in [(0, 5), (10, 23), (3, 4), (0, 12), (20, 23), (0, 23)] {
        bench.inject(&segment(from, &piece(start, end)));
    }
    let found = frames(&bench);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].size, request.len() as u64);
    assert_eq!(found[1].body.bytes, b"small");
}

#[test]
fn wrong_checksums_and_lengths_are_told() {
    let mut network = network();
    let good = segment(Ipv4Addr::new(192, 168, 0, 201), &syn(1));
    let mut told = Vec::new();
    let mut tell = |frame: &[u8]| {
        network.receive(frame, Instant::ZERO);
        assert!(network.take_frame().is_none());
        told.push(network.take_event().expect("an event").kind.to_string());
    };
    let spoilt = |at: usize| {
        let mut frame = good.clone();
        frame[at] ^= 1;
        frame
    };
    tell(&good[..13]);
    tell(&good[..30]);
    tell(&spoilt(24));
    tell(&spoilt(50));
    tell(&spoilt(6));
    assert_eq!(
        told,
        [
            "malformed frame from 00:00:00:00:00:00: shorter than an Ethernet header",
            "malformed frame from 24:0a:c4:00:00:02: IPv4 too short",
            "malformed frame from 24:0a:c4:00:00:02: IPv4 with a wrong checksum",
            "malformed frame from 24:0a:c4:00:00:02: TCP with a wrong checksum",
            "malformed frame from 25:0a:c4:00:00:02: sent by the address of a group or of nobody",
        ]
    );
}

/// Frames with right checksums whose fields are anything.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let to = prop_oneof![
        Just(LAPTOP),
        Just(GATEWAY),
        Just(OUTSIDE),
        Just(Ipv4Addr::BROADCAST),
        any::<Ipv4Addr>()
    ];
    let from = prop_oneof![
        Just(Ipv4Addr::new(192, 168, 0, 201)),
        Just(Ipv4Addr::UNSPECIFIED),
        Just(Ipv4Addr::new(192, 168, 0, 255)),
        Just(LAPTOP),
        any::<Ipv4Addr>()
    ];
    let mac = prop_oneof![Just(mac_of(LAPTOP)), Just(mac_of(GATEWAY)), Just([0xff; 6])];
    let protocol = prop_oneof![Just(6_u8), Just(17), Just(1), Just(2), any::<u8>()];
    let port = prop_oneof![Just(8000_u16), Just(7), Just(53), Just(67), Just(123), any::<u16>()];
    let payload = proptest::collection::vec(any::<u8>(), 0..120);
    (mac, from, to, protocol, port, payload, any::<(bool, u16, u16)>()).prop_map(
        |(mac, from, to, protocol, port, mut payload, (whole, fragment, flags))| {
            if payload.len() >= 20 {
                payload[2..4].copy_from_slice(&port.to_be_bytes());
                let size = payload.len() as u16;
                match protocol {
                    6 => {
                        payload[12] = 0x50;
                        payload[13] = flags as u8;
                        payload[16..18].fill(0);
                    }
                    17 => {
                        payload[4..6].copy_from_slice(&size.to_be_bytes());
                        payload[6..8].fill(0);
                    }
                    _ => {}
                }
                let mut tcp = TcpPacket::new_unchecked(&mut payload[..]);
                if protocol == 6 && tcp.check_len().is_ok() {
                    tcp.fill_checksum(&from.into(), &to.into());
                }
                if protocol == 1 {
                    payload[0] = [0, 3, 8, 11][usize::from(flags % 4)];
                    Icmpv4Packet::new_unchecked(&mut payload[..]).fill_checksum();
                }
            }
            let header = Ipv4Repr {
                src_addr: from,
                dst_addr: to,
                next_header: protocol.into(),
                payload_len: payload.len(),
                hop_limit: 3,
            };
            ethernet(mac, EthernetProtocol::Ipv4, 20 + payload.len(), |bytes| {
                let mut packet = Ipv4Packet::new_unchecked(bytes);
                header.emit(&mut packet, &ChecksumCapabilities::default());
                if !whole {
                    packet.set_more_frags(fragment & 1 != 0);
                    packet.set_frag_offset(fragment & 0x1ff8);
                    packet.fill_checksum();
                }
                packet.payload_mut().copy_from_slice(&payload);
            })
        },
    )
}

/// The same over IPv6.
fn any_ipv6_frame() -> impl Strategy<Value = Vec<u8>> {
    let own = |host: Ipv4Addr| {
        let [a, b, c, d, e, f] = mac_of(host);
        let word = |high, low| u16::from_be_bytes([high, low]);
        Ipv6Addr::new(0xfe80, 0, 0, 0, word(a ^ 2, b), word(c, 0xff), word(0xfe, d), word(e, f))
    };
    let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let solicited = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xffa8, 4);
    let station = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x260a, 0xc4ff, 0xfe00, 2);
    let to = prop_oneof![
        Just(own(LAPTOP)),
        Just(own(GATEWAY)),
        Just(all),
        Just(solicited),
        any::<Ipv6Addr>()
    ];
    let from = prop_oneof![
        Just(station),
        Just(station),
        Just(Ipv6Addr::UNSPECIFIED),
        Just(own(LAPTOP)),
        any::<Ipv6Addr>()
    ];
    let mac =
        prop_oneof![Just(mac_of(LAPTOP)), Just(mac_of(GATEWAY)), Just([0x33, 0x33, 0, 0, 0, 1])];
    let protocol = prop_oneof![Just(58_u8), Just(58), Just(6), Just(17), Just(0), any::<u8>()];
    let kind = prop_oneof![Just(128_u8), Just(135), Just(136), Just(133), Just(134), any::<u8>()];
    let payload = proptest::collection::vec(any::<u8>(), 0..100);
    (mac, from, to, protocol, kind, payload, any::<bool>()).prop_map(
        move |(mac, from, to, protocol, kind, mut payload, target)| {
            if protocol == 58 && payload.len() >= 24 {
                payload[..2].copy_from_slice(&[kind, 0]);
                if target {
                    payload[8..24].copy_from_slice(&own(LAPTOP).octets());
                    payload.truncate(if payload.len() >= 32 { 32 } else { 24 });
                    if let Some(option) = payload.get_mut(24..26) {
                        option.copy_from_slice(&[1, 1]);
                    }
                }
                let mut packet = Icmpv6Packet::new_unchecked(&mut payload[..]);
                packet.fill_checksum(&from, &to);
            }
            let header = Ipv6Repr {
                src_addr: from,
                dst_addr: to,
                next_header: protocol.into(),
                payload_len: payload.len(),
                hop_limit: 255,
            };
            ethernet(mac, EthernetProtocol::Ipv6, 40 + payload.len(), |bytes| {
                let mut packet = Ipv6Packet::new_unchecked(bytes);
                header.emit(&mut packet);
                packet.payload_mut().copy_from_slice(&payload);
            })
        },
    )
}

fn any_order() -> impl Strategy<Value = Order> {
    let host = || "laptop".to_owned();
    let to = SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, 201), 80);
    let manner = prop_oneof![
        Just(Manner::Whole),
        Just(Manner::Silence),
        (0_usize..20).prop_map(Manner::Truncated),
        (0_usize..200).prop_map(Manner::Reset),
        (0_usize..4, 0_u64..10)
            .prop_map(|(bytes, ms)| Manner::Drip { bytes, every: Duration::from_millis(ms) }),
    ];
    let response = (manner, 0_u64..10, 200_u16..600).prop_map(|(manner, ms, status)| Response {
        body: Arc::from(&b"0123456789"[..]),
        delay: Duration::from_millis(ms),
        manner,
        ..Response::new(status)
    });
    let flow = prop_oneof![
        Just(FlowOrder::Send(Arc::from(&b"bytes"[..]))),
        any::<usize>().prop_map(FlowOrder::Taken),
        Just(FlowOrder::Finish),
        Just(FlowOrder::Reset),
    ];
    let faults = (0_u16..1001, 0_u16..1001, 0_u64..9, 60_usize..2000);
    prop_oneof![
        prop_oneof![Just(Dhcp::Answers), Just(Dhcp::Silent)].prop_map(Order::Dhcp),
        prop_oneof![Just(Link::Up), Just(Link::Down)].prop_map(Order::Link),
        Just(Order::BreakOff),
        prop_oneof![Just(None), Just(Some(Lie::Silence)), Just(Some(Lie::Failure))]
            .prop_map(|lie| Order::Dns { name: None, lie }),
        faults.prop_map(|(loss, some, ms, mtu)| Order::Faults(Faults {
            loss: loss / 4,
            duplicated: some,
            reordered: some,
            delay: Duration::from_millis(ms),
            jitter: Duration::from_millis(ms),
            mtu: Some(mtu),
        })),
        response.prop_map(|response| respond(None, response, 2)),
        any::<u64>().prop_map(move |id| Order::Dial { id, host: host(), to }),
        any::<u64>().prop_map(move |id| Order::Request(Request {
            id,
            host: host(),
            to,
            method: "GET".to_owned(),
            target: "/".to_owned(),
            headers: vec![],
            body: Arc::from([]),
            within: Duration::from_secs(1),
        })),
        (1_u64..4, flow).prop_map(|(flow, order)| Order::Flow { flow, order }),
        (1_u16..9, 1_u16..9).prop_map(move |(from, port)| Order::Datagram {
            host: host(),
            from,
            to: SocketAddrV4::new(LAPTOP, port),
            bytes: Arc::from(&b"datagram"[..]),
        }),
    ]
}

/// How many cases the properties try; more with `PROPTEST_CASES`.
fn cases() -> ProptestConfig {
    let more = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(more.unwrap_or(64))
}

/// Something for the network.
#[derive(Debug, Clone)]
enum Given {
    Frame(Vec<u8>),
    Order(Order),
}

fn any_given() -> impl Strategy<Value = Given> {
    let spoilt = (any_frame(), any::<prop::sample::Index>(), any::<u8>());
    let spoilt = spoilt.prop_map(|(mut frame, n, byte)| {
        let n = n.index(frame.len());
        frame[n] = byte;
        frame
    });
    let noise = proptest::collection::vec(any::<u8>(), 0..100);
    let frame = prop_oneof![
        3 => any_frame(),
        2 => (1_u16..20).prop_map(|port| segment(Ipv4Addr::new(192, 168, 0, 201), &syn(port))),
        1 => any_ipv6_frame(),
        1 => spoilt,
        1 => noise,
    ];
    prop_oneof![4 => frame.prop_map(Given::Frame), 1 => any_order().prop_map(Given::Order)]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_frames_and_orders_make_the_network_panic_or_a_copy_stray(
        given in proptest::collection::vec(any_given(), 0..60),
        copied_at in 0_usize..60,
    ) {
        let mut network = Network::new(config_without_big()).unwrap();
        let mut copy = network.clone();
        let mut now = Instant::ZERO;
        let sender = Ipv4Addr::new(192, 168, 0, 201);
        network.receive(&arp(ArpOperation::Request, sender, LAPTOP), now);
        for (n, given) in given.into_iter().enumerate() {
            if n == copied_at {
                outputs(&mut network);
                copy = network.clone();
            }
            match &given {
                Given::Frame(frame) => network.receive(frame, now),
                Given::Order(order) => network.order(order.clone(), now).unwrap(),
            }
            if n >= copied_at {
                match given {
                    Given::Frame(frame) => copy.receive(&frame, now),
                    Given::Order(order) => copy.order(order, now).unwrap(),
                }
                prop_assert!(outputs(&mut network) == outputs(&mut copy));
            }
            now += Duration::from_millis(3);
        }
        outputs(&mut network);
        copy = network.clone();
        for _ in 0..100 {
            let Some(at) = network.poll_at() else { break };
            now = now.max(at);
            network.poll(now);
            copy.poll(now);
            prop_assert!(network.poll_at().is_none_or(|next| next > now), "time goes on");
            prop_assert!(outputs(&mut network) == outputs(&mut copy));
        }
    }
}

/// Services at the ports that frames of the property aim at.
fn config_without_big() -> NetworkConfig {
    let services = vec![
        Service::Http { port: 8000, files: BTreeMap::new() },
        Service::TcpEcho(7),
        Service::UdpEcho(7),
        Service::Flow(53),
    ];
    NetworkConfig {
        hosts: vec![HostConfig { name: "laptop".to_owned(), address: LAPTOP, services }],
        outside: [SocketAddrV4::new(OUTSIDE, 8000)].into(),
        ..NetworkConfig::default()
    }
}

impl Bench {
    /// Sends an echo request; what comes back within two seconds.
    fn ping(&mut self, to: Ipv4Addr, data: &[u8]) -> Option<Vec<u8>> {
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 16_384]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        socket.bind(icmp::Endpoint::Ident(99)).unwrap();
        let request = Icmpv4Repr::EchoRequest { ident: 99, seq_no: 1, data };
        let checksums = ChecksumCapabilities::default();
        let payload = socket.send(request.buffer_len(), IpAddress::Ipv4(to)).unwrap();
        request.emit(&mut Icmpv4Packet::new_unchecked(payload), &checksums);
        let handle = self.station().sockets.add(socket);
        let end = self.now + Duration::from_secs(2);
        let mut answer = None;
        self.run_until(Duration::from_secs(3), |bench| {
            let socket = bench.station().sockets.get_mut::<icmp::Socket<'_>>(handle);
            if let Ok((payload, from)) = socket.recv() {
                assert_eq!(from, IpAddress::Ipv4(to));
                let packet = Icmpv4Packet::new_checked(payload).unwrap();
                if let Icmpv4Repr::EchoReply { data, .. } =
                    Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap()
                {
                    answer = Some(data.to_vec());
                }
            }
            answer.is_some() || bench.now >= end
        });
        self.station().sockets.remove(handle);
        answer
    }

    /// Sends a datagram; what comes back within two seconds.
    fn datagram(&mut self, to: Ipv4Addr, port: u16, data: &[u8]) -> Option<Vec<u8>> {
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 16_384]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(4000).unwrap();
        socket.send_slice(data, (IpAddress::Ipv4(to), port)).unwrap();
        let handle = self.station().sockets.add(socket);
        let end = self.now + Duration::from_secs(2);
        let mut answer = None;
        self.run_until(Duration::from_secs(3), |bench| {
            let socket = bench.station().sockets.get_mut::<udp::Socket<'_>>(handle);
            answer = socket.recv().ok().map(|(bytes, _)| bytes.to_vec());
            answer.is_some() || bench.now >= end
        });
        self.station().sockets.remove(handle);
        answer
    }
}

#[test]
fn a_faulty_wire_changes_no_byte_and_copies_meet_the_same_faults() {
    let mut bench = Bench::with_address(network(), STATION);
    let faults = Faults {
        loss: 20,
        duplicated: 20,
        reordered: 20,
        delay: Duration::from_millis(4),
        jitter: Duration::from_millis(2),
        mtu: None,
    };
    bench.network.order(Order::Faults(faults), bench.now).unwrap();
    let handle = bench.connect(WEB);
    let answer = bench.talk(handle, b"GET /big HTTP/1.1\r\n\r\n", 1_000_000);
    // In the middle of the transfer, with frames under way.
    bench.shadows.push(bench.network.clone());
    let rest = bench.talk(handle, b"", 500_000);
    let bytes = [answer, rest].concat();
    let body = body_of(&bytes);
    assert!(body == &big()[..body.len()]);
    let start = bench.now;
    bench.shadows.clear();
    assert!(bench.ping(LAPTOP, b"slow").is_some() || bench.ping(LAPTOP, b"slow").is_some());
    assert!(bench.now - start > Duration::from_millis(8));
}

#[test]
fn segments_are_no_larger_than_a_station_takes() {
    let mut bench = Bench::with_address(network(), STATION);
    bench.set_largest_frame(590);
    bench.sent = Some(Vec::new());
    let answer = bench.exchange(WEB, b"GET /big HTTP/1.0\r\n\r\n", 100_000);
    assert!(answer.len() >= 100_000);
    let sizes = bench.sent.as_ref().unwrap().iter().map(|(_, frame)| frame.len());
    assert_eq!(sizes.max(), Some(590));
}

#[test]
fn a_network_can_go_to_another_thread() {
    fn is_sendable<T: Send + Sync + Clone + std::fmt::Debug>() {}
    is_sendable::<Network>();
}

#[test]
fn a_station_with_a_small_window_is_not_kept_waiting() {
    let mut bench = Bench::with_address(network(), STATION);
    bench.window = 5744; // that of ESP-IDF's lwIP by default: four segments
    let start = bench.now;
    let answer = bench.exchange(WEB, b"GET /big HTTP/1.0\r\n\r\n", 1_000_000);
    let down = bench.now - start;
    assert!(answer.len() >= 1_000_000);
    let mut request = b"PUT /new HTTP/1.0\r\nContent-Length: 1000000\r\n\r\n".to_vec();
    request.resize(request.len() + 1_000_000, 0);
    let start = bench.now;
    bench.exchange(WEB, &request, usize::MAX);
    let up = bench.now - start;
    for time in [down, up] {
        assert!(time < Duration::from_millis(900), "down {down}, up {up}");
    }
}

/// Carries out an order, and what follows at once.
fn order(bench: &mut Bench, order: Order) {
    let now = bench.now;
    bench.network.order(order.clone(), now).unwrap();
    for shadow in &mut bench.shadows {
        shadow.order(order.clone(), now).unwrap();
    }
    bench.drain();
}

fn flow(bench: &mut Bench, flow: u64, what: FlowOrder) {
    order(bench, Order::Flow { flow, order: what });
}

fn flow_bytes(bench: &Bench, number: u64) -> Vec<u8> {
    let bytes = |event: &esp32_emulator::net::NetEvent| match &event.kind {
        NetEventKind::FlowBytes { flow, bytes } if *flow == number => Some(bytes.clone()),
        _ => None,
    };
    bench.events.iter().filter_map(bytes).flatten().collect()
}

fn has_told(bench: &Bench, kind: &NetEventKind) -> bool {
    bench.events.iter().any(|event| event.kind == *kind)
}

#[test]
fn a_connection_to_a_named_destination_outside_becomes_a_flow() {
    let outside = SocketAddrV4::new(OUTSIDE, 80);
    let config = NetworkConfig {
        outside: [outside].into(),
        names: BTreeMap::from([("example.org".to_owned(), *outside.ip())]),
        ..config()
    };
    let mut bench = Bench::with_address(Network::new(config).unwrap(), STATION);
    bench.shadows.push(bench.network.clone());
    let handle = bench.connect(outside);
    let second = Duration::from_secs(1);
    bench.run_until(second, |bench| bench.tcp(handle).can_send());
    bench.tcp(handle).send_slice(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    bench.run_until(second, |bench| flow_bytes(bench, 1).ends_with(b"\r\n\r\n"));
    // The neighbour is forgotten after a minute, and asked for again.
    bench.run_for(Duration::from_secs(90));
    bench.shadows.push(bench.network.clone());
    let answer: Arc<[u8]> = Arc::from(&b"HTTP/1.0 200 OK\r\n\r\noutside"[..]);
    flow(&mut bench, 1, FlowOrder::Send(answer.clone()));
    flow(&mut bench, 1, FlowOrder::Finish);
    assert_eq!(bench.talk(handle, b"", usize::MAX), &answer[..]);
    bench.tcp(handle).close();
    bench.run_for(second);
    assert!(has_told(&bench, &NetEventKind::FlowSent { flow: 1, bytes: answer.len() }));
    assert!(has_told(&bench, &NetEventKind::FlowEnded { flow: 1, how: FlowEnding::Finished }));
    assert_eq!(frames(&bench).len(), 2);
    // Another port of the same computer is not let out, and its echo is not answered.
    let handle = bench.connect(SocketAddrV4::new(*outside.ip(), 81));
    bench.run_until(second, |bench| bench.tcp(handle).state() == tcp::State::Closed);
    assert!(bench.ping(*outside.ip(), b"?").is_none());
    let refused = |kind: &NetEventKind| matches!(kind, NetEventKind::NoWayOut { .. });
    assert_eq!(bench.events.iter().filter(|event| refused(&event.kind)).count(), 2);
}

#[test]
fn a_computer_that_stands_for_a_station_is_observed_like_one_in_both_directions() {
    let address = Ipv4Addr::new(192, 168, 0, 250);
    let config = NetworkConfig { stand_in: Some(address), ..config() };
    let mut bench = Bench::with_address(Network::new(config).unwrap(), STATION);
    let second = Duration::from_secs(1);
    bench.shadows.push(bench.network.clone());
    let to = SocketAddrV4::new(LAPTOP, 8000);
    order(&mut bench, Order::Dial { id: 3, host: STAND_IN.to_owned(), to });
    bench.run_for(second);
    let request: Arc<[u8]> = Arc::from(&b"GET /nix HTTP/1.0\r\n\r\n"[..]);
    flow(&mut bench, 1, FlowOrder::Send(request));
    bench.run_for(second);
    assert!(flow_bytes(&bench, 1).starts_with(b"HTTP/1.0 404"));
    let told = frames(&bench);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(told[0].from.ip(), address);
    // The other way round.
    order(&mut bench, Order::Listen { host: STAND_IN.to_owned(), port: 80 });
    bench.shadows.push(bench.network.clone());
    let request = Request {
        id: 1,
        host: "laptop".to_owned(),
        to: SocketAddrV4::new(address, 80),
        method: "GET".to_owned(),
        target: "/".to_owned(),
        headers: vec![],
        body: Arc::from([]),
        within: second,
    };
    order(&mut bench, Order::Request(request));
    bench.run_until(second, |bench| flow_bytes(bench, 2).ends_with(b"\r\n\r\n"));
    flow(&mut bench, 2, FlowOrder::Send(Arc::from(&b"HTTP/1.0 200 OK\r\n\r\nyes"[..])));
    flow(&mut bench, 2, FlowOrder::Finish);
    bench.run_for(second);
    let told = frames(&bench);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert_eq!(told[3].body.bytes, b"yes");
}

#[test]
fn a_computer_that_stands_for_a_station_sends_datagrams_and_tells_the_answers() {
    let stand_in = Some(Ipv4Addr::new(192, 168, 0, 254));
    let network = Network::new(NetworkConfig { stand_in, ..config_without_big() }).unwrap();
    let mut bench = Bench::new(network);
    bench.shadows.push(bench.network.clone());
    let mut send = |from, port| {
        let (host, to) = (STAND_IN.to_owned(), SocketAddrV4::new(LAPTOP, port));
        let bytes = Arc::from(&b"well?"[..]);
        order(&mut bench, Order::Datagram { host, from, to, bytes });
        bench.run_for(Duration::from_millis(10));
        let told = std::mem::take(&mut bench.events).into_iter();
        let told = told.filter_map(|event| match event.kind {
            NetEventKind::Datagram { host, port, from, bytes } => {
                assert_eq!(host, STAND_IN);
                Some((port, from.port(), bytes))
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    // More ports than are listened to at a time, each used for once; and one of them again.
    for from in (40_000..40_100).chain([40_000, 40_099]) {
        assert_eq!(send(from, 7), [(from, 7, b"well?".to_vec())]);
    }
    assert_eq!(send(40_000, 8), [], "nobody is there");
}

#[test]
fn a_flow_tells_no_more_than_is_taken() {
    let mut config = config();
    config.hosts[0].services.push(Service::Flow(1883));
    let mut bench = Bench::with_address(Network::new(config).unwrap(), STATION);
    let handle = bench.connect(SocketAddrV4::new(LAPTOP, 1883));
    let bytes = &big()[..900_000];
    let mut sent = 0;
    let mut push = |bench: &mut Bench, end: usize| {
        bench.run_until(Duration::from_secs(60), |bench| {
            let socket = bench.tcp(handle);
            if socket.can_send() && sent < bytes.len() {
                sent += socket.send_slice(&bytes[sent..]).unwrap();
            }
            flow_bytes(bench, 1).len() >= end
        });
    };
    push(&mut bench, FLOW_AHEAD);
    bench.run_for(Duration::from_secs(5));
    assert_eq!(flow_bytes(&bench, 1).len(), FLOW_AHEAD);
    for n in 1..=2 {
        flow(&mut bench, 1, FlowOrder::Taken(FLOW_AHEAD));
        push(&mut bench, FLOW_AHEAD * (n + 1));
    }
    flow(&mut bench, 1, FlowOrder::Taken(FLOW_AHEAD));
    push(&mut bench, bytes.len());
    assert!(flow_bytes(&bench, 1) == bytes);
    flow(&mut bench, 1, FlowOrder::Reset);
    bench
        .run_until(Duration::from_secs(1), |bench| bench.tcp(handle).state() == tcp::State::Closed);
    assert!(has_told(&bench, &NetEventKind::FlowEnded { flow: 1, how: FlowEnding::Reset }));
    // Nothing happens to one that is over.
    flow(&mut bench, 1, FlowOrder::Send(Arc::from(&b"x"[..])));
}

#[test]
fn a_call_to_a_station_becomes_a_flow_or_is_not_answered() {
    let mut bench = Bench::with_address(network(), STATION);
    let handle = bench.listen(80);
    let dial = |id, port| Order::Dial {
        id,
        host: "gateway".to_owned(),
        to: SocketAddrV4::new(STATION.into(), port),
    };
    order(&mut bench, dial(7, 80));
    order(&mut bench, dial(8, 81));
    bench.run_for(Duration::from_secs(1));
    assert!(has_told(&bench, &NetEventKind::NotDialled { id: 8 }));
    let opened = |kind: &NetEventKind| {
        matches!(kind, NetEventKind::FlowOpened { flow: 1, dialled: Some(7), host, .. }
            if host == "gateway")
    };
    assert!(bench.events.iter().any(|event| opened(&event.kind)));
    flow(&mut bench, 1, FlowOrder::Send(Arc::from(&b"GET / HTTP/1.1\r\n\r\n"[..])));
    assert_eq!(
        bench.talk(handle, b"HTTP/1.1 204 No Content\r\n\r\n", 18),
        b"GET / HTTP/1.1\r\n\r\n"
    );
    bench.tcp(handle).close();
    bench.run_for(Duration::from_secs(1));
    assert!(has_told(&bench, &NetEventKind::FlowFinished { flow: 1 }));
    flow(&mut bench, 1, FlowOrder::Finish);
    bench.run_for(Duration::from_secs(1));
    assert!(has_told(&bench, &NetEventKind::FlowEnded { flow: 1, how: FlowEnding::Finished }));
    assert!(flow_bytes(&bench, 1).ends_with(b"No Content\r\n\r\n"));
    assert_eq!(frames(&bench).len(), 2, "seen on the wire like any other");
    bench.run_for(Duration::from_secs(30));
    order(&mut bench, dial(9, 80));
}

/// A piece of an ICMP echo request of some other station.
fn piece(ident: u16, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let from = Ipv4Addr::new(192, 168, 0, 201);
    let repr = Ipv4Repr {
        src_addr: from,
        dst_addr: LAPTOP,
        next_header: IpProtocol::Icmp,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    let size = repr.buffer_len() + payload.len();
    ethernet(mac_of(LAPTOP), EthernetProtocol::Ipv4, size, |bytes| {
        let mut packet = Ipv4Packet::new_unchecked(bytes);
        repr.emit(&mut packet, &ChecksumCapabilities::ignored());
        packet.set_ident(ident);
        packet.set_dont_frag(false);
        packet.set_more_frags(more);
        packet.set_frag_offset(offset);
        packet.fill_checksum();
        packet.payload_mut().copy_from_slice(payload);
    })
}

#[test]
fn what_comes_in_without_a_pause_ends_when_too_much_would_have_to_be_kept() {
    let log_limit = 3 << 20;
    let network = Network::new(NetworkConfig { log_limit, ..config_without_big() }).unwrap();
    let mut bench = Bench::with_address(network, STATION);
    bench.shadows.push(bench.network.clone());
    let handle = bench.connect(WEB);
    let mut request = b"PUT /new HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n".to_vec();
    request.resize(5 << 20, 0);
    // It ends before all was sent.
    assert_eq!(bench.talk(handle, &request, usize::MAX), b"");
    assert!(has_told(&bench, &NetEventKind::BrokenOff));
    let reset = |kind: &NetEventKind| {
        matches!(kind, NetEventKind::Closed { how: Ending::ResetByServer, .. })
    };
    bench.run_for(Duration::from_secs(30));
    assert!(bench.events.iter().any(|event| reset(&event.kind)));
    bench.shadows.push(bench.network.clone());
    let answer = bench.exchange(WEB, b"GET /small HTTP/1.0\r\n\r\n", usize::MAX);
    assert!(text(&answer).starts_with("HTTP/1.0 404"), "others are served");
    assert!(bench.network.log_size() < log_limit / 2, "{}", bench.network.log_size());
    let broken_off = bench.events.iter().filter(|it| it.kind == NetEventKind::BrokenOff);
    assert_eq!(broken_off.count(), 1);
}

#[test]
fn packets_in_pieces_that_never_fit_together_do_no_harm() {
    let mut bench = Bench::with_address(network(), STATION);
    bench.shadows.push(bench.network.clone());
    bench.inject(&arp(ArpOperation::Request, Ipv4Addr::new(192, 168, 0, 201), LAPTOP));
    // Firsts without lasts, lasts without firsts, pieces that overlap, that have no octet, and some
    // that would end behind the largest packet there can be.
    for ident in 0..2_000 {
        bench.inject(&piece(ident, 0, true, &[8; 1_480]));
        bench.inject(&piece(ident + 1, 8, true, &[8; 64]));
        bench.inject(&piece(ident + 2, 65_528, false, &[8; 1_400]));
        bench.inject(&piece(ident + 3, 1_480, false, &[]));
        bench.now += Duration::from_millis(1);
    }
    // Some are waited for still.
    bench.run_for(Duration::from_secs(120));
    assert_eq!(bench.ping(LAPTOP, &[0xa5; 4_000]), Some(vec![0xa5; 4_000]));
}

#[test]
fn a_frame_larger_than_ethernet_carries_does_no_harm() {
    let mut bench = Bench::with_address(network(), STATION);
    bench.shadows.push(bench.network.clone());
    bench.inject(&arp(ArpOperation::Request, Ipv4Addr::new(192, 168, 0, 201), LAPTOP));
    bench.sent = Some(Vec::new());
    for size in [1_481, 2_000, 9_000, 65_515] {
        bench.inject(&piece(1, 0, false, &vec![8; size]));
    }
    for (_, frame) in bench.sent.take().expect("they are kept") {
        assert!(frame.len() <= 1514, "{} octets in a frame", frame.len());
    }
    assert!(bench.ping(LAPTOP, b"ping").is_some());
}

#[test]
fn what_a_body_without_end_says_is_read_and_not_kept() {
    let mut bench = Bench::with_address(network(), STATION);
    let handle = bench.connect(WEB);
    bench.talk(handle, b"PUT /new HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 0);
    let chunk = [b"8000\r\n", &[b'x'; 0x8000][..], b"\r\n"].concat();
    for _ in 0..200 {
        bench.talk(handle, &chunk, 0);
    }
    let is_told = |bench: &Bench| !frames(bench).is_empty();
    bench.run_for(Duration::from_secs(5));
    assert!(!is_told(&bench), "it is not at its end");
    bench.tcp(handle).abort();
    bench.run_for(Duration::from_secs(1));
    let told = frames(&bench);
    let [frame] = &told[..] else { panic!("{told:?}") };
    assert!(!frame.complete);
    assert!(frame.body.size > 190 * 0x8000, "{} bytes", frame.body.size);
    assert!(frame.body.bytes.len() <= esp32_emulator::net::BODY_LIMIT);
}
