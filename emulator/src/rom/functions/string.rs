//! String functions of the C library.
//!
//! *Source*: ISO C, POSIX and newlib documentation for the semantics; `esp32.rom.ld` for addresses.
//! *Modelled*: results as newlib's "C" locale gives them; comparisons return the difference of the
//! first bytes that differ; long strings in steps.
//! *Not modelled*: other locales. `strstr`, `strcasestr` and the token functions compare the whole
//! needle, or the whole delimiter set, in one step.
//!
//! Costs: scanning 24 cycles per 16 bytes, copying and comparing 40, classifying bytes 6 each.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

const SCAN: u64 = 24;
const PAIR: u64 = 40;
const CLASSIFY: u64 = 6;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_11cc, "strcasecmp", &[strcasecmp]),
    entry(0x4000_1210, "strcasestr", &[strcasestr]),
    entry(0x4000_1274, "strcmp", &[strcmp]),
    entry(0x4000_1398, "strcoll", &[strcmp]),
    entry(0x4000_13ac, "strcpy", &[begin_strcpy, copy_string]),
    entry(0x4000_1470, "strlcat", &[begin_strlcat, find_room, append_limited]),
    entry(0x4000_14c0, "strlen", &[begin_strlen, strlen]),
    entry(0x4000_1524, "strlwr", &[begin_strlen, strlwr]),
    entry(0x4000_1550, "strncasecmp", &[strncasecmp]),
    entry(0x4000_15d4, "strncpy", &[begin_strncpy, strncpy, pad]),
    entry(0x4000_1708, "strrchr", &[begin_strrchr, strrchr]),
    entry(0x4000_1734, "strsep", &[strsep]),
    entry(0x4000_174c, "strupr", &[begin_strlen, strupr]),
    entry(0x4000_c518, "strcat", &[begin_strcpy, find_end, copy_string]),
    entry(0x4000_c53c, "strchr", &[strchr]),
    entry(0x4000_c558, "strcspn", &[begin_strcpy, strcspn]),
    entry(0x4000_c584, "strlcpy", &[begin_strlcpy, append_limited]),
    entry(0x4000_c5c4, "strncat", &[begin_strncpy, find_end_of_three, append_counted]),
    entry(0x4000_c5f4, "strncmp", &[strncmp]),
    entry(0x4000_c628, "strnlen", &[begin_strcpy, strnlen]),
    entry(0x4000_c648, "strspn", &[begin_strcpy, strspn]),
    entry(0x4000_c674, "strstr", &[strstr]),
    entry(0x4000_c6a8, "__strtok_r", &[strtok_general]),
    entry(0x4000_c70c, "strtok_r", &[strtok_r]),
];

/// The bytes from `address` to the end of its 16-byte line: what a scan may read without looking
/// past the end of a memory.
fn line(call: &mut Call<'_>, address: u32, buffer: &mut [u8; 16]) -> Result<usize, Stop> {
    let n = 16 - (address & 15) as usize;
    call.read(address, &mut buffer[..n])?;
    Ok(n)
}

/// The lines of two strings, both cut to the shorter.
fn lines(call: &mut Call<'_>, a: &mut [u8; 16], b: &mut [u8; 16]) -> Result<usize, Stop> {
    let n = 16 - (call.get(0) & 15).max(call.get(1) & 15) as usize;
    call.read(call.get(0), &mut a[..n])?;
    call.read(call.get(1), &mut b[..n])?;
    Ok(n)
}

/// Charges `n` bytes at a cost per 16; every line costs at least one cycle.
fn charge(call: &mut Call<'_>, n: usize, per_16: u64) {
    call.charge((n as u64 * per_16).div_ceil(16));
}

fn negative(n: usize) -> u32 {
    (n as u32).wrapping_neg()
}

/// Slot 1 becomes a cursor.
fn begin_strlen(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    call.set(1, call.get(0));
    Ok(Outcome::Next)
}

