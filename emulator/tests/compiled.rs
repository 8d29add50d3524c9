//! Compiled blocks against the interpreter, on programs that nobody has written: random instructions
//! of every kind, with windows, loops, floats, exceptions and interrupts in the middle of blocks, and
//! stores into the code itself.
//!
//! Both must agree on the whole state of the chip, cycle by cycle, at instants that they choose
//! anyhow. `COMPILED_PROGRAMS` says how many programs are tried; a failure names its seed.
//! `COMPILED_WITHOUT_MSUB` leaves out the one instruction that valgrind executes wrongly: with the host's
//! VFNMADD its zeros have the other sign.

use std::sync::atomic::{AtomicU64, Ordering};

use esp32_emulator::cpu::decode::encode;
use esp32_emulator::cpu::instruction::{Instruction, Opcode};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::lockstep::Lockstep;
use esp32_emulator::soc::{ChipConfig, Esp32, Halt, Stopped};

use crate::common::{Program, Random, after, assert_same, flash, run_for, state};

/// Words of literals before the body, and bytes of the body.
const LITERALS: u32 = 64;
const BODY: usize = 600;

/// Sets the chip up for code that does anything, copies the body to where it can be changed, and
/// jumps there. Exceptions go on behind the instruction, or behind a part of it; timer interrupts come
/// every 61 cycles.
const FRAME: &str = "
    .literal data, 0x3ffb0000
    .literal stack, 0x3ffe8000
    .literal ps_windowed, 0x60020
    .literal code, 0x40080000
    .literal entrance, 0x40080100
    .literal words, 216
    .literal source, 0
    start:
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        l32r a1, stack
        l32r a2, ps_windowed; wsr a2, ps; rsync
        movi a2, 1; wsr a2, cpenable; rsync
        l32r a2, source
        l32r a3, code
        l32r a4, words
    copy:
        l32i a5, a2, 0
        s32i a5, a3, 0
        addi a2, a2, 4
        addi a3, a3, 4
        addi a4, a4, -1
        bnez a4, copy
        rsr a5, ccount
        addi a5, a5, 61
        wsr a5, ccompare0
        movi a5, 64; wsr a5, intenable; rsync
    enter:
        l32r a1, stack
        l32r a3, data
        l32r a4, code
        addi a4, a4, 127
        addi a4, a4, 127
        l32r a5, data
        l32r a0, entrance
        jx a0
    kernel:
    user:
        wsr a15, excsave2
        wsr a14, excsave3
        rsr a15, exccause
        beqi a15, 4, timer
        rsr a15, epc1
        addi a15, a15, 3
        extui a14, a15, 12, 16
        bnei a14, 128, astray         # not in SRAM0
        wsr a15, epc1
        j back
    astray:
        l32r a15, entrance
        wsr a15, epc1
        l32r a3, data
        l32r a5, data
        l32r a4, code
        addi a4, a4, 127
        addi a4, a4, 127
        j back
    timer:
        rsr a15, ccount
        addi a15, a15, 61
        wsr a15, ccompare0
    back:
        rsr a14, excsave3
        rsr a15, excsave2
        rfe
    level2:
    level3:
        rfi 3
    level4:
        rfi 4
    level5:
        rfi 5
    debug:
        wsr a15, excsave6
        rsr a15, epc6
        addi a15, a15, 3
        wsr a15, epc6
        rsr a15, excsave6
        rfi 6
    nmi:
        rfi 7
    double:
        movi a15, 0
        wsr a15, windowbase; rsync
        movi a15, 1
        wsr a15, windowstart; rsync
        l32r a15, ps_windowed
        wsr a15, ps; rsync
        j enter
    done:
        j done
    .align 4
    body:
        .space 864
";

/// Instructions that end the experiment early or make all programs alike.
fn is_dull(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(opcode, Illegal | Waiti | Ill | Simcall | Break | BreakN | Witlb | Wdtlb)
        || opcode == MsubS && std::env::var_os("COMPILED_WITHOUT_MSUB").is_some()
}

/// Special registers that random values make the program end with: vectors, breakpoints, the window.
fn is_fatal(instruction: &Instruction) -> bool {
    const FATAL: &[i32] = &[72, 73, 96, 104, 128, 129, 144, 145, 160, 161, 228, 231, 236, 237];
    matches!(instruction.opcode, Opcode::Wsr | Opcode::Xsr) && FATAL.contains(&instruction.imm)
}

