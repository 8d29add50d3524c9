//! Searching a transcript that is still growing.
//!
//! A plain text is found the moment its last byte arrives. A regular expression may match more
//! when more comes (`\d+` on a number that is half sent), so a match that touches the end of the
//! transcript is *provisional*: it counts once something else follows it, or once the port has been
//! silent for [`SETTLE`].
//!
//! Cost: a text or a one-line pattern looks at each byte a bounded number of times, whatever the
//! length of the log. A pattern that can cross lines is tried again over everything since the
//! cursor at each delivery.

use std::ops::Range;

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::{Transcript, expression};
use crate::time::{DeviceTime, Span};

/// How long the port must be silent before a match at its very end counts.
pub const SETTLE: Span = Span::from_millis(20);

/// What an expectation looks for.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// This text.
    Text(String),
    /// A match of this regular expression (multi-line mode: `^` and `$` are line ends).
    Regex(Regex),
}

impl Pattern {
    /// A regular expression in multi-line mode.
    ///
    /// # Errors
    /// When the expression is invalid or too large.
    pub fn regex(source: &str) -> Result<Self, regex::Error> {
        expression::compile(source).map(Self::Regex)
    }

    /// Whether the pattern is found anywhere in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => text.contains(wanted.as_str()),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// The first place in `text` at or after `from`.
    fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        match self {
            Self::Text(wanted) => {
                let at = from + text.get(from..)?.find(wanted.as_str())?;
                Some(at..at + wanted.len())
            }
            Self::Regex(regex) => regex.find_at(text, from).map(|found| found.range()),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

/// A place where a pattern was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Bytes of the transcript's text.
    pub range: Range<usize>,
    /// When its last byte arrived.
    pub time: DeviceTime,
    /// The named groups that took part, in the order of the pattern.
    pub captures: Vec<(String, String)>,
}

/// What one look at the transcript gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// Not there yet.
    Missing,
    /// Found, but the text that follows may still change the match.
    Provisional(Match),
    /// Found.
    Found(Match),
}

/// A search that goes on as the transcript grows.
#[derive(Debug, Clone)]
pub struct Expectation {
    pattern: Pattern,
    /// Text before this offset cannot be the start of a match.
    from: usize,
    /// How far a text has been searched.
    searched: usize,
    crosses_lines: bool,
    /// Bytes that were looked at.
    #[cfg(test)]
    work: usize,
}

impl Expectation {
    /// Searches for `pattern` from text offset `from` on.
    pub fn new(pattern: Pattern, from: usize) -> Self {
        let crosses_lines = match &pattern {
            Pattern::Text(_) => false,
            Pattern::Regex(regex) => {
                expression::tree(regex.as_str()).map_or(true, |tree| can_match_newline(&tree))
            }
        };
        Self {
            pattern,
            from,
            searched: from,
            crosses_lines,
            #[cfg(test)]
            work: 0,
        }
    }

    /// What is searched for.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Looks at the transcript as it is now.
    pub fn poll(&mut self, transcript: &Transcript) -> Poll {
        let text = transcript.text();
        #[cfg(test)]
        let begin = self.searched;
        let found = match &self.pattern {
            Pattern::Text(wanted) => {
                // The last bytes searched may be the beginning of what is wanted.
                let mut start = self.searched.saturating_sub(wanted.len()).max(self.from);
                while !text.is_char_boundary(start) {
                    start -= 1;
                }
                self.searched = text.len();
                self.pattern.find(text, start.max(self.from))
            }
            Pattern::Regex(_) => {
                let start = match self.crosses_lines {
                    true => self.from,
                    false => self.searched,
                };
                let found = self.pattern.find(text, start);
                if found.is_none() {
                    self.searched = transcript.line_start(text.len()).max(self.from);
                }
                found
            }
        };
        #[cfg(test)]
        {
            self.work += found.as_ref().map_or(text.len(), |range| range.end).max(begin) - begin;
        }
        let Some(range) = found else { return Poll::Missing };
        let matched = self.describe(transcript, range);
        match self.pattern {
            Pattern::Regex(_) if matched.range.end == text.len() => Poll::Provisional(matched),
            _ => Poll::Found(matched),
        }
    }

