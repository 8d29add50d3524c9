//! Reading little-endian fields from bytes of unknown length.
//!
//! Source: none; plumbing of the parsers beside it.
//! Modelled: checked reads that answer `None` past the end, for every offset.
//! Not modelled: anything else.

/// The `N` bytes at `offset`, or `None` if they are not all there.
pub(super) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// The 16-bit little-endian word at `offset`.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

/// The 32-bit little-endian word at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

/// `value` rounded up to the next multiple of `step`, saturating at the largest number.
pub(super) fn round_up(value: usize, step: usize) -> usize {
    value.checked_next_multiple_of(step).unwrap_or(usize::MAX)
}
