//! The air around a board: all access points, who hears what, and the way to the wire behind them.
//!
//! Source: none; this joins what [`super::access_point`] models.
//! Modelled: radios, each tuned to one channel at a time; virtual stations for when one is itself an
//! access point; frames that take their time; access points
//! on one wire, which they bridge.
//! Not modelled: interference, distance, channels that overlap. What one radio sends to another is
//! not in the hands of the air, which only knows whether it is heard ([`Air::hears`]).
//!
//! ```
//! use esp32_emulator::radio::{AccessPointConfig, Air, RadioId, Security, Visibility};
//! use esp32_emulator::time::{Duration, Instant};
//!
//! let mut air = Air::new(1);
//! let config = AccessPointConfig {
//!     ssid: b"bench-net".to_vec(),
//!     bssid: "02:11:22:33:44:51".parse().unwrap(),
//!     channel: 6,
//!     signal_dbm: -55,
//!     security: Security::Open,
//!     visibility: Visibility::Visible,
//! };
//! air.add(config, Instant::ZERO).unwrap();
//! assert_eq!(air.poll_at(), None, "beacons that nobody hears cost nothing");
//! air.listen(RadioId::FIRST, Some(6), Instant::ZERO);
//! air.poll(Instant::ZERO + Duration::from_millis(110));
//! assert_eq!(air.take_frame(RadioId::FIRST).unwrap().signal_dbm, -55);
//! ```

use std::collections::VecDeque;

use super::access_point::{AccessPoint, Context, Standing};
use super::config::{
    AccessPointConfig, ChannelMove, ConfigError, Farewell, Misbehaviour, Security, Whom,
    check_channel, check_passphrase,
};
use super::ethernet::Ethernet;
use super::event::{AirEvent, AirEventKind, DropCause, EventLog};
use super::frame::{Frame, MAX_BODY_LEN, Reason, SNAP};
use super::mac_address::MacAddress;
use super::station::{Station, StationConfig};
use super::transmitter::OnAir;
use super::wpa2::{self, GroupKey, KEY_LEN};
use crate::time::Instant;

/// Frames that the radio has not taken; of more, the oldest are dropped.
pub const MAX_ON_AIR: usize = 256;
/// Ethernet frames for the wire that nobody has taken; of more, the oldest are dropped.
pub const MAX_ETHERNET: usize = 256;

/// A radio of one [`Air`]: the MAC of a chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RadioId(usize);

impl RadioId {
    /// The one that every air has.
    pub const FIRST: Self = Self(0);
}

/// A station of one [`Air`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StationId(usize);

/// An access point of one [`Air`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApId(usize);

/// A radio, and what it hears.
#[derive(Debug, Clone, Default)]
struct Radio {
    listening: Option<u8>,
    /// Since when it has listened there.
    since: Instant,
    /// Frames that have begun, by their ends. Those up to the present are complete.
    on_air: VecDeque<OnAir>,
}

/// A station, and what it has received for its host.
#[derive(Debug, Clone)]
struct Host {
    station: Station,
    ethernet: VecDeque<Vec<u8>>,
}

/// Who sends by himself. Ties go to access points, and then in the order in which they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sender {
    AccessPoint(usize),
    Station(usize),
}

/// What the sender of a frame learns about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its receiver has acknowledged it.
    Acknowledged,
    /// Nobody has.
    Unanswered,
    /// It was for a group, which does not acknowledge.
    NotForOne,
}

/// The air. A clone is a saved state.
///
/// Time comes in with every call, and does not go back: an earlier instant than the last one counts
/// as the last one. Between the calls [`Self::poll_at`] says when [`Self::poll`] is due; polling more
/// often changes nothing.
#[derive(Debug, Clone)]
pub struct Air {
    seed: u64,
    now: Instant,
    access_points: Vec<AccessPoint>,
    stations: Vec<Host>,
    radios: Vec<Radio>,
    ethernet: VecDeque<Vec<u8>>,
    log: EventLog,
}

