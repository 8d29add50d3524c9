//! The thread that runs a served board.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use super::pacer::{Clock, Pacer};
use super::ring::Ring;
use crate::targets::{Port, Target, TargetError, TargetEvent};
use crate::time::Span;

/// Device time between two looks at the clients.
const SLICE: Span = Span::from_millis(1);
/// Bytes that may be under way to the board before clients have to wait.
const UNDER_WAY: usize = 512;
/// Wall time between two savings of a changed flash.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// Wall time between two remarks that the host is too slow.
const REMARK_EVERY: Duration = Duration::from_secs(10);

/// Bytes from a client.
#[derive(Debug)]
pub struct Input {
    /// For which port.
    pub port: Port,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What a served board is, beyond being a target.
pub trait Served: Target {
    /// Bytes on their way to a port.
    fn under_way(&mut self, port: Port) -> usize;
    /// The whole flash, if it changed since the last call.
    fn changed_flash(&mut self) -> Option<Vec<u8>>;
    /// Remarks for the person about the board so far; one that has been made stays.
    fn notes(&self) -> Vec<String>;
}

/// A remark for the person.
pub type Remark<'a> = &'a mut dyn FnMut(String);

/// Keeps changed flash contents.
pub type Keep<'a> = &'a mut (dyn FnMut(&[u8]) -> Result<(), String> + Send);

/// What joins a machine with its doors.
#[derive(Debug)]
pub struct Wiring {
    /// What clients send.
    pub input: Receiver<Input>,
    /// One ring for each door, with the port it shows.
    pub rings: Vec<(Port, Arc<Ring>)>,
    /// Set when the board shall stop.
    pub stop: Arc<AtomicBool>,
}

/// Runs the board until it is told to stop or cannot go on.
///
/// # Errors
/// Trouble with the target, after which the flash has been kept all the same.
pub fn run<T: Served + ?Sized, C: Clock>(
    target: &mut T,
    mut wiring: Wiring,
    mut pacer: Pacer<C>,
    keep: Keep<'_>,
    remark: Remark<'_>,
) -> Result<(), TargetError> {
    let mut saved_at = pacer.clock_now();
    let mut remarked_at: Option<Duration> = None;
    let mut held: Option<Input> = None;
    let mut notes_made = 0;
    let outcome = loop {
        if wiring.stop.load(Ordering::Relaxed) {
            break Ok(());
        }
        if let Err(error) = feed(target, &mut wiring.input, &mut held) {
            break Err(error);
        }
        if let Err(error) = slice(target, &wiring.rings) {
            break Err(error);
        }
        let notes = target.notes();
        notes.iter().skip(notes_made).for_each(|note| remark(note.clone()));
        notes_made = notes.len();
        let behind = pacer.wait(target.now());
        let wall = pacer.clock_now();
        if behind.is_some() && remarked_at.is_none_or(|at| wall - at >= REMARK_EVERY) {
            remarked_at = Some(wall);
            remark(format!(
                "the host is too slow: {} ms of wall time lost so far",
                pacer.lost().as_millis()
            ));
        }
        if wall - saved_at >= SAVE_EVERY {
            saved_at = wall;
            save(target, keep, remark);
        }
    };
    save(target, keep, remark);
    outcome
}

/// Gives the board what clients have sent, as far as its serial lines have room.
fn feed<T: Served + ?Sized>(
    target: &mut T,
    input: &mut Receiver<Input>,
    held: &mut Option<Input>,
) -> Result<(), TargetError> {
    loop {
        let next = match held.take() {
            Some(next) => next,
            None => match input.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            },
        };
        if target.is_powered() && target.under_way(next.port) > UNDER_WAY {
            *held = Some(next);
            return Ok(());
        }
        match target.send(next.port, &next.bytes) {
            // What is sent to a board without power is lost, as on a real one.
            Ok(()) | Err(TargetError::NoPower(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

fn slice<T: Served + ?Sized>(
    target: &mut T,
    rings: &[(Port, Arc<Ring>)],
) -> Result<(), TargetError> {
    let end = target.now() + SLICE;
    let mut said: Vec<(Port, Vec<u8>)> = Vec::new();
    let outcome = loop {
        match target.run_until(end) {
            Err(error) => break Err(error),
            Ok(events) if events.is_empty() => break Ok(()),
            Ok(events) => {
                for event in events {
                    let TargetEvent::Serial { port, bytes, .. } = event else { continue };
                    match said.last_mut() {
                        Some((last, all)) if *last == port => all.extend(bytes),
                        _ => said.push((port, bytes)),
                    }
                }
            }
        }
    };
    for (port, bytes) in said {
        for (_, ring) in rings.iter().filter(|(shown, _)| *shown == port) {
            ring.push(&bytes);
        }
    }
    outcome
}

fn save<T: Served + ?Sized>(target: &mut T, keep: Keep<'_>, remark: Remark<'_>) {
    if let Some(flash) = target.changed_flash()
        && let Err(trouble) = keep(&flash)
    {
        remark(trouble);
    }
}
