//! Where a guest stands, for failures of one that does not go on.

use std::fmt;

/// Where one core stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// Its name in the manual.
    pub name: &'static str,
    /// Address of the next instruction.
    pub pc: u32,
    /// What is there, if it is known, such as `memcpy+0x3`.
    pub symbol: Option<String>,
    /// What it is doing, in words.
    pub doing: &'static str,
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, pc, symbol, doing } = self;
        write!(f, "{name} {doing} at {pc:#010x}")?;
        match symbol {
            Some(symbol) => write!(f, " ({symbol})"),
            None => Ok(()),
        }
    }
}
