//! `power`: switch the board on or off.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, Reference};
use crate::targets::{Capability, Power};

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerStep(pub Power);

impl Step for PowerStep {
    const NAME: &'static str = "power";

    const REFERENCE: Reference = Reference {
        group: Group::Power,
        doc: "Switches the board on or off. Without power RAM and RTC memory are lost; flash stays.",
        value: Kind::Words(&["on", "off"]),
        examples: &["power: off"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let words = [("on", Power::On), ("off", Power::Off)];
        word(node, decoder, "a state of the power", &words).map(Self)
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Power], ..Facts::default() }
    }

    fn summary(&self) -> String {
        match self.0 {
            Power::On => "on",
            Power::Off => "off",
        }
        .to_owned()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.switch_power(self.0)?;
        Ok(Evidence::Done)
    }
}
