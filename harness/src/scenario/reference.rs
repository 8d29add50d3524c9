//! What the language consists of, as data: each step, and the scenario itself, describes itself once.
//!
//! From it come the JSON Schema ([`schema`](super::schema)), the reference page
//! ([`manual`](super::manual)), and the tests that decoding asks for exactly what is described here.

/// A step, or the scenario itself.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    /// Under which heading it is found.
    pub group: Group,
    /// What it does, in one or a few sentences.
    pub doc: &'static str,
    /// What is written after its name.
    pub value: Kind,
    /// Steps as they are written, each a whole item of a list without its dash.
    pub examples: &'static [&'static str],
}

/// A heading of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The scenario itself.
    Scenario,
    /// Power, reset, straps.
    Power,
    /// The flash chip.
    Flash,
    /// Serial ports.
    Serial,
    /// MicroPython's prompt and files.
    MicroPython,
    /// Access points, hosts, HTTP.
    Network,
    /// Pins and buttons.
    Pins,
    /// The order of steps.
    Flow,
    /// What goes wrong on purpose.
    Faults,
    /// What is kept and compared.
    Results,
    /// Steps of Wokwi's scenarios for displays, touch screens and chips of one's own.
    Wokwi,
}

impl Group {
    /// All groups of steps, in the order of the reference.
    pub const STEPS: [Self; 10] = [
        Self::Power,
        Self::Flash,
        Self::Serial,
        Self::MicroPython,
        Self::Network,
        Self::Pins,
        Self::Flow,
        Self::Faults,
        Self::Results,
        Self::Wokwi,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Scenario => "Scenario",
            Self::Power => "Power and boot",
            Self::Flash => "Flash",
            Self::Serial => "Serial ports",
            Self::MicroPython => "MicroPython",
            Self::Network => "WiFi and the network",
            Self::Pins => "Pins and buttons",
            Self::Flow => "Flow",
            Self::Faults => "Faults",
            Self::Results => "Results",
            Self::Wokwi => "Wokwi's other steps",
        }
    }
}

/// What kind of value is written.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Nothing: the step is a bare word.
    Nothing,
    /// Text as it is.
    Text,
    /// Text with `{{name}}` for values.
    Template,
    /// A regular expression; its named groups become values.
    Regex,
    /// A path in the project.
    Path,
    /// A span of device time.
    Duration,
    /// A number of bytes.
    Size,
    /// A frequency.
    Frequency,
    /// A share in per cent.
    Share,
    /// A signal strength.
    Signal,
    /// A duration, or a comparison with one.
    Limit,
    /// A whole number in this range.
    Number(i64, i64),
    /// Any number.
    Decimal,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Bytes as hexadecimal digits.
    Hex,
    /// The GPIO number of a pin.
    Pin,
    /// A list of steps.
    Steps,
    /// A list of these, or one of them alone.
    List(&'static Kind),
    /// A list of these, at least one.
    Items(&'static Kind),
    /// Names of the author's choice, each with this.
    Named(&'static Kind),
    /// These keys.
    Keys(&'static [Key]),
    /// One of these.
    Either(&'static [Kind]),
}

/// A key of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// How it is written.
    pub name: &'static str,
    /// What is written after it.
    pub kind: Kind,
    /// Whether it must be there.
    pub need: Need,
    /// What it means.
    pub doc: &'static str,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Always.
    Required,
    /// Not at all.
    Optional,
    /// Not at all; missing, it means this.
    Default(&'static str),
    /// Exactly one of the keys that say so.
    OneOf,
    /// At least one of the keys that say so.
    AnyOf,
}

impl Key {
    /// A key that must be there.
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, need: Need::Required, doc }
    }

    /// A key that may be there.
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, need: Need::Optional, doc }
    }

    /// A key with a meaning when it is missing.
    pub const fn or(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, kind, need: Need::Default(default), doc }
    }

    /// One of several keys of which exactly one must be there.
    pub const fn one_of(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, need: Need::OneOf, doc }
    }

    /// One of several keys of which at least one must be there.
    pub const fn any_of(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, need: Need::AnyOf, doc }
    }
}

