//! A resistor between a pad and a level: it decides where nothing stronger does.

use super::{Drive, Part};
use crate::time::Instant;

/// A pull-up or pull-down outside of the chip, stronger than the chip's own.
#[derive(Debug, Clone)]
pub struct Resistor {
    level: bool,
}

impl Resistor {
    /// A resistor to that level.
    pub fn new(level: bool) -> Self {
        Self { level }
    }
}

impl Part for Resistor {
    fn drive(&self, _pin: usize, _now: Instant) -> Drive {
        Drive::Weak(self.level)
    }
}
