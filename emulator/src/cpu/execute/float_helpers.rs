//! The floating-point unit's steps for division, square root and reciprocals, on bit patterns.
//!
//! *Source*: measurements on an ESP32-S3 (rev. 0.2), whose tables and quotients an ESP32 (rev. 3.1)
//! repeated bit for bit, published by the lightplayer project
//! (`docs/adr/2026-07-31-xtensa-fp-behavior-contract.md` and the captures of `lp-xt-emu`); the
//! instruction sequences: GCC, `libgcc/config/xtensa/ieee754-sf.S`, found unchanged in shipped
//! firmware. The Xtensa ISA reference manual does not describe these instructions.
//! *Modelled*: values, to the last bit in what the sequences compute, rounded to nearest even.
//! *Not modelled*: the status flags (FSR) they raise, the rounding mode (FCR), NaN payloads: a NaN
//! that an estimate, MADDN.S or DIVN.S returns is the canonical one. On operands that no sequence
//! produces DIVN.S only extends the rule below; the source found the chip to differ from such a
//! rule in 28 % of its probes there.
//!
//! # How a quotient is made
//!
//! NEXP01.S brings divisor and dividend into [1, 4), the exponent's parity kept, and negates them;
//! DIV0.S looks up a first reciprocal; MADDN.S steps refine reciprocal and quotient. What was taken
//! away from the exponents is a power of two, 2^A, that MKDADJ.S (MKSADJ.S for a root) works out
//! from the original operands. It may lie far outside the range of a register's exponent, hence:
//!
//! - The *adjustment* word has two fields of nine bits, both shaped like sign and exponent of a
//!   number: bits 31–23 say 2^(8·(A mod 32)), bits 22–14 say 2^(8·(A div 32)).
//! - ADDEXP.S adds the upper field to a register's exponent, ADDEXPM.S the lower one, modulo 256.
//!   The sequences give the lower part to the quotient and the upper part to the reciprocal.
//! - A quotient, remainder or reciprocal in progress has an exponent of -4 to 3, so DIVN.S can tell
//!   the added multiples of eight apart, puts A together again, and computes quotient + remainder ·
//!   reciprocal, times 2^A, with a single rounding.
//! - Values of A from 384 on, which no finite operands give, name a result: see [`Special`].
//!
//! So an intermediate register holds any bit pattern, also that of a NaN, and must be passed on
//! untouched. All state is in the registers: sequences may be interleaved and interrupted.

const SIGN: u32 = 0x8000_0000;
const INFINITY: u32 = 0x7f80_0000;
const CANONICAL_NAN: u32 = 0x7fc0_0000;
const FRACTION: u32 = 0x007f_ffff;
const IMPLIED_ONE: u32 = 0x0080_0000;
const BIAS: i32 = 127;

/// Fraction bits 22–16 of an estimated 1/x, by the same bits of x. As measured, this is 256 / (1 +
/// (i + 1/2) / 128) to the nearest integer without its leading bit, but for the last one.
#[rustfmt::skip]
const RECIPROCAL: [u8; 128] = [
    0x7f, 0x7d, 0x7b, 0x79, 0x77, 0x75, 0x74, 0x72, 0x70, 0x6e, 0x6d, 0x6b, 0x69, 0x68, 0x66, 0x64,
    0x63, 0x61, 0x60, 0x5e, 0x5d, 0x5b, 0x5a, 0x58, 0x57, 0x55, 0x54, 0x53, 0x51, 0x50, 0x4f, 0x4d,
    0x4c, 0x4b, 0x4a, 0x48, 0x47, 0x46, 0x45, 0x44, 0x42, 0x41, 0x40, 0x3f, 0x3e, 0x3d, 0x3c, 0x3b,
    0x3a, 0x39, 0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, 0x30, 0x2f, 0x2e, 0x2d, 0x2c, 0x2b,
    0x2a, 0x29, 0x28, 0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x23, 0x22, 0x21, 0x20, 0x1f, 0x1f, 0x1e,
    0x1d, 0x1c, 0x1c, 0x1b, 0x1a, 0x19, 0x19, 0x18, 0x17, 0x17, 0x16, 0x15, 0x15, 0x14, 0x13, 0x13,
    0x12, 0x11, 0x11, 0x10, 0x0f, 0x0f, 0x0e, 0x0e, 0x0d, 0x0c, 0x0c, 0x0b, 0x0b, 0x0a, 0x09, 0x09,
    0x08, 0x08, 0x07, 0x07, 0x06, 0x05, 0x05, 0x04, 0x04, 0x03, 0x03, 0x02, 0x02, 0x01, 0x01, 0x01,
];

