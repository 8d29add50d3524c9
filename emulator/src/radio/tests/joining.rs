//! Authentication, association, handshakes, and how they end.

use super::station::*;
use crate::radio::elements::KeyManagement;
use crate::radio::frame::{Frame, Management};
use crate::radio::{
    AccessPointConfig, Air, AirEventKind, ConfigError, Departure, Farewell, HANDSHAKE_DELAY,
    MAX_STATIONS, MacAddress, Outcome, RadioId, Reason, Request, SILENCE_LIMIT, Security, Standing,
    Status, Whom,
};
use crate::time::{Duration, Instant};

/// The reason in the next deauthentication or disassociation.
fn farewell(station: &mut Station, within: Duration) -> (Management, Reason) {
    let is_farewell = |frame: &Frame<'_>| {
        is(Management::Deauthentication)(frame) || is(Management::Disassociation)(frame)
    };
    let on_air = station.expect(within, is_farewell);
    let frame = Frame::parse(&on_air.frame).expect("a frame");
    assert_eq!(frame.receiver, station.address);
    let kind = match frame.kind {
        crate::radio::frame::Kind::Management(kind) => kind,
        _ => unreachable!(),
    };
    (kind, Reason::parse(frame.body).expect("a reason"))
}

#[test]
fn a_station_joins_an_open_network() {
    let (mut station, id) = meet(open());
    station.join_open();
    assert_eq!(station.air.stations(id).collect::<Vec<_>>(), [(STATION, Standing::Joined)]);
    let kinds: Vec<_> = station.events.drain(..).map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            AirEventKind::PoweredUp,
            AirEventKind::Authenticated,
            AirEventKind::Associated { association_id: 1 },
            AirEventKind::Joined
        ]
    );
}

#[test]
fn the_association_response_has_the_identifier_with_its_two_bits() {
    let (mut station, _) = meet(open());
    station.authenticate();
    station.request_association(SSID, None);
    let response = station.expect(ms(10), is(Management::AssociationResponse));
    assert_eq!(response.frame[24..30], [0x21, 0x04, 0, 0, 0x01, 0xc0]);
}

#[test]
fn a_station_joins_a_wpa2_network_and_both_have_the_same_keys() {
    let (mut station, id) = meet(wpa2());
    station.begin_wpa2(PASSPHRASE);
    let associated = station.now;
    let message_1 = station.expect(ms(30), is_data);
    assert!(message_1.at > associated + Duration::from_millis(18));
    assert!(message_1.at < associated + HANDSHAKE_DELAY + ms(1));
    let frame = Frame::parse(&message_1.frame).expect("a frame");
    assert!(!frame.is_protected());
    assert_eq!((frame.transmitter, frame.third), (BSSID, BSSID));
    assert_eq!(frame.body[..8], [0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0x8e]);
    let message_3 = station.expect(ms(30), is_data);
    assert!(!Frame::parse(&message_3.frame).expect("a frame").is_protected());
    station.run(ms(10));
    assert_eq!(station.air.stations(id).collect::<Vec<_>>(), [(STATION, Standing::Joined)]);
    let key = station.air.temporal_key(id, STATION);
    assert!(key.is_some());
    assert_eq!(key, station.supplicant.as_ref().and_then(|supplicant| supplicant.temporal_key()));
    assert_eq!(station.air.group_key(id), station.group_key());
    assert!(station.saw(&AirEventKind::PassphraseProved));
}

#[test]
fn with_another_passphrase_message_1_comes_each_second_until_the_station_is_given_up() {
    let (mut station, id) = meet(wpa2());
    station.begin_wpa2("correct-house");
    let times: Vec<_> = (0..4).map(|_| station.expect(ms(1100), is_data).at).collect();
    for pair in times.windows(2) {
        assert_eq!(pair[1] - pair[0], Duration::from_secs(1));
    }
    assert_eq!(farewell(&mut station, ms(1100)), (Management::Deauthentication, Reason(15)));
    assert_eq!(station.air.stations(id).count(), 0);
    let log = station.log();
    assert_eq!(log.matches("the MIC is wrong; the passphrases differ").count(), 4, "{log}");
    assert!(!log.contains("joined"), "{log}");
}

#[test]
fn a_station_that_gives_up_itself_is_forgotten() {
    let (mut station, id) = meet(wpa2());
    station.begin_wpa2("correct-house");
    station.run(ms(3000));
    station.deauthenticate(15);
    assert_eq!(station.air.stations(id).count(), 0);
    assert!(station.hears_nothing(ms(5000), is_data));
    assert!(station.saw(&AirEventKind::Left(Departure::ByStation(Reason(15)))));
}

