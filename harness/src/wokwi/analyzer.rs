//! `wokwi-logic-analyzer`: eight channels, their changes with times, as a Value Change Dump.
//!
//! Source: the vendor's documentation, "wokwi-logic-analyzer", for attributes; IEEE Std 1364-2005,
//! clause 18, for the file.

use std::collections::BTreeMap;
use std::io;

use vcd::{SimulationCommand, TimescaleUnit, Value, Writer};

use super::boards::Pin;
use super::diagram::End;
use super::wiring::Wiring;
use crate::targets::Level;
use crate::time::DeviceTime;

/// The type of the part.
pub(super) const KIND: &str = "wokwi-logic-analyzer";
const CHANNELS: usize = 8;
/// Samples that it keeps if its attribute does not say another number.
const BUFFER: usize = 1_000_000;

/// When it begins to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Off,
    /// Once the channel has this level, or changes to it.
    At {
        channel: usize,
        level: Level,
        edge: bool,
    },
}

/// An analyzer at work.
#[derive(Debug, Clone)]
pub(super) struct Analyzer {
    /// Channels that a wire leads to, with their pads.
    channels: BTreeMap<usize, (String, u8)>,
    trigger: Trigger,
    buffer: usize,
    triggered: bool,
    levels: BTreeMap<u8, Level>,
    samples: Vec<(DeviceTime, usize, Level)>,
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recording {
    pub(super) vcd: String,
    pub(super) channels: usize,
    pub(super) samples: usize,
}

impl Analyzer {
    /// The analyzer of a diagram, if it has one.
    pub(super) fn of(wiring: &Wiring) -> Option<Self> {
        let part = wiring.parts_of(KIND).next()?;
        let attribute = |name: &str| part.attrs.get(name).map(String::as_str).unwrap_or_default();
        let names: Vec<&str> = attribute("channelNames").split(',').map(str::trim).collect();
        let channel = |n: usize| {
            let gpio = wiring
                .pins(&End::new(&part.id, &format!("D{n}")))
                .into_iter()
                .find_map(|pin| if let Pin::Gpio(gpio) = pin { Some(gpio) } else { None })?;
            let named = names.get(n).filter(|name| !name.is_empty());
            let name = named.map_or_else(|| format!("D{n}"), |name| identifier(name));
            Some((n, (name, gpio)))
        };
        let pin = attribute("triggerPin").trim_start_matches('D').parse().unwrap_or(CHANNELS - 1);
        let level = Level::from(attribute("triggerLevel") != "low");
        let trigger = match attribute("triggerMode") {
            mode @ ("level" | "edge") => Trigger::At { channel: pin, level, edge: mode == "edge" },
            _ => Trigger::Off,
        };
        Some(Self {
            channels: (0..CHANNELS).filter_map(channel).collect(),
            trigger,
            buffer: attribute("bufferSize").parse().unwrap_or(BUFFER).min(BUFFER),
            triggered: trigger == Trigger::Off,
            levels: BTreeMap::new(),
            samples: Vec::new(),
        })
    }

    /// The pads that it looks at.
    pub(super) fn pads(&self) -> Vec<u8> {
        self.channels.values().map(|(_, gpio)| *gpio).collect()
    }

    /// The board begins anew.
    pub(super) fn forget(&mut self) {
        self.triggered = self.trigger == Trigger::Off;
        self.levels.clear();
        self.samples.clear();
    }

    /// A pad has a level from now on.
    pub(super) fn see(&mut self, gpio: u8, time: DeviceTime, level: Level) {
        let before = self.levels.insert(gpio, level);
        if before == Some(level) {
            return;
        }
        for (&channel, _) in self.channels.iter().filter(|(_, (_, pad))| *pad == gpio) {
            if let Trigger::At { channel: wanted, level: at, edge } = self.trigger {
                let is_edge = before.is_some() || !edge;
                self.triggered |= wanted == channel && at == level && is_edge;
            }
            if self.triggered && self.samples.len() < self.buffer {
                self.samples.push((time, channel, level));
            }
        }
    }

