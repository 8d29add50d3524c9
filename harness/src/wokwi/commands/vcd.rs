//! `sim:read-vcd`.

use serde_json::Value;

use super::super::refusal::Refusal;
use super::super::session::Session;

pub(super) fn read(session: &mut Session<'_>, _params: Value) -> Result<Value, Refusal> {
    let analyzers = session.wiring()?.parts_of("wokwi-logic-analyzer").count();
    match analyzers {
        0 => Err(Refusal::NoPart("wokwi-logic-analyzer".to_owned())),
        _ => Err(Refusal::NotEmulated("the logic analyzer".to_owned())),
    }
}
