//! `boot-mode`: set the strap that is read at the next reset (GPIO0). It never resets.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, Reference};
use crate::targets::{BootMode, Capability};
use crate::wokwi::script::Script;

/// What the chip does after the next reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootModeStep(pub BootMode);

impl Step for BootModeStep {
    const NAME: &'static str = "boot-mode";

    const REFERENCE: Reference = Reference {
        group: Group::Power,
        doc: "Sets the strap that is read at the next reset (GPIO0); it never resets by itself. In `download` mode the chip waits to be flashed.",
        value: Kind::Words(&["run", "download"]),
        examples: &["boot-mode: download"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let words = [("run", BootMode::Run), ("download", BootMode::Download)];
        word(node, decoder, "a boot mode", &words).map(Self)
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Strap], ..Facts::default() }
    }

    fn summary(&self) -> String {
        match self.0 {
            BootMode::Run => "run",
            BootMode::Download => "download",
        }
        .to_owned()
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        script.boot_mode(self.0)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().boot_mode(self.0)?;
        Ok(Evidence::Done)
    }
}
