//! Tables that find code by a hash of its address, as fast as an index can.
//!
//! They are emptied whenever code or its mapping changes, which firmware does for each command to the
//! flash. What little is in them by then is emptied, and not the whole of them: that would cost a boot a
//! sixth of its time, and the host's caches what they hold.

/// What a table keeps.
pub(super) trait Entry: Copy {
    /// One without code, for an address that is never looked for at index `n`.
    fn empty(n: usize) -> Self;
    /// Whether this is one.
    fn is_empty(&self) -> bool;
}

/// A table of `N` entries, at most 65,536. They lie where they are for as long as it lives.
#[derive(Debug, Clone)]
pub(super) struct JumpTable<E, const N: usize> {
    entries: Box<[E; N]>,
    /// Indices of those that are not empty.
    taken: Vec<u16>,
}

impl<E: Entry, const N: usize> JumpTable<E, N> {
    pub(super) fn new() -> Self {
        const { assert!(N <= 1 << 16) };
        let mut entries = Box::new([E::empty(0); N]);
        entries.iter_mut().enumerate().for_each(|(n, entry)| *entry = E::empty(n));
        Self { entries, taken: Vec::new() }
    }

    #[inline(always)]
    pub(super) fn get(&self, n: usize) -> E {
        self.entries[n]
    }

    /// An entry, to be changed but not to be made empty, nor filled if it is.
    #[inline(always)]
    pub(super) fn get_mut(&mut self, n: usize) -> &mut E {
        &mut self.entries[n]
    }

    /// Puts an entry; the one that was there before.
    pub(super) fn put(&mut self, n: usize, entry: E) -> E {
        let before = std::mem::replace(&mut self.entries[n], entry);
        if before.is_empty() {
            self.taken.push(n as u16);
        }
        before
    }

    pub(super) fn clear(&mut self) {
        for n in self.taken.drain(..) {
            self.entries[usize::from(n)] = E::empty(n.into());
        }
    }

    /// The first entry.
    pub(super) fn as_ptr(&self) -> *const E {
        self.entries.as_ptr()
    }
}
