//! Block functions of the C library: memcpy and its relatives, but for `memcmp`, which is in `assembly`.
//!
//! *Source*: ISO C and newlib documentation for the semantics; `esp32.rom.ld` for addresses.
//! *Modelled*: 32-bit accesses where source or destination are registers or word-only memory; long
//! blocks in steps.
//! *Not modelled*: the order of accesses to overlapping blocks in `memcpy`, which C leaves open.
//!
//! Costs, from the length of the obvious Xtensa loops: copying 10 cycles per 16 bytes, filling 5,
//! searching 40.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::table::{Entry, entry};

const COPY: u64 = 10;
const FILL: u64 = 5;
const SEARCH: u64 = 40;

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_c0bc, "xthal_memcpy", &[keep_destination, copy_up]),
    entry(0x4000_c098, "xthal_bcopy", &[bcopy, keep_destination, copy_up]),
    entry(0x4000_c1f4, "bzero", &[bzero, fill]),
    entry(0x4000_c220, "memccpy", &[memccpy]),
    entry(0x4000_c244, "memchr", &[memchr]),
    entry(0x4000_c2c8, "memcpy", &[keep_destination, copy_up]),
    entry(0x4000_c3c0, "memmove", &[keep_destination, memmove]),
    entry(0x4000_c400, "memrchr", &[memrchr]),
    entry(0x4000_c44c, "memset", &[keep_destination, fill]),
];

/// Slot 3 becomes the moving destination, slot 0 stays what will be returned.
fn keep_destination(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(8);
    call.set(3, call.get(0));
    Ok(Outcome::Next)
}

/// `void xthal_bcopy(const void *src, void *dst, size_t n)`
fn bcopy(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (src, dst) = (call.get(0), call.get(1));
    call.set(0, dst);
    call.set(1, src);
    Ok(Outcome::Next)
}

/// Copies `n` bytes through a buffer, so that an overlap inside the chunk does no harm.
fn copy(call: &mut Call<'_>, to: u32, from: u32, n: usize) -> Result<(), Stop> {
    let mut buffer = [0; 256];
    let chunk = &mut buffer[..n];
    call.read(from, chunk)?;
    Ok(call.write(to, chunk)?)
}

/// `void *memcpy(void *dst, const void *src, size_t n)`
fn copy_up(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    while call.get(2) > 0 {
        let n = call.take_bytes(call.get(2), COPY);
        copy(call, call.get(3), call.get(1), n)?;
        call.add(1, n as u32);
        call.add(3, n as u32);
        call.add(2, (n as u32).wrapping_neg());
        if call.is_spent() && call.get(2) > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(call.get(0)))
}

/// `void *memmove(void *dst, const void *src, size_t n)`: downwards when the destination begins
/// inside the source.
fn memmove(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.get(3).wrapping_sub(call.get(1)) >= call.get(2) {
        return copy_up(call);
    }
    while call.get(2) > 0 {
        let n = call.take_bytes(call.get(2), COPY);
        let rest = call.get(2).wrapping_sub(n as u32);
        copy(call, call.get(3).wrapping_add(rest), call.get(1).wrapping_add(rest), n)?;
        call.set(2, rest);
        if call.is_spent() && rest > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(call.get(0)))
}

/// `void bzero(void *s, size_t n)`, turned into a `memset`.
fn bzero(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.claim()?;
    call.set(2, call.get(1));
    call.set(1, 0);
    call.set(3, call.get(0));
    Ok(Outcome::Next)
}

/// `void *memset(void *s, int c, size_t n)`
fn fill(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let pattern = [call.get(1) as u8; 256];
    while call.get(2) > 0 {
        let n = call.take_bytes(call.get(2), FILL);
        call.write(call.get(3), &pattern[..n])?;
        call.add(3, n as u32);
        call.add(2, (n as u32).wrapping_neg());
        if call.is_spent() && call.get(2) > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(call.get(0)))
}

/// `void *memchr(const void *s, int c, size_t n)`
fn memchr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    while call.get(2) > 0 {
        let n = call.take_bytes(call.get(2).min(16), SEARCH);
        let mut buffer = [0; 16];
        call.read(call.get(0), &mut buffer[..n])?;
        if let Some(i) = buffer[..n].iter().position(|&byte| byte == call.get(1) as u8) {
            return Ok(Outcome::Return(call.get(0).wrapping_add(i as u32)));
        }
        call.add(0, n as u32);
        call.add(2, (n as u32).wrapping_neg());
        if call.is_spent() && call.get(2) > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(0))
}

