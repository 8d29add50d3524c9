//! A virtual station at an access point. That of a board is not at hand here, so one of ours stands in
//! for it, on an air of its own: what it sends is carried over as if a board had sent it.

use super::station::{
    BSSID, CHANNEL, HOST, PASSPHRASE, SSID, STATION, ethernet_frame, ms, open, wpa2,
};
use crate::radio::frame::{Frame, SNAP};
use crate::radio::{
    AccessPointConfig, Air, AirEventKind, ApId, ChannelMove, ConfigError, Departure, DropCause,
    Farewell, MacAddress, Misbehaviour, RadioId, Reason, Request, Security, Standing,
    StationConfig, StationId, Status, Visibility, Whom,
};
use crate::time::{Duration, Instant};

fn config(passphrase: Option<&str>) -> StationConfig {
    StationConfig {
        address: STATION,
        signal_dbm: -48,
        ssid: SSID.to_vec(),
        passphrase: passphrase.map(str::to_owned),
    }
}

/// The board's side, the station's side, and what is carried between them.
struct Pair {
    board: Air,
    id: ApId,
    air: Air,
    station: StationId,
    now: Instant,
    channel: u8,
    /// What the station has sent.
    sent: Vec<Vec<u8>>,
    /// What the station's side has told.
    events: Vec<AirEventKind>,
}

impl Pair {
    fn new(board: AccessPointConfig, station: StationConfig) -> Self {
        let (mut board_air, mut air) = (Air::new(1), Air::new(2));
        let now = Instant::ZERO;
        let id = board_air.add(board, now).expect("a good configuration");
        let station = air.add_station(station, now).expect("a good configuration");
        for air in [&mut board_air, &mut air] {
            air.listen(RadioId::FIRST, Some(CHANNEL), now);
        }
        air.connect(station, now).expect("it exists");
        let (sent, events) = (Vec::new(), Vec::new());
        Self { board: board_air, id, air, station, now, channel: CHANNEL, sent, events }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let next = [self.board.poll_at(), self.air.poll_at()].into_iter().flatten().min();
            self.now = next.map_or(end, |at| at.max(self.now).min(end));
            self.board.poll(self.now);
            self.air.poll(self.now);
            while let Some(frame) = self.board.take_frame(RadioId::FIRST) {
                self.air.transmit(frame.channel, &frame.frame, self.now);
            }
            while let Some(frame) = self.air.take_frame(RadioId::FIRST) {
                assert_eq!(frame.signal_dbm, -48);
                self.board.transmit(frame.channel, &frame.frame, self.now);
                self.sent.push(frame.frame);
            }
            self.events
                .extend(std::iter::from_fn(|| self.air.take_event()).map(|event| event.kind));
            if self.now == end {
                return;
            }
        }
    }

    fn tune(&mut self, channel: u8) {
        self.channel = channel;
        self.board.listen(RadioId::FIRST, Some(channel), self.now);
        self.air.listen(RadioId::FIRST, Some(channel), self.now);
    }

    /// Lets the station hear a frame that the board did not send.
    fn forge(&mut self, kind: u8, flags: u8, bssid: MacAddress, third: MacAddress, body: &[u8]) {
        let mut frame = vec![kind, flags, 0, 0];
        for address in [STATION, bssid, third] {
            frame.extend(address.0);
        }
        frame.extend([0, 0]);
        frame.extend(body);
        self.air.transmit(self.channel, &frame, self.now);
        self.run(ms(1));
    }

    fn saw(&self, kind: &AirEventKind) -> bool {
        self.events.contains(kind)
    }

    fn joined(board: AccessPointConfig, station: StationConfig) -> Self {
        let mut pair = Self::new(board, station);
        pair.run(ms(300));
        assert_eq!(pair.air.standing(pair.station), Some(Standing::Joined), "{:?}", pair.events);
        assert_eq!(pair.board.stations(pair.id).collect::<Vec<_>>(), [(STATION, Standing::Joined)]);
        pair
    }
}

#[test]
fn it_joins_open_and_protected_networks_and_tells_each_step() {
    let pair = Pair::joined(open(), config(None));
    let steps = [
        AirEventKind::Authenticated,
        AirEventKind::Associated { association_id: 1 },
        AirEventKind::Joined,
    ];
    assert_eq!(pair.events, steps);
    let pair = Pair::joined(wpa2(), config(Some(PASSPHRASE)));
    assert_eq!(pair.events, steps);
}

