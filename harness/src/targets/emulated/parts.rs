//! Parts at the emulated board's pins.

use esp32_emulator::board::parts::buzzer::Buzzer;
use esp32_emulator::board::parts::dht22::Dht22;
use esp32_emulator::board::parts::ds18b20::Ds18b20;
use esp32_emulator::board::parts::ft6206;
use esp32_emulator::board::parts::hc_sr04::HcSr04;
use esp32_emulator::board::parts::i2c_part::OnI2c;
use esp32_emulator::board::parts::ili9341::Ili9341;
use esp32_emulator::board::parts::led::Led;
use esp32_emulator::board::parts::micro_sd::MicroSd;
use esp32_emulator::board::parts::mpu6050::Mpu6050;
use esp32_emulator::board::parts::neopixel::NeoPixel;
use esp32_emulator::board::parts::potentiometer::Potentiometer;
use esp32_emulator::board::parts::pushbutton::Pushbutton;
use esp32_emulator::board::parts::resistor::Resistor;
use esp32_emulator::board::parts::servo::Servo;
use esp32_emulator::board::parts::slide_switch::SlideSwitch;
use esp32_emulator::board::parts::ssd1306::Ssd1306;
use esp32_emulator::board::parts::touch_display::TouchDisplay;
use esp32_emulator::board::parts::{self, Shown as Seen};
use esp32_emulator::board::{AnyPart, Board, Fitting, Missing};
use esp32_emulator::time::Duration;

use super::pad;
use crate::targets::part::{Finger, Part, PartKind, Picture, Shown};
use crate::targets::{Level, TargetError};

/// Wires a part to a board.
pub(super) fn fit(board: &mut Board, part: &Part) -> Result<(), TargetError> {
    let pads = part.pads.iter().map(|gpio| gpio.map(pad).transpose());
    let pads = pads.collect::<Result<_, TargetError>>()?;
    board.fit(Fitting { name: part.name.clone(), pads, part: made(part.kind) });
    part.settings.iter().try_for_each(|(control, value)| {
        let moved = board.set_control(&part.name, control, *value);
        moved.map_err(|missing| lacks(missing, &part.name, control))
    })
}

/// A part as the emulator has it.
fn made(kind: PartKind) -> AnyPart {
    let high = |level| level == Level::High;
    match kind {
        PartKind::Pushbutton { to, bounces } => {
            AnyPart::Pushbutton(Pushbutton::new(high(to), bounces))
        }
        PartKind::SlideSwitch { first, last } => {
            AnyPart::SlideSwitch(SlideSwitch::new(first.map(high), last.map(high)))
        }
        PartKind::Potentiometer { position } => {
            AnyPart::Potentiometer(Potentiometer::new(position))
        }
        PartKind::Resistor { to } => AnyPart::Resistor(Resistor::new(high(to))),
        PartKind::Led { lit } => AnyPart::Led(Led::new(high(lit))),
        PartKind::Buzzer => AnyPart::Buzzer(Buzzer::default()),
        PartKind::Servo => AnyPart::Servo(Servo::default()),
        PartKind::NeoPixel { lamps } => AnyPart::NeoPixel(NeoPixel::new(lamps)),
        PartKind::Dht22 => AnyPart::Dht22(Dht22::default()),
        PartKind::Ds18b20 { family, serial } => AnyPart::Ds18b20(Ds18b20::new(family, serial)),
        PartKind::HcSr04 => AnyPart::HcSr04(HcSr04::default()),
        PartKind::Mpu6050 { ad0 } => AnyPart::Mpu6050(OnI2c::new(Mpu6050::new(ad0))),
        PartKind::Ili9341 { flips } => AnyPart::Ili9341(Ili9341::flipped(flips)),
        PartKind::MicroSd => AnyPart::MicroSd(MicroSd::default()),
        PartKind::TouchDisplay => AnyPart::TouchDisplay(TouchDisplay::default()),
        PartKind::Ssd1306 { address } => AnyPart::Ssd1306(OnI2c::new(Ssd1306::new(address))),
    }
}

/// What of a part a board does not have.
pub(super) fn lacks(missing: Missing, part: &str, what: &str) -> TargetError {
    TargetError::NoSuchPart(match missing {
        Missing::Part => format!("part `{part}`"),
        Missing::Control | Missing::Place => format!("`{what}` at the part `{part}`"),
    })
}

/// A finger does something on a board's touch screen.
pub(super) fn touch(board: &mut Board, part: &str, finger: Finger) -> Result<(), TargetError> {
    let beside = || TargetError::BesideScreen { part: part.to_owned(), finger: finger.to_string() };
    let dot = |place: f64| u16::try_from(place.round() as i64).map_err(|_| beside());
    let at = |[x, y]: [f64; 2]| Ok::<_, TargetError>([dot(x)?, dot(y)?]);
    let felt = match finger {
        Finger::Press { at: place, release_after } => ft6206::Finger::Press {
            at: at(place)?,
            release_after: release_after.map(|span| Duration::from_nanos(span.nanos())),
        },
        Finger::Move { at: place } => ft6206::Finger::Move { at: at(place)? },
        Finger::Release => ft6206::Finger::Release,
    };
    board.touch(part, felt).map_err(|missing| match missing {
        Missing::Place => beside(),
        missing => lacks(missing, part, Finger::SCREEN),
    })
}

/// What can be seen, in the words of targets.
pub(super) fn shown(seen: Seen) -> Shown {
    match seen {
        Seen::Number(number) => Shown::Number(number),
        Seen::Colours(colours) => Shown::Colours(colours),
        Seen::Picture(parts::Picture { width, height, dots }) => {
            Shown::Picture(Picture { width, height, dots })
        }
    }
}
