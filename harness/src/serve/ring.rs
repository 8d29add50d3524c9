//! What a board said and a door has not delivered yet: bounded, the oldest bytes go first.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Bytes kept for a client that is absent or slow.
const CAPACITY: usize = 256 << 10;

/// Bytes between the machine's thread and a door.
#[derive(Debug, Default)]
pub struct Ring {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    dropped: u64,
}

impl Ring {
    /// Adds bytes; never waits.
    pub fn push(&self, bytes: &[u8]) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.bytes.extend(bytes);
            let excess = state.bytes.len().saturating_sub(CAPACITY);
            state.bytes.drain(..excess);
            state.dropped += excess as u64;
        }
        self.filled.notify_one();
    }

    /// Forgets the bytes there are.
    pub fn clear(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).bytes.clear();
    }

    /// All bytes there are, and how many were dropped since the last call; waits until there are
    /// any. Bytes that a cancelled call would have given are still there.
    pub async fn take(&self) -> (Vec<u8>, u64) {
        loop {
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if !state.bytes.is_empty() {
                    return (state.bytes.drain(..).collect(), std::mem::take(&mut state.dropped));
                }
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_bytes_are_dropped_and_counted() {
        let ring = Ring::default();
        ring.push(b"old");
        ring.push(&[7; CAPACITY]);
        let (bytes, dropped) = ring.take().await;
        assert_eq!((bytes, dropped), (vec![7; CAPACITY], 3));
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let ring = std::sync::Arc::new(Ring::default());
        let writer = ring.clone();
        let reader = tokio::spawn(async move { ring.take().await.0 });
        tokio::task::yield_now().await;
        writer.push(b"now");
        assert_eq!(reader.await.unwrap(), b"now");
    }
}
