//! What the thermometer measures and keeps.

use crate::time::{Duration, Instant};

/// Sixteenths of a degree at power-on: 85 degrees.
const AT_POWER_ON: i16 = 85 * 16;
/// The longest conversion, that of 12 bits.
const CONVERSION: Duration = Duration::from_millis(750);
/// Degrees that it can measure.
const RANGE: std::ops::RangeInclusive<f64> = -55.0..=125.0;

/// TH, TL and the configuration as it leaves the factory: 75 and 70 degrees, 12 bits.
const FACTORY: [u8; 3] = [0x4b, 0x46, 0x7f];

/// Scratchpad and EEPROM.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    /// What it is at, in degrees Celsius.
    pub(super) temperature: f64,
    /// What it told last, in sixteenths of a degree.
    told: i16,
    /// A conversion: when it ends, and with what.
    conversion: Option<(Instant, i16)>,
    registers: [u8; 3],
    eeprom: [u8; 3],
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            temperature: 22.0,
            told: AT_POWER_ON,
            conversion: None,
            registers: FACTORY,
            eeprom: FACTORY,
        }
    }

    /// Bits beyond the nine that it always has: 0 to 3.
    fn resolution(&self) -> u32 {
        u32::from(self.registers[2] >> 5 & 3)
    }

    pub(super) fn convert(&mut self, now: Instant) {
        let missing = 3 - self.resolution();
        let raw = (self.temperature.clamp(*RANGE.start(), *RANGE.end()) * 16.0).round() as i16;
        let span = Duration::from_ticks(CONVERSION.ticks() >> missing);
        self.conversion = Some((now + span, raw >> missing << missing));
    }

    pub(super) fn converts(&self, now: Instant) -> bool {
        self.conversion.is_some_and(|(end, _)| now < end)
    }

    pub(super) fn set_registers(&mut self, high: u8, low: u8, configuration: u8) {
        self.registers = [high, low, configuration & 0x60 | 0x1f];
    }

    pub(super) fn copy(&mut self) {
        self.eeprom = self.registers;
    }

    pub(super) fn recall(&mut self) {
        self.registers = self.eeprom;
    }

    pub(super) fn power_off(&mut self) {
        (self.told, self.conversion, self.registers) = (AT_POWER_ON, None, self.eeprom);
    }

    /// The nine bytes of the scratchpad.
    pub(super) fn scratchpad(&mut self, now: Instant) -> [u8; 9] {
        if let Some((end, raw)) = self.conversion
            && end <= now
        {
            (self.told, self.conversion) = (raw, None);
        }
        let [t0, t1] = self.told.to_le_bytes();
        let [high, low, configuration] = self.registers;
        let bytes = [t0, t1, high, low, configuration, 0xff, 0x0c, 0x10];
        let mut all = [0; 9];
        all[..8].copy_from_slice(&bytes);
        all[8] = crc(&bytes);
        all
    }
}

/// The checksum of 1-Wire parts: x^8 + x^5 + x^4 + 1, the lowest bit first.
pub(super) fn crc(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 1 != 0 { crc >> 1 ^ 0x8c } else { crc >> 1 })
    })
}
