//! `{{name}}`: values from parameters, captures and the environment inside texts.
//!
//! Parameters are known before anything starts and are written into the tree of the scenario, so
//! that every field may use them ([`substitute`]). Captures and `{{env.NAME}}` are known, or
//! wanted, only while the case runs; texts that may hold them are [`Template`]s.
//!
//! A backslash keeps the braces: `\{{name}}` is the text `{{name}}`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::node::{Node, Value};

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(\\?)\{\{\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}").expect("a constant pattern")
});

/// A text with places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    /// Where it stands in the scenario file.
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

/// A name without a value when its text was needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// An environment variable that is not set.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// Nothing has captured this name yet.
    #[error("nothing has given a value to `{0}` yet")]
    NoValue(String),
}

impl Template {
    /// Finds the places in `text`.
    pub fn parse(text: &str, span: Range<usize>) -> Self {
        let mut parts = Vec::new();
        let mut done = 0;
        let mut literal = String::new();
        for found in REFERENCE.captures_iter(text) {
            let whole = found.get(0).expect("group 0 always matches");
            literal.push_str(&text[done..whole.start()]);
            done = whole.end();
            if found[1].is_empty() {
                parts.extend(
                    (!literal.is_empty()).then(|| Part::Text(std::mem::take(&mut literal))),
                );
                parts.push(Part::Name(found[2].to_owned()));
            } else {
                literal.push_str(&whole.as_str()[1..]);
            }
        }
        literal.push_str(&text[done..]);
        parts.extend((!literal.is_empty()).then_some(Part::Text(literal)));
        Self { parts, span }
    }

    /// A text in which braces mean nothing.
    pub fn literal(text: &str, span: Range<usize>) -> Self {
        Self { parts: vec![Part::Text(text.to_owned())], span }
    }

    /// The names it needs, `env.…` included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with every value in its place.
    ///
    /// # Errors
    /// The first name without a value.
    pub fn text(&self, values: &Values) -> Result<String, ValueError> {
        self.render(values, str::to_owned)
    }

    /// The text with every value in its place, each passed through `quote` first (so that a value
    /// inside a regular expression stands for itself).
    ///
    /// # Errors
    /// The first name without a value.
    pub fn render(
        &self,
        values: &Values,
        quote: impl Fn(&str) -> String,
    ) -> Result<String, ValueError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Name(name) => text.push_str(&quote(values.get(name)?)),
            }
        }
        Ok(text)
    }

    /// The text as written, for messages.
    pub fn shown(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(name) => format!("{{{{{name}}}}}"),
        };
        self.parts.iter().map(part).collect()
    }
}

/// The certificate of the case's authority, in PEM.
pub const CA_PEM: &str = "ca.pem";
/// The same in DER, as hexadecimal digits.
pub const CA_HEX: &str = "ca.hex";

/// What the names stand for while a case runs.
#[derive(Debug, Clone, Default)]
pub struct Values {
    captures: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

impl Values {
    /// No captures yet; `environment` is what `{{env.NAME}}` may see.
    pub fn new(environment: BTreeMap<String, String>) -> Self {
        Self { captures: BTreeMap::new(), environment }
    }

    /// Gives `name` a value; a later capture replaces an earlier one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.captures.insert(name.to_owned(), value.to_owned());
    }

    /// Gives `name` the value that it has in `other`, if it has one.
    pub fn take(&mut self, other: &Self, name: &str) {
        if let Some(value) = other.captures.get(name) {
            self.set(name, value);
        }
    }

    fn get(&self, name: &str) -> Result<&str, ValueError> {
        if let Some(variable) = name.strip_prefix("env.") {
            let value = self.environment.get(variable);
            return value.map(String::as_str).ok_or(ValueError::NotSet(variable.to_owned()));
        }
        let value = self.captures.get(name);
        value.map(String::as_str).ok_or(ValueError::NoValue(name.to_owned()))
    }
}

/// Texts that must not appear in any output.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<(String, String)>);

/// Shorter lines of a secret, such as a brace, say nothing and are everywhere.
const LEAST_LINE: usize = 4;

