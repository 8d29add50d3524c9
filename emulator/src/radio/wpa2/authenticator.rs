//! The access point's side of the handshakes with one station.
//!
//! Source: IEEE Std 802.11-2020, "RSNA Authenticator state machine" (dot11RSNAConfigPairwiseUpdateCount
//! and its timeout); intervals of one second were measured on access points that stations of
//! ESP-IDF report about.
//! Modelled: four transmissions of each message, a second apart; replay counters of all of them
//! are accepted in answers; a second message with a wrong MIC is ignored, so that the first one is
//! repeated.
//! Not modelled: renewal of the pairwise key.

use super::key_frame::Message;
use super::{GroupKey, HandshakeError, KEY_LEN, KeyFrame, KeyInfo, NONCE_LEN, Pmk, Ptk, Sides};
use crate::radio::frame::Reason;
use crate::time::{Duration, Instant};

/// Times that a message is sent before the station is given up.
const TRANSMISSIONS: u8 = 4;
/// From one transmission of a message to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// Which answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Message2,
    Message4,
    Group2,
    Nothing,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Send the station this EAPOL frame.
    Send(Vec<u8>),
    /// Send the station away.
    GiveUp(Reason),
}

/// What an answer has brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The station has the same passphrase. The third message is due.
    PassphraseProved,
    /// Both sides have the keys, and use them from now on.
    Complete,
    /// The station has the new group key.
    GroupKeyAccepted,
}

/// The handshakes with one station, from association to its end.
#[derive(Debug, Clone)]
pub struct Authenticator {
    sides: Sides,
    pmk: Pmk,
    own_element: Vec<u8>,
    its_element: Vec<u8>,
    anonce: [u8; NONCE_LEN],
    ptk: Option<Ptk>,
    awaited: Awaited,
    /// Counter of the next message.
    next_counter: u64,
    /// Counter of the first message of the present kind: answers repeat it or a later one.
    first_counter: u64,
    due: Option<Instant>,
    /// Identifier of the group key in the last message that had one.
    group_key_id: u8,
}

impl Authenticator {
    /// Begins; the first message is due at `first`. Elements are whole, with their headers:
    /// `own_element` as in beacons, `its_element` as in the station's association request.
    pub fn new(
        sides: Sides,
        pmk: Pmk,
        (own_element, its_element): (Vec<u8>, Vec<u8>),
        anonce: [u8; NONCE_LEN],
        first: Instant,
    ) -> Self {
        Self {
            sides,
            pmk,
            own_element,
            its_element,
            anonce,
            ptk: None,
            awaited: Awaited::Message2,
            next_counter: 1,
            first_counter: 1,
            due: Some(first),
            group_key_id: 0,
        }
    }

    /// When [`Self::poll`] has something to do.
    pub const fn poll_at(&self) -> Option<Instant> {
        self.due
    }

    /// Sends no more messages of its own accord.
    pub const fn stall(&mut self) {
        self.due = None;
    }

    /// Whether the first message is what comes next, or comes again.
    pub fn is_at_message_1(&self) -> bool {
        self.awaited == Awaited::Message2
    }

    /// Whether the third message is what comes next, or comes again.
    pub fn is_at_message_3(&self) -> bool {
        self.awaited == Awaited::Message4
    }

    /// Whether the station has not confirmed the newest group key yet.
    pub fn awaits_group_key(&self) -> bool {
        self.awaited == Awaited::Group2
    }

    /// Identifier of the group key that the station was given; 0: none.
    pub const fn group_key_id(&self) -> u8 {
        self.group_key_id
    }

    /// The key for data of this station, when both sides have it.
    pub fn temporal_key(&self) -> Option<[u8; KEY_LEN]> {
        self.is_complete().then(|| self.ptk.as_ref().map(|ptk| ptk.tk))?
    }

    const fn is_complete(&self) -> bool {
        matches!(self.awaited, Awaited::Group2 | Awaited::Nothing)
    }

