//! An interrupt at any cycle of a program must leave no trace in what the program computes.

use crate::common;
use crate::common::{Program, registers, run_for, word};
use esp32_emulator::peripherals::CoreId;

/// Where the program leaves its results, and the handler its count.
const RESULTS: u32 = 0x3ffb_0000;
const COUNT: u32 = 0x3ffb_0100;

/// Recursion through calls of all three increments, far deeper than the register file, with loops
/// whose ends lie in the middle of other blocks, a loop in a function that a loop calls, and every
/// kind of state that a handler could spoil: SAR, the accumulator, SCOMPARE1, booleans.
const PROGRAM: &str = "
    .literal results, 0x3ffb0000
    .literal stack, 0x3ffe8000
    .literal ps_windowed, 0x40020
    .literal delay, 0
    .literal line, 0
    .literal table, 0x3ffb0200
    .literal count, 0x3ffb0100
    .literal save, 0x3ffb0400
    .literal ps_handler, 0x40023

    start:
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        movi a2, 0; wsr a2, intenable; wsr a2, lcount
        l32r a1, stack
        addi a2, a1, 64                   # the frame above, for call8's and call12's saves
        addi a3, a1, -16; s32i a2, a3, 4
        l32r a2, ps_windowed; wsr a2, ps; rsync
        l32r a2, line; wsr a2, intenable
        l32r a3, delay
        rsr a2, ccount
        add a2, a2, a3
        wsr a2, ccompare0; wsr a2, ccompare1; wsr a2, ccompare2
        rsync
        l32r a4, table
        movi a5, 40
        movi a6, 7
        loop a5, filled                   # a table of numbers
            s32i a6, a4, 0
            addi a4, a4, 4
            slli a7, a6, 3
            sub a6, a7, a6
            addi a6, a6, 1
    filled:
        movi a10, 7
        call8 fib
        l32r a2, results
        s32i a10, a2, 0
        movi a6, 17
        call4 down4
        s32i a6, a2, 4
        movi a14, 8
        call12 mixed
        s32i a14, a2, 8
        rsr a3, sar; s32i a3, a2, 12
        rsr a3, acclo; s32i a3, a2, 16
        rsr a3, br; s32i a3, a2, 20
        rsr a3, scompare1; s32i a3, a2, 24
        movi a3, 0x77; s32i a3, a2, 28
    done:
        j done

    .align 4
    fib:                                  # call8: Fibonacci numbers
        entry a1, 48
        blti a2, 2, fib_small
        addi a10, a2, -1
        call8 fib
        mov.n a3, a10
        addi a10, a2, -2
        call8 fib
        add.n a2, a10, a3
    fib_small:
        retw.n

    .align 4
    down4:                                # call4: a sum over a loop at every depth
        entry a1, 32
        beqz.n a2, down4_end
        addi a6, a2, -1
        call4 down4
        movi a3, 0
        loopnez a2, down4_sum
            add a3, a3, a2
            bbci a3, 1, down4_even
            addi a3, a3, 3
    down4_even:
            ssr a2
            srl a3, a3
            add a3, a3, a6
    down4_sum:
        add a2, a3, a6
    down4_end:
        retw

    .align 4
    mixed:                                # call12, and a call inside of a loop
        entry a1, 64
        l32r a3, table
        beqz a2, mixed_end
        addi a14, a2, -1
        call12 mixed
        mov.n a4, a14
        movi a5, 3
        addi a6, a2, 5
        loop a5, mixed_sum
            l32i a8, a3, 0
            addi a3, a3, 4
            mula.aa.ll a8, a6
            mov.n a7, a0
            call0 leaf
            mov.n a0, a7
            add a4, a4, a8
            xor a4, a4, a2
    mixed_sum:
        mov.n a10, a4
        call8 pair
        add a2, a10, a4
        wsr a4, scompare1
        wsr a2, br
    mixed_end:
        retw

    .align 4
    leaf:
        addx4 a8, a8, a2
        extui a8, a8, 1, 16
        ret

    .align 4
    pair:
        entry a1, 32
        movi a3, 2
        loopgtz a3, pair_end
            slli a2, a2, 1
            addi a2, a2, 5
    pair_end:
        retw
