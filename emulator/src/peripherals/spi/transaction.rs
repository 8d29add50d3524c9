//! What a SPI master puts on its lines in one chip-select period, and what comes back.
//!
//! Source: ESP32 Technical Reference Manual, chapter "SPI Controller (SPI)", phases of a
//! transaction.
//! Modelled: command, address, dummy, write and read phases with bit lengths, full duplex, number
//! of data lines.
//! Not modelled: clock polarity and phase, delays of single lines.

use std::ops::{Deref, DerefMut};

/// Bytes of one phase: on the stack up to the controller's buffer of 64 bytes, else on the heap.
#[derive(Debug, Clone)]
pub struct Bytes(Storage);

#[derive(Debug, Clone)]
enum Storage {
    Inline { bytes: [u8; Bytes::INLINE], len: u8 },
    Heap(Vec<u8>),
}

impl Bytes {
    const INLINE: usize = 64;

    /// No bytes.
    pub const fn new() -> Self {
        Self(Storage::Inline { bytes: [0; Self::INLINE], len: 0 })
    }

    /// `len` times `value`.
    pub fn filled(value: u8, len: usize) -> Self {
        Self(if len <= Self::INLINE {
            Storage::Inline { bytes: [value; Self::INLINE], len: len as u8 }
        } else {
            Storage::Heap(vec![value; len])
        })
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Storage::Inline { bytes, len } => &bytes[..usize::from(*len)],
            Storage::Heap(bytes) => bytes,
        }
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Storage::Inline { bytes, len } => &mut bytes[..usize::from(*len)],
            Storage::Heap(bytes) => bytes,
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl From<&[u8]> for Bytes {
    fn from(source: &[u8]) -> Self {
        let mut bytes = Self::filled(0, source.len());
        bytes.copy_from_slice(source);
        bytes
    }
}

/// A command or an address: `bits` bits of `value`, the most significant of them first on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Length, 1 to 64.
    pub bits: u8,
    /// The bits, right-aligned.
    pub value: u64,
}

/// The chip-select lines that are active: bit 0 is CS0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChipSelects(pub u8);

impl ChipSelects {
    /// Whether line `n` (0 to 2) is active.
    pub const fn has(self, n: u8) -> bool {
        n < 3 && self.0 >> n & 1 != 0
    }
}

/// Number of data lines that a phase uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lines {
    /// One per direction.
    #[default]
    Single,
    /// Two, shared by both directions.
    Dual,
    /// Four, shared by both directions.
    Quad,
}

impl Lines {
    /// Bits per clock.
    pub const fn count(self) -> u64 {
        match self {
            Self::Single => 1,
            Self::Dual => 2,
            Self::Quad => 4,
        }
    }
}

/// Whether write and read phase follow each other or run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplex {
    /// Write phase, then read phase.
    #[default]
    Half,
    /// One data phase in both directions.
    Full,
}

/// One chip-select period as the controller drives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// Active chip selects; none is possible.
    pub cs: ChipSelects,
    /// Command phase.
    pub command: Option<Field>,
    /// Address phase.
    pub address: Option<Field>,
    /// Clocks between address and data.
    pub dummy_cycles: u16,
    /// Write phase in line order: first byte first, in each byte the most significant bit first.
    /// A last part of a byte is left-aligned.
    pub mosi: Bytes,
    /// Length of the write phase in bits.
    pub mosi_bits: u32,
    /// Length of the read phase in bits.
    pub miso_bits: u32,
    /// How write and read phase lie in time.
    pub duplex: Duplex,
    /// Lines of the address phase.
    pub address_lines: Lines,
    /// Lines of the data phases.
    pub data_lines: Lines,
}

impl Transaction {
    /// All that the controller sends, in whole bytes: command, address and data.
    pub fn sent(&self) -> Vec<u8> {
        let field = |field: Option<Field>| {
            let Field { bits, value } = field.unwrap_or(Field { bits: 0, value: 0 });
            let bytes = usize::from(bits.min(64) / 8);
            value.to_be_bytes()[8 - bytes..].to_vec()
        };
        let data = self.mosi.iter().take(self.mosi_bits as usize / 8);
        let fields = [self.command, self.address].into_iter().flat_map(field);
        fields.chain(data.copied()).collect()
    }