/// `size_t strlen(const char *s)`
fn strlen(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mut buffer = [0; 16];
    loop {
        let n = line(call, call.get(1), &mut buffer)?;
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        charge(call, end.unwrap_or(n), SCAN);
        call.add(1, end.unwrap_or(n) as u32);
        if end.is_some() {
            return Ok(Outcome::Return(call.get(1).wrapping_sub(call.get(0))));
        }
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// `size_t strnlen(const char *s, size_t n)`; slot 2 is the cursor.
fn strnlen(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mut buffer = [0; 16];
    loop {
        let done = call.get(2).wrapping_sub(call.get(0));
        let rest = call.get(1).saturating_sub(done) as usize;
        let n = if rest == 0 { 0 } else { line(call, call.get(2), &mut buffer)?.min(rest) };
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        if n == 0 || end.is_some() {
            return Ok(Outcome::Return(done.wrapping_add(end.unwrap_or(0) as u32)));
        }
        charge(call, n, PAIR);
        call.add(2, n as u32);
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// Slot 2 becomes the cursor of a function with two arguments.
fn begin_strcpy(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    call.charge(6);
    call.set(2, call.get(0));
    Ok(Outcome::Next)
}

/// `char *strcpy(char *dst, const char *src)`, also the second half of `strcat`.
fn copy_string(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mut buffer = [0; 16];
    loop {
        let n = line(call, call.get(1), &mut buffer)?;
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        let n = end.map_or(n, |i| i + 1);
        call.write(call.get(2), &buffer[..n])?;
        charge(call, n, PAIR);
        if end.is_some() {
            return Ok(Outcome::Return(call.get(0)));
        }
        call.add(1, n as u32);
        call.add(2, n as u32);
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// Moves the cursor in `slot` to the terminator.
fn seek_end(call: &mut Call<'_>, slot: usize) -> Result<Outcome, Stop> {
    let mut buffer = [0; 16];
    loop {
        let n = line(call, call.get(slot), &mut buffer)?;
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        charge(call, n, SCAN);
        call.add(slot, end.unwrap_or(n) as u32);
        if end.is_some() {
            return Ok(Outcome::Next);
        }
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// First half of `char *strcat(char *dst, const char *src)`.
fn find_end(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    seek_end(call, 2)
}

/// First half of `char *strncat(char *dst, const char *src, size_t n)`.
fn find_end_of_three(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    seek_end(call, 3)
}

/// Slot 3 becomes the moving destination of a function with three arguments.
fn begin_strncpy(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    call.set(3, call.get(0));
    Ok(Outcome::Next)
}

/// `char *strncpy(char *dst, const char *src, size_t n)` up to the terminator.
fn strncpy(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mut buffer = [0; 16];
    while call.get(2) > 0 {
        let n = line(call, call.get(1), &mut buffer)?.min(call.get(2) as usize);
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        let n = end.unwrap_or(n);
        call.write(call.get(3), &buffer[..n])?;
        charge(call, n, PAIR);
        call.add(1, n as u32);
        call.add(2, negative(n));
        call.add(3, n as u32);
        if end.is_some() {
            return Ok(Outcome::Next);
        }
        if call.is_spent() && call.get(2) > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(call.get(0)))
}

/// The zeros that `strncpy` fills up with.
fn pad(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    while call.get(2) > 0 {
        let n = call.take_bytes(call.get(2), PAIR);
        call.write(call.get(3), &[0; 256][..n])?;
        call.add(2, negative(n));
        call.add(3, n as u32);
        if call.is_spent() && call.get(2) > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(call.get(0)))
}

/// Second half of `strncat`: at most `n` bytes and a terminator.
fn append_counted(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mut buffer = [0; 16];
    while call.get(2) > 0 {
        let n = line(call, call.get(1), &mut buffer)?.min(call.get(2) as usize);
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        let n = end.unwrap_or(n);
        call.write(call.get(3), &buffer[..n])?;
        charge(call, n, PAIR);
        call.add(1, n as u32);
        call.add(2, if end.is_some() { call.get(2).wrapping_neg() } else { negative(n) });
        call.add(3, n as u32);
        if call.is_spent() && call.get(2) > 0 {
            return Ok(Outcome::Again);
        }
    }
    call.write(call.get(3), &[0])?;
    Ok(Outcome::Return(call.get(0)))
}

/// `size_t strlcpy(char *dst, const char *src, size_t size)`: slot 3 is the source's cursor, slot 4
/// the length in front of it, which is nothing here.
fn begin_strlcpy(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(6);
    call.set(3, call.get(1));
    call.set(4, 0);
    Ok(Outcome::Next)
}

/// `size_t strlcat(char *dst, const char *src, size_t size)`
fn begin_strlcat(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    begin_strlcpy(call)
}

/// Moves slot 0 to the terminator, or by `size` bytes if there is none; slot 2 is the room from
/// there and slot 4 the way gone.
fn find_room(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mut buffer = [0; 16];
    while call.get(2) > 0 {
        let n = line(call, call.get(0), &mut buffer)?.min(call.get(2) as usize);
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        charge(call, n, PAIR);
        let n = end.unwrap_or(n);
        call.add(0, n as u32);
        call.add(2, negative(n));
        call.add(4, n as u32);
        if end.is_some() {
            break;
        }
        if call.is_spent() && call.get(2) > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Next)
}

/// Copies while more than one byte of room is left, then terminates and measures the rest of the
/// source; the result is the length that was wanted.
fn append_limited(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let mut buffer = [0; 16];
    loop {
        let n = line(call, call.get(3), &mut buffer)?;
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        let n = end.unwrap_or(n);
        charge(call, n.max(1), PAIR);
        let room = call.get(2) as usize;
        if room > 0 {
            let fits = n.min(room - 1);
            call.write(call.get(0), &buffer[..fits])?;
            // The terminator goes behind every step; the next one overwrites it.
            call.write(call.get(0).wrapping_add(fits as u32), &[0])?;
            call.add(0, fits as u32);
            call.set(2, if fits < n { 0 } else { (room - fits) as u32 });
        }
        call.add(3, n as u32);
        if end.is_some() {
            let length = call.get(3).wrapping_sub(call.get(1));
            return Ok(Outcome::Return(call.get(4).wrapping_add(length)));
        }
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// Compares in steps; `limit` is the slot that counts bytes down, if any.
fn compare(
    call: &mut Call<'_>,
    limit: Option<usize>,
    fold: fn(&u8) -> u8,
) -> Result<Outcome, Stop> {
    call.charge(4);
    let (mut a, mut b) = ([0; 16], [0; 16]);
    loop {
        let n = lines(call, &mut a, &mut b)?;
        let n = limit.map_or(n, |slot| n.min(call.get(slot) as usize));
        for (i, (a, b)) in a[..n].iter().zip(&b[..n]).enumerate() {
            let (a, b) = (fold(a), fold(b));
            if a != b || a == 0 {
                charge(call, i, PAIR);
                return Ok(Outcome::Return(u32::from(a).wrapping_sub(b.into())));
            }
        }
        charge(call, n, PAIR);
        call.add(0, n as u32);
        call.add(1, n as u32);
        if let Some(slot) = limit {
            call.add(slot, negative(n));
            if call.get(slot) == 0 {
                return Ok(Outcome::Return(0));
            }
        }
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// `int strcmp(const char *a, const char *b)`; in the "C" locale also `strcoll`.
fn strcmp(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    compare(call, None, |byte| *byte)
}

/// `int strncmp(const char *a, const char *b, size_t n)`
fn strncmp(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    compare(call, Some(2), |byte| *byte)
}

/// `int strcasecmp(const char *a, const char *b)`
fn strcasecmp(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    compare(call, None, u8::to_ascii_lowercase)
}

/// `int strncasecmp(const char *a, const char *b, size_t n)`
fn strncasecmp(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    compare(call, Some(2), u8::to_ascii_lowercase)
}

/// `char *strchr(const char *s, int c)`
fn strchr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let wanted = call.get(1) as u8;
    let mut buffer = [0; 16];
    loop {
        let n = line(call, call.get(0), &mut buffer)?;
        let stop = buffer[..n].iter().position(|&byte| byte == wanted || byte == 0);
        charge(call, stop.unwrap_or(n), PAIR);
        if let Some(i) = stop {
            let at = call.get(0).wrapping_add(i as u32);
            return Ok(Outcome::Return(if buffer[i] == wanted { at } else { 0 }));
        }
        call.add(0, n as u32);
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// Slot 2 is the last match of `strrchr`.
fn begin_strrchr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    call.charge(6);
    call.set(2, 0);
    Ok(Outcome::Next)
}

/// `char *strrchr(const char *s, int c)`
fn strrchr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let wanted = call.get(1) as u8;
    let mut buffer = [0; 16];
    loop {
        let n = line(call, call.get(0), &mut buffer)?;
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        // The terminator itself can be searched for.
        let n = end.map_or(n, |i| i + 1);
        if let Some(i) = buffer[..n].iter().rposition(|&byte| byte == wanted) {
            call.set(2, call.get(0).wrapping_add(i as u32));
        }
        charge(call, n, PAIR);
        if end.is_some() {
            return Ok(Outcome::Return(call.get(2)));
        }
        call.add(0, n as u32);
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// Advances slot 2 while `keep` holds; the result is how far it has come from slot 0.
fn span(call: &mut Call<'_>, keep: impl Fn(&[u8], u8) -> bool) -> Result<Outcome, Stop> {
    let set = call.string(call.get(1), 4096)?;
    let mut buffer = [0; 16];
    loop {
        let n = line(call, call.get(2), &mut buffer)?;
        let end = buffer[..n].iter().position(|&byte| byte == 0 || !keep(&set, byte));
        let n = end.unwrap_or(n);
        call.charge((n as u64 + 1) * (4 + set.len() as u64));
        call.add(2, n as u32);
        if end.is_some() {
            return Ok(Outcome::Return(call.get(2).wrapping_sub(call.get(0))));
        }
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// `size_t strspn(const char *s, const char *accept)`
fn strspn(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    span(call, |set, byte| set.contains(&byte))
}

/// `size_t strcspn(const char *s, const char *reject)`
fn strcspn(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    span(call, |set, byte| !set.contains(&byte))
}

/// Looks for the needle of slot 1 from slot 0 on, one position per step.
fn search(call: &mut Call<'_>, fold: fn(&u8) -> u8) -> Result<Outcome, Stop> {
    loop {
        let mut matched = 0;
        let found = loop {
            let wanted = call.byte(call.get(1).wrapping_add(matched))?;
            if wanted == 0 {
                return Ok(Outcome::Return(call.get(0)));
            }
            let byte = call.byte(call.get(0).wrapping_add(matched))?;
            if fold(&byte) != fold(&wanted) {
                break byte;
            }
            matched += 1;
        };
        call.charge(6 + 5 * u64::from(matched));
        if found == 0 {
            return Ok(Outcome::Return(0));
        }
        call.add(0, 1);
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// `char *strstr(const char *haystack, const char *needle)`
fn strstr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    search(call, |byte| *byte)
}

/// `char *strcasestr(const char *haystack, const char *needle)`
fn strcasestr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    search(call, u8::to_ascii_lowercase)
}

/// Changes every byte in place; slot 1 is the cursor.
fn map(call: &mut Call<'_>, change: fn(&u8) -> u8) -> Result<Outcome, Stop> {
    let mut buffer = [0; 16];
    loop {
        let n = line(call, call.get(1), &mut buffer)?;
        let end = buffer[..n].iter().position(|&byte| byte == 0);
        let n = end.unwrap_or(n);
        buffer[..n].iter_mut().for_each(|byte| *byte = change(byte));
        call.write(call.get(1), &buffer[..n])?;
        call.charge(CLASSIFY * (n as u64 + 1));
        call.add(1, n as u32);
        if end.is_some() {
            return Ok(Outcome::Return(call.get(0)));
        }
        if call.is_spent() {
            return Ok(Outcome::Again);
        }
    }
}

/// `char *strlwr(char *s)`
fn strlwr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    map(call, u8::to_ascii_lowercase)
}

/// `char *strupr(char *s)`
fn strupr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    map(call, u8::to_ascii_uppercase)
}

/// Whether a token function skips delimiters in front of the token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leading {
    Skip,
    Keep,
}

/// Cuts a token off the string whose position is stored at `save`, in one go: either all of it has
/// happened or nothing.
fn token(
    call: &mut Call<'_>,
    start: u32,
    delimiters: u32,
    save: u32,
    leading: Leading,
) -> Result<Outcome, Stop> {
    if start == 0 {
        return Ok(Outcome::Return(0));
    }
    let set = call.string(delimiters, 4096)?;
    let (mut at, mut token) = (start, start);
    loop {
        let byte = call.byte(at)?;
        call.charge(4 + set.len() as u64);
        if byte != 0 && !set.contains(&byte) {
            at = at.wrapping_add(1);
            continue;
        }
        if at == token && leading == Leading::Skip {
            if byte == 0 {
                call.store(save, 0)?;
                return Ok(Outcome::Return(0));
            }
            at = at.wrapping_add(1);
            token = at;
            continue;
        }
        let rest = if byte == 0 { 0 } else { at.wrapping_add(1) };
        call.store(save, rest)?;
        if byte != 0 {
            call.write(at, &[0])?;
        }
        return Ok(Outcome::Return(token));
    }
}

/// `char *strsep(char **s, const char *delimiters)`
fn strsep(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (save, delimiters) = (call.get(0), call.get(1));
    let start = call.load(save)?;
    token(call, start, delimiters, save, Leading::Keep)
}

/// `char *strtok_r(char *s, const char *delimiters, char **save)`
fn strtok_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (s, delimiters, save) = (call.get(0), call.get(1), call.get(2));
    let start = if s == 0 { call.load(save)? } else { s };
    token(call, start, delimiters, save, Leading::Skip)
}

/// `char *__strtok_r(char *s, const char *delimiters, char **save, int skip_leading)`
fn strtok_general(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.get(3) != 0 {
        return strtok_r(call);
    }
    let (s, delimiters, save) = (call.get(0), call.get(1), call.get(2));
    let start = if s == 0 { call.load(save)? } else { s };
    token(call, start, delimiters, save, Leading::Keep)
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{DRAM, FakeGuest, Random};

    const A: u32 = DRAM + 0x103;
    const B: u32 = DRAM + 0x40a;
    const OUT: u32 = DRAM + 0x805;

    fn text(random: &mut Random, longest: u32) -> String {
        let n = random.below(longest);
        (0..n).map(|_| char::from(b"abAB, "[random.below(6) as usize])).collect()
    }

    fn cstr(guest: &mut FakeGuest, address: u32) -> String {
        let bytes = guest.get(address, 0x300);
        let end = bytes.iter().position(|&b| b == 0).expect("terminated");
        String::from_utf8(bytes[..end].to_vec()).expect("ASCII")
    }

    fn order(a: &str, b: &str) -> i32 {
        let byte = |s: &str, i: usize| s.as_bytes().get(i).copied().map_or(0, i32::from);
        let i = (0..).find(|&i| byte(a, i) != byte(b, i) || byte(a, i) == 0).expect("an end");
        byte(a, i) - byte(b, i)
    }

    #[test]
    fn string_functions_agree_with_plain_references_for_every_budget() {
        let mut random = Random::new(7);
        for round in 0..400 {
            let mut guest = FakeGuest::new(random.below(90) + 1);
            let longest = if round % 4 == 0 { 120 } else { 8 };
            let (a, b) = (text(&mut random, longest), text(&mut random, longest));
            let (start_a, start_b) = (A + random.below(16), B + random.below(16));
            let (a_at, b_at) = (guest.put_string(start_a, &a), guest.put_string(start_b, &b));
            let n = random.below(longest + 4);
            let cut = |s: &str| s[..s.len().min(n as usize)].to_owned();
            let at = |base: u32, i: Option<usize>| i.map_or(0, |i| base + i as u32);

            assert_eq!(guest.call("strlen", &[a_at]), a.len() as u32);
            assert_eq!(guest.call("strnlen", &[a_at, n]), cut(&a).len() as u32);
            assert_eq!(guest.call("strcmp", &[a_at, b_at]) as i32, order(&a, &b));
            assert_eq!(guest.call("strncmp", &[a_at, b_at, n]) as i32, order(&cut(&a), &cut(&b)));
            let (lower_a, lower_b) = (a.to_lowercase(), b.to_lowercase());
            let got = guest.call("strcasecmp", &[a_at, b_at]) as i32;
            assert_eq!(got, order(&lower_a, &lower_b));
            let got = guest.call("strncasecmp", &[a_at, b_at, n]) as i32;
            assert_eq!(got, order(&cut(&lower_a), &cut(&lower_b)));
            assert_eq!(guest.call("strchr", &[a_at, 'b' as u32]), at(a_at, a.find('b')));
            assert_eq!(guest.call("strchr", &[a_at, 0]), a_at + a.len() as u32);
            assert_eq!(guest.call("strrchr", &[a_at, 'b' as u32]), at(a_at, a.rfind('b')));
            assert_eq!(guest.call("strstr", &[a_at, b_at]), at(a_at, a.find(&b)));
            let got = guest.call("strcasestr", &[a_at, b_at]);
            assert_eq!(got, at(a_at, lower_a.find(&lower_b)));
            let set = guest.put_string(OUT, "aB ");
            let span = a.find(|c| !"aB ".contains(c)).unwrap_or(a.len());
            assert_eq!(guest.call("strspn", &[a_at, set]), span as u32);
            let span = a.find(|c| "aB ".contains(c)).unwrap_or(a.len());
            assert_eq!(guest.call("strcspn", &[a_at, set]), span as u32);

            assert_eq!(guest.call("strcpy", &[OUT, a_at]), OUT);
            assert_eq!(cstr(&mut guest, OUT), a);
            assert_eq!(guest.call("strcat", &[OUT, b_at]), OUT);
            assert_eq!(cstr(&mut guest, OUT), format!("{a}{b}"));
            guest.call("strcpy", &[OUT, a_at]);
            assert_eq!(guest.call("strncat", &[OUT, b_at, n]), OUT);
            assert_eq!(cstr(&mut guest, OUT), format!("{a}{}", cut(&b)));
            guest.put(OUT, &[0x55; 200]);
            assert_eq!(guest.call("strncpy", &[OUT, a_at, n]), OUT);
            let mut expected = cut(&a).into_bytes();
            expected.resize(n as usize, 0);
            expected.push(0x55);
            assert_eq!(guest.get(OUT, n as usize + 1), expected);

            guest.put(OUT, &[0x55; 200]);
            assert_eq!(guest.call("strlcpy", &[OUT, a_at, n]), a.len() as u32);
            if n > 0 {
                assert_eq!(cstr(&mut guest, OUT), a[..a.len().min(n as usize - 1)]);
            }
            assert_eq!(guest.get(OUT + n, 1), [0x55]);
            guest.call("strcpy", &[OUT, a_at]);
            let wanted = a.len().min(n as usize) + b.len();
            assert_eq!(guest.call("strlcat", &[OUT, b_at, n]), wanted as u32);
            let both = format!("{a}{b}");
            let kept = both.len().min((n as usize).saturating_sub(1)).max(a.len());
            assert_eq!(cstr(&mut guest, OUT), both[..kept]);

            assert_eq!(guest.call("strupr", &[a_at]), a_at);
            assert_eq!(cstr(&mut guest, a_at), a.to_uppercase());
            assert_eq!(guest.call("strlwr", &[a_at]), a_at);
            assert_eq!(cstr(&mut guest, a_at), lower_a);
        }
    }

    #[test]
    fn tokens_are_cut_as_posix_says() {
        let mut guest = FakeGuest::new(10);
        let delimiters = guest.put_string(B, ", ");
        guest.put_string(A, ",, one,two  three,");
        let mut tokens = Vec::new();
        let mut next = guest.call("strtok_r", &[A, delimiters, OUT]);
        while next != 0 {
            tokens.push(cstr(&mut guest, next));
            next = guest.call("strtok_r", &[0, delimiters, OUT]);
        }
        assert_eq!(tokens, ["one", "two", "three"]);

        guest.put_string(A, "a,,b");
        guest.put(OUT, &A.to_le_bytes());
        let mut fields = Vec::new();
        loop {
            match guest.call("strsep", &[OUT, delimiters]) {
                0 => break,
                field => fields.push(cstr(&mut guest, field)),
            }
        }
        assert_eq!(fields, ["a", "", "b"]);
        assert_eq!(guest.word(OUT), 0);
    }

    #[test]
    fn a_register_of_an_older_frame_is_spilled_before_it_is_used() {
        let mut guest = FakeGuest::new(64);
        guest.live[12..16].fill(true);
        guest.put_string(A, "spill");
        assert_eq!(guest.call("strlen", &[A]), 5);
        assert!(guest.live[12], "strlen needs no third register");
        guest.call("strcpy", &[OUT, A]);
        assert!(!guest.live[12]);
        assert_eq!(cstr(&mut guest, OUT), "spill");
    }
}
