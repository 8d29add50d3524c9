//! Talking to MicroPython's prompt, for the steps that do.
//!
//! Source: MicroPython documentation, "The MicroPython Interactive Interpreter Mode (aka REPL)":
//! friendly prompt, paste mode (Ctrl-E … Ctrl-D), raw mode (Ctrl-A … Ctrl-B) and raw-paste mode with
//! its window of flow control.
//!
//! At the friendly prompt the echo is the flow control: the next piece is sent when the last one
//! has come back, so that nothing overruns the receive buffer however slow the guest is.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;

use crate::runner::failure::{Failure, StepError};
use crate::runner::session::{Advance, Session};
use crate::targets::{Port, Progress};
use crate::time::{DeviceTime, Span};
use crate::transcript::SETTLE;
use crate::wokwi::script::Script;

const PROMPT: &str = ">>> ";
const CONTINUATION: &str = "... ";
/// Sent at once at the friendly prompt: a fraction of the chip's receive buffers.
const PIECE: usize = 32;
/// How long raw mode may take to say something.
const REPLY: Span = Span::from_secs(5);

/// Whether a line in the answer is expected, should it be a sign of death.
pub(super) type Expected<'e> = &'e dyn Fn(&str) -> bool;

const NOTHING: Expected<'static> = &|_| false;

/// What the prompt answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// What was printed, without the last line end.
    pub(super) text: String,
}

impl Answer {
    /// The last line of a traceback, if the code raised an exception.
    pub(super) fn exception(&self) -> Option<&str> {
        self.text
            .contains("Traceback (most recent call last):")
            .then(|| self.text.lines().next_back().unwrap_or_default())
    }
}

/// Whether code writes to the file system, as far as its text shows: it opens a file for writing, or
/// changes folders.
pub(super) fn writes_files(code: &str) -> bool {
    let changes = ["os.mkdir(", "os.remove(", "os.rename(", "os.rmdir(", "os.unlink("];
    let modes = ["'w", "\"w", "'a", "\"a", "'x", "\"x", "'r+", "\"r+"];
    let opened = |rest: &str| {
        let arguments = rest.split(')').next().unwrap_or_default();
        modes.iter().any(|mode| arguments.split_once(',').is_some_and(|(_, it)| it.contains(mode)))
    };
    changes.iter().any(|change| code.contains(change)) || code.split("open(").skip(1).any(opened)
}

/// Waits until the port shows a prompt and is silent.
pub(super) fn await_prompt(
    session: &mut Session<'_>,
    port: Port,
    until: DeviceTime,
) -> Result<(), StepError> {
    await_silence_at(session, port, 0, &[PROMPT], until, NOTHING).map(|_| ())
}

/// Runs code at the friendly prompt and gives what it printed. `expected` says which signs of
/// death in it are expected.
pub(super) fn run(
    session: &mut Session<'_>,
    port: Port,
    code: &str,
    within: Span,
    expected: Expected<'_>,
) -> Result<Answer, StepError> {
    let until = session.now() + within;
    await_prompt(session, port, until)?;
    let code = code.trim_end_matches('\n');
    // The prompt completes names at a tab and indents by itself; paste mode takes text as it is.
    let paste = code.contains(['\n', '\t']) || !code.is_ascii();
    let begin = session.transcript(port).text().len();
    let output = if paste {
        session.target().send(port, b"\x05")?;
        await_silence_at(session, port, begin, &["=== "], until, NOTHING)?;
        for line in code.split_inclusive('\n') {
            type_in(session, port, line, until)?;
        }
        let output = session.transcript(port).text().len();
        session.target().send(port, b"\x04")?;
        output
    } else {
        type_in(session, port, code, until)?;
        let output = session.transcript(port).text().len();
        session.target().send(port, b"\r")?;
        output
    };
    let mut from = output;
    loop {
        let prompts = [PROMPT, CONTINUATION];
        let found = await_silence_at(session, port, from, &prompts, until, expected)?;
        if found == PROMPT {
            break;
        }
        // A compound statement ends with an empty line.
        from = session.transcript(port).text().len();
        session.target().send(port, b"\r")?;
    }
    let transcript = session.transcript(port);
    let text = transcript.text()[output..].strip_suffix(PROMPT).unwrap_or_default();
    // The rest of the line is the echo of the line end.
    let text = text.split_once('\n').map_or("", |(_, text)| text);
    let text = text.lines().skip_while(|line| line.trim_end() == CONTINUATION.trim_end());
    let text = text.collect::<Vec<_>>().join("\n");
    let end = transcript.text().len();
    transcript.advance(end);
    Ok(Answer { text })
}

