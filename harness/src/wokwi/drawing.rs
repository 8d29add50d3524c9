//! A diagram that is drawn from what a scenario says of its board, for Wokwi and for people.

use std::fmt::Write as _;

use serde_json::json;

use super::access_points;
use super::boards::{BOARDS, WokwiBoard};
use super::diagram::MONITOR;
use crate::parts::{Fitted, Lead, PartType};
use crate::scenario::model::{BoardEntry, BoardPart, Case};
use crate::site::Site;
use crate::targets::{Level, LoopBack, emulated};

/// What the chip's board is called.
pub(super) const CHIP: &str = "esp";

/// What is drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawing {
    /// Our profile of the board.
    pub profile: String,
    /// The buttons that it has, and their pads.
    pub buttons: Vec<(String, u8)>,
    /// Wires between its pins.
    pub loop_backs: Vec<LoopBack>,
    /// What is wired to them.
    pub parts: Vec<(String, Fitted)>,
    /// What is on the air around it, if that is another network than Wokwi's own.
    pub site: Option<Site>,
}

impl Drawing {
    /// The board of a scenario.
    pub fn of(board: &BoardEntry) -> Self {
        let parts = board.parts.iter().map(BoardPart::written);
        Self {
            profile: board.profile.text.clone(),
            buttons: emulated::buttons(&board.profile.text),
            loop_backs: board.loop_backs.clone(),
            parts: parts.collect(),
            site: None,
        }
    }

    /// The board of a case, and what is around it.
    pub fn of_case(case: &Case) -> Self {
        Self { site: case.site.clone(), ..Self::of(&case.board) }
    }

    /// Takes in what is at another board of the same kind, so that scenarios of both run on one.
    ///
    /// # Errors
    /// What cannot be at one board.
    pub fn join(&mut self, other: &Self) -> Result<(), String> {
        let air = |it: &Self| it.site.as_ref().map_or(Ok(Vec::new()), access_points::drawn);
        if air(self) != air(other) {
            return Err("what is on the air around it is something else".to_owned());
        }
        let pads =
            |fitted: &Fitted| fitted.leads.values().filter_map(|it| it.gpio).collect::<Vec<_>>();
        let mut new = Vec::new();
        for (name, fitted) in &other.parts {
            match self.parts.iter().find(|(known, _)| known == name) {
                Some((_, known)) if known == fitted => continue,
                Some(_) => return Err(format!("another part there is called `{name}`")),
                None => {}
            }
            for (known, there) in &self.parts {
                if let Some(gpio) = pads(there).iter().find(|gpio| pads(fitted).contains(gpio)) {
                    return Err(format!("`{name}` and `{known}` are both at GPIO{gpio}"));
                }
            }
            new.push((name.clone(), fitted.clone()));
        }
        self.parts.extend(new);
        for wire in &other.loop_backs {
            if !self.loop_backs.contains(wire) {
                self.loop_backs.push(*wire);
            }
        }
        Ok(())
    }

    /// The board, as Wokwi has it.
    pub(super) fn board(&self) -> &'static WokwiBoard {
        let board = BOARDS.iter().find(|board| self.profile.starts_with(board.profile));
        board.unwrap_or(&BOARDS[0])
    }

    /// The text of `diagram.json`: a line for each part and each wire.
    ///
    /// # Errors
    /// When a wire leads to a pad that the board does not lead out, two things have one name, or Wokwi has
    /// nothing for what is on the air.
    pub fn text(&self) -> Result<String, String> {
        let board = self.board();
        let pad = |gpio: u8| match board.name_of(gpio) {
            Some(name) => Ok(format!("{CHIP}:{name}")),
            None => Err(format!("a {} does not lead out GPIO{gpio}", board.kind)),
        };
        // With its attribute ROM and bootloader run and speak, as on a board.
        let mut parts = vec![(board.kind, CHIP, json!({"fullBoot": "1"}))];
        let mut wires =
            vec![[pad(1)?, format!("{MONITOR}:RX")], [pad(3)?, format!("{MONITOR}:TX")]];
        for (name, gpio) in &self.buttons {
            parts.push(("wokwi-pushbutton", name, json!({"bounce": "0"})));
            wires.push([format!("{name}:1.l"), pad(*gpio)?]);
            wires.push([format!("{name}:2.l"), format!("{CHIP}:GND.1")]);
        }
        for [a, b] in self.loop_backs.iter().map(|wire| wire.ends()) {
            wires.push([pad(a)?, pad(b)?]);
        }
        for (name, fitted) in &self.parts {
            if parts.iter().any(|(_, known, _)| known == name) {
                return Err(format!("the diagram has a part `{name}` already"));
            }
            parts.push((fitted.kind, name, json!(fitted.attrs)));
            for (pin, lead) in leads(fitted) {
                let end = match (lead.gpio, lead.level) {
                    (Some(gpio), _) => pad(gpio)?,
                    (None, Some(Level::Low)) => format!("{CHIP}:GND.1"),
                    (None, Some(Level::High)) => format!("{CHIP}:3V3"),
                    (None, None) => continue,
                };
                wires.push([format!("{name}:{pin}"), end]);
            }
        }
        let air = self.site.as_ref().map_or(Ok(Vec::new()), access_points::drawn);
        let air = air.map_err(|cannot| cannot.join("; "))?;
        let names: Vec<_> = (1..=air.len()).map(|n| format!("ap{n}")).collect();
        for (name, attrs) in names.iter().zip(&air) {
            if parts.iter().any(|(_, known, _)| known == name) {
                return Err(format!("the diagram has a part `{name}` already"));
            }
            parts.push((access_points::KIND, name, json!(attrs)));
        }
        Ok(written(&parts, &wires))
    }
}

