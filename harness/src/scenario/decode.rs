//! From the tree to typed values, collecting every fault instead of stopping at the first.
//!
//! A type says how it is read by implementing [`Decode`]; a mapping is read field by field through
//! [`Fields`], which afterwards knows the keys nobody asked for and the word each was meant to be.
//! `None` always means that the fault is already recorded, so callers read all fields first and
//! combine them with `?` last.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::fault::{Fault, FaultCode, SourceText, nearest};
use super::model::{BoardPart, Dialect, Spanned};
use super::node::{Node, Value};
use super::units;
use super::values::{Template, substitute};
use crate::targets::Port;
use crate::time::Span;
use crate::wokwi::circuit::{Circuit, NoSuch};

/// Reads a text file of the project, for scenarios that refer to others.
pub type Files<'f> = &'f dyn Fn(&str) -> io::Result<String>;

/// The files of a project that has none.
#[cfg(test)]
pub(crate) fn no_files(_path: &str) -> io::Result<String> {
    Err(io::ErrorKind::NotFound.into())
}

/// Collects faults while a tree is read.
pub struct Decoder<'f> {
    faults: Vec<Fault>,
    dialect: Dialect,
    circuit: Option<Arc<Circuit>>,
    /// Parts of the only board.
    parts: Vec<BoardPart>,
    files: Files<'f>,
    /// The text that is being read.
    source: Arc<SourceText>,
    /// The included files that it stands in, outermost first.
    including: Vec<String>,
    /// What the parameters of the case are.
    parameters: BTreeMap<String, String>,
    used: BTreeSet<String>,
    steps: usize,
    /// The keys that were asked for, by what has them.
    #[cfg(test)]
    pub(crate) asked: BTreeMap<String, BTreeSet<&'static str>>,
}

impl<'f> Decoder<'f> {
    /// A decoder for a tree of `source`.
    pub fn new(source: Arc<SourceText>, files: Files<'f>) -> Self {
        Self {
            faults: Vec::new(),
            dialect: Dialect::Benchrig,
            circuit: None,
            parts: Vec::new(),
            files,
            source,
            including: Vec::new(),
            parameters: BTreeMap::new(),
            used: BTreeSet::new(),
            steps: 0,
            #[cfg(test)]
            asked: BTreeMap::new(),
        }
    }

    /// The same for a file in this language; in Wokwi's, `{{name}}` means nothing.
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Which language the file is written in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The same for a scenario of a Wokwi project.
    pub fn with_circuit(mut self, circuit: Option<Arc<Circuit>>) -> Self {
        self.circuit = circuit;
        self
    }

    /// The board and what is wired to it, if a diagram says so.
    pub fn circuit(&self) -> Option<&Arc<Circuit>> {
        self.circuit.as_ref()
    }

    /// The steps to come are done with one board, and these are its parts.
    pub fn wired(&mut self, parts: &[BoardPart]) {
        parts.clone_into(&mut self.parts);
    }

    /// A part of the only board.
    pub fn part(&self, name: &str) -> Option<&BoardPart> {
        self.parts.iter().find(|known| known.part.name == name)
    }

    /// The serial port of one of Wokwi's steps that names none: the one at the diagram's monitor. `step`
    /// is where the step stands.
    pub fn console(&mut self, step: &Node) -> Option<Port> {
        let circuit = self.circuit.as_ref().filter(|_| self.dialect == Dialect::Wokwi);
        let Some(circuit) = circuit else { return Some(Port::Console) };
        circuit.monitor().or_else(|| {
            let message = "nothing is heard of the board: no wire of the diagram leads from a serial \
                           port to $serialMonitor"
                .to_owned();
            let fault = Fault::new(FaultCode::Contradiction, step.span.clone(), message);
            self.fault(fault.help(
                "connect the board's TX with `$serialMonitor:RX`, and its RX with `$serialMonitor:TX`",
            ));
            None
        })
    }