/// What Wokwi is told to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SaidAnswer {
    /// Whatever it is.
    Any,
    /// This and nothing else.
    Exactly(String),
    /// Something with these bytes in it.
    With(String),
}

/// Code at the friendly prompt, in Wokwi's terms: typed, and its echo and its answer waited for.
pub(super) fn say(script: &mut Script<'_>, code: &str, answer: SaidAnswer) -> Result<(), String> {
    script.prompt()?;
    let code = code.trim_end_matches('\n');
    let echo = if needs_paste_mode(code) {
        script.bytes(b"\x05".to_vec())?;
        script.wait("=== ".to_owned())?;
        let (before, last) = code.rsplit_once('\n').map_or(("", code), |(it, last)| (it, last));
        for line in before.lines() {
            script.write(format!("{line}\r"))?;
            script.wait(format!("{line}\r\n=== "))?;
        }
        script.write(last.to_owned())?;
        script.wait(last.to_owned())?;
        script.bytes(b"\x04".to_vec())?;
        "\r\n".to_owned()
    } else {
        script.write(format!("{code}\r"))?;
        format!("{code}\r\n")
    };
    match answer {
        SaidAnswer::Exactly(text) => {
            let lines = text.trim_end_matches('\n').lines();
            let text: String = lines.map(|line| format!("{line}\r\n")).collect();
            script.wait(format!("{echo}{text}{PROMPT}"))
        }
        SaidAnswer::With(text) => {
            script.wait(echo)?;
            script.wait(text)?;
            script.prompt()
        }
        SaidAnswer::Any => {
            script.wait(echo)?;
            script.prompt()
        }
    }
}

/// Whether the friendly prompt would ask for more behind this, or not take it as it is.
fn needs_paste_mode(code: &str) -> bool {
    const COMPOUND: [&str; 8] = ["async", "class", "def", "for", "if", "try", "while", "with"];
    let word = code.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next();
    let count = |brackets: [char; 3]| code.matches(brackets).count();
    code.contains(['\n', '\t'])
        || !code.is_ascii()
        || code.starts_with('@')
        || word.is_some_and(|word| COMPOUND.contains(&word))
        || count(['(', '[', '{']) != count([')', ']', '}'])
        || code.contains("\"\"\"")
        || code.contains("'''")
        || code.ends_with('\\')
}

/// Sends text piece by piece, each after the echo of the one before.
fn type_in(
    session: &mut Session<'_>,
    port: Port,
    text: &str,
    until: DeviceTime,
) -> Result<(), StepError> {
    let bytes = text.replace('\n', "\r").into_bytes();
    for piece in bytes.chunks(PIECE) {
        let before = session.transcript(port).raw().len();
        session.target().send(port, piece)?;
        while session.transcript(port).raw().len() < before + piece.len() {
            if session.await_output(until)? == Advance::Deadline {
                let sent = String::from_utf8_lossy(piece).into_owned();
                let what = format!("the prompt did not echo {sent:?}");
                return Err(failed(session, port, what));
            }
        }
    }
    Ok(())
}

/// Waits until the text after `from` ends with one of `prompts` at the start of a line, and nothing
/// follows for a moment; gives which one.
fn await_silence_at<'p>(
    session: &mut Session<'_>,
    port: Port,
    from: usize,
    prompts: &[&'p str],
    until: DeviceTime,
    expected: Expected<'_>,
) -> Result<&'p str, StepError> {
    loop {
        session.excuse_lines(port, expected);
        let text = session.transcript(port).text();
        let shown = prompts.iter().find(|prompt| {
            let before = text.get(from..).and_then(|new| new.strip_suffix(**prompt));
            before.is_some_and(|before| {
                before.ends_with('\n')
                    || (before.is_empty() && (from == 0 || text[..from].ends_with('\n')))
            }) || continuation_indented(text, from, prompt)
        });
        match shown {
            Some(prompt) => {
                let settled = session.now() + SETTLE;
                if session.advance(settled)? == Advance::Deadline {
                    return Ok(prompt);
                }
            }
            None => {
                if session.await_output(until)? == Advance::Deadline {
                    let what = format!("the MicroPython prompt {:?} did not come", prompts[0]);
                    return Err(failed(session, port, what));
                }
            }
        }
    }
}

