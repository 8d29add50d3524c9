//! A run is a function of the program alone: not of how code is cached, how long the host lets the
//! chip run at a time, or whether it is a copy.

use crate::common;
use crate::common::{Program, Random, State, after, assert_same, flash, run_to, state, word};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::debugger::{Held, Watched, Watchpoint};
use esp32_emulator::soc::{ChipConfig, Esp32, Stopped};
use esp32_emulator::time::Instant;

const COUNTER: u32 = 0x3ffb_0004;
const ROUNDS: u32 = 160;

/// Both cores count behind a spin lock of S32C1I, interrupt each other, sleep in WAITI, wait for
/// each other in polling loops, and take a timer interrupt; the handlers add up CCOUNT, so that a
/// shift by one cycle shows in memory. PRO_CPU prints.
const TWO_CORES: &str = "
    .literal dport, 0x3ff00000
    .literal uart, 0x60000000
    .literal shared, 0x3ffb0000
    .literal stack, 0x3ffe8000
    .literal ps_windowed, 0x40020
    .literal saves, 0x3ffb0800
    .literal lines, 0x8001
    .literal rounds, 160
    .literal big, 0x1000
    .literal interval, 1733

    start:
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        movi a2, 0; wsr a2, lcount
        rsr a2, prid
        extui a2, a2, 13, 1               # 0 on PRO_CPU, 1 on APP_CPU
        l32r a3, shared
        l32r a4, dport
        l32r a1, stack
        slli a6, a2, 13
        add a1, a1, a6
        addi a6, a1, 64
        addi a7, a1, -16
        s32i a6, a7, 4
        l32r a6, saves
        slli a7, a2, 8
        add a6, a6, a7
        wsr a6, excsave2
        bnez a2, app
        movi a6, 1; s32i a6, a4, 0x30     # APPCPU_CTRL_B: clock
        movi a6, 0; s32i a6, a4, 0x2c     # APPCPU_CTRL_A: out of reset
        s32i a6, a4, 0x164                # FROM_CPU_0 to line 0
        j mapped
    app:
        movi a6, 0
        s32i a6, a4, 0x27c                # FROM_CPU_1 to line 0
    mapped:
        rsr a6, ccount
        l32r a7, interval
        add a6, a6, a7
        wsr a6, ccompare1
        l32r a6, lines; wsr a6, intenable
        l32r a6, ps_windowed; wsr a6, ps; rsync
        l32r a5, rounds
    again:
        mov.n a10, a2
        mov.n a11, a3
        call8 critical
        extui a6, a5, 0, 2
        bnez a6, no_interrupt
        movi a6, 1
        sub a7, a6, a2
        addx4 a7, a7, a4
        s32i a6, a7, 0xdc                 # the other's FROM_CPU interrupt
    no_interrupt:
        extui a6, a5, 0, 3
        bnez a6, no_sleep
        waiti 0
    no_sleep:
        extui a6, a5, 0, 4
        bnez a6, no_meeting
        l32r a6, big
        sub a6, a6, a5
        addx4 a7, a2, a3
        s32i a6, a7, 16
        movi a8, 1
        sub a8, a8, a2
        addx4 a8, a8, a3
    meet:
        l32i a9, a8, 16
        bltu a9, a6, meet
        bnez a2, no_meeting
        l32r a7, uart
        s32i a5, a7, 0
    no_meeting:
        addi a5, a5, -1
        bnez a5, again
        addx4 a7, a2, a3
        movi a6, 1
        s32i a6, a7, 24
    last:
        l32i a6, a3, 24
        l32i a7, a3, 28
        add a6, a6, a7
        bnei a6, 2, last
    done:
        j done

    .align 4
    critical:
        entry a1, 48
        movi a5, 0
        wsr a5, scompare1
    try:
        addi a6, a2, 1
        s32c1i a6, a3, 0
        bnez a6, try
        l32i a5, a3, 4
        extui a7, a5, 0, 4
        addi a4, a5, 1
        loopnez a7, worked
            add a8, a8, a5
    worked:
        s32i a4, a3, 4
        l32i a8, a3, 8                    # who came when
        slli a9, a8, 5
        add a8, a8, a9
        add a8, a8, a2
        rsr a9, ccount
        add a8, a8, a9
        s32i a8, a3, 8
        memw
        movi a6, 0
        s32i a6, a3, 0
        retw

    user:
        wsr a0, excsave1
        rsr a0, excsave2
        s32i a2, a0, 0; s32i a3, a0, 4
        l32r a2, dport
        rsr a3, prid
        extui a3, a3, 13, 1
        addx4 a2, a3, a2
        movi a3, 0
        s32i a3, a2, 0xdc
        l32i a3, a0, 8; addi a3, a3, 1; s32i a3, a0, 8
        rsr a2, ccount
        l32i a3, a0, 12
        addx4 a3, a3, a2
        s32i a3, a0, 12
        l32i a2, a0, 0; l32i a3, a0, 4
        rsr a0, excsave1
        rfe
    level3:
        wsr a0, excsave3
        rsr a0, excsave2
        s32i a2, a0, 32; s32i a3, a0, 36
        rsr a2, ccompare1
        l32r a3, interval
        add a2, a2, a3
        wsr a2, ccompare1
        l32i a3, a0, 40; addi a3, a3, 1; s32i a3, a0, 40
        rsr a2, ccount
        l32i a3, a0, 44
        addx8 a3, a3, a2
        s32i a3, a0, 44
        l32i a2, a0, 32; l32i a3, a0, 36
        rsr a0, excsave3
        rfi 3
