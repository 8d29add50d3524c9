//! The control socket of a served board: what a hand at the board would do.
//!
//! A Unix socket with the board's name in the user's runtime folder, and a TCP port if asked for. Each
//! request is a line of JSON ([`Order`]) and gets a line of JSON back ([`Answer`]), with the device time
//! at which it was done. Where a token is asked for, it is the first line ([`Greeting`]).

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::orders::{Answer, Greeting, Order};
use super::remote::{Remote, TOKEN};
use super::token::Token;

/// A longer request is a mistake.
const MAX_REQUEST: u64 = 32 << 20;
/// Likewise of the line with the token.
const MAX_TOKEN: u64 = 4 << 10;
const WRONG_TOKEN: &str = "the token is not the one that the board was served with";

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

/// A control socket that is open.
#[derive(Debug)]
pub enum Control {
    /// In the runtime folder of the user, who needs no token.
    Local(LocalControl),
    /// At a TCP port.
    Tcp(TcpListener, Option<Token>),
}

/// A Unix socket; it is removed with it.
#[derive(Debug)]
pub struct LocalControl {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for LocalControl {
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
        Ok(Self::Local(LocalControl { listener: UnixListener::bind(&path)?, path }))
    }

    /// Listens at a TCP port too: without a token on loopback addresses only.
    ///
    /// # Errors
    /// When a token is missing, or the address cannot be bound.
    pub async fn listen(address: SocketAddr, token: Option<Token>) -> io::Result<Self> {
        if token.is_none() && !address.ip().is_loopback() {
            let message = format!(
                "{address} is no loopback address: set {TOKEN} to what clients have to know"
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        Ok(Self::Tcp(TcpListener::bind(address).await?, token))
    }

    /// How `benchrig ctl` is told where it is.
    pub fn address(&self) -> String {
        match self {
            Self::Local(local) => {
                local.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
            }
            Self::Tcp(listener, _) => match listener.local_addr() {
                Ok(address) => address.to_string(),
                Err(_) => "tcp".to_owned(),
            },
        }
    }

    /// Serves it for ever.
    pub async fn serve(self, orders: Sender<Ordered>) {
        loop {
            let orders = orders.clone();
            // A connection that failed before it was accepted concerns nobody.
            match &self {
                Self::Local(local) => {
                    if let Ok((client, _)) = local.listener.accept().await {
                        tokio::task::spawn_local(answer(client, None, orders));
                    }
                }
                Self::Tcp(listener, token) => {
                    if let Ok((client, _)) = listener.accept().await {
                        tokio::task::spawn_local(answer(client, token.clone(), orders));
                    }
                }
            }
        }
    }
}

/// Answers one client until it leaves or talks nonsense.
async fn answer(
    client: impl AsyncRead + AsyncWrite,
    token: Option<Token>,
    orders: Sender<Ordered>,
) -> Option<()> {
    let (from, mut to) = tokio::io::split(client);
    let mut from = tokio::io::BufReader::new(from);
    let mut is_known = token.is_none();
    loop {
        let mut line = Vec::new();
        // Who has not said the token yet has nothing long to say.
        let most = if is_known { MAX_REQUEST } else { MAX_TOKEN };
        let read = (&mut from).take(most).read_until(b'\n', &mut line).await.ok()?;
        if read == 0 {
            return None;
        }
        if let (false, Some(token)) = (is_known, &token) {
            let said: Option<Greeting> = serde_json::from_slice(&line).ok();
            is_known = said.is_some_and(|said| token.is(&said.token));
            if !is_known {
                let refusal = Answer { error: Some(WRONG_TOKEN.to_owned()), ..Answer::default() };
                return send(&mut to, &refusal).await;
            }
            continue;
        }
        let (order, mistake) = match serde_json::from_slice(&line) {
            Ok(order) => (order, None),
            Err(error) => (Order::Status, Some(format!("this is no order: {error}"))),
        };
        let (answer, answered) = oneshot::channel();
        orders.send((order, answer)).await.ok()?;
        let answer = answered.await.ok()?;
        send(&mut to, &Answer { error: mistake.or(answer.error), ..answer }).await?;
    }
}

async fn send(to: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> Option<()> {
    let mut text = serde_json::to_vec(answer).ok()?;
    text.push(b'\n');
    to.write_all(&text).await.ok()
}

/// The process that serves the board of this name, if one does.
fn holder(name: &str) -> Option<u32> {
    let answer = Remote::of(name).and_then(|mut remote| remote.order(&Order::Status));
    answer.ok().map(|answer| answer.host_process)
}
