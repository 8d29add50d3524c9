//! What an access of each width finds in each region: a value, or an exception with its cause.
//!
//! Source: Technical Reference Manual, "System and Memory": the data bus serves all widths and
//! alignments, the instruction bus aligned words only; Xtensa ISA Reference Manual for the causes.

use crate::common;
use crate::common::{Program, flash, word};
use Expect::{Cause, Runs, Value};
use esp32_emulator::board::parts::nor_flash::NorFlash;
use esp32_emulator::board::parts::psram::{Psram, PsramSize};
use esp32_emulator::soc::{ChipConfig, Esp32};

/// An access, in the order of the program's table of operations.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    L8ui,
    L16ui,
    L16si,
    L32i,
    S8i,
    S16i,
    S32i,
    /// Compares with 0x1111.
    S32c1i,
    Call,
}
use Op::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Expect {
    /// The register holds this afterwards; of stores, what was stored.
    Value(u32),
    /// The exception's cause; EXCVADDR is the address.
    Cause(u32),
    /// The code there has run and returned.
    Runs,
}

/// Access, address, value stored.
type Row = (Op, u32, u32, Expect);

const fn load(op: Op, address: u32, value: u32) -> Row {
    (op, address, 0, Value(value))
}
const fn store(op: Op, address: u32, value: u32) -> Row {
    (op, address, value, Value(value))
}
const fn fails(op: Op, address: u32, cause: u32) -> Row {
    (op, address, 0x7777_7777, Cause(cause))
}
const fn runs(address: u32) -> Row {
    (Call, address, 0, Runs)
}

const LOAD_STORE_ERROR: u32 = 3;
const FETCH_ADDRESS: u32 = 14;
const DATA_ADDRESS: u32 = 15;
const FETCH_PROHIBITED: u32 = 20;
const LOAD_PROHIBITED: u32 = 28;
const STORE_PROHIBITED: u32 = 29;

/// `ret.n` in the lower half of a word.
const RET: u32 = 0xabcd_f00d;

const RESULTS: u32 = 0x3ffc_0000;
const RESULTS_APP: u32 = 0x3ffc_8000;

const PROGRAM: &str = "
    .literal table_at, table
    .literal operations_at, operations
    .literal noted_at, faulted
    .literal results, 0x3ffc0000
    .literal dport, 0x3ff00000
    .literal mmu, 0x3ff10000
    .literal expected, 0x1111
    .literal none, 0x100
    start:
        movi a2, 0x20; wsr a2, ps; rsync
        movi a2, 0
        movi a3, PROTECTION
        beqz a3, unprotected
        wdtlb a3, a2; witlb a3, a2; isync   # the lowest 512 MiB
    unprotected:
        rsr a2, prid
        extui a2, a2, 13, 1
        l32r a13, results
        slli a3, a2, 15
        add a13, a13, a3
        # Both caches on, all buses; for each core the same pages.
        l32r a4, dport
        movi a5, 0; s32i a5, a4, 0x44; s32i a5, a4, 0x5c
        movi a5, 8; s32i a5, a4, 0x40; s32i a5, a4, 0x58
        l32r a4, mmu
        slli a5, a2, 13
        add a4, a4, a5
        movi a5, 1; s32i a5, a4, 0          # 3F40_0000: flash 1_0000
        movi a5, 3; s32i a5, a4, 4          # 3F41_0000: flash 3_0000
        l32r a6, none
        s32i a6, a4, 8                      # 3F42_0000: nothing
        addmi a7, a4, 0x100
        s32i a6, a7, 48                 # 400C_0000: nothing behind RTC memory
        movi a5, 2; s32i a5, a7, 52     # 400D_0000: flash 2_0000
        movi a5, 4; s32i a5, a7, 56     # 400E_0000: flash 4_0000
        s32i a6, a7, 60                 # 400F_0000: nothing
        addmi a7, a4, 0x1200
        movi a5, 0; s32i a5, a7, 0          # 3F80_0000: PSRAM 0
        movi a5, 5; s32i a5, a7, 4          # 3F80_8000: PSRAM 2_8000
        s32i a6, a7, 8                      # 3F81_0000: nothing
        l32r a12, table_at
    next:
        l32i a2, a12, 0
        bltz a2, end_of_table
        l32i a3, a12, 4
        l32i a4, a12, 8
        l32r a6, expected; wsr a6, scompare1
        l32r a6, operations_at
        slli a7, a2, 3
        add a6, a6, a7
        jx a6
    .align 8
    operations:
        l8ui a4, a3, 0; j fine
        .align 8
        l16ui a4, a3, 0; j fine
        .align 8
        l16si a4, a3, 0; j fine
        .align 8
        l32i a4, a3, 0; j fine
        .align 8
        s8i a4, a3, 0; j fine
        .align 8
        s16i a4, a3, 0; j fine
        .align 8
        s32i a4, a3, 0; j fine
        .align 8
        s32c1i a4, a3, 0; j fine
        .align 8
        callx0 a3; j fine
    fine:
        movi a5, -1
        movi a6, 0
        j note
    faulted:
    note:
        s32i a4, a13, 0; s32i a5, a13, 4; s32i a6, a13, 8
        addi a13, a13, 12
        addi a12, a12, 12
        j next
    user:
        rsr a5, exccause
        rsr a6, excvaddr
        l32r a7, noted_at; wsr a7, epc1
        rfe
    end_of_table:
        movi a2, -2
        s32i a2, a13, 0
        rsr a2, prid
        bbsi a2, 13, app
        # The other core does the same, alone.
        l32r a4, dport
        movi a5, 1; s32i a5, a4, 0x30; movi a5, 0; s32i a5, a4, 0x2c
        movi a5, 100
    pro_waits:
        addi a5, a5, -1
        bnez a5, pro_waits
        waiti 15
    app:
        rsr a2, prid
    done:
        j done
