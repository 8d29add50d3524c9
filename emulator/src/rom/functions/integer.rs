//! Integer arithmetic of libgcc: 64-bit division and shifts, bit counting, byte order; and the one
//! helper of that kind that the Wi-Fi driver calls.
//!
//! *Source*: GCC internals manual, "Routines for integer arithmetic".
//! *Modelled*: all of `esp32.rom.libgcc.ld` but the overflow-trapping set. A division by zero
//! raises IntegerDivideByZeroCause, as the QUOU instruction behind it does.
//! *Not modelled*: `__addvsi3` and its relatives, `__udiv_w_sdiv`.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::guest::{Cause, Fault};
use crate::rom::table::{Entry, entry};

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_2ed0, "__popcountsi2", &[popcountsi2]),
    entry(0x4000_2ef8, "__popcountdi2", &[popcountdi2]),
    entry(0x4000_2f3c, "__paritysi2", &[paritysi2]),
    entry(0x4000_ab7c, "roundup2", &[roundup2]),
    entry(0x4000_c7b0, "__mulsi3", &[mulsi3]),
    entry(0x4000_c7b8, "__divsi3", &[divsi3]),
    entry(0x4000_c7c0, "__modsi3", &[modsi3]),
    entry(0x4000_c7c8, "__udivsi3", &[udivsi3]),
    entry(0x4000_c7d0, "__umodsi3", &[umodsi3]),
    entry(0x4000_c7d8, "__umulsidi3", &[umulsidi3]),
    entry(0x4000_c7e8, "__clzsi2", &[clzsi2]),
    entry(0x4000_c7f0, "__ctzsi2", &[ctzsi2]),
    entry(0x4000_c804, "__ffssi2", &[ffssi2]),
    entry(0x4000_c818, "__ashldi3", &[ashldi3]),
    entry(0x4000_c830, "__ashrdi3", &[ashrdi3]),
    entry(0x4000_c84c, "__lshrdi3", &[lshrdi3]),
    entry(0x4000_c9fc, "__muldi3", &[muldi3]),
    entry(0x4000_ca14, "__negdi2", &[negdi2]),
    entry(0x4000_ca2c, "__ffsdi2", &[ffsdi2]),
    entry(0x4000_ca50, "__clzdi2", &[clzdi2]),
    entry(0x4000_ca64, "__ctzdi2", &[ctzdi2]),
    entry(0x4000_ca84, "__divdi3", &[divdi3]),
    entry(0x4000_cd4c, "__moddi3", &[moddi3]),
    entry(0x4000_cff8, "__udivdi3", &[udivdi3]),
    entry(0x4000_d280, "__umoddi3", &[umoddi3]),
    entry(0x4006_3820, "__cmpdi2", &[cmpdi2]),
    entry(0x4006_3840, "__ucmpdi2", &[ucmpdi2]),
    entry(0x4006_3860, "__clear_cache", &[clear_cache]),
    entry(0x4006_4b08, "__bswapdi2", &[bswapdi2]),
    entry(0x4006_4b64, "__clrsbsi2", &[clrsbsi2]),
    entry(0x4006_4b7c, "__clrsbdi2", &[clrsbdi2]),
    entry(0x4006_4bf4, "__udivmoddi4", &[udivmoddi4]),
];

const DIVIDE_BY_ZERO: Stop = Stop::Fault(Fault { cause: Cause::DivideByZero, vaddr: 0 });
const SHORT: u64 = 8;
const DIVIDE_64: u64 = 70;

fn word(call: &mut Call<'_>, value: u32) -> Result<Outcome, Stop> {
    call.charge(SHORT);
    Ok(Outcome::Return(value))
}

fn long(call: &mut Call<'_>, value: u64) -> Result<Outcome, Stop> {
    call.charge(SHORT);
    Ok(Outcome::Return64(value))
}

fn quotient(call: &mut Call<'_>, value: Option<u64>) -> Result<Outcome, Stop> {
    call.charge(DIVIDE_64);
    value.map(Outcome::Return64).ok_or(DIVIDE_BY_ZERO)
}

/// `int __popcountsi2(unsigned)`
fn popcountsi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get(0).count_ones();
    word(call, value)
}

/// `int __popcountdi2(unsigned long long)`
fn popcountdi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0).count_ones();
    word(call, value)
}

/// `int __paritysi2(unsigned)`
fn paritysi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get(0).count_ones() & 1;
    word(call, value)
}

