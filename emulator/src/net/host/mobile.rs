//! A host that is behind a station of its own: which addresses it has, and since when.

use std::net::{IpAddr, Ipv4Addr};

use smoltcp::iface::{Interface, SocketHandle};
use smoltcp::socket::dhcpv4;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv6Address};

use super::Host;
use crate::net::event::{NetEvent, NetEventKind};
use crate::net::order::Link;
use crate::time::Instant;

/// How a mobile host is connected.
pub(super) struct Mobile {
    /// The address that it was given; none: it asks for one.
    pub(super) own: Option<(Ipv4Addr, u8)>,
    pub(super) link: Link,
    /// Asks for an address while the link is up.
    pub(super) dhcp: Option<SocketHandle>,
}

impl Host {
    /// Whether it is a mobile host whose station has joined a network.
    pub(in crate::net) fn is_joined(&self) -> bool {
        self.mobile.as_ref().is_some_and(|mobile| mobile.link == Link::Up)
    }

    /// The station of a mobile host has joined a network, or has left it.
    pub(in crate::net) fn set_link(&mut self, link: Link, at: Instant, events: &mut Vec<NetEvent>) {
        let hardware = EthernetAddress(self.mac.0);
        let Some(mobile) = self.mobile.as_mut().filter(|mobile| mobile.link != link) else {
            return;
        };
        mobile.link = link;
        if let Some(dhcp) = mobile.dhcp.take() {
            self.sockets.remove(dhcp);
        }
        let address = match (link, mobile.own) {
            (Link::Up, Some(own)) => Some((own, None)),
            (Link::Up, None) => {
                mobile.dhcp = Some(self.sockets.add(dhcpv4::Socket::new()));
                None
            }
            (Link::Down, _) => None,
        };
        set_addresses(&mut self.stack, hardware, None);
        self.configure(address, None, at, events);
    }

    /// Gives a mobile host an address, with who has lent it, or none.
    fn configure(
        &mut self,
        address: Option<((Ipv4Addr, u8), Option<Ipv4Addr>)>,
        router: Option<Ipv4Addr>,
        at: Instant,
        events: &mut Vec<NetEvent>,
    ) {
        let host = self.name.clone();
        let kind = match address {
            Some((address, server)) => NetEventKind::Configured { host, address, server },
            None if self.address.is_unspecified() => return,
            None => NetEventKind::Deconfigured { host },
        };
        let own = address.map(|(own, _)| own);
        set_addresses(&mut self.stack, EthernetAddress(self.mac.0), own);
        self.address = own.map_or(Ipv4Addr::UNSPECIFIED, |(address, _)| address);
        self.stack.routes_mut().remove_default_ipv4_route();
        if let Some(router) = router.filter(|router| is_unicast(*router)) {
            // There is room for one.
            let _ = self.stack.routes_mut().add_default_ipv4_route(router);
        }
        events.push(NetEvent { at, kind });
    }

    /// Takes what the DHCP client has found. True if that may give the stack something to do.
    pub(super) fn follow_dhcp(&mut self, at: Instant, events: &mut Vec<NetEvent>) -> bool {
        let Some(dhcp) = self.mobile.as_ref().and_then(|mobile| mobile.dhcp) else { return false };
        let (address, router) = match self.sockets.get_mut::<dhcpv4::Socket<'_>>(dhcp).poll() {
            None => return false,
            Some(dhcpv4::Event::Configured(found)) if is_unicast(found.address.address()) => {
                let own = (found.address.address(), found.address.prefix_len());
                (Some((own, Some(found.server.address))), found.router)
            }
            // No address, or one that no computer can have.
            Some(_) => (None, None),
        };
        self.configure(address, router, at, events);
        true
    }
}

/// A computer's addresses: its own, if it has one, and that of the link.
pub(super) fn set_addresses(
    stack: &mut Interface,
    hardware: EthernetAddress,
    own: Option<(Ipv4Addr, u8)>,
) {
    stack.update_ip_addrs(|addresses| {
        let own = own.map(|(own, prefix)| IpCidr::new(IpAddr::V4(own).into(), prefix));
        let local = IpCidr::new(IpAddr::V6(link_local(hardware)).into(), 64);
        addresses.clear();
        // There is room for two.
        addresses.extend(own.into_iter().chain([local]).take(2));
    });
}

/// Whether a computer can have an address.
fn is_unicast(address: Ipv4Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()
}

fn link_local(hardware: EthernetAddress) -> Ipv6Address {
    let [a, b, c, d, e, f] = hardware.0;
    let word = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Address::new(0xfe80, 0, 0, 0, word(a ^ 2, b), word(c, 0xff), word(0xfe, d), word(e, f))
}