    /// That something is named which the diagram does not have.
    pub fn no_such<T>(&mut self, node: &Node, named: &str, none: NoSuch) -> Option<T> {
        let mut fault = Fault::new(FaultCode::UnknownName, node.span.clone(), none.message);
        if let Some(near) = nearest(named, none.known.iter().map(String::as_str)) {
            fault = fault.label(format!("did you mean `{near}`?"));
        }
        if !none.known.is_empty() {
            fault =
                fault.help(format!("there are {}", list(none.known.iter().map(String::as_str))));
        }
        self.fault(fault);
        None
    }

    /// The same for a case with these parameters, which other files may refer to too.
    pub fn with_parameters(mut self, parameters: &BTreeMap<String, String>) -> Self {
        self.parameters = parameters.clone();
        self
    }

    /// The text that is being read.
    pub fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    /// Reads a file of the project.
    ///
    /// # Errors
    /// What the system said.
    pub fn read(&self, path: &str) -> io::Result<String> {
        (self.files)(path)
    }

    /// The included files that the text stands in, outermost first.
    pub fn including(&self) -> &[String] {
        &self.including
    }

    /// Reads a part of the scenario that stands in another file.
    pub fn inside<T>(
        &mut self,
        file: String,
        source: Arc<SourceText>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = std::mem::replace(&mut self.source, source);
        self.including.push(file);
        let value = read(self);
        self.including.pop();
        self.source = outer;
        value
    }

    /// Writes the parameters of the case, and before them `more`, into a tree of another file; the
    /// names of `more` that were used.
    pub fn substitute(
        &mut self,
        tree: &mut Node,
        more: &BTreeMap<String, String>,
    ) -> BTreeSet<String> {
        let mut values = self.parameters.clone();
        values.extend(more.clone());
        let (own, used): (BTreeSet<_>, _) =
            substitute(tree, &values).into_iter().partition(|name| more.contains_key(name));
        self.used.extend::<BTreeSet<_>>(used);
        own
    }

    /// A file of the project as a template, with the parameters of the case in it; `span` is where
    /// the scenario names it.
    pub fn template_file(&mut self, path: &str, span: Range<usize>) -> Option<Template> {
        let text = match self.read(path) {
            Ok(text) => text,
            // That it does not exist is said of every file that a step names.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Some(Template::literal("", span));
            }
            Err(error) => {
                return self.bad(span, format!("`{path}` cannot be read as text: {error}"));
            }
        };
        let mut node = Node { span, value: Value::Scalar { text, plain: false } };
        self.substitute(&mut node, &BTreeMap::new());
        let Value::Scalar { text, .. } = node.value else { return None };
        Some(Template::parse(&text, node.span))
    }

    /// The parameters that other files have used.
    pub fn used_parameters(&self) -> &BTreeSet<String> {
        &self.used
    }

    /// How many steps have been read.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Counts one more step; how many there are.
    pub fn count_step(&mut self) -> usize {
        self.steps += 1;
        self.steps
    }

    /// Records a fault in the text that is being read.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault.in_text(&self.source));
    }

    /// Records that `node` is not `expected` and gives `None`, to end a decoding function.
    pub fn wrong<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        self.bad(node.span.clone(), format!("expected {expected}, found {}", found(node)))
    }

    /// Records a value that is of the right kind and still wrong.
    pub fn bad<T>(&mut self, span: Range<usize>, message: String) -> Option<T> {
        self.fault(Fault::new(FaultCode::BadValue, span, message));
        None
    }

    /// Everything recorded.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }
}

fn found(node: &Node) -> String {
    match (&node.value, node.as_text()) {
        (Value::Scalar { .. }, Some(text)) if text.chars().count() <= 30 => format!("`{text}`"),
        _ => node.kind().to_owned(),
    }
}

/// A type that can be read from a value of a scenario.
pub trait Decode: Sized {
    /// Reads `node`; `None` after recording what is wrong.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self>;
}

impl Decode for String {
    /// Any scalar but null, as it was written: `1.0` stays `1.0`.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match node.as_text() {
            Some(text) => Some(text.to_owned()),
            None => decoder.wrong(node, "text"),
        }
    }
}

