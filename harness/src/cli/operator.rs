//! The operator at the terminal: questions on stderr, answers from stdin.
//!
//! While a question is open the live picture is away: it would be drawn over it.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bench::power::Ask;
use crate::reports::bars::Bars;
use crate::runner::operator::{Answer, Operator, Question};

/// Between two looks at the person's Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

/// The person who started the program.
pub(super) struct TerminalOperator {
    /// The lines that are typed; one question at a time has them.
    lines: Mutex<Option<Receiver<String>>>,
    bars: Bars,
    cancelled: Arc<AtomicBool>,
}

impl TerminalOperator {
    /// Whether there is one: somebody must see the question and be able to answer.
    pub(super) fn is_present() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// The person, if there is one.
    pub(super) fn present(bars: Bars, cancelled: Arc<AtomicBool>) -> Option<Self> {
        Self::is_present().then(|| Self { lines: Mutex::new(None), bars, cancelled })
    }

    /// The next line; an end when the person has ended the run or the input.
    fn line(&self, lines: &Receiver<String>) -> io::Result<String> {
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match lines.recv_timeout(LOOK) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the input has ended",
                    ));
                }
            }
        }
    }
}

impl Operator for TerminalOperator {
    fn ask(&self, text: &str, question: Question) -> io::Result<Answer> {
        let mut lines = self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // While it waited for its turn.
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let lines = lines.get_or_insert_with(typed_lines);
        // What was typed before the question is no answer to it.
        while lines.try_recv().is_ok() {}
        let mut next = || self.line(lines);
        self.bars.suspend(|| dialogue(&mut next, &mut io::stderr(), text, question))
    }
}

/// How a person at the terminal is asked to do something at the bench, if there is one.
pub(super) fn asking() -> Ask {
    TerminalOperator::is_present().then(|| {
        let ask = |text: &str| {
            eprint!("{text}, then press Enter ");
            io::stdin().read_line(&mut String::new()).map(drop)
        };
        Arc::new(ask) as _
    })
}

/// What is typed, from a thread of its own: waiting for a line cannot be ended otherwise.
fn typed_lines() -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines() {
            let Ok(line) = line else { return };
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}

fn dialogue(
    next: &mut dyn FnMut() -> io::Result<String>,
    output: &mut dyn Write,
    text: &str,
    question: Question,
) -> io::Result<Answer> {
    let keys = match question {
        Question::Continue => "[Enter]",
        Question::YesOrNo => "[y/n]",
    };
    loop {
        write!(output, "{text} {keys} ")?;
        output.flush()?;
        let line = match next() {
            Ok(line) => line,
            Err(error) => {
                writeln!(output)?;
                return Err(error);
            }
        };
        match (question, line.trim().to_lowercase().as_str()) {
            (Question::Continue, _) | (Question::YesOrNo, "y" | "yes") => return Ok(Answer::Yes),
            (Question::YesOrNo, "n" | "no") => return Ok(Answer::No),
            (Question::YesOrNo, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(typed: &str, question: Question) -> (Option<Answer>, String) {
        let mut shown = Vec::new();
        let mut lines = typed.lines();
        let mut next =
            || lines.next().map(str::to_owned).ok_or(io::ErrorKind::UnexpectedEof.into());
        let answer = dialogue(&mut next, &mut shown, "Lit?", question).ok();
        (answer, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn a_question_is_asked_until_it_is_answered() {
        let (given, shown) = answer("maybe\nNo\n", Question::YesOrNo);
        assert_eq!((given, shown.matches("Lit? [y/n]").count()), (Some(Answer::No), 2));
        assert_eq!(answer("\n", Question::Continue).0, Some(Answer::Yes));
        assert_eq!(answer("", Question::Continue).0, None);
    }
}
