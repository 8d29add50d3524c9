//! The part of buffered input and output that is in ROM: allocation of streams, buffers, flushing,
//! filling, and what is below `printf` and `fread`.
//!
//! *Source*: ISO C and newlib's documentation for semantics, `sys/reent.h` for structures; which
//! buffer sizes and flags result was read off a chip's ROM.
//! *Modelled*: full, line and no buffering, string streams, push-back on reading, seeking back on
//! `fflush`, locks of streams, initialisation and clean-up.
//! *Not modelled*: wide characters, `ungetc`, formatted output and input (`printf` family).
//!
//! Each function is a list of phases; a phase ends with a call of a system call, of a function of the
//! stream, or of another ROM function at its own address.

use super::stream::*;
use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::coroutine::{Coroutine, Syscall, begin, coroutine};
use crate::rom::startup::GLOBAL_IMPURE_PTR;

const SINIT_LOCK: u32 = 0x3ffa_e0a8;
const SFP_LOCK: u32 = 0x3ffa_e0ac;
const ENV_LOCK: u32 = 0x3ffa_e0b8;
const TZ_LOCK: u32 = 0x3ffa_e080;

const BUFFER_SIZE: u32 = 128;
const PRINT_BUFFER_SIZE: u32 = 64;
const SEEK_SET: u32 = 0;
const SEEK_CUR: u32 = 1;
const SEEK_END: u32 = 2;

// ROM functions that others of them call, or store.
const SREAD: u32 = 0x4000_1118;
const SWRITE: u32 = 0x4000_1150;
const SSEEK: u32 = 0x4000_1184;
const SCLOSE: u32 = 0x4000_11b8;
const CLEANUP_R: u32 = 0x4000_1d48;
const SFMOREGLUE: u32 = 0x4000_1dc8;
const SINIT: u32 = 0x4000_1e38;
const SFP: u32 = 0x4000_1e90;
const FCLOSE_R: u32 = 0x4000_1fec;
const FWALK_REENT: u32 = 0x4000_c770;
const SWSETUP_R: u32 = 0x4005_8cc8;
const SMAKEBUF_R: u32 = 0x4005_9108;
const SFLUSH_R: u32 = 0x4005_91e0;
const FFLUSH_R: u32 = 0x4005_9320;
const FFLUSH: u32 = 0x4005_9394;

/// The functions of this module.
pub(super) const TABLE: &[Coroutine] = &[
    coroutine(SREAD, "__sread", 1, begin, sread),
    coroutine(0x4000_1148, "__seofread", 1, begin, seofread),
    coroutine(SWRITE, "__swrite", 1, begin, swrite),
    coroutine(SSEEK, "__sseek", 1, begin, sseek),
    coroutine(SCLOSE, "__sclose", 1, begin, sclose),
    coroutine(0x4000_0ea0, "_isatty_r", 20, begin, isatty_r),
    coroutine(0x4000_1a04, "__tz_lock", 1, begin, acquire::<TZ_LOCK>),
    coroutine(0x4000_1a10, "__tz_unlock", 1, begin, release::<TZ_LOCK>),
    coroutine(CLEANUP_R, "_cleanup_r", 1, begin, cleanup_r),
    coroutine(SFMOREGLUE, "__sfmoreglue", 1, begin, sfmoreglue),
    coroutine(0x4000_1df8, "_cleanup", 1, begin, cleanup),
    coroutine(0x4000_1e08, "__sfp_lock_acquire", 1, begin, acquire::<SFP_LOCK>),
    coroutine(0x4000_1e14, "__sfp_lock_release", 1, begin, release::<SFP_LOCK>),
    coroutine(0x4000_1e20, "__sinit_lock_acquire", 1, begin, acquire::<SINIT_LOCK>),
    coroutine(0x4000_1e2c, "__sinit_lock_release", 1, begin, release::<SINIT_LOCK>),
    coroutine(SINIT, "__sinit", 1, begin, sinit),
    coroutine(SFP, "__sfp", 2, begin, sfp),
    coroutine(0x4000_1fd4, "__env_lock", 1, begin, acquire::<ENV_LOCK>),
    coroutine(0x4000_1fe0, "__env_unlock", 1, begin, release::<ENV_LOCK>),
    coroutine(FCLOSE_R, "_fclose_r", 3, begin, fclose_r),
    coroutine(0x4000_20ac, "fclose", 1, begin, fclose),
    coroutine(0x4000_c738, "_fwalk", 4, begin, fwalk),
    coroutine(FWALK_REENT, "_fwalk_reent", 4, begin, fwalk_reent),
    coroutine(0x4005_893c, "__sfvwrite_r", 8, begin, sfvwrite_r),
    coroutine(0x4005_8bec, "__swbuf_r", 1, begin, swbuf_r),
    coroutine(0x4005_8cb4, "__swbuf", 1, begin, swbuf),
    coroutine(SWSETUP_R, "__swsetup_r", 2, begin, swsetup_r),
    coroutine(SMAKEBUF_R, "__smakebuf_r", 22, begin, smakebuf_r),
    coroutine(SFLUSH_R, "__sflush_r", 3, begin, sflush_r),
    coroutine(FFLUSH_R, "_fflush_r", 3, begin, fflush_r),
    coroutine(FFLUSH, "fflush", 1, begin, fflush),
    coroutine(0x4005_93d4, "__srefill_r", 4, begin, srefill_r),
];

impl Call<'_> {
    /// Sets the phase and calls guest code.
    fn then(&mut self, phase: u32, target: u32, arguments: &[u32]) -> Result<Outcome, Stop> {
        self.set_phase(phase)?;
        Ok(self.invoke(target, arguments))
    }

    /// Sets the phase and runs the next step at once.
    fn on(&mut self, phase: u32) -> Result<Outcome, Stop> {
        self.set_phase(phase)?;
        self.charge(4);
        Ok(Outcome::Again)
    }

    /// Marks the stream as failed and ends with EOF.
    fn fail(&mut self, fp: u32) -> Result<Outcome, Stop> {
        self.change_flags(fp, flag::SERR, 0)?;
        Ok(self.finish(EOF))
    }
}

fn is_negative(value: u32) -> bool {
    (value as i32) < 0
}

// Locks.

fn acquire<const LOCK: u32>(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        0 => call.system_call(1, Syscall::LockAcquireRecursive, &[LOCK]),
        _ => Ok(call.finish(0)),
    }
}

fn release<const LOCK: u32>(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        0 => call.system_call(1, Syscall::LockReleaseRecursive, &[LOCK]),
        _ => Ok(call.finish(0)),
    }
}

// What a stream on a descriptor reads and writes with: arguments are the reentrancy structure, the
// stream, and what the operation needs.

/// `int __sread(struct _reent *r, void *cookie, char *buf, int n)`
fn sread(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let [reent, fp, buffer, n] = std::array::from_fn(|i| call.get(i));
    if call.phase()? == 0 {
        let file = call.descriptor(fp)?;
        return call.system_call(1, Syscall::ReadR, &[reent, file, buffer, n]);
    }
    let got = call.returned();
    if is_negative(got) {
        call.change_flags(fp, 0, flag::SOFF)?;
    } else {
        let offset = call.field(fp, OFFSET)?;
        call.set_field(fp, OFFSET, offset.wrapping_add(got))?;
    }
    Ok(call.finish(got))
}

/// `int __seofread(struct _reent *r, void *cookie, char *buf, int n)`: a string has no more.
fn seofread(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    Ok(call.finish(0))
}

