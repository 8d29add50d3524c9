//! Parts that somebody has wired to the pads of the chip.
//!
//! They are told of each change of level at their pads at the instant at which it happens, and have
//! deadlines as devices have, so that what they answer comes at its own instant, too, however far the
//! host lets the chip run. A board without parts has neither.

use super::parts::buzzer::Buzzer;
use super::parts::dht22::Dht22;
use super::parts::ds18b20::Ds18b20;
use super::parts::ft6206::Finger;
use super::parts::hc_sr04::HcSr04;
use super::parts::i2c_part::{I2cPart, OnI2c};
use super::parts::ili9341::Ili9341;
use super::parts::led::Led;
use super::parts::micro_sd::MicroSd;
use super::parts::mpu6050::Mpu6050;
use super::parts::neopixel::NeoPixel;
use super::parts::potentiometer::Potentiometer;
use super::parts::pushbutton::Pushbutton;
use super::parts::resistor::Resistor;
use super::parts::servo::Servo;
use super::parts::slide_switch::SlideSwitch;
use super::parts::ssd1306::Ssd1306;
use super::parts::touch_display::TouchDisplay;
use super::parts::{Drive, Part, Shown};
use crate::peripherals::gpio::PINS;
use crate::peripherals::i2c::{Ack, I2cBus};
use crate::time::Instant;

