//! Scenarios: from the text of a file to checked cases.
//!
//! ```text
//! text ─node─▶ tree with places ─parser─▶ typed scenario, one per combination of parameters ─check─▶ cases
//! ```
//!
//! Nothing here does I/O (the text of a file that a scenario includes is asked of the caller); every
//! fault is found before anything starts, all of them at once.

pub mod check;
pub mod decode;
pub mod fault;
pub mod manual;
pub mod model;
pub mod node;
pub mod parser;
pub mod parts;
pub mod reference;
pub mod schema;
pub mod site;
pub mod step_list;
pub mod units;
pub mod values;
