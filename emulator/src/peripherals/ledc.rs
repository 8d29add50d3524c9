//! LED PWM controller (LEDC): eight timers and sixteen channels, as waveforms.
//!
//! Source: ESP32 Technical Reference Manual, chapter "LED PWM Controller (LEDC)"; field positions
//! and reset values from `ledc_reg.h` of ESP-IDF v5.0.
//! Modelled: high-speed and low-speed timers with fractional divider, resolution, pause and reset;
//! channels with high point, duty, dithered fraction and fades; low-speed settings that wait for
//! PARA_UP; overflow and duty-change interrupts.
//! Not modelled: the clock gate bits (stored). Not in the manual, hence assumed: of 16 periods the
//! first n are longer by one count when the fraction is n; a low point beyond the counter's range
//! keeps the output high; RTC8M_CLK is 8.5 MHz.
//!
//! Levels are functions of time; `poll` has work only at the end of a duty change and at overflows
//! whose interrupt is enabled. Channels and timers are numbered through: high-speed first, then
//! low-speed. One interrupt line, bit 0.

use super::{Context, Peripheral, Unmodelled};
use crate::time::{Duration, Hertz, Instant, TICKS_PER_SECOND};

/// Channels: 0 to 7 high-speed, 8 to 15 low-speed.
pub const CHANNELS: usize = 16;
/// Timers: 0 to 3 high-speed, 4 to 7 low-speed.
pub const TIMERS: usize = 8;
const HIGH_SPEED_CHANNELS: usize = 8;
const HIGH_SPEED_TIMERS: usize = 4;

mod reg {
    pub(super) const CHANNEL_LAST: u32 = 0x13c;
    pub(super) const CHANNEL_STRIDE: u32 = 0x14;
    pub(super) const CONF0: u32 = 0x00;
    pub(super) const HPOINT: u32 = 0x04;
    pub(super) const DUTY: u32 = 0x08;
    pub(super) const CONF1: u32 = 0x0c;
    pub(super) const DUTY_R: u32 = 0x10;
    pub(super) const TIMER: u32 = 0x140;
    pub(super) const TIMER_LAST: u32 = 0x17c;
    pub(super) const INT_RAW: u32 = 0x180;
    pub(super) const INT_ST: u32 = 0x184;
    pub(super) const INT_ENA: u32 = 0x188;
    pub(super) const INT_CLR: u32 = 0x18c;
    pub(super) const CONF: u32 = 0x190;
    pub(super) const DATE: u32 = 0x1fc;
}

mod conf0 {
    pub(super) const SIG_OUT_EN: u32 = 1 << 2;
    pub(super) const IDLE_LV: u32 = 1 << 3;
    pub(super) const PARA_UP: u32 = 1 << 4;
    pub(super) const MASK: u32 = 0x8000_000f;
}

mod conf1 {
    pub(super) const RESET: u32 = 1 << 30;
    pub(super) const DUTY_START: u32 = 1 << 31;
    pub(super) const DUTY_INC: u32 = 1 << 30;
}

mod timer {
    pub(super) const RESET: u32 = 1 << 24;
    pub(super) const PAUSE: u32 = 1 << 23;
    pub(super) const RST: u32 = 1 << 24;
    pub(super) const TICK_SEL: u32 = 1 << 25;
    pub(super) const PARA_UP: u32 = 1 << 26;
    pub(super) const MASK: u32 = 0x03ff_ffff;
}

const DATE: u32 = 0x1603_1700;
const INTERRUPTS: u32 = 0xff_ffff;
const APB_CLK_SEL: u32 = 1;
const RTC8M_CLK: Hertz = Hertz::new(8_500_000);
const DUTY_MASK: u32 = 0x1ff_ffff;
const HPOINT_MASK: u32 = 0xf_ffff;
const MAX_RESOLUTION: u32 = 20;

