//! One JSON object per line for each event.

use std::io::Write;

use super::Report;
use crate::runner::events::Event;

/// Writes every event as a line.
#[derive(Debug)]
pub struct JsonLines<W: Write> {
    out: W,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`, flushing after each line, so that a reader follows the run.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> Report for JsonLines<W> {
    fn event(&mut self, event: &Event) {
        // A reader that went away does not stop the run: its verdict is in the exit code too.
        if let Ok(line) = serde_json::to_string(event) {
            let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        }
    }
}

/// An event as JSON without what depends on the host: equal for equal runs, however many cases ran
/// at a time and whichever went on from another one's machine.
///
/// # Errors
/// Never for the events that there are.
pub fn without_host(event: &Event) -> serde_json::Result<serde_json::Value> {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.retain(|name, _| !name.starts_with("wall_") && !name.starts_with("host_"));
                fields.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(event)?;
    strip(&mut value);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing::events;
    use crate::targets::fake::{Cue, FakeSource, FakeTarget, Reply};
    use crate::time::Span;

    const TEXT: &str = "
name: t
version: 1
steps:
- write-serial: '{{env.PASSWORD}}'
- expect-serial: hello
";

    fn run(secret: &str) -> String {
        let target = FakeTarget::new([
            Reply::on(Cue::PowerOn).say(Span::from_millis(1), "boot\r\n"),
            Reply::on(Cue::Sent(secret.as_bytes().to_vec()))
                .say(Span::from_millis(1), format!("key {secret}\r\nhello\r\n")),
        ]);
        let project = tempfile::tempdir().unwrap();
        let mut lines = Vec::new();
        let mut report = JsonLines::new(&mut lines);
        let source = FakeSource::new(target);
        events(project.path(), &source, TEXT, &[("PASSWORD", secret)], &mut |event| {
            report.event(&event);
        });
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn every_line_is_an_object_and_only_wall_fields_differ_between_runs() {
        let stripped = |text: String| -> Vec<serde_json::Value> {
            text.lines()
                .map(|line| {
                    let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
                    let object = value.as_object_mut().unwrap();
                    object.retain(|key, _| !key.starts_with("wall_") && key != "file");
                    value
                })
                .collect()
        };
        let first = stripped(run("hunter2"));
        assert_eq!(first, stripped(run("hunter2")));
        let kinds: Vec<_> = first.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(kinds[0], "run-started");
        assert_eq!(kinds[kinds.len() - 1], "run-finished");
        assert!(kinds.contains(&"serial"));
    }

    #[test]
    fn a_secret_is_in_no_event() {
        let text = run("hunter2");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("key [env.PASSWORD]"), "{text}");
    }
}
