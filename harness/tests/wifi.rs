//! Official MicroPython in a virtual network: what must not depend on how the host runs it.

use crate::common::board;
use esp32_emulator::board::{Board, Outcome, Site, SiteEvent};
use esp32_emulator::net::{HostConfig, Network, NetworkConfig, Service};
use esp32_emulator::radio::{AccessPointConfig, Air, MacAddress, Security, Visibility};
use esp32_emulator::time::{Duration, Instant};

fn site() -> Site {
    let mut air = Air::new(7);
    let access_point = AccessPointConfig {
        ssid: b"here".to_vec(),
        bssid: MacAddress([2, 0, 0, 0, 0, 1]),
        channel: 3,
        signal_dbm: -40,
        security: Security::Open,
        visibility: Visibility::Visible,
    };
    air.add(access_point, Instant::ZERO).expect("a possible access point");
    let laptop = HostConfig {
        name: "laptop".to_owned(),
        address: [192, 168, 0, 4].into(),
        services: vec![Service::TcpEcho(7)],
    };
    let config = NetworkConfig { hosts: vec![laptop], ..NetworkConfig::default() };
    Site::new(air, Network::new(config).expect("a possible network"))
}

/// What is typed, and when: milliseconds of device time.
const TYPED: &[(u64, &str)] = &[
    (600, "import network, socket"),
    (700, "w = network.WLAN(network.STA_IF); w.active(True)"),
    (1_100, "w.connect('here')"),
    (2_600, "s = socket.socket(); s.connect(('192.168.0.4', 7)); s.write('echo ' * 900)"),
    (2_700, "len(s.read(4500)), w.status(), w.ifconfig()[0]"),
];
const END: u64 = 3_200;

/// All that can be told of a run.
#[derive(Debug, PartialEq)]
struct Run {
    said: String,
    site: Vec<String>,
    hash: u64,
}

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

/// Runs in steps of so many milliseconds, and goes on from a copy at one of them.
fn run(step: u64, copied_at: Option<u64>) -> Run {
    let mut board = board();
    board.set_site(site());
    board.power_on();
    let mut seen = Run { said: String::new(), site: Vec::new(), hash: 0 };
    let mut now = 0;
    while now < END {
        let next_typed = TYPED.iter().map(|(ms, _)| *ms).find(|ms| *ms > now).unwrap_or(END);
        now = (now + step).min(next_typed).min(END);
        advance(&mut board, at(now), &mut seen);
        if let Some((_, line)) = TYPED.iter().find(|(ms, _)| *ms == now) {
            line.bytes().chain(*b"\r").for_each(|byte| board.send(0, byte));
        }
        if copied_at.is_some_and(|ms| ms <= now && now < ms + step) {
            board = board.clone();
        }
    }
    seen.hash = board.event_hash();
    seen
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

#[test]
fn a_run_with_wifi_is_the_same_however_far_the_host_lets_it_run_and_from_a_copy() {
    let whole = run(END, None);
    assert!(whole.said.contains("(4500, 1010, '192.168.0.50')"), "{whole:#?}");
    assert!(whole.site.iter().any(|line| line.contains("joined")), "{whole:#?}");
    assert_eq!(run(1, None), whole);
    // In the middle of joining, and of a connection.
    assert_eq!(run(50, Some(1_150)), whole);
    assert_eq!(run(10, Some(2_650)), whole);
}
