//! What is around the board's antenna: the air, and the network behind its access points.
//!
//! Wiring only: frames go from the chip's radio to the air when their last bit has been sent, from
//! the air to the radio when it has come, and between access points and the network, or stations and
//! the hosts behind them, at once.

use std::collections::VecDeque;

use super::capture::{Capture, CaptureLink, OnAir, Packet, Way};
use crate::net::{Link, NetEvent, Network, Order};
use crate::peripherals::wifi_mac::{Outcome, Rate, Reception, Transmission};
use crate::radio::{self, Air, AirEvent, Standing, StationId};
use crate::soc::Esp32;
use crate::time::Instant;

/// Access points, and the network behind them.
#[derive(Debug, Clone)]
pub struct Site {
    /// Who else is on the air.
    pub air: Air,
    /// What access points are connected to.
    pub network: Network,
    /// The stations of the network's mobile hosts, and whether the hosts know that they have joined.
    stations: Vec<(StationId, Link)>,
    /// Frames that the board sends now, and on which channel.
    sending: Vec<(u8, Transmission)>,
    events: VecDeque<SiteEvent>,
    /// What is captured, if somebody wants it.
    capture: Option<Capture>,
}

/// Something that happened around the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteEvent {
    /// On the air.
    Air(AirEvent),
    /// On the network.
    Net(NetEvent),
}

impl Site {
    /// Nothing has been sent yet.
    pub fn new(air: Air, network: Network) -> Self {
        let (stations, sending, events) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { air, network, stations, sending, events, capture: None }
    }

    /// Captures from now on, on the air or on the wire; what was captured before is dropped.
    pub fn start_capture(&mut self, link: CaptureLink) {
        self.capture = Some(Capture::new(link));
    }

    /// Ends a capture, and gives what was captured.
    pub fn take_capture(&mut self) -> Option<Capture> {
        self.capture.take()
    }

    /// Connects the network's mobile hosts, by their numbers, with stations.
    pub fn with_stations(mut self, stations: impl IntoIterator<Item = StationId>) -> Self {
        self.stations = stations.into_iter().map(|station| (station, Link::Down)).collect();
        self
    }

    /// When something happens by itself.
    pub(super) fn due(&self) -> Instant {
        let sent = self.sending.iter().map(|(_, it)| it.end);
        let others = [self.air.poll_at(), self.network.poll_at()];
        sent.chain(others.into_iter().flatten()).min().unwrap_or(Instant::MAX)
    }

    /// Lets happen what is due, and tells the radio when it will be needed again.
    pub(super) fn attend(&mut self, chip: &mut Esp32) {
        let now = chip.now();
        while let Some(transmission) = chip.take_transmission() {
            match chip.channel() {
                Some(channel) => self.sending.push((channel, transmission)),
                None => chip.finish_transmission(&transmission, Outcome::Unanswered),
            }
        }
        self.air.listen(chip.listens_to(), now);
        for (channel, transmission) in self.sending.extract_if(.., |(_, it)| it.end <= now) {
            // Before it is received: its receiver may then forget the key.
            if let Some(capture) = on_air(&mut self.capture) {
                let Transmission { end, rate, frame, .. } = &transmission;
                let on_air = OnAir { channel, rate: *rate, signal_dbm: None };
                capture.push(sniffed(&self.air, frame, *end, Way::FromBoard, on_air));
            }
            let outcome = match self.air.transmit(channel, &transmission.frame, now) {
                radio::Outcome::Unanswered => Outcome::Unanswered,
                radio::Outcome::Acknowledged | radio::Outcome::NotForOne => Outcome::Sent,
            };
            chip.finish_transmission(&transmission, outcome);
        }
        self.air.poll(now);
        self.exchange(now);
        while let Some(radio::OnAir { at, channel, signal_dbm, rate, frame }) =
            self.air.take_frame()
        {
            let rate = code_of(rate);
            if let Some(capture) = on_air(&mut self.capture) {
                let on_air = OnAir { channel, rate, signal_dbm: Some(signal_dbm) };
                capture.push(sniffed(&self.air, &frame, at, Way::ToBoard, on_air));
            }
            chip.expect_frame(Reception { at, signal_dbm, rate, frame });
        }
        self.take_news();
        chip.set_air_due(self.due());
    }

