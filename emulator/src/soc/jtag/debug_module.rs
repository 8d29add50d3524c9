//! The Xtensa debug module: how a debugger stops a core and has it execute instructions.
//!
//! Source: Xtensa Debug Guide as far as it is public: names, Nexus addresses and bits are those in
//! OpenOCD's `xtensa_debug_module.h` and probe-rs's `xdm.rs`; the addresses at which firmware sees
//! the same registers (RER): ESP-IDF, `xtensa/xtensa-debug-module.h`.
//! *Modelled*: OCDID, DCRSET, DCRCLR, DSR, DDR, DDREXEC, DIR0, DIR0EXEC; PWRCTL, PWRSTAT with both
//! resets. A write of DIR0EXEC clears ExecDone, so that a debugger can tell an instruction that was
//! ignored, since the core was not stopped, from the last that was not. Instructions take no time,
//! so that the module is never busy. Its Nexus registers have the core's clock: without one they read
//! 0, and a debugger takes the core as switched off (espressif/openocd-esp32 issues 336 and 371:
//! `[esp32.cpu1] Unexpected OCD_ID = 00000000` with firmware that uses one core).
//! *Not modelled*: trace and performance counters, power domains that are off, BreakIn and BreakOut.

use super::super::esp32::Esp32;
use super::tap::{Register, Scan};
use crate::cpu::exceptions::debugcause;
use crate::cpu::special_register::sr;
use crate::cpu::{Cpu, NotExecuted};
use crate::peripherals::CoreId;

/// Nexus addresses.
mod nexus {
    pub(super) const OCDID: u8 = 0x40;
    pub(super) const DCRCLR: u8 = 0x42;
    pub(super) const DCRSET: u8 = 0x43;
    pub(super) const DSR: u8 = 0x44;
    pub(super) const DDR: u8 = 0x45;
    pub(super) const DDREXEC: u8 = 0x46;
    pub(super) const DIR0EXEC: u8 = 0x47;
    pub(super) const DIR0: u8 = 0x48;
}

/// Bits of DCR.
mod dcr {
    pub(super) const ENABLE_OCD: u32 = 1 << 0;
    pub(super) const DEBUG_INTERRUPT: u32 = 1 << 1;
}

/// Bits of DSR.
mod dsr {
    pub(super) const EXEC_DONE: u32 = 1 << 0;
    pub(super) const EXEC_EXCEPTION: u32 = 1 << 1;
    pub(super) const STOPPED: u32 = 1 << 4;
    pub(super) const HOST_WROTE_DDR: u32 = 1 << 14;
    pub(super) const HOST_READ_DDR: u32 = 1 << 15;
    pub(super) const DEBUG_PEND_HOST: u32 = 1 << 17;
    pub(super) const DEBUG_INT_HOST: u32 = 1 << 21;
    pub(super) const POWER_ON: u32 = 1 << 31;
}

/// Bits of PWRCTL and PWRSTAT.
mod power {
    pub(super) const DOMAINS: u8 = 7;
    pub(super) const CORE_RESET: u8 = 1 << 4;
    pub(super) const DEBUG_RESET: u8 = 1 << 6;
}

/// The value is not public. It only has to be neither 0 nor all ones for a debugger to go on.
const OCDID: u32 = 1;
/// Where RER finds the register at Nexus address 0x40.
const EXTERNAL: u32 = 0x10_2000;

/// The debug module of one core, as far as it is not in the core.
#[derive(Debug, Clone, Default)]
pub(in crate::soc) struct DebugModule {
    /// DCR without its pulse bits.
    control: u32,
    /// Bits of DSR that stay until they are cleared.
    happened: u32,
    instruction: u32,
    power_control: u8,
    /// Resets since they were last cleared.
    was_reset: u8,
}

impl DebugModule {
    /// What RER reads at `register`. Firmware asks DCR whether a debugger is there.
    pub(in crate::soc) fn read_external(&self, register: u32) -> u32 {
        match register.checked_sub(EXTERNAL).map(|offset| offset / 4) {
            Some(2 | 3) => self.control, // DCRCLR, DCRSET
            _ => 0,
        }
    }

    /// The debugger holds the core in reset.
    pub(in crate::soc) fn holds_core(&self) -> bool {
        self.power_control & power::CORE_RESET != 0
    }

    /// The core has been reset, by whomever.
    pub(in crate::soc) fn note_core_reset(&mut self) {
        self.was_reset |= power::CORE_RESET;
    }

    /// The power has gone.
    pub(in crate::soc) fn power_off(&mut self, cpu: &mut Cpu) {
        self.power_control = 0;
        self.reset(cpu);
    }

    /// The module itself is reset; the debugger finds that in PWRSTAT.
    pub(in crate::soc) fn reset(&mut self, cpu: &mut Cpu) {
        let Self { power_control, was_reset, .. } = *self;
        let was_reset = was_reset | power::DEBUG_RESET;
        *self = Self { power_control, was_reset, ..Self::default() };
        cpu.enable_ocd(false);
        cpu.set_debug_interrupt(false);
    }
}

impl Esp32 {
    fn module(&mut self, core: CoreId) -> &mut DebugModule {
        &mut self.system.debug_modules[core.index()]
    }

