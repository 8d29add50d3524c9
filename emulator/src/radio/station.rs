//! A virtual station: joins the access point that a board opens, and connects a host to it.
//!
//! Source: IEEE Std 802.11-2020, "MLME" (scanning, authentication, association), "RSNA Supplicant";
//! what it needs of an access point of ESP-IDF was measured on unmodified firmware.
//! Modelled: search by beacons, and by probes where a network hides its name; open and WPA2-Personal
//! networks; data in both directions; beacon loss; new attempts until it is told to stop.
//! Not modelled: scanning channel by channel (its receiver hears all of them, so it follows its
//! access point at once), power saving, choice between several access points of one name, repetition
//! of frames that the board does not acknowledge.

use super::access_point::{Context, RESPONSE_DELAY, Standing};
use super::config::{ConfigError, check_passphrase, check_ssid};
use super::elements::{self, Elements, KeyManagement, Rsn, id};
use super::ethernet::{self, Ethernet};
use super::event::{AirEvent, AirEventKind, Departure, DropCause, Request};
use super::frame::{
    self, AssociationResponse, Authentication, BeaconBody, Body, CcmpHeader, Direction,
    ETHERTYPE_EAPOL, Frame, FrameError, Kind, Management, Reason, Status,
};
use super::mac_address::MacAddress;
use super::rate::{DATA_RATE, MANAGEMENT_RATE, Rate};
use super::receipts::Receipts;
use super::transmitter::{OnAir, Room, Signal, Transmitter};
use super::wpa2::{Answer, GroupKey, KEY_LEN, Nonces, Pmk, Sides, Supplicant};
use crate::time::{Duration, Instant};

/// An answer to a request is awaited for so long.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
/// Requests that are sent before the station begins anew.
const ATTEMPTS: u8 = 3;
/// From association to the end of the 4-way handshake at most.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// From a failure to the next attempt.
const PAUSE: Duration = Duration::from_secs(1);
/// Without a beacon for so long, the access point is lost.
const BEACON_LIMIT: Duration = Duration::from_secs(3);
/// Beacon intervals that the station says it may sleep through.
const LISTEN_INTERVAL: u16 = 3;

/// A station of the scenario's.
#[derive(Clone, PartialEq, Eq)]
pub struct StationConfig {
    /// Its own address.
    pub address: MacAddress,
    /// How strongly the board's radio hears it.
    pub signal_dbm: i8,
    /// The network that it wants to join.
    pub ssid: Vec<u8>,
    /// Of a WPA2 network; without, it joins only an open one.
    pub passphrase: Option<String>,
}

impl std::fmt::Debug for StationConfig {
    /// Does not tell the passphrase.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StationConfig({} to \"{}\")", self.address, self.ssid.escape_ascii())
    }
}

impl StationConfig {
    /// Checks what can be checked without the other stations.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_ssid(&self.ssid)?;
        if self.address.is_multicast() {
            return Err(ConfigError::GroupAddress(self.address));
        }
        self.passphrase.as_deref().map_or(Ok(()), check_passphrase)
    }
}

/// What the station does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing, until it is told to connect.
    Idle,
    /// Nothing, until it searches again.
    Pausing {
        until: Instant,
    },
    /// It listens for its network.
    Searching,
    Authenticating(Attempt),
    Associating(Attempt),
    /// It answers the 4-way handshake.
    Handshaking {
        until: Instant,
    },
    Joined,
}

/// A request that is not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attempt {
    count: u8,
    until: Instant,
}

/// An access point that was found.
#[derive(Debug, Clone)]
struct Network {
    bssid: MacAddress,
    /// The channel on which it was heard last.
    channel: u8,
    /// When that was.
    heard_at: Instant,
    /// Its RSN element, with its header.
    rsn_element: Option<Vec<u8>>,
}

/// A station.
#[derive(Debug, Clone)]
pub(super) struct Station {
    pub(super) config: StationConfig,
    state: State,
    network: Option<Network>,
    transmitter: Transmitter<Rate>,
    pmk: Option<Pmk>,
    supplicant: Option<Supplicant>,
    packet_number: u64,
    /// From the access point: to this station, and to all.
    receipts: [Receipts; 2],
    nonces: Nonces,
    /// The Ethernet frame that was received just now.
    inbox: Option<Vec<u8>>,
}