/// Fraction bits 22–16 of an estimated 1/√x, by the lowest bit of the biased exponent of x (0: x is
/// an odd power of two times 1 to 2) and its fraction bits 22–17. As measured, this is 256 / √(1 +
/// (j + 1/2) / 64), over √2 in the first half, to the nearest integer without its leading bit, but
/// for entry 13.
#[rustfmt::skip]
const RECIPROCAL_ROOT: [u8; 128] = [
    0x34, 0x33, 0x32, 0x30, 0x2f, 0x2e, 0x2c, 0x2b, 0x2a, 0x29, 0x28, 0x27, 0x26, 0x25, 0x23, 0x22,
    0x21, 0x20, 0x1f, 0x1e, 0x1e, 0x1d, 0x1c, 0x1b, 0x1a, 0x19, 0x18, 0x17, 0x17, 0x16, 0x15, 0x14,
    0x13, 0x13, 0x12, 0x11, 0x10, 0x10, 0x0f, 0x0e, 0x0e, 0x0d, 0x0c, 0x0c, 0x0b, 0x0a, 0x0a, 0x09,
    0x09, 0x08, 0x07, 0x07, 0x06, 0x06, 0x05, 0x04, 0x04, 0x03, 0x03, 0x02, 0x02, 0x01, 0x01, 0x00,
    0x7f, 0x7d, 0x7b, 0x79, 0x77, 0x76, 0x74, 0x72, 0x71, 0x6f, 0x6d, 0x6c, 0x6a, 0x69, 0x67, 0x66,
    0x64, 0x63, 0x61, 0x60, 0x5f, 0x5d, 0x5c, 0x5b, 0x5a, 0x58, 0x57, 0x56, 0x55, 0x54, 0x53, 0x52,
    0x50, 0x4f, 0x4e, 0x4d, 0x4c, 0x4b, 0x4a, 0x49, 0x48, 0x47, 0x46, 0x46, 0x45, 0x44, 0x43, 0x42,
    0x41, 0x40, 0x3f, 0x3f, 0x3e, 0x3d, 0x3c, 0x3b, 0x3b, 0x3a, 0x39, 0x38, 0x38, 0x37, 0x36, 0x35,
];

/// What kind of number a bit pattern is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Zero,
    /// A finite number but zero; a subnormal one is normalised, with an exponent below 1.
    Finite {
        /// Biased, -22 to 254.
        exponent: i32,
        /// Without the implied one.
        fraction: u32,
    },
    Infinity,
    Nan,
}

impl Class {
    fn of(bits: u32) -> Self {
        let fraction = bits & FRACTION;
        match (exponent_field(bits), fraction) {
            (0, 0) => Self::Zero,
            (0, _) => {
                let shift = fraction.leading_zeros() - 8;
                Self::Finite {
                    exponent: 1 - shift as i32,
                    fraction: (fraction << shift) & FRACTION,
                }
            }
            (255, 0) => Self::Infinity,
            (255, _) => Self::Nan,
            (exponent, _) => Self::Finite { exponent, fraction },
        }
    }
}

/// A result that does not come from arithmetic. Its code, plus one for a negative result, is added
/// to [`Special::FIRST`] to give the adjustment A that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    Zero = 0,
    Infinity = 2,
    Nan = 4,
}

impl Special {
    const FIRST: i32 = 384;

    /// The adjustment for this result with the sign bit of `sign`.
    fn adjustment(self, sign: u32) -> u32 {
        adjustment(Self::FIRST + self as i32 + i32::from(is_negative(sign)))
    }

    /// The result that A stands for, if it stands for one.
    fn result(a: i32) -> Option<u32> {
        let sign = if a & 1 == 0 { 0 } else { SIGN };
        match a - Self::FIRST {
            0 | 1 => Some(sign),
            2 | 3 => Some(sign | INFINITY),
            4 | 5 => Some(CANONICAL_NAN),
            _ => None,
        }
    }
}

/// CONST.S: the constant by number. The chip looks at the two lowest bits of the number.
pub(super) fn constant(index: u32) -> u32 {
    match index & 3 {
        0 => 0,
        1 => 1.0_f32.to_bits(),
        2 => 2.0_f32.to_bits(),
        _ => 0.5_f32.to_bits(),
    }
}

/// DIV0.S: an estimate of 1/x, better than 1 in 127, where x is what NEXP01.S makes of s,
/// not negated.
pub(super) fn div0(s: u32) -> u32 {
    let (exponent, fraction) = match Class::of(s) {
        // The true result of these comes from MKDADJ.S; the table is read all the same.
        Class::Zero => (BIAS, 0),
        Class::Infinity | Class::Nan => (255, s & FRACTION),
        Class::Finite { exponent, fraction } => (exponent, fraction),
    };
    (s & SIGN) | pack(BIAS - 2 + (exponent & 1), reciprocal(fraction))
}

/// RECIP0.S: an estimate of 1/x, better than 1 in 127 unless it is subnormal.
pub(super) fn recip0(s: u32) -> u32 {
    let sign = s & SIGN;
    match Class::of(s) {
        Class::Nan => CANONICAL_NAN,
        Class::Infinity => sign,
        Class::Zero => sign | INFINITY,
        Class::Finite { exponent, fraction } => {
            sign | pack_saturating(2 * BIAS - 1 - exponent, reciprocal(fraction))
        }
    }
}

