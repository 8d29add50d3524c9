//! `expect-no-serial`: for a while, a serial port must not say a text.
//!
//! Text that was said since the previous expectation counts too. The cursor stays where it was.

use super::serial_fields::TextPattern;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PORT, REGEX, Reference, TEXT};
use crate::targets::{Capability, Port};
use crate::time::Span;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectNoSerial {
    /// What must not be said.
    pub pattern: TextPattern,
    /// For how long, in device time.
    pub lasting: Span,
    /// Which port.
    pub port: Port,
}

impl Step for ExpectNoSerial {
    const NAME: &'static str = "expect-no-serial";

    const REFERENCE: Reference = Reference {
        group: Group::Serial,
        doc: "For a while, a serial port must not say a text. What was said since the previous expectation counts too; the cursor stays where it was.",
        value: Kind::Keys(&[
            TEXT,
            REGEX,
            Key::required("for", Kind::Duration, "For how long, in device time."),
            PORT,
        ]),
        examples: &[
            "expect-no-serial: {text: error, for: 5s}",
            r#"expect-no-serial: {regex: "E \\(", for: 1s}"#,
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect-no-serial`", decoder)?;
        let pattern = TextPattern::from_fields(&mut fields, decoder);
        let lasting = fields.required("for", decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { pattern: pattern?, lasting: lasting?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Serial],
            needs_power: true,
            templates: vec![self.pattern.template()],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("{} for {}", self.pattern.summary(), self.lasting)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let pattern = self.pattern.pattern(session.values())?;
        let shown = pattern.to_string();
        session.expect_silence_of(self.port, pattern, self.lasting)?;
        Ok(Evidence::note(format!("no {shown} for {}", self.lasting)))
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    fn late_error() -> FakeTarget {
        FakeTarget::new([Reply::on(Cue::PowerOn).say(Span::from_millis(50), "error 7\r\n")])
    }

    #[test]
    fn silence_up_to_the_last_moment_passes() {
        let steps = "- expect-no-serial: {text: error, for: 49ms}";
        assert_eq!(run_steps(late_error(), steps), Outcome::Passed);
    }

    #[test]
    fn the_text_fails_at_once_when_it_comes() {
        let steps = "- expect-no-serial: {regex: 'error \\d', for: 10s}";
        let Outcome::Failed(failure) = run_steps(late_error(), steps) else { panic!("must fail") };
        assert_eq!(failure.what, "/error \\d/ came at 0.050000s and must not");
    }
}
