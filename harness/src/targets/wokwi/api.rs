//! A client of Wokwi's Simulation API: commands with their answers, events in between.
//!
//! Source: the messages of `wokwi-cli` 0.26 and `wokwi-client` 0.5. The order of events and answers is
//! not laid down anywhere, so nothing here depends on it: answers are known by their numbers, and events
//! are kept until somebody asks for them.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use super::door::{Door, Wire};
use crate::targets::TargetError;

/// The version of the protocol.
const VERSION: u64 = 1;
/// Wall time that a server may say nothing while an answer is due.
const PATIENCE: Duration = Duration::from_secs(120);
/// Events that are kept for whoever asks.
const MOST_EVENTS: usize = 1 << 16;

/// Trouble with the server, or with what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    /// No connection.
    #[error("cannot use the server {server}: {why}")]
    Unreachable { server: String, why: String },
    /// One command is not done; the connection goes on.
    #[error("Wokwi refuses `{command}`: {message} ({code})")]
    Refused { command: String, code: i64, message: String },
    /// The connection has come to its end.
    #[error("the connection to Wokwi is over: {0}")]
    Over(String),
}

impl From<ApiError> for TargetError {
    fn from(error: ApiError) -> Self {
        Self::Bench(error.to_string())
    }
}

/// Something that has happened in the simulation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) payload: Value,
    /// When, in nanoseconds of simulated time.
    pub(super) nanos: u64,
}

/// Any message of a server, as far as anybody reads it.
#[derive(Deserialize)]
struct Heard {
    r#type: String,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    event: Value,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    nanos: Value,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    message: Value,
    #[serde(default, rename = "protocolVersion")]
    version: Value,
}

/// A connection to a server.
pub(super) struct Client {
    socket: WebSocket<Wire>,
    next: u64,
    events: VecDeque<Event>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects, and hears what the server says of itself.
    pub(super) fn connect(door: &Door) -> Result<Self, ApiError> {
        let mut client = Self { socket: door.enter()?, next: 0, events: VecDeque::new() };
        let hello = client.hear(Instant::now() + PATIENCE)?;
        match (hello.r#type.as_str(), hello.version.as_u64()) {
            ("hello", Some(VERSION)) => Ok(client),
            ("hello", _) => {
                let version = hello.version;
                let why = format!("it speaks version {version} of the protocol, not {VERSION}");
                Err(ApiError::Over(why))
            }
            ("error", _) => Err(ApiError::Over(words(&hello.message))),
            (other, _) => {
                Err(ApiError::Over(format!("it begins with `{other}`, not with `hello`")))
            }
        }
    }

    /// Has something done, and waits for the answer.
    pub(super) fn ask(&mut self, command: &str, params: Value) -> Result<Value, ApiError> {
        let id = self.next.to_string();
        self.next += 1;
        let asked = json!({"type": "command", "command": command, "params": params, "id": id});
        self.socket.send(Message::text(asked.to_string())).map_err(|error| over(&error))?;
        loop {
            let heard = self.hear(Instant::now() + PATIENCE)?;
            if heard.r#type != "response" || !is_same(&heard.id, &id) {
                self.keep(heard)?;
                continue;
            }
            if heard.error != Value::Bool(true) {
                return Ok(heard.result);
            }
            let code = heard.result["code"].as_i64().unwrap_or_default();
            let message = match &heard.result["message"] {
                Value::Null => "it does not say why".to_owned(),
                message => words(message),
            };
            return Err(ApiError::Refused { command: command.to_owned(), code, message });
        }
    }

    /// The next event, if one comes in time.
    pub(super) fn event(&mut self, patience: Duration) -> Result<Option<Event>, ApiError> {
        let until = Instant::now() + patience;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            match self.try_to_hear(until)? {
                Some(heard) => self.keep(heard)?,
                None => return Ok(None),
            }
        }
    }

    /// An event that has come already.
    pub(super) fn kept_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Leaves.
    pub(super) fn leave(&mut self) {
        // Whoever does not hear it notices that nobody is there.
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let _ = self.socket.close(Some(frame));
        let _ = self.socket.flush();
    }

    /// Keeps an event; what nobody knows means nothing.
    fn keep(&mut self, heard: Heard) -> Result<(), ApiError> {
        match heard.r#type.as_str() {
            "error" => return Err(ApiError::Over(words(&heard.message))),
            "event" if self.events.len() < MOST_EVENTS => {
                let name = heard.event.as_str().unwrap_or_default().to_owned();
                let nanos = nanos(&heard.nanos);
                self.events.push_back(Event { name, payload: heard.payload, nanos });
            }
            "event" => return Err(ApiError::Over("more events than anybody can read".to_owned())),
            _ => {}
        }
        Ok(())
    }

    fn hear(&mut self, until: Instant) -> Result<Heard, ApiError> {
        let silent = || ApiError::Over(format!("it has said nothing for {} s", PATIENCE.as_secs()));
        self.try_to_hear(until)?.ok_or_else(silent)
    }

    fn try_to_hear(&mut self, until: Instant) -> Result<Option<Heard>, ApiError> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let wrong = |error| ApiError::Over(format!("a message is none: {error}"));
                    return serde_json::from_str(&text).map(Some).map_err(wrong);
                }
                Ok(Message::Close(frame)) => return Err(closed(frame.as_ref())),
                // Pings are answered by the library; messages are text frames.
                Ok(_) => {}
                Err(Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if Instant::now() >= until {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(over(&error)),
            }
        }
    }
}

fn over(error: &Error) -> ApiError {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => closed(None),
        error => ApiError::Over(error.to_string()),
    }
}

fn closed(frame: Option<&CloseFrame>) -> ApiError {
    ApiError::Over(match frame {
        Some(frame) if frame.reason.is_empty() => {
            format!("closed by it with the code {}", u16::from(frame.code))
        }
        Some(frame) => {
            format!("closed by it with the code {}: {}", u16::from(frame.code), frame.reason)
        }
        None => "closed by it".to_owned(),
    })
}

/// Numbers are echoed as texts, and may be as numbers.
fn is_same(said: &Value, id: &str) -> bool {
    match said {
        Value::String(text) => text == id,
        other => other.as_u64().is_some_and(|said| id.parse() == Ok(said)),
    }
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Nanoseconds, which may have a fraction; negative ones are none.
pub(super) fn nanos(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_f64().map(|nanos| nanos.round() as u64)).unwrap_or_default()
}
