//! The runner: from checked scenarios to verdicts, as one stream of typed events.
//!
//! | module | does |
//! |---|---|
//! | [`plan`] | which cases run, and which are skipped why |
//! | [`prefix`] | which cases begin alike, so that one goes on from another's machine |
//! | [`execute`] | runs the plan, several cases at a time |
//! | `schedule`, `attempt` | who runs what when; one attempt at one case |
//! | `whole` | a case that somebody else's program plays |
//! | [`hold`] | the machine of a failed case, for a person to look at |
//! | [`play`] | plays a step, and the steps inside of it |
//! | [`boards`] | the further boards of a case, and steps on several at the same time |
//! | [`session`] | what a step sees of a running case |
//! | [`guard`] | watches for panics, watchdog resets and `never:` texts |
//! | [`sightings`] | what was seen on the air and the network |
//! | [`operator`] | the person at the bench |
//! | [`crash`] | what a dying guest says: which death, and where in its program |
//! | [`events`] | everything that is told to the outside |
//! | [`evidence`], [`statistics`], [`failure`], [`verdict`] | what steps and cases end with |
//!
//! The runner emits events and never prints; reports read events and never decide.

mod attempt;
pub mod boards;
pub mod crash;
pub mod events;
pub mod evidence;
pub mod execute;
pub mod failure;
pub mod firmware;
pub mod guard;
pub mod hold;
pub mod operator;
pub mod pins;
pub mod plan;
pub mod play;
pub mod prefix;
mod schedule;
pub mod session;
pub mod sightings;
pub mod statistics;
#[cfg(test)]
pub(crate) mod testing;
pub mod unity;
pub mod verdict;
mod whole;
