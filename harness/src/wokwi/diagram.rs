//! `diagram.json`: parts and the wires between them.
//!
//! Source: the vendor's documentation, "diagram.json"; diagrams that his clients write themselves.
//! What is only drawing (places, colours, paths of wires) is not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer};

use super::boards::{BOARDS, Pin, WokwiBoard};
use super::refusal::Refusal;
use crate::parts::PartType;
use crate::targets::Port;

/// What the graphical monitor is called in connections.
pub(super) const MONITOR: &str = "$serialMonitor";

/// Bytes of a diagram: far more than anybody draws. Everything in it is looked up by everything else.
const LARGEST: usize = 256 << 10;

/// Megabytes of the largest memory that a board of Wokwi's can have.
const LARGEST_MEMORY: u32 = 32;

/// Why a diagram cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiagramError {
    #[error("{0} bytes are more than any diagram has; {LARGEST} may be")]
    TooLarge(usize),
    #[error("not as it must be: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("version {0} is not known, only version 1")]
    Version(u64),
    #[error("`{0}` is no pin: write `part:pin`")]
    End(String),
    #[error("two parts are called `{0}`")]
    Twice(String),
    #[error("there is no board in it. Boards that are emulated: {}", boards())]
    NoBoard,
    #[error("the board `{kind}` is not emulated. Boards that are: {}", boards())]
    OtherBoard { kind: String },
    #[error("`{id}` and `{other}` are boards, and one can be emulated")]
    SeveralBoards { id: String, other: String },
    #[error("`{value}` is no value of `{name}`")]
    Attribute { name: &'static str, value: String },
}

impl DiagramError {
    /// The word of the diagram that it is about.
    pub(super) fn word(&self) -> &str {
        match self {
            Self::TooLarge(_) | Self::Syntax(_) => "",
            Self::Version(_) => "version",
            Self::End(word) | Self::Twice(word) => word,
            Self::NoBoard => "parts",
            Self::OtherBoard { kind } => kind,
            Self::SeveralBoards { other, .. } => other,
            Self::Attribute { name, .. } => name,
        }
    }
}

fn boards() -> String {
    BOARDS.map(|board| board.kind).join(", ")
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Part {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Values are texts; editors that write numbers mean the same.
    #[serde(default, deserialize_with = "texts")]
    pub(super) attrs: BTreeMap<String, String>,
}

fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let attrs = BTreeMap::<String, serde_json::Value>::deserialize(from)?;
    let text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(attrs.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// One end of a wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) part: String,
    pub(super) pin: String,
}

impl End {
    pub(super) fn new(part: &str, pin: &str) -> Self {
        Self { part: part.to_owned(), pin: pin.to_owned() }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.part, self.pin)
    }
}

/// A diagram. Every end of a wire has a part and a pin, but the part may not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Diagram {
    pub(super) parts: Vec<Part>,
    pub(super) wires: Vec<[End; 2]>,
}

#[derive(Deserialize)]
struct File {
    version: u64,
    #[serde(default)]
    parts: Vec<Part>,
    #[serde(default)]
    /// Both ends of each wire; what follows them is drawing.
    connections: Vec<Vec<serde_json::Value>>,
}

impl Default for Diagram {
    /// A DevKitC with its console at the monitor, which is what clients write where there is none.
    fn default() -> Self {
        let esp =
            Part { id: "esp".to_owned(), kind: BOARDS[0].kind.to_owned(), attrs: BTreeMap::new() };
        let wire = |pin, end| [End::new("esp", pin), End::new(MONITOR, end)];
        Self { parts: vec![esp], wires: vec![wire("TX", "RX"), wire("RX", "TX")] }
    }
}