/// A counter that runs at `source * 256 / divider` and overflows at `1 << resolution`.
#[derive(Debug, Clone, Copy)]
struct Timer {
    conf: u32,
    source: Hertz,
    /// With eight fractional bits; 0 stops the counter.
    divider: u32,
    resolution: u32,
    running: bool,
    epoch: Instant,
    /// Count at `epoch`.
    phase: u64,
    /// Overflows up to `epoch`.
    overflows: i64,
    /// Overflows that the interrupt has been raised for.
    seen: i64,
}

impl Default for Timer {
    fn default() -> Self {
        Self {
            conf: timer::RESET,
            source: Hertz::mhz(1),
            divider: 0,
            resolution: 0,
            running: false,
            epoch: Instant::ZERO,
            phase: 0,
            overflows: 0,
            seen: 0,
        }
    }
}

impl Timer {
    /// Counts since the last one before `epoch` that was a multiple of the range.
    fn total(&self, now: Instant) -> u64 {
        if !self.running {
            return self.phase;
        }
        let scaled = u128::from((now - self.epoch).ticks()) * u128::from(self.source.hz()) * 256;
        let count = scaled / (u128::from(TICKS_PER_SECOND) * u128::from(self.divider));
        self.phase.saturating_add(count as u64)
    }

    fn count(&self, now: Instant) -> u64 {
        self.total(now) & ((1 << self.resolution) - 1)
    }

    fn overflows(&self, now: Instant) -> i64 {
        self.overflows.wrapping_add((self.total(now) >> self.resolution) as i64)
    }

    /// When `total` reaches `count`.
    fn instant_of(&self, count: u64) -> Option<Instant> {
        if !self.running {
            return None;
        }
        let counts = u128::from(count.saturating_sub(self.phase));
        let base = u128::from(TICKS_PER_SECOND) * u128::from(self.divider);
        let ticks = (counts * base).div_ceil(u128::from(self.source.hz()) * 256);
        Some(self.epoch + Duration::from_ticks(u64::try_from(ticks).unwrap_or(u64::MAX)))
    }

    /// When overflow number `number` happens.
    fn instant_of_overflow(&self, number: i64) -> Option<Instant> {
        let ahead = u64::try_from(number.wrapping_sub(self.overflows)).unwrap_or(0);
        self.instant_of(ahead.checked_mul(1 << self.resolution)?)
    }

    /// Counts from `now` on, so that the settings may change.
    fn rebase(&mut self, now: Instant) {
        (self.phase, self.overflows) = (self.count(now), self.overflows(now));
        self.epoch = now;
    }

    /// Takes divider and resolution from CONF.
    fn take_settings(&mut self, source: Hertz) {
        self.source = source;
        self.divider = (self.conf >> 5) & 0x3_ffff;
        self.resolution = (self.conf & 0x1f).min(MAX_RESOLUTION);
    }

    /// Applies reset and pause and what the settings allow.
    fn gate(&mut self) {
        if self.conf & timer::RST != 0 {
            self.phase = 0;
        }
        self.phase &= (1 << self.resolution) - 1;
        self.running = self.conf & (timer::RST | timer::PAUSE) == 0 && self.divider != 0;
    }
}

/// A duty change that has been started.
#[derive(Debug, Clone, Copy)]
struct Fade {
    /// The overflow of the channel's timer with which it begins.
    first: i64,
    duty: u32,
    scale: u32,
    /// Overflows between steps.
    cycle: u32,
    steps: u32,
    increase: bool,
}

impl Fade {
    fn last(&self) -> i64 {
        self.first.wrapping_add(i64::from(self.cycle) * i64::from(self.steps))
    }

    /// Duty after overflow number `overflow`; `None` before the first.
    fn duty(&self, overflow: i64) -> Option<u32> {
        let since = overflow.wrapping_sub(self.first);
        if since < 0 {
            return None;
        }
        let steps = (since / i64::from(self.cycle.max(1))).min(self.steps.into()) as u32;
        let change = (self.scale << 4).wrapping_mul(steps);
        let duty = if self.increase {
            self.duty.wrapping_add(change)
        } else {
            self.duty.wrapping_sub(change)
        };
        Some(duty & DUTY_MASK)
    }
}

/// The settings of a channel in force.
#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    conf0: u32,
    hpoint: u32,
}

