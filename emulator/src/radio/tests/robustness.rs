//! Frames that nobody should send.

use proptest::collection::vec;
use proptest::num::u8::ANY;
use proptest::prelude::*;

use super::station::*;
use crate::radio::elements::{Elements, KeyManagement, Rsn, id};
use crate::radio::frame::{
    self, AssociationRequest, AssociationResponse, Authentication, BeaconBody, Frame, FrameError,
    Management, Reason,
};
use crate::radio::{
    AirEventKind, DropCause, MAX_ETHERNET, MAX_ON_AIR, MAX_QUEUE, Outcome, RadioId, Standing,
};
use crate::time::Duration;

/// One of each kind of frame that a station sends, as they are when all is well.
fn good_frames() -> Vec<Vec<u8>> {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    let rsn = KeyManagement::Psk.rsn_element();
    let all = crate::radio::MacAddress::BROADCAST;
    let mut probe = frame::management(Management::ProbeRequest, all, STATION, all);
    crate::radio::elements::append(&mut probe, id::SSID, SSID);
    let mut authentication = frame::management(Management::Authentication, BSSID, STATION, BSSID);
    authentication.extend([0, 0, 1, 0, 0, 0]);
    let mut association = frame::management(Management::AssociationRequest, BSSID, STATION, BSSID);
    association.extend([0x31, 0x04, 3, 0]);
    crate::radio::elements::append(&mut association, id::SSID, SSID);
    association.extend(rsn);
    let mut again = association.clone();
    again[0] = 0x20;
    again.splice(28..28, BSSID.0);
    let mut deauthentication =
        frame::management(Management::Deauthentication, BSSID, STATION, BSSID);
    deauthentication.extend([3, 0]);
    let data = station.data(HOST, 0x0800, b"payload", true);
    let mut qos = station.data(HOST, 0x0800, b"payload", true);
    qos[0] = 0x88;
    qos.splice(24..24, [3, 0]);
    let mut eapol = station.data(BSSID, 0x888e, &[1, 3, 0, 95, 2, 1, 0x0a], false);
    eapol.resize(24 + 8 + 99, 0);
    vec![
        probe,
        authentication,
        association,
        again,
        deauthentication,
        data,
        qos,
        eapol,
        frame::null_data(BSSID, STATION, true),
    ]
}

#[test]
fn frames_that_are_whole_can_be_read() {
    for octets in good_frames() {
        Frame::parse(&octets).expect("they are good");
    }
}

#[test]
fn a_frame_that_is_cut_is_told_with_its_sender_and_acknowledged_if_its_receiver_is_whole() {
    let (mut station, _) = meet(open());
    let mut frame = frame::management(Management::Authentication, BSSID, STATION, BSSID);
    frame.extend([0, 0, 1]);
    for len in 0..frame.len() {
        let outcome = station.air.transmit(CHANNEL, &frame[..len], station.now);
        let expected = if len < 10 { Outcome::Unanswered } else { Outcome::Acknowledged };
        assert_eq!(outcome, expected, "{len} octets");
        let event = std::iter::from_fn(|| station.air.take_event()).last().expect("an event");
        assert!(
            matches!(event.kind, AirEventKind::Malformed(FrameError::Truncated { .. })),
            "{event}"
        );
        assert_eq!(event.station, (len >= 16).then_some(STATION));
    }
}

#[test]
fn a_protected_frame_without_extended_iv_is_malformed() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    let mut data = station.data(HOST, 0x0800, b"payload", true);
    data[27] &= !0x20;
    station.send(data);
    assert!(station.saw(&AirEventKind::Malformed(FrameError::NoExtendedIv)));
}

#[test]
fn an_association_request_with_a_broken_element_changes_nothing() {
    let (mut station, id) = meet(wpa2());
    station.join_wpa2();
    let mut request = frame::management(Management::AssociationRequest, BSSID, STATION, BSSID);
    request.extend([0x31, 0x04, 3, 0, 0, 200, 1, 2, 3]);
    station.send(request);
    let error = FrameError::Element { id: 0, len: 200, left: 3 };
    assert!(station.saw(&AirEventKind::Malformed(error)));
    assert_eq!(station.air.stations(id).collect::<Vec<_>>(), [(STATION, Standing::Joined)]);
}

