//! Watchdog timer of four stages, as the timer groups (MWDT) and RTC_CNTL (RWDT) contain it.
//!
//! *Source*: ESP32 Technical Reference Manual, chapters "Watchdog Timers" and "Timer Group (TIMG)";
//! fields from ESP-IDF `soc/timer_group_struct.h` and `soc/rtc_cntl_struct.h`.
//!
//! *Modelled*: stages run one after the other, each for its own time, then begin again; a stage
//! that is off takes its time and does nothing; feeding returns to stage 0; change of clock or
//! prescaler carries the count over; a stopped clock (sleep) carries it over as well.
//!
//! *Not modelled*: a stage time of 0 counts as 1. When several rounds of stages have expired since
//! the last poll, the remaining ones are skipped: they would only repeat the first.

use crate::time::{Duration, Hertz, Instant};

/// Value that opens the write-protected registers of a watchdog.
pub const WRITE_KEY: u32 = 0x50d8_3aa1;

/// Rounds of stages that a late poll makes up for.
const ROUND_LIMIT: u64 = 8;

/// What a stage does when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StageAction {
    /// Nothing.
    #[default]
    Off,
    /// Raise the interrupt of the watchdog.
    Interrupt,
    /// Reset.
    Reset(WatchdogAction),
}

/// Which reset a watchdog asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchdogAction {
    /// The CPU cores only.
    CpuReset,
    /// The digital core with its peripherals; not the RTC domain.
    SystemReset,
    /// Everything, the RTC domain as well. Only the RTC watchdog can.
    RtcReset,
}

impl StageAction {
    /// From the stage field of a configuration register.
    pub(super) const fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Self::Interrupt,
            2 => Self::Reset(WatchdogAction::CpuReset),
            3 => Self::Reset(WatchdogAction::SystemReset),
            4 => Self::Reset(WatchdogAction::RtcReset),
            _ => Self::Off,
        }
    }
}

/// The counting part of a watchdog. The registers belong to its owner.
#[derive(Debug, Clone)]
pub(super) struct Watchdog {
    enabled: bool,
    actions: [StageAction; 4],
    /// In counts.
    times: [u32; 4],
    clock: Hertz,
    divider: u64,
    stage: usize,
    /// When the present stage began.
    since: Instant,
    /// Counts of the present stage that were done before `since`.
    done: u64,
    /// Derived: end of the next stage that does something.
    due: Option<Instant>,
}

impl Watchdog {
    /// Stopped, with all stages off.
    pub(super) fn new(clock: Hertz, times: [u32; 4]) -> Self {
        Self {
            enabled: false,
            actions: [StageAction::Off; 4],
            times,
            clock,
            divider: 1,
            stage: 0,
            since: Instant::ZERO,
            done: 0,
            due: None,
        }
    }

    /// It has been fed, or has begun anew, and no stage has expired since.
    pub(super) fn is_in_first_stage(&self) -> bool {
        self.stage == 0
    }

    /// When the next action is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Starts or stops, and sets what each stage does. Starting begins with stage 0.
    pub(super) fn configure(&mut self, enabled: bool, actions: [StageAction; 4], now: Instant) {
        if (enabled, actions) == (self.enabled, self.actions) {
            return;
        }
        // Stages that all are off do not run, so the first action begins a new round.
        let starts = enabled && (!self.enabled || self.actions == [StageAction::Off; 4]);
        self.carry(now);
        (self.enabled, self.actions) = (enabled, actions);
        if starts {
            self.feed(now);
        } else {
            self.derive();
        }
    }

    /// Sets the time of a stage, in counts. What the present one has counted stays.
    pub(super) fn set_time(&mut self, stage: usize, counts: u32) {
        if let Some(time) = self.times.get_mut(stage) {
            *time = counts;
        }
        self.derive();
    }

    /// Sets the clock that counts, divided by `divider` (at least 1).
    pub(super) fn set_clock(&mut self, clock: Hertz, divider: u64, now: Instant) {
        self.carry(now);
        (self.clock, self.divider) = (clock, divider.max(1));
        self.derive();
    }

    /// Back to stage 0.
    pub(super) fn feed(&mut self, now: Instant) {
        (self.stage, self.since, self.done) = (0, now, 0);
        self.derive();
    }

