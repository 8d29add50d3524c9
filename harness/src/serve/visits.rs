//! Visits to a board that another thread runs: for doors that look into it.

use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::doors::MachineGone;
use crate::targets::debugged::{CoreIndex, Debugged, Held};

/// Wall time that a held board waits for a visitor before its thread looks at other things.
const PATIENCE: Duration = Duration::from_millis(1);

/// What somebody wants to do with the board.
type Visit = Box<dyn FnOnce(&mut dyn Debugged) + Send>;

/// The visitor's end.
#[derive(Debug)]
pub struct Sender {
    visits: mpsc::Sender<Visit>,
    holds: UnboundedReceiver<Held>,
}

/// The machine's end.
#[derive(Debug)]
pub struct Receiver {
    visits: mpsc::Receiver<Visit>,
    holds: UnboundedSender<Held>,
    /// The visitor knows that the board is held.
    known: bool,
}

/// Both ends.
pub fn visits() -> (Sender, Receiver) {
    let (to_machine, visits) = mpsc::channel();
    let (to_visitor, holds) = unbounded_channel();
    let known = false;
    (Sender { visits: to_machine, holds }, Receiver { visits, holds: to_visitor, known })
}

impl Sender {
    /// Does something with the board, between two slices; waits until it is done.
    pub(super) fn visit<R: Send + 'static>(
        &self,
        what: impl FnOnce(&mut dyn Debugged) -> R + Send + 'static,
    ) -> Result<R, MachineGone> {
        let (tell, answer) = mpsc::sync_channel(1);
        let visit = Box::new(move |board: &mut dyn Debugged| {
            // Who waits for the answer is still there.
            let _ = tell.send(what(board));
        });
        self.visits.send(visit).map_err(|_| MachineGone)?;
        answer.recv().map_err(|_| MachineGone)
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
    /// Receives visitors. While the board is held it waits for them, but not for long.
    pub fn receive(&mut self, board: &mut dyn Debugged) {
        self.tell(board);
        while let Ok(visit) = self.visits.try_recv() {
            self.let_in(visit, board);
        }
        if board.held().is_some() {
            match self.visits.recv_timeout(PATIENCE) {
                Ok(visit) => self.let_in(visit, board),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                // Nobody would ever let it go on.
                Err(mpsc::RecvTimeoutError::Disconnected) => board.forget_debugger(),
            }
        }
    }

    fn let_in(&mut self, visit: Visit, board: &mut dyn Debugged) {
        visit(board);
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
