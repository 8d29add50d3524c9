//! `put-file`: copy a file of the project to MicroPython's file system, through raw mode.

use super::micropython::{RawRepl, bytes_literal, text_literal};
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Session, confined};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::model::Spanned;
use crate::scenario::node::Node;
use crate::scenario::values::Template;
use crate::targets::{Capability, Port, Progress};

/// Bytes of the file per statement: their literal fits any guest's memory.
const PIECE: usize = 512;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutFile {
    /// Path in the project.
    pub from: Spanned,
    /// Path on the board.
    pub to: String,
    /// Whether `{{name}}` in the file stands for a value.
    pub template: bool,
    /// Which port.
    pub port: Port,
}

impl Step for PutFile {
    const NAME: &'static str = "put-file";

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`put-file`", decoder)?;
        let from = fields.required::<Spanned>("from", decoder);
        if let Some(Spanned { text: path, span }) = &from
            && let Err(reason) = confined(path)
        {
            decoder.bad::<()>(span.clone(), format!("the path `{path}` {reason}"));
        }
        let to = fields.required("to", decoder);
        let template = fields.or("template", false, decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { from: from?, to: to?, template: template?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Serial],
            needs_power: true,
            files: vec![(&self.from.text, self.from.span.clone())],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("{} to {}", self.from.text, self.to)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let mut contents = session.read_file(&self.from.text)?;
        if self.template {
            let text = String::from_utf8_lossy(&contents);
            contents = Template::parse(&text, 0..0).text(session.values())?.into_bytes();
        }
        let total = contents.len() as u64;
        let to = text_literal(&self.to);
        let mut raw = RawRepl::enter(session, self.port)?;
        raw.exec(&format!("f=open({to},'wb')"))?;
        let mut done = 0;
        for piece in contents.chunks(PIECE) {
            raw.exec(&format!("f.write({})", bytes_literal(piece)))?;
            done += piece.len() as u64;
            raw.progress("copying", Progress { done, total });
        }
        let size = raw.exec(&format!("f.close()\nimport os\nprint(os.stat({to})[6])"))?;
        raw.leave()?;
        if size.trim() != total.to_string() {
            let what = format!("{} has {} bytes on the board, not {total}", self.to, size.trim());
            return Err(StepError::failed(Failure::new(what)));
        }
        Ok(Evidence::note(format!("{total} bytes in {}", self.to)))
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    fn raw_mode(size: &str) -> FakeTarget {
        let us = Span::from_micros;
        let sent = |bytes: &[u8]| Reply::on(Cue::Sent(bytes.to_vec()));
        let mut replies = vec![
            Reply::on(Cue::PowerOn).say(us(1), ">>> "),
            sent(b"\x01").say(us(1), "\r\nraw REPL; CTRL-B to exit\r\n>"),
        ];
        for output in ["", "", size] {
            replies.push(sent(b"\x05A\x01").say(us(1), b"R\x01\x80\x00\x01\x01\x01"));
            let done = [b"\x04".as_slice(), output.as_bytes(), b"\x04\x04>"].concat();
            replies.push(sent(b"\x04").say(us(1), done));
        }
        replies.push(sent(b"\x02").say(us(1), "\r\nMicroPython v1.23.0\r\n>>> "));
        replies.push(sent(b"1\r").say(us(1), "1\r\n>>> "));
        FakeTarget::new(replies)
    }

    const STEPS: &str = "
- put-file: {from: hello.py, to: boot.py}
- write-serial: \"1\\r\"
- wait-serial: \"1\\r\\n>>> \"";

    #[test]
    fn the_file_arrives_whole_and_its_traffic_is_no_text() {
        let target = raw_mode("15\r\n");
        let log = target.log();
        assert_eq!(run_steps(target, STEPS), Outcome::Passed);
        let sent = log.lock().unwrap().join("\n");
        let literal = r"f.write(b\'print(\\\'hello\\\')\\x0a\')";
        assert!(sent.contains(literal), "{sent}");
    }

    #[test]
    fn a_file_that_came_short_fails() {
        let Outcome::Failed(failure) = run_steps(raw_mode("14\r\n"), STEPS) else {
            panic!("must fail")
        };
        assert_eq!(failure.what, "boot.py has 14 bytes on the board, not 15");
    }
}
