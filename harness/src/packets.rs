//! Packets that a target has captured, and the file that Wireshark reads them from.
//!
//! Source: the pcapng file format (draft-ietf-opsawg-pcapng), written and in the tests read by the
//! crate `pcap-file`; the radiotap header (radiotap.org), whose fields stand in the order of their
//! bits, each aligned to its size.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness, PcapError};

use crate::time::DeviceTime;

/// Where packets are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// On the air, as a sniffer beside the board's antenna does.
    Air,
    /// On the wire behind access points.
    Ethernet,
}

/// What was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Where.
    pub link: Link,
    /// In the order of time.
    pub packets: Vec<Packet>,
    /// Frames that are not among them.
    pub left_out: u64,
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When its last octet has passed.
    pub time: DeviceTime,
    /// The board has sent it.
    pub is_from_board: bool,
    /// How it was on the air, if that is where it was captured.
    pub radio: Option<Radio>,
    /// Its octets, without frame check sequence.
    pub octets: Vec<u8>,
}

/// How a frame was on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Radio {
    /// 1 to 14.
    pub channel: u8,
    /// At the board's antenna, in dBm, if it came from elsewhere.
    pub signal: Option<i8>,
    /// How fast it was.
    pub rate: Rate,
}

/// How fast a frame was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// DSSS or OFDM: units of 500 kbit/s.
    Legacy(u8),
    /// HT: index of the modulation and coding scheme, and whether the guard interval is short.
    Ht(u8, bool),
}

/// The file of a capture.
///
/// # Errors
/// When a packet is larger than the format can say.
pub fn pcapng(capture: &Capture) -> io::Result<Vec<u8>> {
    write(capture).map_err(|error| match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

fn write(capture: &Capture) -> Result<Vec<u8>, PcapError> {
    let section = SectionHeaderBlock {
        endianness: Endianness::Little,
        options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(concat!(
            "benchrig ",
            env!("CARGO_PKG_VERSION")
        )))],
        ..SectionHeaderBlock::default()
    };
    let mut writer = PcapNgWriter::with_section_header(Vec::new(), section)?;
    let (linktype, name) = match capture.link {
        Link::Air => (DataLink::IEEE802_11_RADIOTAP, "air"),
        Link::Ethernet => (DataLink::ETHERNET, "wire"),
    };
    writer.write_pcapng_block(InterfaceDescriptionBlock {
        linktype,
        snaplen: 0,
        options: vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
            // Nanoseconds; of device time, which begins at zero.
            InterfaceDescriptionOption::IfTsResol(9),
        ],
    })?;
    for packet in &capture.packets {
        let mut data = packet.radio.map_or(Vec::new(), radiotap);
        data.extend(&packet.octets);
        writer.write_pcapng_block(EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(packet.time.nanos()),
            original_len: u32::try_from(data.len())
                .map_err(|_| PcapError::InvalidField("a packet of more than 4 GB"))?,
            data: Cow::Owned(data),
            // Bits 1:0: 1 inbound, 2 outbound.
            options: vec![EnhancedPacketOption::Flags(1 + u32::from(packet.is_from_board))],
        })?;
    }
    Ok(writer.into_inner())
}

/// Bits of the radiotap header's word that says which fields follow.
mod present {
    pub(super) const FLAGS: u32 = 1 << 1;
    pub(super) const RATE: u32 = 1 << 2;
    pub(super) const CHANNEL: u32 = 1 << 3;
    pub(super) const SIGNAL: u32 = 1 << 5;
    pub(super) const MCS: u32 = 1 << 19;
}

/// Flags of the radiotap channel field.
mod channel {
    pub(super) const CCK: u16 = 0x20;
    pub(super) const OFDM: u16 = 0x40;
    pub(super) const GHZ_2: u16 = 0x80;
}

