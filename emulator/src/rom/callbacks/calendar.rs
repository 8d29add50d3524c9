//! Functions of `time.h` that return a structure or text of the thread's own.
//!
//! *Source*: ISO C for semantics; `reent.h` of newlib 2.2: pointers to the two results are at offsets
//! 60 and 64 of the reentrancy structure, allocated on first use.
//! *Modelled*: all functions listed.
//! *Not modelled*: nothing.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::coroutine::{Coroutine, Syscall, begin, coroutine};
use crate::rom::functions::calendar;

/// The functions of this module.
pub(super) const TABLE: &[Coroutine] = &[
    coroutine(0x4005_9588, "asctime", 2, begin, asctime),
    coroutine(0x4005_95b0, "ctime", 2, begin, ctime),
    coroutine(0x4005_95dc, "localtime", 2, begin, localtime),
    coroutine(0x4005_9848, "gmtime", 2, begin, gmtime),
];

/// Where the pointer to a result stands, and how many bytes it takes.
struct Place {
    offset: u32,
    size: u32,
}

const FIELDS: Place = Place { offset: 60, size: 36 };
const TEXT: Place = Place { offset: 64, size: 26 };

/// Word of the frame: the reentrancy structure.
const REENT: u32 = 1;

const START: u32 = 0;
const HAVE_REENT: u32 = 1;
const HAVE_MEMORY: u32 = 2;

/// Lets `fill` write what the argument says to the thread's own place; null without memory.
fn into(
    call: &mut Call<'_>,
    place: &Place,
    fill: fn(&mut Call<'_>, u32, u32) -> Result<(), Stop>,
) -> Result<Outcome, Stop> {
    let result = match call.phase()? {
        START => return call.system_call(HAVE_REENT, Syscall::Getreent, &[]),
        HAVE_REENT => {
            let reent = call.returned();
            match call.load(reent.wrapping_add(place.offset))? {
                0 => {
                    call.set_local(REENT, reent)?;
                    return call.system_call(HAVE_MEMORY, Syscall::MallocR, &[reent, place.size]);
                }
                known => known,
            }
        }
        _ => {
            let (memory, reent) = (call.returned(), call.local(REENT)?);
            call.store(reent.wrapping_add(place.offset), memory)?;
            memory
        }
    };
    if result != 0 {
        let argument = call.get(0);
        fill(call, argument, result)?;
    }
    Ok(call.finish(result))
}

/// `char *asctime(const struct tm *fields)`
fn asctime(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    into(call, &TEXT, calendar::text_into)
}

/// `char *ctime(const time_t *clock)`
fn ctime(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    into(call, &TEXT, calendar::local_text_into)
}

/// `struct tm *localtime(const time_t *clock)`
fn localtime(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    into(call, &FIELDS, calendar::local_into)
}

/// `struct tm *gmtime(const time_t *clock)`
fn gmtime(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    into(call, &FIELDS, calendar::greenwich_into)
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{DRAM, FakeGuest, syscall_stub};

    const REENT: u32 = DRAM + 0x4000;
    const HEAP: u32 = DRAM + 0x8000;

    #[test]
    fn a_result_is_allocated_once_and_then_used_again() {
        let mut guest = FakeGuest::new(1000);
        guest.install_syscalls();
        guest.put(DRAM, &1_000_000_000u32.to_le_bytes());
        for allocations in [1, 0] {
            let mut count = 0;
            let result = guest.call_coroutine("ctime", &[DRAM], |_, target, arguments| {
                if target == syscall_stub(0) {
                    return REENT;
                }
                assert_eq!((target, &arguments[..2]), (syscall_stub(1), &[REENT, 26][..]));
                count += 1;
                HEAP
            });
            assert_eq!((result, count), (HEAP, allocations));
            assert_eq!(guest.get(HEAP, 26), b"Sun Sep  9 01:46:40 2001\n\0");
        }
    }

    #[test]
    fn without_memory_the_result_is_null() {
        let mut guest = FakeGuest::new(1000);
        guest.install_syscalls();
        let result = guest.call_coroutine("gmtime", &[DRAM], |_, target, _| {
            if target == syscall_stub(0) { REENT } else { 0 }
        });
        assert_eq!(result, 0);
    }
}
