//! The "C" locale, and the tables of the C library that applications read from ROM.
//!
//! *Source*: ISO C for the locale's values; `locale.h` of newlib for the structure; the linker script
//! `esp32.rom.newlib-data.ld` for the addresses of tables.
//! *Modelled*: `localeconv`, `setlocale`, one-byte characters, the character set of `%[` in `scanf`,
//! population counts, lengths of months.
//! *Not modelled*: any other locale; the names of days and months (`__get_current_time_locale`).

use super::ctype::ctype_table;
use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

/// `__ctype_ptr__`, then the table itself.
const CTYPE_POINTER: u32 = 0x3ff9_6350;
const CTYPE: u32 = 0x3ff9_6354;
const MONTH_LENGTHS: u32 = 0x3ff9_609c;
const MB_CUR_MAX: u32 = 0x3ff9_6530;
/// Pointer to the function that converts a wide character.
const WCTOMB: u32 = 0x3ff9_6540;
const ASCII_WCTOMB: u32 = 0x4005_8ef0;
const POPCOUNT_TABLE: u32 = 0x3ff9_6544;

/// Where our own data is, behind that of the mask ROM: strings, then `struct lconv`.
const EMPTY: u32 = 0x3ff9_fe00;
const POINT: u32 = 0x3ff9_fe04;
const NAME: u32 = 0x3ff9_fe08;
const CHARSET: u32 = 0x3ff9_fe0c;
const LCONV: u32 = 0x3ff9_fe20;

const EILSEQ: u32 = 138;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_183c, "__time_load_locale", &[zero]),
    entry(0x4000_c498, "__sccl", &[sccl]),
    entry(0x4000_c728, "__dummy_lock", &[zero]),
    entry(0x4000_c730, "__dummy_lock_try", &[zero]),
    entry(ASCII_WCTOMB, "__ascii_wctomb", &[ascii_wctomb]),
    entry(0x4005_8f14, "_wctomb_r", &[ascii_wctomb]),
    entry(0x4005_950c, "_setlocale_r", &[setlocale_r]),
    entry(0x4005_9540, "__locale_charset", &[give::<CHARSET>]),
    entry(0x4005_9548, "__locale_mb_cur_max", &[give::<1>]),
    entry(0x4005_9550, "__locale_msgcharset", &[give::<CHARSET>]),
    entry(0x4005_9558, "__locale_cjk_lang", &[give::<0>]),
    entry(0x4005_9560, "_localeconv_r", &[give::<LCONV>]),
    entry(0x4005_9568, "setlocale", &[setlocale]),
    entry(0x4005_957c, "localeconv", &[give::<LCONV>]),
];

/// The data that goes into the ROM.
pub(in crate::rom) fn data() -> Vec<(u32, Vec<u8>)> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let common = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut lconv: Vec<u8> =
        words(&[POINT, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]);
    // Fourteen numbers that the "C" locale does not have.
    lconv.extend([u8::MAX; 14]);
    vec![
        (CTYPE_POINTER, words(&[CTYPE])),
        (CTYPE, ctype_table().to_vec()),
        (MONTH_LENGTHS, words(&[common, leap].concat())),
        (MB_CUR_MAX, words(&[1])),
        (WCTOMB, words(&[ASCII_WCTOMB])),
        (POPCOUNT_TABLE, (0..=u8::MAX).map(|byte| byte.count_ones() as u8).collect()),
        (POINT, b".\0".to_vec()),
        (NAME, b"C\0".to_vec()),
        (CHARSET, b"ASCII\0".to_vec()),
        (LCONV, lconv),
    ]
}

fn give<const VALUE: u32>(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    Ok(Outcome::Return(VALUE))
}

fn zero(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    give::<0>(call)
}

/// The name of the locale, if it is one that exists: "C" by any of its names.
fn select(call: &mut Call<'_>, name: u32) -> Result<Outcome, Stop> {
    call.charge(30);
    let is_known = name == 0 || {
        let text = call.string(name, 8)?;
        matches!(&text[..], b"" | b"C" | b"POSIX")
    };
    Ok(Outcome::Return(if is_known { NAME } else { 0 }))
}

/// `char *setlocale(int category, const char *locale)`
fn setlocale(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let name = call.get(1);
    select(call, name)
}

/// `char *_setlocale_r(struct _reent *r, int category, const char *locale)`
fn setlocale_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let name = call.get(2);
    select(call, name)
}