    /// Hands the station a new group key, if it has the old one; the message is due at `now`. One
    /// whose handshake is under way gets the new key with it.
    pub fn renew_group_key(&mut self, now: Instant) {
        if self.is_complete() {
            self.begin(Awaited::Group2, now);
        }
    }

    const fn begin(&mut self, awaited: Awaited, now: Instant) {
        self.awaited = awaited;
        self.first_counter = self.next_counter;
        self.due = Some(now);
    }

    /// Does what is due at `now`.
    pub fn poll(&mut self, now: Instant, group_key: &GroupKey) -> Option<Due> {
        self.due.filter(|due| *due <= now)?;
        if self.next_counter - self.first_counter >= u64::from(TRANSMISSIONS) {
            self.due = None;
            return Some(Due::GiveUp(match self.awaited {
                Awaited::Group2 => Reason::GROUP_KEY_TIMEOUT,
                _ => Reason::HANDSHAKE_TIMEOUT,
            }));
        }
        let Some(frame) = self.message(group_key) else {
            self.due = None;
            return None;
        };
        self.next_counter += 1;
        self.due = Some(now + INTERVAL);
        if self.awaited != Awaited::Message2 {
            self.group_key_id = group_key.id();
        }
        Some(Due::Send(frame))
    }

    fn message(&self, group_key: &GroupKey) -> Option<Vec<u8>> {
        let mut message = Message {
            info: KeyInfo::MESSAGE_1,
            key_len: KEY_LEN as u16,
            replay_counter: self.next_counter,
            nonce: &self.anonce,
            receive_sequence_counter: 0,
            data: &[],
        };
        let mut key_data = match self.awaited {
            Awaited::Message2 => return Some(message.to_bytes()),
            Awaited::Message4 => self.own_element.clone(),
            Awaited::Group2 => Vec::new(),
            Awaited::Nothing => return None,
        };
        key_data.extend(group_key.to_kde());
        let ptk = self.ptk.as_ref()?;
        let wrapped = ptk.wrap(key_data);
        message.data = &wrapped;
        message.receive_sequence_counter = group_key.packet_number;
        message.info = KeyInfo::MESSAGE_3;
        if self.awaited == Awaited::Group2 {
            message.info = KeyInfo::GROUP_1;
            message.key_len = 0;
            message.nonce = &[0; NONCE_LEN];
        }
        let mut frame = message.to_bytes();
        ptk.sign(&mut frame);
        Some(frame)
    }

    /// Takes an EAPOL frame of the station. An error changes nothing.
    pub fn receive(&mut self, eapol: &[u8], now: Instant) -> Result<Progress, HandshakeError> {
        let frame = KeyFrame::parse(eapol)?;
        let (expected, progress) = match self.awaited {
            Awaited::Message2 => (KeyInfo::MESSAGE_2, Progress::PassphraseProved),
            Awaited::Message4 => (KeyInfo::MESSAGE_4, Progress::Complete),
            Awaited::Group2 => (KeyInfo::GROUP_2, Progress::GroupKeyAccepted),
            Awaited::Nothing => return Err(HandshakeError::Unexpected(frame.info.0)),
        };
        if frame.info != expected {
            return Err(HandshakeError::Unexpected(frame.info.0));
        }
        if !(self.first_counter..self.next_counter).contains(&frame.replay_counter) {
            return Err(HandshakeError::Replayed(frame.replay_counter));
        }
        if self.awaited == Awaited::Message2 {
            let ptk = Ptk::derive(&self.pmk, self.sides, &self.anonce, frame.nonce);
            ptk.verify(&frame)?;
            // Other elements may follow.
            if !frame.data.starts_with(&self.its_element) {
                return Err(HandshakeError::ElementDiffers);
            }
            self.ptk = Some(ptk);
            self.begin(Awaited::Message4, now);
        } else {
            self.ptk.as_ref().ok_or(HandshakeError::Unexpected(frame.info.0))?.verify(&frame)?;
            self.awaited = Awaited::Nothing;
            self.due = None;
        }
        Ok(progress)
    }
}
