//! Rates of IEEE 802.11b and g, and how long a frame occupies the air.
//!
//! Source: IEEE Std 802.11-2020, "HR/DSSS PPDU format" (long preamble: 192 µs), "OFDM PHY: TXTIME
//! calculation" with the signal extension of "ERP PHY", "SIFS", "DIFS".
//! Modelled: duration of one frame, of the gap before it and of its acknowledgement.
//! Not modelled: backoff, RTS and CTS, short preambles, HT.

use crate::time::Duration;

/// How fast a frame's body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the rates, in Mbit/s")]
pub enum Rate {
    Mbps1,
    Mbps2,
    Mbps5_5,
    Mbps11,
    Mbps6,
    Mbps9,
    Mbps12,
    Mbps18,
    Mbps24,
    Mbps36,
    Mbps48,
    Mbps54,
}

/// Preamble and header of a DSSS frame, sent at 1 Mbit/s.
const DSSS_PREAMBLE_US: u64 = 192;
/// Preamble and SIGNAL field of an OFDM frame (20 µs) and the signal extension behind it (6 µs).
const OFDM_PREAMBLE_US: u64 = 26;
/// SERVICE and tail bits that go with an OFDM frame's octets.
const OFDM_EXTRA_BITS: u64 = 16 + 6;
const OFDM_SYMBOL_US: u64 = 4;
const SIFS_US: u64 = 10;
const DIFS_US: u64 = 50;
const ACK_LEN: usize = 14;

/// What management frames are sent with: everybody must understand them.
pub(super) const MANAGEMENT_RATE: Rate = Rate::Mbps1;
/// What data for all are sent with: the fastest rate that every station must know.
pub(super) const MULTICAST_RATE: Rate = Rate::Mbps11;
/// What data for one station are sent with.
pub(super) const DATA_RATE: Rate = Rate::Mbps54;

impl Rate {
    /// In units of 500 kbit/s, as in the Supported Rates element.
    pub const fn units(self) -> u8 {
        match self {
            Self::Mbps1 => 2,
            Self::Mbps2 => 4,
            Self::Mbps5_5 => 11,
            Self::Mbps11 => 22,
            Self::Mbps6 => 12,
            Self::Mbps9 => 18,
            Self::Mbps12 => 24,
            Self::Mbps18 => 36,
            Self::Mbps24 => 48,
            Self::Mbps36 => 72,
            Self::Mbps48 => 96,
            Self::Mbps54 => 108,
        }
    }

    const fn is_dsss(self) -> bool {
        matches!(self, Self::Mbps1 | Self::Mbps2 | Self::Mbps5_5 | Self::Mbps11)
    }

    /// Microseconds on the air of `len` octets, frame check sequence included.
    const fn micros(self, len: usize) -> u64 {
        let units = self.units() as u64;
        let bits = 8 * len as u64;
        if self.is_dsss() {
            DSSS_PREAMBLE_US + (2 * bits).div_ceil(units)
        } else {
            // A symbol of 4 µs carries two bits for each 500 kbit/s.
            OFDM_PREAMBLE_US + OFDM_SYMBOL_US * (bits + OFDM_EXTRA_BITS).div_ceil(2 * units)
        }
    }

    /// From the first to the last bit of a frame of `len` octets, frame check sequence included.
    pub const fn air_time(self, len: usize) -> Duration {
        Duration::from_micros(self.micros(len))
    }

    /// From the end of a frame at this rate to the earliest start of the next one: its
    /// acknowledgement, and the gap in which others could begin.
    pub const fn recovery(self) -> Duration {
        let ack = if self.is_dsss() { Self::Mbps1 } else { Self::Mbps24 };
        Duration::from_micros(SIFS_US + ack.micros(ACK_LEN) + DIFS_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn air_times_are_those_of_the_standards_formulas() {
        assert_eq!(Rate::Mbps1.air_time(100), Duration::from_micros(192 + 800));
        assert_eq!(Rate::Mbps11.air_time(1024), Duration::from_micros(192 + 745));
        // 12 310 bits in symbols of 216.
        assert_eq!(Rate::Mbps54.air_time(1536), Duration::from_micros(26 + 4 * 57));
        assert_eq!(Rate::Mbps6.air_time(14), Duration::from_micros(26 + 4 * 6));
    }
}
