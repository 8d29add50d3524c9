//! Timer group (TIMG0, TIMG1): two general-purpose timers, LACT, main watchdog, clock calibration.
//!
//! *Source*: ESP32 Technical Reference Manual, chapters "Timer Group (TIMG)" and "Watchdog Timers";
//! fields and reset values from ESP-IDF `soc/timer_group_reg.h`; use of LACT and of the calibration
//! from `esp_timer` and `rtc_time.c`.
//!
//! *Modelled*: T0, T1 and LACT counting up and down from APB_CLK, latch, load, alarm with
//! auto-reload, level and edge interrupts; an alarm that is already passed when it is enabled fires
//! at once (passed: less than half the 64-bit range ago). The main watchdog with write protection,
//! prescaler, feed and flash-boot mode; its interrupt needs LEVEL_INT_EN or EDGE_INT_EN only.
//! Calibration of a slow clock against the crystal, one-shot
//! and cycling. Counters are computed from device time, never stepped.
//!
//! *Not modelled*: LACT from the RTC clock (LACTRTC, RTC_ONLY and CPST_EN are kept only). The edge
//! interrupt lines stay up until INT_CLR, not for one cycle. A change of divider, direction or
//! enable starts a new count period. Lengths of the reset signals.
//!
//! Interrupt lines: bits 0 to 3 T0, T1, WDT, LACT (level); bits 4 to 7 the same (edge).

use std::collections::VecDeque;

use super::watchdog::{StageAction, WRITE_KEY, Watchdog, WatchdogAction};
use super::{Clocks, Context, Peripheral, Poked, Stores, Unmodelled, stores};
use crate::time::{Duration, Hertz, Instant, TICKS_PER_SECOND};

mod reg {
    pub(super) const T0: u32 = 0x00;
    pub(super) const T1: u32 = 0x24;
    pub(super) const T1_LAST: u32 = 0x44;
    pub(super) const WDTCONFIG0: u32 = 0x48;
    pub(super) const WDTCONFIG1: u32 = 0x4c;
    pub(super) const WDTCONFIG2: u32 = 0x50;
    pub(super) const WDTCONFIG5: u32 = 0x5c;
    pub(super) const WDTFEED: u32 = 0x60;
    pub(super) const WDTWPROTECT: u32 = 0x64;
    pub(super) const RTCCALICFG: u32 = 0x68;
    pub(super) const RTCCALICFG1: u32 = 0x6c;
    pub(super) const LACTCONFIG: u32 = 0x70;
    pub(super) const LACTRTC: u32 = 0x74;
    pub(super) const LACTLO: u32 = 0x78;
    pub(super) const LACTLOAD: u32 = 0x94;
    pub(super) const INT_ENA: u32 = 0x98;
    pub(super) const INT_RAW: u32 = 0x9c;
    pub(super) const INT_ST: u32 = 0xa0;
    pub(super) const INT_CLR: u32 = 0xa4;
    pub(super) const NTIMERS_DATE: u32 = 0xf8;
}

/// Registers of one timer, relative to its configuration register.
mod timer_reg {
    pub(super) const CONFIG: u32 = 0x00;
    pub(super) const LO: u32 = 0x04;
    pub(super) const HI: u32 = 0x08;
    pub(super) const UPDATE: u32 = 0x0c;
    pub(super) const ALARMLO: u32 = 0x10;
    pub(super) const ALARMHI: u32 = 0x14;
    pub(super) const LOADLO: u32 = 0x18;
    pub(super) const LOADHI: u32 = 0x1c;
    pub(super) const LOAD: u32 = 0x20;
}

mod config {
    pub(super) const EN: u32 = 1 << 31;
    pub(super) const INCREASE: u32 = 1 << 30;
    pub(super) const AUTORELOAD: u32 = 1 << 29;
    pub(super) const DIVIDER: u32 = 0xffff << 13;
    pub(super) const EDGE_INT_EN: u32 = 1 << 12;
    pub(super) const LEVEL_INT_EN: u32 = 1 << 11;
    pub(super) const ALARM_EN: u32 = 1 << 10;
    /// What determines the counting; a change begins a new period.
    pub(super) const COUNTING: u32 = EN | INCREASE | DIVIDER;
    pub(super) const T_RESET: u32 = 0x6000_2000;
    pub(super) const LACT_RESET: u32 = 0x6000_2300;

