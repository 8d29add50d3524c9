//! `touch:event`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::protocol::{Nanos, parameters};
use super::super::refusal::Refusal;
use super::super::session::Session;
use crate::parts::PartType;
use crate::targets::part::Finger;
use crate::time::Span;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Touch {
    part: String,
    x: f64,
    y: f64,
    event: Event,
    release_after: Option<Nanos>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Event {
    Press,
    Move,
    Release,
}

/// Places are those of the touch screen's controller.
pub(super) fn event(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Touch { part, x, y, event, release_after } = parameters(params)?;
    let wiring = session.wiring()?;
    let kind = &wiring.diagram().part(&part)?.kind;
    let known = PartType::named(kind)
        .ok_or_else(|| Refusal::NotEmulated(format!("the part `{part}` ({kind})")))?;
    if !known.touch {
        let what = format!("touch screen: it is a {kind}");
        return Err(Refusal::NotOfPart { part, what });
    }
    let at = [x, y];
    let finger = match event {
        Event::Press => {
            let release_after = release_after.map(|nanos| Span::from_nanos(nanos.0));
            Finger::Press { at, release_after }
        }
        Event::Move => Finger::Move { at },
        Event::Release => Finger::Release,
    };
    // A part that leads nowhere may be touched as well.
    if wiring.is_placed(&part) {
        let simulation = session.simulation()?;
        let running = simulation.is_running();
        simulation.target().touch(&part, finger)?;
        session.converses |= running;
    }
    Ok(json!({}))
}