/// `int __swrite(struct _reent *r, void *cookie, const char *buf, int n)`
fn swrite(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let [reent, fp, buffer, n] = std::array::from_fn(|i| call.get(i));
    let file = call.descriptor(fp)?;
    match call.phase()? {
        0 if call.flags(fp)? & flag::SAPP != 0 => {
            call.system_call(1, Syscall::LseekR, &[reent, file, 0, SEEK_END])
        }
        0 | 1 => {
            call.change_flags(fp, 0, flag::SOFF)?;
            call.system_call(2, Syscall::WriteR, &[reent, file, buffer, n])
        }
        _ => {
            let value = call.returned();
            Ok(call.finish(value))
        }
    }
}

/// `_fpos_t __sseek(struct _reent *r, void *cookie, _fpos_t offset, int whence)`
fn sseek(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let [reent, fp, offset, whence] = std::array::from_fn(|i| call.get(i));
    if call.phase()? == 0 {
        let file = call.descriptor(fp)?;
        return call.system_call(1, Syscall::LseekR, &[reent, file, offset, whence]);
    }
    let at = call.returned();
    if at == EOF {
        call.change_flags(fp, 0, flag::SOFF)?;
    } else {
        call.change_flags(fp, flag::SOFF, 0)?;
        call.set_field(fp, OFFSET, at)?;
    }
    Ok(call.finish(at))
}

/// `int __sclose(struct _reent *r, void *cookie)`
fn sclose(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (reent, fp) = (call.get(0), call.get(1));
    if call.phase()? == 0 {
        let file = call.descriptor(fp)?;
        return call.system_call(1, Syscall::CloseR, &[reent, file]);
    }
    let value = call.returned();
    Ok(call.finish(value))
}

/// File type bits of `st_mode`, at offset 4 of `struct stat`.
const S_IFMT: u32 = 0o170_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFREG: u32 = 0o100_000;

/// Word of the frame where a `struct stat` begins, and of its mode.
const STAT: u32 = 2;
const STAT_MODE: u32 = STAT + 1;

/// `int _isatty_r(struct _reent *r, int file)`: whether it is a character device.
fn isatty_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (reent, file) = (call.get(0), call.get(1));
    if call.phase()? == 0 {
        let stat = call.guest.ar(1).wrapping_add(4 * STAT);
        return call.system_call(1, Syscall::FstatR, &[reent, file, stat]);
    }
    let is_known = !is_negative(call.returned());
    let is_device = is_known && call.local(STAT_MODE)? & S_IFMT == S_IFCHR;
    Ok(call.finish(is_device.into()))
}

// Streams: allocation, initialisation, clean-up.

/// `struct _glue *__sfmoreglue(struct _reent *r, int n)`: a block of free streams.
fn sfmoreglue(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const HEAD: u32 = 12;
    let (reent, n) = (call.get(0), call.get(1));
    let bytes = n.wrapping_mul(FILE_SIZE);
    if call.phase()? == 0 {
        return call.system_call(1, Syscall::MallocR, &[reent, bytes.wrapping_add(HEAD)]);
    }
    let glue = call.returned();
    if glue != 0 {
        call.set_field(glue, GLUE_NEXT, 0)?;
        call.set_field(glue, GLUE_COUNT, n)?;
        call.set_field(glue, GLUE_FILES, glue.wrapping_add(HEAD))?;
        for word in 0..bytes / 4 {
            call.set_field(glue, HEAD + 4 * word, 0)?;
        }
        call.charge(u64::from(bytes / 4));
    }
    Ok(call.finish(glue))
}

/// `void __sinit(struct _reent *r)`: creates the three standard streams.
fn sinit(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const ACQUIRED: u32 = 1;
    const FIRST_STREAM: u32 = 2; // and the two after it
    const RELEASED: u32 = 5;
    let reent = call.get(0);
    match call.phase()? {
        0 => call.system_call(ACQUIRED, Syscall::LockAcquireRecursive, &[SINIT_LOCK]),
        ACQUIRED => {
            if call.field(reent, REENT_DID_INIT)? != 0 {
                return call.system_call(RELEASED, Syscall::LockReleaseRecursive, &[SINIT_LOCK]);
            }
            for offset in [GLUE_NEXT, GLUE_COUNT, GLUE_FILES] {
                call.set_field(reent, REENT_GLUE + offset, 0)?;
            }
            call.set_field(reent, REENT_CLEANUP, CLEANUP_R)?;
            call.set_field(reent, REENT_DID_INIT, 1)?;
            call.then(FIRST_STREAM, SFP, &[reent])
        }
        phase @ FIRST_STREAM..RELEASED => {
            let (n, fp) = (phase - FIRST_STREAM, call.returned());
            call.set_field(reent, REENT_STDIN + 4 * n, fp)?;
            if fp != 0 {
                let flags = [flag::SRD, flag::SWR | flag::SLBF, flag::SWR | flag::SNBF][n as usize];
                initialise(call, fp, flags, n)?;
            }
            match n {
                0 | 1 => call.then(phase + 1, SFP, &[reent]),
                _ => call.system_call(RELEASED, Syscall::LockReleaseRecursive, &[SINIT_LOCK]),
            }
        }
        _ => Ok(call.finish(0)),
    }
}

/// A stream on a descriptor, without a buffer yet.
fn initialise(call: &mut Call<'_>, fp: u32, flags: u32, file: u32) -> Result<(), Stop> {
    clear(call, fp)?;
    call.set_flags(fp, flags)?;
    call.set_descriptor(fp, file)?;
    for (offset, value) in
        [(COOKIE, fp), (READ, SREAD), (WRITE, SWRITE), (SEEK, SSEEK), (CLOSE, SCLOSE)]
    {
        call.set_field(fp, offset, value)?;
    }
    Ok(())
}

/// No buffer, nothing read, nothing to write.
fn clear(call: &mut Call<'_>, fp: u32) -> Result<(), Stop> {
    for offset in [P, R, W, BF_BASE, BF_SIZE, LBFSIZE, FLAGS2, MBSTATE, MBSTATE + 4] {
        call.set_field(fp, offset, 0)?;
    }
    call.charge(20);
    Ok(())
}

/// `FILE *__sfp(struct _reent *r)`: a free stream, taken.
fn sfp(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const ACQUIRED: u32 = 1;
    const MORE: u32 = 2;
    const LOCKED: u32 = 3;
    const RELEASED: u32 = 4;
    /// Words of the frame: the glue block that is the last one, or the stream that was found.
    const FOUND: u32 = 1;
    let reent = call.get(0);
    match call.phase()? {
        0 => call.system_call(ACQUIRED, Syscall::LockAcquireRecursive, &[SFP_LOCK]),
        phase @ (ACQUIRED | MORE) => {
            let global = call.load(GLOBAL_IMPURE_PTR)?;
            if phase == ACQUIRED && call.field(global, REENT_DID_INIT)? == 0 {
                return call.then(ACQUIRED, SINIT, &[global]);
            }
            if phase == MORE {
                let (last, fresh) = (call.local(FOUND)?, call.returned());
                call.set_field(last, GLUE_NEXT, fresh)?;
                if fresh == 0 {
                    call.set_local(FOUND, 0)?;
                    call.set_field(reent, 0, ENOMEM)?;
                    return call.system_call(RELEASED, Syscall::LockReleaseRecursive, &[SFP_LOCK]);
                }
            }
            match free_stream(call, global.wrapping_add(REENT_GLUE))? {
                Ok(fp) => {
                    call.set_flags(fp, 1)?; // taken
                    call.set_descriptor(fp, EOF)?;
                    call.set_field(fp, FLAGS2, 0)?;
                    call.set_local(FOUND, fp)?;
                    let lock = fp.wrapping_add(LOCK);
                    call.system_call(LOCKED, Syscall::LockInitRecursive, &[lock])
                }
                Err(last) => {
                    call.set_local(FOUND, last)?;
                    call.then(MORE, SFMOREGLUE, &[reent, 4])
                }
            }
        }
        LOCKED => call.system_call(RELEASED, Syscall::LockReleaseRecursive, &[SFP_LOCK]),
        _ => {
            let fp = call.local(FOUND)?;
            if fp != 0 {
                clear(call, fp)?;
                for offset in [UB_BASE, UB_SIZE, LB_BASE, LB_SIZE] {
                    call.set_field(fp, offset, 0)?;
                }
            }
            Ok(call.finish(fp))
        }
    }
}

