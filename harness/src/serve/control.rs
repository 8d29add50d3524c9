//! The control socket of a served board: what a hand at the board would do.
//!
//! A Unix socket with the board's name in the user's runtime folder. Each request is a line of JSON
//! ([`Order`]) and gets a line of JSON back ([`Answer`]), with the device time at which it was done.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::orders::{Answer, Order};
use super::remote::Remote;

/// A longer request is a mistake.
const MAX_REQUEST: u64 = 32 << 20;

/// An order on its way to the machine, and where its answer goes.
pub type Ordered = (Order, oneshot::Sender<Answer>);

/// Where the socket of a board is.
///
/// # Errors
/// A name that is none, or no private folder for it.
pub fn path_of(name: &str) -> io::Result<PathBuf> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(good) {
        let message =
            format!("`{name}` cannot name a board: use letters, digits, `-`, `_` and `.`");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let user = nix::unistd::getuid();
    let runtime =
        directories::BaseDirs::new().and_then(|dirs| Some(dirs.runtime_dir()?.to_owned()));
    let folder = match runtime {
        Some(runtime) => runtime.join("benchrig"),
        None => std::env::temp_dir().join(format!("benchrig-{user}")),
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    if std::fs::metadata(&folder)?.uid() != user.as_raw() {
        let message = format!("{} belongs to somebody else", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(folder.join(format!("{name}.sock")))
}

/// A control socket that is open; it is removed with it.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        // It may have been removed by somebody else; nothing depends on it.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Control {
    /// Opens the socket of a board.
    ///
    /// # Errors
    /// When a board of this name is being served already.
    pub fn open(name: &str) -> io::Result<Self> {
        let path = path_of(name)?;
        if let Some(holder) = holder(name) {
            let message = format!("a board named {name} is served by process {holder} already");
            return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
        }
        // What a process has left that was killed.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self { listener: UnixListener::bind(&path)?, path })
    }

    /// Serves it for ever.
    pub async fn serve(self, orders: Sender<Ordered>) {
        loop {
            // A connection that failed before it was accepted concerns nobody.
            if let Ok((client, _)) = self.listener.accept().await {
                tokio::task::spawn_local(answer(client, orders.clone()));
            }
        }
    }
}

/// Answers one client until it leaves or talks nonsense.
async fn answer(client: tokio::net::UnixStream, orders: Sender<Ordered>) -> Option<()> {
    let (from, mut to) = client.into_split();
    let mut from = tokio::io::BufReader::new(from);
    loop {
        let mut line = Vec::new();
        let read = (&mut from).take(MAX_REQUEST).read_until(b'\n', &mut line).await.ok()?;
        if read == 0 {
            return None;
        }
        let (order, mistake) = match serde_json::from_slice(&line) {
            Ok(order) => (order, None),
            Err(error) => (Order::Status, Some(format!("this is no order: {error}"))),
        };
        let (answer, answered) = oneshot::channel();
        orders.send((order, answer)).await.ok()?;
        let answer = answered.await.ok()?;
        let answer = Answer { error: mistake.or(answer.error), ..answer };
        let mut text = serde_json::to_vec(&answer).ok()?;
        text.push(b'\n');
        to.write_all(&text).await.ok()?;
    }
}

/// The process that serves the board of this name, if one does.
fn holder(name: &str) -> Option<u32> {
    let answer = Remote::of(name).and_then(|mut remote| remote.order(&Order::Status));
    answer.ok().map(|answer| answer.host_process)
}
