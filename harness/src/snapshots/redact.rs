//! Redactions: what may differ between runs and targets is replaced by a word in brackets.
//!
//! Source of the named rules: the log formats of the ESP32's ROM (`ets Jul 29 2019 12:21:46`,
//! `boot:0x13 (SPI_FAST_FLASH_BOOT)`), of ESP-IDF (`I (324) cpu_start: …`) and of MicroPython's
//! `gc` and `micropython.mem_info`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys, word};
use crate::scenario::node::Node;
use crate::steps::serial_fields::is_short;
use crate::transcript::Pattern;

/// More redacted than this many hundredths makes a snapshot say little.
const MUCH: usize = 33;

/// One kind of text that is replaced.
#[derive(Debug, Clone)]
pub struct Redaction {
    patterns: Vec<Regex>,
    replacement: String,
}

/// The rules by name: patterns, each replacing its first group if it has one.
const RULES: &[(&str, &[&str])] = &[
    ("mac", &[r"\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\b"]),
    (
        "ip",
        &[
            r"\b(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\b",
        ],
    ),
    ("address", &[r"\b0x[0-9a-fA-F]{8}\b"]),
    (
        "heap",
        &[
            r"\b([0-9]+)(?: bytes)? (?:free|available)\b",
            r"(?i)\b(?:heap|free|used|total|max free sz|mem_free|mem_alloc)\b[^0-9\n]{1,12}([0-9]+)",
        ],
    ),
    (
        "time",
        &[
            // A log line, also where it interrupts a prompt.
            r"^(?:>>> )?[EWIDV] \(([0-9]+)\)",
            r"\b[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?\b",
            r"\b[0-9]+(?:\.[0-9]+)? ?(?:ns|us|ms|s|seconds)\b",
        ],
    ),
    (
        "build",
        &[
            r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b",
            r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}[0-9]{1,2} [0-9]{4}\b",
            r"-g[0-9a-f]{7,40}\b",
        ],
    ),
    (
        "boot",
        &[
            r"^ets ([A-Z][a-z]{2} {1,2}[0-9]{1,2} [0-9]{4} [0-9:]{8})",
            r"\bboot:(0x[0-9a-f]+ \([^)\n]*\))",
        ],
    ),
];

/// The same, compiled once for all scenarios of a run.
static COMPILED: LazyLock<Vec<(&str, Redaction)>> = LazyLock::new(|| {
    let compile = |pattern: &&str| match Pattern::regex(pattern) {
        Ok(Pattern::Regex(regex)) => Some(regex),
        _ => None,
    };
    let rule = |(name, patterns): &(&'static str, &[&str])| {
        let patterns = patterns.iter().filter_map(compile).collect();
        (*name, Redaction { patterns, replacement: format!("[{name}]") })
    };
    RULES.iter().map(rule).collect()
});

impl Redaction {
    /// The rule of that name.
    pub fn named(name: &str) -> Option<Self> {
        COMPILED.iter().find(|(rule, _)| *rule == name).map(|(_, redaction)| redaction.clone())
    }

    /// What an expression matches, or its first group if it has one, becomes `replacement`.
    ///
    /// # Errors
    /// When the expression is invalid or too large.
    pub fn regex(source: &str, replacement: &str) -> Result<Self, regex::Error> {
        let patterns = match Pattern::regex(source)? {
            Pattern::Regex(regex) => vec![regex],
            Pattern::Text(_) => Vec::new(),
        };
        Ok(Self { patterns, replacement: replacement.to_owned() })
    }

    /// The names of all rules.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RULES.iter().map(|(name, _)| *name)
    }
}

impl Decode for Redaction {
    /// A rule's name, or `{regex: …, as: …}`.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            let words: Vec<_> = RULES.iter().map(|(name, _)| (*name, *name)).collect();
            return Self::named(word(node, decoder, "a redaction", &words)?);
        }
        let mut fields = Fields::new(node, "a redaction", decoder)?;
        let at = fields.node("regex").map(|node| node.span.clone());
        let source = fields.required::<String>("regex", decoder);
        let replacement = fields.or("as", "[redacted]".to_owned(), decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        match Self::regex(&source?, &replacement?) {
            Ok(redaction) => Some(redaction),
            Err(error) => {
                decoder.bad(at.unwrap_or_default(), format!("the expression is wrong: {error}"))
            }
        }
    }
}

/// A text after its redactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// What is left.
    pub text: String,
    /// Set when so much was redacted that the snapshot says little.
    pub warning: Option<String>,
}

/// Applies all redactions, in order.
pub fn redact(text: &str, redactions: &[Redaction]) -> Redacted {
    let mut current = text.to_owned();
    let mut removed = 0;
    for redaction in redactions {
        for pattern in &redaction.patterns {
            let ranges: Vec<Range<usize>> = pattern
                .captures_iter(&current)
                .filter_map(|groups| groups.get(1).or(groups.get(0)))
                .map(|group| group.range())
                .filter(|range| !range.is_empty())
                .collect();
            let mut out = String::with_capacity(current.len());
            let mut done = 0;
            for range in ranges {
                out.push_str(&current[done..range.start]);
                out.push_str(&redaction.replacement);
                removed += range.len();
                done = range.end;
            }
            out.push_str(&current[done..]);
            current = out;
        }
    }
    let hundredths = 100 * removed / text.len().max(1);
    let warning = (hundredths > MUCH)
        .then(|| format!("{hundredths} % of it is redacted: it may not notice a change"));
    Redacted { text: current, warning }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("mac", "MAC: 24:0a:c4:00:01:10.", "MAC: [mac].")]
    #[case("ip", "('192.168.4.1', 1.23.0)", "('[ip]', 1.23.0)")]
    #[case("address", "entry 0x400805f0, len:0x12", "entry [address], len:0x12")]
    #[case("heap", "118144 bytes free", "[heap] bytes free")]
    #[case(
        "heap",
        "GC: total: 64000, used: 9280, free: 54720",
        "GC: total: [heap], used: [heap], free: [heap]"
    )]
    #[case("time", "x\nI (31) boot: took 12 ms", "x\nI ([time]) boot: took [time]")]
    #[case(
        "build",
        "MicroPython v1.23.0-2-gabc1234 on 2024-06-02",
        "MicroPython v1.23.0-2[build] on [build]"
    )]
    #[case("boot", "ets Jul 29 2019 12:21:46", "ets [boot]")]
    #[case(
        "boot",
        "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
        "rst:0x1 (POWERON_RESET),boot:[boot]"
    )]
    fn named_rules_replace_what_they_say_and_no_more(
        #[case] rule: &str,
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(redact(text, &[Redaction::named(rule).unwrap()]).text, expected);
    }

    #[test]
    fn redacting_over_a_third_warns() {
        let rules = [Redaction::named("address").unwrap()];
        assert_eq!(redact(&format!("{:40}0x40080000", ""), &rules).warning, None);
        assert!(redact("at 0x40080000", &rules).warning.is_some());
    }
}
