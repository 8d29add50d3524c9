//! `flasher_args.json`: what ESP-IDF's build folder says is to be flashed where.
//!
//! *Source*: ESP-IDF Programming Guide, "Build System"; `esptool_py/flasher_args.json.in`.
//! *Modelled*: `flash_files` and the chip's name.
//! *Not modelled*: changing the flash mode, size and frequency while writing: the build has put
//! them into the bootloader already.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Name of the file.
pub const FILE_NAME: &str = "flasher_args.json";

/// Why the list cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlasherArgsError {
    /// Not JSON, or not of the right shape.
    #[error("not a list of flash files: {0}")]
    Syntax(#[from] serde_json::Error),
    /// An offset is no number.
    #[error("`{offset}` is no flash offset")]
    Offset {
        /// What is written there.
        offset: String,
    },
    /// There is nothing to flash.
    #[error("it lists no files to flash")]
    Empty,
    /// The project was built for another chip.
    #[error("the project was built for the {chip}, not for the esp32")]
    WrongChip {
        /// The chip, in ESP-IDF's spelling.
        chip: String,
    },
}

#[derive(Deserialize)]
struct Raw {
    flash_files: BTreeMap<String, String>,
    #[serde(default)]
    extra_esptool_args: Extra,
}

#[derive(Deserialize, Default)]
struct Extra {
    chip: Option<String>,
}

/// The files to flash: offset and path relative to the build folder, in order of offset.
///
/// # Errors
/// Any [`FlasherArgsError`].
pub fn parse(text: &[u8]) -> Result<Vec<(u32, String)>, FlasherArgsError> {
    let raw: Raw = serde_json::from_slice(text)?;
    if let Some(chip) = raw.extra_esptool_args.chip.filter(|chip| chip != "esp32") {
        return Err(FlasherArgsError::WrongChip { chip });
    }
    let mut files = Vec::new();
    for (offset, path) in raw.flash_files {
        let number = match offset.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => offset.parse(),
        };
        match number {
            Ok(number) => files.push((number, path)),
            Err(_) => return Err(FlasherArgsError::Offset { offset }),
        }
    }
    if files.is_empty() {
        return Err(FlasherArgsError::Empty);
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_order_of_offset() {
        let text = br#"{"flash_files": {"0x8000": "t.bin", "0x10000": "a.bin", "0x1000": "b.bin"},
                        "extra_esptool_args": {"chip": "esp32"}, "other": 1}"#;
        let files = parse(text).unwrap();
        assert_eq!(files.iter().map(|it| it.0).collect::<Vec<_>>(), [0x1000, 0x8000, 0x1_0000]);
    }

    #[test]
    fn wrong_lists_say_what_is_wrong() {
        let s3 = br#"{"flash_files": {"0": "b.bin"}, "extra_esptool_args": {"chip": "esp32s3"}}"#;
        assert!(
            matches!(parse(s3), Err(FlasherArgsError::WrongChip { chip }) if chip == "esp32s3")
        );
        assert!(matches!(parse(br#"{"flash_files": {}}"#), Err(FlasherArgsError::Empty)));
        let text = br#"{"flash_files": {"0xzz": "b.bin"}}"#;
        assert!(matches!(parse(text), Err(FlasherArgsError::Offset { .. })));
        assert!(matches!(parse(b"{"), Err(FlasherArgsError::Syntax(_))));
    }
}
