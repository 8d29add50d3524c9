//! What the mask ROM does for firmware, provided natively: no byte of the mask ROM is needed.
//!
//! *Source*: the published linker scripts and headers of ESP-IDF for names, addresses and
//! signatures; newlib's and libgcc's public documentation for semantics; measurements of what real
//! firmware calls and relies on.
//! *Modelled*: see [`table`] for the functions, [`startup`] for the RAM.
//! *Not modelled*: ROM entry points without an entry in [`table`].

pub mod boot;
pub mod call;
mod callbacks;
pub mod coroutine;
#[cfg(test)]
mod fake;
mod functions;
pub mod guest;
#[cfg(test)]
mod guest_code;
pub mod image;
pub mod startup;
pub mod symbols;
pub mod table;
