//! From serial bytes to the text that people compare: terminal sequences and carriage returns
//! dropped, UTF-8 decoded lossily, one byte at a time.
//!
//! Source: ECMA-48, "Control Functions for Coded Character Sets" (escape, control and string
//! sequences). A line feed ends any sequence: a stray escape byte from a wrong baud rate must not
//! swallow the rest of the log.

/// The state between two bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct TextFilter {
    sequence: Sequence,
    /// The begun, not yet complete UTF-8 character.
    partial: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sequence {
    #[default]
    None,
    Escape,
    Control,
    /// Operating system command and its kin, up to BEL or ESC `\`.
    Text,
}

impl TextFilter {
    /// Takes one byte and appends what it decides to `text`.
    pub(super) fn push(&mut self, byte: u8, text: &mut String) {
        self.sequence = match (self.sequence, byte) {
            (Sequence::None, 0x1b) => Sequence::Escape,
            (Sequence::None, b'\r') => Sequence::None,
            (Sequence::None, _) | (_, b'\n') => {
                self.decode(byte, text);
                Sequence::None
            }
            (_, 0x1b) => Sequence::Escape,
            (Sequence::Escape, b'[') => Sequence::Control,
            (Sequence::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Sequence::Text,
            (Sequence::Escape, 0x20..=0x2f) => Sequence::Escape,
            (Sequence::Escape, _) => Sequence::None,
            (Sequence::Control, 0x40..=0x7e) => Sequence::None,
            (Sequence::Control, _) => Sequence::Control,
            (Sequence::Text, 0x07) => Sequence::None,
            (Sequence::Text, _) => Sequence::Text,
        };
    }

    fn decode(&mut self, byte: u8, text: &mut String) {
        self.partial.push(byte);
        loop {
            match std::str::from_utf8(&self.partial) {
                Ok(valid) => {
                    text.push_str(valid);
                    self.partial.clear();
                    return;
                }
                Err(error) => match error.error_len() {
                    None => return, // more bytes may complete it
                    Some(bad) => {
                        text.push(char::REPLACEMENT_CHARACTER);
                        self.partial.drain(..bad);
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn filtered(bytes: &[u8]) -> String {
        let (mut filter, mut text) = (TextFilter::default(), String::new());
        bytes.iter().for_each(|byte| filter.push(*byte, &mut text));
        text
    }

    #[rstest]
    #[case(b"a\r\nb\r", "a\nb")]
    #[case(b"\x1b[0;32mI (31) boot\x1b[0m\n", "I (31) boot\n")]
    #[case(b"\x1b]0;title\x07x\x1b(By\x1bcz", "xyz")]
    #[case(b"\x1b]0;title\x1b\\x", "x")]
    #[case(b"\x1b]never ends\nnext", "\nnext")]
    #[case(b"\x1b[1\x1b[2Jx", "x")]
    #[case(b"\xff\xc3(\xe2\x82\xac\xf0\x9f", "\u{fffd}\u{fffd}(€")]
    fn sequences_go_and_text_stays(#[case] bytes: &[u8], #[case] expected: &str) {
        assert_eq!(filtered(bytes), expected);
    }

    proptest! {
        #[test]
        fn plain_text_of_any_script_passes_unchanged(text in "[^\\x1b\r]{0,40}") {
            prop_assert_eq!(filtered(text.as_bytes()), text);
        }
    }
}
