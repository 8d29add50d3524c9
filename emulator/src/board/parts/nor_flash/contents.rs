//! The memory array of a flash chip: shared pages, written by copy.
//!
//! Source: our own design; page size is that of the flash MMU, so that a mapped page is one slice.
//! Modelled: cheap clones and blank space; a generation per page and a list of changed ranges, by
//! which caches of decoded code learn of programs and erases.
//! Not modelled: wear.

use std::ops::Range;
use std::sync::Arc;

/// A page of the flash MMU.
pub type Page = [u8; PAGE_SIZE as usize];

/// Bytes of a [`Page`].
pub const PAGE_SIZE: u32 = 0x1_0000;

/// More separate ranges than this are reported as one that covers them all.
const MAX_CHANGES: usize = 256;

/// The array. Addresses wrap at its size, a power of two, as the chip ignores higher bits.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    pages: Vec<Arc<Page>>,
    generations: Vec<u32>,
    epoch: u64,
    blank: Arc<Page>,
    changes: Vec<Range<u32>>,
}

impl Contents {
    /// An erased array of `pages` pages, a power of two.
    pub(super) fn new(pages: u32) -> Self {
        let blank = Arc::new([0xff; PAGE_SIZE as usize]);
        let count = pages.max(1).next_power_of_two() as usize;
        Self {
            pages: vec![blank.clone(); count],
            generations: vec![0; count],
            epoch: 0,
            blank,
            changes: Vec::new(),
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.pages.len() as u32 * PAGE_SIZE
    }

    fn index(&self, page: u32) -> usize {
        page as usize & (self.pages.len() - 1)
    }

    pub(super) fn page(&self, page: u32) -> &Page {
        &self.pages[self.index(page)]
    }

    pub(super) fn generation(&self, page: u32) -> u32 {
        self.generations[self.index(page)]
    }

    /// Changes with every change: while it is equal, pages are where they were.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn take_changes(&mut self) -> Vec<Range<u32>> {
        std::mem::take(&mut self.changes)
    }

    /// Reads from `address` on, around the end of the array.
    pub(super) fn read(&self, address: u32, buf: &mut [u8]) {
        let mut address = address;
        let mut rest = buf;
        while !rest.is_empty() {
            let page = self.page(address / PAGE_SIZE);
            let source = &page[(address % PAGE_SIZE) as usize..];
            let count = source.len().min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&source[..count]);
            rest = later;
            address = address.wrapping_add(count as u32);
        }
    }

    /// Sets `length` bytes from `address` to ones.
    pub(super) fn erase(&mut self, address: u32, length: u32) {
        let blank = self.blank.clone();
        self.change(address, length, |page, range, _| {
            if range.len() == PAGE_SIZE as usize {
                *page = blank.clone();
            } else if page[range.clone()].iter().any(|byte| *byte != 0xff) {
                Arc::make_mut(page)[range].fill(0xff);
            }
        });
    }

    /// Clears the bits that are zero in `data`.
    pub(super) fn program(&mut self, address: u32, data: &[u8]) {
        self.change(address, data.len() as u32, |page, range, done| {
            let target = &mut Arc::make_mut(page)[range];
            for (to, from) in target.iter_mut().zip(&data[done..]) {
                *to &= from;
            }
        });
    }

    /// Replaces the bytes from `address` on.
    pub(super) fn store(&mut self, address: u32, data: &[u8]) {
        self.change(address, data.len() as u32, |page, range, done| {
            let source = &data[done..done + range.len()];
            if page[range.clone()] != *source {
                Arc::make_mut(page)[range].copy_from_slice(source);
            }
        });
    }

    /// Applies `write(page, range in the page, bytes done before)` page by page and notes the
    /// change.
    fn change(
        &mut self,
        address: u32,
        length: u32,
        mut write: impl FnMut(&mut Arc<Page>, Range<usize>, usize),
    ) {
        self.epoch += 1;
        let mut at = address & (self.size() - 1);
        let mut done = 0;
        while done < length {
            let start = at % PAGE_SIZE;
            let count = (PAGE_SIZE - start).min(length - done);
            let index = self.index(at / PAGE_SIZE);
            write(&mut self.pages[index], start as usize..(start + count) as usize, done as usize);
            self.generations[index] = self.generations[index].wrapping_add(1);
            self.note(at..at + count);
            done += count;
            at = (at + count) & (self.size() - 1);
        }
    }

    fn note(&mut self, range: Range<u32>) {
        if let Some(last) = self.changes.last_mut()
            && range.start <= last.end
            && last.start <= range.end
        {
            *last = last.start.min(range.start)..last.end.max(range.end);
            return;
        }
        self.changes.push(range);
        if self.changes.len() > MAX_CHANGES {
            let start = self.changes.iter().map(|r| r.start).min().unwrap_or(0);
            let end = self.changes.iter().map(|r| r.end).max().unwrap_or(0);
            self.changes.clear();
            self.changes.push(start..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_shares_pages_until_one_is_written() {
        let mut one = Contents::new(4);
        one.store(0x1_0000, &[1, 2, 3]);
        let two = one.clone();
        assert!(Arc::ptr_eq(&one.pages[1], &two.pages[1]));
        assert!(Arc::ptr_eq(&one.pages[0], &two.pages[3]));
        one.program(0x1_0000, &[0]);
        assert_eq!((one.page(1)[0], two.page(1)[0]), (0, 1));
        one.erase(0x1_0000, PAGE_SIZE);
        assert!(Arc::ptr_eq(&one.pages[1], &one.pages[0]));
    }

    #[test]
    fn writes_cross_pages_and_bump_the_generation_of_each() {
        let mut contents = Contents::new(2);
        contents.store(0xffff, &[1, 2]);
        assert_eq!((contents.generation(0), contents.generation(1)), (1, 1));
        let mut buf = [0; 3];
        contents.read(0xfffe, &mut buf);
        assert_eq!(buf, [0xff, 1, 2]);
        assert_eq!(contents.take_changes().first(), Some(&(0xffff..0x1_0001)));
        contents.read(0x1_ffff, &mut buf);
        assert_eq!(buf, [0xff, 0xff, 0xff]);
        assert!(contents.take_changes().is_empty());
    }

    #[test]
    fn the_list_of_changes_is_bounded() {
        let mut contents = Contents::new(1);
        for at in 0..1000 {
            contents.program(at * 16 % PAGE_SIZE, &[0]);
        }
        assert!(contents.changes.len() <= MAX_CHANGES + 1);
        assert_eq!(contents.take_changes()[0].start, 0);
    }
}
