//! What is connected with what, by the wires of a diagram.

use std::collections::{BTreeMap, BTreeSet};

use super::boards::{Pin, WokwiBoard};
use super::circuit::Warning;
use super::diagram::{Diagram, DiagramError, End, MONITOR, Part};
use super::parts;
use super::refusal::Refusal;
use crate::parts::PartType;
use crate::targets::LoopBack;

/// Pins of a part that are one piece of metal.
const JOINED: [[&str; 2]; 2] = [["1.l", "1.r"], ["2.l", "2.r"]];
/// The parts that have such pins.
const HAVE_JOINED: [&str; 2] = ["wokwi-pushbutton", "wokwi-pushbutton-6mm"];

/// What joins two nets without being a wire.
pub(super) const RESISTOR: &str = "wokwi-resistor";

/// A diagram, understood.
#[derive(Debug)]
pub(super) struct Wiring {
    diagram: Diagram,
    board: &'static WokwiBoard,
    /// What the board is called.
    esp: String,
    /// Which net each end of a wire belongs to, by a number.
    nets: BTreeMap<End, usize>,
    /// What of the board each net leads to.
    pins: BTreeMap<usize, BTreeSet<Pin>>,
}

impl Wiring {
    pub(super) fn new(diagram: Diagram) -> Result<Self, DiagramError> {
        let (part, board) = diagram.board()?;
        let esp = part.id.clone();
        let mut nets = Nets::default();
        for [a, b] in &diagram.wires {
            nets.join(a, b);
        }
        let have_joined = |part: &&Part| HAVE_JOINED.contains(&part.kind.as_str());
        for part in diagram.parts.iter().filter(have_joined) {
            for [a, b] in JOINED {
                nets.join(&End::new(&part.id, a), &End::new(&part.id, b));
            }
        }
        let mut pins: BTreeMap<usize, BTreeSet<Pin>> = BTreeMap::new();
        for (end, net) in &nets.0 {
            let kind = diagram.parts.iter().find(|part| part.id == end.part).map(|it| &*it.kind);
            let pin = match kind {
                Some(kind) if kind == board.kind => board.pin(&end.pin),
                Some("wokwi-gnd") => Some(Pin::Ground),
                Some("wokwi-vcc") => Some(Pin::Supply),
                _ => None,
            };
            pins.entry(*net).or_default().extend(pin);
        }
        Ok(Self { nets: nets.0, pins, board, esp, diagram })
    }

    /// The diagram.
    pub(super) fn diagram(&self) -> &Diagram {
        &self.diagram
    }

