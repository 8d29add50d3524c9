//! A YAML document as a tree in which every value knows its place in the text.
//!
//! Source: YAML 1.2.2, "10.3 Core Schema". The events come from `saphyr-parser`, which reports a
//! span with each; the tree is ours, because the loaders of the libraries resolve scalars to types
//! at once, and a scenario wants the written text (`expect: True` means the word Python prints).
//!
//! Bounded: nesting depth, number of nodes (aliases copy), one document.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::fault::{Fault, FaultCode};

/// Nesting deeper than this is refused; scenarios need about six levels.
const MAX_DEPTH: usize = 64;
/// More nodes than this are refused, so that aliases cannot multiply without end.
const MAX_NODES: usize = 200_000;

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Bytes of the source text that the value covers.
    pub span: Range<usize>,
    /// The value itself.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A scalar as it was written, escapes and folding undone.
    Scalar {
        /// The text.
        text: String,
        /// Whether it was written without quotes, and so may be a number, a boolean or null.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the text; keys are unique.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The scalar's text if this is a scalar that is not null.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, plain } if !(*plain && is_null(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether this is null: `~`, `null`, or nothing at all.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if is_null(text))
    }

    /// The boolean of the core schema, written without quotes.
    pub fn as_bool(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The integer of the core schema (decimal, `0o…`, `0x…`), written without quotes.
    pub fn as_integer(&self) -> Option<i64> {
        let Value::Scalar { text, plain: true } = &self.value else { return None };
        if let Some(hex) = text.strip_prefix("0x") {
            return unsigned(hex, 16);
        }
        if let Some(octal) = text.strip_prefix("0o") {
            return unsigned(octal, 8);
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        text.parse().ok()
    }

    /// Whether this is a number of any kind, written without quotes.
    pub fn is_number(&self) -> bool {
        let Value::Scalar { text, plain: true } = &self.value else { return false };
        self.as_integer().is_some()
            || (text.bytes().any(|b| b.is_ascii_digit()) && text.parse::<f64>().is_ok())
    }

    /// What kind of value this is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } if self.as_bool().is_some() => "a boolean",
            Value::Scalar { .. } if self.is_number() => "a number",
            Value::Scalar { .. } => "text",
        }
    }

    /// The value without its place and its way of writing: equal for values that mean the same.
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        self.write_canonical(&mut out);
        out
    }

    fn write_canonical(&self, out: &mut String) {
        match &self.value {
            Value::Scalar { text, plain } => {
                // `1` and `'1'` may mean different things.
                out.push(if *plain { '=' } else { '\'' });
                out.push_str(&text.escape_default().to_string());
            }
            Value::List(items) => {
                out.push('[');
                for item in items {
                    item.write_canonical(out);
                    out.push(',');
                }
                out.push(']');
            }
            Value::Map(entries) => {
                out.push('{');
                for (key, value) in entries {
                    key.write_canonical(out);
                    out.push(':');
                    value.write_canonical(out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }

    /// The same as JSON, scalars as the core schema reads them.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.as_text().unwrap_or_default().to_owned(), value.to_json()))
                .collect(),
            Value::Scalar { .. } if self.is_null() => Json::Null,
            Value::Scalar { text, .. } => {
                let number = || text.parse().ok().filter(|_| self.is_number());
                let known = self.as_bool().map(Json::Bool);
                let known = known.or_else(|| self.as_integer().map(Json::from));
                known
                    .or_else(|| number().and_then(serde_json::Number::from_f64).map(Json::Number))
                    .unwrap_or_else(|| Json::String(text.clone()))
            }
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => {
                entries.iter().find(|(k, _)| k.as_text() == Some(key)).map(|(_, v)| v)
            }
            _ => None,
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn unsigned(digits: &str, radix: u32) -> Option<i64> {
    // `from_str_radix` would also take a sign.
    digits
        .starts_with(|c: char| c.is_digit(radix))
        .then(|| i64::from_str_radix(digits, radix).ok())?
}

/// Reads the only document of `text`. Of a key that is given twice the first value counts; the
/// second is a fault that `duplicates` get, since the rest of the text can still be read.
///
/// # Errors
/// The first syntax error (after it the rest of the text means nothing), a second document, a
/// non-text key, a tag other than the core schema's, or a bound exceeded.
pub fn parse(text: &str, duplicates: &mut Vec<Fault>) -> Result<Node, Fault> {
    Builder::new(text, duplicates).document()
}

struct Builder<'t> {
    text: &'t str,
    duplicates: &'t mut Vec<Fault>,
    /// Byte offset of each character: the parser counts in characters.
    offsets: Vec<usize>,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
}

struct Open {
    start: usize,
    anchor: usize,
    /// `nodes` when this was opened, to know the size of an anchored value.
    before: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Vec<(Node, Node)>, key: Option<Node> },
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, duplicates: &'t mut Vec<Fault>) -> Self {
        let offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        Self { text, duplicates, offsets, stack: Vec::new(), anchors: BTreeMap::new(), nodes: 0 }
    }

    fn document(mut self) -> Result<Node, Fault> {
        let mut root = None;
        for event in Parser::new_from_str(self.text) {
            let (event, span) = event.map_err(|error| {
                let at = self.byte(error.marker().index());
                syntax(self.one_char(at), error.info().to_owned())
            })?;
            let span = self.byte(span.start.index())..self.byte(span.end.index());
            let done = match event {
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(syntax(span, "a scenario file holds one document".to_owned()));
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = match tag.as_deref() {
                        None => style == ScalarStyle::Plain,
                        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => false,
                        Some(_) => return Err(tagged(span)),
                    };
                    let value = Value::Scalar { text: text.into_owned(), plain };
                    let node = Node { span: self.trimmed(span), value };
                    self.count(1, &node.span)?;
                    self.remember(anchor, &node, 1);
                    Some(node)
                }
                Event::Alias(anchor) => {
                    let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                        return Err(syntax(span, "this alias names no finished value".to_owned()));
                    };
                    self.count(size, &span)?;
                    Some(Node { span, value: node.value })
                }
                Event::SequenceStart(anchor, tag) => {
                    self.open(span, anchor, tag.is_some(), Items::List(Vec::new()))?;
                    None
                }
                Event::MappingStart(anchor, tag) => {
                    let items = Items::Map { entries: Vec::new(), key: None };
                    self.open(span, anchor, tag.is_some(), items)?;
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span.end),
                _ => None,
            };
            if let Some(node) = done
                && let Some(node) = self.attach(node)?
            {
                root = Some(node);
            }
        }
        root.ok_or_else(|| syntax(0..0, "the file is empty".to_owned()))
    }

    fn open(
        &mut self,
        span: Range<usize>,
        anchor: usize,
        tagged_value: bool,
        items: Items,
    ) -> Result<(), Fault> {
        if tagged_value {
            return Err(tagged(span));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(syntax(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.count(1, &span)?;
        self.stack.push(Open { start: span.start, anchor, before: self.nodes, items });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Option<Node> {
        let open = self.stack.pop()?;
        let (value, last) = match open.items {
            Items::List(items) => {
                let last = items.last().map(|node| node.span.end);
                (Value::List(items), last)
            }
            Items::Map { entries, .. } => {
                let last = entries.last().map(|(_, node)| node.span.end);
                (Value::Map(entries), last)
            }
        };
        // A block collection ends where the next token starts; its last child is the better end.
        let flow = matches!(self.text.as_bytes().get(open.start), Some(b'[' | b'{'));
        let end = if flow { end } else { last.unwrap_or(end) };
        let node = Node { span: open.start..end.max(open.start), value };
        let size = self.nodes - open.before + 1;
        self.remember(open.anchor, &node, size);
        Some(node)
    }

    /// Hands a finished node to its parent; without a parent it is the document.
    fn attach(&mut self, node: Node) -> Result<Option<Node>, Fault> {
        match self.stack.last_mut().map(|open| &mut open.items) {
            None => return Ok(Some(node)),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map { entries, key }) => match key.take() {
                Some(key) if has(entries, &key) => {
                    let message =
                        format!("the key `{}` is given twice", key.as_text().unwrap_or(""));
                    self.duplicates.push(Fault::new(FaultCode::DuplicateKey, key.span, message));
                }
                Some(key) => entries.push((key, node)),
                None => {
                    if node.as_text().is_none() {
                        return Err(syntax(node.span.clone(), "a key must be text".to_owned()));
                    }
                    *key = Some(node);
                }
            },
        }
        Ok(None)
    }

    fn remember(&mut self, anchor: usize, node: &Node, size: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
    }

    fn count(&mut self, more: usize, span: &Range<usize>) -> Result<(), Fault> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(syntax(span.clone(), format!("more than {MAX_NODES} values")));
        }
        Ok(())
    }

    fn byte(&self, chars: usize) -> usize {
        self.offsets.get(chars).copied().unwrap_or(self.text.len())
    }

    fn one_char(&self, at: usize) -> Range<usize> {
        let width = self.text[at..].chars().next().map_or(0, char::len_utf8);
        at..at + width
    }

    /// Block scalars reach into the next line; the label should not.
    fn trimmed(&self, span: Range<usize>) -> Range<usize> {
        let end = span.start + self.text[span.clone()].trim_end().len();
        span.start..end.max(span.start)
    }
}