impl Diagram {
    /// Reads it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, DiagramError> {
        if bytes.len() > LARGEST {
            return Err(DiagramError::TooLarge(bytes.len()));
        }
        let File { version, parts, connections } = serde_json::from_slice(bytes)?;
        if version != 1 {
            return Err(DiagramError::Version(version));
        }
        let mut ids = BTreeSet::new();
        if let Some(part) = parts.iter().find(|part| !ids.insert(&part.id)) {
            return Err(DiagramError::Twice(part.id.clone()));
        }
        let end = |text: &str| match text.split_once(':') {
            Some((part, pin)) => Ok(End::new(part, pin)),
            None => Err(DiagramError::End(text.to_owned())),
        };
        let wires = connections
            .iter()
            .map(|wire| {
                [0, 1].map(|n| wire.get(n).and_then(|end| end.as_str()).unwrap_or_default())
            })
            // An editor leaves the ends of a wire empty that nobody has drawn yet.
            .filter(|ends| !ends.iter().any(|end| end.is_empty()))
            .map(|[from, to]| Ok([end(from)?, end(to)?]))
            .collect::<Result<_, DiagramError>>()?;
        Ok(Self { parts, wires })
    }

    /// The part of that name.
    pub(super) fn part(&self, id: &str) -> Result<&Part, Refusal> {
        let part = self.parts.iter().find(|part| part.id == id);
        part.ok_or_else(|| Refusal::NoPart(id.to_owned()))
    }

    /// The board, as part and as what we know of its type.
    pub(super) fn board(&self) -> Result<(&Part, &'static WokwiBoard), DiagramError> {
        let known = |part: &'_ Part| WokwiBoard::of_kind(&part.kind);
        let mut boards = self.parts.iter().filter_map(|part| Some((part, known(part)?)));
        if let Some((part, board)) = boards.next() {
            return match boards.next() {
                None => Ok((part, board)),
                Some((other, _)) => {
                    let (id, other) = (part.id.clone(), other.id.clone());
                    Err(DiagramError::SeveralBoards { id, other })
                }
            };
        }
        // What a sensor or a display is mounted on is called a board as well.
        let is_other =
            |part: &&Part| part.kind.starts_with("board-") && PartType::named(&part.kind).is_none();
        Err(match self.parts.iter().find(is_other) {
            Some(part) => DiagramError::OtherBoard { kind: part.kind.clone() },
            None => DiagramError::NoBoard,
        })
    }

    /// A number among the attributes of the board.
    pub(super) fn board_number(&self, name: &'static str) -> Result<Option<u32>, DiagramError> {
        let (part, _) = self.board()?;
        let Some(value) = part.attrs.get(name) else { return Ok(None) };
        let number = match value.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => value.parse(),
        };
        number.map(Some).map_err(|_| DiagramError::Attribute { name, value: value.clone() })
    }

    /// An address among the attributes of the board, of one station.
    pub(super) fn board_mac(&self, name: &'static str) -> Result<Option<[u8; 6]>, DiagramError> {
        let (part, _) = self.board()?;
        let Some(value) = part.attrs.get(name) else { return Ok(None) };
        let octet = |text: &str| match text.as_bytes() {
            [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                u8::from_str_radix(text, 16).ok()
            }
            _ => None,
        };
        let octets: Option<Vec<u8>> = value.split(':').map(octet).collect();
        let mac = octets.and_then(|octets| <[u8; 6]>::try_from(octets).ok());
        match mac.filter(|mac| mac[0] & 1 == 0) {
            Some(mac) => Ok(Some(mac)),
            None => Err(DiagramError::Attribute { name, value: value.clone() }),
        }
    }

    /// The size of one of the board's memories, in megabytes.
    pub(super) fn board_megabytes(&self, name: &'static str) -> Result<Option<u32>, DiagramError> {
        match self.board_number(name)? {
            Some(size) if !(1..=LARGEST_MEMORY).contains(&size) => {
                Err(DiagramError::Attribute { name, value: size.to_string() })
            }
            size => Ok(size),
        }
    }

    /// The serial port whose pins lead to the monitor.
    pub(super) fn monitor(&self) -> Result<Option<Port>, DiagramError> {
        let (part, board) = self.board()?;
        let pads = self.wires.iter().filter_map(|[a, b]| {
            let end = match (a.part.as_str(), b.part.as_str()) {
                (MONITOR, _) => b,
                (_, MONITOR) => a,
                _ => return None,
            };
            if end.part == part.id { board.pin(&end.pin) } else { None }
        });
        // Where the ROM and the drivers of ESP-IDF put the ports.
        let port = |pin| match pin {
            Pin::Gpio(1 | 3) => Some(Port::Console),
            Pin::Gpio(9 | 10) => Some(Port::Uart1),
            Pin::Gpio(16 | 17) => Some(Port::Uart2),
            _ => None,
        };
        Ok(pads.filter_map(port).next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAM: &str = r#"{"version": 1, "author": "x", "editor": "wokwi",
        "parts": [
            {"type": "board-esp32-cam", "id": "cam", "top": 0, "left": 0.5, "attrs": {"psramSize": 4}},
            {"type": "wokwi-pushbutton", "id": "btn1"}],
        "connections": [
            ["cam:TX", "$serialMonitor:RX", "", []], ["$serialMonitor:TX", "cam:RX", ""],
            ["btn1:1.l", "cam:13", "green", ["v0"]], ["", "cam:2", "red", []]],
        "serialMonitor": {"display": "terminal"}, "dependencies": {}}"#;

    #[test]
    fn parts_and_wires_are_read_and_drawing_is_not() {
        let diagram = Diagram::parse(CAM.as_bytes()).unwrap();
        assert_eq!(diagram.board().unwrap().1.profile, "esp32-cam");
        assert_eq!(diagram.board_number("psramSize").unwrap(), Some(4));
        assert_eq!(diagram.monitor().unwrap(), Some(Port::Console));
        assert_eq!(diagram.wires[2], [End::new("btn1", "1.l"), End::new("cam", "13")]);
        assert_eq!(diagram.wires.len(), 3);
        assert_eq!(Diagram::default().monitor().unwrap(), Some(Port::Console));
    }

    #[test]
    fn mistakes_are_named() {
        let with = |parts: &str| format!(r#"{{"version": 1, "parts": [{parts}]}}"#);
        let uno = r#"{"type": "board-uno", "id": "uno"}"#;
        let esp = r#"{"type": "board-esp32-cam", "id": "esp"}"#;
        for (text, mistake) in [
            ("{".to_owned(), "not as it must be"),
            ("[".repeat(LARGEST), "not as it must be"),
            (" ".repeat(LARGEST + 1), "more than any diagram has"),
            (r#"{"version": 2}"#.to_owned(), "version 2"),
            (with(""), "no board"),
            (with(uno), "`board-uno` is not emulated. Boards that are: board-esp32-devkit-c-v4"),
            (with(&format!("{esp}, {}", esp.replace("esp\"}", "cam\"}"))), "`esp` and `cam`"),
            (with(r#"{"type": "board-ssd1306", "id": "oled"}"#), "no board"),
            (with(&format!("{uno}, {esp}, {}", uno.replace("uno", "ssd1306"))), "nothing"),
            (with(&format!("{esp}, {esp}")), "two parts are called `esp`"),
            (r#"{"version": 1, "connections": [["a", "b:c"]]}"#.to_owned(), "`a` is no pin"),
        ] {
            let said = match Diagram::parse(text.as_bytes()).map(|it| it.board().map(|_| ())) {
                Ok(Ok(())) => "nothing".to_owned(),
                Ok(Err(error)) | Err(error) => error.to_string(),
            };
            assert!(said.contains(mistake), "{text}: {said}");
        }
    }

    #[test]
    fn a_monitor_that_no_port_leads_to_hears_nothing() {
        let text =
            CAM.replace("$serialMonitor:RX", "btn1:2.l").replace("$serialMonitor:TX", "btn1:2.r");
        assert_eq!(Diagram::parse(text.as_bytes()).unwrap().monitor().unwrap(), None);
    }
}
