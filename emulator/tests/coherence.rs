//! Code that changes while it is being executed: whoever changes it, the next instruction fetched
//! is the new one. (Silicon wants an ISYNC; a program that has one cannot tell the difference.)

use crate::common;
use crate::common::{Program, flash, word};
use esp32_emulator::board::parts::nor_flash::NorFlash;
use esp32_emulator::cpu::assembler::Assembler;
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::{ChipConfig, Esp32};

const RESULTS: u32 = 0x3ffb_0000;

/// The data-bus address of the word that the instruction bus shows at `address` of SRAM1.
fn reversed(address: u32) -> u32 {
    0x3ffe_0000 + (0x400b_fffc - address)
}

/// The longest block, and after how many runs it is compiled.
const WAYS: [(usize, Option<u32>); 6] =
    [(1, None), (64, None), (1, Some(0)), (64, Some(0)), (64, Some(2)), (64, Some(5))];

/// Runs to the end in all ways; the last one's chip.
fn run(program: &Program) -> Esp32 {
    let run = |(max_block, compile_after)| {
        let config = ChipConfig { max_block, compile_after, ..ChipConfig::default() };
        let mut chip = program.chip_with(config, flash(), None);
        program.finish(&mut chip, 50_000);
        chip
    };
    let [first, others @ ..] = WAYS.map(run);
    let reference = common::state(&first);
    for (chip, way) in others.iter().zip(&WAYS[1..]) {
        common::assert_same(&common::state(chip), &reference, &format!("{way:?}"));
    }
    let [.., last] = others;
    last
}

/// `movi.n a2, K; ret.n` is one word; this is its value for K = 0, and K stands in bits 15:12.
const FUNCTION: u32 = 0xf00d_020c;

/// `l32r a2, -8; ret.n`: at the third word of a page, the first one.
const L32R_A2_THEN_RET: u64 = 0x00f0_0dff_fe21;

