//! An emulated board under a debugger.

use esp32_emulator::peripherals::CoreId;
use esp32_emulator::soc::debugger::{self, Watchpoint};

use super::Emulated;
use crate::targets::Target;
use crate::targets::debugged::{CoreIndex, Debugged, Held, Watched};
use crate::time::DeviceTime;

fn core_id(core: CoreIndex) -> CoreId {
    if core == 0 { CoreId::Pro } else { CoreId::App }
}

impl Debugged for Emulated {
    fn device_time(&self) -> DeviceTime {
        self.now()
    }

    fn hold(&mut self) {
        self.board_mut().chip_mut().hold();
    }

    fn held(&self) -> Option<Held> {
        self.board().chip().held().map(|held| match held {
            debugger::Held::Asked => Held::Asked,
            debugger::Held::Step(core) => Held::Step(core.index()),
            debugger::Held::Breakpoint(core) => Held::Breakpoint(core.index()),
            debugger::Held::BreakInstruction(core) => Held::BreakInstruction(core.index()),
            debugger::Held::Watchpoint { core, address, kind } => Held::Watchpoint {
                core: core.index(),
                address,
                kind: match kind {
                    debugger::Watched::Loads => Watched::Loads,
                    debugger::Watched::Stores => Watched::Stores,
                    debugger::Watched::Accesses => Watched::Accesses,
                },
            },
        })
    }

    fn go_on(&mut self, step: Option<CoreIndex>) {
        self.board_mut().chip_mut().go_on(step.map(core_id));
    }

    fn hold_at_breaks(&mut self, hold: bool) {
        self.board_mut().chip_mut().hold_at_breaks(hold);
    }

    fn forget_debugger(&mut self) {
        self.board_mut().chip_mut().forget_debugger();
    }

    fn register(&self, core: CoreIndex, number: u16) -> Option<u32> {
        let board = self.board();
        let cpu = board.chip().cpu(core_id(core));
        let low = number as u8;
        match number {
            0x0000..=0x000f => Some(cpu.a[usize::from(low)]),
            0x0020 => Some(cpu.pc),
            0x0030..=0x003f => Some(cpu.float(low & 15)),
            0x0100..=0x013f => Some(cpu.physical_ar(low.into())),
            0x0200..=0x02ff => cpu.special(low),
            0x0300..=0x03ff => cpu.user(low),
            _ => None,
        }
    }

    fn set_register(&mut self, core: CoreIndex, number: u16, value: u32) -> bool {
        let mut board = self.board_mut();
        let mut access = board.chip_mut().core_mut(core_id(core));
        let low = number as u8;
        match number {
            0x0000..=0x000f => access.cpu().a[usize::from(low)] = value,
            0x0020 => access.cpu().set_pc(value),
            0x0030..=0x003f => access.cpu().set_float(low & 15, value),
            0x0100..=0x013f => access.cpu().set_physical_ar(low.into(), value),
            0x0200..=0x02ff => return access.set_special(low, value),
            0x0300..=0x03ff => return access.cpu().set_user(low, value),
            _ => return false,
        }
        true
    }

    fn read_memory(&mut self, core: CoreIndex, address: u32, out: &mut [u8]) -> usize {
        self.board_mut().chip_mut().core_mut(core_id(core)).read(address, out)
    }

    fn write_memory(&mut self, core: CoreIndex, address: u32, bytes: &[u8]) -> usize {
        self.board_mut().chip_mut().core_mut(core_id(core)).write(address, bytes)
    }

    fn set_breakpoint(&mut self, address: u32, present: bool) -> bool {
        self.board_mut().chip_mut().set_breakpoint(address, present)
    }

    fn set_watchpoint(&mut self, address: u32, length: u32, kind: Watched, present: bool) -> bool {
        let kind = match kind {
            Watched::Loads => debugger::Watched::Loads,
            Watched::Stores => debugger::Watched::Stores,
            Watched::Accesses => debugger::Watched::Accesses,
        };
        let watchpoint = Watchpoint { address, length, kind };
        self.board_mut().chip_mut().set_watchpoint(watchpoint, present)
    }

    fn jtag_clock(&mut self, tms: bool, tdi: bool) {
        self.board_mut().chip_mut().jtag_clock(tms, tdi);
    }

    fn jtag_tdo(&self) -> bool {
        self.board().chip().jtag_tdo()
    }

    fn set_reset(&mut self, held: bool) {
        match held {
            true => self.board_mut().press_reset(),
            false => self.board_mut().release_reset(),
        }
    }

    fn reset(&mut self) {
        self.board_mut().press_reset();
        self.board_mut().release_reset();
        self.board_mut().finish_reset();
    }

    fn doing(&self, core: CoreIndex) -> String {
        match self.standing().get(core) {
            Some(standing) => format!("{}, {}", standing.name, standing.doing),
            None => "no power".to_owned(),
        }
    }
}
