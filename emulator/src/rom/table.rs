//! Which native function stands at which address.
//!
//! *Source*: the published linker scripts of ESP-IDF for the ESP32 ROM (`esp32.rom*.ld`); addresses
//! are the same in all revisions of the chip.
//! *Modelled*: every function of `functions`.
//! *Not modelled*: entry points that no module lists; executing them is an illegal instruction,
//! and [`super::symbols`] tells their names.

use super::call::Native;
use super::coroutine::Coroutine;
use super::{callbacks, functions};

/// A native ROM function.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Where callers enter.
    pub address: u32,
    /// The name in the linker script.
    pub name: &'static str,
    /// What happens there, and three, six ... bytes further on.
    pub parts: &'static [Native],
}

/// Shorthand for the tables of the function modules.
pub(super) const fn entry(address: u32, name: &'static str, parts: &'static [Native]) -> Entry {
    Entry { address, name, parts }
}

/// Every native function, in order of address.
pub fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> =
        functions::TABLES.iter().flat_map(|table| table.iter()).copied().collect();
    all.extend(callbacks::CHANNELS);
    all.sort_by_key(|entry| entry.address);
    all
}

/// Every function that calls back, in order of address.
pub fn coroutines() -> Vec<Coroutine> {
    let mut all: Vec<Coroutine> = callbacks::TABLES.concat();
    all.sort_by_key(|coroutine| coroutine.address);
    all
}

/// Whether the Bluetooth controller's software is at `address`. Ours only answers quietly.
pub fn is_bluetooth(address: u32) -> bool {
    functions::bluetooth::CODE.contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::call::PART_SIZE;

    #[test]
    fn no_two_parts_share_a_byte() {
        let all = entries();
        for pair in all.windows(2) {
            let end = pair[0].address + pair[0].parts.len() as u32 * PART_SIZE;
            assert!(end <= pair[1].address, "{} runs into {}", pair[0].name, pair[1].name);
        }
    }
}
