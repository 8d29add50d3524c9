//! Parts of a diagram that the emulator has a model of, and where they are wired to.

use super::access_points;
use super::boards::Pin;
use super::diagram::{End, Part as Drawn};
use super::wiring::{RESISTOR, Wiring};
use crate::parts::{self, DoesNothing, Lead, PartType, Wired};
use crate::targets::Level;
use crate::targets::part::Part;

/// Types that only show something to a person at the diagram.
const FOR_THE_EYE: &str = "wokwi-text";

/// What of a part the board is asked for, or why it will not do what it would.
pub(super) fn place(drawn: &Drawn, wiring: &Wiring) -> Result<Option<Part>, String> {
    let Drawn { id, kind, attrs } = drawn;
    if kind == FOR_THE_EYE || kind == access_points::KIND {
        return Ok(None);
    }
    let Some(known) = PartType::named(kind).filter(|known| known.name == kind) else {
        return Err(format!("the part `{id}` ({kind}) is not emulated; its pins float"));
    };
    match known.place(id, &parts::Drawn { attrs, lead: &|pin| lead(drawn, pin, wiring) }) {
        Ok(part) => Ok(Some(part)),
        Err(DoesNothing::Passive) => Ok(None),
        Err(why) => Err(format!("the part `{id}` ({kind}) does nothing: {why}")),
    }
}

/// What is wrong with the wires of the parts that are emulated.
pub(super) fn mistakes<'w>(
    drawn: impl Iterator<Item = &'w Drawn>,
    wiring: &'w Wiring,
) -> Vec<String> {
    let wired = drawn.filter_map(|part| {
        let kind = PartType::named(&part.kind).filter(|known| known.name == part.kind)?;
        let lead = Box::new(move |pin: &str| lead(part, pin, wiring));
        Some(Wired { name: &part.id, kind, lead })
    });
    parts::mistakes(&wired.collect::<Vec<_>>())
}

fn lead(drawn: &Drawn, pin: &str, wiring: &Wiring) -> Lead {
    let end = End::new(&drawn.id, pin);
    // No current flows into an input, so a resistor before it changes nothing.
    let is_resistor = drawn.kind == RESISTOR;
    let pins = if is_resistor { wiring.pins(&end) } else { wiring.pins_beyond(&end) };
    let gpio = pins.iter().find_map(|pin| match pin {
        Pin::Gpio(gpio) => Some(*gpio),
        Pin::Ground | Pin::Supply | Pin::Other => None,
    });
    let level = match (pins.contains(&Pin::Ground), pins.contains(&Pin::Supply)) {
        (true, _) => Some(Level::Low),
        (false, true) => Some(Level::High),
        (false, false) => None,
    };
    Lead { gpio, level }
}
