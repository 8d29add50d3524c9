//! Data between stations and the wire.

use super::station::*;
use crate::radio::elements::id;
use crate::radio::ethernet;
use crate::radio::frame::{self, Frame, Management};
use crate::radio::{
    AccessPointConfig, Air, AirEventKind, DropCause, Farewell, MacAddress, Outcome, RadioId, Rate,
    Reason, Standing, Whom,
};
use crate::time::{Duration, Instant};

const PAYLOAD: &[u8] = b"a datagram of some octets";

fn dropped(cause: DropCause) -> AirEventKind {
    AirEventKind::Dropped(cause)
}

#[test]
fn data_go_from_a_station_to_the_wire() {
    for (config, is_protected) in [(open(), false), (wpa2(), true)] {
        let (mut station, _) = meet(config);
        if is_protected {
            station.join_wpa2()
        } else {
            station.join_open()
        }
        assert_eq!(station.send_data(HOST, 0x0800, PAYLOAD), Outcome::Acknowledged);
        assert_eq!(station.air.take_ethernet(), Some(ethernet_frame(HOST, STATION, PAYLOAD)));
        assert_eq!(station.air.take_ethernet(), None);
    }
}

#[test]
fn data_go_from_the_wire_to_an_open_station() {
    let (mut station, _) = meet(open());
    station.join_open();
    station.air.send_ethernet(&ethernet_frame(STATION, HOST, PAYLOAD), station.now);
    let on_air = station.expect(ms(5), is_data);
    assert_eq!(on_air.rate, Rate::Mbps54);
    let frame = Frame::parse(&on_air.frame).expect("a frame");
    assert!(frame.is_from_distribution() && !frame.is_protected());
    assert_eq!((frame.receiver, frame.transmitter, frame.third), (STATION, BSSID, HOST));
    assert_eq!(ethernet::split_body(frame.body), Some((0x0800, PAYLOAD)));
}

#[test]
fn data_for_a_station_with_keys_are_numbered_with_the_pairwise_key() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    for number in 1..=3 {
        station.air.send_ethernet(&ethernet_frame(STATION, HOST, PAYLOAD), station.now);
        let on_air = station.expect(ms(5), is_data_for_hosts);
        let frame = Frame::parse(&on_air.frame).expect("a frame");
        let ccmp = frame.protection.expect("a CCMP header");
        assert_eq!((ccmp.packet_number, ccmp.key_id), (number, 0));
        assert_eq!(ethernet::split_body(frame.body), Some((0x0800, PAYLOAD)));
        // Header, CCMP header, LLC and payload: MIC and FCS are not ours.
        assert_eq!(on_air.frame.len(), 24 + 8 + 8 + PAYLOAD.len());
    }
}

/// Data that are not part of a handshake.
fn is_data_for_hosts(frame: &Frame<'_>) -> bool {
    is_data(frame)
        && ethernet::split_body(frame.body).is_some_and(|(ethertype, _)| ethertype != 0x888e)
}

#[test]
fn multicast_from_the_wire_is_numbered_with_the_group_key() {
    let (mut station, id) = meet(wpa2());
    station.join_wpa2();
    let group = MacAddress([1, 0, 0x5e, 0, 0, 0xfb]);
    for number in 1..=2 {
        for to in [MacAddress::BROADCAST, group] {
            station.air.send_ethernet(&ethernet_frame(to, HOST, PAYLOAD), station.now);
            let on_air = station.expect(ms(5), is_data_for_hosts);
            let frame = Frame::parse(&on_air.frame).expect("a frame");
            assert_eq!((frame.receiver, frame.third), (to, HOST));
            let ccmp = frame.protection.expect("a CCMP header");
            assert_eq!(ccmp.key_id, 1);
            assert_eq!(ccmp.packet_number, 2 * number - u64::from(to == MacAddress::BROADCAST));
        }
    }
    station.air.renew_group_key(id, station.now).expect("it exists");
    station.run(ms(20));
    station.air.send_ethernet(&ethernet_frame(group, HOST, PAYLOAD), station.now);
    let on_air = station.expect(ms(5), is_data_for_hosts);
    let ccmp = Frame::parse(&on_air.frame).expect("a frame").protection.expect("a CCMP header");
    assert_eq!((ccmp.packet_number, ccmp.key_id), (1, 2));
}

#[test]
fn a_station_that_joins_later_learns_how_far_the_group_key_is_used() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    station.air.send_ethernet(&ethernet_frame(MacAddress::BROADCAST, HOST, PAYLOAD), station.now);
    station.run(ms(5));
    let mut other = station.clone();
    other.address = MacAddress([0x10, 1, 0, 0xc4, 0x0a, 0x25]);
    other.join_wpa2();
    assert_eq!(other.group_key().map(|key| key.packet_number), Some(1));
}

