//! `verify-flash`: the flash holds an image as it was written. The chip must be waiting for a
//! download.

use std::ops::Range;

use super::flash_fields::difference;
use super::write_flash::{NOT_OF_THE_PROJECT, pieces};
use super::{Facts, ImageRef, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::targets::{Capability, Segment};
use crate::wokwi::script::Script;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyFlash {
    /// Flash address of the first byte; where the firmware belongs if missing.
    pub at: Option<u32>,
    /// What must be there.
    pub image: ImageRef,
    /// Where the image is named.
    pub image_span: Range<usize>,
}

impl Step for VerifyFlash {
    const NAME: &'static str = "verify-flash";

    const REFERENCE: Reference = Reference {
        group: Group::Flash,
        doc: "The flash holds an image as it was written. The chip must be waiting for a download.",
        value: Kind::Keys(&[
            Key::optional(
                "at",
                Kind::Number(0, U32),
                "Flash address of the first byte; firmware knows where it belongs.",
            ),
            Key::required(
                "image",
                Kind::Path,
                "`firmware` for the firmware of the scenario, or the path of a file.",
            ),
        ]),
        examples: &["verify-flash: {image: firmware}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`verify-flash`", decoder)?;
        let at = fields.optional::<u32>("at", decoder);
        let image_span = fields.node("image").map_or(node.span.clone(), |n| n.span.clone());
        let image = fields.required::<ImageRef>("image", decoder);
        if let (Some(None), Some(ImageRef::File(_))) = (&at, &image) {
            fields.missing("at");
        }
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { at: at?, image: image?, image_span })
    }

    fn facts(&self) -> Facts<'_> {
        let files = match &self.image {
            ImageRef::File(path) => vec![(path.as_str(), self.image_span.clone())],
            ImageRef::Firmware => Vec::new(),
        };
        Facts {
            files,
            needs: &[Capability::Flash],
            needs_power: true,
            image: Some((&self.image, self.image_span.clone())),
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        self.image.to_string()
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        match self.image {
            ImageRef::Firmware => script.reads_flash(),
            ImageRef::File(_) => Err(NOT_OF_THE_PROJECT.to_owned()),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let mut verified = 0;
        for Segment { offset: at, bytes: wanted } in pieces(session, &self.image, self.at)? {
            if session.target().flash_holds(at, &wanted)? {
                verified += wanted.len();
                continue;
            }
            let (at, wanted) = first_difference(session, at, &wanted)?;
            let seen = session.target().read_flash(at, wanted.len() as u32)?;
            if let Some((at, [wanted, seen])) = difference(at, wanted, &seen) {
                let what = format!("the flash differs from {} at {at:#x}", self.image);
                return Err(StepError::failed(Failure {
                    expected: Some(wanted),
                    seen: vec![seen],
                    ..Failure::new(what)
                }));
            }
            verified += wanted.len();
        }
        Ok(Evidence::note(format!("{verified} bytes")))
    }
}

/// A piece with the first difference: where reading takes long, comparing is all the faster.
fn first_difference<'w>(
    session: &mut Session<'_>,
    mut at: u32,
    mut wanted: &'w [u8],
) -> Result<(u32, &'w [u8]), StepError> {
    const SMALL: usize = 256;
    while wanted.len() > SMALL {
        let (first, second) = wanted.split_at(wanted.len() / 2);
        match session.target().flash_holds(at, first)? {
            true => (at, wanted) = (at + first.len() as u32, second),
            false => wanted = first,
        }
    }
    Ok((at, wanted))
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn every_part_must_be_there() {
        let text = "
name: t
version: 1
firmware: two-parts
steps:
- boot-mode: download
- press: reset
- verify-flash: {image: firmware}";
        let mut flash = vec![0xff; 0x1_0000];
        flash.splice(0x1000..0x1004, *b"boot");
        flash.extend(*b"the app");
        let good = FakeTarget::new([]).holding(flash.clone());
        assert_eq!(run_file(good, text), Outcome::Passed);
        flash[0x1_0004] = b'A';
        let bad = FakeTarget::new([]).holding(flash);
        let Outcome::Failed(failure) = run_file(bad, text) else { panic!("must fail") };
        assert_eq!(failure.what, "the flash differs from firmware at 0x10004");
    }
}