impl Decode for Spanned {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        String::decode(node, decoder).map(|text| Self { text, span: node.span.clone() })
    }
}

impl Decode for Template {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        Some(match decoder.dialect {
            Dialect::Wokwi => Self::literal(&text, node.span.clone()),
            Dialect::Benchrig => Self::parse(&text, node.span.clone()),
        })
    }
}

impl Decode for bool {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        node.as_bool().or_else(|| decoder.wrong(node, "true or false"))
    }
}

impl Decode for u32 {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match node.as_integer().map(Self::try_from) {
            Some(Ok(number)) => Some(number),
            _ => decoder.wrong(node, "a whole number from 0 to 4294967295"),
        }
    }
}

/// A frequency in millihertz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frequency(pub u64);

/// A share in parts per million, 0 to all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PerMillion(pub u32);

impl Decode for Span {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let like = "a duration such as 250ms";
        quantity(
            node,
            decoder,
            like,
            "units are ns, us, ms, s, min, h",
            &["ms", "s"],
            units::duration,
        )
    }
}

impl Decode for Frequency {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let like = "a frequency such as 1kHz";
        quantity(node, decoder, like, "units are mHz, Hz, kHz, MHz", &["Hz"], units::frequency)
            .map(Self)
    }
}

impl Decode for PerMillion {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        quantity(node, decoder, "a share such as 5%", "from 0% to 100%", &["%"], units::share)
            .map(Self)
    }
}

/// Bytes as hexadecimal digits, with or without spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl Decode for Hex {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let digits: Option<Vec<u8>> = node.as_text().and_then(|text| {
            let digits = text.chars().filter(|c| !c.is_whitespace());
            digits.map(|c| c.to_digit(16).map(|digit| digit as u8)).collect()
        });
        match digits {
            Some(digits) if !digits.is_empty() && digits.len().is_multiple_of(2) => {
                Some(Self(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
            }
            _ => decoder.wrong(node, "bytes as hexadecimal digits, such as e9 03 02 20"),
        }
    }
}

/// A number with a unit; `usual` are those that a bare number was most likely meant to have.
fn quantity<T>(
    node: &Node,
    decoder: &mut Decoder,
    like: &str,
    units: &str,
    usual: &[&str],
    parse: impl Fn(&str) -> Result<T, units::UnitError>,
) -> Option<T> {
    let Some(text) = node.as_text() else { return decoder.wrong(node, like) };
    match parse(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let message = format!("`{text}` is not {like}: it {error}");
            let fault = Fault::new(FaultCode::BadValue, node.span.clone(), message);
            decoder.fault(fault.help(match error {
                units::UnitError::NoUnit => {
                    let words: Vec<_> = usual.iter().map(|unit| format!("{text}{unit}")).collect();
                    format!("write {}; {units}", words.join(" or "))
                }
                _ => units.to_owned(),
            }));
            None
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    /// A list, or one value standing for a list of one.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::List(items) = &node.value else {
            return T::decode(node, decoder).map(|one| vec![one]);
        };
        // Every item is read before the first failed one counts, so that all faults are seen.
        let items: Vec<_> = items.iter().map(|item| T::decode(item, decoder)).collect();
        items.into_iter().collect()
    }
}

/// One of a few words.
pub fn word<T: Copy>(
    node: &Node,
    decoder: &mut Decoder,
    what: &str,
    words: &[(&'static str, T)],
) -> Option<T> {
    let names = || words.iter().map(|(word, _)| *word);
    let given = match &node.value {
        Value::Scalar { text, .. } => text.as_str(),
        _ => return decoder.wrong(node, &format!("{what} ({})", list(names()))),
    };
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == given) {
        return Some(*value);
    }
    let mut fault =
        Fault::new(FaultCode::BadValue, node.span.clone(), format!("`{given}` is not {what}"))
            .help(format!("known: {}", list(names())));
    if let Some(near) = nearest(given, names()) {
        fault = fault.label(format!("did you mean `{near}`?"));
    }
    decoder.fault(fault);
    None
}

/// Words for a message, in the order given.
pub fn list<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}

