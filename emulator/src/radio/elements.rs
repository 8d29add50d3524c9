//! Information elements: what management frames say after their fixed fields.
//!
//! Source: IEEE Std 802.11-2020, "Elements" (SSID, Supported Rates, DSSS Parameter Set, TIM, Channel
//! Switch Announcement, RSNE, Extended Supported Rates) and "Cipher suite selectors", "AKM suite
//! selectors".
//! Modelled: reading any chain of elements; writing those that the access points here send.
//! Not modelled: HT, WMM and everything later; PMKIDs and the group management cipher of an RSN
//! element are read over.

use super::frame::{FrameError, Reader};

/// Element identifiers.
pub mod id {
    #![expect(missing_docs, reason = "the names are the standard's")]
    pub const SSID: u8 = 0;
    pub const SUPPORTED_RATES: u8 = 1;
    pub const DSSS_PARAMETER_SET: u8 = 3;
    pub const TIM: u8 = 5;
    pub const CHANNEL_SWITCH_ANNOUNCEMENT: u8 = 37;
    pub const RSN: u8 = 48;
    pub const EXTENDED_SUPPORTED_RATES: u8 = 50;
    pub const VENDOR: u8 = 221;
}

/// Longest SSID, in octets.
pub const MAX_SSID_LEN: usize = 32;

/// 1, 2, 5.5 and 11 Mbit/s, which every station must know, then 6, 9, 12 and 18.
pub const SUPPORTED_RATES: [u8; 8] = [0x82, 0x84, 0x8b, 0x96, 0x0c, 0x12, 0x18, 0x24];
/// 24, 36, 48 and 54 Mbit/s.
pub const EXTENDED_SUPPORTED_RATES: [u8; 4] = [0x30, 0x48, 0x60, 0x6c];

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// Its identifier.
    pub id: u8,
    /// Its content.
    pub data: &'a [u8],
}

/// A chain of elements that has been checked: each has the length that it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// Checks a chain that goes to the end of `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let mut rest = bytes;
        while let [id, tail @ ..] = rest {
            let [len, tail @ ..] = tail else {
                return Err(FrameError::Truncated { field: "element header" });
            };
            let (id, len, left) = (*id, *len, tail.len());
            rest = tail.get(usize::from(len)..).ok_or(FrameError::Element { id, len, left })?;
        }
        Ok(Self(bytes))
    }

    /// The elements in their order.
    pub fn iter(self) -> impl Iterator<Item = Element<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let [id, len, tail @ ..] = rest else { return None };
            let (data, after) = tail.split_at_checked(usize::from(*len))?;
            rest = after;
            Some(Element { id: *id, data })
        })
    }

    /// The content of the first element with an identifier.
    pub fn get(self, id: u8) -> Option<&'a [u8]> {
        self.iter().find(|element| element.id == id).map(|element| element.data)
    }
}

/// Appends an element to a frame. Content beyond 255 octets has no room in one, and is cut.
pub fn append(frame: &mut Vec<u8>, id: u8, data: &[u8]) {
    let len = data.len().min(255);
    frame.extend([id, len as u8]);
    frame.extend(&data[..len]);
}

/// A kind of key management.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyManagement {
    /// A pre-shared key: WPA2-Personal.
    Psk,
    /// Simultaneous Authentication of Equals: WPA3-Personal.
    Sae,
}

const SUITE_CCMP: [u8; 4] = [0x00, 0x0f, 0xac, 4];
const AKM_PSK: [u8; 4] = [0x00, 0x0f, 0xac, 2];
const AKM_SAE: [u8; 4] = [0x00, 0x0f, 0xac, 8];
/// RSN capabilities of a network that requires protected management frames (MFPR and MFPC).
const CAPABILITIES_MFP: u16 = 0x00c0;

impl KeyManagement {
    const fn suite(self) -> [u8; 4] {
        match self {
            Self::Psk => AKM_PSK,
            Self::Sae => AKM_SAE,
        }
    }