";

/// Handlers that use no stack and no window: one for each timer's level.
const LEAF_HANDLERS: &str = "
    user:
        wsr a0, excsave1
        l32r a0, save
        s32i a2, a0, 0; s32i a3, a0, 4
        rsr a2, exccause; s32i a2, a0, 8
        call0 interrupted                 # a0 is saved already
        l32r a0, save
        movi a2, 0; wsr a2, ccompare0
        l32i a2, a0, 0; l32i a3, a0, 4
        rsr a0, excsave1
        rfe
    level3:
        wsr a0, excsave3
        l32r a0, save
        s32i a2, a0, 0; s32i a3, a0, 4
        call0 interrupted
        l32r a0, save
        movi a2, 0; wsr a2, ccompare1
        l32i a2, a0, 0; l32i a3, a0, 4
        rsr a0, excsave3
        rfi 3
    level5:
        wsr a0, excsave5
        l32r a0, save
        s32i a2, a0, 0; s32i a3, a0, 4
        call0 interrupted
        l32r a0, save
        movi a2, 0; wsr a2, ccompare2
        l32i a2, a0, 0; l32i a3, a0, 4
        rsr a0, excsave5
        rfi 5
    .align 4
    interrupted:
        l32r a2, count
        l32i a3, a2, 0
        addi a3, a3, 1
        s32i a3, a2, 0
        ret
";

/// A handler as operating systems write them: saves all, spills all windows to the stack, and runs
/// windowed code with overflows of its own before it goes back.
const SPILLING_HANDLER: &str = "
    user:
        wsr a0, excsave1
        l32r a0, save
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
        movi a2, 0; wsr a2, lcount        # loops work again when EXCM is clear
        l32r a2, ps_handler; wsr a2, ps; rsync
        and a12, a12, a12; rotw 3
        and a12, a12, a12; rotw 3
        and a12, a12, a12; rotw 3
        and a12, a12, a12; rotw 3
        and a12, a12, a12; rotw 4
        addi a1, a1, -96
        movi a6, 11
        call4 handle
        l32r a0, save
        movi a2, 0; wsr a2, ccompare0
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
    handle:
        entry a1, 32
        beqz a2, handle_end
        ssl a2
        movi a4, 2
        loop a4, handle_loop
            addi a3, a2, -1
    handle_loop:
        mov.n a10, a3
        call8 handle
        retw
    handle_end:
        l32r a2, count
        l32i a3, a2, 0
        addi a3, a3, 1
        s32i a3, a2, 0
        retw
";

fn results(chip: &esp32_emulator::soc::Esp32) -> Vec<u32> {
    (0..8).map(|n| word(chip, RESULTS + 4 * n)).collect()
}

/// How many cycles the program takes undisturbed, and its end.
fn undisturbed(program: &Program) -> (u64, esp32_emulator::soc::Esp32) {
    let mut chip = program.chip();
    let mut cycles = 0;
    while chip.cpu(CoreId::Pro).pc != program.symbol("done") {
        run_for(&mut chip, 1);
        cycles += 1;
        assert!(cycles < 20_000, "{}", common::where_it_is(&chip));
    }
    assert_eq!(word(&chip, COUNT), 0);
    (cycles, chip)
}

