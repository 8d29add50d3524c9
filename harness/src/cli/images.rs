//! Firmware for the runner: the project's names and paths, fetched and checked.

use std::path::Path;

use crate::firmware::{Blame, FirmwareError, Manifest, Progress, Resolver, Store};
use crate::runner::firmware::{FetchNews, FirmwareSource, FirmwareTrouble, FlashImage};
use crate::targets::Segment;

/// The firmware of the scenario's project, by name or path.
#[derive(Debug)]
pub(crate) struct ProjectFirmware;

/// A resolver for what scenarios of `project` say: their paths stay inside.
pub(super) fn resolver(project: &Path) -> Result<Resolver, FirmwareError> {
    let manifest = Manifest::for_project(project)?;
    let store = Store::from_environment()?;
    Ok(Resolver::new(manifest, store, project).confined_to(project))
}

/// Whether `spec` names something, without reading or fetching it; else the reason.
pub(super) fn check(project: &Path, spec: &str) -> Result<(), String> {
    match resolver(project).and_then(|resolver| resolver.check(spec)) {
        // A cache that cannot be used is no fault of the scenario.
        Err(error) if error.blame() == Blame::Scenario => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// News of fetching, in the runner's words.
pub(super) fn in_words(progress: &Progress<'_>) -> FetchNews {
    match progress {
        Progress::WaitingForLock { lock } => {
            FetchNews::Note(format!("another process is fetching it ({})", lock.display()))
        }
        Progress::Asking { source, .. } => FetchNews::Note(format!("fetching from {source}")),
        Progress::Received { bytes, total } => FetchNews::Bytes { done: *bytes, total: *total },
        Progress::FellThrough { source, reason } => {
            FetchNews::Note(format!("{source} did not work: {reason}"))
        }
        Progress::Ready { path, .. } => FetchNews::Note(format!("verified, at {}", path.display())),
    }
}

impl FirmwareSource for ProjectFirmware {
    fn resolve(
        &self,
        project: &Path,
        spec: &str,
        news: &mut dyn FnMut(FetchNews),
    ) -> Result<FlashImage, FirmwareTrouble> {
        let mut listener = |progress: Progress<'_>| {
            news(in_words(&progress));
        };
        let (firmware, elf) = resolver(project)
            .and_then(|resolver| {
                Ok((resolver.resolve(spec, &mut listener)?, resolver.elf_of(spec)))
            })
            .map_err(|error| FirmwareTrouble {
                scenario_is_wrong: error.blame() == Blame::Scenario,
                message: error.to_string(),
            })?;
        let segment = |region: &crate::firmware::Region| Segment {
            offset: region.offset,
            bytes: region.bytes.as_slice().into(),
        };
        let segments = firmware.regions().iter().map(segment).collect();
        Ok(FlashImage { elf, ..FlashImage::new(&firmware.name, segments) })
    }
}
