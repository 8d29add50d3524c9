//! How fast the engine runs guest code, by kind of code, and what copying a machine costs.
//!
//! Each program is an endless loop on a bare chip; an iteration lets a fixed number of cycles pass,
//! so that the throughput is in guest instructions per second of wall time, for each core.
//! `cargo bench -p esp32-emulator` runs all; figures that users notice, with real firmware, come from
//! `benchrig bench`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{Program, run_for};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use esp32_emulator::soc::Esp32;

/// Cycles of an iteration: 25 ms of the crystal.
const CYCLES: u64 = 1_000_000;

/// WINDOWSTART, PS and a stack, as C code wants them.
const START: &str = "
    .literal data, 0x3ffb0000
    .literal stack, 0x3ffe8000
    .literal ps_windowed, 0x40020
    .literal dport, 0x3ff00000
    .literal words, 1024
    .literal one, 0x3f800000
    start:
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        l32r a1, stack
        l32r a2, ps_windowed; wsr a2, ps; rsync
        movi a2, 1; wsr a2, cpenable; rsync
        l32r a3, data
        l32r a4, dport
";

/// Arithmetic in registers, with a short loop around it.
const INTEGER: &str = "
    again:
        movi a5, 100
    round:
        add a6, a6, a5
        xor a7, a7, a6
        slli a8, a7, 3
        sub a6, a8, a6
        extui a9, a6, 4, 8
        addx4 a7, a9, a7
        addi a5, a5, -1
        bnez a5, round
        j again
";

/// Four KiB from one place in SRAM to another, word by word.
const COPY: &str = "
    again:
        mov.n a5, a3
        addmi a6, a3, 0x2000
        l32r a7, words
    word:
        l32i a8, a5, 0
        s32i a8, a6, 0
        addi a5, a5, 4
        addi a6, a6, 4
        addi a7, a7, -1
        bnez a7, word
        j again
";

/// A polynomial in single precision.
const FLOAT: &str = "
        l32r a5, one
        wfr f0, a5
        wfr f1, a5
    again:
        add.s f2, f0, f1
        mul.s f3, f2, f2
        madd.s f3, f2, f1
        sub.s f0, f3, f2
        olt.s b0, f0, f1
        movf.s f0, f1, b0
        j again
";

/// A function that calls itself eight deep: the window overflows and underflows on the way.
const CALLS: &str = "
    again:
        movi a10, 8
        call8 deep
        j again
    .align 4
    deep:
        entry a1, 32
        beqz a2, bottom
        addi a10, a2, -1
        call8 deep
        add a2, a2, a10
    bottom:
        retw
";

/// The same arithmetic on both cores.
const BOTH_CORES: &str = "
        rsr a2, prid
        extui a2, a2, 13, 1
        bnez a2, again
        movi a6, 1; s32i a6, a4, 0x30     # APPCPU_CTRL_B: clock
        movi a6, 0; s32i a6, a4, 0x2c     # APPCPU_CTRL_A: out of reset
        j again
";

/// A chip that has reached its loop.
fn chip(body: &str) -> Esp32 {
    let mut chip = Program::new(&format!("{START}{body}")).chip();
    run_for(&mut chip, 10_000);
    chip
}

fn guest_code(c: &mut Criterion) {
    let mut group = c.benchmark_group("guest code");
    group.throughput(Throughput::Elements(CYCLES));
    let both = format!("{BOTH_CORES}{INTEGER}");
    let programs = [
        ("integer loop", INTEGER),
        ("memory copy", COPY),
        ("floating point", FLOAT),
        ("calls", CALLS),
        ("integer loop on both cores", &both),
    ];
    for (name, body) in programs {
        let mut chip = chip(body);
        group.bench_function(name, |b| b.iter(|| run_for(&mut chip, CYCLES)));
    }
    group.finish();
}

fn machine(c: &mut Criterion) {
    let mut group = c.benchmark_group("machine");
    let saved = chip(INTEGER);
    group.bench_function("save", |b| b.iter_with_large_drop(|| black_box(&saved).clone()));
    group.bench_function("restore", |b| {
        b.iter_batched_ref(
            || saved.clone(),
            |chip| chip.clone_from(black_box(&saved)),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, guest_code, machine);
criterion_main!(benches);
