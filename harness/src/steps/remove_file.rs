//! `remove-file`: delete a file from MicroPython's file system.

use super::micropython::{RawRepl, text_literal};
use super::serial_fields::is_short;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PORT, Reference};
use crate::targets::{Capability, Port};

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveFile {
    /// Path on the board.
    pub file: String,
    /// Which port.
    pub port: Port,
}

impl Step for RemoveFile {
    const NAME: &'static str = "remove-file";

    const REFERENCE: Reference = Reference {
        group: Group::MicroPython,
        doc: "Deletes a file from MicroPython's file system.",
        value: Kind::Either(&[
            Kind::Text,
            Kind::Keys(&[Key::required("file", Kind::Text, "The path on the board."), PORT]),
        ]),
        examples: &["remove-file: boot.py", "remove-file: {file: boot.py}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            return Some(Self { file: String::decode(node, decoder)?, port: Port::Console });
        }
        let mut fields = Fields::new(node, "`remove-file`", decoder)?;
        let file = fields.required("file", decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { file: file?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Serial], needs_power: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        self.file.clone()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let purpose = format!("{} cannot be removed", self.file);
        let code = format!("import os\nos.remove({})", text_literal(&self.file));
        RawRepl::during(session, self.port, |raw| raw.exec(&purpose, &code))?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::steps::micropython::scripted::{Ran, raw_mode};

    #[test]
    fn a_file_that_is_not_there_is_a_failure_with_the_devices_words() {
        let target = raw_mode([Ran::raises("OSError: [Errno 2] ENOENT")]);
        let Outcome::Failed(failure) = run_steps(target, "- remove-file: boot.py") else {
            panic!("must fail")
        };
        assert_eq!(
            failure.what,
            "boot.py cannot be removed: MicroPython raised OSError: [Errno 2] ENOENT"
        );
        assert_eq!(run_steps(raw_mode([Ran::prints("")]), "- remove-file: a"), Outcome::Passed);
    }
}