/// `unsigned roundup2(unsigned value, unsigned step)`: up to a multiple of a power of two.
fn roundup2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (value, step) = (call.get(0), call.get(1));
    word(call, value.wrapping_add(step).wrapping_sub(1) & step.wrapping_neg())
}

/// `int __mulsi3(int a, int b)`
fn mulsi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get(0).wrapping_mul(call.get(1));
    word(call, value)
}

/// `int __divsi3(int a, int b)`
fn divsi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = (call.get(0) as i32, call.get(1) as i32);
    call.charge(SHORT);
    if b == 0 { Err(DIVIDE_BY_ZERO) } else { Ok(Outcome::Return(a.wrapping_div(b) as u32)) }
}

/// `int __modsi3(int a, int b)`
fn modsi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = (call.get(0) as i32, call.get(1) as i32);
    call.charge(SHORT);
    if b == 0 { Err(DIVIDE_BY_ZERO) } else { Ok(Outcome::Return(a.wrapping_rem(b) as u32)) }
}

/// `unsigned __udivsi3(unsigned a, unsigned b)`
fn udivsi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(SHORT);
    call.get(0).checked_div(call.get(1)).map(Outcome::Return).ok_or(DIVIDE_BY_ZERO)
}

/// `unsigned __umodsi3(unsigned a, unsigned b)`
fn umodsi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(SHORT);
    call.get(0).checked_rem(call.get(1)).map(Outcome::Return).ok_or(DIVIDE_BY_ZERO)
}

/// `unsigned long long __umulsidi3(unsigned a, unsigned b)`
fn umulsidi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = u64::from(call.get(0)) * u64::from(call.get(1));
    long(call, value)
}

/// `int __clzsi2(unsigned)`: 32 for 0, as NSAU gives.
fn clzsi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get(0).leading_zeros();
    word(call, value)
}

/// `int __clzdi2(unsigned long long)`
fn clzdi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0).leading_zeros();
    word(call, value)
}

/// `int __ctzsi2(unsigned)`: -1 for 0, what the usual computation by NSAU gives.
fn ctzsi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let x = call.get(0);
    word(call, if x == 0 { u32::MAX } else { x.trailing_zeros() })
}

/// `int __ctzdi2(unsigned long long)`
fn ctzdi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let x = call.get64(0);
    word(call, if x == 0 { 31 } else { x.trailing_zeros() })
}

/// `int __ffssi2(int)`: one more than the index of the lowest bit set, 0 for 0.
fn ffssi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let x = call.get(0);
    word(call, if x == 0 { 0 } else { x.trailing_zeros() + 1 })
}

/// `int __ffsdi2(long long)`
fn ffsdi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let x = call.get64(0);
    word(call, if x == 0 { 0 } else { x.trailing_zeros() + 1 })
}

/// `int __clrsbsi2(int)`: redundant sign bits.
fn clrsbsi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let x = call.get(0) as i32;
    word(call, (x ^ x >> 31).leading_zeros() - 1)
}

/// `int __clrsbdi2(long long)`
fn clrsbdi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let x = call.get64(0) as i64;
    word(call, (x ^ x >> 63).leading_zeros() - 1)
}

/// `long long __ashldi3(long long a, int n)`
fn ashldi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0).wrapping_shl(call.get(2));
    long(call, value)
}

/// `long long __ashrdi3(long long a, int n)`
fn ashrdi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = (call.get64(0) as i64).wrapping_shr(call.get(2)) as u64;
    long(call, value)
}

/// `long long __lshrdi3(long long a, int n)`
fn lshrdi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0).wrapping_shr(call.get(2));
    long(call, value)
}

/// `long long __muldi3(long long a, long long b)`
fn muldi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0).wrapping_mul(call.get64(2));
    long(call, value)
}

/// `long long __negdi2(long long a)`
fn negdi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0).wrapping_neg();
    long(call, value)
}

/// `long long __divdi3(long long a, long long b)`
fn divdi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = (call.get64(0) as i64, call.get64(2) as i64);
    quotient(call, (b != 0).then(|| a.wrapping_div(b) as u64))
}

/// `long long __moddi3(long long a, long long b)`
fn moddi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = (call.get64(0) as i64, call.get64(2) as i64);
    quotient(call, (b != 0).then(|| a.wrapping_rem(b) as u64))
}

/// `unsigned long long __udivdi3(unsigned long long a, unsigned long long b)`
fn udivdi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0).checked_div(call.get64(2));
    quotient(call, value)
}

