//! What is around an emulated board: made from the scenario's description, told what the scenario
//! orders, and asked what has happened.

use std::net::Ipv4Addr;

use esp32_emulator::board;
use esp32_emulator::net::{NetEventKind, Network};
use esp32_emulator::radio::{
    AccessPointConfig, Air, ApId, ChannelMove, Farewell, MacAddress, Misbehaviour as Wrong, Reason,
    Security as Protection, Status, Visibility, Whom,
};
use esp32_emulator::time::Instant;

use super::device_time;
use crate::site::{Change, Folders, Misbehaviour, Order, Security, Site, SiteEvent};
use crate::targets::network::{self, Hosts};
use crate::targets::way_out::WayOut;
use crate::targets::{TargetError, TargetEvent};

/// How hosts are called in what is told, and which access points there are.
#[derive(Debug, Clone)]
pub(super) struct Names {
    hosts: Hosts,
    access_points: Vec<(String, [u8; 6], ApId)>,
}

/// The site of a board, what things are called in it, and what leads out of it.
pub(super) fn made(
    site: &Site,
    folders: &Folders,
    seed: u64,
) -> Result<(board::Site, Names, WayOut), TargetError> {
    let mut air = Air::new(seed);
    let mut names = Names { hosts: Hosts::of_site(site), access_points: Vec::new() };
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
    let (config, leads) = network::config(site, folders, seed);
    let network = Network::new(config).map_err(|error| cannot(&error))?;
    Ok((board::Site::new(air, network), names, WayOut::new(leads)))
}

fn cannot(error: &dyn std::error::Error) -> TargetError {
    TargetError::CannotOpen(error.to_string())
}

impl Names {
    /// Gives an order; `board` is the address that the board was seen to have last.
    pub(super) fn order(
        &self,
        site: &mut board::Site,
        order: Order,
        board: Option<Ipv4Addr>,
        now: Instant,
    ) -> Result<(), TargetError> {
        match order {
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
    pub(super) fn board_address(&self, event: &NetEventKind) -> Option<Ipv4Addr> {
        self.hosts.board_address(event)
    }

    /// What is told of something that has happened.
    pub(super) fn told(&self, event: board::SiteEvent) -> Vec<TargetEvent> {
        let (at, told) = match &event {
            board::SiteEvent::Air(event) => {
                let line = event.to_string();
                // The line begins with the time, which is told apart.
                let line = line.split_once(' ').map_or(line.clone(), |(_, text)| text.to_owned());
                (event.at, vec![SiteEvent::Log(line)])
            }
            board::SiteEvent::Net(event) => (event.at, self.hosts.told(event)),
        };
        let time = device_time(at);
        told.into_iter().map(|event| TargetEvent::Site { time, event }).collect()
    }
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
