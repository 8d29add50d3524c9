//! How a native function is called, stops, continues and returns.
//!
//! *Source*: Xtensa ISA reference manual, chapters on the windowed register option and its ABI.
//! *Modelled*: CALL0, CALL4, CALL8, CALL12 and a tail jump (JX) in such a callee: arguments are in
//! `a[4n+2]` and up of the caller's window, n = PS.CALLINC; the result goes there too, and execution
//! goes on at the low 30 bits of `a[4n]` in the 1 GB region of the program counter.
//! *Not modelled*: struct results in memory. A CALL12 shows only two argument registers to its
//! callee's callers, so a native function sees no more; the others read as 0.
//!
//! # Parts
//!
//! A ROM function is a list of *parts*, each planted at the entry address plus three bytes per part
//! (the size of the SIMCALL that stands there). The first part is where callers enter. A part ends
//! with an [`Outcome`]; [`Outcome::Next`] goes on to the following part. So a function that works
//! in steps has its initialisation in part 0 and its loop in part 1, and needs no flag to tell a
//! fresh call from a continued one.
//!
//! # Progress
//!
//! Between two steps any interrupt may be taken, and a task switch may save and restore the window.
//! A function therefore keeps its progress only in the argument registers `a[4n+2]` to `a[4n+7]`, which
//! the ABI lets a callee destroy and every context switch preserves, or in memory. The first two
//! always belong to the callee's frame, because the call itself has touched their group of four;
//! the others do when the caller passed a third argument, for they share one group. A function with
//! fewer arguments asks for them with [`Call::claim`], which raises the window overflow that the
//! mask ROM's ENTRY would have raised.
//!
//! # Time
//!
//! A part charges about what the mask ROM's code costs, stops when the budget is used up, and
//! charges per unit of work, so that the sum does not depend on where it was cut.

use super::guest::{Fault, Guest, Width, read_bytes, read_string, write_bytes};

/// Why a part stopped without an outcome; nothing has been lost, it will be run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A data access failed.
    Fault(Fault),
    /// Register `a[n]` must be spilled by a window overflow exception first.
    WindowOverflow(usize),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// How a part of a native function ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Return to the caller without a result; the result register is left as it is.
    Void,
    /// Return a 32-bit result.
    Return(u32),
    /// Return a 64-bit result, low word in the lower register.
    Return64(u64),
    /// Not finished: run this part again when there is budget.
    Again,
    /// Go on with the instruction after this SIMCALL: the next part, or guest code.
    Next,
    /// Go back by this many parts.
    Back(u32),
}

/// One part of a native function.
pub type Native = fn(&mut Call<'_>) -> Result<Outcome, Stop>;

/// Whose registers hold the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// A function entered by a call, before any ENTRY.
    Caller,
    /// A step inside guest code of ours, in that code's own window.
    Own,
}

/// What the core does after a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Continue at this program counter.
    Continue(u32),
    /// Run the same SIMCALL again once there is budget; interrupts may come between.
    Again,
    /// Raise the window overflow exception that naming `a[n]` would raise, at this SIMCALL.
    WindowOverflow(usize),
    /// Raise this exception, at this SIMCALL.
    Fault(Fault),
}

/// Bytes of the SIMCALL that marks a part.
pub const PART_SIZE: u32 = 3;

/// Runs one part that is planted at `pc`.
pub fn run(native: Native, frame: Frame, pc: u32, guest: &mut dyn Guest) -> After {
    let window = match frame {
        Frame::Caller => 4 * guest.callinc(),
        Frame::Own => 0,
    };
    let mut call = Call { guest, window };
    let outcome = match native(&mut call) {
        Ok(outcome) => outcome,
        Err(Stop::Fault(fault)) => return After::Fault(fault),
        Err(Stop::WindowOverflow(n)) => return After::WindowOverflow(n),
    };
    match outcome {
        Outcome::Again => return After::Again,
        Outcome::Next => return After::Continue(pc.wrapping_add(PART_SIZE)),
        Outcome::Back(parts) => {
            return After::Continue(pc.wrapping_sub(parts.wrapping_mul(PART_SIZE)));
        }
        Outcome::Void => {}
        Outcome::Return(value) => call.set(0, value),
        Outcome::Return64(value) => call.set64(0, value),
    }
    let link = call.guest.ar(window);
    After::Continue(pc & 0xc000_0000 | link & 0x3fff_ffff)
}

/// The arguments of a call, and the guest behind it.
pub struct Call<'g> {
    /// The calling core.
    pub guest: &'g mut dyn Guest,
    /// First register of the callee's window, seen from the current one.
    window: usize,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("window", &self.window).finish_non_exhaustive()
    }
}

impl<'g> Call<'g> {
    /// Access to the guest for ROM code that nobody has called.
    pub fn without_caller(guest: &'g mut dyn Guest) -> Self {
        Self { guest, window: 0 }
    }
}