    fn describe(&self, transcript: &Transcript, range: Range<usize>) -> Match {
        let mut captures = Vec::new();
        if let Pattern::Regex(regex) = &self.pattern
            && let Some(groups) = regex.captures_at(transcript.text(), range.start)
        {
            for name in regex.capture_names().flatten() {
                if let Some(group) = groups.name(name) {
                    captures.push((name.to_owned(), group.as_str().to_owned()));
                }
            }
        }
        let time = transcript.time_at(range.end);
        Match { range, time, captures }
    }
}

/// Whether some match of the expression contains a line feed.
fn can_match_newline(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&b'\n'),
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().any(|range| (range.start()..=range.end()).contains(&'\n'))
        }
        HirKind::Class(Class::Bytes(class)) => {
            class.iter().any(|range| (range.start()..=range.end()).contains(&b'\n'))
        }
        HirKind::Repetition(repetition) => can_match_newline(&repetition.sub),
        HirKind::Capture(capture) => can_match_newline(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(can_match_newline),
    }
}

/// A line that is nearly what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// The line.
    pub line: String,
    /// When its end arrived.
    pub time: DeviceTime,
}

/// Lines compared when looking for a near miss: enough for a person, bounded for a long log.
const COMPARED_LINES: usize = 200;
/// Similarity, in hundredths, from which a line is worth showing.
const SIMILAR: u32 = 60;

/// The line after text offset `from` that is most like `wanted`, if any is like it at all.
pub fn nearest_line(transcript: &Transcript, from: usize, wanted: &str) -> Option<NearMiss> {
    let wanted: Vec<char> = wanted.trim().chars().take(80).collect();
    if wanted.is_empty() {
        return None;
    }
    let lines: Vec<_> = transcript.lines(from).filter(|l| !l.text.trim().is_empty()).collect();
    let recent = lines.iter().rev().take(COMPARED_LINES);
    let (score, line) = recent
        .map(|line| (similarity(&wanted, line.text), line))
        .max_by_key(|(score, _)| *score)?;
    (score >= SIMILAR).then(|| NearMiss {
        line: line.text.to_owned(),
        time: transcript.time_at(line.start + line.text.len()),
    })
}

/// How like the best window of `line` is to `wanted`, in hundredths.
fn similarity(wanted: &[char], line: &str) -> u32 {
    let line: Vec<char> = line.chars().take(200).collect();
    let width = wanted.len();
    let windows: Vec<&[char]> = match line.len() <= width {
        true => vec![&line],
        false => line.windows(width).collect(),
    };
    let distance = |window: &[char]| strsim::generic_levenshtein(&Chars(wanted), &Chars(window));
    let best = windows.into_iter().map(distance).min().unwrap_or(width);
    (100 * width.saturating_sub(best) / width) as u32
}

struct Chars<'c>(&'c [char]);

