//! A mobile host of one network whose station has joined another one.

use std::net::Ipv4Addr;

use esp32_emulator::net::{
    Link, Mac, MobileConfig, NetEventKind, Network, NetworkConfig, Order, Request, RequestError,
};
use esp32_emulator::time::{Duration, Instant};

const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

/// Two networks, and the frames between them, which take no time.
struct Two {
    own: Network,
    other: Network,
    now: Instant,
    events: Vec<NetEventKind>,
}

impl Two {
    fn new(address: Option<(Ipv4Addr, u8)>) -> Self {
        let phone = MobileConfig { name: "phone".to_owned(), mac: MAC, address };
        let config = NetworkConfig { mobiles: vec![phone], ..NetworkConfig::default() };
        let network = |config| Network::new(config).expect("a possible network");
        let (own, other) = (network(config), network(super::config()));
        Self { own, other, now: Instant::ZERO, events: Vec::new() }
    }

    fn link(&mut self, link: Link) {
        self.own.order(Order::Mobile { mobile: 0, link }, self.now).expect("no order of this kind");
    }

    fn ask(&mut self) {
        let request = Request {
            id: 5,
            host: "phone".to_owned(),
            to: super::WEB,
            method: "GET".to_owned(),
            target: "/small".to_owned(),
            headers: Vec::new(),
            body: [].into(),
            within: Duration::from_secs(2),
        };
        self.own.order(Order::Request(request), self.now).expect("a possible request");
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            if let Some((0, frame)) = self.own.take_mobile_frame() {
                self.other.receive(&frame, self.now);
                continue;
            }
            if let Some(frame) = self.other.take_frame() {
                self.own.receive_for_mobile(0, &frame, self.now);
                continue;
            }
            let due = [self.own.poll_at(), self.other.poll_at()].into_iter().flatten().min();
            self.events.extend(std::iter::from_fn(|| self.own.take_event()).map(|it| it.kind));
            match due.filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            self.own.poll(self.now);
            self.other.poll(self.now);
        }
        self.now = end;
    }

    fn told(&self) -> Vec<String> {
        self.events.iter().map(ToString::to_string).collect()
    }

    fn has_answer(&self) -> bool {
        self.events.iter().any(
            |kind| matches!(kind, NetEventKind::Answered { id: 5, result: Ok(frame) } if frame.body.bytes == b"small"),
        )
    }
}

#[test]
fn a_mobile_host_asks_for_an_address_when_its_station_has_joined_and_not_before() {
    let mut two = Two::new(None);
    assert_eq!(two.own.poll_at(), None);
    two.run(Duration::from_secs(30));
    assert_eq!(two.told(), [""; 0]);
    two.link(Link::Up);
    two.run(Duration::from_secs(1));
    assert_eq!(two.told(), ["phone: 192.168.0.50/24 lent by 192.168.0.1"]);
    two.ask();
    two.run(Duration::from_secs(1));
    assert!(two.has_answer(), "{:#?}", two.told());
    let seen = |text: &str| two.told().iter().any(|line| line.starts_with(text));
    assert!(seen("tcp: 192.168.0.50:49152 -> 192.168.0.4:8000 opened"), "{:#?}", two.told());
}

#[test]
fn without_its_station_a_mobile_host_has_no_address_and_asks_nobody() {
    let mut two = Two::new(None);
    two.link(Link::Up);
    two.run(Duration::from_secs(1));
    two.link(Link::Down);
    two.ask();
    two.run(Duration::from_secs(10));
    assert!(two.told().contains(&"phone: no address any more".to_owned()), "{:#?}", two.told());
    let refused = |kind: &NetEventKind| {
        matches!(kind, NetEventKind::Answered { id: 5, result: Err(RequestError::Reset) })
    };
    assert!(two.events.iter().any(refused), "{:#?}", two.told());
    two.link(Link::Up);
    two.run(Duration::from_secs(1));
    assert_eq!(two.told().last().unwrap(), "phone: 192.168.0.50/24 lent by 192.168.0.1");
}

#[test]
fn a_mobile_host_with_an_address_of_its_own_asks_for_none() {
    let mut two = Two::new(Some((Ipv4Addr::new(192, 168, 0, 77), 24)));
    two.link(Link::Up);
    two.ask();
    two.run(Duration::from_secs(1));
    assert_eq!(two.told()[0], "phone: 192.168.0.77/24 as given");
    assert!(two.has_answer(), "{:#?}", two.told());
}

#[test]
fn a_copy_of_a_network_with_a_mobile_host_goes_on_as_the_original() {
    let mut two = Two::new(None);
    two.link(Link::Up);
    two.run(Duration::from_millis(500));
    let mut copy = Two { own: two.own.clone(), other: two.other.clone(), ..Two::new(None) };
    (copy.now, copy.events) = (two.now, two.events.clone());
    for two in [&mut two, &mut copy] {
        two.ask();
        two.run(Duration::from_secs(4_000));
        assert!(two.has_answer(), "{:#?}", two.told());
    }
    assert_eq!(two.events, copy.events);
}

#[test]
fn a_mobile_host_begins_anew_when_too_much_would_have_to_be_kept() {
    let mut two = Two::new(None);
    let log_limit = 1 << 20;
    two.own = {
        let phone = MobileConfig { name: "phone".to_owned(), mac: MAC, address: None };
        let config = NetworkConfig { mobiles: vec![phone], log_limit, ..NetworkConfig::default() };
        Network::new(config).expect("a possible network")
    };
    two.link(Link::Up);
    two.run(Duration::from_secs(1));
    // From somebody else, and of no kind that the host knows.
    let frame = [&MAC.0[..], &[2, 0, 0, 0, 0, 5, 0x88, 0xb5], &[7; 1_400]].concat();
    for _ in 0..2_000 {
        two.own.receive_for_mobile(0, &frame, two.now);
        two.run(Duration::from_millis(1));
    }
    assert!(two.own.log_size() < log_limit, "{}", two.own.log_size());
    let lent = two.told().iter().filter(|line| line.ends_with("lent by 192.168.0.1")).count();
    assert_eq!(lent, 3, "{:#?}", two.told());
    let mut copy = Two { own: two.own.clone(), other: two.other.clone(), ..Two::new(None) };
    (copy.now, copy.events) = (two.now, two.events.clone());
    for two in [&mut two, &mut copy] {
        two.ask();
        two.run(Duration::from_secs(1));
        assert!(two.has_answer(), "{:#?}", two.told());
    }
    assert_eq!(two.events, copy.events);
}

#[test]
fn an_impossible_address_of_a_mobile_host_is_refused() {
    for (address, prefix) in [([192, 168, 0, 255], 24), ([224, 0, 0, 1], 24), ([10, 0, 0, 1], 31)] {
        let address = Some((Ipv4Addr::from(address), prefix));
        let phone = MobileConfig { name: "phone".to_owned(), mac: MAC, address };
        let config = NetworkConfig { mobiles: vec![phone], ..NetworkConfig::default() };
        assert!(Network::new(config).is_err(), "{address:?}");
    }
}
