//! `control:set`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::protocol::parameters;
use super::super::refusal::Refusal;
use super::super::session::Session;
use crate::parts::PartType;

#[derive(Deserialize)]
struct Set {
    part: String,
    control: String,
    value: f64,
}

pub(super) fn set(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Set { part, control, value } = parameters(params)?;
    let wiring = session.wiring()?;
    let kind = &wiring.diagram().part(&part)?.kind;
    let known = PartType::named(kind)
        .ok_or_else(|| Refusal::NotEmulated(format!("the part `{part}` ({kind})")))?;
    if !known.controls.contains(&control.as_str()) {
        let what = format!("control `{control}`");
        return Err(Refusal::NotOfPart { part, what });
    }
    // A part that leads nowhere may be moved as well.
    if wiring.is_placed(&part) {
        let simulation = session.simulation()?;
        let running = simulation.is_running();
        simulation.target().set_control(&part, &control, value)?;
        session.converses |= running;
    }
    Ok(json!({}))
}
