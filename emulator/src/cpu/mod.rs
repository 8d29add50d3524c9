//! One Xtensa LX6 core.
//!
//! Source: Xtensa Instruction Set Architecture Reference Manual (Cadence, 2010 and later).

pub mod decode;
pub mod instruction;
mod opcodes;
mod operand;
pub mod special_register;
