//! `put-file`: copy a file of the project to MicroPython's file system, through raw mode.

use super::micropython::{RawRepl, bytes_expression, text_literal};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Session, confined};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PORT, Reference};
use crate::scenario::values::Template;
use crate::targets::{Capability, Port, Progress};

/// Bytes of the file per statement: their literal fits any guest's memory.
const PIECE: usize = 1024;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutFile {
    /// Path in the project.
    pub from: Spanned,
    /// Path on the board.
    pub to: String,
    /// What the file contains, if `{{name}}` in it stands for a value.
    pub template: Option<Template>,
    /// Which port.
    pub port: Port,
}

impl Step for PutFile {
    const NAME: &'static str = "put-file";

    const REFERENCE: Reference = Reference {
        group: Group::MicroPython,
        doc: "Copies a file of the project to MicroPython's file system.",
        value: Kind::Keys(&[
            Key::required("from", Kind::Path, "The file in the project."),
            Key::required("to", Kind::Text, "Its path on the board."),
            Key::or(
                "template",
                Kind::Flag,
                "false",
                "Whether `{{name}}` in the file stands for a value.",
            ),
            PORT,
        ]),
        examples: &["put-file: {from: src/main.py, to: main.py}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`put-file`", decoder)?;
        let from = fields.required::<Spanned>("from", decoder);
        if let Some(Spanned { text: path, span }) = &from
            && let Err(reason) = confined(path)
        {
            decoder.bad::<()>(span.clone(), format!("the path `{path}` {reason}"));
        }
        let to = fields.required("to", decoder);
        let is_template = fields.or("template", false, decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        let (from, is_template) = (from?, is_template?);
        let template = match is_template {
            true => Some(decoder.template_file(&from.text, from.span.clone())?),
            false => None,
        };
        Some(Self { from, to: to?, template, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Serial],
            needs_power: true,
            templates: self.template.iter().collect(),
            files: vec![(&self.from.text, self.from.span.clone())],
            guest_writes: true,
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("{} to {}", self.from.text, self.to)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let contents = match &self.template {
            Some(template) => session.text(template)?.into_bytes(),
            None => session.read_file(&self.from.text)?,
        };
        let total = contents.len() as u64;
        let to = text_literal(&self.to);
        let purpose = format!("{} cannot be written", self.to);
        let size = RawRepl::during(session, self.port, |raw| {
            let open = format!("from binascii import a2b_base64 as unpack\nf=open({to},'wb')");
            raw.exec(&purpose, &open)?;
            let mut done = 0;
            for piece in contents.chunks(PIECE) {
                raw.exec(&purpose, &format!("f.write({})", bytes_expression(piece)))?;
                done += piece.len() as u64;
                raw.progress("copying", Progress { done, total });
            }
            raw.exec(&purpose, &format!("f.close()\nimport os\nprint(os.stat({to})[6])"))
        })?;
        if size.trim() != total.to_string() {
            let what = format!("{} has {} bytes on the board, not {total}", self.to, size.trim());
            return Err(StepError::failed(Failure::new(what)));
        }
        Ok(Evidence::note(format!("{total} bytes in {}", self.to)))
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_in, run_steps};
    use crate::steps::micropython::scripted::{Ran, raw_mode};

    const STEPS: &str = "
- put-file: {from: hello.py, to: boot.py}
- write-serial: \"1\\r\"
- wait-serial: \"1\\r\\n>>> \"";

    #[test]
    fn the_file_arrives_whole_and_its_traffic_is_no_text() {
        let target = raw_mode([Ran::prints(""), Ran::prints("15"), Ran::prints("15\r\n")]);
        let log = target.log();
        assert_eq!(run_steps(target, STEPS), Outcome::Passed);
        let sent = log.lock().unwrap().join("\n");
        let literal = r"f.write(b\'print(\\\'hello\\\')\\x0a\')";
        assert!(sent.contains(literal), "{sent}");
    }

    #[test]
    fn a_file_that_came_short_fails() {
        let target = raw_mode([Ran::prints(""), Ran::prints("15"), Ran::prints("14\r\n")]);
        let Outcome::Failed(failure) = run_steps(target, STEPS) else { panic!("must fail") };
        assert_eq!(failure.what, "boot.py has 14 bytes on the board, not 15");
    }

    #[test]
    fn the_devices_own_error_is_the_failure() {
        let target = raw_mode([Ran::raises("OSError: [Errno 28] ENOSPC")]);
        let log = target.log();
        let Outcome::Failed(failure) = run_steps(target, STEPS) else { panic!("must fail") };
        assert_eq!(
            failure.what,
            "boot.py cannot be written: MicroPython raised OSError: [Errno 28] ENOSPC"
        );
        let sent = log.lock().unwrap().join("\n");
        assert!(sent.ends_with(r"console < \x02"), "it goes back to the friendly prompt: {sent}");
    }

    #[test]
    fn values_are_put_into_a_template_and_the_environment_is_redacted() {
        let project = tempfile::tempdir().unwrap();
        std::fs::write(project.path().join("net.py"), "join('{{env.KEY}}', '{{code}}')\n").unwrap();
        let target =
            raw_mode([Ran::prints(""), Ran::raises("ValueError: s3cret"), Ran::prints("9")]);
        let log = target.log();
        let steps = "
- expect-serial: {regex: '(?<code>M\\w+) v'}
- put-file: {from: net.py, to: 'it''s.py', template: true}";
        let Outcome::Failed(failure) = run_in(project.path(), target, steps, &[("KEY", "s3cret")])
        else {
            panic!("must fail")
        };
        assert_eq!(
            failure.what,
            "it's.py cannot be written: MicroPython raised ValueError: [env.KEY]"
        );
        let sent = log.lock().unwrap().join("\n");
        assert!(sent.contains(r"open(\'it\\\'s.py\',"), "{sent}");
        assert!(sent.contains(r"join(\\\'s3cret\\\', \\\'MicroPython\\\')"), "{sent}");
    }

    #[test]
    fn a_name_in_a_template_that_nothing_gives_a_value_to_is_found_before_anything_starts() {
        let project = tempfile::tempdir().unwrap();
        std::fs::write(project.path().join("net.py"), "join('{{nobody}}')\n").unwrap();
        let steps = "- put-file: {from: net.py, to: x, template: true}";
        let Outcome::Invalid(faults) = run_in(project.path(), raw_mode([]), steps, &[]) else {
            panic!("must be invalid")
        };
        assert_eq!(faults[0].message, "nothing gives a value to `nobody` before this step");
    }
}
