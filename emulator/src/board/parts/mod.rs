//! Parts on a board, one file each: what a bus transaction or a pin level does to them, and what they
//! do to a pin.

pub mod auto_reset;
pub mod buzzer;
pub mod dht22;
pub mod ds18b20;
pub mod ft6206;
pub mod hc_sr04;
pub mod i2c_part;
pub mod ili9341;
pub mod led;
pub mod micro_sd;
pub mod mpu6050;
pub mod neopixel;
pub mod nor_flash;
pub mod potentiometer;
pub mod psram;
pub mod pushbutton;
pub mod resistor;
pub mod servo;
pub mod slide_switch;
mod spi_shift;
pub mod ssd1306;
pub mod touch_display;
mod wave;

use self::ft6206::Ft6206;
use self::i2c_part::I2cPart;
use crate::time::Instant;

/// The supply of the board, in millivolts.
pub const SUPPLY_MV: u16 = 3300;

/// What a part does to a pad, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Drive {
    /// Nothing.
    #[default]
    None,
    /// A level through a resistor.
    Weak(bool),
    /// A voltage in millivolts.
    Voltage(u16),
    /// A level.
    Strong(bool),
}

impl Drive {
    /// The voltage in millivolts; 0 where there is none.
    pub fn millivolts(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Voltage(millivolts) => millivolts,
            Self::Weak(high) | Self::Strong(high) => {
                if high {
                    SUPPLY_MV
                } else {
                    0
                }
            }
        }
    }

    /// The level that an input of the chip makes of it; half of the supply decides.
    pub fn level(self) -> Option<bool> {
        (self != Self::None).then(|| self.millivolts() >= SUPPLY_MV / 2)
    }
}

/// What can be seen of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// A number, such as an angle in degrees.
    Number(f64),
    /// The colours of lamps in a row: red, green, blue.
    Colours(Vec<[u8; 3]>),
    /// What is on a display.
    Picture(Picture),
}

/// A picture, by lines from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Dots in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Red, green and blue of each dot.
    pub dots: Vec<[u8; 3]>,
}

/// A part at pads of the chip. It counts its pins from 0.
pub trait Part {
    /// Moves a control; whether it has one of that name.
    fn set_control(&mut self, _control: &str, _value: f64, _now: Instant) -> bool {
        false
    }

    /// What it does to the pad at one of its pins.
    fn drive(&self, _pin: usize, _now: Instant) -> Drive {
        Drive::None
    }

    /// When it will do something else by itself, after `now`.
    fn next_change(&self, _now: Instant) -> Option<Instant> {
        None
    }

    /// Whether it listens at its pads.
    fn hears(&self) -> bool {
        false
    }

    /// The pad at one of its pins has another level, by whomever.
    fn hear(&mut self, _pin: usize, _level: bool, _now: Instant) {}

    /// A controller of an SPI bus sends a byte to the pad at one of its pins. What the part sends
    /// meanwhile, and at which pin; `None` if it leaves its line alone.
    fn exchange_spi(&mut self, _pin: usize, _byte: u8) -> Option<(usize, u8)> {
        None
    }

    /// What can be seen of it, if there is something of that name.
    fn shown(&self, _what: &str, _now: Instant) -> Option<Shown> {
        None
    }

    /// Its power goes, and what it has kept in memory.
    fn power_off(&mut self) {}

    /// The part as the master of an I2C bus finds it, with SDA at its pin 0 and SCL at its pin 1.
    fn on_i2c(&mut self) -> Option<&mut dyn I2cPart> {
        None
    }

    /// Its touch screen, if it has one.
    fn touch_screen(&mut self) -> Option<&mut Ft6206> {
        None
    }
}