#[derive(Debug, Clone)]
struct Channel {
    conf0: u32,
    hpoint: u32,
    duty: u32,
    conf1: u32,
    active: Settings,
    /// Duty in force before and without a fade, with four fractional bits.
    current: u32,
    fade: Option<Fade>,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            conf0: 0,
            hpoint: 0,
            duty: 0,
            conf1: conf1::RESET,
            active: Settings::default(),
            current: 0,
            fade: None,
        }
    }
}

impl Channel {
    fn duty_at(&self, overflow: i64) -> u32 {
        self.fade.and_then(|fade| fade.duty(overflow)).unwrap_or(self.current)
    }

    /// Counts at which the output rises and falls in the period after `overflow`.
    fn points(&self, overflow: i64) -> (u64, u64) {
        let duty = self.duty_at(overflow);
        let longer = overflow.rem_euclid(16) < i64::from(duty & 0xf);
        let high = u64::from(self.active.hpoint);
        (high, high + u64::from(duty >> 4) + u64::from(longer))
    }

    fn start_fade(&mut self, overflows: i64) {
        let field = |shift: u32| (self.conf1 >> shift) & 0x3ff;
        let (scale, cycle, steps) = (field(0), field(10), field(20));
        let moves = scale != 0 && cycle != 0;
        self.current = self.duty_at(overflows);
        self.fade = Some(Fade {
            first: overflows.wrapping_add(1),
            duty: self.duty,
            scale,
            cycle,
            steps: if moves { steps } else { 0 },
            increase: self.conf1 & conf1::DUTY_INC != 0,
        });
    }

    fn stop_fade(&mut self, overflows: i64) {
        self.current = self.duty_at(overflows);
        self.fade = None;
    }
}

/// What a channel puts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pwm {
    /// Periods in a second, in thousandths of a hertz; `None`: the timer stands.
    pub millihertz: Option<u64>,
    /// Duty in sixteenths of a timer count.
    pub duty: u32,
    /// The whole period in the same unit.
    pub period: u32,
}

/// The peripheral.
#[derive(Debug, Clone, Default)]
pub struct Ledc {
    timers: [Timer; TIMERS],
    channels: [Channel; CHANNELS],
    int_raw: u32,
    int_ena: u32,
    conf: u32,
}

fn duty_end_bit(channel: usize) -> u32 {
    1 << (8 + channel as u32 % CHANNELS as u32)
}

impl Ledc {
    /// An LEDC after reset.
    pub fn new() -> Self {
        Self::default()
    }

    fn timer_of(&self, channel: usize) -> Option<&Timer> {
        let state = self.channels.get(channel)?;
        let group = if channel < HIGH_SPEED_CHANNELS { 0 } else { HIGH_SPEED_TIMERS };
        self.timers.get(group + (state.active.conf0 & 3) as usize)
    }

    /// The level of output `channel` at `cx.now`, which must not lie before the last access.
    pub fn level(&self, channel: usize, cx: &Context) -> bool {
        let (Some(state), Some(timer)) = (self.channels.get(channel), self.timer_of(channel))
        else {
            return false;
        };
        if state.active.conf0 & conf0::SIG_OUT_EN == 0 {
            return state.active.conf0 & conf0::IDLE_LV != 0;
        }
        let (high, low) = state.points(timer.overflows(cx.now));
        let range = 1 << timer.resolution;
        let count = timer.count(cx.now);
        high < range && low > high && (low >= range || (high..low).contains(&count))
    }

    /// When the level of `channel` may next change after `cx.now`; `None`: not before software
    /// acts. While the duty changes, the answer may be an instant without a change.
    pub fn next_edge(&self, channel: usize, cx: &Context) -> Option<Instant> {
        let state = self.channels.get(channel)?;
        let timer = self.timer_of(channel)?;
        if state.active.conf0 & conf0::SIG_OUT_EN == 0 {
            return None;
        }
        let overflow = timer.overflows(cx.now);
        let (high, low) = state.points(overflow);
        let range = 1 << timer.resolution;
        let steady = state.fade.is_none() && state.duty_at(overflow) & 0xf == 0;
        if steady && (high >= range || low == high || low >= range) {
            return None;
        }
        let total = timer.total(cx.now);
        let base = total & !(range - 1);
        [high, low, range]
            .into_iter()
            .filter(|&point| point <= range && base.saturating_add(point) > total)
            .filter_map(|point| timer.instant_of(base.saturating_add(point)))
            .filter(|&at| at > cx.now)
            .min()
    }