";

fn flash_with_patterns() -> NorFlash {
    let mut chip = flash();
    let mut put = |offset: u32, value: u32| {
        chip.load(offset, &value.to_le_bytes()).expect("inside the chip");
    };
    put(0x1_0000, 0x8765_4321);
    put(0x1_fffc, 0xaabb_ccdd);
    put(0x3_0000, 0x1122_3344);
    put(0x2_0000, RET);
    put(0x2_0010, 0x8765_4321);
    // An instruction over the end of the page: `movi a9, 5` (22 A0 05 with t = 9), then `ret.n`.
    put(0x2_fffc, 0xa092_f03d);
    put(0x4_0000, 0x00f0_0d05);
    chip
}

/// Runs the table on both cores and compares, interpreted and compiled.
fn check(rows: &[Row], psram: Option<Psram>, protection: u32) {
    let mut source = PROGRAM.replace("PROTECTION", &protection.to_string());
    source += ".align 4\ntable:\n";
    for (op, address, value, _) in rows {
        source += &format!(".word {}, {address:#x}, {value:#x}\n", *op as u32);
    }
    source += ".word 0xffffffff, 0, 0\n";
    let mut program = Program::new(&source);
    program.set_rom_word(0x4006_0000, 0x8765_4321);
    program.set_rom_word(0x4006_fffc, RET);
    for compile_after in [None, Some(0)] {
        let config = ChipConfig { compile_after, ..ChipConfig::default() };
        let mut chip = program.chip_with(config, flash_with_patterns(), psram.clone());
        common::run_for(&mut chip, 50_000);
        compare(&chip, rows);
    }
}

fn compare(chip: &Esp32, rows: &[Row]) {
    for (core, results) in [(0, RESULTS), (1, RESULTS_APP)] {
        for (n, row) in rows.iter().enumerate() {
            let &(op, address, _, expect) = row;
            let at = results + n as u32 * 12;
            let [value, cause, vaddr] = [0, 4, 8].map(|offset| word(chip, at + offset));
            let found = match (cause, op) {
                (u32::MAX, Call) => Runs,
                (u32::MAX, _) => Value(value),
                (cause, _) => Cause(cause),
            };
            assert_eq!(found, expect, "core {core}, {op:?} at {address:#x}: {value:#x}");
            if let Cause(_) = expect {
                assert_eq!(vaddr, address, "EXCVADDR on core {core}, {op:?} at {address:#x}");
            }
        }
        let end = word(chip, results + rows.len() as u32 * 12);
        assert_eq!(
            end,
            -2_i32 as u32,
            "core {core} has not come to the end: {}",
            common::where_it_is(chip)
        );
    }
}

