//! What a text after `firmware:` means, and the firmware that it stands for.
//!
//! *Modelled*: a name of `firmware.toml`; else a path to a merged image, an application alone, a
//! program in RAM, an ELF file, a `flasher_args.json`, a build folder or an ESP-IDF project.
//! *Not modelled*: other formats (Intel HEX, UF2).

use std::path::{Path, PathBuf};

use esp32_emulator::image::esp_image::FlashSettings;
use esp32_emulator::image::flash_layout::MAX_FLASH;
use esp32_emulator::image::{BOOTLOADER_OFFSET, ElfFile, FlashLayout, LayoutError};

use super::compose::{self, App};
use super::error::FirmwareError;
use super::manifest::{Entry, Manifest};
use super::progress::Listener;
use super::store::Store;
use super::{Check, Firmware, Provenance, Region, elf_beside, flasher_args};

/// No ELF file for an ESP32 is longer, with all its debug information.
const MAX_ELF: u64 = 512 << 20;
/// No list of flash files is longer.
const MAX_JSON: u64 = 1 << 20;

/// Turns names and paths into firmware.
#[derive(Debug, Clone)]
pub struct Resolver {
    manifest: Manifest,
    store: Store,
    base: PathBuf,
    root: Option<PathBuf>,
}

impl Resolver {
    /// A resolver whose relative paths start at `base`.
    #[must_use]
    pub fn new(manifest: Manifest, store: Store, base: impl Into<PathBuf>) -> Self {
        Self { manifest, store, base: base.into(), root: None }
    }

    /// The same resolver, refusing paths that lead out of `root`: for what a scenario says, not
    /// for what a person types.
    #[must_use]
    pub fn confined_to(self, root: impl Into<PathBuf>) -> Self {
        Self { root: Some(root.into()), ..self }
    }

    /// The list of images by name.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Checks that `spec` names something, without reading or fetching it.
    ///
    /// # Errors
    /// Those whose [blame](FirmwareError::blame) is the scenario's.
    pub fn check(&self, spec: &str) -> Result<(), FirmwareError> {
        match self.manifest.get(spec) {
            Some(_) => Ok(()),
            None => self.path(spec).map(|_| ()),
        }
    }

    /// The firmware that `spec` stands for, read, checked, and fetched first if need be.
    ///
    /// # Errors
    /// Any [`FirmwareError`].
    pub fn resolve(&self, spec: &str, listener: Listener<'_>) -> Result<Firmware, FirmwareError> {
        if let Some(entry) = self.manifest.get(spec) {
            return self.named(spec, entry, listener);
        }
        let path = self.path(spec)?;
        if path.is_dir() {
            return self.build_folder(spec, &path);
        }
        if path.extension().is_some_and(|it| it == "json") {
            return self.build_list(spec, &path);
        }
        if starts_like_elf(&path)? {
            return self.elf(spec, &path, listener);
        }
        let bytes = read_image_file(&path)?;
        self.image(spec, &path, path.parent(), bytes, listener)
    }

    /// The verified file of the official image `name`, fetched first if need be.
    ///
    /// # Errors
    /// Any [`FirmwareError`].
    pub fn path_of(&self, name: &str, listener: Listener<'_>) -> Result<PathBuf, FirmwareError> {
        let entry = self.manifest.get(name).ok_or_else(|| self.unknown(name, &self.base))?;
        Ok(self.store.obtain(name, entry, listener)?.path)
    }

    /// The ELF file that the firmware `spec` was made of, if it is at hand: only a path can have one.
    #[must_use]
    pub fn elf_of(&self, spec: &str) -> Option<PathBuf> {
        if self.manifest.get(spec).is_some() {
            return None;
        }
        let elf = elf_beside::of(&self.path(spec).ok()?)?;
        self.check_inside(&elf).is_ok().then_some(elf)
    }

    fn named(
        &self,
        name: &str,
        entry: &Entry,
        listener: Listener<'_>,
    ) -> Result<Firmware, FirmwareError> {
        let stored = self.store.obtain(name, entry, listener)?;
        let mut firmware =
            self.image(name, &stored.path, stored.path.parent(), stored.bytes, listener)?;
        if matches!(firmware.provenance, Provenance::File { .. })
            && firmware.default_offset() != entry.offset
        {
            return Err(FirmwareError::WrongOffset {
                name: name.to_owned(),
                listed: entry.offset,
                found: firmware.default_offset(),
            });
        }
        firmware.checks.insert(0, Check::PublishedHash);
        if let Provenance::File { path } = firmware.provenance {
            let (version, sha256) = (entry.version.clone(), entry.sha256.clone());
            firmware.provenance = Provenance::Named { version, sha256, path };
        }
        Ok(firmware)
    }

