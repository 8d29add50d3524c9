//! A diagram as a board is made from it: the same for clients of the Simulation API and for the
//! scenarios of a project.

use std::ops::Range;
use std::sync::Arc;

use super::access_points;
use super::boards::{FIRMWARE_OFFSET, FLASH_SIZE, MAC_ADDRESS, PSRAM_SIZE, Pin};
use super::diagram::{Diagram, DiagramError, MONITOR};
use super::drawing::Drawing;
use super::refusal::Refusal;
use super::wiring::Wiring;
use crate::firmware::without_blank_end;
use crate::parts::PartType;
use crate::site::Site;
use crate::targets::part::Part;
use crate::targets::{Level, LoopBack, Port, Segment, TargetRequest};

/// Flash and PSRAM of a board whose diagram does not say more.
const DEFAULT_MEGABYTES: u32 = 4;
/// The MAC address of every board on Wokwi whose diagram does not say another one.
const DEFAULT_MAC: [u8; 6] = [0x24, 0x0a, 0xc4, 0x00, 0x01, 0x10];

/// A board with what is wired to it.
#[derive(Debug)]
pub struct Circuit {
    text: Arc<str>,
    wiring: Wiring,
    monitor: Option<Port>,
    parts: Vec<Part>,
    warnings: Vec<Warning>,
    /// Size of the flash chip.
    pub(super) flash_megabytes: u32,
    psram_megabytes: u32,
    firmware_offset: Option<u32>,
    mac: [u8; 6],
    site: Option<Site>,
}

/// Circuits are equal whose diagrams are.
impl PartialEq for Circuit {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Circuit {}

/// What a person should know of a diagram before the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Warning {
    /// In words.
    pub(super) text: String,
    /// The word of the diagram that it is about.
    pub(super) word: String,
}

/// What a pin of a part is, for whoever wants to see its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenPin {
    /// It leads to a pad of the chip.
    Gpio(u8),
    /// It leads to no pad, and its level never changes.
    Always(Level),
}

/// Why a part or a pin cannot be named so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuch {
    /// In words.
    pub message: String,
    /// What is there, if that helps.
    pub known: Vec<String>,
}

impl Circuit {
    /// That of a drawing.
    ///
    /// # Errors
    /// When it cannot be drawn so.
    pub fn drawn(drawing: &Drawing) -> Result<Self, String> {
        Self::parse(drawing.text()?.as_bytes()).map_err(|error| error.to_string())
    }

    /// Reads a diagram.
    pub(super) fn parse(text: &[u8]) -> Result<Self, DiagramError> {
        Self::new(Diagram::parse(text)?, &String::from_utf8_lossy(text))
    }

    /// That of a diagram, which was written so.
    pub(super) fn new(diagram: Diagram, text: &str) -> Result<Self, DiagramError> {
        let firmware_offset = diagram.board_number(FIRMWARE_OFFSET)?;
        let flash_megabytes = diagram.board_megabytes(FLASH_SIZE)?.unwrap_or(DEFAULT_MEGABYTES);
        let psram_megabytes = diagram.board_megabytes(PSRAM_SIZE)?.unwrap_or(DEFAULT_MEGABYTES);
        let mac = diagram.board_mac(MAC_ADDRESS)?.unwrap_or(DEFAULT_MAC);
        let monitor = diagram.monitor()?;
        let site = access_points::site(&diagram)?;
        let wiring = Wiring::new(diagram)?;
        let (parts, warnings) = wiring.parts();
        Ok(Self {
            text: text.into(),
            wiring,
            monitor,
            parts,
            warnings,
            flash_megabytes,
            psram_megabytes,
            firmware_offset,
            mac,
            site,
        })
    }

