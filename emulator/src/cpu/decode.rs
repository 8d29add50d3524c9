//! From bits to [`Instruction`] and back.
//!
//! Source: Xtensa Instruction Set Architecture Reference Manual, chapter "Instruction Formats and
//! Opcodes", through the table in `opcodes.rs`.
//! Modelled: a total function: every word decodes, to [`Opcode::Illegal`] if LX6 has no such
//! instruction. A special register that does not exist, or not for that access, makes RSR, WSR
//! and XSR illegal, as does an unknown user register.
//! Not modelled: privilege and coprocessor enables; they are state of the core.

use super::instruction::{Instruction, Opcode};
use super::opcodes::{ENCODINGS, Encoding, is_narrow};
use super::operand::Show;
use super::special_register::{special_exists, user_exists};

/// The number of values of the fields op0, op1 and op2 together, which select most instructions.
const KEYS: usize = 1 << 12;

const fn key(word: u32) -> usize {
    ((word & 15) | (word >> 12 & 0xff0)) as usize
}

/// For each key the first encoding that can match; from there on the table is searched.
static FIRST: [u16; KEYS] = first_encodings();

const fn first_encodings() -> [u16; KEYS] {
    let mut first = [ENCODINGS.len() as u16; KEYS];
    let mut index = ENCODINGS.len();
    while index > 0 {
        index -= 1;
        let encoding = &ENCODINGS[index];
        let (bits, mask) = (key(encoding.bits), key(encoding.mask));
        let mut key = bits & 15; // op0 is fixed in every encoding
        while key < KEYS {
            if (key ^ bits) & mask == 0 {
                first[key] = index as u16;
            }
            key += 16;
        }
    }
    first
}

/// Bytes of the instruction that begins with `first`: 2 or 3.
pub fn length(first: u8) -> u8 {
    if is_narrow(first.into()) { 2 } else { 3 }
}

/// Decodes the instruction whose first three bytes, little endian, are the low 24 bits of `word`.
///
/// Never fails: what is not an instruction becomes [`Opcode::Illegal`], with the bits in `imm`.
pub fn decode(word: u32) -> Instruction {
    let length = if is_narrow(word) { 2 } else { 3 };
    let bits = word & ((1 << (8 * length)) - 1);
    let first = usize::from(FIRST[key(if length == 2 { bits & 15 } else { bits })]);
    ENCODINGS[first..]
        .iter()
        .find(|encoding| (bits ^ encoding.bits) & encoding.mask == 0)
        .and_then(|encoding| apply(encoding, bits))
        .unwrap_or(Instruction { imm: bits as i32, length, ..blank(Opcode::Illegal) })
}

const fn blank(opcode: Opcode) -> Instruction {
    Instruction { opcode, length: 3, r: 0, s: 0, t: 0, imm: 0 }
}

/// Reads the operands; `None` if one of them does not exist.
fn apply(encoding: &Encoding, bits: u32) -> Option<Instruction> {
    let mut instruction = Instruction { length: encoding.length(), ..blank(encoding.opcode) };
    for operand in encoding.operands {
        let value = operand.extract(bits);
        let exists = match operand.show {
            Show::Special(access) => special_exists(value as u8, access),
            Show::User => user_exists(value as u8),
            _ => true,
        };
        if !exists {
            return None;
        }
        operand.set(&mut instruction, value);
    }
    Some(instruction)
}

/// The bits of an instruction, in the low 16 or 24 by its length; `None` if a field is out of range
/// or the instruction has no form of that length.
///
/// `decode(encode(x)) == x` wherever there is a result.
pub fn encode(instruction: &Instruction) -> Option<u32> {
    if instruction.opcode == Opcode::Illegal {
        let bits = instruction.imm as u32;
        return (decode(bits) == *instruction).then_some(bits);
    }
    let encoding = encoding_of(instruction)?;
    bits(encoding, instruction)
}

/// The table row that expresses exactly this instruction.
pub(crate) fn encoding_of(instruction: &Instruction) -> Option<&'static Encoding> {
    ENCODINGS
        .iter()
        .filter(|it| it.opcode == instruction.opcode && it.length() == instruction.length)
        .find(|it| bits(it, instruction).and_then(|bits| apply(it, bits)) == Some(*instruction))
}

fn bits(encoding: &Encoding, instruction: &Instruction) -> Option<u32> {
    let bits = encoding.operands.iter().try_fold(encoding.bits, |bits, operand| {
        Some(bits | operand.insert(operand.get(instruction))?)
    })?;
    ((bits ^ encoding.bits) & encoding.mask == 0).then_some(bits)
}
