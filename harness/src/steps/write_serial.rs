//! `write-serial`: send a text or a list of bytes; nothing is added.
//!
//! Source: wokwi-cli's automation scenarios, where numbers are taken modulo nothing: each must be a
//! byte.

use super::serial_fields::is_short;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::{Node, Value};
use crate::scenario::reference::{Group, Key, Kind, PORT, Reference};
use crate::scenario::values::Template;
use crate::targets::{Capability, Port};
use crate::wokwi::script::Script;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteSerial {
    /// What is sent.
    pub payload: Payload,
    /// Which port.
    pub port: Port,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The UTF-8 bytes of a text.
    Text(Template),
    /// These bytes.
    Bytes(Vec<u8>),
}

const BYTE: Kind = Kind::Number(0, 255);

impl Step for WriteSerial {
    const NAME: &'static str = "write-serial";

    const REFERENCE: Reference = Reference {
        group: Group::Serial,
        doc: "Sends a text or a list of bytes; nothing is added.",
        value: Kind::Either(&[
            Kind::Template,
            Kind::Items(&BYTE),
            Kind::Keys(&[
                Key::one_of("text", Kind::Template, "The UTF-8 bytes of this text."),
                Key::one_of("bytes", Kind::Items(&BYTE), "These bytes."),
                PORT,
            ]),
        ]),
        examples: &[
            r#"write-serial: "go\r\n""#,
            "write-serial: [3, 13]",
            "write-serial: {text: AT, port: uart2}",
            "write-serial: {bytes: [0x55, 0xaa]}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) || matches!(node.value, Value::List(_)) {
            let (payload, port) = (Payload::decode(node, decoder), decoder.console(node));
            return Some(Self { payload: payload?, port: port? });
        }
        let mut fields = Fields::new(node, "`write-serial`", decoder)?;
        let text = fields.optional("text", decoder);
        let bytes = fields.optional("bytes", decoder);
        let port = fields.or("port", Port::Console, decoder);
        let span = fields.span();
        let payload = match (text?, bytes?) {
            (Some(text), None) => Some(Payload::Text(text)),
            (None, Some(payload @ Payload::Bytes(_))) => Some(payload),
            _ => decoder.bad(span, "either `text`, or `bytes` as a list".to_owned()),
        };
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { payload: payload?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        let templates = match &self.payload {
            Payload::Text(text) => vec![text],
            Payload::Bytes(_) => Vec::new(),
        };
        Facts { needs: &[Capability::Serial], needs_power: true, templates, ..Facts::default() }
    }

    fn summary(&self) -> String {
        match &self.payload {
            Payload::Text(text) => format!("{:?}", text.shown()),
            Payload::Bytes(bytes) => format!("{bytes:?}"),
        }
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        script.port(self.port)?;
        match &self.payload {
            Payload::Text(text) => {
                let text = script.text(text)?;
                script.write(text)
            }
            Payload::Bytes(bytes) => script.bytes(bytes.clone()),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let bytes = match &self.payload {
            Payload::Text(text) => session.text(text)?.into_bytes(),
            Payload::Bytes(bytes) => bytes.clone(),
        };
        session.target().send(self.port, &bytes)?;
        Ok(Evidence::Done)
    }
}

impl Decode for Payload {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::List(items) = &node.value else {
            return Template::decode(node, decoder).map(Self::Text);
        };
        if items.is_empty() {
            return decoder.wrong(node, "at least one byte");
        }
        let byte = |item: &Node| match item.as_integer().map(u8::try_from) {
            Some(Ok(byte)) => Some(byte),
            _ => decoder.wrong(item, "a byte from 0 to 255"),
        };
        let bytes: Vec<_> = items.iter().map(byte).collect();
        bytes.into_iter().collect::<Option<Vec<_>>>().map(Self::Bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn text_and_bytes_are_sent_as_they_are() {
        let target = FakeTarget::new([]);
        let log = target.log();
        let steps = "- write-serial: \"go\\n\"\n- write-serial: [3, 0x0d]";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
        let log = log.lock().unwrap();
        assert!(log.iter().any(|line| line.ends_with(r"console < go\n")), "{log:?}");
        assert!(log.iter().any(|line| line.ends_with(r"console < \x03\r")), "{log:?}");
    }

    #[test]
    fn a_number_that_is_no_byte_is_refused() {
        assert!(matches!(
            run_steps(FakeTarget::new([]), "- write-serial: [3, 256, x]"),
            Outcome::Invalid(faults) if faults.len() == 2
        ));
    }
}
