//! The server's end of a connection, as services see it: bytes in order, whatever carries them.

use smoltcp::socket::tcp;

/// A connection.
pub(super) trait Stream {
    /// Whether there is something to read.
    fn can_recv(&self) -> bool;
    /// Whether there is, or may still come, something to read.
    fn may_recv(&self) -> bool;
    /// Hands what has come to `take`, which says how much of it it took. How much that was.
    fn recv(&mut self, take: &mut dyn FnMut(&[u8]) -> usize) -> usize;
    /// Sends as much as there is room for. How much that was.
    fn send(&mut self, bytes: &[u8]) -> usize;
    /// Bytes that were sent and that the station has not confirmed.
    fn unconfirmed(&self) -> usize;
    /// Says that nothing more will be sent.
    fn close(&mut self);
    /// Resets the connection.
    fn abort(&mut self);
}

impl Stream for tcp::Socket<'static> {
    fn can_recv(&self) -> bool {
        tcp::Socket::can_recv(self)
    }

    fn may_recv(&self) -> bool {
        tcp::Socket::may_recv(self) || tcp::Socket::can_recv(self)
    }

    fn recv(&mut self, take: &mut dyn FnMut(&[u8]) -> usize) -> usize {
        let taken = tcp::Socket::recv(self, |bytes| {
            let taken = take(bytes);
            (taken, taken)
        });
        taken.unwrap_or(0)
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        self.send_slice(bytes).unwrap_or(0)
    }

    fn unconfirmed(&self) -> usize {
        self.send_queue()
    }

    fn close(&mut self) {
        tcp::Socket::close(self);
    }

    fn abort(&mut self) {
        tcp::Socket::abort(self);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::Stream;

    /// A connection in memory that takes and gives so many bytes at a time.
    pub(in crate::net) struct Pipe {
        pub(in crate::net) coming: Vec<u8>,
        pub(in crate::net) sent: Vec<u8>,
        pub(in crate::net) piece: usize,
        pub(in crate::net) has_finished: bool,
        pub(in crate::net) is_closed: bool,
        pub(in crate::net) is_reset: bool,
    }

    impl Pipe {
        pub(in crate::net) fn new(piece: usize) -> Self {
            let (coming, sent) = (Vec::new(), Vec::new());
            Self { coming, sent, piece, has_finished: false, is_closed: false, is_reset: false }
        }
    }

    impl Stream for Pipe {
        fn can_recv(&self) -> bool {
            !self.coming.is_empty()
        }

        fn may_recv(&self) -> bool {
            self.can_recv() || !self.has_finished
        }

        fn recv(&mut self, take: &mut dyn FnMut(&[u8]) -> usize) -> usize {
            let taken = take(&self.coming[..self.coming.len().min(self.piece)]);
            self.coming.drain(..taken);
            taken
        }

        fn send(&mut self, bytes: &[u8]) -> usize {
            let sent = bytes.len().min(self.piece);
            self.sent.extend_from_slice(&bytes[..sent]);
            sent
        }

        fn unconfirmed(&self) -> usize {
            0
        }

        fn close(&mut self) {
            self.is_closed = true;
        }

        fn abort(&mut self) {
            self.is_reset = true;
        }
    }
}
