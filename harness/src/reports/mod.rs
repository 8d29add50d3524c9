//! Reports: consumers of the runner's events. They never decide.
