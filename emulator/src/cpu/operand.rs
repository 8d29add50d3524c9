//! Where an operand of an Xtensa instruction sits in the word, what it means and how it is written.
//!
//! Source: Xtensa Instruction Set Architecture Reference Manual, chapter "Instruction Formats and
//! Opcodes" (bit positions) and the instruction descriptions (scaling).
//! Modelled: every operand of the ESP32's LX6 as data, so that the decoder, the encoder, the
//! disassembler and the assembler read one table.
//! Not modelled: operands of options that LX6 does not have.

use super::instruction::Instruction;
use super::special_register::Access;

/// The place in an [`Instruction`] that holds the meaning of an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Field `r`.
    R,
    /// Field `s`.
    S,
    /// Field `t`.
    T,
    /// Field `imm`, all of it.
    Imm,
    /// Some bits of `imm`: lowest bit and width. The value is unsigned.
    ImmBits(u8, u8),
}

/// How an operand is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// Address register `a0`..`a15`.
    A,
    /// Floating-point register `f0`..`f15`.
    F,
    /// Boolean register `b0`..`b15`.
    B,
    /// MAC16 register `m0`..`m3`.
    M,
    /// Decimal number.
    Number,
    /// Address relative to the instruction.
    Label,
    /// Address relative to the word of the instruction (calls).
    WordLabel,
    /// Address relative to the first word after the instruction (`L32R`).
    Literal,
    /// Index into [`B4CONST`](super::instruction::B4CONST), written as the constant.
    B4Const,
    /// Index into [`B4CONSTU`](super::instruction::B4CONSTU), written as the constant.
    B4ConstU,
    /// Special register, written as suffix of the mnemonic.
    Special(Access),
    /// User register, written as suffix of the mnemonic.
    User,
    /// Not written: the mnemonic tells already.
    Hidden,
}

/// One operand: bits of the word, and the value that they stand for.
///
/// The raw bits (`pieces`, lowest first) become negative from `wrap` on, and the value is
/// `raw * factor + bias`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand {
    slot: Slot,
    pub(crate) show: Show,
    pieces: [(u8, u8); 2],
    wrap: i32,
    factor: i32,
    bias: i32,
    /// Raw bits 0 stand for -1 (`ADDI.N`).
    zero_is_minus_one: bool,
}

impl Operand {
    const fn new(slot: Slot, show: Show, lsb: u8, width: u8) -> Self {
        let pieces = [(lsb, width), (0, 0)];
        Self { slot, show, pieces, wrap: 1 << width, factor: 1, bias: 0, zero_is_minus_one: false }
    }

    /// More significant bits in another place.
    const fn high(mut self, lsb: u8, width: u8) -> Self {
        self.pieces[1] = (lsb, width);
        self.wrap <<= width;
        self
    }

    const fn signed(mut self) -> Self {
        self.wrap /= 2;
        self
    }

    const fn times(mut self, factor: i32) -> Self {
        self.factor = factor;
        self
    }

    const fn plus(mut self, bias: i32) -> Self {
        self.bias = bias;
        self
    }

    const fn width(&self) -> u8 {
        self.pieces[0].1 + self.pieces[1].1
    }

    /// The bits of the word that this operand covers; none if the operand only names fixed bits.
    pub(crate) const fn mask(&self) -> u32 {
        let [(low, low_width), (high, high_width)] = self.pieces;
        match self.show {
            Show::Hidden => 0,
            _ => (((1 << low_width) - 1) << low) | (((1 << high_width) - 1) << high),
        }
    }

    /// The value that `word` gives to this operand.
    #[inline]
    pub(crate) const fn extract(&self, word: u32) -> i32 {
        let [(low, low_width), (high, high_width)] = self.pieces;
        let low_bits = (word >> low) & ((1 << low_width) - 1);
        let high_bits = (word >> high) & ((1 << high_width) - 1);
        let mut raw = (low_bits | (high_bits << low_width)) as i32;
        if raw >= self.wrap {
            raw -= 1 << self.width();
        } else if self.zero_is_minus_one && raw == 0 {
            raw = -1;
        }
        raw * self.factor + self.bias
    }

