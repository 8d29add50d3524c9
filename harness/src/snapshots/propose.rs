//! Proposes redactions: from texts of runs that were all right and yet differ.
//!
//! A named rule is proposed if it makes the lines equal, else an expression that replaces what
//! differs between the same neighbours. What still differs then cannot be redacted and is told.

use std::collections::BTreeSet;
use std::fmt;

use similar::{ChangeTag, DiffOp, TextDiff};

use super::redact::{Redaction, redact};

/// What would make texts equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposals {
    /// The redactions, in the order in which they are applied.
    pub redactions: Vec<Proposal>,
    /// What differs all the same, as lines of a diff.
    pub left: Vec<String>,
}

/// One redaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Which.
    pub kind: Kind,
    /// Two lines that it makes equal.
    pub example: (String, String),
}

/// A redaction as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A rule by its name.
    Named(&'static str),
    /// An expression whose group is replaced.
    Regex(String),
}

/// What stands for the text that an expression replaces.
const AS: &str = "[varies]";

impl fmt::Display for Kind {
    /// An item of the YAML list `redact`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Regex(source) => {
                // In single quotes only the quote itself has a meaning.
                let source = source.replace('\'', "''");
                write!(f, "{{regex: '{source}', as: '{AS}'}}")
            }
        }
    }
}

impl Kind {
    fn redaction(&self) -> Option<Redaction> {
        match self {
            Self::Named(name) => Redaction::named(name),
            Self::Regex(source) => Redaction::regex(source, AS).ok(),
        }
    }
}

/// What would make `texts` equal to the first of them.
pub fn propose(texts: &[String]) -> Proposals {
    let mut proposals = Proposals::default();
    let Some((first, others)) = texts.split_first() else { return proposals };
    let mut seen = BTreeSet::new();
    for other in others {
        for (a, b) in differing_lines(first, other) {
            let known = redactions(&proposals.redactions);
            let (a_now, b_now) = (redact(a, &known).text, redact(b, &known).text);
            if a_now == b_now {
                continue;
            }
            for kind in kinds(&a_now, &b_now) {
                if seen.insert(kind.clone()) {
                    let example = (a.to_owned(), b.to_owned());
                    proposals.redactions.push(Proposal { kind, example });
                }
            }
        }
    }
    let known = redactions(&proposals.redactions);
    let first = redact(first, &known).text;
    let mut left = BTreeSet::new();
    for other in others {
        let other = redact(other, &known).text;
        for change in TextDiff::from_lines(&first, &other).iter_all_changes() {
            let sign = match change.tag() {
                ChangeTag::Equal => continue,
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            left.insert(format!("{sign}{}", change.value().trim_end_matches('\n')));
        }
    }
    proposals.left = left.into_iter().collect();
    proposals
}

fn redactions(proposals: &[Proposal]) -> Vec<Redaction> {
    proposals.iter().filter_map(|proposal| proposal.kind.redaction()).collect()
}

/// Lines that stand at the same place of two texts and differ.
fn differing_lines<'t>(a: &'t str, b: &'t str) -> Vec<(&'t str, &'t str)> {
    let (a_lines, b_lines): (Vec<_>, Vec<_>) = (a.lines().collect(), b.lines().collect());
    let diff = TextDiff::from_slices(&a_lines, &b_lines);
    let mut pairs = Vec::new();
    for op in diff.ops() {
        if let DiffOp::Replace { old_index, old_len, new_index, new_len } = *op
            && old_len == new_len
        {
            pairs.extend(
                a_lines[old_index..][..old_len]
                    .iter()
                    .copied()
                    .zip(b_lines[new_index..][..new_len].iter().copied()),
            );
        }
    }
    pairs
}

/// What would make two lines equal: a named rule, or expressions.
fn kinds(a: &str, b: &str) -> Vec<Kind> {
    let makes_equal = |name: &&str| {
        let rule: Vec<_> = Redaction::named(name).into_iter().collect();
        redact(a, &rule).text == redact(b, &rule).text
    };
    if let Some(name) = Redaction::names().find(makes_equal) {
        return vec![Kind::Named(name)];
    }
    let (a_words, b_words) = (words(a), words(b));
    if a_words.len() != b_words.len() {
        return Vec::new();
    }
    let mut kinds = Vec::new();
    let mut before = String::new();
    for (a, b) in a_words.iter().zip(&b_words) {
        if a == b {
            before += a;
            continue;
        }
        let tail = before.char_indices().rev().nth(CONTEXT - 1).map_or(0, |(at, _)| at);
        let start = if tail == 0 && kinds.is_empty() { "^" } else { "" };
        kinds.push(Kind::Regex(format!(
            "{start}{}({})",
            regex::escape(&before[tail..]),
            class(a, b)
        )));
        before.clear();
    }
    kinds
}

/// Characters before a differing word that tell it from others.
const CONTEXT: usize = 24;

/// Words and what is between them.
fn words(line: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = match is_word(first) {
            true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after;
    }
    words
}

/// The narrowest class that both words belong to.
fn class(a: &str, b: &str) -> &'static str {
    let all = |test: fn(&u8) -> bool| a.bytes().chain(b.bytes()).all(|byte| test(&byte));
    if all(u8::is_ascii_digit) {
        "[0-9]+"
    } else if a.starts_with("0x") && b.starts_with("0x") {
        "0x[0-9a-fA-F]+"
    } else if all(u8::is_ascii_hexdigit) {
        "[0-9a-fA-F]+"
    } else if all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        r"\w+"
    } else {
        r"\S+"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(texts: &[&str]) -> (Vec<String>, Vec<String>) {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        let proposals = propose(&texts);
        let kinds = proposals.redactions.iter().map(|it| it.kind.to_string()).collect();
        (kinds, proposals.left)
    }

    #[test]
    fn a_named_rule_is_proposed_where_one_fits() {
        let (kinds, left) = proposed(&[
            "boot\nMAC 24:0a:c4:00:01:10\n118144 bytes free\n",
            "boot\nMAC 24:0a:c4:00:99:22\n118000 bytes free\n",
            "boot\nMAC 24:0a:c4:00:99:33\n118144 bytes free\n",
        ]);
        assert_eq!((kinds, left), (vec!["mac".to_owned(), "heap".to_owned()], Vec::new()));
    }

    #[test]
    fn other_words_are_told_by_their_neighbours_and_their_letters() {
        let (kinds, left) = proposed(&[
            "token=7f3a dice 4 of 6\n",
            "token=00c1 dice 1 of 6\n",
            "token=beef dice 66 of 6\n",
        ]);
        assert_eq!(
            kinds,
            [
                "{regex: '^token=([0-9a-fA-F]+)', as: '[varies]'}",
                "{regex: ' dice ([0-9]+)', as: '[varies]'}",
            ]
        );
        assert_eq!(left, [""; 0]);
    }

    #[test]
    fn lines_that_only_some_runs_have_are_told() {
        let (kinds, left) = proposed(&["a\nb\n", "a\nretry\nb\n"]);
        assert_eq!((kinds.len(), left), (0, vec!["+retry".to_owned()]));
    }

    #[test]
    fn equal_texts_need_nothing() {
        assert_eq!(proposed(&["a\n", "a\n"]), (Vec::new(), Vec::new()));
    }
}
