//! The bench: boards that are wired to this computer, and what is needed to use them.

pub mod lock;
pub mod power;
