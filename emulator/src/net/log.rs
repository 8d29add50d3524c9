//! What went into a network, and when: enough to make the same network again.
//!
//! Copying a log copies one open chunk at most; the others are shared.

use std::sync::Arc;

use super::order::Order;
use crate::time::Instant;

/// Bytes of frames after which a chunk is closed.
const CHUNK_SIZE: usize = 64 << 10;
/// Inputs after which a chunk is closed.
const CHUNK_INPUTS: usize = 1024;

/// The log.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    closed: Vec<Arc<Chunk>>,
    open: Chunk,
    size: usize,
}

#[derive(Debug, Clone, Default)]
struct Chunk {
    /// The frames, one after the other.
    bytes: Vec<u8>,
    inputs: Vec<(Instant, Entry)>,
}

#[derive(Debug, Clone)]
enum Entry {
    /// The next so many bytes.
    Frame(Port, usize),
    Order(Arc<Order>),
}

/// Something that went into a network.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input<'a> {
    Frame(Port, &'a [u8]),
    Order(&'a Order),
}

/// Where a frame comes in or goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// At the access points.
    Wire,
    /// At the station of a mobile host, by the host's number.
    Mobile(usize),
}

impl Log {
    /// Bytes that the log takes, roughly.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn push_frame(&mut self, port: Port, frame: &[u8], at: Instant) {
        self.make_room(frame.len());
        self.open.bytes.extend_from_slice(frame);
        self.open.inputs.push((at, Entry::Frame(port, frame.len())));
        self.size += frame.len() + size_of::<(Instant, Entry)>();
    }

    pub(super) fn push_order(&mut self, order: Arc<Order>, at: Instant) {
        self.make_room(0);
        self.open.inputs.push((at, Entry::Order(order)));
        self.size += size_of::<(Instant, Entry)>() + size_of::<Order>();
    }

    /// All inputs, the oldest first.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (Instant, Input<'_>)> {
        let chunks = self.closed.iter().map(|chunk| &**chunk).chain(Some(&self.open));
        chunks.flat_map(|chunk| {
            let mut bytes = &chunk.bytes[..];
            chunk.inputs.iter().map(move |(at, entry)| match entry {
                Entry::Frame(port, size) => {
                    let (frame, rest) = bytes.split_at(*size);
                    bytes = rest;
                    (*at, Input::Frame(*port, frame))
                }
                Entry::Order(order) => (*at, Input::Order(order)),
            })
        })
    }

    fn make_room(&mut self, bytes: usize) {
        let is_full =
            self.open.bytes.len() + bytes > CHUNK_SIZE || self.open.inputs.len() >= CHUNK_INPUTS;
        if is_full && !self.open.inputs.is_empty() {
            self.closed.push(Arc::new(std::mem::take(&mut self.open)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::order::{Dhcp, Order};

    #[test]
    fn what_was_pushed_comes_out_in_order_and_chunks_are_shared() {
        let mut log = Log::default();
        let frame = |n: u32| vec![n as u8; 60 + n as usize % 1400];
        for n in 0..3_000 {
            log.push_frame(Port::Mobile(n as usize), &frame(n), Instant::from_ticks(n.into()));
        }
        log.push_order(Arc::new(Order::Dhcp(Dhcp::Silent)), Instant::MAX);
        let copy = log.clone();
        let inputs: Vec<_> = copy.inputs().collect();
        assert_eq!(inputs.len(), 3_001);
        for (n, (at, input)) in inputs[..3_000].iter().enumerate() {
            assert_eq!(at.ticks(), n as u64);
            let Input::Frame(Port::Mobile(port), bytes) = input else { panic!("{input:?}") };
            assert_eq!((*port, bytes.to_vec()), (n, frame(n as u32)));
        }
        assert!(matches!(inputs[3_000].1, Input::Order(Order::Dhcp(Dhcp::Silent))));
        assert!(log.closed.iter().zip(&copy.closed).all(|(a, b)| Arc::ptr_eq(a, b)));
        assert!(copy.open.bytes.len() <= CHUNK_SIZE);
    }
}
