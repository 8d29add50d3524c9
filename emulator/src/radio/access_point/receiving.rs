//! How an access point answers stations.
//!
//! Source: IEEE Std 802.11-2020, "MLME" (authentication, association), "Class 2 and 3 frames";
//! IEEE Std 802.1X for the port that is closed until the handshake is complete.
//! Modelled: see [`super`].
//! Not modelled: see [`super`].

use super::peer::{MAX_KEPT, Peer, Standing};
use super::{AccessPoint, Class, Context, HANDSHAKE_DELAY, MAX_STATIONS, RESPONSE_DELAY};
use crate::radio::config::{Farewell, Misbehaviour, Security, Visibility};
use crate::radio::elements::{self, Elements, Rsn, id};
use crate::radio::ethernet;
use crate::radio::event::{AirEventKind, Departure, DropCause, Request};
use crate::radio::frame::{
    self, AssociationRequest, Authentication, Body, ETHERTYPE_EAPOL, Frame, FrameError, Kind,
    MAX_BODY_LEN, Management, Reason, Status,
};
use crate::radio::mac_address::MacAddress;
use crate::radio::wpa2::{Authenticator, HandshakeError, Pmk, Progress, Sides};
use crate::time::Instant;

/// The two bits that are set in every association identifier on the air.
const ASSOCIATION_ID_BITS: u16 = 0xc000;

impl AccessPoint {
    /// Takes a frame that is addressed to this access point or to a group. The answer is the
    /// Ethernet frame in it, if it has one for others.
    pub(in crate::radio) fn receive(
        &mut self,
        frame: &Frame<'_>,
        cx: &mut Context<'_>,
    ) -> Option<Vec<u8>> {
        self.take_in(frame, cx);
        self.outbox.take()
    }

    fn take_in(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let is_probe = frame.kind == Kind::Management(Management::ProbeRequest);
        if frame.receiver != self.config.bssid && !is_probe {
            return;
        }
        let station = frame.transmitter;
        if let Some(peer) = self.peer(station) {
            peer.heard_at = cx.now;
            if peer.receipts.is_repeated(frame) {
                return;
            }
        }
        let result = match frame.kind {
            Kind::Management(_) if frame.is_protected() => {
                self.report(cx, Some(station), AirEventKind::Dropped(DropCause::WithoutKey));
                Ok(())
            }
            Kind::Management(kind) => self.receive_management(kind, frame, cx),
            Kind::Data { carries, .. } if frame.is_to_distribution() => {
                self.receive_data(carries, frame, cx);
                Ok(())
            }
            Kind::PsPoll => {
                self.release(station, 1, cx);
                Ok(())
            }
            Kind::Data { .. } | Kind::Control(_) => Ok(()),
        };
        if let Err(error) = result {
            self.report(cx, Some(station), AirEventKind::Malformed(error));
        }
    }

    fn receive_management(
        &mut self,
        kind: Management,
        frame: &Frame<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), FrameError> {
        let station = frame.transmitter;
        if kind == Management::ProbeRequest {
            return self.receive_probe(frame, cx);
        }
        match kind {
            Management::Authentication => {
                self.authenticate(station, Authentication::parse(frame.body)?, frame, cx);
            }
            Management::AssociationRequest => {
                self.associate(
                    Management::AssociationResponse,
                    &AssociationRequest::parse(frame.body)?,
                    station,
                    cx,
                );
            }
            Management::ReassociationRequest => {
                let request = AssociationRequest::parse_again(frame.body)?;
                self.associate(Management::ReassociationResponse, &request, station, cx);
            }
            Management::Deauthentication => {
                let departure = Departure::ByStation(Reason::parse(frame.body)?);
                self.forget(station, Farewell::Deauthenticate, departure, cx);
            }
            Management::Disassociation => {
                let departure = Departure::ByStation(Reason::parse(frame.body)?);
                self.forget(station, Farewell::Disassociate, departure, cx);
            }
            // Nothing that an access point like this one answers.
            _ => {}
        }
        Ok(())
    }

    fn receive_probe(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), FrameError> {
        if frame.third != MacAddress::BROADCAST && frame.third != self.config.bssid {
            return Ok(());
        }
        let wanted = Elements::parse(frame.body)?.get(id::SSID).unwrap_or_default();
        let is_meant = wanted == self.config.ssid
            || (wanted.is_empty() && self.config.visibility == Visibility::Visible);
        if !is_meant {
            return Ok(());
        }
        let mut response = self.management(Management::ProbeResponse, frame.transmitter);
        self.append_network(&mut response, &self.config.ssid, None, cx.now);
        self.enqueue(Class::Stamped, response, cx.now + RESPONSE_DELAY, cx);
        let kind = AirEventKind::Probed { ssid: wanted.to_vec() };
        self.report(cx, Some(frame.transmitter), kind);
        Ok(())
    }