    /// The diagram, as it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Our profile of the board.
    pub fn profile(&self) -> &'static str {
        self.wiring.board().profile
    }

    /// What the board is called.
    pub fn board(&self) -> &str {
        self.wiring.esp()
    }

    /// What a pad is called at the board; `None` if the board does not lead it out.
    pub fn pad_name(&self, gpio: u8) -> Option<String> {
        self.wiring.board().name_of(gpio)
    }

    /// The serial port that the monitor is at; without one nothing is heard.
    pub fn monitor(&self) -> Option<Port> {
        self.monitor
    }

    /// Size of its flash chip in megabytes.
    pub fn megabytes_of_flash(&self) -> u32 {
        self.flash_megabytes
    }

    /// What its access points make of the air around it; without any there is Wokwi's own network.
    pub fn site(&self) -> Option<&Site> {
        self.site.as_ref()
    }

    /// What is connected with what.
    pub(super) fn wiring(&self) -> &Wiring {
        &self.wiring
    }

    /// What a person should know before the run.
    pub(super) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where the diagram says that an image in one file belongs.
    pub(super) fn firmware_offset(&self) -> Option<u32> {
        self.firmware_offset
    }

    /// The wires between pins of the board.
    pub fn loop_backs(&self) -> Vec<LoopBack> {
        self.wiring.loop_backs()
    }

    /// The names of all parts.
    pub fn part_names(&self) -> impl Iterator<Item = &str> {
        self.wiring.diagram().parts.iter().map(|part| part.id.as_str())
    }

    /// What steps can name of those parts of which an emulated board has something.
    pub fn emulated_parts(&self) -> impl Iterator<Item = String> {
        self.parts.iter().flat_map(|part| {
            let drawn = self.wiring.diagram().part(&part.name).ok();
            let known = drawn.and_then(|drawn| PartType::named(&drawn.kind));
            known.map_or_else(Vec::new, |known| known.names(&part.name))
        })
    }

    /// The same request for this board.
    pub fn ask(&self, request: TargetRequest) -> TargetRequest {
        TargetRequest {
            board: self.profile().to_owned(),
            flash_megabytes: Some(self.flash_megabytes),
            psram_megabytes: Some(self.psram_megabytes),
            mac: Some(self.mac),
            parts: [request.parts, self.parts.clone()].concat(),
            loop_backs: [request.loop_backs, self.loop_backs()].concat(),
            ..request
        }
    }

    /// Firmware as it goes into the flash of this board: where the diagram says if it is one piece, and
    /// without a blank end that there is no room for.
    pub fn place(&self, mut firmware: Vec<Segment>) -> Vec<Segment> {
        if let ([one], Some(offset)) = (&mut firmware[..], self.firmware_offset) {
            one.offset = offset;
        }
        let size = self.flash_megabytes.saturating_mul(1 << 20);
        for segment in &mut firmware {
            let length = without_blank_end(segment.offset, &segment.bytes, size);
            if length < segment.bytes.len() {
                segment.bytes = segment.bytes[..length].into();
            }
        }
        firmware
    }

    /// What a pin of a part leads to.
    ///
    /// # Errors
    /// When there is no such part, or no such pin of it.
    pub fn pin(&self, part: &str, pin: &str) -> Result<SeenPin, NoSuch> {
        let pins = self.wiring.named(part, pin).map_err(|refusal| self.no_such(&refusal))?;
        let gpio = pins.iter().find_map(|pin| match pin {
            Pin::Gpio(gpio) => Some(*gpio),
            _ => None,
        });
        Ok(match gpio {
            Some(gpio) => SeenPin::Gpio(gpio),
            None => SeenPin::Always(Level::from(pins.contains(&Pin::Supply))),
        })
    }

    /// Whether a part has a control of that name, as far as its type is known here.
    ///
    /// # Errors
    /// When there is no such part, or it is known to have no such control.
    pub fn check_control(&self, part: &str, control: &str) -> Result<(), NoSuch> {
        let found = self.wiring.diagram().part(part).map_err(|refusal| self.no_such(&refusal))?;
        match PartType::named(&found.kind).map(|known| known.controls) {
            Some(controls) if !controls.contains(&control) => Err(NoSuch {
                message: format!("`{part}` ({}) has no control `{control}`", found.kind),
                known: controls.iter().map(|name| (*name).to_owned()).collect(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether a part has a touch screen, as far as its type is known here.
    ///
    /// # Errors
    /// When there is no such part, or it is known to have none.
    pub fn check_touch(&self, part: &str) -> Result<(), NoSuch> {
        let found = self.wiring.diagram().part(part).map_err(|refusal| self.no_such(&refusal))?;
        match PartType::named(&found.kind) {
            Some(known) if !known.touch => {
                let message = format!("`{part}` ({}) has no touch screen", found.kind);
                Err(NoSuch { message, known: Vec::new() })
            }
            _ => Ok(()),
        }
    }

    /// A part, or something of it, with the part's type, as a person should read it.
    pub fn described(&self, named: &str) -> String {
        let (part, of_it) = match named.split_once('.') {
            Some((part, of_it)) => (part, format!(" with `{of_it}`")),
            None => (named, String::new()),
        };
        match self.wiring.diagram().part(part) {
            Ok(found) => format!("{part} ({}){of_it}", found.kind),
            Err(_) => named.to_owned(),
        }
    }

    fn no_such(&self, refusal: &Refusal) -> NoSuch {
        let known = match refusal {
            Refusal::NoPart(_) => self.part_names().map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        NoSuch { message: refusal.to_string(), known }
    }
}

/// Where a word of a diagram stands in its text; the beginning if it does not.
pub(super) fn place_of(text: &str, word: &str) -> Range<usize> {
    let quoted = serde_json::Value::from(word).to_string();
    match text.find(&quoted) {
        Some(at) => at..at + quoted.len(),
        None => 0..0,
    }
}

impl Warning {
    pub(super) fn new(text: String, word: &str) -> Self {
        Self { text, word: word.to_owned() }
    }

    /// That nobody hears the board.
    pub(super) fn unheard() -> Self {
        let text =
            format!("nothing is heard of the board: no wire leads from a serial port to {MONITOR}");
        Self::new(text, "connections")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"version": 1, "parts": [
        {"type": "board-esp32-cam", "id": "cam", "attrs": {"flashSize": "2", "firmwareOffset": "0x1000"}},
        {"type": "wokwi-pushbutton", "id": "b"}, {"type": "wokwi-ssd1306", "id": "oled"},
        {"type": "wokwi-lcd2004", "id": "lcd"}, {"type": "wokwi-led", "id": "led"}],
        "connections": [["b:1.l", "cam:13"], ["b:2.l", "cam:GND.1"], ["led:A", "cam:2"],
            ["led:C", "cam:GND.2"], ["oled:VCC", "cam:3V3"]]}"#;

    #[test]
    fn a_board_is_asked_for_with_what_the_diagram_says() {
        let circuit = Circuit::parse(TEXT.as_bytes()).unwrap();
        let wires = vec![LoopBack::between(14, 15).unwrap()];
        let asked = circuit.ask(TargetRequest { loop_backs: wires.clone(), ..Default::default() });
        assert_eq!((asked.board.as_str(), asked.loop_backs), ("esp32-cam", wires));
        assert_eq!((asked.flash_megabytes, asked.psram_megabytes), (Some(2), Some(4)));
        let named: Vec<_> = circuit.emulated_parts().collect();
        assert_eq!(named, ["b", "b.pressed", "led", "led.brightness"]);
    }

    #[test]
    fn memories_that_no_board_has_are_no_attributes() {
        for size in ["0", "33", "4000000", "99999999999", "much"] {
            let text = TEXT.replace(r#""flashSize": "2""#, &format!(r#""flashSize": "{size}""#));
            let error = Circuit::parse(text.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("`{size}` is no value of `flashSize`"));
        }
    }

    #[test]
    fn the_address_of_the_radio_is_wokwis_or_what_the_diagram_says() {
        let mac = |value: &str| {
            let attrs = format!(r#""flashSize": "2", "macAddress": "{value}""#);
            let text = TEXT.replace(r#""flashSize": "2""#, &attrs);
            let circuit = Circuit::parse(text.as_bytes())?;
            Ok::<_, DiagramError>(circuit.ask(TargetRequest::default()).mac.unwrap())
        };
        assert_eq!(mac("24:0A:c4:12:34:56").unwrap(), [0x24, 0x0a, 0xc4, 0x12, 0x34, 0x56]);
        let usual = Circuit::parse(TEXT.as_bytes()).unwrap().ask(TargetRequest::default());
        assert_eq!(usual.mac, Some(DEFAULT_MAC));
        for wrong in
            ["24:0a:c4:12:34", "24:0a:c4:12:34:56:78", "+4:0a:c4:12:34:56", "25:0a:c4:12:34:56"]
        {
            let error = mac(wrong).unwrap_err().to_string();
            assert_eq!(error, format!("`{wrong}` is no value of `macAddress`"));
        }
    }

    #[test]
    fn firmware_of_one_piece_goes_where_the_diagram_says_and_loses_a_blank_end() {
        let circuit = Circuit::parse(TEXT.as_bytes()).unwrap();
        let piece = |length: usize, last: u8| {
            let mut bytes = vec![0; length];
            bytes[length - 1] = last;
            vec![Segment { offset: 0, bytes: bytes.into() }]
        };
        let placed = |firmware| {
            let placed = circuit.place(firmware);
            (placed[0].offset, placed[0].bytes.len())
        };
        assert_eq!(placed(piece(4 << 20, 0)), (0x1000, (2 << 20) - 0x1000));
        assert_eq!(placed(piece(4 << 20, 1)), (0x1000, 4 << 20), "the board will refuse it");
        let two = [piece(8, 1), vec![Segment { offset: 0x8000, bytes: [1].into() }]].concat();
        assert_eq!(circuit.place(two.clone()), two);
    }

    #[test]
    fn what_is_named_must_be_there() {
        let circuit = Circuit::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(circuit.pin("led", "A"), Ok(SeenPin::Gpio(2)));
        assert_eq!(circuit.pin("led", "C"), Ok(SeenPin::Always(Level::Low)));
        assert_eq!(circuit.pin("oled", "VCC"), Ok(SeenPin::Always(Level::High)));
        let none = circuit.pin("let", "A").unwrap_err();
        assert_eq!(none.message, "the diagram has no part `let`");
        assert_eq!(none.known, ["cam", "b", "oled", "lcd", "led"]);
        assert!(circuit.pin("led", "B").unwrap_err().message.contains("no pin `B`"));
        assert_eq!(circuit.check_control("b", "pressed"), Ok(()));
        assert_eq!(circuit.check_control("lcd", "whatever"), Ok(()), "nobody knows");
        assert_eq!(circuit.check_control("b", "position").unwrap_err().known, ["pressed"]);
    }

    fn drawing(profile: &str, buttons: &[(String, u8)], wires: &[LoopBack]) -> Drawing {
        let (profile, buttons, loop_backs) = (profile.to_owned(), buttons.to_vec(), wires.to_vec());
        Drawing { profile, buttons, loop_backs, ..Drawing::default() }
    }

    #[test]
    fn a_board_without_a_diagram_gets_one() {
        let wires = [LoopBack::between(14, 15).unwrap()];
        let buttons = [("boot".to_owned(), 0)];
        for (profile, kind) in [("esp32-devkit", "esp32-devkit"), ("esp32-cam-mb", "esp32-cam")] {
            let circuit = Circuit::drawn(&drawing(profile, &buttons, &wires)).unwrap();
            assert_eq!((circuit.profile(), circuit.monitor()), (kind, Some(Port::Console)));
            assert_eq!(circuit.emulated_parts().collect::<Vec<_>>(), ["boot", "boot.pressed"]);
            assert_eq!((circuit.loop_backs(), circuit.warnings()), (wires.to_vec(), &[][..]));
            assert_eq!(circuit.pad_name(14).as_deref(), Some("14"));
        }
        let far = [LoopBack::between(14, 25).unwrap()];
        let trouble = Circuit::drawn(&drawing("esp32-cam", &[], &far)).unwrap_err();
        assert_eq!(trouble, "a board-esp32-cam does not lead out GPIO25");
    }

    #[test]
    fn a_word_of_the_diagram_is_found_where_it_stands() {
        assert_eq!(&TEXT[place_of(TEXT, "led:C")], "\"led:C\"");
        assert_eq!(place_of(TEXT, "nowhere"), 0..0);
    }
}
