//! Miscellaneous Operations Option: NSA, SEXT, CLAMPS.

/// NSA: redundant sign bits, 0 to 31.
pub(super) fn nsa(value: u32) -> u32 {
    let folded = if (value as i32) < 0 { !value } else { value };
    folded.leading_zeros().saturating_sub(1)
}

/// SEXT: copies bit `bit` (7 to 22) into all bits above it.
pub(super) fn sign_extend(value: u32, bit: u32) -> u32 {
    let shift = 31 - (bit & 31);
    ((value << shift) as i32 >> shift) as u32
}

/// CLAMPS: clamps to the signed range of `bit` + 1 bits, `bit` 7 to 22.
pub(super) fn clamp_signed(value: u32, bit: u32) -> u32 {
    let limit = 1i32 << (bit & 31).min(30);
    (value as i32).clamp(-limit, limit - 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_bits_are_counted_without_the_sign_itself() {
        assert_eq!([0, 1, u32::MAX, 0x4000_0000, 0x8000_0000].map(nsa), [31, 30, 31, 0, 0]);
    }

    #[test]
    fn clamps_and_sext_agree_inside_the_range() {
        assert_eq!(clamp_signed(300, 7), 127);
        assert_eq!(clamp_signed(-300i32 as u32, 7), -128i32 as u32);
        assert_eq!(sign_extend(0x1ff, 7), u32::MAX);
        assert_eq!(sign_extend(0x17f, 7), 0x7f);
    }
}