/// `unsigned long long __umoddi3(unsigned long long a, unsigned long long b)`
fn umoddi3(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0).checked_rem(call.get64(2));
    quotient(call, value)
}

/// `unsigned long long __udivmoddi4(unsigned long long a, unsigned long long b,
/// unsigned long long *remainder)`
fn udivmoddi4(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b, remainder) = (call.get64(0), call.get64(2), call.get(4));
    let (Some(quot), Some(rem)) = (a.checked_div(b), a.checked_rem(b)) else {
        return Err(DIVIDE_BY_ZERO);
    };
    if remainder != 0 {
        call.write(remainder, &rem.to_le_bytes())?;
    }
    quotient(call, Some(quot))
}

fn ordering(call: &mut Call<'_>, order: std::cmp::Ordering) -> Result<Outcome, Stop> {
    word(call, (order as i8 + 1) as u32)
}

/// `int __cmpdi2(long long a, long long b)`: 0 less, 1 equal, 2 greater.
fn cmpdi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let order = (call.get64(0) as i64).cmp(&(call.get64(2) as i64));
    ordering(call, order)
}

/// `int __ucmpdi2(unsigned long long a, unsigned long long b)`
fn ucmpdi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let order = call.get64(0).cmp(&call.get64(2));
    ordering(call, order)
}

/// `void __clear_cache(void *begin, void *end)`: there is no instruction cache to clear.
fn clear_cache(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(SHORT);
    Ok(Outcome::Void)
}

/// `long long __bswapdi2(long long)`
fn bswapdi2(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let value = call.get64(0).swap_bytes();
    long(call, value)
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{DRAM, FakeGuest, Random};

    #[test]
    fn sizes_are_rounded_up_to_powers_of_two() {
        let mut guest = FakeGuest::new(64);
        let rounded = [(0, 4), (1, 4), (4, 4), (1501, 16)]
            .map(|(value, step)| guest.call("roundup2", &[value, step]));
        assert_eq!(rounded, [0, 4, 4, 1504]);
    }

    #[test]
    fn long_arithmetic_agrees_with_the_host() {
        let mut random = Random::new(11);
        let mut guest = FakeGuest::new(64);
        for _ in 0..3000 {
            let a = random.next64() >> random.below(64);
            let b = random.next64() >> random.below(64) | 1;
            let n = random.below(64);
            let (x, y) = (a as i64, b as i64);
            let pair = [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32];
            let shift = [a as u32, (a >> 32) as u32, n];
            for (name, arguments, expected) in [
                ("__udivdi3", &pair[..], a / b),
                ("__umoddi3", &pair, a % b),
                ("__divdi3", &pair, x.wrapping_div(y) as u64),
                ("__moddi3", &pair, x.wrapping_rem(y) as u64),
                ("__muldi3", &pair, a.wrapping_mul(b)),
                ("__ashldi3", &shift, a << n),
                ("__ashrdi3", &shift, (x >> n) as u64),
                ("__lshrdi3", &shift, a >> n),
                ("__bswapdi2", &pair, a.swap_bytes()),
                ("__negdi2", &pair, a.wrapping_neg()),
            ] {
                assert_eq!(guest.call64(name, arguments), expected, "{name} {a:#x} {b:#x} {n}");
            }
            let arguments = [pair.as_slice(), &[DRAM + 3]].concat();
            assert_eq!(guest.call64("__udivmoddi4", &arguments), a / b);
            assert_eq!(guest.get(DRAM + 3, 8), (a % b).to_le_bytes());
            assert_eq!(guest.call("__cmpdi2", &pair), (x.cmp(&y) as i8 + 1) as u32);
            assert_eq!(guest.call("__popcountdi2", &pair), a.count_ones());
            assert_eq!(guest.call("__clzdi2", &pair), a.leading_zeros());
        }
        assert_eq!(guest.call("__clrsbsi2", &[u32::MAX]), 31);
        assert_eq!(guest.call("__ffssi2", &[8]), 4);
    }

    #[test]
    fn a_division_by_zero_is_the_guests_exception() {
        let mut guest = FakeGuest::new(64);
        for name in ["__udivdi3", "__umoddi3", "__divdi3", "__moddi3", "__divsi3", "__umodsi3"] {
            let fault = guest.try_call(name, &[7, 0, 0, 0]).expect_err(name);
            assert_eq!(fault.cause, crate::rom::guest::Cause::DivideByZero);
        }
    }
}