    /// Bytes that hold the read phase; the answer of a part is as long.
    pub fn miso_len(&self) -> usize {
        self.miso_bits.div_ceil(8) as usize
    }

    /// Command, address and write phase as one stream of bytes in line order, without regard for
    /// the borders of phases: a part sees only clocks and bits. A last part is left-aligned.
    pub fn outgoing(&self) -> Outgoing<'_> {
        let mut head = 0_u128;
        let mut head_bits = 0;
        for field in [self.command, self.address].into_iter().flatten() {
            let bits = u32::from(field.bits.min(64));
            head = head << bits | u128::from(field.value) & ((1 << bits) - 1);
            head_bits += bits;
        }
        Outgoing { head, head_bits, mosi: &self.mosi, mosi_bits: self.mosi_bits }
    }

    /// SPI clocks of all phases together.
    pub fn cycles(&self) -> u64 {
        let bits = |field: Option<Field>| field.map_or(0, |f| u64::from(f.bits));
        let write = u64::from(self.mosi_bits).div_ceil(self.data_lines.count());
        let read = u64::from(self.miso_bits).div_ceil(self.data_lines.count());
        let data = match self.duplex {
            Duplex::Half => write + read,
            Duplex::Full => write.max(read),
        };
        bits(self.command)
            + bits(self.address).div_ceil(self.address_lines.count())
            + u64::from(self.dummy_cycles)
            + data
    }
}

/// See [`Transaction::outgoing`].
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    head: u128,
    head_bits: u32,
    mosi: &'a [u8],
    mosi_bits: u32,
}

impl Iterator for Outgoing<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.head_bits < 8
            && self.mosi_bits > 0
            && let Some((&byte, rest)) = self.mosi.split_first()
        {
            let bits = self.mosi_bits.min(8);
            self.head = self.head << bits | u128::from(byte) >> (8 - bits);
            self.head_bits += bits;
            self.mosi_bits -= bits;
            self.mosi = rest;
        }
        let byte = match self.head_bits {
            0 => return None,
            bits @ 1..8 => self.head << (8 - bits),
            bits => self.head >> (bits - 8),
        };
        self.head_bits = self.head_bits.saturating_sub(8);
        self.head &= (1_u128 << self.head_bits) - 1;
        Some(byte as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(bits: u8, value: u64) -> Option<Field> {
        Some(Field { bits, value })
    }

    #[test]
    fn phases_of_odd_lengths_form_one_stream() {
        let transaction = Transaction {
            command: field(4, 0xa),
            address: field(12, 0xbcd),
            mosi: Bytes::from(&[0x12, 0x30][..]),
            mosi_bits: 12,
            ..Transaction::default()
        };
        assert!(transaction.outgoing().eq([0xab, 0xcd, 0x12, 0x30]));
        let transaction = Transaction { command: field(2, 0), ..transaction };
        assert!(transaction.outgoing().eq([0x2f, 0x34, 0x48, 0xc0]));
    }

    #[test]
    fn lines_and_duplex_shorten_a_transaction() {
        let mut transaction = Transaction {
            command: field(8, 0xeb),
            address: field(32, 0),
            dummy_cycles: 4,
            miso_bits: 256,
            ..Transaction::default()
        };
        assert_eq!(transaction.cycles(), 8 + 32 + 4 + 256);
        transaction.address_lines = Lines::Quad;
        transaction.data_lines = Lines::Quad;
        assert_eq!(transaction.cycles(), 8 + 8 + 4 + 64);
        transaction.mosi_bits = 256;
        transaction.duplex = Duplex::Full;
        assert_eq!(transaction.cycles(), 8 + 8 + 4 + 64);
    }

    #[test]
    fn long_phases_move_to_the_heap() {
        assert_eq!(Bytes::filled(7, 64).len(), 64);
        assert_eq!(Bytes::filled(7, 65), Bytes::from(&[7; 65][..]));
    }
}
