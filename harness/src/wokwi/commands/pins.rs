//! `pin:read`, `pin:listen`, `gpio:list`, and what is told of pins that somebody listens to.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::boards::Pin;
use super::super::protocol::{PIN_CHANGED, parameters};
use super::super::refusal::Refusal;
use super::super::session::Session;
use crate::targets::{Level, PinSetting};
use crate::time::DeviceTime;

/// What a pin at the supply has, in volts.
const SUPPLY: f64 = 3.3;

#[derive(Deserialize)]
struct Named {
    part: String,
    pin: String,
}

pub(super) fn read(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Named { part, pin } = parameters(params)?;
    let pins = session.wiring()?.named(&part, &pin)?;
    let target = session.simulation()?.target();
    let (mut level, mut setting) = (Level::Low, PinSetting::default());
    for at in pins {
        match at {
            Pin::Gpio(gpio) => {
                level = target.pin(gpio)?;
                let PinSetting { drives, pull } = target.pin_setting(gpio)?;
                setting.drives |= drives;
                setting.pull = setting.pull.or(pull);
            }
            Pin::Supply => level = Level::High,
            Pin::Ground | Pin::Other => {}
        }
    }
    let mut seen = seen(level, setting);
    seen["pin"] = json!(pin);
    seen["voltage"] = json!(if level == Level::High { SUPPLY } else { 0.0 });
    Ok(seen)
}

/// What is told of a pin in any case.
fn seen(level: Level, PinSetting { drives, pull }: PinSetting) -> Value {
    json!({
        "direction": if drives { "out" } else { "in" },
        "value": u8::from(level == Level::High),
        "pullUp": pull == Some(Level::High),
        "pullDown": pull == Some(Level::Low),
    })
}

#[derive(Deserialize)]
struct Listen {
    part: String,
    pin: String,
    listen: Option<bool>,
}

pub(super) fn listen(session: &mut Session<'_>, params: Value) -> Result<Value, Refusal> {
    let Listen { part, pin, listen } = parameters(params)?;
    let pins = session.wiring()?.named(&part, &pin)?;
    let simulation = session.simulation()?;
    let mut gpios = Vec::new();
    for at in pins {
        if let Pin::Gpio(gpio) = at {
            simulation.observe(gpio)?;
            gpios.push(gpio);
        }
    }
    session.listeners.retain(|it| (&it.part, &it.pin) != (&part, &pin));
    if listen.unwrap_or(true) {
        session.listeners.push(Listener { part, pin, gpios });
    }
    Ok(json!({}))
}

/// A pin that the client listens to, with the pads that it leads to.
#[derive(Debug)]
pub(in super::super) struct Listener {
    part: String,
    pin: String,
    gpios: Vec<u8>,
}

/// A pad has changed.
pub(in super::super) fn tell(session: &mut Session<'_>, gpio: u8, time: DeviceTime, level: Level) {
    let setting = session.simulation().and_then(|it| Ok(it.target().pin_setting(gpio)?));
    let seen = seen(level, setting.unwrap_or_default());
    let payloads: Vec<_> = session
        .listeners
        .iter()
        .filter(|listener| listener.gpios.contains(&gpio))
        .map(|Listener { part, pin, .. }| {
            let mut seen = seen.clone();
            (seen["part"], seen["pin"]) = (json!(part), json!(pin));
            seen
        })
        .collect();
    for payload in payloads {
        session.tell(PIN_CHANGED, payload, time);
    }
}

pub(super) fn list(session: &mut Session<'_>, _params: Value) -> Result<Value, Refusal> {
    let wiring = session.wiring()?;
    let name = |gpio| format!("{}:GPIO{gpio}", wiring.esp());
    let pins: Vec<_> = wiring.board().gpios().into_iter().map(name).collect();
    Ok(json!({"pins": pins}))
}
