//! Legacy timers FRC1 and FRC2, which ESP-IDF 3.x uses as time base.
//!
//! *Source*: ESP-IDF `soc/frc_timer_reg.h` for registers and fields; the behaviour that
//! `esp_timer_esp32.c` of ESP-IDF 3.3 describes and depends on. The Technical Reference Manual does
//! not describe them.
//!
//! *Modelled*: FRC1, 23 bits, counts down from LOAD to 0, there raises its interrupt, and starts
//! again from LOAD (AUTOLOAD) or from all ones. FRC2, 32 bits, counts up and wraps; it raises its
//! interrupt in the moment when the count equals ALARM, so an alarm behind the count waits for the
//! wrap. Prescalers 1, 16 and 256 of APB_CLK; writing LOAD sets the count at once; the interrupt
//! stays until it is cleared.
//!
//! *Not modelled*: an edge interrupt (LEVEL_INT = 0) also stays until cleared; AUTOLOAD of FRC2 is
//! kept only.
//!
//! Interrupt lines: bit 0 FRC1, bit 1 FRC2. FRC2 is at offset 0x20.

use super::{Clocks, Context, Peripheral, Unmodelled};
use crate::time::{Duration, Hertz, Instant};

mod reg {
    pub(super) const LOAD: u32 = 0x00;
    pub(super) const COUNT: u32 = 0x04;
    pub(super) const CTRL: u32 = 0x08;
    pub(super) const INT: u32 = 0x0c;
    pub(super) const ALARM: u32 = 0x10;
    /// Distance from a register of FRC1 to that of FRC2.
    pub(super) const FRC2: u32 = 0x20;
}

mod ctrl {
    pub(super) const INT_STATUS: u32 = 1 << 8;
    pub(super) const ENABLE: u32 = 1 << 7;
    pub(super) const AUTOLOAD: u32 = 1 << 6;
    pub(super) const WRITABLE: u32 = 0xcf;

    pub(super) fn prescaler(ctrl: u32) -> u64 {
        match (ctrl >> 1) & 7 {
            0 | 1 => 1,
            2 | 3 => 16,
            _ => 256,
        }
    }
}

const FRC1_MASK: u32 = 0x7f_ffff;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// FRC1.
    Down,
    /// FRC2.
    Up,
}

#[derive(Debug, Clone)]
struct Timer {
    direction: Direction,
    apb: Hertz,
    load: u32,
    ctrl: u32,
    alarm: u32,
    /// Count at `base_at`; later counts are computed.
    base: u32,
    base_at: Instant,
    interrupt: bool,
    /// Derived: when the interrupt is raised next.
    due: Option<Instant>,
}

impl Timer {
    fn new(direction: Direction, clocks: &Clocks, now: Instant) -> Self {
        Self {
            direction,
            apb: clocks.apb,
            load: 0,
            ctrl: 0,
            alarm: 0,
            base: 0,
            base_at: now,
            interrupt: false,
            due: None,
        }
    }

    fn is_set(&self, bits: u32) -> bool {
        self.ctrl & bits == bits
    }

    fn elapsed(&self, now: Instant) -> u64 {
        (now - self.base_at).periods(self.apb) / ctrl::prescaler(self.ctrl)
    }

    fn count(&self, now: Instant) -> u32 {
        if !self.is_set(ctrl::ENABLE) {
            return self.base;
        }
        match self.direction {
            Direction::Up => self.base.wrapping_add(self.elapsed(now) as u32),
            Direction::Down => self.base.wrapping_sub(self.elapsed(now) as u32) & FRC1_MASK,
        }
    }

    fn rebase(&mut self, count: u32, now: Instant) {
        (self.base, self.base_at) = (count, now);
    }

    /// The moment when `counts` more periods than at `base_at` have passed.
    fn after(&self, counts: u64) -> Instant {
        self.base_at + Duration::of_periods(counts * ctrl::prescaler(self.ctrl), self.apb)
    }

    /// The next match that is not yet over: at `now`, or after it if `strictly`.
    fn derive(&mut self, now: Instant, strictly: bool) {
        self.due = self.is_set(ctrl::ENABLE).then(|| {
            let count = self.count(now);
            let (distance, round) = match self.direction {
                Direction::Up => (self.alarm.wrapping_sub(count), 1 << 32),
                Direction::Down => (count, u64::from(FRC1_MASK) + 1),
            };
            let distance = match distance {
                0 if strictly => round,
                n => u64::from(n),
            };
            self.after(self.elapsed(now) + distance)
        });
    }

