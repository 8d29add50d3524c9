//! Wokwi, offline: its projects (`wokwi.toml`, `diagram.json`), and its Simulation API on loopback with
//! the emulator behind it.
//!
//! Source: the published clients (`wokwi-cli` 0.26, `wokwi-client` 0.5, `idf-wokwi` 1.1,
//! `pytest-embedded-wokwi` 2.9) and the vendor's documentation of diagrams and scenarios. How the
//! vendor's own server behaves beyond that is not public; where clients leave a choice, the one is
//! taken with which all of them work.
//!
//! ```text
//! client ◀─WebSocket─▶ connection (a thread each) ─▶ session ─▶ simulation ─▶ target
//! ```
//!
//! | module | does |
//! |---|---|
//! | [`server`] | the listener: who may come, how many at once |
//! | `connection` | one client: its socket, and turns between listening to it and running its board |
//! | `session` | what a client has: files, pause points, a simulation; tells it in which order things happened |
//! | `protocol` | messages |
//! | `commands` | one family of commands per file |
//! | `simulation` | the board, its clock, and why it pauses |
//! | `points`, `console` | pause points; what the board said and nobody has been told |
//! | `files`, `firmware` | what was uploaded, and what of it goes into the flash |
//! | `diagram`, `boards`, `wiring` | `diagram.json`, what the pins of boards are called, what leads where |
//! | [`circuit`] | all of that as a board is made from it, for clients and for projects |
//! | [`project`] | `wokwi.toml`, and what it leads to |
//! | `parts`, `analyzer` | which parts of it the board has; what a logic analyzer sees |
//! | `support` | the page that says what of all this is there |
//! | [`drawing`], [`script`] | the way back: a board as a diagram, a case in Wokwi's own steps |
//! | [`export`] | Wokwi projects of scenarios |
//! | [`access_points`] | those of a diagram |
//! | `surroundings` | the network that firmware for Wokwi finds |

pub mod access_points;
mod analyzer;
mod boards;
pub mod circuit;
mod commands;
mod connection;
mod console;
mod diagram;
pub mod drawing;
pub mod export;
mod files;
mod firmware;
mod parts;
mod points;
pub mod project;
mod protocol;
mod refusal;
pub mod script;
pub mod server;
mod session;
mod simulation;
mod support;
mod surroundings;
#[cfg(test)]
mod tests;
mod wiring;

pub use support::page as support_page;
pub use surroundings::guest_network;
