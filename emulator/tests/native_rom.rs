//! The functions of our own ROM take their time in pieces; how the host cuts time must not show.

use crate::common;
use crate::common::{
    Random, State, after, application, assert_same, boot, flash, run_to, state, where_it_is, word,
};
use esp32_emulator::board::parts::nor_flash::NorFlash;
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::Esp32;
use esp32_emulator::time::{Duration, Instant};

const CODE: u32 = 0x4008_0400;
const RESULTS: u32 = 0x3ffb_0000;
/// A piece of a native function has 1024 cycles, and goes on to the end of what it has begun.
const LONGEST_PIECE: Duration = Duration::from_ticks(1400 * common::TICKS_PER_CYCLE);

/// An application that spends its time in ROM functions of many pieces.
const APPLICATION: &str = "
    .literal results, 0x3ffb0000
    .literal from, 0x3ffc0000
    .literal to, 0x3ffc4000
    .literal length, 5000
    .literal memset, 0x4000c44c
    .literal memcpy, 0x4000c2c8
    .literal memmove, 0x4000c3c0
    .literal memcmp, 0x4000c260
    .literal memchr, 0x4000c244
    .literal strlen, 0x400014c0
    .literal qsort, 0x40056424
    .literal compare_at, compare
    .literal delay, 0x40008534
    .literal dport, 0x3ff00000
    .literal watchdog_key, 0x50d83aa1
    .literal rtc, 0x3ff48000
    .literal timg, 0x3ff5f000
    start:
        entry a1, 64
        l32r a2, watchdog_key              # both flash-boot watchdogs off
        movi a4, 0
        l32r a3, rtc
        s32i a2, a3, 0xa4; s32i a4, a3, 0x8c
        l32r a3, timg
        s32i a2, a3, 0x64; s32i a4, a3, 0x48
        movi a7, 0                         # round
        l32r a2, results
    again:
        l32r a10, from; addi a11, a7, 1; l32r a12, length
        l32r a8, memset; callx8 a8
        l32r a10, to; l32r a11, from; l32r a12, length; addi a12, a12, -7
        l32r a8, memcpy; callx8 a8
        l32r a10, to; addi a10, a10, 3; l32r a11, to; l32r a12, length; addi a12, a12, -100
        l32r a8, memmove; callx8 a8
        l32r a10, to; l32r a11, from; l32r a12, length
        l32r a8, memcmp; callx8 a8
        mov.n a3, a10
        l32r a10, from; movi a11, 255; l32r a12, length
        l32r a8, memchr; callx8 a8
        add a3, a3, a10
        l32r a10, to
        l32r a8, strlen; callx8 a8
        add a3, a3, a10
        movi a10, 37
        l32r a8, delay; callx8 a8
        l32r a4, to                        # numbers to sort
        movi a5, 40
        movi a6, 77
        loop a5, filled
            slli a8, a6, 3
            sub a6, a8, a6
            addi a6, a6, 13
            extui a8, a6, 0, 8
            s32i a8, a4, 0
            addi a4, a4, 4
    filled:
        l32r a10, to; movi a11, 40; movi a12, 4; l32r a13, compare_at
        l32r a8, qsort; callx8 a8
        l32r a4, to
        l32i a5, a4, 80
        add a3, a3, a5
        rsr a4, ccount
        l32i a5, a2, 0
        addx8 a5, a5, a5
        add a5, a5, a4
        add a5, a5, a3
        s32i a5, a2, 0
        addi a7, a7, 1
        s32i a7, a2, 4
        addi a8, a7, -12
        beqz a8, done
        j again
    done:
        j done
    .align 4
    compare:
        entry a1, 32
        l32i a2, a2, 0
        l32i a3, a3, 0
        sub a2, a2, a3
        retw
";

/// A flash chip with the application, and the address of its end.
fn with_done(source: &str) -> (NorFlash, u32) {
    let (flash, assembly) = application(CODE, source);
    (flash, assembly.symbol("done").expect("a label"))
}

/// Compares a run that the host never stops with runs that it stops at random times.
fn assert_stops_do_not_show(flash: &NorFlash, end: Instant) -> (Esp32, State) {
    let mut whole = boot(flash.clone());
    run_to(&mut whole, end);
    let expected = state(&whole);
    for (seed, longest) in [(1, 3), (2, 50), (3, 700), (4, 20_000)] {
        let mut random = Random::new(seed);
        let mut chip = boot(flash.clone());
        while chip.now() < end {
            let next = after(&chip, 1 + u64::from(random.below(longest))).min(end);
            run_to(&mut chip, next);
            // The core has used the cycles that it was given and no more. A piece of a function is
            // not cut for the host, so devices may have been shown later instants.
            let cycles = next.ticks() / common::TICKS_PER_CYCLE;
            assert_eq!(chip.cpu(CoreId::Pro).cycle, cycles, "{}", where_it_is(&chip));
            assert!(chip.now() >= next && chip.now() < next + LONGEST_PIECE, "{:?}", chip.now());
        }
        assert_same(&state(&chip), &expected, &format!("at most {longest} cycles at a time"));
    }
    (whole, expected)
}

#[test]
fn the_boot_of_a_blank_chip_does_not_depend_on_where_the_host_stops_it() {
    assert_stops_do_not_show(&flash(), Instant::ZERO + Duration::from_millis(60));
}

#[test]
fn functions_in_pieces_do_not_depend_on_where_the_host_stops_them() {
    let (flash, done) = with_done(APPLICATION);
    let (chip, state) = assert_stops_do_not_show(&flash, Instant::ZERO + Duration::from_millis(70));
    assert_eq!(state.registers[0].pc, done, "{}", where_it_is(&chip));
    assert_eq!(word(&chip, RESULTS + 4), 12);
}

#[test]
fn a_watchpoint_does_not_keep_a_native_function_from_its_memory() {
    // The ROM's variable of ticks per microsecond, which one function writes and another one reads.
    let (flash, done) = with_done(
        "
        .literal results, 0x3ffb0000
        .literal ticks_per_us, 0x3ffe01e0
        .literal control, 0xc000003c
        .literal update, 0x40008550
        .literal get, 0x4000855c
        start:
            entry a1, 64
            l32r a3, ticks_per_us; wsr a3, dbreaka0
            l32r a3, control; wsr a3, dbreakc0; isync
            movi a10, 123
            l32r a8, update; callx8 a8
            l32r a8, get; callx8 a8
            l32r a2, results
            s32i a10, a2, 0
        done:
            j done
        ",
    );
    let mut chip = boot(flash);
    run_to(&mut chip, Instant::ZERO + Duration::from_millis(60));
    assert_eq!(chip.cpu(CoreId::Pro).pc, done, "{}", where_it_is(&chip));
    assert_eq!(word(&chip, RESULTS), 123);
}
