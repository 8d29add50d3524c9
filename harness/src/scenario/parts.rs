//! The key `parts` of a board: what is wired to its pins.

use std::collections::BTreeMap;

use super::decode::{Decode, Decoder, Fields, UnknownKeys, list};
use super::fault::{Fault, FaultCode, nearest};
use super::model::{BoardPart, StepEntry};
use super::node::{Node, Value};
use super::reference::{Key, Kind};
use crate::parts::{Drawn, Fitted, Form, Lead, PartType, Wired, mistakes};
use crate::steps::pin_fields::Pin;
use crate::targets::Level;

/// `parts`.
pub const PARTS: Key = Key::optional(
    "parts",
    Kind::Named(&Kind::Keys(&[
        Key::required("type", Kind::Text, "What it is, such as `dht22`."),
        Key::required(
            "pins",
            Kind::Named(&Kind::Either(&[Kind::Pin, Kind::Words(&["gnd", "vcc"])])),
            "What its pins are wired to: a GPIO number, `gnd` or `vcc`. Pins for power have it if they are not named.",
        ),
        Key::optional(
            "attrs",
            Kind::Named(&Kind::Either(&[Kind::Decimal, Kind::Text])),
            "Its attributes, and where its controls are at first.",
        ),
    ])),
    "Parts at pins of the board, by names of your choice. Types, pins and attributes have the names of Wokwi's.",
);

/// Most parts of a board: more are surely a mistake.
const MAX: usize = 64;

pub(super) fn read(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Vec<BoardPart> {
    let Some(node) = fields.node(PARTS.name) else { return Vec::new() };
    let Value::Map(entries) = &node.value else {
        return decoder.wrong(node, "names of parts with what they are").unwrap_or_default();
    };
    if entries.len() > MAX {
        let message = format!("more than {MAX} parts");
        return decoder.bad(node.span.clone(), message).unwrap_or_default();
    }
    let read = entries.iter().filter_map(|(name, node)| part(name, node, decoder));
    let (parts, wired): (Vec<_>, Vec<_>) = read.unzip();
    for mistake in mistakes(&wired) {
        decoder.bad::<()>(node.span.clone(), mistake);
    }
    parts
}

fn part<'n>(key: &'n Node, node: &Node, decoder: &mut Decoder) -> Option<(BoardPart, Wired<'n>)> {
    let name = String::decode(key, decoder)?;
    let mut fields = Fields::new(node, "a part", decoder)?;
    let kind = fields.node("type");
    if kind.is_none() {
        fields.missing("type");
    }
    let pins = fields.node("pins");
    if pins.is_none() {
        fields.missing("pins");
    }
    let attrs = fields.node("attrs");
    fields.finish(UnknownKeys::Deny, decoder);
    let known = part_type(kind?, decoder)?;
    let pins = self::pins(pins?, known, decoder);
    let attrs = attrs.map_or(Some(BTreeMap::new()), |node| self::attrs(node, known, decoder));
    let (pins, attrs) = (pins?, attrs?);
    let fitted = Fitted { kind: known.name, leads: pins.clone(), attrs: attrs.clone() };
    let lead = move |pin: &str| match (pins.get(pin), known.power) {
        (Some(lead), _) => *lead,
        (None, Some([ground, _])) if pin == ground => at(Level::Low),
        (None, Some([_, supply])) if pin == supply => at(Level::High),
        (None, _) => Lead::default(),
    };
    match known.place(&name, &Drawn { attrs: &attrs, lead: &lead }) {
        Ok(part) => {
            let names = known.names(&name);
            let pins = known.all_pins().map(|pin| (pin, lead(pin)));
            let pins = pins.filter(|(_, lead)| *lead != Lead::default()).collect();
            let wired = Wired { name: key.as_text()?, kind: known, lead: Box::new(lead) };
            Some((BoardPart { part, fitted, names, pins }, wired))
        }
        Err(why) => decoder.bad(node.span.clone(), format!("`{name}` does nothing: {why}")),
    }
}

fn part_type(node: &Node, decoder: &mut Decoder) -> Option<&'static PartType> {
    let name = node.as_text().unwrap_or_default();
    PartType::named(name).or_else(|| {
        let names = || PartType::ALL.iter().map(PartType::short_name);
        unknown(node, "a type of part", name, names(), decoder)
    })
}

fn unknown<'w, T>(
    node: &Node,
    what: &str,
    given: &str,
    names: impl Iterator<Item = &'w str> + Clone,
    decoder: &mut Decoder,
) -> Option<T> {
    let message = format!("`{given}` is not {what}");
    let mut fault = Fault::new(FaultCode::BadValue, node.span.clone(), message)
        .help(format!("known: {}", list(names.clone())));
    if let Some(near) = nearest(given, names) {
        fault = fault.label(format!("did you mean `{near}`?"));
    }
    decoder.fault(fault);
    None
}

fn at(level: Level) -> Lead {
    Lead { gpio: None, level: Some(level) }
}

