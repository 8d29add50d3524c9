//! The further boards of a case, and steps that deal with several of them at the same time.
//!
//! ```text
//!   main    ──step──step──┬─ its steps ───────╌╌╌┬──step──
//!   sensor  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌┴─ its steps ──────────┴╌╌╌╌╌╌╌╌
//! ```
//!
//! Every board has its own clock, and all begin together. A board that the scenario leaves alone
//! (dotted) is let run up to the others when it is needed again, and at the end of the case; if they
//! share an air it goes along with them, and tells then what it has said. Boards see nothing of each
//! other, or a target lets them see it at the right time, whatever the threads do
//! ([`crate::targets::Target::neighbour`]). So it does not matter that they are played on threads of
//! their own; their news are told in the order of device time.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::Arc;

use super::evidence::Evidence;
use super::failure::StepError;
use super::firmware::FlashImage;
use super::play::{Upcoming, first_expected, play_all};
use super::session::{Common, News, Session, SessionState, Setup};
use crate::scenario::model::{BoardName, OWN_BOARD, with_inner};
use crate::scenario::values::Values;
use crate::steps::Branch;
use crate::symbols::Symbols;
use crate::targets::{Target, TargetError};
use crate::time::DeviceTime;

/// A board of a case and what has happened to it so far.
pub struct Board {
    /// The board itself.
    pub target: Box<dyn Target>,
    /// Whether it tells what happens on the air: of boards that share it, one does.
    pub tells_site: bool,
    /// Its firmware.
    pub firmware: Option<Arc<FlashImage>>,
    /// What is known of the firmware's source.
    pub symbols: Symbols,
    /// The pins that its steps want to see from the beginning.
    pub pins: BTreeSet<u8>,
    /// What has happened.
    pub state: SessionState,
}

/// Makes a board by its name, powered off, beside the case's own.
type Open<'a> = &'a dyn Fn(&str, &mut dyn Target) -> Result<Board, StepError>;

/// The boards of a case besides its own. One that no step has dealt with yet has not been made.
#[derive(Default)]
pub struct Boards<'a> {
    open: Option<Open<'a>>,
    boards: BTreeMap<String, Board>,
    /// What the steps after the present one expect of them first.
    upcoming: BTreeMap<String, Upcoming>,
}

impl<'a> Boards<'a> {
    /// Boards that are made by `open`.
    pub fn new(open: Open<'a>) -> Self {
        Self { open: Some(open), ..Self::default() }
    }

    /// A board to be dealt with.
    fn take(&mut self, name: &str, own: &mut dyn Target) -> Result<Board, StepError> {
        match (self.boards.remove(name), self.open) {
            (Some(mut board), _) => {
                board.target.attend();
                Ok(board)
            }
            (None, Some(open)) => open(name, own),
            // What is checked before anything starts.
            (None, None) => Err(TargetError::Cannot("deal with other boards here").into()),
        }
    }

    /// A board that nobody deals with any more.
    fn put(&mut self, on: &BoardName, mut board: Board) {
        board.target.leave();
        if let Some(name) = on {
            self.boards.insert(name.clone(), board);
        }
    }

    /// What the steps after the present one expect of a board first.
    pub fn look_ahead(&mut self, name: &str, upcoming: Upcoming) {
        self.upcoming.insert(name.to_owned(), upcoming);
    }

    /// Those that have been made, with their names.
    pub fn into_inner(self) -> BTreeMap<String, Board> {
        self.boards
    }
}

