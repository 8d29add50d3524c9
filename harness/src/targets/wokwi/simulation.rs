//! A simulation on a server, which stands still whenever nobody lets it run.
//!
//! It runs for a span that is said beforehand, and pauses by itself. Which pause is the one that was
//! ordered is told by its time, for others may be told besides: when a simulation begins, and when it
//! is paused while it stands still.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::api::{ApiError, Client, Event, nanos};
use super::door::Door;
use crate::targets::Level;
use crate::targets::part::Finger;
use crate::time::Span;

/// The files that are uploaded.
const DIAGRAM: &str = "diagram.json";
const FIRMWARE: &str = "firmware.bin";
/// Wall time without any event after which a simulation that should run is asked how it is.
const QUIET: Duration = Duration::from_secs(20);

/// What the board has done, and when, in simulated time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happening {
    Serial { bytes: Vec<u8>, nanos: u64 },
    Pin { name: String, level: Level, nanos: u64 },
    Remark(String),
}

/// How a simulation is.
#[derive(Debug, Clone, Copy)]
struct Status {
    running: bool,
    nanos: u64,
}

/// A simulation that has been started.
#[derive(Debug)]
pub(super) struct Simulation {
    client: Client,
    /// Simulated time, in nanoseconds.
    now: u64,
    /// Simulated time before it was restarted.
    before: u64,
    remarks: Vec<String>,
}

impl Simulation {
    /// A new one, standing at its beginning, of a board with this in its flash.
    pub(super) fn begin(
        door: &Door,
        diagram: &str,
        image: &[u8],
        flash_megabytes: u32,
    ) -> Result<Self, ApiError> {
        let mut client = Client::connect(door)?;
        client.ask("file:upload", json!({"name": DIAGRAM, "text": diagram}))?;
        let mut begun = Self { client, now: 0, before: 0, remarks: Vec::new() };
        // Before the start, so that nothing of the boot is lost.
        begun.client.ask("serial-monitor:listen", json!({}))?;
        let binary = BASE64_STANDARD.encode(image);
        begun.client.ask("file:upload", json!({"name": FIRMWARE, "binary": binary}))?;
        let start = json!({
            "firmware": FIRMWARE,
            "flashSize": format!("{flash_megabytes}MB"),
            "pause": true,
            "chips": [],
        });
        let answer = begun.client.ask("sim:start", start)?;
        let warnings = answer["warnings"].as_array().into_iter().flatten();
        begun.remarks.extend(warnings.filter_map(Value::as_str).map(str::to_owned));
        begun.stand_anew()?;
        Ok(begun)
    }

    /// The same board with the same image begins anew.
    pub(super) fn restart(&mut self) -> Result<(), ApiError> {
        self.client.ask("sim:restart", json!({"pause": true}))?;
        self.stand_anew()
    }

    /// It stands at a beginning: what was told before is of the time before, and which time that
    /// beginning has is asked.
    fn stand_anew(&mut self) -> Result<(), ApiError> {
        let mut status = self.status()?;
        if status.is_some_and(|status| status.running) {
            self.client.ask("sim:pause", json!({}))?;
            status = self.status()?;
        }
        let began = status.map_or(0, |status| status.nanos);
        // Time goes on, whatever the server's does.
        self.before = (self.before + self.now).saturating_sub(began);
        self.now = began;
        Ok(())
    }

