//! The live picture on a terminal: a bar for each thing that is going on, and lines above them.

use std::time::Duration;

use console::{Term, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All bars. A clone is the same picture.
#[derive(Debug, Clone)]
pub struct Bars {
    bars: MultiProgress,
    shown: bool,
}

impl Bars {
    /// On the terminal that stderr is.
    pub fn on_terminal() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }

    /// No picture.
    pub fn hidden() -> Self {
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()), shown: false }
    }

    pub(super) fn on(target: ProgressDrawTarget) -> Self {
        Self { bars: MultiProgress::with_draw_target(target), shown: true }
    }

    /// Takes the picture away while `act` talks with the person.
    pub fn suspend<T>(&self, act: impl FnOnce() -> T) -> T {
        self.bars.suspend(act)
    }

    /// A line above the bars.
    pub(super) fn line(&self, line: &str) {
        let _ = self.bars.println(line);
    }

    /// As much of a line as fits into the terminal.
    pub(super) fn fitting<'l>(&self, line: &'l str) -> std::borrow::Cow<'l, str> {
        truncate_str(line, columns(), "\u{2026}")
    }

    /// A case with so many steps.
    pub(super) fn case(&self, name: &str, steps: usize) -> ProgressBar {
        // Names stand in a column of their own; the bar gives way first, then they do.
        let (wide, bar) = match columns() {
            90.. => (34, "[{bar:24}] "),
            60.. => (24, "[{bar:10}] "),
            _ => (16, ""),
        };
        let name = truncate_str(name, wide, "\u{2026}");
        let template =
            format!("{{spinner}} {{prefix:{wide}}} {bar}{{pos:>3}}/{{len}} {{wide_msg}}");
        let bar = self.bar(steps as u64, &template, &name);
        if self.shown {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        bar
    }

    /// Firmware of so many bytes.
    pub(super) fn fetching(&self, name: &str, bytes: u64) -> ProgressBar {
        self.bar(bytes, "  fetching {prefix} [{bar:24}] {bytes} of {total_bytes}", name)
    }

    fn bar(&self, length: u64, template: &str, name: &str) -> ProgressBar {
        if !self.shown {
            return ProgressBar::hidden();
        }
        let bar = self.bars.add(ProgressBar::new(length));
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(name.to_owned());
        bar
    }

    /// Takes a bar away.
    pub(super) fn end(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.bars.remove(bar);
    }
}

/// The width of the terminal.
fn columns() -> usize {
    Term::stderr().size_checked().map_or(100, |(_, columns)| columns.into())
}