#[test]
fn frames_for_others_on_the_wire_are_not_put_on_the_air() {
    let (mut station, _) = meet(open());
    station.join_open();
    station.air.send_ethernet(&ethernet_frame(HOST, HOST, PAYLOAD), station.now);
    station.air.send_ethernet(&[0; 13], station.now);
    station.air.send_ethernet(&vec![0; 3000], station.now);
    station.forget();
    station.run(ms(50));
    assert!(station.heard.iter().all(|on_air| on_air.frame[0] == 0x80));
    assert!(station.saw(&dropped(DropCause::NoProtocol)));
    assert!(station.saw(&dropped(DropCause::TooLong)));
}

#[test]
fn data_in_the_clear_do_not_pass_a_protected_network() {
    let (mut station, _) = meet(wpa2());
    station.begin_wpa2(PASSPHRASE);
    let early = station.data(HOST, 0x0800, PAYLOAD, false);
    assert_eq!(station.send(early), Outcome::Acknowledged);
    assert!(station.saw(&dropped(DropCause::BeforeKeys)));
    let early = station.data(HOST, 0x0800, PAYLOAD, true);
    station.send(early);
    assert!(station.saw(&dropped(DropCause::WithoutKey)));
    station.run(ms(50));
    assert!(station.saw(&AirEventKind::Joined));
    let bare = station.data(HOST, 0x0800, PAYLOAD, false);
    station.send(bare);
    assert!(station.saw(&dropped(DropCause::Unprotected)));
    assert_eq!(station.air.take_ethernet(), None);
}

#[test]
fn a_packet_number_counts_once() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    let frame = station.data(HOST, 0x0800, PAYLOAD, true);
    station.send(frame.clone());
    station.send(frame);
    assert!(station.air.take_ethernet().is_some());
    assert_eq!(station.air.take_ethernet(), None);
    assert!(station.saw(&dropped(DropCause::Replayed)));
}

#[test]
fn a_repeated_frame_is_delivered_once_and_each_qos_stream_counts_for_itself() {
    let (mut station, _) = meet(open());
    station.join_open();
    let mut data = station.data(HOST, 0x0800, PAYLOAD, false);
    frame::set_sequence_number(&mut data, 77);
    let mut qos = data.clone();
    qos[0] = 0x88;
    qos.splice(24..24, [5, 0]);
    for frame in [&mut data, &mut qos] {
        assert_eq!(station.air.transmit(CHANNEL, frame, station.now), Outcome::Acknowledged);
        frame::set_retry(frame);
        assert_eq!(station.air.transmit(CHANNEL, frame, station.now), Outcome::Acknowledged);
    }
    let delivered = std::iter::from_fn(|| station.air.take_ethernet());
    assert_eq!(delivered.count(), 2);
}

#[test]
fn each_traffic_identifier_has_numbers_of_its_own() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    let [mut video, mut voice] = [5, 6].map(|tid| {
        let mut frame = station.data(HOST, 0x0800, PAYLOAD, true);
        frame[0] = 0x88;
        frame.splice(24..24, [tid, 0]);
        frame
    });
    // What is urgent has overtaken.
    frame::set_sequence_number(&mut voice, 1);
    frame::set_sequence_number(&mut video, 7);
    for frame in [&voice, &video] {
        station.air.transmit(CHANNEL, frame, station.now);
    }
    assert_eq!(std::iter::from_fn(|| station.air.take_ethernet()).count(), 2);
    frame::set_retry(&mut voice);
    station.air.transmit(CHANNEL, &voice, station.now);
    assert!(!station.saw(&dropped(DropCause::Replayed)), "it was seen to be the same frame");
    assert_eq!(station.air.take_ethernet(), None);
}

#[test]
fn a_number_that_comes_again_without_the_retry_bit_is_another_frame() {
    let (mut station, _) = meet(open());
    station.join_open();
    let data = station.data(HOST, 0x0800, PAYLOAD, false);
    for _ in 0..2 {
        station.air.transmit(CHANNEL, &data, station.now);
    }
    assert_eq!(std::iter::from_fn(|| station.air.take_ethernet()).count(), 2);
}

#[test]
fn fragments_and_aggregates_are_dropped_and_told() {
    let (mut station, _) = meet(open());
    station.join_open();
    let mut fragment = station.data(HOST, 0x0800, PAYLOAD, false);
    fragment[1] |= 0x04;
    station.send(fragment);
    let mut aggregate = station.data(HOST, 0x0800, PAYLOAD, false);
    aggregate[0] = 0x88;
    aggregate.splice(24..24, [0x80, 0]);
    station.send(aggregate);
    assert!(
        station.saw(&dropped(DropCause::Fragment)) && station.saw(&dropped(DropCause::Aggregate))
    );
    assert_eq!(station.air.take_ethernet(), None);
}

