//! Loop-backs: wires between two pins of a board.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// GPIO numbers, including those without a pad.
pub const GPIOS: u8 = 40;

/// A wire between two pins of the same board. What one drives, the other sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "[u8; 2]")]
pub struct LoopBack {
    low: u8,
    high: u8,
}

/// It joins no two pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a loop-back joins two pins, from GPIO0 to GPIO39")]
pub struct NoLoopBack;

impl LoopBack {
    /// A wire between these GPIOs, in any order.
    ///
    /// # Errors
    /// When they are the same or there is no such GPIO.
    pub fn between(a: u8, b: u8) -> Result<Self, NoLoopBack> {
        let (low, high) = (a.min(b), a.max(b));
        if low < high && high < GPIOS { Ok(Self { low, high }) } else { Err(NoLoopBack) }
    }

    /// The GPIO numbers of its ends, the lower one first.
    pub fn ends(self) -> [u8; 2] {
        [self.low, self.high]
    }
}

impl TryFrom<[u8; 2]> for LoopBack {
    type Error = NoLoopBack;

    fn try_from([a, b]: [u8; 2]) -> Result<Self, NoLoopBack> {
        Self::between(a, b)
    }
}

impl FromStr for LoopBack {
    type Err = NoLoopBack;

    fn from_str(text: &str) -> Result<Self, NoLoopBack> {
        let (a, b) = text.split_once(':').ok_or(NoLoopBack)?;
        match (a.parse(), b.parse()) {
            (Ok(a), Ok(b)) => Self::between(a, b),
            _ => Err(NoLoopBack),
        }
    }
}

/// As bench.toml has it.
impl fmt::Display for LoopBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_different_pins_of_the_chip_are_joined_in_any_order() {
        assert_eq!("17:16".parse(), LoopBack::between(16, 17));
        for text in ["17", "17:17", "39:40", "a:b", ":"] {
            assert_eq!(text.parse::<LoopBack>(), Err(NoLoopBack), "{text}");
        }
    }
}
