//! `erase-region`: set whole sectors of the flash to ones. The chip must be waiting for a download.

use super::flash_fields::Region;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::targets::Capability;

/// Which sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EraseRegion(pub Region);

impl Step for EraseRegion {
    const NAME: &'static str = "erase-region";

    const REFERENCE: Reference = Reference {
        group: Group::Flash,
        doc: "Sets whole sectors of the flash to ones. The chip must be waiting for a download.",
        value: Kind::Keys(&[
            Key::required("at", Kind::Number(0, U32), "Flash address of the first byte."),
            Key::required("length", Kind::Size, "How many bytes."),
        ]),
        examples: &["erase-region: {at: 0x9000, length: 24KB}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`erase-region`", decoder)?;
        let region = Region::from_fields(&mut fields, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        region.map(Self)
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Flash], needs_power: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        self.0.to_string()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().erase_region(self.0.at, self.0.length)?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn sizes_may_have_units() {
        let target = FakeTarget::new([]);
        let log = target.log();
        let steps = "
- boot-mode: download
- press: reset
- erase-region: {at: 0x9000, length: 24KB}";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
        let log = log.lock().unwrap();
        assert_eq!(log.last().unwrap(), "0.100000s erase 0x6000 bytes at 0x9000");
    }
}