/// The prompt indents a continued line by itself.
fn continuation_indented(text: &str, from: usize, prompt: &str) -> bool {
    prompt == CONTINUATION
        && text.get(from..).is_some_and(|new| {
            new.rsplit_once('\n').is_some_and(|(_, line)| {
                line.strip_prefix(CONTINUATION).is_some_and(|rest| rest.bytes().all(|b| b == b' '))
            })
        })
}

fn failed(session: &mut Session<'_>, port: Port, what: String) -> StepError {
    let seen = session.tail(port);
    let mut error = missed(session, &what, seen);
    if let (StepError::Failed(failure), false) = (&mut error, session.is_dead()) {
        failure.help = Some("the board must be at the `>>> ` prompt of MicroPython".to_owned());
    }
    error
}

/// Something did not come, perhaps because it never can.
fn missed(session: &mut Session<'_>, what: &str, seen: Vec<String>) -> StepError {
    let what = match session.is_dead() {
        true => format!("{what}: the guest can do nothing any more"),
        false => what.to_owned(),
    };
    let standing = session.standing();
    StepError::failed(Failure { seen, standing, ..Failure::new(what) })
}

/// Raw mode, from Ctrl-A to Ctrl-B. Its traffic has no text, except for what programs print that
/// are run for it.
pub(super) struct RawRepl<'s, 'a> {
    session: &'s mut Session<'a>,
    port: Port,
    /// What has been read of the raw bytes.
    read: usize,
    raw_paste: bool,
    /// Whether something has become text, so that the prompt must follow it.
    revealed: bool,
}

impl<'s, 'a> RawRepl<'s, 'a> {
    /// Does something in raw mode, from friendly prompt to friendly prompt, also if it fails.
    pub(super) fn during<T>(
        session: &'s mut Session<'a>,
        port: Port,
        does: impl FnOnce(&mut Self) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        let until = session.now() + REPLY;
        await_prompt(session, port, until)?;
        let transcript = session.transcript(port);
        transcript.begin_protocol();
        let read = transcript.raw().len();
        let mut raw = Self { session, port, read, raw_paste: true, revealed: false };
        raw.send(b"\x01")?;
        raw.read_until(b"raw REPL; CTRL-B to exit\r\n>")?;
        let done = does(&mut raw);
        match done {
            Ok(value) => raw.leave().map(|()| value),
            Err(error) => {
                // What went wrong counts, not whether the way back went wrong too.
                let _ = raw.leave();
                Err(error)
            }
        }
    }

    /// Runs code that serves `purpose` and gives what it printed.
    ///
    /// # Errors
    /// *Failed* when the code raises an exception or the protocol is not followed.
    pub(super) fn exec(&mut self, purpose: &str, code: &str) -> Result<String, StepError> {
        self.begin(code)?;
        let output = self.read_until(b"\x04")?;
        let error = self.read_until(b"\x04")?;
        self.read_until(b">")?;
        if error.is_empty() {
            return Ok(String::from_utf8_lossy(&output).into_owned());
        }
        let error = String::from_utf8_lossy(&error);
        let last = error.trim_end().lines().next_back().unwrap_or_default();
        let failure = Failure {
            seen: error.lines().map(str::to_owned).collect(),
            ..Failure::new(format!("{purpose}: MicroPython raised {last}"))
        };
        Err(StepError::failed(failure))
    }

    /// Runs a program whose output becomes text as it comes; it may take `within`.
    ///
    /// # Errors
    /// *Failed* when it does not end in time or the protocol is not followed; an exception is a part
    /// of the answer.
    pub(super) fn run(
        &mut self,
        code: &str,
        within: Span,
        expected: Expected<'_>,
    ) -> Result<Answer, StepError> {
        self.begin(code)?;
        self.revealed = true;
        let until = self.session.now() + within;
        let output = self.reveal_until_end(until, expected)?;
        let error = self.reveal_until_end(until, expected)?;
        self.read_until(b">")?;
        let raw = [output, error].concat();
        let text = String::from_utf8_lossy(&raw).replace('\r', "");
        Ok(Answer { text: text.strip_suffix('\n').unwrap_or(&text).to_owned() })
    }

