//! Plays a step: the same way for the steps of a case and for those inside of another step.

use super::evidence::Evidence;
use super::failure::StepError;
use super::session::Session;
use crate::scenario::model::{Dialect, StepEntry, with_inner};
use crate::targets::Port;
use crate::transcript::Pattern;

/// What an expectation waits for.
type Upcoming = Option<(Port, Pattern)>;

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
    entry.step.run(session)
}

/// What the first expectation among `steps` waits for. A pattern whose values are not all known yet
/// simply does not look ahead.
fn first_expected(session: &Session<'_>, steps: &[StepEntry]) -> Upcoming {
    // One after the other: the first one is near, and the rest may be long.
    let mut one_by_one = steps.iter().flat_map(|entry| with_inner(std::slice::from_ref(entry)));
    let expected = one_by_one.find_map(|entry| entry.step.facts().expects);
    expected.and_then(|(port, pattern)| Some((port, pattern.pattern(session.values()).ok()?)))
}
