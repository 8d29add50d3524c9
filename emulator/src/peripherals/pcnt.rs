//! Pulse counter (PCNT): eight units that count edges of two channels each.
//!
//! Source: ESP32 Technical Reference Manual, chapter "Pulse Count Controller (PCNT)"; field
//! positions and reset values from `pcnt_reg.h`, the order of status bits and the meaning of the
//! control modes from `pcnt_struct.h` and `pcnt_ll.h`, of ESP-IDF v5.0.
//! Modelled: edge and control modes, pause and reset, limits that set the counter back to zero,
//! both thresholds, zero crossings, latched status, one interrupt for each unit.
//! Not modelled: the input filter (stored): every edge counts.
//!
//! Nothing here depends on time. One interrupt line, bit 0.

use super::{Context, Peripheral, Unmodelled};
use crate::time::Instant;

/// Units.
pub const UNITS: usize = 8;

mod reg {
    pub(super) const CONF_LAST: u32 = 0x5c;
    pub(super) const CNT: u32 = 0x60;
    pub(super) const CNT_LAST: u32 = 0x7c;
    pub(super) const INT_RAW: u32 = 0x80;
    pub(super) const INT_ST: u32 = 0x84;
    pub(super) const INT_ENA: u32 = 0x88;
    pub(super) const INT_CLR: u32 = 0x8c;
    pub(super) const STATUS: u32 = 0x90;
    pub(super) const STATUS_LAST: u32 = 0xac;
    pub(super) const CTRL: u32 = 0xb0;
    pub(super) const DATE: u32 = 0xfc;
}

mod conf0 {
    pub(super) const RESET: u32 = 0x3c10;
    pub(super) const THR_ZERO_EN: u32 = 1 << 11;
    pub(super) const THR_H_LIM_EN: u32 = 1 << 12;
    pub(super) const THR_L_LIM_EN: u32 = 1 << 13;
    pub(super) const THR_THRES0_EN: u32 = 1 << 14;
    pub(super) const THR_THRES1_EN: u32 = 1 << 15;
}

mod status {
    pub(super) const THRES1: u32 = 1 << 2;
    pub(super) const THRES0: u32 = 1 << 3;
    pub(super) const L_LIM: u32 = 1 << 4;
    pub(super) const H_LIM: u32 = 1 << 5;
    pub(super) const ZERO: u32 = 1 << 6;
}

const CTRL_RESET: u32 = 0x5555;
const CTRL_MASK: u32 = 0x1_ffff;
const DATE: u32 = 0x1412_2600;

/// The two inputs of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The signal whose edges are counted.
    Pulse,
    /// The level that selects how they are counted.
    Control,
}

#[derive(Debug, Clone, Copy)]
struct Unit {
    conf: [u32; 3],
    count: i16,
    /// Threshold, limit and zero events since the last count that caused one.
    latched: u32,
    /// 0: from above to zero, 1: from below to zero, 2: below, 3: above.
    sign: u32,
    pulse: [bool; 2],
    control: [bool; 2],
}

impl Default for Unit {
    fn default() -> Self {
        Self {
            conf: [conf0::RESET, 0, 0],
            count: 0,
            latched: 0,
            sign: 0,
            pulse: [false; 2],
            control: [false; 2],
        }
    }
}

impl Unit {
    /// The change that an edge of `channel` makes.
    fn change(&self, channel: usize, rising: bool) -> i16 {
        let modes = self.conf[0] >> if channel == 0 { 16 } else { 24 };
        let edge = (modes >> if rising { 2 } else { 0 }) & 3;
        let change = match edge {
            1 => 1,
            2 => -1,
            _ => 0,
        };
        let control = self.control.get(channel).copied().unwrap_or(false);
        match (modes >> if control { 4 } else { 6 }) & 3 {
            0 => change,
            1 => -change,
            _ => 0,
        }
    }

    /// Counts; whether an enabled event has come of it.
    fn count(&mut self, change: i16) -> bool {
        let before = self.count;
        let after = before.wrapping_add(change);
        let low_half = |word: u32| word as u16 as i16;
        let high_half = |word: u32| (word >> 16) as u16 as i16;
        let [settings, thresholds, limits] = self.conf;
        let zero = after == 0;
        let events = [
            (conf0::THR_H_LIM_EN, status::H_LIM, change > 0 && after == low_half(limits)),
            (conf0::THR_L_LIM_EN, status::L_LIM, change < 0 && after == high_half(limits)),
            (conf0::THR_THRES0_EN, status::THRES0, after == low_half(thresholds)),
            (conf0::THR_THRES1_EN, status::THRES1, after == high_half(thresholds)),
            (conf0::THR_ZERO_EN, status::ZERO, zero),
        ];
        let hit = events
            .iter()
            .filter(|&&(enable, _, reached)| reached && settings & enable != 0)
            .fold(0, |hit, &(_, bit, _)| hit | bit);
        // Reaching a limit sets the counter back.
        self.count = if hit & (status::H_LIM | status::L_LIM) != 0 { 0 } else { after };
        self.sign = match (before.signum(), after.signum()) {
            (1, 0) => 0,
            (-1, 0) => 1,
            (_, -1) => 2,
            (_, 1) => 3,
            _ => self.sign,
        };
        if hit != 0 {
            self.latched = hit;
        }
        hit != 0
    }
}

