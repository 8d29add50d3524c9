//! Beacons, probes, and what it costs when nobody listens.

use super::station::*;
use crate::radio::elements::{self, id};
use crate::radio::frame::{self, BeaconBody, Frame, Kind, Management};
use crate::radio::{
    AccessPointConfig, Air, AirEventKind, BEACON_INTERVAL, ChannelMove, ConfigError, MacAddress,
    Outcome, RESPONSE_DELAY, RadioId, Security, Visibility,
};
use crate::time::{Duration, Instant};

fn is_beacon(frame: &Frame<'_>) -> bool {
    frame.kind == Kind::Management(Management::Beacon)
}

#[test]
fn a_beacon_says_what_the_network_is() {
    let (mut station, _) = meet(open());
    let beacon = station.expect(ms(110), is_beacon);
    assert_eq!((beacon.channel, beacon.signal_dbm), (CHANNEL, -55));
    let frame = Frame::parse(&beacon.frame).expect("a frame");
    assert_eq!((frame.transmitter, frame.third), (BSSID, BSSID));
    let body = BeaconBody::parse(frame.body).expect("a beacon");
    assert_eq!((body.interval, body.capability), (100, 0x0421));
    assert_eq!(body.timestamp, BEACON_INTERVAL.as_micros());
    let elements: Vec<_> = body.elements.iter().map(|element| (element.id, element.data)).collect();
    assert_eq!(
        elements,
        [
            (id::SSID, SSID),
            (id::SUPPORTED_RATES, &[0x82, 0x84, 0x8b, 0x96, 0x0c, 0x12, 0x18, 0x24][..]),
            (id::DSSS_PARAMETER_SET, &[CHANNEL][..]),
            (id::TIM, &[0, 1, 0, 0][..]),
            (id::EXTENDED_SUPPORTED_RATES, &[0x30, 0x48, 0x60, 0x6c][..]),
        ]
    );
}

#[test]
fn a_protected_network_says_so_in_its_capability_and_its_rsn_element() {
    let (mut station, _) = meet(wpa2());
    let beacon = station.expect(ms(110), is_beacon);
    let frame = Frame::parse(&beacon.frame).expect("a frame");
    assert_eq!(BeaconBody::parse(frame.body).expect("a beacon").capability, 0x0431);
    let rsn = network_elements(&beacon.frame).get(id::RSN).expect("an RSN element");
    assert_eq!(rsn[..], crate::radio::elements::KeyManagement::Psk.rsn_element()[2..]);
}

#[test]
fn beacons_come_every_hundred_time_units_with_the_clock_and_the_next_number() {
    let (mut station, _) = meet(open());
    station.run(Duration::from_secs(1));
    let beacons = &station.heard;
    assert!((9..=10).contains(&beacons.len()));
    for pair in beacons.windows(2) {
        let [first, second] = pair else { unreachable!() };
        assert_eq!(second.at - first.at, BEACON_INTERVAL);
        let read = |frame| Frame::parse(frame).expect("a frame");
        let (before, after) = (read(&first.frame), read(&second.frame));
        assert_eq!(after.sequence_control, before.sequence_control + 16);
        let clock = |frame: &Frame<'_>| BeaconBody::parse(frame.body).expect("a beacon").timestamp;
        assert_eq!(clock(&after) - clock(&before), 102_400);
    }
}

#[test]
fn access_points_are_shifted_against_each_other() {
    let mut air = Air::new(1);
    for last in 0..8 {
        let bssid = MacAddress([2, 0, 0, 0, 0, last]);
        air.add(AccessPointConfig { bssid, ..open() }, Instant::ZERO).expect("a good one");
    }
    let mut station = Station::new(air);
    station.run(BEACON_INTERVAL);
    assert_eq!(station.heard.len(), 8);
    let mut times: Vec<_> = station.heard.iter().map(|beacon| beacon.at).collect();
    assert!(times.is_sorted());
    times.dedup();
    assert_eq!(times.len(), 8);
}

