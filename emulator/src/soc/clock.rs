//! Cycles of the CPU clock against device time.

use crate::peripherals::Clocks;
use crate::peripherals::rtc_cntl::SocClock;
use crate::time::{Duration, Hertz, Instant};

/// The relation of cycle numbers to instants since the last change of frequency.
#[derive(Debug, Clone, Copy)]
pub(super) struct CycleClock {
    epoch: Instant,
    epoch_cycle: u64,
    frequency: Hertz,
    /// Base ticks per cycle where that is a whole number.
    ticks: Option<u64>,
}

impl CycleClock {
    pub(super) fn new(frequency: Hertz) -> Self {
        Self { epoch: Instant::ZERO, epoch_cycle: 0, frequency, ticks: whole_ticks(frequency) }
    }

    /// From `cycle` on the clock runs at `frequency`.
    pub(super) fn change(&mut self, frequency: Hertz, cycle: u64) {
        if frequency != self.frequency {
            let ticks = whole_ticks(frequency);
            *self = Self { epoch: self.instant(cycle), epoch_cycle: cycle, frequency, ticks };
        }
    }

    /// The clock stood still for `pause` at `cycle` (light sleep).
    pub(super) fn pause(&mut self, cycle: u64, until: Instant) {
        *self = Self { epoch: until.max(self.instant(cycle)), epoch_cycle: cycle, ..*self };
    }

    /// When `cycle` begins.
    #[inline]
    pub(super) fn instant(&self, cycle: u64) -> Instant {
        let cycles = cycle.saturating_sub(self.epoch_cycle);
        match self.ticks {
            Some(ticks) => self.epoch + Duration::from_ticks(cycles * ticks),
            None => self.epoch + Duration::of_periods(cycles, self.frequency),
        }
    }

    /// The first cycle that begins at `instant` or later.
    pub(super) fn cycle_at(&self, instant: Instant) -> u64 {
        if instant == Instant::MAX {
            return u64::MAX;
        }
        let span = instant.saturating_since(self.epoch);
        let cycles = match self.ticks {
            Some(ticks) => span.ticks().div_ceil(ticks),
            None => {
                let down = span.periods(self.frequency);
                if Duration::of_periods(down, self.frequency) < span { down + 1 } else { down }
            }
        };
        self.epoch_cycle.saturating_add(cycles)
    }
}

fn whole_ticks(frequency: Hertz) -> Option<u64> {
    let second = crate::time::TICKS_PER_SECOND;
    second.is_multiple_of(frequency.hz()).then(|| second / frequency.hz())
}

/// The clock tree for what RTC_CNTL (`source`), DPORT (`period`) and APB_CTRL (which divides
/// `crystal` and `rc8m`) select.
///
/// Source: Technical Reference Manual, "Reset and Clock", tables for CPU_CLK and APB_CLK.
pub(super) fn clock_tree(source: SocClock, period: u32, crystal: Hertz, rc8m: Hertz) -> Clocks {
    let cpu = match source {
        SocClock::Xtal => crystal,
        SocClock::Pll => match period {
            0 => Hertz::mhz(80),
            1 => Hertz::mhz(160),
            _ => Hertz::mhz(240),
        },
        SocClock::Rc8m => rc8m,
        // No known firmware runs the CPU from the audio PLL; taken at half its 480 MHz.
        SocClock::Apll => Hertz::mhz(240),
    };
    let apb = match source {
        SocClock::Pll => Hertz::mhz(80),
        SocClock::Apll => cpu / 2,
        _ => cpu,
    };
    Clocks { cpu, apb, ..Clocks::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_and_instants_agree_at_every_frequency() {
        for mhz in [240, 160, 80, 40, 26, 20, 2] {
            let mut clock = CycleClock::new(Hertz::mhz(40));
            clock.change(Hertz::mhz(mhz), 12_345);
            for cycle in [12_345, 12_346, 99_999, 123_456_789] {
                assert_eq!(clock.cycle_at(clock.instant(cycle)), cycle, "{mhz} MHz");
                assert!(clock.instant(cycle) < clock.instant(cycle + 1));
            }
        }
    }

    #[test]
    fn a_change_of_frequency_leaves_the_present_where_it_is() {
        let mut clock = CycleClock::new(Hertz::mhz(40));
        let before = clock.instant(1_000);
        clock.change(Hertz::mhz(240), 1_000);
        assert_eq!(clock.instant(1_000), before);
        assert_eq!(clock.instant(1_240) - before, Duration::from_micros(1));
    }
}
