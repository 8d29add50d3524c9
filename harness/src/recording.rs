//! What a person did at a board's console, as the steps of a scenario.
//!
//! Each line that was typed becomes a step, and what the board printed after it an expectation: of
//! the answer where MicroPython's prompt gave one, else of the last line.

use crate::scenario::schema;
use crate::scenario::values::Template;
use crate::time::DeviceTime;
use crate::transcript::Transcript;

/// MicroPython's prompt.
const PROMPT: &str = ">>> ";

/// A session at a console.
#[derive(Debug, Clone)]
pub struct Recording {
    exchanges: Vec<Exchange>,
}

/// What was typed, up to a carriage return, and what was printed until the next thing was typed.
#[derive(Debug, Clone, Default)]
struct Exchange {
    typed: Vec<u8>,
    said: Transcript,
}

/// What the scenario says about the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its name.
    pub name: String,
    /// The board profile.
    pub board: String,
    /// The firmware, as a scenario names it.
    pub firmware: Option<String>,
}

impl Default for Recording {
    fn default() -> Self {
        Self { exchanges: vec![Exchange::default()] }
    }
}

impl Recording {
    /// The board printed something.
    pub fn said(&mut self, bytes: &[u8]) {
        if let Some(last) = self.exchanges.last_mut() {
            last.said.push(DeviceTime::ZERO, bytes);
        }
    }

    /// The person typed something.
    pub fn typed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let begins = match self.exchanges.last() {
                None => true,
                Some(Exchange { typed, .. }) => typed.is_empty() || typed.ends_with(b"\r"),
            };
            if begins {
                self.exchanges.push(Exchange::default());
            }
            let Some(Exchange { typed, .. }) = self.exchanges.last_mut() else { return };
            match byte {
                b'\n' => typed.push(b'\r'),
                // The line was corrected.
                0x08 | 0x7f => drop(typed.pop()),
                byte => typed.push(*byte),
            }
        }
    }

    /// The scenario that does and expects the same.
    pub fn scenario(&self, head: &Head) -> String {
        let mut out = format!("# yaml-language-server: $schema={}\n", schema::ID);
        out += &format!("name: {}\nversion: 1\n", quoted(&head.name));
        out += &format!("board: {}\n", quoted(&head.board));
        if let Some(firmware) = &head.firmware {
            out += &format!("firmware: {}\n", quoted(firmware));
        }
        out += "\nsteps:\n";
        let steps = self.steps();
        for step in &steps {
            out += &format!("  - {step}\n");
        }
        if steps.is_empty() {
            out += "  - log: nothing was recorded\n";
        }
        out
    }

    fn steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        let mut at_prompt = false;
        for Exchange { typed, said } in &self.exchanges {
            let text = said.text();
            let line = std::str::from_utf8(typed).ok().and_then(|line| line.strip_suffix('\r'));
            let line = line.filter(|line| !line.contains(char::is_control));
            match line.and_then(|line| Some((line, answer(line, text)?))) {
                Some((code, answer)) if at_prompt && !code.trim().is_empty() => {
                    let expect = match answer.lines().next_back() {
                        Some(last) if answer.contains("Traceback (most recent call last):") => {
                            format!("{{text: {}}}", template(last))
                        }
                        _ => template(&answer),
                    };
                    steps.push(format!("repl: {{code: {}, expect: {expect}}}", template(code)));
                }
                _ => {
                    if !typed.is_empty() {
                        let typed = String::from_utf8_lossy(typed);
                        steps.push(format!("write-serial: {}", template(&typed)));
                    }
                    let echo = line.unwrap_or_default();
                    let mut lines = text.lines().map(str::trim).filter(|line| {
                        !line.is_empty() && *line != PROMPT.trim() && (*line != echo)
                    });
                    if let Some(last) = lines.rfind(|line| !line.starts_with(PROMPT)) {
                        steps.push(format!("expect-serial: {}", template(last)));
                    }
                    if text.ends_with(PROMPT) {
                        steps.push(format!("wait-serial: {}", quoted(PROMPT)));
                    }
                }
            }
            at_prompt = text.ends_with(PROMPT) || (at_prompt && text.is_empty());
        }
        steps
    }
}

