//! `framebuffer:read`.

use serde::Deserialize;
use serde_json::Value;

use super::super::protocol::parameters;
use super::super::refusal::Refusal;
use super::super::session::Session;

#[derive(Deserialize)]
struct Read {
    id: String,
}

pub(super) fn read(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Read { id } = parameters(params)?;
    let part = session.wiring()?.diagram().part(&id)?;
    Err(Refusal::NotEmulated(format!("what `{id}` ({}) shows", part.kind)))
}