impl Secrets {
    /// The values of the environment variables `names`, longest first, and each line of those that
    /// have several: serial ports are told line by line.
    pub fn new(names: &BTreeSet<String>, environment: &BTreeMap<String, String>) -> Self {
        let mut secrets = Vec::new();
        for (name, value) in names.iter().filter_map(|name| environment.get_key_value(name)) {
            let lines = value.lines().map(str::trim).filter(|line| line.len() >= LEAST_LINE);
            let lines = lines.filter(|line| line.len() < value.len());
            let all =
                std::iter::once(value.as_str()).filter(|value| !value.is_empty()).chain(lines);
            secrets.extend(all.map(|text| (text.to_owned(), name.clone())));
        }
        secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self(secrets)
    }

    /// `text` with each secret replaced by the name of its variable.
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (value, name)| {
            text.replace(value, &format!("[env.{name}]"))
        })
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes parameter values into every scalar of a tree and returns the names that were used.
pub fn substitute(node: &mut Node, parameters: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    walk(node, parameters, &mut used);
    used
}

fn walk(node: &mut Node, parameters: &BTreeMap<String, String>, used: &mut BTreeSet<String>) {
    match &mut node.value {
        Value::Scalar { text, .. } => {
            // A name that is no parameter stays for the template that reads this text later, and
            // so does an escaped one.
            let replaced = REFERENCE.replace_all(text, |found: &regex::Captures<'_>| {
                match parameters.get(&found[2]) {
                    Some(value) if found[1].is_empty() => {
                        used.insert(found[2].to_owned());
                        value.clone()
                    }
                    _ => found[0].to_owned(),
                }
            });
            if let std::borrow::Cow::Owned(replaced) = replaced {
                *text = replaced;
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| walk(item, parameters, used)),
        Value::Map(entries) => {
            entries.iter_mut().for_each(|(_, value)| walk(value, parameters, used));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let mut values = Values::new([("KEY".to_owned(), "s3cret".to_owned())].into());
        values.set("ip", "10.0.0.7");
        values
    }

    #[test]
    fn each_line_of_a_secret_is_one() {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let environment =
            BTreeMap::from([("KEY", "{\n key: qwerty\r\n}"), ("PW", "abcd\n")].map(pair));
        let secrets = Secrets::new(&environment.keys().cloned().collect(), &environment);
        assert_eq!(secrets.redact("{ key: qwerty }"), "{ [env.KEY] }");
        assert_eq!(secrets.redact("say abcd again"), "say [env.PW] again");
        assert_eq!(secrets.redact("abcd\n"), "[env.PW]");
    }

    #[test]
    fn names_are_replaced_and_escaped_braces_stay() {
        let template = Template::parse(r"GET {{ip}} {{ env.KEY }} \{{ip}} {{}} {x}", 0..1);
        assert_eq!(template.names().collect::<Vec<_>>(), ["ip", "env.KEY"]);
        assert_eq!(template.text(&values()).unwrap(), "GET 10.0.0.7 s3cret {{ip}} {{}} {x}");
    }

    #[test]
    fn a_value_in_a_pattern_can_be_quoted() {
        let template = Template::parse("^{{ip}}$", 0..1);
        assert_eq!(template.render(&values(), regex::escape).unwrap(), r"^10\.0\.0\.7$");
    }

    #[test]
    fn a_missing_value_is_named() {
        let template = Template::parse("{{env.NOPE}}", 0..1);
        assert_eq!(template.text(&values()), Err(ValueError::NotSet("NOPE".into())));
    }

    #[test]
    fn secrets_leave_no_trace_even_when_one_contains_the_other() {
        let environment: BTreeMap<_, _> =
            [("A".to_owned(), "pass".to_owned()), ("B".to_owned(), "password".to_owned())].into();
        let secrets = Secrets::new(&["A".into(), "B".into()].into(), &environment);
        assert_eq!(secrets.redact("password pass"), "[env.B] [env.A]");
    }

    #[test]
    fn parameters_reach_nested_values_and_unused_ones_are_known() {
        let mut node =
            crate::scenario::node::parse(r"a: [{b: '{{n}} {{other}} \{{n}}'}]", &mut Vec::new())
                .unwrap();
        let parameters = [("n".to_owned(), "7".to_owned()), ("m".to_owned(), "8".to_owned())];
        let used = substitute(&mut node, &parameters.into());
        assert_eq!(used, ["n".to_owned()].into());
        let Value::List(items) = &node.get("a").unwrap().value else { panic!("a list") };
        assert_eq!(items[0].get("b").unwrap().as_text(), Some(r"7 {{other}} \{{n}}"));
    }
}