/// `port`, as all serial steps have it.
pub const PORT: Key = Key::or(
    "port",
    Kind::Words(&["console", "uart0", "uart1", "uart2"]),
    "console",
    "The serial port.",
);

/// `within`, as all expectations have it.
pub const WITHIN: Key = Key::or("within", Kind::Duration, "10s", "Patience, in device time.");

/// A text or an expression, one of them, as keys.
pub const TEXT: Key = Key::one_of("text", Kind::Template, "This text.");
/// See [`TEXT`].
pub const REGEX: Key =
    Key::one_of("regex", Kind::Regex, "A match of this expression; named groups become values.");

/// A text, or a mapping with a text or an expression.
pub const PATTERN: Kind = Kind::Either(&[Kind::Template, Kind::Keys(&[TEXT, REGEX])]);

/// The largest number that a field of 32 bits takes.
pub const U32: i64 = u32::MAX as i64;

impl Kind {
    /// The keys of the value itself, in whatever form it is written.
    pub fn keys(&self) -> Vec<&'static Key> {
        match self {
            Self::Keys(keys) => keys.iter().collect(),
            Self::Either(kinds) => kinds.iter().flat_map(Self::keys).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use super::*;
    use crate::json_schema::Validator;
    use crate::scenario::decode::Decoder;
    use crate::scenario::fault::{Fault, SourceText};
    use crate::scenario::node::{self, Node, Value};
    use crate::scenario::{schema, step_list};

    /// A list of one step, as a tree.
    fn tree(step: &str) -> Node {
        node::parse(&format!("- {}\n", step.replace('\n', "\n  ")), &mut Vec::new()).expect("YAML")
    }

    type Asked = BTreeMap<String, BTreeSet<&'static str>>;

    /// What reading a list of steps complains of, and which keys it asked for.
    fn read(steps: &Node) -> (Vec<Fault>, Asked) {
        let source = Arc::new(SourceText { name: "x".into(), text: String::new() });
        let files = |_: &str| Ok("- log: '{{ssid}}'\n".to_owned());
        let mut decoder = Decoder::new(source, &files);
        let _ = step_list::read(steps, &mut decoder);
        let asked = decoder.asked.clone();
        (decoder.into_faults(), asked)
    }

    /// The step of a list of one.
    fn only(steps: &mut Node) -> &mut Node {
        let Value::List(items) = &mut steps.value else { panic!("a list") };
        &mut items[0]
    }

    /// The value of the step of a list of one, unless it is a bare word.
    fn value_of(steps: &mut Node) -> Option<&mut Node> {
        match &mut only(steps).value {
            Value::Map(entries) => Some(&mut entries[0].1),
            _ => None,
        }
    }

    fn scalar(text: &str) -> Node {
        node::parse(text, &mut Vec::new()).expect("YAML")
    }

    /// The same steps with another value of a key, or of the step itself.
    fn changed(example: &str, key: Option<&str>, to: &Node) -> Option<Node> {
        let mut steps = tree(example);
        let value = value_of(&mut steps)?;
        match (key, &mut value.value) {
            (None, _) => *value = to.clone(),
            (Some(key), Value::Map(entries)) => {
                match entries.iter_mut().find(|(name, _)| name.as_text() == Some(key)) {
                    Some((_, value)) => *value = to.clone(),
                    None => entries.push((scalar(key), to.clone())),
                }
            }
            _ => return None,
        }
        Some(steps)
    }

    #[test]
    fn every_example_decodes_and_decoding_asks_for_exactly_what_is_described() {
        for (name, reference) in schema::steps() {
            assert!(!reference.examples.is_empty(), "{name} has no example");
            let mut all = Asked::new();
            for example in reference.examples {
                let (faults, asked) = read(&tree(example));
                assert_eq!(faults, [], "{example}");
                for (what, keys) in asked {
                    all.entry(what).or_default().extend(keys);
                }
            }
            let mut described = Asked::new();
            describe(&mut described, name, &reference.value);
            for (what, keys) in described {
                assert_eq!(all.get(&what), Some(&keys), "{what} of {name}");
            }
            let unknown =
                all.get(&format!("`{name}`")).filter(|_| reference.value.keys().is_empty());
            assert_eq!(unknown, None, "{name}");
        }
    }

    /// The keys of a value, and of the mappings inside of it that are read under their key's name.
    fn describe(described: &mut Asked, name: &str, kind: &Kind) {
        let keys = kind.keys();
        if !keys.is_empty() {
            described.insert(format!("`{name}`"), keys.iter().map(|key| key.name).collect());
        }
        for key in keys {
            if let Kind::Keys(_) = key.kind {
                describe(described, key.name, &key.kind);
            }
        }
    }

    #[test]
    fn the_words_that_are_described_are_those_that_decoding_knows() {
        let nonsense = scalar("zyzzy");
        for (name, reference) in schema::steps() {
            let keys = reference.value.keys();
            let mut places: Vec<(Option<&str>, &[&str])> = Vec::new();
            let words = |kind: &Kind| match kind {
                Kind::Words(words) => Some(*words),
                _ => None,
            };
            places.extend(keys.iter().filter_map(|key| Some((Some(key.name), words(&key.kind)?))));
            let forms = match &reference.value {
                Kind::Either(forms) => forms,
                only => std::slice::from_ref(only),
            };
            places.extend(forms.iter().filter_map(|form| Some((None, words(form)?))));
            for (key, words) in places {
                let known = reference.examples.iter().find_map(|example| {
                    let (faults, _) = read(&changed(example, key, &nonsense)?);
                    let help = faults.iter().find_map(|fault| fault.help.clone())?;
                    Some(help.strip_prefix("known: ")?.to_owned())
                });
                assert_eq!(known, Some(words.join(", ")), "{name} {key:?}");
            }
        }
    }

    #[test]
    fn what_decodes_is_valid_by_the_schema_and_the_other_way_for_what_a_schema_can_say() {
        let schema = schema::schema();
        let validator = Validator::new(&schema);
        let valid = |steps: &Node| {
            let scenario = serde_json::json!({"name": "x", "version": 1, "steps": steps.to_json()});
            validator.complaint(&scenario).is_none()
        };
        let candidates = [
            "''",
            "~",
            "x",
            "'0'",
            "0",
            "1",
            "-1",
            "7",
            "256",
            "4294967296",
            "1.5",
            "true",
            "5s",
            "1.5 MS",
            "5 parsecs",
            "4KB",
            "0x1000",
            "1kHz",
            "5%",
            "101%",
            "< 5ms",
            "on",
            "off",
            "high",
            "GPIO4",
            "TX",
            "'{{x}}'",
            "[]",
            "[1]",
            "[a, b]",
            "{}",
            "{text: x}",
            "{regex: x}",
            "{text: x, regex: y}",
            "{max: 1s}",
            "[delay: 1s]",
            "delay: 1s",
            "esp",
            "e9 03",
            "yes-no",
            "console",
            "uart3",
        ]
        .map(scalar);
        let mut decoded = 0;
        for (name, reference) in schema::steps() {
            for example in reference.examples {
                assert!(valid(&tree(example)), "{example}");
                let keys = reference.value.keys();
                let keys = keys.iter().map(|key| Some(key.name)).chain([None, Some("zyzzy")]);
                for key in keys {
                    for candidate in &candidates {
                        let Some(steps) = changed(example, key, candidate) else { continue };
                        let decodes = read(&steps).0.is_empty();
                        decoded += usize::from(decodes);
                        let shown = steps.to_json();
                        assert!(!decodes || valid(&steps), "{name}: {shown} decodes");
                        let any_key = matches!(reference.value, Kind::Named(_));
                        assert!(
                            key != Some("zyzzy") || any_key || !valid(&steps),
                            "{name}: {shown}"
                        );
                    }
                }
            }
        }
        assert!(decoded > 500, "only {decoded} variations decode");
        for wrong in [
            "delay: 5",
            "delay: soon",
            "dely: 1s",
            "power: maybe",
            "repeat: {times: 0, steps: [erase-flash]}",
            "repl: {code: x, expct: 1}",
            "expect-serial: {text: a, regex: b}",
            "[a]",
            "power",
            "write-serial: [256]",
            "get-file: {from: a}",
            "baud: 1",
        ] {
            assert!(!valid(&tree(wrong)), "{wrong}");
        }
    }
}
