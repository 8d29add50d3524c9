//! One direction of a TCP connection as an onlooker sees it: segments become bytes in order.
//!
//! *Source*: RFC 9293, "Sequence Numbers".
//!
//! Segments may come late, twice, in pieces or overlapping; the first copy of a byte counts, as it
//! does for most receivers. What lies ahead of a gap is kept up to [`AHEAD_LIMIT`].

use std::collections::BTreeMap;

/// Bytes kept ahead of a gap: four times the window that the hosts offer.
pub(super) const AHEAD_LIMIT: usize = 256 << 10;
/// What a kept segment costs besides its bytes.
const SEGMENT_COST: usize = 64;

/// One direction.
#[derive(Debug, Clone)]
pub(super) struct TcpStream {
    /// Sequence number of the next byte in order.
    next: u32,
    /// Bytes seen in order.
    position: u64,
    /// Segments ahead of a gap, by position.
    ahead: BTreeMap<u64, Vec<u8>>,
    ahead_size: usize,
    /// Position of the end, once it was said.
    end: Option<u64>,
    /// Bytes went by unseen.
    is_lost: bool,
}

impl TcpStream {
    /// A direction whose SYN had the sequence number `initial`.
    pub(super) fn new(initial: u32) -> Self {
        Self {
            next: initial.wrapping_add(1),
            position: 0,
            ahead: BTreeMap::new(),
            ahead_size: 0,
            end: None,
            is_lost: false,
        }
    }

    /// Bytes seen in order.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// All bytes up to the end were seen.
    pub(super) fn is_finished(&self) -> bool {
        self.end == Some(self.position)
    }

