//! The ELF file that firmware was made of, which knows its functions and lines.
//!
//! *Source*: ESP-IDF Programming Guide, "Build System": `project_description.json`, `app_elf`;
//! PlatformIO and Arduino for `NAME.elf` beside `NAME.bin`.

use std::path::{Path, PathBuf};

use super::flasher_args;
use super::resolve::starts_like_elf;

/// What a build folder says about itself.
const DESCRIPTION: &str = "project_description.json";

/// The ELF file of the firmware at `path`: an image, an ELF file, or a build folder with its list.
pub(super) fn of(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return [path.to_owned(), path.join("build")].iter().find_map(|folder| in_build(folder));
    }
    if path.extension().is_some_and(|it| it == "json") {
        return in_build(path.parent()?);
    }
    if is_elf(path) { Some(path.to_owned()) } else { sibling(path) }
}

fn in_build(folder: &Path) -> Option<PathBuf> {
    let described = || {
        let text = std::fs::read(folder.join(DESCRIPTION)).ok()?;
        let description: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let elf = folder.join(description.get("app_elf")?.as_str()?);
        is_elf(&elf).then_some(elf)
    };
    let listed = || {
        let text = std::fs::read(folder.join(flasher_args::FILE_NAME)).ok()?;
        // The application comes last: the bootloader, which has an ELF file too, comes first.
        let files = flasher_args::parse(&text).ok()?;
        files.iter().rev().find_map(|(_, file)| sibling(&folder.join(file)))
    };
    described().or_else(listed)
}

fn sibling(image: &Path) -> Option<PathBuf> {
    let elf = image.with_extension("elf");
    is_elf(&elf).then_some(elf)
}

fn is_elf(path: &Path) -> bool {
    path.is_file() && starts_like_elf(path).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_elf_file_is_found_from_every_way_to_name_firmware() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let build = root.join("build");
        fs::create_dir_all(build.join("bootloader")).unwrap();
        let write = |name: &str, text: &str| fs::write(build.join(name), text).unwrap();
        for name in ["app.elf", "bootloader/bootloader.elf", "other.elf"] {
            write(name, "\x7fELF");
        }
        write("app.bin", "an image");
        write(
            "flasher_args.json",
            r#"{"flash_files": {"0x1000": "bootloader/bootloader.bin",
            "0x8000": "partition_table/partition-table.bin", "0x10000": "app.bin"}}"#,
        );
        let app = Some(build.join("app.elf"));
        for named in ["build/app.elf", "build/app.bin", "build", "", "build/flasher_args.json"] {
            assert_eq!(of(&root.join(named)), app, "{named}");
        }
        write(DESCRIPTION, r#"{"app_elf": "other.elf"}"#);
        assert_eq!(of(root), Some(build.join("other.elf")));
    }

    #[test]
    fn what_is_no_elf_file_is_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("app.bin");
        fs::write(&image, "an image").unwrap();
        assert_eq!(of(&image), None);
        fs::write(folder.path().join("app.elf"), "a note").unwrap();
        assert_eq!(of(&image), None);
    }
}