    fn expire(&mut self, now: Instant) {
        let Some(due) = self.due.filter(|&due| due <= now) else { return };
        self.interrupt = true;
        if self.direction == Direction::Down && self.is_set(ctrl::AUTOLOAD) {
            // Whole rounds may have passed since.
            let period = u64::from(self.load.max(1)) * ctrl::prescaler(self.ctrl);
            let rounds = (now - due).periods(self.apb) / period;
            self.rebase(self.load, due + Duration::of_periods(rounds * period, self.apb));
        }
        self.derive(now, true);
    }

    fn read(&self, offset: u32, now: Instant) -> Option<u32> {
        Some(match offset {
            reg::LOAD => self.load,
            reg::COUNT => self.count(now),
            reg::CTRL => self.ctrl | if self.interrupt { ctrl::INT_STATUS } else { 0 },
            reg::INT => 0,
            reg::ALARM if self.direction == Direction::Up => self.alarm,
            _ => return None,
        })
    }

    fn write(&mut self, offset: u32, value: u32, now: Instant) -> Option<()> {
        match offset {
            reg::LOAD => {
                self.load = match self.direction {
                    Direction::Up => value,
                    Direction::Down => value & FRC1_MASK,
                };
                self.rebase(self.load, now);
            }
            reg::CTRL => {
                self.rebase(self.count(now), now);
                self.ctrl = value & ctrl::WRITABLE;
            }
            reg::INT => {
                self.interrupt &= value & 1 == 0;
                return Some(());
            }
            reg::ALARM if self.direction == Direction::Up => self.alarm = value,
            reg::COUNT => return Some(()), // read only
            _ => return None,
        }
        self.derive(now, false);
        self.expire(now);
        Some(())
    }

    fn set_apb(&mut self, apb: Hertz, now: Instant) {
        self.rebase(self.count(now), now);
        self.apb = apb;
        self.derive(now, true);
    }
}

/// Both legacy timers.
#[derive(Debug, Clone)]
pub struct FrcTimer {
    timers: [Timer; 2],
    paused: Option<Instant>,
}

impl Default for FrcTimer {
    fn default() -> Self {
        Self::new()
    }
}

impl FrcTimer {
    /// After reset at [`Instant::ZERO`], on the clocks of [`Clocks::default`].
    pub fn new() -> Self {
        Self::after_reset(&Clocks::default(), Instant::ZERO)
    }

    fn after_reset(clocks: &Clocks, now: Instant) -> Self {
        Self {
            timers: [Direction::Down, Direction::Up].map(|d| Timer::new(d, clocks, now)),
            paused: None,
        }
    }

    /// Stops the clock of the block (light sleep). Accesses are not expected until `resume`.
    pub fn pause(&mut self, now: Instant) {
        self.paused.get_or_insert(now);
    }

    /// Continues after `pause` as if no time had passed.
    pub fn resume(&mut self, now: Instant) {
        let Some(since) = self.paused.take() else { return };
        for timer in &mut self.timers {
            timer.base_at += now - since;
            timer.due = timer.due.map(|due| due + (now - since));
        }
    }

    fn timer(&mut self, offset: u32) -> Option<(&mut Timer, u32)> {
        let timer = self.timers.get_mut((offset / reg::FRC2) as usize)?;
        Some((timer, offset % reg::FRC2))
    }
}