/// Registers that hold addresses: of data, of data, and of the code.
fn base(random: &mut Random) -> u8 {
    [3, 5, 5, 1, 4][random.below(5) as usize]
}

fn is_access(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(
        opcode,
        L8ui | L16ui
            | L16si
            | L32i
            | L32ai
            | L32e
            | S8i
            | S16i
            | S32i
            | S32ri
            | S32nb
            | S32c1i
            | S32e
            | Lsi
            | Ssi
            | Lsip
            | Ssip
    )
}

/// One instruction for the place that is `at` bytes into the body.
fn instruction(random: &mut Random, at: usize) -> Instruction {
    loop {
        let opcode = Opcode::ALL[random.below(Opcode::ALL.len() as u32) as usize];
        let mut field = || random.below(16) as u8;
        let (r, s, t) = (field(), field(), field());
        let mut it = Instruction { opcode, length: 3, r, s, t, imm: 0 };
        if random.below(8) == 0 {
            it.length = 2;
        }
        if is_dull(opcode) {
            continue;
        }
        it.imm = match random.below(4) {
            _ if it.target(0).is_some() => {
                // Somewhere in the body, a little ahead more often than not.
                let near = at as i32 + random.below(40) as i32;
                let far = random.below(BODY as u32) as i32;
                let to = if random.below(3) == 0 { far } else { near };
                (to - at as i32) & if opcode >= Opcode::Call0 { !3 } else { !0 }
            }
            _ if opcode == Opcode::L32r => -4 * (1 + random.below(LITERALS) as i32),
            0 => random.below(16) as i32,
            1 => 4 * random.below(64) as i32,
            2 => random.below(256) as i32,
            _ => random.below(4096) as i32 - 2048,
        };
        if is_access(opcode) {
            it.s = base(random);
        }
        // Addresses stay what they are for most of the time.
        if [it.r, it.t].iter().any(|n| [1, 3, 4, 5].contains(n)) && random.below(12) != 0 {
            continue;
        }
        if is_fatal(&it) || encode(&it).is_none() {
            continue;
        }
        return it;
    }
}

/// The program of a seed.
fn program(seed: u64) -> Program {
    let mut random = Random::new(seed);
    let mut program = Program::new(FRAME);
    let mut bytes = Vec::new();
    for _ in 0..LITERALS {
        let literal = match random.below(3) {
            0 => random.next(),
            1 => 0x3ffb_0000 + random.below(0x1000),
            _ => random.below(100),
        };
        bytes.extend(literal.to_le_bytes());
    }
    // What is called begins on a word and, more often than not, with ENTRY.
    while bytes.len() < 4 * LITERALS as usize + BODY {
        let at = bytes.len() - 4 * LITERALS as usize;
        let mut it = instruction(&mut random, at);
        if at.is_multiple_of(4) && random.below(6) == 0 {
            it = Instruction { opcode: Opcode::Entry, length: 3, r: 0, s: 1, t: 0, imm: 32 };
        }
        let word = encode(&it).expect("it encodes").to_le_bytes();
        bytes.extend(&word[..usize::from(it.length)]);
    }
    // And at the end from the beginning.
    let at = bytes.len() as i32 - 4 * LITERALS as i32;
    let back = Instruction { opcode: Opcode::J, length: 3, r: 0, s: 0, t: 0, imm: -at };
    bytes.extend(&encode(&back).expect("it encodes").to_le_bytes()[..3]);
    let body = program.symbol("body");
    program.set_literal("source", body);
    program.set_bytes("body", &bytes);
    program
}

/// Sets the chip up for code that keeps to the rules: an instruction that raises an exception is passed
/// over, and timer interrupts come every 61 cycles.
const TIDY_FRAME: &str = "
    .literal data, 0x3ffb0000
    .literal stack, 0x3ffe8000
    .literal ps_windowed, 0x60020
    .literal one, 0x3f800000
    .literal many, 0x12345678
    start:
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        l32r a1, stack
        movi a0, 0
        l32r a2, ps_windowed; wsr a2, ps; rsync
        movi a2, 1; wsr a2, cpenable; rsync
        l32r a2, one
        wfr f1, a2
        l32r a2, many
        float.s f2, a2, 0
        mov.n a3, a2; mov.n a4, a2; addi a5, a2, 77; neg a6, a2
        rsr a2, ccount
        addi a2, a2, 61
        wsr a2, ccompare0
        movi a2, 64; wsr a2, intenable; rsync
        j main
    kernel:
    user:
        wsr a15, excsave2
        rsr a15, exccause
        beqi a15, 4, timer
        rsr a15, epc1
        addi a15, a15, 3
        wsr a15, epc1
        j back
    timer:
        rsr a15, ccount
        addi a15, a15, 61
        wsr a15, ccompare0
    back:
        rsr a15, excsave2
        rfe
    done:
        j done
