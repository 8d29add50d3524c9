//! The gateway as a way out, which is closed: what goes beyond the network is refused, and said.
//!
//! *Source*: RFC 9293, "Reset Generation"; RFC 792 and RFC 1812, "Destination Unreachable".

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv4DstUnreachable,
    Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber,
};

use super::event::{Mac, NetEventKind, Protocol};
use super::packet::Transport;

/// Bytes of a refused packet that come back with the refusal.
const QUOTED: usize = 28;

/// A packet that a station gave the gateway for somebody beyond it.
pub(super) struct Outbound<'a> {
    pub(super) gateway: Ipv4Addr,
    pub(super) gateway_mac: Mac,
    pub(super) station: Mac,
    pub(super) from: Ipv4Addr,
    pub(super) to: Ipv4Addr,
    pub(super) transport: &'a Transport<'a>,
    /// From the IP header on.
    pub(super) packet: &'a [u8],
}

impl Outbound<'_> {
    /// What there is to tell about it. Of a connection only its beginning is told.
    pub(super) fn event(&self) -> Option<NetEventKind> {
        let (protocol, from, to) = match self.transport {
            Transport::Tcp(tcp) if tcp.syn() => (Protocol::Tcp, tcp.src_port(), tcp.dst_port()),
            Transport::Tcp(_) => return None,
            Transport::Udp(udp) => (Protocol::Udp, udp.src_port(), udp.dst_port()),
            Transport::Icmp => (Protocol::Icmp, 0, 0),
            Transport::Fragment => return None,
            Transport::Other(number) => (Protocol::Other(*number), 0, 0),
        };
        let from = SocketAddr::new(IpAddr::V4(self.from), from);
        let to = SocketAddr::new(IpAddr::V4(self.to), to);
        Some(NetEventKind::NoWayOut { from, to, protocol })
    }

    /// The frame that refuses it.
    pub(super) fn refusal(&self) -> Option<Vec<u8>> {
        match self.transport {
            Transport::Tcp(tcp) if tcp.rst() => None,
            Transport::Tcp(tcp) => Some(self.reset(tcp)),
            // Errors are not answered with errors; of all the rest only echoes are asked for.
            Transport::Icmp if self.icmp_type() != Some(8) => None,
            Transport::Fragment => None,
            Transport::Icmp | Transport::Udp(_) | Transport::Other(_) => self.prohibited(),
        }
    }

    fn icmp_type(&self) -> Option<u8> {
        let header = 4 * usize::from(self.packet.first()? & 0xf);
        self.packet.get(header).copied()
    }

    fn reset(&self, tcp: &TcpPacket<&[u8]>) -> Vec<u8> {
        let end = tcp.seq_number() + tcp.segment_len();
        let (sequence, acknowledged) =
            if tcp.ack() { (tcp.ack_number(), None) } else { (TcpSeqNumber(0), Some(end)) };
        let reset = TcpRepr {
            src_port: tcp.dst_port(),
            dst_port: tcp.src_port(),
            control: TcpControl::Rst,
            seq_number: sequence,
            ack_number: acknowledged,
            window_len: 0,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        // A connection is refused in the name of the one it was for.
        self.frame(self.to, IpProtocol::Tcp, reset.buffer_len(), |payload| {
            let mut packet = TcpPacket::new_unchecked(payload);
            let checksums = ChecksumCapabilities::default();
            reset.emit(&mut packet, &self.to.into(), &self.from.into(), &checksums);
        })
    }

    fn prohibited(&self) -> Option<Vec<u8>> {
        let packet = Ipv4Packet::new_checked(self.packet).ok()?;
        let header = Ipv4Repr {
            src_addr: packet.src_addr(),
            dst_addr: packet.dst_addr(),
            next_header: packet.next_header(),
            payload_len: packet.payload().len(),
            hop_limit: packet.hop_limit(),
        };
        let payload = packet.payload();
        let unreachable = Icmpv4Repr::DstUnreachable {
            reason: Icmpv4DstUnreachable::HostProhibited,
            header,
            data: &payload[..payload.len().min(QUOTED)],
        };
        let size = unreachable.buffer_len();
        Some(self.frame(self.gateway, IpProtocol::Icmp, size, |payload| {
            let mut packet = Icmpv4Packet::new_unchecked(payload);
            unreachable.emit(&mut packet, &ChecksumCapabilities::default());
        }))
    }

    fn frame(
        &self,
        from: Ipv4Addr,
        protocol: IpProtocol,
        size: usize,
        emit: impl FnOnce(&mut [u8]),
    ) -> Vec<u8> {
        let ip = Ipv4Repr {
            src_addr: from,
            dst_addr: self.from,
            next_header: protocol,
            payload_len: size,
            hop_limit: 64,
        };
        let ethernet = EthernetRepr {
            src_addr: EthernetAddress(self.gateway_mac.0),
            dst_addr: EthernetAddress(self.station.0),
            ethertype: EthernetProtocol::Ipv4,
        };
        let mut bytes = vec![0; ethernet.buffer_len() + ip.buffer_len() + size];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        ethernet.emit(&mut frame);
        let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
        ip.emit(&mut packet, &ChecksumCapabilities::default());
        emit(packet.payload_mut());
        bytes
    }
}
