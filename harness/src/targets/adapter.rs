//! The serial adapter between a person's computer and an emulated board: its speed, and noise on
//! its wires.
//!
//! A frame is 8N1. Both ends sample the middle of their own bits, from the edge that begins a start
//! bit; so an adapter at another speed reads what a real one would read of a frame on an idle line.
//! Frames that follow each other without a pause are not told apart from those.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One adapter. Its random numbers follow from the seed alone: ChaCha is the same everywhere.
#[derive(Debug, Clone)]
pub(super) struct Adapter {
    /// Speed in baud; `None` follows the board, as a connection does that has no speed of its own.
    pub(super) baud: Option<u32>,
    /// Bytes of a million that get a wrong bit, in either direction.
    pub(super) noise_per_million: u32,
    /// What the computer sends is lost on the way.
    pub(super) board_is_deaf: bool,
    /// What the board sends is lost on the way.
    pub(super) computer_is_deaf: bool,
    random: ChaCha8Rng,
}

/// Halves of a bit, so that its middle is a whole number.
const HALVES: u64 = 2;
const DATA_BITS: u64 = 8;
const FRAME_BITS: u64 = 10;
const MILLION: u32 = 1_000_000;

impl Adapter {
    /// An adapter at 115200 baud without noise.
    pub(super) fn new(seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self {
            baud: Some(115_200),
            noise_per_million: 0,
            board_is_deaf: false,
            computer_is_deaf: false,
            random,
        }
    }

    /// What the computer reads of a byte that the board sends at `baud`.
    pub(super) fn hear(&mut self, byte: u8, baud: u32) -> Vec<u8> {
        if self.computer_is_deaf {
            return Vec::new();
        }
        let mut bytes = sampled(byte, baud, self.baud.unwrap_or(baud));
        bytes.iter_mut().for_each(|byte| *byte = self.noisy(*byte));
        bytes
    }

    /// What the board, which samples at `baud`, reads of a byte that the computer sends.
    pub(super) fn say(&mut self, byte: u8, baud: u32) -> Vec<u8> {
        if self.board_is_deaf {
            return Vec::new();
        }
        let byte = self.noisy(byte);
        sampled(byte, self.baud.unwrap_or(baud), baud)
    }

    fn noisy(&mut self, byte: u8) -> u8 {
        if self.noise_per_million == 0 || self.random.next_u32() % MILLION >= self.noise_per_million
        {
            return byte;
        }
        byte ^ 1 << (self.random.next_u32() % 8)
    }
}

/// What a receiver at `to` baud makes of one frame that is sent at `from` baud.
fn sampled(byte: u8, from: u32, to: u32) -> Vec<u8> {
    // One unit of time is 1 / (2 * from * to) of a second: both bits are whole numbers of it.
    let sent_bit = HALVES * u64::from(to).max(1);
    let read_bit = HALVES * u64::from(from).max(1);
    let level = |t: u64| match t / sent_bit {
        0 => false,
        n @ 1..=DATA_BITS => byte >> (n - 1) & 1 != 0,
        _ => true,
    };
    let end = FRAME_BITS * sent_bit;
    let next_bit = |t: u64| (t / sent_bit + 1) * sent_bit;
    let mut bytes = Vec::new();
    let mut t = 0;
    while t < end {
        let middle = t + read_bit / 2;
        if level(t) {
            t = next_bit(t);
        } else if level(middle) {
            t = middle; // too short for a start bit
        } else {
            let bit = |n: u64| u8::from(level(middle + (n + 1) * read_bit)) << n;
            bytes.push((0..DATA_BITS).fold(0, |value, n| value | bit(n)));
            t = middle + (DATA_BITS + 1) * read_bit;
            while t < end && !level(t) {
                t = next_bit(t);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_and_nearly_equal_speeds_read_every_byte_right() {
        for byte in 0..=255 {
            for to in [115_200, 111_000, 120_000] {
                assert_eq!(sampled(byte, 115_200, to), [byte], "{to}");
            }
        }
    }

    #[test]
    fn half_the_speed_makes_two_bytes_of_one_and_double_the_speed_another() {
        assert_eq!(sampled(0x55, 57_600, 115_200), [0x66, 0xe6]);
        assert_eq!(sampled(0, 230_400, 115_200), [0xf8]);
        assert!(
            sampled(b'U', 230_400, 115_200).is_empty(),
            "no bit is long enough for a start bit"
        );
    }

    #[test]
    fn noise_changes_about_the_share_asked_for_and_the_same_bytes_for_the_same_seed() {
        let read = |seed| {
            let mut adapter = Adapter::new(seed);
            adapter.noise_per_million = 100_000;
            (0..10_000).flat_map(|_| adapter.hear(0, 115_200)).collect::<Vec<u8>>()
        };
        let bytes = read(7);
        let wrong = bytes.iter().filter(|byte| **byte != 0).count();
        assert!((900..1_100).contains(&wrong), "{wrong} of 10000");
        assert!(bytes.iter().all(|byte| byte.count_ones() <= 1));
        assert_eq!(bytes, read(7));
        assert_ne!(bytes, read(8));
    }
}