    /// Frequency and duty of `channel` at `cx.now`; `None`: the output is not enabled.
    pub fn pwm(&self, channel: usize, cx: &Context) -> Option<Pwm> {
        let state = self.channels.get(channel)?;
        let timer = self.timer_of(channel)?;
        if state.active.conf0 & conf0::SIG_OUT_EN == 0 {
            return None;
        }
        let millihertz = timer.running.then(|| {
            let source = u128::from(timer.source.hz()) * 256_000;
            (source / (u128::from(timer.divider) << timer.resolution)) as u64
        });
        Some(Pwm {
            millihertz,
            duty: state.duty_at(timer.overflows(cx.now)),
            period: 16 << timer.resolution,
        })
    }

    fn source(&self, index: usize, cx: &Context) -> Hertz {
        let conf = self.timers.get(index).map_or(0, |t| t.conf);
        let low_speed = index >= HIGH_SPEED_TIMERS;
        match (conf & timer::TICK_SEL != 0, low_speed && self.conf & APB_CLK_SEL == 0) {
            (false, _) => cx.clocks.ref_tick,
            (true, false) => cx.clocks.apb,
            (true, true) => RTC8M_CLK,
        }
    }

    /// Counts on from now with the source as it is selected at this moment.
    fn follow_sources(&mut self, cx: &Context) {
        for index in 0..TIMERS {
            let source = self.source(index, cx);
            if let Some(timer) = self.timers.get_mut(index) {
                timer.rebase(cx.now);
                timer.source = source;
            }
        }
    }

    fn write_timer(&mut self, index: usize, value: u32, cx: &Context) {
        let Some(timer) = self.timers.get_mut(index) else { return };
        timer.rebase(cx.now);
        timer.conf = value & timer::MASK;
        if index < HIGH_SPEED_TIMERS || value & timer::PARA_UP != 0 {
            let source = self.source(index, cx);
            if let Some(timer) = self.timers.get_mut(index) {
                timer.take_settings(source);
            }
        }
        if let Some(timer) = self.timers.get_mut(index) {
            timer.gate();
        }
    }

    fn write_channel(&mut self, index: usize, register: u32, value: u32, cx: &Context) {
        let high_speed = index < HIGH_SPEED_CHANNELS;
        let Some(state) = self.channels.get_mut(index) else { return };
        match register {
            reg::CONF0 => state.conf0 = value & conf0::MASK,
            reg::HPOINT => state.hpoint = value & HPOINT_MASK,
            reg::DUTY => state.duty = value & DUTY_MASK,
            reg::CONF1 => state.conf1 = value,
            _ => return,
        }
        let update = register == reg::CONF0 && value & conf0::PARA_UP != 0;
        if high_speed || update {
            self.take_settings(index, cx);
        }
        if update || high_speed && register == reg::CONF1 {
            self.take_duty(index, cx);
        }
    }

    fn overflows(&self, channel: usize, cx: &Context) -> i64 {
        self.timer_of(channel).map_or(0, |timer| timer.overflows(cx.now))
    }

    fn take_settings(&mut self, index: usize, cx: &Context) {
        let before = self.overflows(index, cx);
        if let Some(state) = self.channels.get_mut(index) {
            state.active = Settings { conf0: state.conf0, hpoint: state.hpoint };
        }
        // Each timer counts its own overflows; a fade goes on with those of the new one.
        let moved = self.overflows(index, cx).wrapping_sub(before);
        if let Some(fade) = self.channels.get_mut(index).and_then(|c| c.fade.as_mut()) {
            fade.first = fade.first.wrapping_add(moved);
        }
    }