    pub(super) fn divider(config: u32) -> u64 {
        match (config >> 13) & 0xffff {
            0 => 65_536,
            1 => 2,
            n => n.into(),
        }
    }
}

mod wdt {
    pub(super) const RESET: u32 = 0x0004_c000;
    pub(super) const EN: u32 = 1 << 31;
    pub(super) const EDGE_INT_EN: u32 = 1 << 22;
    pub(super) const LEVEL_INT_EN: u32 = 1 << 21;
    pub(super) const FLASHBOOT_MOD_EN: u32 = 1 << 14;
    /// Bits of WDTCONFIG0 that keep what is written.
    pub(super) const KEPT: u32 = 0xffff_c000;
    pub(super) const TIMES: [u32; 4] = [0x018c_ba80, 0x07ff_ffff, 0x000f_ffff, 0x000f_ffff];

    /// The stage whose time WDTCONFIG2 to 5 hold.
    pub(super) fn stage(offset: u32) -> usize {
        ((offset - super::reg::WDTCONFIG2) / 4 % 4) as usize
    }
}

mod cali {
    pub(super) const RESET: u32 = 0x0001_3000;
    pub(super) const START: u32 = 1 << 31;
    pub(super) const RDY: u32 = 1 << 15;
    pub(super) const CYCLING: u32 = 1 << 12;
    pub(super) const WRITABLE: u32 = !RDY & 0xffff_f000;
    pub(super) const VALUE_MAX: u64 = 0x01ff_ffff;
}

mod int {
    pub(super) const T0: u32 = 1 << 0;
    pub(super) const T1: u32 = 1 << 1;
    pub(super) const WDT: u32 = 1 << 2;
    pub(super) const LACT: u32 = 1 << 3;
    pub(super) const ALL: u32 = 0xf;
    /// Distance from a level line to its edge line in `irq`.
    pub(super) const EDGE_SHIFT: u32 = 4;
}

/// RC_FAST / 256 as the calibration sees it, and the 32 kHz crystal.
const RC_FAST_D256: Hertz = Hertz::new(33_203);
const XTAL32K: Hertz = Hertz::new(32_768);

/// A 64-bit counter with an alarm.
#[derive(Debug, Clone)]
struct Timer {
    config: u32,
    apb: Hertz,
    /// Derived: base ticks of one count, or 0 when they are not whole.
    period: u64,
    /// Counter value at `base_at`; later values are computed.
    base: u64,
    base_at: Instant,
    latched: u64,
    alarm: u64,
    load: u64,
    /// Derived: when the alarm fires.
    due: Option<Instant>,
}

impl Timer {
    fn new(config: u32, clocks: &Clocks, now: Instant) -> Self {
        let mut timer = Self {
            config,
            apb: clocks.apb,
            period: 0,
            base: 0,
            base_at: now,
            latched: 0,
            alarm: 0,
            load: 0,
            due: None,
        };
        timer.derive();
        timer
    }

    fn is_set(&self, bits: u32) -> bool {
        self.config & bits == bits
    }

    fn elapsed(&self, now: Instant) -> u64 {
        let time = now - self.base_at;
        match self.period {
            0 => time.periods(self.apb) / config::divider(self.config),
            period => time.ticks() / period,
        }
    }

    fn counter(&self, now: Instant) -> u64 {
        if !self.is_set(config::EN) {
            self.base
        } else if self.is_set(config::INCREASE) {
            self.base.wrapping_add(self.elapsed(now))
        } else {
            self.base.wrapping_sub(self.elapsed(now))
        }
    }

    fn set_counter(&mut self, value: u64, now: Instant) {
        (self.base, self.base_at) = (value, now);
    }