/// SQRT0.S: an estimate of 1/√x, better than 1 in 127, where x is what NEXP01.S makes of s,
/// not negated.
pub(super) fn sqrt0(s: u32) -> u32 {
    let (exponent, fraction) = match Class::of(s) {
        // The true result of these, and of a negative x, comes from MKSADJ.S.
        Class::Zero => (0, 0),
        Class::Infinity | Class::Nan => (255, s & FRACTION),
        Class::Finite { exponent, fraction } => (exponent, fraction),
    };
    (s & SIGN) | pack(BIAS - 1, reciprocal_root(exponent, fraction))
}

/// RSQRT0.S: an estimate of 1/√x, better than 1 in 127.
pub(super) fn rsqrt0(s: u32) -> u32 {
    match Class::of(s) {
        Class::Zero => (s & SIGN) | INFINITY,
        Class::Nan => CANONICAL_NAN,
        _ if is_negative(s) => CANONICAL_NAN,
        Class::Infinity => 0,
        Class::Finite { exponent, fraction } => {
            pack((3 * BIAS - 1 - exponent) >> 1, reciprocal_root(exponent, fraction))
        }
    }
}

/// NEXP01.S: -x with an unbiased exponent of 0 or 1, whichever keeps its parity. Zero and infinity
/// give 1, with their sign changed; a NaN only changes its sign.
pub(super) fn nexp01(s: u32) -> u32 {
    let sign = !s & SIGN;
    match Class::of(s) {
        Class::Nan => s ^ SIGN,
        Class::Zero | Class::Infinity => sign | pack(BIAS, 0),
        Class::Finite { exponent, fraction } => {
            sign | pack(BIAS + ((exponent - BIAS) & 1), fraction)
        }
    }
}

/// MKSADJ.S: the adjustment for √s, from the original operand.
pub(super) fn mksadj(s: u32) -> u32 {
    match Class::of(s) {
        Class::Zero => Special::Zero.adjustment(s),
        Class::Nan => Special::Nan.adjustment(0),
        _ if is_negative(s) => Special::Nan.adjustment(0),
        Class::Infinity => Special::Infinity.adjustment(0),
        Class::Finite { exponent, .. } => adjustment((exponent - BIAS) >> 1),
    }
}

/// MKDADJ.S: the adjustment for s/r, from the original operands: `r`, the old value of the
/// destination register, is the divisor.
pub(super) fn mkdadj(r: u32, s: u32) -> u32 {
    let sign = r ^ s;
    match (Class::of(s), Class::of(r)) {
        (Class::Nan, _)
        | (_, Class::Nan)
        | (Class::Zero, Class::Zero)
        | (Class::Infinity, Class::Infinity) => Special::Nan.adjustment(sign),
        (Class::Zero, _) | (_, Class::Infinity) => Special::Zero.adjustment(sign),
        (Class::Infinity, _) | (_, Class::Zero) => Special::Infinity.adjustment(sign),
        (Class::Finite { exponent: dividend, .. }, Class::Finite { exponent: divisor, .. }) => {
            // The parities stay in the mantissas.
            adjustment(((dividend - BIAS) & !1) - ((divisor - BIAS) & !1))
        }
    }
}

/// ADDEXP.S: adds the exponent of `s` to that of `r`, modulo 256, and its sign, modulo 2. Never
/// looks at what kind of number they are.
pub(super) fn addexp(r: u32, s: u32) -> u32 {
    let exponent = exponent_field(r) + exponent_field(s) - BIAS;
    ((r ^ s) & SIGN) | ((exponent as u32 & 0xff) << 23) | (r & FRACTION)
}

/// ADDEXPM.S: [`addexp`] with the nine highest fraction bits of `s` as sign and exponent.
pub(super) fn addexpm(r: u32, s: u32) -> u32 {
    addexp(r, s << 9)
}

/// MADDN.S: r + s · t with a single rounding to nearest, in place of the mode that FCR asks for.
pub(super) fn maddn(r: u32, s: u32, t: u32) -> u32 {
    let sum = f32::from_bits(s).mul_add(f32::from_bits(t), f32::from_bits(r)).to_bits();
    if Class::of(sum) == Class::Nan { CANONICAL_NAN } else { sum }
}

/// DIVN.S: (r + s · t) · 2^A with a single rounding, where A is what ADDEXPM.S put into `r` and
/// ADDEXP.S into `t`; or the result that A stands for.
pub(super) fn divn(r: u32, s: u32, t: u32) -> u32 {
    // The remainder is an ordinary number, and how a NaN operand arrives.
    if Class::of(s) == Class::Nan {
        return CANONICAL_NAN;
    }
    let (high, quotient) = Exact::adjusted(r);
    let (low, reciprocal) = Exact::adjusted(t);
    let a = 32 * high + (low & 31);
    if let Some(result) = Special::result(a) {
        return result;
    }
    let Some(remainder) = Exact::ordinary(s) else {
        return (s ^ t) & SIGN | INFINITY;
    };
    let mut sum = quotient.plus(remainder.times(reciprocal));
    if sum.mantissa == 0 {
        // As measured; a quotient is never zero, so no sequence comes here.
        sum = Exact { mantissa: 1, exponent: -50 };
    }
    sum.exponent += a;
    sum.round()
}

