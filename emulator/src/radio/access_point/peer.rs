//! What an access point knows of one station.
//!
//! Source: IEEE Std 802.11-2020, "Authentication and association" (states 1 to 4), "Power management
//! in a non-DMG infrastructure network".
//! Modelled: the state, what was received last, frames that are kept while the station dozes.
//! Not modelled: QoS towards the station.

use std::collections::VecDeque;

use crate::radio::mac_address::MacAddress;
use crate::radio::receipts::Receipts;
use crate::radio::wpa2::Authenticator;
use crate::time::Instant;

/// Frames that are kept for a station that dozes; of more, the oldest are dropped.
pub(super) const MAX_KEPT: usize = 64;

/// How far a station has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may ask for an association.
    Authenticated,
    /// It may take part in the handshake.
    Associated,
    /// It may send and receive data.
    Joined,
}

/// A station, from its authentication on.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: MacAddress,
    pub(super) standing: Standing,
    /// From 1; 0 before it is associated.
    pub(super) association_id: u16,
    /// When it was last heard.
    pub(super) heard_at: Instant,
    /// It has said that it may not listen.
    pub(super) dozes: bool,
    /// Frames for it that wait until it wakes up.
    pub(super) kept: VecDeque<Vec<u8>>,
    pub(super) handshake: Option<Authenticator>,
    /// Of the last frame to it that was protected.
    pub(super) packet_number: u64,
    pub(super) receipts: Receipts,
}

impl Peer {
    pub(super) fn new(address: MacAddress, now: Instant) -> Self {
        Self {
            address,
            standing: Standing::Authenticated,
            association_id: 0,
            heard_at: now,
            dozes: false,
            kept: VecDeque::new(),
            handshake: None,
            packet_number: 0,
            receipts: Receipts::default(),
        }
    }

    /// Back to where it stood before its association. What repeats frames is remembered.
    pub(super) fn dissociate(&mut self) {
        let mut receipts = std::mem::take(&mut self.receipts);
        receipts.renew_keys();
        *self = Self { receipts, ..Self::new(self.address, self.heard_at) };
    }

    pub(super) fn is_associated(&self) -> bool {
        self.standing != Standing::Authenticated
    }

    pub(super) fn is_joined(&self) -> bool {
        self.standing == Standing::Joined
    }
}
