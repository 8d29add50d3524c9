//! Floating-point arithmetic of libgcc: doubles, and the single-precision set.
//!
//! *Source*: GCC internals manual, "Routines for floating point emulation"; IEEE 754. Conversions
//! outside the range of the integer, and the values of the comparisons, as libgcc for Xtensa
//! documents them: conversions saturate, a NaN converts to the largest value; comparisons are 0 or
//! 1 (`le`, `gt`, `eq`, `ne`, `unord`) and 0 or -1 (`ge`, `lt`), and fail for NaN.
//! *Modelled*: round to nearest even, subnormals; a NaN result is the canonical quiet NaN, since
//! host processors differ in NaN payloads.
//! *Not modelled*: floating-point exceptions (the soft routines have none), complex arithmetic.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_20c0, "__negsf2", &[negsf2]),
    entry(0x4000_20e8, "__addsf3", &[addsf3]),
    entry(0x4000_21d0, "__subsf3", &[subsf3]),
    entry(0x4000_234c, "__divsf3", &[divsf3]),
    entry(0x4000_240c, "__fixsfsi", &[fixsfsi]),
    entry(0x4000_244c, "__fixsfdi", &[fixsfdi]),
    entry(0x4000_24ac, "__fixunssfsi", &[fixunssfsi]),
    entry(0x4000_2504, "__fixunssfdi", &[fixunssfdi]),
    entry(0x4000_2590, "__adddf3", &[adddf3]),
    entry(0x4000_26e4, "__subdf3", &[subdf3]),
    entry(0x4000_2954, "__divdf3", &[divdf3]),
    entry(0x4000_2a78, "__fixdfsi", &[fixdfsi]),
    entry(0x4000_2ac4, "__fixdfdi", &[fixdfdi]),
    entry(0x4000_2b30, "__fixunsdfsi", &[fixunsdfsi]),
    entry(0x4000_2b90, "__truncdfsf2", &[truncdfsf2]),
    entry(0x4000_2c34, "__extendsfdf2", &[extendsfdf2]),
    entry(0x4000_c864, "__floatunsisf", &[floatunsisf]),
    entry(0x4000_c870, "__floatsisf", &[floatsisf]),
    entry(0x4000_c8b0, "__floatundisf", &[floatundisf]),
    entry(0x4000_c8c0, "__floatdisf", &[floatdisf]),
    entry(0x4000_c938, "__floatunsidf", &[floatunsidf]),
    entry(0x4000_c944, "__floatsidf", &[floatsidf]),
    entry(0x4000_c978, "__floatundidf", &[floatundidf]),
    entry(0x4000_c988, "__floatdidf", &[floatdidf]),
    entry(0x4006_32c8, "__mulsf3", &[mulsf3]),
    entry(0x4006_3374, "__eqsf2", &[nesf2]),
    entry(0x4006_33a0, "__gtsf2", &[gtsf2]),
    entry(0x4006_33c0, "__lesf2", &[lesf2]),
    entry(0x4006_340c, "__gesf2", &[gesf2]),
    entry(0x4006_342c, "__ltsf2", &[ltsf2]),
    entry(0x4006_3478, "__unordsf2", &[unordsf2]),
    entry(0x4006_34a0, "__negdf2", &[negdf2]),
    entry(0x4006_358c, "__muldf3", &[muldf3]),
    entry(0x4006_36a8, "__eqdf2", &[nedf2]),
    entry(0x4006_36dc, "__gtdf2", &[gtdf2]),
    entry(0x4006_3704, "__ledf2", &[ledf2]),
    entry(0x4006_3768, "__gedf2", &[gedf2]),
    entry(0x4006_3790, "__ltdf2", &[ltdf2]),
    entry(0x4006_37f4, "__unorddf2", &[unorddf2]),
    entry(0x4006_389c, "__powisf2", &[powisf2]),
    entry(0x4006_38e4, "__powidf2", &[powidf2]),
];

const ADD: u64 = 40;
const MULTIPLY: u64 = 70;
const DIVIDE: u64 = 180;
const CONVERT: u64 = 20;
const COMPARE: u64 = 16;

fn double(call: &Call<'_>, slot: usize) -> f64 {
    f64::from_bits(call.get64(slot))
}

fn single(call: &Call<'_>, slot: usize) -> f32 {
    f32::from_bits(call.get(slot))
}

