//! What is around the antennas of boards: the air, and the network behind its access points.
//!
//! Wiring only: frames go from a chip's radio to the air, and to other radios that hear it, when
//! their last bit has been sent, from the air to the radio when it has come, and between access points
//! and the network, or stations and the hosts behind them, at once.
//!
//! Source: IEEE Std 802.11-2020, "Acknowledgment procedure": the station acknowledges to which a
//! frame is addressed and which has received it.
//! Not modelled: how far boards are from each other, and that a radio which sends hears nothing.

use std::collections::VecDeque;

use super::capture::{Capture, CaptureLink, OnAir, Packet, Way};
use crate::net::{Link, NetEvent, Network, Order};
use crate::peripherals::wifi_mac::{BrokenList, Outcome, Rate, Reception, Transmission};
use crate::radio::{self, Air, AirEvent, RadioId, Standing, StationId};
use crate::soc::Esp32;
use crate::time::Instant;

/// How strongly boards hear each other: some metres of a room are between them.
pub const SIGNAL_BETWEEN_BOARDS: i8 = -45;

/// Access points, and the network behind them.
#[derive(Debug, Clone)]
pub struct Site {
    /// Who else is on the air.
    pub air: Air,
    /// What access points are connected to.
    pub network: Network,
    /// The stations of the network's mobile hosts, and whether the hosts know that they have joined.
    stations: Vec<(StationId, Link)>,
    /// The radios of the boards, and what is captured beside each, if somebody wants it.
    radios: Vec<(RadioId, Option<Capture>)>,
    /// Frames that are being sent.
    sending: Vec<Sending>,
    events: VecDeque<SiteEvent>,
}

/// A frame that a board sends.
#[derive(Debug, Clone)]
struct Sending {
    /// Its number among the boards here.
    board: usize,
    channel: u8,
    transmission: Transmission,
}

/// Something that happened around the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteEvent {
    /// On the air.
    Air(AirEvent),
    /// On the network.
    Net(NetEvent),
    /// In the radio of a board: its firmware has described memory that is not there.
    Radio(BrokenList),
}

impl Site {
    /// For one board. Nothing has been sent yet.
    pub fn new(air: Air, network: Network) -> Self {
        let radios = vec![(RadioId::FIRST, None)];
        let (stations, sending, events) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { air, network, stations, radios, sending, events }
    }

    /// A place for one board more.
    pub(super) fn add_board(&mut self) {
        self.radios.push((self.air.add_radio(), None));
    }

    /// Captures from now on what a board sends and hears, or what crosses the wire; what was captured
    /// for that board before is dropped.
    pub fn start_capture(&mut self, board: usize, link: CaptureLink) {
        if let Some((_, capture)) = self.radios.get_mut(board) {
            *capture = Some(Capture::new(link));
        }
    }

    /// Ends the capture of a board, and gives what was captured.
    pub fn take_capture(&mut self, board: usize) -> Option<Capture> {
        self.radios.get_mut(board)?.1.take()
    }

    /// Connects the network's mobile hosts, by their numbers, with stations.
    pub fn with_stations(mut self, stations: impl IntoIterator<Item = StationId>) -> Self {
        self.stations = stations.into_iter().map(|station| (station, Link::Down)).collect();
        self
    }

    /// When something happens by itself.
    pub(super) fn due(&self) -> Instant {
        let sent = self.sending.iter().map(|it| it.transmission.end);
        let others = [self.air.poll_at(), self.network.poll_at()];
        sent.chain(others.into_iter().flatten()).min().unwrap_or(Instant::MAX)
    }

    /// Lets happen what is due around a single board, and tells its radio when it will be needed again.
    pub(super) fn attend(&mut self, chip: &mut Esp32) {
        let now = chip.now();
        self.take_transmissions(0, chip);
        self.tune(0, chip.listens_to(), now);
        self.settle(now, &mut [chip]);
        chip.set_air_due(self.due());
    }

    /// Takes what a board begins to send.
    pub(super) fn take_transmissions(&mut self, board: usize, chip: &mut Esp32) {
        while let Some(transmission) = chip.take_transmission() {
            match chip.channel() {
                Some(channel) => self.sending.push(Sending { board, channel, transmission }),
                None => chip.finish_transmission(&transmission, Outcome::Unanswered),
            }
        }
        while let Some(broken) = chip.take_broken_list() {
            self.events.push_back(SiteEvent::Radio(broken));
        }
    }