    fn image(
        &self,
        name: &str,
        path: &Path,
        folder: Option<&Path>,
        bytes: Vec<u8>,
        listener: Listener<'_>,
    ) -> Result<Firmware, FirmwareError> {
        let layout = FlashLayout::detect(&bytes)
            .map_err(|source| FirmwareError::Image { path: path.to_owned(), source })?;
        let (offset, checks) = match layout {
            FlashLayout::App(image) => {
                let app = App { path, folder, bytes, flash: image.header.flash };
                return compose::complete(name, app, &self.manifest, &self.store, listener);
            }
            FlashLayout::Merged { offset, .. } => {
                (offset, vec![Check::Chip, Check::Images, Check::PartitionTable])
            }
            FlashLayout::RomLoaded(_) => (BOOTLOADER_OFFSET, vec![Check::Chip, Check::Images]),
        };
        Ok(Firmware {
            name: name.to_owned(),
            regions: vec![Region { offset, bytes }],
            checks,
            provenance: Provenance::File { path: path.to_owned() },
        })
    }

    fn elf(
        &self,
        name: &str,
        path: &Path,
        listener: Listener<'_>,
    ) -> Result<Firmware, FirmwareError> {
        let bytes = image_of(path, &read_file(path, MAX_ELF)?)?;
        self.image(name, path, path.parent(), bytes, listener)
    }

    fn build_folder(&self, name: &str, folder: &Path) -> Result<Firmware, FirmwareError> {
        let lists =
            [folder.to_owned(), folder.join("build")].map(|it| it.join(flasher_args::FILE_NAME));
        match lists.into_iter().find(|it| it.is_file()) {
            Some(list) => self.build_list(name, &list),
            None => Err(FirmwareError::NotABuildFolder { path: folder.to_owned() }),
        }
    }

    fn build_list(&self, name: &str, list: &Path) -> Result<Firmware, FirmwareError> {
        let fault = |source| FirmwareError::FlasherArgs { path: list.to_owned(), source };
        let files = flasher_args::parse(&read_file(list, MAX_JSON)?).map_err(fault)?;
        let folder = list.parent().unwrap_or(Path::new(""));
        let mut parts = Vec::new();
        for (offset, file) in files {
            let path = folder.join(file);
            self.check_inside(&path)?;
            let region = Region { offset, bytes: read_image_file(&path)? };
            parts.push((path, region));
        }
        join(name, list, parts)
    }

    /// The firmware in a file that came without a folder: an image or an ELF file. What it needs
    /// besides is not looked for anywhere.
    ///
    /// # Errors
    /// Any [`FirmwareError`].
    pub fn of_bytes(
        &self,
        name: &str,
        bytes: Vec<u8>,
        listener: Listener<'_>,
    ) -> Result<Firmware, FirmwareError> {
        let path = Path::new(name);
        let bytes = if ElfFile::starts_at(&bytes) { image_of(path, &bytes)? } else { bytes };
        self.image(name, path, None, bytes, listener)
    }

    /// The firmware that named pieces make together.
    ///
    /// # Errors
    /// Any [`FirmwareError`].
    pub fn of_pieces(
        &self,
        name: &str,
        pieces: Vec<(String, Region)>,
    ) -> Result<Firmware, FirmwareError> {
        let mut pieces: Vec<_> =
            pieces.into_iter().map(|(piece, region)| (PathBuf::from(piece), region)).collect();
        pieces.retain(|(_, region)| !region.bytes.is_empty());
        pieces.sort_by_key(|(_, region)| region.offset);
        join(name, Path::new(name), pieces)
    }

    fn path(&self, spec: &str) -> Result<PathBuf, FirmwareError> {
        let path = self.base.join(spec);
        let Ok(metadata) = std::fs::metadata(&path) else {
            return Err(self.unknown(spec, &path));
        };
        self.check_inside(&path)?;
        if metadata.is_file() || metadata.is_dir() {
            Ok(path)
        } else {
            Err(FirmwareError::NotAFile { path })
        }
    }

    fn unknown(&self, spec: &str, looked: &Path) -> FirmwareError {
        FirmwareError::Unknown {
            spec: spec.to_owned(),
            looked: looked.to_owned(),
            nearest: self.manifest.nearest(spec).map(str::to_owned),
            known: self.manifest.iter().map(|(name, _)| name.to_owned()).collect(),
        }
    }