    /// Tells how far a long operation is.
    pub(super) fn progress(&mut self, what: &'static str, progress: Progress) {
        self.session.progress(what, progress);
    }

    fn leave(mut self) -> Result<(), StepError> {
        self.send(b"\x02")?;
        self.read_until(PROMPT.as_bytes())?;
        if self.revealed {
            // The banner before it is no text, but the next step must find the prompt.
            self.session.reveal(self.port, self.read - PROMPT.len()..self.read);
        }
        self.session.transcript(self.port).end_protocol();
        Ok(())
    }

    /// Sends code up to the moment from which what comes is its output.
    fn begin(&mut self, code: &str) -> Result<(), StepError> {
        if self.raw_paste {
            self.raw_paste(code.as_bytes())?;
        }
        if !self.raw_paste {
            // Without flow control: slowly, in pieces that fit the smallest receive buffer.
            for piece in code.as_bytes().chunks(PIECE) {
                self.send(piece)?;
                let until = self.session.now() + Span::from_millis(10);
                while self.session.advance(until)? == Advance::Output {}
            }
            self.send(b"\x04")?;
            self.read_until(b"OK")?;
        }
        Ok(())
    }

    fn raw_paste(&mut self, code: &[u8]) -> Result<(), StepError> {
        self.send(b"\x05A\x01")?;
        let answer = self.read(2)?;
        if answer != *b"R\x01" {
            // Firmware before 1.14 takes the request for code: back to a raw prompt.
            self.raw_paste = false;
            if answer != *b"R\x00" {
                self.read_until(b">")?;
            }
            return Ok(());
        }
        let window = self.read(2)?;
        let window = usize::from(u16::from_le_bytes([window[0], window[1]]));
        let mut room = window;
        let mut rest = code;
        while !rest.is_empty() {
            while room == 0 || self.has_more() {
                match self.read(1)?[0] {
                    0x01 => room += window,
                    _ => {
                        // The device has heard enough; what follows says why.
                        self.send(b"\x04")?;
                        return Ok(());
                    }
                }
            }
            let now = room.min(rest.len());
            self.send(&rest[..now])?;
            room -= now;
            rest = &rest[now..];
        }
        self.send(b"\x04")?;
        self.read_until(b"\x04")?;
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), StepError> {
        Ok(self.session.target().send(self.port, bytes)?)
    }

    fn has_more(&mut self) -> bool {
        self.session.transcript(self.port).raw().len() > self.read
    }

    /// Exactly so many bytes.
    fn read(&mut self, count: usize) -> Result<Vec<u8>, StepError> {
        while self.session.transcript(self.port).raw().len() < self.read + count {
            self.wait("an answer")?;
        }
        let read = self.read;
        self.read += count;
        Ok(self.session.transcript(self.port).raw()[read..read + count].to_vec())
    }

    /// What comes before `end`, which is read too. It may take as long as it wants, if only
    /// something comes all the time.
    fn read_until(&mut self, end: &[u8]) -> Result<Vec<u8>, StepError> {
        let mut searched = self.read;
        loop {
            let raw = self.session.transcript(self.port).raw();
            // The bytes that were searched may end with the beginning of it.
            let from = searched.saturating_sub(end.len()).max(self.read);
            if let Some(at) = raw[from..].windows(end.len()).position(|window| window == end) {
                let before = raw[self.read..from + at].to_vec();
                self.read = from + at + end.len();
                return Ok(before);
            }
            searched = raw.len();
            self.wait(&format!("{:?}", String::from_utf8_lossy(end)))?;
        }
    }

