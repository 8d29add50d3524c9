//! Where the device time of a board on a bench comes from.

use std::time::Instant;

use super::description::CtlName;
use crate::serve::orders::Order;
use crate::serve::remote::{Remote, RemoteError};
use crate::time::DeviceTime;

/// A clock of a board.
pub trait Clock: Send {
    /// Device time since the clock was made. Never goes back.
    ///
    /// # Errors
    /// When it cannot be read, in words.
    fn now(&mut self) -> Result<DeviceTime, String>;
}

/// The clock of this computer: a real board lives in its time.
#[derive(Debug)]
pub struct Wall(Instant);

impl Default for Wall {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Wall {
    fn now(&mut self) -> Result<DeviceTime, String> {
        let nanos = self.0.elapsed().as_nanos();
        Ok(DeviceTime::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

/// The device time that a served board publishes: a slow computer does not fail right firmware.
#[derive(Debug)]
pub struct Published {
    remote: Remote,
    start: u64,
}

impl Published {
    /// The clock of the served board of that name.
    ///
    /// # Errors
    /// When no such board is served.
    pub fn of(name: &CtlName) -> Result<Self, RemoteError> {
        let mut remote = Remote::of(&name.0)?;
        let start = remote.order(&Order::Status)?.device_time_ns;
        Ok(Self { remote, start })
    }

    /// The board's own device time when the clock was made, in nanoseconds.
    pub fn start(&self) -> u64 {
        self.start
    }
}

impl Clock for Published {
    fn now(&mut self) -> Result<DeviceTime, String> {
        let status = self.remote.order(&Order::Status).map_err(|error| error.to_string())?;
        let now = status.device_time_ns;
        Ok(DeviceTime::from_nanos(now.saturating_sub(self.start)))
    }
}