#[test]
fn the_passphrase_of_a_network_can_change_and_sends_its_stations_away() {
    let (mut station, id) = meet(wpa2());
    station.join_wpa2();
    assert_eq!(station.air.set_passphrase(id, "short", station.now), Err(ConfigError::Passphrase));
    station.air.set_passphrase(id, "another-horse", station.now).expect("a good passphrase");
    assert_eq!(farewell(&mut station, ms(10)), (Management::Deauthentication, Reason(2)));
    station.begin_wpa2("another-horse");
    station.run(ms(50));
    assert_eq!(station.air.stations(id).collect::<Vec<_>>(), [(STATION, Standing::Joined)]);
    let (mut elsewhere, id) = meet(open());
    assert_eq!(
        elsewhere.air.set_passphrase(id, "another-horse", Instant::ZERO),
        Err(ConfigError::NoPassphrase)
    );
}

#[test]
fn an_association_that_does_not_fit_the_network_is_refused_with_the_right_status() {
    let (mut station, _) = meet(wpa2());
    station.authenticate();
    assert_eq!(station.associate(None).0, Status::INVALID_ELEMENT);
    let good = KeyManagement::Psk.rsn_element();
    let with = |at: usize, value: u8| {
        let mut element = good.clone();
        element[at] = value;
        element
    };
    assert_eq!(station.associate(Some(&with(7, 2))).0, Status::GROUP_CIPHER);
    assert_eq!(station.associate(Some(&with(13, 2))).0, Status::PAIRWISE_CIPHER);
    assert_eq!(station.associate(Some(&with(19, 1))).0, Status::KEY_MANAGEMENT);
    let wpa3 = KeyManagement::Sae.rsn_element();
    assert_eq!(station.associate(Some(&wpa3)).0, Status::KEY_MANAGEMENT);
    assert_eq!(station.associate(Some(&good)), (Status::SUCCESS, 1));
    let kind = AirEventKind::Refused { what: Request::Association, status: Status::KEY_MANAGEMENT };
    assert!(station.saw(&kind));
}

#[test]
fn an_association_with_another_name_is_refused() {
    let (mut station, _) = meet(open());
    station.authenticate();
    station.request_association(b"bench-net-2", None);
    let response = station.expect(ms(10), is(Management::AssociationResponse));
    assert_eq!(response.frame[26..30], [1, 0, 0, 0]);
}

#[test]
fn a_wpa3_network_refuses_whoever_comes() {
    let (mut station, _) = meet(AccessPointConfig { security: Security::Wpa3Sae, ..open() });
    assert_eq!(station.authenticate(), Status::ALGORITHM);
    assert_eq!(station.request_authentication(3), Outcome::Acknowledged);
    let response = station.expect(ms(10), is(Management::Authentication));
    assert_eq!(response.frame[24..30], [3, 0, 2, 0, 13, 0]);
}

#[test]
fn an_association_without_authentication_is_rejected() {
    let (mut station, _) = meet(open());
    station.request_association(SSID, None);
    assert_eq!(farewell(&mut station, ms(10)), (Management::Deauthentication, Reason(6)));
}

#[test]
fn data_without_an_association_are_rejected() {
    let (mut station, _) = meet(open());
    station.send_data(HOST, 0x0800, b"too early");
    assert_eq!(farewell(&mut station, ms(10)), (Management::Deauthentication, Reason(7)));
    station.authenticate();
    station.send_data(HOST, 0x0800, b"still too early");
    assert_eq!(farewell(&mut station, ms(10)), (Management::Disassociation, Reason(7)));
    assert_eq!(station.air.take_ethernet(), None);
}

#[test]
fn a_station_can_be_sent_away_in_both_ways_and_join_again() {
    let (mut station, id) = meet(wpa2());
    station.join_wpa2();
    let kick = |station: &mut Station, whom, farewell, reason| {
        station.air.kick(id, whom, farewell, Reason(reason), station.now)
    };
    let count = kick(&mut station, Whom::All, Farewell::Deauthenticate, 2);
    assert_eq!(count, Ok(1));
    assert_eq!(farewell(&mut station, ms(10)), (Management::Deauthentication, Reason(2)));
    assert!(station.saw(&AirEventKind::Left(Departure::ByAccessPoint(Reason(2)))));
    station.join_wpa2();
    let count = kick(&mut station, Whom::Station(STATION), Farewell::Disassociate, 8);
    assert_eq!(count, Ok(1));
    assert_eq!(farewell(&mut station, ms(10)), (Management::Disassociation, Reason(8)));
    // It need not authenticate.
    station.prepare(PASSPHRASE);
    station.events.clear();
    let rsn = KeyManagement::Psk.rsn_element();
    assert_eq!(station.associate(Some(&rsn)), (Status::SUCCESS, 1));
    station.run(ms(50));
    assert!(station.saw(&AirEventKind::Joined));
    let nobody = Whom::Station(HOST);
    assert_eq!(kick(&mut station, nobody, Farewell::Deauthenticate, 2), Ok(0));
}

