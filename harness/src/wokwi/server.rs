//! The listener: who may come, and how many at once.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::connection;
use crate::firmware::Resolver;
use crate::serve::doors::Reach;
use crate::serve::pacer::Pace;
use crate::serve::remote::TOKEN;
use crate::serve::token::Token;
use crate::site::{Folders, Site};
use crate::targets::TargetSource;

/// Clients at once. Further ones wait in the queue of the listener: an answer such as 503 makes
/// `wokwi-cli` crash.
const MOST: usize = 64;

/// Is told what the person should know.
pub type Remark = Box<dyn Fn(String) + Send + Sync>;

/// What all clients of a server share.
pub struct Host {
    /// Where boards come from.
    pub source: Box<dyn TargetSource + Send + Sync>,
    /// Knows what an application needs besides itself.
    pub firmware: Resolver,
    /// What is around every board.
    pub site: Option<Site>,
    /// What the web servers there serve.
    pub folders: Folders,
    /// Seed of everything random.
    pub seed: u64,
    /// What clients have to know; without one everything is accepted.
    pub token: Option<Token>,
    /// Which device time takes as long as on a real board.
    pub pace: Pace,
    /// Is told what the person should know.
    pub remarks: Remark,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("source", &self.source.name()).finish_non_exhaustive()
    }
}

impl Host {
    pub(super) fn remark(&self, text: String) {
        (self.remarks)(text);
    }
}

/// A server that is open.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    host: Host,
}

/// Ends a server from another thread.
#[derive(Debug, Clone)]
pub struct Stop {
    stopped: Arc<AtomicBool>,
    address: SocketAddr,
}

impl Stop {
    /// Lets the server end: clients are told so.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // It waits for a client; this is the last one.
        let _ = TcpStream::connect(self.address);
    }
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// An address that is not of loopback without `Reach::Network` and a token, or one that cannot be
    /// bound.
    pub fn open(address: SocketAddr, reach: Reach, host: Host) -> io::Result<Self> {
        if !address.ip().is_loopback() && (reach == Reach::Loopback || host.token.is_none()) {
            let message = format!(
                "{address} is no loopback address: say `--remote`, and what clients have to know \
                 with `--token` or {TOKEN}"
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        Ok(Self { listener: TcpListener::bind(address)?, host })
    }

    /// Where it is.
    ///
    /// # Errors
    /// Trouble with the socket.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves clients, each on a thread of its own, until `stop` is used.
    pub fn serve(&self, stop: &Stop) {
        let (there, left) = (Mutex::new(0), Condvar::new());
        std::thread::scope(|scope| {
            loop {
                let full = |there: &mut usize| *there >= MOST;
                let waiting = there.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = left.wait_while(waiting, full);
                *waited.unwrap_or_else(PoisonError::into_inner) += 1;
                let accepted = self.listener.accept();
                if stop.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let leave = || {
                    *there.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
                    left.notify_one();
                };
                // A connection that failed before it was accepted concerns nobody.
                let Ok((client, _)) = accepted else {
                    leave();
                    continue;
                };
                // Goes with the closure, also where no thread can be had for it.
                let leaving = Leaving(leave);
                let one = move || {
                    let _leaving = leaving;
                    connection::serve(client, &self.host, &stop.stopped);
                };
                let thread = std::thread::Builder::new().name("wokwi".to_owned());
                if let Err(error) = thread.spawn_scoped(scope, one) {
                    self.host.remark(format!("no thread for a client: {error}"));
                }
            }
        });
    }

    /// What ends it.
    ///
    /// # Errors
    /// Trouble with the socket.
    pub fn stop(&self) -> io::Result<Stop> {
        Ok(Stop { stopped: Arc::default(), address: self.address()? })
    }
}

/// Says that a client has left, however its thread ends.
struct Leaving<F: FnMut()>(F);

impl<F: FnMut()> Drop for Leaving<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
