//! Files that are written whole or not at all.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::site::{Folders, Host, Site};

/// Writes a file whole or not at all, and the folders above it.
pub(crate) fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".benchrig-").tempfile_in(folder)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    readable(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// Temporary files are private; what is kept is as readable as any file.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_file: &std::fs::File) -> io::Result<()> {
    Ok(())
}

/// Most bytes that a folder may hold that is read as a whole.
const MOST: u64 = 64 << 20;

/// What the web servers of a site serve, from the folders of a project; or which folder cannot be read.
pub(crate) fn served(site: &Site, project: &Path) -> Result<Folders, (PathBuf, io::Error)> {
    let servers = site.hosts.iter().flat_map(Host::web_servers);
    let folders = servers.filter_map(|http| Some(http.folder.as_ref()?.text.clone()));
    let read = |folder: String| {
        let path = project.join(&folder);
        let files = below(&path).map_err(|error| (path, error))?;
        Ok((folder, files))
    };
    folders.map(read).collect()
}

/// The files below a folder, by their paths from there with `/` between.
pub(crate) fn below(folder: &Path) -> io::Result<BTreeMap<String, Arc<[u8]>>> {
    let mut files = BTreeMap::new();
    let mut left = MOST;
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else if kind.is_file() {
                left = left.checked_sub(entry.metadata()?.len()).ok_or_else(|| {
                    io::Error::other(format!("it holds more than {} MB", MOST >> 20))
                })?;
                files.insert(name, Arc::from(std::fs::read(entry.path())?));
            }
        }
    }
    Ok(files)
}
