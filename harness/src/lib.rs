//! benchrig, as a library: scenario, target, runner, report.
