//! What needs a whole chip or a whole network. One program, because each would be linked for itself.

mod board;
mod coherence;
mod common;
mod compiled;
mod debugger;
mod determinism;
mod download;
mod exceptions;
mod interrupt_anywhere;
mod isa;
mod jtag;
mod memory_map;
mod native_rom;
mod neighbours;
mod network;
mod standing;
mod task_switch;
