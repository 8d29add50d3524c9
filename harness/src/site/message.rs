//! Messages that came to an MQTT broker.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::scenario::values::Secrets;

/// Bytes of a payload that are shown.
const SHOWN: usize = 64;

/// A message that a client has published, or that is the will of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Message {
    /// At whose broker.
    pub host: String,
    /// The client's identifier.
    pub client: String,
    /// It is the will of the client, which is gone.
    pub is_will: bool,
    /// Its topic.
    pub topic: String,
    /// What it says.
    #[serde(skip)]
    pub payload: Vec<u8>,
    /// The same, if it is text.
    pub text: Option<String>,
    /// Bytes of what it says.
    pub size: usize,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The broker keeps it for those who subscribe later.
    pub retain: bool,
}

impl Message {
    /// The same without secrets.
    pub fn redacted(&self, secrets: &Secrets) -> Self {
        let mut message = self.clone();
        message.topic = secrets.redact(&message.topic);
        message.client = secrets.redact(&message.client);
        message.text = message.text.map(|text| secrets.redact(&text));
        message
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let will = if self.is_will { "will of " } else { "" };
        let retained = if self.retain { ", retained" } else { "" };
        let shown = &self.payload[..self.payload.len().min(SHOWN)];
        let cut = if shown.len() < self.payload.len() { "…" } else { "" };
        write!(f, "{will}{} -> {} {} ", self.client, self.host, self.topic)?;
        write!(f, "(QoS {}{retained}): {}{cut}", self.qos, shown.escape_ascii())
    }
}

#[cfg(test)]
impl Message {
    /// A message of the board's at QoS 0 to `desk`.
    pub(crate) fn of_board(topic: &str, payload: &str) -> Self {
        Self {
            host: "desk".to_owned(),
            client: "board".to_owned(),
            is_will: false,
            topic: topic.to_owned(),
            payload: payload.as_bytes().to_vec(),
            text: Some(payload.to_owned()),
            size: payload.len(),
            qos: 0,
            retain: false,
        }
    }
}
