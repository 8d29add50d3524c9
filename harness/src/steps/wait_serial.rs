//! `wait-serial`: wait until a serial port has sent these bytes.
//!
//! Source: wokwi-cli's automation scenarios: the text's UTF-8 bytes, found in the raw output. In a
//! file of only Wokwi's steps the case's `timeout` is the only limit, and the port is that of the
//! diagram's monitor; elsewhere the patience is that of every expectation.

use super::serial_fields::{DEFAULT_WITHIN, NO_PATIENCE, is_short};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::{Patience, Session};
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::model::Dialect;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PORT, Reference, WITHIN};
use crate::scenario::values::Template;
use crate::targets::{Capability, Port};
use crate::time::Span;
use crate::wokwi::script::Script;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitSerial {
    /// What must be sent.
    pub text: Template,
    /// Patience in device time, if the step says one.
    pub within: Option<Span>,
    /// Which port.
    pub port: Port,
}

impl Step for WaitSerial {
    const NAME: &'static str = "wait-serial";

    const REFERENCE: Reference = Reference {
        group: Group::Serial,
        doc: "Waits until a serial port has sent these bytes, the UTF-8 of a text. In a scenario of only Wokwi's steps it waits as long as the case may take.",
        value: Kind::Either(&[
            Kind::Template,
            Kind::Keys(&[
                Key::required("text", Kind::Template, "What must be sent, byte by byte."),
                WITHIN,
                PORT,
            ]),
        ]),
        examples: &[
            r#"wait-serial: ">>> ""#,
            "wait-serial: {text: ready, within: 2s, port: uart1}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            let (text, port) = (text(node, decoder), decoder.console(node));
            return Some(Self { text: text?, within: None, port: port? });
        }
        let mut fields = Fields::new(node, "`wait-serial`", decoder)?;
        let found = match fields.node("text") {
            Some(node) => text(node, decoder),
            None => {
                fields.missing("text");
                None
            }
        };
        let within = fields.optional("within", decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { text: found?, within: within?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Serial],
            needs_power: true,
            templates: vec![&self.text],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("{:?}", self.text.shown())
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        script.port(self.port)?;
        if self.within.is_some() {
            script.remark(NO_PATIENCE);
        }
        let text = script.text(&self.text)?;
        script.wait(text)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let text = session.text(&self.text)?;
        let patience = match (self.within, session.dialect()) {
            (Some(within), _) => Patience::Within(within),
            (None, Dialect::Benchrig) => Patience::Within(DEFAULT_WITHIN),
            (None, Dialect::Wokwi) => Patience::Case,
        };
        let time = session.expect_bytes(self.port, &text, patience)?;
        Ok(Evidence::Seen { text, time })
    }
}

fn text(node: &Node, decoder: &mut Decoder) -> Option<Template> {
    let template = Template::decode(node, decoder)?;
    match node.as_text() {
        Some("") => decoder.bad(node.span.clone(), "an empty text is found everywhere".into()),
        _ => Some(template),
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    #[test]
    fn bytes_are_compared_raw_and_consecutive_waits_share_one_delivery() {
        let target =
            FakeTarget::new(
                [Reply::on(Cue::PowerOn).say(Span::from_millis(1), "one\r\ntwo three")],
            );
        let steps = "
- wait-serial: \"one\\r\\n\"
- wait-serial: two
- wait-serial: three";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
    }

    #[test]
    fn a_file_of_wokwi_steps_waits_as_long_as_the_case() {
        let slow =
            || FakeTarget::new([Reply::on(Cue::PowerOn).say(Span::from_secs(25), "slow\r\n")]);
        assert_eq!(run_steps(slow(), "- wait-serial: slow"), Outcome::Passed);
        let ours = "- log: ours\n- wait-serial: slow";
        assert!(matches!(run_steps(slow(), ours), Outcome::Failed(_)));
    }
}
