//! Floating-Point Coprocessor Option: single-precision arithmetic on bit patterns.
//!
//! Source: Xtensa ISA Reference Manual, "Floating-Point Coprocessor Option"; IEEE 754.
//! Results that are NaN are the canonical quiet NaN, since host processors differ. While FCR
//! selects a rounding other than to nearest, arithmetic goes through rustc_apfloat.
//! Not modelled: the exception flags of FSR; they keep what is written.

use rustc_apfloat::ieee::Single;
use rustc_apfloat::{Float, Round};

use crate::cpu::Cpu;
use crate::cpu::instruction::Opcode;

const CANONICAL_NAN: u32 = 0x7fc0_0000;

fn bits(value: f32) -> u32 {
    if value.is_nan() { CANONICAL_NAN } else { value.to_bits() }
}

fn soft_bits(value: Single) -> u32 {
    if value.is_nan() { CANONICAL_NAN } else { value.to_bits() as u32 }
}

fn soft(value: u32) -> Single {
    Single::from_bits(u128::from(value))
}

/// NEG.S.
pub(super) fn negate(x: u32) -> u32 {
    x ^ 0x8000_0000
}

/// OEQ.S.
pub(super) fn equal(x: u32, y: u32) -> bool {
    f32::from_bits(x) == f32::from_bits(y)
}

/// OLT.S.
pub(super) fn less(x: u32, y: u32) -> bool {
    f32::from_bits(x) < f32::from_bits(y)
}

/// OLE.S.
pub(super) fn less_or_equal(x: u32, y: u32) -> bool {
    f32::from_bits(x) <= f32::from_bits(y)
}

/// UN.S.
pub(super) fn unordered(x: u32, y: u32) -> bool {
    f32::from_bits(x).is_nan() || f32::from_bits(y).is_nan()
}

/// ROUND.S, TRUNC.S, FLOOR.S, CEIL.S and UTRUNC.S of `x` times 2 to the `scale`.
///
/// Out of range saturates; NaN gives the largest value of the range.
pub(super) fn to_integer(opcode: Opcode, x: u32, scale: u32) -> u32 {
    let scaled = f64::from(f32::from_bits(x)) * f64::from(1u32 << (scale & 15));
    if scaled.is_nan() {
        return if opcode == Opcode::UtruncS { u32::MAX } else { i32::MAX as u32 };
    }
    match opcode {
        Opcode::RoundS => scaled.round_ties_even() as i32 as u32,
        Opcode::FloorS => scaled.floor() as i32 as u32,
        Opcode::CeilS => scaled.ceil() as i32 as u32,
        // A negative value wraps as the signed conversion does; measured by compilers' libraries
        // that use UTRUNC.S only for values that are in range.
        Opcode::UtruncS if scaled < 0.0 => scaled as i32 as u32,
        Opcode::UtruncS => scaled as u32,
        _ => scaled as i32 as u32,
    }
}

impl Cpu {
    /// The rounding that FCR selects, unless to nearest.
    fn directed_rounding(&self) -> Option<Round> {
        match self.fcr & 3 {
            1 => Some(Round::TowardZero),
            2 => Some(Round::TowardPositive),
            3 => Some(Round::TowardNegative),
            _ => None,
        }
    }

    /// ADD.S.
    pub(super) fn float_add(&self, x: u32, y: u32) -> u32 {
        match self.directed_rounding() {
            None => bits(f32::from_bits(x) + f32::from_bits(y)),
            Some(round) => soft_bits(soft(x).add_r(soft(y), round).value),
        }
    }

    /// MUL.S.
    pub(super) fn float_mul(&self, x: u32, y: u32) -> u32 {
        match self.directed_rounding() {
            None => bits(f32::from_bits(x) * f32::from_bits(y)),
            Some(round) => soft_bits(soft(x).mul_r(soft(y), round).value),
        }
    }

    /// MADD.S: `addend + x * y`, rounded once.
    pub(super) fn float_madd(&self, addend: u32, x: u32, y: u32) -> u32 {
        match self.directed_rounding() {
            None => bits(f32::from_bits(x).mul_add(f32::from_bits(y), f32::from_bits(addend))),
            Some(round) => soft_bits(soft(x).mul_add_r(soft(y), soft(addend), round).value),
        }
    }

    /// FLOAT.S and UFLOAT.S: `x` divided by 2 to the `scale`, which is exact.
    pub(super) fn float_from(&self, x: i64, scale: u32) -> u32 {
        let unscaled = match self.directed_rounding() {
            None => x as f32,
            Some(round) => {
                f32::from_bits(soft_bits(Single::from_i128_r(i128::from(x), round).value))
            }
        };
        bits(unscaled / (1u32 << (scale & 15)) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_saturate_and_scale() {
        let two_and_a_half = 2.5f32.to_bits();
        assert_eq!(to_integer(Opcode::RoundS, two_and_a_half, 0), 2);
        assert_eq!(to_integer(Opcode::TruncS, two_and_a_half, 1), 5);
        assert_eq!(to_integer(Opcode::CeilS, two_and_a_half, 0), 3);
        assert_eq!(to_integer(Opcode::TruncS, 1e20f32.to_bits(), 0), i32::MAX as u32);
        assert_eq!(to_integer(Opcode::TruncS, (-1e20f32).to_bits(), 0), i32::MIN as u32);
        assert_eq!(to_integer(Opcode::UtruncS, 4e9f32.to_bits(), 0), 4_000_000_000);
    }

    #[test]
    fn soft_and_host_arithmetic_agree_to_nearest() {
        let cpu = Cpu::new(0);
        let mut x = 0x1234_5678u32;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x
        };
        for _ in 0..20_000 {
            let (a, b, c) = (next(), next(), next());
            let nearest = Round::NearestTiesToEven;
            assert_eq!(cpu.float_add(a, b), soft_bits(soft(a).add_r(soft(b), nearest).value));
            assert_eq!(
                cpu.float_madd(c, a, b),
                soft_bits(soft(a).mul_add_r(soft(b), soft(c), nearest).value)
            );
        }
    }

    #[test]
    fn every_nan_result_is_the_canonical_one() {
        let cpu = Cpu::new(0);
        assert_eq!(cpu.float_add(0x7fa0_1234, 0), CANONICAL_NAN);
        assert_eq!(cpu.float_add(0x7f80_0000, 0xff80_0000), CANONICAL_NAN);
    }
}
