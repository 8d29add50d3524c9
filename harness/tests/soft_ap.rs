//! Official MicroPython opens a network of its own: a station joins it, and the host behind the
//! station gets its address from the board and a page from its web server.

use crate::common::board;
use esp32_emulator::board::capture::{CaptureLink, Way};
use esp32_emulator::board::{Board, Outcome, Site, SiteEvent};
use esp32_emulator::net::{Mac, MobileConfig, Network, NetworkConfig, Order, Request};
use esp32_emulator::radio::{Air, MacAddress, StationConfig};
use esp32_emulator::time::{Duration, Instant};

fn site(passphrase: Option<&str>) -> Site {
    let mut air = Air::new(7);
    let address = MacAddress([2, 0, 0, 0, 0, 9]);
    let config = StationConfig {
        address,
        signal_dbm: -48,
        ssid: b"board-net".to_vec(),
        passphrase: passphrase.map(str::to_owned),
    };
    let station = air.add_station(config, Instant::ZERO).expect("a possible station");
    air.connect(station, Instant::ZERO).expect("it exists");
    let phone = MobileConfig { name: "phone".to_owned(), mac: Mac(address.0), address: None };
    let config = NetworkConfig { mobiles: vec![phone], ..NetworkConfig::default() };
    let network = Network::new(config).expect("a possible network");
    Site::new(air, network).with_stations([station])
}

/// What is typed after the network was opened, and when: milliseconds of device time.
const SERVER: &[(u64, &str)] = &[
    (2_400, "ap.status('stations')"),
    (2_500, "import socket; s = socket.socket(); s.bind(('', 80)); s.listen(1)"),
    (
        2_600,
        "c, a = s.accept(); c.recv(99); c.send(b'HTTP/1.0 200 OK\\r\\n\\r\\nhello'); c.close(); a[0]",
    ),
];
/// When the host asks.
const ASKS: u64 = 2_700;
const END: u64 = 3_000;

/// All that can be told of a run.
#[derive(Debug, PartialEq)]
struct Run {
    said: String,
    site: Vec<String>,
    channel: Option<u8>,
    hash: u64,
}

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

/// Opens a network, in steps of so many milliseconds, and goes on from a copy at one of them.
fn run(opened: &str, passphrase: Option<&str>, step: u64, copied_at: Option<u64>) -> Run {
    let mut board = board();
    board.set_site(site(passphrase));
    board.power_on();
    let opening = [(600, "import network; ap = network.WLAN(network.AP_IF)"), (700, opened)];
    let typed: Vec<_> = opening.iter().chain(SERVER).copied().collect();
    let mut seen = Run { said: String::new(), site: Vec::new(), channel: None, hash: 0 };
    let mut now = 0;
    while now < END {
        let due = typed.iter().map(|(ms, _)| *ms).chain([ASKS, END]).find(|ms| *ms > now);
        now = (now + step).min(due.unwrap_or(END));
        advance(&mut board, at(now), &mut seen);
        if let Some((_, line)) = typed.iter().find(|(ms, _)| *ms == now) {
            line.bytes().chain(*b"\r").for_each(|byte| board.send(0, byte));
        }
        if now == ASKS {
            ask(&mut board);
        }
        if copied_at.is_some_and(|ms| ms <= now && now < ms + step) {
            board = board.clone();
        }
    }
    seen.channel = board.chip().channel();
    seen.hash = board.event_hash();
    seen
}

fn ask(board: &mut Board) {
    let request = Request {
        id: 1,
        host: "phone".to_owned(),
        to: "192.168.4.1:80".parse().expect("an address"),
        method: "GET".to_owned(),
        target: "/".to_owned(),
        headers: Vec::new(),
        body: [].into(),
        within: Duration::from_secs(1),
    };
    let now = board.now();
    let site = board.site_mut().expect("it has one");
    site.network.order(Order::Request(request), now).expect("a possible request");
}

