//! MAC16 Option: 16 by 16 multiplication into a 40-bit accumulator.

use crate::cpu::Cpu;
use crate::cpu::code::Op;
use crate::cpu::instruction::{Instruction, MacOperand, MacRegister, Opcode};

fn instruction(op: &Op) -> Instruction {
    let [r, s, t] = [op.r, op.s, op.t].map(|field| field as u8);
    Instruction { opcode: op.opcode, length: 3, r, s, t, imm: op.imm as i32 }
}

impl Cpu {
    fn mac16_half(&self, operand: MacOperand) -> u16 {
        let word = match operand.register {
            MacRegister::A(n) => self.a[usize::from(n & 15)],
            MacRegister::M(n) => self.m[usize::from(n & 3)],
        };
        if operand.high { (word >> 16) as u16 } else { word as u16 }
    }

    /// UMUL, MUL, MULA, MULS, and the multiplication of MULA with a load.
    pub(super) fn mac16(&mut self, op: &Op) {
        let Some(mac) = instruction(op).mac16() else { return };
        let (x, y) = (self.mac16_half(mac.first), self.mac16_half(mac.second));
        let product = i64::from(x as i16) * i64::from(y as i16);
        let sum = match op.opcode {
            Opcode::Umul => i64::from(x) * i64::from(y),
            Opcode::Mul => product,
            Opcode::Muls => self.acc - product,
            _ => self.acc + product,
        };
        self.acc = sum << 24 >> 24;
    }

    /// Where LDINC, LDDEC and MULA with a load read: the address register, changed first.
    pub(super) fn mac16_address(&self, op: &Op) -> u32 {
        let step = match instruction(op).mac16().and_then(|mac| mac.load) {
            Some(load) if load.decrement => -4,
            None if op.opcode == Opcode::Lddec => -4,
            _ => 4,
        };
        self.a[op.s as usize].wrapping_add_signed(step)
    }

    /// Completes a load: multiplication, then the address and data registers.
    pub(super) fn mac16_load(&mut self, op: &Op, address: u32, value: u32) {
        self.mac16(op);
        self.a[op.s as usize] = address;
        self.m[op.r as usize & 3] = value;
    }
}
