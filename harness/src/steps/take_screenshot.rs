//! `take-screenshot`: a picture of a display (Wokwi's step).
//!
//! A board without a part of that name skips the case, naming the part.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Session, confined};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::part::Picture;
use crate::targets::{Capability, TargetError};

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeScreenshot {
    /// The display.
    pub part: String,
    /// The file that the picture goes into.
    pub save_to: Option<Spanned>,
    /// The file that it must be equal to.
    pub compare_with: Option<Spanned>,
    /// The part with its picture, as plans name it.
    named: String,
}

/// What is seen of a display.
const PICTURE: &str = "picture";

impl Step for TakeScreenshot {
    const NAME: &'static str = "take-screenshot";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "Takes a picture of a display, keeps it as PNG, or compares it dot by dot.",
        value: Kind::Keys(&[
            Key::required("part-id", Kind::Text, "The display."),
            Key::any_of("save-to", Kind::Path, "The file that the picture goes into."),
            Key::any_of("compare-with", Kind::Path, "The file that it must be equal to."),
        ]),
        examples: &["take-screenshot: {part-id: lcd1, save-to: a.png, compare-with: ref.png}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`take-screenshot`", decoder)?;
        let part = fields.required("part-id", decoder);
        let save_to = fields.optional::<Spanned>("save-to", decoder);
        let compare_with = fields.optional::<Spanned>("compare-with", decoder);
        if let (Some(None), Some(None)) = (&save_to, &compare_with) {
            fields.missing("save-to");
        }
        for path in [&save_to, &compare_with].into_iter().flatten().flatten() {
            if let Err(reason) = confined(&path.text) {
                let message = format!("the path `{}` {reason}", path.text);
                decoder.bad::<()>(path.span.clone(), message);
            }
        }
        fields.finish(UnknownKeys::Deny, decoder);
        let part: String = part?;
        let named = format!("{part}.{PICTURE}");
        Some(Self { part, save_to: save_to?, compare_with: compare_with?, named })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::SeeParts],
            parts: vec![&self.named],
            touches_host: true,
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        self.part.clone()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let shown = session.target().shown(&self.part, PICTURE)?;
        let none = || TargetError::NoSuchPart(self.named.clone());
        let picture = Picture::of(shown).ok_or_else(none)?;
        if let Some(path) = &self.save_to {
            let bytes = picture.to_png().map_err(|_| none())?;
            session.write_file(&path.text, &bytes)?;
        }
        let Some(path) = &self.compare_with else { return Ok(Evidence::Done) };
        let expected = match Picture::from_png(&session.read_file(&path.text)?) {
            Ok(expected) => expected,
            Err(why) => {
                let path = session.file(&path.text);
                let source = std::io::Error::other(why);
                return Err(StepError::File { path, source });
            }
        };
        match difference(&picture, &expected) {
            None => Ok(Evidence::note(format!("{} is as in {}", self.part, path.text))),
            Some(seen) => {
                let what = format!("{} does not show {}", self.part, path.text);
                Err(StepError::failed(Failure { seen: vec![seen], ..Failure::new(what) }))
            }
        }
    }
}

/// Where two pictures differ, in words.
fn difference(picture: &Picture, expected: &Picture) -> Option<String> {
    let size = |it: &Picture| format!("{} by {} dots", it.width, it.height);
    if (picture.width, picture.height) != (expected.width, expected.height) {
        return Some(format!("{} instead of {}", size(picture), size(expected)));
    }
    let pairs = picture.dots.iter().zip(&expected.dots).enumerate();
    let mut others = pairs.filter(|(_, (dot, expected))| dot != expected).map(|(n, _)| n as u32);
    let first = others.next()?;
    let (x, y) = (first % picture.width, first / picture.width);
    Some(format!("{} dots are others, the first at {x},{y}", 1 + others.count()))
}
