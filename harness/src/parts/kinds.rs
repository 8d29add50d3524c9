//! The types, and what of each is wired to the chip.

use super::{Drawn, Form, PartType, Placed};
use crate::targets::Level;
use crate::targets::part::PartKind;

/// The largest `value` of a potentiometer.
const POTENTIOMETER_TOP: f64 = 1023.0;
/// Lamps of a row: more than anybody waits for.
const MOST_LAMPS: f64 = 4096.0;

/// What most types are: without power, attributes, controls and things to be seen.
const PLAIN: PartType = PartType {
    name: "",
    doc: "",
    pins: &[],
    driven: &[],
    drives: &[],
    power: None,
    attrs: &[],
    controls: &[],
    touch: false,
    shows: &[],
    place: |_| Placed::Passive,
};

const PUSHBUTTON: PartType = PartType {
    pins: &["1.l", "2.l", "1.r", "2.r"],
    attrs: &[("bounce", Form::Number), ("color", Form::Any), ("key", Form::Any)],
    controls: &["pressed"],
    place: pushbutton,
    ..PLAIN
};

const POTENTIOMETER: PartType = PartType {
    pins: &["SIG"],
    power: Some(["GND", "VCC"]),
    attrs: &[("value", Form::Number)],
    controls: &["position"],
    place: potentiometer,
    ..PLAIN
};

const SSD1306: PartType = PartType {
    attrs: &[("i2cAddress", Form::Hex), ("i2c-address", Form::Hex)],
    shows: &["picture"],
    ..PLAIN
};

