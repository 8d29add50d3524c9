//! FIFO of a UART in the memory that all UARTs share.
//!
//! *Source*: ESP32 Technical Reference Manual, chapter "UART Controller"; address fields from
//! ESP-IDF `soc/uart_struct.h`.
//!
//! *Modelled*: 128 bytes in order, and the read and write addresses that firmware can see.
//!
//! *Not modelled*: other sizes.

use std::collections::VecDeque;

/// Bytes that each FIFO holds.
pub const FIFO_DEPTH: usize = 128;

/// A FIFO in the shared UART memory, whose read and write addresses the firmware can see.
#[derive(Debug, Clone)]
pub(super) struct Fifo {
    bytes: VecDeque<u8>,
    read: u32,
    /// Address of the first byte, in bytes.
    base: u32,
}

impl Fifo {
    pub(super) fn new(base: u32) -> Self {
        Self { bytes: VecDeque::with_capacity(FIFO_DEPTH), read: 0, base }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= FIFO_DEPTH
    }

    /// Appends a byte; false, and no change, when there is no room.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        let room = !self.is_full();
        if room {
            self.bytes.push_back(byte);
        }
        room
    }

    pub(super) fn pop(&mut self) -> Option<u8> {
        let byte = self.bytes.pop_front()?;
        self.read = (self.read + 1) % FIFO_DEPTH as u32;
        Some(byte)
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.read = 0;
    }

    /// Read address in bits 12:2, write address in bits 23:13.
    pub(super) fn pointers(&self) -> u32 {
        let write = (self.read + self.len() as u32) % FIFO_DEPTH as u32;
        ((self.base + self.read) << 2) | ((self.base + write) << 13)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_wrap_and_meet_when_the_fifo_is_full_or_empty() {
        let mut fifo = Fifo::new(384);
        for byte in 0..100 {
            assert!(fifo.push(byte));
            assert_eq!(fifo.pop(), Some(byte));
        }
        for byte in 0..128 {
            assert!(fifo.push(byte));
        }
        assert!(!fifo.push(0));
        let address = (384 + 100) << 2 | (384 + 100) << 13;
        assert_eq!(fifo.pointers(), address);
        assert_eq!(fifo.pop(), Some(0));
        assert_eq!(fifo.pointers(), (384 + 101) << 2 | (384 + 100) << 13);
    }
}