";

/// Functions of a tidy program; each calls those behind it.
const FUNCTIONS: u32 = 12;

/// An instruction that goes on with the next one and leaves a0 to a2 alone.
fn straight(random: &mut Random) -> String {
    use Opcode::*;
    loop {
        let opcode = Opcode::ALL[random.below(Opcode::ALL.len() as u32) as usize];
        let mut field = || random.below(16) as u8;
        let (r, s, t) = (field(), field(), field());
        let imm = match random.below(3) {
            0 => random.below(32) as i32,
            1 => 4 * random.below(64) as i32,
            _ => random.below(256) as i32,
        };
        let mut it = Instruction { opcode, length: 3, r, s, t, imm };
        if is_access(opcode) {
            it.s = 2;
        }
        let leaves = matches!(
            opcode,
            Jx | Callx0
                | Callx4
                | Callx8
                | Callx12
                | Ret
                | Retw
                | Entry
                | Rotw
                | Movsp
                | Rfe
                | Rfde
                | Rfi
                | Rfwo
                | Rfwu
                | Rfdo
                | Rfdd
                | Syscall
                | L32r
                | Lsip
                | Ssip
                | Lsxp
                | Ssxp
                | MulaLd
                | Ldinc
                | Lddec
                | Rsil
        );
        // SAR, BR, SCOMPARE1, MAC16, EXCSAVE1, MISC.
        const HARMLESS: &[i32] = &[3, 4, 12, 16, 17, 32, 33, 34, 35, 209, 244, 245, 246, 247];
        let writes = matches!(opcode, Wsr | Xsr) && !HARMLESS.contains(&it.imm);
        if leaves || writes || is_dull(opcode) || it.target(0).is_some() {
            continue;
        }
        if it.r < 3 || it.t < 3 || encode(&it).is_none() {
            continue;
        }
        return it.to_string();
    }
}

/// What a function does between its ENTRY and its RETW.
fn statements(random: &mut Random, function: u32, label: &mut u32, depth: u32) -> String {
    let mut text = String::new();
    for _ in 0..4 + random.below(10) {
        *label += 1;
        let (here, n, m) = (*label, 3 + random.below(13), 3 + random.below(13));
        text += &match random.below(24) {
            0 if depth < 2 => {
                let kind = ["loop", "loopnez", "loopgtz"][random.below(3) as usize];
                let mut inner: String =
                    (0..1 + random.below(5)).map(|_| straight(random) + "\n").collect();
                // A body of several blocks.
                if random.below(2) == 0 {
                    let callee = function + 1 + random.below(FUNCTIONS);
                    let skipped = match callee < FUNCTIONS {
                        true => format!("call8 f{callee}"),
                        false => straight(random),
                    };
                    let last = straight(random);
                    inner += &format!("beqz a{m}, k{here}\n{skipped}\nk{here}:\n{last}\n");
                }
                format!("movi a{n}, {}\n{kind} a{n}, l{here}\n{inner}l{here}:\n", random.below(6))
            }
            1 if depth < 2 => {
                let inner = statements(random, function, label, depth + 1);
                let branch = ["beq", "bne", "blt", "bge", "bltu", "bgeu", "bany", "bnone", "bbc"]
                    [random.below(9) as usize];
                format!("{branch} a{n}, a{m}, i{here}\nj l{here}\ni{here}:\n{inner}l{here}:\n")
            }
            2 if depth < 2 => {
                let inner = statements(random, function, label, depth + 1);
                let branch = ["beqz", "bnez", "bltz", "bgez"][random.below(4) as usize];
                format!("{branch} a{n}, l{here}\n{inner}l{here}:\n")
            }
            3 if depth < 2 => {
                // Not as a loop in a loop: there is one set of loop registers.
                let inner: String =
                    (0..1 + random.below(4)).map(|_| straight(random) + "\n").collect();
                format!(
                    "movi a{n}, {}\nwsr a{n}, misc3\nl{here}:\n{inner}rsr a{n}, misc3\n\
                     addi a{n}, a{n}, -1\nwsr a{n}, misc3\nbnez a{n}, l{here}\n",
                    1 + random.below(6)
                )
            }
            4 | 5 if function + 1 < FUNCTIONS => {
                let callee = function + 1 + random.below(FUNCTIONS - function - 1);
                let size = [8, 8, 8, 4, 12][random.below(5) as usize];
                format!("call{size} f{callee}\n")
            }
            6 => format!("rsil a{n}, {}\nnop\nwsr a{n}, ps\nrsync\n", random.below(4)),
            7 => format!("rsr a{n}, ccount\n"),
            _ => straight(random) + "\n",
        };
    }
    text
}