fn give_double(call: &mut Call<'_>, cycles: u64, value: f64) -> Result<Outcome, Stop> {
    call.charge(cycles);
    let canonical = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
    Ok(Outcome::Return64(canonical))
}

fn give_single(call: &mut Call<'_>, cycles: u64, value: f32) -> Result<Outcome, Stop> {
    call.charge(cycles);
    Ok(Outcome::Return(if value.is_nan() { 0x7fc0_0000 } else { value.to_bits() }))
}

fn give_truth(call: &mut Call<'_>, value: i32) -> Result<Outcome, Stop> {
    call.charge(COMPARE);
    Ok(Outcome::Return(value as u32))
}

/// `double __adddf3(double a, double b)`
fn adddf3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = double(call, 0) + double(call, 2);
    give_double(call, ADD, value)
}

/// `double __subdf3(double a, double b)`
fn subdf3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = double(call, 0) - double(call, 2);
    give_double(call, ADD, value)
}

/// `double __muldf3(double a, double b)`
fn muldf3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = double(call, 0) * double(call, 2);
    give_double(call, MULTIPLY, value)
}

/// `double __divdf3(double a, double b)`
fn divdf3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = double(call, 0) / double(call, 2);
    give_double(call, DIVIDE, value)
}

/// `double __negdf2(double a)`: the sign bit, whatever the rest is.
fn negdf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    Ok(Outcome::Return64(call.get64(0) ^ 1 << 63))
}

/// `float __addsf3(float a, float b)`
fn addsf3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = single(call, 0) + single(call, 1);
    give_single(call, ADD, value)
}

/// `float __subsf3(float a, float b)`
fn subsf3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = single(call, 0) - single(call, 1);
    give_single(call, ADD, value)
}

/// `float __mulsf3(float a, float b)`
fn mulsf3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = single(call, 0) * single(call, 1);
    give_single(call, ADD, value)
}

/// `float __divsf3(float a, float b)`
fn divsf3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = single(call, 0) / single(call, 1);
    give_single(call, MULTIPLY, value)
}

/// `float __negsf2(float a)`
fn negsf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    Ok(Outcome::Return(call.get(0) ^ 1 << 31))
}

/// A double of either kind, widened; widening is exact.
type Operand = fn(&Call<'_>, usize) -> f64;

fn wide_single(call: &Call<'_>, slot: usize) -> f64 {
    single(call, slot).into()
}

fn to_i32(call: &mut Call<'_>, operand: Operand) -> Result<Outcome, Stop> {
    call.charge(CONVERT);
    let x = operand(call, 0);
    Ok(Outcome::Return(if x.is_nan() { i32::MAX as u32 } else { x as i32 as u32 }))
}

fn to_i64(call: &mut Call<'_>, operand: Operand) -> Result<Outcome, Stop> {
    call.charge(CONVERT);
    let x = operand(call, 0);
    Ok(Outcome::Return64(if x.is_nan() { i64::MAX as u64 } else { x as i64 as u64 }))
}

/// Negative values wrap; those below the smallest signed value give just that.
fn to_u32(call: &mut Call<'_>, operand: Operand) -> Result<Outcome, Stop> {
    call.charge(CONVERT);
    let x = operand(call, 0);
    Ok(Outcome::Return(match x {
        _ if x.is_nan() => u32::MAX,
        _ if x < 0.0 => x as i32 as u32,
        _ => x as u32,
    }))
}

fn to_u64(call: &mut Call<'_>, operand: Operand) -> Result<Outcome, Stop> {
    call.charge(CONVERT);
    let x = operand(call, 0);
    Ok(Outcome::Return64(match x {
        _ if x.is_nan() => u64::MAX,
        _ if x < 0.0 => x as i64 as u64,
        _ => x as u64,
    }))
}

/// `int __fixdfsi(double a)`
fn fixdfsi(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    to_i32(call, double)
}

/// `long long __fixdfdi(double a)`
fn fixdfdi(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    to_i64(call, double)
}

/// `unsigned __fixunsdfsi(double a)`
fn fixunsdfsi(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    to_u32(call, double)
}

/// `int __fixsfsi(float a)`
fn fixsfsi(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    to_i32(call, wide_single)
}

/// `long long __fixsfdi(float a)`
fn fixsfdi(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    to_i64(call, wide_single)
}

/// `unsigned __fixunssfsi(float a)`
fn fixunssfsi(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    to_u32(call, wide_single)
}

/// `unsigned long long __fixunssfdi(float a)`
fn fixunssfdi(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    to_u64(call, wide_single)
}

/// `float __truncdfsf2(double a)`
fn truncdfsf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = double(call, 0) as f32;
    give_single(call, CONVERT, value)
}

