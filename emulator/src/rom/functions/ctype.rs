//! Character classes of the C library, and the table that applications read for them.
//!
//! *Source*: newlib's documented `ctype.h` interface: bit 0 upper, 1 lower, 2 digit, 3 space,
//! 4 punctuation, 5 control, 6 hexadecimal letter, 7 blank; the table starts at index -1 (EOF).
//! *Modelled*: the "C" locale.
//! *Not modelled*: other locales.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

const UPPER: u8 = 0x01;
const LOWER: u8 = 0x02;
const DIGIT: u8 = 0x04;
const SPACE: u8 = 0x08;
const PUNCTUATION: u8 = 0x10;
const CONTROL: u8 = 0x20;
const HEX_LETTER: u8 = 0x40;
const BLANK: u8 = 0x80;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_0f04, "isalnum", &[isalnum]),
    entry(0x4000_0f18, "isalpha", &[isalpha]),
    entry(0x4000_0f2c, "isblank", &[isblank]),
    entry(0x4000_0f50, "iscntrl", &[iscntrl]),
    entry(0x4000_0f64, "isdigit", &[isdigit]),
    entry(0x4000_0f78, "islower", &[islower]),
    entry(0x4000_0f94, "isgraph", &[isgraph]),
    entry(0x4000_0fa8, "isprint", &[isprint]),
    entry(0x4000_0fc0, "ispunct", &[ispunct]),
    entry(0x4000_0fd4, "isspace", &[isspace]),
    entry(0x4000_0fe8, "isupper", &[isupper]),
    entry(0x4000_1868, "tolower", &[tolower]),
    entry(0x4000_1884, "toupper", &[toupper]),
    entry(0x4000_c20c, "isascii", &[isascii]),
    entry(0x4000_c720, "toascii", &[toascii]),
];

/// The class bits of a byte.
const fn class(byte: u8) -> u8 {
    match byte {
        9..=13 => CONTROL | SPACE,
        0..=8 | 14..=31 | 127 => CONTROL,
        b' ' => SPACE | BLANK,
        b'0'..=b'9' => DIGIT,
        b'A'..=b'F' => UPPER | HEX_LETTER,
        b'G'..=b'Z' => UPPER,
        b'a'..=b'f' => LOWER | HEX_LETTER,
        b'g'..=b'z' => LOWER,
        33..=126 => PUNCTUATION,
        128..=255 => 0,
    }
}

/// The `_ctype_` table: the entry of EOF, then one of every byte.
pub(super) fn ctype_table() -> [u8; 257] {
    std::array::from_fn(|i| i.checked_sub(1).map_or(0, |byte| class(byte as u8)))
}

fn test(call: &mut Call<'_>, mask: u8) -> Result<Outcome, Stop> {
    call.charge(8);
    let bits = u8::try_from(call.get(0)).map_or(0, class) & mask;
    Ok(Outcome::Return(bits.into()))
}

/// `int isalnum(int c)`
fn isalnum(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, UPPER | LOWER | DIGIT)
}

/// `int isalpha(int c)`
fn isalpha(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, UPPER | LOWER)
}

/// `int isblank(int c)`: space and tab.
fn isblank(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(8);
    let blank = call.get(0) == 9 || call.get(0) == u32::from(b' ');
    Ok(Outcome::Return(blank.into()))
}

/// `int iscntrl(int c)`
fn iscntrl(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, CONTROL)
}

/// `int isdigit(int c)`
fn isdigit(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, DIGIT)
}

/// `int islower(int c)`
fn islower(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, LOWER)
}

/// `int isgraph(int c)`
fn isgraph(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, PUNCTUATION | UPPER | LOWER | DIGIT)
}

/// `int isprint(int c)`
fn isprint(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, PUNCTUATION | UPPER | LOWER | DIGIT | BLANK)
}

/// `int ispunct(int c)`
fn ispunct(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, PUNCTUATION)
}

/// `int isspace(int c)`
fn isspace(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, SPACE)
}

/// `int isupper(int c)`
fn isupper(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    test(call, UPPER)
}

/// `int isascii(int c)`
fn isascii(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4);
    Ok(Outcome::Return((call.get(0) < 128).into()))
}

/// `int toascii(int c)`
fn toascii(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4);
    Ok(Outcome::Return(call.get(0) & 0x7f))
}

fn convert(call: &mut Call<'_>, change: fn(&u8) -> u8) -> Result<Outcome, Stop> {
    call.charge(10);
    let c = call.get(0);
    Ok(Outcome::Return(u8::try_from(c).map_or(c, |byte| change(&byte).into())))
}

/// `int tolower(int c)`
fn tolower(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    convert(call, u8::to_ascii_lowercase)
}

/// `int toupper(int c)`
fn toupper(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    convert(call, u8::to_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::FakeGuest;

    #[test]
    fn classes_agree_with_the_ascii_predicates_and_with_the_table() {
        let mut guest = FakeGuest::new(64);
        let table = ctype_table();
        for c in 0..=255u8 {
            let ascii = c.is_ascii();
            let space = matches!(c, 9..=13 | 32);
            for (name, expected) in [
                ("isalnum", c.is_ascii_alphanumeric()),
                ("isalpha", c.is_ascii_alphabetic()),
                ("isblank", c == 9 || c == 32),
                ("iscntrl", c.is_ascii_control()),
                ("isdigit", c.is_ascii_digit()),
                ("islower", c.is_ascii_lowercase()),
                ("isgraph", c.is_ascii_graphic()),
                ("isprint", c.is_ascii_graphic() || c == 32),
                ("ispunct", c.is_ascii_punctuation()),
                ("isspace", space),
                ("isupper", c.is_ascii_uppercase()),
                ("isascii", ascii),
            ] {
                assert_eq!(guest.call(name, &[c.into()]) != 0, expected, "{name} {c}");
            }
            let entry = table[usize::from(c) + 1];
            assert_eq!(entry & (DIGIT | HEX_LETTER) != 0, c.is_ascii_hexdigit());
            assert_eq!(guest.call("tolower", &[c.into()]), c.to_ascii_lowercase().into());
            assert_eq!(guest.call("toupper", &[c.into()]), c.to_ascii_uppercase().into());
        }
        assert_eq!(table[0], 0);
        assert_eq!(guest.call("isalpha", &[u32::MAX]), 0);
        assert_eq!(guest.call("tolower", &[u32::MAX]), u32::MAX);
    }
}
