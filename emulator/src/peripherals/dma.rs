//! Linked-list DMA as SPI, I2S and other blocks share it: the memory port and the descriptor.
//!
//! Source: ESP32 Technical Reference Manual, chapter "DMA Controller (DMA)", section "Linked
//! List"; field positions of word 0 from `lldesc_t` of ESP-IDF v5.0.
//! Modelled: size, length, end-of-frame, owner, buffer and next pointer; reading a list, filling a
//! list with write-back of length, end-of-frame and owner; lists that are circular or broken.
//! Not modelled: burst modes, sub-frames (`sosf`), the ownership check (firmware of this chip
//! leaves it off), bus bandwidth.

/// The memory that a DMA engine sees; the wiring implements it over internal RAM.
pub trait DmaMemory {
    /// Fills `buf` from `address`; `false`: some byte is not reachable by DMA, `buf` is undefined.
    #[must_use]
    fn read(&mut self, address: u32, buf: &mut [u8]) -> bool;

    /// Stores `data` at `address`; `false`: some byte is not reachable by DMA.
    #[must_use]
    fn write(&mut self, address: u32, data: &[u8]) -> bool;
}

/// A port without memory behind it, for masters that have no DMA engine, such as SPI0.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMemory;

impl DmaMemory for NoMemory {
    fn read(&mut self, _address: u32, _buf: &mut [u8]) -> bool {
        false
    }

    fn write(&mut self, _address: u32, _data: &[u8]) -> bool {
        false
    }
}

/// Who may use a descriptor's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Software: the engine has finished with it.
    Cpu,
    /// The DMA engine.
    Dma,
}

/// One element of a list, twelve bytes in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Where it lies.
    pub address: u32,
    /// Capacity of the buffer in bytes, 0 to 4095.
    pub size: u16,
    /// Valid bytes in the buffer, 0 to 4095: given by software for output, by the engine for input.
    pub length: u16,
    /// Last descriptor of a frame.
    pub eof: bool,
    /// Current owner.
    pub owner: Owner,
    /// Address of the buffer.
    pub buffer: u32,
    /// Address of the next descriptor; 0 ends the list.
    pub next: u32,
    /// Bits of word 0 that the engine passes through: `sosf` and the software's offset field.
    other: u32,
}

const OWNER: u32 = 1 << 31;
const EOF: u32 = 1 << 30;
const OTHER: u32 = 0x3f00_0000;
const FIELD: u32 = 0xfff;

/// Most descriptors that one transfer follows, so that a circle of empty ones comes to an end.
const MAX_DESCRIPTORS: usize = 8192;

impl Descriptor {
    /// Bytes of a descriptor.
    pub const BYTES: u32 = 12;

    /// Reads the descriptor at `address`; `None`: DMA cannot reach it.
    pub fn load(address: u32, memory: &mut dyn DmaMemory) -> Option<Self> {
        let mut raw = [0; Self::BYTES as usize];
        memory.read(address, &mut raw).then(|| {
            let word = |i: usize| u32::from_le_bytes([raw[i], raw[i + 1], raw[i + 2], raw[i + 3]]);
            Self::from_words(address, [word(0), word(4), word(8)])
        })
    }

    /// A descriptor from its three words.
    pub fn from_words(address: u32, [head, buffer, next]: [u32; 3]) -> Self {
        Self {
            address,
            size: (head & FIELD) as u16,
            length: (head >> 12 & FIELD) as u16,
            eof: head & EOF != 0,
            owner: if head & OWNER == 0 { Owner::Cpu } else { Owner::Dma },
            buffer,
            next,
            other: head & OTHER,
        }
    }

    /// Word 0 as it stands in memory.
    pub fn head(&self) -> u32 {
        let owner = if self.owner == Owner::Dma { OWNER } else { 0 };
        let eof = if self.eof { EOF } else { 0 };
        owner
            | eof
            | self.other
            | (u32::from(self.length) & FIELD) << 12
            | u32::from(self.size) & FIELD
    }

    /// Returns the descriptor to software with `length` received bytes; `false` as in
    /// [`DmaMemory::write`].
    #[must_use]
    pub fn hand_back(&mut self, length: u16, eof: bool, memory: &mut dyn DmaMemory) -> bool {
        self.length = length;
        self.eof = eof;
        self.owner = Owner::Cpu;
        memory.write(self.address, &self.head().to_le_bytes())
    }

    /// The next descriptor's address, `None` at the end of the list.
    pub fn next(&self) -> Option<u32> {
        (self.next != 0).then_some(self.next)
    }
}

/// The address that the 20-bit field of an `OUT_LINK` or `IN_LINK` register means; `None` for a
/// null pointer, which drivers use to run an engine without a list.
pub fn link_address(link: u32) -> Option<u32> {
    let field = link & 0xf_ffff;
    (field != 0).then_some(0x3ff0_0000 | field)
}

/// How a walk over a list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All bytes that were asked for have been moved.
    Complete,
    /// A descriptor with end-of-frame, or the last one of the list, came first.
    OutOfDescriptors,
    /// A descriptor or buffer lies where DMA does not reach, or the list has only empty elements.
    Broken,
}

/// Result of a walk over a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// How it ended.
    pub end: End,
    /// Bytes moved.
    pub moved: usize,
    /// The last descriptor that was used.
    pub last: Option<Descriptor>,
}