/// The first stream that nobody uses, or the last block of the chain.
fn free_stream(call: &mut Call<'_>, first: u32) -> Result<Result<u32, u32>, Stop> {
    let mut glue = first;
    // The chain is as long as the memory allows; a broken one must not keep us for ever.
    for _ in 0..1024 {
        let (files, count) = (call.field(glue, GLUE_FILES)?, call.field(glue, GLUE_COUNT)?);
        for n in 0..count.min(1024) {
            let fp = files.wrapping_add(n * FILE_SIZE);
            call.charge(4);
            if call.flags(fp)? == 0 {
                return Ok(Ok(fp));
            }
        }
        match call.field(glue, GLUE_NEXT)? {
            0 => break,
            next => glue = next,
        }
    }
    Ok(Err(glue))
}

/// `void _cleanup_r(struct _reent *r)`: closes every stream.
fn cleanup_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let reent = call.get(0);
    match call.phase()? {
        0 => call.then(1, FWALK_REENT, &[reent, FCLOSE_R]),
        _ => Ok(call.finish(0)),
    }
}

/// `void _cleanup(void)`
fn cleanup(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    match call.phase()? {
        0 => {
            let global = call.load(GLOBAL_IMPURE_PTR)?;
            call.then(1, CLEANUP_R, &[global])
        }
        _ => Ok(call.finish(0)),
    }
}

/// Calls a function for every open stream; the results are merged by OR. Words of the frame: the
/// block, the number in it, the result.
fn walk(call: &mut Call<'_>, with_reent: bool) -> Result<Outcome, Stop> {
    const GLUE: u32 = 1;
    const NUMBER: u32 = 2;
    const RESULT: u32 = 3;
    let (reent, function) = (call.get(0), call.get(1));
    if call.phase()? == 0 {
        call.set_local(GLUE, reent.wrapping_add(REENT_GLUE))?;
        call.set_local(NUMBER, 0)?;
        call.set_local(RESULT, 0)?;
    } else {
        let result = call.local(RESULT)? | call.returned();
        call.set_local(RESULT, result)?;
    }
    loop {
        let (glue, n) = (call.local(GLUE)?, call.local(NUMBER)?);
        if glue == 0 {
            let result = call.local(RESULT)?;
            return Ok(call.finish(result));
        }
        call.charge(8);
        if n >= call.field(glue, GLUE_COUNT)? {
            let next = call.field(glue, GLUE_NEXT)?;
            call.set_local(GLUE, next)?;
            call.set_local(NUMBER, 0)?;
            continue;
        }
        let fp = call.field(glue, GLUE_FILES)?.wrapping_add(n.wrapping_mul(FILE_SIZE));
        call.set_local(NUMBER, n + 1)?;
        if call.flags(fp)? > 1 && call.descriptor(fp)? != EOF {
            let both = [reent, fp];
            return call.then(1, function, if with_reent { &both } else { &both[1..] });
        }
    }
}

/// `int _fwalk(struct _reent *r, int (*function)(FILE *))`
fn fwalk(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    walk(call, false)
}

/// `int _fwalk_reent(struct _reent *r, int (*function)(struct _reent *, FILE *))`
fn fwalk_reent(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    walk(call, true)
}

/// `int _fclose_r(struct _reent *r, FILE *fp)`. Words of the frame: the result, the stream.
fn fclose_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const RESULT: u32 = 1;
    let (reent, fp) = (call.get(0), call.get(1));
    let lock = fp.wrapping_add(LOCK);
    match call.phase()? {
        0 if fp == 0 => Ok(call.finish(0)),
        0 => call.system_call(1, Syscall::LockAcquireRecursive, &[lock]),
        1 if call.flags(fp)? == 0 => {
            call.set_local(RESULT, 0)?;
            call.system_call(9, Syscall::LockReleaseRecursive, &[lock])
        }
        1 => call.then(2, SFLUSH_R, &[reent, fp]),
        2 => {
            let result = call.returned();
            call.set_local(RESULT, result)?;
            match call.field(fp, CLOSE)? {
                0 => call.on(4),
                close => {
                    let cookie = call.field(fp, COOKIE)?;
                    call.then(3, close, &[reent, cookie])
                }
            }
        }
        3 => {
            if is_negative(call.returned()) {
                call.set_local(RESULT, EOF)?;
            }
            call.on(4)
        }
        4 if call.flags(fp)? & flag::SMBF != 0 => {
            let buffer = call.field(fp, BF_BASE)?;
            call.system_call(5, Syscall::FreeR, &[reent, buffer])
        }
        4 | 5 => match call.field(fp, UB_BASE)? {
            0 => call.on(6),
            base => {
                call.set_field(fp, UB_BASE, 0)?;
                match base == fp.wrapping_add(UBUF) {
                    true => call.on(6),
                    false => call.system_call(6, Syscall::FreeR, &[reent, base]),
                }
            }
        },
        6 => match call.field(fp, LB_BASE)? {
            0 => call.on(7),
            base => {
                call.set_field(fp, LB_BASE, 0)?;
                call.system_call(7, Syscall::FreeR, &[reent, base])
            }
        },
        7 => {
            call.set_flags(fp, 0)?;
            call.system_call(8, Syscall::LockReleaseRecursive, &[lock])
        }
        8 => call.system_call(9, Syscall::LockCloseRecursive, &[lock]),
        _ => {
            let result = call.local(RESULT)?;
            Ok(call.finish(result))
        }
    }
}

/// `int fclose(FILE *fp)`
fn fclose(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let fp = call.get(0);
    match call.phase()? {
        0 => call.system_call(1, Syscall::Getreent, &[]),
        1 => call.then(2, FCLOSE_R, &[call.returned(), fp]),
        _ => {
            let value = call.returned();
            Ok(call.finish(value))
        }
    }
}

// Flushing.

/// `int _fflush_r(struct _reent *r, FILE *fp)`. Words of the frame: the result, the stream.
fn fflush_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const RESULT: u32 = 1;
    const STREAM: u32 = 2;
    let reent = call.get(0);
    match call.phase()? {
        0 if reent != 0 && call.field(reent, REENT_DID_INIT)? == 0 => call.then(1, SINIT, &[reent]),
        0 | 1 => {
            let fp = call.real_stream(reent, call.get(1))?;
            call.set_local(STREAM, fp)?;
            match call.flags(fp)? {
                0 => Ok(call.finish(0)),
                flags if flags & flag::SSTR != 0 => call.then(3, SFLUSH_R, &[reent, fp]),
                _ => call.system_call(2, Syscall::LockAcquireRecursive, &[fp.wrapping_add(LOCK)]),
            }
        }
        2 => {
            let fp = call.local(STREAM)?;
            call.then(3, SFLUSH_R, &[reent, fp])
        }
        3 => {
            let (result, fp) = (call.returned(), call.local(STREAM)?);
            call.set_local(RESULT, result)?;
            match call.flags(fp)? & flag::SSTR != 0 {
                true => call.on(4),
                false => {
                    call.system_call(4, Syscall::LockReleaseRecursive, &[fp.wrapping_add(LOCK)])
                }
            }
        }
        _ => {
            let result = call.local(RESULT)?;
            Ok(call.finish(result))
        }
    }
}