/// Calls the function at `code` eight times, changing K before each call; the results become octal
/// digits. `patch` stores the word in a6 by way of a7, which holds `through`.
fn patched_function(code: u32, through: u32, patch: &str) -> u32 {
    let program = Program::new(&format!(
        "
        .literal results, {RESULTS:#x}
        .literal function, {FUNCTION:#x}
        .literal code, {code:#x}
        .literal through, {through:#x}
        start:
            l32r a3, code
            l32r a6, function
            s32i a6, a3, 0
            l32r a7, through
            movi a5, 0                    # K
            movi a8, 0                    # results
        again:
            slli a4, a5, 12
            l32r a6, function
            or a6, a6, a4
            {patch}
            memw; isync
            callx0 a3
            slli a8, a8, 3
            or a8, a8, a2
            addi a5, a5, 1
            bnei a5, 8, again
            l32r a3, results
            s32i a8, a3, 0
        done:
            j done
        "
    ));
    word(&run(&program), RESULTS)
}

#[test]
fn a_function_changes_between_its_calls() {
    let view = 0x400a_8100;
    let data = reversed(view); // at the start of a granule of 256 bytes
    assert_eq!(data % 256, 252);
    let cases = [
        (0x4008_0000, 0x4008_0000, "s32i a6, a7, 0"),
        (0x4007_8004, 0x4007_8004, "s32i a6, a7, 0"),
        (view, view, "s32i a6, a7, 0"),
        (view, data, "s32i a6, a7, 0"),
        (view, data, "s16i a6, a7, 0"),
        (view, data, "extui a9, a6, 8, 8; s8i a9, a7, 1"),
        (
            view,
            data,
            "movi a9, 0; wsr a9, scompare1; l32i a9, a7, 0; wsr a9, scompare1; s32c1i a6, a7, 0",
        ),
        (0x400c_0010, 0x400c_0010, "s32i a6, a7, 0"),
        (0x400c_0010, 0x3ff8_0010, "s32i a6, a7, 0"),
        (0x400c_0010, 0x3ff8_0010, "s16i a6, a7, 0"),
        (0x5000_0010, 0x5000_0010, "s32i a6, a7, 0"),
    ];
    for (code, through, patch) in cases {
        let found = patched_function(code, through, patch);
        assert_eq!(found, 0o01234567, "{code:#x} through {through:#x}: {patch} gives {found:#o}");
    }
}

#[test]
fn an_unaligned_store_that_begins_outside_of_the_code_changes_it() {
    // The code's word is the first of a granule, the store begins two bytes before it.
    let view = 0x400a_80fc;
    let data = reversed(view);
    assert_eq!(data % 256, 0);
    let patch = "slli a9, a6, 16; s32i a9, a7, 0";
    assert_eq!(patched_function(view, data - 2, patch), 0o01234567);
    // And one that ends inside of it, in RTC memory.
    assert_eq!(patched_function(0x400c_0100, 0x3ff8_00fe, patch), 0o01234567);
}

#[test]
fn an_instruction_further_on_in_the_same_block_changes() {
    for base in [0x4008_0040_u32, 0x400a_4040] {
        let program = Program::new(&format!(
            "
            .literal results, {RESULTS:#x}
            .literal function, {FUNCTION:#x}
            .literal base, {base:#x}
            .literal source, block
            start:
                movi a2, 0; wsr a2, ps; rsync
                l32r a3, base
                l32r a4, source
                movi a5, 3
                mov.n a6, a3
                loop a5, copied
                    l32i a7, a4, 0
                    s32i a7, a6, 0
                    addi a4, a4, 4
                    addi a6, a6, 4
            copied:
                movi a5, 0
                movi a8, 0
            again:
                slli a4, a5, 12
                l32r a6, function
                or a6, a6, a4
                callx0 a3
                slli a8, a8, 3
                or a8, a8, a2
                addi a5, a5, 1
                bnei a5, 8, again
                l32r a3, results
                s32i a8, a3, 0
            done:
                j done
            .align 4
            block:
                s32i a6, a3, 8            # changes the word behind it
                nop.n
                addi a9, a9, 1
                movi.n a2, 0
                ret.n
            "
        ));
        let found = word(&run(&program), RESULTS);
        assert_eq!(found, 0o01234567, "{base:#x}: {found:#o}");
    }
}

#[test]
fn a_literal_changes_that_has_been_read_already() {
    // L32R from IRAM: the code cache may fold the literal, but not for longer than it stays.
    let program = Program::new(&format!(
        "
        .literal results, {RESULTS:#x}
        .literal base, 0x40080300
        .literal source, block
        start:
            l32r a3, base
            l32r a4, source
            l32i a7, a4, 0; s32i a7, a3, 0
            l32i a7, a4, 4; s32i a7, a3, 4
            l32i a7, a4, 8; s32i a7, a3, 8
            movi a5, 0
            movi a8, 0
            addi a6, a3, 4
        again:
            s32i a5, a3, 0                # the literal
            callx0 a6
            slli a8, a8, 3
            or a8, a8, a2
            addi a5, a5, 1
            bnei a5, 8, again
            l32r a3, results
            s32i a8, a3, 0
        done:
            j done
            .align 4
        block:
            .word 0
            l32r a2, block
            ret.n
        "
    ));
    let found = word(&run(&program), RESULTS);
    assert_eq!(found, 0o01234567, "{found:#o}");
}

#[test]
fn the_other_core_changes_the_code() {
    // PRO_CPU executes, APP_CPU changes; each waits for the other in a polling loop.
    let program = Program::new(&format!(
        "
        .literal results, {RESULTS:#x}
        .literal dport, 0x3ff00000
        .literal function, {FUNCTION:#x}
        .literal code, 0x400a8000
        .literal through, {through:#x}
        start:
            l32r a3, results
            movi a5, 0
            rsr a2, prid
            bbsi a2, 13, app
            movi a8, 0
            l32r a4, dport
            movi a6, 1; s32i a6, a4, 0x30
            movi a6, 0; s32i a6, a4, 0x2c
            l32r a4, code
        execute:
            addi a5, a5, 1
        wait_for_code:
            l32i a6, a3, 4
            bne a6, a5, wait_for_code
            callx0 a4
            slli a8, a8, 3
            or a8, a8, a2
            s32i a5, a3, 8
            bnei a5, 8, execute
            s32i a8, a3, 0
        done:
            j done
        app:
            l32r a4, through
            l32r a7, function
        change:
            slli a6, a5, 12
            or a6, a6, a7
            s32i a6, a4, 0
            addi a5, a5, 1
            s32i a5, a3, 4
        wait_for_execution:
            l32i a6, a3, 8
            bne a6, a5, wait_for_execution
            bnei a5, 8, change
        app_done:
            j app_done
        ",
        through = reversed(0x400a_8000)
    ));
    let found = word(&run(&program), RESULTS);
    assert_eq!(found, 0o01234567, "{found:#o}");
}

#[test]
fn a_dma_controller_writes_over_the_code() {
    // HSPI reads MTDI, its MISO pad, which is pulled down: zeros, which are ILL.
    let program = Program::new(&format!(
        "
        .literal results, {RESULTS:#x}
        .literal spi2, 0x3ff64000
        .literal function, {FUNCTION:#x}
        .literal code, 0x400a8000
        .literal descriptor, 0x3ffb1000
        .literal owned, 0xc0000004
        .literal buffer, {through:#x}
        .literal start_link, 0x200b1000
        .literal miso, 0x10000000
        .literal usr, 0x40000
        start:
            movi a2, 0; wsr a2, ps; rsync
            l32r a3, code
            l32r a6, function
            s32i a6, a3, 0
            callx0 a3
            callx0 a3
            l32r a4, descriptor
            l32r a5, owned; s32i a5, a4, 0
            l32r a5, buffer; s32i a5, a4, 4
            movi a5, 0; s32i a5, a4, 8
            l32r a4, spi2
            l32r a5, miso; s32i a5, a4, 0x1c
            movi a5, 31; s32i a5, a4, 0x2c
            l32r a5, start_link; s32i a5, a4, 0x108
            l32r a5, usr; s32i a5, a4, 0
        transfer:
            l32i a5, a4, 0
            bnez a5, transfer
            movi a2, 0x55
            callx0 a3
            j unexpected
        kernel:
            l32r a4, results
            rsr a5, exccause; s32i a5, a4, 0
            rsr a5, epc1; s32i a5, a4, 4
            s32i a2, a4, 8
            l32i a5, a3, 0; s32i a5, a4, 12
        done:
            j done
        ",
        through = reversed(0x400a_8000)
    ));
    let chip = run(&program);
    assert_eq!(word(&chip, RESULTS + 12), 0, "the pad is low");
    assert_eq!(word(&chip, RESULTS), 0, "illegal instruction");
    assert_eq!(word(&chip, RESULTS + 4), 0x400a_8000);
    assert_eq!(word(&chip, RESULTS + 8), 0x55);
}

#[test]
fn flash_is_programmed_and_erased_under_mapped_code() {
    let mut chip_flash = flash();
    // `movi.n a2, 7; ret.n`; programming clears bits, so K can become 5, 1, 0.
    let code = FUNCTION | 7 << 12;
    for offset in [0x1_0000, 0x1_0100] {
        chip_flash.load(offset, &code.to_le_bytes()).expect("inside the chip");
    }
    let program = Program::new(&format!(
        "
        .literal results, {RESULTS:#x}
        .literal dport, 0x3ff00000
        .literal mmu_entry, 0x3ff10000 + 308
        .literal spi1, 0x3ff42000
        .literal code, 0x400d0000
        .literal function, {FUNCTION:#x}
        .literal sd_clk, 0x3ff49060
        .literal spi_clk, 0x1000
        .literal wren, 0x40000000
        .literal rdsr, 0x08000000
        .literal pp, 0x02000000
        .literal se, 0x01000000
        .literal program_at, 0x04010000
        .literal erase_at, 0x010000
        .literal no_exception, 0x20
        start:
            l32r a2, no_exception; wsr a2, ps; rsync
            l32r a4, dport
            movi a5, 0; s32i a5, a4, 0x44   # PRO_CACHE_CTRL1: all buses
            movi a5, 8; s32i a5, a4, 0x40   # PRO_CACHE_CTRL: enable
            l32r a4, mmu_entry
            movi a5, 1; s32i a5, a4, 0      # 400D_0000 shows the page at 1_0000
            l32r a4, sd_clk
            l32r a5, spi_clk; s32i a5, a4, 0   # the pad's function: SPICLK
            l32r a3, code
            l32r a4, spi1
            movi a8, 0
            callx0 a3; slli a8, a8, 3; or a8, a8, a2
            movi a7, 5; call0 program
            callx0 a3; slli a8, a8, 3; or a8, a8, a2
            movi a7, 1; call0 program
            callx0 a3; slli a8, a8, 3; or a8, a8, a2
            movi a7, 0; call0 program
            callx0 a3; slli a8, a8, 3; or a8, a8, a2
            addmi a9, a3, 0x100
            callx0 a9; slli a8, a8, 3; or a8, a8, a2
            l32r a5, wren; s32i a5, a4, 0; call0 controller_idle
            l32r a5, erase_at; s32i a5, a4, 4
            l32r a5, se; s32i a5, a4, 0; call0 controller_idle
            callx0 a9                       # erased: ones are no instruction
            j unexpected
        .align 4
        program:
            mov.n a13, a0
            l32r a5, wren; s32i a5, a4, 0; call0 controller_idle
            l32r a5, program_at; s32i a5, a4, 4
            l32r a6, function
            slli a5, a7, 12
            or a5, a5, a6; s32i a5, a4, 0x80
            l32r a5, pp; s32i a5, a4, 0; call0 controller_idle
        chip_busy:
            l32r a5, rdsr; s32i a5, a4, 0; call0 controller_idle
            l32i a5, a4, 0x10
            bbsi a5, 0, chip_busy
            jx a13
        .align 4
        controller_idle:
            l32i a5, a4, 0
            bnez a5, controller_idle
            ret
        user:
            l32r a4, results
            s32i a8, a4, 0
            rsr a5, exccause; s32i a5, a4, 4
            rsr a5, epc1; s32i a5, a4, 8
        done:
            j done
        "
    ));
    for (max_block, compile_after) in WAYS {
        let config = ChipConfig { max_block, compile_after, ..ChipConfig::default() };
        let mut chip = program.chip_with(config, chip_flash.clone(), None);
        program.finish(&mut chip, 200_000);
        let found = word(&chip, RESULTS);
        assert_eq!(found, 0o75107, "{found:#o}");
        assert_eq!(chip.cpu(CoreId::Pro).exccause(), 0);
        assert_eq!(word(&chip, RESULTS + 8), 0x400d_0100);
    }
}

/// Runs in all ways; of eight results every other one must be what one page, or the other, gives.
fn assert_pages_take_turns(program: &Program, flash: &NorFlash, expected: [u32; 2]) {
    for (max_block, compile_after) in WAYS {
        let config = ChipConfig { max_block, compile_after, ..ChipConfig::default() };
        let mut chip = program.chip_with(config, flash.clone(), None);
        program.finish(&mut chip, 200_000);
        for n in 0..8 {
            let found = word(&chip, RESULTS + 4 * n);
            let expected = expected[n as usize % 2];
            assert_eq!(found, expected, "{n}: {found:#o}, {max_block} {compile_after:?}");
        }
    }
}

/// Code, a literal of it and a constant on the data bus, each from the page that is shown at the time.
#[test]
fn another_page_of_flash_is_shown_at_the_same_address() {
    let mut chip_flash = flash();
    for (page, k) in [(1, 3_u32), (2, 6)] {
        // `movi.n a2, K; ret.n`, and behind it `l32r` of the word at the start.
        let at = page * 0x1_0000;
        let mut bytes = Vec::new();
        bytes.extend((k + 1).to_le_bytes());
        bytes.extend((FUNCTION | k << 12).to_le_bytes());
        bytes.extend(L32R_A2_THEN_RET.to_le_bytes());
        chip_flash.load(at, &bytes).expect("inside the chip");
    }
    let program = Program::new(&format!(
        "
        .literal results, {RESULTS:#x}
        .literal dport, 0x3ff00000
        .literal mmu_code, 0x3ff10000 + 308
        .literal mmu_data, 0x3ff10000
        .literal code, 0x400d0004
        .literal data, 0x3f400000
        .literal no_exception, 0x20
        start:
            l32r a2, no_exception; wsr a2, ps; rsync
            l32r a4, dport
            movi a5, 0; s32i a5, a4, 0x44   # PRO_CACHE_CTRL1: all buses
            movi a5, 8; s32i a5, a4, 0x40   # PRO_CACHE_CTRL: enable
            l32r a9, mmu_code
            l32r a10, mmu_data
            l32r a3, code
            addi a11, a3, 4
            l32r a12, data
            l32r a14, results
            movi a13, 8
            movi a5, 1
        again:
            s32i a5, a9, 0
            s32i a5, a10, 0
            memw
            movi a8, 0
            movi a6, 3
        same_page:
            callx0 a3; slli a8, a8, 3; or a8, a8, a2
            callx0 a11; slli a8, a8, 3; or a8, a8, a2
            l32i a2, a12, 0; slli a8, a8, 3; or a8, a8, a2
            addi a6, a6, -1
            bnez a6, same_page
            s32i a8, a14, 0
            addi a14, a14, 4
            movi a7, 3
            xor a5, a5, a7                  # the other page
            addi a13, a13, -1
            bnez a13, again
        done:
            j done
        "
    ));
    assert_pages_take_turns(&program, &chip_flash, [0o344_344_344, 0o677_677_677]);
}

/// The bytes of `source` at `base`.
fn assembled(base: u32, source: &str) -> Vec<u8> {
    Assembler::new(base).assemble(source).expect("assembles").bytes().to_vec()
}

/// What calls the function is compiled together with it, and is not what changes.
#[test]
fn a_function_changes_that_a_loop_calls() {
    let versions: String = (0..8)
        .flat_map(|k| {
            let bytes = assembled(0, &format!("entry a1, 32; movi.n a2, {k}; retw.n; nop"));
            let words = [[0, 1, 2, 3], [4, 5, 6, 7]].map(|at| at.map(|n| bytes[n]));
            words.map(|word| format!(".word {:#x}\n", u32::from_le_bytes(word)))
        })
        .collect();
    let program = Program::new(&format!(
        "
        .literal results, {RESULTS:#x}
        .literal stack, 0x3ffe8000
        .literal function, 0x40080000
        .literal windows, 0x40020
        .literal source, versions
        start:
            movi a2, 0; wsr a2, windowbase; rsync
            movi a2, 1; wsr a2, windowstart; rsync
            l32r a1, stack
            l32r a2, windows; wsr a2, ps; rsync
            l32r a3, source
            l32r a4, function
            movi a5, 8
            movi a6, 0                    # results
        again:
            l32i a2, a3, 0; s32i a2, a4, 0
            l32i a2, a3, 4; s32i a2, a4, 4
            addi a3, a3, 8
            movi a7, 4
        same_version:
            call8 0x40080000
            addi a7, a7, -1
            bnez a7, same_version
            slli a6, a6, 3
            or a6, a6, a10
            addi a5, a5, -1
            bnez a5, again
            l32r a2, results
            s32i a6, a2, 0
        done:
            j done
        .align 4
        versions:
        {versions}
        "
    ));
    assert_eq!(word(&run(&program), RESULTS), 0o0123_4567);
}

/// The same, where the mapping changes and no byte does.
#[test]
fn another_page_of_flash_is_shown_where_a_loop_calls_a_function() {
    let mut chip_flash = flash();
    let loop_in_flash = assembled(
        0x400d_0000,
        "mov a15, a0; movi a8, 0; movi a6, 4
         again: call0 0x400e0000; slli a8, a8, 3; or a8, a8, a2; addi a6, a6, -1; bnez a6, again
         jx a15",
    );
    chip_flash.load(0x3_0000, &loop_in_flash).expect("inside the chip");
    for (page, k) in [(1, 3), (2, 6)] {
        let function = assembled(0x400e_0000, &format!("movi a2, {k}; ret"));
        chip_flash.load(page * 0x1_0000, &function).expect("inside the chip");
    }
    let program = Program::new(&format!(
        "
        .literal results, {RESULTS:#x}
        .literal dport, 0x3ff00000
        .literal mmu_code, 0x3ff10000 + 308
        .literal code, 0x400d0000
        .literal no_exception, 0x20
        start:
            l32r a2, no_exception; wsr a2, ps; rsync
            l32r a4, dport
            movi a5, 0; s32i a5, a4, 0x44   # PRO_CACHE_CTRL1: all buses
            movi a5, 8; s32i a5, a4, 0x40   # PRO_CACHE_CTRL: enable
            l32r a9, mmu_code
            l32r a3, code
            l32r a14, results
            movi a5, 3; s32i a5, a9, 0
            movi a13, 8
            movi a5, 1
        again:
            s32i a5, a9, 4
            memw
            callx0 a3
            s32i a8, a14, 0
            addi a14, a14, 4
            movi a7, 3
            xor a5, a5, a7                  # the other page
            addi a13, a13, -1
            bnez a13, again
        done:
            j done
        "
    ));
    assert_pages_take_turns(&program, &chip_flash, [0o3333, 0o6666]);
}
