//! Exceptions: causes, vectors, entry and return.
//!
//! Source: Xtensa ISA Reference Manual, "Exception Option" and "High-Priority Interrupt Option";
//! vector offsets of the ESP32 configuration as ESP-IDF's linker scripts place them.

use super::Cpu;
use super::registers::ps;

/// Why a general exception is taken: EXCCAUSE values that this core can raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// Not an instruction, or not allowed in this state.
    IllegalInstruction = 0,
    /// SYSCALL.
    Syscall = 1,
    /// Fetch from memory that cannot be fetched from.
    InstructionFetchError = 2,
    /// A load or store that the addressed memory refuses, such as a byte access to IRAM.
    LoadStoreError = 3,
    /// A level-1 interrupt.
    Level1Interrupt = 4,
    /// MOVSP while the caller's frame is not in the register file.
    Alloca = 5,
    /// QUOU, QUOS, REMU or REMS by zero.
    DivideByZero = 6,
    /// Misaligned access where hardware has no support for it (S32C1I, L32AI).
    Unaligned = 9,
    /// Fetch from an address that nothing answers.
    InstructionPifAddress = 14,
    /// Load or store at an address that nothing answers.
    LoadStorePifAddress = 15,
    /// Fetch from a region that WITLB protects.
    FetchProhibited = 20,
    /// Load from a region that WDTLB protects.
    LoadProhibited = 28,
    /// Store to a region that WDTLB protects.
    StoreProhibited = 29,
    /// A floating-point instruction while CPENABLE bit 0 is clear.
    Coprocessor0Disabled = 32,
}

/// An access that the guest's memory system refused. An ordinary value, not a host error: the core
/// turns it into an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What EXCCAUSE will say.
    pub cause: Cause,
    /// What EXCVADDR will say.
    pub vaddr: u32,
}

/// Offsets from VECBASE.
pub(super) mod vector {
    pub(in crate::cpu) const DEBUG: u32 = 0x280;
    pub(super) const KERNEL: u32 = 0x300;
    pub(super) const USER: u32 = 0x340;
    pub(super) const DOUBLE: u32 = 0x3c0;

    /// Vector of a high-priority interrupt, level 2 to 7.
    pub(super) const fn interrupt(level: u32) -> u32 {
        0x180 + (level - 2) * 0x40
    }
}

/// DEBUGCAUSE bits.
#[expect(missing_docs, reason = "the names are the manual's")]
pub mod debugcause {
    pub const ICOUNT: u32 = 1 << 0;
    pub const IBREAK: u32 = 1 << 1;
    pub const DBREAK: u32 = 1 << 2;
    pub const BREAK: u32 = 1 << 3;
    pub const BREAKN: u32 = 1 << 4;
    pub const INTERRUPT: u32 = 1 << 5;
    /// Number of the DBREAK register that matched.
    pub const DBNUM_SHIFT: u32 = 8;
}

/// The level at which debug exceptions are taken.
pub const DEBUG_LEVEL: u32 = 6;
/// Interrupts up to this level are masked while PS.EXCM is set.
pub const EXCM_LEVEL: u32 = 3;

impl Cpu {
    /// Takes a general exception at `pc`.
    pub(super) fn raise(&mut self, cause: Cause, pc: u32) {
        self.exccause = cause as u32;
        if self.ps & ps::EXCM != 0 {
            self.depc = pc;
            self.pc = self.vecbase.wrapping_add(vector::DOUBLE);
        } else {
            self.epc[1] = pc;
            let vector = if self.ps & ps::UM != 0 { vector::USER } else { vector::KERNEL };
            self.pc = self.vecbase.wrapping_add(vector);
        }
        self.note_event(cause as u32, pc);
        self.set_ps(self.ps | ps::EXCM);
    }

    /// Takes the exception of a refused access at `pc`.
    pub(super) fn raise_fault(&mut self, fault: Fault, pc: u32) {
        self.excvaddr = fault.vaddr;
        self.raise(fault.cause, pc);
    }

    /// Takes a high-priority interrupt (`level` 2 to 7) at the current PC.
    pub(super) fn enter_interrupt(&mut self, level: u32) {
        self.enter_level(level, vector::interrupt(level), self.pc);
    }

    pub(super) fn enter_level(&mut self, level: u32, vector: u32, pc: u32) {
        self.epc[level as usize] = pc;
        self.eps[level as usize] = self.ps;
        self.set_ps((self.ps & !ps::INTLEVEL) | ps::EXCM | level);
        self.pc = self.vecbase.wrapping_add(vector);
        self.note_event(self.debugcause, pc);
    }

    /// RFI: back from a high-priority interrupt. Level 0 and 1 do not exist; the encoding gives
    /// register 0 resp. EPC1, as the hardware's decoder would.
    pub(super) fn return_from_interrupt(&mut self, level: u32) {
        let level = (level & 7) as usize;
        self.set_ps(self.eps[level]);
        self.pc = self.epc[level];
    }
}
