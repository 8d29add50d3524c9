//! What a chip in download mode says of itself.

use std::fmt;

use serde::Deserialize;

/// An address of the Ethernet kind.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Mac(pub [u8; 6]);

/// EFUSE_BLK0_RDATA1 and 2, with the factory address.
///
/// Source: ESP32 Technical Reference Manual, eFuse Controller.
pub(in crate::bench) const EFUSE_MAC: [u32; 2] = [0x3ff5_a004, 0x3ff5_a008];

impl Mac {
    /// As the two registers of eFuses have it.
    pub fn of_efuse(low: u32, high: u32) -> Self {
        let ([h1, h0, ..], [l3, l2, l1, l0]) = (high.to_le_bytes(), low.to_le_bytes());
        Self([h0, h1, l0, l1, l2, l3])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Mac {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address such as 24:0a:c4:00:01:10");
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() { Err(wrong()) } else { Ok(Self(bytes)) }
    }
}

/// What a chip in download mode says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chip {
    /// Its factory address.
    pub mac: Mac,
    /// Manufacturer and device of its flash, as RDID gives them: manufacturer in the lowest byte.
    pub flash_id: u32,
    /// Bytes of its flash; nothing if the identification tells none.
    pub flash_size: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let read = |text: &str| Mac::try_from(text.to_owned());
        let mac = read("24:0A:c4-00:01:10").expect("it is one");
        assert_eq!(mac.to_string(), "24:0a:c4:00:01:10");
        for wrong in ["", "24:0a:c4:00:01", "24:0a:c4:00:01:10:ff", "24:0a:c4:00:01:1", "x"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
