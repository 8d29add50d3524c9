//! What the board has said on the serial line of the diagram's monitor, and the client has not heard.

use std::time::Duration;

use crate::time::DeviceTime;

/// Bytes kept for a client that does not listen yet; the oldest go first.
const CAPACITY: usize = 4 << 20;
/// Wall time that the beginning of a line waits for its end, so that clients that look at lines seldom
/// get half of one.
const PATIENCE: Duration = Duration::from_millis(20);
/// Wall time without another byte after which nothing more is waited for: a prompt, or an echo.
const SILENCE: Duration = Duration::from_millis(2);
/// A longer piece is not worth waiting for.
const PIECE: usize = 4 << 10;

/// Bytes on their way to the client. All that was said since the start is kept until it listens: some
/// clients do so only when the board has been running for a while.
#[derive(Debug, Default)]
pub(super) struct Console {
    listening: bool,
    bytes: Vec<u8>,
    /// When the oldest of them came, in wall time.
    since: Duration,
    /// When the newest came.
    last: Duration,
    /// When the newest came, in device time.
    until: DeviceTime,
}

/// What is told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) bytes: Vec<u8>,
    pub(super) time: DeviceTime,
}

impl Console {
    /// The client wants to hear what is said.
    pub(super) fn listen(&mut self) {
        self.listening = true;
    }

    /// Forgets what nobody has heard.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The board has said something.
    pub(super) fn push(&mut self, bytes: &[u8], time: DeviceTime, wall: Duration) {
        self.until = time;
        if self.bytes.is_empty() {
            self.since = wall;
        }
        self.last = wall;
        self.bytes.extend(bytes);
        let excess = self.bytes.len().saturating_sub(CAPACITY);
        self.bytes.drain(..excess);
    }

    /// All that there is to tell now, because something else is told next.
    pub(super) fn take(&mut self) -> Option<Said> {
        let there = self.listening && !self.bytes.is_empty();
        there.then(|| Said { bytes: std::mem::take(&mut self.bytes), time: self.until })
    }

    /// What is to be told by now: whole lines, or what has waited long enough.
    pub(super) fn take_due(&mut self, wall: Duration) -> Option<Said> {
        if self.due_in(wall)? == Duration::ZERO {
            return self.take();
        }
        let end = self.bytes.iter().rposition(|byte| *byte == b'\n')? + 1;
        let rest = self.bytes.split_off(end);
        self.since = wall;
        Some(Said { bytes: std::mem::replace(&mut self.bytes, rest), time: self.until })
    }

    /// How long what there is may wait at most.
    pub(super) fn due_in(&self, wall: Duration) -> Option<Duration> {
        if !self.listening || self.bytes.is_empty() {
            return None;
        }
        match self.bytes.len() > PIECE {
            true => Some(Duration::ZERO),
            false => Some((self.since + PATIENCE).min(self.last + SILENCE).saturating_sub(wall)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: DeviceTime = DeviceTime::from_nanos(7);
    const MS: Duration = Duration::from_millis(1);

    fn said(text: &str) -> Option<Said> {
        Some(Said { bytes: text.into(), time: AT })
    }

    #[test]
    fn all_that_was_said_waits_for_the_client() {
        let mut console = Console::default();
        console.push(b"boot\n", AT, MS);
        assert_eq!((console.take(), console.take_due(1000 * MS)), (None, None));
        console.listen();
        assert_eq!(console.take(), said("boot\n"));
        assert_eq!(console.take(), None);
    }

    #[test]
    fn lines_go_out_at_once_and_a_prompt_when_nothing_more_comes() {
        let mut console = Console::default();
        console.listen();
        console.push(b"one\ntwo\n>>", AT, 10 * MS);
        assert_eq!(console.take_due(11 * MS), said("one\ntwo\n"));
        console.push(b"> ", AT, 12 * MS);
        assert_eq!((console.take_due(12 * MS), console.due_in(12 * MS)), (None, Some(2 * MS)));
        assert_eq!(console.take_due(14 * MS), said(">>> "));
        assert_eq!(console.due_in(14 * MS), None);
    }

    #[test]
    fn a_line_without_end_waits_only_so_long() {
        let mut console = Console::default();
        console.listen();
        for ms in 10..29 {
            console.push(b".", AT, ms * MS);
            assert_eq!(console.take_due(ms * MS), None);
        }
        console.push(b"!", AT, 30 * MS);
        assert_eq!(console.take_due(30 * MS), said("...................!"));
    }

    #[test]
    fn the_newest_of_too_much_is_kept() {
        let mut console = Console::default();
        console.push(&vec![b'a'; CAPACITY], AT, MS);
        console.push(b"end", AT, MS);
        console.listen();
        let kept = console.take().unwrap().bytes;
        assert_eq!((kept.len(), &kept[kept.len() - 4..]), (CAPACITY, &b"aend"[..]));
    }
}
