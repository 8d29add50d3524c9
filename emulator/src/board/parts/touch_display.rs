//! A display with a touch screen before it: an ILI9341 and an FT6206 on one board.
//!
//! Source: Wokwi's `board-ili9341-cap-touch`, for its pins.

use super::ft6206::Ft6206;
use super::i2c_part::{I2cPart, OnI2c};
use super::ili9341::{self, Ili9341};
use super::{Drive, Part, Shown};
use crate::time::Instant;

/// Pins of the touch screen, SDA and SCL; those of the display are behind them.
const TOUCH_PINS: usize = 2;

/// Both.
#[derive(Debug, Clone)]
pub struct TouchDisplay {
    touch: OnI2c<Ft6206>,
    display: Ili9341,
}

impl Default for TouchDisplay {
    /// A display without a picture, which nobody touches.
    fn default() -> Self {
        let size = [ili9341::WIDTH, ili9341::HEIGHT];
        Self { touch: OnI2c::new(Ft6206::new(size)), display: Ili9341::default() }
    }
}

impl Part for TouchDisplay {
    fn drive(&self, pin: usize, now: Instant) -> Drive {
        match pin.checked_sub(TOUCH_PINS) {
            None => self.touch.drive(pin, now),
            Some(pin) => self.display.drive(pin, now),
        }
    }

    fn hears(&self) -> bool {
        true
    }

    fn hear(&mut self, pin: usize, level: bool, now: Instant) {
        match pin.checked_sub(TOUCH_PINS) {
            None => self.touch.hear(pin, level, now),
            Some(pin) => self.display.hear(pin, level, now),
        }
    }

    fn exchange_spi(&mut self, pin: usize, byte: u8) -> Option<(usize, u8)> {
        let (pin, answer) = self.display.exchange_spi(pin.checked_sub(TOUCH_PINS)?, byte)?;
        Some((TOUCH_PINS + pin, answer))
    }

    fn shown(&self, what: &str, now: Instant) -> Option<Shown> {
        self.display.shown(what, now)
    }

    fn power_off(&mut self) {
        self.touch.power_off();
        self.display.power_off();
    }

    fn on_i2c(&mut self) -> Option<&mut dyn I2cPart> {
        self.touch.on_i2c()
    }

    fn touch_screen(&mut self) -> Option<&mut Ft6206> {
        Some(self.touch.device_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ft6206::Finger;
    use super::*;

    #[test]
    fn the_pins_of_both_are_one_behind_the_other() {
        let mut part = TouchDisplay::default();
        assert_eq!([0, 1, 2].map(|pin| part.drive(pin, Instant::ZERO)), {
            [Drive::Weak(true), Drive::Weak(true), Drive::None]
        });
        let send = |part: &mut TouchDisplay, dc, byte| {
            part.hear(3, dc, Instant::ZERO);
            part.exchange_spi(5, byte)
        };
        for command in [0x11, 0x29, 0x2c] {
            assert_eq!(send(&mut part, false, command), None);
        }
        for colour in [0xff; 3] {
            assert_eq!(send(&mut part, true, colour), None);
        }
        let Some(Shown::Picture(picture)) = part.shown("picture", Instant::ZERO) else {
            panic!("a picture")
        };
        assert_eq!(picture.dots.iter().filter(|dot| **dot != [0; 3]).count(), 1);
        assert_eq!(send(&mut part, false, 0x0a), None);
        assert_eq!(send(&mut part, true, 0), Some((7, 0x9c)), "its mode, at MISO");
        let press = Finger::Press { at: [239, 319], release_after: None };
        assert!(part.touch_screen().unwrap().feel(press, Instant::ZERO));
    }
}
