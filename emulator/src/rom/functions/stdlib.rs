//! Numbers and text: the arithmetic part of the C library's `stdlib.h`.
//!
//! *Source*: ISO C for semantics; newlib's documentation for `itoa`, `utoa` and `rand_r`.
//! *Modelled*: conversions with the reentrancy structure given (`_strtol_r` and relatives; errno is
//! its first word), `itoa`, `abs`, `div` (its struct comes back in two registers), `rand_r`.
//! *Not modelled*: other locales. The functions that look up the reentrancy structure themselves
//! (`strtol`, `rand`) are guest code in `assembly`. A leading `0x` without a digit behind it counts
//! as no number, as in the newlib of the ROM.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::guest::{Cause, Fault};
use crate::rom::table::{Entry, entry};

const ERANGE: u32 = 34;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_10d4, "rand_r", &[rand_r]),
    entry(0x4005_61f0, "__utoa", &[utoa]),
    entry(0x4005_6258, "utoa", &[utoa]),
    entry(0x4005_6340, "abs", &[abs]),
    entry(0x4005_6348, "div", &[div]),
    entry(0x4005_6370, "labs", &[abs]),
    entry(0x4005_6378, "ldiv", &[div]),
    entry(0x4005_6678, "__itoa", &[itoa]),
    entry(0x4005_66b4, "itoa", &[itoa]),
    entry(0x4005_66c4, "atoi", &[atoi]),
    entry(0x4005_66d4, "_atoi_r", &[atoi_r]),
    entry(0x4005_66ec, "atol", &[atoi]),
    entry(0x4005_66fc, "_atol_r", &[atoi_r]),
    entry(0x4005_6714, "_strtol_r", &[strtol_r]),
    entry(0x4005_6834, "_strtoul_r", &[strtoul_r]),
];

/// What a text says.
struct Number {
    is_negative: bool,
    /// Saturated at `u64::MAX`, far beyond what any result can hold.
    magnitude: u64,
    /// Address behind the number, or of the text when there is none.
    end: u32,
}

/// Reads a number as `strtol` does.
fn parse(call: &mut Call<'_>, text: u32, base: u32) -> Result<Number, Stop> {
    let mut at = text;
    let mut next = |call: &mut Call<'_>| {
        let byte = call.byte(at)?;
        at = at.wrapping_add(1);
        call.charge(10);
        Ok::<_, Fault>(byte)
    };
    let mut byte = next(call)?;
    while matches!(byte, b' ' | 9..=13) {
        byte = next(call)?;
    }
    let is_negative = byte == b'-';
    if matches!(byte, b'-' | b'+') {
        byte = next(call)?;
    }
    let mut base = base;
    if byte == b'0' && (base == 0 || base == 16) {
        byte = next(call)?;
        if matches!(byte, b'x' | b'X') {
            base = 16;
            byte = next(call)?;
        } else {
            // The zero was a digit: step back onto it.
            at = at.wrapping_sub(1);
            byte = b'0';
            base = if base == 0 { 8 } else { base };
            let mut number = digits(call, byte, at, base)?;
            number.is_negative = is_negative;
            return Ok(number);
        }
    }
    let base = if base == 0 { 10 } else { base };
    let mut number = digits(call, byte, at, base)?;
    number.is_negative = is_negative;
    if number.end == at.wrapping_sub(1) {
        number.end = text;
    }
    Ok(number)
}

/// Reads digits; `first` is the byte in front of `at`.
fn digits(call: &mut Call<'_>, first: u8, at: u32, base: u32) -> Result<Number, Stop> {
    let (mut byte, mut at, mut magnitude) = (first, at, 0u64);
    while let Some(digit) = char::from(byte).to_digit(36).filter(|&digit| digit < base) {
        magnitude = magnitude.saturating_mul(base.into()).saturating_add(digit.into());
        byte = call.byte(at)?;
        at = at.wrapping_add(1);
        call.charge(12);
    }
    Ok(Number { is_negative: false, magnitude, end: at.wrapping_sub(1) })
}

fn signed(number: &Number) -> Option<i32> {
    let magnitude = i64::try_from(number.magnitude).ok()?;
    i32::try_from(if number.is_negative { -magnitude } else { magnitude }).ok()
}

