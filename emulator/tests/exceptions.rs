//! Exceptions, debug events and interrupts: which vector, what the registers say, and what of the
//! instruction has happened.
//!
//! Source: Xtensa Instruction Set Architecture Reference Manual, "Exception Option", "Interrupt
//! Option", "High-Priority Interrupt Option", "Timer Interrupt Option", "Debug Option".

use crate::common::{Program, run_for, word};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::Esp32;

const RESULTS: u32 = 0x3ffb_0000;
const SCRATCH: u32 = 0x3ffb_0100;

/// Vectors, by the number that the handlers below leave.
const USER: u32 = 1;
const KERNEL: u32 = 2;
const DOUBLE: u32 = 3;
const DEBUG: u32 = 6;
const NONE: u32 = 99;

/// Each handler notes its vector and the exception registers, and ends the program.
const HANDLERS: &str = "
        movi a15, 99                      # the body has run to its end
    record:
        l32r a14, results
        s32i a15, a14, 0
        rsr a15, exccause; s32i a15, a14, 4
        rsr a15, epc1; s32i a15, a14, 8
        rsr a15, excvaddr; s32i a15, a14, 12
        rsr a15, ps; s32i a15, a14, 16
        rsr a15, depc; s32i a15, a14, 20
        rsr a15, debugcause; s32i a15, a14, 24
        rsr a15, epc6; s32i a15, a14, 28
        rsr a15, eps6; s32i a15, a14, 32
    done:
        j done
    user:
        movi a15, 1; j record
    kernel:
        movi a15, 2; j record
    double:
        movi a15, 3; j record
    debug:
        movi a15, 6; j record
";

struct Taken {
    chip: Esp32,
    program: Program,
}

impl Taken {
    fn result(&self, n: u32) -> u32 {
        word(&self.chip, RESULTS + 4 * n)
    }
    fn vector(&self) -> u32 {
        self.result(0)
    }
    fn cause(&self) -> u32 {
        self.result(1)
    }
    fn epc1(&self) -> u32 {
        self.result(2)
    }
    fn excvaddr(&self) -> u32 {
        self.result(3)
    }
    fn ps(&self) -> u32 {
        self.result(4)
    }
    fn depc(&self) -> u32 {
        self.result(5)
    }
    fn debugcause(&self) -> u32 {
        self.result(6)
    }
    fn epc6(&self) -> u32 {
        self.result(7)
    }
    fn eps6(&self) -> u32 {
        self.result(8)
    }
    /// The address of the label `fault:`.
    fn fault(&self) -> u32 {
        self.program.symbol("fault")
    }
    /// Register `n` of the window at the end, above a13 spoilt by the handler.
    fn a(&self, n: usize) -> u32 {
        self.chip.cpu(CoreId::Pro).a[n]
    }
}

