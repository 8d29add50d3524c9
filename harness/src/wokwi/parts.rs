//! Parts of a diagram that the emulator has a model of, and where they are wired to.
//!
//! Source: the vendor's documentation of each part, for pins, attributes and controls.

use std::collections::BTreeSet;

use super::boards::Pin;
use super::diagram::{End, Part as Drawn};
use super::wiring::Wiring;
use crate::targets::Level;
use crate::targets::part::{Part, PartKind};

/// The largest `value` of a potentiometer.
const POTENTIOMETER_TOP: f64 = 1023.0;

/// A type of part.
struct Kind {
    name: &'static str,
    /// What a client can move.
    controls: &'static [&'static str],
    /// What of it is wired to the chip.
    place: fn(&Drawn, &Wiring) -> Placed,
}

/// What there is of a part.
enum Placed {
    /// Nothing acts on the chip.
    Passive,
    At(u8, PartKind),
    /// Why it cannot do what it would.
    Not(&'static str),
}

const KINDS: [Kind; 11] = [
    Kind { name: "wokwi-pushbutton", controls: &["pressed"], place: pushbutton },
    Kind { name: "wokwi-pushbutton-6mm", controls: &["pressed"], place: pushbutton },
    Kind { name: "wokwi-slide-switch", controls: &["value"], place: slide_switch },
    Kind { name: "wokwi-potentiometer", controls: &["position"], place: potentiometer },
    Kind { name: "wokwi-slide-potentiometer", controls: &["position"], place: potentiometer },
    Kind { name: "wokwi-resistor", controls: &[], place: resistor },
    Kind { name: "wokwi-led", controls: &[], place: passive },
    Kind { name: "wokwi-logic-analyzer", controls: &[], place: passive },
    Kind { name: "wokwi-gnd", controls: &[], place: passive },
    Kind { name: "wokwi-vcc", controls: &[], place: passive },
    Kind { name: "wokwi-text", controls: &[], place: passive },
];

/// What of a part the board is asked for, or why it will not do what it would.
pub(super) fn place(drawn: &Drawn, wiring: &Wiring) -> Result<Option<Part>, String> {
    let Drawn { id, kind, .. } = drawn;
    let Some(known) = KINDS.iter().find(|known| known.name == kind) else {
        return Err(format!("the part `{id}` ({kind}) is not emulated; its pins float"));
    };
    match (known.place)(drawn, wiring) {
        Placed::Passive => Ok(None),
        Placed::At(gpio, kind) => Ok(Some(Part { name: id.clone(), gpio, kind })),
        Placed::Not(why) => Err(format!("the part `{id}` ({kind}) does nothing: {why}")),
    }
}

/// All types.
#[cfg(test)]
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// The controls that a type of part has; `None` if it is not emulated.
pub(super) fn controls(kind: &str) -> Option<&'static [&'static str]> {
    KINDS.iter().find(|known| known.name == kind).map(|known| known.controls)
}

fn passive(_: &Drawn, _: &Wiring) -> Placed {
    Placed::Passive
}

/// What a pin of a part leads to: a pad, or a level.
fn lead(drawn: &Drawn, pin: &str, wiring: &Wiring) -> (Option<u8>, Option<Level>) {
    let end = End::new(&drawn.id, pin);
    (wiring.gpio(&end), level(&wiring.pins(&end)))
}

fn level(pins: &BTreeSet<Pin>) -> Option<Level> {
    match (pins.contains(&Pin::Ground), pins.contains(&Pin::Supply)) {
        (true, _) => Some(Level::Low),
        (false, true) => Some(Level::High),
        (false, false) => None,
    }
}

/// Two pins of a part, of which one leads to a pad and the other to a level.
fn between(drawn: &Drawn, pins: [&str; 2], wiring: &Wiring) -> Result<(u8, Level), Placed> {
    match pins.map(|pin| lead(drawn, pin, wiring)) {
        [(Some(gpio), None), (None, Some(level))] | [(None, Some(level)), (Some(gpio), None)] => {
            Ok((gpio, level))
        }
        [(Some(_), _), (Some(_), _)] => Err(Placed::Not("it connects two pads of the chip")),
        _ => Err(Placed::Passive),
    }
}

fn pushbutton(drawn: &Drawn, wiring: &Wiring) -> Placed {
    let bounces = drawn.attrs.get("bounce").is_none_or(|value| value != "0");
    match between(drawn, ["1.l", "2.l"], wiring) {
        Ok((gpio, to)) => Placed::At(gpio, PartKind::Pushbutton { to, bounces }),
        Err(Placed::Passive) => Placed::Not("one side must lead to a pad, the other to a level"),
        Err(other) => other,
    }
}

fn resistor(drawn: &Drawn, wiring: &Wiring) -> Placed {
    match between(drawn, ["1", "2"], wiring) {
        Ok((gpio, to)) => Placed::At(gpio, PartKind::Resistor { to }),
        Err(_) => Placed::Passive,
    }
}

fn slide_switch(drawn: &Drawn, wiring: &Wiring) -> Placed {
    let [first, middle, last] = ["1", "2", "3"].map(|pin| lead(drawn, pin, wiring));
    match middle {
        (Some(gpio), _) => Placed::At(gpio, PartKind::SlideSwitch { first: first.1, last: last.1 }),
        (None, _) => Placed::Not("its pin 2 must lead to a pad"),
    }
}

fn potentiometer(drawn: &Drawn, wiring: &Wiring) -> Placed {
    let value = drawn.attrs.get("value").and_then(|value| value.parse::<f64>().ok());
    let position = value.unwrap_or(0.0) / POTENTIOMETER_TOP;
    let [low, wiper, high] = ["GND", "SIG", "VCC"].map(|pin| lead(drawn, pin, wiring));
    match (low.1, wiper.0, high.1) {
        (Some(Level::Low), Some(gpio), Some(Level::High)) => {
            Placed::At(gpio, PartKind::Potentiometer { position })
        }
        (_, None, _) => Placed::Not("its pin SIG must lead to a pad"),
        _ => Placed::Not("it has no power: GND and VCC must lead to ground and supply"),
    }
}