fn set_end(call: &mut Call<'_>, end: u32, number: &Number) -> Result<(), Stop> {
    if end != 0 {
        call.write(end, &number.end.to_le_bytes())?;
    }
    Ok(())
}

/// `long strtol(text, end, base)` with errno in the structure at `reent`, if there is one.
pub(in crate::rom) fn strtol(
    call: &mut Call<'_>,
    reent: u32,
    text: u32,
    end: u32,
    base: u32,
) -> Result<u32, Stop> {
    let number = parse(call, text, base)?;
    set_end(call, end, &number)?;
    if let Some(value) = signed(&number) {
        return Ok(value as u32);
    }
    if reent != 0 {
        call.store(reent, ERANGE)?;
    }
    Ok(if number.is_negative { i32::MIN as u32 } else { i32::MAX as u32 })
}

/// `unsigned long strtoul(text, end, base)`, likewise.
pub(in crate::rom) fn strtoul(
    call: &mut Call<'_>,
    reent: u32,
    text: u32,
    end: u32,
    base: u32,
) -> Result<u32, Stop> {
    let number = parse(call, text, base)?;
    set_end(call, end, &number)?;
    match u32::try_from(number.magnitude) {
        Ok(value) if number.is_negative => Ok(value.wrapping_neg()),
        Ok(value) => Ok(value),
        Err(_) => {
            if reent != 0 {
                call.store(reent, ERANGE)?;
            }
            Ok(u32::MAX)
        }
    }
}

/// `long _strtol_r(struct _reent *r, const char *text, char **end, int base)`
fn strtol_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let [reent, text, end, base] = std::array::from_fn(|i| call.get(i));
    Ok(Outcome::Return(strtol(call, reent, text, end, base)?))
}

/// `unsigned long _strtoul_r(struct _reent *r, const char *text, char **end, int base)`
fn strtoul_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let [reent, text, end, base] = std::array::from_fn(|i| call.get(i));
    Ok(Outcome::Return(strtoul(call, reent, text, end, base)?))
}

/// `int atoi(const char *text)`: errno, which C leaves open, is not set.
fn atoi(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let text = call.get(0);
    Ok(Outcome::Return(strtol(call, 0, text, 0, 10)?))
}

/// `int _atoi_r(struct _reent *r, const char *text)`
fn atoi_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (reent, text) = (call.get(0), call.get(1));
    Ok(Outcome::Return(strtol(call, reent, text, 0, 10)?))
}

/// Writes a number in a base from 2 to 36; any other base gives an empty text and no result.
fn format(
    call: &mut Call<'_>,
    is_negative: bool,
    value: u32,
    out: u32,
    base: u32,
) -> Result<Outcome, Stop> {
    if !(2..=36).contains(&base) {
        call.write(out, &[0])?;
        return Ok(Outcome::Return(0));
    }
    let mut text = vec![0];
    let mut rest = value;
    loop {
        text.push(char::from_digit(rest % base, base).map_or(b'?', |digit| digit as u8));
        rest /= base;
        call.charge(20);
        if rest == 0 {
            break;
        }
    }
    if is_negative {
        text.push(b'-');
    }
    text.reverse();
    call.write(out, &text)?;
    Ok(Outcome::Return(out))
}

/// `char *itoa(int value, char *out, int base)`: signed in base 10 only.
fn itoa(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (value, out, base) = (call.get(0), call.get(1), call.get(2));
    let is_negative = base == 10 && (value as i32) < 0;
    let magnitude = if is_negative { value.wrapping_neg() } else { value };
    format(call, is_negative, magnitude, out, base)
}

/// `char *utoa(unsigned value, char *out, int base)`
fn utoa(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (value, out, base) = (call.get(0), call.get(1), call.get(2));
    format(call, false, value, out, base)
}

/// `int abs(int n)`
fn abs(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4);
    Ok(Outcome::Return((call.get(0) as i32).wrapping_abs() as u32))
}

/// `div_t div(int numerator, int denominator)`: quotient and remainder, in two registers.
fn div(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (a, b) = (call.get(0) as i32, call.get(1) as i32);
    call.charge(12);
    if b == 0 {
        return Err(Stop::Fault(Fault { cause: Cause::DivideByZero, vaddr: 0 }));
    }
    let (quotient, remainder) = (a.wrapping_div(b) as u32, a.wrapping_rem(b) as u32);
    Ok(Outcome::Return64(u64::from(quotient) | u64::from(remainder) << 32))
}