impl Station {
    /// A station that does nothing yet.
    pub(super) fn new(config: StationConfig, seed: u64) -> Self {
        let nonces = Nonces::new(seed, config.address);
        Self {
            config,
            state: State::Idle,
            network: None,
            transmitter: Transmitter::new(),
            pmk: None,
            supplicant: None,
            packet_number: 0,
            receipts: Default::default(),
            nonces,
            inbox: None,
        }
    }

    // ---- what is told to it ----

    pub(super) fn connect(&mut self) {
        if self.state == State::Idle {
            self.state = State::Searching;
        }
    }

    pub(super) fn disconnect(&mut self, cx: &mut Context<'_>) {
        if self.standing().is_some() {
            self.say_farewell(Reason::LEAVING, cx);
            self.report(cx, AirEventKind::Left(Departure::ByStation(Reason::LEAVING)));
        }
        self.supplicant = None;
        self.state = State::Idle;
    }

    /// Whether it acknowledges what is sent to it.
    pub(super) fn hears(&self) -> bool {
        self.state != State::Idle
    }

    pub(super) const fn standing(&self) -> Option<Standing> {
        match self.state {
            State::Idle | State::Pausing { .. } | State::Searching | State::Authenticating(_) => {
                None
            }
            State::Associating(_) => Some(Standing::Authenticated),
            State::Handshaking { .. } => Some(Standing::Associated),
            State::Joined => Some(Standing::Joined),
        }
    }

    /// The key for data between this station and an access point, if it has joined that one.
    pub(super) fn temporal_key(&self, bssid: MacAddress) -> Option<[u8; KEY_LEN]> {
        self.supplicant.as_ref().filter(|_| self.bssid() == bssid)?.temporal_key()
    }

    /// The key for multicast of an access point, if this station has joined that one.
    pub(super) fn group_key(&self, bssid: MacAddress) -> Option<&GroupKey> {
        self.supplicant.as_ref().filter(|_| self.bssid() == bssid)?.group_key()
    }

    // ---- time ----

