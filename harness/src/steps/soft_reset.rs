//! `soft-reset`: Ctrl-D at MicroPython's prompt: the interpreter starts anew, the chip does not.

use super::micropython::await_prompt;
use super::serial_fields::DEFAULT_WITHIN;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::{Patience, Session};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, PORT, Reference, WITHIN};
use crate::targets::{Capability, Port};
use crate::time::Span;
use crate::transcript::Pattern;
use crate::wokwi::script::Script;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoftReset {
    /// Patience in device time, up to the next prompt.
    pub within: Span,
    /// Which port.
    pub port: Port,
}

impl Step for SoftReset {
    const NAME: &'static str = "soft-reset";

    const REFERENCE: Reference = Reference {
        group: Group::MicroPython,
        doc: "Ctrl-D at the prompt: the interpreter starts anew, the chip does not.",
        value: Kind::Either(&[Kind::Nothing, Kind::Keys(&[WITHIN, PORT])]),
        examples: &["soft-reset", "soft-reset: {within: 20s}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if node.is_null() {
            return Some(Self { within: DEFAULT_WITHIN, port: Port::Console });
        }
        let mut fields = Fields::new(node, "`soft-reset`", decoder)?;
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { within: within?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Serial], needs_power: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        String::new()
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        script.port(self.port)?;
        script.prompt()?;
        script.bytes(vec![0x04])?;
        script.wait("soft reboot\r\n".to_owned())?;
        script.prompt()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let until = session.now() + self.within;
        await_prompt(session, self.port, until)?;
        let transcript = session.transcript(self.port);
        let end = transcript.text().len();
        transcript.advance(end);
        session.target().send(self.port, b"\x04")?;
        let reboot = Pattern::Text("soft reboot\n".to_owned());
        let found = session.expect(self.port, reboot, Patience::Within(self.within))?;
        await_prompt(session, self.port, until)?;
        let transcript = session.transcript(self.port);
        let end = transcript.text().len();
        transcript.advance(end);
        Ok(session.line_evidence(self.port, &found))
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    #[test]
    fn it_is_over_when_the_prompt_is_back() {
        let ms = Span::from_millis;
        let target = FakeTarget::new([
            Reply::on(Cue::PowerOn).say(ms(1), "\r\n>>> "),
            Reply::on(Cue::Sent(b"\x04".to_vec()))
                .say(ms(1), "\r\nMPY: soft reboot\r\n")
                .say(ms(90), "MicroPython v1.23.0\r\n>>> "),
        ]);
        let steps = "- soft-reset\n- expect-no-serial: {text: MicroPython, for: 1s}";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
    }
}
