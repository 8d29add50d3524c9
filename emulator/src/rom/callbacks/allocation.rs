//! Functions of the C library that allocate, or look up the reentrancy structure for errno or state.
//!
//! *Source*: ISO C and POSIX for semantics; `reent.h` of newlib 2.2 for the structure (the random
//! state's pointer is at offset 56, the state 16 bytes behind it); newlib's documented generator.
//! *Modelled*: all functions listed.
//! *Not modelled*: `setlocale` other than "C".

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::coroutine::{Coroutine, Syscall, begin, coroutine};
use crate::rom::functions::stdlib;

/// The functions of this module.
pub(super) const TABLE: &[Coroutine] = &[
    coroutine(0x4000_1004, "srand", 3, begin, srand),
    coroutine(0x4000_1058, "rand", 3, begin, rand),
    coroutine(0x4000_143c, "strdup", 3, begin, strdup),
    coroutine(0x4000_1450, "_strdup_r", 3, begin, strdup_r),
    coroutine(0x4000_16b0, "strndup", 3, begin, strndup),
    coroutine(0x4000_16c4, "_strndup_r", 3, begin, strndup_r),
    coroutine(0x4000_1844, "time", 5, begin, time),
    coroutine(0x4005_681c, "strtol", 1, begin, strtol),
    coroutine(0x4005_692c, "strtoul", 1, begin, strtoul),
];

/// Words of the frame: length of the text, reentrancy structure.
const LENGTH: u32 = 1;
const REENT: u32 = 2;

/// Phases of everything here.
const START: u32 = 0;
const HAVE_REENT: u32 = 1;
const HAVE_MEMORY: u32 = 2;

/// Measures the text in the register of `slot`, at most `limit` bytes, and asks for its memory.
fn allocate(call: &mut Call<'_>, reent: u32, text: u32, limit: u32) -> Result<Outcome, Stop> {
    let mut length = 0;
    while length < limit && call.byte(text.wrapping_add(length))? != 0 {
        length += 1;
    }
    call.charge(2 * u64::from(length));
    call.set_local(LENGTH, length)?;
    call.system_call(HAVE_MEMORY, Syscall::MallocR, &[reent, length.wrapping_add(1)])
}

/// Copies the measured text into what was allocated, if anything was.
fn copy(call: &mut Call<'_>, text: u32) -> Result<Outcome, Stop> {
    let (memory, length) = (call.returned(), call.local(LENGTH)?);
    if memory != 0 {
        let mut done = 0;
        while done < length {
            let n = (length - done).min(64);
            let mut buffer = [0; 64];
            call.read(text.wrapping_add(done), &mut buffer[..n as usize])?;
            call.write(memory.wrapping_add(done), &buffer[..n as usize])?;
            done += n;
        }
        call.write(memory.wrapping_add(length), &[0])?;
        call.charge(2 * u64::from(length));
    }
    Ok(call.finish(memory))
}

/// `char *strdup(const char *s)`
fn strdup(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        START => call.system_call(HAVE_REENT, Syscall::Getreent, &[]),
        HAVE_REENT => allocate(call, call.returned(), call.get(0), u32::MAX),
        _ => copy(call, call.get(0)),
    }
}

/// `char *_strdup_r(struct _reent *r, const char *s)`
fn strdup_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        START => allocate(call, call.get(0), call.get(1), u32::MAX),
        _ => copy(call, call.get(1)),
    }
}

/// `char *strndup(const char *s, size_t n)`
fn strndup(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        START => call.system_call(HAVE_REENT, Syscall::Getreent, &[]),
        HAVE_REENT => allocate(call, call.returned(), call.get(0), call.get(1)),
        _ => copy(call, call.get(0)),
    }
}

/// `char *_strndup_r(struct _reent *r, const char *s, size_t n)`
fn strndup_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        START => allocate(call, call.get(0), call.get(1), call.get(2)),
        _ => copy(call, call.get(1)),
    }
}

/// `long strtol(const char *text, char **end, int base)`
fn strtol(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.phase()? == START {
        return call.system_call(HAVE_REENT, Syscall::Getreent, &[]);
    }
    let (reent, text, end, base) = (call.returned(), call.get(0), call.get(1), call.get(2));
    let value = stdlib::strtol(call, reent, text, end, base)?;
    Ok(call.finish(value))
}

/// `unsigned long strtoul(const char *text, char **end, int base)`
fn strtoul(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.phase()? == START {
        return call.system_call(HAVE_REENT, Syscall::Getreent, &[]);
    }
    let (reent, text, end, base) = (call.returned(), call.get(0), call.get(1), call.get(2));
    let value = stdlib::strtoul(call, reent, text, end, base)?;
    Ok(call.finish(value))
}

const R48: u32 = 56;
const R48_SIZE: u32 = 24;
const RAND_NEXT: u32 = 16;

