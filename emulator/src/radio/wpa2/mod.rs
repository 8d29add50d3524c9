//! WPA2-Personal: from a passphrase to the keys of a station, over EAPOL-Key frames.
//!
//! Source: IEEE Std 802.11-2020, "RSNA key hierarchy", "4-way handshake", "Group key handshake",
//! "EAPOL-Key frames", and "Passphrase-to-PSK mapping" of the annex on RSNA reference
//! implementations. Algorithms: crates `pbkdf2`, `hmac`, `sha1`, `aes-kw`.
//! Modelled: both sides of both handshakes, with CCMP and the descriptor version that goes with it
//! (HMAC-SHA1-128 and AES key wrap); retransmission and replay counters.
//! Not modelled: WPA, TKIP, 802.1X, PMK caching, protected management frames, SAE.
//!
//! Frames on the air are not encrypted (see [`super::frame`]), but the handshakes are real: a
//! station with another passphrase fails at the MIC of its second message.

mod authenticator;
mod ccmp;
mod key_frame;
mod nonces;
mod supplicant;

use std::fmt;

use aes_kw::KwAes128;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

pub use authenticator::{Authenticator, Due, Progress};
pub use ccmp::encrypt;
pub use key_frame::{KeyFrame, KeyInfo};
pub(super) use nonces::Nonces;
pub use supplicant::{Answer, Supplicant};

use super::mac_address::MacAddress;

/// Octets of a key for CCMP.
pub const KEY_LEN: usize = 16;
const NONCE_LEN: usize = 32;

/// Why a message of a handshake is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The frame is shorter than its header says, or than its fields need.
    #[error("the EAPOL frame is truncated")]
    Truncated,
    /// The frame is EAPOL, and not an EAPOL-Key frame of RSN.
    #[error("EAPOL packet type {packet_type} with descriptor {descriptor} is no RSN key frame")]
    NotKeyFrame {
        /// Packet type of the EAPOL header.
        packet_type: u8,
        /// Descriptor type of the key frame.
        descriptor: u8,
    },
    /// Another key descriptor version than the one that goes with CCMP.
    #[error("key descriptor version {0} is not the one of CCMP")]
    DescriptorVersion(u8),
    /// The message's kind is not one that is awaited.
    #[error("a message with key information {0:#06x} is not awaited")]
    Unexpected(u16),
    /// The replay counter is not one that is awaited.
    #[error("replay counter {0} is not awaited")]
    Replayed(u64),
    /// The MIC is not that of the frame: the other side has other keys.
    #[error("the MIC is wrong; the passphrases differ")]
    WrongMic,
    /// The nonce is another one than in the first message.
    #[error("the nonce differs from that of message 1")]
    NonceDiffers,
    /// The RSN element is another one than outside the handshake.
    #[error("the RSN element differs from the one outside the handshake")]
    ElementDiffers,
    /// The key data cannot be unwrapped, or have no group key in them.
    #[error("the key data hold no group key")]
    KeyData,
}

/// The pairwise master key: what a station and its access point both know beforehand.
#[derive(Clone, PartialEq, Eq)]
pub struct Pmk([u8; 32]);

impl Pmk {
    /// Rounds of PBKDF2 that the standard fixes.
    const ROUNDS: u32 = 4096;

    /// The key of a network. Costs 16 384 runs of SHA-1's compression function.
    ///
    /// A passphrase has 8 to 63 characters; 64 hexadecimal digits are the key itself. This function
    /// takes any other text as a passphrase too: see [`is_passphrase`].
    pub fn derive(passphrase: &str, ssid: &[u8]) -> Self {
        Self::from_digits(passphrase).unwrap_or_else(|| {
            Self(pbkdf2::pbkdf2_hmac_array::<Sha1, 32>(passphrase.as_bytes(), ssid, Self::ROUNDS))
        })
    }

    fn from_digits(text: &str) -> Option<Self> {
        if text.len() != 64 {
            return None;
        }
        let mut key = [0; 32];
        for (octet, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            *octet = (digit(0)? << 4 | digit(1)?) as u8;
        }
        Some(Self(key))
    }
}

/// Whether a text can be the passphrase of a network: 8 to 63 printable ASCII characters, or 64
/// hexadecimal digits.
pub fn is_passphrase(text: &str) -> bool {
    let is_printable = text.bytes().all(|octet| (0x20..0x7f).contains(&octet));
    ((8..=63).contains(&text.len()) && is_printable) || Pmk::from_digits(text).is_some()
}

impl fmt::Debug for Pmk {
    /// Does not tell the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pmk")
    }
}

/// The pairwise transient key: the keys of one association.
#[derive(Clone, PartialEq, Eq)]
struct Ptk {
    /// Key confirmation key, for the MICs of the handshakes.
    kck: [u8; KEY_LEN],
    /// Key encryption key, for the key data in them.
    kek: [u8; KEY_LEN],
    /// Temporal key, for data.
    tk: [u8; KEY_LEN],
}

