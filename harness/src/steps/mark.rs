//! `mark`: give this moment a name; snapshots are taken between marks.

use std::ops::Range;

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, Reference};
use crate::wokwi::script::Script;

/// A named moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub span: Range<usize>,
}

impl Step for Mark {
    const NAME: &'static str = "mark";

    const REFERENCE: Reference = Reference {
        group: Group::Flow,
        doc: "Gives this moment a name; snapshots are taken between marks.",
        value: Kind::Text,
        examples: &["mark: booted"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let name = String::decode(node, decoder)?;
        Some(Self { name, span: node.span.clone() })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { mark: Some((&self.name, self.span.clone())), ..Facts::default() }
    }

    fn summary(&self) -> String {
        self.name.clone()
    }

    fn say(&self, _script: &mut Script<'_>) -> Result<(), String> {
        Ok(())
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.mark(&self.name);
        Ok(Evidence::Done)
    }
}