    fn check_inside(&self, path: &Path) -> Result<(), FirmwareError> {
        let Some(root) = &self.root else { return Ok(()) };
        let real = |path: &Path| {
            let fault = |source| FirmwareError::Read { path: path.to_owned(), source };
            path.canonicalize().map_err(fault)
        };
        if real(path)?.starts_with(real(root)?) {
            Ok(())
        } else {
            Err(FirmwareError::Outside { path: path.to_owned(), root: root.clone() })
        }
    }
}

/// The application in an ELF file, as an image.
fn image_of(path: &Path, elf: &[u8]) -> Result<Vec<u8>, FirmwareError> {
    let fault = |source| FirmwareError::Elf { path: path.to_owned(), source };
    ElfFile::parse(elf).and_then(|elf| elf.to_image(FlashSettings::DIO_40MHZ_4MB)).map_err(fault)
}

/// Files in order of offset, as one firmware.
fn join(name: &str, list: &Path, parts: Vec<(PathBuf, Region)>) -> Result<Firmware, FirmwareError> {
    let mut regions: Vec<Region> = Vec::new();
    let mut before: Option<(PathBuf, u64)> = None;
    for (path, region) in parts {
        let offset = region.offset;
        match before {
            Some((first, end)) if end > u64::from(offset) => {
                return Err(FirmwareError::Overlap { first, second: path, offset });
            }
            _ => before = Some((path, region.end())),
        }
        regions.push(region);
    }
    let mut firmware = Firmware {
        name: name.to_owned(),
        regions,
        checks: Vec::new(),
        provenance: Provenance::BuildFolder { arguments: list.to_owned() },
    };
    firmware.checks = check_whole(&firmware)
        .map_err(|source| FirmwareError::Image { path: list.to_owned(), source })?;
    Ok(firmware)
}

/// Looks at what several files make together, as the chip would find it in its flash.
fn check_whole(firmware: &Firmware) -> Result<Vec<Check>, LayoutError> {
    if firmware.end() > MAX_FLASH as u64 {
        let length = usize::try_from(firmware.end()).unwrap_or(usize::MAX);
        return Err(LayoutError::TooLarge { length });
    }
    let mut flash = vec![0xff; firmware.default_offset() as usize];
    flash.extend(firmware.image());
    let only = matches!(firmware.regions(), [only] if only.offset == BOOTLOADER_OFFSET);
    let start = if only { BOOTLOADER_OFFSET as usize } else { 0 };
    Ok(match FlashLayout::detect(&flash[start..])? {
        FlashLayout::Merged { .. } => vec![Check::Chip, Check::Images, Check::PartitionTable],
        FlashLayout::App(_) | FlashLayout::RomLoaded(_) => vec![Check::Chip, Check::Images],
    })
}

pub(super) fn starts_like_elf(path: &Path) -> Result<bool, FirmwareError> {
    use std::io::Read;
    let fault = |source| FirmwareError::Read { path: path.to_owned(), source };
    let mut first = Vec::new();
    let file = std::fs::File::open(path).map_err(fault)?;
    file.take(4).read_to_end(&mut first).map_err(fault)?;
    Ok(ElfFile::starts_at(&first))
}

