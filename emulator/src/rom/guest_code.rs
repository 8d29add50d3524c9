//! Our guest code on a real core: windows, exceptions, interrupts and jumps under the ROM's vectors.

use crate::board::parts::nor_flash::{FlashIdentity, FlashSize, NorFlash};
use crate::cpu::assembler::Assembler;
use crate::peripherals::CoreId;
use crate::soc::{ChipConfig, Esp32, Stopped};
use crate::time::Duration;

const CODE: u32 = 0x4008_0400;
const RESULTS: u32 = 0x3fff_8000;

/// A program in place of a bootloader: it must end with `call0 done`.
fn run(body: &str) -> Vec<u32> {
    let source = format!(
        ".literal results, {RESULTS:#x}
         .literal buffer, 0x3fff9000
         .literal setjmp, 0x40056268
         .literal longjmp, 0x400562cc
         .literal isr_attach, 0x400067ec
         .literal isr_unmask, 0x40006808
         .literal qsort, 0x40056424
         .literal printf, 0x40007d54
         .literal magic, 0x600d600d
         .align 4
         done:
            l32r a3, results
            l32r a2, magic
            s32i a2, a3, 60
            j .
         .align 4
         sum8:                      # n + (n-1) + ... by CALL8, deeper than the register file
            entry a1, 48
            beqz a2, sum8_end
            addi a10, a2, -1
            call8 sum8
            add a2, a2, a10
         sum8_end:
            retw
         .align 4
         sum4:
            entry a1, 32
            beqz a2, sum4_end
            addi a6, a2, -1
            call4 sum4
            add a2, a2, a6
         sum4_end:
            retw
         .align 4
         sum12:
            entry a1, 64
            beqz a2, sum12_end
            addi a14, a2, -1
            call12 sum12
            add a2, a2, a14
         sum12_end:
            retw
         .align 4
         {body}"
    );
    let program = Assembler::new(CODE).assemble(&source).expect("assembles");
    let mut image = vec![0xe9, 1, 2, 0x20];
    image.extend(program.symbol("start").expect("a start").to_le_bytes());
    image.resize(24, 0);
    let mut code = program.bytes().to_vec();
    code.resize(code.len().next_multiple_of(4), 0);
    image.extend(CODE.to_le_bytes());
    image.extend((code.len() as u32).to_le_bytes());
    image.extend(&code);
    image.resize(image.len() | 15, 0);
    image.push(code.iter().fold(0xef, |sum, byte| sum ^ byte));

    let mut flash = NorFlash::new(FlashSize::MiB1, FlashIdentity::WINBOND);
    flash.load(0x1000, &image).expect("fits");
    let mut chip = Esp32::new(&ChipConfig::default(), flash, None);
    chip.set_straps(0x13);
    chip.power_on();
    let end = chip.now() + Duration::from_millis(200);
    loop {
        match chip.run_until(end) {
            Stopped::Deadline => break,
            Stopped::Air => chip.leave_unanswered(),
            Stopped::Output => while chip.take_output(0).is_some() {},
            other => panic!("{other:x?}"),
        }
    }
    let mut bytes = [0; 64];
    assert_eq!(chip.read_memory(CoreId::Pro, RESULTS, &mut bytes), 64);
    let words: Vec<u32> =
        bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let cpu = chip.cpu(CoreId::Pro);
    assert_eq!(
        words[15],
        0x600d_600d,
        "not done: pc {:#x} cause {} epc1 {:#x} vaddr {:#x} results {words:x?}",
        cpu.pc,
        cpu.exccause(),
        cpu.epc1(),
        cpu.excvaddr()
    );
    words
}