/// Two stations on one air that take turns: the second with its own address, at the same or another
/// access point.
fn two_stations(first: AccessPointConfig, second: AccessPointConfig) -> (Station, MacAddress) {
    let mut air = Air::new(1);
    let other = MacAddress([0x10, 1, 0, 0xc4, 0x0a, 0x25]);
    air.add(first.clone(), Instant::ZERO).expect("a good one");
    if second.bssid != first.bssid {
        air.add(second.clone(), Instant::ZERO).expect("a good one");
    }
    let mut station = Station::new(air);
    station.join_open();
    (station.address, station.bssid) = (other, second.bssid);
    assert_eq!(station.authenticate(), crate::radio::Status::SUCCESS);
    assert_eq!(station.associate(None).0, crate::radio::Status::SUCCESS);
    (station.address, station.bssid) = (STATION, first.bssid);
    station.forget();
    (station, other)
}

#[test]
fn stations_reach_each_other_through_their_access_points_and_not_over_the_wire() {
    let far = AccessPointConfig { bssid: MacAddress([2, 0, 0, 0, 0, 9]), ..open() };
    for second in [open(), far] {
        let (mut station, other) = two_stations(open(), second.clone());
        station.send_data(other, 0x0800, PAYLOAD);
        assert_eq!(station.air.take_ethernet(), None);
        station.address = other;
        let on_air = station.expect(ms(5), is_data);
        let frame = Frame::parse(&on_air.frame).expect("a frame");
        assert_eq!(
            (frame.receiver, frame.transmitter, frame.third),
            (other, second.bssid, STATION)
        );
    }
}

#[test]
fn multicast_of_a_station_reaches_the_wire_and_the_others() {
    let far = AccessPointConfig { bssid: MacAddress([2, 0, 0, 0, 0, 9]), ..open() };
    let (mut station, _) = two_stations(open(), far);
    station.send_data(MacAddress::BROADCAST, 0x0800, PAYLOAD);
    let wire = station.air.take_ethernet();
    assert_eq!(wire, Some(ethernet_frame(MacAddress::BROADCAST, STATION, PAYLOAD)));
    station.run(ms(5));
    let from: Vec<_> = station
        .heard
        .iter()
        .filter_map(|on_air| {
            let frame = Frame::parse(&on_air.frame).ok().filter(is_data)?;
            Some(frame.transmitter)
        })
        .collect();
    // Its own access point has nobody else to tell.
    assert_eq!(from, [MacAddress([2, 0, 0, 0, 0, 9])]);
}

#[test]
fn frames_for_a_station_that_dozes_elsewhere_are_kept_and_announced() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    assert_eq!(station.doze(true), Outcome::Acknowledged);
    station.air.listen(RadioId::FIRST, None, station.now);
    for _ in 0..2 {
        station.air.send_ethernet(&ethernet_frame(STATION, HOST, PAYLOAD), station.now);
    }
    station.run(ms(5));
    station.tune(CHANNEL);
    station.forget();
    let beacon = station.expect(ms(110), is(Management::Beacon));
    assert_eq!(network_elements(&beacon.frame).get(id::TIM), Some(&[0, 1, 0, 0b10][..]));
    assert!(station.heard.iter().all(|on_air| on_air.frame[0] == 0x80), "nothing but beacons");
    station.doze(false);
    let first = station.expect(ms(5), is_data);
    let second = station.expect(ms(5), is_data);
    let (first, second) = (Frame::parse(&first.frame), Frame::parse(&second.frame));
    let number =
        |frame: Frame<'_>| frame.protection.map(|ccmp| (ccmp.packet_number, frame.has_more_data()));
    assert_eq!(first.map(number), Ok(Some((1, true))));
    assert_eq!(second.map(number), Ok(Some((2, false))));
    let beacon = station.expect(ms(110), is(Management::Beacon));
    assert_eq!(network_elements(&beacon.frame).get(id::TIM), Some(&[0, 1, 0, 0][..]));
}

