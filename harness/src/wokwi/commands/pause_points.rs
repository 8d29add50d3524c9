//! `pause-point:add`, `pause-point:remove`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::points::Condition;
use super::super::protocol::parameters;
use super::super::refusal::Refusal;
use super::super::session::Session;
use super::super::simulation::Simulation;
use crate::time::DeviceTime;

#[derive(Deserialize)]
struct Add {
    id: String,
    #[serde(flatten)]
    condition: Condition,
}

/// Points may come before the simulation: `wokwi-cli` sets its time limit first.
pub(super) fn add(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Add { id, condition } = parameters(params)?;
    let now = session.simulation.as_ref().map_or(DeviceTime::ZERO, Simulation::now);
    session.points.add(id, condition, now)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
struct Remove {
    id: String,
}

pub(super) fn remove(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Remove { id } = parameters(params)?;
    session.points.remove(&id);
    Ok(json!({}))
}
