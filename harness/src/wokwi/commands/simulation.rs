//! `sim:start`, `sim:pause`, `sim:resume`, `sim:restart`, `sim:status`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::circuit::Circuit;
use super::super::diagram::Diagram;
use super::super::firmware::{self, FlashSize, Source};
use super::super::points::Condition;
use super::super::protocol::{Nanos, parameters};
use super::super::refusal::Refusal;
use super::super::session::Session;
use super::super::simulation::Simulation;
use crate::targets::TargetRequest;
use crate::time::Span;

/// The name under which every client uploads its diagram.
const DIAGRAM: &str = "diagram.json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    firmware: Option<Source>,
    flash_size: Option<FlashSize>,
    elf: Option<String>,
    pause: Option<bool>,
    chips: Option<Vec<String>>,
    sdcards: Option<Vec<Value>>,
}

pub(super) fn start(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let start: Start = parameters(params)?;
    if let Some(chip) = start.chips.unwrap_or_default().first() {
        let what = format!("the custom chip `{chip}` (WebAssembly)");
        return Err(Refusal::NotEmulated(what));
    }
    if start.sdcards.is_some_and(|cards| !cards.is_empty()) {
        return Err(Refusal::NotEmulated("an SD card with files on it".to_owned()));
    }
    let mut circuit = match session.files.find(DIAGRAM) {
        Some(file) => Circuit::parse(file.bytes())?,
        None => Circuit::new(Diagram::default(), "")?,
    };
    if let Some(size) = start.flash_size {
        circuit.flash_megabytes = size.megabytes()?;
    }
    let source = start.firmware.or(start.elf.map(Source::File));
    let offset = circuit.firmware_offset();
    let mut firmware = firmware::assemble(session.host, &session.files, source, offset)?;
    firmware::fit(&mut firmware, circuit.flash_megabytes)?;
    let request = circuit.ask(TargetRequest {
        seed: session.host.seed,
        flash: firmware::segments(&firmware),
        site: circuit.site().or(session.host.site.as_ref()).cloned(),
        folders: session.host.folders.clone(),
        ..TargetRequest::default()
    });
    let warnings: Vec<_> = circuit.warnings().iter().map(|warning| &warning.text).collect();
    let answer = match warnings.is_empty() {
        true => json!({}),
        false => json!({"warnings": warnings}),
    };
    let running = !start.pause.unwrap_or(false);
    let monitor = circuit.monitor();
    let simulation = Simulation::new(&*session.host.source, request, monitor, running)?;
    session.begin(simulation, circuit)?;
    Ok(answer)
}

/// Tells the time of the pause even if the board stood still before: Python's client counts from the
/// last one that it was told.
pub(super) fn pause(session: &mut Session<'_>, _params: Value) -> Result<Value, Refusal> {
    session.simulation()?.pause();
    session.tell_paused(None);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resume {
    pause_after: Option<Nanos>,
    /// What clients before pause points used.
    wait_for_bytes: Option<Vec<u8>>,
}

pub(super) fn resume(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Resume { pause_after, wait_for_bytes } = parameters(params)?;
    let simulation = session.simulation()?;
    let now = simulation.now();
    let ran = simulation.is_running();
    simulation.resume(pause_after.map(|nanos| Span::from_nanos(nanos.0)));
    if !ran {
        session.start_running();
    }
    if let Some(bytes) = wait_for_bytes {
        session.points.add(String::new(), Condition::SerialBytes { bytes }, now)?;
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
struct Restart {
    pause: Option<bool>,
}

/// The board begins anew with the firmware that was uploaded; pause points stay.
pub(super) fn restart(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Restart { pause } = parameters(params)?;
    let running = !pause.unwrap_or(false);
    let host = session.host;
    let simulation = session.simulation()?;
    simulation.restart(&*host.source, running)?;
    session.begin_anew()?;
    if !running {
        session.tell_paused(None);
    }
    Ok(json!({}))
}

pub(super) fn status(session: &mut Session<'_>, _params: Value) -> Result<Value, Refusal> {
    Ok(match &session.simulation {
        Some(simulation) => {
            json!({"running": simulation.is_running(), "nanos": simulation.now().nanos()})
        }
        None => json!({"running": false, "nanos": 0}),
    })
}
