//! `corrupt-flash`: bytes of the flash change by themselves, as in a worn or disturbed chip.

use super::flash_fields::Region;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::targets::Capability;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorruptFlash {
    /// Which bytes.
    pub region: Region,
    /// What they become.
    pub with: Corruption,
}

/// What bytes become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corruption {
    /// The opposite of what they were.
    Inverted,
    /// 0x00.
    Zeros,
    /// 0xFF.
    Ones,
}

impl Step for CorruptFlash {
    const NAME: &'static str = "corrupt-flash";

    const REFERENCE: Reference = Reference {
        group: Group::Faults,
        doc: "Bytes of the flash change by themselves, as in a worn or disturbed chip.",
        value: Kind::Keys(&[
            Key::required("at", Kind::Number(0, U32), "Flash address of the first byte."),
            Key::required("length", Kind::Size, "How many bytes."),
            Key::or(
                "with",
                Kind::Words(&["inverted", "zeros", "ones"]),
                "inverted",
                "What they become.",
            ),
        ]),
        examples: &["corrupt-flash: {at: 0x9000, length: 1}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`corrupt-flash`", decoder)?;
        let region = Region::from_fields(&mut fields, decoder);
        let words = [
            ("inverted", Corruption::Inverted),
            ("zeros", Corruption::Zeros),
            ("ones", Corruption::Ones),
        ];
        let with = match fields.node("with") {
            None => Some(Corruption::Inverted),
            Some(node) => word(node, decoder, "a kind of corruption", &words),
        };
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { region: region?, with: with? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Faults], ..Facts::default() }
    }

    fn summary(&self) -> String {
        self.region.to_string()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let Region { at, length } = self.region;
        let mut change = |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = match self.with {
                    Corruption::Inverted => !*byte,
                    Corruption::Zeros => 0,
                    Corruption::Ones => 0xff,
                };
            }
        };
        session.target().corrupt_flash(at, length, &mut change)?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn the_bytes_change_and_only_they() {
        let steps = "
- boot-mode: download
- press: reset
- corrupt-flash: {at: 1, length: 2}
- expect-flash: {at: 0, bytes: 00 fe fd 03}
- corrupt-flash: {at: 3, length: 1, with: ones}
- corrupt-flash: {at: 2, length: 1, with: zeros}
- expect-flash: {at: 0, bytes: 00fe00ff}";
        assert_eq!(run_steps(FakeTarget::new([]).holding([0, 1, 2, 3]), steps), Outcome::Passed);
    }
}