    fn derive(&mut self) {
        let divider = config::divider(self.config);
        self.period = match TICKS_PER_SECOND % self.apb.hz() {
            0 => TICKS_PER_SECOND / self.apb.hz() * divider,
            _ => 0,
        };
        self.due = self.is_set(config::EN | config::ALARM_EN).then(|| {
            let distance = if self.is_set(config::INCREASE) {
                self.alarm.wrapping_sub(self.base)
            } else {
                self.base.wrapping_sub(self.alarm)
            };
            let counts = if distance > u64::MAX / 2 { 0 } else { distance };
            self.base_at
                + match self.period {
                    0 => Duration::of_periods(counts.saturating_mul(divider), self.apb),
                    period => Duration::from_ticks(counts.saturating_mul(period)),
                }
        });
    }

    fn set_apb(&mut self, apb: Hertz, now: Instant) {
        self.set_counter(self.counter(now), now);
        self.apb = apb;
        self.derive();
    }

    fn read(&self, offset: u32) -> Option<u32> {
        Some(match offset {
            timer_reg::LO => self.latched as u32,
            timer_reg::HI => (self.latched >> 32) as u32,
            timer_reg::CONFIG => self.config,
            timer_reg::UPDATE | timer_reg::LOAD => 0,
            timer_reg::ALARMLO => self.alarm as u32,
            timer_reg::ALARMHI => (self.alarm >> 32) as u32,
            timer_reg::LOADLO => self.load as u32,
            timer_reg::LOADHI => (self.load >> 32) as u32,
            _ => return None,
        })
    }

    fn write(&mut self, offset: u32, value: u32, now: Instant) -> Option<()> {
        match offset {
            timer_reg::UPDATE => {
                self.latched = self.counter(now);
                return Some(());
            }
            timer_reg::CONFIG => {
                if (value ^ self.config) & config::COUNTING != 0 {
                    self.set_counter(self.counter(now), now);
                }
                self.config = value;
            }
            timer_reg::ALARMLO => set_low(&mut self.alarm, value),
            timer_reg::ALARMHI => set_high(&mut self.alarm, value),
            timer_reg::LOADLO => set_low(&mut self.load, value),
            timer_reg::LOADHI => set_high(&mut self.load, value),
            timer_reg::LOAD => self.set_counter(self.load, now),
            timer_reg::LO | timer_reg::HI => {} // read only
            _ => return None,
        }
        self.derive();
        Some(())
    }

    /// Fires the alarm if it is due: true then.
    fn expire(&mut self, now: Instant) -> bool {
        let Some(due) = self.due.filter(|&due| due <= now) else { return false };
        self.config &= !config::ALARM_EN; // one shot, as on the chip
        if self.is_set(config::AUTORELOAD) {
            self.set_counter(self.load, due);
        }
        self.derive();
        true
    }
}

fn set_low(value: &mut u64, low: u32) {
    *value = (*value & !0xffff_ffff) | u64::from(low);
}

fn set_high(value: &mut u64, high: u32) {
    *value = (*value & 0xffff_ffff) | (u64::from(high) << 32);
}

/// Counts crystal cycles in a number of slow clock cycles.
#[derive(Debug, Clone)]
struct Calibration {
    config: u32,
    value: u32,
    ready_at: Instant,
    running: bool,
}

impl Calibration {
    fn new() -> Self {
        Self { config: cali::RESET, value: 0, ready_at: Instant::ZERO, running: false }
    }

    fn clock(&self, clocks: &Clocks) -> Hertz {
        match (self.config >> 13) & 3 {
            1 => RC_FAST_D256,
            2 => XTAL32K,
            _ => clocks.rtc_slow,
        }
    }

    fn measure(&self, clocks: &Clocks) -> u32 {
        let cycles = u64::from((self.config >> 16) & 0x7fff);
        (cycles * clocks.xtal.hz() / self.clock(clocks).hz()).min(cali::VALUE_MAX) as u32
    }

    fn write(&mut self, value: u32, cx: &Context) {
        let starts = value & !self.config & cali::START != 0;
        self.config = value & cali::WRITABLE;
        if starts {
            // With 0 cycles the unit is ready at the next edge of the slow clock.
            let cycles = u64::from((self.config >> 16) & 0x7fff).max(1);
            self.ready_at = cx.after(Duration::of_periods(cycles, self.clock(&cx.clocks)));
            self.running = true;
            self.value = self.measure(&cx.clocks);
        } else if self.config & cali::START == 0 {
            self.running = false;
        }
    }