/// `double __extendsfdf2(float a)`
fn extendsfdf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = wide_single(call, 0);
    give_double(call, CONVERT, value)
}

/// `double __floatunsidf(unsigned i)`
fn floatunsidf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = f64::from(call.get(0));
    give_double(call, CONVERT, value)
}

/// `double __floatsidf(int i)`
fn floatsidf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = f64::from(call.get(0) as i32);
    give_double(call, CONVERT, value)
}

/// `double __floatundidf(unsigned long long i)`
fn floatundidf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0) as f64;
    give_double(call, CONVERT, value)
}

/// `double __floatdidf(long long i)`
fn floatdidf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0) as i64 as f64;
    give_double(call, CONVERT, value)
}

/// `float __floatunsisf(unsigned i)`
fn floatunsisf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get(0) as f32;
    give_single(call, CONVERT, value)
}

/// `float __floatsisf(int i)`
fn floatsisf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get(0) as i32 as f32;
    give_single(call, CONVERT, value)
}

/// `float __floatundisf(unsigned long long i)`
fn floatundisf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0) as f32;
    give_single(call, CONVERT, value)
}

/// `float __floatdisf(long long i)`
fn floatdisf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0) as i64 as f32;
    give_single(call, CONVERT, value)
}

fn doubles(call: &Call<'_>) -> (f64, f64) {
    (double(call, 0), double(call, 2))
}

fn singles(call: &Call<'_>) -> (f32, f32) {
    (single(call, 0), single(call, 1))
}

/// `int __nedf2(double a, double b)` and `__eqdf2`: 0 when equal.
fn nedf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = doubles(call);
    give_truth(call, (a != b).into())
}

/// `int __gtdf2(double a, double b)`: 1 when greater.
fn gtdf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = doubles(call);
    give_truth(call, (a > b).into())
}

/// `int __ledf2(double a, double b)`: 0 when less or equal, else 1.
fn ledf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = doubles(call);
    give_truth(call, i32::from(a > b || a.is_nan() || b.is_nan()))
}

/// `int __gedf2(double a, double b)`: 0 when greater or equal, else -1.
fn gedf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = doubles(call);
    give_truth(call, -i32::from(a < b || a.is_nan() || b.is_nan()))
}

/// `int __ltdf2(double a, double b)`: -1 when less.
fn ltdf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = doubles(call);
    give_truth(call, -i32::from(a < b))
}

/// `int __unorddf2(double a, double b)`: 1 when either is a NaN.
fn unorddf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = doubles(call);
    give_truth(call, i32::from(a.is_nan() || b.is_nan()))
}

/// `int __nesf2(float a, float b)` and `__eqsf2`
fn nesf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = singles(call);
    give_truth(call, (a != b).into())
}

/// `int __gtsf2(float a, float b)`
fn gtsf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = singles(call);
    give_truth(call, (a > b).into())
}

/// `int __lesf2(float a, float b)`
fn lesf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = singles(call);
    give_truth(call, i32::from(a > b || a.is_nan() || b.is_nan()))
}

/// `int __gesf2(float a, float b)`
fn gesf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = singles(call);
    give_truth(call, -i32::from(a < b || a.is_nan() || b.is_nan()))
}

/// `int __ltsf2(float a, float b)`
fn ltsf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = singles(call);
    give_truth(call, -i32::from(a < b))
}

/// `int __unordsf2(float a, float b)`
fn unordsf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = singles(call);
    give_truth(call, i32::from(a.is_nan() || b.is_nan()))
}

/// `double __powidf2(double x, int n)`: square and multiply, inverted at the end for negative `n`.
fn powidf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (mut x, exponent) = (double(call, 0), call.get(2) as i32);
    let mut n = exponent.unsigned_abs();
    let mut y = if n & 1 != 0 { x } else { 1.0 };
    while n > 1 {
        n >>= 1;
        x *= x;
        if n & 1 != 0 {
            y *= x;
        }
        call.charge(MULTIPLY);
    }
    give_double(call, MULTIPLY, if exponent < 0 { 1.0 / y } else { y })
}

