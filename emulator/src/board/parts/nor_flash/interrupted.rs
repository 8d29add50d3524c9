//! What a program or an erase leaves behind that loses power, or is reset, before its end.
//!
//! Source: W25Q32FV datasheet: an interrupted operation may leave the data corrupt; program time
//! grows with the number of bytes. How it looks inside is not specified there; the order of an
//! erase is that of the Am29F and S29 families' data sheets ("embedded erase": program everything to
//! zero first, then erase all cells of the block at once).
//! Modelled: a program has dealt with its bytes in their order; of the byte under way half of the
//! bits are done. An erase has in the first half of its time programmed the bytes to zero, in their
//! order; in the second half cells become ones, each at a moment of its own.
//! Not modelled: cells between zero and one, which read differently from time to time.

use super::{Contents, PROGRAM_PAGE};
use crate::time::Duration;

/// How much of an operation's time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u8);

impl Share {
    /// A hundred per cent and more is all of it.
    pub const fn percent(percent: u8) -> Self {
        Self(if percent < 100 { percent } else { 100 })
    }

    /// That share of `n`, rounded down.
    fn of(self, n: usize) -> usize {
        n * usize::from(self.0) / 100
    }
}

/// An operation that has begun. The array has its result from the first moment; this knows the way
/// back.
#[derive(Debug, Clone)]
pub(super) struct Running {
    kind: Kind,
    /// The page or block.
    start: u32,
    /// Its bytes before.
    before: Vec<u8>,
    time: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Of `count` bytes from the one at `first` on, around the end of the page.
    Program {
        first: usize,
        count: usize,
    },
    Erase,
}

impl Running {
    /// A program in the page at `page`, not yet done.
    pub(super) fn program(
        page: u32,
        first: usize,
        count: usize,
        time: Duration,
        contents: &Contents,
    ) -> Self {
        Self::new(Kind::Program { first, count }, page, PROGRAM_PAGE, time, contents)
    }

    /// An erase of `length` bytes, not yet done.
    pub(super) fn erase(start: u32, length: u32, time: Duration, contents: &Contents) -> Self {
        Self::new(Kind::Erase, start, length, time, contents)
    }

    fn new(kind: Kind, start: u32, length: u32, time: Duration, contents: &Contents) -> Self {
        let mut before = vec![0; length as usize];
        contents.read(start, &mut before);
        Self { kind, start, before, time }
    }

    pub(super) fn erases(&self) -> bool {
        matches!(self.kind, Kind::Erase)
    }

    /// How long it takes as a whole.
    pub(super) fn time(&self) -> Duration {
        self.time
    }

    /// How much is done when this time remains.
    pub(super) fn share_without(&self, remaining: Duration) -> Share {
        let done = self.time.saturating_sub(remaining);
        Share::percent((done.ticks() * 100 / self.time.ticks().max(1)) as u8)
    }

    /// Leaves it unfinished.
    pub(super) fn interrupt(self, share: Share, contents: &mut Contents) {
        if share == Share::percent(100) {
            return;
        }
        let mut bytes = self.before;
        match self.kind {
            Kind::Program { first, count } => {
                let mut after = [0; PROGRAM_PAGE as usize];
                contents.read(self.start, &mut after);
                let done = share.of(count);
                for n in 0..=done {
                    let at = (first + n) % after.len();
                    let untouched = match (n < done, share.0) {
                        (true, _) => 0,
                        (false, 0) => 0xff,
                        (false, _) => 0xf0,
                    };
                    bytes[at] &= after[at] | untouched;
                }
            }
            Kind::Erase if share.0 < 50 => {
                let programmed = Share(2 * share.0).of(bytes.len());
                bytes[..programmed].fill(0);
            }
            Kind::Erase => {
                for (address, byte) in (self.start..).zip(&mut bytes) {
                    *byte = erased_bits(address, share.0 - 50);
                }
            }
        }
        contents.store(self.start, &bytes);
    }
}

/// The bits of a byte that are ones when that many 50ths of the erasing proper have passed. Which
/// cells come early is a property of the chip.
fn erased_bits(address: u32, share: u8) -> u8 {
    (0..8).filter(|&bit| moment(address * 8 + bit) < share).fold(0, |byte, bit| byte | 1 << bit)
}

/// When a cell becomes a one, in 50ths.
fn moment(cell: u32) -> u8 {
    (cell.wrapping_mul(0x9e37_79b9).rotate_left(15).wrapping_mul(0x85eb_ca6b) >> 16) as u8 % 50
}