impl Peripheral for FrcTimer {
    const NAME: &'static str = "FRC_TIMER";

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        let (timer, offset) = self.timer(offset).ok_or(Unmodelled)?;
        timer.read(offset, cx.now).ok_or(Unmodelled)
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        let (timer, offset) = self.timer(offset).ok_or(Unmodelled)?;
        timer.write(offset, value, cx.now).ok_or(Unmodelled)
    }

    fn poll(&mut self, cx: &Context) {
        if self.paused.is_none() {
            self.timers.iter_mut().for_each(|timer| timer.expire(cx.now));
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        if self.paused.is_some() {
            return None;
        }
        self.timers.iter().filter(|timer| !timer.interrupt).filter_map(|timer| timer.due).min()
    }

    fn irq(&self) -> u32 {
        u32::from(self.timers[0].interrupt) | u32::from(self.timers[1].interrupt) << 1
    }

    fn clocks_changed(&mut self, cx: &Context) {
        for timer in &mut self.timers {
            if timer.apb != cx.clocks.apb {
                timer.set_apb(cx.clocks.apb, cx.now);
            }
        }
    }

    fn reset(&mut self, cx: &Context) {
        *self = Self::after_reset(&cx.clocks, cx.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRC1_IRQ: u32 = 1;
    const FRC2_IRQ: u32 = 2;

    /// Ticks of the 80 MHz APB clock.
    fn at(apb_ticks: u64) -> Context {
        let clocks = Clocks { apb: Hertz::mhz(80), ..Clocks::default() };
        Context::at(Instant::from_ticks(apb_ticks * 6), clocks)
    }

    fn timer() -> FrcTimer {
        let mut frc = FrcTimer::new();
        frc.reset(&at(0));
        frc
    }

    fn write(frc: &mut FrcTimer, offset: u32, value: u32, ticks: u64) {
        frc.poll(&at(ticks));
        frc.write(offset, value, &at(ticks)).unwrap();
    }

    fn read(frc: &mut FrcTimer, offset: u32, ticks: u64) -> u32 {
        frc.poll(&at(ticks));
        frc.read(offset, &at(ticks)).unwrap()
    }

    #[test]
    fn everything_is_zero_after_reset() {
        for offset in [0x00, 0x04, 0x08, 0x0c, 0x20, 0x24, 0x28, 0x2c, 0x30] {
            assert_eq!(read(&mut timer(), offset, 100), 0, "offset {offset:#x}");
        }
    }

    #[test]
    fn frc2_raises_its_interrupt_when_the_count_equals_the_alarm() {
        let mut frc = timer();
        write(&mut frc, reg::FRC2 + reg::ALARM, 1000, 0);
        write(&mut frc, reg::FRC2 + reg::CTRL, ctrl::ENABLE | 1, 0);
        assert_eq!(frc.poll_at(), Some(at(1000).now));
        assert_eq!(read(&mut frc, reg::FRC2 + reg::COUNT, 999), 999);
        assert_eq!(frc.irq(), 0);
        frc.poll(&at(1000));
        assert_eq!(frc.irq(), FRC2_IRQ);
        assert_eq!(read(&mut frc, reg::FRC2 + reg::CTRL, 1000) & ctrl::INT_STATUS, 0x100);
        write(&mut frc, reg::FRC2 + reg::INT, 1, 1005);
        assert_eq!(frc.irq(), 0);
        write(&mut frc, reg::FRC2 + reg::ALARM, 500, 1010);
        assert_eq!(frc.irq(), 0, "behind the count: next round");
        assert_eq!(frc.poll_at(), Some(at((1 << 32) + 500).now));
        write(&mut frc, reg::FRC2 + reg::ALARM, 0, 1020);
        write(&mut frc, reg::FRC2 + reg::LOAD, 0, 1030);
        assert_eq!(frc.irq(), FRC2_IRQ, "the count is loaded with the alarm value");
    }

    #[test]
    fn frc1_counts_down_and_reloads() {
        let mut frc = timer();
        write(&mut frc, reg::LOAD, 10, 0);
        write(&mut frc, reg::CTRL, ctrl::ENABLE | ctrl::AUTOLOAD | 2 << 1, 0);
        assert_eq!(read(&mut frc, reg::COUNT, 159), 1);
        frc.poll(&at(160));
        assert_eq!(frc.irq(), FRC1_IRQ);
        assert_eq!(read(&mut frc, reg::COUNT, 160), 10);
        write(&mut frc, reg::INT, 1, 160);
        assert_eq!(frc.poll_at(), Some(at(320).now));
    }

    #[test]
    fn counts_survive_a_change_of_clock_and_a_pause() {
        let mut frc = timer();
        write(&mut frc, reg::FRC2 + reg::ALARM, 200, 0);
        write(&mut frc, reg::FRC2 + reg::CTRL, ctrl::ENABLE, 0);
        frc.clocks_changed(&Context::at(at(100).now, Clocks::default())); // 40 MHz
        assert_eq!(frc.poll_at(), Some(at(300).now));
        frc.pause(at(200).now);
        frc.resume(at(1200).now);
        assert_eq!(frc.poll_at(), Some(at(1300).now));
    }

    #[test]
    fn no_access_panics() {
        let mut frc = timer();
        for offset in (0..0x100).step_by(4) {
            for value in [u32::MAX, 0, u32::MAX] {
                let _ = frc.write(offset, value, &at(7));
                let _ = frc.read(offset, &at(7));
            }
        }
        frc.poll(&at(1 << 40));
        let _ = frc.poll_at();
    }
}