fn advance(board: &mut Board, until: Instant, seen: &mut Run) {
    loop {
        let outcome = board.run_until(until);
        while let Some(byte) = board.take_serial() {
            seen.said.push(char::from(byte.byte));
        }
        while let Some(event) = board.take_site_event() {
            seen.site.push(match event {
                SiteEvent::Air(event) => event.to_string(),
                SiteEvent::Net(event) => event.to_string(),
                SiteEvent::Radio(broken) => broken.to_string(),
            });
        }
        match outcome {
            Outcome::Deadline => return,
            Outcome::Serial | Outcome::Site => {}
            other => panic!("{other:?}"),
        }
    }
}

fn assert_served(run: &Run) {
    assert!(run.said.contains("[(b'\\x02\\x00\\x00\\x00\\x00\\t',)]"), "{run:#?}");
    assert!(run.said.contains("'192.168.4.2'"), "{run:#?}");
    let told = |text: &str| run.site.iter().any(|line| line.contains(text));
    assert!(told("phone: 192.168.4.2/24 lent by 192.168.4.1"), "{run:#?}");
    assert!(told("http: request 1 answered"), "{run:#?}");
}

#[test]
fn a_station_joins_an_open_network_however_far_the_host_lets_it_run_and_from_a_copy() {
    let open = "ap.config(ssid='board-net'); ap.active(True)";
    let whole = run(open, None, END, None);
    assert_served(&whole);
    assert_eq!(run(open, None, 1, None), whole);
    // In the middle of joining, and of a connection.
    assert_eq!(run(open, None, 2, Some(922)), whole);
    assert_eq!(run(open, None, 1, Some(2_703)), whole);
}

#[test]
fn a_station_that_knows_the_password_joins_on_every_channel() {
    for channel in [1, 6, 11] {
        let config = "ssid='board-net', security=3, key='correct-horse'";
        // The driver takes a new channel with the second change of a network that is up.
        let opened = format!(
            "ap.config({config}); ap.active(True); ap.config(channel={channel}); \
             ap.config(channel={channel})"
        );
        let seen = run(&opened, Some("correct-horse"), END, None);
        assert_served(&seen);
        assert_eq!(seen.channel, Some(channel), "the primary half of 40 MHz, or all of 20 MHz");
    }
}

#[test]
fn beacons_come_every_102_4_ms_of_device_time_and_say_their_channel() {
    let mut board = board();
    board.set_site(site(None));
    board.power_on();
    let mut seen = Run { said: String::new(), site: Vec::new(), channel: None, hash: 0 };
    advance(&mut board, at(600), &mut seen);
    let opened = "import network; ap = network.WLAN(network.AP_IF); ap.active(True)\r";
    opened.bytes().for_each(|byte| board.send(0, byte));
    advance(&mut board, at(1_200), &mut seen);
    board.site_mut().expect("it has one").start_capture(0, CaptureLink::Air);
    advance(&mut board, at(11_400), &mut seen);
    let capture = board.site_mut().and_then(|site| site.take_capture(0)).expect("it was begun");
    let beacons = capture.packets.iter().filter(|packet| packet.octets.first() == Some(&0x80));
    let beacons: Vec<_> = beacons.collect();
    for beacon in &beacons {
        assert_eq!((beacon.way, beacon.on_air.map(|it| it.channel)), (Way::FromBoard, Some(1)));
        // DS Parameter Set: channel 1.
        assert!(beacon.octets.windows(3).any(|element| element == [3, 1, 1]));
    }
    let (first, last) = (beacons[0].at, beacons[beacons.len() - 1].at);
    let mean = (last - first).as_micros() / (beacons.len() as u64 - 1);
    assert!((102_300..102_500).contains(&mean), "{mean} µs");
}

#[test]
fn a_station_with_a_wrong_password_stays_outside() {
    let opened = "ap.config(ssid='board-net', security=3, key='correct-horse'); ap.active(True)";
    let seen = run(opened, Some("correct-house"), END, None);
    assert!(!seen.site.iter().any(|line| line.contains("joined")), "{seen:#?}");
    assert!(seen.site.iter().any(|line| line.contains("associated")), "{seen:#?}");
}