pub(super) const KINDS: [PartType; 23] = [
    PartType {
        name: "wokwi-pushbutton",
        doc: "Between a pad and ground or supply. It bounces for a millisecond unless `bounce` is `0`.",
        ..PUSHBUTTON
    },
    PartType { name: "wokwi-pushbutton-6mm", doc: "The same.", ..PUSHBUTTON },
    PartType {
        name: "wokwi-slide-switch",
        doc: "Its middle pin at a pad.",
        pins: &["1", "2", "3"],
        controls: &["value"],
        place: slide_switch,
        ..PLAIN
    },
    PartType {
        name: "wokwi-potentiometer",
        doc: "Between ground and supply; the chip's ADC measures it. `value` is from 0 to 1023.",
        ..POTENTIOMETER
    },
    PartType { name: "wokwi-slide-potentiometer", doc: "The same.", ..POTENTIOMETER },
    PartType {
        name: "wokwi-resistor",
        doc: "A pull-up or pull-down of a pad; a pin behind it has the level before it.",
        pins: &["1", "2"],
        attrs: &[("value", Form::Any)],
        place: resistor,
        ..PLAIN
    },
    PartType {
        name: "wokwi-led",
        doc: "From 0 to 1, also of a PWM.",
        pins: &["A", "C"],
        driven: &["A", "C"],
        attrs: &[("color", Form::Any)],
        shows: &["brightness"],
        place: led,
        ..PLAIN
    },
    PartType {
        name: "wokwi-buzzer",
        doc: "What it is driven with, in hertz.",
        pins: &["1", "2"],
        driven: &["1", "2"],
        attrs: &[("volume", Form::Number), ("mode", Form::Any)],
        shows: &["frequency"],
        place: buzzer,
        ..PLAIN
    },
    PartType {
        name: "wokwi-servo",
        doc: "What the pulses ask for, in degrees.",
        pins: &["PWM"],
        driven: &["PWM"],
        power: Some(["GND", "V+"]),
        attrs: &[("horn", Form::Any), ("hornColor", Form::Any)],
        shows: &["angle"],
        place: |drawn| at_pin(drawn, "PWM", "its pin PWM must lead to a pad", PartKind::Servo),
        ..PLAIN
    },
    PartType {
        name: "wokwi-neopixel",
        doc: "`pixels` lamps, 1 if it does not say. DIN must lead to a pad, not to another row. Its picture has a dot for each.",
        pins: &["DIN", "DOUT"],
        driven: &["DIN"],
        power: Some(["VSS", "VDD"]),
        attrs: &[("pixels", Form::Number)],
        shows: &["pixels"],
        place: |drawn| neopixel(drawn, 1.0),
        ..PLAIN
    },
    PartType {
        name: "wokwi-led-ring",
        doc: "The same with 16 lamps.",
        pins: &["DIN", "DOUT"],
        driven: &["DIN"],
        power: Some(["GND", "VCC"]),
        attrs: &[("pixels", Form::Number), ("background", Form::Any)],
        shows: &["pixels"],
        place: |drawn| neopixel(drawn, 16.0),
        ..PLAIN
    },
    PartType {
        name: "wokwi-dht22",
        doc: "On its one wire.",
        pins: &["SDA", "NC"],
        driven: &["SDA"],
        power: Some(["GND", "VCC"]),
        controls: &["temperature", "humidity"],
        place: |drawn| at_pin(drawn, "SDA", "its pin SDA must lead to a pad", PartKind::Dht22),
        ..PLAIN
    },
    PartType {
        name: "wokwi-ds18b20",
        doc: "Several may be on one wire.",
        pins: &["DQ"],
        driven: &["DQ"],
        power: Some(["GND", "VCC"]),
        attrs: &[("deviceID", Form::Hex), ("familyCode", Form::Hex)],
        controls: &["temperature"],
        place: ds18b20,
        ..PLAIN
    },
    PartType {
        name: "wokwi-hc-sr04",
        doc: "Centimetres.",
        pins: &["TRIG", "ECHO"],
        driven: &["TRIG"],
        drives: &["ECHO"],
        power: Some(["GND", "VCC"]),
        controls: &["distance"],
        place: hc_sr04,
        ..PLAIN
    },
    PartType {
        name: "wokwi-mpu6050",
        doc: "On I2C; AD0 selects its address. Without its FIFO and interrupts.",
        pins: &["SDA", "SCL", "AD0", "INT", "XDA", "XCL"],
        driven: &["SDA", "SCL"],
        power: Some(["GND", "VCC"]),
        controls: &[
            "accelX",
            "accelY",
            "accelZ",
            "rotationX",
            "rotationY",
            "rotationZ",
            "temperature",
        ],
        place: mpu6050,
        ..PLAIN
    },
    PartType {
        name: "wokwi-ssd1306",
        doc: "On I2C, as on Wokwi: one with DC or CS at a pad is refused.",
        pins: &["DATA", "CLK", "DC", "RST", "CS", "3V3"],
        driven: &["DATA", "CLK"],
        power: Some(["GND", "VIN"]),
        place: spi_or_i2c_ssd1306,
        ..SSD1306
    },
    PartType {
        name: "board-ssd1306",
        doc: "On I2C.",
        pins: &["SDA", "SCL"],
        driven: &["SDA", "SCL"],
        power: Some(["GND", "VCC"]),
        place: |drawn| ssd1306(drawn, ["SDA", "SCL"]),
        ..SSD1306
    },
    PartType {
        name: "wokwi-ili9341",
        doc: "Written and read by a controller of SPI or by software that moves its lines; `swapXY` is not looked at.",
        pins: &["CS", "D/C", "SCK", "MOSI", "RST", "MISO", "LED"],
        driven: &["CS", "D/C", "SCK", "MOSI", "RST"],
        attrs: &[("flipHorizontal", Form::Any), ("flipVertical", Form::Any), ("swapXY", Form::Any)],
        power: Some(["GND", "VCC"]),
        shows: &["picture"],
        place: ili9341,
        ..PLAIN
    },
    PartType {
        name: "board-ili9341-cap-touch",
        doc: "The same, and an FT6206 for one finger, on I2C.",
        pins: &["CS", "D/C", "SCK", "MOSI", "RST", "MISO", "LED", "SCL", "SDA"],
        driven: &["CS", "D/C", "SCK", "MOSI", "RST", "SCL", "SDA"],
        power: Some(["GND", "VCC"]),
        touch: true,
        shows: &["picture"],
        place: touch_display,
        ..PLAIN
    },
    PartType {
        name: "wokwi-microsd-card",
        doc: "A blank card of 8 MiB in its SPI mode; it keeps what firmware writes as long as the board is there. Files cannot be put on it.",
        pins: &["CS", "SCK", "DI", "DO", "CD"],
        driven: &["CS", "SCK", "DI"],
        power: Some(["GND", "VCC"]),
        place: micro_sd,
        ..PLAIN
    },
    PartType {
        name: "wokwi-logic-analyzer",
        doc: "D0 to D7; what they see is read as VCD.",
        attrs: &[
            ("channelNames", Form::Any),
            ("bufferSize", Form::Number),
            ("triggerMode", Form::Any),
            ("triggerLevel", Form::Any),
            ("triggerPin", Form::Any),
        ],
        ..PLAIN
    },
    PartType { name: "wokwi-gnd", doc: "Ground.", pins: &["GND"], ..PLAIN },
    PartType { name: "wokwi-vcc", doc: "The supply.", pins: &["VCC"], ..PLAIN },
];

