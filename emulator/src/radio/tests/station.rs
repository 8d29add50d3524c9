//! A scripted station: it asks for what a test tells it to, and answers handshakes like a driver.

use crate::radio::elements::{self, Elements, KeyManagement, id};
use crate::radio::ethernet;
use crate::radio::frame::{
    self, AssociationResponse, Authentication, CcmpHeader, Direction, ETHERTYPE_EAPOL, Frame, Kind,
    Management,
};
use crate::radio::wpa2::{Answer, GroupKey, Pmk, Sides, Supplicant};
use crate::radio::{
    AccessPointConfig, Air, AirEvent, AirEventKind, ApId, MacAddress, OnAir, Outcome, RadioId,
    Security, Status, Visibility,
};
use crate::time::{Duration, Instant};

pub(super) const STATION: MacAddress = MacAddress([0x10, 0x01, 0x00, 0xc4, 0x0a, 0x24]);
pub(super) const BSSID: MacAddress = MacAddress([0x02, 0x11, 0x22, 0x33, 0x44, 0x51]);
pub(super) const HOST: MacAddress = MacAddress([0x02, 0xaa, 0, 0, 0, 0x02]);
pub(super) const SSID: &[u8] = b"bench-net";
pub(super) const PASSPHRASE: &str = "correct-horse";
pub(super) const CHANNEL: u8 = 6;
/// What a station takes to answer a message of a handshake.
const THINKING: Duration = Duration::from_millis(2);

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn open() -> AccessPointConfig {
    AccessPointConfig {
        ssid: SSID.to_vec(),
        bssid: BSSID,
        channel: CHANNEL,
        signal_dbm: -55,
        security: Security::Open,
        visibility: Visibility::Visible,
    }
}

pub(super) fn wpa2() -> AccessPointConfig {
    let security = Security::Wpa2Psk { passphrase: PASSPHRASE.to_owned() };
    AccessPointConfig { security, ..open() }
}

/// An air with one access point, its identifier, and a station that is tuned to it.
pub(super) fn meet(config: AccessPointConfig) -> (Station, ApId) {
    let mut air = Air::new(1);
    let id = air.add(config, Instant::ZERO).expect("a good configuration");
    (Station::new(air), id)
}

/// A station, and the air that it is in.
#[derive(Debug, Clone)]
pub(super) struct Station {
    pub(super) air: Air,
    pub(super) now: Instant,
    pub(super) address: MacAddress,
    pub(super) bssid: MacAddress,
    channel: u8,
    sequence: u16,
    packet_number: u64,
    /// Set by [`Self::prepare`]: answers messages of the handshakes.
    pub(super) supplicant: Option<Supplicant>,
    /// All that was heard, in its order.
    pub(super) heard: Vec<OnAir>,
    /// Those of them that [`Self::expect`] has gone past.
    read: usize,
    pub(super) events: Vec<AirEvent>,
}

impl Station {
    pub(super) fn new(mut air: Air) -> Self {
        air.listen(RadioId::FIRST, Some(CHANNEL), Instant::ZERO);
        Self {
            air,
            now: Instant::ZERO,
            address: STATION,
            bssid: BSSID,
            channel: CHANNEL,
            sequence: 0,
            packet_number: 0,
            supplicant: None,
            heard: Vec::new(),
            read: 0,
            events: Vec::new(),
        }
    }

    pub(super) fn tune(&mut self, channel: u8) {
        self.channel = channel;
        self.air.listen(RadioId::FIRST, Some(channel), self.now);
    }

    // ---- time and what comes with it ----