/// Every access to `base` on the data bus, whose cells are writable, at alignments that stay inside.
fn data_bus(base: u32) -> Vec<Row> {
    vec![
        store(S32i, base, 0x8899_aabb),
        store(S32i, base + 4, 0xccdd_eeff),
        load(L32i, base, 0x8899_aabb),
        load(L32i, base + 1, 0xff88_99aa),
        load(L32i, base + 2, 0xeeff_8899),
        load(L32i, base + 3, 0xddee_ff88),
        load(L16ui, base, 0xaabb),
        load(L16ui, base + 1, 0x99aa),
        load(L16ui, base + 3, 0xff88),
        load(L16si, base + 2, 0xffff_8899),
        load(L8ui, base, 0xbb),
        load(L8ui, base + 3, 0x88),
        (S8i, base + 1, 0x1234_5612, Value(0x1234_5612)),
        load(L32i, base, 0x8899_12bb),
        (S16i, base + 3, 0x1234_5634, Value(0x1234_5634)),
        load(L32i, base, 0x3499_12bb),
        load(L32i, base + 4, 0xccdd_ee56),
        store(S32i, base + 2, 0x0102_0304),
        load(L32i, base, 0x0304_12bb),
        load(L32i, base + 4, 0xccdd_0102),
    ]
}

/// Every access to `base` on the instruction bus: words only. The old value is 0.
fn instruction_bus(base: u32) -> Vec<Row> {
    let mut rows = words_only(base);
    rows.extend([
        store(S32i, base, 0x1111),
        (S32c1i, base, RET, Value(0x1111)),
        load(L32i, base, RET),
        (S32c1i, base, 0x55, Value(RET)),
        load(L32i, base, RET),
        runs(base),
    ]);
    for op in [S8i, S16i] {
        rows.push(fails(op, base, LOAD_STORE_ERROR));
    }
    for misaligned in 1..4 {
        rows.push(fails(S32i, base + misaligned, LOAD_STORE_ERROR));
    }
    rows.push(load(L32i, base, RET));
    rows
}

/// The loads that the instruction bus refuses.
fn words_only(base: u32) -> Vec<Row> {
    let mut rows = Vec::new();
    for op in [L8ui, L16ui, L16si] {
        for offset in 0..4 {
            rows.push(fails(op, base + offset, LOAD_STORE_ERROR));
        }
    }
    for misaligned in 1..4 {
        rows.push(fails(L32i, base + misaligned, LOAD_STORE_ERROR));
    }
    rows
}

#[test]
fn the_data_bus_serves_all_widths_and_alignments() {
    let mut rows = Vec::new();
    // SRAM2, its end into SRAM1, SRAM1, RTC fast and slow memory.
    for base in [
        0x3ffa_e000,
        0x3ffd_fffc,
        0x3ffe_0000,
        0x3fff_fff8,
        0x3ff8_0000,
        0x3ff8_1ff8,
        0x5000_0000,
        0x5000_1ff8,
    ] {
        rows.extend(data_bus(base));
    }
    check(&rows, None, 0);
}

#[test]
fn the_instruction_bus_serves_aligned_words() {
    let mut rows = Vec::new();
    for base in
        [0x4007_0000, 0x4008_0000, 0x4009_fffc, 0x400a_0000, 0x400b_fffc, 0x400c_0000, 0x400c_1ffc]
    {
        rows.extend(instruction_bus(base));
    }
    // ROM and flash can only be read.
    for base in [0x4006_0000, 0x400d_0010] {
        rows.extend(words_only(base));
        rows.push(load(L32i, base, 0x8765_4321));
    }
    rows.extend([runs(0x4006_fffc), runs(0x400d_0000)]);
    check(&rows, None, 0);
}

#[test]
fn sram1_is_reversed_word_by_word() {
    let mut rows = Vec::new();
    for offset in [0_u32, 4, 0x1234, 0x1_fffc] {
        let (data, code) = (0x3ffe_0000 + offset, 0x400b_fffc - offset);
        rows.extend([
            store(S32i, data, 0x8899_0000 + offset),
            load(L32i, code, 0x8899_0000 + offset),
            store(S32i, code, RET + offset),
            load(L32i, data, RET + offset),
            load(L8ui, data + 3, 0xab),
            store(S32i, data, RET),
            runs(code),
        ]);
    }
    check(&rows, None, 0);
}

#[test]
fn rtc_fast_memory_and_rom_appear_on_both_buses() {
    check(
        &[
            store(S32i, 0x3ff8_0064, 0x8899_aabb),
            load(L32i, 0x400c_0064, 0x8899_aabb),
            store(S32i, 0x400c_1ffc, RET),
            load(L16ui, 0x3ff8_1ffe, 0xabcd),
            // An image segment of MicroPython lies unaligned here.
            store(S32i, 0x3ff8_0063, 0x0102_0304),
            load(L32i, 0x3ff8_0063, 0x0102_0304),
            load(L32i, 0x3ff9_0000, 0x8765_4321),
            load(L8ui, 0x3ff9_0002, 0x65),
            load(L16ui, 0x3ff9_0001, 0x6543),
            load(L32i, 0x3ff9_fffc, RET),
        ],
        None,
        0,
    );
}