impl Air {
    /// Silence, and one radio. Keys, nonces and the phases of beacons come from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Instant::ZERO,
            access_points: Vec::new(),
            stations: Vec::new(),
            radios: vec![Radio::default()],
            ethernet: VecDeque::new(),
            log: EventLog::new(),
        }
    }

    // ---- radios -----------------------------------------------------------------------------

    /// One radio more, which is off.
    pub fn add_radio(&mut self) -> RadioId {
        self.radios.push(Radio::default());
        RadioId(self.radios.len() - 1)
    }

    /// A radio's receiver is tuned to a channel from now on, or is off. A frame that is under way
    /// on another channel is not heard, and one that has begun before neither.
    pub fn listen(&mut self, radio: RadioId, channel: Option<u8>, now: Instant) {
        self.poll(now);
        let now = self.now;
        let Some(radio) = self.radios.get_mut(radio.0).filter(|it| it.listening != channel) else {
            return;
        };
        radio.listening = channel;
        radio.since = now;
        radio.on_air.retain(|frame| frame.at <= now);
        for access_point in &mut self.access_points {
            access_point.pass_beacons(now);
        }
    }

    /// Whether a radio listens to a channel, and has done so at least since `start`.
    pub fn hears(&self, radio: RadioId, channel: u8, start: Instant) -> bool {
        let hears = |radio: &Radio| radio.listening == Some(channel) && radio.since <= start;
        self.radios.get(radio.0).is_some_and(hears)
    }

    /// A radio sends a frame on a channel. The frame has neither MIC nor frame check sequence; if
    /// it is protected, its CCMP header is there and its body is in the clear.
    ///
    /// Nothing comes back before [`super::RESPONSE_DELAY`] is over.
    pub fn transmit(&mut self, channel: u8, frame: &[u8], now: Instant) -> Outcome {
        self.poll(now);
        let now = self.now;
        let receiver = Frame::receiver_of(frame);
        let is_addressed = |access_point: &AccessPoint| {
            receiver.is_some_and(|to| to.is_multicast() || to == access_point.config.bssid)
        };
        let hears =
            |access_point: &AccessPoint| access_point.hears(channel) && is_addressed(access_point);
        let outcome = match receiver {
            Some(receiver) if receiver.is_multicast() => Outcome::NotForOne,
            Some(receiver) if self.stations.iter().any(|host| host.acknowledges(receiver)) => {
                Outcome::Acknowledged
            }
            _ if self.access_points.iter().any(hears) => Outcome::Acknowledged,
            _ => Outcome::Unanswered,
        };
        let parsed = match Frame::parse(frame) {
            Ok(parsed) => parsed,
            Err(error) => {
                let station = Frame::transmitter_of(frame);
                let kind = AirEventKind::Malformed(error);
                self.log.push(AirEvent { at: now, bssid: None, station, kind });
                return outcome;
            }
        };
        for at in 0..self.access_points.len() {
            let access_point = &mut self.access_points[at];
            if hears(access_point)
                && let Some(frame) =
                    access_point.receive(&parsed, &mut Context { now, log: &mut self.log })
            {
                self.forward(frame);
            }
        }
        for host in &mut self.stations {
            host.receive(&parsed, channel, &mut Context { now, log: &mut self.log });
        }
        outcome
    }

    /// Does all that is due at `now`.
    pub fn poll(&mut self, now: Instant) {
        let now = now.max(self.now);
        while let Some((at, sender)) = self.next_action().filter(|(at, _)| *at <= now) {
            self.now = at;
            let mut cx = Context { now: at, log: &mut self.log };
            let frame = match sender {
                Sender::AccessPoint(index) => {
                    let access_point = &mut self.access_points[index];
                    let is_heard = is_heard(&self.radios, access_point.config.channel);
                    access_point.advance(is_heard, &mut cx)
                }
                Sender::Station(index) => self.stations[index].station.advance(&mut cx),
            };
            if let Some(frame) = frame {
                self.put_on_air(frame);
            }
        }
        self.now = now;
    }

    /// When [`Self::poll`] has something to do, or [`Self::take_frame`] a frame more.
    pub fn poll_at(&self) -> Option<Instant> {
        let next = |radio: &Radio| radio.on_air.iter().map(|it| it.at).find(|at| *at > self.now);
        let frame = self.radios.iter().filter_map(next).min();
        self.next_action().map(|(at, _)| at).into_iter().chain(frame).min()
    }

    /// Who is the first to have something to do, and when.
    fn next_action(&self) -> Option<(Instant, Sender)> {
        let access_points = self.access_points.iter().enumerate().filter_map(|(index, it)| {
            let is_heard = is_heard(&self.radios, it.config.channel);
            it.poll_at(is_heard).map(|at| (at, Sender::AccessPoint(index)))
        });
        let stations = self.stations.iter().enumerate().filter_map(|(index, host)| {
            host.station.poll_at().map(|at| (at, Sender::Station(index)))
        });
        access_points.chain(stations).min()
    }

    /// A frame begins: those hear it who listen to its channel now.
    fn put_on_air(&mut self, frame: OnAir) {
        let channel = frame.channel;
        let listens = |radio: &&mut Radio| radio.listening == Some(channel);
        let mut radios = self.radios.iter_mut().filter(listens).peekable();
        let mut is_any_full = false;
        let mut frame = Some(frame);
        while let Some(radio) = radios.next() {
            // Only what several hear is copied.
            let heard = if radios.peek().is_some() { frame.clone() } else { frame.take() };
            let Some(heard) = heard else { break };
            if radio.on_air.len() == MAX_ON_AIR {
                radio.on_air.pop_front();
                is_any_full = true;
            }
            let place = radio.on_air.partition_point(|other| other.at <= heard.at);
            radio.on_air.insert(place, heard);
        }
        if is_any_full {
            self.report_full_queue();
        }
    }

    /// Whether a frame is there to be taken.
    pub fn has_frame(&self, radio: RadioId) -> bool {
        let first = self.radios.get(radio.0).and_then(|radio| radio.on_air.front());
        first.is_some_and(|frame| frame.at <= self.now)
    }

    /// The next frame that a radio has heard, in the order in which they ended.
    pub fn take_frame(&mut self, radio: RadioId) -> Option<OnAir> {
        if self.has_frame(radio) { self.radios.get_mut(radio.0)?.on_air.pop_front() } else { None }
    }

    /// A protected frame of this moment as a sniffer would get it: encrypted with the key that its
    /// sender uses, its MIC at the end. For captures; `None`: it is not protected, or nobody here
    /// knows the key.
    pub fn encrypt(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let parsed = Frame::parse(frame).ok()?;
        let (access_point, station) = if parsed.is_to_distribution() {
            (parsed.receiver, parsed.transmitter)
        } else {
            (parsed.transmitter, parsed.receiver)
        };
        let own = self.find(access_point);
        let key = if station.is_multicast() {
            let ours = own.and_then(|id| self.group_key(id));
            let theirs =
                || self.stations.iter().find_map(|host| host.station.group_key(access_point));
            ours.or_else(theirs)
                .filter(|key| Some(key.id()) == parsed.protection.map(|ccmp| ccmp.key_id))?
                .key()
        } else {
            let ours = own.and_then(|id| self.temporal_key(id, station));
            let theirs = || {
                let host =
                    self.stations.iter().find(|host| host.station.config.address == station)?;
                host.station.temporal_key(access_point)
            };
            ours.or_else(theirs)?
        };
        wpa2::encrypt(frame, &key)
    }

    // ---- the wire -----------------------------------------------------------------------------

    /// The next Ethernet frame that a station has sent to the wire, without check sequence.
    pub fn take_ethernet(&mut self) -> Option<Vec<u8>> {
        self.ethernet.pop_front()
    }

    /// Takes an Ethernet frame from the wire, without check sequence: for the station that it names,
    /// or for all if it is for a group. Other frames concern nobody here.
    pub fn send_ethernet(&mut self, frame: &[u8], now: Instant) {
        self.poll(now);
        match check_ethernet(frame) {
            Ok(ethernet) => {
                self.distribute(&ethernet);
            }
            Err(cause) => {
                let kind = AirEventKind::Dropped(cause);
                self.log.push(AirEvent { at: self.now, bssid: None, station: None, kind });
            }
        }
    }

    /// Sends a frame to the stations that it concerns. Whether there were any.
    fn distribute(&mut self, ethernet: &Ethernet<'_>) -> bool {
        let mut cx = Context { now: self.now, log: &mut self.log };
        let mut is_reached = false;
        for access_point in self.access_points.iter_mut() {
            if access_point.reaches(ethernet) {
                access_point.send_ethernet(ethernet, &mut cx);
                is_reached = true;
            }
        }
        is_reached
    }

    /// What a station has sent: to other stations, and to the wire.
    fn forward(&mut self, frame: Vec<u8>) {
        let Some(ethernet) = Ethernet::parse(&frame) else { return };
        let is_for_group = ethernet.destination.is_multicast();
        if self.distribute(&ethernet) && !is_for_group {
            return;
        }
        if self.ethernet.len() == MAX_ETHERNET {
            self.ethernet.pop_front();
            self.report_full_queue();
        }
        self.ethernet.push_back(frame);
    }

    fn report_full_queue(&mut self) {
        let kind = AirEventKind::Dropped(DropCause::QueueFull);
        self.log.push(AirEvent { at: self.now, bssid: None, station: None, kind });
    }

    // ---- what is told to access points ----------------------------------------------------------

    /// Puts an access point on the air and switches it on.
    pub fn add(&mut self, config: AccessPointConfig, now: Instant) -> Result<ApId, ConfigError> {
        config.check()?;
        self.check_address(config.bssid)?;
        self.poll(now);
        let mut access_point = AccessPoint::new(config, self.seed);
        access_point.power_up(&mut Context { now: self.now, log: &mut self.log });
        self.access_points.push(access_point);
        Ok(ApId(self.access_points.len() - 1))
    }

    fn check_address(&self, address: MacAddress) -> Result<(), ConfigError> {
        let is_taken = self.find(address).is_some()
            || self.stations.iter().any(|host| host.station.config.address == address);
        if is_taken { Err(ConfigError::DuplicateAddress(address)) } else { Ok(()) }
    }

    /// The access point with an address.
    pub fn find(&self, bssid: MacAddress) -> Option<ApId> {
        self.access_points.iter().position(|other| other.config.bssid == bssid).map(ApId)
    }

    /// What an access point is at present.
    pub fn config(&self, id: ApId) -> Option<&AccessPointConfig> {
        self.access_points.get(id.0).map(|access_point| &access_point.config)
    }

    /// The stations of an access point.
    pub fn stations(&self, id: ApId) -> impl Iterator<Item = (MacAddress, Standing)> {
        self.access_points.get(id.0).into_iter().flat_map(AccessPoint::stations)
    }

    /// The key that protects data between a station and its access point.
    pub fn temporal_key(&self, id: ApId, station: MacAddress) -> Option<[u8; KEY_LEN]> {
        self.access_points.get(id.0)?.temporal_key(station)
    }

    /// The key that protects multicast of an access point.
    pub fn group_key(&self, id: ApId) -> Option<&GroupKey> {
        self.access_points.get(id.0).map(AccessPoint::group_key)
    }

    /// An access point at an instant, to be told something.
    fn at(
        &mut self,
        id: ApId,
        now: Instant,
    ) -> Result<(&mut AccessPoint, Context<'_>), ConfigError> {
        self.poll(now);
        let access_point =
            self.access_points.get_mut(id.0).ok_or(ConfigError::NoSuchAccessPoint)?;
        Ok((access_point, Context { now: self.now, log: &mut self.log }))
    }

    /// Switches an access point on; its clock begins anew, and it knows no station.
    pub fn power_up(&mut self, id: ApId, now: Instant) -> Result<(), ConfigError> {
        let (access_point, mut cx) = self.at(id, now)?;
        access_point.power_up(&mut cx);
        Ok(())
    }

    /// Takes an access point's power: it is gone without a word, and so is what was under way.
    pub fn power_down(&mut self, id: ApId, now: Instant) -> Result<(), ConfigError> {
        let (access_point, mut cx) = self.at(id, now)?;
        access_point.power_down(&mut cx);
        Ok(())
    }

    /// Sends stations away. The answer is how many there were.
    pub fn kick(
        &mut self,
        id: ApId,
        whom: Whom,
        farewell: Farewell,
        reason: Reason,
        now: Instant,
    ) -> Result<usize, ConfigError> {
        let (access_point, mut cx) = self.at(id, now)?;
        let stations = match whom {
            Whom::All => access_point.addresses(),
            Whom::Station(station) => vec![station],
        };
        let mut count = 0;
        for station in stations {
            count += usize::from(access_point.send_away(station, farewell, reason, &mut cx));
        }
        Ok(count)
    }

    /// Changes how strongly an access point is heard.
    pub fn set_signal(
        &mut self,
        id: ApId,
        signal_dbm: i8,
        now: Instant,
    ) -> Result<(), ConfigError> {
        let (access_point, _) = self.at(id, now)?;
        access_point.config.signal_dbm = signal_dbm;
        Ok(())
    }

    /// Changes the passphrase of a WPA2 network. Its stations are sent away, as by an access point
    /// whose owner has just changed it.
    pub fn set_passphrase(
        &mut self,
        id: ApId,
        passphrase: &str,
        now: Instant,
    ) -> Result<(), ConfigError> {
        check_passphrase(passphrase)?;
        let (access_point, mut cx) = self.at(id, now)?;
        if !matches!(access_point.config.security, Security::Wpa2Psk { .. }) {
            return Err(ConfigError::NoPassphrase);
        }
        access_point.set_passphrase(passphrase, &mut cx);
        Ok(())
    }

    /// Moves an access point to another channel.
    pub fn move_to_channel(
        &mut self,
        id: ApId,
        channel: u8,
        how: ChannelMove,
        now: Instant,
    ) -> Result<(), ConfigError> {
        check_channel(channel)?;
        let (access_point, mut cx) = self.at(id, now)?;
        match how {
            ChannelMove::Announced { beacons: 0 } => return Err(ConfigError::NoBeacons),
            ChannelMove::Announced { beacons } if access_point.is_up() => {
                access_point.announce_switch(channel, beacons, cx.now);
            }
            ChannelMove::Announced { .. } | ChannelMove::Silent => {
                access_point.pass_beacons(cx.now);
                access_point.switch_channel(channel, &mut cx);
            }
        }
        Ok(())
    }

    /// Makes an access point do something wrong from now on, or, with `None`, nothing any more.
    pub fn misbehave(
        &mut self,
        id: ApId,
        misbehaviour: Option<Misbehaviour>,
        now: Instant,
    ) -> Result<(), ConfigError> {
        let (access_point, _) = self.at(id, now)?;
        access_point.misbehaviour = misbehaviour;
        Ok(())
    }

    /// Makes an access point give its stations a new group key.
    pub fn renew_group_key(&mut self, id: ApId, now: Instant) -> Result<(), ConfigError> {
        let (access_point, mut cx) = self.at(id, now)?;
        access_point.renew_group_key(&mut cx);
        Ok(())
    }

    // ---- stations of the scenario's, for a board that is an access point itself ----

    /// Puts a station on the air, which does nothing yet.
    pub fn add_station(
        &mut self,
        config: StationConfig,
        now: Instant,
    ) -> Result<StationId, ConfigError> {
        config.check()?;
        self.check_address(config.address)?;
        self.poll(now);
        let station = Station::new(config, self.seed);
        self.stations.push(Host { station, ethernet: VecDeque::new() });
        Ok(StationId(self.stations.len() - 1))
    }

    fn host(
        &mut self,
        id: StationId,
        now: Instant,
    ) -> Result<(&mut Host, Context<'_>), ConfigError> {
        self.poll(now);
        let host = self.stations.get_mut(id.0).ok_or(ConfigError::NoSuchStation)?;
        Ok((host, Context { now: self.now, log: &mut self.log }))
    }

    /// Lets a station look for its network and join it, again and again if need be.
    pub fn connect(&mut self, id: StationId, now: Instant) -> Result<(), ConfigError> {
        self.host(id, now)?.0.station.connect();
        Ok(())
    }

    /// Lets a station leave its network.
    pub fn disconnect(&mut self, id: StationId, now: Instant) -> Result<(), ConfigError> {
        let (host, mut cx) = self.host(id, now)?;
        host.station.disconnect(&mut cx);
        Ok(())
    }

    /// How far a station has come; `None`: it is not even authenticated.
    pub fn standing(&self, id: StationId) -> Option<Standing> {
        self.stations.get(id.0)?.station.standing()
    }

    /// The next Ethernet frame for the host behind a station, without check sequence.
    pub fn take_host_ethernet(&mut self, id: StationId) -> Option<Vec<u8>> {
        self.stations.get_mut(id.0)?.ethernet.pop_front()
    }

    /// Takes an Ethernet frame from the host behind a station, without check sequence.
    pub fn send_host_ethernet(
        &mut self,
        id: StationId,
        frame: &[u8],
        now: Instant,
    ) -> Result<(), ConfigError> {
        let (host, mut cx) = self.host(id, now)?;
        match check_ethernet(frame) {
            Ok(ethernet) => host.station.send_ethernet(&ethernet, &mut cx),
            Err(cause) => {
                let station = Some(host.station.config.address);
                let kind = AirEventKind::Dropped(cause);
                cx.log.push(AirEvent { at: cx.now, bssid: None, station, kind });
            }
        }
        Ok(())
    }

    /// The next thing that has happened.
    pub fn take_event(&mut self) -> Option<AirEvent> {
        self.log.take()
    }
}

