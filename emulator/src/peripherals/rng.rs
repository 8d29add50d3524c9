//! Random number generator (RNG): a new word at each read of RNG_DATA, which is in the WDEV block.
//!
//! *Source*: ESP32 Technical Reference Manual, chapter "Random Number Generator (RNG)". The generator
//! is SplitMix64 (G. L. Steele et al., "Fast Splittable Pseudorandom Number Generators", 2014).
//!
//! *Modelled*: words that differ from read to read; reproducible, because they come from the seed.
//!
//! *Not modelled*: the noise sources; the quality does not depend on clocks or the radio.

/// The generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// Starts the sequence of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next word.
    pub const fn next_word(&mut self) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_sequences_of_distinct_words() {
        let words = |seed| {
            let mut rng = Rng::new(seed);
            std::iter::repeat_with(move || rng.next_word()).take(100).collect::<Vec<_>>()
        };
        assert_eq!(words(7), words(7));
        assert_ne!(words(7), words(8));
        let mut sorted = words(7);
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 100);
    }

    #[test]
    fn the_first_word_is_that_of_the_published_generator() {
        // SplitMix64 with seed 1234567 begins with 6457827717110365317.
        assert_eq!(Rng::new(1_234_567).next_word(), (6_457_827_717_110_365_317_u64 >> 32) as u32);
    }
}
