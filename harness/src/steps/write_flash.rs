//! `write-flash`: erase what an image covers and write it. The chip must wait for a download.

use std::fmt;
use std::ops::Range;

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::firmware::FirmwareTrouble;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::targets::{Capability, Segment};
use crate::wokwi::script::{Flash, Script};

/// Why another image than the scenario's firmware cannot be said in Wokwi's terms.
pub(super) const NOT_OF_THE_PROJECT: &str = "a Wokwi project has one firmware, and this is a file";

/// Which image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageRef {
    /// The scenario's `firmware:`.
    Firmware,
    /// A file of the project, written as it is.
    File(String),
}

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFlash {
    /// Flash address of the first byte; where the firmware belongs if missing.
    pub at: Option<u32>,
    /// What is written.
    pub image: ImageRef,
    /// Where the image is named.
    pub image_span: Range<usize>,
}

impl Step for WriteFlash {
    const NAME: &'static str = "write-flash";

    const REFERENCE: Reference = Reference {
        group: Group::Flash,
        doc: "Erases what an image covers and writes it. The chip must be waiting for a download. A case that writes flash starts with a blank one.",
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
        examples: &[
            "write-flash: {image: firmware}",
            "write-flash: {at: 0x10000, image: build/app.bin}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`write-flash`", decoder)?;
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
            writes_flash: true,
            image: Some((&self.image, self.image_span.clone())),
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        match self.at {
            Some(at) => format!("{} at {at:#x}", self.image),
            None => self.image.to_string(),
        }
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        match self.image {
            ImageRef::Firmware => script.flashes(Flash::Firmware),
            ImageRef::File(_) => Err(NOT_OF_THE_PROJECT.to_owned()),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let pieces = pieces(session, &self.image, self.at)?;
        let mut written = 0;
        for Segment { offset, bytes } in &pieces {
            session.write_flash(*offset, bytes)?;
            written += bytes.len();
        }
        let offset = pieces.first().map_or(0, |piece| piece.offset);
        Ok(Evidence::note(format!("{written} bytes at {offset:#x}")))
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Firmware => "firmware",
            Self::File(path) => path,
        })
    }
}

/// The bytes of an image with their flash addresses.
pub(super) fn pieces(
    session: &Session<'_>,
    image: &ImageRef,
    at: Option<u32>,
) -> Result<Vec<Segment>, StepError> {
    let path = match image {
        ImageRef::File(path) => path,
        ImageRef::Firmware => {
            let Some(firmware) = session.firmware() else {
                return Err(trouble("the scenario names no firmware".to_owned()));
            };
            return match (at, firmware.segments.as_slice()) {
                (Some(at), [only]) => Ok(vec![Segment { offset: at, bytes: only.bytes.clone() }]),
                (Some(at), all) if all.first().is_none_or(|first| first.offset != at) => {
                    Err(trouble(format!(
                        "{} has {} parts with offsets of their own: leave `at` out",
                        firmware.name,
                        all.len()
                    )))
                }
                (_, all) => Ok(all.to_vec()),
            };
        }
    };
    Ok(vec![Segment { offset: at.unwrap_or(0), bytes: session.read_file(path)?.into() }])
}

fn trouble(message: String) -> StepError {
    StepError::Firmware(FirmwareTrouble { message, scenario_is_wrong: true })
}

impl Decode for ImageRef {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match String::decode(node, decoder)?.as_str() {
            "" => decoder.wrong(node, "`firmware` or a path"),
            "firmware" => Some(Self::Firmware),
            path => Some(Self::File(path.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file, run_steps};
    use crate::targets::fake::FakeTarget;

    const FLASHING: &str = "
name: t
version: 1
firmware: two-parts
steps:
- boot-mode: download
- press: reset
- erase-flash
- write-flash: {image: firmware}";

    #[test]
    fn every_part_of_the_firmware_goes_where_it_belongs() {
        let target = FakeTarget::new([]);
        let log = target.log();
        assert_eq!(run_file(target, FLASHING), Outcome::Passed);
        let log = log.lock().unwrap();
        let writes: Vec<_> = log.iter().filter(|line| line.contains("write")).collect();
        assert_eq!(
            writes,
            ["0.100000s write 4 bytes at 0x1000", "0.100000s write 7 bytes at 0x10000"]
        );
    }

    #[test]
    fn flashing_a_chip_that_runs_its_firmware_is_an_error_of_the_scenario() {
        let running = FLASHING.replace("download", "run");
        assert_eq!(
            run_file(FakeTarget::new([]), &running),
            Outcome::Error(
                "the chip is not waiting for a download, so its flash cannot be erased".to_owned()
            )
        );
    }

    #[test]
    fn a_file_needs_a_place_and_firmware_needs_a_name() {
        for step in ["{image: x.bin}", "{at: 0x1000, image: firmware}", "{at: 0, image: ../x}"] {
            let outcome = run_steps(FakeTarget::new([]), &format!("- write-flash: {step}"));
            assert!(matches!(outcome, Outcome::Invalid(_)), "{step}: {outcome:?}");
        }
    }
}
