//! The DHCP server of the gateway.
//!
//! *Source*: RFC 2131 (messages, who is answered how), RFC 2132 (options); smoltcp's wire format.
//!
//! *Modelled*: discover, request (also renewing, rebinding and after a reboot), decline, release,
//! inform. A station keeps the address that it had, by its Ethernet address; else it gets the one
//! it asks for, else the first one that was never lent, else the one that came back longest ago.
//!
//! *Not modelled*: relays, client identifiers other than the Ethernet address, BOOTP.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr,
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

use super::config::NetworkConfig;
use super::event::{Mac, NetEventKind, Unanswered};
use super::order::Dhcp;
use crate::time::{Duration, Instant};

/// The port to which stations send.
pub(super) const PORT: u16 = DHCP_SERVER_PORT;
/// How long nobody gets an address of which a station says that it is taken.
const DECLINED: Duration = Duration::from_secs(600);

mod option {
    //! Options that smoltcp does not write by itself.
    pub(super) const BROADCAST: u8 = 28;
    pub(super) const NTP_SERVERS: u8 = 42;
    pub(super) const RENEWAL: u8 = 58;
    pub(super) const REBINDING: u8 = 59;
}

/// The server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    config: Arc<NetworkConfig>,
    mode: Dhcp,
    /// Who was lent an address last, by address; so none is lent twice.
    leases: BTreeMap<Ipv4Addr, Lease>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    /// None: somebody else uses it, says a station.
    holder: Option<Mac>,
    until: Instant,
}

impl Server {
    pub(super) fn new(config: Arc<NetworkConfig>) -> Self {
        let mode = if config.dhcp.silent { Dhcp::Silent } else { Dhcp::Answers };
        Self { config, mode, leases: BTreeMap::new() }
    }

    pub(super) fn order(&mut self, mode: Dhcp) {
        self.mode = mode;
    }

    /// A message of a station. Comes back with the frame that answers it, if one does.
    pub(super) fn receive(
        &mut self,
        message: &[u8],
        at: Instant,
        tell: &mut dyn FnMut(NetEventKind),
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let packet = DhcpPacket::new_checked(message).map_err(|_| "DHCP too short")?;
        let asked = DhcpRepr::parse(&packet).map_err(|_| "DHCP with wrong fields or options")?;
        let mac = Mac(asked.client_hardware_address.0);
        if mac.is_multicast() {
            return Err("DHCP for the address of a group");
        }
        if self.mode == Dhcp::Silent {
            tell(NetEventKind::DhcpUnanswered { mac, why: Unanswered::Silent });
            return Ok(None);
        }
        Ok(match asked.message_type {
            DhcpMessageType::Discover => self.discover(&asked, mac, at, tell),
            DhcpMessageType::Request => self.request(&asked, mac, at, tell),
            DhcpMessageType::Inform => {
                Some(self.reply(&asked, DhcpMessageType::Ack, Ipv4Addr::UNSPECIFIED))
            }
            DhcpMessageType::Release => {
                self.give_back(asked.client_ip, mac, at, tell);
                None
            }
            DhcpMessageType::Decline => {
                self.decline(asked.requested_ip, mac, at, tell);
                None
            }
            _ => None,
        })
    }

    fn discover(
        &mut self,
        asked: &DhcpRepr<'_>,
        mac: Mac,
        at: Instant,
        tell: &mut dyn FnMut(NetEventKind),
    ) -> Option<Vec<u8>> {
        let Some(address) = self.choose(asked.requested_ip, mac, at) else {
            tell(NetEventKind::DhcpUnanswered { mac, why: Unanswered::Exhausted });
            return None;
        };
        // Held for the station until it asks for it.
        let until = at + Duration::from_secs(60);
        let lease = self.leases.entry(address).or_insert(Lease { holder: None, until });
        *lease = Lease { holder: Some(mac), until: lease.until.max(until) };
        Some(self.reply(asked, DhcpMessageType::Offer, address))
    }

