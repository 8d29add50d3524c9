//! What a native ROM function may see and touch of the core that called it.
//!
//! *Source*: our own contract; the register names are those of the Xtensa ISA reference manual.
//! *Modelled*: address registers of the current window, PS, CCOUNT, INTENABLE, the core's data bus
//! with all its side effects, and the cycle budget of the running quantum.
//! *Not modelled*: anything else of the chip. A function that wants a peripheral uses its registers
//! through the bus, as the mask ROM does.

pub use crate::cpu::exceptions::{Cause, Fault};
pub use crate::peripherals::{CoreId, Width};

/// The most cycles that one call of a native function may charge beyond [`Guest::budget_left`].
///
/// Short functions run in one go whatever the budget; long ones stop between units of work that
/// are shorter than this. The few exceptions (a string function on a needle of kilobytes) say so.
pub const MAX_OVERSHOOT: u64 = 1024;

/// One core, as a native function sees it.
///
/// Registers are those of the *current* window: a native function executes no ENTRY, so for a
/// windowed call that is the window of its caller.
pub trait Guest {
    /// The core that runs the function.
    fn core(&self) -> CoreId;

    /// Address register `n` of the current window, 0 to 15.
    fn ar(&self, n: usize) -> u32;

    /// Writes address register `n`. The function has made sure, by [`Guest::is_live_elsewhere`] or
    /// by being passed an argument there, that no other frame owns it.
    fn set_ar(&mut self, n: usize, value: u32);

    /// Whether `a[n]` of the current window still holds a register of an older frame that has not
    /// been spilled: the condition under which an instruction that names `a[n]` would raise a window
    /// overflow.
    fn is_live_elsewhere(&self, n: usize) -> bool;

    /// PS.
    fn ps(&self) -> u32;

    /// Writes PS. Interrupts that become possible are taken after the function.
    fn set_ps(&mut self, value: u32);

    /// PS.CALLINC: how many groups of four registers the last windowed call asked for.
    fn callinc(&self) -> usize {
        (self.ps() >> 16 & 3) as usize
    }

    /// CCOUNT, including the cycles charged so far.
    fn ccount(&self) -> u32;

    /// INTENABLE.
    fn intenable(&self) -> u32;

    /// Writes INTENABLE.
    fn set_intenable(&mut self, value: u32);

    /// A load over the data bus, with the side effects of a register read.
    ///
    /// # Errors
    /// The fault that a load instruction would have raised.
    fn load(&mut self, address: u32, width: Width) -> Result<u32, Fault>;

    /// A store over the data bus.
    ///
    /// # Errors
    /// The fault that a store instruction would have raised.
    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Fault>;

    /// Copies the longest prefix of `address..address + out.len()` that is plain memory (no side
    /// effects, readable now) and returns its length. 0 is always allowed and means "use `load`".
    fn read_memory(&mut self, _address: u32, _out: &mut [u8]) -> usize {
        0
    }

    /// The same for stores. Memory that only takes word accesses counts as plain here.
    fn write_memory(&mut self, _address: u32, _bytes: &[u8]) -> usize {
        0
    }

    /// Lets time pass for this core.
    fn charge(&mut self, cycles: u64);

    /// The core executes nothing for so many cycles, unless an interrupt comes; then the instruction
    /// that has called the native function is executed again.
    fn pause(&mut self, cycles: u64);

    /// Cycles left in this quantum, not counting those already charged; at least 1 when a native
    /// function is started.
    fn budget_left(&self) -> u64;
}

/// Reads bytes, from whatever is there: memory in one go, registers by aligned word loads.
///
/// # Errors
/// The fault of the first word that cannot be read.
pub fn read_bytes(guest: &mut dyn Guest, address: u32, out: &mut [u8]) -> Result<(), Fault> {
    let mut done = 0;
    while done < out.len() {
        let at = address.wrapping_add(done as u32);
        let plain = guest.read_memory(at, &mut out[done..]);
        if plain > 0 {
            done += plain;
            continue;
        }
        // IRAM and registers answer words only, and a word contains every byte of itself.
        let word = guest.load(at & !3, Width::Word)?.to_le_bytes();
        for &byte in &word[at as usize & 3..] {
            if let Some(slot) = out.get_mut(done) {
                *slot = byte;
                done += 1;
            }
        }
    }
    Ok(())
}

/// Writes bytes: memory in one go, everything else by word stores where whole words are covered.
///
/// # Errors
/// The fault of the first store that is refused; what came before it has been written.
pub fn write_bytes(guest: &mut dyn Guest, address: u32, bytes: &[u8]) -> Result<(), Fault> {
    let mut done = 0;
    while done < bytes.len() {
        let at = address.wrapping_add(done as u32);
        let rest = &bytes[done..];
        let plain = guest.write_memory(at, rest);
        if plain > 0 {
            done += plain;
        } else if let (0, Some(word)) = (at & 3, rest.first_chunk()) {
            guest.store(at, Width::Word, u32::from_le_bytes(*word))?;
            done += 4;
        } else {
            store_byte(guest, at, rest[0])?;
            done += 1;
        }
    }
    Ok(())
}

/// One byte; in memory that takes words only, by changing the word around it.
fn store_byte(guest: &mut dyn Guest, address: u32, byte: u8) -> Result<(), Fault> {
    match guest.store(address, Width::Byte, byte.into()) {
        Err(fault) if fault.cause == Cause::LoadStoreError => {
            let (at, shift) = (address & !3, (address & 3) * 8);
            let word = guest.load(at, Width::Word)? & !(0xff << shift);
            guest.store(at, Width::Word, word | u32::from(byte) << shift)
        }
        result => result,
    }
}

/// One byte.
///
/// # Errors
/// As [`read_bytes`].
pub fn read_byte(guest: &mut dyn Guest, address: u32) -> Result<u8, Fault> {
    let mut byte = [0];
    read_bytes(guest, address, &mut byte)?;
    Ok(byte[0])
}

/// A string up to its terminator, at most `limit` bytes of it.
///
/// # Errors
/// As [`read_bytes`].
pub fn read_string(guest: &mut dyn Guest, address: u32, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    while text.len() < limit {
        match read_byte(guest, address.wrapping_add(text.len() as u32))? {
            0 => break,
            byte => text.push(byte),
        }
    }
    Ok(text)
}