fn pins(
    node: &Node,
    known: &'static PartType,
    decoder: &mut Decoder,
) -> Option<BTreeMap<String, Lead>> {
    let Value::Map(entries) = &node.value else {
        return decoder.wrong(node, "names of pins with what they are wired to");
    };
    let names = known.all_pins();
    let pins = entries.iter().map(|(pin, node)| {
        let name = pin.as_text().unwrap_or_default();
        if !names.clone().any(|known| known == name) {
            let what = format!("a pin of `{}`", known.short_name());
            return unknown(pin, &what, name, names.clone(), decoder);
        }
        let lead = match node.as_text().unwrap_or_default().to_ascii_lowercase().as_str() {
            "gnd" => at(Level::Low),
            "vcc" => at(Level::High),
            _ => Lead { gpio: Some(Pin::decode(node, decoder)?.0), level: None },
        };
        Some((name.to_owned(), lead))
    });
    // Every pin is read before the first failed one counts.
    pins.collect::<Vec<_>>().into_iter().collect()
}

fn attrs(
    node: &Node,
    known: &'static PartType,
    decoder: &mut Decoder,
) -> Option<BTreeMap<String, String>> {
    let Value::Map(entries) = &node.value else {
        return decoder.wrong(node, "names of attributes with their values");
    };
    let controls = known.controls.iter().map(|control| (*control, Form::Number));
    let forms = known.attrs.iter().copied().chain(controls);
    let attrs = entries.iter().map(|(key, node)| {
        let name = key.as_text().unwrap_or_default();
        let names = forms.clone().map(|(name, _)| name);
        let Some((_, form)) = forms.clone().find(|(known, _)| *known == name) else {
            let what = format!("an attribute of `{}`", known.short_name());
            return unknown(key, &what, name, names, decoder);
        };
        let value = String::decode(node, decoder)?;
        match (form.fits(&value), form) {
            (true, _) => Some((name.to_owned(), value)),
            (false, Form::Hex) => decoder.wrong(node, "hexadecimal digits"),
            (false, _) => decoder.wrong(node, "a number"),
        }
    });
    attrs.collect::<Vec<_>>().into_iter().collect()
}

/// Steps that name something of a part that it does not have.
pub(super) fn check<'s>(
    parts: &[BoardPart],
    steps: impl Iterator<Item = &'s StepEntry>,
    decoder: &mut Decoder,
) {
    for entry in steps {
        for named in entry.step.facts().parts {
            let own = |it: &&BoardPart| named.split('.').next() == Some(it.part.name.as_str());
            let Some(part) = parts.iter().find(own) else { continue };
            if !part.names.iter().any(|name| name == named) {
                let message = format!("the part `{}` has no `{named}`", part.part.name);
                let fault = Fault::new(FaultCode::BadValue, entry.span.clone(), message);
                let known = list(part.names[1..].iter().map(String::as_str));
                decoder.fault(fault.help(format!("it has: {known}")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::scenario::decode::no_files;
    use crate::scenario::parser::{FilePlace, parse};
    use crate::targets::Level;
    use crate::targets::part::{Part, PartKind};

    /// The parts of a case's board, or what is wrong.
    fn parts(text: &str) -> Result<Vec<Part>, Vec<String>> {
        let text = format!("name: x\nversion: 1\n{text}\n");
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        match parse(&text, place, &no_files) {
            Ok(parsed) => {
                Ok(parsed.cases[0].board.parts.iter().map(|it| it.part.clone()).collect())
            }
            Err(invalid) => {
                Err(invalid.faults.faults.into_iter().map(|fault| fault.message).collect())
            }
        }
    }

    #[test]
    fn parts_have_power_if_nobody_says_otherwise_and_controls_where_attributes_say() {
        let text = "parts:
  air: {type: dht22, pins: {SDA: GPIO15}, attrs: {humidity: 40}}
  key: {type: wokwi-pushbutton, pins: {1.r: 13, 2.l: GND}}
steps: [delay: 1s]";
        let air = Part {
            name: "air".to_owned(),
            pads: vec![Some(15)],
            kind: PartKind::Dht22,
            settings: vec![("humidity".to_owned(), 40.0)],
        };
        let key = Part {
            name: "key".to_owned(),
            pads: vec![Some(13)],
            kind: PartKind::Pushbutton { to: Level::Low, bounces: true },
            settings: Vec::new(),
        };
        assert_eq!(parts(text), Ok(vec![air, key]));
    }

    #[test]
    fn mistakes_are_told_before_the_run_with_those_of_steps_that_name_parts() {
        let text = "parts:
  a: {type: dht11, pins: {SDA: 15}}
  b: {type: dht22, pins: {DATA: 15}, attrs: {temperature: warm}}
  c: {type: dht22, pins: {SDA: 15, VCC: gnd}}
  d: {type: led, pins: {A: 40, C: gnd}}
  e: {type: hc-sr04, pins: {TRIG: 15}}
  f: {type: servo, pins: {PWM: 15}}
  g: {type: neopixel, pins: {DIN: 39}}
steps:
  - expect-part: {part-id: f, name: tilt, value: 1}";
        let told = parts(text).unwrap_err();
        for part in [
            "`dht11` is not a type of part",
            "`DATA` is not a pin of `dht22`",
            "a number",
            "`c` does nothing: it has no power: GND and VCC must lead to ground and supply",
            "a GPIO number from 0 to 39",
            "`e` does nothing: its pins TRIG and ECHO must lead to pads",
            "the part `f` has no `f.tilt`",
            "nobody drives `g:DIN`: GPIO39 can only be read",
        ] {
            assert!(told.iter().any(|it| it.contains(part)), "{part}: {told:#?}");
        }
    }
}
