//! The transcript of one serial port: everything it said, append-only, with device times.
//!
//! The raw bytes are kept for ever. Beside them stands the text that expectations and snapshots
//! work on: UTF-8 decoded lossily, terminal sequences and carriage returns dropped
//! (`text`). One cursor says how far the scenario has read: each expectation searches on from
//! there, and a match moves it; nothing else does.
//!
//! Protocol traffic (a raw REPL transfer, a flash loader) is kept in the raw bytes but has no text,
//! so that it neither satisfies an expectation nor enters a snapshot.

pub mod expression;
mod resume;
mod search;
mod text;

pub use search::{Expectation, Match, NearMiss, Pattern, Poll, SETTLE, nearest_line};

use std::ops::Range;

use crate::time::DeviceTime;
use text::TextFilter;

/// Everything one serial port said.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    raw: Vec<u8>,
    /// Raw length and time at each delivery, to find the time of a byte.
    times: Vec<(usize, DeviceTime)>,
    text: String,
    /// For each byte of `text`, how many raw bytes had come when it was decided.
    origin: Vec<usize>,
    /// Where the line begins that is still growing; known, so that a long one is not searched for
    /// its end again and again.
    growing: usize,
    filter: TextFilter,
    /// How far the scenario has read, in raw bytes.
    cursor: usize,
    protocol: bool,
}

/// One line of the text with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'t> {
    /// The line without its end.
    pub text: &'t str,
    /// Byte offset in the text.
    pub start: usize,
    /// Whether its line feed has come.
    pub complete: bool,
}

impl Transcript {
    /// Appends what arrived at `time`; times must not decrease.
    pub fn push(&mut self, time: DeviceTime, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        for byte in bytes {
            self.raw.push(*byte);
            if self.protocol {
                continue;
            }
            self.hear(*byte, self.raw.len());
        }
        self.times.push((self.raw.len(), time));
    }

    /// From here on, bytes are protocol traffic: kept, but without text.
    pub fn begin_protocol(&mut self) {
        self.protocol = true;
    }

    /// Bytes are text again; the cursor passes over the traffic.
    pub fn end_protocol(&mut self) {
        self.protocol = false;
        self.filter = TextFilter::default();
        self.cursor = self.raw.len();
    }

    /// Makes a stretch of protocol traffic text after all: what a program printed that was run
    /// through the protocol. Stretches must follow each other, and what is text already stays before
    /// them. The first one after other text begins a line of its own.
    pub fn reveal(&mut self, raw: Range<usize>) {
        let known = self.origin.last().copied().unwrap_or(0);
        let start = raw.start.max(known);
        // Something hidden lies between what stood there and this.
        if known < start && !self.text.is_empty() && !self.text.ends_with('\n') {
            self.filter = TextFilter::default();
            self.text.push('\n');
            self.origin.push(start);
            self.growing = self.text.len();
        }
        for at in start..raw.end.min(self.raw.len()) {
            self.hear(self.raw[at], at + 1);
        }
    }

    /// Takes a byte as text; `origin` is how many raw bytes there are with it.
    fn hear(&mut self, byte: u8, origin: usize) {
        self.filter.push(byte, &mut self.text);
        self.origin.resize(self.text.len(), origin);
        if byte == b'\n' {
            self.growing = self.text.len();
        }
    }

    /// All raw bytes.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// All text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How far the scenario has read, as an offset into [`Transcript::raw`].
    pub fn raw_cursor(&self) -> usize {
        self.cursor
    }

    /// How far the scenario has read, as an offset into [`Transcript::text`].
    pub fn cursor(&self) -> usize {
        self.text_offset(self.cursor)
    }

    /// The offset in the text that belongs to a raw offset.
    pub fn text_offset(&self, raw: usize) -> usize {
        let offset = self.origin.partition_point(|origin| *origin <= raw);
        // A character's bytes share one origin, so this is a boundary already; be safe anyway.
        (offset..=self.text.len()).find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    /// Moves the cursor to the end of a match in the text; never backwards.
    pub fn advance(&mut self, text_end: usize) {
        let raw = match text_end.checked_sub(1) {
            None => 0,
            Some(last) => self.origin.get(last).copied().unwrap_or(self.raw.len()),
        };
        self.advance_raw(raw);
    }

    /// Moves the cursor to a raw offset; never backwards.
    pub fn advance_raw(&mut self, raw_end: usize) {
        self.cursor = self.cursor.max(raw_end.min(self.raw.len()));
    }

    /// When the byte before text offset `end` arrived.
    pub fn time_at(&self, end: usize) -> DeviceTime {
        let raw = end.checked_sub(1).and_then(|last| self.origin.get(last)).copied().unwrap_or(0);
        let chunk = self.times.partition_point(|(len, _)| *len < raw);
        self.times.get(chunk).or(self.times.last()).map_or(DeviceTime::ZERO, |(_, time)| *time)
    }

    /// Each delivery: how many raw bytes there were after it, and when it came.
    pub fn deliveries(&self) -> &[(usize, DeviceTime)] {
        &self.times
    }

    /// When the last byte arrived.
    pub fn last_time(&self) -> Option<DeviceTime> {
        self.times.last().map(|(_, time)| *time)
    }

    /// The lines from text offset `from` (a line that begins before it is cut there).
    pub fn lines(&self, from: usize) -> impl Iterator<Item = Line<'_>> {
        let mut start = from.min(self.text.len());
        std::iter::from_fn(move || {
            let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
            let end = (start < self.growing).then(|| rest.find('\n')).flatten();
            let line =
                Line { text: &rest[..end.unwrap_or(rest.len())], start, complete: end.is_some() };
            start += end.map_or(rest.len(), |end| end + 1);
            Some(line)
        })
    }