/// `int fflush(FILE *fp)`: all streams for a null pointer.
fn fflush(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let fp = call.get(0);
    match call.phase()? {
        0 if fp == 0 => {
            let global = call.load(GLOBAL_IMPURE_PTR)?;
            call.then(2, FWALK_REENT, &[global, FFLUSH_R])
        }
        0 => call.system_call(1, Syscall::Getreent, &[]),
        1 => call.then(2, FFLUSH_R, &[call.returned(), fp]),
        _ => {
            let value = call.returned();
            Ok(call.finish(value))
        }
    }
}

/// `int __sflush_r(struct _reent *r, FILE *fp)`: writes what is buffered; a stream that has read
/// ahead goes back to where its reader is. Words of the frame: the next byte to write and how many,
/// or errno and the position.
fn sflush_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const WRITTEN: u32 = 1;
    const TOLD: u32 = 2;
    const SOUGHT: u32 = 3;
    const NEXT: u32 = 1;
    const LEFT: u32 = 2;
    const ERRNO: u32 = 1;
    let (reent, fp) = (call.get(0), call.get(1));
    match call.phase()? {
        0 => {
            let flags = call.flags(fp)?;
            if flags & flag::SWR != 0 {
                let base = call.field(fp, BF_BASE)?;
                if base == 0 {
                    return Ok(call.finish(0));
                }
                let buffered = call.field(fp, P)?.wrapping_sub(base);
                let is_immediate = flags & (flag::SLBF | flag::SNBF) != 0;
                let room = if is_immediate { 0 } else { call.field(fp, BF_SIZE)? };
                call.set_field(fp, P, base)?;
                call.set_field(fp, W, room)?;
                call.set_local(NEXT, base)?;
                call.set_local(LEFT, buffered)?;
                return write_rest(call, reent, fp);
            }
            let is_ahead = is_positive(call.field(fp, R)?) || is_positive(call.field(fp, UR)?);
            let seek = call.field(fp, SEEK)?;
            if !is_ahead || seek == 0 {
                return Ok(call.finish(0));
            }
            let errno = call.field(reent, 0)?;
            call.set_local(ERRNO, errno)?;
            call.set_field(reent, 0, 0)?;
            if flags & flag::SOFF != 0 {
                let at = call.field(fp, OFFSET)?;
                return seek_back(call, reent, fp, at);
            }
            let cookie = call.field(fp, COOKIE)?;
            call.then(TOLD, seek, &[reent, cookie, 0, SEEK_CUR])
        }
        WRITTEN => {
            let done = call.returned();
            if !is_positive(done) {
                return call.fail(fp);
            }
            let (next, left) = (call.local(NEXT)?, call.local(LEFT)?);
            call.set_local(NEXT, next.wrapping_add(done))?;
            call.set_local(LEFT, left.wrapping_sub(done))?;
            write_rest(call, reent, fp)
        }
        TOLD => {
            let (at, error) = (call.returned(), call.field(reent, 0)?);
            if at != EOF || error == 0 {
                return seek_back(call, reent, fp, at);
            }
            if !is_unseekable(error) {
                return call.fail(fp);
            }
            let errno = call.local(ERRNO)?;
            call.set_field(reent, 0, errno)?;
            Ok(call.finish(0))
        }
        SOUGHT => {
            let (at, error) = (call.returned(), call.field(reent, 0)?);
            let is_there = at != EOF || error == 0;
            if !is_there && !is_unseekable(error) {
                return call.fail(fp);
            }
            let flags = call.change_flags(fp, 0, flag::SNPT)?;
            let base = call.field(fp, BF_BASE)?;
            call.set_field(fp, R, 0)?;
            call.set_field(fp, P, base)?;
            if flags & flag::SOFF != 0 && is_there {
                call.set_field(fp, OFFSET, at)?;
            }
            let errno = call.local(ERRNO)?;
            call.set_field(reent, 0, errno)?;
            free_push_back(call, reent, fp, SOUGHT + 1)
        }
        _ => Ok(call.finish(0)),
    }
}

fn is_positive(value: u32) -> bool {
    value as i32 > 0
}

/// Errors that only say that the file has no position.
fn is_unseekable(errno: u32) -> bool {
    errno == ESPIPE || errno == EINVAL
}

/// Hands the next piece of a buffer to the stream's writer; `__sflush_r` only.
fn write_rest(call: &mut Call<'_>, reent: u32, fp: u32) -> Result<Outcome, Stop> {
    let (next, left) = (call.local(1)?, call.local(2)?);
    if !is_positive(left) {
        return Ok(call.finish(0));
    }
    let (write, cookie) = (call.field(fp, WRITE)?, call.field(fp, COOKIE)?);
    call.then(1, write, &[reent, cookie, next, left])
}

/// Seeks from the file's position `at` to the reader's; `__sflush_r` only.
fn seek_back(call: &mut Call<'_>, reent: u32, fp: u32, at: u32) -> Result<Outcome, Stop> {
    let mut at = at;
    if call.flags(fp)? & flag::SRD != 0 {
        at = at.wrapping_sub(call.field(fp, R)?);
        if call.field(fp, UB_BASE)? != 0 {
            at = at.wrapping_sub(call.field(fp, UR)?);
        }
    }
    let (seek, cookie) = (call.field(fp, SEEK)?, call.field(fp, COOKIE)?);
    call.then(3, seek, &[reent, cookie, at, SEEK_SET])
}

/// Gives up pushed-back characters, and goes on in `phase`.
fn free_push_back(call: &mut Call<'_>, reent: u32, fp: u32, phase: u32) -> Result<Outcome, Stop> {
    let base = call.field(fp, UB_BASE)?;
    call.set_field(fp, UB_BASE, 0)?;
    if base == 0 || base == fp.wrapping_add(UBUF) {
        return call.on(phase);
    }
    call.system_call(phase, Syscall::FreeR, &[reent, base])
}

// Buffers.

/// `void __smakebuf_r(struct _reent *r, FILE *fp)`. Words of the frame: whether the file is a
/// character device, then a `struct stat`.
fn smakebuf_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const IS_DEVICE: u32 = 1;
    let (reent, fp) = (call.get(0), call.get(1));
    match call.phase()? {
        0 if call.flags(fp)? & flag::SNBF != 0 => single_byte_buffer(call, fp),
        0 => {
            let file = call.descriptor(fp)?;
            if is_negative(file) {
                return without_file(call, reent, fp);
            }
            let stat = call.guest.ar(1).wrapping_add(4 * STAT);
            call.system_call(1, Syscall::FstatR, &[reent, file, stat])
        }
        1 if is_negative(call.returned()) => without_file(call, reent, fp),
        1 => {
            let kind = call.local(STAT_MODE)? & S_IFMT;
            call.set_local(IS_DEVICE, (kind == S_IFCHR).into())?;
            if kind == S_IFREG && call.field(fp, SEEK)? == SSEEK {
                call.change_flags(fp, flag::SOPT, 0)?;
                call.set_field(fp, BLKSIZE, 1024)?;
            } else {
                call.change_flags(fp, flag::SNPT, 0)?;
            }
            call.system_call(2, Syscall::MallocR, &[reent, BUFFER_SIZE])
        }
        phase @ (2 | 3) => {
            let (buffer, flags) = (call.returned(), call.flags(fp)?);
            if buffer == 0 {
                if flags & flag::SSTR != 0 {
                    return Ok(call.finish(0));
                }
                call.change_flags(fp, flag::SNBF, 0)?;
                return single_byte_buffer(call, fp);
            }
            let is_print = phase == 3 && flags & flag::SMBF != 0;
            let size = if is_print { PRINT_BUFFER_SIZE } else { BUFFER_SIZE };
            call.set_field(reent, REENT_CLEANUP, CLEANUP_R)?;
            call.change_flags(fp, flag::SMBF, 0)?;
            call.set_field(fp, P, buffer)?;
            call.set_field(fp, BF_BASE, buffer)?;
            call.set_field(fp, BF_SIZE, size)?;
            if call.local(IS_DEVICE)? != 0 {
                call.change_flags(fp, flag::SLBF, 0)?;
            }
            Ok(call.finish(0))
        }
        _ => Ok(call.finish(0)),
    }
}