/// `void *memrchr(const void *s, int c, size_t n)`: searches from the end.
fn memrchr(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    while call.get(2) > 0 {
        let n = call.take_bytes(call.get(2).min(16), SEARCH);
        let rest = call.get(2).wrapping_sub(n as u32);
        let start = call.get(0).wrapping_add(rest);
        let mut buffer = [0; 16];
        call.read(start, &mut buffer[..n])?;
        if let Some(i) = buffer[..n].iter().rposition(|&byte| byte == call.get(1) as u8) {
            return Ok(Outcome::Return(start.wrapping_add(i as u32)));
        }
        call.set(2, rest);
        if call.is_spent() && rest > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(0))
}

/// `void *memccpy(void *dst, const void *src, int c, size_t n)`: stops behind the first `c`.
fn memccpy(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    while call.get(3) > 0 {
        let n = call.take_bytes(call.get(3).min(16), SEARCH);
        let mut buffer = [0; 16];
        call.read(call.get(1), &mut buffer[..n])?;
        let found = buffer[..n].iter().position(|&byte| byte == call.get(2) as u8);
        let n = found.map_or(n, |i| i + 1);
        call.write(call.get(0), &buffer[..n])?;
        call.add(0, n as u32);
        if found.is_some() {
            return Ok(Outcome::Return(call.get(0)));
        }
        call.add(1, n as u32);
        call.add(3, (n as u32).wrapping_neg());
        if call.is_spent() && call.get(3) > 0 {
            return Ok(Outcome::Again);
        }
    }
    Ok(Outcome::Return(0))
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{DRAM, FakeGuest, IRAM, REGISTERS, Random};

    #[test]
    fn copies_fills_and_searches_agree_with_slices_for_every_budget() {
        let mut random = Random::new(1);
        for round in 0..300 {
            let mut image: Vec<u8> = (0..2048).map(|_| random.next() as u8 & 3).collect();
            let mut guest = FakeGuest::new(random.below(90) + 1);
            guest.put(DRAM, &image);
            let (dst, src) = (random.below(1024) as usize, random.below(1024) as usize);
            let n = random.below(if round % 3 == 0 { 1024 } else { 40 }) as usize;
            let (d, s, c) = (DRAM + dst as u32, DRAM + src as u32, random.below(4));
            let block = image[src..src + n].to_vec();

            let found = block.iter().position(|&b| b == c as u8);
            let at = |i: Option<usize>| i.map_or(0, |i| s + i as u32);
            assert_eq!(guest.call("memchr", &[s, c, n as u32]), at(found));
            let last = block.iter().rposition(|&b| b == c as u8);
            assert_eq!(guest.call("memrchr", &[s, c, n as u32]), at(last));

            assert_eq!(guest.call("memmove", &[d, s, n as u32]), d);
            image.copy_within(src..src + n, dst);
            assert_eq!(guest.get(DRAM, 2048), image, "memmove");

            assert_eq!(guest.call("memset", &[s, c, n as u32]), s);
            image[src..src + n].fill(c as u8);
            assert_eq!(guest.get(DRAM, 2048), image, "memset");

            let far = DRAM + 4096;
            assert_eq!(guest.call("memcpy", &[far, s, n as u32]), far);
            assert_eq!(guest.get(far, n), image[src..src + n], "memcpy");
            assert_eq!(guest.call("memccpy", &[far, d, 3, n as u32]), {
                let stop = image[dst..dst + n].iter().position(|&b| b == 3);
                stop.map_or(0, |i| far + i as u32 + 1)
            });
            guest.call("bzero", &[d, n as u32]);
            image[dst..dst + n].fill(0);
            assert_eq!(guest.get(DRAM, 2048), image, "bzero");
        }
    }

    #[test]
    fn the_cost_does_not_depend_on_where_the_work_was_cut() {
        let cost = |budget| {
            let mut guest = FakeGuest::new(budget);
            guest.call("memcpy", &[DRAM, DRAM + 4096, 1000]);
            guest.cycles()
        };
        assert_eq!(cost(64), cost(1_000_000));
        assert!(cost(64) > 600);
    }

    #[test]
    fn registers_are_read_as_words_and_word_memory_is_written_at_any_alignment() {
        let mut guest = FakeGuest::new(64);
        for i in 0..16 {
            guest.set_register(REGISTERS + 4 * i, 0x0101_0101 * i);
        }
        guest.call("memcpy", &[DRAM, REGISTERS, 64]);
        assert_eq!(guest.get(DRAM + 20, 4), [5, 5, 5, 5]);
        assert!(guest.narrow_register_accesses() == 0);

        guest.call("memset", &[IRAM, 0xaa, 16]);
        guest.call("memcpy", &[IRAM + 3, REGISTERS + 4, 7]);
        let expected = [0xaa, 0xaa, 0xaa, 1, 1, 1, 1, 2, 2, 2, 0xaa, 0xaa];
        assert_eq!(guest.get(IRAM, 12), expected);
    }
}