/// Two pins of a part, of which one leads to a pad and the other to a level.
fn between(drawn: &Drawn<'_>, pins: [&str; 2]) -> Option<Between> {
    match pins.map(|pin| ((drawn.lead)(pin).gpio, (drawn.lead)(pin).level)) {
        [(Some(gpio), None), (None, Some(level))] => Some(Between { gpio, level, first: true }),
        [(None, Some(level)), (Some(gpio), None)] => Some(Between { gpio, level, first: false }),
        _ => None,
    }
}

struct Between {
    gpio: u8,
    level: Level,
    /// The first of the pins is the one at the pad.
    first: bool,
}

fn at(gpio: u8, kind: PartKind) -> Placed {
    Placed::At(vec![Some(gpio)], kind)
}

fn at_pin(drawn: &Drawn<'_>, pin: &str, otherwise: &'static str, kind: PartKind) -> Placed {
    match (drawn.lead)(pin).gpio {
        Some(gpio) => at(gpio, kind),
        None => Placed::Not(otherwise),
    }
}

fn pushbutton(drawn: &Drawn<'_>) -> Placed {
    let bounces = drawn.attrs.get("bounce").is_none_or(|value| value != "0");
    // What is on the right is the same metal as what is on the left.
    let sides = [["1.l", "2.l"], ["1.l", "2.r"], ["1.r", "2.l"], ["1.r", "2.r"]];
    match sides.into_iter().find_map(|pins| between(drawn, pins)) {
        Some(Between { gpio, level: to, .. }) => at(gpio, PartKind::Pushbutton { to, bounces }),
        None => Placed::Not("one side must lead to a pad, the other to a level"),
    }
}

fn resistor(drawn: &Drawn<'_>) -> Placed {
    match between(drawn, ["1", "2"]) {
        Some(Between { gpio, level: to, .. }) => at(gpio, PartKind::Resistor { to }),
        None => Placed::Passive,
    }
}

fn slide_switch(drawn: &Drawn<'_>) -> Placed {
    let [first, last] = ["1", "3"].map(|pin| (drawn.lead)(pin).level);
    let kind = PartKind::SlideSwitch { first, last };
    at_pin(drawn, "2", "its pin 2 must lead to a pad", kind)
}

fn potentiometer(drawn: &Drawn<'_>) -> Placed {
    let position = drawn.number("value").unwrap_or(0.0) / POTENTIOMETER_TOP;
    let kind = PartKind::Potentiometer { position };
    at_pin(drawn, "SIG", "its pin SIG must lead to a pad", kind)
}

/// Current flows from A to C.
fn led(drawn: &Drawn<'_>) -> Placed {
    match between(drawn, ["A", "C"]) {
        Some(Between { gpio, level: Level::Low, first: true }) => {
            at(gpio, PartKind::Led { lit: Level::High })
        }
        Some(Between { gpio, level: Level::High, first: false }) => {
            at(gpio, PartKind::Led { lit: Level::Low })
        }
        _ => Placed::Passive,
    }
}

fn buzzer(drawn: &Drawn<'_>) -> Placed {
    match between(drawn, ["1", "2"]) {
        Some(Between { gpio, .. }) => at(gpio, PartKind::Buzzer),
        None => Placed::Not("one pin must lead to a pad, the other to ground"),
    }
}

