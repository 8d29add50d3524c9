//! Two tasks of a small operating system live in the native functions of our own ROM, and a timer
//! takes them out of the middle: a delay, a copy, a sort that calls back. When it comes must not
//! show in what they compute.

use std::ops::Range;

use crate::common;
use crate::common::{Random, application, boot, run_for, run_to, where_it_is, word};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::peripherals::uart::Symbol;
use esp32_emulator::soc::Esp32;
use esp32_emulator::time::{Duration, Instant};

/// Checksum and end of each task, counts of timer interrupts and of delays that were too short.
const RESULTS: u32 = 0x3ffb_0000;
/// How often a task calls each function.
const ROUNDS: u32 = 3;
/// Bytes of each of a task's two blocks.
const BLOCK: usize = 512;
/// No interrupt before the first task has ended.
const NEVER: u32 = 0x7fff_ffff;

/// The vectors come first. A task's registers are saved at an address that differs from the other
/// one's in one bit; all windows are spilled to its stack before the switch.
const SYSTEM: &str = "
    .org 0x40080340
        j timer
    .org 0x40080400
    .literal results, 0x3ffb0000
    .literal parameters, 0x3ffb0040       # seeds, mask and least of intervals, their seed, first interrupt
    .literal current, 0x3ffb00f0
    .literal saved_first, 0x3ffb0400
    .literal saved_second, 0x3ffb0600
    .literal stack_first, 0x3ffc8000
    .literal stack_second, 0x3ffca000
    .literal blocks, 0x3ffc0000
    .literal vectors, 0x40080000
    .literal ps_task, 0x40020
    .literal ps_switched, 0x40030
    .literal ps_handler, 0x40023
    .literal task_at, task
    .literal watchdog_key, 0x50d83aa1
    .literal rtc, 0x3ff48000
    .literal timg, 0x3ff5f000
    .literal uart, 0x3ff40000
    .literal factor, 1664525
    .literal summand, 1013904223
    .literal memset, 0x4000c44c
    .literal memcpy, 0x4000c2c8
    .literal memmove, 0x4000c3c0
    .literal memcmp, 0x4000c260
    .literal qsort, 0x40056424
    .literal delay, 0x40008534
    .literal update_cpu_frequency, 0x40008550
    .literal compare_first_at, compare_first
    .literal compare_second_at, compare_second
    start:
        entry a1, 64
        movi a10, 40                       # cycles per microsecond
        l32r a8, update_cpu_frequency; callx8 a8
        movi a2, 0x20; wsr a2, ps; rsync
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        l32r a2, vectors; wsr a2, vecbase
        l32r a2, watchdog_key              # both flash-boot watchdogs off
        movi a4, 0
        l32r a3, rtc
        s32i a2, a3, 0xa4; s32i a4, a3, 0x8c
        l32r a3, timg
        s32i a2, a3, 0x64; s32i a4, a3, 0x48
        l32r a2, results
        s32i a4, a2, 0; s32i a4, a2, 4; s32i a4, a2, 8; s32i a4, a2, 12; s32i a4, a2, 16
        s32i a4, a2, 20
        l32r a2, saved_second              # how the second task begins
        l32r a3, task_at; s32i a3, a2, 64
        l32r a3, ps_switched; s32i a3, a2, 68
        l32r a3, stack_second; s32i a3, a2, 4
        addi a5, a3, 64; addi a3, a3, -16; s32i a5, a3, 4
        movi a3, 1; s32i a3, a2, 8         # its a2
        s32i a4, a2, 84                    # no loop
        l32r a2, saved_first
        l32r a3, current; s32i a2, a3, 0
        l32r a1, stack_first
        addi a5, a1, 64; addi a3, a1, -16; s32i a5, a3, 4
        l32r a2, parameters                # 24 bytes from the host
        l32r a3, uart
        movi a5, 24
    receive:
        l32i a6, a3, 0x1c
        extui a6, a6, 0, 8
        beqz a6, receive
        l32i a6, a3, 0
        s8i a6, a2, 0
        addi a2, a2, 1
        addi a5, a5, -1
        bnez a5, receive
        l32r a2, parameters
        rsr a3, ccount
        l32i a4, a2, 20
        add a3, a3, a4
        wsr a3, ccompare0
        movi a3, 0x40; wsr a3, intenable   # timer 0
        movi a2, 0
        l32r a3, ps_task; wsr a3, ps; rsync
    task:
        mov.n a10, a2
        call8 work
        l32r a3, results
        addx4 a4, a2, a3
        s32i a10, a4, 0
        movi a5, 1
        s32i a5, a4, 8
    wait:                                  # ends when both tasks have, else gives way
        l32i a5, a3, 8
        l32i a6, a3, 12
        and a5, a5, a6
        bnez a5, done
        rsr a5, ccount
        addi a5, a5, 40
        wsr a5, ccompare0
        movi a5, 30
        loop a5, given_way
            nop
    given_way:
        j wait
    done:
        j done

    timer:
        wsr a0, excsave1
        l32r a0, current
        l32i a0, a0, 0
        s32i a1, a0, 4; s32i a2, a0, 8; s32i a3, a0, 12; s32i a4, a0, 16; s32i a5, a0, 20
        s32i a6, a0, 24; s32i a7, a0, 28; s32i a8, a0, 32; s32i a9, a0, 36; s32i a10, a0, 40
        s32i a11, a0, 44; s32i a12, a0, 48; s32i a13, a0, 52; s32i a14, a0, 56; s32i a15, a0, 60
        rsr a2, excsave1; s32i a2, a0, 0
        rsr a2, epc1; s32i a2, a0, 64
        rsr a2, ps; s32i a2, a0, 68
        rsr a2, sar; s32i a2, a0, 72
        rsr a2, lbeg; s32i a2, a0, 76
        rsr a2, lend; s32i a2, a0, 80
        rsr a2, lcount; s32i a2, a0, 84
        rsr a2, exccause
        beqi a2, 4, interrupted
    unexpected:
        j unexpected
    interrupted:
        movi a2, 0; wsr a2, lcount
        l32r a2, ps_handler; wsr a2, ps; rsync
        and a12, a12, a12; rotw 3
        and a12, a12, a12; rotw 3
        and a12, a12, a12; rotw 3
        and a12, a12, a12; rotw 3
        and a12, a12, a12; rotw 4
        l32r a2, results
        l32i a3, a2, 16; addi a3, a3, 1; s32i a3, a2, 16
        l32r a2, parameters
        l32i a3, a2, 8
        rsr a4, ccompare0                  # writing it back ends the interrupt
        beqz a3, no_next
        l32i a4, a2, 16
        l32r a5, factor; mull a4, a4, a5
        l32r a5, summand; add a4, a4, a5
        s32i a4, a2, 16
        srli a4, a4, 15
        and a4, a4, a3
        l32i a3, a2, 12; add a4, a4, a3
        rsr a3, ccount; add a4, a4, a3
    no_next:
        wsr a4, ccompare0
        l32r a2, current
        l32i a0, a2, 0
        movi a3, 0x200
        xor a0, a0, a3
        s32i a0, a2, 0
        l32i a2, a0, 68; wsr a2, ps; rsync
        l32i a2, a0, 64; wsr a2, epc1
        l32i a2, a0, 72; wsr a2, sar
        l32i a2, a0, 76; wsr a2, lbeg
        l32i a2, a0, 80; wsr a2, lend
        l32i a2, a0, 84; wsr a2, lcount
        l32i a1, a0, 4; l32i a2, a0, 8; l32i a3, a0, 12; l32i a4, a0, 16; l32i a5, a0, 20
        l32i a6, a0, 24; l32i a7, a0, 28; l32i a8, a0, 32; l32i a9, a0, 36; l32i a10, a0, 40
        l32i a11, a0, 44; l32i a12, a0, 48; l32i a13, a0, 52; l32i a14, a0, 56; l32i a15, a0, 60
        l32i a0, a0, 0
        rfe

    .align 4
    compare_first:                         # signed words
        entry a1, 32
        l32i a4, a2, 0
        l32i a5, a3, 0
        movi a2, 0
        beq a4, a5, compared
        movi a2, 1
        bge a4, a5, compared
        movi a2, -1
    compared:
        retw
    .align 4
    compare_second:                        # 12 bytes, by a ROM function
        entry a1, 32
        mov.n a10, a2
        mov.n a11, a3
        movi a12, 12
        l32r a8, memcmp; callx8 a8
        mov.n a2, a10
        retw

    .align 4
    work:                                  # a2: the task's number; a checksum comes back
        entry a1, 48
        l32r a3, parameters
        addx4 a3, a2, a3
        l32i a3, a3, 0                     # random numbers
        l32r a6, blocks
        slli a4, a2, 12
        add a6, a6, a4                     # two blocks
        movi a7, 0x200
        add a7, a6, a7
        mov.n a10, a6; movi a11, 0x5a; movi a12, 0x400
        l32r a8, memset; callx8 a8
        movi a4, 0                         # checksum
        movi a5, 3                         # rounds
    round:
        s32i a5, a1, 0
        mov.n a10, a6
        movi a11, 128
        l32r a8, factor
        l32r a9, summand
        loop a11, filled
            mull a3, a3, a8
            add a3, a3, a9
            s32i a3, a10, 0
            addi a10, a10, 4
    filled:
        NEXT
        extui a10, a3, 8, 3; add a10, a10, a7
        extui a11, a3, 11, 3; add a11, a11, a6
        extui a12, a3, 14, 8
        l32r a8, memcpy; callx8 a8
        sub a10, a10, a7; add a4, a4, a10
        NEXT
        extui a10, a3, 8, 7; add a10, a10, a7
        extui a11, a3, 15, 7; add a11, a11, a7
        extui a12, a3, 22, 8
        l32r a8, memmove; callx8 a8
        NEXT
        extui a10, a3, 8, 7; add a10, a10, a7
        extui a11, a3, 15, 8
        extui a12, a3, 23, 6
        l32r a8, memset; callx8 a8
        NEXT
        extui a10, a3, 8, 3
        s32i a10, a1, 4
        rsr a8, ccount; s32i a8, a1, 8
        l32r a8, delay; callx8 a8
        rsr a8, ccount
        l32i a9, a1, 8; sub a8, a8, a9
        l32i a9, a1, 4; movi a10, 40; mull a9, a9, a10
        bgeu a8, a9, long_enough
        l32r a8, results
        l32i a9, a8, 20; addi a9, a9, 1; s32i a9, a8, 20
    long_enough:
        NEXT
        mov.n a10, a7
        bnez a2, sort_second
        extui a11, a3, 8, 6
        movi a12, 4
        l32r a13, compare_first_at
        j sort
    sort_second:
        extui a11, a3, 8, 4
        movi a12, 12
        l32r a13, compare_second_at
    sort:
        l32r a8, qsort; callx8 a8
        mov.n a10, a7; mov.n a11, a6
        extui a12, a3, 16, 9
        l32r a8, memcmp; callx8 a8
        extui a10, a10, 31, 1
        add a4, a4, a10
        mov.n a10, a7
        movi a11, 128
        loop a11, summed
            slli a8, a4, 5
            add a4, a4, a8
            l32i a8, a10, 0
            xor a4, a4, a8
            addi a10, a10, 4
    summed:
        l32i a5, a1, 0
        addi a5, a5, -1
        beqz a5, worked
        j round
    worked:
        mov.n a2, a4
        retw