#[test]
fn it_joins_a_network_that_hides_its_name() {
    Pair::joined(
        AccessPointConfig { visibility: Visibility::Hidden, ..wpa2() },
        config(Some(PASSPHRASE)),
    );
}

#[test]
fn data_go_both_ways_between_its_host_and_the_board() {
    for (board, station) in [(open(), config(None)), (wpa2(), config(Some(PASSPHRASE)))] {
        let mut pair = Pair::joined(board, station);
        let up = ethernet_frame(HOST, STATION, b"to the board");
        pair.air.send_host_ethernet(pair.station, &up, pair.now).expect("it exists");
        let down = ethernet_frame(STATION, HOST, b"to the station");
        let all = ethernet_frame(MacAddress::BROADCAST, HOST, b"to everybody");
        pair.board.send_ethernet(&down, pair.now);
        pair.board.send_ethernet(&all, pair.now);
        pair.run(ms(10));
        assert_eq!(pair.board.take_ethernet(), Some(up));
        assert_eq!(pair.air.take_host_ethernet(pair.station), Some(down));
        assert_eq!(pair.air.take_host_ethernet(pair.station), Some(all));
        assert_eq!(pair.air.take_host_ethernet(pair.station), None);
    }
}

#[test]
fn data_go_on_under_a_new_group_key() {
    let mut pair = Pair::joined(wpa2(), config(Some(PASSPHRASE)));
    let all = ethernet_frame(MacAddress::BROADCAST, HOST, b"to everybody");
    for _ in 0..2 {
        pair.board.send_ethernet(&all, pair.now);
        pair.run(ms(10));
        assert_eq!(pair.air.take_host_ethernet(pair.station), Some(all.clone()));
        pair.board.renew_group_key(pair.id, pair.now).expect("it exists");
        pair.run(ms(20));
        assert!(pair.saw(&AirEventKind::GroupKeyChanged));
    }
}

#[test]
fn with_another_passphrase_it_is_sent_away_and_tries_again() {
    let mut pair = Pair::new(wpa2(), config(Some("correct-house")));
    pair.run(ms(6000));
    assert!(pair.saw(&AirEventKind::Left(Departure::ByAccessPoint(Reason::HANDSHAKE_TIMEOUT))));
    let again = pair.events.iter().filter(|kind| **kind == AirEventKind::Authenticated).count();
    assert_eq!(again, 2);
    assert!(!pair.saw(&AirEventKind::Joined));
}

#[test]
fn it_passes_by_networks_with_another_name_or_another_protection() {
    for (board, passphrase) in [
        (AccessPointConfig { ssid: b"other".to_vec(), ..open() }, None),
        (wpa2(), None),
        (open(), Some(PASSPHRASE)),
        (AccessPointConfig { security: Security::Wpa3Sae, ..open() }, Some(PASSPHRASE)),
    ] {
        let mut pair = Pair::new(board, config(passphrase));
        pair.run(ms(1000));
        assert_eq!(pair.air.standing(pair.station), None);
        assert_eq!(pair.events, []);
    }
}

#[test]
fn what_is_not_answered_is_asked_three_times_and_then_from_the_start() {
    for (misbehaviour, what) in [
        (Misbehaviour::NoAuthenticationResponse, Request::Authentication),
        (Misbehaviour::NoAssociationResponse, Request::Association),
    ] {
        let mut pair = Pair::new(wpa2(), config(Some(PASSPHRASE)));
        pair.board.misbehave(pair.id, Some(misbehaviour), pair.now).expect("it exists");
        pair.run(ms(1750));
        assert!(pair.saw(&AirEventKind::Unanswered { what }));
        let asked = std::iter::from_fn(|| pair.board.take_event())
            .filter(|event| event.kind == AirEventKind::Unanswered { what });
        assert_eq!(asked.count(), 3);
        pair.board.misbehave(pair.id, None, pair.now).expect("it exists");
        pair.run(ms(1500));
        assert!(pair.saw(&AirEventKind::Joined));
    }
}

#[test]
fn a_refusal_is_told_with_its_status() {
    let mut pair = Pair::new(open(), config(None));
    let refusal = Misbehaviour::AssociationStatus(Status::TOO_MANY_STATIONS);
    pair.board.misbehave(pair.id, Some(refusal), pair.now).expect("it exists");
    pair.run(ms(300));
    let what = Request::Association;
    assert!(pair.saw(&AirEventKind::Refused { what, status: Status::TOO_MANY_STATIONS }));
}

