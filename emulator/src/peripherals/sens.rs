//! Sensor controller (SENS): SAR ADCs under the RTC controller, touch pads, temperature, DAC source.
//!
//! Source: ESP32 Technical Reference Manual, chapter "On-Chip Sensors and Analog Signal
//! Processing"; field positions and reset values from `sens_reg.h`, the ADC transfer from the
//! reference-voltage tables of `esp_adc_cal`, the exchange of touch pads 8 and 9 from
//! `touch_sensor_ll.h`, all of ESP-IDF v5.0.
//! Modelled: one conversion of ADC1 and ADC2 with attenuation, width and data inversion; touch
//! measurements started by software or by the RTC timer, with thresholds; the temperature
//! sensor's read-out; what feeds the DACs.
//! Not modelled: the digital controllers (SYSCON, I2S), the ULP coprocessor (its starts are
//! counted), the I2C master of the RTC domain, the hall sensor's field (ADC1 channels 0 and 3
//! read what is put on them). All other words are stored.
//!
//! The transfer is the line that firmware assumes for a reference of 1100 mV, without noise:
//! `millivolts = code * slope + offset`. Below the offset (75 to 142 mV, by attenuation) the code
//! is 0, as on the chip. A conversion takes what is on the pad when it starts.
//! No interrupt line of its own: touch events are drained ([`Sens::take_touch_event`]) into
//! RTC_CNTL. The block belongs to the RTC domain.

use super::{Context, Peripheral, Unmodelled};
use crate::time::{Duration, Hertz, Instant};

mod reg {
    pub(super) const READ_CTRL: u32 = 0x00;
    pub(super) const MEAS_WAIT1: u32 = 0x08;
    pub(super) const MEAS_WAIT2: u32 = 0x0c;
    pub(super) const MEAS_CTRL: u32 = 0x10;
    pub(super) const ULP_CP_SLEEP_CYC0: u32 = 0x18;
    pub(super) const START_FORCE: u32 = 0x2c;
    pub(super) const MEM_WR_CTRL: u32 = 0x30;
    pub(super) const ATTEN1: u32 = 0x34;
    pub(super) const ATTEN2: u32 = 0x38;
    pub(super) const SLAVE_ADDR3: u32 = 0x44;
    pub(super) const TSENS_CTRL: u32 = 0x4c;
    pub(super) const MEAS_START1: u32 = 0x54;
    pub(super) const TOUCH_CTRL1: u32 = 0x58;
    pub(super) const TOUCH_THRES1: u32 = 0x5c;
    pub(super) const TOUCH_OUT1: u32 = 0x70;
    pub(super) const TOUCH_OUT5: u32 = 0x80;
    pub(super) const TOUCH_CTRL2: u32 = 0x84;
    pub(super) const TOUCH_ENABLE: u32 = 0x8c;
    pub(super) const READ_CTRL2: u32 = 0x90;
    pub(super) const MEAS_START2: u32 = 0x94;
    pub(super) const DAC_CTRL1: u32 = 0x98;
    pub(super) const DAC_CTRL2: u32 = 0x9c;
    pub(super) const MEAS_CTRL2: u32 = 0xa0;
    pub(super) const DATE: u32 = 0xfc;
}

/// Words that do not reset to zero.
const RESET: &[(u32, u32)] = &[
    (reg::READ_CTRL, 0x0007_0902),
    (reg::MEAS_WAIT1, 0x000a_000a),
    (reg::MEAS_WAIT2, 0x0020_000a),
    (reg::MEAS_CTRL, 0x0707_338f),
    (reg::ULP_CP_SLEEP_CYC0, 200),
    (reg::ULP_CP_SLEEP_CYC0 + 4, 100),
    (reg::ULP_CP_SLEEP_CYC0 + 8, 50),
    (reg::ULP_CP_SLEEP_CYC0 + 12, 40),
    (reg::ULP_CP_SLEEP_CYC0 + 16, 20),
    (reg::START_FORCE, 0xf),
    (reg::MEM_WR_CTRL, 0x0010_0200),
    (reg::ATTEN1, u32::MAX),
    (reg::ATTEN2, u32::MAX),
    (reg::TSENS_CTRL, 0x0006_6002),
    (reg::TOUCH_CTRL1, 0x0204_1000),
    (reg::TOUCH_CTRL2, 0x0040_0800),
    (reg::TOUCH_ENABLE, 0x3fff_ffff),
    (reg::READ_CTRL2, 0x0007_0902),
    (reg::DAC_CTRL2, 0x0300_0000),
    (reg::MEAS_CTRL2, 3),
    (reg::DATE, 0x0160_5180),
];