fn neopixel(drawn: &Drawn<'_>, default: f64) -> Placed {
    let pixels = drawn.number("pixels").unwrap_or(default).clamp(0.0, MOST_LAMPS);
    let kind = PartKind::NeoPixel { lamps: pixels as usize };
    at_pin(drawn, "DIN", "its pin DIN must lead to a pad; a row behind a row is not emulated", kind)
}

fn ds18b20(drawn: &Drawn<'_>) -> Placed {
    let serial = drawn.hex("deviceID").unwrap_or(0x0102_0304_0506);
    let family = drawn.hex("familyCode").unwrap_or(0x28) as u8;
    let kind = PartKind::Ds18b20 { family, serial };
    at_pin(drawn, "DQ", "its pin DQ must lead to a pad", kind)
}

fn hc_sr04(drawn: &Drawn<'_>) -> Placed {
    match drawn.pads(["TRIG", "ECHO"]) {
        pads @ [Some(_), Some(_)] => Placed::At(pads.into(), PartKind::HcSr04),
        _ => Placed::Not("its pins TRIG and ECHO must lead to pads"),
    }
}

fn mpu6050(drawn: &Drawn<'_>) -> Placed {
    let ad0 = (drawn.lead)("AD0").level == Some(Level::High);
    on_i2c(drawn, ["SDA", "SCL"], PartKind::Mpu6050 { ad0 })
}

/// The pins for SPI are there, and lead nowhere inside, as on Wokwi.
fn spi_or_i2c_ssd1306(drawn: &Drawn<'_>) -> Placed {
    match drawn.pads(["DC", "CS"]) {
        [None, None] => ssd1306(drawn, ["DATA", "CLK"]),
        _ => Placed::Not("it has I2C only, as on Wokwi, and its pins DC and CS are for SPI"),
    }
}

fn ssd1306(drawn: &Drawn<'_>, pins: [&str; 2]) -> Placed {
    let address = drawn.hex("i2cAddress").or_else(|| drawn.hex("i2c-address"));
    let address = address.map_or(0x3c, |address| address as u8 & 0x7f);
    on_i2c(drawn, pins, PartKind::Ssd1306 { address })
}

fn ili9341(drawn: &Drawn<'_>) -> Placed {
    match drawn.pads(["CS", "D/C", "SCK", "MOSI", "RST", "MISO"]) {
        pads @ [_, Some(_), Some(_), Some(_), ..] => {
            let is_set = |name: &str| drawn.attrs.get(name).is_some_and(|value| value == "1");
            let flips = ["flipHorizontal", "flipVertical"].map(is_set);
            Placed::At(pads.into(), PartKind::Ili9341 { flips })
        }
        _ => Placed::Not("its pins D/C, SCK and MOSI must lead to pads"),
    }
}

fn micro_sd(drawn: &Drawn<'_>) -> Placed {
    match drawn.pads(["CS", "SCK", "DI", "DO"]) {
        pads @ [Some(_), Some(_), Some(_), Some(_)] => Placed::At(pads.into(), PartKind::MicroSd),
        _ => Placed::Not("its pins CS, SCK, DI and DO must lead to pads"),
    }
}

fn touch_display(drawn: &Drawn<'_>) -> Placed {
    match drawn.pads(["SDA", "SCL", "CS", "D/C", "SCK", "MOSI", "RST", "MISO"]) {
        // Either of the two can be left alone.
        pads @ ([Some(_), Some(_), ..] | [_, _, _, Some(_), Some(_), Some(_), ..]) => {
            Placed::At(pads.into(), PartKind::TouchDisplay)
        }
        _ => Placed::Not("its pins D/C, SCK and MOSI, or SDA and SCL, must lead to pads"),
    }
}

fn on_i2c(drawn: &Drawn<'_>, pins: [&str; 2], kind: PartKind) -> Placed {
    match drawn.pads(pins) {
        pads @ [Some(_), Some(_)] => Placed::At(pads.into(), kind),
        _ => Placed::Not("its data and its clock must lead to pads"),
    }
}