/// What to do with keys that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    /// They are errors.
    Deny,
    /// They are pointed out.
    Warn,
}

/// The fields of one mapping while it is read.
#[derive(Debug)]
pub struct Fields<'n> {
    node: &'n Node,
    entries: &'n [(Node, Node)],
    asked: Vec<&'static str>,
    missing: Vec<&'static str>,
    /// What the mapping describes, as in "the step `delay`".
    what: String,
}

impl<'n> Fields<'n> {
    /// Starts reading a mapping; `None` after recording that `node` is none.
    pub fn new(node: &'n Node, what: impl Into<String>, decoder: &mut Decoder) -> Option<Self> {
        let what = what.into();
        match &node.value {
            Value::Map(entries) => {
                Some(Self { node, entries, asked: Vec::new(), missing: Vec::new(), what })
            }
            _ => decoder.wrong(node, &format!("the fields of {what}")),
        }
    }

    /// The raw value of a key.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.asked.push(key);
        self.entries.iter().find(|(k, _)| k.as_text() == Some(key)).map(|(_, v)| v)
    }

    /// A key that may be missing: the outer `None` is a recorded fault.
    pub fn optional<T: Decode>(
        &mut self,
        key: &'static str,
        decoder: &mut Decoder,
    ) -> Option<Option<T>> {
        match self.node(key) {
            None => Some(None),
            Some(node) => T::decode(node, decoder).map(Some),
        }
    }

    /// A key that may be missing and then means `default`.
    pub fn or<T: Decode>(
        &mut self,
        key: &'static str,
        default: T,
        decoder: &mut Decoder,
    ) -> Option<T> {
        self.optional(key, decoder).map(|value| value.unwrap_or(default))
    }

    /// A key that must be there.
    pub fn required<T: Decode>(&mut self, key: &'static str, decoder: &mut Decoder) -> Option<T> {
        match self.node(key) {
            Some(node) => T::decode(node, decoder),
            None => {
                self.missing(key);
                None
            }
        }
    }

    /// Records that a key is missing; it is told when the reading ends.
    pub fn missing(&mut self, key: &'static str) {
        self.missing.push(key);
    }

    /// Where the mapping stands.
    pub fn span(&self) -> Range<usize> {
        self.node.span.clone()
    }

    /// Ends the reading: every key nobody asked for is a fault, and so is every missing one (unless
    /// it is there under a misspelt name, which is fault enough).
    pub fn finish(self, unknown: UnknownKeys, decoder: &mut Decoder) {
        #[cfg(test)]
        decoder.asked.entry(self.what.clone()).or_default().extend(self.asked.iter().copied());
        let mut misspelt = Vec::new();
        for (key, _) in self.entries {
            let Some(name) = key.as_text() else { continue };
            if self.asked.contains(&name) {
                continue;
            }
            let message = format!("{} has no key `{name}`", self.what);
            let mut fault = Fault::new(FaultCode::UnknownKey, key.span.clone(), message);
            if let Some(near) = nearest(name, self.asked.iter().copied()) {
                fault = fault.label(format!("did you mean `{near}`?"));
                misspelt.push(near);
            }
            let mut known = self.asked.clone();
            known.sort_unstable();
            known.dedup();
            fault = match known.is_empty() {
                true => fault,
                false => fault.help(format!("keys here: {}", list(known))),
            };
            decoder.fault(match unknown {
                UnknownKeys::Deny => fault,
                UnknownKeys::Warn => fault.warning(),
            });
        }
        for key in self.missing.iter().filter(|key| !misspelt.contains(key)) {
            // The first key stands for the mapping: a label over many lines shows nothing.
            let first = self.entries.first().map(|(key, _)| key.span.clone());
            let span = first.unwrap_or_else(|| self.node.span.clone());
            let message = format!("{} needs `{key}`", self.what);
            decoder.fault(Fault::new(FaultCode::MissingKey, span, message));
        }
    }
}