    /// Whether the core and its Nexus registers have a clock.
    fn has_clock(&self, core: CoreId) -> bool {
        core == CoreId::Pro || self.system.devices.dport.app_cpu_has_clock()
    }

    /// What a scan that reads `register` captures.
    pub(super) fn capture(&mut self, core: CoreId, register: Register) -> u32 {
        if matches!(register, Register::Nexus(_)) && !self.has_clock(core) {
            return 0;
        }
        let cpu = &self.cpus[core.index()];
        let module = &self.system.debug_modules[core.index()];
        match register {
            Register::PowerControl => module.power_control.into(),
            Register::PowerStatus => (module.was_reset | power::DOMAINS).into(),
            Register::Nexus(nexus::OCDID) => OCDID,
            Register::Nexus(nexus::DCRCLR | nexus::DCRSET) => module.control,
            Register::Nexus(nexus::DSR) => {
                let mut status = module.happened | dsr::POWER_ON;
                if cpu.is_stopped() {
                    status |= dsr::STOPPED;
                    if cpu.special(sr::DEBUGCAUSE).unwrap_or(0) & debugcause::INTERRUPT != 0 {
                        status |= dsr::DEBUG_INT_HOST;
                    }
                }
                if cpu.debug_interrupt() {
                    status |= dsr::DEBUG_PEND_HOST;
                }
                status
            }
            Register::Nexus(nexus::DDR | nexus::DDREXEC) => cpu.ddr(),
            Register::Nexus(nexus::DIR0 | nexus::DIR0EXEC) => module.instruction,
            Register::Nexus(_) => 0,
        }
    }

    /// What follows from a scan that has ended.
    pub(super) fn update(&mut self, core: CoreId, scan: Scan) {
        match scan {
            Scan::Read(Register::Nexus(_)) | Scan::Write(Register::Nexus(_), _)
                if !self.has_clock(core) => {}
            Scan::Write(Register::PowerControl, value) => self.control_power(core, value as u8),
            Scan::Write(Register::PowerStatus, value) => {
                self.module(core).was_reset &= !(value as u8);
            }
            Scan::Write(Register::Nexus(address), value) => self.write_nexus(core, address, value),
            Scan::Read(Register::Nexus(nexus::DDR)) => {
                self.module(core).happened |= dsr::HOST_READ_DDR;
            }
            // The next word is on its way when the last one has been taken.
            Scan::Read(Register::Nexus(nexus::DDREXEC)) => {
                self.module(core).happened |= dsr::HOST_READ_DDR;
                self.execute_handed_in(core);
            }
            Scan::Read(_) => {}
        }
        self.take_asked_stop(core);
    }

    /// A core ends its instruction in less time than TCK takes to the next scan: debuggers hand
    /// instructions in at once after they have asked it to stop, without a look whether it has
    /// (probe-rs's `fast_halted_access`).
    fn take_asked_stop(&mut self, core: CoreId) {
        if self.has_clock(core) && self.executes(core) {
            self.cpus[core.index()].take_debug_interrupt();
        }
    }

    fn write_nexus(&mut self, core: CoreId, address: u8, value: u32) {
        let cpu = &mut self.cpus[core.index()];
        let module = &mut self.system.debug_modules[core.index()];
        match address {
            nexus::DCRSET => {
                module.control |= value & !dcr::DEBUG_INTERRUPT;
                cpu.enable_ocd(module.control & dcr::ENABLE_OCD != 0);
                if value & dcr::DEBUG_INTERRUPT != 0 {
                    cpu.set_debug_interrupt(true);
                }
            }
            nexus::DCRCLR => {
                module.control &= !value;
                cpu.enable_ocd(module.control & dcr::ENABLE_OCD != 0);
            }
            nexus::DSR => {
                module.happened &= !value;
                if value & dsr::DEBUG_PEND_HOST != 0 {
                    cpu.set_debug_interrupt(false);
                }
            }
            nexus::DDR | nexus::DDREXEC => {
                cpu.set_ddr(value);
                module.happened |= dsr::HOST_WROTE_DDR;
            }
            nexus::DIR0 | nexus::DIR0EXEC => module.instruction = value,
            _ => {}
        }
        if matches!(address, nexus::DDREXEC | nexus::DIR0EXEC) {
            self.execute_handed_in(core);
        }
    }

    /// Executes what is in DIR.
    fn execute_handed_in(&mut self, core: CoreId) {
        let cpu = &mut self.cpus[core.index()];
        let instruction = self.system.debug_modules[core.index()].instruction;
        let done = cpu.hand_in(instruction, &mut self.system);
        let happened = match done {
            Ok(()) => dsr::EXEC_DONE,
            Err(NotExecuted::Exception) => dsr::EXEC_DONE | dsr::EXEC_EXCEPTION,
            Err(NotExecuted::Running) => 0,
        };
        let module = self.module(core);
        module.happened = module.happened & !dsr::EXEC_DONE | happened;
        self.attend();
    }

    fn control_power(&mut self, core: CoreId, value: u8) {
        let before = std::mem::replace(&mut self.module(core).power_control, value);
        let raised = value & !before;
        if raised & power::CORE_RESET != 0 {
            self.restart_core(core);
        }
        if raised & power::DEBUG_RESET != 0 {
            let cpu = &mut self.cpus[core.index()];
            self.system.debug_modules[core.index()].reset(cpu);
        }
    }
}
