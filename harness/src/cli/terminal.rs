//! The two streams and the environment, as the verbs see them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

use crate::scenario::fault::FileFaults;
use crate::snapshots::is_ci;

/// Where results and progress go.
#[derive(Debug)]
pub(super) struct Terminal {
    environment: BTreeMap<String, String>,
}

impl Terminal {
    pub(super) fn new(environment: BTreeMap<String, String>) -> Self {
        Self { environment }
    }

    /// The environment variables of the process.
    pub(super) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Whether stderr shows a live picture to a person.
    pub(super) fn is_live(&self) -> bool {
        let variable = |name: &str| self.environment.get(name).map(String::as_str);
        std::io::stderr().is_terminal()
            && !is_ci(variable("CI"))
            && variable("TERM") != Some("dumb")
    }

    /// Whether GitHub Actions reads the output.
    pub(super) fn is_github(&self) -> bool {
        self.environment.get("GITHUB_ACTIONS").is_some_and(|value| value == "true")
    }

    /// Whether colours are wanted on a stream.
    pub(super) fn colours(&self, stream: &impl IsTerminal) -> bool {
        let no_color = self.environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        stream.is_terminal() && !no_color
    }

    /// A line of results. A reader that went away is no reason to stop.
    pub(super) fn say(&self, line: impl Display) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// A unified diff as it goes to stdout: what went and what came in their colours.
    pub(super) fn diff(&self, diff: &str) -> String {
        let style = || console::Style::new().force_styling(self.colours(&std::io::stdout()));
        let (gone, new, around) = (style().red(), style().green(), style());
        let line = |line: &str| match line.as_bytes().first() {
            Some(b'-') => format!("{}\n", gone.apply_to(line)),
            Some(b'+') => format!("{}\n", new.apply_to(line)),
            _ => format!("{}\n", around.apply_to(line)),
        };
        diff.lines().map(line).collect()
    }

    /// A line for the person.
    pub(super) fn tell(&self, line: impl Display) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// An error, as one paragraph.
    pub(super) fn error(&self, message: impl Display) {
        let word = console::Style::new().force_styling(self.colours(&std::io::stderr()));
        self.tell(format_args!("{} {message}", word.red().bold().apply_to("error:")));
    }

    /// Every fault with its place in the text.
    pub(super) fn faults(&self, faults: &FileFaults) {
        for report in faults.reports() {
            self.tell(format_args!("{report:?}"));
        }
    }
}