#[test]
fn multicast_waits_for_the_next_beacon_that_is_heard_while_a_station_dozes() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    station.doze(true);
    station.air.listen(RadioId::FIRST, None, station.now);
    for _ in 0..2 {
        let frame = ethernet_frame(MacAddress::BROADCAST, HOST, PAYLOAD);
        station.air.send_ethernet(&frame, station.now);
    }
    station.run(ms(300));
    station.forget();
    station.tune(CHANNEL);
    let beacon = station.expect(ms(110), is(Management::Beacon));
    assert_eq!(network_elements(&beacon.frame).get(id::TIM), Some(&[0, 1, 1, 0][..]));
    for (number, has_more) in [(1, true), (2, false)] {
        let on_air = station.expect(ms(5), is_data);
        let frame = Frame::parse(&on_air.frame).expect("a frame");
        assert_eq!(frame.protection.map(|ccmp| ccmp.packet_number), Some(number));
        assert_eq!(frame.has_more_data(), has_more);
    }
    let beacon = station.expect(ms(110), is(Management::Beacon));
    assert_eq!(network_elements(&beacon.frame).get(id::TIM), Some(&[0, 1, 0, 0][..]));
}

#[test]
fn frames_that_are_queued_for_a_station_do_not_outlive_its_keys() {
    let (mut station, id) = meet(wpa2());
    station.join_wpa2();
    station.forget();
    station.air.send_ethernet(&ethernet_frame(STATION, HOST, PAYLOAD), station.now);
    let kick = Farewell::Disassociate;
    station.air.kick(id, Whom::All, kick, Reason(8), station.now).expect("it exists");
    station.run(ms(10));
    assert!(station.heard.iter().all(|on_air| on_air.frame[0] != 0x08));
}

#[test]
fn a_station_that_dozes_gets_one_frame_for_each_poll() {
    let (mut station, _) = meet(open());
    station.join_open();
    station.doze(true);
    station.air.listen(RadioId::FIRST, None, station.now);
    for _ in 0..2 {
        station.air.send_ethernet(&ethernet_frame(STATION, HOST, PAYLOAD), station.now);
    }
    station.run(ms(5));
    station.tune(CHANNEL);
    let mut poll = vec![0xa4, 0, 0x01, 0xc0];
    poll.extend(BSSID.0);
    poll.extend(STATION.0);
    for _ in 0..2 {
        assert_eq!(station.air.transmit(CHANNEL, &poll, station.now), Outcome::Acknowledged);
        station.expect(ms(5), is_data);
        assert!(station.hears_nothing(ms(5), is_data));
    }
}

#[test]
fn a_station_that_dozes_and_yet_listens_gets_its_frames_at_once() {
    let (mut station, _) = meet(open());
    station.join_open();
    station.doze(true);
    station.air.send_ethernet(&ethernet_frame(STATION, HOST, PAYLOAD), station.now);
    station.expect(ms(5), is_data);
}

#[test]
fn frames_follow_each_other_as_fast_as_the_air_allows() {
    let (mut station, _) = meet(open());
    station.join_open();
    let full = ethernet_frame(STATION, HOST, &[0; 1500]);
    for _ in 0..100 {
        station.air.send_ethernet(&full, station.now);
    }
    station.forget();
    station.run(ms(100));
    let data: Vec<_> = station.heard.iter().filter(|on_air| on_air.frame[0] == 0x08).collect();
    assert_eq!(data.len(), 100);
    let gap = Rate::Mbps54.air_time(1536) + Rate::Mbps54.recovery();
    assert!(data.windows(2).all(|pair| pair[1].at - pair[0].at == gap));
    assert!(gap < Duration::from_micros(400), "more than 3.7 MB/s: {gap}");
}

#[test]
fn a_protected_frame_takes_the_time_of_its_mic_too() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    station.forget();
    // 1 504 octets with the check sequence are 56 symbols; the MIC needs one more.
    let frame = ethernet_frame(STATION, HOST, &[0; 1460]);
    for _ in 0..2 {
        station.air.send_ethernet(&frame, station.now);
    }
    let first = station.expect(ms(5), is_data);
    let second = station.expect(ms(5), is_data);
    assert_eq!(first.frame.len() + 4, 1504);
    let gap = Rate::Mbps54.air_time(1512) + Rate::Mbps54.recovery();
    assert_eq!(second.at - first.at, gap);
    assert_ne!(Rate::Mbps54.air_time(1512), Rate::Mbps54.air_time(1504));
}

#[test]
fn a_clone_goes_on_as_its_original_does() {
    let (mut station, id) = meet(wpa2());
    station.begin_wpa2(PASSPHRASE);
    station.run(ms(21));
    let mut copy = station.clone();
    for station in [&mut station, &mut copy] {
        station.run(ms(100));
        station.send_data(HOST, 0x0800, PAYLOAD);
        assert_eq!(station.air.stations(id).collect::<Vec<_>>(), [(STATION, Standing::Joined)]);
    }
    assert_eq!(copy.heard, station.heard);
    assert_eq!(copy.air.take_ethernet(), station.air.take_ethernet());
    assert_eq!(format!("{:?}", copy.air), format!("{:?}", station.air));
}
