//! Test support: files that were right until something happened to them.

/// Damaged copies of a file, the same in every run.
pub(super) struct Mutations<'a> {
    good: &'a [u8],
    state: u64,
}

/// Values that lengths, counts and addresses are most likely to be mishandled at.
const EDGES: [u32; 10] = [
    0,
    1,
    3,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffc,
    u32::MAX,
    0x1000_0000,
    0x3f40_0000,
    0x400d_ffff,
];

impl<'a> Mutations<'a> {
    pub(super) fn of(good: &'a [u8]) -> Self {
        Self { good, state: 0x9e37_79b9_7f4a_7c15 }
    }

    /// 0 to `n` - 1.
    fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 16) as usize % n.max(1)
    }

    /// A place: often near the start, where the headers are.
    fn place(&mut self, length: usize) -> usize {
        let limit = if self.below(2) == 0 { length.min(96) } else { length };
        self.below(limit)
    }

    /// The next damaged copy: one to four changes, each of some bytes, a word, or the length.
    pub(super) fn next(&mut self) -> Vec<u8> {
        let mut bytes = self.good.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.place(bytes.len());
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..(at + 1 + self.below(40)).min(bytes.len()))),
                2 => {
                    let piece = self.good[self.place(self.good.len())..].iter().take(32);
                    drop(bytes.splice(at..at, piece.copied().collect::<Vec<_>>()));
                }
                3 | 4 => {
                    let edge = EDGES[self.below(EDGES.len())];
                    let small = self.below(200) as u32;
                    let value = if self.below(2) == 0 { edge } else { small };
                    let word = bytes.iter_mut().skip(at & !3).take(4);
                    word.zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = self.below(256) as u8;
                    }
                }
            }
        }
        bytes
    }
}
