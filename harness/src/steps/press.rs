//! `press`: press a button and let it go.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, word};
use crate::scenario::node::Node;
use crate::targets::{Button, Capability};
use crate::time::Span;

/// How long a finger stays on a button.
const HELD: Span = Span::from_millis(100);

/// Which button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Press(pub Button);

impl Step for Press {
    const NAME: &'static str = "press";

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        word(node, decoder, "a button", &[("reset", Button::Reset)]).map(Self)
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Reset], needs_power: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        match self.0 {
            Button::Reset => "reset".to_owned(),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().press(self.0)?;
        session.let_pass(HELD)?;
        session.target().release(self.0)?;
        Ok(Evidence::Done)
    }
}