";

/// Instants at which runs are compared: irregular, the last well behind the end of the program.
fn checkpoints() -> Vec<Instant> {
    (1..=24)
        .map(|n| Instant::from_ticks(common::TICKS_PER_CYCLE * (n * 2_500 + n * n % 97)))
        .collect()
}

/// A chip whose blocks are compiled when they are reached for the second time.
fn chip(program: &Program, max_block: usize, skip_polling_loops: bool) -> Esp32 {
    compiling_chip(program, max_block, skip_polling_loops, Some(1))
}

fn compiling_chip(
    program: &Program,
    max_block: usize,
    skip_polling_loops: bool,
    compile_after: Option<u32>,
) -> Esp32 {
    let config =
        ChipConfig { max_block, skip_polling_loops, compile_after, ..ChipConfig::default() };
    program.chip_with(config, flash(), None)
}

/// States at all checkpoints; `advance` gets the chip to each.
fn run(mut chip: Esp32, mut advance: impl FnMut(&mut Esp32, Instant)) -> Vec<State> {
    let states = checkpoints().into_iter().map(|at| {
        advance(&mut chip, at);
        state(&chip)
    });
    states.collect()
}

fn assert_equal(run: &[State], reference: &[State], what: &str) {
    for (n, (state, expected)) in run.iter().zip(reference).enumerate() {
        assert_same(state, expected, &format!("{what}, checkpoint {n}"));
    }
}

/// The plainest way to run it: no skipping, one instruction at a time from the cache, interpreted.
fn reference(program: &Program) -> Vec<State> {
    run(compiling_chip(program, 1, false, None), run_to)
}

#[test]
fn the_cores_count_exactly_and_interrupt_each_other() {
    let program = Program::new(TWO_CORES);
    let mut chip = chip(&program, 64, true);
    let end = after(&chip, 62_000);
    run_to(&mut chip, end);
    for core in [CoreId::Pro, CoreId::App] {
        let pc = chip.cpu(core).pc;
        assert_eq!(pc, program.symbol("done"), "{}", common::where_it_is(&chip));
    }
    assert_eq!(word(&chip, COUNTER), 2 * ROUNDS);
    for save in [0x3ffb_0800, 0x3ffb_0900] {
        // A level that is still up when it is raised again is one interrupt.
        assert!((30..=40).contains(&word(&chip, save + 8)), "{}", word(&chip, save + 8));
        assert!(word(&chip, save + 40) > 20);
    }
}

#[test]
fn block_length_skipped_polling_loops_and_compiled_blocks_change_nothing() {
    let program = Program::new(TWO_CORES);
    let reference = reference(&program);
    for max_block in [1, 2, 7, 64] {
        for skip in [false, true] {
            for after in [None, Some(0), Some(3)] {
                let states = run(compiling_chip(&program, max_block, skip, after), run_to);
                let what =
                    format!("blocks of {max_block}, skipping {skip}, compiled after {after:?}");
                assert_equal(&states, &reference, &what);
            }
        }
    }
}

#[test]
fn forgetting_decoded_code_at_any_time_changes_nothing() {
    let program = Program::new(TWO_CORES);
    let reference = reference(&program);
    for seed in 1..4 {
        let mut random = Random::new(seed);
        let states = run(chip(&program, 64, true), |chip, end| {
            while chip.now() < end {
                let next = after(chip, u64::from(random.below(3_000)));
                run_to(chip, next.min(end));
                chip.drop_decoded_code();
            }
        });
        assert_equal(&states, &reference, &format!("seed {seed}"));
    }
}

