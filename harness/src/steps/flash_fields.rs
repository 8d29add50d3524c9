//! What the steps for flash share: a region, and how contents are shown.

use std::fmt;

use crate::scenario::decode::{Decode, Decoder, Fields};
use crate::scenario::node::Node;
use crate::scenario::units;

/// A number of bytes: `4096`, `0x1000` or `4KB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u32);

impl Decode for Size {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let number = node.as_integer().and_then(|number| u32::try_from(number).ok());
        let with_unit = || units::size(node.as_text()?).ok().and_then(|it| it.try_into().ok());
        match number.or_else(with_unit) {
            Some(bytes) => Some(Self(bytes)),
            None => decoder.wrong(node, "a size such as 4096, 0x1000 or 4KB"),
        }
    }
}

/// Bytes of the flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Flash address of the first byte.
    pub at: u32,
    /// How many.
    pub length: u32,
}

impl Region {
    /// `at:` and `length:` of a mapping.
    pub(super) fn from_fields(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Self> {
        let at = fields.required("at", decoder);
        let length = fields.required::<Size>("length", decoder);
        Some(Self { at: at?, length: length?.0 })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} bytes at {:#x}", self.length, self.at)
    }
}

/// The first place where contents differ from what they should be, as two lines.
pub(super) fn difference(at: u32, wanted: &[u8], seen: &[u8]) -> Option<(u32, [String; 2])> {
    const SHOWN: usize = 16;
    let first = wanted.iter().zip(seen).position(|(wanted, seen)| wanted != seen);
    let first = first.or((wanted.len() != seen.len()).then_some(wanted.len().min(seen.len())))?;
    let shown = |bytes: &[u8]| {
        let bytes = bytes.get(first..).unwrap_or_default();
        let bytes: Vec<_> = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
        bytes.join(" ")
    };
    Some((at.saturating_add(first as u32), [shown(wanted), shown(seen)]))
}

/// Contents as text: sixteen bytes a line with their address, repeated lines left out as `*`.
pub(super) fn dump(at: u32, bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut last: Option<&[u8]> = None;
    let mut starred = false;
    for (n, line) in bytes.chunks(16).enumerate() {
        let repeats = last == Some(line);
        if repeats && !starred {
            text += "*\n";
        }
        if !repeats {
            let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            let printable = |byte: &u8| match byte {
                0x20..0x7f => char::from(*byte),
                _ => '.',
            };
            let ascii: String = line.iter().map(printable).collect();
            text += &format!("{:08x}  {:47}  {ascii}\n", at as usize + 16 * n, hex.join(" "));
        }
        (starred, last) = (repeats, Some(line));
    }
    text + &format!("{:08x}\n", at as usize + bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_shows_addresses_text_and_repetitions() {
        let mut bytes = vec![0xff; 64];
        bytes.splice(0..5, *b"hello");
        assert_eq!(
            dump(0x1000, &bytes),
            "00001000  68 65 6c 6c 6f ff ff ff ff ff ff ff ff ff ff ff  hello...........\n\
             00001010  ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff  ................\n\
             *\n00001040\n"
        );
    }

    #[test]
    fn the_first_difference_counts_also_when_one_is_shorter() {
        let found = difference(0x10, &[1, 2, 3], &[1, 9, 3]);
        assert_eq!(found, Some((0x11, ["02 03".into(), "09 03".into()])));
        assert_eq!(difference(0, &[1, 2], &[1]), Some((1, ["02".into(), String::new()])));
        assert_eq!(difference(0, &[1], &[1]), None);
    }
}