const WORDS: usize = (reg::DATE / 4 + 1) as usize;
/// RTC_FAST_CLK, which paces measurements.
const RTC_FAST_CLK: Hertz = Hertz::new(8_500_000);

const START_FORCE: u32 = 1 << 18;
const START_SAR: u32 = 1 << 17;
const DONE: u32 = 1 << 16;
const START_STORED: u32 = 0xfffe_0000;

const ULP_CP_START_TOP: u32 = 1 << 9;
const ULP_CP_FORCE_START_TOP: u32 = 1 << 8;

const TSENS_DUMP_OUT: u32 = 1 << 26;
const TSENS_READY: u32 = 1 << 30;
const TSENS_OUT_SHIFT: u32 = 22;

const TOUCH_START_FORCE: u32 = 1 << 13;
const TOUCH_START_EN: u32 = 1 << 12;
const TOUCH_MEAS_EN_CLR: u32 = 1 << 30;
const TOUCH_MEAS_DONE: u32 = 1 << 10;
const TOUCH_STORED: u32 = 0x3fff_f800;
const TOUCH_OUT_SEL: u32 = 1 << 24;
const TOUCH_OUT_1EN: u32 = 1 << 25;
const PADS: usize = 10;
/// A touch pad that nobody has said anything about, in counts: untouched.
const UNTOUCHED: u16 = 1_000;
/// The temperature sensor's usual raw reading.
const TEMPERATURE: u8 = 128;

/// One of the two converters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adc {
    /// SAR ADC1, channels 0 to 7: GPIO36, 37, 38, 39, 32, 33, 34, 35.
    Adc1,
    /// SAR ADC2, channels 0 to 9: GPIO4, 0, 2, 15, 13, 12, 14, 27, 25, 26.
    Adc2,
}

const ADC1_GPIO: [u8; 8] = [36, 37, 38, 39, 32, 33, 34, 35];
const ADC2_GPIO: [u8; 10] = [4, 0, 2, 15, 13, 12, 14, 27, 25, 26];

impl Adc {
    /// The converter and channel that can measure GPIO `gpio`.
    pub fn of_gpio(gpio: u8) -> Option<(Self, usize)> {
        let find = |pins: &[u8]| pins.iter().position(|&pin| pin == gpio);
        find(&ADC1_GPIO)
            .map(|channel| (Self::Adc1, channel))
            .or_else(|| find(&ADC2_GPIO).map(|channel| (Self::Adc2, channel)))
    }

    fn attenuation_register(self) -> u32 {
        match self {
            Self::Adc1 => reg::ATTEN1,
            Self::Adc2 => reg::ATTEN2,
        }
    }

    fn read_control(self) -> u32 {
        match self {
            Self::Adc1 => reg::READ_CTRL,
            Self::Adc2 => reg::READ_CTRL2,
        }
    }

    fn inversion(self) -> u32 {
        match self {
            Self::Adc1 => 1 << 28,
            Self::Adc2 => 1 << 29,
        }
    }

    fn width_shift(self) -> u32 {
        match self {
            Self::Adc1 => 0,
            Self::Adc2 => 2,
        }
    }

    /// Slope in 65536ths of the reference over the range, and offset in mV, by attenuation.
    fn line(self, attenuation: u32) -> (u64, u64) {
        match (self, attenuation & 3) {
            (Self::Adc1, 0) => (57_431, 75),
            (Self::Adc1, 1) => (76_236, 78),
            (Self::Adc1, 2) => (105_481, 107),
            (Self::Adc1, _) => (196_602, 142),
            (Self::Adc2, 0) => (57_236, 63),
            (Self::Adc2, 1) => (76_175, 66),
            (Self::Adc2, 2) => (105_678, 89),
            (Self::Adc2, _) => (197_170, 128),
        }
    }
}