    /// When it next does something by itself.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        let beacon_loss = self.network.as_ref().map(|network| network.heard_at + BEACON_LIMIT);
        let timers = match self.state {
            State::Idle | State::Searching => [None, None],
            State::Pausing { until } => [Some(until), None],
            State::Authenticating(attempt) | State::Associating(attempt) => {
                [Some(attempt.until), beacon_loss]
            }
            State::Handshaking { until } => [Some(until), beacon_loss],
            State::Joined => [None, beacon_loss],
        };
        timers.into_iter().chain([self.transmitter.next_start()]).flatten().min()
    }

    /// Does what is due now, at the instant that [`Self::poll_at`] has named.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> Option<OnAir> {
        let now = cx.now;
        let is_due = |until: Instant| until <= now;
        let is_lost =
            self.network.as_ref().is_some_and(|network| is_due(network.heard_at + BEACON_LIMIT));
        match self.state {
            State::Pausing { until } if is_due(until) => self.state = State::Searching,
            State::Idle | State::Pausing { .. } | State::Searching => {}
            _ if is_lost => self.fail(AirEventKind::Left(Departure::NotHeard), cx),
            State::Authenticating(attempt) if is_due(attempt.until) => {
                self.authenticate(attempt.count, cx)
            }
            State::Associating(attempt) if is_due(attempt.until) => {
                self.associate(attempt.count, cx)
            }
            State::Handshaking { until } if is_due(until) => {
                let reason = Reason::HANDSHAKE_TIMEOUT;
                self.say_farewell(reason, cx);
                self.fail(AirEventKind::Left(Departure::ByStation(reason)), cx);
            }
            State::Authenticating(_)
            | State::Associating(_)
            | State::Handshaking { .. }
            | State::Joined => {}
        }
        if self.transmitter.next_start().is_some_and(|start| start <= cx.now) {
            return self.send_next(cx.now);
        }
        None
    }

    /// Something went wrong: the station begins anew after a pause.
    fn fail(&mut self, kind: AirEventKind, cx: &mut Context<'_>) {
        self.report(cx, kind);
        self.supplicant = None;
        self.state = State::Pausing { until: cx.now + PAUSE };
    }

    // ---- sending ----

    fn send_next(&mut self, start: Instant) -> Option<OnAir> {
        let (rate, mut frame) = self.transmitter.pop()?;
        let channel = self.network.as_ref()?.channel;
        if frame::is_protected(&frame) {
            self.packet_number += 1;
            let header = CcmpHeader { packet_number: self.packet_number, key_id: 0 };
            frame::set_ccmp_header(&mut frame, header);
        }
        let signal = Signal { channel, dbm: self.config.signal_dbm, rate };
        Some(self.transmitter.send(start, signal, frame))
    }

    fn enqueue(&mut self, rate: Rate, frame: Vec<u8>, cx: &mut Context<'_>) {
        if self.transmitter.push(rate, frame, cx.now + RESPONSE_DELAY) == Room::None {
            self.report(cx, AirEventKind::Dropped(DropCause::QueueFull));
        }
    }

    fn bssid(&self) -> MacAddress {
        self.network.as_ref().map_or(MacAddress::BROADCAST, |network| network.bssid)
    }

    fn management(&self, kind: Management) -> Vec<u8> {
        frame::management(kind, self.bssid(), self.config.address, self.bssid())
    }

    fn say_farewell(&mut self, reason: Reason, cx: &mut Context<'_>) {
        let mut frame = self.management(Management::Deauthentication);
        frame.extend(reason.0.to_le_bytes());
        self.enqueue(MANAGEMENT_RATE, frame, cx);
    }

    /// The next of the requests that are not answered, if it is not one too many.
    fn next_attempt(&mut self, what: Request, count: u8, cx: &mut Context<'_>) -> Option<Attempt> {
        if count == ATTEMPTS {
            self.fail(AirEventKind::Unanswered { what }, cx);
            return None;
        }
        Some(Attempt { count: count + 1, until: cx.now + ANSWER_LIMIT })
    }

    fn authenticate(&mut self, count: u8, cx: &mut Context<'_>) {
        let Some(attempt) = self.next_attempt(Request::Authentication, count, cx) else { return };
        self.state = State::Authenticating(attempt);
        let body = Authentication {
            algorithm: Authentication::OPEN,
            sequence: 1,
            status: Status::SUCCESS,
        };
        let mut frame = self.management(Management::Authentication);
        body.append_to(&mut frame);
        self.enqueue(MANAGEMENT_RATE, frame, cx);
    }

    fn associate(&mut self, count: u8, cx: &mut Context<'_>) {
        let Some(attempt) = self.next_attempt(Request::Association, count, cx) else { return };
        self.state = State::Associating(attempt);
        let mut frame = self.management(Management::AssociationRequest);
        frame.extend(self.capability().to_le_bytes());
        frame.extend(LISTEN_INTERVAL.to_le_bytes());
        elements::append(&mut frame, id::SSID, &self.config.ssid);
        elements::append(&mut frame, id::SUPPORTED_RATES, &elements::SUPPORTED_RATES);
        if self.config.passphrase.is_some() {
            frame.extend(KeyManagement::Psk.rsn_element());
        }
        elements::append(
            &mut frame,
            id::EXTENDED_SUPPORTED_RATES,
            &elements::EXTENDED_SUPPORTED_RATES,
        );
        self.enqueue(MANAGEMENT_RATE, frame, cx);
    }

    const fn capability(&self) -> u16 {
        frame::CAPABILITY
            | if self.config.passphrase.is_some() { frame::CAPABILITY_PRIVACY } else { 0 }
    }

    fn probe(&mut self, bssid: MacAddress, cx: &mut Context<'_>) {
        let mut frame =
            frame::management(Management::ProbeRequest, bssid, self.config.address, bssid);
        elements::append(&mut frame, id::SSID, &self.config.ssid);
        elements::append(&mut frame, id::SUPPORTED_RATES, &elements::SUPPORTED_RATES);
        elements::append(
            &mut frame,
            id::EXTENDED_SUPPORTED_RATES,
            &elements::EXTENDED_SUPPORTED_RATES,
        );
        self.enqueue(MANAGEMENT_RATE, frame, cx);
    }

    fn send_eapol(&mut self, eapol: &[u8], is_protected: bool, cx: &mut Context<'_>) {
        let frame = ethernet::frame(self.bssid(), self.config.address, ETHERTYPE_EAPOL, eapol);
        if let Some(ethernet) = Ethernet::parse(&frame) {
            self.send_data(&ethernet, is_protected, cx);
        }
    }

    fn send_data(&mut self, ethernet: &Ethernet<'_>, is_protected: bool, cx: &mut Context<'_>) {
        let start = if is_protected { frame::protected_data } else { frame::data };
        let (bssid, to) = (self.bssid(), ethernet.destination);
        let mut frame = start(Direction::ToDistribution, bssid, self.config.address, to);
        ethernet.append_body(&mut frame);
        self.enqueue(DATA_RATE, frame, cx);
    }

    /// Takes a frame of the host that is connected by this station.
    pub(super) fn send_ethernet(&mut self, ethernet: &Ethernet<'_>, cx: &mut Context<'_>) {
        if self.state == State::Joined {
            self.send_data(ethernet, self.supplicant.is_some(), cx);
        } else {
            self.report(cx, AirEventKind::Dropped(DropCause::NotJoined));
        }
    }

    // ---- receiving ----

    /// Takes a frame that the board has sent to this station or to a group. The answer is the
    /// Ethernet frame in it, if it has one.
    pub(super) fn receive(
        &mut self,
        frame: &Frame<'_>,
        channel: u8,
        cx: &mut Context<'_>,
    ) -> Option<Vec<u8>> {
        if let Err(error) = self.take_in(frame, channel, cx) {
            self.report(cx, AirEventKind::Malformed(error));
        }
        self.inbox.take()
    }

    fn take_in(
        &mut self,
        frame: &Frame<'_>,
        channel: u8,
        cx: &mut Context<'_>,
    ) -> Result<(), FrameError> {
        let is_from_network = frame.transmitter == self.bssid();
        match frame.kind {
            Kind::Management(Management::Beacon | Management::ProbeResponse) => {
                return self.receive_beacon(frame, channel, cx);
            }
            _ if !is_from_network => return Ok(()),
            Kind::Management(_) | Kind::Data { .. } => {}
            Kind::PsPoll | Kind::Control(_) => return Ok(()),
        }
        let is_for_all = frame.receiver.is_multicast();
        if self.receipts[usize::from(is_for_all)].is_repeated(frame) {
            return Ok(());
        }
        match (frame.kind, self.state) {
            (Kind::Management(Management::Authentication), State::Authenticating(_)) => {
                let body = Authentication::parse(frame.body)?;
                if body.status == Status::SUCCESS {
                    self.report(cx, AirEventKind::Authenticated);
                    self.associate(0, cx);
                } else {
                    let what = Request::Authentication;
                    self.fail(AirEventKind::Refused { what, status: body.status }, cx);
                }
            }
            (Kind::Management(Management::AssociationResponse), State::Associating(_)) => {
                let body = AssociationResponse::parse(frame.body)?;
                if body.status == Status::SUCCESS {
                    self.begin(body.association_id, cx);
                } else {
                    let what = Request::Association;
                    self.fail(AirEventKind::Refused { what, status: body.status }, cx);
                }
            }
            (
                Kind::Management(Management::Deauthentication | Management::Disassociation),
                state,
            ) => {
                let reason = Reason::parse(frame.body)?;
                if !matches!(state, State::Idle | State::Pausing { .. } | State::Searching) {
                    self.fail(AirEventKind::Left(Departure::ByAccessPoint(reason)), cx);
                }
            }
            (Kind::Data { carries: Body::Some, .. }, State::Handshaking { .. } | State::Joined)
                if frame.is_from_distribution() =>
            {
                if let Err(cause) = self.receive_data(frame, cx) {
                    self.report(cx, AirEventKind::Dropped(cause));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn receive_beacon(
        &mut self,
        frame: &Frame<'_>,
        channel: u8,
        cx: &mut Context<'_>,
    ) -> Result<(), FrameError> {
        let bssid = frame.transmitter;
        if self.state != State::Searching {
            if let Some(network) = self.network.as_mut().filter(|network| network.bssid == bssid) {
                (network.channel, network.heard_at) = (channel, cx.now);
            }
            return Ok(());
        }
        let elements = BeaconBody::parse(frame.body)?.elements;
        let ssid = elements.get(id::SSID).unwrap_or_default();
        let is_hidden = ssid.iter().all(|octet| *octet == 0);
        if (ssid != self.config.ssid && !is_hidden) || !self.can_join(elements) {
            return Ok(());
        }
        let rsn_element = elements.get(id::RSN).map(|rsn| {
            let mut element = Vec::new();
            elements::append(&mut element, id::RSN, rsn);
            element
        });
        self.network = Some(Network { bssid, channel, heard_at: cx.now, rsn_element });
        if is_hidden {
            self.probe(bssid, cx);
        } else {
            self.authenticate(0, cx);
        }
        Ok(())
    }

    /// Whether the network's protection is the one that this station is set up for.
    fn can_join(&self, elements: Elements<'_>) -> bool {
        match (&self.config.passphrase, elements.get(id::RSN).map(Rsn::parse)) {
            (None, None) => true,
            (Some(_), Some(Ok(rsn))) => rsn.group_is_ccmp && rsn.has_pairwise_ccmp && rsn.has_psk,
            _ => false,
        }
    }

    /// The association is there; without protection there is nothing more to do.
    fn begin(&mut self, association_id: u16, cx: &mut Context<'_>) {
        self.report(cx, AirEventKind::Associated { association_id });
        self.receipts = Default::default();
        let Some(passphrase) = &self.config.passphrase else {
            self.state = State::Joined;
            return self.report(cx, AirEventKind::Joined);
        };
        let Some(network_element) =
            self.network.as_ref().and_then(|network| network.rsn_element.clone())
        else {
            return;
        };
        let pmk =
            self.pmk.get_or_insert_with(|| Pmk::derive(passphrase, &self.config.ssid)).clone();
        let sides = Sides { authenticator: self.bssid(), supplicant: self.config.address };
        let elements = (KeyManagement::Psk.rsn_element(), network_element);
        self.supplicant = Some(Supplicant::new(sides, pmk, elements, self.nonces.nonce()));
        self.packet_number = 0;
        self.state = State::Handshaking { until: cx.now + HANDSHAKE_LIMIT };
    }

    fn receive_data(&mut self, frame: &Frame<'_>, cx: &mut Context<'_>) -> Result<(), DropCause> {
        if frame.third == self.config.address {
            // Its own multicast, which the access point repeats for the others.
            return Ok(());
        }
        if frame.is_fragment() {
            return Err(DropCause::Fragment);
        }
        if frame.is_aggregate {
            return Err(DropCause::Aggregate);
        }
        let (ethertype, payload) = ethernet::split_body(frame.body).ok_or(DropCause::NoProtocol)?;
        let is_eapol = ethertype == ETHERTYPE_EAPOL;
        let has_keys = self.supplicant.is_some() && self.state == State::Joined;
        if let Some(ccmp) = frame.protection {
            if !has_keys {
                return Err(DropCause::WithoutKey);
            }
            let receipts = &mut self.receipts[usize::from(frame.receiver.is_multicast())];
            if receipts.is_replayed(frame, ccmp.packet_number) {
                return Err(DropCause::Replayed);
            }
        } else if !is_eapol && self.supplicant.is_some() {
            return Err(if has_keys { DropCause::Unprotected } else { DropCause::BeforeKeys });
        }
        if is_eapol {
            self.receive_eapol(payload, frame.is_protected(), cx);
        } else if self.state == State::Joined {
            self.inbox = Some(ethernet::frame(frame.receiver, frame.third, ethertype, payload));
        }
        Ok(())
    }

    fn receive_eapol(&mut self, eapol: &[u8], is_protected: bool, cx: &mut Context<'_>) {
        let Some(supplicant) = &mut self.supplicant else { return };
        match supplicant.receive(eapol) {
            Ok(Answer::Message2(message)) => self.send_eapol(&message, is_protected, cx),
            Ok(Answer::Message4(message)) => {
                self.send_eapol(&message, is_protected, cx);
                if self.state != State::Joined {
                    self.state = State::Joined;
                    self.report(cx, AirEventKind::Joined);
                }
            }
            Ok(Answer::Group2(message)) => {
                self.send_eapol(&message, is_protected, cx);
                self.receipts[1].renew_keys();
                self.report(cx, AirEventKind::GroupKeyChanged);
            }
            Err(error) => self.report(cx, AirEventKind::HandshakeFailed(error)),
        }
    }

    fn report(&self, cx: &mut Context<'_>, kind: AirEventKind) {
        let bssid = self.network.as_ref().map(|network| network.bssid);
        cx.log.push(AirEvent { at: cx.now, bssid, station: Some(self.config.address), kind });
    }
}
