//! One decoded Xtensa instruction, and how it is written.
//!
//! Source: Xtensa Instruction Set Architecture Reference Manual.
//! Modelled: the operands in their final meaning, so that nobody decodes twice.
//! Not modelled: effects; they belong to the core.

use std::fmt;

use super::decode;
pub use super::opcodes::Opcode;
use super::operand::{Operand, Show};
use super::special_register;

/// Constants of BEQI, BNEI, BLTI and BGEI, by the index in [`Instruction::r`].
pub const B4CONST: [i32; 16] = [-1, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256];

/// Constants of BLTUI and BGEUI, by the index in [`Instruction::r`].
pub const B4CONSTU: [u32; 16] = [32768, 65536, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256];

/// A decoded instruction.
///
/// Unused fields are zero. Registers are in the fields of the wide form; `imm` is what the manual's
/// description computes with:
///
/// | instructions | fields |
/// |---|---|
/// | three registers | `r` destination, `s` and `t` sources |
/// | ADDI, ADDMI, MOVI, L32R | `t` destination, `s` source, `imm` scaled |
/// | loads and stores | `t` value, `s` base, `imm` bytes; LSX, SSX: `r` value, `s + t` |
/// | branches, J, loops | `imm` = target (loop end) minus the instruction's address |
/// | CALL0..CALL12 | `imm` relative to the address with its two low bits clear |
/// | L32R | `imm` relative to (address + 3) with its two low bits clear |
/// | BEQI.. and BLTUI.. | `r` = index into [`B4CONST`] and [`B4CONSTU`] |
/// | BBCI, BBSI | `r` = bit number 0..=31 |
/// | EXTUI | `r` destination, `t` source, `imm` shift, `s` width 1..=16 |
/// | SLLI; SRLI, SRAI | source in `s`; in `t`; `imm` = amount |
/// | NSA, NSAU, MOVSP, MOV, RER, WER, TLB | `t`, `s` |
/// | RSR, WSR, XSR; RUR; WUR | `t`; `r`; `t`; `imm` = register number |
/// | BREAK, BREAK.N | `s`, `t` as encoded |
/// | RSIL, WAITI, RFI, RFDO | `imm` level |
/// | ANY4.., ANY8.. | `t` destination, `s` first source, a multiple of 4 or 8 |
/// | ROUND.S.., FLOAT.S.. | `r` destination, `s` source, `imm` scale |
/// | CONST.S | `r` destination, `imm` index |
/// | MAC16 | see [`Instruction::mac16`]; LDINC, LDDEC: `r` = m register, `s` address |
/// | F64ITER | `imm` bits 0..=1 and 2 are the fourth and the fifth operand |
/// | F64ADDC, F64SUBC | `imm` bits 1..=2 and 0 are the third and the fourth operand |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What to do.
    pub opcode: Opcode,
    /// Bytes in memory: 2 or 3.
    pub length: u8,
    /// Register number 0..=15, or a small constant.
    pub r: u8,
    /// Register number 0..=15, or a small constant.
    pub s: u8,
    /// Register number 0..=15, or a small constant.
    pub t: u8,
    /// Immediate; the bits themselves for [`Opcode::Illegal`].
    pub imm: i32,
}

/// An operand of a MAC16 multiplication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacOperand {
    /// Where the 32 bits are.
    pub register: MacRegister,
    /// Whether bits 31..16 are used instead of 15..0.
    pub high: bool,
}

/// A register that MAC16 multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacRegister {
    /// Address register 0..=15.
    A(u8),
    /// MAC16 data register 0..=3.
    M(u8),
}

/// The load that MULA.*.LDINC and MULA.*.LDDEC do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacLoad {
    /// MAC16 data register 0..=3 that is loaded, after the multiplication has read its operands.
    pub target: u8,
    /// Address register 0..=15 that is changed by 4 before the access.
    pub address: u8,
    /// Whether it is decremented.
    pub decrement: bool,
}

/// The operands of UMUL, MUL, MULA and MULS.
///
/// In [`Instruction::imm`] bits 0 and 1 tell that the first and second operand use their high half,
/// bits 2 and 3 are the operation, bit 4 is the direction of the load, bits 4 and 5 set mean that
/// the first operand is an address register, bit 6 that the second is one, bit 8 is the number of
/// the first operand if it is m0 or m1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac16 {
    /// First factor.
    pub first: MacOperand,
    /// Second factor.
    pub second: MacOperand,
    /// For the forms that also load.
    pub load: Option<MacLoad>,
}