/// The 12-bit code for a voltage.
fn convert(adc: Adc, attenuation: u32, millivolts: u16) -> u32 {
    const REFERENCE: u64 = 1_100;
    let (slope, offset) = adc.line(attenuation);
    let above = u64::from(millivolts).saturating_sub(offset);
    let code = (above * 65_536 * 4_096 + REFERENCE * slope / 2) / (REFERENCE * slope);
    code.min(4_095) as u32
}

/// A conversion that was started.
#[derive(Debug, Clone, Copy)]
struct Conversion {
    data: u32,
    due: Instant,
}

/// One converter with its pads.
#[derive(Debug, Clone, Default)]
struct Converter {
    inputs: [u16; ADC2_GPIO.len()],
    conversion: Option<Conversion>,
}

/// What drives a DAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DacSource {
    /// The code in the pad's register (`RtcIo::dac_code`).
    Register,
    /// The cosine generator.
    Cosine(Cosine),
    /// Samples from I2S0 by DMA.
    Digital,
}

/// Settings of the cosine generator for one DAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosine {
    /// Frequency in thousandths of a hertz.
    pub millihertz: u64,
    /// Amplitude is the full range divided by this: 1, 2, 4 or 8.
    pub divisor: u8,
    /// `DAC_INV`: 0 none, 1 all bits, 2 the sign bit, 3 all but the sign bit.
    pub inversion: u8,
    /// `DAC_DC`, two's complement, added to the wave.
    pub offset: i8,
}

/// SENS.
#[derive(Debug, Clone)]
pub struct Sens {
    words: [u32; WORDS],
    adc1: Converter,
    adc2: Converter,
    /// Counts of the pads, in hardware order.
    touch: [u16; PADS],
    touch_out: [u16; PADS],
    touched: u32,
    touch_done: bool,
    touch_due: Option<Instant>,
    touch_timer: bool,
    touch_event: bool,
    temperature: u8,
    ulp_starts: u64,
}

impl Default for Sens {
    fn default() -> Self {
        let mut words = [0; WORDS];
        for &(offset, value) in RESET {
            if let Some(word) = words.get_mut((offset / 4) as usize) {
                *word = value;
            }
        }
        Self {
            words,
            adc1: Converter::default(),
            adc2: Converter::default(),
            touch: [UNTOUCHED; PADS],
            touch_out: [0; PADS],
            touched: 0,
            touch_done: false,
            touch_due: None,
            touch_timer: false,
            touch_event: false,
            temperature: TEMPERATURE,
            ulp_starts: 0,
        }
    }
}

/// The hardware's number of touch pad T`pad`: the wiring of 8 and 9 is exchanged.
fn hardware_pad(pad: usize) -> usize {
    match pad {
        8 => 9,
        9 => 8,
        other => other,
    }
}

impl Sens {
    /// A controller after reset, with 0 V on all analogue pads.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a voltage on a channel. Channels beyond the converter's have no effect.
    pub fn set_analog_input(&mut self, adc: Adc, channel: usize, millivolts: u16) {
        let converter = match adc {
            Adc::Adc1 => &mut self.adc1,
            Adc::Adc2 => &mut self.adc2,
        };
        if let Some(input) = converter.inputs.get_mut(channel) {
            *input = millivolts;
        }
    }

    /// Sets what touch pad T`pad` (0 to 9) counts in a measurement: less when touched.
    pub fn set_touch(&mut self, pad: usize, count: u16) {
        if let Some(value) = self.touch.get_mut(hardware_pad(pad)) {
            *value = count;
        }
    }

    /// Whether RTC_CNTL's timer starts the measurements of the touch pads.
    pub fn touch_timer(&self) -> bool {
        self.touch_timer
    }

    /// Follows `TOUCH_SLP_TIMER_EN` of RTC_CNTL, which lets the pads measure themselves.
    pub fn set_touch_timer(&mut self, on: bool, cx: &Context) {
        if self.touch_timer != on {
            self.touch_timer = on;
            self.schedule_touch(cx);
        }
    }

