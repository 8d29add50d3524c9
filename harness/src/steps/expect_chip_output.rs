//! `expect-chip-output`: wait for what a custom chip says (Wokwi's step).
//!
//! Custom chips are programs of Wokwi's own, which no board has; a case with this step is skipped.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, Reference};
use crate::scenario::values::Template;
use crate::targets::TargetError;

/// What the chip must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectChipOutput(pub Template);

/// What a case with this step needs.
const PART: &str = "custom chip";

impl Step for ExpectChipOutput {
    const NAME: &'static str = "expect-chip-output";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "Waits for what a custom chip says. No board has custom chips: the case is skipped.",
        value: Kind::Template,
        examples: &["expect-chip-output: CHIP OK"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        Template::decode(node, decoder).map(Self)
    }

    fn facts(&self) -> Facts<'_> {
        Facts { parts: vec![PART], templates: vec![&self.0], ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{:?}", self.0.shown())
    }

    fn run(&self, _session: &mut Session<'_>) -> Result<Evidence, StepError> {
        Err(TargetError::NoSuchPart(PART.to_owned()).into())
    }
}
