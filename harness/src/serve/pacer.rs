//! Keeps device time from running ahead of wall time.

use std::time::Duration;

use crate::time::{DeviceTime, Span};

/// More than this behind wall time, the board cannot catch up and starts counting anew.
const TOO_LATE: Duration = Duration::from_millis(50);

/// Wall time between two looks at a board that stands still.
const REST: Duration = Duration::from_millis(1);

/// Which device time takes as long as on a real board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Pace {
    /// All of it
    #[default]
    Wall,
    /// Not that in which bytes are on a serial line or the flash is busy
    Fast,
}

/// The wall clock, or a stand-in for tests.
pub trait Clock {
    /// Time since some fixed moment; never decreases.
    fn now(&self) -> Duration;
    /// Waits.
    fn sleep(&self, span: Duration);
    /// Waits, unless somebody unparks the thread.
    fn doze(&self, span: Duration) {
        self.sleep(span);
    }
}

/// The host's clock.
#[derive(Debug, Clone, Copy)]
pub struct WallClock(std::time::Instant);

impl Default for WallClock {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Clock for WallClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, span: Duration) {
        std::thread::sleep(span);
    }

    fn doze(&self, span: Duration) {
        std::thread::park_timeout(span);
    }
}

impl<C: Clock + ?Sized> Clock for std::rc::Rc<C> {
    fn now(&self) -> Duration {
        (**self).now()
    }

    fn sleep(&self, span: Duration) {
        (**self).sleep(span);
    }

    fn doze(&self, span: Duration) {
        (**self).doze(span);
    }
}

/// Ties device time to wall time from a common start.
#[derive(Debug)]
pub struct Pacer<C> {
    clock: C,
    wall: Duration,
    device: DeviceTime,
    lost: Duration,
}

impl<C: Clock> Pacer<C> {
    /// From here on, one second of device time takes at least one second of wall time.
    pub fn new(clock: C, device: DeviceTime) -> Self {
        let wall = clock.now();
        Self { clock, wall, device, lost: Duration::ZERO }
    }

    /// From here on as if it had just begun: one of the two has stood still on purpose.
    pub fn start_anew(&mut self, device: DeviceTime) {
        (self.wall, self.device) = (self.clock.now(), device);
    }

    /// Lets a little wall time pass for a board that stands still.
    pub fn rest(&mut self, device: DeviceTime) {
        self.clock.sleep(REST);
        self.start_anew(device);
    }

    /// Waits until wall time has caught up with device time `now`; gives how much the board fell
    /// behind, if it is so much that it was given up.
    pub fn wait(&mut self, now: DeviceTime) -> Option<Duration> {
        self.wait_and(now, || ())
    }

    /// The same; each time that somebody unparks the thread meanwhile it does `what`.
    pub fn wait_and(&mut self, now: DeviceTime, mut what: impl FnMut()) -> Option<Duration> {
        loop {
            match self.ahead(now) {
                Ok(Duration::ZERO) => return None,
                Ok(ahead) => self.clock.doze(ahead),
                Err(behind) => return Some(behind),
            }
            what();
        }
    }

    /// How long device time `now` lies ahead of wall time; zero if it lies a little behind.
    ///
    /// # Errors
    /// How much the board fell behind, if it is so much that it was given up.
    pub fn ahead(&mut self, now: DeviceTime) -> Result<Duration, Duration> {
        let due = self.wall + Duration::from_nanos(Span::nanos(now - self.device));
        let wall = self.clock.now();
        let behind = wall.saturating_sub(due);
        if behind <= TOO_LATE {
            return Ok(due.saturating_sub(wall));
        }
        (self.wall, self.device) = (wall, now);
        self.lost += behind;
        Err(behind)
    }

    /// Wall time given up so far.
    pub fn lost(&self) -> Duration {
        self.lost
    }

    /// Wall time on this pacer's clock.
    pub fn clock_now(&self) -> Duration {
        self.clock.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A clock that moves when told to and when slept on.
    #[derive(Default)]
    struct FakeClock(Cell<Duration>);

    impl Clock for &FakeClock {
        fn now(&self) -> Duration {
            self.0.get()
        }

        fn sleep(&self, span: Duration) {
            self.0.set(self.0.get() + span);
        }
    }

    fn device(ms: u64) -> DeviceTime {
        DeviceTime::ZERO + Span::from_millis(ms)
    }

    #[test]
    fn device_time_is_never_ahead_of_wall_time() {
        let clock = FakeClock::default();
        let mut pacer = Pacer::new(&clock, device(5));
        for ms in 6..100 {
            assert_eq!(pacer.wait(device(ms)), None);
            assert_eq!(clock.0.get(), Duration::from_millis(ms - 5));
        }
    }

    #[test]
    fn a_short_delay_is_caught_up_and_a_long_one_is_given_up() {
        let clock = FakeClock::default();
        let mut pacer = Pacer::new(&clock, device(0));
        clock.0.set(Duration::from_millis(40));
        assert_eq!(pacer.wait(device(10)), None);
        assert_eq!(clock.0.get(), Duration::from_millis(40), "no waiting while behind");
        clock.0.set(Duration::from_millis(100));
        assert_eq!(pacer.wait(device(20)), Some(Duration::from_millis(80)));
        assert_eq!(pacer.wait(device(21)), None);
        assert_eq!(clock.0.get(), Duration::from_millis(101), "counted anew");
        assert_eq!(pacer.lost(), Duration::from_millis(80));
    }
}