impl Call<'_> {
    /// Argument register `slot`, 0 to 5.
    pub fn get(&self, slot: usize) -> u32 {
        let n = self.window + 2 + slot;
        if n < 16 { self.guest.ar(n) } else { 0 }
    }

    /// Overwrites argument register `slot`.
    pub fn set(&mut self, slot: usize, value: u32) {
        let n = self.window + 2 + slot;
        if n < 16 {
            self.guest.set_ar(n, value);
        }
    }

    /// Adds to argument register `slot`, wrapping.
    pub fn add(&mut self, slot: usize, value: u32) {
        self.set(slot, self.get(slot).wrapping_add(value));
    }

    /// A 64-bit argument in registers `slot` and `slot + 1`.
    pub fn get64(&self, slot: usize) -> u64 {
        u64::from(self.get(slot)) | u64::from(self.get(slot + 1)) << 32
    }

    /// Overwrites a 64-bit argument.
    pub fn set64(&mut self, slot: usize, value: u64) {
        self.set(slot, value as u32);
        self.set(slot + 1, (value >> 32) as u32);
    }

    /// Argument `index` of any kind of call: the first six in registers, the rest on the stack of
    /// the caller.
    ///
    /// # Errors
    /// The fault of the stack access.
    pub fn argument(&mut self, index: usize) -> Result<u32, Stop> {
        match index {
            0..6 => Ok(self.get(index)),
            _ => Ok(self.load(self.guest.ar(1).wrapping_add(4 * (index as u32 - 6)))?),
        }
    }

    /// Makes all six argument registers usable for progress.
    ///
    /// # Errors
    /// [`Stop::WindowOverflow`] while an older frame still lives in them.
    pub fn claim(&self) -> Result<(), Stop> {
        let last = (self.window + 7).min(15);
        match self.guest.is_live_elsewhere(last) {
            true => Err(Stop::WindowOverflow(last)),
            false => Ok(()),
        }
    }

    /// A word over the data bus.
    ///
    /// # Errors
    /// The fault of the access.
    pub fn load(&mut self, address: u32) -> Result<u32, Fault> {
        self.guest.load(address, Width::Word)
    }

    /// Stores a word over the data bus.
    ///
    /// # Errors
    /// The fault of the access.
    pub fn store(&mut self, address: u32, value: u32) -> Result<(), Fault> {
        self.guest.store(address, Width::Word, value)
    }

    /// Replaces the bits of `mask` in a word by those of `value`, as a read and a write.
    ///
    /// # Errors
    /// The fault of either access.
    pub fn modify(&mut self, address: u32, mask: u32, value: u32) -> Result<(), Fault> {
        let word = self.load(address)?;
        self.store(address, word & !mask | value & mask)
    }

    /// Fills `out` from memory or registers.
    ///
    /// # Errors
    /// The fault of the access.
    pub fn read(&mut self, address: u32, out: &mut [u8]) -> Result<(), Fault> {
        read_bytes(self.guest, address, out)
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    /// The fault of the access.
    pub fn bytes<const N: usize>(&mut self, address: u32) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        read_bytes(self.guest, address, &mut bytes)?;
        Ok(bytes)
    }

    /// One byte.
    ///
    /// # Errors
    /// The fault of the access.
    pub fn byte(&mut self, address: u32) -> Result<u8, Fault> {
        Ok(self.bytes::<1>(address)?[0])
    }

    /// A string up to its terminator, at most `limit` bytes of it.
    ///
    /// # Errors
    /// The fault of the access.
    pub fn string(&mut self, address: u32, limit: usize) -> Result<Vec<u8>, Fault> {
        read_string(self.guest, address, limit)
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// The fault of the access.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Fault> {
        write_bytes(self.guest, address, bytes)
    }

    /// Waits, at `cycles` per look, until a look at a register says so: `Ok(true)` when it does,
    /// `Ok(false)` when the budget is used up before.
    ///
    /// # Errors
    /// The fault of the access.
    pub fn wait(
        &mut self,
        address: u32,
        cycles: u64,
        is_ready: impl Fn(u32) -> bool,
    ) -> Result<bool, Fault> {
        loop {
            let value = self.load(address)?;
            self.charge(cycles);
            if is_ready(value) {
                return Ok(true);
            }
            if self.is_spent() {
                return Ok(false);
            }
        }
    }

    /// Charges cycles.
    pub fn charge(&mut self, cycles: u64) {
        self.guest.charge(cycles);
    }

    /// Whether this quantum is used up.
    pub fn is_spent(&self) -> bool {
        self.guest.budget_left() == 0
    }

    /// How many of `wanted` bytes fit the budget at `cycles_per_16` cycles per 16 bytes: whole units
    /// of 16 but for the last, at least one unit, at most 256 bytes. The cycles are charged here.
    pub fn take_bytes(&mut self, wanted: u32, cycles_per_16: u64) -> usize {
        let units = (self.guest.budget_left() / cycles_per_16).clamp(1, 16);
        let bytes = u64::from(wanted).min(units * 16);
        self.charge((bytes * cycles_per_16).div_ceil(16));
        bytes as usize
    }
}
