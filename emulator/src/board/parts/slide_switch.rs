//! A slide switch: a middle contact that lies at one of two outer ones.
//!
//! *Modelled*: which of two levels, or nothing, the pad at the middle contact is connected with.
//!
//! *Not modelled*: the moment at which it lies at neither; bouncing.

use super::{Drive, Part};
use crate::time::Instant;

/// A switch with its middle contact at a pad.
#[derive(Debug, Clone)]
pub struct SlideSwitch {
    /// What is at the outer contacts.
    levels: [Option<bool>; 2],
    at: usize,
}

impl SlideSwitch {
    /// A switch with these levels at its first and its last contact, which lies at the first one.
    pub fn new(first: Option<bool>, last: Option<bool>) -> Self {
        Self { levels: [first, last], at: 0 }
    }
}

impl Part for SlideSwitch {
    fn set_control(&mut self, control: &str, value: f64, _now: Instant) -> bool {
        if control == "value" {
            self.at = usize::from(value != 0.0);
        }
        control == "value"
    }

    fn drive(&self, _pin: usize, _now: Instant) -> Drive {
        self.levels[self.at].map_or(Drive::None, Drive::Strong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_at_one_of_two_contacts() {
        let mut switch = SlideSwitch::new(Some(false), None);
        assert_eq!(switch.drive(0, Instant::ZERO), Drive::Strong(false));
        assert!(switch.set_control("value", 1.0, Instant::ZERO));
        assert_eq!(switch.drive(0, Instant::ZERO), Drive::None);
    }
}
