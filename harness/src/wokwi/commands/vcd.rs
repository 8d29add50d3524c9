//! `sim:read-vcd`.

use serde_json::{Value, json};

use super::super::analyzer::{KIND, Recording};
use super::super::refusal::Refusal;
use super::super::session::Session;

pub(super) fn read(session: &mut Session<'_>, _params: Value) -> Result<Value, Refusal> {
    let now = session.simulation()?.now();
    let analyzer = session.analyzer.as_ref().ok_or_else(|| Refusal::NoPart(KIND.to_owned()))?;
    let trouble = |error| Refusal::Wrong(format!("the recording cannot be written: {error}"));
    let Recording { vcd, channels, samples } = analyzer.recording(now).map_err(trouble)?;
    Ok(json!({"vcd": vcd, "channelCount": channels, "sampleCount": samples}))
}
