//! Plays a step: the same way for the steps of a case and for those inside of another step.

use super::evidence::Evidence;
use super::failure::StepError;
use super::session::Session;
use crate::scenario::model::{Dialect, StepEntry, steps_by_board};
use crate::targets::Port;
use crate::transcript::Pattern;

/// What an expectation waits for.
pub type Upcoming = Option<(Port, Pattern)>;

/// Plays one step of a case; `later` are those that follow it.
///
/// # Errors
/// How the step ends.
pub fn play(
    session: &mut Session<'_>,
    entry: &StepEntry,
    later: &[StepEntry],
) -> Result<Evidence, StepError> {
    step(session, entry, later, &None)
}

/// Plays the steps inside of another one, in order; `then` are the lists that will be played after
/// them as part of the same step.
///
/// # Errors
/// How the first step that does not go right ends, with its place.
pub fn play_all(
    session: &mut Session<'_>,
    steps: &[StepEntry],
    then: &[&[StepEntry]],
) -> Result<(), StepError> {
    let outer = session.upcoming().cloned();
    for (index, entry) in steps.iter().enumerate() {
        let after = then.iter().find_map(|steps| first_expected(session, steps));
        let after = after.or_else(|| outer.clone());
        step(session, entry, &steps[index + 1..], &after).map_err(|error| error.at(entry))?;
    }
    session.look_ahead(outer);
    Ok(())
}

fn step(
    session: &mut Session<'_>,
    entry: &StepEntry,
    later: &[StepEntry],
    after: &Upcoming,
) -> Result<Evidence, StepError> {
    let facts = entry.step.facts();
    // Wokwi's simulations are switched on when they start.
    if facts.needs_power || session.dialect() == Dialect::Wokwi {
        session.power_for_first_step()?;
    }
    let upcoming = match facts.expects {
        Some(_) => None,
        None => first_expected(session, later).or_else(|| after.clone()),
    };
    session.look_ahead(upcoming);
    for name in facts.branches.iter().filter_map(|branch| branch.on.as_deref()) {
        let upcoming = first_expected_of(Some(name), session, later);
        session.boards().look_ahead(name, upcoming);
    }
    entry.step.run(session)
}

/// What the first expectation among `steps` waits for, on the board that they are done with. A
/// pattern whose values are not all known yet simply does not look ahead.
pub fn first_expected(session: &Session<'_>, steps: &[StepEntry]) -> Upcoming {
    first_expected_of(None, session, steps)
}

/// The same for another board.
fn first_expected_of(on: Option<&str>, session: &Session<'_>, steps: &[StepEntry]) -> Upcoming {
    // One after the other: the first one is near, and the rest may be long.
    let mut one_by_one = steps.iter().flat_map(|entry| steps_by_board(std::slice::from_ref(entry)));
    let expected = one_by_one
        .find_map(|(board, entry)| (board == on).then(|| entry.step.facts().expects).flatten());
    expected.and_then(|(port, pattern)| Some((port, pattern.pattern(session.values()).ok()?)))
}