#[test]
fn a_flood_of_requests_leaves_the_queue_at_its_bound() {
    let (mut station, _) = meet(open());
    for _ in 0..MAX_QUEUE + 100 {
        station.probe(SSID);
    }
    assert!(station.saw(&AirEventKind::Dropped(DropCause::QueueFull)));
    station.forget();
    station.run(Duration::from_secs(2));
    let is_response = |octets: &[u8]| octets[0] == 0x50;
    let responses = station.heard.iter().filter(|on_air| is_response(&on_air.frame)).count();
    assert_eq!(responses, MAX_QUEUE);
}

#[test]
fn a_radio_that_takes_no_frames_loses_the_oldest() {
    let (mut station, _) = meet(open());
    let lost = Duration::from_secs(60);
    station.air.poll(station.now + lost);
    let frames: Vec<_> = std::iter::from_fn(|| station.air.take_frame(RadioId::FIRST)).collect();
    assert_eq!(frames.len(), MAX_ON_AIR);
    assert!(frames.last().is_some_and(|frame| frame.at > station.now + Duration::from_secs(59)));
    assert!(station.saw(&AirEventKind::Dropped(DropCause::QueueFull)));
}

#[test]
fn a_wire_that_takes_no_frames_loses_the_oldest() {
    let (mut station, _) = meet(open());
    station.join_open();
    for number in 0..=MAX_ETHERNET {
        station.send_data(HOST, 0x0800, &(number as u32).to_be_bytes());
    }
    let frames: Vec<_> = std::iter::from_fn(|| station.air.take_ethernet()).collect();
    assert_eq!(frames.len(), MAX_ETHERNET);
    assert_eq!(frames[0][14..], 1_u32.to_be_bytes());
}

/// An air in each of the states that matter.
fn states() -> Vec<Station> {
    let (fresh, _) = meet(wpa2());
    let mut authenticated = fresh.clone();
    authenticated.authenticate();
    let mut associated = fresh.clone();
    associated.begin_wpa2(PASSPHRASE);
    let mut half = associated.clone();
    half.run(ms(21));
    let mut joined = associated.clone();
    joined.run(ms(100));
    vec![fresh, authenticated, associated, half, joined]
}

thread_local! {
    static STATES: Vec<Station> = states();
    static FRAMES: Vec<Vec<u8>> = good_frames();
}

/// Lets a station in each state send some octets, and half a minute pass.
fn survive(octets: &[u8]) {
    for mut station in STATES.with(Clone::clone) {
        station.supplicant = None;
        station.air.transmit(CHANNEL, octets, station.now);
        station.air.send_ethernet(octets, station.now);
        station.run(Duration::from_secs(30));
        assert!(station.heard.len() >= 290, "beacons go on");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_octets_are_a_frame_or_an_error(octets in vec(ANY, 0..200)) {
        let _ = Frame::parse(&octets);
        let _ = BeaconBody::parse(&octets);
        let _ = Authentication::parse(&octets);
        let _ = AssociationRequest::parse(&octets);
        let _ = AssociationRequest::parse_again(&octets);
        let _ = AssociationResponse::parse(&octets);
        let _ = Reason::parse(&octets);
        let _ = Rsn::parse(&octets);
        if let Ok(elements) = Elements::parse(&octets) {
            prop_assert_eq!(elements.iter().map(|element| 2 + element.data.len()).sum::<usize>(), octets.len());
        }
    }

    #[test]
    fn an_access_point_survives_any_octets(octets in vec(ANY, 0..100)) {
        survive(&octets);
    }

    #[test]
    fn an_access_point_survives_good_frames_that_something_happened_to(
        which in 0_usize..9,
        changes in vec((0_usize..140, ANY), 0..6),
        len in 0_usize..200,
        tail in vec(ANY, 0..8),
    ) {
        let mut octets = FRAMES.with(|frames| frames[which].clone());
        for (at, value) in changes {
            if let Some(octet) = octets.get_mut(at) {
                *octet = value;
            }
        }
        octets.truncate(len);
        octets.extend(tail);
        survive(&octets);
    }
}
