//! Which of the MAC's interfaces a received frame is for: station, soft AP, NAN, sniffer.
//!
//! *Source*: register roles from the open MAC projects' descriptions; which bits a driver needs,
//! and in which state it sets them, was found by running it.
//!
//! *Modelled*: receiver address, BSSID check of multicast, the bits that a scan sets, the sniffer's
//! switch. Of control frames only those reach the driver that the sniffer lets through.
//!
//! *Not modelled*: the pass masks of control frames, subtle cases of the sniffer.

/// Interfaces of the MAC.
pub(super) const INTERFACES: usize = 4;
const SNIFFER: usize = 3;

/// Bits of the filter control word.
mod control {
    /// Drop multicast whose BSSID is another one, from a join on.
    pub(super) const CHECK_BSSID: u32 = 1 << 1 | 1 << 2;
    /// Scanning: beacons and probe responses of everybody, and other frames too.
    pub(super) const SCAN: u32 = 1 << 4 | 1 << 8;
    /// The sniffer is on.
    pub(super) const SNIFF: u32 = 1 << 15;
}

/// Bit 16 of the upper mask words: the filter is in use.
const ENABLED: u32 = 1 << 16;

/// An address of six octets in two registers, the first octet lowest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) low: u32,
    pub(super) high: u32,
}

impl Pair {
    fn value(self) -> u64 {
        u64::from(self.low) | u64::from(self.high & 0xffff) << 32
    }

    fn of(address: [u8; 6]) -> u64 {
        address.iter().rev().fold(0, |value, &octet| value << 8 | u64::from(octet))
    }
}

/// An address and which of its bits count.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AddressFilter {
    pub(super) address: Pair,
    pub(super) mask: Pair,
}

impl AddressFilter {
    fn enabled(&self) -> bool {
        self.mask.high & ENABLED != 0
    }

    fn matches(&self, address: [u8; 6]) -> bool {
        (Pair::of(address) ^ self.address.value()) & self.mask.value() == 0
    }
}

/// The filters of one interface.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Interface {
    /// The network that it belongs to, or its own address while it belongs to none.
    pub(super) bssid: AddressFilter,
    /// Its own address.
    pub(super) own: AddressFilter,
    pub(super) control: u32,
}

/// What the filters look at in a frame.
#[derive(Debug, Clone, Copy)]
struct Header {
    receiver: [u8; 6],
    bssid: Option<[u8; 6]>,
    management: bool,
}

impl Header {
    fn of(frame: &[u8]) -> Option<Self> {
        let address = |n: usize| frame.get(4 + 6 * n..)?.first_chunk::<6>().copied();
        let [kind, direction, ..] = *frame else { return None };
        let receiver = address(0)?;
        let bssid = match direction & 3 {
            0 => address(2),
            1 => address(0),
            2 => address(1),
            _ => None,
        };
        Some(Self { receiver, bssid, management: kind & 0xc == 0 })
    }
}

fn is_multicast(address: [u8; 6]) -> bool {
    address[0] & 1 != 0
}

impl Interface {
    fn passes(&self, header: Header) -> bool {
        if !self.own.enabled() {
            return false;
        }
        if !is_multicast(header.receiver) {
            return self.own.matches(header.receiver);
        }
        let foreign = header.bssid.is_some_and(|bssid| {
            let ours = self.bssid.enabled() && self.bssid.matches(bssid);
            !ours && !is_multicast(bssid)
        });
        let scanning = self.control & control::SCAN != 0 && header.management;
        !foreign || scanning || self.control & control::CHECK_BSSID == 0
    }
}

/// The interfaces for which a frame has passed, one bit each; 0: nobody wants it.
pub(super) fn passed(interfaces: &[Interface; INTERFACES], frame: &[u8]) -> u32 {
    let Some(header) = Header::of(frame) else { return 0 };
    let sniffs = interfaces[SNIFFER].control & control::SNIFF != 0;
    let wanted = interfaces.iter().enumerate().take(SNIFFER);
    wanted
        .filter(|(_, it)| it.passes(header))
        .fold(u32::from(sniffs) << SNIFFER, |bits, (n, _)| bits | 1 << n)
}