    /// The last `count` lines that are not empty.
    pub fn tail(&self, count: usize) -> Vec<&str> {
        let mut lines: Vec<_> =
            self.text.lines().rev().filter(|line| !line.trim().is_empty()).take(count).collect();
        lines.reverse();
        lines
    }

    /// The start of the line that contains text offset `at`.
    pub fn line_start(&self, at: usize) -> usize {
        match at >= self.growing {
            true => self.growing,
            false => self.text[..at].rfind('\n').map_or(0, |newline| newline + 1),
        }
    }

    /// The whole line that contains text offset `at`.
    pub fn line_at(&self, at: usize) -> (Range<usize>, &str) {
        let start = self.line_start(at);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline);
        (start..end, &self.text[start..end])
    }
}

/// `text` with control characters made visible, for a terminal or a file that people read.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> DeviceTime {
        DeviceTime::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn the_cursor_keeps_its_place_between_text_and_raw_bytes() {
        let mut transcript = Transcript::default();
        transcript.push(at(1), b"\x1b[32mgr\xc3\xbc\xc3\x9fe\r\n");
        transcript.push(at(2), b">>> ");
        assert_eq!(transcript.text(), "grüße\n>>> ");
        transcript.advance("grü".len());
        assert_eq!(transcript.raw_cursor(), b"\x1b[32mgr\xc3\xbc".len());
        assert_eq!(transcript.cursor(), "grü".len());
        transcript.advance(1);
        assert_eq!(transcript.cursor(), "grü".len(), "never backwards");
    }

    #[test]
    fn every_byte_of_text_knows_when_it_came() {
        let mut transcript = Transcript::default();
        transcript.push(at(1), b"a\xc3");
        transcript.push(at(5), b"\xbcb");
        assert_eq!(transcript.time_at(1), at(1));
        assert_eq!(transcript.time_at("aü".len()), at(5));
        assert_eq!(transcript.last_time(), Some(at(5)));
    }

    #[test]
    fn protocol_traffic_has_no_text_and_is_passed_over() {
        let mut transcript = Transcript::default();
        transcript.push(at(1), b"before ");
        transcript.begin_protocol();
        transcript.push(at(2), b"\x01raw REPL");
        transcript.end_protocol();
        transcript.push(at(3), b"after");
        assert_eq!(transcript.text(), "before after");
        assert_eq!(&transcript.text()[transcript.cursor()..], "after");
        assert_eq!(transcript.raw(), b"before \x01raw REPLafter");
    }

    #[test]
    fn what_a_program_printed_through_a_protocol_can_become_text() {
        let mut transcript = Transcript::default();
        transcript.push(at(1), b">>> ");
        transcript.begin_protocol();
        transcript.push(at(2), b"\x01OKhel");
        transcript.reveal(7..10);
        transcript.push(at(3), b"lo\r\n\x04\x04>\x02>>> ");
        transcript.reveal(10..14);
        transcript.reveal(18..22);
        transcript.end_protocol();
        transcript.push(at(4), b"1");
        assert_eq!(transcript.text(), ">>> \nhello\n>>> 1");
        assert_eq!(transcript.time_at(">>> \nhello".len()), at(3));
        assert_eq!(&transcript.text()[transcript.cursor()..], "1");
    }

    #[test]
    fn lines_tell_whether_they_are_complete() {
        let mut transcript = Transcript::default();
        transcript.push(at(1), b"one\n\ntwo");
        let lines: Vec<_> =
            transcript.lines(1).map(|line| (line.text, line.start, line.complete)).collect();
        assert_eq!(lines, [("ne", 1, true), ("", 4, true), ("two", 5, false)]);
        assert_eq!(transcript.tail(2), ["one", "two"]);
        assert_eq!(transcript.line_at(6), (5..8, "two"));
    }

    proptest! {
        #[test]
        fn the_deliveries_of_bytes_do_not_change_lines(
            bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\xc3\xa9\x1b[".to_vec()), 0..60),
            cut in 0..60_usize,
            hidden in 0..60_usize,
        ) {
            let (cut, mut whole) = (cut.min(bytes.len()), Transcript::default());
            let hidden = cut + hidden.min(bytes.len() - cut);
            let mut parts = Transcript::default();
            whole.push(at(1), &bytes[..cut]);
            bytes[..cut].iter().for_each(|byte| parts.push(at(1), &[*byte]));
            for transcript in [&mut whole, &mut parts] {
                transcript.begin_protocol();
                transcript.push(at(2), &bytes[cut..hidden]);
                transcript.reveal(cut + 1..hidden);
                transcript.end_protocol();
            }
            whole.push(at(3), &bytes[hidden..]);
            bytes[hidden..].iter().for_each(|byte| parts.push(at(3), &[*byte]));
            let text = whole.text();
            prop_assert_eq!(text, parts.text());
            prop_assert!(whole.lines(0).eq(parts.lines(0)));
            let lines: Vec<_> = whole.lines(0).map(|line| line.text).collect();
            prop_assert_eq!(lines, text.split_terminator('\n').collect::<Vec<_>>());
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                prop_assert_eq!(whole.line_start(at), start);
            }
        }
    }
}