    fn authenticate(
        &mut self,
        station: MacAddress,
        request: Authentication,
        frame: &Frame<'_>,
        cx: &mut Context<'_>,
    ) {
        let misbehaviour = self.misbehaviour;
        let status = match misbehaviour {
            Some(Misbehaviour::NoAuthenticationResponse) => {
                let kind = AirEventKind::Unanswered { what: Request::Authentication };
                return self.report(cx, Some(station), kind);
            }
            Some(Misbehaviour::AuthenticationStatus(status)) => status,
            _ if self.config.security == Security::Wpa3Sae => Status::ALGORITHM,
            _ if request.algorithm != Authentication::OPEN => Status::ALGORITHM,
            _ if request.sequence != 1 => Status::OUT_OF_SEQUENCE,
            _ if !self.make_room_for(station, cx) => Status::TOO_MANY_STATIONS,
            _ => Status::SUCCESS,
        };
        let answer = Authentication {
            algorithm: request.algorithm,
            sequence: request.sequence.saturating_add(1),
            status,
        };
        let mut response = self.management(Management::Authentication, station);
        answer.append_to(&mut response);
        self.respond(response, cx);
        if status != Status::SUCCESS {
            let kind = AirEventKind::Refused { what: Request::Authentication, status };
            return self.report(cx, Some(station), kind);
        }
        // It has forgotten what was, and so must the access point.
        self.forget(station, Farewell::Deauthenticate, Departure::Returned, cx);
        let mut peer = Peer::new(station, cx.now);
        peer.receipts.is_repeated(frame);
        self.peers.push(peer);
        self.report(cx, Some(station), AirEventKind::Authenticated);
    }

    /// Forgets the station that is authenticated for longest without an association, if there is no
    /// room for another one.
    fn make_room_for(&mut self, station: MacAddress, cx: &mut Context<'_>) -> bool {
        if self.peers.len() < MAX_STATIONS || self.peer(station).is_some() {
            return true;
        }
        let Some(oldest) = self.peers.iter().find(|peer| !peer.is_associated()) else {
            return false;
        };
        self.forget(oldest.address, Farewell::Deauthenticate, Departure::Displaced, cx);
        true
    }

    fn associate(
        &mut self,
        response: Management,
        request: &AssociationRequest<'_>,
        station: MacAddress,
        cx: &mut Context<'_>,
    ) {
        if self.peer(station).is_none() {
            return self.reject(station, Reason::NOT_AUTHENTICATED, cx);
        }
        let status = match self.misbehaviour {
            Some(Misbehaviour::NoAssociationResponse) => {
                let kind = AirEventKind::Unanswered { what: Request::Association };
                return self.report(cx, Some(station), kind);
            }
            Some(Misbehaviour::AssociationStatus(status)) => status,
            _ if request.elements.get(id::SSID) != Some(&self.config.ssid) => Status::UNSPECIFIED,
            _ => self.check_security(request.elements),
        };
        let association_id =
            if status == Status::SUCCESS { self.association_id(station) } else { 0 };
        let mut frame = self.management(response, station);
        frame.extend(self.capability().to_le_bytes());
        frame.extend(status.0.to_le_bytes());
        let marked = if association_id == 0 { 0 } else { association_id | ASSOCIATION_ID_BITS };
        frame.extend(marked.to_le_bytes());
        elements::append(&mut frame, id::SUPPORTED_RATES, &elements::SUPPORTED_RATES);
        elements::append(
            &mut frame,
            id::EXTENDED_SUPPORTED_RATES,
            &elements::EXTENDED_SUPPORTED_RATES,
        );
        self.respond(frame, cx);
        if status != Status::SUCCESS {
            let kind = AirEventKind::Refused { what: Request::Association, status };
            return self.report(cx, Some(station), kind);
        }
        self.forget(station, Farewell::Disassociate, Departure::Returned, cx);
        let handshake = self.begin_handshake(station, request.elements, cx.now);
        if let Some(peer) = self.peer(station) {
            peer.association_id = association_id;
            peer.standing =
                if handshake.is_some() { Standing::Associated } else { Standing::Joined };
            peer.handshake = handshake;
        }
        self.report(cx, Some(station), AirEventKind::Associated { association_id });
        if self.config.security == Security::Open {
            self.report(cx, Some(station), AirEventKind::Joined);
        }
    }

    /// The station's own number if it has one, else the lowest that is free.
    fn association_id(&mut self, station: MacAddress) -> u16 {
        let own = self.peer(station).map_or(0, |peer| peer.association_id);
        if own != 0 {
            return own;
        }
        let is_free = |id: &u16| self.peers.iter().all(|peer| peer.association_id != *id);
        (1..=MAX_STATIONS as u16).find(is_free).unwrap_or(1)
    }

    fn check_security(&self, elements: Elements<'_>) -> Status {
        match self.config.security {
            Security::Open => return Status::SUCCESS,
            Security::Wpa3Sae => return Status::KEY_MANAGEMENT,
            Security::Wpa2Psk { .. } => {}
        }
        match elements.get(id::RSN).map(Rsn::parse) {
            None | Some(Err(_)) => Status::INVALID_ELEMENT,
            Some(Ok(rsn)) if !rsn.group_is_ccmp => Status::GROUP_CIPHER,
            Some(Ok(rsn)) if !rsn.has_pairwise_ccmp => Status::PAIRWISE_CIPHER,
            Some(Ok(rsn)) if !rsn.has_psk => Status::KEY_MANAGEMENT,
            Some(Ok(_)) => Status::SUCCESS,
        }
    }

