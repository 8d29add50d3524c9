//! `log`: say something in the report.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, Reference};
use crate::scenario::values::Template;
use crate::wokwi::script::Script;

/// What is said; values are put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log(pub Template);

impl Step for Log {
    const NAME: &'static str = "log";

    const REFERENCE: Reference = Reference {
        group: Group::Flow,
        doc: "Says something in the report.",
        value: Kind::Template,
        examples: &["log: half way"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        Template::decode(node, decoder).map(Self)
    }

    fn facts(&self) -> Facts<'_> {
        Facts { templates: vec![&self.0], ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{:?}", self.0.shown())
    }

    fn say(&self, _script: &mut Script<'_>) -> Result<(), String> {
        Ok(())
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        Ok(Evidence::note(session.text(&self.0)?))
    }
}