";

/// The next random number of a task.
const NEXT: &str = "l32r a8, factor; mull a3, a3, a8; l32r a8, summand; add a3, a3, a8";

/// The system, which waits for more of its parameters.
struct System {
    chip: Esp32,
    done: u32,
    task: u32,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    checksums: [u32; 2],
    interrupts: u32,
    cycles: u64,
}

impl System {
    fn new() -> Self {
        let vectors = common::WINDOW_VECTORS.replace(".org 0x4000", ".org 0x4008");
        let source = format!("{vectors}{}", SYSTEM.replace("NEXT", NEXT));
        let (flash, assembly) = application(0x4008_0000, &source);
        let symbol = |name| assembly.symbol(name).expect("a label");
        let mut chip = boot(flash);
        run_to(&mut chip, Instant::ZERO + Duration::from_millis(60));
        let (from, to) = (symbol("receive"), symbol("task"));
        assert!((from..to).contains(&chip.cpu(CoreId::Pro).pc), "{}", where_it_is(&chip));
        Self { chip, done: symbol("done"), task: symbol("task") }
    }

    /// The system with all parameters but the last: the tasks' random numbers, how many cycles lie
    /// between interrupts (empty: there is one only), and the seed of these.
    fn given(&self, seeds: [u32; 2], intervals: Range<u32>, seed: u32) -> Self {
        let mut chip = self.chip.clone();
        let mask = intervals.len().saturating_sub(1) as u32;
        send(&mut chip, &[seeds[0], seeds[1], mask, intervals.start, seed]);
        Self { chip, ..*self }
    }