    /// A segment. What it adds is handed to `deliver`, in order.
    pub(super) fn segment(
        &mut self,
        sequence: u32,
        bytes: &[u8],
        is_last: bool,
        mut deliver: impl FnMut(&[u8]),
    ) {
        if self.is_lost {
            return;
        }
        let Some(start) = self.place(sequence) else {
            // Begins before the first byte: an old copy, or a keep-alive.
            let early = self.next.wrapping_sub(self.position as u32).wrapping_sub(sequence);
            if let Some(rest) = bytes.get(early as usize..).filter(|rest| !rest.is_empty()) {
                let first = sequence.wrapping_add(early);
                self.segment(first, rest, is_last, deliver);
            }
            return;
        };
        if is_last && self.end.is_none() {
            self.end = Some(start + bytes.len() as u64);
        }
        if start > self.position {
            self.keep(start, bytes);
            return;
        }
        self.advance(start, bytes, &mut deliver);
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.position {
                break;
            }
            let (start, bytes) = entry.remove_entry();
            self.ahead_size -= bytes.len() + SEGMENT_COST;
            self.advance(start, &bytes, &mut deliver);
        }
    }

    /// The other side has confirmed everything before `acknowledged`. True, once, if that is more
    /// than was seen and kept, so that the stream has a hole for ever.
    pub(super) fn confirm(&mut self, acknowledged: u32) -> bool {
        if self.is_lost || self.end == Some(self.position) {
            return false;
        }
        let beyond = acknowledged.wrapping_sub(self.next) as i32;
        // An end counts as one number.
        let at_end = i64::from(self.end == Some(self.position + u64::from(beyond.max(0) as u32)));
        if i64::from(beyond) <= at_end {
            return false;
        }
        self.is_lost = true;
        self.ahead.clear();
        self.ahead_size = 0;
        true
    }

    /// The position of a sequence number; none if that is before the first byte.
    fn place(&self, sequence: u32) -> Option<u64> {
        let distance = i64::from(sequence.wrapping_sub(self.next) as i32);
        self.position.checked_add_signed(distance)
    }

    fn advance(&mut self, start: u64, bytes: &[u8], deliver: &mut impl FnMut(&[u8])) {
        let seen = (self.position - start) as usize;
        let end = self.end.map_or(usize::MAX, |end| end.saturating_sub(start) as usize);
        let Some(new) = bytes.get(seen..bytes.len().min(end)).filter(|new| !new.is_empty()) else {
            return;
        };
        self.position += new.len() as u64;
        self.next = self.next.wrapping_add(new.len() as u32);
        deliver(new);
    }

    fn keep(&mut self, start: u64, bytes: &[u8]) {
        let cost = bytes.len() + SEGMENT_COST;
        let is_near = start - self.position <= AHEAD_LIMIT as u64;
        if bytes.is_empty() || !is_near || self.ahead_size + cost > AHEAD_LIMIT {
            return;
        }
        if self.ahead.get(&start).is_some_and(|kept| kept.len() >= bytes.len()) {
            return;
        }
        self.ahead_size += cost;
        if let Some(old) = self.ahead.insert(start, bytes.to_vec()) {
            self.ahead_size -= old.len() + SEGMENT_COST;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Shortly before the numbers wrap.
    const INITIAL: u32 = u32::MAX - 10;

    fn feed(stream: &mut TcpStream, start: usize, bytes: &[u8], is_last: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let sequence = INITIAL.wrapping_add(1).wrapping_add(start as u32);
        stream.segment(sequence, bytes, is_last, |b| out.extend_from_slice(b));
        out
    }

    #[test]
    fn a_gap_is_waited_for_and_a_copy_adds_nothing() {
        let mut stream = TcpStream::new(INITIAL);
        assert_eq!(feed(&mut stream, 0, b"abc", false), b"abc");
        assert_eq!(feed(&mut stream, 6, b"ghi", true), b"");
        assert_eq!(feed(&mut stream, 0, b"XXX", false), b"");
        assert!(!stream.is_finished());
        assert_eq!(feed(&mut stream, 2, b"Cdefg", false), b"defghi");
        assert!(stream.is_finished());
        assert_eq!(stream.position(), 9);
    }

    #[test]
    fn bytes_that_were_confirmed_unseen_are_noticed_once() {
        let mut stream = TcpStream::new(INITIAL);
        let number = |n: u32| INITIAL.wrapping_add(1).wrapping_add(n);
        feed(&mut stream, 0, b"abc", false);
        assert!(!stream.confirm(number(3)));
        assert!(stream.confirm(number(4)));
        assert!(!stream.confirm(number(9)));
        assert_eq!(feed(&mut stream, 3, b"def", false), b"");
    }

    #[test]
    fn a_keep_alive_before_the_first_byte_is_nothing() {
        let mut stream = TcpStream::new(INITIAL);
        let mut out = Vec::new();
        stream.segment(INITIAL, b"\0", false, |b| out.extend_from_slice(b));
        stream.segment(INITIAL, b"\0ab", false, |b| out.extend_from_slice(b));
        assert_eq!(out, b"ab");
    }

    #[test]
    fn what_lies_ahead_is_kept_up_to_the_limit() {
        let mut stream = TcpStream::new(INITIAL);
        for n in 0..100_000 {
            feed(&mut stream, 1 + 2 * n, b"x", false);
        }
        assert!(stream.ahead_size <= AHEAD_LIMIT);
        assert!(stream.ahead.len() <= AHEAD_LIMIT / SEGMENT_COST);
    }

    proptest! {
        #[test]
        fn any_order_of_any_pieces_gives_the_bytes(
            bytes in proptest::collection::vec(any::<u8>(), 1..200),
            pieces in proptest::collection::vec((0_usize..200, 1_usize..50), 0..60),
        ) {
            let mut stream = TcpStream::new(INITIAL);
            let mut out = Vec::new();
            for (start, length) in pieces {
                let start = start % bytes.len();
                let end = bytes.len().min(start + length);
                out.extend(feed(&mut stream, start, &bytes[start..end], end == bytes.len()));
                prop_assert_eq!(&out[..], &bytes[..out.len()]);
            }
            out.extend(feed(&mut stream, 0, &bytes, true));
            prop_assert_eq!(out, bytes);
            prop_assert!(stream.is_finished());
        }
    }
}
