//! An Ethernet frame taken apart, and looked at with suspicion.
//!
//! What passes here is sane: lengths fit, checksums are right, nobody calls himself by the address
//! of a group. So whoever comes after need not ask again, and one event can say what was wrong.

use std::net::{IpAddr, Ipv4Addr};

use smoltcp::wire::{
    ArpPacket, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
    UdpPacket,
};

use super::event::Mac;

/// A frame, taken apart.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub(super) from: Mac,
    pub(super) to: Mac,
    pub(super) network: Network<'a>,
}

/// What a frame carries.
#[derive(Debug)]
pub(super) enum Network<'a> {
    Arp { operation: u16, sender: Ipv4Addr, target: Ipv4Addr },
    Ip { from: IpAddr, to: IpAddr, transport: Transport<'a>, packet: &'a [u8] },
    Other,
}

/// What an IP packet carries.
#[derive(Debug)]
pub(super) enum Transport<'a> {
    Tcp(TcpPacket<&'a [u8]>),
    Udp(UdpPacket<&'a [u8]>),
    Icmp,
    /// One part of something.
    Fragment,
    Other(u8),
}

/// Whether checksums are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From a station: anything may be in it.
    Station,
    /// Made here.
    Host,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) mac: Mac,
    pub(super) why: &'static str,
}

impl Mac {
    /// The address of everybody.
    pub(super) const BROADCAST: Self = Self([0xff; 6]);

    /// A group's, or everybody's.
    pub(super) fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl<'a> Packet<'a> {
    pub(super) fn parse(frame: &'a [u8], origin: Origin) -> Result<Self, Malformed> {
        let too_short = Malformed { mac: Mac([0; 6]), why: "shorter than an Ethernet header" };
        let ethernet = EthernetFrame::new_checked(frame).map_err(|_| too_short)?;
        let from = Mac(ethernet.src_addr().0);
        let network =
            parse_network(&ethernet, origin).map_err(|why| Malformed { mac: from, why })?;
        if from.is_multicast() || from == Mac([0; 6]) {
            return Err(Malformed {
                mac: from,
                why: "sent by the address of a group or of nobody",
            });
        }
        Ok(Self { from, to: Mac(ethernet.dst_addr().0), network })
    }
}

fn parse_network<'a>(
    ethernet: &EthernetFrame<&'a [u8]>,
    origin: Origin,
) -> Result<Network<'a>, &'static str> {
    match ethernet.ethertype() {
        EthernetProtocol::Arp => {
            let arp = ArpPacket::new_checked(ethernet.payload()).map_err(|_| "ARP too short")?;
            let address = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from);
            let sizes = (arp.hardware_len(), arp.protocol_len());
            let (6, 4, Ok(sender), Ok(target)) = (
                sizes.0,
                sizes.1,
                address(arp.source_protocol_addr()),
                address(arp.target_protocol_addr()),
            ) else {
                return Err("ARP for other addresses than Ethernet's and IPv4's");
            };
            Ok(Network::Arp { operation: arp.operation().into(), sender, target })
        }
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(ethernet.payload()).map_err(|_| "IPv4 too short")?;
            if ip.version() != 4 {
                return Err("IPv4 with another version");
            }
            if origin == Origin::Station && !ip.verify_checksum() {
                return Err("IPv4 with a wrong checksum");
            }
            let (from, to) = (ip.src_addr(), ip.dst_addr());
            if from.is_multicast() || from.is_broadcast() || from.is_loopback() {
                return Err("IPv4 from an address that nobody has");
            }
            if to.is_unspecified() || to.is_loopback() {
                return Err("IPv4 to an address that nobody has");
            }
            let (from, to) = (IpAddr::V4(from), IpAddr::V4(to));
            let transport = if ip.more_frags() || ip.frag_offset() != 0 {
                Transport::Fragment
            } else {
                parse_transport(ip.next_header(), ip.payload(), from, to, origin)?
            };
            let packet = &ethernet.payload()[..usize::from(ip.total_len())];
            Ok(Network::Ip { from, to, transport, packet })
        }
        EthernetProtocol::Ipv6 => {
            let ip = Ipv6Packet::new_checked(ethernet.payload()).map_err(|_| "IPv6 too short")?;
            if ip.version() != 6 {
                return Err("IPv6 with another version");
            }
            if ip.src_addr().is_multicast() {
                return Err("IPv6 from the address of a group");
            }
            if ip.dst_addr().is_unspecified() || ip.dst_addr().is_loopback() {
                return Err("IPv6 to an address that nobody has");
            }
            let (from, to) = (IpAddr::V6(ip.src_addr()), IpAddr::V6(ip.dst_addr()));
            let transport = parse_transport(ip.next_header(), ip.payload(), from, to, origin)?;
            let packet = &ethernet.payload()[..ip.total_len()];
            Ok(Network::Ip { from, to, transport, packet })
        }
        EthernetProtocol::Unknown(_) => Ok(Network::Other),
    }
}

fn parse_transport(
    protocol: IpProtocol,
    payload: &[u8],
    from: IpAddr,
    to: IpAddr,
    origin: Origin,
) -> Result<Transport<'_>, &'static str> {
    let suspicious = origin == Origin::Station;
    match protocol {
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(payload).map_err(|_| "TCP too short")?;
            if suspicious && !tcp.verify_checksum(&from.into(), &to.into()) {
                return Err("TCP with a wrong checksum");
            }
            if tcp.src_port() == 0 || tcp.dst_port() == 0 {
                return Err("TCP with port 0");
            }
            if from.is_unspecified() {
                return Err("TCP from an address that nobody has");
            }
            Ok(Transport::Tcp(tcp))
        }
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(payload).map_err(|_| "UDP too short")?;
            if suspicious && !udp.verify_checksum(&from.into(), &to.into()) {
                return Err("UDP with a wrong checksum");
            }
            if udp.dst_port() == 0 {
                return Err("UDP to port 0");
            }
            Ok(Transport::Udp(udp))
        }
        IpProtocol::Icmp | IpProtocol::Icmpv6 => Ok(Transport::Icmp),
        other => Ok(Transport::Other(other.into())),
    }
}
