//! What is connected with what, by the wires of a diagram.

use std::collections::{BTreeMap, BTreeSet};

use super::boards::{Pin, WokwiBoard};
use super::diagram::{Diagram, DiagramError, End, MONITOR, Part};
use super::refusal::Refusal;

/// Pins of a part that are one piece of metal.
const JOINED: [(&str, [&str; 2]); 2] =
    [("wokwi-pushbutton", ["1.l", "1.r"]), ("wokwi-pushbutton", ["2.l", "2.r"])];

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
        for part in &diagram.parts {
            for (_, [a, b]) in JOINED.iter().filter(|(kind, _)| *kind == part.kind) {
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

    /// The same of a pin that a client names, which must exist.
    pub(super) fn named(&self, part: &str, pin: &str) -> Result<BTreeSet<Pin>, Refusal> {
        let found = self.diagram.part(part)?;
        let end = End::new(part, pin);
        let known = match found.id == self.esp {
            true => self.board.pin(pin).is_some(),
            // Of other parts those pins are known that a wire leads to.
            false => self.nets.contains_key(&end),
        };
        match known {
            true => Ok(self.pins(&end)),
            false => {
                let (part, what) = (part.to_owned(), format!("pin `{pin}`, or no wire leads to it"));
                Err(Refusal::NotOfPart { part, what })
            }
        }
    }

    /// The pad that a pin of a part leads to.
    pub(super) fn gpio(&self, end: &End) -> Option<u8> {
        self.pins(end).into_iter().find_map(|pin| match pin {
            Pin::Gpio(gpio) => Some(gpio),
            _ => None,
        })
    }

    /// Parts of a type.
    pub(super) fn parts_of(&self, kind: &str) -> impl Iterator<Item = &Part> {
        self.diagram.parts.iter().filter(move |part| part.kind == kind)
    }

    /// What a person should know before the run.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for part in &self.diagram.parts {
            if part.id != self.esp && !KNOWN.contains(&part.kind.as_str()) {
                let (id, kind) = (&part.id, &part.kind);
                warnings.push(format!("the part `{id}` ({kind}) is not emulated; its pins float"));
            }
        }
        for end in self.diagram.wires.iter().flatten() {
            let is_monitor = end.part == MONITOR;
            let part = self.diagram.parts.iter().find(|part| part.id == end.part);
            match part {
                None if !is_monitor => {
                    warnings.push(format!("a wire leads to `{end}`, and there is no such part"));
                }
                Some(part) if part.id == self.esp && self.board.pin(&end.pin).is_none() => {
                    warnings.push(format!("a wire leads to `{end}`, and there is no such pin"));
                }
                _ => {}
            }
        }
        if self.diagram.monitor().is_ok_and(|port| port.is_none()) {
            warnings.push(format!(
                "nothing is heard of the board: no wire leads from a serial port to {MONITOR}"
            ));
        }
        warnings
    }
}

/// Parts that are emulated, or whose behaviour nobody can see.
const KNOWN: [&str; 6] = [
    "wokwi-pushbutton",
    "wokwi-led",
    "wokwi-resistor",
    "wokwi-logic-analyzer",
    "wokwi-gnd",
    "wokwi-vcc",
];

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
            r#", {"type": "wokwi-pushbutton", "id": "b"}, {"type": "wokwi-gnd", "id": "g"}"#,
            r#"["b:1.l", "esp:13"], ["b:2.r", "x:1"], ["x:1", "g:GND"], ["esp:14", "esp:15"]"#,
        );
        assert_eq!(wiring.gpio(&End::new("b", "1.r")), Some(13));
        assert_eq!(wiring.pins(&End::new("b", "2.l")), BTreeSet::from([Pin::Ground]));
        let both = BTreeSet::from([Pin::Gpio(14), Pin::Gpio(15)]);
        assert_eq!(wiring.named("esp", "15").unwrap(), both);
        assert_eq!(wiring.gpio(&End::new("esp", "2")), Some(2), "without any wire");
        assert!(wiring.named("esp", "99").is_err());
        assert!(wiring.named("b", "7").is_err());
        assert!(matches!(wiring.named("c", "1"), Err(Refusal::NoPart(part)) if part == "c"));
    }

    #[test]
    fn mistakes_of_wiring_are_told_before_the_run() {
        let wiring = wiring(
            r#", {"type": "wokwi-lcd2004", "id": "lcd"}"#,
            r#"["esp:77", "lcd:SDA"], ["led9:A", "esp:2"]"#,
        );
        assert_eq!(
            wiring.warnings(),
            [
                "the part `lcd` (wokwi-lcd2004) is not emulated; its pins float",
                "a wire leads to `esp:77`, and there is no such pin",
                "a wire leads to `led9:A`, and there is no such part",
                "nothing is heard of the board: no wire leads from a serial port to $serialMonitor",
            ]
        );
    }
}
