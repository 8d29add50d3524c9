//! `control:set`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::protocol::parameters;
use super::super::refusal::Refusal;
use super::super::session::Session;

#[derive(Deserialize)]
struct Set {
    part: String,
    control: String,
    value: f64,
}

pub(super) fn set(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Set { part, control, value } = parameters(params)?;
    let kind = session.wiring()?.diagram().part(&part)?.kind.clone();
    let _ = (control, value);
    Err(Refusal::NotEmulated(format!("the control of `{part}` ({kind})")))
}
#[expect(dead_code, reason = "next step")]
fn done() -> Value {
    json!({})
}