impl Board {
    /// Does something with it, and hears what it tells meanwhile.
    fn session<T>(
        self,
        on: &BoardName,
        common: &Common<'_>,
        act: impl FnOnce(&mut Session<'_>) -> T,
    ) -> (Self, T, Vec<News>) {
        let Self { mut target, tells_site, firmware, symbols, pins, state } = self;
        let mut heard = Vec::new();
        let setup = Setup {
            on: on.clone(),
            tells_site,
            target: &mut *target,
            firmware: firmware.clone(),
            symbols: symbols.clone(),
            common: common.clone(),
            boards: Boards::default(),
            news: &mut |_, news| {
                if news.is_kept() {
                    heard.push(news);
                }
            },
        };
        let mut session = Session::new(setup, state);
        let result = act(&mut session);
        let state = session.into_state();
        (Self { target, tells_site, firmware, symbols, pins, state }, result, heard)
    }
}

/// How the steps of one board ended.
struct End {
    on: BoardName,
    time: DeviceTime,
    result: Result<(), StepError>,
}

/// Plays the steps of each branch on its board, all at the same time.
///
/// # Errors
/// How the branch ends that fails first, in device time.
pub fn play_parallel(
    session: &mut Session<'_>,
    branches: &[Branch],
) -> Result<Evidence, StepError> {
    let start = session.now();
    let mut own = None;
    let mut others = Vec::new();
    for branch in branches {
        match branch.on.as_deref() {
            None => own = Some(branch),
            Some(name) => {
                let (boards, own) = session.boards_and_target();
                let board = boards.take(name, own)?;
                let after = session.boards().upcoming.remove(name).flatten();
                others.push((branch, board, after));
            }
        }
    }
    let (common, values) = (session.common().clone(), session.values().clone());
    let ((own_end, own_news), others) = std::thread::scope(|scope| {
        let (common, values) = (&common, &values);
        let running: Vec<_> = others
            .into_iter()
            .map(|(branch, board, after)| {
                scope.spawn(move || elsewhere(branch, board, after, common, start, values))
            })
            .collect();
        let own = {
            let own_target = Left(session);
            own_target.0.holding_news(|session| own.map(|branch| here(session, branch)))
        };
        let others =
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|it| resume_unwind(it)));
        (own, others.collect::<Vec<_>>())
    });

    session.target().attend();

    let mut news: Vec<(BoardName, News)> = own_news.into_iter().map(|news| (None, news)).collect();
    let mut ends: Vec<End> = own_end.into_iter().collect();
    for (branch, (board, end, heard)) in branches.iter().filter(|it| it.on.is_some()).zip(others) {
        for name in with_inner(&branch.steps.0).iter().flat_map(|it| it.step.facts().captures) {
            session.values_mut().take(board.state.values(), name);
        }
        news.extend(heard.into_iter().map(|news| (branch.on.clone(), news)));
        ends.push(end);
        session.boards().put(&branch.on, board);
    }
    news.sort_by_key(|(_, news)| news.time());
    news.into_iter().for_each(|(on, news)| session.tell_of(&on, news));

    let until = ends.iter().map(|end| end.time).max().unwrap_or(start);
    let words: Vec<_> = ends.iter().map(|end| end.words(start)).collect();
    first_failure(ends)?;
    session.let_pass_until(until)?;
    Ok(Evidence::note(words.join(", ")))
}

/// The case's own board, which is left alone when this is dropped, even by a panic: other boards may
/// wait for it.
struct Left<'s, 'a>(&'s mut Session<'a>);

impl Drop for Left<'_, '_> {
    fn drop(&mut self) {
        self.0.target().leave();
    }
}

impl End {
    fn words(&self, start: DeviceTime) -> String {
        format!("{} took {}", self.on.as_deref().unwrap_or(OWN_BOARD), self.time - start)
    }
}

/// A branch on the case's own board.
fn here(session: &mut Session<'_>, branch: &Branch) -> End {
    let result = play_all(session, &branch.steps.0, &[]);
    let result = result.map_err(|error| session.with_crash(error).on(&branch.on));
    End { on: None, time: session.now(), result }
}

/// A branch on another board, which is let run up to the others first; `after` is what later steps
/// expect of it.
fn elsewhere(
    branch: &Branch,
    board: Board,
    after: Upcoming,
    common: &Common<'_>,
    start: DeviceTime,
    values: &Values,
) -> (Board, End, Vec<News>) {
    let steps = &branch.steps.0;
    let pins = board.pins.clone();
    let (board, result, news) = board.session(&branch.on, common, |session| {
        *session.values_mut() = values.clone();
        let seen = pins.iter().try_for_each(|gpio| session.observe_pin(*gpio));
        // As for a step that waits for nothing: what these steps expect first may come already now.
        session.look_ahead(first_expected(session, steps).or_else(|| after.clone()));
        let up_to_date = seen.and_then(|()| session.let_pass_until(start));
        session.look_ahead(after);
        up_to_date
            .map_err(|error| error.at(&steps[0]))
            .and_then(|()| play_all(session, steps, &[]))
            .map_err(|error| session.with_crash(error).on(&branch.on))
    });
    let mut board = board;
    let end = End { on: branch.on.clone(), time: board.target.now(), result };
    board.target.leave();
    (board, end, news)
}

/// What ends a step whose branches ended like this: Ctrl-C, or what went wrong first.
fn first_failure(ends: Vec<End>) -> Result<(), StepError> {
    let mut failures: Vec<_> =
        ends.into_iter().filter_map(|end| Some((end.time, end.result.err()?))).collect();
    failures.sort_by_key(|(time, error)| (!matches!(error.root(), StepError::Interrupted), *time));
    failures.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

/// Ends a case for the boards besides its own: if it went right so far, what they say up to `now`
/// counts too. The first error in the order of their names.
///
/// # Errors
/// *Failed* with an alarm that nothing has expected.
pub fn end_all(
    session: &mut Session<'_>,
    now: DeviceTime,
    right_so_far: bool,
) -> Result<(), StepError> {
    let mut result = Ok(());
    let common = session.common().clone();
    for (name, mut board) in std::mem::take(&mut session.boards().boards) {
        let on = Some(name);
        board.target.attend();
        let (board, end, heard) = board.session(&on, &common, |session| {
            let up_to_date = if right_so_far { session.let_pass_until(now) } else { Ok(()) };
            up_to_date.and(session.end())
        });
        heard.into_iter().for_each(|news| session.tell_of(&on, news));
        session.boards().put(&on, board);
        result = result.and(end.map_err(|error| error.of_board(&on)));
    }
    result
}