#[test]
fn a_station_that_associates_again_keeps_its_number() {
    let (mut station, _) = meet(open());
    station.join_open();
    assert_eq!(station.associate(None), (Status::SUCCESS, 1));
}

#[test]
fn packet_numbers_begin_anew_with_new_keys() {
    let (mut station, _) = meet(wpa2());
    station.join_wpa2();
    station.send_data(HOST, 0x0800, b"number 1");
    assert!(station.air.take_ethernet().is_some());
    station.prepare(PASSPHRASE);
    station.associate(Some(&KeyManagement::Psk.rsn_element()));
    station.run(ms(50));
    station.send_data(HOST, 0x0800, b"number 1 again");
    assert!(station.air.take_ethernet().is_some());
}

#[test]
fn an_access_point_without_power_is_gone_and_forgets_everything() {
    let (mut station, id) = meet(wpa2());
    station.join_wpa2();
    station.air.power_down(id, station.now).expect("it exists");
    assert_eq!(station.send_data(HOST, 0x0800, b"anybody?"), Outcome::Unanswered);
    station.forget();
    station.run(Duration::from_secs(1));
    assert_eq!(station.heard, []);
    assert!(station.saw(&AirEventKind::Left(Departure::PowerLoss)));
    station.air.power_up(id, station.now).expect("it exists");
    assert_eq!(station.send_data(HOST, 0x0800, b"anybody?"), Outcome::Acknowledged);
    assert_eq!(farewell(&mut station, ms(10)), (Management::Deauthentication, Reason(7)));
    station.join_wpa2();
    let beacon = station.expect(ms(110), is(Management::Beacon));
    let frame = Frame::parse(&beacon.frame).expect("a frame");
    let body = crate::radio::frame::BeaconBody::parse(frame.body).expect("a beacon");
    assert!(body.timestamp < 300_000, "its clock began anew");
}

#[test]
fn a_station_that_comes_back_without_having_left_begins_anew() {
    let (mut station, id) = meet(wpa2());
    station.join_wpa2();
    let key = station.air.temporal_key(id, STATION);
    station.join_wpa2();
    assert!(station.saw(&AirEventKind::Left(Departure::Returned)));
    assert_ne!(station.air.temporal_key(id, STATION), key);
}

#[test]
fn a_station_that_is_silent_for_long_is_sent_away() {
    let (mut station, id) = meet(open());
    station.join_open();
    let joined = station.now;
    station.run(SILENCE_LIMIT.saturating_sub(ms(50)));
    assert_eq!(station.air.stations(id).count(), 1);
    station.doze(false);
    let heard = station.now;
    station.forget();
    let (kind, reason) = farewell(&mut station, SILENCE_LIMIT + ms(50));
    assert_eq!((kind, reason), (Management::Deauthentication, Reason::INACTIVE));
    assert!(station.now - heard >= SILENCE_LIMIT && heard > joined);
}

#[test]
fn a_station_may_be_silent_while_nobody_listens_and_costs_one_deadline() {
    let (mut station, _) = meet(open());
    station.join_open();
    station.air.listen(RadioId::FIRST, None, station.now);
    assert!(
        station
            .air
            .poll_at()
            .is_some_and(|at| at >= station.now + SILENCE_LIMIT.saturating_sub(ms(10)))
    );
}

#[test]
fn two_access_points_of_one_network_are_two_places_to_join() {
    let mut air = Air::new(1);
    let far = MacAddress([2, 0x11, 0x22, 0x33, 0x44, 0x52]);
    let first = air.add(wpa2(), Instant::ZERO).expect("a good one");
    let second = air
        .add(
            AccessPointConfig { bssid: far, channel: 11, signal_dbm: -70, ..wpa2() },
            Instant::ZERO,
        )
        .expect("a good one");
    let mut station = Station::new(air);
    station.join_wpa2();
    station.air.power_down(first, station.now).expect("it exists");
    station.tune(11);
    station.bssid = far;
    station.forget();
    station.events.clear();
    station.join_wpa2();
    assert_eq!(station.air.stations(second).collect::<Vec<_>>(), [(STATION, Standing::Joined)]);
    assert!(station.heard.iter().all(|frame| frame.signal_dbm == -70));
}

