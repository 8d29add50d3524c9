//! One access point: what it sends by itself, and how it answers stations.
//!
//! Source: IEEE Std 802.11-2020, "MLME" (authentication, association, channel switch), "Beacon
//! generation", "TIM element", "Power management"; IEEE Std 802.1X for the port that is closed until
//! the handshake is complete. What stations of ESP-IDF need of it was measured on unmodified
//! firmware.
//! Modelled: beacons, probes, open authentication, (re)association, WPA2-Personal, data in both
//! directions, frames kept for stations that doze, deauthentication, channel switch, group key
//! renewal, loss of power, and what [`Misbehaviour`] lists.
//! Not modelled: SAE (such a network is seen, and refuses), QoS and aggregation, fragments, protected
//! management frames, collisions and frames lost by chance. A frame for a station that does not listen,
//! and has not said that it dozes, is lost, where a real access point would repeat it a few times.
//!
//! Frames wait in one queue and go out one after the other, each for as long as it takes on the air
//! ([`super::transmitter`]). Sequence numbers, packet numbers and timestamps are filled in at that moment, so they
//! are in the order of the air. Beacons go out on time whatever else is under way.

mod peer;
mod receiving;
mod sending;

use std::collections::VecDeque;

pub use peer::Standing;
use peer::{MAX_KEPT, Peer};

use super::config::{AccessPointConfig, Farewell, Misbehaviour, Security};
use super::event::{AirEvent, AirEventKind, Departure, EventLog, Request};
use super::frame::{Management, Reason};
use super::mac_address::MacAddress;
use super::transmitter::{OnAir, Transmitter};
use super::wpa2::{Authenticator, Due, GroupKey, KEY_LEN, Nonces, Pmk};
use crate::time::{Duration, Instant};

/// From one beacon to the next, in time units of 1024 µs.
const BEACON_INTERVAL_TU: u16 = 100;
/// The same as device time: 102.4 ms.
pub const BEACON_INTERVAL: Duration = Duration::from_micros(1024 * BEACON_INTERVAL_TU as u64);
/// From a frame to the start of its answer, or from the wire to the air. The acknowledgement takes
/// part of it; a station's driver finishes with its own frame meanwhile.
pub const RESPONSE_DELAY: Duration = Duration::from_micros(250);
/// From the association response to the first message of the 4-way handshake.
pub const HANDSHAKE_DELAY: Duration = Duration::from_millis(20);
/// A station that is not heard for so long is sent away.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(300);
/// Stations that an access point has room for.
pub const MAX_STATIONS: usize = 32;
/// What is filled in when a frame is sent, and who must be awake for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Management,
    /// A probe response, which has a timestamp.
    Stamped,
    /// Data for one station.
    Unicast(MacAddress),
    /// Data for all.
    Multicast,
}

#[derive(Debug, Clone, Copy)]
struct ChannelSwitch {
    channel: u8,
    at: Instant,
}

/// The moment, and where to tell what happens in it.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) log: &'a mut EventLog,
}

/// An access point and its stations.
#[derive(Debug, Clone)]
pub(super) struct AccessPoint {
    pub(super) config: AccessPointConfig,
    pub(super) misbehaviour: Option<Misbehaviour>,
    /// When it was switched on; `None`: it is off.
    up_since: Option<Instant>,
    /// What its clock showed then. It shifts the beacons of access points against each other.
    clock_at_start: Duration,
    /// Beacons whose time has come since then, whether anybody heard them or not.
    beacons: u64,
    transmitter: Transmitter<Class>,
    /// Multicast that waits for a beacon, since a station dozes.
    kept: VecDeque<Vec<u8>>,
    peers: Vec<Peer>,
    pmk: Option<Pmk>,
    group_key: GroupKey,
    /// A group key that not all stations have yet.
    next_group_key: Option<GroupKey>,
    channel_switch: Option<ChannelSwitch>,
    nonces: Nonces,
    /// The Ethernet frame of a station that was received just now.
    outbox: Option<Vec<u8>>,
}

impl AccessPoint {
    /// An access point that is switched off.
    pub(super) fn new(config: AccessPointConfig, seed: u64) -> Self {
        let mut nonces = Nonces::new(seed, config.bssid);
        let clock_at_start = Duration::from_ticks(nonces.below(BEACON_INTERVAL.ticks()));
        let group_key = GroupKey::new(nonces.key(), 1);
        Self {
            config,
            misbehaviour: None,
            up_since: None,
            clock_at_start,
            beacons: 0,
            transmitter: Transmitter::new(),
            kept: VecDeque::new(),
            peers: Vec::new(),
            pmk: None,
            group_key,
            next_group_key: None,
            channel_switch: None,
            nonces,
            outbox: None,
        }
    }

    // ---- power, and what else is told to it ----

    pub(super) fn power_up(&mut self, cx: &mut Context<'_>) {
        if self.up_since.is_none() {
            self.up_since = Some(cx.now);
            self.beacons = 0;
            self.group_key = GroupKey::new(self.nonces.key(), 1);
            self.report(cx, None, AirEventKind::PoweredUp);
        }
    }

