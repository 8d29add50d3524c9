//! The shift registers of a part on an SPI bus, for software that moves the bus's lines by itself: mode 0,
//! the most significant bit first.

/// Both registers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SpiShift {
    /// Bits that have come, and how many.
    incoming: (u8, u8),
    /// Bits that go out, the next one highest, and how many.
    outgoing: (u8, u8),
}

impl SpiShift {
    /// The clock rises with this level of the line to the part; a byte that is complete.
    pub(super) fn rise(&mut self, level: bool) -> Option<u8> {
        let (byte, bits) = self.incoming;
        let byte = byte << 1 | u8::from(level);
        self.incoming = if bits == 7 { (0, 0) } else { (byte, bits + 1) };
        (bits == 7).then_some(byte)
    }

    /// The clock falls; between two bytes the part says what it sends next, if anything.
    pub(super) fn fall(&mut self, next: impl FnOnce() -> Option<u8>) {
        self.outgoing = match self.outgoing {
            (byte, left @ 2..) => (byte << 1, left - 1),
            _ if self.incoming.1 == 0 => next().map_or((0, 0), |byte| (byte, 8)),
            _ => (0, 0),
        };
    }

    /// The level of the line from the part, while it sends.
    pub(super) fn line(&self) -> Option<bool> {
        let (byte, left) = self.outgoing;
        (left > 0).then_some(byte & 0x80 != 0)
    }
}