/// Runs `body` in user mode with windows enabled and nothing masked; a2 is scratch memory.
fn run(body: &str) -> Taken {
    let program = Program::new(&format!(
        "
        .literal results, {RESULTS:#x}
        .literal scratch, {SCRATCH:#x}
        .literal stack, 0x3ffe8000
        .literal ps_user, 0x40020
        .literal dport, 0x3ff00000
        .literal iram, 0x40080000
        start:
            movi a2, 0; wsr a2, windowbase; rsync
            movi a2, 1; wsr a2, windowstart; rsync
            l32r a1, stack
            l32r a2, ps_user; wsr a2, ps; rsync
            l32r a2, scratch
            {body}
            {HANDLERS}
        "
    ));
    let chip = program.run();
    Taken { chip, program }
}

/// The body must raise general exception `cause` at `fault:`, by way of the user vector.
#[track_caller]
fn assert_exception(body: &str, cause: u32) -> Taken {
    let taken = run(body);
    assert_eq!((taken.vector(), taken.cause()), (USER, cause), "{body}");
    assert_eq!(taken.epc1(), taken.fault(), "{body}");
    assert_eq!(taken.ps(), 0x40030, "{body}");
    taken
}

/// The body must run through.
#[track_caller]
fn assert_quiet(body: &str) -> Taken {
    let taken = run(body);
    assert_eq!(
        taken.vector(),
        NONE,
        "cause {} debug {:#x}: {body}",
        taken.cause(),
        taken.debugcause()
    );
    taken
}

#[test]
fn what_is_no_instruction_is_illegal() {
    for text in ["ill", "ill.n", ".byte 0xff, 0xff, 0xff", "rfdo 0"] {
        assert_exception(&format!("nop; movi a3, 3; fault: {text}"), 0);
    }
}

#[test]
fn syscall_has_a_cause_of_its_own() {
    assert_exception("nop; fault: syscall", 1);
}

#[test]
fn a_division_by_zero_leaves_the_quotient_register() {
    for text in ["quou", "quos", "remu", "rems"] {
        let taken =
            assert_exception(&format!("movi a3, 77; movi a4, 0; fault: {text} a3, a3, a4"), 6);
        assert_eq!(taken.a(3), 77, "{text}");
    }
}

#[test]
fn movsp_wants_the_callers_frame_in_the_registers() {
    let taken = assert_exception("movi a3, 0; addi a4, a1, 16; fault: movsp a1, a4", 5);
    assert_eq!(taken.a(1), 0x3ffe_8000);
    for distance in 1..=3 {
        let live = format!(
            "movi a3, 1 + {}; wsr a3, windowstart; rsync; movsp a1, a4",
            1 << (16 - distance)
        );
        // MOVI reaches 2047; larger masks are built with a shift.
        let live = live.replace(
            &format!("movi a3, 1 + {}", 1 << (16 - distance)),
            &format!("movi a3, 1; slli a3, a3, {}; addi a3, a3, 1", 16 - distance),
        );
        let taken = assert_quiet(&format!("addi a4, a1, 16; {live}"));
        assert_eq!(taken.a(1), 0x3ffe_8010, "{distance}");
    }
}

#[test]
fn windowed_instructions_refuse_states_that_make_no_sense() {
    // No call before: a0 says increment 0.
    assert_exception("movi a0, 0; fault: retw", 0);
    // A frame two quads down, the return says one.
    assert_exception(
        "movi a3, 1; slli a0, a3, 30; slli a3, a3, 14; addi a3, a3, 1; wsr a3, windowstart; rsync
         fault: retw",
        0,
    );
    // The stack pointer must be among a0 to a3.
    assert_exception("fault: entry a4, 32", 0);
    // Without WOE there are no windows.
    let taken = run("movi a3, 0x20; wsr a3, ps; rsync; fault: entry a1, 32");
    assert_eq!((taken.vector(), taken.cause(), taken.epc1()), (USER, 0, taken.fault()));
}

#[test]
fn the_fpu_must_be_enabled() {
    let off = "movi a3, 0; wsr a3, cpenable; rsync; fault: ";
    let on = "movi a3, 1; wsr a3, cpenable; rsync; fault: ";
    for text in [
        "add.s f0, f1, f2",
        "lsi f0, a2, 0",
        "ssi f0, a2, 0",
        "wfr f0, a3",
        "rfr a3, f0",
        "oeq.s b0, f0, f1",
        "rur.fcr a4",
        "wur.fcr a4",
        "rur.fsr a4",
    ] {
        assert_exception(&format!("{off}{text}"), 32);
        assert_quiet(&format!("{on}{text}"));
    }
    assert_quiet(&format!("{off}rur.threadptr a4; wur.f64r_lo a4"));
}

#[test]
fn ordering_and_conditional_accesses_must_be_aligned() {
    for (text, offset) in [("l32ai a3, a2, 4", 4), ("s32ri a3, a2, 0", 0), ("s32c1i a3, a2, 8", 8)]
    {
        for misaligned in 1..4 {
            let taken = assert_exception(&format!("addi a2, a2, {misaligned}; fault: {text}"), 9);
            assert_eq!(taken.excvaddr(), SCRATCH + misaligned + offset, "{text}");
        }
        assert_quiet(text);
    }
}

#[test]
fn the_kernel_vector_is_for_user_mode_off() {
    let taken = run("movi a3, 0; wsr a3, ps; rsync; fault: syscall");
    assert_eq!((taken.vector(), taken.cause(), taken.epc1()), (KERNEL, 1, taken.fault()));
    assert_eq!(taken.ps(), 0x10);
}

#[test]
fn an_exception_in_a_handler_is_a_double_exception() {
    let taken =
        run("movi a3, 0x555; wsr a3, epc1; movi a3, 0x30; wsr a3, ps; rsync; fault: syscall");
    assert_eq!((taken.vector(), taken.cause()), (DOUBLE, 1));
    assert_eq!((taken.depc(), taken.epc1()), (taken.fault(), 0x555));
    assert_eq!(taken.ps(), 0x30);
}

#[test]
fn rfde_goes_back_to_depc_and_stays_in_the_handler() {
    let taken = run(".literal to, there
         j over
         .align 4
         over: l32r a3, to_there; wsr a3, depc; rfde
         there: movi a5, 5"
        .replace(
            ".literal to, there\n         j over\n         .align 4",
            "j over; .align 4; to_there: .word there",
        )
        .as_str());
    assert_eq!((taken.vector(), taken.a(5)), (NONE, 5));
}

#[test]
fn breaks_are_for_the_debug_level() {
    for (text, cause) in [("break 1, 15", 1 << 3), ("break.n 3", 1 << 4)] {
        for level in 0..=7 {
            let taken = run(&format!("movi a5, 0; rsil a3, {level}; fault: {text}; movi a5, 5"));
            if level < 6 {
                assert_eq!((taken.vector(), taken.debugcause()), (DEBUG, cause), "{text} {level}");
                assert_eq!(taken.epc6(), taken.fault());
                assert_eq!((taken.eps6(), taken.ps()), (0x40020 | level, 0x40036));
                assert_eq!(taken.a(5), 0);
            } else {
                assert_eq!((taken.vector(), taken.a(5)), (NONE, 5), "{text} {level}");
            }
        }
    }
}

#[test]
fn an_instruction_breakpoint_comes_before_its_instruction() {
    for register in 0..2 {
        for level in [0, 5, 6] {
            let body = format!(
                "j over; .align 4; at: .word fault
                 over: movi a5, 0; rsil a3, {level}
                 l32r a3, at; wsr a3, ibreaka{register}
                 movi a3, {enable}; wsr a3, ibreakenable; isync
                 movi a4, 3
                 again: addi a5, a5, 1
                 bnei a5, 10, again
                 fault: addi a5, a5, 7",
                enable = 1 << register
            );
            let taken = run(&body);
            if level < 6 {
                assert_eq!((taken.vector(), taken.debugcause()), (DEBUG, 2));
                assert_eq!((taken.epc6(), taken.a(5)), (taken.fault(), 10));
            } else {
                assert_eq!((taken.vector(), taken.a(5)), (NONE, 17));
            }
        }
    }
    // Set, but not enabled.
    assert_quiet(
        "j over; .align 4; at: .word fault
         over: l32r a3, at; wsr a3, ibreaka0; movi a3, 2; wsr a3, ibreakenable; isync
         fault: nop",
    );
}

#[test]
fn icount_stops_after_so_many_instructions() {
    let count = |instructions: i32, level: u32, body: &str| {
        run(&format!(
            "movi a5, 0; movi a3, {icount}; wsr a3, icount; isync
             movi a3, {level}; wsr a3, icountlevel; isync
             {body}",
            icount = -1 - instructions
        ))
    };
    // ISYNC is the first that counts.
    let steps = "addi a5, a5, 1; addi a5, a5, 1; addi a5, a5, 1; addi a5, a5, 1; addi a5, a5, 1";
    for instructions in 1..=5 {
        let taken = count(instructions, 1, steps);
        assert_eq!((taken.vector(), taken.debugcause()), (DEBUG, 1));
        assert_eq!(taken.a(5), instructions as u32 - 1);
    }
    // Not at or above ICOUNTLEVEL.
    assert_eq!(count(2, 0, steps).vector(), NONE);
    assert_eq!(count(2, 1, &format!("rsil a3, 1; {steps}")).vector(), NONE);
    assert_eq!(count(2, 2, &format!("rsil a3, 1; {steps}")).vector(), DEBUG);
    // A loop that would be passed over as a polling loop is counted like any other.
    let taken = count(1_000, 1, "rsr a6, ccount; fault: j fault");
    assert_eq!((taken.vector(), taken.epc6()), (DEBUG, taken.fault()));
    let spent = taken.chip.cpu(CoreId::Pro).cycle;
    assert!(spent > 1_000, "{spent}");
}

/// A body that sets watchpoint `register` and then makes one access at `fault:`.
fn watch(register: u32, address: u32, control: u32, level: u32, access: &str) -> Taken {
    run(&format!(
        "j over; .align 4; at: .word {address:#x}; control: .word {control:#x}; place: .word {address:#x}
         over: rsil a3, {level}
         movi a6, 0x123; movi a7, 0x456; wsr a7, br
         l32r a2, place
         movi a8, -64; and a8, a2, a8
         s32i a6, a8, 0; s32i a6, a8, 4; s32i a6, a8, 60
         l32r a3, at; wsr a3, dbreaka{register}
         l32r a3, control; wsr a3, dbreakc{register}
         isync
         movi a5, 1
         fault: {access}
         movi a5, 2"
    ))
}

const LOADS: u32 = 1 << 30;
const STORES: u32 = 1 << 31;
const EXACT: u32 = 0x3f;

#[test]
fn a_watchpoint_comes_before_its_access() {
    // SRAM2, SRAM1, IRAM, RTC slow memory, a register.
    for address in [0x3ffb_0240, 0x3ffe_0040, 0x4008_0040, 0x5000_0040, 0x3ff4_4000 + 0x40] {
        for register in 0..2 {
            for (control, access) in [(STORES, "s32i a7, a2, 0"), (LOADS, "l32i a7, a2, 0")] {
                let taken = watch(register, address, control | EXACT, 0, access);
                let what = format!("{access} at {address:#x}");
                assert_eq!(taken.vector(), DEBUG, "{what}");
                assert_eq!(taken.debugcause(), 1 << 2 | register << 8, "{what}");
                assert_eq!((taken.epc6(), taken.a(5)), (taken.fault(), 1), "{what}");
                assert_eq!(taken.a(7), 0x456, "{what}");
                if address != 0x3ff4_4040 {
                    assert_eq!(word(&taken.chip, address), 0x123, "{what}");
                }
                // The other direction is free.
                let taken = watch(register, address, (control ^ STORES ^ LOADS) | EXACT, 0, access);
                assert_eq!((taken.vector(), taken.a(5)), (NONE, 2), "{what}");
            }
        }
    }
}

#[test]
fn a_watchpoint_is_seen_by_code_that_has_run_before() {
    for (control, access) in [(STORES, "s32i a7, a2, 0"), (LOADS, "l32i a7, a2, 0")] {
        let taken = run(&format!(
            "j over; .align 4; at: .word 0x3ffb0240; control: .word {:#x}
             over: rsil a3, 0
             l32r a2, at; wsr a2, dbreaka0
             movi a4, 0; movi a5, 0; movi a6, 0
             again: addi a6, a6, 1; wsr a4, dbreakc0
             fault: {access}
             addi a5, a5, 1
             l32r a4, control
             blti a5, 3, again",
            control | EXACT
        ));
        assert_eq!((taken.vector(), taken.debugcause()), (DEBUG, 1 << 2), "{access}");
        assert_eq!((taken.epc6(), taken.a(5)), (taken.fault(), 1), "{access}");
    }
}

#[test]
fn a_jump_to_any_address_without_code_is_a_fetch_fault() {
    // Tables of code have indices of these, and entries that are empty.
    for target in
        [0_u32, 1, 0x1fff, 0x2000, 0x2001, 0xffff_dfff, 0xffff_e000, 0xffff_fffe, u32::MAX]
    {
        let taken = run(&format!(
            "j over; .align 4; at: .word {target:#x}
             over: l32r a3, at; movi a5, 1; fault: jx a3"
        ));
        let cpu = taken.chip.cpu(CoreId::Pro);
        assert_eq!((cpu.epc1(), cpu.excvaddr()), (target, target), "{target:#x}");
        assert!(matches!(cpu.exccause(), 2 | 14 | 20), "{target:#x}: cause {}", cpu.exccause());
    }
}

#[test]
fn a_watchpoints_mask_selects_a_block() {
    let at = 0x3ffb_0244;
    let hit = |control: u32, access: &str| {
        let taken = watch(0, at, control, 0, access);
        assert!(matches!(taken.vector(), DEBUG | NONE));
        taken.vector() == DEBUG
    };
    for (control, load, store) in
        [(LOADS, true, false), (STORES, false, true), (LOADS | STORES, true, true)]
    {
        for (access, inside_word, inside_block) in [
            ("l8ui a3, a2, 0", true, true),
            ("l8ui a3, a2, 3", true, true),
            ("l16ui a3, a2, 2", true, true),
            ("l32i a3, a2, 4", false, true),
            ("l32i a3, a8, 0", false, true),
            ("l32i a3, a8, 60", false, true),
            ("l32i a3, a8, 64", false, false),
            ("s8i a3, a2, 1", true, true),
            ("s16i a3, a2, 2", true, true),
            ("s32i a3, a2, 0", true, true),
            ("s32i a3, a8, 8", false, true),
            ("s32i a3, a8, 60", false, true),
            ("s32i a3, a8, 64", false, false),
            ("addi a9, a8, -4; s32i a3, a9, 0", false, false),
        ] {
            let direction =
                if access.contains("s32i") || access.starts_with('s') { store } else { load };
            assert_eq!(hit(control | 0x3c, access), direction && inside_word, "word: {access}");
            assert_eq!(hit(control, access), direction && inside_block, "block: {access}");
        }
    }
    // An access reaches the watched byte with its last one.
    assert!(hit(STORES | EXACT, "addi a9, a2, -3; s32i a3, a9, 0"));
    assert!(!hit(STORES | EXACT, "addi a9, a2, -4; s32i a3, a9, 0"));
}

#[test]
fn a_watchpoint_sleeps_at_the_debug_level() {
    for level in [5, 6, 7] {
        for (access, loaded, stored) in
            [("s32i a7, a2, 0", 0x456, 0x456), ("l32i a7, a2, 0", 0x123, 0x123)]
        {
            let taken = watch(0, 0x3ffb_0240, STORES | LOADS | EXACT, level, access);
            if level < 6 {
                assert_eq!(taken.vector(), DEBUG);
            } else {
                assert_eq!((taken.vector(), taken.a(5)), (NONE, 2), "{access} at level {level}");
                assert_eq!((taken.a(7), word(&taken.chip, 0x3ffb_0240)), (loaded, stored));
            }
        }
    }
    // And wakes up again.
    let taken =
        watch(0, 0x3ffb_0240, STORES | EXACT, 6, "s32i a7, a2, 0; rsil a3, 0; s32i a6, a2, 0");
    assert_eq!((taken.vector(), word(&taken.chip, 0x3ffb_0240)), (DEBUG, 0x456));
}

/// Handlers that append the level to a list, and take the interrupt's cause away.
const LOGGING: &str = "
    done:
        j done
    user:
        wsr a0, excsave1
        movi a13, 1; s32i a13, a12, 0; addi a12, a12, 4
        movi a13, 0x80; wsr a13, intclear
        movi a13, 0; wsr a13, ccompare0; s32i a13, a11, 0xdc
        rsr a0, excsave1; rfe
    level2:
        movi a13, 2; s32i a13, a12, 0; addi a12, a12, 4
        movi a13, 0; s32i a13, a11, 0xe0; rfi 2
    level3:
        movi a13, 3; s32i a13, a12, 0; addi a12, a12, 4
        movi a13, -1; wsr a13, intclear; movi a13, 0; wsr a13, ccompare1; rfi 3
    level4:
        movi a13, 4; s32i a13, a12, 0; addi a12, a12, 4
        movi a13, 0; s32i a13, a11, 0xe4; rfi 4
    level5:
        movi a13, 5; s32i a13, a12, 0; addi a12, a12, 4
        movi a13, 0; wsr a13, ccompare2; s32i a13, a11, 0xe8; rfi 5
    nmi:
        movi a13, 7; s32i a13, a12, 0; addi a12, a12, 4; rfi 7
";

/// Runs `body` with a12 the list, a11 DPORT and a10 the first PRO map register; the list.
fn logged(body: &str) -> (Vec<u32>, Esp32) {
    let program = Program::new(&format!(
        "
        .literal list, {RESULTS:#x}
        .literal dport, 0x3ff00000
        .literal maps, 0x3ff00164
        .literal all, 0xffffffff
        .literal ps_masked, 0x4002f
        start:
            movi a2, 0; wsr a2, windowbase; rsync
            movi a2, 1; wsr a2, windowstart; rsync
            l32r a12, list
            l32r a11, dport
            l32r a10, maps
            l32r a3, ps_masked
            wsr a3, ps; rsync
            l32r a3, all; wsr a3, intenable
            {body}
            {LOGGING}
        "
    ));
    let chip = program.run();
    let list = (0..16).map(|n| word(&chip, RESULTS + 4 * n)).take_while(|&it| it != 0).collect();
    (list, chip)
}

/// Maps FROM_CPU 0 to 3 to lines 0 (level 1), 19 (2), 24 (4) and 26 (5).
const MAPS: &str = "movi a3, 0; s32i a3, a10, 0; movi a3, 19; s32i a3, a10, 4
    movi a3, 24; s32i a3, a10, 8; movi a3, 26; s32i a3, a10, 12";
/// Raises all of them and both software interrupts.
const RAISE: &str = "movi a3, 1; s32i a3, a11, 0xdc; s32i a3, a11, 0xe0; s32i a3, a11, 0xe4
    s32i a3, a11, 0xe8; movi a3, 1; slli a3, a3, 29; addi a3, a3, 0x80 - 0x40; addi a3, a3, 0x40
    wsr a3, intset";

#[test]
fn higher_levels_come_first() {
    let (list, _) = logged(&format!("{MAPS}; {RAISE}; rsil a3, 0; nop; nop"));
    assert_eq!(list, [5, 4, 3, 2, 1]);
}

#[test]
fn the_level_in_ps_masks() {
    for level in 0..=5 {
        let (list, _) = logged(&format!("{MAPS}; {RAISE}; rsil a3, {level}; nop; nop"));
        let expected: Vec<u32> = (level + 1..=5).rev().collect();
        assert_eq!(list, expected, "level {level}");
    }
}

#[test]
fn a_handler_of_exceptions_masks_up_to_level_3() {
    let (list, _) = logged(&format!("{MAPS}; {RAISE}; movi a3, 0x30; wsr a3, ps; rsync; nop"));
    assert_eq!(list, [5, 4]);
}

#[test]
fn intenable_masks_all_but_the_nmi() {
    let quiet = "movi a3, 0; wsr a3, intenable; rsil a3, 0";
    assert_eq!(logged(&format!("{MAPS}; {quiet}; {RAISE}; nop")).0, []);
    let nmi = "movi a3, 14; s32i a3, a10, 0; movi a4, 1; s32i a4, a11, 0xdc; nop; nop";
    for level in [0, 5, 6] {
        assert_eq!(logged(&format!("{quiet}; rsil a3, {level}; {nmi}")).0, [7], "level {level}");
    }
}

#[test]
fn the_nmi_is_an_edge() {
    let raise = "movi a4, 1; s32i a4, a11, 0xdc; nop; nop; nop;";
    let lower = "movi a4, 0; s32i a4, a11, 0xdc; nop;";
    let (list, _) = logged(&format!(
        "rsil a3, 6; movi a3, 14; s32i a3, a10, 0; {raise} {raise} {lower} {raise} movi a5, 100; again: addi a5, a5, -1; bnez a5, again"
    ));
    assert_eq!(list, [7, 7]);
}

#[test]
fn an_edge_stays_until_it_is_cleared() {
    // Line 10 latches: the source may be gone again.
    let pulse = "movi a3, 10; s32i a3, a10, 0; movi a4, 1; s32i a4, a11, 0xdc; movi a4, 0; s32i a4, a11, 0xdc";
    let (list, chip) = logged(&format!(
        "{pulse}; rsr a5, interrupt; movi a6, 0x400; wsr a6, intclear; rsr a7, interrupt
         rsil a3, 0; nop; nop"
    ));
    let a = chip.cpu(CoreId::Pro).a;
    assert_eq!((a[5] & 0x400, a[7] & 0x400, list), (0x400, 0, vec![]));
    // A level is not cleared by INTCLEAR, only by its source.
    let (_, chip) = logged(
        "movi a3, 0; s32i a3, a10, 0; movi a4, 1; s32i a4, a11, 0xdc
         movi a6, -1; wsr a6, intclear; rsr a5, interrupt
         movi a4, 0; s32i a4, a11, 0xdc; rsr a7, interrupt",
    );
    let a = chip.cpu(CoreId::Pro).a;
    assert_eq!((a[5] & 1, a[7] & 1), (1, 0));
}

#[test]
fn several_sources_share_a_line() {
    let (_, chip) = logged(
        "movi a3, 5; s32i a3, a10, 0; s32i a3, a10, 4
         movi a4, 1; s32i a4, a11, 0xdc; s32i a4, a11, 0xe0
         movi a4, 0; s32i a4, a11, 0xdc; rsr a5, interrupt; s32i a4, a11, 0xe0; rsr a7, interrupt",
    );
    let a = chip.cpu(CoreId::Pro).a;
    assert_eq!((a[5] & 32, a[7] & 32), (32, 0));
}

#[test]
fn timers_are_due_when_ccount_reaches_ccompare() {
    for (n, line) in [(0, 6), (1, 15), (2, 16)] {
        let (_, chip) = logged(&format!(
            "movi a3, 0; wsr a3, intenable
             rsr a3, ccount; addi a3, a3, 5; wsr a3, ccompare{n}   # two cycles behind RSR
             nop; rsr a4, interrupt; rsr a5, interrupt; rsr a6, interrupt
             wsr a3, ccompare{n}; rsr a7, interrupt"
        ));
        let a = chip.cpu(CoreId::Pro).a;
        // RSR at cycle t; WSR at t + 2; the RSRs of INTERRUPT at t + 4, t + 5, t + 6.
        let pending = [a[4], a[5], a[6], a[7]].map(|it| it >> line & 1);
        assert_eq!(pending, [0, 1, 1, 0], "timer {n}");
    }
}

#[test]
fn waiti_ends_for_interrupts_above_its_level() {
    // APP_CPU raises the interrupt while PRO_CPU waits.
    let lines = [(1, 0), (2, 19), (3, 23), (4, 24), (5, 26), (7, 14)];
    for (level, line) in lines {
        for waiting in 0..=5 {
            let handlers =
                (2..=5).map(|n| format!("level{n}: movi a13, {n}; j taken\n")).collect::<String>();
            let program = Program::new(&format!(
                "
                .literal results, {RESULTS:#x}
                .literal dport, 0x3ff00000
                .literal ps_user, 0x4002f
                start:
                    movi a2, 1; wsr a2, windowstart; rsync
                    l32r a12, results
                    l32r a11, dport
                    l32r a3, ps_user; wsr a3, ps; rsync
                    rsr a3, prid
                    bbsi a3, 13, app
                    movi a3, {line}; s32i a3, a11, 0x164
                    movi a3, -1; wsr a3, intenable
                    movi a3, 1; s32i a3, a11, 0x30; movi a3, 0; s32i a3, a11, 0x2c
                    movi a13, 99
                    waiti {waiting}
                waited:
                    j waited
                app:
                    movi a3, 300
                app_delay:
                    addi a3, a3, -1; bnez a3, app_delay
                    movi a3, 1; s32i a3, a11, 0xdc
                done:
                    j done
                user: movi a13, 1; j taken
                nmi: movi a13, 7; j taken
                {handlers}
                taken:
                    s32i a13, a12, 0
                    rsr a13, epc{level}; s32i a13, a12, 4
                    rsr a13, ps; s32i a13, a12, 8
                noted:
                    j noted
                "
            ));
            let mut chip = program.chip();
            run_for(&mut chip, 400);
            assert!(chip.cpu(CoreId::Pro).is_idle(), "{level} {waiting}");
            run_for(&mut chip, 2_000);
            let what = format!("level {level}, WAITI {waiting}");
            if level > waiting {
                assert_eq!(word(&chip, RESULTS), level, "{what}");
                assert_eq!(word(&chip, RESULTS + 4), program.symbol("waited"), "{what}");
                let ps = if level == 1 { 0x40030 | waiting } else { 0x40030 | level };
                assert_eq!(word(&chip, RESULTS + 8), ps, "{what}");
            } else {
                assert!(chip.cpu(CoreId::Pro).is_idle(), "{what}");
                assert_eq!(word(&chip, RESULTS), 0, "{what}");
            }
        }
    }
}

#[test]
fn waiti_with_something_pending_does_not_wait() {
    let (list, _) = logged(&format!("{MAPS}; {RAISE}; waiti 3; nop"));
    assert_eq!(list, [5, 4]);
}

#[test]
fn loops_end_where_they_should() {
    // Counts: passes of a loop, of one that is skipped, of one left by a branch to LEND, with
    // EXCM set, and how often the code behind a loop's last instruction ran.
    let taken = run("movi a3, 0; movi a4, 7; loop a4, e1; addi a3, a3, 1; e1:
         movi a5, 0; movi a4, 0; loopnez a4, e2; addi a5, a5, 1; e2:
         movi a4, -3; loopgtz a4, e3; addi a5, a5, 1; e3:
         movi a6, 0; movi a4, 9; loop a4, e4
             addi a6, a6, 1
             beqi a6, 5, e4               # taken: out of the loop, LCOUNT stays
             nop
         e4:
         rsr a7, lcount
         movi a8, 0; movi a4, 4; loop a4, e5
             addi a8, a8, 1
             beqi a8, 128, out            # last in the body and not taken
         e5: out:
         movi a9, 0; movi a4, 6; loop a4, e6
             movi a10, 3
             inner: addi a10, a10, -1
             addi a9, a9, 1
             bnez a10, inner
         e6:
         movi a4, 0; wsr a4, lcount
         movi a11, 0; movi a4, 5
         rsr a12, ps; addi a13, a12, 16; wsr a13, ps; rsync
         loop a4, e7; addi a11, a11, 1; e7:
         wsr a12, ps; rsync; movi a4, 0; wsr a4, lcount");
    assert_eq!(taken.vector(), NONE);
    let a = |n| taken.a(n);
    assert_eq!([a(3), a(5), a(6), a(7), a(8), a(9), a(11)], [7, 0, 5, 4, 4, 18, 1]);
}

#[test]
fn an_exchange_of_windowbase_writes_the_register_it_named() {
    let taken = run(
        "movi a4, 2; xsr a4, windowbase; rsync; movi a3, 0; xsr a3, windowbase; rsync; mov.n a5, a4",
    );
    assert_eq!(taken.vector(), NONE);
    assert_eq!(taken.a(5), 0, "a4 of window 0 holds the old WINDOWBASE");
}
