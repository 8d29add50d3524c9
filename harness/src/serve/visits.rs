//! Visits to a board that another thread runs: for doors that look into it.
//!
//! A debugger that lets the board alone for a while expects that it has done something by then: a reset,
//! a piece of flash. On a busy host the board's thread may not have had its turn. So the next visitor
//! waits until as much device time has passed as the debugger has stayed away, less one slice.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::doors::MachineGone;
use crate::targets::debugged::{CoreIndex, Debugged, Held};
use crate::time::{DeviceTime, Span};

/// Wall time that a held board waits for a visitor before its thread looks at other things.
const PATIENCE: Duration = Duration::from_millis(1);

/// Who stays away for longer than this, in wall time, has no plans that depend on it.
const LONGEST_ABSENCE: Duration = Duration::from_millis(500);

/// This much less of it counts: the board has been ahead of wall time by no more.
const SHORT_ABSENCE: Duration = Duration::from_millis(1);

/// What somebody wants to do with the board.
type Deed = Box<dyn FnOnce(&mut dyn Debugged) + Send>;

/// Somebody who comes to do it.
struct Visit {
    what: Deed,
    /// How long nobody was there before it, in wall time.
    absence: Duration,
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").field("absence", &self.absence).finish_non_exhaustive()
    }
}

/// The visitor's end.
#[derive(Debug)]
pub struct Sender {
    visits: mpsc::Sender<Visit>,
    holds: UnboundedReceiver<Held>,
    /// When the last visit had ended.
    left: Cell<Instant>,
    /// The thread that runs the board, when it has begun.
    machine: Arc<OnceLock<Thread>>,
}

/// The machine's end.
#[derive(Debug)]
pub struct Receiver {
    visits: mpsc::Receiver<Visit>,
    holds: UnboundedSender<Held>,
    /// The visitor knows that the board is held.
    known: bool,
    /// The next visit, before its time.
    waiting: Option<Visit>,
    /// Device time when the last visit had ended.
    left: DeviceTime,
    /// Device time before the last slice.
    looked: DeviceTime,
    /// No time passed in it.
    stands_still: bool,
    machine: Arc<OnceLock<Thread>>,
}

/// Both ends.
pub fn visits() -> (Sender, Receiver) {
    let (to_machine, visits) = mpsc::channel();
    let (to_visitor, holds) = unbounded_channel();
    let machine = Arc::default();
    (
        Sender {
            visits: to_machine,
            holds,
            left: Cell::new(Instant::now()),
            machine: Arc::clone(&machine),
        },
        Receiver {
            visits,
            holds: to_visitor,
            known: false,
            waiting: None,
            left: DeviceTime::ZERO,
            looked: DeviceTime::ZERO,
            stands_still: false,
            machine,
        },
    )
}

impl Sender {
    /// Does something with the board, between two slices; waits until it is done.
    pub(super) fn visit<R: Send + 'static>(
        &self,
        what: impl FnOnce(&mut dyn Debugged) -> R + Send + 'static,
    ) -> Result<R, MachineGone> {
        let (tell, answer) = mpsc::sync_channel(1);
        let what = Box::new(move |board: &mut dyn Debugged| {
            // Who waits for the answer is still there.
            let _ = tell.send(what(board));
        });
        let absence = self.left.get().elapsed().saturating_sub(SHORT_ABSENCE).min(LONGEST_ABSENCE);
        self.visits.send(Visit { what, absence }).map_err(|_| MachineGone)?;
        self.machine.get().inspect(|thread| thread.unpark());
        let said = answer.recv().map_err(|_| MachineGone);
        self.left.set(Instant::now());
        said
    }

    /// Holds the board; why it is held, which may be something that came before.
    pub(super) fn hold(&mut self) -> Result<Held, MachineGone> {
        let held = self.visit(|board| {
            board.hold();
            board.held()
        })?;
        self.forget_holds();
        Ok(held.unwrap_or(Held::Asked))
    }

    /// Lets the board go on.
    pub(super) fn go_on(&mut self, step: Option<CoreIndex>) -> Result<(), MachineGone> {
        self.forget_holds();
        self.visit(move |board| board.go_on(step))
    }

    /// Waits until the board is held.
    pub(super) async fn held(&mut self) -> Result<Held, MachineGone> {
        self.holds.recv().await.ok_or(MachineGone)
    }

    fn forget_holds(&mut self) {
        while self.holds.try_recv().is_ok() {}
    }
}