/// A number mantissa · 2^exponent without any limit that matters here.
#[derive(Debug, Clone, Copy)]
struct Exact {
    mantissa: i128,
    exponent: i32,
}

impl Exact {
    /// Splits an adjusted register: by how many multiples of 8 its exponent was changed, from -16
    /// to 16, and the number it held before. The implied one is always there.
    fn adjusted(bits: u32) -> (i32, Self) {
        let excess = i32::from((exponent_field(bits) - BIAS) as u8 as i8);
        let eights = (excess + 4) >> 3;
        let mantissa = i128::from((bits & FRACTION) | IMPLIED_ONE);
        (eights, Self::signed(bits, mantissa, excess - 8 * eights - 23))
    }

    /// The value of a register; none for infinity and NaN.
    fn ordinary(bits: u32) -> Option<Self> {
        match Class::of(bits) {
            Class::Zero => Some(Self { mantissa: 0, exponent: 0 }),
            Class::Finite { exponent, fraction } => {
                let mantissa = i128::from(fraction | IMPLIED_ONE);
                Some(Self::signed(bits, mantissa, exponent - BIAS - 23))
            }
            Class::Infinity | Class::Nan => None,
        }
    }

    fn signed(sign: u32, mantissa: i128, exponent: i32) -> Self {
        Self { mantissa: if is_negative(sign) { -mantissa } else { mantissa }, exponent }
    }

    /// The product of two mantissas of at most 24 bits.
    fn times(self, other: Self) -> Self {
        Self { mantissa: self.mantissa * other.mantissa, exponent: self.exponent + other.exponent }
    }

    /// The sum of two mantissas of at most 48 bits; where they lie too far apart it is not exact
    /// but rounds as the exact one does.
    fn plus(self, other: Self) -> Self {
        if self.mantissa == 0 {
            return other;
        }
        if other.mantissa == 0 {
            return self;
        }
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let gap = (high.exponent - low.exponent) as u32;
        // More than 64 below, the lower number is less than 2^-16 of the lowest bit of the other:
        // only on which side of zero it lies can matter.
        let (shift, rest) =
            if gap > 64 { (64, low.mantissa.signum()) } else { (gap, low.mantissa) };
        Self { mantissa: (high.mantissa << shift) + rest, exponent: high.exponent - shift as i32 }
    }

    /// The nearest number a register can hold, ties to the even one.
    fn round(self) -> u32 {
        let sign = if self.mantissa < 0 { SIGN } else { 0 };
        let magnitude = self.mantissa.unsigned_abs();
        let length = 128 - magnitude.leading_zeros() as i32;
        // The weight of the result's lowest bit: 24 bits, fewer if subnormal.
        let lowest = (self.exponent + length - 24).max(1 - BIAS - 23);
        let shift = lowest - self.exponent;
        let kept =
            if shift <= 0 { magnitude << -shift } else { shift_right_to_even(magnitude, shift) };
        // A carry into bit 24, or out of a subnormal's bit 22, makes the exponent right by itself.
        let encoded = (kept as u32).wrapping_add(((lowest - (1 - BIAS - 23)) as u32) << 23);
        if lowest > BIAS - 23 || encoded > INFINITY { sign | INFINITY } else { sign | encoded }
    }
}

fn shift_right_to_even(magnitude: u128, shift: i32) -> u128 {
    if shift >= 128 {
        return 0;
    }
    let kept = magnitude >> shift;
    let rest = magnitude & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
}

/// The adjustment word for 2^a, `a` from -512 to 511.
fn adjustment(a: i32) -> u32 {
    let low = (BIAS + 8 * (a & 31)) as u32 & 0xff;
    let high = (BIAS + 8 * (a >> 5)) as u32 & 0xff;
    low << 23 | high << 14
}

fn is_negative(bits: u32) -> bool {
    bits & SIGN != 0
}

fn exponent_field(bits: u32) -> i32 {
    (bits >> 23 & 0xff) as i32
}

fn reciprocal(fraction: u32) -> u32 {
    u32::from(RECIPROCAL[(fraction >> 16) as usize % RECIPROCAL.len()]) << 16
}

fn reciprocal_root(exponent: i32, fraction: u32) -> u32 {
    let index = (exponent as u32 & 1) << 6 | fraction >> 17;
    u32::from(RECIPROCAL_ROOT[index as usize % RECIPROCAL_ROOT.len()]) << 16
}

/// A positive number with a biased exponent from 1 to 254.
fn pack(exponent: i32, fraction: u32) -> u32 {
    (exponent as u32) << 23 | fraction
}