    /// Whether a measurement has found a touch since the last call; sets the TOUCH interrupt of
    /// RTC_CNTL.
    pub fn take_touch_event(&mut self) -> bool {
        std::mem::take(&mut self.touch_event)
    }

    /// Sets the raw reading of the temperature sensor.
    pub fn set_temperature_raw(&mut self, raw: u8) {
        self.temperature = raw;
    }

    /// How often firmware has started the ULP coprocessor, which does nothing here.
    pub fn ulp_starts(&self) -> u64 {
        self.ulp_starts
    }

    /// What drives DAC 1 (`channel` 0) or DAC 2 (1). The generator counts only while it is
    /// enabled; a channel that selects it otherwise stays with its register.
    pub fn dac_source(&self, channel: usize) -> DacSource {
        let control = self.word(reg::DAC_CTRL1);
        let wave = self.word(reg::DAC_CTRL2);
        let second = u32::from(channel != 0);
        if control & (1 << 22) != 0 {
            return DacSource::Digital;
        }
        if control & (1 << 16) == 0 || wave & (1 << (24 + second)) == 0 {
            return DacSource::Register;
        }
        DacSource::Cosine(Cosine {
            millihertz: RTC_FAST_CLK.hz() * 1_000 * u64::from(control & 0xffff) / 65_536,
            divisor: 1 << ((wave >> (16 + 2 * second)) & 3),
            inversion: ((wave >> (20 + 2 * second)) & 3) as u8,
            offset: (wave >> (8 * second)) as i8,
        })
    }

    fn word(&self, offset: u32) -> u32 {
        self.words.get((offset / 4) as usize).copied().unwrap_or(0)
    }

    fn store(&mut self, offset: u32, value: u32) {
        if let Some(word) = self.words.get_mut((offset / 4) as usize) {
            *word = value;
        }
    }

    fn converter(&self, adc: Adc) -> &Converter {
        match adc {
            Adc::Adc1 => &self.adc1,
            Adc::Adc2 => &self.adc2,
        }
    }

    /// What the converter would say about its selected channel.
    fn sample(&self, adc: Adc, start: u32) -> u32 {
        let pads = (start >> 19) & 0xfff;
        let channel = pads.trailing_zeros();
        let attenuation = self.word(adc.attenuation_register()).checked_shr(2 * channel);
        let input = self.converter(adc).inputs.get(channel as usize).copied().unwrap_or(0);
        let code = convert(adc, attenuation.unwrap_or(0), input);
        let width = (self.word(reg::START_FORCE) >> adc.width_shift()) & 3;
        let full = 0xfff >> (3 - width);
        let code = code >> (3 - width);
        // The converter itself delivers the complement; software asks for another inversion.
        let inverted = self.word(adc.read_control()) & adc.inversion() != 0;
        if inverted { code } else { full - code }
    }

    fn conversion_time(&self, adc: Adc) -> Duration {
        let control = self.word(adc.read_control());
        let divider = u64::from(control & 0xff).max(1);
        let cycles = u64::from((control >> 8) & 0xff) + 13;
        let wait = self.word(reg::MEAS_WAIT1);
        let wait = u64::from(wait & 0xffff) + u64::from(wait >> 16);
        Duration::of_periods(cycles * divider + wait, RTC_FAST_CLK)
    }

    fn start_conversion(&mut self, adc: Adc, offset: u32, value: u32, cx: &Context) {
        let rising = value & START_SAR != 0 && self.word(offset) & START_SAR == 0;
        self.store(offset, value & START_STORED);
        if rising && value & START_FORCE != 0 {
            let due = cx.now + self.conversion_time(adc);
            let conversion = Some(Conversion { data: self.sample(adc, value), due });
            match adc {
                Adc::Adc1 => self.adc1.conversion = conversion,
                Adc::Adc2 => self.adc2.conversion = conversion,
            }
        }
    }

    fn conversion_result(&self, adc: Adc, cx: &Context) -> u32 {
        match self.converter(adc).conversion {
            Some(Conversion { data, due }) if due <= cx.now => DONE | data,
            _ => 0,
        }
    }

    fn touch_mask(&self, shift: u32) -> u32 {
        (self.word(reg::TOUCH_ENABLE) >> shift) & 0x3ff
    }