#[test]
fn a_handshake_that_never_begins_ends_after_ten_seconds() {
    let mut pair = Pair::new(wpa2(), config(Some(PASSPHRASE)));
    pair.board.misbehave(pair.id, Some(Misbehaviour::NoMessage1), pair.now).expect("it exists");
    pair.run(ms(9900));
    assert_eq!(pair.air.standing(pair.station), Some(Standing::Associated));
    pair.run(ms(500));
    assert!(pair.saw(&AirEventKind::Left(Departure::ByStation(Reason::HANDSHAKE_TIMEOUT))));
    assert_eq!(pair.board.stations(pair.id).count(), 0, "it has said so");
}

/// Data go both ways, each with number 1 of a new key.
fn exchange_first_frames(pair: &mut Pair) {
    pair.sent.clear();
    let up = ethernet_frame(HOST, STATION, b"to the board");
    pair.air.send_host_ethernet(pair.station, &up, pair.now).expect("it exists");
    let down = ethernet_frame(STATION, HOST, b"to the station");
    pair.board.send_ethernet(&down, pair.now);
    pair.run(ms(10));
    assert_eq!(pair.board.take_ethernet(), Some(up));
    assert_eq!(pair.air.take_host_ethernet(pair.station), Some(down));
    let sent = Frame::parse(&pair.sent[0]).expect("a frame");
    assert_eq!(sent.protection.map(|ccmp| ccmp.packet_number), Some(1));
}

#[test]
fn it_follows_its_access_point_to_another_channel() {
    let mut pair = Pair::joined(wpa2(), config(Some(PASSPHRASE)));
    pair.board.move_to_channel(pair.id, 11, ChannelMove::Silent, pair.now).expect("it exists");
    pair.tune(11);
    pair.run(ms(200));
    exchange_first_frames(&mut pair);
}

#[test]
fn it_is_not_heard_on_a_channel_that_the_board_is_not_tuned_to() {
    let mut pair = Pair::new(open(), config(None));
    pair.board.listen(RadioId::FIRST, Some(CHANNEL), pair.now);
    pair.air.listen(RadioId::FIRST, Some(CHANNEL + 1), pair.now);
    pair.run(ms(300));
    assert_eq!(pair.sent, [] as [Vec<u8>; 0]);
}

#[test]
fn it_has_an_ear_only_for_its_own_access_point() {
    let mut pair = Pair::joined(wpa2(), config(Some(PASSPHRASE)));
    let other = MacAddress([2, 0, 0, 0, 0, 9]);
    pair.forge(0xc0, 0, other, other, &[7, 0]);
    assert_eq!(pair.air.standing(pair.station), Some(Standing::Joined));
    pair.forge(0xc0, 0, BSSID, BSSID, &[7, 0]);
    assert_eq!(pair.air.standing(pair.station), None);
}

#[test]
fn it_takes_data_only_once_and_only_protected_and_not_its_own() {
    let mut pair = Pair::joined(wpa2(), config(Some(PASSPHRASE)));
    let number = |n: u8| [&[n, 0, 0, 0x20, 0, 0, 0, 0], &SNAP[..], &[8, 0], b"data"].concat();
    let bare = [&SNAP[..], &[8, 0], b"data"].concat();
    pair.forge(0x08, 0x02, BSSID, HOST, &bare);
    assert!(pair.saw(&AirEventKind::Dropped(DropCause::Unprotected)));
    pair.forge(0x08, 0x42, BSSID, STATION, &number(1));
    assert_eq!(pair.air.take_host_ethernet(pair.station), None);
    pair.forge(0x08, 0x42, BSSID, HOST, &number(2));
    pair.forge(0x08, 0x42, BSSID, HOST, &number(2));
    assert!(pair.saw(&AirEventKind::Dropped(DropCause::Replayed)));
    let received = std::iter::from_fn(|| pair.air.take_host_ethernet(pair.station));
    assert_eq!(received.count(), 1);
}

#[test]
fn its_keys_end_with_its_association() {
    let mut pair = Pair::joined(wpa2(), config(Some(PASSPHRASE)));
    exchange_first_frames(&mut pair);
    let frame = pair.sent[0].clone();
    assert!(pair.air.encrypt(&frame).is_some());
    pair.forge(0xc0, 0, BSSID, BSSID, &[7, 0]);
    assert_eq!(pair.air.encrypt(&frame), None);
}

