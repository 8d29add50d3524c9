//! RTC IO multiplexer (RTC_IO): the pads of the low-power domain, with their DACs and touch wiring.
//!
//! Source: ESP32 Technical Reference Manual, chapter "IO_MUX and GPIO Matrix", section on RTC
//! IO_MUX; field positions and reset values from `rtc_io_reg.h` of ESP-IDF v5.0.
//! Modelled: output, enable and status words with set and clear, pad levels, for each of the 18
//! pads whether the RTC side owns it, its pulls, input enable and hold; codes of both DACs; the
//! power of the hall sensor; selection of the ext0 wake-up pad.
//! Not modelled: level and edge detection into STATUS, drive strength, the sleep variants of each
//! pad, the crystal oscillator pads, the touch analogue settings: all of these are stored.
//!
//! The block belongs to the RTC domain: a reset of the digital domain leaves it alone.

use super::{Context, Peripheral, Unmodelled};

/// A pad of the RTC domain, by its RTC number 0 to 17 (`RTC_GPIO0` to `RTC_GPIO17`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RtcPad(u8);

/// GPIO numbers of the pads, in RTC order.
const GPIO: [u8; PADS] = [36, 37, 38, 39, 34, 35, 25, 26, 33, 32, 4, 0, 2, 15, 13, 12, 14, 27];
const PADS: usize = 18;

impl RtcPad {
    /// The pad with RTC number `number`, 0 to 17.
    pub fn new(number: u8) -> Option<Self> {
        (usize::from(number) < PADS).then_some(Self(number))
    }

    /// The pad that is bonded to GPIO `gpio`, if that pad belongs to the RTC domain.
    pub fn of_gpio(gpio: u8) -> Option<Self> {
        GPIO.iter().position(|&g| g == gpio).map(|number| Self(number as u8))
    }

    /// All pads, in RTC order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PADS as u8).map(Self)
    }

    /// RTC number, 0 to 17.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The GPIO number of the same pad.
    pub fn gpio(self) -> u8 {
        GPIO.get(usize::from(self.0)).copied().unwrap_or(0)
    }

    fn bit(self) -> u32 {
        1 << (FIRST_BIT + u32::from(self.0))
    }

    /// Register and masks of this pad's settings.
    fn fields(self) -> Fields {
        let number = u32::from(self.0);
        match number {
            0..=3 => {
                let down = number;
                let mux = 1 << (27 - down);
                Fields::input(reg::SENSOR_PADS, mux, 1 << (19 - 5 * down), 1 << (31 - down))
            }
            4 => Fields::input(reg::ADC_PAD, 1 << 29, 1 << 23, 1 << 31),
            5 => Fields::input(reg::ADC_PAD, 1 << 28, 1 << 18, 1 << 30),
            6 | 7 => Fields {
                register: reg::PAD_DAC1 + 4 * (number - 6),
                mux: 1 << 17,
                input_enable: 1 << 11,
                pull_up: 1 << 27,
                pull_down: 1 << 28,
                hold: 1 << 29,
            },
            8 => Fields {
                register: reg::XTAL_32K_PAD,
                mux: 1 << 18,
                input_enable: 1 << 11,
                pull_up: 1 << 27,
                pull_down: 1 << 28,
                hold: 1 << 29,
            },
            9 => Fields {
                register: reg::XTAL_32K_PAD,
                mux: 1 << 17,
                input_enable: 1 << 5,
                pull_up: 1 << 22,
                pull_down: 1 << 23,
                hold: 1 << 24,
            },
            _ => Fields {
                register: reg::TOUCH_PAD0 + 4 * (number - 10),
                mux: 1 << 19,
                input_enable: 1 << 13,
                pull_up: 1 << 27,
                pull_down: 1 << 28,
                hold: 1 << 31,
            },
        }
    }
}

/// Where the settings of one pad lie.
struct Fields {
    register: u32,
    mux: u32,
    input_enable: u32,
    pull_up: u32,
    pull_down: u32,
    hold: u32,
}

impl Fields {
    /// A pad that cannot drive has no pulls either.
    fn input(register: u32, mux: u32, input_enable: u32, hold: u32) -> Self {
        Self { register, mux, input_enable, pull_up: 0, pull_down: 0, hold }
    }
}

mod reg {
    pub(super) const OUT: u32 = 0x00;
    pub(super) const OUT_W1TS: u32 = 0x04;
    pub(super) const OUT_W1TC: u32 = 0x08;
    pub(super) const ENABLE: u32 = 0x0c;
    pub(super) const ENABLE_W1TS: u32 = 0x10;
    pub(super) const ENABLE_W1TC: u32 = 0x14;
    pub(super) const STATUS: u32 = 0x18;
    pub(super) const STATUS_W1TS: u32 = 0x1c;
    pub(super) const STATUS_W1TC: u32 = 0x20;
    pub(super) const IN: u32 = 0x24;
    pub(super) const PIN0: u32 = 0x28;
    pub(super) const DIG_PAD_HOLD: u32 = 0x74;
    pub(super) const HALL_SENS: u32 = 0x78;
    pub(super) const SENSOR_PADS: u32 = 0x7c;
    pub(super) const ADC_PAD: u32 = 0x80;
    pub(super) const PAD_DAC1: u32 = 0x84;
    pub(super) const PAD_DAC2: u32 = 0x88;
    pub(super) const XTAL_32K_PAD: u32 = 0x8c;
    pub(super) const TOUCH_CFG: u32 = 0x90;
    pub(super) const TOUCH_PAD0: u32 = 0x94;
    pub(super) const EXT_WAKEUP0: u32 = 0xbc;
    pub(super) const DATE: u32 = 0xc8;
}