#[test]
fn deep_calls_of_every_size_spill_and_reload_their_windows() {
    let results = run(".align 4
    start:
        entry a1, 64
        l32r a3, results
        movi a10, 50
        call8 sum8
        s32i a10, a3, 0
        movi a6, 50
        call4 sum4
        s32i a6, a3, 4
        movi a14, 50
        call12 sum12
        s32i a14, a3, 8
        call0 done");
    assert_eq!(results[..3], [1275, 1275, 1275]);
}

#[test]
fn what_was_made_just_before_a_window_overflow_is_there_behind_it() {
    // Often enough to be compiled, as one superblock.
    let results = run(".align 4
        deep:
            entry a1, 48
            addi a3, a2, 7
            j deeper
        deeper:                     # needs registers of the oldest frame
            beqz a2, bottom
            addi a10, a2, -1
            call8 deep
            add a2, a10, a3
            retw
        bottom:
            mov a2, a3
            retw
        .align 4
        start:
            entry a1, 64
            movi a4, 300
            movi a5, 0
            movi a6, 357            # 20 + 19 + ... and 21 times 7
        again:
            movi a10, 20
            call8 deep
            xor a10, a10, a6
            or a5, a5, a10
            addi a4, a4, -1
            bnez a4, again
            l32r a3, results
            s32i a5, a3, 0
            call0 done");
    assert_eq!(results[0], 0);
}

#[test]
fn levels_are_exchanged_and_the_rest_of_ps_stays() {
    let results = run(".literal set_intlevel, 0x4000bfdc
    .literal set_min_intlevel, 0x4000bff8
    .align 4
    start:
        entry a1, 64
        l32r a3, results
        l32r a4, set_intlevel
        l32r a5, set_min_intlevel
        movi a10, 0
        callx8 a4
        rsr.ps a6
        movi a10, 3
        callx8 a4
        s32i a10, a3, 0             # the old level
        movi a10, 1
        callx8 a5
        xor a10, a10, a6
        s32i a10, a3, 4             # PS as it was: with 3
        rsr.ps a10
        xor a10, a10, a6
        s32i a10, a3, 8             # not lowered
        movi a10, 5
        callx8 a5
        rsr.ps a10
        xor a10, a10, a6
        s32i a10, a3, 12            # raised
        movi a10, 0x10
        callx8 a4
        s32i a10, a3, 16            # the old level
        rsr.ps a10
        xor a10, a10, a6
        s32i a10, a3, 20            # only four bits of an argument are a level
        call0 done");
    assert_eq!(results[..6], [0, 3, 3, 5, 5, 0]);
}

#[test]
fn bytes_of_a_word_are_exchanged() {
    let results = run(".literal bswap, 0x40064ae0
    .literal word, 0x11223344
    .align 4
    start:
        entry a1, 64
        l32r a3, results
        l32r a10, word
        l32r a4, bswap
        callx8 a4
        s32i a10, a3, 0
        call0 done");
    assert_eq!(results[0], 0x4433_2211);
}

#[test]
fn blocks_are_compared_like_bytes_however_they_are_aligned() {
    let results = run(".literal memcmp, 0x4000c260
    .literal gcc_bcmp, 0x40064a70
    .align 4
    check:                          # a2 and a3: blocks, a4: their length, a5: a function
        entry a1, 48
        mov a10, a2
        mov a11, a3
        mov a12, a4
        callx8 a5
        movi a8, 0                  # what it should have said
    check_byte:
        beqz a4, checked
        l8ui a6, a2, 0
        l8ui a7, a3, 0
        sub a8, a6, a7
        addi a2, a2, 1
        addi a3, a3, 1
        addi a4, a4, -1
        beqz a8, check_byte
    checked:
        sub a2, a10, a8             # how wrong it is
        retw
    .align 4
    start:
        entry a1, 64
        movi a4, 0                  # alignments: two bits each
    alignments:
        l32r a2, buffer
        extui a3, a4, 2, 2
        add a3, a2, a3
        addi a3, a3, 64
        extui a6, a4, 0, 2
        add a2, a2, a6
        movi a6, 12                 # the same 13 bytes
        movi a8, 0x7b
    fill:
        add a9, a2, a6
        s8i a8, a9, 0
        add a9, a3, a6
        s8i a8, a9, 0
        addi a8, a8, 1              # some have the upper bit
        addi a6, a6, -1
        bgez a6, fill
        movi a5, 12                 # but for this one
    difference:
        add a9, a3, a5
        l8ui a8, a9, 0
        movi a6, 0xff
        xor a8, a8, a6
        s8i a8, a9, 0
        movi a6, 13                 # length
    length:
        l32r a13, memcmp
        l32r a7, gcc_bcmp
        extui a8, a6, 0, 1
        movnez a13, a7, a8          # for odd ones
        mov a10, a2
        mov a11, a3
        mov a12, a6
        call8 check
        l32r a7, results
        l32i a8, a7, 0
        or a8, a8, a10
        s32i a8, a7, 0
        l32i a8, a7, 4
        addi a8, a8, 1
        s32i a8, a7, 4
        addi a6, a6, -1
        bgez a6, length
        add a9, a3, a5
        l8ui a8, a9, 0
        movi a6, 0xff
        xor a8, a8, a6
        s8i a8, a9, 0
        addi a5, a5, -1
        bgez a5, difference
        addi a4, a4, 1
        beqi a4, 16, compared
        j alignments
    compared:
        l32r a3, results
        movi a4, 0
        call0 done");
    assert_eq!(results[..2], [0, 16 * 13 * 14]);
}

#[test]
fn a_jump_out_of_deep_calls_comes_back_to_its_frame() {
    let results = run(".align 4
        dive:
            entry a1, 48
            beqz a2, throw
            addi a10, a2, -1
            call8 dive
            retw
        throw:
            l32r a10, buffer
            movi a11, 77
            l32r a2, longjmp
            callx8 a2
            retw
        .align 4
        catch:                      # returns what setjmp gave, through a frame of its own
            entry a1, 48
            l32r a10, buffer
            l32r a3, setjmp
            movi a4, 123
            callx8 a3
            bnez a10, caught
            movi a10, 30
            call8 dive
        caught:
            add a2, a10, a4
            retw
        .align 4
        start:
            entry a1, 64
            l32r a3, results
            movi a5, 9
            call8 catch
            s32i a10, a3, 0
            s32i a5, a3, 4
            call0 done");
    assert_eq!(results[..2], [200, 9]);
}

#[test]
fn a_level_1_interrupt_calls_its_handler_and_leaves_no_trace() {
    let results = run(".align 4
        handler:
            entry a1, 64
            l32r a3, results
            s32i a2, a3, 4
            movi a10, 40            # uses up the whole register file
            call8 sum8
            s32i a10, a3, 8
            retw
        .align 4
        .literal handler_address, handler
        .align 4
        start:
            entry a1, 64
            movi a10, 7
            l32r a11, handler_address
            movi a12, 0x55
            l32r a2, isr_attach
            callx8 a2
            movi a10, 0x80
            l32r a2, isr_unmask
            callx8 a2
            movi a15, 15
            movi a14, 14
            movi a13, 13
            movi a12, 12
            movi a11, 11
            movi a10, 10
            movi a9, 9
            movi a8, 8
            movi a7, 7
            movi a6, 6
            movi a5, 5
            movi a4, 4
            ssai 9
            movi a3, 3
            loop a3, loop_end       # the loop goes on behind the interrupt
            movi a2, 0x80
            wsr.intset a2
            nop
            nop
            addi a4, a4, 1
        loop_end:
            rsr.sar a2
            add a2, a2, a4          # 9 + 7
            add a2, a2, a5
            add a2, a2, a6
            add a2, a2, a7
            add a2, a2, a8
            add a2, a2, a9
            add a2, a2, a10
            add a2, a2, a11
            add a2, a2, a12
            add a2, a2, a13
            add a2, a2, a14
            add a2, a2, a15
            l32r a3, results
            s32i a2, a3, 0
            call0 done");
    assert_eq!(results[..3], [9 + 7 + (5..=15).sum::<u32>(), 0x55, 820]);
}

#[test]
fn spilling_by_syscall_and_moving_the_stack_work_under_the_rom_vectors() {
    let results = run(".align 4
        moves:                  # its caller is spilled when it moves its stack
            entry a1, 48
            movi a10, 40
            call8 sum8
            addi a4, a1, -64
            movsp a1, a4
            movi a10, 40
            call8 sum8
            mov a2, a10
            retw
        .align 4
        outer:
            entry a1, 48
            movi a5, 41
            call8 moves
            add a2, a10, a5
            retw
        .align 4
        spills:
            entry a1, 48
            movi a3, 33
            movi a2, 0
            syscall
            rsr.windowstart a4
            addi a4, a4, -1         # one bit set: nothing is left of n & (n - 1)
            rsr.windowstart a5
            and a2, a4, a5
            add a2, a2, a3
            retw
        .align 4
        start:
            entry a1, 64
            l32r a3, results
            call8 outer
            s32i a10, a3, 0
            call8 spills
            s32i a10, a3, 4
            call0 done");
    assert_eq!(results[..2], [861, 33]);
}

#[test]
fn sorting_calls_a_comparator_and_prints_through_the_uart() {
    let results = run(".align 4
        compare:
            entry a1, 32
            l32i a2, a2, 0
            l32i a3, a3, 0
            sub a2, a2, a3
            retw
        .align 4
        .literal compare_address, compare
        .literal text_address, text
        text: .byte 0x25, 0x64, 0x0a, 0
        .align 4
        start:
            entry a1, 64
            l32r a3, results
            movi a4, 12
            movi a5, 0
        fill:
            slli a6, a5, 2
            add a6, a6, a3
            movi a7, 7
            mull a7, a7, a5
            extui a7, a7, 0, 4
            s32i a7, a6, 0
            addi a5, a5, 1
            bne a5, a4, fill
            mov a10, a3
            movi a11, 12
            movi a12, 4
            l32r a13, compare_address
            l32r a2, qsort
            callx8 a2
            l32r a10, text_address
            l32i a11, a3, 0
            l32r a2, printf
            callx8 a2
            s32i a10, a3, 48
            call0 done");
    let mut expected: Vec<u32> = (0..12).map(|i| (7 * i) & 15).collect();
    expected.sort_unstable();
    assert_eq!(results[..12], expected);
    assert_eq!(results[12], 2, "characters printed");
}