    /// Runs both tasks to their ends; the timer comes `first` cycles after the first one's start.
    fn run(&self, first: u32) -> Ended {
        let mut chip = self.chip.clone();
        send(&mut chip, &[first]);
        while chip.cpu(CoreId::Pro).pc != self.task {
            run_for(&mut chip, 1);
        }
        let (start, mut pieces) = (chip.cpu(CoreId::Pro).cycle, 0);
        while chip.cpu(CoreId::Pro).pc != self.done {
            assert!(pieces < 10_000, "{first}: {}", where_it_is(&chip));
            run_for(&mut chip, 200);
            pieces += 1;
        }
        let result = |n: u32| word(&chip, RESULTS + 4 * n);
        assert_eq!((result(2), result(3)), (1, 1), "both tasks have ended");
        assert_eq!(result(5), 0, "a delay was too short: {first}");
        Ended {
            checksums: [result(0), result(1)],
            interrupts: result(4),
            cycles: chip.cpu(CoreId::Pro).cycle - start,
        }
    }
}

/// Sends words to UART0 and waits until they are there, but not so long that the tasks begin.
fn send(chip: &mut Esp32, words: &[u32]) {
    // Four bytes of ten bits each at 115 200 baud, nearly.
    let cycles = words.len() as u64 * 13_888 - 20;
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.for_each(|byte| chip.receive(0, Symbol::Byte(byte)));
    run_for(chip, cycles);
    while chip.pending_input(0) > 0 {
        run_for(chip, 1);
    }
}