    fn ready(&self, now: Instant) -> bool {
        self.running && now >= self.ready_at
    }

    fn config(&self, now: Instant) -> u32 {
        self.config | if self.ready(now) { cali::RDY } else { 0 }
    }

    fn result(&self, cx: &Context) -> u32 {
        if self.config & cali::CYCLING != 0 && !self.running {
            self.measure(&cx.clocks) << 7
        } else if self.running && !self.ready(cx.now) {
            0
        } else {
            self.value << 7
        }
    }
}

/// One timer group.
#[derive(Debug, Clone)]
pub struct TimerGroup {
    t0: Timer,
    t1: Timer,
    lact: Timer,
    lact_rtc: u32,
    watchdog: Watchdog,
    wdt_config0: u32,
    wdt_prescaler: u32,
    wdt_times: [u32; 4],
    wdt_key: u32,
    flash_boot: bool,
    resets: VecDeque<WatchdogAction>,
    calibration: Calibration,
    int_raw: u32,
    int_ena: u32,
    edges: u32,
    paused: Option<Instant>,
    /// Derived: earliest of all deadlines.
    due: Option<Instant>,
}

impl Default for TimerGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl TimerGroup {
    /// A timer group after reset at [`Instant::ZERO`], on the clocks of [`Clocks::default`].
    pub fn new() -> Self {
        Self::after_reset(&Clocks::default(), Instant::ZERO)
    }

    fn after_reset(clocks: &Clocks, now: Instant) -> Self {
        let mut group = Self {
            t0: Timer::new(config::T_RESET, clocks, now),
            t1: Timer::new(config::T_RESET, clocks, now),
            lact: Timer::new(config::LACT_RESET, clocks, now),
            lact_rtc: 0,
            watchdog: Watchdog::new(clocks.apb, wdt::TIMES),
            wdt_config0: wdt::RESET,
            wdt_prescaler: 1 << 16,
            wdt_times: wdt::TIMES,
            wdt_key: WRITE_KEY,
            flash_boot: false,
            resets: VecDeque::new(),
            calibration: Calibration::new(),
            int_raw: 0,
            int_ena: 0,
            edges: 0,
            paused: None,
            due: None,
        };
        group.configure_watchdog(now);
        group
    }

    /// Whether the watchdog asks for a reset.
    pub fn has_reset(&self) -> bool {
        !self.resets.is_empty()
    }

    /// The reset that the watchdog asks for, oldest first. A CPU reset concerns PRO_CPU for TIMG0
    /// and APP_CPU for TIMG1.
    pub fn take_reset(&mut self) -> Option<WatchdogAction> {
        self.resets.pop_front()
    }

    /// Starts flash-boot protection: until firmware clears FLASHBOOT_MOD_EN, the watchdog runs with
    /// a system reset in stage 0. The chip does so for TIMG0 after each reset that boots from
    /// flash; the wiring calls it after [`Peripheral::reset`].
    pub fn start_flash_boot(&mut self, now: Instant) {
        self.flash_boot = true;
        self.configure_watchdog(now);
        self.derive();
    }

    /// Stops the clock of the block (light sleep). Accesses are not expected until `resume`.
    pub fn pause(&mut self, now: Instant) {
        self.paused.get_or_insert(now);
    }

    /// Continues after `pause` as if no time had passed.
    pub fn resume(&mut self, now: Instant) {
        let Some(since) = self.paused.take() else { return };
        let time = now - since;
        for timer in [&mut self.t0, &mut self.t1, &mut self.lact] {
            timer.base_at += time;
            timer.derive();
        }
        self.watchdog.stood_still(time);
        self.derive();
    }

    fn derive(&mut self) {
        self.due = [self.t0.due, self.t1.due, self.lact.due, self.watchdog.due()]
            .into_iter()
            .flatten()
            .min();
    }