#[test]
fn flash_is_read_through_the_mmu_of_each_core() {
    check(
        &[
            load(L32i, 0x3f40_0000, 0x8765_4321),
            load(L8ui, 0x3f40_0003, 0x87),
            load(L16ui, 0x3f40_0001, 0x6543),
            load(L16si, 0x3f40_0002, 0xffff_8765),
            load(L32i, 0x3f40_fffc, 0xaabb_ccdd),
            // Over the end of a page into one from elsewhere.
            load(L32i, 0x3f40_fffe, 0x3344_aabb),
            load(L16ui, 0x3f40_ffff, 0x44aa),
            load(L32i, 0x3f41_0000, 0x1122_3344),
            fails(L32i, 0x3f42_0000, DATA_ADDRESS),
            fails(L8ui, 0x3f42_ffff, DATA_ADDRESS),
            fails(L32i, 0x3f41_fffe, DATA_ADDRESS),
            fails(L32i, 0x400f_0000, DATA_ADDRESS),
            fails(Call, 0x400f_0000, FETCH_ADDRESS),
            fails(Call, 0x400c_2000, FETCH_ADDRESS),
            // `nop.n` and a MOVI of three bytes over the end of the page, RET.N behind it.
            runs(0x400d_fffc),
            // Not for execution, not for stores.
            fails(Call, 0x3f40_0000, FETCH_ADDRESS),
            fails(S32i, 0x3f40_0000, DATA_ADDRESS),
            fails(S8i, 0x3f40_0000, DATA_ADDRESS),
            fails(S32i, 0x400d_0000, DATA_ADDRESS),
            fails(S32i, 0x4000_0000, DATA_ADDRESS),
        ],
        None,
        0,
    );
}

#[test]
fn psram_is_there_when_the_board_has_it() {
    let mut rows = data_bus(0x3f80_0000);
    rows.extend(data_bus(0x3f80_8000));
    rows.extend([
        // Over the end of a page into one from elsewhere.
        store(S32i, 0x3f80_7ffe, 0x8899_aabb),
        load(L16ui, 0x3f80_7ffe, 0xaabb),
        load(L16ui, 0x3f80_8000, 0x8899),
        load(L32i, 0x3f80_7ffe, 0x8899_aabb),
        fails(L32i, 0x3f81_0000, DATA_ADDRESS),
        fails(S8i, 0x3f81_0000, DATA_ADDRESS),
        fails(L32i, 0x3f80_fffe, DATA_ADDRESS),
        fails(Call, 0x3f80_0000, FETCH_ADDRESS),
    ]);
    check(&rows, Some(Psram::new(PsramSize::MiB4)), 0);
    let absent = [
        fails(L32i, 0x3f80_0000, DATA_ADDRESS),
        fails(L8ui, 0x3f80_0001, DATA_ADDRESS),
        fails(S32i, 0x3f80_0000, DATA_ADDRESS),
    ];
    check(&absent, None, 0);
}

#[test]
fn registers_take_words_and_parts_of_words() {
    const GPIO_OUT: u32 = 0x3ff4_4004;
    const ALIAS: u32 = 0x6000_4004;
    check(
        &[
            store(S32i, GPIO_OUT, 0x8765_4321),
            load(L32i, GPIO_OUT, 0x8765_4321),
            load(L32i, ALIAS, 0x8765_4321),
            load(L8ui, GPIO_OUT + 1, 0x43),
            load(L16ui, ALIAS + 2, 0x8765),
            load(L16ui, GPIO_OUT + 1, 0x6543),
            store(S32i, ALIAS, 0x1),
            load(L32i, GPIO_OUT, 0x1),
            // Nothing splits an access to registers.
            fails(L32i, GPIO_OUT + 1, LOAD_STORE_ERROR),
            fails(L16ui, GPIO_OUT + 3, LOAD_STORE_ERROR),
            fails(S32i, ALIAS + 2, LOAD_STORE_ERROR),
            // Only the upper half of the register space has an alias.
            load(L32i, 0x3ff0_0038, 0),
            fails(L32i, 0x6004_0000, DATA_ADDRESS),
            // Neither is there code.
            fails(Call, 0x3ff4_4000, FETCH_ADDRESS),
            fails(Call, 0x6000_4000, FETCH_ADDRESS),
        ],
        None,
        0,
    );
}