macro_rules! any_part {
    ($($(#[$doc:meta])* $kind:ident($part:ty),)*) => {
        /// A part of any kind.
        #[derive(Debug, Clone)]
        pub enum AnyPart {
            $($(#[$doc])* $kind($part),)*
        }

        impl AnyPart {
            fn part(&self) -> &dyn Part {
                match self {
                    $(Self::$kind(part) => part,)*
                }
            }

            fn part_mut(&mut self) -> &mut dyn Part {
                match self {
                    $(Self::$kind(part) => part,)*
                }
            }
        }
    };
}

any_part! {
    /// A push-button.
    Pushbutton(Pushbutton),
    /// A slide switch.
    SlideSwitch(SlideSwitch),
    /// A potentiometer.
    Potentiometer(Potentiometer),
    /// A pull-up or pull-down.
    Resistor(Resistor),
    /// A lamp.
    Led(Led),
    /// A buzzer.
    Buzzer(Buzzer),
    /// A servo.
    Servo(Servo),
    /// A row of lamps with colours; its pin 0 is DIN.
    NeoPixel(NeoPixel),
    /// A sensor of temperature and humidity; its pin 0 is SDA.
    Dht22(Dht22),
    /// A thermometer; its pin 0 is DQ.
    Ds18b20(Ds18b20),
    /// A distance sensor; its pins are TRIG and ECHO.
    HcSr04(HcSr04),
    /// An accelerometer and gyroscope; its pins are SDA and SCL.
    Mpu6050(OnI2c<Mpu6050>),
    /// A display; its pins are SDA and SCL.
    Ssd1306(OnI2c<Ssd1306>),
    /// A colour display; its pins are CS, D/C, SCK, MOSI, RST and MISO.
    Ili9341(Ili9341),
    /// A memory card; its pins are CS, SCK, DI and DO.
    MicroSd(MicroSd),
    /// A colour display with a touch screen; its pins are SDA, SCL, CS, D/C, SCK, MOSI, RST and
    /// MISO.
    TouchDisplay(TouchDisplay),
}

/// A part with its name, and the pads that its pins are wired to.
#[derive(Debug, Clone)]
pub struct Fitting {
    /// What a person calls it.
    pub name: String,
    /// GPIO numbers, in the order in which the part counts its pins; `None`: that pin is not wired.
    pub pads: Vec<Option<u8>>,
    /// What it is.
    pub part: AnyPart,
}

impl Fitting {
    /// The pads of the pins that are wired, one bit each.
    fn mask(&self) -> u64 {
        let wired = self.pads.iter().flatten().filter(|pad| **pad < PINS);
        wired.fold(0, |mask, pad| mask | 1 << pad)
    }

    /// A byte for each of the part's pins that the controller sends to; what comes back of it.
    fn exchange_spi(&mut self, exchange: &SpiExchange, byte: u8) -> Option<u8> {
        let mut back = None;
        for pin in 0..self.pads.len() {
            if self.pads[pin].is_some_and(|pad| exchange.to.contains(&pad))
                && let Some((at, answer)) = self.part.part_mut().exchange_spi(pin, byte)
                && exchange.back.is_some()
                && self.pads.get(at).copied().flatten() == exchange.back
            {
                back = Some(answer);
            }
        }
        back
    }

    /// The pins that are wired to this pad.
    fn pins_at(&self, pad: u8) -> impl Iterator<Item = usize> {
        (0..self.pads.len()).filter(move |pin| self.pads[*pin] == Some(pad))
    }
}

/// What a controller of an SPI bus does in one go.
#[derive(Debug)]
pub(crate) struct SpiExchange {
    /// Pads at which it moves chip selects itself, and whether it selects there.
    pub(crate) selects: Vec<(u8, bool)>,
    /// Pads that it sends to.
    pub(crate) to: Vec<u8>,
    /// The pad that it listens at.
    pub(crate) back: Option<u8>,
    /// What it sends, also while it only listens.
    pub(crate) sent: Vec<u8>,
}

/// What of a part there is none of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is no part of that name.
    Part,
    /// The part has nothing of that name to be moved or to be seen.
    Control,
    /// The part's touch screen does not reach so far.
    Place,
}

/// All parts of a board.
#[derive(Debug, Clone)]
pub(crate) struct Fittings {
    fittings: Vec<Fitting>,
    /// Pads at which some part listens, one bit each.
    heard: u64,
    /// When one of them does something by itself.
    due: Instant,
}

impl Default for Fittings {
    fn default() -> Self {
        Self { fittings: Vec::new(), heard: 0, due: Instant::MAX }
    }
}

impl Fittings {
    /// Wires a part to its pads; which ones they are, one bit each.
    pub(crate) fn add(&mut self, fitting: Fitting, now: Instant) -> u64 {
        let pads = fitting.mask();
        if fitting.part.part().hears() {
            self.heard |= pads;
        }
        self.fittings.push(fitting);
        self.look(now);
        pads
    }

    /// Moves a control of all parts of that name; the pads that they are at.
    pub(crate) fn set_control(
        &mut self,
        name: &str,
        control: &str,
        value: f64,
        now: Instant,
    ) -> Result<u64, Missing> {
        let (mut pads, mut missing) = (0, Some(Missing::Part));
        for fitting in self.fittings.iter_mut().filter(|fitting| fitting.name == name) {
            if fitting.part.part_mut().set_control(control, value, now) {
                pads |= fitting.mask();
                missing = None;
            } else {
                missing = missing.map(|_| Missing::Control);
            }
        }
        self.look(now);
        missing.map_or(Ok(pads), Err)
    }

    /// A finger does something on the touch screen of a part.
    pub(crate) fn touch(
        &mut self,
        name: &str,
        finger: Finger,
        now: Instant,
    ) -> Result<(), Missing> {
        let fitting = self.fittings.iter_mut().find(|fitting| fitting.name == name);
        let fitting = fitting.ok_or(Missing::Part)?;
        let screen = fitting.part.part_mut().touch_screen().ok_or(Missing::Control)?;
        screen.feel(finger, now).then_some(()).ok_or(Missing::Place)
    }

    /// What can be seen of a part.
    pub(crate) fn shown(&self, name: &str, what: &str, now: Instant) -> Result<Shown, Missing> {
        let fitting = self.fittings.iter().find(|fitting| fitting.name == name);
        let fitting = fitting.ok_or(Missing::Part)?;
        fitting.part.part().shown(what, now).ok_or(Missing::Control)
    }

    /// Their power goes.
    pub(crate) fn power_off(&mut self, now: Instant) {
        self.fittings.iter_mut().for_each(|fitting| fitting.part.part_mut().power_off());
        self.look(now);
    }

    /// The pads at which some part listens, one bit each.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// A pad at which some part listens has another level.
    pub(crate) fn hear(&mut self, pad: u8, level: bool, now: Instant) {
        for fitting in &mut self.fittings {
            for pin in 0..fitting.pads.len() {
                if fitting.pads[pin] == Some(pad) {
                    fitting.part.part_mut().hear(pin, level, now);
                }
            }
        }
        self.look(now);
    }

    /// A controller of an SPI bus sends bytes. What comes back meanwhile, byte by byte; `None` where
    /// nobody sends.
    pub(crate) fn exchange_spi(&mut self, exchange: &SpiExchange, now: Instant) -> Vec<Option<u8>> {
        for (pad, active) in &exchange.selects {
            self.hear(*pad, !active, now);
        }
        let answers = exchange.sent.iter().map(|byte| {
            let parts = self.fittings.iter_mut();
            let answers = parts.filter_map(|fitting| fitting.exchange_spi(exchange, *byte));
            // Who sends a zero wins.
            answers.reduce(|all, answer| all & answer)
        });
        let answers = answers.collect();
        for (pad, _) in exchange.selects.iter().filter(|(_, active)| *active) {
            self.hear(*pad, true, now);
        }
        answers
    }

    /// The strongest of what they do to a pad.
    pub(crate) fn drive(&self, pad: u8, now: Instant) -> Drive {
        // Of two strong ones that disagree, ground wins, as it does for buttons.
        let strength = |drive: Drive| match drive {
            Drive::Strong(high) => (3, !high),
            Drive::Voltage(_) => (2, false),
            Drive::Weak(_) => (1, false),
            Drive::None => (0, false),
        };
        self.fittings
            .iter()
            .flat_map(|fitting| fitting.pins_at(pad).map(|pin| fitting.part.part().drive(pin, now)))
            .max_by_key(|drive| strength(*drive))
            .unwrap_or_default()
    }

    /// When one of them next does something by itself.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Finds out when one of them does something by itself, after `now`.
    pub(crate) fn look(&mut self, now: Instant) {
        let changes = self.fittings.iter().filter_map(|it| it.part.part().next_change(now));
        self.due = changes.min().unwrap_or(Instant::MAX);
    }

    /// The pads that they are at, one bit each.
    pub(crate) fn pads(&self) -> u64 {
        self.fittings.iter().fold(0, |pads, fitting| pads | fitting.mask())
    }

    /// The bus whose lines are on these pads, one bit each.
    pub(crate) fn i2c_bus(&mut self, sda: u64, scl: u64, now: Instant) -> FittedBus<'_> {
        FittedBus { fittings: &mut self.fittings, sda, scl, now }
    }
}

/// The parts on an I2C bus, as one of the chip's controllers finds them.
pub(crate) struct FittedBus<'f> {
    fittings: &'f mut [Fitting],
    sda: u64,
    scl: u64,
    now: Instant,
}

impl FittedBus<'_> {
    fn parts(&mut self) -> impl Iterator<Item = &mut dyn I2cPart> {
        let (sda, scl) = (self.sda, self.scl);
        let is_on = |pad: Option<u8>, line: u64| pad.is_some_and(|pad| line >> pad & 1 != 0);
        self.fittings.iter_mut().filter_map(move |fitting| {
            let [data, clock] = [0, 1].map(|pin| fitting.pads.get(pin).copied().flatten());
            let part = fitting.part.part_mut().on_i2c()?;
            (is_on(data, sda) && is_on(clock, scl)).then_some(part)
        })
    }
}

impl I2cBus for FittedBus<'_> {
    fn start(&mut self, address_and_rw: u8) -> Ack {
        let now = self.now;
        any(self.parts().map(|part| part.start(address_and_rw, now)))
    }

    fn write(&mut self, byte: u8) -> Ack {
        any(self.parts().map(|part| part.write(byte)))
    }

    fn read(&mut self) -> u8 {
        // Who sends a zero wins.
        self.parts().fold(0xff, |byte, part| byte & part.read())
    }

    fn stop(&mut self) {
        self.parts().for_each(|part| part.stop());
    }
}

/// What a master hears when all have answered.
fn any(answers: impl Iterator<Item = Ack>) -> Ack {
    answers.fold(Ack::Nack, |all, ack| if ack == Ack::Ack { ack } else { all })
}
