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

/// Commands by name, in the order of the documentation.
const COMMANDS: [(&str, Handler); 19] = [
    ("file:upload", files::upload),
    ("file:download", files::download),
    ("sim:start", simulation::start),
    ("sim:pause", simulation::pause),
    ("sim:resume", simulation::resume),
    ("sim:restart", simulation::restart),
    ("sim:status", simulation::status),
    ("pause-point:add", pause_points::add),
    ("pause-point:remove", pause_points::remove),
    ("serial-monitor:listen", serial_monitor::listen),
    ("serial-monitor:write", serial_monitor::write),
    ("pin:read", pins::read),
    ("pin:listen", pins::listen),
    ("gpio:list", pins::list),
    ("control:set", controls::set),
    ("touch:event", touch::event),
    ("framebuffer:read", framebuffer::read),
    ("sim:read-vcd", vcd::read),
    ("sdcard:export", sd_card::export),
];

/// Does what a command wants.
pub(super) fn execute(
    session: &mut Session<'_>,
    name: &str,
    params: Value,
) -> Result<Value, Refusal> {
    let known = COMMANDS.iter().find(|(known, _)| *known == name);
    let (_, command) = known.ok_or_else(|| Refusal::UnknownCommand(name.to_owned()))?;
    command(session, params)
}

/// The names of all commands.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, _)| *name)
}
