//! What clients have sent, on its way to the board.

use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use super::machine::{Input, ModemLines, ModemWiring, Sent, Served};
use crate::targets::TargetError;
use crate::time::{DeviceTime, Span};

/// Bytes that may be under way to the board before clients have to wait.
const UNDER_WAY: usize = 512;
/// How long both modem lines rest in the same state before the board sees that.
///
/// A program next to a USB adapter changes two lines within a millisecond, and the capacitor at EN
/// hides the state between. Over RFC 2217 pyserial waits at least 50 ms for the answer to each
/// change, so the state between would last longer than any capacitor; which is why esptool has a
/// bridge of its own that plays whole sequences by itself. Here the state between is left out. Straight
/// wires have no such states: there each line does its own work.
const REST: Span = Span::from_millis(250);

/// What clients have sent, on its way to the board.
pub(super) struct Inbox {
    input: Receiver<Input>,
    /// What a full serial line has no room for yet.
    held: Option<Input>,
    lines: ModemLines,
    /// Lines that take effect at a device time, if no others come before.
    resting: Option<(ModemLines, DeviceTime)>,
}

impl Inbox {
    pub(super) fn new(input: Receiver<Input>) -> Self {
        Self { input, held: None, lines: ModemLines::default(), resting: None }
    }

    /// Gives the board what there is, as far as its serial lines have room.
    pub(super) fn feed<T: Served + ?Sized>(&mut self, target: &mut T) -> Result<(), TargetError> {
        if let Some((lines, at)) = self.resting
            && at <= target.now()
        {
            self.set_lines(target, lines);
        }
        loop {
            let next = match self.held.take() {
                Some(next) => next,
                None => match self.input.try_recv() {
                    Ok(next) => next,
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
                },
            };
            let is_bytes = matches!(next.what, Sent::Bytes(_));
            if is_bytes && target.is_powered() && target.under_way(next.port) > UNDER_WAY {
                self.held = Some(next);
                return Ok(());
            }
            match self.give(target, next) {
                // What is sent to a board without power is lost, as on a real one.
                Ok(()) | Err(TargetError::NoPower(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn give<T: Served + ?Sized>(
        &mut self,
        target: &mut T,
        input: Input,
    ) -> Result<(), TargetError> {
        let Input { port, what } = input;
        match what {
            Sent::Bytes(bytes) => target.send(port, &bytes)?,
            Sent::Speed(baud) => target.set_baud(port, baud)?,
            Sent::Break => target.send_break(port)?,
            // Both or none asserted is where sequences pass through.
            Sent::Lines(lines)
                if target.modem_wiring() == ModemWiring::TwoTransistors
                    && lines.dtr == lines.rts
                    && self.lines.dtr != self.lines.rts =>
            {
                self.resting = Some((lines, target.now() + REST));
            }
            Sent::Lines(lines) => self.set_lines(target, lines),
            // No sequence goes on, so nothing is waited for.
            Sent::Gone => {
                self.set_lines(target, ModemLines::default());
                target.follow_speed(port);
            }
        }
        Ok(())
    }

    fn set_lines<T: Served + ?Sized>(&mut self, target: &mut T, lines: ModemLines) {
        self.resting = None;
        self.lines = lines;
        target.modem_lines(lines);
    }
}
