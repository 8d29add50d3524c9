//! A layer of security between a connection and the service on it, such as TLS.
//!
//! Which one is the business of the network's owner, who brings it along: it is a function from bytes
//! to bytes, so that the run stays one of its inputs. Nothing of it can be copied; like the connection
//! itself it is made anew from the log when a network is.

use std::fmt;
use std::sync::Arc;

use super::stream::Stream;
use smoltcp::socket::tcp;

/// Bytes that were secured and wait for room in the connection.
const PENDING_LIMIT: usize = 32 << 10;

/// Secures the connections of a server.
pub trait Secure: fmt::Debug + Send + Sync {
    /// The server's end of a connection. All that it will say must follow from this number, which
    /// is another one for each connection, and from what it is given.
    fn accept(&self, number: u64) -> Box<dyn SecureEnd>;
}

/// The server's end of one connection.
pub trait SecureEnd: fmt::Debug + Send + Sync {
    /// Takes what has come from the station.
    ///
    /// # Errors
    /// What is wrong with it, in a few words; nothing is taken any more then, but there may be
    /// [`Self::take_output`].
    fn receive(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// What the station has said, as far as it is known by now and was not taken.
    fn take_plain(&mut self) -> Vec<u8>;
    /// Says something to the station.
    fn send(&mut self, plain: &[u8]);
    /// Says that nothing more will be said.
    fn close(&mut self);
    /// Bytes for the station, secured, that were not taken.
    fn take_output(&mut self) -> Vec<u8>;
    /// Whether the station has said that it will say no more.
    fn is_finished(&self) -> bool;
    /// What was agreed on, in a few words, as soon as it is.
    fn agreement(&self) -> Option<String>;
}

/// What secures the connections of a service.
#[derive(Debug, Clone)]
pub struct Security(pub Arc<dyn Secure>);

impl PartialEq for Security {
    /// The same one: two that do the same cannot be told from two that do not.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Security {}

/// A connection with its security.
#[derive(Debug)]
pub(super) struct Layer {
    end: Box<dyn SecureEnd>,
    /// What the station has said and nobody has read.
    plain: Vec<u8>,
    /// What was secured and is to be sent.
    pending: Vec<u8>,
    is_closing: bool,
    has_failed: bool,
    is_agreed: bool,
}

/// What came of the latest bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Agreed(String),
    Failed(String),
}

impl Layer {
    pub(super) fn new(end: Box<dyn SecureEnd>) -> Self {
        Self {
            end,
            plain: Vec::new(),
            pending: Vec::new(),
            is_closing: false,
            has_failed: false,
            is_agreed: false,
        }
    }

    /// Takes what has come: whether something has, what the station has said with it, and what there
    /// is to tell.
    pub(super) fn pull(
        &mut self,
        socket: &mut tcp::Socket<'static>,
    ) -> (bool, Vec<u8>, Option<News>) {
        let mut news = None;
        let mut moved = false;
        let before = self.plain.len();
        // What nobody reads closes the station's window, as it does without security.
        while Stream::can_recv(socket) && (self.has_failed || self.plain.len() < PENDING_LIMIT) {
            let mut came = Vec::new();
            Stream::recv(socket, &mut |bytes| {
                came.extend_from_slice(bytes);
                bytes.len()
            });
            moved = true;
            if self.has_failed {
                continue;
            }
            let result = self.end.receive(&came);
            self.plain.extend(self.end.take_plain());
            if let Err(why) = result {
                self.has_failed = true;
                self.is_closing = true;
                news = Some(News::Failed(why));
            }
        }
        if !self.is_agreed
            && news.is_none()
            && let Some(agreement) = self.end.agreement()
        {
            self.is_agreed = true;
            news = Some(News::Agreed(agreement));
        }
        (moved, self.plain[before..].to_vec(), news)
    }

    /// Sends what waits. True if that may give the stack something to do.
    pub(super) fn push(&mut self, socket: &mut tcp::Socket<'static>) -> bool {
        self.pending.extend(self.end.take_output());
        let sent = Stream::send(socket, &self.pending);
        self.pending.drain(..sent);
        let closes = self.is_closing && self.pending.is_empty() && socket.may_send();
        if closes {
            Stream::close(socket);
        }
        sent > 0 || closes
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Whether something waits to be sent.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn on<'a>(&'a mut self, socket: &'a mut tcp::Socket<'static>) -> Secured<'a> {
        Secured { layer: self, socket, said: Vec::new() }
    }
}

/// A secured connection as a service sees it.
pub(super) struct Secured<'a> {
    layer: &'a mut Layer,
    socket: &'a mut tcp::Socket<'static>,
    /// What the service has said.
    pub(super) said: Vec<u8>,
}

impl Stream for Secured<'_> {
    fn can_recv(&self) -> bool {
        !self.layer.plain.is_empty()
    }

    fn may_recv(&self) -> bool {
        self.can_recv() || (!self.layer.end.is_finished() && Stream::may_recv(self.socket))
    }

    fn recv(&mut self, take: &mut dyn FnMut(&[u8]) -> usize) -> usize {
        let taken = take(&self.layer.plain);
        self.layer.plain.drain(..taken);
        taken
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        if !self.layer.is_agreed || self.layer.is_closing {
            return 0;
        }
        let sent = bytes.len().min(PENDING_LIMIT.saturating_sub(self.layer.pending.len()));
        if sent > 0 {
            self.layer.end.send(&bytes[..sent]);
            self.layer.pending.extend(self.layer.end.take_output());
            self.said.extend_from_slice(&bytes[..sent]);
        }
        sent
    }

    fn unconfirmed(&self) -> usize {
        self.layer.pending.len() + self.socket.unconfirmed()
    }

    fn close(&mut self) {
        if !std::mem::replace(&mut self.layer.is_closing, true) {
            self.layer.end.close();
        }
    }

    fn abort(&mut self) {
        self.layer.pending.clear();
        Stream::abort(self.socket);
    }
}