/// The two sides of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// The access point.
    pub authenticator: MacAddress,
    /// The station.
    pub supplicant: MacAddress,
}

impl Ptk {
    fn derive(pmk: &Pmk, sides: Sides, anonce: &[u8; NONCE_LEN], snonce: &[u8; NONCE_LEN]) -> Self {
        let (aa, spa) = (sides.authenticator.0, sides.supplicant.0);
        let mut context = Vec::with_capacity(12 + 2 * NONCE_LEN);
        context.extend(aa.min(spa));
        context.extend(aa.max(spa));
        context.extend(anonce.min(snonce));
        context.extend(anonce.max(snonce));
        let keys: [u8; 3 * KEY_LEN] = prf(&pmk.0, b"Pairwise key expansion", &context);
        let key = |n: usize| std::array::from_fn(|at| keys[n * KEY_LEN + at]);
        Self { kck: key(0), kek: key(1), tk: key(2) }
    }

    /// Puts the MIC into a key frame whose MIC field is zero.
    fn sign(&self, frame: &mut [u8]) {
        let digest = hmac(&self.kck, &[frame]).finalize().into_bytes();
        frame[key_frame::MIC].copy_from_slice(&digest[..key_frame::MIC_LEN]);
    }

    fn verify(&self, frame: &KeyFrame<'_>) -> Result<(), HandshakeError> {
        let (before, after) = frame.around_mic();
        hmac(&self.kck, &[before, &[0; key_frame::MIC_LEN], after])
            .verify_truncated_left(frame.mic())
            .map_err(|_| HandshakeError::WrongMic)
    }

    fn wrap(&self, mut data: Vec<u8>) -> Vec<u8> {
        // A single 0xdd of the padding would read as a vendor's element, so zeros follow.
        if !data.len().is_multiple_of(8) || data.len() < 16 {
            data.push(0xdd);
            data.resize(data.len().next_multiple_of(8).max(16), 0);
        }
        let mut wrapped = vec![0; data.len() + aes_kw::IV_LEN];
        KwAes128::new(&self.kek.into())
            .wrap_key(&data, &mut wrapped)
            .expect("the data are whole blocks, and there is room for them and one more");
        wrapped
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        let mut data = vec![0; wrapped.len()];
        let unwrapped = KwAes128::new(&self.kek.into())
            .unwrap_key(wrapped, &mut data)
            .map_err(|_| HandshakeError::KeyData)?;
        let len = unwrapped.len();
        data.truncate(len);
        Ok(data)
    }
}

impl fmt::Debug for Ptk {
    /// Does not tell the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ptk")
    }
}

/// A key that all stations of a network share, for multicast from its access point.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupKey {
    key: [u8; KEY_LEN],
    id: u8,
    /// The number of the last frame that was protected with it; 48 bits.
    pub packet_number: u64,
}

impl GroupKey {
    /// Header and content of a KDE: vendor element, OUI, type GTK.
    const KDE: [u8; 6] = [0xdd, 0x16, 0x00, 0x0f, 0xac, 0x01];

    /// A key that was not used yet. Of a network's four key identifiers, 1 and 2 are for group keys.
    pub const fn new(key: [u8; KEY_LEN], id: u8) -> Self {
        Self { key, id, packet_number: 0 }
    }

    /// Its identifier.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// The key itself.
    pub const fn key(&self) -> [u8; KEY_LEN] {
        self.key
    }

    fn to_kde(&self) -> Vec<u8> {
        let mut kde = Self::KDE.to_vec();
        kde.extend([self.id, 0]);
        kde.extend(self.key);
        kde
    }

    /// Finds the key in unwrapped key data.
    fn from_key_data(data: &[u8]) -> Option<Self> {
        let mut rest = data;
        loop {
            if let Some([id, _, key @ ..]) = rest.strip_prefix(&Self::KDE)
                && let Some(key) = key.first_chunk()
            {
                return Some(Self::new(*key, id & 3));
            }
            let (len, tail) = (*rest.get(1)?, rest.get(2..)?);
            rest = tail.get(usize::from(len)..)?;
        }
    }
}

impl fmt::Debug for GroupKey {
    /// Does not tell the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupKey {{ id: {}, packet_number: {} }}", self.id, self.packet_number)
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha1> {
    let mut hmac = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| hmac.update(part));
    hmac
}

/// The standard's pseudorandom function: `N` octets from a key, a label and a context.
fn prf<const N: usize>(key: &[u8], label: &[u8], context: &[u8]) -> [u8; N] {
    let mut output = [0; N];
    for (chunk, counter) in output.chunks_mut(20).zip(0..) {
        let digest = hmac(key, &[label, &[0], context, &[counter]]).finalize().into_bytes();
        chunk.copy_from_slice(&digest[..chunk.len()]);
    }
    output
}

#[cfg(test)]
mod tests;