    fn configure_watchdog(&mut self, now: Instant) {
        let config = self.wdt_config0;
        self.flash_boot &= config & wdt::FLASHBOOT_MOD_EN != 0;
        let stage = |shift: u32| StageAction::from_bits((config >> shift) & 3);
        let mut actions = [stage(29), stage(27), stage(25), stage(23)];
        let enabled = config & wdt::EN != 0;
        if self.flash_boot && !enabled {
            actions[0] = StageAction::Reset(WatchdogAction::SystemReset);
        }
        self.watchdog.configure(enabled || self.flash_boot, actions, now);
    }

    /// Sets the interrupt of `bit` according to the two enables of its configuration.
    fn raise(&mut self, bit: u32, level: bool, edge: bool) {
        if level {
            self.int_raw |= bit;
        }
        if edge {
            self.edges |= bit;
        }
    }

    fn expire(&mut self, now: Instant) {
        for bit in [int::T0, int::T1, int::LACT] {
            let timer = match bit {
                int::T0 => &mut self.t0,
                int::T1 => &mut self.t1,
                _ => &mut self.lact,
            };
            if timer.expire(now) {
                let (level, edge) =
                    (timer.is_set(config::LEVEL_INT_EN), timer.is_set(config::EDGE_INT_EN));
                self.raise(bit, level, edge);
            }
        }
        while let Some(action) = self.watchdog.expire(now) {
            match action {
                StageAction::Off => {}
                StageAction::Interrupt => self.raise(
                    int::WDT,
                    self.wdt_config0 & wdt::LEVEL_INT_EN != 0,
                    self.wdt_config0 & wdt::EDGE_INT_EN != 0,
                ),
                StageAction::Reset(reset) => {
                    if self.resets.back() != Some(&reset) {
                        self.resets.push_back(reset);
                    }
                }
            }
        }
        self.derive();
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    fn timer(&self, offset: u32) -> Option<(&Timer, u32)> {
        match offset {
            reg::T0..reg::T1 => Some((&self.t0, offset)),
            reg::T1..=reg::T1_LAST => Some((&self.t1, offset - reg::T1)),
            reg::LACTCONFIG => Some((&self.lact, timer_reg::CONFIG)),
            reg::LACTLO..=reg::LACTLOAD => Some((&self.lact, offset - reg::LACTLO + timer_reg::LO)),
            _ => None,
        }
    }

    fn timer_mut(&mut self, offset: u32) -> Option<(&mut Timer, u32)> {
        match offset {
            reg::T0..reg::T1 => Some((&mut self.t0, offset)),
            reg::T1..=reg::T1_LAST => Some((&mut self.t1, offset - reg::T1)),
            reg::LACTCONFIG => Some((&mut self.lact, timer_reg::CONFIG)),
            reg::LACTLO..=reg::LACTLOAD => {
                Some((&mut self.lact, offset - reg::LACTLO + timer_reg::LO))
            }
            _ => None,
        }
    }

    /// What a register shows whose reading has no side effect: all but RTCCALICFG1.
    fn value(&self, offset: u32, now: Instant) -> Option<u32> {
        if let Some((timer, offset)) = self.timer(offset) {
            return timer.read(offset);
        }
        Some(match offset {
            reg::WDTCONFIG0 => self.wdt_config0,
            reg::WDTCONFIG1 => self.wdt_prescaler,
            reg::WDTCONFIG2..=reg::WDTCONFIG5 => self.wdt_times[wdt::stage(offset)],
            reg::WDTFEED => 0,
            reg::WDTWPROTECT => self.wdt_key,
            reg::RTCCALICFG => self.calibration.config(now),
            reg::LACTRTC => self.lact_rtc,
            reg::INT_ENA => self.int_ena,
            reg::INT_RAW => self.int_raw,
            reg::INT_ST => self.int_raw & self.int_ena,
            reg::INT_CLR => 0,
            reg::NTIMERS_DATE => 0x0160_4290,
            _ => return None,
        })
    }

    /// Whether nothing follows from a write but that the deadline may move away: a counter is latched, or
    /// the watchdog is fed and set as it is, which ESP-IDF's interrupt watchdog does in every tick.
    fn is_quiet(&self, offset: u32, value: u32) -> bool {
        match offset {
            reg::WDTCONFIG0 => value & wdt::KEPT == self.wdt_config0,
            reg::WDTCONFIG2..=reg::WDTCONFIG5 => value == self.wdt_times[wdt::stage(offset)],
            // A later stage may be longer than the first.
            reg::WDTFEED => self.watchdog.is_in_first_stage(),
            reg::WDTWPROTECT => true,
            _ => matches!(self.timer(offset), Some((_, timer_reg::UPDATE))),
        }
    }

    fn write_watchdog(&mut self, offset: u32, value: u32, cx: &Context) {
        if offset == reg::WDTWPROTECT {
            self.wdt_key = value;
            return;
        }
        if self.wdt_key != WRITE_KEY {
            return; // protected
        }
        match offset {
            reg::WDTCONFIG0 => {
                self.wdt_config0 = value & wdt::KEPT;
                self.configure_watchdog(cx.now);
            }
            reg::WDTCONFIG1 => {
                self.wdt_prescaler = value & 0xffff_0000;
                self.watchdog.set_clock(cx.clocks.apb, (value >> 16).into(), cx.now);
            }
            reg::WDTFEED => self.watchdog.feed(cx.now),
            _ => {
                let stage = wdt::stage(offset);
                self.wdt_times[stage] = value;
                self.watchdog.set_time(stage, value);
            }
        }
    }
}

impl Peripheral for TimerGroup {
    const NAME: &'static str = "TIMG";