    /// How it is; `None` if the server does not tell.
    fn status(&mut self) -> Result<Option<Status>, ApiError> {
        match self.client.ask("sim:status", json!({})) {
            Ok(status) => Ok(Some(Status {
                running: status["running"] == Value::Bool(true),
                nanos: nanos(&status["nanos"]),
            })),
            Err(ApiError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Simulated time since the beginning of all, in nanoseconds.
    pub(super) fn now(&self) -> u64 {
        self.before + self.now
    }

    /// What the server has to remark.
    pub(super) fn take_remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// Lets it run for a span, or a little longer; what happened meanwhile.
    pub(super) fn run(&mut self, span: Span) -> Result<Vec<Happening>, ApiError> {
        let end = self.now + span.nanos();
        self.client.ask("sim:resume", json!({"pauseAfter": span.nanos()}))?;
        let (mut happened, mut seen) = (Vec::new(), self.now);
        loop {
            match self.client.event(QUIET)? {
                Some(Event { name, nanos, .. }) if name == "sim:pause" => {
                    if nanos >= end {
                        self.now = nanos;
                        break;
                    }
                }
                Some(event) => happened.extend(self.happening(event)),
                None => match self.status()? {
                    Some(Status { running: true, nanos }) if nanos > seen => seen = nanos,
                    Some(Status { running: false, nanos }) if nanos >= end => {
                        self.now = nanos;
                        break;
                    }
                    _ => {
                        let quiet = QUIET.as_secs();
                        let why = format!("its simulation has stood still for {quiet} s");
                        return Err(ApiError::Over(why));
                    }
                },
            }
        }
        // What has come with the pause.
        while let Some(event) = self.client.kept_event() {
            happened.extend(self.happening(event));
        }
        Ok(happened)
    }

    fn happening(&self, event: Event) -> Option<Happening> {
        let Event { name, payload, nanos } = event;
        let nanos = self.before + nanos;
        match name.as_str() {
            "serial-monitor:data" => {
                let bytes = payload["bytes"].as_array()?.iter();
                let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
                let bytes: Vec<u8> = bytes.filter_map(byte).collect();
                (!bytes.is_empty()).then_some(Happening::Serial { bytes, nanos })
            }
            "pin:change" => {
                let name = payload["pin"].as_str()?.to_owned();
                Some(Happening::Pin { name, level: level(&payload["value"]), nanos })
            }
            "chips:log" => {
                let (chip, said) = (payload["chip"].as_str()?, payload["message"].as_str()?);
                Some(Happening::Remark(format!("[{chip}] {}", said.trim_end())))
            }
            _ => None,
        }
    }

    /// Bytes go to the board's serial line.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.client.ask("serial-monitor:write", json!({"bytes": bytes})).map(|_| ())
    }

    /// The level of a pin of a part.
    pub(super) fn pin(&mut self, part: &str, pin: &str) -> Result<Level, ApiError> {
        let seen = self.client.ask("pin:read", json!({"part": part, "pin": pin}))?;
        Ok(level(&seen["value"]))
    }

    /// Changes of a pin happen from now on.
    pub(super) fn listen(&mut self, part: &str, pin: &str) -> Result<(), ApiError> {
        let listen = json!({"part": part, "pin": pin, "listen": true});
        self.client.ask("pin:listen", listen).map(|_| ())
    }

    /// A finger does something on the touch screen of a part.
    pub(super) fn touch(&mut self, part: &str, finger: Finger) -> Result<(), ApiError> {
        let (event, [x, y], span) = match finger {
            Finger::Press { at, release_after } => ("press", at, release_after),
            Finger::Move { at } => ("move", at, None),
            Finger::Release => ("release", [0.0; 2], None),
        };
        let mut touch = json!({"part": part, "x": x, "y": y, "event": event});
        if let Some(span) = span {
            touch["releaseAfter"] = json!(span.nanos());
        }
        self.client.ask("touch:event", touch).map(|_| ())
    }

    /// Moves a control of a part.
    pub(super) fn control(
        &mut self,
        part: &str,
        control: &str,
        value: f64,
    ) -> Result<(), ApiError> {
        let set = json!({"part": part, "control": control, "value": value});
        self.client.ask("control:set", set).map(|_| ())
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.client.leave();
    }
}

/// Servers say `true` or a number.
fn level(value: &Value) -> Level {
    Level::from(value.as_bool().unwrap_or_else(|| value.as_f64().is_some_and(|it| it != 0.0)))
}