#[test]
fn the_program_computes_what_it_should() {
    let program = Program::new(&format!("{PROGRAM}{LEAF_HANDLERS}"));
    let (cycles, chip) = undisturbed(&program);
    assert!((1_500..5_000).contains(&cycles), "{cycles}");
    let results = results(&chip);
    assert_eq!((results[0], results[7]), (13, 0x77));
    // The same in Rust.
    let mut table = vec![7_u32];
    for n in 0..39 {
        table.push(table[n].wrapping_mul(7).wrapping_add(1));
    }
    let (mut down, mut sar) = (0_u32, 0);
    for n in 1..=17_u32 {
        let mut sum = 0_u32;
        for _ in 0..n {
            sum = sum.wrapping_add(n);
            if sum & 2 != 0 {
                sum = sum.wrapping_add(3);
            }
            sum = (sum >> n).wrapping_add(down);
            sar = n;
        }
        down = sum.wrapping_add(down);
    }
    assert_eq!((results[1], results[3]), (down, sar));
    let (mut mixed, mut acc, mut last) = (0_u32, 0_i64, 0);
    for n in 1..=8_u32 {
        for &entry in &table[..3] {
            acc += i64::from(entry as i16) * i64::from((n + 5) as i16);
            let leaf = entry.wrapping_mul(4).wrapping_add(n) >> 1 & 0xffff;
            mixed = mixed.wrapping_add(leaf) ^ n;
        }
        last = mixed;
        let pair = mixed.wrapping_mul(4).wrapping_add(15);
        mixed = pair.wrapping_add(mixed);
    }
    assert_eq!(results[2..7], [mixed, 17, acc as u32, mixed & 0xffff, last]);
}

/// Interrupts `program` by `line` at every cycle of its course, and compares its end with the
/// undisturbed one by `compare`.
fn interrupt_everywhere(
    handlers: &str,
    line: u32,
    compare: impl Fn(&esp32_emulator::soc::Esp32) -> Vec<u32>,
) {
    let mut program = Program::new(&format!("{PROGRAM}{handlers}"));
    let (cycles, chip) = undisturbed(&program);
    let expected = compare(&chip);
    program.set_literal("line", 1 << line);
    let mut taken = 0;
    // The timers are set some thirty cycles after reset, the last three cycles after reading CCOUNT.
    for delay in 6..cycles as u32 - 30 {
        program.set_literal("delay", delay);
        let mut chip = program.chip();
        run_for(&mut chip, cycles + 1_500);
        assert_eq!(
            chip.cpu(CoreId::Pro).pc,
            program.symbol("done"),
            "{delay}: {}",
            common::where_it_is(&chip)
        );
        assert!(compare(&chip) == expected, "delay {delay}");
        taken += word(&chip, COUNT);
        assert_eq!(word(&chip, COUNT), 1, "delay {delay}");
    }
    assert!(taken > 1_500);
}

/// All registers of the core but those that a handler changes by its nature.
fn all_registers(chip: &esp32_emulator::soc::Esp32) -> Vec<u32> {
    // EPC1 to EPC7, EPS2 to EPS7, EXCSAVE, INTERRUPT, INTENABLE, EXCCAUSE, CCOMPARE.
    let by_nature: Vec<u8> = (177..=183)
        .chain(194..=199)
        .chain(209..=215)
        .chain([226, 228, 232])
        .chain(240..=242)
        .collect();
    let found = registers(chip, CoreId::Pro, &by_nature);
    let mut all = results(chip);
    all.extend(found.file);
    all.extend(found.special.into_iter().map(|(_, value)| value));
    all
}

#[test]
fn a_timer_of_level_1_at_every_cycle_leaves_no_trace() {
    interrupt_everywhere(LEAF_HANDLERS, 6, all_registers);
}

#[test]
fn a_timer_of_level_3_at_every_cycle_leaves_no_trace() {
    interrupt_everywhere(LEAF_HANDLERS, 15, all_registers);
}

#[test]
fn a_timer_of_level_5_at_every_cycle_also_inside_window_handlers_leaves_no_trace() {
    interrupt_everywhere(LEAF_HANDLERS, 16, all_registers);
}

#[test]
fn a_handler_that_spills_all_windows_at_any_cycle_does_not_disturb() {
    interrupt_everywhere(SPILLING_HANDLER, 6, |chip| {
        let mut visible = results(chip);
        visible.extend(chip.cpu(CoreId::Pro).a[..10].iter());
        visible
    });
}