    fn begin_handshake(
        &mut self,
        station: MacAddress,
        elements: Elements<'_>,
        now: Instant,
    ) -> Option<Authenticator> {
        let Security::Wpa2Psk { passphrase } = &self.config.security else { return None };
        let own_element = self.config.security.rsn_element()?;
        let mut its_element = Vec::new();
        elements::append(&mut its_element, id::RSN, elements.get(id::RSN)?);
        // Only now, since it is the one thing here that takes time.
        let pmk =
            self.pmk.get_or_insert_with(|| Pmk::derive(passphrase, &self.config.ssid)).clone();
        let sides = Sides { authenticator: self.config.bssid, supplicant: station };
        let anonce = self.nonces.nonce();
        Some(Authenticator::new(
            sides,
            pmk,
            (own_element, its_element),
            anonce,
            now + HANDSHAKE_DELAY,
        ))
    }

    fn receive_data(&mut self, carries: Body, frame: &Frame<'_>, cx: &mut Context<'_>) {
        let station = frame.transmitter;
        let Some(peer) = self.peer(station) else {
            return self.reject(station, Reason::NOT_ASSOCIATED, cx);
        };
        if !peer.is_associated() {
            return self.reject(station, Reason::NOT_ASSOCIATED, cx);
        }
        peer.dozes = frame.dozes();
        if !peer.dozes {
            self.release(station, MAX_KEPT, cx);
        }
        if carries == Body::None {
            return;
        }
        if let Err(cause) = self.accept_data(frame, cx) {
            self.report(cx, Some(station), AirEventKind::Dropped(cause));
        }
    }

    fn accept_data(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), DropCause> {
        let station = frame.transmitter;
        if frame.is_fragment() {
            return Err(DropCause::Fragment);
        }
        if frame.is_aggregate {
            return Err(DropCause::Aggregate);
        }
        if frame.body.len() > MAX_BODY_LEN {
            return Err(DropCause::TooLong);
        }
        let (ethertype, payload) = ethernet::split_body(frame.body).ok_or(DropCause::NoProtocol)?;
        let is_eapol = ethertype == ETHERTYPE_EAPOL;
        let peer = self.peer(station).ok_or(DropCause::BeforeKeys)?;
        let has_keys =
            peer.handshake.as_ref().is_some_and(|handshake| handshake.temporal_key().is_some());
        if let Some(ccmp) = frame.protection {
            if !has_keys {
                return Err(DropCause::WithoutKey);
            }
            if peer.receipts.is_replayed(frame, ccmp.packet_number) {
                return Err(DropCause::Replayed);
            }
        } else if !is_eapol && has_keys {
            return Err(DropCause::Unprotected);
        }
        if is_eapol {
            self.receive_eapol(station, payload, cx);
        } else if self.peer(station).is_some_and(|peer| peer.is_joined()) {
            self.outbox = Some(ethernet::frame(frame.third, station, ethertype, payload));
        } else {
            return Err(DropCause::BeforeKeys);
        }
        Ok(())
    }

    fn receive_eapol(&mut self, station: MacAddress, eapol: &[u8], cx: &mut Context<'_>) {
        let newest = self.newest_group_key().id();
        let Some(peer) = self.peer(station) else { return };
        // A network without keys has no use for it, as for any protocol that nobody speaks.
        let Some(handshake) = peer.handshake.as_mut() else { return };
        match handshake.receive(eapol, cx.now) {
            Ok(Progress::PassphraseProved) => {
                self.report(cx, Some(station), AirEventKind::PassphraseProved);
            }
            Ok(Progress::Complete) => {
                peer.standing = Standing::Joined;
                // It may have been renewed since the third message.
                if handshake.group_key_id() != newest {
                    handshake.renew_group_key(cx.now);
                }
                self.report(cx, Some(station), AirEventKind::Joined);
            }
            Ok(Progress::GroupKeyAccepted) => self.use_next_group_key(cx),
            Err(error) => {
                self.report(cx, Some(station), AirEventKind::HandshakeFailed(error));
                if error == HandshakeError::ElementDiffers {
                    let reason = Reason::ELEMENT_DIFFERS;
                    self.send_away(station, Farewell::Deauthenticate, reason, cx);
                }
            }
        }
    }

    /// Sends frames that were kept while the station dozed.
    fn release(&mut self, station: MacAddress, count: usize, cx: &mut Context<'_>) {
        for _ in 0..count {
            let Some(peer) = self.peer(station) else { return };
            let Some(mut frame) = peer.kept.pop_front() else { return };
            if !peer.kept.is_empty() {
                frame::set_more_data(&mut frame);
            }
            self.enqueue(Class::Unicast(station), frame, cx.now + RESPONSE_DELAY, cx);
        }
    }
}
