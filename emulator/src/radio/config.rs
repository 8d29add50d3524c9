//! What an access point is, and what can be told to it while it runs.
//!
//! Source: IEEE Std 802.11-2020, "SSID element", "Channel Switch Announcement element".
//! Modelled: the values, and which of them are impossible.
//! Not modelled: regulatory limits of channels.

use std::fmt;

use super::elements::{KeyManagement, MAX_SSID_LEN};
use super::frame::Status;
use super::mac_address::MacAddress;
use super::wpa2;

/// Channels of the 2.4 GHz band.
const CHANNELS: std::ops::RangeInclusive<u8> = 1..=14;

/// How a network is protected.
#[derive(Clone, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    Open,
    /// WPA2-Personal with CCMP.
    Wpa2Psk {
        /// 8 to 63 printable ASCII characters, or 64 hexadecimal digits.
        passphrase: String,
    },
    /// WPA3-Personal. Stations see the network, and are refused: SAE is not modelled.
    Wpa3Sae,
}

impl fmt::Debug for Security {
    /// Does not tell the passphrase.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Wpa2Psk { .. } => "Wpa2Psk",
            Self::Wpa3Sae => "Wpa3Sae",
        })
    }
}

impl Security {
    /// The RSN element of beacons, with its header.
    pub(super) fn rsn_element(&self) -> Option<Vec<u8>> {
        match self {
            Self::Open => None,
            Self::Wpa2Psk { .. } => Some(KeyManagement::Psk.rsn_element()),
            Self::Wpa3Sae => Some(KeyManagement::Sae.rsn_element()),
        }
    }
}

/// Whether beacons tell the network's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// They do.
    #[default]
    Visible,
    /// Their SSID is empty, and only a probe for the right name is answered.
    Hidden,
}

/// An access point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPointConfig {
    /// The network's name: 1 to 32 octets.
    pub ssid: Vec<u8>,
    /// The access point's own address.
    pub bssid: MacAddress,
    /// 1 to 14.
    pub channel: u8,
    /// How strongly the board's radio hears it.
    pub signal_dbm: i8,
    /// How the network is protected.
    pub security: Security,
    /// Whether its name is in its beacons.
    pub visibility: Visibility,
}

/// What is wrong with an access point or with what is asked of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name is empty or too long.
    #[error("an SSID has 1 to 32 octets, not {0}")]
    SsidLength(usize),
    /// The channel is none of the 2.4 GHz band.
    #[error("channel {0} is not one of 1 to 14")]
    Channel(u8),
    /// The passphrase is impossible.
    #[error(
        "a WPA2 passphrase has 8 to 63 printable ASCII characters, or is a key of 64 hexadecimal \
         digits"
    )]
    Passphrase,
    /// The address names a group.
    #[error("{0} is the address of a group, and cannot be a BSSID")]
    GroupAddress(MacAddress),
    /// Another access point or station has this address.
    #[error("there is somebody with the address {0} already")]
    DuplicateAddress(MacAddress),
    /// There is no such access point on this air.
    #[error("there is no such access point")]
    NoSuchAccessPoint,
    /// There is no such station on this air.
    #[error("there is no such station")]
    NoSuchStation,
    /// The network has no passphrase that could be changed.
    #[error("the network is not protected by a passphrase")]
    NoPassphrase,
    /// A switch of the channel must be announced by at least one beacon.
    #[error("a channel switch that is announced needs at least one beacon before it")]
    NoBeacons,
}

impl AccessPointConfig {
    /// Checks what can be checked without the other access points.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_ssid(&self.ssid)?;
        check_channel(self.channel)?;
        if self.bssid.is_multicast() {
            return Err(ConfigError::GroupAddress(self.bssid));
        }
        match &self.security {
            Security::Wpa2Psk { passphrase } => check_passphrase(passphrase),
            Security::Open | Security::Wpa3Sae => Ok(()),
        }
    }
}

pub(super) fn check_ssid(ssid: &[u8]) -> Result<(), ConfigError> {
    let is_possible = (1..=MAX_SSID_LEN).contains(&ssid.len());
    if is_possible { Ok(()) } else { Err(ConfigError::SsidLength(ssid.len())) }
}

pub(super) fn check_channel(channel: u8) -> Result<(), ConfigError> {
    if CHANNELS.contains(&channel) { Ok(()) } else { Err(ConfigError::Channel(channel)) }
}

pub(super) fn check_passphrase(passphrase: &str) -> Result<(), ConfigError> {
    if wpa2::is_passphrase(passphrase) { Ok(()) } else { Err(ConfigError::Passphrase) }
}

/// What an access point does wrong, until it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// It does not answer authentication requests.
    NoAuthenticationResponse,
    /// It refuses authentication with a status.
    AuthenticationStatus(Status),
    /// It does not answer association requests.
    NoAssociationResponse,
    /// It refuses association with a status.
    AssociationStatus(Status),
    /// It never begins the 4-way handshake.
    NoMessage1,
    /// It never sends the third message of the 4-way handshake.
    NoMessage3,
    /// It hears nothing: no acknowledgement, no answer. Its beacons go on.
    Deaf,
}

/// Whom to send away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Every station.
    All,
    /// One, by its address.
    Station(MacAddress),
}

/// How to send a station away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// It must authenticate again.
    Deauthenticate,
    /// It must associate again.
    Disassociate,
}

/// How an access point goes to another channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelMove {
    /// At once, without a word. Its stations are still in its table when they find it.
    Silent,
    /// After so many beacons (1 to 255) that count down to it with a Channel Switch Announcement.
    Announced {
        /// Beacons with the announcement.
        beacons: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> AccessPointConfig {
        AccessPointConfig {
            ssid: b"bench-net".to_vec(),
            bssid: MacAddress([2, 0x11, 0x22, 0x33, 0x44, 0x51]),
            channel: 6,
            signal_dbm: -55,
            security: Security::Wpa2Psk { passphrase: "correct-horse".into() },
            visibility: Visibility::Visible,
        }
    }

    #[test]
    fn what_is_impossible_is_refused() {
        assert_eq!(config().check(), Ok(()));
        let with = |change: fn(&mut AccessPointConfig)| {
            let mut config = config();
            change(&mut config);
            config.check()
        };
        assert_eq!(with(|c| c.ssid.clear()), Err(ConfigError::SsidLength(0)));
        assert_eq!(with(|c| c.ssid = vec![b'x'; 33]), Err(ConfigError::SsidLength(33)));
        assert_eq!(with(|c| c.channel = 0), Err(ConfigError::Channel(0)));
        assert_eq!(with(|c| c.channel = 15), Err(ConfigError::Channel(15)));
        assert_eq!(
            with(|c| c.bssid = MacAddress::BROADCAST),
            Err(ConfigError::GroupAddress(MacAddress::BROADCAST))
        );
    }

    #[test]
    fn a_passphrase_has_the_length_that_the_standard_allows() {
        let of_length = |len: usize, digit: &str| check_passphrase(&digit.repeat(len)).is_ok();
        assert!(!of_length(7, "a") && of_length(8, "a") && of_length(63, "a"));
        assert!(of_length(64, "a") && !of_length(64, "x") && !of_length(65, "a"));
        assert!(!of_length(10, "é") && !of_length(10, "\n"));
    }

    #[test]
    fn a_passphrase_is_not_shown() {
        assert!(!format!("{:?}", config()).contains("correct-horse"));
    }
}
