//! SLIP (RFC 1055), as the serial loader frames its packets.

const END: u8 = 0xc0;
const ESCAPE: u8 = 0xdb;
const ESCAPED_END: u8 = 0xdc;
const ESCAPED_ESCAPE: u8 = 0xdd;

/// Longer frames are none of the loader's.
const MAX_FRAME: usize = 0x1_0000;

/// A packet as a frame.
pub fn frame(packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(packet.len() + 16);
    frame.push(END);
    for byte in packet {
        match *byte {
            END => frame.extend([ESCAPE, ESCAPED_END]),
            ESCAPE => frame.extend([ESCAPE, ESCAPED_ESCAPE]),
            byte => frame.push(byte),
        }
    }
    frame.push(END);
    frame
}

/// Finds packets in a stream of bytes; what is between them is left out.
#[derive(Debug, Default)]
pub struct Unframer {
    packet: Option<Vec<u8>>,
    escaped: bool,
}

impl Unframer {
    /// Takes a byte; a packet if it is complete with it.
    pub fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        let escaped = std::mem::take(&mut self.escaped);
        if byte == END {
            return match self.packet.replace(Vec::new()) {
                Some(packet) if !packet.is_empty() => {
                    self.packet = None;
                    Some(packet)
                }
                // Two in a row: the second begins a packet.
                _ => None,
            };
        }
        let packet = self.packet.as_mut()?;
        match (escaped, byte) {
            (false, ESCAPE) => self.escaped = true,
            (true, ESCAPED_END) => packet.push(END),
            (true, ESCAPED_ESCAPE) => packet.push(ESCAPE),
            // Nothing else may be escaped: this is no packet.
            (true, _) => self.packet = None,
            (false, byte) if packet.len() < MAX_FRAME => packet.push(byte),
            (false, _) => self.packet = None,
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut unframer = Unframer::default();
        bytes.iter().filter_map(|byte| unframer.push(*byte)).collect()
    }

    #[test]
    fn what_is_between_packets_is_left_out() {
        assert_eq!(packets(b"noise\xc0ab\xc0boot\xc0\xc0\xdb\xdc\xc0"), [&b"ab"[..], b"\xc0"]);
        // A wrong escape spoils its packet and no other.
        assert_eq!(packets(b"\xc0a\xdbb\xc0\xc0cd\xc0"), [b"cd"]);
    }

    proptest! {
        #[test]
        fn every_packet_comes_out_as_it_went_in(
            some in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 0..6),
            noise in "[a-z]{0,9}",
        ) {
            let mut bytes = noise.into_bytes();
            some.iter().for_each(|packet| bytes.extend(frame(packet)));
            prop_assert_eq!(packets(&bytes), some);
        }

        #[test]
        fn whatever_comes_the_next_packet_but_one_is_found(
            junk in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = junk;
            bytes.extend(frame(b"lost perhaps"));
            bytes.extend(frame(b"found"));
            let found = packets(&bytes);
            prop_assert_eq!(found.last().map(Vec::as_slice), Some(&b"found"[..]));
        }
    }
}
