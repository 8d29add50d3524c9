//! What is around an emulated board: made from the scenario's description, told what the scenario
//! orders, and asked what has happened.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use esp32_emulator::board;
use esp32_emulator::board::capture::{CaptureLink, Way};
use esp32_emulator::net::{NetEventKind, Network};
use esp32_emulator::peripherals::wifi_mac::Speed;
use esp32_emulator::radio::{
    AccessPointConfig, Air, ApId, ChannelMove, Farewell, MacAddress, Misbehaviour as Wrong, Reason,
    Security as Protection, StationConfig, StationId, Status, Visibility, Whom,
};
use esp32_emulator::time::Instant;

use super::device_time;
use crate::packets::{Capture, Link, Packet, Radio, Rate};
use crate::site::{Attendance, Change, Folders, Misbehaviour, Order, Security, Site, SiteEvent};
use crate::targets::network::{self, Hosts, Stations};
use crate::targets::way_out::WayOut;
use crate::targets::{TargetError, TargetEvent};

/// How hosts are called in what is told, and which access points and stations there are.
#[derive(Debug, Clone)]
pub(super) struct Names {
    hosts: Hosts,
    access_points: Vec<(String, [u8; 6], ApId)>,
    stations: BTreeMap<String, StationId>,
}

/// The site of a board, what things are called in it, and what leads out of it.
pub(super) fn made(
    site: &Site,
    folders: &Folders,
    seed: u64,
) -> Result<(board::Site, Names, WayOut), TargetError> {
    let mut air = Air::new(seed);
    let hosts = Hosts::of_site(site);
    let mut names = Names { hosts, access_points: Vec::new(), stations: BTreeMap::new() };
    for it in &site.air {
        let config = AccessPointConfig {
            ssid: it.ssid.clone().into_bytes(),
            bssid: MacAddress(it.bssid),
            channel: it.channel,
            signal_dbm: it.signal,
            security: match &it.security {
                Security::Open => Protection::Open,
                Security::Wpa2 { password } => Protection::Wpa2Psk { passphrase: password.clone() },
                Security::Wpa3 => Protection::Wpa3Sae,
            },
            visibility: if it.hidden { Visibility::Hidden } else { Visibility::Visible },
        };
        let id = air.add(config, Instant::ZERO).map_err(|error| cannot(&error))?;
        names.access_points.push((it.ssid.clone(), it.bssid, id));
    }
    let mut stations = Vec::new();
    for it in &site.stations {
        let config = StationConfig {
            address: MacAddress(it.mac),
            signal_dbm: it.signal,
            ssid: it.ssid.clone().into_bytes(),
            passphrase: it.password.clone(),
        };
        let id = air.add_station(config, Instant::ZERO).map_err(|error| cannot(&error))?;
        names.stations.insert(it.name.clone(), id);
        stations.push(id);
    }
    let (config, leads) = network::config(site, folders, seed, &BTreeMap::new())?;
    let network = Network::new(config).map_err(|error| cannot(&error))?;
    let site = board::Site::new(air, network).with_stations(stations);
    Ok((site, names, WayOut::new(leads)))
}

fn cannot(error: &dyn std::error::Error) -> TargetError {
    TargetError::CannotOpen(error.to_string())
}

impl Names {
    /// Gives an order; `board` is the address that the board was seen to have last on the network.
    pub(super) fn order(
        &self,
        site: &mut board::Site,
        order: Order,
        board: Option<Ipv4Addr>,
        stations: &Stations,
        now: Instant,
    ) -> Result<(), TargetError> {
        match order {
            Order::Station { name, does } => {
                let id = self.stations.get(&name).copied();
                let id = id.ok_or_else(|| TargetError::Site(format!("no station `{name}`")))?;
                let done = match does {
                    Attendance::Joins => site.air.connect(id, now),
                    Attendance::Leaves => site.air.disconnect(id, now),
                };
                done.map_err(|error| refused(&error))
            }
            Order::Request(request) if self.stations.contains_key(&request.host) => {
                let board = stations.board_of(&request.host);
                self.hosts.order(&mut site.network, Order::Request(request), board, now)
            }
            Order::AccessPoint { ssid, bssid, change } => {
                let is_it = |(name, address, _): &&(String, [u8; 6], ApId)| {
                    *name == ssid && bssid.is_none_or(|bssid| bssid == *address)
                };
                let meant: Vec<_> = self.access_points.iter().filter(is_it).collect();
                if meant.is_empty() {
                    return Err(TargetError::Site(format!(
                        "no access point `{ssid}` has that address"
                    )));
                }
                meant
                    .into_iter()
                    .try_for_each(|(.., id)| change_of(&mut site.air, *id, &change, now))
            }
            order => self.hosts.order(&mut site.network, order, board, now),
        }
    }