    pub(super) fn power_down(&mut self, cx: &mut Context<'_>) {
        if self.up_since.take().is_none() {
            return;
        }
        for peer in std::mem::take(&mut self.peers) {
            self.report(cx, Some(peer.address), AirEventKind::Left(Departure::PowerLoss));
        }
        self.transmitter = Transmitter::new();
        self.kept.clear();
        self.next_group_key = None;
        self.channel_switch = None;
        self.report(cx, None, AirEventKind::PoweredDown);
    }

    /// Changes the passphrase of a WPA2 network, after which all stations must come anew.
    pub(super) fn set_passphrase(&mut self, passphrase: &str, cx: &mut Context<'_>) {
        self.config.security = Security::Wpa2Psk { passphrase: passphrase.to_owned() };
        self.pmk = None;
        for station in self.addresses() {
            let reason = Reason::AUTHENTICATION_EXPIRED;
            self.send_away(station, Farewell::Deauthenticate, reason, cx);
        }
    }

    pub(super) fn announce_switch(&mut self, channel: u8, beacons: u8, now: Instant) {
        self.pass_beacons(now);
        let at = self.beacon_time(self.beacons + u64::from(beacons) + 1);
        self.channel_switch = at.map(|at| ChannelSwitch { channel, at });
    }

    pub(super) fn switch_channel(&mut self, channel: u8, cx: &mut Context<'_>) {
        self.channel_switch = None;
        self.config.channel = channel;
        self.report(cx, None, AirEventKind::Moved { channel });
    }

    /// Begins to give all stations a new group key.
    pub(super) fn renew_group_key(&mut self, cx: &mut Context<'_>) {
        let id = if self.group_key.id() == 1 { 2 } else { 1 };
        self.next_group_key = Some(GroupKey::new(self.nonces.key(), id));
        for handshake in self.peers.iter_mut().filter_map(|peer| peer.handshake.as_mut()) {
            handshake.renew_group_key(cx.now);
        }
        self.use_next_group_key(cx);
    }

    /// The key that stations are given from now on.
    fn newest_group_key(&self) -> &GroupKey {
        self.next_group_key.as_ref().unwrap_or(&self.group_key)
    }

    pub(super) fn addresses(&self) -> Vec<MacAddress> {
        self.peers.iter().map(|peer| peer.address).collect()
    }

    pub(super) fn stations(&self) -> impl Iterator<Item = (MacAddress, Standing)> {
        self.peers.iter().map(|peer| (peer.address, peer.standing))
    }

    pub(super) fn temporal_key(&self, station: MacAddress) -> Option<[u8; KEY_LEN]> {
        self.peers.iter().find(|peer| peer.address == station)?.handshake.as_ref()?.temporal_key()
    }

    pub(super) const fn group_key(&self) -> &GroupKey {
        &self.group_key
    }

    // ---- time ----

    pub(super) const fn is_up(&self) -> bool {
        self.up_since.is_some()
    }

    /// Whether it hears what is sent to it on a channel.
    pub(super) fn hears(&self, channel: u8) -> bool {
        self.is_up()
            && self.config.channel == channel
            && self.misbehaviour != Some(Misbehaviour::Deaf)
    }

    /// The clock that beacons tell, in microseconds.
    fn clock(&self, now: Instant) -> u64 {
        let running = now - self.up_since.unwrap_or(now);
        (running + self.clock_at_start).as_micros()
    }

    /// When the `n`th beacon is due, from 1: at whole intervals of the clock.
    fn beacon_time(&self, n: u64) -> Option<Instant> {
        Some(self.up_since? + (BEACON_INTERVAL * n).saturating_sub(self.clock_at_start))
    }

    /// Counts the beacons that are due up to `now` as sent, though nobody heard them.
    pub(super) fn pass_beacons(&mut self, now: Instant) {
        let Some(up_since) = self.up_since else { return };
        let running = now - up_since + self.clock_at_start;
        let due = running.ticks() / BEACON_INTERVAL.ticks();
        self.transmitter.skip(due.saturating_sub(self.beacons));
        self.beacons = self.beacons.max(due);
    }

    /// When it next does something by itself. Beacons count only if somebody hears them.
    pub(super) fn poll_at(&self, is_heard: bool) -> Option<Instant> {
        self.up_since?;
        let beacon = if is_heard { self.beacon_time(self.beacons + 1) } else { None };
        let handshake = |peer: &Peer| peer.handshake.as_ref().and_then(Authenticator::poll_at);
        let timers = self
            .peers
            .iter()
            .flat_map(|peer| [handshake(peer), Some(peer.heard_at + SILENCE_LIMIT)]);
        let switch = self.channel_switch.map(|switch| switch.at);
        timers.chain([beacon, self.transmitter.next_start(), switch]).flatten().min()
    }