/// `int __ascii_wctomb(struct _reent *r, char *s, wchar_t wide, const char *charset,
/// mbstate_t *state)`
fn ascii_wctomb(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(10);
    let (reent, out, wide) = (call.get(0), call.get(1), call.get(2));
    if out == 0 {
        return Ok(Outcome::Return(0));
    }
    match u8::try_from(wide) {
        Ok(byte) => {
            call.write(out, &[byte])?;
            Ok(Outcome::Return(1))
        }
        Err(_) => {
            call.store(reent, EILSEQ)?;
            Ok(Outcome::Return(u32::MAX))
        }
    }
}

/// `unsigned char *__sccl(char table[256], unsigned char *format)`: reads the set behind `%[`; the
/// result is behind its bracket.
fn sccl(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (out, start) = (call.get(0), call.get(1));
    let mut at = start;
    let mut next = |call: &mut Call<'_>| -> Result<u8, Stop> {
        let byte = call.byte(at)?;
        at = at.wrapping_add(1);
        call.charge(8);
        Ok(byte)
    };
    let mut byte = next(call)?;
    let is_inverted = byte == b'^';
    if is_inverted {
        byte = next(call)?;
    }
    let mut set = [is_inverted; 256];
    // The first character belongs to the set even if it is a bracket.
    let mut is_closed = false;
    while byte != 0 && !is_closed {
        set[usize::from(byte)] = !is_inverted;
        let follower = next(call)?;
        match follower {
            0 => byte = 0,
            b']' => is_closed = true,
            b'-' => {
                let last = next(call)?;
                if last == b']' || last < byte {
                    // Not a range: the minus sign stands for itself.
                    set[usize::from(b'-')] = !is_inverted;
                    is_closed = last == b']';
                    byte = last;
                } else {
                    set[usize::from(byte)..=usize::from(last)].fill(!is_inverted);
                    byte = last;
                }
            }
            other => byte = other,
        }
    }
    if !is_closed {
        at = at.wrapping_sub(1);
    }
    let table = set.map(u8::from);
    call.write(out, &table)?;
    call.charge(128);
    Ok(Outcome::Return(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{DRAM, FakeGuest};

    #[test]
    fn only_the_c_locale_exists() {
        let mut guest = FakeGuest::new(64);
        let german = guest.put_string(DRAM, "de_DE");
        let posix = guest.put_string(DRAM + 16, "POSIX");
        assert_eq!(guest.call("setlocale", &[0, german]), 0);
        assert_eq!(guest.call("setlocale", &[0, posix]), NAME);
        assert_eq!(guest.call("_setlocale_r", &[0, 0, 0]), NAME);
        assert_eq!(guest.call("localeconv", &[]), LCONV);
    }

    #[test]
    fn character_sets_are_read_with_ranges_and_inversion() {
        let mut guest = FakeGuest::new(64);
        for (format, members, used) in [
            ("abc]rest", "abc", 4),
            ("a-d]", "abcd", 4),
            ("]x]", "]x", 3),
            ("a-]", "a-", 3),
            ("open", "open", 4),
        ] {
            let at = guest.put_string(DRAM, format);
            assert_eq!(guest.call("__sccl", &[DRAM + 0x100, at]), DRAM + used, "{format}");
            let table = guest.get(DRAM + 0x100, 256);
            let set: Vec<char> =
                (0..=255u8).filter(|&byte| table[usize::from(byte)] != 0).map(char::from).collect();
            assert!(members.chars().all(|c| set.contains(&c)), "{format}: {set:?}");
            assert_eq!(set.len(), members.len(), "{format}: {set:?}");
        }
        let at = guest.put_string(DRAM, "^a]");
        guest.call("__sccl", &[DRAM + 0x100, at]);
        let table = guest.get(DRAM + 0x100, 256);
        assert_eq!(table.iter().filter(|&&member| member == 1).count(), 255);
    }

    #[test]
    fn one_byte_characters_are_the_only_ones() {
        let mut guest = FakeGuest::new(64);
        assert_eq!(guest.call("__ascii_wctomb", &[DRAM, DRAM + 8, 0xe9]), 1);
        assert_eq!(guest.get(DRAM + 8, 1), [0xe9]);
        assert_eq!(guest.call("__ascii_wctomb", &[DRAM, DRAM + 8, 0x20ac]), u32::MAX);
        assert_eq!(guest.word(DRAM), EILSEQ);
    }
}
