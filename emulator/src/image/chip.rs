//! Which chip of the family an image was built for.
//!
//! Source: ESP-IDF, `bootloader_support/include/esp_app_format.h` (`esp_chip_id_t`); esptool
//! documentation, "Firmware Image Format", for the ESP8266; ESP32 Technical Reference Manual,
//! chapter "System and Memory", for the address ranges.
//! Modelled: the names behind the chip id of an image header, and the kinds of memory that an
//! ESP32 load address can mean.
//! Not modelled: the address ranges of the other chips, beyond telling an ESP8266 apart.

use std::fmt;

/// A chip that an ESP image can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Chip {
    /// ESP32: the chip that this crate is.
    Esp32,
    /// ESP8266; recognised by its shape, since its header has no chip id.
    Esp8266,
    /// ESP32-S2.
    Esp32S2,
    /// ESP32-S3.
    Esp32S3,
    /// ESP32-C2.
    Esp32C2,
    /// ESP32-C3.
    Esp32C3,
    /// ESP32-C5.
    Esp32C5,
    /// ESP32-C6.
    Esp32C6,
    /// ESP32-C61.
    Esp32C61,
    /// ESP32-H2.
    Esp32H2,
    /// ESP32-H21.
    Esp32H21,
    /// ESP32-H4.
    Esp32H4,
    /// ESP32-P4.
    Esp32P4,
    /// A number that is not in the published list.
    Unknown(u16),
}

impl Chip {
    /// The chip that the `chip_id` field of an image header names.
    #[must_use]
    pub fn from_id(id: u16) -> Self {
        match id {
            0x00 => Self::Esp32,
            0x02 => Self::Esp32S2,
            0x05 => Self::Esp32C3,
            0x09 => Self::Esp32S3,
            0x0c => Self::Esp32C2,
            0x0d => Self::Esp32C6,
            0x10 => Self::Esp32H2,
            0x12 => Self::Esp32P4,
            0x14 => Self::Esp32C61,
            0x17 => Self::Esp32C5,
            0x19 => Self::Esp32H21,
            0x1c => Self::Esp32H4,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Esp32 => "ESP32",
            Self::Esp8266 => "ESP8266",
            Self::Esp32S2 => "ESP32-S2",
            Self::Esp32S3 => "ESP32-S3",
            Self::Esp32C2 => "ESP32-C2",
            Self::Esp32C3 => "ESP32-C3",
            Self::Esp32C5 => "ESP32-C5",
            Self::Esp32C6 => "ESP32-C6",
            Self::Esp32C61 => "ESP32-C61",
            Self::Esp32H2 => "ESP32-H2",
            Self::Esp32H21 => "ESP32-H21",
            Self::Esp32H4 => "ESP32-H4",
            Self::Esp32P4 => "ESP32-P4",
            Self::Unknown(id) => return write!(f, "unknown chip (id {id:#06x})"),
        };
        f.write_str(name)
    }
}

/// What a load address of an ESP32 image means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoadRegion {
    /// Load address 0: bytes that only fill a gap, loaded nowhere.
    Padding,
    /// Constants read through the data bus from flash (3F40_0000 to 3F7F_FFFF).
    Drom,
    /// External RAM (3F80_0000 to 3FBF_FFFF).
    ExternalRam,
    /// RTC fast memory on the data bus (3FF8_0000, 8 KiB).
    RtcFastData,
    /// Internal RAM on the data bus (3FFA_E000 to 3FFF_FFFF).
    Dram,
    /// Internal RAM on the instruction bus (4007_0000 to 400B_FFFF).
    Iram,
    /// RTC fast memory on the instruction bus (400C_0000, 8 KiB).
    RtcFastCode,
    /// Code executed from flash (400C_2000 to 40BF_FFFF).
    Irom,
    /// RTC slow memory (5000_0000, 8 KiB).
    RtcSlow,
}

impl LoadRegion {
    /// The region that `address` lies in, or `None` where an ESP32 has nothing to load into.
    #[must_use]
    pub fn of(address: u32) -> Option<Self> {
        Some(match address {
            0 => Self::Padding,
            0x3f40_0000..=0x3f7f_ffff => Self::Drom,
            0x3f80_0000..=0x3fbf_ffff => Self::ExternalRam,
            0x3ff8_0000..=0x3ff8_1fff => Self::RtcFastData,
            0x3ffa_e000..=0x3fff_ffff => Self::Dram,
            0x4007_0000..=0x400b_ffff => Self::Iram,
            0x400c_0000..=0x400c_1fff => Self::RtcFastCode,
            0x400c_2000..=0x40bf_ffff => Self::Irom,
            0x5000_0000..=0x5000_1fff => Self::RtcSlow,
            _ => return None,
        })
    }

    /// Whether the bytes stay in flash and are seen through the cache, so that their place in the
    /// file must agree with their address within a 64 KiB page.
    #[must_use]
    pub fn is_flash_mapped(self) -> bool {
        matches!(self, Self::Drom | Self::Irom)
    }

    /// Whether `[address, address + length)` ends in the region that it starts in.
    #[must_use]
    pub fn holds(self, address: u32, length: usize) -> bool {
        if self == Self::Padding || length == 0 {
            return true;
        }
        let last = u32::try_from(length - 1).ok().and_then(|more| address.checked_add(more));
        last.and_then(Self::of) == Some(self)
    }
}

/// Whether an address lies where an ESP8266 keeps code that its ROM loads (4010_0000, 32 KiB; an
/// ESP32 has flash-mapped code there, which its ROM cannot load before the cache is on).
pub(super) fn is_esp8266_iram(address: u32) -> bool {
    (0x4010_0000..0x4010_8000).contains(&address)
}

/// Whether an address lies in RAM that an ESP8266's ROM loads into.
pub(super) fn is_esp8266_ram(address: u32) -> bool {
    is_esp8266_iram(address) || (0x3ffe_8000..0x4000_0000).contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_holds_only_what_ends_in_it() {
        assert!(LoadRegion::Drom.holds(0x3f40_0020, 0x1000));
        assert!(LoadRegion::RtcSlow.holds(0x5000_0000, 0x2000));
        assert!(!LoadRegion::RtcSlow.holds(0x5000_0000, 0x2001));
        assert!(!LoadRegion::Irom.holds(0x400d_0000, usize::MAX));
        assert_eq!(LoadRegion::of(0x4200_0000), None); // an ESP32-S3's code
    }

    #[test]
    fn an_unlisted_chip_id_is_shown_as_a_number() {
        assert_eq!(Chip::from_id(9).to_string(), "ESP32-S3");
        assert_eq!(Chip::from_id(0x77).to_string(), "unknown chip (id 0x0077)");
    }
}