    /// Does what is due now, at the instant that [`Self::poll_at`] has named: all that timers have
    /// to do, and then at most one frame.
    pub(super) fn advance(&mut self, is_heard: bool, cx: &mut Context<'_>) -> Option<OnAir> {
        self.run_handshakes(cx);
        self.drop_silent_stations(cx);
        if let Some(switch) = self.channel_switch.filter(|switch| switch.at <= cx.now) {
            // The beacon of this very moment is the first one on the new channel.
            self.pass_beacons(Instant::from_ticks(switch.at.ticks().saturating_sub(1)));
            self.switch_channel(switch.channel, cx);
            return None;
        }
        if is_heard && self.beacon_time(self.beacons + 1).is_some_and(|due| due <= cx.now) {
            return Some(self.send_beacon(cx.now));
        }
        if self.transmitter.next_start().is_some_and(|start| start <= cx.now) {
            return self.send_next(cx.now, is_heard);
        }
        None
    }

    fn run_handshakes(&mut self, cx: &mut Context<'_>) {
        let group_key = self.newest_group_key().clone();
        let mut given_up = Vec::new();
        for at in 0..self.peers.len() {
            let peer = &mut self.peers[at];
            let Some(handshake) = &mut peer.handshake else { continue };
            if handshake.poll_at().is_none_or(|due| due > cx.now) {
                continue;
            }
            let withheld = match self.misbehaviour {
                Some(Misbehaviour::NoMessage1) if handshake.is_at_message_1() => Request::Message1,
                Some(Misbehaviour::NoMessage3) if handshake.is_at_message_3() => Request::Message3,
                _ => {
                    let station = peer.address;
                    match handshake.poll(cx.now, &group_key) {
                        Some(Due::Send(eapol)) => self.send_eapol(station, &eapol, cx),
                        Some(Due::GiveUp(reason)) => given_up.push((station, reason)),
                        None => {}
                    }
                    continue;
                }
            };
            handshake.stall();
            let station = Some(peer.address);
            self.report(cx, station, AirEventKind::Unanswered { what: withheld });
        }
        for (station, reason) in given_up {
            self.send_away(station, Farewell::Deauthenticate, reason, cx);
        }
        self.use_next_group_key(cx);
    }

    /// Takes the new group key into use when no station waits for it any more.
    fn use_next_group_key(&mut self, cx: &mut Context<'_>) {
        let waits =
            |peer: &Peer| peer.handshake.as_ref().is_some_and(Authenticator::awaits_group_key);
        if self.next_group_key.is_some()
            && !self.peers.iter().any(waits)
            && let Some(key) = self.next_group_key.take()
        {
            self.group_key = key;
            self.report(cx, None, AirEventKind::GroupKeyChanged);
        }
    }

    fn drop_silent_stations(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let silent = |peer: &&Peer| peer.heard_at + SILENCE_LIMIT <= now;
        let stations: Vec<_> = self.peers.iter().filter(silent).map(|peer| peer.address).collect();
        for station in stations {
            self.send_away(station, Farewell::Deauthenticate, Reason::INACTIVE, cx);
        }
    }

    // ---- stations ----

    fn peer(&mut self, station: MacAddress) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.address == station)
    }

    /// Forgets a station's association, or the station. Whether there was anything to forget.
    fn forget(
        &mut self,
        station: MacAddress,
        farewell: Farewell,
        departure: Departure,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(at) = self.peers.iter().position(|peer| peer.address == station) else {
            return false;
        };
        match farewell {
            Farewell::Deauthenticate => drop(self.peers.remove(at)),
            Farewell::Disassociate if self.peers[at].is_associated() => self.peers[at].dissociate(),
            Farewell::Disassociate => return false,
        }
        // What is queued for it was meant for keys that are gone.
        self.transmitter.forget(|class| *class == Class::Unicast(station));
        self.report(cx, Some(station), AirEventKind::Left(departure));
        self.use_next_group_key(cx);
        true
    }

    /// Ends a station's association, or what else there is between it and the access point. Whether
    /// there was anything to end.
    pub(super) fn send_away(
        &mut self,
        station: MacAddress,
        farewell: Farewell,
        reason: Reason,
        cx: &mut Context<'_>,
    ) -> bool {
        let is_known = self.forget(station, farewell, Departure::ByAccessPoint(reason), cx);
        if is_known {
            self.say_farewell(station, farewell, reason, cx);
        }
        is_known
    }

    fn say_farewell(
        &mut self,
        station: MacAddress,
        farewell: Farewell,
        reason: Reason,
        cx: &mut Context<'_>,
    ) {
        let mut frame = self.management(
            match farewell {
                Farewell::Deauthenticate => Management::Deauthentication,
                Farewell::Disassociate => Management::Disassociation,
            },
            station,
        );
        frame.extend(reason.0.to_le_bytes());
        self.respond(frame, cx);
    }

    /// Tells a station that it is not as far as it thinks.
    fn reject(&mut self, station: MacAddress, reason: Reason, cx: &mut Context<'_>) {
        let farewell = match self.peer(station) {
            Some(_) => Farewell::Disassociate,
            None => Farewell::Deauthenticate,
        };
        self.say_farewell(station, farewell, reason, cx);
        self.report(cx, Some(station), AirEventKind::Rejected(reason));
    }

    fn report(&self, cx: &mut Context<'_>, station: Option<MacAddress>, kind: AirEventKind) {
        cx.log.push(AirEvent { at: cx.now, bssid: Some(self.config.bssid), station, kind });
    }
}
