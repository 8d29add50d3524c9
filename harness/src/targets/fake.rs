//! A scripted target for tests of steps, runner and reports: it says what its script says, when it
//! says it, and logs what was done to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::part::{Finger, Shown};
use super::{
    BootMode, Button, Capabilities, Capability, Core, Disturbance, Level, MachineReport,
    PinSetting, Port, Power, Progress, Target, TargetError, TargetEvent, TargetRequest,
    TargetSource,
};
use crate::packets::{Capture, Link};
use crate::site::{Order, SiteEvent};
use crate::time::{DeviceTime, Span};

/// What makes a reply begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cue {
    /// Power comes on.
    PowerOn,
    /// The reset button is released.
    Reset,
    /// The bytes sent so far end with these.
    Sent(Vec<u8>),
}

/// What the fake says after a cue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    cue: Cue,
    lines: Vec<(Span, Said)>,
}

/// One thing of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Bytes(Port, Vec<u8>),
    Pin(u8, Level),
    PowerLost,
    Site(SiteEvent),
}

impl Reply {
    /// A reply that begins with `cue` and says nothing yet.
    pub fn on(cue: Cue) -> Self {
        Self { cue, lines: Vec::new() }
    }

    /// Says `text` on the console, `after` the previous output.
    pub fn say(mut self, after: Span, text: impl AsRef<[u8]>) -> Self {
        self.lines.push((after, Said::Bytes(Port::Console, text.as_ref().to_vec())));
        self
    }

    /// Changes the level of a pin, `after` the previous thing.
    pub fn pin(mut self, after: Span, gpio: u8, level: Level) -> Self {
        self.lines.push((after, Said::Pin(gpio, level)));
        self
    }

    /// Something happens around it, `after` the previous thing.
    pub fn happen(mut self, after: Span, event: SiteEvent) -> Self {
        self.lines.push((after, Said::Site(event)));
        self
    }

    /// Loses its power, `after` the previous thing.
    pub fn lose_power(mut self, after: Span) -> Self {
        self.lines.push((after, Said::PowerLost));
        self
    }
}

/// What was done to a target, one line each.
pub type Log = Arc<Mutex<Vec<String>>>;

/// A target that follows a script.
#[derive(Debug, Clone, Default)]
pub struct FakeTarget {
    now: DeviceTime,
    powered: bool,
    mode: Option<BootMode>,
    replies: VecDeque<Reply>,
    pending: VecDeque<TargetEvent>,
    levels: BTreeMap<u8, Level>,
    shown: BTreeMap<String, Shown>,
    flash: Vec<u8>,
    sent: Vec<u8>,
    echo: bool,
    log: Log,
    report: MachineReport,
    standing: Vec<Core>,
    capture: Option<Capture>,
    breaks: Option<(DeviceTime, String)>,
}

impl FakeTarget {
    /// A target that gives `replies`, each once, in this order.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { replies: replies.into_iter().collect(), ..Self::default() }
    }

    /// The same, which cannot go on at that time.
    pub fn breaking_at(mut self, after: Span, why: &str) -> Self {
        self.breaks = Some((DeviceTime::ZERO + after, why.to_owned()));
        self
    }

    /// The same, sending back every byte it is sent, as a terminal does.
    pub fn echoing(mut self) -> Self {
        self.echo = true;
        self
    }

    /// The same, with this at the beginning of its flash.
    pub fn holding(mut self, flash: impl Into<Vec<u8>>) -> Self {
        self.flash = flash.into();
        self
    }

    /// The same, with this to be seen of a part, `part.what`.
    pub fn showing(mut self, what: &str, shown: Shown) -> Self {
        self.shown.insert(what.to_owned(), shown);
        self
    }

    /// The same, ending with this report.
    pub fn reporting(mut self, report: MachineReport) -> Self {
        self.report = report;
        self
    }

    /// The same, giving this when it is told to capture packets.
    pub fn capturing(mut self, capture: Capture) -> Self {
        self.capture = Some(capture);
        self
    }

    /// The same, its guest dead with the cores like this when the script has nothing more to say.
    pub fn dying_with(mut self, standing: Vec<Core>) -> Self {
        self.standing = standing;
        self
    }

    /// What was done to it, one line each; shared with the target.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    fn note(&self, what: impl Into<String>) {
        if let Ok(mut log) = self.log.lock() {
            log.push(format!("{} {}", self.now, what.into()));
        }
    }

    fn cue(&mut self, happened: impl Fn(&Cue) -> bool) {
        let Some(reply) = self.replies.pop_front_if(|reply| happened(&reply.cue)) else { return };
        let mut time = self.now.max(self.pending.back().map_or(self.now, TargetEvent::time));
        for (after, said) in reply.lines {
            time = time + after;
            self.pending.push_back(match said {
                Said::Bytes(port, bytes) => TargetEvent::Serial { port, time, bytes },
                Said::Pin(gpio, level) => TargetEvent::Pin { gpio, time, level },
                Said::PowerLost => TargetEvent::PowerLost { time },
                Said::Site(event) => TargetEvent::Site { time, event },
            });
        }
    }

    fn loader(&self, to: &'static str) -> Result<(), TargetError> {
        match self.mode {
            Some(BootMode::Download) if self.powered => Ok(()),
            _ => Err(TargetError::NotInDownloadMode(to)),
        }
    }
}