/// A stream without an open file: the buffer of a string is short.
fn without_file(call: &mut Call<'_>, reent: u32, fp: u32) -> Result<Outcome, Stop> {
    let flags = call.flags(fp)?;
    let size = if flags & flag::SMBF != 0 { PRINT_BUFFER_SIZE } else { BUFFER_SIZE };
    call.set_local(1, 0)?;
    call.change_flags(fp, flag::SNPT, 0)?;
    call.system_call(3, Syscall::MallocR, &[reent, size])
}

/// The one byte inside the FILE.
fn single_byte_buffer(call: &mut Call<'_>, fp: u32) -> Result<Outcome, Stop> {
    let byte = fp.wrapping_add(NBUF);
    call.set_field(fp, P, byte)?;
    call.set_field(fp, BF_BASE, byte)?;
    call.set_field(fp, BF_SIZE, 1)?;
    Ok(call.finish(0))
}

/// `int __swsetup_r(struct _reent *r, FILE *fp)`: makes a stream ready to be written; EOF if it cannot.
/// Word of the frame: the stream.
fn swsetup_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const CHECK: u32 = 2;
    const WRITABLE: u32 = 3;
    const BUFFERED: u32 = 4;
    const STREAM: u32 = 1;
    let reent = call.get(0);
    match call.phase()? {
        0 => call.system_call(1, Syscall::Getreent, &[]),
        1 => {
            let own = call.returned();
            call.set_local(STREAM, own)?;
            match own != 0 && call.field(own, REENT_DID_INIT)? == 0 {
                true => call.then(CHECK, SINIT, &[own]),
                false => call.on(CHECK),
            }
        }
        CHECK => {
            let own = call.local(STREAM)?;
            let fp = call.real_stream(own, call.get(1))?;
            let flags = call.flags(fp)?;
            if flags & (flag::SWR | flag::SRW) == 0 {
                call.set_field(reent, 0, EBADF)?;
                return call.fail(fp);
            }
            call.set_local(STREAM, fp)?;
            if flags & flag::SWR != 0 || flags & flag::SRD == 0 {
                call.change_flags(fp, flag::SWR, 0)?;
                return call.on(WRITABLE);
            }
            call.change_flags(fp, flag::SWR, flag::SRD | flag::SEOF)?;
            let base = call.field(fp, BF_BASE)?;
            call.set_field(fp, R, 0)?;
            call.set_field(fp, P, base)?;
            free_push_back(call, reent, fp, WRITABLE)
        }
        WRITABLE => {
            let fp = call.local(STREAM)?;
            let flags = call.flags(fp)?;
            let wants_buffer = flags & flag::SSTR == 0 || flags & flag::SMBF != 0;
            match call.field(fp, BF_BASE)? == 0 && wants_buffer {
                true => call.then(BUFFERED, SMAKEBUF_R, &[reent, fp]),
                false => call.on(BUFFERED),
            }
        }
        _ => {
            let fp = call.local(STREAM)?;
            let (flags, size) = (call.flags(fp)?, call.field(fp, BF_SIZE)?);
            let room = if flags & (flag::SLBF | flag::SNBF) != 0 { 0 } else { size };
            call.set_field(fp, W, room)?;
            if flags & flag::SLBF != 0 {
                call.set_field(fp, LBFSIZE, size.wrapping_neg())?;
            }
            if call.field(fp, BF_BASE)? == 0 && flags & flag::SMBF != 0 {
                return call.fail(fp);
            }
            Ok(call.finish(0))
        }
    }
}

// Writing.

/// Whether a stream must be set up before anything can be written.
fn needs_setup(call: &mut Call<'_>, fp: u32) -> Result<bool, Stop> {
    Ok(call.flags(fp)? & flag::SWR == 0 || call.field(fp, BF_BASE)? == 0)
}

/// `int __swbuf_r(struct _reent *r, int c, FILE *fp)`: a character that did not fit the buffer, or ends
/// a line.
fn swbuf_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const CHECK: u32 = 1;
    const SET_UP: u32 = 2;
    const ROOM: u32 = 3;
    const FLUSHED: u32 = 4;
    let (reent, byte) = (call.get(0), call.get(1) & 0xff);
    let fp = call.real_stream(reent, call.get(2))?;
    match call.phase()? {
        0 if reent != 0 && call.field(reent, REENT_DID_INIT)? == 0 => {
            call.then(CHECK, SINIT, &[reent])
        }
        0 | CHECK => {
            let line = call.field(fp, LBFSIZE)?;
            call.set_field(fp, W, line)?;
            match needs_setup(call, fp)? {
                true => call.then(SET_UP, SWSETUP_R, &[reent, fp]),
                false => call.on(ROOM),
            }
        }
        SET_UP if call.returned() != 0 => Ok(call.finish(EOF)),
        SET_UP => call.on(ROOM),
        ROOM => {
            let filled = call.field(fp, P)?.wrapping_sub(call.field(fp, BF_BASE)?);
            match filled as i32 >= call.field(fp, BF_SIZE)? as i32 {
                true => call.then(FLUSHED, FFLUSH_R, &[reent, fp]),
                false => put_byte(call, reent, fp, byte),
            }
        }
        FLUSHED if call.returned() != 0 => Ok(call.finish(EOF)),
        FLUSHED => put_byte(call, reent, fp, byte),
        _ => {
            let result = if call.returned() == 0 { byte } else { EOF };
            Ok(call.finish(result))
        }
    }
}

/// Puts the byte of `__swbuf_r` into the buffer, and flushes when that fills it or ends a line.
fn put_byte(call: &mut Call<'_>, reent: u32, fp: u32, byte: u32) -> Result<Outcome, Stop> {
    const DONE: u32 = 5;
    let (at, room) = (call.field(fp, P)?, call.field(fp, W)?);
    call.write(at, &[byte as u8])?;
    call.set_field(fp, P, at.wrapping_add(1))?;
    call.set_field(fp, W, room.wrapping_sub(1))?;
    let filled = at.wrapping_add(1).wrapping_sub(call.field(fp, BF_BASE)?);
    let ends_line = call.flags(fp)? & flag::SLBF != 0 && byte == u32::from(b'\n');
    match filled == call.field(fp, BF_SIZE)? || ends_line {
        true => call.then(DONE, FFLUSH_R, &[reent, fp]),
        false => Ok(call.finish(byte)),
    }
}

