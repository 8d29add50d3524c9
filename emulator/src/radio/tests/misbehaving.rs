//! Access points that do what a scenario tells them to do wrong.

use super::station::*;
use crate::radio::elements::KeyManagement;
use crate::radio::frame::Management;
use crate::radio::{AirEventKind, ApId, Misbehaviour, Outcome, Request, Standing, Status};
use crate::time::Duration;

fn meet_misbehaving(misbehaviour: Misbehaviour) -> (Station, ApId) {
    let (mut station, id) = meet(wpa2());
    station.air.misbehave(id, Some(misbehaviour), station.now).expect("it exists");
    (station, id)
}

fn associate(station: &mut Station) -> Status {
    station.associate(Some(&KeyManagement::Psk.rsn_element())).0
}

#[test]
fn authentication_may_stay_unanswered_though_it_is_acknowledged() {
    let (mut station, _) = meet_misbehaving(Misbehaviour::NoAuthenticationResponse);
    assert_eq!(station.request_authentication(0), Outcome::Acknowledged);
    assert!(station.hears_nothing(ms(2000), is(Management::Authentication)));
    assert!(station.saw(&AirEventKind::Unanswered { what: Request::Authentication }));
}

#[test]
fn authentication_may_be_refused_with_any_status() {
    let (mut station, id) = meet_misbehaving(Misbehaviour::AuthenticationStatus(Status(1)));
    assert_eq!(station.authenticate(), Status(1));
    assert_eq!(station.air.stations(id).count(), 0);
    let kind = AirEventKind::Refused { what: Request::Authentication, status: Status(1) };
    assert!(station.saw(&kind));
}

#[test]
fn association_may_stay_unanswered() {
    let (mut station, _) = meet_misbehaving(Misbehaviour::NoAssociationResponse);
    assert_eq!(station.authenticate(), Status::SUCCESS);
    let rsn = KeyManagement::Psk.rsn_element();
    assert_eq!(station.request_association(SSID, Some(&rsn)), Outcome::Acknowledged);
    assert!(station.hears_nothing(ms(2000), is(Management::AssociationResponse)));
}

#[test]
fn association_may_be_refused_with_any_status() {
    let (mut station, id) = meet_misbehaving(Misbehaviour::AssociationStatus(Status(17)));
    assert_eq!(station.authenticate(), Status::SUCCESS);
    assert_eq!(associate(&mut station), Status(17));
    assert_eq!(station.air.stations(id).collect::<Vec<_>>(), [(STATION, Standing::Authenticated)]);
}

#[test]
fn the_handshake_may_never_begin_and_the_access_point_waits() {
    let (mut station, id) = meet_misbehaving(Misbehaviour::NoMessage1);
    station.begin_wpa2(PASSPHRASE);
    assert!(station.hears_nothing(Duration::from_secs(11), |_| true));
    assert!(station.saw(&AirEventKind::Unanswered { what: Request::Message1 }));
    assert_eq!(station.air.stations(id).collect::<Vec<_>>(), [(STATION, Standing::Associated)]);
}

#[test]
fn the_handshake_may_stop_after_its_second_message() {
    let (mut station, id) = meet_misbehaving(Misbehaviour::NoMessage3);
    station.begin_wpa2(PASSPHRASE);
    station.expect(ms(30), is_data);
    assert!(station.hears_nothing(Duration::from_secs(11), |_| true));
    assert!(station.saw(&AirEventKind::PassphraseProved));
    assert!(station.saw(&AirEventKind::Unanswered { what: Request::Message3 }));
    assert_eq!(station.air.stations(id).collect::<Vec<_>>(), [(STATION, Standing::Associated)]);
}

#[test]
fn a_deaf_access_point_acknowledges_nothing_and_still_sends_beacons() {
    let (mut station, _) = meet_misbehaving(Misbehaviour::Deaf);
    station.probe(SSID);
    assert_eq!(station.request_authentication(0), Outcome::Unanswered);
    station.run(ms(500));
    assert!(station.heard.len() >= 4);
    assert!(station.heard.iter().all(|on_air| on_air.frame[0] == 0x80));
}

#[test]
fn an_access_point_that_is_told_to_behave_does() {
    let (mut station, id) = meet_misbehaving(Misbehaviour::Deaf);
    station.air.misbehave(id, None, station.now).expect("it exists");
    station.join_wpa2();
}
