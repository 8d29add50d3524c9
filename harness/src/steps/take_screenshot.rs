//! `take-screenshot`: a picture of a display (Wokwi's step).
//!
//! No board has a display yet, so a case with this step is skipped, naming the part.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::{Session, confined};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::TargetError;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeScreenshot {
    /// The display.
    pub part: String,
    /// The file that the picture goes into.
    pub save_to: Option<Spanned>,
    /// The file that it must be equal to.
    pub compare_with: Option<Spanned>,
}

impl Step for TakeScreenshot {
    const NAME: &'static str = "take-screenshot";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "Takes a picture of a display, keeps it, or compares it pixel by pixel. No board has a display yet: the case is skipped.",
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
        Some(Self { part: part?, save_to: save_to?, compare_with: compare_with? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { parts: vec![&self.part], touches_host: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        self.part.clone()
    }

    fn run(&self, _session: &mut Session<'_>) -> Result<Evidence, StepError> {
        Err(TargetError::NoSuchPart(format!("display `{}`", self.part)).into())
    }
}