    fn request(
        &mut self,
        asked: &DhcpRepr<'_>,
        mac: Mac,
        at: Instant,
        tell: &mut dyn FnMut(NetEventKind),
    ) -> Option<Vec<u8>> {
        if asked.server_identifier.is_some_and(|server| server != self.config.gateway) {
            return None; // It has chosen another server.
        }
        let wanted = asked.requested_ip.unwrap_or(asked.client_ip);
        if !self.is_free(wanted, mac, at) {
            tell(NetEventKind::LeaseRefused { mac, address: wanted });
            return Some(self.reply(asked, DhcpMessageType::Nak, Ipv4Addr::UNSPECIFIED));
        }
        let until = at + self.config.dhcp.lease;
        self.leases.insert(wanted, Lease { holder: Some(mac), until });
        tell(NetEventKind::Leased { mac, address: wanted });
        Some(self.reply(asked, DhcpMessageType::Ack, wanted))
    }

    fn give_back(
        &mut self,
        address: Ipv4Addr,
        mac: Mac,
        at: Instant,
        tell: &mut dyn FnMut(NetEventKind),
    ) {
        let Some(lease) = self.leases.get_mut(&address) else { return };
        if lease.holder == Some(mac) {
            lease.until = at;
            tell(NetEventKind::Released { mac, address });
        }
    }

    fn decline(
        &mut self,
        address: Option<Ipv4Addr>,
        mac: Mac,
        at: Instant,
        tell: &mut dyn FnMut(NetEventKind),
    ) {
        let Some(address) = address.filter(|address| {
            self.leases.get(address).is_some_and(|lease| lease.holder == Some(mac))
        }) else {
            return;
        };
        self.leases.insert(address, Lease { holder: None, until: at + DECLINED });
        tell(NetEventKind::Declined { mac, address });
    }

    /// The address that `mac` gets.
    fn choose(&self, wanted: Option<Ipv4Addr>, mac: Mac, at: Instant) -> Option<Ipv4Addr> {
        let held = self.leases.iter().find(|(_, lease)| lease.holder == Some(mac));
        if let Some((&address, _)) = held {
            return Some(address);
        }
        if let Some(wanted) = wanted.filter(|&wanted| self.is_free(wanted, mac, at)) {
            return Some(wanted);
        }
        let never_lent = self.range().find(|address| !self.leases.contains_key(address));
        never_lent.or_else(|| {
            let ended = self.leases.iter().filter(|(_, lease)| lease.until <= at);
            ended.min_by_key(|(_, lease)| lease.until).map(|(&address, _)| address)
        })
    }

    /// Whether `address` can be lent to `mac`.
    fn is_free(&self, address: Ipv4Addr, mac: Mac, at: Instant) -> bool {
        let dhcp = &self.config.dhcp;
        (dhcp.first..=dhcp.last).contains(&address)
            && !self.is_taken(address)
            && self
                .leases
                .get(&address)
                .is_none_or(|lease| lease.holder == Some(mac) || lease.until <= at)
    }

    fn range(&self) -> impl Iterator<Item = Ipv4Addr> {
        let dhcp = &self.config.dhcp;
        let all = dhcp.first.to_bits()..=dhcp.last.to_bits();
        all.map(Ipv4Addr::from_bits).filter(|&address| !self.is_taken(address))
    }

    /// Whether a computer of the configuration has `address`.
    fn is_taken(&self, address: Ipv4Addr) -> bool {
        address == self.config.gateway
            || self.config.hosts.iter().any(|host| host.address == address)
    }