#[test]
fn the_signal_of_an_access_point_can_change() {
    let (mut station, id) = meet(open());
    station.run(ms(110));
    station.air.set_signal(id, -91, station.now).expect("it exists");
    station.forget();
    station.run(ms(110));
    assert!(station.heard.iter().all(|frame| frame.signal_dbm == -91) && !station.heard.is_empty());
}

#[test]
fn a_new_group_key_is_used_when_the_station_has_it() {
    let (mut station, id) = meet(wpa2());
    station.join_wpa2();
    let before = station.group_key().cloned();
    station.air.renew_group_key(id, station.now).expect("it exists");
    station.run(ms(20));
    assert!(station.saw(&AirEventKind::GroupKeyChanged));
    assert_eq!(station.air.group_key(id), station.group_key());
    assert_ne!(station.group_key().cloned(), before);
    assert_eq!(station.group_key().map(|key| key.id()), Some(2));
}

#[test]
fn a_group_key_that_is_renewed_during_a_handshake_still_reaches_the_station() {
    for delay in 0..40 {
        let (mut station, id) = meet(wpa2());
        station.begin_wpa2(PASSPHRASE);
        station.run(ms(delay));
        station.air.renew_group_key(id, station.now).expect("it exists");
        station.run(ms(100));
        assert!(station.saw(&AirEventKind::GroupKeyChanged), "after {delay} ms");
        assert_eq!(
            station.group_key().map(|key| key.key()),
            station.air.group_key(id).map(|key| key.key())
        );
    }
}

#[test]
fn a_repeated_request_is_acknowledged_and_not_answered_again() {
    let (mut station, _) = meet(open());
    station.authenticate();
    let mut again =
        crate::radio::frame::management(Management::Authentication, BSSID, STATION, BSSID);
    again.extend([0, 0, 1, 0, 0, 0]);
    crate::radio::frame::set_sequence_number(&mut again, 1);
    crate::radio::frame::set_retry(&mut again);
    assert_eq!(station.air.transmit(CHANNEL, &again, station.now), Outcome::Acknowledged);
    assert!(station.hears_nothing(ms(10), is(Management::Authentication)));
}

#[test]
fn of_too_many_stations_those_that_did_not_associate_make_room() {
    let (mut station, id) = meet(open());
    for last in 0..MAX_STATIONS as u8 + 1 {
        station.address = MacAddress([0x12, 0, 0, 0, 0, last]);
        assert_eq!(station.authenticate(), Status::SUCCESS);
    }
    assert_eq!(station.air.stations(id).count(), MAX_STATIONS);
    assert!(station.saw(&AirEventKind::Left(Departure::Displaced)));
    for last in 1..MAX_STATIONS as u8 + 1 {
        station.address = MacAddress([0x12, 0, 0, 0, 0, last]);
        assert_eq!(station.associate(None), (Status::SUCCESS, u16::from(last)));
    }
    station.address = STATION;
    assert_eq!(station.authenticate(), Status::TOO_MANY_STATIONS);
}

#[test]
fn what_was_under_way_when_an_access_point_lost_its_power_never_comes() {
    let (mut station, id) = meet(open());
    station.probe(SSID);
    station.air.power_down(id, station.now).expect("it exists");
    station.air.power_up(id, station.now).expect("it exists");
    assert!(station.hears_nothing(ms(50), |_| true));
}

#[test]
fn a_group_key_that_nobody_waits_for_is_in_use_at_once() {
    let (mut station, id) = meet(wpa2());
    station.air.renew_group_key(id, station.now).expect("it exists");
    assert_eq!(station.air.group_key(id).map(|key| key.id()), Some(2));
    station.join_wpa2();
    assert_eq!(station.air.group_key(id), station.group_key());
}

#[test]
fn a_station_that_leaves_does_not_hold_up_a_new_group_key() {
    let (mut station, id) = meet(wpa2());
    station.join_wpa2();
    station.air.listen(RadioId::FIRST, None, station.now);
    station.air.renew_group_key(id, station.now).expect("it exists");
    assert_eq!(station.air.group_key(id).map(|key| key.id()), Some(1));
    station.deauthenticate(3);
    assert_eq!(station.air.group_key(id).map(|key| key.id()), Some(2));
}