impl<'c> IntoIterator for &Chars<'c> {
    type Item = &'c char;
    type IntoIter = std::slice::Iter<'c, char>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(text: &str) -> Transcript {
        let mut transcript = Transcript::default();
        transcript.push(DeviceTime::from_nanos(1), text.as_bytes());
        transcript
    }

    fn found(poll: Poll) -> Match {
        match poll {
            Poll::Found(found) => found,
            other => panic!("not found: {other:?}"),
        }
    }

    #[test]
    fn a_text_split_over_deliveries_is_found_with_its_last_byte() {
        let mut transcript = transcript("boot MicroPy");
        let mut search = Expectation::new(Pattern::Text("MicroPython".into()), 0);
        assert_eq!(search.poll(&transcript), Poll::Missing);
        transcript.push(DeviceTime::from_nanos(7), b"thon v1.23");
        let found = found(search.poll(&transcript));
        assert_eq!((found.range, found.time.nanos()), (5..16, 7));
    }

    #[test]
    fn nothing_before_the_cursor_matches_not_even_by_overlap() {
        let transcript = transcript("aaa");
        let mut search = Expectation::new(Pattern::Text("aa".into()), 2);
        assert_eq!(search.poll(&transcript), Poll::Missing);
    }

    #[test]
    fn a_number_at_the_end_is_provisional_until_something_follows() {
        let mut transcript = transcript("free: 12");
        let mut search = Expectation::new(Pattern::regex(r"free: (?<free>\d+)").unwrap(), 0);
        assert!(matches!(search.poll(&transcript), Poll::Provisional(_)));
        transcript.push(DeviceTime::from_nanos(2), b"34\r\n");
        let found = found(search.poll(&transcript));
        assert_eq!(found.captures, [("free".to_owned(), "1234".to_owned())]);
    }

    #[test]
    fn patterns_that_cross_lines_are_recognised() {
        for (source, crosses) in
            [("a.c", false), ("^x$", false), (r"a\nb", true), (r"[^>]", true), (r"(?s).", true)]
        {
            let search = Expectation::new(Pattern::regex(source).unwrap(), 0);
            assert_eq!(search.crosses_lines, crosses, "{source}");
        }
    }

    #[test]
    fn a_pattern_may_begin_in_a_line_that_was_incomplete_before() {
        let mut transcript = transcript("one\nrst:0x1 (POWER");
        let mut search = Expectation::new(Pattern::regex(r"rst:0x(\d+) \((\w+)\)").unwrap(), 0);
        assert_eq!(search.poll(&transcript), Poll::Missing);
        transcript.push(DeviceTime::from_nanos(2), b"ON_RESET),boot");
        assert_eq!(found(search.poll(&transcript)).range, 4..27);
    }

    #[test]
    fn the_nearest_line_is_shown_only_if_it_is_near() {
        let transcript = transcript("hello\nMicroPython v1.22.2 on 2024\nbye\n");
        let near = nearest_line(&transcript, 0, "MicroPython v1.23.0").unwrap();
        assert_eq!(near.line, "MicroPython v1.22.2 on 2024");
        assert_eq!(nearest_line(&transcript, 0, "connected to bench-net"), None);
    }

    #[test]
    fn a_long_log_is_searched_in_linear_time() {
        let mut transcript = Transcript::default();
        let mut text = Expectation::new(Pattern::Text("never".into()), 0);
        let mut regex = Expectation::new(Pattern::regex(r"never\d+").unwrap(), 0);
        for n in 0..20_000_u64 {
            // Deliveries end in the middle of a line.
            transcript.push(DeviceTime::from_nanos(n), b" other one\na line of a log like any");
            assert_eq!(text.poll(&transcript), Poll::Missing);
            assert_eq!(regex.poll(&transcript), Poll::Missing);
        }
        for search in [text, regex] {
            let (work, length) = (search.work, transcript.text().len());
            assert!(work <= 2 * length, "{work} bytes looked at for {length}");
        }
    }

    #[test]
    fn a_thousand_expectations_look_at_a_megabyte_about_once() {
        let mut transcript = Transcript::default();
        let line = |n: usize| format!("{n:06} {:91}\r\n", "a line of a log");
        let mut lines = (0..10_000).map(line);
        let mut work = 0;
        for n in 0..1_000 {
            let wanted = format!("{:06} a line", 10 * n + 9);
            let pattern = match n % 2 {
                0 => Pattern::Text(wanted),
                _ => Pattern::regex(&format!("^{wanted}")).unwrap(),
            };
            let mut search = Expectation::new(pattern, transcript.cursor());
            // Half of the log has come before it is asked for, the rest comes meanwhile.
            for line in lines.by_ref().take(if n < 500 { 20 } else { 0 }) {
                transcript.push(DeviceTime::from_nanos(n as u64), line.as_bytes());
            }
            let end = found(search.poll(&transcript)).range.end;
            transcript.advance(end);
            work += search.work;
        }
        let length = transcript.text().len();
        assert!(length > 950_000 && work <= 2 * length, "{work} bytes looked at for {length}");
    }
}