    /// Lets happen what is due while the board has no power or is held in reset: it hears nothing.
    pub(super) fn go_on_alone(&mut self, now: Instant) {
        self.air.listen(None, now);
        self.air.poll(now);
        self.exchange(now);
        while self.air.take_frame().is_some() {}
        self.take_news();
    }

    fn take_news(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.air.take_event()).map(SiteEvent::Air));
        self.events.extend(std::iter::from_fn(|| self.network.take_event()).map(SiteEvent::Net));
    }

    /// The oldest thing that happened and that nobody has taken.
    pub(super) fn take_event(&mut self) -> Option<SiteEvent> {
        self.events.pop_front()
    }

    pub(super) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// Frames cross between the air and the network until nobody has more to say.
    fn exchange(&mut self, now: Instant) {
        self.network.poll(now);
        loop {
            let mut any = self.exchange_with_stations(now);
            while let Some(frame) = self.air.take_ethernet() {
                self.tap(Way::FromBoard, &frame, now);
                self.network.receive(&frame, now);
                any = true;
            }
            while let Some(frame) = self.network.take_frame() {
                self.tap(Way::ToBoard, &frame, now);
                self.air.send_ethernet(&frame, now);
                any = true;
            }
            if !any {
                break;
            }
        }
    }

    /// A frame is on the wire.
    fn tap(&mut self, way: Way, frame: &[u8], at: Instant) {
        if let Some(capture) = self.capture.as_mut().filter(|it| it.link == CaptureLink::Ethernet) {
            capture.push(Some(Packet { at, way, on_air: None, octets: frame.to_vec() }));
        }
    }

    /// The same between stations and the hosts behind them. Whether anything was said.
    fn exchange_with_stations(&mut self, now: Instant) -> bool {
        let mut any = false;
        for (mobile, (station, link)) in self.stations.iter_mut().enumerate() {
            let has_joined = self.air.standing(*station) == Some(Standing::Joined);
            let is = if has_joined { Link::Up } else { Link::Down };
            if is != *link {
                *link = is;
                // The network refuses no order of this kind.
                let _ = self.network.order(Order::Mobile { mobile, link: is }, now);
            }
            while let Some(frame) = self.air.take_host_ethernet(*station) {
                self.network.receive_for_mobile(mobile, &frame, now);
                any = true;
            }
        }
        while let Some((mobile, frame)) = self.network.take_mobile_frame() {
            if let Some((station, _)) = self.stations.get(mobile) {
                // The station exists, and what it cannot send it reports.
                let _ = self.air.send_host_ethernet(*station, &frame, now);
            }
            any = true;
        }
        any
    }

    /// The board has lost its power, and what it was sending with it.
    pub(super) fn fall_silent(&mut self) {
        self.sending.clear();
    }
}

/// The capture, if it is one on the air.
fn on_air(capture: &mut Option<Capture>) -> Option<&mut Capture> {
    capture.as_mut().filter(|capture| capture.link == CaptureLink::Air)
}

/// A frame as it is on the air; `None`: it is encrypted, with a key that nobody here knows.
fn sniffed(air: &Air, frame: &[u8], at: Instant, way: Way, on_air: OnAir) -> Option<Packet> {
    let octets = match radio::frame::is_protected(frame) {
        true => air.encrypt(frame)?,
        false => frame.to_vec(),
    };
    Some(Packet { at, way, on_air: Some(on_air), octets })
}

/// The chip's code of a rate.
fn code_of(rate: radio::Rate) -> Rate {
    use radio::Rate::{
        Mbps1, Mbps2, Mbps5_5, Mbps6, Mbps9, Mbps11, Mbps12, Mbps18, Mbps24, Mbps36, Mbps48, Mbps54,
    };
    Rate::from_code(match rate {
        Mbps1 => 0,
        Mbps2 => 1,
        Mbps5_5 => 2,
        Mbps11 => 3,
        Mbps48 => 0x8,
        Mbps24 => 0x9,
        Mbps12 => 0xa,
        Mbps6 => 0xb,
        Mbps54 => 0xc,
        Mbps36 => 0xd,
        Mbps18 => 0xe,
        Mbps9 => 0xf,
    })
}