    /// Time that one round over all working pads takes.
    fn touch_time(&self) -> Duration {
        let pads = u64::from(self.touch_mask(0).count_ones()).max(1);
        let control = self.word(reg::TOUCH_CTRL1);
        let cycles = u64::from(control & 0xffff) + u64::from((control >> 16) & 0xff);
        Duration::of_periods((pads * cycles).max(1), RTC_FAST_CLK)
    }

    /// Plans the next round that the timer starts.
    fn schedule_touch(&mut self, cx: &Context) {
        let control = self.word(reg::TOUCH_CTRL2);
        if control & TOUCH_START_FORCE != 0 {
            return;
        }
        let sleep = u64::from((control >> 14) & 0xffff);
        let pause = Duration::of_periods(sleep, cx.clocks.rtc_slow);
        self.touch_due = self.touch_timer.then(|| cx.now + pause + self.touch_time());
    }

    fn threshold(&self, pad: usize) -> u16 {
        let word = self.word(reg::TOUCH_THRES1 + 4 * (pad as u32 / 2));
        if pad.is_multiple_of(2) { (word >> 16) as u16 } else { word as u16 }
    }

    fn measure_touch(&mut self) {
        let working = self.touch_mask(0);
        let above = self.word(reg::TOUCH_CTRL1) & TOUCH_OUT_SEL != 0;
        let mut now = 0;
        for pad in (0..PADS).filter(|pad| working & 1 << pad != 0) {
            let count = self.touch.get(pad).copied().unwrap_or(0);
            if let Some(out) = self.touch_out.get_mut(pad) {
                *out = count;
            }
            let threshold = self.threshold(pad);
            if if above { count > threshold } else { count < threshold } {
                now |= 1 << pad;
            }
        }
        self.touch_done = true;
        self.touched |= now;
        let first = now & self.touch_mask(20) != 0;
        let second = now & self.touch_mask(10) != 0;
        let one_is_enough = self.word(reg::TOUCH_CTRL1) & TOUCH_OUT_1EN != 0;
        self.touch_event |= first && (one_is_enough || second);
    }

    fn write_touch_control(&mut self, value: u32, cx: &Context) {
        let old = self.word(reg::TOUCH_CTRL2);
        self.store(reg::TOUCH_CTRL2, value & TOUCH_STORED);
        if value & TOUCH_MEAS_EN_CLR != 0 {
            self.touched = 0;
        }
        if value & TOUCH_START_FORCE == 0 {
            if self.touch_due.is_none() || old & TOUCH_START_FORCE != 0 {
                self.schedule_touch(cx);
            }
        } else if value & TOUCH_START_EN != 0 && old & TOUCH_START_EN == 0 {
            self.touch_done = false;
            self.touch_due = Some(cx.now + self.touch_time());
        } else if old & TOUCH_START_FORCE == 0 {
            self.touch_due = None;
        }
    }

    fn touch_pair(&self, offset: u32) -> u32 {
        let pad = 2 * ((offset - reg::TOUCH_OUT1) / 4) as usize;
        let out = |pad: usize| u32::from(self.touch_out.get(pad).copied().unwrap_or(0));
        out(pad) << 16 | out(pad + 1)
    }
}

impl Peripheral for Sens {
    const NAME: &'static str = "SENS";

