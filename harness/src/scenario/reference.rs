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
    /// Pins and buttons.
    Pins,
    /// The order of steps.
    Flow,
    /// What goes wrong on purpose.
    Faults,
    /// What is kept and compared.
    Results,
    /// Steps of Wokwi's scenarios that need parts no board has yet.
    Wokwi,
}

impl Group {
    /// All groups of steps, in the order of the reference.
    pub const STEPS: [Self; 9] = [
        Self::Power,
        Self::Flash,
        Self::Serial,
        Self::MicroPython,
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