    /// All that was recorded until `now`.
    pub(super) fn recording(&self, now: DeviceTime) -> io::Result<Recording> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.version(env!("CARGO_PKG_NAME"))?;
        writer.timescale(1, TimescaleUnit::NS)?;
        writer.add_module("logic")?;
        let mut wires = BTreeMap::new();
        for (channel, (name, _)) in &self.channels {
            wires.insert(*channel, writer.add_wire(1, name)?);
        }
        writer.upscope()?;
        writer.enddefinitions()?;
        writer.timestamp(0)?;
        writer.begin(SimulationCommand::Dumpvars)?;
        for wire in wires.values() {
            writer.change_scalar(*wire, Value::X)?;
        }
        writer.end()?;
        let mut last = 0;
        for (time, channel, level) in &self.samples {
            if time.nanos() != last {
                last = time.nanos();
                writer.timestamp(last)?;
            }
            writer.change_scalar(wires[channel], *level == Level::High)?;
        }
        if now.nanos() > last {
            writer.timestamp(now.nanos())?;
        }
        writer.flush()?;
        Ok(Recording {
            vcd: String::from_utf8_lossy(&out).into_owned(),
            channels: self.channels.len(),
            samples: self.samples.len(),
        })
    }
}

/// A name that a file can hold: words end at blanks, and those that begin with `$` mean something.
fn identifier(name: &str) -> String {
    let good = |c: char| c.is_ascii_graphic() && c != '$';
    name.chars().map(|c| if good(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::diagram::Diagram;
    use super::*;
    use crate::time::Span;

    fn analyzer(attributes: &str) -> Analyzer {
        let text = format!(
            r#"{{"version": 1, "parts": [{{"type": "board-esp32-devkit-c-v4", "id": "esp"}},
                {{"type": "wokwi-logic-analyzer", "id": "la", "attrs": {{{attributes}}}}}],
                "connections": [["la:D0", "esp:2"], ["esp:4", "la:D7"]]}}"#
        );
        let wiring = Wiring::new(Diagram::parse(text.as_bytes()).unwrap()).unwrap();
        Analyzer::of(&wiring).unwrap()
    }

    fn at(us: u64) -> DeviceTime {
        DeviceTime::ZERO + Span::from_micros(us)
    }

    fn play(mut analyzer: Analyzer) -> Recording {
        analyzer.see(2, at(0), Level::Low);
        analyzer.see(4, at(0), Level::Low);
        analyzer.see(2, at(1), Level::High);
        analyzer.see(4, at(2), Level::High);
        analyzer.see(4, at(2), Level::High);
        analyzer.see(5, at(3), Level::High);
        analyzer.see(2, at(4), Level::Low);
        analyzer.recording(at(9)).unwrap()
    }

    #[test]
    fn changes_of_its_channels_are_in_the_file_under_their_names() {
        let analyzer = analyzer(r#""channelNames": "SCL $a""#);
        assert_eq!(analyzer.pads(), [2, 4]);
        let Recording { vcd, channels, samples } = play(analyzer);
        assert_eq!((channels, samples), (2, 5));
        for part in ["$version", "$timescale 1 ns", "SCL__a", "D7", "#4000", "#9000"] {
            assert!(vcd.contains(part), "{part} in {vcd}");
        }
    }

    #[test]
    fn with_a_trigger_it_records_from_there_and_no_more_than_it_has_room_for() {
        let edge = analyzer(r#""triggerMode": "edge", "triggerPin": "D7""#);
        assert_eq!(play(edge).samples, 2);
        let level =
            analyzer(r#""triggerMode": "level", "triggerLevel": "low", "triggerPin": "D0""#);
        assert_eq!(play(level).samples, 5);
        assert_eq!(play(analyzer(r#""bufferSize": "3""#)).samples, 3);
    }
}
