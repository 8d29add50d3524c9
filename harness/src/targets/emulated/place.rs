//! Where an emulated board is: alone, or among the other boards of its case.
//!
//! Boards on one air are dealt with on threads of their own and run in one: that of whoever asks last.
//! The lock says only who of them that is. What happens does not depend on it, as
//! [`Neighbourhood`] explains.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use esp32_emulator::board::{Board, Neighbourhood, Outcome, Site, SiteEvent};
use esp32_emulator::time::Instant;

/// Where a board is.
#[derive(Debug)]
pub(super) enum Place {
    /// By itself, with a site of its own or none.
    Alone(Box<Board>),
    /// Among others.
    Among(Seat),
}

/// The place of a board among others. A board whose seat is dropped is gone.
#[derive(Debug)]
pub(super) struct Seat {
    shared: Arc<Shared>,
    number: usize,
}

#[derive(Debug)]
struct Shared {
    neighbourhood: Mutex<Neighbourhood>,
    /// Somebody has come further, or lets others do so.
    changed: Condvar,
}

/// A board to be looked at.
enum Look<'a> {
    Alone(&'a Board),
    Among(MutexGuard<'a, Neighbourhood>, usize),
}

impl Deref for Look<'_> {
    type Target = Board;

    fn deref(&self) -> &Board {
        match self {
            Self::Alone(board) => board,
            Self::Among(all, number) => all.board(*number),
        }
    }
}

/// A board to be acted on.
enum Hold<'a> {
    Alone(&'a mut Board),
    Among(MutexGuard<'a, Neighbourhood>, usize),
}

impl Deref for Hold<'_> {
    type Target = Board;

    fn deref(&self) -> &Board {
        match self {
            Self::Alone(board) => board,
            Self::Among(all, number) => all.board(*number),
        }
    }
}

impl DerefMut for Hold<'_> {
    fn deref_mut(&mut self) -> &mut Board {
        match self {
            Self::Alone(board) => board,
            Self::Among(all, number) => all.board_mut(*number),
        }
    }
}

impl Place {
    /// The first of boards that hear each other.
    pub(super) fn among(mut neighbourhood: Neighbourhood, board: Board) -> Self {
        let number = neighbourhood.join(board);
        let (neighbourhood, changed) = (Mutex::new(neighbourhood), Condvar::new());
        Self::Among(Seat { shared: Arc::new(Shared { neighbourhood, changed }), number })
    }

    /// A place for a board that this one hears; none if it is alone.
    pub(super) fn beside(&self, board: Board) -> Option<Self> {
        let Self::Among(seat) = self else { return None };
        let number = seat.lock().join(board);
        Some(Self::Among(Seat { shared: seat.shared.clone(), number }))
    }

    /// A copy of the board and of all that is around it; none if other boards are.
    pub(super) fn fork(&self) -> Option<Self> {
        match self {
            Self::Alone(board) => Some(Self::Alone(board.clone())),
            Self::Among(seat) => {
                let neighbourhood = Some(seat.lock()).filter(|all| all.len() == 1)?.clone();
                let (neighbourhood, changed) = (Mutex::new(neighbourhood), Condvar::new());
                let shared = Arc::new(Shared { neighbourhood, changed });
                Some(Self::Among(Seat { shared, number: seat.number }))
            }
        }
    }

    /// The board. To be let go of before the next call.
    pub(super) fn board(&self) -> impl Deref<Target = Board> {
        match self {
            Self::Alone(board) => Look::Alone(board),
            Self::Among(seat) => Look::Among(seat.lock(), seat.number),
        }
    }

    /// The same, to act on it.
    pub(super) fn board_mut(&mut self) -> impl DerefMut<Target = Board> {
        match self {
            Self::Alone(board) => Hold::Alone(board),
            Self::Among(seat) => Hold::Among(seat.lock(), seat.number),
        }
    }

    /// The address by which the board is told from others; none: it is alone.
    pub(super) fn own_mac(&self) -> Option<[u8; 6]> {
        match self {
            Self::Alone(_) => None,
            Self::Among(_) => Some(self.board().mac()),
        }
    }

    /// Lets device time pass up to `deadline`, or until there is something to see.
    pub(super) fn run_until(&mut self, deadline: Instant) -> Outcome {
        match self {
            Self::Alone(board) => board.run_until(deadline),
            Self::Among(seat) => {
                seat.lock().ask(seat.number, deadline);
                seat.wait_for(|all, number| all.take_outcome(number))
            }
        }
    }

    /// Does something with what is around the board, at the board's time; it is given the board's number
    /// there. Nothing, if there is nothing around it.
    pub(super) fn with_site<T>(&mut self, act: impl FnOnce(&mut Site, usize) -> T) -> Option<T> {
        match self {
            Self::Alone(board) => board.site_mut().map(|site| act(site, 0)),
            Self::Among(seat) => {
                let mut act = Some(act);
                seat.wait_for(|all, number| {
                    let site = all.site_mut(number)?;
                    Some(act.take().map(|act| act(site, number)))
                })
            }
        }
    }

    /// The oldest thing that happened around the board and that was not taken here.
    pub(super) fn take_site_event(&mut self) -> Option<SiteEvent> {
        match self {
            Self::Alone(board) => board.take_site_event(),
            Self::Among(seat) => seat.lock().take_site_event(seat.number),
        }
    }

    /// Somebody deals with the board from now on.
    pub(super) fn attend(&mut self) {
        if let Self::Among(seat) = self {
            seat.lock().attend(seat.number);
        }
    }

    /// Nobody does any more.
    pub(super) fn leave(&mut self) {
        if let Self::Among(seat) = self {
            seat.lock().leave(seat.number);
            seat.shared.changed.notify_all();
        }
    }
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, Neighbourhood> {
        self.shared.neighbourhood.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all boards run until there is an answer.
    fn wait_for<T>(&self, mut answer: impl FnMut(&mut Neighbourhood, usize) -> Option<T>) -> T {
        // What has just been asked for may let others go on.
        self.shared.changed.notify_all();
        let mut all = self.lock();
        loop {
            if all.run() {
                self.shared.changed.notify_all();
            }
            if let Some(answer) = answer(&mut all, self.number) {
                return answer;
            }
            all = self.shared.changed.wait(all).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.lock().remove(self.number);
        self.shared.changed.notify_all();
    }
}
