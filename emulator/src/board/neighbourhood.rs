//! Boards that hear each other: each with its own chip and clock, around one site.
//!
//! ```text
//!            window
//!   board 0  ├──────────┤  its radio begins to send: noted, with the instant
//!   board 1  ├──────────┤
//!   site                 ▲ here the notes are read in the order of time, and what is due happens
//! ```
//!
//! Between two ends of a window boards run one after the other, and none hears of the others. That is
//! no approximation as long as nothing that a board does in a window reaches another one in it:
//!
//! - A frame is heard when it is over, and no frame takes as little time as [`MAX_WINDOW`]. So its
//!   beginning is known to all before its end, which is a deadline of every chip: when it comes, all
//!   boards stand at that very instant, and the radios say who hears it and who acknowledges it.
//! - What access points, stations and hosts do takes at least as long, and ends a window as well.
//! - A board that waits, or that its person has asked to wait, does nothing before an instant that is
//!   known; so if all wait, the window goes on for a whole one behind the first of these instants.
//!
//! A board is dealt with by somebody, who is the only one to act on it and lets it run, or it *goes
//! along*: it follows the others, and its news wait. Who deals with one board and who with another may
//! act in any order of the host's: a window begins when all have said how far their board may run, so
//! what happens follows from device time alone.

use std::collections::VecDeque;

use super::site::Site;
use super::{Board, Heed, Outcome, SiteEvent, Surroundings};
use crate::soc::Esp32;
use crate::time::{Duration, Instant};

/// The longest time for which a board runs while others may do something that it hears. The shortest
/// frame takes 24 µs (14 octets at 54 Mbit/s), and both cores may overrun a deadline by 64 cycles.
pub const MAX_WINDOW: Duration = Duration::from_micros(20);

/// Boards, and what is around them. A clone is a snapshot of all.
#[derive(Debug, Clone)]
pub struct Neighbourhood {
    site: Site,
    members: Vec<Member>,
    /// How long a window is at most.
    window: Duration,
    /// Where the present window ends.
    window_end: Instant,
    /// When something is due on the site, which the boards have been told.
    due: Instant,
    /// Which radio has been tuned in this window, and when.
    notes: Vec<Note>,
}

#[derive(Debug, Clone)]
struct Member {
    board: Board,
    turn: Turn,
    /// How the run ended that was asked for last.
    outcome: Option<Outcome>,
    /// What has happened on the site and this board's person does not know yet.
    events: VecDeque<SiteEvent>,
}

/// Who lets a board run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nobody: it goes along with the others.
    GoesAlong,
    /// Somebody who acts at this moment.
    Stays,
    /// Somebody who waits until then.
    Until(Instant),
    /// It is not there any more.
    Gone,
}

impl Turn {
    fn is_attended(self) -> bool {
        matches!(self, Self::Stays | Self::Until(_))
    }
}

#[derive(Debug, Clone, Copy)]
struct Note {
    at: Instant,
    board: usize,
    channel: Option<u8>,
}

impl Neighbourhood {
    /// No board yet. The site is nobody else's.
    pub fn new(site: Site) -> Self {
        let (members, notes) = (Vec::new(), Vec::new());
        let (window_end, due) = (Instant::ZERO, Instant::ZERO);
        Self { site, members, window: MAX_WINDOW, window_end, due, notes }
    }

    /// With shorter windows, which changes nothing but speed.
    #[must_use]
    pub fn with_window(self, window: Duration) -> Self {
        let window = window.clamp(Duration::from_micros(1), MAX_WINDOW);
        Self { window, ..self }
    }

    /// A board more, without power, whose time is not ahead of the others'; somebody deals with it. The
    /// answer is its number, from 0.
    pub fn join(&mut self, mut board: Board) -> usize {
        if !self.members.is_empty() {
            self.site.add_board();
        }
        // From now on the others do not run on without it.
        self.cut_window(self.time());
        board.surroundings = Surroundings::Neighbours { fell_silent: false };
        let (outcome, events) = (None, VecDeque::new());
        self.members.push(Member { board, turn: Turn::Stays, outcome, events });
        self.members.len() - 1
    }

    /// A board, by the number that it was given.
    ///
    /// # Panics
    /// There is no such board.
    pub fn board(&self, number: usize) -> &Board {
        &self.members[number].board
    }

