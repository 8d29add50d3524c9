//! One file out of a package: a gzipped tar archive or a zip archive.
//!
//! *Modelled*: reading one member of known length into memory. Nothing is unpacked to disk, so no
//! path inside an archive can do harm.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;

/// Why a member cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive cannot be read, or is damaged.
    #[error("cannot read the archive: {0}")]
    Read(#[from] std::io::Error),
    /// The zip archive is damaged.
    #[error("cannot read the archive: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The archive does not have the member.
    #[error("the archive holds no {member}")]
    NoMember {
        /// Path inside the archive.
        member: String,
    },
    /// The member is longer than it may be.
    #[error("{member} in the archive is longer than {limit} bytes")]
    TooLong {
        /// Path inside the archive.
        member: String,
        /// The limit in bytes.
        limit: u64,
    },
}

/// The bytes of `member` in the archive at `path`: zip if the name ends in `.whl` or `.zip`, else
/// gzipped tar. At most `limit` bytes.
///
/// # Errors
/// Any [`ArchiveError`].
pub fn extract(path: &Path, member: &str, limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let file = BufReader::new(File::open(path)?);
    let is_zip = path.extension().is_some_and(|it| it == "whl" || it == "zip");
    if is_zip {
        let mut archive = zip::ZipArchive::new(file)?;
        match archive.by_name(member) {
            Ok(entry) => read_limited(entry, member, limit),
            Err(zip::result::ZipError::FileNotFound) => {
                Err(ArchiveError::NoMember { member: member.to_owned() })
            }
            Err(error) => Err(error.into()),
        }
    } else {
        let mut archive = tar::Archive::new(GzDecoder::new(file));
        for entry in archive.entries()? {
            let entry = entry?;
            if entry.path()? == Path::new(member) {
                return read_limited(entry, member, limit);
            }
        }
        Err(ArchiveError::NoMember { member: member.to_owned() })
    }
}

fn read_limited(entry: impl Read, member: &str, limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    entry.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ArchiveError::TooLong { member: member.to_owned(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzipped_tar(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("p-1.tar.gz");
        let gzip = flate2::write::GzEncoder::new(File::create(&path).unwrap(), Default::default());
        let mut archive = tar::Builder::new(gzip);
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_cksum();
        archive.append_data(&mut header, "p-1/data/image.bin", &b"hello"[..]).unwrap();
        archive.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn a_member_is_read_but_not_beyond_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = gzipped_tar(folder.path());
        assert_eq!(extract(&path, "p-1/data/image.bin", 5).unwrap(), b"hello");
        assert!(matches!(
            extract(&path, "p-1/data/image.bin", 4),
            Err(ArchiveError::TooLong { limit: 4, .. })
        ));
        assert!(matches!(extract(&path, "other", 9), Err(ArchiveError::NoMember { .. })));
    }

    #[test]
    fn a_wheel_is_read_as_a_zip_archive() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p-1-py3-none-any.whl");
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file("p/image.bin", options).unwrap();
        archive.write_all(b"hello").unwrap();
        archive.finish().unwrap();
        assert_eq!(extract(&path, "p/image.bin", 5).unwrap(), b"hello");
        assert!(matches!(extract(&path, "p/no.bin", 5), Err(ArchiveError::NoMember { .. })));
    }

    #[test]
    fn a_damaged_archive_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.whl", "a.tar.gz"] {
            let path = folder.path().join(name);
            std::fs::write(&path, b"no archive").unwrap();
            assert!(extract(&path, "x", 9).is_err());
        }
    }
}
