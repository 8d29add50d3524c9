//! What an access point sends: beacons by themselves, and the rest from its queue.
//!
//! Source: IEEE Std 802.11-2020, "Beacon generation", "TIM element", "Power management"; "CCMP
//! cryptographic encapsulation" for packet numbers.
//! Modelled: see [`super`].
//! Not modelled: see [`super`].

use std::collections::VecDeque;

use super::{
    AccessPoint, BEACON_INTERVAL, BEACON_INTERVAL_TU, Class, Context, MAX_KEPT, OnAir, Peer,
    RESPONSE_DELAY,
};
use crate::radio::config::{Security, Visibility};
use crate::radio::elements::{self, id};
use crate::radio::ethernet::{self, Ethernet};
use crate::radio::event::{AirEventKind, DropCause};
use crate::radio::frame::{
    self, CAPABILITY, CAPABILITY_PRIVACY, CcmpHeader, Direction, ETHERTYPE_EAPOL, Management,
};
use crate::radio::mac_address::MacAddress;
use crate::radio::rate::{DATA_RATE, MANAGEMENT_RATE, MULTICAST_RATE, Rate};
use crate::radio::transmitter::{Room, Signal};
use crate::time::Instant;

/// Keeps a frame until somebody is awake for it.
fn keep(kept: &mut VecDeque<Vec<u8>>, frame: Vec<u8>) {
    if kept.len() == MAX_KEPT {
        kept.pop_front();
    }
    kept.push_back(frame);
}

impl AccessPoint {
    const fn signal(&self, rate: Rate) -> Signal {
        Signal { channel: self.config.channel, dbm: self.config.signal_dbm, rate }
    }

    pub(super) fn send_beacon(&mut self, now: Instant) -> OnAir {
        let bssid = self.config.bssid;
        let mut frame = frame::management(Management::Beacon, MacAddress::BROADCAST, bssid, bssid);
        let ssid = match self.config.visibility {
            Visibility::Visible => self.config.ssid.as_slice(),
            Visibility::Hidden => &[],
        };
        self.append_network(&mut frame, ssid, Some(&self.traffic_indication_map()), now);
        frame::set_timestamp(&mut frame, self.clock(now));
        self.beacons += 1;
        let beacon = self.transmitter.send_beside(now, self.signal(MANAGEMENT_RATE), frame);
        while let Some(mut frame) = self.kept.pop_front() {
            if !self.kept.is_empty() {
                frame::set_more_data(&mut frame);
            }
            // There is room: it was taken from the queue before.
            self.transmitter.push(Class::Multicast, frame, beacon.at);
        }
        beacon
    }

    /// Fixed fields and elements of beacons and probe responses; the timestamp is left zero.
    pub(super) fn append_network(
        &self,
        frame: &mut Vec<u8>,
        ssid: &[u8],
        tim: Option<&[u8]>,
        now: Instant,
    ) {
        frame.extend([0; 8]);
        frame.extend(BEACON_INTERVAL_TU.to_le_bytes());
        frame.extend(self.capability().to_le_bytes());
        elements::append(frame, id::SSID, ssid);
        elements::append(frame, id::SUPPORTED_RATES, &elements::SUPPORTED_RATES);
        elements::append(frame, id::DSSS_PARAMETER_SET, &[self.config.channel]);
        if let Some(tim) = tim {
            elements::append(frame, id::TIM, tim);
        }
        if let Some(switch) = self.channel_switch {
            let count = (switch.at - now).ticks().div_ceil(BEACON_INTERVAL.ticks()).clamp(1, 255);
            // Stations may go on to send until then: mode 0.
            elements::append(
                frame,
                id::CHANNEL_SWITCH_ANNOUNCEMENT,
                &[0, switch.channel, count as u8],
            );
        }
        frame.extend(self.config.security.rsn_element().unwrap_or_default());
        elements::append(frame, id::EXTENDED_SUPPORTED_RATES, &elements::EXTENDED_SUPPORTED_RATES);
    }

    pub(super) const fn capability(&self) -> u16 {
        match self.config.security {
            Security::Open => CAPABILITY,
            Security::Wpa2Psk { .. } | Security::Wpa3Sae => CAPABILITY | CAPABILITY_PRIVACY,
        }
    }

    /// For whom frames are kept: each beacon is a DTIM; a bit for all, and then one per station.
    fn traffic_indication_map(&self) -> Vec<u8> {
        let mut map = vec![0, 1, u8::from(!self.kept.is_empty()), 0];
        for peer in self.peers.iter().filter(|peer| !peer.kept.is_empty()) {
            let (octet, bit) = (3 + usize::from(peer.association_id / 8), peer.association_id % 8);
            map.resize(map.len().max(octet + 1), 0);
            map[octet] |= 1 << bit;
        }
        map
    }