    /// The type of the board.
    pub(super) fn board(&self) -> &'static WokwiBoard {
        self.board
    }

    /// What the board is called.
    pub(super) fn esp(&self) -> &str {
        &self.esp
    }

    /// What a pin of a part leads to, over its wires.
    pub(super) fn pins(&self, end: &End) -> BTreeSet<Pin> {
        let net = self.nets.get(end).and_then(|net| self.pins.get(net));
        let own = (end.part == self.esp).then(|| self.board.pin(&end.pin)).flatten();
        net.into_iter().flatten().copied().chain(own).collect()
    }

    /// The same, over resistors where wires alone lead nowhere: no current flows that would change the
    /// level.
    pub(super) fn pins_beyond(&self, end: &End) -> BTreeSet<Pin> {
        let (mut seen, mut next) = (BTreeSet::new(), vec![end.clone()]);
        while let Some(end) = next.pop() {
            let pins = self.pins(&end);
            if !pins.is_empty() {
                return pins;
            }
            let Some(net) = self.nets.get(&end) else { continue };
            if !seen.insert(*net) {
                continue;
            }
            for resistor in self.parts_of(RESISTOR) {
                let [a, b] = ["1", "2"].map(|pin| End::new(&resistor.id, pin));
                match (self.nets.get(&a) == Some(net), self.nets.get(&b) == Some(net)) {
                    (true, _) => next.push(b),
                    (false, true) => next.push(a),
                    (false, false) => {}
                }
            }
        }
        BTreeSet::new()
    }

    /// What a pin is or leads to that a client names, and that must exist.
    pub(super) fn named(&self, part: &str, pin: &str) -> Result<BTreeSet<Pin>, Refusal> {
        let found = self.diagram.part(part)?;
        let none = |or: &str| {
            let (part, what) = (part.to_owned(), format!("pin `{pin}`{or}"));
            Refusal::NotOfPart { part, what }
        };
        if found.id == self.esp {
            return self.board.pin(pin).map(|pin| [pin].into()).ok_or_else(|| none(""));
        }
        let end = End::new(part, pin);
        let kind = PartType::named(&found.kind);
        if kind.is_some_and(|kind| kind.all_pins().any(|known| known == pin))
            || self.nets.contains_key(&end)
        {
            return Ok(self.pins_beyond(&end));
        }
        // Of types that are not known here those pins are there that a wire leads to.
        Err(none(if kind.is_some() { "" } else { ", or no wire leads to it" }))
    }

    /// Parts of a type.
    pub(super) fn parts_of(&self, kind: &str) -> impl Iterator<Item = &Part> {
        self.diagram.parts.iter().filter(move |part| part.kind == kind)
    }

    /// What the board is asked for, and what a person should know before the run.
    pub(super) fn parts(&self) -> (Vec<crate::targets::part::Part>, Vec<Warning>) {
        let (mut placed, mut warnings) = (Vec::new(), Vec::new());
        let others = || self.diagram.parts.iter().filter(|part| part.id != self.esp);
        for part in others() {
            match parts::place(part, self) {
                Ok(part) => placed.extend(part),
                Err(warning) => warnings.push(Warning::new(warning, &part.id)),
            }
        }
        let mistakes = parts::mistakes(others(), self).into_iter();
        warnings.extend(mistakes.map(|mistake| Warning::new(mistake, "connections")));
        warnings.extend(self.warnings());
        (placed, warnings)
    }

    /// Whether the board has something of a part.
    pub(super) fn is_placed(&self, id: &str) -> bool {
        self.parts().0.iter().any(|part| part.name == id)
    }

    /// The wires between its own pins.
    pub(super) fn loop_backs(&self) -> Vec<LoopBack> {
        let pads = |pins: &BTreeSet<Pin>| -> Vec<u8> {
            let pad = |pin: &Pin| if let Pin::Gpio(gpio) = pin { Some(*gpio) } else { None };
            pins.iter().filter_map(pad).collect()
        };
        let nets = self.pins.values().map(pads);
        let wires = |pads: Vec<u8>| -> Vec<LoopBack> {
            // A diagram cannot name a pin that is none, or the same one twice.
            pads.windows(2).filter_map(|two| LoopBack::between(two[0], two[1]).ok()).collect()
        };
        nets.flat_map(wires).collect()
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for end in self.diagram.wires.iter().flatten() {
            let is_monitor = end.part == MONITOR;
            let part = self.diagram.parts.iter().find(|part| part.id == end.part);
            match part {
                None if !is_monitor => {
                    let text = format!("a wire leads to `{end}`, and there is no such part");
                    warnings.push(Warning::new(text, &end.to_string()));
                }
                Some(part) if part.id == self.esp && self.board.pin(&end.pin).is_none() => {
                    let text = format!("a wire leads to `{end}`, and there is no such pin");
                    warnings.push(Warning::new(text, &end.to_string()));
                }
                _ => {}
            }
        }
        let is_short =
            |pins: &BTreeSet<Pin>| pins.contains(&Pin::Ground) && pins.contains(&Pin::Supply);
        if self.pins.values().any(is_short) {
            let text = "wires connect ground with supply".to_owned();
            warnings.push(Warning::new(text, "connections"));
        }
        if self.diagram.monitor().is_ok_and(|port| port.is_none()) {
            warnings.push(Warning::unheard());
        }
        warnings
    }
}

/// Ends with the number of their net.
#[derive(Debug, Default)]
struct Nets(BTreeMap<End, usize>);

impl Nets {
    fn net(&mut self, end: &End) -> usize {
        let next = self.0.len();
        *self.0.entry(end.clone()).or_insert(next)
    }

