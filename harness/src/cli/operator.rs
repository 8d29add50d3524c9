//! The operator at the terminal: questions on stderr, answers from stdin.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Mutex;

use crate::runner::operator::{Answer, Operator, Question};

/// The person who started the program.
#[derive(Debug, Default)]
pub(super) struct TerminalOperator {
    /// One question at a time.
    turn: Mutex<()>,
}

impl TerminalOperator {
    /// The person, if there is one: somebody must see the question and be able to answer.
    pub(super) fn present() -> Option<Self> {
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then(Self::default)
    }
}

impl Operator for TerminalOperator {
    fn ask(&self, text: &str, question: Question) -> io::Result<Answer> {
        let _turn = self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        dialogue(&mut io::stdin().lock(), &mut io::stderr(), text, question)
    }
}

fn dialogue(
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    text: &str,
    question: Question,
) -> io::Result<Answer> {
    let keys = match question {
        Question::Continue => "[Enter]",
        Question::YesOrNo => "[y/n]",
    };
    loop {
        write!(output, "\r\n{text} {keys} ")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the input has ended"));
        }
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
        let answer = dialogue(&mut typed.as_bytes(), &mut shown, "Lit?", question).ok();
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
