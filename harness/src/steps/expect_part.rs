//! `expect-part`: what can be seen of a part: an angle, a frequency, colours.

use super::set_control::Number;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys, list};
use crate::scenario::node::{Node, Value};
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::Capability;
use crate::targets::part::Shown;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectPart {
    /// The part.
    pub part: String,
    /// What of it.
    pub what: String,
    /// What it must be.
    pub value: Look,
    /// How far a number may be off.
    pub tolerance: f64,
    /// The part with what of it, as plans name it.
    named: String,
}

/// What is seen of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// A number.
    Number(f64),
    /// Red, green and blue of lamps in a row.
    Colours(Vec<[u8; 3]>),
}

impl Look {
    fn text(&self) -> String {
        match self {
            // As exact as anybody reads it.
            Self::Number(number) => ((number * 1e4).round() / 1e4).to_string(),
            Self::Colours(colours) => {
                let colours: Vec<_> = colours.iter().map(colour_text).collect();
                list(colours.iter().map(String::as_str))
            }
        }
    }
}

fn colour_text([red, green, blue]: &[u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn colour(node: &Node, decoder: &mut Decoder) -> Option<[u8; 3]> {
    let text = node.as_text().unwrap_or_default();
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
    match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
        Some(value) => Some([16, 8, 0].map(|shift| (value >> shift) as u8)),
        None => decoder.wrong(node, "a colour such as \"#ff8000\""),
    }
}

impl Decode for Look {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if let Value::List(items) = &node.value {
            if items.is_empty() {
                return decoder.wrong(node, "at least one colour");
            }
            let colours: Vec<_> = items.iter().map(|item| colour(item, decoder)).collect();
            return colours.into_iter().collect::<Option<_>>().map(Self::Colours);
        }
        Number::decode(node, decoder).map(|number| Self::Number(number.0))
    }
}

impl Step for ExpectPart {
    const NAME: &'static str = "expect-part";

    const REFERENCE: Reference = Reference {
        group: Group::Pins,
        doc: "Something that can be seen of a part is so at this moment: the `brightness` of a lamp (0 to 1), the `frequency` of a buzzer in hertz, the `angle` of a servo, the `pixels` of a row of lamps.",
        value: Kind::Keys(&[
            Key::required("part-id", Kind::Text, "The part."),
            Key::required("name", Kind::Text, "What of it."),
            Key::required(
                "value",
                Kind::Either(&[Kind::Decimal, Kind::Items(&Kind::Text)]),
                "A number, or colours.",
            ),
            Key::or("tolerance", Kind::Decimal, "0", "How far a number may be off."),
        ]),
        examples: &[
            "expect-part: {part-id: horn, name: angle, value: 90, tolerance: 0.5}",
            r##"expect-part: {part-id: row, name: pixels, value: ["#ff0000", "#000000"]}"##,
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect-part`", decoder)?;
        let part = fields.required::<String>("part-id", decoder);
        let what = fields.required::<String>("name", decoder);
        let value = fields.required("value", decoder);
        let tolerance = fields.or("tolerance", Number(0.0), decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        let (part, what) = (part?, what?);
        let named = format!("{part}.{what}");
        Some(Self { part, what, value: value?, tolerance: tolerance?.0, named })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::SeeParts], parts: vec![&self.named], ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{} {}", self.named, self.value.text())
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let shown = session.target().shown(&self.part, &self.what)?;
        let (is_so, seen) = match (shown, &self.value) {
            (Shown::Number(seen), Look::Number(value)) => {
                ((seen - value).abs() <= self.tolerance, Look::Number(seen).text())
            }
            (Shown::Colours(seen), Look::Colours(value)) => {
                (seen == *value, Look::Colours(seen).text())
            }
            (Shown::Number(seen), _) => (false, Look::Number(seen).text()),
            (Shown::Colours(seen), _) => (false, Look::Colours(seen).text()),
            (Shown::Picture(_), _) => (false, "a picture: `take-screenshot` compares it".into()),
        };
        let at = session.now();
        if is_so {
            return Ok(Evidence::note(format!("{} is {seen} at {at}", self.named)));
        }
        let what = format!("{} is not {}", self.named, self.value.text());
        Err(StepError::failed(Failure { seen: vec![seen], ..Failure::new(what) }))
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;
    use crate::targets::part::Shown;

    fn target() -> FakeTarget {
        FakeTarget::new([])
            .showing("boot.angle", Shown::Number(89.6))
            .showing("boot.pixels", Shown::Colours(vec![[0xff, 0, 0x10], [0; 3]]))
    }

    #[test]
    fn a_number_may_be_off_by_its_tolerance_and_no_further() {
        let step = |tolerance| {
            format!(
                "- expect-part: {{part-id: boot, name: angle, value: 90, tolerance: {tolerance}}}"
            )
        };
        assert_eq!(run_steps(target(), &step(0.5)), Outcome::Passed);
        let Outcome::Failed(failure) = run_steps(target(), &step(0.3)) else { panic!("failed") };
        assert_eq!(failure.seen, ["89.6"]);
    }

    #[test]
    fn colours_are_those_of_all_lamps() {
        let step = |second| {
            format!(
                "- expect-part: {{part-id: boot, name: pixels, value: [\"#ff0010\", \"{second}\"]}}"
            )
        };
        assert_eq!(run_steps(target(), &step("#000000")), Outcome::Passed);
        assert!(matches!(run_steps(target(), &step("#000001")), Outcome::Failed(_)));
    }
}