/// `float __powisf2(float x, int n)`
fn powisf2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (mut x, exponent) = (single(call, 0), call.get(1) as i32);
    let mut n = exponent.unsigned_abs();
    let mut y = if n & 1 != 0 { x } else { 1.0 };
    while n > 1 {
        n >>= 1;
        x *= x;
        if n & 1 != 0 {
            y *= x;
        }
        call.charge(ADD);
    }
    give_single(call, ADD, if exponent < 0 { 1.0 / y } else { y })
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{FakeGuest, Random};

    const SPECIAL: [f64; 14] = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        2147483648.0,
        -2147483649.0,
        4294967295.5,
        1.8446744073709552e19,
    ];

    fn value(random: &mut Random) -> f64 {
        match random.below(3) {
            0 => SPECIAL[random.below(SPECIAL.len() as u32) as usize],
            1 => f64::from(random.next() as i32) / 1024.0,
            _ => f64::from_bits(random.next64()),
        }
    }

    fn words(x: f64) -> [u32; 2] {
        [x.to_bits() as u32, (x.to_bits() >> 32) as u32]
    }

    fn canonical(x: f64) -> u64 {
        if x.is_nan() { 0x7ff8 << 48 } else { x.to_bits() }
    }

    #[test]
    fn doubles_agree_with_ieee_754() {
        let mut random = Random::new(3);
        let mut guest = FakeGuest::new(64);
        for _ in 0..4000 {
            let (a, b) = (value(&mut random), value(&mut random));
            let arguments = [words(a), words(b)].concat();
            for (name, expected) in
                [("__adddf3", a + b), ("__subdf3", a - b), ("__muldf3", a * b), ("__divdf3", a / b)]
            {
                let got = guest.call64(name, &arguments);
                assert_eq!(got, canonical(expected), "{name} {a} {b}");
            }
            for (name, holds) in [
                ("__gtdf2", a > b),
                ("__ledf2", a > b || a.is_nan() || b.is_nan()),
                ("__gedf2", a < b || a.is_nan() || b.is_nan()),
                ("__ltdf2", a < b),
                ("__eqdf2", a != b),
                ("__unorddf2", a.is_nan() || b.is_nan()),
            ] {
                assert_eq!(guest.call(name, &arguments) != 0, holds, "{name} {a} {b}");
            }
        }
    }

    #[test]
    fn conversions_saturate_and_a_nan_is_the_largest_value() {
        let mut guest = FakeGuest::new(64);
        for (x, signed, unsigned) in [
            (f64::NAN, i32::MAX, u32::MAX),
            (f64::INFINITY, i32::MAX, u32::MAX),
            (f64::NEG_INFINITY, i32::MIN, 1 << 31),
            (-1.9, -1, u32::MAX),
            (-0.5, 0, 0),
            (3e9, i32::MAX, 3_000_000_000),
            (-3e9, i32::MIN, 1 << 31),
            (1.999, 1, 1),
        ] {
            assert_eq!(guest.call("__fixdfsi", &words(x)) as i32, signed, "{x}");
            assert_eq!(guest.call("__fixunsdfsi", &words(x)), unsigned, "{x}");
            let single = (x as f32).to_bits();
            assert_eq!(guest.call("__fixsfsi", &[single]) as i32, signed, "{x}");
        }
        let mut random = Random::new(5);
        for _ in 0..1000 {
            let (n, x) = (random.next64(), value(&mut random));
            let pair = [n as u32, (n >> 32) as u32];
            assert_eq!(guest.call64("__floatundidf", &pair), (n as f64).to_bits());
            assert_eq!(guest.call64("__floatdidf", &pair), (n as i64 as f64).to_bits());
            assert_eq!(guest.call("__floatundisf", &pair), (n as f32).to_bits());
            if !x.is_nan() {
                assert_eq!(guest.call64("__fixdfdi", &words(x)), x as i64 as u64);
                assert_eq!(guest.call("__truncdfsf2", &words(x)), (x as f32).to_bits());
            }
        }
        let two = words(2.0);
        assert_eq!(guest.call64("__powidf2", &[two[0], two[1], 10]), 1024f64.to_bits());
        let got = guest.call64("__powidf2", &[two[0], two[1], -2i32 as u32]);
        assert_eq!(got, 0.25f64.to_bits());
    }
}