/// A program of functions that call each other, with loops and branches ahead.
fn tidy_program(seed: u64) -> Program {
    let mut random = Random::new(seed);
    let mut label = 0;
    let mut text = TIDY_FRAME.to_owned();
    for function in 0..FUNCTIONS {
        let body = statements(&mut random, function, &mut label, 0);
        text += &format!(".align 4\nf{function}:\nentry a1, 48\nl32r a2, data\n{body}retw\n");
    }
    text += "main:\n";
    for _ in 0..6 {
        let callee = random.below(FUNCTIONS);
        text += &format!("call8 f{callee}\nmov.n a3, a10\n{}\n", straight(&mut random));
    }
    text += "j main\n";
    Program::new(&text)
}

#[test]
fn tidy_random_programs_run_the_same_compiled_and_interpreted() {
    for seed in 0..programs() {
        compare(&tidy_program(seed), seed, (seed % 3) as u32);
    }
}

fn programs() -> u64 {
    std::env::var("COMPILED_PROGRAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

/// Runs both side by side, from instant to instant.
fn compare(program: &Program, seed: u64, compile_after: u32) -> u64 {
    let mut compiled = program.chip_that_compiles(Some(compile_after));
    let mut interpreted = program.chip_that_compiles(None);
    let mut random = Random::new(!seed);
    for step in 0..12 {
        let cycles = 1 + u64::from(random.below([2_000, 7, 4_000][step % 3]));
        for chip in [&mut compiled, &mut interpreted] {
            run_for(chip, cycles);
        }
        let what = format!(
            "seed {seed}, compiled after {compile_after}, step {step}, pc {:#x}",
            interpreted.cpu(CoreId::Pro).pc
        );
        assert_same(&state(&compiled), &state(&interpreted), &what);
        assert_floats(&compiled, &interpreted, &what);
    }
    // On hosts without an emitter this is one interpreter against the other, and no more.
    let emits = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
    assert_eq!(compiled.compiling().is_some_and(|it| it.blocks > 0), emits, "seed {seed}");
    assert_eq!(interpreted.compiling(), None);
    compiled.instructions()
}

fn assert_floats(compiled: &Esp32, interpreted: &Esp32, what: &str) {
    for n in 0..16 {
        let [one, other] = [compiled, interpreted].map(|chip| chip.cpu(CoreId::Pro).float(n));
        assert_eq!(one, other, "f{n}, {what}");
    }
}

#[test]
fn random_programs_run_the_same_compiled_and_interpreted() {
    let programs = programs();
    let mut executed = 0;
    for seed in 0..programs {
        executed += compare(&program(seed), seed, (seed % 3) as u32);
    }
    // They do not all end in an endless loop of exceptions before anything has happened.
    assert!(executed > programs * 5_000, "{executed} instructions in {programs} programs");
}

/// Goes on behind whatever faults, and counts it in a14.
const COUNTS_FAULTS: &str = "
    .literal dport, 0x3ff00000
    .literal mmu, 0x3ff10000
    .literal nothing, 0x100
    .literal start_of_window, 0x60020
    .literal value, 0x12345678
    start:
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        l32r a2, start_of_window; wsr a2, ps; rsync
        movi a2, 1; wsr a2, cpenable; rsync
        l32r a4, dport
        movi a5, 0; s32i a5, a4, 0x44       # PRO_CACHE_CTRL1: all buses
        movi a5, 8; s32i a5, a4, 0x40       # PRO_CACHE_CTRL: enable
        l32r a4, mmu
        l32r a6, nothing
        movi a5, 1; s32i a5, a4, 0          # 3F40_0000: flash 1_0000
        s32i a6, a4, 4                      # 3F41_0000: nothing
        s32i a5, a4, 252                    # 3F7F_0000: flash 1_0000
        movi a14, 0
        movi a6, 0
        l32r a7, value
        wfr f1, a7
    again:
        j accesses
    user:
        wsr a15, excsave2
        rsr a15, epc1
        addi a15, a15, 3
        wsr a15, epc1
        rsr a15, excsave2
        addi a14, a14, 1
        rfe
    done:
        j done
    accesses:
";

#[test]
fn accesses_around_the_ends_of_memories_do_the_same_compiled_and_interpreted() {
    // SRAM, a granule in it, pages of flash.
    let ends = [0x3ffa_e000, 0x4000_0000, 0x3ffb_0100, 0x3f40_0000, 0x3f41_0000, 0x3f80_0000];
    let operations = [
        "l8ui a5, a3, 0; xor a6, a6, a5",
        "l16ui a5, a3, 0; xor a6, a6, a5",
        "l16si a5, a3, 0; add a6, a6, a5",
        "l32i a5, a3, 0; sub a6, a6, a5",
        "lsi f2, a3, 0; rfr a5, f2; xor a6, a6, a5",
        "s8i a7, a3, 0",
        "s16i a7, a3, 0; addi a7, a7, 1",
        "s32i a7, a3, 0; addi a7, a7, 1",
        "mov a5, a7; s32c1i a5, a3, 0; add a6, a6, a5",
        "ssi f1, a3, 0; wfr f1, a6",
    ];
    let (mut literals, mut body) = (String::new(), String::new());
    for address in ends.iter().flat_map(|end| end - 6..end + 6) {
        literals += &format!(".literal at_{address:x}, {address:#x}\n");
        for operation in operations {
            body += &format!("l32r a3, at_{address:x}; {operation}\n");
        }
    }
    let program = Program::new(&format!("{literals}{COUNTS_FAULTS}{body}j again\n"));
    let mut flash = flash();
    let pattern: Vec<u8> = (0..0x1_0000_u32).map(|n| (n % 251) as u8).collect();
    flash.load(0x1_0000, &pattern).expect("inside the chip");
    let chip = |compile_after| {
        let config = ChipConfig { compile_after, ..ChipConfig::default() };
        let mut chip = program.chip_with(config, flash.clone(), None);
        run_for(&mut chip, 30_000);
        chip
    };
    let interpreted = chip(None);
    assert!(interpreted.cpu(CoreId::Pro).physical_ar(14) > 100, "some of them fault");
    for compile_after in [0, 1, 2] {
        let compiled = chip(Some(compile_after));
        let what = format!("compiled after {compile_after}");
        assert_same(&state(&compiled), &state(&interpreted), &what);
        assert_floats(&compiled, &interpreted, &what);
    }
}

/// The loop registers are written, and not by LOOP: so nobody knew, when the blocks were made, that a loop
/// would end in the middle of the second one, which is compiled together with the first.
const LOOP_ENDS_WITHIN: &str = "
    .literal first_at, first
    .literal again_at, again
    .literal within_at, within
    .literal begin_at, begin
    start:
        movi a2, 0x20; wsr a2, ps; rsync
        l32r a7, first_at
        l32r a8, again_at
        l32r a2, within_at; wsr a2, lend
        l32r a2, begin_at; wsr a2, lbeg
        movi a5, 0
        movi a6, 0
    again:
        addi a6, a6, 1
        extui a2, a6, 1, 1
        wsr a2, lcount
        jx a7
    first:                              # is hot before the second one
        addi a5, a5, 1
        bbci a6, 0, not_now
        j second
    not_now:
        jx a8
    second:
        slli a5, a5, 1
        addi a5, a5, 3
    within:
        addi a5, a5, 5
        jx a8
    begin:
        addi a5, a5, 7
        j second
    done:
        j done
";

#[test]
fn a_loop_may_end_in_the_middle_of_a_block() {
    let program = Program::new(LOOP_ENDS_WITHIN);
    let chip = |compile_after| {
        let mut chip = program.chip_that_compiles(compile_after);
        run_for(&mut chip, 3_000);
        chip
    };
    let interpreted = chip(None);
    assert!(interpreted.cpu(CoreId::Pro).physical_ar(6) > 50, "rounds");
    for compile_after in [0, 1, 3, 10] {
        let what = format!("compiled after {compile_after}");
        assert_same(&state(&chip(Some(compile_after))), &state(&interpreted), &what);
    }
}

/// Changes the first instruction of a block before each call of it, so that it is a new block each
/// time.
const EVER_NEW: &str = "
    .literal code, 0x40080000
    .literal piece, 0
    .literal words, 64
    start:
        l32r a2, piece
        l32r a3, code
        l32r a4, words
    copy:
        l32i a5, a2, 0
        s32i a5, a3, 0
        addi a2, a2, 4
        addi a3, a3, 4
        addi a4, a4, -1
        bnez a4, copy
        l32r a3, code
        l32i a5, a3, 0
    again:
        s32i a5, a3, 0
        callx0 a3
        j again
    done:
        j done
    .align 4
    code_to_copy:
";

#[test]
fn what_compiling_costs_is_told_and_where_its_room_ends_it_is_interpreted() {
    // A clock that shows one millisecond more each time.
    fn clock() -> std::time::Duration {
        static READINGS: AtomicU64 = AtomicU64::new(0);
        std::time::Duration::from_millis(READINGS.fetch_add(1, Ordering::Relaxed))
    }
    let body: String =
        (0..60).map(|n| format!("addi a{}, a{}, {n}\n", 6 + n % 10, 7 + n % 9)).collect();
    let mut program = Program::new(&format!("{EVER_NEW}{body}ret\n"));
    program.set_literal("piece", program.symbol("code_to_copy"));
    let mut chip = program.chip();
    let Some(before) = chip.compiling() else { return };
    assert_eq!((before.blocks, before.refused), (0, 0));
    chip.set_clock(clock);
    let mut interpreted = program.chip_that_compiles(None);

    // Each round has a run through the block, and no block takes less than a hundred bytes.
    while chip.compiling().is_some_and(|it| it.refused == 0) {
        [&mut chip, &mut interpreted].into_iter().for_each(|chip| run_for(chip, 100_000));
        let it = chip.compiling().expect("it compiles");
        assert!(it.blocks < it.limit_bytes as u64 / 100, "{it:?}");
    }
    let full = chip.compiling().expect("it compiles");
    assert!(
        full.code_bytes <= full.memory_bytes && full.memory_bytes == full.limit_bytes,
        "{full:?}"
    );
    let tries = full.blocks + full.refused;
    assert_eq!(full.time, std::time::Duration::from_millis(tries), "{full:?}");

    let mut copy = chip.clone();
    let chips = [&mut chip, &mut copy, &mut interpreted];
    chips.into_iter().for_each(|chip| run_for(chip, 100_000));
    let after = chip.compiling().expect("it compiles");
    assert!(after.refused > full.refused, "{after:?}");
    assert_eq!((after.blocks, after.code_bytes), (full.blocks, full.code_bytes));
    assert_eq!(copy.compiling().map(|it| it.blocks), Some(full.blocks));
    for chip in [&chip, &copy] {
        assert_same(&state(chip), &state(&interpreted), "full and interpreted");
    }

    chip.power_off();
    let room = chip.compiling().expect("it compiles");
    assert_eq!((room.blocks, room.code_bytes), (full.blocks, 0));
    assert!(room.memory_bytes < full.memory_bytes, "{room:?}");
}

#[test]
fn where_two_runs_part_first_is_found_and_shown() {
    let run = |number: u32, lockstep: &Lockstep| {
        let source = format!(
            "start: movi a2, 100
             again: addi a2, a2, -1
             bnez a2, again
             movi a3, {number}
             count: addi a3, a3, 1
             j count
             done: j done
"
        );
        let mut chip = Program::new(&source).chip();
        chip.set_witness(lockstep.witness());
        let end = after(&chip, 5_000);
        chip.run_until(end)
    };
    let first = Lockstep::record();
    assert_eq!(run(1, &first), Stopped::Deadline);
    let same = first.compare();
    assert_eq!(run(1, &same), Stopped::Deadline);
    assert_eq!(same.parting(), None);
    assert!(same.compared() > 0);

    let first = Lockstep::record();
    assert_eq!(run(1, &first), Stopped::Deadline);
    let other = first.compare();
    let Stopped::Halted(Halt::Parted(parting)) = run(2, &other) else {
        panic!("they are not equal")
    };
    assert_eq!(other.parting(), Some(parting.clone()));
    let again = Lockstep::repeat(&parting);
    assert!(matches!(run(1, &again), Stopped::Halted(Halt::Parted(_))));
    let there = again.parting().expect("it stops there");
    assert_eq!((there.slice, there.cycle), (parting.slice, parting.cycle));
    assert_ne!(there.state, parting.state);
}