impl Receiver {
    /// Receives visitors between two slices. While the board is held it waits for them, but not for
    /// long.
    pub fn receive(&mut self, board: &mut dyn Debugged) {
        self.tell(board);
        let _ = self.machine.set(thread::current());
        let now = board.device_time();
        self.stands_still = std::mem::replace(&mut self.looked, now) == now;
        self.let_in_who_is_due(board);
        if board.held().is_some() {
            match self.visits.recv_timeout(PATIENCE) {
                Ok(visit) => self.let_in(visit, board),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                // Nobody would ever let it go on.
                Err(mpsc::RecvTimeoutError::Disconnected) => board.forget_debugger(),
            }
        }
    }

    /// Receives visitors who have woken the thread while it waited.
    pub fn let_in_who_is_due(&mut self, board: &mut dyn Debugged) {
        while let Some(visit) = self.waiting.take().or_else(|| self.visits.try_recv().ok()) {
            let due = self.left + Span::from_nanos(visit.absence.as_nanos() as u64);
            // A board that stands still would let the visitor wait for ever.
            if board.device_time() < due && !self.stands_still {
                self.waiting = Some(visit);
                return;
            }
            self.let_in(visit, board);
        }
    }

    fn let_in(&mut self, visit: Visit, board: &mut dyn Debugged) {
        (visit.what)(board);
        self.left = board.device_time();
        // What it did itself, the visitor knows.
        self.known = board.held().is_some();
    }

    /// Tells the visitor that the board has been held since the last look.
    fn tell(&mut self, board: &dyn Debugged) {
        if let Some(held) = board.held()
            && !self.known
        {
            self.known = true;
            // Without a visitor nobody has set anything that could hold it.
            let _ = self.holds.send(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::debugged::Watched;

    /// A board that is nothing but its time.
    #[derive(Default)]
    struct Clockwork(DeviceTime);

    impl Debugged for Clockwork {
        fn device_time(&self) -> DeviceTime {
            self.0
        }
        fn hold(&mut self) {}
        fn held(&self) -> Option<Held> {
            None
        }
        fn go_on(&mut self, _: Option<CoreIndex>) {}
        fn hold_at_breaks(&mut self, _: bool) {}
        fn forget_debugger(&mut self) {}
        fn register(&self, _: CoreIndex, _: u16) -> Option<u32> {
            None
        }
        fn set_register(&mut self, _: CoreIndex, _: u16, _: u32) -> bool {
            false
        }
        fn read_memory(&mut self, _: CoreIndex, _: u32, _: &mut [u8]) -> usize {
            0
        }
        fn write_memory(&mut self, _: CoreIndex, _: u32, _: &[u8]) -> usize {
            0
        }
        fn set_breakpoint(&mut self, _: u32, _: bool) -> bool {
            false
        }
        fn set_watchpoint(&mut self, _: u32, _: u32, _: Watched, _: bool) -> bool {
            false
        }
        fn jtag_clock(&mut self, _: bool, _: bool) {}
        fn jtag_tdo(&self) -> bool {
            false
        }
        fn set_reset(&mut self, _: bool) {}
        fn reset(&mut self) {}
        fn doing(&self, _: CoreIndex) -> String {
            String::new()
        }
    }

    /// When a visitor who has stayed away for 100 ms is let in, on a board that goes on by `pace` ms in
    /// each of ten slices.
    fn let_in_at(pace: u64) -> Option<DeviceTime> {
        let (sender, mut receiver) = visits();
        let mut board = Clockwork(DeviceTime::ZERO + Span::from_millis(7));
        let come = |absence| {
            let (tell, told) = mpsc::channel();
            let what: Deed = Box::new(move |board| {
                let _ = tell.send(board.device_time());
            });
            sender.visits.send(Visit { what, absence }).expect("a receiver");
            told
        };
        let first = come(Duration::ZERO);
        receiver.receive(&mut board);
        assert_eq!(first.try_recv().ok(), Some(board.0), "nobody has been away");
        let second = come(Duration::from_millis(100));
        for _ in 0..10 {
            board.0 = board.0 + Span::from_millis(pace);
            receiver.receive(&mut board);
            receiver.let_in_who_is_due(&mut board);
        }
        second.try_recv().ok()
    }

    #[test]
    fn who_has_stayed_away_finds_the_board_as_much_later() {
        let at = |ms| Some(DeviceTime::ZERO + Span::from_millis(ms));
        assert_eq!(let_in_at(30), at(7 + 120));
        assert_eq!(let_in_at(100), at(7 + 100));
        assert_eq!(let_in_at(9), None, "not before");
    }

    #[test]
    fn a_board_that_stands_still_lets_everybody_in() {
        assert_eq!(let_in_at(0), Some(DeviceTime::ZERO + Span::from_millis(7)));
    }
}
