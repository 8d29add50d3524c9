//! `expect-flash`: the flash holds these bytes. The chip must be waiting for a download.

use super::flash_fields::difference;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, Hex, UnknownKeys};
use crate::scenario::fault::{Fault, FaultCode};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, U32};
use crate::targets::Capability;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectFlash {
    /// Flash address of the first byte.
    pub at: u32,
    /// What must be there.
    pub bytes: Vec<u8>,
}

impl Step for ExpectFlash {
    const NAME: &'static str = "expect-flash";

    const REFERENCE: Reference = Reference {
        group: Group::Flash,
        doc: "The flash holds these bytes. The chip must be waiting for a download.",
        value: Kind::Keys(&[
            Key::required("at", Kind::Number(0, U32), "Flash address of the first byte."),
            Key::one_of("bytes", Kind::Hex, "The bytes."),
            Key::one_of("text", Kind::Text, "The bytes of a text."),
        ]),
        examples: &[
            r#"expect-flash: {at: 0x1000, bytes: "e9 03 02 20"}"#,
            "expect-flash: {at: 0x300000, text: hello}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect-flash`", decoder)?;
        let at = fields.required("at", decoder);
        let bytes = fields.optional::<Hex>("bytes", decoder);
        let text_node = fields.node("text");
        let text = fields.optional::<String>("text", decoder);
        if let (Some(None), Some(None)) = (&bytes, &text) {
            fields.missing("bytes");
        }
        if let (Some(Some(_)), Some(node)) = (&bytes, text_node) {
            let message = "either `bytes` or `text`, not both".to_owned();
            decoder.fault(Fault::new(FaultCode::Contradiction, node.span.clone(), message));
            return None;
        }
        fields.finish(UnknownKeys::Deny, decoder);
        let bytes = bytes?.map(|hex| hex.0).or(text?.map(String::into_bytes));
        Some(Self { at: at?, bytes: bytes? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Flash], needs_power: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{} bytes at {:#x}", self.bytes.len(), self.at)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let seen = session.target().read_flash(self.at, self.bytes.len() as u32)?;
        match difference(self.at, &self.bytes, &seen) {
            None => Ok(Evidence::Done),
            Some((at, [wanted, seen])) => {
                let what = format!("the flash holds something else at {at:#x}");
                let seen = vec![seen];
                Err(StepError::failed(Failure {
                    expected: Some(wanted),
                    seen,
                    ..Failure::new(what)
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

    const DOWNLOAD: &str = "
- boot-mode: download
- press: reset
";

    #[test]
    fn bytes_and_text_are_compared_and_the_first_difference_is_named() {
        let run = |step: &str| {
            let target = FakeTarget::new([]).holding(*b"\xe9\x03hello");
            run_steps(target, &format!("{DOWNLOAD}- expect-flash: {step}"))
        };
        assert_eq!(run("{at: 0, bytes: e903}"), Outcome::Passed);
        assert_eq!(run("{at: 2, text: hello}"), Outcome::Passed);
        let Outcome::Failed(failure) = run("{at: 2, text: help}") else { panic!("must fail") };
        assert_eq!(failure.what, "the flash holds something else at 0x5");
        assert_eq!(
            (failure.expected.as_deref(), &failure.seen[..]),
            (Some("70"), &["6c".into()][..])
        );
        for wrong in ["{at: 0}", "{at: 0, bytes: e9 0}", "{at: 0, bytes: e9, text: x}"] {
            assert!(matches!(run(wrong), Outcome::Invalid(_)), "{wrong}");
        }
    }
}
