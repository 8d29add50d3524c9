//! Rates: the codes of the receive header and of PLCP1, and how long a frame takes at each.
//!
//! *Source*: codes as the driver uses them, measured; durations from IEEE 802.11-2016, clauses 15
//! (DSSS), 16 (HR/DSSS), 17 (OFDM) and 19 (HT), with the long preamble and the 800 ns guard
//! interval where a code does not say otherwise.

use crate::time::Duration;

/// A rate code of the MAC, 0 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u8);

/// How fast a rate is, as captures say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// DSSS or OFDM: units of 500 kbit/s.
    Legacy(u8),
    /// HT.
    Ht {
        /// The index of the modulation and coding scheme, 0 to 7.
        mcs: u8,
        /// The guard interval is 400 ns, not 800.
        short_guard: bool,
    },
}

/// How a code is modulated: what its duration is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Modulation {
    /// Hundreds of kbit/s.
    Dsss { kbps: u64, short_preamble: bool },
    /// Data bits of a 4 µs symbol.
    Ofdm { bits: u64 },
    /// Data bits of a symbol, which is 4 µs or, with the short guard interval, 3.6 µs.
    Ht { bits: u64, short_guard: bool },
}

impl Rate {
    /// 1 Mbit/s: management frames.
    pub const MBPS_1: Self = Self(0);
    /// 6 Mbit/s OFDM.
    pub const MBPS_6: Self = Self(0xb);
    /// 54 Mbit/s OFDM.
    pub const MBPS_54: Self = Self(0xc);

    /// The rate of a code; its upper bits say other things.
    pub const fn from_code(code: u32) -> Self {
        Self((code & 0x1f) as u8)
    }

    /// The code.
    pub const fn code(self) -> u32 {
        self.0 as u32
    }

    fn modulation(self) -> Modulation {
        const DSSS: [u64; 4] = [1_000, 2_000, 5_500, 11_000];
        const OFDM: [u64; 8] = [192, 96, 48, 24, 216, 144, 72, 36];
        const HT: [u64; 8] = [26, 52, 78, 104, 156, 208, 234, 260];
        let n = usize::from(self.0 & 7);
        match self.0 {
            0..8 => Modulation::Dsss { kbps: DSSS[n & 3], short_preamble: n >= 4 },
            8..16 => Modulation::Ofdm { bits: OFDM[n] },
            _ => Modulation::Ht { bits: HT[n], short_guard: self.0 >= 24 },
        }
    }

    /// How fast it is.
    pub fn speed(self) -> Speed {
        match self.modulation() {
            Modulation::Dsss { kbps, .. } => Speed::Legacy((kbps / 500) as u8),
            // A symbol of 4 µs carries two bits for each 500 kbit/s.
            Modulation::Ofdm { bits } => Speed::Legacy((bits / 2) as u8),
            Modulation::Ht { short_guard, .. } => Speed::Ht { mcs: self.0 & 7, short_guard },
        }
    }

    /// How long a frame of `octets`, with its FCS, is on the air.
    pub fn duration(self, octets: usize) -> Duration {
        let bits = 8 * octets as u64;
        // SERVICE and tail bits of OFDM.
        let coded = bits + 16 + 6;
        Duration::from_nanos(match self.modulation() {
            Modulation::Dsss { kbps, short_preamble } => {
                let preamble = if short_preamble { 96_000 } else { 192_000 };
                preamble + (bits * 1_000_000).div_ceil(kbps)
            }
            Modulation::Ofdm { bits } => 20_000 + 4_000 * coded.div_ceil(bits),
            Modulation::Ht { bits, short_guard } => {
                let symbol = if short_guard { 3_600 } else { 4_000 };
                36_000 + symbol * coded.div_ceil(bits)
            }
        })
    }

    /// How long the acknowledgement of a frame at this rate takes, with the gap before it.
    pub fn acknowledgement(self) -> Duration {
        const ACK: usize = 14;
        self.response(ACK)
    }

    /// The same of a block acknowledgement with a compressed bitmap.
    pub fn block_acknowledgement(self) -> Duration {
        const BLOCK_ACK: usize = 32;
        self.response(BLOCK_ACK)
    }

    fn response(self, octets: usize) -> Duration {
        const SIFS: Duration = Duration::from_micros(10);
        let mandatory = match self.modulation() {
            Modulation::Dsss { .. } => Self::MBPS_1,
            Modulation::Ofdm { .. } | Modulation::Ht { .. } => Self::MBPS_6,
        };
        SIFS + mandatory.duration(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_told_by_its_speed_or_its_scheme() {
        let speed = |code| Rate::from_code(code).speed();
        assert_eq!((speed(0), speed(6)), (Speed::Legacy(2), Speed::Legacy(11)), "1, 5.5 Mbit/s");
        assert_eq!((speed(0xb), speed(0xc)), (Speed::Legacy(12), Speed::Legacy(108)), "6, 54");
        assert_eq!(speed(0x1f), Speed::Ht { mcs: 7, short_guard: true });
    }

    #[test]
    fn a_frame_takes_its_preamble_and_its_bits() {
        let micros = |code, octets| Rate::from_code(code).duration(octets).ticks() / 480;
        assert_eq!(micros(0, 100), 192 + 800, "1 Mbit/s");
        assert_eq!(micros(7, 110), 96 + 80, "11 Mbit/s, short preamble");
        assert_eq!(micros(0xb, 14), 20 + 4 * 6, "6 Mbit/s: 134 bits in symbols of 24");
        assert_eq!(micros(0xc, 1500), 20 + 4 * 56, "54 Mbit/s: 12022 bits in symbols of 216");
        assert_eq!(micros(0x17, 1500), 36 + 4 * 47, "MCS7");
        assert_eq!(micros(0x1f, 1000), 36 + 111, "MCS7, short guard interval: 31 symbols");
    }
}