    fn reply(&self, asked: &DhcpRepr<'_>, kind: DhcpMessageType, address: Ipv4Addr) -> Vec<u8> {
        let config = &self.config;
        let positive = kind != DhcpMessageType::Nak;
        let lends = positive && asked.message_type != DhcpMessageType::Inform;
        let lease = (config.dhcp.lease.as_micros() / 1_000_000).min(u64::from(u32::MAX)) as u32;
        let renewal = (lease / 2).to_be_bytes();
        let rebinding = (lease - lease / 8).to_be_bytes();
        let broadcast = config.broadcast().octets();
        let gateway = config.gateway.octets();
        let options = [
            DhcpOption { kind: option::RENEWAL, data: &renewal },
            DhcpOption { kind: option::REBINDING, data: &rebinding },
            DhcpOption { kind: option::BROADCAST, data: &broadcast },
            DhcpOption { kind: option::NTP_SERVERS, data: &gateway },
        ];
        let message = DhcpRepr {
            message_type: kind,
            transaction_id: asked.transaction_id,
            secs: 0,
            client_hardware_address: asked.client_hardware_address,
            client_ip: if positive { asked.client_ip } else { Ipv4Addr::UNSPECIFIED },
            your_ip: address,
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: positive.then_some(config.gateway),
            subnet_mask: positive.then_some(Ipv4Addr::from_bits(config.mask())),
            relay_agent_ip: asked.relay_agent_ip,
            broadcast: asked.broadcast,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(config.gateway),
            parameter_request_list: None,
            dns_servers: positive.then(|| [config.gateway].into_iter().collect()),
            max_size: None,
            lease_duration: lends.then_some(lease),
            renew_duration: None,
            rebind_duration: None,
            additional_options: match (lends, positive) {
                (true, _) => &options,
                (false, true) => &options[2..],
                (false, false) => &[],
            },
        };
        // Whom no unicast would reach gets a broadcast (RFC 2131, "Constructing and sending").
        let mac = asked.client_hardware_address;
        let (to_mac, to) = match (asked.client_ip, asked.broadcast || !positive) {
            (client, _) if !client.is_unspecified() && positive => (mac, client),
            (_, true) => (EthernetAddress::BROADCAST, Ipv4Addr::BROADCAST),
            (_, false) => (mac, address),
        };
        self.frame(&message, to_mac, to)
    }

    fn frame(&self, message: &DhcpRepr<'_>, to_mac: EthernetAddress, to: Ipv4Addr) -> Vec<u8> {
        let gateway = self.config.gateway;
        let checksums = ChecksumCapabilities::default();
        let udp = UdpRepr { src_port: DHCP_SERVER_PORT, dst_port: DHCP_CLIENT_PORT };
        let ip = Ipv4Repr {
            src_addr: gateway,
            dst_addr: to,
            next_header: IpProtocol::Udp,
            payload_len: udp.header_len() + message.buffer_len(),
            hop_limit: 64,
        };
        let ethernet = EthernetRepr {
            src_addr: EthernetAddress(super::host::mac(gateway).0),
            dst_addr: to_mac,
            ethertype: EthernetProtocol::Ipv4,
        };
        let size = ethernet.buffer_len() + ip.buffer_len() + ip.payload_len;
        let mut bytes = vec![0; size];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        ethernet.emit(&mut frame);
        let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
        ip.emit(&mut packet, &checksums);
        let mut datagram = UdpPacket::new_unchecked(packet.payload_mut());
        let mut fits = true;
        udp.emit(
            &mut datagram,
            &gateway.into(),
            &to.into(),
            message.buffer_len(),
            |payload| fits = message.emit(&mut DhcpPacket::new_unchecked(payload)).is_ok(),
            &checksums,
        );
        debug_assert!(fits, "a message is as long as it says");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 50);