    fn take_duty(&mut self, index: usize, cx: &Context) {
        let overflows = self.overflows(index, cx);
        if let Some(state) = self.channels.get_mut(index) {
            if state.conf1 & conf1::DUTY_START == 0 {
                state.stop_fade(overflows);
            } else {
                state.start_fade(overflows);
            }
        }
    }

    fn finish_fades(&mut self, cx: &Context) {
        for index in 0..CHANNELS {
            let overflows = self.overflows(index, cx);
            let Some(state) = self.channels.get_mut(index) else { continue };
            if state.fade.is_some_and(|fade| overflows.wrapping_sub(fade.last()) >= 0) {
                state.stop_fade(overflows);
                state.conf1 &= !conf1::DUTY_START;
                self.int_raw |= duty_end_bit(index);
            }
        }
    }
}

impl Peripheral for Ledc {
    const NAME: &'static str = "LEDC";

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            0..=reg::CHANNEL_LAST => {
                let index = (offset / reg::CHANNEL_STRIDE) as usize;
                let overflows = self.overflows(index, cx);
                let Some(state) = self.channels.get(index) else { return Err(Unmodelled) };
                match offset % reg::CHANNEL_STRIDE {
                    reg::CONF0 => state.conf0,
                    reg::HPOINT => state.hpoint,
                    reg::DUTY => state.duty,
                    reg::CONF1 => state.conf1,
                    reg::DUTY_R => state.duty_at(overflows),
                    _ => return Err(Unmodelled),
                }
            }
            reg::TIMER..=reg::TIMER_LAST => {
                let at = offset - reg::TIMER;
                let Some(timer) = self.timers.get((at / 8) as usize) else {
                    return Err(Unmodelled);
                };
                if at.is_multiple_of(8) { timer.conf } else { timer.count(cx.now) as u32 }
            }
            reg::INT_RAW => self.int_raw,
            reg::INT_ST => self.int_raw & self.int_ena,
            reg::INT_ENA => self.int_ena,
            reg::INT_CLR => 0,
            reg::CONF => self.conf,
            reg::DATE => DATE,
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            0..=reg::CHANNEL_LAST => {
                let index = (offset / reg::CHANNEL_STRIDE) as usize;
                self.write_channel(index, offset % reg::CHANNEL_STRIDE, value, cx);
            }
            reg::TIMER..=reg::TIMER_LAST => {
                let at = offset - reg::TIMER;
                if at.is_multiple_of(8) {
                    self.write_timer((at / 8) as usize, value, cx);
                }
            }
            reg::INT_ENA => self.int_ena = value & INTERRUPTS,
            reg::INT_CLR => self.int_raw &= !value,
            reg::CONF => {
                self.conf = value & APB_CLK_SEL;
                self.follow_sources(cx);
            }
            reg::INT_RAW | reg::INT_ST | reg::DATE => {}
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        for (index, timer) in (0..).zip(&mut self.timers) {
            let overflows = timer.overflows(cx.now);
            if std::mem::replace(&mut timer.seen, overflows) != overflows {
                self.int_raw |= 1 << index;
            }
        }
        self.finish_fades(cx);
    }

    fn poll_at(&self) -> Option<Instant> {
        let timers = (0..).zip(&self.timers).filter_map(|(index, timer): (u32, _)| {
            let wanted = self.int_ena & !self.int_raw & 1 << index != 0;
            wanted.then(|| timer.instant_of_overflow(timer.seen.wrapping_add(1))).flatten()
        });
        let fades = self.channels.iter().enumerate().filter_map(|(index, channel)| {
            let fade = channel.fade?;
            self.timer_of(index)?.instant_of_overflow(fade.last())
        });
        timers.chain(fades).min()
    }

    fn irq(&self) -> u32 {
        u32::from(self.int_raw & self.int_ena != 0)
    }

    fn clocks_changed(&mut self, cx: &Context) {
        self.follow_sources(cx);
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::{Clocks, sweep::sweep};

    const LOW_SPEED: u32 = 0xa0;
    const LOW_SPEED_TIMER: u32 = 0x160;

    fn cx(us: u64) -> Context {
        let clocks = Clocks { apb: Hertz::mhz(80), ..Clocks::default() };
        Context::at(Instant::ZERO + Duration::from_micros(us), clocks)
    }

    /// APB / 8, 8 bits: counts of 100 ns, a period of 25.6 us.
    const TIMER: u32 = timer::TICK_SEL | 8 << 13 | 8;

    fn high_speed(duty: u32) -> Ledc {
        let mut ledc = Ledc::new();
        ledc.write(reg::TIMER, TIMER, &cx(0)).unwrap();
        ledc.write(reg::CONF0, conf0::SIG_OUT_EN, &cx(0)).unwrap();
        ledc.write(reg::DUTY, duty << 4, &cx(0)).unwrap();
        ledc.write(reg::CONF1, conf1::DUTY_START | conf1::DUTY_INC, &cx(0)).unwrap();
        ledc
    }

    #[test]
    fn reset_values_are_those_of_the_manual() {
        let mut ledc = Ledc::new();
        for (offset, value) in [(0x0c, 1 << 30), (0x140, 1 << 24), (0x178, 1 << 24), (0x180, 0)] {
            assert_eq!(ledc.read(offset, &cx(0)), Ok(value), "offset {offset:#x}");
        }
    }

    #[test]
    fn a_new_duty_takes_effect_at_the_overflow_and_interrupts() {
        let mut ledc = high_speed(64);
        ledc.write(reg::INT_ENA, 1 << 8, &cx(0)).unwrap();
        assert!(!ledc.level(0, &cx(1)));
        assert_eq!(ledc.poll_at(), Some(cx(0).now + Duration::from_nanos(25_600)));
        ledc.poll(&cx(25));
        assert_eq!(ledc.irq(), 0);
        ledc.poll(&cx(26));
        assert_eq!((ledc.irq(), ledc.poll_at()), (1, None));
        assert_eq!(ledc.read(reg::DUTY_R, &cx(26)), Ok(64 << 4));
        assert_eq!(ledc.read(reg::CONF1, &cx(26)).unwrap() & conf1::DUTY_START, 0);
        // The second period is high from 25.6 to 32 us.
        assert!(ledc.level(0, &cx(26)) && ledc.level(0, &cx(31)) && !ledc.level(0, &cx(33)));
        let fall = ledc.next_edge(0, &cx(26)).unwrap();
        assert_eq!(fall, Instant::ZERO + Duration::from_micros(32));
        assert!(!ledc.level(0, &Context { now: fall, ..cx(0) }));
        let pwm = ledc.pwm(0, &cx(26)).unwrap();
        assert_eq!((pwm.millihertz, pwm.duty * 4), (Some(39_062_500), pwm.period));
        ledc.write(reg::INT_CLR, u32::MAX, &cx(26)).unwrap();
        assert_eq!(ledc.irq(), 0);
    }

    #[test]
    fn full_and_zero_duty_have_no_edges() {
        for (duty, level) in [(0, false), (256, true)] {
            let mut ledc = high_speed(duty);
            ledc.poll(&cx(30));
            assert_eq!(ledc.level(0, &cx(30)), level);
            assert_eq!(ledc.next_edge(0, &cx(30)), None);
        }
    }

    #[test]
    fn a_fade_steps_the_duty_and_ends_with_its_last_step() {
        let mut ledc = high_speed(10);
        ledc.poll(&cx(30));
        ledc.write(reg::INT_CLR, u32::MAX, &cx(30)).unwrap();
        let fade = conf1::DUTY_START | conf1::DUTY_INC | 3 << 20 | 2 << 10 | 5;
        ledc.write(reg::CONF1, fade, &cx(30)).unwrap();
        // Overflow 2 begins the fade, 4, 6 and 8 step it.
        let mut duties = vec![];
        for period in 1..10 {
            let cx = cx(period * 256 / 10 + 1);
            ledc.poll(&cx);
            duties.push(ledc.read(reg::DUTY_R, &cx).unwrap() >> 4);
            assert_eq!(ledc.read(reg::INT_RAW, &cx).unwrap() >> 8 & 1, u32::from(period >= 8));
        }
        assert_eq!(duties, [10, 10, 10, 15, 15, 20, 20, 25, 25]);
    }

    #[test]
    fn low_speed_settings_wait_for_para_up() {
        let mut ledc = Ledc::new();
        ledc.write(reg::CONF, APB_CLK_SEL, &cx(0)).unwrap();
        ledc.write(LOW_SPEED_TIMER, TIMER, &cx(0)).unwrap();
        assert_eq!(ledc.read(LOW_SPEED_TIMER + 4, &cx(10)), Ok(0));
        ledc.write(LOW_SPEED_TIMER, TIMER | timer::PARA_UP, &cx(10)).unwrap();
        assert_eq!(ledc.read(LOW_SPEED_TIMER + 4, &cx(20)), Ok(100));
        ledc.write(LOW_SPEED + reg::CONF0, conf0::IDLE_LV, &cx(20)).unwrap();
        assert!(!ledc.level(8, &cx(20)));
        ledc.write(LOW_SPEED + reg::CONF0, conf0::IDLE_LV | conf0::PARA_UP, &cx(20)).unwrap();
        assert!(ledc.level(8, &cx(20)));
        ledc.write(LOW_SPEED + reg::DUTY, 128 << 4, &cx(20)).unwrap();
        ledc.write(LOW_SPEED + reg::CONF1, conf1::DUTY_START, &cx(20)).unwrap();
        assert_eq!(ledc.poll_at(), None);
        let enable = conf0::SIG_OUT_EN | conf0::PARA_UP;
        ledc.write(LOW_SPEED + reg::CONF0, enable, &cx(20)).unwrap();
        ledc.poll(&cx(100));
        assert_eq!(ledc.pwm(8, &cx(100)).map(|pwm| pwm.duty), Some(128 << 4));
        assert_eq!(ledc.read(reg::INT_RAW, &cx(100)).unwrap() >> 16, 1);
    }

    #[test]
    fn overflows_are_raised_once_each_and_scheduled_only_when_wanted() {
        let mut ledc = high_speed(1);
        ledc.poll(&cx(30));
        assert_eq!((ledc.read(reg::INT_RAW, &cx(30)).unwrap() & 1, ledc.poll_at()), (1, None));
        ledc.write(reg::INT_CLR, 1, &cx(30)).unwrap();
        ledc.write(reg::INT_ENA, 1, &cx(30)).unwrap();
        assert_eq!(ledc.poll_at(), Some(Instant::ZERO + Duration::from_nanos(51_200)));
        ledc.poll(&cx(52));
        assert_eq!((ledc.irq(), ledc.poll_at()), (1, None));
    }

    #[test]
    fn a_pause_and_a_clock_change_carry_the_count_over() {
        let mut ledc = high_speed(1);
        ledc.write(reg::TIMER, TIMER | timer::PAUSE, &cx(10)).unwrap();
        assert_eq!(ledc.read(reg::TIMER + 4, &cx(20)), Ok(100));
        ledc.write(reg::TIMER, TIMER, &cx(20)).unwrap();
        let slow = Context { clocks: Clocks { apb: Hertz::mhz(40), ..cx(0).clocks }, ..cx(21) };
        ledc.clocks_changed(&slow);
        assert_eq!(ledc.read(reg::TIMER + 4, &cx(23)), Ok(120));
        ledc.write(reg::TIMER, TIMER | timer::RST, &cx(23)).unwrap();
        assert_eq!(ledc.read(reg::TIMER + 4, &cx(30)), Ok(0));
    }

    #[test]
    fn no_access_panics() {
        sweep(&Ledc::new(), 0x400);
        sweep(&high_speed(255), 0x400);
        let ledc = high_speed(3);
        for channel in 0..20 {
            let end = Context::at(Instant::MAX, Clocks::default());
            let _ = (ledc.level(channel, &end), ledc.next_edge(channel, &end));
        }
    }
}
