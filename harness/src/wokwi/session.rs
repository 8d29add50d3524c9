//! What one client has: files, pause points, a board. No socket: messages come in one by one and go
//! out through a queue, whose order is what clients depend on.
//!
//! - Whatever the board said before it paused is told before that it paused, and that it paused before
//!   the command that paused it is answered: Python's client computes from the last pause what is left
//!   to run, as soon as it has the answer.
//! - After the answer to `serial-monitor:listen` nothing happens until the client has had the time to
//!   notice it: Python's begins to look at events only some turns of its loop later, and misses those
//!   that came before.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::analyzer::Analyzer;
use super::circuit::Circuit;
use super::commands;
use super::commands::pins::Listener;
use super::console::{Console, Said};
use super::files::Files;
use super::points::Points;
use super::protocol::{self, Command};
use super::refusal::Refusal;
use super::server::Host;
use super::simulation::{News, Simulation};
use super::wiring::Wiring;
use crate::serve::pacer::{Clock, Pace, Pacer};
use crate::time::{DeviceTime, Span};

/// Device time between two looks at wall time.
const SLICE: Span = Span::from_millis(1);
/// Wall time between two looks at the client while its board runs as fast as it can.
const TURN: Duration = Duration::from_millis(5);
/// How long there is nothing to do but to listen to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    For(Duration),
    Forever,
}

/// A client and its board.
pub(super) struct Session<'a> {
    pub(super) host: &'a Host,
    pub(super) files: Files,
    pub(super) points: Points,
    pub(super) console: Console,
    pub(super) simulation: Option<Simulation>,
    circuit: Option<Circuit>,
    pub(super) listeners: Vec<Listener>,
    pub(super) analyzer: Option<Analyzer>,
    /// It has sent something to a running board: it reads what comes and answers, so that device time
    /// must leave it the time.
    pub(super) converses: bool,
    pacer: Pacer<Rc<dyn Clock>>,
    clock: Rc<dyn Clock>,
    outbox: VecDeque<String>,
    /// The client has to notice what it was told last, before anything else happens.
    unnoticed: bool,
    /// As far as the client knows, the board stands still.
    told_paused: bool,
    /// It cannot go on.
    over: bool,
}

impl<'a> Session<'a> {
    /// A client that has just come.
    pub(super) fn new(host: &'a Host, clock: Rc<dyn Clock>) -> Self {
        Self {
            host,
            files: Files::default(),
            points: Points::default(),
            console: Console::default(),
            simulation: None,
            circuit: None,
            listeners: Vec::new(),
            analyzer: None,
            converses: false,
            pacer: Pacer::new(clock.clone(), DeviceTime::ZERO),
            clock,
            outbox: VecDeque::from([protocol::hello()]),
            unnoticed: false,
            told_paused: true,
            over: false,
        }
    }

    /// The next message to the client.
    pub(super) fn take_message(&mut self) -> Option<String> {
        self.outbox.pop_front()
    }

    /// Whether the client has to notice the last message before anything else happens.
    pub(super) fn take_unnoticed(&mut self) -> bool {
        std::mem::take(&mut self.unnoticed)
    }

    /// Does what the client wants, and answers.
    pub(super) fn execute(&mut self, command: Command) {
        let Command { name, id, params } = command;
        let outcome = commands::execute(self, &name, params);
        self.outbox.push_back(protocol::response(&name, &id, outcome));
    }

    /// The board of the client.
    pub(super) fn simulation(&mut self) -> Result<&mut Simulation, Refusal> {
        self.simulation.as_mut().ok_or(Refusal::NoSimulation)
    }

    /// What its parts are and how they are connected.
    pub(super) fn wiring(&self) -> Result<&Wiring, Refusal> {
        self.circuit.as_ref().map(Circuit::wiring).ok_or(Refusal::NoSimulation)
    }

    /// A board begins, instead of the one before, if there was one.
    pub(super) fn begin(
        &mut self,
        mut simulation: Simulation,
        circuit: Circuit,
    ) -> Result<(), Refusal> {
        self.analyzer = Analyzer::of(circuit.wiring());
        for gpio in self.analyzer.iter().flat_map(Analyzer::pads) {
            simulation.observe(gpio)?;
        }
        (self.simulation, self.circuit) = (Some(simulation), Some(circuit));
        self.listeners.clear();
        self.begin_anew()
    }