    /// The RSN element of a network with this key management and CCMP throughout, with its header.
    pub fn rsn_element(self) -> Vec<u8> {
        let capabilities = match self {
            Self::Psk => 0,
            Self::Sae => CAPABILITIES_MFP,
        };
        let mut element = vec![id::RSN, 20, 1, 0];
        element.extend(SUITE_CCMP);
        for suite in [SUITE_CCMP, self.suite()] {
            element.extend([1, 0]);
            element.extend(suite);
        }
        element.extend(u16::to_le_bytes(capabilities));
        element
    }
}

/// What an RSN element asks for or offers, as far as the networks here care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rsn {
    /// Multicast is protected by CCMP.
    pub group_is_ccmp: bool,
    /// CCMP is among the pairwise ciphers.
    pub has_pairwise_ccmp: bool,
    /// A pre-shared key is among the kinds of key management.
    pub has_psk: bool,
    /// SAE is among the kinds of key management.
    pub has_sae: bool,
}

impl Rsn {
    /// Reads the content of an RSN element. What is left out at its end has its default, CCMP; no
    /// default of key management is one of a network here.
    pub fn parse(data: &[u8]) -> Result<Self, FrameError> {
        let mut rsn =
            Self { group_is_ccmp: true, has_pairwise_ccmp: true, has_psk: false, has_sae: false };
        let mut reader = Reader(data);
        reader.u16("RSN version")?;
        if reader.0.is_empty() {
            return Ok(rsn);
        }
        rsn.group_is_ccmp = reader.array("RSN group cipher")? == SUITE_CCMP;
        if reader.0.is_empty() {
            return Ok(rsn);
        }
        rsn.has_pairwise_ccmp = false;
        for _ in 0..reader.u16("RSN pairwise cipher count")? {
            rsn.has_pairwise_ccmp |= reader.array("RSN pairwise ciphers")? == SUITE_CCMP;
        }
        if reader.0.is_empty() {
            return Ok(rsn);
        }
        for _ in 0..reader.u16("RSN key management count")? {
            let suite = reader.array("RSN key managements")?;
            rsn.has_psk |= suite == AKM_PSK;
            rsn.has_sae |= suite == AKM_SAE;
        }
        Ok(rsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rsn_element_of_wpa2_is_the_one_that_stations_expect() {
        let element = KeyManagement::Psk.rsn_element();
        let expected = [
            0x30, 0x14, 1, 0, 0x00, 0x0f, 0xac, 4, 1, 0, 0x00, 0x0f, 0xac, 4, 1, 0, 0x00, 0x0f,
            0xac, 2, 0, 0,
        ];
        assert_eq!(element, expected);
        let rsn = Rsn::parse(&element[2..]).expect("it is whole");
        assert!(rsn.group_is_ccmp && rsn.has_pairwise_ccmp && rsn.has_psk && !rsn.has_sae);
    }

    #[test]
    fn a_network_of_wpa3_requires_protected_management_frames() {
        let element = KeyManagement::Sae.rsn_element();
        assert_eq!(element[element.len() - 6..], [0x00, 0x0f, 0xac, 8, 0xc0, 0x00]);
        assert!(Rsn::parse(&element[2..]).is_ok_and(|rsn| rsn.has_sae && !rsn.has_psk));
    }

    #[test]
    fn an_rsn_element_may_end_after_each_of_its_parts_and_nowhere_else() {
        let element = KeyManagement::Psk.rsn_element();
        let content = &element[2..];
        for len in 0..content.len() {
            let whole = matches!(len, 2 | 6 | 12 | 18 | 19);
            assert_eq!(Rsn::parse(&content[..len]).is_ok(), whole, "{len} octets");
        }
    }

    #[test]
    fn a_chain_whose_last_element_is_cut_is_refused() {
        let mut chain = Vec::new();
        append(&mut chain, id::SSID, b"bench");
        append(&mut chain, id::SUPPORTED_RATES, &SUPPORTED_RATES);
        let elements = Elements::parse(&chain).expect("it is whole");
        assert_eq!(elements.get(id::SSID), Some(&b"bench"[..]));
        assert_eq!(elements.get(id::SUPPORTED_RATES), Some(&SUPPORTED_RATES[..]));
        assert_eq!(elements.get(id::RSN), None);
        for len in 1..chain.len() {
            assert_eq!(Elements::parse(&chain[..len]).is_ok(), len == 7, "{len} octets");
        }
    }
}
