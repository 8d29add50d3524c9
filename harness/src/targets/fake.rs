//! A scripted target for tests of steps, runner and reports: it says what its script says, when it
//! says it, and logs what was done to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::{
    BootMode, Button, Capabilities, Capability, MachineReport, Port, Power, Progress, Target,
    TargetError, TargetEvent, TargetRequest, TargetSource,
};
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
    lines: Vec<(Span, Port, Vec<u8>)>,
}

impl Reply {
    /// A reply that begins with `cue` and says nothing yet.
    pub fn on(cue: Cue) -> Self {
        Self { cue, lines: Vec::new() }
    }

    /// Says `text` on the console, `after` the previous output.
    pub fn say(mut self, after: Span, text: impl AsRef<[u8]>) -> Self {
        self.lines.push((after, Port::Console, text.as_ref().to_vec()));
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
    pending: VecDeque<(DeviceTime, Port, Vec<u8>)>,
    sent: Vec<u8>,
    echo: bool,
    log: Log,
    report: MachineReport,
}

impl FakeTarget {
    /// A target that gives `replies`, each once, in this order.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { replies: replies.into_iter().collect(), ..Self::default() }
    }

    /// The same, sending back every byte it is sent, as a terminal does.
    pub fn echoing(mut self) -> Self {
        self.echo = true;
        self
    }

    /// The same, ending with this report.
    pub fn reporting(mut self, report: MachineReport) -> Self {
        self.report = report;
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
        let mut time = self.now.max(self.pending.back().map_or(self.now, |(time, ..)| *time));
        for (after, port, bytes) in reply.lines {
            time = time + after;
            self.pending.push_back((time, port, bytes));
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
        self.note(format!("press {button:?}"));
        self.pending.clear();
        Ok(())
    }

    fn release(&mut self, button: Button) -> Result<(), TargetError> {
        self.note(format!("release {button:?}"));
        self.cue(|cue| *cue == Cue::Reset);
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

    fn send(&mut self, port: Port, bytes: &[u8]) -> Result<(), TargetError> {
        self.note(format!("{port} < {}", bytes.escape_ascii()));
        for byte in bytes {
            self.sent.push(*byte);
            if self.echo {
                let bytes = if *byte == b'\r' { b"\r\n".to_vec() } else { vec![*byte] };
                self.pending.push_back((self.now, port, bytes));
            }
            let sent = std::mem::take(&mut self.sent);
            self.cue(|cue| matches!(cue, Cue::Sent(end) if sent.ends_with(end)));
            self.sent = sent;
        }
        Ok(())
    }

    fn run_until(&mut self, deadline: DeviceTime) -> Result<Vec<TargetEvent>, TargetError> {
        let due = |(time, ..): &mut (DeviceTime, Port, Vec<u8>)| *time <= deadline;
        let Some((time, port, bytes)) = self.pending.pop_front_if(due) else {
            self.now = self.now.max(deadline);
            return Ok(Vec::new());
        };
        self.now = self.now.max(time);
        Ok(vec![TargetEvent::Serial { port, time, bytes }])
    }

    fn finish(&mut self) -> MachineReport {
        MachineReport { time: self.now, ..self.report.clone() }
    }
}

/// A source that gives the same scripted target each time.
#[derive(Debug, Clone)]
pub struct FakeSource {
    /// What each case gets a copy of.
    pub target: FakeTarget,
    /// What it claims to be able to do.
    pub capabilities: Capabilities,
    /// The requests it had.
    pub requests: Arc<Mutex<Vec<TargetRequest>>>,
}

impl FakeSource {
    /// A source of copies of `target` that can do everything.
    pub fn new(target: FakeTarget) -> Self {
        use Capability::{Flash, Power, Reset, Serial, Strap, VirtualTime};
        let capabilities = [Flash, Power, Reset, Serial, Strap, VirtualTime].into();
        Self { target, capabilities, requests: Arc::default() }
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

    fn open(&self, request: &TargetRequest) -> Result<Box<dyn Target>, TargetError> {
        if let Ok(mut requests) = self.requests.lock() {
            requests.push(request.clone());
        }
        Ok(Box::new(self.target.clone()))
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