/// `int __swbuf(int c, FILE *fp)`
fn swbuf(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const SWBUF_R: u32 = 0x4005_8bec;
    let (byte, fp) = (call.get(0), call.get(1));
    match call.phase()? {
        0 => call.system_call(1, Syscall::Getreent, &[]),
        1 => call.then(2, SWBUF_R, &[call.returned(), byte, fp]),
        _ => {
            let value = call.returned();
            Ok(call.finish(value))
        }
    }
}

// `__sfvwrite_r` writes a list of pieces. Words of its frame:
/// Next {address, length} of the list.
const PIECES: u32 = 1;
/// The piece under way.
const NEXT: u32 = 2;
const LENGTH: u32 = 3;
/// Bytes up to the end of the line, 0 when not known.
const LINE: u32 = 4;
/// Bytes that the call under way takes off the piece.
const TAKEN: u32 = 5;
/// A string's new size.
const NEW_SIZE: u32 = 6;

// Phases of `__sfvwrite_r`.
const READY: u32 = 1;
const PIECE: u32 = 2;
const WRITTEN: u32 = 3;
const FLUSHED: u32 = 4;
const GROWN: u32 = 5;
const SHRUNK: u32 = 6;

/// Offset of the total in the list's head, which starts with the pieces' address and their count.
const RESIDUE: u32 = 8;

/// `int __sfvwrite_r(struct _reent *r, FILE *fp, struct __suio *list)`
fn sfvwrite_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let [reent, fp, list] = std::array::from_fn(|i| call.get(i));
    match call.phase()? {
        0 => {
            if call.field(list, RESIDUE)? == 0 {
                return Ok(call.finish(0));
            }
            let pieces = call.field(list, 0)?;
            call.set_local(PIECES, pieces)?;
            call.set_local(LENGTH, 0)?;
            call.set_local(LINE, 0)?;
            match needs_setup(call, fp)? {
                true => call.then(READY, SWSETUP_R, &[reent, fp]),
                false => call.on(PIECE),
            }
        }
        READY if call.returned() != 0 => Ok(call.finish(EOF)),
        READY => call.on(PIECE),
        PIECE => next_piece(call, reent, fp),
        WRITTEN => {
            let done = call.returned();
            if !is_positive(done) {
                return call.fail(fp);
            }
            taken(call, reent, fp, list, done)
        }
        FLUSHED if call.returned() != 0 => call.fail(fp),
        FLUSHED => {
            let done = call.local(TAKEN)?;
            taken(call, reent, fp, list, done)
        }
        GROWN => grown(call, reent, fp, list),
        _ => {
            call.set_field(reent, 0, ENOMEM)?;
            call.fail(fp)
        }
    }
}

/// Accounts for `done` bytes of the piece; the end of a line that was completed flushes first.
fn taken(call: &mut Call<'_>, reent: u32, fp: u32, list: u32, done: u32) -> Result<Outcome, Stop> {
    let line = call.local(LINE)?;
    if line != 0 {
        let left = line.wrapping_sub(done);
        call.set_local(LINE, left)?;
        if left == 0 {
            call.set_local(TAKEN, done)?;
            return call.then(FLUSHED, FFLUSH_R, &[reent, fp]);
        }
    }
    let (next, length) = (call.local(NEXT)?, call.local(LENGTH)?);
    call.set_local(NEXT, next.wrapping_add(done))?;
    call.set_local(LENGTH, length.wrapping_sub(done))?;
    let residue = call.field(list, RESIDUE)?.wrapping_sub(done);
    call.set_field(list, RESIDUE, residue)?;
    if !is_positive(residue) {
        return Ok(call.finish(0));
    }
    call.on(PIECE)
}

/// Copies bytes of the piece into the buffer.
fn fill(call: &mut Call<'_>, fp: u32, n: u32) -> Result<(), Stop> {
    let (from, to) = (call.local(NEXT)?, call.field(fp, P)?);
    let mut done = 0;
    while done < n {
        let step = (n - done).min(64) as usize;
        let mut buffer = [0; 64];
        call.read(from.wrapping_add(done), &mut buffer[..step])?;
        call.write(to.wrapping_add(done), &buffer[..step])?;
        done += step as u32;
    }
    call.charge(u64::from(n));
    call.set_field(fp, P, to.wrapping_add(n))
}

/// Does as much of the piece as goes in one step, by the stream's kind of buffering.
fn next_piece(call: &mut Call<'_>, reent: u32, fp: u32) -> Result<Outcome, Stop> {
    let list = call.get(2);
    let mut length = call.local(LENGTH)?;
    while length == 0 {
        let pieces = call.local(PIECES)?;
        let next = call.load(pieces)?;
        length = call.load(pieces.wrapping_add(4))?;
        call.set_local(NEXT, next)?;
        call.set_local(LENGTH, length)?;
        call.set_local(PIECES, pieces.wrapping_add(8))?;
        call.set_local(LINE, 0)?;
        call.charge(8);
    }
    let flags = call.flags(fp)?;
    if flags & flag::SNBF != 0 {
        return write_through(call, reent, fp, length);
    }
    let (base, at) = (call.field(fp, BF_BASE)?, call.field(fp, P)?);
    let (room, size) = (call.field(fp, W)?, call.field(fp, BF_SIZE)?);
    if flags & flag::SLBF != 0 {
        let line = line_length(call, length)?;
        let wanted = length.min(line);
        let space = room.wrapping_add(size);
        if at > base && wanted as i32 > space as i32 {
            fill(call, fp, space)?;
            // The flush below is not the one that ends a line.
            return flush_after(call, reent, fp, space);
        }
        if wanted >= size {
            return write_through(call, reent, fp, size);
        }
        fill(call, fp, wanted)?;
        call.set_field(fp, W, room.wrapping_sub(wanted))?;
        return taken(call, reent, fp, list, wanted);
    }
    if flags & flag::SSTR != 0 {
        if length >= room && flags & (flag::SMBF | flag::SOPT) != 0 {
            return grow(call, reent, fp, length);
        }
        return into_string(call, reent, fp, list);
    }
    if at > base || length < size {
        let n = length.min(room);
        fill(call, fp, n)?;
        call.set_field(fp, W, room.wrapping_sub(n))?;
        return match room == n {
            true => flush_after(call, reent, fp, n),
            false => taken(call, reent, fp, list, n),
        };
    }
    let whole = length / size.max(1) * size;
    write_through(call, reent, fp, whole.max(1))
}

/// Bytes of the piece up to its line end, or one more than it has.
fn line_length(call: &mut Call<'_>, length: u32) -> Result<u32, Stop> {
    let known = call.local(LINE)?;
    if known != 0 {
        return Ok(known);
    }
    let text = call.local(NEXT)?;
    let mut line = length.wrapping_add(1);
    for i in 0..length {
        if call.byte(text.wrapping_add(i))? == b'\n' {
            line = i + 1;
            break;
        }
    }
    call.charge(2 * u64::from(line));
    call.set_local(LINE, line)?;
    Ok(line)
}

fn write_through(call: &mut Call<'_>, reent: u32, fp: u32, n: u32) -> Result<Outcome, Stop> {
    let (write, cookie) = (call.field(fp, WRITE)?, call.field(fp, COOKIE)?);
    let (next, length) = (call.local(NEXT)?, call.local(LENGTH)?);
    call.then(WRITTEN, write, &[reent, cookie, next, n.min(length)])
}

/// Flushes a buffer that is full, then accounts for the bytes that filled it.
fn flush_after(call: &mut Call<'_>, reent: u32, fp: u32, n: u32) -> Result<Outcome, Stop> {
    call.set_local(TAKEN, n)?;
    call.then(FLUSHED, FFLUSH_R, &[reent, fp])
}

