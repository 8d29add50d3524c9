//! Functions that only pass on to the C library's table of system calls.
//!
//! *Source*: `libc_stubs.h` of ESP-IDF for the table; `esp32.rom.syscalls.ld` for addresses. A plain
//! name looks up the reentrancy structure and puts it in front of the arguments.
//! *Modelled*: all of them.
//! *Not modelled*: nothing.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::coroutine::{Coroutine, Syscall, begin, coroutine};

/// An entry that passes its arguments on as they are.
const fn direct<const FUNCTION: u32>(address: u32, name: &'static str) -> Coroutine {
    coroutine(address, name, 1, begin, pass_on::<FUNCTION>)
}

/// An entry that puts the reentrancy structure in front.
const fn plain<const FUNCTION: u32>(address: u32, name: &'static str) -> Coroutine {
    coroutine(address, name, 1, begin, pass_on_with_reent::<FUNCTION>)
}

/// The functions of this module. The numbers are those of [`Syscall`].
pub(super) const TABLE: &[Coroutine] = &[
    plain::<19>(0x4000_1778, "close"),
    plain::<20>(0x4000_178c, "open"),
    plain::<23>(0x4000_17dc, "read"),
    plain::<15>(0x4000_17f4, "sbrk"),
    plain::<8>(0x4000_1808, "times"),
    plain::<21>(0x4000_181c, "write"),
    direct::<1>(0x4000_bbb4, "_malloc_r"),
    direct::<2>(0x4000_bbcc, "_free_r"),
    direct::<3>(0x4000_bbe0, "_realloc_r"),
    direct::<6>(0x4000_bc10, "_system_r"),
    direct::<7>(0x4000_bc28, "_rename_r"),
    direct::<8>(0x4000_bc40, "_times_r"),
    direct::<9>(0x4000_bc58, "_gettimeofday_r"),
    direct::<10>(0x4000_bc70, "_raise_r"),
    direct::<11>(0x4000_bc84, "_unlink_r"),
    direct::<12>(0x4000_bc9c, "_link_r"),
    direct::<13>(0x4000_bcb4, "_stat_r"),
    direct::<14>(0x4000_bccc, "_fstat_r"),
    direct::<15>(0x4000_bce4, "_sbrk_r"),
    direct::<16>(0x4000_bcfc, "_getpid_r"),
    direct::<17>(0x4000_bd10, "_kill_r"),
    direct::<18>(0x4000_bd28, "_exit_r"),
    direct::<19>(0x4000_bd3c, "_close_r"),
    direct::<20>(0x4000_bd54, "_open_r"),
    direct::<21>(0x4000_bd70, "_write_r"),
    direct::<22>(0x4000_bd8c, "_lseek_r"),
    direct::<23>(0x4000_bda8, "_read_r"),
    direct::<24>(0x4000_bdc4, "_lock_init"),
    direct::<25>(0x4000_bdd8, "_lock_init_recursive"),
    direct::<26>(0x4000_bdec, "_lock_close"),
    direct::<27>(0x4000_be00, "_lock_close_recursive"),
    direct::<28>(0x4000_be14, "_lock_acquire"),
    direct::<29>(0x4000_be28, "_lock_acquire_recursive"),
    direct::<30>(0x4000_be3c, "_lock_try_acquire"),
    direct::<31>(0x4000_be50, "_lock_try_acquire_recursive"),
    direct::<32>(0x4000_be64, "_lock_release"),
    direct::<33>(0x4000_be78, "_lock_release_recursive"),
    direct::<0>(0x4000_be8c, "__getreent"),
    plain::<1>(0x4000_bea0, "malloc"),
    plain::<2>(0x4000_beb8, "free"),
    plain::<3>(0x4000_becc, "realloc"),
    plain::<4>(0x4000_bee4, "calloc"),
    direct::<34>(0x4000_befc, "_printf_float"),
    direct::<35>(0x4000_bf18, "_scanf_float"),
];

/// Word `number` of the table.
fn entry(call: &mut Call<'_>, number: u32) -> Result<u32, Stop> {
    // Getreent is word 0, so its place is that of the table.
    let getreent = call.syscall_slot(Syscall::Getreent)?;
    Ok(call.load(getreent.wrapping_add(4 * number))?)
}

fn pass_on<const FUNCTION: u32>(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    if call.phase()? == 1 {
        let value = call.returned();
        return Ok(call.finish(value));
    }
    let target = entry(call, FUNCTION)?;
    let arguments: [u32; 6] = std::array::from_fn(|i| call.get(i));
    call.set_phase(1)?;
    Ok(call.invoke(target, &arguments))
}

fn pass_on_with_reent<const FUNCTION: u32>(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        0 => call.system_call(1, Syscall::Getreent, &[]),
        1 => {
            let target = entry(call, FUNCTION)?;
            let reent = call.returned();
            let arguments: [u32; 6] =
                std::array::from_fn(|i| if i == 0 { reent } else { call.get(i - 1) });
            call.set_phase(2)?;
            Ok(call.invoke(target, &arguments))
        }
        _ => {
            let value = call.returned();
            Ok(call.finish(value))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rom::fake::{FakeGuest, syscall_stub};

    #[test]
    fn plain_names_put_the_reentrancy_structure_in_front() {
        let mut guest = FakeGuest::new(64);
        guest.install_syscalls();
        let mut seen = Vec::new();
        let result = guest.call_coroutine("write", &[3, 0x1000, 7], |_, target, arguments| {
            seen.push((target, arguments[..4].to_vec()));
            if target == syscall_stub(0) { 0x3ffb_0000 } else { 7 }
        });
        assert_eq!(result, 7);
        assert_eq!(seen[1], (syscall_stub(21), vec![0x3ffb_0000, 3, 0x1000, 7]));

        let result = guest.call_coroutine("_lock_acquire", &[0x55], |_, target, arguments| {
            assert_eq!((target, arguments[0]), (syscall_stub(28), 0x55));
            0
        });
        assert_eq!(result, 0);
    }
}
