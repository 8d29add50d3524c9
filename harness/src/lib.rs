//! benchrig, as a library: scenario, target, runner, report.
//!
//! | module | knows |
//! |---|---|
//! | [`time`] | device time and spans |
//! | [`scenario`] | the language: text to checked cases; no I/O |
//! | [`steps`] | what a scenario can do; sees a session, never a concrete target |
//! | [`targets`] | what a case runs against |
//! | [`mod@bench`] | real boards, and everything that reaches them |
//! | [`transcript`] | what a serial port said, and searching it |
//! | [`firmware`] | from a name or a path to checked bytes at flash offsets |
//! | [`symbols`] | from addresses to places in the source, by an ELF file |
//! | [`runner`] | cases to verdicts, as a stream of events; never prints |
//! | [`comparison`] | the same cases on two targets, and where they part |
//! | [`authority`] | certificates for the hosts of a case |
//! | [`site`] | access points and hosts around a board, as a scenario describes them |
//! | [`snapshots`] | reviewed files that observations are compared with |
//! | [`reports`] | consumers of the events; never decide |
//! | [`serve`], [`flash_file`] | a board that keeps running for outside tools |
//! | [`wokwi`] | Wokwi's Simulation API, for its clients |
//! | [`recording`] | a session at a console becomes a scenario |
//! | [`hil`] | scenarios as ordinary tests |
//! | [`cli`] | arguments, files, terminal |

pub mod authority;
pub mod bench;
pub mod cli;
pub mod comparison;
pub mod exit_code;
mod files;
pub mod firmware;
pub mod flash_file;
pub mod hil;
#[cfg(test)]
#[path = "../tests/common/json_schema.rs"]
mod json_schema;
pub mod packets;
pub mod parts;
pub mod recording;
pub mod reports;
pub mod runner;
pub mod scenario;
pub mod serve;
pub mod site;
pub mod snapshots;
pub mod steps;
pub mod symbols;
pub mod targets;
pub mod time;
pub mod transcript;
pub mod wokwi;
