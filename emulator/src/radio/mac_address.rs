//! MAC address: six octets that name a station on the air or on the wire.
//!
//! Source: IEEE Std 802-2014, "Universal addresses", for the bit that marks a group.
//! Modelled: text form, group bit, order.
//! Not modelled: anything about who assigned it.

use std::fmt;
use std::str::FromStr;

/// An address, in the order in which its octets are sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddress(pub [u8; 6]);

/// Why a text is not a MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a MAC address has six pairs of hexadecimal digits with colons between, as in 02:11:22:33:44:55"
)]
pub struct MacAddressError;

impl MacAddress {
    /// Everybody.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether this names a group of stations; everybody is one.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddress {
    type Err = MacAddressError;

    fn from_str(text: &str) -> Result<Self, MacAddressError> {
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            let pair = pairs.next().ok_or(MacAddressError)?;
            if pair.len() != 2 || !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(MacAddressError);
            }
            *octet = u8::from_str_radix(pair, 16).map_err(|_| MacAddressError)?;
        }
        if pairs.next().is_some() { Err(MacAddressError) } else { Ok(Self(octets)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_is_written() {
        let address = MacAddress([0x02, 0x11, 0xab, 0xcd, 0xef, 0x00]);
        assert_eq!(address.to_string(), "02:11:ab:cd:ef:00");
        assert_eq!("02:11:AB:cd:ef:00".parse(), Ok(address));
    }

    #[test]
    fn a_text_that_is_no_address_is_refused() {
        for text in
            ["", "02:11:22:33:44", "02:11:22:33:44:55:66", "2:11:22:33:44:55", "+2:11:22:33:44:55"]
        {
            assert_eq!(text.parse::<MacAddress>(), Err(MacAddressError), "{text}");
        }
    }

    #[test]
    fn the_lowest_bit_of_the_first_octet_marks_a_group() {
        assert!(MacAddress::BROADCAST.is_multicast());
        assert!(MacAddress([0x01, 0, 0x5e, 0, 0, 0xfb]).is_multicast());
        assert!(!MacAddress([0x02, 0xff, 0xff, 0xff, 0xff, 0xff]).is_multicast());
    }
}
