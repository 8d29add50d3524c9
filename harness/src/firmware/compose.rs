//! What an application needs besides itself: a second-stage bootloader and a partition table.
//!
//! *Source*: ESP-IDF Programming Guide, "Bootloader", "Partition Tables"; PlatformIO and Arduino
//! for the names of their build files.
//! *Modelled*: taking both from beside the application; else the bootloader of `firmware.toml` and
//! ESP-IDF's default table, with the flash size that the application asks for.
//! *Not modelled*: data partitions with content (NVS, file systems): they start blank.

use std::path::{Path, PathBuf};

use esp32_emulator::image::esp_image::{self, EspImage, FlashSettings};
use esp32_emulator::image::{
    BOOTLOADER_OFFSET, FlashLayout, LayoutError, PartitionTable, partition_table,
};

use super::error::FirmwareError;
use super::manifest::Manifest;
use super::progress::Listener;
use super::store::Store;
use super::{Check, Firmware, Provenance, Region};

/// Name in `firmware.toml` of the bootloader that is taken when there is none beside.
pub const BOOTLOADER: &str = "esp-idf-bootloader";

/// An application that has been read and checked.
#[derive(Debug)]
pub struct App<'a> {
    /// The file that it was in.
    pub path: &'a Path,
    /// Where the files lie that belong to it, if it came with any.
    pub folder: Option<&'a Path>,
    /// The application as an image.
    pub bytes: Vec<u8>,
    /// What its header asks of the flash.
    pub flash: FlashSettings,
}

/// Completes `app` to firmware that boots.
///
/// # Errors
/// [`FirmwareError::NoBootloader`], or what is wrong with a file beside the application.
pub fn complete(
    name: &str,
    app: App<'_>,
    manifest: &Manifest,
    store: &Store,
    listener: Listener<'_>,
) -> Result<Firmware, FirmwareError> {
    let (table, table_path) = match first_file(&table_names(&app)) {
        Some(path) => (read_table(&path)?, Some(path)),
        None => (PartitionTable::single_app(app.bytes.len()), None),
    };
    let place = table.first_app().ok_or_else(|| FirmwareError::NoAppPartition {
        path: table_path.clone().unwrap_or_else(|| app.path.to_owned()),
    })?;
    if app.bytes.len() > place.size as usize {
        return Err(FirmwareError::PartitionTooSmall {
            path: app.path.to_owned(),
            length: app.bytes.len(),
            partition: place.size as usize,
        });
    }
    let (bootloader, bootloader_path) = bootloader(&app, &table, manifest, store, listener)?;
    Ok(Firmware {
        name: name.to_owned(),
        regions: vec![
            Region { offset: BOOTLOADER_OFFSET, bytes: bootloader },
            Region { offset: partition_table::DEFAULT_OFFSET, bytes: table.to_bytes() },
            Region { offset: place.offset, bytes: app.bytes },
        ],
        checks: vec![Check::Chip, Check::Images, Check::PartitionTable],
        provenance: Provenance::Composed {
            app: app.path.to_owned(),
            bootloader: bootloader_path,
            table: table_path,
        },
    })
}

fn bootloader(
    app: &App<'_>,
    table: &PartitionTable,
    manifest: &Manifest,
    store: &Store,
    listener: Listener<'_>,
) -> Result<(Vec<u8>, PathBuf), FirmwareError> {
    let looked = bootloader_names(app);
    if let Some(path) = first_file(&looked) {
        let bytes = super::resolve::read_image_file(&path)?;
        check_bootloader(&path, &bytes)?;
        return Ok((bytes, path));
    }
    let no_bootloader = |looked, source| FirmwareError::NoBootloader {
        app: app.path.to_owned(),
        looked,
        source: Box::new(source),
    };
    let Some(entry) = manifest.get(BOOTLOADER) else {
        let known = manifest.iter().map(|(name, _)| name.to_owned()).collect();
        let (spec, nearest) = (BOOTLOADER.to_owned(), None);
        let unknown = FirmwareError::Unknown { spec, looked: PathBuf::new(), nearest, known };
        return Err(no_bootloader(looked, unknown));
    };
    let stored = store
        .obtain(BOOTLOADER, entry, listener)
        .map_err(|source| no_bootloader(looked, source))?;
    // The bootloader believes its own header about the flash's size, and refuses a table that
    // reaches beyond it.
    let settings = fitted(check_bootloader(&stored.path, &stored.bytes)?, app.flash, table);
    let bytes = esp_image::with_flash_settings(&stored.bytes, settings)
        .map_err(|source| broken_bootloader(&stored.path, source))?;
    Ok((bytes, stored.path))
}

/// The bootloader's own mode and clock with a flash size that holds every partition.
fn fitted(own: FlashSettings, app: FlashSettings, table: &PartitionTable) -> FlashSettings {
    let end = table.partitions.iter().map(|it| it.end()).max().unwrap_or(0);
    let needed = (0..=7)
        .find(|&size| FlashSettings { size, ..own }.size_bytes().is_some_and(|bytes| bytes >= end))
        .unwrap_or(7);
    FlashSettings { size: app.size.min(7).max(needed), ..own }
}

fn broken_bootloader(path: &Path, source: esp_image::ImageError) -> FirmwareError {
    let source = LayoutError::Image { part: "the bootloader", offset: 0, source };
    FirmwareError::Image { path: path.to_owned(), source }
}

fn check_bootloader(path: &Path, bytes: &[u8]) -> Result<FlashSettings, FirmwareError> {
    match FlashLayout::detect(bytes) {
        Ok(FlashLayout::RomLoaded(EspImage { header, .. })) => Ok(header.flash),
        Ok(_) => Err(FirmwareError::WrongPart {
            path: path.to_owned(),
            wanted: "second-stage bootloader",
        }),
        Err(source) => Err(FirmwareError::Image { path: path.to_owned(), source }),
    }
}

fn read_table(path: &Path) -> Result<PartitionTable, FirmwareError> {
    let mut bytes = super::resolve::read_image_file(path)?;
    // Some tools write only the rows; what follows them in flash is blank.
    bytes.resize(bytes.len().max(partition_table::TABLE_LEN), 0xff);
    PartitionTable::parse(&bytes).map_err(|source| FirmwareError::Image {
        path: path.to_owned(),
        source: LayoutError::Table { offset: 0, source },
    })
}

fn first_file(paths: &[PathBuf]) -> Option<PathBuf> {
    paths.iter().find(|it| it.is_file()).cloned()
}

/// Where ESP-IDF, PlatformIO and Arduino put the bootloader that belongs to an application.
fn bootloader_names(app: &App<'_>) -> Vec<PathBuf> {
    beside(app, &["bootloader/bootloader.bin", "bootloader.bin"], ".bootloader.bin")
}

/// Where they put the partition table.
fn table_names(app: &App<'_>) -> Vec<PathBuf> {
    let names = ["partition_table/partition-table.bin", "partition-table.bin", "partitions.bin"];
    beside(app, &names, ".partitions.bin")
}

fn beside(app: &App<'_>, names: &[&str], ending: &str) -> Vec<PathBuf> {
    let Some(folder) = app.folder else { return Vec::new() };
    let mut own = app.path.file_stem().unwrap_or_default().to_owned();
    own.push(ending);
    let names = names.iter().map(|name| folder.join(name));
    // An application's own name is the surest sign that the file belongs to it.
    std::iter::once(folder.join(own)).chain(names).filter(|it| it != app.path).collect()
}
