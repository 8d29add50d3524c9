//! The pins and buttons of a board on a bench, in the hands of a served board's control socket.

use std::collections::BTreeSet;

use super::description::CtlName;
use crate::serve::orders::{Edge, Order};
use crate::serve::remote::{Remote, RemoteError};
use crate::targets::Level;
use crate::time::DeviceTime;

/// Sees and drives the pins of a served board, and holds its buttons.
#[derive(Debug)]
pub struct Pins {
    remote: Remote,
    /// The board's own device time when the case began, in nanoseconds.
    start: u64,
    /// Pins whose changes somebody wants; the board may keep others, for somebody before.
    watched: BTreeSet<u8>,
}

impl Pins {
    /// The pins of the served board of that name, in times since its own device time `start`, in
    /// nanoseconds.
    ///
    /// # Errors
    /// When no such board is served.
    pub fn of(name: &CtlName, start: u64) -> Result<Self, RemoteError> {
        Ok(Self { remote: Remote::of(&name.0)?, start, watched: BTreeSet::new() })
    }

    /// The level of a pin now.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn level(&mut self, gpio: u8) -> Result<Level, RemoteError> {
        Ok(Level::from(self.remote.order(&Order::Pin { gpio })?.high == Some(true)))
    }

    /// Puts a level on a pin, or lets go of it.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn drive(&mut self, gpio: u8, level: Option<Level>) -> Result<(), RemoteError> {
        let high = level.map(|level| level == Level::High);
        self.remote.order(&Order::Drive { gpio, high }).map(drop)
    }

    /// From now on changes of a pin are kept.
    ///
    /// # Errors
    /// When they cannot be seen.
    pub fn watch(&mut self, gpio: u8) -> Result<(), RemoteError> {
        if self.watched.is_empty() {
            // What was kept for somebody before, or could not be.
            let _ = self.remote.order(&Order::Edges);
        }
        self.watched.insert(gpio);
        self.remote.order(&Order::Watch { gpio }).map(drop)
    }

    /// The changes of watched pins since the last call, in their order.
    ///
    /// # Errors
    /// When nobody answers, or there were more than are kept.
    pub fn take(&mut self) -> Result<Vec<(u8, DeviceTime, Level)>, RemoteError> {
        if self.watched.is_empty() {
            return Ok(Vec::new());
        }
        let edges = self.remote.order(&Order::Edges)?.edges;
        let wanted = edges.into_iter().filter(|edge| self.watched.contains(&edge.gpio));
        let edges = wanted.map(|Edge { gpio, at_ns, high }| {
            (gpio, DeviceTime::from_nanos(at_ns.saturating_sub(self.start)), high.into())
        });
        Ok(edges.collect())
    }

    /// Holds a button of the board's profile down, or lets go of it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn hold(&mut self, button: String, down: bool) -> Result<(), RemoteError> {
        self.remote.order(&Order::Hold { button, down }).map(drop)
    }
}