    /// The bits of a word that stand for `value`, if it can be expressed.
    pub(crate) fn insert(&self, value: i32) -> Option<u32> {
        let scaled = value.checked_sub(self.bias)?;
        if scaled % self.factor != 0 {
            return None;
        }
        let raw = match scaled / self.factor {
            0 if self.zero_is_minus_one => return None,
            -1 if self.zero_is_minus_one => 0,
            raw => raw,
        };
        let size = 1 << self.width();
        let bits = if (0..self.wrap).contains(&raw) {
            raw as u32
        } else if (self.wrap - size..0).contains(&raw) {
            (raw + size) as u32
        } else {
            return None;
        };
        let [(low, low_width), (high, _)] = self.pieces;
        Some(((bits & ((1 << low_width) - 1)) << low) | ((bits >> low_width) << high))
    }

    /// Reads the operand's value in an instruction.
    pub(crate) fn get(&self, instruction: &Instruction) -> i32 {
        match self.slot {
            Slot::R => instruction.r.into(),
            Slot::S => instruction.s.into(),
            Slot::T => instruction.t.into(),
            Slot::Imm => instruction.imm,
            Slot::ImmBits(lsb, width) => (instruction.imm >> lsb) & ((1 << width) - 1),
        }
    }

    /// Puts a value, as from [`extract`](Self::extract), into an instruction.
    #[inline]
    pub(crate) fn set(&self, instruction: &mut Instruction, value: i32) {
        match self.slot {
            Slot::R => instruction.r = value as u8,
            Slot::S => instruction.s = value as u8,
            Slot::T => instruction.t = value as u8,
            Slot::Imm => instruction.imm = value,
            Slot::ImmBits(lsb, _) => instruction.imm |= value << lsb,
        }
    }
}

/// The operands, named after the register file or meaning, and the field that encodes them.
pub(crate) mod kind {
    use super::{Access, Operand, Show, Slot};

    const fn imm(lsb: u8, width: u8) -> Operand {
        Operand::new(Slot::Imm, Show::Number, lsb, width)
    }

    const fn label(lsb: u8, width: u8) -> Operand {
        Operand::new(Slot::Imm, Show::Label, lsb, width).plus(4)
    }

    pub(crate) const AR: Operand = Operand::new(Slot::R, Show::A, 12, 4);
    pub(crate) const AS: Operand = Operand::new(Slot::S, Show::A, 8, 4);
    pub(crate) const AT: Operand = Operand::new(Slot::T, Show::A, 4, 4);
    /// `ADDI.N`: the destination, which ADDI has in t, sits in r.
    pub(crate) const AT_IN_R: Operand = Operand::new(Slot::T, Show::A, 12, 4);
    /// `MOVI.N`: the destination, which MOVI has in t, sits in s.
    pub(crate) const AT_IN_S: Operand = Operand::new(Slot::T, Show::A, 8, 4);
    pub(crate) const FR: Operand = Operand::new(Slot::R, Show::F, 12, 4);
    pub(crate) const FS: Operand = Operand::new(Slot::S, Show::F, 8, 4);
    pub(crate) const FT: Operand = Operand::new(Slot::T, Show::F, 4, 4);
    pub(crate) const BR: Operand = Operand::new(Slot::R, Show::B, 12, 4);
    pub(crate) const BS: Operand = Operand::new(Slot::S, Show::B, 8, 4);
    pub(crate) const BT: Operand = Operand::new(Slot::T, Show::B, 4, 4);
    /// The first of four booleans; the low bits of the field are not looked at.
    pub(crate) const BS4: Operand = Operand::new(Slot::S, Show::B, 10, 2).times(4);
    /// The first of eight booleans; the low bits of the field are not looked at.
    pub(crate) const BS8: Operand = Operand::new(Slot::S, Show::B, 11, 1).times(8);

