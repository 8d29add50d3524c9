//! The pseudo-terminal door, for programs that open only device paths.
//!
//! Source: pty(7), cfmakeraw(3). The slave side is held open, so that a client that leaves does not
//! hang up the line for the next one; it is raw from the start, so that nothing is echoed before a
//! client sets its own modes. That a client has come is seen by inotify(7), where there is one.

use std::fs::File;
use std::io::{self, Read, Write};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
#[cfg(target_os = "linux")]
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::termios::{FlushArg, SetArg, cfmakeraw, tcflush, tcgetattr, tcsetattr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::doors::{Line, PIECE};

/// An open pseudo-terminal.
#[derive(Debug)]
pub struct Pty {
    master: AsyncFd<File>,
    slave: OwnedFd,
    arrivals: Arrivals,
    device: PathBuf,
    link: Option<Link>,
}

/// Tells when a client opens the device, where the system can.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Arrivals {
    opened: Inotify,
    /// The same descriptor.
    ready: AsyncFd<OwnedFd>,
}

#[cfg(target_os = "linux")]
impl Arrivals {
    fn at(device: &Path) -> io::Result<Self> {
        let opened = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        opened.add_watch(device, AddWatchFlags::IN_OPEN)?;
        let ready = watched(opened.as_fd().try_clone_to_owned()?)?;
        Ok(Self { opened, ready })
    }

    /// Whether one has come since the last call.
    fn any(&self) -> bool {
        self.opened.read_events().is_ok_and(|events| !events.is_empty())
    }

    /// Waits for one.
    async fn next(&self) {
        match self.ready.readable().await {
            Ok(mut ready) => ready.clear_ready(),
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Arrivals;

#[cfg(not(target_os = "linux"))]
impl Arrivals {
    fn at(_device: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    fn any(&self) -> bool {
        false
    }

    async fn next(&self) {
        std::future::pending().await
    }
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe for types that give away their descriptor; these keep their \
              own for as long as they live"
)]
fn watched<T: AsRawFd>(descriptor: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(descriptor)
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
        let master = watched(File::from(pair.master))?;
        let arrivals = Arrivals::at(&device)?;
        Ok(Self { master, slave: pair.slave, arrivals, device, link })
    }

    /// The path that clients open.
    pub fn shown(&self) -> &Path {
        self.link.as_ref().map_or(&self.device, |link| &link.0)
    }

    /// If a client has come: drops what the one before it has not read.
    fn welcome(&self, line: &Line, unsent: &mut Vec<u8>) {
        if self.arrivals.any() && !line.ring.welcome() {
            unsent.clear();
            // What cannot be dropped is read.
            let _ = tcflush(&self.slave, FlushArg::TCIFLUSH);
        }
    }

    /// Serves it until the machine has gone.
    pub(super) async fn serve(self, line: &Line) {
        let mut unsent: Vec<u8> = Vec::new();
        let mut piece = [0; PIECE];
        loop {
            // Before its first byte is heard, and so before the board can answer it.
            self.welcome(line, &mut unsent);
            let write = async {
                if unsent.is_empty() {
                    unsent = line.take().await;
                    return;
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
                    self.welcome(line, &mut unsent);
                    if line.give(&piece[..count]).await.is_err() {
                        return;
                    }
                }
                () = write => {}
                () = self.arrivals.next() => {}
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::serve::doors::tests::line;
    use crate::serve::machine::{Input, Sent};

    fn client(device: &Path) -> File {
        let mut options = File::options();
        options.read(true).write(true).open(device).expect("a device")
    }

    /// Reads so many bytes, while others go on.
    async fn read(client: &File, count: usize) -> Vec<u8> {
        let mut client = client.try_clone().expect("a descriptor");
        let mut bytes = vec![0; count];
        tokio::task::spawn_blocking(move || {
            client.read_exact(&mut bytes).expect("it is open");
            bytes
        })
        .await
        .expect("no panic")
    }

    #[tokio::test]
    async fn what_nobody_had_the_device_open_for_is_lost() {
        let (line, mut board) = line();
        let pty = Pty::open(None).expect("a pseudo-terminal");
        let device = pty.shown().to_owned();
        line.ring.push(b"boot");
        let clients = async {
            let first = client(&device);
            assert_eq!(read(&first, 4).await, b"boot");
            line.ring.push(b"not read");
            drop(first);
            line.ring.push(b"to nobody");
            let mut second = client(&device);
            second.write_all(b"?").expect("it is open");
            let Some(Input { what: Sent::Bytes(asked), .. }) = board.recv().await else {
                panic!("bytes are sent")
            };
            assert_eq!(asked, b"?");
            line.ring.push(b"answer");
            assert_eq!(read(&second, 6).await, b"answer");
        };
        tokio::select! {
            () = pty.serve(&line) => panic!("it ends"),
            () = clients => {}
        }
    }
}
