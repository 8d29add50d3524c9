//! `sdcard:export`.

use serde_json::Value;

use super::super::refusal::Refusal;
use super::super::session::Session;

pub(super) fn export(session: &mut Session<'_>, _params: Value) -> Result<Value, Refusal> {
    session.simulation()?;
    Err(Refusal::NotEmulated("a reader for the SD card".to_owned()))
}