/// Reads an image, refusing at once what is larger than any flash.
pub(super) fn read_image_file(path: &Path) -> Result<Vec<u8>, FirmwareError> {
    read_file(path, MAX_FLASH as u64)
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, FirmwareError> {
    let fault = |source| FirmwareError::Read { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(fault)?.len();
    if length > limit {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let source = LayoutError::TooLarge { length };
        return Err(FirmwareError::Image { path: path.to_owned(), source });
    }
    std::fs::read(path).map_err(fault)
}

#[cfg(test)]
mod tests {
    use esp32_emulator::image::esp_image::{Header, encode};
    use esp32_emulator::image::{EspImage, ImageError, PartitionTable};
    use sha2::{Digest, Sha256};
    use std::fs;
    use tempfile::TempDir;

    use super::super::error::Blame;
    use super::*;

    fn esp_image(address: u32) -> Vec<u8> {
        let header = Header::new(0x4008_0400, FlashSettings::DIO_40MHZ_4MB);
        encode(header, &[(address, vec![7; 0x100])])
    }

    fn bootloader() -> Vec<u8> {
        esp_image(0x4008_0400)
    }

    fn app() -> Vec<u8> {
        esp_image(0x3f40_0020)
    }

    fn merged() -> Vec<u8> {
        let mut flash = bootloader();
        flash.resize(0x7000, 0xff);
        flash.extend(PartitionTable::single_app(0).to_bytes());
        flash.resize(0xf000, 0xff);
        flash.extend(app());
        flash
    }

    /// A linked program with one loadable segment of four bytes at `address`, stripped of its
    /// sections.
    fn elf(address: u32) -> Vec<u8> {
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x5e\0".to_vec();
        let header = [1, 0x4008_0400, 52, 0, 0, 0x0020_0034, 1, 0];
        let segment = [1, 84, address, address, 4, 4, 5, 4];
        file.extend(header.iter().chain(&segment).flat_map(|word: &u32| word.to_le_bytes()));
        file.extend([0x3d, 0xf0, 0x3d, 0xf0]); // nop.n twice
        file
    }

    /// A project folder with a list that names a merged image and a bootloader.
    struct Project {
        folder: TempDir,
    }

    impl Project {
        fn new() -> Self {
            let project = Self { folder: tempfile::tempdir().unwrap() };
            let mut list = String::new();
            for (name, bytes) in [("tiny-1", merged()), (compose::BOOTLOADER, bootloader())] {
                project.write(&format!("origin/{name}"), &bytes);
                let hash: String =
                    Sha256::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect();
                list += &format!(
                    "[images.{name}]\ntitle='t'\nversion='1'\nchip='esp32'\noffset=0x1000\n\
                     file='{name}.bin'\nsize={}\nsha256='{hash}'\n\
                     sources=[{{from='file', path='../origin/{name}'}}]\n",
                    bytes.len()
                );
            }
            project.write("firmware/firmware.toml", list.as_bytes());
            project
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }

        fn resolve(&self, spec: &str) -> Result<Firmware, FirmwareError> {
            let folder = self.folder.path();
            let manifest = Manifest::for_project(folder).unwrap();
            let store = Store::new(folder.join("cache"), None);
            Resolver::new(manifest, store, folder).confined_to(folder).resolve(spec, &mut |_| {})
        }

        /// A build folder as ESP-IDF leaves it.
        fn build(&self, folder: &str) {
            let list = r#"{"flash_files": {"0x1000": "bootloader/bootloader.bin",
                "0x8000": "partition_table/partition-table.bin", "0x10000": "hello.bin"},
                "extra_esptool_args": {"chip": "esp32"}}"#;
            self.write(&format!("{folder}/flasher_args.json"), list.as_bytes());
            self.write(&format!("{folder}/bootloader/bootloader.bin"), &bootloader());
            let table = PartitionTable::single_app(0).to_bytes();
            self.write(&format!("{folder}/partition_table/partition-table.bin"), &table);
            self.write(&format!("{folder}/hello.bin"), &app());
        }
    }

    fn offsets(firmware: &Firmware) -> Vec<u32> {
        firmware.regions().iter().map(|it| it.offset).collect()
    }

    #[test]
    fn a_name_is_fetched_verified_and_kept() {
        let project = Project::new();
        let firmware = project.resolve("tiny-1").unwrap();
        assert_eq!(firmware.default_offset(), 0x1000);
        assert_eq!(firmware.image(), merged());
        assert_eq!(firmware.checks.first(), Some(&Check::PublishedHash));
        let Provenance::Named { path, .. } = firmware.provenance else { panic!() };
        assert!(path.starts_with(project.folder.path().join("cache")));
    }

    #[test]
    fn a_merged_image_is_taken_from_either_start() {
        let project = Project::new();
        project.write("at-0x1000.bin", &merged());
        project.write("at-0.bin", &[vec![0xff; 0x1000], merged()].concat());
        assert_eq!(offsets(&project.resolve("at-0x1000.bin").unwrap()), [0x1000]);
        assert_eq!(offsets(&project.resolve("at-0.bin").unwrap()), [0]);
    }

    #[test]
    fn an_application_alone_gets_the_listed_bootloader_and_the_default_table() {
        let project = Project::new();
        project.write("alone/app.bin", &app());
        let firmware = project.resolve("alone/app.bin").unwrap();
        assert_eq!(offsets(&firmware), [0x1000, 0x8000, 0x1_0000]);
        assert!(FlashLayout::detect(&firmware.image()).is_ok());
        assert!(matches!(firmware.provenance, Provenance::Composed { table: None, .. }));
    }

    #[test]
    fn an_application_takes_what_lies_beside_it() {
        let project = Project::new();
        project.write("sketch/a.ino.bin", &app());
        project.write("sketch/a.ino.bootloader.bin", &bootloader());
        let mut table = PartitionTable::single_app(0);
        table.partitions[2].offset = 0x2_0000;
        project.write("sketch/a.ino.partitions.bin", &table.to_bytes());
        let firmware = project.resolve("sketch/a.ino.bin").unwrap();
        assert_eq!(offsets(&firmware), [0x1000, 0x8000, 0x2_0000]);
        project.write("sketch/a.ino.bootloader.bin", &app());
        let error = project.resolve("sketch/a.ino.bin").unwrap_err();
        assert!(matches!(error, FirmwareError::WrongPart { .. }), "{error}");
    }

    #[test]
    fn an_elf_of_an_application_is_converted_and_completed() {
        let project = Project::new();
        project.write("app.elf", &elf(0x400d_0020));
        let firmware = project.resolve("app.elf").unwrap();
        assert_eq!(offsets(&firmware), [0x1000, 0x8000, 0x1_0000]);
        let image = EspImage::parse(&firmware.regions()[2].bytes).unwrap();
        assert_eq!(image.segments.last().map(|it| it.address), Some(0x400d_0020));
    }

    #[test]
    fn a_program_in_ram_is_for_the_mask_rom_alone() {
        let project = Project::new();
        project.write("bare.elf", &elf(0x4008_0400));
        assert_eq!(offsets(&project.resolve("bare.elf").unwrap()), [0x1000]);
    }

    #[test]
    fn flasher_args_json_is_followed() {
        let project = Project::new();
        project.build("out");
        let firmware = project.resolve("out/flasher_args.json").unwrap();
        assert_eq!(offsets(&firmware), [0x1000, 0x8000, 0x1_0000]);
        project.write("out/hello.bin", &app()[..100]);
        let error = project.resolve("out/flasher_args.json").unwrap_err();
        assert!(matches!(error, FirmwareError::Image { .. }), "{error}");
        assert_eq!(error.blame(), Blame::Source);
    }

    #[test]
    fn a_build_folder_and_its_project_mean_the_same() {
        let project = Project::new();
        project.build("hello/build");
        let from_build = project.resolve("hello/build").unwrap();
        let from_project = project.resolve("hello").unwrap();
        assert_eq!(from_build.regions(), from_project.regions());
        let error = project.resolve("origin").unwrap_err();
        assert!(matches!(error, FirmwareError::NotABuildFolder { .. }), "{error}");
    }

    #[test]
    fn what_is_not_there_is_the_scenarios_fault_and_names_the_nearest() {
        let project = Project::new();
        let error = project.resolve("tiny-2").unwrap_err();
        assert_eq!(error.blame(), Blame::Scenario);
        assert!(error.to_string().contains("did you mean `tiny-1`?"), "{error}");
        let error = project.resolve("/etc/hostname").unwrap_err();
        assert!(matches!(error, FirmwareError::Outside { .. }), "{error}");
    }

    #[test]
    fn bad_images_are_refused_each_in_its_own_words() {
        let project = Project::new();
        let mut s3 = app();
        s3[12] = 9;
        let mut hash = app();
        *hash.last_mut().unwrap() ^= 1;
        let mut checksum = app();
        checksum[40] ^= 1;
        let cases: [(&str, Vec<u8>, &str); 7] = [
            ("empty", Vec::new(), "empty"),
            ("truncated", app()[..50].to_vec(), "truncated"),
            ("oversized", vec![0xe9; MAX_FLASH + 1], "more than the 16 MiB"),
            ("s3", s3, "for the ESP32-S3, not for the ESP32"),
            ("hash", hash, "SHA-256 differs"),
            ("checksum", checksum, "checksum"),
            ("text", b"hello".to_vec(), "not a flash image"),
        ];
        for (name, bytes, words) in cases {
            project.write(name, &bytes);
            let error = project.resolve(name).unwrap_err();
            assert!(error.to_string().contains(words), "{name}: {error}");
            assert_eq!(error.blame(), Blame::Source);
        }
        let error = project.resolve("s3").unwrap_err();
        let FirmwareError::Image { source: LayoutError::Image { source, .. }, .. } = error else {
            panic!("{error}")
        };
        assert!(matches!(source, ImageError::WrongChip { .. }));
    }

    #[test]
    fn firmware_larger_than_the_flash_is_refused_before_it_is_written() {
        let project = Project::new();
        let firmware = project.resolve("tiny-1").unwrap();
        assert!(firmware.check_fits(4 << 20).is_ok());
        assert!(matches!(
            firmware.check_fits(0x1_0000),
            Err(FirmwareError::FlashTooSmall { flash_size: 0x1_0000, .. })
        ));
    }
}
