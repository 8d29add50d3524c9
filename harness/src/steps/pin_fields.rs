//! What the steps for pins share: a pin by its GPIO number, a level.

use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, word};
use crate::scenario::node::Node;
use crate::targets::Level;

/// A pin of the chip by its GPIO number: `4`, `GPIO4` or `D4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin(pub u8);

/// Names that are printed beside pins on the usual development boards.
const PRINTED: [(&str, u8); 8] = [
    ("TX", 1),
    ("TX0", 1),
    ("RX", 3),
    ("RX0", 3),
    ("RX2", 16),
    ("TX2", 17),
    ("VP", 36),
    ("VN", 39),
];

/// GPIO numbers, including those without a pad.
const GPIOS: u8 = 40;

impl Decode for Pin {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = node.as_text().unwrap_or_default();
        if let Some((_, gpio)) = PRINTED.iter().find(|(name, _)| *name == text) {
            return Some(Self(*gpio));
        }
        let number = text.trim_start_matches("GPIO").trim_start_matches(['D', 'd']);
        match number.parse() {
            Ok(gpio) if gpio < GPIOS => Some(Self(gpio)),
            _ => decoder.wrong(node, "a GPIO number from 0 to 39"),
        }
    }
}

impl Decode for Level {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let words = [("low", Self::Low), ("high", Self::High), ("0", Self::Low), ("1", Self::High)];
        word(node, decoder, "a level", &words)
    }
}

/// The last edges of a pin, for a failure.
pub(super) fn seen(session: &mut Session<'_>, gpio: u8) -> Result<Vec<String>, StepError> {
    const LAST: usize = 8;
    let now = Level::from(session.target().pin(gpio)? == Level::High);
    let edges = session.pin_edges(gpio);
    let mut seen: Vec<_> = edges[edges.len().saturating_sub(LAST)..]
        .iter()
        .map(|edge| format!("{} GPIO{gpio} {}", edge.time, edge.level))
        .collect();
    if seen.is_empty() {
        seen.push(format!("GPIO{gpio} has been {now} all the time"));
    }
    Ok(seen)
}
