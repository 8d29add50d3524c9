//! `press`: press a button and let it go.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, Reference};
use crate::targets::{Button, Capability};
use crate::time::Span;
use crate::wokwi::script::Script;

/// How long a finger stays on a button.
const HELD: Span = Span::from_millis(100);

/// Which button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press(pub Button);

impl Step for Press {
    const NAME: &'static str = "press";

    const REFERENCE: Reference = Reference {
        group: Group::Power,
        doc: "Presses a button for 100 ms: `reset`, or another one of the board by its name.",
        value: Kind::Text,
        examples: &["press: reset"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        Some(Self(match String::decode(node, decoder)?.as_str() {
            "" => return decoder.wrong(node, "the name of a button"),
            "reset" => Button::Reset,
            name => Button::Named(name.to_owned()),
        }))
    }

    fn facts(&self) -> Facts<'_> {
        let (needs, parts): (&[_], _) = match &self.0 {
            Button::Reset => (&[Capability::Reset], Vec::new()),
            Button::Named(name) => (&[Capability::Pins], vec![name.as_str()]),
        };
        Facts { needs, needs_power: true, parts, ..Facts::default() }
    }

    fn summary(&self) -> String {
        self.0.to_string()
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        match &self.0 {
            Button::Reset => script.reset(),
            Button::Named(name) => {
                script.control(name, "pressed", 1.0)?;
                script.delay(HELD);
                script.control(name, "pressed", 0.0)
            }
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().press(self.0.clone())?;
        session.let_pass(HELD)?;
        session.target().release(self.0.clone())?;
        Ok(Evidence::Done)
    }
}