impl Target for FakeTarget {
    fn now(&self) -> DeviceTime {
        self.now
    }

    fn power(&mut self, power: Power) -> Result<(), TargetError> {
        let on = power == Power::On;
        if on != self.powered {
            self.powered = on;
            self.note(if on { "power on" } else { "power off" });
            match on {
                true => self.cue(|cue| *cue == Cue::PowerOn),
                false => self.pending.clear(),
            }
        }
        Ok(())
    }

    fn is_powered(&self) -> bool {
        self.powered
    }

    fn boot_mode(&mut self, mode: BootMode) -> Result<(), TargetError> {
        self.note(format!("strap {mode:?}"));
        self.mode = Some(mode);
        Ok(())
    }

    fn press(&mut self, button: Button) -> Result<(), TargetError> {
        self.note(format!("press {button}"));
        self.pending.clear();
        Ok(())
    }

    fn release(&mut self, button: Button) -> Result<(), TargetError> {
        self.note(format!("release {button}"));
        if button == Button::Reset {
            self.cue(|cue| *cue == Cue::Reset);
        }
        Ok(())
    }

    fn erase_flash(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), TargetError> {
        self.loader("erased")?;
        progress(Progress { done: 1, total: 1 });
        self.note("erase");
        Ok(())
    }

    fn write_flash(
        &mut self,
        offset: u32,
        bytes: &[u8],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), TargetError> {
        self.loader("written")?;
        let total = bytes.len() as u64;
        progress(Progress { done: total, total });
        self.note(format!("write {} bytes at {offset:#x}", bytes.len()));
        Ok(())
    }

    fn erase_region(&mut self, offset: u32, length: u32) -> Result<(), TargetError> {
        self.loader("erased")?;
        self.note(format!("erase {length:#x} bytes at {offset:#x}"));
        Ok(())
    }

