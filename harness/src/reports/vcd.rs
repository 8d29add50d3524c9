//! Pin traces as Value Change Dump, for GTKWave, PulseView and other viewers of waveforms.
//!
//! Source: IEEE Std 1364-2005, clause 18, "Value change dump (VCD) files". The crate `vcd` writes
//! (and in the tests reads) it. One file for each case: a viewer shows one time axis.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use vcd::{TimescaleUnit, Value, Writer};

use super::record::{Record, Try};
use crate::targets::Level;

/// The traces of a try; `None` if no pin was observed.
fn dump(shown: &Try) -> io::Result<Option<Vec<u8>>> {
    if shown.pins.is_empty() {
        return Ok(None);
    }
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.comment(&one_line(&shown.name))?;
    writer.timescale(1, TimescaleUnit::NS)?;
    let mut wires = BTreeMap::new();
    // Pads are sorted by their boards, the case's own first.
    let pads: Vec<_> = shown.pins.keys().collect();
    for of_board in pads.chunk_by(|a, b| a.on == b.on) {
        let module = match &of_board[0].on {
            None => format!("board_{}", shown.board),
            Some(name) => format!("{name}_{}", shown.boards.get(name).map_or("", String::as_str)),
        };
        writer.add_module(&identifier(&module))?;
        for pad in of_board {
            wires.insert(*pad, writer.add_wire(1, &format!("gpio{}", pad.gpio))?);
        }
        writer.upscope()?;
    }
    writer.enddefinitions()?;
    // Nothing is known of a pin before its first edge.
    writer.timestamp(0)?;
    writer.begin(vcd::SimulationCommand::Dumpvars)?;
    for wire in wires.values() {
        writer.change_scalar(*wire, Value::X)?;
    }
    writer.end()?;
    let mut edges: Vec<_> = shown
        .pins
        .iter()
        .flat_map(|(pad, edges)| edges.iter().map(|(time, level)| (*time, wires[pad], *level)))
        .collect();
    edges.sort_by_key(|(time, ..)| *time);
    let mut now = 0;
    for (time, wire, level) in edges {
        if time.nanos() != now {
            now = time.nanos();
            writer.timestamp(now)?;
        }
        writer.change_scalar(wire, level == Level::High)?;
    }
    // The last level lasts until here.
    if shown.time().nanos() > now {
        writer.timestamp(shown.time().nanos())?;
    }
    writer.flush()?;
    Ok(Some(out))
}

/// A comment ends with `$end`, and words that begin with `$` mean something.
fn one_line(text: &str) -> String {
    text.replace('$', "").replace('\n', " ")
}

fn identifier(text: &str) -> String {
    let part = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(part).collect()
}

/// The files to be written, with the case's name each: `path` itself if it is named as such a file
/// (there is one case then), else in a folder `path`.
pub(super) fn files(record: &Record, path: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut taken = BTreeSet::new();
    for shown in record.cases.values().filter_map(|tries| tries.last()) {
        let Some(bytes) = dump(shown)? else { continue };
        if is_file(path) {
            files.push((path.to_owned(), bytes));
            continue;
        }
        let allowed =
            |c: char| if c.is_ascii_alphanumeric() || "-_.=+,".contains(c) { c } else { '_' };
        let name: String = shown.name.chars().map(allowed).collect();
        let numbered = |n: u32| if n == 1 { name.clone() } else { format!("{name}-{n}") };
        // Scenarios of one name in different folders.
        let free = (1..).map(numbered).find(|name| taken.insert(name.clone())).unwrap_or(name);
        files.push((path.join(format!("{free}.vcd")), bytes));
    }
    Ok(files)
}

/// Whether a path names one file rather than a folder of them.
pub fn is_file(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "vcd")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::record::Pad;
    use crate::reports::testing::record;
    use crate::time::DeviceTime;
    use vcd::{Command, Parser};

    /// Scale, wires, and every change with its time.
    type Read = (Option<(u32, TimescaleUnit)>, Vec<String>, Vec<(u64, String, Value)>);

    fn read(bytes: &[u8]) -> Read {
        let mut parser = Parser::new(bytes);
        let header = parser.parse_header().unwrap();
        let scope = header.items.iter().find_map(|item| match item {
            vcd::ScopeItem::Scope(scope) => Some(scope),
            _ => None,
        });
        let wires: Vec<_> = scope
            .unwrap()
            .items
            .iter()
            .filter_map(|item| match item {
                vcd::ScopeItem::Var(var) => Some((var.code, var.reference.clone())),
                _ => None,
            })
            .collect();
        let (mut now, mut changes) = (0, Vec::new());
        for command in parser {
            match command.unwrap() {
                Command::Timestamp(time) => now = time,
                Command::ChangeScalar(code, value) => {
                    let wire = wires.iter().find(|(id, _)| *id == code).unwrap();
                    changes.push((now, wire.1.clone(), value));
                }
                _ => {}
            }
        }
        (header.timescale, wires.into_iter().map(|(_, name)| name).collect(), changes)
    }

    #[test]
    fn the_traces_read_back_with_every_edge_at_its_nanosecond() {
        let record = record();
        let case = &record.cases[&0][0];
        let bytes = dump(case).unwrap().unwrap();
        let (scale, wires, changes) = read(&bytes);
        assert_eq!(scale, Some((1, TimescaleUnit::NS)));
        assert_eq!(wires, ["gpio2", "gpio18"]);
        for (pad, edges) in &case.pins {
            let name = format!("gpio{}", pad.gpio);
            let mut expected = vec![(0, Value::X)];
            expected.extend(
                edges
                    .iter()
                    .map(|(time, level)| (time.nanos(), Value::from(*level == Level::High))),
            );
            let found: Vec<_> = changes
                .iter()
                .filter(|(_, wire, _)| *wire == name)
                .map(|(time, _, value)| (*time, *value))
                .collect();
            assert_eq!(found, expected, "{name}");
        }
        assert!(changes.is_sorted_by_key(|(time, ..)| *time));
    }

    #[test]
    fn cases_of_one_name_get_files_of_their_own_and_those_without_pins_none() {
        let mut record = record();
        record.cases.get_mut(&0).unwrap()[0].name = "a/b[x=$end, y=2]".to_owned();
        record.cases.get_mut(&2).unwrap()[0].name = "a/b[x=$end, y=2]".to_owned();
        let names: Vec<_> =
            files(&record, Path::new("out")).unwrap().into_iter().map(|(path, _)| path).collect();
        let expected = ["out/a_b_x=_end,_y=2_.vcd", "out/a_b_x=_end,_y=2_-2.vcd"];
        assert_eq!(names, expected.map(PathBuf::from));
        let bytes = dump(&record.cases[&0][0]).unwrap().unwrap();
        assert_eq!(read(&bytes).1.len(), 2, "the name stays in its comment");
    }

    #[test]
    fn an_edge_at_the_very_start_is_kept() {
        let mut shown = Try::default();
        shown.pins.insert(Pad { on: None, gpio: 5 }, vec![(DeviceTime::ZERO, Level::High)]);
        let (.., changes) = read(&dump(&shown).unwrap().unwrap());
        assert_eq!(changes.last(), Some(&(0, "gpio5".to_owned(), Value::V1)));
    }
}
