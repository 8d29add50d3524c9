//! What of the uploaded files goes into the flash.

use serde::Deserialize;

use super::files::Files;
use super::refusal::Refusal;
use super::server::Host;
use crate::firmware::{Firmware, Progress, Region};
use crate::targets::Segment;

/// Forms of firmware, and what is done with them.
pub(super) const FORMS: [(&str, &str); 6] = [
    ("`flasher_args.json`", "Each file at its offset."),
    (
        "a merged image",
        "Written whole, from 0x1000 or from 0; a blank end that the flash has no room for is left out.",
    ),
    (
        "an application alone",
        "Gets a second-stage bootloader and a partition table ([firmware](../firmware/README.md)).",
    ),
    ("an ELF file", "Becomes an application, and is done with as such."),
    ("UF2", "Refused."),
    ("Intel HEX", "Refused."),
];

/// The first bytes of a UF2 file.
const UF2: &[u8] = b"UF2\n";
/// A number up to this is a size in megabytes.
const MOST_MEGABYTES: u64 = 128;

/// What a client names as firmware.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Source {
    /// An uploaded file that says itself what it is.
    File(String),
    /// Files with their places, from `flasher_args.json`.
    Sections(Vec<Section>),
}

/// A file with its place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Section {
    offset: u32,
    file: String,
}

/// A size of the flash: `"4MB"`, megabytes, or bytes, according to the client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum FlashSize {
    Number(u64),
    Text(String),
}

impl std::fmt::Display for FlashSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl FlashSize {
    pub(super) fn megabytes(&self) -> Result<u32, Refusal> {
        let number = match self {
            Self::Number(number @ ..=MOST_MEGABYTES) => Some(*number),
            Self::Number(bytes) => Some(bytes >> 20),
            Self::Text(text) => text.trim().trim_end_matches("MB").trim().parse().ok(),
        };
        let number = number.and_then(|number| number.try_into().ok());
        number.ok_or_else(|| Refusal::Wrong(format!("`{self}` is no `flashSize`: write 4MB, or 4")))
    }
}

/// The firmware that a client means, checked. `offset` is where the diagram says that a file belongs.
pub(super) fn assemble(
    host: &Host,
    files: &Files,
    source: Option<Source>,
    offset: Option<u32>,
) -> Result<Firmware, Refusal> {
    let mut listener = |progress: Progress<'_>| {
        if let Progress::FellThrough { source, reason } = progress {
            host.remark(format!("{source} did not work: {reason}"));
        }
    };
    match source {
        None => Err(Refusal::Wrong("`firmware` does not say what is to run".to_owned())),
        Some(Source::Sections(sections)) => {
            let mut pieces = Vec::new();
            for Section { offset, file } in sections {
                let bytes = files.get(&file)?.bytes().to_vec();
                pieces.push((file, Region { offset, bytes }));
            }
            Ok(host.firmware.of_pieces("firmware", pieces)?)
        }
        Some(Source::File(name)) => {
            let bytes = files.get(&name)?.bytes();
            let form = match bytes {
                _ if bytes.starts_with(UF2) => Some("UF2"),
                [b':', ..] => Some("Intel HEX"),
                _ => None,
            };
            if let Some(form) = form {
                return Err(Refusal::Wrong(format!(
                    "{name} is a file for a drive or a programmer ({form}): upload a merged image, \
                     the sections of flasher_args.json, or the ELF file"
                )));
            }
            let bytes = bytes.to_vec();
            match offset {
                Some(offset) => {
                    let piece = (name.clone(), Region { offset, bytes });
                    Ok(host.firmware.of_pieces(&name, vec![piece])?)
                }
                None => Ok(host.firmware.of_bytes(&name, bytes, &mut listener)?),
            }
        }
    }
}

/// Lets the firmware fit a flash of so many megabytes, if it is only blank where it does not.
pub(super) fn fit(firmware: &mut Firmware, megabytes: u32) -> Result<(), Refusal> {
    let bytes = megabytes.saturating_mul(1 << 20);
    firmware.cut_blank_end(bytes);
    Ok(firmware.check_fits(bytes)?)
}

/// As targets take it.
pub(super) fn segments(firmware: &Firmware) -> Vec<Segment> {
    let segment =
        |region: &Region| Segment { offset: region.offset, bytes: region.bytes.as_slice().into() };
    firmware.regions().iter().map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_understood_as_each_client_writes_them() {
        for (text, megabytes) in
            [("\"4MB\"", 4), ("4", 4), ("16", 16), ("8388608", 8), ("\"2 MB\"", 2)]
        {
            let size: FlashSize = serde_json::from_str(text).unwrap();
            assert_eq!(size.megabytes().unwrap(), megabytes, "{text}");
        }
        for text in ["\"large\"", "\"\"", "\"-1MB\""] {
            assert!(
                serde_json::from_str::<FlashSize>(text).unwrap().megabytes().is_err(),
                "{text}"
            );
        }
    }
}