    /// What comes before the end mark of raw mode, made text as it comes.
    fn reveal_until_end(
        &mut self,
        until: DeviceTime,
        expected: Expected<'_>,
    ) -> Result<Vec<u8>, StepError> {
        let begin = self.read;
        loop {
            let raw = self.session.transcript(self.port).raw();
            let end = raw[self.read..].iter().position(|byte| *byte == 0x04);
            let new = self.read..end.map_or(raw.len(), |end| self.read + end);
            self.read = new.end;
            self.session.reveal(self.port, new);
            self.session.excuse_lines(self.port, expected);
            if end.is_some() {
                let output = self.session.transcript(self.port).raw()[begin..self.read].to_vec();
                self.read += 1;
                return Ok(output);
            }
            if self.session.await_output(until)? == Advance::Deadline {
                let seen = self.session.tail(self.port);
                return Err(missed(self.session, "the program did not end in time", seen));
            }
        }
    }

    fn wait(&mut self, what: &str) -> Result<(), StepError> {
        let until = self.session.now() + REPLY;
        if self.session.await_output(until)? == Advance::Output {
            return Ok(());
        }
        let new = &self.session.transcript(self.port).raw()[self.read..];
        let seen = vec![new.escape_ascii().to_string()];
        Err(missed(self.session, &format!("raw mode did not give {what}"), seen))
    }
}

/// A Python bytes literal.
pub(super) fn bytes_literal(bytes: &[u8]) -> String {
    let mut literal = String::from("b'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => literal.extend(['\\', char::from(*byte)]),
            0x20..=0x7e => literal.push(char::from(*byte)),
            _ => literal.push_str(&format!("\\x{byte:02x}")),
        }
    }
    literal.push('\'');
    literal
}

/// A Python string literal.
pub(super) fn text_literal(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => literal.extend(['\\', c]),
            c if c.is_control() => literal.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

/// The shortest Python expression for bytes: a literal, or base64 where a literal would be longer.
/// `unpack` must be `binascii.a2b_base64` on the board.
pub(super) fn bytes_expression(bytes: &[u8]) -> String {
    let (literal, packed) = (bytes_literal(bytes), format!("unpack('{}')", BASE64.encode(bytes)));
    if literal.len() <= packed.len() { literal } else { packed }
}

/// A scripted board that follows the protocol of raw mode.
#[cfg(test)]
pub(super) mod scripted {
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    /// What running a piece of code comes to.
    pub(crate) struct Ran {
        output: String,
        error: String,
    }

    impl Ran {
        pub(crate) fn prints(output: &str) -> Self {
            Self { output: output.to_owned(), error: String::new() }
        }

        pub(crate) fn raises(exception: &str) -> Self {
            let error = format!("Traceback (most recent call last):\r\n{exception}\r\n");
            Self { output: String::new(), error }
        }
    }

    /// A board at its prompt whose raw mode runs these pieces of code, once, and which then answers
    /// `1` at the friendly prompt.
    pub(crate) fn raw_mode(runs: impl IntoIterator<Item = Ran>) -> FakeTarget {
        let us = Span::from_micros;
        let sent = |bytes: &[u8]| Reply::on(Cue::Sent(bytes.to_vec()));
        let mut replies = vec![
            Reply::on(Cue::PowerOn).say(us(1), "MicroPython v1.23.0\r\n>>> "),
            sent(b"\x01").say(us(1), "\r\nraw REPL; CTRL-B to exit\r\n>"),
        ];
        for Ran { output, error } in runs {
            replies.push(sent(b"\x05A\x01").say(us(1), b"R\x01\x00\x20\x01"));
            let end = sent(b"\x04").say(us(1), "\x04").say(us(9), output).say(us(1), "\x04");
            replies.push(end.say(us(1), error).say(us(1), "\x04>"));
        }
        replies.push(sent(b"\x02").say(us(1), "\r\nMicroPython v1.23.0\r\n>>> "));
        replies.push(sent(b"1\r").say(us(1), "1\r\n>>> "));
        FakeTarget::new(replies)
    }
}

#[cfg(test)]
mod tests {
    use super::writes_files;

    #[test]
    fn code_that_writes_files_is_recognised_by_its_text() {
        for code in ["f = open('a', 'w')", "open('w.txt', mode=\"ab\")", "import os; os.mkdir('x')"]
        {
            assert!(writes_files(code), "{code}");
        }
        for code in
            ["open('w.txt').read()", "open('a', 'r')", "print('w')", "open(", "f.write('w')"]
        {
            assert!(!writes_files(code), "{code}");
        }
    }
}