/// Goes on with `use_state` when the random state exists; creates it before.
fn with_random_state(
    call: &mut Call<'_>,
    use_state: fn(&mut Call<'_>, u32) -> Result<u32, Stop>,
) -> Result<Outcome, Stop> {
    let state = match call.phase()? {
        START => return call.system_call(HAVE_REENT, Syscall::Getreent, &[]),
        HAVE_REENT => {
            let reent = call.returned();
            match call.load(reent.wrapping_add(R48))? {
                0 => {
                    call.set_local(REENT, reent)?;
                    return call.system_call(HAVE_MEMORY, Syscall::MallocR, &[reent, R48_SIZE]);
                }
                state => state,
            }
        }
        _ => {
            let (state, reent) = (call.returned(), call.local(REENT)?);
            // The constants of drand48, whose state this also is; then 1.
            let halves = [0x330e, 0xabcd, 0x1234, 0xe66d, 0xdeec, 5, 11, 0, 1, 0, 0, 0u16];
            for (i, half) in halves.into_iter().enumerate() {
                call.write(state.wrapping_add(2 * i as u32), &half.to_le_bytes())?;
            }
            call.store(reent.wrapping_add(R48), state)?;
            state
        }
    };
    let value = use_state(call, state)?;
    Ok(call.finish(value))
}

/// `void srand(unsigned seed)`
fn srand(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    with_random_state(call, |call, state| {
        let seed = u64::from(call.get(0));
        call.write(state.wrapping_add(RAND_NEXT), &seed.to_le_bytes())?;
        Ok(0)
    })
}

/// `int rand(void)`: Knuth's 64-bit congruential generator.
fn rand(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    with_random_state(call, |call, state| {
        let at = state.wrapping_add(RAND_NEXT);
        let last = u64::from_le_bytes(call.bytes(at)?);
        let next = last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        call.write(at, &next.to_le_bytes())?;
        Ok((next >> 32) as u32 & 0x7fff_ffff)
    })
}

/// `time_t time(time_t *t)`: the seconds of `gettimeofday`, -1 when it fails.
fn time(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    /// Where the frame has room for a `struct timeval`.
    const TIMEVAL: u32 = 3;
    match call.phase()? {
        START => call.system_call(HAVE_REENT, Syscall::Getreent, &[]),
        HAVE_REENT => {
            let (reent, at) = (call.returned(), call.guest.ar(1).wrapping_add(4 * TIMEVAL));
            call.system_call(HAVE_MEMORY, Syscall::GettimeofdayR, &[reent, at, 0])
        }
        _ => {
            let is_error = (call.returned() as i32) < 0;
            let seconds = if is_error { u32::MAX } else { call.local(TIMEVAL)? };
            if call.get(0) != 0 {
                call.store(call.get(0), seconds)?;
            }
            Ok(call.finish(seconds))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{DRAM, FakeGuest, syscall_stub};

    const HEAP: u32 = DRAM + 0x8000;
    const REENT: u32 = DRAM + 0x4000;

    fn answer(target: u32) -> u32 {
        match target {
            t if t == syscall_stub(0) => REENT,
            t if t == syscall_stub(1) => HEAP,
            other => panic!("unexpected call of {other:#x}"),
        }
    }

    #[test]
    fn a_text_is_copied_into_fresh_memory() {
        let mut guest = FakeGuest::new(64);
        guest.install_syscalls();
        let text = guest.put_string(DRAM + 1, &"duplicate me ".repeat(9));
        let got = guest.call_coroutine("strdup", &[text], |_, target, arguments| {
            if target == syscall_stub(1) {
                assert_eq!(arguments[..2], [REENT, 118]);
            }
            answer(target)
        });
        assert_eq!(got, HEAP);
        assert_eq!(guest.get(HEAP, 118), guest.get(text, 118));
        let got = guest.call_coroutine("_strndup_r", &[REENT, text, 3], |_, t, _| answer(t));
        assert_eq!(guest.get(got, 4), b"dup\0");
        let got = guest.call_coroutine("_strdup_r", &[REENT, text], |_, _, _| 0);
        assert_eq!(got, 0, "no memory");
    }

    #[test]
    fn random_numbers_follow_the_seed() {
        let mut guest = FakeGuest::new(64);
        guest.install_syscalls();
        let first = guest.call_coroutine("rand", &[], |_, target, _| answer(target));
        assert_eq!(first, (6_364_136_223_846_793_006u64 >> 32) as u32 & 0x7fff_ffff);
        assert_eq!(guest.word(REENT + 56), HEAP);
        guest.call_coroutine("srand", &[1], |_, target, _| answer(target));
        assert_eq!(guest.call_coroutine("rand", &[], |_, t, _| answer(t)), first);
    }

    #[test]
    fn a_number_out_of_range_sets_errno_of_the_task() {
        let mut guest = FakeGuest::new(64);
        guest.install_syscalls();
        guest.put_string(DRAM, "4294967296");
        let got = guest.call_coroutine("strtoul", &[DRAM, 0, 10], |_, t, _| answer(t));
        assert_eq!((got, guest.word(REENT)), (u32::MAX, 34));
    }
}