/// A string takes what fits and forgets the rest.
fn into_string(call: &mut Call<'_>, reent: u32, fp: u32, list: u32) -> Result<Outcome, Stop> {
    let (length, room) = (call.local(LENGTH)?, call.field(fp, W)?);
    let n = length.min(room);
    fill(call, fp, n)?;
    call.set_field(fp, W, room.wrapping_sub(n))?;
    taken(call, reent, fp, list, length)
}

/// Asks for a bigger buffer for a string that may grow.
fn grow(call: &mut Call<'_>, reent: u32, fp: u32, length: u32) -> Result<Outcome, Stop> {
    let (base, size) = (call.field(fp, BF_BASE)?, call.field(fp, BF_SIZE)?);
    let filled = call.field(fp, P)?.wrapping_sub(base);
    let new_size = (size.wrapping_mul(3) / 2).max(filled.wrapping_add(length).wrapping_add(1));
    call.set_local(NEW_SIZE, new_size)?;
    match call.flags(fp)? & flag::SOPT != 0 {
        true => call.system_call(GROWN, Syscall::MallocR, &[reent, new_size]),
        false => call.system_call(GROWN, Syscall::ReallocR, &[reent, base, new_size]),
    }
}

fn grown(call: &mut Call<'_>, reent: u32, fp: u32, list: u32) -> Result<Outcome, Stop> {
    let (memory, new_size) = (call.returned(), call.local(NEW_SIZE)?);
    let (base, flags) = (call.field(fp, BF_BASE)?, call.flags(fp)?);
    let filled = call.field(fp, P)?.wrapping_sub(base);
    if memory == 0 {
        if flags & flag::SOPT != 0 {
            return call.on(SHRUNK);
        }
        call.change_flags(fp, 0, flag::SMBF)?;
        return call.system_call(SHRUNK, Syscall::FreeR, &[reent, base]);
    }
    if flags & flag::SOPT != 0 {
        for i in 0..filled {
            let byte = call.byte(base.wrapping_add(i))?;
            call.write(memory.wrapping_add(i), &[byte])?;
        }
        call.change_flags(fp, flag::SMBF, flag::SOPT)?;
    }
    call.set_field(fp, BF_BASE, memory)?;
    call.set_field(fp, P, memory.wrapping_add(filled))?;
    call.set_field(fp, BF_SIZE, new_size)?;
    call.set_field(fp, W, new_size.wrapping_sub(filled))?;
    into_string(call, reent, fp, list)
}

// Reading.