    /// Moves the present stage later by a time in which the clock stood still.
    pub(super) fn stood_still(&mut self, time: Duration) {
        self.since += time;
        self.derive();
    }

    /// The action that became due by `now`, if any; call until `None`.
    pub(super) fn expire(&mut self, now: Instant) -> Option<StageAction> {
        let mut end = self.due.filter(|&due| due <= now)?;
        for _ in 0..4 {
            let action = self.actions[self.stage];
            self.stage = (self.stage + 1) % 4;
            if action == StageAction::Off {
                continue;
            }
            let lag = (now - end).ticks();
            if lag / ROUND_LIMIT > self.round().ticks() {
                end = now; // far behind: nothing new would follow
            }
            (self.since, self.done) = (end, 0);
            self.derive();
            return Some(action);
        }
        None
    }

    /// Length of a whole round of stages.
    fn round(&self) -> Duration {
        self.periods((0..4).map(|stage| self.counts(stage)).sum())
    }

    fn counts(&self, stage: usize) -> u64 {
        u64::from(self.times[stage % 4].max(1))
    }

    fn periods(&self, counts: u64) -> Duration {
        Duration::of_periods(counts.saturating_mul(self.divider), self.clock)
    }

    /// Turns the time since `since` into counts, before the clock changes.
    fn carry(&mut self, now: Instant) {
        if self.enabled {
            self.done += (now - self.since).periods(self.clock) / self.divider;
        }
        self.since = now;
    }

    fn derive(&mut self) {
        self.due = None;
        if !self.enabled || self.actions == [StageAction::Off; 4] {
            return;
        }
        let mut counts = 0;
        for step in 0..4 {
            counts += self.counts(self.stage + step);
            if self.actions[(self.stage + step) % 4] != StageAction::Off {
                break;
            }
        }
        self.due = Some(self.since + self.periods(counts.saturating_sub(self.done)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERRUPT: StageAction = StageAction::Interrupt;
    const RESET: StageAction = StageAction::Reset(WatchdogAction::SystemReset);
    const OFF: StageAction = StageAction::Off;

    fn at(us: u64) -> Instant {
        Instant::ZERO + Duration::from_micros(us)
    }

    fn watchdog() -> Watchdog {
        let mut dog = Watchdog::new(Hertz::mhz(80), [10, 20, 30, 40]);
        dog.set_clock(Hertz::mhz(80), 80, at(0));
        dog
    }

    #[test]
    fn stages_follow_each_other_and_silent_ones_take_their_time() {
        let mut dog = watchdog();
        dog.configure(true, [INTERRUPT, OFF, RESET, OFF], at(100));
        assert_eq!(dog.due(), Some(at(110)));
        assert_eq!(dog.expire(at(109)), None);
        assert_eq!(dog.expire(at(110)), Some(INTERRUPT));
        assert_eq!(dog.due(), Some(at(160)));
        assert_eq!(dog.expire(at(160)), Some(RESET));
        assert_eq!(dog.due(), Some(at(210)), "stage 3, then stage 0");
    }

    #[test]
    fn feeding_returns_to_the_first_stage() {
        let mut dog = watchdog();
        dog.configure(true, [INTERRUPT, RESET, OFF, OFF], at(0));
        assert_eq!(dog.expire(at(12)), Some(INTERRUPT));
        dog.feed(at(15));
        assert_eq!(dog.due(), Some(at(25)));
    }

    #[test]
    fn a_change_of_clock_keeps_the_count() {
        let mut dog = watchdog();
        dog.configure(true, [RESET, OFF, OFF, OFF], at(0));
        dog.set_clock(Hertz::mhz(40), 80, at(4));
        assert_eq!(dog.due(), Some(at(16)), "6 counts of 2 us are left");
        dog.stood_still(Duration::from_micros(1000));
        assert_eq!(dog.due(), Some(at(1016)));
    }

    #[test]
    fn a_very_late_poll_ends() {
        let mut dog = Watchdog::new(Hertz::mhz(80), [0; 4]);
        dog.configure(true, [INTERRUPT; 4], at(0));
        let mut actions = 0;
        while dog.expire(at(1_000_000)).is_some() {
            actions += 1;
        }
        assert!(actions < 100, "{actions}");
    }
}
