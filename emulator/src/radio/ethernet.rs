//! Between Ethernet frames and the bodies of 802.11 data frames.
//!
//! Source: RFC 1042 and IEEE Std 802.1H for what replaces an EtherType on the air; IEEE Std 802.3,
//! "MAC frame format", for lengths in its place.
//! Modelled: both directions, with EtherTypes and with plain LLC.
//! Not modelled: tags of VLANs, which go through as payload.

use super::frame::{BRIDGE_TUNNEL, SNAP};
use super::mac_address::MacAddress;

/// Octets of an Ethernet header.
pub(super) const HEADER_LEN: usize = 14;
/// Smaller numbers in the type field are lengths.
const FIRST_ETHERTYPE: u16 = 0x600;

/// An Ethernet frame without its check sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ethernet<'a> {
    pub(super) destination: MacAddress,
    pub(super) source: MacAddress,
    pub(super) ethertype: u16,
    pub(super) payload: &'a [u8],
}

impl<'a> Ethernet<'a> {
    /// Reads a frame; `None` if its header is not whole.
    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let (destination, rest) = frame.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (ethertype, payload) = rest.split_first_chunk()?;
        let ethertype = u16::from_be_bytes(*ethertype);
        Some(Self {
            destination: MacAddress(*destination),
            source: MacAddress(*source),
            ethertype,
            payload,
        })
    }

    /// Appends what a data frame of 802.11 has for a body. Where the type is a length, what stands
    /// behind it is padding.
    pub(super) fn append_body(&self, frame: &mut Vec<u8>) {
        if self.ethertype >= FIRST_ETHERTYPE {
            frame.extend(SNAP);
            frame.extend(self.ethertype.to_be_bytes());
            frame.extend(self.payload);
        } else {
            let len = usize::from(self.ethertype).min(self.payload.len());
            frame.extend(&self.payload[..len]);
        }
    }
}

/// The EtherType and payload of a data frame's body; without a type, its length and all of it.
/// `None` if there is not even an LLC header.
pub(super) fn split_body(body: &[u8]) -> Option<(u16, &[u8])> {
    let after = body.strip_prefix(&SNAP).or_else(|| body.strip_prefix(&BRIDGE_TUNNEL));
    if let Some((ethertype, payload)) = after.and_then(|after| after.split_first_chunk()) {
        let ethertype = u16::from_be_bytes(*ethertype);
        if ethertype >= FIRST_ETHERTYPE {
            return Some((ethertype, payload));
        }
    }
    (body.len() >= 3 && body.len() < usize::from(FIRST_ETHERTYPE))
        .then_some((body.len() as u16, body))
}

/// Puts an Ethernet frame together.
pub(super) fn frame(
    destination: MacAddress,
    source: MacAddress,
    ethertype: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_LEN + payload.len());
    frame.extend(destination.0);
    frame.extend(source.0);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const THERE: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

    fn there_and_back(wire: &[u8]) -> Vec<u8> {
        let ethernet = Ethernet::parse(wire).expect("it has a header");
        let mut body = Vec::new();
        ethernet.append_body(&mut body);
        let (ethertype, payload) = split_body(&body).expect("it has a protocol");
        frame(ethernet.destination, ethernet.source, ethertype, payload)
    }

    #[test]
    fn a_frame_is_the_same_after_its_way_over_the_air() {
        let ipv4 = frame(HERE, THERE, 0x0800, &[0x45, 0, 0, 20]);
        assert_eq!(there_and_back(&ipv4), ipv4);
        let llc = frame(HERE, THERE, 4, &[0x42, 0x42, 0x03, 0x00]);
        assert_eq!(there_and_back(&llc), llc);
    }

    #[test]
    fn padding_behind_a_length_stays_on_the_wire() {
        let padded = frame(HERE, THERE, 3, &[0x42, 0x42, 0x03, 0, 0, 0, 0, 0]);
        assert_eq!(there_and_back(&padded), frame(HERE, THERE, 3, &[0x42, 0x42, 0x03]));
    }

    #[test]
    fn a_body_without_llc_header_has_no_protocol() {
        assert_eq!(split_body(&[]), None);
        assert_eq!(split_body(&[0xaa, 0xaa]), None);
        assert_eq!(split_body(&[0; 0x700]), None);
        assert_eq!(split_body(&SNAP), Some((6, &SNAP[..])));
    }
}