/// Pad 0 is bit 14 of the level words.
const FIRST_BIT: u32 = 14;
const LEVELS: u32 = 0xffff_c000;
const OPEN_DRAIN: u32 = 1 << 2;
const XPD_HALL: u32 = 1 << 31;
const HALL_PHASE: u32 = 1 << 30;
const DATE: u32 = 0x0160_3160;
const WORDS: usize = (reg::DATE / 4 + 1) as usize;

/// What the RTC side makes of a pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtcPadState {
    /// The pad is taken from the digital IO_MUX (`MUX_SEL`).
    pub selected: bool,
    /// The level it drives; `None`: it does not drive.
    pub driven: Option<bool>,
    /// Input buffer on.
    pub input_enable: bool,
    /// Pull-up resistor on.
    pub pull_up: bool,
    /// Pull-down resistor on.
    pub pull_down: bool,
    /// The pad keeps the state it had when this was set, whatever the registers say since then.
    pub hold: bool,
}

/// RTC_IO; no interrupt lines.
#[derive(Debug, Clone)]
pub struct RtcIo {
    words: [u32; WORDS],
    levels: u32,
}

impl Default for RtcIo {
    fn default() -> Self {
        let mut words = [0; WORDS];
        let pads = reg::TOUCH_PAD0;
        for (offset, value) in [
            (reg::PAD_DAC1, 0x8000_0000),
            (reg::PAD_DAC2, 0x8000_0000),
            (reg::XTAL_32K_PAD, 0x8410_0010),
            (reg::TOUCH_CFG, 0x6600_0000),
            (pads, 0x5200_0000),
            (pads + 0x04, 0x4a00_0000),
            (pads + 0x08, 0x5200_0000),
            (pads + 0x0c, 0x4a00_0000),
            (pads + 0x10, 0x5200_0000),
            (pads + 0x14, 0x5200_0000),
            (pads + 0x18, 0x4a00_0000),
            (pads + 0x1c, 0x4200_0000),
            (pads + 0x20, 0x0200_0000),
            (pads + 0x24, 0x0200_0000),
            (reg::DATE, DATE),
        ] {
            if let Some(word) = words.get_mut((offset / 4) as usize) {
                *word = value;
            }
        }
        Self { words, levels: 0 }
    }
}

impl RtcIo {
    fn word(&self, offset: u32) -> u32 {
        self.words.get((offset / 4) as usize).copied().unwrap_or(0)
    }

    fn change(&mut self, offset: u32, change: impl FnOnce(u32) -> u32) {
        if let Some(word) = self.words.get_mut((offset / 4) as usize) {
            *word = change(*word);
        }
    }

    /// Tells the level on a pad, as `IN` shows it.
    pub fn set_level(&mut self, pad: RtcPad, high: bool) {
        if high {
            self.levels |= pad.bit();
        } else {
            self.levels &= !pad.bit();
        }
    }

    /// The settings of a pad at this moment.
    pub fn pad(&self, pad: RtcPad) -> RtcPadState {
        let fields = pad.fields();
        let settings = self.word(fields.register);
        let on = |mask: u32| settings & mask != 0;
        let high = self.word(reg::OUT) & pad.bit() != 0;
        let open_drain = self.word(reg::PIN0 + 4 * u32::from(pad.0)) & OPEN_DRAIN != 0;
        let enabled = self.word(reg::ENABLE) & pad.bit() != 0;
        RtcPadState {
            selected: on(fields.mux),
            driven: (enabled && !(open_drain && high)).then_some(high),
            input_enable: on(fields.input_enable),
            pull_up: on(fields.pull_up),
            pull_down: on(fields.pull_down),
            hold: on(fields.hold),
        }
    }

    /// The code that DAC 1 (`channel` 0, GPIO25) or DAC 2 (1, GPIO26) is given by its pad register,
    /// 0 to 255; `None` while it has no power. `Sens::dac_source` says when another source drives.
    pub fn dac_code(&self, channel: usize) -> Option<u8> {
        let register = match channel {
            0 => reg::PAD_DAC1,
            1 => reg::PAD_DAC2,
            _ => return None,
        };
        let pad = self.word(register);
        (pad & (1 << 18) != 0).then_some((pad >> 19) as u8)
    }

