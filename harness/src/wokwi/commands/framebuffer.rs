//! `framebuffer:read`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::protocol::parameters;
use super::super::refusal::Refusal;
use super::super::session::Session;
use crate::parts::PartType;
use crate::targets::part::Picture;

/// What of a part is a picture, or can be made one.
const SEEN: [&str; 2] = ["picture", "pixels"];

#[derive(Deserialize)]
struct Read {
    id: String,
}

pub(super) fn read(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Read { id } = parameters(params)?;
    let wiring = session.wiring()?;
    let kind = &wiring.diagram().part(&id)?.kind;
    let shows = PartType::named(kind).map_or(&[][..], |known| known.shows);
    let seen = SEEN.into_iter().find(|seen| shows.contains(seen));
    let none = || Refusal::NotEmulated(format!("what `{id}` ({kind}) shows"));
    let seen = seen.filter(|_| wiring.is_placed(&id)).ok_or_else(none)?;
    let none = none();
    let shown = session.simulation()?.target().shown(&id, seen)?;
    let png = Picture::of(shown).and_then(|picture| picture.to_png().ok()).ok_or(none)?;
    Ok(json!({"png": STANDARD.encode(png)}))
}