/// The radiotap header of a frame.
fn radiotap(radio: Radio) -> Vec<u8> {
    let (rate, modulation) = match radio.rate {
        Rate::Legacy(2 | 4 | 11 | 22) => (present::RATE, channel::CCK),
        Rate::Legacy(_) => (present::RATE, channel::OFDM),
        Rate::Ht(..) => (present::MCS, channel::OFDM),
    };
    let signal = radio.signal.map_or(0, |_| present::SIGNAL);
    let fields = present::FLAGS | present::CHANNEL | rate | signal;
    let mut header = vec![0, 0, 0, 0];
    header.extend(fields.to_le_bytes());
    // No flags: no frame check sequence is at the end.
    header.push(0);
    header.push(match radio.rate {
        Rate::Legacy(units) => units,
        // Nothing but what aligns the channel.
        Rate::Ht(..) => 0,
    });
    let mhz: u16 = if radio.channel == 14 { 2484 } else { 2407 + 5 * u16::from(radio.channel) };
    header.extend(mhz.to_le_bytes());
    header.extend((channel::GHZ_2 | modulation).to_le_bytes());
    header.extend(radio.signal.map(|dbm| dbm as u8));
    if let Rate::Ht(index, short_guard) = radio.rate {
        // Known are bandwidth (20 MHz), index and guard interval.
        header.extend([0b111, u8::from(short_guard) << 2, index]);
    }
    header[2] = header.len() as u8;
    header
}

#[cfg(test)]
mod tests {
    use pcap_file::pcapng::{Block, PcapNgReader};

    use super::*;

    fn packet(nanos: u64, radio: Option<Radio>, octets: &[u8]) -> Packet {
        let time = DeviceTime::from_nanos(nanos);
        Packet { time, is_from_board: radio.is_none(), radio, octets: octets.to_vec() }
    }

    #[test]
    fn the_file_has_each_packet_with_its_time_and_its_way() {
        let rate = Rate::Legacy(2);
        let packets = vec![
            packet(5, Some(Radio { channel: 6, signal: Some(-50), rate }), b"beacon"),
            packet(u64::from(u32::MAX) + 7, None, b"odd"),
        ];
        let capture = Capture { link: Link::Air, packets, left_out: 0 };
        let file = pcapng(&capture).unwrap();
        let mut reader = PcapNgReader::new(&file[..]).unwrap();
        let writer = &reader.section().options[0];
        assert!(
            matches!(writer, SectionHeaderOption::UserApplication(it) if it.starts_with("benchrig"))
        );
        let mut seen = Vec::new();
        while let Some(block) = reader.next_block() {
            match block.unwrap() {
                Block::InterfaceDescription(it) => {
                    assert_eq!(it.linktype, DataLink::IEEE802_11_RADIOTAP);
                }
                Block::EnhancedPacket(it) => {
                    let it = it.into_owned();
                    seen.push((it.timestamp.as_nanos(), it.options, it.data.into_owned()));
                }
                other => panic!("{other:?}"),
            }
        }
        let header = radiotap(capture.packets[0].radio.unwrap());
        let [first, second] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(
            *first,
            (5, vec![EnhancedPacketOption::Flags(1)], [&header[..], b"beacon"].concat())
        );
        let flags = vec![EnhancedPacketOption::Flags(2)];
        assert_eq!(*second, (u128::from(u32::MAX) + 7, flags, b"odd".to_vec()));
    }

    #[test]
    fn the_radiotap_header_says_channel_signal_and_rate() {
        let header = |channel, signal, rate| radiotap(Radio { channel, signal, rate });
        assert_eq!(
            header(6, Some(-50), Rate::Legacy(108)),
            [0, 0, 15, 0, 0x2e, 0, 0, 0, 0, 108, 0x85, 0x09, 0xc0, 0, 206],
            "2437 MHz, OFDM"
        );
        assert_eq!(
            header(14, None, Rate::Legacy(22)),
            [0, 0, 14, 0, 0x0e, 0, 0, 0, 0, 22, 0xb4, 0x09, 0xa0, 0],
            "2484 MHz, CCK, sent by the board"
        );
        assert_eq!(
            header(1, None, Rate::Ht(7, true)),
            [0, 0, 17, 0, 0x0a, 0, 8, 0, 0, 0, 0x6c, 0x09, 0xc0, 0, 7, 4, 7],
            "MCS 7"
        );
    }
}
