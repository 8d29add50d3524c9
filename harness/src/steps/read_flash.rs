//! `read-flash`: copy a region of the flash into a file of the project. The chip must be waiting for
//! a download.

use std::ops::Range;

use super::flash_fields::Region;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::{Session, confined};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::targets::Capability;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFlash {
    /// Which bytes.
    pub region: Region,
    /// The file.
    pub to: String,
    /// Where the file is named.
    pub span: Range<usize>,
}

impl Step for ReadFlash {
    const NAME: &'static str = "read-flash";

    const REFERENCE: Reference = Reference {
        group: Group::Flash,
        doc: "Copies a region of the flash into a file of the project. The chip must be waiting for a download.",
        value: Kind::Keys(&[
            Key::required("at", Kind::Number(0, U32), "Flash address of the first byte."),
            Key::required("length", Kind::Size, "How many bytes."),
            Key::required("to", Kind::Path, "The file."),
        ]),
        examples: &["read-flash: {at: 0x9000, length: 24KB, to: out/nvs.bin}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`read-flash`", decoder)?;
        let region = Region::from_fields(&mut fields, decoder);
        let span = fields.node("to").map_or(node.span.clone(), |node| node.span.clone());
        let to = fields.required::<String>("to", decoder);
        if let Some(Err(reason)) = to.as_deref().map(confined) {
            return decoder.bad(span, format!("the path `{}` {reason}", to.unwrap_or_default()));
        }
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { region: region?, to: to?, span })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Flash],
            needs_power: true,
            touches_host: true,
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("{} to {}", self.region, self.to)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let bytes = session.target().read_flash(self.region.at, self.region.length)?;
        session.write_file(&self.to, &bytes)?;
        Ok(Evidence::note(format!("{} bytes", bytes.len())))
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_in, run_steps};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn the_file_has_the_bytes_and_stays_in_the_project() {
        let project = tempfile::tempdir().unwrap();
        let target = || FakeTarget::new([]).holding(*b"0123456789");
        let steps = "
- boot-mode: download
- press: reset
- read-flash: {at: 2, length: 5, to: out/part.bin}";
        assert_eq!(run_in(project.path(), target(), steps, &[]), Outcome::Passed);
        assert_eq!(std::fs::read(project.path().join("out/part.bin")).unwrap(), b"23456");
        let outside = "- read-flash: {at: 2, length: 5, to: ../part.bin}";
        assert!(matches!(run_steps(target(), outside), Outcome::Invalid(_)));
    }
}
