//! `touch`, `touch-press`, `touch-move`, `touch-release`: a finger on a touch screen (Wokwi's steps).
//!
//! No board has a touch screen yet, so a case with one of these steps is skipped, naming the part.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::TargetError;
use crate::time::Span;

/// How long a finger stays when the scenario does not say.
const DURATION: Span = Span::from_millis(50);

const PART: Key = Key::required("part-id", Kind::Text, "The touch screen.");
const X: Key = Key::required("x", Kind::Decimal, "Pixels from the left.");
const Y: Key = Key::required("y", Kind::Decimal, "Pixels from the top.");

/// A place on a screen, in pixels as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From the left.
    pub x: String,
    /// From the top.
    pub y: String,
}

/// A number of any kind, as it is written.
struct Pixels(String);

impl Decode for Pixels {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match node.as_text() {
            Some(text) if node.is_number() => Some(Self(text.to_owned())),
            _ => decoder.wrong(node, "a number of pixels"),
        }
    }
}

impl Place {
    fn from_fields(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Self> {
        let x = fields.required::<Pixels>("x", decoder);
        let y = fields.required::<Pixels>("y", decoder);
        Some(Self { x: x?.0, y: y?.0 })
    }
}

fn no_screen(part: &str) -> Result<Evidence, StepError> {
    Err(TargetError::NoSuchPart(format!("touch screen `{part}`")).into())
}

/// A finger taps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The screen.
    pub part: String,
    /// Where.
    pub place: Place,
    /// How long the finger stays.
    pub duration: Span,
    /// Whether the scenario waits for that.
    pub wait: bool,
}

impl Step for Touch {
    const NAME: &'static str = "touch";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "A finger taps on a touch screen. No board has one yet: the case is skipped.",
        value: Kind::Keys(&[
            PART,
            X,
            Y,
            Key::or("duration", Kind::Duration, "50ms", "How long the finger stays."),
            Key::or("wait", Kind::Flag, "false", "Whether the scenario waits for that."),
        ]),
        examples: &["touch: {part-id: lcd1, x: 10, y: 20, duration: 80ms, wait: true}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`touch`", decoder)?;
        let part = fields.required("part-id", decoder);
        let place = Place::from_fields(&mut fields, decoder);
        let duration = fields.or("duration", DURATION, decoder);
        let wait = fields.or("wait", false, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { part: part?, place: place?, duration: duration?, wait: wait? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { parts: vec![&self.part], ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{} at {}, {}", self.part, self.place.x, self.place.y)
    }

    fn run(&self, _session: &mut Session<'_>) -> Result<Evidence, StepError> {
        no_screen(&self.part)
    }
}

/// A finger comes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchPress {
    /// The screen.
    pub part: String,
    /// Where.
    pub place: Place,
}

impl Step for TouchPress {
    const NAME: &'static str = "touch-press";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "A finger comes down on a touch screen and stays. No board has one yet: the case is skipped.",
        value: Kind::Keys(&[PART, X, Y]),
        examples: &["touch-press: {part-id: lcd1, x: 10, y: 20.5}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`touch-press`", decoder)?;
        let part = fields.required("part-id", decoder);
        let place = Place::from_fields(&mut fields, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { part: part?, place: place? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { parts: vec![&self.part], ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{} at {}, {}", self.part, self.place.x, self.place.y)
    }

    fn run(&self, _session: &mut Session<'_>) -> Result<Evidence, StepError> {
        no_screen(&self.part)
    }
}

/// A finger moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchMove {
    /// The screen.
    pub part: String,
    /// To where.
    pub place: Place,
}

impl Step for TouchMove {
    const NAME: &'static str = "touch-move";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "The finger on a touch screen moves. No board has one yet: the case is skipped.",
        value: Kind::Keys(&[PART, X, Y]),
        examples: &["touch-move: {part-id: lcd1, x: 30, y: 20}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`touch-move`", decoder)?;
        let part = fields.required("part-id", decoder);
        let place = Place::from_fields(&mut fields, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { part: part?, place: place? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { parts: vec![&self.part], ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{} to {}, {}", self.part, self.place.x, self.place.y)
    }

    fn run(&self, _session: &mut Session<'_>) -> Result<Evidence, StepError> {
        no_screen(&self.part)
    }
}

/// A finger goes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchRelease {
    /// The screen.
    pub part: String,
}

impl Step for TouchRelease {
    const NAME: &'static str = "touch-release";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "The finger leaves a touch screen. No board has one yet: the case is skipped.",
        value: Kind::Keys(&[PART]),
        examples: &["touch-release: {part-id: lcd1}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`touch-release`", decoder)?;
        let part = fields.required("part-id", decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { part: part? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { parts: vec![&self.part], ..Facts::default() }
    }

    fn summary(&self) -> String {
        self.part.clone()
    }

    fn run(&self, _session: &mut Session<'_>) -> Result<Evidence, StepError> {
        no_screen(&self.part)
    }
}