impl Host {
    fn acknowledges(&self, receiver: MacAddress) -> bool {
        self.station.hears() && self.station.config.address == receiver
    }

    fn receive(&mut self, frame: &Frame<'_>, channel: u8, cx: &mut Context<'_>) {
        if !frame.receiver.is_multicast() && !self.acknowledges(frame.receiver) {
            return;
        }
        if let Some(frame) = self.station.receive(frame, channel, cx) {
            if self.ethernet.len() == MAX_ETHERNET {
                self.ethernet.pop_front();
            }
            self.ethernet.push_back(frame);
        }
    }
}

/// Whether some radio listens to a channel.
fn is_heard(radios: &[Radio], channel: u8) -> bool {
    radios.iter().any(|radio| radio.listening == Some(channel))
}

/// Reads a frame from the wire, if it can go over the air.
fn check_ethernet(frame: &[u8]) -> Result<Ethernet<'_>, DropCause> {
    let ethernet = Ethernet::parse(frame).ok_or(DropCause::NoProtocol)?;
    // Behind LLC and SNAP there is less room than in an MSDU.
    let is_too_long = ethernet.payload.len() + SNAP.len() + 2 > MAX_BODY_LEN;
    if is_too_long { Err(DropCause::TooLong) } else { Ok(ethernet) }
}