/// The peripheral.
#[derive(Debug, Clone)]
pub struct Pcnt {
    units: [Unit; UNITS],
    ctrl: u32,
    int_raw: u32,
    int_ena: u32,
}

impl Default for Pcnt {
    fn default() -> Self {
        Self { units: [Unit::default(); UNITS], ctrl: CTRL_RESET, int_raw: 0, int_ena: 0 }
    }
}

impl Pcnt {
    /// A counter after reset: every unit is held in reset.
    pub fn new() -> Self {
        Self::default()
    }

    /// The level on an input of `channel` (0 or 1) of `unit` (0 to 7) is `level` from now on. An
    /// edge of a pulse input counts unless the unit is paused or in reset.
    pub fn set_input(
        &mut self,
        unit: usize,
        channel: usize,
        input: Input,
        level: bool,
        _now: Instant,
    ) {
        let stopped = (self.ctrl >> (2 * unit.min(UNITS))) & 3 != 0;
        let Some(state) = self.units.get_mut(unit) else { return };
        let levels = match input {
            Input::Pulse => &mut state.pulse,
            Input::Control => &mut state.control,
        };
        let Some(old) = levels.get_mut(channel) else { return };
        let edge = std::mem::replace(old, level) != level && input == Input::Pulse;
        if !edge || stopped {
            return;
        }
        let change = state.change(channel, level);
        if change != 0 && state.count(change) {
            self.int_raw |= 1 << unit;
        }
    }

    /// The count of `unit`, -32768 to 32767.
    pub fn count(&self, unit: usize) -> Option<i16> {
        self.units.get(unit).map(|unit| unit.count)
    }

    fn unit(&self, offset: u32, bank: u32) -> Option<&Unit> {
        self.units.get(((offset - bank) / 4) as usize)
    }
}

impl Peripheral for Pcnt {
    const NAME: &'static str = "PCNT";

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            0..=reg::CONF_LAST => {
                let unit = self.units.get((offset / 12) as usize);
                unit.and_then(|unit| unit.conf.get((offset % 12 / 4) as usize))
                    .copied()
                    .unwrap_or(0)
            }
            reg::CNT..=reg::CNT_LAST => {
                self.unit(offset, reg::CNT).map_or(0, |unit| (unit.count as u16).into())
            }
            reg::INT_RAW => self.int_raw,
            reg::INT_ST => self.int_raw & self.int_ena,
            reg::INT_ENA => self.int_ena,
            reg::INT_CLR => 0,
            reg::STATUS..=reg::STATUS_LAST => {
                self.unit(offset, reg::STATUS).map_or(0, |unit| unit.latched | unit.sign)
            }
            reg::CTRL => self.ctrl,
            reg::DATE => DATE,
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            0..=reg::CONF_LAST => {
                let unit = self.units.get_mut((offset / 12) as usize);
                if let Some(word) =
                    unit.and_then(|unit| unit.conf.get_mut((offset % 12 / 4) as usize))
                {
                    *word = value;
                }
            }
            reg::INT_ENA => self.int_ena = value & 0xff,
            reg::INT_CLR => self.int_raw &= !value,
            reg::CTRL => {
                self.ctrl = value & CTRL_MASK;
                for (index, unit) in (0..).zip(&mut self.units) {
                    if value & (1 << (2 * index)) != 0 {
                        unit.count = 0;
                    }
                }
            }
            reg::CNT..=reg::INT_ST | reg::STATUS..=reg::STATUS_LAST | reg::DATE => {}
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn irq(&self) -> u32 {
        u32::from(self.int_raw & self.int_ena != 0)
    }

