//! The hand at a served board: does what comes over its control socket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::control::Ordered;
use super::machine::Served;
use super::orders::{Answer, Edge, Order};
use crate::targets::{BootMode, Button, Level, Power, TargetError};
use crate::time::{DeviceTime, Span};

/// Changes of pins that are kept until somebody takes them.
const EDGES: usize = 1 << 16;

/// A hand at the board, the buttons that it holds, and what it sees of watched pins.
#[derive(Default)]
pub(super) struct Hand {
    /// When they are let go, and who is told.
    holds: Vec<(DeviceTime, Button, oneshot::Sender<Answer>)>,
    edges: Vec<Edge>,
    /// Changes that there was no room for.
    missed: usize,
}

impl Hand {
    /// Does what is due: lets go of buttons, and what has been ordered.
    pub(super) fn act<T: Served + ?Sized>(
        &mut self,
        target: &mut T,
        orders: &mut Receiver<Ordered>,
    ) {
        let now = target.now();
        for (_, button, told) in self.holds.extract_if(.., |(until, ..)| *until <= now) {
            let released = target.release(button);
            answer(target, told, released.map(|()| Answer::default()));
        }
        while let Ok((order, told)) = orders.try_recv() {
            if let Order::Press { button, for_ns } = order {
                let button = named(button);
                match target.press(button.clone()) {
                    Ok(()) => self.holds.push((now + Span::from_nanos(for_ns), button, told)),
                    Err(error) => answer(target, told, Err(error)),
                }
            } else {
                let done = self.obey(target, order);
                answer(target, told, done);
            }
        }
    }

    /// A watched pin has changed.
    pub(super) fn see(&mut self, gpio: u8, at: DeviceTime, level: Level) {
        match self.edges.len() < EDGES {
            true => {
                let high = level == Level::High;
                self.edges.push(Edge { gpio, at_ns: at.nanos(), high });
            }
            false => self.missed += 1,
        }
    }

    fn take_edges(&mut self) -> Result<Vec<Edge>, TargetError> {
        let edges = std::mem::take(&mut self.edges);
        match std::mem::take(&mut self.missed) {
            0 => Ok(edges),
            missed => Err(TargetError::Bench(format!(
                "watched pins changed {} times before anybody asked, and only {EDGES} are kept",
                EDGES + missed
            ))),
        }
    }

    fn obey<T: Served + ?Sized>(
        &mut self,
        target: &mut T,
        order: Order,
    ) -> Result<Answer, TargetError> {
        let mut answer = Answer::default();
        match order {
            // A button is held, which is not done at once.
            Order::Press { .. } | Order::Status => {}
            Order::Hold { button, down: true } => target.press(named(button))?,
            Order::Hold { button, down: false } => target.release(named(button))?,
            Order::Watch { gpio } => target.observe_pin(gpio)?,
            Order::Edges => answer.edges = self.take_edges()?,
            Order::BootMode { download } => {
                target.boot_mode(if download { BootMode::Download } else { BootMode::Run })?;
            }
            Order::Power { on } => target.power(if on { Power::On } else { Power::Off })?,
            Order::Pin { gpio } => answer.high = Some(target.pin(gpio)? == Level::High),
            Order::Drive { gpio, high } => target.drive_pin(gpio, high.map(Level::from))?,
            Order::Load { offset, bytes } => {
                let bytes =
                    STANDARD.decode(bytes).map_err(|_| TargetError::Cannot("read Base64"))?;
                let mut change = |old: &mut [u8]| old.copy_from_slice(&bytes);
                target.corrupt_flash(offset, bytes.len() as u32, &mut change)?;
            }
            Order::Disturb { what } => target.disturb(what)?,
            Order::Wires { faults } => target.set_wiring_faults(&faults),
            Order::Flash => answer.flash = Some(STANDARD.encode(target.flash())),
        }
        Ok(answer)
    }
}

fn named(button: String) -> Button {
    match button.as_str() {
        "reset" => Button::Reset,
        _ => Button::Named(button),
    }
}

fn answer<T: Served + ?Sized>(
    target: &T,
    told: oneshot::Sender<Answer>,
    done: Result<Answer, TargetError>,
) {
    let answer =
        done.unwrap_or_else(|error| Answer { error: Some(error.to_string()), ..Answer::default() });
    // Who has gone does not want to know.
    let _ = told.send(Answer {
        device_time_ns: target.now().nanos(),
        powered: target.is_powered(),
        host_process: std::process::id(),
        ..answer
    });
}
