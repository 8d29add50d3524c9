//! `get-file`: copy a file from MicroPython's file system, into the project or into a value, or
//! compare it with a file of the project.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;

use super::micropython::{RawRepl, text_literal};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Session, confined};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PORT, Reference};
use crate::targets::{Capability, Port, Progress};

/// Bytes of the file per line of the transfer: whole groups of base64, small for any guest.
const PIECE: u64 = 384;
/// Lines between two reports of progress.
const REPORT: u64 = 64;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetFile {
    /// Path on the board.
    pub from: String,
    /// Path in the project that it is copied to.
    pub to: Option<Spanned>,
    /// Path in the project of a file that it must be equal to.
    pub equals: Option<Spanned>,
    /// The name that its text becomes a value of.
    pub capture: Option<String>,
    /// Which port.
    pub port: Port,
}

impl Step for GetFile {
    const NAME: &'static str = "get-file";

    const REFERENCE: Reference = Reference {
        group: Group::MicroPython,
        doc: "Copies a file from MicroPython's file system: into the project, into a value, or to compare it.",
        value: Kind::Keys(&[
            Key::required("from", Kind::Text, "The path on the board."),
            Key::any_of("to", Kind::Path, "The file in the project that it is copied to."),
            Key::any_of("equals", Kind::Path, "A file in the project that it must be equal to."),
            Key::any_of("capture", Kind::Text, "The name that its text becomes a value of."),
            PORT,
        ]),
        examples: &[
            "get-file: {from: log.txt, capture: log}",
            "get-file: {from: data.bin, to: out/data.bin}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`get-file`", decoder)?;
        let from = fields.required("from", decoder);
        let to = fields.optional::<Spanned>("to", decoder);
        let equals = fields.optional::<Spanned>("equals", decoder);
        let capture = fields.optional::<String>("capture", decoder);
        let port = fields.or("port", Port::Console, decoder);
        if let (Some(None), Some(None), Some(None)) = (&to, &equals, &capture) {
            let message = "`get-file` needs `to`, `equals` or `capture`".to_owned();
            decoder.bad::<()>(fields.span(), message);
        }
        for path in [&to, &equals].into_iter().flatten().flatten() {
            if let Err(reason) = confined(&path.text) {
                let message = format!("the path `{}` {reason}", path.text);
                decoder.bad::<()>(path.span.clone(), message);
            }
        }
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { from: from?, to: to?, equals: equals?, capture: capture?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        let equals = self.equals.iter();
        Facts {
            needs: &[Capability::Serial],
            needs_power: true,
            captures: self.capture.iter().map(String::as_str).collect(),
            touches_host: self.to.is_some(),
            files: equals.map(|path| (path.text.as_str(), path.span.clone())).collect(),
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        self.from.clone()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let contents = self.fetch(session)?;
        if let Some(Spanned { text: path, .. }) = &self.equals {
            let wanted = session.read_file(path)?;
            if let Some(difference) = difference(&contents, &wanted) {
                let what = format!("{} is not equal to {path}: {difference}", self.from);
                return Err(StepError::failed(Failure::new(what)));
            }
        }
        if let Some(name) = &self.capture {
            session.set_value(name, &String::from_utf8_lossy(&contents));
        }
        if let Some(Spanned { text: path, .. }) = &self.to {
            let path = session.file(path);
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            folder
                .and_then(|()| std::fs::write(&path, &contents))
                .map_err(|source| StepError::File { path, source })?;
        }
        Ok(Evidence::note(format!("{} bytes of {}", contents.len(), self.from)))
    }
}

impl GetFile {
    fn fetch(&self, session: &mut Session<'_>) -> Result<Vec<u8>, StepError> {
        let purpose = format!("{} cannot be read", self.from);
        let from = text_literal(&self.from);
        let lines = REPORT * PIECE;
        // A report of progress between the pieces costs a prompt, so it is not made for each line.
        let open = format!(
            "import os\nfrom binascii import b2a_base64 as pack\nf=open({from},'rb')\n\
             def get():\n for _ in range({REPORT}):\n  b=f.read({PIECE})\n  if not b:break\n  \
             print(str(pack(b),'ascii'),end='')\nprint(os.stat({from})[6])"
        );
        let (size, contents) = RawRepl::during(session, self.port, |raw| {
            let size = raw.exec(&purpose, &open)?;
            let total: u64 = size.trim().parse().unwrap_or(0);
            let mut contents = Vec::new();
            for part in 0..total.div_ceil(lines) {
                let text = raw.exec(&purpose, "get()")?;
                for line in text.lines() {
                    contents.extend(BASE64.decode(line.trim()).unwrap_or_default());
                }
                let done = ((part + 1) * lines).min(total);
                raw.progress("copying", Progress { done, total });
            }
            raw.exec(&purpose, "f.close()")?;
            Ok((size, contents))
        })?;
        if size.trim() != contents.len().to_string() {
            let what = format!(
                "{} has {} bytes on the board, and {} arrived",
                self.from,
                size.trim(),
                contents.len()
            );
            return Err(StepError::failed(Failure::new(what)));
        }
        Ok(contents)
    }
}

/// Where two files begin to differ.
fn difference(seen: &[u8], wanted: &[u8]) -> Option<String> {
    let at = seen.iter().zip(wanted).position(|(seen, wanted)| seen != wanted);
    match at {
        Some(at) => {
            Some(format!("byte {at} is {:#04x} and should be {:#04x}", seen[at], wanted[at]))
        }
        None if seen.len() != wanted.len() => {
            Some(format!("it has {} bytes and should have {}", seen.len(), wanted.len()))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_in, run_steps};
    use crate::steps::micropython::scripted::{Ran, raw_mode};

    /// A board with a file of four bytes, one of which is no text.
    fn holding() -> crate::targets::fake::FakeTarget {
        raw_mode([Ran::prints("4\r\n"), Ran::prints("aGkK/w==\r\n"), Ran::prints("")])
    }

    #[test]
    fn it_goes_into_the_project_and_into_a_value_byte_by_byte() {
        let project = tempfile::tempdir().unwrap();
        let steps = "
- get-file: {from: x.bin, to: got/x.bin, capture: x}
- log: '{{x}}'";
        assert_eq!(run_in(project.path(), holding(), steps, &[]), Outcome::Passed);
        assert_eq!(std::fs::read(project.path().join("got/x.bin")).unwrap(), b"hi\n\xff");
    }

    #[test]
    fn a_difference_is_a_failure_that_says_where() {
        let compare = |wanted: &[u8]| {
            let project = tempfile::tempdir().unwrap();
            std::fs::write(project.path().join("x"), wanted).unwrap();
            run_in(project.path(), holding(), "- get-file: {from: a, equals: x}", &[])
        };
        assert_eq!(compare(b"hi\n\xff"), Outcome::Passed);
        let Outcome::Failed(failure) = compare(b"ho\n\xff") else { panic!("must fail") };
        assert_eq!(failure.what, "a is not equal to x: byte 1 is 0x69 and should be 0x6f");
        let Outcome::Failed(failure) = compare(b"hi\n\xff\0") else { panic!("must fail") };
        assert_eq!(failure.what, "a is not equal to x: it has 4 bytes and should have 5");
    }

    #[test]
    fn what_is_lost_on_the_way_is_noticed() {
        let target = raw_mode([Ran::prints("4\r\n"), Ran::prints("aGkK\r\n"), Ran::prints("")]);
        let steps = "- get-file: {from: a, capture: a}";
        let Outcome::Failed(failure) = run_steps(target, steps) else { panic!("must fail") };
        assert_eq!(failure.what, "a has 4 bytes on the board, and 3 arrived");
    }

    #[test]
    fn it_must_be_of_some_use_and_stay_in_the_project() {
        for step in ["{from: a}", "{from: a, to: ../b}"] {
            let outcome = run_steps(raw_mode([]), &format!("- get-file: {step}"));
            assert!(matches!(outcome, Outcome::Invalid(_)), "{step}");
        }
    }
}