    pub(super) fn send_next(&mut self, start: Instant, is_heard: bool) -> Option<OnAir> {
        let (class, mut frame) = self.transmitter.pop()?;
        let is_protected = frame::is_protected(&frame);
        match class {
            Class::Management => {}
            Class::Stamped => frame::set_timestamp(&mut frame, self.clock(start)),
            Class::Unicast(station) => {
                let peer = self.peers.iter_mut().find(|peer| peer.address == station)?;
                if peer.dozes && !is_heard {
                    keep(&mut peer.kept, frame);
                    return None;
                }
                if is_protected {
                    peer.packet_number += 1;
                    let header = CcmpHeader { packet_number: peer.packet_number, key_id: 0 };
                    frame::set_ccmp_header(&mut frame, header);
                }
            }
            Class::Multicast => {
                if !is_heard && self.peers.iter().any(|peer| peer.dozes) {
                    keep(&mut self.kept, frame);
                    return None;
                }
                if is_protected {
                    self.group_key.packet_number += 1;
                    let packet_number = self.group_key.packet_number;
                    let header = CcmpHeader { packet_number, key_id: self.group_key.id() };
                    frame::set_ccmp_header(&mut frame, header);
                }
            }
        }
        let rate = match class {
            Class::Management | Class::Stamped => MANAGEMENT_RATE,
            Class::Unicast(_) => DATA_RATE,
            Class::Multicast => MULTICAST_RATE,
        };
        Some(self.transmitter.send(start, self.signal(rate), frame))
    }

    pub(super) fn enqueue(
        &mut self,
        class: Class,
        frame: Vec<u8>,
        ready: Instant,
        cx: &mut Context<'_>,
    ) {
        if self.transmitter.push(class, frame, ready) == Room::None {
            self.report(cx, None, AirEventKind::Dropped(DropCause::QueueFull));
        }
    }

    pub(super) fn respond(&mut self, frame: Vec<u8>, cx: &mut Context<'_>) {
        self.enqueue(Class::Management, frame, cx.now + RESPONSE_DELAY, cx);
    }

    pub(super) fn management(&self, kind: Management, to: MacAddress) -> Vec<u8> {
        frame::management(kind, to, self.config.bssid, self.config.bssid)
    }

    pub(super) fn send_eapol(&mut self, station: MacAddress, eapol: &[u8], cx: &mut Context<'_>) {
        let frame = ethernet::frame(station, self.config.bssid, ETHERTYPE_EAPOL, eapol);
        if let Some(ethernet) = Ethernet::parse(&frame) {
            self.send_data(&ethernet, cx.now, cx);
        }
    }

    /// Queues an Ethernet frame for one station, or for all of them. It is protected as soon as
    /// there are keys.
    fn send_data(&mut self, ethernet: &Ethernet<'_>, ready: Instant, cx: &mut Context<'_>) {
        let station = ethernet.destination;
        let is_group = station.is_multicast();
        let has_keys = |peer: &Peer| peer.handshake.is_some() && peer.is_joined();
        let is_protected = if is_group {
            matches!(self.config.security, Security::Wpa2Psk { .. })
        } else {
            self.peers.iter().any(|peer| peer.address == station && has_keys(peer))
        };
        let start = if is_protected { frame::protected_data } else { frame::data };
        let mut frame =
            start(Direction::FromDistribution, station, self.config.bssid, ethernet.source);
        ethernet.append_body(&mut frame);
        let class = if is_group { Class::Multicast } else { Class::Unicast(station) };
        self.enqueue(class, frame, ready, cx);
    }

    /// Whether a frame for this destination concerns a station here; what a station has sent to all
    /// concerns the others.
    pub(in crate::radio) fn reaches(&self, ethernet: &Ethernet<'_>) -> bool {
        let (to, from) = (ethernet.destination, ethernet.source);
        let concerns = |peer: &Peer| {
            peer.is_joined()
                && if to.is_multicast() { peer.address != from } else { peer.address == to }
        };
        self.is_up() && self.peers.iter().any(concerns)
    }

    /// Takes a frame from the wire, for which [`Self::reaches`] is true.
    pub(in crate::radio) fn send_ethernet(
        &mut self,
        ethernet: &Ethernet<'_>,
        cx: &mut Context<'_>,
    ) {
        self.send_data(ethernet, cx.now + RESPONSE_DELAY, cx);
    }
}