    pub(crate) const IMM_S: Operand = imm(8, 4);
    pub(crate) const IMM_T: Operand = imm(4, 4);
    pub(crate) const NUM_S: Operand = Operand::new(Slot::S, Show::Number, 8, 4);
    pub(crate) const NUM_T: Operand = Operand::new(Slot::T, Show::Number, 4, 4);
    pub(crate) const SIMM_T: Operand = imm(4, 4).signed();
    pub(crate) const SEXT_T: Operand = imm(4, 4).plus(7);
    pub(crate) const SIMM8: Operand = imm(16, 8).signed();
    pub(crate) const SIMM8X256: Operand = imm(16, 8).signed().times(256);
    pub(crate) const UIMM8: Operand = imm(16, 8);
    pub(crate) const UIMM8X2: Operand = imm(16, 8).times(2);
    pub(crate) const UIMM8X4: Operand = imm(16, 8).times(4);
    pub(crate) const IMM_RX4: Operand = imm(12, 4).times(4);
    pub(crate) const SIMM12: Operand = imm(16, 8).high(8, 4).signed();
    pub(crate) const ENTRY12: Operand = imm(12, 12).times(8);
    /// -64..-4, the save area below the stack pointer.
    pub(crate) const WINDOW_R: Operand = imm(12, 4).times(4).plus(-64);
    /// 1..15, or -1.
    pub(crate) const ADDI_N: Operand = Operand { zero_is_minus_one: true, ..imm(4, 4) };
    /// -32..95.
    pub(crate) const MOVI_N: Operand = Operand { wrap: 96, ..imm(12, 4).high(4, 3) };
    pub(crate) const SLLI: Operand = imm(4, 4).high(20, 1).times(-1).plus(32);
    pub(crate) const SRAI: Operand = imm(8, 4).high(20, 1);
    pub(crate) const SSAI: Operand = imm(8, 4).high(4, 1);
    pub(crate) const EXTUI_SHIFT: Operand = imm(8, 4).high(16, 1);
    pub(crate) const EXTUI_WIDTH: Operand = Operand::new(Slot::S, Show::Number, 20, 4).plus(1);
    pub(crate) const BIT: Operand = Operand::new(Slot::R, Show::Number, 4, 4).high(12, 1);
    pub(crate) const B4: Operand = Operand::new(Slot::R, Show::B4Const, 12, 4);
    pub(crate) const B4U: Operand = Operand::new(Slot::R, Show::B4ConstU, 12, 4);

    pub(crate) const LABEL8: Operand = label(16, 8).signed();
    pub(crate) const LABEL12: Operand = label(12, 12).signed();
    pub(crate) const LABEL18: Operand = label(6, 18).signed();
    pub(crate) const LOOP8: Operand = label(16, 8);
    pub(crate) const LABEL_N: Operand = label(12, 4).high(4, 2);
    pub(crate) const CALL18: Operand =
        Operand::new(Slot::Imm, Show::WordLabel, 6, 18).signed().times(4).plus(4);
    /// Always backwards: -262144..-4.
    pub(crate) const LITERAL16: Operand =
        Operand::new(Slot::Imm, Show::Literal, 8, 16).times(4).plus(-0x4_0000);

    const fn special(access: Access) -> Operand {
        Operand::new(Slot::Imm, Show::Special(access), 8, 8)
    }
    pub(crate) const SR_READ: Operand = special(Access::Read);
    pub(crate) const SR_WRITE: Operand = special(Access::Write);
    pub(crate) const SR_SWAP: Operand = special(Access::Exchange);
    pub(crate) const UR_READ: Operand = Operand::new(Slot::Imm, Show::User, 4, 8);
    pub(crate) const UR_WRITE: Operand = Operand::new(Slot::Imm, Show::User, 8, 8);

    /// MAC16: the opcode byte, kept for [`Mac16`](crate::cpu::instruction::Mac16).
    pub(crate) const MAC: Operand = Operand::new(Slot::ImmBits(0, 8), Show::Hidden, 16, 8);
    /// MAC16: first operand m0 or m1.
    pub(crate) const MX: Operand = Operand::new(Slot::ImmBits(8, 1), Show::M, 14, 1);
    /// MAC16: second operand m2 or m3.
    pub(crate) const MY: Operand = Operand::new(Slot::T, Show::M, 6, 1).plus(2);
    /// MAC16: the register that is loaded, m0..m3.
    pub(crate) const MW: Operand = Operand::new(Slot::R, Show::M, 12, 2);

    const fn bits(at: u8, lsb: u8, width: u8) -> Operand {
        Operand::new(Slot::ImmBits(at, width), Show::Number, lsb, width)
    }
    pub(crate) const OP2_LOW2: Operand = bits(0, 20, 2);
    pub(crate) const OP2_BIT2: Operand = bits(2, 22, 1);
    pub(crate) const OP2_LOW1: Operand = bits(0, 20, 1);
    pub(crate) const OP2: Operand = bits(0, 20, 4);
    pub(crate) const R_HIGH2: Operand = bits(1, 13, 2);
    pub(crate) const R_LOW1: Operand = bits(0, 12, 1);
    pub(crate) const S_LOW1: Operand = bits(0, 8, 1);
    pub(crate) const BIT_INDEX: Operand = imm(4, 5);
}
