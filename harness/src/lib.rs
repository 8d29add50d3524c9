//! benchrig, as a library: scenario, target, runner, report.
pub mod firmware;
