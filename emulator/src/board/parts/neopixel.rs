//! A row of WS2812B lamps: bits by the width of pulses, 24 for each lamp.
//!
//! Source: Worldsemi, "WS2812B intelligent control LED", for the times of a bit (high for 0.4 us or
//! 0.8 us, 0.15 us more or less), the pause of 50 us that lets the lamps take over what they have
//! received, and the order green, red, blue with the highest bit first.
//!
//! *Modelled*: the colours of all lamps of the row; what is sent beyond the last one is lost.
//!
//! *Not modelled*: its output for a further row.

use super::{Part, Shown};
use crate::time::{Duration, Instant};

/// Pulses that are longer are ones.
const BORDER: Duration = Duration::from_nanos(600);
const RESET: Duration = Duration::from_micros(50);

/// A row of lamps.
#[derive(Debug, Clone)]
pub struct NeoPixel {
    /// Red, green and blue of each lamp.
    colours: Vec<[u8; 3]>,
    /// Bits that have come since the last pause, and how many.
    received: Vec<u8>,
    bits: usize,
    /// When the level last changed, and to what.
    changed: Instant,
}

impl NeoPixel {
    /// A row of so many lamps, all dark.
    pub fn new(lamps: usize) -> Self {
        Self {
            colours: vec![[0; 3]; lamps],
            received: vec![0; 3 * lamps],
            bits: 0,
            changed: Instant::ZERO,
        }
    }

    /// The colours that the lamps take over after a pause: those of lamps that got all their bits.
    fn taken_over(&self) -> Vec<[u8; 3]> {
        let (received, _) = self.received.as_chunks::<3>();
        let mut colours = self.colours.clone();
        let whole = colours.iter_mut().zip(received).take(self.bits / 24);
        whole.for_each(|(colour, [green, red, blue])| *colour = [*red, *green, *blue]);
        colours
    }
}

impl Part for NeoPixel {
    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, _pin: usize, level: bool, now: Instant) {
        let span = now - self.changed;
        self.changed = now;
        if level {
            if span >= RESET {
                self.colours = self.taken_over();
                self.bits = 0;
            }
        } else if let Some(byte) = self.received.get_mut(self.bits / 8) {
            *byte = *byte << 1 | u8::from(span > BORDER);
            self.bits += 1;
        }
    }

    fn shown(&self, what: &str, now: Instant) -> Option<Shown> {
        let colours =
            if now - self.changed >= RESET { self.taken_over() } else { self.colours.clone() };
        (what == "pixels").then_some(Shown::Colours(colours))
    }

    fn power_off(&mut self) {
        *self = Self::new(self.colours.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(row: &mut NeoPixel, now: &mut Instant, bytes: &[u8]) {
        for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1 != 0)) {
            row.hear(0, true, *now);
            *now += Duration::from_nanos(if bit { 800 } else { 400 });
            row.hear(0, false, *now);
            *now += Duration::from_nanos(if bit { 450 } else { 850 });
        }
    }

    #[test]
    fn lamps_take_over_whole_colours_after_a_pause() {
        let mut row = NeoPixel::new(2);
        let mut now = Instant::ZERO + Duration::from_millis(1);
        send(&mut row, &mut now, &[1, 0xff, 3, 4, 5, 6, 7, 8, 9]);
        let dark = Some(Shown::Colours(vec![[0; 3]; 2]));
        assert_eq!(row.shown("pixels", now), dark, "no pause yet");
        now += RESET;
        let lit = Some(Shown::Colours(vec![[0xff, 1, 3], [5, 4, 6]]));
        assert_eq!(row.shown("pixels", now), lit, "what goes beyond the last one is lost");
        send(&mut row, &mut now, &[0x10, 0x20, 0x30, 0x40]);
        now += RESET;
        let first = Some(Shown::Colours(vec![[0x20, 0x10, 0x30], [5, 4, 6]]));
        assert_eq!(row.shown("pixels", now), first, "the second one got a part of its bits");
        row.power_off();
        assert_eq!(row.shown("pixels", now), dark);
    }

    #[test]
    fn a_row_without_lamps_hears_nothing() {
        let mut row = NeoPixel::new(0);
        let mut now = Instant::ZERO;
        send(&mut row, &mut now, &[1, 2, 3]);
        assert_eq!(row.shown("pixels", now + RESET), Some(Shown::Colours(Vec::new())));
    }
}