/// What MicroPython answered to a line, between the echo and the next prompt.
fn answer(line: &str, text: &str) -> Option<String> {
    let text = text.strip_prefix(line)?.strip_prefix('\n')?.strip_suffix(PROMPT)?;
    let restarted = text.lines().any(|line| line.starts_with("rst:0x"));
    let continued = text.lines().any(|line| line.starts_with("..."));
    (!restarted && !continued && (text.is_empty() || text.ends_with('\n')))
        .then(|| text.trim_end_matches('\n').to_owned())
}

/// A YAML scalar: JSON's strings are a subset.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The same for a text in which braces may mean something.
fn template(text: &str) -> String {
    match Template::parse(text, 0..0).names().next() {
        Some(_) => quoted(&text.replace("{{", "\\{{")),
        None => quoted(text),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::decode::no_files;
    use crate::scenario::parser::{FilePlace, parse};

    fn head() -> Head {
        Head { name: "It's: mine".into(), board: "esp32-devkit".into(), firmware: None }
    }

    fn steps(session: &[(&str, &str)]) -> Vec<String> {
        let mut recording = Recording::default();
        for (typed, said) in session {
            recording.typed(typed.as_bytes());
            recording.said(said.as_bytes());
        }
        let text = recording.scenario(&head());
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        parse(&text, place, &no_files).unwrap_or_else(|faults| panic!("{text}\n{faults:?}"));
        recording.steps()
    }

    #[test]
    fn answers_of_a_prompt_become_repl_steps() {
        let session = [
            ("", "ets Jul 29\r\nMicroPython v1.23.0\r\n>>> "),
            ("1+1\r", "1+1\r\n2\r\n>>> "),
            ("import os\r", "import os\r\n>>> "),
            ("x\r", "x\r\nTraceback (most recent call last):\r\nNameError: x\r\n>>> "),
            ("print('{{a}}')\r", "print('{{a}}')\r\n{{a}}\r\n>>> "),
        ];
        assert_eq!(
            steps(&session),
            [
                r#"expect-serial: "MicroPython v1.23.0""#,
                r#"wait-serial: ">>> ""#,
                r#"repl: {code: "1+1", expect: "2"}"#,
                r#"repl: {code: "import os", expect: ""}"#,
                r#"repl: {code: "x", expect: {text: "NameError: x"}}"#,
                r#"repl: {code: "print('\\{{a}}')", expect: "\\{{a}}"}"#,
            ]
        );
    }

    #[test]
    fn other_lines_are_written_and_their_last_answer_is_expected() {
        let session = [
            ("", "ready\r\n"),
            ("led on\r", "led on\r\nok\r\n"),
            ("\x03", ""),
            ("machine.reset()\r", "rst:0xc (SW_CPU_RESET)\r\nready\r\n>>> "),
        ];
        assert_eq!(
            steps(&session),
            [
                r#"expect-serial: "ready""#,
                r#"write-serial: "led on\r""#,
                r#"expect-serial: "ok""#,
                r#"write-serial: "\u0003machine.reset()\r""#,
                r#"expect-serial: "ready""#,
                r#"wait-serial: ">>> ""#,
            ]
        );
    }

    #[test]
    fn keys_come_one_by_one_with_their_echo_and_corrections_are_undone() {
        let mut recording = Recording::default();
        recording.said(b">>> ");
        for key in ["1", "+", "2", "\x7f", "1", "\r"] {
            recording.typed(key.as_bytes());
        }
        // The board rubs the character out.
        recording.said(b"1+1\r\n2\r\n>>> ");
        assert_eq!(recording.steps()[1], r#"repl: {code: "1+1", expect: "2"}"#);
    }

    #[test]
    fn a_session_in_which_nothing_happened_is_a_scenario_all_the_same() {
        assert_eq!(steps(&[]), [""; 0]);
    }
}
