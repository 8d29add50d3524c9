//! Pause points: moments at which a client wants the simulation to stand still.

use serde::Deserialize;

use super::protocol::Nanos;
use super::refusal::Refusal;
use crate::time::{DeviceTime, Span};

/// Pause points that a client may have.
const MOST: usize = 1024;
/// Bytes of a text that is waited for.
const LONGEST: usize = 64 << 10;

/// A pause point as a client orders it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Condition {
    /// At a moment of simulated time; one that has passed comes with the next run.
    TimeAbsolute { nanos: Nanos },
    /// So long after now.
    TimeRelative { nanos: Nanos },
    /// Behind the last of these bytes of the serial line.
    SerialBytes { bytes: Vec<u8> },
}

#[derive(Debug)]
enum When {
    /// `wanted`: the client waits for it and does nothing meanwhile, rather than setting a limit.
    At {
        time: DeviceTime,
        wanted: bool,
    },
    Said {
        bytes: Vec<u8>,
        heard: Vec<u8>,
    },
    /// It has come already.
    Now,
}

#[derive(Debug)]
struct Point {
    id: String,
    when: When,
}

/// A client's pause points. Each fires once.
#[derive(Debug, Default)]
pub(super) struct Points {
    points: Vec<Point>,
    /// What was said behind the text that was waited for, before the board stood still.
    overrun: Vec<u8>,
}

impl Points {
    /// Adds a point, or replaces the one of that name.
    pub(super) fn add(
        &mut self,
        id: String,
        condition: Condition,
        now: DeviceTime,
    ) -> Result<(), Refusal> {
        self.remove(&id);
        if self.points.len() >= MOST {
            let (bytes, most) = (self.points.len() + 1, MOST);
            return Err(Refusal::TooLarge { what: "the pause points", bytes, most });
        }
        let when = match condition {
            Condition::TimeAbsolute { nanos } => {
                When::At { time: DeviceTime::from_nanos(nanos.0), wanted: false }
            }
            Condition::TimeRelative { nanos } => {
                When::At { time: now + Span::from_nanos(nanos.0), wanted: true }
            }
            Condition::SerialBytes { bytes } if bytes.len() > LONGEST => {
                let (bytes, most) = (bytes.len(), LONGEST);
                return Err(Refusal::TooLarge { what: "the text", bytes, most });
            }
            Condition::SerialBytes { bytes } => {
                let overrun = std::mem::take(&mut self.overrun);
                let mut heard = Vec::new();
                match overrun.iter().position(|byte| hear(&bytes, &mut heard, *byte)) {
                    _ if bytes.is_empty() => When::Now,
                    None => When::Said { bytes, heard },
                    Some(end) => {
                        self.overrun = overrun[end + 1..].to_vec();
                        When::Now
                    }
                }
            }
        };
        self.points.push(Point { id, when });
        Ok(())
    }

    /// Forgets a point, if there is one of that name.
    pub(super) fn remove(&mut self, id: &str) {
        self.points.retain(|point| point.id != id);
    }

    /// The next moment at which one fires, unless the board says something before.
    pub(super) fn next(&self) -> Option<DeviceTime> {
        let times = self.points.iter().filter_map(|point| match point.when {
            When::At { time, .. } => Some(time),
            When::Now => Some(DeviceTime::ZERO),
            When::Said { .. } => None,
        });
        times.min()
    }

    /// Whether the client waits for one of them and does nothing meanwhile.
    pub(super) fn is_waited_for(&self) -> bool {
        self.points.iter().any(|point| !matches!(point.when, When::At { wanted: false, .. }))
    }

    /// Takes the first point that has come by `now`.
    pub(super) fn take_due(&mut self, now: DeviceTime) -> Option<String> {
        let is_due = |point: &Point| match point.when {
            When::At { time, .. } => time <= now,
            When::Now => true,
            When::Said { .. } => false,
        };
        let first = self.points.iter().position(is_due)?;
        Some(self.points.remove(first).id)
    }

    /// The board has said something: takes the first point that waited for it. What was said behind is
    /// kept for the next one.
    pub(super) fn hear(&mut self, said: &[u8]) -> Option<String> {
        self.overrun.clear();
        for (at, byte) in said.iter().enumerate() {
            let mut fired = None;
            for (index, point) in self.points.iter_mut().enumerate() {
                if let When::Said { bytes, heard } = &mut point.when
                    && hear(bytes, heard, *byte)
                    && fired.is_none()
                {
                    fired = Some(index);
                }
            }
            if let Some(index) = fired {
                let id = self.points.remove(index).id;
                self.overhear(&said[at + 1..]);
                return Some(id);
            }
        }
        None
    }

