//! Autobaud detection of a UART: pulse widths and edges on the receive line.
//!
//! *Source*: ESP32 Technical Reference Manual, chapter "UART Controller"; ESP-IDF
//! `soc/uart_struct.h`.
//!
//! *Modelled*: shortest low and high pulse, shortest distance of rising and of falling edges, number
//! of edges.
//!
//! *Not modelled*: the glitch filter; pulses that reach across frames.

/// Value of a width that was not measured yet.
const WIDTH_MAX: u32 = 0xf_ffff;
const EDGES_MAX: u32 = 0x3ff;

/// What has been seen since detection was enabled. Widths in cycles of the source clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pulses {
    /// Shortest low pulse.
    pub(super) low: u32,
    /// Shortest high pulse.
    pub(super) high: u32,
    /// Shortest distance of two rising edges.
    pub(super) rising: u32,
    /// Shortest distance of two falling edges.
    pub(super) falling: u32,
    /// Edges, at most 1023.
    pub(super) edges: u32,
}

impl Default for Pulses {
    fn default() -> Self {
        Self { low: WIDTH_MAX, high: WIDTH_MAX, rising: WIDTH_MAX, falling: WIDTH_MAX, edges: 0 }
    }
}

/// Shortens a width to the bits between `since` and `now`, if there was a `since`.
fn shorten(width: &mut u32, since: Option<u32>, now: u32, cycles: impl Fn(u32) -> u32) {
    if let Some(since) = since {
        *width = (*width).min(cycles(now - since));
    }
}

impl Pulses {
    /// Adds a frame of `data_bits` (5 to 8) with a start and a stop bit; `divider` is the bit time
    /// in sixteenths of a cycle.
    pub(super) fn measure(&mut self, byte: u8, data_bits: u32, divider: u64) {
        let cycles = |bits: u32| {
            u32::try_from(u64::from(bits) * divider / 16).unwrap_or(WIDTH_MAX).min(WIDTH_MAX)
        };
        // From the start bit, which is low, to the stop bit, which is high.
        let bits = (u32::from(byte) << 1) | (1 << (data_bits + 1));
        let (mut level, mut fell, mut rose) = (true, None, None);
        for now in 0..data_bits + 2 {
            let bit = bits & (1 << now) != 0;
            if bit == level {
                continue;
            }
            level = bit;
            self.edges = (self.edges + 1).min(EDGES_MAX);
            if bit {
                shorten(&mut self.low, fell, now, cycles);
                shorten(&mut self.rising, rose, now, cycles);
                rose = Some(now);
            } else {
                shorten(&mut self.high, rose, now, cycles);
                shorten(&mut self.falling, fell, now, cycles);
                fell = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternating_bits_show_the_bit_time() {
        let mut pulses = Pulses::default();
        pulses.measure(0x55, 8, 16 * 694 + 7);
        assert_eq!((pulses.low, pulses.high, pulses.edges), (694, 694, 10));
        assert_eq!((pulses.rising, pulses.falling), (1388, 1388));
    }

    #[test]
    fn a_byte_of_zeros_has_one_long_low_pulse() {
        let mut pulses = Pulses::default();
        pulses.measure(0, 8, 1600);
        assert_eq!((pulses.low, pulses.high, pulses.edges), (900, WIDTH_MAX, 2));
    }
}
