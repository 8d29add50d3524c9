//! Types of parts that can be wired to a board, whether a diagram or a scenario names them: their
//! pins, attributes and controls, and what can be seen of them.
//!
//! Source: Wokwi's documentation of each part, for the names of types, pins, attributes and controls.

mod kinds;
mod mistakes;

use std::collections::BTreeMap;

pub use mistakes::{Wired, mistakes};

use crate::targets::Level;
use crate::targets::part::{Finger, Part, PartKind};

/// What stands before the name of a type in a diagram.
const VENDOR: &str = "wokwi-";

/// What a pin of a part leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lead {
    /// A pad of the chip, by its GPIO number.
    pub gpio: Option<u8>,
    /// Ground or supply.
    pub level: Option<Level>,
}

/// A part as a scenario describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// Its type, by its name in a diagram.
    pub kind: &'static str,
    /// What those of its pins lead to that the scenario names.
    pub leads: BTreeMap<String, Lead>,
    /// Its attributes.
    pub attrs: BTreeMap<String, String>,
}

/// A part as somebody has drawn it.
#[derive(Clone, Copy)]
pub struct Drawn<'d> {
    /// Its attributes.
    pub attrs: &'d BTreeMap<String, String>,
    /// What each of its pins leads to.
    pub lead: &'d dyn Fn(&str) -> Lead,
}

impl Drawn<'_> {
    /// The pads of these pins, in this order.
    fn pads<const N: usize>(&self, pins: [&str; N]) -> [Option<u8>; N] {
        pins.map(|pin| (self.lead)(pin).gpio)
    }

    fn number(&self, name: &str) -> Option<f64> {
        Form::number(self.attrs.get(name)?)
    }

    fn hex(&self, name: &str) -> Option<u64> {
        Form::hex(self.attrs.get(name)?)
    }
}

/// What there is of a part.
enum Placed {
    /// Nothing that acts on the chip, or that it acts on.
    Passive,
    /// A part at the pads of its pins.
    At(Vec<Option<u8>>, PartKind),
    /// Why it cannot do what it would.
    Not(&'static str),
}

/// What an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A number.
    Number,
    /// Hexadecimal digits.
    Hex,
    /// Something for the eye.
    Any,
}

impl Form {
    /// Whether a value has it.
    pub fn fits(self, value: &str) -> bool {
        match self {
            Self::Number => Self::number(value).is_some(),
            Self::Hex => Self::hex(value).is_some(),
            Self::Any => true,
        }
    }

    fn number(value: &str) -> Option<f64> {
        value.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn hex(value: &str) -> Option<u64> {
        let value = value.trim();
        u64::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok()
    }
}

/// A type of part.
pub struct PartType {
    /// Its name in a diagram.
    pub name: &'static str,
    /// What is to be known of it besides, for people.
    pub doc: &'static str,
    /// Its pins, apart from those for its power.
    pub pins: &'static [&'static str],
    /// Those of its pins that the chip drives.
    pub driven: &'static [&'static str],
    /// Those that it drives against everybody.
    pub drives: &'static [&'static str],
    /// Where ground and supply belong, if it needs power.
    pub power: Option<[&'static str; 2]>,
    /// Its attributes, apart from those that say where a control is at first.
    pub attrs: &'static [(&'static str, Form)],
    /// What can be moved.
    pub controls: &'static [&'static str],
    /// Whether it has a touch screen.
    pub touch: bool,
    /// What can be seen.
    pub shows: &'static [&'static str],
    place: fn(&Drawn<'_>) -> Placed,
}

/// Why a part does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DoesNothing {
    /// It has to be so, for a part that is for the eye only.
    #[error("nothing of it is wired to the chip")]
    Passive,
    /// One of ground and supply is missing.
    #[error("it has no power: {} and {} must lead to ground and supply", .0[0], .0[1])]
    Unpowered([&'static str; 2]),
    /// Its wires.
    #[error("{0}")]
    Wiring(&'static str),
}

impl PartType {
    /// All types.
    pub const ALL: &'static [Self] = &kinds::KINDS;

    /// The type of that name, with what stands before it in a diagram or without.
    pub fn named(name: &str) -> Option<&'static Self> {
        let is_it = |known: &&Self| known.name == name || known.short_name() == name;
        Self::ALL.iter().find(is_it)
    }

    /// Its name in a scenario.
    pub fn short_name(&self) -> &'static str {
        self.name.strip_prefix(VENDOR).unwrap_or(self.name)
    }

    /// Its pins, with those for its power.
    pub fn all_pins(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.pins.iter().copied().chain(self.power.into_iter().flatten())
    }

    /// What steps can name of such a part of that name: itself, its controls, what it shows, and its
    /// touch screen.
    pub fn names(&self, name: &str) -> Vec<String> {
        let screen = self.touch.then_some(&Finger::SCREEN);
        let of_it = self.controls.iter().chain(self.shows).chain(screen);
        let of_it = of_it.map(|what| format!("{name}.{what}"));
        std::iter::once(name.to_owned()).chain(of_it).collect()
    }

    /// The part that a board is asked for.
    ///
    /// # Errors
    /// Why it does nothing.
    pub fn place(&self, name: &str, drawn: &Drawn<'_>) -> Result<Part, DoesNothing> {
        if let Some(power) = self.power
            && power.map(|pin| (drawn.lead)(pin).level) != [Some(Level::Low), Some(Level::High)]
        {
            return Err(DoesNothing::Unpowered(power));
        }
        let settings = self.controls.iter().filter_map(|control| {
            let value = drawn.number(control)?;
            Some(((*control).to_owned(), value))
        });
        match (self.place)(drawn) {
            Placed::At(pads, kind) => {
                Ok(Part { name: name.to_owned(), pads, kind, settings: settings.collect() })
            }
            Placed::Passive => Err(DoesNothing::Passive),
            Placed::Not(why) => Err(DoesNothing::Wiring(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_name_of_its_own_and_is_found_by_both_forms_of_it() {
        for known in PartType::ALL {
            assert!(!known.doc.is_empty(), "{}", known.name);
            for name in [known.name, known.short_name()] {
                assert_eq!(PartType::named(name).map(|it| it.name), Some(known.name));
            }
        }
        assert!(PartType::named("flux-capacitor").is_none());
    }

    #[test]
    fn attributes_are_numbers_or_hexadecimal() {
        for (form, value, fits) in [
            (Form::Number, "-21.5", true),
            (Form::Number, "warm", false),
            (Form::Number, "inf", false),
            (Form::Hex, "0x3d", true),
            (Form::Hex, "010203040506", true),
            (Form::Hex, "0x", false),
            (Form::Any, "red", true),
        ] {
            assert_eq!(form.fits(value), fits, "{value}");
        }
    }
}