    /// A board listens to a channel from now on.
    pub(super) fn tune(&mut self, board: usize, channel: Option<u8>, now: Instant) {
        if let Some((radio, _)) = self.radios.get(board) {
            self.air.listen(*radio, channel, now);
        }
    }

    /// Lets happen what is due at `now`, which all boards have reached.
    pub(super) fn settle(&mut self, now: Instant, chips: &mut [&mut Esp32]) {
        let mut sent: Vec<_> =
            self.sending.extract_if(.., |it| it.transmission.end <= now).collect();
        // A board's own are in the order in which they began.
        sent.sort_by_key(|it| (it.transmission.end, it.board));
        sent.into_iter().for_each(|it| self.finish(&it, now, chips));
        self.air.poll(now);
        self.exchange(now);
        for ((radio, capture), chip) in self.radios.iter_mut().zip(chips) {
            while let Some(radio::OnAir { at, channel, signal_dbm, rate, frame }) =
                self.air.take_frame(*radio)
            {
                let rate = code_of(rate);
                if let Some(capture) = on_air(capture) {
                    let on_air = OnAir { channel, rate, signal_dbm: Some(signal_dbm) };
                    capture.push(sniffed(&self.air, &frame, at, Way::ToBoard, on_air));
                }
                chip.expect_frame(Reception { at, signal_dbm, rate, frame });
            }
        }
        self.take_news();
    }

    /// Lets happen what is due while the board has no power or is held in reset: it hears nothing.
    pub(super) fn go_on_alone(&mut self, now: Instant) {
        self.fall_silent(0);
        self.tune(0, None, now);
        self.air.poll(now);
        self.exchange(now);
        while self.air.take_frame(RadioId::FIRST).is_some() {}
        self.take_news();
    }

    fn take_news(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.air.take_event()).map(SiteEvent::Air));
        self.events.extend(std::iter::from_fn(|| self.network.take_event()).map(SiteEvent::Net));
    }

    /// The last bit of a frame has been sent, or of several that were sent as one.
    fn finish(&mut self, sending: &Sending, now: Instant, chips: &mut [&mut Esp32]) {
        let Sending { board, channel, transmission } = sending;
        let mut outcome = Outcome::Unanswered;
        for frame in &transmission.frames {
            // Before it is received: its receiver may then forget the key.
            self.sniff(sending, frame);
            match self.air.transmit(*channel, frame, now) {
                radio::Outcome::Unanswered => {}
                radio::Outcome::Acknowledged | radio::Outcome::NotForOne => outcome = Outcome::Sent,
            }
            for (n, (chip, (radio, _))) in chips.iter_mut().zip(&self.radios).enumerate() {
                if n == *board || !self.air.hears(*radio, *channel, transmission.at) {
                    continue;
                }
                if chip.acknowledges(frame) {
                    outcome = Outcome::Sent;
                }
                chip.expect_frame(Reception {
                    at: transmission.end,
                    signal_dbm: SIGNAL_BETWEEN_BOARDS,
                    rate: transmission.rate,
                    frame: frame.clone(),
                });
            }
        }
        if let Some(chip) = chips.get_mut(*board) {
            chip.finish_transmission(transmission, outcome);
        }
    }

    /// Captures a frame that a board has sent.
    fn sniff(&mut self, sending: &Sending, frame: &[u8]) {
        let Sending { board, channel, transmission } = sending;
        for (n, (radio, capture)) in self.radios.iter_mut().enumerate() {
            let Some(capture) = on_air(capture) else { continue };
            let (way, signal_dbm) = match n == *board {
                true => (Way::FromBoard, None),
                false if self.air.hears(*radio, *channel, transmission.at) => {
                    (Way::ToBoard, Some(SIGNAL_BETWEEN_BOARDS))
                }
                false => continue,
            };
            let on_air = OnAir { channel: *channel, rate: transmission.rate, signal_dbm };
            capture.push(sniffed(&self.air, frame, transmission.end, way, on_air));
        }
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
        let captures = self.radios.iter_mut().filter_map(|(_, capture)| capture.as_mut());
        for capture in captures.filter(|it| it.link == CaptureLink::Ethernet) {
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

    /// A board has lost its power, and what it was sending with it.
    pub(super) fn fall_silent(&mut self, board: usize) {
        self.sending.retain(|it| it.board != board);
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