    /// The board is at simulated time 0; pause points stay.
    pub(super) fn begin_anew(&mut self) -> Result<(), Refusal> {
        self.points.forget_heard();
        self.console.clear();
        if let (Some(analyzer), Some(simulation)) = (&mut self.analyzer, &mut self.simulation) {
            analyzer.forget();
            let now = simulation.now();
            for gpio in analyzer.pads() {
                analyzer.see(gpio, now, simulation.target().pin(gpio)?);
            }
        }
        self.converses = false;
        self.told_paused = true;
        if self.simulation.as_ref().is_some_and(Simulation::is_running) {
            self.start_running();
        }
        Ok(())
    }

    /// The client hears the serial line from now on, and what was said before.
    pub(super) fn listen(&mut self) {
        self.console.listen();
        self.unnoticed = true;
    }

    /// The board runs from here on: device time and wall time go on together.
    pub(super) fn start_running(&mut self) {
        self.told_paused = false;
        if let Some(simulation) = &self.simulation {
            self.pacer.start_anew(simulation.now());
        }
    }

    /// Tells that the board stands still now.
    pub(super) fn tell_paused(&mut self, point: Option<&str>) {
        let payload = match point {
            Some(point) => json!({"pausePoint": point, "pausePointInfo": {}}),
            None => json!({}),
        };
        let now = self.simulation.as_ref().map_or(DeviceTime::ZERO, Simulation::now);
        self.tell_said(Console::take);
        self.told_paused = true;
        self.push_event(protocol::PAUSED, payload, now);
    }

    /// Tells something, behind what the board has said before.
    pub(super) fn tell(&mut self, event: &str, payload: Value, time: DeviceTime) {
        self.tell_said(Console::take);
        self.push_event(event, payload, time);
    }

    fn tell_said(&mut self, take: impl FnOnce(&mut Console) -> Option<Said>) {
        if let Some(Said { bytes, time }) = take(&mut self.console) {
            self.push_event(protocol::SERIAL_DATA, json!({"bytes": bytes}), time);
        }
    }

    fn push_event(&mut self, event: &str, payload: Value, time: DeviceTime) {
        self.outbox.push_back(protocol::event(event, payload, time.nanos(), self.told_paused));
    }

    /// Whether device time may not pass faster than wall time. It may where the client has said up to
    /// which moment it waits, and does nothing meanwhile.
    fn is_paced(&self, simulation: &Simulation) -> bool {
        let waits = simulation.has_limit() || self.points.is_waited_for();
        match self.host.pace {
            Pace::Wall => self.converses || !waits,
            Pace::Fast => self.converses || !(waits || self.points.next().is_some()),
        }
    }

    /// How long there is nothing to do.
    pub(super) fn patience(&mut self) -> Patience {
        let telling = self.console.due_in(self.clock.now());
        let running = match &self.simulation {
            Some(simulation) if simulation.is_running() => Some(match self.is_paced(simulation) {
                true => self.pacer.ahead(simulation.now()).unwrap_or_default(),
                false => Duration::ZERO,
            }),
            _ => None,
        };
        match [telling, running].into_iter().flatten().min() {
            Some(span) => Patience::For(span),
            None => Patience::Forever,
        }
    }

    /// Lets the board run, as far as it is time for that.
    pub(super) fn advance(&mut self) {
        let since = self.clock.now();
        let mut news = Vec::new();
        // Out of the way of `self` while it runs.
        if let Some(mut simulation) = self.simulation.take() {
            let mut outcome = Ok(());
            while simulation.is_running() && outcome.is_ok() && self.clock.now() - since < TURN {
                let paced = self.is_paced(&simulation);
                if paced && self.pacer.ahead(simulation.now()).is_ok_and(|span| !span.is_zero()) {
                    break;
                }
                outcome = simulation.run(&mut self.points, SLICE, &mut news);
                if !paced {
                    self.pacer.start_anew(simulation.now());
                }
            }
            self.simulation = Some(simulation);
            let wall = self.clock.now();
            for news in news {
                match news {
                    News::Serial { bytes, time } => self.console.push(&bytes, time, wall),
                    News::Pin { gpio, time, level } => {
                        self.analyzer.iter_mut().for_each(|it| it.see(gpio, time, level));
                        commands::pins::tell(self, gpio, time, level);
                    }
                    News::Paused(point) => self.tell_paused(point.as_deref()),
                    News::Remark(text) => self.host.remark(text),
                }
            }
            if let Err(error) = outcome {
                self.give_up(&error.to_string());
            }
        }
        let wall = self.clock.now();
        self.tell_said(|console| console.take_due(wall));
    }

    /// Tells that nothing goes on, and why; simulated time stands still, so that clients which wait for
    /// a moment of it would wait for ever.
    fn give_up(&mut self, why: &str) {
        self.tell_said(Console::take);
        self.outbox.push_back(protocol::error(why));
        (self.simulation, self.over) = (None, true);
    }

    /// Whether nothing goes on from here, which the client has been told.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }
}