/// Reads up to `out.len()` bytes from the list at `first`.
pub fn gather(first: u32, out: &mut [u8], memory: &mut dyn DmaMemory) -> Walk {
    let mut walk = Walk { end: End::Broken, moved: 0, last: None };
    let mut at = Some(first);
    for _ in 0..MAX_DESCRIPTORS {
        if walk.moved == out.len() {
            walk.end = End::Complete;
            break;
        }
        let Some(address) = at else {
            walk.end = End::OutOfDescriptors;
            break;
        };
        let Some(descriptor) = Descriptor::load(address, memory) else { break };
        let count = usize::from(descriptor.length).min(out.len() - walk.moved);
        let target = &mut out[walk.moved..walk.moved + count];
        if !memory.read(descriptor.buffer, target) {
            break;
        }
        walk.moved += count;
        walk.last = Some(descriptor);
        at = descriptor.next().filter(|_| !descriptor.eof);
    }
    walk
}

/// Writes `data` into the list at `first`; each used descriptor is handed back, the last one with
/// end-of-frame.
pub fn scatter(first: u32, data: &[u8], memory: &mut dyn DmaMemory) -> Walk {
    let mut walk = Walk { end: End::Broken, moved: 0, last: None };
    let mut at = Some(first);
    for _ in 0..MAX_DESCRIPTORS {
        if walk.moved == data.len() {
            walk.end = End::Complete;
            break;
        }
        let Some(address) = at else {
            walk.end = End::OutOfDescriptors;
            break;
        };
        let Some(mut descriptor) = Descriptor::load(address, memory) else { break };
        let count = usize::from(descriptor.size).min(data.len() - walk.moved);
        let part = &data[walk.moved..walk.moved + count];
        let eof = walk.moved + count == data.len();
        let stored = memory.write(descriptor.buffer, part);
        if !stored || !descriptor.hand_back(count as u16, eof, memory) {
            break;
        }
        walk.moved += count;
        walk.last = Some(descriptor);
        at = descriptor.next();
    }
    walk
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u32 = 0x3ffb_0000;

    struct Ram([u8; 256]);

    impl Ram {
        fn put(&mut self, address: u32, words: [u32; 3]) {
            for (i, word) in (0..).zip(words) {
                assert!(self.write(address + 4 * i, &word.to_le_bytes()));
            }
        }
    }

    impl DmaMemory for Ram {
        fn read(&mut self, address: u32, buf: &mut [u8]) -> bool {
            let at = address.wrapping_sub(BASE) as usize;
            let Some(source) = self.0.get(at..at.saturating_add(buf.len())) else { return false };
            buf.copy_from_slice(source);
            true
        }

        fn write(&mut self, address: u32, data: &[u8]) -> bool {
            let at = address.wrapping_sub(BASE) as usize;
            let Some(target) = self.0.get_mut(at..at.saturating_add(data.len())) else {
                return false;
            };
            target.copy_from_slice(data);
            true
        }
    }

    fn two_descriptors(next: u32) -> Ram {
        let mut ram = Ram([0; 256]);
        ram.put(BASE, [OWNER | 3 << 12 | 4, BASE + 0x80, BASE + 0x20]);
        ram.put(BASE + 0x20, [OWNER | 2 << 12 | 4, BASE + 0x90, next]);
        assert!(ram.write(BASE + 0x80, b"abc") && ram.write(BASE + 0x90, b"de"));
        ram
    }

    #[test]
    fn a_list_is_read_in_order_and_its_end_is_told() {
        let mut ram = two_descriptors(0);
        let mut out = [0; 5];
        let walk = gather(BASE, &mut out, &mut ram);
        assert_eq!((walk.end, walk.moved, &out), (End::Complete, 5, b"abcde"));
        let walk = gather(BASE, &mut [0; 6], &mut ram);
        assert_eq!((walk.end, walk.moved), (End::OutOfDescriptors, 5));
        assert_eq!(walk.last.map(|d| d.address), Some(BASE + 0x20));
    }

    #[test]
    fn a_filled_list_is_handed_back_with_lengths_and_one_end_of_frame() {
        let mut ram = two_descriptors(0);
        let walk = scatter(BASE, b"vwxyz", &mut ram);
        assert_eq!((walk.end, walk.moved), (End::Complete, 5));
        let first = Descriptor::load(BASE, &mut ram).unwrap();
        let second = Descriptor::load(BASE + 0x20, &mut ram).unwrap();
        assert_eq!((first.length, first.eof, first.owner), (4, false, Owner::Cpu));
        assert_eq!((second.length, second.eof, second.owner), (1, true, Owner::Cpu));
        assert_eq!(&ram.0[0x80..0x84], b"vwxy");
        assert_eq!(ram.0[0x90], b'z');
    }

    #[test]
    fn circles_of_empty_descriptors_and_wild_pointers_end() {
        let mut ram = Ram([0; 256]);
        ram.put(BASE, [OWNER, BASE, BASE]);
        assert_eq!(gather(BASE, &mut [0; 4], &mut ram).end, End::Broken);
        assert_eq!(scatter(BASE, &[0; 4], &mut ram).end, End::Broken);
        assert_eq!(gather(u32::MAX, &mut [0; 4], &mut ram).end, End::Broken);
        assert_eq!(scatter(BASE, &[0; 4], &mut NoMemory).end, End::Broken);
    }

    #[test]
    fn words_of_a_descriptor_survive_parsing() {
        for head in [0, u32::MAX, OWNER | 0x123_456, EOF | 1 << 29] {
            assert_eq!(Descriptor::from_words(0, [head, 0, 0]).head(), head);
        }
        assert_eq!(link_address(0x2000_0000), None);
        assert_eq!(link_address(0x200b_1230), Some(0x3ffb_1230));
    }
}