/// The same for any exponent: too large gives infinity, too small loses low bits.
fn pack_saturating(exponent: i32, fraction: u32) -> u32 {
    match exponent {
        255.. => INFINITY,
        1..=254 => pack(exponent, fraction),
        _ => (fraction | IMPLIED_ONE).checked_shr((1 - exponent) as u32).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An instruction; MOV.S, NEG.S, MUL.S and MSUB.S belong to the ordinary unit.
    #[derive(Debug, Clone, Copy)]
    enum Op {
        Const,
        Mov,
        Neg,
        Mul,
        Msub,
        Div0,
        Recip0,
        Sqrt0,
        Rsqrt0,
        Nexp01,
        Mksadj,
        Mkdadj,
        Addexp,
        Addexpm,
        Maddn,
        Divn,
    }
    use Op::*;

    type Step = (Op, usize, usize, usize);

    /// `__divsf3`: f1 / f2 to f0.
    const DIVISION: &[Step] = &[
        (Div0, 3, 2, 0),
        (Nexp01, 4, 2, 0),
        (Const, 5, 1, 0),
        (Maddn, 5, 4, 3),
        (Mov, 6, 3, 0),
        (Mov, 7, 2, 0),
        (Nexp01, 2, 1, 0),
        (Maddn, 6, 5, 6),
        (Const, 5, 1, 0),
        (Const, 0, 0, 0),
        (Neg, 8, 2, 0),
        (Maddn, 5, 4, 6),
        (Maddn, 0, 8, 3),
        (Mkdadj, 7, 1, 0),
        (Maddn, 6, 5, 6),
        (Maddn, 8, 4, 0),
        (Const, 3, 1, 0),
        (Maddn, 3, 4, 6),
        (Maddn, 0, 8, 6),
        (Neg, 2, 2, 0),
        (Maddn, 6, 3, 6),
        (Maddn, 2, 4, 0),
        (Addexpm, 0, 7, 0),
        (Addexp, 6, 7, 0),
        (Divn, 0, 2, 6),
    ];

    /// `__ieee754_sqrtf`: root of f1 to f0.
    const ROOT: &[Step] = &[
        (Sqrt0, 2, 1, 0),
        (Const, 3, 0, 0),
        (Maddn, 3, 2, 2),
        (Nexp01, 4, 1, 0),
        (Const, 0, 3, 0),
        (Addexp, 4, 0, 0),
        (Maddn, 0, 3, 4),
        (Nexp01, 3, 1, 0),
        (Neg, 5, 3, 0),
        (Maddn, 2, 0, 2),
        (Const, 0, 0, 0),
        (Const, 6, 0, 0),
        (Const, 7, 0, 0),
        (Maddn, 0, 5, 2),
        (Maddn, 6, 2, 4),
        (Const, 4, 3, 0),
        (Maddn, 7, 4, 2),
        (Maddn, 3, 0, 0),
        (Maddn, 4, 6, 2),
        (Neg, 2, 7, 0),
        (Maddn, 0, 3, 2),
        (Maddn, 7, 4, 7),
        (Mksadj, 2, 1, 0),
        (Nexp01, 1, 1, 0),
        (Maddn, 1, 0, 0),
        (Neg, 3, 7, 0),
        (Addexpm, 0, 2, 0),
        (Addexp, 3, 2, 0),
        (Divn, 0, 1, 3),
    ];

    /// `__recipsf2`: 1 / f1 to f0.
    const RECIPROCAL_OF: &[Step] = &[
        (Recip0, 0, 1, 0),
        (Const, 2, 1, 0),
        (Msub, 2, 1, 0),
        (Maddn, 0, 0, 2),
        (Const, 2, 1, 0),
        (Msub, 2, 1, 0),
        (Maddn, 0, 0, 2),
    ];

    /// `__rsqrtsf2`: 1 / root of f1 to f0.
    const RECIPROCAL_ROOT_OF: &[Step] = &[
        (Rsqrt0, 0, 1, 0),
        (Mul, 2, 1, 0),
        (Const, 3, 3, 0),
        (Mul, 4, 3, 0),
        (Const, 5, 1, 0),
        (Msub, 5, 2, 0),
        (Maddn, 0, 4, 5),
        (Mul, 2, 1, 0),
        (Mul, 1, 3, 0),
        (Const, 3, 1, 0),
        (Msub, 3, 2, 0),
        (Maddn, 0, 1, 3),
    ];

    fn run(sequence: &[Step], f1: u32, f2: u32) -> u32 {
        let mut f = [0; 9];
        (f[1], f[2]) = (f1, f2);
        for &(op, r, s, t) in sequence {
            f[r] = match op {
                Const => constant(s as u32),
                Mov => f[s],
                Neg => f[s] ^ SIGN,
                Mul => (f32::from_bits(f[s]) * f32::from_bits(f[t])).to_bits(),
                Msub => maddn(f[r], f[s] ^ SIGN, f[t]),
                Div0 => div0(f[s]),
                Recip0 => recip0(f[s]),
                Sqrt0 => sqrt0(f[s]),
                Rsqrt0 => rsqrt0(f[s]),
                Nexp01 => nexp01(f[s]),
                Mksadj => mksadj(f[s]),
                Mkdadj => mkdadj(f[r], f[s]),
                Addexp => addexp(f[r], f[s]),
                Addexpm => addexpm(f[r], f[s]),
                Maddn => maddn(f[r], f[s], f[t]),
                Divn => divn(f[r], f[s], f[t]),
            };
        }
        f[0]
    }

    fn canonical(value: f32) -> u32 {
        let bits = value.to_bits();
        if Class::of(bits) == Class::Nan { CANONICAL_NAN } else { bits }
    }

    fn check_division(a: u32, b: u32) {
        let expected = canonical(f32::from_bits(a) / f32::from_bits(b));
        let quotient = run(DIVISION, a, b);
        assert_eq!(quotient, expected, "{a:#010x} / {b:#010x}: {quotient:#010x}, {expected:#010x}");
    }

    fn check_root(x: u32) {
        let expected = canonical(f32::from_bits(x).sqrt());
        let root = run(ROOT, x, 0);
        assert_eq!(root, expected, "root of {x:#010x}: {root:#010x}, {expected:#010x}");
    }

    fn difference_in_ulps(result: u32, exact: f64) -> u32 {
        result.abs_diff((exact as f32).to_bits())
    }

    /// xorshift64*.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> (u32, u32) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let word = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
            (word as u32, (word >> 32) as u32)
        }
    }

    fn edges() -> Vec<u32> {
        let exponents =
            [0, 1, 2, 23, 24, 25, 64, 125, 126, 127, 128, 129, 150, 190, 230, 252, 253, 254, 255];
        let fractions =
            [0, 1, 2, 0xffff, 0x1_0000, 0x2a_aaaa, 0x40_0000, 0x40_0001, 0x7f_0000, 0x7f_ffff];
        let mut edges = Vec::new();
        for sign in [0, SIGN] {
            for exponent in exponents {
                edges.extend(fractions.map(|fraction| sign | exponent << 23 | fraction));
            }
        }
        edges
    }

    /// `bits` with an exponent from `first` to `first` + 31.
    fn with_exponent_from(first: u32, bits: u32) -> u32 {
        bits & (SIGN | FRACTION) | (first + (bits >> 23 & 31)) << 23
    }

    #[test]
    fn division_of_edge_cases_is_correctly_rounded() {
        for a in edges() {
            for b in edges() {
                check_division(a, b);
            }
        }
    }

    #[test]
    fn division_of_random_patterns_is_correctly_rounded() {
        let mut random = Random(0x5eed_0001);
        for _ in 0..700_000 {
            let (a, b) = random.next();
            check_division(a, b);
            check_division(with_exponent_from(112, a), with_exponent_from(112, b));
            // Subnormal quotients, and overflow.
            check_division(with_exponent_from(1, a), with_exponent_from(120, b));
            check_division(with_exponent_from(222, a), with_exponent_from(80, b));
        }
    }

    #[test]
    fn division_is_correctly_rounded_next_to_a_tie() {
        let mut random = Random(0x5eed_0002);
        for _ in 0..300_000 {
            let (a, b) = random.next();
            let (divisor, quotient) = (a & FRACTION | IMPLIED_ONE, b & FRACTION | IMPLIED_ONE);
            let product = u64::from(divisor) * (2 * u64::from(quotient) + 1);
            let dividend = (product as f32).to_bits();
            for a in [dividend - 1, dividend, dividend + 1] {
                check_division(a, (divisor as f32).to_bits());
            }
        }
        // The divisor for which a refined reciprocal is hardest to round.
        for fraction in (0..=FRACTION).step_by(7) {
            check_division(0x3f80_0000 | fraction, 0x3fff_ffff);
        }
    }

    #[test]
    fn a_root_is_correctly_rounded() {
        edges().into_iter().for_each(check_root);
        // Both parities of the exponent: the others are the same times a power of two.
        (0x3f80_0000..0x4080_0000).step_by(13).for_each(check_root);
        (0..IMPLIED_ONE).step_by(29).for_each(check_root);
        (0xbf80_0000..0xc080_0000).step_by(101).for_each(check_root);
        let mut random = Random(0x5eed_0003);
        (0..500_000).for_each(|_| check_root(random.next().0));
    }

    #[test]
    fn a_reciprocal_is_off_by_at_most_one_unit_and_exact_in_most_cases() {
        let (mut total, mut off) = (0, 0);
        for x in (0x0080_0000..INFINITY).step_by(2003) {
            let ulps =
                difference_in_ulps(run(RECIPROCAL_OF, x, 0), 1.0 / f64::from(f32::from_bits(x)));
            assert!(ulps <= 1, "{x:#010x}");
            total += 1;
            off += ulps;
        }
        assert!(off * 50 < total, "{off} of {total}");
    }

    #[test]
    fn a_reciprocal_root_is_off_by_at_most_one_unit() {
        for x in (1..INFINITY).step_by(2003) {
            let exact = 1.0 / f64::from(f32::from_bits(x)).sqrt();
            assert!(difference_in_ulps(run(RECIPROCAL_ROOT_OF, x, 0), exact) <= 1, "{x:#010x}");
        }
    }

    #[test]
    fn the_short_reciprocals_give_nan_where_the_estimate_is_zero_or_infinite() {
        // Refining multiplies zero by infinity. Compilers use them under fast-math only.
        for x in [0, SIGN, INFINITY, INFINITY | SIGN, CANONICAL_NAN, 1] {
            assert_eq!(run(RECIPROCAL_OF, x, 0), CANONICAL_NAN, "{x:#010x}");
        }
        for x in [0, INFINITY, CANONICAL_NAN, 0xbf80_0000] {
            assert_eq!(run(RECIPROCAL_ROOT_OF, x, 0), CANONICAL_NAN, "{x:#010x}");
        }
    }

    /// Operands of the measurements on silicon.
    #[rustfmt::skip]
    const PROBES: [u32; 24] = [
        0x0000_0000, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x4000_0000, 0x3f00_0000, 0x4049_0fdb, 0xc049_0fdb,
        0x3eaa_aaab, 0x3f80_0001, 0x3fff_ffff, 0x0080_0000, 0x0080_0001, 0x7f7f_ffff, 0x7f00_0000, 0x5f00_0000,
        0x1f80_0000, 0x0000_0001, 0x007f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7fd5_aa55, 0x7f80_0001,
    ];

    #[test]
    #[rustfmt::skip]
    fn the_scaling_steps_agree_with_silicon() {
        assert_eq!(PROBES.map(nexp01), [
            0xbf80_0000, 0x3f80_0000, 0xbf80_0000, 0x3f80_0000, 0xc000_0000, 0xc000_0000, 0xc049_0fdb, 0x4049_0fdb,
            0xbfaa_aaab, 0xbf80_0001, 0xbfff_ffff, 0xbf80_0000, 0xbf80_0001, 0xc07f_ffff, 0xc000_0000, 0xc000_0000,
            0xbf80_0000, 0xc000_0000, 0xc07f_fffe, 0xbf80_0000, 0x3f80_0000, 0xffc0_0000, 0xffd5_aa55, 0xff80_0001,
        ]);
        assert_eq!(PROBES.map(mksadj), [
            0x3fb7_c000, 0x43b7_c000, 0x3f9f_c000, 0x4fb7_c000, 0x3f9f_c000, 0x3b9d_c000, 0x3f9f_c000, 0x4fb7_c000,
            0x3b9d_c000, 0x3f9f_c000, 0x3f9f_c000, 0x439b_c000, 0x439b_c000, 0x3ba1_c000, 0x3ba1_c000, 0x3b9f_c000,
            0x3f9d_c000, 0x1399_c000, 0x3f9b_c000, 0x47b7_c000, 0x4fb7_c000, 0x4fb7_c000, 0x4fb7_c000, 0x4fb7_c000,
        ]);
        assert_eq!(PROBES.map(|s| mkdadj(0x3f80_0000, s)), [
            0x3fb7_c000, 0x43b7_c000, 0x3f9f_c000, 0x3f9f_c000, 0x3f9f_c000, 0x379d_c000, 0x3f9f_c000, 0x3f9f_c000,
            0x379d_c000, 0x3f9f_c000, 0x3f9f_c000, 0x4797_c000, 0x4797_c000, 0x37a5_c000, 0x37a5_c000, 0x37a1_c000,
            0x3f9b_c000, 0x6795_c000, 0x3f97_c000, 0x47b7_c000, 0x4bb7_c000, 0x4fb7_c000, 0x4fb7_c000, 0x4fb7_c000,
        ]);
        assert_eq!(PROBES.map(|s| mkdadj(0xbf00_0000, s)), [
            0x43b7_c000, 0x3fb7_c000, 0x479f_c000, 0x479f_c000, 0x479f_c000, 0x3f9f_c000, 0x479f_c000, 0x479f_c000,
            0x3f9f_c000, 0x479f_c000, 0x479f_c000, 0x4f97_c000, 0x4f97_c000, 0x3fa7_c000, 0x3fa7_c000, 0x3fa3_c000,
            0x479b_c000, 0x6f95_c000, 0x4797_c000, 0x4bb7_c000, 0x47b7_c000, 0x53b7_c000, 0x53b7_c000, 0x53b7_c000,
        ]);
        assert_eq!(PROBES.map(|s| addexp(0x1234_5678, s)), [
            0x52b4_5678, 0xd2b4_5678, 0x1234_5678, 0x9234_5678, 0x12b4_5678, 0x11b4_5678, 0x12b4_5678, 0x92b4_5678,
            0x1134_5678, 0x1234_5678, 0x1234_5678, 0x5334_5678, 0x5334_5678, 0x51b4_5678, 0x51b4_5678, 0x31b4_5678,
            0x7234_5678, 0x52b4_5678, 0x52b4_5678, 0x5234_5678, 0xd234_5678, 0x5234_5678, 0x5234_5678, 0x5234_5678,
        ]);
        assert_eq!(PROBES.map(|s| addexpm(0x1234_5678, s)), [
            0x52b4_5678, 0x52b4_5678, 0x52b4_5678, 0x52b4_5678, 0x52b4_5678, 0x52b4_5678, 0xe4b4_5678, 0xe4b4_5678,
            0x27b4_5678, 0x52b4_5678, 0xd234_5678, 0x52b4_5678, 0x52b4_5678, 0xd234_5678, 0x52b4_5678, 0x52b4_5678,
            0x52b4_5678, 0x52b4_5678, 0xd234_5678, 0x52b4_5678, 0x52b4_5678, 0xd2b4_5678, 0xfdb4_5678, 0x52b4_5678,
        ]);
    }

    #[test]
    fn the_estimates_agree_with_silicon() {
        assert_eq!(
            [0x3f80_0000, 0xbfc0_0000, 0x7e80_0000, 0x7f80_0000, 0].map(recip0),
            [0x3f7f_0000, 0xbf2a_0000, 0x007f_8000, 0, INFINITY]
        );
        assert_eq!(
            [0x3f80_0000, 0x4080_0000, 0x4000_0000, 0x7fc0_0000].map(div0),
            [0x3f7f_0000, 0x3f7f_0000, 0x3eff_0000, 0x3f2a_0000]
        );
        assert_eq!(
            [0x3f80_0000, 0x4000_0000, 0x4110_0000, 0x7f80_0000].map(sqrt0),
            [0x3f7f_0000, 0x3f34_0000, 0x3f2a_0000, 0x3f7f_0000]
        );
        assert_eq!([0x3f80_0000, SIGN, INFINITY].map(rsqrt0), [0x3f7f_0000, INFINITY | SIGN, 0]);
    }

    #[test]
    fn the_tables_follow_their_formulas_but_for_one_entry_each() {
        let formula = |x: f64| (256.0 / x).round() as u8 & 0x7f;
        for (i, &entry) in RECIPROCAL.iter().enumerate() {
            let expected = formula(1.0 + (i as f64 + 0.5) / 128.0) + u8::from(i == 127);
            assert_eq!(entry, expected, "reciprocal {i}");
        }
        for (i, &entry) in RECIPROCAL_ROOT.iter().enumerate() {
            let x = 1.0 + ((i & 63) as f64 + 0.5) / 64.0;
            let expected = formula(if i < 64 { 2.0 * x } else { x }.sqrt()) + u8::from(i == 13);
            assert_eq!(entry, expected, "reciprocal root {i}");
        }
    }

    #[test]
    fn an_estimate_is_better_than_1_in_127() {
        let near =
            |estimate: u32, exact: f64| (f64::from(f32::from_bits(estimate)) / exact - 1.0).abs();
        for x in (1..0x7e80_0000).step_by(2003) {
            let value = f64::from(f32::from_bits(x));
            let narrowed = -f64::from(f32::from_bits(nexp01(x)));
            assert!((1.0..4.0).contains(&narrowed));
            assert!(near(div0(x), 1.0 / narrowed) < 1.0 / 127.0, "{x:#010x}");
            assert!(near(sqrt0(x), 1.0 / narrowed.sqrt()) < 1.0 / 127.0, "{x:#010x}");
            assert!(near(rsqrt0(x), 1.0 / value.sqrt()) < 1.0 / 127.0, "{x:#010x}");
            if x > 0x0040_0000 {
                assert!(near(recip0(x), 1.0 / value) < 1.0 / 127.0, "{x:#010x}");
            }
        }
    }

    #[test]
    fn maddn_rounds_once_and_canonicalises_nans() {
        // (1 + 2^-12)² - (1 + 2^-11) is 2^-24, which a rounded product loses.
        assert_eq!(maddn(0xbf80_1000, 0x3f80_0800, 0x3f80_0800), 0x3380_0000);
        assert_eq!(maddn(0x3f80_0000, 0, INFINITY), CANONICAL_NAN);
        assert_eq!(maddn(0xffc2_2222, 0x3f80_0000, 0x3f80_0000), CANONICAL_NAN);
    }

    #[test]
    fn divn_without_an_adjustment_is_a_fused_multiply_add() {
        let mut random = Random(0x5eed_0004);
        let small = |bits: u32| bits & (SIGN | FRACTION) | (123 + (bits >> 23 & 7)) << 23;
        for _ in 0..500_000 {
            let ((r, s), (t, _)) = (random.next(), random.next());
            for s in [s, with_exponent_from(96, s), s & (SIGN | FRACTION)] {
                let (r, t) = (small(r), small(t));
                assert_eq!(divn(r, s, t), maddn(r, s, t), "{r:#010x} {s:#010x} {t:#010x}");
            }
        }
    }

    #[test]
    fn every_step_takes_every_kind_of_operand() {
        let edges = edges();
        for &r in &edges {
            for step in [div0, recip0, sqrt0, rsqrt0, nexp01, mksadj, constant] {
                step(r);
            }
            for &s in &edges {
                for step in [mkdadj, addexp, addexpm] {
                    step(r, s);
                }
                for &t in &edges {
                    divn(r, s, t);
                }
            }
        }
        assert_eq!(
            [0, 1, 2, 3, 7].map(constant),
            [0, 0x3f80_0000, 0x4000_0000, 0x3f00_0000, 0x3f00_0000]
        );
    }
}