#[test]
fn the_host_may_stop_the_chip_at_any_time() {
    let program = Program::new(TWO_CORES);
    let reference = reference(&program);
    for (seed, longest) in [(1, 2), (2, 40), (3, 500), (4, 5_000)] {
        let mut random = Random::new(seed);
        let mut last = Instant::ZERO;
        let states = run(chip(&program, 64, true), |chip, end| {
            while chip.now() < end {
                let next = after(chip, u64::from(random.below(longest)));
                run_to(chip, next.min(end));
                assert!(chip.now() >= last, "time went back");
                // Two running cores stop at the end of a quantum of 64 cycles.
                assert!(chip.now() < after(chip, 0).max(next) + quantum(), "too far");
                last = chip.now();
            }
        });
        assert_equal(&states, &reference, &format!("at most {longest} cycles at a time"));
    }
}

/// Runs to `end` under a debugger, which lets the chip go on whenever it is held, now and then by
/// single steps of one core. How often it was held for each reason.
fn run_held(chip: &mut Esp32, end: Instant, random: &mut Random, counts: &mut [u32; 5]) {
    loop {
        match chip.run_until(end) {
            Stopped::Deadline => return,
            Stopped::Air => chip.leave_unanswered(),
            Stopped::Output => (0..3).for_each(|port| while chip.take_output(port).is_some() {}),
            Stopped::Held(held) => {
                counts[match held {
                    Held::Asked => 0,
                    Held::Step(_) => 1,
                    Held::Breakpoint(_) => 2,
                    Held::Watchpoint { .. } => 3,
                    Held::BreakInstruction(_) => 4,
                }] += 1;
                let now = chip.now();
                assert_eq!(chip.run_until(Instant::MAX), Stopped::Held(held));
                assert_eq!(chip.now(), now, "no time passes");
                let cores = [None, Some(CoreId::Pro), Some(CoreId::App), None];
                chip.go_on(cores[random.below(4) as usize]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_debugger_that_holds_the_chip_and_lets_it_go_on_changes_nothing() {
    let program = Program::new(TWO_CORES);
    let reference = reference(&program);
    for seed in 1..6 {
        let mut random = Random::new(seed);
        let mut chip = chip(&program, [1, 7, 64][seed as usize % 3], true);
        for label in ["critical", "try", "worked", "user", "level3", "meet", "last", "no_sleep"] {
            chip.set_breakpoint(program.symbol(label), true);
        }
        // The lock by every access, the counter by stores, the interrupts' counts by loads.
        for (address, kind) in [
            (COUNTER - 4, Watched::Accesses),
            (COUNTER, Watched::Stores),
            (0x3ffb_0808, Watched::Loads),
        ] {
            chip.set_watchpoint(Watchpoint { address, length: 4, kind }, true);
        }
        let mut counts = [0; 5];
        let mut advances = 0;
        let states = run(chip, |chip, end| {
            advances += 1;
            if advances % 5 == 0 {
                chip.hold();
            }
            run_held(chip, end, &mut random, &mut counts);
        });
        assert_equal(&states, &reference, &format!("seed {seed}"));
        let [asked, steps, breakpoints, watchpoints, breaks] = counts;
        assert!(asked >= 4 && steps > 1_000 && breakpoints > 1_000, "{counts:?}");
        assert!(watchpoints > 1_000 && breaks == 0, "{counts:?}");
    }
}

#[test]
fn one_core_alone_stops_at_the_very_cycle() {
    // A solo program: APP_CPU stays in reset, so PRO_CPU never meets itself.
    let solo = TWO_CORES.replace("s32i a6, a4, 0x2c", "nop");
    let program = Program::new(&solo);
    let end = Instant::from_ticks(common::TICKS_PER_CYCLE * 3_000);
    let mut whole = chip(&program, 64, true);
    run_to(&mut whole, end);
    for longest in [2, 3, 10, 100] {
        let mut random = Random::new(u64::from(longest));
        let mut chip = chip(&program, 64, true);
        while chip.now() < end {
            let next = after(&chip, 1 + u64::from(random.below(longest))).min(end);
            run_to(&mut chip, next);
            assert_eq!(chip.now(), next);
            assert_eq!(chip.cpu(CoreId::Pro).cycle * common::TICKS_PER_CYCLE, next.ticks());
        }
        assert_same(&state(&chip), &state(&whole), &format!("at most {longest} cycles"));
    }
}

fn quantum() -> esp32_emulator::time::Duration {
    esp32_emulator::time::Duration::from_ticks(64 * common::TICKS_PER_CYCLE)
}

#[test]
fn a_copy_goes_on_like_the_original() {
    let program = Program::new(TWO_CORES);
    let reference = reference(&program);
    let mut random = Random::new(5);
    let mut original = chip(&program, 64, true);
    let checkpoints = checkpoints();
    let end = *checkpoints.last().expect("there are some");
    for (n, &at) in checkpoints.iter().enumerate() {
        let between = after(&original, u64::from(random.below(2_000)));
        run_to(&mut original, between.min(at));
        let mut copy = original.clone();
        run_to(&mut copy, at);
        run_to(&mut original, at);
        assert_same(&state(&copy), &state(&original), &format!("checkpoint {n}"));
        assert_same(&state(&copy), &reference[n], &format!("checkpoint {n}"));
        run_to(&mut copy, end);
        assert_same(&state(&copy), &reference[checkpoints.len() - 1], &format!("from {n}"));
    }
}

#[test]
fn a_spin_lock_keeps_the_cores_apart_for_many_quanta() {
    // The cores hold the lock for different times, so that they meet at every point of it.
    let program = Program::new(
        "
        .literal lock, 0x3ffb0000
        .literal dport, 0x3ff00000
        .literal rounds, 20000
        start:
            movi a2, 0x20; wsr a2, ps; rsync
            l32r a3, lock
            l32r a5, rounds
            rsr a2, prid
            extui a2, a2, 13, 1
            bnez a2, again
            l32r a4, dport
            movi a6, 1; s32i a6, a4, 0x30
            movi a6, 0; s32i a6, a4, 0x2c
        again:
            movi a6, 0
            wsr a6, scompare1
        try:
            addi a6, a2, 1
            s32c1i a6, a3, 0
            bnez a6, try
            l32i a7, a3, 4
            addi a7, a7, 1
            extui a8, a5, 0, 3
            add a8, a8, a2
            loopnez a8, held
                nop
        held:
            s32i a7, a3, 4
            memw
            movi a6, 0
            s32i a6, a3, 0
            addi a5, a5, -1
            bnez a5, again
            addx4 a7, a2, a3
            movi a6, 1
            s32i a6, a7, 8
        both:
            l32i a6, a3, 8
            l32i a7, a3, 12
            add a6, a6, a7
            bnei a6, 2, both
        done:
            j done
        ",
    );
    let mut chip = chip(&program, 64, true);
    program.finish(&mut chip, 4_000_000);
    assert_eq!(word(&chip, COUNTER), 40_000);
    let quanta = chip.cpu(CoreId::Pro).cycle / 64;
    assert!(quanta > 10_000, "{quanta}");
}

#[test]
fn device_time_never_goes_back_though_the_second_core_replays_cycles() {
    // Each core takes the lock, lets timer 0 of group 0 tell its count, and compares with what the
    // last holder was told, whichever core that was. The second core takes its turn in cycles that
    // the first one has left behind; what it is told must not lie there.
    let program = Program::new(
        "
        .literal lock, 0x3ffb0000
        .literal dport, 0x3ff00000
        .literal timer, 0x3ff5f000
        .literal running, 0xc0004000       # enabled, counting up, every second cycle
        .literal rounds, 5000
        start:
            movi a2, 0x20; wsr a2, ps; rsync
            l32r a3, lock
            l32r a4, timer
            l32r a5, rounds
            rsr a2, prid
            extui a2, a2, 13, 1
            bnez a2, again
            l32r a6, running; s32i a6, a4, 0
            l32r a7, dport
            movi a6, 1; s32i a6, a7, 0x30
            movi a6, 0; s32i a6, a7, 0x2c
        again:
            movi a6, 0
            wsr a6, scompare1
        try:
            addi a6, a2, 1
            s32c1i a6, a3, 0
            bnez a6, try
            s32i a6, a4, 12                # update
            l32i a7, a4, 4                 # low word of the count
            l32i a8, a3, 4
            s32i a7, a3, 4
            bgeu a7, a8, forward
            l32i a9, a3, 16
            addi a9, a9, 1
            s32i a9, a3, 16
        forward:
            l32i a9, a3, 20                # how often the other core was here in between
            beq a9, a2, same
            s32i a2, a3, 20
            l32i a9, a3, 24
            addi a9, a9, 1
            s32i a9, a3, 24
        same:
            memw
            movi a6, 0
            s32i a6, a3, 0
            extui a8, a5, 0, 3
            add a8, a8, a2
            loopnez a8, apart
                nop
        apart:
            addi a5, a5, -1
            bnez a5, again
            addx4 a7, a2, a3
            movi a6, 1
            s32i a6, a7, 8
        both:
            l32i a6, a3, 8
            l32i a7, a3, 12
            add a6, a6, a7
            bnei a6, 2, both
        done:
            j done
        ",
    );
    let mut chip = chip(&program, 64, true);
    program.finish(&mut chip, 2_000_000);
    assert!(word(&chip, 0x3ffb_0018) > 1_000, "{} changes", word(&chip, 0x3ffb_0018));
    assert_eq!(word(&chip, 0x3ffb_0010), 0, "the count went back so often");
    let count = word(&chip, COUNTER);
    let cycles = chip.cpu(CoreId::Pro).cycle as u32;
    assert!((cycles / 4..cycles / 2).contains(&count), "{count} in {cycles} cycles");
}