#[test]
fn it_comes_back_after_it_was_sent_away_and_after_the_board_was_gone() {
    let mut pair = Pair::joined(wpa2(), config(Some(PASSPHRASE)));
    exchange_first_frames(&mut pair);
    let reason = Reason(8);
    pair.board
        .kick(pair.id, Whom::All, Farewell::Disassociate, reason, pair.now)
        .expect("it exists");
    pair.run(ms(10));
    assert!(pair.saw(&AirEventKind::Left(Departure::ByAccessPoint(reason))));
    assert_eq!(pair.air.standing(pair.station), None);
    pair.run(ms(1500));
    assert_eq!(pair.air.standing(pair.station), Some(Standing::Joined));
    exchange_first_frames(&mut pair);
    pair.board.power_down(pair.id, pair.now).expect("it exists");
    pair.run(ms(3100));
    assert!(pair.saw(&AirEventKind::Left(Departure::NotHeard)));
    pair.board.power_up(pair.id, pair.now).expect("it exists");
    pair.run(ms(1500));
    assert_eq!(pair.air.standing(pair.station), Some(Standing::Joined));
}

#[test]
fn it_says_good_bye_when_it_is_told_to_leave_and_is_silent_then() {
    let mut pair = Pair::joined(wpa2(), config(Some(PASSPHRASE)));
    pair.air.disconnect(pair.station, pair.now).expect("it exists");
    pair.run(ms(10));
    assert_eq!(pair.board.stations(pair.id).count(), 0);
    pair.run(ms(10_000));
    assert_eq!(pair.air.poll_at(), None);
    let frame = ethernet_frame(HOST, STATION, b"too late");
    pair.air.send_host_ethernet(pair.station, &frame, pair.now).expect("it exists");
    pair.run(ms(10));
    assert_eq!(pair.board.take_ethernet(), None);
    pair.air.connect(pair.station, pair.now).expect("it exists");
    pair.run(ms(300));
    assert_eq!(pair.air.standing(pair.station), Some(Standing::Joined));
}

#[test]
fn both_sides_encrypt_a_frame_for_a_capture_alike() {
    let mut pair = Pair::joined(wpa2(), config(Some(PASSPHRASE)));
    let mut frames = Vec::new();
    for to in [STATION, MacAddress::BROADCAST] {
        pair.board.send_ethernet(&ethernet_frame(to, HOST, b"a secret"), pair.now);
        let at = pair.board.poll_at().expect("it is queued");
        pair.board.poll(at + ms(5));
        frames.extend(std::iter::from_fn(|| pair.board.take_frame(RadioId::FIRST)));
    }
    let is_data = |frame: &Vec<u8>| frame[0] == 0x08;
    let frames: Vec<_> = frames.into_iter().map(|on_air| on_air.frame).filter(is_data).collect();
    assert_eq!(frames.len(), 2);
    for frame in frames {
        let encrypted = pair.board.encrypt(&frame).expect("it is protected");
        assert_eq!(pair.air.encrypt(&frame), Some(encrypted.clone()));
        assert_eq!(encrypted.len(), frame.len() + 8);
        assert!(!encrypted.windows(8).any(|window| window == b"a secret"));
    }
    assert_eq!(pair.board.encrypt(&[0x80; 40]), None);
}

#[test]
fn an_address_belongs_to_one() {
    let mut air = Air::new(1);
    let station = air.add_station(config(None), Instant::ZERO).expect("a good configuration");
    let taken = Err(ConfigError::DuplicateAddress(STATION));
    assert_eq!(air.add_station(config(None), Instant::ZERO).map(|_| ()), taken);
    let bssid = STATION;
    assert_eq!(air.add(AccessPointConfig { bssid, ..open() }, Instant::ZERO).map(|_| ()), taken);
    assert_ne!(bssid, BSSID);
    assert_eq!(Air::new(1).connect(station, Instant::ZERO), Err(ConfigError::NoSuchStation));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn it_survives_what_a_board_may_send(
        kind in proptest::sample::select(vec![0x10_u8, 0x50, 0x80, 0xb0, 0xc0, 0xa0, 0x08, 0x88]),
        flags in proptest::sample::select(vec![0_u8, 2, 0x42, 3]),
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..120),
    ) {
        let mut frame = vec![kind, flags, 0, 0];
        for address in [STATION, BSSID, BSSID] {
            frame.extend(address.0);
        }
        frame.extend([0x10, 0x77]);
        frame.extend(body);
        for wait in [0, 115, 120, 300] {
            let mut pair = Pair::new(wpa2(), config(Some("correct-house")));
            pair.run(ms(wait));
            pair.air.transmit(CHANNEL, &frame, pair.now);
            pair.run(ms(20_000));
        }
    }
}
