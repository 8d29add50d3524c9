//! A search for a regular expression that goes on where it stopped when more text has come.
//!
//! [`regex`] can only search a whole text again, which for a line that grows and grows costs the
//! square of its length. The automaton behind it needs each byte only once; its state is kept here
//! between deliveries. It says whether a match has come and whether it may still change, and leaves
//! where exactly to one search by [`regex`].

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};

/// A search that has looked at a text up to some place.
#[derive(Debug, Clone)]
pub(super) struct Resumed {
    dfa: DFA,
    cache: Cache,
    state: LazyStateID,
    /// How far it has looked.
    at: usize,
    /// A match has ended.
    found: bool,
    /// Nothing that comes can change that match.
    over: bool,
}

/// What the text has so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// No match.
    Nothing,
    /// A match, which touches the end of the text.
    AtEnd,
    /// A match, which something follows.
    Followed,
}

impl Resumed {
    /// A search that begins at `start`. `None` if this expression cannot be searched so.
    pub(super) fn new(source: &str, text: &str, start: usize) -> Option<Self> {
        let dfa = DFA::builder()
            .syntax(syntax::Config::new().multi_line(true))
            .configure(
                // As `regex` does: `\b` works as long as the text is ASCII.
                DFA::config().match_kind(MatchKind::LeftmostFirst).unicode_word_boundary(true),
            )
            .build(source)
            .ok()?;
        let mut cache = dfa.create_cache();
        let input = Input::new(text).range(start..);
        let state = dfa.start_state_forward(&mut cache, &input).ok()?;
        Some(Self { dfa, cache, state, at: start, found: false, over: false })
    }

    /// How far it has looked.
    #[cfg(test)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Looks at what has been added to `text`. `None` when the automaton cannot go on.
    pub(super) fn go_on(&mut self, text: &str) -> Option<Seen> {
        while let Some(byte) = text.as_bytes().get(self.at).filter(|_| !self.over) {
            self.state = self.dfa.next_state(&mut self.cache, self.state, *byte).ok()?;
            if self.state.is_quit() {
                return None;
            }
            // It says so one byte late, having seen what follows.
            self.found |= self.state.is_match();
            self.over = self.state.is_dead();
            self.at += 1;
        }
        if !self.over {
            let clearings = self.cache.clear_count();
            let last = self.dfa.next_eoi_state(&mut self.cache, self.state).ok()?;
            // The states were forgotten to make room, and the one to go on from with them.
            if self.cache.clear_count() != clearings {
                return None;
            }
            if last.is_match() {
                return Some(Seen::AtEnd);
            }
        }
        Some(if self.found { Seen::Followed } else { Seen::Nothing })
    }
}