    fn join(&mut self, a: &End, b: &End) {
        let (a, b) = (self.net(a), self.net(b));
        self.0.values_mut().filter(|net| **net == b).for_each(|net| *net = a);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Level;
    use crate::targets::part::PartKind;

    fn wiring(parts: &str, wires: &str) -> Wiring {
        let text = format!(
            r#"{{"version": 1, "parts": [{{"type": "board-esp32-devkit-c-v4", "id": "esp"}}{parts}],
                "connections": [{wires}]}}"#
        );
        Wiring::new(Diagram::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_pin_leads_where_its_wires_lead() {
        let wiring = wiring(
            r#", {"type": "wokwi-pushbutton", "id": "b"}, {"type": "wokwi-gnd", "id": "g"},
               {"type": "wokwi-resistor", "id": "q"}"#,
            r#"["b:1.l", "esp:13"], ["b:2.r", "x:1"], ["x:1", "g:GND"], ["esp:14", "esp:15"]"#,
        );
        assert_eq!(wiring.pins(&End::new("b", "1.r")), BTreeSet::from([Pin::Gpio(13)]));
        assert_eq!(wiring.pins(&End::new("b", "2.l")), BTreeSet::from([Pin::Ground]));
        assert_eq!(wiring.named("esp", "15").unwrap(), BTreeSet::from([Pin::Gpio(15)]));
        let pad = BTreeSet::from([Pin::Gpio(2)]);
        assert_eq!(wiring.pins(&End::new("esp", "2")), pad, "without any wire");
        assert_eq!(wiring.loop_backs().iter().map(|it| it.ends()).collect::<Vec<_>>(), [[14, 15]]);
        assert!(wiring.named("esp", "99").is_err());
        assert!(wiring.named("b", "7").is_err());
        assert_eq!(wiring.named("q", "1").unwrap(), BTreeSet::new(), "no wire leads to it");
        assert!(matches!(wiring.named("c", "1"), Err(Refusal::NoPart(part)) if part == "c"));
    }

    #[test]
    fn a_pin_behind_a_resistor_has_the_level_before_it() {
        let wiring = wiring(
            r#", {"type": "wokwi-resistor", "id": "r"}, {"type": "wokwi-resistor", "id": "q"},
               {"type": "wokwi-led", "id": "l"}"#,
            r#"["esp:2", "r:2"], ["r:1", "l:A"], ["l:C", "q:1"], ["q:2", "q:1"]"#,
        );
        assert_eq!(wiring.named("l", "A").unwrap(), BTreeSet::from([Pin::Gpio(2)]));
        assert_eq!(wiring.named("l", "C").unwrap(), BTreeSet::new(), "round and round");
    }

    #[test]
    fn mistakes_of_wiring_are_told_before_the_run() {
        let wiring = wiring(
            r#", {"type": "wokwi-lcd2004", "id": "lcd"}, {"type": "wokwi-dht22", "id": "air"}"#,
            r#"["esp:77", "lcd:SDA"], ["led9:A", "esp:2"], ["air:SDA", "esp:34"],
               ["air:GND", "esp:GND.1"], ["air:VCC", "esp:GND.1"], ["air:GND", "esp:3V3"]"#,
        );
        let warnings = wiring.parts().1.into_iter().map(|warning| warning.text);
        assert_eq!(
            warnings.collect::<Vec<_>>(),
            [
                "the part `lcd` (wokwi-lcd2004) is not emulated; its pins float",
                "the part `air` (wokwi-dht22) does nothing: it has no power: GND and VCC must lead to \
                 ground and supply",
                "nobody drives `air:SDA`: GPIO34 can only be read",
                "a wire leads to `esp:77`, and there is no such pin",
                "a wire leads to `led9:A`, and there is no such part",
                "wires connect ground with supply",
                "nothing is heard of the board: no wire leads from a serial port to $serialMonitor",
            ]
        );
    }

    #[test]
    fn parts_are_placed_where_both_ends_lead() {
        let wiring = wiring(
            r#", {"type": "wokwi-pushbutton", "id": "b", "attrs": {"bounce": "0"}},
               {"type": "wokwi-resistor", "id": "r"}, {"type": "wokwi-potentiometer", "id": "p"},
               {"type": "wokwi-slide-switch", "id": "s"}, {"type": "wokwi-led", "id": "l"},
               {"type": "wokwi-pushbutton", "id": "loose"}"#,
            r#"["b:1.r", "esp:13"], ["b:2.l", "esp:GND.1"], ["r:1", "esp:13"], ["r:2", "esp:3V3"],
               ["p:SIG", "esp:34"], ["p:GND", "esp:GND.1"], ["p:VCC", "esp:3V3"], ["l:A", "esp:2"],
               ["s:2", "esp:14"], ["s:1", "esp:GND.2"], ["esp:TX", "$serialMonitor:RX"]"#,
        );
        let (parts, warnings) = wiring.parts();
        let placed: Vec<_> =
            parts.iter().map(|it| (it.name.as_str(), it.pads[0], it.kind)).collect();
        let (low, high) = (Level::Low, Level::High);
        assert_eq!(
            placed,
            [
                ("b", Some(13), PartKind::Pushbutton { to: low, bounces: false }),
                ("r", Some(13), PartKind::Resistor { to: high }),
                ("p", Some(34), PartKind::Potentiometer { position: 0.0 }),
                ("s", Some(14), PartKind::SlideSwitch { first: Some(low), last: None }),
            ]
        );
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].text.starts_with("the part `loose` (wokwi-pushbutton) does nothing"));
    }
}
