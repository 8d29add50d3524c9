//! The pseudo-terminal door, for programs that open only device paths.
//!
//! Source: pty(7), cfmakeraw(3). The slave side is held open, so that a client that leaves does not
//! hang up the line for the next one; it is raw from the start, so that nothing is echoed before a
//! client sets its own modes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::doors::{Line, PIECE};

/// An open pseudo-terminal.
#[derive(Debug)]
pub struct Pty {
    master: AsyncFd<File>,
    _slave: OwnedFd,
    device: PathBuf,
    link: Option<Link>,
}

/// A symbolic link to the device, removed when the door closes.
#[derive(Debug)]
struct Link(PathBuf);

impl Drop for Link {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Pty {
    /// Opens a pseudo-terminal; `link` is a path to make a symbolic link to it at.
    ///
    /// # Errors
    /// When there are none left, or the link cannot be made.
    pub fn open(link: Option<&Path>) -> io::Result<Self> {
        let pair = openpty(None, None)?;
        let mut modes = tcgetattr(&pair.slave)?;
        cfmakeraw(&mut modes);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &modes)?;
        let device = nix::unistd::ttyname(&pair.slave)?;
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let link = match link {
            None => None,
            Some(link) => Some(make_link(&device, link)?),
        };
        #[expect(
            deprecated,
            reason = "the replacement is unsafe for types that give away their descriptor; a File \
                      keeps its own for as long as it lives"
        )]
        let master = AsyncFd::new(File::from(pair.master))?;
        Ok(Self { master, _slave: pair.slave, device, link })
    }

    /// The path that clients open.
    pub fn shown(&self) -> &Path {
        self.link.as_ref().map_or(&self.device, |link| &link.0)
    }

    /// Serves it until the machine has gone.
    pub(super) async fn serve(self, line: &Line) {
        let mut unsent: Vec<u8> = Vec::new();
        let mut piece = [0; PIECE];
        loop {
            let write = async {
                if unsent.is_empty() {
                    unsent = line.take().await;
                }
                let wrote = self
                    .master
                    .async_io(Interest::WRITABLE, |mut master| master.write(&unsent))
                    .await;
                // A line that cannot take bytes now will later; nothing to do on error.
                unsent.drain(..wrote.unwrap_or(unsent.len()));
            };
            tokio::select! {
                read = self.master.async_io(Interest::READABLE, |mut master| master.read(&mut piece)) => {
                    let Ok(count) = read else { return };
                    if line.give(&piece[..count]).await.is_err() {
                        return;
                    }
                }
                () = write => {}
            }
        }
    }
}

/// Makes the link, replacing one that is left from before but nothing else.
fn make_link(device: &Path, link: &Path) -> io::Result<Link> {
    if link.symlink_metadata().is_ok_and(|found| found.file_type().is_symlink()) {
        std::fs::remove_file(link)?;
    }
    std::os::unix::fs::symlink(device, link)?;
    Ok(Link(link.to_owned()))
}
