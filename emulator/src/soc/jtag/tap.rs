//! A test access port: its states, its instruction register, and the register that it shifts.
//!
//! Source: IEEE 1149.1; the Xtensa instructions as OpenOCD's and probe-rs's Xtensa targets use them:
//! after NARSEL data scans alternate between 8 bits of an address and 32 bits of data.

/// Bits of the instruction register.
const IR_BITS: u32 = 5;
/// What the instruction register captures: its low bits are 01 for every TAP.
const IR_CAPTURE: u8 = 0b00001;
/// The ESP32's IDCODE.
const IDCODE: u32 = 0x1200_34e5;

mod instruction {
    pub(super) const PWRCTL: u8 = 0x08;
    pub(super) const PWRSTAT: u8 = 0x09;
    pub(super) const NARSEL: u8 = 0x1c;
    pub(super) const IDCODE: u8 = 0x1e;
    /// And everything that is no instruction.
    pub(super) const BYPASS: u8 = 0x1f;
}

/// States of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Reset,
    Idle,
    SelectDr,
    CaptureDr,
    ShiftDr,
    Exit1Dr,
    PauseDr,
    Exit2Dr,
    UpdateDr,
    SelectIr,
    CaptureIr,
    ShiftIr,
    Exit1Ir,
    PauseIr,
    Exit2Ir,
    UpdateIr,
}

impl State {
    pub(super) fn next(self, tms: bool) -> Self {
        use State::*;
        match (self, tms) {
            (Reset | SelectIr, true) => Reset,
            (Reset | Idle | UpdateDr | UpdateIr, false) => Idle,
            (Idle | UpdateDr | UpdateIr, true) => SelectDr,
            (SelectDr, false) => CaptureDr,
            (SelectDr, true) => SelectIr,
            (CaptureDr | ShiftDr | Exit2Dr, false) => ShiftDr,
            (CaptureDr | ShiftDr, true) => Exit1Dr,
            (Exit1Dr | PauseDr, false) => PauseDr,
            (PauseDr, true) => Exit2Dr,
            (Exit1Dr | Exit2Dr, true) => UpdateDr,
            (SelectIr, false) => CaptureIr,
            (CaptureIr | ShiftIr | Exit2Ir, false) => ShiftIr,
            (CaptureIr | ShiftIr, true) => Exit1Ir,
            (Exit1Ir | PauseIr, false) => PauseIr,
            (PauseIr, true) => Exit2Ir,
            (Exit1Ir | Exit2Ir, true) => UpdateIr,
        }
    }
}

/// A register of the debug module or of power control, as a scan reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    /// PWRCTL.
    PowerControl,
    /// PWRSTAT.
    PowerStatus,
    /// The register at this Nexus address.
    Nexus(u8),
}

/// A data scan that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The register has been read.
    Read(Register),
    /// The register shall be written.
    Write(Register, u32),
}

/// One TAP.
#[derive(Debug, Clone)]
pub(super) struct Tap {
    instruction: u8,
    instruction_shift: u8,
    data_shift: u32,
    /// NAR: a Nexus address, and in bit 0 whether it will be written.
    address: u8,
    /// The next scan under NARSEL is data.
    data_next: bool,
}

impl Default for Tap {
    fn default() -> Self {
        Self {
            instruction: instruction::IDCODE,
            instruction_shift: 0,
            data_shift: 0,
            address: 0,
            data_next: false,
        }
    }
}

impl Tap {
    /// Bits of the data register that the instruction selects.
    fn data_bits(&self) -> u32 {
        match self.instruction {
            instruction::IDCODE => 32,
            instruction::PWRCTL | instruction::PWRSTAT => 8,
            instruction::NARSEL if self.data_next => 32,
            instruction::NARSEL => 8,
            _ => 1,
        }
    }

    /// The bit that the data register shifts out next.
    pub(super) fn data_out(&self) -> bool {
        self.data_shift & 1 != 0
    }

    /// The bit that the instruction register shifts out next.
    pub(super) fn instruction_out(&self) -> bool {
        self.instruction_shift & 1 != 0
    }

    /// Shifts one bit through the data register.
    pub(super) fn shift_data(&mut self, bit: bool) -> bool {
        let out = self.data_out();
        self.data_shift = self.data_shift >> 1 | u32::from(bit) << (self.data_bits() - 1);
        out
    }

    /// Shifts one bit through the instruction register.
    pub(super) fn shift_instruction(&mut self, bit: bool) -> bool {
        let out = self.instruction_out();
        self.instruction_shift = self.instruction_shift >> 1 | u8::from(bit) << (IR_BITS - 1);
        out
    }

    pub(super) fn capture_instruction(&mut self) {
        self.instruction_shift = IR_CAPTURE;
    }

    pub(super) fn update_instruction(&mut self) {
        self.instruction = self.instruction_shift;
        self.data_next = false;
    }

    /// The register whose value a data scan captures, if it is one of the debug module's.
    pub(super) fn wants(&self) -> Option<Register> {
        match self.instruction {
            instruction::PWRCTL => Some(Register::PowerControl),
            instruction::PWRSTAT => Some(Register::PowerStatus),
            instruction::NARSEL if self.data_next => Some(Register::Nexus(self.address >> 1)),
            _ => None,
        }
    }

    /// Captures `value` if it is what the instruction selects. The scan of an address captures the
    /// state of the access before, which is 0: done.
    pub(super) fn capture_data(&mut self, value: u32) {
        self.data_shift = match self.instruction {
            instruction::IDCODE => IDCODE,
            _ => value,
        };
    }

    /// Ends a data scan; what it does to the debug module.
    pub(super) fn update_data(&mut self) -> Option<Scan> {
        let value = self.data_shift;
        match self.instruction {
            instruction::PWRCTL => Some(Scan::Write(Register::PowerControl, value)),
            instruction::PWRSTAT => Some(Scan::Write(Register::PowerStatus, value)),
            instruction::NARSEL if self.data_next => {
                self.data_next = false;
                let register = Register::Nexus(self.address >> 1);
                match self.address & 1 {
                    0 => Some(Scan::Read(register)),
                    _ => Some(Scan::Write(register, value)),
                }
            }
            instruction::NARSEL => {
                self.address = value as u8;
                self.data_next = true;
                None
            }
            instruction::BYPASS | instruction::IDCODE => None,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_clocks_with_tms_high_lead_to_reset_from_every_state() {
        use State::*;
        for state in [
            Reset, Idle, SelectDr, CaptureDr, ShiftDr, Exit1Dr, PauseDr, Exit2Dr, UpdateDr,
            SelectIr, CaptureIr, ShiftIr, Exit1Ir, PauseIr, Exit2Ir, UpdateIr,
        ] {
            assert_eq!((0..5).fold(state, |state, _| state.next(true)), Reset, "{state:?}");
        }
    }

    #[test]
    fn addresses_and_data_alternate_under_narsel() {
        let mut tap = Tap { instruction_shift: instruction::NARSEL, ..Tap::default() };
        tap.update_instruction();
        let mut scan = |bits: u32, value: u32| {
            tap.capture_data(0);
            for n in 0..bits {
                tap.shift_data(value >> n & 1 != 0);
            }
            tap.update_data()
        };
        assert_eq!(scan(8, 0x45 << 1 | 1), None);
        assert_eq!(scan(32, 0x1234_5678), Some(Scan::Write(Register::Nexus(0x45), 0x1234_5678)));
        assert_eq!(scan(8, 0x44 << 1), None);
        assert_eq!(scan(32, 0), Some(Scan::Read(Register::Nexus(0x44))));
    }
}