    fn reset(&mut self, _cx: &Context) {
        let inputs = self.units.map(|unit| (unit.pulse, unit.control));
        *self = Self::default();
        for (unit, (pulse, control)) in self.units.iter_mut().zip(inputs) {
            (unit.pulse, unit.control) = (pulse, control);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::{Clocks, sweep::sweep};

    const UNIT: usize = 2;
    const CONF0: u32 = 12 * UNIT as u32;
    /// Channel 0 counts rising edges up.
    const RISING_UP: u32 = 1 << 18;

    fn cx() -> Context {
        Context::at(Instant::ZERO, Clocks::default())
    }

    fn counter(settings: u32) -> Pcnt {
        let mut pcnt = Pcnt::new();
        pcnt.write(CONF0, settings, &cx()).unwrap();
        pcnt.write(reg::CTRL, 0, &cx()).unwrap();
        pcnt.write(reg::INT_ENA, 0xff, &cx()).unwrap();
        pcnt
    }

    fn pulses(pcnt: &mut Pcnt, count: usize) {
        for level in [true, false].repeat(count) {
            pcnt.set_input(UNIT, 0, Input::Pulse, level, Instant::ZERO);
        }
    }

    #[test]
    fn units_are_held_in_reset_after_reset_and_stop_when_paused() {
        let mut pcnt = Pcnt::new();
        assert_eq!(pcnt.read(0, &cx()), Ok(0x3c10));
        pcnt.write(CONF0, RISING_UP, &cx()).unwrap();
        pulses(&mut pcnt, 3);
        assert_eq!(pcnt.count(UNIT), Some(0));
        let mut pcnt = counter(RISING_UP);
        pulses(&mut pcnt, 3);
        pcnt.write(reg::CTRL, 2 << (2 * UNIT), &cx()).unwrap();
        pulses(&mut pcnt, 3);
        assert_eq!(pcnt.count(UNIT), Some(3));
    }

    #[test]
    fn the_control_level_turns_the_direction_or_stops_the_count() {
        let mut pcnt = counter(RISING_UP | 1 << 20 | 2 << 22);
        pulses(&mut pcnt, 5);
        assert_eq!(pcnt.count(UNIT), Some(0), "low: stopped");
        pcnt.set_input(UNIT, 0, Input::Control, true, Instant::ZERO);
        pulses(&mut pcnt, 5);
        assert_eq!(pcnt.count(UNIT), Some(-5), "high: reversed");
        assert_eq!(pcnt.read(reg::CNT + 4 * UNIT as u32, &cx()), Ok(0xfffb));
    }

    #[test]
    fn a_limit_interrupts_and_sets_the_counter_back() {
        let mut pcnt = counter(RISING_UP | conf0::THR_H_LIM_EN);
        pcnt.write(CONF0 + 8, 10, &cx()).unwrap();
        pulses(&mut pcnt, 9);
        assert_eq!((pcnt.irq(), pcnt.count(UNIT)), (0, Some(9)));
        pulses(&mut pcnt, 1);
        assert_eq!((pcnt.irq(), pcnt.count(UNIT)), (1, Some(0)));
        assert_eq!(pcnt.read(reg::INT_ST, &cx()), Ok(1 << UNIT));
        let status = pcnt.read(reg::STATUS + 4 * UNIT as u32, &cx()).unwrap();
        assert_eq!(status & 0x7c, status::H_LIM);
        pcnt.write(reg::INT_CLR, u32::MAX, &cx()).unwrap();
        assert_eq!(pcnt.irq(), 0);
    }

    #[test]
    fn thresholds_and_zero_are_told_apart() {
        // Channel 0 up on rising edges, channel 1 down on rising edges.
        let enable = conf0::THR_THRES0_EN | conf0::THR_THRES1_EN | conf0::THR_ZERO_EN;
        let mut pcnt = counter(RISING_UP | 2 << 26 | enable);
        pcnt.write(CONF0 + 4, 3 | 0xfffe << 16, &cx()).unwrap();
        let status = |pcnt: &mut Pcnt| pcnt.read(reg::STATUS + 4 * UNIT as u32, &cx()).unwrap();
        pulses(&mut pcnt, 3);
        assert_eq!(status(&mut pcnt), status::THRES0 | 3);
        let mut seen = vec![];
        for level in [true, false].repeat(5) {
            pcnt.set_input(UNIT, 1, Input::Pulse, level, Instant::ZERO);
            seen.push(status(&mut pcnt));
        }
        assert_eq!(pcnt.count(UNIT), Some(-2));
        assert!(seen.contains(&status::ZERO), "zero from above");
        assert_eq!(seen.last(), Some(&(status::THRES1 | 2)));
    }

    #[test]
    fn no_access_panics() {
        sweep(&Pcnt::new(), 0x400);
        let mut pcnt = counter(u32::MAX);
        for unit in 0..9 {
            pcnt.set_input(unit, unit, Input::Pulse, true, Instant::ZERO);
        }
    }
}
