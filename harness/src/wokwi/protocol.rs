//! Messages of the Simulation API: JSON in text frames, five types.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::refusal::Refusal;

/// The version of the protocol that every client asks for.
const VERSION: u32 = 1;

/// What can be told besides answers.
pub(super) const EVENTS: [(&str, &str); 3] = [
    (SERIAL_DATA, "What was said since the last one."),
    (PAUSED, "With the pause point that was reached, if it was one."),
    (PIN_CHANGED, "Of a pin that the client listens to."),
];
/// See [`EVENTS`].
pub(super) const SERIAL_DATA: &str = "serial-monitor:data";
/// See [`EVENTS`].
pub(super) const PAUSED: &str = "sim:pause";
/// See [`EVENTS`].
pub(super) const PIN_CHANGED: &str = "pin:change";

/// What a client wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub(super) name: String,
    /// As the client wrote it; the answer has it again.
    pub(super) id: Value,
    pub(super) params: Value,
}

/// A text that is no command.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("this is no message: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("clients send messages of the type `command`, this one is `{0}`")]
    Type(String),
}

#[derive(Deserialize)]
struct Message {
    r#type: String,
    command: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    id: Value,
}

impl Command {
    /// The command in a text frame.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let Message { r#type, command, params, id } = serde_json::from_str(text)?;
        match command {
            Some(name) if r#type == "command" => Ok(Self { name, id, params }),
            _ => Err(Malformed::Type(r#type)),
        }
    }
}

/// What a command is about. Clients leave it out where there is nothing to say, and members too, or
/// say `null`.
pub(super) fn parameters<P: DeserializeOwned>(params: Value) -> Result<P, Refusal> {
    let params = if params.is_null() { json!({}) } else { params };
    serde_json::from_value(params).map_err(Refusal::Parameters)
}

/// The first thing that a client hears. No features: with `gdb` among them, newer clients start
/// whoever has a port for it in his project paused, and wait.
pub(super) fn hello() -> String {
    json!({
        "type": "hello",
        "protocolVersion": VERSION,
        "appName": env!("CARGO_PKG_NAME"),
        "appVersion": env!("CARGO_PKG_VERSION"),
    })
    .to_string()
}

/// The answer to a command.
pub(super) fn response(command: &str, id: &Value, outcome: Result<Value, Refusal>) -> String {
    let (result, error) = match outcome {
        Ok(result) => (result, false),
        Err(refusal) => (json!({"code": refusal.code(), "message": refusal.to_string()}), true),
    };
    json!({"type": "response", "command": command, "id": id, "result": result, "error": error})
        .to_string()
}

/// Something has happened, at `nanos` of simulated time.
pub(super) fn event(name: &str, payload: Value, nanos: u64, paused: bool) -> String {
    json!({"type": "event", "event": name, "payload": payload, "nanos": nanos, "paused": paused})
        .to_string()
}

/// Nothing goes on from here.
pub(super) fn error(message: &str) -> String {
    json!({"type": "error", "message": message}).to_string()
}

/// A number of nanoseconds, which some clients write with a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nanos(pub(super) u64);

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        // From a float `as` saturates, and what is before the start is the start.
        let rounded = || number.as_f64().map(|nanos| nanos.round() as u64);
        number.as_u64().or_else(rounded).map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!("{number} is no number of nanoseconds"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_keeps_the_form_of_its_id_and_needs_no_parameters() {
        let text = r#"{"type":"command","command":"sim:pause","id":"0"}"#;
        let command = Command::parse(text).unwrap();
        assert_eq!((command.name.as_str(), &command.id), ("sim:pause", &json!("0")));
        let answer: Value =
            serde_json::from_str(&response("sim:pause", &command.id, Ok(json!({})))).unwrap();
        assert_eq!((&answer["id"], &answer["error"]), (&json!("0"), &json!(false)));
        assert!(parameters::<std::collections::BTreeMap<String, u8>>(command.params).is_ok());
    }

    #[test]
    fn other_texts_are_no_commands() {
        for text in ["", "{", "[]", "7", r#"{"type":"command"}"#, r#"{"type":"hello"}"#] {
            assert!(Command::parse(text).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(Command::parse(&deep).is_err());
    }

    #[test]
    fn nanoseconds_may_have_a_fraction_and_never_overflow() {
        for (text, nanos) in [("7", 7), ("6.6", 7), ("-5", 0), ("1e300", u64::MAX)] {
            assert_eq!(serde_json::from_str::<Nanos>(text).unwrap(), Nanos(nanos), "{text}");
        }
        assert!(serde_json::from_str::<Nanos>("\"7\"").is_err());
    }
}
