//! `serial-monitor:listen`, `serial-monitor:write`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::protocol::parameters;
use super::super::refusal::Refusal;
use super::super::session::Session;

pub(super) fn listen(session: &mut Session<'_>, _params: Value) -> Result<Value, Refusal> {
    session.listen();
    Ok(json!({}))
}

#[derive(Deserialize)]
struct Write {
    bytes: Vec<u8>,
}

/// Raw bytes. On a board that stands still they wait on the line until it goes on.
pub(super) fn write(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Write { bytes } = parameters(params)?;
    let simulation = session.simulation()?;
    let running = simulation.is_running();
    // What nobody is connected with is written into the air.
    if let Some(port) = simulation.monitor() {
        simulation.target().send(port, &bytes)?;
    }
    session.converses |= running;
    Ok(json!({}))
}
