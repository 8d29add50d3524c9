//! What clients can ask for: one family of commands per file.

mod controls;
mod files;
mod framebuffer;
mod pause_points;
pub(super) mod pins;
mod sd_card;
mod serial_monitor;
mod simulation;
mod touch;
mod vcd;

use serde_json::Value;

use super::refusal::Refusal;
use super::session::Session;

/// How a command is done.
type Handler = fn(&mut Session<'_>, Value) -> Result<Value, Refusal>;

/// Commands by name, in the order of the documentation, with what is to be known of them.
const COMMANDS: [(&str, Handler, &str); 19] = [
    ("file:upload", files::upload, "Files of a client have room for 128 MiB."),
    ("file:download", files::download, "In the form in which it was uploaded."),
    (
        "sim:start",
        simulation::start,
        "With its warnings. Custom chips and SD cards with files (`sdcards`) are refused, naming them.",
    ),
    ("sim:pause", simulation::pause, "Its event comes before the answer."),
    (
        "sim:resume",
        simulation::resume,
        "With `pauseAfter`, and with `waitForBytes` for old clients.",
    ),
    (
        "sim:restart",
        simulation::restart,
        "Begins with the firmware that was uploaded; pause points stay.",
    ),
    ("sim:status", simulation::status, "Whether it runs, and simulated time."),
    ("pause-point:add", pause_points::add, "`time-absolute`, `time-relative`, `serial-bytes`."),
    ("pause-point:remove", pause_points::remove, "By its id."),
    (
        "serial-monitor:listen",
        serial_monitor::listen,
        "What was said since the start is kept for who listens later.",
    ),
    ("serial-monitor:write", serial_monitor::write, "Raw bytes."),
    (
        "pin:read",
        pins::read,
        "Of all parts; what a pin behind a resistor has is the level before it.",
    ),
    ("pin:listen", pins::listen, "The same pins."),
    ("gpio:list", pins::list, "The pads that the board leads out."),
    ("control:set", controls::set, "What is moved of parts, as above."),
    (
        "touch:event",
        touch::event,
        "`press`, with `releaseAfter`, `move` and `release`, in the places of the screen's controller.",
    ),
    ("framebuffer:read", framebuffer::read, "Of parts with a picture or with colours, as PNG."),
    ("sim:read-vcd", vcd::read, "Of a logic analyzer."),
    ("sdcard:export", sd_card::export, "Refused: what is on a card only the firmware can read."),
];

/// Does what a command wants.
pub(super) fn execute(
    session: &mut Session<'_>,
    name: &str,
    params: Value,
) -> Result<Value, Refusal> {
    let known = COMMANDS.iter().find(|(known, ..)| *known == name);
    let (_, command, _) = known.ok_or_else(|| Refusal::UnknownCommand(name.to_owned()))?;
    command(session, params)
}

/// The names of all commands, each with what is to be known of it.
pub(super) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    COMMANDS.iter().map(|(name, _, doc)| (*name, *doc))
}