    const STORES: &'static [Stores] = &[stores(0xfc, 0xfc)];

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        if offset == reg::RTCCALICFG1 {
            return Ok(self.calibration.result(cx));
        }
        self.value(offset, cx.now).ok_or(Unmodelled)
    }

    fn peek(&self, offset: u32, now: Instant) -> Option<u32> {
        if self.is_due(now) { None } else { self.value(offset, now) }
    }

    fn poke(&mut self, offset: u32, value: u32, cx: &Context) -> Option<Poked> {
        if !self.is_quiet(offset, value) || self.is_due(cx.now) {
            return None;
        }
        self.write(offset, value, cx).ok()?;
        Some(if offset == reg::WDTFEED { Poked::Later } else { Poked::Quietly })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        if let Some((timer, offset)) = self.timer_mut(offset) {
            timer.write(offset, value, cx.now).ok_or(Unmodelled)?;
            if offset == timer_reg::UPDATE {
                return Ok(());
            }
        } else {
            match offset {
                reg::WDTCONFIG0..=reg::WDTWPROTECT => self.write_watchdog(offset, value, cx),
                reg::RTCCALICFG => self.calibration.write(value, cx),
                reg::LACTRTC => self.lact_rtc = value & 0xffff_ffc0,
                reg::INT_ENA => self.int_ena = value & int::ALL,
                reg::INT_CLR => {
                    self.int_raw &= !value;
                    self.edges &= !value;
                }
                reg::RTCCALICFG1 | reg::INT_RAW | reg::INT_ST | reg::NTIMERS_DATE => {}
                _ => return Err(Unmodelled),
            }
        }
        self.expire(cx.now); // an alarm that is already passed fires at once
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        if self.paused.is_none() && self.due.is_some_and(|due| due <= cx.now) {
            self.expire(cx.now);
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        if self.paused.is_some() { None } else { self.due }
    }

    fn irq(&self) -> u32 {
        // WDT_INT_ENA does not hold the watchdog back: the task watchdog of ESP-IDF before v4.1 never
        // sets it, and its handler runs (`task_wdt.c`).
        let enabled = self.int_ena | int::WDT;
        (self.int_raw & enabled) | ((self.edges & enabled) << int::EDGE_SHIFT)
    }

    fn clocks_changed(&mut self, cx: &Context) {
        for timer in [&mut self.t0, &mut self.t1, &mut self.lact] {
            if timer.apb != cx.clocks.apb {
                timer.set_apb(cx.clocks.apb, cx.now);
            }
        }
        self.watchdog.set_clock(cx.clocks.apb, (self.wdt_prescaler >> 16).into(), cx.now);
        self.derive();
    }

    fn reset(&mut self, cx: &Context) {
        *self = Self::after_reset(&cx.clocks, cx.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Context {
        let clocks = Clocks { apb: Hertz::mhz(80), ..Clocks::default() };
        Context::at(Instant::ZERO + Duration::from_micros(us), clocks)
    }

    fn group() -> TimerGroup {
        let mut group = TimerGroup::new();
        group.reset(&at(0));
        group
    }

    fn write(group: &mut TimerGroup, offset: u32, value: u32, us: u64) {
        group.poll(&at(us));
        group.write(offset, value, &at(us)).unwrap();
    }

    fn read(group: &mut TimerGroup, offset: u32, us: u64) -> u32 {
        group.poll(&at(us));
        group.read(offset, &at(us)).unwrap()
    }

    /// Counts in microseconds, with both interrupts.
    const RUN: u32 = config::EN
        | config::INCREASE
        | 80 << 13
        | config::LEVEL_INT_EN
        | config::EDGE_INT_EN
        | config::ALARM_EN;

    #[test]
    fn reset_values_are_those_of_the_manual() {
        let mut group = TimerGroup::new();
        for (offset, value) in [
            (reg::T0, 0x6000_2000),
            (reg::T1, 0x6000_2000),
            (reg::LACTCONFIG, 0x6000_2300),
            (reg::WDTCONFIG0, 0x0004_c000),
            (reg::WDTCONFIG1, 0x0001_0000),
            (reg::WDTCONFIG2, 0x018c_ba80),
            (reg::WDTWPROTECT, 0x50d8_3aa1),
            (reg::RTCCALICFG, 0x0001_3000),
            (reg::INT_ENA, 0),
        ] {
            assert_eq!(read(&mut group, offset, 0), value, "offset {offset:#x}");
        }
    }

    #[test]
    fn an_alarm_fires_at_its_count_once_and_reloads() {
        let mut group = group();
        write(&mut group, reg::INT_ENA, int::T1, 0);
        write(&mut group, reg::T1 + timer_reg::ALARMLO, 1000, 0);
        write(&mut group, reg::T1 + timer_reg::LOADLO, 7, 0);
        write(&mut group, reg::T1, RUN | config::AUTORELOAD, 0);
        assert_eq!(group.poll_at(), Some(at(1000).now));
        group.poll(&at(999));
        assert_eq!(group.irq(), 0);
        group.poll(&at(1000));
        assert_eq!(group.irq(), int::T1 | int::T1 << int::EDGE_SHIFT);
        assert_eq!(group.poll_at(), None);
        write(&mut group, reg::INT_CLR, int::T1, 1000);
        assert_eq!(group.irq(), 0);
        write(&mut group, reg::T1 + timer_reg::UPDATE, 0, 1003);
        assert_eq!(read(&mut group, reg::T1 + timer_reg::LO, 1500), 10);
    }

    #[test]
    fn a_timer_counts_down_through_zero() {
        let mut group = group();
        write(&mut group, reg::T0 + timer_reg::LOADLO, 5, 0);
        write(&mut group, reg::T0 + timer_reg::LOAD, 0, 0);
        write(&mut group, reg::T0, RUN & !config::INCREASE, 0);
        assert_eq!(group.poll_at(), Some(at(5).now));
        write(&mut group, reg::T0 + timer_reg::UPDATE, 0, 6);
        assert_eq!(read(&mut group, reg::T0 + timer_reg::HI, 6), u32::MAX);
        assert_eq!(group.int_raw, int::T0);
    }

    #[test]
    fn an_alarm_in_the_past_fires_at_once_and_a_change_of_clock_keeps_the_count() {
        let mut group = group();
        write(&mut group, reg::INT_ENA, int::LACT, 0);
        write(&mut group, reg::LACTCONFIG, RUN & !config::ALARM_EN, 0);
        let slower = Context::at(at(100).now, Clocks::default()); // 40 MHz
        group.clocks_changed(&slower);
        write(&mut group, reg::LACTLO + 8, 0, 300);
        assert_eq!(read(&mut group, reg::LACTLO, 300), 200);
        write(&mut group, reg::LACTLO + 0xc, 150, 300);
        write(&mut group, reg::LACTCONFIG, RUN, 300);
        assert_eq!(group.irq(), int::LACT | int::LACT << int::EDGE_SHIFT);
    }

    #[test]
    fn the_farthest_alarm_never_fires_on_any_clock() {
        for mhz in [26, 80] {
            let mut group = TimerGroup::new();
            let clocks = Clocks { apb: Hertz::mhz(mhz), ..Clocks::default() };
            group.reset(&Context::at(Instant::ZERO, clocks));
            write(&mut group, reg::T0 + timer_reg::ALARMHI, u32::MAX >> 1, 0);
            write(&mut group, reg::T0, RUN & !config::DIVIDER, 0);
            assert_eq!(group.poll_at(), Some(Instant::MAX));
        }
    }

    #[test]
    fn the_watchdog_is_protected_fed_and_bites() {
        let mut group = group();
        write(&mut group, reg::WDTWPROTECT, 0, 0);
        write(&mut group, reg::WDTCONFIG0, u32::MAX, 0);
        assert_eq!(group.poll_at(), None, "protected");
        write(&mut group, reg::WDTWPROTECT, WRITE_KEY, 0);
        write(&mut group, reg::WDTCONFIG1, 80 << 16, 0);
        write(&mut group, reg::WDTCONFIG2, 100, 0);
        write(&mut group, reg::WDTCONFIG2 + 4, 50, 0);
        write(&mut group, reg::WDTCONFIG0, wdt::EN | wdt::LEVEL_INT_EN | 1 << 29 | 3 << 27, 0);
        write(&mut group, reg::WDTFEED, 0, 60);
        group.poll(&at(159));
        assert_eq!(group.irq(), 0);
        group.poll(&at(160));
        assert_eq!(group.irq(), int::WDT);
        assert_eq!(group.poll_at(), Some(at(210).now));
        group.poll(&at(210));
        assert_eq!(group.take_reset(), Some(WatchdogAction::SystemReset));
        assert_eq!(group.take_reset(), None);
    }

    #[test]
    fn flash_boot_protection_ends_when_its_bit_is_cleared() {
        let mut group = group();
        group.start_flash_boot(at(0).now);
        assert_eq!(group.poll_at(), Some(at(325_000).now));
        write(&mut group, reg::WDTCONFIG0, 0, 10);
        assert_eq!(group.poll_at(), None);
    }

    #[test]
    fn a_paused_block_loses_the_time() {
        let mut group = group();
        write(&mut group, reg::T0 + timer_reg::ALARMLO, 1000, 0);
        write(&mut group, reg::T0, RUN, 0);
        group.pause(at(400).now);
        assert_eq!(group.poll_at(), None);
        group.resume(at(5400).now);
        assert_eq!(group.poll_at(), Some(at(6000).now));
    }

    #[test]
    fn calibration_counts_crystal_cycles_and_is_ready_after_the_slow_cycles() {
        let mut group = group();
        write(&mut group, reg::RTCCALICFG, 150 << 16, 0);
        write(&mut group, reg::RTCCALICFG, cali::START | 150 << 16, 0);
        assert_eq!(read(&mut group, reg::RTCCALICFG, 999) & cali::RDY, 0);
        assert_ne!(read(&mut group, reg::RTCCALICFG, 1000) & cali::RDY, 0);
        assert_eq!(read(&mut group, reg::RTCCALICFG1, 1000) >> 7, 40_000);
    }

    #[test]
    fn no_access_panics() {
        let mut group = group();
        for offset in (0..0x1000).step_by(4) {
            for value in [u32::MAX, 0, u32::MAX] {
                let _ = group.write(offset, value, &at(1));
                let _ = group.read(offset, &at(1));
                group.poll(&at(1));
            }
        }
        group.poll(&at(10_000_000));
    }
}
