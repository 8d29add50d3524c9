//! `erase-flash`: set every byte of the flash chip to ones. The chip must wait for a download.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::Decoder;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, Reference};
use crate::targets::Capability;
use crate::wokwi::script::{Flash, Script};

/// The whole chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EraseFlash;

impl Step for EraseFlash {
    const NAME: &'static str = "erase-flash";

    const REFERENCE: Reference = Reference {
        group: Group::Flash,
        doc: "Sets every byte of the flash chip to ones. The chip must be waiting for a download.",
        value: Kind::Nothing,
        examples: &["erase-flash"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if node.is_null() {
            Some(Self)
        } else {
            decoder.wrong(node, "nothing behind `erase-flash`")
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Flash],
            needs_power: true,
            writes_flash: true,
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        String::new()
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        script.flashes(Flash::Blank)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.erase_flash()?;
        Ok(Evidence::note("every byte is 0xff"))
    }
}
