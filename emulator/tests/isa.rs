//! The decoder, the disassembler and the assembler against tables from elsewhere, and each other.

use std::collections::BTreeSet;

use esp32_emulator::cpu::assembler::Assembler;
use esp32_emulator::cpu::decode::{decode, encode};
use esp32_emulator::cpu::instruction::{Instruction, MacLoad, MacRegister, Opcode};

const TABLES: [&str; 8] = [
    include_str!("isa/arithmetic.txt"),
    include_str!("isa/memory.txt"),
    include_str!("isa/control.txt"),
    include_str!("isa/boolean.txt"),
    include_str!("isa/system.txt"),
    include_str!("isa/float.txt"),
    include_str!("isa/mac16.txt"),
    include_str!("isa/lx6_only.txt"),
];

/// Bytes and text of each line.
fn rows(table: &str) -> impl Iterator<Item = (Vec<u8>, &str)> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (hex, text) = line.split_once(' ').expect("two columns");
        let pairs = hex.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16);
        (pairs.map(|pair| byte(pair).expect("hexadecimal")).collect(), text.trim())
    })
}

/// As fetched, with what follows in memory behind a narrow instruction.
fn fetched(bytes: &[u8], following: u8) -> u32 {
    let mut word = [following; 4];
    word[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(word)
}

fn assemble(text: &str) -> Vec<u8> {
    match Assembler::new(0x4008_0000).assemble(text) {
        Ok(assembly) => assembly.bytes().to_vec(),
        Err(error) => panic!("{text}: {error}"),
    }
}

/// A small generator: equal in every run.
fn xorshift(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}

#[test]
fn the_tables_disassemble_and_assemble_and_leave_out_no_opcode() {
    let mut seen = BTreeSet::from([Opcode::Illegal]);
    for (bytes, text) in TABLES.into_iter().flat_map(rows) {
        for following in [0, 0xff] {
            let instruction = decode(fetched(&bytes, following));
            assert_eq!(instruction.to_string(), text);
            assert_eq!(usize::from(instruction.length), bytes.len(), "{text}");
            seen.insert(instruction.opcode);
        }
        assert_eq!(assemble(text), bytes, "{text}");
    }
    let missing: Vec<_> = Opcode::ALL.iter().filter(|opcode| !seen.contains(opcode)).collect();
    assert!(missing.is_empty(), "no example of {missing:?}");
}

#[test]
fn what_lx6_does_not_have_is_illegal() {
    for (bytes, what) in rows(include_str!("isa/illegal.txt")) {
        let instruction = decode(fetched(&bytes, 0));
        assert_eq!(instruction.opcode, Opcode::Illegal, "{what}");
        assert_eq!(instruction.imm as u32, fetched(&bytes, 0), "{what}");
    }
}

#[test]
fn every_word_decodes_and_encodes_to_its_equal() {
    for word in 0..1_u32 << 24 {
        let instruction = decode(word);
        assert!(matches!(instruction.length, 2 | 3));
        let encoded = encode(&instruction);
        assert_eq!(encoded.map(decode), Some(instruction), "{word:#08x}");
        if instruction.length == 2 {
            assert_eq!(instruction, decode(word & 0xffff), "{word:#08x}");
        }
    }
}

#[test]
fn whatever_is_printed_assembles_to_what_was_decoded() {
    let mut state = 0x1234_5678;
    for _ in 0..50_000 {
        let instruction = decode(xorshift(&mut state));
        let bytes = assemble(&instruction.to_string());
        assert_eq!(decode(fetched(&bytes, 0)), instruction, "{instruction}");
    }
}

#[test]
fn fields_out_of_range_do_not_encode() {
    let add = Instruction { opcode: Opcode::Add, length: 3, r: 1, s: 2, t: 3, imm: 0 };
    assert_eq!(encode(&add), Some(0x80_1230));
    for wrong in [
        Instruction { r: 16, ..add },
        Instruction { imm: 1, ..add },
        Instruction { length: 4, ..add },
        Instruction { opcode: Opcode::Illegal, ..add },
        Instruction { opcode: Opcode::Rsr, imm: 6, ..add },
        Instruction { opcode: Opcode::Bbci, r: 32, ..add },
    ] {
        assert_eq!(encode(&wrong), None, "{wrong}");
    }
}

#[test]
fn targets_follow_each_instructions_own_rule() {
    let at = |text: &str| decode(fetched(&assemble(text), 0));
    assert_eq!(at("j . + 8").target(0x4008_0002), Some(0x4008_000a));
    assert_eq!(at("call8 . + 8").target(0x4008_0003), Some(0x4008_0008));
    assert_eq!(at("bnez.n a2, . + 4").target(u32::MAX), Some(3));
    assert_eq!(at("loop a2, . + 40").target(0), Some(40));
    assert_eq!(at("callx8 a2").target(0), None);
    let load = at("l32r a2, . - 4");
    assert_eq!((load.target(0), load.literal(0x4008_0005)), (None, Some(0x4008_0004)));
    assert_eq!(load.at(0x4008_0005).to_string(), "l32r a2, 0x40080004");
}

#[test]
fn mac16_operands_are_named() {
    let operands = |text: &str| {
        let mac = decode(fetched(&assemble(text), 0)).mac16().expect("multiplies");
        let pair = |operand: esp32_emulator::cpu::instruction::MacOperand| {
            (operand.register, operand.high)
        };
        (pair(mac.first), pair(mac.second), mac.load)
    };
    let (a, m) = (MacRegister::A, MacRegister::M);
    assert_eq!(operands("umul.aa.hl a3, a4"), ((a(3), true), (a(4), false), None));
    assert_eq!(operands("mula.da.lh m1, a4"), ((m(1), false), (a(4), true), None));
    assert_eq!(operands("muls.ad.hh a5, m3"), ((a(5), true), (m(3), true), None));
    assert_eq!(operands("mul.dd.ll m0, m2"), ((m(0), false), (m(2), false), None));
    let load = |decrement| Some(MacLoad { target: 2, address: 7, decrement });
    assert_eq!(
        operands("mula.dd.ll.lddec m2, a7, m1, m3"),
        ((m(1), false), (m(3), false), load(true))
    );
    assert_eq!(
        operands("mula.da.hl.ldinc m2, a7, m0, a9"),
        ((m(0), true), (a(9), false), load(false))
    );
}

#[test]
fn no_source_makes_the_assembler_panic() {
    let pieces = [
        "add",
        "addi.n",
        "l32r",
        "rsr",
        ".word",
        ".org",
        ".align",
        ".space",
        ".literal",
        ".equ",
        ".global",
        "call8",
        "a1",
        "sp",
        "m0",
        "ps",
        "x",
        "x:",
        ".",
        "-",
        "+",
        ",",
        ";",
        "#",
        ":",
        "\n",
        "0xffffffff",
        "4294967295",
        "99999999999",
        "1",
        "é",
        " ",
    ];
    let mut state = 0xdead_beef;
    for _ in 0..20_000 {
        let mut source = String::new();
        for _ in 0..xorshift(&mut state) % 12 {
            source += pieces[xorshift(&mut state) as usize % pieces.len()];
            source += if xorshift(&mut state).is_multiple_of(3) { "" } else { " " };
        }
        let base = if xorshift(&mut state).is_multiple_of(2) { 0 } else { 0xffff_fff0 };
        let _ = Assembler::new(base).assemble(&source);
    }
}
