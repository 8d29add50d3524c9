//! EAPOL-Key frames: the messages of both handshakes.
//!
//! Source: IEEE Std 802.11-2020, "EAPOL-Key frames"; IEEE Std 802.1X-2010 for the four octets in
//! front.
//! Modelled: the RSN descriptor with a 16-octet MIC.
//! Not modelled: descriptors of other lengths of MIC, SMK messages.

use std::ops::Range;

use super::{HandshakeError, NONCE_LEN};

/// The version that access points write. Stations answer with theirs, which nobody checks.
const VERSION: u8 = 2;
const PACKET_TYPE_KEY: u8 = 3;
const DESCRIPTOR_RSN: u8 = 2;
const EAPOL_HEADER_LEN: usize = 4;
pub(super) const MIC_LEN: usize = 16;

const REPLAY_COUNTER: Range<usize> = 9..17;
const NONCE: Range<usize> = 17..49;
const RSC: Range<usize> = 65..73;
pub(super) const MIC: Range<usize> = 81..81 + MIC_LEN;
const DATA_LEN: Range<usize> = 97..99;
const DATA: usize = 99;

/// What a message is: its key information field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyInfo(pub u16);

impl KeyInfo {
    /// 4-way handshake, from the access point: its nonce.
    pub const MESSAGE_1: Self = Self(0x008a);
    /// 4-way handshake, from the station: its nonce, its RSN element.
    pub const MESSAGE_2: Self = Self(0x010a);
    /// 4-way handshake, from the access point: its RSN element, the group key.
    pub const MESSAGE_3: Self = Self(0x13ca);
    /// 4-way handshake, from the station: done.
    pub const MESSAGE_4: Self = Self(0x030a);
    /// Group key handshake, from the access point: the new group key.
    pub const GROUP_1: Self = Self(0x1382);
    /// Group key handshake, from the station: done.
    pub const GROUP_2: Self = Self(0x0302);

    /// HMAC-SHA1-128 and AES key wrap.
    const DESCRIPTOR_VERSION: u16 = 2;

    const fn descriptor_version(self) -> u16 {
        self.0 & 7
    }
}

/// A key frame, checked for length and kind. Its MIC is not checked.
#[derive(Debug, Clone, Copy)]
pub struct KeyFrame<'a> {
    /// From the EAPOL header to the end that it names.
    bytes: &'a [u8],
    /// What the message is.
    pub info: KeyInfo,
    /// Counts messages of the access point; those of the station repeat it.
    pub replay_counter: u64,
    /// A number used once, or zero.
    pub nonce: &'a [u8; NONCE_LEN],
    /// The last packet number used with the group key in the data.
    pub receive_sequence_counter: u64,
    /// Elements and keys, wrapped if the message says so.
    pub data: &'a [u8],
}

impl<'a> KeyFrame<'a> {
    /// Reads the body of a data frame behind EtherType 0x888e. What stands behind the end that the
    /// EAPOL header names belongs to the frame around it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HandshakeError> {
        let header = bytes.first_chunk::<EAPOL_HEADER_LEN>().ok_or(HandshakeError::Truncated)?;
        let [_, packet_type, high, low] = *header;
        let len = EAPOL_HEADER_LEN + usize::from(u16::from_be_bytes([high, low]));
        let bytes = bytes.get(..len).ok_or(HandshakeError::Truncated)?;
        let descriptor = bytes.get(EAPOL_HEADER_LEN).copied().unwrap_or(0);
        if packet_type != PACKET_TYPE_KEY || descriptor != DESCRIPTOR_RSN {
            return Err(HandshakeError::NotKeyFrame { packet_type, descriptor });
        }
        let field = |range: Range<usize>| bytes.get(range).ok_or(HandshakeError::Truncated);
        let word =
            |range| field(range).map(|octets| octets.iter().fold(0, |w, o| w << 8 | u64::from(*o)));
        let info = KeyInfo(word(5..7)? as u16);
        if info.descriptor_version() != KeyInfo::DESCRIPTOR_VERSION {
            return Err(HandshakeError::DescriptorVersion(info.descriptor_version() as u8));
        }
        let data_len = word(DATA_LEN)? as usize;
        Ok(Self {
            bytes,
            info,
            replay_counter: word(REPLAY_COUNTER)?,
            nonce: field(NONCE)?.try_into().map_err(|_| HandshakeError::Truncated)?,
            receive_sequence_counter: word(RSC)?.swap_bytes(),
            data: field(DATA..DATA + data_len)?,
        })
    }

    /// The MIC.
    pub fn mic(&self) -> &'a [u8] {
        &self.bytes[MIC]
    }

    /// What stands before and behind the MIC.
    pub(super) fn around_mic(&self) -> (&'a [u8], &'a [u8]) {
        (&self.bytes[..MIC.start], &self.bytes[MIC.end..])
    }
}

/// A key frame to be sent, its MIC still zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) info: KeyInfo,
    pub(super) key_len: u16,
    pub(super) replay_counter: u64,
    pub(super) nonce: &'a [u8; NONCE_LEN],
    pub(super) receive_sequence_counter: u64,
    pub(super) data: &'a [u8],
}

impl Message<'_> {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(DATA + self.data.len());
        frame.extend([VERSION, PACKET_TYPE_KEY]);
        frame.extend(((DATA - EAPOL_HEADER_LEN + self.data.len()) as u16).to_be_bytes());
        frame.push(DESCRIPTOR_RSN);
        frame.extend(self.info.0.to_be_bytes());
        frame.extend(self.key_len.to_be_bytes());
        frame.extend(self.replay_counter.to_be_bytes());
        frame.extend(self.nonce);
        frame.extend([0; 16]);
        frame.extend(self.receive_sequence_counter.to_le_bytes());
        frame.extend([0; 8 + MIC_LEN]);
        frame.extend((self.data.len() as u16).to_be_bytes());
        frame.extend(self.data);
        frame
    }
}
