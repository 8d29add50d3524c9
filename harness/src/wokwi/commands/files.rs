//! `file:upload`, `file:download`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::files::Content;
use super::super::protocol::parameters;
use super::super::refusal::Refusal;
use super::super::session::Session;

#[derive(Deserialize)]
struct Upload {
    name: String,
    text: Option<String>,
    binary: Option<String>,
}

pub(super) fn upload(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Upload { name, text, binary } = parameters(params)?;
    let content = match (text, binary) {
        (Some(text), None) => Content::Text(text),
        (None, Some(binary)) => {
            let bytes = BASE64_STANDARD.decode(binary);
            let wrong = |error| Refusal::Wrong(format!("`binary` of {name} is no base64: {error}"));
            Content::Binary(bytes.map_err(wrong)?)
        }
        _ => return Err(Refusal::Wrong(format!("{name} has neither `text` nor `binary`"))),
    };
    session.files.put(name, content)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
struct Download {
    name: String,
}

pub(super) fn download(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Download { name } = parameters(params)?;
    Ok(match session.files.get(&name)? {
        Content::Text(text) => json!({"text": text}),
        Content::Binary(bytes) => json!({"binary": BASE64_STANDARD.encode(bytes)}),
    })
}