    /// A board that somebody deals with, for him to act on.
    ///
    /// # Panics
    /// There is no such board.
    pub fn board_mut(&mut self, number: usize) -> &mut Board {
        &mut self.members[number].board
    }

    /// How many boards are here.
    pub fn len(&self) -> usize {
        self.members.iter().filter(|member| member.turn != Turn::Gone).count()
    }

    /// Whether no board is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_alone(&self) -> bool {
        self.len() == 1
    }

    /// What the furthest board has reached.
    fn time(&self) -> Instant {
        self.members.iter().map(|member| member.board.now()).max().unwrap_or(Instant::ZERO)
    }

    fn cut_window(&mut self, end: Instant) {
        self.window_end = self.window_end.min(end);
    }

    fn set_turn(&mut self, number: usize, turn: Turn) {
        if let Some(member) = self.members.get_mut(number) {
            member.turn = turn;
        }
    }

    /// Somebody deals with a board from now on: it runs as far as he lets it. Others wait for it.
    pub fn attend(&mut self, number: usize) {
        self.set_turn(number, Turn::Stays);
    }

    /// Nobody deals with a board any more: it goes along with the others.
    pub fn leave(&mut self, number: usize) {
        self.set_turn(number, Turn::GoesAlong);
    }

    /// Takes a board away.
    pub fn remove(&mut self, number: usize) {
        self.set_turn(number, Turn::Gone);
        if let Some(member) = self.members.get_mut(number) {
            member.board.power_off();
        }
    }

    /// Asks for a run of a board up to `deadline`, or to news; [`Self::run`] does it.
    pub fn ask(&mut self, number: usize, deadline: Instant) {
        let missed = self.members.get(number).is_some_and(|it| it.outcome.is_some());
        self.set_turn(number, if missed { Turn::Stays } else { Turn::Until(deadline) });
    }

    /// How the run ended that was asked for; none: it has not, yet.
    pub fn take_outcome(&mut self, number: usize) -> Option<Outcome> {
        self.members.get_mut(number)?.outcome.take()
    }

    /// The oldest thing that happened on the site and that the person of a board has not taken. Each is
    /// told for each board.
    pub fn take_site_event(&mut self, number: usize) -> Option<SiteEvent> {
        self.members.get_mut(number)?.events.pop_front()
    }

    /// Runs all boards as far as their persons let them. Whether a run that somebody has asked for is
    /// over.
    pub fn run(&mut self) -> bool {
        let mut is_any_over = false;
        while self.members.iter().any(|member| matches!(member.turn, Turn::Until(_))) {
            for number in 0..self.members.len() {
                if let Turn::Until(deadline) = self.members[number].turn {
                    is_any_over |= self.run_attended(number, deadline);
                }
            }
            let end = self.window_end;
            if self.members.iter().any(|it| it.turn == Turn::Stays && it.board.now() <= end) {
                break;
            }
            self.take_along(Instant::MAX);
            self.end_window();
        }
        is_any_over
    }

    /// Runs a board that is waited for to the end of the window, or less far if there is news. Whether
    /// that was all that was asked for.
    fn run_attended(&mut self, number: usize, deadline: Instant) -> bool {
        let has_event = !self.members[number].events.is_empty();
        let outcome = match has_event {
            true => Some(Outcome::Site),
            false => self.run_board(number, deadline, Heed::News),
        };
        let member = &mut self.members[number];
        let is_over = member.board.now() >= deadline;
        let outcome = outcome.or(is_over.then_some(Outcome::Deadline));
        if outcome.is_some() {
            member.turn = Turn::Stays;
            member.outcome = outcome;
        }
        member.turn == Turn::Stays
    }

    /// Lets those catch up whom nobody deals with.
    fn take_along(&mut self, end: Instant) {
        for number in 0..self.members.len() {
            if self.members[number].turn != Turn::GoesAlong {
                continue;
            }
            while let Some(outcome) = self.run_board(number, end, Heed::Nothing) {
                // It is told to who deals with the board next.
                let goes_on = outcome == Outcome::PowerCut;
                self.members[number].outcome = Some(outcome);
                if !goes_on {
                    break;
                }
            }
        }
    }

    /// Runs a board up to `deadline`, but not beyond the window: why it stopped before that. One that
    /// does nothing in the whole window stays behind until something is due, for that costs nothing.
    fn run_board(&mut self, number: usize, deadline: Instant, heed: Heed) -> Option<Outcome> {
        loop {
            let end = deadline.min(self.window_end);
            let board = &mut self.members[number].board;
            let is_quiet = |board: &Board| end < deadline && board.quiet_until() > end;
            if board.now() >= end || is_quiet(board) {
                return None;
            }
            match board.run_up_to(end, heed) {
                Some(Outcome::Deadline) => {}
                Some(outcome) => return Some(outcome),
                None => self.note(number),
            }
        }
    }

    /// The radio of a board has begun to send, or listens elsewhere, or stands where something is due.
    fn note(&mut self, number: usize) {
        let chip = &mut self.members[number].board.chip;
        let (at, channel) = (chip.now(), chip.listens_to());
        self.site.take_transmissions(number, chip);
        chip.set_air_due(self.due);
        self.notes.push(Note { at, board: number, channel });
        if self.is_alone() {
            self.cut_window(at);
        }
    }

    /// All boards have come to the end of the window.
    fn end_window(&mut self) {
        self.follow_power();
        if !self.notes.is_empty() || self.due <= self.window_end {
            self.read_notes(self.window_end);
            self.settle();
        }
        let quiet = self.members.iter().map(|member| {
            let now = member.board.now();
            match member.turn {
                // It has overrun the window, and may be told something at this moment.
                Turn::Stays | Turn::Until(_) if now > self.window_end => now,
                Turn::Until(deadline) => member.board.quiet_until().min(deadline),
                Turn::Stays => now,
                Turn::GoesAlong => member.board.quiet_until(),
                Turn::Gone => Instant::MAX,
            }
        });
        let quiet = quiet.min().unwrap_or(Instant::MAX);
        let end = match self.is_alone() || quiet == Instant::MAX {
            true => self.due,
            false => self.due.min(quiet + self.window),
        };
        self.window_end = end.max(self.window_end);
    }

    /// Boards without power listen to nothing, and what they were sending breaks off.
    fn follow_power(&mut self) {
        for (number, member) in self.members.iter_mut().enumerate() {
            if let Surroundings::Neighbours { fell_silent } = &mut member.board.surroundings
                && std::mem::take(fell_silent)
            {
                self.site.fall_silent(number);
                let at = member.board.now().min(self.window_end);
                self.notes.push(Note { at, board: number, channel: None });
            }
        }
    }

    /// Radios are tuned, in the order of time, as far as all boards have come.
    fn read_notes(&mut self, end: Instant) {
        self.notes.sort_by_key(|note| (note.at, note.board));
        for note in self.notes.extract_if(.., |note| note.at <= end) {
            self.site.tune(note.board, note.channel, note.at);
        }
    }

    /// What is due happens, and the boards are told when something is due next.
    fn settle(&mut self) {
        for Member { board, .. } in &mut self.members {
            if board.now() < self.window_end {
                // It is quiet, or nothing can let it go on.
                board.run_up_to(self.window_end, Heed::Nothing);
            }
        }
        let mut chips: Vec<&mut Esp32> =
            self.members.iter_mut().map(|member| &mut member.board.chip).collect();
        self.site.settle(self.window_end, &mut chips);
        self.due = self.site.due();
        chips.into_iter().for_each(|chip| chip.set_air_due(self.due));
        while let Some(event) = self.site.take_event() {
            for member in &mut self.members {
                member.events.push_back(event.clone());
            }
        }
    }

    /// What is around the boards, to be looked at or changed at the time of one that somebody deals
    /// with. `None`: another board has not come so far yet, and who deals with that is to let it.
    pub fn site_mut(&mut self, number: usize) -> Option<&mut Site> {
        let now = self.members.get(number)?.board.now();
        let is_ready = |(other, it): (usize, &Member)| {
            let waits = matches!(it.turn, Turn::Until(_));
            let time = if waits { it.board.now().max(self.window_end) } else { it.board.now() };
            // Of two that act at the same instant, that with the lower number is the first.
            let is_behind = time == now && (other > number || waits);
            other == number || !it.turn.is_attended() || time > now || is_behind
        };
        if !self.members.iter().enumerate().all(is_ready) {
            return None;
        }
        self.take_along(now);
        self.follow_power();
        self.read_notes(now);
        if self.is_alone() {
            self.cut_window(now);
        }
        // Whatever is changed: it counts when all have come to the end of this window.
        self.due = self.due.min(self.window_end);
        Some(&mut self.site)
    }
}
