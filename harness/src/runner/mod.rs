//! The runner: from checked scenarios to verdicts, as one stream of typed events.
//!
//! | module | does |
//! |---|---|
//! | [`plan`] | which cases run, and which are skipped why |
//! | [`execute`] | runs the plan, case by case |
//! | [`session`] | what a step sees of a running case |
//! | [`guard`] | watches for panics, watchdog resets and `never:` texts |
//! | [`events`] | everything that is told to the outside |
//! | [`evidence`], [`failure`], [`verdict`] | what steps and cases end with |
//!
//! The runner emits events and never prints; reports read events and never decide.

pub mod events;
pub mod evidence;
pub mod execute;
pub mod failure;
pub mod firmware;
pub mod guard;
pub mod pins;
pub mod plan;
pub mod session;
#[cfg(test)]
pub(crate) mod testing;
pub mod verdict;