    fn server(last: u8) -> Server {
        let mut config = NetworkConfig::default();
        config.dhcp.last = Ipv4Addr::new(192, 168, 0, last);
        Server::new(Arc::new(config))
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn message(kind: DhcpMessageType, station: u8, wanted: Option<Ipv4Addr>) -> Vec<u8> {
        let repr = DhcpRepr {
            message_type: kind,
            transaction_id: 42,
            secs: 0,
            client_hardware_address: EthernetAddress([2, 0, 0, 0, 0, station]),
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip: Ipv4Addr::UNSPECIFIED,
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            requested_ip: wanted,
            client_identifier: None,
            server_identifier: None,
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).unwrap();
        bytes
    }

    /// Kind and address of what comes back.
    fn ask(
        server: &mut Server,
        kind: DhcpMessageType,
        station: u8,
        wanted: Option<Ipv4Addr>,
        now: Instant,
    ) -> Option<(DhcpMessageType, Ipv4Addr)> {
        let frame = server.receive(&message(kind, station, wanted), now, &mut |_| {}).unwrap()?;
        let packet = DhcpPacket::new_checked(&frame[42..]).unwrap();
        let repr = DhcpRepr::parse(&packet).unwrap();
        assert_eq!(repr.transaction_id, 42);
        assert_eq!(repr.server_identifier, Some(Ipv4Addr::new(192, 168, 0, 1)));
        Some((repr.message_type, repr.your_ip))
    }

    #[test]
    fn a_station_keeps_its_address_and_others_get_the_next() {
        use DhcpMessageType::{Ack, Discover, Offer, Request};
        let mut server = server(60);
        let next = Ipv4Addr::new(192, 168, 0, 51);
        assert_eq!(ask(&mut server, Discover, 1, None, at(0)), Some((Offer, FIRST)));
        assert_eq!(ask(&mut server, Discover, 2, None, at(0)), Some((Offer, next)));
        assert_eq!(ask(&mut server, Request, 1, Some(FIRST), at(1)), Some((Ack, FIRST)));
        assert_eq!(ask(&mut server, Discover, 1, Some(next), at(2)), Some((Offer, FIRST)));
        let wish = Ipv4Addr::new(192, 168, 0, 57);
        assert_eq!(ask(&mut server, Discover, 3, Some(wish), at(2)), Some((Offer, wish)));
    }

    #[test]
    fn a_wrong_or_taken_address_is_refused() {
        use DhcpMessageType::{Nak, Request};
        let mut server = server(60);
        ask(&mut server, Request, 1, Some(FIRST), at(0));
        let none = Ipv4Addr::UNSPECIFIED;
        assert_eq!(ask(&mut server, Request, 2, Some(FIRST), at(1)), Some((Nak, none)));
        let foreign = Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(ask(&mut server, Request, 2, Some(foreign), at(1)), Some((Nak, none)));
        let frame = server
            .receive(&message(Request, 2, Some(foreign)), at(1), &mut |_| {})
            .unwrap()
            .unwrap();
        assert_eq!(frame[..6], [0xff; 6], "a refusal is for everybody");
    }

    #[test]
    fn addresses_run_out_and_come_back() {
        use DhcpMessageType::{Ack, Decline, Discover, Offer, Release, Request};
        let mut server = server(51);
        let second = Ipv4Addr::new(192, 168, 0, 51);
        ask(&mut server, Request, 1, Some(FIRST), at(0));
        ask(&mut server, Request, 2, Some(second), at(10));
        let mut told = Vec::new();
        let none = server
            .receive(&message(Discover, 3, None), at(11), &mut |kind| told.push(kind.to_string()))
            .unwrap();
        assert!(none.is_none());
        assert_eq!(told, ["dhcp: 02:00:00:00:00:03 not answered: no address is left"]);
        // Two hours later the older one is free.
        assert_eq!(ask(&mut server, Discover, 3, None, at(7_205)), Some((Offer, FIRST)));
        assert_eq!(ask(&mut server, Request, 3, Some(FIRST), at(7_205)), Some((Ack, FIRST)));
        assert_eq!(ask(&mut server, Discover, 1, None, at(7_206)), None);
        let mut release = message(Release, 3, None);
        release[12..16].copy_from_slice(&FIRST.octets());
        server.receive(&release, at(7_207), &mut |_| {}).unwrap();
        assert_eq!(ask(&mut server, Discover, 1, None, at(7_208)), Some((Offer, FIRST)));
        ask(&mut server, Request, 1, Some(FIRST), at(7_208));
        ask(&mut server, Decline, 1, Some(FIRST), at(7_208));
        assert_eq!(ask(&mut server, Discover, 1, None, at(7_209)), None);
        // The one whose time ended first is lent first.
        assert_eq!(ask(&mut server, Discover, 1, None, at(7_809)), Some((Offer, second)));
        assert_eq!(ask(&mut server, Discover, 2, None, at(7_809)), Some((Offer, FIRST)));
    }

    #[test]
    fn a_silent_server_says_nothing() {
        let mut server = server(60);
        server.order(Dhcp::Silent);
        assert_eq!(ask(&mut server, DhcpMessageType::Discover, 1, None, at(0)), None);
        server.order(Dhcp::Answers);
        assert!(ask(&mut server, DhcpMessageType::Discover, 1, None, at(0)).is_some());
    }

    proptest! {
        #[test]
        fn no_message_makes_the_server_panic(
            changes in proptest::collection::vec((0_usize..260, any::<u8>()), 0..12),
            size in 0_usize..260,
        ) {
            let mut server = server(60);
            let mut bytes = message(DhcpMessageType::Discover, 1, Some(FIRST));
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            bytes.truncate(size);
            let _ = server.receive(&bytes, Instant::ZERO, &mut |_| {});
        }
    }
}
