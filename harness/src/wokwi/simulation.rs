//! A board, its clock, and why it pauses.

use std::collections::BTreeSet;

use super::points::Points;
use crate::targets::{
    Level, Port, Power, Target, TargetError, TargetEvent, TargetRequest, TargetSource,
};
use crate::time::{DeviceTime, Span};

/// What has happened while the board ran, in the order of device time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// The monitored serial line said something.
    Serial { bytes: Vec<u8>, time: DeviceTime },
    /// A pin that somebody listens to has changed.
    Pin { gpio: u8, time: DeviceTime, level: Level },
    /// The board stands still, because of a pause point or because its time is over.
    Paused(Option<String>),
    /// Something for the person at the server.
    Remark(String),
}

/// A board that a client has started.
pub(super) struct Simulation {
    target: Box<dyn Target>,
    request: TargetRequest,
    /// The serial port that the diagram's monitor is at; without one nothing is heard.
    monitor: Option<Port>,
    /// Pads whose changes are news.
    observed: BTreeSet<u8>,
    running: bool,
    /// Where the last resume wants it to pause.
    limit: Option<DeviceTime>,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("running", &self.running).finish_non_exhaustive()
    }
}

impl Simulation {
    /// A board that has just got power, at simulated time 0.
    pub(super) fn new(
        source: &dyn TargetSource,
        request: TargetRequest,
        monitor: Option<Port>,
        running: bool,
    ) -> Result<Self, TargetError> {
        let target = powered(source, &request)?;
        Ok(Self { target, request, monitor, observed: BTreeSet::new(), running, limit: None })
    }

    /// The same board anew, with the firmware that was uploaded, at simulated time 0.
    pub(super) fn restart(
        &mut self,
        source: &dyn TargetSource,
        running: bool,
    ) -> Result<(), TargetError> {
        self.target = powered(source, &self.request)?;
        (self.running, self.limit) = (running, None);
        self.observed.iter().try_for_each(|gpio| self.target.observe_pin(*gpio))
    }

    /// Simulated time.
    pub(super) fn now(&self) -> DeviceTime {
        self.target.now()
    }

    /// Whether simulated time passes.
    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// Whether it runs towards a limit that the client has set for this run.
    pub(super) fn has_limit(&self) -> bool {
        self.limit.is_some()
    }

    /// Runs on; for so long at most, if the client says so. It replaces an earlier limit.
    pub(super) fn resume(&mut self, pause_after: Option<Span>) {
        self.running = true;
        self.limit = pause_after.map(|span| self.now() + span);
    }

    /// Stands still.
    pub(super) fn pause(&mut self) {
        (self.running, self.limit) = (false, None);
    }

    /// From now on changes of a pad are news.
    pub(super) fn observe(&mut self, gpio: u8) -> Result<(), TargetError> {
        if self.observed.insert(gpio) {
            self.target.observe_pin(gpio)?;
        }
        Ok(())
    }

    /// The board.
    pub(super) fn target(&mut self) -> &mut dyn Target {
        &mut *self.target
    }

    /// The serial port that the monitor is at.
    pub(super) fn monitor(&self) -> Option<Port> {
        self.monitor
    }

    /// Lets time pass for as long as `length`, or until the board pauses.
    pub(super) fn run(
        &mut self,
        points: &mut Points,
        length: Span,
        news: &mut Vec<News>,
    ) -> Result<(), TargetError> {
        let end = self.now() + length;
        while self.running {
            let now = self.now();
            if let Some(point) = points.take_due(now) {
                self.pause();
                news.push(News::Paused(Some(point)));
            } else if self.limit.is_some_and(|limit| limit <= now) {
                self.pause();
                news.push(News::Paused(None));
            } else if now >= end {
                break;
            } else {
                let next = [points.next(), self.limit].into_iter().flatten().min();
                let events = self.target.run_until(next.map_or(end, |next| next.min(end)))?;
                self.tell(events, points, news);
            }
        }
        Ok(())
    }

    fn tell(&mut self, events: Vec<TargetEvent>, points: &mut Points, news: &mut Vec<News>) {
        let mut reached = None;
        for event in events {
            match event {
                TargetEvent::Serial { port, bytes, time } if Some(port) == self.monitor => {
                    match reached {
                        None => reached = points.hear(&bytes),
                        Some(_) => points.overhear(&bytes),
                    }
                    match news.last_mut() {
                        Some(News::Serial { bytes: said, time: last }) => {
                            said.extend(bytes);
                            *last = time;
                        }
                        _ => news.push(News::Serial { bytes, time }),
                    }
                }
                TargetEvent::Pin { gpio, time, level } => {
                    news.push(News::Pin { gpio, time, level });
                }
                TargetEvent::Remark { text, .. } => news.push(News::Remark(text)),
                _ => {}
            }
        }
        if let Some(point) = reached {
            self.pause();
            news.push(News::Paused(Some(point)));
        }
    }
}

fn powered(
    source: &dyn TargetSource,
    request: &TargetRequest,
) -> Result<Box<dyn Target>, TargetError> {
    let mut target = source.open(request)?;
    target.power(Power::On)?;
    Ok(target)
}