const HOLES: [u32; 18] = [
    0x2000_0000,
    0x3f3f_fffc,
    0x3fc0_0000,
    0x3fef_fffc,
    0x3ff8_2000,
    0x3ff8_fffc,
    0x3ffa_0000,
    0x3ffa_dffc,
    0x40c0_0000,
    0x4fff_fffc,
    0x5000_2000,
    0x5fff_fffc,
    0x6004_0000,
    0x7000_0000,
    0x8000_0000,
    0xa000_0000,
    0xe000_0000,
    0xffff_fffc,
];

#[test]
fn nothing_answers_in_the_holes() {
    let mut rows = Vec::new();
    for hole in HOLES {
        for op in [L8ui, L16ui, L32i, S8i, S16i, S32i, S32c1i] {
            rows.push(fails(op, hole, DATA_ADDRESS));
        }
        rows.push(fails(Call, hole, FETCH_ADDRESS));
    }
    // The data bus's memories hold no code.
    for address in [0x3ffa_e000, 0x3ffe_0000, 0x3ff8_0000, 0x3ff9_0000] {
        rows.push(fails(Call, address, FETCH_ADDRESS));
    }
    check(&rows, None, 0);
}

#[test]
fn an_unaligned_access_over_the_end_of_a_region_fails_as_a_whole() {
    let mut rows = Vec::new();
    for end in [0x3ff8_2000_u32, 0x5000_2000, 0x3ffa_0000] {
        for op in [L16ui, L32i] {
            rows.push(fails(op, end - 1, DATA_ADDRESS));
        }
        rows.push(fails(L32i, end - 3, DATA_ADDRESS));
    }
    for end in [0x3ff8_2000_u32, 0x5000_2000] {
        rows.extend([
            store(S32i, end - 4, 0x8899_aabb),
            fails(S32i, end - 2, DATA_ADDRESS),
            fails(S16i, end - 1, DATA_ADDRESS),
            load(L32i, end - 4, 0x8899_aabb),
        ]);
    }
    // And over its beginning.
    for begin in [0x3ff8_0000_u32, 0x3ff9_0000, 0x3ffa_e000, 0x5000_0000] {
        if begin != 0x3ff8_0000 {
            rows.extend([
                fails(L32i, begin - 2, DATA_ADDRESS),
                fails(L16ui, begin - 1, DATA_ADDRESS),
            ]);
        }
    }
    check(&rows, None, 0);
}

#[test]
fn the_null_region_can_be_protected() {
    let accesses = |load, store, fetch| {
        let mut rows = Vec::new();
        for address in [0, 4, 0x1000, 0x1fff_fffc] {
            rows.extend([L8ui, L16ui, L32i].map(|op| fails(op, address, load)));
            rows.extend([S8i, S16i, S32i].map(|op| fails(op, address, store)));
            rows.push(fails(Call, address, fetch));
        }
        rows
    };
    check(&accesses(LOAD_PROHIBITED, STORE_PROHIBITED, FETCH_PROHIBITED), None, 15);
    check(&accesses(DATA_ADDRESS, DATA_ADDRESS, FETCH_ADDRESS), None, 0);
    // The next region is another one.
    let mut rows = data_bus(0x3ffb_0000);
    rows.push(fails(L32i, 0x2000_0000, DATA_ADDRESS));
    check(&rows, None, 15);
}

#[test]
fn the_flash_chip_answers_only_over_pads_that_are_connected_to_spi() {
    let program = Program::new(
        "
        .literal spi1, 0x3ff42000
        .literal sd_clk, 0x3ff49060
        .literal spi_clk, 0x1000
        .literal rdid, 0x10000000
        .literal results, 0x3ffb0000
        start:
            l32r a2, spi1; l32r a3, rdid; l32r a6, results
            s32i a3, a2, 0
        first: l32i a4, a2, 0; bnez a4, first
            l32i a5, a2, 0x80; s32i a5, a6, 0
            l32r a4, sd_clk; l32r a5, spi_clk; s32i a5, a4, 0
            s32i a3, a2, 0
        second: l32i a4, a2, 0; bnez a4, second
            l32i a5, a2, 0x80; s32i a5, a6, 4
        done: j done
        ",
    );
    let chip = program.run();
    let ids = [0, 4].map(|offset| word(&chip, 0x3ffb_0000 + offset) & 0xff_ffff);
    assert_eq!(ids[0], 0, "after a reset the pads belong to the SD card");
    assert_ne!(ids[1], 0);
}
