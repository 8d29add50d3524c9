//! Page 0x3FF7_5000, WDEV: the clocks that 802.11 interfaces share with their networks (timing
//! synchronization function, TSF), and the random number generator.
//!
//! *Source*: no public manual, but for RNG_DATA (ESP32 Technical Reference Manual, chapter "Random
//! Number Generator"). What the driver of ESP-IDF does with the TSF registers was found by running
//! it; the function is that of IEEE Std 802.11-2020, "Synchronization".
//!
//! *Modelled*: a clock of microseconds for each of station, soft AP and NAN, loaded and latched by
//! bits of one control word. The driver of an access point computes from it when the next beacon is
//! due, and sends that like any frame.
//!
//! *Not modelled*: adoption of a beacon's time by the station's clock, interrupts of target beacon
//! transmission times, whatever else the enable words do; clocks run from reset on.

use super::rng::Rng;
use super::{Context, Peripheral, Stores, Unmodelled, stores};
use crate::time::Instant;

mod reg {
    /// Bits 2:0 latch, bits 8:6 load the clock of station, soft AP, NAN.
    pub(super) const CONTROL: u32 = 0x010;
    pub(super) const LOAD_SHIFT: usize = 6;
    /// What was latched, low word first.
    pub(super) const LATCHED: [u32; 3] = [0x014, 0x054, 0x090];
    /// What will be loaded, low word first.
    pub(super) const LOADED: [u32; 3] = [0x024, 0x060, 0x09c];
    pub(super) const RND_DATA: u32 = 0x144;
}

/// The clock of one interface.
#[derive(Debug, Clone, Copy, Default)]
struct Tsf {
    /// It had the value `from` then.
    since: Instant,
    from: u64,
    latched: u64,
    load: u64,
}

impl Tsf {
    fn at(&self, now: Instant) -> u64 {
        self.from.wrapping_add(now.saturating_since(self.since).as_micros())
    }
}

/// The block. No interrupt.
#[derive(Debug, Clone)]
pub struct Wdev {
    control: u32,
    clocks: [Tsf; 3],
    rng: Rng,
}

impl Wdev {
    /// Random words come from the seed.
    pub fn new(seed: u64) -> Self {
        Self { control: 0, clocks: Default::default(), rng: Rng::new(seed) }
    }
}

/// The clock whose pair of words begins at one of `pairs`, and how far the word's bits are shifted.
fn place(pairs: [u32; 3], offset: u32) -> Option<(usize, u32)> {
    pairs.iter().enumerate().find_map(|(n, first)| match offset.checked_sub(*first) {
        Some(0) => Some((n, 0)),
        Some(4) => Some((n, 32)),
        _ => None,
    })
}

impl Peripheral for Wdev {
    const NAME: &'static str = "WDEV";
    const STORES: &'static [Stores] = &[stores(0, 0xffc)];

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        if let Some((n, shift)) = place(reg::LATCHED, offset) {
            return Ok((self.clocks[n].latched >> shift) as u32);
        }
        if let Some((n, shift)) = place(reg::LOADED, offset) {
            return Ok((self.clocks[n].load >> shift) as u32);
        }
        match offset {
            reg::CONTROL => Ok(self.control),
            reg::RND_DATA => Ok(self.rng.next_word()),
            _ => Err(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        if let Some((n, shift)) = place(reg::LOADED, offset) {
            let load = &mut self.clocks[n].load;
            *load = *load & !(0xffff_ffff << shift) | u64::from(value) << shift;
            return Ok(());
        }
        match offset {
            reg::CONTROL => {
                for (n, clock) in self.clocks.iter_mut().enumerate() {
                    // Software loads by setting a bit, and never clears it.
                    if value >> (reg::LOAD_SHIFT + n) & 1 != 0 {
                        (clock.since, clock.from) = (cx.now, clock.load);
                    }
                    if value & !self.control & 1 << n != 0 {
                        clock.latched = clock.at(cx.now);
                    }
                }
                self.control = value & !(7 << reg::LOAD_SHIFT);
            }
            reg::RND_DATA => {}
            _ if place(reg::LATCHED, offset).is_some() => {}
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    /// A reset does not rewind what is random.
    fn reset(&mut self, cx: &Context) {
        self.control = 0;
        self.clocks = [Tsf { since: cx.now, ..Tsf::default() }; 3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::{Clocks, sweep::sweep};
    use crate::time::Duration;

    fn at(micros: u64) -> Context {
        Context::at(Instant::ZERO + Duration::from_micros(micros), Clocks::default())
    }

    /// The soft AP's clock as software reads it.
    fn soft_ap(wdev: &mut Wdev, micros: u64) -> u64 {
        let cx = at(micros);
        let control = wdev.read(reg::CONTROL, &cx).unwrap();
        wdev.write(reg::CONTROL, control | 2, &cx).unwrap();
        let [low, high] = [0x54, 0x58].map(|offset| wdev.read(offset, &cx).unwrap());
        wdev.write(reg::CONTROL, control & !2, &cx).unwrap();
        u64::from(high) << 32 | u64::from(low)
    }

    #[test]
    fn a_clock_counts_microseconds_from_what_was_loaded() {
        let mut wdev = Wdev::new(1);
        assert_eq!(soft_ap(&mut wdev, 1_000), 1_000);
        for (offset, value) in [(0x60, 0xffff_fff0), (0x64, 7), (reg::CONTROL, 1 << 7)] {
            wdev.write(offset, value, &at(2_000)).unwrap();
        }
        assert_eq!(soft_ap(&mut wdev, 2_000), 0x7_ffff_fff0);
        assert_eq!(soft_ap(&mut wdev, 2_016), 0x8_0000_0000);
        assert_eq!(soft_ap(&mut wdev, 102_400), 0x7_ffff_fff0 + 100_400, "it was loaded once");
    }

    #[test]
    fn what_was_latched_stays_while_the_clock_goes_on() {
        let mut wdev = Wdev::new(1);
        wdev.write(reg::CONTROL, 5, &at(30)).unwrap();
        wdev.write(reg::CONTROL, 5, &at(40)).unwrap();
        assert_eq!(wdev.read(0x14, &at(50)), Ok(30), "the station's");
        assert_eq!(wdev.read(0x90, &at(50)), Ok(30), "NAN's");
        assert_eq!(wdev.read(0x54, &at(50)), Ok(0), "nobody has latched the soft AP's");
    }

    #[test]
    fn a_reset_begins_the_clocks_anew_and_not_the_random_words() {
        let mut wdev = Wdev::new(1);
        let first = wdev.read(reg::RND_DATA, &at(0));
        wdev.reset(&at(500));
        assert_eq!(soft_ap(&mut wdev, 600), 100);
        assert_ne!(wdev.read(reg::RND_DATA, &at(600)), first);
    }

    #[test]
    fn no_access_panics() {
        sweep(&Wdev::new(1), 0x1000);
    }
}