    /// Lets time pass, from one thing that is due to the next.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.air.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.air.poll(self.now);
            self.take_all();
        }
        self.now = self.now.max(end);
        self.air.poll(self.now);
        self.take_all();
    }

    fn take_all(&mut self) {
        while let Some(on_air) = self.air.take_frame(RadioId::FIRST) {
            assert!(on_air.at <= self.now);
            self.heard.push(on_air.clone());
            self.answer_handshake(&on_air.frame);
        }
        while let Some(event) = self.air.take_event() {
            self.events.push(event);
        }
    }

    fn answer_handshake(&mut self, octets: &[u8]) {
        let frame = Frame::parse(octets).expect("access points send good frames");
        let is_data = matches!(frame.kind, Kind::Data { .. }) && frame.receiver == self.address;
        let Some((ETHERTYPE_EAPOL, eapol)) = ethernet::split_body(frame.body).filter(|_| is_data)
        else {
            return;
        };
        let Some(answer) = self.supplicant.as_mut().map(|supplicant| supplicant.receive(eapol))
        else {
            return;
        };
        self.now += THINKING;
        let before = frame.is_protected();
        match answer.expect("the access point's message is good") {
            Answer::Message2(eapol) | Answer::Message4(eapol) => self.send_eapol(&eapol, false),
            Answer::Group2(eapol) => {
                assert!(before, "the group key handshake is protected by the pairwise key");
                self.send_eapol(&eapol, true);
            }
        }
    }

    /// Runs until a frame for this station (or for all) comes that has the property, and returns it.
    pub(super) fn expect(&mut self, within: Duration, what: impl Fn(&Frame<'_>) -> bool) -> OnAir {
        let end = self.now + within;
        loop {
            let unread = self.heard.iter().enumerate().skip(self.read);
            let found = unread.into_iter().find(|(_, on_air)| {
                let frame = Frame::parse(&on_air.frame).expect("access points send good frames");
                (frame.receiver == self.address || frame.receiver.is_multicast()) && what(&frame)
            });
            if let Some((at, on_air)) = found {
                self.read = at + 1;
                return on_air.clone();
            }
            self.read = self.heard.len();
            let at = self.air.poll_at().filter(|at| *at <= end);
            let Some(at) = at else { panic!("nothing came; events: {}", self.log()) };
            self.run(at - self.now);
        }
    }

    /// Whether no such frame comes.
    pub(super) fn hears_nothing(
        &mut self,
        within: Duration,
        what: impl Fn(&Frame<'_>) -> bool,
    ) -> bool {
        let before = self.heard.len();
        self.run(within);
        self.read = self.heard.len();
        self.heard[before..].iter().all(|on_air| {
            let frame = Frame::parse(&on_air.frame).expect("access points send good frames");
            frame.receiver != self.address || !what(&frame)
        })
    }

    /// All events so far, one a line.
    pub(super) fn log(&mut self) -> String {
        self.take_all();
        self.events.iter().map(|event| format!("{event}\n")).collect()
    }

    pub(super) fn saw(&mut self, kind: &AirEventKind) -> bool {
        self.take_all();
        self.events.iter().any(|event| event.kind == *kind)
    }

    /// What was heard until now does not matter any more.
    pub(super) fn forget(&mut self) {
        self.heard.clear();
        self.read = 0;
    }

    // ---- sending ----

    pub(super) fn send(&mut self, mut frame: Vec<u8>) -> Outcome {
        self.sequence = (self.sequence + 1) & 0xfff;
        frame::set_sequence_number(&mut frame, self.sequence);
        self.air.transmit(self.channel, &frame, self.now)
    }

    fn management(&self, kind: Management) -> Vec<u8> {
        frame::management(kind, self.bssid, self.address, self.bssid)
    }

    pub(super) fn probe(&mut self, ssid: &[u8]) -> Outcome {
        let all = MacAddress::BROADCAST;
        let mut frame = frame::management(Management::ProbeRequest, all, self.address, all);
        elements::append(&mut frame, id::SSID, ssid);
        elements::append(&mut frame, id::SUPPORTED_RATES, &elements::SUPPORTED_RATES);
        self.send(frame)
    }

    pub(super) fn request_authentication(&mut self, algorithm: u16) -> Outcome {
        let mut frame = self.management(Management::Authentication);
        Authentication { algorithm, sequence: 1, status: Status::SUCCESS }.append_to(&mut frame);
        self.send(frame)
    }

    /// Authenticates; the status that was answered.
    pub(super) fn authenticate(&mut self) -> Status {
        assert_eq!(self.request_authentication(0), Outcome::Acknowledged);
        let response = self.expect(ms(10), is(Management::Authentication));
        let frame = Frame::parse(&response.frame).expect("a frame");
        let body = Authentication::parse(frame.body).expect("an authentication");
        assert_eq!((body.algorithm, body.sequence), (0, 2));
        body.status
    }

    pub(super) fn request_association(&mut self, ssid: &[u8], rsn: Option<&[u8]>) -> Outcome {
        let mut frame = self.management(Management::AssociationRequest);
        frame.extend([0x21, 0x04, 3, 0]);
        elements::append(&mut frame, id::SSID, ssid);
        elements::append(&mut frame, id::SUPPORTED_RATES, &elements::SUPPORTED_RATES);
        frame.extend(rsn.unwrap_or_default());
        self.send(frame)
    }

    /// Associates; the status and the identifier that were answered.
    pub(super) fn associate(&mut self, rsn: Option<&[u8]>) -> (Status, u16) {
        assert_eq!(self.request_association(SSID, rsn), Outcome::Acknowledged);
        let response = self.expect(ms(10), is(Management::AssociationResponse));
        let frame = Frame::parse(&response.frame).expect("a frame");
        let body = AssociationResponse::parse(frame.body).expect("an association response");
        (body.status, body.association_id)
    }

    /// Joins an open network.
    pub(super) fn join_open(&mut self) {
        assert_eq!(self.authenticate(), Status::SUCCESS);
        assert_eq!(self.associate(None), (Status::SUCCESS, 1));
    }

    /// Gets ready to answer the handshake of the network, with a passphrase.
    pub(super) fn prepare(&mut self, passphrase: &str) {
        let element = KeyManagement::Psk.rsn_element();
        let sides = Sides { authenticator: self.bssid, supplicant: self.address };
        let pmk = Pmk::derive(passphrase, SSID);
        self.supplicant = Some(Supplicant::new(sides, pmk, (element.clone(), element), [0x5a; 32]));
        self.packet_number = 0;
    }

    /// Authenticates and associates with a WPA2 network, and answers its handshake from then on.
    pub(super) fn begin_wpa2(&mut self, passphrase: &str) {
        assert_eq!(self.authenticate(), Status::SUCCESS);
        self.prepare(passphrase);
        let (status, _) = self.associate(Some(&KeyManagement::Psk.rsn_element()));
        assert_eq!(status, Status::SUCCESS);
    }

    /// Joins a WPA2 network.
    pub(super) fn join_wpa2(&mut self) {
        self.begin_wpa2(PASSPHRASE);
        self.run(ms(50));
        assert!(self.saw(&AirEventKind::Joined), "events: {}", self.log());
    }

    fn has_keys(&self) -> bool {
        self.supplicant.as_ref().is_some_and(|supplicant| supplicant.temporal_key().is_some())
    }

    pub(super) fn group_key(&self) -> Option<&GroupKey> {
        self.supplicant.as_ref().and_then(Supplicant::group_key)
    }

    /// Sends data through the access point, protected as soon as there are keys.
    pub(super) fn send_data(&mut self, to: MacAddress, ethertype: u16, payload: &[u8]) -> Outcome {
        let frame = self.data(to, ethertype, payload, self.has_keys());
        self.send(frame)
    }

    fn send_eapol(&mut self, eapol: &[u8], is_protected: bool) {
        let frame = self.data(self.bssid, ETHERTYPE_EAPOL, eapol, is_protected);
        assert_eq!(self.send(frame), Outcome::Acknowledged);
    }

    pub(super) fn data(
        &mut self,
        to: MacAddress,
        ethertype: u16,
        payload: &[u8],
        is_protected: bool,
    ) -> Vec<u8> {
        let start = if is_protected { frame::protected_data } else { frame::data };
        let mut frame = start(Direction::ToDistribution, self.bssid, self.address, to);
        if is_protected {
            self.packet_number += 1;
            let header = CcmpHeader { packet_number: self.packet_number, key_id: 0 };
            frame::set_ccmp_header(&mut frame, header);
        }
        frame.extend(frame::SNAP);
        frame.extend(ethertype.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// Says whether it dozes from now on.
    pub(super) fn doze(&mut self, dozes: bool) -> Outcome {
        self.send(frame::null_data(self.bssid, self.address, dozes))
    }

    pub(super) fn deauthenticate(&mut self, reason: u16) -> Outcome {
        let mut frame = self.management(Management::Deauthentication);
        frame.extend(reason.to_le_bytes());
        self.send(frame)
    }
}

/// The property of being a management frame of a kind.
pub(super) fn is(kind: Management) -> impl Fn(&Frame<'_>) -> bool {
    move |frame| frame.kind == Kind::Management(kind)
}

/// The property of carrying data.
pub(super) fn is_data(frame: &Frame<'_>) -> bool {
    matches!(frame.kind, Kind::Data { .. })
}

/// The elements of a beacon or a probe response.
pub(super) fn network_elements(octets: &[u8]) -> Elements<'_> {
    let frame = Frame::parse(octets).expect("a frame");
    frame::BeaconBody::parse(frame.body).expect("a beacon's body").elements
}

/// An Ethernet frame.
pub(super) fn ethernet_frame(to: MacAddress, from: MacAddress, payload: &[u8]) -> Vec<u8> {
    ethernet::frame(to, from, 0x0800, payload)
}
