//! What a debugger does with a board.

use crate::time::DeviceTime;

/// A core: 0 is PRO_CPU, 1 APP_CPU.
pub type CoreIndex = usize;

/// Which accesses a watchpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Loads.
    Loads,
    /// Stores.
    Stores,
    /// Both.
    Accesses,
}

/// Why a board is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The debugger asked for it.
    Asked,
    /// The core has made its step.
    Step(CoreIndex),
    /// The core is before an instruction with a breakpoint.
    Breakpoint(CoreIndex),
    /// The core is before a BREAK instruction of the program's own.
    BreakInstruction(CoreIndex),
    /// The core has made an access that a watchpoint is for.
    Watchpoint {
        /// Which core.
        core: CoreIndex,
        /// What was accessed.
        address: u32,
        /// The watchpoint's kind.
        kind: Watched,
    },
}

/// A board that can be held and looked into. While it is held no device time passes.
///
/// Registers have the numbers by which Xtensa's tools know them: 0x0000 to 0x000f a0 to a15, 0x0020
/// PC, 0x0030 to 0x003f f0 to f15, 0x0100 to 0x013f the physical address registers, 0x0200 to 0x02ff
/// special registers, 0x0300 to 0x03ff user registers.
pub trait Debugged {
    /// Device time.
    fn device_time(&self) -> DeviceTime;
    /// Holds the board where it is.
    fn hold(&mut self);
    /// Why the board is held, if it is.
    fn held(&self) -> Option<Held>;
    /// Lets it go on; if `step` is a core, until that has executed one instruction.
    fn go_on(&mut self, step: Option<CoreIndex>);
    /// Programs' own BREAK instructions hold the board, or are left to them.
    fn hold_at_breaks(&mut self, hold: bool);
    /// Takes away all that was set and lets the board go on.
    fn forget_debugger(&mut self);
    /// The value of a register.
    fn register(&self, core: CoreIndex, number: u16) -> Option<u32>;
    /// Sets a register; false if it cannot be written.
    fn set_register(&mut self, core: CoreIndex, number: u16, value: u32) -> bool;
    /// Reads memory as a core sees it; how much of it there was.
    fn read_memory(&mut self, core: CoreIndex, address: u32, out: &mut [u8]) -> usize;
    /// Writes memory; how much of it could be written.
    fn write_memory(&mut self, core: CoreIndex, address: u32, bytes: &[u8]) -> usize;
    /// Sets a breakpoint, or takes it away; false if it was so already.
    fn set_breakpoint(&mut self, address: u32, present: bool) -> bool;
    /// Sets a watchpoint, or takes it away; false if it was so already.
    fn set_watchpoint(&mut self, address: u32, length: u32, kind: Watched, present: bool) -> bool;
    /// One clock of the chip's JTAG, with these levels of TMS and TDI.
    fn jtag_clock(&mut self, tms: bool, tdi: bool);
    /// The level of TDO.
    fn jtag_tdo(&self) -> bool;
    /// Pulls EN down, or lets go of it.
    fn set_reset(&mut self, held: bool);
    /// Resets the chip as its button does; if the board is held, it is held at the reset vector.
    fn reset(&mut self);
    /// What a core is doing, for a person.
    fn doing(&self, core: CoreIndex) -> String;
}