fn has(entries: &[(Node, Node)], key: &Node) -> bool {
    entries.iter().any(|(other, _)| other.as_text() == key.as_text())
}

fn syntax(span: Range<usize>, message: String) -> Fault {
    Fault::new(FaultCode::Yaml, span, message)
}

fn tagged(span: Range<usize>) -> Fault {
    syntax(span, "tags have no meaning in a scenario".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Node, Fault> {
        super::parse(text, &mut Vec::new())
    }

    fn scalar(text: &str) -> Node {
        parse(text).expect("valid YAML")
    }

    #[test]
    fn the_core_schema_reads_on_and_off_as_text() {
        for word in ["on", "off", "yes", "no", "y"] {
            assert_eq!(scalar(word).as_text(), Some(word));
            assert_eq!(scalar(word).as_bool(), None);
        }
        assert_eq!(scalar("TRUE").as_bool(), Some(true));
        assert_eq!(scalar("\"true\"").as_bool(), None);
    }

    #[test]
    fn integers_come_in_three_bases_and_never_from_quotes() {
        assert_eq!(scalar("0x1000").as_integer(), Some(0x1000));
        assert_eq!(scalar("0o17").as_integer(), Some(15));
        assert_eq!(scalar("-12").as_integer(), Some(-12));
        assert_eq!(scalar("0x-5").as_integer(), None);
        assert_eq!(scalar("'12'").as_integer(), None);
        assert_eq!(scalar("99999999999999999999").as_integer(), None);
    }

    #[test]
    fn spans_count_bytes_behind_wide_characters() {
        let text = "größe: {a: [1, two]}\n";
        let two = scalar(text);
        let Value::List(items) = &two.get("größe").unwrap().get("a").unwrap().value else {
            panic!("a list")
        };
        assert_eq!(&text[items[1].span.clone()], "two");
    }

    #[test]
    fn a_block_mapping_ends_with_its_last_value() {
        let text = "- a: 1\n  b: 2\n\n\n- c\n";
        let Value::List(items) = scalar(text).value else { panic!("a list") };
        assert_eq!(&text[items[0].span.clone()], "a: 1\n  b: 2");
    }

    #[test]
    fn aliases_copy_but_cannot_multiply_without_end() {
        assert_eq!(scalar("a: &x [1]\nb: *x").get("b").unwrap().kind(), "a list");
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let alias = format!("*a{}, ", n - 1).repeat(10);
            bomb += &format!("a{n}: &a{n} [{alias}]\n");
        }
        assert!(parse(&bomb).unwrap_err().message.contains("more than"));
    }

    #[test]
    fn deep_nesting_is_refused_not_recursed_into() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- ".repeat(100_000)).is_err());
    }

    #[test]
    fn keys_given_twice_are_faults_at_the_second_and_the_first_counts() {
        let mut duplicates = Vec::new();
        let node = super::parse("a: 1\na: 2\nb: {c: 1, c: [2], c: 3}\n", &mut duplicates).unwrap();
        let found: Vec<_> = duplicates.iter().map(|it| (it.code, it.span.start)).collect();
        assert_eq!(found, [5, 20, 28].map(|at| (FaultCode::DuplicateKey, at)));
        assert_eq!(node.get("a").unwrap().as_integer(), Some(1));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[-\\[\\]{}:,#&*!|>'\"%@`a-z0-9 \n\té]{0,80}") {
            if let Ok(node) = parse(&text) {
                prop_assert!(text.get(node.span).is_some());
            }
        }
    }
}