/// Whether a frame is addressed to one of the interfaces alone, which then acknowledges it.
pub(super) fn is_own(interfaces: &[Interface; INTERFACES], frame: &[u8]) -> bool {
    let is_for = |receiver| {
        let is_it = |it: &Interface| it.own.enabled() && it.own.matches(receiver);
        interfaces.iter().take(SNIFFER).any(is_it)
    };
    Header::of(frame).is_some_and(|it| !is_multicast(it.receiver) && is_for(it.receiver))
}

/// Whether a frame is for one station, which then acknowledges it.
pub(super) fn is_unicast(frame: &[u8]) -> bool {
    Header::of(frame).is_some_and(|header| !is_multicast(header.receiver))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [u8; 6] = [0x24, 0x0a, 0xc4, 0, 1, 0x10];
    const AP: [u8; 6] = [2, 0x11, 0x22, 0x33, 0x44, 0x51];
    const OTHER_AP: [u8; 6] = [2, 0x11, 0x22, 0x33, 0x44, 0x52];
    const EVERYBODY: [u8; 6] = [0xff; 6];

    fn filter(address: [u8; 6]) -> AddressFilter {
        let [a, b, c, d, e, f] = address.map(u32::from);
        let address = Pair { low: a | b << 8 | c << 16 | d << 24, high: e | f << 8 };
        AddressFilter { address, mask: Pair { low: u32::MAX, high: 0x1ffff } }
    }

    fn station(bssid: [u8; 6], control: u32) -> [Interface; INTERFACES] {
        let mut interfaces = [Interface::default(); INTERFACES];
        interfaces[0] = Interface { bssid: filter(bssid), own: filter(OWN), control };
        interfaces
    }

    fn frame(kind: u8, direction: u8, addresses: [[u8; 6]; 3]) -> Vec<u8> {
        let mut frame = vec![kind, direction, 0, 0];
        frame.extend(addresses.as_flattened());
        frame.extend([0, 0]);
        frame
    }

    #[test]
    fn what_is_for_the_station_passes_and_what_is_for_its_neighbour_does_not() {
        let interfaces = station(AP, 0x47);
        assert_eq!(passed(&interfaces, &frame(0x08, 2, [OWN, AP, AP])), 1);
        assert_eq!(passed(&interfaces, &frame(0x08, 2, [AP, AP, AP])), 0);
    }

    #[test]
    fn a_joined_station_hears_multicast_of_its_own_network_only() {
        let interfaces = station(AP, 0x47);
        assert_eq!(passed(&interfaces, &frame(0x80, 0, [EVERYBODY, AP, AP])), 1);
        assert_eq!(passed(&interfaces, &frame(0x80, 0, [EVERYBODY, OTHER_AP, OTHER_AP])), 0);
        assert_eq!(passed(&interfaces, &frame(0x08, 2, [EVERYBODY, OTHER_AP, OTHER_AP])), 0);
    }

    #[test]
    fn a_scan_hears_the_beacons_of_all() {
        let interfaces = station(AP, 0x157);
        assert_eq!(passed(&interfaces, &frame(0x80, 0, [EVERYBODY, OTHER_AP, OTHER_AP])), 1);
        assert_eq!(passed(&interfaces, &frame(0x08, 2, [EVERYBODY, OTHER_AP, OTHER_AP])), 0);
    }

    #[test]
    fn the_sniffer_gets_what_nobody_else_wants() {
        let mut interfaces = station(AP, 0x47);
        interfaces[SNIFFER].control = control::SNIFF;
        assert_eq!(passed(&interfaces, &frame(0x08, 2, [AP, OWN, AP])), 8);
        assert_eq!(passed(&interfaces, &frame(0x08, 2, [OWN, AP, AP])), 9);
    }

    #[test]
    fn an_interface_that_is_off_hears_nothing() {
        let interfaces = [Interface::default(); INTERFACES];
        assert_eq!(passed(&interfaces, &frame(0x08, 2, [OWN, AP, AP])), 0);
        assert_eq!(passed(&interfaces, &[0x80, 0]), 0, "no frame at all");
    }
}