    /// Phase bit of the hall sensor; `None` while it has no power.
    pub fn hall_phase(&self) -> Option<bool> {
        let hall = self.word(reg::HALL_SENS);
        (hall & XPD_HALL != 0).then_some(hall & HALL_PHASE != 0)
    }

    /// DIG_PAD_HOLD: pads of the digital side that keep their state, by bits of their own.
    pub fn digital_holds(&self) -> u32 {
        self.word(reg::DIG_PAD_HOLD)
    }

    /// The pad that `ext0` wakes on.
    pub fn ext0_pad(&self) -> Option<RtcPad> {
        RtcPad::new((self.word(reg::EXT_WAKEUP0) >> 27) as u8)
    }
}

impl Peripheral for RtcIo {
    const NAME: &'static str = "RTC_IO";

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        match offset {
            reg::OUT_W1TS | reg::OUT_W1TC => Ok(self.word(reg::OUT)),
            reg::ENABLE_W1TS | reg::ENABLE_W1TC => Ok(self.word(reg::ENABLE)),
            reg::STATUS_W1TS | reg::STATUS_W1TC => Ok(self.word(reg::STATUS)),
            reg::IN => Ok(self.levels),
            0..=reg::DATE => Ok(self.word(offset)),
            _ => Err(Unmodelled),
        }
    }

    fn write(&mut self, offset: u32, value: u32, _cx: &Context) -> Result<(), Unmodelled> {
        let levels = value & LEVELS;
        match offset {
            reg::OUT | reg::ENABLE | reg::STATUS => self.change(offset, |_| levels),
            reg::OUT_W1TS | reg::ENABLE_W1TS | reg::STATUS_W1TS => {
                self.change(offset - 4, |old| old | levels);
            }
            reg::OUT_W1TC | reg::ENABLE_W1TC | reg::STATUS_W1TC => {
                self.change(offset - 8, |old| old & !levels);
            }
            reg::IN => {}
            0..=reg::DATE => self.change(offset, |_| value),
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn reset(&mut self, _cx: &Context) {
        *self = Self { levels: self.levels, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::{Clocks, sweep::sweep};
    use crate::time::Instant;

    fn cx() -> Context {
        Context::at(Instant::ZERO, Clocks::default())
    }

    fn gpio(number: u8) -> RtcPad {
        RtcPad::of_gpio(number).unwrap()
    }

    #[test]
    fn pads_reset_to_their_documented_pulls_and_belong_to_the_digital_side() {
        let io = RtcIo::default();
        for pad in RtcPad::all() {
            let state = io.pad(pad);
            assert!(!state.selected && !state.hold && state.driven.is_none());
            let (up, down) = (state.pull_up, state.pull_down);
            assert_eq!(up, matches!(pad.gpio(), 0 | 15 | 14), "GPIO{}", pad.gpio());
            assert_eq!(down, matches!(pad.gpio(), 4 | 2 | 13 | 12), "GPIO{}", pad.gpio());
            assert_eq!(RtcPad::of_gpio(pad.gpio()), Some(pad));
        }
        assert_eq!(RtcPad::of_gpio(5), None);
    }

    #[test]
    fn each_pad_has_fields_of_its_own() {
        for pad in RtcPad::all() {
            let fields = pad.fields();
            let mut io = RtcIo::default();
            io.write(fields.register, fields.mux | fields.hold, &cx()).unwrap();
            for other in RtcPad::all() {
                let state = io.pad(other);
                assert_eq!((state.selected, state.hold), (other == pad, other == pad));
            }
        }
    }

    #[test]
    fn outputs_follow_set_and_clear_and_open_drain_does_not_drive_high() {
        let mut io = RtcIo::default();
        let pad = gpio(4);
        io.write(reg::ENABLE_W1TS, pad.bit(), &cx()).unwrap();
        assert_eq!(io.pad(pad).driven, Some(false));
        io.write(reg::OUT_W1TS, pad.bit(), &cx()).unwrap();
        assert_eq!(io.pad(pad).driven, Some(true));
        io.write(reg::PIN0 + 4 * u32::from(pad.number()), OPEN_DRAIN, &cx()).unwrap();
        assert_eq!(io.pad(pad).driven, None);
        io.write(reg::OUT_W1TC, pad.bit(), &cx()).unwrap();
        assert_eq!(io.pad(pad).driven, Some(false));
    }

    #[test]
    fn a_dac_has_a_code_while_it_has_power() {
        let mut io = RtcIo::default();
        assert_eq!(io.dac_code(0), None);
        io.write(reg::PAD_DAC1, 1 << 18 | 200 << 19, &cx()).unwrap();
        assert_eq!((io.dac_code(0), io.dac_code(1)), (Some(200), None));
    }

    #[test]
    fn levels_come_from_outside_and_survive_reset() {
        let mut io = RtcIo::default();
        io.set_level(gpio(27), true);
        io.reset(&cx());
        assert_eq!(io.read(reg::IN, &cx()), Ok(1 << 31));
    }

    #[test]
    fn no_access_panics() {
        sweep(&RtcIo::default(), 0x400);
    }
}
