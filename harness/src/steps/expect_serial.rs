//! `expect-serial`: wait until a serial port says a text, or something a regular expression
//! matches; its named groups become values.
//!
//! Works on text: terminal sequences and carriage returns dropped. Searches on from where the
//! previous expectation of the port ended, so a text printed before the step began is found too.

use super::serial_fields::{DEFAULT_WITHIN, NO_PATIENCE, TextPattern, is_short};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::{Patience, Session};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, PORT, REGEX, Reference, TEXT, WITHIN};
use crate::targets::{Capability, Port};
use crate::time::Span;
use crate::wokwi::script::Script;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectSerial {
    /// What must be said.
    pub pattern: TextPattern,
    /// Patience in device time.
    pub within: Span,
    /// Which port.
    pub port: Port,
}

impl Step for ExpectSerial {
    const NAME: &'static str = "expect-serial";

    const REFERENCE: Reference = Reference {
        group: Group::Serial,
        doc: "Waits until a serial port says a text, or something that an expression matches. Works on text: terminal sequences and carriage returns are dropped. Searches on from where the previous expectation of the port ended, so what was said before the step began is found too.",
        value: Kind::Either(&[Kind::Template, Kind::Keys(&[TEXT, REGEX, WITHIN, PORT])]),
        examples: &[
            "expect-serial: ready",
            "expect-serial: {regex: 'ip: (?<ip>[0-9.]+)', within: 30s}",
            "expect-serial: {text: ok, port: uart1}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            let pattern = TextPattern::text(node, decoder)?;
            return Some(Self { pattern, within: DEFAULT_WITHIN, port: Port::Console });
        }
        let mut fields = Fields::new(node, "`expect-serial`", decoder)?;
        let pattern = TextPattern::from_fields(&mut fields, decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { pattern: pattern?, within: within?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Serial],
            needs_power: true,
            templates: vec![self.pattern.template()],
            captures: self.pattern.captures(),
            expects: Some((self.port, &self.pattern)),
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        self.pattern.summary()
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        script.port(self.port)?;
        if self.within != DEFAULT_WITHIN {
            script.remark(NO_PATIENCE);
        }
        let text = self.pattern.say(script)?;
        script.wait(text)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let pattern = self.pattern.pattern(session.values())?;
        let found = session.expect(self.port, pattern, Patience::Within(self.within))?;
        for (name, value) in &found.captures {
            session.set_value(name, value);
        }
        Ok(session.line_evidence(self.port, &found))
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::events::Event;
    use crate::runner::evidence::Evidence;
    use crate::runner::testing::{Outcome, events, run_steps};
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::time::Span;

    fn boot() -> FakeTarget {
        let ms = Span::from_millis;
        FakeTarget::new([Reply::on(Cue::PowerOn)
            .say(ms(3), "\x1b[32mfree: 12")
            .say(ms(1), "345 bytes\x1b[0m\r\n")
            .say(ms(100), "ready\r\n")])
    }

    #[test]
    fn a_text_is_found_across_colours_and_deliveries() {
        let outcome = run_steps(boot(), "- expect-serial: 'free: 12345 bytes'");
        assert_eq!(outcome, Outcome::Passed);
    }

    #[test]
    fn a_group_becomes_a_value_with_all_its_digits() {
        let steps = r"
- expect-serial: {regex: 'free: (?<free>\d+)'}
- log: 'there are {{free}} bytes'";
        assert_eq!(run_steps(boot(), steps), Outcome::Passed);
    }

    #[test]
    fn a_line_one_microsecond_late_is_not_seen() {
        let on_time = "- expect-serial: {text: ready, within: 104ms}";
        assert_eq!(run_steps(boot(), on_time), Outcome::Passed);
        let late = "- expect-serial: {text: ready, within: 103.999ms}";
        let Outcome::Failed(failure) = run_steps(boot(), late) else { panic!("must fail") };
        assert_eq!(failure.what, "\"ready\" did not come within 103.999ms");
        assert_eq!(failure.seen, ["free: 12345 bytes"]);
    }

    #[test]
    fn what_came_before_the_cursor_is_named_as_already_seen() {
        let steps = "
- expect-serial: ready
- expect-serial: {text: 'free: 12345', within: 50ms}";
        let Outcome::Failed(failure) = run_steps(boot(), steps) else { panic!("must fail") };
        let seen = failure.already_seen.expect("it was seen before");
        assert_eq!(
            (seen.time.to_string(), seen.line),
            ("0.004000s".into(), "free: 12345 bytes".into())
        );
    }

    #[test]
    fn of_a_long_line_the_evidence_shows_what_is_near() {
        let target = FakeTarget::new([Reply::on(Cue::PowerOn).say(
            Span::from_millis(1),
            format!("{} here{}\r\n", "é".repeat(9_000), "!".repeat(9)),
        )]);
        let text = "name: t\nversion: 1\nsteps:\n- expect-serial: here\n";
        let project = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        events(project.path(), &FakeSource::new(target), text, &[], &mut |event| {
            if let Event::StepFinished { evidence: Some(Evidence::Line { line, .. }), .. } = event {
                told.push(line);
            }
        });
        assert_eq!(told, [format!("…{} here{}", "é".repeat(100), "!".repeat(9))]);
    }
}