    fn read_flash(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, TargetError> {
        self.loader("read")?;
        self.note(format!("read {length:#x} bytes at {offset:#x}"));
        let held = self.flash.get(offset as usize..).unwrap_or_default();
        let held = held.iter().copied().chain(std::iter::repeat(0xff));
        Ok(held.take(length as usize).collect())
    }

    fn corrupt_flash(
        &mut self,
        offset: u32,
        length: u32,
        change: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), TargetError> {
        let (from, to) = (offset as usize, offset as usize + length as usize);
        self.flash.resize(self.flash.len().max(to), 0xff);
        change(&mut self.flash[from..to]);
        self.note(format!("corrupt {length:#x} bytes at {offset:#x}"));
        Ok(())
    }

    fn set_baud(&mut self, port: Port, baud: u32) -> Result<(), TargetError> {
        self.note(format!("{port} at {baud} baud"));
        Ok(())
    }

    fn send_break(&mut self, port: Port) -> Result<(), TargetError> {
        self.note(format!("{port} < break"));
        Ok(())
    }

    fn pin(&mut self, gpio: u8) -> Result<Level, TargetError> {
        Ok(self.levels.get(&gpio).copied().unwrap_or(Level::Low))
    }

    fn pin_setting(&mut self, _gpio: u8) -> Result<PinSetting, TargetError> {
        Ok(PinSetting { drives: false, pull: Some(Level::High) })
    }

    fn set_control(&mut self, part: &str, control: &str, value: f64) -> Result<(), TargetError> {
        self.note(format!("{part}.{control} = {value}"));
        Ok(())
    }

    fn touch(&mut self, part: &str, finger: Finger) -> Result<(), TargetError> {
        self.note(format!("{part}: {finger}"));
        Ok(())
    }

    fn shown(&mut self, part: &str, what: &str) -> Result<Shown, TargetError> {
        let what = format!("{part}.{what}");
        self.shown.get(&what).cloned().ok_or(TargetError::NoSuchPart(what))
    }

    fn drive_pin(&mut self, gpio: u8, level: Option<Level>) -> Result<(), TargetError> {
        let shown = level.map_or("nothing".to_owned(), |level| level.to_string());
        self.note(format!("GPIO{gpio} < {shown}"));
        Ok(())
    }

    fn observe_pin(&mut self, _gpio: u8) -> Result<(), TargetError> {
        Ok(())
    }

    fn disturb(&mut self, disturbance: Disturbance) -> Result<(), TargetError> {
        self.note(format!("{disturbance:?}"));
        Ok(())
    }

    fn send(&mut self, port: Port, bytes: &[u8]) -> Result<(), TargetError> {
        self.note(format!("{port} < {}", bytes.escape_ascii()));
        for byte in bytes {
            self.sent.push(*byte);
            if self.echo {
                let bytes = if *byte == b'\r' { b"\r\n".to_vec() } else { vec![*byte] };
                self.pending.push_back(TargetEvent::Serial { port, time: self.now, bytes });
            }
            let sent = std::mem::take(&mut self.sent);
            self.cue(|cue| matches!(cue, Cue::Sent(end) if sent.ends_with(end)));
            self.sent = sent;
        }
        Ok(())
    }

    fn order(&mut self, order: Order) -> Result<(), TargetError> {
        self.note(format!("{order:?}"));
        Ok(())
    }

    fn start_capture(&mut self, link: Link) -> Result<(), TargetError> {
        self.note(format!("capture {link:?}"));
        Ok(())
    }

    fn take_capture(&mut self) -> Result<Capture, TargetError> {
        self.capture.clone().ok_or(TargetError::Cannot("capture packets"))
    }

    fn run_until(&mut self, deadline: DeviceTime) -> Result<Vec<TargetEvent>, TargetError> {
        let deadline = match &self.breaks {
            Some((time, why)) if self.now >= *time => {
                return Err(TargetError::Stopped(why.clone()));
            }
            Some((time, _)) => deadline.min(*time),
            None => deadline,
        };
        let due = |event: &mut TargetEvent| event.time() <= deadline;
        let Some(event) = self.pending.pop_front_if(due) else {
            self.now = self.now.max(deadline);
            return Ok(Vec::new());
        };
        self.now = self.now.max(event.time());
        match &event {
            TargetEvent::Pin { gpio, level, .. } => {
                self.levels.insert(*gpio, *level);
            }
            TargetEvent::PowerLost { .. } => self.powered = false,
            TargetEvent::Serial { .. } | TargetEvent::Site { .. } | TargetEvent::Remark { .. } => {}
        }
        Ok(vec![event])
    }

    fn finish(&mut self) -> MachineReport {
        MachineReport { time: self.now, ..self.report.clone() }
    }

    fn fork(&self) -> Option<Box<dyn Target>> {
        Some(Box::new(self.clone()))
    }

    fn standing(&self) -> Vec<Core> {
        self.standing.clone()
    }

    fn is_dead(&self) -> bool {
        !self.standing.is_empty() && self.pending.is_empty()
    }
}

/// A source that gives the same scripted target each time.
#[derive(Debug, Clone)]
pub struct FakeSource {
    /// What each case gets a copy of.
    pub target: FakeTarget,
    /// What it gets instead for boards of some profiles.
    pub by_profile: BTreeMap<String, FakeTarget>,
    /// What it claims to be able to do.
    pub capabilities: Capabilities,
    /// The requests it had.
    pub requests: Arc<Mutex<Vec<TargetRequest>>>,
}

impl FakeSource {
    /// A source of copies of `target` that can do everything.
    pub fn new(target: FakeTarget) -> Self {
        use Capability::{
            Air, AirControl, DrivePins, Faults, Flash, KeepFlash, Operator, Parts, Pins, Power,
            Reset, SaveState, SeeParts, Serial, SeveralBoards, Strap, VirtualTime,
        };
        let capabilities = [
            Air,
            AirControl,
            DrivePins,
            Faults,
            Flash,
            KeepFlash,
            Operator,
            Parts,
            SeeParts,
            Pins,
            Power,
            Reset,
            SaveState,
            Serial,
            SeveralBoards,
            Strap,
            VirtualTime,
        ]
        .into();
        Self { target, by_profile: BTreeMap::new(), capabilities, requests: Arc::default() }
    }

    /// The same with another target for boards of this profile.
    pub fn with(mut self, profile: &str, target: FakeTarget) -> Self {
        self.by_profile.insert(profile.to_owned(), target);
        self
    }
}

impl TargetSource for FakeSource {
    fn name(&self) -> &str {
        "fake"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn boards(&self) -> Vec<String> {
        vec!["esp32-devkit".to_owned(), "esp32-cam".to_owned()]
    }

    fn parts(&self, _board: &str) -> Vec<String> {
        let own = ["esp", "reset", "boot"].map(str::to_owned);
        own.into_iter().chain(self.target.shown.keys().cloned()).collect()
    }

    fn open(&self, request: &TargetRequest) -> Result<Box<dyn Target>, TargetError> {
        if let Ok(mut requests) = self.requests.lock() {
            requests.push(request.clone());
        }
        Ok(Box::new(self.by_profile.get(&request.board).unwrap_or(&self.target).clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_speaks_on_its_cue_and_at_its_time() {
        let ms = Span::from_millis;
        let boot = Reply::on(Cue::PowerOn).say(ms(5), "ets\r\n").say(ms(5), ">>> ");
        let mut target = FakeTarget::new([boot]);
        target.power(Power::On).unwrap();
        let deadline = DeviceTime::ZERO + ms(7);
        assert_eq!(target.run_until(deadline).unwrap().len(), 1);
        assert_eq!(target.now(), DeviceTime::ZERO + ms(5));
        assert_eq!(target.run_until(deadline).unwrap(), []);
        assert_eq!(target.now(), deadline);
    }
}
