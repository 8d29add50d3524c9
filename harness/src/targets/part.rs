//! Parts that are wired to a board's pins, as targets are asked for them.

use super::Level;
use crate::time::Span;

/// A part at pads of the chip.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What a person calls it; parts with controls have names of their own.
    pub name: String,
    /// GPIO numbers of its pins, in the order that its kind says; `None`: not wired.
    pub pads: Vec<Option<u8>>,
    /// What it is.
    pub kind: PartKind,
    /// Where its controls are at first, as far as somebody says so.
    pub settings: Vec<(String, f64)>,
}

/// What a part is, and what is at its other end. Where no pins are named it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PartKind {
    /// A push-button, with the control `pressed`.
    Pushbutton {
        /// What it connects the pad with.
        to: Level,
        /// Whether its contact bounces.
        bounces: bool,
    },
    /// A slide switch with its middle contact at the pad, and the control `value`.
    SlideSwitch {
        /// What is at the contact of value 0.
        first: Option<Level>,
        /// What is at the contact of value 1.
        last: Option<Level>,
    },
    /// A potentiometer between ground and supply with its wiper at the pad, and the control `position`.
    Potentiometer {
        /// From 0, ground, to 1.
        position: f64,
    },
    /// A resistor.
    Resistor {
        /// What it pulls the pad to.
        to: Level,
    },
    /// A lamp; its `brightness` can be seen, from 0 to 1.
    Led {
        /// The level of the pad that lights it.
        lit: Level,
    },
    /// A buzzer; its `frequency` can be seen, in hertz.
    Buzzer,
    /// A servo; its `angle` can be seen, from 0 to 180 degrees.
    Servo,
    /// A row of WS2812B lamps; its `pixels` can be seen.
    NeoPixel {
        /// How many.
        lamps: usize,
    },
    /// A sensor with the controls `temperature` and `humidity`.
    Dht22,
    /// A thermometer on a 1-Wire bus with the control `temperature`.
    Ds18b20 {
        /// The lowest byte of its code.
        family: u8,
        /// The 48 bits behind it.
        serial: u64,
    },
    /// A distance sensor with the pins TRIG and ECHO, and the control `distance`, in centimetres.
    HcSr04,
    /// An accelerometer and gyroscope with the pins SDA and SCL, and the controls `accelX` and so on,
    /// in g, `rotationX` and so on, in degrees in a second, and `temperature`.
    Mpu6050 {
        /// Its pin AD0 is at the supply.
        ad0: bool,
    },
    /// A display of 128 by 64 dots with the pins SDA and SCL; its `picture` can be seen.
    Ssd1306 {
        /// Its address on the bus.
        address: u8,
    },
    /// A colour display of 240 by 320 dots with the pins CS, D/C, SCK, MOSI, RST and MISO; its
    /// `picture` can be seen.
    Ili9341 {
        /// Whether its panel is mounted the other way round, horizontally and vertically.
        flips: [bool; 2],
    },
    /// The same with a touch screen before it; the pins SDA and SCL come first.
    TouchDisplay,
    /// A blank memory card with the pins CS, SCK, DI and DO.
    MicroSd,
}

/// What a finger does on a touch screen, at a place (x and y) in dots as its controller counts them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finger {
    /// It comes down.
    Press {
        /// Where.
        at: [f64; 2],
        /// How long it stays; `None`: until it is told otherwise.
        release_after: Option<Span>,
    },
    /// It moves, if it is down.
    Move {
        /// To where.
        at: [f64; 2],
    },
    /// It goes up.
    Release,
}

impl Finger {
    /// What steps call the screen of a part.
    pub const SCREEN: &'static str = "touch";
}

impl std::fmt::Display for Finger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Press { at: [x, y], release_after: None } => write!(f, "press at {x}, {y}"),
            Self::Press { at: [x, y], release_after: Some(span) } => {
                write!(f, "press at {x}, {y} for {span}")
            }
            Self::Move { at: [x, y] } => write!(f, "move to {x}, {y}"),
            Self::Release => f.write_str("release"),
        }
    }
}

/// What can be seen of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// A number.
    Number(f64),
    /// Red, green and blue of lamps in a row.
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
