//! `touch:event`.

use serde::Deserialize;
use serde_json::Value;

use super::super::protocol::parameters;
use super::super::refusal::Refusal;
use super::super::session::Session;

#[derive(Deserialize)]
struct Touch {
    part: String,
}

pub(super) fn event(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Touch { part: id } = parameters(params)?;
    let part = session.wiring()?.diagram().part(&id)?;
    Err(Refusal::NotEmulated(format!("a finger on `{id}` ({})", part.kind)))
}