#[test]
fn a_scan_finds_each_network_on_its_own_channel_by_a_probe() {
    let mut air = Air::new(1);
    let networks = [
        (1, "one", Security::Open),
        (6, "six", Security::Wpa3Sae),
        (14, "fourteen", wpa2().security),
    ];
    for (channel, ssid, security) in networks.clone() {
        let bssid = MacAddress([2, 0, 0, 0, 0, channel]);
        let config = AccessPointConfig { bssid, channel, ssid: ssid.into(), security, ..open() };
        air.add(config, Instant::ZERO).expect("a good one");
    }
    let mut station = Station::new(air);
    for channel in 1..=14 {
        station.tune(channel);
        assert_eq!(station.probe(b""), Outcome::NotForOne);
        station.run(ms(20));
    }
    let responses = station.heard.iter().filter(|on_air| {
        Frame::parse(&on_air.frame).is_ok_and(|frame| is(Management::ProbeResponse)(&frame))
    });
    let found: Vec<_> = responses
        .map(|response| {
            let elements = network_elements(&response.frame);
            assert_eq!(elements.get(id::DSSS_PARAMETER_SET), Some(&[response.channel][..]));
            assert_eq!(elements.get(id::TIM), None);
            (response.channel, elements.get(id::SSID).expect("a name").to_vec())
        })
        .collect();
    let expected: Vec<_> =
        networks.iter().map(|(channel, ssid, _)| (*channel, ssid.as_bytes().to_vec())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_probe_response_comes_after_the_request_is_acknowledged_and_has_the_clock_of_its_start() {
    let (mut station, _) = meet(open());
    station.run(ms(5));
    let asked = station.now;
    station.probe(SSID);
    let response = station.expect(ms(10), is(Management::ProbeResponse));
    assert!(response.at > asked + RESPONSE_DELAY && response.at < asked + ms(2));
    let mut beacons = station.clone();
    let beacon = beacons.expect(ms(110), is_beacon);
    let clock = |octets: &[u8]| {
        BeaconBody::parse(Frame::parse(octets).expect("a frame").body).expect("a body").timestamp
    };
    let on_air = |frame: &[u8]| crate::radio::Rate::Mbps1.air_time(frame.len() + 4);
    let start = response.at.saturating_since(Instant::ZERO).saturating_sub(on_air(&response.frame));
    let beacon_start =
        beacon.at.saturating_since(Instant::ZERO).saturating_sub(on_air(&beacon.frame));
    let elapsed = beacon_start.saturating_sub(start).as_micros();
    assert!((clock(&beacon.frame) - clock(&response.frame)).abs_diff(elapsed) <= 1);
}

#[test]
fn a_probe_for_another_access_point_is_not_answered() {
    let (mut station, _) = meet(open());
    let (all, other) = (MacAddress::BROADCAST, MacAddress([2, 0, 0, 0, 0, 9]));
    let mut probe = frame::management(Management::ProbeRequest, all, STATION, other);
    elements::append(&mut probe, id::SSID, SSID);
    station.send(probe);
    assert!(station.hears_nothing(ms(20), is(Management::ProbeResponse)));
}

#[test]
fn a_hidden_network_shows_no_name_and_answers_only_to_it() {
    let (mut station, _) = meet(AccessPointConfig { visibility: Visibility::Hidden, ..open() });
    let beacon = station.expect(ms(110), is_beacon);
    assert_eq!(network_elements(&beacon.frame).get(id::SSID), Some(&[][..]));
    station.probe(b"");
    station.probe(b"bench-net-2");
    assert!(station.hears_nothing(ms(20), is(Management::ProbeResponse)));
    station.probe(SSID);
    let response = station.expect(ms(10), is(Management::ProbeResponse));
    assert_eq!(network_elements(&response.frame).get(id::SSID), Some(SSID));
    assert!(station.saw(&AirEventKind::Probed { ssid: SSID.to_vec() }));
}

#[test]
fn what_is_sent_on_another_channel_is_not_heard() {
    let (mut station, _) = meet(open());
    station.tune(CHANNEL + 1);
    station.probe(SSID);
    assert_eq!(station.request_authentication(0), Outcome::Unanswered);
    station.run(ms(200));
    assert_eq!(station.heard, []);
}

#[test]
fn nothing_is_due_when_nobody_listens() {
    let mut air = Air::new(1);
    air.add(open(), Instant::ZERO).expect("a good one");
    assert_eq!(air.poll_at(), None);
    air.listen(RadioId::FIRST, Some(CHANNEL), Instant::ZERO);
    assert!(air.poll_at().is_some_and(|at| at <= Instant::ZERO + BEACON_INTERVAL));
    air.listen(RadioId::FIRST, Some(CHANNEL + 1), Instant::ZERO);
    assert_eq!(air.poll_at(), None);
    air.listen(RadioId::FIRST, None, Instant::ZERO);
    assert_eq!(air.poll_at(), None);
}

#[test]
fn beacons_are_the_same_whether_those_before_were_heard_or_not() {
    let (mut always, _) = meet(wpa2());
    let mut sometimes = always.clone();
    always.run(Duration::from_secs(2));
    sometimes.tune(11);
    sometimes.run(ms(1000));
    sometimes.tune(CHANNEL);
    sometimes.run(ms(1000));
    assert!(sometimes.heard.len() >= 9);
    assert!(always.heard.ends_with(&sometimes.heard));
}

#[test]
fn a_frame_that_began_before_the_radio_was_tuned_is_not_heard() {
    let (mut station, _) = meet(open());
    let beacon = station.clone().expect(ms(110), is_beacon);
    let during = Duration::from_micros(beacon.at.since_zero().as_micros() - 100);
    let mut late = station.clone();
    late.tune(1);
    late.run(during);
    late.tune(CHANNEL);
    late.run(ms(1));
    assert_eq!(late.heard, []);
    station.run(during);
    station.tune(1);
    station.run(ms(1));
    assert_eq!(station.heard, []);
}

#[test]
fn how_often_the_air_is_polled_changes_nothing() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    let mut often = station.clone();
    station.run(ms(700));
    for _ in 0..7000 {
        often.run(Duration::from_micros(100));
    }
    assert_eq!(often.heard, station.heard);
    assert_eq!(often.log(), station.log());
}

#[test]
fn a_seed_decides_about_phases_and_equal_seeds_give_equal_air() {
    let heard = |seed| {
        let mut air = Air::new(seed);
        air.add(wpa2(), Instant::ZERO).expect("a good one");
        let mut station = Station::new(air);
        station.join_wpa2();
        station.heard
    };
    assert_eq!(heard(1), heard(1));
    assert_ne!(heard(1), heard(2));
}

#[test]
fn two_access_points_cannot_have_one_address() {
    let mut air = Air::new(1);
    let id = air.add(open(), Instant::ZERO).expect("a good one");
    assert_eq!(air.add(wpa2(), Instant::ZERO), Err(ConfigError::DuplicateAddress(BSSID)));
    assert_eq!(air.find(BSSID), Some(id));
    assert_eq!(Air::new(1).power_up(id, Instant::ZERO), Err(ConfigError::NoSuchAccessPoint));
}

#[test]
fn an_announced_move_is_counted_down_in_beacons() {
    let (mut station, id) = meet(open());
    station.run(ms(150));
    let how = ChannelMove::Announced { beacons: 3 };
    station.air.move_to_channel(id, 11, how, station.now).expect("a good channel");
    station.forget();
    station.run(ms(1000));
    let announced: Vec<_> = station
        .heard
        .iter()
        .map(|beacon| {
            network_elements(&beacon.frame).get(id::CHANNEL_SWITCH_ANNOUNCEMENT).map(<[u8]>::to_vec)
        })
        .collect();
    assert_eq!(announced, [Some(vec![0, 11, 3]), Some(vec![0, 11, 2]), Some(vec![0, 11, 1])]);
    assert!(station.saw(&AirEventKind::Moved { channel: 11 }));
    station.tune(11);
    station.forget();
    let beacon = station.expect(ms(110), is_beacon);
    assert_eq!(network_elements(&beacon.frame).get(id::DSSS_PARAMETER_SET), Some(&[11][..]));
    assert_eq!(network_elements(&beacon.frame).get(id::CHANNEL_SWITCH_ANNOUNCEMENT), None);
}

#[test]
fn the_first_beacon_after_an_announced_move_is_on_time_for_those_who_wait_there() {
    let (mut there, id) = meet(open());
    there.run(ms(150));
    let how = ChannelMove::Announced { beacons: 3 };
    there.air.move_to_channel(id, 11, how, there.now).expect("a good channel");
    let last = there.heard.last().expect("a beacon").at;
    there.tune(11);
    there.run(ms(500));
    // Unlike three before it, the fourth is heard here.
    let first = &there.heard[1];
    assert_eq!(first.at - last, BEACON_INTERVAL * 4);
    assert_eq!(there.heard[2].at - first.at, BEACON_INTERVAL);
}

#[test]
fn a_silent_move_takes_effect_at_once() {
    let (mut station, id) = meet(open());
    station.run(ms(150));
    station.air.move_to_channel(id, 11, ChannelMove::Silent, station.now).expect("a good channel");
    assert_eq!(station.request_authentication(0), Outcome::Unanswered);
    let heard = station.heard.len();
    station.run(ms(300));
    assert_eq!(station.heard.len(), heard);
    station.tune(11);
    assert_eq!(station.request_authentication(0), Outcome::Acknowledged);
}
