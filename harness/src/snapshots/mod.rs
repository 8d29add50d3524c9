//! Snapshots: reviewed files beside the scenario that observations are compared with.
//!
//! The format, the file names and the environment variables are insta's, so that `cargo insta
//! review` and `benchrig review` work on the same files.

mod policy;
pub mod propose;
pub mod redact;
pub mod review;
mod store;
pub mod timing;

pub use policy::{SnapshotPolicy, UnknownUpdate, WhenNew, is_ci};
pub use store::{Comparison, SnapshotFolder, text_of};
