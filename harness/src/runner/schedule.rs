//! Who runs what when. Workers take the cases in the order of the plan; a case that goes on from
//! another one's machine is taken when that one has come so far, or will not.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::events::Event;
use super::plan::Plan;
use super::prefix::Fork;
use super::session::SessionState;
use crate::targets::Target;

/// A case in the middle: all that another one needs to go on from there.
pub(super) struct Saved {
    /// How many steps have been done.
    pub(super) steps: usize,
    /// The machine.
    pub(super) target: Box<dyn Target>,
    /// What the steps saw and left behind.
    pub(super) state: SessionState,
    /// What has been told so far.
    pub(super) events: Vec<Event>,
}

impl Saved {
    fn copy(&self) -> Option<Self> {
        let target = self.target.fork()?;
        let (state, events) = (self.state.clone(), self.events.clone());
        Some(Self { steps: self.steps, target, state, events })
    }
}

/// The cases of a plan, handed out.
pub(super) struct Schedule<'p> {
    plan: &'p Plan,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    cases: Vec<Progress>,
    /// The places at which other cases go on, by case and number of steps done.
    places: BTreeMap<(usize, usize), Place>,
    stopped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    ToDo,
    Running,
    Over,
}

#[derive(Default)]
struct Place {
    /// Cases that have not taken it yet.
    users: usize,
    passed: bool,
    saved: Option<Saved>,
}

/// A case that a worker has taken; dropping it says that the case is over.
pub(super) struct Turn<'s> {
    /// Its number in the plan.
    pub(super) number: usize,
    schedule: &'s Schedule<'s>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.schedule.lock().cases[self.number] = Progress::Over;
        self.schedule.changed.notify_all();
    }
}

impl<'p> Schedule<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        let mut places: BTreeMap<_, Place> = BTreeMap::new();
        for Fork { from, steps } in plan.cases.iter().filter_map(|planned| planned.fork) {
            places.entry((from, steps)).or_default().users += 1;
        }
        let cases = vec![Progress::ToDo; plan.cases.len()];
        let state = Mutex::new(State { cases, places, stopped: false });
        Self { plan, state, changed: Condvar::new() }
    }

    /// No further case begins.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// The next case, when there is one that can begin; `None` when there is nothing left.
    pub(super) fn next(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        loop {
            if state.stopped || !state.cases.contains(&Progress::ToDo) {
                return None;
            }
            if let Some(number) = self.ready(&state) {
                state.cases[number] = Progress::Running;
                return Some(Turn { number, schedule: self });
            }
            // Whoever has to come first is running, and its end wakes this up at the latest.
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn ready(&self, state: &State) -> Option<usize> {
        let ready = |number: &usize| match self.plan.cases[*number].fork {
            _ if state.cases[*number] != Progress::ToDo => false,
            None => true,
            Some(Fork { from, steps }) => {
                state.cases[from] == Progress::Over
                    || state.places.get(&(from, steps)).is_some_and(|place| place.passed)
            }
        };
        (0..state.cases.len()).find(ready)
    }

    /// After how many steps a case has to be saved.
    pub(super) fn places(&self, number: usize) -> Vec<usize> {
        self.lock().places.range((number, 0)..(number + 1, 0)).map(|((_, at), _)| *at).collect()
    }

    /// A case has come to a place; `saved` is missing if the target cannot be copied after all.
    pub(super) fn pass(&self, number: usize, steps: usize, saved: Option<Saved>) {
        if let Some(place) = self.lock().places.get_mut(&(number, steps)) {
            place.passed = true;
            place.saved = saved;
        }
        self.changed.notify_all();
    }

    /// What a case goes on from; the last one that needs it takes it away.
    pub(super) fn take(&self, number: usize) -> Option<Saved> {
        let Fork { from, steps } = self.plan.cases[number].fork?;
        let mut state = self.lock();
        let place = state.places.get_mut(&(from, steps))?;
        place.users = place.users.saturating_sub(1);
        match place.users {
            0 => place.saved.take(),
            _ => place.saved.as_ref().and_then(Saved::copy),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
