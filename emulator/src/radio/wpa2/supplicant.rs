//! The station's side of the handshakes.
//!
//! Source: IEEE Std 802.11-2020, "RSNA Supplicant key management state machine".
//! Modelled: answers to both handshakes, also when messages are repeated.
//! Not modelled: requests for new keys by the station.

use super::key_frame::Message;
use super::{GroupKey, HandshakeError, KEY_LEN, KeyFrame, KeyInfo, NONCE_LEN, Pmk, Ptk, Sides};

/// A message for the access point, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The second message: the keys are computed, and unconfirmed.
    Message2(Vec<u8>),
    /// The fourth message: the keys are in use as soon as it is sent.
    Message4(Vec<u8>),
    /// There is a new group key, which is in use beside the old one.
    Group2(Vec<u8>),
}

/// The handshakes of one association.
#[derive(Debug, Clone)]
pub struct Supplicant {
    sides: Sides,
    pmk: Pmk,
    own_element: Vec<u8>,
    network_element: Vec<u8>,
    snonce: [u8; NONCE_LEN],
    anonce: [u8; NONCE_LEN],
    /// Counter of the last message whose MIC was right.
    last_counter: Option<u64>,
    ptk: Option<Ptk>,
    group_key: Option<GroupKey>,
}

impl Supplicant {
    /// Begins. Elements are whole, with their headers: `own_element` as in the association request,
    /// `network_element` as in beacons.
    pub fn new(
        sides: Sides,
        pmk: Pmk,
        (own_element, network_element): (Vec<u8>, Vec<u8>),
        snonce: [u8; NONCE_LEN],
    ) -> Self {
        Self {
            sides,
            pmk,
            own_element,
            network_element,
            snonce,
            anonce: [0; NONCE_LEN],
            last_counter: None,
            ptk: None,
            group_key: None,
        }
    }

    /// The key for data, when both sides have it.
    pub fn temporal_key(&self) -> Option<[u8; KEY_LEN]> {
        self.group_key.is_some().then(|| self.ptk.as_ref().map(|ptk| ptk.tk))?
    }

    /// The group key with the packet number that multicast must exceed.
    pub const fn group_key(&self) -> Option<&GroupKey> {
        self.group_key.as_ref()
    }

    /// Takes an EAPOL frame of the access point. An error changes nothing.
    pub fn receive(&mut self, eapol: &[u8]) -> Result<Answer, HandshakeError> {
        let frame = KeyFrame::parse(eapol)?;
        if self.last_counter.is_some_and(|last| frame.replay_counter <= last) {
            return Err(HandshakeError::Replayed(frame.replay_counter));
        }
        match frame.info {
            KeyInfo::MESSAGE_1 => Ok(self.answer_message_1(&frame)),
            KeyInfo::MESSAGE_3 => self.answer_message_3(&frame),
            KeyInfo::GROUP_1 if self.group_key.is_some() => self.answer_group_1(&frame),
            other => Err(HandshakeError::Unexpected(other.0)),
        }
    }

    fn answer_message_1(&mut self, frame: &KeyFrame<'_>) -> Answer {
        self.anonce = *frame.nonce;
        let ptk = Ptk::derive(&self.pmk, self.sides, &self.anonce, &self.snonce);
        let message =
            Self::answer(&ptk, KeyInfo::MESSAGE_2, frame, &self.snonce, &self.own_element);
        self.ptk = Some(ptk);
        Answer::Message2(message)
    }

    fn answer_message_3(&mut self, frame: &KeyFrame<'_>) -> Result<Answer, HandshakeError> {
        let ptk = self.ptk.as_ref().ok_or(HandshakeError::Unexpected(frame.info.0))?;
        if *frame.nonce != self.anonce {
            return Err(HandshakeError::NonceDiffers);
        }
        let (key_data, group_key) = Self::open(ptk, frame)?;
        if !key_data.starts_with(&self.network_element) {
            return Err(HandshakeError::ElementDiffers);
        }
        let message = Self::answer(ptk, KeyInfo::MESSAGE_4, frame, &[0; NONCE_LEN], &[]);
        self.group_key = Some(group_key);
        self.last_counter = Some(frame.replay_counter);
        Ok(Answer::Message4(message))
    }

    fn answer_group_1(&mut self, frame: &KeyFrame<'_>) -> Result<Answer, HandshakeError> {
        let ptk = self.ptk.as_ref().ok_or(HandshakeError::Unexpected(frame.info.0))?;
        let (_, group_key) = Self::open(ptk, frame)?;
        let message = Self::answer(ptk, KeyInfo::GROUP_2, frame, &[0; NONCE_LEN], &[]);
        self.group_key = Some(group_key);
        self.last_counter = Some(frame.replay_counter);
        Ok(Answer::Group2(message))
    }

    /// Checks a frame and finds its group key.
    fn open(ptk: &Ptk, frame: &KeyFrame<'_>) -> Result<(Vec<u8>, GroupKey), HandshakeError> {
        ptk.verify(frame)?;
        let key_data = ptk.unwrap(frame.data)?;
        let mut group_key = GroupKey::from_key_data(&key_data).ok_or(HandshakeError::KeyData)?;
        group_key.packet_number = frame.receive_sequence_counter;
        Ok((key_data, group_key))
    }

    fn answer(
        ptk: &Ptk,
        info: KeyInfo,
        to: &KeyFrame<'_>,
        nonce: &[u8; NONCE_LEN],
        data: &[u8],
    ) -> Vec<u8> {
        let message = Message {
            info,
            key_len: 0,
            replay_counter: to.replay_counter,
            nonce,
            receive_sequence_counter: 0,
            data,
        };
        let mut frame = message.to_bytes();
        ptk.sign(&mut frame);
        frame
    }
}
