//! What a case has seen of the board's pins: their edges, and how far each expectation has read.

use std::collections::BTreeMap;

use crate::targets::Level;
use crate::time::{DeviceTime, Span};

/// A change of a pin's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinEdge {
    /// When.
    pub time: DeviceTime,
    /// The level since then.
    pub level: Level,
}

/// A time for which a pin kept a level, between two edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// When it began.
    pub start: DeviceTime,
    /// How long it was.
    pub width: Span,
}

/// One pin.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    edges: Vec<PinEdge>,
    /// Edges before this have been taken by an expectation.
    cursor: usize,
}

impl Trace {
    /// Every edge so far.
    pub fn edges(&self) -> &[PinEdge] {
        &self.edges
    }

    /// The next complete pulse of `level`; the cursor moves to its end, which may begin another.
    pub fn take_pulse(&mut self, level: Level) -> Option<Pulse> {
        let (first, start) = self
            .edges
            .iter()
            .enumerate()
            .skip(self.cursor)
            .find(|(_, edge)| edge.level == level)?;
        let end = self.edges.get(first + 1)?;
        self.cursor = first + 1;
        Some(Pulse { start: start.time, width: end.time - start.time })
    }
}

/// All observed pins of a board.
#[derive(Debug, Clone, Default)]
pub struct Pins {
    traces: BTreeMap<u8, Trace>,
}

impl Pins {
    /// Begins to keep the edges of a pin; whether that is new.
    pub fn observe(&mut self, gpio: u8) -> bool {
        let known = self.traces.contains_key(&gpio);
        self.traces.entry(gpio).or_default();
        !known
    }

    /// An edge has come.
    pub fn push(&mut self, gpio: u8, edge: PinEdge) {
        self.traces.entry(gpio).or_default().edges.push(edge);
    }

    /// What is known of a pin.
    pub fn trace(&mut self, gpio: u8) -> &mut Trace {
        self.traces.entry(gpio).or_default()
    }

    /// The edges of a pin.
    pub fn edges(&self, gpio: u8) -> &[PinEdge] {
        self.traces.get(&gpio).map_or(&[], |trace| trace.edges())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulses_are_taken_in_order_and_only_when_they_are_over() {
        let edge = |ms, level| PinEdge { time: DeviceTime::ZERO + Span::from_millis(ms), level };
        let edges = vec![edge(1, Level::High), edge(3, Level::Low), edge(9, Level::High)];
        let mut trace = Trace { edges, cursor: 0 };
        let pulse = |ms, width| {
            Some(Pulse {
                start: DeviceTime::ZERO + Span::from_millis(ms),
                width: Span::from_millis(width),
            })
        };
        assert_eq!(trace.take_pulse(Level::High), pulse(1, 2));
        assert_eq!(trace.take_pulse(Level::Low), pulse(3, 6));
        assert_eq!(trace.take_pulse(Level::High), None, "it has not ended");
        trace.edges.push(edge(10, Level::Low));
        assert_eq!(trace.take_pulse(Level::High), pulse(9, 1));
    }
}