    /// The address that the board has, if this tells.
    pub(super) fn board_address(
        &self,
        event: &NetEventKind,
        stations: &Stations,
    ) -> Option<Ipv4Addr> {
        self.hosts.board_address(event, stations)
    }

    /// What is told of something that has happened.
    pub(super) fn told(&self, event: board::SiteEvent, stations: &Stations) -> Vec<TargetEvent> {
        let (at, told) = match &event {
            board::SiteEvent::Air(event) => {
                let line = event.to_string();
                // The line begins with the time, which is told apart.
                let line = line.split_once(' ').map_or(line.clone(), |(_, text)| text.to_owned());
                (event.at, vec![SiteEvent::Log(line)])
            }
            board::SiteEvent::Net(event) => (event.at, self.hosts.told(event, stations)),
            board::SiteEvent::Radio(broken) => {
                (broken.at, vec![SiteEvent::Log(format!("radio: {broken}"))])
            }
        };
        let time = device_time(at);
        told.into_iter().map(|event| TargetEvent::Site { time, event }).collect()
    }
}

/// What is said of a scenario without a site.
pub(super) fn none() -> TargetError {
    TargetError::Site("the scenario has neither `air` nor `stations`".to_owned())
}

/// Captures from now on what a board sends and hears, or what crosses the wire.
pub(super) fn start_capture(site: &mut board::Site, board: usize, link: Link) {
    let link = match link {
        Link::Air => CaptureLink::Air,
        Link::Ethernet => CaptureLink::Ethernet,
    };
    site.start_capture(board, link);
}

/// What was captured.
pub(super) fn take_capture(site: &mut board::Site, board: usize) -> Result<Capture, TargetError> {
    let none = || TargetError::Site("nothing is captured".to_owned());
    let capture = site.take_capture(board).ok_or_else(none)?;
    let link = match capture.link {
        CaptureLink::Air => Link::Air,
        CaptureLink::Ethernet => Link::Ethernet,
    };
    let packet = |packet: board::capture::Packet| Packet {
        time: device_time(packet.at),
        is_from_board: packet.way == Way::FromBoard,
        radio: packet.on_air.map(|on_air| Radio {
            channel: on_air.channel,
            signal: on_air.signal_dbm,
            rate: match on_air.rate.speed() {
                Speed::Legacy(units) => Rate::Legacy(units),
                Speed::Ht { mcs, short_guard } => Rate::Ht(mcs, short_guard),
            },
        }),
        octets: packet.octets,
    };
    let packets = capture.packets.into_iter().map(packet).collect();
    Ok(Capture { link, packets, left_out: capture.left_out })
}

fn refused(error: &dyn std::error::Error) -> TargetError {
    TargetError::Site(error.to_string())
}

fn change_of(air: &mut Air, id: ApId, change: &Change, now: Instant) -> Result<(), TargetError> {
    let changed = match change {
        Change::Power(true) => air.power_up(id, now),
        Change::Power(false) => air.power_down(id, now),
        Change::Kick(reason) => {
            air.kick(id, Whom::All, Farewell::Deauthenticate, Reason(*reason), now).map(drop)
        }
        Change::Disassociate(reason) => {
            air.kick(id, Whom::All, Farewell::Disassociate, Reason(*reason), now).map(drop)
        }
        Change::Signal(dbm) => air.set_signal(id, *dbm, now),
        Change::Password(password) => air.set_passphrase(id, password, now),
        Change::Channel(channel) => air.move_to_channel(id, *channel, ChannelMove::Silent, now),
        Change::Misbehave(wrong) => air.misbehave(id, wrong_of(*wrong), now),
    };
    changed.map_err(|error| refused(&error))
}

fn wrong_of(wrong: Misbehaviour) -> Option<Wrong> {
    Some(match wrong {
        Misbehaviour::None => return None,
        Misbehaviour::Deaf => Wrong::Deaf,
        Misbehaviour::NoAuthentication => Wrong::NoAuthenticationResponse,
        Misbehaviour::RefuseAuthentication => Wrong::AuthenticationStatus(Status(1)),
        Misbehaviour::NoAssociation => Wrong::NoAssociationResponse,
        Misbehaviour::RefuseAssociation => Wrong::AssociationStatus(Status(17)),
        Misbehaviour::NoMessage1 => Wrong::NoMessage1,
        Misbehaviour::NoMessage3 => Wrong::NoMessage3,
    })
}