impl Instruction {
    /// The address that a branch, jump or call with an encoded offset goes to, or the end of a
    /// zero-overhead loop; `None` for all others.
    pub const fn target(&self, pc: u32) -> Option<u32> {
        use Opcode::*;
        let base = match self.opcode {
            Call0 | Call4 | Call8 | Call12 => pc & !3,
            J | Beq | Bne | Blt | Bge | Bltu | Bgeu | Bany | Bnone | Ball | Bnall | Bbc | Bbs
            | Bbci | Bbsi | Beqz | Bnez | Bltz | Bgez | Beqi | Bnei | Blti | Bgei | Bltui
            | Bgeui | Bf | Bt | Loop | Loopnez | Loopgtz => pc,
            _ => return None,
        };
        Some(base.wrapping_add_signed(self.imm))
    }

    /// The address that an L32R loads from, with the extended L32R option off (LITBASE bit 0 clear).
    pub const fn literal(&self, pc: u32) -> Option<u32> {
        match self.opcode {
            Opcode::L32r => Some((pc.wrapping_add(3) & !3).wrapping_add_signed(self.imm)),
            _ => None,
        }
    }

    /// The operands of a MAC16 multiplication; `None` for all others.
    pub fn mac16(&self) -> Option<Mac16> {
        let loads = match self.opcode {
            Opcode::Umul | Opcode::Mul | Opcode::Mula | Opcode::Muls => false,
            Opcode::MulaLd => true,
            _ => return None,
        };
        let bit = |n: u8| self.imm >> n & 1 != 0;
        let first =
            if bit(5) && bit(4) { MacRegister::A(self.s) } else { MacRegister::M(bit(8) as u8) };
        let second = if bit(6) { MacRegister::A(self.t) } else { MacRegister::M(self.t) };
        Some(Mac16 {
            first: MacOperand { register: first, high: bit(0) },
            second: MacOperand { register: second, high: bit(1) },
            load: if loads {
                Some(MacLoad { target: self.r, address: self.s, decrement: bit(4) })
            } else {
                None
            },
        })
    }

    /// Writes the instruction with absolute addresses, as it stands at `pc`.
    pub const fn at(&self, pc: u32) -> impl fmt::Display + '_ {
        Located { instruction: self, pc: Some(pc) }
    }
}

/// Text that the [assembler](super::assembler) reads. Relative addresses appear as `.+8`, right at
/// word-aligned addresses; use [`Instruction::at`] if the address is known.
impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Located { instruction: self, pc: None }.fmt(f)
    }
}

struct Located<'a> {
    instruction: &'a Instruction,
    pc: Option<u32>,
}

impl Located<'_> {
    fn address(
        &self,
        f: &mut fmt::Formatter<'_>,
        base: impl Fn(u32) -> u32,
        offset: i32,
    ) -> fmt::Result {
        match self.pc {
            Some(pc) => write!(f, "{:#x}", base(pc).wrapping_add_signed(offset)),
            None => write!(f, ".{offset:+}"),
        }
    }

    fn operand(&self, f: &mut fmt::Formatter<'_>, operand: &Operand) -> fmt::Result {
        let value = operand.get(self.instruction);
        match operand.show {
            Show::A => write!(f, "a{value}"),
            Show::F => write!(f, "f{value}"),
            Show::B => write!(f, "b{value}"),
            Show::M => write!(f, "m{value}"),
            Show::Number => write!(f, "{value}"),
            Show::B4Const => write!(f, "{}", B4CONST[(value & 15) as usize]),
            Show::B4ConstU => write!(f, "{}", B4CONSTU[(value & 15) as usize]),
            Show::Label => self.address(f, |pc| pc, value),
            Show::WordLabel => self.address(f, |pc| pc & !3, value),
            Show::Literal => self.address(f, |pc| pc.wrapping_add(3) & !3, value),
            Show::Special(_) | Show::User | Show::Hidden => Ok(()),
        }
    }
}

/// Suffix of the mnemonic, without the dot and in capitals.
fn suffix(operand: &Operand, value: i32) -> Option<&'static str> {
    let number = u8::try_from(value).ok()?;
    match operand.show {
        Show::Special(access) => special_register::special_name(number, access),
        Show::User => special_register::user_name(number),
        _ => None,
    }
}

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(encoding) = decode::encoding_of(self.instruction) else {
            let Instruction { opcode, imm, length, .. } = self.instruction;
            if *opcode != Opcode::Illegal {
                return write!(f, "{opcode:?}?"); // made by hand, and out of range
            }
            let [first, second, third, _] = imm.to_le_bytes();
            write!(f, ".byte {first:#04x}, {second:#04x}")?;
            return if *length == 2 { Ok(()) } else { write!(f, ", {third:#04x}") };
        };
        f.write_str(encoding.name)?;
        let mut separator = " ";
        for operand in encoding.operands {
            if let Some(name) = suffix(operand, operand.get(self.instruction)) {
                write!(f, ".{}", name.to_ascii_lowercase())?;
            } else if operand.show != Show::Hidden {
                f.write_str(separator)?;
                self.operand(f, operand)?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