/// `int __srefill_r(struct _reent *r, FILE *fp)`: fills the buffer; EOF when there is nothing. Words
/// of the frame: the walk over the streams that are flushed first.
fn srefill_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    const CHECK: u32 = 1;
    const FLUSHED: u32 = 2;
    const READABLE: u32 = 3;
    const PUSHED_BACK: u32 = 4;
    const BUFFER: u32 = 5;
    const OTHERS: u32 = 6;
    const FILL: u32 = 7;
    const FILLED: u32 = 8;
    const WALK: u32 = 9;
    const GLUE: u32 = 1;
    const NUMBER: u32 = 2;
    let reent = call.get(0);
    let fp = call.real_stream(reent, call.get(1))?;
    match call.phase()? {
        0 if reent != 0 && call.field(reent, REENT_DID_INIT)? == 0 => {
            call.then(CHECK, SINIT, &[reent])
        }
        0 | CHECK => {
            call.set_field(fp, R, 0)?;
            let flags = call.flags(fp)?;
            if flags & flag::SEOF != 0 {
                return Ok(call.finish(EOF));
            }
            if flags & flag::SRD != 0 {
                return match call.field(fp, UB_BASE)? {
                    0 => call.on(BUFFER),
                    _ => free_push_back(call, reent, fp, PUSHED_BACK),
                };
            }
            if flags & flag::SRW == 0 {
                call.set_field(reent, 0, EBADF)?;
                return call.fail(fp);
            }
            match flags & flag::SWR != 0 {
                true => call.then(FLUSHED, FFLUSH_R, &[reent, fp]),
                false => call.on(READABLE),
            }
        }
        FLUSHED if call.returned() != 0 => Ok(call.finish(EOF)),
        FLUSHED => {
            call.change_flags(fp, 0, flag::SWR)?;
            call.set_field(fp, W, 0)?;
            call.set_field(fp, LBFSIZE, 0)?;
            call.on(READABLE)
        }
        READABLE => {
            call.change_flags(fp, flag::SRD, 0)?;
            call.on(BUFFER)
        }
        PUSHED_BACK => {
            // Back to the buffer that pushed-back characters had replaced.
            let saved = call.field(fp, UR)?;
            call.set_field(fp, R, saved)?;
            if saved == 0 {
                return call.on(BUFFER);
            }
            let at = call.field(fp, UP)?;
            call.set_field(fp, P, at)?;
            Ok(call.finish(0))
        }
        BUFFER if call.field(fp, BF_BASE)? == 0 => call.then(OTHERS, SMAKEBUF_R, &[reent, fp]),
        BUFFER | OTHERS => {
            // Before a terminal is read, everything on it shall be seen.
            if call.flags(fp)? & (flag::SLBF | flag::SNBF) == 0 {
                return call.on(FILL);
            }
            let global = call.load(GLOBAL_IMPURE_PTR)?;
            call.set_local(GLUE, global.wrapping_add(REENT_GLUE))?;
            call.set_local(NUMBER, 0)?;
            call.on(WALK)
        }
        FILL => {
            let (base, size) = (call.field(fp, BF_BASE)?, call.field(fp, BF_SIZE)?);
            call.set_field(fp, P, base)?;
            let (read, cookie) = (call.field(fp, READ)?, call.field(fp, COOKIE)?);
            call.then(FILLED, read, &[reent, cookie, base, size])
        }
        FILLED => {
            let got = call.returned();
            if is_positive(got) {
                call.set_field(fp, R, got)?;
                return Ok(call.finish(0));
            }
            call.set_field(fp, R, 0)?;
            call.change_flags(fp, if got == 0 { flag::SEOF } else { flag::SERR }, 0)?;
            Ok(call.finish(EOF))
        }
        _ => {
            let (glue, n) = (call.local(GLUE)?, call.local(NUMBER)?);
            if glue == 0 {
                return call.on(FILL);
            }
            if n >= call.field(glue, GLUE_COUNT)? {
                let next = call.field(glue, GLUE_NEXT)?;
                call.set_local(GLUE, next)?;
                call.set_local(NUMBER, 0)?;
                return call.on(WALK);
            }
            call.set_local(NUMBER, n + 1)?;
            let other = call.field(glue, GLUE_FILES)?.wrapping_add(n.wrapping_mul(FILE_SIZE));
            let wanted = flag::SLBF | flag::SWR;
            match call.flags(other)? & wanted == wanted && call.descriptor(other)? != EOF {
                true => call.then(WALK, FFLUSH, &[other]),
                false => call.on(WALK),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{DRAM, FakeGuest, syscall_stub};

    const REENT: u32 = DRAM + 0x1_0000;
    const HEAP: u32 = DRAM + 0x2_0000;
    const FP: u32 = DRAM + 0x1_1000;

    /// The application and the ROM around a function: ROM functions are run, a heap grows, a device
    /// takes what is written and gives what is in `input`.
    #[derive(Default)]
    struct World {
        heap: u32,
        written: Vec<u8>,
        writes: usize,
        input: Vec<u8>,
        locks: i32,
        is_device: bool,
    }

    impl World {
        fn call(&mut self, guest: &mut FakeGuest, name: &str, arguments: &[u32]) -> u32 {
            guest.call_coroutine(name, arguments, |guest, target, arguments| {
                self.answer(guest, target, arguments)
            })
        }

        fn answer(&mut self, guest: &mut FakeGuest, target: u32, arguments: &[u32]) -> u32 {
            let own = TABLE.iter().find(|coroutine| coroutine.address == target);
            if let Some(coroutine) = own {
                return self.call(guest, coroutine.name, arguments);
            }
            let number = (target - syscall_stub(0)) / 16;
            match number {
                0 => REENT,
                1 => {
                    self.heap += 0x400;
                    HEAP + self.heap
                }
                2 => 0,
                14 => {
                    let mode = if self.is_device { S_IFCHR } else { S_IFREG };
                    guest.put(arguments[2] + 4, &mode.to_le_bytes());
                    0
                }
                21 => {
                    let n = arguments[3].min(50);
                    self.written.extend(guest.get(arguments[2], n as usize));
                    self.writes += 1;
                    n
                }
                22 => 0,
                23 => {
                    let n = self.input.len().min(arguments[3] as usize);
                    let rest = self.input.split_off(n);
                    guest.put(arguments[2], &self.input);
                    self.input = rest;
                    n as u32
                }
                25 | 27 => 0,
                29 => {
                    self.locks += 1;
                    0
                }
                33 => {
                    self.locks -= 1;
                    0
                }
                other => panic!("system call {other}"),
            }
        }

        fn print(&mut self, guest: &mut FakeGuest, fp: u32, pieces: &[&str]) -> u32 {
            let (list, text) = (DRAM + 0x3_0000, DRAM + 0x3_1000);
            let (mut at, mut total) = (text, 0);
            let mut vectors = Vec::new();
            for piece in pieces {
                guest.put(at, piece.as_bytes());
                vectors.extend(at.to_le_bytes());
                vectors.extend((piece.len() as u32).to_le_bytes());
                at += piece.len() as u32;
                total += piece.len() as u32;
            }
            guest.put(list + 0x100, &vectors);
            for (i, word) in [list + 0x100, pieces.len() as u32, total].into_iter().enumerate() {
                guest.put(list + 4 * i as u32, &word.to_le_bytes());
            }
            self.call(guest, "__sfvwrite_r", &[REENT, fp, list])
        }
    }

    fn guest() -> FakeGuest {
        let mut guest = FakeGuest::new(64);
        guest.install_syscalls();
        guest.put(GLOBAL_IMPURE_PTR, &REENT.to_le_bytes());
        guest
    }

    #[test]
    fn the_standard_streams_are_created_once() {
        let (mut guest, mut world) = (guest(), World::default());
        world.call(&mut guest, "__sinit", &[REENT]);
        let streams = [4, 8, 12].map(|offset| guest.word(REENT + offset));
        assert_eq!(streams, [0, 1, 2].map(|n| HEAP + 0x400 + 12 + n * FILE_SIZE));
        assert_eq!(guest.word(streams[1] + 12), 0x0001_0009, "stdout: line buffered, file 1");
        assert_eq!(guest.word(streams[2] + 12), 0x0002_000a, "stderr: unbuffered, file 2");
        assert_eq!(guest.word(streams[0] + READ), SREAD);
        world.call(&mut guest, "__sinit", &[REENT]);
        assert_eq!(world.heap, 0x400);
        let fourth = world.call(&mut guest, "__sfp", &[REENT]);
        let fifth = world.call(&mut guest, "__sfp", &[REENT]);
        assert_eq!(fourth, streams[2] + FILE_SIZE);
        assert_eq!(fifth, HEAP + 0x800 + 12, "a second block");
        assert_eq!(world.locks, 0);
    }

    #[test]
    fn a_terminal_is_line_buffered() {
        let (mut guest, mut world) = (guest(), World { is_device: true, ..World::default() });
        world.call(&mut guest, "__sinit", &[REENT]);
        let stdout = guest.word(REENT + 8);
        assert_eq!(world.print(&mut guest, stdout, &["no line yet"]), 0);
        assert_eq!(world.written, b"");
        assert_eq!(world.print(&mut guest, stdout, &[" but ", "now\nand", " more\n", "rest"]), 0);
        assert_eq!(world.writes, 2, "one for each line");
        assert_eq!(world.written, b"no line yet but now\nand more\n");
        assert_eq!(world.call(&mut guest, "__swbuf_r", &[REENT, 10, stdout]), 10);
        assert_eq!(world.written, b"no line yet but now\nand more\nrest\n");
        assert_eq!(world.locks, 0);
    }

    #[test]
    fn a_file_is_written_in_whole_buffers_and_the_rest_on_closing() {
        let (mut guest, mut world) = (guest(), World::default());
        world.call(&mut guest, "__sinit", &[REENT]);
        let fp = world.call(&mut guest, "__sfp", &[REENT]);
        guest.put(fp + 12, &[flag::SWR as u8, 0, 5, 0]);
        for (offset, value) in [(COOKIE, fp), (WRITE, SWRITE), (SEEK, SSEEK), (CLOSE, 0)] {
            guest.put(fp + offset, &value.to_le_bytes());
        }
        let text = "0123456789".repeat(31);
        for piece in text.as_bytes().chunks(70) {
            let piece = std::str::from_utf8(piece).expect("digits");
            assert_eq!(world.print(&mut guest, fp, &[piece]), 0);
        }
        assert!(world.written.len() < text.len());
        assert_eq!(world.call(&mut guest, "fclose", &[fp]), 0);
        assert_eq!(world.written, text.as_bytes());
        assert_eq!(guest.word(fp + 12) & 0xffff, 0, "free again");
    }

    #[test]
    fn a_string_grows_or_is_cut() {
        let (mut guest, mut world) = (guest(), World::default());
        let buffer = DRAM + 0x4_0000;
        let set = |guest: &mut FakeGuest, flags: u32, size: u32| {
            guest.put(FP, &[0; 104]);
            for (offset, value) in
                [(P, buffer), (W, size), (12, flags), (BF_BASE, buffer), (BF_SIZE, size)]
            {
                guest.put(FP + offset, &value.to_le_bytes());
            }
        };
        set(&mut guest, flag::SWR | flag::SSTR, 5);
        assert_eq!(world.print(&mut guest, FP, &["abc", "defgh"]), 0);
        assert_eq!(guest.get(buffer, 6), b"abcde\0");
        set(&mut guest, flag::SWR | flag::SSTR | flag::SOPT, 4);
        assert_eq!(world.print(&mut guest, FP, &["abc", "defgh"]), 0);
        let grown = guest.word(FP + BF_BASE);
        assert_ne!(grown, buffer);
        assert_eq!(guest.get(grown, 8), b"abcdefgh");
    }

    #[test]
    fn reading_fills_the_buffer_until_the_end_of_the_file() {
        let (mut guest, mut world) = (guest(), World::default());
        world.call(&mut guest, "__sinit", &[REENT]);
        world.input = vec![7; 200];
        let stdin = guest.word(REENT + 4);
        for expected in [128, 72] {
            assert_eq!(world.call(&mut guest, "__srefill_r", &[REENT, stdin]), 0);
            assert_eq!(guest.word(stdin + R), expected);
        }
        assert_eq!(world.call(&mut guest, "__srefill_r", &[REENT, stdin]), EOF);
        assert_eq!(guest.word(stdin + 12) & flag::SEOF, flag::SEOF);
        assert_eq!(guest.word(stdin + OFFSET), 200);
    }
}
