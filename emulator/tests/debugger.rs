//! The host's debugger: where it holds the chip, and what it can see and change there.

use crate::common::{Program, after, run_for, word};
use esp32_emulator::cpu::special_register::{sr, ur};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::debugger::{Held, Watched, Watchpoint};
use esp32_emulator::soc::{Esp32, Stopped};

const DATA: u32 = 0x3ffb_0000;

/// Counts in a2 and in memory, calls a function in each round, and copies the count elsewhere.
const COUNTING: &str = "
    .literal data, 0x3ffb0000
    .literal stack, 0x3ffe8000
    .literal ps_windowed, 0x40020
    start:
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        l32r a1, stack
        l32r a2, ps_windowed; wsr a2, ps; rsync
        l32r a3, data
        movi a2, 0
    round:
        addi a2, a2, 1
    store:
        s32i a2, a3, 0
    behind:
        mov a10, a2
        call8 callee
        s8i a2, a3, 9
        bnei a2, 5, round
    done:
        j done
    .align 4
    callee:
        entry a1, 32
        addi a2, a2, 100
        retw
";

fn pro(chip: &Esp32) -> &esp32_emulator::cpu::Cpu {
    chip.cpu(CoreId::Pro)
}

/// Lets the chip run until it is held.
#[track_caller]
fn until_held(chip: &mut Esp32) -> Held {
    match chip.run_until(after(chip, 20_000)) {
        Stopped::Held(held) => held,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_breakpoint_holds_the_core_before_the_instruction_each_time_it_comes_by() {
    let program = Program::new(COUNTING);
    let mut chip = program.chip();
    let store = program.symbol("store");
    assert!(chip.set_breakpoint(store, true));
    assert!(!chip.set_breakpoint(store, true), "it is there");
    for round in 1..=5 {
        assert_eq!(until_held(&mut chip), Held::Breakpoint(CoreId::Pro));
        assert_eq!((pro(&chip).pc, pro(&chip).a[2]), (store, round));
        assert_eq!(word(&chip, DATA), round - 1, "not stored yet");
        chip.go_on(None);
    }
    program.finish(&mut chip, 10_000);
    assert!(chip.set_breakpoint(store, false));
    assert_eq!(word(&chip, DATA), 5);
}

#[test]
fn a_breakpoint_set_in_code_that_has_run_is_met() {
    let program = Program::new(&COUNTING.replace("bnei a2, 5, round", "j round"));
    let mut chip = program.chip();
    run_for(&mut chip, 1_000);
    let store = program.symbol("store");
    chip.set_breakpoint(store, true);
    assert_eq!(until_held(&mut chip), Held::Breakpoint(CoreId::Pro));
    assert_eq!(pro(&chip).pc, store);
    chip.set_breakpoint(store, false);
    chip.go_on(None);
    run_for(&mut chip, 1_000);
}

#[test]
fn a_step_executes_one_instruction_into_and_out_of_calls() {
    let program = Program::new(COUNTING);
    let mut chip = program.chip();
    chip.set_breakpoint(program.symbol("behind"), true);
    until_held(&mut chip);
    let (behind, callee) = (program.symbol("behind"), program.symbol("callee"));
    let before = pro(&chip).windowbase();
    // MOV.N, CALL8, ENTRY, ADDI, RETW.
    let mut seen = Vec::new();
    let now = pro(&chip).cycle;
    for _ in 0..5 {
        chip.go_on(Some(CoreId::Pro));
        assert_eq!(until_held(&mut chip), Held::Step(CoreId::Pro));
        seen.push((pro(&chip).pc, pro(&chip).windowbase()));
    }
    assert_eq!(pro(&chip).cycle, now + 5);
    assert_eq!(seen[1], (callee, before));
    assert_eq!(seen[2], (callee + 3, before + 2));
    assert_eq!(seen[3].1, before + 2);
    assert_eq!(seen[4], (behind + 5, before));
}

#[test]
fn a_watchpoint_holds_the_core_behind_the_access() {
    let program = Program::new(COUNTING);
    let mut chip = program.chip();
    let watch = |address, length, kind| Watchpoint { address, length, kind };
    chip.set_watchpoint(watch(DATA, 4, Watched::Stores), true);
    chip.set_watchpoint(watch(DATA + 8, 4, Watched::Accesses), true);
    let hit = |address, kind| Held::Watchpoint { core: CoreId::Pro, address, kind };
    for round in 1..=2 {
        assert_eq!(until_held(&mut chip), hit(DATA, Watched::Stores));
        assert_eq!(pro(&chip).pc, program.symbol("behind"));
        assert_eq!(word(&chip, DATA), round, "stored already");
        chip.go_on(None);
        assert_eq!(until_held(&mut chip), hit(DATA + 9, Watched::Accesses), "the byte's address");
        chip.go_on(None);
    }
    chip.set_watchpoint(watch(DATA, 4, Watched::Stores), false);
    assert_eq!(until_held(&mut chip), hit(DATA + 9, Watched::Accesses));
    chip.forget_debugger();
    program.finish(&mut chip, 10_000);
}

#[test]
fn loads_are_watched_in_memory_and_in_registers() {
    let program = Program::new(
        "
        .literal data, 0x3ffb0000
        .literal uart, 0x3ff40000
        start:
            l32r a3, data
            l32r a4, uart
            l32i a5, a3, 4
            l32i a6, a4, 0x1c
        done:
            j done
        ",
    );
    let mut chip = program.chip();
    for address in [DATA + 4, 0x3ff4_001c] {
        let kind = Watched::Loads;
        chip.set_watchpoint(Watchpoint { address, length: 4, kind }, true);
    }
    for address in [DATA + 4, 0x3ff4_001c] {
        let kind = Watched::Loads;
        assert_eq!(until_held(&mut chip), Held::Watchpoint { core: CoreId::Pro, address, kind });
        chip.go_on(None);
    }
    program.finish(&mut chip, 1_000);
}

#[test]
fn break_instructions_hold_the_chip_and_are_passed_over() {
    let program = Program::new(
        "start: movi a2, 0x20; wsr a2, ps; rsync; movi a2, 1
         wide: break 1, 15
         addi a2, a2, 1
         narrow: break.n 3
         addi a2, a2, 1
         done: j done
         debug: movi a2, 99; j done",
    );
    let mut chip = program.chip();
    chip.hold_at_breaks(true);
    for (n, label) in (1..).zip(["wide", "narrow"]) {
        assert_eq!(until_held(&mut chip), Held::BreakInstruction(CoreId::Pro));
        assert_eq!((pro(&chip).pc, pro(&chip).a[2]), (program.symbol(label), n));
        chip.go_on(None);
    }
    program.finish(&mut chip, 1_000);
    assert_eq!(pro(&chip).a[2], 3);
    // Without a debugger they are exceptions.
    assert_eq!(pro(&program.run()).a[2], 99);
}

#[test]
fn registers_and_memory_of_a_held_core_can_be_read_and_changed() {
    let program = Program::new(COUNTING);
    let mut chip = program.chip();
    chip.set_breakpoint(program.symbol("store"), true);
    until_held(&mut chip);
    let mut core = chip.core_mut(CoreId::Pro);
    core.cpu().set_ar(2, 1_000);
    core.cpu().set_float(3, 0x3f80_0000);
    assert!(core.set_special(sr::SCOMPARE1, 77));
    assert!(!core.set_special(sr::PRID, 1), "read-only");
    assert!(core.cpu().set_user(ur::THREADPTR, 0x1234));
    assert_eq!(core.write(DATA + 5, &[1, 2, 3, 4]), 4);
    let mut bytes = [0; 12];
    assert_eq!(core.read(DATA, &mut bytes), 12);
    assert_eq!(bytes, [0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0]);
    // Words on the instruction bus, byte by byte.
    assert_eq!(core.write(0x4008_0001, &[9, 8]), 2);
    let mut word_of_code = [0; 4];
    assert_eq!(core.read(0x4008_0000, &mut word_of_code), 4);
    assert_eq!(word_of_code, [0, 9, 8, 0]);
    // A register of a device: the divider of UART0. Nothing is at address 0, and ROM keeps its own.
    assert_eq!(core.read(0x3ff4_0014, &mut word_of_code), 4);
    assert_eq!(core.read(0, &mut word_of_code), 0);
    assert_eq!(core.write(0x4000_0400, &[0; 4]), 0);
    let cpu = chip.cpu(CoreId::Pro);
    assert_eq!((cpu.special(sr::SCOMPARE1), cpu.user(ur::THREADPTR)), (Some(77), Some(0x1234)));
    chip.go_on(None);
    chip.set_breakpoint(program.symbol("behind"), true);
    until_held(&mut chip);
    assert_eq!(word(&chip, DATA), 1_000);
    chip.core_mut(CoreId::Pro).cpu().set_pc(program.symbol("done"));
    chip.forget_debugger();
    program.finish(&mut chip, 100);
}

#[test]
fn code_that_a_debugger_changes_is_executed_as_changed() {
    let program = Program::new(
        "
        start:
            j start
        done: j done
        ",
    );
    let mut chip = program.chip();
    run_for(&mut chip, 200);
    chip.hold();
    // MOVI.N a2, 7, then an endless loop: written where there is no code yet, and then changed.
    let loop_of = |n: u8| [0x0c, 0x02 | n << 4, 0x06, 0xff, 0xff, 0, 0, 0];
    for n in [7, 5] {
        let mut core = chip.core_mut(CoreId::Pro);
        assert_eq!(core.write(0x4008_0000, &loop_of(n)), 8);
        core.cpu().set_pc(0x4008_0000);
        chip.go_on(None);
        run_for(&mut chip, 200);
        assert_eq!(pro(&chip).a[2], u32::from(n));
        chip.hold();
    }
}

#[test]
fn a_chip_that_loses_power_while_it_is_held_starts_anew_and_is_held_at_its_reset_vector() {
    let program = Program::new(COUNTING);
    let mut chip = program.chip();
    chip.set_breakpoint(program.symbol("store"), true);
    until_held(&mut chip);
    let before = chip.now();
    chip.power_off();
    chip.power_on();
    assert!(chip.now() >= before);
    assert_eq!(pro(&chip).pc, 0x4000_0400);
    assert!(chip.held().is_some());
    chip.go_on(None);
    assert_eq!(until_held(&mut chip), Held::Breakpoint(CoreId::Pro), "breakpoints stay");
    assert_eq!(pro(&chip).a[2], 1);
}