    fn read(&mut self, offset: u32, cx: &Context) -> Result<u32, Unmodelled> {
        Ok(match offset {
            reg::MEAS_START1 => self.word(offset) | self.conversion_result(Adc::Adc1, cx),
            reg::MEAS_START2 => self.word(offset) | self.conversion_result(Adc::Adc2, cx),
            reg::TOUCH_OUT1..=reg::TOUCH_OUT5 => self.touch_pair(offset),
            reg::TOUCH_CTRL2 => {
                let done = if self.touch_done { TOUCH_MEAS_DONE } else { 0 };
                self.word(offset) | done | self.touched
            }
            reg::SLAVE_ADDR3 if self.word(reg::TSENS_CTRL) & TSENS_DUMP_OUT != 0 => {
                self.word(offset) | TSENS_READY | u32::from(self.temperature) << TSENS_OUT_SHIFT
            }
            0..=reg::DATE => self.word(offset),
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::MEAS_START1 => self.start_conversion(Adc::Adc1, offset, value, cx),
            reg::MEAS_START2 => self.start_conversion(Adc::Adc2, offset, value, cx),
            reg::TOUCH_OUT1..=reg::TOUCH_OUT5 => {}
            reg::TOUCH_CTRL2 => self.write_touch_control(value, cx),
            reg::SLAVE_ADDR3 => self.store(offset, value & 0x3f_ffff),
            reg::START_FORCE => {
                let start = ULP_CP_START_TOP | ULP_CP_FORCE_START_TOP;
                if value & start == start && self.word(offset) & start != start {
                    self.ulp_starts += 1;
                }
                self.store(offset, value);
            }
            0..=reg::DATE => self.store(offset, value),
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        if self.touch_due.is_some_and(|due| due <= cx.now) {
            self.touch_due = None;
            self.measure_touch();
            self.schedule_touch(cx);
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.touch_due
    }

    fn reset(&mut self, _cx: &Context) {
        // What is on the pads is not the chip's.
        let mut fresh = Self::default();
        (fresh.adc1.inputs, fresh.adc2.inputs) = (self.adc1.inputs, self.adc2.inputs);
        (fresh.touch, fresh.temperature) = (self.touch, self.temperature);
        fresh.ulp_starts = self.ulp_starts;
        *self = fresh;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::{Clocks, sweep::sweep};

    fn cx(us: u64) -> Context {
        Context::at(Instant::ZERO + Duration::from_micros(us), Clocks::default())
    }

    fn one_shot(sens: &mut Sens, start: u32, channel: u32) -> u32 {
        let select = START_FORCE | 1 << 31 | 1 << (19 + channel);
        sens.write(start, select, &cx(0)).unwrap();
        sens.write(start, select | START_SAR, &cx(0)).unwrap();
        assert_eq!(sens.read(start, &cx(0)).unwrap() & DONE, 0);
        let result = sens.read(start, &cx(50)).unwrap();
        assert_eq!(result & DONE, DONE);
        result & 0xffff
    }

    #[test]
    fn reset_values_are_those_of_the_manual() {
        let mut sens = Sens::new();
        for &(offset, value) in RESET {
            assert_eq!(sens.read(offset, &cx(0)), Ok(value), "offset {offset:#x}");
        }
    }

    #[test]
    fn a_conversion_says_what_calibrated_firmware_turns_back_into_the_voltage() {
        let mut sens = Sens::new();
        sens.write(reg::READ_CTRL, 1 << 28 | 0x0007_0902, &cx(0)).unwrap();
        for (attenuation, slope, offset) in
            [(0, 57_431, 75), (1, 76_236, 78), (2, 105_481, 107), (3, 196_602, 142)]
        {
            sens.write(reg::ATTEN1, attenuation << 12, &cx(0)).unwrap();
            for millivolts in [200, 500, 900] {
                sens.set_analog_input(Adc::Adc1, 6, millivolts);
                let code = one_shot(&mut sens, reg::MEAS_START1, 6);
                let factor: u32 = 1_100 * slope / 4_096;
                let read = ((factor * code + 32_768) >> 16) + offset;
                assert!(read.abs_diff(millivolts.into()) <= 1, "{read} for {millivolts}");
            }
        }
        sens.set_analog_input(Adc::Adc1, 6, u16::MAX);
        assert_eq!(one_shot(&mut sens, reg::MEAS_START1, 6), 4_095);
        sens.set_analog_input(Adc::Adc1, 6, 60);
        assert_eq!(one_shot(&mut sens, reg::MEAS_START1, 6), 0);
    }

    #[test]
    fn data_comes_inverted_unless_software_inverts_it_and_has_the_chosen_width() {
        let mut sens = Sens::new();
        assert_eq!(one_shot(&mut sens, reg::MEAS_START2, 9), 4_095, "0 V, raw");
        sens.write(reg::READ_CTRL2, 1 << 29, &cx(0)).unwrap();
        assert_eq!(one_shot(&mut sens, reg::MEAS_START2, 9), 0);
        sens.write(reg::START_FORCE, 0, &cx(0)).unwrap();
        sens.set_analog_input(Adc::Adc2, 9, 5_000);
        assert_eq!(one_shot(&mut sens, reg::MEAS_START2, 9), 511, "nine bits");
    }

    #[test]
    fn software_starts_a_round_over_the_touch_pads() {
        let mut sens = Sens::new();
        sens.set_touch(8, 300);
        sens.set_touch(3, 77);
        sens.write(reg::TOUCH_CTRL2, TOUCH_START_FORCE, &cx(0)).unwrap();
        sens.write(reg::TOUCH_CTRL2, TOUCH_START_FORCE | TOUCH_START_EN, &cx(0)).unwrap();
        assert_eq!(sens.read(reg::TOUCH_CTRL2, &cx(0)).unwrap() & TOUCH_MEAS_DONE, 0);
        let due = sens.poll_at().unwrap();
        sens.poll(&Context { now: due, ..cx(0) });
        assert_ne!(sens.read(reg::TOUCH_CTRL2, &cx(0)).unwrap() & TOUCH_MEAS_DONE, 0);
        assert_eq!(sens.read(reg::TOUCH_OUT5, &cx(0)).unwrap(), 1_000 << 16 | 300, "8 is 9");
        assert_eq!(sens.read(reg::TOUCH_OUT1 + 4, &cx(0)).unwrap(), 1_000 << 16 | 77);
        assert!(!sens.take_touch_event(), "thresholds are 0");
        assert_eq!(sens.poll_at(), None);
    }

    #[test]
    fn the_timer_repeats_rounds_and_tells_touches() {
        let mut sens = Sens::new();
        sens.write(reg::TOUCH_THRES1, 400 << 16, &cx(0)).unwrap();
        sens.set_touch_timer(true, &cx(0));
        let first = sens.poll_at().unwrap();
        sens.poll(&Context { now: first, ..cx(0) });
        assert!(!sens.take_touch_event());
        sens.set_touch(0, 399);
        let second = sens.poll_at().unwrap();
        assert!(second > first);
        sens.poll(&Context { now: second, ..cx(0) });
        assert!(sens.take_touch_event() && !sens.take_touch_event());
        assert_eq!(sens.read(reg::TOUCH_CTRL2, &cx(0)).unwrap() & 0x3ff, 1);
        let stored = sens.read(reg::TOUCH_CTRL2, &cx(0)).unwrap();
        sens.write(reg::TOUCH_CTRL2, stored | TOUCH_MEAS_EN_CLR, &cx(0)).unwrap();
        assert_eq!(sens.read(reg::TOUCH_CTRL2, &cx(0)).unwrap() & 0x3ff, 0);
        sens.set_touch_timer(false, &cx(0));
        assert_eq!(sens.poll_at(), None);
    }

    #[test]
    fn temperature_is_read_while_dumped_and_ulp_starts_are_counted() {
        let mut sens = Sens::new();
        sens.set_temperature_raw(99);
        assert_eq!(sens.read(reg::SLAVE_ADDR3, &cx(0)), Ok(0));
        sens.write(reg::TSENS_CTRL, TSENS_DUMP_OUT, &cx(0)).unwrap();
        assert_eq!(sens.read(reg::SLAVE_ADDR3, &cx(0)).unwrap() >> 22 & 0xff, 99);
        sens.write(reg::START_FORCE, 3 << 8, &cx(0)).unwrap();
        assert_eq!(sens.ulp_starts(), 1);
    }

    #[test]
    fn the_source_of_a_dac_follows_its_selection() {
        let mut sens = Sens::new();
        assert_eq!(sens.dac_source(0), DacSource::Register);
        sens.write(reg::DAC_CTRL1, 1 << 16 | 8, &cx(0)).unwrap();
        sens.write(reg::DAC_CTRL2, 1 << 25 | 2 << 22 | 1 << 18 | 0xfe00, &cx(0)).unwrap();
        assert_eq!(sens.dac_source(0), DacSource::Register);
        let cosine = Cosine { millihertz: 1_037_597, divisor: 2, inversion: 2, offset: -2 };
        assert_eq!(sens.dac_source(1), DacSource::Cosine(cosine));
    }

    #[test]
    fn no_access_panics() {
        sweep(&Sens::new(), 0x400);
    }
}