/// `int rand_r(unsigned *seed)`: the minimal standard generator of Park and Miller.
fn rand_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let seed = call.get(0);
    let s = match call.load(seed)? {
        0 => 0x1234_5987,
        s => i64::from(s as i32),
    };
    let next = 16_807 * (s % 127_773) - 2_836 * (s / 127_773);
    let next = if next < 0 { next + 2_147_483_647 } else { next };
    call.store(seed, next as u32)?;
    call.charge(30);
    Ok(Outcome::Return(next as u32 & 0x7fff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{DRAM, FakeGuest};

    const REENT: u32 = DRAM + 0x1000;
    const END: u32 = DRAM + 0x2002;

    fn text(guest: &mut FakeGuest, address: u32) -> String {
        let bytes = guest.get(address, 40);
        let end = bytes.iter().position(|&byte| byte == 0).expect("terminated");
        String::from_utf8(bytes[..end].to_vec()).expect("ASCII")
    }

    #[test]
    fn numbers_are_read_as_the_c_standard_says() {
        let mut guest = FakeGuest::new(64);
        for (input, base, value, unsigned, used, errno) in [
            ("  -12x", 10, -12, 12u32.wrapping_neg(), 5, 0),
            ("0x1Fg", 0, 31, 31, 4, 0),
            ("017", 0, 15, 15, 3, 0),
            ("0", 0, 0, 0, 1, 0),
            ("08", 0, 0, 0, 1, 0),
            ("+7fffffff", 16, i32::MAX, 0x7fff_ffff, 9, 0),
            ("zz", 36, 1295, 1295, 2, 0),
            ("", 10, 0, 0, 0, 0),
            ("-", 10, 0, 0, 0, 0),
            ("abc", 10, 0, 0, 0, 0),
            ("99999999999999999999999", 10, i32::MAX, u32::MAX, 23, ERANGE),
            ("-99999999999", 10, i32::MIN, u32::MAX, 12, ERANGE),
        ] {
            guest.put_string(DRAM, input);
            guest.put(REENT, &[0; 4]);
            let arguments = [REENT, DRAM, END, base];
            assert_eq!(guest.call("_strtol_r", &arguments) as i32, value, "{input}");
            let end = u32::from_le_bytes(guest.get(END, 4).try_into().expect("a word"));
            assert_eq!((end - DRAM, guest.word(REENT)), (used, errno), "{input}");
            assert_eq!(guest.call("_strtoul_r", &arguments), unsigned, "{input}");
        }
        guest.put_string(DRAM, " 42abc");
        assert_eq!(guest.call("atoi", &[DRAM]), 42);
    }

    #[test]
    fn numbers_are_written_in_any_base() {
        let mut guest = FakeGuest::new(64);
        let mut written = |name, value: i64, base| {
            guest.call(name, &[value as u32, DRAM, base]);
            text(&mut guest, DRAM)
        };
        assert_eq!(written("itoa", -255, 10), "-255");
        assert_eq!(written("itoa", -1, 16), "ffffffff");
        assert_eq!(written("itoa", i32::MIN.into(), 10), "-2147483648");
        assert_eq!(written("utoa", 35, 36), "z");
        assert_eq!(written("utoa", 5, 2), "101");
        assert_eq!(written("utoa", 5, 1), "");
    }

    #[test]
    fn quotient_and_remainder_come_back_together() {
        let mut guest = FakeGuest::new(64);
        let result = guest.call64("div", &[-7i32 as u32, 2]);
        assert_eq!((result as i32, (result >> 32) as i32), (-3, -1));
        assert!(guest.try_call("div", &[1, 0]).is_err());
        assert_eq!(guest.call("abs", &[-5i32 as u32]), 5);
        guest.put(DRAM, &1u32.to_le_bytes());
        assert_eq!(guest.call("rand_r", &[DRAM]), 16_807);
        for _ in 1..10_000 {
            guest.call("rand_r", &[DRAM]);
        }
        assert_eq!(guest.word(DRAM), 1_043_618_065, "the check value of Park and Miller");
    }
}