/// What a task computes, in Rust.
fn checksum(task: usize, seed: u32) -> u32 {
    let mut random = seed;
    let mut next = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random
    };
    let (mut from, mut to) = ([0x5a_u8; BLOCK], [0x5a_u8; BLOCK]);
    let mut sum = 0_u32;
    for _ in 0..ROUNDS {
        for word in from.as_chunks_mut::<4>().0 {
            *word = next().to_le_bytes();
        }
        let field =
            |value: u32, shift: u32, bits: u32| (value >> shift & ((1 << bits) - 1)) as usize;
        let n = next();
        let (at, from_at, length) = (field(n, 8, 3), field(n, 11, 3), field(n, 14, 8));
        to[at..at + length].copy_from_slice(&from[from_at..from_at + length]);
        sum = sum.wrapping_add(at as u32);
        let n = next();
        let (at, from_at, length) = (field(n, 8, 7), field(n, 15, 7), field(n, 22, 8));
        to.copy_within(from_at..from_at + length, at);
        let n = next();
        let (at, byte, length) = (field(n, 8, 7), field(n, 15, 8), field(n, 23, 6));
        to[at..at + length].fill(byte as u8);
        next();
        let n = next();
        if task == 0 {
            to.as_chunks_mut::<4>().0[..field(n, 8, 6)].sort_by_key(|it| i32::from_le_bytes(*it));
        } else {
            to.as_chunks_mut::<12>().0[..field(n, 8, 4)].sort();
        }
        let compared = field(n, 16, 9);
        sum = sum.wrapping_add(u32::from(to[..compared] < from[..compared]));
        for word in to.as_chunks::<4>().0 {
            sum = sum.wrapping_mul(33) ^ u32::from_le_bytes(*word);
        }
    }
    sum
}

#[test]
fn two_tasks_in_rom_functions_compute_what_they_should_without_interrupts() {
    let system = System::new();
    for seed in 1..50_u32 {
        let seeds = [seed, seed ^ 0x5555_5555];
        let ended = system.given(seeds, 0..0, 0).run(NEVER);
        assert_eq!(ended.checksums, [checksum(0, seeds[0]), checksum(1, seeds[1])], "{seeds:x?}");
        assert_eq!(ended.interrupts, 1, "the first task gives way once");
    }
}

#[test]
fn a_switch_at_any_cycle_of_a_rom_function_to_a_task_in_the_same_functions_does_not_show() {
    // Every so many cycles: a prime number, so that all phases of the short loops are met.
    const STRIDE: usize = 13;
    let seeds = [0x1234_5678, 0x9abc_def0];
    let system = System::new().given(seeds, 0..0, 0);
    let expected = [checksum(0, seeds[0]), checksum(1, seeds[1])];
    let mut positions = 0;
    // The timer is set three cycles after CCOUNT was read.
    for first in (6..).step_by(STRIDE) {
        let ended = system.run(first);
        assert_eq!(ended.checksums, expected, "first interrupt after {first} cycles");
        if ended.interrupts == 1 {
            break; // the first task had ended and given way already
        }
        assert_eq!(ended.interrupts, 2, "there, and back at the end");
        positions += 1;
    }
    assert!(positions > 1_000, "{positions}");
}

#[test]
fn switches_all_the_time_do_not_show() {
    let system = System::new();
    let mut random = Random::new(11);
    for seed in 1..200 {
        let seeds = [random.next(), random.next()];
        // The handler needs some 250 cycles when it has to spill everything.
        let intervals = 300..300 + (32 << random.below(8));
        let ended = system.given(seeds, intervals.clone(), seed).run(6 + random.below(5_000));
        let expected = [checksum(0, seeds[0]), checksum(1, seeds[1])];
        assert_eq!(ended.checksums, expected, "{seeds:x?}, {intervals:?}, {seed}");
        let least = ended.cycles as u32 / (intervals.end + 200);
        assert!(ended.interrupts >= least, "{ended:?}, {intervals:?}");
    }
}