    /// The board has said something more before it stood still.
    pub(super) fn overhear(&mut self, said: &[u8]) {
        self.overrun.extend(said);
        for point in &mut self.points {
            if let When::Said { bytes, heard } = &mut point.when
                && said.iter().any(|byte| hear(bytes, heard, *byte))
            {
                point.when = When::Now;
            }
        }
    }

    /// The board begins anew: what it said before has nothing to do with what it says now.
    pub(super) fn forget_heard(&mut self) {
        self.overrun.clear();
        for point in &mut self.points {
            if let When::Said { heard, .. } = &mut point.when {
                heard.clear();
            }
        }
    }
}

/// Hears a byte: whether it is the last of those waited for.
fn hear(bytes: &[u8], heard: &mut Vec<u8>, byte: u8) -> bool {
    heard.push(byte);
    let found = heard.ends_with(bytes);
    if heard.len() >= 2 * bytes.len().max(64) {
        heard.drain(..heard.len() - bytes.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Condition {
        Condition::SerialBytes { bytes: text.as_bytes().to_vec() }
    }

    fn at(ms: u64) -> DeviceTime {
        DeviceTime::ZERO + Span::from_millis(ms)
    }

    #[test]
    fn a_text_is_found_across_pieces_and_only_once() {
        let mut points = Points::default();
        points.add("p".to_owned(), said("OK\r\n"), at(0)).unwrap();
        assert_eq!(points.hear(b"..OOK"), None);
        assert_eq!(points.hear(b"\r"), None);
        assert_eq!(points.hear(b"\nOK\r\n"), Some("p".to_owned()));
        assert_eq!(points.hear(b"OK\r\n"), None);
    }

    #[test]
    fn what_was_said_behind_a_text_counts_for_the_next_one() {
        let mut points = Points::default();
        points.add("a".to_owned(), said("one"), at(0)).unwrap();
        assert_eq!(points.hear(b"one two thr"), Some("a".to_owned()));
        points.overhear(b"ee four");
        points.add("b".to_owned(), said("two"), at(0)).unwrap();
        assert_eq!(points.take_due(at(0)), Some("b".to_owned()));
        points.add("c".to_owned(), said("three"), at(0)).unwrap();
        assert_eq!(points.take_due(at(0)), Some("c".to_owned()));
        points.add("d".to_owned(), said("four!"), at(0)).unwrap();
        assert_eq!(points.take_due(at(0)), None);
        assert_eq!(points.hear(b"!"), Some("d".to_owned()));
    }

    #[test]
    fn of_two_texts_in_one_piece_each_is_found() {
        let mut points = Points::default();
        points.add("b".to_owned(), said("two"), at(0)).unwrap();
        points.add("a".to_owned(), said("one"), at(0)).unwrap();
        assert_eq!(points.hear(b"one two"), Some("a".to_owned()));
        assert_eq!(points.take_due(at(0)), Some("b".to_owned()));
    }

    #[test]
    fn times_fire_in_their_order_and_those_that_passed_at_once() {
        let mut points = Points::default();
        let nanos = |ms: u64| Nanos(ms * 1_000_000);
        points
            .add("limit".to_owned(), Condition::TimeAbsolute { nanos: nanos(30) }, at(0))
            .unwrap();
        assert!(!points.is_waited_for());
        points
            .add("delay".to_owned(), Condition::TimeRelative { nanos: nanos(5) }, at(10))
            .unwrap();
        assert!(points.is_waited_for());
        assert_eq!((points.next(), points.take_due(at(14))), (Some(at(15)), None));
        assert_eq!(points.take_due(at(15)), Some("delay".to_owned()));
        points.add("past".to_owned(), Condition::TimeAbsolute { nanos: nanos(1) }, at(20)).unwrap();
        assert_eq!(points.take_due(at(20)), Some("past".to_owned()));
        points.remove("limit");
        assert_eq!(points.next(), None);
    }

    #[test]
    fn an_empty_text_has_been_said_already_and_too_much_is_refused() {
        let mut points = Points::default();
        points.add("e".to_owned(), said(""), at(0)).unwrap();
        assert_eq!(points.take_due(at(0)), Some("e".to_owned()));
        assert!(points.add("l".to_owned(), said(&"x".repeat(LONGEST + 1)), at(0)).is_err());
        for n in 0..MOST {
            points.add(n.to_string(), said("x"), at(0)).unwrap();
        }
        assert!(points.add("more".to_owned(), said("x"), at(0)).is_err());
        points.add("7".to_owned(), said("y"), at(0)).expect("it replaces one");
    }
}