/// What the pins of a part lead to, those for power too.
fn leads(fitted: &Fitted) -> Vec<(&str, Lead)> {
    let mut leads: Vec<_> = fitted.leads.iter().map(|(pin, lead)| (pin.as_str(), *lead)).collect();
    let power = PartType::named(fitted.kind).and_then(|known| known.power);
    for (pin, level) in power.into_iter().flatten().zip([Level::Low, Level::High]) {
        if !fitted.leads.contains_key(pin) {
            leads.push((pin, Lead { gpio: None, level: Some(level) }));
        }
    }
    leads
}

/// Steps of the places at which parts are drawn, in dots, left and right of the board.
const DOWN: usize = 100;
const SIDES: [i32; 2] = [-200, 240];

fn written(parts: &[(&str, &str, serde_json::Value)], wires: &[[String; 2]]) -> String {
    let parts = parts.iter().enumerate().map(|(number, (kind, name, attrs))| {
        let (top, left) = match number.checked_sub(1) {
            None => (0, 0),
            Some(number) => (number / 2 * DOWN, SIDES[number % 2]),
        };
        let (kind, name) = (json!(kind), json!(name));
        format!(
            "    {{ \"type\": {kind}, \"id\": {name}, \"top\": {top}, \"left\": {left}, \"attrs\": {attrs} }}"
        )
    });
    let wires = wires.iter().map(|[from, to]| {
        let (from, to) = (json!(from), json!(to));
        format!("    [ {from}, {to}, \"\", [] ]")
    });
    let (parts, wires): (Vec<_>, Vec<_>) = (parts.collect(), wires.collect());
    let mut text = String::from(
        "{\n  \"version\": 1,\n  \"author\": \"benchrig\",\n  \"editor\": \"wokwi\",\n",
    );
    // A text takes whatever is written.
    let _ = write!(
        text,
        "  \"parts\": [\n{}\n  ],\n  \"connections\": [\n{}\n  ],\n  \"dependencies\": {{}}\n}}\n",
        parts.join(",\n"),
        wires.join(",\n")
    );
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::decode::no_files;
    use crate::scenario::parser::{FilePlace, parse};
    use crate::wokwi::circuit::{Circuit, SeenPin};

    fn drawing(board: &str) -> Drawing {
        let text = format!("name: x\nversion: 1\n{board}\nsteps: [log: x]\n");
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        Drawing::of(&parse(&text, place, &no_files).expect("a scenario").cases[0].board)
    }

    #[test]
    fn a_part_is_drawn_with_its_wires_and_its_power() {
        let text =
            drawing("parts:\n  air: {type: dht22, pins: {SDA: 15}, attrs: {humidity: 40}}").text();
        let circuit = Circuit::parse(text.expect("a diagram").as_bytes()).expect("a diagram");
        assert_eq!(circuit.pin("air", "SDA"), Ok(SeenPin::Gpio(15)));
        assert_eq!(circuit.pin("air", "VCC"), Ok(SeenPin::Always(Level::High)));
        let named: Vec<_> = circuit.emulated_parts().collect();
        let wanted = ["boot", "boot.pressed", "air", "air.temperature", "air.humidity"];
        assert_eq!(named, wanted);
    }

    #[test]
    fn what_is_at_one_board_is_drawn_once_and_what_cannot_be_is_named() {
        let lamp =
            drawing("loop-backs: [[16, 17]]\nparts:\n  lamp: {type: led, pins: {A: 2, C: gnd}}");
        let both = drawing(
            "parts:\n  lamp: {type: led, pins: {A: 2, C: gnd}}\n  b: {type: servo, pins: {PWM: 4}}",
        );
        let mut joined = lamp.clone();
        joined.join(&both).expect("they go together");
        joined.join(&lamp).expect("it is there");
        assert_eq!((joined.parts.len(), joined.loop_backs.len()), (2, 1));
        let other = drawing("parts:\n  lamp: {type: led, pins: {A: 4, C: gnd}}");
        assert_eq!(joined.join(&other), Err("another part there is called `lamp`".to_owned()));
        let same_pad = drawing("parts:\n  c: {type: led, pins: {A: 4, C: gnd}}");
        assert_eq!(joined.join(&same_pad), Err("`c` and `b` are both at GPIO4".to_owned()));
        let named_like_a_button = drawing("parts:\n  esp: {type: led, pins: {A: 4, C: gnd}}");
        assert!(named_like_a_button.text().unwrap_err().contains("`esp`"));
    }
}
