//! `delay`: let device time pass.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, Reference};
use crate::time::Span;
use crate::wokwi::script::Script;

/// How long, in device time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay(pub Span);

impl Step for Delay {
    const NAME: &'static str = "delay";

    const REFERENCE: Reference = Reference {
        group: Group::Flow,
        doc: "Lets device time pass.",
        value: Kind::Duration,
        examples: &["delay: 500ms"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        Span::decode(node, decoder).map(Self)
    }

    fn facts(&self) -> Facts<'_> {
        Facts::default()
    }

    fn summary(&self) -> String {
        self.0.to_string()
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        script.delay(self.0);
        Ok(())
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.let_pass(self.0)?;
        Ok(Evidence::Done)
    }
}
