//! Searching a transcript that is still growing.
//!
//! A plain text is found the moment its last byte arrives. A regular expression may match more
//! when more comes (`\d+` on a number that is half sent), so a match that touches the end of the
//! transcript is *provisional*: it counts once something else follows it, or once the port has been
//! silent for [`SETTLE`].
//!
//! Cost: every byte is looked at a bounded number of times, whatever the length of the log and of its
//! lines. Of an expression that cannot cross lines only the line that grows is searched again; when
//! what is searched again becomes long, the search goes on by an automaton that need not
//! (`resume`). Left are expressions with `\b` on text that is not ASCII, which the automaton cannot.

use std::ops::Range;

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::resume::{Resumed, Seen};
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

    fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
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
    /// Found, but the text that follows may still change the match: [`Expectation::settle`] if
    /// nothing does.
    Provisional,
    /// Found.
    Found(Match),
}

/// More bytes than this are not searched again at each delivery.
const LONG: usize = 1024;

/// Whether a search goes on where it stopped.
#[derive(Debug, Clone)]
enum Resuming {
    /// Too little is searched again to care.
    NotYet,
    On(Box<Resumed>),
    /// It has turned out that the automaton cannot.
    Never,
}

/// A search that goes on as the transcript grows.
#[derive(Debug, Clone)]
pub struct Expectation {
    pattern: Pattern,
    /// Text before this offset cannot be the start of a match.
    from: usize,
    /// Text before this offset has been searched, and need not be again.
    searched: usize,
    /// How much text there was at the last look.
    looked_at: usize,
    crosses_lines: bool,
    resuming: Resuming,
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
            looked_at: from,
            crosses_lines,
            resuming: Resuming::NotYet,
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
        let again = self.looked_at.saturating_sub(self.searched);
        self.looked_at = text.len();
        if let (Pattern::Regex(regex), Resuming::NotYet) = (&self.pattern, &self.resuming)
            && again > LONG
        {
            let resumed = Resumed::new(regex.as_str(), text, self.searched);
            self.resuming =
                resumed.map_or(Resuming::Never, |resumed| Resuming::On(Box::new(resumed)));
        }
        if let Resuming::On(resumed) = &mut self.resuming {
            #[cfg(test)]
            let begin = resumed.at();
            let seen = resumed.go_on(text);
            #[cfg(test)]
            {
                self.work += resumed.at() - begin;
            }
            match seen {
                Some(Seen::Nothing) => return Poll::Missing,
                Some(Seen::AtEnd) => return Poll::Provisional,
                Some(Seen::Followed) => {}
                None => self.resuming = Resuming::Never,
            }
        }
        match self.find(text) {
            Some(range) if range.end == text.len() && !self.pattern.is_text() => Poll::Provisional,
            Some(range) => Poll::Found(self.describe(transcript, range)),
            None => {
                if let Resuming::On(_) = self.resuming {
                    self.resuming = Resuming::Never;
                }
                self.searched = match &self.pattern {
                    // The last bytes may be the beginning of what is wanted.
                    Pattern::Text(wanted) => text.len().saturating_sub(wanted.len()),
                    Pattern::Regex(_) if self.crosses_lines => self.from,
                    Pattern::Regex(_) => transcript.line_start(text.len()),
                };
                self.searched = text.floor_char_boundary(self.searched).max(self.from);
                Poll::Missing
            }
        }
    }

    /// The match in the transcript as it is now, also if what follows could still change it.
    pub fn settle(&mut self, transcript: &Transcript) -> Option<Match> {
        match self.find(transcript.text()) {
            Some(range) => Some(self.describe(transcript, range)),
            None => {
                self.resuming = Resuming::Never;
                None
            }
        }
    }

    fn find(&mut self, text: &str) -> Option<Range<usize>> {
        let found = self.pattern.find(text, self.searched);
        #[cfg(test)]
        {
            let end = found.as_ref().map_or(text.len(), |range| range.end);
            self.work += end.saturating_sub(self.searched);
        }
        found
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
    use proptest::prelude::*;
    use rstest::rstest;

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
        assert!(matches!(search.poll(&transcript), Poll::Provisional));
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

    #[rstest]
    #[case::a_text("never", Poll::Missing)]
    #[case::a_number(r"(?-u:never\d+)", Poll::Missing)]
    #[case::a_line("^never.*$", Poll::Missing)]
    #[case::what_grows_with_the_line("a line.*", Poll::Provisional)]
    #[case::lines("(?s)a line.*never", Poll::Missing)]
    fn a_long_line_is_searched_in_linear_time(#[case] source: &str, #[case] poll: Poll) {
        let patterns = [Pattern::Text("never".into()), Pattern::regex(source).unwrap()];
        for pattern in patterns.into_iter().skip(usize::from(source != "never")) {
            let expected = if pattern.is_text() { Poll::Missing } else { poll.clone() };
            let mut search = Expectation::new(pattern, 0);
            let mut transcript = Transcript::default();
            for n in 0..20_000_u64 {
                transcript.push(DeviceTime::from_nanos(n), b"a line without an end ");
                assert_eq!(search.poll(&transcript), expected);
            }
            let (work, length) = (search.work, transcript.text().len());
            // At first it is searched again and again.
            let most = 2 * length + 100 * LONG;
            assert!(work <= most, "{work} bytes looked at for {length}");
        }
    }

    /// Texts with what expressions look for, long lines among them.
    fn chunks() -> impl Strategy<Value = Vec<String>> {
        let long = "x".repeat(LONG + 10);
        let chunk = prop::sample::select(vec![
            "a", "b", "ab", "1", "23", " ", "\n", "a\n", "é", "€ ", "go", "stop", "long",
        ])
        .prop_map(move |chunk| if chunk == "long" { long.clone() } else { chunk.to_owned() });
        prop::collection::vec(chunk, 1..60)
    }

    fn sources() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "ab",
            "a.*b",
            "a.*?b",
            r"\d+",
            r"\ba",
            r"(?-u:\b)a",
            "^a",
            "a$",
            "^a.*b$",
            "^$",
            "x*",
            "x+b",
            r"a\s+b",
            "(?s)go.*stop",
            "(?s)go.*?stop",
            "a.*1|ab",
            "[^x]b",
            "é+",
            r"(?<a>\w+) (?<b>\w+)",
            r"\Aa",
            r"a\z",
            r"\B",
            "(?m-s:.)$",
            "(?i)STOP|A",
            "(?R)a$",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_search_that_goes_on_finds_what_a_new_one_finds(
            chunks in chunks(), source in sources(), skipped in 0..4_usize
        ) {
            let mut transcript = Transcript::default();
            let skipped = skipped.min(chunks.len());
            transcript.push(DeviceTime::from_nanos(0), chunks[..skipped].concat().as_bytes());
            let pattern = Pattern::regex(source).unwrap();
            let from = transcript.text().len();
            let mut search = Expectation::new(pattern.clone(), from);
            for (n, chunk) in chunks[skipped..].iter().enumerate() {
                transcript.push(DeviceTime::from_nanos(n as u64), chunk.as_bytes());
                let new = Expectation::new(pattern.clone(), from).poll(&transcript);
                prop_assert_eq!(search.poll(&transcript), new.clone());
                if let Poll::Provisional = new {
                    let new = Expectation::new(pattern.clone(), from).settle(&transcript);
                    prop_assert_eq!(search.settle(&transcript), new);
                }
                if let Poll::Found(_) = new {
                    break;
                }
            }
        }

        #[test]
        fn a_text_is_found_at_the_same_place_however_it_is_delivered(
            bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\xc3\xa9\x1b[".to_vec()), 0..80),
            cuts in prop::collection::vec(1..9_usize, 1..20),
            wanted in "[abé\n]{1,3}",
        ) {
            let whole = {
                let mut transcript = Transcript::default();
                transcript.push(DeviceTime::from_nanos(0), &bytes);
                match Expectation::new(Pattern::Text(wanted.clone()), 0).poll(&transcript) {
                    Poll::Found(found) => Some(found.range),
                    _ => None,
                }
            };
            let (mut transcript, mut rest, mut found) = (Transcript::default(), &bytes[..], None);
            let mut search = Expectation::new(Pattern::Text(wanted), 0);
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                rest = later;
                transcript.push(DeviceTime::from_nanos(0), now);
                if let Poll::Found(it) = search.poll(&transcript) {
                    found = Some(it.range);
                }
                if found.is_some() || rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, whole);
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
